/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk: what a device takes of the platform's memory. */
#include "drivers/virtio_blk.h"
#include <vstor/trace.h>

void vst_virtio_blk_count_memory(struct blk_device *blk)
{
    const struct blk_queue *q = &blk->queues[0]; /* all are alike */

    blk->base.queue_memory_bytes = q->vq.rings_bytes + q->vq.shared_bytes + q->vq.private_bytes +
                                   q->mappings_bytes + vst_trace_bytes(q->base.trace->n_slots);
    blk->base.memory_bytes = blk->bytes + blk->base.n_queues * blk->base.queue_memory_bytes;
}
