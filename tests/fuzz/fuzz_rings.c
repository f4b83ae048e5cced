/* SPDX-License-Identifier: BSD-2-Clause */
/* Only walk_chain, next_available, put_used and fuzz_virtio_edit know the layout of a ring. */
#include <string.h>

#include "drivers/virtio_spec.h"
#include "tests/fuzz/fuzz_virtio.h"

uint64_t fuzz_virtio_peek(struct fuzz_virtio *device, uint64_t bus_addr, unsigned bytes)
{
    uint64_t value = 0;

    memcpy(&value, fuzz_platform_shared(device->fp, bus_addr, bytes), bytes);
    return value;
}

void fuzz_virtio_poke(struct fuzz_virtio *device, uint64_t bus_addr, uint64_t value, unsigned bytes)
{
    memcpy(fuzz_platform_shared(device->fp, bus_addr, bytes), &value, bytes);
}

static bool has(const struct fuzz_virtio *device, unsigned bit)
{
    return (device->features & VIRTIO_BIT(bit)) != 0;
}

static bool is_packed(const struct fuzz_virtio *device)
{
    return has(device, VIRTIO_F_RING_PACKED);
}

static bool is_live(const struct fuzz_virtio *device, const struct fuzz_queue *q)
{
    return q->enabled && (device->status & VIRTIO_STATUS_DRIVER_OK) != 0 &&
           device->fp->device_reaches_memory;
}

/** From here on nothing that the driver does with this queue can be held against it. */
static void scribbled(struct fuzz_virtio *device, struct fuzz_queue *q)
{
    q->scribbled = true;
    device->dishonest = true;
}

void fuzz_queue_forget(struct fuzz_virtio *device, unsigned queue)
{
    struct fuzz_queue *q = &device->queues[queue];

    memset(q, 0, offsetof(struct fuzz_queue, held));
    q->n_held = 0;
    q->index = (uint16_t)queue;
    q->size = device->offered_queue_size;
    q->vector = 0xffff;
    q->avail_wrap = q->used_wrap = true;
}

/* ---------------------------------------------------------------- where it lies */

struct areas {
    size_t desc, driver, device;
};

static struct areas area_bytes(const struct fuzz_virtio *device, const struct fuzz_queue *q)
{
    size_t n = q->size;

    return is_packed(device) ? (struct areas){16 * n, 4, 4}
                             : (struct areas){16 * n, 6 + 2 * n, 6 + 8 * n};
}

bool fuzz_queue_is_sound(struct fuzz_virtio *device, const struct fuzz_queue *q)
{
    struct areas bytes = area_bytes(device, q);

    return fuzz_platform_shared(device->fp, q->desc, bytes.desc) != NULL &&
           fuzz_platform_shared(device->fp, q->driver_area, bytes.driver) != NULL &&
           fuzz_platform_shared(device->fp, q->device_area, bytes.device) != NULL &&
           q->desc % 16 == 0 && q->driver_area % (is_packed(device) ? 4 : 2) == 0 &&
           q->device_area % 4 == 0;
}

/* ---------------------------------------------------------------- chains */

struct descriptor {
    uint64_t addr;
    uint32_t bytes;
    uint16_t third, fourth; /* split: flags, next; packed: id, flags */
};

static struct descriptor descriptor_at(struct fuzz_virtio *device, uint64_t table, unsigned index)
{
    struct descriptor d;

    memcpy(&d, fuzz_platform_shared(device->fp, table + 16ull * index, sizeof(d)), sizeof(d));
    return d;
}

static void check_piece(struct fuzz_virtio *device, const struct fuzz_queue *q,
                        struct fuzz_chain *chain, const struct descriptor *d, bool writable)
{
    device->kind->note_piece(device, q, chain, d->addr, d->bytes, writable);
    if (q->scribbled || fuzz_platform_shared(device->fp, d->addr, d->bytes) != NULL)
        return;
    FUZZ_CHECK(device->may_carry == NULL ||
               device->may_carry(device->may_carry_ctx, d->addr, d->bytes, writable));
    if (chain->data_addr == 0)
        chain->data_addr = d->addr;
}

/** An indirect table, or the ring itself. */
struct table {
    uint64_t at;
    unsigned size;
    bool top;
};

/** 2.7.5.3: wholly in shared memory, with an entry for each piece that there has to be. */
static bool find_table(struct fuzz_virtio *device, const struct fuzz_queue *q,
                       const struct descriptor *d, struct table *table)
{
    bool there = fuzz_platform_shared(device->fp, d->addr, d->bytes) != NULL;
    uint32_t least = q->index == device->kind->single_queue ? 16 : 32;

    FUZZ_CHECK(q->scribbled || (there && d->bytes % 16 == 0 && d->bytes >= least));
    *table = (struct table){d->addr, d->bytes / 16, false};
    return there && d->bytes >= 16;
}

