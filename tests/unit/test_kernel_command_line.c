/* SPDX-License-Identifier: BSD-2-Clause */
/* From the loader's command line to commands and options. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define vst_virtio_feature_bit fake_feature_bit
#define log_printf             fake_log_printf
#include "boot/kernel/boot_command_line.c"
#include "boot/kernel/option_words.c"
#undef PREFIX
#include "boot/kernel/options.c"
#undef PREFIX
#include "boot/kernel/mmio_places.c"

static unsigned n_warnings;
static struct boot_info info;

int fake_feature_bit(const char *name)
{
    return strcmp(name, "EVENT_IDX") == 0 ? 29 : strcmp(name, "RING_PACKED") == 0 ? 34 : -1;
}

void fake_log_printf(enum vst_log_level level, const char *format, ...)
{
    (void)format;
    n_warnings += level == VST_LOG_WARNING;
}

static const char *line_of(const char *loader, const char *text, bool may_name_image)
{
    memset(&info, 0, sizeof(info));
    snprintf(info.loader_name, sizeof(info.loader_name), "%s", loader);
    boot_command_line_set(&info, text, SIZE_MAX, may_name_image);
    return info.command_line;
}

static void image_name_is_dropped(void **state)
{
    (void)state;
    assert_string_equal(line_of("qemu", "build/x86_64/vstor.elf lsblk; exit", true), "lsblk; exit");
    assert_string_equal(line_of("qemu", "/my disks/vstor.elf lsblk", true), "lsblk");
    assert_string_equal(line_of("qemu", "kernel lsblk", true), "lsblk");
    assert_string_equal(line_of("qemu", "kernel lsblk; cat a.elf", true), "lsblk; cat a.elf");
    assert_string_equal(line_of("qemu", "vstor.elf", true), "");
    assert_string_equal(line_of("GRUB 2.06", "lsblk", true), "lsblk");
    assert_string_equal(line_of("GNU GRUB 0.97", "/boot/vstor lsblk", true), "lsblk");
    assert_string_equal(line_of("", "vstor.elf lsblk", true), "lsblk");
    assert_string_equal(line_of("GRUB 2.06", "cat.elf x", false), "cat.elf x");
    assert_string_equal(line_of("", "", true), "");
}

static void grub_quoting_is_undone(void **state)
{
    (void)state;
    assert_string_equal(line_of("GRUB 2.06", "\"lsblk; sum vda; exit\"", false),
                        "lsblk; sum vda; exit");
    assert_string_equal(line_of("GRUB 2.06", "echo \\\"a\\\\ b\\\"", false), "echo \"a\\ b\"");
    assert_string_equal(line_of("qemu", "k \"a b\"", true), "\"a b\"");
}

static void too_long_a_line_is_marked(void **state)
{
    static char text[BOOT_COMMAND_LINE_BYTES + 10];

    (void)state;
    memset(text, 'a', sizeof(text));
    text[BOOT_COMMAND_LINE_BYTES - 1] = '\0';
    line_of("", text, true);
    assert_false(info.command_line_cut);
    text[BOOT_COMMAND_LINE_BYTES - 1] = 'a';
    boot_command_line_set(&info, text, sizeof(text), true);
    assert_true(info.command_line_cut);
    boot_command_line_set(&info, text, 3, true);
    assert_string_equal(info.command_line, "aaa");
}

static void options_leave_the_line(void **state)
{
    char line[] = "vstor.log=debug lsblk; vstor.features=-EVENT_IDX,-RING_PACKED sum "
                  "vda;vstor.queue_size=16 vstor.cpus=4";
    struct options options;

    (void)state;
    n_warnings = 0;
    options_take(&options, line);
    assert_string_equal(line, " lsblk;  sum vda; ");
    assert_int_equal(options.n_cpus, 4);
    assert_int_equal(options.log_level, VST_LOG_DEBUG);
    assert_true(options.blk.refused_features == (1ull << 29 | 1ull << 34));
    assert_int_equal(options.blk.queue_size, 16);
    assert_true(options.interactive);
    assert_int_equal(n_warnings, 0);
}

static void pool_has_a_size(void **state)
{
    static const struct {
        const char *line;
        size_t bytes;
    } cases[] = {
        {"", 0},
        {"vstor.dma=direct", 0},
        {"vstor.dma=bounce", 4u << 20},
        {"vstor.dma=bounce:4", 4096},
        {"vstor.dma=bounce:64 vstor.iommu=bypass", 65536},
        {"vstor.dma=bounce vstor.dma=direct", 0},
    };

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        char line[64];
        struct options options;
        snprintf(line, sizeof(line), "%s", cases[i].line);
        n_warnings = 0;
        options_take(&options, line);
        assert_int_equal(options.bounce_bytes, cases[i].bytes);
        assert_false(options.iommu_keep);
        assert_int_equal(n_warnings, 0);
    }
}

static void nonsense_is_named_and_left_out(void **state)
{
    static const char *const wrong[] = {
        "vstor.",
        "vstor.log",
        "vstor.log=loud",
        "vstor.nothing=1",
        "vstor.queue_size=65536",
        "vstor.segments=-1",
        "vstor.timeout=1s",
        "vstor.features=EVENT_IDX",
        "vstor.features=-EVENT_IDX,-NO",
        "vstor.features=-,-",
        "vstor.cpus=0",
        "vstor.cpus=65",
        "vstor.pci=no",
        "vstor.interactive=2",
        "vstor.dma",
        "vstor.dma=bounce:3",
        "vstor.dma=bounce:1k",
        "vstor.dma=bounced",
        "vstor.iommu=off",
    };

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(wrong); i++) {
        char line[64];
        char nothing[] = "";
        struct options options, expected;
        options_take(&expected, nothing);
        snprintf(line, sizeof(line), "%s lsblk", wrong[i]);
        n_warnings = 0;
        options_take(&options, line);
        assert_string_equal(line, " lsblk");
        assert_int_equal(n_warnings, 1);
        assert_memory_equal(&options.blk, &expected.blk, sizeof(expected.blk));
        assert_int_equal(options.log_level, expected.log_level);
        assert_false(options.pci_reassign);
        assert_int_equal(options.bounce_bytes, 0);
        assert_false(options.iommu_keep);
        assert_true(options.interactive);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(image_name_is_dropped),
        cmocka_unit_test(grub_quoting_is_undone),
        cmocka_unit_test(too_long_a_line_is_marked),
        cmocka_unit_test(options_leave_the_line),
        cmocka_unit_test(pool_has_a_size),
        cmocka_unit_test(nonsense_is_named_and_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
