/* SPDX-License-Identifier: BSD-2-Clause */
/* Hot-plug slots of PCI Express ports. (PCIe 4, 6.7, 7.5.3.9 to 7.5.3.11) */
#include <vstor/log.h>
#include "pci_internal.h"

#define COMMAND_TIMEOUT_NS 1000000000ull /* 6.7.3.2 */
#define OFF_AT_LEAST_NS    1000000000ull /* 6.7.1.8 */
#define LINK_TIMEOUT_NS    1000000000ull
#define SETTLE_NS          100000000ull /* 6.6.1 */

static uint16_t get(const struct vst_platform *platform, const struct vst_pci_slot *slot,
                    unsigned offset)
{
    return pci_read16(platform, slot->port, (uint16_t)(slot->capability_offset + offset));
}

/* Sixteen bits wide: control and status are neighbours, and ones clear what status tells. */
static void put(const struct vst_platform *platform, const struct vst_pci_slot *slot,
                unsigned offset, uint16_t value)
{
    pci_write16(platform, slot->port, (uint16_t)(slot->capability_offset + offset), value);
}

/* ---------------------------------------------------------------- finding */

/* Offset of the PCI Express capability of a port with a slot, 0 if there is none. */
static uint8_t find_slot(const struct vst_platform *platform,
                         const struct vst_pci_function *function)
{
    for (unsigned i = 0; i < function->n_capabilities; i++) {
        uint8_t offset = function->capabilities[i].offset;
        if (function->capabilities[i].id != PCI_CAPABILITY_ID_PCIE ||
            offset > PCI_CONFIG_BYTES - PCI_EXPRESS_CAPABILITY_BYTES)
            continue;
        uint16_t flags =
            pci_read16(platform, function->address, (uint16_t)(offset + PCI_EXPRESS_FLAGS));
        return (flags & PCI_EXPRESS_HAS_SLOT) != 0 ? offset : 0;
    }
    return 0;
}

static bool has_power(const struct vst_platform *platform, const struct vst_pci_slot *slot)
{
    return !slot->powers ||
           (get(platform, slot, PCI_EXPRESS_SLOT_CONTROL) & PCI_SLOT_POWER_OFF) == 0;
}

static bool open_slot(const struct vst_platform *platform, const struct vst_pci_function *function,
                      struct vst_pci_slot *slot)
{
    uint8_t offset = find_slot(platform, function);

    if (offset == 0)
        return false;
    uint32_t slot_can =
        pci_read32(platform, function->address, (uint16_t)(offset + PCI_EXPRESS_SLOT_CAPABILITIES));
    uint32_t link_can =
        pci_read32(platform, function->address, (uint16_t)(offset + PCI_EXPRESS_LINK_CAPABILITIES));
    *slot = (struct vst_pci_slot){
        .port = function->address,
        .capability_offset = offset,
        .powers = (slot_can & PCI_SLOT_HAS_POWER_CONTROLLER) != 0,
        .indicates = (slot_can & PCI_SLOT_HAS_POWER_INDICATOR) != 0,
        .confirms = (slot_can & PCI_SLOT_NEVER_CONFIRMS) == 0,
        .tells_link = (link_can & PCI_EXPRESS_LINK_TELLS) != 0,
    };
    slot->occupied = (get(platform, slot, PCI_EXPRESS_SLOT_STATUS) & PCI_SLOT_PRESENT) != 0 &&
                     has_power(platform, slot);
    return (slot_can & PCI_SLOT_HOT_PLUG) != 0;
}

size_t vst_pci_slots(const struct vst_platform *platform, const struct vst_pci_function *functions,
                     size_t n_functions, struct vst_pci_slot *slots, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < n_functions && n < max; i++)
        if (pci_is_bridge(&functions[i]) && open_slot(platform, &functions[i], &slots[n]))
            n++;
    return n;
}

/* ---------------------------------------------------------------- what has happened */

/* What was switched off at its own request may stand there for long before somebody takes it out. */
static enum vst_pci_slot_event arrived(struct vst_pci_slot *slot, uint16_t events)
{
    if (slot->leaving && (events & (PCI_SLOT_PRESENCE_CHANGED | PCI_SLOT_BUTTON_PRESSED)) == 0) {
        slot->occupied = false;
        return VST_PCI_SLOT_QUIET;
    }
    slot->leaving = false;
    return VST_PCI_SLOT_ARRIVED;
}

