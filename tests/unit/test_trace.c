/* SPDX-License-Identifier: BSD-2-Clause */
/* The events that a queue remembers: the ring of them, their text, and what virtio-blk records. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_disk.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/fake_virtio_blk.h"

#define SLOTS   8u
#define SECTORS 2048u

static struct fake_disk disk;

static int set_up_disk(void **state)
{
    (void)state;
    fake_disk_init(&disk, SECTORS);
    disk.queue.trace = calloc(1, vst_trace_bytes(SLOTS));
    disk.queue.trace->n_slots = SLOTS;
    return 0;
}

static int tear_down_disk(void **state)
{
    (void)state;
    free(disk.queue.trace);
    fake_disk_destroy(&disk);
    return 0;
}

static void add_numbered(uint32_t from, uint32_t n)
{
    for (uint32_t i = from; i < from + n; i++)
        vst_trace_add(&disk.queue, (struct vst_trace_event){.kind = VST_TRACE_KICK, .count = i});
}

static void test_events_come_back_oldest_first(void **state)
{
    struct vst_trace_event events[SLOTS];
    (void)state;
    assert_int_equal(vst_trace_read(&disk.queue, events, SLOTS), 0);
    add_numbered(0, 3);
    assert_int_equal(vst_trace_read(&disk.queue, events, SLOTS), 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(events[i].count, i);
        assert_int_equal(events[i].kind, VST_TRACE_KICK);
        assert_true(i == 0 || events[i].time_ns > events[i - 1].time_ns);
    }
    assert_int_equal(vst_trace_read(&disk.queue, events, 2), 2);
    assert_int_equal(events[0].count, 1);
    assert_int_equal(vst_trace_read(&disk.queue, events, 0), 0);
}

static void test_old_events_make_room(void **state)
{
    struct vst_trace_event events[2 * SLOTS];
    (void)state;
    add_numbered(0, 5 * SLOTS + 3);
    /* One slot is always taken for half written. */
    assert_int_equal(vst_trace_read(&disk.queue, events, 2 * SLOTS), SLOTS - 1);
    assert_int_equal(events[SLOTS - 2].count, 5 * SLOTS + 2);
    assert_int_equal(events[0].count, 4 * SLOTS + 4);
}

static void test_the_count_of_events_may_wrap(void **state)
{
    struct vst_trace_event events[SLOTS];
    (void)state;
    disk.queue.trace->n_recorded = UINT32_MAX - 1;
    add_numbered(0, 4);
    assert_int_equal(disk.queue.trace->n_recorded, 2);
    /* What stands before the wrap is not told from what never was. */
    assert_int_equal(vst_trace_read(&disk.queue, events, SLOTS), 2);
    assert_int_equal(events[0].count, 2);
    assert_int_equal(events[1].count, 3);
}

static void test_no_trace_no_events(void **state)
{
    struct vst_trace_event event;
    struct vst_trace *kept = disk.queue.trace;
    (void)state;
    disk.queue.trace = NULL;
    add_numbered(0, 1);
    assert_int_equal(vst_trace_read(&disk.queue, &event, 1), 0);
    assert_false(vst_trace_set(&disk.device, true));
    assert_false(vst_trace_is_on(&disk.device));
    disk.queue.trace = kept;
    assert_false(vst_trace_set(&disk.device, true)); /* this driver has no table for it */
}

static void test_every_kind_has_its_text(void **state)
{
    static const struct {
        struct vst_trace_event event;
        const char *text;
    } cases[] = {
        {{.kind = VST_TRACE_SUBMIT, .detail = VST_BLOCK_WRITE, .id = 5, .count = 8, .sector = 2048},
         "submit write id 5, 8 sectors at 2048"},
        {{.kind = VST_TRACE_KICK, .count = 3}, "kick for 3"},
        {{.kind = VST_TRACE_KICK_SAVED, .count = 3}, "kick saved for 3"},
        {{.kind = VST_TRACE_COMPLETE, .detail = 1, .id = 7, .sector = 9},
         "complete id 7, status 1, at 9"},
        {{.kind = VST_TRACE_ARM, .count = 2}, "arm for completion 2"},
        {{.kind = VST_TRACE_RESCUE, .count = 1}, "rescue, 1 in flight"},
        {{.kind = VST_TRACE_TIMEOUT, .count = 1}, "time-out, 1 in flight"},
        {{.kind = VST_TRACE_BROKEN, .count = 4}, "broken, 4 in flight"},
        {{.kind = VST_TRACE_QUEUE_RESET, .count = 4}, "queue reset, 4 in flight"},
        {{.kind = VST_TRACE_RESET, .count = 0}, "device reset, 0 in flight"},
        {{.kind = VST_TRACE_RESTART}, "restart"},
        {{.kind = VST_TRACE_REPLAY, .detail = VST_BLOCK_READ, .sector = 16}, "replay read at 16"},
        {{.kind = VST_TRACE_CONFIG, .sector = 4096}, "configuration, 4096 sectors"},
        {{.kind = VST_TRACE_N_KINDS}, "unknown, 0 in flight"},
    };
    char text[80];
    (void)state;
    assert_int_equal(VST_ARRAY_LENGTH(cases), VST_TRACE_N_KINDS + 1);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        vst_trace_text(&cases[i].event, text, sizeof(text));
        assert_string_equal(text, cases[i].text);
    }
}

