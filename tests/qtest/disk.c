/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/qtest/disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/** Longest request, logical blocks of 512 bytes; long enough to be split everywhere. */
#define MAX_REQUEST_BYTES (256u * 1024u)

uint64_t disk_random(struct disk *disk, uint64_t below)
{
    /* xorshift64*: the same everywhere for the same seed */
    disk->random ^= disk->random >> 12;
    disk->random ^= disk->random << 25;
    disk->random ^= disk->random >> 27;
    return (disk->random * 0x2545f4914f6cdd1dull >> 16) % below;
}

/* ------------------------------------------------------------------ the image */

static uint8_t *read_image(const char *path, size_t *bytes)
{
    struct stat info;
    int fd = open(path, O_RDONLY);

    CHECK(fd >= 0 && fstat(fd, &info) == 0);
    *bytes = (size_t)info.st_size;
    uint8_t *data = malloc(*bytes);
    CHECK(data != NULL && read(fd, data, *bytes) == (ssize_t)*bytes);
    close(fd);
    return data;
}

void disk_open(struct disk *disk, struct machine *machine, const struct options *options)
{
    *disk = (struct disk){
        .machine = machine,
        .options = *options,
        .slot_bytes = MAX_REQUEST_BYTES,
        .random = options->seed * 0x9e3779b97f4a7c15ull + 1,
    };
    CHECK(options->depth <= DISK_MAX_DEPTH);
    disk->model = read_image(options->image, &disk->model_bytes);
    for (unsigned i = 0; i < options->depth; i++)
        disk->slots[i].buffer = machine_buffer(machine, disk->slot_bytes);
}

void disk_compare_and_close(struct disk *disk)
{
    size_t bytes;
    uint8_t *image = read_image(disk->options.image, &bytes);

    for (unsigned i = 0; i < disk->options.depth; i++)
        machine_buffer_free(disk->machine, disk->slots[i].buffer, disk->slot_bytes);
    CHECK_EQUAL(bytes, disk->model_bytes);
    for (size_t i = 0; i < bytes; i++)
        if (image[i] != disk->model[i])
            FAIL("the image differs at byte %#zx: %02x, wanted %02x", i, image[i], disk->model[i]);
    free(image);
    free(disk->model);
}

/* ------------------------------------------------------------------ attach */

static void describe(const struct disk *disk)
{
    const struct vst_block_device *device = disk->device;

    printf("ring=%s\nserial=%s\ndepth=%u\nmax_segments=%u\nlogical_block_bytes=%u\nfeatures=",
           device->ring_name, device->serial, device->limits.depth, device->limits.max_segments,
           device->limits.logical_block_bytes);
    for (const char *const *name = device->features; *name != NULL; name++)
        printf("%s%s", name == device->features ? "" : ",", *name);
    printf("\n");
}

static enum vst_status attach_scsi(struct disk *disk)
{
    struct machine *machine = disk->machine;
    const struct vst_pci_function *function = machine_find(machine, vst_virtio_scsi_matches);
    const struct vst_virtio_scsi_config config = options_scsi(&disk->options);
    const struct vst_scsi_lun lun = {.n_levels = 1};

    vst_pci_enable(&machine->platform, machine->functions, function);
    enum vst_status status =
        vst_virtio_scsi_attach(&machine->platform, function, &config, &disk->hba);
    return status == VST_OK ? vst_scsi_disk_attach(disk->hba, 0, &lun, &disk->device) : status;
}

static enum vst_status attach_blk(struct disk *disk)
{
    struct machine *machine = disk->machine;
    const struct vst_pci_function *function = machine_find(machine, vst_virtio_blk_matches);

    vst_pci_enable(&machine->platform, machine->functions, function);
    return vst_virtio_blk_attach(&machine->platform, function, &disk->options.config,
                                 &disk->device);
}

bool disk_try_attach(struct disk *disk)
{
    enum vst_status status = disk->options.scsi ? attach_scsi(disk) : attach_blk(disk);

    printf("attach=%s\n", vst_status_name(status));
    if (status != VST_OK)
        return false;
    disk->queue = disk->device->queues[0];
    CHECK_EQUAL(disk->device->limits.n_sectors << VST_SECTOR_SHIFT, disk->model_bytes);
    describe(disk);
    return true;
}

void disk_attach(struct disk *disk)
{
    if (!disk_try_attach(disk))
        FAIL("attach failed: %s", disk->machine->last_log);
}

