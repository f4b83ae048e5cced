/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizing of BARs, and the windows of bridges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "fake_pci.h"

static struct fake_pci_bus *root;
static struct fake_pci_function *device;
static struct vst_pci_function found;

static int setup(void **state)
{
    (void)state;
    fake_pci_reset();
    root = fake_pci_root(0);
    device = fake_pci_add(root, 1, 0, 0x1af4, 0x1042, 0x010000);
    return 0;
}

/* Scans, and checks that sizing left every register as it was. */
static void scan(void)
{
    struct vst_pci_host host = {.platform = &fake_pci.platform, .last_bus = 0};
    uint8_t before[256];
    size_t n;

    memcpy(before, device->config, sizeof(before));
    assert_int_equal(vst_pci_scan(&host, &found, 1, &n), VST_OK);
    assert_int_equal(n, 1);
    if (found.header_type != 1) /* a bridge gets bus numbers */
        assert_memory_equal(before, device->config, sizeof(before));
}

static void assert_bar(unsigned index, enum vst_pci_bar_kind kind, bool prefetchable,
                       uint64_t bytes, uint64_t address)
{
    const struct vst_pci_bar *bar = &found.bars[index];

    assert_int_equal(bar->kind, kind);
    assert_int_equal(bar->prefetchable, prefetchable);
    assert_int_equal(bar->bytes, bytes);
    assert_int_equal(bar->address, address);
    assert_int_equal(bar->assigned, address != 0);
}

static void assert_none(unsigned first)
{
    for (unsigned i = first; i < VST_PCI_N_BARS; i++) {
        assert_int_equal(found.bars[i].kind, VST_PCI_BAR_NONE);
        assert_int_equal(found.bars[i].bytes, 0);
        assert_false(found.bars[i].assigned);
    }
}

static void kinds_of_bars(void **state)
{
    (void)state;
    fake_pci_bar(device, 0, 0x1, 64, 0xc040);
    fake_pci_bar(device, 1, 0x0, 4096, 0xfebf1000);
    fake_pci_bar(device, 2, 0x8, 1 << 20, 0xe0000000);
    fake_pci_bar(device, 4, 0xc, 16384, 0xfe000000);
    scan();
    assert_bar(0, VST_PCI_BAR_IO, false, 64, 0xc040);
    assert_bar(1, VST_PCI_BAR_MEMORY32, false, 4096, 0xfebf1000);
    assert_bar(2, VST_PCI_BAR_MEMORY32, true, 1 << 20, 0xe0000000);
    assert_bar(3, VST_PCI_BAR_NONE, false, 0, 0);
    assert_bar(4, VST_PCI_BAR_MEMORY64, true, 16384, 0xfe000000);
    assert_none(5);
}

/* ipxe#1760: the upper half of a 64-bit BAR is part of the address. */
static void regression_ipxe_1760_bar_above_4g(void **state)
{
    (void)state;
    fake_pci_bar(device, 4, 0xc, 16384, 0x7000004000);
    scan();
    assert_bar(4, VST_PCI_BAR_MEMORY64, true, 16384, 0x7000004000);
}

/* qboot#13: firmware that assigns nothing leaves 0, which is not an address. */
static void regression_qboot_13_bars_left_at_0(void **state)
{
    (void)state;
    fake_pci_bar(device, 0, 0x1, 64, 0);
    fake_pci_bar(device, 1, 0x0, 4096, 0);
    fake_pci_bar(device, 4, 0xc, 16384, 0);
    scan();
    assert_bar(0, VST_PCI_BAR_IO, false, 64, 0);
    assert_bar(1, VST_PCI_BAR_MEMORY32, false, 4096, 0);
    assert_bar(4, VST_PCI_BAR_MEMORY64, true, 16384, 0);
}

/* hermit#1392: the register after a 64-bit BAR is no BAR of its own, whatever bits it holds. */
static void regression_hermit_1392_upper_half_is_none(void **state)
{
    (void)state;
    fake_pci_bar(device, 0, 0x4, 4096, 0x1fe000000);
    /* the upper half of this one looks like a 32-bit BAR of 16 bytes */
    fake_pci_bar(device, 2, 0x4, (uint64_t)64 << 30, 0x70000000000);
    scan();
    assert_bar(0, VST_PCI_BAR_MEMORY64, false, 4096, 0x1fe000000);
    assert_bar(1, VST_PCI_BAR_NONE, false, 0, 0);
    assert_bar(2, VST_PCI_BAR_MEMORY64, false, (uint64_t)64 << 30, 0x70000000000);
    assert_none(3);
}

/* virtio-drivers aecdc69: while ones stand in a BAR, the function must not decode. */
static void regression_virtio_drivers_aecdc69_decode_off_while_sizing(void **state)
{
    (void)state;
    fake_pci_bar(device, 0, 0x1, 64, 0xc040);
    fake_pci_bar(device, 1, 0x0, 4096, 0xfebf1000);
    fake_pci_bar(device, 4, 0xc, 16384, 0x7000004000);
    fake_pci_set16(device, 0x04, 0x0507);
    scan();
    assert_int_equal(fake_pci.n_bar_writes_while_decoding, 0);
    assert_int_equal(fake_pci_get16(device, 0x04), 0x0507);
    assert_int_equal(found.command, 0x0507);
    assert_int_equal(device->n_command_writes, 2);
}

