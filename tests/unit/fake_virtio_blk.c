/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/fake_virtio_blk.h"

#include "tests/unit/fake_machine.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Structures in the BAR. */
enum {
    COMMON_AT = 0x0000,
    NOTIFY_AT = 0x1000,
    ISR_AT = 0x2000,
    DEVICE_AT = 0x3000,
    BLOCK_BYTES = 0x1000
};
enum { BAR_NUMBER = 4 };
#define BAR_PHYSICAL 0xc000004000ull /* above 4 GiB (ipxe#1760) */

#define FEATURE(n) (1ull << (n))

void fake_virtio_blk_misuse(struct fake_virtio_blk *blk, const char *what)
{
    if (!blk->saw_misuse)
        blk->misuse = what;
    blk->saw_misuse = true;
}

static void misuse(struct fake_virtio_blk *blk, const char *what)
{
    fake_virtio_blk_misuse(blk, what);
}

/* ---------------------------------------------------------------- guest memory, seen by the device
 */

static uint16_t get16(uint64_t at)
{
    uint16_t v;
    memcpy(&v, (void *)(uintptr_t)at, 2);
    return v;
}
static uint32_t get32(uint64_t at)
{
    uint32_t v;
    memcpy(&v, (void *)(uintptr_t)at, 4);
    return v;
}
static uint64_t get64(uint64_t at)
{
    uint64_t v;
    memcpy(&v, (void *)(uintptr_t)at, 8);
    return v;
}
static void put16(uint64_t at, uint16_t v)
{
    memcpy((void *)(uintptr_t)at, &v, 2);
}
static void put32(uint64_t at, uint32_t v)
{
    memcpy((void *)(uintptr_t)at, &v, 4);
}

/* ---------------------------------------------------------------- the device's work */

enum { MAX_PIECES = 1100, MAX_HELD = 32768 };

static bool has(const struct fake_virtio_blk *blk, unsigned bit)
{
    return (blk->driver_features & FEATURE(bit)) != 0;
}

static void check_reach(struct fake_virtio_blk *blk, uint64_t at, uint64_t bytes, bool writes)
{
    if (!fake_platform_device_may(blk->fake_platform, at, bytes, writes))
        misuse(blk, "memory that is not mapped for the device, or not in this direction");
}

/** Adds one descriptor to the pieces of a chain, and looks at the order of directions. */
static void add_piece(struct fake_virtio_blk *blk, struct fake_piece *pieces, unsigned n,
                      uint64_t d, bool writable)
{
    if (n > 0 && pieces[n - 1].writable && !writable)
        misuse(blk, "readable descriptor behind a writable one");
    pieces[n] = (struct fake_piece){get64(d), get32(d + 8), writable};
}

static unsigned collect_split(struct fake_blk_queue *q, uint64_t table, unsigned n_entries,
                              uint16_t at, struct fake_piece *pieces, bool in_indirect)
{
    struct fake_virtio_blk *blk = q->blk;
    for (unsigned n = 0;;) {
        if (at >= n_entries || n >= n_entries || n >= MAX_PIECES) {
            misuse(blk, "chain leaves its table or loops");
            return n;
        }
        uint64_t d = table + 16ull * at;
        uint16_t flags = get16(d + 12);
        if (flags & 4) {
            if (in_indirect || !has(blk, 28) || n != 0 || (flags & 1) || get32(d + 8) % 16 != 0) {
                misuse(blk, "indirect descriptor where none may be");
                return 0;
            }
            check_reach(blk, get64(d), get32(d + 8), false);
            return collect_split(q, get64(d), get32(d + 8) / 16, 0, pieces, true);
        }
        add_piece(blk, pieces, n++, d, (flags & 2) != 0);
        if (!(flags & 1))
            return n;
        uint16_t next = get16(d + 14);
        if (has(blk, 35) && next != (at + 1u == n_entries ? 0 : at + 1))
            misuse(blk, "IN_ORDER, and next is not the place behind");
        at = next;
    }
}

static unsigned collect_packed_table(struct fake_virtio_blk *blk, uint64_t d,
                                     struct fake_piece *pieces)
{
    unsigned n = get32(d + 8) / 16;
    uint64_t table = get64(d);

    if (!has(blk, 28) || get32(d + 8) % 16 != 0 || n > MAX_PIECES) {
        misuse(blk, "bad indirect descriptor in the packed ring");
        return 0;
    }
    check_reach(blk, table, 16ull * n, false);
    for (unsigned i = 0; i < n; i++) {
        uint16_t flags = get16(table + 16ull * i + 14);
        if (flags & ~2u)
            misuse(blk, "flags other than WRITE in a packed queue's table");
        add_piece(blk, pieces, i, table + 16ull * i, (flags & 2) != 0);
    }
    return n;
}

static bool packed_available(struct fake_blk_queue *q)
{
    uint16_t flags = get16(q->desc + 16ull * q->avail_at + 14);

    return ((flags & 0x80) != 0) == q->avail_wrap && ((flags & 0x8000) != 0) != q->avail_wrap;
}

static void packed_step(struct fake_blk_queue *q, uint16_t *at, bool *wrap, unsigned n)
{
    *at = (uint16_t)(*at + n);
    if (*at >= q->size) {
        *at = (uint16_t)(*at - q->size);
        *wrap = !*wrap;
    }
}

/** The chain at avail_at: its pieces, its id (that of the last descriptor), its length in the ring. */
static unsigned collect_packed(struct fake_blk_queue *q, struct fake_piece *pieces, uint16_t *id,
                               uint16_t *n_ring)
{
    struct fake_virtio_blk *blk = q->blk;
    for (unsigned n = 0;;) {
        uint64_t d = q->desc + 16ull * q->avail_at;
        uint16_t flags = get16(d + 14);
        if (!packed_available(q) || n >= q->size) {
            misuse(blk, "a descriptor of the chain is not available");
            return 0;
        }
        *id = get16(d + 12);
        *n_ring = (uint16_t)(n + 1);
        packed_step(q, &q->avail_at, &q->avail_wrap, 1);
        if (flags & 4) {
            if (n != 0 || (flags & 1))
                misuse(blk, "indirect and chained");
            return collect_packed_table(blk, d, pieces);
        }
        add_piece(blk, pieces, n++, d, (flags & 2) != 0);
        if (!(flags & 1))
            return n;
    }
}