/**
 * Follows a chain from its first descriptor, as 2.7.5 and 2.8.5 lay it out. Only with memory that
 * nobody scribbled on does it have to be right.
 */
static void walk_chain(struct fuzz_virtio *device, struct fuzz_queue *q, struct table table,
                       unsigned at, struct fuzz_chain *chain)
{
    bool packed = is_packed(device), seen_writable = false, more = true;
    unsigned n = 0;

    while (more) {
        FUZZ_CHECK(q->scribbled || (at < table.size && n < table.size));
        if (at >= table.size || n++ >= table.size)
            return;
        struct descriptor d = descriptor_at(device, table.at, at);
        uint16_t flags = packed ? d.fourth : d.third;
        if (table.top) {
            chain->n_descriptors++;
            if (packed)
                chain->id = d.third;
        }
        if (table.top && (flags & VIRTQ_DESC_F_INDIRECT) != 0) {
            struct table indirect;
            if (find_table(device, q, &d, &indirect))
                walk_chain(device, q, indirect, 0, chain);
            return;
        }
        bool writable = (flags & VIRTQ_DESC_F_WRITE) != 0;
        FUZZ_CHECK(q->scribbled || writable || !seen_writable);
        seen_writable |= writable;
        check_piece(device, q, chain, &d, writable);
        /* 2.8.7: within an indirect table of a packed ring there is no NEXT, only its length. */
        more = packed && !table.top ? at + 1 < table.size : (flags & VIRTQ_DESC_F_NEXT) != 0;
        at = packed ? (at + 1) % table.size : d.fourth;
    }
    FUZZ_CHECK(q->scribbled || chain->status_addr != 0);
}

static bool next_packed(struct fuzz_virtio *device, struct fuzz_queue *q, struct table ring,
                        struct fuzz_chain *chain)
{
    uint16_t flags = (uint16_t)fuzz_virtio_peek(device, q->desc + 16ull * q->avail_at + 14, 2);

    if ((flags >> 7 & 1) != q->avail_wrap || (flags >> 15 & 1) == q->avail_wrap)
        return false;
    walk_chain(device, q, ring, q->avail_at, chain);
    unsigned next = q->avail_at + chain->n_descriptors;
    q->avail_wrap ^= next >= q->size;
    q->avail_at = (uint16_t)(next % q->size);
    return true;
}

static bool next_available(struct fuzz_virtio *device, struct fuzz_queue *q,
                           struct fuzz_chain *chain)
{
    struct table ring = {q->desc, q->size, true};

    *chain = (struct fuzz_chain){0};
    if (is_packed(device))
        return next_packed(device, q, ring, chain);
    uint16_t ahead =
        (uint16_t)((uint16_t)fuzz_virtio_peek(device, q->driver_area + 2, 2) - q->avail_at);
    FUZZ_CHECK(q->scribbled || ahead <= q->size);
    if (ahead == 0)
        return false;
    chain->id =
        (uint16_t)fuzz_virtio_peek(device, q->driver_area + 4 + 2ull * (q->avail_at % q->size), 2);
    q->avail_at++;
    walk_chain(device, q, ring, chain->id, chain);
    return true;
}

/** What the device already has must not be given to it once more. */
static void check_new(const struct fuzz_queue *q, const struct fuzz_chain *chain)
{
    for (unsigned i = 0; i < q->n_held && !q->scribbled; i++) {
        FUZZ_CHECK(q->held[i].id != chain->id);
        FUZZ_CHECK(q->held[i].status_addr != chain->status_addr);
        FUZZ_CHECK(chain->data_addr == 0 || q->held[i].data_addr != chain->data_addr);
    }
}

void fuzz_virtio_take(struct fuzz_virtio *device, unsigned queue, unsigned max)
{
    struct fuzz_queue *q = &device->queues[queue];

    if (!is_live(device, q))
        return;
    FUZZ_CHECK(fuzz_queue_is_sound(device, q));
    while (max-- > 0 && q->n_held < FUZZ_MAX_HELD &&
           next_available(device, q, &q->held[q->n_held])) {
        check_new(q, &q->held[q->n_held]);
        q->n_held++;
    }
    if (!is_packed(device))
        fuzz_virtio_poke(device, q->device_area + 4 + 8ull * q->size, q->avail_at, 2);
}

bool fuzz_virtio_holds(const struct fuzz_virtio *device, uint64_t first, uint64_t bytes)
{
    for (unsigned i = 0; i < device->n_queues; i++) {
        const struct fuzz_queue *q = &device->queues[i];
        for (unsigned n = 0; n < q->n_held && is_live(device, q); n++)
            if (q->held[n].data_addr != 0 && q->held[n].data_addr - first < bytes)
                return true;
    }
    return false;
}

