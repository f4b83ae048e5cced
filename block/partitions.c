/* SPDX-License-Identifier: BSD-2-Clause */
#include "block/partitions.h"

#define CD_BLOCK_BYTES 2048u

/* What is read, and blocks that are cut. */
_Static_assert(VST_PARTITIONS_MEMORY_BYTES == 2 * MAX_TABLE_BLOCK_BYTES,
               "two blocks of the largest");

/* ------------------------------------------------------------------ names */

const char *vst_partition_scheme_name(enum vst_partition_scheme scheme)
{
    static const char *const names[] = {"none", "mbr", "gpt", "el-torito"};

    return (unsigned)scheme < VST_ARRAY_LENGTH(names) ? names[scheme] : "unknown";
}

const char *vst_partition_flaw_text(uint32_t flaw)
{
    static const char *const texts[VST_PARTITIONS_N_FLAWS] = {
        "the first copy of the GPT is damaged and the second one counts; sgdisk -e writes it anew",
        "the second copy of the GPT is damaged or missing; sgdisk -e writes it anew",
        "the second copy of the GPT is not at the end: the disk has grown; sgdisk -e moves it",
        "the two copies of the GPT differ and the first one counts; sgdisk -e makes them the same",
        "some partitions reach beyond the disk (left out), or into what is not for partitions",
        "some partitions overlap",
        "the table's chain of entries makes no sense from some point on; what follows is left out",
        "there are more partitions than can be told",
    };

    for (unsigned i = 0; i < VST_ARRAY_LENGTH(texts); i++)
        if (flaw == 1u << i)
            return texts[i];
    return "unknown";
}

const char *vst_guid_text(const uint8_t guid[VST_GUID_BYTES], char text[VST_GUID_TEXT_BYTES])
{
    /* The first three fields are little-endian numbers. (UEFI 2.10, appendix A) */
    static const uint8_t order[VST_GUID_BYTES] = {3, 2, 1,  0,  5,  4,  7,  6,
                                                  8, 9, 10, 11, 12, 13, 14, 15};
    static const char digits[] = "0123456789abcdef";
    char *to = text;

    for (unsigned i = 0; i < VST_GUID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        *to++ = digits[guid[order[i]] >> 4];
        *to++ = digits[guid[order[i]] & 15];
    }
    *to = '\0';
    return text;
}

static const struct {
    uint8_t start[8]; /* enough to tell them apart */
    const char *name;
} gpt_types[] = {
    {{0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11}, "EFI system"},
    {{0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47}, "Linux"},
    {{0x6d, 0xfd, 0x57, 0x06, 0xab, 0xa4, 0xc4, 0x43}, "Linux swap"},
    {{0x79, 0xd3, 0xd6, 0xe6, 0x07, 0xf5, 0xc2, 0x44}, "Linux LVM"},
    {{0x0f, 0x88, 0x9d, 0xa1, 0xfc, 0x05, 0x3b, 0x4d}, "Linux RAID"},
    {{0xff, 0xc2, 0x13, 0xbc, 0xe6, 0x59, 0x62, 0x42}, "boot loader"},
    {{0xa2, 0xa0, 0xd0, 0xeb, 0xe5, 0xb9, 0x33, 0x44}, "Windows data"},
    {{0x16, 0xe3, 0xc9, 0xe3, 0x5c, 0x0b, 0xb8, 0x4d}, "Windows reserved"},
    {{0x48, 0x61, 0x68, 0x21, 0x49, 0x64, 0x6f, 0x6e}, "BIOS boot"},
};

static const struct {
    uint8_t type;
    const char *name;
} mbr_types[] = {
    {0x05, "extended"},   {0x0f, "extended"}, {0x85, "extended"},   {0x01, "FAT12"},
    {0x04, "FAT16"},      {0x06, "FAT16"},    {0x07, "NTFS"},       {0x0b, "FAT32"},
    {0x0c, "FAT32"},      {0x0e, "FAT16"},    {0x82, "swap"},       {0x83, "Linux"},
    {0x8e, "LVM"},        {0xa5, "BSD"},      {0xef, "EFI system"}, {0xfd, "RAID"},
    {0xee, "protective"},
};

static const struct {
    uint8_t platform;
    const char *name;
} boot_types[] = {
    {VST_EL_TORITO_BIOS, "BIOS boot image"},
    {VST_EL_TORITO_POWERPC, "PowerPC boot image"},
    {VST_EL_TORITO_MAC, "Mac boot image"},
    {VST_EL_TORITO_EFI, "EFI boot image"},
};

const char *vst_partition_type_name(const struct vst_partition_table *table,
                                    const struct vst_partition *partition)
{
    if (table->scheme == VST_PARTITIONS_MBR)
        for (size_t i = 0; i < VST_ARRAY_LENGTH(mbr_types); i++)
            if (mbr_types[i].type == partition->mbr_type)
                return mbr_types[i].name;
    if (table->scheme == VST_PARTITIONS_GPT)
        for (size_t i = 0; i < VST_ARRAY_LENGTH(gpt_types); i++)
            if (__builtin_memcmp(gpt_types[i].start, partition->type, sizeof(gpt_types[i].start)) ==
                0)
                return gpt_types[i].name;
    if (table->scheme == VST_PARTITIONS_EL_TORITO)
        for (size_t i = 0; i < VST_ARRAY_LENGTH(boot_types); i++)
            if (boot_types[i].platform == partition->boot_platform)
                return boot_types[i].name;
    return NULL;
}

