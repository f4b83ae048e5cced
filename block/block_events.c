/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What changes while a device is in use: the queues learn it by stores each of which is sound alone,
 * the owner by events.
 */
#include "block/media.h"
#include "block/zones.h"

/* ------------------------------------------------------------------ the queues' rules */

static uint64_t capacity_of(const struct vst_block_device *device)
{
    return __atomic_load_n(&device->limits.n_sectors, __ATOMIC_RELAXED);
}

/** Most sectors that one segment of one command carries. */
static uint32_t max_plain_sectors(const struct vst_block_limits *limits)
{
    uint32_t of_segment = limits->max_segment_bytes >> VST_SECTOR_SHIFT;

    return of_segment < limits->max_sectors ? of_segment : limits->max_sectors;
}

/**
 * Another CPU may be checking a request meanwhile and see any mixture of the old rule and the new.
 * Whichever it sees, it decides as by the old capacity or as by the new: n_sectors is never below
 * most_sectors, neither the old nor the new one, so that what the check subtracts can't wrap. A
 * device that has shrunk to less than that has all its requests checked the long way.
 */
static void tell_queue(struct vst_block_plain_rule *rule, const struct vst_block_device *device,
                       uint64_t capacity, bool usable)
{
    const struct vst_block_limits *limits = &device->limits;
    uint32_t before = __atomic_load_n(&rule->most_sectors, __ATOMIC_RELAXED);
    uint32_t max = max_plain_sectors(limits);

    if (before == 0 && capacity > 0 && capacity < max) /* nobody uses the queue yet */
        max = (uint32_t)capacity;
    if (before != 0 && before < max)
        max = before;
    uint64_t least = before > max ? before : max;
    uint64_t max_read = usable && capacity >= least ? max : 0;
    uint64_t max_write = device->read_only ? 0 : max_read;
    __atomic_store_n(&rule->most_sectors, max, __ATOMIC_RELAXED);
    __atomic_store_n(&rule->n_sectors, capacity >= least ? capacity : least, __ATOMIC_RELAXED);
    __atomic_store_n(&rule->max_sectors[VST_BLOCK_READ], max_read, __ATOMIC_RELAXED);
    __atomic_store_n(&rule->max_sectors[VST_BLOCK_WRITE], max_write, __ATOMIC_RELAXED);
    __atomic_store_n(&rule->block_mask, limits->logical_block_bytes / VST_SECTOR_BYTES - 1,
                     __ATOMIC_RELAXED);
}

static bool is_broken(const struct vst_block_device *device)
{
    return __atomic_load_n(&device->broken, __ATOMIC_RELAXED);
}

/** Requests are refused, whatever they are. */
static bool is_out(const struct vst_block_device *device)
{
    return is_broken(device) || vst_block_medium_status(device) != VST_OK;
}

