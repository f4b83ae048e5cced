/* SPDX-License-Identifier: BSD-2-Clause */
/* Every CDB against its bytes in the standard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "scsi/cdb.h"
#include "scsi/reservations.h"

#define IS(cdb, ...)                                                                               \
    do {                                                                                           \
        struct vst_scsi_cdb made = cdb;                                                            \
        uint8_t expected[16] = {__VA_ARGS__};                                                      \
        assert_memory_equal(made.bytes, expected, sizeof(expected));                               \
    } while (0)

#define BLOCK_64 0x0102030405060708u

static void test_reads_and_writes(void **state)
{
    (void)state;
    IS(scsi_read_10(0x12345678, 0x9abc, 0), 0x28, 0, 0x12, 0x34, 0x56, 0x78, 0, 0x9a, 0xbc, 0);
    IS(scsi_read_10(0xffffffff, 0xffff, SCSI_DPO), 0x28, 0x10, 255, 255, 255, 255, 0, 255, 255);
    IS(scsi_write_10(1, 2, SCSI_FUA), 0x2a, 0x08, 0, 0, 0, 1, 0, 0, 2);
    IS(scsi_write_10(0, 0, SCSI_FUA | SCSI_DPO), 0x2a, 0x18);
    IS(scsi_read_16(BLOCK_64, 0x9abcdef0, 0), 0x88, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x9a, 0xbc, 0xde,
       0xf0);
    IS(scsi_read_16(UINT64_MAX, UINT32_MAX, 0x18), 0x88, 0x18, 255, 255, 255, 255, 255, 255, 255,
       255, 255, 255, 255, 255);
    IS(scsi_write_16(1, 1, SCSI_FUA), 0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1);
}

static void test_reads_and_writes_of_32_bytes(void **state)
{
    static const uint8_t wanted[32] = {0x7f, 0,  0, 0, 0, 0, 0,  0x18, 0,  9, 0x28,
                                       0,    1,  2, 3, 4, 5, 6,  7,    8,  9, 10,
                                       11,   12, 0, 0, 0, 0, 13, 14,   15, 16};
    uint8_t cdb[32];

    (void)state;
    memset(cdb, 0xee, sizeof(cdb));
    vst_scsi_cdb_32(cdb, SCSI_READ_32, BLOCK_64, 0x0d0e0f10, 0x28, 0x090a0b0c);
    assert_memory_equal(cdb, wanted, sizeof(cdb));
    vst_scsi_cdb_32(cdb, SCSI_WRITE_32, 0, 0, 0, 0);
    assert_int_equal(cdb[9], 0x0b);
    vst_scsi_cdb_32(cdb, SCSI_VERIFY_32, 0, 0, 0, 0);
    assert_int_equal(cdb[9], 0x0a);
}

static void test_more_for_blocks(void **state)
{
    (void)state;
    IS(vst_scsi_verify_10(7, 9), 0x2f, 0, 0, 0, 0, 7, 0, 0, 9);
    IS(vst_scsi_verify_16(7, 9), 0x8f, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 9);
    IS(vst_scsi_synchronize_cache_10(), 0x35);
    IS(vst_scsi_write_same_16(7, 0x10000, SCSI_SAME_UNMAP | SCSI_SAME_NDOB), 0x93, 9, 0, 0, 0, 0, 0,
       0, 0, 7, 0, 1, 0, 0);
    IS(vst_scsi_write_same_16(7, 1, SCSI_SAME_UNMAP | SCSI_SAME_ANCHOR), 0x93, 0x18, 0, 0, 0, 0, 0,
       0, 0, 7, 0, 0, 0, 1);
    IS(vst_scsi_compare_and_write(BLOCK_64, 3, SCSI_FUA), 0x89, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0,
       3);
}

static void test_unmap_and_its_list(void **state)
{
    static const uint8_t wanted[8 + 32] = {0, 38, 0, 32, 0,    0,    0,    0,    1, 2, 3, 4,
                                           5, 6,  7, 8,  0x11, 0x12, 0x13, 0x14, 0, 0, 0, 0,
                                           0, 0,  0, 0,  0,    0,    0,    9,    0, 0, 0, 1};
    uint8_t list[8 + 32];

    (void)state;
    memset(list, 0xee, sizeof(list));
    vst_scsi_unmap_put(list, 1, 9, 1);
    vst_scsi_unmap_put(list, 0, BLOCK_64, 0x11121314);
    assert_int_equal(vst_scsi_unmap_end(list, 2), sizeof(list));
    assert_memory_equal(list, wanted, sizeof(list));
    IS(vst_scsi_unmap(0x1234), 0x42, 0, 0, 0, 0, 0, 0, 0x12, 0x34);
    /* as many as its lengths can count */
    uint8_t header[8];
    assert_int_equal(vst_scsi_unmap_end(header, 4095), 65528);
}

