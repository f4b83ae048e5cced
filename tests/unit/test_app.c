/* SPDX-License-Identifier: BSD-2-Clause */
/* A program's command line, the names of its disks, and the clock's registers. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "boot/app/command_line.c"
#include "boot/app/devices.c"

#include "boot/app/real_time.c"

static struct command_line line;
static char text[256];

static const char *take(const char *words)
{
    strcpy(text, words);
    return command_line_take(&line, (char *)(uintptr_t) "name", text);
}

static void test_words(void **state)
{
    (void)state;
    assert_null(take("  one 'two  three'\"four\"\\ five \"a\\\"b\\c\" '' \\\\ end\\"));
    static const char *const expected[] = {"name", "one",  "two  threefour five", "a\"b\\c", "",
                                           "\\",   "end\\"};
    assert_int_equal(line.n_words, VST_ARRAY_LENGTH(expected));
    for (unsigned i = 0; i < line.n_words; i++)
        assert_string_equal(line.words[i], expected[i]);
    assert_null(line.words[line.n_words]);
    assert_null(take(""));
    assert_int_equal(line.n_words, 1);
}

static void test_redirections(void **state)
{
    (void)state;
    assert_null(take("a<in b>'out put'c 2>err 2d >>more"));
    assert_int_equal(line.n_words, 4);
    assert_string_equal(line.words[1], "a");
    assert_string_equal(line.words[2], "b");
    assert_string_equal(line.words[3], "2d");
    assert_string_equal(line.files[0], "in");
    assert_string_equal(line.files[1], "more");
    assert_string_equal(line.files[2], "err");
    assert_false(line.error_to_output);
    assert_null(take("x2>y 2>&1 z"));
    assert_string_equal(line.words[1], "x2");
    assert_string_equal(line.files[1], "y");
    assert_true(line.error_to_output && line.files[2] == NULL);
    assert_string_equal(line.words[2], "z");
    assert_null(take("2>&1"));
    assert_true(line.error_to_output && line.n_words == 1);
}

static void test_what_is_wrong(void **state)
{
    static const char *const wrong[] = {"'a",   "\"a",     "\"a\\\"", "\"a\\", "a <",
                                        "a > ", "a > < b", "a >>",    "2>",    "< 'b"};
    char many[2 * COMMAND_LINE_MAX_WORDS + 1];

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(wrong); i++)
        assert_non_null(take(wrong[i]));
    for (size_t i = 0; i < sizeof(many) - 1; i += 2)
        memcpy(many + i, "w ", 2);
    many[sizeof(many) - 1] = '\0';
    assert_non_null(command_line_take(&line, text, many));
    many[sizeof(many) - 3] = '\0';
    for (size_t i = 0; i + 3 < sizeof(many); i += 2)
        memcpy(many + i, "w ", 2);
    assert_null(command_line_take(&line, text, many));
    assert_int_equal(line.n_words, COMMAND_LINE_MAX_WORDS);
    assert_null(line.words[COMMAND_LINE_MAX_WORDS]);
}

/* ---------------------------------------------------------------- names */

static char found[2048];

static bool note(void *ctx, const char *name, const struct device_place *place)
{
    (void)ctx;
    (void)place;
    strcat(strcat(found, name), "\n");
    return true;
}

static void test_names(void **state)
{
    static const struct vst_block_identity identity = {.vendor = "QEMU",
                                                       .product = "QEMU HARDDISK",
                                                       .wwn = "0x5000c500a1b2c3d4",
                                                       .revision = "",
                                                       .hctl = ""};
    struct vst_block_device blk = {
        .name = "vda", .path = "pci-0000:00:04.0", .serial = " A  /b\x80 "};
    struct vst_block_device scsi = {.name = "sda",
                                    .path = "pci-0000:00:05.0-scsi-0:0:1:0",
                                    .serial = "S1",
                                    .identity = &identity};
    struct vst_block_device gone = {.name = "vdb", .path = "pci-0000:00:04.0", .gone = true};
    struct vst_block_registry registry = {.first = &blk, .last = &gone};
    struct device_place place;

    (void)state;
    blk.next = &scsi;
    scsi.next = &gone;
    devices_walk(&registry, note, NULL);
    assert_string_equal(
        found, "vda\ndisk/by-path/pci-0000:00:04.0\ndisk/by-id/virtio-A__b_\n"
               "sda\ndisk/by-path/pci-0000:00:05.0-scsi-0:0:1:0\n"
               "disk/by-id/scsi-0QEMU_QEMU_HARDDISK_S1\ndisk/by-id/wwn-0x5000c500a1b2c3d4\nvdb\n");
    assert_true(devices_find(&registry, "disk/by-id/scsi-0QEMU_QEMU_HARDDISK_S1", &place));
    assert_ptr_equal(place.device, &scsi);
    assert_true(devices_find(&registry, "disk/by-path/pci-0000:00:04.0", &place));
    assert_ptr_equal(place.device, &blk);
    assert_true(devices_find(&registry, "vdb", &place));
    assert_false(devices_find(&registry, "disk/by-id/", &place));
    strcpy(blk.path, "same");
    strcpy(scsi.path, "same");
    assert_false(devices_find(&registry, "disk/by-path/same", &place));
}

