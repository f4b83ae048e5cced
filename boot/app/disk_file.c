/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <linux/fs.h>

#include "boot/app/disk_file.h"
#include "boot/app/disk_io.h"

#define USUAL_BLOCK_BYTES 4096u

struct disk_file {
    struct disk_io *io;
    struct device_place place;
};

/* Where the file ends now: a whole disk may be resized. */
static uint64_t file_bytes(const struct disk_file *disk, bool fresh)
{
    uint64_t disk_bytes = disk_io_bytes(disk->io, fresh);

    if (disk->place.number == 0)
        return disk_bytes;
    if (disk->place.offset_bytes >= disk_bytes)
        return 0;
    uint64_t room_bytes = disk_bytes - disk->place.offset_bytes;
    return disk->place.bytes < room_bytes ? disk->place.bytes : room_bytes;
}

/* What is left of a transfer of `bytes` at `at`: short at the end of the file. */
static size_t clamp(const struct disk_file *disk, uint64_t at, size_t bytes)
{
    uint64_t end = file_bytes(disk, false);

    return at >= end ? 0 : bytes < end - at ? bytes : (size_t)(end - at);
}

/* O_DIRECT keeps to whole blocks, as programs expect of it. */
static bool is_cut(const struct file *file, const struct disk_file *disk, uint64_t at, size_t bytes)
{
    return (file->flags & O_DIRECT) &&
           ((at | bytes) & (disk_io_device(disk->io)->limits.logical_block_bytes - 1)) != 0;
}

static unsigned how(const struct file *file)
{
    return (file->flags & O_DIRECT ? DISK_IO_DIRECT : 0) |
           (file->flags & (O_SYNC | O_DSYNC) ? DISK_IO_DURABLE : 0);
}

static ssize_t disk_read(struct file *file, uint64_t at, void *buffer, size_t bytes)
{
    struct disk_file *disk = file->object;
    size_t n_done;

    if (is_cut(file, disk, at, bytes))
        return -EINVAL;
    bytes = clamp(disk, at, bytes);
    if (bytes == 0)
        return 0;
    enum vst_status status =
        disk_io_read(disk->io, disk->place.offset_bytes + at, buffer, bytes, how(file), &n_done);
    return n_done > 0 ? (ssize_t)n_done : -errno_of(status);
}

static ssize_t disk_write(struct file *file, uint64_t at, const void *buffer, size_t bytes)
{
    struct disk_file *disk = file->object;
    size_t n_done;

    if (is_cut(file, disk, at, bytes))
        return -EINVAL;
    if (bytes == 0)
        return 0;
    bytes = clamp(disk, at, bytes);
    if (bytes == 0)
        return -ENOSPC;
    enum vst_status status =
        disk_io_write(disk->io, disk->place.offset_bytes + at, buffer, bytes, how(file), &n_done);
    return n_done > 0 ? (ssize_t)n_done : -errno_of(status);
}

static int64_t disk_size(struct file *file)
{
    return (int64_t)file_bytes(file->object, true);
}

static int disk_sync(struct file *file)
{
    const struct disk_file *disk = file->object;

    return -errno_of(disk_io_flush(disk->io));
}

static void fill_status(const struct device_place *place, struct stat *status)
{
    status->st_mode = S_IFBLK | S_IRUSR | S_IWUSR;
    status->st_rdev = (dev_t)place->id;
    status->st_ino = (ino_t)place->id;
    status->st_blksize = USUAL_BLOCK_BYTES;
}

static void disk_status(const struct file *file, struct stat *status)
{
    const struct disk_file *disk = file->object;

    fill_status(&disk->place, status);
}

void disk_file_status(const struct device_place *place, struct stat *status)
{
    fill_status(place, status);
}

static int disk_close(struct file *file)
{
    struct disk_file *disk = file->object;
    enum vst_status status = disk_io_close(disk->io);

    free(disk);
    return -errno_of(status);
}

/* ---------------------------------------------------------------- ioctl */