static uint8_t transfer(struct fake_virtio_blk *blk, uint32_t type, uint64_t sector,
                        const struct fake_piece *data, unsigned n)
{
    uint64_t at = sector * 512, total = 0;

    for (unsigned i = 0; i < n; i++) {
        if (data[i].writable != (type != 1))
            misuse(blk, "data descriptor of the wrong direction");
        if (data[i].bytes > blk->max_segment_bytes)
            blk->max_segment_bytes = data[i].bytes;
        total += data[i].bytes;
    }
    if (total % 512 != 0 || at + total > blk->disk_sectors * 512)
        return 1;
    if (blk->fail_sector != UINT64_MAX && blk->fail_sector >= sector &&
        blk->fail_sector < sector + total / 512)
        return 1;
    if (blk->poison_sector >= sector && blk->poison_sector < sector + total / 512)
        blk->silenced = true;
    for (unsigned i = 0; i < n; i++) {
        if (type == 0)
            memcpy((void *)(uintptr_t)data[i].addr, blk->disk + at, data[i].bytes);
        else
            memcpy(blk->disk + at, (void *)(uintptr_t)data[i].addr, data[i].bytes);
        at += data[i].bytes;
    }
    return 0;
}

/** 5.2.6.2: ranges of sectors, which become zeroes. */
static uint8_t write_zeroes(struct fake_virtio_blk *blk, const struct fake_piece *ranges)
{
    for (uint32_t at = 0; at + 16 <= ranges->bytes; at += 16) {
        uint64_t sector = get64(ranges->addr + at), n = get32(ranges->addr + at + 8);
        if (sector + n > blk->disk_sectors)
            return 1;
        memset(blk->disk + sector * 512, 0, n * 512);
    }
    return ranges->bytes % 16 != 0;
}

static bool serve_more(struct fake_virtio_blk *blk, const struct fake_piece *pieces, unsigned n,
                       uint8_t *answer)
{
    const struct fake_request request = {
        .type = get32(pieces[0].addr),
        .sector = get64(pieces[0].addr + 8),
        .data = pieces + 1,
        .n_data = n - 2,
        .tail = pieces[n - 1].addr,
        .tail_bytes = pieces[n - 1].bytes,
    };

    for (struct fake_extension *e = blk->extensions; e != NULL; e = e->next)
        if (e->serve(e, blk, &request, answer))
            return true;
    return false;
}

static uint8_t serve(struct fake_virtio_blk *blk, const struct fake_piece *pieces, unsigned n)
{
    uint32_t type = get32(pieces[0].addr);
    uint64_t sector = get64(pieces[0].addr + 8);
    uint8_t answer;

    if (n - 2 > blk->max_data_segments)
        blk->max_data_segments = n - 2;
    if (serve_more(blk, pieces, n, &answer))
        return answer;
    switch (type) {
    case 0:
    case 1:
        return transfer(blk, type, sector, pieces + 1, n - 2);
    case 4:
        if (n != 2 || sector != 0)
            misuse(blk, "flush with data or sector");
        blk->n_flushes++;
        return !has(blk, 9) ? 2 : blk->fails_flushes;
    case 8:
        if (n != 3 || pieces[1].bytes != 20)
            misuse(blk, "GET_ID without 20 bytes");
        memcpy((void *)(uintptr_t)pieces[1].addr, blk->id, 20);
        return 0;
    case 10: /* lifetime, a little of it */
        if (n != 3 || !pieces[1].writable)
            misuse(blk, "GET_LIFETIME without room");
        memset((void *)(uintptr_t)pieces[1].addr, 0x5a, pieces[1].bytes);
        return has(blk, 15) ? 0 : 2;
    case 13:
        if (n != 3 || pieces[1].writable)
            misuse(blk, "WRITE_ZEROES without ranges");
        return has(blk, 14) ? write_zeroes(blk, &pieces[1]) : 2;
    default:
        return 2;
    }
}

static void put_used_split(struct fake_blk_queue *q, uint32_t id, uint32_t length,
                           unsigned n_chains)
{
    uint64_t elem = q->used + 4 + 8ull * (q->used_idx % q->size);

    put32(elem, id);
    put32(elem + 4, length);
    q->used_idx = (uint16_t)(q->used_idx + n_chains);
    put16(q->used + 2, q->used_idx);
}

static void put_used_packed(struct fake_blk_queue *q, uint32_t id, uint32_t length, unsigned n_ring)
{
    uint64_t d = q->desc + 16ull * q->used_at;
    uint16_t flags = q->used_wrap ? 0x8080 : 0;

    put16(d + 12, (uint16_t)id);
    put32(d + 8, length);
    put16(d + 14, flags);
    packed_step(q, &q->used_at, &q->used_wrap, n_ring);
    q->used_idx++;
}

/** 2.8.10: whether the places used since then hold the one that the driver named. */
static bool packed_event_reached(struct fake_blk_queue *q)
{
    uint16_t event = get16(q->avail), at = q->signalled_at;
    bool wrap = q->signalled_wrap, reached = false;

    while (at != q->used_at || wrap != q->used_wrap) {
        reached |= at == (event & 0x7fff) && wrap == ((event & 0x8000) != 0);
        packed_step(q, &at, &wrap, 1);
    }
    return reached;
}

static uint16_t command_of(const struct fake_virtio_blk *blk)
{
    return (uint16_t)(blk->pci_config[4] | blk->pci_config[5] << 8);
}

