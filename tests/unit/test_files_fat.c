/* SPDX-License-Identifier: BSD-2-Clause */
/* FAT, written byte by byte: each rule of names, chains and boot sectors, and what breaks it. */
#include "files_fixture.h"

/* What make lays out, in sectors of 512 bytes; clusters of one. */
struct layout {
    unsigned bits;
    uint64_t fat, root, data; /* byte offsets */
};

static struct layout layout;

static uint8_t *cluster_at(struct files_fixture *f, uint32_t cluster)
{
    return f->volume + layout.data + (uint64_t)(cluster - 2) * 512;
}

static void set_fat(struct files_fixture *f, uint32_t cluster, uint32_t value)
{
    uint8_t *at = f->volume + layout.fat + (uint64_t)cluster * layout.bits / 8;

    if (layout.bits == 12) {
        uint32_t both = at[0] | (uint32_t)at[1] << 8;
        both = cluster % 2 ? (both & 0xf) | value << 4 : (both & 0xf000) | (value & 0xfff);
        put(at, both, 2);
    } else {
        put(at, value, layout.bits / 8);
    }
}

#define LAST 0x0fffffff

static void chain(struct files_fixture *f, uint32_t first, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        set_fat(f, first + i, i + 1 < n ? first + i + 1 : LAST);
}

/* FAT12 of 500 clusters, FAT16 of 5000, FAT32 of 500 with the root in cluster 2. */
static struct files_fixture *make(unsigned bits)
{
    struct files_fixture *f = begin();
    uint8_t *boot = f->volume;
    const uint32_t n_clusters = bits == 16 ? 5000 : 500;
    const uint32_t fat_sectors = (n_clusters + 2) * bits / 8 / 512 + 1;

    layout = (struct layout){.bits = bits, .fat = 512, .root = (1 + 2 * fat_sectors) * 512};
    layout.data = layout.root + (bits == 32 ? 0 : 512);
    memcpy(boot, "\xeb\x3c\x90mkfs.fat", 11);
    put(boot + 11, 512, 2);
    boot[13] = 1; /* sectors of a cluster */
    put(boot + 14, 1, 2);
    boot[16] = 2;
    put(boot + 17, bits == 32 ? 0 : 16, 2);
    put(boot + 19, n_clusters + layout.data / 512, 2);
    boot[21] = 0xf8;
    if (bits == 32) {
        put(boot + 36, fat_sectors, 4);
        put(boot + 44, 2, 4);
        memcpy(boot + 66, "\x29\xcd\xab\x34\x12NO NAME    FAT32   ", 24);
        layout.root = layout.data;
        set_fat(f, 2, LAST);
    } else {
        put(boot + 22, fat_sectors, 2);
        memcpy(boot + 38, "\x29\xcd\xab\x34\x12NO NAME    FAT     ", 24);
    }
    put(boot + 510, 0xaa55, 2);
    return f;
}

static uint8_t *put_entry(uint8_t *at, const char *name, uint8_t attributes, uint32_t first,
                          uint32_t bytes)
{
    memset(at, 0, 32);
    memcpy(at, name, 11);
    at[11] = attributes;
    put(at + 20, first >> 16, 2);
    put(at + 26, first & 0xffff, 2);
    put(at + 28, bytes, 4);
    return at + 32;
}

static uint8_t sum_of(const char *name)
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < 11; i++)
        sum = (uint8_t)(((sum & 1) << 7) + (sum >> 1) + (uint8_t)name[i]);
    return sum;
}

static uint8_t *put_slot(uint8_t *at, uint8_t order, uint8_t sum, const uint16_t *units)
{
    static const uint8_t places[13] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};

    memset(at, 0, 32);
    at[0] = order;
    at[11] = 0x0f;
    at[13] = sum;
    for (unsigned i = 0; i < 13; i++)
        put(at + places[i], units[i], 2);
    return at + 32;
}

/* All slots of a name of n units, and the entry. */
static uint8_t *put_long(uint8_t *at, const uint16_t *name, unsigned n, const char *short_name)
{
    uint16_t units[21 * 13];
    unsigned n_slots = (n + 12) / 13;

    memset(units, 0xff, sizeof(units));
    memcpy(units, name, n * sizeof(*name));
    if (n % 13 != 0)
        units[n] = 0;
    for (unsigned i = n_slots; i > 0; i--)
        at = put_slot(at, (uint8_t)(i | (i == n_slots ? 0x40 : 0)), sum_of(short_name),
                      units + (i - 1) * 13);
    return put_entry(at, short_name, 0x20, 0, 0);
}

static uint8_t *put_ascii(uint8_t *at, const char *name, const char *short_name)
{
    uint16_t units[300];
    unsigned n = 0;

    for (; name[n] != '\0'; n++)
        units[n] = (uint8_t)name[n];
    return put_long(at, units, n, short_name);
}

static uint8_t *root_of(struct files_fixture *f)
{
    return f->volume + layout.root;
}

/* ------------------------------------------------------------------ which it is */

static void the_number_of_clusters_tells_12_from_16(void **state)
{
    (void)state;
    for (unsigned n = 4083; n <= 4086; n++) {
        struct files_fixture *f = make(16);
        put(f->volume + 19, n + layout.data / 512, 2);
        assert_int_equal(open_volume(f), VST_OK);
        assert_int_equal(f->files.kind, n < 4085 ? VST_FILES_FAT12 : VST_FILES_FAT16);
    }
}

