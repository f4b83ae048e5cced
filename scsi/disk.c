/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk: what it says of itself, made into a block device. (SBC-3; SPC-4, 6.6) */
#include "scsi/disk.h"

#include <vstor/log.h>

#include "scsi/cdb.h"

#define PATIENCE_MS       30000u /* until a disk has spun up */
#define MOST_10_BLOCKS    UINT16_MAX
#define MOST_10_LAST      UINT32_MAX
#define MAX_COMMAND_BYTES (16u << 20)

/* ------------------------------------------------------------------ asking */

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

static enum vst_status ask_all(struct scsi_talk *talk, struct scsi_disk_told *told)
{
    enum vst_status status = ask_capacity(talk, &told->capacity);

    if (status == VST_OK)
        (void)vst_scsi_disk_ask_mode(talk, told);
    return status;
}

/* ------------------------------------------------------------------ making a block device */

static bool needs_long(const struct scsi_capacity *capacity)
{
    return capacity->n_blocks - 1 > MOST_10_LAST;
}

/** 4.22.2.4: with protection information of type 2, reads and writes are of 32 bytes. */
static bool needs_longest(const struct scsi_capacity *capacity)
{
    return capacity->protection_type == 2;
}

/** Most sectors of one command: what the adapter, the unit and the length of the command allow. */
static uint32_t max_sectors(const struct disk *disk, const struct scsi_disk_told *told)
{
    const struct vst_scsi_hba *hba = disk->hba;
    uint8_t shift = scsi_block_shift(told->capacity.block_bytes);
    uint32_t most = vst_min_u32(hba->limits.max_sectors, MAX_COMMAND_BYTES >> VST_SECTOR_SHIFT);
    uint32_t blocks = most >> shift;

    if (disk->unit->limits.max_transfer != 0)
        blocks = vst_min_u32(blocks, disk->unit->limits.max_transfer);
    if (!needs_long(&told->capacity) && !needs_longest(&told->capacity))
        blocks = vst_min_u32(blocks, MOST_10_BLOCKS);
    return blocks << shift;
}

static uint32_t hint_bytes(const struct scsi_capacity *capacity, uint32_t blocks)
{
    return blocks <= UINT32_MAX / capacity->block_bytes ? blocks * capacity->block_bytes : 0;
}

static void take_mode(struct disk *disk, const struct scsi_disk_told *told)
{
    struct vst_block_device *device = &disk->base;

    device->read_only = told->mode.write_protected;
    device->write_cache = told->mode.has_caching && told->mode.write_cache;
    device->write_cache_settable = told->cache_settable;
    device->flush_needed = (device->write_cache || told->cache_settable) && !device->read_only;
    device->writes_durably = told->mode.can_fua;
    disk->mode_form = told->mode_form;
}

bool vst_scsi_disk_take_hba_limits(struct disk *disk, uint32_t block_bytes, uint32_t max_sectors)
{
    const struct vst_scsi_hba_limits *of_hba = &disk->hba->limits;
    uint16_t share = (uint16_t)(of_hba->depth_of_unit / disk->hba->n_queues);

    disk->base.limits = (struct vst_block_limits){
        .logical_block_bytes = block_bytes,
        .physical_block_bytes = block_bytes,
        .max_segments = of_hba->max_segments,
        .max_segment_bytes = of_hba->max_segment_bytes,
        .max_sectors = max_sectors,
        .depth = share < 1               ? 1
                 : share < of_hba->depth ? share
                                         : of_hba->depth,
    };
    return max_sectors > 0 &&
           (uint64_t)of_hba->max_segments * of_hba->max_segment_bytes >= block_bytes;
}

static enum vst_status fill_limits(struct disk *disk, const struct scsi_disk_told *told)
{
    const struct vst_scsi_hba *hba = disk->hba;
    const struct scsi_block_limits *of_unit = &disk->unit->limits;
    const struct scsi_capacity *capacity = &told->capacity;
    struct vst_block_limits *limits = &disk->base.limits;
    bool carries_a_block =
        vst_scsi_disk_take_hba_limits(disk, capacity->block_bytes, max_sectors(disk, told));

