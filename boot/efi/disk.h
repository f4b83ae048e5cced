/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk or drive as the firmware sees it. */
#ifndef VSTOR_EFI_DISK_H
#define VSTOR_EFI_DISK_H

#include "boot/efi/controller.h"

struct transfer;

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
    EFI_ERASE_BLOCK_PROTOCOL erase_block;    /**< Revision 0: it can't */
    uint32_t media_id_seen;                  /**< the library's */
    uint64_t look_ns;                        /**< when it is next asked what has changed */
    struct transfer *waiting, **waiting_end; /**< not yet given to the device */
    struct transfer *unused;                 /**< memory for more of them */
    uint32_t n_in_device;
    uint32_t generation; /**< transfers of an older one are aborted */
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

/**
 * Looks, now and then, whether the disk has changed, and tells the firmware. Before each use, at the
 * caller's TPL.
 */
void disk_look(struct disk *disk);

/** At once: an answer has said that the medium is another one, or gone. */
void disk_look_again(struct disk *disk);

/** Ends what is in flight with EFI_ABORTED; `extended`: resets the device even if nothing is. */
EFI_STATUS disk_reset(struct disk *disk, bool extended);

void block_io_fill(struct disk *disk);
void disk_info_fill(struct disk *disk);
void erase_block_fill(struct disk *disk);

/**
 * The checks that reading, writing and erasing share, in the order that the specification wants:
 * the medium first. (UEFI 2.9, 13.9.2)
 */
EFI_STATUS disk_check(const struct disk *disk, UINT32 media_id, bool changes);
EFI_STATUS disk_check_range(const struct disk *disk, EFI_LBA lba, UINTN bytes);

#endif
