/* SPDX-License-Identifier: BSD-2-Clause */
/* The block cache, one property after the other; test_cache_random.c mixes them. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_power_disk.h"

#define SECTORS (32u << 11) /* 32 MiB */
#define KIB     1024u
#define MIB     (1024u * KIB)

static struct fake_power_disk disk;
static struct vst_cache *cache;
static uint8_t *memory;
static uint8_t data[MIB];

static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)(offset * 7 + (offset >> 9) * 13 + (offset >> 17));
}

static void open_cache(uint32_t block_bytes, size_t bytes, enum vst_cache_mode mode)
{
    struct vst_cache_config config = {.queue = &disk.queue, .memory_bytes = bytes, .mode = mode};

    fake_power_init(&disk, SECTORS, block_bytes, 1);
    for (uint64_t i = 0; i < (uint64_t)SECTORS * 512; i++)
        disk.current[i] = disk.medium[i] = byte_at(i);
    config.memory = memory = malloc(bytes);
    assert_int_equal(vst_cache_open(&cache, &config), VST_OK);
}

static int tear_down(void **state)
{
    (void)state;
    if (cache != NULL)
        (void)!vst_cache_close(cache);
    if (memory != NULL)
        fake_power_destroy(&disk);
    free(memory);
    cache = NULL;
    memory = NULL;
    return 0;
}

static void check_bytes(uint64_t offset, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (data[i] != byte_at(offset + i))
            fail_msg("byte %lu is wrong", (unsigned long)(offset + i));
}

static void read_and_check(uint64_t offset, size_t bytes)
{
    memset(data, 0xee, bytes);
    assert_int_equal(vst_cache_read(cache, offset, data, bytes, NULL), VST_OK);
    check_bytes(offset, bytes);
}

static void write_byte(uint64_t offset, size_t bytes, uint8_t byte)
{
    memset(data, byte, bytes);
    assert_int_equal(vst_cache_write(cache, offset, data, bytes, NULL), VST_OK);
}

static const struct vst_cache_stats *stats(void)
{
    return vst_cache_stats(cache);
}

/* ------------------------------------------------------------------ memory */

static void test_64_KiB_are_enough(void **state)
{
    struct vst_block_limits limits = {.logical_block_bytes = 512};
    struct vst_cache_config config = {.queue = &disk.queue};

    (void)state;
    assert_in_range(vst_cache_min_bytes(&limits), 32 * KIB, 64 * KIB);
    open_cache(512, vst_cache_min_bytes(&limits), VST_CACHE_WRITE_BACK);
    assert_int_equal(vst_cache_look(cache).n_lines, 8);
    for (uint64_t offset = 0; offset < 300 * KIB; offset += 3000)
        read_and_check(offset, 5000);
    config.memory = memory;
    config.memory_bytes = vst_cache_min_bytes(&limits) - 1;
    struct vst_cache *other;
    assert_int_equal(vst_cache_open(&other, &config), VST_ERR_NO_MEMORY);
}

static void test_memory_is_what_was_said(void **state)
{
    struct vst_block_limits limits = {.logical_block_bytes = 65536};

    (void)state;
    assert_int_equal(vst_cache_line_bytes(&limits), 65536);
    for (uint32_t n = 8; n < 40; n += 7) {
        /* The sanitizer watches both ends of what malloc gave. */
        open_cache(65536, vst_cache_bytes(&limits, n), VST_CACHE_WRITE_BACK);
        assert_int_equal(vst_cache_look(cache).n_lines, n);
        for (uint64_t offset = 100; offset < 4 * MIB; offset += 100000)
            read_and_check(offset, 70000);
        write_byte(12345, 100000, 1);
        tear_down(NULL);
    }
}

/* ------------------------------------------------------------------ reading */

