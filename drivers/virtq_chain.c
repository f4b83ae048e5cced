/* SPDX-License-Identifier: BSD-2-Clause */
#include "drivers/virtq_chain.h"
#include "drivers/virtq_hot.h"

/** Descriptors of the ring that the chain takes. */
static uint32_t ring_entries(const struct virtq *vq, uint32_t n)
{
    return vq->indirect ? 1 : n;
}

/** A split direct chain takes its descriptors from the ids themselves; others from the ring. */
static bool takes_ids_only(const struct virtq *vq)
{
    return !vq->in_order && (vq->indirect || !vq->packed);
}

bool vst_virtq_chain_begin(struct virtq_chain *chain, struct virtq *vq, uint32_t n)
{
    uint32_t room = takes_ids_only(vq) ? vq->n_free : vq->n_ring_free;

    if (room < ring_entries(vq, n))
        return false;
    *chain = (struct virtq_chain){
        .vq = vq,
        .id = vq->in_order ? vq->order_at : virtq_take(vq)->id,
        .n = n,
    };
    chain->at = vq->packed ? virtq_off_wrap(vq, &vq->avail_place) : chain->id;
    return true;
}

static uint16_t next_in_ring(const struct virtq *vq, uint32_t at)
{
    return (uint16_t)(at + 1 == vq->size ? 0 : at + 1);
}

/** 2.7.5: the i-th descriptor of a split direct chain is the i-th free one, or the next in order. */
static void add_split_direct(struct virtq_chain *chain, uint64_t bus_addr, uint32_t bytes,
                             uint16_t write, bool last)
{
    struct virtq *vq = chain->vq;
    struct virtq_desc *desc = &vq->desc[chain->at];
    uint16_t next = 0;

    /* 2.7.5.2: with IN_ORDER `next` is the place behind, round the ring's end. */
    if (vq->in_order)
        next = next_in_ring(vq, chain->at);
    else if (!last)
        next = vq->free[vq->n_free - 2 - chain->n_added]->id;
    drv_le64_put(&desc->addr, bus_addr);
    drv_le32_put(&desc->len, bytes);
    drv_le16_put(&desc->flags, (uint16_t)(write | (last ? 0 : VIRTQ_DESC_F_NEXT)));
    drv_le16_put(&desc->next, last ? 0 : next);
    vq->slots[chain->at].next = next;
    chain->at = next;
}

/** 2.8.6, 2.8.20.1: descriptors in ring order, the id in each; the first one's second half waits. */
static void add_packed_direct(struct virtq_chain *chain, uint64_t bus_addr, uint32_t bytes,
                              uint16_t write, bool last)
{
    struct virtq *vq = chain->vq;
    struct virtq_packed_desc *desc = &vq->ring[chain->at & 0x7fffu];
    uint16_t flags = (uint16_t)(write | (last ? 0 : VIRTQ_DESC_F_NEXT) |
                                (chain->at & 0x8000u ? VIRTQ_DESC_F_AVAIL : VIRTQ_DESC_F_USED));
    uint64_t rest = virtq_packed_rest(bytes, chain->id, flags);

    drv_le64_put(&desc->addr, bus_addr);
    if (chain->n_added == 0)
        chain->first_rest = rest;
    else
        drv_le64_put(&desc->rest.drv, rest);
    chain->at = virtq_off_wrap_add(chain->at, 1, vq->size);
}

void vst_virtq_chain_add(struct virtq_chain *chain, uint64_t bus_addr, uint32_t bytes,
                         bool device_writes)
{
    struct virtq *vq = chain->vq;
    bool last = chain->n_added + 1 == chain->n;
    uint16_t write = device_writes ? VIRTQ_DESC_F_WRITE : 0;

    if (vq->indirect) {
        char *table = (char *)vq->slots[chain->id].shared + vq->header_bytes;
        virtq_table_put(vq, (struct virtq_desc *)(void *)table + chain->n_added, bus_addr, bytes,
                        device_writes, last ? 0 : (uint16_t)(chain->n_added + 1));
    } else if (vq->packed) {
        add_packed_direct(chain, bus_addr, bytes, write, last);
    } else {
        add_split_direct(chain, bus_addr, bytes, write, last);
    }
    chain->n_added++;
}

