/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding every function, whatever the registers say.
 *
 * The array of functions found is also the list of work: a bridge in it whose bus was not looked at
 * yet is what remains to be done. So nothing recurses, and as each bus is looked at once and has
 * 256 functions at most, it ends.
 *
 * Three stages:
 *   1  the host's first bus, and what lies behind bridges that firmware has numbered
 *   2  buses that no bridge leads to: where something answers, it is a further root bus
 *   3  bridges without (or with senseless) numbers: only now is known which numbers are free
 */
#include <vstor/log.h>
#include "pci_internal.h"

#define NOBODY (-1)

/* A bridge that stage 3 will number has secondary 0 and this; one that could not be numbered has 0
 * and 0. */
#define SUBORDINATE_PENDING 0xffu

struct scan {
    const struct vst_pci_host *host;
    struct vst_pci_function
        *functions; /* in the order of discovery: a bridge before what is behind it */
    size_t max, n;
    size_t
        n_known; /* a rescan: functions before this one were there already, and stay as they are */
    size_t next_bridge; /* functions before this one need no more following */
    bool too_many;
    bool taken[PCI_N_BUSES];    /* a root bus with functions, or the secondary bus of a bridge */
    int32_t owner[PCI_N_BUSES]; /* index of the innermost bridge that passes this bus number on */
};

static bool is_pending(const struct vst_pci_function *function)
{
    return pci_is_bridge(function) && function->secondary_bus == 0 &&
           function->subordinate_bus == SUBORDINATE_PENDING;
}

/*
 * Numbers that make sense: beyond the bridge's own bus, on nobody else's, and inside the range that
 * the bridge above passes on. So no bus can be entered twice, nor a bridge lead to itself.
 * (PCI-to-PCI bridge 1.2, 3.2.5.3, 3.2.5.4)
 */
static bool numbers_make_sense(const struct scan *scan, const struct vst_pci_function *bridge)
{
    unsigned secondary = bridge->secondary_bus, subordinate = bridge->subordinate_bus;

    if (secondary <= bridge->address.bus || secondary > subordinate ||
        subordinate > scan->host->last_bus || scan->taken[secondary])
        return false;
    for (unsigned bus = secondary; bus <= subordinate; bus++)
        if (scan->owner[bus] != scan->owner[bridge->address.bus])
            return false;
    return true;
}

static void claim_range(struct scan *scan, size_t index)
{
    const struct vst_pci_function *bridge = &scan->functions[index];

    scan->taken[bridge->secondary_bus] = true;
    for (unsigned bus = bridge->secondary_bus; bus <= bridge->subordinate_bus; bus++)
        scan->owner[bus] = (int32_t)index;
}

/* Accepts the bus numbers of a bridge just found, or closes it until stage 3. */
static void judge_numbers(struct scan *scan, size_t index)
{
    const struct vst_platform *platform = scan->host->platform;
    struct vst_pci_function *bridge = &scan->functions[index];
    uint32_t numbers = pci_read32(platform, bridge->address, PCI_PRIMARY_BUS);
    bool primary_right = (uint8_t)numbers == bridge->address.bus;
    bool unset = (numbers & 0x00ffff00u) == 0;

    bridge->secondary_bus = (uint8_t)(numbers >> 8);
    bridge->subordinate_bus = (uint8_t)(numbers >> 16);
    if (numbers_make_sense(scan, bridge)) {
        claim_range(scan, index);
        if (!primary_right)
            vst_pci_bridge_numbers_write(platform, bridge);
        return;
    }
    /* Left open it would answer for buses that belong to others. */
    bridge->secondary_bus = bridge->subordinate_bus = 0;
    if (!unset)
        vst_pci_bridge_numbers_write(platform, bridge);
    bridge->subordinate_bus = SUBORDINATE_PENDING;
}

static void read_identity(const struct vst_platform *platform, struct vst_pci_function *function,
                          uint32_t id)
{
    struct vst_pci_address address = function->address;
    uint32_t class_code = pci_read32(platform, address, PCI_REVISION_ID);
    uint16_t interrupt = pci_read16(platform, address, PCI_INTERRUPT_LINE);

    function->vendor_id = (uint16_t)id;
    function->device_id = (uint16_t)(id >> 16);
    function->revision = (uint8_t)class_code;
    function->programming_interface = (uint8_t)(class_code >> 8);
    function->sub_class = (uint8_t)(class_code >> 16);
    function->base_class = (uint8_t)(class_code >> 24);
    function->command = pci_read16(platform, address, PCI_COMMAND);
    function->interrupt_line = (uint8_t)interrupt;
    function->interrupt_pin = interrupt >> 8 <= 4 ? (uint8_t)(interrupt >> 8) : 0;
    if (function->header_type == PCI_HEADER_DEVICE) {
        uint32_t subsystem = pci_read32(platform, address, PCI_SUBSYSTEM_VENDOR_ID);
        function->subsystem_vendor_id = (uint16_t)subsystem;
        function->subsystem_id = (uint16_t)(subsystem >> 16);
    }
}

