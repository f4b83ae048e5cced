/* SPDX-License-Identifier: BSD-2-Clause */
/* What a hostile review found; each failed before the driver was mended. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <string.h>

#include "drivers/virtio_blk.h"
#include "drivers/virtq_hot.h"
#include "tests/unit/fake_virtio_blk.h"

#define DISK_SECTORS 4096u

struct fixture {
    struct fake_platform fake;
    struct fake_virtio_blk blk;
    struct vst_virtio_blk_config config;
    struct vst_block_device *device;
    struct vst_block_queue *queue;
};

static void start(struct fixture *f)
{
    fake_platform_init(&f->fake, false);
    fake_virtio_blk_init(&f->blk, &f->fake, DISK_SECTORS);
    f->config.timeout_ns = 50000000;
}

static void attach(struct fixture *f)
{
    assert_int_equal(
        vst_virtio_blk_attach(&f->fake.platform, &f->blk.function, &f->config, &f->device), VST_OK);
    f->queue = f->device->queues[0];
}

static struct vst_block_request read_of(const struct vst_block_segment *segments,
                                        uint32_t n_segments, uint64_t n_sectors)
{
    return (struct vst_block_request){.op = VST_BLOCK_READ,
                                      .n_segments = n_segments,
                                      .segments = segments,
                                      .n_sectors = n_sectors};
}

/** The device's own view of the ring: gives `id` back and claims that all went well. */
static void forge_used(struct fake_virtio_blk *blk, const struct virtq *vq, uint16_t id)
{
    struct fake_blk_queue *q = &blk->queues[0];
    uint64_t elem = q->used + 4 + 8ull * (q->used_idx % q->size);
    uint32_t words[2] = {id, 513};
    uint8_t good = 0;

    memcpy((char *)vq->slots[id].shared + offsetof(struct blk_header, status), &good, 1);
    memcpy((void *)(uintptr_t)elem, words, sizeof(words));
    q->used_idx++;
    memcpy((void *)(uintptr_t)(q->used + 2), &q->used_idx, 2);
}

/**
 * untrusted-device 1: a used id must head a chain in flight. One that was put but not published is
 * not in flight: poll therefore publishes first, and what it hands back was shown to the device.
 */
static void test_poll_publishes_before_it_believes_used_ids(void **state)
{
    struct fixture f = {0};
    uint8_t buffers[2][512];
    struct vst_block_segment segments[2] = {{buffers[0], 512}, {buffers[1], 512}};
    struct vst_block_request a = read_of(&segments[0], 1, 1), b = read_of(&segments[1], 1, 1);
    struct vst_block_request *done[4];

    (void)state;
    start(&f);
    attach(&f);
    const struct virtq *vq = &VST_CONTAINER_OF(f.queue, struct blk_queue, base)->vq;
    f.blk.answers_nothing = true;
    assert_int_equal(vst_block_submit(f.queue, &a), VST_OK);
    vst_block_kick(f.queue);
    uint16_t unpublished = virtq_take(vq)->id;
    assert_int_equal(vst_block_submit(f.queue, &b), VST_OK); /* no kick */
    forge_used(&f.blk, vq, unpublished);
    assert_int_equal(vst_block_poll(f.queue, done, 4), 1);
    assert_ptr_equal(done[0], &b);
    assert_int_equal(vq->n_published, vq->n_put);
    vst_virtio_blk_detach(f.device);
    fake_virtio_blk_destroy(&f.blk);
}

/** 2.1.2: completion is not to be waited for once the device has said DEVICE_NEEDS_RESET. */
static void test_device_needs_reset_is_noticed_before_the_time_out(void **state)
{
    struct fixture f = {0};
    uint8_t buffer[512];
    struct vst_block_segment segment = {buffer, 512};
    struct vst_block_request request = read_of(&segment, 1, 1);
    struct vst_block_request *done[1];

    (void)state;
    start(&f);
    f.config.timeout_ns = 30000000000ull;
    f.config.recovery = VST_RECOVERY_NONE;
    f.fake.ns_per_look = 1000000;
    attach(&f);
    f.blk.answers_nothing = true;
    assert_int_equal(vst_block_submit(f.queue, &request), VST_OK);
    vst_block_kick(f.queue);
    f.blk.status |= VIRTIO_STATUS_NEEDS_RESET;
    uint64_t from_ns = f.fake.now_ns;
    while (vst_block_poll(f.queue, done, 1) == 0)
        ;
    assert_true(f.fake.now_ns - from_ns < 5000000000ull);
    vst_virtio_blk_detach(f.device);
    fake_virtio_blk_destroy(&f.blk);
}

