/* SPDX-License-Identifier: BSD-2-Clause */
/* The registry of SCSI units on a fake adapter: scans, events, units that come, go, change and lie. */
#include "tests/unit/scsi_fixture.h"

#define MOST_FOUND 4200u
#define LIST_BYTES (8u + 8u * 5000u)

struct owner {
    struct vst_scsi_units units;
    struct vst_block_registry registry;
    bool makes_disks;
    struct vst_scsi_unit *found[MOST_FOUND];
    unsigned n_found, n_lost;
};

static struct owner owner;

static void note_found(void *ctx, struct vst_scsi_unit *unit)
{
    struct owner *o = ctx;
    struct vst_block_device *device;

    assert_true(o->n_found < MOST_FOUND);
    o->found[o->n_found++] = unit;
    if (o->makes_disks && vst_scsi_disk_attach_unit(unit, &device) == VST_OK)
        vst_block_register(&o->registry, device, "sd");
}

static void note_lost(void *ctx, struct vst_scsi_unit *unit)
{
    struct owner *o = ctx;

    o->n_lost++;
    assert_true(unit->gone);
    if (unit->block == NULL)
        return;
    vst_block_unregister(&o->registry, unit->block);
    vst_scsi_disk_detach(unit->block);
}

/** The adapter is attached, the registry empty. */
static void begin(struct fixture *f, bool makes_disks)
{
    memset(&owner, 0, sizeof(owner));
    owner.units = (struct vst_scsi_units){.ctx = &owner, .found = note_found, .lost = note_lost};
    owner.makes_disks = makes_disks;
    assert_int_equal(attach(f), VST_OK);
    vst_scsi_units_add(&owner.units, f->hba);
    f->scsi.n_commands = 0;
}

static void scan(struct fixture *f)
{
    owner.n_found = owner.n_lost = 0;
    assert_int_equal(vst_scsi_units_scan(&owner.units, f->hba), VST_OK);
}

/** As the owner does ten times a second. */
static void look_after(struct fixture *f)
{
    owner.n_found = owner.n_lost = 0;
    f->fake.now_ns += 100000000;
    vst_scsi_units_look_after(&owner.units, f->hba);
}

/** Until it is checked whatever events said. */
static void wait_for_check(struct fixture *f)
{
    unsigned n_found = 0, n_lost = 0;

    for (unsigned i = 0; i < 60; i++) {
        look_after(f);
        n_found += owner.n_found;
        n_lost += owner.n_lost;
    }
    owner.n_found = n_found;
    owner.n_lost = n_lost;
}

static void end(struct fixture *f)
{
    assert_true(vst_scsi_units_forget(&owner.units, f->hba));
    assert_null(owner.units.first);
    assert_null(owner.units.hbas);
    assert_int_equal(owner.units.n, 0);
    tear_down(f);
}

static void tell(struct fixture *f, uint32_t event, uint8_t target, uint8_t lun, uint32_t reason)
{
    const uint8_t place[8] = {1, target, 0x40, lun};

    assert_true(fake_virtio_scsi_event(&f->scsi, event, place, reason));
}
enum { TRANSPORT_RESET = 1, PARAMETERS = 3, RESCAN = 1, REMOVED = 2, CAPACITY_CHANGED = 0x092a };
#define MISSED 0x80000000u

static void expect_changes(unsigned n_found, unsigned n_lost)
{
    assert_int_equal(owner.n_found, n_found);
    assert_int_equal(owner.n_lost, n_lost);
}

/* ------------------------------------------------------------------ scan */

static unsigned commands_of_scan(unsigned n_targets, unsigned n_luns)
{
    struct fixture *f = &storage;

    set_up(f);
    for (unsigned i = 0; i < n_targets; i++)
        for (unsigned k = 0; k < n_luns; k++)
            fake_virtio_scsi_add(&f->scsi, (uint8_t)i, (uint16_t)k);
    begin(f, false);
    scan(f);
    assert_int_equal(owner.n_found, n_targets * n_luns);
    for (unsigned i = 0; i < owner.n_found; i++) {
        assert_int_equal(owner.found[i]->target, i / n_luns);
        assert_int_equal(owner.found[i]->lun.number, i % n_luns);
        assert_string_equal(owner.found[i]->vendor, "FAKE");
    }
    unsigned n = f->scsi.n_commands;
    end(f);
    return n;
}

