/* SPDX-License-Identifier: BSD-2-Clause */
/* Partitions by name: on devices in memory, with tables of both kinds. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <vstor/partition.h>
#include "tests/unit/fake_disk.h"

#define SECTORS 2048u
#define N_DISKS 3u

static struct fixture {
    struct vst_block_registry registry;
    struct fake_disk disks[N_DISKS]; /* vda, vdb, sr0 */
    uint8_t memory[VST_PARTITIONS_MEMORY_BYTES];
    struct vst_extent found;
} storage;

static void put(uint8_t *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static void put_mbr(uint8_t *disk, uint32_t id)
{
    put(disk + 440, id, 4);
    disk[446 + 4] = 0x83;
    put(disk + 446 + 8, 100, 4);
    put(disk + 446 + 12, 200, 4);
    disk[446 + 16 + 4] = 0x0c;
    put(disk + 446 + 16 + 8, 500, 4);
    put(disk + 446 + 16 + 12, 300, 4);
    put(disk + 510, 0xaa55, 2);
}

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

/** Four entries, of which the third and the fourth are used. `id` makes uuids differ. */
static void put_gpt(uint8_t *disk, uint8_t id, const char *label)
{
    uint8_t *header = disk + 512, *entry = disk + 1024 + 2 * 128;

    disk[446 + 4] = 0xee;
    put(disk + 510, 0xaa55, 2);
    for (unsigned i = 0; i < 2; i++, entry += 128) {
        memset(entry, 0xaf, 16);
        memset(entry + 16, id + (int)i, 16);
        put(entry + 32, 100 + 300 * i, 8);
        put(entry + 40, 199 + 300 * i, 8);
        for (size_t c = 0; label[c] != '\0'; c++)
            put(entry + 56 + 2 * c, (uint8_t)(label[c] + (int)i), 2);
    }
    memcpy(header, "EFI PART\0\0\1\0\x5c\0\0\0", 16);
    put(header + 24, 1, 8);
    put(header + 32, SECTORS - 1, 8);
    put(header + 40, 34, 8);
    put(header + 48, SECTORS - 34, 8);
    put(header + 72, 2, 8);
    put(header + 80, 4, 4);
    put(header + 84, 128, 4);
    put(header + 88, crc32_of(disk + 1024, 512), 4);
    put(header + 16, 0, 4);
    put(header + 16, crc32_of(header, 92), 4);
}

static int set_up(void **state)
{
    static const char *const prefixes[N_DISKS] = {"vd", "vd", "sr0"};

    memset(&storage, 0, sizeof(storage));
    for (unsigned i = 0; i < N_DISKS; i++) {
        fake_disk_init(&storage.disks[i], SECTORS);
        vst_block_register(&storage.registry, &storage.disks[i].device, prefixes[i]);
        snprintf(storage.disks[i].device.serial, 64, "number%u", i);
        snprintf(storage.disks[i].device.path, 48, "pci-0000:00:0%u.0", i);
    }
    put_mbr(storage.disks[0].data, 0x1234abcd);
    put_gpt(storage.disks[1].data, 0xc0, "data");
    put_mbr(storage.disks[2].data, 0);
    *state = &storage;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < N_DISKS; i++)
        fake_disk_destroy(&f->disks[i]);
    return 0;
}

static enum vst_status find(struct fixture *f, const char *name)
{
    memset(&f->found, 0xff, sizeof(f->found));
    return vst_partition_find(&f->registry, name, f->memory, &f->found);
}

static void assert_found(struct fixture *f, const char *name, unsigned disk, uint32_t number,
                         uint64_t first, uint64_t n)
{
    if (find(f, name) != VST_OK)
        fail_msg("%s is not found", name);
    assert_ptr_equal(f->found.device, &f->disks[disk].device);
    assert_int_equal(f->found.number, number);
    assert_int_equal(f->found.offset_bytes, first * 512);
    assert_int_equal(f->found.bytes, n * 512);
}

static void assert_nobody(struct fixture *f, const char *name)
{
    if (find(f, name) != VST_ERR_NOT_FOUND)
        fail_msg("something is called %s", name);
}

static void devices_are_found_without_reading(void **state)
{
    struct fixture *f = *state;

    assert_found(f, "vda", 0, 0, 0, SECTORS);
    assert_found(f, "serial=number1", 1, 0, 0, SECTORS);
    assert_found(f, "sr0", 2, 0, 0, SECTORS);
    for (unsigned i = 0; i < N_DISKS; i++)
        assert_int_equal(f->disks[i].n_commands, 0);
}

