/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of a virtqueue that runs for every request, all of it inline, none of it with an
 * indirect call or a lock: a queue belongs to one CPU. Split or packed is one branch per request,
 * always the same way.
 *
 * The call path: virtq_take, fill the slot, virtq_put (any number), virtq_kick; then
 * virtq_read_begin, virtq_read_next and virtq_read_release (any number), virtq_read_end.
 */
#ifndef VSTOR_DRIVERS_VIRTQ_HOT_H
#define VSTOR_DRIVERS_VIRTQ_HOT_H

#include "drivers/virtq.h"

/* ------------------------------------------------------------------ submitting */

/** The id that the next prepared chain gets; virtq_put takes it. At least one must be free. */
static inline uint16_t virtq_take(const struct virtq *vq)
{
    return vq->free_ids[vq->n_free - 1];
}

/** 2.7.13 steps 2 to 4: the device may see the chain after the next kick. */
static inline void virtq_put_split(struct virtq *vq, uint16_t id)
{
    drv_le16_put(&vq->avail->ring[vq->n_put & vq->mask], id);
}

/** 2.8.20.1 for a chain of one indirect descriptor: the flags come last, for they publish. */
static inline void virtq_put_packed(struct virtq *vq, const struct virtq_slot *slot, uint16_t id,
                                    uint32_t n_entries)
{
    struct virtq_packed_desc *desc = &vq->ring[vq->avail_off_wrap & 0x7fffu];
    /* 2.8.1: AVAIL is the wrap counter, USED its inverse. */
    uint32_t wrap = vq->avail_off_wrap & 0x8000u;

    drv_le64_put(&desc->addr, (uintptr_t)slot->shared + vq->table_bus_delta);
    drv_le32_put(&desc->len, n_entries * (uint32_t)sizeof(struct virtq_desc));
    drv_le16_put(&desc->id.drv, id);
    drv_le16_publish(&desc->flags.drv,
                     (uint16_t)(VIRTQ_DESC_F_INDIRECT | wrap >> 8 | (wrap ^ 0x8000u)));
    vq->avail_off_wrap = virtq_off_wrap_add(vq->avail_off_wrap, 1, vq->size);
}

/** Puts the chain of a prepared slot, whose table has n_entries, and takes its id. */
static inline void virtq_put(struct virtq *vq, struct virtq_slot *slot, uint16_t id, void *token,
                             uint32_t n_entries)
{
    slot->token = token;
    vq->n_free--;
    if (vq->packed)
        virtq_put_packed(vq, slot, id, n_entries);
    else
        virtq_put_split(vq, id);
    vq->n_put++;
}

/**
 * 2.7.10.1, 2.7.7.2: whether the other side, which asked to be told at `event`, has to be told of
 * old -> new.
 */
static inline bool virtq_event_crossed(uint16_t event, uint16_t new_idx, uint16_t old_idx)
{
    return (uint16_t)(new_idx - event - 1) < (uint16_t)(new_idx - old_idx);
}

/**
 * The same for places in a packed ring, which repeat after two rounds (2.8.10). A place beyond the
 * ring is a lie and counts as crossed.
 */
static inline bool virtq_packed_event_crossed(uint16_t event, uint16_t new_place,
                                              uint16_t old_place, uint16_t size)
{
    uint32_t rounds = 2u * size;
    uint32_t at = (new_place & 0x7fffu) + (new_place & 0x8000u ? 0 : size);
    uint32_t old_at = (old_place & 0x7fffu) + (old_place & 0x8000u ? 0 : size);
    uint32_t event_at = (event & 0x7fffu) + (event & 0x8000u ? 0 : size);

    if ((event & 0x7fffu) >= size)
        return true;
    return (at + 2 * rounds - event_at - 1) % rounds < (at + rounds - old_at) % rounds;
}

