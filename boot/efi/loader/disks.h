/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The disks that the driver manages, by the names that the kernel would give them: vda, sda, sr0.
 *
 * They are the same devices and queues that Block IO uses, which may be called from any event of the
 * firmware. So queues are used here at TPL_NOTIFY (disks_enter, disks_leave); before that whatever
 * Block IO has in flight ends, for who polls here expects no requests but his own. Who takes longer
 * lets events have their turn (disks_let_others): Block IO then works with our requests in flight, and
 * sets those aside that it meets.
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
    bool is_connected; /**< disks_connect was called for it */
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

/**
 * Has firmware's drivers for partitions and file systems begin on a disk, if it has not yet. They read
 * from it, so that may take a while; nobody who does without them should wait for it.
 */
void disks_connect(struct loader_disk *disk);

/** NULL if the device is none of them. */
struct loader_disk *disks_of(const struct vst_block_device *device);

/**
 * Has a cache on its queue, if it has none yet. Within disks_enter; so is its use. It is closed when
 * the disks are forgotten, or when the driver lets go of the disk.
 */
enum vst_status disks_open_cache(struct loader_disk *disk);

/** Around all use of a queue; nothing is in flight at the end. May be nested. */
EFI_TPL disks_enter(void);
void disks_leave(EFI_TPL before);

/**
 * Between these, within disks_enter, the TPL is what it was outside, and no queue is used; requests
 * may be in flight. Their disks stay, for Stop is refused. Anywhere else: nothing happens. The value
 * is for disks_step_back.
 */
bool disks_step_aside(void);
void disks_step_back(bool was_there);

/** Both: events of the firmware have their turn. */
static inline void disks_let_others(void)
{
    disks_step_back(disks_step_aside());
}

#endif
