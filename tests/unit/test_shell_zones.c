/* SPDX-License-Identifier: BSD-2-Clause */
/* The shell on a zoned device, the whole way down: commands, block layer, virtio-blk, a fake device. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "boot/shell/command.h"
#include "fake_ranges.h"
#include "fake_shell_host.h"
#include "fake_zones.h"

#define ZONE_BYTES   "524288"
#define DISK_SECTORS (5u * 1024u + 512u)

static struct fixture {
    struct fake_host host;
    struct fake_platform fake;
    struct fake_virtio_blk blk;
    struct fake_ranges ranges;
    struct fake_zones zones;
    struct vst_block_device *device;
} fixture;

static int set_up(void **state)
{
    struct fixture *f = &fixture;
    static const struct vst_virtio_blk_config config = {.timeout_ns = 50000000};

    *f = (struct fixture){0};
    fake_host_make(&f->host);
    fake_platform_init(&f->fake, false);
    fake_virtio_blk_init(&f->blk, &f->fake, DISK_SECTORS);
    fake_ranges_offer(&f->ranges, &f->blk);
    f->ranges.erase.max_sectors = 4096;
    fake_virtio_blk_set_config32(&f->blk, 60, 4096);
    fake_zones_offer(&f->zones, &f->blk);
    f->blk.offered_features |= 1u << 4;
    fake_virtio_blk_set_config32(&f->blk, 16, 0x3f100009u);
    assert_int_equal(
        vst_virtio_blk_attach(&f->fake.platform, &f->blk.function, &config, &f->device), VST_OK);
    vst_block_register(&f->host.registry, f->device, "vd");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    vst_virtio_blk_detach(f->device);
    if (f->blk.saw_misuse)
        fail_msg("the device saw: %s", f->blk.misuse);
    fake_virtio_blk_destroy(&f->blk);
    fake_host_free(&f->host);
    return 0;
}

static const char *succeed(struct fixture *f, const char *line)
{
    int status = fake_host_run(&f->host, line);

    if (status != SHELL_NO_EXIT)
        print_message("%s", f->host.output);
    assert_int_equal(status, SHELL_NO_EXIT);
    return f->host.output;
}

static const char *fail_with(struct fixture *f, const char *line)
{
    assert_int_equal(fake_host_run(&f->host, line), 1);
    return f->host.output;
}

static void assert_holds(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no \"%s\" in: %s", part, text);
}

static void report_lists_the_zones(void **state)
{
    struct fixture *f = *state;

    succeed(f, "fill vdb 1M 64k seed=1; zone vdb finish 1M 512k; zone vdb open 1536k 512k");
    succeed(f, "fill vdb 1536k 4k seed=1; zone vdb open 2M 512k");
    assert_string_equal(succeed(f, "zone vdb report"),
                        " OFFSET SIZE CAPACITY WRITTEN STATE TYPE\n"
                        "      0 512k     512k       - none  conventional\n"
                        " 524288 512k     512k       - none  conventional\n"
                        "1048576 512k     500k       - full  sequential\n"
                        "1572864 512k     500k      4k open  sequential\n"
                        "2097152 512k     500k       0 open  sequential\n"
                        "2621440 256k     256k       0 empty sequential\n");
    assert_string_equal(
        succeed(f, "zone vdb report 1100k 600k json=1"),
        "{\"cmd\":\"zone\",\"dev\":\"vdb\",\"offset\":1048576,\"bytes\":524288,\"capacity\":512000,"
        "\"type\":\"sequential\",\"state\":\"full\"}\n"
        "{\"cmd\":\"zone\",\"dev\":\"vdb\",\"offset\":1572864,\"bytes\":524288,\"capacity\":512000,"
        "\"write_offset\":1576960,\"type\":\"sequential\",\"state\":\"open\"}\n");
    assert_string_equal(succeed(f, "zone vdb report 2752512 0 json=1"), "");
}

static void zones_are_managed(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(succeed(f, "zone vdb open 1M 1M"), "");
    assert_int_equal(f->zones.zones[2].state, FAKE_EXPLICIT);
    assert_int_equal(f->zones.zones[3].state, FAKE_EXPLICIT);
    succeed(f, "fill vdb 1536k 500k seed=3; verify vdb 1536k 500k seed=3");
    assert_int_equal(f->zones.zones[3].state, FAKE_FULL);
    succeed(f, "zone vdb close 1M 512k");
    assert_int_equal(f->zones.zones[2].state, FAKE_EMPTY);
    assert_string_equal(succeed(f, "zone vdb reset 1536k 512k json=1"),
                        "{\"cmd\":\"zone\",\"dev\":\"vdb\",\"action\":\"reset\","
                        "\"offset\":1572864,\"bytes\":524288}\n");
    assert_int_equal(f->zones.zones[3].state, FAKE_EMPTY);
    succeed(f, "zone vdb open 2560k"); /* to the end: the short one */
    assert_int_equal(f->zones.zones[5].state, FAKE_EXPLICIT);
    succeed(f, "zone vdb reset"); /* conventional ones are passed over */
    assert_int_equal(f->zones.zones[5].state, FAKE_EMPTY);
}

