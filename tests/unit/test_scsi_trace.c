/* SPDX-License-Identifier: BSD-2-Clause */
/* The events of a SCSI adapter's rings, and what is counted for its units. */
#include "tests/unit/scsi_fixture.h"

#include <vstor/scsi_units.h>
#include <vstor/trace.h>

#define N_EVENTS 64u

static struct vst_block_device *attach_disk(struct fixture *f, uint8_t target)
{
    struct vst_scsi_lun lun = {.n_levels = 1};
    struct vst_block_device *device;

    if (f->hba == NULL) {
        f->config.n_trace_events = N_EVENTS;
        assert_int_equal(attach(f), VST_OK);
    }
    assert_int_equal(vst_scsi_disk_attach(f->hba, target, &lun, &device), VST_OK);
    return device;
}

static uint8_t data[8][64 * 512];
static struct vst_block_segment segments[8];

static struct vst_block_request request_of(unsigned i, enum vst_block_op op, uint64_t sector,
                                           uint64_t n)
{
    segments[i] = (struct vst_block_segment){data[i], n * 512};
    return (struct vst_block_request){.op = op,
                                      .n_segments = 1,
                                      .segments = &segments[i],
                                      .start_sector = sector,
                                      .n_sectors = n};
}

static enum vst_status transfer(struct vst_block_queue *queue, enum vst_block_op op,
                                uint64_t sector, uint64_t n)
{
    struct vst_block_request request = request_of(0, op, sector, n);

    return vst_block_execute(queue, &request);
}

/** The first event of a kind from *at on, behind which *at then is. */
static struct vst_trace_event next(const struct vst_block_queue *queue, unsigned kind, size_t *at)
{
    struct vst_trace_event events[N_EVENTS];
    size_t n = vst_trace_read(queue, events, N_EVENTS);

    for (; *at < n; ++*at)
        if (events[*at].kind == kind)
            return events[(*at)++];
    fail_msg("no event '%s'", vst_trace_kind_name(kind));
    return events[0];
}

static size_t n_events(const struct vst_block_queue *queue)
{
    struct vst_trace_event events[N_EVENTS];

    return vst_trace_read(queue, events, N_EVENTS);
}

/** Prepared slots and chains by hand; recorded from on to off, and nothing besides. */
static void test_requests_are_recorded_while_it_is_on(void **state)
{
    static struct fixture *f = &storage;

    (void)state;
    for (size_t k = 0; k < VST_ARRAY_LENGTH(ring_kinds); k++) {
        set_up_as(f, &ring_kinds[k], FAKE_MODERN);
        fake_virtio_blk_set_config32(&f->scsi.device, 8, 8); /* max_sectors */
        fake_virtio_scsi_add(&f->scsi, 0, 0);
        struct vst_block_device *device = attach_disk(f, 0);
        struct vst_block_queue *queue = device->queues[0];
        size_t at = 0;
        assert_int_equal(transfer(queue, VST_BLOCK_READ, 1, 1), VST_OK);
        assert_int_equal(n_events(queue), 0);
        assert_true(vst_trace_set(device, true));
        assert_true(vst_trace_set(device, true)); /* twice is once */
        assert_true(vst_trace_is_on(device));
        assert_int_equal(transfer(queue, VST_BLOCK_WRITE, 7, 3), VST_OK);
        assert_int_equal(n_events(queue), 3);
        struct vst_trace_event submit = next(queue, VST_TRACE_SUBMIT, &at);
        assert_true(submit.sector == 7 && submit.count == 3 && submit.detail == VST_BLOCK_WRITE);
        assert_int_equal(next(queue, VST_TRACE_KICK, &at).count, 1);
        struct vst_trace_event end = next(queue, VST_TRACE_COMPLETE, &at);
        assert_true(end.sector == 7 && end.id == submit.id && end.detail == 0);
        assert_int_equal(transfer(queue, VST_BLOCK_READ, 16, 16), VST_OK); /* two parts */
        assert_int_equal(next(queue, VST_TRACE_SUBMIT, &at).sector, 16);
        assert_int_equal(next(queue, VST_TRACE_SUBMIT, &at).sector, 24);
        assert_int_equal(next(queue, VST_TRACE_COMPLETE, &at).sector, 16);
        assert_int_equal(next(queue, VST_TRACE_COMPLETE, &at).sector, 24);
        assert_true(vst_trace_set(device, false));
        size_t n = n_events(queue);
        assert_int_equal(transfer(queue, VST_BLOCK_READ, 1, 1), VST_OK);
        assert_int_equal(n_events(queue), n);
        vst_scsi_disk_detach(device);
        tear_down(f);
    }
}

