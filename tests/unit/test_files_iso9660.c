/* SPDX-License-Identifier: BSD-2-Clause */
/* ISO 9660, Rock Ridge and Joliet, written byte by byte: each rule, and what breaks it. */
#include "files_fixture.h"

#define BLOCK_BYTES 2048u
#define ROOT_BLOCK  20u
#define CE_BLOCK    30u
#define DATA_BLOCK  40u
#define MAX_SU      200u

static uint32_t block_bytes; /* of the volume */

static uint8_t *block_at(struct files_fixture *f, uint32_t block)
{
    return f->volume + (uint64_t)block * block_bytes;
}

static void put_both(uint8_t *at, uint32_t value, unsigned bytes)
{
    put(at, value, bytes);
    for (unsigned i = 0; i < bytes; i++)
        at[bytes + i] = at[bytes - 1 - i];
}

/* System use entries of a record. */
struct system_use {
    uint8_t bytes[MAX_SU];
    unsigned n;
};

/* A record; where the next one goes. */
static uint8_t *put_record(uint8_t *at, const char *name, unsigned name_bytes, uint32_t block,
                           uint32_t bytes, uint8_t flags, const struct system_use *su)
{
    const unsigned before = (33 + name_bytes + 1) / 2 * 2;

    memset(at, 0, before);
    at[0] = (uint8_t)(before + (su != NULL ? su->n : 0));
    put_both(at + 2, block, 4);
    put_both(at + 10, bytes, 4);
    memcpy(at + 18, "\x7e\x0b\x15\x0e\x36\x39\x04", 7); /* 2026-11-21 14:54:57, an hour east */
    at[25] = flags;
    put_both(at + 28, 1, 2);
    at[32] = (uint8_t)name_bytes;
    memcpy(at + 33, name, name_bytes);
    if (su != NULL)
        memcpy(at + before, su->bytes, su->n);
    return at + at[0];
}

static uint8_t *put_file(uint8_t *at, const char *name, const struct system_use *su)
{
    return put_record(at, name, (unsigned)strlen(name), DATA_BLOCK, 5, 0, su);
}

static void put_descriptor(struct files_fixture *f, unsigned i, uint8_t type, uint32_t root)
{
    uint8_t *at = f->volume + (16 + i) * (size_t)2048;

    memset(at, 0, 2048);
    at[0] = type;
    memcpy(at + 1, "CD001\1", 6);
    memset(at + 40, ' ', 32);
    memcpy(at + 40, "A_LABEL", 7);
    put_both(at + 128, block_bytes, 2);
    put_record(at + 156, "", 1, root, BLOCK_BYTES, 2, NULL);
    memcpy(at + 813, "2026112114545700", 16);
    memcpy(at + 830, "0000000000000000", 16);
}

static uint8_t *put_dots(uint8_t *at, uint32_t block, const struct system_use *su)
{
    at = put_record(at, "", 1, block, BLOCK_BYTES, 2, su);
    return put_record(at, "\1", 1, block, BLOCK_BYTES, 2, NULL);
}

static void add(struct system_use *su, const char *signature, const void *payload, unsigned bytes)
{
    uint8_t *at = su->bytes + su->n;

    assert_true(su->n + 4 + bytes <= sizeof(su->bytes));
    memcpy(at, signature, 2);
    at[2] = (uint8_t)(4 + bytes);
    at[3] = 1;
    memcpy(at + 4, payload, bytes);
    su->n += at[2];
}

static void add_name(struct system_use *su, uint8_t flags, const char *name)
{
    uint8_t payload[256] = {flags};

    memcpy(payload + 1, name, strlen(name));
    add(su, "NM", payload, 1 + (unsigned)strlen(name));
}

static void add_mode(struct system_use *su, uint32_t mode)
{
    uint8_t payload[32] = {0};

    put_both(payload, mode, 4);
    add(su, "PX", payload, sizeof(payload));
}

static void add_continuation(struct system_use *su, uint32_t block, uint32_t offset, uint32_t bytes)
{
    uint8_t payload[24];

    put_both(payload, block, 4);
    put_both(payload + 8, offset, 4);
    put_both(payload + 16, bytes, 4);
    add(su, "CE", payload, sizeof(payload));
}

