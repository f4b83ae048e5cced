/* SPDX-License-Identifier: BSD-2-Clause */
/* Zoned devices: what is negotiated, appends, reports, states, the order of writes; and reports and
 * answers that lie. Over every kind of ring, with buffers mapped and not. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/virtio_blk.h"
#include "tests/unit/fake_ranges.h"
#include "tests/unit/fake_virtio_fronts.h"
#include "tests/unit/fake_zones.h"
#include "tests/unit/ring_variants.h"

#define ZONE         1024u
#define CAPACITY     1000u /* of a sequential zone */
#define DISK_SECTORS (9u * ZONE + 512u)
#define N_ZONES      10u
#define FIRST        (2u * ZONE) /* the first sequential zone */
#define LAST         (9u * ZONE)
#define UNIT         8u /* sectors: the write granularity */

struct fixture {
    const struct ring_variant *variant;
    struct fake_platform fake;
    struct fake_virtio_blk blk;
    struct fake_zones zones;
    struct vst_virtio_blk_config config;
    struct vst_block_device *device;
    struct vst_block_queue *queue;
};

static void set_up(struct fixture *f, const struct ring_variant *variant)
{
    *f = (struct fixture){.variant = variant};
    fake_platform_init(&f->fake, variant->copying);
    fake_virtio_blk_init(&f->blk, &f->fake, DISK_SECTORS);
    fake_zones_offer(&f->zones, &f->blk);
    f->blk.offered_features |= variant->more;
    f->blk.in_order_batches = variant->in_batches;
    f->config = (struct vst_virtio_blk_config){.timeout_ns = 50000000,
                                               .refused_features = variant->refused};
}

static enum vst_status try_attach(struct fixture *f)
{
    enum vst_status status =
        vst_virtio_blk_attach(&f->fake.platform, &f->blk.function, &f->config, &f->device);

    f->queue = status == VST_OK ? f->device->queues[0] : NULL;
    return status;
}

static void attach(struct fixture *f)
{
    assert_int_equal(try_attach(f), VST_OK);
}

static void detach(struct fixture *f)
{
    if (f->device != NULL)
        vst_virtio_blk_detach(f->device);
    f->device = NULL;
}

/** Everything given back, no rule broken. */
static void tear_down(struct fixture *f)
{
    detach(f);
    assert_int_equal(f->fake.n_mapped, 0);
    assert_int_equal(f->fake.n_allocated, 0);
    if (f->blk.saw_misuse)
        fail_msg("%s: the device saw: %s", f->variant->name, f->blk.misuse);
    fake_virtio_blk_destroy(&f->blk);
}

static struct fixture fixture; /* large */

static void on_every_ring(void (*body)(struct fixture *f))
{
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

/** Where the ring makes no difference. */
#define WITH(f)                                                                                    \
    struct fixture *f = &fixture;                                                                  \
    (void)state;                                                                                   \
    set_up(f, &ring_variants[0])

static uint8_t buffer[DISK_SECTORS * 512];

static enum vst_status transfer(struct fixture *f, enum vst_block_op op, uint64_t sector,
                                uint64_t n_sectors, uint64_t *error_sector)
{
    struct vst_block_segment segment = {buffer, n_sectors * 512};
    struct vst_block_request request = {.op = op,
                                        .n_segments = 1,
                                        .segments = &segment,
                                        .start_sector = sector,
                                        .n_sectors = n_sectors};
    enum vst_status status = vst_block_execute(f->queue, &request);

    if (error_sector != NULL)
        *error_sector = request.error_sector;
    return status;
}

static enum vst_status write_at(struct fixture *f, uint64_t sector, uint64_t n_sectors)
{
    return transfer(f, VST_BLOCK_WRITE, sector, n_sectors, NULL);
}

static void fill_buffer(uint32_t seed)
{
    for (size_t i = 0; i < sizeof(buffer); i++)
        buffer[i] = (uint8_t)(seed + i * 7 + (i >> 9) * 13);
}

static bool disk_holds_buffer(const struct fixture *f, uint64_t sector, uint64_t n_sectors)
{
    return memcmp(f->blk.disk + sector * 512, buffer, n_sectors * 512) == 0;
}

static struct fake_zone *zone_at(struct fixture *f, uint64_t sector)
{
    return &f->zones.zones[sector / ZONE];
}

/* ------------------------------------------------------------------ attaching */

static bool has_feature(const struct fixture *f, const char *name)
{
    for (const char *const *feature = f->device->features; *feature != NULL; feature++)
        if (strcmp(*feature, name) == 0)
            return true;
    return false;
}

static void test_characteristics_are_told(void **state)
{
    WITH(f);
    attach(f);
    const struct vst_zone_limits *zones = &f->device->limits.zones;
    assert_int_equal(zones->model, VST_ZONE_MODEL_HOST_MANAGED);
    assert_int_equal(zones->zone_sectors, ZONE);
    assert_int_equal(zones->max_open, 3);
    assert_int_equal(zones->max_active, 4);
    assert_int_equal(zones->max_append_sectors, 64);
    assert_int_equal(zones->write_granularity_bytes, 4096);
    assert_int_equal(vst_zone_count(&f->device->limits), N_ZONES);
    assert_true(has_feature(f, "ZONED"));
    tear_down(f);
}

static void test_host_aware_devices_take_writes_anywhere(void **state)
{
    WITH(f);
    f->zones.model = 2;
    fake_zones_tell(&f->zones);
    fake_zones_divide(&f->zones, 0, CAPACITY);
    attach(f);
    assert_int_equal(f->device->limits.zones.model, VST_ZONE_MODEL_HOST_AWARE);
    fill_buffer(1);
    assert_int_equal(write_at(f, 5 * ZONE - 3, 7), VST_OK);
    assert_true(disk_holds_buffer(f, 5 * ZONE - 3, 7));
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_ZONE_OPEN, ZONE), VST_OK);
    tear_down(f);
}

/** 5.2.3: drive-managed devices offer ZONED and are as any other. */
static void test_a_device_without_a_model_is_not_zoned(void **state)
{
    WITH(f);
    struct vst_zone zone;
    size_t n;
    f->zones.model = 0;
    fake_zones_tell(&f->zones);
    attach(f);
    assert_int_equal(f->device->limits.zones.model, VST_ZONE_MODEL_NONE);
    assert_int_equal(f->device->limits.zones.zone_sectors, 0);
    assert_int_equal(vst_zone_count(&f->device->limits), 0);
    assert_int_equal(write_at(f, 5 * ZONE - 3, 7), VST_OK);
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_ZONE_RESET, 0), VST_ERR_UNSUPPORTED);
    assert_int_equal(vst_zone_append(f->queue, 0, buffer, 4096, NULL), VST_ERR_UNSUPPORTED);
    assert_int_equal(vst_zone_report(f->queue, 0, buffer, sizeof(buffer), &zone, 1, &n),
                     VST_ERR_UNSUPPORTED);
    assert_int_equal(vst_zone_report_parse(f->device, 0, buffer, sizeof(buffer), &zone, 1, &n),
                     VST_ERR_UNSUPPORTED);
    assert_int_equal(f->zones.n_managed + f->zones.n_appends + f->zones.n_reports, 0);
    tear_down(f);
}

