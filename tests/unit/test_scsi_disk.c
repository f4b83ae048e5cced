/* SPDX-License-Identifier: BSD-2-Clause */
/* SCSI disks through the block layer, on a fake adapter: scan, data, shared rings, errors, resets. */
#include "tests/unit/scsi_disk_fixture.h"

/* ------------------------------------------------------------------ scan */

struct found {
    struct vst_scsi_units units;
    struct vst_scsi_unit *list[16];
    unsigned n;
};

static void note_found(void *ctx, struct vst_scsi_unit *unit)
{
    struct found *found = ctx;

    assert_true(found->n < VST_ARRAY_LENGTH(found->list));
    found->list[found->n++] = unit;
}

static void scan(struct fixture *f, struct found *found)
{
    *found = (struct found){.units = {.ctx = found, .found = note_found}};
    assert_int_equal(attach(f), VST_OK);
    vst_scsi_units_add(&found->units, f->hba);
    assert_int_equal(vst_scsi_units_scan(&found->units, f->hba), VST_OK);
}

static void forget(struct fixture *f, struct found *found)
{
    assert_true(vst_scsi_units_forget(&found->units, f->hba));
    assert_null(found->units.first);
}

static void expect_found(const struct found *found, unsigned i, uint8_t target, uint32_t lun)
{
    assert_true(i < found->n);
    assert_int_equal(found->list[i]->target, target);
    assert_int_equal(found->list[i]->lun.number, lun);
    assert_string_equal(found->list[i]->vendor, "FAKE");
    assert_string_equal(found->list[i]->product, "DISK");
}

/** The last target and the last LUN are there, and LUN 0 need not be. */
static void test_scan_is_inclusive_kvm_guest_drivers_windows_1442(void **state)
{
    struct found found;
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    fake_virtio_scsi_add(&f->scsi, 0, 255);
    fake_virtio_scsi_add(&f->scsi, 0, 256);
    fake_virtio_scsi_add(&f->scsi, 7, 5); /* SCST#223: LUN 0 is absent */
    fake_virtio_scsi_add(&f->scsi, 255, 16383);
    scan(f, &found);
    expect_found(&found, 0, 0, 0);
    expect_found(&found, 1, 0, 255);
    expect_found(&found, 2, 0, 256);
    expect_found(&found, 3, 7, 5);
    expect_found(&found, 4, 255, 16383);
    assert_int_equal(found.n, 5);
    forget(f, &found);
    tear_down(f);
}

static void test_scan_one_after_the_other(void **state)
{
    struct found found;
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 2, 0);
    fake_virtio_scsi_add(&f->scsi, 2, 1);
    fake_virtio_scsi_add(&f->scsi, 2, 4);
    for (unsigned i = 0; i < 3; i++)
        f->scsi.units[i].knows_no_luns = true;
    scan(f, &found);
    expect_found(&found, 0, 2, 0);
    expect_found(&found, 1, 2, 1);
    expect_found(&found, 2, 2, 4);
    assert_int_equal(found.n, 3);
    forget(f, &found);
    tear_down(f);
}

/* ------------------------------------------------------------------ attach */

static void test_what_a_disk_tells(void **state)
{
    WITH(f);
    struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 3, 2);
    unit->attention = true; /* taken for granted at first contact (libaums#431) */
    assert_int_equal(attach(f), VST_OK);
    struct vst_block_device *device = attach_disk(f, 3, 2);
    assert_string_equal(device->path, "pci-0000:00:04.0-scsi-0:0:3:2");
    assert_string_equal(device->serial, "fake-3-2");
    assert_string_equal(device->driver_name, "virtio-scsi");
    assert_int_equal(device->limits.n_sectors, FAKE_UNIT_SECTORS);
    assert_int_equal(device->limits.logical_block_bytes, 512);
    assert_int_equal(device->limits.max_sectors, 32768);
    assert_int_equal(device->limits.depth, 128);
    assert_true(device->write_cache && device->flush_needed);
    assert_false(device->read_only);
    vst_scsi_disk_detach(device);
    unit->write_protected = true;
    unit->knows_no_16 = true;
    device = attach_disk(f, 3, 2);
    assert_true(device->read_only);
    assert_int_equal(device->limits.n_sectors, FAKE_UNIT_SECTORS);
    vst_scsi_disk_detach(device);
    tear_down(f);
}

