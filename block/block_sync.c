/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocking calls on top of submit, kick and poll; byte ranges on top of blocks. */
#include "block/request_list.h"

#define POLL_BATCH 8

/** Polls once; true if `wanted` has ended. What ended for others goes to their list. */
static bool poll_once(struct vst_block_queue *queue, const struct vst_block_request *wanted,
                      struct vst_block_request_list *others)
{
    struct vst_block_request *done[POLL_BATCH];
    bool found = false;
    size_t n = vst_block_poll(queue, done, POLL_BATCH);

    for (size_t i = 0; i < n; i++) {
        if (done[i] == wanted)
            found = true;
        else
            request_list_append(others, done[i]);
    }
    if (n == 0)
        queue->device->platform->relax(queue->device->platform->ctx);
    return found;
}

enum vst_status vst_block_execute(struct vst_block_queue *queue, struct vst_block_request *request)
{
    struct vst_block_request_list others = {0};
    enum vst_status status = vst_block_submit(queue, request);

    /* A full ring empties: every command ends, by its answer or by the time-out. */
    while (status == VST_ERR_FULL) {
        vst_block_kick(queue);
        poll_once(queue, request, &others);
        status = vst_block_submit(queue, request);
    }
    if (status == VST_OK) {
        vst_block_kick(queue);
        while (!poll_once(queue, request, &others))
            ;
        status = request->status;
    } else {
        request->error_sector = request->start_sector;
    }
    while (others.first != NULL)
        request_list_append(&queue->ready, request_list_take(&others));
    vst_block_rest(queue);
    return status;
}

enum vst_status vst_block_flush(struct vst_block_queue *queue)
{
    struct vst_block_request request = {.op = VST_BLOCK_FLUSH};

    return vst_block_execute(queue, &request);
}

enum vst_status vst_block_on_range(struct vst_block_queue *queue, enum vst_block_op op,
                                   struct vst_block_range range, uint64_t *error_sector)
{
    struct vst_block_request request = {
        .op = op, .n_segments = 1, .ranges = &range, .n_sectors = range.n_sectors};
    enum vst_status status = vst_block_execute(queue, &request);

    if (status != VST_OK && error_sector != NULL)
        *error_sector = request.error_sector;
    return status;
}

/* ------------------------------------------------------------------ byte ranges */

/** One walk over a byte range. */
struct byte_walk {
    struct vst_block_queue *queue;
    enum vst_block_op op;
    uint64_t offset_bytes;
    char *buffer;
    size_t left_bytes;
    char *bounce;
    uint64_t error_offset;
};

/** Transfers whole blocks; a caller's memory or the bounce buffer. */
static enum vst_status transfer(struct byte_walk *walk, enum vst_block_op op, uint64_t offset_bytes,
                                void *buffer, size_t bytes)
{
    struct vst_block_segment segment = {buffer, bytes};
    struct vst_block_request request = {
        .op = op,
        .n_segments = 1,
        .segments = &segment,
        .start_sector = offset_bytes >> VST_SECTOR_SHIFT,
        .n_sectors = bytes >> VST_SECTOR_SHIFT,
    };
    enum vst_status status = vst_block_execute(walk->queue, &request);

    if (status != VST_OK)
        walk->error_offset = request.error_sector << VST_SECTOR_SHIFT;
    return status;
}

/** The part of the range that lies in one block and does not fill it: through the bounce buffer. */
static enum vst_status cut_block(struct byte_walk *walk, size_t block_bytes, size_t *bytes)
{
    size_t in_block = walk->offset_bytes & (block_bytes - 1);
    uint64_t block_offset = walk->offset_bytes - in_block;

    *bytes = block_bytes - in_block < walk->left_bytes ? block_bytes - in_block : walk->left_bytes;
    enum vst_status status =
        transfer(walk, VST_BLOCK_READ, block_offset, walk->bounce, block_bytes);
    if (status != VST_OK)
        return status;
    if (walk->op == VST_BLOCK_READ) {
        __builtin_memcpy(walk->buffer, walk->bounce + in_block, *bytes);
        return VST_OK;
    }
    __builtin_memcpy(walk->bounce + in_block, walk->buffer, *bytes);
    return transfer(walk, VST_BLOCK_WRITE, block_offset, walk->bounce, block_bytes);
}

static enum vst_status check_range(const struct byte_walk *walk, size_t bounce_bytes,
                                   uint64_t *error_offset)
{
    const struct vst_block_device *device = walk->queue->device;
    uint64_t capacity_bytes = device->limits.n_sectors << VST_SECTOR_SHIFT;
    uint64_t block_mask = device->limits.logical_block_bytes - 1;

    *error_offset = walk->offset_bytes;
    if (walk->op == VST_BLOCK_WRITE && device->read_only)
        return VST_ERR_READ_ONLY;
    if (walk->offset_bytes > capacity_bytes ||
        walk->left_bytes > capacity_bytes - walk->offset_bytes) {
        if (walk->offset_bytes < capacity_bytes)
            *error_offset = capacity_bytes;
        return VST_ERR_RANGE;
    }
    if (((walk->offset_bytes | walk->left_bytes) & block_mask) != 0 &&
        (walk->bounce == NULL || bounce_bytes < device->limits.logical_block_bytes))
        return VST_ERR_INVALID;
    return VST_OK;
}

static enum vst_status walk_bytes(struct byte_walk *walk, size_t bounce_bytes,
                                  uint64_t *error_offset)
{
    size_t block_bytes = walk->queue->device->limits.logical_block_bytes;
    enum vst_status status = check_range(walk, bounce_bytes, &walk->error_offset);

    while (status == VST_OK && walk->left_bytes > 0) {
        size_t bytes = walk->left_bytes & ~(block_bytes - 1);
        if ((walk->offset_bytes & (block_bytes - 1)) != 0 || bytes == 0)
            status = cut_block(walk, block_bytes, &bytes);
        else
            status = transfer(walk, walk->op, walk->offset_bytes, walk->buffer, bytes);
        walk->offset_bytes += bytes;
        walk->buffer += bytes;
        walk->left_bytes -= bytes;
    }
    if (status != VST_OK && error_offset != NULL)
        *error_offset = walk->error_offset;
    return status;
}

enum vst_status vst_block_read_bytes(struct vst_block_queue *queue, uint64_t offset_bytes,
                                     void *buffer, size_t bytes, void *bounce, size_t bounce_bytes,
                                     uint64_t *error_offset)
{
    struct byte_walk walk = {queue, VST_BLOCK_READ, offset_bytes, buffer, bytes, bounce, 0};

    return walk_bytes(&walk, bounce_bytes, error_offset);
}

enum vst_status vst_block_write_bytes(struct vst_block_queue *queue, uint64_t offset_bytes,
                                      const void *buffer, size_t bytes, void *bounce,
                                      size_t bounce_bytes, uint64_t *error_offset)
{
    /* The buffer is only read: the request's segments are one type for both directions. */
    struct byte_walk walk = {
        queue, VST_BLOCK_WRITE, offset_bytes, (char *)(uintptr_t)buffer, bytes, bounce, 0};

    return walk_bytes(&walk, bounce_bytes, error_offset);
}
