/* SPDX-License-Identifier: BSD-2-Clause */
/* Several queues, and how each of them interrupts: MSI-X, the line, or not at all. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/virtio_blk.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/fake_virtio_fronts.h"

#define DISK_SECTORS 4096u
#define N_QUEUES     4u
#define PACKED       VIRTIO_BIT(VIRTIO_F_RING_PACKED)
#define NO_INDIRECT  VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC)
#define NO_EVENT_IDX VIRTIO_BIT(VIRTIO_F_EVENT_IDX)

/* What the caller hands to the driver: an address and number of its own for each message. */
static const struct vst_irq_message messages[] = {{0xfee00000, 0x41}, {0xfee01000, 0x52},
                                                  {0xfee02000, 0x63}, {0xfee03000, 0x74},
                                                  {0xfee04000, 0x85}, {0xfee05000, 0x96}};

struct fixture {
    struct fake_platform fake;
    struct fake_virtio_blk blk;
    struct fake_virtio_front front;
    struct vst_virtio_blk_config config;
    struct vst_block_device *device;
};

/** A device of four queues; the driver wants all of them, and polls. */
static void set_up(struct fixture *f, enum fake_front front)
{
    fake_platform_init(&f->fake, false);
    fake_virtio_blk_init(&f->blk, &f->fake, DISK_SECTORS);
    fake_virtio_front_use(&f->front, &f->blk, front);
    fake_virtio_blk_offer_queues(&f->blk, N_QUEUES, 64);
    f->config = (struct vst_virtio_blk_config){
        .timeout_ns = 50000000, .pci = f->front.choice, .n_queues = N_QUEUES};
    f->device = NULL;
    for (size_t i = 0; i < DISK_SECTORS * 512; i++)
        f->blk.disk[i] = (uint8_t)(i * 31 + (i >> 9));
}

static void want_msix(struct fixture *f, uint16_t n_messages, bool intx_instead)
{
    f->config.irq = (struct vst_irq_config){VST_IRQ_MSIX, intx_instead, n_messages, messages};
    f->blk.function.interrupt_pin = 1;
}

static enum vst_status attach(struct fixture *f)
{
    if (f->front.is_mmio)
        return vst_virtio_mmio_blk_attach(&f->fake.platform, FAKE_MMIO_PHYSICAL, FAKE_MMIO_BYTES,
                                          &f->config, &f->device);
    return vst_virtio_blk_attach(&f->fake.platform, &f->blk.function, &f->config, &f->device);
}

static void detach(struct fixture *f)
{
    if (f->device != NULL)
        vst_virtio_blk_detach(f->device);
    f->device = NULL;
}

static void tear_down(struct fixture *f)
{
    detach(f);
    assert_int_equal(f->fake.n_allocated, 0);
    if (f->blk.saw_misuse)
        fail_msg("the device saw: %s", f->blk.misuse);
    if (f->blk.msix.misuse != NULL)
        fail_msg("the device saw: %s", f->blk.msix.misuse);
    assert_false(fake_msix_enabled(&f->blk.msix)); /* nothing is left on */
    fake_virtio_blk_destroy(&f->blk);
}

#define WITH(f, front)                                                                             \
    struct fixture f##_storage, *f = &f##_storage;                                                 \
    (void)state;                                                                                   \
    set_up(f, front)

/* One read in flight on each queue, at most. */
static struct vst_block_request requests[N_QUEUES];
static struct vst_block_segment segments[N_QUEUES];
static uint8_t buffers[N_QUEUES][512];

static void submit(struct fixture *f, unsigned queue, uint64_t sector)
{
    memset(buffers[queue], 0xaa, 512);
    segments[queue] = (struct vst_block_segment){buffers[queue], 512};
    requests[queue] = (struct vst_block_request){.op = VST_BLOCK_READ,
                                                 .n_segments = 1,
                                                 .segments = &segments[queue],
                                                 .start_sector = sector,
                                                 .n_sectors = 1};
    assert_int_equal(vst_block_submit(f->device->queues[queue], &requests[queue]), VST_OK);
    vst_block_kick(f->device->queues[queue]);
}

/** The queue's own request, with its data, and nothing else. */
static void take(struct fixture *f, unsigned queue)
{
    struct vst_block_request *done[4];

    assert_int_equal(vst_block_poll(f->device->queues[queue], done, 4), 1);
    assert_ptr_equal(done[0], &requests[queue]);
    assert_int_equal(requests[queue].status, VST_OK);
    assert_memory_equal(buffers[queue], f->blk.disk + requests[queue].start_sector * 512, 512);
}

static void read_on_every_queue(struct fixture *f)
{
    for (unsigned i = 0; i < f->device->n_queues; i++) {
        submit(f, i, 100 + i);
        if (f->blk.answers_nothing)
            fake_virtio_blk_answer_queue(&f->blk.queues[i]);
        take(f, i);
    }
}

/* ------------------------------------------------------------------ how many queues */

static void check_n_queues(struct fixture *f, unsigned expected)
{
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->device->n_queues, expected);
    for (unsigned i = 0; i < expected && i < N_QUEUES; i++)
        assert_true(f->blk.queues[i].enabled);
    assert_false(f->blk.queues[expected].enabled);
    if (expected <= N_QUEUES)
        read_on_every_queue(f);
    tear_down(f);
}

static void test_num_queues_0_65535_and_more_than_there_are(void **state)
{
    static const struct {
        uint16_t num_queues, n_there, expected;
    } cases[] = {{0, 4, 1},     {1, 4, 1},     {2, 4, 2}, {4, 4, 4},
                 {65535, 4, 4}, {65535, 1, 1}, {4, 2, 2}, {3, 3, 3}};

    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        WITH(f, FAKE_MODERN);
        fake_virtio_blk_offer_queues(&f->blk, cases[i].n_there, 64);
        memcpy(f->blk.config + VIRTIO_BLK_CONFIG_NUM_QUEUES, &cases[i].num_queues, 2);
        check_n_queues(f, cases[i].expected);
    }
}

static void test_queues_wanted_beyond_what_a_device_is_driven_with(void **state)
{
    WITH(f, FAKE_MODERN);
    fake_virtio_blk_offer_queues(&f->blk, FAKE_BLK_MAX_QUEUES, 4);
    f->config.n_queues = UINT16_MAX;
    check_n_queues(f, VST_VIRTIO_BLK_MAX_QUEUES);
}

