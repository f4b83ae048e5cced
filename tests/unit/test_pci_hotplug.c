/* SPDX-License-Identifier: BSD-2-Clause */
/* Slots that are filled and emptied while the machine runs, and looking at the buses again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "fake_pci.h"

#define MAX        32u
#define NS_PER_MS  1000000ull
#define CAPABILITY 0x54u /* where fake_pci_add_port puts it */
#define LINK_CAN   (CAPABILITY + 0x0c)
#define LINK       (CAPABILITY + 0x12)
#define SLOT_CAN   (CAPABILITY + 0x14)
#define CONTROL    (CAPABILITY + 0x18)
#define STATUS     (CAPABILITY + 0x1a)

enum { BUTTON = 0x1, CHANGED = 0x8, DONE = 0x10, PRESENT = 0x40, LINK_CHANGED = 0x100 };
enum { POWER_OFF = 0x400, INDICATOR = 0x300, INDICATOR_ON = 0x100, LINK_UP = 0x2000 };

static struct vst_pci_function functions[MAX];
static size_t n;
static struct vst_pci_host host;
static struct fake_pci_bus *root;

/* ---------------------------------------------------------------- a port with a slot */

static struct machine {
    struct fake_pci_function *port;
    uint64_t now_ns;
    unsigned commands_take; /* reads of the status until one is done */
    unsigned n_commands;
    bool link_is_dead;
    bool busy_when_commanded; /* a command came before the last was done */
    uint32_t (*read)(void *ctx, struct vst_pci_address address, uint16_t offset,
                     uint8_t width_bytes);
    void (*write)(void *ctx, struct vst_pci_address address, uint16_t offset, uint8_t width_bytes,
                  uint32_t value);
    unsigned until_done;
} machine;

static uint32_t read_config(void *ctx, struct vst_pci_address address, uint16_t offset,
                            uint8_t width_bytes)
{
    if (machine.port != NULL && offset == STATUS && machine.until_done > 0 &&
        --machine.until_done == 0)
        machine.port->config[STATUS] |= DONE;
    return machine.read(ctx, address, offset, width_bytes);
}

static void write_config(void *ctx, struct vst_pci_address address, uint16_t offset,
                         uint8_t width_bytes, uint32_t value)
{
    struct fake_pci_function *port = machine.port;

    if (port == NULL || (offset != STATUS && offset != CONTROL)) {
        machine.write(ctx, address, offset, width_bytes, value);
        return;
    }
    assert_int_equal(width_bytes, 2);
    if (offset == STATUS) { /* ones clear */
        fake_pci_set16(port, STATUS, fake_pci_get16(port, STATUS) & (uint16_t) ~(value & 0x11f));
        return;
    }
    machine.busy_when_commanded |= machine.until_done > 0;
    machine.n_commands++;
    machine.until_done = machine.commands_take;
    fake_pci_set16(port, CONTROL, (uint16_t)value);
    if ((value & POWER_OFF) == 0 && !machine.link_is_dead)
        fake_pci_set16(port, LINK, LINK_UP | 0x11);
}

static uint64_t look_at_clock(void *ctx)
{
    (void)ctx;
    return machine.now_ns += 1000;
}

static void relax(void *ctx)
{
    (void)ctx;
    machine.now_ns += 100000;
}

static int setup(void **state)
{
    (void)state;
    fake_pci_reset();
    machine = (struct machine){.commands_take = 3,
                               .now_ns = 5000000000u,
                               .read = fake_pci.platform.pci_config_read,
                               .write = fake_pci.platform.pci_config_write};
    fake_pci.platform.pci_config_read = read_config;
    fake_pci.platform.pci_config_write = write_config;
    fake_pci.platform.time_ns = look_at_clock;
    fake_pci.platform.relax = relax;
    host = (struct vst_pci_host){.platform = &fake_pci.platform,
                                 .last_bus = 255,
                                 .io = {0xc000, 0xffff},
                                 .memory_below_4g = {0xc0000000, 0xfebfffff},
                                 .memory_above_4g = {0x800000000, 0xbffffffff}};
    root = fake_pci_root(0);
    return 0;
}