static void test_many_readers_cost_one_request(void **state)
{
    struct vst_cache_request requests[6], *done[6];
    static uint8_t buffers[6][700];
    size_t n = 0;

    (void)state;
    open_cache(512, 64 * KIB, VST_CACHE_WRITE_BACK);
    for (unsigned i = 0; i < 6; i++) {
        requests[i] = (struct vst_cache_request){.op = VST_BLOCK_READ,
                                                 .offset_bytes = 1 * MIB + i * 600,
                                                 .buffer = buffers[i],
                                                 .bytes = i < 5 ? 700 : 500};
        assert_int_equal(vst_cache_submit(cache, &requests[i]), VST_OK);
    }
    vst_cache_kick(cache);
    while (n < 6)
        n += vst_cache_poll(cache, done + n, 6 - n);
    assert_int_equal(disk.n_commands, 1);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(requests[i].status, VST_OK);
        memcpy(data, buffers[i], requests[i].bytes);
        check_bytes(requests[i].offset_bytes, requests[i].bytes);
    }
}

static void test_a_stream_is_read_ahead(void **state)
{
    (void)state;
    open_cache(512, 6 * MIB, VST_CACHE_WRITE_BACK);
    for (uint64_t offset = 0; offset < 16 * MIB; offset += 4 * KIB)
        read_and_check(offset, 4 * KIB);
    /* Requests of 128 KiB and more but for the first few, and several in flight. */
    assert_in_range(disk.n_reads, 1, 16 * MIB / (128 * KIB) + 8);
    assert_true(stats()->max_in_flight >= 5);
    assert_int_equal(stats()->ahead_unread, 0);
}

static void test_several_streams_in_pieces_of_odd_size(void **state)
{
    uint64_t at[5] = {0, 5 * MIB, 10 * MIB + 77, 17 * MIB, 22 * MIB + 4095};

    (void)state;
    open_cache(512, 4 * MIB, VST_CACHE_WRITE_BACK);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned k = (unsigned)fake_power_random(&disk, 5);
        size_t bytes = 1 + fake_power_random(&disk, 1500);
        read_and_check(at[k], bytes);
        at[k] += bytes;
    }
    assert_true(disk.n_read_sectors / disk.n_reads >= 40 * KIB / 512);
    assert_true(stats()->ahead_unread * 50 < stats()->ahead_lines);
}

static void test_random_reads_read_nothing_else(void **state)
{
    (void)state;
    open_cache(512, 1 * MIB, VST_CACHE_WRITE_BACK);
    for (unsigned i = 0; i < 5000; i++)
        read_and_check(fake_power_random(&disk, SECTORS / 8) * 4 * KIB, 4 * KIB);
    /* But for some that lie behind another by chance: the disk is small. */
    assert_true(stats()->ahead_lines <= 100);
    assert_int_equal(stats()->hits + stats()->misses, 5000);
}

static void test_reads_that_never_come_back_are_not_kept(void **state)
{
    const uint64_t n_lines = SECTORS / 8;
    unsigned n_hits = 0;

    (void)state;
    open_cache(512, 1 * MIB, VST_CACHE_WRITE_BACK);
    for (uint64_t i = 0; i < n_lines; i++)
        read_and_check(i * 5063 % n_lines * 4 * KIB, 4 * KIB);
    assert_int_equal(disk.n_reads, n_lines);
    assert_in_range(stats()->evicted, 1, n_lines / 2);
    /* What comes back is: sooner or later all of it. */
    for (unsigned round = 0; round < 100; round++) {
        uint64_t before = stats()->hits;
        for (uint64_t i = 0; i < 50; i++)
            read_and_check(i * 5063 % n_lines * 4 * KIB, 4 * KIB);
        n_hits = (unsigned)(stats()->hits - before);
    }
    assert_int_equal(n_hits, 50);
    assert_true(stats()->hits > 2500);
}

static void test_large_reads_go_straight(void **state)
{
    (void)state;
    open_cache(512, 256 * KIB, VST_CACHE_WRITE_BACK);
    read_and_check(4 * MIB + 512, MIB); /* whole blocks, wherever they begin */
    assert_int_equal(disk.n_reads, 4);
    assert_int_equal(stats()->max_in_flight, 4);
    assert_int_equal(stats()->straight_lines, MIB / 4096);
    assert_int_equal(vst_cache_look(cache).n_cached, 0);
    read_and_check(8 * MIB + 100, 300 * KIB); /* ends that cut blocks go through lines */
    assert_int_equal(disk.n_reads, 4 + 3 + 2);
    /* What is in the cache is newer. */
    write_byte(MIB + 200 * KIB + 10, 20, 0x99);
    memset(data, 0xee, 512 * KIB);
    assert_int_equal(vst_cache_read(cache, MIB, data, 512 * KIB, NULL), VST_OK);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(data[200 * KIB + 10 + i], 0x99);
    for (unsigned i = 0; i < 20; i++)
        data[200 * KIB + 10 + i] = byte_at(MIB + 200 * KIB + 10 + i);
    check_bytes(MIB, 512 * KIB);
    assert_int_equal(vst_cache_look(cache).n_dirty, 1);
}