static void test_num_queues_is_read_only_with_its_feature(void **state)
{
    for (unsigned i = 0; i < 3; i++) {
        WITH(f, FAKE_MODERN);
        if (i == 0)
            f->blk.offered_features &= ~VIRTIO_BIT(VIRTIO_BLK_F_MQ);
        if (i == 1)
            f->config.refused_features = VIRTIO_BIT(VIRTIO_BLK_F_MQ);
        if (i == 2)
            f->config.n_queues = 0; /* the default: one, and MQ is not asked for */
        assert_int_equal(attach(f), VST_OK);
        assert_false(f->blk.driver_features & VIRTIO_BIT(VIRTIO_BLK_F_MQ));
        detach(f);
        check_n_queues(f, 1);
    }
}

static void test_second_queue_smaller_or_absent(void **state)
{
    static const struct {
        uint16_t second;
        enum fake_front front;
        unsigned expected;
    } cases[] = {
        {0, FAKE_MODERN, 1},  {32, FAKE_MODERN, 1},  {1, FAKE_MODERN, 1},
        {63, FAKE_MODERN, 1}, {100, FAKE_MODERN, 4}, /* used as one of 64 */
        {0, FAKE_LEGACY, 1},  {32, FAKE_LEGACY, 1},  {128, FAKE_LEGACY, 1},
        {0, FAKE_MMIO_1, 1},  {16, FAKE_MMIO_2, 1},  {0xffff, FAKE_MODERN, 1},
    };

    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        WITH(f, cases[i].front);
        fake_virtio_blk_offer_queue(&f->blk, 1, cases[i].second);
        f->config.queue_size = 64;
        check_n_queues(f, cases[i].expected);
    }
}

/** A window in configuration space is one for all queues: whoever rings would have to own it. */
static void test_behind_the_window_there_is_one_queue(void **state)
{
    WITH(f, FAKE_WINDOW);
    check_n_queues(f, 1);
}

/* ------------------------------------------------------------------ how large a queue */

static void test_queue_sizes_from_0_to_beyond_the_largest(void **state)
{
    static const struct {
        uint16_t offered, asked;
        uint64_t extra;
        enum vst_status status;
        uint16_t used;
    } cases[] = {
        {0, 0, 0, VST_ERR_NOT_FOUND, 0},
        /* Head, data and status need three descriptors, or a table as long: 2.7.5.3.1. */
        {1, 0, 0, VST_ERR_MALFORMED, 0},
        {2, 0, 0, VST_ERR_MALFORMED, 0},
        {3, 0, 0, VST_ERR_MALFORMED, 0}, /* split: 2 */
        {1, 0, PACKED, VST_ERR_MALFORMED, 0},
        {2, 0, PACKED, VST_ERR_MALFORMED, 0},
        {3, 0, PACKED, VST_OK, 3},
        {4, 0, 0, VST_OK, 4},
        {5, 0, PACKED, VST_OK, 5},
        {256, 1, 0, VST_OK, 4},
        {256, 2, PACKED, VST_OK, 4},
        {256, 65535, 0, VST_OK, 256},
        {1000, 1000, 0, VST_OK, 512},
        {1000, 1000, PACKED, VST_OK, 1000},
        {32768, 32768, 0, VST_OK, 32768},
        {32768, 65535, PACKED, VST_OK, 32768},
        {32768, 0, 0, VST_OK, 128},
        {32769, 0, PACKED, VST_ERR_MALFORMED, 0},
        {65535, 0, 0, VST_ERR_MALFORMED, 0},
    };

    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        WITH(f, FAKE_MODERN);
        fake_virtio_blk_offer_queue(&f->blk, 0, cases[i].offered);
        f->blk.offered_features |= cases[i].extra;
        f->config.queue_size = cases[i].asked;
        f->config.n_queues = 1;
        f->config.max_segments = 4;
        if (attach(f) != cases[i].status)
            fail_msg("case %zu", i);
        if (f->device != NULL) {
            assert_int_equal(f->blk.queues[0].size, cases[i].used);
            read_on_every_queue(f);
        }
        tear_down(f);
    }
}

/** The largest ring, full to the last place: given back in one go, and backwards. */
static void test_ring_of_32768_full(void **state)
{
    static const struct {
        uint64_t extra;
        bool reorders;
    } cases[] = {{0, false}, {0, true}, {PACKED, false}, {PACKED, true}};
    enum { SIZE = 32768 };

    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        WITH(f, FAKE_MODERN);
        struct vst_block_request *all = calloc(SIZE, sizeof(*all)), *done[64];
        struct vst_block_segment segment = {buffers[0], 512};
        size_t n_done = 0;

        fake_virtio_blk_offer_queue(&f->blk, 0, SIZE);
        f->blk.offered_features |= cases[i].extra;
        f->blk.reorders = cases[i].reorders;
        f->config.queue_size = SIZE;
        f->config.max_segments = 1;
        f->fake.ns_per_look = 1;
        assert_int_equal(attach(f), VST_OK);
        f->blk.answers_nothing = true;
        for (size_t k = 0; k < SIZE; k++) {
            all[k] = (struct vst_block_request){
                .n_segments = 1, .segments = &segment, .n_sectors = 1, .status = VST_ERR_IO};
            assert_int_equal(vst_block_submit(f->device->queues[0], &all[k]), VST_OK);
        }
        assert_int_equal(vst_block_submit(f->device->queues[0], &all[0]), VST_ERR_FULL);
        vst_block_kick(f->device->queues[0]);
        fake_virtio_blk_answer_all(&f->blk);
        for (size_t n = 1; n > 0; n_done += n)
            n = vst_block_poll(f->device->queues[0], done, VST_ARRAY_LENGTH(done));
        assert_int_equal(n_done, SIZE);
        for (size_t k = 0; k < SIZE; k++)
            assert_int_equal(all[k].status, VST_OK);
        free(all);
        tear_down(f);
    }
}

/* ------------------------------------------------------------------ data on several queues */

static const enum fake_front many_queue_fronts[] = {FAKE_MODERN,       FAKE_PIO_ASKED, FAKE_LEGACY,
                                                    FAKE_LEGACY_ASKED, FAKE_MMIO_1,    FAKE_MMIO_2};

