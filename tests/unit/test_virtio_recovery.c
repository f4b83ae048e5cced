/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtio-blk device that fails, is reset, and goes on: what was in flight is replayed. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/virtio_blk.h"
#include "tests/unit/fake_virtio_fronts.h"

#define PACKED       VIRTIO_BIT(VIRTIO_F_RING_PACKED)
#define IN_ORDER     VIRTIO_BIT(VIRTIO_F_IN_ORDER)
#define NO_INDIRECT  VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC)
#define NO_EVENT_IDX VIRTIO_BIT(VIRTIO_F_EVENT_IDX)
#define RING_RESET   VIRTIO_BIT(VIRTIO_F_RING_RESET)

#define DISK_SECTORS 4096u
#define TIMEOUT_NS   50000000u
#define N_REQUESTS   8u
#define MAX_SECTORS  64u
#define MAX_LOOKS    2000000u

/** A request with memory of its own. */
struct io {
    struct vst_block_request request;
    struct vst_block_segment segment;
    uint8_t data[MAX_SECTORS * 512];
    bool back;
};

struct fixture {
    struct fake_platform fake;
    struct fake_virtio_blk blk;
    struct fake_virtio_front front;
    struct vst_virtio_blk_config config;
    struct vst_block_device *device;
    struct vst_block_queue *queue; /* the first */
    struct io ios[2 * N_REQUESTS];
    unsigned n_back;
};

static void set_up(struct fixture *f, bool copying, enum fake_front front)
{
    memset(f, 0, sizeof(*f));
    fake_platform_init(&f->fake, copying);
    fake_virtio_blk_init(&f->blk, &f->fake, DISK_SECTORS);
    fake_virtio_front_use(&f->front, &f->blk, front);
    f->config = (struct vst_virtio_blk_config){.timeout_ns = TIMEOUT_NS, .pci = f->front.choice};
    f->blk.heals = true;
    for (size_t i = 0; i < DISK_SECTORS * 512; i++)
        f->blk.disk[i] = (uint8_t)(i * 31 + (i >> 9));
}

static void attach(struct fixture *f)
{
    enum vst_status status =
        f->front.is_mmio
            ? vst_virtio_mmio_blk_attach(&f->fake.platform, FAKE_MMIO_PHYSICAL, FAKE_MMIO_BYTES,
                                         &f->config, &f->device)
            : vst_virtio_blk_attach(&f->fake.platform, &f->blk.function, &f->config, &f->device);

    assert_int_equal(status, VST_OK);
    f->queue = f->device->queues[0];
    f->blk.n_resets = f->blk.n_queue_resets = 0;
}

/** Everything given back, no rule broken. */
static void tear_down(struct fixture *f)
{
    vst_virtio_blk_detach(f->device);
    assert_int_equal(f->fake.n_mapped, 0);
    assert_int_equal(f->fake.n_allocated, 0);
    if (f->blk.saw_misuse)
        fail_msg("the device saw: %s", f->blk.misuse);
    fake_virtio_blk_destroy(&f->blk);
}

static struct fixture storage;

#define WITH(f)                                                                                    \
    struct fixture *f = &storage;                                                                  \
    (void)state;                                                                                   \
    set_up(f, false, FAKE_MODERN)

/* ------------------------------------------------------------------ requests */

static uint8_t disk_byte(uint64_t at)
{
    return (uint8_t)(at * 31 + (at >> 9));
}

static uint8_t written_byte(unsigned number, size_t at)
{
    return (uint8_t)(number * 57 + at * 13 + 1);
}

/** Request `number`: even ones read, odd ones write; each has a place of its own on the disk. */
static enum vst_status submit_to(struct fixture *f, struct vst_block_queue *queue, unsigned number,
                                 uint64_t n_sectors)
{
    struct io *io = &f->ios[number];
    bool write = number % 2 == 1;

    io->segment = (struct vst_block_segment){io->data, n_sectors * 512};
    io->request = (struct vst_block_request){.op = write ? VST_BLOCK_WRITE : VST_BLOCK_READ,
                                             .n_segments = 1,
                                             .segments = &io->segment,
                                             .start_sector = number * MAX_SECTORS,
                                             .n_sectors = n_sectors};
    io->back = false;
    for (size_t i = 0; i < n_sectors * 512; i++)
        io->data[i] = write ? written_byte(number, i) : 0xee;
    return vst_block_submit(queue, &io->request);
}

static void submit_all(struct fixture *f, unsigned n, uint64_t n_sectors)
{
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(submit_to(f, f->queue, i, n_sectors), VST_OK);
    vst_block_kick(f->queue);
}

/** One poll; each request comes back once. */
static void poll_queue(struct fixture *f, struct vst_block_queue *queue)
{
    struct vst_block_request *done[4];
    size_t n = vst_block_poll(queue, done, 4);

    for (size_t i = 0; i < n; i++) {
        struct io *io = VST_CONTAINER_OF(done[i], struct io, request);
        assert_true(io >= f->ios && io < f->ios + 2 * N_REQUESTS);
        assert_false(io->back);
        io->back = true;
    }
    f->n_back += (unsigned)n;
}

static void take_back(struct fixture *f, unsigned n)
{
    for (unsigned looks = 0; f->n_back < n; looks++) {
        assert_true(looks < MAX_LOOKS);
        poll_queue(f, f->queue);
    }
    assert_int_equal(f->n_back, n);
}

static void check_data(const struct fixture *f, unsigned number)
{
    const struct io *io = &f->ios[number];
    size_t bytes = io->segment.bytes;
    uint64_t at = number * MAX_SECTORS * 512ull;

    for (size_t i = 0; i < bytes; i++)
        if (number % 2 == 0)
            assert_int_equal(io->data[i], disk_byte(at + i));
        else
            assert_int_equal(f->blk.disk[at + i], written_byte(number, i));
}

static void check_good(const struct fixture *f, unsigned first, unsigned n)
{
    for (unsigned i = first; i < first + n; i++) {
        assert_true(f->ios[i].back);
        assert_int_equal(f->ios[i].request.status, VST_OK);
        check_data(f, i);
    }
}

/** The device works, with all of its depth. */
static void check_at_work(struct fixture *f)
{
    f->n_back = 0;
    assert_false(f->device->broken);
    submit_all(f, N_REQUESTS, 1);
    take_back(f, N_REQUESTS);
    check_good(f, 0, N_REQUESTS);
    assert_int_equal(vst_block_flush(f->queue), VST_OK);
}

/* ------------------------------------------------------------------ each lie, each ring */

static const struct shape {
    uint64_t offered, refused;
    bool copying;
} shapes[] = {
    {0, 0, false},
    {0, NO_EVENT_IDX, false},
    {0, NO_INDIRECT, false},
    {0, 0, true},
    {0, NO_INDIRECT, true},
    {PACKED, 0, false},
    {PACKED, NO_INDIRECT, false},
    {PACKED, NO_INDIRECT, true},
    {IN_ORDER, 0, false},
    {IN_ORDER, NO_INDIRECT, true},
    {IN_ORDER | PACKED, 0, false},
};

