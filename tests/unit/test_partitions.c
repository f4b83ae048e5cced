/* SPDX-License-Identifier: BSD-2-Clause */
/* Partition tables on a disk in memory: sound, damaged, moved, lying. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <string.h>

#include "block/partitions.h"

#define DISK_BYTES (8u << 20)
#define MOST       40u

static struct fixture {
    uint8_t disk[DISK_BYTES];
    uint8_t buffer[MAX_TABLE_BLOCK_BYTES];
    struct vst_partition list[MOST];
    struct vst_partition_table table;
    uint32_t max;
    uint64_t capacity_bytes;
    uint32_t block_bytes;
    uint64_t bad_offset;              /* who reads it gets an error; 0: none */
    unsigned n_reads, change_at_read; /* an entry changes at that read; 0: never */
} storage;

static struct fixture *set_up(uint32_t block_bytes)
{
    struct fixture *f = &storage;

    memset(f, 0, sizeof(*f));
    f->max = MOST;
    f->capacity_bytes = DISK_BYTES;
    f->block_bytes = block_bytes;
    return f;
}

static enum vst_status read_disk(void *ctx, uint64_t offset_bytes, void *buffer, size_t bytes)
{
    struct fixture *f = ctx;

    if (++f->n_reads == f->change_at_read)
        f->disk[1024 + 40] ^= 1;
    assert_true(offset_bytes <= f->capacity_bytes && bytes <= f->capacity_bytes - offset_bytes);
    if (f->bad_offset != 0 && f->bad_offset - offset_bytes < bytes)
        return VST_ERR_IO;
    memcpy(buffer, f->disk + offset_bytes, bytes);
    return VST_OK;
}

static enum vst_status parse(struct fixture *f)
{
    const struct partition_source source = {f, read_disk, f->capacity_bytes, f->block_bytes,
                                            f->buffer};
    struct partition_list list = {.partitions = f->list, .max = f->max, .table = &f->table};

    f->n_reads = 0;
    return vst_partitions_parse(&source, &list);
}

