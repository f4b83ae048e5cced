/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What REPORT LUNS and READ CAPACITY tell. (SPC-4, 6.33; SBC-3, 5.15, 5.16)
 *
 * As in inquiry.h: bytes that were received, of memory that no device can write any more.
 */
#ifndef VSTOR_SCSI_CAPACITY_H
#define VSTOR_SCSI_CAPACITY_H

#include <vstor/scsi_types.h>

#include "scsi/bytes.h"

/* ------------------------------------------------------------------ REPORT LUNS */

#define SCSI_LUNS_HEADER_BYTES 8u
/** Least that targets demand (SPC-4, 6.33). */
#define SCSI_LUNS_LEAST_BYTES 16u
/** Most units of a target that are looked for. */
#define SCSI_MAX_LUNS 65536u

struct scsi_luns {
    struct scsi_view entries; /**< those received, whole */
    uint32_t n_entries;       /**< of them */
    uint32_t n_told;          /**< that the target has, at most SCSI_MAX_LUNS */
    /** Room that the whole list takes: to ask again where that is more than was received. */
    uint32_t whole_bytes;
};

/** VST_ERR_MALFORMED: not even the header. */
enum vst_status vst_scsi_luns_parse(struct scsi_view bytes, struct scsi_luns *luns) VST_MUST_USE;

/** Entry `index` below n_entries. VST_ERR_UNSUPPORTED: see vst_scsi_lun_decode. */
enum vst_status vst_scsi_luns_entry(const struct scsi_luns *luns, uint32_t index,
                                    struct vst_scsi_lun *lun) VST_MUST_USE;

/* ------------------------------------------------------------------ READ CAPACITY */

#define SCSI_CAPACITY_10_BYTES 8u
#define SCSI_CAPACITY_16_BYTES 32u

#define SCSI_MAX_BLOCK_BYTES 65536u

struct scsi_capacity {
    uint64_t n_blocks;
    uint64_t n_sectors;            /**< the same in units of 512 bytes */
    uint32_t block_bytes;          /**< a power of two, 512 to 64 KiB */
    uint32_t physical_block_bytes; /**< a power of two, at least block_bytes */
    uint16_t first_aligned_block;  /**< where the first physical block begins */
    uint8_t protection_type;       /**< 0 none, 1 to 3; above: not known */
    bool thin;                     /**< LBPME: blocks can be unmapped */
    bool reads_zeroes;             /**< LBPRZ: and then read as zeroes */
};

/**
 * VST_ERR_TOO_LARGE    only READ CAPACITY (16) can tell
 * VST_ERR_MALFORMED    too short; a block of 0 bytes, or that is no power of two, or below 512 or
 *                      above 64 KiB; so many sectors that 64 bits can't count them
 */
enum vst_status vst_scsi_capacity_10_parse(struct scsi_view bytes,
                                           struct scsi_capacity *capacity) VST_MUST_USE;
enum vst_status vst_scsi_capacity_16_parse(struct scsi_view bytes,
                                           struct scsi_capacity *capacity) VST_MUST_USE;

#endif
