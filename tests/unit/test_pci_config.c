/* SPDX-License-Identifier: BSD-2-Clause */
/* Ways to configuration space, names, and the command register. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "fake_machine.h"
#include "fake_pci.h"

#define ADDRESS(b, d, f) ((struct vst_pci_address){.bus = (b), .device = (d), .function = (f)})

/* ---------------------------------------------------------------- ECAM */

static uint8_t around_ecam[4 << 20]; /* a bus of foreign memory on each side */
static uint8_t *const ecam_memory = around_ecam + (1 << 20);
#define ECAM_BYTES (2u << 20)

struct access {
    uint64_t offset;
    uint32_t value;
    uint8_t width;
    unsigned n;
};
static struct access last;

static uint32_t ecam_device_read(void *ctx, uint64_t offset, uint8_t width_bytes)
{
    (void)ctx;
    last = (struct access){offset, 0, width_bytes, last.n + 1};
    return 0x87654321;
}
static void ecam_device_write(void *ctx, uint64_t offset, uint8_t width_bytes, uint32_t value)
{
    (void)ctx;
    last = (struct access){offset, value, width_bytes, last.n + 1};
}
static const struct fake_mmio_ops ecam_ops = {ecam_device_read, ecam_device_write};
static const struct vst_pci_ecam ecam = {
    .base = around_ecam + (1 << 20), .segment = 0, .first_bus = 0x40, .last_bus = 0x41};

static int setup(void **state)
{
    (void)state;
    fake_machine_reset();
    fake_pci_reset();
    last = (struct access){0};
    return 0;
}

static void ecam_places_bus_device_function_offset(void **state)
{
    (void)state;
    fake_mmio_register(ecam_memory, ECAM_BYTES, &ecam_ops, NULL);
    assert_int_equal(vst_pci_ecam_read(&ecam, ADDRESS(0x41, 31, 7), 0xffc, 4), 0x87654321);
    assert_int_equal(last.offset, 1 << 20 | 31 << 15 | 7 << 12 | 0xffc);
    assert_int_equal(vst_pci_ecam_read(&ecam, ADDRESS(0x40, 1, 2), 6, 2), 0x4321);
    assert_int_equal(last.offset, 1 << 15 | 2 << 12 | 6);
    assert_int_equal(last.width, 2);
    assert_int_equal(vst_pci_ecam_read(&ecam, ADDRESS(0x40, 0, 0), 0x0e, 1), 0x21);
    assert_int_equal(last.width, 1);
}

static void ecam_writes_each_width(void **state)
{
    (void)state;
    fake_mmio_register(ecam_memory, ECAM_BYTES, &ecam_ops, NULL);
    for (uint8_t width = 1; width <= 4; width = (uint8_t)(2 * width)) {
        vst_pci_ecam_write(&ecam, ADDRESS(0x40, 3, 0), 0x10, width, 0xa1b2c3d4);
        assert_int_equal(last.offset, 3 << 15 | 0x10);
        assert_int_equal(last.width, width);
        assert_int_equal(last.value, 0xa1b2c3d4u & (UINT32_MAX >> (32 - 8 * width)));
    }
}

/* Plain memory stands for registers where nobody is registered. */
static void ecam_reads_what_it_wrote(void **state)
{
    (void)state;
    vst_pci_ecam_write(&ecam, ADDRESS(0x41, 0, 1), 0x40, 4, 0x11223344);
    assert_int_equal(vst_pci_ecam_read(&ecam, ADDRESS(0x41, 0, 1), 0x42, 2), 0x1122);
}

static void ecam_stays_in_its_bounds(void **state)
{
    static const struct {
        struct vst_pci_address address;
        uint16_t offset;
        uint8_t width;
        uint32_t answer;
    } rows[] = {
        {{.bus = 0x3f}, 0, 4, 0xffffffff},
        {{.bus = 0x42}, 0, 4, 0xffffffff},
        {{.bus = 0x40, .segment = 1}, 0, 2, 0xffff},
        {{.bus = 0x40, .device = 32}, 0, 1, 0xff},
        {{.bus = 0x40, .function = 8}, 0, 4, 0xffffffff},
        {{.bus = 0x41, .device = 31, .function = 7}, 4096, 4, 0xffffffff},
        {{.bus = 0x40}, 2, 4, 0xffffffff},
        {{.bus = 0x40}, 1, 2, 0xffff},
        {{.bus = 0x40}, 0, 3, 0xffffffff},
        {{.bus = 0x40}, 0, 8, 0xffffffff},
        {{.bus = 0x40}, 0, 0, 0xffffffff},
    };

    (void)state;
    fake_mmio_register(around_ecam, sizeof(around_ecam), &ecam_ops, NULL);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(rows); i++) {
        assert_int_equal(vst_pci_ecam_read(&ecam, rows[i].address, rows[i].offset, rows[i].width),
                         rows[i].answer);
        vst_pci_ecam_write(&ecam, rows[i].address, rows[i].offset, rows[i].width, 0);
        assert_int_equal(last.n, 0);
    }
}

/* ---------------------------------------------------------------- CF8/CFC */

