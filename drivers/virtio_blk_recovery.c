/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-blk: its part of recovery (virtio_recovery.h). Requests that were in flight when the device
 * was reset are given to it again.
 */
#include "drivers/virtio_blk.h"
#include "drivers/virtq_hot.h"
#include <vstor/trace.h>

#define MAX_REPLAYS 2u

static struct blk_device *blk_of(struct virtio_recovery *device)
{
    return VST_CONTAINER_OF(device, struct blk_device, recovery);
}

static struct blk_queue *queue_of(struct virtio_run *run)
{
    return VST_CONTAINER_OF(run, struct blk_queue, run);
}

static const char *name_of(struct virtio_recovery *device)
{
    const struct blk_device *blk = blk_of(device);

    return blk->base.name[0] != '\0' ? blk->base.name : blk->virtio.name;
}

static struct virtio_run *run_of(struct virtio_recovery *device, uint16_t i)
{
    return &blk_of(device)->queues[i].run;
}

static bool any_waiting(struct virtio_run *run)
{
    return queue_of(run)->waiting.first != NULL;
}

static void trace(struct blk_queue *q, enum vst_trace_kind kind)
{
    vst_trace_add(&q->base, (struct vst_trace_event){.kind = (uint8_t)kind,
                                                     .count = q->vq.n_put - q->vq.n_used});
}

static void note(struct virtio_run *run, enum virtio_recovery_note what)
{
    struct blk_queue *q = queue_of(run);

    switch (what) {
    case VIRTIO_NOTE_FAULT:
        trace(q, run->fault == VST_ERR_TIMEOUT ? VST_TRACE_TIMEOUT : VST_TRACE_BROKEN);
        vst_virtio_blk_dump(q);
        return;
    case VIRTIO_NOTE_QUEUE_RESET:
        q->base.stats.queue_resets++;
        trace(q, VST_TRACE_QUEUE_RESET);
        break;
    case VIRTIO_NOTE_DEVICE_RESET:
        q->base.stats.device_resets++;
        break;
    case VIRTIO_NOTE_CAUGHT_UP:
        trace(q, VST_TRACE_RESET);
        return;
    }
    vst_block_note(&q->blk->base, VST_BLOCK_EVENT_RECOVERED, run->device->n_recoveries);
}

/* ------------------------------------------------------------------ replay */

/** Whether an operation may be given to the device again after a reset: see vstor/block.h. */
static const bool may_be_repeated[VST_BLOCK_N_OPS] = {
    [VST_BLOCK_READ] = true,
    [VST_BLOCK_WRITE] = true,
    [VST_BLOCK_FLUSH] = true,
    [VST_BLOCK_WRITE_DURABLE] = true,
    [VST_BLOCK_DISCARD] = true,
    [VST_BLOCK_WRITE_ZEROES] = true,
    [VST_BLOCK_WRITE_ZEROES_KEEP] = true,
    [VST_BLOCK_SECURE_ERASE] = true,
    [VST_BLOCK_LIFETIME] = true,
};

/*
 * How often a request was replayed stands in its status: nobody reads that while it is in flight,
 * its end overwrites it, and submit need not clear it. A chance value in it costs a replay.
 */
#define REPLAY_MARK 0x52504c00u

static unsigned n_replays_of(const struct vst_block_request *request, bool split)
{
    uint32_t n = (uint32_t)request->status - REPLAY_MARK;

    if (split)
        return request->priv.n_replays;
    return n <= MAX_REPLAYS ? n : 0;
}

/**
 * A write to a sequential zone may have moved the write pointer: repeated, it would end as one that
 * is in the wrong place, though its data are there. Which zones are sequential we do not know.
 */
static bool moves_pointer(const struct blk_queue *q, enum vst_block_op op)
{
    return q->base.device->limits.zones.model == VST_ZONE_MODEL_HOST_MANAGED &&
           (op == VST_BLOCK_WRITE || op == VST_BLOCK_WRITE_DURABLE);
}

