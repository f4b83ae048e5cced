/* SPDX-License-Identifier: BSD-2-Clause */
/* A request's way through the cache, and what happens when the device answers. */
#include "block/cache.h"
#include "block/request_list.h"

#define POLL_BATCH 8

/* The piece of a request that lies in the line where it has got to. */
struct piece {
    uint64_t number;
    size_t in_line, bytes;
};

static struct piece piece_at(const struct vst_cache *cache, const struct vst_cache_request *request)
{
    uint64_t offset = request->offset_bytes + request->priv.done_bytes;
    uint64_t left = request->bytes - request->priv.done_bytes;
    size_t in_line = offset & cache->line_mask;
    size_t most = (size_t)cache->line_mask + 1 - in_line;
    size_t bytes = left < most ? (size_t)left : most;
    uint64_t number = offset >> cache->line_shift;

    return (struct piece){number, in_line, bytes};
}

/* Those it touches. */
static uint8_t blocks_of(const struct vst_cache *cache, const struct piece *piece)
{
    unsigned first = (unsigned)(piece->in_line >> cache->block_shift);
    unsigned last = (unsigned)((piece->in_line + piece->bytes - 1) >> cache->block_shift);

    return (uint8_t)((2u << last) - (1u << first));
}

static uint64_t last_line(const struct vst_cache *cache, const struct vst_cache_request *request)
{
    return (request->offset_bytes + request->bytes - 1) >> cache->line_shift;
}

/* ------------------------------------------------------------------ reading and writing */

static bool fail(const struct vst_cache *cache, struct vst_cache_request *request,
                 enum vst_status status, uint64_t number)
{
    uint64_t start = number << cache->line_shift;

    request->status = status;
    request->error_offset = start > request->offset_bytes ? start : request->offset_bytes;
    return true;
}

/**
 * Has the blocks read that the request lacks. True if that ended it.
 */
static bool get_blocks(struct vst_cache *cache, struct vst_cache_request *request,
                       const struct cache_line *line, uint64_t number, uint8_t needed)
{
    enum vst_status status = VST_ERR_FULL;

    if (request->priv.waits_for != number)
        cache->stats.misses++;
    request->priv.waits_for = number;
    request->priv.issued = false;
    if (line != NULL && (line->flags & (CACHE_FILLING | CACHE_WRITING)) != 0)
        return false;
    if (request->priv.careful && cache->n_in_flight > 0)
        return false; /* hosts join what lies side by side, and fail it together */
    if (request->priv.careful)
        status = vst_cache_fetch_blocks(cache, number, needed, true);
    else if (line != NULL || request->op != VST_BLOCK_READ)
        status = vst_cache_fetch_blocks(cache, number, vst_cache_blocks_of(cache, number), false);
    else
        status = vst_cache_fetch(
            cache, number, request->priv.straight ? number + 1 : last_line(cache, request) + 1);
    request->priv.issued = status == VST_OK && request->priv.careful;
    return status != VST_OK && status != VST_ERR_FULL && fail(cache, request, status, number);
}

static void advance(struct vst_cache_request *request, size_t bytes)
{
    request->priv.done_bytes += bytes;
    request->priv.waits_for = UINT64_MAX;
    request->priv.careful = request->priv.issued = false;
}

/* Gives to the device what goes straight to the reader. True if the rest has to wait for room. */
static bool read_straight(struct vst_cache *cache, struct vst_cache_request *request)
{
    size_t bytes = 1;

    while (request->priv.straight && bytes > 0) {
        enum vst_status status = vst_cache_read_straight(cache, request, &bytes);
        if (status == VST_ERR_FULL)
            return true;
        if (status == VST_OK && bytes > 0)
            advance(request, bytes);
        if (status != VST_OK)
            request->priv.straight = false;
    }
    return false;
}

static void go_back(struct vst_cache_request *request)
{
    advance(request, 0);
    request->priv.done_bytes = request->priv.again_bytes;
    request->priv.again = false;
}

/* From the line where it has got to. True if that ended it. */
static bool read_line(struct vst_cache *cache, struct vst_cache_request *request, bool *waits)
{
    struct piece piece = piece_at(cache, request);
    struct cache_line *line = vst_cache_line_at(cache, piece.number);

    *waits = cache_in_range_op(cache, piece.number);
    if (*waits)
        return false;
    if (line == NULL || line->valid != cache->whole) {
        uint8_t blocks = blocks_of(cache, &piece);
        *waits = line == NULL || (line->valid & blocks) != blocks;
        if (*waits)
            return get_blocks(cache, request, line, piece.number, blocks);
    }
    __builtin_memcpy((uint8_t *)request->buffer + request->priv.done_bytes,
                     cache_data(cache, line) + piece.in_line, piece.bytes);
    line->referenced = 1;
    cache->stats.hits += request->priv.waits_for != piece.number;
    if (VST_UNLIKELY((line->flags & CACHE_MARK) != 0))
        vst_cache_read_on(cache, line, last_line(cache, request) + 1);
    advance(request, piece.bytes);
    return false;
}