static void put(uint8_t *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

/* ------------------------------------------------------------------ MBR */

static void put_entry(struct fixture *f, uint64_t sector, unsigned i, uint8_t active, uint8_t type,
                      uint32_t first, uint32_t n)
{
    uint8_t *at = f->disk + sector * f->block_bytes + 446 + (size_t)i * 16;

    at[0] = active;
    at[4] = type;
    put(at + 8, first, 4);
    put(at + 12, n, 4);
    put(f->disk + sector * f->block_bytes + 510, 0xaa55, 2);
}

static void assert_partition(const struct fixture *f, unsigned i, uint32_t number, uint64_t first,
                             uint64_t n, uint8_t type)
{
    assert_true(i < f->table.n);
    assert_int_equal(f->list[i].number, number);
    assert_int_equal(f->list[i].offset_bytes, first * f->table.block_bytes);
    assert_int_equal(f->list[i].bytes, n * f->table.block_bytes);
    assert_int_equal(f->list[i].mbr_type, type);
}

static void nothing_is_no_table(void **state)
{
    struct fixture *f = set_up(512);

    (void)state;
    assert_int_equal(parse(f), VST_OK);
    assert_int_equal(f->table.scheme, VST_PARTITIONS_NONE);
    put(f->disk + 510, 0xaa55, 2); /* a boot sector without entries */
    assert_int_equal(parse(f), VST_OK);
    assert_int_equal(f->table.scheme, VST_PARTITIONS_NONE);
    f->capacity_bytes = 0;
    assert_int_equal(parse(f), VST_OK);
    assert_int_equal(f->n_reads, 0);
}

static void a_file_system_is_no_table(void **state)
{
    struct fixture *f = set_up(512);

    (void)state;
    put_entry(f, 0, 0, 0x80, 0x0c, 10, 20);
    put_entry(f, 0, 1, 'F', 'A', 10, 20); /* code and text of a boot sector */
    assert_int_equal(parse(f), VST_OK);
    assert_int_equal(f->table.scheme, VST_PARTITIONS_NONE);
}

static void mbr_with_logical_partitions(void **state)
{
    (void)state;
    for (uint32_t block_bytes = 512; block_bytes <= 4096; block_bytes *= 8) {
        struct fixture *f = set_up(block_bytes);
        put(f->disk + 440, 0x12345678, 4);
        put_entry(f, 0, 0, 0x80, 0x0c, 10, 100);
        put_entry(f, 0, 2, 0, 0x0f, 200, 500);
        put_entry(f, 200, 0, 0, 0x83, 8, 50);
        put_entry(f, 200, 1, 0, 0x05, 100, 60);
        put_entry(f, 300, 0, 0, 0x82, 4, 40);
        put_entry(f, 300, 1, 0, 0, 0, 0);
        assert_int_equal(parse(f), VST_OK);
        assert_int_equal(f->table.scheme, VST_PARTITIONS_MBR);
        assert_int_equal(f->table.n, 4);
        assert_partition(f, 0, 1, 10, 100, 0x0c);
        assert_true(f->list[0].bootable);
        assert_string_equal(vst_partition_type_name(&f->table, &f->list[0]), "FAT32");
        assert_partition(f, 1, 3, 200, 500, 0x0f);
        assert_partition(f, 2, 5, 208, 50, 0x83);
        assert_partition(f, 3, 6, 304, 40, 0x82);
        assert_int_equal(f->table.flaws, 0);
        assert_int_equal(f->table.id[0], 0x78);
    }
}

static void an_extended_partition_holds_its_own(void **state)
{
    struct fixture *f = set_up(512);

    (void)state;
    put_entry(f, 0, 0, 0, 0x05, 200, 500);
    put_entry(f, 200, 0, 0, 0x83, 8, 50);
    assert_int_equal(parse(f), VST_OK);
    assert_int_equal(f->table.flaws, 0);
}

static void chains_end(void **state)
{
    static const uint32_t links[] = {0, 100, 499, 500, 0xffffffff};

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(links); i++) {
        struct fixture *f = set_up(512);
        put_entry(f, 0, 0, 0, 0x05, 200, 500);
        put_entry(f, 200, 0, 0, 0x83, 8, 5);
        put_entry(f, 200, 1, 0, 0x05, 100, 60);
        put_entry(f, 300, 0, 0, 0x83, 8, 5);
        put_entry(f, 300, 1, 0, 0x05, links[i], 60);
        assert_int_equal(parse(f), VST_OK);
        assert_true(f->table.flaws & VST_PARTITIONS_ENDLESS);
        assert_true(f->n_reads <= 4);
        assert_int_equal(f->table.n, 3); /* none of them twice */
        assert_partition(f, 1, 5, 208, 5, 0x83);
        assert_partition(f, 2, 6, 308, 5, 0x83);
    }
}

static void what_is_not_on_the_disk_is_left_out(void **state)
{
    struct fixture *f = set_up(512);
    uint32_t last = DISK_BYTES / 512;

    (void)state;
    put_entry(f, 0, 0, 0, 0x83, last - 10, 10);
    put_entry(f, 0, 1, 0, 0x83, last - 10, 11);
    put_entry(f, 0, 2, 0, 0x83, last, 1);
    put_entry(f, 0, 3, 0, 0x83, 0xffffffff, 0xffffffff);
    assert_int_equal(parse(f), VST_OK);
    assert_int_equal(f->table.n, 1);
    assert_int_equal(f->table.flaws, VST_PARTITIONS_OUTSIDE);
    put_entry(f, 0, 1, 0, 0x83, last - 20, 11);
    f->max = 1;
    assert_int_equal(parse(f), VST_OK);
    assert_int_equal(f->table.flaws, VST_PARTITIONS_OUTSIDE | VST_PARTITIONS_TOO_MANY);
    f->max = MOST;
    assert_int_equal(parse(f), VST_OK);
    assert_int_equal(f->table.flaws, VST_PARTITIONS_OUTSIDE | VST_PARTITIONS_OVERLAP);
}

static void errors_of_reading_are_told(void **state)
{
    struct fixture *f = set_up(512);

    (void)state;
    f->bad_offset = 1;
    assert_int_equal(parse(f), VST_ERR_IO);
    put_entry(f, 0, 0, 0, 0x05, 200, 500);
    f->bad_offset = 200 * 512 + 1;
    assert_int_equal(parse(f), VST_ERR_IO);
}

/* ------------------------------------------------------------------ GPT */

static uint32_t crc32_of(const uint8_t *data, size_t bytes)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

#define N_ENTRIES 128u