static void a_small_fat32_is_one(void **state)
{
    struct files_fixture *f = make(32);

    (void)state;
    put_entry(root_of(f), "A       TXT", 0, 0, 0);
    assert_int_equal(open_volume(f), VST_OK);
    assert_int_equal(f->files.kind, VST_FILES_FAT32);
    assert_string_equal(f->files.uuid, "1234-ABCD");
    assert_string_equal(f->files.label, "");
    assert_string_equal(names(f, "/"), " A.TXT");
}

static enum vst_status open_changed(unsigned bits, size_t at, uint64_t value, unsigned bytes)
{
    struct files_fixture *f = make(bits);

    put(f->volume + at, value, bytes);
    return open_volume(f);
}

static void boot_sectors_that_are_none(void **state)
{
    (void)state;
    assert_int_equal(open_changed(12, 11, 256, 2), VST_ERR_NOT_FOUND);
    assert_int_equal(open_changed(12, 11, 513, 2), VST_ERR_NOT_FOUND);
    assert_int_equal(open_changed(12, 11, 8192, 2), VST_ERR_NOT_FOUND);
    assert_int_equal(open_changed(12, 13, 0, 1), VST_ERR_NOT_FOUND);
    assert_int_equal(open_changed(12, 13, 3, 1), VST_ERR_NOT_FOUND);
    assert_int_equal(open_changed(12, 14, 0, 2), VST_ERR_NOT_FOUND);
    assert_int_equal(open_changed(12, 16, 0, 1), VST_ERR_NOT_FOUND);
    assert_int_equal(open_changed(12, 21, 0xf1, 1), VST_ERR_NOT_FOUND);
    assert_int_equal(open_changed(12, 0, 0, 1), VST_OK);   /* the mark alone will do */
    assert_int_equal(open_changed(12, 510, 0, 2), VST_OK); /* so will the jump */
    struct files_fixture *f = make(12);
    f->volume[0] = f->volume[510] = 0;
    assert_int_equal(open_volume(f), VST_ERR_NOT_FOUND);
}

static void boot_sectors_that_make_no_sense(void **state)
{
    (void)state;
    assert_int_equal(open_changed(12, 19, 5, 2), VST_ERR_MALFORMED); /* no room for data */
    assert_int_equal(open_changed(12, 19, 0, 2), VST_ERR_MALFORMED); /* none at all */
    assert_int_equal(open_changed(32, 36, 0, 4), VST_ERR_MALFORMED); /* no FAT */
    assert_int_equal(open_changed(32, 36, UINT32_MAX, 4), VST_ERR_MALFORMED);
    assert_int_equal(open_changed(32, 40, 0x83, 1), VST_ERR_MALFORMED); /* the fourth of two */
    assert_int_equal(open_changed(32, 40, 0x03, 1), VST_OK);            /* not if they are equal */
    assert_int_equal(open_changed(32, 44, 0, 4), VST_OK);               /* a root that is nowhere */
    assert_string_equal(names(&storage, "/"), " !malformed");
    assert_int_equal(open_changed(32, 44, 502, 4), VST_OK);
    assert_string_equal(names(&storage, "/"), " !malformed");
}

static void a_volume_of_less_than_a_block(void **state)
{
    struct files_fixture *f = make(12);

    (void)state;
    for (f->bytes = 0; f->bytes < 512; f->bytes += 100)
        assert_int_equal(open_volume(f), VST_ERR_NOT_FOUND);
    f->bytes = 512;
    assert_int_equal(open_volume(f), VST_OK);
    assert_string_equal(names(f, "/"), " !range");
}

static void wrong_arguments(void **state)
{
    struct files_fixture *f = make(12);

    (void)state;
    assert_int_equal(open_with(f, VST_FILES_MEMORY_BYTES(512) - 1), VST_ERR_INVALID);
    for (uint32_t bytes = 256; bytes <= 1u << 17; bytes *= 512)
        for (f->block_bytes = bytes; f->block_bytes < bytes + 2; f->block_bytes++)
            assert_int_equal(open_with(f, 1u << 19), VST_ERR_INVALID);
}

/* ------------------------------------------------------------------ labels */

static void labels_stand_in_the_root_or_the_boot_sector(void **state)
{
    struct files_fixture *f = make(16);
    uint8_t *at = put_entry(root_of(f), "\xe5TD LABEL  ", 0x08, 0, 0);

    (void)state;
    memcpy(f->volume + 43, "BOOT SECTOR", 11);
    assert_int_equal(open_volume(f), VST_OK);
    assert_string_equal(f->files.label, "BOOT SECTOR");
    at = put_slot(at, 0x41, 0, (const uint16_t[13]){'x'}); /* has that bit, too */
    at = put_entry(at, "FILE    TXT", 0, 0, 0);
    put_entry(at, "R\x9aT       ", 0x08, 0, 0);
    assert_int_equal(open_volume(f), VST_OK);
    assert_string_equal(f->files.label, "RÜT");
    assert_string_equal(names(f, "/"), " FILE.TXT");
    f->volume[38] = 0x28; /* a number, no label */
    memset(root_of(f), 0, 512);
    assert_int_equal(open_volume(f), VST_OK);
    assert_string_equal(f->files.label, "");
    assert_string_equal(f->files.uuid, "1234-ABCD");
    f->volume[38] = 0;
    assert_int_equal(open_volume(f), VST_OK);
    assert_string_equal(f->files.uuid, "");
}