static void test_large_reads_find_bad_blocks(void **state)
{
    uint64_t error = 0;

    (void)state;
    open_cache(512, 256 * KIB, VST_CACHE_WRITE_BACK);
    disk.bad[(MIB + 400 * KIB) / 512] = disk.bad[(MIB + 700 * KIB) / 512 + 1] = true;
    assert_int_equal(vst_cache_read(cache, MIB + 512, data, MIB - 512, &error), VST_ERR_IO);
    assert_in_range(error, MIB + 400 * KIB, MIB + 404 * KIB - 1);
    read_and_check(MIB, 400 * KIB);
    read_and_check(MIB + 401 * KIB, 299 * KIB);
    disk.fail_one_in = 20; /* and what comes and goes, of many */
    for (unsigned i = 0; i < 300; i++) {
        if (vst_cache_read(cache, 4 * MIB, data, MIB, NULL) == VST_OK)
            check_bytes(4 * MIB, MIB);
        memset(data, 0xee, MIB);
    }
}

static void test_large_reads_of_a_stream_are_read_ahead(void **state)
{
    (void)state;
    open_cache(512, 6 * MIB, VST_CACHE_WRITE_BACK);
    for (uint64_t offset = 0; offset < 16 * MIB; offset += 128 * KIB)
        read_and_check(offset, 128 * KIB);
    assert_true(stats()->straight_lines <= 128 * KIB / 4096);
    assert_true(stats()->max_in_flight >= 5);
}

static void test_a_miss_that_fails(void **state)
{
    uint64_t error = 0;

    (void)state;
    open_cache(512, 256 * KIB, VST_CACHE_WRITE_BACK);
    disk.bad[1003] = true;
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(vst_cache_read(cache, 1000 * 512, data, 4 * KIB, &error), VST_ERR_IO);
        assert_in_range(error, 1000 * 512, 1003 * 512);
        read_and_check(8 * MIB + i * 12 * KIB, 4 * KIB);
    }
    assert_true(stats()->read_errors >= 1000);
    disk.bad[1003] = false;
    read_and_check(1000 * 512, 4 * KIB);
}

static void test_a_stream_among_random_reads_goes_on(void **state)
{
    (void)state;
    open_cache(512, 4 * MIB, VST_CACHE_WRITE_BACK);
    for (uint64_t offset = 0; offset < 8 * MIB; offset += 4 * KIB) {
        read_and_check(offset, 4 * KIB);
        read_and_check(16 * MIB + fake_power_random(&disk, 4000) * 4 * KIB, 4 * KIB);
    }
    uint64_t of_stream = disk.n_reads - (2048 - (stats()->hits - 2048));
    assert_true(stats()->ahead_lines > 2000);
    assert_true(of_stream < 400);
}

static void test_bad_blocks_fail_nobody_else(void **state)
{
    uint64_t error = 0;

    (void)state;
    open_cache(512, 256 * KIB, VST_CACHE_WRITE_BACK);
    disk.bad[1003] = true;
    for (uint64_t offset = 980 * 512; offset < 1003 * 512; offset += 512)
        read_and_check(offset, 512);
    assert_int_equal(vst_cache_read(cache, 1002 * 512, data, 1500, &error), VST_ERR_IO);
    assert_int_equal(error, 1003 * 512);
    read_and_check(1004 * 512, 4096);
    write_byte(1003 * 512, 512, 7); /* whole blocks need not be read */
    disk.bad[1003] = false;
    assert_int_equal(vst_cache_flush(cache, NULL), VST_OK);
    assert_int_equal(disk.medium[1003 * 512], 7);
    assert_int_equal(disk.medium[1002 * 512], byte_at(1002 * 512));
}