static uint32_t selected;
static unsigned n_data_accesses;

static uint32_t address_read(void *ctx, uint16_t offset, uint8_t width_bytes)
{
    (void)ctx;
    assert_int_equal(offset, 0);
    assert_int_equal(width_bytes, 4);
    return selected;
}
static void address_write(void *ctx, uint16_t offset, uint8_t width_bytes, uint32_t value)
{
    (void)ctx;
    assert_int_equal(offset, 0);
    assert_int_equal(width_bytes, 4);
    selected = value;
}
static uint32_t data_read(void *ctx, uint16_t offset, uint8_t width_bytes)
{
    (void)ctx;
    n_data_accesses++;
    last = (struct access){offset, 0, width_bytes, last.n + 1};
    return 0x87654321;
}
static void data_write(void *ctx, uint16_t offset, uint8_t width_bytes, uint32_t value)
{
    (void)ctx;
    n_data_accesses++;
    last = (struct access){offset, value, width_bytes, last.n + 1};
}
static const struct fake_port_ops address_ops = {address_read, address_write};
static const struct fake_port_ops data_ops = {data_read, data_write};

static void register_ports(void)
{
    selected = n_data_accesses = 0;
    fake_port_register(0xcf8, 4, &address_ops, NULL);
    fake_port_register(0xcfc, 4, &data_ops, NULL);
}

static void ports_select_and_read(void **state)
{
    (void)state;
    register_ports();
    assert_int_equal(vst_pci_port_read(ADDRESS(0x12, 31, 7), 0xfc, 4), 0x87654321);
    assert_int_equal(selected, 0x80000000u | 0x12 << 16 | 31 << 11 | 7 << 8 | 0xfc);
    assert_int_equal(vst_pci_port_read(ADDRESS(0, 1, 0), 0x3e, 2), 0x4321);
    assert_int_equal(selected, 0x80000000u | 1 << 11 | 0x3c);
    assert_int_equal(last.offset, 2);
    assert_int_equal(vst_pci_port_read(ADDRESS(0, 1, 0), 0x3d, 1), 0x21);
    assert_int_equal(last.offset, 1);
}

static void ports_write_each_width(void **state)
{
    (void)state;
    register_ports();
    for (uint8_t width = 1; width <= 4; width = (uint8_t)(2 * width)) {
        vst_pci_port_write(ADDRESS(0, 3, 0), 0x14, width, 0xa1b2c3d4);
        assert_int_equal(selected, 0x80000000u | 3 << 11 | 0x14);
        assert_int_equal(last.width, width);
        assert_int_equal(last.value, 0xa1b2c3d4u & (UINT32_MAX >> (32 - 8 * width)));
    }
}

static void ports_reach_256_bytes_of_segment_0(void **state)
{
    (void)state;
    register_ports();
    assert_int_equal(vst_pci_port_read(ADDRESS(0, 0, 0), 0x100, 4), 0xffffffff);
    assert_int_equal(vst_pci_port_read(ADDRESS(0, 0, 0), 0x01, 2), 0xffff);
    assert_int_equal(vst_pci_port_read(ADDRESS(0, 32, 0), 0, 1), 0xff);
    assert_int_equal(vst_pci_port_read((struct vst_pci_address){.segment = 1}, 0, 4), 0xffffffff);
    vst_pci_port_write(ADDRESS(0, 0, 0), 0x100, 4, 0);
    assert_int_equal(n_data_accesses, 0);
    assert_int_equal(selected, 0);
}

static void ports_nobody_answers(void **state)
{
    (void)state;
    assert_int_equal(vst_pci_port_read(ADDRESS(0, 0, 0), 0, 4), 0xffffffff);
    vst_pci_port_write(ADDRESS(0, 0, 0), 0, 4, 0);
}

/* ---------------------------------------------------------------- names */

static void names_of_classes(void **state)
{
    (void)state;
    assert_string_equal(vst_pci_class_name(0x01, 0x00), "SCSI storage controller");
    assert_string_equal(vst_pci_class_name(0x01, 0x77), "Mass storage controller");
    assert_string_equal(vst_pci_class_name(0x06, 0x04), "PCI bridge");
    assert_string_equal(vst_pci_class_name(0xff, 0x00), "Unassigned class");
    assert_string_equal(vst_pci_class_name(0x55, 0x00), "unknown class");
    for (unsigned class = 0; class < 0x10000; class ++)
        assert_non_null(vst_pci_class_name((uint8_t)(class >> 8), (uint8_t) class));
}

static void names_of_capabilities(void **state)
{
    (void)state;
    assert_string_equal(vst_pci_capability_name(0x11), "MSI-X");
    assert_string_equal(vst_pci_capability_name(0x09), "Vendor Specific");
    assert_string_equal(vst_pci_capability_name(0x16), "unknown");
    for (unsigned id = 0; id < 256; id++)
        assert_non_null(vst_pci_capability_name((uint8_t)id));
}