static void test_for_any_unit(void **state)
{
    (void)state;
    IS(vst_scsi_test_unit_ready(), 0);
    IS(vst_scsi_inquiry(0x1234), 0x12, 0, 0, 0x12, 0x34);
    IS(vst_scsi_inquiry_page(0xb0, 64), 0x12, 1, 0xb0, 0, 64);
    IS(vst_scsi_request_sense(false, 18), 0x03, 0, 0, 0, 18);
    IS(vst_scsi_request_sense(true, 252), 0x03, 1, 0, 0, 252);
    IS(vst_scsi_report_luns(SCSI_LUNS_ADDRESSABLE, 0x01020304), 0xa0, 0, 0, 0, 0, 0, 1, 2, 3, 4);
    IS(vst_scsi_report_luns(SCSI_LUNS_ALL, 16), 0xa0, 0, 2, 0, 0, 0, 0, 0, 0, 16);
    IS(vst_scsi_read_capacity_10(), 0x25);
    IS(vst_scsi_read_capacity_16(32), 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32);
    IS(vst_scsi_mode_sense_6(SCSI_MODE_CURRENT, 8, 0, 192), 0x1a, 8, 8, 0, 192);
    IS(vst_scsi_mode_sense_6(SCSI_MODE_CHANGEABLE, 0x3f, 0xff, 4), 0x1a, 8, 0x7f, 0xff, 4);
    IS(vst_scsi_mode_sense_10(SCSI_MODE_SAVED, 8, 1, 0x1234), 0x5a, 8, 0xc8, 1, 0, 0, 0, 0x12,
       0x34);
    IS(vst_scsi_mode_select_6(false, 24), 0x15, 0x10, 0, 0, 24);
    IS(vst_scsi_mode_select_10(true, 0x1234), 0x55, 0x11, 0, 0, 0, 0, 0, 0x12, 0x34);
    IS(vst_scsi_start_stop_unit(SCSI_START, false), 0x1b, 0, 0, 0, 1);
    IS(vst_scsi_start_stop_unit(SCSI_EJECT, true), 0x1b, 1, 0, 0, 2);
    IS(vst_scsi_start_stop_unit(SCSI_LOAD, false), 0x1b, 0, 0, 0, 3);
    IS(vst_scsi_start_stop_unit(SCSI_STOP, false), 0x1b);
    IS(vst_scsi_prevent_removal(true), 0x1e, 0, 0, 0, 1);
    IS(vst_scsi_prevent_removal(false), 0x1e);
    IS(vst_scsi_report_target_port_groups(0x1234), 0xa3, 0x0a, 0, 0, 0, 0, 0, 0, 0x12, 0x34);
}

static void test_for_cds(void **state)
{
    (void)state;
    IS(vst_scsi_read_toc(1, 804), 0x43, 0, 0, 0, 0, 0, 1, 3, 36);
    IS(vst_scsi_get_configuration(0x0107, 0x1234), 0x46, 0, 1, 7, 0, 0, 0, 0x12, 0x34);
    IS(vst_scsi_get_event_status(SCSI_EVENTS_MEDIA, 8), 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8);
}

static void test_reservations(void **state)
{
    static const uint8_t wanted[24] = {1,    2,    3,    4,    5,    6, 7, 8, 0x11, 0x12, 0x13,
                                       0x14, 0x15, 0x16, 0x17, 0x18, 0, 0, 0, 0,    1};
    uint8_t list[24];

    (void)state;
    IS(vst_scsi_reserve_in(SCSI_READ_FULL_STATUS, 0x1234), 0x5e, 3, 0, 0, 0, 0, 0, 0x12, 0x34);
    IS(vst_scsi_reserve_in(SCSI_READ_KEYS, 8), 0x5e, 0, 0, 0, 0, 0, 0, 0, 8);
    IS(vst_scsi_reserve_out(VST_SCSI_RESERVE, VST_SCSI_WRITE_EXCLUSIVE_ALL), 0x5f, 1, 7, 0, 0, 0, 0,
       0, 24);
    IS(vst_scsi_reserve_out(VST_SCSI_REGISTER_AND_IGNORE, 0xf0), 0x5f, 6, 0, 0, 0, 0, 0, 0, 24);
    memset(list, 0xee, sizeof(list));
    vst_scsi_reserve_list(list, BLOCK_64, 0x1112131415161718, SCSI_RESERVE_APTPL);
    assert_memory_equal(list, wanted, sizeof(list));
}

static void test_length_by_the_operation(void **state)
{
    (void)state;
    assert_int_equal(vst_scsi_cdb_bytes(SCSI_INQUIRY), 6);
    assert_int_equal(vst_scsi_cdb_bytes(SCSI_READ_10), 10);
    assert_int_equal(vst_scsi_cdb_bytes(SCSI_PERSISTENT_RESERVE_OUT), 10);
    assert_int_equal(vst_scsi_cdb_bytes(SCSI_READ_16), 16);
    assert_int_equal(vst_scsi_cdb_bytes(SCSI_REPORT_LUNS), 12);
    assert_int_equal(vst_scsi_cdb_bytes(SCSI_VARIABLE_LENGTH), 0);
    assert_int_equal(vst_scsi_cdb_bytes(0xc0), 0);
    assert_int_equal(vst_scsi_cdb_bytes(0xff), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_and_writes),
        cmocka_unit_test(test_reads_and_writes_of_32_bytes),
        cmocka_unit_test(test_more_for_blocks),
        cmocka_unit_test(test_unmap_and_its_list),
        cmocka_unit_test(test_for_any_unit),
        cmocka_unit_test(test_for_cds),
        cmocka_unit_test(test_reservations),
        cmocka_unit_test(test_length_by_the_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