/* ---------------------------------------------------------------- answers */

/** One used entry with the id of `chain`; with IN_ORDER it stands for `n_chains` that end with it. */
static void put_used(struct fuzz_virtio *device, struct fuzz_queue *q,
                     const struct fuzz_chain *chain, unsigned n_chains, unsigned n_descriptors)
{
    if (is_packed(device)) {
        uint64_t at = q->desc + 16ull * q->used_at;
        fuzz_virtio_poke(device, at + 8, 1, 4);
        fuzz_virtio_poke(device, at + 12, chain->id, 2);
        fuzz_virtio_poke(device, at + 14, q->used_wrap ? 0x8080 : 0, 2);
        unsigned next = q->used_at + n_descriptors;
        q->used_wrap ^= next >= q->size;
        q->used_at = (uint16_t)(next % q->size);
        return;
    }
    uint64_t at = q->device_area + 4 + 8ull * (q->used_at % q->size);
    fuzz_virtio_poke(device, at, chain->id, 4);
    fuzz_virtio_poke(device, at + 4, 1, 4);
    q->used_at = (uint16_t)(q->used_at + n_chains);
    fuzz_virtio_poke(device, q->device_area + 2, q->used_at, 2);
}

/** Answers the chains first to last by one used entry. */
static void answer_run(struct fuzz_virtio *device, struct fuzz_queue *q, unsigned first,
                       unsigned last, uint8_t status)
{
    struct fuzz_chain chain = q->held[last];
    unsigned n_descriptors = 0, n = last + 1 - first;

    for (unsigned i = first; i <= last; i++) {
        device->kind->write_answer(device, q, &q->held[i], status);
        n_descriptors += q->held[i].n_descriptors;
    }
    q->n_held -= n;
    memmove(&q->held[first], &q->held[first + n], (q->n_held - first) * sizeof(q->held[0]));
    put_used(device, q, &chain, n, n_descriptors);
    device->interrupts |= 1;
}

/* 2.7.9, 2.8.9: with IN_ORDER nobody overtakes; all chains up to the one meant are answered, by one
 * used entry. A device that names a later one keeps nothing of those before: their descriptors are
 * the driver's again. */
void fuzz_virtio_answer(struct fuzz_virtio *device, unsigned queue, unsigned which, uint8_t status)
{
    struct fuzz_queue *q = &device->queues[queue];

    if (!is_live(device, q) || q->n_held == 0)
        return;
    FUZZ_CHECK(fuzz_queue_is_sound(device, q));
    which %= q->n_held;
    answer_run(device, q, has(device, VIRTIO_F_IN_ORDER) ? 0 : which, which, status);
}

void fuzz_virtio_overtake(struct fuzz_virtio *device, unsigned queue, unsigned which,
                          uint8_t status)
{
    struct fuzz_queue *q = &device->queues[queue];

    if (!is_live(device, q) || q->n_held == 0)
        return;
    FUZZ_CHECK(fuzz_queue_is_sound(device, q));
    which %= q->n_held;
    if (has(device, VIRTIO_F_IN_ORDER) && which > 0)
        scribbled(device, q);
    answer_run(device, q, which, which, status);
}

/* ---------------------------------------------------------------- lies */

/** How far the device has come: relative to the truth, so that it is often nearly true. */
static void edit_progress(struct fuzz_virtio *device, struct fuzz_queue *q, int8_t by)
{
    q->used_at = (uint16_t)(q->used_at + by);
    if (is_packed(device))
        q->used_at = (uint16_t)(q->used_at % q->size);
    else
        fuzz_virtio_poke(device, q->device_area + 2, q->used_at, 2);
}

void fuzz_virtio_edit(struct fuzz_virtio *device, unsigned queue)
{
    struct fuzz_queue *q = &device->queues[queue];
    uint8_t what = fuzz_u8(device->input), field = what & 7;
    uint16_t value = fuzz_u16(device->input), n = q->size;
    bool packed = is_packed(device);

    if (!is_live(device, q))
        return;
    FUZZ_CHECK(fuzz_queue_is_sound(device, q));
    uint64_t elements = packed ? q->desc : q->device_area + 4;
    uint64_t element = elements + (packed ? 16u : 8u) * (uint64_t)((what >> 3) % n);
    switch (field) {
    case 0:
        edit_progress(device, q, (int8_t)value);
        break;
    case 1:
        fuzz_virtio_poke(device, packed ? element + 14 : q->device_area + 2, value, 2);
        break;
    case 2:
        fuzz_virtio_poke(device, packed ? element + 12 : element, value & 0xff, packed ? 2 : 4);
        break;
    case 3:
        fuzz_virtio_poke(device, element + (packed ? 8 : 4), (uint64_t)value << (what >> 3), 4);
        break;
    case 4: /* when it wants to be told */
        fuzz_virtio_poke(device, packed ? q->device_area : q->device_area + 4 + 8ull * n, value, 2);
        break;
    case 5:
        fuzz_virtio_poke(device, packed ? q->device_area + 2 : q->device_area, value, 2);
        break;
    default:
        fuzz_virtio_poke(device, packed ? element + 12 : element, value | (uint32_t)what << 24, 4);
    }
    /* Who says to be done with a chain that he has not taken yet finds it changed when he does. */
    if (field != 4 && field != 5)
        scribbled(device, q);
}

