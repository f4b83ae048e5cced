/* SPDX-License-Identifier: BSD-2-Clause */
#include "drivers/virtio_recovery.h"

#define QUEUE_RESET_TIMEOUT_NS 1000000000ull
#define RENDEZVOUS_TIMEOUT_NS  5000000000ull
#define MAX_FRUITLESS          3u

static const struct vst_platform *platform_of(const struct virtio_recovery *device)
{
    return device->device->platform;
}

static const char *name_of(struct virtio_recovery *device)
{
    return device->ops->name(device);
}

static bool try_lock(struct virtio_recovery *device)
{
    return !__atomic_exchange_n(&device->busy, true, __ATOMIC_ACQUIRE);
}

static void unlock(struct virtio_recovery *device)
{
    __atomic_store_n(&device->busy, false, __ATOMIC_RELEASE);
}

static uint64_t now_ns(const struct virtio_recovery *device)
{
    return platform_of(device)->time_ns(platform_of(device)->ctx);
}

static bool any_in_flight(struct virtio_run *run)
{
    return run->vq->n_put != run->vq->n_used || run->device->ops->any_waiting(run);
}

static void note(struct virtio_run *run, enum virtio_recovery_note what)
{
    run->device->ops->note(run, what);
}

/* ------------------------------------------------------------------ rest */

static void shut(struct virtio_run *run)
{
    struct virtq *vq = run->vq;

    vst_virtq_disarm(vq);
    run->at_rest = true;
    run->rest_n_free = vq->n_free;
    run->rest_n_ring_free = vq->n_ring_free;
    vq->n_free = vq->n_ring_free = 0;
    vq->broken = true;
    __atomic_store_n(&run->state, VIRTIO_RUN_RESTING, __ATOMIC_RELEASE);
}