static uint32_t place_of(struct vst_pci_address address)
{
    return (uint32_t)address.bus << 8 | (uint32_t)address.device << 3 | address.function;
}

static bool is_known(const struct scan *scan, struct vst_pci_address address)
{
    for (size_t i = 0; i < scan->n_known; i++)
        if (place_of(scan->functions[i].address) == place_of(address))
            return true;
    return false;
}

/* Reads one function into the array; true if the device says that it has more than function 0. */
static bool add_function(struct scan *scan, struct vst_pci_address address, uint32_t id,
                         int32_t parent)
{
    const struct vst_platform *platform = scan->host->platform;
    uint8_t header_type = pci_read8(platform, address, PCI_HEADER_TYPE);
    struct vst_pci_function *function;

    if (is_known(scan, address))
        return (header_type & PCI_HEADER_MULTI) != 0;
    if (scan->n == scan->max) {
        scan->too_many = true;
        return false;
    }
    function = &scan->functions[scan->n];
    *function = (struct vst_pci_function){
        .address = address,
        .header_type = header_type & PCI_HEADER_LAYOUT,
        .bridge_io = PCI_WINDOW_EMPTY,
        .bridge_memory = PCI_WINDOW_EMPTY,
        .bridge_prefetchable = PCI_WINDOW_EMPTY,
        .fresh = true,
        .parent = parent,
    };
    read_identity(platform, function, id);
    vst_pci_capabilities_read(platform, function);
    if (function->capabilities_malformed)
        vst_log(platform, VST_LOG_WARNING, "pci: %04x:%02x:%02x.%u: malformed capability list",
                address.segment, address.bus, address.device, address.function);
    vst_pci_bars_size(platform, function);
    if (pci_is_bridge(function)) {
        vst_pci_bridge_windows_read(platform, function);
        judge_numbers(scan, scan->n);
    }
    scan->n++;
    return (header_type & PCI_HEADER_MULTI) != 0;
}

/* One read tells whether anybody is there. No vendor has number 0; some bridges answer it for
 * nobody. */
static bool answers(const struct vst_platform *platform, struct vst_pci_address address,
                    uint32_t *id)
{
    *id = pci_read32(platform, address, PCI_VENDOR_ID);
    return (uint16_t)*id != PCI_VENDOR_ID_NONE && (uint16_t)*id != 0;
}

bool vst_pci_is_present(const struct vst_platform *platform, struct vst_pci_address address)
{
    uint32_t id;

    return answers(platform, address, &id);
}

/* Function 0 must be there and decides about the others. (PCI 3.0, 3.2.2.3.4) */
static void scan_device(struct scan *scan, struct vst_pci_address address, int32_t parent)
{
    uint32_t id;

    if (!answers(scan->host->platform, address, &id) || !add_function(scan, address, id, parent))
        return;
    for (address.function = 1; address.function < PCI_N_FUNCTIONS; address.function++)
        if (!scan->too_many && answers(scan->host->platform, address, &id))
            (void)add_function(scan, address, id, parent);
}

static void scan_bus(struct scan *scan, unsigned bus, int32_t parent)
{
    struct vst_pci_address address = {.segment = scan->host->segment, .bus = (uint8_t)bus};
    unsigned n_devices = PCI_N_DEVICES;

    if (parent != NOBODY &&
        vst_pci_bridge_leads_to_link(scan->host->platform, &scan->functions[parent]))
        n_devices = 1;
    for (unsigned device = 0; device < n_devices && !scan->too_many; device++) {
        address.device = (uint8_t)device;
        scan_device(scan, address, parent);
    }
}

/* Looks behind all bridges found since, and behind those found there. */
static void follow_bridges(struct scan *scan)
{
    for (; scan->next_bridge < scan->n; scan->next_bridge++) {
        const struct vst_pci_function *function = &scan->functions[scan->next_bridge];
        if (function->secondary_bus != 0)
            scan_bus(scan, function->secondary_bus, (int32_t)scan->next_bridge);
    }
}

