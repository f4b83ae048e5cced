/* SPDX-License-Identifier: BSD-2-Clause */
/* Base address registers: what a function asks for, and where it is put. (PCIe 4, 7.5.1.2.1) */
#include "pci_internal.h"

/* One BAR register pair before and after ones were written to it; the upper half only for 64-bit
 * BARs. */
struct probe {
    uint64_t before, after;
};

static uint32_t probe_register(const struct vst_platform *platform, struct vst_pci_address address,
                               uint16_t offset, uint32_t *before)
{
    *before = pci_read32(platform, address, offset);
    pci_write32(platform, address, offset, UINT32_MAX);
    uint32_t after = pci_read32(platform, address, offset);
    /* Where all bits are wired to 0 there is nothing to put back. */
    if (after != 0)
        pci_write32(platform, address, offset, *before);
    return after;
}

static bool is_64bit(uint32_t flags)
{
    return (flags & (PCI_BAR_IS_IO | PCI_BAR_MEMORY_TYPE)) == PCI_BAR_TYPE_64;
}

static enum vst_pci_bar_kind kind_of(uint32_t flags)
{
    if (flags & PCI_BAR_IS_IO) /* its second bit is wired to 0: all ones is no BAR */
        return (flags & PCI_BAR_IO_FLAGS) == PCI_BAR_IS_IO ? VST_PCI_BAR_IO : VST_PCI_BAR_NONE;
    switch (flags & PCI_BAR_MEMORY_TYPE) {
    case PCI_BAR_TYPE_32:
        return VST_PCI_BAR_MEMORY32;
    case PCI_BAR_TYPE_64:
        return VST_PCI_BAR_MEMORY64;
    default: /* reserved */
        return VST_PCI_BAR_NONE;
    }
}

/* The bits that hold an address, of those that took our ones. Bits that the register lacks count as
 * taken. */
static uint64_t address_bits(enum vst_pci_bar_kind kind, uint64_t after)
{
    if (kind == VST_PCI_BAR_MEMORY64)
        return after & ~(uint64_t)PCI_BAR_MEMORY_FLAGS;
    if (kind == VST_PCI_BAR_MEMORY32)
        return (after & ~(uint64_t)PCI_BAR_MEMORY_FLAGS) | (uint64_t)UINT32_MAX << 32;
    after &= ~(uint64_t)PCI_BAR_IO_FLAGS;
    /* Devices for PCs may wire the upper half of an I/O BAR to 0. (PCI 3.0, 6.2.5.1) */
    return after | ~(uint64_t)(after > UINT16_MAX ? UINT32_MAX : UINT16_MAX);
}

static uint64_t address_mask(enum vst_pci_bar_kind kind)
{
    return ~(uint64_t)(kind == VST_PCI_BAR_IO ? PCI_BAR_IO_FLAGS : PCI_BAR_MEMORY_FLAGS);
}

/* Turns what the registers answered into a checked BAR; nonsense becomes VST_PCI_BAR_NONE. */
static struct vst_pci_bar parse(const struct probe *probe)
{
    struct vst_pci_bar bar = {.kind = kind_of((uint32_t)probe->after)};
    const struct vst_pci_bar none = {.kind = VST_PCI_BAR_NONE};

    if (bar.kind == VST_PCI_BAR_NONE || (probe->after & address_mask(bar.kind)) == 0)
        return none;
    bar.bytes = ~address_bits(bar.kind, probe->after) + 1;
    if (!vst_is_power_of_two(bar.bytes))
        return none;
    bar.prefetchable = bar.kind != VST_PCI_BAR_IO && (probe->after & PCI_BAR_PREFETCHABLE) != 0;
    bar.address = probe->before & address_mask(bar.kind) & ~(bar.bytes - 1);
    bar.assigned = bar.address != 0; /* firmware that places nothing leaves 0 there */
    return bar;
}

/* Sizes the BAR at `index`; returns how many registers it takes. */
static unsigned size_bar(const struct vst_platform *platform, struct vst_pci_function *function,
                         unsigned index, unsigned n_bars)
{
    uint32_t before,
        after = probe_register(platform, function->address, pci_bar_register(index), &before);
    struct probe probe = {.before = before, .after = after};

    if (!is_64bit(after)) {
        function->bars[index] = parse(&probe);
        return 1;
    }
    if (index + 1 == n_bars) /* its upper half would lie outside the BARs */
        return 1;
    after = probe_register(platform, function->address, pci_bar_register(index + 1), &before);
    probe.before |= (uint64_t)before << 32;
    probe.after |= (uint64_t)after << 32;
    function->bars[index] = parse(&probe);
    return 2;
}

void vst_pci_bars_size(const struct vst_platform *platform, struct vst_pci_function *function)
{
    unsigned n_bars = pci_n_bars(function->header_type);
    bool may_stop = !pci_is_host_bridge(function);
    uint16_t command = 0;

    for (unsigned i = 0; i < VST_PCI_N_BARS; i++)
        function->bars[i] = (struct vst_pci_bar){.kind = VST_PCI_BAR_NONE};
    if (n_bars == 0)
        return;
    /* While ones stand in the BAR the function would claim the top of memory, over APICs and
     * firmware. */
    if (may_stop)
        command = vst_pci_decoding_off(platform, function->address);
    for (unsigned i = 0; i < n_bars;)
        i += size_bar(platform, function, i, n_bars);
    if (command & PCI_COMMAND_DECODING)
        pci_write16(platform, function->address, PCI_COMMAND, command);
}

static bool write_and_check(const struct vst_platform *platform,
                            const struct vst_pci_function *function, unsigned index,
                            uint64_t address)
{
    const struct vst_pci_bar *bar = &function->bars[index];
    uint16_t low = pci_bar_register(index), high = pci_bar_register(index + 1);
    uint32_t mask = (uint32_t)address_mask(bar->kind);

    pci_write32(platform, function->address, low, (uint32_t)address);
    if (bar->kind == VST_PCI_BAR_MEMORY64)
        pci_write32(platform, function->address, high, (uint32_t)(address >> 32));
    if ((pci_read32(platform, function->address, low) & mask) != (uint32_t)address)
        return false;
    return bar->kind != VST_PCI_BAR_MEMORY64 ||
           pci_read32(platform, function->address, high) == (uint32_t)(address >> 32);
}

bool vst_pci_bar_program(const struct vst_platform *platform, struct vst_pci_function *function,
                         unsigned index, uint64_t address)
{
    struct vst_pci_bar *bar = &function->bars[index];
    uint16_t command = vst_pci_decoding_off(platform, function->address);

    bar->assigned = write_and_check(platform, function, index, address) && address != 0;
    bar->address = bar->assigned ? address : 0;
    if (!bar->assigned && address != 0)
        (void)write_and_check(platform, function, index, 0);
    if (command & PCI_COMMAND_DECODING)
        pci_write16(platform, function->address, PCI_COMMAND, command);
    return bar->assigned;
}
