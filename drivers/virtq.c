/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtqueue's life; what runs for every request stands in virtq.h. */
#include "drivers/virtq_hot.h"

#include <arch/port_io.h>

#define MIN_QUEUE_SIZE 4u /* asked for less: a chain has three descriptors at least */

static size_t align_up(size_t n, size_t to)
{
    return (n + to - 1) & ~(to - 1);
}

/** Places of the three areas in one piece of memory. (2.7, 2.8.10: alignment 16, 2 or 4, 4) */
struct ring_places {
    size_t driver, device, bytes;
};

/* 2.7.2: with a legacy device the used ring stands on the next page, all in one piece. */
#define LEGACY_QUEUE_ALIGN 4096u

static struct ring_places ring_places(const struct virtq *vq)
{
    struct ring_places places;
    size_t size = vq->size;

    /* The device writes its area: a cache line of its own keeps it from the lines that we write. */
    places.driver = size * sizeof(struct virtq_desc);
    if (vq->packed) {
        places.device = align_up(places.driver + sizeof(struct virtq_packed_drv_event), 64);
        places.bytes = places.device + sizeof(dev_le32);
    } else {
        places.device = align_up(places.driver + sizeof(struct virtq_avail) + size * 2 + 2,
                                 vq->legacy ? LEGACY_QUEUE_ALIGN : 64);
        places.bytes =
            places.device + sizeof(struct virtq_used) + size * sizeof(struct virtq_used_elem) + 2;
    }
    return places;
}

static enum vst_status allocate(struct virtq *vq, const struct vst_platform *platform)
{
    vq->rings_bytes = ring_places(vq).bytes;
    vq->rings = platform->alloc(platform->ctx, vq->rings_bytes, 4096, VST_MEMORY_SHARED,
                                &vq->rings_bus_addr);
    vq->shared_bytes = (size_t)vq->size * vq->shared_stride;
    vq->shared_memory = platform->alloc(platform->ctx, vq->shared_bytes, 4096, VST_MEMORY_SHARED,
                                        &vq->shared_bus_addr);
    vq->private_bytes = (size_t)vq->size * (sizeof(*vq->slots) + sizeof(*vq->free));
    vq->private_memory =
        platform->alloc(platform->ctx, vq->private_bytes, 64, VST_MEMORY_PRIVATE, NULL);
    return vq->rings != NULL && vq->shared_memory != NULL && vq->private_memory != NULL
               ? VST_OK
               : VST_ERR_NO_MEMORY;
}

/** Where everything lies: for the queue's whole life, and known to its owner and to recovery. */
static void place(struct virtq *vq)
{
    struct ring_places places = ring_places(vq);
    char *rings = vq->rings;

    if (vq->packed) {
        vq->ring = vq->rings;
        vq->ring_end = vq->ring + vq->size;
        vq->driver_event = (struct virtq_packed_drv_event *)(void *)(rings + places.driver);
        vq->device_event = (const dev_le32 *)(const void *)(rings + places.device);
    } else {
        vq->desc = (struct virtq_desc *)vq->rings;
        vq->avail = (struct virtq_avail *)(void *)(rings + places.driver);
        vq->avail_ring = vq->avail->ring;
        vq->used = (const struct virtq_used *)(void *)(rings + places.device);
        vq->used_event = &vq->avail->ring[vq->size];
        vq->avail_event = (const dev_le16 *)(const void *)&vq->used->ring[vq->size];
    }
    for (uint16_t id = 0; id < vq->size; id++)
        vq->slots[id] = (struct virtq_slot){
            .id = id,
            .shared = (char *)vq->shared_memory + (size_t)id * vq->shared_stride,
            .table_bus_addr = virtq_shared_bus_addr(vq, id) + vq->header_bytes,
        };
}

void vst_virtq_clear(const struct virtq *vq)
{
    __builtin_memset(vq->rings, 0, vq->rings_bytes);
    if (vq->packed)
        drv_le16_put(&vq->driver_event->flags, VIRTQ_EVENT_FLAGS_DISABLE);
    else if (vq->event_idx)
        drv_le16_put(vq->used_event, UINT16_MAX);
    else
        drv_le16_put(&vq->avail->flags, VIRTQ_AVAIL_F_NO_INTERRUPT);
    /* Indirect: descriptor `id` points at its slot's table for good. */
    for (uint16_t id = 0; !vq->packed && vq->indirect && id < vq->size; id++) {
        drv_le64_put(&vq->desc[id].addr,
                     virtq_shared_bus_addr(vq, id) + vq->header_bytes); /* slots are the owner's */
        drv_le16_put(&vq->desc[id].flags, VIRTQ_DESC_F_INDIRECT);
    }
}

