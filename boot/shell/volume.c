/* SPDX-License-Identifier: BSD-2-Clause */
#include "volume.h"

#include <stdio.h>
#include <stdlib.h>

#include "caches.h"
#include "progress.h"

#define CACHE_BYTES (4u * 1024u * 1024u) /* from that on it reads ahead by 128 KiB and more */
#define AHEAD_BYTES (768u * 1024u)       /* of that much a read goes beyond the end of a file */
#define PIECE_BYTES (128u * 1024u)
#define LARGE_BYTES (256u * 1024u) /* nobody reads that twice */

bool volume_fail(const struct shell_context *context, const char *path, enum vst_status status)
{
    if (status == VST_ERR_NOT_FOUND)
        return shell_fail(context, status, "%s: no such file or directory", path);
    if (status == VST_ERR_TOO_LARGE)
        return shell_fail(context, status, "that path is too long");
    return shell_fail(context, status, "%s: %s", path, vst_status_text(status));
}

static enum vst_status open_cache(struct vst_block_queue *queue, const struct vst_extent *extent,
                                  struct volume *volume)
{
    struct vst_cache_config config = {.queue = queue,
                                      .memory_bytes = CACHE_BYTES,
                                      .mode = VST_CACHE_WRITE_THROUGH,
                                      .max_ahead_bytes = AHEAD_BYTES};

    volume->cache_memory = config.memory = malloc(config.memory_bytes);
    if (config.memory == NULL)
        return VST_ERR_NO_MEMORY;
    volume->cached.offset_bytes = extent->offset_bytes;
    volume->cached.bytes = extent->bytes;
    volume->cached.past = queue;
    volume->cached.past_bytes = LARGE_BYTES;
    enum vst_status status = vst_cache_open(&volume->cached.cache, &config);
    if (status == VST_OK)
        caches_opened(queue, volume->cached.cache);
    return status;
}

static enum vst_status open_files(struct volume *volume)
{
    struct vst_files_source source;

    vst_files_source_of_cache(&source, &volume->cached);
    return vst_files_open(&volume->files, &source, volume->memory, sizeof(volume->memory));
}

enum vst_status volume_try(struct vst_block_queue *queue, const struct vst_extent *extent,
                           struct volume **volume)
{
    struct volume *opened = calloc(1, sizeof(*opened));
    enum vst_status status = VST_ERR_NO_MEMORY;

    if (opened != NULL)
        status = open_cache(queue, extent, opened);
    if (status == VST_OK)
        status = open_files(opened);
    if (status != VST_OK) {
        volume_close(opened);
        opened = NULL;
    }
    *volume = opened;
    return status;
}

struct volume *volume_open(const struct shell_context *context)
{
    struct vst_extent extent = context->extent;
    struct volume *volume;

    if (!shell_range_is_inside(context, 0, 0))
        return NULL;
    extent.bytes = shell_extent_bytes(context);
    enum vst_status status = volume_try(context->queue, &extent, &volume);
    if (status == VST_ERR_NOT_FOUND)
        shell_fail(context, status, "neither FAT nor ISO 9660");
    else if (status == VST_ERR_NO_MEMORY)
        shell_fail(context, status, "no memory for the volume");
    else if (status != VST_OK)
        shell_fail(context, status, "the file system: %s", vst_status_text(status));
    return volume;
}

void volume_close(struct volume *volume)
{
    if (volume == NULL)
        return;
    /* Nothing was written, so there is nothing that could get lost. */
    if (volume->cached.cache != NULL &&
        caches_close(volume->cached.past, volume->cached.cache) != VST_OK)
        puts("the cache could not be closed");
    free(volume->cache_memory);
    free(volume);
}

bool volume_find_file(const struct shell_context *context, struct volume *volume, const char *path,
                      bool follow, struct vst_file *file)
{
    enum vst_status status = vst_files_find(&volume->files, path, follow, file);

    return status == VST_OK || volume_fail(context, path, status);
}

static enum stream_outcome stream(const struct shell_context *context, struct volume *volume,
                                  struct vst_file *file, const char *path, stream_function *consume,
                                  void *user, uint8_t *piece)
{
    struct progress progress;
    enum stream_outcome outcome = STREAM_DONE;

    progress_begin(&progress, context, file->bytes);
    for (uint64_t at = 0; at < file->bytes && outcome == STREAM_DONE;) {
        size_t n;
        enum vst_status status = vst_files_read(&volume->files, file, at, piece, PIECE_BYTES, &n);
        if (n > 0 && !consume(user, at, piece, n))
            outcome = STREAM_REFUSED;
        at += n;
        if (outcome == STREAM_DONE && status != VST_OK) {
            progress_end(&progress);
            shell_fail(context, status, "%s: %s at byte %llu of the file", path,
                       vst_status_text(status), (unsigned long long)at);
            outcome = STREAM_FAILED;
        }
        if (outcome == STREAM_DONE && !progress_step(&progress, at)) {
            progress_end(&progress);
            shell_fail_interrupted(context);
            outcome = STREAM_FAILED;
        }
    }
    progress_end(&progress);
    return outcome;
}

enum stream_outcome volume_stream(const struct shell_context *context, struct volume *volume,
                                  struct vst_file *file, const char *path, stream_function *consume,
                                  void *user)
{
    enum stream_outcome outcome = STREAM_FAILED;
    uint8_t *piece = malloc(PIECE_BYTES);

    if (piece == NULL)
        shell_fail(context, VST_ERR_NO_MEMORY, "no memory for the data");
    else if (file->type == VST_FILE_DIRECTORY)
        shell_fail(context, VST_ERR_INVALID, "%s is a directory", path);
    else if (file->type != VST_FILE_REGULAR)
        shell_fail(context, VST_ERR_UNSUPPORTED, "%s is no regular file", path);
    else
        outcome = stream(context, volume, file, path, consume, user, piece);
    free(piece);
    return outcome;
}
