/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands on partitions of a disk in memory: where they reach, and what they say. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "boot/shell/partitions.h"
#include "boot/shell/pattern.h"
#include "fake_shell_host.h"

#define DISK_BYTES (1u << 20)
/* In sectors. The second begins where the first ends. */
#define FIRST    64u
#define SECOND   347u
#define N_FIRST  283u
#define N_SECOND 200u

static void put32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static void put_entry(uint8_t *disk, unsigned i, uint8_t type, uint32_t first, uint32_t n)
{
    disk[446 + 16 * i + 4] = type;
    put32(disk + 446 + 16 * i + 8, first);
    put32(disk + 446 + 16 * i + 12, n);
    disk[510] = 0x55;
    disk[511] = 0xaa;
}

static uint8_t before[DISK_BYTES];

static int set_up(void **state)
{
    struct fake_host *fake = malloc(sizeof(*fake));

    fake_host_make(fake);
    pattern_fill(99, 0, fake->disk.data, DISK_BYTES);
    memset(fake->disk.data, 0, 512);
    put32(fake->disk.data + 440, 0xcafe1234);
    put_entry(fake->disk.data, 0, 0x83, FIRST, N_FIRST);
    put_entry(fake->disk.data, 1, 0x0c, SECOND, N_SECOND);
    memcpy(before, fake->disk.data, DISK_BYTES);
    *state = fake;
    return 0;
}

static int tear_down(void **state)
{
    fake_host_free(*state);
    free(*state);
    return 0;
}

static const char *succeed(struct fake_host *fake, const char *line)
{
    int status = fake_host_run(fake, line);

    if (status != SHELL_NO_EXIT)
        print_message("%s", fake->output);
    assert_int_equal(status, SHELL_NO_EXIT);
    return fake->output;
}

static const char *fail_with(struct fake_host *fake, const char *line)
{
    if (fake_host_run(fake, line) != 1)
        fail_msg("%s did not fail: %s", line, fake->output);
    return fake->output;
}

static void assert_holds(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no \"%s\" in: %s", part, text);
}

/** The disk as before but for that range. */
static void assert_changed_only(const struct fake_host *fake, uint64_t offset, uint64_t bytes)
{
    assert_memory_equal(fake->disk.data, before, offset);
    assert_memory_equal(fake->disk.data + offset + bytes, before + offset + bytes,
                        DISK_BYTES - offset - bytes);
}

static void names_are_listed(void **state)
{
    struct fake_host *fake = *state;

    assert_string_equal(succeed(fake, "lsblk"),
                        "NAME     SIZE LOG PHY RO CACHE RING  Q SERIAL      PATH\n"
                        "vda        1M 512 512 rw back  split 1 first-light pci-0000:00:04.0\n"
                        "|-vda1 141.5k   -   - rw -     -     - -           "
                        "pci-0000:00:04.0-part1\n"
                        "`-vda2   100k   -   - rw -     -     - -           "
                        "pci-0000:00:04.0-part2\n");
}

static void tables_are_told(void **state)
{
    struct fake_host *fake = *state;

    const char *text = succeed(fake, "parts");
    assert_holds(text, "vda: mbr, 2 partitions, in blocks of 512 bytes\n");
    assert_holds(text, "vda2 177664 102400   100k      FAT32 cafe1234-02 \n");
    text = succeed(fake, "parts vda json=1");
    assert_holds(text,
                 "{\"cmd\":\"parts\",\"dev\":\"vda\",\"pttype\":\"mbr\",\"ptuuid\":\"cafe1234\","
                 "\"ptblock\":512,\"ptflaws\":[],\"partitions\":[{\"name\":\"vda1\","
                 "\"number\":1,\"offset\":32768,\"bytes\":144896,\"parttype\":\"0x83\","
                 "\"parttypename\":\"Linux\",\"partuuid\":\"cafe1234-01\"");
    text = succeed(fake, "lsblk vda2");
    assert_holds(text, "vda2: 100k (102400 bytes), from byte 177664 of vda on\n");
    assert_holds(text, "  partuuid         cafe1234-02\n  partlabel        none\n");
    assert_holds(succeed(fake, "lsblk vda2 json=1"),
                 "{\"cmd\":\"lsblk\",\"dev\":\"vda2\",\"type\":\"part\",\"pkname\":\"vda\",");
    assert_holds(succeed(fake, "lsblk -v"), "  partitions       mbr, 2 (parts vda)\n");
}