static void set_up_shape(struct fixture *f, const struct shape *shape, enum vst_recovery recovery)
{
    set_up(f, shape->copying, FAKE_MODERN);
    f->blk.offered_features |= shape->offered | RING_RESET;
    f->config.refused_features = shape->refused;
    f->config.recovery = recovery;
    f->config.queue_size = 32;
    attach(f);
}

static void lie_once(enum fake_lie lie, const struct shape *shape, enum vst_recovery recovery)
{
    struct fixture *f = &storage;
    bool by_queue = recovery == VST_RECOVERY_QUEUE;

    set_up_shape(f, shape, recovery);
    f->blk.lie = lie;
    f->blk.lie_after = f->blk.n_requests + 3;
    f->blk.queue_reset_reads = 4;
    submit_all(f, N_REQUESTS, 2);
    take_back(f, N_REQUESTS);
    check_good(f, 0, N_REQUESTS);
    assert_int_equal(f->blk.n_resets, !by_queue);
    assert_int_equal(f->blk.n_queue_resets, by_queue);
    assert_int_equal(f->queue->stats.queue_resets, by_queue);
    assert_int_equal(f->queue->stats.device_resets, !by_queue);
    assert_in_range(f->queue->stats.replays, 1, N_REQUESTS);
    assert_int_equal(f->queue->stats.timeouts, lie == LIE_SILENCE);
    assert_non_null(strstr(f->fake.all_logs, by_queue ? "queue 0 reset" : "device reset"));
    check_at_work(f);
    tear_down(f);
}

static void check_lie(enum fake_lie lie, uint64_t only_offered, uint64_t only_refused)
{
    for (size_t i = 0; i < VST_ARRAY_LENGTH(shapes); i++) {
        if ((shapes[i].offered & only_offered) != 0 ||
            (shapes[i].refused & only_refused) != only_refused)
            continue;
        lie_once(lie, &shapes[i], VST_RECOVERY_DEVICE);
        lie_once(lie, &shapes[i], VST_RECOVERY_QUEUE);
    }
}

static void test_used_id_beyond_the_queue(void **state)
{
    (void)state;
    check_lie(LIE_USED_ID_TOO_LARGE, 0, 0);
}

static void test_used_id_not_in_flight(void **state)
{
    (void)state;
    check_lie(LIE_USED_ID_NOT_IN_FLIGHT, 0, 0);
}

static void test_used_id_inside_a_chain(void **state)
{
    (void)state;
    check_lie(LIE_USED_ID_NOT_A_HEAD, PACKED | IN_ORDER, NO_INDIRECT);
}

static void test_used_index_ahead(void **state)
{
    (void)state;
    check_lie(LIE_USED_INDEX_JUMPS, PACKED, 0);
}

static void test_silence(void **state)
{
    (void)state;
    check_lie(LIE_SILENCE, 0, 0);
}

/** The first answer may be taken for true: then what it was said of has the wrong data, if anything. */
static void test_used_id_twice(void **state)
{
    (void)state;
    for (int by_queue = 0; by_queue < 2; by_queue++) {
        struct fixture *f = &storage;
        set_up_shape(f, &shapes[0], by_queue ? VST_RECOVERY_QUEUE : VST_RECOVERY_DEVICE);
        f->blk.lie = LIE_USED_ID_TWICE;
        f->blk.lie_after = f->blk.n_requests + 3;
        submit_all(f, N_REQUESTS, 1);
        take_back(f, N_REQUESTS);
        assert_int_equal(f->blk.n_resets + f->blk.n_queue_resets, 1);
        check_at_work(f);
        tear_down(f);
    }
}

static void test_needs_reset_is_met_by_a_reset_of_the_device(void **state)
{
    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(shapes); i++) {
        struct fixture *f = &storage;
        set_up_shape(f, &shapes[i], VST_RECOVERY_QUEUE);
        f->blk.answers_nothing = true;
        submit_all(f, N_REQUESTS, 2);
        f->blk.status |= VIRTIO_STATUS_NEEDS_RESET;
        take_back(f, N_REQUESTS);
        check_good(f, 0, N_REQUESTS);
        assert_int_equal(f->blk.n_queue_resets, 0);
        assert_int_equal(f->blk.n_resets, 1);
        check_at_work(f);
        tear_down(f);
    }
}

/** Every way to reach a device; the queue alone where there is RING_RESET. */
static void test_each_transport(void **state)
{
    (void)state;
    for (int front = 0; front < FAKE_N_FRONTS; front++)
        for (int by_queue = 0; by_queue < 2; by_queue++) {
            struct fixture *f = &storage;
            set_up(f, false, (enum fake_front)front);
            bool can = !f->blk.legacy;
            f->config.recovery = by_queue ? VST_RECOVERY_QUEUE : VST_RECOVERY_DEVICE;
            if (can)
                f->blk.offered_features |= RING_RESET;
            attach(f);
            f->blk.answers_nothing = true;
            submit_all(f, N_REQUESTS, 1);
            take_back(f, N_REQUESTS);
            check_good(f, 0, N_REQUESTS);
            assert_int_equal(f->queue->stats.queue_resets, can && by_queue);
            assert_int_equal(f->queue->stats.device_resets, !(can && by_queue));
            check_at_work(f);
            tear_down(f);
        }
}

/* ------------------------------------------------------------------ late answers */

/**
 * Time-out completed without a device reset (kvm-guest-drivers-windows#965): nothing comes back, or
 * is unmapped, before the device has let go; what it still answers until then is no completion.
 */
static void test_time_out_completed_without_a_device_reset_windows_965(void **state)
{
    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(shapes); i++)
        for (int by_queue = 0; by_queue < 2; by_queue++) {
            struct fixture *f = &storage;
            set_up_shape(f, &shapes[i], by_queue ? VST_RECOVERY_QUEUE : VST_RECOVERY_DEVICE);
            f->blk.answers_nothing = true;
            f->blk.answers_during_reset = true;
            f->blk.queue_reset_reads = 3;
            submit_all(f, N_REQUESTS, 2);
            while (f->blk.n_resets + f->blk.n_queue_resets == 0) {
                assert_int_equal(f->n_back, 0);
                assert_int_equal(f->fake.n_mapped, shapes[i].copying ? N_REQUESTS : 0);
                poll_queue(f, f->queue);
            }
            take_back(f, N_REQUESTS);
            check_good(f, 0, N_REQUESTS);
            assert_int_equal(f->queue->stats.replays, N_REQUESTS);
            assert_int_equal(f->blk.n_requests, 1 + 2 * N_REQUESTS);
            f->blk.answers_during_reset = false;
            check_at_work(f);
            tear_down(f);
        }
}

