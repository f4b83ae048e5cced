/* SPDX-License-Identifier: BSD-2-Clause */
/* A caller's buffer, mapped for one transfer: twice for each, so this is one of the files made fast. */
#include "boot/efi/platform.h"

/* Where a mapping is looked for first, by its bus address. */
static uint32_t home_of(uint64_t bus_addr)
{
    return (uint32_t)(bus_addr >> 12 ^ bus_addr >> 20) % PLATFORM_N_MAPPINGS;
}

static struct buffer_mapping *next_mapping(struct efi_platform *platform,
                                           struct buffer_mapping *mapping)
{
    return mapping == &platform->mappings[PLATFORM_N_MAPPINGS - 1] ? platform->mappings
                                                                   : mapping + 1;
}

/* Less than the whole was mapped, or nothing: what needs several pieces is too much. */
static __attribute__((noinline)) enum vst_status refuse(const struct efi_platform *platform,
                                                        EFI_STATUS status, VOID *mapped)
{
    if (!EFI_ERROR(status))
        (void)platform->pci_io->Unmap(platform->pci_io, mapped);
    return platform->n_mapped > 0 ? VST_ERR_FULL : VST_ERR_NO_MEMORY;
}

/*
 * What Unmap will want. Where devices reach memory as it is, firmware gives one and the same for all,
 * and that is remembered once. Called with the new one counted.
 */
static __attribute__((noinline)) void remember(struct efi_platform *platform, void *buffer,
                                               size_t bytes, uint64_t bus_addr, VOID *mapped)
{
    if (platform->n_mapped == 1) {
        platform->usual = mapped;
        return;
    }
    struct buffer_mapping *mapping = &platform->mappings[home_of(bus_addr)];
    while (mapping->buffer != NULL)
        mapping = next_mapping(platform, mapping);
    *mapping = (struct buffer_mapping){buffer, bytes, bus_addr, mapped};
    platform->n_unusual++;
}

enum vst_status platform_dma_map(void *ctx, void *buffer, size_t bytes,
                                 enum vst_dma_direction direction, uint64_t *bus_addr)
{
    struct efi_platform *platform = ctx;
    UINTN n_mapped_bytes = bytes;
    VOID *mapped;

    if (VST_UNLIKELY(platform->n_mapped == PLATFORM_N_MAPPINGS))
        return VST_ERR_FULL;
    EFI_STATUS status =
        platform->pci_io->Map(platform->pci_io,
                              direction == VST_DMA_TO_DEVICE ? EfiPciIoOperationBusMasterRead
                                                             : EfiPciIoOperationBusMasterWrite,
                              buffer, &n_mapped_bytes, bus_addr, &mapped);
    if (VST_UNLIKELY(EFI_ERROR(status) || n_mapped_bytes != bytes))
        return refuse(platform, status, mapped);
    platform->n_mapped++;
    if (VST_UNLIKELY(mapped != platform->usual))
        remember(platform, buffer, bytes, *bus_addr, mapped);
    return VST_OK;
}

static bool is(const struct buffer_mapping *mapping, const void *buffer, size_t bytes,
               uint64_t bus_addr)
{
    return mapping->buffer == buffer && mapping->bus_addr == bus_addr && mapping->bytes == bytes;
}

/* Of one that is not among the unusual it is the usual one, as long as any has that. */
static __attribute__((noinline)) bool recall(struct efi_platform *platform, void *buffer,
                                             size_t bytes, uint64_t bus_addr, VOID **mapped)
{
    struct buffer_mapping *home = &platform->mappings[home_of(bus_addr)], *mapping = home;

    while (!is(mapping, buffer, bytes, bus_addr)) {
        mapping = next_mapping(platform, mapping);
        if (mapping == home)
            return platform->n_mapped > platform->n_unusual;
    }
    mapping->buffer = NULL;
    platform->n_unusual--;
    *mapped = mapping->mapping;
    return true;
}

void platform_dma_unmap(void *ctx, void *buffer, size_t bytes, enum vst_dma_direction direction,
                        uint64_t bus_addr)
{
    struct efi_platform *platform = ctx;
    VOID *mapped = platform->usual;

    (void)direction;
    if (VST_UNLIKELY(platform->n_unusual > 0 || platform->n_mapped == 0) &&
        !recall(platform, buffer, bytes, bus_addr, &mapped))
        return;
    platform->n_mapped--;
    (void)platform->pci_io->Unmap(platform->pci_io, mapped);
}
