/* SPDX-License-Identifier: BSD-2-Clause */
/* The block layer: checks, splitting at limits, blocking calls, byte ranges, names. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_disk.h"

#define SECTORS 2048u

static struct fake_disk disk;

static int set_up(void **state)
{
    (void)state;
    fake_disk_init(&disk, SECTORS);
    for (size_t i = 0; i < SECTORS * 512; i++)
        disk.data[i] = (uint8_t)(i * 7 + (i >> 9));
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

static enum vst_status submit(struct vst_block_request *request)
{
    enum vst_status status = vst_block_submit(&disk.queue, request);
    struct vst_block_request *done;

    for (int i = 0; status == VST_OK && i < 1000; i++)
        if (vst_block_poll(&disk.queue, &done, 1) == 1)
            break;
    return status;
}

/* ------------------------------------------------------------------ checks */

static void test_requests_that_make_no_sense(void **state)
{
    (void)state;
    static char buffer[8192];
    struct vst_block_segment one = {buffer, 512}, two = {buffer, 1024}, none = {buffer, 0},
                             huge = {buffer, SIZE_MAX};
    struct vst_block_segment overflow[2] = {huge, {buffer, 513}};
    struct vst_block_segment with_empty[2] = {one, none};
    const struct {
        struct vst_block_request request;
        enum vst_status status;
    } cases[] = {
        {{VST_BLOCK_READ, 1, {&one}, 0, 1, NULL, 0, {0}, {0}}, VST_OK},
        {{VST_BLOCK_READ, 1, {&one}, SECTORS - 1, 1, NULL, 0, {0}, {0}}, VST_OK},
        {{VST_BLOCK_READ, 1, {&one}, SECTORS, 1, NULL, 0, {0}, {0}}, VST_ERR_RANGE},
        {{VST_BLOCK_READ, 1, {&two}, SECTORS - 1, 2, NULL, 0, {0}, {0}}, VST_ERR_RANGE},
        {{VST_BLOCK_READ, 1, {&one}, UINT64_MAX, 1, NULL, 0, {0}, {0}}, VST_ERR_RANGE},
        {{VST_BLOCK_READ, 1, {&one}, 1, UINT64_MAX, NULL, 0, {0}, {0}}, VST_ERR_RANGE},
        {{VST_BLOCK_READ, 1, {&one}, 0, 2, NULL, 0, {0}, {0}}, VST_ERR_INVALID},
        {{VST_BLOCK_READ, 1, {&two}, 0, 1, NULL, 0, {0}, {0}}, VST_ERR_INVALID},
        {{VST_BLOCK_READ, 0, {NULL}, 0, 1, NULL, 0, {0}, {0}}, VST_ERR_INVALID},
        {{VST_BLOCK_READ, 0, {NULL}, 0, 0, NULL, 0, {0}, {0}}, VST_ERR_INVALID},
        {{VST_BLOCK_READ, 2, {with_empty}, 0, 1, NULL, 0, {0}, {0}}, VST_ERR_INVALID},
        {{VST_BLOCK_READ, 2, {overflow}, 0, 1, NULL, 0, {0}, {0}}, VST_ERR_INVALID},
        {{VST_BLOCK_FLUSH, 1, {&one}, 0, 0, NULL, 0, {0}, {0}}, VST_ERR_INVALID},
        {{VST_BLOCK_FLUSH, 0, {NULL}, 8, 0, NULL, 0, {0}, {0}}, VST_ERR_INVALID},
        {{(enum vst_block_op)77, 1, {&one}, 0, 1, NULL, 0, {0}, {0}}, VST_ERR_UNSUPPORTED},
    };
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        struct vst_block_request request = cases[i].request;
        if (submit(&request) != cases[i].status)
            fail_msg("case %zu", i);
    }
}

static void test_blocks_of_4096(void **state)
{
    (void)state;
    static char buffer[4096];
    struct vst_block_segment segment = {buffer, 4096};
    struct vst_block_request request = {
        .segments = &segment, .n_segments = 1, .start_sector = 8, .n_sectors = 8};

    disk.device.limits.logical_block_bytes = 4096;
    vst_block_limits_changed(&disk.device);
    assert_int_equal(submit(&request), VST_OK);
    request.start_sector = 4;
    assert_int_equal(submit(&request), VST_ERR_INVALID);
    request.start_sector = 8;
    request.n_sectors = 4;
    segment.bytes = 2048;
    assert_int_equal(submit(&request), VST_ERR_INVALID);
}

