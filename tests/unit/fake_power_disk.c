/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/fake_power_disk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct fake_power_disk *disk_of(struct vst_block_queue *queue)
{
    return VST_CONTAINER_OF(queue, struct fake_power_disk, queue);
}

uint64_t fake_power_random(struct fake_power_disk *disk, uint64_t n)
{
    disk->random = disk->random * 6364136223846793005u + 1442695040888963407u;
    return (uint64_t)((unsigned __int128)disk->random * n >> 64);
}

static bool one_in(struct fake_power_disk *disk, unsigned n)
{
    return n > 0 && fake_power_random(disk, n) == 0;
}

static uint32_t block_bytes(const struct fake_power_disk *disk)
{
    return disk->device.limits.logical_block_bytes;
}

/* ------------------------------------------------------------------ data of a command */

/** Calls for each block of the part, with where it lies on the disk and in memory. */
static void each_block(struct fake_power_disk *disk, const struct vst_block_part *part,
                       void (*visit)(struct fake_power_disk *disk, uint64_t at, uint8_t *data,
                                     size_t bytes, void *user),
                       void *user)
{
    uint64_t at = part->start_sector * 512, left = part->bytes;
    size_t skip = part->skip_bytes;

    for (const struct vst_block_segment *s = part->segments; left > 0; s++, skip = 0) {
        uint64_t bytes = s->bytes - skip < left ? s->bytes - skip : left;
        assert(bytes % block_bytes(disk) == 0);
        for (uint64_t i = 0; i < bytes; i += block_bytes(disk))
            visit(disk, at + i, (uint8_t *)s->buffer + skip + i, block_bytes(disk), user);
        at += bytes;
        left -= bytes;
    }
}

typedef uint64_t any_u64 __attribute__((may_alias, aligned(1)));

/* Most of what the tests do: so it is not watched, and goes four ways at once. */
__attribute__((no_sanitize("address", "undefined"))) uint64_t
fake_power_hash(const uint8_t *data, size_t bytes, uint64_t hash)
{
    const uint64_t spread = 0x9E3779B97F4A7C15u;
    uint64_t lanes[4] = {hash, 1, 2, 3};

    assert(bytes % sizeof(lanes) == 0);
    for (const any_u64 *word = (const void *)data; bytes > 0; word += 4, bytes -= sizeof(lanes)) {
        lanes[0] = (lanes[0] ^ word[0]) * spread;
        lanes[1] = (lanes[1] ^ word[1]) * spread;
        lanes[2] = (lanes[2] ^ word[2]) * spread;
        lanes[3] = (lanes[3] ^ word[3]) * spread;
    }
    return lanes[0] ^ lanes[1] >> 17 ^ lanes[2] >> 31 ^ lanes[3] << 23;
}

static void hash_block(struct fake_power_disk *disk, uint64_t at, uint8_t *data, size_t bytes,
                       void *user)
{
    uint64_t *hash = user;

    (void)disk;
    (void)at;
    *hash = fake_power_hash(data, bytes, *hash);
}

static void spoil_block(struct fake_power_disk *disk, uint64_t at, uint8_t *data, size_t bytes,
                        void *user)
{
    (void)disk;
    (void)at;
    (void)user;
    memset(data, 0xd1, bytes);
}

static void read_block(struct fake_power_disk *disk, uint64_t at, uint8_t *data, size_t bytes,
                       void *user)
{
    (void)user;
    memcpy(data, disk->current + at, bytes);
}

/* `user`: whether the command fails; then it may have been done in part. */
static void write_block(struct fake_power_disk *disk, uint64_t at, uint8_t *data, size_t bytes,
                        void *user)
{
    const bool *fails = user;

    if (*fails && (disk->bad[at / bytes] || one_in(disk, 2)))
        return;
    memcpy(disk->current + at, data, bytes);
    if (!disk->device.write_cache || one_in(disk, 2))
        memcpy(disk->medium + at, data, bytes);
}

static void cut_block(struct fake_power_disk *disk, uint64_t at, uint8_t *data, size_t bytes,
                      void *user)
{
    (void)user;
    if (!disk->bad[at / bytes] && one_in(disk, 2))
        memcpy(disk->image + at, data, bytes);
}