static void test_without_the_feature_there_are_no_zones(void **state)
{
    WITH(f);
    f->zones.model = 2; /* a host-aware device may be driven without */
    fake_zones_tell(&f->zones);
    f->config.refused_features |= VIRTIO_BIT(VIRTIO_BLK_F_ZONED);
    attach(f);
    assert_int_equal(f->device->limits.zones.model, VST_ZONE_MODEL_NONE);
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_ZONE_RESET, 0), VST_ERR_UNSUPPORTED);
    tear_down(f);
}

/** 5.2.5.1: no FEATURES_OK then, and FAILED. */
static void test_a_host_managed_device_is_not_driven_without_the_feature(void **state)
{
    WITH(f);
    f->config.refused_features |= VIRTIO_BIT(VIRTIO_BLK_F_ZONED);
    assert_int_equal(try_attach(f), VST_ERR_UNSUPPORTED);
    assert_non_null(strstr(f->fake.all_logs, "host-managed zoned device"));
    unsigned seen = 0;
    for (unsigned i = 0; i < f->blk.n_status_writes; i++)
        seen |= f->blk.status_history[i];
    assert_int_equal(seen & VIRTIO_STATUS_FEATURES_OK, 0);
    assert_int_equal(seen & VIRTIO_STATUS_FAILED, VIRTIO_STATUS_FAILED);
    tear_down(f);
}

/** 5.2.5.1: DISCARD must not be accepted from a host-managed device, and may be from others. */
static void test_discard_is_not_accepted_from_a_host_managed_device(void **state)
{
    WITH(f);
    struct fake_ranges ranges;
    static const struct vst_block_range range = {FIRST, ZONE};
    fake_ranges_offer(&ranges, &f->blk);
    for (uint8_t model = 0; model < 3; model++) {
        f->zones.model = model;
        fake_zones_tell(&f->zones);
        fake_zones_divide(&f->zones, 2, CAPACITY);
        attach(f);
        bool managed = model == 1;
        enum vst_status expected = managed ? VST_ERR_UNSUPPORTED : VST_OK;
        assert_int_equal(has_feature(f, "DISCARD"), !managed);
        assert_int_equal(f->blk.n_features_written, 2 * (model + 1u)); /* at the first attempt */
        assert_int_equal(vst_block_on_range(f->queue, VST_BLOCK_DISCARD, range, NULL), expected);
        assert_int_equal(vst_block_on_range(f->queue, VST_BLOCK_WRITE_ZEROES, range, NULL),
                         expected);
        detach(f);
    }
    tear_down(f);
}

static void test_whole_zones_are_erased(void **state)
{
    WITH(f);
    struct fake_ranges ranges;
    static const struct vst_block_range good[] = {{FIRST, ZONE}, {4 * ZONE, 3 * ZONE}, {LAST, 512}};
    static const struct vst_block_range bad[] = {
        {FIRST, 512}, {FIRST + 512, ZONE - 512}, {FIRST + 8, ZONE}, {LAST, 504}};
    fake_ranges_offer(&ranges, &f->blk);
    ranges.erase.max_sectors = 2 * ZONE + 100;
    fake_virtio_blk_set_config32(&f->blk, 60, 2 * ZONE + 100);
    attach(f);
    assert_int_equal(f->device->limits.erase.max_sectors, 2 * ZONE);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(good); i++)
        assert_int_equal(vst_block_on_range(f->queue, VST_BLOCK_SECURE_ERASE, good[i], NULL),
                         VST_OK);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(bad); i++)
        assert_int_equal(vst_block_on_range(f->queue, VST_BLOCK_SECURE_ERASE, bad[i], NULL),
                         VST_ERR_INVALID);
    assert_int_equal(ranges.n_seen, 4);
    for (unsigned i = 0; i < ranges.n_seen; i++)
        assert_true(ranges.seen[i].sector % ZONE == 0 &&
                    (ranges.seen[i].n_sectors % ZONE == 0 || ranges.seen[i].sector == LAST));
    detach(f);
    fake_virtio_blk_set_config32(&f->blk, 60, ZONE - 1); /* no zone fits one command */
    attach(f);
    assert_int_equal(vst_block_on_range(f->queue, VST_BLOCK_SECURE_ERASE, good[0], NULL),
                     VST_ERR_UNSUPPORTED);
    tear_down(f);
}

/** What a host-managed device says must make sense; one that is only host-aware does without. */
static void test_characteristics_that_make_no_sense(void **state)
{
    static const struct {
        unsigned at;
        uint32_t value;
        const char *what;
    } cases[] = {
        {72, 0, "zone size"},
        {72, 1020, "zone size"}, /* no multiple of a block of 4096 */
        {88, 0, "write granularity"},
        {88, 4100, "write granularity"},
        {88, 12288, "write granularity"}, /* does not divide a zone */
        {88, 8192, "write granularity"},  /* more than a segment */
    };

    for (uint8_t model = 1; model <= 3; model++)
        for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
            WITH(f);
            f->zones.model = model;
            fake_zones_tell(&f->zones);
            f->blk.offered_features |= VIRTIO_BIT(VIRTIO_BLK_F_SIZE_MAX);
            fake_virtio_blk_set_config32(&f->blk, 8, 4096);
            fake_virtio_blk_set_config32(&f->blk, 20, 4096);
            fake_virtio_blk_set_config32(&f->blk, cases[i].at, cases[i].value);
            assert_int_equal(try_attach(f), model == 2 ? VST_OK : VST_ERR_MALFORMED);
            assert_non_null(
                strstr(f->fake.all_logs, model == 3 ? "the zone model" : cases[i].what));
            if (model == 2)
                assert_int_equal(f->device->limits.zones.model, VST_ZONE_MODEL_NONE);
            tear_down(f);
        }
}

static void test_limits_are_what_one_command_carries(void **state)
{
    static const struct {
        uint32_t block, granularity, append, size_max, max_segments, expected_granularity;
        uint32_t expected_append;
    } cases[] = {
        {512, 512, 64, 0, 30, 512, 64},
        {4096, 512, 64, 0, 30, 4096, 64}, /* finer than a block: the block counts */
        {512, 4096, 63, 0, 30, 4096, 56},
        {512, 4096, 7, 0, 30, 4096, 0}, /* not even one unit: no appending */
        {512, 4096, 0, 0, 30, 4096, 0},
        {512, 4096, UINT32_MAX, 0, 30, 4096, ZONE},
        {512, 4096, 1024, 8192, 4, 4096, 64}, /* 4 segments of 8 KiB */
    };

    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        WITH(f);
        f->zones.granularity_bytes = cases[i].granularity;
        f->zones.max_append_sectors = cases[i].append;
        fake_zones_tell(&f->zones);
        fake_virtio_blk_set_config32(&f->blk, 20, cases[i].block);
        if (cases[i].size_max != 0)
            f->blk.offered_features |= VIRTIO_BIT(VIRTIO_BLK_F_SIZE_MAX);
        fake_virtio_blk_set_config32(&f->blk, 8, cases[i].size_max);
        f->config.max_segments = (uint16_t)cases[i].max_segments;
        attach(f);
        const struct vst_zone_limits *zones = &f->device->limits.zones;
        assert_int_equal(zones->write_granularity_bytes, cases[i].expected_granularity);
        assert_int_equal(zones->max_append_sectors, cases[i].expected_append);
        enum vst_status status = vst_zone_append(f->queue, FIRST, buffer, 4096, NULL);
        assert_int_equal(status, cases[i].expected_append == 0 ? VST_ERR_UNSUPPORTED : VST_OK);
        tear_down(f);
    }
}

