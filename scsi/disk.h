/* SPDX-License-Identifier: BSD-2-Clause */
/* Disks and CDs as block devices: private structures. (SBC-3, MMC-6) */
#ifndef VSTOR_SCSI_DISK_H
#define VSTOR_SCSI_DISK_H

#include "scsi/policy.h"
#include "scsi/recovery.h"
#include "scsi/run.h"
#include "scsi/units.h"

enum disk_attention {
    DISK_WAITING = 1u << 0,  /**< requests are to be given again */
    DISK_RECOVERY = 1u << 1, /**< the unit is silent, or an errand is to be done */
    DISK_FEWER = 1u << 2,    /**< fewer commands at a time than usual */
};

/** One of the disk's queues: one of its adapter's. */
struct disk_queue {
    struct vst_scsi_block_queue base;
    struct disk *disk;
    uint8_t block_shift; /**< a logical block is VST_SECTOR_BYTES << block_shift */
    bool is_long;        /**< blocks beyond 32 bits: 16-byte commands */
    /**
     * What makes polls look further than at the ring: enum disk_attention. Other CPUs set RECOVERY;
     * atomic.
     */
    uint8_t attention;
    int32_t n_hidden;        /**< of base.n_room, so that nothing is given to a silent unit */
    struct scsi_depth depth; /**< commands at a time: what of base.n_room there is in all */
    /** To be given again, not before again_ns. */
    struct vst_block_request_list waiting;
    uint64_t again_ns;
    uint64_t parts_ns; /**< parts of split requests are not given before; 0: at once */
};

/** What a CD has beyond a disk. */
struct cd {
    struct scsi_talk *talk;
    uint64_t look_ns;  /**< when events are asked for next */
    uint32_t n_ejects; /**< that somebody has asked for by the button */
    bool knows_no_events;
    struct vst_scsi_medium medium;
};

struct disk {
    struct vst_block_device base;
    struct vst_scsi_hba *hba;
    struct unit *unit;
    bool owns_unit; /**< nobody else knows of it */
    struct scsi_recovery recovery;
    bool earlier_failed; /**< a write reported done was lost: the next flush fails; atomic */
    size_t bytes;        /**< of this structure with what follows */
    struct cd cd;
    struct vst_block_queue **queue_list;
    struct disk_queue queues[];
};

/** For struct scsi_recovery. */
void vst_scsi_disk_health_changed(struct scsi_recovery *recovery);

/** With nothing but what the unit and its adapter tell of themselves. NULL: no memory. */
struct disk *vst_scsi_disk_create(struct unit *unit);
/** By `base.limits`. */
void vst_scsi_disk_make_queues(struct disk *disk, const struct vst_block_driver *driver,
                               bool is_long);

/* For all units that are used as block devices. */
void vst_scsi_disk_unplug(struct unit *unit);
void vst_scsi_disk_give_up(struct unit *unit);
bool vst_scsi_disk_is_idle(const struct unit *unit);

/* cdrom.c */
enum vst_status vst_scsi_cd_attach_unit(struct vst_scsi_unit *unit,
                                        struct vst_block_device **device) VST_MUST_USE;
enum vst_status vst_scsi_cd_refresh(struct vst_block_device *device) VST_MUST_USE;
void vst_scsi_cd_held(struct vst_block_device *device, bool held);
enum vst_status vst_scsi_cd_move(struct vst_block_device *device, bool load) VST_MUST_USE;

extern const struct vst_block_driver vst_scsi_disk_driver;
extern const struct vst_block_driver vst_scsi_cd_driver;
extern const struct vst_scsi_block_upcalls vst_scsi_disk_upcalls;
extern const struct unit_driver vst_scsi_disk_unit_driver;

#endif
