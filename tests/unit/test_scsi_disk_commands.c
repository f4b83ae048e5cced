/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a SCSI disk does beyond reading and writing: discard, zeroes, durable writes, the cache mode,
 * checks, compare and write, commands of 32 bytes. On a fake adapter.
 */
#include "tests/unit/scsi_fixture.h"

#include <vstor/scsi_units.h>

static struct vst_block_device *attach_disk(struct fixture *f)
{
    struct vst_scsi_lun lun = {.n_levels = 1};
    struct vst_block_device *device;

    if (f->hba == NULL)
        assert_int_equal(attach(f), VST_OK);
    assert_int_equal(vst_scsi_disk_attach(f->hba, 0, &lun, &device), VST_OK);
    return device;
}

/** A disk that has it all: 16 blocks at a time to unmap, in two ranges, 5 to write the same. */
static struct fake_unit *add_capable(struct fixture *f)
{
    struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);

    unit->disk = (struct fake_disk){
        .has_limits = true,
        .has_provisioning = true,
        .max_unmap = 16,
        .max_unmap_descriptors = 2,
        .granularity = 4,
        .max_same = 5,
        .provisioning = 0xe0,
        .thin = true,
        .max_compare = 2,
        .knows_fua = true,
    };
    return unit;
}

static bool is_all(const struct fake_unit *unit, uint64_t sector, uint64_t n, uint8_t byte)
{
    for (size_t i = sector * 512; i < (sector + n) * 512; i++)
        if (unit->data[i] != byte)
            return false;
    return true;
}

static bool is_old(const struct fake_unit *unit, uint64_t sector, uint64_t n)
{
    for (size_t i = sector * 512; i < (sector + n) * 512; i++)
        if (unit->data[i] != (uint8_t)(i * 31 + (i >> 9) + unit->target * 7u + unit->lun))
            return false;
    return true;
}

/* ------------------------------------------------------------------ limits */

static void test_what_is_told_of_ranges(void **state)
{
    static const struct {
        const char *what;
        struct fake_disk disk;
        uint32_t block_bytes;
        struct vst_block_range_limits discard, zeroes;
        bool zeroes_may_unmap;
    } cases[] = {
        {"nothing at all", {0}, 512, {0}, {0}, false},
        {"a disk of its time",
         {.has_limits = true,
          .has_provisioning = true,
          .max_unmap = 2048,
          .max_unmap_descriptors = 8,
          .granularity = 8,
          .max_same = 100,
          .provisioning = 0xc0,
          .thin = true},
         4096,
         {16384, 8, 64, 16384},
         {800, 1, 0, 0},
         false},
        {"zeroes are what is unmapped",
         {.has_limits = true,
          .has_provisioning = true,
          .max_same = 100,
          .provisioning = 0x44,
          .thin = true},
         512,
         {100, 1, 0, 0},
         {100, 1, 0, 0},
         true},
        {"limits without provisioning",
         {.has_limits = true, .max_unmap = 9, .max_unmap_descriptors = 1, .thin = true},
         512,
         {9, 1, 0, 9},
         {0},
         false},
        {"fully provisioned",
         {.has_limits = true, .max_unmap = 9, .max_unmap_descriptors = 1},
         512,
         {0},
         {0},
         false},
        {"no UNMAP, by its limits",
         {.has_limits = true,
          .has_provisioning = true,
          .max_unmap = 9,
          .provisioning = 0x80,
          .thin = true},
         512,
         {0},
         {0},
         false},
        {"everything without limit",
         {.has_limits = true,
          .has_provisioning = true,
          .max_unmap = UINT32_MAX,
          .max_unmap_descriptors = UINT32_MAX,
          .granularity = UINT32_MAX,
          .max_same = UINT64_MAX,
          .provisioning = 0xc0,
          .thin = true},
         65536,
         {0xffffff80, 63, 0, 0xffffff80},
         {524288, 1, 0, 0},
         false},
        {"WRITE SAME that names no limit",
         {.has_limits = true, .has_provisioning = true, .provisioning = 0x40, .thin = true},
         512,
         {524288, 1, 0, 0},
         {524288, 1, 0, 0},
         false},
        {"granules that begin at 3",
         {.has_limits = true,
          .max_unmap = 64,
          .max_unmap_descriptors = 1,
          .granularity = 8,
          .alignment = 0x80000003,
          .thin = true},
         512,
         {64, 1, 0, 64},
         {0},
         false},
    };

    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        WITH(f);
        struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
        unit->disk = cases[i].disk;
        unit->block_bytes = cases[i].block_bytes;
        struct vst_block_device *device = attach_disk(f);
        print_message("%s\n", cases[i].what);
        assert_memory_equal(&device->limits.discard, &cases[i].discard, sizeof(cases[i].discard));
        assert_memory_equal(&device->limits.zeroes, &cases[i].zeroes, sizeof(cases[i].zeroes));
        assert_int_equal(device->limits.zeroes_may_unmap, cases[i].zeroes_may_unmap);
        assert_int_equal(device->limits.erase.max_ranges, 0);
        vst_scsi_disk_detach(device);
        tear_down(f);
    }
}

