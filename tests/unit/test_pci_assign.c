/* SPDX-License-Identifier: BSD-2-Clause */
/* Placing BARs and bridge windows; and a torture of scan and assignment by random configuration
 * space. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "fake_pci.h"

#define MAX 320u
#define GIB ((uint64_t)1 << 30)
#define MIB ((uint64_t)1 << 20)

static struct vst_pci_function functions[MAX];
static size_t n;
static struct vst_pci_host host;
static struct fake_pci_bus *root;

static int setup(void **state)
{
    (void)state;
    fake_pci_reset();
    root = fake_pci_root(0);
    host = (struct vst_pci_host){
        .platform = &fake_pci.platform,
        .last_bus = 255,
        .io = {0xc000, 0xffff},
        .memory_below_4g = {0xe0000000, 0xfebfffff},
        .memory_above_4g = {512 * GIB, 1024 * GIB - 1},
    };
    return 0;
}

static void scan(void)
{
    assert_int_equal(vst_pci_scan(&host, functions, MAX, &n), VST_OK);
}

/* What the library says of the BARs is what stands in the registers, and the layout is sound. */
static void assert_layout(unsigned n_unplaced_wanted)
{
    unsigned n_unplaced, n_unassigned = 0;
    const char *problem = fake_pci_layout_problem(&host, &n_unplaced);

    if (problem)
        fail_msg("layout: %s", problem);
    assert_int_equal(n_unplaced, n_unplaced_wanted);
    for (size_t i = 0; i < n; i++)
        for (unsigned k = 0; k < VST_PCI_N_BARS; k++)
            n_unassigned +=
                functions[i].bars[k].kind != VST_PCI_BAR_NONE && !functions[i].bars[k].assigned;
    assert_int_equal(n_unassigned, n_unplaced_wanted);
    assert_int_equal(fake_pci.n_bar_writes_while_decoding, 0);
}

static void assign(bool all, enum vst_status wanted, unsigned n_unplaced)
{
    assert_int_equal(vst_pci_assign(&host, functions, n, all), wanted);
    assert_layout(n_unplaced);
}

/* A transitional virtio disk as QEMU shows it. */
static struct fake_pci_function *disk(struct fake_pci_bus *bus, unsigned device)
{
    struct fake_pci_function *new = fake_pci_add(bus, device, 0, 0x1af4, 0x1001, 0x010000);

    fake_pci_bar(new, 0, 0x1, 128, 0);
    fake_pci_bar(new, 1, 0x0, 4096, 0);
    fake_pci_bar(new, 4, 0xc, 16384, 0);
    return new;
}

static void nothing_to_do_costs_nothing(void **state)
{
    struct fake_pci_function *device = fake_pci_add(root, 1, 0, 1, 1, 0);

    (void)state;
    fake_pci_bar(device, 1, 0x0, 4096, 0xfe000000);
    (void)fake_pci_add_bridge(root, 2, 0);
    scan();
    fake_pci.n_reads = fake_pci.n_writes = 0;
    assign(false, VST_OK, 0);
    assert_int_equal(fake_pci.n_reads + fake_pci.n_writes, 0);
}

/* qboot#13: all BARs left at 0 by firmware get their place. */
static void regression_qboot_13_bars_left_at_0_are_placed(void **state)
{
    struct fake_pci_function *first = disk(root, 1), *second = disk(root, 2);

    (void)state;
    scan();
    assign(false, VST_OK, 0);
    assert_int_equal(fake_pci_bar_address(first, 0), 0xc000);
    assert_int_equal(fake_pci_bar_address(second, 0), 0xc080);
    assert_int_equal(fake_pci_bar_address(first, 1), 0xe0000000);
    assert_int_equal(fake_pci_bar_address(second, 1), 0xe0001000);
    assert_int_equal(fake_pci_bar_address(first, 4), 512 * GIB);
    assert_int_equal(fake_pci_bar_address(second, 4), 512 * GIB + 16384);
    assert_int_equal(functions[1].bars[4].address, 512 * GIB + 16384);
    assert_int_equal(fake_pci_get16(first, 0x04), 0);
    /* found again the same by a second scan */
    scan();
    assert_true(functions[0].bars[4].assigned);
}

static void what_is_assigned_stays_and_is_avoided(void **state)
{
    struct fake_pci_function *old = disk(root, 1), *new = disk(root, 2);

    (void)state;
    fake_pci_bar(old, 0, 0x1, 128, 0xc000);
    fake_pci_bar(old, 1, 0x0, 4096, 0xe0001000);
    fake_pci_bar(old, 4, 0xc, 16384, 512 * GIB);
    fake_pci_bar(new, 2, 0x0, 8192, 0);
    fake_pci_set16(old, 0x04, 7);
    scan();
    assign(false, VST_OK, 0);
    assert_int_equal(fake_pci_bar_address(old, 1), 0xe0001000);
    assert_int_equal(fake_pci_get16(old, 0x04), 7);
    assert_int_equal(fake_pci_bar_address(new, 0), 0xc080);
    assert_int_equal(fake_pci_bar_address(new, 2), 0xe0002000); /* largest first, past the old */
    assert_int_equal(fake_pci_bar_address(new, 1), 0xe0000000); /* into the gap below */
}