static void scan(void)
{
    assert_int_equal(vst_pci_scan(&host, functions, MAX, &n), VST_OK);
}

/* A root port with everything that a slot can have. */
static struct fake_pci_function *add_slot(unsigned device)
{
    struct fake_pci_function *port = fake_pci_add_port(root, device, 0, 4);

    fake_pci_set16(port, CAPABILITY + 2, 0x0142); /* root port, slot, version 2 */
    fake_pci_set32(port, LINK_CAN, 1u << 20);
    fake_pci_set32(port, SLOT_CAN, 0x5b); /* button, power, indicators, hot-plug */
    fake_pci_set16(port, CONTROL, POWER_OFF | INDICATOR | 0x00c0);
    return port;
}

static struct vst_pci_slot slot;

static void open_slot(void)
{
    scan();
    assert_int_equal(vst_pci_slots(&fake_pci.platform, functions, n, &slot, 1), 1);
}

static enum vst_pci_slot_event poll(void)
{
    return vst_pci_slot_poll(&fake_pci.platform, &slot);
}

static void raise(uint16_t set, uint16_t clear)
{
    uint16_t status = fake_pci_get16(machine.port, STATUS);

    fake_pci_set16(machine.port, STATUS, (uint16_t)((status & ~clear) | set));
}

static void fill(void)
{
    raise(PRESENT | CHANGED | BUTTON, 0);
}

static void power(bool on)
{
    assert_int_equal(vst_pci_slot_power(&fake_pci.platform, &slot, on), VST_OK);
}

static void open_filled_slot(void)
{
    machine.port = add_slot(1);
    fake_pci_set16(machine.port, CONTROL, INDICATOR_ON | 0x00c0);
    raise(PRESENT, 0);
    open_slot();
    assert_true(slot.occupied);
}

static void slots_are_found_among_bridges(void **state)
{
    struct vst_pci_slot slots[4];

    (void)state;
    fake_pci_add_bridge(root, 1, 0);
    fake_pci_add_port(root, 2, 0, 4);                       /* no slot */
    fake_pci_set32(add_slot(3), SLOT_CAN, 0x1b);            /* not for hot-plug */
    add_slot(4);                                            /* it */
    fake_pci_set32(add_slot(5), SLOT_CAN, 1u << 18 | 0x40); /* it, and bare */
    fake_pci_add(root, 6, 0, 0x1af4, 0x1042, 0x010000);
    scan();
    assert_int_equal(vst_pci_slots(&fake_pci.platform, functions, n, slots, 4), 2);
    assert_int_equal(slots[0].port.device, 4);
    assert_true(slots[0].powers && slots[0].indicates && slots[0].confirms && slots[0].tells_link);
    assert_int_equal(slots[1].port.device, 5);
    assert_false(slots[1].powers || slots[1].indicates || slots[1].confirms);
    assert_int_equal(vst_pci_slots(&fake_pci.platform, functions, n, slots, 1), 1);
}

static void a_capability_at_the_end_is_no_slot(void **state)
{
    struct fake_pci_function *port = fake_pci_add_bridge(root, 1, 0);

    (void)state;
    fake_pci_capability_head(port, 0xf0);
    fake_pci_capability(port, 0xf0, 0x10, 0);
    fake_pci_set16(port, 0xf2, 0x0142);
    scan();
    assert_int_equal(vst_pci_slots(&fake_pci.platform, functions, n, &slot, 1), 0);
}

static void what_is_there_at_first_is_no_event(void **state)
{
    (void)state;
    open_filled_slot();
    unsigned n_writes = fake_pci.n_writes;
    assert_int_equal(poll(), VST_PCI_SLOT_QUIET);
    assert_int_equal(fake_pci.n_writes, n_writes);
}

