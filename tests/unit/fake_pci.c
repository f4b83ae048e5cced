/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_pci.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_pci fake_pci;

uint8_t fake_pci_get8(const struct fake_pci_function *function, unsigned offset)
{
    return function->config[offset];
}
uint16_t fake_pci_get16(const struct fake_pci_function *function, unsigned offset)
{
    return (uint16_t)(function->config[offset] | function->config[offset + 1] << 8);
}
uint32_t fake_pci_get32(const struct fake_pci_function *function, unsigned offset)
{
    return fake_pci_get16(function, offset) | (uint32_t)fake_pci_get16(function, offset + 2) << 16;
}
void fake_pci_set16(struct fake_pci_function *function, unsigned offset, uint16_t value)
{
    function->config[offset] = (uint8_t)value;
    function->config[offset + 1] = (uint8_t)(value >> 8);
}
void fake_pci_set32(struct fake_pci_function *function, unsigned offset, uint32_t value)
{
    fake_pci_set16(function, offset, (uint16_t)value);
    fake_pci_set16(function, offset + 2, (uint16_t)(value >> 16));
}

static void set_writable32(struct fake_pci_function *function, unsigned offset, uint32_t mask)
{
    for (unsigned i = 0; i < 4; i++)
        function->writable[offset + i] = (uint8_t)(mask >> 8 * i);
}

static struct fake_pci_bus *new_bus(void)
{
    if (fake_pci.n_buses == FAKE_PCI_MAX_BUSES)
        abort();
    return &fake_pci.buses[fake_pci.n_buses++];
}

struct fake_pci_bus *fake_pci_root(uint8_t number)
{
    struct fake_pci_bus *bus = new_bus();

    bus->root = true;
    bus->number = number;
    return bus;
}

struct fake_pci_function *fake_pci_add(struct fake_pci_bus *bus, unsigned device, unsigned function,
                                       uint16_t vendor, uint16_t device_id, uint32_t class_code)
{
    struct fake_pci_function *new;

    if (fake_pci.n_functions == FAKE_PCI_MAX_FUNCTIONS || bus->functions[device * 8 + function])
        abort();
    new = &fake_pci.functions[fake_pci.n_functions++];
    new->bus = bus;
    bus->functions[device * 8 + function] = new;
    fake_pci_set16(new, 0x00, vendor);
    fake_pci_set16(new, 0x02, device_id);
    fake_pci_set32(new, 0x08, class_code << 8);
    set_writable32(new, 0x04, 0x0547); /* io, memory, master, parity, SERR, INTx */
    set_writable32(new, 0x3c, 0xff);
    if (function > 0 && bus->functions[device * 8])
        bus->functions[device * 8]->config[0x0e] |= 0x80;
    return new;
}

struct fake_pci_function *fake_pci_add_bridge(struct fake_pci_bus *bus, unsigned device,
                                              unsigned function)
{
    struct fake_pci_function *bridge =
        fake_pci_add(bus, device, function, 0x1b36, 0x0001, 0x060400);

    bridge->config[0x0e] |= 1;
    bridge->below = new_bus();
    bridge->below->bridge = bridge;
    set_writable32(bridge, 0x18, 0xffffffff);
    set_writable32(bridge, 0x1c, 0x0000f0f0);
    set_writable32(bridge, 0x20, 0xfff0fff0);
    set_writable32(bridge, 0x24, 0xfff0fff0);
    set_writable32(bridge, 0x28, 0xffffffff);
    set_writable32(bridge, 0x2c, 0xffffffff);
    set_writable32(bridge, 0x38, 0xfffff801);
    fake_pci_set32(bridge, 0x18, 0x55000000); /* a latency timer that must survive */
    fake_pci_set16(bridge, 0x1c, 0x00f0);
    fake_pci_set32(bridge, 0x20, 0x0000fff0);
    fake_pci_set32(bridge, 0x24, 0x0001fff1);
    return bridge;
}