/** IN_ORDER: a whole batch was given back by one used entry, and only half of it taken. */
static void test_batch_half_taken(void **state)
{
    (void)state;
    for (uint64_t extra = IN_ORDER; extra <= (IN_ORDER | PACKED); extra += PACKED) {
        const struct shape shape = {.offered = extra};
        struct fixture *f = &storage;
        set_up_shape(f, &shape, VST_RECOVERY_DEVICE);
        f->blk.in_order_batches = true;
        f->blk.heals = false;
        f->blk.answers_nothing = true;
        submit_all(f, N_REQUESTS, 1);
        fake_virtio_blk_answer_all(&f->blk);
        poll_queue(f, f->queue);
        assert_int_equal(f->n_back, 4);
        f->blk.status |= VIRTIO_STATUS_NEEDS_RESET;
        f->fake.now_ns += TIMEOUT_NS / 2;
        struct vst_block_request *none;
        for (unsigned looks = 0; f->blk.n_resets == 0;
             looks++) { /* the watch, while it takes nothing */
            assert_true(looks < MAX_LOOKS);
            assert_int_equal(vst_block_poll(f->queue, &none, 0), 0);
        }
        poll_queue(f, f->queue);
        assert_int_equal(f->n_back, 4); /* nothing of the old batch */
        f->blk.answers_nothing = false;
        fake_virtio_blk_answer_all(&f->blk);
        take_back(f, N_REQUESTS);
        check_good(f, 0, N_REQUESTS);
        assert_int_equal(f->queue->stats.replays, 4);
        check_at_work(f);
        tear_down(f);
    }
}

/* ------------------------------------------------------------------ resets that fail */

static void check_queue_reset_fails(struct fixture *f)
{
    f->blk.answers_nothing = true;
    submit_all(f, N_REQUESTS, 1);
    take_back(f, N_REQUESTS);
    check_good(f, 0, N_REQUESTS);
    assert_int_equal(f->blk.n_queue_resets, 1);
    assert_int_equal(f->blk.n_resets, 1);
    assert_int_equal(f->queue->stats.queue_resets, 0);
    assert_int_equal(f->queue->stats.replays, N_REQUESTS);
    assert_non_null(strstr(f->fake.all_logs, "can't be reset alone"));
    f->blk.queue_reset_for_ever = f->blk.ignores_queue_reset = false;
    check_at_work(f);
    tear_down(f);
}

static void test_queue_reset_that_is_not_confirmed(void **state)
{
    (void)state;
    set_up_shape(&storage, &shapes[0], VST_RECOVERY_QUEUE);
    storage.blk.queue_reset_for_ever = true;
    check_queue_reset_fails(&storage);
}

/** A device that offers RING_RESET and does nothing: its queue stays enabled. */
static void test_queue_reset_that_is_ignored(void **state)
{
    (void)state;
    set_up_shape(&storage, &shapes[0], VST_RECOVERY_QUEUE);
    storage.blk.ignores_queue_reset = true;
    check_queue_reset_fails(&storage);
}

/** So does QEMU's virtio-mmio. */
static void test_queue_reset_that_is_ignored_by_mmio(void **state)
{
    struct fixture *f = &storage;

    (void)state;
    set_up(f, false, FAKE_MMIO_2);
    f->blk.offered_features |= RING_RESET;
    f->config.recovery = VST_RECOVERY_QUEUE;
    f->blk.ignores_queue_reset = true;
    attach(f);
    f->blk.answers_nothing = true;
    submit_all(f, N_REQUESTS, 1);
    take_back(f, N_REQUESTS);
    check_good(f, 0, N_REQUESTS);
    assert_int_equal(f->queue->stats.queue_resets, 0);
    assert_int_equal(f->queue->stats.device_resets, 1);
    tear_down(f);
}

/** A queue whose doorbell is elsewhere after its reset, or that can't be enabled again. */
static void test_queue_that_does_not_start_again(void **state)
{
    for (int outside = 0; outside < 2; outside++) {
        WITH(f);
        f->config.recovery = VST_RECOVERY_DEVICE;
        attach(f);
        f->blk.answers_nothing = true;
        submit_all(f, N_REQUESTS, 1);
        f->blk.queues[0].notify_off = outside ? 0x7fff : 4;
        take_back(f, N_REQUESTS);
        for (unsigned i = 0; i < N_REQUESTS; i++)
            assert_int_equal(f->ios[i].request.status, VST_ERR_TIMEOUT);
        assert_true(f->device->broken);
        assert_non_null(strstr(f->device->broken_why, "refuses a queue"));
        assert_int_equal(f->blk.status, 0);
        tear_down(f);
    }
}

static void expect_out_of_service(struct fixture *f, enum vst_status status, const char *why)
{
    for (unsigned i = 0; i < N_REQUESTS; i++) {
        assert_true(f->ios[i].back);
        assert_int_equal(f->ios[i].request.status, status);
    }
    assert_true(f->device->broken);
    if (strstr(f->device->broken_why, why) == NULL)
        fail_msg("why: %s", f->device->broken_why);
    assert_int_equal(submit_to(f, f->queue, 0, 1), VST_ERR_BROKEN);
    assert_int_equal(vst_block_flush(f->queue), VST_ERR_BROKEN);
    assert_false(vst_block_ready(f->queue));
}

static void test_reset_that_is_not_confirmed_leaks_the_memory(void **state)
{
    struct fixture *f = &storage;

    (void)state;
    set_up_shape(f, &shapes[4], VST_RECOVERY_DEVICE); /* buffers are mapped */
    size_t before = f->fake.n_allocated;
    f->blk.answers_nothing = true;
    f->blk.pci_config[4] = 0x06;
    f->blk.reset_takes_for_ever = true;
    submit_all(f, N_REQUESTS, 1);
    take_back(f, N_REQUESTS);
    expect_out_of_service(f, VST_ERR_TIMEOUT, "can't be started again");
    assert_int_equal(f->fake.n_mapped, 0);
    assert_int_equal(f->blk.pci_config[4] & 0x04, 0); /* bus mastering is off */
    vst_virtio_blk_detach(f->device);
    /* Rings and headers are left; not so the device's own structures: blk, mappings, trace. */
    assert_int_equal(fake_platform_free_leaks(&f->fake), before - 3);
    fake_virtio_blk_destroy(&f->blk);
}

static void test_features_changed_by_the_reset(void **state)
{
    WITH(f);
    attach(f);
    f->blk.answers_nothing = true;
    submit_all(f, N_REQUESTS, 1);
    f->blk.offered_features &= ~VIRTIO_BIT(VIRTIO_F_EVENT_IDX);
    take_back(f, N_REQUESTS);
    expect_out_of_service(f, VST_ERR_TIMEOUT, "features");
    tear_down(f);
}

static void test_features_gained_by_the_reset_are_left_alone(void **state)
{
    WITH(f);
    f->blk.offered_features &= ~VIRTIO_BIT(VIRTIO_F_EVENT_IDX);
    attach(f);
    f->blk.answers_nothing = true;
    submit_all(f, N_REQUESTS, 1);
    f->blk.offered_features |= VIRTIO_BIT(VIRTIO_F_EVENT_IDX) | PACKED;
    take_back(f, N_REQUESTS);
    check_good(f, 0, N_REQUESTS);
    assert_int_equal(f->blk.driver_features & (VIRTIO_BIT(VIRTIO_F_EVENT_IDX) | PACKED), 0);
    tear_down(f);
}

static void test_features_refused_after_the_reset(void **state)
{
    WITH(f);
    attach(f);
    f->blk.answers_nothing = true;
    submit_all(f, N_REQUESTS, 1);
    f->blk.refuses_features_ok = true;
    take_back(f, N_REQUESTS);
    expect_out_of_service(f, VST_ERR_TIMEOUT, "can't be started again");
    tear_down(f);
}

