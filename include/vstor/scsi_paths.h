/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vstor/scsi_paths.h: one disk that is reached in several ways, by several adapters, targets or LUNs,
 * is one block device. Its requests go by turns to the paths that serve best; a path that is lost
 * costs no request while there is another, or one comes back in time.
 *
 *     struct vst_scsi_paths paths = {.alone = my_alone, .made = my_made, .left = my_left};
 *     vst_scsi_paths_take(&paths, &units, unit)       (in `found`, once the unit's disk is attached)
 *     vst_scsi_paths_look_after(&paths, &units)       (behind vst_scsi_units_look_after)
 *
 * A unit that is a path keeps its own block device, which is nobody's to use, and has no name. In
 * `lost` it is detached as any other.
 *
 * Two units are one disk if what they say of themselves leaves no doubt:
 *
 *     - both are disks of the same capacity in blocks of the same length; and
 *     - page 83h names both by the same name that is unique in the world, and their serial numbers,
 *       where both tell one, are the same; or, where neither has such a name,
 *     - serial number, vendor, product, and what else page 83h says are the same, there is a serial
 *       number, and their first blocks, those in the middle, and their last hold the same data.
 *
 * All of it on the CPU of the adapters' first queues. (SPC-4, 5.16, 7.8.6; SAM-5, 4.6)
 */
#ifndef VSTOR_SCSI_PATHS_H
#define VSTOR_SCSI_PATHS_H

#include <vstor/scsi_units.h>

VST_BEGIN_C

/** Ways to one disk; more are left aside. */
#define VST_SCSI_MOST_PATHS 8u

/** How a path serves; the better ones first. */
enum vst_scsi_path_state {
    VST_SCSI_PATH_OPTIMIZED,
    VST_SCSI_PATH_NON_OPTIMIZED, /**< slower: used where there is none of the above */
    VST_SCSI_PATH_STANDBY,       /**< takes no requests before it is made active */
    VST_SCSI_PATH_TRANSITIONING, /**< from one state to another */
    VST_SCSI_PATH_UNAVAILABLE,
    VST_SCSI_PATH_FAILED,  /**< asked every now and then whether it is back */
    VST_SCSI_PATH_LEAVING, /**< its unit is gone, but something is on its way still */
    VST_SCSI_PATH_NONE,
    VST_SCSI_N_PATH_STATES
};

/** "active/optimized", "standby", "failed", ... Never NULL. */
const char *vst_scsi_path_state_name(enum vst_scsi_path_state state);

/** What is known of a path. */
struct vst_scsi_path_info {
    struct vst_block_device *device; /**< which it leads to */
    enum vst_scsi_path_state state;
    bool preferred;       /**< by the unit */
    uint64_t n_requests;  /**< given to it, all queues */
    uint64_t n_in_flight; /**< of these */
    uint32_t n_failures;  /**< how often it was found to have failed */
};

/** False: the unit is no path of several. */
bool vst_scsi_path_info(const struct vst_scsi_unit *unit, struct vst_scsi_path_info *info);

struct scsi_multi;

/** The multipath devices of an instance. The owner has it, fills the callbacks, starts with zeroes. */
struct vst_scsi_paths {
    struct scsi_multi *first;
    /** How long requests wait for a path where there is none; 0: 10 seconds. */
    uint64_t no_path_ns;
    void *ctx; /**< handed to all of them */
    /** The unit is no path: its block device is to be used, and named, by itself. */
    void (*alone)(void *ctx, struct vst_scsi_unit *unit);
    /** `device` is what `old` was: it takes its name and place (vst_block_replace). */
    void (*made)(void *ctx, struct vst_block_device *old, struct vst_block_device *device);
    /** `device` has had no path for too long, and nobody uses it: it is no more once this returns. */
    void (*left)(void *ctx, struct vst_block_device *device);
};

/**
 * A unit with a block device has been found: makes it a path if another unit is the same disk, or
 * calls `alone`. Where that other's block device is held by somebody (vst_block_hold) it becomes a path
 * later, by vst_scsi_paths_look_after. Memory for each disk of several paths, through
 * platform->alloc: 2 KiB, and for each queue 1 KiB and 224 bytes a request (limits.depth), private.
 * May read from both, which blocks.
 */
void vst_scsi_paths_take(struct vst_scsi_paths *paths, struct vst_scsi_units *units,
                         struct vst_scsi_unit *unit);

/**
 * Does what has to be done now and then: has failed paths asked again, standby paths made active
 * where no other is left, gone ones removed. Cheap if nothing has happened; blocks for as long as
 * units take to answer.
 */
void vst_scsi_paths_look_after(struct vst_scsi_paths *paths, struct vst_scsi_units *units);

/** Takes all devices apart that have no path any more, at the end: as if too long had passed. */
void vst_scsi_paths_close(struct vst_scsi_paths *paths);

VST_END_C

#endif
