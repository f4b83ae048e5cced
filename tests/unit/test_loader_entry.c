/* SPDX-License-Identifier: BSD-2-Clause */
/* Boot Loader Specification: entries, their order and counting, loader.conf, patterns, versions. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "boot/loader/entry.h"

/* In memory of its own size, so that a read beyond it is caught. */
static struct loader_text own(const char *text)
{
    size_t bytes = strlen(text);
    char *copy = malloc(bytes > 0 ? bytes : 1);

    memcpy(copy, text, bytes);
    return (struct loader_text){copy, bytes};
}

static void release(struct loader_text text)
{
    free((void *)(uintptr_t)text.at);
}

static void assert_text(struct loader_text text, const char *expected)
{
    char copy[200];

    assert_true(loader_text_copy(text, copy, sizeof(copy)));
    assert_string_equal(copy, expected);
}

static void entry_with_every_key(void **state)
{
    struct loader_text text = own("# a comment\n"
                                  "title        Fedora 19 (Rawhide)\r\n"
                                  "\n"
                                  "version\t3.8.0-2.fc19.x86_64\n"
                                  "machine-id   6a9857a393724b7a981ebb5b8495b9ea\n"
                                  "sort-key fedora\n"
                                  "options      root=UUID=6d3376e4 quiet  \n"
                                  "options      rw\n"
                                  "architecture x64\n"
                                  "linux        /fedora/linux\n"
                                  "initrd       /ucode\n"
                                  "  initrd     /fedora/initrd\n"
                                  "devicetree   /dtb\n"
                                  "devicetree-overlay /a.dtbo /b.dtbo\n"
                                  "efi /shell.efi\n"
                                  "uki /linux.efi\n"
                                  "something-new yes\n"
                                  "version");
    struct loader_entry entry;
    char options[40];

    (void)state;
    assert_int_equal(loader_entry_read(loader_text_of("fedora+3-1.conf"), text, &entry), VST_OK);
    assert_text(entry.id, "fedora");
    assert_true(entry.tries.counted);
    assert_int_equal(entry.tries.left, 3);
    assert_int_equal(entry.tries.done, 1);
    assert_text(entry.title, "Fedora 19 (Rawhide)");
    assert_text(entry.version, "3.8.0-2.fc19.x86_64");
    assert_text(entry.machine_id, "6a9857a393724b7a981ebb5b8495b9ea");
    assert_text(entry.sort_key, "fedora");
    assert_text(entry.architecture, "x64");
    assert_text(entry.kernel, "/fedora/linux");
    assert_int_equal(entry.n_initrds, 2);
    assert_text(entry.initrds[0], "/ucode");
    assert_text(entry.initrds[1], "/fedora/initrd");
    assert_text(entry.devicetree, "/dtb");
    assert_text(entry.devicetree_overlay, "/a.dtbo /b.dtbo");
    assert_text(entry.efi, "/shell.efi");
    assert_text(entry.uki, "/linux.efi");
    assert_true(loader_entry_options(&entry, options, sizeof(options)));
    assert_string_equal(options, "root=UUID=6d3376e4 quiet rw");
    assert_false(loader_entry_options(&entry, options, strlen("root=UUID=6d3376e4 quiet rw")));
    assert_true(loader_entry_options(&entry, options, sizeof("root=UUID=6d3376e4 quiet rw")));
    assert_true(loader_entry_is_for(&entry, "x64"));
    assert_true(loader_entry_is_for(&entry, "X64"));
    assert_false(loader_entry_is_for(&entry, "aa64"));
    entry.architecture.bytes = 0;
    assert_true(loader_entry_is_for(&entry, "aa64"));
    release(text);
}