/** The status byte is the event's; what is given again is told. */
static void test_answers_that_are_not_good(void **state)
{
    size_t at = 0;
    WITH(f);
    struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
    struct vst_block_device *device = attach_disk(f, 0);
    struct vst_block_queue *queue = device->queues[0];
    assert_true(vst_trace_set(device, true));
    unit->attention = true;
    assert_int_equal(transfer(queue, VST_BLOCK_READ, 40, 8), VST_OK);
    assert_int_equal(next(queue, VST_TRACE_COMPLETE, &at).detail, VST_SCSI_CHECK_CONDITION);
    struct vst_trace_event again = next(queue, VST_TRACE_REPLAY, &at);
    assert_true(again.sector == 40 && again.detail == VST_BLOCK_READ);
    assert_int_equal(next(queue, VST_TRACE_COMPLETE, &at).detail, VST_SCSI_GOOD);
    vst_scsi_disk_detach(device);
    tear_down(f);
}

/** What one unit's queue takes back for another one is recorded, if that is traced. */
static void test_the_events_of_units_that_share_a_ring(void **state)
{
    static struct fixture *f = &storage;

    (void)state;
    for (size_t k = 0; k < 2; k++) { /* split, packed */
        struct vst_block_request requests[4], *done[4];
        struct vst_block_queue *queues[2];
        size_t at = 0;
        set_up_as(f, &ring_kinds[k], FAKE_MODERN);
        for (uint8_t i = 0; i < 2; i++)
            fake_virtio_scsi_add(&f->scsi, i, 0);
        for (uint8_t i = 0; i < 2; i++)
            queues[i] = attach_disk(f, i)->queues[0];
        for (unsigned i = 0; i < 2; i++) /* prepares the slots that are used below */
            assert_int_equal(transfer(queues[i], VST_BLOCK_READ, 1, 1), VST_OK);
        assert_true(vst_trace_set(queues[1]->device, true));
        for (unsigned i = 0; i < 4; i++) {
            requests[i] = request_of(i, VST_BLOCK_READ, 10 + i, 1);
            assert_int_equal(vst_block_submit(queues[i % 2], &requests[i]), VST_OK);
        }
        vst_block_kick(queues[1]);
        assert_int_equal(vst_block_poll(queues[0], done, 4), 2); /* not traced, but sees them */
        assert_int_equal(next(queues[1], VST_TRACE_SUBMIT, &at).sector, 11);
        assert_int_equal(next(queues[1], VST_TRACE_SUBMIT, &at).sector, 13);
        assert_int_equal(next(queues[1], VST_TRACE_COMPLETE, &at).sector, 11);
        assert_int_equal(next(queues[1], VST_TRACE_COMPLETE, &at).sector, 13);
        assert_int_equal(vst_block_poll(queues[1], done, 4), 2);
        size_t n = 0;
        for (size_t i = 0; i < 2; i++) /* both have the ring's */
            n += n_events(queues[i]);
        assert_int_equal(n, 2 * 5);
        for (unsigned i = 0; i < 2; i++)
            vst_scsi_disk_detach(queues[i]->device);
        tear_down(f);
    }
}