/* An empty volume with a root; where its first entry goes. */
static uint8_t *make_of(uint32_t bytes_of_block, bool rock_ridge)
{
    struct files_fixture *f = begin();
    struct system_use su = {.n = 0};

    block_bytes = bytes_of_block;
    f->block_bytes = bytes_of_block;
    put_descriptor(f, 0, 1, ROOT_BLOCK * (2048 / bytes_of_block));
    put_descriptor(f, 1, 255, 0);
    if (rock_ridge) {
        add(&su, "SP", "\xbe\xef\0", 3);
        add_mode(&su, 0040755);
    }
    memcpy(f->volume + DATA_BLOCK * (size_t)2048, "hello", 5);
    return put_dots(f->volume + ROOT_BLOCK * (size_t)2048, ROOT_BLOCK * (2048 / bytes_of_block),
                    &su);
}

static uint8_t *make(bool rock_ridge)
{
    return make_of(BLOCK_BYTES, rock_ridge);
}

static struct files_fixture *opened(void)
{
    assert_int_equal(open_volume(&storage), VST_OK);
    return &storage;
}

/* ------------------------------------------------------------------ volumes */

static void plain_names(void **state)
{
    uint8_t *at = make(false);

    (void)state;
    at = put_file(at, "README.TXT;1", NULL);
    at = put_file(at, "NOEXT.;1", NULL);
    at = put_file(at, "NODOT;1", NULL);
    at = put_file(at, "TWO.TXT;2", NULL);
    at = put_file(at, "MiXed;1", NULL);
    at = put_record(at, "ASSOC;1", 7, DATA_BLOCK, 5, 4, NULL);
    at = put_record(at, "HIDDEN;1", 8, DATA_BLOCK, 5, 1, NULL);
    at = put_file(at, "SL/\x01SH;1", NULL);
    at = put_file(at, ";1", NULL);
    at = put_file(at, "..", NULL);
    struct files_fixture *f = opened();
    assert_int_equal(f->files.kind, VST_FILES_ISO9660);
    assert_string_equal(f->files.label, "A_LABEL");
    assert_string_equal(f->files.uuid, "2026-11-21-14-54-57-00");
    assert_string_equal(names(f, "/"), " readme.txt noext nodot two.txt.2 mixed hidden sl??sh .1");
}

static void a_time_has_a_zone(void **state)
{
    (void)state;
    put_file(make(false), "A;1", NULL);
    struct files_fixture *f = opened();
    assert_int_equal(find(f, "A"), VST_OK);
    assert_true(f->file.has_time);
    assert_int_equal(f->file.time_s, 1795272897 - 3600);
}

static void volumes_that_are_none(void **state)
{
    struct files_fixture *f = &storage;

    (void)state;
    make(false);
    f->volume[32768 + 1] = 'X';
    assert_int_equal(open_volume(f), VST_ERR_NOT_FOUND);
    make(false);
    f->volume[32768] = 255;
    assert_int_equal(open_volume(f), VST_ERR_NOT_FOUND);
    make(false);
    f->bytes = 32768;
    assert_int_equal(open_volume(f), VST_ERR_NOT_FOUND);
    for (unsigned i = 0; i < 5; i++) {
        static const uint32_t sizes[] = {0, 256, 1000, 4096, 0xffff};
        make(false);
        put(f->volume + 32768 + 128, sizes[i], 2);
        assert_int_equal(open_volume(f), VST_ERR_MALFORMED);
    }
    make(false);
    f->volume[32768 + 156 + 25] = 0; /* the root is a file */
    assert_int_equal(open_volume(f), VST_ERR_MALFORMED);
    make(false);
    f->bad_offset = 32768;
    f->bad_bytes = 1;
    assert_int_equal(open_volume(f), VST_ERR_MEDIUM);
}

static void descriptors_without_an_end(void **state)
{
    (void)state;
    make(false);
    for (unsigned i = 1; i < 200; i++)
        put_descriptor(&storage, i, 3, 0); /* over the root as well */
    assert_string_equal(names(opened(), "/"), " !malformed");
}

