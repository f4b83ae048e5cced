/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's sets of addresses against a plain array of flags. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "boot/loader/range_set.c"

#define UNIVERSE 200u

static void assert_equals_flags(const struct range_set *set, const bool *flags)
{
    size_t n_ranges = 0;

    for (uint64_t at = 0; at < UNIVERSE; at++) {
        assert_int_equal(range_set_intersects(set, at, at + 1), flags[at]);
        n_ranges += flags[at] && (at == 0 || !flags[at - 1]);
    }
    assert_int_equal(set->n_ranges, n_ranges);
}

static void behaves_like_flags(void **state)
{
    (void)state;
    srandom(1);
    for (int round = 0; round < 200; round++) {
        struct range_set set = {0};
        bool flags[UNIVERSE] = {false};
        for (int step = 0; step < 60; step++) {
            uint64_t first = (uint64_t)random() % UNIVERSE;
            uint64_t end = first + (uint64_t)random() % (UNIVERSE - first + 1);
            bool adding = random() % 2;
            for (uint64_t at = first; at < end; at++)
                flags[at] = adding;
            assert_true(adding ? range_set_add(&set, first, end)
                               : range_set_remove(&set, first, end));
            assert_equals_flags(&set, flags);
        }
    }
}

static void refuses_what_does_not_fit_without_a_change(void **state)
{
    struct range_set set = {0};

    (void)state;
    for (uint64_t i = 0; i < RANGE_SET_MAX; i++)
        assert_true(range_set_add(&set, i * 10, i * 10 + 5));
    assert_false(range_set_add(&set, 10 * RANGE_SET_MAX, 10 * RANGE_SET_MAX + 1));
    assert_false(range_set_remove(&set, 2, 3));
    assert_int_equal(set.n_ranges, RANGE_SET_MAX);
    assert_int_equal(range_set_total(&set), 5 * RANGE_SET_MAX);
    assert_true(range_set_add(&set, 5, 10));
    assert_int_equal(range_set_longest(&set).end, 15);
}

static void knows_the_end_of_the_address_space(void **state)
{
    struct range_set set = {0};

    (void)state;
    assert_int_equal(range_set_longest(&set).end, 0);
    assert_true(range_set_add(&set, 0, UINT64_MAX));
    assert_true(range_set_remove(&set, 4096, UINT64_MAX));
    assert_int_equal(range_set_total(&set), 4096);
    assert_true(round_up(UINT64_MAX - 1, 4096) == UINT64_MAX - 4095);
    assert_int_equal(round_up(4097, 4096), 8192);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behaves_like_flags),
        cmocka_unit_test(refuses_what_does_not_fit_without_a_change),
        cmocka_unit_test(knows_the_end_of_the_address_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
