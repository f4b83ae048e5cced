/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory maps as they are put together for another kernel. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "boot/loader/next.h"

#define MAX_PIECES 64u

static struct loader_memory memory[MAX_PIECES];
static size_t n;

static void add(uint64_t first, uint64_t bytes, uint32_t type, bool join)
{
    loader_memory_add(memory, &n, first, bytes, type, join);
}

static void assert_piece(size_t number, uint64_t first, uint64_t bytes, uint32_t type)
{
    assert_true(number < n);
    assert_int_equal(memory[number].first, first);
    assert_int_equal(memory[number].bytes, bytes);
    assert_int_equal(memory[number].type, type);
}

static void pieces_come_in_order(void **state)
{
    (void)state;
    n = 0;
    add(0x3000, 0x1000, LOADER_MEMORY_USABLE, false);
    add(0x1000, 0x1000, LOADER_MEMORY_USABLE, false);
    add(0x2000, 0x1000, LOADER_MEMORY_USABLE, false);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++)
        assert_piece(i, 0x1000 * (i + 1), 0x1000, LOADER_MEMORY_USABLE);
}

static void pieces_that_touch_are_joined(void **state)
{
    (void)state;
    n = 0;
    add(0x1000, 0x1000, LOADER_MEMORY_USABLE, true);
    add(0x3000, 0x1000, LOADER_MEMORY_USABLE, true);
    assert_int_equal(n, 2);
    add(0x2000, 0x1000, LOADER_MEMORY_USABLE, true); /* between both */
    assert_int_equal(n, 1);
    assert_piece(0, 0x1000, 0x3000, LOADER_MEMORY_USABLE);
    add(0x4000, 0x1000, LOADER_MEMORY_RESERVED, true);
    add(0x0, 0x1000, LOADER_MEMORY_NVS, true);
    assert_int_equal(n, 3);
    assert_piece(0, 0, 0x1000, LOADER_MEMORY_NVS);
    assert_piece(2, 0x4000, 0x1000, LOADER_MEMORY_RESERVED);
}

/* A page of a type each, in any order: the map says of each what it was told. */
static void any_order_says_the_same(void **state)
{
    uint32_t types[MAX_PIECES];
    bool told[MAX_PIECES];

    (void)state;
    srand(1);
    for (unsigned round = 0; round < 2000; round++) {
        memset(told, 0, sizeof(told));
        n = 0;
        for (unsigned i = 0; i < MAX_PIECES / 2; i++) {
            unsigned page = (unsigned)rand() % MAX_PIECES;
            if (told[page])
                continue;
            told[page] = true;
            types[page] = 1 + (uint32_t)rand() % 2;
            add(page * 4096ull, 4096, types[page], true);
        }
        uint64_t total = 0, pages = 0;
        for (size_t i = 0; i < n; i++) {
            total += memory[i].bytes / 4096;
            for (uint64_t at = memory[i].first; at < memory[i].first + memory[i].bytes; at += 4096)
                assert_true(told[at / 4096] && types[at / 4096] == memory[i].type);
            if (i > 0 && memory[i - 1].first + memory[i - 1].bytes == memory[i].first)
                assert_int_not_equal(memory[i - 1].type, memory[i].type);
        }
        for (unsigned i = 0; i < MAX_PIECES; i++)
            pages += told[i];
        assert_int_equal(total, pages);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_come_in_order),
        cmocka_unit_test(pieces_that_touch_are_joined),
        cmocka_unit_test(any_order_says_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
