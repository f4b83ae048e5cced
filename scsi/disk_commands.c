/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk's commands that are no block requests: its cache mode; blocks checked where they are;
 * compared and written at once. (SPC-4, 6.9 to 6.12; SBC-3, 5.3, 5.38)
 */
#include "scsi/disk.h"

#include <vstor/log.h>

#include "scsi/cdb.h"

#define PATIENCE_MS       30000u
#define MOST_VERIFY_BYTES (256u << 20) /* of one VERIFY, which reads them all before it answers */

/* ------------------------------------------------------------------ asked at attach */

static enum vst_status ask(struct scsi_talk *talk, enum scsi_mode_values values,
                           struct scsi_disk_told *told)
{
    struct scsi_view view;

    told->mode_form = SCSI_MODE_10;
    if (vst_scsi_ask(talk,
                     vst_scsi_mode_sense_10(values, SCSI_MODE_PAGE_CACHING, 0, SCSI_MODE_BYTES),
                     SCSI_MODE_BYTES, PATIENCE_MS, &view) == VST_OK &&
        vst_scsi_mode_parse(view, SCSI_MODE_10, &told->mode) == VST_OK)
        return VST_OK;
    told->mode_form = SCSI_MODE_6;
    enum vst_status status = vst_scsi_ask(
        talk, vst_scsi_mode_sense_6(values, SCSI_MODE_PAGE_CACHING, 0, SCSI_MODE_BYTES),
        SCSI_MODE_BYTES, PATIENCE_MS, &view);
    return status == VST_OK ? vst_scsi_mode_parse(view, SCSI_MODE_6, &told->mode) : status;
}

/** Of the mask of what can be changed, the cache's bit says so. */
bool vst_scsi_disk_ask_mode(struct scsi_talk *talk, struct scsi_disk_told *told)
{
    bool settable = ask(talk, SCSI_MODE_CHANGEABLE, told) == VST_OK && told->mode.has_caching &&
                    told->mode.write_cache;
    bool is_told = ask(talk, SCSI_MODE_CURRENT, told) == VST_OK;

    if (!is_told)
        told->mode = (struct scsi_mode){0};
    told->cache_settable = settable && told->mode.has_caching;
    return is_told;
}

/* ------------------------------------------------------------------ the cache mode */

/** Runs a command of the disk's on one of its adapter's queues; signs of change are passed on. */
static enum vst_status run_on(struct disk *disk, struct vst_scsi_hba_queue *queue,
                              struct vst_scsi_command *command, struct vst_scsi_cdb cdb)
{
    uint32_t signs = 0;

    command->nexus = disk->unit->base.nexus;
    command->cdb_bytes = vst_scsi_cdb_bytes(cdb.bytes[0]);
    __builtin_memcpy(command->cdb, cdb.bytes, sizeof(cdb.bytes));
    enum vst_status status = vst_scsi_run_patiently(queue, command, PATIENCE_MS, &signs);
    if (signs != 0)
        vst_scsi_unit_look_again(&disk->unit->base, signs);
    return status;
}

static uint8_t *mode_place(const struct disk *disk)
{
    return disk->shared + disk->shared_bytes - SCSI_MODE_BYTES;
}

/** Sends what lies in the disk's place for mode data, or has the unit fill it. */
static enum vst_status run(struct disk *disk, struct vst_scsi_cdb cdb, bool out, uint32_t *bytes)
{
    const struct vst_block_segment place = {mode_place(disk), *bytes};
    struct vst_scsi_command command = {.n_out = out, .n_in = !out, .out = &place, .in = &place};
    enum vst_status status = run_on(disk, disk->hba->queues[0], &command, cdb);

    *bytes -= command.outcome.residual_bytes;
    return status;
}

/** What is now, copied to `bytes`, into which `mode` points. */
static enum vst_status sense(struct disk *disk, uint8_t bytes[SCSI_MODE_BYTES],
                             struct scsi_mode *mode)
{
    uint32_t n = SCSI_MODE_BYTES;
    struct vst_scsi_cdb cdb =
        disk->mode_form == SCSI_MODE_10
            ? vst_scsi_mode_sense_10(SCSI_MODE_CURRENT, SCSI_MODE_PAGE_CACHING, 0, SCSI_MODE_BYTES)
            : vst_scsi_mode_sense_6(SCSI_MODE_CURRENT, SCSI_MODE_PAGE_CACHING, 0, SCSI_MODE_BYTES);
    enum vst_status status = run(disk, cdb, false, &n);

    if (status != VST_OK)
        return status;
    return vst_scsi_mode_parse(scsi_copy_out(bytes, mode_place(disk), n), disk->mode_form, mode);
}

static enum vst_status select(struct disk *disk, const struct scsi_mode *mode, bool on)
{
    size_t list_bytes;
    enum vst_status status =
        vst_scsi_mode_put_write_cache(mode, on, mode_place(disk), SCSI_MODE_BYTES, &list_bytes);
    uint32_t n = (uint32_t)list_bytes;

    if (status != VST_OK)
        return status;
    return run(disk,
               disk->mode_form == SCSI_MODE_10 ? vst_scsi_mode_select_10(false, (uint16_t)n)
                                               : vst_scsi_mode_select_6(false, (uint8_t)n),
               true, &n);
}