/* ------------------------------------------------------------------ ranges */

static void test_discard_and_zeroes_by_every_ring(void **state)
{
    static struct fixture *f = &storage;
    static const struct vst_block_range ranges[] = {{3, 5}, {10, 40}, {60, 1}, {70, 2}, {80, 11}};
    const struct vst_block_request request = {
        .op = VST_BLOCK_DISCARD, .n_segments = 5, .ranges = ranges, .n_sectors = 59};

    (void)state;
    for (size_t k = 0; k < VST_ARRAY_LENGTH(ring_kinds); k++) {
        set_up_as(f, &ring_kinds[k], FAKE_MODERN);
        struct fake_unit *unit = add_capable(f);
        struct vst_block_device *device = attach_disk(f);
        struct vst_block_queue *queue = device->queues[0];
        struct vst_block_request discard = request;
        assert_int_equal(vst_block_execute(queue, &discard), VST_OK);
        for (size_t i = 0; i < VST_ARRAY_LENGTH(ranges); i++) {
            assert_true(is_all(unit, ranges[i].start_sector, ranges[i].n_sectors, 0xee));
            assert_true(is_old(unit, ranges[i].start_sector + ranges[i].n_sectors, 1));
        }
        /* 40 sectors from 10 on are cut at 24 and 40, and no command has more than 16 sectors. */
        assert_int_equal(unit->disk.n_descriptors, 7);
        assert_int_equal(unit->disk.n_unmaps, 5);
        assert_int_equal(queue->stats.commands[VST_BLOCK_DISCARD], 5);
        assert_int_equal(queue->stats.sectors[VST_BLOCK_DISCARD], 59);
        assert_int_equal(queue->stats.errors, 0);
        struct vst_block_range range = {100, 12};
        assert_int_equal(vst_block_on_range(queue, VST_BLOCK_WRITE_ZEROES, range, NULL), VST_OK);
        assert_true(is_all(unit, 100, 12, 0) && is_old(unit, 99, 1) && is_old(unit, 112, 1));
        assert_int_equal(unit->disk.n_sames, 3);
        assert_int_equal(unit->disk.last_same_flags, 0);
        assert_int_equal(((struct vst_scsi_block_queue *)queue)->n_room, device->limits.depth);
        vst_scsi_disk_detach(device);
        tear_down(f);
    }
}

/** Only where it then reads as zeroes, and only if that is wanted. */
static void test_zeroes_that_unmap(void **state)
{
    WITH(f);
    struct fake_unit *unit = add_capable(f);
    unit->disk.reads_zeroes = true;
    struct vst_block_device *device = attach_disk(f);
    struct vst_block_range range = {8, 4};
    enum vst_status status =
        vst_block_on_range(device->queues[0], VST_BLOCK_WRITE_ZEROES, range, NULL);
    assert_int_equal(status, VST_OK);
    assert_int_equal(unit->disk.last_same_flags, 0x08);
    status = vst_block_on_range(device->queues[0], VST_BLOCK_WRITE_ZEROES_KEEP, range, NULL);
    assert_int_equal(status, VST_OK);
    assert_int_equal(unit->disk.last_same_flags, 0);
    assert_true(is_all(unit, 8, 4, 0));
    vst_scsi_disk_detach(device);
    tear_down(f);
}