/* ------------------------------------------------------------------ names */

static void short_names(void **state)
{
    struct files_fixture *f = make(12);
    uint8_t *at = put_entry(root_of(f), ".          ", 0x10, 3, 0);

    (void)state;
    at = put_entry(at, "..         ", 0x10, 0, 0);
    at = put_entry(at, "UPPER   TXT", 0, 0, 0);
    put_entry(at, "BASE    TXT", 0, 0, 0)[-20] = 0x08;
    put_entry(at + 32, "EXT     TXT", 0, 0, 0)[-20] = 0x10;
    put_entry(at + 64, "BOTH    TXT", 0, 0, 0)[-20] = 0x18;
    at = put_entry(at + 96,
                   "\xe5"
                   "ELETED TXT",
                   0, 0, 0);
    at = put_entry(at,
                   "\x05"
                   "IGMA   \x8e ",
                   0x21, 0, 0);
    at = put_entry(at, "NOEXT      ", 0, 0, 0);
    at = put_entry(at, "A B     C D", 0, 0, 0);
    at = put_entry(at, "SL/\x01SH     ", 0, 0, 0);
    at = put_entry(at, "        EXT", 0, 0, 0);
    at = put_entry(at, "        .  ", 0, 0, 0); /* would be ".." */
    memset(at, 0, 32);                          /* the end: nothing behind it counts */
    put_entry(at + 32, "BEHIND     ", 0, 0, 0);
    assert_int_equal(open_volume(f), VST_OK);
    assert_string_equal(names(f, "/"),
                        " UPPER.TXT base.TXT EXT.txt both.txt σIGMA.Ä NOEXT A B.C D SL??SH .EXT");
    assert_int_equal(find(f, "base.txt"), VST_OK);
    assert_int_equal(find(f, "σigma.ä"), VST_OK);
    assert_int_equal(find(f, "sl??sh"), VST_OK);
    assert_int_equal(find(f, "deleted.txt"), VST_ERR_NOT_FOUND);
    assert_int_equal(find(f, "behind"), VST_ERR_NOT_FOUND);
}

static void long_names(void **state)
{
    struct files_fixture *f = make(12);
    uint8_t *at = put_ascii(root_of(f), "A long name.text", "ALONGN~1TEX");

    (void)state;
    at = put_ascii(at, "exactly thirt", "EXACTL~1   ");
    at = put_long(at, (const uint16_t[]){0x65e5, 0x672c, 0xd83d, 0xde00, 0xdc00, 0xd800, 'x'}, 7,
                  "PAIRS      ");
    assert_int_equal(open_volume(f), VST_OK);
    /* A pair is a character; a half of one stands for none. */
    assert_string_equal(names(f, "/"),
                        " A long name.text exactly thirt 日本😀\xef\xbf\xbd\xef\xbf\xbdx");
    assert_string_equal(f->entry.short_name, "PAIRS");
    assert_int_equal(find(f, "A LONG NAME.TEXT"), VST_OK);
    assert_int_equal(find(f, "alongn~1.tex"), VST_OK);
    assert_int_equal(find(f, "pairs"), VST_OK);
    assert_int_equal(find(f, "日本"), VST_ERR_NOT_FOUND);
}

/* Slots that are wrong leave the short name. */
static void long_names_that_do_not_hold(void **state)
{
    static const uint16_t part[13] = {'l', 'o', 'n', 'g', 0};
    static const uint16_t full[13] = {'t', 'h', 'i', 'r', 't', 'e', 'e',
                                      'n', '-', 'u', 'n', 'i', 't'};
    const uint8_t sum = sum_of("SHORT      ");
    const struct {
        uint8_t order, sum;
    } slots[][3] = {
        {{0x41, (uint8_t)(sum + 1)}},              /* of another entry */
        {{0x42, sum}},                             /* the first slot is missing */
        {{0x01, sum}},                             /* the last one is */
        {{0x43, sum}, {0x01, sum}},                /* one in between is */
        {{0x42, sum}, {0x01, (uint8_t)(sum + 1)}}, /* of two names */
        {{0x40, sum}},                             /* number 0 */
        {{0x55, sum}},                             /* number 21 */
        {{0x7f, sum}, {0x3e, sum}},
        {{0x42, sum}, {0x02, sum}, {0x01, sum}},
        {{0x41, sum}, {0x01, sum}},
    };

    (void)state;
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(slots); i++) {
        struct files_fixture *f = make(12);
        uint8_t *at = root_of(f);
        for (unsigned k = 0; k < 3 && slots[i][k].order != 0; k++)
            at = put_slot(at, slots[i][k].order, slots[i][k].sum,
                          (slots[i][k].order & 0x40) != 0 ? part : full);
        at = put_entry(at, "SHORT      ", 0, 0, 0);
        put_entry(at, "NEXT       ", 0, 0, 0);
        assert_int_equal(open_volume(f), VST_OK);
        assert_string_equal(names(f, "/"), " SHORT NEXT");
    }
}

