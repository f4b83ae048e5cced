/* SPDX-License-Identifier: BSD-2-Clause */
#include "scsi/capacity.h"

/* ------------------------------------------------------------------ REPORT LUNS */

enum vst_status vst_scsi_luns_parse(struct scsi_view bytes, struct scsi_luns *luns)
{
    uint32_t n_told, n_received;

    if (!scsi_has(bytes, 0, SCSI_LUNS_HEADER_BYTES))
        return VST_ERR_MALFORMED;
    n_told = scsi_be32(bytes, 0) / VST_SCSI_LUN_BYTES;
    if (n_told > SCSI_MAX_LUNS)
        n_told = SCSI_MAX_LUNS;
    bytes = scsi_part(bytes, SCSI_LUNS_HEADER_BYTES, (size_t)n_told * VST_SCSI_LUN_BYTES);
    n_received = (uint32_t)(bytes.bytes / VST_SCSI_LUN_BYTES);
    *luns = (struct scsi_luns){
        .entries = scsi_cut(bytes, (size_t)n_received * VST_SCSI_LUN_BYTES),
        .n_entries = n_received,
        .n_told = n_told,
        .whole_bytes = SCSI_LUNS_HEADER_BYTES + n_told * VST_SCSI_LUN_BYTES,
    };
    return VST_OK;
}

enum vst_status vst_scsi_luns_entry(const struct scsi_luns *luns, uint32_t index,
                                    struct vst_scsi_lun *lun)
{
    if (index >= luns->n_entries)
        return VST_ERR_INVALID;
    return vst_scsi_lun_decode(luns->entries.at + (size_t)index * VST_SCSI_LUN_BYTES, lun);
}

/* ------------------------------------------------------------------ READ CAPACITY */

/* 5.16.2: what it told when there was no more than that. */
#define CAPACITY_16_LEAST_BYTES 12u

#define LAST_BLOCK_UNTOLD 0xffffffffu

static enum vst_status check(uint64_t last_block, uint32_t block_bytes,
                             struct scsi_capacity *capacity)
{
    uint64_t n_blocks, n_sectors;

    if (!vst_is_power_of_two(block_bytes) || block_bytes < VST_SECTOR_BYTES ||
        block_bytes > SCSI_MAX_BLOCK_BYTES)
        return VST_ERR_MALFORMED;
    if (__builtin_add_overflow(last_block, 1, &n_blocks) ||
        __builtin_mul_overflow(n_blocks, (uint64_t)(block_bytes / VST_SECTOR_BYTES), &n_sectors))
        return VST_ERR_MALFORMED;
    *capacity = (struct scsi_capacity){
        .n_blocks = n_blocks,
        .n_sectors = n_sectors,
        .block_bytes = block_bytes,
        .physical_block_bytes = block_bytes,
    };
    return VST_OK;
}

enum vst_status vst_scsi_capacity_10_parse(struct scsi_view bytes, struct scsi_capacity *capacity)
{
    if (!scsi_has(bytes, 0, SCSI_CAPACITY_10_BYTES))
        return VST_ERR_MALFORMED;
    if (scsi_be32(bytes, 0) == LAST_BLOCK_UNTOLD)
        return VST_ERR_TOO_LARGE;
    return check(scsi_be32(bytes, 0), scsi_be32(bytes, 4), capacity);
}

enum vst_status vst_scsi_capacity_16_parse(struct scsi_view bytes, struct scsi_capacity *capacity)
{
    enum vst_status status;

    if (!scsi_has(bytes, 0, CAPACITY_16_LEAST_BYTES))
        return VST_ERR_MALFORMED;
    status = check(scsi_be64(bytes, 0), scsi_be32(bytes, 8), capacity);
    if (status != VST_OK)
        return status;
    /* PROT_EN, then P_TYPE, of which 0 is type 1. */
    if ((scsi_u8(bytes, 12) & 0x01) != 0)
        capacity->protection_type = (uint8_t)((scsi_u8(bytes, 12) >> 1 & 7) + 1);
    capacity->physical_block_bytes = capacity->block_bytes << (scsi_u8(bytes, 13) & 0x0f);
    capacity->thin = scsi_u8(bytes, 14) & 0x80;
    capacity->reads_zeroes = scsi_u8(bytes, 14) & 0x40;
    capacity->first_aligned_block = scsi_be16(bytes, 14) & 0x3fff;
    return VST_OK;
}
