/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations on ranges and durable writes in the block layer: checks, cutting, errors, order. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_disk.h"

#define SECTORS 4096u

static struct fake_disk disk;

static int set_up(void **state)
{
    (void)state;
    fake_disk_init(&disk, SECTORS);
    memset(disk.data, 0xa5, SECTORS * 512);
    disk.device.limits.discard = (struct vst_block_range_limits){100, 4, 8, 0};
    disk.device.limits.zeroes = (struct vst_block_range_limits){64, 1, 0, 0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (disk.broken_rule != NULL)
        fail_msg("a command broke the limit %s", disk.broken_rule);
    fake_disk_destroy(&disk);
    return 0;
}

static struct vst_block_request ranges_request(enum vst_block_op op,
                                               const struct vst_block_range *ranges, uint32_t n)
{
    struct vst_block_request request = {.op = op, .n_segments = n, .ranges = ranges};

    for (uint32_t i = 0; i < n; i++)
        request.n_sectors += ranges[i].n_sectors;
    return request;
}

static enum vst_status execute(enum vst_block_op op, const struct vst_block_range *ranges,
                               uint32_t n)
{
    struct vst_block_request request = ranges_request(op, ranges, n);

    return vst_block_execute(&disk.queue, &request);
}

static bool is_wiped(uint64_t sector)
{
    static const uint8_t zeroes[512];

    return memcmp(disk.data + sector * 512, zeroes, 512) == 0;
}

static void expect_wiped_exactly(const struct vst_block_range *ranges, uint32_t n)
{
    for (uint64_t sector = 0; sector < SECTORS; sector++) {
        bool inside = false;
        for (uint32_t i = 0; i < n; i++)
            inside |= sector - ranges[i].start_sector < ranges[i].n_sectors;
        if (is_wiped(sector) != inside)
            fail_msg("sector %lu", (unsigned long)sector);
    }
}

static void test_what_makes_no_sense_is_refused(void **state)
{
    static const struct {
        struct vst_block_range range;
        enum vst_status status;
    } cases[] = {
        {{0, 8}, VST_OK},
        {{SECTORS - 8, 8}, VST_OK},
        {{0, SECTORS}, VST_OK},
        {{0, 0}, VST_ERR_INVALID},
        {{4, 8}, VST_ERR_INVALID},
        {{8, 4}, VST_ERR_INVALID},
        {{SECTORS, 8}, VST_ERR_RANGE},
        {{SECTORS - 8, 16}, VST_ERR_RANGE},
        {{8, UINT64_MAX & ~7ull}, VST_ERR_RANGE},
        {{UINT64_MAX & ~7ull, 8}, VST_ERR_RANGE},
    };

    (void)state;
    disk.device.limits.logical_block_bytes = 4096;
    vst_block_limits_changed(&disk.device);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++)
        assert_int_equal(execute(VST_BLOCK_DISCARD, &cases[i].range, 1), cases[i].status);
    struct vst_block_range range = {0, 8};
    struct vst_block_request request = ranges_request(VST_BLOCK_DISCARD, &range, 1);
    request.n_sectors = 16; /* not the sum */
    assert_int_equal(vst_block_submit(&disk.queue, &request), VST_ERR_INVALID);
    request = ranges_request(VST_BLOCK_DISCARD, &range, 0);
    assert_int_equal(vst_block_submit(&disk.queue, &request), VST_ERR_INVALID);
    request = ranges_request(VST_BLOCK_DISCARD, &range, 1);
    request.start_sector = 8;
    assert_int_equal(vst_block_submit(&disk.queue, &request), VST_ERR_INVALID);
    assert_int_equal(execute(VST_BLOCK_SECURE_ERASE, &range, 1), VST_ERR_UNSUPPORTED);
    disk.device.read_only = true;
    assert_int_equal(execute(VST_BLOCK_DISCARD, &range, 1), VST_ERR_READ_ONLY);
}

/** Sums of sectors that wrap to the request's own number must not pass. */
static void test_sums_that_wrap(void **state)
{
    static struct vst_block_range ranges[3] = {{0, SECTORS}, {0, SECTORS}, {0, SECTORS}};
    struct vst_block_request request = {
        .op = VST_BLOCK_DISCARD, .n_segments = 3, .ranges = ranges, .n_sectors = SECTORS};

    (void)state;
    assert_int_equal(vst_block_submit(&disk.queue, &request), VST_ERR_INVALID);
}

