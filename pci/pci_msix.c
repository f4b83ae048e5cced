/* SPDX-License-Identifier: BSD-2-Clause */
/* MSI-X: interrupts as memory writes, one table entry each. (PCIe 4, 7.7.2) */
#include <arch/mmio.h>
#include "pci_internal.h"

#define PENDING_BITS_PER_WORD  64u
#define PENDING_BYTES_PER_WORD 8u

struct table_entry {
    mmio_le32 address_low, address_high, data, vector_control;
};

/* ---------------------------------------------------------------- the capability */

static uint8_t find_capability(const struct vst_pci_function *function)
{
    for (unsigned i = 0; i < function->n_capabilities; i++)
        if (function->capabilities[i].id == PCI_CAPABILITY_ID_MSIX)
            return function->capabilities[i].offset;
    return 0;
}

/* The upper half of a 64-bit BAR is VST_PCI_BAR_NONE, so an index that leads there is refused too. */
static enum vst_status check_place(const struct vst_pci_function *function, uint8_t bar,
                                   uint32_t offset, uint32_t bytes)
{
    if (bar >= VST_PCI_N_BARS)
        return VST_ERR_MALFORMED;
    const struct vst_pci_bar *place = &function->bars[bar];
    if (place->kind != VST_PCI_BAR_MEMORY32 && place->kind != VST_PCI_BAR_MEMORY64)
        return VST_ERR_MALFORMED;
    if (bytes > place->bytes || offset > place->bytes - bytes)
        return VST_ERR_MALFORMED;
    return place->assigned ? VST_OK : VST_ERR_UNSUPPORTED;
}

static uint32_t table_bytes(const struct vst_pci_msix_structures *s)
{
    return s->n_entries * (uint32_t)sizeof(struct table_entry);
}

static uint32_t pending_bytes(const struct vst_pci_msix_structures *s)
{
    return (s->n_entries + PENDING_BITS_PER_WORD - 1) / PENDING_BITS_PER_WORD *
           PENDING_BYTES_PER_WORD;
}

static bool overlap(const struct vst_pci_msix_structures *s)
{
    return s->table_bar == s->pending_bar &&
           s->table_offset_bytes < (uint64_t)s->pending_offset_bytes + pending_bytes(s) &&
           s->pending_offset_bytes < (uint64_t)s->table_offset_bytes + table_bytes(s);
}

enum vst_status vst_pci_msix_parse(const struct vst_platform *platform,
                                   const struct vst_pci_function *function,
                                   struct vst_pci_msix_structures *structures)
{
    struct vst_pci_msix_structures s = {.capability_offset = find_capability(function)};

    if (s.capability_offset == 0)
        return VST_ERR_NOT_FOUND;
    if (s.capability_offset > PCI_CONFIG_BYTES - PCI_MSIX_CAPABILITY_BYTES)
        return VST_ERR_MALFORMED;
    uint16_t control =
        pci_read16(platform, function->address, s.capability_offset + PCI_MSIX_CONTROL);
    uint32_t table = pci_read32(platform, function->address, s.capability_offset + PCI_MSIX_TABLE);
    uint32_t pending =
        pci_read32(platform, function->address, s.capability_offset + PCI_MSIX_PENDING);

    s.n_entries = (uint16_t)((control & PCI_MSIX_LAST_ENTRY) + 1);
    s.table_bar = table & PCI_MSIX_BAR;
    s.table_offset_bytes = table & ~PCI_MSIX_BAR;
    s.pending_bar = pending & PCI_MSIX_BAR;
    s.pending_offset_bytes = pending & ~PCI_MSIX_BAR;
    enum vst_status of_table =
        check_place(function, s.table_bar, s.table_offset_bytes, table_bytes(&s));
    enum vst_status of_pending =
        check_place(function, s.pending_bar, s.pending_offset_bytes, pending_bytes(&s));
    if (of_table == VST_ERR_MALFORMED || of_pending == VST_ERR_MALFORMED || overlap(&s))
        return VST_ERR_MALFORMED;
    if (of_table != VST_OK || of_pending != VST_OK)
        return VST_ERR_UNSUPPORTED;
    *structures = s;
    return VST_OK;
}

/* ---------------------------------------------------------------- message control and table */

static bool write_control(const struct vst_pci_msix *msix, uint16_t bits)
{
    const uint16_t ours = PCI_MSIX_ENABLE | PCI_MSIX_FUNCTION_MASK;
    uint16_t offset = msix->structures.capability_offset + PCI_MSIX_CONTROL;
    uint16_t kept = pci_read16(msix->platform, msix->address, offset) & (uint16_t)~ours;

    pci_write16(msix->platform, msix->address, offset, kept | bits);
    return (pci_read16(msix->platform, msix->address, offset) & ours) == bits;
}

