/* SPDX-License-Identifier: BSD-2-Clause */
/* How long requests take: what is counted, what is not, and that it costs nothing while it is off. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <string.h>

#include "tests/unit/fake_disk.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/fake_virtio_blk.h"

#define SECTORS 2048u

static struct fake_disk disk;
static struct vst_block_latency latency;
static uint8_t buffer[64 * 512];
static struct vst_block_segment segment = {buffer, 512};

static int set_up(void **state)
{
    (void)state;
    fake_disk_init(&disk, SECTORS);
    disk.fake.ns_per_look = 0; /* the tests say when time passes */
    disk.fake.now_ns = 1000000;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_disk_destroy(&disk);
    return 0;
}

static struct vst_block_request one_sector(enum vst_block_op op, uint64_t sector)
{
    return (struct vst_block_request){.op = op,
                                      .n_segments = 1,
                                      .segments = &segment,
                                      .start_sector = sector,
                                      .n_sectors = 1,
                                      .error_sector = UINT64_MAX};
}

static void finish(unsigned n)
{
    struct vst_block_request *done[8];

    for (unsigned n_done = 0; n_done < n;) {
        size_t found = vst_block_poll(&disk.queue, done, 8);
        assert_int_not_equal(found, 0);
        n_done += (unsigned)found;
    }
}

static void submit(struct vst_block_request *request)
{
    assert_int_equal(vst_block_submit(&disk.queue, request), VST_OK);
}

static void take(struct vst_block_request *request, uint64_t ns)
{
    submit(request);
    vst_block_kick(&disk.queue);
    disk.fake.now_ns += ns;
    finish(1);
}

static struct vst_latency_summary of(enum vst_latency_kind kind)
{
    return vst_latency_summarise(&latency.kinds[kind]);
}

static uint64_t n_counted(void)
{
    uint64_t n = 0;

    for (unsigned kind = 0; kind < VST_LATENCY_N_KINDS; kind++)
        n += of((enum vst_latency_kind)kind).n;
    return n;
}

/* ------------------------------------------------------------------ buckets */

static void test_buckets_are_without_gaps_and_an_eighth_wide(void **state)
{
    (void)state;
    assert_int_equal(vst_latency_low_ns(0), 0);
    for (unsigned i = 0; i + 1 < VST_LATENCY_N_BUCKETS; i++) {
        uint64_t low = vst_latency_low_ns(i), high = vst_latency_high_ns(i);
        assert_int_equal(vst_latency_low_ns(i + 1), high + 1);
        assert_true(high - low <= low / 8);
    }
    assert_true(vst_latency_low_ns(VST_LATENCY_N_BUCKETS - 1) > 900ull * 1000000000);
}

static void test_a_time_falls_into_its_bucket(void **state)
{
    struct vst_block_request request = one_sector(VST_BLOCK_READ, 0);
    (void)state;
    for (uint64_t ns = 0; ns < 2000000000000; ns = ns * 5 / 4 + 1) {
        disk.fake.now_ns = 1000000;
        vst_block_latency_start(&disk.queue, &latency);
        take(&request, ns);
        struct vst_latency_summary read = of(VST_LATENCY_READ);
        assert_int_equal(read.n, 1);
        assert_int_equal(read.mean_ns, ns);
        assert_int_equal(read.min_ns <= ns, true);
        uint64_t end = vst_latency_high_ns(VST_LATENCY_N_BUCKETS - 1);
        assert_in_range(read.max_ns, ns < end ? ns : end, ns + ns / 8);
        vst_block_latency_stop(&disk.queue);
    }
}

static void test_percentiles(void **state)
{
    static struct vst_latency_histogram a, b;
    (void)state;
    assert_int_equal(vst_latency_summarise(&a).n, 0);
    a.buckets[3] = 500; /* 3 ns */
    a.sum_ns = 1500;
    b.buckets[7] = 499; /* 7 ns */
    b.buckets[100] = 1;
    b.sum_ns = 500;
    vst_latency_add(&a, &b);
    struct vst_latency_summary s = vst_latency_summarise(&a);
    assert_int_equal(s.n, 1000);
    assert_int_equal(s.min_ns, 3);
    assert_int_equal(s.mean_ns, 2);
    assert_int_equal(s.p50_ns, 3);
    assert_int_equal(s.p99_ns, 7);
    assert_int_equal(s.p999_ns, 7);
    assert_int_equal(s.max_ns, vst_latency_high_ns(100));
    assert_string_equal(vst_latency_kind_name(VST_LATENCY_FLUSH), "flush");
    assert_string_equal(vst_latency_kind_name(VST_LATENCY_N_KINDS), "unknown");
}