static void what_zones_refuse_is_named(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(fail_with(f, "zone vdb open"),
                        "zone vdb open: not possible in this zone or its state at byte 0\n");
    assert_string_equal(
        fail_with(f, "zone vdb finish 1M 512k"),
        "zone vdb finish 1M 512k: not possible in this zone or its state at byte 1048576\n");
    assert_holds(fail_with(f, "zone vdb open 1M"), "too many open zones at byte 2621440");
    assert_holds(fail_with(f, "zone vdb open 1M json=1; exit"), "\"error\":\"zone_many_open\"");
    assert_holds(fail_with(f, "fill vdb 1028k 4k seed=1"), "not at the zone's write pointer");
    assert_holds(fail_with(f, "zone vdb open 1 512k"),
                 "offset and length must be whole zones of " ZONE_BYTES " bytes\nusage: zone DEV");
    assert_holds(fail_with(f, "zone vdb open 1M 100k"), "must be whole zones");
    assert_holds(fail_with(f, "zone vdb open 1M 100M"), "beyond the end of the device");
    assert_holds(fail_with(f, "zone vdb report x"), "'x' is not an offset");
    assert_holds(fail_with(f, "zone vdb eat"), "'eat' is nothing to be done with zones");
    assert_string_equal(fail_with(f, "zone vda report"), "zone vda report: not a zoned device\n");
    assert_holds(fail_with(f, "zone vda report json=1"), "\"error\":\"unsupported\"");
}

static void a_report_that_lies_is_refused(void **state)
{
    struct fixture *f = *state;

    f->zones.sends_head_only = true;
    assert_string_equal(fail_with(f, "zone vdb report 1M json=1"),
                        "{\"cmd\":\"zone\",\"dev\":\"vdb\",\"error\":\"malformed\","
                        "\"offset\":1048576,\"text\":\"malformed data\"}\n");
}

static void lsblk_tells_of_zones_geometry_and_wear(void **state)
{
    struct fixture *f = *state;

    assert_holds(
        succeed(f, "lsblk vdb"),
        "  zones            host-managed, 6 of 512k, written by 4k, appended by at most 32k\n"
        "                   at most 3 open, 4 active (0: any number)\n"
        "  geometry         9 cylinders, 16 heads, 63 sectors (a hint)\n"
        "  wear             SLC cells up to 30%, MLC cells used up, reserve normal\n");
    assert_holds(succeed(f, "lsblk vdb json=1"),
                 "\"zoned\":{\"model\":\"host-managed\",\"zones\":6,\"zone_bytes\":524288,"
                 "\"max_open\":3,\"max_active\":4,\"max_append\":32768,\"write_granularity\":4096},"
                 "\"geometry\":{\"cylinders\":9,\"heads\":16,\"sectors\":63},"
                 "\"lifetime\":{\"pre_eol_info\":1,\"est_typ_a\":3,\"est_typ_b\":11},");
    f->ranges.lifetime[0] = 9; /* nothing is better than nonsense */
    assert_null(strstr(succeed(f, "lsblk vdb"), "wear"));
    assert_null(strstr(succeed(f, "lsblk vdb json=1"), "lifetime"));
    assert_null(strstr(succeed(f, "lsblk vda json=1"), "zoned"));
    assert_null(strstr(succeed(f, "lsblk vda"), "geometry"));
}

static void erase_takes_whole_zones(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(succeed(f, "erase vdb 1M 512k"), "");
    assert_holds(fail_with(f, "erase vdb 1M 4k"), "misaligned");
    assert_holds(fail_with(f, "discard vdb 1M 512k"), "not supported");
    assert_string_equal(succeed(f, "zero vdb 1M 8k"), ""); /* as data: at the write pointer */
}

static void scsi_commands_are_refused(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(
        fail_with(f, "sg vdb 12 00 00 00 24 00"),
        "sg vdb 12 00 00 00 24 00: virtio-blk takes no SCSI commands (virtio-blk's old way of "
        "passing them through, VIRTIO_BLK_F_SCSI, is never negotiated)\n");
    assert_holds(fail_with(f, "sg vdb 00 json=1"), "\"error\":\"unsupported\"");
    assert_holds(fail_with(f, "sg vdb 12 00 00 00 24 00 in=36"), "takes no SCSI commands");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(report_lists_the_zones),
        TEST(zones_are_managed),
        TEST(what_zones_refuse_is_named),
        TEST(a_report_that_lies_is_refused),
        TEST(lsblk_tells_of_zones_geometry_and_wear),
        TEST(erase_takes_whole_zones),
        TEST(scsi_commands_are_refused),
    };

    return cmocka_run_group_tests_name("zones in the shell", tests, NULL, NULL);
}