/** Commands against units is a straight line, up to all targets and to a list asked for twice. */
static void test_cost_of_a_scan(void **state)
{
    (void)state;
    unsigned none = commands_of_scan(0, 0);
    assert_int_equal(none, 256); /* REPORT LUNS to each */
    unsigned each = commands_of_scan(1, 1) - none;
    assert_int_equal(each, 3); /* INQUIRY, pages 00h, 80h */
    for (unsigned n = 2; n <= 256; n *= 2)
        assert_int_equal(commands_of_scan(n, 1), none + n * each);
    for (unsigned n = 2; n <= 512; n *= 2)
        assert_int_equal(commands_of_scan(1, n), none + n * each + (n > 511));
}

/** LUN 0 is absent, and the target answers for none (SCST#223): the well-known unit tells. */
static void test_well_known_unit(void **state)
{
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 3, 700);
    fake_virtio_scsi_add(&f->scsi, 3, 12);
    fake_virtio_scsi_add(&f->scsi, 5, 1)->knows_no_luns = true;
    f->scsi.units[0].knows_no_luns = f->scsi.units[1].knows_no_luns = true;
    f->scsi.has_well_known = true;
    begin(f, false);
    scan(f);
    assert_int_equal(owner.n_found, 3);
    assert_int_equal(owner.found[0]->lun.number, 12);
    assert_int_equal(owner.found[1]->lun.number, 700);
    assert_int_equal(owner.found[2]->target, 5);
    end(f);
}

/** A target of which every number is there is believed 512 of them. */
static void test_tried_one_after_the_other_has_an_end(void **state)
{
    WITH(f);
    for (unsigned i = 0; i < 590; i++)
        fake_virtio_scsi_add(&f->scsi, 0, (uint16_t)i)->knows_no_luns = true;
    begin(f, false);
    scan(f);
    assert_int_equal(owner.n_found, 512);
    end(f);
}

/* ------------------------------------------------------------------ lists that lie */

static uint8_t list[LIST_BYTES];

/** A list that says it has `told` entries, all target's `target` units as `number_of` says. */
static void make_list(struct fixture *f, uint32_t told, uint32_t n, uint16_t (*number_of)(uint32_t))
{
    memset(list, 0, sizeof(list));
    for (unsigned i = 0; i < 4; i++)
        list[i] = (uint8_t)(told * 8 >> (24 - 8 * i));
    for (uint32_t i = 0; i < n; i++) {
        uint16_t number = number_of(i);
        list[8 + 8 * i] = (uint8_t)(0x40 | number >> 8);
        list[9 + 8 * i] = (uint8_t)number;
    }
    f->scsi.told_luns = list;
    f->scsi.told_luns_bytes = 8 + 8 * n;
}

static uint16_t upwards(uint32_t i)
{
    return (uint16_t)i;
}
static uint16_t downwards(uint32_t i)
{
    return (uint16_t)(4999 - i);
}
static uint16_t the_same(uint32_t i)
{
    (void)i;
    return 1;
}

/** Whatever it lists, what is there is found once, and what is not costs a command at most once. */
static void test_lists_that_lie(void **state)
{
    static const struct {
        uint32_t told, n;
        uint16_t (*number_of)(uint32_t);
        unsigned n_found;
    } cases[] = {
        {1000000, 5000, upwards, 3}, {0x1fffffff, 100, upwards, 3}, {5000, 5000, downwards, 0},
        {5000, 5000, the_same, 1},   {100, 100, the_same, 1},       {50, 0, upwards, 0},
    };
    (void)state;
    for (size_t c = 0; c < VST_ARRAY_LENGTH(cases); c++) {
        struct fixture *f = &storage;
        set_up(f);
        for (unsigned i = 0; i < 3; i++)
            fake_virtio_scsi_add(&f->scsi, 0, (uint16_t)i);
        make_list(f, cases[c].told, cases[c].n, cases[c].number_of);
        begin(f, false);
        scan(f);
        if (cases[c].n_found > 0)
            assert_int_equal(owner.n_found, cases[c].n_found);
        assert_true(f->scsi.n_commands < 256 + 1 + 4096 + 9);
        for (unsigned i = 0; i < 30; i++)
            look_after(f);
        assert_true(owner.units.n <= 3);
        end(f);
    }
}