static void test_capacity_changed_by_the_reset(void **state)
{
    static const uint32_t capacities[] = {DISK_SECTORS + 100, N_REQUESTS * MAX_SECTORS};

    for (size_t i = 0; i < VST_ARRAY_LENGTH(capacities); i++) {
        WITH(f);
        attach(f);
        f->blk.answers_nothing = true;
        submit_all(f, N_REQUESTS, 1);
        fake_virtio_blk_set_config32(&f->blk, VIRTIO_BLK_CONFIG_CAPACITY, capacities[i]);
        take_back(f, N_REQUESTS);
        check_good(f, 0, N_REQUESTS);
        assert_int_equal(f->device->limits.n_sectors, capacities[i]);
        f->ios[0].request.start_sector = capacities[i];
        assert_int_equal(vst_block_submit(f->queue, &f->ios[0].request), VST_ERR_RANGE);
        check_at_work(f);
        tear_down(f);
    }
}

static void test_configuration_changed_by_the_reset(void **state)
{
    static const struct {
        unsigned offset;
        uint32_t value;
    } changes[] = {
        {VIRTIO_BLK_CONFIG_BLK_SIZE, 4096},
        {VIRTIO_BLK_CONFIG_SEG_MAX, 3},
        {VIRTIO_BLK_CONFIG_CAPACITY + 4, ~0u},
    };

    for (size_t i = 0; i < VST_ARRAY_LENGTH(changes); i++) {
        WITH(f);
        attach(f);
        f->blk.answers_nothing = true;
        submit_all(f, N_REQUESTS, 1);
        fake_virtio_blk_set_config32(&f->blk, changes[i].offset, changes[i].value);
        take_back(f, N_REQUESTS);
        expect_out_of_service(f, VST_ERR_TIMEOUT, "configuration");
        tear_down(f);
    }
}

/** The owner learns of it; a cache that was switched off stays off. */
static void test_reset_is_an_event_and_the_cache_mode_survives(void **state)
{
    struct vst_block_registry registry = {0};
    struct vst_block_event event;

    for (int on = 0; on < 2; on++) {
        WITH(f);
        f->blk.offered_features |= VIRTIO_BIT(VIRTIO_BLK_F_CONFIG_WCE);
        f->blk.config[VIRTIO_BLK_CONFIG_WRITEBACK] = 1;
        attach(f);
        registry = (struct vst_block_registry){0};
        vst_block_register(&registry, f->device, "vd");
        assert_int_equal(vst_block_set_write_cache(f->device, on), VST_OK);
        while (vst_block_next_event(&registry, &event))
            ;
        f->blk.answers_nothing = true;
        f->blk.config[VIRTIO_BLK_CONFIG_WRITEBACK] = 1; /* what the reset makes of it */
        submit_all(f, N_REQUESTS, 1);
        take_back(f, N_REQUESTS);
        check_good(f, 0, N_REQUESTS);
        assert_int_equal(f->blk.config[VIRTIO_BLK_CONFIG_WRITEBACK], on);
        assert_int_equal(f->device->write_cache, on);
        assert_true(vst_block_next_event(&registry, &event));
        assert_int_equal(event.what, VST_BLOCK_EVENT_RECOVERED);
        assert_int_equal(event.new_value, 1);
        assert_false(vst_block_next_event(&registry, &event));
        tear_down(f);
    }
}

/* ------------------------------------------------------------------ bounds */

/** A command that kills the device each time is replayed twice; its neighbours live. */
static void test_poison_command_ends(void **state)
{
    (void)state;
    for (int by_queue = 0; by_queue < 2; by_queue++)
        for (size_t i = 0; i < VST_ARRAY_LENGTH(shapes); i++) {
            struct fixture *f = &storage;
            set_up_shape(f, &shapes[i], by_queue ? VST_RECOVERY_QUEUE : VST_RECOVERY_DEVICE);
            f->blk.poison_sector = MAX_SECTORS * (N_REQUESTS - 1);
            submit_all(f, N_REQUESTS, 1);
            take_back(f, N_REQUESTS);
            check_good(f, 0, N_REQUESTS - 1);
            assert_int_equal(f->ios[N_REQUESTS - 1].request.status, VST_ERR_TIMEOUT);
            assert_int_equal(f->ios[N_REQUESTS - 1].request.error_sector, f->blk.poison_sector);
            assert_int_equal(f->queue->stats.timeouts, 3);
            assert_int_equal(f->queue->stats.queue_resets + f->queue->stats.device_resets, 3);
            f->blk.poison_sector = UINT64_MAX;
            check_at_work(f);
            tear_down(f);
        }
}

static void test_poison_by_a_lie_ends_as_broken(void **state)
{
    WITH(f);
    attach(f);
    f->blk.heals = false;
    f->blk.lie = LIE_USED_ID_TOO_LARGE;
    submit_all(f, 1, 1);
    take_back(f, 1);
    assert_int_equal(f->ios[0].request.status, VST_ERR_BROKEN);
    assert_int_equal(f->queue->stats.replays, 2);
    assert_false(f->device->broken);
    f->blk.lie = LIE_NONE;
    check_at_work(f);
    tear_down(f);
}

/** What answered once may be tried for ever; what never answers is given up. */
static void test_three_recoveries_without_an_answer_are_enough(void **state)
{
    WITH(f);
    attach(f);
    f->blk.heals = false;
    f->blk.answers_nothing = true;
    submit_all(f, N_REQUESTS, 1);
    take_back(f, N_REQUESTS);
    for (unsigned i = 0; i < N_REQUESTS; i++)
        assert_int_equal(f->ios[i].request.status, VST_ERR_TIMEOUT);
    assert_false(f->device->broken);
    assert_int_equal(f->queue->stats.device_resets, 3);
    f->n_back = 0;
    submit_all(f, N_REQUESTS, 1);
    take_back(f, N_REQUESTS);
    assert_int_equal(f->queue->stats.device_resets, 3);
    expect_out_of_service(f, VST_ERR_TIMEOUT, "not answered in time");
    tear_down(f);
}

static void test_an_answer_between_recoveries_starts_the_count_anew(void **state)
{
    WITH(f);
    attach(f);
    for (unsigned round = 0; round < 10; round++) {
        f->n_back = 0;
        f->blk.answers_nothing = true;
        submit_all(f, N_REQUESTS, 1);
        take_back(f, N_REQUESTS);
        check_good(f, 0, N_REQUESTS);
    }
    assert_int_equal(f->queue->stats.device_resets, 10);
    check_at_work(f);
    tear_down(f);
}

/** The second attempt is a reset of the device: one of the queue has brought nothing. */
static void test_queue_reset_without_effect_is_followed_by_one_of_the_device(void **state)
{
    struct fixture *f = &storage;

    (void)state;
    set_up_shape(f, &shapes[0], VST_RECOVERY_QUEUE);
    f->blk.heals = false;
    f->blk.answers_nothing = true;
    submit_all(f, N_REQUESTS, 1);
    while (f->blk.n_resets == 0)
        poll_queue(f, f->queue);
    f->blk.answers_nothing = false;
    fake_virtio_blk_work(&f->blk);
    fake_virtio_blk_answer_all(&f->blk);
    take_back(f, N_REQUESTS);
    check_good(f, 0, N_REQUESTS);
    assert_int_equal(f->queue->stats.queue_resets, 1);
    assert_int_equal(f->queue->stats.device_resets, 1);
    assert_int_equal(f->queue->stats.replays, 2 * N_REQUESTS);
    tear_down(f);
}