static void test_ranges_that_do_not_fit(void **state)
{
    uint64_t end = (uint64_t)SECTORS * 512, error = 0;

    (void)state;
    open_cache(512, 64 * KIB, VST_CACHE_WRITE_BACK);
    assert_int_equal(vst_cache_read(cache, end - 10, data, 11, &error), VST_ERR_RANGE);
    assert_int_equal(error, end);
    assert_int_equal(vst_cache_read(cache, UINT64_MAX, data, 2, NULL), VST_ERR_RANGE);
    assert_int_equal(vst_cache_write(cache, end + 1, data, 0, NULL), VST_ERR_RANGE);
    assert_int_equal(vst_cache_read(cache, end, data, 0, NULL), VST_OK);
    assert_int_equal(vst_cache_write(cache, 0, data, 0, NULL), VST_OK);
    assert_int_equal(vst_cache_discard(cache, 100, 512, NULL), VST_ERR_INVALID);
    read_and_check(end - 10, 10);
    disk.device.read_only = true;
    assert_int_equal(vst_cache_write(cache, 0, data, 1, NULL), VST_ERR_READ_ONLY);
}

static void test_requests_of_others_come_back(void **state)
{
    struct vst_block_segment segment = {data + MIB / 2, 512};
    struct vst_block_request other = {
        .op = VST_BLOCK_READ, .n_segments = 1, .segments = &segment, .n_sectors = 1};
    struct vst_block_request *done = NULL;

    (void)state;
    open_cache(512, 64 * KIB, VST_CACHE_WRITE_BACK);
    assert_int_equal(vst_block_submit(&disk.queue, &other), VST_OK);
    for (unsigned i = 0; i < 50; i++)
        read_and_check(i * 10000, 100);
    for (unsigned i = 0; i < 100 && done == NULL; i++)
        (void)!vst_block_poll(&disk.queue, &done, 1);
    assert_ptr_equal(done, &other);
}

/* ------------------------------------------------------------------ writing */

static void test_write_back_is_sorted_and_merged(void **state)
{
    (void)state;
    open_cache(512, 4 * MIB, VST_CACHE_WRITE_BACK);
    for (unsigned i = 0; i < 200; i++)
        write_byte(MIB + (i * 77 % 200) * 4 * KIB, 4 * KIB, (uint8_t)i);
    assert_int_equal(disk.n_commands, 0);
    assert_int_equal(vst_cache_flush(cache, NULL), VST_OK);
    assert_int_equal(disk.n_backward, 0);
    assert_int_equal(disk.n_writes, (200 + 61) / 62); /* as many lines as a request takes */
    assert_int_equal(disk.n_flushes, 1);
    assert_true(stats()->max_in_flight >= 4);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(disk.medium[MIB + (i * 77 % 200) * 4 * KIB + 4095], i & 255);
}

static void test_write_back_begins_by_itself(void **state)
{
    (void)state;
    open_cache(512, 1 * MIB, VST_CACHE_WRITE_BACK);
    for (unsigned i = 0; i < 2000; i++)
        write_byte((i * 997 % 2000) * 8 * KIB, 4 * KIB, (uint8_t)i);
    assert_true(vst_cache_look(cache).n_dirty <= vst_cache_look(cache).n_lines / 2);
    assert_true(disk.n_writes > 1000);
    assert_true(disk.n_backward < disk.n_writes / 10); /* batches, each in order */
    assert_int_equal(disk.n_flushes, 0);
}

static void test_write_through(void **state)
{
    (void)state;
    open_cache(512, 256 * KIB, VST_CACHE_WRITE_THROUGH);
    write_byte(5000, 3000, 9);
    assert_memory_equal(disk.current + 5000, data, 3000);
    assert_int_equal(vst_cache_look(cache).n_dirty, 0);
    disk.bad[30] = true;
    uint64_t error = 0;
    memset(data, 8, 512);
    assert_int_equal(vst_cache_write(cache, 30 * 512, data, 512, &error), VST_ERR_IO);
    assert_int_equal(error, 30 * 512);
    assert_int_equal(vst_cache_flush(cache, &error), VST_ERR_IO);
    disk.bad[30] = false;
    assert_int_equal(vst_cache_flush(cache, NULL), VST_OK);
    assert_int_equal(disk.medium[30 * 512], 8);
}

