/* SPDX-License-Identifier: BSD-2-Clause */
/* The benchmark and its histogram: exact counts, constant depth, the right area, honest errors. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "boot/shell/histogram.h"
#include "fake_shell_host.h"

static int set_up(void **state)
{
    struct fake_host *fake = malloc(sizeof(*fake));

    fake_host_make(fake);
    fake->disk.per_poll = 8;
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

/* The integer behind "KEY": in the output. */
static uint64_t number_of(const struct fake_host *fake, const char *key)
{
    char quoted[32];

    snprintf(quoted, sizeof(quoted), "\"%s\":", key);
    assert_holds(fake->output, quoted);
    return strtoull(strstr(fake->output, quoted) + strlen(quoted), NULL, 10);
}

/* ---------------------------------------------------------------- histogram */

static void buckets_join_without_gaps(void **state)
{
    (void)state;

    for (uint64_t value = 0; value < 32; value++)
        assert_int_equal(histogram_bucket(value), value);
    for (unsigned i = 0; i < HISTOGRAM_N_BUCKETS; i++) {
        assert_int_equal(histogram_bucket(histogram_bucket_low(i)), i);
        assert_int_equal(histogram_bucket(histogram_bucket_high(i)), i);
        if (i > 0)
            assert_int_equal(histogram_bucket_low(i), histogram_bucket_high(i - 1) + 1);
        assert_true(histogram_bucket_high(i) - histogram_bucket_low(i) <=
                    histogram_bucket_low(i) / 32);
    }
    assert_int_equal(histogram_bucket_high(HISTOGRAM_N_BUCKETS - 1), HISTOGRAM_MAX);
}

static void percentiles_are_those_of_the_values(void **state)
{
    struct histogram *histogram = calloc(1, sizeof(*histogram));
    (void)state;

    for (uint64_t value = 1; value <= 10000; value++)
        histogram_add(histogram, value * 100);
    struct histogram_summary summary = histogram_summarise(histogram);
    assert_int_equal(summary.n, 10000);
    assert_int_equal(summary.mean, 500050);
    assert_in_range(summary.min, 100 - 4, 100);
    assert_in_range(summary.p50, 500000, 516000);
    assert_in_range(summary.p99, 990000, 1021000);
    assert_in_range(summary.p999, 999000, 1031000);
    assert_in_range(summary.max, 1000000, 1032000);
    free(histogram);
}

static void small_histograms_are_exact(void **state)
{
    struct histogram *histogram = calloc(1, sizeof(*histogram));
    (void)state;

    assert_int_equal(histogram_summarise(histogram).max, 0);
    histogram_add(histogram, 7);
    struct histogram_summary one = histogram_summarise(histogram);
    assert_int_equal(one.min, 7);
    assert_int_equal(one.p50, 7);
    assert_int_equal(one.p999, 7);
    assert_int_equal(one.max, 7);
    for (unsigned i = 0; i < 98; i++)
        histogram_add(histogram, 3);
    histogram_add(histogram, 30);
    struct histogram_summary hundred = histogram_summarise(histogram);
    assert_int_equal(hundred.p50, 3);
    assert_int_equal(hundred.p99, 7);
    assert_int_equal(hundred.max, 30);
    free(histogram);
}

/* ---------------------------------------------------------------- bench */

static void count_is_exact(void **state)
{
    static const unsigned counts[] = {1, 7, 31, 32, 33, 1000, 5000};
    struct fake_host *fake = *state;
    char line[100];

    for (size_t i = 0; i < VST_ARRAY_LENGTH(counts); i++) {
        uint64_t before = fake->disk.queue.stats.commands[VST_BLOCK_READ];
        uint64_t warm_up = counts[i] / 10 < 64 ? 64 : counts[i] / 10;
        snprintf(line, sizeof(line), "bench vda number_ios=%u json=1", counts[i]);
        assert_int_equal(fake_host_run(fake, line), SHELL_NO_EXIT);
        assert_int_equal(number_of(fake, "ios"), counts[i]);
        assert_int_equal(number_of(fake, "bytes"), 4096ull * counts[i]);
        assert_int_equal(fake->disk.queue.stats.commands[VST_BLOCK_READ] - before,
                         counts[i] + warm_up);
        assert_int_equal(fake->disk.n_pending, 0);
    }
    assert_int_equal(fake->disk.max_in_flight, 32);
}

