/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk: commands on ranges, durable writes and lifetime, against a device that is strict about
 * what it is sent; over every kind of ring, with buffers mapped and not. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/virtio_blk.h"
#include "tests/unit/fake_ranges.h"
#include "tests/unit/ring_variants.h"

#define DISK_SECTORS 8192u
#define PATTERN      0xa5u

struct fixture {
    const struct ring_variant *variant;
    struct fake_platform fake;
    struct fake_virtio_blk blk;
    struct fake_ranges ranges;
    struct vst_virtio_blk_config config;
    struct vst_block_device *device;
    struct vst_block_queue *queue;
};

static void set_up(struct fixture *f, const struct ring_variant *variant)
{
    *f = (struct fixture){.variant = variant};
    fake_platform_init(&f->fake, variant->copying);
    fake_virtio_blk_init(&f->blk, &f->fake, DISK_SECTORS);
    fake_ranges_offer(&f->ranges, &f->blk);
    f->blk.offered_features |= variant->more;
    f->blk.in_order_batches = variant->in_batches;
    f->config = (struct vst_virtio_blk_config){.timeout_ns = 50000000,
                                               .refused_features = variant->refused};
    memset(f->blk.disk, PATTERN, DISK_SECTORS * 512);
}

static void attach(struct fixture *f)
{
    assert_int_equal(
        vst_virtio_blk_attach(&f->fake.platform, &f->blk.function, &f->config, &f->device), VST_OK);
    f->queue = f->device->queues[0];
    f->ranges.n_types = 0; /* GET_ID */
}

/** Everything given back, no rule broken. */
static void tear_down(struct fixture *f)
{
    if (f->device != NULL)
        vst_virtio_blk_detach(f->device);
    assert_int_equal(f->fake.n_mapped, 0);
    assert_int_equal(f->fake.n_allocated, 0);
    if (f->blk.saw_misuse)
        fail_msg("%s: the device saw: %s", f->variant->name, f->blk.misuse);
    fake_virtio_blk_destroy(&f->blk);
}

static void on_every_ring(void (*body)(struct fixture *f))
{
    static struct fixture fixture; /* large */

    for (size_t i = 0; i < VST_ARRAY_LENGTH(ring_variants); i++) {
        set_up(&fixture, &ring_variants[i]);
        body(&fixture);
        tear_down(&fixture);
    }
}

#define ON_EVERY_RING(test)                                                                        \
    static void test##_body(struct fixture *f);                                                    \
    static void test(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        on_every_ring(test##_body);                                                                \
    }                                                                                              \
    static void test##_body(struct fixture *f)

static bool is_direct(const struct fixture *f)
{
    return (f->config.refused_features & NO_INDIRECT) != 0;
}

static enum vst_status execute(struct fixture *f, enum vst_block_op op,
                               const struct vst_block_range *ranges, uint32_t n)
{
    struct vst_block_request request = {.op = op, .n_segments = n, .ranges = ranges};

    for (uint32_t i = 0; i < n; i++)
        request.n_sectors += ranges[i].n_sectors;
    return vst_block_execute(f->queue, &request);
}

static bool sector_is(const struct fixture *f, uint64_t sector, uint8_t value)
{
    for (size_t i = 0; i < 512; i++)
        if (f->blk.disk[sector * 512 + i] != value)
            return false;
    return true;
}

/** The ranges hold `inside`, all else what the disk held at first. */
static void expect_disk(const struct fixture *f, const struct vst_block_range *ranges, uint32_t n,
                        uint8_t inside)
{
    for (uint64_t sector = 0; sector < DISK_SECTORS; sector++) {
        bool is_inside = false;
        for (uint32_t i = 0; i < n; i++)
            is_inside |= sector - ranges[i].start_sector < ranges[i].n_sectors;
        if (!sector_is(f, sector, is_inside ? inside : PATTERN))
            fail_msg("%s: sector %lu", f->variant->name, (unsigned long)sector);
    }
}

/* ------------------------------------------------------------------ what arrives */

ON_EVERY_RING(test_each_kind_does_its_own_and_no_more)
{
    static const struct {
        enum vst_block_op op;
        uint8_t type, flags, inside;
    } kinds[] = {
        {VST_BLOCK_DISCARD, 11, 0, FAKE_DISCARDED},
        {VST_BLOCK_WRITE_ZEROES, 13, 1, 0},
        {VST_BLOCK_WRITE_ZEROES_KEEP, 13, 0, 0},
        {VST_BLOCK_SECURE_ERASE, 14, 0, FAKE_ERASED},
    };
    static const struct vst_block_range range = {17, 333};

    attach(f);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(kinds); i++) {
        memset(f->blk.disk, PATTERN, DISK_SECTORS * 512);
        f->ranges.n_seen = 0;
        assert_int_equal(vst_block_on_range(f->queue, kinds[i].op, range, NULL), VST_OK);
        expect_disk(f, &range, 1, kinds[i].inside);
        assert_int_equal(f->ranges.n_seen, 1);
        assert_int_equal(f->ranges.seen[0].type, kinds[i].type);
        assert_int_equal(f->ranges.seen[0].flags, kinds[i].flags);
        assert_int_equal(f->queue->stats.commands[kinds[i].op], 1);
        assert_int_equal(f->queue->stats.sectors[kinds[i].op], 333);
    }
}

