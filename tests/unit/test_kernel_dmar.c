/* SPDX-License-Identifier: BSD-2-Clause */
/* VT-d units from ACPI's table, sound and malformed. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "boot/kernel/acpi_dmar.c"

static struct acpi_dmar dmar;
static uint8_t table[8192];
static size_t n_bytes;

static void begin(void)
{
    memset(table, 0, sizeof(table));
    n_bytes = 48;
}

static void add(const void *structure, size_t bytes)
{
    memcpy(table + n_bytes, structure, bytes);
    n_bytes += bytes;
}

static void add_unit(uint64_t registers)
{
    add(&(struct hardware_unit){{0, 16}, 1, 0, 0, registers}, 16);
}

/* In memory of its own size, so that a read beyond it is caught. */
static void parse(void)
{
    void *copy = malloc(n_bytes);

    memcpy(copy, table, n_bytes);
    acpi_dmar_read(&dmar, copy, n_bytes);
    free(copy);
}

/* As QEMU has it: one unit with the scope of its I/O APIC, and what is not looked at. */
static void units_are_found_among_others(void **state)
{
    static const uint8_t with_scope[] = {0, 0, 24, 0, 1, 0, 0, 0, 0, 0,    0xd9, 0xfe,
                                         0, 0, 0,  0, 3, 8, 0, 0, 0, 0xff, 0,    0};
    static const uint8_t other[] = {2, 0, 8, 0, 0, 0, 0, 0};

    (void)state;
    begin();
    add(other, sizeof(other));
    add(with_scope, sizeof(with_scope));
    add(other, sizeof(other));
    add_unit(0x1234567000);
    parse();
    assert_false(dmar.malformed);
    assert_int_equal(dmar.n_units, 2);
    assert_int_equal(dmar.registers[0], 0xfed90000);
    assert_int_equal(dmar.registers[1], 0x1234567000);
}

static void more_than_fit_are_counted(void **state)
{
    (void)state;
    begin();
    for (uint64_t i = 1; i <= ACPI_MAX_DMAR_UNITS + 3; i++)
        add_unit(i << 12);
    parse();
    assert_int_equal(dmar.n_units, ACPI_MAX_DMAR_UNITS);
    assert_int_equal(dmar.n_left_out, 3);
    assert_int_equal(dmar.registers[ACPI_MAX_DMAR_UNITS - 1], (uint64_t)ACPI_MAX_DMAR_UNITS << 12);
}

static void malformed_structures_end_the_table(void **state)
{
    static const struct {
        uint8_t bytes[16];
        size_t n;
    } bad[] = {
        {{0, 0, 0, 0}, 16},                            /* would never end */
        {{7, 0, 3, 0}, 16},                            /* shorter than its own header */
        {{0, 0, 15, 0, 1, 0, 0, 0, 0, 0x10}, 16},      /* shorter than a unit */
        {{0, 0, 17, 0, 1, 0, 0, 0, 0, 0x10}, 16},      /* leaves the table */
        {{0, 0, 0xff, 0xff, 1, 0, 0, 0, 0, 0x10}, 16}, /* by far */
        {{0, 0, 16, 0, 1, 0, 0, 0, 0}, 16},            /* registers nowhere */
        {{0, 0, 16, 0, 1, 0, 0, 0, 1, 0x10}, 16},      /* not on a page */
        {{0, 0, 16}, 3},                               /* half a header */
    };

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(bad); i++) {
        begin();
        add_unit(0xfed90000);
        add(bad[i].bytes, bad[i].n);
        parse();
        assert_true(dmar.malformed);
        assert_int_equal(dmar.n_units, 1);
    }
}

static void a_table_too_short_is_empty(void **state)
{
    (void)state;
    begin();
    n_bytes = 47;
    parse();
    assert_true(dmar.malformed);
    assert_int_equal(dmar.n_units, 0);
    n_bytes = 48;
    parse();
    assert_false(dmar.malformed);
}

static void any_bytes_end_in_bounds(void **state)
{
    (void)state;
    srandom(1);
    for (int round = 0; round < 20000; round++) {
        begin();
        n_bytes += (size_t)random() % 400;
        for (size_t i = 48; i < n_bytes; i++)
            table[i] = (uint8_t)(random() % 4 ? random() % 3 * 8 : random());
        parse();
        assert_true(dmar.n_units <= ACPI_MAX_DMAR_UNITS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_found_among_others),
        cmocka_unit_test(more_than_fit_are_counted),
        cmocka_unit_test(malformed_structures_end_the_table),
        cmocka_unit_test(a_table_too_short_is_empty),
        cmocka_unit_test(any_bytes_end_in_bounds),
    };
    return cmocka_run_group_tests_name("kernel_dmar", tests, NULL, NULL);
}