static void a_function_that_decodes_is_stopped_while_programmed(void **state)
{
    struct fake_pci_function *device = disk(root, 1);

    (void)state;
    fake_pci_bar(device, 1, 0x0, 4096, 0xe0000000);
    fake_pci_set16(device, 0x04, 0x0006);
    scan();
    assign(false, VST_OK, 0);
    assert_int_equal(fake_pci_get16(device, 0x04), 0x0006);
}

static void without_room_above_4g_64_bit_bars_go_below(void **state)
{
    struct fake_pci_function *device = disk(root, 1);

    (void)state;
    host.memory_above_4g = (struct vst_pci_window){1, 0};
    scan();
    assign(false, VST_OK, 0);
    assert_in_range(fake_pci_bar_address(device, 4), 0xe0000000, 0xfebfffff);
}

static void a_32_bit_bar_never_goes_above_4g(void **state)
{
    struct fake_pci_function *device = fake_pci_add(root, 1, 0, 1, 1, 0);

    (void)state;
    fake_pci_bar(device, 0, 0x8, 1 << 20, 0);
    host.memory_below_4g = (struct vst_pci_window){1, 0};
    scan();
    assign(false, VST_ERR_NO_MEMORY, 1);
    host.memory_below_4g = (struct vst_pci_window){0xfff80000, 8 * GIB};
    assign(false, VST_ERR_NO_MEMORY, 1);
    assert_non_null(strstr(fake_pci.last_log, "no room for BAR 0 of 1048576 bytes"));
}

static void address_0_is_not_given(void **state)
{
    struct fake_pci_function *device = fake_pci_add(root, 1, 0, 1, 1, 0);

    (void)state;
    fake_pci_bar(device, 0, 0x1, 256, 0);
    host.io = (struct vst_pci_window){0, 0xffff};
    scan();
    assign(false, VST_OK, 0);
    assert_int_equal(fake_pci_bar_address(device, 0), 0x100);
}

static void the_rest_is_placed_if_one_does_not_fit(void **state)
{
    struct fake_pci_function *large = fake_pci_add(root, 1, 0, 1, 1, 0);
    struct fake_pci_function *device = disk(root, 2);

    (void)state;
    fake_pci_bar(large, 0, 0x0, GIB, 0);
    fake_pci_bar(large, 2, 0x4, (uint64_t)1 << 63, 0);
    scan();
    assign(false, VST_ERR_NO_MEMORY, 2);
    assert_int_not_equal(fake_pci_bar_address(device, 0), 0);
    assert_int_not_equal(fake_pci_bar_address(device, 1), 0);
    assert_int_not_equal(fake_pci_bar_address(device, 4), 0);
}

/* A register that says it has bits and then does not keep them. */
static void (*honest_write)(void *, struct vst_pci_address, uint16_t, uint8_t, uint32_t);
static uint16_t forgetful_offset;
static void forgetful_write(void *ctx, struct vst_pci_address address, uint16_t offset,
                            uint8_t width_bytes, uint32_t value)
{
    /* keeps nothing but the ones of sizing and of closing a window */
    if (address.bus == 0 && offset == forgetful_offset && value != UINT32_MAX &&
        value != 0x0000fff0 && value != 0x00f0)
        return;
    honest_write(ctx, address, offset, width_bytes, value);
}

static void forget(uint16_t offset)
{
    honest_write = fake_pci.platform.pci_config_write;
    forgetful_offset = offset;
    fake_pci.platform.pci_config_write = forgetful_write;
}

static void a_bar_that_does_not_take_its_address(void **state)
{
    struct fake_pci_function *device = disk(root, 1);

    (void)state;
    for (uint16_t offset = 0x14; offset <= 0x24; offset += offset == 0x14 ? 0xc : 4) {
        setup(NULL);
        device = disk(root, 1);
        host.memory_above_4g.first += 16384;
        scan();
        fake_pci_set16(device, 0x04, 0x0003);
        forget(offset);
        assert_int_equal(vst_pci_assign(&host, functions, n, false), VST_ERR_NO_MEMORY);
        assert_int_equal(fake_pci_get16(device, 0x04), 0x0003);
        assert_false(functions[0].bars[offset == 0x14 ? 1 : 4].assigned);
        assert_int_equal(functions[0].bars[offset == 0x14 ? 1 : 4].address, 0);
        /* no half of an address is left behind */
        assert_int_equal(fake_pci_bar_address(device, offset == 0x14 ? 1 : 4), 0);
        assert_non_null(strstr(fake_pci.last_log, "address not accepted for BAR"));
    }
}