static void entries_that_are_none(void **state)
{
    static char many[LOADER_ENTRY_MAX_BYTES + 2];
    struct loader_entry entry;

    (void)state;
    assert_int_equal(loader_entry_read(loader_text_of("a.conf"), loader_text_of(""), &entry),
                     VST_ERR_MALFORMED);
    assert_int_equal(
        loader_entry_read(loader_text_of("a.conf"), loader_text_of("title x\nlinux"), &entry),
        VST_ERR_MALFORMED);
    assert_int_equal(loader_entry_read(loader_text_of("a.txt"), loader_text_of("linux /x"), &entry),
                     VST_ERR_INVALID);
    assert_int_equal(loader_entry_read(loader_text_of(".conf"), loader_text_of("linux /x"), &entry),
                     VST_ERR_INVALID);
    assert_int_equal(
        loader_entry_read(loader_text_of(".a.conf"), loader_text_of("linux /x"), &entry),
        VST_ERR_INVALID);
    for (unsigned i = 0; i <= LOADER_MAX_INITRDS; i++)
        strcat(many, "initrd /x\n");
    assert_int_equal(loader_entry_read(loader_text_of("a.conf"), loader_text_of(many), &entry),
                     VST_ERR_TOO_LARGE);
    memset(many, '\n', sizeof(many) - 1);
    assert_int_equal(loader_entry_read(loader_text_of("a.conf"), loader_text_of(many), &entry),
                     VST_ERR_TOO_LARGE);
}

/* name, id, left, done (-1: not counted), what it is called after the next try */
static const struct {
    const char *name, *id;
    int left, done;
    const char *next;
} names[] = {
    {"debian.conf", "debian", -1, -1, NULL},
    {"DEBIAN.CONF", "DEBIAN", -1, -1, NULL},
    {"debian+3.conf", "debian", 3, 0, "debian+2-1.conf"},
    {"debian+2-1.conf", "debian", 2, 1, "debian+1-2.conf"},
    {"debian+0-3.conf", "debian", 0, 3, NULL},
    {"debian+10-9.conf", "debian", 10, 9, "debian+9-10.conf"},
    {"debian+3-.conf", "debian+3-", -1, -1, NULL},
    {"debian+.conf", "debian+", -1, -1, NULL},
    {"debian+x.conf", "debian+x", -1, -1, NULL},
    {"debian+3-1-1.conf", "debian+3-1-1", -1, -1, NULL},
    {"debian+99999.conf", "debian+99999", -1, -1, NULL},
    {"a+b+1.conf", "a+b", 1, 0, "a+b+0-1.conf"},
    {"+3.conf", "+3", -1, -1, NULL},
};

static void names_and_counting(void **state)
{
    struct loader_entry entry = {.n_options = 0};
    char next[40];

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(names); i++) {
        struct loader_text name = own(names[i].name);
        assert_true(loader_entry_name(name, &entry.id, &entry.tries));
        assert_text(entry.id, names[i].id);
        assert_int_equal(entry.tries.counted ? (int)entry.tries.left : -1, names[i].left);
        assert_int_equal(entry.tries.counted ? (int)entry.tries.done : -1, names[i].done);
        assert_int_equal(loader_entry_next_name(&entry, next, sizeof(next)), names[i].next != NULL);
        if (names[i].next != NULL) {
            assert_string_equal(next, names[i].next);
            assert_false(loader_entry_next_name(&entry, next, strlen(names[i].next)));
            assert_true(loader_entry_next_name(&entry, next, strlen(names[i].next) + 1));
        }
        release(name);
    }
}

/* From old to new, as the examples of UAPI.10 order them. */
static const char *const ordered[] = {
    "122.1",   "123~rc1-1", "123",     "123-a",   "123-a.1", "123-1",
    "123-1.1", "123^post1", "123.a-1", "123.1-1", "123a-1",  "124-1",
};

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

static void versions_in_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(ordered); i++)
        for (size_t k = 0; k < VST_ARRAY_LENGTH(ordered); k++) {
            struct loader_text a = own(ordered[i]), b = own(ordered[k]);
            if (sign(loader_version_compare(a, b)) != sign((int)i - (int)k))
                fail_msg("%s and %s: %d", ordered[i], ordered[k], loader_version_compare(a, b));
            release(a);
            release(b);
        }
}

