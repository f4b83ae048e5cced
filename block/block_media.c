/* SPDX-License-Identifier: BSD-2-Clause */
/* Holding devices, and what that means where the medium can be taken out. */
#include "block/media.h"

enum vst_status vst_block_medium_status(const struct vst_block_device *device)
{
    if (__atomic_load_n(&device->medium_lost, __ATOMIC_RELAXED))
        return VST_ERR_MEDIUM_CHANGED;
    if (device->medium != VST_OK)
        return device->medium;
    return device->stale ? VST_ERR_MEDIUM_CHANGED : VST_OK;
}

void vst_block_medium_lost(struct vst_block_device *device)
{
    /* Of several CPUs that have met it one tells the queues. */
    if (!__atomic_exchange_n(&device->medium_lost, true, __ATOMIC_SEQ_CST))
        vst_block_limits_changed(device);
}

void vst_block_medium_found(struct vst_block_device *device, enum vst_status medium,
                            uint64_t n_sectors, bool is_new)
{
    bool other = is_new || medium != device->medium;

    if (medium == VST_OK && other)
        device->media_id++;
    device->medium = medium;
    device->stale = (device->stale || other) && device->n_holders > 0;
    __atomic_store_n(&device->limits.n_sectors, n_sectors, __ATOMIC_RELAXED);
    __atomic_store_n(&device->medium_lost, false, __ATOMIC_SEQ_CST);
    vst_block_limits_changed(device);
}

/* ------------------------------------------------------------------ holding */

static void tell_held(struct vst_block_device *device, bool held)
{
    const struct vst_block_driver *driver = device->n_queues > 0 ? device->queues[0]->driver : NULL;

    if (driver != NULL && driver->held != NULL)
        driver->held(device, held);
}

void vst_block_hold(struct vst_block_device *device)
{
    if (device->n_holders == 0)
        tell_held(device, true);
    device->n_holders++;
}

void vst_block_let_go(struct vst_block_device *device)
{
    if (--device->n_holders > 0)
        return;
    if (device->stale) {
        device->stale = false;
        vst_block_limits_changed(device);
    }
    tell_held(device, false);
}

/* ------------------------------------------------------------------ moving the medium */

static enum vst_status move_medium(struct vst_block_device *device, bool load)
{
    const struct vst_block_driver *driver = device->queues[0]->driver;

    if (device->broken)
        return device->gone ? VST_ERR_GONE : VST_ERR_BROKEN;
    if (driver->move_medium == NULL)
        return VST_ERR_UNSUPPORTED;
    return device->n_holders > 1 ? VST_ERR_NOT_READY : driver->move_medium(device, load);
}

enum vst_status vst_block_eject(struct vst_block_device *device)
{
    return move_medium(device, false);
}

enum vst_status vst_block_load(struct vst_block_device *device)
{
    return move_medium(device, true);
}
