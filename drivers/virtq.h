/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The split virtqueue (VIRTIO 1.2, 2.7), and the part of it that runs for every request.
 *
 * Who knows what. A chain is named by the id of its head descriptor. Everything about a chain in
 * flight stands in `slots`, in memory that the device cannot reach; what lies in shared memory is
 * written by us and never read back (drv_ types have no reader), or written by the device and read
 * once into a local (dev_ types).
 *
 * A slot belongs to one descriptor for good, and with it a piece of shared memory: request header,
 * status byte, and an indirect table. Two shapes of chain:
 *
 *     indirect   descriptor `id` points at the slot's table; table and descriptor are prepared once
 * for a shape of request (number of segments, direction) and only what differs is written again
 *     direct     (INDIRECT_DESC not negotiated) as many descriptors as the chain has parts, taken
 * from the free ones
 *
 * The call path of one request: virtq_take -> fill -> virtq_put (any number) -> virtq_kick;
 * virtq_n_used -> virtq_read_begin .. virtq_read_end -> virtq_rearm_polling. All inline, none with an indirect
 * call, none takes a lock: a queue belongs to one CPU.
 *
 * Counters run freely in 32 bits; the ring's 16-bit indices are their lower halves. So a batch of
 * 65536 requests between two kicks is a number, not a zero (Linux ee7cd898).
 */
#ifndef VSTOR_DRIVERS_VIRTQ_H
#define VSTOR_DRIVERS_VIRTQ_H

#include "drivers/shared_memory.h"
#include "drivers/virtio_device.h"

/** 2.7.5 The descriptor table's entry. */
struct virtq_desc {
    drv_le64 addr;
    drv_le32 len;
    drv_le16 flags;
    drv_le16 next;
};
_Static_assert(sizeof(struct virtq_desc) == 16, "VIRTIO 1.2, 2.7.5");

/** 2.7.6 The available ring; behind ring[size] stands used_event. */
struct virtq_avail {
    drv_le16 flags;
    drv_le16 idx;
    drv_le16 ring[];
};

/** 2.7.8 The used ring; behind ring[size] stands avail_event. */
struct virtq_used_elem {
    dev_le32 id;
    dev_le32 len;
};
struct virtq_used {
    dev_le16 flags;
    dev_le16 idx;
    struct virtq_used_elem ring[];
};
_Static_assert(offsetof(struct virtq_used, ring) == 4, "VIRTIO 1.2, 2.7.8");

/** Private state of one descriptor and of the chain that it heads. */
struct virtq_slot {
    void *token;           /**< the request in flight; NULL: this descriptor heads no chain */
    void *shared;          /**< the driver's header, then the indirect table */
    uint64_t start_sector; /**< of the part in flight, if its request is split: an error is told
                              with it */
    uint16_t epoch;        /**< when it was given to the device, in ticks of the driver's watch */
    uint16_t shape; /**< what header and table are prepared for; 0: for nothing, this chain was made
                       by hand */
    uint16_t next;  /**< direct chains: the descriptor that follows */
    uint16_t n_pieces; /**< of memory that the chain carries, if made by hand */
};
_Static_assert(sizeof(struct virtq_slot) == 32, "a power of two, so that id to slot is a shift");

struct virtq {
    /* submitting */
    struct virtq_desc *desc;
    struct virtq_avail *avail;
    struct virtq_slot *slots;
    uint16_t
        *free_ids; /**< a stack: the id used last is used next, its lines are still in the cache */
    uint32_t n_free;      /**< descriptors */
    uint32_t n_put;       /**< chains ever put */
    uint32_t n_published; /**< chains ever shown to the device */
    uint16_t mask;        /**< size - 1 */
    bool indirect, event_idx;
    drv_le16 *used_event;        /**< where we write at which completion to be told */
    const dev_le16 *avail_event; /**< where the device writes at which request to be told */
    /* completing */
    bool broken;
    const struct virtq_used *used;
    uint32_t n_used; /**< chains ever taken back */
    uint16_t index, size;
    struct virtio_doorbell doorbell;
    const char *broken_why;
    /* cold */
    uint64_t shared_bus_addr;
    uint32_t shared_stride; /**< from one slot's shared memory to the next, bytes */
    uint16_t header_bytes;  /**< the driver's part of it; the indirect table stands behind */
    uint16_t table_entries; /**< of each slot's indirect table */
    void *rings;
    uint64_t rings_bus_addr;
    size_t rings_bytes;
    void *shared_memory;
    size_t shared_bytes;
    void *private_memory;
    size_t private_bytes;
};