struct copy {
    uint64_t at, other_at, entries_at;
};

static uint8_t *header_at(struct fixture *f, uint32_t block_bytes, const struct copy *copy)
{
    return f->disk + copy->at * block_bytes;
}

static void seal(struct fixture *f, uint32_t block_bytes, const struct copy *copy)
{
    uint8_t *header = header_at(f, block_bytes, copy);

    put(header + 88, crc32_of(f->disk + copy->entries_at * block_bytes, N_ENTRIES * 128), 4);
    put(header + 16, 0, 4);
    put(header + 16, crc32_of(header, 92), 4);
}

static void put_copy(struct fixture *f, uint32_t block_bytes, const struct copy *copy)
{
    uint64_t n = DISK_BYTES / block_bytes;
    uint8_t *header = header_at(f, block_bytes, copy);
    uint8_t *entry = f->disk + copy->entries_at * block_bytes;

    memcpy(header, "EFI PART\0\0\1\0\x5c\0\0\0", 16);
    put(header + 24, copy->at, 8);
    put(header + 32, copy->other_at, 8);
    put(header + 40, 34, 8);
    put(header + 48, n - 34, 8);
    memset(header + 56, 0xab, 16);
    put(header + 72, copy->entries_at, 8);
    put(header + 80, N_ENTRIES, 4);
    put(header + 84, 128, 4);
    memcpy(entry, "\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b", 16);
    memset(entry + 16, 0x11, 16);
    put(entry + 32, 40, 8);
    put(entry + 40, 99, 8);
    put(entry + 48, 4, 8);
    put(entry + 56, 'E', 2);
    put(entry + 58, 0xfc, 2);
    put(entry + 60, 0x20ac, 2);
    put(entry + 62, 0xd83d, 2); /* U+1F4BE */
    put(entry + 64, 0xdcbe, 2);
    put(entry + 66, 0xdcbe, 2);
    put(entry + 68, 7, 2);
    entry += 3 * 128;
    memset(entry, 0x22, 32);
    put(entry + 32, 100, 8);
    put(entry + 40, n - 34, 8);
    seal(f, block_bytes, copy);
}

static struct copy first_copy(uint32_t block_bytes)
{
    return (struct copy){1, DISK_BYTES / block_bytes - 1, 2};
}

static struct copy second_copy(uint32_t block_bytes)
{
    uint64_t n = DISK_BYTES / block_bytes;

    return (struct copy){n - 1, 1, n - 1 - N_ENTRIES * 128 / block_bytes};
}

static struct fixture *set_up_gpt(uint32_t block_bytes, uint32_t table_block_bytes)
{
    struct fixture *f = set_up(block_bytes);
    struct copy first = first_copy(table_block_bytes), second = second_copy(table_block_bytes);

    put_copy(f, table_block_bytes, &first);
    put_copy(f, table_block_bytes, &second);
    f->block_bytes = 512; /* of the protective MBR: the first bytes, whatever blocks are */
    put_entry(f, 0, 0, 0, 0xee, 1, UINT32_MAX);
    f->block_bytes = block_bytes;
    return f;
}

static void assert_gpt(struct fixture *f, uint32_t table_block_bytes, uint32_t flaws)
{
    assert_int_equal(parse(f), VST_OK);
    assert_int_equal(f->table.scheme, VST_PARTITIONS_GPT);
    assert_int_equal(f->table.block_bytes, table_block_bytes);
    assert_int_equal(f->table.flaws, flaws);
    assert_int_equal(f->table.id[15], 0xab);
    assert_int_equal(f->table.n, 2);
    assert_partition(f, 0, 1, 40, 60, 0);
    assert_partition(f, 1, 4, 100, DISK_BYTES / table_block_bytes - 33 - 100, 0);
    assert_string_equal(f->list[0].name, "E\xc3\xbc\xe2\x82\xac\xf0\x9f\x92\xbe??");
    assert_string_equal(vst_partition_type_name(&f->table, &f->list[0]), "EFI system");
    assert_null(vst_partition_type_name(&f->table, &f->list[1]));
    assert_true(f->list[0].bootable && !f->list[1].bootable);
}

static void gpt_in_any_blocks(void **state)
{
    static const uint32_t sizes[] = {512, 4096};

    (void)state;
    for (unsigned disk = 0; disk < 2; disk++)
        for (unsigned table = 0; table < 2; table++)
            assert_gpt(set_up_gpt(sizes[disk], sizes[table]), sizes[table], 0);
}