static void joliet_is_taken_without_rock_ridge_only(void **state)
{
    static const char *const levels[] = {"%/@", "%/C", "%/E", "%/F", "\0\0\0"};

    (void)state;
    for (unsigned rock_ridge = 0; rock_ridge < 2; rock_ridge++)
        for (unsigned i = 0; i < 5; i++) {
            put_file(make(rock_ridge != 0), "PLAIN;1", NULL);
            put_descriptor(&storage, 1, 2, ROOT_BLOCK + 1);
            put_descriptor(&storage, 2, 255, 0);
            memcpy(storage.volume + 17 * 2048 + 88, levels[i], 3);
            uint8_t *at = put_dots(block_at(&storage, ROOT_BLOCK + 1), ROOT_BLOCK + 1, NULL);
            at = put_record(at, "\0L\0o\0n\0g\0 \x65\xe5\0;\0001", 16, DATA_BLOCK, 5, 0, NULL);
            put_record(at, "\xd8\x3d\xde\0\xdc\0\0/\0.", 10, DATA_BLOCK, 5, 0, NULL);
            struct files_fixture *f = opened();
            const bool joliet = rock_ridge == 0 && i < 3;
            assert_int_equal(f->files.kind, joliet            ? VST_FILES_JOLIET
                                            : rock_ridge != 0 ? VST_FILES_ROCK_RIDGE
                                                              : VST_FILES_ISO9660);
            assert_string_equal(names(f, "/"), joliet ? " Long 日 😀\xef\xbf\xbd?." : " plain");
        }
}

static void blocks_of_512_and_disks_of_any(void **state)
{
    (void)state;
    for (uint32_t bytes = 512; bytes <= 2048; bytes *= 2)
        for (uint32_t disk = 512; disk <= 8192; disk *= 2) {
            uint8_t found[8];
            size_t n;
            uint8_t *at = make_of(bytes, false);
            put_record(at, "FILE;1", 6, DATA_BLOCK * 2048 / bytes, 5, 0, NULL);
            /* The directory goes on in its second block. */
            put_record(storage.volume + ROOT_BLOCK * 2048 + (bytes < 2048 ? bytes : 1024), "LAST;1",
                       6, DATA_BLOCK * 2048 / bytes - 1, 5, 0, NULL)[0] = 0;
            if (bytes < 2048) /* behind one byte of attributes, in blocks */
                storage.volume[ROOT_BLOCK * 2048 + bytes + 1] = 1;
            storage.block_bytes = disk;
            struct files_fixture *f = opened();
            assert_string_equal(names(f, "/"), bytes < 2048 ? " file last" : " file");
            assert_int_equal(find(f, bytes < 2048 ? "last" : "file"), VST_OK);
            assert_int_equal(read_at(f, 0, found, 8, &n), VST_OK);
            assert_int_equal(n, 5);
            assert_memory_equal(found, "hello", 5);
        }
}

/* ------------------------------------------------------------------ directories */

static void records_that_make_no_sense(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        uint8_t *at = put_file(make(false), "GOOD;1", NULL);
        put_file(at, "BAD;1", NULL);
        if (i == 0)
            at[0] = 33; /* shorter than a record */
        else if (i == 1)
            at[32] = 200; /* the name is longer than the record */
        else if (i == 2)
            put(block_at(&storage, 16) + 156 + 10,
                (uint64_t)(at + 10 - block_at(&storage, ROOT_BLOCK)), 4);
        else if (i == 3)
            at[0] = 1;
        else if (i == 4)
            put(block_at(&storage, 16) + 156 + 10, UINT32_MAX, 4); /* a root of 4 GiB */
        else
            put(block_at(&storage, 16) + 156 + 2, UINT32_MAX, 4); /* far beyond the end */
        assert_string_equal(names(opened(), "/"), i == 4   ? " !malformed"
                                                  : i == 5 ? " !range"
                                                           : " good !malformed");
    }
}

static void a_directory_of_nothing_ends(void **state)
{
    (void)state;
    make(false);
    memset(block_at(&storage, ROOT_BLOCK), 0, 2048);
    put(block_at(&storage, 16) + 156 + 10, 64u << 20, 4);
    struct files_fixture *f = opened();
    assert_string_equal(names(f, "/"), " !range"); /* the volume ends before it does */
    put(block_at(&storage, 16) + 156 + 10, 3u << 20, 4);
    memset(f->volume + ROOT_BLOCK * 2048, 0, 3u << 20);
    assert_string_equal(names(opened(), "/"), "");
}