/** 5.2.4 does not ask for a power of two; nothing here counts on one. */
ON_EVERY_RING(test_zones_of_any_length)
{
    struct vst_zone zones[16];
    uint64_t sector;
    size_t n;

    f->zones.zone_sectors = 1000;
    f->zones.granularity_bytes = 2560; /* 5 sectors */
    fake_zones_tell(&f->zones);
    fake_zones_divide(&f->zones, 2, 900);
    attach(f);
    assert_int_equal(vst_zone_count(&f->device->limits), 10);
    assert_int_equal(f->device->limits.zones.max_append_sectors, 60);
    assert_int_equal(transfer(f, VST_BLOCK_READ, 0, DISK_SECTORS, NULL), VST_OK);
    assert_int_equal(f->queue->stats.commands[VST_BLOCK_READ], 10);
    fill_buffer(14);
    assert_int_equal(write_at(f, 995, 10), VST_OK);
    assert_int_equal(f->zones.n_writes, 2);
    assert_int_equal(write_at(f, 3000, 900), VST_OK);
    assert_int_equal(write_at(f, 4096, 10), VST_ERR_INVALID);
    assert_int_equal(vst_zone_append(f->queue, 4000, buffer, 5120, &sector), VST_OK);
    assert_int_equal(vst_zone_append(f->queue, 4000, buffer, 5120, &sector), VST_OK);
    assert_int_equal(sector, 4010);
    assert_int_equal(vst_zone_append(f->queue, 4096, buffer, 5120, &sector), VST_ERR_INVALID);
    assert_int_equal(vst_zone_report(f->queue, 3999, buffer, sizeof(buffer), zones, 16, &n),
                     VST_OK);
    assert_int_equal(n, 7);
    assert_int_equal(zones[0].state, VST_ZONE_FULL);
    assert_int_equal(zones[1].write_sector, 4020);
    assert_int_equal(zones[6].n_sectors, DISK_SECTORS - 9000);
}

/** Zones can't change under requests that were cut by them; the capacity can. */
static void test_changes_while_in_use(void **state)
{
    static const struct {
        unsigned at;
        uint32_t value;
    } cases[] = {{72, 2048}, {88, 8192}, {92, 2}};
    WITH(f);
    attach(f);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        fake_virtio_blk_set_config32(&f->blk, cases[i].at, cases[i].value);
        fake_virtio_blk_change_config(&f->blk);
        assert_int_equal(vst_block_refresh(f->device), VST_ERR_UNSUPPORTED);
        assert_int_equal(f->device->limits.zones.zone_sectors, ZONE);
        fake_zones_tell(&f->zones);
    }
    fake_virtio_blk_set_config32(&f->blk, 0, 5 * ZONE + 8);
    fake_virtio_blk_change_config(&f->blk);
    assert_int_equal(vst_block_refresh(f->device), VST_OK);
    assert_int_equal(vst_zone_count(&f->device->limits), 6);
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_ZONE_RESET, 6 * ZONE), VST_ERR_RANGE);
    tear_down(f);
}

/** Legacy devices have neither zones nor, for us, SCSI commands. */
static void test_a_legacy_device_offers_what_is_not_taken(void **state)
{
    WITH(f);
    struct fake_virtio_front front;
    fake_virtio_front_use(&front, &f->blk, FAKE_LEGACY);
    f->config.pci = front.choice;
    f->blk.offered_features |= VIRTIO_BIT(VIRTIO_BLK_F_SCSI);
    attach(f);
    assert_int_equal(f->blk.driver_features &
                         (VIRTIO_BIT(VIRTIO_BLK_F_SCSI) | VIRTIO_BIT(VIRTIO_BLK_F_ZONED)),
                     0);
    assert_non_null(strstr(f->fake.all_logs, "it offers to pass SCSI commands through; not used"));
    assert_int_equal(f->device->limits.zones.model, VST_ZONE_MODEL_NONE);
    tear_down(f);
}

static void test_geometry_is_told_as_it_is(void **state)
{
    WITH(f);
    f->blk.offered_features |= VIRTIO_BIT(VIRTIO_BLK_F_GEOMETRY);
    fake_virtio_blk_set_config32(&f->blk, 16, 0x3f10ffffu);
    attach(f);
    assert_int_equal(f->device->limits.geometry.n_cylinders, 0xffff);
    assert_int_equal(f->device->limits.geometry.n_heads, 16);
    assert_int_equal(f->device->limits.geometry.n_track_sectors, 63);
    detach(f);
    f->config.refused_features |= VIRTIO_BIT(VIRTIO_BLK_F_GEOMETRY);
    attach(f);
    assert_int_equal(f->device->limits.geometry.n_cylinders, 0);
    tear_down(f);
}

/* ------------------------------------------------------------------ append */

ON_EVERY_RING(test_appends_tell_where_they_went)
{
    struct vst_block_request requests[6], *done[6];
    struct vst_block_segment segments[6];
    bool seen[6] = {false};
    size_t n = 0;

    attach(f);
    fill_buffer(3);
    for (unsigned i = 0; i < 6; i++) { /* all at once: that is what appends are for */
        segments[i] = (struct vst_block_segment){buffer + i * 8192, 8192};
        requests[i] = (struct vst_block_request){.op = VST_BLOCK_ZONE_APPEND,
                                                 .n_segments = 1,
                                                 .segments = &segments[i],
                                                 .start_sector = FIRST,
                                                 .n_sectors = 16};
        assert_int_equal(vst_block_submit(f->queue, &requests[i]), VST_OK);
    }
    vst_block_kick(f->queue);
    while (n < 6)
        n += vst_block_poll(f->queue, done + n, 6 - n);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(requests[i].status, VST_OK);
        uint64_t at = requests[i].append_sector - FIRST;
        assert_true(at % 16 == 0 && at < 96 && !seen[at / 16]);
        seen[at / 16] = true;
        assert_memory_equal(f->blk.disk + (FIRST + at) * 512, buffer + i * 8192, 8192);
    }
    assert_int_equal(f->zones.n_appends, 6);
    assert_int_equal(f->queue->stats.commands[VST_BLOCK_ZONE_APPEND], 6);
    assert_int_equal(f->queue->stats.sectors[VST_BLOCK_ZONE_APPEND], 96);
}

