/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is called for which interrupt. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "boot/kernel/vectors.c"

static struct vector_table table;
static struct interrupt_line line;
static unsigned n_calls[256];

static int setup(void **state)
{
    (void)state;
    memset(&table, 0, sizeof(table));
    memset(&line, 0, sizeof(line));
    memset(n_calls, 0, sizeof(n_calls));
    return 0;
}

static void count(void *ctx)
{
    assert_true(vector_table_is_dispatching(&table));
    ++*(unsigned *)ctx;
}

static void all_free_vectors_are_given_out_once(void **state)
{
    bool seen[256] = {false};
    unsigned n = 0, vector;

    (void)state;
    while ((vector = vector_table_add(&table, count, &n_calls[n])) != 0) {
        assert_in_range(vector, VECTOR_FREE, VECTOR_WAKE - 1);
        assert_false(seen[vector]);
        seen[vector] = true;
        n++;
    }
    assert_int_equal(n, VECTOR_WAKE - VECTOR_FREE);
    vector_table_remove(&table, 100);
    assert_int_equal(vector_table_add(&table, count, &n_calls[0]), 100);
    assert_int_equal(vector_table_add(&table, count, &n_calls[0]), 0);
}

static void the_right_handler_is_called_and_counted(void **state)
{
    unsigned a = vector_table_add(&table, count, &n_calls[0]);
    unsigned b = vector_table_add(&table, count, &n_calls[1]);

    (void)state;
    vector_table_dispatch(&table, b);
    vector_table_dispatch(&table, b);
    vector_table_dispatch(&table, a);
    assert_int_equal(n_calls[0], 1);
    assert_int_equal(n_calls[1], 2);
    assert_int_equal(vector_table_count(&table, b), 2);
    assert_int_equal(table.n_strays, 0);
    assert_false(vector_table_is_dispatching(&table));
}

static void what_nobody_wants_is_a_stray(void **state)
{
    unsigned vector = vector_table_add(&table, count, &n_calls[0]);

    (void)state;
    vector_table_remove(&table, vector);
    vector_table_dispatch(&table, vector);
    vector_table_dispatch(&table, 32);
    vector_table_dispatch(&table, 255);
    assert_int_equal(table.n_strays, 3);
    assert_int_equal(n_calls[0], 0);
    vector_table_dispatch(&table, VECTOR_WAKE);
    assert_int_equal(table.n_strays, 3);
    assert_int_equal(vector_table_count(&table, VECTOR_WAKE), 1);
}

static void counts_begin_anew_and_know_their_bounds(void **state)
{
    unsigned vector = vector_table_add(&table, count, &n_calls[0]);

    (void)state;
    vector_table_dispatch(&table, vector);
    vector_table_remove(&table, vector);
    assert_int_equal(vector_table_add(&table, count, &n_calls[0]), vector);
    assert_int_equal(vector_table_count(&table, vector), 0);
    assert_int_equal(vector_table_count(&table, 31), 0);
    assert_int_equal(vector_table_count(&table, 256), 0);
    vector_table_remove(&table, 31);
    vector_table_remove(&table, 256);
}

static bool claim(void *ctx)
{
    ++*(unsigned *)ctx;
    return true;
}

static bool deny(void *ctx)
{
    ++*(unsigned *)ctx;
    return false;
}

static void everybody_on_a_shared_line_is_asked(void **state)
{
    (void)state;
    assert_true(interrupt_line_add(&line, claim, &n_calls[0]));
    assert_true(interrupt_line_add(&line, deny, &n_calls[1]));
    assert_true(interrupt_line_add(&line, claim, &n_calls[2]));
    assert_true(interrupt_line_dispatch(&line));
    interrupt_line_remove(&line, claim, &n_calls[0]);
    interrupt_line_remove(&line, claim, &n_calls[1]); /* never was there */
    assert_true(interrupt_line_dispatch(&line));
    assert_int_equal(n_calls[0], 1);
    assert_int_equal(n_calls[1], 2);
    assert_int_equal(n_calls[2], 2);
    assert_int_equal(line.n_interrupts, 2);
}

static void a_line_takes_so_many_and_no_more(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LINE_MAX_HANDLERS; i++)
        assert_true(interrupt_line_add(&line, claim, &n_calls[i]));
    assert_false(interrupt_line_add(&line, claim, &n_calls[100]));
    interrupt_line_remove(&line, claim, &n_calls[3]);
    assert_true(interrupt_line_add(&line, claim, &n_calls[100]));
}

/* A hostile or forgotten device that holds the line must not stop the machine. */
static void a_storm_that_nobody_claims_is_ended(void **state)
{
    (void)state;
    assert_true(interrupt_line_add(&line, deny, &n_calls[0]));
    for (unsigned i = 1; i < LINE_MAX_UNCLAIMED; i++)
        assert_true(interrupt_line_dispatch(&line));
    assert_true(interrupt_line_add(&line, claim, &n_calls[1])); /* begins the count anew */
    assert_true(interrupt_line_dispatch(&line));
    interrupt_line_remove(&line, claim, &n_calls[1]);
    for (unsigned i = 1; i < LINE_MAX_UNCLAIMED; i++)
        assert_true(interrupt_line_dispatch(&line));
    assert_false(interrupt_line_dispatch(&line));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_free_vectors_are_given_out_once, setup),
        cmocka_unit_test_setup(the_right_handler_is_called_and_counted, setup),
        cmocka_unit_test_setup(what_nobody_wants_is_a_stray, setup),
        cmocka_unit_test_setup(counts_begin_anew_and_know_their_bounds, setup),
        cmocka_unit_test_setup(everybody_on_a_shared_line_is_asked, setup),
        cmocka_unit_test_setup(a_line_takes_so_many_and_no_more, setup),
        cmocka_unit_test_setup(a_storm_that_nobody_claims_is_ended, setup),
    };
    return cmocka_run_group_tests_name("kernel_vectors", tests, NULL, NULL);
}