/* ---------------------------------------------------------------- bridges */

static void behind_two_levels_of_bridges(void **state)
{
    struct fake_pci_function *upper = fake_pci_add_bridge(root, 1, 0);
    struct fake_pci_function *lower = fake_pci_add_bridge(upper->below, 1, 0);
    struct fake_pci_function *deep = disk(lower->below, 1), *flat = disk(root, 2);
    struct fake_pci_function *nvme = fake_pci_add(lower->below, 2, 0, 1, 1, 0x010802);

    (void)state;
    fake_pci_bar(nvme, 0, 0x4, 32768, 0); /* 64 bits, not prefetchable */
    fake_pci_bar(upper, 0, 0x4, 256, 0);
    scan();
    assign(false, VST_OK, 0);
    assert_in_range(fake_pci_bar_address(nvme, 0), 0xe0000000, 0xfebfffff);
    assert_true(fake_pci_bar_address(deep, 4) >= 512 * GIB);
    assert_true(fake_pci_bar_address(flat, 4) >= 512 * GIB);
    assert_int_equal(functions[0].bridge_memory.first & 0xfffff, 0);
    assert_int_equal(functions[0].bridge_memory.last - functions[0].bridge_memory.first, MIB - 1);
    assert_int_equal(functions[0].bridge_io.last - functions[0].bridge_io.first, 0xfff);
    /* the registers say the same */
    struct vst_pci_function before = functions[0];
    scan();
    assert_int_equal(before.bridge_memory.first, functions[0].bridge_memory.first);
    assert_int_equal(before.bridge_memory.last, functions[0].bridge_memory.last);
    assert_int_equal(before.bridge_prefetchable.first, functions[0].bridge_prefetchable.first);
    assert_int_equal(before.bridge_prefetchable.last, functions[0].bridge_prefetchable.last);
    assert_int_equal(before.bridge_io.last, functions[0].bridge_io.last);
}

static void alignment_of_a_window_is_that_of_the_largest_behind(void **state)
{
    struct fake_pci_function *upper = fake_pci_add_bridge(root, 1, 0);
    struct fake_pci_function *device = fake_pci_add(upper->below, 1, 0, 1, 1, 0);

    (void)state;
    fake_pci_bar(device, 0, 0x0, 4096, 0);
    fake_pci_bar(device, 1, 0x0, 64 * MIB, 0);
    fake_pci_bar(device, 2, 0x0, 16 * MIB, 0);
    host.memory_below_4g.first = 0xe1000000;
    scan();
    assign(false, VST_OK, 0);
    assert_int_equal(functions[0].bridge_memory.first, 0xe4000000);
    assert_int_equal(functions[0].bridge_memory.last, 0xe4000000 + 81 * MIB - 1);
}

static void many_ports_with_a_disk_each(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 24; i++)
        (void)disk(fake_pci_add_port(root, 1 + i / 8, i % 8, 4)->below, 0);
    host.io = (struct vst_pci_window){0x1000, 0xffff};
    scan();
    assert_int_equal(n, 48);
    assign(false, VST_ERR_NO_MEMORY, 9); /* only 15 I/O windows of 4 KiB fit */
    for (size_t i = 0; i < n; i++) {
        assert_true(functions[i].bars[1].kind == VST_PCI_BAR_NONE || functions[i].bars[1].assigned);
        assert_true(functions[i].bars[4].kind == VST_PCI_BAR_NONE || functions[i].bars[4].assigned);
    }
}

static void a_bridge_without_io_and_prefetchable_windows(void **state)
{
    struct fake_pci_function *bridge = fake_pci_add_bridge(root, 1, 0);
    struct fake_pci_function *device = disk(bridge->below, 1);

    (void)state;
    memset(bridge->writable + 0x1c, 0, 2);
    memset(bridge->config + 0x1c, 0, 2);
    memset(bridge->writable + 0x24, 0, 12);
    memset(bridge->config + 0x24, 0, 12);
    scan();
    /* registers at 0 mean "lacks it" to us; the fake's reading of the specification calls it a
     * window at 0 */
    assign(false, VST_ERR_NO_MEMORY, 1);
    assert_int_equal(fake_pci_bar_address(device, 0), 0);
    assert_in_range(fake_pci_bar_address(device, 4), 0xe0000000, 0xfebfffff);
}

static void narrow_prefetchable_windows_stay_below_4g(void **state)
{
    struct fake_pci_function *upper = fake_pci_add_bridge(root, 1, 0);
    struct fake_pci_function *lower = fake_pci_add_bridge(upper->below, 1, 0);
    struct fake_pci_function *device = disk(lower->below, 1);

    (void)state;
    memset(lower->writable + 0x28, 0, 8);
    lower->config[0x24] = 0xf0;
    lower->config[0x26] = 0x00;
    scan();
    assign(false, VST_OK, 0);
    assert_in_range(fake_pci_bar_address(device, 4), 0xe0000000, 0xfebfffff);
    assert_int_equal(functions[0].bridge_prefetchable.first,
                     functions[1].bridge_prefetchable.first);
}

