/* SPDX-License-Identifier: BSD-2-Clause */
/* The command register: decoding, bus mastering, INTx. (PCIe 4, 7.5.1.1.3) */
#include "pci_internal.h"

uint16_t vst_pci_decodable(const struct vst_pci_function *function)
{
    uint16_t wanted = 0, placed = 0;

    for (unsigned i = 0; i < VST_PCI_N_BARS; i++) {
        const struct vst_pci_bar *bar = &function->bars[i];
        if (bar->kind == VST_PCI_BAR_NONE)
            continue;
        uint16_t bit = bar->kind == VST_PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
        wanted |= bit;
        if (bar->assigned)
            placed |= bit;
    }
    return (uint16_t)(PCI_COMMAND_DECODING & ~(wanted & ~placed));
}

uint16_t vst_pci_decoding_off(const struct vst_platform *platform, struct vst_pci_address address)
{
    uint16_t command = pci_read16(platform, address, PCI_COMMAND);

    if (command & PCI_COMMAND_DECODING)
        pci_write16(platform, address, PCI_COMMAND, (uint16_t)(command & ~PCI_COMMAND_DECODING));
    return command;
}

/* Sixteen bits wide: the status register beside it is cleared by writing ones. */
static void change_command(const struct vst_platform *platform, struct vst_pci_address address,
                           uint16_t clear, uint16_t set)
{
    uint16_t command = pci_read16(platform, address, PCI_COMMAND);
    uint16_t changed = (uint16_t)((command & ~clear) | set);

    if (changed != command)
        pci_write16(platform, address, PCI_COMMAND, changed);
}

void vst_pci_enable(const struct vst_platform *platform, const struct vst_pci_function *functions,
                    const struct vst_pci_function *function)
{
    int32_t above = function->parent;

    change_command(platform, function->address, PCI_COMMAND_BUS_MASTER,
                   (uint16_t)(vst_pci_decodable(function) | PCI_COMMAND_INTX_OFF));
    while (above >= 0) {
        const struct vst_pci_function *bridge = &functions[above];
        change_command(platform, bridge->address, 0, PCI_COMMAND_DECODING | PCI_COMMAND_BUS_MASTER);
        /* A bridge stands before what is behind it; anything else would be a loop. */
        above = bridge->parent < above ? bridge->parent : -1;
    }
}

void vst_pci_bus_master_enable(const struct vst_platform *platform,
                               const struct vst_pci_function *function)
{
    change_command(platform, function->address, 0, PCI_COMMAND_BUS_MASTER);
}

void vst_pci_disable(const struct vst_platform *platform, const struct vst_pci_function *function)
{
    uint16_t command = pci_read16(platform, function->address, PCI_COMMAND);

    /* Written whatever it reads as: the device that is to be cut off has no say in that. */
    pci_write16(platform, function->address, PCI_COMMAND,
                (uint16_t)(command & ~(PCI_COMMAND_DECODING | PCI_COMMAND_BUS_MASTER)));
}

void vst_pci_intx_enable(const struct vst_platform *platform,
                         const struct vst_pci_function *function, bool enable)
{
    if (enable)
        vst_pci_msix_switch_off(platform, function);
    change_command(platform, function->address, enable ? PCI_COMMAND_INTX_OFF : 0,
                   enable ? 0 : PCI_COMMAND_INTX_OFF);
}
