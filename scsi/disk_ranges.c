/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk's ranges without data. Discard is UNMAP, or WRITE SAME where the unit unmaps by that alone;
 * write zeroes is WRITE SAME with a block of zeroes. (SBC-3, 4.7, 5.28, 5.46)
 */
#include "scsi/disk.h"

#include <vstor/log.h>

#include "scsi/cdb.h"

/**
 * Of one WRITE SAME: a unit that does write has to be done before the command is late, and who waits
 * wants to see that it goes on.
 */
#define MOST_SAME_BYTES (256u << 20)

/* ------------------------------------------------------------------ limits */

/** As many as 32 bits count. */
static uint32_t sectors_of(uint64_t blocks, uint8_t shift)
{
    uint64_t most = UINT32_MAX >> shift;

    return (uint32_t)(blocks < most ? blocks : most) << shift;
}

/** Where to cut: a hint, and granules that begin elsewhere than at 0 can't be hinted at. */
static uint32_t alignment(const struct scsi_block_limits *limits, uint8_t shift)
{
    if (limits->unmap_alignment != 0 || limits->unmap_granularity > UINT32_MAX >> shift)
        return 0;
    return limits->unmap_granularity << shift;
}

/** Older units tell of it by its limits alone. */
static bool has_unmap(const struct unit *unit)
{
    return unit->provisioning.unmap || !vst_scsi_has_page(&unit->pages, SCSI_PAGE_PROVISIONING);
}

static struct vst_block_range_limits unmap_limits(const struct unit *unit, uint8_t shift)
{
    const struct scsi_block_limits *limits = &unit->limits;
    uint32_t most = sectors_of(limits->max_unmap, shift);
    uint32_t n = limits->max_unmap_descriptors;

    if (most == 0 || n == 0 || !has_unmap(unit)) /* 6.6.3: 0 is none at all */
        return (struct vst_block_range_limits){0};
    return (struct vst_block_range_limits){
        .max_sectors = most,
        .max_sum_sectors = most,
        .max_ranges = (uint16_t)(n < SCSI_UNMAP_DESCRIPTORS ? n : SCSI_UNMAP_DESCRIPTORS),
        .alignment_sectors = alignment(limits, shift),
    };
}

/** Units that say neither how long it may be nor that it unmaps may not have it at all. */
static struct vst_block_range_limits same_limits(const struct unit *unit, uint8_t shift)
{
    uint64_t told_blocks = unit->limits.max_write_same;
    uint32_t most = sectors_of(told_blocks != 0 ? told_blocks : UINT64_MAX, shift);

    if (told_blocks == 0 && !unit->provisioning.same_unmap_16)
        return (struct vst_block_range_limits){0};
    if (most > MOST_SAME_BYTES >> VST_SECTOR_SHIFT)
        most = MOST_SAME_BYTES >> VST_SECTOR_SHIFT;
    return (struct vst_block_range_limits){.max_sectors = most, .max_ranges = 1};
}

void vst_scsi_disk_range_limits(struct disk *disk, const struct scsi_disk_told *told)
{
    struct vst_block_limits *limits = &disk->base.limits;
    const struct unit *unit = disk->unit;
    bool unmaps_by_same = told->capacity.thin && unit->provisioning.same_unmap_16;
    uint8_t shift = scsi_block_shift(told->capacity.block_bytes);

    limits->zeroes = same_limits(unit, shift);
    limits->zeroes_may_unmap =
        unmaps_by_same && (told->capacity.reads_zeroes || unit->provisioning.reads_zeroes);
    if (told->capacity.thin)
        limits->discard = unmap_limits(unit, shift);
    if (limits->discard.max_ranges == 0 && unmaps_by_same) {
        disk->discards_by_same = true;
        limits->discard = limits->zeroes;
        limits->discard.alignment_sectors = alignment(&unit->limits, shift);
    }
}

/* ------------------------------------------------------------------ requests */