static void a_slot_does_not_reach_over_other_entries(void **state)
{
    static const uint16_t part[13] = {'l', 'o', 'n', 'g', 0};
    const uint8_t sum = sum_of("SHORT      ");
    const char *const between[] = {"\xe5"
                                   "ELETED    ",
                                   "LABEL      "};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct files_fixture *f = make(12);
        uint8_t *at = put_slot(root_of(f), 0x41, sum, part);
        at = put_entry(at, between[i], i == 1 ? 0x08 : 0, 0, 0);
        put_entry(at, "SHORT      ", 0, 0, 0);
        assert_int_equal(open_volume(f), VST_OK);
        assert_string_equal(names(f, "/"), " SHORT");
    }
}

static void the_longest_names(void **state)
{
    static char text[256 * 3 + 1];
    uint16_t units[260];
    struct files_fixture *f = make(32);

    (void)state;
    for (unsigned i = 0; i < 260; i++)
        units[i] = 0x65e5; /* three bytes of UTF-8 each */
    chain(f, 2, 2);
    put_long(root_of(f), units, 255, "LONGEST    ");
    assert_int_equal(open_volume(f), VST_OK);
    assert_int_equal(list(f, "/"), VST_OK);
    assert_int_equal(next(f), VST_OK);
    assert_int_equal(strlen(f->entry.name), 255 * 3);
    memcpy(text, f->entry.name, sizeof(f->entry.name));
    assert_int_equal(find(f, text), VST_OK);
    /* One more has room, but is no name. */
    for (unsigned i = 0; i < 260; i++)
        units[i] = 'x';
    for (unsigned n = 255; n <= 256; n++) {
        memset(root_of(f), 0, 1024);
        put_long(root_of(f), units, n, "TOOLONG    ");
        assert_int_equal(open_volume(f), VST_OK);
        assert_int_equal(strlen(names(f, "/")), n == 255 ? 1 + 255 : strlen(" TOOLONG"));
    }
}

static void long_names_that_would_be_paths(void **state)
{
    struct files_fixture *f = make(12);
    uint8_t *at = put_ascii(root_of(f), "a/b", "SLASH      ");

    (void)state;
    at = put_ascii(at, "..", "DOTS       ");
    at = put_ascii(at, ".", "DOT        ");
    at = put_ascii(at, "...", "THREE      ");
    at = put_ascii(at, "", "EMPTY      ");
    put_ascii(at, "tab\there", "TAB        ");
    assert_int_equal(open_volume(f), VST_OK);
    assert_string_equal(names(f, "/"), " SLASH DOTS DOT ... EMPTY tab?here");
}

static void case_does_not_matter_beyond_ascii(void **state)
{
    static const struct {
        const char *name, *path;
        bool found;
    } cases[] = {{"straße", "STRAßE", true}, {"Çelik", "çELIK", true},   {"Łódź", "łÓDŹ", true},
                 {"ΑΘΗΝΑ", "αθηνα", true},   {"Москва", "мОСКВА", true}, {"Ђоко", "ђОКО", true},
                 {"a×b", "A÷B", false},      {"žena", "ŽENA", true},     {"ab", "abc", false},
                 {"x\xc4", "X", false}};
    struct files_fixture *f = make(12);

    (void)state;
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        uint16_t units[20];
        unsigned n = 0;
        for (const char *at = cases[i].name; *at != '\0'; n++) {
            unsigned two = ((uint8_t)*at & 0xe0) == 0xc0 && at[1] != '\0';
            units[n] = two ? (uint16_t)(((uint8_t)at[0] & 0x1f) << 6 | ((uint8_t)at[1] & 0x3f))
                           : (uint8_t)*at;
            at += 1 + two;
        }
        memset(root_of(f), 0, 512);
        put_long(root_of(f), units, n, "SHORT      ");
        assert_int_equal(open_volume(f), VST_OK);
        assert_int_equal(find(f, cases[i].path), cases[i].found ? VST_OK : VST_ERR_NOT_FOUND);
    }
}

static void times(void **state)
{
    static const struct {
        uint16_t date, time;
        int64_t seconds; /* 0: none */
    } cases[] = {
        {1 << 5 | 1, 0, 315532800},                                   /* 1980-01-01 */
        {44 << 9 | 2 << 5 | 29, 23 << 11 | 59 << 5 | 29, 1709251198}, /* 2024-02-29 23:59:58 */
        {127 << 9 | 12 << 5 | 31, 0, 4354732800},                     /* 2107-12-31 */
        {120 << 9 | 2 << 5 | 29, 0, 0},                               /* 2100 has none */
        {1 << 5, 0, 0},
        {13 << 5 | 1, 0, 0},
        {1, 0, 0},
        {0, 0, 0},
        {1 << 5 | 1, 24 << 11, 0},
        {1 << 5 | 1, 60 << 5, 0},
        {4 << 5 | 31, 0, 0},
    };
    struct files_fixture *f = make(12);

    (void)state;
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        put_entry(root_of(f), "FILE       ", 0, 0, 0);
        put(root_of(f) + 22, cases[i].time, 2);
        put(root_of(f) + 24, cases[i].date, 2);
        assert_int_equal(open_volume(f), VST_OK);
        assert_int_equal(find(f, "file"), VST_OK);
        assert_int_equal(f->file.has_time, cases[i].seconds != 0);
        if (cases[i].seconds != 0)
            assert_int_equal(f->file.time_s, cases[i].seconds);
    }
}