static void put_packed(struct virtq_chain *chain)
{
    struct virtq *vq = chain->vq;
    struct virtq_slot *slot = &vq->slots[chain->id];

    if (vq->indirect) {
        slot->packed_rest = virtq_packed_rest_indirect(slot, chain->n);
        virtq_put_packed(vq, slot);
        return;
    }
    drv_le64_publish(&vq->avail_place.desc->rest.drv, chain->first_rest);
    vq->avail_place = virtq_place_of(vq, chain->at);
    vq->n_extra += chain->n - 1;
}

static void put_split(struct virtq_chain *chain)
{
    struct virtq *vq = chain->vq;

    if (vq->indirect)
        drv_le32_put(&vq->desc[chain->id].len, chain->n * (uint32_t)sizeof(struct virtq_desc));
    virtq_put_split(vq, &vq->slots[chain->id]);
}

void vst_virtq_chain_put(struct virtq_chain *chain, void *token)
{
    struct virtq *vq = chain->vq;
    uint32_t n_taken = ring_entries(vq, chain->n);

    vq->slots[chain->id].token = token;
    if (vq->packed)
        put_packed(chain);
    else
        put_split(chain);
    if (vq->in_order) {
        vq->free[vq->n_put % vq->size] = &vq->slots[chain->id]; /* here: the order of the chains */
        vq->order_at = (uint16_t)((vq->order_at + n_taken) % vq->size);
    } else {
        vq->n_free -= vq->packed ? 1 : n_taken;
    }
    vq->n_ring_free -= n_taken;
    vq->n_put++;
}

void vst_virtq_chain_release(struct virtq *vq, uint16_t id)
{
    uint32_t n = ring_entries(vq, (uint32_t)vq->slots[id].n_pieces + vq->n_frame);

    vq->n_ring_free += n;
    if (vq->in_order)
        return;
    for (uint32_t left = vq->packed ? 1 : n; left > 0; left--) {
        vq->free[vq->n_free++] = &vq->slots[id];
        id = vq->slots[id].next;
    }
}

/* ------------------------------------------------------------------ IN_ORDER */

/** How many chains from the oldest on until the one with this id; 0 if it is not among them. */
static uint32_t count_until(const struct virtq *vq, uint32_t id)
{
    uint32_t n_in_flight = vq->n_published - vq->n_used;

    for (uint32_t n = 0; n < n_in_flight; n++)
        if (vq->free[(vq->n_used + n) % vq->size]->id == id)
            return n + 1;
    return 0;
}

static bool read_used_id(struct virtq *vq, uint32_t *id)
{
    if (vq->packed) {
        struct virtq_reader reader = virtq_read_begin(vq, true);
        size_t offset;
        (void)virtq_read_next(&reader, true, &offset);
        *id = virtq_id_at(offset);
        return offset != VIRTQ_NOTHING;
    }
    if (virtq_n_used_split(vq) == 0)
        return false;
    *id = dev_le32_get(&vq->used->ring[vq->n_used & vq->mask].id);
    return true;
}

uint32_t vst_virtq_n_in_order(struct virtq *vq)
{
    uint32_t id;

    if (!read_used_id(vq, &id))
        return 0;
    uint32_t n = count_until(vq, id);
    if (n == 0)
        vst_virtq_break_by_id(vq, id);
    else if (!vq->packed && n > virtq_n_used_split(vq))
        vst_virtq_break(vq, "used index behind the requests that it names");
    return vq->broken ? 0 : n;
}

uint16_t vst_virtq_oldest(struct virtq *vq)
{
    uint16_t id = vq->free[vq->n_used % vq->size]->id;

    vq->n_used++;
    if (vq->packed)
        virtq_place_advance(vq, &vq->used_place, ring_entries(vq, (uint32_t)vq->slots[id].n_pieces + vq->n_frame));
    return id;
}
