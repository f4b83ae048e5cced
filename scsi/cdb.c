/* SPDX-License-Identifier: BSD-2-Clause */
#include "scsi/cdb.h"

#include "scsi/bytes.h"

static struct vst_scsi_cdb cdb_of(enum scsi_operation operation)
{
    return (struct vst_scsi_cdb){.bytes = {(uint8_t)operation}};
}

/** With a number of `n_bytes` bytes from byte `at` on. */
static struct vst_scsi_cdb with(struct vst_scsi_cdb cdb, unsigned at, uint64_t value,
                                unsigned n_bytes)
{
    scsi_put(cdb.bytes + at, value, n_bytes);
    return cdb;
}

/* ------------------------------------------------------------------ blocks */

#define LONG_CDB_ADDITIONAL_BYTES 0x18u

void vst_scsi_cdb_32(uint8_t cdb[VST_SCSI_LONG_CDB_BYTES], enum scsi_long_operation operation,
                     uint64_t block, uint32_t n_blocks, uint8_t flags, uint32_t reference_tag)
{
    __builtin_memset(cdb, 0, VST_SCSI_LONG_CDB_BYTES);
    cdb[0] = SCSI_VARIABLE_LENGTH;
    cdb[7] = LONG_CDB_ADDITIONAL_BYTES;
    scsi_put(cdb + 8, operation, 2);
    cdb[10] = flags;
    scsi_put(cdb + 12, block, 8);
    scsi_put(cdb + 20, reference_tag, 4);
    scsi_put(cdb + 28, n_blocks, 4);
}

struct vst_scsi_cdb vst_scsi_verify_10(uint32_t block, uint16_t n_blocks)
{
    return scsi_cdb_10(SCSI_VERIFY_10, 0, block, n_blocks);
}

struct vst_scsi_cdb vst_scsi_verify_16(uint64_t block, uint32_t n_blocks)
{
    return scsi_cdb_16(SCSI_VERIFY_16, 0, block, n_blocks);
}

struct vst_scsi_cdb vst_scsi_synchronize_cache_10(void)
{
    return cdb_of(SCSI_SYNCHRONIZE_CACHE_10);
}

struct vst_scsi_cdb vst_scsi_unmap(uint16_t list_bytes)
{
    return with(cdb_of(SCSI_UNMAP), 7, list_bytes, 2);
}

void vst_scsi_unmap_put(uint8_t *list, unsigned index, uint64_t block, uint32_t n_blocks)
{
    uint8_t *at = list + SCSI_UNMAP_HEADER_BYTES + (size_t)index * SCSI_UNMAP_DESCRIPTOR_BYTES;

    scsi_put(at, block, 8);
    scsi_put(at + 8, n_blocks, 4);
    scsi_put(at + 12, 0, 4);
}

uint16_t vst_scsi_unmap_end(uint8_t *list, unsigned n_descriptors)
{
    unsigned bytes = n_descriptors * SCSI_UNMAP_DESCRIPTOR_BYTES;

    /* What follows each of the two lengths. */
    scsi_put(list, bytes + SCSI_UNMAP_HEADER_BYTES - 2, 2);
    scsi_put(list + 2, bytes, 2);
    scsi_put(list + 4, 0, 4);
    return (uint16_t)(SCSI_UNMAP_HEADER_BYTES + bytes);
}

struct vst_scsi_cdb vst_scsi_write_same_16(uint64_t block, uint32_t n_blocks, uint8_t flags)
{
    return scsi_cdb_16(SCSI_WRITE_SAME_16, flags, block, n_blocks);
}

struct vst_scsi_cdb vst_scsi_compare_and_write(uint64_t block, uint8_t n_blocks, uint8_t flags)
{
    return scsi_cdb_16(SCSI_COMPARE_AND_WRITE, flags, block, n_blocks);
}

/* ------------------------------------------------------------------ any unit */

struct vst_scsi_cdb vst_scsi_test_unit_ready(void)
{
    return cdb_of(SCSI_TEST_UNIT_READY);
}

struct vst_scsi_cdb vst_scsi_inquiry(uint16_t bytes)
{
    return with(cdb_of(SCSI_INQUIRY), 3, bytes, 2);
}

struct vst_scsi_cdb vst_scsi_inquiry_page(uint8_t page, uint16_t bytes)
{
    struct vst_scsi_cdb cdb = vst_scsi_inquiry(bytes);

    cdb.bytes[1] = 1; /* EVPD */
    cdb.bytes[2] = page;
    return cdb;
}

struct vst_scsi_cdb vst_scsi_request_sense(bool descriptor, uint8_t bytes)
{
    return with(with(cdb_of(SCSI_REQUEST_SENSE), 1, descriptor, 1), 4, bytes, 1);
}

struct vst_scsi_cdb vst_scsi_report_luns(enum scsi_luns_wanted wanted, uint32_t bytes)
{
    return with(with(cdb_of(SCSI_REPORT_LUNS), 2, wanted, 1), 6, bytes, 4);
}

struct vst_scsi_cdb vst_scsi_read_capacity_10(void)
{
    return cdb_of(SCSI_READ_CAPACITY_10);
}

struct vst_scsi_cdb vst_scsi_read_capacity_16(uint32_t bytes)
{
    return with(with(cdb_of(SCSI_SERVICE_ACTION_IN_16), 1, SCSI_SA_READ_CAPACITY_16, 1), 10, bytes,
                4);
}