ON_EVERY_RING(test_an_append_gathers_segments)
{
    struct vst_block_segment segments[] = {
        {buffer + 100000, 512}, {buffer + 50001, 512 * 5}, {buffer + 3, 512}, {buffer + 9000, 512}};
    struct vst_block_request request = {.op = VST_BLOCK_ZONE_APPEND,
                                        .n_segments = 4,
                                        .segments = segments,
                                        .start_sector = 5 * ZONE,
                                        .n_sectors = 8};

    attach(f);
    fill_buffer(4);
    assert_int_equal(write_at(f, 5 * ZONE, 8), VST_OK);
    assert_int_equal(vst_block_execute(f->queue, &request), VST_OK);
    assert_int_equal(request.append_sector, 5 * ZONE + 8);
    const uint8_t *at = f->blk.disk + (5 * ZONE + 8) * 512;
    for (unsigned i = 0; i < 4; at += segments[i++].bytes)
        assert_memory_equal(at, segments[i].buffer, segments[i].bytes);
}

/** Pieces longer than a descriptor may carry count as several; the sum must fit one command. */
ON_EVERY_RING(test_an_append_is_never_split)
{
    uint64_t sector;

    f->blk.offered_features |= VIRTIO_BIT(VIRTIO_BLK_F_SIZE_MAX);
    fake_virtio_blk_set_config32(&f->blk, 8, 4096);
    f->config.max_segments = 3;
    attach(f);
    assert_int_equal(f->device->limits.zones.max_append_sectors, 24);
    fill_buffer(5);
    assert_int_equal(vst_zone_append(f->queue, FIRST, buffer, 3 * 4096, &sector), VST_OK);
    assert_int_equal(sector, FIRST);
    assert_true(disk_holds_buffer(f, FIRST, 24));
    assert_int_equal(vst_zone_append(f->queue, FIRST, buffer, 4 * 4096, &sector),
                     VST_ERR_TOO_LARGE);
    struct vst_block_segment segments[] = {
        {buffer, 512}, {buffer, 512}, {buffer, 2560}, {buffer, 512}};
    struct vst_block_request request = {.op = VST_BLOCK_ZONE_APPEND,
                                        .n_segments = 4,
                                        .segments = segments,
                                        .start_sector = FIRST,
                                        .n_sectors = 8};
    assert_int_equal(vst_block_execute(f->queue, &request), VST_ERR_TOO_LARGE);
    assert_int_equal(f->zones.n_appends, 1);
}

static void test_appends_are_checked_before_the_device_sees_them(void **state)
{
    static const struct {
        uint64_t start;
        size_t bytes;
        enum vst_status status;
    } cases[] = {
        {FIRST + 8, 4096, VST_ERR_INVALID},
        {FIRST, 2048, VST_ERR_INVALID},
        {FIRST, 4097, VST_ERR_INVALID},
        {FIRST, 0, VST_ERR_INVALID},
        {FIRST, 65 * 512, VST_ERR_INVALID},
        {FIRST, 72 * 512, VST_ERR_TOO_LARGE},
        {10 * ZONE, 4096, VST_ERR_RANGE},
        {UINT64_MAX & ~1023ull, 4096, VST_ERR_RANGE},
        {FIRST, SIZE_MAX & ~511ull, VST_ERR_INVALID},
        {FIRST, 4096, VST_OK},
    };
    WITH(f);
    attach(f);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++)
        assert_int_equal(vst_zone_append(f->queue, cases[i].start, buffer, cases[i].bytes, NULL),
                         cases[i].status);
    struct vst_block_segment segments[] = {{buffer, 4096}, {buffer, 0}};
    struct vst_block_request request = {.op = VST_BLOCK_ZONE_APPEND,
                                        .n_segments = 2,
                                        .segments = segments,
                                        .start_sector = FIRST,
                                        .n_sectors = 8};
    assert_int_equal(vst_block_submit(f->queue, &request), VST_ERR_INVALID);
    request.n_segments = 1;
    request.n_sectors = 16;
    assert_int_equal(vst_block_submit(f->queue, &request), VST_ERR_INVALID);
    assert_int_equal(f->zones.n_appends, 1);
    detach(f);
    f->zones.max_append_sectors = ZONE;
    fake_zones_tell(&f->zones);
    attach(f); /* the last zone is shorter */
    assert_int_equal(vst_zone_append(f->queue, LAST, buffer, 520 * 512, NULL), VST_ERR_RANGE);
    detach(f);
    f->blk.offered_features |= VIRTIO_BIT(VIRTIO_BLK_F_RO);
    attach(f);
    assert_int_equal(vst_zone_append(f->queue, FIRST, buffer, 4096, NULL), VST_ERR_READ_ONLY);
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_ZONE_RESET, FIRST), VST_ERR_READ_ONLY);
    tear_down(f);
}

/** Where the data went is told by the device: it must be a place that an append can have found. */
ON_EVERY_RING(test_appends_that_tell_a_place_where_they_can_not_be)
{
    static const uint64_t places[] = {FIRST - 8, FIRST + ZONE, FIRST + ZONE - 8, FIRST + 4,
                                      0,         UINT64_MAX,   UINT64_MAX - 7};
    uint64_t sector = 77;

    attach(f);
    f->zones.tells_place = true;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(places); i++) {
        f->zones.place = places[i];
        assert_int_equal(vst_zone_append(f->queue, FIRST, buffer, 8192, &sector),
                         VST_ERR_MALFORMED);
    }
    assert_int_equal(sector, 77);
    f->zones.place = LAST + 512 - 8; /* the last zone is shorter */
    assert_int_equal(vst_zone_append(f->queue, LAST, buffer, 8192, &sector), VST_ERR_MALFORMED);
    f->zones.place = LAST + 512 - 16;
    assert_int_equal(vst_zone_append(f->queue, LAST, buffer, 8192, &sector), VST_OK);
    f->zones.place = FIRST + ZONE - 16;
    assert_int_equal(vst_zone_append(f->queue, FIRST, buffer, 8192, &sector), VST_OK);
    assert_int_equal(sector, FIRST + ZONE - 16);
    f->zones.tells_no_place = true; /* the last one's place must not be taken for this one's */
    assert_int_equal(vst_zone_append(f->queue, FIRST, buffer, 8192, &sector), VST_ERR_MALFORMED);
}

/* ------------------------------------------------------------------ reports */