struct fake_pci_function *fake_pci_add_port(struct fake_pci_bus *bus, unsigned device,
                                            unsigned function, unsigned port_type)
{
    struct fake_pci_function *port = fake_pci_add_bridge(bus, device, function);

    fake_pci_capability_head(port, 0x40);
    fake_pci_capability(port, 0x40, 0x05, 0x54);
    fake_pci_capability(port, 0x54, 0x10, 0);
    fake_pci_set16(port, 0x56, (uint16_t)(2 | port_type << 4));
    return port;
}

void fake_pci_bar(struct fake_pci_function *function, unsigned index, uint32_t flags,
                  uint64_t bytes, uint64_t address)
{
    unsigned offset = 0x10 + 4 * index;
    uint64_t mask = ~(bytes - 1);

    function->bar_bytes[index] = bytes;
    set_writable32(function, offset, (uint32_t)mask);
    fake_pci_set32(function, offset, (uint32_t)address | flags);
    if ((flags & 7) == 4) {
        set_writable32(function, offset + 4, (uint32_t)(mask >> 32));
        fake_pci_set32(function, offset + 4, (uint32_t)(address >> 32));
    }
}

void fake_pci_numbers(struct fake_pci_function *bridge, unsigned primary, unsigned secondary,
                      unsigned subordinate)
{
    fake_pci_set32(bridge, 0x18,
                   0x55000000u | (uint32_t)subordinate << 16 | secondary << 8 | primary);
}

void fake_pci_capability(struct fake_pci_function *function, unsigned offset, uint8_t id,
                         uint8_t next)
{
    function->config[offset] = id;
    function->config[offset + 1] = next;
}

void fake_pci_capability_head(struct fake_pci_function *function, uint8_t pointer)
{
    function->config[0x06] |= 0x10;
    function->config[(function->config[0x0e] & 0x7f) == 2 ? 0x14 : 0x34] = pointer;
}

void fake_pci_window(struct fake_pci_function *bridge, unsigned space, uint64_t first,
                     uint64_t last)
{
    switch (space) {
    case 0:
        bridge->config[0x1c] =
            (uint8_t)((bridge->config[0x1c] & 0xf) | (uint8_t)(first >> 8 & 0xf0));
        bridge->config[0x1d] =
            (uint8_t)((bridge->config[0x1d] & 0xf) | (uint8_t)(last >> 8 & 0xf0));
        fake_pci_set16(bridge, 0x30, (uint16_t)(first >> 16));
        fake_pci_set16(bridge, 0x32, (uint16_t)(last >> 16));
        break;
    case 1:
        fake_pci_set16(bridge, 0x20, (uint16_t)(first >> 16 & 0xfff0));
        fake_pci_set16(bridge, 0x22, (uint16_t)(last >> 16 & 0xfff0));
        break;
    default:
        fake_pci_set16(bridge, 0x24,
                       (uint16_t)((bridge->config[0x24] & 0xf) | (first >> 16 & 0xfff0)));
        fake_pci_set16(bridge, 0x26,
                       (uint16_t)((bridge->config[0x26] & 0xf) | (last >> 16 & 0xfff0)));
        fake_pci_set32(bridge, 0x28, (uint32_t)(first >> 32));
        fake_pci_set32(bridge, 0x2c, (uint32_t)(last >> 32));
    }
}

/* ---------------------------------------------------------------- routing and access */

static struct fake_pci_bus *bus_below(struct fake_pci_bus *bus, unsigned number, unsigned depth)
{
    for (unsigned i = 0; i < 256 && depth < 300; i++) {
        struct fake_pci_function *bridge = bus->functions[i];
        if (!bridge || !bridge->below)
            continue;
        unsigned secondary = bridge->config[0x19], subordinate = bridge->config[0x1a];
        if (secondary == number && secondary != 0)
            return bridge->below;
        if (secondary < number && number <= subordinate && secondary != 0)
            return bus_below(bridge->below, number, depth + 1);
    }
    return NULL;
}

static struct fake_pci_function *find(struct vst_pci_address address)
{
    struct fake_pci_bus *found = NULL;

    for (size_t i = 0; i < fake_pci.n_buses && !found; i++)
        if (fake_pci.buses[i].root && fake_pci.buses[i].number == address.bus)
            found = &fake_pci.buses[i];
    for (size_t i = 0; i < fake_pci.n_buses && !found; i++)
        if (fake_pci.buses[i].root)
            found = bus_below(&fake_pci.buses[i], address.bus, 0);
    return found ? found->functions[address.device * 8 + address.function] : NULL;
}

