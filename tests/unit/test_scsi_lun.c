/* SPDX-License-Identifier: BSD-2-Clause */
/* Logical unit numbers, lists of them, capacities. */
#include "scsi/capacity.h"
#include "tests/unit/scsi_received.h"

static void encodes_as(uint32_t number, const char *wanted)
{
    struct vst_scsi_lun lun, again;
    uint8_t bytes[VST_SCSI_LUN_BYTES];

    memset(bytes, 0xee, sizeof(bytes));
    assert_int_equal(vst_scsi_lun_of(number, &lun), VST_OK);
    assert_int_equal(vst_scsi_lun_encode(&lun, bytes), VST_OK);
    assert_memory_equal(bytes, wanted, sizeof(bytes));
    assert_int_equal(vst_scsi_lun_decode(bytes, &again), VST_OK);
    assert_memory_equal(&again, &lun, sizeof(lun));
}

static void test_numbers_by_the_method_that_fits(void **state)
{
    struct vst_scsi_lun lun;

    (void)state;
    encodes_as(0, "\0\0\0\0\0\0\0\0");
    encodes_as(5, "\0\5\0\0\0\0\0\0");
    encodes_as(255, "\0\377\0\0\0\0\0\0");
    encodes_as(256, "\x41\0\0\0\0\0\0\0");
    encodes_as(16383, "\x7f\377\0\0\0\0\0\0");
    encodes_as(16384, "\xd2\0\x40\0\0\0\0\0");
    encodes_as(0xffffff, "\xd2\377\377\377\0\0\0\0");
    assert_int_equal(vst_scsi_lun_of(0x1000000, &lun), VST_ERR_RANGE);
}

static struct vst_scsi_lun decoded(const char *bytes)
{
    struct vst_scsi_lun lun;

    assert_int_equal(vst_scsi_lun_decode((const uint8_t *)bytes, &lun), VST_OK);
    return lun;
}

static void test_every_method_is_read(void **state)
{
    struct vst_scsi_lun lun = decoded("\x40\7\0\0\0\0\0\0");

    (void)state;
    assert_int_equal(lun.method, VST_SCSI_LUN_FLAT);
    assert_int_equal(lun.number, 7);
    lun = decoded("\x80\7\0\0\0\0\0\0");
    assert_int_equal(lun.method, VST_SCSI_LUN_LOGICAL_UNIT);
    assert_int_equal(lun.number, 7);
    lun = decoded("\xa9\x67\0\0\0\0\0\0"); /* target 41, bus 3, unit 7 */
    assert_int_equal(lun.target, 41);
    assert_int_equal(lun.bus, 3);
    assert_int_equal(lun.number, 7);
    lun = decoded("\x02\5\x41\2\0\0\0\0"); /* bus 2, target 5, behind it unit 258 */
    assert_int_equal(lun.n_levels, 2);
    assert_int_equal(lun.bus, 2);
    assert_int_equal(lun.target, 5);
    assert_int_equal(lun.number, 258);
    lun = decoded("\xc1\1\0\0\0\0\0\0");
    assert_int_equal(lun.method, VST_SCSI_LUN_WELL_KNOWN);
    assert_int_equal(lun.number, VST_SCSI_REPORT_LUNS_UNIT);
}

/* Field failure: entries that mean nothing to us must not become LUN 0 or any other. */
static void test_what_can_not_be_reached_is_refused(void **state)
{
    static const char *const bad[] = {
        "\2\5\0\2\1\0\0\0",     "\0\0\0\1\0\0\0\0", /* a second level behind bus 0 */
        "\0\5\0\0\0\0\0\1",     "\x40\0\0\0\1\0\0\0",
        "\x02\5\x81\2\0\0\0\0", "\x02\5\1\2\0\0\0\0",
        "\x02\5\0\2\0\1\0\0",                                       /* three levels */
        "\x02\5\xc1\1\0\0\0\0", "\xff\377\377\377\377\377\377\377", /* none */
        "\xe2\0\0\0\0\1\0\0",                                       /* long extended flat */
        "\xc0\0\0\0\0\0\0\0",   "\xd2\0\x40\0\1\0\0\0",
        "\xc1\1\1\0\0\0\0\0",
    };
    struct vst_scsi_lun lun = {.number = 77};

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(bad); i++)
        assert_int_equal(vst_scsi_lun_decode((const uint8_t *)bad[i], &lun), VST_ERR_UNSUPPORTED);
    assert_int_equal(lun.number, 77);
}

