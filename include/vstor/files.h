/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vstor/files.h: files of FAT12, FAT16, FAT32 (with long names) and ISO 9660 (with Rock Ridge or
 * Joliet), to be read only.
 *
 *     fill a struct vst_files_source                  (or vst_files_source_of_device, _of_cache)
 *     vst_files_open(&files, &source, memory, bytes)  (which file system, its label and uuid)
 *     vst_files_find(&files, "/boot/grub.cfg", true, &file)
 *     vst_files_read(&files, &file, offset, buffer, bytes, &n)
 *
 * Written anew because no library in Debian does this without a C library and a heap: libfsfat,
 * libcdio's iso9660, libisofs and mtools all allocate and use stdio, and GRUB's readers are no
 * library (and GPL). Here all memory is the caller's, nothing recurs, and nothing on the disk is
 * believed: every chain, list and link ends, and what makes no sense is VST_ERR_MALFORMED.
 *
 * One struct vst_files is used by one CPU at a time. Functions block for as long as the source's
 * reads do. What was read is kept in the caller's memory: who writes to the disk meanwhile opens
 * the volume again.
 *
 * FAT: FAT: General Overview of On-Disk Format, 1.03. ISO 9660: ECMA-119, SUSP 1.12, RRIP 1.12,
 * Joliet. Of a CD with several sessions the first is read.
 */
#ifndef VSTOR_FILES_H
#define VSTOR_FILES_H

#include <vstor/types.h>

VST_BEGIN_C

/** The bytes of a volume: a disk, a partition, anything that can be read. Copied by vst_files_open. */
struct vst_files_source {
    void *ctx;
    uint64_t bytes;       /**< of the volume; what is not a whole block at the end can't be read */
    uint32_t block_bytes; /**< power of two, 512 to 64 KiB */
    /**
     * Reads whole blocks of the volume, all or an error: offset and bytes are multiples of
     * block_bytes, within `bytes`, and bytes > 0. Any buffer that the caller of this library gave.
     */
    enum vst_status (*read)(void *ctx, uint64_t offset_bytes, void *buffer, size_t bytes);
};

/** Which file system, and how it names files. */
enum vst_files_kind {
    VST_FILES_FAT12,
    VST_FILES_FAT16,
    VST_FILES_FAT32,
    VST_FILES_ISO9660,
    VST_FILES_JOLIET,     /**< ISO 9660, names by Joliet */
    VST_FILES_ROCK_RIDGE, /**< ISO 9660, names, times and links by Rock Ridge */
    VST_FILES_N_KINDS
};

#define VST_FILES_NAME_BYTES       768u  /**< 255 UTF-16 units as UTF-8, and the NUL */
#define VST_FILES_SHORT_NAME_BYTES 40u   /**< 8.3 characters as UTF-8, and the NUL */
#define VST_FILES_PATH_BYTES       1024u /**< with the NUL, links in it followed */
#define VST_FILES_MAX_LINKS        40u   /**< followed for one path */

/** What a name stands for. */
enum vst_file_type {
    VST_FILE_REGULAR,
    VST_FILE_DIRECTORY,
    VST_FILE_LINK,  /**< symbolic: vst_files_link tells where to */
    VST_FILE_OTHER, /**< a device, pipe or socket: it has no bytes here */
};

/** A file, directory or link. Plain memory of the caller: it may be copied and forgotten. */
struct vst_file {
    enum vst_file_type type;
    bool has_time;
    uint64_t bytes; /**< 0 unless regular */
    int64_t time_s; /**< of the last change, seconds since 1970 UTC; FAT tells no time zone: taken
                       as UTC */
    /** The library's own. */
    struct vst_file_private {
        bool fixed;      /* FAT12, FAT16: the root directory, which is no chain */
        bool more;       /* ISO: another extent follows the current one */
        bool unreadable; /* ISO: interleaved or compressed */
        bool size_there; /* ISO: a directory's size stands in its own first record */
        /* FAT: a chain, and where in it we are: cluster number `index` of it is `cluster`. */
        uint32_t first, cluster, index, marker;
        /* ISO: its first record, the end of the directory that holds it; the record that follows
         * the current extent; that extent, on the volume and in the file. */
        uint64_t record, directory_end, next_record, extent, extent_bytes, extent_start;
    } priv;
};

