/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-blk: what is done when a device lies, falls silent or asks to be reset.
 *
 * Two ways. The queue alone is reset (2.6.1) by its own CPU, if that is wanted and only the queue
 * has failed. Or the device is reset and initialised again (3.1.1), for which every CPU must have
 * let go of its queue's ring; there are no locks in the path of a request, and none is added:
 *
 *     queue->state   ACTIVE  -> RESTING    its owner, when nothing is in flight, or because the
 *                                          device is to be reset
 *                    RESTING -> ACTIVE     its owner, by compare-and-swap, when something is
 *                                          submitted, or to replay once the device is in service
 *                    RESTING -> SEIZED     recovery, by compare-and-swap
 *                    SEIZED  -> RESTING    recovery, when the device runs again
 *
 *     device->phase  IN_SERVICE -> RECOVERING    the queue that found the fault
 *                    RECOVERING -> IN_SERVICE    whoever finds all queues seized restarts it
 *                    any -> OUT_OF_SERVICE       it does not come back, or not all queues do
 *
 * A queue that is not active is shut towards its own CPU as well: no id is free, so that submit
 * comes here, and it counts as broken, so that poll does. Both branches exist anyway. What was in
 * flight stays in its slots; the owner replays it in the poll that opens the queue again.
 *
 * Who writes what: a queue's private memory only its owner, at any time. The ring: the owner while
 * ACTIVE, recovery while SEIZED. The device's registers that concern more than one queue, and what
 * in struct blk_device says so: who holds `busy`. That lock is only ever tried; who does not get it
 * polls again. No CPU is special: if one stops polling in the middle, another one goes on.
 *
 * Late answers can't hurt: nothing in flight is touched, replayed or given back before the device
 * has confirmed the reset, and then nothing of old is in flight any more.
 */
#include "drivers/virtio_blk.h"
#include "drivers/virtq_hot.h"
#include <vstor/trace.h>

#define QUEUE_RESET_TIMEOUT_NS 1000000000ull
#define RENDEZVOUS_TIMEOUT_NS  5000000000ull
#define MAX_FRUITLESS          3u
#define MAX_REPLAYS            2u

static const char *name_of(const struct blk_device *blk)
{
    return blk->base.name[0] != '\0' ? blk->base.name : blk->virtio.name;
}

static uint8_t phase_of(const struct blk_device *blk)
{
    return __atomic_load_n(&blk->phase, __ATOMIC_ACQUIRE);
}

static bool try_lock(struct blk_device *blk)
{
    return !__atomic_exchange_n(&blk->busy, true, __ATOMIC_ACQUIRE);
}

static void unlock(struct blk_device *blk)
{
    __atomic_store_n(&blk->busy, false, __ATOMIC_RELEASE);
}

static uint64_t now_ns(const struct blk_device *blk)
{
    return blk->base.platform->time_ns(blk->base.platform->ctx);
}

static bool any_in_flight(const struct blk_queue *q)
{
    return q->vq.n_put != q->vq.n_used || q->waiting.first != NULL;
}

static void trace(struct blk_queue *q, enum vst_trace_kind kind)
{
    vst_trace_add(&q->base, (struct vst_trace_event){.kind = (uint8_t)kind,
                                                     .count = q->vq.n_put - q->vq.n_used});
}

/* ------------------------------------------------------------------ rest */

static void shut(struct blk_queue *q)
{
    vst_virtq_disarm(&q->vq);
    q->at_rest = true;
    q->rest_n_free = q->vq.n_free;
    q->rest_n_ring_free = q->vq.n_ring_free;
    q->vq.n_free = q->vq.n_ring_free = 0;
    q->vq.broken = true;
    __atomic_store_n(&q->state, BLK_QUEUE_RESTING, __ATOMIC_RELEASE);
}

/** False while the queue is seized. */
static bool open(struct blk_queue *q)
{
    uint8_t resting = BLK_QUEUE_RESTING;

    if (!__atomic_compare_exchange_n(&q->state, &resting, BLK_QUEUE_ACTIVE, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED))
        return false;
    q->at_rest = false;
    q->vq.broken = false;
    q->vq.n_free = q->rest_n_free;
    q->vq.n_ring_free = q->rest_n_ring_free;
    return true;
}

