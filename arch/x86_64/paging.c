/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/paging.h>
#include <arch/system.h>

#define PTE_PRESENT       (1ull << 0)
#define PTE_WRITABLE      (1ull << 1)
#define PTE_WRITE_THROUGH (1ull << 3)
#define PTE_CACHE_DISABLE (1ull << 4)
#define PTE_LARGE         (1ull << 7)
#define PTE_NO_EXECUTE    (1ull << 63)
#define PTE_ADDRESS       0x000ffffffffff000ull

#define LEVEL_PAGE    1
#define LEVEL_2_MIB   2
#define LEVEL_1_GIB   3
#define LEVEL_ROOT    4
#define TABLE_ENTRIES 512u

/* Power-on value: bits PCD and PWT together select strong uncached, none write-back. Firmware may
 * have changed it. */
#define PAT_POWER_ON 0x0007040600070406ull

#define CPUID_EXTENDED_FEATURES 0x80000001u
#define CPUID_EDX_NO_EXECUTE    (1u << 20)
#define CPUID_EDX_1_GIB_PAGES   (1u << 26)

static uint64_t (*alloc_table)(void);
static uint64_t root;
static uint64_t no_execute;
static int largest_leaf;

static uint64_t level_bytes(int level)
{
    return 1ull << (12 + 9 * (level - 1));
}

static uint64_t *entry_of(uint64_t table, int level, uint64_t address)
{
    return (uint64_t *)(uintptr_t)(table & PTE_ADDRESS) +
           (address / level_bytes(level)) % TABLE_ENTRIES;
}

static bool is_leaf(uint64_t entry, int level)
{
    return level == LEVEL_PAGE || (entry & PTE_LARGE);
}

static uint64_t flags_of(enum arch_mapping mapping)
{
    switch (mapping) {
    case ARCH_MAP_CODE:
        return PTE_PRESENT;
    case ARCH_MAP_CONSTANT:
        return PTE_PRESENT | no_execute;
    case ARCH_MAP_DEVICE:
        return PTE_PRESENT | PTE_WRITABLE | PTE_WRITE_THROUGH | PTE_CACHE_DISABLE | no_execute;
    case ARCH_MAP_DATA:
        break;
    }
    return PTE_PRESENT | PTE_WRITABLE | no_execute;
}

static bool same_rights(uint64_t entry, uint64_t flags)
{
    uint64_t looked_at = PTE_WRITABLE | PTE_WRITE_THROUGH | PTE_CACHE_DISABLE | PTE_NO_EXECUTE;
    return ((entry ^ flags) & looked_at) == 0;
}

bool arch_paging_start(uint64_t (*alloc_page)(void))
{
    uint32_t features = arch_cpuid_checked(CPUID_EXTENDED_FEATURES).edx;

    no_execute = features & CPUID_EDX_NO_EXECUTE ? PTE_NO_EXECUTE : 0;
    largest_leaf = features & CPUID_EDX_1_GIB_PAGES ? LEVEL_1_GIB : LEVEL_2_MIB;
    alloc_table = alloc_page;
    root = alloc_table();
    return root != 0;
}

static bool map_block(uint64_t table, int level, uint64_t address, int leaf_level, uint64_t flags);

/* A finer table lies where one large page would do: fill it page by page. */
static bool map_children(uint64_t table, int level, uint64_t address, uint64_t flags)
{
    for (unsigned i = 0; i < TABLE_ENTRIES; i++)
        if (!map_block(table, level, address + i * level_bytes(level), level, flags))
            return false;
    return true;
}

/* Maps the block of level_bytes(leaf_level) at `address`, beginning at a table of `level`. */
static bool map_block(uint64_t table, int level, uint64_t address, int leaf_level, uint64_t flags)
{
    uint64_t *entry = entry_of(table, level, address);

    if ((*entry & PTE_PRESENT) && is_leaf(*entry, level))
        return same_rights(*entry, flags);
    if (level == leaf_level && !(*entry & PTE_PRESENT)) {
        *entry = address | flags | (level == LEVEL_PAGE ? 0 : PTE_LARGE);
        return true;
    }
    if (level == leaf_level)
        return map_children(*entry, level - 1, address, flags);
    if (!(*entry & PTE_PRESENT)) {
        uint64_t next = alloc_table();
        if (next == 0)
            return false;
        *entry = next | PTE_PRESENT | PTE_WRITABLE;
    }
    return map_block(*entry, level - 1, address, leaf_level, flags);
}

static int largest_level(uint64_t first, uint64_t end)
{
    int level = largest_leaf;

    while (level > LEVEL_PAGE &&
           (first % level_bytes(level) != 0 || end - first < level_bytes(level)))
        level--;
    return level;
}

bool arch_paging_map(uint64_t first, uint64_t bytes, enum arch_mapping mapping)
{
    if (bytes == 0 || first >= ARCH_ADDRESS_END || bytes > ARCH_ADDRESS_END - first)
        return false;

    uint64_t flags = flags_of(mapping);
    uint64_t end = (first + bytes + ARCH_PAGE_BYTES - 1) & ~(uint64_t)(ARCH_PAGE_BYTES - 1);
    first &= ~(uint64_t)(ARCH_PAGE_BYTES - 1);
    while (first < end) {
        int level = largest_level(first, end);
        if (!map_block(root, LEVEL_ROOT, first, level, flags))
            return false;
        first += level_bytes(level);
    }
    return true;
}

/* Puts a table of smaller pages in place of one large page. */
static bool split(uint64_t *entry, int level)
{
    uint64_t table = alloc_table();
    uint64_t flags = *entry & ~PTE_ADDRESS & ~PTE_LARGE, first = *entry & PTE_ADDRESS;

    if (table == 0)
        return false;
    for (unsigned i = 0; i < TABLE_ENTRIES; i++)
        ((uint64_t *)(uintptr_t)table)[i] = (first + i * level_bytes(level - 1)) | flags |
                                            (level - 1 == LEVEL_PAGE ? 0 : PTE_LARGE);
    *entry = table | PTE_PRESENT | PTE_WRITABLE;
    return true;
}

bool arch_paging_guard(uint64_t page)
{
    uint64_t table = root;

    for (int level = LEVEL_ROOT; level > LEVEL_PAGE; level--) {
        uint64_t *entry = entry_of(table, level, page);
        if (!(*entry & PTE_PRESENT))
            return true;
        if (is_leaf(*entry, level) && !split(entry, level))
            return false;
        table = *entry;
    }
    *entry_of(table, LEVEL_PAGE, page) = 0;
    arch_cr3_write(root); /* a large page's translation may be kept for any part of it */
    return true;
}

uint64_t arch_paging_root(void)
{
    return root;
}

void arch_paging_activate(void)
{
    if (no_execute)
        arch_msr_write(ARCH_MSR_EFER, arch_msr_read(ARCH_MSR_EFER) | ARCH_EFER_NO_EXECUTE);
    arch_msr_write(ARCH_MSR_PAT, PAT_POWER_ON);
    arch_cr3_write(root);
}

bool arch_paging_is_mapped(uint64_t address)
{
    uint64_t entry = arch_cr3_read();

    if (address >= ARCH_ADDRESS_END)
        return false;
    for (int level = LEVEL_ROOT; level >= LEVEL_PAGE; level--) {
        entry = *entry_of(entry, level, address);
        if (!(entry & PTE_PRESENT) || is_leaf(entry, level))
            break;
    }
    return entry & PTE_PRESENT;
}
