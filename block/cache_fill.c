/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading lines from the device: what a request needs, and what a stream is going to. */
#include "block/cache.h"

#define FIRST_WINDOW 8u
#define GOOD_WINDOW  384u /* lines: of 4 KiB, eleven requests of 128 KiB */
#define MAX_CREDIT   32u

/* ------------------------------------------------------------------ requests to the device */

struct cache_slot *vst_cache_slot_take(struct vst_cache *cache, enum cache_slot_kind kind)
{
    for (struct cache_slot *slot = cache->slots; slot < cache->slots + cache->n_slots; slot++) {
        if (slot->kind != CACHE_SLOT_FREE)
            continue;
        slot->kind = (uint8_t)kind;
        slot->n_lines = 0;
        slot->careful = false;
        slot->mask = cache->whole;
        slot->request.segments = slot->segments;
        slot->request.n_segments = 0;
        slot->request.n_sectors = 0;
        slot->request.start_sector = 0;
        return slot;
    }
    return NULL;
}

void vst_cache_slot_add(struct vst_cache *cache, struct cache_slot *slot, struct cache_line *line,
                        unsigned first_block, unsigned n_blocks)
{
    struct vst_block_request *request = &slot->request;
    uint8_t *data = cache_data(cache, line) + ((size_t)first_block << cache->block_shift);
    size_t bytes = (size_t)n_blocks << cache->block_shift;
    struct vst_block_segment *last = &slot->segments[request->n_segments - 1];

    if (slot->n_lines == 0)
        request->start_sector =
            ((line->number << cache->line_shift) + ((uint64_t)first_block << cache->block_shift)) >>
            VST_SECTOR_SHIFT;
    /* Frames that lie side by side, as they often do, are one piece of memory to the device. */
    if (request->n_segments > 0 && (uint8_t *)last->buffer + last->bytes == data)
        last->bytes += bytes;
    else
        slot->segments[request->n_segments++] = (struct vst_block_segment){data, bytes};
    request->n_sectors += bytes >> VST_SECTOR_SHIFT;
    slot->lines[slot->n_lines++] = (uint32_t)(line - cache->lines);
}

enum vst_status vst_cache_slot_submit(struct vst_cache *cache, struct cache_slot *slot)
{
    enum vst_status status = vst_block_submit(cache->queue, &slot->request);

    if (status != VST_OK) {
        slot->kind = CACHE_SLOT_FREE;
        return status;
    }
    cache->unkicked = true;
    cache->n_in_flight++;
    cache->stats.in_flight_sum += cache->n_in_flight;
    if (cache->n_in_flight > cache->stats.max_in_flight)
        cache->stats.max_in_flight = cache->n_in_flight;
    return VST_OK;
}

uint8_t vst_cache_blocks_in(const struct vst_cache *cache, uint64_t number, uint64_t offset_bytes,
                            uint64_t bytes)
{
    uint64_t start = number << cache->line_shift;
    uint64_t from = offset_bytes > start ? offset_bytes - start : 0;
    uint64_t to = vst_min_u64(offset_bytes + bytes - start, (uint64_t)cache->line_mask + 1);
    unsigned first = (unsigned)(from >> cache->block_shift);
    unsigned end = (unsigned)((to - 1) >> cache->block_shift) + 1;

    return (uint8_t)((1u << end) - (1u << first));
}

uint8_t vst_cache_blocks_of(const struct vst_cache *cache, uint64_t number)
{
    uint64_t bytes = (cache->n_sectors << VST_SECTOR_SHIFT) - (number << cache->line_shift);

    if (number + 1 < cache->end_line || bytes > cache->line_mask)
        return cache->whole;
    return (uint8_t)((1u << (bytes >> cache->block_shift)) - 1);
}

/* ------------------------------------------------------------------ reading lines */

static void end_fill(struct vst_cache *cache, struct cache_line *line, uint8_t blocks)
{
    bool doomed = (line->flags & CACHE_DOOMED) != 0;

    line->flags &= (uint8_t)~CACHE_FILLING;
    line->valid |= blocks;
    if (!doomed)
        line->valid &= vst_cache_blocks_of(cache, line->number); /* the device may have shrunk */
    if (doomed || line->valid == 0)
        vst_cache_line_drop(cache, line);
}

static enum vst_status submit_fill(struct vst_cache *cache, struct cache_slot *slot)
{
    slot->request.op = VST_BLOCK_READ;
    enum vst_status status = vst_cache_slot_submit(cache, slot);

    if (status == VST_OK) {
        cache->stats.reads++;
        cache->stats.read_lines += slot->n_lines;
        return VST_OK;
    }
    for (uint32_t i = 0; i < slot->n_lines; i++)
        end_fill(cache, &cache->lines[slot->lines[i]], 0);
    return status;
}

