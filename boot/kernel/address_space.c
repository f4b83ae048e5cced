/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/entry.h>
#include <arch/paging.h>

#include "boot/kernel/address_space.h"
#include "boot/kernel/memory.h"

static bool map_between(const char *first, const char *end, enum arch_mapping mapping)
{
    return first == end || arch_paging_map((uintptr_t)first, (uint64_t)(end - first), mapping);
}

static bool map_image(void)
{
    return map_between(image_start, image_text_end, ARCH_MAP_CODE) &&
           map_between(image_text_end, image_constants_end, ARCH_MAP_CONSTANT) &&
           map_between(image_constants_end, image_stack_guard, ARCH_MAP_DATA) &&
           map_between(image_stack_bottom, image_end, ARCH_MAP_DATA);
}

static bool map_ram(void)
{
    static struct range_set wanted;

    wanted = *memory_ram();
    if (!range_set_remove(&wanted, 0, ARCH_PAGE_BYTES) ||
        !range_set_remove(&wanted, (uintptr_t)image_start, (uintptr_t)image_end))
        return false;
    for (size_t i = 0; i < wanted.n_ranges; i++) {
        const struct range *range = &wanted.ranges[i];
        if (!arch_paging_map(range->first, range->end - range->first, ARCH_MAP_DATA))
            return false;
    }
    return true;
}

bool address_space_start(void)
{
    if (!arch_paging_start(memory_alloc_page) || !map_image() || !map_ram())
        return false;
    arch_paging_activate();
    return true;
}

static bool is_reachable(uint64_t physical, uint64_t bytes)
{
    return physical >= ARCH_PAGE_BYTES && bytes > 0 && physical < ARCH_ADDRESS_END &&
           bytes <= ARCH_ADDRESS_END - physical;
}

void *address_space_map_device(uint64_t physical, uint64_t bytes)
{
    if (!is_reachable(physical, bytes) ||
        range_set_intersects(memory_ram(), physical, physical + bytes) ||
        !arch_paging_map(physical, bytes, ARCH_MAP_DEVICE))
        return NULL;
    return (void *)(uintptr_t)physical;
}

const void *address_space_map_firmware(uint64_t physical, uint64_t bytes)
{
    if (!is_reachable(physical, bytes))
        return NULL;
    for (uint64_t page = round_down(physical, ARCH_PAGE_BYTES); page < physical + bytes;
         page += ARCH_PAGE_BYTES)
        if (!arch_paging_is_mapped(page) &&
            !arch_paging_map(page, ARCH_PAGE_BYTES, ARCH_MAP_CONSTANT))
            return NULL;
    return (const void *)(uintptr_t)physical;
}