static void test_no_disk_is_refused(void **state)
{
    struct vst_block_device *device;
    struct vst_scsi_lun lun = {.n_levels = 1};
    WITH(f);
    struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(vst_scsi_disk_attach(f->hba, 1, &lun, &device), VST_ERR_GONE);
    unit->type = VST_SCSI_TYPE_TAPE;
    assert_int_equal(vst_scsi_disk_attach(f->hba, 0, &lun, &device), VST_ERR_UNSUPPORTED);
    unit->type = VST_SCSI_TYPE_DISK;
    unit->block_bytes = 520;
    assert_int_equal(vst_scsi_disk_attach(f->hba, 0, &lun, &device), VST_ERR_MALFORMED);
    unit->block_bytes = 512;
    for (size_t n = 0; n < 3; n++) {
        f->fake.fail_alloc_after = n;
        assert_int_equal(vst_scsi_disk_attach(f->hba, 0, &lun, &device), VST_ERR_NO_MEMORY);
        f->fake.fail_alloc_after = SIZE_MAX;
    }
    tear_down(f);
}

/* ------------------------------------------------------------------ data */

static void test_data_by_every_ring(void **state)
{
    static struct fixture *f = &storage;

    (void)state;
    for (size_t k = 0; k < 2 * VST_ARRAY_LENGTH(ring_kinds); k++) {
        set_up_as(f, &ring_kinds[k / 2], FAKE_MODERN);
        f->config.queue_size = 16;
        f->config.protection = k % 2; /* the longer header, with no protection information */
        f->scsi.device.offered_features |= VIRTIO_BIT(VIRTIO_SCSI_F_T10_PI);
        struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
        assert_int_equal(attach(f), VST_OK);
        struct vst_block_device *device = attach_disk(f, 0, 0);
        for (unsigned i = 0; i < 200; i++) {
            struct io *io = &ios[0];
            uint64_t sector = (i * 37) % (FAKE_UNIT_SECTORS - 16), n = 1 + i % 9;
            fill_io(io, i % 3 == 2 ? VST_BLOCK_WRITE : VST_BLOCK_READ, sector, n);
            if (i % 2)
                cut_io(io);
            if (io->request.op == VST_BLOCK_WRITE)
                memset(io->data, (int)i + 1, n * 512);
            run(device->queues[0], io);
            assert_int_equal(io->request.status, VST_OK);
            check_read(unit, io);
        }
        vst_scsi_disk_detach(device);
        tear_down(f);
    }
}

/** Whatever was in the slot before: the end of the CDB is zero again, and so are attributes. */
static void test_a_slot_after_a_long_command(void **state)
{
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    assert_int_equal(attach(f), VST_OK);
    struct vst_block_device *device = attach_disk(f, 0, 0);
    fill_io(&ios[0], VST_BLOCK_READ, 8, 1);
    run(device->queues[0], &ios[0]);
    struct vst_scsi_command command = {.nexus = nexus_of(0, 0),
                                       .cdb_bytes = 32,
                                       .attribute = VST_SCSI_ORDERED,
                                       .priority = 3,
                                       .crn = 4};
    memset(command.cdb, 0x7f, 32);
    assert_int_equal(vst_scsi_run(f->queue, &command), VST_OK);
    fill_io(&ios[0], VST_BLOCK_READ, 8, 1);
    run(device->queues[0], &ios[0]);
    uint8_t expected[32] = {0x28, 0, 0, 0, 0, 8, 0, 0, 1, 0};
    assert_memory_equal(f->scsi.last_cdb, expected, 32);
    assert_int_equal(f->scsi.last_attribute, 0);
    assert_int_equal(f->scsi.last_priority, 0);
    assert_int_equal(f->scsi.last_crn, 0);
    vst_scsi_disk_detach(device);
    tear_down(f);
}