static uint16_t zero_last(uint32_t i)
{
    return (uint16_t)((i + 1) % 3000);
}

/** Who is not in a list that there was no room for, or that was cut, may be there all the same. */
static void test_no_unit_is_lost_by_a_list_too_long(void **state)
{
    static const uint32_t told[] = {3000, 4500};

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(told); i++) {
        struct fixture *f = &storage;
        set_up(f);
        fake_virtio_blk_set_config32(&f->scsi.device, 28, 1u << 16); /* two targets */
        fake_virtio_scsi_add(&f->scsi, 0, 0);
        fake_virtio_scsi_add(&f->scsi, 1, 0);
        fake_virtio_scsi_add(&f->scsi, 1, 4400);
        begin(f, false);
        scan(f);
        expect_changes(3, 0);
        make_list(f, told[i], told[i], zero_last);
        scan(f);
        expect_changes(0, 0);
        assert_int_equal(owner.units.n, 3);
        end(f);
    }
}

/** Levels, methods and lengths that mean nothing; nothing but what can be reached is asked. */
static void test_lists_of_garbage(void **state)
{
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    f->scsi.any_lun = true;
    begin(f, false);
    srand(1);
    for (unsigned round = 0; round < 300; round++) {
        f->scsi.told_luns_bytes = (uint32_t)rand() % 900;
        for (unsigned i = 0; i < f->scsi.told_luns_bytes; i++)
            list[i] = (uint8_t)(rand() % 3 == 0 ? rand() : 0);
        list[0] = list[1] = 0;
        f->scsi.told_luns = list;
        scan(f);
        assert_true(owner.units.n <= 1);
        look_after(f);
    }
    f->scsi.told_luns = NULL;
    scan(f);
    assert_int_equal(owner.units.n, 1);
    end(f);
}

/* ------------------------------------------------------------------ coming and going */

static void test_events(void **state)
{
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 4, 9);
    unit->away = true;
    begin(f, true);
    scan(f);
    expect_changes(1, 0);
    look_after(f);
    expect_changes(0, 0);
    unit->away = false;
    tell(f, TRANSPORT_RESET, 4, 9, RESCAN);
    look_after(f);
    expect_changes(1, 0);
    assert_string_equal(owner.found[0]->path, "pci-0000:00:04.0-scsi-0:0:4:9");
    assert_string_equal(owner.found[0]->hctl, "0:0:4:9");
    assert_non_null(vst_block_find(&owner.registry, "serial=fake-4-9"));
    tell(f, TRANSPORT_RESET, 4, 9, RESCAN); /* told twice: nothing differs */
    look_after(f);
    expect_changes(0, 0);
    unit->away = true;
    tell(f, TRANSPORT_RESET, 4, 9, REMOVED);
    look_after(f);
    expect_changes(0, 1);
    assert_null(vst_block_find(&owner.registry, "sdb"));
    end(f);
}

/** EVENTS_MISSED: only what differs is told, and another in the same place does. */
static void test_missed_events(void **state)
{
    struct fake_unit *units[4];
    WITH(f);
    for (unsigned i = 0; i < 4; i++)
        units[i] = fake_virtio_scsi_add(&f->scsi, (uint8_t)(10 * i), 0);
    units[3]->away = true;
    begin(f, true);
    scan(f);
    expect_changes(3, 0);
    f->fake.now_ns += 2000000000; /* all is not asked more than once a second */
    units[0]->away = true;
    units[1]->product = 'X';
    units[3]->away = false;
    tell(f, MISSED, 0, 0, 0);
    look_after(f);
    expect_changes(2, 2);
    assert_int_equal(owner.units.n, 3);
    end(f);
}