/** What vst_files_next finds in a directory. */
struct vst_file_entry {
    struct vst_file file;
    char name[VST_FILES_NAME_BYTES];             /**< UTF-8, neither "" nor "." nor "..", no '/' */
    char short_name[VST_FILES_SHORT_NAME_BYTES]; /**< FAT: the 8.3 name; "" else */
};

/** A directory that is being listed. Plain memory of the caller. */
struct vst_directory {
    struct vst_file file;
    uint64_t position_bytes; /* the library's own */
};

struct vst_files_kind_ops;

/** The library's own, of a FAT volume. */
struct vst_files_fat {
    uint32_t cluster_bytes, n_clusters;
    uint32_t root_cluster; /* FAT32 */
    uint64_t fat_offset, data_offset, root_offset, root_bytes;
};

/** The library's own, of ISO 9660. */
struct vst_files_iso {
    uint32_t block_bytes;
    uint64_t root_extent, root_bytes;
    uint8_t skip; /* bytes before the system use entries of each record */
};

/** A volume. The caller owns it; all but kind, label and uuid is the library's own. */
struct vst_files {
    enum vst_files_kind kind;
    char label[100]; /**< UTF-8, "" if there is none */
    char uuid[24];   /**< as Linux names it: "12AB-34CD", "2026-11-21-14-54-57-00"; "" if none */
    const struct vst_files_kind_ops *ops;
    struct vst_files_source source;
    size_t window_bytes;
    /** A piece of the volume, kept in the caller's memory. */
    struct vst_files_window {
        uint8_t *memory;
        uint64_t offset_bytes;
        size_t bytes; /* 0: nothing is in it */
    } windows[2];
    uint32_t steps_left;
    union {
        struct vst_files_fat fat;
        struct vst_files_iso iso;
    };
    char path[VST_FILES_PATH_BYTES], link[VST_FILES_PATH_BYTES];
};

/** The least memory of a volume; with more, fewer and longer reads are done, 128 KiB are plenty. */
#define VST_FILES_MEMORY_BYTES(block_bytes) (2u * ((block_bytes) > 4096u ? (block_bytes) : 4096u))

/**
 * Finds out what the volume holds. `memory` belongs to `files` from then on; it is read to, so
 * devices must reach it as any buffer. There is no closing.
 *
 * VST_ERR_NOT_FOUND    neither FAT nor ISO 9660        VST_ERR_INVALID   too little memory
 * VST_ERR_MALFORMED    one of them, but its numbers make no sense
 * others               those of the source
 */
enum vst_status vst_files_open(struct vst_files *files, const struct vst_files_source *source,
                               void *memory, size_t memory_bytes) VST_MUST_USE;

/** "fat12", "fat16", "fat32", "iso9660", "joliet", "rockridge". */
const char *vst_files_kind_name(enum vst_files_kind kind);

/**
 * Finds a file by its path from the root, with or without a '/' at the beginning; "" is the root.
 * Names count as they are listed, on FAT also short ones and without regard to case; elsewhere
 * without regard to case where there is none as written. "." and ".." are understood. Links on the
 * way are followed, and the last component if `follow`.
 *
 * VST_ERR_NOT_FOUND    there is none      VST_ERR_TOO_LARGE   the path, or where a link leads to
 * VST_ERR_MALFORMED    directories make no sense, or links lead in circles
 * others               those of the source
 */
enum vst_status vst_files_find(struct vst_files *files, const char *path, bool follow,
                               struct vst_file *file) VST_MUST_USE;

/** Begins to list a directory. VST_ERR_INVALID: it is none. VST_ERR_MALFORMED; those of the source. */
enum vst_status vst_files_list(struct vst_files *files, const struct vst_file *file,
                               struct vst_directory *directory) VST_MUST_USE;

