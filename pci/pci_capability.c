/* SPDX-License-Identifier: BSD-2-Clause */
/* The capability list: a chain of bytes that the device wrote, so every link of it is checked.
 * (PCIe 4, 7.5.3) */
#include "pci_internal.h"

/* Where the first pointer stands, 0 for a layout that we do not know. */
static uint16_t head_register(uint8_t header_type)
{
    switch (header_type) {
    case PCI_HEADER_DEVICE:
    case PCI_HEADER_BRIDGE:
        return PCI_CAPABILITIES;
    case PCI_HEADER_CARDBUS:
        return PCI_CARDBUS_CAPABILITIES;
    default:
        return 0;
    }
}

/*
 * Each entry takes at least its four bytes, and none is entered twice: so the walk ends after 48
 * entries at the latest, which is the room there is in capabilities[].
 */
static void walk(const struct vst_platform *platform, struct vst_pci_function *function,
                 uint8_t pointer)
{
    uint64_t seen = 0; /* one bit for each of the 64 registers */

    while ((pointer &= PCI_CAPABILITY_POINTER) != 0) {
        uint64_t bit = (uint64_t)1 << (pointer / 4u);
        if (pointer < PCI_CAPABILITY_FIRST || (seen & bit) != 0) {
            function->capabilities_malformed = true;
            return;
        }
        seen |= bit;
        uint16_t header = pci_read16(platform, function->address, pointer);
        uint8_t id = (uint8_t)header;
        if (id == UINT8_MAX) { /* the device is gone, or its list is */
            function->capabilities_malformed = true;
            return;
        }
        function->capabilities[function->n_capabilities++] =
            (struct vst_pci_capability){.id = id, .offset = pointer};
        pointer = (uint8_t)(header >> 8);
    }
}

void vst_pci_capabilities_read(const struct vst_platform *platform,
                               struct vst_pci_function *function)
{
    uint16_t head = head_register(function->header_type);
    uint16_t status = pci_read16(platform, function->address, PCI_COMMAND + 2);

    function->n_capabilities = 0;
    function->capabilities_malformed = false;
    if (head != 0 && (status & PCI_STATUS_CAPABILITIES) != 0)
        walk(platform, function, pci_read8(platform, function->address, head));
}