/** Nobody tells (SPDK drops an event): found out all the same. */
static void test_lost_events(void **state)
{
    WITH(f);
    struct fake_unit *first = fake_virtio_scsi_add(&f->scsi, 0, 0);
    struct fake_unit *second = fake_virtio_scsi_add(&f->scsi, 200, 3);
    second->away = true;
    begin(f, true);
    scan(f);
    first->away = true;
    second->away = false;
    wait_for_check(f);
    expect_changes(1, 1);
    second->product = 'Y'; /* another one, in full: its serial number is known */
    wait_for_check(f);
    expect_changes(1, 1);
    assert_string_equal(owner.units.first->serial, "fake-0-3");
    f->scsi.n_commands = 0;
    wait_for_check(f);
    expect_changes(0, 0);
    assert_true(f->scsi.n_commands <= 2 * (256 + 1));
    end(f);
}

/** Events of nowhere, of targets beyond, of no kind; and more of them than anybody keeps. */
static void test_event_storm(void **state)
{
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    fake_virtio_blk_set_config32(&f->scsi.device, 28, 7u << 16); /* targets 0 to 7 */
    begin(f, true);
    scan(f);
    srand(2);
    f->scsi.n_commands = 0;
    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = 0; i < 16; i++) {
            uint8_t place[8];
            for (unsigned k = 0; k < 8; k++)
                place[k] = (uint8_t)(rand() % 2 ? rand() : k == 0);
            (void)fake_virtio_scsi_event(&f->scsi, (uint32_t)rand() % 5 | (uint32_t)rand() << 31,
                                         place, (uint32_t)rand() % 4);
        }
        look_after(f);
        expect_changes(0, 0);
    }
    assert_true(f->scsi.n_commands < 100 * (8 + 2 * 7));
    end(f);
}

/** A unit that is somebody else whenever it is asked: a bounded number of commands, and no more of it. */
static void test_restless_unit(void **state)
{
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 0, 0)->restless = true;
    fake_virtio_scsi_add(&f->scsi, 1, 0);
    begin(f, true);
    scan(f);
    f->scsi.n_commands = 0;
    for (unsigned i = 0; i < 200; i++) {
        if (i % 3 == 0)
            tell(f, TRANSPORT_RESET, 0, 0, RESCAN);
        look_after(f);
        assert_true(owner.units.n <= 3);
    }
    assert_true(f->scsi.n_commands < 200 * 20);
    assert_non_null(vst_block_find(&owner.registry, "serial=fake-1-0"));
    end(f);
}

/* ------------------------------------------------------------------ changes of a disk */

static void test_resize(void **state)
{
    struct vst_block_event event;
    WITH(f);
    struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
    begin(f, true);
    scan(f);
    struct vst_block_device *disk = owner.found[0]->block;
    unit->n_blocks = 300;
    tell(f, PARAMETERS, 0, 0, CAPACITY_CHANGED);
    look_after(f);
    assert_int_equal(disk->limits.n_sectors, 300);
    assert_true(vst_block_next_event(&owner.registry, &event));
    assert_int_equal(event.what, VST_BLOCK_EVENT_RESIZED);
    assert_int_equal(event.new_value, 300);
    unit->n_blocks = 1ull << 33; /* beyond what short commands reach, on a disk in use */
    unit->write_protected = true;
    tell(f, PARAMETERS, 0, 0, 0x012a);
    tell(f, PARAMETERS, 0, 0, CAPACITY_CHANGED);
    look_after(f);
    assert_true(disk->read_only);
    assert_int_equal(disk->limits.n_sectors, 1ull << 33);
    uint8_t data[512];
    struct vst_block_segment segment = {data, sizeof(data)};
    struct vst_block_request request = {.op = VST_BLOCK_READ,
                                        .n_segments = 1,
                                        .segments = &segment,
                                        .start_sector = (1ull << 33) - 1,
                                        .n_sectors = 1};
    assert_int_equal(vst_block_execute(disk->queues[0], &request), VST_OK);
    assert_int_equal(f->scsi.last_cdb[0], 0x88); /* READ (16) */
    unit->block_bytes = 4096; /* that can't be under a disk in use: it is another one */
    tell(f, PARAMETERS, 0, 0, CAPACITY_CHANGED);
    look_after(f);
    look_after(f);
    assert_int_equal(owner.units.n, 1);
    assert_int_equal(owner.units.first->block->limits.logical_block_bytes, 4096);
    end(f);
}

/** A request with a sector's memory, and what became of it. */
struct io {
    struct vst_block_request request;
    struct vst_block_segment segment;
    uint8_t data[8 * 512];
};

