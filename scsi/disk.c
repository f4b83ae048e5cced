/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk: what it says of itself, made into a block device. (SBC-3; SPC-4, 6.6) */
#include "scsi/disk.h"

#include <vstor/log.h>

#include "scsi/capacity.h"
#include "scsi/cdb.h"
#include "scsi/inquiry.h"
#include "scsi/mode.h"

#define PATIENCE_MS       30000u /* until a disk has spun up */
#define MOST_10_BLOCKS    UINT16_MAX
#define MOST_10_LAST      UINT32_MAX
#define MAX_COMMAND_BYTES (16u << 20)

/** What a disk has told. */
struct told {
    struct scsi_capacity capacity;
    struct scsi_block_limits limits;
    struct scsi_mode mode;
    char serial[24];
};

/* ------------------------------------------------------------------ asking */

static enum vst_status ask_inquiry(struct scsi_talk *talk)
{
    struct scsi_inquiry inquiry;
    struct scsi_view view;
    enum vst_status status = vst_scsi_ask(talk, vst_scsi_inquiry(SCSI_INQUIRY_BYTES),
                                          SCSI_INQUIRY_BYTES, PATIENCE_MS, &view);

    if (status == VST_OK)
        status = vst_scsi_inquiry_parse(view, &inquiry);
    if (status != VST_OK)
        return status;
    return inquiry.qualifier == SCSI_UNIT_PRESENT && inquiry.type == VST_SCSI_TYPE_DISK
               ? VST_OK
               : VST_ERR_UNSUPPORTED;
}

static enum vst_status ask_capacity(struct scsi_talk *talk, struct scsi_capacity *capacity)
{
    struct scsi_view view;
    enum vst_status status = vst_scsi_ask(talk, vst_scsi_read_capacity_16(SCSI_CAPACITY_16_BYTES),
                                          SCSI_CAPACITY_16_BYTES, PATIENCE_MS, &view);

    if (status == VST_OK)
        return vst_scsi_capacity_16_parse(view, capacity);
    status =
        vst_scsi_ask(talk, vst_scsi_read_capacity_10(), SCSI_CAPACITY_10_BYTES, PATIENCE_MS, &view);
    return status == VST_OK ? vst_scsi_capacity_10_parse(view, capacity) : status;
}

/** What it does not know is not held against it: then it has no cache, and can be written. */
static void ask_mode(struct scsi_talk *talk, struct scsi_mode *mode)
{
    struct scsi_view view;

    *mode = (struct scsi_mode){0};
    if (vst_scsi_ask(
            talk,
            vst_scsi_mode_sense_10(SCSI_MODE_CURRENT, SCSI_MODE_PAGE_CACHING, 0, SCSI_MODE_BYTES),
            SCSI_MODE_BYTES, PATIENCE_MS, &view) == VST_OK &&
        vst_scsi_mode_parse(view, SCSI_MODE_10, mode) == VST_OK)
        return;
    if (vst_scsi_ask(
            talk,
            vst_scsi_mode_sense_6(SCSI_MODE_CURRENT, SCSI_MODE_PAGE_CACHING, 0, SCSI_MODE_BYTES),
            SCSI_MODE_BYTES, PATIENCE_MS, &view) != VST_OK ||
        vst_scsi_mode_parse(view, SCSI_MODE_6, mode) != VST_OK)
        *mode = (struct scsi_mode){0};
}

static bool ask_page(struct scsi_talk *talk, uint8_t page, struct scsi_view *view)
{
    const uint16_t bytes = 255; /* all that the pages of interest have, and old units know */

    return vst_scsi_ask(talk, vst_scsi_inquiry_page(page, bytes), bytes, PATIENCE_MS, view) ==
           VST_OK;
}

