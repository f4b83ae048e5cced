/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/entry.h>
#include <arch/paging.h>
#include <string.h>

#include "boot/kernel/memory.h"

#define LOW_MEMORY_END  0x100000ull /* firmware's data and the boot loader's; never given out */
#define LOW_RAM_FIRST   0x10000ull  /* below it some firmware keeps data without saying so */
#define LOW_RAM_END     0xa0000ull
#define BELOW_4G_END    0x100000000ull
#define MAX_HEAP_BYTES  0x40000000ull
#define HEAP_KEPT_BYTES 0x100000ull

static struct range_set ram, free_pages;
/* Of the heap: all of it, the range that is being given out, how far, and what came before it. */
static struct range_set heap;
static size_t heap_at;
static uint64_t heap_used_end, heap_left_bytes, lent_end;
static uint64_t low_page;

static uint64_t range_end(const struct boot_range *range)
{
    return vst_add_saturated_u64(range->first, range->bytes);
}

static bool add_ram(const struct boot_info *info)
{
    bool complete = true;

    for (size_t i = 0; i < info->n_memory_ranges; i++) {
        const struct boot_range *range = &info->memory_ranges[i];
        uint64_t end = range_end(range) < ARCH_ADDRESS_END ? range_end(range) : ARCH_ADDRESS_END;
        if (range->usable)
            complete &= range_set_add(&ram, round_up(range->first, ARCH_PAGE_BYTES),
                                      round_down(end, ARCH_PAGE_BYTES));
    }
    return complete;
}

/* Takes away what is reserved, by whole pages: a page that is half reserved is not ours. */
static bool remove_range(struct range_set *set, uint64_t first, uint64_t end)
{
    return range_set_remove(set, round_down(first, ARCH_PAGE_BYTES),
                            round_up(end, ARCH_PAGE_BYTES));
}

static bool remove_reserved(const struct boot_info *info)
{
    bool complete = true;

    for (size_t i = 0; i < info->n_memory_ranges; i++)
        if (!info->memory_ranges[i].usable && info->memory_ranges[i].bytes > 0)
            complete &= remove_range(&ram, info->memory_ranges[i].first,
                                     range_end(&info->memory_ranges[i]));
    return complete;
}

static bool remove_used(const struct boot_info *info)
{
    bool complete = range_set_remove(&free_pages, 0, LOW_MEMORY_END) &&
                    remove_range(&free_pages, (uintptr_t)image_start, (uintptr_t)image_end);

    for (size_t i = 0; i < info->n_modules; i++)
        complete &= remove_range(&free_pages, info->modules[i].first, range_end(&info->modules[i]));
    return complete;
}

static uint64_t find_low_page(const struct boot_info *info)
{
    static struct range_set low;

    low = ram;
    bool complete =
        range_set_remove(&low, 0, LOW_RAM_FIRST) && range_set_remove(&low, LOW_RAM_END, UINT64_MAX);
    for (size_t i = 0; i < info->n_modules; i++)
        complete &= remove_range(&low, info->modules[i].first, range_end(&info->modules[i]));
    return complete && low.n_ranges > 0 ? low.ranges[0].first : 0;
}

uint64_t memory_low_page(void)
{
    return low_page;
}

bool memory_start(const struct boot_info *info)
{
    if (!add_ram(info) || !remove_reserved(info))
        return false;
    free_pages = ram;
    low_page = find_low_page(info);
    return remove_used(info) && free_pages.n_ranges > 0;
}

const struct range_set *memory_ram(void)
{
    return &ram;
}

/* First fit below `limit`. */
static uint64_t take_pages(uint64_t bytes, uint64_t align_bytes, uint64_t limit)
{
    for (size_t i = 0; i < free_pages.n_ranges; i++) {
        const struct range *range = &free_pages.ranges[i];
        uint64_t first = round_up(range->first, align_bytes);
        uint64_t end = range->end < limit ? range->end : limit;
        if (first < end && bytes <= end - first)
            return range_set_remove(&free_pages, first, first + bytes) ? first : 0;
    }
    return 0;
}

uint64_t memory_alloc(uint64_t bytes, uint64_t align_bytes)
{
    uint64_t whole_bytes = round_up(bytes, ARCH_PAGE_BYTES);

    if (bytes == 0 || whole_bytes < bytes)
        return 0;
    if (align_bytes < ARCH_PAGE_BYTES)
        align_bytes = ARCH_PAGE_BYTES;
    uint64_t physical = take_pages(whole_bytes, align_bytes, BELOW_4G_END);
    if (physical == 0)
        physical = take_pages(whole_bytes, align_bytes, ARCH_ADDRESS_END);
    if (physical != 0)
        memset((void *)(uintptr_t)physical, 0, whole_bytes);
    return physical;
}

static bool leave_out(struct range_set *set, const struct range_set *avoid)
{
    bool complete = true;

    for (size_t i = 0; avoid != NULL && i < avoid->n_ranges; i++)
        complete &= remove_range(set, avoid->ranges[i].first, avoid->ranges[i].end);
    return complete;
}