static void json_has_the_agreed_keys(void **state)
{
    static const char *const keys[] = {"errors", "ns",  "min",   "mean",       "p50", "p99",
                                       "p999",   "max", "kicks", "interrupts", "tsc"};
    const char *begin = "{\"cmd\":\"bench\",\"dev\":\"vda\",\"rw\":\"randread\",\"bs\":4096,"
                        "\"iodepth\":8,\"ios\":100,\"bytes\":409600,\"errors\":0,\"ns\":";
    struct fake_host *fake = *state;

    fake_host_run(fake, "bench vda iodepth=8 number_ios=100 json=1");
    assert_memory_equal(fake->output, begin, strlen(begin));
    for (size_t i = 0; i < VST_ARRAY_LENGTH(keys); i++)
        number_of(fake, keys[i]);
    assert_holds(fake->output, ",\"iops\":");
    assert_holds(fake->output, ",\"lat_ns\":{\"min\":");
    assert_holds(fake->output, ",\"per_queue\":[{\"queue\":0,\"ios\":100,\"errors\":0,\"kicks\":");
    assert_holds(fake->output, ",\"interrupts_elsewhere\":0,\"start_ns\":0,\"end_ns\":");
}

static void one_kick_serves_a_batch(void **state)
{
    struct fake_host *fake = *state;

    fake_host_run(fake, "bench vda number_ios=800 json=1");
    /* 8 end in each poll: one kick to begin with, one for each batch that is followed by another.
     */
    assert_int_equal(number_of(fake, "kicks"), 1 + (800 - 32) / 8);
    fake->disk.per_poll = 1;
    fake_host_run(fake, "bench vda iodepth=1 number_ios=100 json=1");
    assert_int_equal(number_of(fake, "kicks"), 100);
}

static void depth_is_what_was_asked(void **state)
{
    struct fake_host *fake = *state;

    fake->disk.late_polls = 5;
    fake->disk.newest_first = true;
    fake_host_run(fake, "bench vda iodepth=5 number_ios=200");
    assert_int_equal(fake->disk.max_in_flight, 5);
    assert_holds(fake->output, "vda: rw=randread, bs=4k, iodepth=5, 200 I/Os in ");
}

static void warm_up_does_not_count(void **state)
{
    struct fake_host *fake = *state;

    fake->disk.n_slow = 64;
    fake_host_run(fake, "bench vda number_ios=500 json=1");
    assert_int_equal(fake->disk.n_slow, 0);
    assert_in_range(number_of(fake, "max"), 1, 100000);
}

static void assert_mean_between_extremes(struct fake_host *fake, const char *line)
{
    assert_int_equal(fake_host_run(fake, line), SHELL_NO_EXIT);
    uint64_t min = number_of(fake, "min"), max = number_of(fake, "max");
    assert_in_range(min, 1, max);
    assert_in_range(number_of(fake, "mean"), min, max);
}

/* The sum is kept by the slots that become idle or stop being so: at both ends, and when it is full. */
static void mean_is_that_of_the_latencies(void **state)
{
    struct fake_host *fake = *state;

    assert_mean_between_extremes(fake, "bench vda iodepth=1 number_ios=50 json=1");
    assert_mean_between_extremes(fake, "bench vda iodepth=32 number_ios=7 json=1");
    assert_mean_between_extremes(fake, "bench vda iodepth=32 number_ios=100 json=1");
    fake->disk.device.limits.max_sectors = 8;
    fake->disk.device.limits.depth = 6;
    assert_mean_between_extremes(fake, "bench vda bs=64k iodepth=4 number_ios=300 json=1");
}