/* Whatever two bytes say: what is decoded is encoded to the same. */
static void test_what_is_decoded_is_encoded_to_the_same(void **state)
{
    uint8_t bytes[VST_SCSI_LUN_BYTES] = {0}, again[VST_SCSI_LUN_BYTES];
    struct vst_scsi_lun lun;
    unsigned n_refused = 0;

    (void)state;
    for (unsigned i = 0; i < 0x10000; i++) {
        bytes[0] = (uint8_t)(i >> 8);
        bytes[1] = (uint8_t)i;
        if (vst_scsi_lun_decode(bytes, &lun) != VST_OK) {
            n_refused++;
            continue;
        }
        assert_int_equal(vst_scsi_lun_encode(&lun, again), VST_OK);
        assert_memory_equal(again, bytes, sizeof(bytes));
    }
    assert_int_equal(n_refused, (64 - 2) * 256); /* all extended methods but two */
    for (unsigned i = 0; i < 0x8000; i++) {      /* behind a bus that is not 0 */
        const uint8_t below[VST_SCSI_LUN_BYTES] = {63, 255, (uint8_t)(i >> 8), (uint8_t)i};
        bool sound = i < 0x100 || i >= 0x4000;
        assert_int_equal(vst_scsi_lun_decode(below, &lun), sound ? VST_OK : VST_ERR_UNSUPPORTED);
        if (!sound)
            continue;
        assert_int_equal(vst_scsi_lun_encode(&lun, again), VST_OK);
        assert_memory_equal(again, below, sizeof(below));
    }
}

static void test_numbers_that_a_method_has_not(void **state)
{
    static const struct vst_scsi_lun bad[] = {
        {256, VST_SCSI_LUN_PERIPHERAL, 1, 0, 0},  {16384, VST_SCSI_LUN_FLAT, 1, 0, 0},
        {32, VST_SCSI_LUN_LOGICAL_UNIT, 1, 0, 0}, {0, VST_SCSI_LUN_LOGICAL_UNIT, 1, 8, 0},
        {0, VST_SCSI_LUN_LOGICAL_UNIT, 1, 0, 64}, {0x1000000, VST_SCSI_LUN_EXTENDED_FLAT, 1, 0, 0},
        {256, VST_SCSI_LUN_WELL_KNOWN, 1, 0, 0},  {0, 5, 1, 0, 0},
        {0, VST_SCSI_LUN_FLAT, 0, 0, 0},          {0, VST_SCSI_LUN_FLAT, 3, 0, 0},
        {0, VST_SCSI_LUN_FLAT, 1, 1, 0},          {0, VST_SCSI_LUN_FLAT, 1, 0, 1},
        {0, VST_SCSI_LUN_FLAT, 2, 0, 1},          {0, VST_SCSI_LUN_FLAT, 2, 64, 1},
        {0, VST_SCSI_LUN_EXTENDED_FLAT, 2, 1, 1},
    };
    uint8_t bytes[VST_SCSI_LUN_BYTES];

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(bad); i++) {
        assert_int_equal(vst_scsi_lun_encode(&bad[i], bytes), VST_ERR_INVALID);
        assert_int_equal(vst_scsi_nexus_encode(0, &bad[i], bytes), VST_ERR_INVALID);
    }
}

static void test_the_same_unit_however_it_is_written(void **state)
{
    struct vst_scsi_lun peripheral = decoded("\0\5\0\0\0\0\0\0");
    struct vst_scsi_lun flat = decoded("\x40\5\0\0\0\0\0\0");
    struct vst_scsi_lun below = decoded("\1\0\0\5\0\0\0\0");
    struct vst_scsi_lun other_target = decoded("\1\1\0\5\0\0\0\0");
    struct vst_scsi_lun other_bus = decoded("\2\0\0\5\0\0\0\0");
    struct vst_scsi_lun well_known = vst_scsi_report_luns_lun();
    struct vst_scsi_lun first = decoded("\0\1\0\0\0\0\0\0");

    (void)state;
    assert_true(vst_scsi_lun_equal(&peripheral, &flat));
    assert_false(vst_scsi_lun_equal(&peripheral, &first));
    assert_false(vst_scsi_lun_equal(&peripheral, &below));
    assert_false(vst_scsi_lun_equal(&below, &other_target));
    assert_false(vst_scsi_lun_equal(&below, &other_bus));
    assert_false(vst_scsi_lun_equal(&first, &well_known));
}

