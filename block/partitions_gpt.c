/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GPT: two copies of a header and an array of entries, at the start of the disk and at its end, each
 * with checksums. (UEFI 2.10, 5.3)
 *
 * Headers count in logical blocks of the disk for which the table was made. An image of a 512-byte
 * disk on one of 4096-byte blocks is common, and the other way round: both are tried.
 */
#include "block/partitions.h"

#define HEADER_BYTES     92u
#define LEAST_ENTRY      128u
#define MOST_ENTRY       4096u
#define MOST_ARRAY_BYTES (1u << 20)
#define NAME_AT          56u
#define NAME_UNITS       36u
#define LEGACY_BOOT      (1ull << 2)

struct header {
    uint64_t at; /* block */
    uint64_t other_at, first_usable, last_usable, entries_at;
    uint32_t n_entries, entry_bytes, entries_crc;
    uint8_t id[VST_GUID_BYTES];
};

/* ------------------------------------------------------------------ checksums */

/** CRC-32 of ISO 3309, a nibble at a time: it is only tables that are summed. */
static uint32_t crc32_add(uint32_t crc, const uint8_t *data, size_t bytes)
{
    static const uint32_t of_nibble[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
                                           0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                           0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                           0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};

    crc = ~crc;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ of_nibble[crc & 15];
        crc = crc >> 4 ^ of_nibble[crc & 15];
    }
    return ~crc;
}

/* ------------------------------------------------------------------ headers */

static uint64_t n_blocks(const struct partition_source *source, const struct partition_list *list)
{
    return source->capacity_bytes / list->table->block_bytes;
}

/** The header of `sector`, whose checksum covers header_bytes of it. */
static bool header_is_sound(uint8_t *sector, uint32_t block_bytes)
{
    uint32_t bytes = table_le32(sector + 12), crc = table_le32(sector + 16);

    if (__builtin_memcmp(sector, "EFI PART", 8) != 0 || table_le32(sector + 8) < 0x00010000 ||
        bytes < HEADER_BYTES || bytes > block_bytes)
        return false;
    __builtin_memset(sector + 16, 0, 4);
    return crc32_add(0, sector, bytes) == crc;
}

static bool header_makes_sense(const struct header *header, uint64_t at, uint64_t n)
{
    uint64_t array_bytes = (uint64_t)header->n_entries * header->entry_bytes;

    return header->at == at && header->first_usable <= header->last_usable &&
           header->last_usable < n && header->entries_at >= 2 && header->entries_at < n &&
           header->entry_bytes >= LEAST_ENTRY && header->entry_bytes <= MOST_ENTRY &&
           vst_is_power_of_two(header->entry_bytes) && header->n_entries >= 1 &&
           array_bytes <= MOST_ARRAY_BYTES;
}

/** Calls `each`, if any, for every entry that is used, and sums them up. */
static enum vst_status walk_entries(const struct partition_source *source,
                                    const struct partition_list *list, const struct header *header,
                                    void (*each)(struct partition_list *list, uint32_t number,
                                                 const uint8_t *entry, const struct header *header),
                                    struct partition_list *into, uint32_t *crc)
{
    static const uint8_t unused[VST_GUID_BYTES];
    uint64_t offset = header->entries_at * list->table->block_bytes;
    uint32_t left = header->n_entries * header->entry_bytes, number = 1;

    *crc = 0;
    if (left > source->capacity_bytes - offset)
        return VST_ERR_MALFORMED;
    while (left > 0) {
        uint32_t bytes = left < MAX_TABLE_BLOCK_BYTES ? left : MAX_TABLE_BLOCK_BYTES;
        enum vst_status status = source->read(source->ctx, offset, source->buffer, bytes);
        if (status != VST_OK)
            return status;
        *crc = crc32_add(*crc, source->buffer, bytes);
        for (uint32_t i = 0; each != NULL && i < bytes; i += header->entry_bytes, number++)
            if (__builtin_memcmp(source->buffer + i, unused, sizeof(unused)) != 0)
                each(into, number, source->buffer + i, header);
        offset += bytes;
        left -= bytes;
    }
    return VST_OK;
}

/** Reads a copy, header and array, and checks it. VST_ERR_MALFORMED: it is no good. */
static enum vst_status check_copy(const struct partition_source *source,
                                  const struct partition_list *list, uint64_t at,
                                  struct header *header)
{
    uint32_t block_bytes = list->table->block_bytes, crc;
    const uint8_t *sector = source->buffer;

    if (at >= n_blocks(source, list))
        return VST_ERR_MALFORMED;
    enum vst_status status =
        source->read(source->ctx, at * block_bytes, source->buffer, block_bytes);
    if (status != VST_OK)
        return status;
    if (!header_is_sound(source->buffer, block_bytes))
        return VST_ERR_MALFORMED;
    *header = (struct header){
        .at = table_le64(sector + 24),
        .other_at = table_le64(sector + 32),
        .first_usable = table_le64(sector + 40),
        .last_usable = table_le64(sector + 48),
        .entries_at = table_le64(sector + 72),
        .n_entries = table_le32(sector + 80),
        .entry_bytes = table_le32(sector + 84),
        .entries_crc = table_le32(sector + 88),
    };
    __builtin_memcpy(header->id, sector + 56, sizeof(header->id));
    if (!header_makes_sense(header, at, n_blocks(source, list)))
        return VST_ERR_MALFORMED;
    status = walk_entries(source, list, header, NULL, NULL, &crc);
    return status == VST_OK && crc != header->entries_crc ? VST_ERR_MALFORMED : status;
}

