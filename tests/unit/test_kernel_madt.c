/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUs from ACPI's table, sound and malformed. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "boot/kernel/acpi_madt.c"

static struct acpi_cpus cpus;
static uint8_t table[4096];
static size_t n_bytes;

static void begin(uint32_t flags)
{
    memset(table, 0, sizeof(table));
    memcpy(table + 40, &flags, sizeof(flags));
    n_bytes = 44;
}

static void add(const void *entry, size_t bytes)
{
    memcpy(table + n_bytes, entry, bytes);
    n_bytes += bytes;
}

static void add_apic(uint8_t id, uint32_t flags)
{
    add(&(struct local_apic){{0, 8}, 77, id, flags}, 8);
}

static void add_x2apic(uint32_t id, uint32_t flags)
{
    add(&(struct local_x2apic){{9, 16}, 0, id, flags, 77}, 16);
}

/* In memory of its own size, so that a read beyond it is caught. */
static void parse(void)
{
    void *copy = malloc(n_bytes);

    memcpy(copy, table, n_bytes);
    acpi_madt_read(&cpus, copy, n_bytes);
    free(copy);
}

static void both_kinds_in_order(void **state)
{
    (void)state;
    begin(1);
    add_apic(4, 1);
    add("\1\14io apic...", 12);
    add_apic(0, 1);
    add_x2apic(300, 1);
    parse();
    assert_true(cpus.has_pic);
    assert_false(cpus.malformed);
    assert_int_equal(cpus.n_cpus, 3);
    assert_int_equal(cpus.apic_ids[0], 4);
    assert_int_equal(cpus.apic_ids[1], 0);
    assert_int_equal(cpus.apic_ids[2], 300);
}

static void what_is_not_enabled_is_no_cpu(void **state)
{
    (void)state;
    begin(0);
    add_apic(0, 1);
    add_apic(1, 0);
    add_apic(2, 2); /* could be plugged in */
    add_apic(0xff, 1);
    add_x2apic(3, 2);
    add_x2apic(0xffffffff, 1);
    parse();
    assert_false(cpus.has_pic);
    assert_int_equal(cpus.n_cpus, 1);
    assert_false(cpus.malformed);
}

static void each_cpu_counts_once(void **state)
{
    (void)state;
    begin(1);
    add_apic(1, 1);
    add_x2apic(1, 1);
    add_apic(1, 1);
    parse();
    assert_int_equal(cpus.n_cpus, 1);
}

static void more_than_fit_are_counted(void **state)
{
    (void)state;
    begin(1);
    for (uint32_t id = 0; id < ACPI_MAX_CPUS + 5; id++)
        add_x2apic(id, 1);
    parse();
    assert_int_equal(cpus.n_cpus, ACPI_MAX_CPUS);
    assert_int_equal(cpus.n_left_out, 5);
    assert_int_equal(cpus.apic_ids[ACPI_MAX_CPUS - 1], ACPI_MAX_CPUS - 1);
}

static void malformed_entries_end_the_table(void **state)
{
    static const struct {
        uint8_t bytes[8];
        size_t n;
    } bad[] = {
        {{0, 0}, 8}, /* would never end */
        {{200, 1}, 8}, {{0, 7}, 8}, {{9, 8}, 8}, {{0, 8}, 7}, {{200, 200}, 8}, {{0}, 1},
    };

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(bad); i++) {
        begin(1);
        add_apic(3, 1);
        add(bad[i].bytes, bad[i].n);
        parse();
        assert_true(cpus.malformed);
        assert_int_equal(cpus.n_cpus, 1);
    }
}

static void a_table_too_short_is_empty(void **state)
{
    (void)state;
    begin(0);
    n_bytes = 43;
    parse();
    assert_true(cpus.malformed);
    assert_true(cpus.has_pic);
    assert_int_equal(cpus.n_cpus, 0);
    n_bytes = 44;
    parse();
    assert_false(cpus.malformed);
}

static void any_bytes_end_in_bounds(void **state)
{
    (void)state;
    srandom(1);
    for (int round = 0; round < 20000; round++) {
        begin(1);
        n_bytes += (size_t)random() % 200;
        for (size_t i = 44; i < n_bytes; i++)
            table[i] = (uint8_t)(random() % 4 ? random() % 20 : random());
        parse();
        assert_true(cpus.n_cpus <= ACPI_MAX_CPUS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_kinds_in_order),
        cmocka_unit_test(what_is_not_enabled_is_no_cpu),
        cmocka_unit_test(each_cpu_counts_once),
        cmocka_unit_test(more_than_fit_are_counted),
        cmocka_unit_test(malformed_entries_end_the_table),
        cmocka_unit_test(a_table_too_short_is_empty),
        cmocka_unit_test(any_bytes_end_in_bounds),
    };
    return cmocka_run_group_tests_name("kernel_madt", tests, NULL, NULL);
}