/* As long as a device can make it: cut, and nothing beyond is touched. */
static void test_long_names(void **state)
{
    static char longest[400];
    struct vst_block_identity identity = {.vendor = longest, .product = longest, .wwn = longest};
    struct vst_block_device device = {.name = "sda", .serial = "x", .identity = &identity};
    struct vst_block_registry registry = {.first = &device, .last = &device};

    (void)state;
    memset(longest, 'l', sizeof(longest) - 1);
    found[0] = '\0';
    devices_walk(&registry, note, NULL);
    assert_int_equal(strlen(strstr(found, "disk/by-id/scsi-")) -
                         strlen(strstr(found, "disk/by-id/wwn-")),
                     DEVICE_NAME_BYTES);
}

/* ---------------------------------------------------------------- the clock */

/* Its registers as they are from the n-th read on. */
static struct {
    uint8_t at[64], later[64];
    unsigned index, n_reads, change_at;
} chip;

void host_port_write(uint16_t port, uint8_t width_bytes, uint32_t value)
{
    assert_int_equal(width_bytes, 1);
    assert_int_equal(port, 0x70);
    chip.index = value & 63;
}

uint32_t host_port_read(uint16_t port, uint8_t width_bytes)
{
    assert_int_equal(width_bytes, 1);
    assert_int_equal(port, 0x71);
    return ++chip.n_reads > chip.change_at ? chip.later[chip.index] : chip.at[chip.index];
}

uint64_t clock_ns(void)
{
    return 5 * NS_PER_SECOND;
}

/* 23:59:59 of the last day of 1999 becomes 2000 at any moment of reading: it is one or the other. */
static void test_update_while_read(void **state)
{
    static const uint8_t before[12] = {0x59, 0,    0x59, 0,    0x23, 0,
                                       0,    0x31, 0x12, 0x99, 0,    B_24_HOURS};
    static const uint8_t after[12] = {0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, B_24_HOURS};

    (void)state;
    memcpy(chip.at, before, sizeof(before));
    memcpy(chip.later, after, sizeof(after));
    chip.at[CENTURY] = 0x19;
    chip.later[CENTURY] = 0x20;
    for (chip.change_at = 0; chip.change_at < 60; chip.change_at++) {
        chip.n_reads = 0;
        real_time_start();
        uint64_t seconds = real_time_ns() / NS_PER_SECOND;
        assert_true(seconds == 946684799 || seconds == 946684800);
    }
}

/* One that always is being updated, and none: all ones. Both end. */
static void test_no_clock(void **state)
{
    (void)state;
    memset(&chip, 0xff, sizeof(chip));
    start_ns = 0;
    real_time_start();
    assert_int_equal(real_time_ns(), clock_ns());
}

static uint8_t bcd(int value)
{
    return (uint8_t)(value / 10 << 4 | value % 10);
}

/* Every date of two hundred years against the C library's calendar. */
static void test_dates(void **state)
{
    (void)state;
    for (time_t t = 0; t < 200ll * 365 * 86400; t += 86400 - 977) {
        struct tm *tm = gmtime(&t);
        int year = tm->tm_year + 1900;
        uint8_t registers[12] = {bcd(tm->tm_sec),
                                 0,
                                 bcd(tm->tm_min),
                                 0,
                                 bcd(tm->tm_hour),
                                 0,
                                 0,
                                 bcd(tm->tm_mday),
                                 bcd(tm->tm_mon + 1),
                                 bcd(year % 100),
                                 0,
                                 B_24_HOURS};
        assert_int_equal(real_time_of_registers(registers, bcd(year / 100)), t);
        if (year < 2070 && year >= 1970)
            assert_int_equal(real_time_of_registers(registers, 0), t);
    }
}

static void test_registers(void **state)
{
    uint8_t afternoon[12] = {
        [SECONDS] = 0x30, [HOURS] = 0x80 | 0x12, [DAY] = 1, [MONTH] = 1, [YEAR] = 0x70};
    uint8_t binary[12] = {
        [HOURS] = 12, [DAY] = 31, [MONTH] = 12, [YEAR] = 99, [STATUS_B] = B_BINARY};
    uint8_t none[12];

    (void)state;
    assert_int_equal(real_time_of_registers(afternoon, 0x19), 12 * 3600 + 30);
    assert_int_equal(real_time_of_registers(binary, 19), 946684800 - 86400); /* 12 is midnight */
    memset(none, 0xff, sizeof(none));
    assert_int_equal(real_time_of_registers(none, 0xff), 0);
    binary[MONTH] = 0;
    assert_int_equal(real_time_of_registers(binary, 19), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),         cmocka_unit_test(test_redirections),
        cmocka_unit_test(test_what_is_wrong), cmocka_unit_test(test_names),
        cmocka_unit_test(test_long_names),    cmocka_unit_test(test_dates),
        cmocka_unit_test(test_registers),     cmocka_unit_test(test_update_while_read),
        cmocka_unit_test(test_no_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