/* It does not end while anything reads into its buffer. */
static bool step_read(struct vst_cache *cache, struct vst_cache_request *request)
{
    bool waits = false, failed = false;

    if (request->priv.again && request->priv.n_straight > 0)
        return false;
    if (request->priv.again)
        go_back(request);
    while (request->priv.done_bytes < request->bytes && !waits) {
        if (request->priv.straight && read_straight(cache, request))
            return false;
        if (request->priv.done_bytes < request->bytes)
            failed = read_line(cache, request, &waits);
    }
    return (!waits || failed) && request->priv.n_straight == 0;
}

/* Blocks of which the piece changes a part only. */
static uint8_t cut_blocks(const struct vst_cache *cache, const struct piece *piece)
{
    const size_t mask = (1u << cache->block_shift) - 1;
    size_t end = piece->in_line + piece->bytes;
    uint8_t cut = 0;

    if ((piece->in_line & mask) != 0)
        cut |= (uint8_t)(1u << (piece->in_line >> cache->block_shift));
    if ((end & mask) != 0)
        cut |= (uint8_t)(1u << (end >> cache->block_shift));
    return cut;
}

/* There is no room: what is dirty could not be written. True if trying again did not help either. */
static bool retry_for_room(struct vst_cache *cache, struct vst_cache_request *request)
{
    const struct cache_line *failed = vst_cache_lowest_failed(cache);

    if (request->priv.retried) {
        request->status = (enum vst_status)failed->status;
        request->error_offset = failed->number << cache->line_shift;
        return true;
    }
    request->priv.retried = true;
    vst_cache_retry(cache);
    vst_cache_write_on(cache);
    return false;
}

/** Whether one more line may become dirty; if not, *ended says whether that ended the request. */
static bool may_dirty(struct vst_cache *cache, struct vst_cache_request *request, bool *ended)
{
    *ended = false;
    if (cache->n_dirty < cache->dirty_max)
        return true;
    vst_cache_write_on(cache);
    if (cache->flush == NULL && cache->n_dirty == cache->n_failed)
        *ended = retry_for_room(cache, request);
    return false;
}

static void put(struct vst_cache *cache, struct vst_cache_request *request, struct cache_line *line,
                const struct piece *piece)
{
    uint8_t *to = cache_data(cache, line) + piece->in_line;

    if (request->buffer != NULL)
        __builtin_memcpy(to, (const uint8_t *)request->buffer + request->priv.done_bytes,
                         piece->bytes);
    else
        __builtin_memset(to, 0, piece->bytes);
    line->valid |= blocks_of(cache, piece);
    line->referenced = 1;
    vst_cache_set_dirty(cache, line, blocks_of(cache, piece));
}

/* True if the request has ended or has to wait: *ended says which. */
static bool step_piece(struct vst_cache *cache, struct vst_cache_request *request, bool *ended)
{
    struct piece piece = piece_at(cache, request);
    struct cache_line *line = vst_cache_line_at(cache, piece.number);
    uint8_t cut = cut_blocks(cache, &piece);

    *ended = false;
    if (cache_in_range_op(cache, piece.number))
        return true;
    if (line != NULL &&
        ((line->flags & (CACHE_FILLING | CACHE_WRITING)) != 0 || vst_cache_is_early(cache, line)))
        return true;
    if (cut != 0 && (line == NULL || (line->valid & cut) != cut)) {
        *ended = get_blocks(cache, request, line, piece.number, cut);
        return true;
    }
    if ((line == NULL || line->dirty == 0) && !may_dirty(cache, request, ended))
        return true;
    line = vst_cache_line_for(cache, piece.number);
    if (line == NULL)
        return true;
    put(cache, request, line, &piece);
    advance(request, piece.bytes);
    return false;
}

static bool step_through(struct vst_cache *cache, struct vst_cache_request *request)
{
    uint64_t error_offset;

    if (request->bytes == 0)
        return true;
    enum vst_status status =
        vst_cache_write_lines(cache, request->offset_bytes >> cache->line_shift,
                              last_line(cache, request), &error_offset);
    if (status == VST_ERR_FULL)
        return false;
    if (status != VST_OK)
        fail(cache, request, status, error_offset >> cache->line_shift);
    return true;
}

