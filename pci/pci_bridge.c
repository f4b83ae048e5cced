/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers of a bridge: bus numbers and the windows of addresses it passes on. (PCI-to-PCI
 * bridge 1.2, 3.2.5) */
#include "pci_internal.h"

#define IO_GRANULE     0x1000u   /* 3.2.5.6 */
#define MEMORY_GRANULE 0x100000u /* 3.2.5.8 */

struct vst_pci_window *vst_pci_bridge_window(struct vst_pci_function *bridge,
                                             enum vst_pci_space space)
{
    switch (space) {
    case VST_PCI_SPACE_IO:
        return &bridge->bridge_io;
    case VST_PCI_SPACE_MEMORY:
        return &bridge->bridge_memory;
    default:
        return &bridge->bridge_prefetchable;
    }
}

/*
 * A window at 0 is one that nobody has set, or that the bridge lacks: all its registers read 0,
 * which in terms of the specification is a window of one granule.
 */
static struct vst_pci_window window_of(uint64_t first, uint64_t last)
{
    if (first == 0 || first > last)
        return PCI_WINDOW_EMPTY;
    return (struct vst_pci_window){.first = first, .last = last};
}

/* (3.2.5.6, 3.2.5.7, 3.2.5.13) */
static struct vst_pci_window read_io(const struct vst_platform *platform,
                                     struct vst_pci_address address)
{
    uint16_t registers = pci_read16(platform, address, PCI_IO_BASE);
    uint32_t upper = 0;
    uint64_t first = (registers & 0xf0u) << 8;
    uint64_t last = (registers & 0xf000u) | (IO_GRANULE - 1);

    if ((registers & PCI_WINDOW_TYPE) == PCI_WINDOW_WIDE)
        upper = pci_read32(platform, address, PCI_IO_BASE_UPPER);
    return window_of(first | (upper & 0xffffu) << 16, last | (upper & 0xffff0000u));
}

/* (3.2.5.8) */
static struct vst_pci_window read_memory(const struct vst_platform *platform,
                                         struct vst_pci_address address)
{
    uint32_t registers = pci_read32(platform, address, PCI_MEMORY_BASE);

    return window_of((uint64_t)(registers & 0xfff0u) << 16,
                     (registers & 0xfff00000u) | (MEMORY_GRANULE - 1));
}

/* (3.2.5.9, 3.2.5.10) */
static struct vst_pci_window read_prefetchable(const struct vst_platform *platform,
                                               struct vst_pci_address address)
{
    uint32_t registers = pci_read32(platform, address, PCI_PREF_BASE);
    uint64_t first = (uint64_t)(registers & 0xfff0u) << 16;
    uint64_t last = (registers & 0xfff00000u) | (MEMORY_GRANULE - 1);

    if ((registers & PCI_WINDOW_TYPE) == PCI_WINDOW_WIDE) {
        first |= (uint64_t)pci_read32(platform, address, PCI_PREF_BASE_UPPER) << 32;
        last |= (uint64_t)pci_read32(platform, address, PCI_PREF_LIMIT_UPPER) << 32;
    }
    return window_of(first, last);
}

void vst_pci_bridge_windows_read(const struct vst_platform *platform,
                                 struct vst_pci_function *bridge)
{
    bridge->bridge_io = read_io(platform, bridge->address);
    bridge->bridge_memory = read_memory(platform, bridge->address);
    bridge->bridge_prefetchable = read_prefetchable(platform, bridge->address);
}

struct vst_pci_window_ability vst_pci_bridge_window_ability(const struct vst_platform *platform,
                                                            const struct vst_pci_function *bridge,
                                                            enum vst_pci_space space)
{
    struct vst_pci_window_ability ability = {.implemented = true, .wide = false};
    uint8_t type;

    if (space == VST_PCI_SPACE_MEMORY)
        return ability;
    type = pci_read8(platform, bridge->address,
                     space == VST_PCI_SPACE_IO ? PCI_IO_BASE : PCI_PREF_BASE);
    ability.wide = (type & PCI_WINDOW_TYPE) == PCI_WINDOW_WIDE;
    return ability;
}

/*
 * Base above limit closes a window. A bridge without this window keeps its base register at 0,
 * which is how it is told from one that has it. (3.2.5.6, 3.2.5.9)
 */
struct vst_pci_window_ability vst_pci_bridge_window_close(const struct vst_platform *platform,
                                                          struct vst_pci_function *bridge,
                                                          enum vst_pci_space space)
{
    struct vst_pci_address address = bridge->address;
    struct vst_pci_window_ability ability = {.implemented = true, .wide = false};
    uint16_t base;