static void wide_io_windows(void **state)
{
    struct fake_pci_function *bridge = fake_pci_add_bridge(root, 1, 0);
    struct fake_pci_function *device = disk(bridge->below, 1);

    (void)state;
    bridge->config[0x1c] |= 1;
    bridge->config[0x1d] |= 1;
    memset(bridge->writable + 0x30, 0xff, 4);
    host.io = (struct vst_pci_window){0x20000, 0x3ffff};
    scan();
    assign(false, VST_OK, 0);
    assert_int_equal(fake_pci_bar_address(device, 0), 0x20000);
}

static void a_narrow_io_window_refuses_high_ports(void **state)
{
    struct fake_pci_function *bridge = fake_pci_add_bridge(root, 1, 0);

    (void)state;
    (void)disk(bridge->below, 1);
    host.io = (struct vst_pci_window){0x20000, 0x3ffff};
    scan();
    assign(false, VST_ERR_NO_MEMORY, 1);
    assert_true(functions[0].bridge_io.first > functions[0].bridge_io.last);
}

static void hot_plug_uses_room_in_firmwares_windows(void **state)
{
    struct fake_pci_function *bridge = fake_pci_add_bridge(root, 1, 0);
    struct fake_pci_function *old = disk(bridge->below, 1), *new = disk(bridge->below, 2);

    (void)state;
    fake_pci_numbers(bridge, 0, 1, 1);
    fake_pci_window(bridge, 0, 0xd000, 0xdfff);
    fake_pci_window(bridge, 1, 0xfe000000, 0xfe1fffff);
    fake_pci_window(bridge, 2, 0xfd000000, 0xfd1fffff);
    fake_pci_bar(old, 0, 0x1, 128, 0xd000);
    fake_pci_bar(old, 1, 0x0, 4096, 0xfe000000);
    fake_pci_bar(old, 4, 0xc, 16384, 0xfd000000);
    scan();
    assign(false, VST_OK, 0);
    assert_int_equal(fake_pci_bar_address(new, 0), 0xd080);
    assert_int_equal(fake_pci_bar_address(new, 1), 0xfe001000);
    assert_int_equal(fake_pci_bar_address(new, 4), 0xfd004000);
}

static void an_idle_window_with_room_is_kept(void **state)
{
    struct fake_pci_function *bridge = fake_pci_add_bridge(root, 1, 0);
    struct fake_pci_function *new = disk(bridge->below, 2);

    (void)state;
    fake_pci_numbers(bridge, 0, 1, 1);
    fake_pci_window(bridge, 1, 0xfe000000, 0xfe1fffff);
    scan();
    assign(false, VST_OK, 0);
    assert_int_equal(fake_pci_bar_address(new, 1), 0xfe000000);
}

static void an_idle_window_too_small_is_placed_anew(void **state)
{
    struct fake_pci_function *upper = fake_pci_add_bridge(root, 1, 0);
    struct fake_pci_function *lower = fake_pci_add_bridge(upper->below, 1, 0);
    struct fake_pci_function *new = fake_pci_add(lower->below, 2, 0, 1, 1, 0);

    (void)state;
    fake_pci_numbers(upper, 0, 1, 2);
    fake_pci_numbers(lower, 1, 2, 2);
    fake_pci_window(upper, 1, 0xfe000000, 0xfe1fffff);
    fake_pci_window(lower, 1, 0xfe000000, 0xfe0fffff);
    fake_pci_bar(new, 0, 0x0, 8 * MIB, 0);
    scan();
    assign(false, VST_OK, 0);
    assert_int_equal(functions[0].bridge_memory.last - functions[0].bridge_memory.first + 1,
                     8 * MIB);
}

static void a_window_in_use_is_not_moved(void **state)
{
    struct fake_pci_function *bridge = fake_pci_add_bridge(root, 1, 0);
    struct fake_pci_function *old = disk(bridge->below, 1), *new = disk(bridge->below, 2);

    (void)state;
    fake_pci_numbers(bridge, 0, 1, 1);
    fake_pci_window(bridge, 0, 0xd000, 0xdfff);
    fake_pci_window(bridge, 1, 0xfe000000, 0xfe0fffff);
    fake_pci_bar(old, 0, 0x1, 128, 0xd000);
    fake_pci_bar(old, 1, 0x0, 4096, 0xfe000000);
    fake_pci_bar(new, 2, 0x0, MIB, 0);
    scan();
    assign(false, VST_ERR_NO_MEMORY, 1);
    assert_int_equal(fake_pci_bar_address(new, 2), 0);
    assert_int_equal(fake_pci_bar_address(new, 1), 0xfe001000);
    assert_int_equal(functions[0].bridge_memory.first, 0xfe000000);
}

