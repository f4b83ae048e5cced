/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SCSI units and their disks where something is missing: memory, answers, parts of answers; and
 * queues that are waited for. On a fake adapter.
 */
#include "tests/unit/scsi_disk_fixture.h"

#include <vstor/scsi_units.h>
#include <vstor/trace.h>

static struct vst_scsi_units units;

static enum vst_status try_disk(struct fixture *f, struct vst_block_device **device)
{
    const struct vst_scsi_lun lun = {.n_levels = 1};

    return vst_scsi_disk_attach(f->hba, 0, &lun, device);
}

/** The adapter is in the registry, and its units are; disks are made of none. */
static void begin(struct fixture *f)
{
    memset(&units, 0, sizeof(units));
    assert_int_equal(attach(f), VST_OK);
    vst_scsi_units_add(&units, f->hba);
    assert_int_equal(vst_scsi_units_scan(&units, f->hba), VST_OK);
}

static void look_after(struct fixture *f)
{
    f->fake.now_ns += 100000000;
    vst_scsi_units_look_after(&units, f->hba);
}

static void end(struct fixture *f)
{
    assert_true(vst_scsi_units_forget(&units, f->hba));
    assert_int_equal(units.n, 0);
    tear_down(f);
}

static void tell(struct fixture *f, uint32_t event, uint8_t target, uint32_t reason)
{
    const uint8_t place[8] = {1, target, 0x40, 0};

    assert_true(fake_virtio_scsi_event(&f->scsi, event, place, reason));
}

/* ------------------------------------------------------------------ memory */

/** Each allocation fails alone; what was there before is there after, and nothing else. */
static void test_attach_where_one_allocation_fails(void **state)
{
    static const uint8_t types[] = {VST_SCSI_TYPE_DISK, VST_SCSI_TYPE_CD};

    for (size_t i = 0; i < VST_ARRAY_LENGTH(types); i++) {
        struct vst_block_device *device;
        WITH(f);
        struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
        unit->type = types[i];
        unit->block_bytes = types[i] == VST_SCSI_TYPE_CD ? 2048 : 512;
        unit->n_blocks = 64;
        assert_int_equal(attach(f), VST_OK);
        size_t before = f->fake.n_allocated, n = 0;
        enum vst_status status = VST_ERR_NO_MEMORY;
        for (; status != VST_OK; n++) {
            f->fake.fail_alloc_after = n;
            f->fake.fail_alloc_once = true;
            status = try_disk(f, &device);
            f->fake.fail_alloc_after = SIZE_MAX;
            if (status == VST_OK)
                break;
            assert_int_equal(status, VST_ERR_NO_MEMORY);
            assert_int_equal(f->fake.n_allocated, before);
        }
        assert_true(n > 4);
        vst_scsi_disk_detach(device);
        assert_int_equal(f->fake.n_allocated, before);
        tear_down(f);
    }
}

/** A unit that can't be looked at again for want of memory stays, and is looked at later. */
static void test_no_memory_to_look_again(void **state)
{
    struct vst_block_device *device;
    WITH(f);
    struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
    begin(f);
    assert_int_equal(vst_scsi_disk_attach_unit(units.first, &device), VST_OK);
    assert_int_equal(vst_scsi_disk_attach_unit(units.first, &device), VST_ERR_UNSUPPORTED);
    unit->n_blocks = 300;
    for (size_t n = 0; n < 10; n++) {
        tell(f, 1, 0, 0); /* the unit was reset */
        f->fake.fail_alloc_after = n;
        f->fake.fail_alloc_once = true;
        look_after(f);
        f->fake.fail_alloc_after = SIZE_MAX;
        assert_int_equal(units.n, 1);
        assert_false(units.first->gone);
        assert_ptr_equal(units.first->block, device);
    }
    for (unsigned i = 0; i < 60; i++)
        look_after(f);
    assert_int_equal(device->limits.n_sectors, 300);
    vst_scsi_disk_detach(device);
    end(f);
}

