/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * El Torito: the boot catalogue of a CD or DVD, whose entries are images to boot from. ("El Torito"
 * Bootable CD-ROM Format Specification 1.0; UEFI 2.10, 13.3.2) Sectors are of 2048 bytes, whatever
 * blocks the medium is said to have: the image of a CD on a disk is read as well.
 */
#include "block/partitions.h"

#define CD_SECTOR_BYTES  2048u
#define FIRST_DESCRIPTOR 16u
#define MOST_DESCRIPTORS 32u /* real ones are a handful */
#define POINTER_AT       71u
#define ENTRY_BYTES      32u
#define MOST_ENTRIES     128u /* of 32 bytes: headers count */
#define VALIDATION       0x01u
#define BOOTABLE         0x88u
#define HEADER_MORE      0x90u
#define HEADER_LAST      0x91u
#define EXTENSION        0x44u
#define MEDIA_MASK       0x0fu
#define N_FLOPPIES       3u

/** One walk over a catalogue. */
struct catalogue {
    const struct partition_source *source;
    struct partition_list *list;
    const uint8_t *entries;
    unsigned n, at; /* entries there, and the next to be read */
    uint32_t number;
    char name[25]; /* of the section */
};

/** Its pointer, from the descriptor that has one; 0: there is none. */
static enum vst_status find_catalogue(const struct partition_source *source, uint64_t *sector)
{
    const uint8_t *descriptor = source->buffer;

    *sector = 0;
    for (uint64_t i = FIRST_DESCRIPTOR; i < FIRST_DESCRIPTOR + MOST_DESCRIPTORS; i++) {
        if ((i + 1) * CD_SECTOR_BYTES > source->capacity_bytes)
            return VST_OK;
        enum vst_status status =
            source->read(source->ctx, i * CD_SECTOR_BYTES, source->buffer, CD_SECTOR_BYTES);
        if (status != VST_OK)
            return status;
        if (__builtin_memcmp(descriptor + 1, "CD001", 5) != 0 || descriptor[0] == 0xff)
            return VST_OK;
        if (descriptor[0] != 0 ||
            __builtin_memcmp(descriptor + 7, "EL TORITO SPECIFICATION", 23) != 0)
            continue;
        *sector = table_le32(descriptor + POINTER_AT);
        return VST_OK;
    }
    return VST_OK;
}

/** The first entry has a checksum: its words sum up to 0. */
static bool is_valid(const uint8_t *entry)
{
    uint16_t sum = 0;

    for (unsigned i = 0; i < ENTRY_BYTES; i += 2)
        sum = (uint16_t)(sum + table_le16(entry + i));
    return entry[0] == VALIDATION && sum == 0 && table_le16(entry + 30) == 0xaa55;
}

/** Printable ASCII up to the first NUL, without blanks at the end. */
static void take_text(char *to, const uint8_t *from, unsigned bytes)
{
    unsigned n = 0, end = 0;

    for (; n < bytes && from[n] != 0; n++) {
        to[n] = (char)(from[n] >= ' ' && from[n] < 0x7f ? from[n] : '?');
        if (to[n] != ' ')
            end = n + 1;
    }
    to[end] = '\0';
}

/**
 * The length of a hard disk's image: to the end of its first partition. `fallback` if it can't be
 * read, or has none.
 */
static uint64_t disk_image_sectors(const struct partition_source *source, uint64_t offset_bytes,
                                   uint64_t fallback)
{
    uint8_t *sector = source->buffer + MAX_TABLE_BLOCK_BYTES - VST_SECTOR_BYTES;

    if (offset_bytes > source->capacity_bytes - VST_SECTOR_BYTES ||
        source->read(source->ctx, offset_bytes, sector, VST_SECTOR_BYTES) != VST_OK ||
        vst_mbr_kind(sector) != MBR_TABLE)
        return fallback;
    const uint8_t *first = sector + 446;
    return (uint64_t)table_le32(first + 8) + table_le32(first + 12);
}