ON_EVERY_RING(test_reports_tell_every_zone)
{
    static const struct {
        uint8_t state;
        enum vst_zone_state told;
    } states[] = {
        {FAKE_EMPTY, VST_ZONE_EMPTY},         {FAKE_IMPLICIT, VST_ZONE_OPEN_BY_WRITE},
        {FAKE_EXPLICIT, VST_ZONE_OPEN},       {FAKE_CLOSED, VST_ZONE_CLOSED},
        {FAKE_READ_ONLY, VST_ZONE_READ_ONLY}, {FAKE_FULL, VST_ZONE_FULL},
        {FAKE_OFFLINE, VST_ZONE_OFFLINE},
    };
    struct vst_zone zones[16];
    size_t n;

    attach(f);
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(states); i++) {
        f->zones.zones[2 + i].state = states[i].state;
        if (i > 0)
            f->zones.zones[2 + i].pointer += 40;
    }
    assert_int_equal(vst_zone_report(f->queue, 0, buffer, sizeof(buffer), zones, 16, &n), VST_OK);
    assert_int_equal(n, N_ZONES);
    for (unsigned i = 0; i < N_ZONES; i++) {
        assert_int_equal(zones[i].start_sector, i * ZONE);
        assert_int_equal(zones[i].n_sectors, i == 9 ? 512 : ZONE);
        assert_int_equal(zones[i].capacity_sectors, i == 9 ? 512 : i < 2 ? ZONE : CAPACITY);
    }
    assert_int_equal(zones[1].type, VST_ZONE_CONVENTIONAL);
    assert_int_equal(zones[1].state, VST_ZONE_NO_POINTER);
    assert_int_equal(zones[1].write_sector, 2 * ZONE);
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(states); i++) {
        const struct vst_zone *zone = &zones[2 + i];
        assert_int_equal(zone->type, VST_ZONE_SEQUENTIAL);
        assert_int_equal(zone->state, states[i].told);
        assert_int_equal(zone->write_sector, zone->start_sector + (i == 0  ? 0
                                                                   : i < 4 ? 40
                                                                           : CAPACITY));
    }
}

/** Room for three at a time, from the middle of a zone on. */
ON_EVERY_RING(test_reports_go_on_where_the_last_ended)
{
    struct vst_zone zones[16];
    uint64_t sector = 2 * ZONE + 77;
    unsigned n_zones = 0;
    size_t n;

    attach(f);
    while (sector < DISK_SECTORS) {
        assert_int_equal(
            vst_zone_report(f->queue, sector, buffer, VST_ZONE_REPORT_BYTES(3), zones, 16, &n),
            VST_OK);
        assert_int_equal(n, n_zones < 6 ? 3 : 2);
        assert_int_equal(zones[0].start_sector, (2 + n_zones) * ZONE);
        sector = zones[n - 1].start_sector + zones[n - 1].n_sectors;
        n_zones += (unsigned)n;
    }
    assert_int_equal(n_zones, 8);
    assert_int_equal(f->zones.n_reports, 3);
}

static void test_reports_keep_to_the_callers_room(void **state)
{
    WITH(f);
    struct vst_zone zones[4], guard = {.start_sector = 99};
    size_t n;
    attach(f);
    zones[2] = guard;
    memset(buffer, 0xee, sizeof(buffer));
    assert_int_equal(vst_zone_report(f->queue, 0, buffer, sizeof(buffer), zones, 2, &n), VST_OK);
    assert_int_equal(n, 2);
    assert_int_equal(zones[2].start_sector, 99);
    assert_int_equal(buffer[VST_ZONE_REPORT_BYTES(2)], 0xee); /* no more is asked for */
    assert_int_equal(vst_zone_report(f->queue, 0, buffer, sizeof(buffer), zones, 0, &n),
                     VST_ERR_INVALID);
    for (size_t bytes = 0; bytes < VST_ZONE_REPORT_BYTES(1); bytes += 7)
        assert_int_equal(vst_zone_report(f->queue, 0, buffer, bytes, zones, 2, &n),
                         VST_ERR_INVALID);
    assert_int_equal(vst_zone_report(f->queue, DISK_SECTORS, buffer, 4096, zones, 2, &n),
                     VST_ERR_RANGE);
    assert_int_equal(n, 0);
    tear_down(f);
}

static void put64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, 8);
}

/* The second zone described, which is sequential and empty: its numbers are at 128. */
static void say_many(uint8_t *report, size_t bytes)
{
    put64(report, (bytes - 64) / 64 + 1);
}
static void say_all(uint8_t *report, size_t bytes)
{
    (void)bytes;
    put64(report, UINT64_MAX);
}
static void say_none(uint8_t *report, size_t bytes)
{
    (void)bytes;
    put64(report, 0);
}
static void say_capacity(uint8_t *report, size_t bytes)
{
    (void)bytes;
    put64(report + 128, ZONE + 1);
}
static void say_capacity_huge(uint8_t *report, size_t bytes)
{
    (void)bytes;
    put64(report + 128, UINT64_MAX);
}
static void say_start(uint8_t *report, size_t bytes)
{
    (void)bytes;
    put64(report + 136, 2 * ZONE + 8);
}
static void say_first_again(uint8_t *report, size_t bytes)
{
    (void)bytes;
    put64(report + 136, ZONE);
}
static void say_pointer_before(uint8_t *report, size_t bytes)
{
    (void)bytes;
    report[128 + 25] = FAKE_CLOSED;
    put64(report + 144, 2 * ZONE - 8);
}
static void say_pointer_behind(uint8_t *report, size_t bytes)
{
    (void)bytes;
    report[128 + 25] = FAKE_CLOSED;
    put64(report + 144, 2 * ZONE + CAPACITY + 1);
}
static void say_empty_but_written(uint8_t *report, size_t bytes)
{
    (void)bytes;
    put64(report + 144, 2 * ZONE + 8);
}
static void say_type(uint8_t *report, size_t bytes)
{
    (void)bytes;
    report[128 + 24] = 4;
}
static void say_no_type(uint8_t *report, size_t bytes)
{
    (void)bytes;
    report[128 + 24] = 0;
}
static void say_state(uint8_t *report, size_t bytes)
{
    (void)bytes;
    report[128 + 25] = 5;
}
static void say_no_pointer(uint8_t *report, size_t bytes)
{
    (void)bytes;
    report[128 + 25] = FAKE_NOT_WP;
}
static void say_conventional(uint8_t *report, size_t bytes)
{
    (void)bytes;
    report[128 + 24] = FAKE_CONVENTIONAL;
}
static void say_conventional_full(uint8_t *report, size_t bytes)
{
    (void)bytes;
    report[128 + 24] = FAKE_CONVENTIONAL;
    report[128 + 25] = FAKE_FULL;
}

ON_EVERY_RING(test_reports_that_make_no_sense)
{
    static void (*const lies[])(uint8_t *, size_t) = {
        say_many,           say_all,
        say_none,           say_capacity,
        say_capacity_huge,  say_start,
        say_first_again,    say_pointer_before,
        say_pointer_behind, say_empty_but_written,
        say_type,           say_no_type,
        say_state,          say_no_pointer,
        say_conventional,   say_conventional_full,
    };
    struct vst_zone zones[4];
    size_t n = 7;

    attach(f);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(lies); i++) {
        f->zones.tamper = lies[i];
        if (vst_zone_report(f->queue, ZONE, buffer, 4096, zones, 4, &n) != VST_ERR_MALFORMED)
            fail_msg("%s: lie %u", f->variant->name, (unsigned)i);
        assert_int_equal(n, 0);
    }
    f->zones.tamper = NULL;
    assert_int_equal(vst_zone_report(f->queue, ZONE, buffer, 4096, zones, 4, &n), VST_OK);
    assert_int_equal(n, 4);
    f->zones.sends_head_only = true; /* the last report must not be taken for this one */
    assert_int_equal(vst_zone_report(f->queue, ZONE, buffer, 4096, zones, 4, &n),
                     VST_ERR_MALFORMED);
}