static struct vst_block_request *make_io(struct io *io, enum vst_block_op op, uint64_t sector,
                                         uint64_t n)
{
    memset(io, 0, sizeof(*io));
    memset(io->data, 0x77, sizeof(io->data));
    io->segment = (struct vst_block_segment){io->data, n * 512};
    io->request = (struct vst_block_request){.op = op,
                                             .n_segments = 1,
                                             .segments = &io->segment,
                                             .start_sector = sector,
                                             .n_sectors = n};
    return &io->request;
}

static enum vst_status run_io(struct vst_block_device *disk, enum vst_block_op op, uint64_t sector,
                              uint64_t n)
{
    static struct io io;

    return vst_block_execute(disk->queues[0], make_io(&io, op, sector, n));
}

/** READ and WRITE, of 10 and 16 bytes. */
static unsigned n_transfers(const struct fake_unit *unit)
{
    return unit->n_seen[0x28] + unit->n_seen[0x2a] + unit->n_seen[0x88] + unit->n_seen[0x8a];
}

/** Before that is known the unit refuses what is beyond its end; then nobody asks it. */
static void test_a_disk_shrinks_at_work(void **state)
{
    WITH(f);
    struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
    begin(f, true);
    scan(f);
    struct vst_block_device *disk = owner.found[0]->block;
    assert_int_equal(run_io(disk, VST_BLOCK_WRITE, 400, 2), VST_OK);
    memset(unit->data + 300 * 512, 0xee, 212 * 512);
    unit->n_blocks = 300;
    assert_int_equal(run_io(disk, VST_BLOCK_READ, 400, 2), VST_ERR_RANGE);
    assert_int_equal(run_io(disk, VST_BLOCK_WRITE, 299, 2), VST_ERR_RANGE);
    assert_int_equal(disk->limits.n_sectors, FAKE_UNIT_SECTORS);
    look_after(f); /* no event has told: what was refused did */
    assert_int_equal(disk->limits.n_sectors, 300);
    unsigned n = n_transfers(unit);
    assert_int_equal(run_io(disk, VST_BLOCK_WRITE, 400, 2), VST_ERR_RANGE);
    assert_int_equal(run_io(disk, VST_BLOCK_READ, 299, 2), VST_ERR_RANGE);
    assert_int_equal(n_transfers(unit), n);
    assert_int_equal(run_io(disk, VST_BLOCK_WRITE, 298, 2), VST_OK);
    assert_int_equal(unit->data[299 * 512], 0x77);
    for (size_t i = 300 * 512; i < FAKE_UNIT_SECTORS * 512; i++)
        assert_int_equal(unit->data[i], 0xee);
    end(f);
}

/**
 * The first command after the change brings the news and is not given again before the capacity is
 * read: to blocks of another size it would go to another place.
 */
static void other_blocks(uint32_t before, uint32_t after, enum vst_block_op op)
{
    struct fixture *f = &storage;
    struct vst_block_request *done;
    static struct io io;

    set_up(f);
    struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
    unit->block_bytes = before;
    unit->n_blocks = FAKE_UNIT_SECTORS * 512 / before;
    begin(f, true);
    scan(f);
    struct vst_block_device *disk = owner.found[0]->block;
    assert_int_equal(disk->limits.logical_block_bytes, before);
    memset(unit->data, 0xee, FAKE_UNIT_SECTORS * 512);
    unit->block_bytes = after;
    unit->n_blocks = FAKE_UNIT_SECTORS * 512 / after;
    unit->script[0] =
        (struct fake_script){.operation = op == VST_BLOCK_WRITE ? 0x2a : 0x28, 1, 6, 0x2a, 0x09};
    vst_block_hold(disk);
    assert_int_equal(vst_block_submit(disk->queues[0], make_io(&io, op, 8, 8)), VST_OK);
    vst_block_kick(disk->queues[0]);
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(vst_block_poll(disk->queues[0], &done, 1), 0);
    unsigned n = n_transfers(unit);
    look_after(f);
    for (unsigned i = 0; vst_block_poll(disk->queues[0], &done, 1) == 0; i++)
        assert_true(i < 1000);
    assert_int_equal(io.request.status, VST_ERR_GONE);
    assert_int_equal(vst_block_submit(disk->queues[0], make_io(&io, op, 8, 8)), VST_ERR_GONE);
    assert_int_equal(n_transfers(unit), n);
    for (size_t i = 0; i < FAKE_UNIT_SECTORS * 512; i++)
        assert_int_equal(unit->data[i], 0xee);
    vst_block_let_go(disk);
    look_after(f);
    look_after(f); /* it is a new disk now */
    assert_int_equal(owner.units.n, 1);
    disk = owner.units.first->block;
    assert_int_equal(disk->limits.logical_block_bytes, after);
    assert_int_equal(run_io(disk, VST_BLOCK_WRITE, 8, 8), VST_OK);
    assert_int_equal(unit->data[8 * 512 - 1], 0xee);
    assert_int_equal(unit->data[8 * 512], 0x77);
    assert_int_equal(unit->data[16 * 512], 0xee);
    end(f);
}