static void directories_that_hold_themselves(void **state)
{
    char path[VST_FILES_PATH_BYTES] = "a";

    (void)state;
    put_record(make(false), "A", 1, ROOT_BLOCK, BLOCK_BYTES, 2, NULL);
    struct files_fixture *f = opened();
    while (strlen(path) < 1000)
        strcat(path, "/a");
    assert_int_equal(find(f, path), VST_OK);
    assert_int_equal(f->file.type, VST_FILE_DIRECTORY);
    strcat(path, "/../../..");
    assert_int_equal(find(f, path), VST_OK);
    assert_int_equal(find(f, "a/b"), VST_ERR_NOT_FOUND);
}

/* ------------------------------------------------------------------ extents */

static void files_of_several_extents(void **state)
{
    static uint8_t expected[2 * 4096 + 100], found[sizeof(expected)];
    uint8_t *at = put_file(make(false), "A;1", NULL);
    size_t n;

    (void)state;
    fill(expected, sizeof(expected), 5);
    at = put_record(at, "LONG;1", 6, DATA_BLOCK + 10, 4096, 0x80, NULL);
    at = put_record(at, "LONG;1", 6, DATA_BLOCK + 2, 4096, 0x80, NULL);
    at = put_record(at, "LONG;1", 6, DATA_BLOCK + 2, 0, 0x80, NULL);
    at = put_record(at, "LONG;1", 6, DATA_BLOCK + 30, 100, 0, NULL);
    put_file(at, "Z;1", NULL);
    memcpy(block_at(&storage, DATA_BLOCK + 10), expected, 4096);
    memcpy(block_at(&storage, DATA_BLOCK + 2), expected + 4096, 4096);
    memcpy(block_at(&storage, DATA_BLOCK + 30), expected + 8192, 100);
    struct files_fixture *f = opened();
    assert_string_equal(names(f, "/"), " a long z");
    assert_int_equal(find(f, "long"), VST_OK);
    assert_int_equal(f->file.bytes, sizeof(expected));
    assert_int_equal(read_at(f, 0, found, sizeof(found), &n), VST_OK);
    assert_int_equal(n, sizeof(expected));
    assert_memory_equal(found, expected, n);
    for (size_t i = sizeof(expected) - 50; i > 333; i -= 333) {
        assert_int_equal(read_at(f, i - 300, found, 350, &n), VST_OK);
        assert_int_equal(n, 350);
        assert_memory_equal(found, expected + i - 300, n);
    }
}

static void extents_that_do_not_end(void **state)
{
    uint8_t *at = put_file(make(false), "A;1", NULL);

    (void)state;
    at = put_record(at, "LONG;1", 6, DATA_BLOCK, 2048, 0x80, NULL);
    assert_string_equal(names(opened(), "/"), " a !malformed");
    put_record(at, "D", 1, ROOT_BLOCK, 2048, 0x82, NULL);
    at = put_record(at + 34, "D", 1, ROOT_BLOCK, 2048, 2, NULL);
    assert_string_equal(names(opened(), "/"), " a long");
    make(false);
    at = put_record(make(false), "D", 1, ROOT_BLOCK, 2048, 0x82, NULL);
    put_record(at, "D", 1, ROOT_BLOCK, 2048, 2, NULL);
    assert_string_equal(names(opened(), "/"), " d");
    assert_string_equal(names(&storage, "/d"), " !malformed");
}

static void what_cannot_be_read_is_said(void **state)
{
    uint8_t found[10];
    size_t n;
    uint8_t *at = make(true);
    struct system_use su = {.n = 0};

    (void)state;
    add(&su, "ZF", "pz\4\17aaaaaaaa", 12);
    put_file(put_file(at, "INTER;1", NULL), "PACKED;1", &su);
    at[26] = 1;
    struct files_fixture *f = opened();
    assert_int_equal(find(f, "inter"), VST_OK);
    assert_int_equal(read_at(f, 0, found, 5, &n), VST_ERR_UNSUPPORTED);
    assert_int_equal(find(f, "packed"), VST_OK);
    assert_int_equal(read_at(f, 0, found, 5, &n), VST_ERR_UNSUPPORTED);
}