static void test_scans_where_one_allocation_fails(void **state)
{
    for (size_t n = 0;; n++) {
        WITH(f);
        for (uint16_t i = 0; i < 520; i++)
            fake_virtio_scsi_add(&f->scsi, 0, i);
        memset(&units, 0, sizeof(units));
        assert_int_equal(attach(f), VST_OK);
        vst_scsi_units_add(&units, f->hba);
        f->fake.fail_alloc_after = n < 12 ? n : SIZE_MAX;
        f->fake.fail_alloc_once = true;
        enum vst_status status = vst_scsi_units_scan(&units, f->hba);
        assert_int_equal(status, n < 12 ? VST_ERR_NO_MEMORY : VST_OK);
        assert_true(n < 12 ? units.n < 520 : units.n == 520);
        f->fake.fail_alloc_after = SIZE_MAX;
        end(f);
        if (n == 12)
            return;
    }
}

/* ------------------------------------------------------------------ who a unit is */

#define INQUIRY(bytes_)                                                                            \
    {                                                                                              \
        .operation = 0x12, .n = 1, .data = (bytes_), .bytes = sizeof(bytes_)                       \
    }

static const uint8_t standard[96] = {0, 0, 6, 2, 91, 0, 0, 2, 'F', 'A', 'K', 'E', ' '};
static const uint8_t all_pages[] = {0, 0, 0, 6, 0, 0x80, 0x83, 0xb0, 0xb1, 0xb2};
static const uint8_t cut_short[] = {0, 0};
static const uint8_t garbage[] = {0xff, 0xff, 0xff, 0xff, 0xff};

static void test_inquiries_that_make_no_sense(void **state)
{
    static const uint8_t elsewhere[96] = {0x20, 0, 6, 2, 91}, nobody[96] = {0x1f, 0, 6, 2, 91};
    static const struct {
        struct fake_script line;
        enum vst_status status;
    } cases[] = {{INQUIRY(cut_short), VST_ERR_MALFORMED},
                 {INQUIRY(elsewhere), VST_ERR_GONE},
                 {INQUIRY(nobody), VST_ERR_GONE}};

    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        struct vst_block_device *device;
        WITH(f);
        fake_virtio_scsi_add(&f->scsi, 0, 0)->script[0] = cases[i].line;
        assert_int_equal(attach(f), VST_OK);
        assert_int_equal(try_disk(f, &device), cases[i].status);
        assert_int_equal(try_disk(f, &device), VST_OK);
        vst_scsi_disk_detach(device);
        tear_down(f);
    }
}

static void test_places_that_cant_be_reached(void **state)
{
    static const struct vst_scsi_lun luns[] = {
        {.n_levels = 1, .number = 8}, {.n_levels = 1, .number = 1, .method = 99}, {.n_levels = 9}};
    const struct vst_scsi_lun zero = {.n_levels = 1};
    struct vst_block_device *device;
    WITH(f);
    fake_virtio_blk_set_config32(&f->scsi.device, 28, 7u << 16); /* targets */
    fake_virtio_blk_set_config32(&f->scsi.device, 32, 7);        /* and units up to 7 */
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(vst_scsi_disk_attach(f->hba, 8, &zero, &device), VST_ERR_INVALID);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(luns); i++)
        assert_int_equal(vst_scsi_disk_attach(f->hba, 0, &luns[i], &device), VST_ERR_INVALID);
    assert_int_equal(f->scsi.n_commands, 0);
    tear_down(f);
}

/** Pages that are garbage, or refused, are as if there were none. */
static void test_pages_that_make_no_sense(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        struct vst_block_device *device;
        WITH(f);
        struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
        unit->script[0] = (struct fake_script)INQUIRY(standard);
        unit->script[1] = (struct fake_script)INQUIRY(all_pages);
        unit->script[2] = (struct fake_script){
            .operation = 0x12, .key = i ? 5 : 0, .asc = 0x24, .data = garbage, .bytes = 5};
        assert_int_equal(attach(f), VST_OK);
        assert_int_equal(try_disk(f, &device), VST_OK);
        assert_string_equal(device->serial, "");
        assert_string_equal(device->identity->wwn, "");
        assert_true(device->identity->rotational);
        assert_int_equal(device->limits.discard.max_ranges, 0);
        assert_int_equal(unit->n_seen[0x12], 7);
        vst_scsi_disk_detach(device);
        tear_down(f);
    }
    WITH(f);
    struct vst_block_device *device;
    fake_virtio_scsi_add(&f->scsi, 0, 0)->script[0] = (struct fake_script)INQUIRY(standard);
    f->scsi.units[0].script[1] = (struct fake_script)INQUIRY(garbage); /* the list of pages */
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(try_disk(f, &device), VST_OK);
    assert_int_equal(f->scsi.units[0].n_seen[0x12], 2);
    vst_scsi_disk_detach(device);
    tear_down(f);
}

