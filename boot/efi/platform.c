/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/platform.h"

#include <arch/cpu.h>

#include "boot/efi/clock.h"
#include "boot/shell/marks.h"
#include "pci/pci_internal.h"

#define PAUSES 64u
/* What `length` counts begins behind it. (ACPI 6.4, 6.4.3.5.1) */
#define SPACE_BYTES (sizeof(struct acpi_address_space) - 3)
/* One command carries so much at most, so that firmware that copies can find the room. */
#define MAX_MAP_BYTES (1u << 20)

static struct efi_platform *of(void *ctx)
{
    return ctx;
}

/* ---------------------------------------------------------------- configuration space */

static bool is_ours(const struct efi_platform *platform, struct vst_pci_address address)
{
    const struct vst_pci_address *own = &platform->address;

    return address.segment == own->segment && address.bus == own->bus &&
           address.device == own->device && address.function == own->function;
}

static EFI_PCI_IO_PROTOCOL_WIDTH width_of(uint8_t width_bytes)
{
    return width_bytes == 1   ? EfiPciIoWidthUint8
           : width_bytes == 2 ? EfiPciIoWidthUint16
                              : EfiPciIoWidthUint32;
}

static uint32_t config_read(void *ctx, struct vst_pci_address address, uint16_t offset,
                            uint8_t width_bytes)
{
    EFI_PCI_IO_PROTOCOL *pci_io = of(ctx)->pci_io;
    uint32_t value = 0;

    if (!is_ours(of(ctx), address) ||
        EFI_ERROR(pci_io->Pci.Read(pci_io, width_of(width_bytes), offset, 1, &value)))
        return UINT32_MAX >> (32 - 8 * width_bytes);
    return value;
}

static void config_write(void *ctx, struct vst_pci_address address, uint16_t offset,
                         uint8_t width_bytes, uint32_t value)
{
    EFI_PCI_IO_PROTOCOL *pci_io = of(ctx)->pci_io;

    if (is_ours(of(ctx), address))
        (void)pci_io->Pci.Write(pci_io, width_of(width_bytes), offset, 1, &value);
}

/* ---------------------------------------------------------------- memory */

/* GetBarAttributes has told where the processor sees it, which firmware maps one to one. */
static void *mmio_map(void *ctx, uint64_t physical, uint64_t bytes)
{
    (void)ctx;
    (void)bytes;
    return (void *)(uintptr_t)physical;
}

static UINTN pages_of(size_t bytes)
{
    return (bytes + EFI_PAGE_SIZE - 1) / EFI_PAGE_SIZE;
}

static void *alloc_private(size_t bytes)
{
    EFI_PHYSICAL_ADDRESS address;

    if (EFI_ERROR(firmware->AllocatePages(AllocateAnyPages, EfiBootServicesData, pages_of(bytes),
                                          &address)))
        return NULL;
    return (void *)(uintptr_t)address;
}

/* The whole of it mapped for both sides to use at any time, at one run of bus addresses. */
static bool map_shared(EFI_PCI_IO_PROTOCOL *pci_io, struct shared_memory *shared, size_t bytes,
                       uint64_t *bus_addr)
{
    UINTN mapped = pages_of(bytes) * EFI_PAGE_SIZE;
    EFI_PHYSICAL_ADDRESS address;

    if (EFI_ERROR(pci_io->Map(pci_io, EfiPciIoOperationBusMasterCommonBuffer, shared->memory,
                              &mapped, &address, &shared->mapping)))
        return false;
    *bus_addr = address;
    if (mapped >= bytes)
        return true;
    (void)pci_io->Unmap(pci_io, shared->mapping);
    return false;
}

static void *alloc_shared(struct efi_platform *platform, size_t bytes, uint64_t *bus_addr)
{
    EFI_PCI_IO_PROTOCOL *pci_io = platform->pci_io;
    struct shared_memory *shared;

    if (EFI_ERROR(firmware->AllocatePool(EfiBootServicesData, sizeof(*shared), (VOID **)&shared)))
        return NULL;
    if (EFI_ERROR(pci_io->AllocateBuffer(pci_io, AllocateAnyPages, EfiBootServicesData,
                                         pages_of(bytes), &shared->memory, 0))) {
        (void)firmware->FreePool(shared);
        return NULL;
    }
    if (!map_shared(pci_io, shared, bytes, bus_addr)) {
        (void)pci_io->FreeBuffer(pci_io, pages_of(bytes), shared->memory);
        (void)firmware->FreePool(shared);
        return NULL;
    }
    shared->next = platform->shared;
    platform->shared = shared;
    return shared->memory;
}

static void *alloc(void *ctx, size_t bytes, size_t align_bytes, enum vst_memory_kind kind,
                   uint64_t *bus_addr)
{
    (void)align_bytes; /* a page at most, which is what is given */
    void *memory =
        kind == VST_MEMORY_SHARED ? alloc_shared(of(ctx), bytes, bus_addr) : alloc_private(bytes);

    if (memory != NULL)
        __builtin_memset(memory, 0, bytes);
    return memory;
}