static void test_large_blocks_and_large_disks(void **state)
{
    WITH(f);
    struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
    unit->block_bytes = 4096;
    unit->n_blocks = (1ull << 32) + 1; /* one more than 32 bits name */
    assert_int_equal(attach(f), VST_OK);
    struct vst_block_device *device = attach_disk(f, 0, 0);
    assert_int_equal(device->limits.n_sectors, unit->n_blocks * 8);
    fill_io(&ios[0], VST_BLOCK_READ, 8ull << 32, 8);
    run(device->queues[0], &ios[0]);
    assert_int_equal(ios[0].request.status, VST_OK);
    uint8_t expected[16] = {0x88, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1};
    assert_memory_equal(f->scsi.last_cdb, expected, 16);
    fill_io(&ios[0], VST_BLOCK_FLUSH, 0, 0); /* not every large disk knows a longer one */
    run(device->queues[0], &ios[0]);
    assert_int_equal(ios[0].request.status, VST_OK);
    assert_int_equal(unit->n_flushes, 1);
    fill_io(&ios[0], VST_BLOCK_READ, 1, 8);
    assert_int_equal(vst_block_submit(device->queues[0], &ios[0].request), VST_ERR_INVALID);
    vst_scsi_disk_detach(device);
    unit->n_blocks = 1ull << 32; /* 32 bits are just enough */
    device = attach_disk(f, 0, 0);
    fill_io(&ios[0], VST_BLOCK_READ, (8ull << 32) - 8, 8);
    run(device->queues[0], &ios[0]);
    assert_int_equal(ios[0].request.status, VST_OK);
    uint8_t short_one[16] = {0x28, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 1};
    assert_memory_equal(f->scsi.last_cdb, short_one, 16);
    vst_scsi_disk_detach(device);
    tear_down(f);
}

/** Longer than one command takes, in pieces that fit nothing; and a durable write's flush. */
static void test_requests_are_split(void **state)
{
    static struct fixture *f = &storage;

    (void)state;
    for (size_t k = 0; k < VST_ARRAY_LENGTH(ring_kinds); k++) {
        set_up_as(f, &ring_kinds[k], FAKE_MODERN);
        fake_virtio_blk_set_config32(&f->scsi.device, 8, 7); /* max_sectors (nanos#1763) */
        struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
        assert_int_equal(attach(f), VST_OK);
        struct vst_block_device *device = attach_disk(f, 0, 0);
        assert_int_equal(device->limits.max_sectors, 7);
        fill_io(&ios[0], VST_BLOCK_READ, 3, 100);
        cut_io(&ios[0]);
        run(device->queues[0], &ios[0]);
        assert_int_equal(ios[0].request.status, VST_OK);
        check_read(unit, &ios[0]);
        fill_io(&ios[0], VST_BLOCK_WRITE_DURABLE, 50, 100);
        cut_io(&ios[0]);
        memset(ios[0].data, 0x77, 100 * 512);
        run(device->queues[0], &ios[0]);
        assert_int_equal(ios[0].request.status, VST_OK);
        check_read(unit, &ios[0]);
        assert_int_equal(unit->n_flushes, 1);
        fill_io(&ios[0], VST_BLOCK_FLUSH, 0, 0);
        run(device->queues[0], &ios[0]);
        assert_int_equal(unit->n_flushes, 2);
        vst_scsi_disk_detach(device);
        tear_down(f);
    }
}

/* ------------------------------------------------------------------ shared rings */