static void check_access(struct vst_pci_address address, uint16_t offset, uint8_t width_bytes)
{
    if (address.device < 32 && address.function < 8 && offset < 4096 &&
        (width_bytes == 1 || width_bytes == 2 || width_bytes == 4) && offset % width_bytes == 0)
        return;
    fprintf(stderr, "fake_pci: bad access to offset %u, %u bytes\n", offset, width_bytes);
    abort();
}

static uint32_t read_config(void *ctx, struct vst_pci_address address, uint16_t offset,
                            uint8_t width_bytes)
{
    struct fake_pci_function *function = find(address);
    uint32_t value = 0;

    (void)ctx;
    check_access(address, offset, width_bytes);
    fake_pci.n_reads++;
    if (!function || offset >= 256) {
        fake_pci.n_absent_reads++;
        return UINT32_MAX >> (32 - 8 * width_bytes);
    }
    for (unsigned i = 0; i < width_bytes; i++)
        value |= (uint32_t)function->config[offset + i] << 8 * i;
    return value;
}

static unsigned n_bar_registers(const struct fake_pci_function *function)
{
    return (function->config[0x0e] & 0x7f) == 0 ? 6 : 2;
}

/* True if a write to this BAR register hits a range that the function decodes at this moment. */
static bool is_decoding_bar(const struct fake_pci_function *function, unsigned offset)
{
    if (offset < 0x10 || offset >= 0x10 + 4 * n_bar_registers(function))
        return false;
    uint8_t bit = function->config[offset & ~3u] & 1 ? 1 : 2;
    return (function->config[0x04] & bit) != 0;
}

static void write_config(void *ctx, struct vst_pci_address address, uint16_t offset,
                         uint8_t width_bytes, uint32_t value)
{
    struct fake_pci_function *function = find(address);

    (void)ctx;
    check_access(address, offset, width_bytes);
    fake_pci.n_writes++;
    if (!function || offset >= 256)
        return;
    if (is_decoding_bar(function, offset))
        fake_pci.n_bar_writes_while_decoding++;
    function->n_command_writes += offset == 0x04;
    for (unsigned i = 0; i < width_bytes; i++) {
        uint8_t mask = function->writable[offset + i], byte = (uint8_t)(value >> 8 * i);
        function->config[offset + i] =
            (uint8_t)((function->config[offset + i] & ~mask) | (byte & mask));
        if (offset + i == 0x07) /* status: ones clear */
            function->config[0x07] &= (uint8_t)~byte;
    }
}

static void take_log(void *ctx, enum vst_log_level level, const char *text)
{
    (void)ctx;
    (void)level;
    fake_pci.n_log_lines++;
    snprintf(fake_pci.last_log, sizeof(fake_pci.last_log), "%s", text);
}

void fake_pci_reset(void)
{
    memset(&fake_pci, 0, sizeof(fake_pci));
    fake_pci.platform = (struct vst_platform){
        .pci_config_read = read_config,
        .pci_config_write = write_config,
        .log = take_log,
    };
}

/* ---------------------------------------------------------------- layouts */

struct range {
    uint64_t first, last;
};

uint64_t fake_pci_bar_address(const struct fake_pci_function *function, unsigned index)
{
    uint32_t low = fake_pci_get32(function, 0x10 + 4 * index);

    if (low & 1)
        return low & ~3u;
    if ((low & 6) != 4)
        return low & ~15u;
    return (low & ~15u) | (uint64_t)fake_pci_get32(function, 0x14 + 4 * index) << 32;
}

static struct range raw_window(const struct fake_pci_function *bridge, unsigned space)
{
    struct range range;