static void test_what_must_not_be_replayed_ends(void **state)
{
    (void)state;
    for (int split = 0; split < 2; split++) {
        struct fixture *f = &storage;
        set_up(f, split, FAKE_MODERN);
        f->config.never_replayed = 1u << VST_BLOCK_WRITE;
        attach(f);
        if (split) {
            f->device->limits.max_sectors = 3;
            vst_block_limits_changed(f->device);
        }
        f->blk.answers_nothing = true;
        for (unsigned i = 0; i < 2; i++) /* a split request waits for room, and others for it */
            assert_int_equal(submit_to(f, f->queue, i, split ? 40 : 1), VST_OK);
        vst_block_kick(f->queue);
        take_back(f, 2);
        assert_int_equal(f->ios[0].request.status, VST_OK);
        check_data(f, 0);
        assert_int_equal(f->ios[1].request.status, VST_ERR_RESET);
        assert_int_equal(f->ios[1].request.error_sector, MAX_SECTORS);
        tear_down(f);
    }
}

static void test_map_that_fails_in_the_replay_ends_the_request(void **state)
{
    struct fixture *f = &storage;

    (void)state;
    set_up_shape(f, &shapes[3], VST_RECOVERY_DEVICE);
    f->blk.answers_nothing = true;
    submit_all(f, N_REQUESTS, 1);
    f->fake.fail_map_after = 3;
    take_back(f, N_REQUESTS);
    unsigned n_failed = 0;
    for (unsigned i = 0; i < N_REQUESTS; i++)
        n_failed += f->ios[i].request.status == VST_ERR_NO_MEMORY;
    assert_int_equal(n_failed, N_REQUESTS - 3);
    f->fake.fail_map_after = SIZE_MAX;
    check_at_work(f);
    tear_down(f);
}

/** The pool that buffers are copied to is full, for a while or for ever: "full" is no answer to what is in flight. */
static void test_replay_waits_for_room_to_map(void **state)
{
    static const struct {
        bool room_again, asks_for_reset;
        enum vst_status status;
    } turns[] = {
        {true, false, VST_OK}, {false, false, VST_ERR_TIMEOUT}, {false, true, VST_ERR_BROKEN}};
    struct fixture *f = &storage;

    (void)state;
    for (size_t turn = 0; turn < VST_ARRAY_LENGTH(turns); turn++) {
        set_up_shape(f, &shapes[3], VST_RECOVERY_DEVICE);
        f->blk.answers_nothing = true;
        submit_all(f, N_REQUESTS, 1);
        f->fake.fail_map_status = VST_ERR_FULL;
        f->fake.fail_map_after = 3;
        take_back(f, 3);
        vst_block_rest(f->queue); /* which must not take it for idle */
        poll_queue(f, f->queue);
        assert_int_equal(f->n_back, 3);
        if (turns[turn].room_again)
            f->fake.fail_map_after = SIZE_MAX;
        if (turns[turn].asks_for_reset) {
            f->blk.refuses_features_ok = true;
            f->blk.status |= VIRTIO_STATUS_NEEDS_RESET;
        }
        take_back(f, N_REQUESTS);
        unsigned n_as_expected = 0;
        for (unsigned i = 0; i < N_REQUESTS; i++)
            n_as_expected += f->ios[i].request.status == turns[turn].status;
        assert_int_equal(n_as_expected, turns[turn].room_again ? N_REQUESTS : N_REQUESTS - 3);
        f->fake.fail_map_after = SIZE_MAX;
        if (!turns[turn].asks_for_reset)
            check_at_work(f);
        f->fake.fail_map_status = VST_ERR_NO_MEMORY;
        tear_down(f);
    }
}

/* ------------------------------------------------------------------ split requests */

static void attach_splitting(struct fixture *f, const struct shape *shape,
                             enum vst_recovery recovery, uint16_t queue_size)
{
    set_up(f, shape->copying, FAKE_MODERN);
    f->blk.offered_features |= shape->offered | RING_RESET;
    f->config.refused_features = shape->refused;
    f->config.recovery = recovery;
    f->config.queue_size = queue_size;
    attach(f);
    f->device->limits.max_sectors = 3;
    vst_block_limits_changed(f->device);
}

/** Wholly issued, and more parts than there is room for. */
static void test_split_request_starts_over(void **state)
{
    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(shapes); i++)
        for (int large = 0; large < 2; large++)
            for (int by_queue = 0; by_queue < 2; by_queue++) {
                struct fixture *f = &storage;
                attach_splitting(f, &shapes[i], by_queue ? VST_RECOVERY_QUEUE : VST_RECOVERY_DEVICE,
                                 large ? 8 : 128);
                for (unsigned number = 0; number < 2; number++) {
                    f->n_back = 0;
                    f->blk.answers_nothing = true;
                    assert_int_equal(submit_to(f, f->queue, number, MAX_SECTORS), VST_OK);
                    vst_block_kick(f->queue);
                    take_back(f, 1);
                    check_good(f, number, 1);
                }
                assert_int_equal(f->queue->stats.replays, 2);
                f->n_back = 0;
                assert_int_equal(submit_to(f, f->queue, 0, MAX_SECTORS), VST_OK);
                vst_block_kick(f->queue);
                take_back(f, 1);
                check_good(f, 0, 1);
                tear_down(f);
            }
}

static void test_split_request_beside_plain_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(shapes); i++) {
        struct fixture *f = &storage;
        attach_splitting(f, &shapes[i], VST_RECOVERY_DEVICE, 64);
        f->blk.answers_nothing = true;
        for (unsigned number = 0; number < 4; number++)
            assert_int_equal(submit_to(f, f->queue, number, number == 2 ? 30 : 3), VST_OK);
        vst_block_kick(f->queue);
        take_back(f, 4);
        check_good(f, 0, 4);
        assert_int_equal(f->queue->stats.replays, 4);
        tear_down(f);
    }
}

/** A part had failed before: the request ends with that, and is not begun anew. */
static void test_split_request_with_a_failed_part_ends(void **state)
{
    struct fixture *f = &storage;

    (void)state;
    for (int large = 0; large < 2; large++) {
        attach_splitting(f, &shapes[0], VST_RECOVERY_DEVICE, large ? 8 : 128);
        f->blk.answers_nothing = true;
        f->blk.fail_sector = 4;
        assert_int_equal(submit_to(f, f->queue, 0, MAX_SECTORS), VST_OK);
        vst_block_kick(f->queue);
        fake_virtio_blk_work(&f->blk);
        f->blk.queues[0].n_held = 2; /* only the first two parts are answered */
        fake_virtio_blk_answer_all(&f->blk);
        take_back(f, 1);
        assert_int_equal(f->ios[0].request.status, VST_ERR_IO);
        assert_int_equal(f->ios[0].request.error_sector, 3);
        assert_int_equal(f->queue->stats.replays, 0);
        f->blk.fail_sector = UINT64_MAX;
        check_at_work(f);
        tear_down(f);
    }
}