/* ------------------------------------------------------------------ chains */

static void files_of_every_kind_in_pieces(void **state)
{
    static uint8_t expected[200 * 512], found[200 * 512];
    static const unsigned kinds[] = {12, 16, 32};

    (void)state;
    fill(expected, sizeof(expected), 3);
    for (unsigned k = 0; k < 3; k++) {
        struct files_fixture *f = make(kinds[k]);
        /* Backwards from cluster 400, then a run: entries of FAT12 on both sides of a sector's end. */
        for (unsigned i = 0; i < 200; i++) {
            uint32_t cluster = i < 100 ? 400 - i : 300 - 200 + i;
            uint32_t after = i + 1 < 100 ? 400 - i - 1 : 300 - 200 + i + 1;
            memcpy(cluster_at(f, cluster), expected + i * 512, 512);
            set_fat(f, cluster, i + 1 < 200 ? after : LAST);
        }
        put_entry(root_of(f), "FILE       ", 0, 400, sizeof(found) - 5);
        assert_int_equal(open_volume(f), VST_OK);
        assert_int_equal(find(f, "file"), VST_OK);
        size_t n;
        assert_int_equal(read_at(f, 0, found, sizeof(found), &n), VST_OK);
        assert_int_equal(n, sizeof(found) - 5);
        assert_memory_equal(found, expected, n);
        for (uint64_t at = n; at >= 333; at -= 333) {
            size_t piece;
            assert_int_equal(read_at(f, at - 333, found, 333, &piece), VST_OK);
            assert_int_equal(piece, 333);
            assert_memory_equal(found, expected + at - 333, 333);
        }
        assert_int_equal(read_at(f, sizeof(found), found, 10, &n), VST_OK);
        assert_int_equal(n, 0);
    }
}

/* The runs of a file, one after the other, are all of it. */
static void expect_runs(struct files_fixture *f, const uint8_t *expected, size_t least_runs)
{
    uint64_t at, run;
    size_t n_runs = 0;

    for (uint64_t offset = 0; offset < f->file.bytes; offset += run, n_runs++) {
        assert_int_equal(vst_files_where(&f->files, &f->file, offset, &at, &run), VST_OK);
        assert_true(run > 0 && run <= f->file.bytes - offset);
        assert_memory_equal(f->volume + at, expected + offset, run);
    }
    assert_true(n_runs >= least_runs);
    assert_int_equal(vst_files_where(&f->files, &f->file, f->file.bytes, &at, &run), VST_ERR_RANGE);
    assert_int_equal(vst_files_where(&f->files, &f->file, 99 * 512 + 5, &at, &run), VST_OK);
    assert_memory_equal(f->volume + at, expected + 99 * 512 + 5, run);
}

static void where_files_are(void **state)
{
    static uint8_t expected[200 * 512];
    struct files_fixture *f = make(16);
    uint64_t at, run;

    (void)state;
    fill(expected, sizeof(expected), 5);
    /* Backwards one by one, then all that is left in one piece. */
    for (unsigned i = 0; i < 200; i++) {
        uint32_t cluster = i < 100 ? 400 - i : 500 + i;
        memcpy(cluster_at(f, cluster), expected + i * 512, 512);
        set_fat(f, cluster, i + 1 < 100 ? cluster - 1 : i + 1 < 200 ? 500 + i + 1 : LAST);
    }
    put_entry(root_of(f), "FILE       ", 0, 400, sizeof(expected) - 5);
    assert_int_equal(open_volume(f), VST_OK);
    assert_int_equal(find(f, "file"), VST_OK);
    expect_runs(f, expected, 101);
    assert_int_equal(vst_files_where(&f->files, &f->file, 100 * 512, &at, &run), VST_OK);
    assert_int_equal(run, 100 * 512 - 5);
    set_fat(f, 350, LAST);
    assert_int_equal(open_volume(f), VST_OK);
    assert_int_equal(find(f, "file"), VST_OK);
    assert_int_equal(vst_files_where(&f->files, &f->file, 51 * 512, &at, &run), VST_ERR_MALFORMED);
    assert_int_equal(find(f, ""), VST_OK);
    assert_int_equal(vst_files_where(&f->files, &f->file, 0, &at, &run), VST_ERR_INVALID);
}