/* The same with a window of a bridge further down instead of a BAR. */
static void a_window_around_a_kept_window_is_not_moved(void **state)
{
    struct fake_pci_function *upper = fake_pci_add_bridge(root, 1, 0);
    struct fake_pci_function *lower = fake_pci_add_bridge(upper->below, 1, 0);
    struct fake_pci_function *new = fake_pci_add(upper->below, 2, 0, 1, 1, 0);

    (void)state;
    fake_pci_numbers(upper, 0, 1, 2);
    fake_pci_numbers(lower, 1, 2, 2);
    fake_pci_window(upper, 1, 0xfe000000, 0xfe1fffff);
    fake_pci_window(lower, 1, 0xfe000000, 0xfe0fffff);
    fake_pci_bar(new, 0, 0x0, 8 * MIB, 0);
    fake_pci_bar(new, 1, 0x0, MIB, 0);
    scan();
    assign(false, VST_ERR_NO_MEMORY, 1);
    assert_int_equal(fake_pci_bar_address(new, 1), 0xfe100000);
    assert_int_equal(functions[0].bridge_memory.first, 0xfe000000);
}

static void a_greedy_bar_does_not_starve_its_neighbours(void **state)
{
    struct fake_pci_function *upper = fake_pci_add_bridge(root, 1, 0);
    struct fake_pci_function *lower = fake_pci_add_bridge(upper->below, 1, 0);
    struct fake_pci_function *greedy = fake_pci_add(lower->below, 1, 0, 1, 1, 0);
    struct fake_pci_function *modest = disk(lower->below, 2);

    (void)state;
    fake_pci_bar(greedy, 0, 0x0, 0x80000000, 0);
    fake_pci_bar(greedy, 2, 0xc, (uint64_t)1 << 63, 0);
    fake_pci_bar(greedy, 4, 0xc, (uint64_t)1 << 63, 0);
    scan();
    assign(false, VST_ERR_NO_MEMORY, 3);
    assert_int_not_equal(fake_pci_bar_address(modest, 1), 0);
    assert_int_not_equal(fake_pci_bar_address(modest, 4), 0);
}

static void a_window_that_does_not_take_its_address(void **state)
{
    static const uint16_t offsets[] = {0x1c, 0x20, 0x24};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        setup(NULL);
        (void)disk(fake_pci_add_bridge(root, 1, 0)->below, 1);
        scan();
        forget(offsets[i]);
        assert_int_equal(vst_pci_assign(&host, functions, n, false),
                         i == 2 ? VST_OK : VST_ERR_NO_MEMORY);
        assert_int_equal(functions[1].bars[0].assigned, i != 0);
        assert_int_equal(functions[1].bars[1].assigned, i != 1);
        /* what is prefetchable may share the other window */
        assert_true(functions[1].bars[4].assigned);
        assert_int_equal(functions[1].bars[4].address < 4 * GIB, i == 2);
    }
}

/* Half of it would be worse than nothing: a window from the wrong place on. */
static void a_window_whose_base_lacks_bits_is_closed(void **state)
{
    struct fake_pci_function *bridge = fake_pci_add_bridge(root, 1, 0);

    (void)state;
    (void)disk(bridge->below, 1);
    bridge->writable[0x21] = bridge->config[0x21] = 0xe0;
    host.memory_below_4g.first = 0xe1000000;
    scan();
    assign(false, VST_ERR_NO_MEMORY, 1);
    assert_true(functions[0].bridge_memory.first > functions[0].bridge_memory.last);
    assert_int_equal(fake_pci_get16(bridge, 0x22), 0);
}

static void an_unnumbered_bridge_gets_no_windows(void **state)
{
    struct fake_pci_function *bridge = fake_pci_add_bridge(root, 1, 0);

    (void)state;
    (void)disk(bridge->below, 1);
    fake_pci_bar(bridge, 0, 0x0, 256, 0);
    host.last_bus = 0;
    scan();
    assert_int_equal(n, 1);
    assert_int_equal(vst_pci_assign(&host, functions, n, false), VST_OK);
    assert_int_equal(fake_pci_bar_address(bridge, 0), 0xe0000000);
    assert_int_equal(fake_pci_get32(bridge, 0x20), 0x0000fff0);
}

/* ---------------------------------------------------------------- all anew */

