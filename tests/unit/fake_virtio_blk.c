/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/fake_virtio_blk.h"

#include "tests/unit/fake_machine.h"

#include <assert.h>
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

struct piece {
    uint64_t addr;
    uint32_t bytes;
    bool writable;
};

enum { MAX_PIECES = 1100 };

static bool has(const struct fake_virtio_blk *blk, unsigned bit)
{
    return (blk->driver_features & FEATURE(bit)) != 0;
}

/** Adds one descriptor to the pieces of a chain, and looks at the order of directions. */
static void add_piece(struct fake_virtio_blk *blk, struct piece *pieces, unsigned n, uint64_t d,
                      bool writable)
{
    if (n > 0 && pieces[n - 1].writable && !writable)
        misuse(blk, "readable descriptor behind a writable one");
    pieces[n] = (struct piece){get64(d), get32(d + 8), writable};
}

static unsigned collect_split(struct fake_virtio_blk *blk, uint64_t table, unsigned n_entries,
                              uint16_t at, struct piece *pieces, bool in_indirect)
{
    for (unsigned n = 0;;) {
        if (at >= n_entries || n >= n_entries) {
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
            return collect_split(blk, get64(d), get32(d + 8) / 16, 0, pieces, true);
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

static unsigned collect_packed_table(struct fake_virtio_blk *blk, uint64_t d, struct piece *pieces)
{
    unsigned n = get32(d + 8) / 16;
    uint64_t table = get64(d);

    if (!has(blk, 28) || get32(d + 8) % 16 != 0 || n > MAX_PIECES) {
        misuse(blk, "bad indirect descriptor in the packed ring");
        return 0;
    }
    for (unsigned i = 0; i < n; i++) {
        uint16_t flags = get16(table + 16ull * i + 14);
        if (flags & ~2u)
            misuse(blk, "flags other than WRITE in a packed queue's table");
        add_piece(blk, pieces, i, table + 16ull * i, (flags & 2) != 0);
    }
    return n;
}

static bool packed_available(struct fake_virtio_blk *blk)
{
    uint16_t flags = get16(blk->desc + 16ull * blk->avail_at + 14);

    return ((flags & 0x80) != 0) == blk->avail_wrap && ((flags & 0x8000) != 0) != blk->avail_wrap;
}

static void packed_step(struct fake_virtio_blk *blk, uint16_t *at, bool *wrap, unsigned n)
{
    *at = (uint16_t)(*at + n);
    if (*at >= blk->queue_size) {
        *at = (uint16_t)(*at - blk->queue_size);
        *wrap = !*wrap;
    }
}

/** The chain at avail_at: its pieces, its id (that of the last descriptor), its length in the ring. */
static unsigned collect_packed(struct fake_virtio_blk *blk, struct piece *pieces, uint16_t *id,
                               uint16_t *n_ring)
{
    for (unsigned n = 0;;) {
        uint64_t d = blk->desc + 16ull * blk->avail_at;
        uint16_t flags = get16(d + 14);
        if (!packed_available(blk) || n >= blk->queue_size) {
            misuse(blk, "a descriptor of the chain is not available");
            return 0;
        }
        *id = get16(d + 12);
        *n_ring = (uint16_t)(n + 1);
        packed_step(blk, &blk->avail_at, &blk->avail_wrap, 1);
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
                        const struct piece *data, unsigned n)
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
    for (unsigned i = 0; i < n; i++) {
        if (type == 0)
            memcpy((void *)(uintptr_t)data[i].addr, blk->disk + at, data[i].bytes);
        else
            memcpy(blk->disk + at, (void *)(uintptr_t)data[i].addr, data[i].bytes);
        at += data[i].bytes;
    }
    return 0;
}

static uint8_t serve(struct fake_virtio_blk *blk, const struct piece *pieces, unsigned n)
{
    uint32_t type = get32(pieces[0].addr);
    uint64_t sector = get64(pieces[0].addr + 8);

    if (n - 2 > blk->max_data_segments)
        blk->max_data_segments = n - 2;
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
    default:
        return 2;
    }
}

static void put_used_split(struct fake_virtio_blk *blk, uint32_t id, uint32_t length,
                           unsigned n_chains)
{
    uint64_t elem = blk->used + 4 + 8ull * (blk->used_idx % blk->queue_size);

    put32(elem, id);
    put32(elem + 4, length);
    blk->used_idx = (uint16_t)(blk->used_idx + n_chains);
    put16(blk->used + 2, blk->used_idx);
}

static void put_used_packed(struct fake_virtio_blk *blk, uint32_t id, uint32_t length,
                            unsigned n_ring)
{
    uint64_t d = blk->desc + 16ull * blk->used_at;
    uint16_t flags = blk->used_wrap ? 0x8080 : 0;

    put16(d + 12, (uint16_t)id);
    put32(d + 8, length);
    put16(d + 14, flags);
    packed_step(blk, &blk->used_at, &blk->used_wrap, n_ring);
    blk->used_idx++;
}

/** 2.8.10: whether the places used since then hold the one that the driver named. */
static bool packed_event_reached(struct fake_virtio_blk *blk)
{
    uint16_t event = get16(blk->avail), at = blk->signalled_at;
    bool wrap = blk->signalled_wrap, reached = false;

    while (at != blk->used_at || wrap != blk->used_wrap) {
        reached |= at == (event & 0x7fff) && wrap == ((event & 0x8000) != 0);
        packed_step(blk, &at, &wrap, 1);
    }
    return reached;
}

/** Whether the driver asked for an interrupt (2.7.7.2, 2.7.10.1), in the reference's own words. */
static void maybe_interrupt(struct fake_virtio_blk *blk)
{
    bool wanted;

    if (has(blk, 34)) {
        uint16_t flags = get16(blk->avail + 2);
        wanted = flags == 0 && blk->signalled_used != blk->used_idx;
        if (flags > 2 || (flags == 2 && !has(blk, 29)))
            misuse(blk, "driver event flags");
        wanted |= flags == 2 && packed_event_reached(blk);
        blk->signalled_at = blk->used_at;
        blk->signalled_wrap = blk->used_wrap;
    } else if (has(blk, 29)) {
        uint16_t event = get16(blk->avail + 4 + 2ull * blk->queue_size);
        wanted = false;
        for (uint16_t i = blk->signalled_used; i != blk->used_idx; i++)
            wanted |= i == event;
    } else {
        wanted = (get16(blk->avail) & 1) == 0 && blk->signalled_used != blk->used_idx;
    }
    blk->signalled_used = blk->used_idx;
    blk->n_interrupts += wanted;
}

static bool batches(const struct fake_virtio_blk *blk)
{
    return blk->in_order_batches && has(blk, 35);
}

/** Answers one chain; the used entry is written unless a later one will speak for it (IN_ORDER). */
static void answer(struct fake_virtio_blk *blk, unsigned i, bool silent, unsigned n_chains,
                   unsigned n_ring)
{
    bool lies = blk->lie != LIE_NONE && blk->n_requests > blk->lie_after;
    uint16_t head = blk->held[i].head;
    uint32_t id = head, length = blk->held[i].length;

    if (lies && blk->lie == LIE_SILENCE)
        return;
    if (!(lies && blk->lie == LIE_STATUS_NOT_WRITTEN))
        *(uint8_t *)(uintptr_t)blk->held[i].status_address =
            lies && blk->lie == LIE_STATUS_UNKNOWN ? 77 : blk->held[i].answer;
    if (silent)
        return;
    if (lies && blk->lie == LIE_USED_ID_TOO_LARGE)
        id = blk->queue_size;
    if (lies && blk->lie == LIE_USED_ID_NOT_IN_FLIGHT)
        id = (head + blk->queue_size / 2u) % blk->queue_size;
    if (lies && blk->lie == LIE_USED_ID_NOT_A_HEAD)
        id = get16(blk->desc + 16ull * head + 14);
    if (lies && blk->lie == LIE_USED_ID_TWICE)
        id = blk->last_id;
    if (lies && blk->lie == LIE_USED_LENGTH_HUGE)
        length = UINT32_MAX;
    if (has(blk, 34))
        put_used_packed(blk, id, length, n_ring);
    else
        put_used_split(blk, id, length, n_chains);
    if (lies && blk->lie == LIE_USED_INDEX_JUMPS)
        put16(blk->used + 2, (uint16_t)(blk->used_idx + 5));
    blk->last_id = head;
}

static void hold(struct fake_virtio_blk *blk, uint16_t head, uint16_t n_ring,
                 const struct piece *pieces, unsigned n)
{
    uint32_t length = 1;

    if (n < 2 || pieces[0].bytes != 16 || pieces[0].writable || pieces[n - 1].bytes != 1 ||
        !pieces[n - 1].writable) {
        misuse(blk, "no head of 16 bytes or no status byte");
        return;
    }
    if (n > blk->max_chain_descriptors)
        blk->max_chain_descriptors = n;
    if (n > blk->queue_size)
        misuse(blk, "chain longer than the queue");
    blk->n_requests++;
    if (*(uint8_t *)(uintptr_t)pieces[n - 1].addr == 0)
        misuse(blk, "status not preset to a failure");
    for (unsigned i = 0; i + 1 < n; i++)
        length += pieces[i].writable ? pieces[i].bytes : 0;
    assert(blk->n_held < VST_ARRAY_LENGTH(blk->held));
    blk->held[blk->n_held].head = head;
    blk->held[blk->n_held].n_ring = n_ring;
    blk->held[blk->n_held].length = length;
    blk->held[blk->n_held].answer = serve(blk, pieces, n);
    blk->held[blk->n_held++].status_address = pieces[n - 1].addr;
}

void fake_virtio_blk_answer_all(struct fake_virtio_blk *blk)
{
    unsigned n = blk->n_held, n_ring = 0;

    for (unsigned i = 0; i < n; i++) {
        unsigned k = blk->reorders && !has(blk, 35) ? n - 1 - i : i;
        n_ring = (batches(blk) ? n_ring : 0) + blk->held[k].n_ring;
        answer(blk, k, batches(blk) && i + 1 < n, batches(blk) ? n : 1, n_ring);
    }
    blk->n_held = 0;
    maybe_interrupt(blk);
}

static bool take_one(struct fake_virtio_blk *blk)
{
    static struct piece pieces[MAX_PIECES];
    uint16_t head, n_ring = 1;
    unsigned n;

    if (has(blk, 34)) {
        if (!packed_available(blk))
            return false;
        n = collect_packed(blk, pieces, &head, &n_ring);
        blk->last_avail++;
    } else {
        if (blk->last_avail == get16(blk->avail + 2))
            return false;
        head = get16(blk->avail + 4 + 2ull * (blk->last_avail++ % blk->queue_size));
        n = collect_split(blk, blk->desc, blk->queue_size, head, pieces, false);
    }
    hold(blk, head, n_ring, pieces, n);
    if (!blk->answers_nothing && !blk->reorders && !batches(blk))
        fake_virtio_blk_answer_all(blk);
    return true;
}

/** To sleep: "tell me of the next one". */
static void ask_for_doorbell(struct fake_virtio_blk *blk)
{
    if (has(blk, 34)) {
        put16(blk->used, (uint16_t)(blk->avail_at | (blk->avail_wrap ? 0x8000 : 0)));
        put16(blk->used + 2, has(blk, 29) ? 2 : 0);
    } else if (has(blk, 29)) {
        put16(blk->used + 4 + 8ull * blk->queue_size, blk->last_avail);
    }
}

void fake_virtio_blk_work(struct fake_virtio_blk *blk)
{
    if (!blk->queue_enabled || !(blk->status & 4))
        return;
    while (take_one(blk))
        ;
    ask_for_doorbell(blk);
    if (!blk->answers_nothing)
        fake_virtio_blk_answer_all(blk);
}

/* ---------------------------------------------------------------- registers */

static void reset(struct fake_virtio_blk *blk)
{
    blk->n_resets++;
    blk->queue_was_live_on_reset |= blk->queue_enabled;
    blk->status = 0;
    blk->queue_enabled = false;
    blk->queue_size = blk->offered_queue_size;
    blk->last_avail = blk->used_idx = blk->signalled_used = 0;
    blk->n_held = 0;
    blk->avail_at = blk->used_at = 0;
    blk->avail_wrap = blk->used_wrap = true;
    blk->signalled_at = 0;
    blk->signalled_wrap = true;
    blk->driver_features = 0;
    blk->resetting = blk->reset_reads;
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
    bool exists = blk->queue_select < blk->n_queues;

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
    case 0x12:
        return blk->n_queues;
    case 0x14:
        return fake_virtio_blk_read_status(blk);
    case 0x15:
        return blk->generation_always_changes ? blk->generation++ : blk->generation;
    case 0x18:
        return exists ? blk->queue_size : 0;
    case 0x1a:
        return 0xffff;
    case 0x1c:
        return exists && blk->queue_enabled;
    case 0x1e:
        return blk->notify_off;
    default:
        return 0;
    }
}

static void write_half(uint64_t *field, bool high, uint32_t value)
{
    *field =
        high ? (*field & 0xffffffffull) | (uint64_t)value << 32 : (*field & ~0xffffffffull) | value;
}

static void write_common(struct fake_virtio_blk *blk, size_t at, uint32_t value)
{
    if (at != 0x14 && at != 0 && at != 8 && at != 0x16 && !(blk->status & 2))
        misuse(blk, "configured before DRIVER");
    if (at >= 0x18 && !(blk->status & 8))
        misuse(blk, "queue touched before FEATURES_OK");
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
    case 0x18:
        if ((!vst_is_power_of_two(value) && !has(blk, 34)) || value == 0 ||
            value > blk->offered_queue_size)
            misuse(blk, "queue size not a power of two or above the offer");
        blk->queue_size = (uint16_t)value;
        break;
    case 0x1c:
        blk->queue_enabled = value == 1;
        break;
    case 0x20:
    case 0x24:
        write_half(&blk->desc, at == 0x24, value);
        break;
    case 0x28:
    case 0x2c:
        write_half(&blk->avail, at == 0x2c, value);
        break;
    case 0x30:
    case 0x34:
        write_half(&blk->used, at == 0x34, value);
        break;
    default:
        break;
    }
}

