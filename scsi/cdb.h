/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Command descriptor blocks: one function for each command. (SPC-4 6, SBC-3 5, MMC-6 6)
 *
 * Those of the path of a request are inlines of a few instructions that leave the CDB in two
 * registers; all others are cold. Lengths are those of the data: of parameter lists sent, or most
 * bytes that may come back.
 */
#ifndef VSTOR_SCSI_CDB_H
#define VSTOR_SCSI_CDB_H

#include <vstor/scsi_reserve.h>

enum scsi_operation {
    SCSI_TEST_UNIT_READY = 0x00,
    SCSI_REQUEST_SENSE = 0x03,
    SCSI_INQUIRY = 0x12,
    SCSI_MODE_SELECT_6 = 0x15,
    SCSI_MODE_SENSE_6 = 0x1a,
    SCSI_START_STOP_UNIT = 0x1b,
    SCSI_PREVENT_ALLOW = 0x1e,
    SCSI_READ_CAPACITY_10 = 0x25,
    SCSI_READ_10 = 0x28,
    SCSI_WRITE_10 = 0x2a,
    SCSI_VERIFY_10 = 0x2f,
    SCSI_SYNCHRONIZE_CACHE_10 = 0x35,
    SCSI_UNMAP = 0x42,
    SCSI_READ_TOC = 0x43,
    SCSI_GET_CONFIGURATION = 0x46,
    SCSI_GET_EVENT_STATUS = 0x4a,
    SCSI_MODE_SELECT_10 = 0x55,
    SCSI_MODE_SENSE_10 = 0x5a,
    SCSI_PERSISTENT_RESERVE_IN = 0x5e,
    SCSI_PERSISTENT_RESERVE_OUT = 0x5f,
    SCSI_VARIABLE_LENGTH = 0x7f,
    SCSI_READ_16 = 0x88,
    SCSI_COMPARE_AND_WRITE = 0x89,
    SCSI_WRITE_16 = 0x8a,
    SCSI_VERIFY_16 = 0x8f,
    SCSI_WRITE_SAME_16 = 0x93,
    SCSI_SERVICE_ACTION_IN_16 = 0x9e,
    SCSI_REPORT_LUNS = 0xa0,
    SCSI_MAINTENANCE_IN = 0xa3,
    SCSI_MAINTENANCE_OUT = 0xa4,
};

#define SCSI_SA_READ_CAPACITY_16   0x10u
#define SCSI_SA_TARGET_PORT_GROUPS 0x0au

/** Bits of the second byte of READ, WRITE, COMPARE AND WRITE; VERIFY has the first alone. */
#define SCSI_DPO 0x10u /**< of no use to a cache */
#define SCSI_FUA 0x08u /**< on the medium when it ends */

/* ------------------------------------------------------------------ the path of a request */

/*
 * Both words as numbers whose lowest byte comes first in memory. 10 bytes: operation, flags, block
 * (4), group, number of blocks (2), control.
 */
static inline struct vst_scsi_cdb scsi_cdb_10(uint8_t operation, uint8_t flags, uint32_t block,
                                              uint16_t n)
{
    return (struct vst_scsi_cdb){
        .words = {VST_LE64_(operation | (uint64_t)flags << 8 |
                            (uint64_t)__builtin_bswap32(block) << 16 | (uint64_t)(n >> 8) << 56),
                  VST_LE64_((uint64_t)(n & 0xff))}};
}

/** 16 bytes: operation, flags, block (8), number of blocks (4), group, control. */
static inline struct vst_scsi_cdb scsi_cdb_16(uint8_t operation, uint8_t flags, uint64_t block,
                                              uint32_t n)
{
    uint64_t swapped = __builtin_bswap64(block);

    return (struct vst_scsi_cdb){
        .words = {VST_LE64_(operation | (uint64_t)flags << 8 | swapped << 16),
                  VST_LE64_(swapped >> 48 | (uint64_t)__builtin_bswap32(n) << 16)}};
}

