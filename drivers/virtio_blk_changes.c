/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-blk: configuration that changes while the device is in use. How it is noticed, checked and
 * taken over; the write cache, which we change ourselves.
 */
#include "drivers/virtio_blk.h"

#include <vstor/trace.h>
#include <vstor/virtio.h>

static struct blk_device *blk_of(struct vst_block_device *device)
{
    return VST_CONTAINER_OF(device, struct blk_device, base);
}

static const char *name_of(const struct blk_device *blk)
{
    return blk->base.name[0] != '\0' ? blk->base.name : blk->virtio.name;
}

/* ------------------------------------------------------------------ noticing */

/**
 * INTx: the handler alone reads the interrupt status, or it would miss what we acknowledge. MSI-X:
 * there may be no message.
 */
bool vst_virtio_blk_config_changed(struct vst_block_device *device)
{
    struct blk_device *blk = blk_of(device);
    struct virtio_device *virtio = &blk->virtio;
    bool changed = false;

    if (blk->irq.mode == VST_IRQ_POLL)
        changed = vst_virtio_config_changed(virtio);
    else if (blk->irq.mode == VST_IRQ_MSIX && device->change_message == VST_BLOCK_NO_MESSAGE)
        changed = virtio->transport->config_generation(virtio) != virtio->config_seen;
    return __atomic_exchange_n(&device->config_interrupt, false, __ATOMIC_ACQUIRE) || changed;
}

bool vst_virtio_blk_interrupt(struct vst_block_device *device)
{
    struct blk_device *blk = blk_of(device);
    uint8_t status = blk->virtio.transport->interrupt_status(&blk->virtio);

    if (status == UINT8_MAX) /* nobody there: it is somebody else's interrupt */
        return false;
    if ((status & VIRTIO_INTERRUPT_CONFIG) != 0)
        vst_block_config_interrupted(device);
    return (status & (VIRTIO_INTERRUPT_QUEUE | VIRTIO_INTERRUPT_CONFIG)) != 0;
}

void vst_virtio_blk_irq_acknowledge(struct blk_device *blk)
{
    /* QEMU interrupts at the first completion of a split queue even if it was asked not to. */
    if (blk->irq.mode == VST_IRQ_INTX)
        (void)vst_virtio_blk_interrupt(&blk->base);
}

/* ------------------------------------------------------------------ taking over */

static enum vst_status refuse(const struct blk_device *blk, const char *what, uint32_t from,
                              uint32_t to)
{
    vst_log(blk->base.platform, VST_LOG_ERROR,
            "%s: %s changes from %u to %u while in use; not taken over", name_of(blk), what,
            (unsigned)from, (unsigned)to);
    return VST_ERR_UNSUPPORTED;
}

/** Requests are under way that were cut by the limits we have: what they rely on must hold. */
static enum vst_status check_what_stays(const struct blk_device *blk,
                                        const struct vst_block_limits *read_now)
{
    const struct vst_block_limits *old = &blk->base.limits;

    if (read_now->logical_block_bytes != old->logical_block_bytes)
        return refuse(blk, "logical block", old->logical_block_bytes,
                      read_now->logical_block_bytes);
    if (read_now->max_segments < old->max_segments)
        return refuse(blk, "segments per command", old->max_segments, read_now->max_segments);
    if (read_now->max_segment_bytes < old->max_segment_bytes)
        return refuse(blk, "bytes per segment", old->max_segment_bytes,
                      read_now->max_segment_bytes);
    return vst_virtio_blk_zones_stay(blk, &read_now->zones);
}

