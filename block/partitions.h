/* SPDX-License-Identifier: BSD-2-Clause */
/* Partition tables: what GPT and MBR have in common. */
#ifndef VSTOR_BLOCK_PARTITIONS_H
#define VSTOR_BLOCK_PARTITIONS_H

#include <vstor/partition.h>

#define MAX_TABLE_BLOCK_BYTES 65536u

/** Where a table is read from, and the memory to read it to. */
struct partition_source {
    void *ctx;
    /** Any byte range within the capacity. */
    enum vst_status (*read)(void *ctx, uint64_t offset_bytes, void *buffer, size_t bytes);
    uint64_t capacity_bytes;
    uint32_t block_bytes; /**< logical */
    uint8_t *buffer;      /**< MAX_TABLE_BLOCK_BYTES */
};

/** What is being made. */
struct partition_list {
    struct vst_partition *partitions;
    uint32_t max;
    uint64_t capacity_bytes;
    struct vst_partition_table *table;
    /** Who looks for one need not have room for all: those that it refuses are left out. */
    bool (*wanted)(const void *ctx, const struct vst_partition_table *table,
                   const struct vst_partition *partition);
    const void *ctx;
};

/** Gives `partition` its range and keeps it, unless that is not all on the disk: then says so. */
void vst_partition_add(struct partition_list *list, struct vst_partition *partition,
                       uint64_t first_block, uint64_t n_blocks);

/** The table of a source. As vst_partitions_read. */
enum vst_status vst_partitions_parse(const struct partition_source *source,
                                     struct partition_list *list) VST_MUST_USE;

/** The table of a source, or its boot catalogue alone. */
typedef enum vst_status partition_parser(const struct partition_source *source,
                                         struct partition_list *list);

/** The table of a queue's device; see vst_partitions_read for `memory` and results. */
enum vst_status vst_partitions_read_list(struct vst_block_queue *queue, void *memory,
                                         struct partition_list *list,
                                         partition_parser *parse) VST_MUST_USE;

/** The first sector has been found to say that there is a GPT. */
enum vst_status vst_gpt_parse(const struct partition_source *source,
                              struct partition_list *list) VST_MUST_USE;
/** `sector`: the first. */
enum vst_status vst_mbr_parse(const struct partition_source *source, const uint8_t *sector,
                              struct partition_list *list) VST_MUST_USE;

/** A boot catalogue, wherever the medium lies; VST_OK and scheme NONE if there is none. */
enum vst_status vst_el_torito_parse(const struct partition_source *source,
                                    struct partition_list *list) VST_MUST_USE;

enum mbr_kind { MBR_NONE, MBR_TABLE, MBR_PROTECTIVE };
/** What 512 bytes from the start of a disk are. */
enum mbr_kind vst_mbr_kind(const uint8_t *sector);

/** Of an MBR: a partition that holds logical ones. */
static inline bool mbr_is_extended(uint8_t type)
{
    return type == 0x05 || type == 0x0f || type == 0x85;
}

static inline uint16_t table_le16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}
static inline uint32_t table_le32(const uint8_t *at)
{
    return (uint32_t)table_le16(at) | (uint32_t)table_le16(at + 2) << 16;
}
static inline uint64_t table_le64(const uint8_t *at)
{
    return (uint64_t)table_le32(at) | (uint64_t)table_le32(at + 4) << 32;
}

#endif