    limits->n_sectors = capacity->n_sectors;
    limits->physical_block_bytes = capacity->physical_block_bytes;
    limits->min_io_bytes = hint_bytes(capacity, of_unit->optimal_granularity);
    limits->opt_io_bytes = hint_bytes(capacity, of_unit->optimal_transfer);
    limits->first_physical_sector = (uint32_t)capacity->first_aligned_block
                                    << scsi_block_shift(capacity->block_bytes);
    if (!carries_a_block) {
        vst_log(hba->platform, VST_LOG_ERROR, "%s: not even one block of %lu bytes at once",
                disk->base.path, (unsigned long)capacity->block_bytes);
        return VST_ERR_MALFORMED;
    }
    if (needs_longest(capacity) && hba->limits.max_cdb_bytes < VST_SCSI_LONG_CDB_BYTES) {
        vst_log(hba->platform, VST_LOG_ERROR, "%s: the adapter has no commands of 32 bytes",
                disk->base.path);
        return VST_ERR_UNSUPPORTED;
    }
    vst_scsi_disk_range_limits(disk, told);
    take_mode(disk, told);
    return VST_OK;
}

/** The places for what is sent to the unit, or asked of it, while it is in use. */
static enum vst_status make_shared(struct disk *disk)
{
    const struct vst_platform *platform = disk->hba->platform;
    const struct vst_block_limits *limits = &disk->base.limits;
    bool lists = limits->discard.max_ranges > 0 && !disk->discards_by_same;
    size_t zeroes_bytes =
        limits->zeroes.max_ranges > 0 || disk->discards_by_same ? limits->logical_block_bytes : 0;
    size_t lists_bytes = lists ? (size_t)disk->hba->n_queues * SCSI_UNMAP_LIST_BYTES : 0;
    uint64_t bus_addr;

    disk->shared_bytes = zeroes_bytes + lists_bytes + SCSI_MODE_BYTES;
    disk->shared =
        platform->alloc(platform->ctx, disk->shared_bytes, 4096, VST_MEMORY_SHARED, &bus_addr);
    if (disk->shared == NULL)
        return VST_ERR_NO_MEMORY;
    for (uint16_t i = 0; lists && i < disk->hba->n_queues; i++)
        disk->queues[i].list = disk->shared + zeroes_bytes + (size_t)i * SCSI_UNMAP_LIST_BYTES;
    return VST_OK;
}

static void note_memory(struct disk *disk)
{
    bool lists = disk->queues[0].list != NULL;

    disk->base.memory_bytes = disk->bytes + disk->shared_bytes;
    disk->base.queue_memory_bytes = sizeof(struct disk_queue) + sizeof(struct vst_block_queue *) +
                                    (lists ? SCSI_UNMAP_LIST_BYTES : 0);
}

void vst_scsi_disk_make_queues(struct disk *disk, const struct vst_block_driver *driver,
                               bool is_long)
{
    disk->driver = driver;
    disk->base.n_queues = disk->hba->n_queues;
    disk->base.queues = disk->queue_list;
    for (uint16_t i = 0; i < disk->base.n_queues; i++) {
        struct disk_queue *q = &disk->queues[i];
        q->disk = disk;
        q->block_shift = scsi_block_shift(disk->base.limits.logical_block_bytes);
        q->is_long = is_long;
        q->base.base.device = &disk->base;
        q->base.base.driver = driver;
        q->base.base.trace = disk->hba->queues[i]->trace;
        q->base.base.index = i;
        q->base.base.message = disk->hba->queues[i]->message;
        q->base.hba_queue = disk->hba->queues[i];
        q->resets_before = q->base.hba_queue->stats.device_resets;
        q->base.ops = disk->hba->ops;
        q->base.nexus = disk->unit->base.nexus;
        q->base.n_room = disk->base.limits.depth;
        q->depth = scsi_depth_of(disk->base.limits.depth);
        q->base.upcalls = &vst_scsi_disk_upcalls;
        disk->queue_list[i] = &q->base.base;
    }
    note_memory(disk);
    vst_scsi_recovery_init(&disk->recovery, disk->hba, disk->unit->base.nexus, disk->base.path);
    disk->recovery.changed = vst_scsi_disk_health_changed;
}