static void test_split_poison_ends(void **state)
{
    struct fixture *f = &storage;

    (void)state;
    for (int large = 0; large < 2; large++) {
        attach_splitting(f, &shapes[large ? 4 : 0], VST_RECOVERY_DEVICE, large ? 32 : 128);
        f->blk.poison_sector = 40;
        assert_int_equal(submit_to(f, f->queue, 0, MAX_SECTORS), VST_OK);
        vst_block_kick(f->queue);
        take_back(f, 1);
        assert_int_equal(f->ios[0].request.status, VST_ERR_TIMEOUT);
        assert_int_equal(f->queue->stats.replays, 2);
        f->blk.poison_sector = UINT64_MAX;
        check_at_work(f);
        tear_down(f);
    }
}

/* ------------------------------------------------------------------ the other operations */

static void attach_for_operations(struct fixture *f, const struct shape *shape)
{
    set_up(f, shape->copying, FAKE_MODERN);
    f->blk.offered_features |=
        shape->offered | VIRTIO_BIT(VIRTIO_BLK_F_WRITE_ZEROES) | VIRTIO_BIT(VIRTIO_BLK_F_LIFETIME);
    f->config.refused_features = shape->refused;
    f->config.queue_size = 32;
    fake_virtio_blk_set_config32(&f->blk, VIRTIO_BLK_CONFIG_MAX_ZEROES_SECTORS, 5);
    fake_virtio_blk_set_config32(&f->blk, VIRTIO_BLK_CONFIG_MAX_ZEROES_SEG, 2);
    attach(f);
}

/** What was written is written and flushed anew, whichever of the two was under way. */
static void test_durable_write_is_written_and_flushed_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(shapes); i++)
        for (int flushing = 0; flushing < 2; flushing++) {
            struct fixture *f = &storage;
            attach_for_operations(f, &shapes[i]);
            f->blk.answers_nothing = true;
            struct io *io = &f->ios[1];
            memset(io->data, 0x77, sizeof(io->data));
            io->segment = (struct vst_block_segment){io->data, 1024};
            io->request = (struct vst_block_request){.op = VST_BLOCK_WRITE_DURABLE,
                                                     .n_segments = 1,
                                                     .segments = &io->segment,
                                                     .start_sector = 7,
                                                     .n_sectors = 2};
            assert_int_equal(vst_block_submit(f->queue, &io->request), VST_OK);
            vst_block_kick(f->queue);
            if (flushing) {
                fake_virtio_blk_answer_all(&f->blk);
                poll_queue(f, f->queue);
                assert_int_equal(f->blk.n_flushes, 1);
            }
            memset(f->blk.disk + 7 * 512, 0, 1024); /* the reset finds it not yet written */
            take_back(f, 1);
            assert_int_equal(io->request.status, VST_OK);
            assert_memory_equal(f->blk.disk + 7 * 512, io->data, 1024);
            assert_int_equal(f->blk.n_flushes, 1 + flushing);
            assert_int_equal(f->queue->stats.replays, 1);
            check_at_work(f);
            tear_down(f);
        }
}

static void test_ranges_are_zeroed_again(void **state)
{
    static const struct vst_block_range ranges[] = {{3, 12}, {40, 1}, {50, 30}};
    static const uint8_t zeroes[512];

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(shapes); i++) {
        struct fixture *f = &storage;
        attach_for_operations(f, &shapes[i]);
        f->blk.answers_nothing = true;
        struct io *io = &f->ios[0];
        io->request = (struct vst_block_request){
            .op = VST_BLOCK_WRITE_ZEROES, .n_segments = 3, .ranges = ranges, .n_sectors = 43};
        assert_int_equal(vst_block_submit(f->queue, &io->request), VST_OK);
        vst_block_kick(f->queue);
        memset(f->blk.disk, 0xdd, 100 * 512); /* the reset finds nothing of it done */
        take_back(f, 1);
        assert_int_equal(io->request.status, VST_OK);
        for (uint64_t sector = 0; sector < 100; sector++) {
            bool inside = false;
            for (size_t k = 0; k < VST_ARRAY_LENGTH(ranges); k++)
                inside |= sector - ranges[k].start_sector < ranges[k].n_sectors;
            assert_int_equal(memcmp(f->blk.disk + sector * 512, zeroes, 512) == 0, inside);
        }
        assert_int_equal(f->queue->stats.replays, 1);
        tear_down(f);
    }
}

/** Their length is no number of sectors. */
static void test_flush_and_lifetime_are_replayed(void **state)
{
    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(shapes); i++) {
        struct fixture *f = &storage;
        attach_for_operations(f, &shapes[i]);
        f->blk.answers_nothing = true;
        f->ios[0].segment = (struct vst_block_segment){f->ios[0].data, 6};
        f->ios[0].request = (struct vst_block_request){
            .op = VST_BLOCK_LIFETIME, .n_segments = 1, .segments = &f->ios[0].segment};
        f->ios[1].request = (struct vst_block_request){.op = VST_BLOCK_FLUSH};
        for (unsigned k = 0; k < 2; k++)
            assert_int_equal(vst_block_submit(f->queue, &f->ios[k].request), VST_OK);
        vst_block_kick(f->queue);
        memset(f->ios[0].data, 0, 6);
        take_back(f, 2);
        for (unsigned k = 0; k < 2; k++)
            assert_int_equal(f->ios[k].request.status, VST_OK);
        for (size_t b = 0; b < 6; b++)
            assert_int_equal(f->ios[0].data[b], 0x5a);
        assert_int_equal(f->queue->stats.replays, 2);
        tear_down(f);
    }
}

/* ------------------------------------------------------------------ rest */

static void test_queue_rests_and_wakes(void **state)
{
    struct fixture *f = &storage;

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(shapes); i++) {
        set_up_shape(f, &shapes[i], VST_RECOVERY_DEVICE);
        const struct blk_queue *q = VST_CONTAINER_OF(f->queue, struct blk_queue, base);
        for (unsigned round = 0; round < 5; round++) {
            assert_int_equal(q->run.state, VIRTIO_RUN_RESTING);
            vst_block_kick(f->queue);
            poll_queue(f, f->queue);
            assert_false(vst_block_ready(f->queue));
            assert_true(vst_block_arm(f->queue)); /* nothing would come */
            vst_block_disarm(f->queue);
            check_at_work(f); /* ends with vst_block_execute, which lets go */
            vst_block_rest(f->queue);
            assert_int_equal(submit_to(f, f->queue, 0, 1), VST_OK);
            vst_block_rest(f->queue); /* not while something is in flight */
            assert_int_equal(q->run.state, VIRTIO_RUN_ACTIVE);
            vst_block_kick(f->queue);
            f->n_back = 0;
            take_back(f, 1);
            assert_int_equal(q->run.state, VIRTIO_RUN_ACTIVE);
            poll_queue(f, f->queue); /* finds nothing */
        }
        tear_down(f);
    }
}

/* ------------------------------------------------------------------ several queues */