static void test_long_ranges_are_cut_at_the_alignment(void **state)
{
    static const struct vst_block_range range = {5, 395};
    struct vst_block_range piece;

    (void)state;
    piece = vst_block_range_piece(&range, 0, &disk.device.limits.discard);
    assert_int_equal(piece.start_sector, 5);
    assert_int_equal(piece.n_sectors, 99); /* to 104, not 105 */
    piece = vst_block_range_piece(&range, 99, &disk.device.limits.discard);
    assert_int_equal(piece.start_sector, 104);
    assert_int_equal(piece.n_sectors, 96);
    assert_int_equal(execute(VST_BLOCK_DISCARD, &range, 1), VST_OK);
    assert_int_equal(disk.n_commands, 2); /* 99 + 96 + 96 + 96, and 8 */
    expect_wiped_exactly(&range, 1);
}

/** An alignment as long as a range may be, or longer, must not keep the walk from going on. */
static void test_alignments_that_can_not_be_kept(void **state)
{
    static const struct vst_block_range range = {1, 3000};
    (void)state;
    for (uint32_t alignment = 99; alignment < 5000; alignment = alignment * 3 / 2) {
        disk.device.limits.discard.alignment_sectors = alignment;
        memset(disk.data, 0xa5, SECTORS * 512);
        assert_int_equal(execute(VST_BLOCK_DISCARD, &range, 1), VST_OK);
        expect_wiped_exactly(&range, 1);
    }
}

static void test_many_ranges_in_few_commands(void **state)
{
    static const struct vst_block_range ranges[] = {
        {0, 8}, {16, 8}, {100, 250}, {400, 1}, {500, 99}, {4095, 1},
    };

    (void)state;
    assert_int_equal(execute(VST_BLOCK_DISCARD, ranges, VST_ARRAY_LENGTH(ranges)), VST_OK);
    assert_int_equal(disk.n_commands, 2); /* 1 + 1 + 2 and 1 + 1 + 1 + 1 pieces */
    expect_wiped_exactly(ranges, VST_ARRAY_LENGTH(ranges));
}

/** 2,000 random sets of ranges and limits: exactly these sectors are wiped. */
static void test_random_ranges(void **state)
{
    struct vst_block_range ranges[9];

    (void)state;
    srand(1);
    for (int round = 0; round < 2000; round++) {
        uint32_t n = 1 + (uint32_t)rand() % 9;
        uint32_t most = 1 + (uint32_t)rand() % 200;
        disk.device.limits.discard = (struct vst_block_range_limits){
            .max_sectors = most,
            .max_ranges = (uint16_t)(1 + rand() % 5),
            .alignment_sectors = (uint32_t)rand() % 64,
            .max_sum_sectors = round % 2 ? most + (uint32_t)rand() % 200 : 0};
        memset(disk.data, 0xa5, SECTORS * 512);
        for (uint32_t i = 0; i < n; i++) {
            ranges[i].start_sector = (uint64_t)rand() % SECTORS;
            ranges[i].n_sectors = 1 + (uint64_t)rand() % (SECTORS - ranges[i].start_sector);
        }
        assert_int_equal(execute(VST_BLOCK_DISCARD, ranges, n), VST_OK);
        expect_wiped_exactly(ranges, n);
    }
}

static void test_the_lowest_failing_part_is_named(void **state)
{
    static const struct vst_block_range range = {0, 640};
    uint64_t error_sector = 0;

    (void)state;
    disk.fail_sector = 200; /* in the part of 192 to 255 */
    assert_int_equal(vst_block_on_range(&disk.queue, VST_BLOCK_WRITE_ZEROES, range, &error_sector),
                     VST_ERR_IO);
    assert_int_equal(error_sector, 192);
    assert_true(is_wiped(191));
    assert_false(is_wiped(192));
    assert_true(is_wiped(256)); /* its neighbours succeed */
}