/** What one queue finishes shows on that queue, whatever the others do. */
static void test_completions_come_on_their_own_queue_only(void **state)
{
    for (size_t i = 0; i < VST_ARRAY_LENGTH(many_queue_fronts); i++) {
        WITH(f, many_queue_fronts[i]);
        struct vst_block_request *done[4];
        assert_int_equal(attach(f), VST_OK);
        assert_int_equal(f->device->n_queues, N_QUEUES);
        f->blk.answers_nothing = true;
        for (unsigned k = 0; k < N_QUEUES; k++)
            submit(f, k, 10 * k);
        for (unsigned k = N_QUEUES; k-- > 0;) {
            fake_virtio_blk_answer_queue(&f->blk.queues[k]);
            for (unsigned other = 0; other < N_QUEUES; other++)
                assert_int_equal(vst_block_ready(f->device->queues[other]), other == k);
            for (unsigned other = 0; other < k; other++)
                assert_int_equal(vst_block_poll(f->device->queues[other], done, 4), 0);
            take(f, k);
        }
        tear_down(f);
    }
}

/** A queue that is silent holds up nobody but itself. */
static void test_a_silent_queue_holds_up_no_other(void **state)
{
    WITH(f, FAKE_MODERN);
    struct vst_block_request *done[4];
    f->config.timeout_ns = 0; /* thirty seconds: it is not to fail the device */
    assert_int_equal(attach(f), VST_OK);
    f->blk.queues[2].answers_nothing = true;
    submit(f, 2, 7);
    for (unsigned round = 0; round < 1000; round++)
        for (unsigned k = 0; k < N_QUEUES; k++)
            if (k != 2) {
                submit(f, k, round + k);
                take(f, k);
                assert_int_equal(vst_block_poll(f->device->queues[2], done, 4), 0);
            }
    fake_virtio_blk_answer_queue(&f->blk.queues[2]);
    take(f, 2);
    tear_down(f);
}

static uint32_t next_random(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;
    return *x;
}

/** Writes and reads back on all queues by turns; each has its own part of the disk. */
static void test_data_on_four_queues_over_every_transport_and_ring(void **state)
{
    static const struct {
        uint64_t extra, refused;
    } rings[] = {{0, 0}, {0, NO_EVENT_IDX}, {0, NO_INDIRECT}, {PACKED, 0}, {PACKED, NO_INDIRECT}};

    for (size_t i = 0; i < VST_ARRAY_LENGTH(many_queue_fronts) * VST_ARRAY_LENGTH(rings); i++) {
        WITH(f, many_queue_fronts[i / VST_ARRAY_LENGTH(rings)]);
        uint32_t x = 0x9e3779b9 + (uint32_t)i;
        f->blk.offered_features |= rings[i % VST_ARRAY_LENGTH(rings)].extra;
        f->config.refused_features = rings[i % VST_ARRAY_LENGTH(rings)].refused;
        f->blk.reorders = (i & 1) != 0;
        assert_int_equal(attach(f), VST_OK);
        unsigned before[N_QUEUES], expected[N_QUEUES] = {0};
        for (unsigned k = 0; k < N_QUEUES; k++)
            before[k] = f->blk.queues[k].n_requests; /* the serial number on queue 0 */
        for (unsigned round = 0; round < 300; round++) {
            unsigned k = next_random(&x) % N_QUEUES;
            uint8_t data[3 * 512], back[3 * 512];
            uint64_t sector = k * (DISK_SECTORS / N_QUEUES) + next_random(&x) % 1000;
            for (size_t b = 0; b < sizeof(data); b++)
                data[b] = (uint8_t)next_random(&x);
            struct vst_block_segment segment = {data, sizeof(data)};
            struct vst_block_request request = {.op = VST_BLOCK_WRITE,
                                                .n_segments = 1,
                                                .segments = &segment,
                                                .start_sector = sector,
                                                .n_sectors = 3};
            assert_int_equal(vst_block_execute(f->device->queues[k], &request), VST_OK);
            assert_memory_equal(f->blk.disk + sector * 512, data, sizeof(data));
            segment.buffer = back;
            request.op = VST_BLOCK_READ;
            assert_int_equal(vst_block_execute(f->device->queues[k], &request), VST_OK);
            assert_memory_equal(back, data, sizeof(data));
            expected[k] += 2;
        }
        for (unsigned k = 0; k < N_QUEUES; k++) {
            assert_int_equal(f->blk.queues[k].n_requests - before[k], expected[k]);
            assert_int_equal(f->device->queues[k]->stats.commands[VST_BLOCK_READ], expected[k] / 2);
            assert_int_equal(f->device->queues[k]->stats.rescues, 0);
        }
        assert_int_equal(f->blk.n_interrupts, 0);
        tear_down(f);
    }
}

/** memory_bytes is what was taken and not given back; a queue more is queue_memory_bytes more. */
static void test_memory_is_stated(void **state)
{
    static const uint64_t features[] = {0, PACKED};
    struct fake_platform mapping;

    fake_platform_init(&mapping, true);
    for (size_t i = 0; i < 3 * VST_ARRAY_LENGTH(features); i++) {
        size_t last_bytes = 0;
        for (uint16_t n = 1; n <= N_QUEUES; n++) {
            WITH(f, FAKE_MODERN);
            f->blk.offered_features |= features[i % VST_ARRAY_LENGTH(features)];
            f->config.refused_features = i / 2 == 1 ? NO_INDIRECT : 0;
            if (i / 2 == 2) { /* what is noted of mappings counts, too */
                f->fake.platform.dma_map = mapping.platform.dma_map;
                f->fake.platform.dma_unmap = mapping.platform.dma_unmap;
                f->fake.confined = true;
            }
            fake_virtio_blk_offer_queues(&f->blk, n, 64);
            assert_int_equal(attach(f), VST_OK);
            assert_int_equal(f->device->n_queues, n);
            size_t taken = 0;
            for (size_t k = 0; k < f->fake.n_allocated; k++)
                taken += f->fake.allocated_bytes[k];
            assert_int_equal(f->device->memory_bytes, taken);
            if (n > 1)
                assert_int_equal(taken - last_bytes, f->device->queue_memory_bytes);
            last_bytes = taken;
            tear_down(f);
        }
    }
}

/**
 * What vst_virtio_blk_memory_bytes says is enough, and not much more than that: whatever is
 * configured, and whether or not the ring is packed, chains are made by hand, or buffers are mapped.
 */
