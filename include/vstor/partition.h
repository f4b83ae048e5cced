/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vstor/partition.h: what a disk is divided into: GPT (UEFI 2.10, 5.3), MBR with extended
 * partitions, and the boot catalogues of CDs (El Torito), whose images are ranges too. A partition is a range of its disk: who reads it adds its offset.
 *
 * A table is a disk's word, so nothing in it is believed: what does not lie wholly on the disk is
 * left out, chains end, checksums are checked. What somebody ought to repair is said.
 */
#ifndef VSTOR_PARTITION_H
#define VSTOR_PARTITION_H

#include <vstor/block.h>

VST_BEGIN_C

#define VST_PARTITION_NAME_BYTES        109 /**< 36 UTF-16 units as UTF-8, and the NUL */
/** Of a GUID as it lies on a disk. */
#define VST_GUID_BYTES                  16
/** Of a GUID as text, with its NUL. */
#define VST_GUID_TEXT_BYTES             37
/** Of a name such as "vda1", with its NUL. */
#define VST_PARTITION_DEVICE_NAME_BYTES 28

/** What kind of table. */
enum vst_partition_scheme {
    VST_PARTITIONS_NONE, /**< no table: empty, or a file system from the first block on */
    VST_PARTITIONS_MBR,
    VST_PARTITIONS_GPT,
    VST_PARTITIONS_EL_TORITO,
    VST_PARTITIONS_N_SCHEMES
};

/** For which machines a boot image is; other values are told as they are. */
enum vst_el_torito_platform {
    VST_EL_TORITO_BIOS = 0,
    VST_EL_TORITO_POWERPC = 1,
    VST_EL_TORITO_MAC = 2,
    VST_EL_TORITO_EFI = 0xef
};

/** As what a BIOS shows a boot image. */
enum vst_el_torito_media {
    VST_EL_TORITO_NO_EMULATION,
    VST_EL_TORITO_FLOPPY_1200K,
    VST_EL_TORITO_FLOPPY_1440K,
    VST_EL_TORITO_FLOPPY_2880K,
    VST_EL_TORITO_HARD_DISK
};

/** One partition, checked: it lies on the disk. */
struct vst_partition {
    uint32_t number; /**< from 1, as Linux does: the entry's; logical ones of an MBR from 5; boot
                        images in the order of the catalogue */
    uint64_t offset_bytes, bytes; /**< on the disk, multiples of table->block_bytes, bytes > 0 */
    uint8_t mbr_type;             /**< MBR: the type byte, else 0 */
    bool bootable;                /**< MBR: active; GPT: legacy BIOS bootable */
    uint8_t type[VST_GUID_BYTES]; /**< GPT, as on the disk; else zeroes */
    uint8_t id[VST_GUID_BYTES];   /**< the same, its own */
    uint64_t attributes;          /**< GPT, else 0 */
    uint8_t boot_platform, boot_media; /**< El Torito: VST_EL_TORITO_*, unchecked; else 0 */
    uint16_t load_sectors; /**< El Torito: of 512 bytes, what a BIOS loads at first; else 0 */
    char name[VST_PARTITION_NAME_BYTES]; /**< UTF-8, printable: of a GPT's entry, of a boot
                                            catalogue's section; "" else */
};

/** What is wrong with a table; several at once. */
enum vst_partition_flaw {
    VST_PARTITIONS_PRIMARY_BAD = 1u << 0, /**< GPT: the first copy, so the second one was used */
    VST_PARTITIONS_BACKUP_BAD = 1u << 1,  /**< GPT: the second copy is missing or damaged */
    VST_PARTITIONS_MOVED =
        1u << 2, /**< GPT: the second copy is not at the end: the disk has grown */
    VST_PARTITIONS_DIFFER = 1u << 3, /**< GPT: both copies are sound, and not the same */
    VST_PARTITIONS_OUTSIDE =
        1u << 4, /**< some partitions have a part beyond the disk: left out; or, of
                                        a GPT, where no partition belongs: not left out */
    VST_PARTITIONS_OVERLAP = 1u << 5, /**< some have blocks in common */
    VST_PARTITIONS_ENDLESS =
        1u
        << 6, /**< MBR: the chain of logical ones makes no sense; El Torito: sections end before they say so */
    VST_PARTITIONS_TOO_MANY = 1u << 7, /**< not all had room in the caller's list */
    VST_PARTITIONS_N_FLAWS = 8
};