/** More zones than the device has, each sound by itself. */
static void test_a_report_does_not_go_beyond_the_end(void **state)
{
    WITH(f);
    struct vst_zone zones[4];
    size_t n;
    uint8_t *last = buffer + 64, *next = buffer + 128;
    attach(f);
    memset(buffer, 0, 4096);
    put64(buffer, 2);
    put64(last, 512);
    put64(last + 8, LAST);
    put64(last + 16, LAST);
    last[24] = FAKE_SEQUENTIAL;
    last[25] = FAKE_EMPTY;
    memcpy(next, last, 64);
    put64(next + 8, 10 * ZONE);
    put64(next + 16, 10 * ZONE);
    assert_int_equal(vst_zone_report_parse(f->device, LAST + 3, buffer, 4096, zones, 1, &n),
                     VST_OK);
    assert_int_equal(vst_zone_report_parse(f->device, LAST + 3, buffer, 4096, zones, 4, &n),
                     VST_ERR_MALFORMED);
    for (size_t bytes = 0; bytes < 192; bytes++) /* and not beyond the buffer */
        assert_int_equal(vst_zone_report_parse(f->device, LAST, buffer, bytes, zones, 1, &n),
                         VST_ERR_MALFORMED);
    tear_down(f);
}

/* ------------------------------------------------------------------ states */

ON_EVERY_RING(test_zones_are_opened_closed_finished_and_reset)
{
    attach(f);
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_ZONE_OPEN, FIRST), VST_OK);
    assert_int_equal(zone_at(f, FIRST)->state, FAKE_EXPLICIT);
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_ZONE_CLOSE, FIRST), VST_OK);
    assert_int_equal(zone_at(f, FIRST)->state, FAKE_EMPTY);
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_ZONE_CLOSE, FIRST), VST_ERR_ZONE_INVALID);
    assert_int_equal(write_at(f, FIRST, 8), VST_OK);
    assert_int_equal(zone_at(f, FIRST)->state, FAKE_IMPLICIT);
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_ZONE_CLOSE, FIRST), VST_OK);
    assert_int_equal(zone_at(f, FIRST)->state, FAKE_CLOSED);
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_ZONE_FINISH, FIRST), VST_OK);
    assert_int_equal(zone_at(f, FIRST)->state, FAKE_FULL);
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_ZONE_OPEN, FIRST), VST_ERR_ZONE_INVALID);
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_ZONE_RESET, FIRST), VST_OK);
    assert_int_equal(zone_at(f, FIRST)->state, FAKE_EMPTY);
    assert_int_equal(write_at(f, FIRST, 8), VST_OK);
    assert_int_equal(write_at(f, LAST, 512), VST_OK);
    assert_int_equal(zone_at(f, LAST)->state, FAKE_FULL);
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_ZONE_RESET_ALL, 0), VST_OK);
    assert_int_equal(zone_at(f, FIRST)->state, FAKE_EMPTY);
    assert_int_equal(zone_at(f, LAST)->state, FAKE_EMPTY);
    assert_int_equal(f->queue->stats.commands[VST_BLOCK_ZONE_CLOSE], 3);
    assert_int_equal(f->queue->stats.errors, 2);
}

ON_EVERY_RING(test_what_zones_do_not_allow_is_told_apart)
{
    attach(f);
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_ZONE_RESET, 0), VST_ERR_ZONE_INVALID);
    assert_int_equal(vst_zone_append(f->queue, ZONE, buffer, 4096, NULL), VST_ERR_ZONE_INVALID);
    assert_int_equal(write_at(f, FIRST + 8, 8), VST_ERR_ZONE_POINTER);
    assert_int_equal(write_at(f, FIRST, CAPACITY + 8), VST_ERR_ZONE_INVALID);
    zone_at(f, 8 * ZONE)->state = FAKE_OFFLINE;
    assert_int_equal(transfer(f, VST_BLOCK_READ, 8 * ZONE, 8, NULL), VST_ERR_ZONE_INVALID);
    assert_int_equal(write_at(f, 8 * ZONE, 8), VST_ERR_ZONE_INVALID);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_ZONE_OPEN, FIRST + i * ZONE), VST_OK);
    assert_int_equal(write_at(f, FIRST + 3 * ZONE, 8), VST_ERR_ZONE_MANY_OPEN);
    assert_int_equal(vst_zone_append(f->queue, FIRST + 3 * ZONE, buffer, 4096, NULL),
                     VST_ERR_ZONE_MANY_OPEN);
    f->zones.max_active = 3;
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_ZONE_OPEN, FIRST + 3 * ZONE),
                     VST_ERR_ZONE_MANY_ACTIVE);
    assert_string_equal(vst_status_name(VST_ERR_ZONE_POINTER), "zone_pointer");
    assert_string_equal(vst_status_text(VST_ERR_ZONE_MANY_ACTIVE), "too many active zones");
}

static void test_zone_commands_are_checked_before_the_device_sees_them(void **state)
{
    WITH(f);
    struct vst_block_segment segment = {buffer, 4096};
    struct vst_block_request request = {.op = VST_BLOCK_ZONE_OPEN, .start_sector = FIRST};
    attach(f);
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_ZONE_OPEN, FIRST + 8), VST_ERR_INVALID);
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_ZONE_RESET, 10 * ZONE), VST_ERR_RANGE);
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_ZONE_RESET_ALL, FIRST), VST_ERR_INVALID);
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_WRITE, FIRST), VST_ERR_INVALID);
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_ZONE_APPEND, FIRST), VST_ERR_INVALID);
    assert_int_equal(vst_zone_manage(f->queue, VST_BLOCK_N_OPS, FIRST), VST_ERR_INVALID);
    request.n_sectors = 8;
    assert_int_equal(vst_block_submit(f->queue, &request), VST_ERR_INVALID);
    request.n_sectors = 0;
    request.n_segments = 1;
    request.segments = &segment;
    assert_int_equal(vst_block_submit(f->queue, &request), VST_ERR_INVALID);
    request.op = VST_BLOCK_ZONE_REPORT;
    request.n_segments = 2;
    assert_int_equal(vst_block_submit(f->queue, &request), VST_ERR_INVALID);
    request.n_segments = 1;
    segment.bytes = f->device->limits.max_segment_bytes + 64u;
    assert_int_equal(vst_block_submit(f->queue, &request), VST_ERR_TOO_LARGE);
    assert_int_equal(f->zones.n_managed + f->zones.n_reports, 0);
    tear_down(f);
}

/* ------------------------------------------------------------------ the order of writes */

/** Commands of 32 KiB; all that is visible to the device at once is answered at once. */
static void narrow(struct fixture *f)
{
    f->blk.offered_features |= VIRTIO_BIT(VIRTIO_BLK_F_SIZE_MAX);
    fake_virtio_blk_set_config32(&f->blk, 8, 16384);
    f->config.max_segments = 2;
    f->blk.reorders = true;
}