uint64_t memory_take(uint64_t bytes, uint64_t align_bytes, uint64_t end,
                     const struct range_set *avoid)
{
    static struct range_set candidates;
    uint64_t whole_bytes = round_up(bytes, ARCH_PAGE_BYTES);

    candidates = free_pages;
    if (bytes == 0 || whole_bytes < bytes || !leave_out(&candidates, avoid))
        return 0;
    for (size_t i = candidates.n_ranges; i-- > 0;) {
        const struct range *range = &candidates.ranges[i];
        uint64_t last = range->end < end ? range->end : end;
        if (last < range->first || last - range->first < whole_bytes)
            continue;
        uint64_t first = round_down(last - whole_bytes, align_bytes);
        if (first >= range->first)
            return range_set_remove(&free_pages, first, first + whole_bytes) ? first : 0;
    }
    return 0;
}

void memory_free(uint64_t physical, uint64_t bytes)
{
    /* With more fragments than the set holds, the pages are lost, which harms nobody. */
    (void)!range_set_add(&free_pages, physical, physical + round_up(bytes, ARCH_PAGE_BYTES));
}

uint64_t memory_alloc_page(void)
{
    return memory_alloc(ARCH_PAGE_BYTES, ARCH_PAGE_BYTES);
}

static void give_to_heap(uint64_t first, uint64_t end)
{
    if (range_set_remove(&free_pages, first, end) && !range_set_add(&heap, first, end))
        memory_free(first, end - first);
}

void memory_start_heap(void)
{
    struct range longest = range_set_longest(&free_pages);
    uint64_t bytes = range_set_total(&free_pages) / 2;

    if (bytes > MAX_HEAP_BYTES)
        bytes = MAX_HEAP_BYTES;
    if (bytes > longest.end - longest.first)
        bytes = longest.end - longest.first;
    give_to_heap(round_up(longest.end - bytes, ARCH_PAGE_BYTES), longest.end);
    heap_used_end = heap.ranges[0].first;
}

void memory_start_large_heap(uint64_t devices_bytes)
{
    uint64_t kept = 0;

    devices_bytes = round_up(devices_bytes, ARCH_PAGE_BYTES);
    for (size_t i = 0; i < free_pages.n_ranges;) {
        struct range range = free_pages.ranges[i];
        uint64_t bytes = range.end - range.first;
        uint64_t keep = bytes < devices_bytes - kept ? bytes : devices_bytes - kept;
        kept += keep;
        if (keep < bytes)
            give_to_heap(range.first + keep, range.end);
        i += keep > 0;
    }
    heap_used_end = heap.ranges[0].first;
}

/* The next range with that much room; what is left of those before it stays unused. */
static bool heap_go_on(uint64_t bytes)
{
    size_t at = heap_at;

    do {
        if (++at >= heap.n_ranges)
            return false;
    } while (heap.ranges[at].end - heap.ranges[at].first < bytes);
    for (; heap_at < at; heap_at++)
        heap_left_bytes += heap.ranges[heap_at].end - heap.ranges[heap_at].first;
    heap_used_end = heap.ranges[at].first;
    return true;
}

void memory_lend_heap(void)
{
    struct range *range = &heap.ranges[heap_at];
    uint64_t end = round_up(heap_used_end + HEAP_KEPT_BYTES, ARCH_PAGE_BYTES);

    if (lent_end != 0 || end >= range->end || !range_set_add(&free_pages, end, range->end))
        return;
    lent_end = range->end;
    range->end = end;
}

void memory_return_heap(void)
{
    static struct range_set missing;
    struct range *range = &heap.ranges[heap_at];

    if (lent_end == 0)
        return;
    missing = (struct range_set){1, {{range->end, lent_end}}};
    if (leave_out(&missing, &free_pages) && missing.n_ranges == 0 &&
        range_set_remove(&free_pages, range->end, lent_end))
        range->end = lent_end;
    lent_end = 0;
}

void *memory_grow_heap(ptrdiff_t bytes)
{
    const struct range *range = &heap.ranges[heap_at];

    if (bytes < 0 && (uint64_t)-bytes > heap_used_end - range->first)
        return NULL;
    if (bytes > 0 && (uint64_t)bytes > range->end - heap_used_end && !heap_go_on((uint64_t)bytes))
        return NULL;
    uint64_t old_end = heap_used_end;
    heap_used_end = old_end + (uint64_t)bytes;
    if (bytes > 0)
        memset((void *)(uintptr_t)old_end, 0, (size_t)bytes);
    return (void *)(uintptr_t)old_end;
}

uint64_t memory_free_bytes(void)
{
    return range_set_total(&free_pages);
}

uint64_t memory_heap_bytes(void)
{
    return range_set_total(&heap);
}

uint64_t memory_heap_used_bytes(void)
{
    return heap_left_bytes + heap_used_end - heap.ranges[heap_at].first;
}
