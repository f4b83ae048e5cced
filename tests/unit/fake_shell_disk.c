/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_shell_disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct shell_disk *disk_of(const struct vst_block_queue *queue)
{
    return VST_CONTAINER_OF(queue->device, struct shell_disk, device);
}

static enum vst_status take(struct shell_disk *disk, struct shell_disk_command command)
{
    enum vst_block_op op = command.request->op;

    if (disk->break_after == 0) {
        disk->device.broken = true;
        disk->device.broken_why = "used id out of range";
        return VST_ERR_BROKEN;
    }
    disk->break_after--;
    if (disk->n_pending == disk->device.limits.depth)
        return VST_ERR_FULL;
    disk->pending[disk->n_pending++] = command;
    disk->queue.stats.commands[op]++;
    disk->queue.stats.sectors[op] +=
        command.is_part ? command.part.bytes / VST_SECTOR_BYTES : command.request->n_sectors;
    if (disk->n_pending > disk->max_in_flight)
        disk->max_in_flight = disk->n_pending;
    return VST_OK;
}

static enum vst_status fake_submit(struct vst_block_queue *queue, struct vst_block_request *request)
{
    return take(disk_of(queue), (struct shell_disk_command){.request = request});
}

static enum vst_status fake_submit_part(struct vst_block_queue *queue,
                                        struct vst_block_request *request,
                                        const struct vst_block_part *part)
{
    return take(disk_of(queue),
                (struct shell_disk_command){.request = request, .is_part = true, .part = *part});
}

static void fake_kick(struct vst_block_queue *queue)
{
    struct shell_disk *disk = disk_of(queue);

    if (disk->n_visible == disk->n_pending)
        return;
    disk->n_visible = disk->n_pending;
    queue->stats.kicks++;
}

static void move_bytes(struct shell_disk *disk, enum vst_block_op op, uint64_t offset, void *buffer,
                       size_t bytes)
{
    if (op == VST_BLOCK_READ)
        memcpy(buffer, disk->data + offset, bytes);
    else
        memcpy(disk->data + offset, buffer, bytes);
}

static void note_write(struct shell_disk *disk, uint64_t sector, uint64_t n_sectors)
{
    if (sector < disk->first_written_sector)
        disk->first_written_sector = sector;
    if (sector + n_sectors > disk->end_written_sector)
        disk->end_written_sector = sector + n_sectors;
}

/* Carries the command out, and says how it went. */
static enum vst_status carry_out(struct shell_disk *disk, const struct shell_disk_command *command,
                                 uint64_t *first_sector)
{
    const struct vst_block_request *request = command->request;
    uint64_t bytes = command->is_part ? command->part.bytes : request->n_sectors * VST_SECTOR_BYTES;
    const struct vst_block_segment *segment =
        command->is_part ? command->part.segments : request->segments;
    size_t skip = command->is_part ? command->part.skip_bytes : 0;

    *first_sector = command->is_part ? command->part.start_sector : request->start_sector;
    if (request->op == VST_BLOCK_FLUSH)
        return disk->flush_status;
    uint64_t offset = *first_sector * VST_SECTOR_BYTES;
    if (disk->bad_sector < *first_sector + bytes / VST_SECTOR_BYTES &&
        *first_sector < vst_add_saturated_u64(disk->bad_sector, disk->n_bad_sectors))
        return VST_ERR_IO;
    if (request->op == VST_BLOCK_WRITE)
        note_write(disk, *first_sector, bytes / VST_SECTOR_BYTES);
    if (request->op != VST_BLOCK_READ && disk->lost_sector == *first_sector)
        return VST_OK;
    for (; bytes > 0; segment++, skip = 0) {
        size_t n = segment->bytes - skip < bytes ? segment->bytes - skip : (size_t)bytes;
        move_bytes(disk, request->op, offset, (uint8_t *)segment->buffer + skip, n);
        offset += n;
        bytes -= n;
    }
    return VST_OK;
}