/** What is said of all partitions together. */
struct vst_partition_table {
    enum vst_partition_scheme scheme;
    uint32_t
        block_bytes; /**< that the table counts in; not always the disk's: a copied disk's table
                             counts in the other's */
    uint32_t flaws;  /**< VST_PARTITIONS_* */
    uint32_t n;      /**< partitions in the caller's list */
    uint8_t id[VST_GUID_BYTES]; /**< the disk's; of an MBR the first four bytes */
};

/**
 * Reads a device's table. `list`, of `max` partitions, is the caller's and gets them in the order of
 * the table. `memory`, of VST_PARTITIONS_MEMORY_BYTES and the caller's as well, is read to, so devices
 * must reach it as any buffer. On the queue's CPU; blocks.
 *
 * VST_OK, scheme NONE    there is none
 * VST_ERR_MALFORMED      there should be one, and no copy of it is sound; table->flaws says so
 * others                 those of reading
 */
enum vst_status vst_partitions_read(struct vst_block_queue *queue, void *memory,
                                    struct vst_partition *list, uint32_t max,
                                    struct vst_partition_table *table) VST_MUST_USE;

/**
 * The same for the boot catalogue alone. vst_partitions_read gives that only where blocks are of 2048
 * bytes, or where there is no other table: images for sticks have both.
 */
enum vst_status vst_el_torito_read(struct vst_block_queue *queue, void *memory,
                                   struct vst_partition *list, uint32_t max,
                                   struct vst_partition_table *table) VST_MUST_USE;
/** What vst_partitions_read and vst_el_torito_read need as `memory`. */
#define VST_PARTITIONS_MEMORY_BYTES 131072u

/** Bytes of a device: all of them, or those of a partition. Who reads adds offset_bytes. */
struct vst_extent {
    struct vst_block_device *device;
    uint64_t offset_bytes, bytes;
    uint32_t number; /**< the partition's; 0: the whole device */
};

/**
 * Finds a device as vst_block_find does, or one of its partitions:
 *
 *     vda1, sr0p2               by name; a 'p' stands behind devices whose names end in a digit
 *     serial=X-part1            whatever finds a device, "-part" and the number
 *     partuuid=..., partlabel=...   by what the table says; letters of the former may be large or small
 *
 * A whole device is found without reading. Else its table, or those of all devices that work, is read
 * through their first queues, to `memory` of VST_PARTITIONS_MEMORY_BYTES, as vst_partitions_read does.
 * So what is found is true as of now: whoever goes on to use it holds the device (vst_block_hold),
 * and asks again when the medium or the table may have changed. On the CPU of the first queues;
 * blocks.
 *
 * VST_ERR_NOT_FOUND   nothing is called that, or several are
 * others              the device is there, and its table can't be read
 */
enum vst_status vst_partition_find(const struct vst_block_registry *registry, const char *name,
                                   void *memory, struct vst_extent *extent) VST_MUST_USE;

/** All of a device. */
struct vst_extent vst_extent_of(struct vst_block_device *device);

/** "vda1", "sr0p2": the name of a partition of a device; returns `text`. */
const char *vst_partition_device_name(const struct vst_block_device *device, uint32_t number,
                                      char text[VST_PARTITION_DEVICE_NAME_BYTES]);

/**
 * What partuuid= finds it by: the GUID of a GPT's; "12345678-01", the disk's and its number, of an
 * MBR's; "" where there is none. Returns `text`.
 */
const char *vst_partition_uuid_text(const struct vst_partition_table *table,
                                    const struct vst_partition *partition,
                                    char text[VST_GUID_TEXT_BYTES]);

/** "gpt", "mbr", "el-torito", "none". */
const char *vst_partition_scheme_name(enum vst_partition_scheme scheme);

/** What a flaw means and how it is mended: fixed text. `flaw` is one of VST_PARTITIONS_*. */
const char *vst_partition_flaw_text(uint32_t flaw);

/** "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"; returns `text`. */
const char *vst_guid_text(const uint8_t guid[VST_GUID_BYTES], char text[VST_GUID_TEXT_BYTES]);

/** "EFI system", "Linux", "EFI boot image", ...; NULL if not known. */
const char *vst_partition_type_name(const struct vst_partition_table *table,
                                    const struct vst_partition *partition);

VST_END_C

#endif
