/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Large reads: what of them nobody has goes straight to the reader, in large requests and several at
 * once, and is not kept. Lines that are there, which may be newer than the device's data, lines in
 * flight, and such as are being discarded, end such a run. Where one can't be read, all from there on
 * is asked for again line by line, which finds out what is wrong, and where.
 */
#include "block/cache.h"

#define LARGE_BYTES      (128u << 10) /* of a read; also of the requests that it is made of */
#define MAX_PIECE_BYTES  (1u << 20)
#define PIECES_IN_FLIGHT 4u

bool vst_cache_goes_straight(struct vst_cache *cache, const struct vst_cache_request *request)
{
    if (request->op != VST_BLOCK_READ || request->bytes < LARGE_BYTES)
        return false;
    /* Who reads on and on, by less than half of what can be ahead of him, has more of that. */
    return cache->no_ahead || request->bytes >> cache->line_shift > cache->room / 2 ||
           !cache_is_in_stream(cache, request->offset_bytes >> cache->line_shift);
}

static bool is_free(struct vst_cache *cache, uint64_t number)
{
    return vst_cache_line_at(cache, number) == NULL && !cache_in_range_op(cache, number);
}

/* Whole blocks from where the request has got to, in lines that nobody has. */
static size_t run_bytes(struct vst_cache *cache, const struct vst_cache_request *request)
{
    const uint64_t block_mask = (1u << cache->block_shift) - 1;
    uint64_t from = request->offset_bytes + request->priv.done_bytes;
    uint64_t end = (request->offset_bytes + request->bytes) & ~block_mask;
    uint64_t most = vst_min_u64(request->bytes / PIECES_IN_FLIGHT, MAX_PIECE_BYTES), at = from;

    if ((from & block_mask) != 0)
        return 0;
    end = vst_min_u64(end, from + (most > LARGE_BYTES ? most : LARGE_BYTES));
    while (at < end && is_free(cache, at >> cache->line_shift))
        at = (at | cache->line_mask) + 1;
    at = vst_min_u64(at, end);
    return at > from ? (size_t)(at - from) : 0;
}

enum vst_status vst_cache_read_straight(struct vst_cache *cache, struct vst_cache_request *request,
                                        size_t *bytes)
{
    uint64_t from = request->offset_bytes + request->priv.done_bytes;

    *bytes = run_bytes(cache, request);
    if (*bytes == 0)
        return VST_OK;
    struct cache_slot *slot = vst_cache_slot_take(cache, CACHE_SLOT_STRAIGHT);
    if (slot == NULL)
        return VST_ERR_FULL;
    slot->reader = request;
    slot->segments[0] =
        (struct vst_block_segment){(uint8_t *)request->buffer + request->priv.done_bytes, *bytes};
    slot->request.op = VST_BLOCK_READ;
    slot->request.n_segments = 1;
    slot->request.start_sector = from >> VST_SECTOR_SHIFT;
    slot->request.n_sectors = *bytes >> VST_SECTOR_SHIFT;
    enum vst_status status = vst_cache_slot_submit(cache, slot);
    if (status != VST_OK)
        return status;
    uint64_t n_lines = (*bytes + cache->line_mask) >> cache->line_shift;
    request->priv.n_straight++;
    cache->stats.reads++;
    cache->stats.misses += n_lines;
    cache->stats.read_lines += n_lines;
    cache->stats.straight_lines += n_lines;
    if (request->priv.done_bytes + *bytes == request->bytes)
        cache_expect(cache, (from + *bytes) >> cache->line_shift);
    return VST_OK;
}

void vst_cache_straight_done(struct vst_cache *cache, const struct cache_slot *slot)
{
    struct vst_cache_request *reader = slot->reader;
    uint64_t from = (slot->request.start_sector << VST_SECTOR_SHIFT) - reader->offset_bytes;

    reader->priv.n_straight--;
    if (slot->request.status == VST_OK)
        return;
    cache->stats.read_errors++;
    if (!reader->priv.again || from < reader->priv.again_bytes)
        reader->priv.again_bytes = from;
    reader->priv.again = true;
    reader->priv.straight = false;
}