static void partitions_have_numbers(void **state)
{
    static const char *const nobody[] = {
        "vda0", "vda3",  "vda01", "vda1x", "vdap1", "vda1p1", "vdb1", "vdc1",         "sr01",
        "sr0p", "sr0p3", "vda-1", "",      "-part", "1",      "p1",   "vda4294967297"};
    struct fixture *f = *state;

    assert_found(f, "vda1", 0, 1, 100, 200);
    assert_found(f, "vda2", 0, 2, 500, 300);
    assert_found(f, "vdb3", 1, 3, 100, 100);
    assert_found(f, "vdb4", 1, 4, 400, 100);
    assert_found(f, "sr0p2", 2, 2, 500, 300);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(nobody); i++)
        assert_nobody(f, nobody[i]);
}

static void suffixes_follow_whatever_finds_a_device(void **state)
{
    struct fixture *f = *state;
    char longest[400];

    assert_found(f, "serial=number0-part2", 0, 2, 500, 300);
    assert_found(f, "pci-0000:00:01.0-part4", 1, 4, 400, 100);
    assert_found(f, "vdb-part3", 1, 3, 100, 100);
    assert_nobody(f, "serial=number0-part3");
    assert_nobody(f, "serial=number9-part1");
    assert_nobody(f, "serial=number0-part");
    assert_nobody(f, "serial=number0-part02");
    memset(longest, 'x', sizeof(longest));
    memcpy(longest + sizeof(longest) - 7, "-part1", 7);
    assert_nobody(f, longest);
}

static void uuids_and_labels(void **state)
{
    struct fixture *f = *state;

    assert_found(f, "partuuid=1234abcd-02", 0, 2, 500, 300);
    assert_found(f, "partuuid=1234ABCD-01", 0, 1, 100, 200);
    assert_found(f, "partuuid=c0c0c0c0-c0c0-c0c0-c0c0-c0c0c0c0c0c0", 1, 3, 100, 100);
    assert_found(f, "partuuid=C1C1C1C1-c1c1-c1c1-c1c1-c1c1c1c1c1c1", 1, 4, 400, 100);
    assert_found(f, "partlabel=data", 1, 3, 100, 100);
    assert_found(f, "partlabel=ebub", 1, 4, 400, 100);
    assert_nobody(f, "partlabel=DATA");
    assert_nobody(f, "partlabel=dat");
    assert_nobody(f, "partlabel=");
    assert_nobody(f, "partuuid=");
    assert_nobody(f, "partuuid=00000000-01"); /* sr0's MBR has no number */
    assert_nobody(f, "partuuid=1234abcd-1");
    assert_nobody(f, "partuuid=1234abcd-01x");
}

static void of_two_with_a_name_nobody_is_meant(void **state)
{
    struct fixture *f = *state;

    memset(f->disks[0].data, 0, 2048);
    put_gpt(f->disks[0].data, 0xc0, "data");
    assert_nobody(f, "partlabel=data");
    assert_nobody(f, "partuuid=c0c0c0c0-c0c0-c0c0-c0c0-c0c0c0c0c0c0");
    f->disks[0].device.broken = true; /* it can't be read, so it is not asked */
    assert_found(f, "partlabel=data", 1, 3, 100, 100);
    f->disks[0].device.broken = false;
    put_gpt(f->disks[0].data, 0xd0, "ebub");
    assert_found(f, "partlabel=data", 1, 3, 100, 100);
    assert_nobody(f, "partlabel=ebub"); /* vda3 and vdb4 */
}

static void tables_that_cannot_be_read(void **state)
{
    struct fixture *f = *state;

    f->disks[0].fail_sector = 0;
    assert_int_equal(find(f, "vda1"), VST_ERR_IO);
    assert_nobody(f, "partuuid=1234abcd-01");
    f->disks[1].data[512 + 20] ^= 1;
    assert_int_equal(find(f, "vdb3"), VST_ERR_MALFORMED);
    f->disks[0].device.n_queues = 0;
    assert_nobody(f, "vda1");
}

static void names_are_written_as_they_are_read(void **state)
{
    struct fixture *f = *state;
    char text[VST_PARTITION_DEVICE_NAME_BYTES];

    assert_string_equal(vst_partition_device_name(&f->disks[0].device, 1, text), "vda1");
    assert_string_equal(vst_partition_device_name(&f->disks[1].device, 128, text), "vdb128");
    assert_string_equal(vst_partition_device_name(&f->disks[2].device, 20, text), "sr0p20");
    memset(f->disks[2].device.name, '7', 15);
    assert_string_equal(vst_partition_device_name(&f->disks[2].device, UINT32_MAX, text),
                        "777777777777777p4294967295");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(devices_are_found_without_reading, set_up, tear_down),
        cmocka_unit_test_setup_teardown(partitions_have_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(suffixes_follow_whatever_finds_a_device, set_up, tear_down),
        cmocka_unit_test_setup_teardown(uuids_and_labels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_two_with_a_name_nobody_is_meant, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tables_that_cannot_be_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_are_written_as_they_are_read, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("partition_find", tests, NULL, NULL);
}