void vst_cache_fill_done(struct vst_cache *cache, struct cache_slot *slot)
{
    bool good = slot->request.status == VST_OK;

    cache->stats.read_errors += !good;
    for (uint32_t i = 0; i < slot->n_lines; i++) {
        struct cache_line *line = &cache->lines[slot->lines[i]];
        if (VST_LIKELY(good && (line->flags & CACHE_DOOMED) == 0 &&
                       line->number + 1 < cache->end_line)) {
            line->flags &= (uint8_t)~CACHE_FILLING;
            line->valid |= slot->mask;
        } else {
            end_fill(cache, line, good ? slot->mask : 0);
        }
    }
}

/* Of a request for whole lines from `first` on. The device may end within the last. */
static void set_extent(const struct vst_cache *cache, struct cache_slot *slot, uint64_t first)
{
    struct vst_block_request *request = &slot->request;
    const unsigned shift = cache->line_shift - VST_SECTOR_SHIFT;

    request->start_sector = first << shift;
    request->n_sectors = (uint64_t)slot->n_lines << shift;
    if (first + slot->n_lines < cache->end_line)
        return;
    uint64_t beyond = request->start_sector + request->n_sectors - cache->n_sectors;
    request->n_sectors -= beyond;
    slot->segments[request->n_segments - 1].bytes -= beyond << VST_SECTOR_SHIFT;
}

/* Makes lines that are not there and notes them, and their memory, in the slot. Returns how many. */
static uint32_t collect_lines(struct vst_cache *cache, struct cache_slot *slot, uint64_t number,
                              uint64_t end)
{
    struct vst_block_segment *segment = slot->segments - 1;
    const size_t line_bytes = (size_t)cache->line_mask + 1;
    uint8_t *behind = NULL; /* the last segment */
    uint32_t n_lines = 0;

    for (; number < end && !cache_in_range_op(cache, number); number++) {
        struct cache_line *line = vst_cache_line_new(cache, number);
        if (line == NULL)
            break;
        uint8_t *data = cache_data(cache, line);
        line->flags = CACHE_FILLING;
        slot->lines[n_lines++] = (uint32_t)(line - cache->lines);
        if (VST_UNLIKELY(data != behind))
            *++segment = (struct vst_block_segment){data, 0};
        segment->bytes += line_bytes;
        behind = data + line_bytes;
    }
    slot->request.n_segments = (uint32_t)(segment + 1 - slot->segments);
    return n_lines;
}

/**
 * Asks for whole lines from `first` on, up to `end`, the first that is there, or the most that one
 * request takes. *n_lines is how many.
 */
static enum vst_status fill_lines(struct vst_cache *cache, uint64_t first, uint64_t end, bool mark,
                                  uint32_t *n_lines)
{
    struct cache_slot *slot = vst_cache_slot_take(cache, CACHE_SLOT_FILL);

    *n_lines = 0;
    if (slot == NULL)
        return VST_ERR_FULL;
    slot->n_lines = collect_lines(cache, slot, first, vst_min_u64(end, first + cache->slot_lines));
    if (slot->n_lines == 0) {
        slot->kind = CACHE_SLOT_FREE;
        return VST_ERR_FULL;
    }
    if (mark)
        cache->lines[slot->lines[0]].flags |= CACHE_MARK;
    *n_lines = slot->n_lines;
    set_extent(cache, slot, first);
    return submit_fill(cache, slot);
}

enum vst_status vst_cache_fetch_blocks(struct vst_cache *cache, uint64_t number, uint8_t blocks,
                                       bool careful)
{
    struct cache_slot *slot = vst_cache_slot_take(cache, CACHE_SLOT_FILL);
    struct cache_line *line = slot != NULL ? vst_cache_line_for(cache, number) : NULL;

    if (line == NULL) {
        if (slot != NULL)
            slot->kind = CACHE_SLOT_FREE;
        return VST_ERR_FULL;
    }
    /* The first run of blocks that are not there: the rest comes when the request asks again. */
    uint8_t missing = (uint8_t)(blocks & ~line->valid);
    unsigned first = (unsigned)__builtin_ctz(missing);
    unsigned n_blocks = (unsigned)__builtin_ctz(~((unsigned)missing >> first));
    line->flags |= CACHE_FILLING;
    vst_cache_slot_add(cache, slot, line, first, n_blocks);
    slot->mask = (uint8_t)(((1u << n_blocks) - 1) << first);
    slot->careful = careful;
    return submit_fill(cache, slot);
}

/* ------------------------------------------------------------------ streams */

/* A place, or that of one that has not gone on for longest, more or less. */
static struct cache_stream *place_of_stream(struct vst_cache *cache)
{
    struct cache_stream *stream = NULL;

    if (cache->n_streams < CACHE_N_STREAMS)
        return &cache->streams[cache->n_streams++];
    for (unsigned i = 0; i < CACHE_N_STREAMS; i++) {
        stream = &cache->streams[cache->stream_hand++ % CACHE_N_STREAMS];
        if (stream->credit == 0)
            break;
        stream->credit--;
    }
    return stream;
}

static struct cache_stream *new_stream(struct vst_cache *cache, uint64_t number)
{
    bool goes_on = cache_is_expected(cache, number);
    struct cache_stream *stream = place_of_stream(cache);

    *stream = (struct cache_stream){
        .at = number, .ahead = number, .reach = goes_on ? number : UINT64_MAX};
    return stream;
}