static void clock_set_back_makes_nothing_faster(void **state)
{
    struct fake_host *fake = *state;

    fake->now_ns = 1000000000;
    fake->step_ns = (uint64_t)-7;
    assert_int_equal(fake_host_run(fake, "bench vda number_ios=100 json=1"), SHELL_NO_EXIT);
    assert_int_equal(number_of(fake, "ios"), 100);
    assert_int_equal(number_of(fake, "max"), 0);
}

static void people_get_eighty_columns(void **state)
{
    struct fake_host *fake = *state;

    fake_host_run(fake, "bench vda number_ios=1000");
    assert_holds(fake->output, "  IOPS ");
    assert_holds(fake->output, "  per I/O: kicks 0.122, interrupts 0.000, ticks ");
    assert_holds(fake->output, "  lat: min ");
    for (char *row = strtok(fake->output, "\n"); row != NULL; row = strtok(NULL, "\n"))
        assert_in_range(strlen(row), 1, 80);
}

static void writes_stay_in_their_area(void **state)
{
    struct fake_host *fake = *state;

    assert_int_equal(fake_host_run(fake, "bench vda rw=randwrite bs=8k offset=64k size=100k "
                                         "number_ios=3000"),
                     SHELL_NO_EXIT);
    assert_int_equal(fake->disk.first_written_sector, 128);
    assert_int_equal(fake->disk.end_written_sector, 128 + 12 * 16);
}

static void mixed_reads_and_writes(void **state)
{
    struct fake_host *fake = *state;

    assert_int_equal(fake_host_run(fake, "bench vda rw=randrw number_ios=4000 json=1"),
                     SHELL_NO_EXIT);
    assert_int_equal(number_of(fake, "reads") + number_of(fake, "writes"), 4000);
    assert_in_range(number_of(fake, "writes"), 1800, 2200);
    assert_int_equal(fake_host_run(fake, "bench vda rw=randrw rwmixread=90 number_ios=4000 json=1"),
                     SHELL_NO_EXIT);
    assert_in_range(number_of(fake, "writes"), 300, 500);
}

static void mixed_to_the_extremes(void **state)
{
    struct fake_host *fake = *state;

    fake->disk.end_written_sector = 0;
    fake_host_run(fake, "bench vda rw=randrw rwmixread=100 number_ios=4000 json=1");
    assert_int_equal(number_of(fake, "reads"), 4000);
    assert_int_equal(fake->disk.end_written_sector, 0);
    fake_host_run(fake, "bench vda rw=randrw rwmixread=0 number_ios=4000 json=1");
    assert_int_equal(number_of(fake, "writes"), 4000);
    assert_int_not_equal(fake->disk.end_written_sector, 0);
}

/* Each direction by itself, and the two together the whole. */
static void mixed_directions_are_told_apart(void **state)
{
    struct fake_host *fake = *state;
    const char *read, *write;

    assert_int_equal(fake_host_run(fake, "bench vda rw=rw rwmixwrite=25 number_ios=4000 json=1"),
                     SHELL_NO_EXIT);
    assert_in_range(number_of(fake, "writes"), 850, 1150);
    read = strstr(fake->output, "\"read\":{\"ios\":");
    write = strstr(fake->output, "\"write\":{\"ios\":");
    assert_non_null(read);
    assert_non_null(write);
    assert_int_equal(strtoull(read + 14, NULL, 10), number_of(fake, "reads"));
    assert_int_equal(strtoull(write + 15, NULL, 10), number_of(fake, "writes"));
    assert_int_equal(strtoull(strstr(read, "\"bytes\":") + 8, NULL, 10) +
                         strtoull(strstr(write, "\"bytes\":") + 8, NULL, 10),
                     4000ull * 4096);
    fake_host_run(fake, "bench vda rw=randrw number_ios=400");
    assert_holds(fake->output, "\n  read: ");
    assert_holds(fake->output, "\n  write: ");
}