    switch (space) {
    case 0:
        range.first = (uint64_t)(bridge->config[0x1c] & 0xf0) << 8;
        range.last = (uint64_t)(bridge->config[0x1d] & 0xf0) << 8 | 0xfff;
        if ((bridge->config[0x1c] & 0xf) == 1) {
            range.first |= (uint64_t)fake_pci_get16(bridge, 0x30) << 16;
            range.last |= (uint64_t)fake_pci_get16(bridge, 0x32) << 16;
        }
        return range;
    case 1:
        range.first = (uint64_t)(fake_pci_get16(bridge, 0x20) & 0xfff0) << 16;
        range.last = (uint64_t)(fake_pci_get16(bridge, 0x22) & 0xfff0) << 16 | 0xfffff;
        return range;
    default:
        range.first = (uint64_t)(fake_pci_get16(bridge, 0x24) & 0xfff0) << 16;
        range.last = (uint64_t)(fake_pci_get16(bridge, 0x26) & 0xfff0) << 16 | 0xfffff;
        if ((bridge->config[0x24] & 0xf) == 1) {
            range.first |= (uint64_t)fake_pci_get32(bridge, 0x28) << 32;
            range.last |= (uint64_t)fake_pci_get32(bridge, 0x2c) << 32;
        }
        return range;
    }
}

static bool contains(struct range outer, struct range inner)
{
    return outer.first <= inner.first && inner.last <= outer.last;
}

/* Does a CPU access to the range reach this bus, and no other bridge or function claim it first? */
static bool is_passed_on(const struct fake_pci_bus *bus, bool ports, struct range range)
{
    for (; bus->bridge; bus = bus->bridge->bus) {
        unsigned n_claims = 0;
        for (unsigned i = 0; i < 256; i++) {
            const struct fake_pci_function *other = bus->bridge->bus->functions[i];
            if (!other || !other->below)
                continue;
            for (unsigned space = ports ? 0 : 1; space < (ports ? 1 : 3); space++) {
                struct range window = raw_window(other, space);
                if (window.first > range.last || range.first > window.last ||
                    window.first > window.last)
                    continue;
                if (other != bus->bridge || !contains(window, range))
                    return false;
                n_claims++;
            }
        }
        if (n_claims != 1)
            return false;
    }
    return true;
}

static bool in_host(const struct vst_pci_host *host, bool ports, struct range range)
{
    const struct vst_pci_window *windows[3] = {&host->io, &host->memory_below_4g,
                                               &host->memory_above_4g};

    for (unsigned i = ports ? 0 : 1; i < (ports ? 1 : 3); i++)
        if (contains((struct range){windows[i]->first, windows[i]->last}, range))
            return true;
    return false;
}

static const char *problem_of_bar(const struct vst_pci_host *host,
                                  const struct fake_pci_function *function, unsigned index)
{
    uint64_t address = fake_pci_bar_address(function, index);
    struct range range = {address, address + function->bar_bytes[index] - 1};
    bool ports = function->config[0x10 + 4 * index] & 1;

    if (address % function->bar_bytes[index] != 0)
        return "misaligned";
    if (!in_host(host, ports, range))
        return "outside the host's windows";
    if (!is_passed_on(function->bus, ports, range))
        return "not passed on by the bridges above";
    for (size_t i = 0; i < fake_pci.n_functions; i++)
        for (unsigned k = 0; k < 6; k++) {
            const struct fake_pci_function *other = &fake_pci.functions[i];
            uint64_t start = fake_pci_bar_address(other, k);
            if (other->bar_bytes[k] == 0 || start == 0 || (other == function && k == index) ||
                (other->config[0x10 + 4 * k] & 1) != ports)
                continue;
            if (start <= range.last && range.first <= start + other->bar_bytes[k] - 1)
                return "overlaps another BAR";
        }
    return NULL;
}

const char *fake_pci_layout_problem(const struct vst_pci_host *host, unsigned *n_unplaced)
{
    *n_unplaced = 0;
    for (size_t i = 0; i < fake_pci.n_functions; i++)
        for (unsigned k = 0; k < 6; k++) {
            const struct fake_pci_function *function = &fake_pci.functions[i];
            if (function->bar_bytes[k] == 0)
                continue;
            if (fake_pci_bar_address(function, k) == 0) {
                (*n_unplaced)++;
                continue;
            }
            const char *problem = problem_of_bar(host, function, k);
            if (problem)
                return problem;
        }
    return NULL;
}