/** What has ended for another unit waits in that unit's queue. */
static void test_units_share_the_ring(void **state)
{
    static struct fixture *f = &storage;

    (void)state;
    for (size_t k = 0; k < VST_ARRAY_LENGTH(ring_kinds); k++) {
        set_up_as(f, &ring_kinds[k], FAKE_MODERN);
        struct fake_unit *units[3];
        struct vst_block_queue *queues[3];
        for (uint8_t i = 0; i < 3; i++)
            units[i] = fake_virtio_scsi_add(&f->scsi, i, i);
        assert_int_equal(attach(f), VST_OK);
        for (uint8_t i = 0; i < 3; i++)
            queues[i] = attach_disk(f, i, i)->queues[0];
        for (unsigned i = 0; i < 36; i++) {
            fill_io(&ios[i], VST_BLOCK_READ, i, 2);
            assert_int_equal(vst_block_submit(queues[i % 3], &ios[i].request), VST_OK);
        }
        vst_block_kick(queues[1]);
        size_t n_polled = 0;
        int32_t room = queues[0]->device->limits.depth;
        while (n_polled < 12)
            n_polled += take(queues[0], 7);
        for (unsigned i = 0; i < 36; i++)
            assert_int_equal(ios[i].back, i % 3 == 0);
        assert_true(vst_block_ready(queues[1]) && vst_block_ready(queues[2]));
        assert_int_equal(take(queues[1], 20), 12);
        assert_int_equal(take(queues[2], 20), 12);
        for (unsigned i = 0; i < 36; i++) {
            assert_int_equal(ios[i].request.status, VST_OK);
            check_read(units[i % 3], &ios[i]);
        }
        for (uint8_t i = 0; i < 3; i++) {
            assert_int_equal(((struct vst_scsi_block_queue *)queues[i])->n_room, room);
            assert_int_equal(unit_byte(units[i], 5), units[i]->data[5]);
            vst_scsi_disk_detach(queues[i]->device);
        }
        tear_down(f);
    }
}

/** cmd_per_lun bounds what one unit is given; others go on. */
static void test_a_unit_is_given_no_more_than_it_takes(void **state)
{
    WITH(f);
    fake_virtio_blk_set_config32(&f->scsi.device, 12, 5);
    for (uint8_t i = 0; i < 2; i++)
        fake_virtio_scsi_add(&f->scsi, i, 0);
    assert_int_equal(attach(f), VST_OK);
    struct vst_block_queue *queues[2] = {attach_disk(f, 0, 0)->queues[0],
                                         attach_disk(f, 1, 0)->queues[0]};
    assert_int_equal(queues[0]->device->limits.depth, 5);
    f->scsi.device.answers_nothing = true;
    for (unsigned q = 0; q < 2; q++) {
        for (unsigned i = 0; i < 5; i++) {
            fill_io(&ios[8 * q + i], VST_BLOCK_READ, i, 1);
            assert_int_equal(vst_block_submit(queues[q], &ios[8 * q + i].request), VST_OK);
        }
        fill_io(&ios[8 * q + 5], VST_BLOCK_READ, 9, 1);
        assert_int_equal(vst_block_submit(queues[q], &ios[8 * q + 5].request), VST_ERR_FULL);
        vst_block_kick(queues[q]);
    }
    f->scsi.device.answers_nothing = false;
    fake_virtio_blk_answer_all(&f->scsi.device);
    assert_int_equal(take(queues[0], 64), 5);
    assert_int_equal(take(queues[1], 64), 5);
    run(queues[0], &ios[5]);
    for (unsigned i = 0; i < 2; i++)
        vst_scsi_disk_detach(queues[i]->device);
    tear_down(f);
}