/* The mean is that of the latencies with flushes among them, which are slow, as without. */
static void flushes_come_after_so_many_writes(void **state)
{
    struct fake_host *fake = *state;
    const struct vst_block_stats *stats = &fake->disk.queue.stats;

    fake->step_ns = 1000;
    fake->disk.per_poll = 1;
    assert_int_equal(fake_host_run(fake,
                                   "bench vda rw=randwrite iodepth=1 number_ios=1000 fsync=10 "
                                   "json=1"),
                     SHELL_NO_EXIT);
    assert_int_equal(number_of(fake, "ios"), 1000);
    assert_int_equal(number_of(fake, "bytes"), 1000 * 4096);
    assert_in_range(number_of(fake, "flushes"), 99, 101);
    assert_int_equal(stats->commands[VST_BLOCK_WRITE], 1000 + 100);
    assert_in_range(stats->commands[VST_BLOCK_FLUSH], 108, 111);
    assert_in_range(number_of(fake, "mean"), number_of(fake, "min"), number_of(fake, "max"));
    assert_int_equal(
        fake_host_run(fake, "bench vda rw=rw rwmixread=100 number_ios=100 fsync=1 json=1"),
        SHELL_NO_EXIT);
    assert_int_equal(number_of(fake, "flushes"), 0);
    assert_int_equal(fake->disk.n_pending, 0);
}

static void flushes_that_fail_are_errors(void **state)
{
    struct fake_host *fake = *state;

    fake->disk.flush_status = VST_ERR_IO;
    assert_int_equal(fake_host_run(fake, "bench vda rw=write number_ios=1000 fsync=100 json=1"), 1);
    assert_int_equal(number_of(fake, "ios"), 1000);
    assert_in_range(number_of(fake, "errors"), 9, 10);
}

static void sizes_are_of_the_range(void **state)
{
    struct fake_host *fake = *state;
    uint64_t bytes;

    assert_int_equal(fake_host_run(fake,
                                   "bench vda rw=randwrite bsrange=4k-16k offset=64k size=100k "
                                   "number_ios=3000 json=1"),
                     SHELL_NO_EXIT);
    bytes = number_of(fake, "bytes");
    assert_in_range(bytes, 3000 * 9000, 3000 * 11500);
    assert_int_equal(bytes % 4096, 0);
    assert_int_equal(number_of(fake, "bs_max"), 16384);
    assert_int_equal(fake->disk.first_written_sector, 128);
    assert_int_equal(fake->disk.end_written_sector, 128 + 25 * 8);
    fake->disk.end_written_sector = 0;
    assert_int_equal(fake_host_run(fake, "bench vda rw=write bsrange=512-2k size=3k iodepth=2 "
                                         "number_ios=100"),
                     SHELL_NO_EXIT);
    assert_int_equal(fake->disk.end_written_sector, 6);
    assert_holds(fake->output, "bs=512-2k");
}

static void fio_words_mean_what_they_mean_to_fio(void **state)
{
    struct fake_host *fake = *state;

    fake->disk.first_written_sector = UINT64_MAX;
    fake->disk.end_written_sector = 0;
    assert_int_equal(fake_host_run(fake,
                                   "bench vda readwrite=write blocksize=8k offset=25% size=50% "
                                   "randseed=3 number_ios=1000 json=1"),
                     SHELL_NO_EXIT);
    assert_int_equal(number_of(fake, "bs"), 8192);
    assert_int_equal(fake->disk.first_written_sector, 512);
    assert_int_equal(fake->disk.end_written_sector, 1536);
    fake->step_ns = 100000;
    assert_int_equal(fake_host_run(fake, "bench vda runtime=50ms ramp_time=10ms json=1"),
                     SHELL_NO_EXIT);
    assert_in_range(number_of(fake, "ns"), 50000000, 60000000);
    assert_int_equal(fake_host_run(fake, "bench vda rw=randwrite sync=1 number_ios=100"),
                     SHELL_NO_EXIT);
}

static void warm_up_lasts_as_long_as_it_should(void **state)
{
    struct fake_host *fake = *state;
    uint64_t before = fake->disk.queue.stats.commands[VST_BLOCK_READ];

    fake->step_ns = 100000;
    fake_host_run(fake, "bench vda ramp_time=1 runtime=10ms json=1");
    assert_true(fake->disk.queue.stats.commands[VST_BLOCK_READ] - before >
                20 * number_of(fake, "ios"));
}