void fake_power_cut(struct fake_power_disk *disk)
{
    size_t bytes = block_bytes(disk);

    for (uint64_t i = 0; i < disk->n_blocks; i++)
        memcpy(disk->image + i * bytes,
               (one_in(disk, 2) ? disk->current : disk->medium) + i * bytes, bytes);
    for (unsigned i = 0; i < disk->n_waiting; i++)
        if (disk->waiting[i].part.op == VST_BLOCK_WRITE)
            each_block(disk, &disk->waiting[i].part, cut_block, NULL);
    disk->n_cuts++;
    if (disk->cut != NULL)
        disk->cut(disk->ctx, disk->image);
}

/* ------------------------------------------------------------------ doing commands */

static bool touches_bad(const struct fake_power_disk *disk, uint64_t sector, uint64_t n_sectors)
{
    uint64_t per_block = block_bytes(disk) / 512;

    for (uint64_t i = sector / per_block; i < (sector + n_sectors) / per_block; i++)
        if (disk->bad[i])
            return true;
    return false;
}

static enum vst_status do_flush(struct fake_power_disk *disk)
{
    size_t bytes = disk->n_blocks * block_bytes(disk);

    disk->n_flushes++;
    if (one_in(disk, disk->fail_flush_one_in)) {
        memcpy(disk->current, disk->medium, bytes); /* the worst it may do: all of it is gone */
        return VST_ERR_IO;
    }
    memcpy(disk->medium, disk->current, bytes);
    return VST_OK;
}

static void do_ranges(struct fake_power_disk *disk, const struct vst_block_part *part)
{
    const struct vst_block_range_limits *limits =
        vst_block_range_limits_of(&disk->device.limits, part->op);
    uint64_t skip = part->skip_bytes;
    int fill = part->op == VST_BLOCK_DISCARD ? 0x5a : 0;

    assert(part->n_pieces == 1);
    struct vst_block_range piece = vst_block_range_piece(part->ranges, skip, limits);
    memset(disk->current + piece.start_sector * 512, fill, piece.n_sectors * 512);
    if (!disk->device.write_cache || one_in(disk, 2))
        memset(disk->medium + piece.start_sector * 512, fill, piece.n_sectors * 512);
}

static enum vst_status carry_out(struct fake_power_disk *disk, struct fake_power_command *command)
{
    const struct vst_block_part *part = &command->part;
    uint64_t hash = 0;

    if (part->op == VST_BLOCK_FLUSH)
        return do_flush(disk);
    bool fails =
        one_in(disk, disk->fail_one_in) || touches_bad(disk, part->start_sector, part->n_sectors);
    if (part->op == VST_BLOCK_WRITE) {
        each_block(disk, part, hash_block, &hash);
        assert(hash == command->hash); /* else somebody changed what was being written */
        each_block(disk, part, write_block, &fails);
        disk->n_writes++;
    } else if (part->op == VST_BLOCK_READ) {
        disk->n_reads++;
        disk->n_read_sectors += part->n_sectors;
        if (!fails)
            each_block(disk, part, read_block, NULL);
    } else if (!fails) {
        do_ranges(disk, part);
    }
    disk->n_failed += fails;
    return fails ? VST_ERR_IO : VST_OK;
}

static enum vst_status take(struct fake_power_disk *disk, struct vst_block_request *request,
                            const struct vst_block_part *part, bool whole)
{
    uint64_t hash = 0;

    if (disk->n_waiting == disk->device.limits.depth)
        return VST_ERR_FULL;
    if (part->op == VST_BLOCK_WRITE) {
        each_block(disk, part, hash_block, &hash);
        disk->n_backward += part->start_sector < disk->last_write;
        disk->last_write = part->start_sector;
        if (part->n_sectors > disk->max_write_sectors)
            disk->max_write_sectors = part->n_sectors;
    }
    if (part->op == VST_BLOCK_READ)
        each_block(disk, part, spoil_block, NULL);
    disk->waiting[disk->n_waiting++] = (struct fake_power_command){request, *part, whole, hash};
    disk->n_commands++;
    return VST_OK;
}