/* A directory has no size: it ends where its chain does, or its fixed place. */
static void where_directories_are(void **state)
{
    static const uint32_t chain[] = {300, 17, 18, 402};
    struct files_fixture *f = make(16);
    uint64_t at, run;

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        set_fat(f, chain[i], i < 3 ? chain[i + 1] : LAST);
    put_entry(root_of(f), "DIR        ", 0x10, chain[0], 0);
    put_entry(root_of(f) + 32, "FILE       ", 0, 500, 100);
    set_fat(f, 500, LAST);
    assert_int_equal(open_volume(f), VST_OK);
    assert_int_equal(find(f, "dir"), VST_OK);
    for (unsigned i = 0; i < 4; i += i == 1 ? 2 : 1) {
        assert_int_equal(vst_files_directory_where(&f->files, &f->file, i * 512, &at, &run),
                         VST_OK);
        assert_ptr_equal(f->volume + at, cluster_at(f, chain[i]));
        assert_int_equal(run, i == 1 ? 2 * 512 : 512);
    }
    assert_int_equal(vst_files_directory_where(&f->files, &f->file, 4 * 512, &at, &run),
                     VST_ERR_NOT_FOUND);
    assert_int_equal(find(f, ""), VST_OK);
    assert_int_equal(vst_files_directory_where(&f->files, &f->file, 0, &at, &run), VST_OK);
    assert_ptr_equal(f->volume + at, root_of(f));
    assert_int_equal(find(f, "file"), VST_OK);
    assert_int_equal(vst_files_directory_where(&f->files, &f->file, 0, &at, &run), VST_ERR_INVALID);
    set_fat(f, 18, 17);
    assert_int_equal(open_volume(f), VST_OK);
    assert_int_equal(find(f, "dir"), VST_OK);
    enum vst_status status = VST_OK;
    for (uint64_t offset = 0; status == VST_OK && offset < 1u << 24; offset += run)
        status = vst_files_directory_where(&f->files, &f->file, offset, &at, &run);
    assert_int_equal(status, VST_ERR_MALFORMED);
}

static void what_is_together_is_read_at_once(void **state)
{
    static uint8_t found[400 * 512];
    struct files_fixture *f = make(16);
    size_t n;

    (void)state;
    chain(f, 10, 400);
    put_entry(root_of(f), "FILE       ", 0, 10, sizeof(found));
    assert_int_equal(open_with(f, 131072), VST_OK);
    assert_int_equal(find(f, "file"), VST_OK);
    f->n_reads = 0;
    assert_int_equal(read_at(f, 0, found, sizeof(found), &n), VST_OK);
    assert_int_equal(f->longest_bytes, sizeof(found));
    assert_true(f->n_reads <= 2); /* the FAT, and the file */
}

static enum vst_status read_broken(unsigned bits, uint32_t at, uint32_t value, size_t *n)
{
    static uint8_t found[20 * 512];
    struct files_fixture *f = make(bits);

    chain(f, 10, 20);
    set_fat(f, at, value);
    put_entry(root_of(f), "FILE       ", 0, 10, 20 * 512);
    assert_int_equal(open_volume(f), VST_OK);
    assert_int_equal(find(f, "file"), VST_OK);
    return read_at(f, 0, found, sizeof(found), n);
}

static void chains_that_break(void **state)
{
    static const unsigned kinds[] = {12, 16, 32};
    static const uint32_t bad[] = {0xff7, 0xfff7, 0x0ffffff7};
    size_t n;

    (void)state;
    for (unsigned k = 0; k < 3; k++) {
        const uint32_t beyond = kinds[k] == 16 ? 5002 : 502;
        const uint32_t wrong[] = {LAST, 0, 1, bad[k], beyond, 14, 10, 13};
        for (unsigned i = 0; i < VST_ARRAY_LENGTH(wrong); i++) {
            assert_int_equal(read_broken(kinds[k], 14, wrong[i], &n), VST_ERR_MALFORMED);
            assert_true(n >= 5 * 512); /* 10 to 14 are read; of a circle perhaps more */
            assert_true(n < 20 * 512);
        }
        /* The last one's is not looked at. */
        assert_int_equal(read_broken(kinds[k], 29, 0, &n), VST_OK);
    }
    /* Four bits of FAT32 say nothing. */
    assert_int_equal(read_broken(32, 14, 0xf000000f, &n), VST_OK);
}

static void circles_of_any_length_are_found(void **state)
{
    static uint8_t found[512];

    (void)state;
    for (uint32_t length = 1; length < 100; length++) {
        struct files_fixture *f = make(12);
        size_t n;
        chain(f, 10, 60 + length);
        set_fat(f, 10 + 59 + length, 10 + 60);
        put_entry(root_of(f), "FILE       ", 0, 10, 0x7fffffff);
        assert_int_equal(open_volume(f), VST_OK);
        assert_int_equal(find(f, "file"), VST_OK);
        assert_int_equal(read_at(f, 0x7f000000, found, 512, &n), VST_ERR_MALFORMED);
        assert_int_equal(n, 0);
    }
}

static void files_without_a_beginning(void **state)
{
    static const uint32_t firsts[] = {0, 1, 502, 0xffff};
    uint8_t found[10];
    size_t n;

    (void)state;
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(firsts); i++) {
        struct files_fixture *f = make(12);
        uint8_t *at = put_entry(root_of(f), "FILE       ", 0, firsts[i], 10);
        at = put_entry(at, "EMPTY      ", 0, firsts[i], 0);
        put_entry(at, "DIR        ", 0x10, firsts[i], 0);
        assert_int_equal(open_volume(f), VST_OK);
        assert_int_equal(find(f, "file"), VST_OK);
        assert_int_equal(read_at(f, 0, found, 10, &n), VST_ERR_MALFORMED);
        assert_int_equal(find(f, "empty"), VST_OK);
        assert_int_equal(read_at(f, 0, found, 10, &n), VST_OK);
        assert_int_equal(n, 0);
        assert_string_equal(names(f, "dir"), " !malformed");
        assert_int_equal(find(f, "dir/x"), VST_ERR_MALFORMED);
        assert_int_equal(find(f, "file/x"), VST_ERR_NOT_FOUND);
    }
}