/* The checks are Linux': what it refuses here, programs do not expect to be done. */
static int on_range(const struct file *file, const struct disk_file *disk, enum vst_block_op op,
                    const uint64_t range[2])
{
    uint64_t at = range[0], bytes = range[1], end = file_bytes(disk, true);
    uint64_t block_mask = disk_io_device(disk->io)->limits.logical_block_bytes - 1;

    if ((file->flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    if (((at | bytes) & block_mask) != 0 || bytes == 0 || at > end || bytes > end - at)
        return -EINVAL;
    at += disk->place.offset_bytes;
    return -errno_of(disk_io_on_range(disk->io, op, at, bytes));
}

/* Those that change something or take time. */
static int command(const struct file *file, const struct disk_file *disk, unsigned long request,
                   const void *argument)
{
    switch (request) {
    case BLKDISCARD:
        return on_range(file, disk, VST_BLOCK_DISCARD, argument);
    case BLKSECDISCARD:
        return on_range(file, disk, VST_BLOCK_SECURE_ERASE, argument);
    case BLKZEROOUT:
        return on_range(file, disk, VST_BLOCK_WRITE_ZEROES, argument);
    case BLKFLSBUF:
        return -errno_of(disk_io_flush(disk->io));
    default:
        return -ENOTTY;
    }
}

static bool is_rotational(const struct vst_block_device *device)
{
    return device->identity != NULL && device->identity->rotational;
}

static int disk_control(struct file *file, unsigned long request, void *argument)
{
    const struct disk_file *disk = file->object;
    const struct vst_block_device *device = disk_io_device(disk->io);
    const struct vst_block_limits *limits = &device->limits;

    if (argument == NULL && request != BLKFLSBUF)
        return -EFAULT;
    switch (request) {
    case BLKGETSIZE64:
        *(uint64_t *)argument = file_bytes(disk, true);
        return 0;
    case BLKGETSIZE:
        *(unsigned long *)argument = file_bytes(disk, true) >> VST_SECTOR_SHIFT;
        return 0;
    case BLKSSZGET:
        *(int *)argument = (int)limits->logical_block_bytes;
        return 0;
    case BLKPBSZGET:
        *(unsigned *)argument = limits->physical_block_bytes;
        return 0;
    case BLKBSZGET:
        *(int *)argument = USUAL_BLOCK_BYTES;
        return 0;
    case BLKIOMIN:
        *(unsigned *)argument =
            limits->min_io_bytes != 0 ? limits->min_io_bytes : limits->physical_block_bytes;
        return 0;
    case BLKIOOPT:
        *(unsigned *)argument = limits->opt_io_bytes;
        return 0;
    case BLKALIGNOFF:
        *(int *)argument = (int)(limits->first_physical_sector << VST_SECTOR_SHIFT);
        return 0;
    case BLKROGET:
        *(int *)argument = device->read_only;
        return 0;
    case BLKROTATIONAL:
        *(unsigned short *)argument = is_rotational(device);
        return 0;
    default:
        return command(file, disk, request, argument);
    }
}

/* ---------------------------------------------------------------- opening */

static const struct file_ops disk_ops = {
    .read = disk_read,
    .write = disk_write,
    .size = disk_size,
    .sync = disk_sync,
    .control = disk_control,
    .status = disk_status,
    .close = disk_close,
    .has_end = true,
};

static enum vst_status check_usable(struct vst_block_device *device, int flags)
{
    (void)!vst_block_refresh(device);
    if (device->gone)
        return VST_ERR_GONE;
    if (device->medium != VST_OK)
        return device->medium;
    return (flags & O_ACCMODE) != O_RDONLY && device->read_only ? VST_ERR_READ_ONLY : VST_OK;
}

int disk_file_open(struct file *file, const struct device_place *place)
{
    struct disk_file *disk = calloc(1, sizeof(*disk));
    enum vst_status status = check_usable(place->device, file->flags);

    if (status == VST_OK && disk != NULL)
        disk->io = disk_io_open(place->device);
    if (status != VST_OK || disk == NULL || disk->io == NULL) {
        free(disk);
        return status != VST_OK ? -errno_of(status) : -ENOMEM;
    }
    disk->place = *place;
    file->ops = &disk_ops;
    file->object = disk;
    return 0;
}