static enum vst_status power_submit(struct vst_block_queue *queue,
                                    struct vst_block_request *request)
{
    const struct vst_block_part part = {
        .op = request->op,
        .start_sector = request->start_sector,
        .n_sectors = request->n_sectors,
        .bytes = (uint32_t)(request->n_sectors * 512),
        .n_pieces = request->n_segments,
        .segments = request->segments,
    };

    request->priv.split = false;
    return take(disk_of(queue), request, &part, true);
}

static enum vst_status power_submit_part(struct vst_block_queue *queue,
                                         struct vst_block_request *request,
                                         const struct vst_block_part *part)
{
    return take(disk_of(queue), request, part, false);
}

static void power_kick(struct vst_block_queue *queue)
{
    disk_of(queue)->n_kicked = disk_of(queue)->n_waiting;
}

static size_t power_poll(struct vst_block_queue *queue, struct vst_block_request **done, size_t max)
{
    struct fake_power_disk *disk = disk_of(queue);
    size_t n = 0;

    while (disk->n_kicked > 0 && n < max && !one_in(disk, 3)) {
        if (one_in(disk, disk->cut_one_in))
            fake_power_cut(disk);
        unsigned i = (unsigned)fake_power_random(disk, disk->n_kicked);
        struct fake_power_command command = disk->waiting[i];
        disk->n_waiting--;
        disk->n_kicked--;
        memmove(disk->waiting + i, disk->waiting + i + 1, (disk->n_waiting - i) * sizeof(command));
        enum vst_status status = carry_out(disk, &command);
        if (command.whole) {
            command.request->status = status;
            command.request->error_sector = command.request->start_sector;
            done[n++] = command.request;
        } else if (vst_block_part_done(queue, command.request, command.part.start_sector, status)) {
            done[n++] = command.request;
        }
    }
    return n;
}

static bool power_ready(const struct vst_block_queue *queue)
{
    return ((const struct fake_power_disk *)(const void *)((const char *)queue -
                                                           offsetof(struct fake_power_disk, queue)))
               ->n_kicked > 0;
}

static const struct vst_block_driver power_driver = {
    .submit = power_submit,
    .submit_part = power_submit_part,
    .kick = power_kick,
    .poll = power_poll,
    .ready = power_ready,
};

/* ------------------------------------------------------------------ making one */

void fake_power_init(struct fake_power_disk *disk, uint64_t n_sectors, uint32_t logical_bytes,
                     uint64_t seed)
{
    const struct vst_block_range_limits ranges = {
        .max_sectors = 1024, .max_ranges = 1, .alignment_sectors = logical_bytes / 512};

    *disk = (struct fake_power_disk){.random = seed * 2 + 1,
                                     .n_blocks = n_sectors * 512 / logical_bytes};
    fake_platform_init(&disk->fake, false);
    disk->current = calloc(n_sectors, 512);
    disk->medium = calloc(n_sectors, 512);
    disk->image = calloc(n_sectors, 512);
    disk->bad = calloc(disk->n_blocks, sizeof(bool));
    assert(disk->current && disk->medium && disk->image && disk->bad);
    disk->device = (struct vst_block_device){
        .driver_name = "fake",
        .platform = &disk->fake.platform,
        .limits = {.n_sectors = n_sectors,
                   .logical_block_bytes = logical_bytes,
                   .physical_block_bytes = logical_bytes,
                   .max_segments = 64,
                   .max_segment_bytes = 1u << 20,
                   .max_sectors = 2048,
                   .depth = FAKE_POWER_DEPTH,
                   .discard = ranges,
                   .zeroes = ranges},
        .write_cache = true,
        .flush_needed = true,
        .n_queues = 1,
        .queues = disk->queue_list,
    };
    disk->queue_list[0] = &disk->queue;
    disk->queue.device = &disk->device;
    disk->queue.driver = &power_driver;
    vst_block_limits_changed(&disk->device);
}

void fake_power_destroy(struct fake_power_disk *disk)
{
    free(disk->current);
    free(disk->medium);
    free(disk->image);
    free(disk->bad);
}