/** Queue i of the unit is queue i of the adapter. */
static void test_every_queue_of_its_own(void **state)
{
    WITH(f);
    fake_virtio_scsi_offer_queues(&f->scsi, 4, 64);
    f->config.n_queues = 4;
    struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
    assert_int_equal(attach(f), VST_OK);
    struct vst_block_device *device = attach_disk(f, 0, 0);
    assert_int_equal(device->n_queues, 4);
    assert_int_equal(device->limits.depth, 32); /* a fourth of cmd_per_lun */
    for (unsigned i = 0; i < 4; i++) {
        unsigned before = f->scsi.device.queues[2 + i].n_requests;
        fill_io(&ios[i], VST_BLOCK_READ, i, 1);
        run(device->queues[i], &ios[i]);
        check_read(unit, &ios[i]);
        assert_int_equal(f->scsi.device.queues[2 + i].n_requests, before + 1);
    }
    vst_scsi_disk_detach(device);
    tear_down(f);
}

/* ------------------------------------------------------------------ errors */

/** OSv, SPDK: neither CHECK CONDITION nor a residual passes for success. */
static void test_answers_that_are_not_plainly_good(void **state)
{
    static const struct {
        unsigned n;
        uint8_t response, status;
        uint32_t residual;
        const char *sense;
        enum vst_status expected;
        uint64_t error_sector;
    } cases[] = {
        {1, 0, 2, 0, SENSE("\x06", "\x00", "\x29", "\x00"), VST_OK, 0}, /* unit attention */
        {3, 0, 8, 0, NULL, VST_OK, 0},                                  /* busy */
        {1, 0, 0x28, 0, NULL, VST_OK, 0},                               /* task set full */
        {1000, 0, 2, 0, SENSE("\x03", "\x2b", "\x11", "\x00"), VST_ERR_MEDIUM, 43},
        {1000, 0, 2, 0, SENSE("\x03", "\xff", "\x11", "\x00"), VST_ERR_MEDIUM, 40}, /* elsewhere */
        {1, 0, 2, 0, SENSE("\x01", "\x00", "\x17", "\x00"), VST_OK, 0},             /* recovered */
        {1000, 0, 0x18, 0, NULL, VST_ERR_RESERVED, 40},
        {1000, 0, 2, 0, SENSE("\x05", "\x00", "\x20", "\x00"), VST_ERR_UNSUPPORTED, 40},
        {1000, 3, 0, 0, NULL, VST_ERR_GONE, 40},         /* bad target */
        {2, 2, 0, 0, NULL, VST_OK, 0},                   /* aborted */
        {1, 0, 0, 512, NULL, VST_OK, 0},                 /* short once */
        {1000, 0, 0, 512, NULL, VST_ERR_IO, 40},         /* short always */
        {1000, 99, 0, 0, NULL, VST_ERR_MALFORMED, 40},   /* no answer that there is */
        {1000, 0, 0, 4097, NULL, VST_ERR_MALFORMED, 40}, /* more than all is missing */
    };

    for (size_t i = 0; i < 2 * VST_ARRAY_LENGTH(cases); i++) {
        size_t c = i / 2;
        WITH(f);
        f->fake.ns_per_look = 100000; /* delays pass soon */
        f->config.timeout_ns = 0;
        if (i % 2)
            f->scsi.device.offered_features &= ~NO_INDIRECT;
        struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
        assert_int_equal(attach(f), VST_OK);
        struct vst_block_device *device = attach_disk(f, 0, 0);
        int32_t room = device->limits.depth;
        fill_io(&ios[0], VST_BLOCK_READ, 40, 8);
        next_answers(f, cases[c].n, cases[c].response, cases[c].status, cases[c].residual,
                     cases[c].sense != NULL ? cases[c].sense : "", cases[c].sense != NULL ? 18 : 0);
        run(device->queues[0], &ios[0]);
        assert_int_equal(ios[0].request.status, cases[c].expected);
        if (cases[c].expected == VST_OK)
            check_read(unit, &ios[0]);
        else
            assert_int_equal(ios[0].request.error_sector, cases[c].error_sector);
        /* Task set full: one at a time, then, after a good answer, two. */
        assert_int_equal(((struct vst_scsi_block_queue *)device->queues[0])->n_room,
                         cases[c].status == 0x28 ? 2 : room);
        assert_int_equal(f->scsi.device.n_resets, 0);
        vst_scsi_disk_detach(device);
        tear_down(f);
    }
}

