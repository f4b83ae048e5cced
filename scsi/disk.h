/* SPDX-License-Identifier: BSD-2-Clause */
/* Disks and CDs as block devices: private structures. (SBC-3, MMC-6) */
#ifndef VSTOR_SCSI_DISK_H
#define VSTOR_SCSI_DISK_H

#include "scsi/capacity.h"
#include "scsi/mode.h"
#include "scsi/policy.h"
#include "scsi/recovery.h"
#include "scsi/run.h"
#include "scsi/units.h"

enum disk_attention {
    DISK_WAITING = 1u << 0,  /**< requests are to be given again */
    DISK_RECOVERY = 1u << 1, /**< the unit is silent, or an errand is to be done */
    DISK_FEWER = 1u << 2,    /**< fewer commands at a time than usual */
};

/** Ranges of one UNMAP, so that its list is no longer than that. */
#define SCSI_UNMAP_DESCRIPTORS 63u
#define SCSI_UNMAP_LIST_BYTES  1024u

/** One of the disk's queues: one of its adapter's. */
struct disk_queue {
    struct vst_scsi_block_queue base;
    struct disk *disk;
    uint8_t block_shift;    /**< a logical block is VST_SECTOR_BYTES << block_shift */
    uint64_t resets_before; /**< of the adapter, when the disk was attached */
    bool is_long;           /**< blocks beyond 32 bits: 16-byte commands */
    bool list_in_use;       /**< an UNMAP of this queue is in flight, and with it its list */
    uint8_t *list;          /**< its parameter list, shared memory; NULL where there is no UNMAP */
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
    /** It is a path: whether a command is to go by another is decided there. NULL: it is none. */
    void (*judge)(struct disk *disk, struct vst_block_request *request,
                  const struct scsi_rule *rule, struct scsi_decision *decision);
    size_t bytes; /**< of this structure with what follows */
    struct cd cd;
    /**
     * What the unit is sent that is nobody's data: a block of zeroes, then a list for each queue, then
     * SCSI_MODE_BYTES. Made at attach, because nothing is allocated later.
     */
    uint8_t *shared;
    size_t shared_bytes;
    bool discards_by_same; /**< it has no UNMAP, but a WRITE SAME that unmaps */
    enum scsi_mode_form mode_form;
    struct vst_block_queue **queue_list;
    const struct vst_block_driver *driver; /**< its queues', while nobody traces them */
    struct disk_queue queues[];
};

/** What a disk has told, beside what its unit has. */
struct scsi_disk_told {
    struct scsi_capacity capacity;
    struct scsi_mode mode;
    enum scsi_mode_form mode_form;
    bool cache_settable;
};

/** The second is for units that know no commands but those of 32 bytes. */
extern const struct vst_block_driver vst_scsi_disk_driver, vst_scsi_disk_long_driver;
/** Both with each request recorded, if the adapter can. */
extern const struct vst_block_driver vst_scsi_disk_traced_driver, vst_scsi_disk_traced_long_driver;

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

extern const struct vst_block_driver vst_scsi_cd_driver, vst_scsi_cd_traced_driver;
extern const struct vst_scsi_block_upcalls vst_scsi_disk_upcalls;
extern const struct unit_driver vst_scsi_disk_unit_driver;

static inline struct disk *scsi_disk_of(struct vst_block_device *device)
{
    return VST_CONTAINER_OF(device, struct disk, base);
}
/** Of a unit that is used as a block device. */
static inline struct disk *scsi_disk_of_unit(const struct vst_scsi_unit *unit)
{
    return scsi_disk_of(unit->block);
}

/** A block of that length is VST_SECTOR_BYTES << that; a power of two. */
static inline uint8_t scsi_block_shift(uint32_t block_bytes)
{
    return (uint8_t)__builtin_ctz(block_bytes / VST_SECTOR_BYTES);
}

/** What all block devices of SCSI take from their adapter. False: not even one block at once. */
bool vst_scsi_disk_take_hba_limits(struct disk *disk, uint32_t block_bytes, uint32_t max_sectors);

/* disk_ranges.c */
/** Discard and write zeroes, as far as the unit has told of them. */
void vst_scsi_disk_range_limits(struct disk *disk, const struct scsi_disk_told *told);
/** A part of a request on ranges. VST_ERR_FULL: not now. */
enum vst_status vst_scsi_disk_submit_ranges(struct disk_queue *q, struct vst_block_request *request,
                                            const struct vst_block_part *part) VST_MUST_USE;
/** It has ended; what the unit refuses is not tried again. */
void vst_scsi_disk_ranges_ended(struct disk_queue *q, enum vst_block_op op,
                                const struct scsi_decision *decision);

/* disk_commands.c */
/** MODE SENSE, by whichever form the unit knows. False: it does not tell, and *told has none. */
bool vst_scsi_disk_ask_mode(struct scsi_talk *talk, struct scsi_disk_told *told);
/** As in struct vst_block_driver. */
enum vst_status vst_scsi_disk_set_write_cache(struct vst_block_device *device, bool on);

#endif