static void test_no_request_meets_blocks_of_another_size(void **state)
{
    (void)state;
    other_blocks(512, 4096, VST_BLOCK_WRITE);
    other_blocks(4096, 512, VST_BLOCK_WRITE);
    other_blocks(512, 4096, VST_BLOCK_READ);
    other_blocks(4096, 512, VST_BLOCK_READ);
}

/* ------------------------------------------------------------------ who uses what is gone */

/** Its second queue, on which nothing is answered: scans use the first. */
static void hold_back(struct fixture *f)
{
    f->scsi.device.queues[3].answers_nothing = true;
}

static void offer_two(struct fixture *f)
{
    fake_virtio_scsi_offer_queues(&f->scsi, 2, 256);
    f->config.n_queues = 2;
}

static void start_read(struct vst_block_device *disk, struct vst_block_request *request,
                       const struct vst_block_segment *segment)
{
    *request = (struct vst_block_request){
        .op = VST_BLOCK_READ, .n_segments = 1, .segments = segment, .n_sectors = 1};
    assert_int_equal(vst_block_submit(disk->queues[1], request), VST_OK);
    vst_block_kick(disk->queues[1]);
}

static void expect_end(struct vst_block_device *disk, const struct vst_block_request *request,
                       enum vst_status status)
{
    struct vst_block_request *done[1];
    unsigned i = 0;

    while (vst_block_poll(disk->queues[1], done, 1) == 0)
        assert_true(++i < MAX_LOOKS);
    assert_ptr_equal(done[0], request);
    assert_int_equal(request->status, status);
}

/** Held, it stays; with a request in flight, too; new ones are refused; then it leaves. */
static void test_a_unit_leaves_when_nobody_uses_it(void **state)
{
    static uint8_t data[512];
    const struct vst_block_segment segment = {data, sizeof(data)};
    struct vst_block_request request, refused;
    WITH(f);
    struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 0, 0);
    fake_virtio_scsi_add(&f->scsi, 1, 0);
    offer_two(f);
    begin(f, true);
    scan(f);
    struct vst_block_device *disk = owner.found[0]->block;
    hold_back(f);
    start_read(disk, &request, &segment);
    unit->away = true;
    tell(f, TRANSPORT_RESET, 0, 0, REMOVED);
    look_after(f);
    expect_changes(0, 0);
    assert_true(disk->gone);
    refused = request;
    assert_int_equal(vst_block_submit(disk->queues[1], &refused), VST_ERR_GONE);
    assert_null(vst_block_find(&owner.registry, disk->path));
    assert_int_equal(f->scsi.device.queues[3].n_held, 1);
    f->scsi.device.queues[3].held[0].reply[11] = 2; /* QEMU: ABORTED */
    fake_virtio_blk_answer_one(&f->scsi.device.queues[3], 0);
    vst_block_hold(disk);
    expect_end(disk, &request, VST_ERR_GONE);
    look_after(f);
    expect_changes(0, 0);
    vst_block_let_go(disk);
    vst_scsi_unit_hold(owner.units.first);
    look_after(f);
    expect_changes(0, 0);
    vst_scsi_unit_let_go(owner.units.first);
    look_after(f);
    expect_changes(0, 1);
    end(f);
}

