/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What any virtio driver with several queues does when its device lies, falls silent or asks to be
 * reset.
 *
 * Two ways. The queue alone is reset (2.6.1) by its own CPU, if that is wanted and only the queue
 * has failed. Or the device is reset and initialised again (3.1.1), for which every CPU must have
 * let go of its queue's ring; there are no locks in the path of a request, and none is added:
 *
 *     queue->state   ACTIVE  -> RESTING    its owner, when nothing is in flight, or because the
 *                                          device is to be reset
 *                    RESTING -> ACTIVE     its owner, by compare-and-swap, when something is
 *                                          submitted, or to catch up once the device is in service
 *                    RESTING -> SEIZED     recovery, by compare-and-swap
 *                    SEIZED  -> RESTING    recovery, when the device runs again
 *
 *     device->phase  IN_SERVICE -> RECOVERING    the queue that found the fault
 *                    RECOVERING -> IN_SERVICE    whoever finds all queues seized restarts it
 *                    any -> OUT_OF_SERVICE       it does not come back, or not all queues do
 *
 * A queue that is not active is shut towards its own CPU as well: no id is free, so that submit
 * comes here, and it counts as broken, so that poll does. Both branches exist anyway. What was in
 * flight stays in its slots; the owner deals with it in the poll that opens the queue again
 * (start_over).
 *
 * Who writes what: a queue's private memory only its owner, at any time. The ring: the owner while
 * ACTIVE, recovery while SEIZED. The device's registers that concern more than one queue, and what
 * in struct virtio_recovery says so: who holds `busy`. That lock is only ever tried; who does not
 * get it polls again. No CPU is special: if one stops polling in the middle, another one goes on.
 *
 * Late answers can't hurt: nothing in flight is touched, replayed or given back before the device
 * has confirmed the reset, and then nothing of old is in flight any more.
 */
#ifndef VSTOR_DRIVERS_VIRTIO_RECOVERY_H
#define VSTOR_DRIVERS_VIRTIO_RECOVERY_H

#include <vstor/virtio.h>
#include "drivers/virtq.h"

/** How the device is. Changed with `busy` held. */
enum virtio_phase {
    VIRTIO_IN_SERVICE,
    VIRTIO_RECOVERING, /**< to be reset once all queues are at rest */
    VIRTIO_OUT_OF_SERVICE,
};

/** Who may touch a queue's ring. */
enum virtio_run_state {
    VIRTIO_RUN_ACTIVE, /**< its owner: the CPU that submits and polls */
    VIRTIO_RUN_RESTING, /**< nobody; by compare-and-swap the owner makes it active, recovery seizes it */
    VIRTIO_RUN_SEIZED, /**< who holds `busy` */
};

struct virtio_recovery;

/** A queue as recovery sees it; a part of the driver's queue. */
struct virtio_run {
    struct virtq *vq;
    struct virtio_recovery *device;
    uint16_t number;       /**< for log lines */
    uint16_t vector;       /**< MSI-X table entry, or VIRTIO_NO_VECTOR */
    uint8_t state;         /**< enum virtio_run_state, atomic */
    bool at_rest;          /**< the same from the owner's side: not VIRTIO_RUN_ACTIVE */
    bool ended;            /**< out of service, and all that was in flight has been given back */
    bool fault_of_device;  /**< resetting this queue alone will not do */
    uint8_t n_fruitless;   /**< recoveries in a row without an answer in between */
    enum vst_status fault; /**< how requests end that are not given to the device again */
    uint32_t generation;   /**< of the device whose ring this is */
    uint32_t rest_n_free, rest_n_ring_free;
};

/** What recovery tells the driver of, for its counters, events and traces. */
enum virtio_recovery_note {
    VIRTIO_NOTE_FAULT, /**< of the queue: run->fault; what it looks like may be worth a line */
    VIRTIO_NOTE_QUEUE_RESET,  /**< the queue was reset alone */
    VIRTIO_NOTE_DEVICE_RESET, /**< the device was; told once, to the queue that did the last step */
    VIRTIO_NOTE_CAUGHT_UP,    /**< the device was; told to each queue before start_over */
};