/* ------------------------------------------------------------------ what is counted */

static void test_each_kind_is_counted_apart(void **state)
{
    struct vst_block_request read = one_sector(VST_BLOCK_READ, 0);
    struct vst_block_request write = one_sector(VST_BLOCK_WRITE, 1);
    struct vst_block_request durable = one_sector(VST_BLOCK_WRITE_DURABLE, 1);
    struct vst_block_request flush = {.op = VST_BLOCK_FLUSH};
    (void)state;
    vst_block_latency_start(&disk.queue, &latency);
    assert_ptr_equal(vst_block_latency_of(&disk.queue), &latency);
    take(&read, 5);
    take(&write, 6);
    submit(&durable);
    disk.fake.now_ns += 3;
    struct vst_block_request *done;
    assert_int_equal(vst_block_poll(&disk.queue, &done, 1), 1); /* the flush behind it as well */
    take(&flush, 2);
    assert_int_equal(of(VST_LATENCY_READ).n, 1);
    assert_int_equal(of(VST_LATENCY_READ).mean_ns, 5);
    assert_int_equal(of(VST_LATENCY_WRITE).n, 2);
    assert_int_equal(of(VST_LATENCY_WRITE).min_ns, 3);
    assert_int_equal(of(VST_LATENCY_WRITE).max_ns, 6);
    assert_int_equal(of(VST_LATENCY_FLUSH).mean_ns, 2);
    assert_int_equal(of(VST_LATENCY_OTHER).n, 0);
    struct vst_block_stats before = disk.queue.stats;
    vst_block_latency_stop(&disk.queue);
    assert_null(vst_block_latency_of(&disk.queue));
    take(&read, 5);
    assert_int_equal(n_counted(), 4);
    assert_memory_equal(&before.commands, &disk.queue.stats.commands, sizeof(before.commands));
}

static void test_a_batch_begins_with_its_first_submit(void **state)
{
    struct vst_block_request reads[2] = {one_sector(VST_BLOCK_READ, 0),
                                         one_sector(VST_BLOCK_READ, 1)};
    (void)state;
    vst_block_latency_start(&disk.queue, &latency);
    submit(&reads[0]);
    disk.fake.now_ns += 2;
    submit(&reads[1]);
    vst_block_kick(&disk.queue);
    disk.fake.now_ns += 4;
    finish(2);
    assert_int_equal(latency.kinds[VST_LATENCY_READ].buckets[6], 2);
    submit(&reads[0]); /* the kick before has ended that batch, and so would a poll */
    disk.fake.now_ns += 1;
    finish(1);
    assert_int_equal(latency.kinds[VST_LATENCY_READ].buckets[1], 1);
}

static void test_a_split_request_is_one(void **state)
{
    struct vst_block_segment whole = {buffer, sizeof(buffer)};
    struct vst_block_range range = {0, 64};
    struct vst_block_request read = {
        .op = VST_BLOCK_READ, .n_segments = 1, .segments = &whole, .n_sectors = 64};
    struct vst_block_request discard = {
        .op = VST_BLOCK_DISCARD, .n_segments = 1, .ranges = &range, .n_sectors = 64};
    (void)state;
    disk.device.limits.max_sectors = 8;
    disk.device.limits.depth = 2; /* so that parts are issued by polls */
    disk.device.limits.discard =
        (struct vst_block_range_limits){.max_sectors = 8, .max_ranges = 1, .alignment_sectors = 1};
    vst_block_limits_changed(&disk.device);
    vst_block_latency_start(&disk.queue, &latency);
    for (unsigned i = 0; i < 2; i++) {
        struct vst_block_request *done;
        uint64_t start_ns = disk.fake.now_ns;
        submit(i == 0 ? &read : &discard);
        disk.fake.now_ns += 1;
        while (vst_block_poll(&disk.queue, &done, 1) == 0)
            disk.fake.now_ns += 1;
        enum vst_latency_kind kind = i == 0 ? VST_LATENCY_READ : VST_LATENCY_OTHER;
        assert_int_equal(of(kind).n, 1);
        assert_int_equal(of(kind).mean_ns, disk.fake.now_ns - start_ns);
        assert_in_range(of(kind).mean_ns, 2, 64);
    }
}