/** Without indirect descriptors: a split request must get its turn under a steady load of others. */
static void test_split_request_is_not_starved(void **state)
{
    enum { N_LOAD = 10, N_PIECES = 40 };
    struct fixture f = {0};
    static uint8_t load_buffers[N_LOAD][512], big_buffers[N_PIECES][512];
    struct vst_block_segment load_segments[N_LOAD], big_segments[N_PIECES];
    struct vst_block_request load[N_LOAD], big;
    struct vst_block_request *done[1];
    bool ended = false;

    (void)state;
    start(&f);
    f.config.refused_features = VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC);
    f.config.queue_size = 32;
    attach(&f);
    for (int i = 0; i < N_PIECES; i++)
        big_segments[i] = (struct vst_block_segment){big_buffers[i], 512};
    for (int i = 0; i < N_LOAD; i++) {
        load_segments[i] = (struct vst_block_segment){load_buffers[i], 512};
        load[i] = read_of(&load_segments[i], 1, 1);
        assert_int_equal(vst_block_submit(f.queue, &load[i]), VST_OK);
    }
    big = read_of(big_segments, N_PIECES, N_PIECES);
    assert_int_equal(vst_block_submit(f.queue, &big), VST_OK);
    vst_block_kick(f.queue);
    for (unsigned round = 0; round < 100000 && !ended; round++) {
        if (vst_block_poll(f.queue, done, 1) == 0)
            continue;
        ended = done[0] == &big;
        if (!ended && vst_block_submit(f.queue, done[0]) == VST_OK)
            vst_block_kick(f.queue);
    }
    bool starved = !ended;
    vst_virtio_blk_detach(f.device);
    fake_virtio_blk_destroy(&f.blk);
    assert_false(starved);
}

/** A prepared slot's shape holds 14 bits of segments: more would be taken for fewer. */
static void test_segments_fit_the_shape_of_a_slot(void **state)
{
    static struct blk_device blk;
    struct fake_platform fake;
    const struct blk_limits_read read = {
        .capacity_sectors = 1u << 20, .seg_max = UINT32_MAX, .blk_size = 512};

    (void)state;
    fake_platform_init(&fake, false);
    blk.base.platform = &fake.platform;
    blk.virtio.features = VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC);
    blk.config.max_segments = UINT16_MAX;
    assert_int_equal(vst_virtio_blk_limits(&blk, &read, 32768, &blk.base.limits), VST_OK);
    assert_true(blk.base.limits.max_segments < 1u << 14);
}

/** A disk chooses its own serial number: one that two disks claim must name neither. */
static void test_serial_number_claimed_twice_names_nobody(void **state)
{
    struct vst_block_registry registry = {0};
    struct vst_block_device honest = {.path = "pci-0000:00:05.0", .serial = "BACKUP"};
    struct vst_block_device impostor = {.path = "pci-0000:00:03.0", .serial = "BACKUP"};

    (void)state;
    vst_block_register(&registry, &impostor, "vd");
    vst_block_register(&registry, &honest, "vd");
    assert_null(vst_block_find(&registry, "serial=BACKUP"));
}

static void *(*map_of_fake)(void *ctx, uint64_t physical, uint64_t bytes);
static uint64_t most_mapped_bytes;

static void *watched_map(void *ctx, uint64_t physical, uint64_t bytes)
{
    if (bytes > most_mapped_bytes)
        most_mapped_bytes = bytes;
    return map_of_fake(ctx, physical, bytes < 0x1000 ? bytes : 0x1000);
}

/** 4.1.4: an unexpectedly large length must be handled, and only what is needed be mapped. */
static void test_length_of_a_structure_does_not_decide_how_much_is_mapped(void **state)
{
    struct fixture f = {0};
    uint32_t length = 0xf0000000;

    (void)state;
    start(&f);
    map_of_fake = f.fake.platform.mmio_map;
    f.fake.platform.mmio_map = watched_map;
    f.blk.function.bars[4].bytes = (uint64_t)1 << 32;
    memcpy(f.blk.pci_config + 0x74 + 12, &length, 4); /* device configuration */
    attach(&f);
    assert_true(most_mapped_bytes <= 0x1000);
    vst_virtio_blk_detach(f.device);
    fake_virtio_blk_destroy(&f.blk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_poll_publishes_before_it_believes_used_ids),
        cmocka_unit_test(test_device_needs_reset_is_noticed_before_the_time_out),
        cmocka_unit_test(test_split_request_is_not_starved),
        cmocka_unit_test(test_segments_fit_the_shape_of_a_slot),
        cmocka_unit_test(test_serial_number_claimed_twice_names_nobody),
        cmocka_unit_test(test_length_of_a_structure_does_not_decide_how_much_is_mapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