void fuzz_virtio_scribble(struct fuzz_virtio *device)
{
    struct fuzz_platform *fp = device->fp;
    uint8_t which = fuzz_u8(device->input), n_bytes = (uint8_t)(fuzz_u8(device->input) % 16 + 1);
    uint16_t at = fuzz_u16(device->input);
    uint64_t low = fuzz_bytes(device->input, n_bytes > 8 ? 8 : n_bytes);

    if (!fp->device_reaches_memory || fp->n_memory == 0)
        return;
    struct fuzz_memory *memory = &fp->memory[which % fp->n_memory];
    if (memory->kind != VST_MEMORY_SHARED)
        return;
    for (unsigned i = 0; i < FUZZ_MAX_QUEUES; i++)
        scribbled(device, &device->queues[i]);
    for (unsigned i = 0; i < n_bytes; i++)
        memory->at[(at + i) % memory->bytes] = (char)(low >> (8 * (i % 8)));
}

static bool overlaps(uint64_t address, size_t bytes, uint64_t area, size_t area_bytes)
{
    return address < area + area_bytes && area < address + bytes;
}

void fuzz_virtio_before_load(uintptr_t address, size_t bytes)
{
    struct fuzz_virtio *device = fuzz_virtio_current();

    if (device == NULL || !device->fp->device_reaches_memory)
        return;
    const struct fuzz_memory *memory = fuzz_platform_memory(device->fp, address, bytes);
    if (memory == NULL)
        return;
    uint64_t bus_addr = memory->bus_addr + (address - (uintptr_t)memory->at);
    for (unsigned i = 0; i < device->n_queues; i++) {
        const struct fuzz_queue *q = &device->queues[i];
        struct areas area = area_bytes(device, q);
        /* What the driver wrote it knows: it must not be read back. */
        FUZZ_CHECK(is_packed(device) || !overlaps(bus_addr, bytes, q->desc, area.desc));
        FUZZ_CHECK(!overlaps(bus_addr, bytes, q->driver_area, area.driver));
    }
    if (!device->races || fuzz_u8(device->input) < 0xe0)
        return;
    uint64_t value = fuzz_bytes(device->input, (unsigned)bytes);
    memcpy((void *)address, &value, bytes > 8 ? 8 : bytes);
    for (unsigned i = 0; i < FUZZ_MAX_QUEUES; i++)
        scribbled(device, &device->queues[i]);
}

/* ---------------------------------------------------------------- doorbells */

/* 4.1.5.2, 2.9: the queue; with NOTIFICATION_DATA also where the next chain will stand. */
void fuzz_queue_check_doorbell(struct fuzz_virtio *device, uint32_t value, uint8_t width)
{
    bool data = has(device, VIRTIO_F_NOTIFICATION_DATA);
    unsigned queue = value & 0xffff, next = value >> 16;

    if (fuzz_virtio_misleads(device))
        return;
    /* 3.1.1: not before DRIVER_OK, so never after a reset; but another queue's caller may not know
     * of that yet. */
    FUZZ_CHECK((device->status & VIRTIO_STATUS_DRIVER_OK) != 0 || device->n_queues > 1);
    if ((device->status & VIRTIO_STATUS_DRIVER_OK) == 0)
        return;
    FUZZ_CHECK(queue < device->n_queues || device->lies);
    FUZZ_CHECK(data ? width == 4 : next == 0);
    if (queue >= device->n_queues || !data || device->queues[queue].scribbled ||
        !is_live(device, &device->queues[queue]))
        return;
    struct fuzz_queue *q = &device->queues[queue];
    if (!is_packed(device)) {
        FUZZ_CHECK(next == fuzz_virtio_peek(device, q->driver_area + 2, 2));
        return;
    }
    unsigned wrap = next >> 15, offset = next & 0x7fff;
    FUZZ_CHECK(offset < q->size);
    uint16_t flags = (uint16_t)fuzz_virtio_peek(device, q->desc + 16ull * offset + 14, 2);
    FUZZ_CHECK((flags >> 7 & 1u) != wrap || (flags >> 15 & 1u) == wrap);
}
