/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/pool.h"

void *pool_take(UINTN bytes)
{
    VOID *memory;

    if (EFI_ERROR(firmware->AllocatePool(EfiBootServicesData, bytes, &memory)))
        return NULL;
    __builtin_memset(memory, 0, bytes);
    return memory;
}

void pool_give(void *memory)
{
    if (memory != NULL)
        (void)firmware->FreePool(memory);
}

UINT64 pages_bytes(UINT64 bytes)
{
    if (bytes > UINT64_MAX - EFI_PAGE_SIZE)
        return UINT64_MAX & ~(UINT64)(EFI_PAGE_SIZE - 1);
    return bytes == 0 ? EFI_PAGE_SIZE : (bytes + EFI_PAGE_SIZE - 1) & ~(UINT64)(EFI_PAGE_SIZE - 1);
}

void *pages_take(UINT64 bytes)
{
    EFI_PHYSICAL_ADDRESS address;

    if (EFI_ERROR(firmware->AllocatePages(AllocateAnyPages, EfiBootServicesData,
                                          pages_bytes(bytes) / EFI_PAGE_SIZE, &address)))
        return NULL;
    return (void *)(uintptr_t)address;
}

void pages_give(void *memory, UINT64 bytes)
{
    if (memory != NULL)
        (void)firmware->FreePages((uintptr_t)memory, pages_bytes(bytes) / EFI_PAGE_SIZE);
}