static void print_stats(const struct disk *disk)
{
    const struct vst_block_stats *stats = &disk->queue->stats;

    printf("reads=%lu\nwrites=%lu\nflushes=%lu\nkicks=%lu\nerrors=%lu\nrescues=%lu\ntimeouts=%lu\n"
           "full=%u\nmaps=%zu\n",
           stats->commands[VST_BLOCK_READ], stats->commands[VST_BLOCK_WRITE],
           stats->commands[VST_BLOCK_FLUSH], stats->kicks, stats->errors, stats->rescues,
           stats->timeouts, disk->n_full, disk->machine->n_maps);
}

void disk_detach(struct disk *disk)
{
    CHECK_EQUAL(disk->n_in_flight, 0);
    CHECK_EQUAL(disk->machine->n_mapped, 0);
    print_stats(disk);
    if (disk->options.scsi) {
        vst_scsi_disk_detach(disk->device);
        vst_virtio_scsi_detach(disk->hba);
    } else {
        vst_virtio_blk_detach(disk->device);
    }
    CHECK_EQUAL(disk->machine->n_allocated, 0);
    disk->device = NULL;
}

/* ------------------------------------------------------------------ making requests */

/**
 * A piece of any length, odd ones too: a device must not care where a piece ends. But no logical
 * block may lie in more pieces than a command takes, or no command can carry it
 * (VST_ERR_TOO_LARGE): pieces of half a block touch three at most, whole ones two, aligned ones one.
 */
static size_t piece_bytes(struct disk *disk, size_t left, size_t mean)
{
    const struct vst_block_limits *limits = &disk->device->limits;
    size_t block = limits->logical_block_bytes,
           least = limits->max_segments > 2 ? block / 2 : block;
    size_t piece = least + disk_random(disk, 2 * mean + 1);

    if (limits->max_segments == 1)
        piece &= ~(block - 1);
    return piece < left ? piece : left;
}

/** Cuts the buffer into one piece or many. */
static void cut(struct disk *disk, struct disk_slot *slot, size_t bytes)
{
    size_t max_pieces = 1 + (disk_random(disk, 2) ? disk_random(disk, DISK_MAX_SEGMENTS) : 0);
    uint32_t n = 0;
    size_t at = 0;

    while (at < bytes) {
        size_t left = bytes - at, mean = left / max_pieces;
        size_t piece = n + 1 == max_pieces ? left : piece_bytes(disk, left, mean);
        slot->segments[n++] = (struct vst_block_segment){slot->buffer + at, piece};
        at += piece;
    }
    slot->request.n_segments = n;
    slot->request.segments = slot->segments;
}

static void choose_range(struct disk *disk, struct vst_block_request *request)
{
    uint32_t block_sectors = disk->device->limits.logical_block_bytes / VST_SECTOR_BYTES;
    uint64_t n_blocks = disk->device->limits.n_sectors / block_sectors;
    uint64_t longest = disk->slot_bytes / disk->device->limits.logical_block_bytes;
    uint64_t usual = disk->options.small ? 2 : longest < 16 ? longest : 16;
    uint64_t most = !disk->options.small && disk_random(disk, 8) == 0 ? longest : usual;
    uint64_t n = 1 + disk_random(disk, most);

    request->start_sector = disk_random(disk, n_blocks - n + 1) * block_sectors;
    request->n_sectors = n * block_sectors;
}

static bool overlaps(const struct vst_block_request *a, const struct vst_block_request *b)
{
    return a->start_sector < b->start_sector + b->n_sectors &&
           b->start_sector < a->start_sector + a->n_sectors;
}

/** Requests in flight may complete in any order: only reads may touch the same sectors. */
static bool in_the_way(const struct disk *disk, const struct vst_block_request *request)
{
    for (unsigned i = 0; i < disk->options.depth; i++) {
        const struct vst_block_request *other = &disk->slots[i].request;
        if (disk->slots[i].busy && overlaps(request, other) &&
            (request->op == VST_BLOCK_WRITE || other->op == VST_BLOCK_WRITE))
            return true;
    }
    return false;
}

static uint8_t *model_of(const struct disk *disk, const struct vst_block_request *request)
{
    return disk->model + (request->start_sector << VST_SECTOR_SHIFT);
}

static void fill_buffer(struct disk *disk, struct disk_slot *slot, size_t bytes)
{
    if (slot->request.op == VST_BLOCK_WRITE)
        for (size_t i = 0; i < bytes; i += 4) {
            uint32_t word = (uint32_t)disk_random(disk, UINT32_MAX);
            memcpy(slot->buffer + i, &word, 4);
        }
    else
        memset(slot->buffer, 0xa5, bytes);
}