static void scan_root_bus(struct scan *scan, unsigned bus)
{
    size_t before = scan->n;

    scan_bus(scan, bus, NOBODY);
    scan->taken[bus] = scan->n > before;
    follow_bridges(scan);
}

/* The last bus number below the next root bus: numbers from there on do not reach this one's
 * bridges. */
static unsigned last_bus_of_root(const struct scan *scan, unsigned root)
{
    unsigned last = scan->host->last_bus;

    for (size_t i = 0; i < scan->n; i++) {
        unsigned bus = scan->functions[i].address.bus;
        if (scan->functions[i].parent == NOBODY && bus > root && bus <= last)
            last = bus - 1;
    }
    return last;
}

/* A number for the bus behind `bridge`, 0 if there is none. */
static unsigned free_number(const struct scan *scan, const struct vst_pci_function *bridge)
{
    int32_t parent = bridge->parent;
    unsigned last = parent == NOBODY ? last_bus_of_root(scan, bridge->address.bus)
                                     : scan->functions[parent].subordinate_bus;

    for (unsigned bus = bridge->address.bus + 1u; bus <= last; bus++)
        if (!scan->taken[bus] && scan->owner[bus] == scan->owner[bridge->address.bus])
            return bus;
    /*
     * Else the bridges above may grow by one. Ranges of others begin with their secondary bus, so
     * if the next number is not taken it is in nobody's way.
     */
    if (parent != NOBODY && last < scan->host->last_bus && !scan->taken[last + 1])
        return last + 1;
    return 0;
}

/* Gives a bridge one bus number, which the bridges above take in, and looks what is behind. */
static void number_bridge(struct scan *scan, size_t index)
{
    const struct vst_platform *platform = scan->host->platform;
    struct vst_pci_function *bridge = &scan->functions[index];
    struct vst_pci_address address = bridge->address;
    unsigned bus = free_number(scan, bridge);

    bridge->secondary_bus = bridge->subordinate_bus = (uint8_t)bus;
    if (bus == 0) {
        vst_log(platform, VST_LOG_WARNING,
                "pci: %04x:%02x:%02x.%u: no bus number left for this bridge", address.segment,
                address.bus, address.device, address.function);
        return;
    }
    for (int32_t above = bridge->parent; above != NOBODY; above = scan->functions[above].parent) {
        if (scan->functions[above].subordinate_bus >= bus)
            break;
        scan->functions[above].subordinate_bus = (uint8_t)bus;
        vst_pci_bridge_numbers_write(platform, &scan->functions[above]);
    }
    claim_range(scan, index);
    vst_pci_bridge_numbers_write(platform, bridge);
    scan_bus(scan, bus, (int32_t)index);
}

/*
 * The bridge to number next: the first one on the bus that was reached last. So what is behind a
 * bridge is numbered before its neighbour, and each bridge's range stays in one piece.
 */
static bool next_pending(const struct scan *scan, size_t *index)
{
    size_t i = scan->n;

    while (i > 0 && !is_pending(&scan->functions[i - 1]))
        i--;
    if (i == 0)
        return false;
    *index = --i;
    for (; i > 0 && scan->functions[i - 1].address.bus == scan->functions[i].address.bus; i--)
        if (is_pending(&scan->functions[i - 1]))
            *index = i - 1;
    return true;
}

static uint32_t sort_key(const struct vst_pci_function *function)
{
    return place_of(function->address);
}

/* Shell's sort: little work for the nearly sorted list that firmware's numbers give, no memory, no
 * recursion. */
static void sort(struct vst_pci_function *functions, size_t n)
{
    size_t gap = 1;

    while (gap < n / 3)
        gap = 3 * gap + 1;
    for (; gap > 0; gap /= 3) {
        for (size_t i = gap; i < n; i++) {
            if (sort_key(&functions[i - gap]) <= sort_key(&functions[i]))
                continue;
            struct vst_pci_function moving = functions[i];
            size_t at = i;
            for (; at >= gap && sort_key(&functions[at - gap]) > sort_key(&moving); at -= gap)
                functions[at] = functions[at - gap];
            functions[at] = moving;
        }
    }
}

/* After the sort, each function's bridge is found again by its bus; a secondary bus has one bridge
 * only. */