static void all_forgets_what_firmware_did(void **state)
{
    struct fake_pci_function *bridge = fake_pci_add_bridge(root, 1, 0);
    struct fake_pci_function *a = disk(bridge->below, 1), *b = disk(root, 2);

    (void)state;
    fake_pci_numbers(bridge, 0, 7, 9);
    fake_pci_window(bridge, 0, 0xf000, 0xffff);
    fake_pci_window(bridge, 1, 0xfe000000, 0xfe1fffff);
    fake_pci_window(bridge, 2, 900 * GIB, 901 * GIB - 1);
    fake_pci_bar(a, 0, 0x1, 128, 0xf000);
    fake_pci_bar(a, 1, 0x0, 4096, 0xfe000000);
    fake_pci_bar(a, 4, 0xc, 16384, 900 * GIB);
    fake_pci_bar(b, 1, 0x0, 4096, 0xfeb00000);
    memset(b->writable + 0x30, 0xff, 4);
    fake_pci_set32(b, 0x30, 0xfea00001);
    fake_pci_set32(bridge, 0x38, 0xfe900001);
    fake_pci_set16(a, 0x04, 0x0007);
    fake_pci_set16(bridge, 0x04, 0x0007);
    scan();
    assign(true, VST_OK, 0);
    assert_int_equal(functions[0].secondary_bus, 7);
    assert_int_equal(fake_pci_get16(a, 0x04), 0x0007);
    assert_int_equal(fake_pci_get16(bridge, 0x04), 0x0007);
    assert_int_equal(fake_pci_get16(b, 0x04), 0x0000);
    assert_int_equal(fake_pci_get32(b, 0x30), 0);
    assert_int_equal(fake_pci_get32(bridge, 0x38), 0);
    assert_int_equal(functions[0].bridge_memory.first, 0xe0000000);
    assert_in_range(fake_pci_bar_address(a, 1), 0xe0000000, 0xe00fffff);
    assert_int_equal(functions[0].bridge_prefetchable.first, 512 * GIB);
}

static void all_leaves_decoding_off_for_what_did_not_fit(void **state)
{
    struct fake_pci_function *device = disk(root, 1);

    (void)state;
    fake_pci_bar(device, 0, 0x1, 128, 0x6000);
    fake_pci_set16(device, 0x04, 0x0007);
    host.io = (struct vst_pci_window){1, 0};
    scan();
    assign(true, VST_ERR_NO_MEMORY, 1);
    assert_int_equal(fake_pci_get16(device, 0x04), 0x0006);
}

static void host_bridges_are_never_touched(void **state)
{
    struct fake_pci_function *bridge = fake_pci_add(root, 0, 0, 0x8086, 0x29c0, 0x060000);
    struct fake_pci_function *device = disk(root, 1);

    (void)state;
    fake_pci_bar(bridge, 0, 0x0, 4096, 0xe0000000);
    fake_pci_bar(bridge, 1, 0x0, 4096, 0);
    scan();
    fake_pci_set16(bridge, 0x04, 0x0006);
    for (int all = 0; all < 2; all++) {
        assert_int_equal(vst_pci_assign(&host, functions, n, all), VST_OK);
        assert_int_equal(bridge->n_command_writes, 0);
        assert_int_equal(fake_pci_bar_address(bridge, 0), 0xe0000000);
        assert_int_equal(fake_pci_bar_address(bridge, 1), 0);
        assert_int_equal(fake_pci_bar_address(device, 1), 0xe0001000);
    }
}

static void all_with_no_bars_at_all_restores_decoding(void **state)
{
    struct fake_pci_function *device = fake_pci_add(root, 1, 0, 1, 1, 0);

    (void)state;
    fake_pci_set16(device, 0x04, 0x0007);
    scan();
    assign(true, VST_OK, 0);
    assert_int_equal(fake_pci_get16(device, 0x04), 0x0007);
}

/* ---------------------------------------------------------------- random hierarchies */

static uint64_t random_state;
static uint64_t random_u64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}
static unsigned random_below(unsigned limit)
{
    return (unsigned)(random_u64() >> 33) % limit;
}

static void random_device(struct fake_pci_bus *bus, unsigned device)
{
    struct fake_pci_function *new = fake_pci_add(bus, device, 0, 1, 1, 0);

    for (unsigned i = 0; i < 6; i++)
        switch (random_below(5)) {
        case 0:
            fake_pci_bar(new, i, 0x1, 4u << random_below(6), 0);
            break;
        case 1:
            fake_pci_bar(new, i, random_below(2) * 8, 4096u << random_below(9), 0);
            break;
        case 2:
            if (i < 5)
                fake_pci_bar(new, i, 4 + random_below(2) * 8, 4096u << random_below(14), 0);
            i++;
            break;
        default:
            break;
        }
}

/* Honest machines of any shape without firmware: what is placed is sound, and nearly everything is
 * placed. */
static void random_hierarchies_are_laid_out_soundly(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 400; seed++) {
        struct fake_pci_bus *buses[40];
        unsigned n_buses = 1, n_unplaced;
        setup(NULL);
        random_state = seed * 0x9e3779b97f4a7c15u;
        buses[0] = root;
        for (unsigned i = 0; i < 40; i++) {
            struct fake_pci_bus *bus = buses[random_below(n_buses)];
            unsigned device = random_below(32);
            if (bus->functions[device * 8])
                continue;
            if (random_below(3) == 0)
                buses[n_buses++] = fake_pci_add_bridge(bus, device, 0)->below;
            else
                random_device(bus, device);
        }
        host.io.first = 0x1000;
        scan();
        assert_int_equal(n, fake_pci.n_functions);
        enum vst_status status = vst_pci_assign(&host, functions, n, false);
        const char *problem = fake_pci_layout_problem(&host, &n_unplaced);
        if (problem)
            fail_msg("seed %u: %s", seed, problem);
        assert_int_equal(status, n_unplaced == 0 ? VST_OK : VST_ERR_NO_MEMORY);
        assert_int_equal(fake_pci.n_bar_writes_while_decoding, 0);
    }
}

