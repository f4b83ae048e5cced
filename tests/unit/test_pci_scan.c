/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding functions through all kinds of hierarchies, sound and senseless. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "fake_pci.h"

#define MAX 320u

static struct vst_pci_function functions[MAX];
static size_t n;
static struct vst_pci_host host;

static int setup(void **state)
{
    (void)state;
    fake_pci_reset();
    host = (struct vst_pci_host){.platform = &fake_pci.platform, .last_bus = 255};
    return 0;
}

/* What holds of every result. */
static void assert_sound(void)
{
    for (size_t i = 0; i < n; i++) {
        const struct vst_pci_address *a = &functions[i].address;
        if (i > 0) {
            const struct vst_pci_address *b = &functions[i - 1].address;
            assert_true((b->bus << 8 | b->device << 3 | b->function) <
                        (a->bus << 8 | a->device << 3 | a->function));
        }
        if (functions[i].parent == -1)
            continue;
        assert_in_range(functions[i].parent, 0, i - 1);
        assert_int_equal(functions[functions[i].parent].secondary_bus, a->bus);
    }
}

static void scan(void)
{
    assert_int_equal(vst_pci_scan(&host, functions, MAX, &n), VST_OK);
    assert_sound();
}

static const struct vst_pci_function *at(unsigned bus, unsigned device, unsigned function)
{
    for (size_t i = 0; i < n; i++)
        if (functions[i].address.bus == bus && functions[i].address.device == device &&
            functions[i].address.function == function)
            return &functions[i];
    fail_msg("no function %02x:%02x.%u", bus, device, function);
    return NULL;
}

static struct fake_pci_function *disk(struct fake_pci_bus *bus, unsigned device)
{
    return fake_pci_add(bus, device, 0, 0x1af4, 0x1042, 0x010000);
}

static void assert_numbers(const struct fake_pci_function *bridge, unsigned primary,
                           unsigned secondary, unsigned subordinate)
{
    assert_int_equal(fake_pci_get32(bridge, 0x18),
                     0x55000000u | subordinate << 16 | secondary << 8 | primary);
}

/* ---------------------------------------------------------------- plain finding */

static void an_empty_machine_costs_one_read_per_device(void **state)
{
    (void)state;
    scan();
    assert_int_equal(n, 0);
    assert_int_equal(fake_pci.n_reads, 256 * 32);
    assert_int_equal(fake_pci.n_writes, 0);
}

static void identity_of_a_function(void **state)
{
    struct fake_pci_function *device =
        fake_pci_add(fake_pci_root(0), 31, 0, 0x1af4, 0x1042, 0x010203);

    (void)state;
    device->config[0x08] = 0x07;
    fake_pci_set32(device, 0x2c, 0x11001af4);
    fake_pci_set16(device, 0x3c, 0x020b);
    scan();
    assert_int_equal(n, 1);
    assert_int_equal(functions[0].address.device, 31);
    assert_int_equal(functions[0].vendor_id, 0x1af4);
    assert_int_equal(functions[0].device_id, 0x1042);
    assert_int_equal(functions[0].base_class, 1);
    assert_int_equal(functions[0].sub_class, 2);
    assert_int_equal(functions[0].programming_interface, 3);
    assert_int_equal(functions[0].revision, 7);
    assert_int_equal(functions[0].subsystem_vendor_id, 0x1af4);
    assert_int_equal(functions[0].subsystem_id, 0x1100);
    assert_int_equal(functions[0].interrupt_pin, 2);
    assert_int_equal(functions[0].interrupt_line, 11);
    assert_int_equal(functions[0].parent, -1);
    fake_pci_set16(device, 0x3c, 0x050b); /* there is no INTE */
    scan();
    assert_int_equal(functions[0].interrupt_pin, 0);
}

static void function_0_decides(void **state)
{
    struct fake_pci_bus *root = fake_pci_root(0);

    (void)state;
    for (unsigned function = 0; function < 8; function += 3)
        (void)fake_pci_add(root, 1, function, 0x8086, 0x1000, 0);
    /* no multifunction bit: function 1 is not to be asked for */
    (void)fake_pci_add(root, 2, 0, 0x8086, 0x1000, 0);
    (void)fake_pci_add(root, 2, 1, 0x8086, 0x1000, 0);
    root->functions[2 * 8]->config[0x0e] = 0;
    /* no function 0: nobody is there */
    (void)fake_pci_add(root, 3, 4, 0x8086, 0x1000, 0);
    scan();
    assert_int_equal(n, 4);
    assert_int_equal(at(0, 1, 6)->address.function, 6);
    assert_int_equal(at(0, 2, 0)->header_type, 0);
    assert_int_equal(at(0, 1, 0)->header_type, 0);
}

