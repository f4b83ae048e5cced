/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of a virtqueue that runs for every request, all of it inline, none of it with an
 * indirect call or a lock: a queue belongs to one CPU. Split or packed is one branch per request,
 * always the same way.
 *
 * The call path: virtq_take, fill the slot, virtq_put (any number), virtq_publish; then
 * virtq_read_begin, virtq_read_next and virtq_read_release (any number), virtq_read_end.
 */
#ifndef VSTOR_DRIVERS_VIRTQ_HOT_H
#define VSTOR_DRIVERS_VIRTQ_HOT_H

#include "drivers/virtq.h"

/* ------------------------------------------------------------------ submitting */

/** The slot that the next prepared chain gets; virtq_put takes it. At least one must be free. */
static inline struct virtq_slot *virtq_take(const struct virtq *vq)
{
    return vq->free[(size_t)vq->n_free - 1];
}

/** 2.7.13 steps 2 to 4: the device may see the chain after the next kick. */
static inline void virtq_put_split(struct virtq *vq, const struct virtq_slot *slot)
{
    drv_le16_put(&vq->avail_ring[vq->n_put & vq->mask], slot->id);
}

/**
 * 2.8.20.1 for a chain of one indirect descriptor: its second half, with the flags, comes last, for
 * it publishes. 2.8.1: AVAIL is the wrap counter, USED its inverse.
 */
static inline void virtq_put_packed(struct virtq *vq, const struct virtq_slot *slot)
{
    struct virtq_place place = vq->avail_place;

    drv_le64_put(&place.desc->addr, slot->table_bus_addr);
    drv_le64_publish(&place.desc->rest.drv, slot->packed_rest ^ place.wrap);
    vq->avail_place.desc = place.desc + 1;
    if (VST_UNLIKELY(place.desc + 1 == vq->ring_end))
        virtq_place_turn(vq, &vq->avail_place);
}

/** What a slot's packed descriptor holds for a table of n_entries. */
static inline uint64_t virtq_packed_rest_indirect(const struct virtq_slot *slot, uint32_t n_entries)
{
    return virtq_packed_rest(n_entries * (uint32_t)sizeof(struct virtq_desc), slot->id,
                             VIRTQ_DESC_F_INDIRECT | VIRTQ_DESC_F_USED);
}