static void set_up_two(struct fixture *f, uint64_t extra)
{
    set_up(f, false, FAKE_MODERN);
    fake_virtio_blk_offer_queues(&f->blk, 2, 32);
    f->blk.offered_features |= extra;
    f->config.n_queues = 2;
    f->config.recovery = VST_RECOVERY_QUEUE;
    attach(f);
    assert_int_equal(f->device->n_queues, 2);
}

static void submit_to_both(struct fixture *f)
{
    for (unsigned i = 0; i < N_REQUESTS; i++)
        assert_int_equal(submit_to(f, f->device->queues[i / 4 % 2], i, 2), VST_OK);
    vst_block_kick(f->device->queues[0]);
    vst_block_kick(f->device->queues[1]);
}

/** Both CPUs poll in every order there is, the fault being found by either of them. */
static void test_two_owners_in_every_order(void **state)
{
    enum { N_STEPS = 7 };
    struct fixture *f = &storage;

    (void)state;
    for (unsigned order = 0; order < 1u << N_STEPS; order++)
        for (uint64_t extra = 0; extra <= PACKED; extra += PACKED) {
            set_up_two(f, extra);
            f->blk.answers_nothing = true;
            submit_to_both(f);
            f->blk.status |= VIRTIO_STATUS_NEEDS_RESET;
            f->fake.now_ns += TIMEOUT_NS / 2;
            for (unsigned step = 0; step < N_STEPS; step++)
                poll_queue(f, f->device->queues[order >> step & 1]);
            for (unsigned looks = 0; f->n_back < N_REQUESTS; looks++) {
                assert_true(looks < MAX_LOOKS);
                poll_queue(f, f->device->queues[looks % 2]);
            }
            check_good(f, 0, N_REQUESTS);
            assert_int_equal(f->blk.n_resets, 1);
            assert_int_equal(f->device->queues[0]->stats.replays +
                                 f->device->queues[1]->stats.replays,
                             N_REQUESTS);
            check_at_work(f);
            tear_down(f);
        }
}

/** A queue at rest need not be polled; its owner finds the new ring when he comes back. */
static void test_resting_queue_does_not_hold_up_the_reset(void **state)
{
    struct fixture *f = &storage;

    (void)state;
    for (uint64_t extra = 0; extra <= PACKED; extra += PACKED) {
        set_up_two(f, extra);
        /* Some work first, so that its indices are not those of a new ring. */
        f->queue = f->device->queues[1];
        check_at_work(f);
        f->queue = f->device->queues[0];
        f->n_back = 0;
        f->blk.answers_nothing = true;
        submit_all(f, 3, 1);
        f->blk.status |= VIRTIO_STATUS_NEEDS_RESET;
        take_back(f, 3);
        check_good(f, 0, 3);
        assert_int_equal(f->blk.n_resets, 1);
        f->queue = f->device->queues[1];
        check_at_work(f);
        tear_down(f);
    }
}

/** As if the device had given back what nobody gave it, behind its only answer. */
static void lie_behind_the_first_answer(struct vst_block_queue *queue)
{
    struct blk_queue *q = VST_CONTAINER_OF(queue, struct blk_queue, base);
    uint32_t id_flags = (uint32_t)(VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED) << 16;

    memcpy(&q->vq.ring[1].rest.dev.id_flags, &id_flags, sizeof(id_flags));
}

/** One poll brings the last answer and a lie behind it; then the queue is rested and left alone. */
static void test_queue_rested_behind_a_lie_does_not_hold_up_the_reset(void **state)
{
    struct fixture *f = &storage;
    struct vst_block_queue *other;

    (void)state;
    set_up_two(f, PACKED);
    other = f->device->queues[1];
    assert_int_equal(submit_to(f, other, 0, 1), VST_OK);
    vst_block_kick(other);
    lie_behind_the_first_answer(other);
    poll_queue(f, other);
    assert_int_equal(f->n_back, 1);
    vst_block_rest(other);
    f->blk.answers_nothing = true;
    for (unsigned i = 1; i < 4; i++)
        assert_int_equal(submit_to(f, f->queue, i, 1), VST_OK);
    vst_block_kick(f->queue);
    f->blk.status |= VIRTIO_STATUS_NEEDS_RESET;
    f->fake.ns_per_look = 100000;
    take_back(f, 4);
    assert_false(f->device->broken);
    check_good(f, 0, 4);
    f->queue = other;
    check_at_work(f);
    tear_down(f);
}

/** Only one queue is silent: the other goes on undisturbed. */
static void test_queue_reset_leaves_the_other_queue_alone(void **state)
{
    struct fixture *f = &storage;

    (void)state;
    for (uint64_t extra = RING_RESET; extra <= (RING_RESET | PACKED); extra += PACKED) {
        set_up_two(f, extra);
        f->blk.queues[0].answers_nothing = true;
        submit_to_both(f);
        while (f->queue->stats.queue_resets == 0) {
            poll_queue(f, f->device->queues[0]);
            poll_queue(f, f->device->queues[1]);
        }
        assert_int_equal(f->n_back, N_REQUESTS / 2);
        f->blk.queues[0].answers_nothing = false;
        fake_virtio_blk_work(&f->blk);
        fake_virtio_blk_answer_all(&f->blk);
        take_back(f, N_REQUESTS);
        check_good(f, 0, N_REQUESTS);
        assert_int_equal(f->blk.n_resets, 0);
        assert_int_equal(f->device->queues[1]->stats.replays, 0);
        tear_down(f);
    }
}

/** Between fault and reset: nothing is accepted, nobody sleeps, the blocking calls wait. */
static void test_while_a_reset_waits_for_another_queue(void **state)
{
    struct fixture *f = &storage;
    struct vst_block_queue *first, *other;

    (void)state;
    set_up(f, false, FAKE_MODERN);
    fake_virtio_blk_offer_queues(&f->blk, 2, 32);
    f->blk.offered_features |= PACKED;
    f->blk.function.interrupt_pin = 1;
    f->config.n_queues = 2;
    f->config.irq.mode = VST_IRQ_INTX;
    attach(f);
    first = f->device->queues[0];
    other = f->device->queues[1];
    f->blk.answers_nothing = true;
    submit_to_both(f);
    f->blk.status |= VIRTIO_STATUS_NEEDS_RESET;
    f->fake.now_ns += TIMEOUT_NS / 2;
    poll_queue(f, first);
    assert_true(f->blk.status != 0 && f->blk.n_resets == 0); /* it waits for the other */
    assert_int_equal(submit_to(f, first, N_REQUESTS, 1), VST_ERR_FULL);
    assert_true(vst_block_ready(first));
    uint32_t asked;
    memcpy(&asked, (void *)(uintptr_t)f->blk.queues[0].avail, 4);
    assert_true(vst_block_arm(first));
    assert_memory_equal((void *)(uintptr_t)f->blk.queues[0].avail, &asked,
                        4); /* not its ring now */
    vst_block_disarm(first);
    assert_memory_equal((void *)(uintptr_t)f->blk.queues[0].avail, &asked, 4);
    assert_true(vst_block_arm(other)); /* who sleeps now would be waited for */
    vst_block_disarm(other);
    poll_queue(f, other);
    assert_int_equal(f->blk.n_resets, 1);
    for (unsigned looks = 0; f->n_back < N_REQUESTS; looks++) {
        assert_true(looks < MAX_LOOKS);
        poll_queue(f, looks % 2 == 0 ? first : other);
    }
    check_good(f, 0, N_REQUESTS);
    tear_down(f);
}