static void free_shared(struct efi_platform *platform, void *memory, size_t bytes)
{
    EFI_PCI_IO_PROTOCOL *pci_io = platform->pci_io;
    struct shared_memory **link = &platform->shared;

    while (*link != NULL && (*link)->memory != memory)
        link = &(*link)->next;
    if (*link == NULL)
        return;
    struct shared_memory *shared = *link;
    *link = shared->next;
    (void)pci_io->Unmap(pci_io, shared->mapping);
    (void)pci_io->FreeBuffer(pci_io, pages_of(bytes), memory);
    (void)firmware->FreePool(shared);
}

static void free_memory(void *ctx, void *memory, size_t bytes, enum vst_memory_kind kind)
{
    if (memory == NULL)
        return;
    if (kind == VST_MEMORY_SHARED)
        free_shared(of(ctx), memory, bytes);
    else
        (void)firmware->FreePages((uintptr_t)memory, pages_of(bytes));
}

/* ---------------------------------------------------------------- time, log */

static uint64_t time_ns(void *ctx)
{
    (void)ctx;
    return clock_ns();
}

void (*platform_waits)(void);

/* A microsecond or two: what is polled for meanwhile is not there any sooner for being looked at more. */
static void relax(void *ctx)
{
    (void)ctx;
    MARK(MARK_SPIN);
    for (unsigned i = 0; i < PAUSES; i++)
        arch_pause();
    if (platform_waits != NULL)
        platform_waits();
    MARK(MARK_SPIN | MARK_END);
}

/* A driver has no console: Driver Diagnostics shows what was said last. */
static void log(void *ctx, enum vst_log_level level, const char *text)
{
    struct efi_platform *platform = of(ctx);
    char *line = platform->lines[platform->n_lines % PLATFORM_LOG_LINES];
    size_t n = 0;

    if (level > VST_LOG_WARNING)
        return;
    for (; text[n] != '\0' && n < PLATFORM_LINE_CHARS - 1; n++)
        line[n] = text[n];
    line[n] = '\0';
    platform->n_lines++;
}

static const struct vst_platform functions = {
    .pci_config_read = config_read,
    .pci_config_write = config_write,
    .mmio_map = mmio_map,
    .alloc = alloc,
    .free = free_memory,
    .dma_map = platform_dma_map,
    .dma_unmap = platform_dma_unmap,
    .dma_max_map_bytes = MAX_MAP_BYTES,
    .time_ns = time_ns,
    .relax = relax,
    .log = log,
};

/* ---------------------------------------------------------------- BARs */

/* A BAR as its register says: kind, and the address on the bus. */
static bool read_bar(const struct efi_platform *platform, unsigned index, struct vst_pci_bar *bar)
{
    const struct vst_platform *base = &platform->base;
    uint32_t low = pci_read32(base, platform->address, pci_bar_register(index));

    *bar = (struct vst_pci_bar){.kind = VST_PCI_BAR_NONE};
    if (low == 0 || low == UINT32_MAX)
        return false;
    if (low & PCI_BAR_IS_IO) {
        bar->kind = VST_PCI_BAR_IO;
        bar->address = low & ~PCI_BAR_IO_FLAGS;
        return true;
    }
    bar->kind = (low & PCI_BAR_MEMORY_TYPE) == PCI_BAR_TYPE_64 ? VST_PCI_BAR_MEMORY64
                                                               : VST_PCI_BAR_MEMORY32;
    bar->prefetchable = (low & PCI_BAR_PREFETCHABLE) != 0;
    bar->address = low & ~PCI_BAR_MEMORY_FLAGS;
    if (bar->kind == VST_PCI_BAR_MEMORY64 && index + 1 < VST_PCI_N_BARS)
        bar->address |= (uint64_t)pci_read32(base, platform->address, pci_bar_register(index + 1))
                        << 32;
    return true;
}

/*
 * Firmware counts a 64-bit BAR as one or as two, so its description is found by the address on the
 * bus. What is kept is the address as the processor sees it.
 */
static bool describe_bar(EFI_PCI_IO_PROTOCOL *pci_io, UINT8 number, struct vst_pci_bar *bar)
{
    struct acpi_address_space *space;
    bool wants_io = bar->kind == VST_PCI_BAR_IO;

    if (EFI_ERROR(pci_io->GetBarAttributes(pci_io, number, NULL, (VOID **)&space)))
        return false;
    bool found = space->descriptor == ACPI_ADDRESS_SPACE && space->length >= SPACE_BYTES &&
                 (space->resource_type == ACPI_ADDRESS_SPACE_IO) == wants_io &&
                 space->first + space->translation == bar->address && space->bytes != 0 &&
                 space->bytes - 1 <= UINT64_MAX - space->first;
    if (found) {
        bar->address = space->first;
        bar->bytes = space->bytes;
        bar->assigned = bar->address != 0;
    }
    (void)firmware->FreePool(space);
    return found;
}