static bool make_request(struct disk *disk, struct disk_slot *slot, bool reads_only)
{
    uint64_t dice = reads_only ? 99 : disk_random(disk, 100);

    slot->request = (struct vst_block_request){
        .op = dice < 3    ? VST_BLOCK_FLUSH
              : dice < 50 ? VST_BLOCK_WRITE
                          : VST_BLOCK_READ,
    };
    if (slot->request.op == VST_BLOCK_FLUSH)
        return true;
    choose_range(disk, &slot->request);
    if (in_the_way(disk, &slot->request))
        return false;
    size_t bytes = slot->request.n_sectors << VST_SECTOR_SHIFT;
    fill_buffer(disk, slot, bytes);
    cut(disk, slot, bytes);
    return true;
}

/** False if there is no room now. */
static bool submit(struct disk *disk, struct disk_slot *slot)
{
    struct vst_block_request *request = &slot->request;
    enum vst_status status = vst_block_submit(disk->queue, request);

    if (status == VST_ERR_FULL) {
        disk->n_full++;
        return false;
    }
    if (status != VST_OK)
        FAIL("submit answers %s for %lu sectors in %u segments", vst_status_name(status),
             request->n_sectors, request->n_segments);
    slot->busy = true;
    disk->n_in_flight++;
    if (request->op == VST_BLOCK_WRITE)
        memcpy(model_of(disk, request), slot->buffer, request->n_sectors << VST_SECTOR_SHIFT);
    return true;
}

static struct disk_slot *idle_slot(struct disk *disk)
{
    for (unsigned i = 0; i < disk->options.depth; i++)
        if (!disk->slots[i].busy)
            return &disk->slots[i];
    return NULL;
}

void disk_fill(struct disk *disk, unsigned n, bool reads_only)
{
    for (unsigned tries = 0; disk->n_in_flight < n && tries < 4 * n; tries++) {
        struct disk_slot *slot = idle_slot(disk);
        if (slot == NULL)
            return;
        if (make_request(disk, slot, reads_only) && !submit(disk, slot))
            return;
    }
}

/* ------------------------------------------------------------------ taking them back */

static void check_done(struct disk *disk, struct vst_block_request *request)
{
    struct disk_slot *slot = VST_CONTAINER_OF(request, struct disk_slot, request);
    size_t bytes = request->n_sectors << VST_SECTOR_SHIFT;

    CHECK(slot >= disk->slots && slot < disk->slots + disk->options.depth && slot->busy);
    slot->busy = false;
    disk->n_in_flight--;
    if (request->status != VST_OK)
        FAIL("a request ended with %s", vst_status_name(request->status));
    if (request->op == VST_BLOCK_READ && memcmp(slot->buffer, model_of(disk, request), bytes) != 0)
        FAIL("wrong data read: sector %lu, %lu sectors, %u segments", request->start_sector,
             request->n_sectors, request->n_segments);
}

static unsigned take(struct disk *disk)
{
    struct vst_block_request *done[DISK_MAX_DEPTH];
    size_t n = vst_block_poll(disk->queue, done, 1 + disk_random(disk, DISK_MAX_DEPTH));

    for (size_t i = 0; i < n; i++)
        check_done(disk, done[i]);
    if (n == 0)
        disk->machine->platform.relax(disk->machine);
    return (unsigned)n;
}

void disk_traffic(struct disk *disk, unsigned n)
{
    unsigned n_done = 0;

    while (n_done < n) {
        unsigned room = n - n_done < disk->options.depth ? n - n_done : disk->options.depth;
        disk_fill(disk, 1 + (unsigned)disk_random(disk, room), false);
        /* Not after every round: one doorbell then serves what several rounds put. */
        if (disk_random(disk, 2) != 0)
            vst_block_kick(disk->queue);
        n_done += take(disk);
    }
    while (disk->n_in_flight > 0) {
        vst_block_kick(disk->queue);
        take(disk);
    }
}

enum vst_status disk_transfer(struct disk *disk, enum vst_block_op op, uint64_t sector,
                              uint64_t n_sectors, uint64_t *error_sector)
{
    struct disk_slot *slot = idle_slot(disk);

    CHECK(slot != NULL && n_sectors << VST_SECTOR_SHIFT <= disk->slot_bytes);
    slot->segments[0] = (struct vst_block_segment){slot->buffer, n_sectors << VST_SECTOR_SHIFT};
    slot->request = (struct vst_block_request){
        .op = op,
        .n_segments = 1,
        .segments = slot->segments,
        .start_sector = sector,
        .n_sectors = n_sectors,
    };
    enum vst_status status = vst_block_execute(disk->queue, &slot->request);
    if (error_sector != NULL)
        *error_sector = slot->request.error_sector;
    return status;
}
