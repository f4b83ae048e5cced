/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block driver's tests with all data copied, by the fake platform and by the bounce pool: the
 * device reaches mapped memory only, and each mapping is given back once and with the values it was
 * made with. Then what is particular to platforms that map.
 */
int test_virtio_blk_main(void);
#define main test_virtio_blk_main
#include "tests/unit/test_virtio_blk.c"
#undef main

#define GRANULE VST_BOUNCE_GRANULE_BYTES

/* Each kind of ring: what is offered beyond the usual, what is refused. */
static const struct {
    uint64_t offered, refused;
} rings[] = {
    {0, 0},      {0, NO_INDIRECT},      {IN_ORDER, 0},          {IN_ORDER, NO_INDIRECT},
    {PACKED, 0}, {PACKED, NO_INDIRECT}, {PACKED | IN_ORDER, 0}, {PACKED | IN_ORDER, NO_INDIRECT},
};

static void attach_ring(struct fixture *f, size_t ring)
{
    f->blk.offered_features |= rings[ring].offered;
    f->config.refused_features |= rings[ring].refused;
    assert_int_equal(attach(f), VST_OK);
}

static void set_up_bounced(struct fixture *f, size_t bytes)
{
    dma_in_use = DMA_BOUNCED;
    bounce_bytes = bytes;
    set_up(f, false);
}

/* ------------------------------------------------------------------ maps that fail */

/**
 * A request whose third piece finds no room, then a shorter one: in a packed ring without tables the
 * device would go on into what was left of the first.
 */
static void test_map_that_fails_leaves_nothing_in_the_ring(void **state)
{
    (void)state;
    for (size_t ring = 0; ring < VST_ARRAY_LENGTH(rings); ring++) {
        struct fixture storage, *f = &storage;
        static char data[5][512];
        struct vst_block_segment segments[5];
        dma_in_use = DMA_COPIED;
        set_up(f, true);
        f->config.queue_size = 16;
        attach_ring(f, ring);
        f->fake.fail_map_status = VST_ERR_FULL;
        for (unsigned i = 0; i < 5; i++)
            segments[i] = (struct vst_block_segment){data[i], 512};
        struct vst_block_request request = {.n_segments = 5, .segments = segments, .n_sectors = 5};
        for (unsigned round = 0; round < 40; round++) {
            struct vst_block_stats before = f->queue->stats;
            f->fake.fail_map_after = 1 + round % 4;
            assert_int_equal(vst_block_submit(f->queue, &request), VST_ERR_FULL);
            assert_int_equal(f->fake.n_mapped, 0);
            assert_memory_equal(&f->queue->stats, &before, sizeof(before));
            f->fake.fail_map_after = SIZE_MAX;
            assert_int_equal(transfer(f, VST_BLOCK_READ, data[0], round, 1), VST_OK);
            assert_memory_equal(data[0], f->blk.disk + round * 512, 512);
            fake_virtio_blk_work(&f->blk);
            assert_int_equal(f->blk.saw_misuse, false);
        }
        assert_int_equal(vst_block_execute(f->queue, &request), VST_OK);
        assert_memory_equal(data, f->blk.disk, sizeof(data));
        tear_down(f);
    }
}

/** What carries ranges carries none of the caller's memory: nothing is mapped, nothing unmapped. */
static void test_ranges_are_not_mapped(void **state)
{
    static const struct vst_block_range range = {40, 8};

    (void)state;
    for (size_t ring = 0; ring < VST_ARRAY_LENGTH(rings); ring++) {
        struct fixture storage, *f = &storage;
        char buffer[512];
        dma_in_use = DMA_COPIED;
        set_up(f, true);
        f->config.queue_size = 16;
        f->blk.offered_features |= VIRTIO_BIT(VIRTIO_BLK_F_DISCARD);
        fake_virtio_blk_set_config32(&f->blk, VIRTIO_BLK_CONFIG_MAX_DISCARD_SECTORS, 64);
        fake_virtio_blk_set_config32(&f->blk, VIRTIO_BLK_CONFIG_MAX_DISCARD_SEG, 1);
        attach_ring(f, ring);
        for (unsigned round = 0; round < 40; round++) {
            size_t before = f->fake.n_maps;
            /* The fake device does not know the command, which makes no odds here. */
            assert_int_equal(vst_block_on_range(f->queue, VST_BLOCK_DISCARD, range, NULL),
                             VST_ERR_UNSUPPORTED);
            assert_int_equal(f->fake.n_maps, before);
            assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, round, 1), VST_OK);
            assert_memory_equal(buffer, f->blk.disk + round * 512, 512);
        }
        tear_down(f);
    }
}

