/* SPDX-License-Identifier: BSD-2-Clause */
/* Files of a block device: all of it or a part that cuts its blocks, with a cache and without. */
#include "files_fixture.h"

#include <vstor/block.h>
#include <vstor/cache.h>

#include "fake_disk.h"

#define DISK_SECTORS  8192u
#define START_SECTOR  63u
#define N_SECTORS     1001u
#define CLUSTER_BYTES 512u
#define N_CLUSTERS    200u
#define CACHE_BYTES   (256u << 10)

static uint8_t expected[N_CLUSTERS * CLUSTER_BYTES], found[sizeof(expected)];

/* FAT12 with one file, which begins at its cluster 2. */
static void put_volume(uint8_t *at)
{
    uint8_t *fat = at + 512, *root = at + 2 * 512, *data = at + 3 * 512;

    memcpy(at, "\xeb\x3c\x90", 3);
    put(at + 11, 512, 2);
    at[13] = at[16] = 1;
    put(at + 14, 1, 2);
    put(at + 17, 16, 2);
    put(at + 19, N_SECTORS, 2);
    at[21] = 0xf8;
    put(at + 22, 1, 2);
    memcpy(root, "FILE       ", 11);
    root[26] = 2;
    put(root + 28, sizeof(expected) - 7, 4);
    for (uint32_t i = 2; i < N_CLUSTERS + 2; i++) {
        uint32_t after = i == N_CLUSTERS + 1 ? 0xfff : i + 1;
        uint8_t *entry = fat + i * 3 / 2;
        put(entry, i % 2 ? (entry[0] & 15u) | after << 4 : after, 2);
    }
    fill(expected, sizeof(expected), 77);
    memcpy(data, expected, sizeof(expected));
}

static void check(struct files_fixture *f, const struct vst_files_source *source)
{
    size_t n;

    f->memory = malloc(VST_FILES_MEMORY_BYTES(source->block_bytes));
    assert_int_equal(
        vst_files_open(&f->files, source, f->memory, VST_FILES_MEMORY_BYTES(source->block_bytes)),
        VST_OK);
    assert_string_equal(names(f, "/"), " FILE");
    assert_int_equal(find(f, "file"), VST_OK);
    assert_int_equal(read_at(f, 0, found, sizeof(found), &n), VST_OK);
    assert_int_equal(n, sizeof(expected) - 7);
    assert_memory_equal(found, expected, n);
    assert_int_equal(read_at(f, 70001, found, 50, &n), VST_OK);
    assert_memory_equal(found, expected + 70001, 50);
}

/* A disk of such blocks with the volume at that sector. */
static void make_disk(struct fake_disk *disk, uint32_t block_bytes, uint32_t start_sector)
{
    fake_disk_init(disk, DISK_SECTORS);
    disk->device.limits.logical_block_bytes = block_bytes;
    disk->device.limits.physical_block_bytes = block_bytes;
    vst_block_limits_changed(&disk->device);
    put_volume(disk->data + start_sector * (size_t)512);
}

static void through_the_device_alone(void **state)
{
    (void)state;
    for (uint32_t block_bytes = 512; block_bytes <= 4096; block_bytes *= 8)
        for (unsigned cut = 0; cut < 4; cut++) {
            struct files_fixture *f = begin();
            struct fake_disk disk;
            struct vst_files_source source;
            static uint8_t bounce[4096];
            const uint32_t start = (cut & 1) != 0 ? START_SECTOR : 64;
            struct vst_files_device range = {.queue = &disk.queue,
                                             .offset_bytes = start * 512ull,
                                             .bytes = ((cut & 2) != 0 ? N_SECTORS : 1000) * 512ull,
                                             .bounce = bounce,
                                             .bounce_bytes = sizeof(bounce)};
            make_disk(&disk, block_bytes, start);
            vst_files_source_of_device(&source, &range);
            assert_int_equal(source.block_bytes, cut == 0 ? block_bytes : 512);
            check(f, &source);
            assert_null(disk.broken_rule);
            fake_disk_destroy(&disk);
        }
}