static void describe(struct disk *disk)
{
    const struct vst_scsi_unit *unit = &disk->unit->base;
    const struct vst_scsi_hba *hba = disk->hba;

    _Static_assert(sizeof(disk->base.path) == sizeof(unit->path) &&
                       sizeof(disk->base.serial) == sizeof(unit->serial),
                   "copied whole");
    __builtin_memcpy(disk->base.path, unit->path, sizeof(unit->path));
    __builtin_memcpy(disk->base.serial, unit->serial, sizeof(unit->serial));
    disk->base.identity = &unit->identity;
    disk->base.platform = hba->platform;
    disk->base.driver_name = hba->driver_name;
    disk->base.transport_name = hba->transport_name;
    disk->base.ring_name = hba->ring_name;
    disk->base.irq_mode = hba->irq_mode;
    disk->base.features = hba->features;
    disk->base.change_message = hba->change_message;
}

struct disk *vst_scsi_disk_create(struct unit *unit)
{
    struct vst_scsi_hba *hba = unit->base.hba;
    size_t bytes = sizeof(struct disk) +
                   hba->n_queues * (sizeof(struct disk_queue) + sizeof(struct vst_block_queue *));
    struct disk *disk =
        hba->platform->alloc(hba->platform->ctx, bytes, 64, VST_MEMORY_PRIVATE, NULL);

    if (disk == NULL)
        return NULL;
    disk->bytes = bytes;
    disk->hba = hba;
    disk->unit = unit;
    disk->queue_list = (struct vst_block_queue **)(void *)&disk->queues[hba->n_queues];
    describe(disk);
    return disk;
}

static bool is_disk(const struct unit *unit)
{
    return unit->base.type == VST_SCSI_TYPE_DISK;
}

enum vst_status vst_scsi_disk_attach_unit(struct vst_scsi_unit *unit,
                                          struct vst_block_device **device)
{
    if (unit->type == VST_SCSI_TYPE_CD && unit->block == NULL)
        return vst_scsi_cd_attach_unit(unit, device);
    if (!is_disk(unit_of(unit)) || unit->block != NULL)
        return VST_ERR_UNSUPPORTED;
    struct scsi_talk *talk = vst_scsi_talk_open(unit->hba);
    struct disk *disk = talk != NULL ? vst_scsi_disk_create(unit_of(unit)) : NULL;
    enum vst_status status = disk != NULL ? VST_OK : VST_ERR_NO_MEMORY;
    struct scsi_disk_told told;

    if (status == VST_OK) {
        talk->nexus = unit->nexus;
        status = ask_all(talk, &told);
    }
    if (status == VST_OK)
        status = fill_limits(disk, &told);
    if (status == VST_OK)
        status = make_shared(disk);
    if (status == VST_OK) {
        vst_scsi_disk_make_queues(disk,
                                  needs_longest(&told.capacity) ? &vst_scsi_disk_long_driver
                                                                : &vst_scsi_disk_driver,
                                  needs_long(&told.capacity));
        vst_block_limits_changed(&disk->base);
        unit->block = *device = &disk->base;
        unit_of(unit)->driver = &vst_scsi_disk_unit_driver;
    } else if (disk != NULL) {
        vst_scsi_disk_detach(&disk->base);
    }
    if (talk != NULL)
        vst_scsi_talk_close(talk);
    return status;
}

enum vst_status vst_scsi_disk_attach(struct vst_scsi_hba *hba, uint8_t target,
                                     const struct vst_scsi_lun *lun,
                                     struct vst_block_device **device)
{
    enum vst_status status;
    struct unit *unit = vst_scsi_unit_create(hba, target, lun, &status);

    if (unit == NULL)
        return status;
    status = vst_scsi_identify_one(unit);
    if (status == VST_OK)
        status = vst_scsi_disk_attach_unit(&unit->base, device);
    if (status == VST_OK)
        scsi_disk_of(*device)->owns_unit = true;
    else
        vst_scsi_unit_free(unit);
    return status == VST_ERR_NOT_FOUND ? VST_ERR_GONE : status;
}