/* ------------------------------------------------------------------ the list */

void vst_partition_add(struct partition_list *list, struct vst_partition *partition,
                       uint64_t first_block, uint64_t n_blocks)
{
    struct vst_partition_table *table = list->table;
    uint64_t n_on_disk = list->capacity_bytes / table->block_bytes;

    if (n_blocks == 0 || first_block >= n_on_disk || n_blocks > n_on_disk - first_block) {
        table->flaws |= VST_PARTITIONS_OUTSIDE;
        return;
    }
    partition->offset_bytes = first_block * table->block_bytes;
    partition->bytes = n_blocks * table->block_bytes;
    if (list->wanted != NULL && !list->wanted(list->ctx, table, partition))
        return;
    if (table->n == list->max)
        table->flaws |= VST_PARTITIONS_TOO_MANY;
    else
        list->partitions[table->n++] = *partition;
}

/** Logical partitions lie within the extended one. */
static bool overlap(const struct vst_partition *a, const struct vst_partition *b)
{
    return !mbr_is_extended(a->mbr_type) && !mbr_is_extended(b->mbr_type) &&
           a->offset_bytes < b->offset_bytes + b->bytes &&
           b->offset_bytes < a->offset_bytes + a->bytes;
}

static void find_overlaps(const struct partition_list *list)
{
    for (uint32_t i = 0; i < list->table->n; i++)
        for (uint32_t k = 0; k < i; k++)
            if (overlap(&list->partitions[i], &list->partitions[k])) {
                list->table->flaws |= VST_PARTITIONS_OVERLAP;
                return;
            }
}

/** The first sector and what it leads to. */
static enum vst_status parse_disk(const struct partition_source *source,
                                  struct partition_list *list)
{
    enum vst_status status = source->read(source->ctx, 0, source->buffer, VST_SECTOR_BYTES);

    if (status != VST_OK)
        return status;
    switch (vst_mbr_kind(source->buffer)) {
    case MBR_NONE:
        return VST_OK;
    case MBR_PROTECTIVE:
        return vst_gpt_parse(source, list);
    default:
        return vst_mbr_parse(source, source->buffer, list);
    }
}

static void begin(const struct partition_source *source, struct partition_list *list)
{
    *list->table = (struct vst_partition_table){.block_bytes = source->block_bytes};
    list->capacity_bytes = source->capacity_bytes;
}

/** A CD's own table is the boot catalogue: the others are there for its copies on sticks. */
enum vst_status vst_partitions_parse(const struct partition_source *source,
                                     struct partition_list *list)
{
    bool is_cd = source->block_bytes == CD_BLOCK_BYTES;
    partition_parser *const parsers[] = {is_cd ? vst_el_torito_parse : parse_disk,
                                         is_cd ? parse_disk : vst_el_torito_parse};
    struct vst_partition_table *table = list->table;
    enum vst_status status = VST_OK;

    begin(source, list);
    if (source->capacity_bytes < source->block_bytes)
        return VST_OK;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(parsers); i++)
        if (status == VST_OK && table->scheme == VST_PARTITIONS_NONE)
            status = parsers[i](source, list);
    if (table->scheme != VST_PARTITIONS_EL_TORITO)
        find_overlaps(list);
    return status;
}

static enum vst_status parse_catalogue(const struct partition_source *source,
                                       struct partition_list *list)
{
    begin(source, list);
    return vst_el_torito_parse(source, list);
}

/* ------------------------------------------------------------------ from a device */

struct reader {
    struct vst_block_queue *queue;
    uint8_t *bounce;
};

static enum vst_status read_device(void *ctx, uint64_t offset_bytes, void *buffer, size_t bytes)
{
    const struct reader *reader = ctx;

    return vst_block_read_bytes(reader->queue, offset_bytes, buffer, bytes, reader->bounce,
                                MAX_TABLE_BLOCK_BYTES, NULL);
}

enum vst_status vst_partitions_read_list(struct vst_block_queue *queue, void *memory,
                                         struct partition_list *list, partition_parser *parse)
{
    const struct vst_block_limits *limits = &queue->device->limits;
    struct reader reader = {queue, (uint8_t *)memory + MAX_TABLE_BLOCK_BYTES};
    const struct partition_source source = {
        .ctx = &reader,
        .read = read_device,
        .capacity_bytes = vst_mul_saturated_u64(limits->n_sectors, VST_SECTOR_BYTES),
        .block_bytes = limits->logical_block_bytes,
        .buffer = memory,
    };

    return parse(&source, list);
}

enum vst_status vst_partitions_read(struct vst_block_queue *queue, void *memory,
                                    struct vst_partition *list, uint32_t max,
                                    struct vst_partition_table *table)
{
    struct partition_list all = {.partitions = list, .max = max, .table = table};

    return vst_partitions_read_list(queue, memory, &all, vst_partitions_parse);
}

enum vst_status vst_el_torito_read(struct vst_block_queue *queue, void *memory,
                                   struct vst_partition *list, uint32_t max,
                                   struct vst_partition_table *table)
{
    struct partition_list all = {.partitions = list, .max = max, .table = table};

    return vst_partitions_read_list(queue, memory, &all, parse_catalogue);
}