static void ask_pages(struct scsi_talk *talk, struct told *told)
{
    struct scsi_pages pages;
    struct scsi_view view;

    told->serial[0] = '\0';
    told->limits = (struct scsi_block_limits){0};
    if (!ask_page(talk, SCSI_PAGE_SUPPORTED, &view) || vst_scsi_pages_parse(view, &pages) != VST_OK)
        return;
    if (vst_scsi_has_page(&pages, SCSI_PAGE_SERIAL) && ask_page(talk, SCSI_PAGE_SERIAL, &view) &&
        vst_scsi_serial_parse(view, told->serial, sizeof(told->serial)) != VST_OK)
        told->serial[0] = '\0';
    if (vst_scsi_has_page(&pages, SCSI_PAGE_BLOCK_LIMITS) &&
        ask_page(talk, SCSI_PAGE_BLOCK_LIMITS, &view) &&
        vst_scsi_block_limits_parse(view, &told->limits) != VST_OK)
        told->limits = (struct scsi_block_limits){0};
}

static enum vst_status ask_all(struct scsi_talk *talk, struct told *told)
{
    enum vst_status status = ask_inquiry(talk);

    if (status == VST_OK)
        status = ask_capacity(talk, &told->capacity);
    if (status != VST_OK)
        return status;
    ask_pages(talk, told);
    ask_mode(talk, &told->mode);
    return VST_OK;
}

/* ------------------------------------------------------------------ making a block device */

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint8_t shift_of(uint32_t block_bytes)
{
    uint8_t shift = 0;

    while (VST_SECTOR_BYTES << shift < block_bytes)
        shift++;
    return shift;
}

static bool needs_long(const struct scsi_capacity *capacity)
{
    return capacity->n_blocks - 1 > MOST_10_LAST;
}

/** Most sectors of one command: what the adapter, the unit and the length of the command allow. */
static uint32_t max_sectors(const struct vst_scsi_hba *hba, const struct told *told)
{
    uint8_t shift = shift_of(told->capacity.block_bytes);
    uint32_t most = min_u32(hba->limits.max_sectors, MAX_COMMAND_BYTES >> VST_SECTOR_SHIFT);
    uint32_t blocks = most >> shift;

    if (told->limits.max_transfer != 0)
        blocks = min_u32(blocks, told->limits.max_transfer);
    if (!needs_long(&told->capacity))
        blocks = min_u32(blocks, MOST_10_BLOCKS);
    return blocks << shift;
}

static uint32_t hint_bytes(const struct scsi_capacity *capacity, uint32_t blocks)
{
    return blocks <= UINT32_MAX / capacity->block_bytes ? blocks * capacity->block_bytes : 0;
}

static enum vst_status fill_limits(struct disk *disk, const struct told *told)
{
    const struct vst_scsi_hba *hba = disk->hba;
    const struct scsi_capacity *capacity = &told->capacity;
    struct vst_block_limits *limits = &disk->base.limits;
    uint16_t share = (uint16_t)(hba->limits.depth_of_unit / hba->n_queues);

    *limits = (struct vst_block_limits){
        .n_sectors = capacity->n_sectors,
        .logical_block_bytes = capacity->block_bytes,
        .physical_block_bytes = capacity->physical_block_bytes,
        .max_segments = hba->limits.max_segments,
        .max_segment_bytes = hba->limits.max_segment_bytes,
        .max_sectors = max_sectors(hba, told),
        .depth = share < 1                   ? 1
                 : share < hba->limits.depth ? share
                                             : hba->limits.depth,
        .min_io_bytes = hint_bytes(capacity, told->limits.optimal_granularity),
        .opt_io_bytes = hint_bytes(capacity, told->limits.optimal_transfer),
        .first_physical_sector = (uint32_t)capacity->first_aligned_block
                                 << shift_of(capacity->block_bytes),
    };
    if (limits->max_sectors == 0 ||
        (uint64_t)limits->max_segments * limits->max_segment_bytes < capacity->block_bytes) {
        vst_log(hba->platform, VST_LOG_ERROR, "%s: not even one block of %lu bytes at once",
                disk->base.path, (unsigned long)capacity->block_bytes);
        return VST_ERR_MALFORMED;
    }
    disk->base.read_only = told->mode.write_protected;
    disk->base.write_cache = told->mode.has_caching && told->mode.write_cache;
    disk->base.flush_needed = disk->base.write_cache && !disk->base.read_only;
    __builtin_memcpy(disk->base.serial, told->serial, sizeof(told->serial));
    return VST_OK;
}

