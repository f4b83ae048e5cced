/* SPDX-License-Identifier: BSD-2-Clause */
/* CD drives on a fake adapter: media that come, go and change at bad moments; drives that lie. */
#include "tests/unit/scsi_fixture.h"

#define SECOND_NS 1000000000ull

static const uint8_t one_track[] = {0, 18, 1, 1,    0,    0x14, 1, 0, 0, 0,
                                    0, 0,  0, 0x14, 0xaa, 0,    0, 0, 0, 128};
static const uint8_t music[] = {0, 18, 1, 1,    0,    0x10, 1, 0, 0, 0,
                                0, 0,  0, 0x10, 0xaa, 0,    0, 0, 0, 128};
static const uint8_t dvd[] = {0, 0, 0, 4, 0, 0, 0, 0x10};
static const uint8_t quiet[] = {0, 6, 4, 0x10, 0, 2, 0, 0}; /* nothing new, a medium is there */
static const uint8_t blocks_128[] = {0, 0, 0, 127, 0, 0, 8, 0};
static const uint8_t blocks_64[] = {0, 0, 0, 63, 0, 0, 8, 0};

#define SAYS(operation, bytes)                                                                     \
    {                                                                                              \
        operation, 0, 0, 0, 0, bytes, sizeof(bytes)                                                \
    }
#define ONCE(operation, bytes)                                                                     \
    {                                                                                              \
        operation, 1, 0, 0, 0, bytes, sizeof(bytes)                                                \
    }
#define FAILS(operation, ...)                                                                      \
    {                                                                                              \
        operation, 0, __VA_ARGS__, NULL, 0                                                         \
    }
#define ONCE_FAILS(operation, ...)                                                                 \
    {                                                                                              \
        operation, 1, __VA_ARGS__, NULL, 0                                                         \
    }

#define NO_MEDIUM   2, 0x3a, 0
#define NEW_MEDIUM  6, 0x28, 0
#define LOST_MEDIUM 6, 0x3a, 0
#define NOT_KNOWN   5, 0x20, 0

static const struct fake_script usual[] = {
    SAYS(0x1b, ""),  SAYS(0x1e, ""),    SAYS(0x43, one_track),
    SAYS(0x46, dvd), SAYS(0x4a, quiet), SAYS(0x25, blocks_128),
};

/** The lines count before the usual ones. */
static void script(struct fake_unit *unit, const struct fake_script *lines, size_t n)
{
    assert_true(n + VST_ARRAY_LENGTH(usual) < VST_ARRAY_LENGTH(unit->script));
    memset(unit->script, 0, sizeof(unit->script));
    if (n > 0)
        memcpy(unit->script, lines, n * sizeof(*lines));
    memcpy(unit->script + n, usual, sizeof(usual));
    for (size_t i = 0; i < VST_ARRAY_LENGTH(unit->script); i++)
        if (unit->script[i].bytes == 1) /* "": no data */
            unit->script[i].bytes = 0;
}

#define SCRIPT(unit, ...)                                                                          \
    do {                                                                                           \
        const struct fake_script lines_[] = {__VA_ARGS__};                                         \
        script(unit, lines_, VST_ARRAY_LENGTH(lines_));                                            \
    } while (0)

static struct fake_unit *add_drive(struct fixture *f)
{
    struct fake_unit *unit = fake_virtio_scsi_add(&f->scsi, 2, 1);

    unit->type = VST_SCSI_TYPE_CD;
    unit->block_bytes = 2048;
    unit->n_blocks = 128;
    script(unit, NULL, 0);
    return unit;
}

static enum vst_status attach_cd(struct fixture *f, struct vst_block_device **device)
{
    struct vst_scsi_lun lun;

    assert_int_equal(vst_scsi_lun_of(1, &lun), VST_OK);
    return vst_scsi_disk_attach(f->hba, 2, &lun, device);
}

/** An adapter with that drive. */
static struct vst_block_device *set_up_cd(struct fixture *f)
{
    struct vst_block_device *device;

    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(attach_cd(f, &device), VST_OK);
    return device;
}

static void tear_down_cd(struct fixture *f, struct vst_block_device *device)
{
    vst_scsi_disk_detach(device);
    tear_down(f);
}

static enum vst_status read_at(struct vst_block_device *device, uint64_t sector, uint64_t n)
{
    static uint8_t data[65536];
    const struct vst_block_segment segment = {data, n * 512};
    struct vst_block_request request = {
        .segments = &segment, .n_segments = 1, .start_sector = sector, .n_sectors = n};