/** How a queue is to be laid out. */
struct virtq_layout {
    uint16_t index;
    uint16_t
        size; /**< descriptors: a power of two, at most VIRTQ_MAX_SIZE and what the device offers */
    uint16_t header_bytes; /**< shared memory of each slot that belongs to the driver, a multiple of
                              16 */
    uint16_t table_entries; /**< of each slot's indirect table */
};

/**
 * Allocates a queue and tells the device of it (3.1.1 step 7). The queue is empty, the device will
 * not interrupt. On an error nothing is allocated, but the device may have seen the addresses: stop
 * it before anything else.
 */
enum vst_status vst_virtq_create(struct virtq *vq, struct virtio_device *device,
                                 const struct virtq_layout *layout) VST_MUST_USE;

/** Gives the memory back. The device must have confirmed its reset or be cut off. */
void vst_virtq_destroy(struct virtq *vq, const struct vst_platform *platform);

/**
 * Latches the queue as broken: fixed text `why`. Nothing is taken from it or put to it any more.
 */
void vst_virtq_break(struct virtq *vq, const char *why);

/** The same for a used id that names no chain in flight. */
void vst_virtq_break_by_id(struct virtq *vq, uint32_t id);

/**
 * 2.7.10.1, 2.7.7.2: whether the other side, which asked to be told at `event`, has to be told of
 * old -> new.
 */
static inline bool virtq_event_crossed(uint16_t event, uint16_t new_idx, uint16_t old_idx)
{
    return (uint16_t)(new_idx - event - 1) < (uint16_t)(new_idx - old_idx);
}

static inline uint32_t virtq_n_in_flight(const struct virtq *vq)
{
    return vq->n_put - vq->n_used;
}

/** Bus address of a slot's shared memory. */
static inline uint64_t virtq_shared_bus_addr(const struct virtq *vq, uint16_t id)
{
    return vq->shared_bus_addr + (uint64_t)id * vq->shared_stride;
}

/**
 * The descriptor that the next chain will have as its head; taken only by virtq_put. At least one
 * must be free.
 */
static inline uint16_t virtq_take(const struct virtq *vq)
{
    return vq->free_ids[vq->n_free - 1];
}

/**
 * 2.7.13 steps 2 to 4: puts a chain whose head is `id` into the available ring; the device may see
 * it after kick.
 */
static inline void virtq_put(struct virtq *vq, uint16_t id, void *token)
{
    vq->slots[id].token = token;
    drv_le16_put(&vq->avail->ring[vq->n_put & vq->mask], id);
    vq->n_put++;
}

/**
 * Whether the device wants to be told of what was published since `old_count`. After a full
 * barrier.
 */
static inline bool virtq_wants_kick(const struct virtq *vq, uint32_t old_count)
{
    if (vq->event_idx) {
        uint16_t avail_event = dev_le16_get(vq->avail_event);
        /* A batch so long is beyond what 16-bit indices can tell: ring. */
        return vq->n_published - old_count > UINT16_MAX ||
               virtq_event_crossed(avail_event, (uint16_t)vq->n_published, (uint16_t)old_count);
    }
    return (dev_le16_get(&vq->used->flags) & VIRTQ_USED_F_NO_NOTIFY) == 0;
}

