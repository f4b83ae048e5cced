/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>

#include "boot/app/disk_io.h"
#include "boot/kernel/disks.h"
#include "boot/kernel/log.h"

struct disk_io {
    struct disk_io *next;
    struct vst_block_device *device; /* NULL once nobody uses it and it is written: it may leave */
    unsigned n_users;
    bool written; /* since the last flush */
    char *bounce; /* a logical block, for those that are cut */
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

/* What is written and not yet flushed keeps the disk until the end. */
static void let_go(struct disk_io *io)
{
    if (io->n_users > 0 || io->written || io->device == NULL)
        return;
    vst_block_let_go(io->device);
    free(io->bounce);
    io->device = NULL;
}

void disk_io_close(struct disk_io *io)
{
    io->n_users--;
    let_go(io);
}

const struct vst_block_device *disk_io_device(const struct disk_io *io)
{
    return io->device;
}

uint64_t disk_io_bytes(struct disk_io *io)
{
    /* Whatever keeps it from looking, the old size stays. */
    (void)!vst_block_refresh(io->device);
    return io->device->limits.n_sectors << VST_SECTOR_SHIFT;
}

/* ---------------------------------------------------------------- transfers */

static struct vst_block_queue *queue_of(const struct disk_io *io)
{
    return io->device->queues[0];
}

enum vst_status disk_io_read(struct disk_io *io, uint64_t offset_bytes, void *buffer, size_t bytes,
                             size_t *n_done)
{
    size_t block_bytes = io->device->limits.logical_block_bytes;
    uint64_t error_offset = offset_bytes;

    disks_look_after();
    enum vst_status status = vst_block_read_bytes(queue_of(io), offset_bytes, buffer, bytes,
                                                  io->bounce, block_bytes, &error_offset);
    *n_done = status == VST_OK              ? bytes
              : error_offset > offset_bytes ? (size_t)(error_offset - offset_bytes)
                                            : 0;
    return status;
}

/* Whole blocks only. */
static enum vst_status write_durably(struct disk_io *io, uint64_t offset_bytes, const void *buffer,
                                     size_t bytes, uint64_t *error_offset)
{
    struct vst_block_segment segment = {(void *)(uintptr_t)buffer, bytes};
    struct vst_block_request request = {
        .op = VST_BLOCK_WRITE_DURABLE,
        .n_segments = 1,
        .segments = &segment,
        .start_sector = offset_bytes >> VST_SECTOR_SHIFT,
        .n_sectors = bytes >> VST_SECTOR_SHIFT,
    };
    enum vst_status status = vst_block_execute(queue_of(io), &request);

    /* What was written before the error may not be durable, so nothing is said to be done. */
    *error_offset = offset_bytes;
    return status;
}

enum vst_status disk_io_write(struct disk_io *io, uint64_t offset_bytes, const void *buffer,
                              size_t bytes, bool durable, size_t *n_done)
{
    size_t block_bytes = io->device->limits.logical_block_bytes;
    uint64_t error_offset = offset_bytes;
    enum vst_status status;

    disks_look_after();
    io->written = true;
    if (durable && ((offset_bytes | bytes) & (block_bytes - 1)) == 0)
        status = write_durably(io, offset_bytes, buffer, bytes, &error_offset);
    else
        status = vst_block_write_bytes(queue_of(io), offset_bytes, buffer, bytes, io->bounce,
                                       block_bytes, &error_offset);
    if (status == VST_OK && durable && ((offset_bytes | bytes) & (block_bytes - 1)) != 0)
        status = disk_io_flush(io);
    *n_done = status == VST_OK                          ? bytes
              : !durable && error_offset > offset_bytes ? (size_t)(error_offset - offset_bytes)
                                                        : 0;
    return status;
}

enum vst_status disk_io_flush(struct disk_io *io)
{
    disks_look_after();
    enum vst_status status = vst_block_flush(queue_of(io));
    if (status == VST_OK)
        io->written = false;
    return status;
}

enum vst_status disk_io_on_range(struct disk_io *io, enum vst_block_op op, uint64_t offset_bytes,
                                 uint64_t bytes)
{
    struct vst_block_range range = {offset_bytes >> VST_SECTOR_SHIFT, bytes >> VST_SECTOR_SHIFT};

    disks_look_after();
    io->written = true;
    return vst_block_on_range(queue_of(io), op, range, NULL);
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
