/* SPDX-License-Identifier: BSD-2-Clause */
/* MSI-X: the capability, sound and malformed, and a table in fake registers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "fake_machine.h"
#include "fake_pci.h"

#define CAPABILITY    0x98u
#define CONTROL       (CAPABILITY + 2u)
#define N_ENTRIES     3u
#define BAR_BYTES     0x1000u
#define TABLE_OFFSET  0x40u
#define ENABLE        0x8000u
#define FUNCTION_MASK 0x4000u

static struct fake_pci_function *device;
static struct vst_pci_function found;
static struct vst_pci_msix msix;

/* The table as the device holds it, and what it noticed. */
static struct {
    uint32_t words[N_ENTRIES][4];
    uint32_t stuck_low[N_ENTRIES][4]; /* bits that no write sets */
    uint32_t stuck_mask;              /* entries whose mask bit can't be cleared */
    bool needs_enable, refuses_map;
    unsigned n_writes_open; /* to an entry that could have fired meanwhile */
    unsigned n_writes_lost;
    uint64_t mapped, mapped_bytes;
    char memory[BAR_BYTES];
} table;

static uint16_t control(void)
{
    return fake_pci_get16(device, CONTROL);
}

static uint32_t read_table(void *ctx, uint64_t offset, uint8_t width_bytes)
{
    (void)ctx;
    assert_int_equal(width_bytes, 4);
    assert_in_range(offset, 0, sizeof(table.words) - 1);
    return table.words[offset / 16][offset % 16 / 4];
}

static void write_table(void *ctx, uint64_t offset, uint8_t width_bytes, uint32_t value)
{
    unsigned entry = (unsigned)(offset / 16), word = offset % 16 / 4;

    (void)ctx;
    assert_int_equal(width_bytes, 4);
    assert_in_range(offset, 0, sizeof(table.words) - 1);
    if (table.needs_enable && !(control() & ENABLE)) {
        table.n_writes_lost++;
        return;
    }
    if (word != 3 && !(table.words[entry][3] & 1) && !(control() & FUNCTION_MASK))
        table.n_writes_open++;
    if (word == 3 && (table.stuck_mask & 1u << entry))
        value |= 1;
    table.words[entry][word] = value & ~table.stuck_low[entry][word];
}

static void *map(void *ctx, uint64_t physical, uint64_t bytes)
{
    (void)ctx;
    table.mapped = physical;
    table.mapped_bytes = bytes;
    return table.refuses_map ? NULL : table.memory;
}

static void set_capability(unsigned n_entries, uint32_t table_register, uint32_t pending_register)
{
    fake_pci_capability_head(device, CAPABILITY);
    fake_pci_capability(device, CAPABILITY, 0x11, 0);
    fake_pci_set16(device, CONTROL, (uint16_t)(n_entries - 1));
    device->writable[CONTROL + 1] = 0xc0;
    fake_pci_set32(device, CAPABILITY + 4, table_register);
    fake_pci_set32(device, CAPABILITY + 8, pending_register);
}

static int setup(void **state)
{
    static const struct fake_mmio_ops ops = {read_table, write_table};

    (void)state;
    memset(&table, 0, sizeof(table));
    table.words[1][3] = 0xabcd0000; /* not masked, and bits that are not ours */
    fake_machine_reset();
    fake_mmio_register(table.memory, sizeof(table.memory), &ops, NULL);
    fake_pci_reset();
    fake_pci.platform.mmio_map = map;
    device = fake_pci_add(fake_pci_root(0), 1, 0, 0x1af4, 0x1042, 0x010000);
    fake_pci_bar(device, 0, 1, 0x40, 0xc000);
    fake_pci_bar(device, 1, 0, BAR_BYTES, 0xfe000000);
    fake_pci_bar(device, 4, 0xc, 0x4000, 0x8000000000);
    set_capability(N_ENTRIES, TABLE_OFFSET | 1, 0x800 | 1);
    return 0;
}

