/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of pci/ share with each other and with nobody else. */
#ifndef VSTOR_PCI_INTERNAL_H
#define VSTOR_PCI_INTERNAL_H

#include <vstor/pci.h>
#include "pci_registers.h"

static inline uint8_t pci_read8(const struct vst_platform *platform, struct vst_pci_address address,
                                uint16_t offset)
{
    return (uint8_t)platform->pci_config_read(platform->ctx, address, offset, 1);
}
static inline uint16_t pci_read16(const struct vst_platform *platform,
                                  struct vst_pci_address address, uint16_t offset)
{
    return (uint16_t)platform->pci_config_read(platform->ctx, address, offset, 2);
}
static inline uint32_t pci_read32(const struct vst_platform *platform,
                                  struct vst_pci_address address, uint16_t offset)
{
    return platform->pci_config_read(platform->ctx, address, offset, 4);
}
static inline void pci_write8(const struct vst_platform *platform, struct vst_pci_address address,
                              uint16_t offset, uint8_t value)
{
    platform->pci_config_write(platform->ctx, address, offset, 1, value);
}
static inline void pci_write16(const struct vst_platform *platform, struct vst_pci_address address,
                               uint16_t offset, uint16_t value)
{
    platform->pci_config_write(platform->ctx, address, offset, 2, value);
}
static inline void pci_write32(const struct vst_platform *platform, struct vst_pci_address address,
                               uint16_t offset, uint32_t value)
{
    platform->pci_config_write(platform->ctx, address, offset, 4, value);
}

/** Offset of BAR register `index`. */
static inline uint16_t pci_bar_register(unsigned index)
{
    return (uint16_t)(PCI_BAR0 + 4u * index);
}

static inline bool pci_is_bridge(const struct vst_pci_function *function)
{
    return function->header_type == PCI_HEADER_BRIDGE;
}

/**
 * The host's own end of the bus. Some chipsets stop reaching memory once its decoding is off, so we
 * never touch that.
 */
static inline bool pci_is_host_bridge(const struct vst_pci_function *function)
{
    return function->base_class == PCI_CLASS_BRIDGE && function->sub_class == PCI_SUBCLASS_HOST;
}

/** How many BAR registers a header has. (PCIe 4, 7.5.1.2.1, 7.5.1.3) */
static inline unsigned pci_n_bars(uint8_t header_type)
{
    switch (header_type) {
    case PCI_HEADER_DEVICE:
        return VST_PCI_N_BARS;
    case PCI_HEADER_BRIDGE:
        return 2;
    case PCI_HEADER_CARDBUS:
        return 1;
    default:
        return 0;
    }
}

/* pci_command.c */

/**
 * Bits of the command register that may be switched on: decoding of I/O (memory) is left out if
 * there are such BARs and none of them has an address, for they would claim address 0.
 */
uint16_t vst_pci_decodable(const struct vst_pci_function *function);

/** Switches decoding of memory and ports off; returns the command register as it was. */
uint16_t vst_pci_decoding_off(const struct vst_platform *platform, struct vst_pci_address address);

/* pci_bar.c */

/** Sizes all BARs of a function whose identity has been read; fills bars[]. Decoding is off
 * meanwhile. */
void vst_pci_bars_size(const struct vst_platform *platform, struct vst_pci_function *function);

/** Writes an address to a BAR and reads it back. False, and the BAR at 0, if the device did not
 * take it. */
bool vst_pci_bar_program(const struct vst_platform *platform, struct vst_pci_function *function,
                         unsigned index, uint64_t address);

/* pci_capability.c */

/** Walks the capability list of a function whose identity has been read. */
void vst_pci_capabilities_read(const struct vst_platform *platform,
                               struct vst_pci_function *function);

/* pci_bridge.c */

/** The three address ranges that a bridge can pass on. */
enum vst_pci_space {
    VST_PCI_SPACE_IO,
    VST_PCI_SPACE_MEMORY,       /**< below 4 GiB */
    VST_PCI_SPACE_PREFETCHABLE, /**< above 4 GiB too, where the bridge is that wide */
    VST_PCI_N_SPACES
};

/** What the registers of a window say of themselves. */
struct vst_pci_window_ability {
    bool implemented;
    bool wide; /**< 32-bit I/O, 64-bit prefetchable memory */
};

#define PCI_WINDOW_EMPTY ((struct vst_pci_window){.first = 1, .last = 0})

static inline bool pci_window_is_open(const struct vst_pci_window *window)
{
    return window->first <= window->last;
}

/** The function's own field for a space. */
struct vst_pci_window *vst_pci_bridge_window(struct vst_pci_function *bridge,
                                             enum vst_pci_space space);

/** Reads all three windows. */
void vst_pci_bridge_windows_read(const struct vst_platform *platform,
                                 struct vst_pci_function *bridge);

/** Asks an open window for its width. */
struct vst_pci_window_ability vst_pci_bridge_window_ability(const struct vst_platform *platform,
                                                            const struct vst_pci_function *bridge,
                                                            enum vst_pci_space space);

/** Makes the window pass nothing on, and tells whether the bridge has such a window at all. */
struct vst_pci_window_ability vst_pci_bridge_window_close(const struct vst_platform *platform,
                                                          struct vst_pci_function *bridge,
                                                          enum vst_pci_space space);

/** Opens a closed window and reads it back. False, and the window closed, if the bridge did not
 * take it. */
bool vst_pci_bridge_window_open(const struct vst_platform *platform,
                                struct vst_pci_function *bridge, enum vst_pci_space space,
                                struct vst_pci_window window);

/** Writes the bus numbers of `bridge`: its own bus as primary, secondary_bus and subordinate_bus.
 */
void vst_pci_bridge_numbers_write(const struct vst_platform *platform,
                                  const struct vst_pci_function *bridge);

/** True if only device 0 can answer on the bus below: the bridge is the upper end of a PCI Express
 * link. */
bool vst_pci_bridge_leads_to_link(const struct vst_platform *platform,
                                  const struct vst_pci_function *bridge);

/** Switches MSI-X off if the function has it and somebody has left it on. */
void vst_pci_msix_switch_off(const struct vst_platform *platform,
                             const struct vst_pci_function *function);

#endif