/** `flags`: SCSI_DPO, SCSI_FUA. Blocks are logical ones; of the 10-byte commands at most 65535. */
static inline struct vst_scsi_cdb scsi_read_10(uint32_t block, uint16_t n_blocks, uint8_t flags)
{
    return scsi_cdb_10(SCSI_READ_10, flags, block, n_blocks);
}
static inline struct vst_scsi_cdb scsi_write_10(uint32_t block, uint16_t n_blocks, uint8_t flags)
{
    return scsi_cdb_10(SCSI_WRITE_10, flags, block, n_blocks);
}
static inline struct vst_scsi_cdb scsi_read_16(uint64_t block, uint32_t n_blocks, uint8_t flags)
{
    return scsi_cdb_16(SCSI_READ_16, flags, block, n_blocks);
}
static inline struct vst_scsi_cdb scsi_write_16(uint64_t block, uint32_t n_blocks, uint8_t flags)
{
    return scsi_cdb_16(SCSI_WRITE_16, flags, block, n_blocks);
}

/* ------------------------------------------------------------------ more for blocks */

/** Service actions of 32-byte commands (SBC-3, 5.13). */
enum scsi_long_operation {
    SCSI_READ_32 = 0x0009,
    SCSI_VERIFY_32 = 0x000a,
    SCSI_WRITE_32 = 0x000b,
};

/** For units with protection type 2, which know no shorter ones. `flags` has RDPROTECT in bits 5 to 7. */
void vst_scsi_cdb_32(uint8_t cdb[VST_SCSI_LONG_CDB_BYTES], enum scsi_long_operation operation,
                     uint64_t block, uint32_t n_blocks, uint8_t flags, uint32_t reference_tag);

/** Checks that the medium can be read; nothing is transferred. */
struct vst_scsi_cdb vst_scsi_verify_10(uint32_t block, uint16_t n_blocks);
struct vst_scsi_cdb vst_scsi_verify_16(uint64_t block, uint32_t n_blocks);

/**
 * All blocks, however many there are; it ends when they are on the medium. Nothing asks for the form
 * of 16 bytes: QEMU's disks don't know it, of whatever size.
 */
struct vst_scsi_cdb vst_scsi_synchronize_cache_10(void);

#define SCSI_UNMAP_HEADER_BYTES     8u
#define SCSI_UNMAP_DESCRIPTOR_BYTES 16u

/** Its parameter list: descriptors from 0 on, then the header. (SBC-3, 5.28) */
struct vst_scsi_cdb vst_scsi_unmap(uint16_t list_bytes);
void vst_scsi_unmap_put(uint8_t *list, unsigned index, uint64_t block, uint32_t n_blocks);
/** Returns the list's length. */
uint16_t vst_scsi_unmap_end(uint8_t *list, unsigned n_descriptors);

/** The second byte of WRITE SAME. */
#define SCSI_SAME_UNMAP  0x08u /**< the place may be given back, if it then reads the same */
#define SCSI_SAME_ANCHOR 0x10u
#define SCSI_SAME_NDOB   0x01u /**< no data-out buffer: zeroes; else one block is sent */
struct vst_scsi_cdb vst_scsi_write_same_16(uint64_t block, uint32_t n_blocks, uint8_t flags);

/** Sends the blocks to compare with, then those to write. */
struct vst_scsi_cdb vst_scsi_compare_and_write(uint64_t block, uint8_t n_blocks, uint8_t flags);

/* ------------------------------------------------------------------ any unit */

struct vst_scsi_cdb vst_scsi_test_unit_ready(void);
struct vst_scsi_cdb vst_scsi_inquiry(uint16_t bytes);
struct vst_scsi_cdb vst_scsi_inquiry_page(uint8_t page, uint16_t bytes);
struct vst_scsi_cdb vst_scsi_request_sense(bool descriptor, uint8_t bytes);