/* ------------------------------------------------------------------ Rock Ridge */

static void names_and_modes(void **state)
{
    struct system_use su[8] = {{.n = 0}};
    uint8_t *at = make(true);

    (void)state;
    add_name(&su[0], 1, "a name ");
    add_name(&su[0], 1, "in three ");
    add_name(&su[0], 0, "parts ;1.");
    at = put_file(at, "A.;1", &su[0]);
    add_mode(&su[1], 0020644); /* a device, without a name of its own */
    at = put_file(at, "DEV.;1", &su[1]);
    add_name(&su[2], 0, "");
    at = put_file(at, "EMPTY.;1", &su[2]);
    add_name(&su[3], 0, "sl/\tash");
    at = put_file(at, "B.;1", &su[3]);
    add_name(&su[4], 0, "..");
    at = put_file(at, "DOTS.;1", &su[4]);
    add_name(&su[5], 2, "own");
    at = put_file(at, "OWN.;1", &su[5]);
    add(&su[6], "RE", "", 0);
    at = put_file(at, "MOVED.;1", &su[6]);
    add_name(&su[7], 0, "x");
    add(&su[7], "ST", "", 0);
    add_name(&su[7], 0, "y");
    put_file(at, "STOP.;1", &su[7]);
    struct files_fixture *f = opened();
    assert_int_equal(f->files.kind, VST_FILES_ROCK_RIDGE);
    assert_string_equal(names(f, "/"), " a name in three parts ;1. dev empty sl??ash dots own x");
    assert_int_equal(find(f, "dev"), VST_OK);
    assert_int_equal(f->file.type, VST_FILE_OTHER);
    assert_int_equal(f->file.bytes, 0);
    assert_int_equal(find(f, "A NAME in three parts ;1."), VST_OK);
}

static void times_of_rock_ridge(void **state)
{
    static const struct {
        const char *payload;
        unsigned bytes;
        int64_t seconds;
    } cases[] = {
        {"\x02\x7e\1\2\3\4\5\0", 8, 1767323045},
        {"\x0f\0\0\0\0\0\0\0\x7e\1\2\3\4\5\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 29, 1767323045},
        {"\x82"
         "2026010203040500\0",
         18, 1767323045},
        {"\x82"
         "2026010203040500\xfc",
         18, 1767323045 + 3600},
        {"\x01\x7e\1\2\3\4\5\0", 8, 1767323045},        /* when it was made, if no more is told */
        {"\x02\x7e\1\2\3\4", 6, 1795272897 - 3600},     /* cut: the record's own */
        {"\x04\x7e\1\2\3\4\5\0", 8, 1795272897 - 3600}, /* of access only */
        {"\x82"
         "2026xx0203040500\0",
         18, 1795272897 - 3600}, /* no month */
    };

    (void)state;
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        struct system_use su = {.n = 0};
        add(&su, "TF", cases[i].payload, cases[i].bytes);
        put_file(make(true), "A.;1", &su);
        struct files_fixture *f = opened();
        assert_int_equal(find(f, "a"), VST_OK);
        assert_int_equal(f->file.time_s, cases[i].seconds);
    }
}

static void areas_go_on_elsewhere(void **state)
{
    struct system_use su = {.n = 0}, more = {.n = 0}, last = {.n = 0};
    uint8_t *at = make(true);
    char name[256];

    (void)state;
    add_name(&last, 0, " third");
    add_name(&more, 1, " second");
    add_continuation(&more, CE_BLOCK + 1, 2048 - last.n, last.n);
    memcpy(block_at(&storage, CE_BLOCK) + 100, more.bytes, more.n);
    memcpy(block_at(&storage, CE_BLOCK + 2) - last.n, last.bytes, last.n);
    add_continuation(&su, CE_BLOCK, 100,
                     more.n); /* before the name, which comes first all the same */
    add_name(&su, 1, "first");
    at = put_file(at, "A.;1", &su);
    put_file(at, "B.;1", NULL);
    struct files_fixture *f = opened();
    assert_string_equal(names(f, "/"), " first second third b");
    memset(name, 'n', 100);
    name[100] = '\0';
    su.n = 0;
    for (unsigned i = 0; i < 3; i++) {
        more.n = 0;
        add_name(&more, 1, name);
        memcpy(block_at(f, CE_BLOCK) + i * more.n, more.bytes, more.n);
    }
    add_continuation(&su, CE_BLOCK, 0, 3 * more.n);
    put_file(put_file(make(true), "LONG.;1", &su), "B.;1", NULL);
    memset(block_at(f, CE_BLOCK), 0, 2048);
    assert_string_equal(names(opened(), "/"), " long b"); /* nothing is there */
}