    return vst_block_execute(device->queues[0], &request);
}

/** So that the drive is asked again. */
static void refresh_later(struct fixture *f, struct vst_block_device *device)
{
    f->fake.now_ns += 2 * SECOND_NS;
    assert_int_equal(vst_block_refresh(device), VST_OK);
}

/* ------------------------------------------------------------------ what it is */

static void test_what_a_drive_tells(void **state)
{
    WITH(f);
    struct fake_unit *unit = add_drive(f);
    unit->attention = true;
    struct vst_block_device *device = set_up_cd(f);
    assert_int_equal(device->medium, VST_OK);
    assert_int_equal(device->media_id, 1);
    assert_int_equal(device->limits.n_sectors, 512);
    assert_int_equal(device->limits.logical_block_bytes, 2048);
    assert_true(device->read_only && device->removable);
    assert_string_equal(device->serial, "fake-2-1");
    assert_string_equal(vst_scsi_cd_medium(device)->profile, "DVD-ROM");
    assert_int_equal(vst_scsi_cd_medium(device)->n_data_tracks, 1);
    assert_int_equal(read_at(device, 4, 8), VST_OK);
    uint8_t expected[16] = {0x28, 0, 0, 0, 0, 1, 0, 0, 2};
    assert_memory_equal(f->scsi.last_cdb, expected, 16);
    assert_int_equal(read_at(device, 508, 8), VST_ERR_RANGE);
    assert_int_equal(read_at(device, 1, 4), VST_ERR_INVALID);
    tear_down_cd(f, device);
}

static void test_what_is_no_drive(void **state)
{
    struct vst_block_device *device;
    WITH(f);
    struct fake_unit *unit = add_drive(f);
    unit->type = VST_SCSI_TYPE_TAPE;
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(attach_cd(f, &device), VST_ERR_UNSUPPORTED);
    unit->type = VST_SCSI_TYPE_CD;
    for (size_t n = 0; n < 5; n++) {
        f->fake.fail_alloc_after = n;
        assert_int_equal(attach_cd(f, &device), VST_ERR_NO_MEMORY);
        f->fake.fail_alloc_after = SIZE_MAX;
    }
    assert_int_equal(attach_cd(f, &device), VST_OK);
    vst_scsi_disk_detach(device);
    struct vst_block_device other = {0};
    assert_null(vst_scsi_cd_medium(&other));
    tear_down(f);
}

/** Whatever the drive says of its medium, it is attached, and what can't be read is refused. */
static void test_media_that_make_no_sense(void **state)
{
    static const uint8_t endless[] = {0xff, 0xff, 0xff, 0xff, 0, 0, 8, 0};
    static const uint8_t enormous[] = {0xff, 0xff, 0xff, 0xfe, 0, 0, 8, 0};
    static const uint8_t odd[] = {0, 0, 0, 127, 0, 0, 2, 0};
    static const uint8_t raw[] = {0, 0, 0, 127, 0, 0, 9, 0x30};
    static const uint8_t nothing[] = {0, 0, 0, 0, 0, 0, 0, 0};
    static const struct {
        struct fake_script line;
        enum vst_status medium;
        uint64_t n_sectors;
    } cases[] = {
        {SAYS(0x25, endless), VST_ERR_MALFORMED, 0},
        {SAYS(0x25, enormous), VST_OK, 0xffffffffull * 4},
        {SAYS(0x25, odd), VST_ERR_UNSUPPORTED, 0},
        {SAYS(0x25, raw), VST_OK, 512},
        {SAYS(0x25, nothing), VST_OK, 4},
        {{0x25, 0, 0, 0, 0, blocks_128, 7}, VST_ERR_MALFORMED, 0},
        {FAILS(0x25, 3, 0x11, 0), VST_ERR_MEDIUM, 0},
        {FAILS(0x00, 2, 0x30, 0), VST_ERR_MEDIUM, 0},
        {SAYS(0x43, music), VST_ERR_UNSUPPORTED, 0},
        {FAILS(0x00, NO_MEDIUM), VST_ERR_NO_MEDIUM, 0},
        {FAILS(0x00, LOST_MEDIUM), VST_ERR_NO_MEDIUM, 0},
        {FAILS(0x00, 2, 4, 3), VST_ERR_NOT_READY, 0},
    };

    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        WITH(f);
        struct fake_unit *unit = add_drive(f);
        SCRIPT(unit, cases[i].line);
        struct vst_block_device *device = set_up_cd(f);
        assert_int_equal(device->medium, cases[i].medium);
        assert_int_equal(device->limits.n_sectors, cases[i].n_sectors);
        assert_int_equal(read_at(device, 0, 4), cases[i].medium);
        script(unit, NULL,
               0); /* a medium as it should be; the drive tells only that there is one */
        if (cases[i].medium != VST_OK) {
            refresh_later(f, device);
            assert_int_equal(device->medium, VST_OK);
            assert_int_equal(device->media_id, 1);
        }
        tear_down_cd(f, device);
    }
}