bool fake_virtio_blk_line(const struct fake_virtio_blk *blk)
{
    return blk->isr != 0 && (command_of(blk) & 0x400) == 0 && !fake_msix_enabled(&blk->msix);
}

/** 4.1.4.5.1: with MSI-X there are messages only, without it ISR status and the line. */
static void interrupt(struct fake_virtio_blk *blk, uint8_t isr_bit, uint16_t vector)
{
    bool was_up = fake_virtio_blk_line(blk);

    if (fake_msix_enabled(&blk->msix)) {
        fake_msix_raise(&blk->msix, vector);
        return;
    }
    blk->isr |= isr_bit;
    blk->n_line_rises += !was_up && fake_virtio_blk_line(blk);
}

void fake_virtio_blk_raise(struct fake_blk_queue *q)
{
    interrupt(q->blk, 1, q->vector);
}

void fake_virtio_blk_change_config(struct fake_virtio_blk *blk)
{
    blk->generation++;
    interrupt(blk, 2, blk->config_vector);
}

uint8_t fake_virtio_blk_read_isr(struct fake_virtio_blk *blk)
{
    uint8_t isr = blk->isr;

    blk->isr = 0;
    return isr;
}

/** Whether the driver asked for an interrupt (2.7.7.2, 2.7.10.1), in the reference's own words. */
static void maybe_interrupt(struct fake_blk_queue *q)
{
    struct fake_virtio_blk *blk = q->blk;
    bool wanted;

    if (has(blk, 34)) {
        uint16_t flags = get16(q->avail + 2);
        wanted = flags == 0 && q->signalled_used != q->used_idx;
        if (flags > 2 || (flags == 2 && !has(blk, 29)))
            misuse(blk, "driver event flags");
        wanted |= flags == 2 && packed_event_reached(q);
        q->signalled_at = q->used_at;
        q->signalled_wrap = q->used_wrap;
    } else if (has(blk, 29)) {
        uint16_t event = get16(q->avail + 4 + 2ull * q->size);
        wanted = false;
        for (uint16_t i = q->signalled_used; i != q->used_idx; i++)
            wanted |= i == event;
    } else {
        wanted = (get16(q->avail) & 1) == 0 && q->signalled_used != q->used_idx;
    }
    q->signalled_used = q->used_idx;
    blk->n_interrupts += wanted;
    q->n_interrupts += wanted;
    if (wanted || blk->interrupts_unasked)
        fake_virtio_blk_raise(q);
}

static bool batches(const struct fake_virtio_blk *blk)
{
    return blk->in_order_batches && has(blk, 35);
}

static void write_reply(const struct fake_held *held, enum fake_lie lie)
{
    uint8_t *to = (uint8_t *)(uintptr_t)held->status_address;

    if (lie == LIE_STATUS_NOT_WRITTEN)
        return;
    memcpy(to, held->reply, held->reply_bytes);
    if (lie == LIE_STATUS_UNKNOWN)
        to[held->status_at] = 77;
}

/** Answers one chain; the used entry is written unless a later one will speak for it (IN_ORDER). */
static void answer(struct fake_blk_queue *q, unsigned i, bool silent, unsigned n_chains,
                   unsigned n_ring)
{
    struct fake_virtio_blk *blk = q->blk;
    bool lies = blk->lie != LIE_NONE && blk->n_requests > blk->lie_after &&
                (blk->lie_queue < 0 || &blk->queues[blk->lie_queue] == q);
    uint16_t head = q->held[i].head;
    uint32_t id = head, length = q->held[i].length;

    if (blk->silenced || (lies && blk->lie == LIE_SILENCE))
        return;
    if (q->held[i].reply != NULL)
        write_reply(&q->held[i], lies ? blk->lie : LIE_NONE);
    else if (!(lies && blk->lie == LIE_STATUS_NOT_WRITTEN))
        *(uint8_t *)(uintptr_t)q->held[i].status_address =
            lies && blk->lie == LIE_STATUS_UNKNOWN ? 77 : q->held[i].answer;
    if (silent)
        return;
    if (lies && blk->lie == LIE_USED_ID_TOO_LARGE)
        id = q->size;
    if (lies && blk->lie == LIE_USED_ID_NOT_IN_FLIGHT)
        id = (head + q->size / 2u) % q->size;
    if (lies && blk->lie == LIE_USED_ID_NOT_A_HEAD)
        id = get16(q->desc + 16ull * head + 14);
    if (lies && blk->lie == LIE_USED_ID_TWICE)
        id = q->last_id;
    if (lies && blk->lie == LIE_USED_LENGTH_HUGE)
        length = UINT32_MAX;
    if (has(blk, 34))
        put_used_packed(q, id, length, n_ring);
    else
        put_used_split(q, id, length, n_chains);
    if (lies && blk->lie == LIE_USED_INDEX_JUMPS)
        put16(q->used + 2, (uint16_t)(q->used_idx + 5));
    q->last_id = head;
}

/** 1.3, 5.2.6: before the status byte of a zone append stands where it went. */
static uint32_t tail_bytes_of(const struct fake_virtio_blk *blk, uint32_t type)
{
    return type == 15 && has(blk, 17) ? 9 : 1;
}

/** From when the device takes a chain until it has answered, its memory must be there. */
static void check_pieces(struct fake_virtio_blk *blk, const struct fake_piece *pieces, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        check_reach(blk, pieces[i].addr, pieces[i].bytes, pieces[i].writable);
}

/** For let_go, where it matters. */
static void keep_pieces(struct fake_blk_queue *q, struct fake_held *held,
                        const struct fake_piece *pieces, unsigned n)
{
    held->n_pieces = q->blk->fake_platform->confined ? n : 0;
    held->first_piece = (unsigned)q->n_pieces;
    q->n_pieces += held->n_pieces;
    q->pieces = realloc(q->pieces, (q->n_pieces + 1) * sizeof(*pieces));
    assert(q->pieces != NULL);
    memcpy(q->pieces + held->first_piece, pieces, held->n_pieces * sizeof(*pieces));
}

