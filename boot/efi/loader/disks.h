/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The disks that the driver manages, by the names that the kernel would give them: vda, sda, sr0.
 *
 * They are the same devices and queues that Block IO uses. Who reads here must not be met by others'
 * requests on a queue: requests are submitted and polled at TPL_NOTIFY, and none is in flight when
 * that ends (disks_enter, disks_leave). What is started by us may use Block IO as it likes.
 */
#ifndef VSTOR_EFI_LOADER_DISKS_H
#define VSTOR_EFI_LOADER_DISKS_H

#include <vstor/cache.h>

#include "boot/efi/disk.h"

struct loader_disk {
    struct loader_disk *next;
    struct controller *controller;
    struct vst_block_device *device; /**< in the registry */
    struct vst_block_queue *queue;   /**< its first; NULL: the driver has let go of the disk */
    struct disk *disk;               /**< the driver's; NULL: no device path can name it */
    EFI_HANDLE handle;               /**< with Block IO; NULL like disk */
    EFI_DEVICE_PATH_PROTOCOL *path;  /**< of that handle */
    struct vst_cache *cache; /**< on its queue, for what is read in small pieces; NULL: none */
    void *cache_memory;
};

/** All disks, in the order of their controllers and units. */
struct vst_block_registry *disks_registry(void);
struct loader_disk *disks_first(void);

/**
 * Finds anew which disks there are. All pointers to what was found before are void. False: no memory;
 * what could be had is there.
 */
bool disks_find(void);

/** Forgets all of them. */
void disks_forget(void);

/** NULL if the device is none of them. */
struct loader_disk *disks_of(const struct vst_block_device *device);

/**
 * Has a cache on its queue, if it has none yet. Within disks_enter; so is its use. It is closed when
 * the disks are forgotten, or when the driver lets go of the disk.
 */
enum vst_status disks_open_cache(struct loader_disk *disk);

/** Around all use of a queue. At TPL_APPLICATION or TPL_CALLBACK; nothing is in flight at the end. */
static inline EFI_TPL disks_enter(void)
{
    return lock();
}
static inline void disks_leave(EFI_TPL before)
{
    unlock(before);
}

#endif