static void vendor_0_is_nobody(void **state)
{
    (void)state;
    (void)fake_pci_add(fake_pci_root(0), 1, 0, 0, 0, 0);
    scan();
    assert_int_equal(n, 0);
}

static void only_buses_of_the_host_are_asked(void **state)
{
    (void)state;
    (void)disk(fake_pci_root(2), 1);
    (void)disk(fake_pci_root(3), 1);
    (void)disk(fake_pci_root(5), 1);
    host.first_bus = 3;
    host.last_bus = 4;
    scan();
    assert_int_equal(n, 1);
    assert_int_equal(functions[0].address.bus, 3);
    host.first_bus = 5;
    assert_int_equal(vst_pci_scan(&host, functions, MAX, &n), VST_ERR_INVALID);
    assert_int_equal(n, 0);
}

static void more_than_there_is_room_for(void **state)
{
    struct fake_pci_bus *root = fake_pci_root(0);
    struct fake_pci_function *bridge = fake_pci_add_bridge(root, 0, 0);

    (void)state;
    (void)fake_pci_add(root, 0, 1, 0x8086, 1, 0);
    (void)disk(root, 1);
    (void)disk(bridge->below, 1);
    assert_int_equal(vst_pci_scan(&host, functions, 4, &n), VST_OK);
    assert_int_equal(n, 4);
    for (size_t max = 0; max < 4; max++) {
        fake_pci_numbers(bridge, 0, 0, 0);
        memset(functions, 0xee, sizeof(functions));
        assert_int_equal(vst_pci_scan(&host, functions, max, &n), VST_ERR_TOO_LARGE);
        assert_int_equal(n, max);
        assert_int_equal(functions[max].vendor_id, 0xeeee);
        assert_sound();
    }
}

/* ---------------------------------------------------------------- bridges */

/* SerenityOS#5190: each bus behind a bridge exactly once, also when firmware's numbers are not in
 * order of devices. */
static void regression_serenityos_5190_no_bridge_missed_or_walked_twice(void **state)
{
    struct fake_pci_bus *root = fake_pci_root(0);
    struct fake_pci_function *first = fake_pci_add_bridge(root, 3, 0);
    struct fake_pci_function *second = fake_pci_add_bridge(root, 4, 0);
    struct fake_pci_function *third = fake_pci_add_bridge(root, 4, 1);
    struct fake_pci_function *nested = fake_pci_add_bridge(first->below, 1, 0);

    (void)state;
    fake_pci_numbers(first, 0, 3, 4);
    fake_pci_numbers(second, 0, 1, 1);
    fake_pci_numbers(third, 0, 2, 2);
    fake_pci_numbers(nested, 3, 4, 4);
    (void)disk(root, 1);
    (void)disk(first->below, 2);
    (void)disk(second->below, 3);
    (void)disk(third->below, 4);
    (void)disk(nested->below, 5);
    scan();
    assert_int_equal(n, 9);
    assert_int_equal(at(0, 1, 0)->parent, -1);
    assert_ptr_equal(&functions[at(3, 2, 0)->parent], at(0, 3, 0));
    assert_ptr_equal(&functions[at(1, 3, 0)->parent], at(0, 4, 0));
    assert_ptr_equal(&functions[at(2, 4, 0)->parent], at(0, 4, 1));
    assert_ptr_equal(&functions[at(4, 5, 0)->parent], at(3, 1, 0));
    /* right numbers are left alone: what was written is sizing of BARs only */
    assert_numbers(first, 0, 3, 4);
    assert_numbers(nested, 3, 4, 4);
    assert_int_equal(fake_pci.n_log_lines, 0);
}

static void a_link_has_one_device(void **state)
{
    struct fake_pci_bus *root = fake_pci_root(0);
    static const unsigned types[4] = {4, 6, 8, 7}; /* the last: PCI Express to PCI bridge */

    (void)state;
    host.last_bus = 4;
    for (unsigned i = 0; i < 4; i++) {
        struct fake_pci_function *port = fake_pci_add_port(root, i, 0, types[i]);
        fake_pci_numbers(port, 0, i + 1, i + 1);
        (void)disk(port->below, 0);
    }
    (void)disk(root->functions[3 * 8]->below, 9);
    scan();
    assert_int_equal(n, 9);
    /* 28 empty places on the root bus, 30 on the PCI bus, none on the three links */
    assert_int_equal(fake_pci.n_absent_reads, 28 + 30);
}