/** Tables of contents and features that lie are not needed to read. */
static void test_tables_that_make_no_sense(void **state)
{
    static const uint8_t long_one[] = {0xff, 0xff, 1, 99, 0, 0x14, 1, 0, 0, 0, 0, 0};
    static const uint8_t empty[] = {0, 0, 1, 1};
    static const uint8_t backwards[] = {0, 10, 9, 1, 0, 0x14, 1, 0, 0, 0, 0, 0};
    static const uint8_t other_tracks[] = {0, 10, 1, 1, 0, 0x10, 77, 0, 0, 0, 0, 0};
    static const uint8_t cut[] = {0, 18, 1};
    static const uint8_t short_features[] = {0, 0, 0, 1, 0, 0, 0, 8};
    static const struct fake_script lines[] = {
        SAYS(0x43, long_one),     SAYS(0x43, empty),      SAYS(0x43, backwards),
        SAYS(0x43, other_tracks), SAYS(0x43, cut),        SAYS(0x46, short_features),
        FAILS(0x43, NOT_KNOWN),   FAILS(0x46, NOT_KNOWN), FAILS(0x1e, NOT_KNOWN),
    };

    for (size_t i = 0; i < VST_ARRAY_LENGTH(lines); i++) {
        WITH(f);
        SCRIPT(add_drive(f), lines[i]);
        struct vst_block_device *device = set_up_cd(f);
        assert_int_equal(device->medium, VST_OK);
        vst_block_hold(device);
        assert_int_equal(read_at(device, 0, 4), VST_OK);
        vst_block_let_go(device);
        tear_down_cd(f, device);
    }
}

/* ------------------------------------------------------------------ changes */

/** A command meets the change: it ends so, and so do all others until the drive was looked at. */
static void test_a_command_meets_the_change(void **state)
{
    WITH(f);
    struct fake_unit *unit = add_drive(f);
    struct vst_block_device *device = set_up_cd(f);
    SCRIPT(unit, ONCE_FAILS(0x28, NEW_MEDIUM), SAYS(0x25, blocks_64));
    assert_int_equal(read_at(device, 0, 4), VST_ERR_MEDIUM_CHANGED);
    assert_int_equal(read_at(device, 0, 4), VST_ERR_MEDIUM_CHANGED);
    assert_int_equal(device->media_id, 1);
    assert_int_equal(vst_block_refresh(device), VST_OK);
    assert_int_equal(device->media_id, 2);
    assert_int_equal(device->limits.n_sectors, 256);
    assert_int_equal(read_at(device, 252, 4), VST_OK);
    assert_int_equal(read_at(device, 256, 4), VST_ERR_RANGE);
    tear_down_cd(f, device);
}

/** It changes between READ CAPACITY and READ, each time. */
static void test_it_changes_while_it_is_looked_at(void **state)
{
    WITH(f);
    struct fake_unit *unit = add_drive(f);
    struct vst_block_device *device = set_up_cd(f);
    SCRIPT(unit, {0x00, 3, NEW_MEDIUM, NULL, 0}, ONCE_FAILS(0x25, NEW_MEDIUM),
           ONCE_FAILS(0x28, NEW_MEDIUM));
    assert_int_equal(read_at(device, 0, 4), VST_ERR_MEDIUM_CHANGED);
    assert_int_equal(vst_block_refresh(device), VST_OK); /* READ CAPACITY meets another change */
    assert_int_equal(read_at(device, 0, 4), VST_ERR_MEDIUM_CHANGED);
    assert_int_equal(vst_block_refresh(device), VST_OK);
    assert_int_equal(read_at(device, 0, 4), VST_OK);
    assert_int_equal(device->media_id, 2);
    SCRIPT(unit, ONCE_FAILS(0x28, NEW_MEDIUM), FAILS(0x00, NEW_MEDIUM)); /* without end */
    assert_int_equal(read_at(device, 0, 4), VST_ERR_MEDIUM_CHANGED);
    unsigned n = unit->n_commands;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(vst_block_refresh(device), VST_OK);
    assert_true(unit->n_commands - n <= 3 * 8); /* bounded */
    assert_int_equal(read_at(device, 0, 4), VST_ERR_MEDIUM_CHANGED);
    tear_down_cd(f, device);
}