/** VST_OK: may be replayed; else how the request ends. */
static enum vst_status judge(const struct blk_queue *q, const struct vst_block_request *request,
                             bool split, enum vst_status fault)
{
    if (!may_be_repeated[request->op] || (q->blk->config.never_replayed >> request->op & 1) != 0 ||
        moves_pointer(q, request->op))
        return VST_ERR_RESET;
    return n_replays_of(request, split) < MAX_REPLAYS ? VST_OK : fault;
}

/** Takes a command that was in flight out of its slot; true if its request is to be issued again. */
static bool drop(struct blk_queue *q, uint16_t id, enum vst_status fault)
{
    struct virtq_slot *slot = &q->vq.slots[id];
    struct vst_block_request *request = slot->token;
    bool split = slot->shape == 0 && request->priv.split;
    enum vst_status status = judge(q, request, split, fault);

    slot->token = NULL;
    if (split) {
        vst_virtio_blk_unmap(q, id, request);
        q->base.stats.errors += status != VST_OK;
        q->base.stats.replays +=
            vst_block_part_dropped(&q->base, request, slot->start_sector, status);
        return false;
    }
    if (status == VST_OK)
        vst_virtio_blk_unmap(q, id, request);
    else if (vst_virtio_blk_end_command(q, id, request, status))
        vst_block_finish(&q->base, request, status);
    return status == VST_OK;
}

/** Its length is that of its segment, not a number of sectors. */
static enum vst_status issue_lifetime(struct blk_queue *q, struct vst_block_request *request)
{
    const struct vst_block_part part = {.op = VST_BLOCK_LIFETIME,
                                        .bytes = (uint32_t)request->segments->bytes,
                                        .n_pieces = 1,
                                        .segments = request->segments};

    return q->base.driver->submit_part(&q->base, request, &part);
}

static enum vst_status issue_again(struct blk_queue *q, struct vst_block_request *request)
{
    enum vst_status status = request->op == VST_BLOCK_LIFETIME
                                 ? issue_lifetime(q, request)
                                 : q->base.driver->submit(&q->base, request);

    if (status != VST_OK)
        return status;
    q->base.stats.replays++;
    vst_trace_add(&q->base, (struct vst_trace_event){.kind = VST_TRACE_REPLAY,
                                                     .detail = (uint8_t)request->op,
                                                     .sector = request->start_sector});
    return VST_OK;
}

static void end_first_waiting(struct blk_queue *q, enum vst_status status)
{
    struct vst_block_request *request = q->waiting.first;

    q->waiting.first = request->priv.next;
    request->error_sector = request->start_sector;
    vst_block_finish(&q->base, request, status);
}

__attribute__((cold)) void vst_virtio_blk_replay_waiting(struct blk_queue *q)
{
    while (q->waiting.first != NULL && !q->vq.broken) {
        struct vst_block_request *next = q->waiting.first->priv.next;
        enum vst_status status = issue_again(q, q->waiting.first);
        /* There was room in the ring; where mappings are had from a pool, others may have been first. */
        if (status == VST_ERR_FULL) {
            if ((uint16_t)(q->epoch - q->waiting_since) <= q->blk->timeout_epochs)
                break;
            q->base.stats.timeouts++;
            status = VST_ERR_TIMEOUT;
        }
        if (status == VST_OK)
            q->waiting.first = next;
        else
            end_first_waiting(q, status);
    }
    q->base.driver->kick(&q->base);
}

static void wait_for_replay(struct blk_queue *q, struct vst_block_request *request)
{
    request->status = (enum vst_status)(REPLAY_MARK + n_replays_of(request, false) + 1);
    request->priv.next = NULL;
    if (q->waiting.first == NULL) {
        q->waiting_since = q->epoch;
        q->waiting.first = request;
    } else {
        q->waiting.last->priv.next = request;
    }
    q->waiting.last = request;
}