static void sequential_wraps_at_the_end(void **state)
{
    struct fake_host *fake = *state;

    assert_int_equal(fake_host_run(fake, "bench vda rw=write bs=512 offset=512 size=3k iodepth=2 "
                                         "number_ios=100"),
                     SHELL_NO_EXIT);
    assert_int_equal(fake->disk.first_written_sector, 1);
    assert_int_equal(fake->disk.end_written_sector, 7);
}

static void random_reaches_every_block(void **state)
{
    struct fake_host *fake = *state;

    memset(fake->disk.data, 0, 1u << 20);
    fake_host_run(fake, "bench vda rw=randwrite bs=4k number_ios=10000");
    for (unsigned block = 0; block < 256; block++) {
        bool touched = false;
        for (unsigned i = 0; i < 4096; i++)
            touched |= fake->disk.data[block * 4096 + i] != 0;
        assert_true(touched);
    }
}

/* Whether a block is read or written has nothing to do with where it is. */
static void mixed_writes_go_everywhere(void **state)
{
    struct fake_host *fake = *state;

    fake->disk.first_written_sector = UINT64_MAX;
    fake->disk.end_written_sector = 0;
    fake_host_run(fake, "bench vda rw=randrw rwmixread=80 bs=4k number_ios=10000");
    assert_int_equal(fake->disk.first_written_sector, 0);
    assert_int_equal(fake->disk.end_written_sector, 2048);
}

static void runtime_ends_it(void **state)
{
    struct fake_host *fake = *state;

    fake->step_ns = 100000;
    assert_int_equal(fake_host_run(fake, "bench vda runtime=1 json=1"), SHELL_NO_EXIT);
    assert_in_range(number_of(fake, "ns"), 1000000000, 1100000000);
    assert_int_equal(fake->disk.n_pending, 0);
    assert_int_equal(fake_host_run(fake, "bench vda json=1"), SHELL_NO_EXIT);
    assert_in_range(number_of(fake, "ns"), 2000000000, 2100000000);
}

static void errors_are_counted_and_named(void **state)
{
    struct fake_host *fake = *state;

    fake->disk.bad_sector = 17; /* blocks 2 and 3 of the 4 KiB ones, two in 16 of the area */
    fake->disk.n_bad_sectors = 8;
    assert_int_equal(fake_host_run(fake, "bench vda rw=read size=64k number_ios=1600 json=1"), 1);
    assert_int_equal(number_of(fake, "errors"), 200);
    assert_int_equal(number_of(fake, "ios"), 1600);
    assert_holds(fake->output, "\n{\"cmd\":\"bench\",\"dev\":\"vda\",\"error\":\"io\","
                               "\"offset\":8192,");
    assert_int_equal(fake_host_run(fake, "bench vda rw=read size=64k number_ios=1600"), 1);
    assert_holds(fake->output, "errors 200\n");
    assert_holds(fake->output, ": I/O error reported by the device at byte 8192\n");
}

static void broken_device_ends_it(void **state)
{
    struct fake_host *fake = *state;

    fake->disk.break_after = 500;
    assert_int_equal(fake_host_run(fake, "bench vda number_ios=10000"), 1);
    assert_holds(fake->output, "device out of service (used id out of range) at byte ");
    assert_int_equal(fake->disk.n_pending, 0);
    assert_int_equal(fake_host_run(fake, "bench vda number_ios=10000"), 1);
    fake->disk.device.broken = false;
    fake->disk.break_after = 5000;
    assert_int_equal(fake_host_run(fake, "bench vda number_ios=10000"), 1);
    assert_int_equal(fake->disk.n_pending, 0);
}

static void control_c_ends_it(void **state)
{
    struct fake_host *fake = *state;

    fake->step_ns = 1000000;
    fake->input = "\x03";
    assert_int_equal(fake_host_run(fake, "bench vda runtime=1000"), 1);
    assert_holds(fake->output, ": interrupted\n");
    assert_int_equal(fake->disk.n_pending, 0);
}