/** Limits and kind of the disk as pages tell them; a page of more than 255 bytes is asked twice. */
static void test_pages_of_a_disk(void **state)
{
    static const uint8_t pages[] = {0, 0, 0, 4, 0, 0x80, 0xb0, 0xb1};
    static uint8_t serial[304] = {0, 0x80, 1, 44, 'L', 'O', 'N', 'G'};
    static const uint8_t limits[64] = {0, 0xb0, 0, 60, [7] = 8, [11] = 16, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t kind[64] = {0, 0xb1, 0, 60, 0, 1};
    struct vst_block_device *device;
    WITH(f);
    struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
    unit->script[0] = (struct fake_script)INQUIRY(standard);
    unit->script[1] = (struct fake_script)INQUIRY(pages);
    unit->script[2] = (struct fake_script)INQUIRY(serial);
    unit->script[3] = (struct fake_script)INQUIRY(serial);
    unit->script[4] = (struct fake_script)INQUIRY(limits);
    unit->script[5] = (struct fake_script)INQUIRY(kind);
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(try_disk(f, &device), VST_OK);
    assert_int_equal(unit->n_seen[0x12], 6);
    assert_memory_equal(device->serial, "LONG", 4);
    assert_int_equal(device->limits.max_sectors, 16);
    assert_int_equal(device->limits.min_io_bytes, 8 * 512);
    assert_int_equal(device->limits.opt_io_bytes, 0); /* more than 32 bits of bytes */
    assert_false(device->identity->rotational);
    vst_scsi_disk_detach(device);
    tear_down(f);
}

/** What stands there after a reset is told apart by each thing that is known of it. */
static void test_somebody_else_after_a_reset(void **state)
{
    for (unsigned i = 0; i < 4; i++) {
        WITH(f);
        struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
        unit->naa = 0x5000000000000001;
        begin(f);
        struct vst_scsi_unit *first = units.first;
        vst_scsi_unit_hold(first);
        char name[VST_SCSI_WWN_BYTES + 4];
        vst_format(name, sizeof(name), "wwn=%s", first->wwn);
        assert_ptr_equal(vst_scsi_unit_find(&units, name), first);
        if (i == 0)
            unit->type = VST_SCSI_TYPE_TAPE;
        else if (i == 1)
            unit->serial = "another";
        else if (i == 2)
            unit->naa++;
        tell(f, 1, 0, 0);
        look_after(f);
        assert_int_equal(first->gone, i < 3);
        look_after(f);
        assert_int_equal(units.n, i < 3 ? 2 : 1);
        /* Who is gone is found by no name any more; events are not its. */
        struct vst_scsi_unit *now = vst_scsi_unit_find(&units, first->path);
        assert_true(i < 3 ? now != NULL && now != first : now == first);
        tell(f, 1, 0, 0);
        look_after(f);
        assert_int_equal(units.n, i < 3 ? 2 : 1);
        vst_scsi_unit_let_go(first);
        look_after(f);
        assert_int_equal(units.n, 1);
        end(f);
    }
}

/** Garbage for an answer says nothing, for now. */
static void test_garbage_after_a_reset(void **state)
{
    WITH(f);
    struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
    begin(f);
    const struct vst_scsi_unit *first = units.first;
    unit->script[0] = (struct fake_script)INQUIRY(cut_short);
    tell(f, 1, 0, 0);
    look_after(f);
    assert_int_equal(unit->script[0].n, UINT32_MAX); /* it was asked */
    assert_ptr_equal(units.first, first);
    assert_false(first->gone);
    assert_int_equal(units.n, 1);
    end(f);
}

/* ------------------------------------------------------------------ adapters, events */

static void test_adapters_of_a_registry(void **state)
{
    struct vst_scsi_hba hbas[3] = {{.number = 0}};

    (void)state;
    memset(&units, 0, sizeof(units));
    for (unsigned i = 0; i < 3; i++) {
        vst_scsi_units_add(&units, &hbas[i]);
        assert_int_equal(hbas[i].number, i);
    }
    assert_true(vst_scsi_units_forget(&units, &hbas[1]));
    assert_true(vst_scsi_units_forget(&units, &hbas[1])); /* it is not there any more */
    assert_ptr_equal(units.hbas, &hbas[0]);
    assert_ptr_equal(hbas[0].next, &hbas[2]);
    vst_scsi_units_add(&units, &hbas[1]);
    assert_int_equal(hbas[1].number, 1); /* the number that was free */
    for (unsigned i = 3; i-- > 0;)
        assert_true(vst_scsi_units_forget(&units, &hbas[i]));
    assert_null(units.hbas);
}

/** More events than are taken at a time; notes of media that mean nothing here. */
static void test_many_events(void **state)
{
    struct vst_block_device *device;
    struct vst_scsi_event event;
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    begin(f);
    assert_int_equal(vst_scsi_disk_attach_unit(units.first, &device), VST_OK);
    for (unsigned i = 0; i < 100; i++) {
        tell(f, i % 2 ? 2 : 1, 0, i % 2 ? 0x10 : 2);
        f->hba->ops->look(f->hba);
    }
    look_after(f);
    assert_true(f->hba->ops->next_event(f->hba, &event)); /* left for the next time */
    assert_false(f->hba->ops->next_event(f->hba, &event));
    look_after(f);
    look_after(f);
    assert_int_equal(units.n, 1);
    assert_false(units.first->gone);
    assert_false(device->broken);
    vst_scsi_disk_detach(device);
    end(f);
}

/** An adapter out of service: so are its disks, and they may leave. */
static void test_an_adapter_out_of_service(void **state)
{
    struct vst_block_device *device;
    uint64_t error_sector;
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    fake_virtio_scsi_add(&f->scsi, 1, 0); /* without a disk */
    begin(f);
    assert_int_equal(vst_scsi_disk_attach_unit(units.first, &device), VST_OK);
    f->scsi.device.queues[0].offered_size = 0; /* it is refused after a reset */
    f->hba->ops->reset(f->queue, "a test wants it");
    for (unsigned i = 0; !f->hba->broken; i++) {
        assert_true(i < MAX_LOOKS);
        f->hba->ops->poll_commands(f->queue, 8);
    }
    assert_false(device->broken);
    look_after(f);
    assert_true(device->broken);
    assert_string_equal(device->broken_why, f->hba->broken_why);
    look_after(f);
    assert_int_equal(vst_scsi_disk_verify(device->queues[0], 0, 8, &error_sector), VST_ERR_BROKEN);
    assert_int_equal(vst_scsi_units_scan(&units, f->hba), VST_ERR_BROKEN);
    struct vst_block_device *other;
    assert_int_not_equal(try_disk(f, &other), VST_OK);
    vst_scsi_disk_detach(device);
    f->scsi.device.saw_misuse = false; /* it was asked for a queue that is not there */
    end(f);
}

/* ------------------------------------------------------------------ disks */

static void test_disks_that_cant_be(void **state)
{
    struct vst_block_device *device;
    WITH(f);
    struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
    unit->block_bytes = 4096;
    unit->n_blocks = 64;
    fake_virtio_blk_set_config32(&f->scsi.device, 8, 4); /* max_sectors */
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(try_disk(f, &device), VST_ERR_MALFORMED);
    assert_non_null(strstr(f->fake.all_logs, "not even one block"));
    unit->type = VST_SCSI_TYPE_CD;
    unit->block_bytes = 2048;
    assert_int_equal(try_disk(f, &device), VST_OK);
    vst_scsi_disk_detach(device);
    tear_down(f);
    set_up(f);
    f->fake.platform.dma_max_map_bytes = 1024;
    f->config.max_segments = 1;
    unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
    unit->block_bytes = 4096;
    unit->n_blocks = 64;
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(try_disk(f, &device), VST_ERR_MALFORMED);
    unit->type = VST_SCSI_TYPE_CD;
    assert_int_equal(try_disk(f, &device), VST_ERR_MALFORMED);
    tear_down(f);
    set_up(f);
    unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
    fake_virtio_blk_set_config32(&f->scsi.device, 8, 3);
    unit->type = VST_SCSI_TYPE_CD;
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(try_disk(f, &device), VST_ERR_MALFORMED);
    unit->type = VST_SCSI_TYPE_DISK;
    unit->knows_no_16 = true;
    unit->script[0] = (struct fake_script){.operation = 0x25, .key = 3, .asc = 0x11};
    assert_int_equal(try_disk(f, &device), VST_ERR_MEDIUM);
    tear_down(f);
}

/** Whoever waits for a disk's queue is told that there is something, or woken. */
static void test_waiting_for_a_disk(void **state)
{
    static const enum vst_irq_mode modes[] = {VST_IRQ_POLL, VST_IRQ_INTX};
    struct fixture *f = &storage;

    (void)state;
    for (size_t i = 0; i < 2 * 6 * VST_ARRAY_LENGTH(modes); i++) {
        size_t kind = i / 2 % 6;
        set_up_as(f, &ring_kinds[kind], FAKE_MODERN);
        f->config.irq.mode = modes[i / 12];
        f->scsi.device.function.interrupt_pin = 1;
        f->config.n_trace_events = 64;
        fake_virtio_scsi_add(&f->scsi, 0, 0);
        assert_int_equal(attach(f), VST_OK);
        struct vst_block_device *device = attach_disk(f, 0, 0);
        struct vst_block_queue *queue = device->queues[0];
        assert_true(vst_trace_set(device, i % 2));
        f->scsi.device.queues[2].answers_nothing = true;
        fill_io(&ios[0], VST_BLOCK_READ, 8, 8);
        assert_int_equal(vst_block_submit(queue, &ios[0].request), VST_OK);
        vst_block_kick(queue);
        assert_int_equal(take(queue, 64), 0);
        assert_false(vst_block_ready(queue));
        /* Nothing wakes who polls: it is not to sleep. */
        assert_int_equal(vst_block_arm(queue), modes[i / 12] == VST_IRQ_POLL);
        assert_ptr_equal(f->queue->armed, modes[i / 12] == VST_IRQ_POLL ? NULL : queue);
        f->scsi.device.queues[2].answers_nothing = false;
        fake_virtio_blk_answer_queue(&f->scsi.device.queues[2]);
        assert_true(vst_block_awaited(queue));
        assert_true(vst_block_ready(queue));
        vst_block_disarm(queue);
        assert_int_equal(fake_virtio_blk_line(&f->scsi.device), modes[i / 12] == VST_IRQ_INTX);
        assert_int_equal(f->hba->ops->interrupted(f->hba), modes[i / 12] == VST_IRQ_INTX);
        finish(queue, &ios[0]);
        assert_int_equal(ios[0].request.status, VST_OK);
        check_read(f->scsi.units, &ios[0]);
        vst_scsi_disk_detach(device);
        assert_null(f->queue->armed);
        tear_down(f);
    }
}

/** Of what VERIFY says of the place only what can be is believed. */
static void test_where_a_check_failed(void **state)
{
    static const struct {
        const char *sense;
        uint32_t bytes;
        uint64_t expected;
    } cases[] = {
        {SENSE("\x03", "\x14", "\x11", "\x00"), 18, 20},
        {SENSE("\x03", "\x07", "\x11", "\x00"), 18, 16},
        {SENSE("\x03", "\x50", "\x11", "\x00"), 18, 16},
        {"\x70\x00\x03\x00\x00\x00\x14\x0a\x00\x00\x00\x00\x11\x00\x00\x00\x00\x00", 18, 16},
    };

    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        uint64_t error_sector = 0;
        WITH(f);
        f->fake.ns_per_look = 1000000;
        fake_virtio_scsi_add(&f->scsi, 0, 0);
        assert_int_equal(attach(f), VST_OK);
        struct vst_block_device *device = attach_disk(f, 0, 0);
        next_answers(f, 1000, 0, 2, 0, cases[i].sense, cases[i].bytes);
        assert_int_equal(vst_scsi_disk_verify(device->queues[0], 16, 8, &error_sector),
                         VST_ERR_MEDIUM);
        assert_int_equal(error_sector, cases[i].expected);
        f->scsi.answer.n = 0;
        assert_null(vst_scsi_cd_medium(device));
        vst_scsi_disk_detach(device);
        tear_down(f);
    }
}