static void let_go(struct fake_blk_queue *q)
{
    for (unsigned i = 0; i < q->n_held; i++)
        check_pieces(q->blk, q->pieces + q->held[i].first_piece, q->held[i].n_pieces);
    for (unsigned i = 0; i < q->n_held; i++)
        free(q->held[i].reply);
    q->n_held = 0;
    q->n_pieces = 0;
}

/** What any chain has to keep to, and a place to keep it. */
static struct fake_held *place_for(struct fake_blk_queue *q, uint16_t head, uint16_t n_ring,
                                   const struct fake_piece *pieces, unsigned n)
{
    struct fake_virtio_blk *blk = q->blk;
    uint32_t length = 0;

    check_pieces(blk, pieces, n);
    if (n > blk->max_chain_descriptors)
        blk->max_chain_descriptors = n;
    if (n > q->size)
        misuse(blk, "chain longer than the queue");
    for (unsigned i = 0; i < n; i++)
        length += pieces[i].writable ? pieces[i].bytes : 0;
    if (q->held == NULL)
        q->held = calloc(MAX_HELD, sizeof(*q->held));
    assert(q->held != NULL && q->n_held < MAX_HELD);
    q->held[q->n_held] = (struct fake_held){.head = head, .n_ring = n_ring, .length = length};
    return &q->held[q->n_held];
}

static bool take_block(struct fake_blk_queue *q, struct fake_held *held,
                       const struct fake_piece *pieces, unsigned n)
{
    struct fake_virtio_blk *blk = q->blk;

    held->status_address = pieces[n - 1].addr + pieces[n - 1].bytes - 1;
    if (*(uint8_t *)(uintptr_t)held->status_address == 0)
        misuse(blk, "status not preset to a failure");
    held->answer = serve(blk, pieces, n);
    return true;
}

static void hold(struct fake_blk_queue *q, uint16_t head, uint16_t n_ring,
                 const struct fake_piece *pieces, unsigned n)
{
    struct fake_virtio_blk *blk = q->blk;

    if (blk->kind == NULL && (n < 2 || pieces[0].bytes != 16 || pieces[0].writable ||
                              pieces[n - 1].bytes != tail_bytes_of(blk, get32(pieces[0].addr)) ||
                              !pieces[n - 1].writable)) {
        misuse(blk, "no head of 16 bytes or no status byte");
        return;
    }
    struct fake_held *held = place_for(q, head, n_ring, pieces, n);
    blk->n_requests++;
    q->n_requests++;
    if (!(blk->kind != NULL ? blk->kind->take : take_block)(q, held, pieces, n))
        return;
    keep_pieces(q, held, pieces, n);
    q->n_held++;
}

void fake_virtio_blk_answer_one(struct fake_blk_queue *q, unsigned i)
{
    assert(i < q->n_held);
    check_pieces(q->blk, q->pieces + q->held[i].first_piece, q->held[i].n_pieces);
    answer(q, i, false, 1, q->held[i].n_ring);
    free(q->held[i].reply);
    q->n_held--;
    memmove(&q->held[i], &q->held[i + 1], (q->n_held - i) * sizeof(*q->held));
    maybe_interrupt(q);
}

/** True if anything is kept: then the others are answered one by one. */
static bool answer_around(struct fake_blk_queue *q)
{
    bool any = false;

    for (unsigned i = 0; i < q->n_held; i++)
        any |= q->held[i].kept;
    for (unsigned i = 0; any && i < q->n_held;) {
        if (!q->held[i].kept)
            fake_virtio_blk_answer_one(q, i);
        else if (has(q->blk, 35)) /* IN_ORDER: what is behind it waits */
            break;
        else
            i++;
    }
    return any;
}

void fake_virtio_blk_answer_queue(struct fake_blk_queue *q)
{
    const struct fake_virtio_blk *blk = q->blk;
    unsigned n = q->n_held, n_ring = 0;

    if (answer_around(q))
        return;
    for (unsigned i = 0; i < n; i++) {
        unsigned k = blk->reorders && !has(blk, 35) ? n - 1 - i : i;
        n_ring = (batches(blk) ? n_ring : 0) + q->held[k].n_ring;
        answer(q, k, batches(blk) && i + 1 < n, batches(blk) ? n : 1, n_ring);
    }
    let_go(q);
    maybe_interrupt(q);
}

void fake_virtio_blk_answer_all(struct fake_virtio_blk *blk)
{
    for (size_t i = 0; i < FAKE_BLK_MAX_QUEUES; i++)
        if (blk->queues[i].enabled)
            fake_virtio_blk_answer_queue(&blk->queues[i]);
}

static bool answers(const struct fake_blk_queue *q)
{
    return !q->blk->answers_nothing && !q->answers_nothing;
}

static bool take_one(struct fake_blk_queue *q)
{
    struct fake_virtio_blk *blk = q->blk;
    static struct fake_piece pieces[MAX_PIECES];
    uint16_t head = 0, n_ring = 1;
    unsigned n;

    if (has(blk, 34)) {
        if (!packed_available(q))
            return false;
        n = collect_packed(q, pieces, &head, &n_ring);
        q->last_avail++;
    } else {
        if (q->last_avail == get16(q->avail + 2))
            return false;
        head = get16(q->avail + 4 + 2ull * (q->last_avail++ % q->size));
        n = collect_split(q, q->desc, q->size, head, pieces, false);
    }
    hold(q, head, n_ring, pieces, n);
    if (answers(q) && !blk->reorders && !batches(blk))
        fake_virtio_blk_answer_queue(q);
    return true;
}

