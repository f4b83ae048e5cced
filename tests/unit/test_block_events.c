/* SPDX-License-Identifier: BSD-2-Clause */
/* Changes of a device in use: what its queues make of them, and the events its owner fetches. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/unit/fake_disk.h"

#define SECTORS 4096u

static struct fake_disk disk;
static struct vst_block_registry registry;

static int set_up(void **state)
{
    (void)state;
    fake_disk_init(&disk, SECTORS);
    registry = (struct vst_block_registry){0};
    vst_block_register(&registry, &disk.device, "vd");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_disk_destroy(&disk);
    return 0;
}

static void set_capacity(uint64_t sectors)
{
    disk.device.limits.n_sectors = sectors;
    vst_block_limits_changed(&disk.device);
}

/* ------------------------------------------------------------------ queues */

static bool is_inside(uint64_t start, uint64_t n, uint64_t capacity)
{
    return n <= capacity && start <= capacity - n;
}

/** Whether a plain request is let through; the fake disk has taken it then. */
static bool is_let_through(uint64_t start, uint64_t n)
{
    static char buffer[SECTORS * 512];
    struct vst_block_segment segment = {buffer, n * 512};
    struct vst_block_request request = {
        .n_segments = 1, .segments = &segment, .start_sector = start, .n_sectors = n};
    struct vst_block_request *done;
    enum vst_status status = vst_block_submit(&disk.queue, &request);

    if (status != VST_OK) {
        assert_int_equal(status, VST_ERR_RANGE);
        return false;
    }
    vst_block_kick(&disk.queue);
    while (vst_block_poll(&disk.queue, &done, 1) == 0)
        ;
    return true;
}

/** What another CPU may see while the rule changes: each field as it was or as it becomes. */
static struct vst_block_plain_rule mixture(const struct vst_block_plain_rule *old,
                                           const struct vst_block_plain_rule *new, unsigned which)
{
    return (struct vst_block_plain_rule){
        .n_sectors = (which & 1 ? new : old)->n_sectors,
        .max_sectors = {(which & 2 ? new : old)->max_sectors[VST_BLOCK_READ],
                        (which & 4 ? new : old)->max_sectors[VST_BLOCK_WRITE]},
        .block_mask = new->block_mask,
        .most_sectors = new->most_sectors,
    };
}

static void check_request(uint64_t start, uint64_t n, uint64_t from, uint64_t to, unsigned which)
{
    bool let_through = is_let_through(start, n);
    bool by_old = is_inside(start, n, from), by_new = is_inside(start, n, to);

    if (let_through != by_old && let_through != by_new)
        fail_msg("%zu sectors at %zu while %zu becomes %zu, mixture %u: %d", (size_t)n,
                 (size_t)start, (size_t)from, (size_t)to, which, let_through);
}

static void check_change(uint64_t from, uint64_t to)
{
    static const uint64_t lengths[] = {1, 7, 8, 9, 512, SECTORS};
    struct vst_block_plain_rule old = disk.queue.plain;

    set_capacity(to);
    struct vst_block_plain_rule new = disk.queue.plain;
    for (unsigned which = 0; which < 8; which++) {
        disk.queue.plain = mixture(&old, &new, which);
        for (size_t i = 0; i < VST_ARRAY_LENGTH(lengths); i++) {
            uint64_t n = lengths[i];
            uint64_t starts[] = {0, 1, from - n, from - n + 1, to - n, to - n + 1, from, to};
            for (size_t k = 0; k < VST_ARRAY_LENGTH(starts); k++)
                if (is_inside(starts[k], n, SECTORS) || starts[k] > SECTORS)
                    check_request(starts[k], n, from, to, which);
        }
    }
    disk.queue.plain = new;
}

static void test_every_mixture_of_old_and_new_is_sound(void **state)
{
    static const uint64_t capacities[] = {SECTORS, 8,   SECTORS / 2, 0, 512, 1,
                                          SECTORS, 100, SECTORS - 1, 7, 0,   SECTORS};
    (void)state;
    for (size_t i = 1; i < VST_ARRAY_LENGTH(capacities); i++)
        check_change(capacities[i - 1], capacities[i]);
}