/** The ring is new: what was in flight goes there again, or ends. Returns how many were replayed. */
static unsigned start_over(struct virtio_run *run, enum vst_status fault)
{
    struct blk_queue *q = queue_of(run);
    uint64_t n_before = q->base.stats.replays;

    for (uint32_t id = 0; id < q->vq.size; id++) {
        struct vst_block_request *request = q->vq.slots[id].token;
        if (request != NULL && drop(q, (uint16_t)id, fault))
            wait_for_replay(q, request);
    }
    vst_virtq_forget(&q->vq);
    trace(q, VST_TRACE_RESTART);
    q->n_in_order = 0;
    q->n_used_at_watch = 0;
    q->unanswered_at_watch = false;
    run->fault = VST_ERR_BROKEN;
    run->fault_of_device = false;
    vst_virtio_blk_replay_waiting(q);
    return (unsigned)(q->base.stats.replays - n_before);
}

/* ------------------------------------------------------------------ out of service */

static void give_up(struct virtio_recovery *device, const char *why, bool gone)
{
    struct blk_device *blk = blk_of(device);

    blk->base.broken_why = why;
    __atomic_store_n(&blk->base.gone, gone, __ATOMIC_RELEASE);
    __atomic_store_n(&blk->base.broken, true, __ATOMIC_RELEASE);
    vst_block_limits_changed(&blk->base);
    vst_virtio_blk_stop(blk);
}

static bool is_gone(struct virtio_recovery *device)
{
    return vst_virtio_blk_is_gone(blk_of(device));
}

static void left(struct virtio_recovery *device, bool known)
{
    struct blk_device *blk = blk_of(device);

    if (vst_virtio_blk_is_gone(blk))
        blk->reset_unconfirmed = false; /* the bus says that it is gone, and so does its owner */
    else if (!known)
        vst_virtio_irq_close(&blk->irq);
    __atomic_store_n(&blk->base.gone, true, __ATOMIC_RELEASE);
}

void vst_virtio_blk_unplug(struct vst_block_device *device)
{
    /* So that the caller's own queue has nothing to ring for once the device is stopped. */
    vst_block_kick(device->queues[0]);
    vst_virtio_unplug(&VST_CONTAINER_OF(device, struct blk_device, base)->recovery);
}

static void end_all(struct virtio_run *run)
{
    struct blk_queue *q = queue_of(run);

    for (uint32_t id = 0; id < q->vq.size; id++) {
        struct vst_block_request *request = q->vq.slots[id].token;
        if (request == NULL)
            continue;
        q->vq.slots[id].token = NULL;
        if (vst_virtio_blk_end_command(q, (uint16_t)id, request, run->device->fault))
            vst_block_finish(&q->base, request, request->status);
    }
    q->n_in_order = 0;
    while (q->waiting.first != NULL)
        end_first_waiting(q, run->device->fault);
}

/* ------------------------------------------------------------------ the whole device (3.1.1) */

static bool enter(struct virtio_recovery *device)
{
    return !__atomic_exchange_n(&blk_of(device)->refreshing, true, __ATOMIC_ACQUIRE);
}

static void leave(struct virtio_recovery *device)
{
    __atomic_store_n(&blk_of(device)->refreshing, false, __ATOMIC_RELEASE);
}

/** The cache mode is ours, where we can set it: a reset may have put it back. (5.2.5) */
static const char *restart(struct virtio_recovery *device)
{
    struct blk_device *blk = blk_of(device);
    struct virtio_device *virtio = &blk->virtio;

    if (blk->base.write_cache_settable)
        virtio->transport->config_write(virtio, VIRTIO_BLK_CONFIG_WRITEBACK, 1,
                                        blk->base.write_cache);
    if (vst_virtio_blk_take_config(blk) != VST_OK)
        return "after a reset its configuration is another";
    vst_virtio_irq_again(&blk->irq);
    blk->base.change_message = blk->irq.config_vector;
    vst_virtio_blk_irq_acknowledge(blk);
    return NULL;
}

const struct virtio_recovery_ops vst_virtio_blk_recovery_ops = {
    .name = name_of,
    .run = run_of,
    .any_waiting = any_waiting,
    .start_over = start_over,
    .end_all = end_all,
    .enter = enter,
    .leave = leave,
    .restart = restart,
    .give_up = give_up,
    .is_gone = is_gone,
    .left = left,
    .note = note,
};