static void test_owner_that_does_not_poll_is_not_waited_for_for_ever(void **state)
{
    struct fixture *f = &storage;

    (void)state;
    set_up_two(f, 0);
    f->blk.answers_nothing = true;
    f->fake.ns_per_look = 100000;
    submit_to_both(f);
    f->blk.status |= VIRTIO_STATUS_NEEDS_RESET;
    uint64_t from_ns = f->fake.now_ns;
    take_back(f, N_REQUESTS / 2);
    assert_true(f->fake.now_ns - from_ns < 10000000000ull);
    assert_true(f->device->broken);
    assert_int_equal(f->blk.status, 0); /* reset before anything came back */
    assert_non_null(strstr(f->device->broken_why, "does not poll"));
    for (unsigned i = 0; i < 4; i++)
        poll_queue(f, f->device->queues[1]);
    assert_int_equal(f->n_back, N_REQUESTS);
    for (unsigned i = 0; i < N_REQUESTS; i++)
        assert_int_equal(f->ios[i].request.status, VST_ERR_BROKEN);
    assert_int_equal(submit_to(f, f->device->queues[1], 0, 1), VST_ERR_BROKEN);
    tear_down(f);
}

/** Each owner has a fault of its own at the same time. */
static void test_both_queues_lie(void **state)
{
    struct fixture *f = &storage;

    (void)state;
    for (uint64_t extra = 0; extra <= RING_RESET; extra += RING_RESET) {
        set_up_two(f, extra);
        f->blk.lie = LIE_USED_ID_TOO_LARGE;
        f->blk.lie_after = f->blk.n_requests;
        submit_to_both(f);
        for (unsigned looks = 0; f->n_back < N_REQUESTS; looks++) {
            assert_true(looks < MAX_LOOKS);
            poll_queue(f, f->device->queues[looks % 2]);
        }
        check_good(f, 0, N_REQUESTS);
        assert_int_equal(f->device->queues[0]->stats.queue_resets, extra != 0);
        check_at_work(f);
        tear_down(f);
    }
}

/** Vectors are forgotten by a reset, and given again. */
static void test_messages_come_after_a_reset(void **state)
{
    static const struct vst_irq_message messages[] = {{0xfee00000, 0x41}, {0xfee01000, 0x52}};
    struct fixture *f = &storage;

    (void)state;
    for (int by_queue = 0; by_queue < 2; by_queue++) {
        set_up(f, false, FAKE_MODERN);
        fake_virtio_blk_offer_queues(&f->blk, 2, 32);
        fake_virtio_blk_add_msix(&f->blk, 2);
        f->blk.offered_features |= RING_RESET;
        f->config.n_queues = 2;
        f->config.recovery = by_queue ? VST_RECOVERY_QUEUE : VST_RECOVERY_DEVICE;
        f->config.irq = (struct vst_irq_config){VST_IRQ_MSIX, false, 2, messages};
        attach(f);
        assert_string_equal(f->device->irq_mode, "msix");
        f->queue = f->device->queues[1];
        f->blk.answers_nothing = true;
        submit_all(f, 3, 1);
        take_back(f, 3);
        check_good(f, 0, 3);
        f->blk.answers_nothing = true;
        assert_int_equal(submit_to(f, f->queue, 4, 1), VST_OK);
        vst_block_kick(f->queue);
        assert_false(vst_block_arm(f->queue));
        unsigned before = f->blk.queues[1].n_interrupts;
        assert_int_equal(f->blk.queues[1].vector, 1);
        assert_int_equal(f->blk.config_vector, f->device->change_message);
        fake_virtio_blk_answer_all(&f->blk);
        assert_int_equal(f->blk.queues[1].n_interrupts, before + 1);
        assert_true(vst_block_awaited(f->queue));
        vst_block_disarm(f->queue);
        take_back(f, 4);
        assert_null(f->blk.msix.misuse);
        tear_down(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_used_id_beyond_the_queue),
        cmocka_unit_test(test_used_id_not_in_flight),
        cmocka_unit_test(test_used_id_inside_a_chain),
        cmocka_unit_test(test_used_index_ahead),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_used_id_twice),
        cmocka_unit_test(test_needs_reset_is_met_by_a_reset_of_the_device),
        cmocka_unit_test(test_each_transport),
        cmocka_unit_test(test_time_out_completed_without_a_device_reset_windows_965),
        cmocka_unit_test(test_batch_half_taken),
        cmocka_unit_test(test_queue_reset_that_is_not_confirmed),
        cmocka_unit_test(test_queue_reset_that_is_ignored),
        cmocka_unit_test(test_queue_reset_that_is_ignored_by_mmio),
        cmocka_unit_test(test_queue_that_does_not_start_again),
        cmocka_unit_test(test_reset_that_is_not_confirmed_leaks_the_memory),
        cmocka_unit_test(test_features_changed_by_the_reset),
        cmocka_unit_test(test_features_gained_by_the_reset_are_left_alone),
        cmocka_unit_test(test_features_refused_after_the_reset),
        cmocka_unit_test(test_capacity_changed_by_the_reset),
        cmocka_unit_test(test_configuration_changed_by_the_reset),
        cmocka_unit_test(test_reset_is_an_event_and_the_cache_mode_survives),
        cmocka_unit_test(test_poison_command_ends),
        cmocka_unit_test(test_poison_by_a_lie_ends_as_broken),
        cmocka_unit_test(test_three_recoveries_without_an_answer_are_enough),
        cmocka_unit_test(test_an_answer_between_recoveries_starts_the_count_anew),
        cmocka_unit_test(test_queue_reset_without_effect_is_followed_by_one_of_the_device),
        cmocka_unit_test(test_what_must_not_be_replayed_ends),
        cmocka_unit_test(test_map_that_fails_in_the_replay_ends_the_request),
        cmocka_unit_test(test_replay_waits_for_room_to_map),
        cmocka_unit_test(test_split_request_starts_over),
        cmocka_unit_test(test_split_request_beside_plain_ones),
        cmocka_unit_test(test_split_request_with_a_failed_part_ends),
        cmocka_unit_test(test_split_poison_ends),
        cmocka_unit_test(test_durable_write_is_written_and_flushed_again),
        cmocka_unit_test(test_ranges_are_zeroed_again),
        cmocka_unit_test(test_flush_and_lifetime_are_replayed),
        cmocka_unit_test(test_queue_rests_and_wakes),
        cmocka_unit_test(test_two_owners_in_every_order),
        cmocka_unit_test(test_resting_queue_does_not_hold_up_the_reset),
        cmocka_unit_test(test_queue_rested_behind_a_lie_does_not_hold_up_the_reset),
        cmocka_unit_test(test_queue_reset_leaves_the_other_queue_alone),
        cmocka_unit_test(test_while_a_reset_waits_for_another_queue),
        cmocka_unit_test(test_owner_that_does_not_poll_is_not_waited_for_for_ever),
        cmocka_unit_test(test_both_queues_lie),
        cmocka_unit_test(test_messages_come_after_a_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