/** Bad blocks are why there are two copies. */
static enum vst_status read_copy(const struct partition_source *source,
                                 const struct partition_list *list, uint64_t at,
                                 struct header *header)
{
    enum vst_status status = check_copy(source, list, at, header);

    return status == VST_ERR_IO || status == VST_ERR_MEDIUM ? VST_ERR_MALFORMED : status;
}

/* ------------------------------------------------------------------ entries */

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)(c < ' ' || c == 0x7f ? '?' : c);
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

static bool is_high(uint32_t unit)
{
    return (unit & 0xfc00) == 0xd800;
}
static bool is_low(uint32_t unit)
{
    return (unit & 0xfc00) == 0xdc00;
}

/** UTF-16; halves of pairs that are alone, and C1 controls, become '?'. */
static void take_name(char *name, const uint8_t *units)
{
    char *to = name;

    for (unsigned i = 0; i < NAME_UNITS; i++) {
        uint32_t c = table_le16(units + (size_t)2 * i);
        uint32_t next = i + 1 < NAME_UNITS ? table_le16(units + (size_t)2 * i + 2) : 0;
        if (c == 0)
            break;
        if (is_high(c) && is_low(next)) {
            c = 0x10000 + ((c & 0x3ff) << 10 | (next & 0x3ff));
            i++;
        } else if (is_high(c) || is_low(c) || (c >= 0x80 && c < 0xa0)) {
            c = '?';
        }
        to = put_utf8(to, c);
    }
    *to = '\0';
}

static void add_entry(struct partition_list *list, uint32_t number, const uint8_t *entry,
                      const struct header *header)
{
    uint64_t first = table_le64(entry + 32), last = table_le64(entry + 40);
    struct vst_partition partition = {.number = number, .attributes = table_le64(entry + 48)};

    if (first < header->first_usable || last > header->last_usable || last < first)
        list->table->flaws |= VST_PARTITIONS_OUTSIDE;
    partition.bootable = (partition.attributes & LEGACY_BOOT) != 0;
    __builtin_memcpy(partition.type, entry, sizeof(partition.type));
    __builtin_memcpy(partition.id, entry + 16, sizeof(partition.id));
    take_name(partition.name, entry + NAME_AT);
    vst_partition_add(list, &partition, first, last < first ? 0 : last - first + 1);
}

/* ------------------------------------------------------------------ both copies */

/** Whether the two say the same, but for where they are. */
static bool agree(const struct header *a, const struct header *b)
{
    return a->first_usable == b->first_usable && a->last_usable == b->last_usable &&
           a->n_entries == b->n_entries && a->entry_bytes == b->entry_bytes &&
           a->entries_crc == b->entries_crc && __builtin_memcmp(a->id, b->id, sizeof(a->id)) == 0;
}

/** The second copy is where the first one says, or at the end. */
static enum vst_status check_backup(const struct partition_source *source,
                                    struct partition_list *list, const struct header *primary)
{
    struct header backup;
    uint64_t last = n_blocks(source, list) - 1;
    enum vst_status status = read_copy(source, list, primary->other_at, &backup);

    if (status != VST_OK && status != VST_ERR_MALFORMED)
        return status;
    if (status == VST_ERR_MALFORMED || backup.other_at != primary->at)
        list->table->flaws |= VST_PARTITIONS_BACKUP_BAD;
    else if (!agree(primary, &backup))
        list->table->flaws |= VST_PARTITIONS_DIFFER;
    if (primary->other_at != last)
        list->table->flaws |= VST_PARTITIONS_MOVED;
    return VST_OK;
}

/** A table that counts in blocks of that size. VST_ERR_MALFORMED: there is none that is sound. */
static enum vst_status parse_as(const struct partition_source *source, struct partition_list *list,
                                uint32_t block_bytes)
{
    struct header header;
    uint32_t crc;

    list->table->block_bytes = block_bytes;
    list->table->flaws = 0;
    if (n_blocks(source, list) < 3)
        return VST_ERR_MALFORMED;
    enum vst_status status = read_copy(source, list, 1, &header);
    if (status == VST_OK) {
        status = check_backup(source, list, &header);
    } else if (status == VST_ERR_MALFORMED) {
        list->table->flaws |= VST_PARTITIONS_PRIMARY_BAD;
        status = read_copy(source, list, n_blocks(source, list) - 1, &header);
        if (status == VST_ERR_MALFORMED)
            list->table->flaws |= VST_PARTITIONS_BACKUP_BAD;
    }
    if (status != VST_OK)
        return status;
    __builtin_memcpy(list->table->id, header.id, sizeof(header.id));
    status = walk_entries(source, list, &header, add_entry, list, &crc);
    /* What is read a second time may be another: a disk that changes meanwhile, or lies. */
    return status == VST_OK && crc != header.entries_crc ? VST_ERR_MALFORMED : status;
}

enum vst_status vst_gpt_parse(const struct partition_source *source, struct partition_list *list)
{
    const uint32_t sizes[] = {source->block_bytes, 512, 4096};
    enum vst_status status = VST_ERR_MALFORMED;

    list->table->scheme = VST_PARTITIONS_GPT;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(sizes) && status == VST_ERR_MALFORMED; i++)
        if (i == 0 || sizes[i] != source->block_bytes)
            status = parse_as(source, list, sizes[i]);
    if (status == VST_OK)
        return VST_OK;
    list->table->n = 0;
    if (status == VST_ERR_MALFORMED) {
        list->table->block_bytes = source->block_bytes;
        list->table->flaws = VST_PARTITIONS_PRIMARY_BAD | VST_PARTITIONS_BACKUP_BAD;
    }
    return status;
}
