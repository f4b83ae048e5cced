/* SPDX-License-Identifier: BSD-2-Clause */
/* Tab where a file is to be named, on a small FAT volume. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "fake_shell_host.h"

#define SECTOR         512u
#define ROOT_SECTOR    2u
#define BOOT_SECTOR    3u /* cluster 2 */
#define ENTRY_BYTES    32u
#define DIRECTORY      0x10u
#define END_OF_CHAIN   0xfffu
#define VOLUME_SECTORS 256u

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void put_entry(uint8_t *sector, unsigned index, const char *name, uint8_t kind,
                      unsigned cluster)
{
    uint8_t *entry = sector + index * ENTRY_BYTES;

    memcpy(entry, name, 11);
    entry[11] = kind;
    put16(entry + 26, cluster);
}

/* FAT12, one sector a cluster. */
static void make_volume(uint8_t *disk)
{
    uint8_t *boot = disk, *fat = disk + SECTOR;

    memcpy(boot, "\xeb\x3c\x90MSDOS5.0", 11);
    put16(boot + 11, SECTOR);
    boot[13] = 1;
    put16(boot + 14, 1);
    boot[16] = 1;
    put16(boot + 17, SECTOR / ENTRY_BYTES);
    put16(boot + 19, VOLUME_SECTORS);
    boot[21] = 0xf8;
    put16(boot + 22, 1);
    memcpy(boot + 54, "FAT12   ", 8);
    put16(boot + 510, 0xaa55);
    memcpy(fat, "\xf8\xff\xff\xff\x0f", 5);
    put_entry(disk + ROOT_SECTOR * SECTOR, 0, "HELLO   TXT", 0, 0);
    put_entry(disk + ROOT_SECTOR * SECTOR, 1, "HELP    TXT", 0, 0);
    put_entry(disk + ROOT_SECTOR * SECTOR, 2, "BOOT       ", DIRECTORY, 2);
    put_entry(disk + ROOT_SECTOR * SECTOR, 3, "WITH A BLNK", 0, 0);
    put_entry(disk + BOOT_SECTOR * SECTOR, 0, "GRUB    CFG", 0, 0);
    put_entry(disk + BOOT_SECTOR * SECTOR, 1, "INITRD  IMG", 0, 0);
}

static int set_up(void **state)
{
    static struct fake_host fake;

    fake_host_make(&fake);
    memset(fake.disk.data, 0, 2048 * SECTOR);
    make_volume(fake.disk.data);
    fake.host.interactive = true;
    *state = &fake;
    return 0;
}

static int tear_down(void **state)
{
    fake_host_free(*state);
    return 0;
}

/* What the line is when the keys have been typed: `echo` would show it, but any command tells of it. */
static void typed_gives(struct fake_host *fake, const char *keys, const char *part)
{
    fake_host_type(fake, keys);
    if (strstr(fake->output, part) == NULL)
        fail_msg("%s: no \"%s\" in: %s", keys, part, fake->output);
}

static void names_are_completed(void **state)
{
    struct fake_host *fake = *state;

    typed_gives(fake, "cat vda /HELL\t\x15\x04", "cat vda /HELLO.TXT ");
    typed_gives(fake, "cat vda HELL\t\x15\x04", "cat vda HELLO.TXT ");
    typed_gives(fake, "cat vda /HELP.TXT /HELL\t\x15\x04", "/HELP.TXT /HELLO.TXT ");
    typed_gives(fake, "sum vda /HE\t\x15\x04", "sum vda /HEL");
    typed_gives(fake, "sum vda /HE\t\t\x15\x04", "/HELLO.TXT  /HELP.TXT  ");
    typed_gives(fake, "echo x; ls vda -l /BOOT/G\t\x15\x04", "/BOOT/GRUB.CFG ");
}

static void a_directory_is_gone_into(void **state)
{
    struct fake_host *fake = *state;

    typed_gives(fake, "ls vda /BO\tIN\t\x15\x04", "ls vda /BOOT/INITRD.IMG ");
    typed_gives(fake, "boot vda /BO\tG\t\x15\x04", "/BOOT/GRUB.CFG ");
}

static void an_option_takes_a_path(void **state)
{
    struct fake_host *fake = *state;

    typed_gives(fake, "boot vda /HELP.TXT ini\t/BO\tI\t\x15\x04", "initrd=/BOOT/INITRD.IMG ");
    typed_gives(fake, "boot vda /HELP.TXT mod\t/BO\tI\t\x15\x04", "module=/BOOT/INITRD.IMG ");
}

static void what_is_no_path_is_none(void **state)
{
    struct fake_host *fake = *state;

    typed_gives(fake, "read vda /HELL\tx\r\x04", "/HELLx");
    typed_gives(fake, "ls vda / /HELL\tx\r\x04", "/HELLx");
    typed_gives(fake, "boot vda /HELP.TXT /HELL\tx\r\x04", "/HELLx");
    typed_gives(fake, "cat vdx /HELL\tx\r\x04", "/HELLx");
    typed_gives(fake, "cat vda /NOWHERE/\tx\r\x04", "/NOWHERE/x");
    typed_gives(fake, "cat vda /WI\tx\r\x04", "/WIx"); /* there are no quotes */
    typed_gives(fake, "cat vd\t/HELL\t\x15\x04", "cat vda /HELLO.TXT ");
    memset(fake->disk.data, 0, SECTOR);
    typed_gives(fake, "cat vda /HELL\tx\r\x04", "/HELLx");
    assert_null(strstr(fake->output, "HELLO"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_are_completed),
        TEST(a_directory_is_gone_into),
        TEST(an_option_takes_a_path),
        TEST(what_is_no_path_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