static void the_copy_that_is_sound_is_used(void **state)
{
    const struct copy first = first_copy(512), second = second_copy(512);
    const size_t places[] = {0, 16, 24, 40, 60, 72, 80, 88};

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(places); i++) {
        struct fixture *f = set_up_gpt(512, 512);
        header_at(f, 512, &first)[places[i]] ^= 1;
        assert_gpt(f, 512, VST_PARTITIONS_PRIMARY_BAD);
        header_at(f, 512, &first)[places[i]] ^= 1;
        header_at(f, 512, &second)[places[i]] ^= 1;
        assert_gpt(f, 512, VST_PARTITIONS_BACKUP_BAD);
        header_at(f, 512, &first)[places[i]] ^= 1;
        assert_int_equal(parse(f), VST_ERR_MALFORMED);
        assert_int_equal(f->table.flaws, VST_PARTITIONS_PRIMARY_BAD | VST_PARTITIONS_BACKUP_BAD);
        assert_int_equal(f->table.n, 0);
    }
    struct fixture *f = set_up_gpt(512, 512);
    f->disk[2 * 512 + 127 * 128] ^= 1; /* an entry that is not used, but summed */
    assert_gpt(f, 512, VST_PARTITIONS_PRIMARY_BAD);
    f->disk[second.entries_at * 512] ^= 1;
    assert_int_equal(parse(f), VST_ERR_MALFORMED);
}

/** Sealed again, so that it is its sense that is looked at. */
static void headers_that_make_no_sense(void **state)
{
    static const struct {
        unsigned at, bytes;
        uint64_t value;
    } lies[] = {
        {8, 4, 0x00000100},  {12, 4, 91},     {12, 4, 513},        {24, 8, 2},
        {40, 8, 0x7fff},     {48, 8, 0x4000}, {48, 8, UINT64_MAX}, {72, 8, 1},
        {72, 8, UINT64_MAX}, {80, 4, 0},      {80, 4, 0xffffffff}, {84, 4, 64},
        {84, 4, 129},        {84, 4, 8192},   {84, 4, 0},
    };
    const struct copy first = first_copy(512);

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(lies); i++) {
        struct fixture *f = set_up_gpt(512, 512);
        uint8_t *header = header_at(f, 512, &first);
        put(header + lies[i].at, lies[i].value, lies[i].bytes);
        uint32_t bytes = table_le32(header + 12);
        put(header + 16, 0, 4);
        put(header + 16, crc32_of(header, bytes < 512 ? bytes : 512), 4);
        assert_gpt(f, 512, VST_PARTITIONS_PRIMARY_BAD);
    }
}

static void a_disk_that_has_grown(void **state)
{
    struct fixture *f = set_up_gpt(512, 512);
    struct copy first = first_copy(512),
                moved = {DISK_BYTES / 512 - 101, 1, DISK_BYTES / 512 - 150};

    (void)state;
    put_copy(f, 512, &moved);
    put(header_at(f, 512, &moved) + 48, DISK_BYTES / 512 - 34, 8);
    first.other_at = moved.at;
    put_copy(f, 512, &first);
    seal(f, 512, &moved);
    assert_gpt(f, 512, VST_PARTITIONS_MOVED);
    memset(f->disk + moved.at * 512, 0, 512);
    assert_gpt(f, 512, VST_PARTITIONS_MOVED | VST_PARTITIONS_BACKUP_BAD);
}

static void copies_that_differ(void **state)
{
    struct fixture *f = set_up_gpt(512, 512);
    const struct copy second = second_copy(512);

    (void)state;
    f->disk[second.entries_at * 512 + 32] = 41;
    seal(f, 512, &second);
    assert_gpt(f, 512, VST_PARTITIONS_DIFFER);
}

