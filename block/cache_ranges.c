/* SPDX-License-Identifier: BSD-2-Clause */
/* Discard and zeroes, which leave nothing of what the cache knew; and devices that change. */
#include "block/cache.h"
#include "block/media.h"

/* ------------------------------------------------------------------ dropping */

/* False if the line is in flight. */
static bool drop_blocks(struct vst_cache *cache, struct cache_line *line, uint8_t blocks)
{
    if ((line->flags & (CACHE_FILLING | CACHE_WRITING)) != 0)
        return false;
    vst_cache_set_clean(cache, line, blocks);
    line->valid &= (uint8_t)~blocks;
    if (line->valid == 0)
        vst_cache_line_drop(cache, line);
    return true;
}

static bool is_resident(const struct cache_line *line)
{
    return (line->list == CACHE_FIRST || line->list == CACHE_FREQUENT) &&
           (line->flags & CACHE_DOOMED) == 0;
}

/* Goes by number where the range is small, else through all lines. False if one is in flight. */
static bool drop_range(struct vst_cache *cache, uint64_t offset, uint64_t bytes)
{
    uint64_t first = offset >> cache->line_shift, last = (offset + bytes - 1) >> cache->line_shift;
    uint32_t n = cache->n_lines + cache->n_ghosts;
    bool dropped = true;

    if (last - first < n) {
        for (uint64_t number = first; number <= last; number++) {
            struct cache_line *line = vst_cache_line_at(cache, number);
            if (line != NULL)
                dropped &=
                    drop_blocks(cache, line, vst_cache_blocks_in(cache, number, offset, bytes));
        }
        return dropped;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct cache_line *line = &cache->lines[CACHE_N_LISTS + i];
        if (is_resident(line) && line->number >= first && line->number <= last)
            dropped &=
                drop_blocks(cache, line, vst_cache_blocks_in(cache, line->number, offset, bytes));
    }
    return dropped;
}

static void drop_end(struct vst_cache *cache, struct cache_line *line, uint64_t offset_bytes,
                     enum vst_status why)
{
    uint64_t start = line->number << cache->line_shift;

    if (start + cache->line_mask < offset_bytes)
        return;
    uint8_t blocks = start >= offset_bytes
                         ? cache->whole
                         : vst_cache_blocks_in(cache, line->number, offset_bytes, UINT32_MAX);
    uint8_t lost = line->dirty & blocks;
    if (lost != 0) {
        cache->lost = why;
        cache->stats.lost_bytes += (uint64_t)cache_n_blocks(lost) << cache->block_shift;
    }
    if (drop_blocks(cache, line, blocks))
        return;
    vst_cache_set_clean(cache, line, blocks);
    if (start >= offset_bytes)
        vst_cache_line_doom(cache, line);
    else if ((line->flags & CACHE_FILLING) == 0)
        line->valid &= (uint8_t)~blocks;
}

void vst_cache_drop_from(struct vst_cache *cache, uint64_t offset_bytes, enum vst_status why)
{
    for (uint32_t i = 0; i < cache->n_lines + cache->n_ghosts; i++) {
        struct cache_line *line = &cache->lines[CACHE_N_LISTS + i];
        if (is_resident(line))
            drop_end(cache, line, offset_bytes, why);
    }
}

/* ------------------------------------------------------------------ discard, zeroes, erase */

static void issue(struct vst_cache *cache, struct vst_cache_request *request)
{
    struct cache_slot *slot = vst_cache_slot_take(cache, CACHE_SLOT_RANGE);

    if (slot == NULL)
        return;
    slot->range = (struct vst_block_range){request->offset_bytes >> VST_SECTOR_SHIFT,
                                           request->bytes >> VST_SECTOR_SHIFT};
    slot->request.op = request->op;
    slot->request.n_segments = 1;
    slot->request.ranges = &slot->range;
    slot->request.n_sectors = slot->range.n_sectors;
    enum vst_status status = vst_cache_slot_submit(cache, slot);
    if (status == VST_ERR_FULL)
        return;
    request->status = status;
    request->error_offset = request->offset_bytes;
    request->priv.phase = status == VST_OK ? CACHE_ISSUED : CACHE_ANSWERED;
}

bool vst_cache_step_range(struct vst_cache *cache, struct vst_cache_request *request)
{
    if (cache->flush != NULL && cache->range != request)
        return false;
    if (cache->range != NULL && cache->range != request)
        return false;
    /* 1. Nobody reads or writes there any more. */
    cache->range = request;
    if (request->priv.phase < CACHE_ISSUE) {
        if (!drop_range(cache, request->offset_bytes, request->bytes))
            return false;
        request->priv.phase = CACHE_ISSUE;
    }
    /* 2. The device does it. */
    if (request->priv.phase == CACHE_ISSUE)
        issue(cache, request);
    if (request->priv.phase != CACHE_ANSWERED)
        return false;
    cache->range = NULL;
    return true;
}

/* ------------------------------------------------------------------ a device that changes */

enum vst_status vst_cache_device_status(const struct vst_cache *cache)
{
    const struct vst_block_device *device = cache->queue->device;

    if (device->broken)
        return device->gone ? VST_ERR_GONE : VST_ERR_BROKEN;
    if (device->limits.logical_block_bytes != 1u << cache->block_shift)
        return VST_ERR_MEDIUM_CHANGED;
    return device->removable ? vst_block_medium_status(device) : VST_OK;
}

void vst_cache_take_changes(struct vst_cache *cache)
{
    const struct vst_block_device *device = cache->queue->device;
    uint32_t n_changes = __atomic_load_n(&device->n_changes, __ATOMIC_ACQUIRE);
    enum vst_status status = vst_cache_device_status(cache);
    uint64_t n_sectors = __atomic_load_n(&device->limits.n_sectors, __ATOMIC_RELAXED);

    if (status != VST_OK && status != VST_ERR_BROKEN)
        vst_cache_drop_from(cache, 0, status);
    else if (device->media_id != cache->media_id)
        vst_cache_drop_from(cache, 0, VST_ERR_MEDIUM_CHANGED);
    else if (n_sectors < cache->n_sectors)
        vst_cache_drop_from(cache, n_sectors << VST_SECTOR_SHIFT, VST_ERR_RANGE);
    if (status != VST_OK)
        return; /* until it is well again, each call looks */
    cache->n_changes = n_changes;
    cache->media_id = device->media_id;
    cache->n_sectors = n_sectors;
    cache->end_line = ((n_sectors << VST_SECTOR_SHIFT) + cache->line_mask) >> cache->line_shift;
}
