/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk of several paths: private structures.
 *
 *     paths.c       which units are one disk; paths that come and go; looking after them
 *     paths_alua.c  what the unit says of its paths, and making one active
 *     paths_io.c    the path of a request, on each queue's CPU
 *
 * The CPU of the first queue adds paths and takes them away while others use them. A path's slot is
 * filled, then its state is stored; before it is emptied its state says LEAVING, and each queue's
 * lane to it is seen to be empty, which a queue enters before it looks at the state.
 */
#ifndef VSTOR_SCSI_PATHS_PRIVATE_H
#define VSTOR_SCSI_PATHS_PRIVATE_H

#include <vstor/scsi_paths.h>

#include "scsi/disk.h"
#include "scsi/port_groups.h"

/** A way to the disk. */
struct vst_scsi_path {
    struct scsi_multi *multi;
    uint8_t
        state; /**< enum vst_scsi_path_state; atomic: queues lower it when they meet a failure */
    uint8_t access; /**< the same, by what the unit says */
    bool preferred;
    uint16_t n_queues; /**< of its adapter; atomic */
    struct vst_scsi_unit *unit;
    struct disk *disk;
    const struct unit_driver *driver; /**< of the disk by itself */
    uint32_t n_failures;              /**< atomic */
    uint64_t ask_ns, patience_ns;     /**< when a failed path is asked again, and the wait so far */
};

/** Whether what the unit did by a path that was lost can still come to pass. */
enum clone_fence {
    CLONE_SAFE,    /**< it can't, or would change nothing */
    CLONE_UNSAFE,  /**< the unit is to be reset before this is given again */
    CLONE_FENCING, /**< which is under way */
};

/** A request, or a part of one, as it is given to a path. */
struct clone {
    struct vst_block_request request; /* first */
    struct vst_block_request *origin;
    struct clone *next; /**< free, or waiting */
    struct vst_block_range range;
    uint64_t part_sector;
    uint64_t since_ns; /**< waits for a path since; 0: has one */
    uint8_t lane;      /**< the path that it was given to */
    bool is_part;
    bool moves;    /**< the path has failed, not the request */
    uint8_t fence; /**< enum clone_fence */
    uint16_t n_moves;
};

/** A queue's way to a path. What other CPUs look at is atomic. */
struct lane {
    uint32_t n_in_flight; /**< atomic */
    bool awake;           /**< the path's queue may not be at rest; atomic */
    bool dirty;           /**< to be kicked */
    uint64_t n_requests;
};

struct multi_queue {
    struct vst_block_queue base; /* first */
    struct scsi_multi *multi;
    struct clone *clones, *free;
    uint32_t n_free; /**< atomic */
    struct clone *waiting, *last_waiting;
    uint8_t turn, first_lane;
    struct lane lanes[VST_SCSI_MOST_PATHS];
    /** The reset of the unit that makes sure that nothing of a lost path comes to pass. */
    struct vst_scsi_function fence;
    bool is_fencing;
    uint8_t fence_lane;
    uint64_t fence_again_ns;
};

struct scsi_multi {
    struct vst_block_device base;
    struct scsi_multi *next;
    struct vst_scsi_paths *paths;
    const struct vst_platform *platform;
    struct vst_scsi_path path[VST_SCSI_MOST_PATHS];
    /** Of the disk, whichever paths it has. */
    struct vst_block_identity identity;
    char vendor[9], product[17], revision[5], hctl[28], wwn[VST_SCSI_WWN_BYTES];
    bool wwn_is_unique;
    uint32_t who_hash;                    /**< as of its units */
    uint64_t no_path_ns;                  /**< how long requests wait */
    uint64_t empty_ns;                    /**< without any path since; 0: it has some */
    uint64_t states_ns, activate_ns;      /**< not before */
    struct vst_block_stats *stats_before; /**< by queue: of paths that have left */
    size_t bytes;
    struct vst_block_queue **queue_list;
    struct multi_queue *queues;
};

static inline struct scsi_multi *scsi_multi_of(struct vst_block_device *device)
{
    return VST_CONTAINER_OF(device, struct scsi_multi, base);
}

static inline enum vst_scsi_path_state scsi_path_state(const struct vst_scsi_path *path)
{
    return (enum vst_scsi_path_state)__atomic_load_n(&path->state, __ATOMIC_ACQUIRE);
}

static inline bool scsi_path_is_active(enum vst_scsi_path_state state)
{
    return state <= VST_SCSI_PATH_NON_OPTIMIZED;
}

/** There is a unit behind it. */
static inline bool scsi_path_is_there(const struct vst_scsi_path *path)
{
    return scsi_path_state(path) < VST_SCSI_PATH_LEAVING;
}

extern const struct vst_block_driver vst_scsi_multi_driver;

/* ------------------------------------------------------------------ paths_io.c */

/** A command by this path has ended; for struct disk. */
void vst_scsi_path_judge(struct disk *disk, struct vst_block_request *request,
                         const struct scsi_rule *rule, struct scsi_decision *decision);

/** The path does not serve as well any more as was thought. Any CPU. */
void vst_scsi_path_lower(struct vst_scsi_path *path, enum vst_scsi_path_state state);

/** Whether no queue is on the path, once its state is LEAVING. */
bool vst_scsi_path_is_empty(const struct vst_scsi_path *path);

/** Nothing is in flight, or waits. */
bool vst_scsi_multi_is_idle(const struct scsi_multi *multi);

/* ------------------------------------------------------------------ paths_alua.c */

/** Asks by this path for the states of all, and takes them over. */
void vst_scsi_path_ask_states(struct vst_scsi_path *path, struct scsi_talk *talk);

/** Takes over what a unit has answered to REPORT TARGET PORT GROUPS. */
void vst_scsi_multi_take_states(struct scsi_multi *multi, const struct scsi_port_groups *groups);

/** Has the unit make a standby path active. True: it was told to. */
bool vst_scsi_path_activate(struct vst_scsi_path *path);

/** The path's state by what the unit says of it, unless it leaves. */
void vst_scsi_path_raise(struct vst_scsi_path *path);

#endif