/** False while the queue is seized. */
static bool open(struct virtio_run *run)
{
    uint8_t resting = VIRTIO_RUN_RESTING;

    if (!__atomic_compare_exchange_n(&run->state, &resting, VIRTIO_RUN_ACTIVE, false,
                                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return false;
    run->at_rest = false;
    run->vq->broken = false;
    run->vq->n_free = run->rest_n_free;
    run->vq->n_ring_free = run->rest_n_ring_free;
    return true;
}

__attribute__((cold)) void vst_virtio_run_rest(struct virtio_run *run)
{
    const struct vst_platform *platform = platform_of(run->device);

    if (any_in_flight(run))
        return;
    /* A lie behind the last answer. Nobody may come back to meet it, and a reset of the device would
     * wait for this queue. Whoever is busy is so for as long as a reset takes. */
    while (!run->at_rest && run->vq->broken &&
           virtio_phase_of(run->device) != VIRTIO_OUT_OF_SERVICE) {
        vst_virtio_run_attend(run);
        platform->relax(platform->ctx);
    }
    if (!run->at_rest && !run->vq->broken)
        shut(run);
}

/** The queue is open again, perhaps on a device that was reset. */
static void catch_up(struct virtio_run *run)
{
    uint32_t generation = __atomic_load_n(&run->device->generation, __ATOMIC_RELAXED);

    if (run->generation == generation)
        return;
    run->generation = generation;
    note(run, VIRTIO_NOTE_CAUGHT_UP);
    unsigned n = run->device->ops->start_over(run, run->fault);
    if (n > 0)
        vst_log(platform_of(run->device), VST_LOG_WARNING, "%s: queue %u: %u requests replayed",
                name_of(run->device), run->number, n);
}

__attribute__((cold)) enum vst_status vst_virtio_run_wake(struct virtio_run *run)
{
    uint8_t phase = virtio_phase_of(run->device);

    if (phase == VIRTIO_OUT_OF_SERVICE)
        return run->device->fault == VST_ERR_GONE ? VST_ERR_GONE : VST_ERR_BROKEN;
    /* What has to be replayed is left to poll: the caller may be in the middle of a split request. */
    if (!run->at_rest || phase != VIRTIO_IN_SERVICE || any_in_flight(run) || !open(run))
        return VST_ERR_FULL;
    catch_up(run);
    return VST_OK;
}

/* ------------------------------------------------------------------ out of service */

/** With `busy` held. */
static void take_out_of_service(struct virtio_recovery *device, const char *why,
                                enum vst_status fault)
{
    bool gone = fault == VST_ERR_GONE || device->ops->is_gone(device);

    if (gone) {
        why = "unplugged";
        fault = VST_ERR_GONE;
    }
    device->why = why;
    vst_log(platform_of(device), gone ? VST_LOG_WARNING : VST_LOG_ERROR,
            "%s: %s; device taken out of service", name_of(device), why);
    /* The device must have let go of all buffers before their owners get them back. */
    device->ops->give_up(device, why, gone);
    device->fault = fault;
    __atomic_store_n(&device->phase, VIRTIO_OUT_OF_SERVICE, __ATOMIC_RELEASE);
}

void vst_virtio_unplug(struct virtio_recovery *device)
{
    while (!try_lock(device)) /* for as long as a reset takes */
        platform_of(device)->relax(platform_of(device)->ctx);
    bool known = device->fault == VST_ERR_GONE; /* another may be in its place by now */
    if (virtio_phase_of(device) != VIRTIO_OUT_OF_SERVICE)
        take_out_of_service(device, "unplugged", VST_ERR_GONE);
    device->ops->left(device, known);
    unlock(device);
}

static void end_all(struct virtio_run *run)
{
    if (run->ended)
        return;
    run->ended = true;
    vst_virtq_break(run->vq, run->device->why);
    run->device->ops->end_all(run);
    run->vq->n_used = run->vq->n_published = run->vq->n_put;
}

/* ------------------------------------------------------------------ one queue (2.6.1) */

static bool wait_for_queue_reset(struct virtio_run *run)
{
    struct virtio_device *device = run->device->device;
    uint64_t start_ns = now_ns(run->device);

    device->transport->queue_reset(device, run->vq->index);
    while (device->transport->queue_resetting(device, run->vq->index)) {
        if (now_ns(run->device) - start_ns > QUEUE_RESET_TIMEOUT_NS)
            return false;
        device->platform->relax(device->platform->ctx);
    }
    return true;
}

static bool same_doorbell(const struct virtio_doorbell *a, const struct virtio_doorbell *b)
{
    return a->kind == b->kind && a->port == b->port && a->mmio == b->mmio && a->device == b->device;
}

bool vst_virtio_restart_ring(const struct virtq *vq, struct virtio_device *device, uint16_t vector)
{
    struct virtio_doorbell doorbell = {0};

    vst_virtq_clear(vq);
    return vst_virtq_enable(vq, device, vector, &doorbell) == VST_OK &&
           same_doorbell(&doorbell, &vq->doorbell);
}

static bool restart_ring(struct virtio_run *run)
{
    return vst_virtio_restart_ring(run->vq, run->device->device, run->vector);
}

/** With `busy` held. False, and nothing but time is lost, if the device must be reset instead. */
static bool reset_queue(struct virtio_run *run)
{
    struct virtio_recovery *device = run->device;
    const char *why = run->vq->broken_why;

    if (device->way != VST_RECOVERY_QUEUE || run->fault_of_device || run->n_fruitless > 0 ||
        !virtio_has(device->device, VIRTIO_F_RING_RESET))
        return false;
    if (!wait_for_queue_reset(run) || !restart_ring(run)) {
        vst_log(platform_of(device), VST_LOG_WARNING, "%s: %s; queue %u can't be reset alone",
                name_of(device), why, run->number);
        return false;
    }
    device->n_recoveries++;
    note(run, VIRTIO_NOTE_QUEUE_RESET);
    unsigned n = device->ops->start_over(run, run->fault);
    vst_log(platform_of(device), VST_LOG_WARNING, "%s: %s; queue %u reset, %u requests replayed",
            name_of(device), why, run->number, n);
    return true;
}

/* ------------------------------------------------------------------ the whole device (3.1.1) */

static bool seize_all(struct virtio_recovery *device)
{
    bool all = true;

    for (uint16_t i = 0; i < device->n_runs; i++) {
        uint8_t state = VIRTIO_RUN_RESTING;
        all &= __atomic_compare_exchange_n(&device->ops->run(device, i)->state, &state,
                                           VIRTIO_RUN_SEIZED, false, __ATOMIC_ACQUIRE,
                                           __ATOMIC_RELAXED) ||
               state == VIRTIO_RUN_SEIZED;
    }
    return all;
}

/** Resets the device and brings it to where it was. NULL, or why that can't be. */
static const char *restart(struct virtio_recovery *device)
{
    uint64_t features = device->device->features;

    /* Steps 1 to 6, for the same features: all that was prepared counts on them. */
    if (vst_virtio_negotiate(device->device, features) != VST_OK)
        return "it can't be started again";
    if (device->device->features != features)
        return "after a reset its features are others";
    /* Step 7. */
    const char *why_not = device->ops->restart(device);
    if (why_not != NULL)
        return why_not;
    for (uint16_t i = 0; i < device->n_runs; i++)
        if (!restart_ring(device->ops->run(device, i)))
            return "after a reset it refuses a queue";
    /* Step 8. */
    vst_virtio_driver_ok(device->device);
    if (device->ops->restarted != NULL)
        device->ops->restarted(device);
    return NULL;
}

/** All queues are seized. */
static void reset_device(struct virtio_run *run)
{
    struct virtio_recovery *device = run->device;

    /* Nobody may be reading the configuration meanwhile. */
    if (!device->ops->enter(device))
        return;
    const char *why_not = restart(device);
    device->ops->leave(device);
    if (why_not != NULL) {
        take_out_of_service(device, why_not, device->fault);
        return;
    }
    device->n_recoveries++;
    vst_log(platform_of(device), VST_LOG_WARNING, "%s: device reset", name_of(device));
    note(run, VIRTIO_NOTE_DEVICE_RESET);
    __atomic_store_n(&device->generation, device->generation + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&device->phase, VIRTIO_IN_SERVICE, __ATOMIC_RELEASE);
    for (uint16_t i = 0; i < device->n_runs; i++)
        __atomic_store_n(&device->ops->run(device, i)->state, VIRTIO_RUN_RESTING, __ATOMIC_RELEASE);
}

static void drive(struct virtio_run *run)
{
    struct virtio_recovery *device = run->device;

    if (!try_lock(device))
        return;
    if (virtio_phase_of(device) == VIRTIO_RECOVERING) {
        if (seize_all(device))
            reset_device(run);
        else if (now_ns(device) - device->fault_ns > RENDEZVOUS_TIMEOUT_NS)
            take_out_of_service(device, "to be reset, but a CPU does not poll its queue",
                                device->fault);
    }
    unlock(device);
}

/* ------------------------------------------------------------------ faults */

static void meet_fault(struct virtio_run *run)
{
    struct virtio_recovery *device = run->device;

    if (!try_lock(device))
        return;
    if (virtio_phase_of(device) == VIRTIO_IN_SERVICE) {
        note(run, VIRTIO_NOTE_FAULT);
        if (run->vq->n_used != 0)
            run->n_fruitless = 0;
        if (device->way == VST_RECOVERY_NONE || run->n_fruitless >= MAX_FRUITLESS ||
            device->ops->is_gone(device)) {
            take_out_of_service(device, run->vq->broken_why, run->fault);
        } else if (!reset_queue(run)) {
            vst_log(platform_of(device), VST_LOG_WARNING, "%s: %s; the device is to be reset",
                    name_of(device), run->vq->broken_why);
            device->fault = run->fault;
            device->fault_ns = now_ns(device);
            __atomic_store_n(&device->phase, VIRTIO_RECOVERING, __ATOMIC_RELEASE);
        }
        run->n_fruitless++;
    }
    unlock(device);
}

__attribute__((cold)) void vst_virtio_run_attend(struct virtio_run *run)
{
    struct virtio_recovery *device = run->device;

    if (!run->at_rest && run->vq->broken && virtio_phase_of(device) == VIRTIO_IN_SERVICE)
        meet_fault(run);
    if (virtio_phase_of(device) == VIRTIO_RECOVERING) {
        if (!run->at_rest)
            shut(run);
        drive(run);
    }
    uint8_t phase = virtio_phase_of(device);
    if (phase == VIRTIO_OUT_OF_SERVICE)
        end_all(run);
    else if (phase == VIRTIO_IN_SERVICE && run->at_rest && any_in_flight(run) && open(run))
        catch_up(run);
}

__attribute__((cold)) void vst_virtio_run_fault(struct virtio_run *run, const char *why,
                                                enum vst_status status, bool of_device)
{
    vst_virtq_break(run->vq, why);
    run->fault = status;
    run->fault_of_device = of_device;
    vst_virtio_run_attend(run);
}

__attribute__((cold)) bool vst_virtio_run_has_stopped(struct virtio_run *run)
{
    struct virtio_device *device = run->device->device;
    uint8_t status = device->transport->status(device);

    /* One that somebody else has reset is met by the time-out: it may yet finish what it had begun. */
    if ((status & VIRTIO_STATUS_NEEDS_RESET) == 0 &&
        ((status & VIRTIO_STATUS_DRIVER_OK) != 0 || !run->device->ops->is_gone(run->device)))
        return false;
    vst_virtio_run_fault(run, "the device asks to be reset", VST_ERR_BROKEN, true);
    return true;
}