static void names_too_long_are_the_plain_ones(void **state)
{
    char first[191] = "", second[67] = "";

    (void)state;
    memset(first, 'a', 190);
    memset(second, 'b', 65);
    for (unsigned n = 255; n <= 256; n++) {
        struct system_use su = {.n = 0}, more = {.n = 0};
        second[n - 191] = 'b';
        uint8_t *at = make(true);
        add_name(&more, 1, first);
        memcpy(block_at(&storage, CE_BLOCK), more.bytes, more.n);
        add_name(&su, 1, second);
        add_continuation(&su, CE_BLOCK, 0, more.n);
        put_file(at, "PLAIN.;1", &su);
        assert_int_equal(strlen(names(opened(), "/")), n == 255 ? 1 + 255 : strlen(" plain"));
    }
}

static void areas_that_make_no_sense(void **state)
{
    static const struct {
        uint32_t block, offset, bytes;
    } cases[] = {
        {ROOT_BLOCK, 0, UINT32_MAX}, /* what is there is no entry */
        {CE_BLOCK, 0, 28},           /* goes on where it is itself, see below */
        {UINT32_MAX, UINT32_MAX, UINT32_MAX},
        {VOLUME_BYTES / 2048, 0, 100},
        {VOLUME_BYTES / 2048 - 1, 2046, 100},
        {CE_BLOCK, 0, 3},
        {CE_BLOCK, 0, 0},
        {CE_BLOCK + 1, 0, UINT32_MAX}, /* zeroes */
    };

    (void)state;
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        struct system_use su = {.n = 0}, self = {.n = 0};
        uint8_t *at = make(true);
        add_continuation(&self, CE_BLOCK, 0, 28);
        memcpy(block_at(&storage, CE_BLOCK), self.bytes, self.n);
        add_name(&su, 0, "name");
        add_continuation(&su, cases[i].block, cases[i].offset, cases[i].bytes);
        put_file(put_file(at, "A.;1", &su), "B.;1", NULL);
        struct files_fixture *f = opened();
        assert_string_equal(names(f, "/"), " name b");
        assert_true(f->n_reads < 200);
    }
}

static void entries_of_wrong_length(void **state)
{
    static const char *const signatures[] = {"NM", "PX", "TF", "CL", "SL",
                                             "ZF", "CE", "SP", "ER", "RR"};

    (void)state;
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(signatures); i++)
        for (unsigned length = 0; length < 64; length++) {
            struct system_use su = {.n = 0};
            char text[16];
            add(&su, signatures[i],
                "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16);
            su.bytes[2] = (uint8_t)length;
            put_file(put_file(make(true), "A.;1", &su), "B.;1", NULL);
            struct files_fixture *f = opened();
            assert_int_equal(find(f, "b"), VST_OK);
            if (find(f, "a") == VST_OK && f->file.type == VST_FILE_LINK)
                assert_int_not_equal(vst_files_link(&f->files, &f->file, text, sizeof(text)),
                                     VST_OK);
        }
}

static void rock_ridge_needs_its_sign(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct system_use su = {.n = 0}, name = {.n = 0};
        make(false);
        if (i == 1) { /* behind the 14 bytes of XA, and 14 are skipped in each record */
            su.n = name.n = 14;
            memset(su.bytes, 'X', 14);
            memset(name.bytes, 'Y', 14);
        }
        add(&su, "SP", i == 1 ? "\xbe\xef\x0e" : i == 2 ? "\xbe\xee\0" : "\xbe\xef\0", 3);
        if (i == 3)
            add(&su, "XX", "", 0);
        else
            add(&su, "ER", "\x0a\0\0\1RRIP_1991A", 14);
        add_name(&name, 0, "Long");
        put_file(put_dots(block_at(&storage, ROOT_BLOCK), ROOT_BLOCK, &su), "SHORT.;1", &name);
        struct files_fixture *f = opened();
        assert_int_equal(f->files.kind, i < 2 ? VST_FILES_ROCK_RIDGE : VST_FILES_ISO9660);
        assert_string_equal(names(f, "/"), i < 2 ? " Long" : " short");
    }
}

