/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtqueue's life; what runs for every request stands in virtq.h. */
#include "drivers/virtq.h"

#include <arch/port_io.h>

static size_t align_up(size_t n, size_t to)
{
    return (n + to - 1) & ~(to - 1);
}

/** Places of the three areas in one piece of memory. (2.7: alignment 16, 2, 4) */
struct ring_places {
    size_t avail, used, bytes;
};

static struct ring_places ring_places(uint16_t size)
{
    struct ring_places places;

    places.avail = (size_t)size * sizeof(struct virtq_desc);
    /* The device writes the used ring: a cache line of its own keeps it from the lines that we
     * write. */
    places.used = align_up(places.avail + sizeof(struct virtq_avail) + (size_t)size * 2 + 2, 64);
    places.bytes =
        places.used + sizeof(struct virtq_used) + (size_t)size * sizeof(struct virtq_used_elem) + 2;
    return places;
}

static enum vst_status allocate(struct virtq *vq, const struct vst_platform *platform,
                                struct ring_places places)
{
    vq->rings_bytes = places.bytes;
    vq->rings = platform->alloc(platform->ctx, vq->rings_bytes, 4096, VST_MEMORY_SHARED,
                                &vq->rings_bus_addr);
    vq->shared_bytes = (size_t)vq->size * vq->shared_stride;
    vq->shared_memory = platform->alloc(platform->ctx, vq->shared_bytes, 4096, VST_MEMORY_SHARED,
                                        &vq->shared_bus_addr);
    vq->private_bytes = (size_t)vq->size * (sizeof(struct virtq_slot) + sizeof(uint16_t));
    vq->private_memory =
        platform->alloc(platform->ctx, vq->private_bytes, 64, VST_MEMORY_PRIVATE, NULL);
    return vq->rings != NULL && vq->shared_memory != NULL && vq->private_memory != NULL
               ? VST_OK
               : VST_ERR_NO_MEMORY;
}

static void place(struct virtq *vq, struct ring_places places)
{
    char *rings = vq->rings;

    vq->desc = (struct virtq_desc *)vq->rings;
    vq->avail = (struct virtq_avail *)(void *)(rings + places.avail);
    vq->used = (const struct virtq_used *)(void *)(rings + places.used);
    vq->used_event = &vq->avail->ring[vq->size];
    vq->avail_event = (const dev_le16 *)(const void *)&vq->used->ring[vq->size];
    vq->slots = vq->private_memory;
    vq->free_ids = (uint16_t *)(void *)(vq->slots + vq->size);
    vq->n_free = vq->size;
    for (uint16_t id = 0; id < vq->size; id++) {
        vq->free_ids[vq->size - 1 - id] = id;
        vq->slots[id].shared = (char *)vq->shared_memory + (size_t)id * vq->shared_stride;
    }
}

/**
 * Indirect: descriptor `id` points at its slot's table for good. Its length is written when the
 * table is prepared.
 */
static void prepare_indirect(struct virtq *vq)
{
    for (uint16_t id = 0; id < vq->size; id++) {
        drv_le64_put(&vq->desc[id].addr, virtq_shared_bus_addr(vq, id) + vq->header_bytes);
        drv_le16_put(&vq->desc[id].flags, VIRTQ_DESC_F_INDIRECT);
    }
}

enum vst_status vst_virtq_create(struct virtq *vq, struct virtio_device *device,
                                 const struct virtq_layout *layout)
{
    struct ring_places places = ring_places(layout->size);

    *vq = (struct virtq){
        .index = layout->index,
        .size = layout->size,
        .mask = (uint16_t)(layout->size - 1),
        .indirect = virtio_has(device, VIRTIO_F_INDIRECT_DESC),
        .event_idx = virtio_has(device, VIRTIO_F_EVENT_IDX),
        .header_bytes = layout->header_bytes,
        .table_entries = layout->table_entries,
    };
    vq->shared_stride = layout->header_bytes;
    if (vq->indirect)
        vq->shared_stride += layout->table_entries * (uint32_t)sizeof(struct virtq_desc);
    enum vst_status status = allocate(vq, device->platform, places);
    if (status != VST_OK)
        goto fail;
    place(vq, places);
    if (vq->indirect)
        prepare_indirect(vq);
    if (vq->event_idx)
        virtq_rearm_polling(vq);
    else
        drv_le16_put(&vq->avail->flags, VIRTQ_AVAIL_F_NO_INTERRUPT);
    const struct virtio_queue_setup setup = {
        .index = vq->index,
        .size = vq->size,
        .vector = VIRTIO_NO_VECTOR,
        .desc_bus_addr = vq->rings_bus_addr,
        .driver_bus_addr = vq->rings_bus_addr + places.avail,
        .device_bus_addr = vq->rings_bus_addr + places.used,
    };
    status = device->transport->queue_enable(device, &setup, &vq->doorbell);
    if (status == VST_OK)
        return VST_OK;
fail:
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

__attribute__((cold)) void vst_virtq_ring_other(const struct virtq *vq)
{
    const struct virtio_doorbell *doorbell = &vq->doorbell;
    uint32_t value = vq->index;

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
        doorbell->device->transport->ring(doorbell->device, vq->index, value);
        break;
    }
}

void vst_virtq_release(struct virtq *vq, uint16_t id, uint32_t n)
{
    for (; n > 0; n--) {
        vq->free_ids[vq->n_free++] = id;
        id = vq->slots[id].next;
    }
}