/** How long an image is. What is to be loaded at first may be much less, or not told at all. */
static uint64_t image_sectors(const struct catalogue *catalogue, const uint8_t *entry,
                              uint8_t platform, uint64_t offset_bytes)
{
    static const uint32_t floppy_kib[N_FLOPPIES] = {1200, 1440, 2880};
    const struct partition_source *source = catalogue->source;
    unsigned media = entry[1] & MEDIA_MASK, n_told = table_le16(entry + 6);

    if (media >= 1 && media <= N_FLOPPIES)
        return floppy_kib[media - 1] * 2u;
    if (media == VST_EL_TORITO_HARD_DISK)
        return disk_image_sectors(source, offset_bytes, n_told);
    /* EFI takes all that follows where the catalogue does not say. (UEFI 2.10, 13.3.2.1) */
    if (platform == VST_EL_TORITO_EFI && n_told < 2 && offset_bytes < source->capacity_bytes)
        return (source->capacity_bytes - offset_bytes) >> VST_SECTOR_SHIFT;
    return n_told;
}

static void add_entry(struct catalogue *catalogue, const uint8_t *entry, uint8_t platform)
{
    uint64_t offset_bytes = (uint64_t)table_le32(entry + 8) * CD_SECTOR_BYTES;
    struct vst_partition partition = {
        .number = ++catalogue->number,
        .bootable = entry[0] == BOOTABLE,
        .boot_platform = platform,
        .boot_media = entry[1] & MEDIA_MASK,
        .load_sectors = table_le16(entry + 6),
    };

    if (entry[0] != BOOTABLE && table_le32(entry + 8) == 0) /* a place that is not used */
        return;
    __builtin_memcpy(partition.name, catalogue->name, sizeof(catalogue->name));
    vst_partition_add(catalogue->list, &partition, offset_bytes >> VST_SECTOR_SHIFT,
                      image_sectors(catalogue, entry, platform, offset_bytes));
}

/** The next entry; NULL behind the last. Extensions say more about the one before: skipped. */
static const uint8_t *next_entry(struct catalogue *catalogue)
{
    while (catalogue->at < catalogue->n) {
        const uint8_t *entry = catalogue->entries + (size_t)catalogue->at++ * ENTRY_BYTES;
        if (entry[0] != EXTENSION)
            return entry;
    }
    return NULL;
}

/** Sections, each for one platform. False: they end before they say so. */
static bool walk_sections(struct catalogue *catalogue)
{
    for (;;) {
        const uint8_t *header = next_entry(catalogue);
        if (header == NULL)
            return false;
        if (header[0] != HEADER_MORE && header[0] != HEADER_LAST)
            return header[0] == 0; /* most catalogues with one entry have no sections */
        take_text(catalogue->name, header + 4, sizeof(catalogue->name) - 1);
        for (unsigned left = table_le16(header + 2); left > 0; left--) {
            const uint8_t *entry = next_entry(catalogue);
            if (entry == NULL)
                return false;
            add_entry(catalogue, entry, header[1]);
        }
        if (header[0] == HEADER_LAST)
            return true;
    }
}

static enum vst_status walk(struct catalogue *catalogue)
{
    const uint8_t *validation = next_entry(catalogue);

    if (validation == NULL || !is_valid(validation))
        return VST_ERR_MALFORMED;
    take_text(catalogue->name, validation + 4, 24);
    const uint8_t *first = next_entry(catalogue);
    if (first == NULL)
        return VST_ERR_MALFORMED;
    add_entry(catalogue, first, validation[1]);
    if (!walk_sections(catalogue))
        catalogue->list->table->flaws |= VST_PARTITIONS_ENDLESS;
    return VST_OK;
}

enum vst_status vst_el_torito_parse(const struct partition_source *source,
                                    struct partition_list *list)
{
    uint64_t sector, most_bytes = (uint64_t)MOST_ENTRIES * ENTRY_BYTES;
    enum vst_status status = find_catalogue(source, &sector);

    if (status != VST_OK || sector == 0)
        return status;
    list->table->scheme = VST_PARTITIONS_EL_TORITO;
    list->table->block_bytes = VST_SECTOR_BYTES;
    if (sector * CD_SECTOR_BYTES >= source->capacity_bytes)
        return VST_ERR_MALFORMED;
    uint64_t left = source->capacity_bytes - sector * CD_SECTOR_BYTES;
    uint64_t bytes = left < most_bytes ? left : most_bytes;
    status = source->read(source->ctx, sector * CD_SECTOR_BYTES, source->buffer, (size_t)bytes);
    if (status != VST_OK)
        return status;
    struct catalogue catalogue = {.source = source,
                                  .list = list,
                                  .entries = source->buffer,
                                  .n = (unsigned)(bytes / ENTRY_BYTES)};
    return walk(&catalogue);
}