static void test_broken_and_read_only(void **state)
{
    (void)state;
    static char buffer[512];
    struct vst_block_segment segment = {buffer, 512};
    struct vst_block_request request = {
        .op = VST_BLOCK_WRITE, .segments = &segment, .n_segments = 1, .n_sectors = 1};

    disk.device.read_only = true;
    vst_block_limits_changed(&disk.device);
    assert_int_equal(submit(&request), VST_ERR_READ_ONLY);
    disk.device.read_only = false;
    disk.device.broken = true;
    vst_block_limits_changed(&disk.device);
    assert_int_equal(submit(&request), VST_ERR_BROKEN);
}

/* ------------------------------------------------------------------ splitting */

static unsigned random_below(unsigned n)
{
    return (unsigned)rand() % n;
}

/** One random request under random limits, read and written, against the disk's bytes. */
static void one_random_split(void)
{
    enum { MAX_BYTES = 64 * 4096, MAX_SEGMENTS = 200 };
    static uint8_t buffer[MAX_BYTES], before[MAX_BYTES];
    struct vst_block_segment segments[MAX_SEGMENTS];
    struct vst_block_limits *limits = &disk.device.limits;

    limits->logical_block_bytes = 512u << random_below(4);
    limits->max_segments = 1 + random_below(12);
    limits->max_segment_bytes = random_below(2) ? 512 + random_below(5000) : 1u << 20;
    limits->max_sectors = (1 + random_below(40)) * (limits->logical_block_bytes / 512);
    limits->depth = (uint16_t)(1 + random_below(8));
    vst_block_limits_changed(&disk.device);
    disk.last_first = random_below(2);
    uint64_t block_sectors = limits->logical_block_bytes / 512;
    uint64_t n_sectors = (1 + random_below(30)) * block_sectors;
    uint64_t start =
        random_below((unsigned)((SECTORS - n_sectors) / block_sectors)) * block_sectors;
    uint32_t n_segments = 0;
    for (uint64_t left = n_sectors * 512, at = 0; left > 0;) {
        uint64_t bytes = n_segments == MAX_SEGMENTS - 1 ? left : 1 + random_below(3000);
        if (random_below(3) == 0)
            bytes = 4096;
        if (bytes > left)
            bytes = left;
        segments[n_segments++] = (struct vst_block_segment){buffer + at, bytes};
        at += bytes;
        left -= bytes;
    }
    struct vst_block_request request = {.op = random_below(2) ? VST_BLOCK_WRITE : VST_BLOCK_READ,
                                        .n_segments = n_segments,
                                        .segments = segments,
                                        .start_sector = start,
                                        .n_sectors = n_sectors};
    memset(buffer, (int)random_below(256), sizeof(buffer));
    memcpy(before, buffer, sizeof(buffer));
    enum vst_status status = vst_block_execute(&disk.queue, &request);
    if (status == VST_ERR_TOO_LARGE) {
        assert_memory_equal(buffer, before, sizeof(buffer));
        return;
    }
    assert_int_equal(status, VST_OK);
    assert_memory_equal(buffer, disk.data + start * 512, n_sectors * 512);
    if (request.op == VST_BLOCK_WRITE)
        assert_memory_equal(before, disk.data + start * 512, n_sectors * 512);
    assert_int_equal(disk.n_waiting, 0);
}

static void test_random_splits_keep_every_limit(void **state)
{
    (void)state;
    srand(4711);
    for (int i = 0; i < 20000; i++) {
        one_random_split();
        if (disk.broken_rule != NULL)
            fail_msg("round %d broke %s", i, disk.broken_rule);
    }
    assert_true(disk.max_pieces_seen > 10);
}