/* ------------------------------------------------------------------ virtio-blk */

struct fixture {
    struct fake_platform fake;
    struct fake_virtio_blk blk;
    struct vst_block_device *device;
    struct vst_block_queue *queue;
};

static void attach(struct fixture *f, struct vst_virtio_blk_config config)
{
    fake_platform_init(&f->fake, false);
    fake_virtio_blk_init(&f->blk, &f->fake, SECTORS);
    assert_int_equal(
        vst_virtio_blk_attach(&f->fake.platform, &f->blk.function, &config, &f->device), VST_OK);
    f->queue = f->device->queues[0];
}

static void detach(struct fixture *f)
{
    vst_virtio_blk_detach(f->device);
    assert_int_equal(f->fake.n_allocated, 0);
    fake_virtio_blk_destroy(&f->blk);
}

static enum vst_status read_sector(struct fixture *f, uint64_t sector)
{
    static uint8_t buffer[512];
    struct vst_block_segment segment = {buffer, sizeof(buffer)};
    struct vst_block_request request = {.op = VST_BLOCK_READ,
                                        .n_segments = 1,
                                        .segments = &segment,
                                        .start_sector = sector,
                                        .n_sectors = 1};

    return vst_block_execute(f->queue, &request);
}

static void expect_request(const struct vst_trace_event *events, uint64_t sector, uint8_t answer)
{
    assert_int_equal(events[0].kind, VST_TRACE_SUBMIT);
    assert_int_equal(events[0].detail, VST_BLOCK_READ);
    assert_int_equal(events[0].sector, sector);
    assert_int_equal(events[0].count, 1);
    assert_int_equal(events[1].kind, VST_TRACE_KICK);
    assert_int_equal(events[1].count, 1);
    assert_int_equal(events[2].kind, VST_TRACE_COMPLETE);
    assert_int_equal(events[2].id, events[0].id);
    assert_int_equal(events[2].sector, sector);
    assert_int_equal(events[2].detail, answer);
}

static void test_requests_are_recorded_while_it_is_on(void **state)
{
    struct fixture f;
    struct vst_trace_event events[32];
    (void)state;
    attach(&f, (struct vst_virtio_blk_config){0});
    size_t before = vst_trace_read(f.queue, events, 32);
    assert_int_equal(read_sector(&f, 1), VST_OK);
    assert_int_equal(vst_trace_read(f.queue, events, 32), before);
    assert_true(vst_trace_set(f.device, true));
    assert_true(vst_trace_set(f.device, true)); /* twice is once */
    assert_true(vst_trace_is_on(f.device));
    assert_int_equal(read_sector(&f, 2), VST_OK);
    f.blk.fail_sector = 3;
    assert_int_equal(read_sector(&f, 3), VST_ERR_IO);
    assert_int_equal(vst_trace_read(f.queue, events, 32), before + 6);
    expect_request(events + before, 2, 0);
    expect_request(events + before + 3, 3, 1);
    assert_true(vst_trace_set(f.device, false));
    assert_false(vst_trace_is_on(f.device));
    assert_int_equal(read_sector(&f, 4), VST_OK);
    assert_int_equal(vst_trace_read(f.queue, events, 32), before + 6);
    detach(&f);
}

int main(void)
{
    static const struct CMUnitTest ring[] = {
        cmocka_unit_test_setup_teardown(test_events_come_back_oldest_first, set_up_disk,
                                        tear_down_disk),
        cmocka_unit_test_setup_teardown(test_old_events_make_room, set_up_disk, tear_down_disk),
        cmocka_unit_test_setup_teardown(test_the_count_of_events_may_wrap, set_up_disk,
                                        tear_down_disk),
        cmocka_unit_test_setup_teardown(test_no_trace_no_events, set_up_disk, tear_down_disk),
        cmocka_unit_test(test_every_kind_has_its_text),
    };
    static const struct CMUnitTest blk[] = {
        cmocka_unit_test(test_requests_are_recorded_while_it_is_on),
    };

    return cmocka_run_group_tests_name("the ring of events", ring, NULL, NULL) +
           cmocka_run_group_tests_name("events of virtio-blk", blk, NULL, NULL);
}
