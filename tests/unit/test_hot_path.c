/* SPDX-License-Identifier: BSD-2-Clause */
/* The path of a request: where its straight way and the others meet. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <string.h>

#include "drivers/virtio_blk.h"
#include "drivers/virtq_hot.h"
#include "tests/unit/fake_virtio_blk.h"

#define DISK_SECTORS 4096u
#define N_READS      7u

struct fixture {
    struct fake_platform fake;
    struct fake_virtio_blk blk;
    struct vst_virtio_blk_config config;
    struct vst_block_device *device;
    struct vst_block_queue *queue;
    uint8_t buffers[N_READS][512];
    struct vst_block_segment segments[N_READS];
    struct vst_block_request reads[N_READS];
};

/** Every kind of ring, with indirect descriptors and without. */
static const struct {
    uint64_t also_offered, refused;
} rings[] = {
    {0, 0},
    {0, VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC)},
    {VIRTIO_BIT(VIRTIO_F_RING_PACKED), 0},
    {VIRTIO_BIT(VIRTIO_F_RING_PACKED), VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC)},
};

static void set_up(struct fixture *f, size_t ring)
{
    *f = (struct fixture){0};
    fake_platform_init(&f->fake, false);
    fake_virtio_blk_init(&f->blk, &f->fake, DISK_SECTORS);
    f->blk.offered_features |= rings[ring].also_offered;
    f->config = (struct vst_virtio_blk_config){.timeout_ns = 50000000,
                                               .refused_features = rings[ring].refused};
    for (size_t i = 0; i < DISK_SECTORS * 512; i++)
        f->blk.disk[i] = (uint8_t)(i * 31 + (i >> 9));
    assert_int_equal(
        vst_virtio_blk_attach(&f->fake.platform, &f->blk.function, &f->config, &f->device), VST_OK);
    f->queue = f->device->queues[0];
}

static void tear_down(struct fixture *f)
{
    vst_virtio_blk_detach(f->device);
    assert_int_equal(f->fake.n_allocated, 0);
    assert_false(f->blk.saw_misuse);
    fake_virtio_blk_destroy(&f->blk);
}

/** Sectors first, first + 1, ... before end, one request each, all in one batch. */
static void submit_reads(struct fixture *f, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        f->segments[i] = (struct vst_block_segment){f->buffers[i], 512};
        f->reads[i] = (struct vst_block_request){.op = VST_BLOCK_READ,
                                                 .n_segments = 1,
                                                 .segments = &f->segments[i],
                                                 .start_sector = i,
                                                 .n_sectors = 1};
        assert_int_equal(vst_block_submit(f->queue, &f->reads[i]), VST_OK);
    }
    vst_block_kick(f->queue);
}

static void assert_read(const struct fixture *f, size_t i)
{
    assert_int_equal(f->reads[i].status, VST_OK);
    assert_memory_equal(f->buffers[i], f->blk.disk + i * 512, 512);
}

static void test_error_amid_a_batch_taken_in_bites(void **state)
{
    (void)state;
    for (size_t ring = 0; ring < VST_ARRAY_LENGTH(rings); ring++)
        for (size_t bite = 1; bite <= N_READS + 1; bite++)
            for (size_t bad = 0; bad < N_READS; bad++) {
                struct fixture f;
                struct vst_block_request *done[N_READS + 1];
                size_t n_done = 0, n;
                set_up(&f, ring);
                f.blk.fail_sector = bad;
                submit_reads(&f, 0, N_READS);
                while ((n = vst_block_poll(f.queue, done + n_done, bite)) > 0) {
                    assert_true(n <= bite);
                    n_done += n;
                }
                assert_int_equal(n_done, N_READS);
                for (size_t i = 0; i < N_READS; i++) {
                    assert_ptr_equal(done[i], &f.reads[i]);
                    if (i != bad)
                        assert_read(&f, i);
                }
                assert_int_equal(f.reads[bad].status, VST_ERR_IO);
                assert_int_equal(f.reads[bad].error_sector, bad);
                assert_int_equal(f.queue->stats.errors, 1);
                tear_down(&f);
            }
}