static void no_command_write_where_nothing_is_decoded(void **state)
{
    (void)state;
    fake_pci_bar(device, 1, 0x0, 4096, 0xfebf1000);
    fake_pci_set16(device, 0x04, 0x0404);
    scan();
    assert_int_equal(device->n_command_writes, 0);
}

/* Status bits are cleared by ones: a 32-bit write back of the command would wipe them. */
static void status_survives(void **state)
{
    (void)state;
    fake_pci_set16(device, 0x04, 0x0003);
    device->config[0x07] = 0xf9;
    scan();
    assert_int_equal(device->config[0x07], 0xf9);
}

static void a_host_bridge_keeps_decoding(void **state)
{
    (void)state;
    fake_pci_set32(device, 0x08, 0x06000000);
    fake_pci_set16(device, 0x04, 0x0007);
    fake_pci_bar(device, 0, 0x8, 1 << 20, 0xe0000000);
    scan();
    assert_int_equal(device->n_command_writes, 0);
    assert_bar(0, VST_PCI_BAR_MEMORY32, true, 1 << 20, 0xe0000000);
}

static void a_64_bit_bar_has_no_room_in_the_last_register(void **state)
{
    (void)state;
    fake_pci_bar(device, 5, 0x4, 4096, 0xfe000000);
    scan();
    assert_none(0);
}

static void extreme_sizes(void **state)
{
    (void)state;
    fake_pci_bar(device, 0, 0x0, 16, 0xfe000010);
    fake_pci_bar(device, 1, 0x0, 0x80000000, 0x80000000);
    fake_pci_bar(device, 2, 0x4, (uint64_t)1 << 63, (uint64_t)1 << 63);
    fake_pci_bar(device, 4, 0xc, (uint64_t)1 << 32, (uint64_t)3 << 32);
    scan();
    assert_bar(0, VST_PCI_BAR_MEMORY32, false, 16, 0xfe000010);
    assert_bar(1, VST_PCI_BAR_MEMORY32, false, 0x80000000, 0x80000000);
    assert_bar(2, VST_PCI_BAR_MEMORY64, false, (uint64_t)1 << 63, (uint64_t)1 << 63);
    assert_bar(4, VST_PCI_BAR_MEMORY64, true, (uint64_t)1 << 32, (uint64_t)3 << 32);
}

static void io_bars_with_16_and_32_bits(void **state)
{
    (void)state;
    fake_pci_bar(device, 0, 0x1, 4, 0x1f0);
    fake_pci_bar(device, 1, 0x1, 32, 0xc020);
    device->writable[0x16] = device->writable[0x17] = 0; /* upper half wired to 0 */
    fake_pci_bar(device, 2, 0x1, 0x10000, 0x30000);
    fake_pci_bar(device, 3, 0x1, 0x8000, 0x8000);
    device->writable[0x1e] = device->writable[0x1f] = 0;
    scan();
    assert_bar(0, VST_PCI_BAR_IO, false, 4, 0x1f0);
    assert_bar(1, VST_PCI_BAR_IO, false, 32, 0xc020);
    assert_bar(2, VST_PCI_BAR_IO, false, 0x10000, 0x30000);
    assert_bar(3, VST_PCI_BAR_IO, false, 0x8000, 0x8000);
}

static void set_mask(unsigned index, uint32_t mask)
{
    for (unsigned i = 0; i < 4; i++)
        device->writable[0x10 + 4 * index + i] = (uint8_t)(mask >> 8 * i);
}

static void nonsense_becomes_none(void **state)
{
    (void)state;
    set_mask(0, 0xff0ff000); /* a hole in the mask */
    set_mask(1, 0x0ffff000); /* the top missing */
    set_mask(2, 0xff00);     /* an I/O BAR with a hole */
    device->config[0x18] = 1;
    device->config[0x1c] = 0x2; /* reserved type 01 */
    set_mask(3, 0xfffff000);
    device->config[0x20] = 0x6; /* reserved type 11 */
    set_mask(4, 0xfffff000);
    device->config[0x24] = 0x8; /* flags and no address bit */
    scan();
    assert_int_equal(found.bars[2].kind, VST_PCI_BAR_IO); /* 0xff00 alone is sound: 256 ports */
    found.bars[2] = (struct vst_pci_bar){0};
    assert_none(0);
    set_mask(2, 0x0ff0);
    set_mask(3, 0);
    device->config[0x1c] = 0x1;
    scan();
    assert_none(0);
}