ON_EVERY_RING(test_no_unmap_flag_where_the_device_says_that_it_never_unmaps)
{
    static const struct vst_block_range range = {0, 8};

    f->blk.config[56] = 0;
    attach(f);
    assert_false(f->device->limits.zeroes_may_unmap);
    assert_int_equal(execute(f, VST_BLOCK_WRITE_ZEROES, &range, 1), VST_OK);
    assert_int_equal(f->ranges.seen[0].flags, 0);
}

ON_EVERY_RING(test_many_ranges_share_commands)
{
    struct vst_block_range ranges[20];

    attach(f);
    for (uint32_t i = 0; i < 20; i++)
        ranges[i] = (struct vst_block_range){100 * i, 1 + i};
    assert_int_equal(f->device->limits.discard.max_ranges, is_direct(f) ? 1 : 8);
    assert_int_equal(execute(f, VST_BLOCK_DISCARD, ranges, 20), VST_OK);
    assert_int_equal(f->ranges.n_commands, is_direct(f) ? 20 : 3);
    assert_int_equal(f->ranges.n_seen, 20);
    expect_disk(f, ranges, 20, FAKE_DISCARDED);
}

/** What the device takes, and what a slot has room for: the lesser. */
ON_EVERY_RING(test_ranges_keep_to_the_room_of_a_slot)
{
    static struct vst_block_range ranges[64];
    static const uint16_t max_segments[] = {1, 2, 3, 30};

    f->ranges.discard = (struct fake_range_limits){0, 0};
    fake_virtio_blk_set_config32(&f->blk, 36, UINT32_MAX);
    fake_virtio_blk_set_config32(&f->blk, 40, UINT32_MAX);
    for (size_t k = 0; k < VST_ARRAY_LENGTH(max_segments); k++) {
        f->config.max_segments = max_segments[k];
        attach(f);
        uint16_t room = max_segments[k] < 3 ? 1 : (uint16_t)(max_segments[k] - 1);
        assert_int_equal(f->device->limits.discard.max_ranges, is_direct(f) ? 1 : room);
        memset(f->blk.disk, PATTERN, DISK_SECTORS * 512);
        f->ranges.n_seen = 0;
        for (uint32_t i = 0; i < 64; i++)
            ranges[i] = (struct vst_block_range){2 * i, 1};
        assert_int_equal(execute(f, VST_BLOCK_DISCARD, ranges, 64), VST_OK);
        expect_disk(f, ranges, 64, FAKE_DISCARDED);
        if (k + 1 < VST_ARRAY_LENGTH(max_segments)) {
            vst_virtio_blk_detach(f->device);
            f->device = NULL;
        }
    }
}