static void unset_bridges_are_numbered(void **state)
{
    struct fake_pci_bus *root = fake_pci_root(0);
    struct fake_pci_function *a = fake_pci_add_bridge(root, 1, 0);
    struct fake_pci_function *b = fake_pci_add_bridge(root, 2, 0);
    struct fake_pci_function *aa = fake_pci_add_bridge(a->below, 1, 0);
    struct fake_pci_function *ab = fake_pci_add_bridge(a->below, 2, 0);
    struct fake_pci_function *aba = fake_pci_add_bridge(ab->below, 0, 0);
    struct fake_pci_function *ba = fake_pci_add_bridge(b->below, 31, 7);

    (void)state;
    (void)fake_pci_add(b->below, 31, 0, 0x8086, 1, 0);
    b->below->functions[31 * 8]->config[0x0e] |= 0x80;
    (void)disk(aba->below, 3);
    (void)disk(aa->below, 3);
    (void)disk(ba->below, 3);
    scan();
    assert_int_equal(n, 6 + 4);
    assert_numbers(a, 0, 1, 4);
    assert_numbers(aa, 1, 2, 2);
    assert_numbers(ab, 1, 3, 4);
    assert_numbers(aba, 3, 4, 4);
    assert_numbers(b, 0, 5, 6);
    assert_numbers(ba, 5, 6, 6);
    assert_int_equal(at(4, 3, 0)->device_id, 0x1042);
    assert_int_equal(at(0, 1, 0)->subordinate_bus, 4);
    /* a second scan finds the same and renumbers nothing */
    scan();
    assert_int_equal(n, 10);
    assert_numbers(a, 0, 1, 4);
}

static void numbers_given_avoid_those_that_firmware_gave(void **state)
{
    struct fake_pci_bus *root = fake_pci_root(0);
    struct fake_pci_function *fresh = fake_pci_add_bridge(root, 1, 0);
    struct fake_pci_function *set = fake_pci_add_bridge(root, 2, 0);
    struct fake_pci_function *nested = fake_pci_add_bridge(set->below, 0, 0);
    struct fake_pci_function *deeper = fake_pci_add_bridge(nested->below, 0, 0);
    struct fake_pci_function *deepest = fake_pci_add_bridge(deeper->below, 0, 0);

    (void)state;
    fake_pci_numbers(set, 0, 1, 3);
    fake_pci_numbers(nested, 1, 2, 2);
    (void)disk(deepest->below, 0);
    (void)disk(fresh->below, 0);
    scan();
    assert_int_equal(n, 7);
    /* 3 lies within set's range but outside nested's: the range of nested grows into it, then set's
     * too */
    assert_numbers(set, 0, 1, 4);
    assert_numbers(nested, 1, 2, 4);
    assert_numbers(deeper, 2, 3, 4);
    assert_numbers(deepest, 3, 4, 4);
    assert_numbers(fresh, 0, 5, 5);
}

static void hot_plugged_bridge_inside_a_reserved_range(void **state)
{
    struct fake_pci_function *set = fake_pci_add_bridge(fake_pci_root(0), 2, 0);
    struct fake_pci_function *fresh = fake_pci_add_bridge(set->below, 0, 0);

    (void)state;
    fake_pci_numbers(set, 0, 3, 7);
    (void)disk(fresh->below, 0);
    scan();
    assert_numbers(set, 0, 3, 7);
    assert_numbers(fresh, 3, 4, 4);
    assert_int_equal(n, 3);
}

static void a_bridge_that_cannot_be_numbered_is_said_and_left(void **state)
{
    struct fake_pci_bus *root = fake_pci_root(0);
    struct fake_pci_function *a = fake_pci_add_bridge(root, 1, 0);
    struct fake_pci_function *b = fake_pci_add_bridge(root, 2, 0);
    struct fake_pci_function *hot = fake_pci_add_bridge(a->below, 0, 0);

    (void)state;
    fake_pci_numbers(a, 0, 1, 1);
    fake_pci_numbers(b, 0, 2, 2);
    (void)disk(hot->below, 0);
    scan();
    assert_int_equal(n, 3);
    assert_int_equal(at(1, 0, 0)->secondary_bus, 0);
    assert_int_equal(at(1, 0, 0)->subordinate_bus, 0);
    assert_int_equal(fake_pci.n_log_lines, 1);
    assert_string_equal(fake_pci.last_log, "pci: 0000:01:00.0: no bus number left for this bridge");
    assert_numbers(a, 0, 1, 1);
}