static void tell_queues(struct vst_block_device *device)
{
    /* Where the zones of a host-managed device end, the check of plain requests does not know. */
    bool managed = vst_block_is_host_managed(&device->limits);

    for (uint16_t i = 0; i < device->n_queues; i++)
        tell_queue(&device->queues[i]->plain, device, capacity_of(device),
                   !managed && !is_out(device));
    /* Another CPU may have taken the device out of service since we looked, or lost its medium, and
     * have been here before us: it set `broken` or `medium_lost` before it did. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (uint16_t i = 0; i < device->n_queues && is_out(device); i++)
        for (unsigned op = VST_BLOCK_READ; op <= VST_BLOCK_WRITE; op++)
            __atomic_store_n(&device->queues[i]->plain.max_sectors[op], 0, __ATOMIC_RELAXED);
}

/* ------------------------------------------------------------------ events */

static void begin(struct vst_block_device *device, enum vst_block_event_kind what, uint64_t value)
{
    device->events[what].value = device->events[what].told_value = value;
}

void vst_block_note(struct vst_block_device *device, enum vst_block_event_kind what, uint64_t value)
{
    struct vst_block_event_slot *slot = &device->events[what];
    const struct vst_platform *platform = device->platform;

    /* Of two CPUs that have noticed the same one tells it. */
    if (__atomic_exchange_n(&slot->value, value, __ATOMIC_ACQ_REL) == value)
        return;
    __atomic_store_n(&slot->time_ns, platform->time_ns(platform->ctx), __ATOMIC_RELAXED);
    __atomic_fetch_add(&slot->n, 1, __ATOMIC_RELEASE);
}

void vst_block_limits_changed(struct vst_block_device *device)
{
    void (*tell)(struct vst_block_device *, enum vst_block_event_kind, uint64_t) =
        device->watched ? vst_block_note : begin;

    tell_queues(device);
    __atomic_fetch_add(&device->n_changes, 1, __ATOMIC_RELEASE);
    tell(device, VST_BLOCK_EVENT_RESIZED, capacity_of(device));
    tell(device, VST_BLOCK_EVENT_WRITE_CACHE, device->write_cache);
    tell(device, VST_BLOCK_EVENT_READ_ONLY, device->read_only);
    tell(device, VST_BLOCK_EVENT_SERVICE, !is_broken(device));
    tell(device, VST_BLOCK_EVENT_MEDIUM, device->medium == VST_OK ? device->media_id : 0);
    device->watched = true;
}

static bool is_pending(const struct vst_block_event_slot *slot)
{
    return __atomic_load_n(&slot->n, __ATOMIC_ACQUIRE) != slot->n_told;
}

static bool is_older(const struct vst_block_event_slot *slot, const struct vst_block_event *than)
{
    return than->device == NULL ||
           __atomic_load_n(&slot->time_ns, __ATOMIC_RELAXED) < than->time_ns;
}

void vst_block_note_plug(struct vst_block_registry *registry, const struct vst_block_device *device,
                         bool plugged)
{
    const struct vst_platform *platform = device->platform;
    struct vst_block_plug *plug = &registry->plugs[registry->n_plugs % VST_BLOCK_N_PLUGS];

    *plug = (struct vst_block_plug){.plugged = plugged,
                                    .n_sectors = capacity_of(device),
                                    .time_ns = platform->time_ns(platform->ctx)};
    __builtin_memcpy(plug->name, device->name, sizeof(plug->name));
    registry->n_plugs++;
    if (registry->n_plugs - registry->n_plugs_told > VST_BLOCK_N_PLUGS)
        registry->n_plugs_told = registry->n_plugs - VST_BLOCK_N_PLUGS;
}

/** True if the oldest (un)plugging that was not told is older than what *event found, if anything. */
static bool tell_plug(struct vst_block_registry *registry, struct vst_block_event *event)
{
    const struct vst_block_plug *plug =
        &registry->plugs[registry->n_plugs_told % VST_BLOCK_N_PLUGS];

    if (registry->n_plugs_told == registry->n_plugs ||
        (event->device != NULL && event->time_ns < plug->time_ns))
        return false;
    registry->n_plugs_told++;
    *event = (struct vst_block_event){
        .what = plug->plugged ? VST_BLOCK_EVENT_PLUGGED : VST_BLOCK_EVENT_UNPLUGGED,
        .old_value = plug->plugged ? 0 : plug->n_sectors,
        .new_value = plug->plugged ? plug->n_sectors : 0,
        .n_times = 1,
        .time_ns = plug->time_ns,
    };
    __builtin_memcpy(event->name, plug->name, sizeof(event->name));
    return true;
}

bool vst_block_next_event(struct vst_block_registry *registry, struct vst_block_event *event)
{
    *event = (struct vst_block_event){0};
    for (struct vst_block_device *device = registry->first; device != NULL; device = device->next)
        for (unsigned i = 0; i < VST_BLOCK_N_EVENTS; i++) {
            const struct vst_block_event_slot *slot = &device->events[i];
            if (device->gone || !is_pending(slot) || !is_older(slot, event))
                continue;
            event->device = device;
            event->what = (enum vst_block_event_kind)i;
            event->time_ns = __atomic_load_n(&slot->time_ns, __ATOMIC_RELAXED);
        }
    if (tell_plug(registry, event))
        return true;
    if (event->device == NULL)
        return false;
    __builtin_memcpy(event->name, event->device->name, sizeof(event->name));
    struct vst_block_event_slot *slot = &event->device->events[event->what];
    uint32_t n =
        __atomic_load_n(&slot->n, __ATOMIC_ACQUIRE); /* before the value that belongs to it */
    event->n_times = n - slot->n_told;
    event->old_value = slot->told_value;
    event->new_value = __atomic_load_n(&slot->value, __ATOMIC_RELAXED);
    slot->told_value = event->new_value;
    slot->n_told = n;
    return true;
}

/* ------------------------------------------------------------------ what the owner calls */

static const struct vst_block_driver *driver_of(const struct vst_block_device *device)
{
    static const struct vst_block_driver none;

    return device->n_queues > 0 ? device->queues[0]->driver : &none;
}

enum vst_status vst_block_refresh(struct vst_block_device *device)
{
    const struct vst_block_driver *driver = driver_of(device);

    if (is_broken(device))
        return device->gone ? VST_ERR_GONE : VST_ERR_BROKEN;
    return driver->refresh != NULL ? driver->refresh(device) : VST_OK;
}

enum vst_status vst_block_set_write_cache(struct vst_block_device *device, bool on)
{
    const struct vst_block_driver *driver = driver_of(device);

    if (is_broken(device))
        return device->gone ? VST_ERR_GONE : VST_ERR_BROKEN;
    if (!device->write_cache_settable || driver->set_write_cache == NULL)
        return VST_ERR_UNSUPPORTED;
    enum vst_status status = driver->set_write_cache(device, on);
    if (status != VST_OK || on)
        return status;
    return vst_block_flush(device->queues[0]);
}