static void progress_is_for_people_only(void **state)
{
    struct fake_host *fake = *state;

    fake->step_ns = 100000;
    fake_host_run(fake, "bench vda runtime=5");
    assert_null(strchr(fake->output, '\r'));
    fake->host.interactive = true;
    fake_host_run(fake, "bench vda runtime=5 json=1");
    assert_null(strchr(fake->output, '\r'));
    fake_host_run(fake, "bench vda runtime=5");
    assert_holds(fake->output, "\rbench vda:  20%  ");
    assert_holds(fake->output, " IOPS  0:04 left\x1b[K\rbench vda:  40%  ");
    assert_holds(fake->output, "\r\x1b[Kvda: rw=randread"); /* gone before the result */
    fake_host_run(fake, "bench vda number_ios=10 runtime=1000");
    assert_null(strchr(fake->output, '\r'));
}

static void split_requests_are_measured_too(void **state)
{
    struct fake_host *fake = *state;

    fake->disk.device.limits.max_sectors = 8;
    fake->disk.device.limits.depth = 6;
    assert_int_equal(fake_host_run(fake, "bench vda bs=64k iodepth=4 number_ios=300 json=1"),
                     SHELL_NO_EXIT);
    assert_int_equal(number_of(fake, "ios"), 300);
    assert_int_equal(fake->disk.queue.stats.commands[VST_BLOCK_READ], (300 + 30) * 16);
}

/* A step of the clock is a microsecond here. */
static void a_pace_is_kept(void **state)
{
    static const char *const paces[] = {"rate_iops=1000", "thinktime=1000", "thinktime=1ms",
                                        "rate_iops=5000 thinktime=1ms bsrange=4k-16k"};
    struct fake_host *fake = *state;
    char line[120];

    for (size_t i = 0; i < VST_ARRAY_LENGTH(paces); i++) {
        snprintf(line, sizeof(line), "bench vda number_ios=100 iodepth=4 %s json=1", paces[i]);
        assert_int_equal(fake_host_run(fake, line), SHELL_NO_EXIT);
        assert_int_equal(number_of(fake, "ios"), 100);
        assert_int_equal(number_of(fake, "errors"), 0);
        assert_in_range(number_of(fake, "ns"), 99000000, 110000000);
        assert_in_range(number_of(fake, "kicks"), 100, 100);
    }
    assert_int_equal(fake_host_run(fake, "bench vda number_ios=100 rate_iops=100000000 json=1"),
                     SHELL_NO_EXIT);
    assert_true(number_of(fake, "ns") < 2000000);
    assert_int_equal(fake_host_run(fake, "bench vda runtime=50ms rate_iops=1000 json=1"),
                     SHELL_NO_EXIT);
    assert_in_range(number_of(fake, "ios"), 45, 55);
}

