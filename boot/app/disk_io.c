/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <vstor/cache.h>

#include "boot/app/disk_io.h"
#include "boot/kernel/disks.h"
#include "boot/kernel/log.h"
#include "boot/kernel/memory.h"

#define MOST_CACHE_BYTES (16ull << 20)
#define CACHE_PART       8u /* of the memory that is left at most */
#define ZEROES_BYTES     65536u

struct disk_io {
    struct disk_io *next;
    struct vst_block_device *device; /* NULL once nobody uses it and it is written: it may leave */
    struct vst_cache *cache;         /* NULL until the first use of it, or without memory */
    void *cache_memory;
    unsigned n_users;
    bool written; /* since the last flush */
    char *bounce; /* a logical block, for those that are cut, past the cache */
};

static struct disk_io *all;

static struct disk_io *find(const struct vst_block_device *device)
{
    struct disk_io *io = all;

    while (io != NULL && io->device != device)
        io = io->next;
    return io;
}

static struct disk_io *add(void)
{
    struct disk_io *io = find(NULL);

    if (io == NULL) {
        io = calloc(1, sizeof(*io));
        if (io == NULL)
            return NULL;
        io->next = all;
        all = io;
    }
    return io;
}

struct disk_io *disk_io_open(struct vst_block_device *device)
{
    struct disk_io *io = find(device);

    if (io == NULL) {
        char *bounce = malloc(device->limits.logical_block_bytes);
        io = bounce != NULL ? add() : NULL;
        if (io == NULL) {
            free(bounce);
            return NULL;
        }
        io->device = device;
        io->bounce = bounce;
        vst_block_hold(device);
    }
    io->n_users++;
    return io;
}

static struct vst_block_queue *queue_of(const struct disk_io *io)
{
    return io->device->queues[0];
}

/* ---------------------------------------------------------------- the cache */

/* Without memory for one there is none, which is slower and nothing else. */
static struct vst_cache *cache_of(struct disk_io *io)
{
    uint64_t bytes = (memory_heap_bytes() - memory_heap_used_bytes()) / CACHE_PART;

    if (io->cache_memory != NULL)
        return io->cache;
    bytes = bytes < MOST_CACHE_BYTES ? bytes : MOST_CACHE_BYTES;
    if (bytes < vst_cache_min_bytes(&io->device->limits))
        return NULL;
    io->cache_memory = malloc(bytes);
    struct vst_cache_config config = {.queue = queue_of(io),
                                      .memory = io->cache_memory,
                                      .memory_bytes = bytes,
                                      .mode = VST_CACHE_WRITE_BACK};
    if (io->cache_memory == NULL || vst_cache_open(&io->cache, &config) != VST_OK)
        io->cache = NULL;
    return io->cache;
}

static void close_cache(struct disk_io *io)
{
    /* It was flushed, or that has failed and was told. */
    if (io->cache != NULL)
        (void)!vst_cache_close(io->cache);
    free(io->cache_memory);
    io->cache = NULL;
    io->cache_memory = NULL;
}

/* Before the device is used past it: what is in it goes to the device. */
static enum vst_status write_back(struct disk_io *io)
{
    return io->cache != NULL && io->written ? vst_cache_flush(io->cache, NULL) : VST_OK;
}

/* After something was written past it. */
static void forget(struct disk_io *io)
{
    if (io->cache != NULL)
        vst_cache_invalidate(io->cache);
}

enum vst_status disk_io_flush(struct disk_io *io)
{
    disks_look_after();
    enum vst_status status = write_back(io);
    if (status == VST_OK && (io->cache == NULL || !io->written))
        status = vst_block_flush(queue_of(io));
    if (status == VST_OK)
        io->written = false;
    return status;
}

enum vst_status disk_io_close(struct disk_io *io)
{
    enum vst_status status = VST_OK;

    if (--io->n_users > 0)
        return VST_OK;
    if (io->written)
        status = disk_io_flush(io);
    if (status != VST_OK && !io->device->gone)
        return status; /* it may go better at the end */
    close_cache(io);
    vst_block_let_go(io->device);
    free(io->bounce);
    io->device = NULL;
    io->written = false;
    return status;
}

const struct vst_block_device *disk_io_device(const struct disk_io *io)
{
    return io->device;
}

uint64_t disk_io_bytes(struct disk_io *io, bool fresh)
{
    /* Whatever keeps it from looking, the old size stays. */
    if (fresh)
        (void)!vst_block_refresh(io->device);
    return io->device->limits.n_sectors << VST_SECTOR_SHIFT;
}

/* ---------------------------------------------------------------- transfers */

static size_t done_bytes(enum vst_status status, uint64_t offset_bytes, size_t bytes,
                         uint64_t error_offset)
{
    if (status == VST_OK)
        return bytes;
    return error_offset > offset_bytes ? (size_t)(error_offset - offset_bytes) : 0;
}

enum vst_status disk_io_read(struct disk_io *io, uint64_t offset_bytes, void *buffer, size_t bytes,
                             unsigned how, size_t *n_done)
{
    struct vst_cache *cache = how & DISK_IO_DIRECT ? NULL : cache_of(io);
    uint64_t error_offset = offset_bytes;
    enum vst_status status = VST_OK;

    disks_look_after();
    if (cache != NULL) {
        status = vst_cache_read(cache, offset_bytes, buffer, bytes, &error_offset);
    } else {
        status = write_back(io);
        if (status == VST_OK)
            status = vst_block_read_bytes(queue_of(io), offset_bytes, buffer, bytes, io->bounce,
                                          io->device->limits.logical_block_bytes, &error_offset);
    }
    *n_done = done_bytes(status, offset_bytes, bytes, error_offset);
    return status;
}