ON_EVERY_RING(test_parts_of_a_write_go_one_by_one)
{
    narrow(f);
    attach(f);
    fill_buffer(6);
    assert_int_equal(write_at(f, FIRST, CAPACITY), VST_OK);
    assert_true(disk_holds_buffer(f, FIRST, CAPACITY));
    assert_int_equal(f->zones.n_writes, (CAPACITY + 63) / 64);
    assert_int_equal(f->zones.n_together, 0);
    assert_int_equal(transfer(f, VST_BLOCK_WRITE_DURABLE, FIRST + ZONE, 200, NULL), VST_OK);
    assert_int_equal(f->zones.n_together, 0);
    assert_int_equal(f->blk.n_flushes, 1);
}

/** That the fake would notice: on a device without zones the parts are together in flight. */
static void test_parts_of_a_write_go_together_elsewhere(void **state)
{
    WITH(f);
    narrow(f);
    attach(f);
    f->device->limits.zones.model = VST_ZONE_MODEL_NONE;
    assert_int_equal(write_at(f, FIRST, 640), VST_OK);
    assert_true(f->zones.n_together > 0);
    tear_down(f);
}

ON_EVERY_RING(test_nothing_is_written_behind_a_part_that_failed)
{
    uint64_t error_sector = 0;

    narrow(f);
    attach(f);
    fill_buffer(7);
    f->blk.fail_sector = FIRST + 200;
    assert_int_equal(transfer(f, VST_BLOCK_WRITE, FIRST, 640, &error_sector), VST_ERR_IO);
    assert_int_equal(error_sector, FIRST + 192);
    assert_int_equal(zone_at(f, FIRST)->pointer, FIRST + 192);
    assert_int_equal(f->zones.n_writes, 4);
    assert_true(disk_holds_buffer(f, FIRST, 192));
    f->blk.fail_sector = UINT64_MAX;
    memmove(buffer, buffer + 192 * 512, 448 * 512); /* the caller goes on where it stopped */
    assert_int_equal(write_at(f, FIRST + 192, 448), VST_OK);
}

/** What comes behind a write of several parts waits for it, on this queue. */
ON_EVERY_RING(test_what_was_submitted_later_is_not_first)
{
    struct vst_block_segment segments[2] = {{buffer, 640 * 512}, {buffer + 640 * 512, 4096}};
    struct vst_block_request requests[2], *done[2];
    size_t n = 0;

    narrow(f);
    attach(f);
    fill_buffer(8);
    for (unsigned i = 0; i < 2; i++)
        requests[i] = (struct vst_block_request){.op = VST_BLOCK_WRITE,
                                                 .n_segments = 1,
                                                 .segments = &segments[i],
                                                 .start_sector = FIRST + 640 * i,
                                                 .n_sectors = segments[i].bytes / 512};
    assert_int_equal(vst_block_submit(f->queue, &requests[0]), VST_OK);
    assert_int_equal(vst_block_submit(f->queue, &requests[1]), VST_ERR_FULL);
    assert_int_equal(vst_zone_append(f->queue, FIRST, buffer + 640 * 512, 4096, NULL), VST_OK);
    vst_block_kick(f->queue);
    while (n == 0)
        n = vst_block_poll(f->queue, done, 2);
    assert_int_equal(requests[0].status, VST_OK);
    assert_true(disk_holds_buffer(f, FIRST, 648));
}

ON_EVERY_RING(test_no_command_crosses_from_zone_to_zone)
{
    struct vst_block_segment segments[2] = {{buffer, 1000 * 512}, {buffer + 600000, 1100 * 512}};
    struct vst_block_request request = {.op = VST_BLOCK_READ,
                                        .n_segments = 2,
                                        .segments = segments,
                                        .start_sector = 100,
                                        .n_sectors = 2100};

    attach(f);
    for (size_t i = 0; i < DISK_SECTORS * 512; i++)
        f->blk.disk[i] = (uint8_t)(i * 3 + (i >> 9));
    assert_int_equal(transfer(f, VST_BLOCK_READ, 0, DISK_SECTORS, NULL), VST_OK);
    assert_true(disk_holds_buffer(f, 0, DISK_SECTORS));
    assert_int_equal(f->queue->stats.commands[VST_BLOCK_READ], N_ZONES);
    assert_int_equal(vst_block_execute(f->queue, &request), VST_OK);
    assert_memory_equal(buffer, f->blk.disk + 100 * 512, 1000 * 512);
    assert_memory_equal(buffer + 600000, f->blk.disk + 1100 * 512, 1100 * 512);
    fill_buffer(9);
    assert_int_equal(write_at(f, ZONE - 16, 32), VST_OK); /* two conventional zones */
    assert_true(disk_holds_buffer(f, ZONE - 16, 32));
    assert_int_equal(f->zones.n_writes, 2);
}

static void test_writes_keep_to_the_granularity(void **state)
{
    WITH(f);
    attach(f);
    assert_int_equal(write_at(f, FIRST, 4), VST_ERR_INVALID);
    assert_int_equal(write_at(f, 4, 8), VST_ERR_INVALID); /* in conventional zones as well */
    assert_int_equal(transfer(f, VST_BLOCK_WRITE_DURABLE, FIRST, 12, NULL), VST_ERR_INVALID);
    assert_int_equal(f->zones.n_writes, 0);
    assert_int_equal(transfer(f, VST_BLOCK_READ, FIRST + 3, 1, NULL), VST_OK);
    assert_int_equal(write_at(f, 8, UNIT), VST_OK);
    tear_down(f);
}

/** Parts end at multiples of the granularity, however the memory lies. */
ON_EVERY_RING(test_parts_keep_to_the_granularity)
{
    struct vst_block_segment segments[40];
    struct vst_block_request request = {.op = VST_BLOCK_WRITE,
                                        .n_segments = 40,
                                        .segments = segments,
                                        .start_sector = FIRST,
                                        .n_sectors = 400};

    f->config.max_segments = 7;
    attach(f);
    fill_buffer(10);
    for (unsigned i = 0; i < 40; i++)
        segments[i] = (struct vst_block_segment){buffer + i * 5120, 5120};
    assert_int_equal(vst_block_execute(f->queue, &request), VST_OK);
    assert_true(disk_holds_buffer(f, FIRST, 400));
    for (unsigned i = 0; i < 40; i++) /* 7 pieces of a sector make no unit of 8 */
        segments[i].bytes = 512;
    request.start_sector += 400;
    request.n_sectors = 40;
    assert_int_equal(vst_block_execute(f->queue, &request), VST_ERR_TOO_LARGE);
}

/* ------------------------------------------------------------------ resets */

/** Submits all; the device does them and does not answer, until it is reset. */
static void lose_answers(struct fixture *f, struct vst_block_request *requests, unsigned n)
{
    struct vst_block_request *done[16];
    size_t n_done = 0;

    f->blk.heals = f->blk.answers_nothing = true;
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(vst_block_submit(f->queue, &requests[i]), VST_OK);
    vst_block_kick(f->queue);
    for (unsigned polls = 0; n_done < n && polls < 1000000; polls++)
        n_done += vst_block_poll(f->queue, done, 16);
    assert_int_equal(n_done, n);
    assert_int_equal(f->queue->stats.device_resets, 1);
    assert_false(f->device->broken);
}

