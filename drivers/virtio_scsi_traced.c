/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-scsi with every request of a unit recorded: as virtio_blk_traced.c, operations of their own
 * that go round those without. What is made by hand, and what is not plainly good, is recorded where
 * that is done.
 */
#include "drivers/virtio_scsi.h"
#include "drivers/virtq_hot.h"
#include <vstor/trace.h>

#define PLAIN (&vst_virtio_scsi_ops)

static void add(struct scsi_queue *q, struct vst_trace_event event)
{
    vst_trace_put(q->scsi->base.platform, q->base.trace, event);
}

static bool is_traced(const struct vst_scsi_block_queue *owner)
{
    return owner->base.driver->untraced != NULL;
}

void vst_virtio_scsi_trace(struct scsi_queue *q, uint8_t kind)
{
    add(q, (struct vst_trace_event){.kind = kind, .count = q->vq.n_put - q->vq.n_used});
}

void vst_virtio_scsi_trace_submit(struct scsi_queue *q, uint16_t id,
                                  const struct vst_scsi_block_queue *owner, enum vst_block_op op,
                                  uint64_t start_sector, uint64_t n_sectors)
{
    if (is_traced(owner))
        add(q, (struct vst_trace_event){.kind = VST_TRACE_SUBMIT,
                                        .detail = (uint8_t)op,
                                        .id = id,
                                        .sector = start_sector,
                                        .count = (uint32_t)n_sectors});
}

void vst_virtio_scsi_trace_end(struct scsi_queue *q, uint16_t id,
                               const struct vst_scsi_block_queue *owner, uint64_t start_sector,
                               uint8_t status)
{
    if (is_traced(owner))
        add(q, (struct vst_trace_event){
                   .kind = VST_TRACE_COMPLETE, .id = id, .detail = status, .sector = start_sector});
}

/* ------------------------------------------------------------------ what a prepared slot carries */

static enum vst_status traced_submit(struct vst_scsi_block_queue *owner,
                                     struct vst_block_request *request, struct vst_scsi_cdb cdb)
{
    struct scsi_queue *q = scsi_queue_of(owner->hba_queue);
    struct virtq *vq = &q->vq;
    uint32_t n_put = vq->n_put;
    enum vst_status status = PLAIN->submit_block(owner, request, cdb);
    uint16_t id = vq->free[vq->n_free < vq->size ? vq->n_free : 0]->id; /* what was taken last */

    if (status == VST_OK && vq->n_put != n_put && vq->slots[id].shape != 0)
        vst_virtio_scsi_trace_submit(q, id, owner, request->op, request->start_sector,
                                     request->n_sectors);
    return status;
}

static void traced_kick(struct vst_scsi_block_queue *queue)
{
    struct scsi_queue *q = scsi_queue_of(queue->hba_queue);
    uint32_t n_published = q->vq.n_published;
    uint64_t kicks = queue->base.stats.kicks;

    PLAIN->kick(queue);
    if (q->vq.n_published != n_published)
        add(q, (struct vst_trace_event){
                   .kind = queue->base.stats.kicks != kicks ? VST_TRACE_KICK : VST_TRACE_KICK_SAVED,
                   .count = q->vq.n_published - n_published});
}

/** One at a time: the id given back last is on top of the stack of free ones. */
static size_t traced_poll(struct vst_scsi_block_queue *queue, struct vst_block_request **done,
                          size_t max)
{
    struct scsi_queue *q = scsi_queue_of(queue->hba_queue);
    const struct virtq *vq = &q->vq;
    size_t n_done = 0;
    uint32_t n_used;

    traced_kick(queue);
    do {
        n_used = vq->n_used;
        uint32_t n_events = q->base.trace->n_recorded;
        size_t n = PLAIN->poll(queue, done + n_done, max > n_done ? 1 : 0);
        /* What was looked at before it was taken back has been recorded there. */
        if (n > 0 && vq->n_used == n_used + 1 && q->base.trace->n_recorded == n_events &&
            vq->n_free > 0) /* 0: the queue was shut behind what was taken */
            vst_virtio_scsi_trace_end(q, virtq_take(vq)->id, queue, done[n_done]->start_sector, 0);
        n_done += n;
    } while (n_done < max && vq->n_used != n_used && PLAIN->ready(queue));
    return n_done;
}

static void traced_arm(struct vst_scsi_block_queue *queue, uint32_t n)
{
    PLAIN->arm(queue, n);
    add(scsi_queue_of(queue->hba_queue),
        (struct vst_trace_event){.kind = VST_TRACE_ARM, .count = n});
}

const struct vst_scsi_hba_ops vst_virtio_scsi_traced_ops = {
    .submit_block = traced_submit,
    .submit_part = vst_virtio_scsi_submit_part,
    .submit_long = vst_virtio_scsi_submit_long,
    .kick = traced_kick,
    .poll = traced_poll,
    .arm = traced_arm,
};