static void test_errors_reach_each_who_flushes(void **state)
{
    uint64_t error = 0;

    (void)state;
    open_cache(512, 256 * KIB, VST_CACHE_WRITE_BACK);
    disk.bad[64 * KIB / 512] = true;
    write_byte(48 * KIB, 40 * KIB, 5); /* one request, of which one block can't be written */
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(vst_cache_flush(cache, &error), VST_ERR_IO);
        assert_int_equal(error, 64 * KIB);
    }
    /* Its neighbours are durable, and it is there to be read. */
    assert_int_equal(disk.medium[60 * KIB], 5);
    assert_int_equal(disk.medium[68 * KIB], 5);
    assert_int_equal(vst_cache_look(cache).n_dirty, 1);
    assert_int_equal(vst_cache_read(cache, 64 * KIB, data, 1, NULL), VST_OK);
    assert_int_equal(data[0], 5);
    disk.bad[64 * KIB / 512] = false;
    assert_int_equal(vst_cache_flush(cache, &error), VST_OK);
    assert_int_equal(disk.medium[64 * KIB], 5);
}

static void test_no_room_but_for_what_can_not_be_written(void **state)
{
    unsigned n_failed = 0;
    uint64_t error = 0;

    (void)state;
    open_cache(512, 64 * KIB, VST_CACHE_WRITE_BACK);
    memset(disk.bad, true, 100 * 8);
    for (unsigned i = 0; i < 100; i++) {
        memset(data, (int)i, 4 * KIB);
        n_failed += vst_cache_write(cache, i * 4 * KIB, data, 4 * KIB, &error) != VST_OK;
    }
    assert_in_range(n_failed, 90, 99);
    assert_true(error < 100 * 4 * KIB);
    read_and_check(MIB, 100 * KIB); /* reading goes on */
    memset(disk.bad, false, disk.n_blocks);
    assert_int_equal(vst_cache_write(cache, MIB, data, 100, NULL), VST_OK);
    assert_int_equal(vst_cache_flush(cache, NULL), VST_OK);
    assert_int_equal(disk.medium[4 * KIB], 1);
}

static void test_a_flush_that_fails_has_all_written_again(void **state)
{
    (void)state;
    open_cache(512, 256 * KIB, VST_CACHE_WRITE_BACK);
    write_byte(0, 30 * KIB, 6);
    disk.fail_flush_one_in = 1; /* and the disk loses what it had not flushed */
    assert_int_equal(vst_cache_flush(cache, NULL), VST_ERR_IO);
    disk.fail_flush_one_in = 0;
    assert_int_equal(vst_cache_flush(cache, NULL), VST_OK);
    for (unsigned i = 0; i < 30 * KIB; i++)
        assert_int_equal(disk.medium[i], 6);
    /* What has left the cache since can't be: that is said until somebody takes note. */
    for (unsigned i = 0; i < 100; i++)
        write_byte(MIB + i * 4 * KIB, 4 * KIB, 7);
    disk.fail_flush_one_in = 1;
    assert_int_equal(vst_cache_flush(cache, NULL), VST_ERR_IO);
    disk.fail_flush_one_in = 0;
    assert_int_equal(vst_cache_flush(cache, NULL), VST_ERR_IO);
    assert_int_equal(vst_cache_accept_loss(cache), VST_ERR_IO);
    assert_int_equal(vst_cache_flush(cache, NULL), VST_OK);
}

/* ------------------------------------------------------------------ discard and zeroes */