/** The same for a device that begins small, or empty. */
static void test_every_mixture_from_a_small_beginning(void **state)
{
    static const uint64_t beginnings[] = {0, 1, 8, 100};

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(beginnings); i++) {
        disk.queue.plain = (struct vst_block_plain_rule){0};
        set_capacity(beginnings[i]);
        check_change(beginnings[i], SECTORS);
        check_change(SECTORS, beginnings[i]);
        check_change(beginnings[i], 5);
    }
}

static void test_out_of_service_wins(void **state)
{
    (void)state;
    disk.device.broken = true;
    set_capacity(SECTORS * 2);
    assert_int_equal(disk.queue.plain.max_sectors[VST_BLOCK_READ], 0);
    assert_int_equal(disk.queue.plain.max_sectors[VST_BLOCK_WRITE], 0);
}

/* ------------------------------------------------------------------ events */

static struct vst_block_event next(void)
{
    struct vst_block_event event;

    assert_true(vst_block_next_event(&registry, &event));
    assert_ptr_equal(event.device, &disk.device);
    return event;
}

static void assert_no_more(void)
{
    struct vst_block_event event;

    assert_false(vst_block_next_event(&registry, &event));
    assert_null(event.device);
}

static void test_the_beginning_is_no_event(void **state)
{
    (void)state;
    assert_no_more();
    vst_block_limits_changed(&disk.device);
    assert_no_more();
}

static void test_each_kind_in_order_of_time(void **state)
{
    (void)state;
    disk.device.broken = true;
    vst_block_limits_changed(&disk.device);
    vst_block_note(&disk.device, VST_BLOCK_EVENT_RECOVERED, 1);
    disk.device.broken = false;
    disk.device.read_only = true;
    vst_block_limits_changed(&disk.device);
    disk.device.write_cache = false;
    vst_block_limits_changed(&disk.device);
    set_capacity(SECTORS / 2);
    struct vst_block_event events[5];
    for (size_t i = 0; i < 5; i++) {
        events[i] = next();
        assert_true(i == 0 || events[i].time_ns > events[i - 1].time_ns);
    }
    assert_no_more();
    assert_int_equal(events[0].what, VST_BLOCK_EVENT_RECOVERED);
    assert_int_equal(events[0].new_value, 1);
    assert_int_equal(events[1].what, VST_BLOCK_EVENT_READ_ONLY);
    assert_int_equal(events[1].new_value, 1);
    assert_int_equal(events[2].what,
                     VST_BLOCK_EVENT_SERVICE); /* out and in again, the latter now */
    assert_int_equal(events[2].n_times, 2);
    assert_int_equal(events[2].old_value, events[2].new_value);
    assert_int_equal(events[3].what, VST_BLOCK_EVENT_WRITE_CACHE);
    assert_int_equal(events[3].old_value, 1);
    assert_int_equal(events[3].new_value, 0);
    assert_int_equal(events[4].what, VST_BLOCK_EVENT_RESIZED);
    assert_int_equal(events[4].old_value, SECTORS);
    assert_int_equal(events[4].new_value, SECTORS / 2);
}

static void test_a_million_changes_are_one_event(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 1000000; i++)
        vst_block_note(&disk.device, VST_BLOCK_EVENT_RESIZED, SECTORS + i);
    struct vst_block_event event = next();
    assert_int_equal(event.n_times, 1000000);
    assert_int_equal(event.old_value, SECTORS);
    assert_int_equal(event.new_value, SECTORS + 1000000);
    assert_no_more();
    vst_block_note(&disk.device, VST_BLOCK_EVENT_RESIZED, 1);
    event = next();
    assert_int_equal(event.n_times, 1);
    assert_int_equal(event.old_value, SECTORS + 1000000);
    assert_int_equal(event.new_value, 1);
}