/** Whether the device wants to be told of what was published since then. After a full barrier. */
static inline bool virtq_wants_kick_split(const struct virtq *vq, uint32_t old_count)
{
    if (!vq->event_idx)
        return (dev_le16_get(&vq->used->flags) & VIRTQ_USED_F_NO_NOTIFY) == 0;
    /* Between two kicks no more is put than the ring holds, so 16 bits tell the difference. */
    return virtq_event_crossed(dev_le16_get(vq->avail_event), (uint16_t)vq->n_published,
                               (uint16_t)old_count);
}

static inline bool virtq_wants_kick_packed(struct virtq *vq)
{
    uint32_t event = dev_le32_get(vq->device_event); /* both fields in one look */
    uint32_t flags = event >> 16 & 3u;
    uint16_t old_place = vq->kicked_off_wrap;

    vq->kicked_off_wrap = vq->avail_off_wrap;
    if (flags != VIRTQ_EVENT_FLAGS_DESC)
        return flags != VIRTQ_EVENT_FLAGS_DISABLE;
    return virtq_packed_event_crossed((uint16_t)event, vq->avail_off_wrap, old_place, vq->size);
}

static inline void virtq_ring_doorbell(const struct virtq *vq)
{
    if (VST_LIKELY(vq->doorbell.kind == VIRTIO_DOORBELL_MMIO16))
        mmio_le16_write(vq->doorbell.mmio, vq->index); /* 4.1.5.2 */
    else
        vst_virtq_ring_other(vq);
}

/**
 * 2.7.13 steps 5 to 7, 2.8.20: shows the device all chains put so far; true if the doorbell was
 * rung.
 */
static inline bool virtq_kick(struct virtq *vq)
{
    uint32_t old_count = vq->n_published;
    bool wanted;

    if (vq->n_put == old_count || vq->broken)
        return false;
    vq->n_published = vq->n_put;
    if (!vq->packed)
        drv_le16_publish(&vq->avail->idx, (uint16_t)vq->n_published);
    /* 2.7.13.4.1, 2.8.20.2: publish, then read what the device wants. */
    arch_full_barrier();
    wanted = vq->packed ? virtq_wants_kick_packed(vq) : virtq_wants_kick_split(vq, old_count);
    if (wanted)
        virtq_ring_doorbell(vq);
    return wanted;
}

/* ------------------------------------------------------------------ completing */

/** Whether the packed descriptor at the place has been used: both bits are as the wrap counter. (2.8.1) */
static inline bool virtq_packed_is_used(const struct virtq_packed_desc *desc, uint16_t off_wrap)
{
    uint16_t used = VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED;

    return (dev_le16_observe(&desc->flags.dev) & used) == (off_wrap & 0x8000u ? used : 0);
}

/** Whether the device has given anything back that we have not taken. One look at memory. */
static inline bool virtq_ready(const struct virtq *vq)
{
    if (vq->packed)
        return virtq_packed_is_used(&vq->ring[vq->used_off_wrap & 0x7fffu], vq->used_off_wrap);
    return dev_le16_get(&vq->used->idx) != (uint16_t)vq->n_used;
}

/**
 * Split: how many chains the device has given back and we have not taken; a lie breaks the queue
 * and counts as 0.
 */
static inline uint32_t virtq_n_used_split(struct virtq *vq)
{
    uint16_t n = (uint16_t)(dev_le16_observe(&vq->used->idx) - (uint16_t)vq->n_used);

    if (VST_UNLIKELY(n > vq->n_published - vq->n_used)) {
        vst_virtq_break(vq, "used index runs ahead of the requests in flight");
        return 0;
    }
    return n;
}

/**
 * The completing side of a queue for the length of one poll: copies that stores to shared and
 * private memory can't change in the compiler's eyes, so that they stay in registers.
 */
