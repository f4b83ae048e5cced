/* SPDX-License-Identifier: BSD-2-Clause */
/* The page tables that a kernel is entered with, walked as the processor walks them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/handover.c"

/* The assembler's part, which runs on the bare machine only. */
const uint8_t arch_handover_code[1], arch_handover_code_end[1];
void arch_handover_jump(uint64_t to, uint64_t root)
{
    (void)to;
    (void)root;
    abort();
}

#define GIB (1ull << 30)

static uint8_t *area;

static int make_area(void **state)
{
    (void)state;
    area = aligned_alloc(PAGE_BYTES, ARCH_HANDOVER_BYTES);
    memset(area, 0xa5, ARCH_HANDOVER_BYTES); /* as RAM is */
    return area == NULL;
}

static int drop_area(void **state)
{
    (void)state;
    free(area);
    return 0;
}

/* UINT64_MAX: not mapped. (Intel SDM 3A, 4.5) */
static uint64_t translate(uint64_t root, unsigned n_levels, uint64_t address)
{
    uint64_t table = root;

    for (unsigned level = n_levels; level > 0; level--) {
        unsigned shift = 12 + 9 * (level - 1);
        uint64_t entry = ((const uint64_t *)(uintptr_t)table)[address >> shift & 511];
        if (!(entry & 1))
            return UINT64_MAX;
        assert_int_equal(entry & 2, 2);
        if (entry & 0x80) {
            assert_int_equal(level, 2);
            return (entry & 0xfffffffe00000) + (address & ((1ull << shift) - 1));
        }
        table = entry & 0xffffffffff000;
        assert_true(table >= (uintptr_t)area + ARCH_HANDOVER_TABLES &&
                    table + PAGE_BYTES + PAGE_BYTES <= (uintptr_t)area + ARCH_HANDOVER_BYTES);
    }
    return UINT64_MAX;
}

static void check(uint64_t code, bool is_57_bit)
{
    uint64_t root = arch_handover_tables((uintptr_t)area, code, is_57_bit);
    unsigned n_levels = is_57_bit ? 5 : 4;

    for (uint64_t at = 0; at < 4 * GIB; at += 0x1ff001)
        assert_int_equal(translate(root, n_levels, at), at);
    assert_int_equal(translate(root, n_levels, code), code);
    assert_int_equal(translate(root, n_levels, code | (GIB - 1)), code | (GIB - 1));
    uint64_t beyond = code >= 4 * GIB ? (code | (GIB - 1)) + 1 : 4 * GIB;
    assert_int_equal(translate(root, n_levels, beyond), UINT64_MAX);
}

static void code_may_lie_anywhere(void **state)
{
    static const uint64_t places[] = {0x100000,      4 * GIB - 0x1000,   4 * GIB,
                                      5 * GIB + 123, 512 * GIB + 0x1000, 100000 * GIB + 0xfffff};

    (void)state;
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(places); i++) {
        check(places[i], false);
        check(places[i], true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(code_may_lie_anywhere, make_area, drop_area),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