/** What the unit says afterwards counts, not what it was asked for. */
enum vst_status vst_scsi_disk_set_write_cache(struct vst_block_device *device, bool on)
{
    struct disk *disk = scsi_disk_of(device);
    uint8_t bytes[SCSI_MODE_BYTES];
    struct scsi_mode mode;
    enum vst_status status = sense(disk, bytes, &mode);

    if (status == VST_OK)
        status = select(disk, &mode, on);
    if (status == VST_OK)
        status = sense(disk, bytes, &mode);
    if (status != VST_OK)
        return status;
    __atomic_store_n(&device->write_cache, mode.has_caching && mode.write_cache, __ATOMIC_RELAXED);
    vst_block_limits_changed(device);
    if (device->write_cache == on)
        return VST_OK;
    vst_log(device->platform, VST_LOG_WARNING, "%s: the write cache does not go %s", device->name,
            on ? "on" : "off");
    return VST_ERR_UNSUPPORTED;
}

/* ------------------------------------------------------------------ blocks, whole and inside */

static enum vst_status check(const struct vst_block_queue *queue, uint64_t start_sector,
                             uint64_t n_sectors)
{
    const struct vst_block_limits *limits = &queue->device->limits;
    uint64_t capacity = __atomic_load_n(&limits->n_sectors, __ATOMIC_RELAXED);
    uint64_t block_mask = limits->logical_block_bytes / VST_SECTOR_BYTES - 1;

    if (queue->driver->set_write_cache != vst_scsi_disk_set_write_cache)
        return VST_ERR_UNSUPPORTED; /* not a disk of ours */
    if (queue->device->broken)
        return queue->device->gone ? VST_ERR_GONE : VST_ERR_BROKEN;
    if (n_sectors == 0 || ((start_sector | n_sectors) & block_mask) != 0)
        return VST_ERR_INVALID;
    return n_sectors > capacity || start_sector > capacity - n_sectors ? VST_ERR_RANGE : VST_OK;
}

/** Where in the blocks from start_sector on it failed, as far as the unit says. */
static uint64_t failed_at(const struct disk_queue *q, const struct vst_scsi_command *command,
                          uint64_t start_sector, uint64_t n_sectors)
{
    const struct vst_scsi_outcome *outcome = &command->outcome;
    struct vst_scsi_sense sense;

    if (vst_scsi_sense_parse(outcome->sense, outcome->sense_bytes, &sense) != VST_OK ||
        !sense.has_information || sense.information > UINT64_MAX >> q->block_shift)
        return start_sector;
    uint64_t sector = sense.information << q->block_shift;
    return sector < start_sector || sector - start_sector >= n_sectors ? start_sector : sector;
}

static enum vst_status verify_some(struct disk_queue *q, uint64_t start_sector, uint64_t n_sectors,
                                   uint64_t *error_sector)
{
    uint64_t block = start_sector >> q->block_shift;
    uint32_t n = (uint32_t)(n_sectors >> q->block_shift);
    struct vst_scsi_cdb cdb = q->is_long ? vst_scsi_verify_16(block, n)
                                         : vst_scsi_verify_10((uint32_t)block, (uint16_t)n);
    struct vst_scsi_command command = {0};
    enum vst_status status = run_on(q->disk, q->base.hba_queue, &command, cdb);

    if (status != VST_OK)
        *error_sector = failed_at(q, &command, start_sector, n_sectors);
    return status;
}

enum vst_status vst_scsi_disk_verify(struct vst_block_queue *queue, uint64_t start_sector,
                                     uint64_t n_sectors, uint64_t *error_sector)
{
    struct disk_queue *q = (struct disk_queue *)queue; /* base comes first, and its base */
    uint64_t failed = start_sector;
    enum vst_status status = check(queue, start_sector, n_sectors);

    while (status == VST_OK && n_sectors > 0) {
        uint64_t most = q->is_long ? UINT64_MAX : (uint64_t)UINT16_MAX << q->block_shift;
        uint64_t n =
            vst_min_u64(vst_min_u64(n_sectors, most), MOST_VERIFY_BYTES >> VST_SECTOR_SHIFT);
        status = verify_some(q, start_sector, n, &failed);
        start_sector += n;
        n_sectors -= n;
    }
    if (status != VST_OK && error_sector != NULL)
        *error_sector = failed;
    return status;
}

enum vst_status vst_scsi_disk_compare_and_write(struct vst_block_queue *queue,
                                                uint64_t start_sector, uint32_t n_sectors,
                                                const void *expected, const void *wanted)
{
    struct disk_queue *q = (struct disk_queue *)queue;
    size_t bytes = (size_t)n_sectors << VST_SECTOR_SHIFT;
    /* Only read: segments are one type for both directions. */
    const struct vst_block_segment data[] = {{(void *)(uintptr_t)expected, bytes},
                                             {(void *)(uintptr_t)wanted, bytes}};
    struct vst_scsi_command command = {.n_out = 2, .out = data};
    enum vst_status status = check(queue, start_sector, n_sectors);

    if (status != VST_OK)
        return status;
    uint8_t max = q->disk->unit->limits.max_compare_and_write;
    if (queue->device->read_only)
        return VST_ERR_READ_ONLY;
    if (max == 0)
        return VST_ERR_UNSUPPORTED;
    if (n_sectors >> q->block_shift > max)
        return VST_ERR_TOO_LARGE;
    return run_on(q->disk, q->base.hba_queue, &command,
                  vst_scsi_compare_and_write(start_sector >> q->block_shift,
                                             (uint8_t)(n_sectors >> q->block_shift), 0));
}
