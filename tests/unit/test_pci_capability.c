/* SPDX-License-Identifier: BSD-2-Clause */
/* The capability list, sound and malformed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "fake_pci.h"

static struct fake_pci_function *device;
static struct vst_pci_function found;

static int setup(void **state)
{
    (void)state;
    fake_pci_reset();
    device = fake_pci_add(fake_pci_root(0), 1, 0, 0x1af4, 0x1042, 0x010000);
    return 0;
}

static void scan(void)
{
    struct vst_pci_host host = {.platform = &fake_pci.platform, .last_bus = 0};
    size_t n;

    assert_int_equal(vst_pci_scan(&host, &found, 1, &n), VST_OK);
    assert_int_equal(n, 1);
}

static void assert_entry(unsigned index, uint8_t id, uint8_t offset)
{
    assert_true(index < found.n_capabilities);
    assert_int_equal(found.capabilities[index].id, id);
    assert_int_equal(found.capabilities[index].offset, offset);
}

static void a_sound_list(void **state)
{
    (void)state;
    fake_pci_capability_head(device, 0x98);
    fake_pci_capability(device, 0x98, 0x11, 0x40);
    fake_pci_capability(device, 0x40, 0x09, 0xfc);
    fake_pci_capability(device, 0xfc, 0x09, 0);
    scan();
    assert_int_equal(found.n_capabilities, 3);
    assert_false(found.capabilities_malformed);
    assert_entry(0, 0x11, 0x98);
    assert_entry(1, 0x09, 0x40);
    assert_entry(2, 0x09, 0xfc);
    assert_int_equal(fake_pci.n_log_lines, 0);
}

static void no_list_without_the_status_bit(void **state)
{
    (void)state;
    fake_pci_capability_head(device, 0x40);
    fake_pci_capability(device, 0x40, 0x09, 0);
    device->config[0x06] = 0;
    scan();
    assert_int_equal(found.n_capabilities, 0);
    assert_false(found.capabilities_malformed);
}

static void an_empty_list(void **state)
{
    (void)state;
    fake_pci_capability_head(device, 0x03); /* reserved bits only */
    scan();
    assert_int_equal(found.n_capabilities, 0);
    assert_false(found.capabilities_malformed);
}

static void reserved_pointer_bits_are_masked(void **state)
{
    (void)state;
    fake_pci_capability_head(device, 0x43);
    fake_pci_capability(device, 0x40, 0x09, 0x51);
    fake_pci_capability(device, 0x50, 0x11, 0x02);
    scan();
    assert_int_equal(found.n_capabilities, 2);
    assert_false(found.capabilities_malformed);
    assert_entry(0, 0x09, 0x40);
    assert_entry(1, 0x11, 0x50);
}

static void a_pointer_into_the_header_ends_the_list(void **state)
{
    (void)state;
    fake_pci_capability_head(device, 0x40);
    fake_pci_capability(device, 0x40, 0x09, 0x3c);
    scan();
    assert_int_equal(found.n_capabilities, 1);
    assert_true(found.capabilities_malformed);
    assert_non_null(strstr(fake_pci.last_log, "0000:00:01.0: malformed capability list"));
}

static void a_head_in_the_header(void **state)
{
    (void)state;
    fake_pci_capability_head(device, 0x10);
    scan();
    assert_int_equal(found.n_capabilities, 0);
    assert_true(found.capabilities_malformed);
}

static void a_loop_ends_and_keeps_what_came_before(void **state)
{
    (void)state;
    fake_pci_capability_head(device, 0x40);
    fake_pci_capability(device, 0x40, 0x09, 0x50);
    fake_pci_capability(device, 0x50, 0x11, 0x60);
    fake_pci_capability(device, 0x60, 0x05, 0x50);
    scan();
    assert_int_equal(found.n_capabilities, 3);
    assert_true(found.capabilities_malformed);
    assert_entry(2, 0x05, 0x60);
}

static void an_entry_that_points_to_itself(void **state)
{
    (void)state;
    fake_pci_capability_head(device, 0x40);
    fake_pci_capability(device, 0x40, 0x09, 0x41);
    scan();
    assert_int_equal(found.n_capabilities, 1);
    assert_true(found.capabilities_malformed);
}

static void an_entry_of_all_ones(void **state)
{
    (void)state;
    fake_pci_capability_head(device, 0x40);
    fake_pci_capability(device, 0x40, 0x09, 0x50);
    fake_pci_capability(device, 0x50, 0xff, 0xff);
    scan();
    assert_int_equal(found.n_capabilities, 1);
    assert_true(found.capabilities_malformed);
}

static void as_many_as_there_is_room_for(void **state)
{
    (void)state;
    fake_pci_capability_head(device, 0x40);
    for (unsigned offset = 0x40; offset < 0x100; offset += 4)
        fake_pci_capability(device, offset, 0x09, (uint8_t)(offset + 4));
    scan();
    assert_int_equal(found.n_capabilities, VST_PCI_MAX_CAPABILITIES);
    assert_false(found.capabilities_malformed);
    assert_entry(47, 0x09, 0xfc);
    /* and the last leads back to the first */
    device->config[0xfd] = 0x40;
    scan();
    assert_int_equal(found.n_capabilities, VST_PCI_MAX_CAPABILITIES);
    assert_true(found.capabilities_malformed);
}

static void cardbus_has_its_pointer_elsewhere(void **state)
{
    (void)state;
    device->config[0x0e] = 2;
    device->config[0x34] = 0x80; /* an I/O base of the CardBus layout */
    fake_pci_capability_head(device, 0x60);
    fake_pci_capability(device, 0x60, 0x01, 0);
    scan();
    assert_int_equal(found.header_type, 2);
    assert_int_equal(found.n_capabilities, 1);
    assert_entry(0, 0x01, 0x60);
}

static void an_unknown_layout_has_no_list(void **state)
{
    (void)state;
    fake_pci_capability_head(device, 0x40);
    fake_pci_capability(device, 0x40, 0x09, 0);
    fake_pci_bar(device, 0, 0, 4096, 0xfe000000);
    device->config[0x0e] = 0x3;
    scan();
    assert_int_equal(found.n_capabilities, 0);
    assert_int_equal(found.bars[0].kind, VST_PCI_BAR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_sound_list, setup),
        cmocka_unit_test_setup(no_list_without_the_status_bit, setup),
        cmocka_unit_test_setup(an_empty_list, setup),
        cmocka_unit_test_setup(reserved_pointer_bits_are_masked, setup),
        cmocka_unit_test_setup(a_pointer_into_the_header_ends_the_list, setup),
        cmocka_unit_test_setup(a_head_in_the_header, setup),
        cmocka_unit_test_setup(a_loop_ends_and_keeps_what_came_before, setup),
        cmocka_unit_test_setup(an_entry_that_points_to_itself, setup),
        cmocka_unit_test_setup(an_entry_of_all_ones, setup),
        cmocka_unit_test_setup(as_many_as_there_is_room_for, setup),
        cmocka_unit_test_setup(cardbus_has_its_pointer_elsewhere, setup),
        cmocka_unit_test_setup(an_unknown_layout_has_no_list, setup),
    };

    return cmocka_run_group_tests_name("pci_capability", tests, NULL, NULL);
}