static void set_parents(struct scan *scan)
{
    int32_t *bridge_to = scan->owner; /* done with its first meaning */

    for (unsigned bus = 0; bus < PCI_N_BUSES; bus++)
        bridge_to[bus] = NOBODY;
    for (size_t i = 0; i < scan->n; i++)
        if (scan->functions[i].secondary_bus != 0)
            bridge_to[scan->functions[i].secondary_bus] = (int32_t)i;
    for (size_t i = 0; i < scan->n; i++)
        scan->functions[i].parent = bridge_to[scan->functions[i].address.bus];
}

enum vst_status vst_pci_scan(const struct vst_pci_host *host, struct vst_pci_function *functions,
                             size_t max, size_t *n_functions)
{
    struct scan scan = {.host = host, .functions = functions, .max = max};
    size_t index;

    *n_functions = 0;
    if (host->first_bus > host->last_bus)
        return VST_ERR_INVALID;
    for (unsigned bus = 0; bus < PCI_N_BUSES; bus++)
        scan.owner[bus] = NOBODY;
    /* Stages 1 and 2 */
    for (unsigned bus = host->first_bus; bus <= host->last_bus; bus++)
        if (!scan.taken[bus])
            scan_root_bus(&scan, bus);
    /* Stage 3 */
    while (next_pending(&scan, &index))
        number_bridge(&scan, index);
    sort(functions, scan.n);
    set_parents(&scan);
    *n_functions = scan.n;
    return scan.too_many ? VST_ERR_TOO_LARGE : VST_OK;
}

/* ---------------------------------------------------------------- again */

/*
 * Whether the function is the one that we know. Another of the same kind, or the same after a time
 * without power, has lost its addresses.
 */
static bool is_same(const struct vst_platform *platform, const struct vst_pci_function *function)
{
    uint32_t id;

    if (!answers(platform, function->address, &id) || (uint16_t)id != function->vendor_id ||
        id >> 16 != function->device_id)
        return false;
    for (unsigned i = 0; i < pci_n_bars(function->header_type); i++) {
        const struct vst_pci_bar *bar = &function->bars[i];
        uint32_t flags = bar->kind == VST_PCI_BAR_IO ? PCI_BAR_IO_FLAGS : PCI_BAR_MEMORY_FLAGS;
        if (bar->assigned && (pci_read32(platform, function->address, pci_bar_register(i)) &
                              ~flags) != (uint32_t)bar->address)
            return false;
    }
    return true;
}

/* Drops what is not there any more; behind a bridge that has gone, or is another, nothing answers. */
static void keep_the_same(struct scan *scan)
{
    size_t n_kept = 0;

    for (size_t i = 0; i < scan->n; i++)
        if (is_same(scan->host->platform, &scan->functions[i]))
            scan->functions[n_kept++] = scan->functions[i];
    scan->n = n_kept;
    for (size_t i = 0; i < scan->n; i++)
        scan->functions[i].fresh = false;
    set_parents(scan);
}

static void claim_known(struct scan *scan)
{
    for (unsigned bus = 0; bus < PCI_N_BUSES; bus++)
        scan->owner[bus] = NOBODY;
    for (size_t i = 0; i < scan->n; i++)
        if (scan->functions[i].secondary_bus != 0)
            claim_range(scan, i);
}

/* All that is new on buses that we know. */
static void scan_known_buses(struct scan *scan)
{
    for (unsigned bus = 0; bus < PCI_N_BUSES; bus++)
        if (scan->taken[bus] && scan->owner[bus] == NOBODY)
            scan_bus(scan, bus, NOBODY);
    for (size_t i = 0; i < scan->n_known; i++)
        if (scan->functions[i].secondary_bus != 0)
            scan_bus(scan, scan->functions[i].secondary_bus, (int32_t)i);
}

enum vst_status vst_pci_rescan(const struct vst_pci_host *host, struct vst_pci_function *functions,
                               size_t max, size_t *n_functions)
{
    struct scan scan = {.host = host, .functions = functions, .max = max, .n = *n_functions};
    size_t index;

    set_parents(&scan);
    for (size_t i = 0; i < scan.n; i++)
        if (functions[i].parent == NOBODY) /* a root bus, even if nobody is left there */
            scan.taken[functions[i].address.bus] = true;
    keep_the_same(&scan);
    claim_known(&scan);
    scan.n_known = scan.next_bridge = scan.n;
    scan_known_buses(&scan);
    follow_bridges(&scan);
    while (next_pending(&scan, &index))
        number_bridge(&scan, index);
    sort(functions, scan.n);
    set_parents(&scan);
    *n_functions = scan.n;
    return scan.too_many ? VST_ERR_TOO_LARGE : VST_OK;
}