/** Modes without a caching page, or none at all. */
static void test_modes_that_make_no_sense(void **state)
{
    static const uint8_t no_page[] = {0, 6, 0, 0x80, 0, 0, 0, 0}, cut[] = {0, 6};
    struct vst_block_device *device;
    WITH(f);
    struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
    unit->script[0] = (struct fake_script){.operation = 0x5a, .data = no_page, .bytes = 8};
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(try_disk(f, &device), VST_OK);
    assert_true(device->read_only);
    assert_false(device->write_cache || device->write_cache_settable);
    vst_scsi_disk_detach(device);
    unit->script[0] = (struct fake_script){.operation = 0x5a, .data = cut, .bytes = 2};
    assert_int_equal(try_disk(f, &device), VST_OK);
    assert_false(device->read_only || device->write_cache || device->write_cache_settable);
    vst_scsi_disk_detach(device);
    memset(unit->script, 0, sizeof(unit->script));
    for (unsigned i = 0; i < 2; i++) { /* what was told at first is not told any more */
        assert_int_equal(try_disk(f, &device), VST_OK);
        assert_true(device->write_cache_settable);
        unit->script[0] = (struct fake_script){
            .operation = 0x5a, .key = i ? 5 : 0, .asc = 0x20, .data = no_page, .bytes = 8};
        assert_int_equal(vst_block_set_write_cache(device, false), VST_ERR_UNSUPPORTED);
        assert_true(device->write_cache);
        assert_int_equal(unit->disk.n_selects, 0);
        memset(unit->script, 0, sizeof(unit->script));
        vst_scsi_disk_detach(device);
    }
    tear_down(f);
}

