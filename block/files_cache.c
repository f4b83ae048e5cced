/* SPDX-License-Identifier: BSD-2-Clause */
/* A range of a device as a source of files, through a cache. */
#include <vstor/cache.h>
#include <vstor/files.h>

/** How many of the bytes go past the cache: whole blocks, if there are enough of them. */
static size_t bytes_past(const struct vst_files_cached *cached, uint64_t at_bytes, size_t bytes)
{
    if (cached->past == NULL)
        return 0;
    uint32_t block_mask = cached->past->device->limits.logical_block_bytes - 1;
    size_t whole = bytes & ~(size_t)block_mask;
    return (at_bytes & block_mask) == 0 && whole >= cached->past_bytes ? whole : 0;
}

static enum vst_status read_cache(void *ctx, uint64_t offset_bytes, void *buffer, size_t bytes)
{
    const struct vst_files_cached *cached = ctx;
    uint64_t at_bytes = cached->offset_bytes + offset_bytes;
    size_t past = bytes_past(cached, at_bytes, bytes);
    enum vst_status status = VST_OK;

    if (past > 0)
        status = vst_block_read_bytes(cached->past, at_bytes, buffer, past, NULL, 0, NULL);
    if (status != VST_OK || past == bytes)
        return status;
    return vst_cache_read(cached->cache, at_bytes + past, (uint8_t *)buffer + past, bytes - past,
                          NULL);
}

void vst_files_source_of_cache(struct vst_files_source *source, struct vst_files_cached *cached)
{
    /* To a cache any byte is as good as another. */
    *source = (struct vst_files_source){
        .ctx = cached, .bytes = cached->bytes, .block_bytes = VST_SECTOR_BYTES, .read = read_cache};
}