static void take_over(struct blk_device *blk, const struct vst_block_limits *read_now,
                      bool writeback)
{
    struct vst_block_limits *limits = &blk->base.limits;

    if (read_now->n_sectors == limits->n_sectors && writeback == blk->base.write_cache &&
        read_now->physical_block_bytes == limits->physical_block_bytes)
        return; /* the queues' rules are left alone while other CPUs look at them */
    if (read_now->n_sectors != limits->n_sectors)
        vst_log(blk->base.platform, VST_LOG_INFO, "%s: %lu sectors instead of %lu", name_of(blk),
                (unsigned long)read_now->n_sectors, (unsigned long)limits->n_sectors);
    /* Other CPUs look at these meanwhile. */
    __atomic_store_n(&limits->n_sectors, read_now->n_sectors, __ATOMIC_RELAXED);
    __atomic_store_n(&limits->physical_block_bytes, read_now->physical_block_bytes,
                     __ATOMIC_RELAXED);
    __atomic_store_n(&blk->base.write_cache, writeback, __ATOMIC_RELAXED);
    vst_block_limits_changed(&blk->base);
}

enum vst_status vst_virtio_blk_read_config(struct blk_device *blk, struct blk_limits_read *read)
{
    enum vst_status status =
        vst_virtio_config_snapshot(&blk->virtio, vst_virtio_blk_read_fields, read);
    bool unsettled = status != VST_OK;

    if (vst_virtio_blk_is_gone(blk)) /* asked afterwards: what was read before is its own */
        return VST_ERR_GONE;
    if (unsettled && !blk->config_unsettled) /* once, however often somebody looks */
        vst_log(blk->base.platform, VST_LOG_ERROR, "%s: the configuration never stops changing",
                name_of(blk));
    blk->config_unsettled = unsettled;
    return status;
}

enum vst_status vst_virtio_blk_take_config(struct blk_device *blk)
{
    struct blk_limits_read read;
    struct vst_block_limits limits;
    enum vst_status status = vst_virtio_blk_read_config(blk, &read);

    if (status == VST_ERR_GONE)
        return status;
    if (status != VST_OK) {
        vst_block_config_interrupted(&blk->base); /* it may settle without telling */
        return status;
    }
    status = vst_virtio_blk_limits(blk, &read, blk->queues[0].vq.size, &limits);
    if (status == VST_OK)
        status = check_what_stays(blk, &limits);
    if (status == VST_OK)
        take_over(blk, &limits, read.writeback != 0);
    return status;
}

enum vst_status vst_virtio_blk_refresh(struct blk_device *blk)
{
    if (__atomic_exchange_n(&blk->refreshing, true, __ATOMIC_ACQUIRE))
        return VST_ERR_FULL;
    enum vst_status status = vst_virtio_blk_take_config(blk);
    __atomic_store_n(&blk->refreshing, false, __ATOMIC_RELEASE);
    return status;
}

enum vst_status vst_virtio_blk_refresh_if_changed(struct vst_block_device *device)
{
    if (!vst_virtio_blk_config_changed(device))
        return VST_OK;
    enum vst_status status = vst_virtio_blk_refresh(blk_of(device));
    if (status == VST_OK)
        vst_trace_add(
            device->queues[0],
            (struct vst_trace_event){.kind = VST_TRACE_CONFIG, .sector = device->limits.n_sectors});
    if (status == VST_ERR_FULL)
        vst_block_config_interrupted(device); /* who is at it may have looked too early for this */
    return status;
}

/* ------------------------------------------------------------------ the write cache */

/** 5.2.5: the driver may write this field, of all the configuration, where CONFIG_WCE is negotiated. */
enum vst_status vst_virtio_blk_set_write_cache(struct vst_block_device *device, bool on)
{
    struct blk_device *blk = blk_of(device);
    struct virtio_device *virtio = &blk->virtio;

    virtio->transport->config_write(virtio, VIRTIO_BLK_CONFIG_WRITEBACK, 1, on);
    enum vst_status status = vst_virtio_blk_refresh(blk); /* reads it back */
    if (status != VST_OK || device->write_cache == on)
        return status;
    vst_log(device->platform, VST_LOG_WARNING, "%s: the write cache does not go %s", name_of(blk),
            on ? "on" : "off");
    return VST_ERR_UNSUPPORTED;
}