static void entries_beyond_what_may_be_used(void **state)
{
    static const struct {
        uint64_t first, last;
        unsigned n_left;
    } cases[] = {{33, 99, 2},
                 {40, DISK_BYTES / 512 - 33, 2},
                 {40, DISK_BYTES / 512, 1},
                 {41, 40, 1},
                 {40, UINT64_MAX, 1},
                 {0, UINT64_MAX, 1},
                 {UINT64_MAX, 40, 1},
                 {UINT64_MAX, UINT64_MAX, 1}};
    const struct copy first = first_copy(512);

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        struct fixture *f = set_up_gpt(512, 512);
        put(f->disk + 1024 + 32, cases[i].first, 8);
        put(f->disk + 1024 + 40, cases[i].last, 8);
        seal(f, 512, &first);
        assert_int_equal(parse(f), VST_OK);
        assert_int_equal(f->table.flaws & ~(uint32_t)VST_PARTITIONS_OVERLAP,
                         VST_PARTITIONS_OUTSIDE | VST_PARTITIONS_DIFFER);
        assert_int_equal(f->table.n, cases[i].n_left);
        assert_int_equal(f->list[cases[i].n_left - 1].number, 4);
    }
}

/** Bad blocks of a copy: the other one serves. */
static void reading_fails_anywhere(void **state)
{
    const uint64_t front[] = {512, 1024}, back[] = {DISK_BYTES - 512, DISK_BYTES - 512 - 16384};

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(front); i++) {
        struct fixture *f = set_up_gpt(512, 512);
        f->bad_offset = front[i] + 1;
        assert_gpt(f, 512, VST_PARTITIONS_PRIMARY_BAD);
        f->bad_offset = back[i] + 1;
        assert_gpt(f, 512, VST_PARTITIONS_BACKUP_BAD);
        f->disk[512] ^= 1;
        assert_int_equal(parse(f), VST_ERR_MALFORMED);
        assert_int_equal(f->table.n, 0);
    }
}

/** The second time the array is read, it is another. */
static void a_disk_that_changes_its_mind(void **state)
{
    struct fixture *f = set_up_gpt(512, 512);

    (void)state;
    for (f->change_at_read = 1; f->change_at_read < 8; f->change_at_read++) {
        enum vst_status status = parse(f);
        assert_true(status == VST_OK || (status == VST_ERR_MALFORMED && f->table.n == 0));
        f->disk[1024 + 40] = 99;
    }
}

static void disks_too_small_for_a_gpt(void **state)
{
    struct fixture *f = set_up_gpt(512, 512);

    (void)state;
    for (f->capacity_bytes = 512; f->capacity_bytes < 8192; f->capacity_bytes += 512) {
        assert_int_equal(parse(f), VST_ERR_MALFORMED);
        assert_int_equal(f->table.n, 0);
    }
}

/* ------------------------------------------------------------------ El Torito */

#define CATALOGUE (20u * 2048)

static void put_validation(uint8_t *at, uint8_t platform)
{
    uint16_t sum = 0;

    memset(at, 0, 32);
    at[0] = 1;
    at[1] = platform;
    memcpy(at + 4, "A maker  ", 9);
    put(at + 30, 0xaa55, 2);
    for (unsigned i = 0; i < 32; i += 2)
        sum = (uint16_t)(sum + table_le16(at + i));
    put(at + 28, (uint16_t)-sum, 2);
}

static void put_image(uint8_t *at, uint8_t media, uint16_t sectors, uint32_t place)
{
    at[0] = 0x88;
    at[1] = media;
    put(at + 6, sectors, 2);
    put(at + 8, place, 4);
}

static void put_section(uint8_t *at, uint8_t kind, uint8_t platform, uint16_t n)
{
    at[0] = kind;
    at[1] = platform;
    put(at + 2, n, 2);
}

/** A CD with images for BIOS and EFI, as xorriso makes them. */
static struct fixture *set_up_cd(uint32_t block_bytes)
{
    struct fixture *f = set_up(block_bytes);

    memcpy(f->disk + 16 * 2048, "\1CD001\1", 7);
    memcpy(f->disk + 17 * 2048, "\0CD001\1EL TORITO SPECIFICATION", 30);
    put(f->disk + 17 * 2048 + 71, CATALOGUE / 2048, 4);
    memcpy(f->disk + 18 * 2048,
           "\xff"
           "CD001\1",
           7);
    put_validation(f->disk + CATALOGUE, 0);
    put_image(f->disk + CATALOGUE + 32, 0, 4, 30);
    put_section(f->disk + CATALOGUE + 64, 0x91, 0xef, 1);
    put_image(f->disk + CATALOGUE + 96, 0, 64, 40);
    return f;
}

