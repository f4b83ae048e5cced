/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MBR: four entries in the first sector, and a chain of extended ones, each with an entry for one
 * logical partition and a link to the next. Blocks are the disk's logical ones, as Linux counts them.
 */
#include "block/partitions.h"

#define ENTRIES_AT    446u
#define ENTRY_BYTES   16u
#define N_ENTRIES     4u
#define SIGNATURE_AT  510u
#define ID_AT         440u
#define ACTIVE        0x80u
#define PROTECTIVE    0xeeu
#define FIRST_LOGICAL 5u
#define MOST_LOGICAL  128u

struct entry {
    uint8_t active, type;
    uint32_t first_block, n_blocks;
};

static struct entry entry_of(const uint8_t *sector, unsigned i)
{
    const uint8_t *at = sector + ENTRIES_AT + (size_t)i * ENTRY_BYTES;

    return (struct entry){at[0], at[4], table_le32(at + 8), table_le32(at + 12)};
}

static bool is_used(const struct entry *entry)
{
    return entry->type != 0 && entry->n_blocks != 0;
}

static bool has_signature(const uint8_t *sector)
{
    return table_le16(sector + SIGNATURE_AT) == 0xaa55;
}

/**
 * The boot sector of a file system has the same signature, and code where the entries would be: then
 * some of their first bytes are neither 0 nor that of an active one.
 */
enum mbr_kind vst_mbr_kind(const uint8_t *sector)
{
    enum mbr_kind kind = MBR_NONE;

    if (!has_signature(sector))
        return MBR_NONE;
    for (unsigned i = 0; i < N_ENTRIES; i++) {
        struct entry entry = entry_of(sector, i);
        if ((entry.active & ~ACTIVE) != 0)
            return MBR_NONE;
        if (entry.type == PROTECTIVE)
            kind = MBR_PROTECTIVE;
        else if (is_used(&entry) && kind == MBR_NONE)
            kind = MBR_TABLE;
    }
    return kind;
}

static void add(struct partition_list *list, uint32_t number, const struct entry *entry,
                uint64_t base)
{
    struct vst_partition partition = {
        .number = number, .mbr_type = entry->type, .bootable = entry->active == ACTIVE};

    vst_partition_add(list, &partition, base + entry->first_block, entry->n_blocks);
}

/** Whether a block is none of those before it, which it joins. */
static bool is_new(uint64_t seen[MOST_LOGICAL], unsigned n, uint64_t at)
{
    for (unsigned i = 0; i < n; i++)
        if (seen[i] == at)
            return false;
    seen[n] = at;
    return true;
}

/** The logical partitions of an extended one. Links are relative to its start. */
static enum vst_status follow(const struct partition_source *source, struct partition_list *list,
                              const struct entry *extended, uint32_t *number)
{
    uint64_t start = extended->first_block, at = start, seen[MOST_LOGICAL];

    for (unsigned n = 0; n < MOST_LOGICAL && is_new(seen, n, at); n++) {
        if ((at + 1) * source->block_bytes > source->capacity_bytes)
            break;
        enum vst_status status =
            source->read(source->ctx, at * source->block_bytes, source->buffer, VST_SECTOR_BYTES);
        if (status != VST_OK)
            return status;
        if (!has_signature(source->buffer))
            break;
        struct entry logical = entry_of(source->buffer, 0), link = entry_of(source->buffer, 1);
        if (is_used(&logical) && !mbr_is_extended(logical.type))
            add(list, (*number)++, &logical, at);
        if (!is_used(&link))
            return VST_OK;
        if (!mbr_is_extended(link.type) || link.first_block >= extended->n_blocks)
            break;
        at = start + link.first_block;
    }
    list->table->flaws |= VST_PARTITIONS_ENDLESS;
    return VST_OK;
}

enum vst_status vst_mbr_parse(const struct partition_source *source, const uint8_t *sector,
                              struct partition_list *list)
{
    struct entry entries[N_ENTRIES];
    uint32_t number = FIRST_LOGICAL;
    enum vst_status status = VST_OK;

    list->table->scheme = VST_PARTITIONS_MBR;
    __builtin_memcpy(list->table->id, sector + ID_AT, 4);
    for (unsigned i = 0; i < N_ENTRIES; i++) {
        entries[i] = entry_of(sector, i);
        if (is_used(&entries[i]))
            add(list, i + 1, &entries[i], 0);
    }
    for (unsigned i = 0; i < N_ENTRIES && status == VST_OK; i++)
        if (is_used(&entries[i]) && mbr_is_extended(entries[i].type))
            status = follow(source, list, &entries[i], &number);
    return status;
}