/** Whoever takes interrupts of the adapter's queues must not find it any more. */
static void disarm(struct disk *disk)
{
    for (uint16_t i = 0; i < disk->base.n_queues; i++) {
        struct vst_block_queue *queue = disk->queue_list[i];
        __atomic_compare_exchange_n(&disk->hba->queues[i]->armed, &queue, NULL, false,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
}

void vst_scsi_disk_detach(struct vst_block_device *device)
{
    struct disk *disk = scsi_disk_of(device);
    const struct vst_platform *platform = disk->hba->platform;
    struct unit *unit = disk->unit;

    disarm(disk);
    bool closed = disk->recovery.hba == NULL ||
                  vst_scsi_recovery_close(&disk->recovery, disk->hba->queues[0]);
    if (disk->cd.talk != NULL)
        vst_scsi_talk_close(disk->cd.talk);
    unit->base.block = NULL;
    unit->driver = NULL;
    if (disk->owns_unit)
        vst_scsi_unit_free(unit);
    if (disk->shared != NULL && !disk->hba->keeps_memory)
        platform->free(platform->ctx, disk->shared, disk->shared_bytes, VST_MEMORY_SHARED);
    if (closed)
        platform->free(platform->ctx, disk, disk->bytes, VST_MEMORY_PRIVATE);
}

/* ------------------------------------------------------------------ what changes */

/**
 * Queues on other CPUs go on meanwhile. The longer commands do for a smaller disk as well, so they
 * are never taken back.
 */
static void take_capacity(struct disk *disk, const struct scsi_capacity *capacity)
{
    struct vst_block_limits *limits = &disk->base.limits;

    for (uint16_t i = 0; i < disk->base.n_queues && needs_long(capacity); i++)
        __atomic_store_n(&disk->queues[i].is_long, true, __ATOMIC_RELEASE);
    limits->physical_block_bytes = capacity->physical_block_bytes;
    __atomic_store_n(&limits->n_sectors, capacity->n_sectors, __ATOMIC_RELEASE);
}

static enum vst_status look_again(struct unit *unit, struct scsi_talk *talk, uint32_t what)
{
    struct disk *disk = scsi_disk_of_unit(&unit->base);
    enum vst_status status = VST_OK;
    struct scsi_disk_told told;

    if ((what & (VST_SCSI_LOOK_CAPACITY | VST_SCSI_LOOK_IDENTITY | VST_SCSI_LOOK_MEDIUM)) != 0) {
        status = ask_capacity(talk, &told.capacity);
        if (status == VST_OK && told.capacity.block_bytes != disk->base.limits.logical_block_bytes)
            return VST_ERR_MALFORMED;
        if (status == VST_OK)
            take_capacity(disk, &told.capacity);
    }
    if ((what & ~(uint32_t)(VST_SCSI_LOOK_CAPACITY | VST_SCSI_LOOK_PATHS)) != 0) {
        if (vst_scsi_disk_ask_mode(talk, &told))
            take_mode(disk, &told);
    }
    vst_block_limits_changed(&disk->base);
    return status;
}

static void end_service(struct disk *disk, const char *why)
{
    if (__atomic_load_n(&disk->base.broken, __ATOMIC_RELAXED))
        return;
    disk->base.broken_why = why;
    __atomic_store_n(&disk->base.broken, true, __ATOMIC_RELAXED);
    vst_block_limits_changed(&disk->base);
}

void vst_scsi_disk_unplug(struct unit *unit)
{
    struct disk *disk = scsi_disk_of_unit(&unit->base);

    end_service(disk, "unplugged");
    __atomic_store_n(&disk->base.gone, true, __ATOMIC_RELEASE);
    disarm(disk);
}

void vst_scsi_disk_give_up(struct unit *unit)
{
    end_service(scsi_disk_of_unit(&unit->base), unit->base.hba->broken_why);
}

/** As seen from another CPU: a glance that errs on the side of "busy". */
static bool is_idle_queue(const struct disk_queue *q)
{
    return q->base.base.split.first == NULL && q->base.base.ready.first == NULL &&
           q->waiting.first == NULL && __atomic_load_n(&q->n_hidden, __ATOMIC_ACQUIRE) == 0 &&
           __atomic_load_n(&q->base.n_room, __ATOMIC_ACQUIRE) >=
               __atomic_load_n(&q->depth.now, __ATOMIC_ACQUIRE);
}

/** Queues of other CPUs, too: a glance that is looked at again. */
bool vst_scsi_disk_is_idle(const struct unit *unit)
{
    const struct disk *disk = scsi_disk_of_unit(&unit->base);

    for (uint16_t i = 0; i < disk->base.n_queues; i++)
        if (!is_idle_queue(&disk->queues[i]))
            return false;
    return vst_scsi_recovery_is_quiet(&disk->recovery) && disk->base.n_holders == 0;
}

const struct unit_driver vst_scsi_disk_unit_driver = {
    .look_again = look_again,
    .unplug = vst_scsi_disk_unplug,
    .give_up = vst_scsi_disk_give_up,
    .is_idle = vst_scsi_disk_is_idle,
};