static void test_discard_and_zeroes(void **state)
{
    (void)state;
    open_cache(512, 256 * KIB, VST_CACHE_WRITE_BACK);
    write_byte(10 * KIB, 20 * KIB, 3);
    assert_int_equal(vst_cache_discard(cache, 12 * KIB, 16 * KIB, NULL), VST_OK);
    assert_int_equal(vst_cache_flush(cache, NULL), VST_OK);
    assert_int_equal(disk.medium[12 * KIB - 1], 3);
    assert_int_equal(disk.medium[12 * KIB], 0x5a); /* not written over */
    assert_int_equal(vst_cache_read(cache, 12 * KIB - 1, data, 2, NULL), VST_OK);
    assert_int_equal(data[1], 0x5a);
    assert_int_equal(vst_cache_zero(cache, 28 * KIB, 1 * KIB, NULL), VST_OK);
    assert_int_equal(vst_cache_zero(cache, 29 * KIB, 3, NULL), VST_OK); /* cuts a block */
    assert_int_equal(vst_cache_read(cache, 28 * KIB, data, 2 * KIB, NULL), VST_OK);
    for (unsigned i = 0; i < 1 * KIB + 3; i++)
        assert_int_equal(data[i], 0);
    assert_int_equal(data[1 * KIB + 3], 3);
    disk.device.limits.discard.max_ranges = disk.device.limits.zeroes.max_ranges = 0;
    assert_int_equal(vst_cache_discard(cache, 0, 512, NULL), VST_ERR_UNSUPPORTED);
    assert_int_equal(vst_cache_zero(cache, 0, 8 * KIB, NULL), VST_OK);
    assert_int_equal(vst_cache_flush(cache, NULL), VST_OK);
    assert_int_equal(disk.medium[8 * KIB - 1], 0);
}

/* ------------------------------------------------------------------ devices that change */

static void test_a_medium_that_changes(void **state)
{
    (void)state;
    open_cache(512, 256 * KIB, VST_CACHE_WRITE_BACK);
    disk.device.removable = true;
    read_and_check(0, 8 * KIB);
    write_byte(4 * KIB, 100, 1);
    vst_block_medium_lost(&disk.device);
    assert_int_equal(vst_cache_read(cache, 0, data, 1, NULL), VST_ERR_MEDIUM_CHANGED);
    memset(disk.current, 0x77, 1 * MIB);
    vst_block_medium_found(&disk.device, VST_OK, SECTORS / 2, true);
    assert_int_equal(vst_cache_read(cache, 0, data, 8 * KIB, NULL), VST_OK);
    assert_int_equal(data[0], 0x77);
    assert_int_equal(data[4 * KIB], 0x77);
    assert_int_equal(vst_cache_read(cache, SECTORS / 2 * 512, data, 1, NULL), VST_ERR_RANGE);
    /* What was dirty is lost, and whoever flushes is told so. */
    assert_int_equal(stats()->lost_bytes, 512);
    assert_int_equal(vst_cache_flush(cache, NULL), VST_ERR_MEDIUM_CHANGED);
    assert_int_equal(vst_cache_flush(cache, NULL), VST_ERR_MEDIUM_CHANGED);
    assert_int_equal(vst_cache_accept_loss(cache), VST_ERR_MEDIUM_CHANGED);
    assert_int_equal(vst_cache_flush(cache, NULL), VST_OK);
    /* Changed and looked at in between: nobody had the chance to see the medium missing. */
    vst_block_medium_lost(&disk.device);
    memset(disk.current, 0x78, 1 * MIB);
    vst_block_medium_found(&disk.device, VST_OK, SECTORS / 2, true);
    assert_int_equal(vst_cache_read(cache, 0, data, 1, NULL), VST_OK);
    assert_int_equal(data[0], 0x78);
}

static void test_a_device_that_is_gone(void **state)
{
    (void)state;
    open_cache(512, 256 * KIB, VST_CACHE_WRITE_BACK);
    read_and_check(0, 8 * KIB);
    write_byte(4 * KIB, 100, 1);
    disk.device.broken = disk.device.gone = true;
    vst_block_limits_changed(&disk.device);
    assert_int_equal(vst_cache_read(cache, 0, data, 1, NULL), VST_ERR_GONE);
    assert_int_equal(vst_cache_write(cache, 0, data, 1, NULL), VST_ERR_GONE);
    assert_int_equal(vst_cache_flush(cache, NULL), VST_ERR_GONE);
    assert_int_equal(vst_cache_close(cache), VST_ERR_GONE);
    cache = NULL;
}