/** To sleep: "tell me of the next one". */
static void ask_for_doorbell(struct fake_blk_queue *q)
{
    struct fake_virtio_blk *blk = q->blk;
    if (has(blk, 34)) {
        put16(q->used, (uint16_t)(q->avail_at | (q->avail_wrap ? 0x8000 : 0)));
        put16(q->used + 2, has(blk, 29) ? 2 : 0);
    } else if (has(blk, 29)) {
        put16(q->used + 4 + 8ull * q->size, q->last_avail);
    }
}

static void work(struct fake_blk_queue *q)
{
    if (!q->enabled || !(q->blk->status & 4))
        return;
    while (take_one(q))
        ;
    ask_for_doorbell(q);
    if (answers(q))
        fake_virtio_blk_answer_queue(q);
}

void fake_virtio_blk_work(struct fake_virtio_blk *blk)
{
    for (size_t i = 0; i < FAKE_BLK_MAX_QUEUES; i++)
        work(&blk->queues[i]);
}

/* ---------------------------------------------------------------- registers */

static void reset_queue(struct fake_blk_queue *q)
{
    if (q->enabled && q->blk->answers_during_reset)
        fake_virtio_blk_answer_queue(q);
    q->blk->queue_was_live_on_reset |= q->enabled;
    q->enabled = false;
    q->size = q->offered_size;
    q->vector = 0xffff;
    q->page_number = 0;
    q->last_avail = q->used_idx = q->signalled_used = 0;
    let_go(q);
    q->avail_at = q->used_at = 0;
    q->avail_wrap = q->used_wrap = true;
    q->signalled_at = 0;
    q->signalled_wrap = true;
}

static void heal(struct fake_virtio_blk *blk)
{
    blk->silenced = false;
    if (blk->heals)
        blk->lie = LIE_NONE;
    if (blk->heals)
        blk->answers_nothing = false;
}

static void reset(struct fake_virtio_blk *blk)
{
    blk->n_resets++;
    blk->reset_takes_for_ever |= blk->n_resets == blk->reset_takes_for_ever_after;
    blk->status = 0;
    for (size_t i = 0; i < FAKE_BLK_MAX_QUEUES; i++) {
        reset_queue(&blk->queues[i]);
        blk->queues[i].resetting = 0;
    }
    heal(blk);
    if (blk->kind != NULL)
        blk->kind->reset(blk);
    blk->config_vector = 0xffff;
    blk->isr = 0;
    blk->driver_features = 0;
    blk->resetting = blk->reset_reads;
}

struct fake_blk_queue *fake_virtio_blk_selected(struct fake_virtio_blk *blk, bool for_write)
{
    static struct fake_blk_queue nowhere;
    struct fake_blk_queue *q =
        blk->queue_select < FAKE_BLK_MAX_QUEUES ? &blk->queues[blk->queue_select] : &nowhere;

    if (for_write && q->offered_size == 0)
        misuse(blk, "write to a queue that is not there");
    return q;
}

/** 4.1.5.1.2: what can't be mapped reads back as NO_VECTOR. */
void fake_virtio_blk_set_vector(struct fake_virtio_blk *blk, uint16_t *vector,
                                uint16_t n_vectors_taken, uint16_t value)
{
    if (value != 0xffff && !fake_msix_enabled(&blk->msix))
        misuse(blk, "vector given while MSI-X is off");
    *vector = value < n_vectors_taken && value < blk->msix.n_entries ? value : 0xffff;
}

void fake_virtio_blk_write_status(struct fake_virtio_blk *blk, uint8_t value)
{
    if (blk->n_status_writes < sizeof(blk->status_history))
        blk->status_history[blk->n_status_writes++] = value;
    if (value == 0) {
        reset(blk);
        return;
    }
    if ((value & blk->status) != blk->status)
        misuse(blk, "status bit cleared other than by reset");
    if ((value & 8) && blk->legacy)
        misuse(blk, "FEATURES_OK, which a legacy device does not know");
    if ((value & 8) && !(blk->status & 8) && blk->refuses_features_ok)
        value &= (uint8_t)~8u;
    if ((value & 4) && !(value & 8) && !blk->legacy)
        misuse(blk, "DRIVER_OK without FEATURES_OK");
    blk->status = value;
}

uint8_t fake_virtio_blk_read_status(struct fake_virtio_blk *blk)
{
    if (blk->reset_takes_for_ever && blk->n_resets > 0 && blk->status == 0)
        return 0x40;
    if (blk->resetting > 0) {
        blk->resetting--;
        return 0x0f;
    }
    return blk->status;
}

static uint32_t read_common(struct fake_virtio_blk *blk, size_t at)
{
    struct fake_blk_queue *q = fake_virtio_blk_selected(blk, false);

    switch (at) {
    case 0x00:
        return blk->feature_select[0];
    case 0x04:
        return blk->feature_select[0] > 1
                   ? 0
                   : (uint32_t)(blk->offered_features >> (32 * blk->feature_select[0]));
    case 0x0c:
        return blk->feature_select[1] > 1
                   ? 0
                   : (uint32_t)(blk->driver_features >> (32 * blk->feature_select[1]));
    case 0x10:
        return blk->config_vector;
    case 0x12: {
        uint32_t n = 0;
        for (uint32_t i = 0; i < FAKE_BLK_MAX_QUEUES; i++)
            n = blk->queues[i].offered_size != 0 ? i + 1 : n;
        return n;
    }
    case 0x14:
        return fake_virtio_blk_read_status(blk);
    case 0x15:
        return blk->generation_always_changes ? blk->generation++ : blk->generation;
    case 0x18:
        return q->offered_size != 0 ? q->size : 0;
    case 0x1a:
        return q->vector;
    case 0x1c:
        return q->enabled;
    case 0x1e:
        return q->notify_off;
    case 0x3a:
        return fake_virtio_blk_queue_resetting(q);
    default:
        return 0;
    }
}