static void numbers_end_at_the_hosts_last_bus(void **state)
{
    struct fake_pci_bus *bus = fake_pci_root(0);

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        bus = fake_pci_add_bridge(bus, 0, 0)->below;
    host.last_bus = 3;
    scan();
    assert_int_equal(n, 4);
    assert_int_equal(at(0, 0, 0)->subordinate_bus, 3);
    assert_int_equal(at(3, 0, 0)->secondary_bus, 0);
}

static void a_chain_of_255_bridges(void **state)
{
    struct fake_pci_bus *bus = fake_pci_root(0);

    (void)state;
    for (unsigned i = 0; i < 258; i++)
        bus = fake_pci_add_bridge(bus, 0, 0)->below;
    scan();
    assert_int_equal(n, 256);
    for (unsigned i = 0; i < 255; i++) {
        assert_int_equal(functions[i].secondary_bus, i + 1);
        assert_int_equal(functions[i].subordinate_bus, 255);
    }
    assert_int_equal(functions[255].secondary_bus, 0);
}

/* Rows of senseless numbers: the bridge is renumbered, what is behind is found once. */
static void senseless_numbers_are_replaced(void **state)
{
    static const uint8_t rows[][3] = {
        {0, 0, 9},    /* leads to the bus it sits on */
        {0, 5, 4},    /* last before first */
        {0, 0, 255},  /* everything */
        {9, 2, 9},    /* over its neighbour at 3 */
        {0, 3, 3},    /* its neighbour's own */
        {0, 3, 200},  /* its neighbour's own and more */
        {0, 250, 255} /* beyond the host */
    };

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(rows); i++) {
        setup(NULL);
        struct fake_pci_bus *root = fake_pci_root(0);
        struct fake_pci_function *good = fake_pci_add_bridge(root, 1, 0);
        struct fake_pci_function *bad = fake_pci_add_bridge(root, 2, 0);
        host.last_bus = 240;
        fake_pci_numbers(good, 0, 3, 4);
        fake_pci_numbers(bad, rows[i][0], rows[i][1], rows[i][2]);
        (void)disk(good->below, 0);
        (void)disk(bad->below, 5);
        scan();
        assert_int_equal(n, 4);
        assert_numbers(good, 0, 3, 4);
        assert_numbers(bad, 0, 1, 1);
        assert_int_equal(at(1, 5, 0)->device_id, 0x1042);
    }
}

static void a_range_outside_the_one_above_is_replaced(void **state)
{
    struct fake_pci_function *upper = fake_pci_add_bridge(fake_pci_root(0), 1, 0);
    struct fake_pci_function *lower = fake_pci_add_bridge(upper->below, 1, 0);

    (void)state;
    fake_pci_numbers(upper, 0, 1, 5);
    fake_pci_numbers(lower, 1, 4, 6);
    (void)disk(lower->below, 0);
    scan();
    assert_int_equal(n, 3);
    assert_numbers(upper, 0, 1, 5);
    assert_numbers(lower, 1, 2, 2);
}

static void a_bridge_back_to_a_bus_visited_is_replaced(void **state)
{
    struct fake_pci_function *upper = fake_pci_add_bridge(fake_pci_root(0), 1, 0);
    struct fake_pci_function *lower = fake_pci_add_bridge(upper->below, 1, 0);

    (void)state;
    fake_pci_numbers(upper, 0, 1, 2);
    fake_pci_numbers(lower, 1, 1, 2);
    (void)disk(lower->below, 0);
    scan();
    assert_int_equal(n, 3);
    assert_numbers(lower, 1, 2, 2);
}

static void a_wrong_primary_is_set_right(void **state)
{
    struct fake_pci_function *bridge = fake_pci_add_bridge(fake_pci_root(0), 1, 0);

    (void)state;
    fake_pci_numbers(bridge, 7, 1, 2);
    (void)disk(bridge->below, 0);
    scan();
    assert_int_equal(n, 2);
    assert_numbers(bridge, 0, 1, 2);
}

/* ---------------------------------------------------------------- several root buses */

