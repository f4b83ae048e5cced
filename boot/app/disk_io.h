/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks as programs use them: bytes, through a cache (vstor/cache.h), or past it. The one place where
 * files meet the block layer.
 *
 * Writing back is done by fsync, when a disk is closed for the last time, and at the end of the
 * program at the latest: nothing goes on running behind a program that has ended. Who goes past the
 * cache sees what is in it, and the other way round; that costs a flush each time, but nothing where
 * nobody uses the cache.
 */
#ifndef VSTOR_APP_DISK_IO_H
#define VSTOR_APP_DISK_IO_H

#include <vstor/block.h>

struct disk_io;

/** The same one each time, held until as many disk_io_close. NULL: no memory. */
struct disk_io *disk_io_open(struct vst_block_device *device);
/** Writes back if nobody else uses it. An error is that of the flush: it is tried again at the end. */
enum vst_status disk_io_close(struct disk_io *io) VST_MUST_USE;

const struct vst_block_device *disk_io_device(const struct disk_io *io);

/** Its size in bytes: as it is now if `fresh`, else as it was when it was last looked at. */
uint64_t disk_io_bytes(struct disk_io *io, bool fresh);

/** How a transfer is to be done; any of them. */
enum disk_io_how {
    DISK_IO_DIRECT = 1, /**< past the cache */
    DISK_IO_DURABLE = 2 /**< written: it is durable when VST_OK is returned */
};

/** *n_done: how many bytes, from the first on, were transferred, also on errors. All block. */
enum vst_status disk_io_read(struct disk_io *io, uint64_t offset_bytes, void *buffer, size_t bytes,
                             unsigned how, size_t *n_done) VST_MUST_USE;
enum vst_status disk_io_write(struct disk_io *io, uint64_t offset_bytes, const void *buffer,
                              size_t bytes, unsigned how, size_t *n_done) VST_MUST_USE;
/** All that was written is durable when this returns VST_OK. */
enum vst_status disk_io_flush(struct disk_io *io) VST_MUST_USE;
/** An operation on a range of whole logical blocks: see vst_block_on_range. Zeroes are written where
 * the disk has no command for it. */
enum vst_status disk_io_on_range(struct disk_io *io, enum vst_block_op op, uint64_t offset_bytes,
                                 uint64_t bytes) VST_MUST_USE;

/** Flushes every disk that was written since its last flush. False if that failed: it is in the log. */
bool disk_io_end(void) VST_MUST_USE;

/** Errors as C has them: a positive errno, 0 for VST_OK. */
int errno_of(enum vst_status status);

#endif
