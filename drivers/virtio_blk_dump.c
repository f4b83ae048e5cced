/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk: what a queue looked like when it broke, for the log. All from private memory, but for
 * one look at the used index. */
#include "drivers/virtio_blk.h"
#include <vstor/trace.h>

#define MOST_COMMANDS 8u
#define MOST_EVENTS   16u

static const char *name_of(const struct blk_queue *q)
{
    return q->base.device->name[0] != '\0' ? q->base.device->name : q->blk->virtio.name;
}

static void dump_ring(const struct blk_queue *q)
{
    const struct virtq *vq = &q->vq;
    const struct vst_platform *platform = q->base.device->platform;

    if (vq->packed)
        vst_log(platform, VST_LOG_WARNING,
                "%s queue %u: packed, %u descriptors; %u put, %u shown, %u taken back; next to use "
                "%x, next used %x",
                name_of(q), q->base.index, vq->size, vq->n_put, vq->n_published, vq->n_used,
                virtq_off_wrap(vq, &vq->avail_place), virtq_off_wrap(vq, &vq->used_place));
    else
        vst_log(
            platform, VST_LOG_WARNING,
            "%s queue %u: split, %u descriptors; %u put, %u shown, %u taken back; used index %x",
            name_of(q), q->base.index, vq->size, vq->n_put, vq->n_published, vq->n_used,
            dev_le16_get(&vq->used->idx));
}

static void dump_command(const struct blk_queue *q, uint32_t id)
{
    const struct virtq_slot *slot = &q->vq.slots[id];
    const struct vst_block_request *request = slot->token;
    bool part = slot->shape == 0 && request->priv.split;

    vst_log(q->base.device->platform, VST_LOG_WARNING,
            "%s queue %u: in flight: id %u, %s%s at sector %lu, %u ticks old", name_of(q),
            q->base.index, id, part ? "part of a " : "", vst_block_op_name(request->op),
            (unsigned long)(part ? slot->start_sector : request->start_sector),
            (uint16_t)(q->epoch - slot->epoch));
}

void vst_virtio_blk_dump(const struct blk_queue *q)
{
    uint32_t n = 0;

    dump_ring(q);
    for (uint32_t id = 0; id < q->vq.size; id++)
        if (q->vq.slots[id].token != NULL && n++ < MOST_COMMANDS)
            dump_command(q, id);
    if (n > MOST_COMMANDS)
        vst_log(q->base.device->platform, VST_LOG_WARNING, "%s queue %u: and %u more in flight",
                name_of(q), q->base.index, n - MOST_COMMANDS);
    vst_trace_log(&q->base, MOST_EVENTS);
}