static void scan(void)
{
    struct vst_pci_host host = {.platform = &fake_pci.platform, .last_bus = 0};
    size_t n;

    assert_int_equal(vst_pci_scan(&host, &found, 1, &n), VST_OK);
}

static enum vst_status open_it(void)
{
    scan();
    return vst_pci_msix_open(&fake_pci.platform, &found, &msix);
}

static void an_honest_device_is_opened_masked_and_disabled(void **state)
{
    (void)state;
    assert_int_equal(open_it(), VST_OK);
    assert_int_equal(msix.structures.n_entries, N_ENTRIES);
    assert_true(table.mapped == 0xfe000000 + TABLE_OFFSET);
    assert_int_equal(table.mapped_bytes, N_ENTRIES * 16);
    assert_int_equal(control(), N_ENTRIES - 1);
    for (unsigned i = 0; i < N_ENTRIES; i++)
        assert_true(table.words[i][3] & 1);
    assert_int_equal(table.words[1][3], 0xabcd0001);
}

static void an_entry_is_set_and_unmasked(void **state)
{
    (void)state;
    assert_int_equal(open_it(), VST_OK);
    assert_int_equal(vst_pci_msix_set(&msix, 2, 0x1fee03000, 0x4051), VST_OK);
    assert_int_equal(table.words[2][0], 0xfee03000);
    assert_int_equal(table.words[2][1], 1);
    assert_int_equal(table.words[2][2], 0x4051);
    assert_int_equal(table.words[2][3], 1);
    assert_int_equal(vst_pci_msix_unmask(&msix, 2), VST_OK);
    assert_int_equal(table.words[2][3], 0);
    assert_int_equal(vst_pci_msix_enable(&msix, true), VST_OK);
    assert_int_equal(control(), ENABLE | (N_ENTRIES - 1));
    assert_int_equal(vst_pci_msix_mask(&msix, 2), VST_OK);
    assert_int_equal(table.words[2][3], 1);
    assert_int_equal(vst_pci_msix_enable(&msix, false), VST_OK);
    assert_int_equal(control(), N_ENTRIES - 1);
}

/* A live entry must be masked while its message changes, and lives on afterwards. */
static void a_live_entry_changes_under_its_mask(void **state)
{
    (void)state;
    assert_int_equal(open_it(), VST_OK);
    assert_int_equal(vst_pci_msix_enable(&msix, true), VST_OK);
    assert_int_equal(vst_pci_msix_set(&msix, 1, 0xfee00000, 0x50), VST_OK);
    assert_int_equal(vst_pci_msix_unmask(&msix, 1), VST_OK);
    assert_int_equal(vst_pci_msix_set(&msix, 1, 0xfee01000, 0x51), VST_OK);
    assert_int_equal(table.words[1][3], 0xabcd0000);
    assert_int_equal(table.words[1][0], 0xfee01000);
    assert_int_equal(table.n_writes_open, 0);
    assert_int_equal(control(), ENABLE | (N_ENTRIES - 1));
}

static void a_device_that_wants_msix_enabled_for_its_table(void **state)
{
    (void)state;
    table.needs_enable = true;
    assert_int_equal(open_it(), VST_OK);
    assert_int_equal(vst_pci_msix_set(&msix, 0, 0xfee00000, 0x50), VST_OK);
    assert_int_equal(vst_pci_msix_unmask(&msix, 0), VST_OK);
    assert_int_equal(table.words[0][2], 0x50);
    assert_int_equal(table.n_writes_lost, 0);
    assert_int_equal(control(), N_ENTRIES - 1);
}