static void assert_image(const struct fixture *f, unsigned i, uint64_t place, uint64_t bytes,
                         const char *type)
{
    assert_true(i < f->table.n);
    assert_int_equal(f->list[i].offset_bytes, place * 2048);
    assert_int_equal(f->list[i].bytes, bytes);
    assert_string_equal(vst_partition_type_name(&f->table, &f->list[i]), type);
}

static void boot_images(void **state)
{
    (void)state;
    for (uint32_t block_bytes = 512; block_bytes <= 4096; block_bytes *= 2) {
        struct fixture *f = set_up_cd(block_bytes);
        assert_int_equal(parse(f), VST_OK);
        assert_int_equal(f->table.scheme, VST_PARTITIONS_EL_TORITO);
        assert_int_equal(f->table.flaws, 0);
        assert_int_equal(f->table.n, 2);
        assert_image(f, 0, 30, 2048, "BIOS boot image");
        assert_image(f, 1, 40, 64 * 512, "EFI boot image");
        assert_int_equal(f->list[1].load_sectors, 64);
        assert_true(f->list[0].bootable && f->list[1].bootable);
        assert_string_equal(f->list[0].name, "A maker");
    }
}

/** An image for sticks has an MBR as well, which is what counts there. */
static void a_cd_with_an_mbr(void **state)
{
    struct fixture *f = set_up_cd(2048);

    (void)state;
    put_entry(f, 0, 0, 0x80, 0x17, 0, 1000);
    put(f->disk + 510, 0xaa55, 2);
    assert_int_equal(parse(f), VST_OK);
    assert_int_equal(f->table.scheme, VST_PARTITIONS_EL_TORITO);
    f->block_bytes = 512;
    assert_int_equal(parse(f), VST_OK);
    assert_int_equal(f->table.scheme, VST_PARTITIONS_MBR);
}

static void lengths_of_boot_images(void **state)
{
    struct fixture *f = set_up_cd(2048);
    uint8_t *first = f->disk + CATALOGUE + 32, *second = f->disk + CATALOGUE + 96;

    (void)state;
    for (uint16_t n = 0; n < 2; n++) {
        put_image(first, 2, 1, 30);
        put_image(second, 0, n, 40);
        assert_int_equal(parse(f), VST_OK);
        assert_image(f, 0, 30, 1440 * 1024, "BIOS boot image");
        assert_image(f, 1, 40, DISK_BYTES - 40 * 2048, "EFI boot image");
    }
    put_image(first, 4, 1, 30);
    assert_int_equal(parse(f), VST_OK);
    assert_image(f, 0, 30, 512, "BIOS boot image"); /* its first sector is no MBR */
    f->disk[30 * 2048 + 446 + 4] = 6;
    put(f->disk + 30 * 2048 + 446 + 8, 63, 4);
    put(f->disk + 30 * 2048 + 446 + 12, 100, 4);
    put(f->disk + 30 * 2048 + 510, 0xaa55, 2);
    assert_int_equal(parse(f), VST_OK);
    assert_image(f, 0, 30, 163 * 512, "BIOS boot image");
    put_image(first, 4, 1, 0xffffffff);
    put_image(second, 1, 1, DISK_BYTES / 2048 - 10);
    assert_int_equal(parse(f), VST_OK);
    assert_int_equal(f->table.n, 0);
    assert_int_equal(f->table.flaws, VST_PARTITIONS_OUTSIDE);
}