/**
 * Twice done, an append is there twice and a write is not at the write pointer any more, though its
 * data are there: nobody knows what has happened, so that is said.
 */
ON_EVERY_RING(test_what_zones_remember_is_not_given_twice)
{
    static uint8_t report[VST_ZONE_REPORT_BYTES(2)], read[4096];
    struct vst_block_segment data = {buffer, 4096}, head = {report, sizeof(report)};
    struct vst_block_segment into = {read, sizeof(read)};
    struct vst_block_request requests[] = {
        {.op = VST_BLOCK_WRITE, .n_segments = 1, {&data}, FIRST, 8},
        {.op = VST_BLOCK_ZONE_APPEND, .n_segments = 1, {&data}, FIRST + ZONE, 8},
        {.op = VST_BLOCK_ZONE_OPEN, .start_sector = FIRST + 2 * ZONE},
        {.op = VST_BLOCK_ZONE_REPORT, .n_segments = 1, {&head}, FIRST, 0},
        {.op = VST_BLOCK_READ, .n_segments = 1, {&into}, FIRST + 16, 8},
        {.op = VST_BLOCK_FLUSH},
    };

    attach(f);
    fill_buffer(11);
    memset(f->blk.disk + (FIRST + 16) * 512, 0x77, 4096);
    lose_answers(f, requests, 6);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(requests[i].status, i < 4 ? VST_ERR_RESET : VST_OK);
    assert_int_equal(requests[0].error_sector, FIRST);
    assert_int_equal(read[4095], 0x77);
    assert_int_equal(f->zones.n_writes, 1);
    assert_int_equal(f->zones.n_appends, 1);
    assert_int_equal(f->zones.n_managed, 1);
    assert_int_equal(f->zones.n_reports, 1);
    assert_true(disk_holds_buffer(f, FIRST, 8)); /* it was done, and so the next one is next */
    assert_int_equal(write_at(f, FIRST + 8, 8), VST_OK);
}

/** The part that was lost, and nothing behind it. */
ON_EVERY_RING(test_a_split_write_ends_where_the_device_was_reset)
{
    struct vst_block_segment data = {buffer, 640 * 512};
    struct vst_block_request request = {
        VST_BLOCK_WRITE_DURABLE, 1, {&data}, FIRST, 640, NULL, 0, {0}, {0}};

    narrow(f);
    attach(f);
    fill_buffer(12);
    lose_answers(f, &request, 1);
    assert_int_equal(request.status, VST_ERR_RESET);
    assert_int_equal(request.error_sector, FIRST);
    assert_int_equal(f->zones.n_writes, 1);
    assert_int_equal(zone_at(f, FIRST)->pointer, FIRST + 64);
}

/** There the same data go to the same place, wherever the write pointer is. */
ON_EVERY_RING(test_writes_to_a_host_aware_device_are_given_again)
{
    struct vst_block_segment data = {buffer, 4096};
    struct vst_block_request request = {VST_BLOCK_WRITE, 1, {&data}, FIRST, 8, NULL, 0, {0}, {0}};

    f->zones.model = 2;
    fake_zones_tell(&f->zones);
    fake_zones_divide(&f->zones, 0, CAPACITY);
    attach(f);
    fill_buffer(13);
    lose_answers(f, &request, 1);
    assert_int_equal(request.status, VST_OK);
    assert_int_equal(f->zones.n_writes, 2);
    assert_true(disk_holds_buffer(f, FIRST, 8));
}

int main(void)
{
    static const struct CMUnitTest attaching[] = {
        cmocka_unit_test(test_characteristics_are_told),
        cmocka_unit_test(test_host_aware_devices_take_writes_anywhere),
        cmocka_unit_test(test_a_device_without_a_model_is_not_zoned),
        cmocka_unit_test(test_without_the_feature_there_are_no_zones),
        cmocka_unit_test(test_a_host_managed_device_is_not_driven_without_the_feature),
        cmocka_unit_test(test_discard_is_not_accepted_from_a_host_managed_device),
        cmocka_unit_test(test_whole_zones_are_erased),
        cmocka_unit_test(test_characteristics_that_make_no_sense),
        cmocka_unit_test(test_limits_are_what_one_command_carries),
        cmocka_unit_test(test_zones_of_any_length),
        cmocka_unit_test(test_changes_while_in_use),
        cmocka_unit_test(test_a_legacy_device_offers_what_is_not_taken),
        cmocka_unit_test(test_geometry_is_told_as_it_is),
    };
    static const struct CMUnitTest appends[] = {
        cmocka_unit_test(test_appends_tell_where_they_went),
        cmocka_unit_test(test_an_append_gathers_segments),
        cmocka_unit_test(test_an_append_is_never_split),
        cmocka_unit_test(test_appends_are_checked_before_the_device_sees_them),
        cmocka_unit_test(test_appends_that_tell_a_place_where_they_can_not_be),
    };
    static const struct CMUnitTest reports[] = {
        cmocka_unit_test(test_reports_tell_every_zone),
        cmocka_unit_test(test_reports_go_on_where_the_last_ended),
        cmocka_unit_test(test_reports_keep_to_the_callers_room),
        cmocka_unit_test(test_reports_that_make_no_sense),
        cmocka_unit_test(test_a_report_does_not_go_beyond_the_end),
    };
    static const struct CMUnitTest states[] = {
        cmocka_unit_test(test_zones_are_opened_closed_finished_and_reset),
        cmocka_unit_test(test_what_zones_do_not_allow_is_told_apart),
        cmocka_unit_test(test_zone_commands_are_checked_before_the_device_sees_them),
    };
    static const struct CMUnitTest order[] = {
        cmocka_unit_test(test_parts_of_a_write_go_one_by_one),
        cmocka_unit_test(test_parts_of_a_write_go_together_elsewhere),
        cmocka_unit_test(test_nothing_is_written_behind_a_part_that_failed),
        cmocka_unit_test(test_what_was_submitted_later_is_not_first),
        cmocka_unit_test(test_no_command_crosses_from_zone_to_zone),
        cmocka_unit_test(test_writes_keep_to_the_granularity),
        cmocka_unit_test(test_parts_keep_to_the_granularity),
    };
    static const struct CMUnitTest resets[] = {
        cmocka_unit_test(test_what_zones_remember_is_not_given_twice),
        cmocka_unit_test(test_a_split_write_ends_where_the_device_was_reset),
        cmocka_unit_test(test_writes_to_a_host_aware_device_are_given_again),
    };

    return cmocka_run_group_tests_name("attaching", attaching, NULL, NULL) +
           cmocka_run_group_tests_name("appends", appends, NULL, NULL) +
           cmocka_run_group_tests_name("reports", reports, NULL, NULL) +
           cmocka_run_group_tests_name("states", states, NULL, NULL) +
           cmocka_run_group_tests_name("order of writes", order, NULL, NULL) +
           cmocka_run_group_tests_name("resets", resets, NULL, NULL);
}