static void a_64_bit_bar_without_upper_bits_is_none(void **state)
{
    (void)state;
    fake_pci_bar(device, 0, 0x4, 4096, 0);
    set_mask(1, 0);
    fake_pci_bar(device, 2, 0x0, 4096, 0xfe000000);
    scan();
    assert_int_equal(found.bars[0].kind, VST_PCI_BAR_NONE);
    assert_int_equal(found.bars[1].kind, VST_PCI_BAR_NONE);
    assert_bar(2, VST_PCI_BAR_MEMORY32, false, 4096, 0xfe000000);
}

/* All registers of a function that vanished between two reads are ones. */
static void all_ones_is_no_bar(void **state)
{
    (void)state;
    memset(device->config + 0x10, 0xff, 24);
    scan();
    assert_none(0);
}

/* ---------------------------------------------------------------- bridges */

static void scan_bridge(void)
{
    fake_pci_reset();
    root = fake_pci_root(0);
    device = fake_pci_add_bridge(root, 1, 0);
}

static void assert_window(const struct vst_pci_window *window, uint64_t first, uint64_t last)
{
    assert_int_equal(window->first, first);
    assert_int_equal(window->last, last);
}

static void a_bridge_has_two_bars(void **state)
{
    (void)state;
    scan_bridge();
    fake_pci_bar(device, 0, 0x4, 4096, 0x1fe000000);
    scan();
    assert_bar(0, VST_PCI_BAR_MEMORY64, false, 4096, 0x1fe000000);
    assert_none(1);
    scan_bridge();
    fake_pci_bar(device, 0, 0x0, 256, 0xfe000000);
    fake_pci_bar(device, 1, 0x4, 4096, 0xfe001000); /* its upper half would be the bus numbers */
    fake_pci_set32(device, 0x18, 0x55000000);
    scan();
    assert_bar(0, VST_PCI_BAR_MEMORY32, false, 256, 0xfe000000);
    assert_none(1);
    assert_int_equal(fake_pci_get32(device, 0x18), 0x55000000);
}

static void windows_as_firmware_set_them(void **state)
{
    (void)state;
    scan_bridge();
    fake_pci_window(device, 0, 0xc000, 0xcfff);
    fake_pci_window(device, 1, 0xfe000000, 0xfe1fffff);
    fake_pci_window(device, 2, 0x700000000, 0x7ffffffff);
    scan();
    assert_window(&found.bridge_io, 0xc000, 0xcfff);
    assert_window(&found.bridge_memory, 0xfe000000, 0xfe1fffff);
    assert_window(&found.bridge_prefetchable, 0x700000000, 0x7ffffffff);
}

static void windows_of_other_widths(void **state)
{
    (void)state;
    scan_bridge();
    device->config[0x1c] = device->config[0x1d] = 1; /* 32-bit I/O */
    device->config[0x24] = device->config[0x26] = 0; /* 32-bit prefetchable: no upper halves */
    fake_pci_window(device, 0, 0x12000, 0x25fff);
    fake_pci_window(device, 2, 0x7e0000000, 0x7e00fffff);
    scan();
    assert_window(&found.bridge_io, 0x12000, 0x25fff);
    assert_window(&found.bridge_prefetchable, 0xe0000000, 0xe00fffff);
}

static void windows_closed_unset_and_absent_are_empty(void **state)
{
    (void)state;
    scan_bridge();
    fake_pci_set32(device, 0x20, 0); /* after reset */
    fake_pci_set32(device, 0x24, 0); /* not implemented */
    scan();
    assert_true(found.bridge_io.first > found.bridge_io.last);
    assert_true(found.bridge_memory.first > found.bridge_memory.last);
    assert_true(found.bridge_prefetchable.first > found.bridge_prefetchable.last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(kinds_of_bars, setup),
        cmocka_unit_test_setup(regression_ipxe_1760_bar_above_4g, setup),
        cmocka_unit_test_setup(regression_qboot_13_bars_left_at_0, setup),
        cmocka_unit_test_setup(regression_hermit_1392_upper_half_is_none, setup),
        cmocka_unit_test_setup(regression_virtio_drivers_aecdc69_decode_off_while_sizing, setup),
        cmocka_unit_test_setup(no_command_write_where_nothing_is_decoded, setup),
        cmocka_unit_test_setup(status_survives, setup),
        cmocka_unit_test_setup(a_host_bridge_keeps_decoding, setup),
        cmocka_unit_test_setup(a_64_bit_bar_has_no_room_in_the_last_register, setup),
        cmocka_unit_test_setup(extreme_sizes, setup),
        cmocka_unit_test_setup(io_bars_with_16_and_32_bits, setup),
        cmocka_unit_test_setup(nonsense_becomes_none, setup),
        cmocka_unit_test_setup(a_64_bit_bar_without_upper_bits_is_none, setup),
        cmocka_unit_test_setup(all_ones_is_no_bar, setup),
        cmocka_unit_test_setup(a_bridge_has_two_bars, setup),
        cmocka_unit_test_setup(windows_as_firmware_set_them, setup),
        cmocka_unit_test_setup(windows_of_other_widths, setup),
        cmocka_unit_test_setup(windows_closed_unset_and_absent_are_empty, setup),
    };

    return cmocka_run_group_tests_name("pci_bar", tests, NULL, NULL);
}