    *vst_pci_bridge_window(bridge, space) = PCI_WINDOW_EMPTY;
    switch (space) {
    case VST_PCI_SPACE_IO:
        pci_write16(platform, address, PCI_IO_BASE, 0x00f0);
        base = pci_read8(platform, address, PCI_IO_BASE);
        break;
    case VST_PCI_SPACE_MEMORY:
        pci_write32(platform, address, PCI_MEMORY_BASE, 0x0000fff0);
        return ability;
    default:
        pci_write32(platform, address, PCI_PREF_BASE, 0x0000fff0);
        base = pci_read16(platform, address, PCI_PREF_BASE);
    }
    ability.implemented = (base & ~PCI_WINDOW_TYPE) != 0;
    ability.wide = ability.implemented && (base & PCI_WINDOW_TYPE) == PCI_WINDOW_WIDE;
    return ability;
}

/*
 * Upper halves go first: the window is closed by its lower halves until the last write, so it never
 * passes on what lies between an old and a new bound.
 */
static struct vst_pci_window write_and_read_back(const struct vst_platform *platform,
                                                 const struct vst_pci_function *bridge,
                                                 enum vst_pci_space space,
                                                 struct vst_pci_window window)
{
    struct vst_pci_address address = bridge->address;
    bool wide = vst_pci_bridge_window_ability(platform, bridge, space).wide;
    uint32_t granules =
        (uint32_t)((window.first >> 16) & 0xfff0u) | (uint32_t)(window.last & 0xfff00000u);

    switch (space) {
    case VST_PCI_SPACE_IO:
        if (wide)
            pci_write32(platform, address, PCI_IO_BASE_UPPER,
                        (uint32_t)(window.first >> 16 & 0xffffu) |
                            (uint32_t)(window.last & 0xffff0000u));
        pci_write16(platform, address, PCI_IO_BASE,
                    (uint16_t)((window.first >> 8 & 0xf0u) | (window.last & 0xf000u)));
        return read_io(platform, address);
    case VST_PCI_SPACE_MEMORY:
        pci_write32(platform, address, PCI_MEMORY_BASE, granules);
        return read_memory(platform, address);
    default:
        if (wide) {
            pci_write32(platform, address, PCI_PREF_BASE_UPPER, (uint32_t)(window.first >> 32));
            pci_write32(platform, address, PCI_PREF_LIMIT_UPPER, (uint32_t)(window.last >> 32));
        }
        pci_write32(platform, address, PCI_PREF_BASE, granules);
        return read_prefetchable(platform, address);
    }
}

bool vst_pci_bridge_window_open(const struct vst_platform *platform,
                                struct vst_pci_function *bridge, enum vst_pci_space space,
                                struct vst_pci_window window)
{
    struct vst_pci_window got = write_and_read_back(platform, bridge, space, window);

    if (got.first != window.first || got.last != window.last) {
        (void)vst_pci_bridge_window_close(platform, bridge, space);
        return false;
    }
    *vst_pci_bridge_window(bridge, space) = window;
    return true;
}

/* The secondary latency timer shares the register and stays as it is. (3.2.5.2 to 3.2.5.5) */
void vst_pci_bridge_numbers_write(const struct vst_platform *platform,
                                  const struct vst_pci_function *bridge)
{
    uint32_t latency = pci_read32(platform, bridge->address, PCI_PRIMARY_BUS) & 0xff000000u;

    pci_write32(platform, bridge->address, PCI_PRIMARY_BUS,
                latency | (uint32_t)bridge->subordinate_bus << 16 |
                    (uint32_t)bridge->secondary_bus << 8 | bridge->address.bus);
}

/* A downstream port ends requests for devices 1 to 31 itself, so asking is in vain. (PCIe 4, 7.3.1)
 */
bool vst_pci_bridge_leads_to_link(const struct vst_platform *platform,
                                  const struct vst_pci_function *bridge)
{
    for (unsigned i = 0; i < bridge->n_capabilities; i++) {
        if (bridge->capabilities[i].id != PCI_CAPABILITY_ID_PCIE)
            continue;
        uint16_t offset = (uint16_t)(bridge->capabilities[i].offset + PCI_EXPRESS_FLAGS);
        unsigned port = pci_read16(platform, bridge->address, offset) >> 4 & 0xfu;
        return port == PCI_EXPRESS_ROOT_PORT || port == PCI_EXPRESS_DOWNSTREAM ||
               port == PCI_EXPRESS_FROM_PCI;
    }
    return false;
}