static void moved_directories(void **state)
{
    struct system_use child = {.n = 0};
    uint8_t both[8];

    (void)state;
    put_both(both, ROOT_BLOCK + 1, 4);
    add(&child, "CL", both, 8);
    for (unsigned i = 0; i < 4; i++) {
        put_file(make(true), "CHILD.;1", &child);
        uint8_t *moved = block_at(&storage, ROOT_BLOCK + 1);
        put_file(put_dots(moved, ROOT_BLOCK + 1, NULL), "INSIDE.;1", NULL);
        if (i == 1)
            moved[32] = 2; /* does not begin with itself */
        if (i == 2)
            memset(moved, 0, 2048); /* with nothing */
        if (i == 3)
            put(moved + 10, 1u << 30, 4); /* longer than any */
        struct files_fixture *f = opened();
        assert_int_equal(find(f, "child"), VST_OK);
        assert_int_equal(f->file.type, VST_FILE_DIRECTORY);
        assert_string_equal(names(f, "child"), i == 0 ? " inside" : " !malformed");
        assert_int_equal(find(f, "child/../child/./inside"), i == 0 ? VST_OK : VST_ERR_MALFORMED);
    }
}

/* ------------------------------------------------------------------ links */

static void add_link(struct system_use *su, uint8_t flags, const char *components, unsigned bytes)
{
    uint8_t payload[200] = {flags};

    memcpy(payload + 1, components, bytes);
    add(su, "SL", payload, 1 + bytes);
}

static uint8_t *put_link(uint8_t *at, const char *name, const char *components, unsigned bytes)
{
    struct system_use su = {.n = 0};

    add_mode(&su, 0120777);
    add_link(&su, 0, components, bytes);
    return put_file(at, name, &su);
}

static const char *link_of(const char *path)
{
    static char text[VST_FILES_PATH_BYTES];

    assert_int_equal(vst_files_find(&storage.files, path, false, &storage.file), VST_OK);
    assert_int_equal(storage.file.type, VST_FILE_LINK);
    enum vst_status status = vst_files_link(&storage.files, &storage.file, text, sizeof(text));
    return status == VST_OK ? text : vst_status_name(status);
}

static void components_of_links(void **state)
{
    static const struct {
        const char *components;
        unsigned bytes;
        const char *text;
    } cases[] = {
        {"\0\1a", 3, "a"},
        {"\0\1a\0\1b", 6, "a/b"},
        {"\1\1a\0\1b\0\1c", 9, "ab/c"}, /* goes on in the next component */
        {"\4\0\4\0\0\1x", 7, "../../x"},
        {"\2\0\0\1x", 5, "./x"},
        {"\x08\0\0\1x", 5, "/x"},
        {"\x08\0", 2, "/"},
        {"", 0, "malformed"},
        {"\0\0", 2, "malformed"},
        {"\0\5ab", 4, "malformed"}, /* longer than its entry */
        {"\0\1a\0\5ab", 7, "a"},
        {"\0\3a\0b", 5, "a"}, /* a NUL ends a name */
    };

    (void)state;
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        put_link(make(true), "L.;1", cases[i].components, cases[i].bytes);
        opened();
        assert_string_equal(link_of("l"), cases[i].text);
    }
    struct system_use su = {.n = 0};
    add_mode(&su, 0120777);
    add_link(&su, 1, "\0\1a\1\1b", 6);
    add_link(&su, 0, "\0\1c\0\1d", 6);
    put_file(make(true), "L.;1", &su);
    opened();
    assert_string_equal(link_of("l"), "a/bc/d");
    char text[7];
    assert_int_equal(vst_files_link(&storage.files, &storage.file, text, 7), VST_OK);
    assert_int_equal(vst_files_link(&storage.files, &storage.file, text, 6), VST_ERR_TOO_LARGE);
    assert_int_equal(vst_files_link(&storage.files, &storage.file, text, 0), VST_ERR_TOO_LARGE);
}