static void test_adapter_is_unplugged(void **state)
{
    static uint8_t data[512];
    const struct vst_block_segment segment = {data, sizeof(data)};
    struct vst_block_request request;
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    offer_two(f);
    begin(f, true);
    scan(f);
    struct vst_block_device *disk = owner.found[0]->block;
    hold_back(f);
    start_read(disk, &request, &segment);
    vst_virtio_scsi_unplug(f->hba);
    assert_true(f->hba->gone);
    assert_false(vst_scsi_units_forget(&owner.units, f->hba));
    expect_end(disk, &request, VST_ERR_GONE);
    assert_int_equal(vst_scsi_units_scan(&owner.units, f->hba), VST_ERR_GONE);
    end(f);
}

/* ------------------------------------------------------------------ names, memory */

static void test_names(void **state)
{
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 2, 1);
    fake_virtio_scsi_add(&f->scsi, 12, 1); /* the same serial number */
    fake_virtio_scsi_add(&f->scsi, 3, 1);
    begin(f, true);
    scan(f);
    struct vst_scsi_unit *last = owner.found[1];
    assert_int_equal(last->target, 3);
    assert_ptr_equal(vst_scsi_unit_find(&owner.units, "serial=fake-3-1"), last);
    assert_ptr_equal(vst_scsi_unit_find(&owner.units, last->path), last);
    assert_ptr_equal(vst_scsi_unit_find(&owner.units, "sdb"), last);
    assert_null(vst_scsi_unit_find(&owner.units, "serial=fake-2-1"));
    assert_null(vst_scsi_unit_find(&owner.units, "serial="));
    assert_null(vst_scsi_unit_find(&owner.units, "wwn="));
    assert_null(vst_scsi_unit_find(&owner.units, ""));
    strcpy(last->name, "sg7");
    assert_ptr_equal(vst_scsi_unit_find(&owner.units, "sg7"), last);
    end(f);
}

static void test_no_memory(void **state)
{
    WITH(f);
    for (unsigned i = 0; i < 520; i++)
        fake_virtio_scsi_add(&f->scsi, 0, (uint16_t)i);
    begin(f, false);
    for (size_t n = 0; n < 8; n++) {
        f->fake.fail_alloc_after = n;
        assert_int_equal(vst_scsi_units_scan(&owner.units, f->hba), VST_ERR_NO_MEMORY);
        vst_scsi_units_look_after(&owner.units, f->hba);
        assert_true(owner.units.n <= n);
    }
    f->fake.fail_alloc_after = SIZE_MAX;
    assert_int_equal(vst_scsi_units_scan(&owner.units, f->hba), VST_OK);
    assert_int_equal(owner.units.n, 520);
    end(f);
}

/** A target that never answers: the adapter is reset for it, the others are found, and it ends. */
static void test_a_target_that_does_not_answer(void **state)
{
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    begin(f, false);
    f->scsi.answer = (struct fake_scsi_answer){.after = 10, .n = 100000, .response = 5};
    scan(f); /* BUSY for ever: patience has an end */
    assert_true(owner.units.n <= 1);
    f->scsi.answer.n = 0;
    scan(f);
    assert_int_equal(owner.units.n, 1);
    f->scsi.answer = (struct fake_scsi_answer){.after = 0, .n = 100000, .response = 5};
    f->scsi.n_commands = 0;
    wait_for_check(f); /* who can't say stays */
    expect_changes(0, 0);
    end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cost_of_a_scan),
        cmocka_unit_test(test_well_known_unit),
        cmocka_unit_test(test_tried_one_after_the_other_has_an_end),
        cmocka_unit_test(test_lists_that_lie),
        cmocka_unit_test(test_no_unit_is_lost_by_a_list_too_long),
        cmocka_unit_test(test_lists_of_garbage),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_missed_events),
        cmocka_unit_test(test_lost_events),
        cmocka_unit_test(test_event_storm),
        cmocka_unit_test(test_restless_unit),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_a_disk_shrinks_at_work),
        cmocka_unit_test(test_no_request_meets_blocks_of_another_size),
        cmocka_unit_test(test_a_unit_leaves_when_nobody_uses_it),
        cmocka_unit_test(test_adapter_is_unplugged),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_a_target_that_does_not_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