/* ------------------------------------------------------------------ target and unit */

static void nexus_is(uint8_t target, struct vst_scsi_lun lun, const char *wanted)
{
    uint8_t bytes[VST_SCSI_LUN_BYTES], again;
    struct vst_scsi_lun read;

    assert_int_equal(vst_scsi_nexus_encode(target, &lun, bytes), VST_OK);
    assert_memory_equal(bytes, wanted, sizeof(bytes));
    assert_int_equal(vst_scsi_nexus_decode(bytes, &again, &read), VST_OK);
    assert_true(vst_scsi_lun_equal(&read, &lun));
    assert_int_equal(again, lun.method == VST_SCSI_LUN_WELL_KNOWN ? 0 : target);
}

static void test_target_and_unit(void **state)
{
    (void)state;
    nexus_is(0, decoded("\0\0\0\0\0\0\0\0"), "\1\0\x40\0\0\0\0\0");
    nexus_is(255, decoded("\0\5\0\0\0\0\0\0"), "\1\377\x40\5\0\0\0\0");
    nexus_is(3, decoded("\x7f\377\0\0\0\0\0\0"), "\1\3\x7f\377\0\0\0\0");
    nexus_is(3, decoded("\xd2\0\x40\0\0\0\0\0"), "\1\3\xd2\0\x40\0\0\0");
    nexus_is(3, decoded("\x80\7\0\0\0\0\0\0"), "\1\3\x80\7\0\0\0\0");
    nexus_is(3, decoded("\2\5\0\2\0\0\0\0"), "\1\3\2\5\0\2\0\0");
    nexus_is(9, vst_scsi_report_luns_lun(), "\xc1\1\0\0\0\0\0\0");
}

static void test_no_target_and_unit(void **state)
{
    static const char *const bad[] = {
        "\0\3\x40\0\0\0\0\0", "\2\3\x40\0\0\0\0\0", "\1\3\x40\0\1\0\0\0", "\1\3\xc1\1\0\0\0\0",
        "\1\3\xff\0\0\0\0\0", "\xc1\2\0\0\0\0\0\0", "\xc1\1\0\1\0\0\0\0", "\xff\1\0\0\0\0\0\0",
    };
    struct vst_scsi_lun lun = {.method = VST_SCSI_LUN_WELL_KNOWN, .number = 2, .n_levels = 1};
    uint8_t bytes[VST_SCSI_LUN_BYTES], target = 77;

    (void)state;
    assert_int_equal(vst_scsi_nexus_encode(0, &lun, bytes), VST_ERR_INVALID);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(bad); i++)
        assert_int_equal(vst_scsi_nexus_decode((const uint8_t *)bad[i], &target, &lun),
                         VST_ERR_MALFORMED);
    assert_int_equal(target, 77);
}

/* ------------------------------------------------------------------ REPORT LUNS */

/* LUN 0 absent (SCST#223), one entry that can't be reached, one over 255. */
static const uint8_t list[] = {0, 0, 0, 24, 0, 0, 0, 0, 0,    1, 0, 0, 0, 0, 0, 0,
                               0, 3, 0, 9,  0, 0, 0, 0, 0x41, 2, 0, 0, 0, 0, 0, 0};

static void test_list_of_units(void **state)
{
    struct scsi_luns luns;
    struct vst_scsi_lun lun;

    (void)state;
    assert_int_equal(vst_scsi_luns_parse(RECEIVED(list), &luns), VST_OK);
    assert_int_equal(luns.n_entries, 3);
    assert_int_equal(luns.n_told, 3);
    assert_int_equal(luns.whole_bytes, sizeof(list));
    assert_int_equal(vst_scsi_luns_entry(&luns, 0, &lun), VST_OK);
    assert_int_equal(lun.number, 1);
    assert_int_equal(vst_scsi_luns_entry(&luns, 1, &lun), VST_ERR_UNSUPPORTED);
    assert_int_equal(vst_scsi_luns_entry(&luns, 2, &lun), VST_OK);
    assert_int_equal(lun.number, 258);
    assert_int_equal(vst_scsi_luns_entry(&luns, 3, &lun), VST_ERR_INVALID);
}

