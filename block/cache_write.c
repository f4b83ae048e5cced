/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dirty lines: back to the device in order of place, neighbours in one request, many at a time. While
 * a flush is under way only what was dirty when it began is written; what becomes so meanwhile waits,
 * and who wants to change a line that the flush has yet to write waits as well.
 */
#include "block/cache.h"

static struct cache_line *line_of(struct vst_cache *cache, uint32_t i)
{
    return &cache->lines[i];
}

static void set_bit(uint64_t *map, uint32_t i, bool value)
{
    uint64_t bit = 1ull << (i % 64);

    map[i / 64] = value ? map[i / 64] | bit : map[i / 64] & ~bit;
}

bool vst_cache_is_early(const struct vst_cache *cache, const struct cache_line *line)
{
    return cache->flush != NULL && line->dirty != 0 && (line->flags & CACHE_EPOCH) != cache->epoch;
}

static void forgive(struct vst_cache *cache, struct cache_line *line)
{
    cache->n_failed -= (line->flags & CACHE_FAILED) != 0;
    line->flags &= (uint8_t)~CACHE_FAILED;
}

void vst_cache_set_dirty(struct vst_cache *cache, struct cache_line *line, uint8_t blocks)
{
    if (line->dirty == 0) {
        cache->n_dirty++;
        cache->n_late += cache->flush != NULL;
        set_bit(cache->dirty_map, (uint32_t)(line - cache->lines), true);
    }
    forgive(cache, line);
    line->dirty |= blocks;
    line->flags = (uint8_t)((line->flags & ~CACHE_EPOCH) | cache->epoch);
}

void vst_cache_set_clean(struct vst_cache *cache, struct cache_line *line, uint8_t blocks)
{
    if (line->dirty == 0 || (line->dirty & ~blocks) != 0) {
        line->dirty &= (uint8_t)~blocks;
        return;
    }
    cache->n_late -= cache->flush != NULL && !vst_cache_is_early(cache, line);
    line->dirty = 0;
    cache->n_dirty--;
    forgive(cache, line);
    set_bit(cache->dirty_map, (uint32_t)(line - cache->lines), false);
}

void vst_cache_set_flushed(struct vst_cache *cache, struct cache_line *line)
{
    line->flags &= (uint8_t)~CACHE_UNFLUSHED;
    set_bit(cache->unflushed_map, (uint32_t)(line - cache->lines), false);
}

/* ------------------------------------------------------------------ writing lines */

/* It may be given to the device now. */
static bool is_eligible(const struct vst_cache *cache, const struct cache_line *line)
{
    const uint8_t busy = CACHE_FILLING | CACHE_WRITING | CACHE_FAILED;

    return line->dirty != 0 && (line->flags & busy) == 0 &&
           (cache->flush == NULL || vst_cache_is_early(cache, line));
}

/**
 * Blocks to be written at once: from the first dirty one to the last if all between are known, else
 * the first run of dirty ones.
 */
static uint8_t blocks_to_write(const struct cache_line *line)
{
    unsigned first = (unsigned)__builtin_ctz(line->dirty);
    unsigned end = 32u - (unsigned)__builtin_clz(line->dirty);
    unsigned span = (1u << end) - (1u << first);

    if ((line->valid & span) == span)
        return (uint8_t)span;
    end = first + (unsigned)__builtin_ctz(~((unsigned)line->dirty >> first));
    return (uint8_t)((1u << end) - (1u << first));
}

static void add_line(struct vst_cache *cache, struct cache_slot *slot, struct cache_line *line,
                     uint8_t blocks)
{
    line->flags |= CACHE_WRITING;
    cache->n_writing++;
    vst_cache_slot_add(cache, slot, line, (unsigned)__builtin_ctz(blocks), cache_n_blocks(blocks));
}

/* The line behind, if it can be written in the same request. */
static struct cache_line *next_in_run(struct vst_cache *cache, const struct cache_line *line)
{
    struct cache_line *next = vst_cache_line_at(cache, line->number + 1);

    if (next == NULL || !is_eligible(cache, next) || (next->flags & CACHE_ALONE) != 0 ||
        (blocks_to_write(next) & 1) == 0)
        return NULL;
    return next;
}

static void end_write(struct vst_cache *cache, struct cache_line *line)
{
    line->flags &= (uint8_t)~CACHE_WRITING;
    cache->n_writing--;
    cache->alone = false; /* if so, it was this one */
}

static void note_failure(struct vst_cache *cache, struct cache_line *line, enum vst_status status)
{
    cache->n_failed += (line->flags & CACHE_FAILED) == 0;
    line->flags |= CACHE_FAILED;
    line->status = (uint8_t)status;
}

static enum vst_status submit_write(struct vst_cache *cache, struct cache_slot *slot)
{
    slot->request.op = VST_BLOCK_WRITE;
    enum vst_status status = vst_cache_slot_submit(cache, slot);