/** Who holds the device reads nothing of the new medium; who comes then does. */
static void test_a_holder_reads_one_medium(void **state)
{
    WITH(f);
    struct fake_unit *unit = add_drive(f);
    struct vst_block_device *device = set_up_cd(f);
    vst_block_hold(device);
    assert_int_equal(unit->last_seen[0x1e][4], 1); /* locked in */
    vst_block_hold(device);
    SCRIPT(unit, ONCE_FAILS(0x28, NEW_MEDIUM));
    assert_int_equal(read_at(device, 0, 4), VST_ERR_MEDIUM_CHANGED);
    assert_int_equal(vst_block_refresh(device), VST_OK);
    assert_int_equal(device->media_id, 2);
    assert_int_equal(read_at(device, 0, 4), VST_ERR_MEDIUM_CHANGED);
    vst_block_let_go(device);
    assert_int_equal(read_at(device, 0, 4), VST_ERR_MEDIUM_CHANGED);
    assert_int_equal(unit->last_seen[0x1e][4], 1);
    vst_block_let_go(device);
    assert_int_equal(unit->last_seen[0x1e][4], 0);
    vst_block_hold(device);
    assert_int_equal(read_at(device, 0, 4), VST_OK);
    vst_block_let_go(device);
    tear_down_cd(f, device);
}

/** The change that waits is met when somebody begins to use the drive: no error for that. */
static void test_who_begins_sees_what_is_in(void **state)
{
    WITH(f);
    struct fake_unit *unit = add_drive(f);
    struct vst_block_device *device = set_up_cd(f);
    static const uint8_t is_new[] = {0, 6, 4, 0x10, 2, 2, 0, 0};
    SCRIPT(unit, ONCE_FAILS(0x00, NEW_MEDIUM), ONCE(0x4a, is_new), SAYS(0x25, blocks_64));
    vst_block_hold(device);
    assert_int_equal(device->limits.n_sectors, 256);
    assert_int_equal(device->media_id, 2);
    assert_int_equal(read_at(device, 0, 4), VST_OK);
    vst_block_let_go(device);
    tear_down_cd(f, device);
}

/** An event that tells of the change which a command has met is no other change. */
static void test_a_change_is_told_once(void **state)
{
    static const uint8_t is_new[] = {0, 6, 4, 0x10, 2, 2, 0, 0};
    WITH(f);
    struct fake_unit *unit = add_drive(f);
    struct vst_block_device *device = set_up_cd(f);
    SCRIPT(unit, ONCE_FAILS(0x28, NEW_MEDIUM), ONCE(0x4a, is_new));
    assert_int_equal(read_at(device, 0, 4), VST_ERR_MEDIUM_CHANGED);
    assert_int_equal(vst_block_refresh(device), VST_OK);
    refresh_later(f, device);
    assert_int_equal(device->media_id, 2);
    tear_down_cd(f, device);
}

static struct vst_block_event event_of(struct vst_block_registry *registry,
                                       enum vst_block_event_kind what)
{
    struct vst_block_event event;

    while (vst_block_next_event(registry, &event))
        if (event.what == what)
            return event;
    fail_msg("no event %d", what);
    return event;
}