/** What is rare is always recorded, and counted for the unit that waited. */
static void test_rescue_and_reset(void **state)
{
    static struct fixture *f = &storage;
    size_t at = 0;

    (void)state;
    set_up_as(f, &ring_kinds[4],
              FAKE_MODERN); /* without event index: nobody knows whether it saw */
    f->fake.ns_per_look = 10000;
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    struct vst_block_device *device = attach_disk(f, 0);
    struct vst_block_queue *queue = device->queues[0];
    f->scsi.device.answers_nothing = true; /* until the reset */
    assert_int_equal(transfer(queue, VST_BLOCK_READ, 9, 1), VST_OK);
    assert_int_equal(f->scsi.device.n_resets, 1);
    assert_int_equal(next(queue, VST_TRACE_RESCUE, &at).count, 1);
    assert_int_equal(next(queue, VST_TRACE_TIMEOUT, &at).count, 1);
    next(queue, VST_TRACE_RESTART, &at);
    assert_int_equal(next(queue, VST_TRACE_REPLAY, &at).sector, 9);
    at = 0;
    next(queue, VST_TRACE_RESET, &at);
    assert_true(queue->stats.rescues > 0);
    assert_int_equal(queue->stats.device_resets, 1);
    assert_int_equal(queue->stats.timeouts, 1);
    assert_int_equal(queue->stats.replays, 1);
    vst_scsi_disk_detach(device);
    tear_down(f);
}

static size_t allocated_bytes(const struct fixture *f)
{
    size_t bytes = 0;

    for (size_t i = 0; i < f->fake.n_allocated; i++)
        bytes += f->fake.allocated_bytes[i];
    return bytes;
}

static void test_memory_is_told(void **state)
{
    struct vst_scsi_lun lun = {.n_levels = 1};
    struct vst_block_device *device;
    WITH(f);
    fake_virtio_scsi_offer_queues(&f->scsi, 2, 64);
    f->config.n_queues = 2;
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(allocated_bytes(f), f->hba->memory_bytes);
    assert_true(f->hba->memory_bytes > 2 * f->hba->queue_memory_bytes);
    assert_int_equal(vst_scsi_disk_attach(f->hba, 0, &lun, &device), VST_OK);
    size_t both = f->hba->memory_bytes + device->memory_bytes;
    assert_true(device->memory_bytes > 2 * device->queue_memory_bytes);
    assert_in_range(allocated_bytes(f), both, both + 1536); /* the unit itself */
    assert_in_range(device->memory_bytes, 1, 2048 + 2 * 2048 + device->limits.logical_block_bytes);
    vst_scsi_disk_detach(device);
    tear_down(f);
}

/** What vst_virtio_scsi_memory_bytes says is enough, and not much more. */
static void test_memory_is_bounded(void **state)
{
    static const struct vst_virtio_scsi_config configs[] = {
        {0},
        {.queue_size = 32, .max_segments = 4, .max_sense_bytes = 18},
        {.queue_size = 256, .max_segments = 100, .n_queues = 4, .max_sense_bytes = 252},
        {.queue_size = 64, .n_queues = 2, .n_trace_events = 256},
    };
    struct fake_platform mapping;

    fake_platform_init(&mapping, true);
    for (size_t i = 0; i < 2 * VST_ARRAY_LENGTH(configs); i++) {
        bool maps = i % 2 != 0;
        WITH(f);
        f->config = configs[i / 2];
        fake_virtio_scsi_offer_queues(&f->scsi, 4, 256);
        if (maps) {
            f->fake.platform.dma_map = mapping.platform.dma_map;
            f->fake.platform.dma_unmap = mapping.platform.dma_unmap;
            f->fake.confined = true;
        }
        assert_int_equal(attach(f), VST_OK);
        size_t most = vst_virtio_scsi_memory_bytes(&f->config, maps);
        assert_in_range(f->hba->memory_bytes, 1, most);
        assert_in_range(most, 1, f->hba->memory_bytes + f->hba->memory_bytes / 8);
        tear_down(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_are_recorded_while_it_is_on),
        cmocka_unit_test(test_answers_that_are_not_good),
        cmocka_unit_test(test_the_events_of_units_that_share_a_ring),
        cmocka_unit_test(test_rescue_and_reset),
        cmocka_unit_test(test_memory_is_told),
        cmocka_unit_test(test_memory_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