void vst_virtq_forget(struct virtq *vq)
{
    vq->n_put = vq->n_published = vq->n_used = 0;
    vq->broken = false;
    vq->order_at = 0;
    vq->moves_used_event = vq->event_idx && !vq->packed;
    vq->armed = false;
    vq->n_awaited = 0;
    vq->n_free = vq->n_ring_free = vq->size;
    /* 2.8.1: both wrap counters begin with 1. */
    if (vq->packed)
        vq->avail_place = vq->used_place = virtq_place_of(vq, 0x8000);
    vq->n_extra = 0;
    for (uint16_t id = 0; id < vq->size; id++) {
        vq->free[vq->size - 1 - id] = &vq->slots[id];
        vq->slots[id].token = NULL;
        vq->slots[id].shape = 0; /* the split ring forgot its descriptors' lengths */
    }
}

enum vst_status vst_virtq_enable(const struct virtq *vq, struct virtio_device *device,
                                 uint16_t vector, struct virtio_doorbell *doorbell)
{
    struct ring_places places = ring_places(vq);
    const struct virtio_queue_setup setup = {
        .index = vq->index,
        .size = vq->size,
        .vector = vector,
        .desc_bus_addr = vq->rings_bus_addr,
        .driver_bus_addr = vq->rings_bus_addr + places.driver,
        .device_bus_addr = vq->rings_bus_addr + places.device,
    };
    return device->transport->queue_enable(device, &setup, doorbell);
}

enum vst_status vst_virtq_choose_size(struct virtio_device *device, uint16_t queue, uint16_t wanted,
                                      uint16_t *size)
{
    uint16_t offered = device->transport->queue_size(device, queue);

    if (offered == 0) {
        vst_log(device->platform, VST_LOG_ERROR, "%s: the device has no request queue %u",
                device->name, queue);
        return VST_ERR_NOT_FOUND;
    }
    /* 2.7: a split queue's size is a power of two; where the device fixes it, it has to be one. */
    bool fixed = device->queue_size_fixed;
    if (offered > VIRTQ_MAX_SIZE || (fixed && !vst_is_power_of_two(offered))) {
        vst_log(device->platform, VST_LOG_ERROR, "%s: queue size of %u makes no sense",
                device->name, offered);
        return VST_ERR_MALFORMED;
    }
    *size = fixed || offered < wanted ? offered : wanted;
    if (!virtio_has(device, VIRTIO_F_RING_PACKED)) /* 2.7: split ones only */
        *size = vst_power_of_two_below(*size);
    if (*size < MIN_QUEUE_SIZE && offered >= MIN_QUEUE_SIZE)
        *size = MIN_QUEUE_SIZE;
    return VST_OK;
}

enum vst_status vst_virtq_create(struct virtq *vq, struct virtio_device *device,
                                 const struct virtq_layout *layout)
{
    *vq = (struct virtq){
        .index = layout->index,
        .size = layout->size,
        .mask = layout->size - 1u,
        .packed = virtio_has(device, VIRTIO_F_RING_PACKED),
        .indirect = virtio_has(device, VIRTIO_F_INDIRECT_DESC),
        .event_idx = virtio_has(device, VIRTIO_F_EVENT_IDX),
        .in_order = virtio_has(device, VIRTIO_F_IN_ORDER),
        .notification_data = virtio_has(device, VIRTIO_F_NOTIFICATION_DATA),
        .legacy = device->legacy,
        .header_bytes = layout->header_bytes,
        .table_entries = layout->table_entries,
        .n_frame = layout->n_frame != 0 ? layout->n_frame : 2,
    };
    vq->shared_stride = layout->header_bytes;
    if (vq->indirect)
        vq->shared_stride += layout->table_entries * (uint32_t)sizeof(struct virtq_desc);
    enum vst_status status = allocate(vq, device->platform);
    if (status == VST_OK) {
        vq->slots = vq->private_memory;
        vq->slots_bytes = vq->size * sizeof(*vq->slots);
        vq->free = (struct virtq_slot **)(void *)(vq->slots + vq->size);
        place(vq);
        vst_virtq_clear(vq);
        vst_virtq_forget(vq);
        status = vst_virtq_enable(vq, device, layout->vector, &vq->doorbell);
    }
    if (status != VST_OK)
        vst_virtq_destroy(vq, device->platform);
    return status;
}

