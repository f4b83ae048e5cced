/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ring of a queue's events. One writer, the queue's CPU; readers on any. n_recorded is advanced
 * after the event stands there, and a reader looks at it before and after it copies: what the
 * writer may have come round to meanwhile is dropped.
 */
#include <vstor/log.h>
#include <vstor/trace.h>

struct vst_trace *vst_trace_create(const struct vst_platform *platform, uint16_t n_slots)
{
    struct vst_trace *trace =
        platform->alloc(platform->ctx, vst_trace_bytes(n_slots), 64, VST_MEMORY_PRIVATE, NULL);

    if (trace != NULL)
        trace->n_slots = n_slots;
    return trace;
}

void vst_trace_destroy(const struct vst_platform *platform, struct vst_trace *trace)
{
    if (trace != NULL)
        platform->free(platform->ctx, trace, vst_trace_bytes(trace->n_slots), VST_MEMORY_PRIVATE);
}

void vst_trace_add(struct vst_block_queue *queue, struct vst_trace_event event)
{
    vst_trace_put(queue->device->platform, queue->trace, event);
}

void vst_trace_put(const struct vst_platform *platform, struct vst_trace *trace,
                   struct vst_trace_event event)
{
    if (trace == NULL)
        return;
    event.time_ns = platform->time_ns(platform->ctx);
    trace->events[trace->n_recorded & (trace->n_slots - 1)] = event;
    __atomic_store_n(&trace->n_recorded, trace->n_recorded + 1, __ATOMIC_RELEASE);
}

size_t vst_trace_read(const struct vst_block_queue *queue, struct vst_trace_event *events,
                      size_t max)
{
    const struct vst_trace *trace = queue->trace;

    if (trace == NULL || max == 0)
        return 0;
    uint32_t end = __atomic_load_n(&trace->n_recorded, __ATOMIC_ACQUIRE);
    /* The slot behind the newest may be half written at any time. */
    uint32_t most = vst_min_u32(end, trace->n_slots - 1);
    uint32_t n = max < most ? (uint32_t)max : most;
    for (uint32_t i = 0; i < n; i++)
        events[i] = trace->events[(end - n + i) & (trace->n_slots - 1)];
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    uint32_t since = __atomic_load_n(&trace->n_recorded, __ATOMIC_RELAXED) - end;
    uint32_t kept = since >= trace->n_slots - 1 ? 0 : vst_min_u32(n, trace->n_slots - 1 - since);
    for (uint32_t i = 0; i < kept; i++)
        events[i] = events[n - kept + i];
    return kept;
}

/* ------------------------------------------------------------------ as text */

static const char *const kind_names[VST_TRACE_N_KINDS] = {
    [VST_TRACE_SUBMIT] = "submit",
    [VST_TRACE_KICK] = "kick",
    [VST_TRACE_KICK_SAVED] = "kick saved",
    [VST_TRACE_COMPLETE] = "complete",
    [VST_TRACE_ARM] = "arm",
    [VST_TRACE_RESCUE] = "rescue",
    [VST_TRACE_TIMEOUT] = "time-out",
    [VST_TRACE_BROKEN] = "broken",
    [VST_TRACE_QUEUE_RESET] = "queue reset",
    [VST_TRACE_RESET] = "device reset",
    [VST_TRACE_RESTART] = "restart",
    [VST_TRACE_REPLAY] = "replay",
    [VST_TRACE_CONFIG] = "configuration",
};

const char *vst_trace_kind_name(enum vst_trace_kind kind)
{
    return kind < VST_TRACE_N_KINDS ? kind_names[kind] : "unknown";
}

void vst_trace_text(const struct vst_trace_event *event, char *text, size_t bytes)
{
    const char *name = vst_trace_kind_name(event->kind);

    switch (event->kind) {
    case VST_TRACE_SUBMIT:
        vst_format(text, bytes, "%s %s id %u, %u sectors at %lu", name,
                   vst_block_op_name(event->detail), event->id, event->count,
                   (unsigned long)event->sector);
        break;
    case VST_TRACE_COMPLETE:
        vst_format(text, bytes, "%s id %u, status %u, at %lu", name, event->id, event->detail,
                   (unsigned long)event->sector);
        break;
    case VST_TRACE_REPLAY:
        vst_format(text, bytes, "%s %s at %lu", name, vst_block_op_name(event->detail),
                   (unsigned long)event->sector);
        break;
    case VST_TRACE_CONFIG:
        vst_format(text, bytes, "%s, %lu sectors", name, (unsigned long)event->sector);
        break;
    case VST_TRACE_KICK:
    case VST_TRACE_KICK_SAVED:
        vst_format(text, bytes, "%s for %u", name, event->count);
        break;
    case VST_TRACE_ARM:
        vst_format(text, bytes, "%s for completion %u", name, event->count);
        break;
    case VST_TRACE_RESTART:
        vst_format(text, bytes, "%s", name);
        break;
    default:
        vst_format(text, bytes, "%s, %u in flight", name, event->count);
        break;
    }
}

#define LOG_CHUNK 16u

void vst_trace_log(const struct vst_block_queue *queue, size_t max)
{
    const struct vst_block_device *device = queue->device;
    struct vst_trace_event events[LOG_CHUNK];
    char text[80];

    size_t n = vst_trace_read(queue, events, max < LOG_CHUNK ? max : LOG_CHUNK);
    for (size_t i = 0; i < n; i++) {
        vst_trace_text(&events[i], text, sizeof(text));
        vst_log(device->platform, VST_LOG_WARNING, "%s queue %u: %lu us ago: %s", device->name,
                queue->index, (unsigned long)((events[n - 1].time_ns - events[i].time_ns) / 1000),
                text);
    }
}

/* ------------------------------------------------------------------ on and off */

bool vst_trace_set(struct vst_block_device *device, bool on)
{
    for (uint16_t i = 0; i < device->n_queues; i++) {
        struct vst_block_queue *queue = device->queues[i];
        const struct vst_block_driver *driver = queue->driver;
        const struct vst_block_driver *other = on ? driver->traced : driver->untraced;
        if (on && (queue->trace == NULL || (other == NULL && driver->untraced == NULL)))
            return false;
        if (other != NULL)
            __atomic_store_n(&queue->driver, other, __ATOMIC_RELEASE);
    }
    return true;
}

bool vst_trace_is_on(const struct vst_block_device *device)
{
    return device->n_queues > 0 && device->queues[0]->driver->untraced != NULL;
}
