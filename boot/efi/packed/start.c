/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An image that carries another one, compressed: the boot loader, which would not fit its place
 * otherwise. The other one is put into memory of its own, and entered as firmware would do it.
 *
 * Nothing here is an address in data, so nothing has to be relocated.
 */
#include <arch/code.h>
#include <efi.h>

#include "boot/efi/loader/name.h"
#include "boot/efi/packed/inflate.h"
#include "boot/shell/marks.h"

/* Before the data; by linker/pack_efi.py. */
struct packed_image {
    uint64_t bytes; /* expanded */
    uint64_t entry; /* within that */
};

typedef EFI_STATUS(EFIAPI *entry_t)(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);

/* UEFI 2.10, 37.6 Memory Attribute Protocol; gnu-efi does not know it. */
typedef struct memory_attribute memory_attribute_t;
typedef EFI_STATUS(EFIAPI *change_t)(memory_attribute_t *This, EFI_PHYSICAL_ADDRESS BaseAddress,
                                     UINT64 Length, UINT64 Attributes);
struct memory_attribute {
    VOID *GetMemoryAttributes;
    change_t SetMemoryAttributes, ClearMemoryAttributes;
};

extern const struct packed_image packed_image __attribute__((visibility("hidden")));
extern const char packed_image_end[] __attribute__((visibility("hidden")));

EFI_STATUS EFIAPI _start(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);

/* A base relocation that does nothing: an image without any could not be moved. (PE/COFF 5.6) */
__attribute__((section(".reloc"), used)) static const UINT32 no_relocation[3] = {
    0, sizeof(no_relocation), 0};

__attribute__((section(".sdmagic"), used)) static const char magic[] =
    LOADER_MAGIC LOADER_NAME " ####";

/* Strict firmware lets nobody execute what somebody can write, images included, until it is asked. */
static void allow_execution(EFI_BOOT_SERVICES *firmware, EFI_PHYSICAL_ADDRESS address, UINTN bytes)
{
    EFI_GUID guid = {0xf4560cf6, 0x40ec, 0x4b4a, {0xa1, 0x92, 0xbf, 0x1d, 0x57, 0xd0, 0xb1, 0x89}};
    memory_attribute_t *attributes;

    if (!EFI_ERROR(firmware->LocateProtocol(&guid, NULL, (VOID **)&attributes)))
        (void)attributes->ClearMemoryAttributes(attributes, address, bytes, EFI_MEMORY_XP);
}

static bool expand(EFI_BOOT_SERVICES *firmware, void *to)
{
    const char *from = (const char *)(&packed_image + 1);
    struct inflate_work *work;

    if (EFI_ERROR(firmware->AllocatePool(EfiBootServicesData, sizeof(*work), (VOID **)&work)))
        return false;
    bool ok = inflate(work, from, (size_t)(packed_image_end - from), to, packed_image.bytes);
    (void)firmware->FreePool(work);
    return ok;
}

EFI_STATUS EFIAPI _start(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table)
{
    EFI_BOOT_SERVICES *firmware = system_table->BootServices;
    UINTN n_pages = EFI_SIZE_TO_PAGES(packed_image.bytes);
    EFI_PHYSICAL_ADDRESS address;

    MARK(MARK_BOOT);
    EFI_STATUS status = firmware->AllocatePages(AllocateAnyPages, EfiLoaderCode, n_pages, &address);

    if (EFI_ERROR(status))
        return status;
    char *memory = (char *)(uintptr_t)address;
    status = EFI_LOAD_ERROR;
    if (expand(firmware, memory)) {
        allow_execution(firmware, address, n_pages * EFI_PAGE_SIZE);
        arch_code_written(memory, packed_image.bytes);
        status = ((entry_t)(uintptr_t)(memory + packed_image.entry))(image, system_table);
    }
    (void)firmware->FreePages(address, n_pages);
    return status;
}