static void versions_pairs(void **state)
{
    static const struct {
        const char *a, *b;
        int order;
    } pairs[] = {
        {"11", "11", 0},
        {"systemd-123", "systemd-123", 0},
        {"bar-123", "foo-123", -1},
        {"123a", "123", 1},
        {"123.a", "123", 1},
        {"123.a", "123.b", -1},
        {"123a", "123.a", 1},
        {"11α", "11β", 0},
        {"A", "a", -1},
        {"", "0", -1},
        {"0.", "0", 1},
        {"0.0", "0", 1},
        {"0", "~", 1},
        {"", "~", 1},
        {"1_", "1", 0},
        {"_1", "1", 0},
        {"1_", "1.2", -1},
        {"1_2_3", "1.3.3", 1},
        {"1+", "1", 0},
        {"+1", "1", 0},
        {"1+2", "1.2", 1},
        {"00012", "12", 0},
        {"10", "9", 1},
        {"6.1.0-10", "6.1.0-9", 1},
        {"18446744073709551617", "18446744073709551616", 1},
        {"a", "1", -1},
    };

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(pairs); i++) {
        struct loader_text a = own(pairs[i].a), b = own(pairs[i].b);
        if (sign(loader_version_compare(a, b)) != pairs[i].order ||
            sign(loader_version_compare(b, a)) != -pairs[i].order)
            fail_msg("%s and %s: %d", pairs[i].a, pairs[i].b, loader_version_compare(a, b));
        release(a);
        release(b);
    }
}

static struct loader_entry entry_of(const char *name, const char *sort_key, const char *machine_id,
                                    const char *version)
{
    struct loader_entry entry;

    memset(&entry, 0, sizeof(entry));
    assert_true(loader_entry_name(loader_text_of(name), &entry.id, &entry.tries));
    entry.sort_key = loader_text_of(sort_key);
    entry.machine_id = loader_text_of(machine_id);
    entry.version = loader_text_of(version);
    return entry;
}

static void order_of_entries(void **state)
{
    const struct loader_entry entries[] = {
        entry_of("z.conf", "arch", "1", "6.9"),
        entry_of("a.conf", "debian", "1", "6.10"),
        entry_of("c.conf", "debian", "1", "6.9"),
        entry_of("b.conf", "debian", "1", "6.9"), /* the same but for the name: later ones first */
        entry_of("d.conf", "debian", "2", "7.0"),
        entry_of("linux-6.10.conf", "", "", ""),
        entry_of("linux-6.9+3.conf", "", "", ""),
        entry_of("linux-6.9+2-1.conf", "", "", ""),
        entry_of("linux-6.9+2-2.conf", "", "", ""),
        entry_of("bad+0-3.conf", "arch", "1", "9.9"),
        entry_of("bad-too+0-1.conf", "", "", ""),
    };
    const size_t n = VST_ARRAY_LENGTH(entries);

    (void)state;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++)
            if (sign(loader_entry_compare(&entries[i], &entries[k])) != sign((int)i - (int)k))
                fail_msg("entries %zu and %zu are in the wrong order", i, k);
}

static void patterns(void **state)
{
    static const struct {
        const char *text, *pattern;
        bool fits;
    } cases[] = {
        {"", "", true},           {"", "*", true},
        {"a", "", false},         {"abc", "a*c", true},
        {"abc", "a*d", false},    {"abc", "*b*", true},
        {"abc", "???", true},     {"abc", "??", false},
        {"ABC", "a[B-C]c", true}, {"abc", "a[!b]c", false},
        {"abc", "a[^x]c", true},  {"a]c", "a[]]c", true},
        {"a-c", "a[-x]c", true},  {"abc", "a[bc", false},
        {"a*c", "a\\*c", true},   {"abc", "a\\*c", false},
        {"a", "a**", true},       {"abab", "*ab", true},
        {"abc", "[", false},      {"a", "[a-", false},
        {"\\", "\\", true},       {"linux-6.1.0-10-amd64", "linux-6.1.*", true},
    };

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        struct loader_text text = own(cases[i].text), pattern = own(cases[i].pattern);
        if (loader_fits(text, pattern) != cases[i].fits)
            fail_msg("%s and %s", cases[i].text, cases[i].pattern);
        release(text);
        release(pattern);
    }
}

/* Would take for ever if every star was tried with every length of the others. */
static void patterns_take_no_time(void **state)
{
    char text[3000], pattern[2002];

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (size_t i = 0; i < 2000; i += 2)
        memcpy(pattern + i, "*a", 2);
    strcpy(pattern + 2000, "b");
    assert_false(loader_fits(loader_text_of(text), loader_text_of(pattern)));
}

