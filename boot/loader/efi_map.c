/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/loader/efi_map.h"

#include "boot/loader/next.h"

#define DESCRIPTOR_LEAST    40u
#define PAGE_SHIFT          12
#define ATTRIBUTE_CACHED    0x8u
#define ATTRIBUTE_SPECIFIC  0x40000u /* for somebody's special use */
#define ATTRIBUTE_NO_ACCESS 0x2000u

/* UEFI 2.9, table 7-5. */
enum efi_type {
    EFI_LOADER_CODE = 1,
    EFI_LOADER_DATA = 2,
    EFI_BOOT_CODE = 3,
    EFI_BOOT_DATA = 4,
    EFI_CONVENTIONAL = 7,
    EFI_UNUSABLE = 8,
    EFI_ACPI_RECLAIM = 9,
    EFI_ACPI_NVS = 10,
    EFI_PERSISTENT = 14,
};

#define MEMORY_PERSISTENT 7u /* ACPI 6.4, table 15-1 */

struct region {
    uint32_t type;
    uint64_t first, end, attributes;
};

/* False at the end, and for one without pages. */
static bool read_region(const struct loader_efi_map *map, uint64_t at, struct region *region)
{
    const struct loader_bytes *bytes = &map->bytes;
    uint64_t n_pages = loader_u64(bytes, at + 24);

    region->type = loader_u32(bytes, at);
    region->first = loader_u64(bytes, at + 8) >> PAGE_SHIFT << PAGE_SHIFT;
    region->attributes = loader_u64(bytes, at + 32);
    region->end = n_pages > (UINT64_MAX - region->first) >> PAGE_SHIFT
                      ? UINT64_MAX
                      : region->first + (n_pages << PAGE_SHIFT);
    return region->end > region->first;
}

static bool is_plain(const struct region *region)
{
    return (region->attributes & ATTRIBUTE_CACHED) &&
           !(region->attributes & (ATTRIBUTE_SPECIFIC | ATTRIBUTE_NO_ACCESS));
}

static uint32_t type_of(const struct region *region)
{
    switch (region->type) {
    case EFI_LOADER_CODE:
    case EFI_LOADER_DATA:
    case EFI_BOOT_CODE:
    case EFI_BOOT_DATA:
    case EFI_CONVENTIONAL:
        return is_plain(region) ? LOADER_MEMORY_USABLE : LOADER_MEMORY_RESERVED;
    case EFI_UNUSABLE:
        return LOADER_MEMORY_BAD;
    case EFI_ACPI_RECLAIM:
        return LOADER_MEMORY_ACPI;
    case EFI_ACPI_NVS:
        return LOADER_MEMORY_NVS;
    case EFI_PERSISTENT:
        return MEMORY_PERSISTENT;
    default:
        return LOADER_MEMORY_RESERVED;
    }
}

bool loader_efi_memory(const struct loader_efi_map *map, struct loader_memory *memory, size_t room,
                       size_t *n)
{
    struct region region;

    *n = 0;
    if (map->descriptor_bytes < DESCRIPTOR_LEAST)
        return false;
    for (uint64_t at = 0; loader_holds(&map->bytes, at, DESCRIPTOR_LEAST);
         at += map->descriptor_bytes) {
        if (!read_region(map, at, &region))
            continue;
        if (*n == room)
            return false;
        loader_memory_add(memory, n, region.first, region.end - region.first, type_of(&region),
                          true);
    }
    return true;
}

bool loader_efi_ranges(const struct loader_efi_map *map, bool after_exit, struct range_set *set)
{
    struct region region;

    if (map->descriptor_bytes < DESCRIPTOR_LEAST)
        return false;
    for (uint64_t at = 0; loader_holds(&map->bytes, at, DESCRIPTOR_LEAST);
         at += map->descriptor_bytes)
        if (read_region(map, at, &region) && type_of(&region) == LOADER_MEMORY_USABLE &&
            (after_exit || region.type == EFI_CONVENTIONAL) &&
            !range_set_add(set, region.first, region.end))
            return false;
    return true;
}