/** Of a split request the lowest failing place is told; a retry of a part does it all again. */
static void test_parts_that_fail(void **state)
{
    WITH(f);
    f->fake.ns_per_look = 100000;
    f->config.timeout_ns = 0;
    fake_virtio_blk_set_config32(&f->scsi.device, 8, 8);
    struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
    assert_int_equal(attach(f), VST_OK);
    struct vst_block_device *device = attach_disk(f, 0, 0);
    unit->bad_block = 19;
    fill_io(&ios[0], VST_BLOCK_READ, 0, 40);
    run(device->queues[0], &ios[0]);
    assert_int_equal(ios[0].request.status, VST_ERR_MEDIUM);
    assert_int_equal(ios[0].request.error_sector, 19);
    unit->bad_block = UINT64_MAX;
    fill_io(&ios[0], VST_BLOCK_READ, 0, 40);
    next_answers(f, 1, 0, 2, 0, SENSE("\x06", "\x00", "\x29", "\x00"), 18);
    f->scsi.answer.after += 1;
    run(device->queues[0], &ios[0]);
    assert_int_equal(ios[0].request.status, VST_OK);
    check_read(unit, &ios[0]);
    vst_scsi_disk_detach(device);
    tear_down(f);
}

/** A function names the tag of a request: that tag never comes to mean another. */
static void test_a_tag_that_was_named_is_not_used_again(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        WITH(f);
        f->fake.ns_per_look = 100000;
        f->config.timeout_ns = 0;
        struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
        assert_int_equal(attach(f), VST_OK);
        struct vst_block_device *device = attach_disk(f, 0, 0);
        fill_io(&ios[0], VST_BLOCK_READ, 8, 1);
        run(device->queues[0], &ios[0]); /* now a slot is prepared, tag and all */
        uint64_t tag = f->scsi.last_tag;
        f->scsi.device.queues[2].answers_nothing = true;
        fill_io(&ios[0], VST_BLOCK_READ, 8, 1);
        assert_int_equal(vst_block_submit(device->queues[0], &ios[0].request), VST_OK);
        vst_block_kick(device->queues[0]);
        assert_int_equal(f->scsi.last_tag,
                         tag); /* unless one is named, it is the slot's for good */
        struct vst_scsi_function function = {.kind =
                                                 i == 0 ? VST_SCSI_ABORT_TASK : VST_SCSI_QUERY_TASK,
                                             .nexus = nexus_of(0, 0),
                                             .tag = tag};
        assert_int_equal(f->hba->ops->manage(f->hba, &function), VST_OK);
        f->scsi.device.queues[2].answers_nothing = false;
        fake_virtio_blk_answer_queue(&f->scsi.device.queues[2]);
        finish(device->queues[0], &ios[0]); /* aborted, it is given again */
        assert_int_equal(ios[0].request.status, VST_OK);
        check_read(unit, &ios[0]);
        fill_io(&ios[0], VST_BLOCK_READ, 8, 1);
        run(device->queues[0], &ios[0]);
        assert_int_not_equal(f->scsi.last_tag, tag);
        f->hba->ops->look(f->hba);
        assert_true(vst_scsi_function_ended(&function));
        vst_scsi_disk_detach(device);
        tear_down(f);
    }
}

/* ------------------------------------------------------------------ resets */