static void entries_by_pattern(void **state)
{
    struct loader_entry entry = entry_of("debian-6.1+2.conf", "", "", "");

    (void)state;
    assert_true(loader_entry_fits(&entry, loader_text_of("debian-*")));
    assert_true(loader_entry_fits(&entry, loader_text_of("debian-*.conf")));
    assert_true(loader_entry_fits(&entry, loader_text_of("debian-6.1.conf")));
    assert_false(loader_entry_fits(&entry, loader_text_of("fedora*")));
    assert_false(loader_entry_fits(&entry, loader_text_of("")));
    assert_false(loader_entry_fits(&entry, loader_text_of(".conf")));
}

static void unified_kernel_images(void **state)
{
    struct loader_text osrel =
        own("NAME=\"Debian GNU/Linux\"\nPRETTY_NAME=\"Debian 12\"\nID=debian\n"
            "VERSION_ID=\"12\"\n");
    struct loader_text uname = own("6.1.0-18-amd64"), none = {NULL, 0};
    struct loader_entry entry;
    char next[40];

    (void)state;
    assert_int_equal(loader_unified_read(loader_text_of("debian+3-1.efi"), osrel, uname, &entry),
                     VST_OK);
    assert_text(entry.id, "debian");
    assert_text(entry.title, "Debian 12");
    assert_text(entry.sort_key, "debian");
    assert_text(entry.version, "6.1.0-18-amd64");
    assert_text(entry.uki, "debian+3-1.efi");
    assert_true(loader_entry_next_name(&entry, next, sizeof(next)));
    assert_string_equal(next, "debian+2-2.efi");
    assert_true(loader_entry_fits(&entry, loader_text_of("debian.efi")));
    assert_true(loader_entry_fits(&entry, loader_text_of("deb*")));
    assert_false(loader_entry_fits(&entry, loader_text_of("debian.conf")));
    assert_int_equal(loader_unified_read(loader_text_of("a.EFI"), osrel, none, &entry), VST_OK);
    assert_text(entry.version, "12");
    assert_int_equal(loader_unified_read(loader_text_of("a.conf"), osrel, uname, &entry),
                     VST_ERR_INVALID);
    assert_int_equal(loader_unified_read(loader_text_of(".efi"), osrel, uname, &entry),
                     VST_ERR_INVALID);
    assert_int_equal(loader_unified_read(loader_text_of("a.efi"), uname, uname, &entry),
                     VST_ERR_MALFORMED);
    release(osrel);
    release(uname);
}

static void profiles_of_unified_kernel_images(void **state)
{
    struct loader_text osrel = own("NAME=Debian\nID=debian\nVERSION_ID=12\n"), none = {NULL, 0};
    struct loader_text profile = own("TITLE=\"Factory Reset\"\nID=factory-reset\n");
    struct loader_text bad = own("ID=a b\n");
    struct loader_entry first, second;

    (void)state;
    assert_int_equal(loader_unified_read(loader_text_of("a+1.efi"), osrel, none, &first), VST_OK);
    assert_int_equal(loader_unified_read(loader_text_of("a+3.efi"), osrel, none, &second), VST_OK);
    assert_true(loader_entry_compare(&first, &second) > 0);
    loader_unified_profile(&first, 0, none);
    loader_unified_profile(&second, 1, profile);
    assert_int_equal(first.profile_id.bytes + first.profile_title.bytes, 0);
    assert_int_equal(second.profile, 1);
    assert_text(second.profile_id, "factory-reset");
    assert_text(second.profile_title, "Factory Reset");
    assert_true(loader_entry_compare(&first, &second) < 0);
    loader_unified_profile(&second, 1, bad);
    assert_int_equal(second.profile_id.bytes, 0);
    release(osrel);
    release(profile);
    release(bad);
}