ON_EVERY_RING(test_long_ranges_are_cut_at_the_alignment)
{
    static const struct vst_block_range range = {3, 5000};

    fake_virtio_blk_set_config32(&f->blk, 44, 64);
    attach(f);
    assert_int_equal(execute(f, VST_BLOCK_DISCARD, &range, 1), VST_OK);
    expect_disk(f, &range, 1, FAKE_DISCARDED);
    for (unsigned i = 1; i < f->ranges.n_seen; i++)
        assert_int_equal(f->ranges.seen[i].sector % 64, 0);
}

/** More parts than the ring takes at once: they follow as room comes up. */
ON_EVERY_RING(test_more_parts_than_the_ring_holds)
{
    static const struct vst_block_range range = {0, DISK_SECTORS};

    f->ranges.zeroes.max_sectors = 20;
    fake_virtio_blk_set_config32(&f->blk, 48, 20);
    f->ranges.zeroes.max_ranges = 1;
    fake_virtio_blk_set_config32(&f->blk, 52, 1);
    f->config.queue_size = 16;
    attach(f);
    assert_int_equal(execute(f, VST_BLOCK_WRITE_ZEROES, &range, 1), VST_OK);
    assert_int_equal(f->ranges.n_seen, (DISK_SECTORS + 19) / 20);
    expect_disk(f, &range, 1, 0);
}

/** Ranges stand where a slot's table was: what the slot carries next must not feel it. */
ON_EVERY_RING(test_slots_carry_data_again_after_ranges)
{
    static uint8_t buffer[4096];
    struct vst_block_segment segment = {buffer, sizeof(buffer)};
    struct vst_block_range ranges[8];

    f->config.queue_size = 8;
    attach(f);
    for (uint32_t i = 0; i < 8; i++)
        ranges[i] = (struct vst_block_range){4096 + 16 * i, 1};
    for (unsigned round = 0; round < 40; round++) {
        struct vst_block_request request = {.op = round & 1 ? VST_BLOCK_READ : VST_BLOCK_WRITE,
                                            .n_segments = 1,
                                            .segments = &segment,
                                            .start_sector = 8 * (round / 2),
                                            .n_sectors = 8};
        if (!(round & 1))
            memset(buffer, (int)round, sizeof(buffer));
        assert_int_equal(vst_block_execute(f->queue, &request), VST_OK);
        assert_int_equal(buffer[0], round & ~1u);
        assert_int_equal(buffer[4095], round & ~1u);
        memset(buffer, 0xff, sizeof(buffer));
        assert_int_equal(execute(f, VST_BLOCK_SECURE_ERASE, ranges, 8), VST_OK);
    }
    for (uint64_t sector = 0; sector < 160; sector++)
        assert_true(sector_is(f, sector, (uint8_t)(sector / 8 * 2)));
}

/* ------------------------------------------------------------------ limits */

/** A limit of 0 is none, as with devices that do not fill it in. */
ON_EVERY_RING(test_limits_of_zero_cloud_hypervisor_7852)
{
    static const struct vst_block_range ranges[] = {{0, 3000}, {4000, 8}};

    for (unsigned at = 36; at <= 60; at += 12) {
        fake_virtio_blk_set_config32(&f->blk, at, 0);
        fake_virtio_blk_set_config32(&f->blk, at + 4, 0);
    }
    fake_virtio_blk_set_config32(&f->blk, 44, 0);
    f->ranges.discard = f->ranges.zeroes = f->ranges.erase = (struct fake_range_limits){0, 1};
    attach(f);
    assert_non_null(strstr(f->fake.all_logs, "discard: a limit of 0 is taken for none"));
    assert_int_equal(execute(f, VST_BLOCK_DISCARD, ranges, 2), VST_OK);
    assert_int_equal(execute(f, VST_BLOCK_WRITE_ZEROES, ranges, 2), VST_OK);
    assert_int_equal(execute(f, VST_BLOCK_SECURE_ERASE, ranges, 2), VST_OK);
    assert_int_equal(f->ranges.n_commands, 6);
    expect_disk(f, ranges, 2, FAKE_ERASED);
}