static void flaws_are_told(void **state)
{
    struct fake_host *fake = *state;

    put_entry(fake->disk.data, 2, 0x83, SECOND + 1, 5000);
    put_entry(fake->disk.data, 3, 0x83, SECOND + 1, 50);
    assert_holds(succeed(fake, "parts vda"), "vda: some partitions reach beyond the disk");
    assert_holds(fake->output, "vda: some partitions overlap\n");
    assert_holds(succeed(fake, "lsblk vda json=1"), "\"ptflaws\":[\"outside\",\"overlap\"]");
    assert_holds(succeed(fake, "lsblk vda"), "                   some partitions overlap\n");
    put_entry(fake->disk.data, 0, 0xee, 1, UINT32_MAX);
    assert_holds(fail_with(fake, "parts vda"), "no copy of the GPT is sound");
    assert_holds(succeed(fake, "parts"), "no copy of the GPT is sound");
    assert_holds(fail_with(fake, "read vda1 0 1"), "read vda1 0 1: vda1: its partition table: ");
    fake->disk.bad_sector = 0;
    fake->disk.n_bad_sectors = 1;
    assert_holds(fail_with(fake, "parts vda"), "vda: ");
    assert_holds(succeed(fake, "lsblk vda json=1"), "\"pterror\":\"io\",\"partitions\":[]");
}

static void writes_stay_inside(void **state)
{
    static const char *const commands[] = {
        "fill vda1 0 144896",    "fill vda1 100 1000", "zero vda1 0 144896", "write vda1 144895 a5",
        "write vda1 0 01020304", "zero vda1 1 144895", "zero vda1 4096 16",
    };
    struct fake_host *fake = *state;

    for (size_t i = 0; i < VST_ARRAY_LENGTH(commands); i++) {
        memcpy(fake->disk.data, before, DISK_BYTES);
        succeed(fake, commands[i]);
        assert_changed_only(fake, FIRST * 512ull, N_FIRST * 512ull);
        assert_memory_not_equal(fake->disk.data, before, DISK_BYTES);
    }
}

static void offsets_count_from_the_start(void **state)
{
    struct fake_host *fake = *state;
    uint8_t expected[1024];

    succeed(fake, "fill vda2 512 1k seed=6; verify vda2 512 1k seed=6; verify vda2 600 300 seed=6");
    pattern_fill(6, 512, expected, sizeof(expected));
    assert_memory_equal(fake->disk.data + SECOND * 512 + 512, expected, sizeof(expected));
    assert_changed_only(fake, SECOND * 512 + 512, sizeof(expected));
    succeed(fake, "write vda2 5 aabb");
    assert_memory_equal(fake->disk.data + SECOND * 512 + 5, "\xaa\xbb", 2);
    assert_holds(succeed(fake, "read vda2 5 2 json=1"),
                 "{\"cmd\":\"read\",\"dev\":\"vda2\",\"offset\":5,\"bytes\":2,\"hex\":\"aabb\"}");
    assert_holds(succeed(fake, "sum vda2"), "  vda2\n");
}

static void nothing_beyond_the_end(void **state)
{
    static const char *const commands[] = {
        "write vda1 144896 00",
        "write vda1 144895 0000",
        "fill vda1 1 144896",
        "zero vda1 0 144897",
        "read vda1 144890 7",
        "sum vda1 0 144897",
        "copy vda1 vda2",
        "bench vda1 size=144897",
        "verify vda1 144896 16",
        "copy vda1 vda1",
        "copy vda vda2 512",
        "copy vda2 vda 512",
        "copy vda1 vda3",
        "bench vda1 offset=144896",
        "zero vda1 18446744073709551615 1",
        "read vda1 1 18446744073709551615",
        "cache vda1",
        "zone vda1 report",
        "eject vda1",
        "load vda1",
        "stats vda1",
        "parts vda1",
        "write vda3 0 00",
    };
    struct fake_host *fake = *state;

    for (size_t i = 0; i < VST_ARRAY_LENGTH(commands); i++)
        fail_with(fake, commands[i]);
    assert_changed_only(fake, 0, 0);
    assert_string_equal(fail_with(fake, "read vda1 144890 7"),
                        "read vda1 144890 7: beyond the end of the device at byte 144896\n");
    assert_holds(fail_with(fake, "stats vda1"), "vda1 is a partition; that is for all of vda\n");
}