static void test_discard_by_write_same(void **state)
{
    WITH(f);
    struct fake_unit *unit = add_capable(f);
    unit->disk.provisioning = 0x40;
    unit->block_bytes = 4096;
    struct vst_block_device *device = attach_disk(f);
    struct vst_block_range range = {8, 80};
    assert_int_equal(vst_block_on_range(device->queues[0], VST_BLOCK_DISCARD, range, NULL), VST_OK);
    assert_int_equal(unit->disk.n_sames, 3); /* 10 blocks, cut at the granule */
    assert_int_equal(unit->disk.last_same_flags, 0x08);
    assert_int_equal(unit->disk.n_unmaps, 0);
    vst_scsi_disk_detach(device);
    tear_down(f);
}

/** A unit that says it can and then refuses is believed the second. */
static void test_what_is_refused_is_not_offered_any_more(void **state)
{
    static const enum vst_block_op ops[] = {VST_BLOCK_DISCARD, VST_BLOCK_WRITE_ZEROES};
    WITH(f);
    struct fake_unit *unit = add_capable(f);
    struct vst_block_device *device = attach_disk(f);
    struct vst_block_range range = {40, 20};
    uint64_t error_sector;
    unit->disk.refuses_ranges = true;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(ops); i++) {
        struct vst_block_range_limits *limits =
            i == 0 ? &device->limits.discard : &device->limits.zeroes;
        assert_true(limits->max_ranges > 0);
        assert_int_equal(vst_block_on_range(device->queues[0], ops[i], range, &error_sector),
                         VST_ERR_UNSUPPORTED);
        assert_int_equal(error_sector, 40);
        assert_int_equal(limits->max_ranges, 0);
        unsigned n_commands = unit->n_commands;
        assert_int_equal(vst_block_on_range(device->queues[0], ops[i], range, NULL),
                         VST_ERR_UNSUPPORTED);
        assert_int_equal(unit->n_commands, n_commands);
    }
    assert_true(is_old(unit, 0, FAKE_UNIT_SECTORS));
    vst_scsi_disk_detach(device);
    tear_down(f);
}

/** The list is the unit's until it has answered: a second request waits for it. */
static void test_one_list_at_a_time(void **state)
{
    static struct vst_block_range ranges[2] = {{8, 4}, {20, 4}};
    struct vst_block_request requests[2], *done[2];
    WITH(f);
    struct fake_unit *unit = add_capable(f);
    struct vst_block_queue *queue = attach_disk(f)->queues[0];
    f->scsi.device.queues[2].answers_nothing = true;
    for (unsigned i = 0; i < 2; i++) {
        requests[i] = (struct vst_block_request){
            .op = VST_BLOCK_DISCARD, .n_segments = 1, .ranges = &ranges[i], .n_sectors = 4};
        assert_int_equal(vst_block_submit(queue, &requests[i]), VST_OK);
    }
    vst_block_kick(queue);
    assert_int_equal(vst_block_poll(queue, done, 2), 0);
    assert_int_equal(unit->disk.n_unmaps, 1); /* the second has not been given */
    f->scsi.device.queues[2].answers_nothing = false;
    fake_virtio_blk_answer_queue(&f->scsi.device.queues[2]);
    for (unsigned n = 0, i = 0; n < 2; i++) {
        assert_true(i < MAX_LOOKS);
        n += (unsigned)vst_block_poll(queue, done, 2);
    }
    assert_int_equal(unit->disk.n_unmaps, 2);
    assert_true(is_all(unit, 8, 4, 0xee) && is_all(unit, 20, 4, 0xee) && is_old(unit, 12, 8));
    vst_scsi_disk_detach(queue->device);
    tear_down(f);
}

/** Silence, then a reset of the adapter: the list is free again, and all is done. */
static void test_ranges_survive_a_reset_of_the_adapter(void **state)
{
    WITH(f);
    f->fake.ns_per_look = 10000;
    struct fake_unit *unit = add_capable(f);
    struct vst_block_device *device = attach_disk(f);
    struct vst_block_range range = {8, 40};
    f->scsi.device.answers_nothing = true; /* until the reset */
    assert_int_equal(vst_block_on_range(device->queues[0], VST_BLOCK_DISCARD, range, NULL), VST_OK);
    f->scsi.device.answers_nothing = true;
    range.start_sector = 100;
    enum vst_status status =
        vst_block_on_range(device->queues[0], VST_BLOCK_WRITE_ZEROES, range, NULL);
    assert_int_equal(status, VST_OK);
    assert_int_equal(f->scsi.device.n_resets, 2);
    assert_true(is_all(unit, 8, 40, 0xee) && is_all(unit, 100, 40, 0));
    vst_scsi_disk_detach(device);
    tear_down(f);
}