static void make_queues(struct disk *disk, const struct told *told)
{
    disk->base.n_queues = disk->hba->n_queues;
    disk->base.queues = disk->queue_list;
    for (uint16_t i = 0; i < disk->base.n_queues; i++) {
        struct disk_queue *q = &disk->queues[i];
        q->disk = disk;
        q->block_shift = shift_of(told->capacity.block_bytes);
        q->is_long = needs_long(&told->capacity);
        q->base.base.device = &disk->base;
        q->base.base.driver = &vst_scsi_disk_driver;
        q->base.base.index = i;
        q->base.base.message = disk->hba->queues[i]->message;
        q->base.hba_queue = disk->hba->queues[i];
        q->base.ops = disk->hba->ops;
        q->base.nexus = disk->nexus;
        q->base.n_room = disk->base.limits.depth;
        q->base.upcalls = &vst_scsi_disk_upcalls;
        disk->queue_list[i] = &q->base.base;
    }
}

static void describe(struct disk *disk, uint8_t target, const struct vst_scsi_lun *lun)
{
    const struct vst_scsi_hba *hba = disk->hba;

    vst_format(disk->base.path, sizeof(disk->base.path), "%s-scsi-0:0:%u:%lu", hba->path, target,
               (unsigned long)lun->number);
    disk->base.platform = hba->platform;
    disk->base.driver_name = hba->driver_name;
    disk->base.transport_name = hba->transport_name;
    disk->base.ring_name = hba->ring_name;
    disk->base.irq_mode = hba->irq_mode;
    disk->base.features = hba->features;
    disk->base.change_message = hba->change_message;
}

static struct disk *create(struct vst_scsi_hba *hba)
{
    size_t bytes = sizeof(struct disk) +
                   hba->n_queues * (sizeof(struct disk_queue) + sizeof(struct vst_block_queue *));
    struct disk *disk =
        hba->platform->alloc(hba->platform->ctx, bytes, 64, VST_MEMORY_PRIVATE, NULL);

    if (disk == NULL)
        return NULL;
    disk->bytes = bytes;
    disk->hba = hba;
    disk->queue_list = (struct vst_block_queue **)(void *)&disk->queues[hba->n_queues];
    return disk;
}

enum vst_status vst_scsi_disk_attach(struct vst_scsi_hba *hba, uint8_t target,
                                     const struct vst_scsi_lun *lun,
                                     struct vst_block_device **device)
{
    struct scsi_talk *talk = vst_scsi_talk_open(hba);
    struct disk *disk = talk != NULL ? create(hba) : NULL;
    enum vst_status status = disk != NULL ? VST_OK : VST_ERR_NO_MEMORY;
    struct told told;

    if (status == VST_OK) {
        describe(disk, target, lun);
        status = vst_scsi_talk_to(talk, target, lun);
    }
    if (status == VST_OK) {
        disk->nexus = talk->nexus;
        status = ask_all(talk, &told);
    }
    if (status == VST_OK)
        status = fill_limits(disk, &told);
    if (status == VST_OK) {
        make_queues(disk, &told);
        vst_block_limits_changed(&disk->base);
        *device = &disk->base;
    } else if (disk != NULL) {
        vst_scsi_disk_detach(&disk->base);
    }
    if (talk != NULL)
        vst_scsi_talk_close(talk);
    return status;
}

void vst_scsi_disk_detach(struct vst_block_device *device)
{
    struct disk *disk = VST_CONTAINER_OF(device, struct disk, base);
    const struct vst_platform *platform = disk->hba->platform;

    platform->free(platform->ctx, disk, disk->bytes, VST_MEMORY_PRIVATE);
}