static void nonsense_is_refused(void **state)
{
    static const struct {
        const char *options, *says;
    } cases[] = {
        {"rw=sweep", "rw=sweep is none of read, write, randread, randwrite, randrw, rw, readwrite"},
        {"rw=trim", "the device knows no discard"},
        {"rate_iops=2000000000", "rate_iops= is at most 1000000000"},
        {"thinktime=x", "thinktime=x is no number of microseconds"},
        {"thinktime=2h", "thinktime= is at most 3600 seconds"},
        {"rate_iops=5 cache=64k", "cache= is without bsrange="},
        {"rw=randwrite verify=1 thinktime=5", "are without verify=1"},
        {"readwrite=x", "readwrite=x is none of read"},
        {"rw=randread rwmixread=70", "rwmixread= goes with rw=randrw"},
        {"rw=read rwmixwrite=70", "rwmixwrite= goes with rw=randrw"},
        {"rw=rw rwmixwrite=101", "rwmixwrite=101 is more than 100 per cent"},
        {"fsync=4", "fsync= and sync=1 go with an rw= that writes"},
        {"rw=read sync=1", "fsync= and sync=1 go with an rw= that writes"},
        {"blocksize=1000", "blocksize=1000 is not a multiple"},
        {"bsrange=4k", "bsrange=4k is not like 4k-64k"},
        {"bsrange=4k-", "bsrange=4k- is not like 4k-64k"},
        {"bsrange=-4k", "bsrange=-4k is not like 4k-64k"},
        {"bsrange=8k-4k", "bsrange=8k-4k ends at no multiple of where it begins"},
        {"bsrange=4k-6k", "bsrange=4k-6k ends at no multiple of where it begins"},
        {"bsrange=100-4k", "bsrange=100 is not a multiple"},
        {"bsrange=4k-128M", "is more than 64M"},
        {"bsrange=4k-8k size=4k", "an area of 4096 bytes holds no block of 8192 bytes"},
        {"size=101%", "size=101% is not 0% to 100%"},
        {"offset=x%", "offset=x% is not 0% to 100%"},
        {"runtime=2days", "runtime=2days is not a number of seconds"},
        {"runtime=100h", "runtime= is 1 to 86400 seconds"},
        {"runtime=99999999999999999999999999999999999999", "is not a number of seconds"},
        {"cache=1M rw=rw", "cache= is without bsrange="},
        {"cache=1M rw=write fsync=1", "cache= is without bsrange="},
        {"ramp_time=0", "ramp_time= is 1 to 86400 seconds"},
        {"rw=randrw rwmixread=101", "rwmixread=101 is more than 100 per cent"},
        {"bs=1000", "bs=1000 is not a multiple of the logical block of 512 bytes"},
        {"bs=0", "bs=0 is not a multiple"},
        {"bs=128M", "is more than 64M"},
        {"iodepth=0", "iodepth=0 is not between 1 and the 32 that vda takes"},
        {"iodepth=33", "iodepth=33 is not between"},
        {"number_ios=0", "leaves nothing to do"},
        {"runtime=0", "runtime= is 1 to 86400 seconds"},
        {"runtime=x", "runtime=x is not a number of seconds"},
        {"size=2k", "an area of 2048 bytes holds no block of 4096 bytes"},
        {"offset=100", "offset=100 is not a multiple"},
        {"offset=2M", "beyond the end of the device at byte 2097152"},
        {"offset=512k size=1M", "beyond the end of the device at byte 1048576"},
        {"numjobs=2", "numjobs=2, but vda has 1 queue"},
        {"numjobs=0", "numjobs=0 leaves nothing to do"},
    };
    struct fake_host *fake = *state;
    char line[100];

    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        snprintf(line, sizeof(line), "bench vda %s", cases[i].options);
        assert_int_equal(fake_host_run(fake, line), 1);
        assert_holds(fake->output, cases[i].says);
    }
    assert_int_equal(fake->disk.queue.stats.commands[VST_BLOCK_READ], 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_join_without_gaps),
        cmocka_unit_test(percentiles_are_those_of_the_values),
        cmocka_unit_test(small_histograms_are_exact),
        TEST(count_is_exact),
        TEST(json_has_the_agreed_keys),
        TEST(one_kick_serves_a_batch),
        TEST(depth_is_what_was_asked),
        TEST(warm_up_does_not_count),
        TEST(mean_is_that_of_the_latencies),
        TEST(clock_set_back_makes_nothing_faster),
        TEST(people_get_eighty_columns),
        TEST(writes_stay_in_their_area),
        TEST(mixed_reads_and_writes),
        TEST(mixed_to_the_extremes),
        TEST(mixed_directions_are_told_apart),
        TEST(flushes_come_after_so_many_writes),
        TEST(flushes_that_fail_are_errors),
        TEST(sizes_are_of_the_range),
        TEST(fio_words_mean_what_they_mean_to_fio),
        TEST(warm_up_lasts_as_long_as_it_should),
        TEST(sequential_wraps_at_the_end),
        TEST(random_reaches_every_block),
        TEST(mixed_writes_go_everywhere),
        TEST(runtime_ends_it),
        TEST(errors_are_counted_and_named),
        TEST(broken_device_ends_it),
        TEST(control_c_ends_it),
        TEST(progress_is_for_people_only),
        TEST(split_requests_are_measured_too),
        TEST(a_pace_is_kept),
        TEST(nonsense_is_refused),
    };
    return cmocka_run_group_tests_name("shell_bench", tests, NULL, NULL);
}