static void test_events_of_two_devices(void **state)
{
    static struct fake_disk other;
    struct vst_block_event event;

    (void)state;
    fake_disk_init(&other, 8);
    vst_block_register(&registry, &other.device, "vd");
    other.fake.now_ns = disk.fake.now_ns + 1000000;
    vst_block_note(&other.device, VST_BLOCK_EVENT_RESIZED, 9);
    set_capacity(9);
    assert_int_equal(next().new_value, 9); /* the earlier, though registered first by chance only */
    assert_true(vst_block_next_event(&registry, &event));
    assert_string_equal(event.device->name, "vdb");
    vst_block_note(&other.device, VST_BLOCK_EVENT_RESIZED, 10);
    vst_block_unregister(&registry, &other.device);
    assert_no_more();
    fake_disk_destroy(&other);
}

static void test_plugging_in_order_of_time(void **state)
{
    static struct fake_disk other;
    struct vst_block_event event;

    (void)state;
    fake_disk_init(&other, 8);
    other.fake.now_ns = disk.fake.now_ns + 1000000;
    vst_block_register(&registry, &other.device, "vd");
    vst_block_note_plug(&registry, &other.device, true);
    set_capacity(9); /* earlier, by the clock */
    vst_block_note(&other.device, VST_BLOCK_EVENT_RESIZED, 9);
    assert_int_equal(next().what, VST_BLOCK_EVENT_RESIZED);
    assert_true(vst_block_next_event(&registry, &event));
    assert_int_equal(event.what, VST_BLOCK_EVENT_PLUGGED);
    assert_null(event.device);
    assert_string_equal(event.name, "vdb");
    assert_int_equal(event.old_value, 0);
    assert_int_equal(event.new_value, 8);
    assert_int_equal(event.n_times, 1);
    /* What is left of a device that is gone is that. */
    other.device.gone = true;
    assert_no_more();
    vst_block_note_plug(&registry, &other.device, false);
    vst_block_unregister(&registry, &other.device);
    fake_disk_destroy(&other);
    assert_true(vst_block_next_event(&registry, &event));
    assert_int_equal(event.what, VST_BLOCK_EVENT_UNPLUGGED);
    assert_string_equal(event.name, "vdb");
    assert_int_equal(event.old_value, 8);
    assert_int_equal(event.new_value, 0);
    assert_no_more();
}

static void test_the_last_pluggings_are_kept(void **state)
{
    struct vst_block_event event;

    (void)state;
    for (uint64_t i = 1; i <= VST_BLOCK_N_PLUGS + 5; i++) {
        disk.device.limits.n_sectors = i;
        vst_block_note_plug(&registry, &disk.device, true);
    }
    for (uint64_t i = 6; i <= VST_BLOCK_N_PLUGS + 5; i++) {
        assert_true(vst_block_next_event(&registry, &event));
        assert_int_equal(event.new_value, i);
    }
    assert_no_more();
}

static void test_devices_that_never_change(void **state)
{
    struct vst_block_device idle = {0};

    (void)state;
    assert_int_equal(vst_block_refresh(&idle), VST_OK);
    assert_int_equal(vst_block_set_write_cache(&idle, true), VST_ERR_UNSUPPORTED);
    assert_int_equal(vst_block_refresh(&disk.device), VST_OK);
    disk.device.write_cache_settable = true; /* but its driver knows no way */
    assert_int_equal(vst_block_set_write_cache(&disk.device, true), VST_ERR_UNSUPPORTED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_mixture_of_old_and_new_is_sound),
        TEST(test_every_mixture_from_a_small_beginning),
        TEST(test_out_of_service_wins),
        TEST(test_the_beginning_is_no_event),
        TEST(test_each_kind_in_order_of_time),
        TEST(test_a_million_changes_are_one_event),
        TEST(test_events_of_two_devices),
        TEST(test_plugging_in_order_of_time),
        TEST(test_the_last_pluggings_are_kept),
        TEST(test_devices_that_never_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