static void what_is_no_file_is_not_read(void **state)
{
    struct files_fixture *f = make(12);
    uint8_t found[10];
    char text[10];
    size_t n = 99;

    (void)state;
    set_fat(f, 5, LAST);
    put_entry(put_entry(root_of(f), "DIR        ", 0x10, 5, 4711), "FILE       ", 0, 0, 0);
    assert_int_equal(open_volume(f), VST_OK);
    assert_int_equal(find(f, "dir"), VST_OK);
    assert_int_equal(f->file.bytes, 0); /* whatever it says */
    assert_int_equal(read_at(f, 0, found, 10, &n), VST_ERR_INVALID);
    assert_int_equal(n, 0);
    assert_int_equal(vst_files_link(&f->files, &f->file, text, sizeof(text)), VST_ERR_INVALID);
    assert_int_equal(find(f, "file"), VST_OK);
    assert_int_equal(vst_files_list(&f->files, &f->file, &f->directory), VST_ERR_INVALID);
}

static void only_one_fat_is_kept_up(void **state)
{
    struct files_fixture *f = make(32);

    (void)state;
    put_entry(root_of(f), "FILE       ", 0, 0, 0);
    set_fat(f, 2, 0);
    layout.fat += 512ull * 4; /* the second one */
    put(f->volume + 36, 4, 4);
    put(f->volume + 40, 0x81, 1);
    layout.root = layout.data = 512 * 9;
    put_entry(root_of(f), "FILE       ", 0, 0, 0);
    set_fat(f, 2, LAST);
    assert_int_equal(open_volume(f), VST_OK);
    assert_string_equal(names(f, "/"), " FILE");
    put(f->volume + 40, 0, 1);
    memset(root_of(f), 0xe5, 512); /* so that the chain is looked at */
    assert_int_equal(open_volume(f), VST_OK);
    assert_string_equal(names(f, "/"), " !malformed");
}

/* ------------------------------------------------------------------ directories */

static void directories_are_chains_without_an_end_mark(void **state)
{
    struct files_fixture *f = make(32);
    char name[12];

    (void)state;
    set_fat(f, 2, 77);
    set_fat(f, 77, LAST);
    for (unsigned i = 0; i < 32; i++) {
        snprintf(name, sizeof(name), "FILE%02u     ", i);
        put_entry((i < 16 ? root_of(f) : cluster_at(f, 77)) + i % 16 * 32, name, 0, 0, 0);
    }
    assert_int_equal(open_volume(f), VST_OK);
    assert_int_equal(strlen(names(f, "/")), 32 * 7);
    assert_int_equal(find(f, "file31"), VST_OK);
    assert_int_equal(next(f), VST_ERR_NOT_FOUND); /* and so on */
    assert_int_equal(next(f), VST_ERR_NOT_FOUND);
}

static void a_full_root_of_fat12_ends(void **state)
{
    struct files_fixture *f = make(12);

    (void)state;
    for (unsigned i = 0; i < 17; i++)
        put_entry(root_of(f) + i * 32, "FILE       ", 0, 0, 0);
    assert_int_equal(open_volume(f), VST_OK);
    assert_int_equal(strlen(names(f, "/")), 16 * 5);
}

static void directories_that_never_end(void **state)
{
    struct files_fixture *f = make(32);

    (void)state;
    memset(root_of(f), 0xe5, 512 * 20);
    chain(f, 2, 20);
    set_fat(f, 21, 5);
    assert_int_equal(open_volume(f), VST_OK);
    assert_string_equal(names(f, "/"), " !malformed");
    assert_int_equal(find(f, "x"), VST_ERR_MALFORMED);
    set_fat(f, 21, 0x0ffffff7); /* a bad cluster is no end */
    assert_int_equal(open_volume(f), VST_OK);
    assert_string_equal(names(f, "/"), " !malformed");
    set_fat(f, 21, 0x0ffffff8);
    assert_int_equal(open_volume(f), VST_OK);
    assert_string_equal(names(f, "/"), "");
}

static void directories_that_hold_themselves(void **state)
{
    struct files_fixture *f = make(12);
    char path[VST_FILES_PATH_BYTES + 10] = "";

    (void)state;
    put_entry(root_of(f), "A          ", 0x10, 5, 0);
    set_fat(f, 5, LAST);
    put_entry(put_entry(cluster_at(f, 5), "B          ", 0x10, 5, 0), "..         ", 0x10, 99, 0);
    assert_int_equal(open_volume(f), VST_OK);
    strcpy(path, "a");
    while (strlen(path) < 1000)
        strcat(path, "/b");
    assert_int_equal(find(f, path), VST_OK);
    strcat(path, "/../../../../c");
    assert_int_equal(find(f, path), VST_ERR_NOT_FOUND);
    assert_int_equal(find(f, "a/b/../../a/b/./../b/.."), VST_OK);
    assert_string_equal(names(f, "a/b/../.."), " A");
    while (strlen(path) < VST_FILES_PATH_BYTES)
        strcat(path, "/");
    assert_int_equal(find(f, path), VST_ERR_TOO_LARGE);
}