enum vst_pci_slot_event vst_pci_slot_poll(const struct vst_platform *platform,
                                          struct vst_pci_slot *slot)
{
    uint16_t status = get(platform, slot, PCI_EXPRESS_SLOT_STATUS);
    uint16_t events = status & PCI_SLOT_EVENTS & (uint16_t)~PCI_SLOT_COMMAND_DONE;
    bool was_occupied = slot->occupied;

    if (status == UINT16_MAX) /* the port itself is gone */
        return VST_PCI_SLOT_QUIET;
    if (events != 0)
        put(platform, slot, PCI_EXPRESS_SLOT_STATUS, events);
    slot->occupied = (status & PCI_SLOT_PRESENT) != 0;
    slot->leaving &= slot->occupied;
    if (!slot->occupied)
        return was_occupied ? VST_PCI_SLOT_LEFT : VST_PCI_SLOT_QUIET;
    if (!was_occupied)
        return arrived(slot, events);
    if ((events & PCI_SLOT_BUTTON_PRESSED) != 0) {
        slot->leaving = has_power(platform, slot);
        return slot->leaving ? VST_PCI_SLOT_LEAVING : VST_PCI_SLOT_ARRIVED;
    }
    /* Emptied and filled: once it was switched off, the next look finds what is there now. */
    return (events & PCI_SLOT_PRESENCE_CHANGED) != 0 ? VST_PCI_SLOT_LEFT : VST_PCI_SLOT_QUIET;
}

/* ---------------------------------------------------------------- power */

static uint64_t now_ns(const struct vst_platform *platform)
{
    return platform->time_ns(platform->ctx);
}

/* Waits until bits of a register are set, or the time is over. */
static bool wait_for(const struct vst_platform *platform, const struct vst_pci_slot *slot,
                     unsigned offset, uint16_t bits, uint64_t timeout_ns)
{
    uint64_t start_ns = now_ns(platform);

    while ((get(platform, slot, offset) & bits) != bits) {
        if (now_ns(platform) - start_ns > timeout_ns)
            return false;
        platform->relax(platform->ctx);
    }
    return true;
}

static void wait_until(const struct vst_platform *platform, uint64_t since_ns, uint64_t for_ns)
{
    while (now_ns(platform) - since_ns < for_ns)
        platform->relax(platform->ctx);
}

/* A command is one write of slot control, the next one comes after it is done. (6.7.3.2) */
static void command(const struct vst_platform *platform, const struct vst_pci_slot *slot,
                    uint16_t control)
{
    put(platform, slot, PCI_EXPRESS_SLOT_STATUS, PCI_SLOT_COMMAND_DONE);
    put(platform, slot, PCI_EXPRESS_SLOT_CONTROL, control);
    if (slot->confirms && !wait_for(platform, slot, PCI_EXPRESS_SLOT_STATUS, PCI_SLOT_COMMAND_DONE,
                                    COMMAND_TIMEOUT_NS))
        vst_log(platform, VST_LOG_WARNING, "pci: %04x:%02x:%02x.%u: the slot confirms no command",
                slot->port.segment, slot->port.bus, slot->port.device, slot->port.function);
}

enum vst_status vst_pci_slot_power(const struct vst_platform *platform, struct vst_pci_slot *slot,
                                   bool on)
{
    uint16_t before = get(platform, slot, PCI_EXPRESS_SLOT_CONTROL);
    uint16_t after = before;

    if (slot->powers)
        after = (uint16_t)(on ? after & ~PCI_SLOT_POWER_OFF : after | PCI_SLOT_POWER_OFF);
    if (slot->indicates)
        after = (uint16_t)((after & ~PCI_SLOT_POWER_INDICATOR) |
                           (on ? PCI_SLOT_INDICATOR_ON : PCI_SLOT_INDICATOR_OFF));
    if (on && slot->off_ns != 0)
        wait_until(platform, slot->off_ns, OFF_AT_LEAST_NS);
    if (after != before)
        command(platform, slot, after);
    if (!on) {
        slot->occupied = false;
        slot->off_ns = now_ns(platform);
        return VST_OK;
    }
    if (slot->tells_link && !wait_for(platform, slot, PCI_EXPRESS_LINK_STATUS,
                                      PCI_EXPRESS_LINK_ACTIVE, LINK_TIMEOUT_NS))
        return VST_ERR_TIMEOUT;
    wait_until(platform, now_ns(platform), SETTLE_NS);
    return VST_OK;
}
