/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI hot-plug by ACPI: the registers in byte code, and what is done with them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "tests/unit/fake_machine.h"

#include "boot/kernel/acpi_hotplug.c"

#define BASE 0xae00u
#define GPE  0xafe0u

static uint8_t aml[256];
static size_t n_bytes;

static void add(const void *bytes, size_t n)
{
    memcpy(aml + n_bytes, bytes, n);
    n_bytes += n;
}

/* OperationRegion (NAME, SystemIO, port, length), as QEMU writes it. */
static void add_region(const char *name, uint8_t space, uint16_t port)
{
    add("\x5b\x80", 2);
    add(name, 4);
    add(&(uint8_t[]){space, 0x0b, (uint8_t)port, (uint8_t)(port >> 8), 0x0a, 8}, 6);
}

static struct acpi_hotplug search(void)
{
    struct acpi_hotplug hotplug = {0};
    uint8_t *copy = malloc(n_bytes); /* of its own size, so that a read beyond it is caught */

    memcpy(copy, aml, n_bytes);
    acpi_hotplug_search(&hotplug, copy, n_bytes);
    free(copy);
    return hotplug;
}

static void add_all(uint16_t state, uint16_t eject_port, uint16_t select)
{
    n_bytes = 0;
    add("\x10\x42\x5b\x80PCS", 7);
    add_region("PCST", 1, state);
    add_region("SEJ_", 1, eject_port);
    add_region("BNMR", 1, select);
}

static void registers_are_found(void **state)
{
    (void)state;
    add_all(BASE, BASE + 8, BASE + 16);
    assert_int_equal(search().port, BASE);
    for (size_t cut = 1; cut < 13; cut++) { /* the last region's end is not needed, its port is */
        n_bytes--;
        assert_int_equal(search().port, cut <= 2 ? BASE : 0);
    }
}

static void others_are_not_taken_for_them(void **state)
{
    (void)state;
    add_all(BASE, BASE + 8, BASE + 12);
    assert_int_equal(search().port, 0);
    add_all(BASE, BASE + 4, BASE + 16);
    assert_int_equal(search().port, 0);
    add_all(0xffff, 7, 15); /* beyond the last port */
    assert_int_equal(search().port, 0);
    n_bytes = 0;
    add_region("PCST", 0, BASE); /* memory */
    add_region("SEJ_", 0, BASE + 8);
    add_region("BNMR", 0, BASE + 16);
    assert_int_equal(search().port, 0);
}

/* ---------------------------------------------------------------- the device's side */

static struct {
    uint8_t gpe;
    uint32_t selected, up[3], down[3], ejected[3];
    unsigned n_accesses;
} device;

static uint32_t read_port(void *ctx, uint16_t at, uint8_t width_bytes)
{
    (void)ctx;
    assert_int_equal(width_bytes, 4);
    device.n_accesses++;
    if (device.selected >= 3)
        return 0;
    uint32_t value = at == 0 ? device.up[device.selected] : device.down[device.selected];
    if (at == 0)
        device.up[device.selected] = 0;
    return value;
}

static void write_port(void *ctx, uint16_t at, uint8_t width_bytes, uint32_t value)
{
    (void)ctx;
    assert_int_equal(width_bytes, 4);
    device.n_accesses++;
    if (at == 16) {
        device.selected = value;
        return;
    }
    assert_int_equal(at, 8);
    uint32_t slot = value & -value; /* the others of one write are forgotten */
    device.ejected[device.selected] |= slot & device.down[device.selected];
    device.down[device.selected] &= ~slot;
}

static uint32_t read_gpe(void *ctx, uint16_t at, uint8_t width_bytes)
{
    (void)ctx;
    assert_int_equal(at, 0);
    assert_int_equal(width_bytes, 1);
    return device.gpe;
}

static void write_gpe(void *ctx, uint16_t at, uint8_t width_bytes, uint32_t value)
{
    (void)ctx;
    assert_int_equal(at, 0);
    assert_int_equal(width_bytes, 1);
    device.gpe &= (uint8_t)~value;
}

static void devices_come_and_go(void **state)
{
    static const struct fake_port_ops ops = {read_port, write_port}, gpe = {read_gpe, write_gpe};
    const struct acpi_hotplug hotplug = {BASE, GPE}, none = {0, GPE}, no_event = {BASE, 0};

    (void)state;
    fake_machine_reset();
    fake_port_register(BASE, N_PORTS, &ops, NULL);
    fake_port_register(GPE, 1, &gpe, NULL);
    assert_false(acpi_hotplug_poll(&hotplug, 3));
    device.gpe = 0xfd; /* other events are somebody else's */
    assert_false(acpi_hotplug_poll(&hotplug, 3));
    assert_int_equal(device.n_accesses, 0);
    device.gpe = 0xff;
    device.up[2] = 1u << 5;
    assert_true(acpi_hotplug_poll(&hotplug, 3));
    assert_int_equal(device.gpe, 0xfd);
    assert_int_equal(device.up[2], 0);
    device.gpe = 2;
    device.down[0] = 1u << 31;
    device.down[1] = 1u << 3 | 1u << 7 | 1;
    assert_true(acpi_hotplug_poll(&hotplug, 3));
    assert_int_equal(device.ejected[0], 1u << 31);
    assert_int_equal(device.ejected[1], 1u << 3 | 1u << 7 | 1);
    device.gpe = 2; /* a notice without a cause */
    assert_false(acpi_hotplug_poll(&hotplug, 3));
    device.gpe = 2;
    assert_false(acpi_hotplug_poll(&none, 3));
    assert_false(acpi_hotplug_poll(&no_event, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers_are_found),
        cmocka_unit_test(others_are_not_taken_for_them),
        cmocka_unit_test(devices_come_and_go),
    };
    return cmocka_run_group_tests_name("kernel_acpi_hotplug", tests, NULL, NULL);
}
