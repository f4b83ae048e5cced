/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtqueue, split (VIRTIO 1.2, 2.7) and packed (2.8): its memory and its life. What runs for
 * every request stands in virtq_hot.h, chains that are not prepared are made in virtq_chain.c.
 *
 * Who knows what. A chain is named by an id, and everything about a chain in flight stands in
 * `slots[id]`, in memory that the device cannot reach; what lies in shared memory is written by us
 * and never read back (drv_ types have no reader), or written by the device and read once into a
 * local (dev_ types).
 *
 * A slot has a piece of shared memory for good: the driver's header (for virtio-blk the request
 * header and the status byte) and an indirect table. Two kinds of chain:
 *
 *     indirect   one descriptor points at the slot's table; table and descriptor are prepared once
 *                for a shape of request (number of segments, operation) and only what differs is
 *                written again
 *     direct     (INDIRECT_DESC not negotiated) as many descriptors as the chain has parts
 *
 * In a split queue the id is the chain's first descriptor; in a packed one it is the buffer id,
 * and descriptors are taken in ring order. With IN_ORDER both are taken in ring order and the id
 * is the place of the first.
 *
 * Counters run freely in 32 bits; the split ring's 16-bit indices are their lower halves. So a
 * batch of 65536 requests between two kicks is a number, not a zero (Linux ee7cd898). A place in a
 * packed ring is a descriptor and the wrap counter it is passed with, in one structure and moved on
 * together, so that the two cannot be updated apart (Linux a7722890); where one is compared or shown
 * to the device it is a 16-bit word, as in the specification's event structure.
 */
#ifndef VSTOR_DRIVERS_VIRTQ_H
#define VSTOR_DRIVERS_VIRTQ_H

#include "drivers/shared_memory.h"
#include "drivers/virtio_device.h"