/* ------------------------------------------------------------------ durable writes, the cache */

static enum vst_status write_durably(struct vst_block_queue *queue, uint8_t byte)
{
    static uint8_t data[8 * 512];
    const struct vst_block_segment segment = {data, sizeof(data)};
    struct vst_block_request request = {.op = VST_BLOCK_WRITE_DURABLE,
                                        .n_segments = 1,
                                        .segments = &segment,
                                        .start_sector = 16,
                                        .n_sectors = 8};

    memset(data, byte, sizeof(data));
    return vst_block_execute(queue, &request);
}

/** By one command where the unit has it, else by a flush behind. */
static void test_durable_writes(void **state)
{
    WITH(f);
    struct fake_unit *unit = add_capable(f);
    for (uint8_t i = 0; i < 2; i++) {
        unit->disk.knows_fua = i == 0;
        struct vst_block_device *device = attach_disk(f);
        assert_int_equal(device->writes_durably, i == 0);
        assert_int_equal(write_durably(device->queues[0], i + 1), VST_OK);
        assert_true(is_all(unit, 16, 8, i + 1));
        assert_int_equal(unit->disk.n_durable, 1);
        assert_int_equal(unit->n_flushes, i);
        vst_scsi_disk_detach(device);
    }
    tear_down(f);
}

static void test_the_cache_is_switched(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        WITH(f);
        struct fake_unit *unit = add_capable(f);
        unit->disk.mode_6_only = i == 1;
        unit->disk.knows_fua = false;
        struct vst_block_device *device = attach_disk(f);
        assert_true(device->write_cache && device->write_cache_settable);
        unit->attention = true; /* is taken for granted here as well */
        assert_int_equal(vst_block_set_write_cache(device, false), VST_OK);
        assert_true(unit->disk.cache_off && !device->write_cache);
        assert_int_equal(unit->n_flushes, 1); /* what was written before */
        assert_int_equal(vst_block_set_write_cache(device, true), VST_OK);
        assert_true(!unit->disk.cache_off && device->write_cache);
        assert_int_equal(write_durably(device->queues[0], 1), VST_OK);
        assert_int_equal(unit->n_flushes, 2);
        assert_int_equal(unit->disk.n_selects, 2);
        vst_scsi_disk_detach(device);
        tear_down(f);
    }
}

static void test_a_cache_that_does_not_switch(void **state)
{
    WITH(f);
    struct fake_unit *unit = add_capable(f);
    unit->disk.cache_fixed = true;
    struct vst_block_device *device = attach_disk(f);
    assert_false(device->write_cache_settable);
    assert_int_equal(vst_block_set_write_cache(device, false), VST_ERR_UNSUPPORTED);
    assert_int_equal(unit->disk.n_selects, 0);
    vst_scsi_disk_detach(device);
    unit->disk.cache_fixed = false;
    device = attach_disk(f);
    unit->disk.cache_fixed = true; /* it had said otherwise */
    assert_int_equal(vst_block_set_write_cache(device, false), VST_ERR_UNSUPPORTED);
    assert_int_equal(unit->disk.n_selects, 1);
    unit->disk.refuses_select = true;
    assert_int_equal(vst_block_set_write_cache(device, false), VST_ERR_UNSUPPORTED);
    assert_true(device->write_cache);
    vst_scsi_disk_detach(device);
    tear_down(f);
}

/* ------------------------------------------------------------------ blocks where they are */