static bool step_write(struct vst_cache *cache, struct vst_cache_request *request)
{
    bool ended;

    if (request->priv.phase == CACHE_BEGIN) {
        while (request->priv.done_bytes < request->bytes)
            if (step_piece(cache, request, &ended))
                return ended;
        request->priv.phase = CACHE_THROUGH;
        if (cache->write_back && cache->n_dirty >= cache->dirty_start)
            vst_cache_write_on(cache);
    }
    if (!cache->write_back && request->priv.phase == CACHE_THROUGH && !step_through(cache, request))
        return false;
    if (request->op == VST_BLOCK_WRITE || request->status != VST_OK)
        return true;
    if (request->priv.phase == CACHE_THROUGH)
        request->priv.phase = CACHE_QUEUED;
    return vst_cache_step_flush(cache, request);
}

/** Goes on as far as possible; true if that is to the end. */
static bool step(struct vst_cache *cache, struct vst_cache_request *request)
{
    if (request->status != VST_OK && request->priv.phase < CACHE_QUEUED)
        return request->priv.n_straight == 0;
    switch (request->op) {
    case VST_BLOCK_READ:
        return step_read(cache, request);
    case VST_BLOCK_FLUSH:
        return vst_cache_step_flush(cache, request);
    case VST_BLOCK_WRITE:
    case VST_BLOCK_WRITE_DURABLE:
        return step_write(cache, request);
    default:
        return vst_cache_step_range(cache, request);
    }
}

/* ------------------------------------------------------------------ waiting and ending */

static void append(struct vst_cache_request **first, struct vst_cache_request **last,
                   struct vst_cache_request *request)
{
    request->priv.next = NULL;
    if (*first == NULL)
        *first = request;
    else
        (*last)->priv.next = request;
    *last = request;
}

/* A flush, or a write with one, that has not begun it: what changes data and came later waits. */
static bool holds_others(const struct vst_cache_request *request)
{
    return (request->op == VST_BLOCK_FLUSH || request->op == VST_BLOCK_WRITE_DURABLE) &&
           request->priv.phase < CACHE_DRAIN;
}

/** Steps all that wait, the oldest first. True if any has ended. */
static bool step_waiting(struct vst_cache *cache)
{
    struct vst_cache_request *request = cache->waiting;
    bool held = false, any = false;

    cache->waiting = cache->last_waiting = NULL;
    while (request != NULL) {
        struct vst_cache_request *next = request->priv.next;
        bool ended = (!held || request->op == VST_BLOCK_READ) && step(cache, request);
        if (ended) {
            append(&cache->done, &cache->last_done, request);
        } else {
            append(&cache->waiting, &cache->last_waiting, request);
            held |= holds_others(request);
        }
        any |= ended;
        request = next;
    }
    return any;
}

static enum vst_status check(const struct vst_cache *cache, const struct vst_cache_request *request)
{
    const struct vst_block_device *device = cache->queue->device;
    uint64_t capacity = cache->n_sectors << VST_SECTOR_SHIFT;
    bool ranges = vst_block_op_has_ranges(request->op);
    enum vst_status status = cache_is_current(cache) ? VST_OK : vst_cache_device_status(cache);

    if (request->op == VST_BLOCK_FLUSH)
        return status != VST_OK && cache->lost != VST_OK ? cache->lost : status;
    if (status != VST_OK)
        return status;
    if (!ranges && request->op != VST_BLOCK_READ && request->op != VST_BLOCK_WRITE &&
        request->op != VST_BLOCK_WRITE_DURABLE)
        return VST_ERR_UNSUPPORTED;
    if (request->op != VST_BLOCK_READ && device->read_only)
        return VST_ERR_READ_ONLY;
    if (request->offset_bytes > capacity || request->bytes > capacity - request->offset_bytes)
        return VST_ERR_RANGE;
    if (!ranges)
        return VST_OK;
    if (((request->offset_bytes | request->bytes) & ((1u << cache->block_shift) - 1)) != 0 ||
        request->bytes == 0)
        return VST_ERR_INVALID;
    return vst_block_range_limits_of(&device->limits, request->op)->max_ranges > 0
               ? VST_OK
               : VST_ERR_UNSUPPORTED;
}