static void a_device_arrives_and_gets_power(void **state)
{
    (void)state;
    machine.port = add_slot(1);
    open_slot();
    assert_false(slot.occupied);
    assert_int_equal(poll(), VST_PCI_SLOT_QUIET);
    fill();
    assert_int_equal(poll(), VST_PCI_SLOT_ARRIVED);
    assert_int_equal(fake_pci_get16(machine.port, STATUS), PRESENT); /* acknowledged */
    uint64_t before_ns = machine.now_ns;
    power(true);
    assert_int_equal(machine.n_commands, 1);
    assert_int_equal(fake_pci_get16(machine.port, CONTROL), INDICATOR_ON | 0x00c0);
    assert_true(machine.now_ns - before_ns >= 100 * NS_PER_MS); /* PCIe 4, 6.6.1 */
    assert_int_equal(poll(), VST_PCI_SLOT_QUIET);
}

static void a_button_asks_for_leave(void **state)
{
    (void)state;
    open_filled_slot();
    raise(BUTTON, 0);
    assert_int_equal(poll(), VST_PCI_SLOT_LEAVING);
    power(false);
    assert_int_equal(fake_pci_get16(machine.port, CONTROL), POWER_OFF | INDICATOR | 0x00c0);
    assert_false(machine.busy_when_commanded);
    raise(CHANGED, PRESENT); /* the host takes it out */
    assert_int_equal(poll(), VST_PCI_SLOT_QUIET);
    /* The next one: power may come back a second after it went. (6.7.1.8) */
    uint64_t off_ns = slot.off_ns;
    fill();
    assert_int_equal(poll(), VST_PCI_SLOT_ARRIVED);
    power(true);
    assert_true(machine.now_ns - off_ns >= 1000 * NS_PER_MS);
    assert_int_equal(poll(), VST_PCI_SLOT_QUIET);
}

static void what_was_told_to_leave_may_stand_there_for_long(void **state)
{
    (void)state;
    open_filled_slot();
    raise(BUTTON, 0);
    assert_int_equal(poll(), VST_PCI_SLOT_LEAVING);
    power(false);
    for (int i = 0; i < 5; i++)
        assert_int_equal(poll(), VST_PCI_SLOT_QUIET);
    raise(BUTTON, 0); /* it may stay after all */
    assert_int_equal(poll(), VST_PCI_SLOT_ARRIVED);
    power(true);
    assert_int_equal(poll(), VST_PCI_SLOT_QUIET);
}

static void a_device_vanishes(void **state)
{
    (void)state;
    open_filled_slot();
    raise(CHANGED | LINK_CHANGED, PRESENT);
    assert_int_equal(poll(), VST_PCI_SLOT_LEFT);
    power(false);
    assert_int_equal(poll(), VST_PCI_SLOT_QUIET);
}

static void a_device_is_exchanged_between_two_looks(void **state)
{
    (void)state;
    open_filled_slot();
    raise(CHANGED, 0);
    assert_int_equal(poll(), VST_PCI_SLOT_LEFT);
    power(false);
    assert_int_equal(poll(), VST_PCI_SLOT_ARRIVED);
    power(true);
    assert_int_equal(poll(), VST_PCI_SLOT_QUIET);
}

static void a_dead_link_is_told(void **state)
{
    (void)state;
    machine.port = add_slot(1);
    machine.link_is_dead = true;
    open_slot();
    fill();
    assert_int_equal(poll(), VST_PCI_SLOT_ARRIVED);
    assert_int_equal(vst_pci_slot_power(&fake_pci.platform, &slot, true), VST_ERR_TIMEOUT);
    assert_int_equal(poll(), VST_PCI_SLOT_QUIET);
}

