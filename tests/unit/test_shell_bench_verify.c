/* SPDX-License-Identifier: BSD-2-Clause */
/* bench verify=1: what it writes, what it claims to be durable, and what it finds when it reads back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "boot/shell/pattern.h"
#include "fake_shell_host.h"

#define BLOCK_BYTES 4096u
#define N_BLOCKS    256u

static int set_up(void **state)
{
    struct fake_host *fake = malloc(sizeof(*fake));

    fake_host_make(fake);
    fake->disk.per_poll = 5;
    fake->disk.newest_first = true;
    *state = fake;
    return 0;
}

static int tear_down(void **state)
{
    fake_host_free(*state);
    free(*state);
    return 0;
}

static void assert_holds(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no \"%s\" in: %s", part, text);
}

/* The seed of a block: the only one among those of `n` writes of `run` that gives what it holds. */
static uint64_t seed_of_block(const struct fake_host *fake, uint64_t block, uint64_t run,
                              uint32_t n)
{
    const uint8_t *data = fake->disk.data + block * BLOCK_BYTES;

    for (uint32_t number = 1; number <= n; number++)
        for (uint64_t behind = 1; behind <= number; behind++) {
            uint64_t seed = run << 48 | behind << 32 | number;
            if (pattern_first_difference(seed, block * BLOCK_BYTES, data, BLOCK_BYTES) ==
                BLOCK_BYTES)
                return seed;
        }
    return 0;
}

static unsigned behind_of(uint64_t seed)
{
    return seed >> 32 & 0xffff;
}

static void each_block_tells_which_write_it_is(void **state)
{
    struct fake_host *fake = *state;

    assert_int_equal(fake_host_run(fake, "bench vda rw=write verify=1 seed=9 iodepth=8 size=64k "
                                         "offset=64k number_ios=40 json=1"),
                     SHELL_NO_EXIT);
    assert_holds(fake->output, "\"ios\":40,\"bytes\":163840,\"flushes\":0,\"errors\":0,");
    assert_holds(fake->output, "\"verified\":16}");
    for (uint64_t block = 0; block < 16; block++) {
        uint64_t seed = seed_of_block(fake, 16 + block, 9, 40);
        uint32_t number = (uint32_t)seed;
        assert_in_range(number, 1, 40);
        assert_int_equal(number, behind_of(seed)); /* nothing was flushed */
    }
    assert_int_equal(fake->disk.first_written_sector, 128);
    assert_int_equal(fake->disk.end_written_sector, 256);
    assert_int_equal(fake->disk.max_in_flight, 8);
}

/* Where every write in flight might be the same block, none is. */
static void no_block_is_written_twice_at_once(void **state)
{
    struct fake_host *fake = *state;

    assert_int_equal(fake_host_run(fake, "bench vda rw=randwrite verify=1 iodepth=32 size=132k "
                                         "number_ios=3000 json=1"),
                     SHELL_NO_EXIT);
    assert_holds(fake->output, "\"verified\":33}");
    assert_int_equal(fake->disk.max_in_flight, 32);
}

static void flushes_make_durable_what_has_ended_before(void **state)
{
    struct fake_host *fake = *state;

    fake->disk.newest_first = false;
    fake->disk.per_poll = 1;
    assert_int_equal(fake_host_run(fake, "bench vda rw=write verify=1 iodepth=1 fsync=4 "
                                         "number_ios=50 json=1"),
                     SHELL_NO_EXIT);
    assert_holds(fake->output, "\"flushes\":12,");
    /* Write 5 goes out beside the flush after 4, or behind it. */
    for (uint32_t number = 9; number <= 50; number++)
        assert_in_range(behind_of(seed_of_block(fake, number - 1, 1, 50)), 1, 9);
    assert_int_equal(fake->disk.queue.stats.commands[VST_BLOCK_FLUSH], 12);
}

static void a_failed_flush_makes_nothing_durable(void **state)
{
    struct fake_host *fake = *state;

    fake->disk.flush_status = VST_ERR_IO;
    assert_int_equal(fake_host_run(fake, "bench vda rw=write verify=1 iodepth=1 fsync=4 "
                                         "number_ios=50 json=1"),
                     1);
    assert_holds(fake->output, "\"flushes\":0,\"errors\":12,");
    assert_holds(fake->output, "\"verified\":50}");
    for (uint32_t number = 1; number <= 50; number++)
        assert_int_equal(behind_of(seed_of_block(fake, number - 1, 1, 50)), number);
}

/* By sync=1, or because nothing is cached: what has ended is durable. */
static void durable_writes_are_so_when_they_end(void **state)
{
    static const char *const lines[] = {
        "bench vda rw=write verify=1 iodepth=4 number_ios=60 sync=1",
        "cache vda writethrough; bench vda rw=write verify=1 iodepth=4 number_ios=60",
    };
    struct fake_host *fake = *state;

    fake->disk.newest_first = false;
    fake->disk.device.write_cache_settable = true;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(lines); i++) {
        memset(fake->disk.data, 0, N_BLOCKS * BLOCK_BYTES);
        assert_int_equal(fake_host_run(fake, lines[i]), SHELL_NO_EXIT);
        for (uint32_t number = 1; number <= 60; number++)
            assert_in_range(behind_of(seed_of_block(fake, number - 1, 1, 60)), 1, 4);
    }
}