/** Silence: the adapter is reset, and all units' requests are given again. */
static void test_requests_survive_a_reset_of_the_adapter(void **state)
{
    static struct fixture *f = &storage;

    (void)state;
    for (size_t k = 0; k < VST_ARRAY_LENGTH(ring_kinds); k++) {
        set_up_as(f, &ring_kinds[k], FAKE_MODERN);
        f->fake.ns_per_look = 10000;
        struct fake_unit *units[2];
        struct vst_block_queue *queues[2];
        for (uint8_t i = 0; i < 2; i++)
            units[i] = fake_virtio_scsi_add(&f->scsi, i, 0);
        assert_int_equal(attach(f), VST_OK);
        for (uint8_t i = 0; i < 2; i++)
            queues[i] = attach_disk(f, i, 0)->queues[0];
        int32_t room = queues[0]->device->limits.depth;
        f->scsi.device.answers_nothing = true; /* until the reset */
        for (unsigned i = 0; i < 10; i++) {
            fill_io(&ios[i], VST_BLOCK_READ, i, i == 4 ? 100 : 2);
            assert_int_equal(vst_block_submit(queues[i % 2], &ios[i].request), VST_OK);
        }
        vst_block_kick(queues[0]);
        vst_block_kick(queues[1]);
        for (unsigned i = 0; i < 10; i++)
            finish(queues[i % 2], &ios[i]);
        for (unsigned i = 0; i < 10; i++) {
            assert_int_equal(ios[i].request.status, VST_OK);
            check_read(units[i % 2], &ios[i]);
        }
        assert_int_equal(f->scsi.device.n_resets, 1);
        for (uint8_t i = 0; i < 2; i++) {
            assert_int_equal(((struct vst_scsi_block_queue *)queues[i])->n_room, room);
            vst_scsi_disk_detach(queues[i]->device);
        }
        tear_down(f);
    }
}

static void test_requests_end_when_the_unit_is_given_up(void **state)
{
    WITH(f);
    f->fake.ns_per_look = 100000;
    f->scsi.device.heals = false;
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    assert_int_equal(attach(f), VST_OK);
    struct vst_block_device *device = attach_disk(f, 0, 0);
    f->scsi.device.answers_nothing = true;
    for (unsigned i = 0; i < 8; i++) {
        fill_io(&ios[i], VST_BLOCK_READ, i, 2);
        assert_int_equal(vst_block_submit(device->queues[0], &ios[i].request), VST_OK);
    }
    for (unsigned i = 0; i < 8; i++) {
        finish(device->queues[0], &ios[i]);
        assert_int_not_equal(ios[i].request.status, VST_OK);
    }
    fill_io(&ios[0], VST_BLOCK_READ, 0, 2);
    assert_int_equal(vst_block_submit(device->queues[0], &ios[0].request), VST_ERR_BROKEN);
    assert_true(device->broken);
    assert_string_equal(device->broken_why, "does not answer");
    assert_false(f->hba->broken);
    vst_scsi_disk_detach(device);
    tear_down(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan_is_inclusive_kvm_guest_drivers_windows_1442),
        cmocka_unit_test(test_scan_one_after_the_other),
        cmocka_unit_test(test_what_a_disk_tells),
        cmocka_unit_test(test_no_disk_is_refused),
        cmocka_unit_test(test_data_by_every_ring),
        cmocka_unit_test(test_a_slot_after_a_long_command),
        cmocka_unit_test(test_large_blocks_and_large_disks),
        cmocka_unit_test(test_requests_are_split),
        cmocka_unit_test(test_units_share_the_ring),
        cmocka_unit_test(test_a_unit_is_given_no_more_than_it_takes),
        cmocka_unit_test(test_every_queue_of_its_own),
        cmocka_unit_test(test_answers_that_are_not_plainly_good),
        cmocka_unit_test(test_parts_that_fail),
        cmocka_unit_test(test_a_tag_that_was_named_is_not_used_again),
        cmocka_unit_test(test_requests_survive_a_reset_of_the_adapter),
        cmocka_unit_test(test_requests_end_when_the_unit_is_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