static void test_the_drive_tells(void **state)
{
    static const uint8_t button[] = {0, 6, 4, 0x10, 1, 2, 0, 0};
    static const uint8_t removed[] = {0, 6, 4, 0x10, 3, 1, 0, 0};
    static const uint8_t open_tray[] = {0, 6, 4, 0x10, 0, 1, 0, 0};
    struct vst_block_registry registry = {0};
    WITH(f);
    struct fake_unit *unit = add_drive(f);
    struct vst_block_device *device = set_up_cd(f);
    vst_block_register(&registry, device, "sr0");
    assert_string_equal(device->name, "sr0");
    SCRIPT(unit, SAYS(0x4a, button));
    refresh_later(f, device);
    assert_int_equal(event_of(&registry, VST_BLOCK_EVENT_EJECT_WANTED).new_value, 1);
    unsigned n = unit->n_seen[0x4a];
    assert_int_equal(vst_block_refresh(device), VST_OK);
    assert_int_equal(unit->n_seen[0x4a], n); /* not so soon again */
    SCRIPT(unit, ONCE(0x4a, removed), SAYS(0x4a, open_tray), FAILS(0x00, NO_MEDIUM));
    refresh_later(f, device);
    struct vst_block_event event = event_of(&registry, VST_BLOCK_EVENT_MEDIUM);
    assert_int_equal(event.old_value, 1);
    assert_int_equal(event.new_value, 0);
    assert_int_equal(read_at(device, 0, 4), VST_ERR_NO_MEDIUM);
    n = unit->n_seen[0x00];
    refresh_later(f, device);
    assert_int_equal(unit->n_seen[0x00], n); /* nothing new: no look */
    script(unit, NULL, 0);                   /* the event was lost, its state is not */
    refresh_later(f, device);
    assert_int_equal(event_of(&registry, VST_BLOCK_EVENT_MEDIUM).new_value, 2);
    vst_block_unregister(&registry, device);
    tear_down_cd(f, device);
}

/** Garbage instead of events changes nothing. */
static void test_events_that_make_no_sense(void **state)
{
    static const uint8_t long_one[] = {0xff, 0xff, 4, 0x10, 0x0f, 2, 0xff, 0xff};
    static const uint8_t cut[] = {0, 6, 4, 0x10, 2};
    static const uint8_t other_class[] = {0, 6, 3, 0x10, 2, 0, 0, 0};
    static const uint8_t none[] = {0, 2, 0x80, 0};
    static const struct fake_script lines[] = {
        SAYS(0x4a, long_one), SAYS(0x4a, cut),         SAYS(0x4a, other_class),
        SAYS(0x4a, none),     FAILS(0x4a, 0x0b, 0, 0),
    };

    for (size_t i = 0; i < VST_ARRAY_LENGTH(lines); i++) {
        WITH(f);
        struct fake_unit *unit = add_drive(f);
        struct vst_block_device *device = set_up_cd(f);
        SCRIPT(unit, lines[i]);
        for (unsigned k = 0; k < 3; k++)
            refresh_later(f, device);
        assert_int_equal(device->media_id, 1);
        assert_int_equal(read_at(device, 0, 4), VST_OK);
        tear_down_cd(f, device);
    }
}

/** A drive that knows no events is asked whether it is ready. */
static void test_a_drive_without_events(void **state)
{
    WITH(f);
    struct fake_unit *unit = add_drive(f);
    SCRIPT(unit, FAILS(0x4a, NOT_KNOWN));
    struct vst_block_device *device = set_up_cd(f);
    refresh_later(f, device);
    SCRIPT(unit, FAILS(0x4a, NOT_KNOWN), FAILS(0x00, NO_MEDIUM));
    refresh_later(f, device);
    assert_int_equal(device->medium, VST_ERR_NO_MEDIUM);
    SCRIPT(unit, FAILS(0x4a, NOT_KNOWN), ONCE_FAILS(0x00, NEW_MEDIUM));
    refresh_later(f, device);
    assert_int_equal(device->medium, VST_OK);
    SCRIPT(unit, FAILS(0x4a, NOT_KNOWN), ONCE_FAILS(0x00, NEW_MEDIUM), SAYS(0x25, blocks_64));
    refresh_later(f, device); /* one for another between two looks */
    assert_int_equal(device->media_id, 3);
    assert_int_equal(device->limits.n_sectors, 256);
    tear_down_cd(f, device);
}

/* ------------------------------------------------------------------ moving */