/* untrusted-device.md 16: what was written is read back. */
static void what_does_not_stick_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(open_it(), VST_OK);
    table.stuck_low[1][2] = 0x10;
    assert_int_equal(vst_pci_msix_set(&msix, 1, 0xfee00000, 0x50), VST_ERR_BROKEN);
    table.stuck_low[0][1] = 1;
    assert_int_equal(vst_pci_msix_set(&msix, 0, 0x1fee00000, 0x50), VST_ERR_BROKEN);
    table.stuck_mask = 1u << 2;
    assert_int_equal(vst_pci_msix_unmask(&msix, 2), VST_ERR_BROKEN);
    device->writable[CONTROL + 1] = 0x40;
    assert_int_equal(vst_pci_msix_enable(&msix, true), VST_ERR_BROKEN);
    assert_false(msix.enabled);
    assert_int_equal(vst_pci_msix_set(&msix, 2, 0xfee00000, 0x50), VST_ERR_BROKEN);
}

static void a_device_that_is_gone_is_refused(void **state)
{
    (void)state;
    scan();
    memset(device->config, 0xff, sizeof(device->config));
    assert_int_equal(vst_pci_msix_open(&fake_pci.platform, &found, &msix), VST_ERR_MALFORMED);
}

static void a_mask_that_does_not_stick_fails_the_opening(void **state)
{
    (void)state;
    table.stuck_low[2][3] = 1;
    assert_int_equal(open_it(), VST_ERR_BROKEN);
    assert_int_equal(control(), N_ENTRIES - 1);
}

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    assert_int_equal(open_it(), VST_OK);
    assert_int_equal(vst_pci_msix_set(&msix, N_ENTRIES, 0xfee00000, 0), VST_ERR_INVALID);
    assert_int_equal(vst_pci_msix_set(&msix, 0, 0xfee00002, 0), VST_ERR_INVALID);
    assert_int_equal(vst_pci_msix_mask(&msix, N_ENTRIES), VST_ERR_INVALID);
    assert_int_equal(vst_pci_msix_unmask(&msix, UINT32_MAX), VST_ERR_INVALID);
}

static void no_capability_no_map(void **state)
{
    (void)state;
    table.refuses_map = true;
    assert_int_equal(open_it(), VST_ERR_NO_MEMORY);
    fake_pci_capability(device, CAPABILITY, 0x09, 0);
    assert_int_equal(open_it(), VST_ERR_NOT_FOUND);
}

static void structures_must_lie_in_memory_bars(void **state)
{
    static const struct {
        unsigned n_entries;
        uint32_t table, pending;
        enum vst_status expected;
    } cases[] = {
        {3, 0x000 | 1, 0x800 | 1, VST_OK},
        {3, 0x000 | 4, 0x800 | 1, VST_OK},
        {3, 0xfd0 | 1, 0x800 | 1, VST_OK},            /* up to the end of the BAR */
        {3, 0xfd8 | 1, 0x800 | 1, VST_ERR_MALFORMED}, /* beyond it */
        {3, 0xfffffff8u | 1, 0x800 | 1, VST_ERR_MALFORMED},
        {2048, 0x000 | 1, 0x000 | 4, VST_ERR_MALFORMED}, /* 32 KiB */
        {1024, 0x000 | 4, 0x000 | 1, VST_OK},
        {1025, 0x000 | 4, 0x000 | 1, VST_ERR_MALFORMED},
        {3, 0x000 | 1, 0xff8 | 1, VST_OK},
        {3, 0x000 | 1, 0x1000 | 1, VST_ERR_MALFORMED},
        {65, 0x000 | 1, 0xff8 | 1, VST_ERR_MALFORMED}, /* needs two words of pending bits */
        {3, 0x000 | 0, 0x800 | 1, VST_ERR_MALFORMED},  /* ports */
        {3, 0x000 | 1, 0x800 | 2, VST_ERR_MALFORMED},  /* not implemented */
        {3, 0x000 | 5, 0x800 | 1, VST_ERR_MALFORMED},  /* upper half of BAR 4 */
        {3, 0x000 | 6, 0x800 | 1, VST_ERR_MALFORMED},  /* no such BAR */
        {3, 0x000 | 7, 0x800 | 7, VST_ERR_MALFORMED},
        {3, 0x000 | 1, 0x028 | 1, VST_ERR_MALFORMED}, /* inside the table */
        {3, 0x000 | 1, 0x030 | 1, VST_OK},            /* right behind it */
        {3, 0x038 | 1, 0x030 | 1, VST_OK},            /* right before it */
        {3, 0x030 | 1, 0x030 | 1, VST_ERR_MALFORMED},
    };
    struct vst_pci_msix_structures structures;

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        set_capability(cases[i].n_entries, cases[i].table, cases[i].pending);
        scan();
        enum vst_status status = vst_pci_msix_parse(&fake_pci.platform, &found, &structures);
        if (status != cases[i].expected)
            fail_msg("case %zu: %s", i, vst_status_text(status));
    }
}