void vst_cache_age_streams(struct vst_cache *cache)
{
    uint32_t i = cache->stream_hand++ % CACHE_N_STREAMS;

    if (i >= cache->n_streams)
        return;
    if (cache->streams[i].credit > 0)
        cache->streams[i].credit--;
    else
        cache->streams[i] = cache->streams[--cache->n_streams];
}

/* Streams that have gone on lately. */
static uint32_t n_active(const struct vst_cache *cache)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < cache->n_streams; i++)
        n += cache->stream_clock - cache->streams[i].clock < 2 * CACHE_N_STREAMS;
    return n > 0 ? n : 1;
}

/*
 * A quarter of the lines; or, as long as the frequent ones have not come to fill the rest and other
 * streams leave it, what keeps several large requests in flight. The room of one of them holds what
 * the reader is at.
 */
uint32_t vst_cache_room_ahead(const struct vst_cache *cache)
{
    uint32_t others = cache->n_lines - cache->n_in_list[CACHE_FREQUENT];
    uint32_t room = vst_min_u32(others / n_active(cache), GOOD_WINDOW);

    if (room < cache->max_first)
        room = cache->max_first;
    room -= vst_min_u32(cache->chunk_lines, room - 1);
    return vst_min_u32(room, cache->max_ahead);
}

/* It goes on beyond what it has asked for so far, so it will again: look twice as far ahead. */
static void widen(struct vst_cache *cache, struct cache_stream *stream)
{
    uint32_t twice = stream->window == 0 ? FIRST_WINDOW : 2 * stream->window;

    stream->clock = ++cache->stream_clock;
    cache->room = vst_cache_room_ahead(cache);
    if (cache->window < cache->room)
        cache->window++;
    stream->window = vst_min_u32(twice, vst_min_u32(cache->window, cache->room));
    stream->credit = MAX_CREDIT;
}

/** Asks for lines ahead of a reader who is at `number` and wants all up to `end` for sure. */
static void run_ahead(struct vst_cache *cache, struct cache_stream *stream, uint64_t number,
                      uint64_t end)
{
    uint32_t chunk = vst_min_u32(stream->window / 4 + 1, cache->chunk_lines);
    uint32_t widest = vst_min_u32(cache->window, cache->room);
    uint64_t most = vst_min_u64(number + widest, cache->end_line);
    uint64_t target = vst_min_u64(number + stream->window, most);
    uint32_t n_lines = 1;

    if (target < end)
        target = vst_min_u64(end, most);
    while (n_lines > 0 && stream->ahead < target) {
        if (stream->ahead >= end && target - stream->ahead < chunk && target < cache->end_line)
            return; /* whole requests only */
        if (vst_cache_line_at(cache, stream->ahead) != NULL) {
            stream->ahead++;
            continue;
        }
        uint64_t stop = vst_min_u64(stream->ahead + chunk, target);
        if (fill_lines(cache, stream->ahead, stop, true, &n_lines) != VST_OK)
            return;
        if (stream->ahead + n_lines > end)
            cache->stats.ahead_lines +=
                stream->ahead >= end ? n_lines : stream->ahead + n_lines - end;
        stream->ahead += n_lines;
    }
}

static void visit(struct vst_cache *cache, struct cache_stream *stream, uint64_t number,
                  uint64_t end)
{
    stream->at = number;
    if (number >= stream->reach)
        widen(cache, stream);
    if (stream->reach == UINT64_MAX || end > stream->reach)
        stream->reach = end;
}

void vst_cache_read_on(struct vst_cache *cache, struct cache_line *line, uint64_t end)
{
    struct cache_stream *stream = cache_stream_at(cache, line->number);

    line->flags &= (uint8_t)~CACHE_MARK;
    if (stream == NULL)
        return;
    visit(cache, stream, line->number, end);
    run_ahead(cache, stream, line->number, end);
}

enum vst_status vst_cache_fetch(struct vst_cache *cache, uint64_t number, uint64_t end)
{
    struct cache_stream *stream = cache_stream_at(cache, number);
    uint32_t n_lines;

    if (stream == NULL && end == number + 1 && !cache_is_expected(cache, number)) {
        cache_expect(cache, end);
        return fill_lines(cache, number, end, false, &n_lines);
    }
    if (stream == NULL)
        stream = new_stream(cache, number);
    uint64_t first_end = end;
    visit(cache, stream, number, end);
    if (cache->no_ahead)
        stream->window = 0;
    if (stream->window > 0 && stream->ahead <= number) {
        uint64_t chunk = vst_min_u32(stream->window / 4 + 1, cache->chunk_lines);
        first_end = vst_min_u64(number + chunk > end ? number + chunk : end, cache->end_line);
    }
    enum vst_status status = fill_lines(cache, number, first_end, false, &n_lines);
    if (status != VST_OK)
        return status;
    if (number + n_lines > end)
        cache->stats.ahead_lines += number + n_lines - end;
    if (stream->ahead < number + n_lines)
        stream->ahead = number + n_lines;
    run_ahead(cache, stream, number, end);
    return VST_OK;
}