static void paths_with_links(void **state)
{
    uint8_t *at = make(true);

    (void)state;
    at = put_record(at, "DIR", 3, ROOT_BLOCK + 1, BLOCK_BYTES, 2, NULL);
    at = put_link(at, "TODIR.;1", "\0\3dir", 5);
    at = put_link(at, "TOROOT.;1", "\x08\0", 2);
    at = put_link(at, "SELF.;1", "\0\4self", 6);
    at = put_link(at, "PING.;1", "\0\4pong", 6);
    at = put_link(at, "PONG.;1", "\x08\0\0\4ping", 8);
    at = put_link(at, "NONE.;1", "\0\4gone", 6);
    at = put_file(at, "FILE.;1", NULL);
    at = put_dots(block_at(&storage, ROOT_BLOCK + 1), ROOT_BLOCK + 1, NULL);
    at = put_file(at, "INNER.;1", NULL);
    at = put_link(at, "BACK.;1", "\4\0\0\4file", 8);
    put_link(at, "UP.;1", "\4\0", 2);
    struct files_fixture *f = opened();
    static const char *const good[] = {"todir/inner",
                                       "todir/back",
                                       "toroot/todir/back",
                                       "dir/up/file",
                                       "todir/up/todir/up/file",
                                       "todir/../file",
                                       "todir//./inner"};
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(good); i++) {
        assert_int_equal(find(f, good[i]), VST_OK);
        assert_int_equal(f->file.type, VST_FILE_REGULAR);
    }
    assert_int_equal(find(f, "self"), VST_ERR_MALFORMED);
    assert_int_equal(find(f, "ping/x"), VST_ERR_MALFORMED);
    assert_int_equal(find(f, "none"), VST_ERR_NOT_FOUND);
    assert_int_equal(vst_files_find(&f->files, "none", false, &f->file), VST_OK);
    assert_int_equal(vst_files_find(&f->files, "self/", false, &f->file), VST_ERR_MALFORMED);
    assert_int_equal(find(f, "todir/back/x"), VST_ERR_NOT_FOUND);
}

/* Each step makes the path longer. */
static void links_that_grow(void **state)
{
    char components[102] = "\0\x64";

    (void)state;
    memset(components + 2, 'x', 100);
    uint8_t *at = put_link(make(true), "GROW.;1",
                           "\0\4grow\0\1x\0\1x\0\1x\0\1x\0\1x\0\1x\0\1x\0\1x\0\1x", 33);
    put_record(at, "D", 1, ROOT_BLOCK, BLOCK_BYTES, 2, NULL);
    struct files_fixture *f = opened();
    char path[VST_FILES_PATH_BYTES] = "";
    while (strlen(path) < 1000)
        strcat(path, "d/");
    strcat(path, "grow");
    assert_int_equal(find(f, path), VST_ERR_TOO_LARGE);
    assert_int_equal(find(f, "grow"), VST_ERR_MALFORMED); /* forty times twenty bytes have room */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_names),
        cmocka_unit_test(a_time_has_a_zone),
        cmocka_unit_test(volumes_that_are_none),
        cmocka_unit_test(descriptors_without_an_end),
        cmocka_unit_test(joliet_is_taken_without_rock_ridge_only),
        cmocka_unit_test(blocks_of_512_and_disks_of_any),
        cmocka_unit_test(records_that_make_no_sense),
        cmocka_unit_test(a_directory_of_nothing_ends),
        cmocka_unit_test(directories_that_hold_themselves),
        cmocka_unit_test(files_of_several_extents),
        cmocka_unit_test(extents_that_do_not_end),
        cmocka_unit_test(what_cannot_be_read_is_said),
        cmocka_unit_test(names_and_modes),
        cmocka_unit_test(times_of_rock_ridge),
        cmocka_unit_test(areas_go_on_elsewhere),
        cmocka_unit_test(names_too_long_are_the_plain_ones),
        cmocka_unit_test(areas_that_make_no_sense),
        cmocka_unit_test(entries_of_wrong_length),
        cmocka_unit_test(rock_ridge_needs_its_sign),
        cmocka_unit_test(moved_directories),
        cmocka_unit_test(components_of_links),
        cmocka_unit_test(paths_with_links),
        cmocka_unit_test(links_that_grow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