/** Less than a block at once can't be kept; nor an alignment that cuts blocks. */
ON_EVERY_RING(test_limits_that_cut_blocks)
{
    static const struct vst_block_range range = {8, 4000};

    fake_virtio_blk_set_config32(&f->blk, 20, 4096);
    fake_virtio_blk_set_config32(&f->blk, 36, 7);
    fake_virtio_blk_set_config32(&f->blk, 48, 1007);
    f->ranges.zeroes.max_sectors = 1007;
    fake_virtio_blk_set_config32(&f->blk, 68, 12);
    attach(f);
    assert_non_null(strstr(f->fake.all_logs, "discard: not even one block of 4096 bytes"));
    assert_int_equal(execute(f, VST_BLOCK_DISCARD, &range, 1), VST_ERR_UNSUPPORTED);
    assert_int_equal(f->device->limits.zeroes.max_sectors, 1000);
    assert_int_equal(f->device->limits.erase.alignment_sectors, 0);
    assert_int_equal(execute(f, VST_BLOCK_WRITE_ZEROES, &range, 1), VST_OK);
    assert_int_equal(execute(f, VST_BLOCK_SECURE_ERASE, &range, 1), VST_OK);
    expect_disk(f, &range, 1, FAKE_ERASED);
}

ON_EVERY_RING(test_what_was_not_offered_is_not_sent)
{
    static const struct vst_block_range range = {0, 8};
    struct vst_virtio_blk_lifetime lifetime;

    f->config.refused_features |=
        VIRTIO_BIT(VIRTIO_BLK_F_DISCARD) | VIRTIO_BIT(VIRTIO_BLK_F_WRITE_ZEROES) |
        VIRTIO_BIT(VIRTIO_BLK_F_SECURE_ERASE) | VIRTIO_BIT(VIRTIO_BLK_F_LIFETIME);
    attach(f);
    for (enum vst_block_op op = VST_BLOCK_DISCARD; op <= VST_BLOCK_SECURE_ERASE; op++)
        assert_int_equal(execute(f, op, &range, 1), VST_ERR_UNSUPPORTED);
    assert_int_equal(vst_virtio_blk_lifetime(f->queue, &lifetime), VST_ERR_UNSUPPORTED);
    assert_int_equal(f->ranges.n_types, 0);
}

ON_EVERY_RING(test_read_only_devices_keep_their_data)
{
    static const struct vst_block_range range = {0, 8};

    f->blk.offered_features |= VIRTIO_BIT(VIRTIO_BLK_F_RO);
    attach(f);
    for (enum vst_block_op op = VST_BLOCK_DISCARD; op <= VST_BLOCK_SECURE_ERASE; op++)
        assert_int_equal(execute(f, op, &range, 1), VST_ERR_READ_ONLY);
    assert_int_equal(f->ranges.n_types, 0);
}

/* ------------------------------------------------------------------ failures */

ON_EVERY_RING(test_the_failing_part_is_named_and_its_neighbours_succeed)
{
    static const struct vst_block_range range = {0, 4000};
    uint64_t error_sector = 0;

    f->ranges.zeroes.max_ranges = 1;
    fake_virtio_blk_set_config32(&f->blk, 52, 1);
    f->ranges.fail_sector = 2500;
    attach(f);
    assert_int_equal(vst_block_on_range(f->queue, VST_BLOCK_WRITE_ZEROES, range, &error_sector),
                     VST_ERR_IO);
    assert_int_equal(error_sector, 2000);
    assert_int_equal(f->queue->stats.errors, 1);
    for (uint64_t sector = 0; sector < 4000; sector++)
        assert_true(sector_is(f, sector, sector >= 2000 && sector < 3000 ? PATTERN : 0));
}