/* ------------------------------------------------------------------ scans */

/** More units are listed than an adapter is believed: it is told, and has an end. */
static void test_more_units_than_are_believed(void **state)
{
    static uint8_t list[8 + 8 * 3000];
    WITH(f);
    fake_virtio_blk_set_config32(&f->scsi.device, 28, 1u << 16); /* two targets */
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    fake_virtio_scsi_add(&f->scsi, 1, 0);
    list[2] = 3000 * 8 >> 8;
    list[3] = (uint8_t)(3000 * 8);
    for (unsigned i = 0; i < 3000; i++) {
        list[8 + 8 * i] = (uint8_t)(0x40 | i >> 8);
        list[9 + 8 * i] = (uint8_t)i;
    }
    f->scsi.told_luns = list;
    f->scsi.told_luns_bytes = sizeof(list);
    begin(f);
    assert_int_equal(units.n, 2);
    assert_non_null(strstr(f->fake.all_logs, "others are left out"));
    end(f);
}

/** A list is no longer than a command may be, be that no longer than the first one asked for. */
static void test_lists_cut_by_the_adapter(void **state)
{
    static const struct {
        uint32_t max_sectors, n_units;
    } cuts[] = {{8, 511}, {9, 575}};

    for (size_t c = 0; c < VST_ARRAY_LENGTH(cuts); c++) {
        WITH(f);
        fake_virtio_blk_set_config32(&f->scsi.device, 8, cuts[c].max_sectors);
        for (uint16_t i = 0; i < 600; i++)
            fake_virtio_scsi_add(&f->scsi, 0, i);
        begin(f);
        assert_int_equal(units.n, cuts[c].n_units);
        end(f);
    }
}