static void catalogues_that_make_no_sense(void **state)
{
    struct fixture *f = set_up_cd(2048);

    (void)state;
    f->disk[CATALOGUE + 28] ^= 1;
    assert_int_equal(parse(f), VST_ERR_MALFORMED);
    f->disk[CATALOGUE + 28] ^= 1;
    put(f->disk + CATALOGUE + 66, 0xffff, 2); /* more entries than there can be */
    assert_int_equal(parse(f), VST_OK);
    assert_int_equal(f->table.flaws, VST_PARTITIONS_ENDLESS);
    assert_int_equal(f->table.n, 2);
    put_section(f->disk + CATALOGUE + 64, 0x90, 0xef, 0);
    for (unsigned at = 96; at < 4096; at += 32)
        put_section(f->disk + CATALOGUE + at, 0x90, 0xef, 0);
    assert_int_equal(parse(f), VST_OK);
    assert_int_equal(f->table.flaws, VST_PARTITIONS_ENDLESS);
    put(f->disk + 17 * 2048 + 71, 0xffffffff, 4);
    assert_int_equal(parse(f), VST_ERR_MALFORMED);
    put(f->disk + 17 * 2048 + 71, DISK_BYTES / 2048 - 1, 4);
    assert_int_equal(parse(f), VST_ERR_MALFORMED);
    put(f->disk + 17 * 2048 + 71, 0, 4);
    assert_int_equal(parse(f), VST_OK);
    assert_int_equal(f->table.scheme, VST_PARTITIONS_NONE);
    for (unsigned i = 16; i < 100; i++) /* descriptors without an end */
        memcpy(f->disk + (size_t)i * 2048, "\1CD001\1", 7);
    assert_int_equal(parse(f), VST_OK);
    assert_true(f->n_reads < 40);
    f->capacity_bytes = 16 * 2048 + 512;
    assert_int_equal(parse(f), VST_OK);
}

static void sections_and_their_extensions(void **state)
{
    struct fixture *f = set_up_cd(2048);
    uint8_t *at = f->disk + CATALOGUE + 64;

    (void)state;
    put_section(at, 0x90, 0, 2);
    memcpy(at + 4, "two", 3);
    put_image(at + 32, 0, 8, 50);
    at[64] = 0x44;
    put_image(at + 96, 0, 8, 60);
    at[96] = 0; /* not to boot from */
    put_section(at + 128, 0x91, 2, 1);
    put_image(at + 160, 0, 8, 70);
    assert_int_equal(parse(f), VST_OK);
    assert_int_equal(f->table.flaws, 0);
    assert_int_equal(f->table.n, 4);
    assert_image(f, 1, 50, 4096, "BIOS boot image");
    assert_image(f, 2, 60, 4096, "BIOS boot image");
    assert_image(f, 3, 70, 4096, "Mac boot image");
    assert_string_equal(f->list[1].name, "two");
    assert_true(f->list[1].bootable && !f->list[2].bootable);
    f->max = 2;
    assert_int_equal(parse(f), VST_OK);
    assert_int_equal(f->table.flaws, VST_PARTITIONS_TOO_MANY);
}

/* ------------------------------------------------------------------ texts */

static void texts(void **state)
{
    static const uint8_t guid[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
                                     0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
    char text[VST_GUID_TEXT_BYTES];

    (void)state;
    assert_string_equal(vst_guid_text(guid, text), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
    assert_string_equal(vst_partition_scheme_name(VST_PARTITIONS_GPT), "gpt");
    assert_string_equal(vst_partition_scheme_name(VST_PARTITIONS_N_SCHEMES), "unknown");
    for (unsigned i = 0; i < VST_PARTITIONS_N_FLAWS; i++)
        assert_string_not_equal(vst_partition_flaw_text(1u << i), "unknown");
    assert_string_equal(vst_partition_flaw_text(1u << VST_PARTITIONS_N_FLAWS), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_no_table),
        cmocka_unit_test(a_file_system_is_no_table),
        cmocka_unit_test(mbr_with_logical_partitions),
        cmocka_unit_test(an_extended_partition_holds_its_own),
        cmocka_unit_test(chains_end),
        cmocka_unit_test(what_is_not_on_the_disk_is_left_out),
        cmocka_unit_test(errors_of_reading_are_told),
        cmocka_unit_test(gpt_in_any_blocks),
        cmocka_unit_test(the_copy_that_is_sound_is_used),
        cmocka_unit_test(headers_that_make_no_sense),
        cmocka_unit_test(a_disk_that_has_grown),
        cmocka_unit_test(copies_that_differ),
        cmocka_unit_test(entries_beyond_what_may_be_used),
        cmocka_unit_test(reading_fails_anywhere),
        cmocka_unit_test(a_disk_that_changes_its_mind),
        cmocka_unit_test(boot_images),
        cmocka_unit_test(a_cd_with_an_mbr),
        cmocka_unit_test(lengths_of_boot_images),
        cmocka_unit_test(catalogues_that_make_no_sense),
        cmocka_unit_test(sections_and_their_extensions),
        cmocka_unit_test(disks_too_small_for_a_gpt),
        cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests_name("partitions", tests, NULL, NULL);
}