void fake_virtio_blk_queue_reset(struct fake_blk_queue *q, uint32_t value)
{
    struct fake_virtio_blk *blk = q->blk;

    if (!has(blk, 40) || value != 1 || !q->enabled)
        misuse(blk, "queue reset where it may not be");
    blk->n_queue_resets++;
    if (blk->ignores_queue_reset)
        return;
    q->resetting = blk->queue_reset_for_ever ? UINT_MAX : blk->queue_reset_reads;
    if (blk->queue_reset_for_ever)
        return;
    reset_queue(q);
    heal(blk);
}

bool fake_virtio_blk_queue_resetting(struct fake_blk_queue *q)
{
    bool busy = q->resetting > 0;

    if (!has(q->blk, 40))
        misuse(q->blk, "queue_reset read without RING_RESET");
    q->resetting -= busy && q->resetting != UINT_MAX;
    return busy;
}

static void write_half(uint64_t *field, bool high, uint32_t value)
{
    *field =
        high ? (*field & 0xffffffffull) | (uint64_t)value << 32 : (*field & ~0xffffffffull) | value;
}

/** The registers of the selected queue. */
static void write_queue(struct fake_virtio_blk *blk, size_t at, uint32_t value)
{
    struct fake_blk_queue *q = fake_virtio_blk_selected(blk, true);

    if (!(blk->status & 8))
        misuse(blk, "queue touched before FEATURES_OK");
    if (q->enabled && at != 0x3a)
        misuse(blk, "queue changed while it is enabled");
    if (q->resetting > 0)
        misuse(blk, "queue changed while it is being reset");
    switch (at) {
    case 0x18:
        if ((!vst_is_power_of_two(value) && !has(blk, 34)) || value == 0 || value > q->offered_size)
            misuse(blk, "queue size not a power of two or above the offer");
        else
            q->size = (uint16_t)value;
        break;
    case 0x1a:
        fake_virtio_blk_set_vector(blk, &q->vector, q->n_vectors_taken, (uint16_t)value);
        break;
    case 0x1c:
        q->enabled = value == 1;
        break;
    case 0x20:
    case 0x24:
        write_half(&q->desc, at == 0x24, value);
        break;
    case 0x28:
    case 0x2c:
        write_half(&q->avail, at == 0x2c, value);
        break;
    case 0x30:
    case 0x34:
        write_half(&q->used, at == 0x34, value);
        break;
    case 0x3a:
        fake_virtio_blk_queue_reset(q, value);
        break;
    default:
        misuse(blk, "write to a register that is read only");
    }
}

static void write_common(struct fake_virtio_blk *blk, size_t at, uint32_t value)
{
    if (at != 0x14 && at != 0 && at != 8 && at != 0x16 && !(blk->status & 2))
        misuse(blk, "configured before DRIVER");
    switch (at) {
    case 0x00:
        blk->feature_select[0] = value;
        break;
    case 0x08:
        blk->feature_select[1] = value;
        break;
    case 0x0c:
        if (blk->status & 8)
            misuse(blk, "features written after FEATURES_OK");
        blk->n_features_written++;
        if (blk->feature_select[1] <= 1)
            write_half(&blk->driver_features, blk->feature_select[1] == 1, value);
        if (blk->driver_features & ~blk->offered_features)
            misuse(blk, "feature taken that was not offered");
        break;
    case 0x14:
        fake_virtio_blk_write_status(blk, (uint8_t)value);
        break;
    case 0x16:
        blk->queue_select = (uint16_t)value;
        break;
    case 0x10:
        fake_virtio_blk_set_vector(blk, &blk->config_vector, blk->n_config_vectors_taken,
                                   (uint16_t)value);
        break;
    default:
        if (at >= 0x18)
            write_queue(blk, at, value);
        break;
    }
}

static uint8_t width_of_common(size_t at)
{
    static const uint8_t widths[60] = {
        [0x00] = 4, [0x04] = 4, [0x08] = 4, [0x0c] = 4, [0x10] = 2, [0x12] = 2, [0x14] = 1,
        [0x15] = 1, [0x16] = 2, [0x18] = 2, [0x1a] = 2, [0x1c] = 2, [0x1e] = 2, [0x20] = 4,
        [0x24] = 4, [0x28] = 4, [0x2c] = 4, [0x30] = 4, [0x34] = 4, [0x3a] = 2};
    return at < sizeof(widths) ? widths[at] : 0;
}

/** 2.9: the doorbell says how far the queue has come. */
static void check_notification_data(const struct fake_blk_queue *q, uint32_t data)
{
    if (!has(q->blk, 34) && data != get16(q->avail + 2))
        misuse(q->blk, "notification data is not the available index");
    if (has(q->blk, 34) && (data & 0x7fff) >= q->size)
        misuse(q->blk, "notification data is no place in the ring");
}

uint8_t fake_virtio_blk_doorbell_bytes(const struct fake_virtio_blk *blk)
{
    return has(blk, 38) ? 4 : 2;
}

void fake_virtio_blk_doorbell(struct fake_virtio_blk *blk, bool right_width, uint32_t value)
{
    if (fake_virtio_blk_is_out(blk))
        return;
    uint32_t number = value & 0xffff;

    if (!(blk->status & 4))
        misuse(blk, "doorbell rung before DRIVER_OK");
    if (!right_width || (!has(blk, 38) && value != number) || number >= FAKE_BLK_MAX_QUEUES ||
        !blk->queues[number].enabled) {
        misuse(blk, "doorbell rung with something else than a queue's number");
        return;
    }
    if (has(blk, 38))
        check_notification_data(&blk->queues[number], value >> 16);
    blk->n_doorbells++;
    blk->queues[number].n_doorbells++;
    work(&blk->queues[number]);
}