/**
 * The next entry, in the order of the disk. VST_ERR_NOT_FOUND after the last one; VST_ERR_MALFORMED
 * where the directory makes no sense any more; errors of the source.
 */
enum vst_status vst_files_next(struct vst_files *files, struct vst_directory *directory,
                               struct vst_file_entry *entry) VST_MUST_USE;

/**
 * Reads up to `bytes` from an offset; fewer only at the end of the file. *n is what has been read,
 * also after an error. Parts that are together on the disk come in one read of the source, straight
 * into the buffer where they are whole blocks. `file` remembers where it is: going on from there is
 * cheapest.
 *
 * VST_ERR_INVALID      no regular file     VST_ERR_UNSUPPORTED  ISO: interleaved, or compressed
 * VST_ERR_MALFORMED    the file's chain ends early, runs in a circle, or makes no sense
 * VST_ERR_RANGE        it reaches beyond the volume       others   those of the source
 */
enum vst_status vst_files_read(struct vst_files *files, struct vst_file *file,
                               uint64_t offset_bytes, void *buffer, size_t bytes,
                               size_t *n) VST_MUST_USE;

/**
 * Where a file's bytes stand on the volume: from offset_bytes on *run_bytes of them, at least one, are
 * together at *at_bytes. For who reads them by itself: straight from the device, many files at once.
 * What follows the file's end in its last block is not the file's. Blocks as vst_files_read does.
 *
 * VST_ERR_RANGE        at or after its end, or beyond the volume      others   as vst_files_read
 */
enum vst_status vst_files_where(struct vst_files *files, struct vst_file *file,
                                uint64_t offset_bytes, uint64_t *at_bytes,
                                uint64_t *run_bytes) VST_MUST_USE;

/**
 * The same of a directory, which has no size: for who has all of it read before it is listed, not one
 * piece after the other. FAT's alone: others are in one run, or nearly.
 *
 * VST_ERR_NOT_FOUND    it ends before that         VST_ERR_INVALID     no directory
 * VST_ERR_RANGE        beyond the volume           VST_ERR_UNSUPPORTED another file system
 * others               as vst_files_read
 */
enum vst_status vst_files_directory_where(struct vst_files *files, struct vst_file *file,
                                          uint64_t offset_bytes, uint64_t *at_bytes,
                                          uint64_t *run_bytes) VST_MUST_USE;

/** Where a link leads to. VST_ERR_INVALID: it is none. VST_ERR_TOO_LARGE: `text` has no room. */
enum vst_status vst_files_link(struct vst_files *files, const struct vst_file *file, char *text,
                               size_t text_bytes) VST_MUST_USE;

struct vst_block_queue;
struct vst_cache;

/** A range of a block device as a source. The caller's; it lives as long as the source is used. */
struct vst_files_device {
    struct vst_block_queue *queue; /**< calls on its CPU */
    uint64_t offset_bytes, bytes;  /**< multiples of 512, within the device */
    void *bounce; /**< at least one logical block; NULL where both are multiples of it */
    size_t bounce_bytes;
};

/** Fills `source` with one that reads through `device`. */
void vst_files_source_of_device(struct vst_files_source *source, struct vst_files_device *device);

/** The same through a cache (vstor/cache.h), which reads ahead: the least memory will do then. */
struct vst_files_cached {
    struct vst_cache *cache;
    uint64_t offset_bytes, bytes; /**< within the device */
    /**
     * The cache's queue: whole blocks, at least past_bytes of them, are read by it, past the cache,
     * in requests as long as the device takes. For who writes nothing through that cache. NULL: all
     * goes through it.
     */
    struct vst_block_queue *past;
    size_t past_bytes;
};

/** A range of a cached device as a volume; *cached stays the caller's for as long as it is used. */
void vst_files_source_of_cache(struct vst_files_source *source, struct vst_files_cached *cached);

VST_END_C

#endif
