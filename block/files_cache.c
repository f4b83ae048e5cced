/* SPDX-License-Identifier: BSD-2-Clause */
/* A range of a device as a source of files, through a cache. */
#include <vstor/cache.h>
#include <vstor/files.h>

static enum vst_status read_cache(void *ctx, uint64_t offset_bytes, void *buffer, size_t bytes)
{
    const struct vst_files_cached *cached = ctx;

    return vst_cache_read(cached->cache, cached->offset_bytes + offset_bytes, buffer, bytes, NULL);
}

void vst_files_source_of_cache(struct vst_files_source *source, struct vst_files_cached *cached)
{
    /* To a cache any byte is as good as another. */
    *source = (struct vst_files_source){
        .ctx = cached, .bytes = cached->bytes, .block_bytes = VST_SECTOR_BYTES, .read = read_cache};
}