void vst_pci_msix_switch_off(const struct vst_platform *platform,
                             const struct vst_pci_function *function)
{
    uint8_t capability = find_capability(function);
    uint16_t offset = (uint16_t)(capability + PCI_MSIX_CONTROL);

    if (capability == 0 || capability > PCI_CONFIG_BYTES - PCI_MSIX_CAPABILITY_BYTES)
        return;
    uint16_t control = pci_read16(platform, function->address, offset);
    if ((control & PCI_MSIX_ENABLE) != 0)
        pci_write16(platform, function->address, offset, control & (uint16_t)~PCI_MSIX_ENABLE);
}

/*
 * Some devices take writes to the table only while MSI-X is enabled, so it is for as long as the
 * table changes, with the whole function masked.
 */
static bool begin_change(const struct vst_pci_msix *msix)
{
    return msix->enabled || write_control(msix, PCI_MSIX_ENABLE | PCI_MSIX_FUNCTION_MASK);
}

static bool end_change(const struct vst_pci_msix *msix)
{
    return msix->enabled || write_control(msix, 0);
}

static struct table_entry *entry_of(const struct vst_pci_msix *msix, unsigned entry)
{
    return (struct table_entry *)msix->table + entry;
}

/* The other bits of vector control are not ours. The reading back also makes sure that the device
 * has seen the write when we go on. */
static bool write_mask(struct table_entry *entry, bool masked)
{
    uint32_t control = mmio_le32_read(&entry->vector_control) & ~PCI_MSIX_ENTRY_MASKED;

    mmio_le32_write(&entry->vector_control, control | (masked ? PCI_MSIX_ENTRY_MASKED : 0));
    return (mmio_le32_read(&entry->vector_control) & PCI_MSIX_ENTRY_MASKED) ==
           (masked ? PCI_MSIX_ENTRY_MASKED : 0);
}

static bool write_message(struct table_entry *entry, uint64_t address, uint32_t data)
{
    mmio_le32_write(&entry->address_low, (uint32_t)address);
    mmio_le32_write(&entry->address_high, (uint32_t)(address >> 32));
    mmio_le32_write(&entry->data, data);
    return mmio_le32_read(&entry->address_low) == (uint32_t)address &&
           mmio_le32_read(&entry->address_high) == (uint32_t)(address >> 32) &&
           mmio_le32_read(&entry->data) == data;
}

enum vst_status vst_pci_msix_open(const struct vst_platform *platform,
                                  const struct vst_pci_function *function,
                                  struct vst_pci_msix *msix)
{
    *msix = (struct vst_pci_msix){.platform = platform, .address = function->address};
    enum vst_status status = vst_pci_msix_parse(platform, function, &msix->structures);
    if (status != VST_OK)
        return status;
    const struct vst_pci_msix_structures *s = &msix->structures;
    msix->table = platform->mmio_map(platform->ctx,
                                     function->bars[s->table_bar].address + s->table_offset_bytes,
                                     table_bytes(s));
    if (msix->table == NULL)
        return VST_ERR_NO_MEMORY;

    bool taken = begin_change(msix);
    for (unsigned i = 0; i < s->n_entries; i++)
        taken = taken && write_mask(entry_of(msix, i), true);
    taken &= end_change(msix);
    return taken ? VST_OK : VST_ERR_BROKEN;
}

enum vst_status vst_pci_msix_set(struct vst_pci_msix *msix, unsigned entry, uint64_t address,
                                 uint32_t data)
{
    if (entry >= msix->structures.n_entries || address % sizeof(uint32_t) != 0)
        return VST_ERR_INVALID;

    struct table_entry *e = entry_of(msix, entry);
    bool taken = begin_change(msix);
    bool was_masked = mmio_le32_read(&e->vector_control) & PCI_MSIX_ENTRY_MASKED;
    taken = taken && write_mask(e, true) && write_message(e, address, data) &&
            (was_masked || write_mask(e, false));
    taken &= end_change(msix);
    return taken ? VST_OK : VST_ERR_BROKEN;
}

static enum vst_status change_mask(struct vst_pci_msix *msix, unsigned entry, bool masked)
{
    if (entry >= msix->structures.n_entries)
        return VST_ERR_INVALID;
    bool taken = begin_change(msix) && write_mask(entry_of(msix, entry), masked);
    taken &= end_change(msix);
    return taken ? VST_OK : VST_ERR_BROKEN;
}

enum vst_status vst_pci_msix_mask(struct vst_pci_msix *msix, unsigned entry)
{
    return change_mask(msix, entry, true);
}

enum vst_status vst_pci_msix_unmask(struct vst_pci_msix *msix, unsigned entry)
{
    return change_mask(msix, entry, false);
}

enum vst_status vst_pci_msix_enable(struct vst_pci_msix *msix, bool enable)
{
    if (!write_control(msix, enable ? PCI_MSIX_ENABLE : 0))
        return VST_ERR_BROKEN;
    msix->enabled = enable;
    return VST_OK;
}