    if (status == VST_OK) {
        cache->stats.writes++;
        cache->stats.written_lines += slot->n_lines;
        return VST_OK;
    }
    for (uint32_t i = 0; i < slot->n_lines; i++) {
        end_write(cache, line_of(cache, slot->lines[i]));
        if (status != VST_ERR_FULL)
            note_failure(cache, line_of(cache, slot->lines[i]), status);
    }
    return status;
}

/** Writes from a line on as far as dirty lines follow each other. VST_ERR_FULL: no room now. */
static enum vst_status write_run(struct vst_cache *cache, struct cache_line *line)
{
    const uint8_t last_block = cache->whole ^ (cache->whole >> 1);
    bool alone = (line->flags & CACHE_ALONE) != 0;

    if (cache->n_in_flight + 1 >= cache->n_slots)
        return VST_ERR_FULL; /* the last slot is for readers */
    /* Hosts join writes that lie side by side, and fail them together. */
    if (cache->alone || (alone && cache->n_writing > 0))
        return VST_ERR_FULL;
    struct cache_slot *slot = vst_cache_slot_take(cache, CACHE_SLOT_WRITE);
    if (slot == NULL)
        return VST_ERR_FULL;
    cache->alone = alone;
    while (line != NULL) {
        uint8_t blocks = blocks_to_write(line);
        add_line(cache, slot, line, blocks);
        bool goes_on = !alone && (blocks & last_block) != 0 && slot->n_lines < cache->slot_lines;
        line = goes_on ? next_in_run(cache, line) : NULL;
    }
    return submit_write(cache, slot);
}

static void end_written(struct vst_cache *cache, struct cache_slot *slot, struct cache_line *line)
{
    const struct vst_block_request *request = &slot->request;
    uint8_t blocks =
        vst_cache_blocks_in(cache, line->number, request->start_sector << VST_SECTOR_SHIFT,
                            request->n_sectors << VST_SECTOR_SHIFT);

    if (request->status == VST_OK) {
        line->flags &= (uint8_t)~CACHE_ALONE;
        vst_cache_set_clean(cache, line, blocks);
        if (cache->queue->device->flush_needed) {
            line->flags |= CACHE_UNFLUSHED;
            set_bit(cache->unflushed_map, (uint32_t)(line - cache->lines), true);
        }
    } else if ((line->flags & CACHE_ALONE) == 0) {
        line->flags |= CACHE_ALONE; /* whether it was this one will be seen */
    } else {
        note_failure(cache, line, request->status);
    }
}

void vst_cache_write_done(struct vst_cache *cache, struct cache_slot *slot)
{
    cache->stats.write_errors += slot->request.status != VST_OK;
    for (uint32_t i = 0; i < slot->n_lines; i++) {
        struct cache_line *line = line_of(cache, slot->lines[i]);
        end_write(cache, line);
        if ((line->flags & CACHE_DOOMED) != 0)
            vst_cache_line_drop(cache, line);
        else
            end_written(cache, slot, line);
    }
}

enum vst_status vst_cache_write_lines(struct vst_cache *cache, uint64_t first, uint64_t last,
                                      uint64_t *error_offset)
{
    bool clean = true;

    for (uint64_t number = first; number <= last; number++) {
        struct cache_line *line = vst_cache_line_at(cache, number);
        if (line == NULL || line->dirty == 0)
            continue;
        clean = false;
        if (is_eligible(cache, line) && write_run(cache, line) == VST_ERR_FULL)
            break;
        if ((line->flags & CACHE_FAILED) != 0) {
            *error_offset = number << cache->line_shift;
            return (enum vst_status)line->status;
        }
    }
    return clean ? VST_OK : VST_ERR_FULL;
}

/* ------------------------------------------------------------------ all that is dirty, in order */

static void sift_down(const struct vst_cache *cache, uint32_t *order, uint32_t i, uint32_t n)
{
    for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
        const struct cache_line *lines = cache->lines;
        if (child + 1 < n && lines[order[child + 1]].number > lines[order[child]].number)
            child++;
        if (lines[order[child]].number <= lines[order[i]].number)
            return;
        uint32_t other = order[child];
        order[child] = order[i];
        order[i] = other;
    }
}

/* Heap sort: in place, and no order of places makes it slow. */
static void sort(const struct vst_cache *cache, uint32_t *order, uint32_t n)
{
    for (uint32_t i = n / 2; i-- > 0;)
        sift_down(cache, order, i, n);
    for (uint32_t end = n; end-- > 1;) {
        uint32_t top = order[0];
        order[0] = order[end];
        order[end] = top;
        sift_down(cache, order, 0, end);
    }
}

/* Begins a pass over what may be written now. */
static void collect(struct vst_cache *cache)
{
    cache->n_order = cache->order_at = 0;
    for (uint32_t word = 0; word < cache->n_map_words; word++) {
        for (uint64_t bits = cache->dirty_map[word]; bits != 0; bits &= bits - 1) {
            uint32_t i = word * 64 + (uint32_t)__builtin_ctzll(bits);
            if (is_eligible(cache, line_of(cache, i)))
                cache->order[cache->n_order++] = i;
        }
    }
    sort(cache, cache->order, cache->n_order);
}