uint32_t fake_virtio_blk_read_config(struct fake_virtio_blk *blk, uint64_t at, uint8_t width_bytes)
{
    uint32_t value = UINT32_MAX >> (32 - 8 * width_bytes);

    if (blk->before_config_read != NULL)
        blk->before_config_read(blk, at);
    if (at + width_bytes <= sizeof(blk->config))
        memcpy(&value, blk->config + at, width_bytes);
    return value;
}

/** 5.2.5: a driver writes the field writeback, and only where CONFIG_WCE is negotiated. */
void fake_virtio_blk_write_config(struct fake_virtio_blk *blk, uint64_t at, uint8_t width_bytes,
                                  uint32_t value)
{
    if (blk->kind != NULL) {
        blk->kind->write_config(blk, at, width_bytes, value);
        return;
    }
    if (at != 32 || width_bytes != 1 || value > 1 || !has(blk, 11))
        misuse(blk, "configuration written where it may not be");
    else if (!blk->keeps_cache_mode)
        blk->config[32] = (uint8_t)value;
}

bool fake_virtio_blk_is_out(struct fake_virtio_blk *blk)
{
    if (!blk->unplugged)
        return false;
    blk->n_touched_unplugged++;
    return true;
}

uint32_t fake_virtio_blk_bar_read(void *ctx, uint64_t offset, uint8_t width_bytes)
{
    struct fake_virtio_blk *blk = ctx;

    if (fake_virtio_blk_is_out(blk))
        return blk->gone_is_zero ? 0 : UINT32_MAX >> (32 - 8 * width_bytes);
    if (offset < COMMON_AT + BLOCK_BYTES) {
        if (width_of_common(offset) != width_bytes)
            misuse(blk, "register read with the wrong width");
        return read_common(blk, offset);
    }
    if (offset == ISR_AT)
        return fake_virtio_blk_read_isr(blk);
    return offset >= DEVICE_AT ? fake_virtio_blk_read_config(blk, offset - DEVICE_AT, width_bytes)
                               : 0;
}

void fake_virtio_blk_bar_write(void *ctx, uint64_t offset, uint8_t width_bytes, uint32_t value)
{
    struct fake_virtio_blk *blk = ctx;

    if (fake_virtio_blk_is_out(blk))
        return;
    if (offset < COMMON_AT + BLOCK_BYTES) {
        if (width_of_common(offset) != width_bytes)
            misuse(blk, "register written with the wrong width");
        write_common(blk, offset, value);
    } else if (offset >= NOTIFY_AT && offset < ISR_AT) {
        uint32_t multiplier = get32((uintptr_t)blk->pci_config + 0x50 + 16),
                 number = value & 0xffff;
        if (number < FAKE_BLK_MAX_QUEUES &&
            offset - NOTIFY_AT != (uint64_t)blk->queues[number].notify_off * multiplier)
            misuse(blk, "another queue's doorbell rung");
        fake_virtio_blk_doorbell(blk, width_bytes == fake_virtio_blk_doorbell_bytes(blk), value);
    } else if (offset >= DEVICE_AT) {
        fake_virtio_blk_write_config(blk, offset - DEVICE_AT, width_bytes, value);
    }
}

static const struct fake_mmio_ops bar_ops = {fake_virtio_blk_bar_read, fake_virtio_blk_bar_write};

/* ---------------------------------------------------------------- PCI side */

static uint32_t config_read(void *ctx, struct vst_pci_address address, uint16_t offset,
                            uint8_t width_bytes)
{
    struct fake_virtio_blk *blk = ((struct fake_platform *)ctx)->device;
    uint32_t value = 0;

    (void)address;
    if (fake_virtio_blk_is_out(blk) || (blk->hides && offset == 0) ||
        offset + width_bytes > sizeof(blk->pci_config))
        return UINT32_MAX >> (32 - 8 * width_bytes);
    memcpy(&value, blk->pci_config + offset, width_bytes);
    return value;
}

void fake_virtio_blk_config_write(struct fake_virtio_blk *blk, uint16_t offset, uint8_t width_bytes,
                                  uint32_t value)
{
    if (fake_virtio_blk_is_out(blk))
        return;
    if (blk->msix.capability != NULL && offset >= FAKE_MSIX_AT && offset < FAKE_MSIX_AT + 12)
        fake_msix_config_write(&blk->msix, offset - FAKE_MSIX_AT, width_bytes, value);
    else if (offset + width_bytes <= (int)sizeof(blk->pci_config))
        memcpy(blk->pci_config + offset, &value, width_bytes);
}

static void config_write(void *ctx, struct vst_pci_address address, uint16_t offset,
                         uint8_t width_bytes, uint32_t value)
{
    struct fake_virtio_blk *blk = ((struct fake_platform *)ctx)->device;

    (void)address;
    fake_virtio_blk_config_write(blk, offset, width_bytes, value);
}

void *fake_virtio_blk_map_msix(struct fake_virtio_blk *blk, uint64_t physical, uint64_t bytes)
{
    if (blk->msix.capability == NULL || physical < FAKE_MSIX_PHYSICAL ||
        physical - FAKE_MSIX_PHYSICAL + bytes > FAKE_MSIX_BAR_BYTES)
        return NULL;
    return blk->msix.bar + (physical - FAKE_MSIX_PHYSICAL);
}

static void *map_bar(void *ctx, uint64_t physical, uint64_t bytes)
{
    struct fake_virtio_blk *blk = ((struct fake_platform *)ctx)->device;

    if (physical < BAR_PHYSICAL || physical - BAR_PHYSICAL + bytes > FAKE_BLK_BAR_BYTES)
        return fake_virtio_blk_map_msix(blk, physical, bytes);
    return blk->bar + (physical - BAR_PHYSICAL);
}