static void through_a_cache(void **state)
{
    (void)state;
    for (uint32_t block_bytes = 512; block_bytes <= 4096; block_bytes *= 8) {
        struct files_fixture *f = begin();
        struct fake_disk disk;
        struct vst_files_source source;
        struct vst_files_cached cached = {.offset_bytes = START_SECTOR * 512ull,
                                          .bytes = N_SECTORS * 512ull};
        make_disk(&disk, block_bytes, START_SECTOR);
        struct vst_cache_config config = {
            .queue = &disk.queue, .memory = malloc(CACHE_BYTES), .memory_bytes = CACHE_BYTES};
        assert_int_equal(vst_cache_open(&cached.cache, &config), VST_OK);
        vst_files_source_of_cache(&source, &cached);
        check(f, &source);
        const unsigned before = disk.n_commands;
        assert_int_equal(find(f, "file"), VST_OK);
        assert_int_equal(disk.n_commands, before); /* it is all there */
        assert_int_equal(vst_cache_close(cached.cache), VST_OK);
        assert_null(disk.broken_rule);
        free(config.memory);
        fake_disk_destroy(&disk);
    }
}

/** A long read of whole blocks is one command, cached or not; the rest goes through the cache. */
static void long_reads_go_past_the_cache(void **state)
{
    struct files_fixture *f = begin();
    struct fake_disk disk;
    struct vst_files_source source;
    size_t n;

    (void)state;
    make_disk(&disk, 512, START_SECTOR);
    struct vst_files_cached cached = {.offset_bytes = START_SECTOR * 512ull,
                                      .bytes = N_SECTORS * 512ull,
                                      .past = &disk.queue,
                                      .past_bytes = 64 * 512};
    struct vst_cache_config config = {
        .queue = &disk.queue, .memory = malloc(CACHE_BYTES), .memory_bytes = CACHE_BYTES};
    assert_int_equal(vst_cache_open(&cached.cache, &config), VST_OK);
    vst_files_source_of_cache(&source, &cached);
    check(f, &source);
    assert_int_equal(find(f, "file"), VST_OK);
    assert_int_equal(read_at(f, 0, found, 63 * 512, &n), VST_OK);
    assert_int_equal(read_at(f, 63 * 512, found, 4 * 512, &n), VST_OK);
    unsigned before = disk.n_commands;
    assert_int_equal(read_at(f, 0, found, 63 * 512, &n), VST_OK);
    assert_int_equal(read_at(f, 1, found, 62 * 512, &n), VST_OK);
    assert_int_equal(disk.n_commands, before);
    assert_int_equal(read_at(f, 0, found, 64 * 512, &n), VST_OK);
    assert_int_equal(disk.n_commands, before + 1);
    assert_int_equal(read_at(f, 0, found, 64 * 512 + 511, &n), VST_OK); /* its end is cached */
    assert_int_equal(disk.n_commands, before + 2);
    assert_int_equal(vst_cache_close(cached.cache), VST_OK);
    assert_null(disk.broken_rule);
    free(config.memory);
    fake_disk_destroy(&disk);
}

static void errors_of_the_device_come_through(void **state)
{
    struct files_fixture *f = begin();
    struct fake_disk disk;
    struct vst_files_source source;
    struct vst_files_device range = {.queue = &disk.queue, .bytes = N_SECTORS * 512ull};
    size_t n;

    (void)state;
    make_disk(&disk, 512, 0);
    disk.fail_sector = 3 + 100; /* the file's hundredth */
    vst_files_source_of_device(&source, &range);
    f->memory = malloc(VST_FILES_MEMORY_BYTES(512));
    assert_int_equal(vst_files_open(&f->files, &source, f->memory, VST_FILES_MEMORY_BYTES(512)),
                     VST_OK);
    assert_int_equal(find(f, "file"), VST_OK);
    assert_int_equal(read_at(f, 0, found, 90 * 512, &n), VST_OK);
    assert_int_equal(read_at(f, 99 * 512, found, 512, &n), VST_OK);
    assert_int_equal(read_at(f, 99 * 512, found, 513, &n), VST_ERR_IO);
    fake_disk_destroy(&disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(through_the_device_alone),
        cmocka_unit_test(through_a_cache),
        cmocka_unit_test(long_reads_go_past_the_cache),
        cmocka_unit_test(errors_of_the_device_come_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