enum vst_status vst_cache_submit(struct vst_cache *cache, struct vst_cache_request *request)
{
    if (!cache_is_current(cache))
        vst_cache_take_changes(cache);
    enum vst_status status = check(cache, request);
    bool held = false;

    request->error_offset = request->offset_bytes;
    if (status == VST_ERR_RANGE && request->offset_bytes < cache->n_sectors << VST_SECTOR_SHIFT)
        request->error_offset = cache->n_sectors << VST_SECTOR_SHIFT;
    if (status != VST_OK)
        return status;
    request->status = VST_OK;
    request->priv = (struct vst_cache_request_private){
        .waits_for = UINT64_MAX, .straight = vst_cache_goes_straight(cache, request)};
    for (struct vst_cache_request *r = cache->waiting; r != NULL && !held; r = r->priv.next)
        held = request->op != VST_BLOCK_READ && holds_others(r);
    if (!held && step(cache, request))
        append(&cache->done, &cache->last_done, request);
    else
        append(&cache->waiting, &cache->last_waiting, request);
    return VST_OK;
}

/* ------------------------------------------------------------------ the device's answers */

/**
 * Who waited for a line that could not be read asks for that alone, and of it only for the blocks it
 * needs; who did that already has failed.
 */
static void tell_readers(struct vst_cache *cache, const struct cache_slot *slot)
{
    const struct vst_block_request *failed = &slot->request;
    unsigned shift = cache->line_shift - VST_SECTOR_SHIFT;
    uint64_t first = failed->start_sector >> shift;

    for (struct vst_cache_request *r = cache->waiting; r != NULL; r = r->priv.next) {
        if (r->priv.waits_for - first >= slot->n_lines)
            continue;
        if (slot->careful && r->priv.issued) {
            r->status = failed->status;
            r->error_offset = failed->error_sector << VST_SECTOR_SHIFT;
        }
        r->priv.careful = true;
    }
}

static void answer(struct vst_cache_request *request, const struct cache_slot *slot)
{
    request->status = slot->request.status;
    if (request->status != VST_OK && slot->kind == CACHE_SLOT_RANGE)
        request->error_offset = slot->request.error_sector << VST_SECTOR_SHIFT;
    request->priv.phase = CACHE_ANSWERED;
}

static void take_answer(struct vst_cache *cache, struct cache_slot *slot)
{
    cache->n_in_flight--;
    switch (slot->kind) {
    case CACHE_SLOT_FILL:
        if (slot->request.status != VST_OK)
            tell_readers(cache, slot);
        vst_cache_fill_done(cache, slot);
        break;
    case CACHE_SLOT_STRAIGHT:
        vst_cache_straight_done(cache, slot);
        break;
    case CACHE_SLOT_WRITE:
        vst_cache_write_done(cache, slot);
        break;
    case CACHE_SLOT_FLUSH:
        answer(cache->flush, slot);
        break;
    default:
        answer(cache->range, slot);
        break;
    }
    slot->kind = CACHE_SLOT_FREE;
}

void vst_cache_kick(struct vst_cache *cache)
{
    if (cache->unkicked)
        vst_block_kick(cache->queue);
    cache->unkicked = false;
}

bool vst_cache_progress(struct vst_cache *cache, struct vst_block_request_list *others)
{
    struct vst_block_request *done[POLL_BATCH];
    size_t n = vst_block_poll(cache->queue, done, POLL_BATCH);

    if (n == 0 && cache->n_in_flight > 0 && !cache->unkicked)
        return false; /* nothing is otherwise than it was */
    for (size_t i = 0; i < n; i++) {
        struct cache_slot *slot = (struct cache_slot *)done[i];
        if (slot >= cache->slots && slot < cache->slots + cache->n_slots)
            take_answer(cache, slot);
        else
            request_list_append(others, done[i]);
    }
    if (!cache_is_current(cache))
        vst_cache_take_changes(cache);
    while (step_waiting(cache))
        ;
    vst_cache_write_on(cache);
    vst_cache_kick(cache);
    return n > 0;
}

void vst_cache_give_back(struct vst_cache *cache, struct vst_block_request_list *others)
{
    while (others->first != NULL)
        request_list_append(&cache->queue->ready, request_list_take(others));
}

size_t vst_cache_poll(struct vst_cache *cache, struct vst_cache_request **done, size_t max)
{
    struct vst_block_request_list others = {0};
    size_t n = 0;

    while (vst_cache_progress(cache, &others))
        ;
    vst_cache_give_back(cache, &others);
    for (; n < max && cache->done != NULL; cache->done = cache->done->priv.next)
        done[n++] = cache->done;
    return n;
}