ON_EVERY_RING(test_answers_are_told)
{
    static const struct vst_block_range range = {0, 8};
    static const struct {
        uint8_t answer;
        enum vst_status status;
    } cases[] = {{1, VST_ERR_IO},
                 {2, VST_ERR_UNSUPPORTED},
                 {3, VST_ERR_MALFORMED},
                 {6, VST_ERR_MALFORMED},
                 {0xff, VST_ERR_MALFORMED}};

    attach(f);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        f->ranges.answer = cases[i].answer;
        assert_int_equal(execute(f, VST_BLOCK_DISCARD, &range, 1), cases[i].status);
    }
    expect_disk(f, NULL, 0, 0);
}

ON_EVERY_RING(test_silence_ends_every_request_once)
{
    struct vst_block_range ranges[3] = {{0, 8}, {100, 2500}, {4000, 8}};
    struct vst_block_request requests[3], *done[8];
    size_t n = 0;

    attach(f);
    f->blk.lie = LIE_SILENCE;
    for (unsigned i = 0; i < 3; i++) {
        requests[i] = (struct vst_block_request){.op = VST_BLOCK_DISCARD + i,
                                                 .n_segments = 1,
                                                 .ranges = &ranges[i],
                                                 .n_sectors = ranges[i].n_sectors};
        assert_int_equal(vst_block_submit(f->queue, &requests[i]), VST_OK);
    }
    vst_block_kick(f->queue);
    for (unsigned polls = 0; n < 3 && polls < 1000000; polls++)
        n += vst_block_poll(f->queue, done + n, 8 - n);
    assert_int_equal(n, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(requests[i].status, VST_ERR_TIMEOUT);
    assert_int_equal(vst_block_poll(f->queue, done, 8), 0);
}

/* ------------------------------------------------------------------ durable writes */

static enum vst_status write_durably(struct fixture *f, uint64_t sector, uint64_t n_sectors,
                                     uint8_t value, struct vst_block_request *request)
{
    uint8_t *buffer = malloc(n_sectors * 512);
    struct vst_block_segment segment = {buffer, n_sectors * 512};

    memset(buffer, value, n_sectors * 512);
    *request = (struct vst_block_request){.op = VST_BLOCK_WRITE_DURABLE,
                                          .n_segments = 1,
                                          .segments = &segment,
                                          .start_sector = sector,
                                          .n_sectors = n_sectors};
    enum vst_status status = vst_block_execute(f->queue, request);
    free(buffer);
    return status;
}

ON_EVERY_RING(test_a_durable_write_is_a_write_and_then_a_flush)
{
    static const struct vst_block_range range = {40, 24};
    struct vst_block_request request;

    attach(f);
    assert_int_equal(write_durably(f, 40, 24, 0x3c, &request), VST_OK);
    assert_int_equal(f->ranges.n_types, 2);
    assert_int_equal(f->ranges.types[0], 1);
    assert_int_equal(f->ranges.types[1], 4);
    expect_disk(f, &range, 1, 0x3c);
    assert_int_equal(f->queue->stats.commands[VST_BLOCK_WRITE], 1);
    assert_int_equal(f->queue->stats.sectors[VST_BLOCK_WRITE], 24);
    assert_int_equal(f->queue->stats.commands[VST_BLOCK_FLUSH], 1);
}

ON_EVERY_RING(test_one_flush_for_all_parts_of_a_durable_write)
{
    static const struct vst_block_range range = {8, 1024};
    struct vst_block_request request;

    f->blk.offered_features |= VIRTIO_BIT(VIRTIO_BLK_F_SIZE_MAX);
    fake_virtio_blk_set_config32(&f->blk, 8, 4096);
    f->config.max_segments = 4;
    f->config.queue_size = 8;
    f->blk.reorders = !(f->variant->more & IN_ORDER);
    attach(f);
    assert_int_equal(write_durably(f, 8, 1024, 0x3c, &request), VST_OK);
    assert_int_equal(f->ranges.n_types, 33); /* 32 writes of 16 KiB, and the flush */
    assert_int_equal(f->ranges.types[32], 4);
    assert_int_equal(f->blk.n_flushes, 1);
    expect_disk(f, &range, 1, 0x3c);
}

/** Also with the cache switched off: it may have been on when the write was carried out. */
ON_EVERY_RING(test_durable_writes_with_the_cache_off_and_on)
{
    struct vst_block_request request;

    f->blk.offered_features |= VIRTIO_BIT(VIRTIO_BLK_F_CONFIG_WCE);
    f->blk.config[32] = 1;
    attach(f);
    assert_int_equal(vst_block_set_write_cache(f->device, false), VST_OK);
    assert_false(f->device->write_cache);
    f->ranges.n_types = 0;
    assert_int_equal(write_durably(f, 0, 8, 1, &request), VST_OK);
    assert_int_equal(f->ranges.types[f->ranges.n_types - 1], 4);
    assert_int_equal(vst_block_set_write_cache(f->device, true), VST_OK);
    f->ranges.n_types = 0;
    assert_int_equal(write_durably(f, 0, 8, 2, &request), VST_OK);
    assert_int_equal(f->ranges.n_types, 2);
    assert_int_equal(f->ranges.types[1], 4);
    assert_true(sector_is(f, 7, 2));
}

ON_EVERY_RING(test_without_a_cache_a_write_is_durable_by_itself)
{
    struct vst_block_request request;

    f->config.refused_features |= VIRTIO_BIT(VIRTIO_BLK_F_FLUSH);
    attach(f);
    assert_int_equal(write_durably(f, 0, 8, 1, &request), VST_OK);
    assert_int_equal(f->ranges.n_types, 1);
    assert_true(sector_is(f, 7, 1));
}

ON_EVERY_RING(test_durable_writes_that_fail)
{
    struct vst_block_request request;

    attach(f);
    f->blk.fail_sector = 20;
    assert_int_equal(write_durably(f, 16, 8, 1, &request), VST_ERR_IO);
    assert_int_equal(request.error_sector, 16);
    assert_int_equal(f->blk.n_flushes, 0);
    f->blk.fail_sector = UINT64_MAX;
    f->blk.fails_flushes = true;
    assert_int_equal(write_durably(f, 16, 8, 1, &request), VST_ERR_IO);
    assert_int_equal(request.error_sector, 16);
    assert_int_equal(f->blk.n_flushes, 1);
}

/* ------------------------------------------------------------------ lifetime */

ON_EVERY_RING(test_lifetime_is_told)
{
    struct vst_virtio_blk_lifetime lifetime = {0};

    attach(f);
    assert_true(f->device->tells_lifetime);
    assert_int_equal(vst_virtio_blk_lifetime(f->queue, &lifetime), VST_OK);
    assert_int_equal(lifetime.pre_eol_info, 1);
    assert_int_equal(lifetime.device_lifetime_est_typ_a, 3);
    assert_int_equal(lifetime.device_lifetime_est_typ_b, 11);
    assert_int_equal(f->ranges.n_lifetimes, 1);
    assert_int_equal(f->queue->stats.commands[VST_BLOCK_LIFETIME], 1);
}

ON_EVERY_RING(test_lifetimes_that_make_no_sense)
{
    static const uint16_t reserved[][3] = {{4, 0, 0}, {0, 12, 0}, {0, 0, 12}, {0, 0x0100, 0}};
    struct vst_virtio_blk_lifetime lifetime = {7, 7, 7};

    attach(f);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(reserved); i++) {
        memcpy(f->ranges.lifetime, reserved[i], sizeof(f->ranges.lifetime));
        assert_int_equal(vst_virtio_blk_lifetime(f->queue, &lifetime), VST_ERR_MALFORMED);
    }
    f->ranges.tells_nothing = true;
    if (!f->variant->copying) /* a copy comes back as zeroes, which say that nothing is told */
        assert_int_equal(vst_virtio_blk_lifetime(f->queue, &lifetime), VST_ERR_MALFORMED);
    f->ranges.answer = 1;
    assert_int_equal(vst_virtio_blk_lifetime(f->queue, &lifetime), VST_ERR_IO);
    assert_int_equal(lifetime.pre_eol_info, 7);
}