/** What fails has no time, and neither what was there before: its place may hold anything. */
static void test_what_is_not_counted(void **state)
{
    static const uint64_t left_over[] = {0, 1, SECTORS, 999999, UINT64_MAX, UINT64_MAX - 1};
    struct vst_block_request read = one_sector(VST_BLOCK_READ, 7);
    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(left_over); i++) {
        read.error_sector = left_over[i];
        submit(&read);
        vst_block_latency_start(&disk.queue, &latency);
        disk.fake.now_ns += 5;
        finish(1);
        assert_int_equal(n_counted(), 0);
        vst_block_latency_stop(&disk.queue);
    }
    disk.fake.now_ns = 3;
    vst_block_latency_start(&disk.queue, &latency);
    disk.fail_sector = 7; /* which would do for a time */
    take(&read, 10);
    assert_int_equal(read.status, VST_ERR_IO);
    assert_int_equal(read.error_sector, 7);
    assert_int_equal(n_counted(), 0);
    read.start_sector = SECTORS;
    assert_int_equal(vst_block_submit(&disk.queue, &read), VST_ERR_RANGE);
    disk.device.flush_needed = false;
    take(&(struct vst_block_request){.op = VST_BLOCK_FLUSH}, 5);
    assert_int_equal(n_counted(), 0);
}

static void test_starting_again_counts_from_zero(void **state)
{
    static struct vst_block_latency other;
    struct vst_block_request read = one_sector(VST_BLOCK_READ, 0);
    const struct vst_block_driver *plain = disk.queue.driver;
    (void)state;
    vst_block_latency_start(&disk.queue, &latency);
    take(&read, 5);
    vst_block_latency_start(&disk.queue, &latency);
    assert_int_equal(n_counted(), 0);
    take(&read, 5);
    vst_block_latency_start(&disk.queue, &other); /* another's memory instead */
    take(&read, 5);
    assert_int_equal(n_counted(), 1);
    assert_int_equal(vst_latency_summarise(&other.kinds[VST_LATENCY_READ]).n, 1);
    vst_block_latency_stop(&disk.queue);
    vst_block_latency_stop(&disk.queue);
    assert_ptr_equal(disk.queue.driver, plain);
}

/* ------------------------------------------------------------------ together with tracing */

static void read_one(struct vst_block_queue *queue, uint64_t sector)
{
    struct vst_block_request request = one_sector(VST_BLOCK_READ, sector);

    assert_int_equal(vst_block_execute(queue, &request), VST_OK);
}

static size_t n_events(const struct vst_block_queue *queue)
{
    struct vst_trace_event events[64];

    return vst_trace_read(queue, events, VST_ARRAY_LENGTH(events));
}

/** Tracing and counting are turned on and off in any order, and neither loses the other. */
static void test_tracing_goes_on_below(void **state)
{
    const struct vst_virtio_blk_config config = {.n_trace_events = 64};
    struct fake_platform fake;
    struct fake_virtio_blk blk;
    struct vst_block_device *device;
    (void)state;
    fake_platform_init(&fake, false);
    fake_virtio_blk_init(&blk, &fake, SECTORS);
    assert_int_equal(vst_virtio_blk_attach(&fake.platform, &blk.function, &config, &device),
                     VST_OK);
    struct vst_block_queue *queue = device->queues[0];
    const struct vst_block_driver *plain = queue->driver;
    for (unsigned order = 0; order < 4; order++) {
        bool trace_first = order % 2 != 0, trace_stays = order / 2 != 0;
        size_t n_before = n_events(queue);
        if (trace_first)
            assert_true(vst_trace_set(device, true));
        vst_block_latency_start(queue, &latency);
        if (!trace_first)
            assert_true(vst_trace_set(device, true));
        assert_true(vst_trace_is_on(device));
        read_one(queue, 3);
        assert_int_equal(n_events(queue), n_before + 3); /* submit, kick, complete */
        assert_int_equal(of(VST_LATENCY_READ).n, 1);
        if (!trace_stays)
            assert_true(vst_trace_set(device, false));
        read_one(queue, 4);
        assert_int_equal(n_events(queue), n_before + (trace_stays ? 6 : 3));
        assert_int_equal(of(VST_LATENCY_READ).n, 2);
        vst_block_latency_stop(queue);
        assert_int_equal(vst_trace_is_on(device), trace_stays);
        assert_true(vst_trace_set(device, false));
        assert_ptr_equal(queue->driver, plain);
        read_one(queue, 5);
        assert_int_equal(of(VST_LATENCY_READ).n, 2);
    }
    vst_virtio_blk_detach(device);
    fake_virtio_blk_destroy(&blk);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_buckets_are_without_gaps_and_an_eighth_wide),
        TEST(test_a_time_falls_into_its_bucket),
        TEST(test_percentiles),
        TEST(test_each_kind_is_counted_apart),
        TEST(test_a_batch_begins_with_its_first_submit),
        TEST(test_a_split_request_is_one),
        TEST(test_what_is_not_counted),
        TEST(test_starting_again_counts_from_zero),
        cmocka_unit_test(test_tracing_goes_on_below),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
