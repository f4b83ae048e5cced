/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file systems that can be booted from: those on the virtio disks, read by the library, and that
 * from which this program was started, if it is on another disk, through the firmware's Block IO.
 *
 * Functions here are called at TPL_APPLICATION; each leaves nothing in flight.
 */
#ifndef VSTOR_EFI_LOADER_VOLUMES_H
#define VSTOR_EFI_LOADER_VOLUMES_H

#include <vstor/cache.h>

#include "boot/efi/loader/disks.h"

enum volume_role {
    VOLUME_ESP,      /**< EFI system partition */
    VOLUME_XBOOTLDR, /**< extended boot loader partition (UAPI.1) */
    VOLUME_OTHER,
};

struct volume {
    struct volume *next;
    struct loader_disk *disk;        /**< NULL: by Block IO, or its disk has left */
    EFI_BLOCK_IO_PROTOCOL *block_io; /**< NULL: by the library */
    EFI_HANDLE
        handle; /**< by Block IO: its own; else, once it is known, what volume_handle returns */
    char name[VST_PARTITION_DEVICE_NAME_BYTES]; /**< "vda1" */
    enum volume_role role;
    bool is_own;                          /**< this program was started from it */
    bool is_partition;                    /**< else a whole disk */
    uint8_t partition_id[VST_GUID_BYTES]; /**< GPT, as on the disk; else zeroes */
    uint64_t offset_bytes, bytes;         /**< on its disk */
    struct vst_files files;               /**< label, uuid, kind: to be read */
    struct vst_files_cached cached;
};

/** In the order of disks and partitions; the one that this program came from is the first. */
struct volume *volumes_first(void);

/**
 * Looks at all disks (disks_find); what was found before is void. `own`: of the handle that this
 * program was started from, a copy of its path; NULL: unknown. False: no memory for all of them.
 */
bool volumes_find(const EFI_DEVICE_PATH_PROTOCOL *own);
void volumes_forget(void);

/**
 * What firmware knows a volume by: its partition's handle, else its disk's, or NULL. Firmware looks for
 * partitions and file systems of the disk first, if nobody has asked before (disks_connect).
 */
EFI_HANDLE volume_handle(struct volume *volume);

/** Around what reads a volume by other means than the functions below; false: its disk has left. */
bool volume_enter(const struct volume *volume, EFI_TPL *before);
void volume_leave(const struct volume *volume, EFI_TPL before);

enum vst_status volume_find(struct volume *volume, const char *path, struct vst_file *file);
/** Has a directory read before it is listed, the whole of it at once. Within volume_enter. */
void volume_ahead(struct volume *volume, const struct vst_file *directory);
enum vst_status volume_list(struct volume *volume, const char *path,
                            struct vst_directory *directory);
enum vst_status volume_next(struct volume *volume, struct vst_directory *directory,
                            struct vst_file_entry *entry);

/** Others have written to it: what is kept of it is dropped, and files are to be found anew. */
enum vst_status volume_look_again(struct volume *volume);

/** Reads a little of a file, through the cache; how much there was, 0 also after an error. */
size_t volume_read_part(struct volume *volume, struct vst_file *file, uint64_t offset_bytes,
                        void *to, size_t bytes);

/** One of the files that volume_read reads. */
struct volume_file {
    struct vst_file file; /**< as found */
    void *to;
    uint64_t room;          /**< at least file.bytes; with volume_room there are fewer requests */
    enum vst_status status; /**< outcome: VST_OK, and all of it has been read, or an error */
};

/** What a file's last block takes. */
uint64_t volume_room(const struct volume *volume, uint64_t bytes);

/**
 * Reads whole files, one after the other but with their pieces in flight together, of several files
 * and as many as the device takes. `told`, unless NULL, is called now and then with the bytes that
 * have been asked for; false: stop, and what is not read ends with VST_ERR_NOT_READY. The first error;
 * other files are read all the same.
 */
enum vst_status volume_read(struct volume *volume, struct volume_file *files, size_t n,
                            bool (*told)(void *ctx, uint64_t done_bytes), void *ctx);

#endif