static void find_bars(struct efi_platform *platform, struct vst_pci_function *function)
{
    for (unsigned i = 0; i < VST_PCI_N_BARS; i++) {
        struct vst_pci_bar *bar = &function->bars[i];
        bool found = false;
        if (!read_bar(platform, i, bar))
            continue;
        for (unsigned k = 0; k < VST_PCI_N_BARS && !found; k++)
            found = describe_bar(platform->pci_io, (UINT8)k, bar);
        bool is_wide = bar->kind == VST_PCI_BAR_MEMORY64;
        if (!found)
            *bar = (struct vst_pci_bar){.kind = VST_PCI_BAR_NONE};
        i += is_wide; /* the register behind it is its upper half */
    }
}

/* ---------------------------------------------------------------- the function */

static struct vst_pci_address address_of(EFI_PCI_IO_PROTOCOL *pci_io)
{
    UINTN segment = 0, bus = 0, device = 0, function = 0;

    (void)pci_io->GetLocation(pci_io, &segment, &bus, &device, &function);
    return (struct vst_pci_address){(uint16_t)segment, (uint8_t)bus, (uint8_t)device,
                                    (uint8_t)function};
}

EFI_STATUS platform_ids(EFI_PCI_IO_PROTOCOL *pci_io, struct vst_pci_function *function)
{
    UINT16 ids[2];
    EFI_STATUS status = pci_io->Pci.Read(pci_io, EfiPciIoWidthUint16, 0, 2, ids);

    *function = (struct vst_pci_function){.parent = -1};
    if (EFI_ERROR(status))
        return status;
    function->vendor_id = ids[0];
    function->device_id = ids[1];
    return EFI_SUCCESS;
}

static EFI_STATUS identify(struct efi_platform *platform, struct vst_pci_function *function)
{
    const struct vst_platform *base = &platform->base;
    EFI_STATUS status = platform_ids(platform->pci_io, function);

    if (EFI_ERROR(status))
        return status;
    uint32_t class = pci_read32(base, platform->address, PCI_REVISION_ID);
    uint32_t subsystem = pci_read32(base, platform->address, PCI_SUBSYSTEM_VENDOR_ID);
    function->address = platform->address;
    function->subsystem_vendor_id = (uint16_t)subsystem;
    function->subsystem_id = (uint16_t)(subsystem >> 16);
    function->revision = (uint8_t) class;
    function->programming_interface = (uint8_t)(class >> 8);
    function->sub_class = (uint8_t)(class >> 16);
    function->base_class = (uint8_t)(class >> 24);
    function->command = pci_read16(base, platform->address, PCI_COMMAND);
    vst_pci_capabilities_read(base, function);
    find_bars(platform, function);
    return EFI_SUCCESS;
}

/* What of it the function can: not all have ports. */
static EFI_STATUS enable(EFI_PCI_IO_PROTOCOL *pci_io, UINT64 wanted)
{
    UINT64 supported = 0;
    EFI_STATUS status =
        pci_io->Attributes(pci_io, EfiPciIoAttributeOperationSupported, 0, &supported);

    if (EFI_ERROR(status))
        return status;
    return pci_io->Attributes(pci_io, EfiPciIoAttributeOperationEnable, wanted & supported, NULL);
}

static void begin(struct efi_platform *platform, EFI_PCI_IO_PROTOCOL *pci_io)
{
    *platform = (struct efi_platform){.base = functions, .pci_io = pci_io};
    platform->base.ctx = platform;
    platform->address = address_of(pci_io);
    clock_start();
}

EFI_STATUS platform_look(struct efi_platform *platform, EFI_PCI_IO_PROTOCOL *pci_io,
                         struct vst_pci_function *function)
{
    begin(platform, pci_io);
    return identify(platform, function);
}

EFI_STATUS platform_open(struct efi_platform *platform, EFI_PCI_IO_PROTOCOL *pci_io,
                         struct vst_pci_function *function)
{
    begin(platform, pci_io);
    EFI_STATUS status =
        pci_io->Attributes(pci_io, EfiPciIoAttributeOperationGet, 0, &platform->attributes_before);
    if (EFI_ERROR(status))
        return status;
    status = enable(pci_io, EFI_PCI_IO_ATTRIBUTE_IO | EFI_PCI_IO_ATTRIBUTE_MEMORY);
    if (!EFI_ERROR(status)) /* a bus that knows no such cycles has no memory there either */
        (void)pci_io->Attributes(pci_io, EfiPciIoAttributeOperationEnable,
                                 EFI_PCI_IO_ATTRIBUTE_DUAL_ADDRESS_CYCLE, NULL);
    if (!EFI_ERROR(status))
        status = identify(platform, function);
    if (EFI_ERROR(status))
        platform_close(platform);
    return status;
}

EFI_STATUS platform_allow_dma(struct efi_platform *platform)
{
    return enable(platform->pci_io, EFI_PCI_IO_ATTRIBUTE_BUS_MASTER);
}

void platform_close(struct efi_platform *platform)
{
    EFI_PCI_IO_PROTOCOL *pci_io = platform->pci_io;

    (void)pci_io->Attributes(pci_io, EfiPciIoAttributeOperationSet, platform->attributes_before,
                             NULL);
}