static void test_memory_is_bounded(void **state)
{
    static const uint64_t offered[] = {0, PACKED};
    static const uint64_t refused[] = {0, NO_INDIRECT};
    static const struct vst_virtio_blk_config configs[] = {
        {0},
        {.queue_size = 64, .max_segments = 6},
        {.queue_size = 16, .max_segments = 1, .n_queues = 2, .n_trace_events = 512},
        {.queue_size = 256, .max_segments = 200, .n_queues = N_QUEUES},
    };
    struct fake_platform mapping;

    fake_platform_init(&mapping, true);
    for (size_t i = 0; i < 8 * VST_ARRAY_LENGTH(configs); i++) {
        bool maps = i % 2 != 0;
        WITH(f, FAKE_MODERN);
        f->config = configs[i / 8];
        f->config.refused_features = refused[i / 2 % 2];
        f->blk.offered_features |= offered[i / 4 % 2] | 1ull << VIRTIO_BLK_F_SEG_MAX;
        fake_virtio_blk_offer_queues(&f->blk, N_QUEUES, 256);
        f->blk.config[12] = 254; /* seg_max */
        if (maps) {
            f->fake.platform.dma_map = mapping.platform.dma_map;
            f->fake.platform.dma_unmap = mapping.platform.dma_unmap;
            f->fake.confined = true;
        }
        assert_int_equal(attach(f), VST_OK);
        size_t most = vst_virtio_blk_memory_bytes(&f->config, maps);
        assert_in_range(f->device->memory_bytes, 1, most);
        if (refused[i / 2 % 2] == 0)
            assert_in_range(most, 1, f->device->memory_bytes + f->device->memory_bytes / 8);
        tear_down(f);
    }
}

/** One queue's lie: whatever becomes of the device, every request of every queue ends once. */
static void test_lie_on_one_queue_ends_every_request_of_all_once(void **state)
{
    static const enum fake_lie lies[] = {LIE_USED_ID_TOO_LARGE, LIE_USED_ID_NOT_IN_FLIGHT,
                                         LIE_USED_INDEX_JUMPS, LIE_SILENCE};

    for (size_t i = 0; i < 2 * VST_ARRAY_LENGTH(lies); i++) {
        WITH(f, FAKE_MODERN);
        unsigned n_ended[N_QUEUES] = {0};
        f->fake.ns_per_look = 1000000;
        if (i % 2 != 0 && lies[i / 2] != LIE_USED_INDEX_JUMPS)
            f->blk.offered_features |= PACKED;
        assert_int_equal(attach(f), VST_OK);
        f->blk.lie = lies[i / 2];
        f->blk.lie_queue = 1;
        for (unsigned k = 0; k < N_QUEUES; k++)
            f->blk.queues[k].answers_nothing = k != 1;
        for (unsigned k = 0; k < N_QUEUES; k++)
            submit(f, k, k);
        for (unsigned looks = 0; looks < 20000; looks++)
            for (unsigned k = 0; k < N_QUEUES; k++) {
                struct vst_block_request *done[4];
                size_t n = vst_block_poll(f->device->queues[k], done, 4);
                assert_true(n <= 1);
                if (n == 1)
                    assert_ptr_equal(done[0], &requests[k]);
                n_ended[k] += n == 1;
            }
        for (unsigned k = 0; k < N_QUEUES; k++)
            assert_int_equal(n_ended[k], 1);
        assert_int_not_equal(requests[1].status, VST_OK);
        f->blk.lie = LIE_NONE;
        tear_down(f);
    }
}

/** Whoever waits for an interrupt of another queue is not left asleep: none will come. */
static void test_nobody_sleeps_over_a_device_out_of_service(void **state)
{
    WITH(f, FAKE_MODERN);
    struct vst_block_request *done[4];
    fake_virtio_blk_add_msix(&f->blk, 5);
    want_msix(f, N_QUEUES, false);
    f->config.recovery = VST_RECOVERY_NONE;
    assert_int_equal(attach(f), VST_OK);
    vst_format(f->device->name, sizeof(f->device->name), "vdx");
    f->blk.lie = LIE_USED_ID_TOO_LARGE;
    f->blk.lie_queue = 1;
    f->blk.queues[0].answers_nothing = f->blk.queues[1].answers_nothing = true;
    for (unsigned k = 0; k < 2; k++) {
        submit(f, k, k);
        assert_false(vst_block_arm(f->device->queues[k]));
        assert_false(vst_block_awaited(f->device->queues[k]));
    }
    fake_virtio_blk_answer_queue(&f->blk.queues[1]);
    for (unsigned looks = 0; looks < 4; looks++)
        assert_true(vst_block_poll(f->device->queues[1], done, 4) <= 1);
    assert_non_null(strstr(f->fake.all_logs, "vdx: "));
    assert_true(vst_block_awaited(f->device->queues[0]));
    assert_true(vst_block_awaited(f->device->queues[1]));
    unsigned n = 0;
    for (unsigned looks = 0; looks < 100000 && n == 0; looks++)
        n = (unsigned)vst_block_poll(f->device->queues[0], done, 4);
    assert_int_equal(n, 1);
    f->blk.lie = LIE_NONE;
    tear_down(f);
}

/* ------------------------------------------------------------------ MSI-X */

/** Arms queue after queue: each completion sends the message of that vector, once, and no other. */
static void check_vectors(struct fixture *f, const uint16_t *vectors)
{
    assert_string_equal(f->device->irq_mode, "msix");
    assert_true(fake_msix_enabled(&f->blk.msix));
    f->blk.answers_nothing = true;
    for (unsigned i = 0; i < f->device->n_queues; i++) {
        const struct fake_msix_entry *entry = &f->blk.msix.entries[vectors[i]];
        unsigned sent = entry->n_sent, all = f->blk.msix.n_sent;
        assert_int_equal(f->blk.queues[i].vector, vectors[i]);
        assert_int_equal(f->device->queues[i]->message, vectors[i]);
        submit(f, i, i);
        assert_false(vst_block_arm(f->device->queues[i]));
        fake_virtio_blk_answer_queue(&f->blk.queues[i]);
        assert_int_equal(entry->n_sent, sent + 1);
        assert_int_equal(f->blk.msix.n_sent, all + 1);
        assert_int_equal(entry->address, messages[vectors[i]].address);
        assert_int_equal(entry->data, messages[vectors[i]].data);
        assert_true(vst_block_awaited(f->device->queues[i]));
        vst_block_disarm(f->device->queues[i]);
        take(f, i);
    }
    assert_int_equal(f->blk.msix.n_lost, 0);
    f->blk.answers_nothing = false;
}