/** What is no room for an answer never gets to the device. */
ON_EVERY_RING(test_requests_for_the_lifetime_are_checked)
{
    static uint8_t answer[6];
    struct vst_block_segment segment = {answer, sizeof(answer)};
    const struct vst_block_request good = {
        .op = VST_BLOCK_LIFETIME, .n_segments = 1, .segments = &segment};
    struct vst_block_request request = good;

    attach(f);
    request.n_sectors = 1;
    assert_int_equal(vst_block_submit(f->queue, &request), VST_ERR_INVALID);
    request = good;
    request.start_sector = 1;
    assert_int_equal(vst_block_submit(f->queue, &request), VST_ERR_INVALID);
    request = good;
    request.n_segments = 0;
    assert_int_equal(vst_block_submit(f->queue, &request), VST_ERR_INVALID);
    request = good;
    segment.bytes = 0;
    assert_int_equal(vst_block_submit(f->queue, &request), VST_ERR_INVALID);
    segment.bytes = sizeof(answer);
    assert_int_equal(vst_block_execute(f->queue, &request), VST_OK);
    assert_memory_equal(answer, f->ranges.lifetime, 6);
}

int main(void)
{
    static const struct CMUnitTest arrive[] = {
        cmocka_unit_test(test_each_kind_does_its_own_and_no_more),
        cmocka_unit_test(test_no_unmap_flag_where_the_device_says_that_it_never_unmaps),
        cmocka_unit_test(test_many_ranges_share_commands),
        cmocka_unit_test(test_ranges_keep_to_the_room_of_a_slot),
        cmocka_unit_test(test_long_ranges_are_cut_at_the_alignment),
        cmocka_unit_test(test_more_parts_than_the_ring_holds),
        cmocka_unit_test(test_slots_carry_data_again_after_ranges),
    };
    static const struct CMUnitTest limits[] = {
        cmocka_unit_test(test_limits_of_zero_cloud_hypervisor_7852),
        cmocka_unit_test(test_limits_that_cut_blocks),
        cmocka_unit_test(test_what_was_not_offered_is_not_sent),
        cmocka_unit_test(test_read_only_devices_keep_their_data),
    };
    static const struct CMUnitTest failures[] = {
        cmocka_unit_test(test_the_failing_part_is_named_and_its_neighbours_succeed),
        cmocka_unit_test(test_answers_are_told),
        cmocka_unit_test(test_silence_ends_every_request_once),
    };
    static const struct CMUnitTest durable[] = {
        cmocka_unit_test(test_a_durable_write_is_a_write_and_then_a_flush),
        cmocka_unit_test(test_one_flush_for_all_parts_of_a_durable_write),
        cmocka_unit_test(test_durable_writes_with_the_cache_off_and_on),
        cmocka_unit_test(test_without_a_cache_a_write_is_durable_by_itself),
        cmocka_unit_test(test_durable_writes_that_fail),
    };
    static const struct CMUnitTest lifetime[] = {
        cmocka_unit_test(test_lifetime_is_told),
        cmocka_unit_test(test_lifetimes_that_make_no_sense),
        cmocka_unit_test(test_requests_for_the_lifetime_are_checked),
    };

    return cmocka_run_group_tests_name("ranges arrive", arrive, NULL, NULL) +
           cmocka_run_group_tests_name("limits", limits, NULL, NULL) +
           cmocka_run_group_tests_name("failures", failures, NULL, NULL) +
           cmocka_run_group_tests_name("durable writes", durable, NULL, NULL) +
           cmocka_run_group_tests_name("lifetime", lifetime, NULL, NULL);
}