__attribute__((cold)) void vst_virtio_blk_rest(struct blk_queue *q)
{
    const struct vst_platform *platform = q->blk->base.platform;

    if (any_in_flight(q))
        return;
    /* A lie behind the last answer. Nobody may come back to meet it, and a reset of the device would
     * wait for this queue. Whoever is busy is so for as long as a reset takes. */
    while (!q->at_rest && q->vq.broken && phase_of(q->blk) != BLK_OUT_OF_SERVICE) {
        vst_virtio_blk_attend(q);
        platform->relax(platform->ctx);
    }
    if (!q->at_rest && !q->vq.broken)
        shut(q);
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
static unsigned start_over(struct blk_queue *q, enum vst_status fault)
{
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
    q->fault = VST_ERR_BROKEN;
    q->fault_of_device = false;
    vst_virtio_blk_replay_waiting(q);
    return (unsigned)(q->base.stats.replays - n_before);
}

/** The queue is open again, perhaps on a device that was reset. */
static void catch_up(struct blk_queue *q)
{
    uint32_t generation = __atomic_load_n(&q->blk->generation, __ATOMIC_RELAXED);

    if (q->generation == generation)
        return;
    q->generation = generation;
    trace(q, VST_TRACE_RESET);
    unsigned n = start_over(q, q->fault);
    if (n > 0)
        vst_log(q->blk->base.platform, VST_LOG_WARNING, "%s: queue %u: %u requests replayed",
                name_of(q->blk), q->base.index, n);
}

__attribute__((cold)) enum vst_status vst_virtio_blk_wake(struct blk_queue *q)
{
    uint8_t phase = phase_of(q->blk);

    if (phase == BLK_OUT_OF_SERVICE)
        return vst_virtio_blk_refusal(q->blk);
    /* What has to be replayed is left to poll: the caller may be in the middle of a split request. */
    if (!q->at_rest || phase != BLK_IN_SERVICE || any_in_flight(q) || !open(q))
        return VST_ERR_FULL;
    catch_up(q);
    return VST_OK;
}

/* ------------------------------------------------------------------ out of service */

/* The registers of a device that is gone read as ones, or as zeroes (QEMU's memory), and look like
 * those of one that confirms a reset. */
bool vst_virtio_blk_is_gone(const struct blk_device *blk)
{
    return blk->is_pci && !vst_pci_is_present(blk->base.platform, blk->function.address);
}

/** With `busy` held. */
static void take_out_of_service(struct blk_device *blk, const char *why, enum vst_status fault)
{
    bool gone = fault == VST_ERR_GONE || vst_virtio_blk_is_gone(blk);

    if (gone) {
        why = "unplugged";
        fault = VST_ERR_GONE;
    }
    blk->base.broken_why = why;
    __atomic_store_n(&blk->base.gone, gone, __ATOMIC_RELEASE);
    __atomic_store_n(&blk->base.broken, true, __ATOMIC_RELEASE);
    vst_block_limits_changed(&blk->base);
    vst_log(blk->base.platform, gone ? VST_LOG_WARNING : VST_LOG_ERROR,
            "%s: %s; device taken out of service", name_of(blk), why);
    /* The device must have let go of all buffers before their owners get them back. */
    vst_virtio_blk_stop(blk);
    blk->fault = fault;
    __atomic_store_n(&blk->phase, BLK_OUT_OF_SERVICE, __ATOMIC_RELEASE);
}

void vst_virtio_blk_unplug(struct vst_block_device *device)
{
    struct blk_device *blk = VST_CONTAINER_OF(device, struct blk_device, base);
    const struct vst_platform *platform = device->platform;

    /* So that the caller's own queue has nothing to ring for once the device is stopped. */
    vst_block_kick(device->queues[0]);
    while (!try_lock(blk)) /* for as long as a reset takes */
        platform->relax(platform->ctx);
    bool known = blk->base.gone; /* another may be in its place by now */
    if (phase_of(blk) != BLK_OUT_OF_SERVICE)
        take_out_of_service(blk, "unplugged", VST_ERR_GONE);
    if (vst_virtio_blk_is_gone(blk))
        blk->reset_unconfirmed = false; /* the bus says that it is gone, and so does its owner */
    else if (!known)
        vst_virtio_blk_irq_close(blk);
    __atomic_store_n(&blk->base.gone, true, __ATOMIC_RELEASE);
    unlock(blk);
}

static void end_all(struct blk_queue *q)
{
    if (q->ended)
        return;
    q->ended = true;
    vst_virtq_break(&q->vq, q->blk->base.broken_why);
    for (uint32_t id = 0; id < q->vq.size; id++) {
        struct vst_block_request *request = q->vq.slots[id].token;
        if (request == NULL)
            continue;
        q->vq.slots[id].token = NULL;
        if (vst_virtio_blk_end_command(q, (uint16_t)id, request, q->blk->fault))
            vst_block_finish(&q->base, request, request->status);
    }
    q->vq.n_used = q->vq.n_published = q->vq.n_put;
    q->n_in_order = 0;
    while (q->waiting.first != NULL)
        end_first_waiting(q, q->blk->fault);
}

/* ------------------------------------------------------------------ one queue (2.6.1) */

static void note_recovery(struct blk_device *blk)
{
    vst_block_note(&blk->base, VST_BLOCK_EVENT_RECOVERED, ++blk->n_recoveries);
}

static bool wait_for_queue_reset(struct blk_queue *q)
{
    struct virtio_device *device = &q->blk->virtio;
    uint64_t start_ns = now_ns(q->blk);

    device->transport->queue_reset(device, q->base.index);
    while (device->transport->queue_resetting(device, q->base.index)) {
        if (now_ns(q->blk) - start_ns > QUEUE_RESET_TIMEOUT_NS)
            return false;
        device->platform->relax(device->platform->ctx);
    }
    return true;
}

static bool same_doorbell(const struct virtio_doorbell *a, const struct virtio_doorbell *b)
{
    return a->kind == b->kind && a->port == b->port && a->mmio == b->mmio && a->device == b->device;
}

/** The ring anew, in the same memory. Its doorbell must be where it was: its owner knows no other. */
static bool restart_ring(struct blk_queue *q)
{
    struct virtio_doorbell doorbell = {0};

    vst_virtq_clear(&q->vq);
    return vst_virtq_enable(&q->vq, &q->blk->virtio, q->vector, &doorbell) == VST_OK &&
           same_doorbell(&doorbell, &q->vq.doorbell);
}

/** With `busy` held. False, and nothing but time is lost, if the device must be reset instead. */
static bool reset_queue(struct blk_queue *q)
{
    const struct vst_platform *platform = q->blk->base.platform;
    const char *why = q->vq.broken_why;

    if (q->blk->recovery != VST_RECOVERY_QUEUE || q->fault_of_device || q->n_fruitless > 0 ||
        !virtio_has(&q->blk->virtio, VIRTIO_F_RING_RESET))
        return false;
    if (!wait_for_queue_reset(q) || !restart_ring(q)) {
        vst_log(platform, VST_LOG_WARNING, "%s: %s; queue %u can't be reset alone", name_of(q->blk),
                why, q->base.index);
        return false;
    }
    q->base.stats.queue_resets++;
    note_recovery(q->blk);
    trace(q, VST_TRACE_QUEUE_RESET);
    unsigned n = start_over(q, q->fault);
    vst_log(platform, VST_LOG_WARNING, "%s: %s; queue %u reset, %u requests replayed",
            name_of(q->blk), why, q->base.index, n);
    return true;
}

/* ------------------------------------------------------------------ the whole device (3.1.1) */

static bool seize_all(struct blk_device *blk)
{
    bool all = true;

    for (uint16_t i = 0; i < blk->base.n_queues; i++) {
        uint8_t state = BLK_QUEUE_RESTING;
        all &= __atomic_compare_exchange_n(&blk->queues[i].state, &state, BLK_QUEUE_SEIZED, false,
                                           __ATOMIC_ACQUIRE, __ATOMIC_RELAXED) ||
               state == BLK_QUEUE_SEIZED;
    }
    return all;
}

/** The cache mode is ours, where we can set it: a reset may have put it back. (5.2.5) */
static bool take_config(struct blk_device *blk)
{
    struct virtio_device *device = &blk->virtio;

    if (blk->base.write_cache_settable)
        device->transport->config_write(device, VIRTIO_BLK_CONFIG_WRITEBACK, 1,
                                        blk->base.write_cache);
    return vst_virtio_blk_take_config(blk) == VST_OK;
}

/** Resets the device and brings it to where it was. NULL, or why that can't be. */
static const char *restart(struct blk_device *blk)
{
    struct virtio_device *device = &blk->virtio;
    uint64_t features = device->features;

    /* Steps 1 to 6, for the same features: all that was prepared counts on them. */
    if (vst_virtio_negotiate(device, features) != VST_OK)
        return "it can't be started again";
    if (device->features != features)
        return "after a reset its features are others";
    /* Step 7. */
    if (!take_config(blk))
        return "after a reset its configuration is another";
    vst_virtio_blk_irq_again(blk);
    for (uint16_t i = 0; i < blk->base.n_queues; i++)
        if (!restart_ring(&blk->queues[i]))
            return "after a reset it refuses a queue";
    /* Step 8. */
    vst_virtio_driver_ok(device);
    return NULL;
}

/** All queues are seized. */
static void reset_device(struct blk_queue *q)
{
    struct blk_device *blk = q->blk;

    /* Nobody may be reading the configuration meanwhile. */
    if (__atomic_exchange_n(&blk->refreshing, true, __ATOMIC_ACQUIRE))
        return;
    const char *why_not = restart(blk);
    __atomic_store_n(&blk->refreshing, false, __ATOMIC_RELEASE);
    if (why_not != NULL) {
        take_out_of_service(blk, why_not, blk->fault);
        return;
    }
    q->base.stats.device_resets++;
    vst_log(blk->base.platform, VST_LOG_WARNING, "%s: device reset", name_of(blk));
    note_recovery(blk);
    __atomic_store_n(&blk->generation, blk->generation + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&blk->phase, BLK_IN_SERVICE, __ATOMIC_RELEASE);
    for (uint16_t i = 0; i < blk->base.n_queues; i++)
        __atomic_store_n(&blk->queues[i].state, BLK_QUEUE_RESTING, __ATOMIC_RELEASE);
}

static void drive(struct blk_queue *q)
{
    struct blk_device *blk = q->blk;

    if (!try_lock(blk))
        return;
    if (phase_of(blk) == BLK_RECOVERING) {
        if (seize_all(blk))
            reset_device(q);
        else if (now_ns(blk) - blk->fault_ns > RENDEZVOUS_TIMEOUT_NS)
            take_out_of_service(blk, "to be reset, but a CPU does not poll its queue", blk->fault);
    }
    unlock(blk);
}

/* ------------------------------------------------------------------ faults */

static void meet_fault(struct blk_queue *q)
{
    struct blk_device *blk = q->blk;

    if (!try_lock(blk))
        return;
    if (phase_of(blk) == BLK_IN_SERVICE) {
        trace(q, q->fault == VST_ERR_TIMEOUT ? VST_TRACE_TIMEOUT : VST_TRACE_BROKEN);
        vst_virtio_blk_dump(q);
        if (q->vq.n_used != 0)
            q->n_fruitless = 0;
        if (blk->recovery == VST_RECOVERY_NONE || q->n_fruitless >= MAX_FRUITLESS ||
            vst_virtio_blk_is_gone(blk)) {
            take_out_of_service(blk, q->vq.broken_why, q->fault);
        } else if (!reset_queue(q)) {
            vst_log(blk->base.platform, VST_LOG_WARNING, "%s: %s; the device is to be reset",
                    name_of(blk), q->vq.broken_why);
            blk->fault = q->fault;
            blk->fault_ns = now_ns(blk);
            __atomic_store_n(&blk->phase, BLK_RECOVERING, __ATOMIC_RELEASE);
        }
        q->n_fruitless++;
    }
    unlock(blk);
}

__attribute__((cold)) void vst_virtio_blk_attend(struct blk_queue *q)
{
    struct blk_device *blk = q->blk;

    if (!q->at_rest && q->vq.broken && phase_of(blk) == BLK_IN_SERVICE)
        meet_fault(q);
    if (phase_of(blk) == BLK_RECOVERING) {
        if (!q->at_rest)
            shut(q);
        drive(q);
    }
    uint8_t phase = phase_of(blk);
    if (phase == BLK_OUT_OF_SERVICE)
        end_all(q);
    else if (phase == BLK_IN_SERVICE && q->at_rest && any_in_flight(q) && open(q))
        catch_up(q);
}

__attribute__((cold)) void vst_virtio_blk_fault(struct blk_queue *q, const char *why,
                                                enum vst_status status, bool of_device)
{
    vst_virtq_break(&q->vq, why);
    q->fault = status;
    q->fault_of_device = of_device;
    vst_virtio_blk_attend(q);
}

__attribute__((cold)) bool vst_virtio_blk_has_stopped(struct blk_queue *q)
{
    struct virtio_device *device = &q->blk->virtio;
    uint8_t status = device->transport->status(device);

    /* One that somebody else has reset is met by the time-out: it may yet finish what it had begun. */
    if ((status & VIRTIO_STATUS_NEEDS_RESET) == 0 &&
        ((status & VIRTIO_STATUS_DRIVER_OK) != 0 || !vst_virtio_blk_is_gone(q->blk)))
        return false;
    vst_virtio_blk_fault(q, "the device asks to be reset", VST_ERR_BROKEN, true);
    return true;
}
