/* SPDX-License-Identifier: BSD-2-Clause */
/* EFI's memory map as kernels that know no EFI are told of it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "boot/loader/efi_map.h"

#define DESCRIPTOR_BYTES 48u /* more than it holds, as firmware has it */
#define MAX_DESCRIPTORS  16u
#define CACHED           0xfu
#define SPECIFIC         0x4000fu

static uint8_t raw[MAX_DESCRIPTORS * DESCRIPTOR_BYTES];
static struct loader_efi_map map;
static struct loader_memory memory[MAX_DESCRIPTORS];
static size_t n;

static void begin(void)
{
    memset(raw, 0xee, sizeof(raw));
    map = (struct loader_efi_map){{raw, 0}, DESCRIPTOR_BYTES};
}

static void describe(uint32_t type, uint64_t first, uint64_t n_pages, uint64_t attributes)
{
    uint8_t *to = raw + map.bytes.bytes;
    const uint64_t numbers[] = {first, 0, n_pages, attributes};

    memcpy(to, &type, sizeof(type));
    memcpy(to + 8, numbers, sizeof(numbers));
    map.bytes.bytes += DESCRIPTOR_BYTES;
}

static void assert_piece(size_t number, uint64_t first, uint64_t bytes, uint32_t type)
{
    assert_true(number < n);
    assert_int_equal(memory[number].first, first);
    assert_int_equal(memory[number].bytes, bytes);
    assert_int_equal(memory[number].type, type);
}

static void types_become_those_of_e820(void **state)
{
    static const uint32_t types[] = {2, 1, 1, 1, 1, 2, 2, 1, 5, 3, 4, 2, 2, 2, 7, 2};

    (void)state;
    begin();
    for (uint32_t i = 0; i < MAX_DESCRIPTORS; i++) /* two pages apart each */
        describe(i, 0x100000 + i * 0x3000ull, 1, CACHED);
    assert_true(loader_efi_memory(&map, memory, MAX_DESCRIPTORS, &n));
    assert_int_equal(n, MAX_DESCRIPTORS);
    for (uint32_t i = 0; i < n; i++)
        assert_piece(i, 0x100000 + i * 0x3000ull, 0x1000, types[i]);
}

static void pieces_are_joined_in_any_order(void **state)
{
    (void)state;
    begin();
    describe(4, 0x3000, 1, CACHED);
    describe(7, 0x1000, 2, CACHED);
    describe(3, 0x4000, 4, CACHED);
    describe(7, 0x9000, 0, CACHED); /* nothing */
    describe(9, 0x8000, 1, CACHED);
    assert_true(loader_efi_memory(&map, memory, MAX_DESCRIPTORS, &n));
    assert_int_equal(n, 2);
    assert_piece(0, 0x1000, 0x7000, LOADER_MEMORY_USABLE);
    assert_piece(1, 0x8000, 0x1000, LOADER_MEMORY_ACPI);
}

/* Memory for somebody's special use, or not cached, is no plain RAM. */
static void attributes_count(void **state)
{
    (void)state;
    begin();
    describe(7, 0x1000, 1, SPECIFIC);
    describe(7, 0x4000, 1, 1);
    assert_true(loader_efi_memory(&map, memory, MAX_DESCRIPTORS, &n));
    assert_piece(0, 0x1000, 0x1000, LOADER_MEMORY_RESERVED);
    assert_piece(1, 0x4000, 0x1000, LOADER_MEMORY_RESERVED);
}

static void free_now_and_free_later(void **state)
{
    struct range_set now = {0}, later = {0};

    (void)state;
    begin();
    describe(7, 0x100000, 16, CACHED);
    describe(2, 0x110000, 16, CACHED);
    describe(4, 0x120000, 16, CACHED);
    describe(9, 0x130000, 16, CACHED);
    describe(7, 0x140000, 16, CACHED);
    assert_true(loader_efi_ranges(&map, false, &now));
    assert_int_equal(now.n_ranges, 2);
    assert_int_equal(now.ranges[0].end, 0x110000);
    assert_true(loader_efi_ranges(&map, true, &later));
    assert_int_equal(later.n_ranges, 2);
    assert_int_equal(later.ranges[0].end, 0x130000);
    assert_int_equal(later.ranges[1].first, 0x140000);
}

static void what_makes_no_sense_is_harmless(void **state)
{
    (void)state;
    begin();
    describe(7, 0xffffffffffff0000, UINT64_MAX, CACHED); /* beyond all addresses */
    assert_true(loader_efi_memory(&map, memory, MAX_DESCRIPTORS, &n));
    assert_int_equal(n, 1);
    assert_int_equal(memory[0].first + memory[0].bytes, UINT64_MAX);
    describe(9, 0x1000, 1, CACHED);
    assert_false(loader_efi_memory(&map, memory, 1, &n));
    map.bytes.bytes -= 1; /* the last one is cut within what nobody reads */
    assert_true(loader_efi_memory(&map, memory, 2, &n));
    map.bytes.bytes = DESCRIPTOR_BYTES + 39;
    assert_true(loader_efi_memory(&map, memory, 1, &n));
    map.descriptor_bytes = 39;
    assert_false(loader_efi_memory(&map, memory, MAX_DESCRIPTORS, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_become_those_of_e820),
        cmocka_unit_test(pieces_are_joined_in_any_order),
        cmocka_unit_test(attributes_count),
        cmocka_unit_test(free_now_and_free_later),
        cmocka_unit_test(what_makes_no_sense_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