static void further_root_buses(void **state)
{
    struct fake_pci_bus *first = fake_pci_root(0), *second = fake_pci_root(0x80);
    struct fake_pci_bus *third = fake_pci_root(0xff);
    struct fake_pci_function *bridge = fake_pci_add_bridge(first, 1, 0);
    struct fake_pci_function *port = fake_pci_add_port(second, 0, 0, 4);

    (void)state;
    fake_pci_numbers(bridge, 0, 1, 1);
    fake_pci_numbers(port, 0x80, 0x81, 0x81);
    (void)disk(bridge->below, 0);
    (void)disk(port->below, 0);
    (void)disk(third, 31);
    scan();
    assert_int_equal(n, 5);
    assert_int_equal(at(0x80, 0, 0)->parent, -1);
    assert_ptr_equal(&functions[at(0x81, 0, 0)->parent], at(0x80, 0, 0));
    assert_int_equal(at(0xff, 31, 0)->parent, -1);
}

/* Numbers that go past the next root bus would never reach this root's bridges. */
static void numbers_of_each_root_end_before_the_next(void **state)
{
    struct fake_pci_bus *first = fake_pci_root(0), *second = fake_pci_root(3);
    struct fake_pci_function *a = fake_pci_add_bridge(first, 1, 0);
    struct fake_pci_function *aa = fake_pci_add_bridge(a->below, 0, 0);
    struct fake_pci_function *aaa = fake_pci_add_bridge(aa->below, 0, 0);
    struct fake_pci_function *b = fake_pci_add_bridge(first, 2, 0);
    struct fake_pci_function *c = fake_pci_add_bridge(second, 1, 0);

    (void)state;
    (void)disk(aaa->below, 0);
    (void)disk(b->below, 0);
    (void)disk(c->below, 0);
    scan();
    assert_numbers(c, 3, 4, 4);
    assert_numbers(a, 0, 1, 2);
    assert_numbers(aa, 1, 2, 2);
    assert_int_equal(at(2, 0, 0)->secondary_bus, 0);
    assert_int_equal(at(0, 2, 0)->secondary_bus, 0);
    assert_int_equal(fake_pci.n_log_lines, 2);
    assert_int_equal(n, 6);
}

static void many_functions_are_sorted(void **state)
{
    struct fake_pci_bus *root = fake_pci_root(0);

    (void)state;
    /* numbers against the order of devices, two disks each */
    for (unsigned i = 0; i < 32; i++) {
        struct fake_pci_function *bridge = fake_pci_add_bridge(root, i, 0);
        fake_pci_numbers(bridge, 0, 40 - i, 40 - i);
        (void)disk(bridge->below, 1);
        (void)disk(bridge->below, 30);
    }
    scan();
    assert_int_equal(n, 96);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_empty_machine_costs_one_read_per_device, setup),
        cmocka_unit_test_setup(identity_of_a_function, setup),
        cmocka_unit_test_setup(function_0_decides, setup),
        cmocka_unit_test_setup(vendor_0_is_nobody, setup),
        cmocka_unit_test_setup(only_buses_of_the_host_are_asked, setup),
        cmocka_unit_test_setup(more_than_there_is_room_for, setup),
        cmocka_unit_test_setup(regression_serenityos_5190_no_bridge_missed_or_walked_twice, setup),
        cmocka_unit_test_setup(a_link_has_one_device, setup),
        cmocka_unit_test_setup(unset_bridges_are_numbered, setup),
        cmocka_unit_test_setup(numbers_given_avoid_those_that_firmware_gave, setup),
        cmocka_unit_test_setup(hot_plugged_bridge_inside_a_reserved_range, setup),
        cmocka_unit_test_setup(a_bridge_that_cannot_be_numbered_is_said_and_left, setup),
        cmocka_unit_test_setup(numbers_end_at_the_hosts_last_bus, setup),
        cmocka_unit_test_setup(a_chain_of_255_bridges, setup),
        cmocka_unit_test_setup(senseless_numbers_are_replaced, setup),
        cmocka_unit_test_setup(a_range_outside_the_one_above_is_replaced, setup),
        cmocka_unit_test_setup(a_bridge_back_to_a_bus_visited_is_replaced, setup),
        cmocka_unit_test_setup(a_wrong_primary_is_set_right, setup),
        cmocka_unit_test_setup(further_root_buses, setup),
        cmocka_unit_test_setup(numbers_of_each_root_end_before_the_next, setup),
        cmocka_unit_test_setup(many_functions_are_sorted, setup),
    };

    return cmocka_run_group_tests_name("pci_scan", tests, NULL, NULL);
}