static struct shell_disk_command pick(struct shell_disk *disk)
{
    size_t at = disk->newest_first ? disk->n_visible - 1 : 0;
    struct shell_disk_command command = disk->pending[at];

    memmove(&disk->pending[at], &disk->pending[at + 1],
            (disk->n_pending - at - 1) * sizeof(command));
    disk->n_pending--;
    disk->n_visible--;
    return command;
}

static size_t fake_poll(struct vst_block_queue *queue, struct vst_block_request **done, size_t max)
{
    struct shell_disk *disk = disk_of(queue);
    size_t n = 0;

    if (disk->n_empty_polls++ < disk->late_polls + (disk->n_slow > 0 ? 1000 : 0))
        return 0;
    disk->n_empty_polls = 0;
    while (n < max && n < disk->per_poll && disk->n_visible > 0) {
        struct shell_disk_command command = pick(disk);
        uint64_t sector;
        enum vst_status status = carry_out(disk, &command, &sector);
        disk->n_slow -= disk->n_slow > 0;
        disk->queue.stats.errors += status != VST_OK;
        if (command.is_part) {
            if (vst_block_part_done(queue, command.request, sector, status))
                done[n++] = command.request;
            continue;
        }
        command.request->status = status;
        if (status != VST_OK)
            command.request->error_sector = sector;
        done[n++] = command.request;
    }
    return n;
}

static bool fake_ready(const struct vst_block_queue *queue)
{
    struct shell_disk *disk = disk_of(queue);

    return disk->n_visible > 0 && ++disk->n_looks % 3 == 0;
}

static enum vst_status fake_refresh(struct vst_block_device *device)
{
    struct shell_disk *disk = VST_CONTAINER_OF(device, struct shell_disk, device);

    if (disk->refreshes_until_resize > 0 && --disk->refreshes_until_resize == 0) {
        device->limits.n_sectors /= 2;
        vst_block_limits_changed(device);
    }
    return VST_OK;
}

static enum vst_status fake_set_write_cache(struct vst_block_device *device, bool on)
{
    device->write_cache = on;
    vst_block_limits_changed(device);
    return VST_OK;
}

static const struct vst_block_driver fake_driver = {
    .submit = fake_submit,
    .submit_part = fake_submit_part,
    .kick = fake_kick,
    .poll = fake_poll,
    .ready = fake_ready,
    .refresh = fake_refresh,
    .set_write_cache = fake_set_write_cache,
};

void shell_disk_make(struct shell_disk *disk, const struct vst_platform *platform,
                     uint64_t n_sectors, uint32_t logical_block_bytes)
{
    static const char *const features[] = {"FLUSH", "EVENT_IDX", NULL};

    *disk = (struct shell_disk){
        .per_poll = 1,
        .bad_sector = UINT64_MAX,
        .n_bad_sectors = 1,
        .lost_sector = UINT64_MAX,
        .break_after = UINT64_MAX,
        .first_written_sector = UINT64_MAX,
    };
    disk->data = calloc(n_sectors, VST_SECTOR_BYTES);
    disk->queues[0] = &disk->queue;
    disk->queue.device = &disk->device;
    disk->queue.driver = &fake_driver;
    disk->device = (struct vst_block_device){
        .driver_name = "virtio-blk",
        .transport_name = "virtio-pci",
        .ring_name = "split",
        .platform = platform,
        .limits =
            {
                .n_sectors = n_sectors,
                .logical_block_bytes = logical_block_bytes,
                .physical_block_bytes = logical_block_bytes,
                .max_segments = 4,
                .max_segment_bytes = 1u << 20,
                .max_sectors = 2048,
                .depth = 32,
            },
        .write_cache = true,
        .flush_needed = true,
        .n_queues = 1,
        .queues = disk->queues,
        .features = features,
    };
    snprintf(disk->device.path, sizeof(disk->device.path), "pci-0000:00:04.0");
    snprintf(disk->device.serial, sizeof(disk->device.serial), "first-light");
}

void shell_disk_free(struct shell_disk *disk)
{
    free(disk->data);
    disk->data = NULL;
}