struct virtq_reader {
    struct virtq_slot *slots;
    uint16_t *free_ids;
    uint32_t n_used, n_free;
    uint16_t size;
    /* split */
    const struct virtq_used_elem *used_ring;
    uint16_t mask;
    /* packed: the next used descriptor, and what its two bits are once it is used */
    const struct virtq_packed_desc *at, *ring_end;
    uint16_t used_bits;
    bool indirect;
};

#define VIRTQ_USED_BITS (VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED)

static inline struct virtq_reader virtq_read_begin(const struct virtq *vq, bool packed)
{
    struct virtq_reader reader = {
        .slots = vq->slots,
        .free_ids = vq->free_ids,
        .n_used = vq->n_used,
        .n_free = vq->n_free,
        .size = vq->size,
    };

    if (packed) {
        reader.at = &vq->ring[vq->used_off_wrap & 0x7fffu];
        reader.ring_end = vq->ring + vq->size;
        reader.used_bits = (vq->used_off_wrap & 0x8000u) != 0 ? VIRTQ_USED_BITS : 0;
        reader.indirect = vq->indirect;
    } else {
        reader.used_ring = vq->used->ring;
        reader.mask = vq->mask;
    }
    return reader;
}

static inline void virtq_read_end(const struct virtq_reader *reader, bool packed, struct virtq *vq)
{
    vq->n_used = reader->n_used;
    vq->n_free = reader->n_free;
    if (packed) /* back into the one word */
        vq->used_off_wrap =
            (uint16_t)((uint16_t)(reader->at - vq->ring) | (reader->used_bits & 0x8000u));
}

/** Past a chain of n descriptors: round the end the other wrap counter holds. (2.8.1) */
static inline void virtq_read_advance(struct virtq_reader *reader, uint32_t n)
{
    reader->at += n;
    if (reader->at >= reader->ring_end) {
        reader->at -= reader->size;
        reader->used_bits ^= VIRTQ_USED_BITS;
    }
}

/** What virtq_read_next stores as the id where there is nothing more to take. */
#define VIRTQ_NOTHING UINT32_MAX

/**
 * Stores the id that the device gives back next; returns its slot, or NULL if there is none
 * (VIRTQ_NOTHING) or the id names no chain in flight (nothing is taken then; see
 * vst_virtq_break_by_id). Split: only after virtq_n_used_split said that there is one. The caller
 * clears the token and releases the id. Not with IN_ORDER.
 */
static inline struct virtq_slot *virtq_read_next(struct virtq_reader *reader, bool packed,
                                                 uint32_t *id)
{
    if (packed) {
        *id = VIRTQ_NOTHING;
        if ((dev_le16_observe(&reader->at->flags.dev) & VIRTQ_USED_BITS) != reader->used_bits)
            return NULL;
        *id = dev_le16_get(&reader->at->id.dev); /* only after the flags (DPDK 4b058fdd) */
    } else {
        *id = dev_le32_get(&reader->used_ring[reader->n_used & reader->mask].id);
    }
    if (VST_UNLIKELY(*id >= reader->size || reader->slots[*id].token == NULL))
        return NULL;
    struct virtq_slot *slot = &reader->slots[*id];
    if (packed) /* the chain's length is our own knowledge */
        virtq_read_advance(reader, VST_LIKELY(reader->indirect) ? 1 : slot->n_pieces + 2u);
    reader->n_used++;
    return slot;
}

/** The id of an indirect chain is free again. */
static inline void virtq_read_release(struct virtq_reader *reader, uint32_t id)
{
    reader->free_ids[reader->n_free++] = (uint16_t)id;
}

/**
 * Polling: keeps the device from interrupting, unless armed. Split with EVENT_IDX that means moving used_event
 * out of reach now and then, since it comes round every 65536 completions (2.7.7.2); the other
 * queues have said once and for all that they want none.
 */
static inline void virtq_rearm_polling(struct virtq *vq)
{
    if (vq->moves_used_event)
        drv_le16_put(vq->used_event, (uint16_t)(vq->n_used - 1u));
}

#endif