/* ------------------------------------------------------------------ the disk below */

static void bad_blocks_beside_what_is_wanted(void **state)
{
    struct files_fixture *f = make(12);
    uint8_t found[600];
    size_t n;

    (void)state;
    chain(f, 10, 3);
    fill(cluster_at(f, 10), 1024, 9);
    put_entry(root_of(f), "FILE       ", 0, 10, 1500);
    f->bad_offset = layout.data + 10 * 512; /* the third cluster */
    f->bad_bytes = 1;
    assert_int_equal(open_volume(f), VST_OK);
    assert_int_equal(find(f, "file"), VST_OK);
    assert_int_equal(read_at(f, 0, found, 600, &n), VST_OK);
    assert_int_equal(read_at(f, 1000, found, 24, &n), VST_OK);
    assert_int_equal(read_at(f, 1000, found, 30, &n), VST_ERR_MEDIUM);
    f->bad_offset = layout.fat;
    assert_int_equal(open_volume(f), VST_OK); /* the FAT of FAT12 is not looked at for the root */
    assert_int_equal(find(f, "file"), VST_OK);
    assert_int_equal(read_at(f, 512, found, 24, &n), VST_ERR_MEDIUM);
    f->bad_offset = layout.root;
    assert_string_equal(open_volume(f) == VST_OK ? names(f, "/") : "", " !media");
    f->bad_offset = 0;
    assert_int_equal(open_volume(f), VST_ERR_MEDIUM);
}

static void disks_of_large_blocks(void **state)
{
    static uint8_t found[20 * 512], expected[20 * 512];
    size_t n;

    (void)state;
    fill(expected, sizeof(expected), 1);
    for (uint32_t block_bytes = 512; block_bytes <= 65536; block_bytes *= 2) {
        struct files_fixture *f = make(16);
        f->block_bytes = block_bytes;
        chain(f, 11, 20);
        memcpy(cluster_at(f, 11), expected, sizeof(expected));
        put_entry(root_of(f), "FILE       ", 0, 11, sizeof(expected));
        assert_int_equal(open_volume(f), VST_OK);
        assert_int_equal(find(f, "file"), VST_OK);
        assert_int_equal(read_at(f, 0, found, sizeof(found), &n), VST_OK);
        assert_memory_equal(found, expected, sizeof(found));
    }
}

static void files_beyond_the_volume(void **state)
{
    struct files_fixture *f = make(16);
    static uint8_t found[8192];
    size_t n;

    (void)state;
    chain(f, 10, 20);
    put_entry(root_of(f), "FILE       ", 0, 10, 20 * 512);
    f->bytes = layout.data + 12 * 512;
    assert_int_equal(open_volume(f), VST_OK);
    assert_int_equal(find(f, "file"), VST_OK);
    assert_int_equal(read_at(f, 0, found, 4 * 512, &n), VST_OK);
    assert_int_equal(read_at(f, 0, found, sizeof(found), &n), VST_ERR_RANGE);
    assert_int_equal(read_at(f, 5000, found, 10, &n), VST_ERR_RANGE);
    uint64_t at, run;
    assert_int_equal(vst_files_where(&f->files, &f->file, 0, &at, &run), VST_ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_number_of_clusters_tells_12_from_16),
        cmocka_unit_test(a_small_fat32_is_one),
        cmocka_unit_test(boot_sectors_that_are_none),
        cmocka_unit_test(boot_sectors_that_make_no_sense),
        cmocka_unit_test(a_volume_of_less_than_a_block),
        cmocka_unit_test(wrong_arguments),
        cmocka_unit_test(labels_stand_in_the_root_or_the_boot_sector),
        cmocka_unit_test(short_names),
        cmocka_unit_test(long_names),
        cmocka_unit_test(long_names_that_do_not_hold),
        cmocka_unit_test(a_slot_does_not_reach_over_other_entries),
        cmocka_unit_test(the_longest_names),
        cmocka_unit_test(long_names_that_would_be_paths),
        cmocka_unit_test(case_does_not_matter_beyond_ascii),
        cmocka_unit_test(times),
        cmocka_unit_test(files_of_every_kind_in_pieces),
        cmocka_unit_test(where_files_are),
        cmocka_unit_test(where_directories_are),
        cmocka_unit_test(what_is_together_is_read_at_once),
        cmocka_unit_test(chains_that_break),
        cmocka_unit_test(circles_of_any_length_are_found),
        cmocka_unit_test(files_without_a_beginning),
        cmocka_unit_test(what_is_no_file_is_not_read),
        cmocka_unit_test(only_one_fat_is_kept_up),
        cmocka_unit_test(directories_are_chains_without_an_end_mark),
        cmocka_unit_test(a_full_root_of_fat12_ends),
        cmocka_unit_test(directories_that_never_end),
        cmocka_unit_test(directories_that_hold_themselves),
        cmocka_unit_test(bad_blocks_beside_what_is_wanted),
        cmocka_unit_test(disks_of_large_blocks),
        cmocka_unit_test(files_beyond_the_volume),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
