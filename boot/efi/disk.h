/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk or drive as the firmware sees it. */
#ifndef VSTOR_EFI_DISK_H
#define VSTOR_EFI_DISK_H

#include <arch/cpu.h>

#include "boot/efi/controller.h"

struct transfer;

/** What firmware is told about, if it changes. */
struct medium_seen {
    bool is_present, read_only;
    uint32_t id; /**< the library's */
    EFI_LBA last_block;
};

struct disk {
    struct disk *next; /**< of the controller */
    struct controller *controller;
    EFI_HANDLE handle;               /**< virtio-blk: the controller's */
    struct vst_block_device *device; /**< NULL: a restart has failed */
    struct vst_block_queue *queue;
    struct vst_scsi_unit *unit;     /**< NULL: virtio-blk */
    EFI_DEVICE_PATH_PROTOCOL *path; /**< of a child */
    EFI_BLOCK_IO_MEDIA media;
    EFI_BLOCK_IO_PROTOCOL block_io;
    EFI_BLOCK_IO2_PROTOCOL block_io2;
    EFI_DISK_INFO_PROTOCOL disk_info;
    EFI_ERASE_BLOCK_PROTOCOL erase_block; /**< Revision 0: it can't */
    struct medium_seen seen;
    bool is_to_be_told;             /**< what has changed, to the firmware */
    uint64_t looked_at, look_ticks; /**< when it was last asked what has changed; how often */
    struct transfer *waiting, **waiting_end; /**< not yet given to the device */
    struct transfer *unused;                 /**< memory for more of them */
    uint32_t n_in_device;
    uint32_t poll_at;    /**< so many in the device: time to look for several that have ended */
    uint32_t generation; /**< transfers of an older one are aborted */
    struct vst_block_request_list others; /**< have ended, and are not Block IO's */
};

/** Of a controller's device, or of a unit. Not yet installed. NULL: no memory. */
struct disk *disk_new(struct controller *controller, struct vst_block_device *device);

/** Its device is another one, or none (NULL). */
void disk_set_device(struct disk *disk, struct vst_block_device *device);

/** Installs its protocols: on the controller's handle, or with a path on a new one. */
EFI_STATUS disk_install(struct disk *disk);

/** The other way. An error: somebody uses them, and all is as it was. */
EFI_STATUS disk_uninstall(struct disk *disk);

/** It is not installed and has nothing in flight. Its device is the caller's. */
void disk_free(struct disk *disk);

/** Looks whether the disk has changed, and tells the firmware. At the caller's TPL. */
void disk_look_again(struct disk *disk);

/** It was long ago; a counter set back is a reason, too. */
static inline bool disk_look_is_due(const struct disk *disk)
{
    return arch_counter() - disk->looked_at >= disk->look_ticks;
}

/** The same now and then: before each use. */
static inline void disk_look(struct disk *disk)
{
    if (VST_UNLIKELY(disk_look_is_due(disk)))
        disk_look_again(disk);
}

/** Ends what is in flight with EFI_ABORTED; `extended`: resets the device even if nothing is. */
EFI_STATUS disk_reset(struct disk *disk, bool extended);

void block_io_fill(struct disk *disk);
void disk_info_fill(struct disk *disk);
void erase_block_fill(struct disk *disk);

/**
 * The checks that reading, writing and erasing share, in the order that the specification wants:
 * the medium first. (UEFI 2.9, 13.9.2)
 */
static inline EFI_STATUS disk_check(const struct disk *disk, UINT32 media_id, bool changes)
{
    if (VST_UNLIKELY(!disk->media.MediaPresent))
        return disk->device == NULL ? EFI_DEVICE_ERROR : EFI_NO_MEDIA;
    if (VST_UNLIKELY(media_id != disk->media.MediaId))
        return EFI_MEDIA_CHANGED;
    return changes && disk->media.ReadOnly ? EFI_WRITE_PROTECTED : EFI_SUCCESS;
}

static inline EFI_STATUS disk_check_range(const struct disk *disk, EFI_LBA lba, UINTN bytes)
{
    const EFI_BLOCK_IO_MEDIA *media = &disk->media;

    if (bytes == 0)
        return EFI_SUCCESS;
    if ((bytes & (media->BlockSize - 1)) != 0) /* a power of two */
        return EFI_BAD_BUFFER_SIZE;
    if (lba > media->LastBlock || (bytes - 1) / media->BlockSize > media->LastBlock - lba)
        return EFI_INVALID_PARAMETER;
    return EFI_SUCCESS;
}

#endif