static bool wants_pass(const struct vst_cache *cache)
{
    return (cache->flush != NULL || cache->n_dirty >= cache->dirty_start) &&
           cache->n_dirty > cache->n_late + cache->n_failed + cache->n_writing;
}

void vst_cache_write_on(struct vst_cache *cache)
{
    for (;;) {
        if (cache->order_at == cache->n_order) {
            if (!wants_pass(cache))
                return;
            collect(cache);
            if (cache->n_order == 0)
                return;
        }
        struct cache_line *line = line_of(cache, cache->order[cache->order_at]);
        if (is_eligible(cache, line) && write_run(cache, line) == VST_ERR_FULL)
            return;
        cache->order_at++;
    }
}

/* ------------------------------------------------------------------ flush */

void vst_cache_retry(struct vst_cache *cache)
{
    for (uint32_t word = 0; word < cache->n_map_words && cache->n_failed > 0; word++) {
        for (uint64_t bits = cache->dirty_map[word]; bits != 0; bits &= bits - 1) {
            struct cache_line *line = line_of(cache, word * 64 + (uint32_t)__builtin_ctzll(bits));
            if ((line->flags & CACHE_FAILED) == 0)
                continue;
            forgive(cache, line);
            line->flags = (uint8_t)((line->flags & ~CACHE_EPOCH) | cache->epoch);
        }
    }
}

const struct cache_line *vst_cache_lowest_failed(const struct vst_cache *cache)
{
    const struct cache_line *lowest = NULL;

    for (uint32_t word = 0; word < cache->n_map_words && cache->n_failed > 0; word++) {
        for (uint64_t bits = cache->dirty_map[word]; bits != 0; bits &= bits - 1) {
            const struct cache_line *line =
                &cache->lines[word * 64 + (uint32_t)__builtin_ctzll(bits)];
            if ((line->flags & CACHE_FAILED) != 0 &&
                (lowest == NULL || line->number < lowest->number))
                lowest = line;
        }
    }
    return lowest;
}

/**
 * What the device had taken since the last good flush is durable; or, if the flush has failed, it may
 * have lost it, and that is dirty again.
 */
static void settle(struct vst_cache *cache, bool durable)
{
    for (uint32_t word = 0; word < cache->n_map_words; word++) {
        for (uint64_t bits = cache->unflushed_map[word]; bits != 0; bits &= bits - 1) {
            struct cache_line *line = line_of(cache, word * 64 + (uint32_t)__builtin_ctzll(bits));
            line->flags &= (uint8_t)~CACHE_UNFLUSHED;
            if (!durable)
                vst_cache_set_dirty(cache, line, line->valid);
        }
        cache->unflushed_map[word] = 0;
    }
}

static void end_flush(struct vst_cache *cache, struct vst_cache_request *request)
{
    const struct cache_line *failed = vst_cache_lowest_failed(cache);

    cache->flush = NULL;
    cache->n_late = 0;
    if (request->status != VST_OK && cache->n_unflushed_gone > 0)
        cache->lost = request->status;
    settle(cache, request->status == VST_OK);
    cache->n_unflushed_gone = 0;
    if (failed != NULL) {
        request->status = (enum vst_status)failed->status;
        request->error_offset = failed->number << cache->line_shift;
    } else if (request->status == VST_OK && cache->lost != VST_OK) {
        request->status = cache->lost;
    }
}

static void begin_flush(struct vst_cache *cache, struct vst_cache_request *request)
{
    vst_cache_retry(cache);
    cache->flush = request;
    cache->epoch ^= CACHE_EPOCH;
    cache->n_late = 0;
    cache->order_at = cache->n_order = 0;
    request->priv.phase = CACHE_DRAIN;
}

static void issue_flush(struct vst_cache *cache, struct vst_cache_request *request)
{
    struct cache_slot *slot = vst_cache_slot_take(cache, CACHE_SLOT_FLUSH);

    if (slot == NULL)
        return;
    slot->request.op = VST_BLOCK_FLUSH;
    enum vst_status status = vst_cache_slot_submit(cache, slot);
    if (status == VST_ERR_FULL)
        return;
    cache->stats.flushes += status == VST_OK;
    request->status = status;
    request->priv.phase = status == VST_OK ? CACHE_ISSUED : CACHE_ANSWERED;
}

bool vst_cache_step_flush(struct vst_cache *cache, struct vst_cache_request *request)
{
    if (cache->flush != NULL && cache->flush != request)
        return false;
    /* 1. From here on nothing that becomes dirty is written. */
    if (request->priv.phase < CACHE_DRAIN)
        begin_flush(cache, request);
    /* 2. All that was dirty is written, or has failed. */
    if (request->priv.phase == CACHE_DRAIN) {
        vst_cache_write_on(cache);
        if (cache->n_dirty > cache->n_late + cache->n_failed)
            return false;
        request->priv.phase = CACHE_ISSUE;
    }
    /* 3. The device makes it durable. */
    if (request->priv.phase == CACHE_ISSUE)
        issue_flush(cache, request);
    if (request->priv.phase != CACHE_ANSWERED)
        return false;
    end_flush(cache, request);
    return true;
}