static void look_at_list(struct scsi_view received)
{
    struct scsi_luns luns;
    struct vst_scsi_lun lun;

    if (received.bytes < 8) {
        assert_int_equal(vst_scsi_luns_parse(received, &luns), VST_ERR_MALFORMED);
        return;
    }
    assert_int_equal(vst_scsi_luns_parse(received, &luns), VST_OK);
    assert_int_equal(luns.n_told, 3);
    assert_int_equal(luns.n_entries, (received.bytes - 8) / 8);
    for (uint32_t i = 0; i < luns.n_entries; i++)
        assert_int_equal(vst_scsi_luns_entry(&luns, i, &lun),
                         i == 1 ? VST_ERR_UNSUPPORTED : VST_OK);
}

static void test_list_of_units_cut(void **state)
{
    (void)state;
    AT_EVERY_LENGTH(list, look_at_list);
}

static void test_lengths_of_lists_that_lie(void **state)
{
    uint8_t bytes[32];
    struct scsi_luns luns;

    (void)state;
    /* more than there is, and more than anybody needs */
    memcpy(bytes, list, sizeof(bytes));
    memset(bytes, 0xff, 4);
    assert_int_equal(vst_scsi_luns_parse(RECEIVED(bytes), &luns), VST_OK);
    assert_int_equal(luns.n_told, SCSI_MAX_LUNS);
    assert_int_equal(luns.whole_bytes, 8 + 8 * SCSI_MAX_LUNS);
    assert_int_equal(luns.n_entries, 3);
    /* less than was sent: the rest is none of the list's; and no multiple of 8 */
    memcpy(bytes, "\0\0\0\x0f", 4);
    assert_int_equal(vst_scsi_luns_parse(RECEIVED(bytes), &luns), VST_OK);
    assert_int_equal(luns.n_told, 1);
    assert_int_equal(luns.n_entries, 1);
    memset(bytes, 0, 4);
    assert_int_equal(vst_scsi_luns_parse(RECEIVED(bytes), &luns), VST_OK);
    assert_int_equal(luns.n_entries, 0);
    assert_int_equal(luns.whole_bytes, 8);
}

/* ------------------------------------------------------------------ READ CAPACITY */

static void test_capacity_10(void **state)
{
    struct scsi_capacity c;
    uint8_t bytes[8] = {0x00, 0x01, 0xff, 0xff, 0, 0, 2, 0};

    (void)state;
    assert_int_equal(vst_scsi_capacity_10_parse(RECEIVED(bytes), &c), VST_OK);
    assert_int_equal(c.n_blocks, 0x20000);
    assert_int_equal(c.n_sectors, 0x20000);
    assert_int_equal(c.block_bytes, 512);
    assert_int_equal(c.physical_block_bytes, 512);
    /* the largest that it can tell, and one that it can't */
    memset(bytes, 0xff, 4);
    assert_int_equal(vst_scsi_capacity_10_parse(RECEIVED(bytes), &c), VST_ERR_TOO_LARGE);
    bytes[3] = 0xfe;
    assert_int_equal(vst_scsi_capacity_10_parse(RECEIVED(bytes), &c), VST_OK);
    assert_int_equal(c.n_blocks, 0xffffffff);
    assert_int_equal(vst_scsi_capacity_10_parse(scsi_view_of(bytes, 7), &c), VST_ERR_MALFORMED);
}

/* 4 TiB of 4096-byte blocks on 16 KiB of physical ones, thin, reads zeroes, protection type 1. */
static const uint8_t large[32] = {0, 0, 0, 0, 0x3f, 0xff, 0xff, 0xff, 0, 0, 0x10, 0, 1, 2, 0xc0, 3};

static void test_capacity_16(void **state)
{
    struct scsi_capacity c;

    (void)state;
    assert_int_equal(vst_scsi_capacity_16_parse(RECEIVED(large), &c), VST_OK);
    assert_int_equal(c.n_blocks, 1u << 30);
    assert_int_equal(c.n_sectors, (uint64_t)1 << 33);
    assert_int_equal(c.block_bytes, 4096);
    assert_int_equal(c.physical_block_bytes, 16384);
    assert_int_equal(c.first_aligned_block, 3);
    assert_int_equal(c.protection_type, 1);
    assert_true(c.thin && c.reads_zeroes);
}