static void test_block_that_fits_no_command_is_refused_before_anything_is_issued(void **state)
{
    (void)state;
    static char buffer[4096];
    struct vst_block_segment segments[4096];
    for (size_t i = 0; i < 4096; i++)
        segments[i] = (struct vst_block_segment){buffer + i, 1};
    struct vst_block_request request = {.segments = segments, .n_segments = 4096, .n_sectors = 8};

    assert_int_equal(vst_block_submit(&disk.queue, &request), VST_ERR_TOO_LARGE);
    assert_int_equal(disk.n_commands, 0);
    /* ... also where only a later part does not fit. */
    segments[0] = (struct vst_block_segment){buffer, 2048};
    request.n_segments = 2049;
    assert_int_equal(vst_block_submit(&disk.queue, &request), VST_ERR_TOO_LARGE);
    assert_int_equal(disk.n_commands, 0);
}

static void test_lowest_failing_part_is_named(void **state)
{
    (void)state;
    static char buffer[64 * 512];
    struct vst_block_segment segment = {buffer, sizeof(buffer)};
    struct vst_block_request request = {.segments = &segment, .n_segments = 1, .n_sectors = 64};

    disk.device.limits.max_sectors = 4;
    vst_block_limits_changed(&disk.device);
    for (int last_first = 0; last_first < 2; last_first++) {
        disk.last_first = last_first;
        disk.fail_sector = 42;
        assert_int_equal(vst_block_execute(&disk.queue, &request), VST_ERR_IO);
        assert_int_equal(request.error_sector, 40);
    }
    disk.fail_sector = UINT64_MAX;
    assert_int_equal(vst_block_execute(&disk.queue, &request), VST_OK);
}

static void test_split_requests_share_the_queue_with_others(void **state)
{
    (void)state;
    static char buffer[64 * 512], other[512];
    struct vst_block_segment segment = {buffer, sizeof(buffer)}, other_segment = {other, 512};
    struct vst_block_request request = {.segments = &segment, .n_segments = 1, .n_sectors = 64},
                             *done[4];
    struct vst_block_request second = {
        .segments = &other_segment, .n_segments = 1, .start_sector = 9, .n_sectors = 1};
    unsigned n = 0, n_full = 0;

    disk.device.limits.max_sectors = 1;
    disk.device.limits.depth = 4;
    vst_block_limits_changed(&disk.device);
    assert_int_equal(vst_block_submit(&disk.queue, &request), VST_OK);
    bool second_in = false;
    for (int i = 0; i < 1000 && n < 2; i++) {
        if (!second_in) {
            enum vst_status status = vst_block_submit(&disk.queue, &second);
            second_in = status == VST_OK;
            n_full += status == VST_ERR_FULL;
        }
        n += (unsigned)vst_block_poll(&disk.queue, done, 4);
    }
    assert_int_equal(n, 2);
    assert_true(n_full > 0);
    assert_memory_equal(buffer, disk.data, sizeof(buffer));
    assert_memory_equal(other, disk.data + 9 * 512, 512);
}

static void test_a_request_of_32_MiB_and_more_is_split_SeaBIOS(void **state)
{
    (void)state;
    size_t bytes = 40u << 20;
    char *buffer = malloc(bytes);
    struct vst_block_segment segment = {buffer, bytes};
    struct vst_block_request request = {
        .segments = &segment, .n_segments = 1, .n_sectors = bytes / 512};

    fake_disk_destroy(&disk);
    fake_disk_init(&disk, bytes / 512);
    memset(disk.data, 0x5a, bytes);
    assert_int_equal(vst_block_execute(&disk.queue, &request), VST_OK);
    assert_memory_equal(buffer, disk.data, bytes);
    assert_int_equal(disk.n_commands, 40);
    free(buffer);
}

/* ------------------------------------------------------------------ blocking calls, byte ranges */

static void test_blocking_call_keeps_what_others_submitted(void **state)
{
    (void)state;
    static char a[512], b[512], c[512];
    struct vst_block_segment sa = {a, 512}, sb = {b, 512}, sc = {c, 512};
    struct vst_block_request ra = {.segments = &sa, .n_segments = 1, .n_sectors = 1}, rc = ra,
                             rb = ra, *done[4];
    rb.segments = &sb;
    rc.segments = &sc;
    rb.start_sector = 1;
    rc.start_sector = 2;

    assert_int_equal(vst_block_submit(&disk.queue, &ra), VST_OK);
    assert_int_equal(vst_block_submit(&disk.queue, &rb), VST_OK);
    assert_int_equal(vst_block_execute(&disk.queue, &rc), VST_OK);
    assert_true(vst_block_ready(&disk.queue));
    assert_int_equal(vst_block_poll(&disk.queue, done, 1), 1);
    assert_ptr_equal(done[0], &ra);
    assert_int_equal(vst_block_poll(&disk.queue, done, 4), 1);
    assert_ptr_equal(done[0], &rb);
    assert_int_equal(vst_block_poll(&disk.queue, done, 4), 0);
    assert_memory_equal(c, disk.data + 1024, 512);
}