/* ---------------------------------------------------------------- torture */

static uint64_t torture_seed;
static unsigned torture_presence; /* of 256, how often somebody answers */
static bool torture_stable;       /* the same register answers the same twice */
static uint64_t n_accesses;

static uint32_t torture_read(void *ctx, struct vst_pci_address address, uint16_t offset,
                             uint8_t width_bytes)
{
    uint64_t x = torture_seed ^ (uint64_t)address.bus << 40 ^ (uint64_t)address.device << 32 ^
                 (uint64_t)address.function << 24 ^ (uint64_t)(offset & ~3u);

    (void)ctx;
    n_accesses++;
    if (!torture_stable)
        x ^= n_accesses << 48;
    x = (x ^ x >> 31) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
    x ^= x >> 32;
    uint32_t value = (uint32_t)x;
    if (offset < 4 && (x >> 40 & 0xff) >= torture_presence)
        value = UINT32_MAX;
    /* header types that exist, small bus numbers, sizes that exist: else little would ever be
     * looked at */
    if ((offset & ~3u) == 0x0c && (x >> 48 & 3) != 0)
        value &= 0xff81ffff;
    if (offset == 0x18 && (x >> 48 & 1) != 0)
        value &= 0x000f0f0f;
    if (offset >= 0x10 && offset < 0x28 && (x >> 48 & 3) == 0)
        value = (UINT32_MAX << (x >> 50 & 31)) | (x >> 55 & 13);
    if (offset >= 0x10 && offset < 0x28 && (x >> 48 & 3) == 1)
        value &= 13;
    return value >> 8 * (offset & 3) & (UINT32_MAX >> (32 - 8 * width_bytes));
}

static uint32_t constant_read(void *ctx, struct vst_pci_address address, uint16_t offset,
                              uint8_t width_bytes)
{
    (void)address;
    (void)offset;
    n_accesses++;
    return *(uint32_t *)ctx & (UINT32_MAX >> (32 - 8 * width_bytes));
}

static void torture_write(void *ctx, struct vst_pci_address address, uint16_t offset,
                          uint8_t width_bytes, uint32_t value)
{
    (void)ctx;
    (void)address;
    (void)value;
    n_accesses++;
    assert_true(offset < 256 && offset % width_bytes == 0);
}

static void quiet_log(void *ctx, enum vst_log_level level, const char *text)
{
    (void)ctx;
    (void)level;
    (void)text;
}

static void assert_sound_functions(size_t max)
{
    assert_true(n <= max);
    for (size_t i = 0; i < n; i++) {
        const struct vst_pci_function *f = &functions[i];
        if (i > 0)
            assert_true(
                (f[-1].address.bus << 8 | f[-1].address.device << 3 | f[-1].address.function) <
                (f->address.bus << 8 | f->address.device << 3 | f->address.function));
        assert_in_range(f->address.bus, host.first_bus, host.last_bus);
        assert_true(f->parent < (int32_t)i);
        if (f->parent >= 0)
            assert_int_equal(functions[f->parent].secondary_bus, f->address.bus);
        assert_true(f->n_capabilities <= VST_PCI_MAX_CAPABILITIES);
        for (unsigned k = 0; k < f->n_capabilities; k++)
            assert_true(f->capabilities[k].offset >= 0x40 && f->capabilities[k].offset % 4 == 0);
        for (unsigned k = 0; k < VST_PCI_N_BARS; k++) {
            const struct vst_pci_bar *bar = &f->bars[k];
            if (bar->kind == VST_PCI_BAR_NONE)
                continue;
            assert_true(vst_is_power_of_two(bar->bytes));
            assert_int_equal(bar->address & (bar->bytes - 1), 0);
            assert_true(bar->assigned == (bar->address != 0));
            assert_true(bar->kind != VST_PCI_BAR_MEMORY64 || k < 5);
            assert_true(bar->kind == VST_PCI_BAR_MEMORY64 || bar->address <= UINT32_MAX);
        }
    }
}