/** 2.7.5 The descriptor table's entry; also the entry of an indirect table. */
struct virtq_desc {
    drv_le64 addr;
    drv_le32 len;
    drv_le16 flags; /**< in an indirect table of a packed queue: reserved, written 0 */
    drv_le16 next;  /**< there: flags */
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

/**
 * 2.8.13 The packed descriptor ring's entry. Its second half, which both sides write in turns, is
 * written at once, and what we need to know of it is read at once: id and flags, which say whose
 * turn it is.
 */
struct virtq_packed_desc {
    drv_le64 addr;
    union {
        drv_le64 drv; /**< virtq_packed_rest */
        struct {
            dev_le32 len;
            dev_le32 id_flags; /**< flags in the high half */
        } dev;
    } rest;
};
_Static_assert(sizeof(struct virtq_packed_desc) == 16, "VIRTIO 1.2, 2.8.13");

/** The second half of a packed descriptor. */
static inline uint64_t virtq_packed_rest(uint32_t len, uint16_t id, uint16_t flags)
{
    return (uint64_t)flags << 48 | (uint64_t)id << 32 | len;
}

/** A place in a packed ring. (2.8.1) */
struct virtq_place {
    struct virtq_packed_desc *desc;
    uint64_t wrap; /**< VIRTQ_WRAP while the wrap counter is 1, else 0 */
};
/** AVAIL and USED, where they stand in a descriptor's second half. */
#define VIRTQ_WRAP ((uint64_t)(VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED) << 48)

/** 2.8.14 Event suppression: ours, and the device's, whose two fields are read at once. */
struct virtq_packed_drv_event {
    drv_le16 off_wrap;
    drv_le16 flags;
};

/** Private state of one chain. */
struct virtq_slot {
    _Alignas(64) void *token; /**< the request in flight; NULL: this id names no chain */
    void *shared;             /**< the driver's header, then the indirect table */
    uint64_t table_bus_addr;  /**< of the indirect table */
    uint64_t packed_rest;  /**< packed, prepared: second half of its descriptor, wrap counter 0 */
    union {
        uint64_t start_sector; /**< by hand: of the part in flight, if its request is split */
        struct virtq_desc *data; /**< prepared: the table entry of the first piece of data */
    };
    void *owner; /**< the driver's: whose the token is, where several share the queue */
    uint32_t shape;        /**< what header and table are prepared for; 0: for nothing */
    uint32_t by_hand;      /**< VIRTQ_BY_HAND if that is how its chain was made, else 0 */
    uint16_t id;
    uint16_t epoch;    /**< when it was given to the device, in ticks of the driver's watch */
    uint16_t next;     /**< split direct chains: the descriptor that follows */
    uint16_t n_pieces; /**< of memory that the chain carries, if made by hand */
};
_Static_assert(sizeof(struct virtq_slot) == 64, "a cache line; id to slot is a shift");
/** Beyond a byte, so that it can be added to a status byte and told from it. */
#define VIRTQ_BY_HAND 0x100u

struct virtq {
    /* submitting */
    struct virtq_slot *slots;
    size_t slots_bytes;
    struct virtq_slot **free; /**< a stack: what was used last is used next, it is still cached */
    uint32_t n_free;          /**< slots on the stack */
    uint32_t n_put;           /**< chains ever put */
    uint32_t n_published;     /**< chains ever shown to the device */
    bool packed, indirect, event_idx, in_order;
    uint16_t size;
    uint32_t mask; /**< split: size - 1 */
    /* split */
    struct virtq_desc *desc;
    struct virtq_avail *avail;
    drv_le16 *avail_ring; /**< avail->ring */
    const struct virtq_used *used;
    drv_le16 *used_event;        /**< where we write at which completion to be told */
    const dev_le16 *avail_event; /**< where the device writes at which request to be told */
    /* packed */
    struct virtq_packed_desc *ring, *ring_end;
    struct virtq_place avail_place; /**< where the next chain goes */
    struct virtq_place used_place;  /**< where the next used descriptor will stand */
    uint32_t n_extra;               /**< descriptors put beyond one for each chain not yet shown */
    struct virtq_packed_drv_event *driver_event;
    const dev_le32 *device_event; /**< off_wrap in the low half, flags in the high half */
    /* completing */
    uint32_t n_used;      /**< chains ever taken back */
    uint32_t n_ring_free; /**< descriptors free, where chains are direct or IN_ORDER */
    uint16_t order_at;    /**< IN_ORDER: place of the next descriptor */
    bool broken;
    bool moves_used_event; /**< split with EVENT_IDX and not armed: see virtq_rearm_polling */
    bool armed;
    struct virtq_place armed_place; /**< packed: of the used descriptor that is waited for */
    uint32_t n_awaited;             /**< armed for so many used chains; 0: for none */
    uint32_t n_used_when_armed;
    bool notification_data;
    bool legacy; /**< the rings lie as 2.7.2 wants it */
    uint16_t index;
    struct virtio_doorbell doorbell;
    const char *broken_why;
    /* cold */
    uint64_t shared_bus_addr;
    uint32_t shared_stride; /**< from one slot's shared memory to the next, bytes */
    uint16_t header_bytes;  /**< the driver's part of it; the indirect table stands behind */
    uint16_t table_entries; /**< of each slot's indirect table; no chain is longer */
    uint8_t n_frame;        /**< descriptors of a chain beside its pieces */
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
    uint16_t size;          /**< descriptors, at most what the device offers; split: power of two */
    uint16_t header_bytes;  /**< of each slot's shared memory, the driver's: a multiple of 16 */
    uint16_t table_entries; /**< of each slot's indirect table */
    uint16_t vector;        /**< MSI-X table entry, or VIRTIO_NO_VECTOR */
    uint8_t n_frame;        /**< descriptors of a chain that carry no piece; 0 = 2 */
};

/**
 * Chooses the size of a queue: `wanted` descriptors, at most what the device offers, a power of two
 * where it is split; with the legacy interface what the device has fixed. VST_ERR_NOT_FOUND if the
 * device has no such queue, VST_ERR_MALFORMED if its size makes no sense, with a log line.
 */
enum vst_status vst_virtq_choose_size(struct virtio_device *device, uint16_t queue, uint16_t wanted,
                                      uint16_t *size) VST_MUST_USE;

/**
 * Allocates a queue and tells the device of it (3.1.1 step 7). The queue is empty, the device will
 * not interrupt. On an error nothing is allocated and nothing was shared.
 */
enum vst_status vst_virtq_create(struct virtq *vq, struct virtio_device *device,
                                 const struct virtq_layout *layout) VST_MUST_USE;

/*
 * A queue whose device has forgotten it (reset, or queue reset confirmed) starts again in the same
 * memory by clear, enable and forget. The first two touch nothing but what is shared with the
 * device and may run on another CPU than the queue's, while that keeps away from the ring.
 */

/** Makes the ring's memory as for a queue that was never used. */
void vst_virtq_clear(const struct virtq *vq);

/** Tells the device where the ring lies and enables it; stores its doorbell. (4.1.5.1.3) */
enum vst_status vst_virtq_enable(const struct virtq *vq, struct virtio_device *device,
                                 uint16_t vector, struct virtio_doorbell *doorbell) VST_MUST_USE;

/** The private side of an empty queue; what was in flight is dropped, and nothing is broken. */
void vst_virtq_forget(struct virtq *vq);

/** Gives the memory back. The device must have confirmed its reset or be cut off. */
void vst_virtq_destroy(struct virtq *vq, const struct vst_platform *platform);

/**
 * Latches the queue as broken: fixed text `why`. Nothing is taken from it or put to it any more
 * until vst_virtq_forget. A queue at rest (virtio_recovery.h) counts as broken as well.
 */
void vst_virtq_break(struct virtq *vq, const char *why);

/** The same for a used id that names no chain in flight. */
void vst_virtq_break_by_id(struct virtq *vq, uint32_t id);

/**
 * Has the device interrupt when n chains from now, or fewer, have been used; ends with a full
 * barrier. Nothing is armed if nothing is in flight.
 */
void vst_virtq_arm(struct virtq *vq, uint32_t n);
void vst_virtq_disarm(struct virtq *vq);

/** Whether it has got so far. True if nothing is armed. */
bool vst_virtq_awaited(const struct virtq *vq);

/** Doorbells that are not a 16-bit register, and all with NOTIFICATION_DATA. */
void vst_virtq_ring_other(const struct virtq *vq);

/** Bus address of a slot's shared memory. */
static inline uint64_t virtq_shared_bus_addr(const struct virtq *vq, uint16_t id)
{
    return vq->shared_bus_addr + (uint64_t)id * vq->shared_stride;
}

/** A table entry of either kind of queue. `next` is the index of the entry behind, 0 for the last. */
static inline void virtq_table_put(const struct virtq *vq, struct virtq_desc *entry,
                                   uint64_t bus_addr, uint32_t bytes, bool device_writes,
                                   uint16_t next)
{
    uint16_t write = device_writes ? VIRTQ_DESC_F_WRITE : 0;

    drv_le64_put(&entry->addr, bus_addr);
    drv_le32_put(&entry->len, bytes);
    /* 2.8.7: in a packed queue's table WRITE is the only flag, and it stands where `next` is here. */
    drv_le16_put(&entry->flags,
                 vq->packed ? 0 : (uint16_t)(write | (next ? VIRTQ_DESC_F_NEXT : 0)));
    drv_le16_put(&entry->next, vq->packed ? write : next);
}

/** A place as the event structure has it: bit 15 the wrap counter, else the offset. (2.8.14) */
static inline uint16_t virtq_off_wrap(const struct virtq *vq, const struct virtq_place *place)
{
    return (uint16_t)((uint64_t)(place->desc - vq->ring) | (place->wrap >> 48 & 0x8000u));
}

static inline struct virtq_place virtq_place_of(const struct virtq *vq, uint16_t off_wrap)
{
    return (struct virtq_place){vq->ring + (off_wrap & 0x7fffu),
                                off_wrap & 0x8000u ? VIRTQ_WRAP : 0};
}

/** From the ring's end, or beyond it, to its beginning: there the other wrap counter holds. */
static inline void virtq_place_turn(const struct virtq *vq, struct virtq_place *place)
{
    place->desc -= vq->size;
    place->wrap ^= VIRTQ_WRAP;
}

/** n entries on. */
static inline void virtq_place_advance(const struct virtq *vq, struct virtq_place *place,
                                       uint32_t n)
{
    place->desc += n;
    if (place->desc >= vq->ring_end)
        virtq_place_turn(vq, place);
}

/** The same for such a word. */
static inline uint16_t virtq_off_wrap_add(uint16_t off_wrap, uint32_t n, uint16_t size)
{
    uint32_t offset = (off_wrap & 0x7fffu) + n;
    uint16_t wrap = off_wrap & 0x8000u;

    if (offset >= size) {
        offset -= size;
        wrap ^= 0x8000u;
    }
    return (uint16_t)(wrap | offset);
}

#endif