static void a_slot_that_confirms_nothing_does_not_hang(void **state)
{
    (void)state;
    open_filled_slot();
    machine.commands_take = 0;
    raise(BUTTON, 0);
    assert_int_equal(poll(), VST_PCI_SLOT_LEAVING);
    power(false);
    assert_string_equal(fake_pci.last_log, "pci: 0000:00:01.0: the slot confirms no command");
    fake_pci_set32(machine.port, SLOT_CAN, 1u << 18 | 0x5b); /* one that says it never does */
    fake_pci.n_log_lines = 0;
    open_slot();
    power(true);
    assert_int_equal(fake_pci.n_log_lines, 0);
}

static void a_port_that_is_gone_is_quiet(void **state)
{
    (void)state;
    open_filled_slot();
    memset(machine.port->config, 0xff, sizeof(machine.port->config));
    unsigned n_writes = fake_pci.n_writes;
    assert_int_equal(poll(), VST_PCI_SLOT_QUIET);
    assert_int_equal(fake_pci.n_writes, n_writes);
}

/* ---------------------------------------------------------------- rescan */

static void rescan(void)
{
    assert_int_equal(vst_pci_rescan(&host, functions, MAX, &n), VST_OK);
    for (size_t i = 0; i < n; i++) {
        const struct vst_pci_function *f = &functions[i];
        if (f->parent >= 0)
            assert_int_equal(functions[f->parent].secondary_bus, f->address.bus);
    }
}

static const struct vst_pci_function *at(unsigned bus, unsigned device)
{
    for (size_t i = 0; i < n; i++)
        if (functions[i].address.bus == bus && functions[i].address.device == device)
            return &functions[i];
    return NULL;
}

static struct fake_pci_function *add_disk(struct fake_pci_bus *bus, unsigned device)
{
    struct fake_pci_function *disk = fake_pci_add(bus, device, 0, 0x1af4, 0x1042, 0x010000);

    fake_pci_bar(disk, 1, 0, 0x1000, 0);
    fake_pci_bar(disk, 4, 0xc, 0x4000, 0);
    return disk;
}

static void remove_function(struct fake_pci_function *function, unsigned device)
{
    function->bus->functions[device * 8] = NULL;
    memset(function->bar_bytes, 0, sizeof(function->bar_bytes));
}

static void assign(void)
{
    unsigned n_unplaced;

    assert_int_equal(vst_pci_assign(&host, functions, n, false), VST_OK);
    const char *problem = fake_pci_layout_problem(&host, &n_unplaced);
    assert_null(problem);
    assert_int_equal(n_unplaced, 0);
}

static void nothing_new_changes_nothing(void **state)
{
    (void)state;
    add_disk(root, 3);
    struct fake_pci_function *bridge = fake_pci_add_bridge(root, 4, 0);
    add_disk(bridge->below, 1);
    scan();
    assign();
    struct vst_pci_function before[MAX];
    memcpy(before, functions, sizeof(before));
    assert_true(at(0, 3)->fresh);
    unsigned n_writes = fake_pci.n_writes;
    rescan();
    assert_int_equal(fake_pci.n_writes, n_writes); /* whoever uses a device is not disturbed */
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++) {
        assert_false(functions[i].fresh);
        functions[i].fresh = true;
    }
    assert_memory_equal(before, functions, n * sizeof(functions[0]));
}

static void a_new_device_is_found_and_placed(void **state)
{
    (void)state;
    struct fake_pci_function *port = add_slot(1), *old = add_disk(root, 2);
    scan();
    assign();
    uint64_t address = fake_pci_bar_address(old, 4);
    old->config[4] = 6; /* in use */
    old->n_command_writes = 0;
    add_disk(port->below, 0);
    rescan();
    assert_int_equal(n, 3);
    const struct vst_pci_function *new = at(functions[0].secondary_bus, 0);
    assert_non_null(new);
    assert_true(new->fresh &&new->parent == 0);
    assert_false(at(0, 2)->fresh);
    assign();
    assert_int_equal(old->n_command_writes, 0);
    assert_int_equal(fake_pci_bar_address(old, 4), address);
    assert_int_equal(fake_pci.n_bar_writes_while_decoding, 0);
}