/* ------------------------------------------------------------------ a pool that is too small */

static void test_full_pool_says_full_and_a_retry_succeeds(void **state)
{
    (void)state;
    for (size_t ring = 0; ring < VST_ARRAY_LENGTH(rings); ring++) {
        struct fixture storage, *f = &storage;
        struct vst_block_request requests[4], *done[4];
        struct vst_block_segment segments[4];
        static uint8_t data[4][512];
        set_up_bounced(f, 3 * GRANULE);
        attach_ring(f, ring);
        f->blk.answers_nothing = true;
        for (unsigned i = 0; i < 4; i++) {
            requests[i] = transfer_request(VST_BLOCK_READ, &segments[i], data[i], 10 + i, 1);
            assert_int_equal(vst_block_submit(f->queue, &requests[i]),
                             i < 3 ? VST_OK : VST_ERR_FULL);
        }
        assert_int_equal(f->queue->stats.commands[VST_BLOCK_READ], 3);
        vst_block_kick(f->queue);
        assert_int_equal(vst_block_submit(f->queue, &requests[3]), VST_ERR_FULL);
        fake_virtio_blk_answer_all(&f->blk);
        assert_int_equal(vst_block_poll(f->queue, done, 4), 3);
        assert_int_equal(vst_block_submit(f->queue, &requests[3]), VST_OK);
        vst_block_kick(f->queue);
        fake_virtio_blk_answer_all(&f->blk);
        assert_int_equal(vst_block_poll(f->queue, done, 4), 1);
        assert_memory_equal(data, f->blk.disk + 10 * 512, sizeof(data));
        assert_int_equal(f->bounce.n_full, 2);
        f->blk.answers_nothing = false;
        tear_down(f);
    }
}

static void test_request_beyond_the_pool_is_split_to_fit(void **state)
{
    static const unsigned granules[] = {1, 2, 3, 16, 100};
    (void)state;
    for (size_t ring = 0; ring < VST_ARRAY_LENGTH(rings); ring++)
        for (size_t i = 0; i < VST_ARRAY_LENGTH(granules); i++) {
            struct fixture storage, *f = &storage;
            static uint8_t data[1 << 20];
            set_up_bounced(f, granules[i] * GRANULE);
            attach_ring(f, ring);
            assert_int_equal(transfer(f, VST_BLOCK_READ, data, 1, sizeof(data) / 512), VST_OK);
            assert_memory_equal(data, f->blk.disk + 512, sizeof(data));
            assert_int_equal(transfer(f, VST_BLOCK_WRITE, data, 1500, sizeof(data) / 512), VST_OK);
            assert_memory_equal(data, f->blk.disk + 1500 * 512, sizeof(data));
            assert_true(f->blk.max_segment_bytes <= f->platform->dma_max_map_bytes);
            assert_true(f->blk.max_data_segments <= f->platform->dma_max_maps);
            tear_down(f);
        }
}

