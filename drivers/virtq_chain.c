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
        .id = vq->in_order ? vq->order_at : virtq_take(vq),
        .n = n,
    };
    chain->at = vq->packed ? vq->avail_off_wrap : chain->id;
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
        next = vq->free_ids[vq->n_free - 2 - chain->n_added];
    drv_le64_put(&desc->addr, bus_addr);
    drv_le32_put(&desc->len, bytes);
    drv_le16_put(&desc->flags, (uint16_t)(write | (last ? 0 : VIRTQ_DESC_F_NEXT)));
    drv_le16_put(&desc->next, last ? 0 : next);
    vq->slots[chain->at].next = next;
    chain->at = next;
}

/** 2.8.6, 2.8.20.1: descriptors in ring order, the id in each; the first one's flags wait. */
static void add_packed_direct(struct virtq_chain *chain, uint64_t bus_addr, uint32_t bytes,
                              uint16_t write, bool last)
{
    struct virtq *vq = chain->vq;
    struct virtq_packed_desc *desc = &vq->ring[chain->at & 0x7fffu];
    uint16_t flags = (uint16_t)(write | (last ? 0 : VIRTQ_DESC_F_NEXT) |
                                (chain->at & 0x8000u ? VIRTQ_DESC_F_AVAIL : VIRTQ_DESC_F_USED));

    drv_le64_put(&desc->addr, bus_addr);
    drv_le32_put(&desc->len, bytes);
    drv_le16_put(&desc->id.drv, chain->id);
    if (chain->n_added == 0)
        chain->first_flags = flags;
    else
        drv_le16_put(&desc->flags.drv, flags);
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

    if (vq->indirect) {
        virtq_put_packed(vq, &vq->slots[chain->id], chain->id, chain->n);
        return;
    }
    drv_le16_publish(&vq->ring[vq->avail_off_wrap & 0x7fffu].flags.drv, chain->first_flags);
    vq->avail_off_wrap = chain->at;
}

static void put_split(struct virtq_chain *chain)
{
    struct virtq *vq = chain->vq;

    if (vq->indirect)
        drv_le32_put(&vq->desc[chain->id].len, chain->n * (uint32_t)sizeof(struct virtq_desc));
    virtq_put_split(vq, chain->id);
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
        vq->free_ids[vq->n_put % vq->size] = chain->id; /* here: the order of the chains */
        vq->order_at = (uint16_t)((vq->order_at + n_taken) % vq->size);
    } else {
        vq->n_free -= vq->packed ? 1 : n_taken;
    }
    vq->n_ring_free -= n_taken;
    vq->n_put++;
}

void vst_virtq_chain_release(struct virtq *vq, uint16_t id)
{
    uint32_t n = ring_entries(vq, vq->slots[id].n_pieces + 2u);

    vq->n_ring_free += n;
    if (vq->in_order)
        return;
    for (uint32_t left = vq->packed ? 1 : n; left > 0; left--) {
        vq->free_ids[vq->n_free++] = id;
        id = vq->slots[id].next;
    }
}

/* ------------------------------------------------------------------ IN_ORDER */

/** How many chains from the oldest on until the one with this id; 0 if it is not among them. */
static uint32_t count_until(const struct virtq *vq, uint32_t id)
{
    uint32_t n_in_flight = vq->n_published - vq->n_used;

    for (uint32_t n = 0; n < n_in_flight; n++)
        if (vq->free_ids[(vq->n_used + n) % vq->size] == id)
            return n + 1;
    return 0;
}

static bool read_used_id(struct virtq *vq, uint32_t *id)
{
    if (vq->packed) {
        const struct virtq_packed_desc *desc = &vq->ring[vq->used_off_wrap & 0x7fffu];
        if (!virtq_packed_is_used(desc, vq->used_off_wrap))
            return false;
        *id = dev_le16_get(&desc->id.dev);
        return true;
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
    uint16_t id = vq->free_ids[vq->n_used % vq->size];

    vq->n_used++;
    if (vq->packed)
        vq->used_off_wrap = virtq_off_wrap_add(
            vq->used_off_wrap, ring_entries(vq, vq->slots[id].n_pieces + 2u), vq->size);
    return id;
}