static void test_verify(void **state)
{
    uint64_t error_sector;
    WITH(f);
    struct fake_unit *unit = add_capable(f);
    unit->block_bytes = 4096;
    unit->n_blocks = 200000;
    struct vst_block_device *device = attach_disk(f);
    struct vst_block_queue *queue = device->queues[0];
    assert_int_equal(vst_scsi_disk_verify(queue, 8, 8 * 100000, NULL), VST_OK);
    assert_int_equal(unit->disk.n_verified, 100000);
    unit->bad_block = 70000; /* in the second command */
    assert_int_equal(vst_scsi_disk_verify(queue, 0, 8 * 100000, &error_sector), VST_ERR_MEDIUM);
    assert_int_equal(error_sector, 8 * 70000);
    assert_int_equal(vst_scsi_disk_verify(queue, 1, 8, NULL), VST_ERR_INVALID);
    assert_int_equal(vst_scsi_disk_verify(queue, 0, 0, NULL), VST_ERR_INVALID);
    assert_int_equal(vst_scsi_disk_verify(queue, 8, 8 * 200000, &error_sector), VST_ERR_RANGE);
    assert_int_equal(error_sector, 8);
    vst_scsi_disk_detach(device);
    unit->n_blocks = 1ull << 33;
    unit->bad_block = (1ull << 33) - 1;
    device = attach_disk(f);
    queue = device->queues[0];
    assert_int_equal(vst_scsi_disk_verify(queue, 0, 8 * 70000, NULL), VST_OK);
    assert_int_equal(f->scsi.last_cdb[0], 0x8f);
    assert_int_equal(vst_scsi_disk_verify(queue, 8 * ((1ull << 33) - 2), 16, NULL), VST_ERR_MEDIUM);
    vst_scsi_disk_detach(device);
    tear_down(f);
}

static void test_compare_and_write(void **state)
{
    static uint8_t expected[3 * 512], wanted[3 * 512];
    WITH(f);
    struct fake_unit *unit = add_capable(f);
    struct vst_block_device *device = attach_disk(f);
    struct vst_block_queue *queue = device->queues[0];
    memcpy(expected, unit->data + 7 * 512, sizeof(expected));
    memset(wanted, 0x5a, sizeof(wanted));
    assert_int_equal(vst_scsi_disk_compare_and_write(queue, 7, 2, expected, wanted), VST_OK);
    assert_true(is_all(unit, 7, 2, 0x5a) && is_old(unit, 9, 1) && is_old(unit, 6, 1));
    assert_int_equal(vst_scsi_disk_compare_and_write(queue, 7, 2, expected, expected),
                     VST_ERR_MISCOMPARE);
    assert_true(is_all(unit, 7, 2, 0x5a));
    assert_int_equal(vst_scsi_disk_compare_and_write(queue, 7, 3, expected, wanted),
                     VST_ERR_TOO_LARGE);
    assert_int_equal(vst_scsi_disk_compare_and_write(queue, 511, 2, expected, wanted),
                     VST_ERR_RANGE);
    device->read_only = true;
    assert_int_equal(vst_scsi_disk_compare_and_write(queue, 7, 2, expected, wanted),
                     VST_ERR_READ_ONLY);
    vst_scsi_disk_detach(device);
    unit->disk.max_compare = 0;
    device = attach_disk(f);
    assert_int_equal(vst_scsi_disk_compare_and_write(device->queues[0], 7, 2, expected, wanted),
                     VST_ERR_UNSUPPORTED);
    vst_scsi_disk_detach(device);
    tear_down(f);
}

/* ------------------------------------------------------------------ other sizes */

/** From one sector to 64 KiB, and none besides. */
static void test_every_block_size(void **state)
{
    static uint8_t data[2 * 65536];
    WITH(f);
    struct fake_unit *unit = add_capable(f);
    unit->disk.max_unmap = 16;
    unit->disk.granularity = 1;
    for (uint32_t block = 512; block <= 65536; block *= 2) {
        uint64_t block_sectors = block / 512;
        unit->block_bytes = block;
        unit->n_blocks = FAKE_UNIT_SECTORS / block_sectors;
        struct vst_block_device *device = attach_disk(f);
        struct vst_block_queue *queue = device->queues[0];
        assert_int_equal(device->limits.logical_block_bytes, block);
        assert_int_equal(device->limits.n_sectors, FAKE_UNIT_SECTORS);
        memset(data, (int)(block >> 9), sizeof(data));
        assert_int_equal(vst_block_write_bytes(queue, block, data, 2 * block, NULL, 0, NULL),
                         VST_OK);
        assert_true(is_all(unit, block_sectors, 2 * block_sectors, (uint8_t)(block >> 9)));
        struct vst_block_range range = {block_sectors, block_sectors};
        assert_int_equal(vst_block_on_range(queue, VST_BLOCK_DISCARD, range, NULL), VST_OK);
        assert_int_equal(vst_block_on_range(queue, VST_BLOCK_WRITE_ZEROES,
                                            (struct vst_block_range){0, block_sectors}, NULL),
                         VST_OK);
        assert_true(is_all(unit, 0, block_sectors, 0));
        assert_true(is_all(unit, block_sectors, block_sectors, 0xee));
        assert_true(is_all(unit, 2 * block_sectors, block_sectors, (uint8_t)(block >> 9)));
        vst_scsi_disk_detach(device);
    }
    static const uint32_t wrong[] = {0, 1, 256, 520, 528, 4160, 131072, 0x80000000};
    for (size_t i = 0; i < VST_ARRAY_LENGTH(wrong); i++) {
        struct vst_scsi_lun lun = {.n_levels = 1};
        struct vst_block_device *device;
        unit->block_bytes = wrong[i];
        assert_int_equal(vst_scsi_disk_attach(f->hba, 0, &lun, &device), VST_ERR_MALFORMED);
    }
    unit->block_bytes = 512;
    tear_down(f);
}