/** Pieces of any length and address, which take more room than they have bytes. */
static void test_scattered_request_is_split_to_fit(void **state)
{
    (void)state;
    for (size_t ring = 0; ring < VST_ARRAY_LENGTH(rings); ring++) {
        struct fixture storage, *f = &storage;
        static uint8_t data[64 * 1024];
        struct vst_block_segment segments[400];
        size_t at = 0;
        uint32_t n = 0;
        set_up_bounced(f, 16 * GRANULE);
        attach_ring(f, ring);
        for (; at < sizeof(data); n++) {
            size_t bytes = 128 + n * 37 % 400;
            bytes = bytes < sizeof(data) - at ? bytes : sizeof(data) - at;
            segments[n] = (struct vst_block_segment){data + at, bytes};
            at += bytes;
        }
        struct vst_block_request request = {
            .n_segments = n, .segments = segments, .start_sector = 7, .n_sectors = 128};
        assert_int_equal(vst_block_execute(f->queue, &request), VST_OK);
        assert_memory_equal(data, f->blk.disk + 7 * 512, sizeof(data));
        tear_down(f);
    }
}

/** Others hold the pool: a split request is taken and waits, without a command of its own in flight. */
static void test_split_request_waits_for_room_that_others_hold(void **state)
{
    struct fixture storage, *f = &storage;
    struct vst_block_segment segment;
    struct vst_block_request *done;
    static uint8_t data[512 * 512], other[GRANULE];
    uint64_t bus_addrs[4];

    (void)state;
    set_up_bounced(f, 4 * GRANULE);
    assert_int_equal(attach(f), VST_OK);
    const struct vst_platform *platform = f->platform;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(platform->dma_map(platform->ctx, other, sizeof(other), VST_DMA_TO_DEVICE,
                                           &bus_addrs[i]),
                         VST_OK);
    struct vst_block_request request = transfer_request(VST_BLOCK_READ, &segment, data, 3, 512);
    unsigned before = f->blk.n_requests;
    assert_int_equal(vst_block_submit(f->queue, &request), VST_OK);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(vst_block_poll(f->queue, &done, 1), 0);
    assert_int_equal(f->blk.n_requests, before);
    assert_true(vst_block_arm(f->queue)); /* nobody would wake us: do not sleep */
    vst_block_disarm(f->queue);
    for (unsigned i = 1; i < 3; i++)
        platform->dma_unmap(platform->ctx, other, sizeof(other), VST_DMA_TO_DEVICE, bus_addrs[i]);
    for (unsigned looks = 0; vst_block_poll(f->queue, &done, 1) == 0; looks++)
        assert_true(looks < 1000);
    assert_ptr_equal(done, &request);
    assert_int_equal(request.status, VST_OK);
    assert_memory_equal(data, f->blk.disk + 3 * 512, sizeof(data));
    for (unsigned i = 0; i < 4; i += 3)
        platform->dma_unmap(platform->ctx, other, sizeof(other), VST_DMA_TO_DEVICE, bus_addrs[i]);
    tear_down(f);
}

/** Not "full now" but "never": said at attach, clearly. */
static void test_pool_below_a_logical_block_is_refused(void **state)
{
    struct fixture storage, *f = &storage;

    (void)state;
    set_up_bounced(f, GRANULE);
    fake_virtio_blk_set_config32(&f->blk, VIRTIO_BLK_CONFIG_BLK_SIZE, 8192);
    assert_int_equal(attach(f), VST_ERR_MALFORMED);
    assert_non_null(strstr(f->fake.all_logs, "largest segment (bytes) of 4096"));
    tear_down(f);
}

/** Attach waits for others; if they never let go, the disk has no serial number, which is said. */
static void test_serial_number_waits_for_room(void **state)
{
    (void)state;
    for (int ever = 0; ever < 2; ever++) {
        struct fixture storage, *f = &storage;
        dma_in_use = DMA_COPIED;
        set_up(f, true);
        f->fake.ns_per_look = 1000000;
        f->fake.fail_map_status = VST_ERR_FULL;
        f->fake.fail_maps_first = ever ? 100 : SIZE_MAX;
        assert_int_equal(attach(f), VST_OK);
        assert_string_equal(f->device->serial, ever ? "fake-0001" : "");
        assert_int_equal(strstr(f->fake.all_logs, "no room to ask for the serial") == NULL, ever);
        f->fake.fail_maps_first = 0;
        char buffer[512];
        assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, 5, 1), VST_OK);
        assert_memory_equal(buffer, f->blk.disk + 5 * 512, 512);
        tear_down(f);
    }
}