static void loader_conf(void **state)
{
    struct loader_text text = own("#timeout 9\ntimeout 5\ndefault debian-*\nconsole-mode max\n"
                                  "editor no\nauto-entries 0\nauto-firmware FALSE\n"
                                  "preferred fedora*\nunknown 1");
    struct loader_conf conf;

    (void)state;
    assert_int_equal(loader_conf_read(text, &conf), 0);
    assert_int_equal(conf.timeout_s, 5);
    assert_int_equal(conf.menu, LOADER_MENU_SHOWN);
    assert_text(conf.default_entry, "debian-*");
    assert_text(conf.preferred, "fedora*");
    assert_int_equal(conf.console, LOADER_CONSOLE_MAX);
    assert_false(conf.editor);
    assert_false(conf.auto_entries);
    assert_false(conf.auto_firmware);
    release(text);
}

static void loader_conf_of_nothing_and_of_nonsense(void **state)
{
    struct loader_conf conf;

    (void)state;
    assert_int_equal(loader_conf_read(loader_text_of(""), &conf), 0);
    assert_int_equal(conf.timeout_s, 0);
    assert_int_equal(conf.menu, LOADER_MENU_HIDDEN);
    assert_true(conf.editor && conf.auto_entries && conf.auto_firmware);
    assert_int_equal(loader_conf_read(loader_text_of("timeout soon\neditor maybe\n"
                                                     "console-mode 99999999999\ntimeout"),
                                      &conf),
                     4);
    assert_int_equal(conf.timeout_s, 0);
    assert_true(conf.editor);
    assert_int_equal(loader_conf_read(loader_text_of("timeout menu-force\nconsole-mode 2"), &conf),
                     0);
    assert_int_equal(conf.timeout_s, LOADER_TIMEOUT_FOREVER);
    assert_int_equal(conf.console, LOADER_CONSOLE_NUMBER);
    assert_int_equal(conf.console_number, 2);
    assert_int_equal(loader_conf_read(loader_text_of("timeout menu-disabled"), &conf), 0);
    assert_int_equal(conf.menu, LOADER_MENU_DISABLED);
}

static void os_release(void **state)
{
    struct loader_text value, text = own("NAME=\"Debian GNU/Linux\"\n#ID=no\nID=debian\n"
                                         "VERSION_ID='12'\nODD=\"\nEMPTY=\nPLAIN");

    (void)state;
    assert_true(loader_os_release(text, "NAME", &value));
    assert_text(value, "Debian GNU/Linux");
    assert_true(loader_os_release(text, "ID", &value));
    assert_text(value, "debian");
    assert_true(loader_os_release(text, "VERSION_ID", &value));
    assert_text(value, "12");
    assert_true(loader_os_release(text, "ODD", &value));
    assert_text(value, "\"");
    assert_true(loader_os_release(text, "EMPTY", &value));
    assert_int_equal(value.bytes, 0);
    assert_false(loader_os_release(text, "PLAIN", &value));
    release(text);
}

/* Not of the specification, which passes over what it does not know. */
static void modules_are_initrds_with_words(void **state)
{
    struct loader_text text =
        loader_text_of("linux /xen\nmodule\ninitrd /first\nmodule /vmlinuz quiet\n"
                       "initrd /initrd.img\nmodule /policy\n");
    struct loader_entry entry;

    (void)state;
    assert_int_equal(loader_entry_read(loader_text_of("xen.conf"), text, &entry), VST_OK);
    assert_int_equal(entry.n_initrds, 4);
    assert_int_equal(entry.modules, 1 << 1 | 1 << 3);
    assert_text(entry.initrds[1], "/vmlinuz quiet");
    assert_text(entry.initrds[2], "/initrd.img");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entry_with_every_key),
        cmocka_unit_test(entries_that_are_none),
        cmocka_unit_test(names_and_counting),
        cmocka_unit_test(versions_in_order),
        cmocka_unit_test(versions_pairs),
        cmocka_unit_test(order_of_entries),
        cmocka_unit_test(patterns),
        cmocka_unit_test(patterns_take_no_time),
        cmocka_unit_test(entries_by_pattern),
        cmocka_unit_test(unified_kernel_images),
        cmocka_unit_test(profiles_of_unified_kernel_images),
        cmocka_unit_test(loader_conf),
        cmocka_unit_test(loader_conf_of_nothing_and_of_nonsense),
        cmocka_unit_test(modules_are_initrds_with_words),
        cmocka_unit_test(os_release),
    };
    return cmocka_run_group_tests_name("boot entries", tests, NULL, NULL);
}