/** The well-known unit lists those of all targets: who has told of its own is not looked up there. */
static void test_well_known_unit_beside_lists(void **state)
{
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 3, 12)->knows_no_luns = true;
    fake_virtio_scsi_add(&f->scsi, 5, 1);
    f->scsi.has_well_known = true;
    begin(f);
    assert_int_equal(units.n, 2);
    end(f);
}

/** Tried one after the other: what is not there, what says nothing, and where it ends. */
static void test_units_that_are_tried(void **state)
{
    static const uint8_t elsewhere[96] = {0x20, 0, 6, 2, 91}, nobody[96] = {0x1f, 0, 6, 2, 91};
    static const struct {
        struct fake_script line;
        unsigned n_found;
    } cases[] = {{INQUIRY(elsewhere), 3}, {INQUIRY(nobody), 3}, {INQUIRY(cut_short), 3}, {{0}, 4}};

    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        WITH(f);
        fake_virtio_blk_set_config32(&f->scsi.device, 32, 3); /* max_lun */
        for (uint16_t k = 0; k < 4; k++)
            fake_virtio_scsi_add(&f->scsi, 0, k)->knows_no_luns = true;
        f->scsi.units[2].script[0] = cases[i].line;
        begin(f);
        assert_int_equal(units.n, cases[i].n_found);
        assert_null(vst_scsi_unit_find(&units, "nothing"));
        end(f);
    }
}