static void torture_once(size_t max)
{
    enum vst_status status;

    n_accesses = 0;
    status = vst_pci_scan(&host, functions, max, &n);
    assert_true(status == VST_OK || (status == VST_ERR_TOO_LARGE && n == max));
    assert_sound_functions(max);
    for (int all = 0; all < 2; all++) {
        status = vst_pci_assign(&host, functions, n, all);
        assert_true(status == VST_OK || status == VST_ERR_NO_MEMORY);
        assert_sound_functions(max);
    }
    for (size_t i = 0; i < n; i++) {
        vst_pci_enable(host.platform, functions, &functions[i]);
        vst_pci_disable(host.platform, &functions[i]);
    }
    /* one read for each place of each bus, and a few hundred accesses for each function */
    assert_true(n_accesses < (host.last_bus - host.first_bus + 1u) * 256u + max * 400u);
}

static void torture_of_random_configuration_space(void **state)
{
    const char *count = getenv("VSTOR_TORTURE_SEEDS");
    unsigned long n_seeds = count ? strtoul(count, NULL, 10) : 30000;

    (void)state;
    fake_pci.platform.pci_config_read = torture_read;
    fake_pci.platform.pci_config_write = torture_write;
    fake_pci.platform.log = quiet_log;
    for (unsigned long seed = 0; seed < n_seeds; seed++) {
        torture_seed = seed * 0xd1342543de82ef95u;
        torture_stable = (seed & 1) != 0;
        torture_presence = 1u << (seed >> 1) % 9;
        host.first_bus = seed % 5 == 0 ? 3 : 0;
        host.last_bus = seed % 100 == 0 ? 255 : (uint8_t)(3 + seed % 13);
        torture_once(1 + seed % 48);
    }
}

static void torture_of_constant_configuration_space(void **state)
{
    static const uint32_t values[] = {0,          0xffffffff, 0x01010101, 0x81818181,
                                      0x40404040, 0x06040001, 0x80000001, 0x7f7f7f7f};

    (void)state;
    fake_pci.platform.pci_config_read = constant_read;
    fake_pci.platform.pci_config_write = torture_write;
    fake_pci.platform.log = quiet_log;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(values); i++) {
        uint32_t value = values[i];
        fake_pci.platform.ctx = &value;
        torture_once(MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_to_do_costs_nothing, setup),
        cmocka_unit_test_setup(regression_qboot_13_bars_left_at_0_are_placed, setup),
        cmocka_unit_test_setup(what_is_assigned_stays_and_is_avoided, setup),
        cmocka_unit_test_setup(a_function_that_decodes_is_stopped_while_programmed, setup),
        cmocka_unit_test_setup(without_room_above_4g_64_bit_bars_go_below, setup),
        cmocka_unit_test_setup(a_32_bit_bar_never_goes_above_4g, setup),
        cmocka_unit_test_setup(address_0_is_not_given, setup),
        cmocka_unit_test_setup(the_rest_is_placed_if_one_does_not_fit, setup),
        cmocka_unit_test_setup(a_bar_that_does_not_take_its_address, setup),
        cmocka_unit_test_setup(behind_two_levels_of_bridges, setup),
        cmocka_unit_test_setup(alignment_of_a_window_is_that_of_the_largest_behind, setup),
        cmocka_unit_test_setup(many_ports_with_a_disk_each, setup),
        cmocka_unit_test_setup(a_bridge_without_io_and_prefetchable_windows, setup),
        cmocka_unit_test_setup(narrow_prefetchable_windows_stay_below_4g, setup),
        cmocka_unit_test_setup(wide_io_windows, setup),
        cmocka_unit_test_setup(a_narrow_io_window_refuses_high_ports, setup),
        cmocka_unit_test_setup(hot_plug_uses_room_in_firmwares_windows, setup),
        cmocka_unit_test_setup(an_idle_window_with_room_is_kept, setup),
        cmocka_unit_test_setup(an_idle_window_too_small_is_placed_anew, setup),
        cmocka_unit_test_setup(a_window_in_use_is_not_moved, setup),
        cmocka_unit_test_setup(a_window_around_a_kept_window_is_not_moved, setup),
        cmocka_unit_test_setup(a_greedy_bar_does_not_starve_its_neighbours, setup),
        cmocka_unit_test_setup(a_window_that_does_not_take_its_address, setup),
        cmocka_unit_test_setup(a_window_whose_base_lacks_bits_is_closed, setup),
        cmocka_unit_test_setup(an_unnumbered_bridge_gets_no_windows, setup),
        cmocka_unit_test_setup(all_forgets_what_firmware_did, setup),
        cmocka_unit_test_setup(all_leaves_decoding_off_for_what_did_not_fit, setup),
        cmocka_unit_test_setup(host_bridges_are_never_touched, setup),
        cmocka_unit_test_setup(all_with_no_bars_at_all_restores_decoding, setup),
        cmocka_unit_test_setup(random_hierarchies_are_laid_out_soundly, setup),
        cmocka_unit_test_setup(torture_of_random_configuration_space, setup),
        cmocka_unit_test_setup(torture_of_constant_configuration_space, setup),
    };

    return cmocka_run_group_tests_name("pci_assign", tests, NULL, NULL);
}