static enum vst_status write_direct(struct disk_io *io, uint64_t offset_bytes, const void *buffer,
                                    size_t bytes, uint64_t *error_offset)
{
    enum vst_status status = write_back(io);

    if (status != VST_OK)
        return status;
    status = vst_block_write_bytes(queue_of(io), offset_bytes, buffer, bytes, io->bounce,
                                   io->device->limits.logical_block_bytes, error_offset);
    forget(io);
    return status;
}

/* Whole blocks become durable by the write itself where the device can do that. */
static enum vst_status write_durably(struct disk_io *io, uint64_t offset_bytes, const void *buffer,
                                     size_t bytes)
{
    struct vst_block_segment segment = {(void *)(uintptr_t)buffer, bytes};
    struct vst_block_request request = {
        .op = VST_BLOCK_WRITE_DURABLE,
        .n_segments = 1,
        .segments = &segment,
        .start_sector = offset_bytes >> VST_SECTOR_SHIFT,
        .n_sectors = bytes >> VST_SECTOR_SHIFT,
    };

    return vst_block_execute(queue_of(io), &request);
}

static bool is_whole(const struct disk_io *io, uint64_t offset_bytes, uint64_t bytes)
{
    return ((offset_bytes | bytes) & (io->device->limits.logical_block_bytes - 1)) == 0;
}

enum vst_status disk_io_write(struct disk_io *io, uint64_t offset_bytes, const void *buffer,
                              size_t bytes, unsigned how, size_t *n_done)
{
    bool durable = how & DISK_IO_DURABLE;
    struct vst_cache *cache = how & DISK_IO_DIRECT ? NULL : cache_of(io);
    uint64_t error_offset = offset_bytes;
    enum vst_status status;

    disks_look_after();
    *n_done = 0;
    if (durable && cache == NULL && io->cache == NULL && is_whole(io, offset_bytes, bytes)) {
        status = write_durably(io, offset_bytes, buffer, bytes);
        *n_done = status == VST_OK ? bytes : 0;
        return status;
    }
    status = cache != NULL ? vst_cache_write(cache, offset_bytes, buffer, bytes, &error_offset)
                           : write_direct(io, offset_bytes, buffer, bytes, &error_offset);
    io->written = true;
    if (durable && status == VST_OK)
        status = disk_io_flush(io);
    /* What was written before an error is not durable. */
    if (!durable || status == VST_OK)
        *n_done = done_bytes(status, offset_bytes, bytes, error_offset);
    return status;
}

/* ---------------------------------------------------------------- ranges */

static enum vst_status write_zeroes(struct disk_io *io, uint64_t at, uint64_t bytes)
{
    void *zeroes = calloc(1, ZEROES_BYTES);
    enum vst_status status = zeroes != NULL ? VST_OK : VST_ERR_NO_MEMORY;
    size_t n_done;

    while (status == VST_OK && bytes > 0) {
        size_t piece = bytes < ZEROES_BYTES ? (size_t)bytes : ZEROES_BYTES;
        status = disk_io_write(io, at, zeroes, piece, 0, &n_done);
        at += piece;
        bytes -= piece;
    }
    free(zeroes);
    return status;
}

enum vst_status disk_io_on_range(struct disk_io *io, enum vst_block_op op, uint64_t offset_bytes,
                                 uint64_t bytes)
{
    struct vst_block_range range = {offset_bytes >> VST_SECTOR_SHIFT, bytes >> VST_SECTOR_SHIFT};
    enum vst_status status = write_back(io);

    disks_look_after();
    if (status != VST_OK)
        return status;
    status = vst_block_on_range(queue_of(io), op, range, NULL);
    forget(io);
    io->written = true;
    if (status == VST_ERR_UNSUPPORTED && op == VST_BLOCK_WRITE_ZEROES)
        status = write_zeroes(io, offset_bytes, bytes);
    return status;
}

bool disk_io_end(void)
{
    bool sound = true;

    for (struct disk_io *io = all; io != NULL; io = io->next) {
        enum vst_status status = io->written ? disk_io_flush(io) : VST_OK;
        if (status == VST_OK)
            continue;
        log_printf(VST_LOG_ERROR, "%s: flush at the end of the program: %s", io->device->name,
                   vst_status_text(status));
        sound = false;
    }
    return sound;
}

/* ---------------------------------------------------------------- errors */

int errno_of(enum vst_status status)
{
    switch (status) {
    case VST_OK:
        return 0;
    case VST_ERR_NO_MEMORY:
        return ENOMEM;
    case VST_ERR_INVALID:
    case VST_ERR_RANGE:
        return EINVAL;
    case VST_ERR_READ_ONLY:
        return EROFS;
    case VST_ERR_UNSUPPORTED:
        return EOPNOTSUPP;
    case VST_ERR_NO_SPACE:
        return ENOSPC;
    case VST_ERR_NOT_READY:
        return EAGAIN;
    case VST_ERR_RESERVED:
        return EBUSY;
    case VST_ERR_NO_MEDIUM: /* newlib knows no ENOMEDIUM */
    case VST_ERR_MEDIUM_CHANGED:
    case VST_ERR_NOT_FOUND:
    case VST_ERR_GONE:
        return ENXIO;
    case VST_ERR_TIMEOUT:
        return ETIMEDOUT;
    default:
        return EIO;
    }
}