static void text_of_an_address(void **state)
{
    char text[13];

    (void)state;
    assert_string_equal(vst_pci_address_text((struct vst_pci_address){0xabcd, 0xfe, 31, 7}, text),
                        "abcd:fe:1f.7");
    assert_string_equal(vst_pci_address_text(ADDRESS(0, 5, 0), text), "0000:00:05.0");
    assert_string_equal(vst_pci_address_text((struct vst_pci_address){0xffff, 255, 255, 255}, text),
                        "ffff:ff:ff.7");
}

/* ---------------------------------------------------------------- command register */

static struct vst_pci_function functions[16];
static size_t n_functions;

static void scan(void)
{
    struct vst_pci_host host = {.platform = &fake_pci.platform, .last_bus = 8};

    assert_int_equal(vst_pci_scan(&host, functions, 16, &n_functions), VST_OK);
}

/* SeaBIOS: a disk whose bus mastering was never enabled answers registers and never moves a byte.
 */
static void regression_seabios_bus_mastering_on_function_and_bridges(void **state)
{
    struct fake_pci_function *upper = fake_pci_add_bridge(fake_pci_root(0), 2, 0);
    struct fake_pci_function *lower = fake_pci_add_bridge(upper->below, 3, 0);
    struct fake_pci_function *disk = fake_pci_add(lower->below, 4, 0, 0x1af4, 0x1042, 0x010000);
    struct fake_pci_function *other = fake_pci_add(lower->below, 5, 0, 0x1af4, 0x1042, 0x010000);

    (void)state;
    fake_pci_bar(disk, 0, 0, 4096, 0xfe000000);
    fake_pci_numbers(upper, 0, 1, 2);
    fake_pci_numbers(lower, 1, 2, 2);
    scan();
    assert_int_equal(n_functions, 4);
    fake_pci_set16(disk, 0x04, 0x0044);
    vst_pci_enable(&fake_pci.platform, functions, &functions[2]);
    assert_int_equal(fake_pci_get16(disk, 0x04), 0x0443); /* not before its driver has reset it */
    vst_pci_bus_master_enable(&fake_pci.platform, &functions[2]);
    assert_int_equal(fake_pci_get16(disk, 0x04), 0x0447);
    assert_int_equal(fake_pci_get16(lower, 0x04), 0x0007);
    assert_int_equal(fake_pci_get16(upper, 0x04), 0x0007);
    assert_int_equal(fake_pci_get16(other, 0x04), 0);
    /* once more changes nothing and writes nothing */
    unsigned n_writes = fake_pci.n_writes;
    vst_pci_bus_master_enable(&fake_pci.platform, &functions[2]);
    assert_int_equal(fake_pci.n_writes, n_writes);
    vst_pci_disable(&fake_pci.platform, &functions[2]);
    assert_int_equal(fake_pci_get16(disk, 0x04), 0x0440);
    assert_int_equal(fake_pci_get16(lower, 0x04), 0x0007);
}

static void enabling_leaves_out_what_would_claim_address_0(void **state)
{
    struct fake_pci_function *disk = fake_pci_add(fake_pci_root(0), 1, 0, 0x1af4, 0x1001, 0x010000);

    (void)state;
    fake_pci_bar(disk, 0, 1, 64, 0);
    fake_pci_bar(disk, 1, 0, 4096, 0xfe000000);
    fake_pci_bar(disk, 2, 0, 4096, 0);
    scan();
    vst_pci_enable(&fake_pci.platform, functions, &functions[0]);
    assert_int_equal(fake_pci_get16(disk, 0x04), 0x0402);
}

/* An array that a caller has spoilt must not hang the machine. */
static void enabling_survives_parents_in_a_circle(void **state)
{
    struct fake_pci_bus *root = fake_pci_root(0);

    (void)state;
    (void)fake_pci_add(root, 1, 0, 0x1af4, 0x1001, 0x010000);
    (void)fake_pci_add(root, 2, 0, 0x1af4, 0x1001, 0x010000);
    scan();
    functions[0].parent = 1;
    functions[1].parent = 1;
    vst_pci_enable(&fake_pci.platform, functions, &functions[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(ecam_places_bus_device_function_offset, setup),
        cmocka_unit_test_setup(ecam_writes_each_width, setup),
        cmocka_unit_test_setup(ecam_reads_what_it_wrote, setup),
        cmocka_unit_test_setup(ecam_stays_in_its_bounds, setup),
        cmocka_unit_test_setup(ports_select_and_read, setup),
        cmocka_unit_test_setup(ports_write_each_width, setup),
        cmocka_unit_test_setup(ports_reach_256_bytes_of_segment_0, setup),
        cmocka_unit_test_setup(ports_nobody_answers, setup),
        cmocka_unit_test_setup(names_of_classes, setup),
        cmocka_unit_test_setup(names_of_capabilities, setup),
        cmocka_unit_test_setup(text_of_an_address, setup),
        cmocka_unit_test_setup(regression_seabios_bus_mastering_on_function_and_bridges, setup),
        cmocka_unit_test_setup(enabling_leaves_out_what_would_claim_address_0, setup),
        cmocka_unit_test_setup(enabling_survives_parents_in_a_circle, setup),
    };

    return cmocka_run_group_tests_name("pci_config", tests, NULL, NULL);
}