static void test_eject_and_load(void **state)
{
    WITH(f);
    struct fake_unit *unit = add_drive(f);
    struct vst_block_device *device = set_up_cd(f);
    vst_block_hold(device);
    SCRIPT(unit, FAILS(0x00, NO_MEDIUM));
    assert_int_equal(vst_block_eject(device), VST_OK);
    assert_int_equal(unit->last_seen[0x1b][4], 2);
    assert_int_equal(device->medium, VST_ERR_NO_MEDIUM);
    assert_int_equal(vst_block_load(device), VST_ERR_NO_MEDIUM);
    assert_int_equal(unit->last_seen[0x1b][4], 3);
    SCRIPT(unit, ONCE_FAILS(0x00, 2, 4, 1)); /* is becoming ready */
    assert_int_equal(vst_block_load(device), VST_OK);
    assert_int_equal(device->media_id, 2);
    assert_int_equal(vst_block_eject(device), VST_ERR_NOT_READY); /* says that it did, did not */
    SCRIPT(unit, FAILS(0x1b, 5, 0x53, 2));
    assert_int_equal(vst_block_eject(device), VST_ERR_NOT_READY);
    SCRIPT(unit, FAILS(0x1b, 5, 0x24, 0));
    assert_int_equal(vst_block_eject(device), VST_ERR_UNSUPPORTED);
    script(unit, NULL, 0);
    vst_block_hold(device); /* somebody else */
    assert_int_equal(vst_block_eject(device), VST_ERR_NOT_READY);
    vst_block_let_go(device);
    vst_block_let_go(device);
    device->broken = true;
    assert_int_equal(vst_block_eject(device), VST_ERR_BROKEN);
    device->gone = true;
    assert_int_equal(vst_block_load(device), VST_ERR_GONE);
    tear_down_cd(f, device);
}

static void test_an_adapter_that_fails(void **state)
{
    WITH(f);
    f->fake.ns_per_look = 1000000;
    add_drive(f);
    struct vst_block_device *device = set_up_cd(f);
    scsi_device_of(f->hba)->recovery.way = VST_RECOVERY_NONE;
    f->scsi.device.heals = false;
    f->scsi.device.answers_nothing = true;
    for (unsigned i = 0; i < 10 && !f->hba->broken; i++)
        (void)!read_at(device, 0, 4);
    assert_true(f->hba->broken);
    vst_block_hold(device);
    vst_block_let_go(device);
    f->fake.now_ns += 2 * SECOND_NS;
    assert_int_not_equal(read_at(device, 0, 4), VST_OK);
    tear_down_cd(f, device);
}

static void test_a_drive_that_is_gone(void **state)
{
    struct vst_block_device *device;
    WITH(f);
    struct fake_unit *unit = add_drive(f);
    SCRIPT(unit, FAILS(0x00, 5, 0x25, 0));
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(attach_cd(f, &device), VST_ERR_GONE);
    script(unit, NULL, 0);
    assert_int_equal(attach_cd(f, &device), VST_OK);
    tear_down_cd(f, device);
}

/** "Changed" is another medium as "new" is; tracks before the first are none. */
static void test_the_drive_tells_of_a_change(void **state)
{
    static const uint8_t changed[] = {0, 6, 4, 0x10, 4, 2, 0, 0};
    static const uint8_t before_first[] = {0, 10, 2, 3, 0, 0x14, 1, 0, 0, 0, 0, 0};
    WITH(f);
    struct fake_unit *unit = add_drive(f);
    struct vst_block_device *device = set_up_cd(f);
    assert_int_equal(vst_scsi_cd_medium(device)->n_tracks, 1);
    SCRIPT(unit, ONCE(0x4a, changed), SAYS(0x43, before_first));
    refresh_later(f, device);
    assert_int_equal(device->medium, VST_OK);
    assert_int_equal(device->media_id, 2);
    assert_int_equal(vst_scsi_cd_medium(device)->n_tracks, 0);
    tear_down_cd(f, device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_drive_tells),
        cmocka_unit_test(test_what_is_no_drive),
        cmocka_unit_test(test_media_that_make_no_sense),
        cmocka_unit_test(test_tables_that_make_no_sense),
        cmocka_unit_test(test_a_command_meets_the_change),
        cmocka_unit_test(test_it_changes_while_it_is_looked_at),
        cmocka_unit_test(test_a_holder_reads_one_medium),
        cmocka_unit_test(test_who_begins_sees_what_is_in),
        cmocka_unit_test(test_a_change_is_told_once),
        cmocka_unit_test(test_the_drive_tells),
        cmocka_unit_test(test_events_that_make_no_sense),
        cmocka_unit_test(test_a_drive_without_events),
        cmocka_unit_test(test_eject_and_load),
        cmocka_unit_test(test_an_adapter_that_fails),
        cmocka_unit_test(test_a_drive_that_is_gone),
        cmocka_unit_test(test_the_drive_tells_of_a_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