static void test_lie_amid_a_batch_spares_what_came_before(void **state)
{
    static const enum fake_lie lies[] = {LIE_USED_ID_TOO_LARGE, LIE_USED_ID_TWICE};
    (void)state;
    for (size_t ring = 0; ring < VST_ARRAY_LENGTH(rings); ring++)
        for (size_t lie = 0; lie < VST_ARRAY_LENGTH(lies); lie++) {
            struct fixture f;
            struct vst_block_request *done[N_READS + 1];
            set_up(&f, ring);
            submit_reads(&f, 0, 3);
            f.blk.lie = lies[lie];
            submit_reads(&f, 3, N_READS);
            size_t n_done = vst_block_poll(f.queue, done, N_READS + 1);
            assert_int_equal(n_done, 3);
            f.blk.lie = LIE_NONE;
            for (unsigned i = 0; i < 10 && n_done < N_READS; i++)
                n_done += vst_block_poll(f.queue, done + n_done, N_READS + 1 - n_done);
            assert_int_equal(n_done, N_READS);
            for (size_t i = 0; i < 3; i++)
                assert_read(&f, i);
            tear_down(&f);
        }
}

/** One slot, which is used again and again, with one shape of request after the other. */
static void test_slot_takes_one_shape_after_the_other(void **state)
{
    static const struct {
        enum vst_block_op op;
        uint32_t n_segments;
    } shapes[] = {{VST_BLOCK_READ, 1},  {VST_BLOCK_WRITE, 1}, {VST_BLOCK_READ, 2},
                  {VST_BLOCK_FLUSH, 0}, {VST_BLOCK_WRITE, 3}, {VST_BLOCK_READ, 3}};
    enum { N_SHAPES = sizeof(shapes) / sizeof(shapes[0]) };
    (void)state;
    for (size_t ring = 0; ring < VST_ARRAY_LENGTH(rings); ring++) {
        struct fixture f;
        set_up(&f, ring);
        for (size_t i = 0; i < N_SHAPES * N_SHAPES; i++) {
            size_t shape = i % 2 ? i / N_SHAPES : i % N_SHAPES;
            uint32_t n = shapes[shape].n_segments;
            uint8_t *sectors = f.blk.disk + i * 4 * 512;
            struct vst_block_request request = {.op = shapes[shape].op,
                                                .n_segments = n,
                                                .segments = f.segments,
                                                .start_sector = n > 0 ? i * 4 : 0,
                                                .n_sectors = n};
            for (uint32_t s = 0; s < n; s++) {
                uint8_t *buffer = f.buffers[(i + s) % N_READS];
                f.segments[s] = (struct vst_block_segment){buffer, 512};
                memset(buffer, (int)(i + s), 512);
            }
            assert_int_equal(vst_block_execute(f.queue, &request), VST_OK);
            for (uint32_t s = 0; s < n; s++) {
                assert_memory_equal(sectors + s * 512, f.segments[s].buffer, 512);
                if (request.op == VST_BLOCK_WRITE)
                    assert_int_equal(sectors[s * 512], (uint8_t)(i + s));
            }
        }
        assert_int_equal(f.queue->stats.commands[VST_BLOCK_READ] +
                             f.queue->stats.commands[VST_BLOCK_WRITE] +
                             f.queue->stats.commands[VST_BLOCK_FLUSH],
                         N_SHAPES * N_SHAPES);
        tear_down(&f);
    }
}

static void test_halves_are_those_of_the_whole(void **state)
{
    static const uint8_t bytes[8] = {0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01};
    drv_le64 whole, halves;

    (void)state;
    drv_le64_publish(&whole, 0x0123456789abcdef);
    drv_le64_publish_halves(&halves, 0x0123456789abcdef);
    assert_memory_equal(&whole, bytes, 8);
    assert_memory_equal(&halves, bytes, 8);
}

/** 2.8.13: the places of length, id and flags in the second half of a packed descriptor. */
static void test_second_half_of_a_packed_descriptor(void **state)
{
    static const uint8_t bytes[8] = {0x78, 0x56, 0x34, 0x12, 0xcd, 0xab, 0x84, 0x80};
    struct virtq_packed_desc desc;

    (void)state;
    drv_le64_put(&desc.rest.drv, virtq_packed_rest(0x12345678, 0xabcd, 0x8084));
    assert_memory_equal(&desc.rest, bytes, 8);
    assert_int_equal(dev_le32_get(&desc.rest.dev.id_flags), 0x8084abcd);
    assert_int_equal(VIRTQ_WRAP >> 48, VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_amid_a_batch_taken_in_bites),
        cmocka_unit_test(test_lie_amid_a_batch_spares_what_came_before),
        cmocka_unit_test(test_slot_takes_one_shape_after_the_other),
        cmocka_unit_test(test_halves_are_those_of_the_whole),
        cmocka_unit_test(test_second_half_of_a_packed_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