static void test_byte_ranges(void **state)
{
    (void)state;
    static uint8_t model[SECTORS * 512], buffer[20000], bounce[4096];
    memcpy(model, disk.data, sizeof(model));
    srand(99);
    for (int i = 0; i < 3000; i++) {
        disk.device.limits.logical_block_bytes = i % 2 ? 512 : 4096;
        vst_block_limits_changed(&disk.device);
        size_t bytes = random_below(3) ? random_below(600) : random_below(sizeof(buffer));
        uint64_t offset = random_below((unsigned)(sizeof(model) - bytes));
        if (random_below(2)) {
            for (size_t k = 0; k < bytes; k++)
                buffer[k] = (uint8_t)rand();
            memcpy(model + offset, buffer, bytes);
            assert_int_equal(vst_block_write_bytes(&disk.queue, offset, buffer, bytes, bounce,
                                                   sizeof(bounce), NULL),
                             VST_OK);
        } else {
            assert_int_equal(vst_block_read_bytes(&disk.queue, offset, buffer, bytes, bounce,
                                                  sizeof(bounce), NULL),
                             VST_OK);
            assert_memory_equal(buffer, model + offset, bytes);
        }
    }
    assert_memory_equal(model, disk.data, sizeof(model));
}

static void test_byte_ranges_that_fail(void **state)
{
    (void)state;
    static uint8_t buffer[4096], bounce[512];
    uint64_t at = 0, end = SECTORS * 512;

    assert_int_equal(vst_block_read_bytes(&disk.queue, end - 10, buffer, 11, bounce, 512, &at),
                     VST_ERR_RANGE);
    assert_int_equal(at, end);
    assert_int_equal(vst_block_read_bytes(&disk.queue, end + 5, buffer, 1, bounce, 512, &at),
                     VST_ERR_RANGE);
    assert_int_equal(at, end + 5);
    assert_int_equal(vst_block_read_bytes(&disk.queue, UINT64_MAX, buffer, 2, bounce, 512, &at),
                     VST_ERR_RANGE);
    assert_int_equal(vst_block_read_bytes(&disk.queue, 1, buffer, 2, NULL, 0, &at),
                     VST_ERR_INVALID);
    assert_int_equal(vst_block_read_bytes(&disk.queue, 1, buffer, 2, bounce, 511, &at),
                     VST_ERR_INVALID);
    assert_int_equal(vst_block_read_bytes(&disk.queue, 512, buffer, 1024, NULL, 0, &at), VST_OK);
    disk.fail_sector = 3;
    assert_int_equal(vst_block_read_bytes(&disk.queue, 1000, buffer, 1000, bounce, 512, &at),
                     VST_ERR_IO);
    assert_int_equal(at, 1536);
    disk.device.read_only = true;
    vst_block_limits_changed(&disk.device);
    assert_int_equal(vst_block_write_bytes(&disk.queue, 0, buffer, 1, bounce, 512, &at),
                     VST_ERR_READ_ONLY);
    assert_int_equal(disk.data[0], 0);
}

static void test_flush(void **state)
{
    (void)state;
    assert_int_equal(vst_block_flush(&disk.queue), VST_OK);
    assert_int_equal(disk.n_flushes, 1);
    disk.device.flush_needed = false;
    assert_int_equal(vst_block_flush(&disk.queue), VST_OK);
    assert_int_equal(disk.n_flushes, 1);
}

/* ------------------------------------------------------------------ names */

static void test_names_count_in_letters(void **state)
{
    (void)state;
    static struct vst_block_device devices[800];
    struct vst_block_registry registry = {0};

    for (size_t i = 0; i < VST_ARRAY_LENGTH(devices); i++)
        vst_block_register(&registry, &devices[i], "vd");
    assert_string_equal(devices[0].name, "vda");
    assert_string_equal(devices[25].name, "vdz");
    assert_string_equal(devices[26].name, "vdaa");
    assert_string_equal(devices[701].name, "vdzz");
    assert_string_equal(devices[702].name, "vdaaa");
    assert_ptr_equal(vst_block_find(&registry, "vdzz"), &devices[701]);
    assert_null(vst_block_find(&registry, "vd"));
}