void vst_virtq_destroy(struct virtq *vq, const struct vst_platform *platform)
{
    if (vq->private_memory != NULL)
        platform->free(platform->ctx, vq->private_memory, vq->private_bytes, VST_MEMORY_PRIVATE);
    if (vq->shared_memory != NULL)
        platform->free(platform->ctx, vq->shared_memory, vq->shared_bytes, VST_MEMORY_SHARED);
    if (vq->rings != NULL)
        platform->free(platform->ctx, vq->rings, vq->rings_bytes, VST_MEMORY_SHARED);
    vq->private_memory = vq->shared_memory = vq->rings = NULL;
}

void vst_virtq_break(struct virtq *vq, const char *why)
{
    if (vq->broken)
        return;
    vq->broken = true;
    vq->broken_why = why;
}

void vst_virtq_break_by_id(struct virtq *vq, uint32_t id)
{
    vst_virtq_break(vq, id >= vq->size ? "used id beyond the queue"
                                       : "used id of no request in flight");
}

/* ------------------------------------------------------------------ interrupts */

static void arm_packed(struct virtq *vq, uint32_t n)
{
    uint16_t flags = VIRTQ_EVENT_FLAGS_ENABLE;

    vq->armed_place = vq->used_place;
    virtq_place_advance(vq, &vq->armed_place, n - 1);
    if (vq->event_idx) {
        drv_le16_put(&vq->driver_event->off_wrap, virtq_off_wrap(vq, &vq->armed_place));
        flags = VIRTQ_EVENT_FLAGS_DESC;
    }
    drv_le16_publish(&vq->driver_event->flags, flags);
}

void vst_virtq_arm(struct virtq *vq, uint32_t n)
{
    /* A broken queue, or one at rest, tells nothing, and its ring is not ours to write. */
    uint32_t n_in_flight = vq->broken ? 0 : vq->n_published - vq->n_used;
    /* Packed: only where each chain takes one descriptor is it known which the n-th will be. */
    bool ahead = vq->event_idx && (!vq->packed || (vq->indirect && !vq->in_order));

    if (n > n_in_flight)
        n = n_in_flight;
    if (n > 1 && !ahead)
        n = 1;
    vq->n_awaited = n;
    if (n == 0)
        return;
    vq->armed = true;
    vq->moves_used_event = false;
    vq->n_used_when_armed = vq->n_used;
    if (vq->packed)
        arm_packed(vq, n);
    else if (vq->event_idx)
        drv_le16_put(vq->used_event, (uint16_t)(vq->n_used + n - 1));
    else
        drv_le16_put(&vq->avail->flags, 0);
    /* 2.7.7.1, 2.8.21.3.2: ask, then look; the device has written, then looks what was asked. */
    arch_full_barrier();
}

void vst_virtq_disarm(struct virtq *vq)
{
    vq->n_awaited = 0;
    if (!vq->armed || vq->broken)
        return;
    vq->armed = false;
    vq->moves_used_event = vq->event_idx && !vq->packed;
    if (vq->packed)
        drv_le16_put(&vq->driver_event->flags, VIRTQ_EVENT_FLAGS_DISABLE);
    else if (vq->event_idx)
        drv_le16_put(vq->used_event, (uint16_t)(vq->n_used - 1));
    else
        drv_le16_put(&vq->avail->flags, VIRTQ_AVAIL_F_NO_INTERRUPT);
}

bool vst_virtq_awaited(const struct virtq *vq)
{
    /* n_used has gone on: chains were taken since. */
    if (vq->n_awaited == 0 || vq->broken || vq->n_used != vq->n_used_when_armed)
        return true;
    if (vq->packed)
        return virtq_place_is_used(&vq->armed_place);
    return (uint16_t)(dev_le16_get(&vq->used->idx) - (uint16_t)vq->n_used) >= vq->n_awaited;
}

__attribute__((cold)) void vst_virtq_ring_other(const struct virtq *vq)
{
    const struct virtio_doorbell *doorbell = &vq->doorbell;
    uint32_t value = vq->index;

    /* 4.1.5.2, 2.9: how far the queue has come stands in the upper half. */
    if (vq->notification_data)
        value |= (vq->packed ? virtq_off_wrap(vq, &vq->avail_place) : vq->n_published & 0xffffu)
                 << 16;

    switch (doorbell->kind) {
    case VIRTIO_DOORBELL_MMIO16:
        mmio_le16_write(doorbell->mmio, (uint16_t)value);
        break;
    case VIRTIO_DOORBELL_MMIO32:
        mmio_le32_write(doorbell->mmio, value);
        break;
    case VIRTIO_DOORBELL_PORT16:
        port_write16(doorbell->port, (uint16_t)value);
        break;
    case VIRTIO_DOORBELL_PORT32:
        port_write32(doorbell->port, value);
        break;
    case VIRTIO_DOORBELL_CALL:
        doorbell->device->transport->ring(doorbell, value);
        break;
    }
}