/** Doorbells that are not a 16-bit register. */
void vst_virtq_ring_other(const struct virtq *vq);

static inline void virtq_ring_doorbell(const struct virtq *vq)
{
    if (VST_LIKELY(vq->doorbell.kind == VIRTIO_DOORBELL_MMIO16))
        mmio_le16_write(vq->doorbell.mmio, vq->index); /* 4.1.5.2 */
    else
        vst_virtq_ring_other(vq);
}

/** 2.7.13 steps 5 to 7: shows the device all chains put so far; true if the doorbell was rung. */
static inline bool virtq_kick(struct virtq *vq)
{
    uint32_t old_count = vq->n_published;

    if (vq->n_put == old_count || vq->broken)
        return false;
    vq->n_published = vq->n_put;
    drv_le16_publish(&vq->avail->idx, (uint16_t)vq->n_published);
    arch_full_barrier(); /* 2.7.13.4.1: publish idx before reading what the device wants */
    if (!virtq_wants_kick(vq, old_count))
        return false;
    virtq_ring_doorbell(vq);
    return true;
}

/**
 * How many chains the device has given back and we have not taken; a lie breaks the queue and
 * counts as 0.
 */
static inline uint32_t virtq_n_used(struct virtq *vq)
{
    uint16_t n = (uint16_t)(dev_le16_observe(&vq->used->idx) - (uint16_t)vq->n_used);

    if (VST_UNLIKELY(n > vq->n_published - vq->n_used)) {
        vst_virtq_break(vq, "used index runs ahead of the requests in flight");
        return 0;
    }
    return vq->broken ? 0 : n;
}

/**
 * The completing side of a queue for the length of one poll: copies that stores to shared and
 * private memory can't change in the compiler's eyes, so that they stay in registers.
 */
struct virtq_reader {
    const struct virtq_used_elem *ring;
    struct virtq_slot *slots;
    uint16_t *free_ids;
    uint32_t n_used, n_free;
    uint16_t mask, size;
};

static inline struct virtq_reader virtq_read_begin(const struct virtq *vq)
{
    return (struct virtq_reader){
        .ring = vq->used->ring,
        .slots = vq->slots,
        .free_ids = vq->free_ids,
        .n_used = vq->n_used,
        .n_free = vq->n_free,
        .mask = vq->mask,
        .size = vq->size,
    };
}

static inline void virtq_read_end(const struct virtq_reader *reader, struct virtq *vq)
{
    vq->n_used = reader->n_used;
    vq->n_free = reader->n_free;
}

/**
 * Stores the id that stands next in the used ring; returns its slot, or NULL if that id heads no
 * chain in flight (nothing is taken then; see vst_virtq_break_by_id). Only after virtq_n_used said
 * that there is one. The caller clears the token and releases the descriptors.
 */
static inline struct virtq_slot *virtq_read_next(struct virtq_reader *reader, uint32_t *id)
{
    *id = dev_le32_get(&reader->ring[reader->n_used & reader->mask].id);
    if (VST_UNLIKELY(*id >= reader->size || reader->slots[*id].token == NULL))
        return NULL;
    reader->n_used++;
    return &reader->slots[*id];
}

/** An indirect chain's one descriptor is free again. */
static inline void virtq_read_release(struct virtq_reader *reader, uint32_t id)
{
    reader->free_ids[reader->n_free++] = (uint16_t)id;
}

/** The `n` descriptors of the chain headed by `id` are free again: 1, or a direct chain's. */
void vst_virtq_release(struct virtq *vq, uint16_t id, uint32_t n);

/**
 * Polling: keeps the device from interrupting. With EVENT_IDX that means moving used_event out of
 * reach now and then, since it comes round every 65536 completions (2.7.7.2).
 */
static inline void virtq_rearm_polling(struct virtq *vq)
{
    if (vq->event_idx)
        drv_le16_put(vq->used_event, (uint16_t)(vq->n_used - 1u));
}

#endif