static void what_has_gone_leaves_with_all_behind_it(void **state)
{
    (void)state;
    struct fake_pci_function *upper = fake_pci_add_bridge(root, 1, 0);
    struct fake_pci_function *lower = fake_pci_add_bridge(upper->below, 2, 0);
    add_disk(lower->below, 3);
    struct fake_pci_function *stays = add_disk(root, 4);
    scan();
    assign();
    assert_int_equal(n, 4);
    uint8_t number = upper->config[0x19];
    remove_function(upper, 1);
    rescan();
    assert_int_equal(n, 1);
    assert_int_equal(functions[0].address.device, 4);
    (void)stays;
    /* Its bus number is free again for the next one. */
    struct fake_pci_function *next = fake_pci_add_bridge(root, 5, 0);
    add_disk(next->below, 0);
    rescan();
    assert_int_equal(n, 3);
    assert_int_equal(next->config[0x19], number);
    assert_true(at(number, 0)->fresh);
}

static void another_in_the_same_place_is_new(void **state)
{
    (void)state;
    struct fake_pci_function *disk = add_disk(root, 3);
    scan();
    assign();
    remove_function(disk, 3);
    add_disk(root, 3); /* of the same kind: but its BARs are empty */
    rescan();
    assert_int_equal(n, 1);
    assert_true(functions[0].fresh);
    assert_false(functions[0].bars[1].assigned);
    assign();
    rescan();
    assert_false(functions[0].fresh);
    fake_pci_set16(&fake_pci.functions[1], 2, 0x1048);
    rescan();
    assert_true(functions[0].fresh);
    assert_int_equal(functions[0].device_id, 0x1048);
}

static void further_functions_of_a_device_are_found(void **state)
{
    (void)state;
    add_disk(root, 3);
    scan();
    fake_pci_add(root, 3, 2, 0x1af4, 0x1048, 0x010000);
    rescan();
    assert_int_equal(n, 2);
    assert_false(functions[0].fresh);
    assert_true(functions[1].fresh);
    assert_int_equal(functions[1].address.function, 2);
}

static void more_than_fit_are_left_out(void **state)
{
    (void)state;
    add_disk(root, 3);
    scan();
    add_disk(root, 4);
    add_disk(root, 5);
    assert_int_equal(vst_pci_rescan(&host, functions, 2, &n), VST_ERR_TOO_LARGE);
    assert_int_equal(n, 2);
}

static void presence(void **state)
{
    (void)state;
    add_disk(root, 3);
    assert_true(vst_pci_is_present(&fake_pci.platform, (struct vst_pci_address){0, 0, 3, 0}));
    assert_false(vst_pci_is_present(&fake_pci.platform, (struct vst_pci_address){0, 0, 4, 0}));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(slots_are_found_among_bridges),
        TEST(a_capability_at_the_end_is_no_slot),
        TEST(what_is_there_at_first_is_no_event),
        TEST(a_device_arrives_and_gets_power),
        TEST(a_button_asks_for_leave),
        TEST(what_was_told_to_leave_may_stand_there_for_long),
        TEST(a_device_vanishes),
        TEST(a_device_is_exchanged_between_two_looks),
        TEST(a_dead_link_is_told),
        TEST(a_slot_that_confirms_nothing_does_not_hang),
        TEST(a_port_that_is_gone_is_quiet),
        TEST(nothing_new_changes_nothing),
        TEST(a_new_device_is_found_and_placed),
        TEST(what_has_gone_leaves_with_all_behind_it),
        TEST(another_in_the_same_place_is_new),
        TEST(further_functions_of_a_device_are_found),
        TEST(more_than_fit_are_left_out),
        TEST(presence),
    };
    return cmocka_run_group_tests_name("pci_hotplug", tests, NULL, NULL);
}