/** Units are listed that the adapter can't reach: the others are found. */
static void test_listed_beyond_the_adapter(void **state)
{
    WITH(f);
    fake_virtio_blk_set_config32(&f->scsi.device, 32, 3); /* max_lun */
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    fake_virtio_scsi_add(&f->scsi, 0, 9);
    begin(f);
    assert_int_equal(units.n, 1);
    end(f);
}

/* ------------------------------------------------------------------ disks that say no */

/** Looked at again, it is not there, or does not say; a mode that it does not tell stays. */
static void test_disks_that_do_not_tell_again(void **state)
{
    static const struct fake_script lines[] = {{.operation = 0x9e, .key = 5, .asc = 0x25},
                                               {.operation = 0x5a, .key = 5, .asc = 0x24}};

    for (size_t i = 0; i < VST_ARRAY_LENGTH(lines); i++) {
        struct vst_block_device *device;
        WITH(f);
        struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
        begin(f);
        assert_int_equal(vst_scsi_disk_attach_unit(units.first, &device), VST_OK);
        unit->script[0] = lines[i];
        if (i == 0) { /* by 10 bytes, too */
            unit->script[1] = lines[0];
            unit->script[1].operation = 0x25;
        }
        tell(f, 1, 0, 0);
        look_after(f);
        assert_int_equal(units.n, 1);
        assert_false(device->gone); /* it is listed still, and calls itself what it did */
        assert_int_equal(device->limits.n_sectors, FAKE_UNIT_SECTORS);
        assert_true(device->write_cache_settable);
        vst_scsi_disk_detach(device);
        end(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attach_where_one_allocation_fails),
        cmocka_unit_test(test_no_memory_to_look_again),
        cmocka_unit_test(test_scans_where_one_allocation_fails),
        cmocka_unit_test(test_inquiries_that_make_no_sense),
        cmocka_unit_test(test_places_that_cant_be_reached),
        cmocka_unit_test(test_pages_that_make_no_sense),
        cmocka_unit_test(test_pages_of_a_disk),
        cmocka_unit_test(test_somebody_else_after_a_reset),
        cmocka_unit_test(test_garbage_after_a_reset),
        cmocka_unit_test(test_adapters_of_a_registry),
        cmocka_unit_test(test_many_events),
        cmocka_unit_test(test_an_adapter_out_of_service),
        cmocka_unit_test(test_disks_that_cant_be),
        cmocka_unit_test(test_waiting_for_a_disk),
        cmocka_unit_test(test_where_a_check_failed),
        cmocka_unit_test(test_modes_that_make_no_sense),
        cmocka_unit_test(test_more_units_than_are_believed),
        cmocka_unit_test(test_lists_cut_by_the_adapter),
        cmocka_unit_test(test_well_known_unit_beside_lists),
        cmocka_unit_test(test_units_that_are_tried),
        cmocka_unit_test(test_listed_beyond_the_adapter),
        cmocka_unit_test(test_disks_that_do_not_tell_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