static void add_capability(struct fake_virtio_blk *blk, uint8_t at, uint8_t type, uint32_t offset,
                           uint32_t length)
{
    uint8_t bytes = type == 2 ? 20 : 16;
    uint8_t capability[20] = {9, 0, bytes, type, BAR_NUMBER};
    uint32_t multiplier = 4;

    memcpy(capability + 8, &offset, 4);
    memcpy(capability + 12, &length, 4);
    memcpy(capability + 16, &multiplier, 4);
    memcpy(blk->pci_config + at, capability, bytes);
    blk->function.capabilities[blk->function.n_capabilities++] = (struct vst_pci_capability){9, at};
}

static void describe_function(struct fake_virtio_blk *blk)
{
    blk->function = (struct vst_pci_function){
        .address = {0, 0, 4, 0},
        .vendor_id = 0x1af4,
        .device_id = 0x1042,
        .parent = -1,
    };
    blk->function.bars[BAR_NUMBER] = (struct vst_pci_bar){
        .kind = VST_PCI_BAR_MEMORY64,
        .assigned = true,
        .address = BAR_PHYSICAL,
        .bytes = FAKE_BLK_BAR_BYTES,
    };
    add_capability(blk, 0x40, 1, COMMON_AT, BLOCK_BYTES);
    add_capability(blk, 0x50, 2, NOTIFY_AT, BLOCK_BYTES);
    add_capability(blk, 0x64, 3, ISR_AT, BLOCK_BYTES);
    add_capability(blk, 0x74, 4, DEVICE_AT, BLOCK_BYTES);
}

void fake_virtio_blk_set_config32(struct fake_virtio_blk *blk, unsigned offset, uint32_t value)
{
    memcpy(blk->config + offset, &value, 4);
}

void fake_virtio_blk_offer_queue(struct fake_virtio_blk *blk, unsigned queue, uint16_t size)
{
    assert(queue < FAKE_BLK_MAX_QUEUES);
    blk->queues[queue].offered_size = blk->queues[queue].size = size;
}

void fake_virtio_blk_offer_queues(struct fake_virtio_blk *blk, unsigned n, uint16_t size)
{
    blk->offered_features |= FEATURE(12);
    memcpy(blk->config + 34, &(uint16_t){(uint16_t)n}, 2);
    for (unsigned i = 0; i < FAKE_BLK_MAX_QUEUES; i++)
        fake_virtio_blk_offer_queue(blk, i, i < n ? size : 0);
}

void fake_virtio_blk_add_msix(struct fake_virtio_blk *blk, uint16_t n_entries)
{
    fake_msix_init(&blk->msix, blk->pci_config + FAKE_MSIX_AT, n_entries, 1);
    fake_msix_register(&blk->msix);
    blk->function.bars[1] = (struct vst_pci_bar){
        .kind = VST_PCI_BAR_MEMORY32,
        .assigned = true,
        .address = FAKE_MSIX_PHYSICAL,
        .bytes = FAKE_MSIX_BAR_BYTES,
    };
    blk->function.capabilities[blk->function.n_capabilities++] =
        (struct vst_pci_capability){0x11, FAKE_MSIX_AT};
}

static void make_queues(struct fake_virtio_blk *blk)
{
    for (unsigned i = 0; i < FAKE_BLK_MAX_QUEUES; i++)
        blk->queues[i] = (struct fake_blk_queue){
            .blk = blk,
            .notify_off = (uint16_t)i,
            .n_vectors_taken = 0xffff,
            .vector = 0xffff,
        };
    fake_virtio_blk_offer_queue(blk, 0, 256);
}

void fake_virtio_blk_extend(struct fake_virtio_blk *blk, struct fake_extension *extension)
{
    extension->next = blk->extensions;
    blk->extensions = extension;
}

void fake_virtio_blk_init(struct fake_virtio_blk *blk, struct fake_platform *platform,
                          uint64_t sectors)
{
    *blk = (struct fake_virtio_blk){
        .fake_platform = platform,
        .offered_features =
            FEATURE(2) | FEATURE(6) | FEATURE(9) | FEATURE(28) | FEATURE(29) | FEATURE(32),
        .disk_sectors = sectors,
        .fail_sector = UINT64_MAX,
        .poison_sector = UINT64_MAX,
        .reset_reads = 3,
        .config_vector = 0xffff,
        .n_config_vectors_taken = 0xffff,
        .lie_queue = -1,
        .id = "fake-0001",
    };
    platform->device = blk;
    platform->platform.pci_config_read = config_read;
    platform->platform.pci_config_write = config_write;
    platform->platform.mmio_map = map_bar;
    blk->disk = calloc(sectors, 512);
    blk->bar = malloc(FAKE_BLK_BAR_BYTES);
    memcpy(blk->pci_config, (const uint8_t[]){0xf4, 0x1a}, 2);
    assert(blk->disk != NULL && blk->bar != NULL);
    memset(blk->bar, 0xee, FAKE_BLK_BAR_BYTES);
    make_queues(blk);
    fake_virtio_blk_set_config32(blk, 0, (uint32_t)sectors);
    fake_virtio_blk_set_config32(blk, 4, (uint32_t)(sectors >> 32));
    fake_virtio_blk_set_config32(blk, 12, 254);
    fake_virtio_blk_set_config32(blk, 20, 512);
    describe_function(blk);
    fake_machine_reset();
    fake_virtio_blk_map(blk);
}

void fake_virtio_blk_map(struct fake_virtio_blk *blk)
{
    fake_mmio_register(blk->bar, FAKE_BLK_BAR_BYTES, &bar_ops, blk);
}

void fake_virtio_blk_destroy(struct fake_virtio_blk *blk)
{
    fake_machine_reset();
    for (unsigned i = 0; i < FAKE_BLK_MAX_QUEUES; i++) {
        for (unsigned k = 0; k < blk->queues[i].n_held; k++)
            free(blk->queues[i].held[k].reply);
        free(blk->queues[i].held);
        free(blk->queues[i].pieces);
    }
    fake_msix_destroy(&blk->msix);
    free(blk->disk);
    free(blk->bar);
}
