/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vstor/trace.h: the last things that happened on a queue's ring.
 *
 * Each queue has a small ring of events in private memory, allocated while its device is attached.
 * What is rare (a doorbell rung again, a time-out, a lie, a reset) is always recorded; what happens
 * for every request only while tracing is on. Turning it on puts another driver table in the
 * queue's place, so that the path of a request costs nothing for it while it is off.
 */
#ifndef VSTOR_TRACE_H
#define VSTOR_TRACE_H

#include <vstor/block.h>

VST_BEGIN_C

/** What happened. */
enum vst_trace_kind {
    /* for every request: only while tracing is on */
    VST_TRACE_SUBMIT,     /**< id, detail: operation, sector, count: sectors */
    VST_TRACE_KICK,       /**< the doorbell was rung; count: commands shown by it */
    VST_TRACE_KICK_SAVED, /**< the device had asked not to be told; count: the same */
    VST_TRACE_COMPLETE,   /**< id, detail: the status byte, sector */
    VST_TRACE_ARM,        /**< an interrupt was asked for; count: completions from now */
    /* always */
    VST_TRACE_RESCUE,      /**< nothing moved: the doorbell was rung again; count: in flight */
    VST_TRACE_TIMEOUT,     /**< a command was not answered in time; count: in flight */
    VST_TRACE_BROKEN,      /**< the queue is out of order; count: in flight */
    VST_TRACE_QUEUE_RESET, /**< the device has let go of the queue; count: commands it held */
    VST_TRACE_RESET,       /**< the same of the whole device */
    VST_TRACE_RESTART,     /**< the queue is at work again */
    VST_TRACE_REPLAY,      /**< a command is issued again; sector, detail: operation */
    VST_TRACE_CONFIG,      /**< the configuration has changed; sector: capacity in sectors */
    VST_TRACE_N_KINDS
};

/** One event. */
struct vst_trace_event {
    uint64_t time_ns; /**< by the platform's clock */
    uint64_t sector;  /**< 512-byte units */
    uint32_t count;
    uint16_t id;
    uint8_t kind; /**< enum vst_trace_kind */
    uint8_t detail;
};
VST_STATIC_ASSERT(sizeof(struct vst_trace_event) == 24, "memory needs are stated by it");

/** The events of one queue. Whoever allocates it clears it and sets n_slots. */
struct vst_trace {
    uint32_t n_slots;    /**< a power of two */
    uint32_t n_recorded; /**< ever, modulo 2^32; the newest stands in slot n_recorded - 1 */
    struct vst_trace_event events[];
};

/** Memory for a trace of so many slots. */
static inline size_t vst_trace_bytes(uint32_t n_slots)
{
    return sizeof(struct vst_trace) + n_slots * sizeof(struct vst_trace_event);
}

/** For drivers: n_slots of private memory, cleared; NULL: there is none. */
struct vst_trace *vst_trace_create(const struct vst_platform *platform, uint16_t n_slots);
/** Gives it back; NULL is no trace. */
void vst_trace_destroy(const struct vst_platform *platform, struct vst_trace *trace);

/** For drivers, on the queue's CPU: records an event; time_ns is filled in. None without a trace. */
void vst_trace_put(const struct vst_platform *platform, struct vst_trace *trace,
                   struct vst_trace_event event);
/** The same for a queue of the block layer. */
void vst_trace_add(struct vst_block_queue *queue, struct vst_trace_event event);

/**
 * Copies at most `max` of the newest events, the oldest of them first; returns how many. From any
 * CPU: what is being overwritten meanwhile is left out.
 */
size_t vst_trace_read(const struct vst_block_queue *queue, struct vst_trace_event *events,
                      size_t max);

/** "submit", "kick", ... */
const char *vst_trace_kind_name(enum vst_trace_kind kind);

/** What happened, as text without the time: "submit read id 5, 8 sectors at 2048". */
void vst_trace_text(const struct vst_trace_event *event, char *text, size_t bytes);

/** Writes the newest events, at most `max`, to the platform's log, a line each. */
void vst_trace_log(const struct vst_block_queue *queue, size_t max);

/**
 * Records every request of a device's queues from now on, or no longer. From any CPU; a queue at
 * work follows with its next call. False where the driver can't.
 */
bool vst_trace_set(struct vst_block_device *device, bool on);

/** Whether every request is recorded. */
bool vst_trace_is_on(const struct vst_block_device *device);

VST_END_C

#endif