static uint8_t width_of_common(size_t at)
{
    static const uint8_t widths[56] = {
        [0x00] = 4, [0x04] = 4, [0x08] = 4, [0x0c] = 4, [0x10] = 2, [0x12] = 2, [0x14] = 1,
        [0x15] = 1, [0x16] = 2, [0x18] = 2, [0x1a] = 2, [0x1c] = 2, [0x1e] = 2, [0x20] = 4,
        [0x24] = 4, [0x28] = 4, [0x2c] = 4, [0x30] = 4, [0x34] = 4};
    return at < sizeof(widths) ? widths[at] : 0;
}

/** 2.9: the doorbell says how far the queue has come. */
static void check_notification_data(struct fake_virtio_blk *blk, uint32_t data)
{
    if (!has(blk, 34) && data != get16(blk->avail + 2))
        misuse(blk, "notification data is not the available index");
    if (has(blk, 34) && (data & 0x7fff) >= blk->queue_size)
        misuse(blk, "notification data is no place in the ring");
}

uint8_t fake_virtio_blk_doorbell_bytes(const struct fake_virtio_blk *blk)
{
    return has(blk, 38) ? 4 : 2;
}

void fake_virtio_blk_doorbell(struct fake_virtio_blk *blk, bool right_width, uint32_t value)
{
    if (!right_width || (value & 0xffff) != 0 || (!has(blk, 38) && value != 0))
        misuse(blk, "doorbell rung with something else than the queue's number");
    if (!(blk->status & 4))
        misuse(blk, "doorbell rung before DRIVER_OK");
    if (has(blk, 38))
        check_notification_data(blk, value >> 16);
    blk->n_doorbells++;
    fake_virtio_blk_work(blk);
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
    if (at != 32 || width_bytes != 1 || value > 1 || !has(blk, 11))
        misuse(blk, "configuration written where it may not be");
    else if (!blk->keeps_cache_mode)
        blk->config[32] = (uint8_t)value;
}