/** With protection information of type 2 a disk refuses all shorter ones. */
static void test_commands_of_32_bytes(void **state)
{
    static struct fixture *f = &storage;
    static uint8_t data[64 * 512];

    (void)state;
    for (size_t k = 0; k < VST_ARRAY_LENGTH(ring_kinds); k++) {
        set_up_as(f, &ring_kinds[k], FAKE_MODERN);
        fake_virtio_blk_set_config32(&f->scsi.device, 8, 24); /* max_sectors */
        struct fake_unit *unit = add_capable(f);
        unit->disk.protection_type = 2;
        struct vst_block_device *device = attach_disk(f);
        struct vst_block_queue *queue = device->queues[0];
        memset(data, 0x31, sizeof(data));
        assert_int_equal(vst_block_write_bytes(queue, 512, data, 512, NULL, 0, NULL), VST_OK);
        assert_int_equal(vst_block_write_bytes(queue, 8 * 512, data, 64 * 512, NULL, 0, NULL),
                         VST_OK);
        assert_true(is_all(unit, 8, 64, 0x31) && is_all(unit, 1, 1, 0x31) && is_old(unit, 2, 6));
        assert_int_equal(f->scsi.last_cdb[0], 0x7f);
        memset(data, 0, sizeof(data));
        assert_int_equal(vst_block_read_bytes(queue, 8 * 512, data, sizeof(data), NULL, 0, NULL),
                         VST_OK);
        assert_memory_equal(data, unit->data + 8 * 512, sizeof(data));
        assert_int_equal(write_durably(queue, 7), VST_OK);
        assert_int_equal(unit->disk.n_durable, 1);
        unit->disk.knows_fua = true;
        assert_int_equal(vst_block_flush(queue), VST_OK);
        assert_int_equal(unit->n_flushes, 1);
        struct vst_block_range range = {8, 4};
        assert_int_equal(vst_block_on_range(queue, VST_BLOCK_DISCARD, range, NULL), VST_OK);
        assert_true(is_all(unit, 8, 4, 0xee));
        assert_int_equal(queue->stats.errors, 0);
        vst_scsi_disk_detach(device);
        tear_down(f);
    }
}

static void test_no_commands_of_32_bytes(void **state)
{
    struct vst_scsi_lun lun = {.n_levels = 1};
    struct vst_block_device *device;
    WITH(f);
    f->scsi.fixed_sizes = true;
    fake_virtio_blk_set_config32(&f->scsi.device, 24, 16);
    struct fake_unit *unit = add_capable(f);
    unit->disk.protection_type = 2;
    if (attach(f) == VST_OK)
        assert_int_equal(vst_scsi_disk_attach(f->hba, 0, &lun, &device), VST_ERR_UNSUPPORTED);
    tear_down(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_told_of_ranges),
        cmocka_unit_test(test_discard_and_zeroes_by_every_ring),
        cmocka_unit_test(test_zeroes_that_unmap),
        cmocka_unit_test(test_discard_by_write_same),
        cmocka_unit_test(test_what_is_refused_is_not_offered_any_more),
        cmocka_unit_test(test_one_list_at_a_time),
        cmocka_unit_test(test_ranges_survive_a_reset_of_the_adapter),
        cmocka_unit_test(test_durable_writes),
        cmocka_unit_test(test_the_cache_is_switched),
        cmocka_unit_test(test_a_cache_that_does_not_switch),
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_compare_and_write),
        cmocka_unit_test(test_every_block_size),
        cmocka_unit_test(test_commands_of_32_bytes),
        cmocka_unit_test(test_no_commands_of_32_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