static const enum fake_front msix_fronts[] = {FAKE_MODERN, FAKE_PIO_ASKED, FAKE_LEGACY,
                                              FAKE_LEGACY_ASKED};

/** Not only queue 0 interrupts. */
static void test_each_queue_has_its_own_vector__OSv_1400(void **state)
{
    static const uint16_t vectors[] = {0, 1, 2, 3};

    for (size_t i = 0; i < 2 * VST_ARRAY_LENGTH(msix_fronts); i++) {
        WITH(f, msix_fronts[i / 2]);
        f->blk.offered_features |= i % 2 != 0 ? PACKED : 0;
        fake_virtio_blk_add_msix(&f->blk, 5);
        want_msix(f, N_QUEUES, false);
        assert_int_equal(attach(f), VST_OK);
        check_vectors(f, vectors);
        assert_int_equal(f->blk.n_line_rises, 0);
        tear_down(f);
    }
}

static void test_fewer_vectors_than_queues_share_the_last(void **state)
{
    static const struct {
        uint16_t n_entries, n_messages, vectors[N_QUEUES];
    } cases[] = {
        {1, 4, {0, 0, 0, 0}}, {2, 4, {0, 1, 1, 1}}, {3, 4, {0, 1, 2, 2}},
        {5, 1, {0, 0, 0, 0}}, {5, 2, {0, 1, 1, 1}}, {64, 6, {0, 1, 2, 3}},
    };

    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        WITH(f, FAKE_MODERN);
        fake_virtio_blk_add_msix(&f->blk, cases[i].n_entries);
        want_msix(f, cases[i].n_messages, false);
        assert_int_equal(attach(f), VST_OK);
        check_vectors(f, cases[i].vectors);
        tear_down(f);
    }
}

/** Changes of the configuration have a vector of their own, share one, or are looked for. */
static void test_fewer_vectors_than_queues_and_one_lose_no_resize__windows_1520(void **state)
{
    for (unsigned i = 0; i < 2 * (N_QUEUES + 2); i++) {
        WITH(f, FAKE_MODERN);
        bool refused = i % 2 != 0;
        fake_virtio_blk_add_msix(&f->blk, (uint16_t)(i / 2 + 1));
        f->blk.n_config_vectors_taken = refused ? 0 : 0xffff;
        want_msix(f, N_QUEUES + 1, false);
        assert_int_equal(attach(f), VST_OK);
        assert_string_equal(f->device->irq_mode, "msix");
        uint16_t message = f->device->change_message;
        assert_int_equal(message == VST_BLOCK_NO_MESSAGE, refused);
        fake_virtio_blk_set_config32(&f->blk, VIRTIO_BLK_CONFIG_CAPACITY, DISK_SECTORS / 2);
        fake_virtio_blk_change_config(&f->blk);
        if (!refused) {
            assert_int_equal(f->blk.msix.entries[message].n_sent, 1);
            assert_int_equal(f->blk.msix.entries[message].data, messages[message].data);
            vst_block_config_interrupted(f->device); /* what its handler does */
        }
        assert_int_equal(vst_block_refresh(f->device), VST_OK);
        assert_int_equal(f->device->limits.n_sectors, DISK_SECTORS / 2);
        tear_down(f);
    }
}

static void test_vector_refused_for_one_queue_is_shared_with_the_first(void **state)
{
    static const uint16_t vectors[N_QUEUES][N_QUEUES] = {
        {0, 1, 2, 3}, {0, 0, 2, 3}, {0, 1, 0, 3}, {0, 1, 2, 0}};

    for (unsigned refuser = 1; refuser < N_QUEUES; refuser++)
        for (size_t i = 0; i < VST_ARRAY_LENGTH(msix_fronts); i++) {
            WITH(f, msix_fronts[i]);
            fake_virtio_blk_add_msix(&f->blk, 5);
            want_msix(f, N_QUEUES, true);
            f->blk.queues[refuser].n_vectors_taken = 1; /* none but the first */
            assert_int_equal(attach(f), VST_OK);
            assert_non_null(strstr(f->fake.all_logs, "shares the first vector"));
            check_vectors(f, vectors[refuser]);
            tear_down(f);
        }
}

/** A queue that takes no vector at all would be deaf: all go over to the line, or to polling. */
static void test_all_vectors_refused_by_any_queue(void **state)
{
    for (unsigned refuser = 0; refuser < N_QUEUES; refuser++)
        for (size_t i = 0; i < 2 * VST_ARRAY_LENGTH(msix_fronts); i++) {
            WITH(f, msix_fronts[i / 2]);
            bool intx = i % 2 != 0;
            fake_virtio_blk_add_msix(&f->blk, 5);
            want_msix(f, N_QUEUES, intx);
            f->blk.queues[refuser].n_vectors_taken = 0;
            assert_int_equal(attach(f), VST_OK);
            assert_string_equal(f->device->irq_mode, intx ? "intx" : "poll");
            assert_non_null(strstr(f->fake.all_logs, "no MSI-X"));
            assert_false(fake_msix_enabled(&f->blk.msix));
            assert_int_equal(f->device->n_queues, N_QUEUES);
            assert_int_equal(f->blk.queues[refuser].vector, 0xffff);
            read_on_every_queue(f);
            tear_down(f);
        }
}

/** An MSI-X that is no good, or was not prepared for; what there is instead works. */
enum bad_msix {
    NO_CAPABILITY, /* QEMU's vectors=0 */
    NO_MESSAGES,
    TABLE_OUTSIDE_ITS_BAR,
    TABLE_ENDS_OUTSIDE_ITS_BAR,
    PENDING_OUTSIDE_ITS_BAR,
    TABLE_AND_PENDING_OVERLAP,
    NO_SUCH_BAR,
    BAR_IS_UPPER_HALF,
    BAR_HAS_NO_ADDRESS,
    BAR_IS_OUT_OF_REACH,
    DOES_NOT_GO_ON,
    N_BAD_MSIX
};