/** SELECT REPORT (SPC-4, 6.33). */
enum scsi_luns_wanted {
    SCSI_LUNS_ADDRESSABLE = 0x00,
    SCSI_LUNS_WELL_KNOWN = 0x01,
    SCSI_LUNS_ALL = 0x02,
};
struct vst_scsi_cdb vst_scsi_report_luns(enum scsi_luns_wanted wanted, uint32_t bytes);

struct vst_scsi_cdb vst_scsi_read_capacity_10(void);
struct vst_scsi_cdb vst_scsi_read_capacity_16(uint32_t bytes);

/** PAGE CONTROL (SPC-4, 6.11). */
enum scsi_mode_values {
    SCSI_MODE_CURRENT = 0,
    SCSI_MODE_CHANGEABLE = 1,
    SCSI_MODE_DEFAULT = 2,
    SCSI_MODE_SAVED = 3,
};
/** Without block descriptors. */
struct vst_scsi_cdb vst_scsi_mode_sense_6(enum scsi_mode_values values, uint8_t page,
                                          uint8_t subpage, uint8_t bytes);
struct vst_scsi_cdb vst_scsi_mode_sense_10(enum scsi_mode_values values, uint8_t page,
                                           uint8_t subpage, uint16_t bytes);
/** `save`: beyond the next loss of power. */
struct vst_scsi_cdb vst_scsi_mode_select_6(bool save, uint8_t bytes);
struct vst_scsi_cdb vst_scsi_mode_select_10(bool save, uint16_t bytes);

/** The fifth byte of START STOP UNIT (SBC-3, 5.25). */
enum scsi_start_stop {
    SCSI_STOP = 0x00,
    SCSI_START = 0x01,
    SCSI_EJECT = 0x02,
    SCSI_LOAD = 0x03,
};
/** `immediate`: it ends before that is done. */
struct vst_scsi_cdb vst_scsi_start_stop_unit(enum scsi_start_stop what, bool immediate);
struct vst_scsi_cdb vst_scsi_prevent_removal(bool prevent);

/** The states of the ways to a unit, with the short header. (SPC-4, 6.37) */
struct vst_scsi_cdb vst_scsi_report_target_port_groups(uint32_t bytes);
/** Changes them: a header of 4 bytes, and 4 for each group. (SPC-4, 6.45) */
struct vst_scsi_cdb vst_scsi_set_target_port_groups(uint32_t bytes);

/* ------------------------------------------------------------------ CD and DVD */

/** READ TOC with blocks rather than minutes, tracks from `track` on. */
struct vst_scsi_cdb vst_scsi_read_toc(uint8_t track, uint16_t bytes);
/** All features from `feature` on. */
struct vst_scsi_cdb vst_scsi_get_configuration(uint16_t feature, uint16_t bytes);
/** `classes`: a bit each; it answers at once. */
#define SCSI_EVENTS_MEDIA 0x10u
struct vst_scsi_cdb vst_scsi_get_event_status(uint8_t classes, uint16_t bytes);

/* ------------------------------------------------------------------ reservations */

/** (SPC-4, 6.15) */
enum scsi_reserve_in {
    SCSI_READ_KEYS = 0,
    SCSI_READ_RESERVATION = 1,
    SCSI_REPORT_CAPABILITIES = 2,
    SCSI_READ_FULL_STATUS = 3,
};
struct vst_scsi_cdb vst_scsi_reserve_in(enum scsi_reserve_in what, uint16_t bytes);

/** `type`: enum vst_scsi_reservation_type (vstor/scsi_reserve.h); scope is always the logical unit. */
struct vst_scsi_cdb vst_scsi_reserve_out(enum vst_scsi_reserve_action what, uint8_t type);

#define SCSI_RESERVE_LIST_BYTES 24u
/** The fourth last byte of its parameter list. */
#define SCSI_RESERVE_APTPL     0x01u /**< beyond the loss of power */
#define SCSI_RESERVE_ALL_PORTS 0x04u
void vst_scsi_reserve_list(uint8_t list[SCSI_RESERVE_LIST_BYTES], uint64_t key,
                           uint64_t service_key, uint8_t flags);

#endif
