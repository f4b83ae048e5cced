/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-blk with every request recorded: a driver table of its own that goes round the one without,
 * so that the path of a request knows nothing of it. What takes the general way (issue_any,
 * take_uncommon) is recorded there; here stands what a prepared slot carries.
 */
#include "drivers/virtio_blk.h"
#include "drivers/virtq_hot.h"
#include <vstor/trace.h>

#define PLAIN (&vst_virtio_blk_driver)

static struct blk_queue *queue_of(struct vst_block_queue *queue)
{
    return VST_CONTAINER_OF(queue, struct blk_queue, base);
}

static enum vst_status traced_submit(struct vst_block_queue *queue,
                                     struct vst_block_request *request)
{
    struct virtq *vq = &queue_of(queue)->vq;
    uint32_t n_put = vq->n_put;
    enum vst_status status = PLAIN->submit(queue, request);
    uint16_t id = vq->free[vq->n_free < vq->size ? vq->n_free : 0]->id; /* what was taken last */

    if (status == VST_OK && vq->n_put != n_put && vq->slots[id].shape != 0)
        vst_trace_add(queue, (struct vst_trace_event){.kind = VST_TRACE_SUBMIT,
                                                      .detail = (uint8_t)request->op,
                                                      .id = id,
                                                      .sector = request->start_sector,
                                                      .count = (uint32_t)request->n_sectors});
    return status;
}

static enum vst_status traced_submit_part(struct vst_block_queue *queue,
                                          struct vst_block_request *request,
                                          const struct vst_block_part *part)
{
    return PLAIN->submit_part(queue, request, part);
}

static void traced_kick(struct vst_block_queue *queue)
{
    const struct virtq *vq = &queue_of(queue)->vq;
    uint32_t n_published = vq->n_published;
    uint64_t kicks = queue->stats.kicks;

    PLAIN->kick(queue);
    if (vq->n_published != n_published)
        vst_trace_add(queue, (struct vst_trace_event){.kind = queue->stats.kicks != kicks
                                                                  ? VST_TRACE_KICK
                                                                  : VST_TRACE_KICK_SAVED,
                                                      .count = vq->n_published - n_published});
}

/** One at a time: the id given back last is on top of the stack of free ones. */
static size_t traced_poll(struct vst_block_queue *queue, struct vst_block_request **done,
                          size_t max)
{
    const struct virtq *vq = &queue_of(queue)->vq;
    size_t n_done = 0;
    uint32_t n_used;

    traced_kick(queue);
    do {
        n_used = vq->n_used;
        size_t n = PLAIN->poll(queue, done + n_done, max > n_done ? 1 : 0);
        uint16_t id = n > 0 && vq->n_free > 0 ? virtq_take(vq)->id : 0;
        if (n > 0 && done[n_done]->status == VST_OK && vq->n_used == n_used + 1 &&
            vq->slots[id].shape != 0)
            vst_trace_add(queue, (struct vst_trace_event){.kind = VST_TRACE_COMPLETE,
                                                          .id = id,
                                                          .sector = done[n_done]->start_sector});
        n_done += n;
    } while (n_done < max && vq->n_used != n_used && PLAIN->ready(queue));
    return n_done;
}

static bool traced_ready(const struct vst_block_queue *queue)
{
    return PLAIN->ready(queue);
}

static void traced_arm(struct vst_block_queue *queue, uint32_t n)
{
    PLAIN->arm(queue, n);
    vst_trace_add(queue, (struct vst_trace_event){.kind = VST_TRACE_ARM, .count = n});
}

static void traced_disarm(struct vst_block_queue *queue)
{
    PLAIN->disarm(queue);
}

static bool traced_awaited(const struct vst_block_queue *queue)
{
    return PLAIN->awaited(queue);
}

static void traced_rest(struct vst_block_queue *queue)
{
    PLAIN->rest(queue);
}

const struct vst_block_driver vst_virtio_blk_traced_driver = {
    .submit = traced_submit,
    .submit_part = traced_submit_part,
    .kick = traced_kick,
    .poll = traced_poll,
    .ready = traced_ready,
    .arm = traced_arm,
    .disarm = traced_disarm,
    .awaited = traced_awaited,
    .parse_zones = vst_virtio_blk_parse_zones,
    .refresh = vst_virtio_blk_refresh_if_changed,
    .set_write_cache = vst_virtio_blk_set_write_cache,
    .rest = traced_rest,
    .untraced = &vst_virtio_blk_driver,
};