static void spoil(struct fixture *f, enum bad_msix how)
{
    uint8_t *table = f->blk.pci_config + FAKE_MSIX_AT + FAKE_MSIX_TABLE_OFFSET;
    uint8_t *pending = f->blk.pci_config + FAKE_MSIX_AT + FAKE_MSIX_PENDING_OFFSET;
    struct vst_pci_bar *bar = &f->blk.function.bars[1];

    if (how != NO_CAPABILITY)
        fake_virtio_blk_add_msix(&f->blk, 5);
    want_msix(f, how == NO_MESSAGES ? 0 : N_QUEUES, false);
    if (how == TABLE_OUTSIDE_ITS_BAR)
        table[3] = 0xff;
    if (how == TABLE_ENDS_OUTSIDE_ITS_BAR) /* the last of 5 entries begins at the BAR's end */
        memcpy(table, &(uint32_t){(FAKE_MSIX_BAR_BYTES - 4 * 16) | 1}, 4);
    if (how == PENDING_OUTSIDE_ITS_BAR)
        memcpy(pending, &(uint32_t){FAKE_MSIX_BAR_BYTES | 1}, 4);
    if (how == TABLE_AND_PENDING_OVERLAP)
        memcpy(pending, &(uint32_t){(FAKE_MSIX_TABLE_AT + 4 * 16) | 1}, 4);
    if (how == NO_SUCH_BAR)
        table[0] |= 7;
    if (how == BAR_IS_UPPER_HALF)
        table[0] = (uint8_t)((table[0] & ~7u) | 5);
    bar->assigned = how != BAR_HAS_NO_ADDRESS;
    if (how == BAR_IS_OUT_OF_REACH)
        bar->address = 0x1000;
    f->blk.msix.stuck_off = how == DOES_NOT_GO_ON;
}

static void test_msix_that_is_no_good_gives_way(void **state)
{
    for (int how = 0; how < N_BAD_MSIX; how++)
        for (int way = 0; way < 3; way++) {
            WITH(f, FAKE_MODERN);
            spoil(f, (enum bad_msix)how);
            f->config.irq.intx_instead = way != 0;
            f->blk.function.interrupt_pin = way == 2 ? 0 : 1;
            assert_int_equal(attach(f), VST_OK);
            assert_string_equal(f->device->irq_mode, way == 1 ? "intx" : "poll");
            assert_non_null(strstr(f->fake.all_logs, "no MSI-X"));
            for (unsigned i = 0; i < N_QUEUES; i++)
                assert_int_equal(f->blk.queues[i].vector, 0xffff);
            read_on_every_queue(f);
            tear_down(f);
        }
}

/** Entries that don't keep what is written to them, or can't be unmasked; a message of no address. */
static void test_message_that_no_entry_takes(void **state)
{
    static const struct vst_irq_message misaligned[N_QUEUES] = {{0xfee00000, 1}, {0xfee00002, 2}};

    for (unsigned i = 0; i < 2 * 5; i++) {
        WITH(f, FAKE_MODERN);
        bool intx = i % 2 != 0;
        fake_virtio_blk_add_msix(&f->blk, 5);
        want_msix(f, N_QUEUES, intx);
        if (i / 2 == 4)
            f->config.irq.messages = misaligned;
        else
            f->blk.msix.stuck[1] = 1u << i / 2;
        if (i / 2 == 1) /* the upper half of the address: has to differ from what it holds */
            f->blk.msix.entries[1].words[1] = 1;
        assert_int_equal(attach(f), VST_OK);
        assert_string_equal(f->device->irq_mode, intx ? "intx" : "poll");
        read_on_every_queue(f);
        tear_down(f);
    }
}

/** MSI-X that can't be switched off again keeps the line shut (PCIe 4, 6.1.4.3): polling. */
static void test_msix_that_does_not_go_off(void **state)
{
    WITH(f, FAKE_MODERN);
    fake_virtio_blk_add_msix(&f->blk, 5);
    want_msix(f, N_QUEUES, true);
    assert_int_equal(attach(f), VST_OK);
    assert_string_equal(f->device->irq_mode, "msix");
    f->blk.msix.stuck_on = true; /* from now on */
    detach(f);
    assert_non_null(strstr(f->fake.all_logs, "MSI-X stays on"));
    f->blk.pci_config[FAKE_MSIX_AT + 3] = 0;
    tear_down(f);
}

/** It goes on for good while the last queue refuses every vector: the line would stay silent. */
static void test_msix_that_does_not_go_off_when_it_has_to_give_way(void **state)
{
    WITH(f, FAKE_MODERN);
    fake_virtio_blk_add_msix(&f->blk, 5);
    want_msix(f, N_QUEUES, true);
    f->blk.queues[3].n_vectors_taken = 0;
    f->blk.msix.stuck_on_after = 1 + 2 * N_QUEUES; /* after opening, and both steps of each entry */
    assert_int_equal(attach(f), VST_OK);
    assert_string_equal(f->device->irq_mode, "poll");
    read_on_every_queue(f);
    detach(f);
    f->blk.pci_config[FAKE_MSIX_AT + 3] = 0;
    tear_down(f);
}

/** As firmware, or a driver before us, may leave it: the line is asked for, MSI-X is on. */
static void test_line_where_msix_was_found_enabled(void **state)
{
    static const enum fake_front fronts[] = {FAKE_MODERN, FAKE_LEGACY, FAKE_LEGACY_ASKED};

    for (size_t i = 0; i < VST_ARRAY_LENGTH(fronts); i++) {
        WITH(f, fronts[i]);
        fake_virtio_blk_add_msix(&f->blk, 5);
        f->blk.pci_config[FAKE_MSIX_AT + 3] = 0x80;
        f->config.irq.mode = VST_IRQ_INTX;
        f->blk.function.interrupt_pin = 1;
        assert_int_equal(attach(f), VST_OK);
        assert_string_equal(f->device->irq_mode, "intx");
        f->blk.answers_nothing = true;
        submit(f, 1, 1);
        assert_false(vst_block_arm(f->device->queues[1]));
        fake_virtio_blk_answer_all(&f->blk);
        assert_true(fake_virtio_blk_line(&f->blk));
        assert_true(vst_virtio_blk_interrupt(f->device));
        vst_block_disarm(f->device->queues[1]);
        take(f, 1);
        tear_down(f);
    }
}

static void test_msix_where_there_is_no_pci(void **state)
{
    for (int intx = 0; intx < 2; intx++) {
        WITH(f, FAKE_MMIO_2);
        want_msix(f, N_QUEUES, intx != 0);
        assert_int_equal(attach(f), VST_OK);
        assert_string_equal(f->device->irq_mode, intx ? "intx" : "poll");
        assert_non_null(strstr(f->fake.all_logs, "no MSI-X: not PCI"));
        read_on_every_queue(f);
        tear_down(f);
    }
}