/* ------------------------------------------------------------------ a device that does not let go */

static void test_silence_names_the_iommu_where_there_may_be_one(void **state)
{
    (void)state;
    for (int through = 0; through < 2; through++) {
        struct fixture storage, *f = &storage;
        dma_in_use = DMA_AS_ASKED;
        set_up(f, false);
        f->config.timeout_ns = 30000000000;
        f->fake.ns_per_look = 1000000;
        if (through)
            f->blk.offered_features |= VIRTIO_BIT(VIRTIO_F_ACCESS_PLATFORM);
        f->blk.lie = LIE_SILENCE;
        assert_int_equal(attach(f), VST_ERR_TIMEOUT);
        assert_non_null(strstr(f->fake.all_logs, "no answer to GET_ID"));
        assert_int_equal(strstr(f->fake.all_logs, "IOMMU") != NULL, through);
        tear_down(f);
    }
}

/** What it writes once the request has come back reaches nobody. */
static void test_late_writes_of_the_device_reach_nobody(void **state)
{
    struct fixture storage, *f = &storage;
    static uint8_t data[2 * 512];

    (void)state;
    set_up_bounced(f, 4 * GRANULE);
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(transfer(f, VST_BLOCK_READ, data, 9, 2), VST_OK);
    memset(f->bounce.pool, 0x66, 4 * GRANULE);
    assert_memory_equal(data, f->blk.disk + 9 * 512, sizeof(data));
    assert_int_equal(transfer(f, VST_BLOCK_WRITE, data, 50, 1), VST_OK);
    assert_memory_equal(data, f->blk.disk + 50 * 512, 512);
    memset(f->bounce.pool, 0, 4 * GRANULE);
    tear_down(f);
}

static int run_tight(size_t n_granules)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_traffic_in_every_shape),
        cmocka_unit_test(test_seg_max_absent_means_one_segment_nanos_1730),
        cmocka_unit_test(test_size_max_cuts_segments),
        cmocka_unit_test(test_error_names_the_sector_and_spares_the_neighbours),
        cmocka_unit_test(test_flush),
        cmocka_unit_test(test_buffers_stay_mapped_until_the_device_has_let_go),
        cmocka_unit_test(test_split_request_ends_when_the_device_dies),
        cmocka_unit_test(test_silence_at_attach),
    };

    bounce_bytes = n_granules * GRANULE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest particular[] = {
        cmocka_unit_test(test_map_that_fails_leaves_nothing_in_the_ring),
        cmocka_unit_test(test_ranges_are_not_mapped),
        cmocka_unit_test(test_full_pool_says_full_and_a_retry_succeeds),
        cmocka_unit_test(test_request_beyond_the_pool_is_split_to_fit),
        cmocka_unit_test(test_scattered_request_is_split_to_fit),
        cmocka_unit_test(test_split_request_waits_for_room_that_others_hold),
        cmocka_unit_test(test_pool_below_a_logical_block_is_refused),
        cmocka_unit_test(test_serial_number_waits_for_room),
        cmocka_unit_test(test_silence_names_the_iommu_where_there_may_be_one),
        cmocka_unit_test(test_late_writes_of_the_device_reach_nobody),
    };
    int n_failed = 0;

    for (dma_in_use = DMA_COPIED; dma_in_use <= DMA_BOUNCED; dma_in_use++)
        n_failed += test_virtio_blk_main();
    dma_in_use = DMA_BOUNCED;
    n_failed += run_tight(1) + run_tight(5);
    return n_failed + cmocka_run_group_tests(particular, NULL, NULL);
}