uint32_t fake_virtio_blk_bar_read(void *ctx, uint64_t offset, uint8_t width_bytes)
{
    struct fake_virtio_blk *blk = ctx;

    if (offset < COMMON_AT + BLOCK_BYTES) {
        if (width_of_common(offset) != width_bytes)
            misuse(blk, "register read with the wrong width");
        return read_common(blk, offset);
    }
    return offset >= DEVICE_AT ? fake_virtio_blk_read_config(blk, offset - DEVICE_AT, width_bytes)
                               : 0;
}

void fake_virtio_blk_bar_write(void *ctx, uint64_t offset, uint8_t width_bytes, uint32_t value)
{
    struct fake_virtio_blk *blk = ctx;

    if (offset < COMMON_AT + BLOCK_BYTES) {
        if (width_of_common(offset) != width_bytes)
            misuse(blk, "register written with the wrong width");
        write_common(blk, offset, value);
    } else if (offset >= NOTIFY_AT && offset < ISR_AT) {
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
    if (offset + width_bytes > sizeof(blk->pci_config))
        return UINT32_MAX;
    memcpy(&value, blk->pci_config + offset, width_bytes);
    return value;
}

static void config_write(void *ctx, struct vst_pci_address address, uint16_t offset,
                         uint8_t width_bytes, uint32_t value)
{
    struct fake_virtio_blk *blk = ((struct fake_platform *)ctx)->device;

    (void)address;
    if (offset + width_bytes <= sizeof(blk->pci_config))
        memcpy(blk->pci_config + offset, &value, width_bytes);
}

static void *map_bar(void *ctx, uint64_t physical, uint64_t bytes)
{
    struct fake_virtio_blk *blk = ((struct fake_platform *)ctx)->device;

    if (physical < BAR_PHYSICAL || physical - BAR_PHYSICAL + bytes > FAKE_BLK_BAR_BYTES)
        return NULL;
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

void fake_virtio_blk_init(struct fake_virtio_blk *blk, struct fake_platform *platform,
                          uint64_t sectors)
{
    *blk = (struct fake_virtio_blk){
        .fake_platform = platform,
        .offered_features =
            FEATURE(2) | FEATURE(6) | FEATURE(9) | FEATURE(28) | FEATURE(29) | FEATURE(32),
        .offered_queue_size = 256,
        .n_queues = 1,
        .disk_sectors = sectors,
        .fail_sector = UINT64_MAX,
        .reset_reads = 3,
        .id = "fake-0001",
    };
    platform->device = blk;
    platform->platform.pci_config_read = config_read;
    platform->platform.pci_config_write = config_write;
    platform->platform.mmio_map = map_bar;
    blk->disk = calloc(sectors, 512);
    blk->bar = malloc(FAKE_BLK_BAR_BYTES);
    assert(blk->disk != NULL && blk->bar != NULL);
    memset(blk->bar, 0xee, FAKE_BLK_BAR_BYTES);
    blk->queue_size = blk->offered_queue_size;
    fake_virtio_blk_set_config32(blk, 0, (uint32_t)sectors);
    fake_virtio_blk_set_config32(blk, 4, (uint32_t)(sectors >> 32));
    fake_virtio_blk_set_config32(blk, 12, 254);
    fake_virtio_blk_set_config32(blk, 20, 512);
    describe_function(blk);
    fake_machine_reset();
    fake_mmio_register(blk->bar, FAKE_BLK_BAR_BYTES, &bar_ops, blk);
}

void fake_virtio_blk_destroy(struct fake_virtio_blk *blk)
{
    fake_machine_reset();
    free(blk->disk);
    free(blk->bar);
}