static void a_bar_without_address_is_unsupported(void **state)
{
    (void)state;
    fake_pci_bar(device, 1, 0, BAR_BYTES, 0);
    assert_int_equal(open_it(), VST_ERR_UNSUPPORTED);
    assert_int_equal(table.mapped_bytes, 0);
}

static void a_capability_at_the_very_end_is_malformed(void **state)
{
    (void)state;
    fake_pci_capability_head(device, 0xf8);
    fake_pci_capability(device, 0xf8, 0x11, 0);
    assert_int_equal(open_it(), VST_ERR_MALFORMED);
}

static void intx_goes_on_and_off(void **state)
{
    (void)state;
    scan();
    vst_pci_enable(&fake_pci.platform, &found, &found);
    assert_true(fake_pci_get16(device, 4) & 0x400);
    vst_pci_intx_enable(&fake_pci.platform, &found, true);
    assert_int_equal(fake_pci_get16(device, 4), 0x003);
    vst_pci_intx_enable(&fake_pci.platform, &found, false);
    assert_int_equal(fake_pci_get16(device, 4), 0x403);
}

/* As firmware, or a driver before us, may leave it: with MSI-X on the line is silent. */
static void intx_goes_on_where_msix_was_left_on(void **state)
{
    (void)state;
    fake_pci_set16(device, CONTROL, (uint16_t)(control() | ENABLE));
    scan();
    vst_pci_intx_enable(&fake_pci.platform, &found, false);
    assert_true(control() & ENABLE);
    vst_pci_intx_enable(&fake_pci.platform, &found, true);
    assert_int_equal(control(), N_ENTRIES - 1);
    found.capabilities[0].offset = 0xf8; /* no room for one there */
    device->config[0xf8 + 3] = 0x80;
    unsigned n_writes = fake_pci.n_writes;
    vst_pci_intx_enable(&fake_pci.platform, &found, true);
    assert_int_equal(fake_pci.n_writes, n_writes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_honest_device_is_opened_masked_and_disabled, setup),
        cmocka_unit_test_setup(an_entry_is_set_and_unmasked, setup),
        cmocka_unit_test_setup(a_live_entry_changes_under_its_mask, setup),
        cmocka_unit_test_setup(a_device_that_wants_msix_enabled_for_its_table, setup),
        cmocka_unit_test_setup(what_does_not_stick_is_an_error, setup),
        cmocka_unit_test_setup(a_device_that_is_gone_is_refused, setup),
        cmocka_unit_test_setup(a_mask_that_does_not_stick_fails_the_opening, setup),
        cmocka_unit_test_setup(wrong_arguments_are_refused, setup),
        cmocka_unit_test_setup(no_capability_no_map, setup),
        cmocka_unit_test_setup(structures_must_lie_in_memory_bars, setup),
        cmocka_unit_test_setup(a_bar_without_address_is_unsupported, setup),
        cmocka_unit_test_setup(a_capability_at_the_very_end_is_malformed, setup),
        cmocka_unit_test_setup(intx_goes_on_and_off, setup),
        cmocka_unit_test_setup(intx_goes_on_where_msix_was_left_on, setup),
    };

    return cmocka_run_group_tests_name("pci_msix", tests, NULL, NULL);
}