/** Limits that vanish while a request waits for room end it; it does not hang. */
static void test_limits_that_vanish(void **state)
{
    static struct vst_block_range range = {0, SECTORS};
    struct vst_block_request *done, request = ranges_request(VST_BLOCK_WRITE_ZEROES, &range, 1);

    (void)state;
    disk.device.limits.zeroes.max_sectors = 8; /* more parts than the disk takes at once */
    assert_int_equal(vst_block_submit(&disk.queue, &request), VST_OK);
    disk.device.limits.zeroes = (struct vst_block_range_limits){8, 0, 0, 0};
    for (int i = 0; i < 10; i++)
        if (vst_block_poll(&disk.queue, &done, 1) == 1)
            break;
    assert_ptr_equal(done, &request);
    assert_int_equal(request.status, VST_ERR_UNSUPPORTED);
    assert_int_equal(request.error_sector, 8 * FAKE_DISK_MAX_DEPTH);
    disk.broken_rule =
        NULL; /* the parts in flight no longer fit the limits: that is the test's doing */
}

/* ------------------------------------------------------------------ durable writes */

static uint8_t buffer[512 * 4096];

static struct vst_block_request durable_write(struct vst_block_segment *segment, uint64_t n_sectors)
{
    *segment = (struct vst_block_segment){buffer, n_sectors * 512};
    return (struct vst_block_request){.op = VST_BLOCK_WRITE_DURABLE,
                                      .n_segments = 1,
                                      .segments = segment,
                                      .start_sector = 8,
                                      .n_sectors = n_sectors};
}

static void test_a_durable_write_is_flushed_behind_its_last_part(void **state)
{
    struct vst_block_segment segment;
    struct vst_block_request request = durable_write(&segment, 4000);

    (void)state;
    disk.last_first = true;
    assert_int_equal(vst_block_execute(&disk.queue, &request), VST_OK);
    assert_int_equal(disk.n_commands, 3); /* 2048 + 1952 sectors, and the flush */
    assert_int_equal(disk.n_flushes, 1);
    assert_memory_equal(disk.data + 8 * 512, buffer, 4000 * 512);
}

static void test_no_flush_where_nothing_is_cached(void **state)
{
    struct vst_block_segment segment;
    struct vst_block_request request = durable_write(&segment, 1);

    (void)state;
    disk.device.flush_needed = disk.device.write_cache = false;
    assert_int_equal(vst_block_execute(&disk.queue, &request), VST_OK);
    assert_int_equal(disk.n_flushes, 0);
}

static void test_a_failed_write_is_not_flushed(void **state)
{
    struct vst_block_segment segment;
    struct vst_block_request request = durable_write(&segment, 16);

    (void)state;
    disk.fail_sector = 10;
    assert_int_equal(vst_block_execute(&disk.queue, &request), VST_ERR_IO);
    assert_int_equal(request.error_sector, 8);
    assert_int_equal(disk.n_flushes, 0);
}

static void test_a_failed_flush_fails_the_durable_write(void **state)
{
    struct vst_block_segment segment;
    struct vst_block_request request = durable_write(&segment, 16);

    (void)state;
    disk.good_flushes = 0;
    assert_int_equal(vst_block_execute(&disk.queue, &request), VST_ERR_IO);
    assert_int_equal(disk.n_flushes, 1);
}

static void test_durable_writes_keep_to_the_rules_of_writes(void **state)
{
    struct vst_block_segment segment;
    struct vst_block_request request = durable_write(&segment, 16);

    (void)state;
    request.start_sector = SECTORS - 8;
    assert_int_equal(vst_block_submit(&disk.queue, &request), VST_ERR_RANGE);
    disk.device.read_only = true;
    vst_block_limits_changed(&disk.device);
    assert_int_equal(vst_block_submit(&disk.queue, &request), VST_ERR_READ_ONLY);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest ranges[] = {
        TEST(test_what_makes_no_sense_is_refused),       TEST(test_sums_that_wrap),
        TEST(test_long_ranges_are_cut_at_the_alignment), TEST(test_alignments_that_can_not_be_kept),
        TEST(test_many_ranges_in_few_commands),          TEST(test_random_ranges),
        TEST(test_the_lowest_failing_part_is_named),     TEST(test_limits_that_vanish),
    };
    static const struct CMUnitTest durable[] = {
        TEST(test_a_durable_write_is_flushed_behind_its_last_part),
        TEST(test_no_flush_where_nothing_is_cached),
        TEST(test_a_failed_write_is_not_flushed),
        TEST(test_a_failed_flush_fails_the_durable_write),
        TEST(test_durable_writes_keep_to_the_rules_of_writes),
    };

    return cmocka_run_group_tests_name("ranges", ranges, NULL, NULL) +
           cmocka_run_group_tests_name("durable writes", durable, NULL, NULL);
}