static void a_lost_write_is_found(void **state)
{
    struct fake_host *fake = *state;

    /* What is there is what the same run left there the time before. */
    fake_host_run(fake, "bench vda rw=write verify=1 number_ios=256 seed=1");
    fake->disk.lost_sector = 8 * 100;
    assert_int_equal(
        fake_host_run(fake, "bench vda rw=write verify=1 number_ios=256 seed=2 json=1"), 1);
    assert_holds(fake->output, "\"error\":\"mismatch\",\"offset\":409608,");
    assert_int_equal(fake_host_run(fake, "bench vda rw=write verify=1 number_ios=256 seed=3"), 1);
    assert_holds(fake->output, ": wrong at byte 409608: expected ");
    fake->disk.lost_sector = UINT64_MAX;
    assert_int_equal(fake_host_run(fake, "bench vda rw=write verify=1 number_ios=256 seed=4"),
                     SHELL_NO_EXIT);
    assert_holds(fake->output, "256 writes and 0 flushes in ");
    assert_holds(fake->output, "  256 blocks read back and verified\n");
}

/* Blocks that no chunk of the reading holds as a whole. */
static void any_size_of_block(void **state)
{
    static const char *const sizes[] = {"512", "1536", "12k", "300k"};
    struct fake_host *fake = *state;
    char line[100];

    for (size_t i = 0; i < VST_ARRAY_LENGTH(sizes); i++) {
        snprintf(line, sizeof(line),
                 "bench vda rw=randwrite verify=1 iodepth=2 bs=%s number_ios=90", sizes[i]);
        assert_int_equal(fake_host_run(fake, line), SHELL_NO_EXIT);
    }
}

/* More pieces than a command of the device takes, of odd lengths: each I/O is several commands. */
static void data_in_pieces(void **state)
{
    struct fake_host *fake = *state;
    const uint64_t *commands = fake->disk.queue.stats.commands;

    assert_int_equal(fake_host_run(fake, "bench vda rw=randwrite verify=1 iodepth=3 bs=12k "
                                         "segments=7 number_ios=60"),
                     SHELL_NO_EXIT);
    assert_int_equal(commands[VST_BLOCK_WRITE], 2 * 60);
    /* All are read in pieces, and once more as a whole. */
    uint64_t n_read = commands[VST_BLOCK_READ];
    assert_true(n_read > 2 * 20);
    fake->disk.lost_sector = 24; /* where the second block begins */
    assert_int_equal(fake_host_run(fake, "bench vda rw=write verify=1 bs=12k iodepth=1 segments=2 "
                                         "number_ios=5 seed=2 json=1"),
                     1);
    assert_holds(fake->output, "\"error\":\"mismatch\",\"offset\":12296,");
    assert_int_equal(commands[VST_BLOCK_READ], n_read + 2);
}

static void errors_and_breaks_are_told(void **state)
{
    struct fake_host *fake = *state;

    fake->disk.break_after = 100;
    assert_int_equal(fake_host_run(fake, "bench vda rw=write verify=1 number_ios=10000"), 1);
    assert_holds(fake->output, "device out of service (used id out of range) at byte ");
    assert_int_equal(fake->disk.n_pending, 0);
}

static void time_and_control_c_end_it(void **state)
{
    struct fake_host *fake = *state;

    fake->step_ns = 1000000;
    assert_int_equal(fake_host_run(fake, "bench vda rw=write verify=1 runtime=1"), SHELL_NO_EXIT);
    fake->input = "\x03";
    assert_int_equal(fake_host_run(fake, "bench vda rw=write verify=1 runtime=1000"), 1);
    assert_holds(fake->output, ": interrupted\n");
    assert_int_equal(fake->disk.n_pending, 0);
}

static void nonsense_is_refused(void **state)
{
    static const struct {
        const char *options, *says;
    } cases[] = {
        {"verify=1", "verify=1 needs rw=write or rw=randwrite"},
        {"verify=2 rw=write", "verify= is 0 or 1"},
        {"rw=write segments=2", "segments= goes with verify=1"},
        {"rw=write verify=1 bsrange=4k-8k", "verify=1 needs blocks of one size"},
        {"rw=write verify=1 segments=0", "segments= is between 1 and 4096, and at most bs="},
        {"rw=write verify=1 bs=512 segments=513", "segments= is between 1 and 4096, and at most"},
        {"rw=write verify=1 seed=65536", "with verify=1 seed= is at most 65535"},
        {"rw=write verify=1 size=64k", "there are 16 for iodepth=32"},
    };
    struct fake_host *fake = *state;
    char line[100];

    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        snprintf(line, sizeof(line), "bench vda %s", cases[i].options);
        assert_int_equal(fake_host_run(fake, line), 1);
        assert_holds(fake->output, cases[i].says);
    }
    assert_int_equal(fake->disk.queue.stats.commands[VST_BLOCK_WRITE], 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_block_tells_which_write_it_is),
        TEST(no_block_is_written_twice_at_once),
        TEST(flushes_make_durable_what_has_ended_before),
        TEST(a_failed_flush_makes_nothing_durable),
        TEST(durable_writes_are_so_when_they_end),
        TEST(a_lost_write_is_found),
        TEST(any_size_of_block),
        TEST(data_in_pieces),
        TEST(errors_and_breaks_are_told),
        TEST(time_and_control_c_end_it),
        TEST(nonsense_is_refused),
    };
    return cmocka_run_group_tests_name("shell_bench_verify", tests, NULL, NULL);
}