/** What a driver does for recovery; on whose CPU stands behind. */
struct virtio_recovery_ops {
    /** For log lines. */
    const char *(*name)(struct virtio_recovery *device);
    struct virtio_run *(*run)(struct virtio_recovery *device, uint16_t i);
    /** Whether something waits outside the ring for a queue that runs. The queue's. */
    bool (*any_waiting)(struct virtio_run *run);
    /**
     * The ring is new, its private side still what it was: takes what was in flight from its slots
     * and calls vst_virtq_forget. Returns how many were given to the device again. The queue's.
     */
    unsigned (*start_over)(struct virtio_run *run, enum vst_status fault);
    /** Out of service: ends all that was in flight with device->fault. The queue's. */
    void (*end_all)(struct virtio_run *run);
    /** Bars others from configuration and from queues that have no run; false: not now. Any. */
    bool (*enter)(struct virtio_recovery *device);
    void (*leave)(struct virtio_recovery *device);
    /**
     * Features are agreed again, the ones from before: takes the configuration, sets vectors and
     * the rings of queues that have no run. NULL, or why that can't be. Any CPU, entered.
     */
    const char *(*restart)(struct virtio_recovery *device);
    /** The device is live again. NULL where nothing is to be done. Any CPU, entered. */
    void (*restarted)(struct virtio_recovery *device);
    /** The device goes out of service, or is gone: notes it, and stops it for good. Any CPU. */
    void (*give_up)(struct virtio_recovery *device, const char *why, bool gone);
    /** True if the device was unplugged: its place on the bus is empty. */
    bool (*is_gone)(struct virtio_recovery *device);
    /**
     * It is out of service, and its owner says that it was unplugged, or is to be taken for that.
     * `known`: it had been found gone; who is in its place now is left alone. Any CPU.
     */
    void (*left)(struct virtio_recovery *device, bool known);
    void (*note)(struct virtio_run *run, enum virtio_recovery_note note);
};

struct virtio_recovery {
    const struct virtio_recovery_ops *ops;
    struct virtio_device *device;
    uint16_t n_runs;
    enum vst_recovery way; /**< VST_RECOVERY_NONE until attached */
    uint8_t phase;         /**< enum virtio_phase, atomic */
    bool busy;             /**< a lock that is only tried: who holds it does recovery */
    enum vst_status fault;
    const char *why; /**< out of service */
    uint64_t fault_ns;
    uint32_t generation; /**< how many times it was started again; atomic */
    uint32_t n_recoveries;
};

static inline uint8_t virtio_phase_of(const struct virtio_recovery *device)
{
    return __atomic_load_n(&device->phase, __ATOMIC_ACQUIRE);
}

/*
 * All on the queue's CPU.
 */

/**
 * The queue's device has failed, with its requests to end with `status` unless they are given to it
 * again. `of_device`: not only the queue has.
 */
void vst_virtio_run_fault(struct virtio_run *run, const char *why, enum vst_status status,
                          bool of_device);
/** From the watch: meets a device that asks to be reset (2.1.2), or is gone; true if it does. */
bool vst_virtio_run_has_stopped(struct virtio_run *run) VST_MUST_USE;
/** To be called from poll if the queue is broken or the device not in service: goes one step on. */
void vst_virtio_run_attend(struct virtio_run *run);
/** Nothing is in flight: lets go of the ring, until the next submit. */
void vst_virtio_run_rest(struct virtio_run *run);
/**
 * No room: if the queue was at rest it is awake now (VST_OK); else VST_ERR_FULL, or VST_ERR_BROKEN, VST_ERR_GONE where the device
 * is out of service.
 */
enum vst_status vst_virtio_run_wake(struct virtio_run *run) VST_MUST_USE;

/** From any CPU: the device is taken for unplugged. Waits for as long as a reset takes. */
void vst_virtio_unplug(struct virtio_recovery *device);

/** The ring anew, in the same memory. Its doorbell must be where it was: its owner knows no other. */
bool vst_virtio_restart_ring(const struct virtq *vq, struct virtio_device *device, uint16_t vector);

#endif