/** "sr0" and on, where the prefix ends in 0; beyond a thousand, too; the least that is free is next. */
static void test_names_count_in_digits(void **state)
{
    (void)state;
    static struct vst_block_device devices[1100], letters;
    struct vst_block_registry registry = {0};

    vst_block_register(&registry, &letters, "sr");
    assert_string_equal(letters.name, "sra");
    for (size_t i = 0; i < VST_ARRAY_LENGTH(devices); i++)
        vst_block_register(&registry, &devices[i], "sr0");
    assert_string_equal(devices[0].name, "sr0");
    assert_string_equal(devices[10].name, "sr10");
    assert_string_equal(devices[1099].name, "sr1099");
    vst_block_unregister(&registry, &devices[1030]);
    vst_block_unregister(&registry, &devices[7]);
    vst_block_register(&registry, &devices[1030], "sr0");
    assert_string_equal(devices[1030].name, "sr7");
    vst_block_register(&registry, &devices[7], "sr0");
    assert_string_equal(devices[7].name, "sr1030");
}

static void test_find_and_unregister(void **state)
{
    (void)state;
    struct vst_block_device a = {.path = "pci-0000:00:04.0", .serial = "one"}, b = {.path = "x"},
                            c = {.serial = "two"};
    struct vst_block_registry registry = {0};

    vst_block_register(&registry, &a, "vd");
    vst_block_register(&registry, &b, "vd");
    vst_block_register(&registry, &c, "sd");
    assert_string_equal(c.name, "sda");
    assert_ptr_equal(vst_block_find(&registry, "pci-0000:00:04.0"), &a);
    assert_ptr_equal(vst_block_find(&registry, "serial=two"), &c);
    assert_null(vst_block_find(&registry, "serial="));
    memcpy(b.serial, "two", 4);
    assert_null(vst_block_find(&registry, "serial=two")); /* which of the two? */
    c.gone = true; /* by name only: the one in its place has its path, and perhaps its serial */
    assert_ptr_equal(vst_block_find(&registry, "serial=two"), &b);
    assert_ptr_equal(vst_block_find(&registry, "sda"), &c);
    b.serial[0] = '\0';
    vst_block_unregister(&registry, &b);
    vst_block_unregister(&registry, &a);
    assert_ptr_equal(registry.first, &c);
    vst_block_unregister(&registry, &c);
    assert_null(registry.first);
    vst_block_register(&registry, &b, "vd");
    assert_string_equal(b.name, "vda");
    assert_ptr_equal(registry.last, &b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/** Every counter is one of 64 bits, and is added. */
static void test_counters_of_queues_are_added(void **state)
{
    uint64_t a[sizeof(struct vst_block_stats) / sizeof(uint64_t)], sum[VST_ARRAY_LENGTH(a)];
    struct vst_block_stats from, to = {0};
    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(a); i++)
        a[i] = i + 1;
    memcpy(&from, a, sizeof(from));
    vst_block_stats_add(&to, &from);
    vst_block_stats_add(&to, &from);
    memcpy(sum, &to, sizeof(to));
    for (size_t i = 0; i < VST_ARRAY_LENGTH(a); i++)
        assert_int_equal(sum[i], 2 * (i + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters_of_queues_are_added),
        TEST(test_requests_that_make_no_sense),
        TEST(test_blocks_of_4096),
        TEST(test_broken_and_read_only),
        TEST(test_random_splits_keep_every_limit),
        TEST(test_block_that_fits_no_command_is_refused_before_anything_is_issued),
        TEST(test_lowest_failing_part_is_named),
        TEST(test_split_requests_share_the_queue_with_others),
        TEST(test_a_request_of_32_MiB_and_more_is_split_SeaBIOS),
        TEST(test_blocking_call_keeps_what_others_submitted),
        TEST(test_byte_ranges),
        TEST(test_byte_ranges_that_fail),
        TEST(test_flush),
        TEST(test_names_count_in_letters),
        TEST(test_names_count_in_digits),
        TEST(test_find_and_unregister),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