/** The bytes that both lengths of MODE SENSE have alike. */
static struct vst_scsi_cdb mode_sense(enum scsi_operation operation, enum scsi_mode_values values,
                                      uint8_t page, uint8_t subpage)
{
    struct vst_scsi_cdb cdb = cdb_of(operation);

    cdb.bytes[1] = 0x08; /* DBD: disable block descriptors */
    cdb.bytes[2] = (uint8_t)((unsigned)values << 6 | (page & 0x3f));
    cdb.bytes[3] = subpage;
    return cdb;
}

struct vst_scsi_cdb vst_scsi_mode_sense_6(enum scsi_mode_values values, uint8_t page,
                                          uint8_t subpage, uint8_t bytes)
{
    return with(mode_sense(SCSI_MODE_SENSE_6, values, page, subpage), 4, bytes, 1);
}

struct vst_scsi_cdb vst_scsi_mode_sense_10(enum scsi_mode_values values, uint8_t page,
                                           uint8_t subpage, uint16_t bytes)
{
    return with(mode_sense(SCSI_MODE_SENSE_10, values, page, subpage), 7, bytes, 2);
}

#define MODE_SELECT_PF 0x10u /* in pages, as the standard has them */

struct vst_scsi_cdb vst_scsi_mode_select_6(bool save, uint8_t bytes)
{
    return with(with(cdb_of(SCSI_MODE_SELECT_6), 1, MODE_SELECT_PF | save, 1), 4, bytes, 1);
}

struct vst_scsi_cdb vst_scsi_mode_select_10(bool save, uint16_t bytes)
{
    return with(with(cdb_of(SCSI_MODE_SELECT_10), 1, MODE_SELECT_PF | save, 1), 7, bytes, 2);
}

struct vst_scsi_cdb vst_scsi_start_stop_unit(enum scsi_start_stop what, bool immediate)
{
    return with(with(cdb_of(SCSI_START_STOP_UNIT), 1, immediate, 1), 4, what, 1);
}

struct vst_scsi_cdb vst_scsi_prevent_removal(bool prevent)
{
    return with(cdb_of(SCSI_PREVENT_ALLOW), 4, prevent, 1);
}

struct vst_scsi_cdb vst_scsi_report_target_port_groups(uint32_t bytes)
{
    /* The parameter data format in bits 5 to 7: 0, the short header that every target knows. */
    return with(with(cdb_of(SCSI_MAINTENANCE_IN), 1, SCSI_SA_TARGET_PORT_GROUPS, 1), 6, bytes, 4);
}

struct vst_scsi_cdb vst_scsi_set_target_port_groups(uint32_t bytes)
{
    return with(with(cdb_of(SCSI_MAINTENANCE_OUT), 1, SCSI_SA_TARGET_PORT_GROUPS, 1), 6, bytes, 4);
}

/* ------------------------------------------------------------------ CD and DVD */

struct vst_scsi_cdb vst_scsi_read_toc(uint8_t track, uint16_t bytes)
{
    return with(with(cdb_of(SCSI_READ_TOC), 6, track, 1), 7, bytes, 2);
}

struct vst_scsi_cdb vst_scsi_get_configuration(uint16_t feature, uint16_t bytes)
{
    return with(with(cdb_of(SCSI_GET_CONFIGURATION), 2, feature, 2), 7, bytes, 2);
}

struct vst_scsi_cdb vst_scsi_get_event_status(uint8_t classes, uint16_t bytes)
{
    struct vst_scsi_cdb cdb = with(cdb_of(SCSI_GET_EVENT_STATUS), 7, bytes, 2);

    cdb.bytes[1] = 1; /* polled */
    cdb.bytes[4] = classes;
    return cdb;
}

/* ------------------------------------------------------------------ reservations */

struct vst_scsi_cdb vst_scsi_reserve_in(enum scsi_reserve_in what, uint16_t bytes)
{
    return with(with(cdb_of(SCSI_PERSISTENT_RESERVE_IN), 1, what, 1), 7, bytes, 2);
}

struct vst_scsi_cdb vst_scsi_reserve_out(enum vst_scsi_reserve_action what, uint8_t type)
{
    struct vst_scsi_cdb cdb = with(cdb_of(SCSI_PERSISTENT_RESERVE_OUT), 1, what, 1);

    cdb.bytes[2] = type & 0x0f; /* scope 0 in the upper half: the logical unit */
    return with(cdb, 5, SCSI_RESERVE_LIST_BYTES, 4);
}

void vst_scsi_reserve_list(uint8_t list[SCSI_RESERVE_LIST_BYTES], uint64_t key,
                           uint64_t service_key, uint8_t flags)
{
    __builtin_memset(list, 0, SCSI_RESERVE_LIST_BYTES);
    scsi_put(list, key, 8);
    scsi_put(list + 8, service_key, 8);
    list[20] = flags;
}

/* ------------------------------------------------------------------ raw CDBs */

uint8_t vst_scsi_cdb_bytes(uint8_t operation)
{
    static const uint8_t bytes_of_group[8] = {6, 10, 10, 0, 16, 12, 0, 0};

    return bytes_of_group[operation >> 5];
}