/** Found on, as firmware or an earlier driver may leave it: nothing fires that is not ours. */
static void test_msix_found_enabled_is_taken_over(void **state)
{
    static const uint16_t vectors[] = {0, 1, 2, 3};
    WITH(f, FAKE_MODERN);
    fake_virtio_blk_add_msix(&f->blk, 5);
    want_msix(f, N_QUEUES, false);
    for (unsigned i = 0; i < 5; i++)
        f->blk.msix.entries[i].words[3] = 0; /* not masked */
    f->blk.pci_config[FAKE_MSIX_AT + 3] = 0x80;
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->blk.msix.n_sent, 0);
    assert_int_equal(f->blk.msix.entries[4].words[3] & 1, 1); /* the one that nobody uses */
    check_vectors(f, vectors);
    tear_down(f);
}

/** What comes while an entry is masked is sent when it no longer is, once. */
static void test_interrupt_of_a_masked_entry_is_kept(void **state)
{
    WITH(f, FAKE_MODERN);
    fake_virtio_blk_add_msix(&f->blk, 5);
    want_msix(f, N_QUEUES, false);
    assert_int_equal(attach(f), VST_OK);
    struct vst_pci_msix *msix = &VST_CONTAINER_OF(f->device, struct blk_device, base)->irq.msix;
    assert_int_equal(vst_pci_msix_mask(msix, 2), VST_OK);
    for (unsigned i = 0; i < 3; i++)
        fake_virtio_blk_raise(&f->blk.queues[2]);
    assert_int_equal(f->blk.msix.n_sent, 0);
    assert_int_equal(vst_pci_msix_unmask(msix, 2), VST_OK);
    assert_int_equal(f->blk.msix.entries[2].n_sent, 1);
    tear_down(f);
}

/* ------------------------------------------------------------------ the line */

static const enum fake_front line_fronts[] = {FAKE_MODERN,        FAKE_PIO_ASKED,    FAKE_LEGACY,
                                              FAKE_LEGACY_MEMORY, FAKE_LEGACY_ASKED, FAKE_MMIO_1,
                                              FAKE_MMIO_2};

static void attach_with_line(struct fixture *f)
{
    f->config.irq.mode = VST_IRQ_INTX;
    f->blk.function.interrupt_pin = 1;
    assert_int_equal(attach(f), VST_OK);
    assert_string_equal(f->device->irq_mode, "intx");
}

/** 4.1.4.5, 4.2.3.4: reading (or writing back) what it says takes the line down, until next time. */
static void test_reading_the_interrupt_status_acknowledges(void **state)
{
    for (size_t i = 0; i < VST_ARRAY_LENGTH(line_fronts); i++) {
        WITH(f, line_fronts[i]);
        attach_with_line(f);
        f->blk.answers_nothing = true;
        for (unsigned round = 0; round < 5; round++)
            for (unsigned k = 0; k < N_QUEUES; k++) {
                assert_false(vst_virtio_blk_interrupt(f->device)); /* somebody else's, perhaps */
                submit(f, k, k);
                assert_false(vst_block_arm(f->device->queues[k]));
                assert_false(fake_virtio_blk_line(&f->blk));
                fake_virtio_blk_answer_queue(&f->blk.queues[k]);
                assert_true(fake_virtio_blk_line(&f->blk));
                assert_true(vst_virtio_blk_interrupt(f->device));
                assert_false(fake_virtio_blk_line(&f->blk));
                vst_block_disarm(f->device->queues[k]);
                take(f, k);
            }
        assert_int_equal(f->blk.n_line_rises, 5 * N_QUEUES);
        tear_down(f);
    }
}

/** The handler of a shared line swallows a change of configuration; whoever asks is still told. */
static void test_line_that_tells_of_the_configuration(void **state)
{
    for (size_t i = 0; i < VST_ARRAY_LENGTH(line_fronts); i++) {
        WITH(f, line_fronts[i]);
        attach_with_line(f);
        f->blk.isr = 2;
        assert_true(vst_virtio_blk_interrupt(f->device));
        assert_int_equal(f->blk.isr, 0);
        assert_false(vst_virtio_blk_interrupt(f->device));
        assert_true(vst_virtio_blk_config_changed(f->device));
        assert_false(vst_virtio_blk_config_changed(f->device));
        tear_down(f);
    }
}

/** Bits that 4.1.4.5 doesn't define say nothing. */
static void test_undefined_interrupt_status_is_nobody(void **state)
{
    WITH(f, FAKE_MODERN);
    attach_with_line(f);
    f->blk.isr = 0xfc;
    assert_false(vst_virtio_blk_interrupt(f->device));
    assert_false(vst_virtio_blk_config_changed(f->device));
    tear_down(f);
}

/** The line opens when the device is live and not before, with nothing waiting; and is shut again. */
static void test_line_is_open_only_while_attached(void **state)
{
    WITH(f, FAKE_MODERN);
    f->blk.interrupts_unasked = true; /* as QEMU does at the first completion */
    f->blk.pci_config[5] = 0x04;      /* shut, as a driver before us left it */
    attach_with_line(f);
    assert_int_equal(f->blk.n_line_rises, 0);
    assert_int_equal(f->blk.pci_config[5] & 0x04, 0);
    assert_int_equal(f->blk.isr, 0);
    detach(f);
    assert_int_equal(f->blk.pci_config[5] & 0x04, 0x04);
    tear_down(f);
}

static void test_no_line_where_nothing_could_acknowledge(void **state)
{
    for (unsigned i = 0; i < 3; i++) {
        WITH(f, i == 2 ? FAKE_WINDOW : FAKE_MODERN);
        f->config.irq.mode = VST_IRQ_INTX;
        f->blk.function.interrupt_pin = i != 0;
        if (i == 1)
            f->blk.pci_config[0x64 + 4] = 6; /* the ISR structure leads nowhere */
        assert_int_equal(attach(f), VST_OK);
        assert_string_equal(f->device->irq_mode, "poll");
        assert_non_null(strstr(f->fake.all_logs, "no INTx"));
        assert_false(vst_virtio_blk_interrupt(f->device));
        read_on_every_queue(f);
        tear_down(f);
    }
}

static uint32_t isr_port_read(void *ctx, uint16_t at, uint8_t width_bytes)
{
    assert_int_equal(at, 2);
    assert_int_equal(width_bytes, 1);
    return fake_virtio_blk_read_isr(ctx);
}