static void test_a_device_that_changes_its_size(void **state)
{
    const uint64_t end = SECTORS / 2 * 512 + 512;

    (void)state;
    open_cache(512, 256 * KIB, VST_CACHE_WRITE_BACK);
    read_and_check(end - 4 * KIB, 8 * KIB);
    write_byte(end - 512, 1 * KIB, 1);
    disk.device.limits.n_sectors = end / 512;
    vst_block_limits_changed(&disk.device);
    assert_int_equal(vst_cache_read(cache, end, data, 1, NULL), VST_ERR_RANGE);
    assert_int_equal(stats()->lost_bytes, 512);
    assert_int_equal(vst_cache_flush(cache, NULL), VST_ERR_RANGE);
    assert_int_equal(disk.medium[end - 1], 1);
    assert_int_equal(vst_cache_accept_loss(cache), VST_ERR_RANGE);
    memset(disk.current + end, 0x42, 4 * KIB);
    disk.device.limits.n_sectors = SECTORS;
    vst_block_limits_changed(&disk.device);
    assert_int_equal(vst_cache_read(cache, end - 1, data, 2, NULL), VST_OK);
    assert_int_equal(data[0], 1);
    assert_int_equal(data[1], 0x42);
}

static void test_invalidate(void **state)
{
    (void)state;
    open_cache(512, 256 * KIB, VST_CACHE_WRITE_BACK);
    read_and_check(0, 100 * KIB);
    memset(disk.current, 0x33, 4 * KIB); /* somebody else has written */
    vst_cache_invalidate(cache);
    assert_int_equal(vst_cache_look(cache).n_cached, 0);
    assert_int_equal(vst_cache_read(cache, 0, data, 1, NULL), VST_OK);
    assert_int_equal(data[0], 0x33);
    assert_int_equal(vst_cache_flush(cache, NULL), VST_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_64_KiB_are_enough, tear_down),
        cmocka_unit_test_teardown(test_memory_is_what_was_said, tear_down),
        cmocka_unit_test_teardown(test_many_readers_cost_one_request, tear_down),
        cmocka_unit_test_teardown(test_a_stream_is_read_ahead, tear_down),
        cmocka_unit_test_teardown(test_several_streams_in_pieces_of_odd_size, tear_down),
        cmocka_unit_test_teardown(test_random_reads_read_nothing_else, tear_down),
        cmocka_unit_test_teardown(test_reads_that_never_come_back_are_not_kept, tear_down),
        cmocka_unit_test_teardown(test_large_reads_go_straight, tear_down),
        cmocka_unit_test_teardown(test_large_reads_find_bad_blocks, tear_down),
        cmocka_unit_test_teardown(test_large_reads_of_a_stream_are_read_ahead, tear_down),
        cmocka_unit_test_teardown(test_a_miss_that_fails, tear_down),
        cmocka_unit_test_teardown(test_a_stream_among_random_reads_goes_on, tear_down),
        cmocka_unit_test_teardown(test_bad_blocks_fail_nobody_else, tear_down),
        cmocka_unit_test_teardown(test_ranges_that_do_not_fit, tear_down),
        cmocka_unit_test_teardown(test_requests_of_others_come_back, tear_down),
        cmocka_unit_test_teardown(test_write_back_is_sorted_and_merged, tear_down),
        cmocka_unit_test_teardown(test_write_back_begins_by_itself, tear_down),
        cmocka_unit_test_teardown(test_write_through, tear_down),
        cmocka_unit_test_teardown(test_errors_reach_each_who_flushes, tear_down),
        cmocka_unit_test_teardown(test_no_room_but_for_what_can_not_be_written, tear_down),
        cmocka_unit_test_teardown(test_a_flush_that_fails_has_all_written_again, tear_down),
        cmocka_unit_test_teardown(test_discard_and_zeroes, tear_down),
        cmocka_unit_test_teardown(test_a_medium_that_changes, tear_down),
        cmocka_unit_test_teardown(test_a_device_that_is_gone, tear_down),
        cmocka_unit_test_teardown(test_a_device_that_changes_its_size, tear_down),
        cmocka_unit_test_teardown(test_invalidate, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