static void look_at_capacity_16(struct scsi_view received)
{
    struct scsi_capacity c;

    if (received.bytes < 12) {
        assert_int_equal(vst_scsi_capacity_16_parse(received, &c), VST_ERR_MALFORMED);
        return;
    }
    assert_int_equal(vst_scsi_capacity_16_parse(received, &c), VST_OK);
    assert_int_equal(c.n_blocks, 1u << 30);
    assert_int_equal(c.protection_type, received.bytes > 12);
    assert_int_equal(c.physical_block_bytes, received.bytes > 13 ? 16384 : 4096);
    assert_int_equal(c.thin, received.bytes > 14);
    assert_int_equal(c.first_aligned_block, received.bytes > 15 ? 3 : 0);
}

static void test_capacity_16_cut(void **state)
{
    (void)state;
    AT_EVERY_LENGTH(large, look_at_capacity_16);
}

static enum vst_status capacity_of(uint64_t last, uint32_t block_bytes, struct scsi_capacity *c)
{
    uint8_t bytes[32] = {0};

    scsi_put(bytes, last, 8);
    scsi_put(bytes + 8, block_bytes, 4);
    return vst_scsi_capacity_16_parse(RECEIVED(bytes), c);
}

static void test_protection_types(void **state)
{
    struct scsi_capacity c;
    uint8_t bytes[sizeof(large)];

    (void)state;
    memcpy(bytes, large, sizeof(bytes));
    for (uint8_t type = 0; type < 8; type++) {
        bytes[12] = (uint8_t)(0xf0 | type << 1 | 1);
        assert_int_equal(vst_scsi_capacity_16_parse(RECEIVED(bytes), &c), VST_OK);
        assert_int_equal(c.protection_type, type + 1);
        bytes[12] = (uint8_t)(type << 1);
        assert_int_equal(vst_scsi_capacity_16_parse(RECEIVED(bytes), &c), VST_OK);
        assert_int_equal(c.protection_type, 0);
    }
}

/* Block sizes of 0, that are no power of two, or absurd; more sectors than 64 bits count. */
static void test_capacities_that_make_no_sense(void **state)
{
    static const uint32_t bad[] = {0, 1, 256, 513, 520, 4095, 131072, 0x80000000, 0xffffffff};
    struct scsi_capacity c;
    uint8_t ten[8] = {0};

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(bad); i++) {
        assert_int_equal(capacity_of(100, bad[i], &c), VST_ERR_MALFORMED);
        scsi_put(ten + 4, bad[i], 4);
        assert_int_equal(vst_scsi_capacity_10_parse(RECEIVED(ten), &c), VST_ERR_MALFORMED);
    }
    assert_int_equal(capacity_of(UINT64_MAX, 512, &c), VST_ERR_MALFORMED);
    assert_int_equal(capacity_of(UINT64_MAX - 1, 512, &c), VST_OK);
    assert_int_equal(capacity_of(UINT64_MAX / 8, 4096, &c), VST_ERR_MALFORMED);
    assert_int_equal(capacity_of(UINT64_MAX / 8 - 1, 4096, &c), VST_OK);
    assert_int_equal(c.n_sectors, UINT64_MAX - 7);
    assert_int_equal(capacity_of(0, 65536, &c), VST_OK);
    assert_int_equal(c.n_sectors, 128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_by_the_method_that_fits),
        cmocka_unit_test(test_every_method_is_read),
        cmocka_unit_test(test_what_can_not_be_reached_is_refused),
        cmocka_unit_test(test_what_is_decoded_is_encoded_to_the_same),
        cmocka_unit_test(test_numbers_that_a_method_has_not),
        cmocka_unit_test(test_the_same_unit_however_it_is_written),
        cmocka_unit_test(test_target_and_unit),
        cmocka_unit_test(test_no_target_and_unit),
        cmocka_unit_test(test_list_of_units),
        cmocka_unit_test(test_list_of_units_cut),
        cmocka_unit_test(test_lengths_of_lists_that_lie),
        cmocka_unit_test(test_capacity_10),
        cmocka_unit_test(test_capacity_16),
        cmocka_unit_test(test_capacity_16_cut),
        cmocka_unit_test(test_protection_types),
        cmocka_unit_test(test_capacities_that_make_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
