/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/fake_disk.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static struct fake_disk *disk_of(struct vst_block_queue *queue)
{
    return VST_CONTAINER_OF(queue, struct fake_disk, queue);
}

static void rule(struct fake_disk *disk, bool kept, const char *name)
{
    if (!kept && disk->broken_rule == NULL)
        disk->broken_rule = name;
}

static void check_limits(struct fake_disk *disk, const struct vst_block_part *part)
{
    const struct vst_block_limits *limits = &disk->device.limits;

    rule(disk, part->n_pieces >= 1 && part->n_pieces <= limits->max_segments, "max_segments");
    rule(disk, part->bytes > 0 && part->bytes <= (uint64_t)limits->max_sectors * 512,
         "max_sectors");
    rule(disk, part->bytes % limits->logical_block_bytes == 0, "whole blocks");
    rule(disk, part->start_sector * 512 % limits->logical_block_bytes == 0, "alignment");
    rule(disk, part->start_sector + part->bytes / 512 <= limits->n_sectors, "capacity");
    if (part->n_pieces > disk->max_pieces_seen)
        disk->max_pieces_seen = part->n_pieces;
    if (part->bytes > disk->max_bytes_seen)
        disk->max_bytes_seen = part->bytes;
}

static void check_range_limits(struct fake_disk *disk, const struct vst_block_part *part)
{
    const struct vst_block_range_limits *limits =
        vst_block_range_limits_of(&disk->device.limits, part->op);

    rule(disk, part->n_pieces >= 1 && part->n_pieces <= limits->max_ranges, "max_ranges");
    rule(disk, part->n_sectors > 0 && part->bytes == 0, "ranges carry sectors, no data");
    rule(disk, limits->max_sum_sectors == 0 || part->n_sectors <= limits->max_sum_sectors,
         "max_sum_sectors");
}

static enum vst_status queue_command(struct fake_disk *disk, struct vst_block_request *request,
                                     const struct vst_block_part *part, bool whole)
{
    if (disk->n_waiting == disk->device.limits.depth)
        return VST_ERR_FULL;
    if (vst_block_op_has_ranges(part->op))
        check_range_limits(disk, part);
    else if (part->op != VST_BLOCK_FLUSH)
        check_limits(disk, part);
    disk->waiting[disk->n_waiting++] = (struct fake_disk_command){request, *part, whole};
    disk->n_commands++;
    return VST_OK;
}

static enum vst_status disk_submit(struct vst_block_queue *queue, struct vst_block_request *request)
{
    struct fake_disk *disk = disk_of(queue);
    request->priv.split = false;
    struct vst_block_part part = {
        .op = request->op,
        .start_sector = request->start_sector,
        .n_sectors = request->n_sectors,
        .bytes = (uint32_t)(request->n_sectors * 512),
        .n_pieces = request->n_segments,
        .segments = request->segments,
    };
    for (uint32_t i = 0; i < request->n_segments; i++)
        rule(disk, request->segments[i].bytes <= disk->device.limits.max_segment_bytes,
             "max_segment_bytes");
    return queue_command(disk, request, &part, true);
}

static enum vst_status disk_submit_part(struct vst_block_queue *queue,
                                        struct vst_block_request *request,
                                        const struct vst_block_part *part)
{
    return queue_command(disk_of(queue), request, part, false);
}

/** Carries the part out byte by byte, counting pieces the way a driver has to cut them. */
static enum vst_status carry_out(struct fake_disk *disk, const struct fake_disk_command *command)
{
    const struct vst_block_part *part = &command->part;
    uint64_t at = part->start_sector * 512, left = part->bytes;
    size_t skip = part->skip_bytes;
    uint32_t n_pieces = 0;

    if (disk->fail_sector >= part->start_sector &&
        disk->fail_sector < part->start_sector + part->bytes / 512)
        return VST_ERR_IO;
    for (const struct vst_block_segment *s = part->segments; left > 0; s++, skip = 0) {
        uint64_t bytes = s->bytes - skip < left ? s->bytes - skip : left;
        char *buffer = (char *)s->buffer + skip;
        if (part->op == VST_BLOCK_WRITE)
            memcpy(disk->data + at, buffer, bytes);
        else
            memcpy(buffer, disk->data + at, bytes);
        uint32_t max = disk->device.limits.max_segment_bytes;
        n_pieces += (uint32_t)((bytes + max - 1) / max);
        at += bytes;
        left -= bytes;
    }
    rule(disk, n_pieces == part->n_pieces, "n_pieces is the number of pieces");
    return VST_OK;
}