/** The part, with what is to be sent in the place of its ranges. */
static enum vst_status send(struct disk_queue *q, struct vst_block_request *request,
                            const struct vst_block_part *part, const struct vst_block_segment *data,
                            struct vst_scsi_cdb cdb)
{
    const struct vst_block_part sent = {
        .op = part->op,
        .start_sector = part->start_sector,
        .n_sectors = part->n_sectors,
        .bytes = (uint32_t)data->bytes,
        .n_pieces = (uint32_t)((data->bytes - 1) / q->disk->base.limits.max_segment_bytes + 1),
        .segments = data,
    };

    return q->base.ops->submit_part(&q->base, request, &sent, cdb);
}

/** Into the queue's list; its length. */
static uint16_t put_ranges(const struct disk_queue *q, const struct vst_block_part *part)
{
    const struct vst_block_range_limits *limits = &q->disk->base.limits.discard;
    const struct vst_block_range *range = part->ranges;
    uint64_t skip_sectors = part->skip_bytes;

    for (uint32_t i = 0; i < part->n_pieces; i++) {
        struct vst_block_range piece = vst_block_range_piece(range, skip_sectors, limits);
        vst_scsi_unmap_put(q->list, i, piece.start_sector >> q->block_shift,
                           (uint32_t)(piece.n_sectors >> q->block_shift));
        skip_sectors += piece.n_sectors;
        if (skip_sectors == range->n_sectors) {
            range++;
            skip_sectors = 0;
        }
    }
    return vst_scsi_unmap_end(q->list, part->n_pieces);
}

/** One at a time: the list is the unit's to read until then. */
static enum vst_status submit_unmap(struct disk_queue *q, struct vst_block_request *request,
                                    const struct vst_block_part *part)
{
    struct vst_block_segment list = {.buffer = q->list};

    if (q->list_in_use)
        return VST_ERR_FULL;
    list.bytes = put_ranges(q, part);
    enum vst_status status = send(q, request, part, &list, vst_scsi_unmap((uint16_t)list.bytes));
    q->list_in_use = status == VST_OK;
    return status;
}

static enum vst_status submit_same(struct disk_queue *q, struct vst_block_request *request,
                                   const struct vst_block_part *part)
{
    const struct vst_block_limits *limits = &q->disk->base.limits;
    const struct vst_block_segment zeroes = {q->disk->shared, limits->logical_block_bytes};
    bool unmap = part->op == VST_BLOCK_DISCARD ||
                 (part->op == VST_BLOCK_WRITE_ZEROES && limits->zeroes_may_unmap);

    return send(q, request, part, &zeroes,
                vst_scsi_write_same_16(part->start_sector >> q->block_shift,
                                       (uint32_t)(part->n_sectors >> q->block_shift),
                                       unmap ? SCSI_SAME_UNMAP : 0));
}

enum vst_status vst_scsi_disk_submit_ranges(struct disk_queue *q, struct vst_block_request *request,
                                            const struct vst_block_part *part)
{
    return part->op == VST_BLOCK_DISCARD && !q->disk->discards_by_same
               ? submit_unmap(q, request, part)
               : submit_same(q, request, part);
}

/** Other CPUs look at the limits meanwhile; all that may be is set to 0. */
static void offer_no_more(struct disk *disk, enum vst_block_op op)
{
    bool discard = op == VST_BLOCK_DISCARD;
    uint16_t *max_ranges =
        discard ? &disk->base.limits.discard.max_ranges : &disk->base.limits.zeroes.max_ranges;

    if (__atomic_exchange_n(max_ranges, 0, __ATOMIC_RELAXED) != 0)
        vst_log(disk->base.platform, VST_LOG_WARNING, "%s: the unit refuses %s; not used any more",
                disk->base.name, vst_block_op_name(op));
}

void vst_scsi_disk_ranges_ended(struct disk_queue *q, enum vst_block_op op,
                                const struct scsi_decision *decision)
{
    if (op == VST_BLOCK_DISCARD)
        q->list_in_use = false;
    if (decision->status == VST_ERR_UNSUPPORTED && !decision->again)
        offer_no_more(q->disk, op);
}