static void copies_between_partitions(void **state)
{
    struct fake_host *fake = *state;

    assert_string_equal(succeed(fake, "copy vda2 vda1"), "100k copied from vda2 to vda1\n");
    assert_memory_equal(fake->disk.data + FIRST * 512, before + SECOND * 512, N_SECOND * 512);
    assert_changed_only(fake, FIRST * 512, N_SECOND * 512);
    assert_holds(succeed(fake, "copy vda1 vda2 1k json=1"),
                 "{\"cmd\":\"copy\",\"dev\":\"vda1\",\"to\":\"vda2\",\"bytes\":1024}");
    fake->disk.bad_sector = SECOND + 3;
    fake->disk.n_bad_sectors = 1;
    assert_holds(fail_with(fake, "copy vda2 vda1"), "copy vda2 vda1: vda2: ");
    assert_holds(fake->output, " at byte 0\n");
    assert_holds(fail_with(fake, "copy vda1 vda2 4k"), "vda2: ");
}

static void errors_are_told_where_they_are(void **state)
{
    static const char *const commands[] = {
        "read vda2 1024 1k",    "sum vda2 1024",
        "verify vda2 1024 512", "fill vda2 1k 1k",
        "write vda2 1500 00",   "bench vda2 rw=read bs=512 iodepth=1 number_ios=9"};
    struct fake_host *fake = *state;

    fake->disk.bad_sector = SECOND + 2;
    fake->disk.n_bad_sectors = 1;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(commands); i++)
        assert_holds(fail_with(fake, commands[i]), " at byte 1024\n");
}

static void bench_stays_inside(void **state)
{
    struct fake_host *fake = *state;

    fake->disk.first_written_sector = UINT64_MAX;
    fake->disk.end_written_sector = 0;
    succeed(fake, "bench vda2 rw=randwrite bs=512 number_ios=3000");
    succeed(fake, "bench vda2 rw=randwrite bs=1k number_ios=500 verify=1 segments=2");
    succeed(fake, "bench vda2 rw=randwrite bs=1k number_ios=500 cache=128k");
    succeed(fake, "bench vda2 rw=randwrite bs=1k number_ios=500 verify=1 cache=128k");
    assert_changed_only(fake, SECOND * 512, N_SECOND * 512);
}

static void what_is_known_is_kept(void **state)
{
    struct fake_host *fake = *state;
    struct vst_block_stats *stats = &fake->disk.queue.stats;

    succeed(fake, "lsblk; lsblk json=1; lsblk -v; lsblk vda2");
    uint64_t n = stats->commands[VST_BLOCK_READ];
    succeed(fake, "lsblk; lsblk json=1; lsblk -v; read vda 0 512");
    assert_int_equal(stats->commands[VST_BLOCK_READ], n + 1);
    put_entry(fake->disk.data, 1, 0x0c, SECOND, 10); /* behind our back */
    assert_holds(succeed(fake, "lsblk"), "vda2   100k");
    assert_holds(succeed(fake, "parts"), "vda2");
    assert_holds(succeed(fake, "lsblk"), "vda2     5k");
    succeed(fake, "write vda 450 00; write vda 466 00");
    assert_null(strstr(succeed(fake, "lsblk"), "vda2"));
    fake->disk.device.broken = true;
    n = stats->commands[VST_BLOCK_READ];
    partitions_forget();
    succeed(fake, "lsblk; lsblk json=1; parts"); /* nothing is asked of it */
    assert_int_equal(stats->commands[VST_BLOCK_READ], n);
}

static void names_are_completed(void **state)
{
    struct fake_host *fake = *state;

    fake->host.interactive = true;
    fake_host_type(fake, "sum vda\t\t\r\x04");
    assert_holds(fake->output, "vda  vda1  vda2");
    fake_host_type(fake, "read vda2 \x7f\t0 1\r\x04");
    assert_holds(fake->output, "00000001");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_are_listed),
        TEST(tables_are_told),
        TEST(flaws_are_told),
        TEST(writes_stay_inside),
        TEST(offsets_count_from_the_start),
        TEST(nothing_beyond_the_end),
        TEST(copies_between_partitions),
        TEST(errors_are_told_where_they_are),
        TEST(bench_stays_inside),
        TEST(what_is_known_is_kept),
        TEST(names_are_completed),
    };
    return cmocka_run_group_tests_name("shell_partitions", tests, NULL, NULL);
}