/** Zeroes the pieces of a part, cut as the library says; the last of them must end where it ends. */
static enum vst_status wipe(struct fake_disk *disk, const struct vst_block_part *part)
{
    const struct vst_block_range_limits *limits =
        vst_block_range_limits_of(&disk->device.limits, part->op);
    const struct vst_block_range *range = part->ranges;
    uint64_t skip = part->skip_bytes, n_sectors = 0;

    for (uint32_t i = 0; i < part->n_pieces; i++) {
        struct vst_block_range piece = vst_block_range_piece(range, skip, limits);
        rule(disk, piece.n_sectors > 0 && piece.n_sectors <= limits->max_sectors,
             "max_sectors of a range");
        if (disk->fail_sector - piece.start_sector < piece.n_sectors)
            return VST_ERR_IO;
        memset(disk->data + piece.start_sector * 512, 0, piece.n_sectors * 512);
        n_sectors += piece.n_sectors;
        skip += piece.n_sectors;
        if (skip == range->n_sectors) {
            range++;
            skip = 0;
        }
    }
    rule(disk, n_sectors == part->n_sectors, "n_sectors is the sum of the pieces");
    return VST_OK;
}

static void disk_kick(struct vst_block_queue *queue)
{
    disk_of(queue)->n_kicks++;
    queue->stats.kicks++;
}

static struct fake_disk_command take(struct fake_disk *disk)
{
    struct fake_disk_command command = disk->waiting[disk->last_first ? disk->n_waiting - 1 : 0];

    disk->n_waiting--;
    if (!disk->last_first)
        memmove(disk->waiting, disk->waiting + 1, disk->n_waiting * sizeof(command));
    return command;
}

static size_t disk_poll(struct vst_block_queue *queue, struct vst_block_request **done, size_t max)
{
    struct fake_disk *disk = disk_of(queue);
    size_t n = 0;

    while (disk->n_waiting > 0 && n < max) {
        struct fake_disk_command command = take(disk);
        struct vst_block_request *request = command.request;
        enum vst_status status = VST_OK;
        if (command.part.op == VST_BLOCK_FLUSH)
            status = ++disk->n_flushes > disk->good_flushes ? VST_ERR_IO : VST_OK;
        else if (vst_block_op_has_ranges(command.part.op))
            status = wipe(disk, &command.part);
        else
            status = carry_out(disk, &command);
        if (command.whole) {
            request->status = status;
            if (status != VST_OK)
                request->error_sector = request->start_sector;
            done[n++] = request;
        } else if (vst_block_part_done(queue, request, command.part.start_sector, status)) {
            done[n++] = request;
        }
    }
    return n;
}

static bool disk_ready(const struct vst_block_queue *queue)
{
    return ((const struct fake_disk *)(const void *)((const char *)queue -
                                                     offsetof(struct fake_disk, queue)))
               ->n_waiting > 0;
}

static const struct vst_block_driver disk_driver = {
    .submit = disk_submit,
    .submit_part = disk_submit_part,
    .kick = disk_kick,
    .poll = disk_poll,
    .ready = disk_ready,
};

void fake_disk_init(struct fake_disk *disk, uint64_t sectors)
{
    *disk = (struct fake_disk){.fail_sector = UINT64_MAX, .good_flushes = UINT_MAX};
    fake_platform_init(&disk->fake, false);
    disk->data = calloc(sectors, 512);
    assert(disk->data != NULL);
    disk->device = (struct vst_block_device){
        .driver_name = "fake",
        .ring_name = "none",
        .platform = &disk->fake.platform,
        .limits = {.n_sectors = sectors,
                   .logical_block_bytes = 512,
                   .physical_block_bytes = 512,
                   .max_segments = 30,
                   .max_segment_bytes = 1u << 20,
                   .max_sectors = 2048,
                   .depth = FAKE_DISK_MAX_DEPTH},
        .write_cache = true,
        .flush_needed = true,
        .n_queues = 1,
        .queues = disk->queue_list,
    };
    disk->queue_list[0] = &disk->queue;
    disk->queue.device = &disk->device;
    disk->queue.driver = &disk_driver;
    vst_block_limits_changed(&disk->device);
}

void fake_disk_destroy(struct fake_disk *disk)
{
    free(disk->data);
}