/** The interrupt status in an I/O BAR: as good as memory for a handler. */
static void test_interrupt_status_behind_a_port(void **state)
{
    static const struct fake_port_ops ports = {isr_port_read, NULL};
    WITH(f, FAKE_MODERN);
    f->blk.function.bars[2] = (struct vst_pci_bar){
        .kind = VST_PCI_BAR_IO, .assigned = true, .address = 0xd100, .bytes = 4};
    static const uint8_t place[12] = {[0] = 2, [4] = 2, [8] = 1}; /* BAR 2, offset 2, one byte */
    memcpy(f->blk.pci_config + 0x64 + 4, place, sizeof(place));
    fake_port_register(0xd100, 4, &ports, &f->blk);
    attach_with_line(f);
    fake_virtio_blk_raise(&f->blk.queues[0]);
    assert_true(vst_virtio_blk_interrupt(f->device));
    assert_false(fake_virtio_blk_line(&f->blk));
    tear_down(f);
}

/* ------------------------------------------------------------------ storms */

/** Interrupts that nothing stands behind: they cost their own handling, and change nothing. */
static void test_storm_on_the_line(void **state)
{
    for (size_t i = 0; i < VST_ARRAY_LENGTH(line_fronts); i++) {
        WITH(f, line_fronts[i]);
        struct vst_block_request *done[4];
        f->blk.interrupts_unasked = true;
        attach_with_line(f);
        f->blk.queues[3].answers_nothing = true;
        submit(f, 3, 33);
        assert_false(vst_block_arm(f->device->queues[3]));
        for (unsigned round = 0; round < 2000; round++) {
            fake_virtio_blk_raise(&f->blk.queues[round % N_QUEUES]);
            assert_true(vst_virtio_blk_interrupt(f->device));
            assert_false(fake_virtio_blk_line(&f->blk));
            assert_false(vst_block_awaited(f->device->queues[3])); /* he sleeps on */
            assert_int_equal(vst_block_poll(f->device->queues[3], done, 4), 0);
            submit(f, round % 3, round);
            take(f, round % 3);
            assert_true(vst_virtio_blk_interrupt(f->device)); /* not asked for */
        }
        assert_int_equal(f->blk.queues[3].n_interrupts, 0);
        fake_virtio_blk_answer_queue(&f->blk.queues[3]);
        assert_true(vst_block_awaited(f->device->queues[3]));
        vst_block_disarm(f->device->queues[3]);
        take(f, 3);
        tear_down(f);
    }
}

static void test_storm_of_messages(void **state)
{
    WITH(f, FAKE_MODERN);
    struct vst_block_request *done[4];
    fake_virtio_blk_add_msix(&f->blk, 5);
    want_msix(f, N_QUEUES, false);
    f->blk.interrupts_unasked = true;
    assert_int_equal(attach(f), VST_OK);
    unsigned before = f->blk.msix.n_sent;
    f->blk.queues[3].answers_nothing = true;
    submit(f, 3, 33);
    assert_false(vst_block_arm(f->device->queues[3]));
    for (unsigned round = 0; round < 20000; round++) {
        fake_virtio_blk_raise(&f->blk.queues[round % N_QUEUES]);
        vst_block_interrupted(f->device->queues[round % N_QUEUES]);
        assert_false(vst_block_awaited(f->device->queues[3]));
        assert_int_equal(vst_block_poll(f->device->queues[round % N_QUEUES], done, 4), 0);
    }
    assert_int_equal(f->blk.msix.n_sent, before + 20000);
    assert_int_equal(f->device->queues[3]->stats.interrupts, 5000);
    fake_virtio_blk_answer_queue(&f->blk.queues[3]);
    assert_true(vst_block_awaited(f->device->queues[3]));
    vst_block_disarm(f->device->queues[3]);
    take(f, 3);
    read_on_every_queue((f->blk.queues[3].answers_nothing = false, f));
    tear_down(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_num_queues_0_65535_and_more_than_there_are),
        cmocka_unit_test(test_queues_wanted_beyond_what_a_device_is_driven_with),
        cmocka_unit_test(test_num_queues_is_read_only_with_its_feature),
        cmocka_unit_test(test_second_queue_smaller_or_absent),
        cmocka_unit_test(test_behind_the_window_there_is_one_queue),
        cmocka_unit_test(test_queue_sizes_from_0_to_beyond_the_largest),
        cmocka_unit_test(test_ring_of_32768_full),
        cmocka_unit_test(test_completions_come_on_their_own_queue_only),
        cmocka_unit_test(test_a_silent_queue_holds_up_no_other),
        cmocka_unit_test(test_data_on_four_queues_over_every_transport_and_ring),
        cmocka_unit_test(test_memory_is_stated),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_lie_on_one_queue_ends_every_request_of_all_once),
        cmocka_unit_test(test_nobody_sleeps_over_a_device_out_of_service),
        cmocka_unit_test(test_each_queue_has_its_own_vector__OSv_1400),
        cmocka_unit_test(test_fewer_vectors_than_queues_share_the_last),
        cmocka_unit_test(test_fewer_vectors_than_queues_and_one_lose_no_resize__windows_1520),
        cmocka_unit_test(test_vector_refused_for_one_queue_is_shared_with_the_first),
        cmocka_unit_test(test_all_vectors_refused_by_any_queue),
        cmocka_unit_test(test_msix_that_is_no_good_gives_way),
        cmocka_unit_test(test_message_that_no_entry_takes),
        cmocka_unit_test(test_msix_that_does_not_go_off),
        cmocka_unit_test(test_msix_that_does_not_go_off_when_it_has_to_give_way),
        cmocka_unit_test(test_line_where_msix_was_found_enabled),
        cmocka_unit_test(test_msix_where_there_is_no_pci),
        cmocka_unit_test(test_msix_found_enabled_is_taken_over),
        cmocka_unit_test(test_interrupt_of_a_masked_entry_is_kept),
        cmocka_unit_test(test_reading_the_interrupt_status_acknowledges),
        cmocka_unit_test(test_line_that_tells_of_the_configuration),
        cmocka_unit_test(test_undefined_interrupt_status_is_nobody),
        cmocka_unit_test(test_line_is_open_only_while_attached),
        cmocka_unit_test(test_no_line_where_nothing_could_acknowledge),
        cmocka_unit_test(test_interrupt_status_behind_a_port),
        cmocka_unit_test(test_storm_on_the_line),
        cmocka_unit_test(test_storm_of_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