/** Puts the chain of the prepared slot that virtq_take has given, and takes it. */
static inline void virtq_put(struct virtq *vq, struct virtq_slot *slot, void *token)
{
    slot->token = token;
    vq->n_free--;
    if (vq->packed)
        virtq_put_packed(vq, slot);
    else
        virtq_put_split(vq, slot);
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
 * The same for places in a packed ring, which repeat after two rounds (2.8.10): n descriptors have
 * been shown, up to `place`. An event beyond the ring is a lie and counts as crossed.
 */
static inline bool virtq_packed_event_crossed(uint16_t event, uint16_t place, uint32_t n,
                                              uint16_t size)
{
    uint32_t event_at = event & 0x7fffu;
    uint32_t behind = (place & 0x7fffu) - event_at - 1;

    if ((place ^ event) & 0x8000u) /* it lies in the round before */
        behind += size;
    return behind < n || event_at >= size;
}

/**
 * Whether the device wants to be told of what was published since there were old_count. After a full
 * barrier.
 */
static inline bool virtq_wants_kick_split(const struct virtq *vq, uint32_t new_count,
                                          uint32_t old_count)
{
    if (!vq->event_idx)
        return (dev_le16_get(&vq->used->flags) & VIRTQ_USED_F_NO_NOTIFY) == 0;
    /* Between two kicks no more is put than the ring holds, so 16 bits tell the difference. */
    return virtq_event_crossed(dev_le16_get(vq->avail_event), (uint16_t)new_count,
                               (uint16_t)old_count);
}

static inline bool virtq_wants_kick_packed(struct virtq *vq, uint32_t new_count, uint32_t old_count)
{
    uint32_t event = dev_le32_get(vq->device_event); /* both fields in one look */
    uint32_t flags = event >> 16 & 3u;
    uint32_t n = new_count - old_count + vq->n_extra;

    vq->n_extra = 0;
    if (VST_UNLIKELY(flags != VIRTQ_EVENT_FLAGS_DESC))
        return flags != VIRTQ_EVENT_FLAGS_DISABLE;
    return virtq_packed_event_crossed((uint16_t)event, virtq_off_wrap(vq, &vq->avail_place), n,
                                      vq->size);
}

static inline void virtq_ring_doorbell(const struct virtq *vq)
{
    if (VST_LIKELY(vq->doorbell.kind == VIRTIO_DOORBELL_MMIO16))
        mmio_le16_write(vq->doorbell.mmio, vq->index); /* 4.1.5.2 */
    else
        vst_virtq_ring_other(vq);
}

/**
 * 2.7.13 steps 5 and 6, 2.8.20: shows the device all chains put so far; true if the doorbell is to be
 * rung.
 */
static inline bool virtq_publish(struct virtq *vq)
{
    uint32_t old_count = vq->n_published, new_count = vq->n_put;

    if (new_count == old_count || VST_UNLIKELY(vq->broken))
        return false;
    vq->n_published = new_count;
    /* 2.7.13.4.1, 2.8.20.2: publish, then read what the device wants. */
    if (vq->packed) {
        arch_full_barrier();
        return virtq_wants_kick_packed(vq, new_count, old_count);
    }
    drv_le16_publish(&vq->avail->idx, (uint16_t)new_count);
    arch_full_barrier();
    return virtq_wants_kick_split(vq, new_count, old_count);
}

/* ------------------------------------------------------------------ completing */

/** Both bits of a used descriptor are as the wrap counter; where they stand in dev.id_flags. (2.8.1) */
static inline uint32_t virtq_used_bits(uint64_t wrap)
{
    return (uint32_t)(wrap >> 32);
}
#define VIRTQ_USED_BITS ((uint32_t)(VIRTQ_WRAP >> 32))

/** Whether the descriptor at the place has been used. One look at memory. */
static inline bool virtq_place_is_used(const struct virtq_place *place)
{
    uint32_t id_flags = dev_le32_observe(&place->desc->rest.dev.id_flags);

    return ((id_flags ^ virtq_used_bits(place->wrap)) & VIRTQ_USED_BITS) == 0;
}

/** Whether the device has given anything back that we have not taken. One look at memory. */
static inline bool virtq_ready(const struct virtq *vq)
{
    if (vq->packed)
        return virtq_place_is_used(&vq->used_place);
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
 * The completing side of a queue while chains are taken: copies that stores to shared and private
 * memory can't change in the compiler's eyes, so that they stay in registers.
 */
struct virtq_reader {
    struct virtq_slot *slots;
    size_t slots_bytes;
    struct virtq_slot **free; /**< where the next slot taken back goes */
    /* split */
    const struct virtq_used_elem *used_ring;
    uint32_t n_used, mask;
    /* packed: the next used descriptor, and what its two bits are once it is used */
    struct virtq_packed_desc *at;
    uint32_t used_bits;
};

static inline struct virtq_reader virtq_read_begin(const struct virtq *vq, bool packed)
{
    struct virtq_reader reader = {
        .slots = vq->slots,
        .slots_bytes = vq->slots_bytes,
        .free = vq->free + vq->n_free,
    };

    if (packed) {
        reader.at = vq->used_place.desc;
        reader.used_bits = virtq_used_bits(vq->used_place.wrap);
    } else {
        reader.used_ring = vq->used->ring;
        reader.n_used = vq->n_used;
        reader.mask = vq->mask;
    }
    return reader;
}

/** The n chains that were taken are so for good. */
static inline void virtq_read_end(const struct virtq_reader *reader, bool packed, struct virtq *vq,
                                  uint32_t n)
{
    vq->n_used += n;
    vq->n_free += n;
    if (packed)
        vq->used_place = (struct virtq_place){reader->at, (uint64_t)reader->used_bits << 32};
}

/** What virtq_read_next stores where there is nothing more to take. */
#define VIRTQ_NOTHING SIZE_MAX

/** The id that it stored else: as the slot's offset, which is compared and added as it is. */
static inline uint32_t virtq_id_at(size_t offset)
{
    return (uint32_t)(offset / sizeof(struct virtq_slot));
}

/**
 * The slot of the id that the device gives back next, or NULL if there is none (*offset is
 * VIRTQ_NOTHING) or the id names no chain in flight (see virtq_id_at). Split: only after
 * virtq_n_used_split said that there is one. Packed: id and flags in one look (one after the other,
 * the flags would have to come first: DPDK 4b058fdd). Not with IN_ORDER.
 */
static inline struct virtq_slot *virtq_read_next(const struct virtq_reader *reader, bool packed,
                                                 size_t *offset)
{
    uint32_t id;

    if (packed) {
        uint32_t id_flags = dev_le32_observe(&reader->at->rest.dev.id_flags) ^ reader->used_bits;
        *offset = VIRTQ_NOTHING;
        if ((id_flags & VIRTQ_USED_BITS) != 0)
            return NULL;
        id = (uint16_t)id_flags;
    } else {
        id = dev_le32_get(&reader->used_ring[reader->n_used & reader->mask].id);
    }
    *offset = (size_t)id * sizeof(struct virtq_slot);
    if (VST_UNLIKELY(*offset >= reader->slots_bytes))
        return NULL;
    struct virtq_slot *slot = (void *)((char *)reader->slots + *offset);
    return VST_LIKELY(slot->token != NULL) ? slot : NULL;
}

/** Takes back a chain of one descriptor, whose slot is free again. */
static inline void virtq_read_release(struct virtq_reader *reader, bool packed,
                                      const struct virtq *vq, struct virtq_slot *slot)
{
    slot->token = NULL;
    *reader->free++ = slot;
    if (!packed) {
        reader->n_used++;
    } else if (VST_UNLIKELY(++reader->at == vq->ring_end)) {
        reader->at = vq->ring;
        reader->used_bits ^= VIRTQ_USED_BITS;
    }
}

/**
 * Polling: keeps the device from interrupting, unless armed. Split with EVENT_IDX that means moving
 * used_event out of reach now and then, since it comes round every 65536 completions (2.7.7.2); the
 * other queues have said once and for all that they want none.
 */
static inline void virtq_rearm_polling(struct virtq *vq)
{
    if (vq->moves_used_event)
        drv_le16_put(vq->used_event, (uint16_t)(vq->n_used - 1u));
}

#endif
