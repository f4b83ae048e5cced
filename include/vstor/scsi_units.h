/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vstor/scsi_units.h: the logical units behind host adapters: found, told of when they come and go,
 * and used as disks.
 *
 *     struct vst_scsi_units units = {.found = my_found, .lost = my_lost};
 *     vst_scsi_units_add(&units, hba)                 (each adapter, at the start)
 *     vst_scsi_units_scan(&units, hba)
 *     vst_scsi_units_look_after(&units, hba)          (each adapter, ten times a second, say)
 *     vst_scsi_units_forget(&units, hba)              (the adapter was unplugged)
 *
 * All of them, and the callbacks, on the CPU of the adapter's first queue.
 */
#ifndef VSTOR_SCSI_UNITS_H
#define VSTOR_SCSI_UNITS_H

#include <vstor/scsi.h>

VST_BEGIN_C

/**
 * Runs one command on a queue to its end, which is its outcome; what is not answered in time is
 * aborted, or ends by a reset of the unit, the target or the adapter, whichever brings it back, with
 * VST_SCSI_RESPONSE_TIMEOUT. Sets command->done and ->late. On the queue's CPU; blocks for the
 * command's time-out and, if that passes, a minute at most beyond it. Errors: those of
 * vst_scsi_hba_ops.submit; VST_OK says that there is an outcome, whatever it is.
 */
enum vst_status vst_scsi_run(struct vst_scsi_hba_queue *queue,
                             struct vst_scsi_command *command) VST_MUST_USE;

/**
 * Runs one function to its end, which is its response. Any CPU, ABORT TASK and QUERY TASK as
 * vst_scsi_hba_ops.manage says; blocks until it is answered, or for its time-out, and 10 seconds
 * beyond if the adapter has no room. VST_ERR_TIMEOUT: it never had; the errors of manage.
 */
enum vst_status vst_scsi_manage(struct vst_scsi_hba *hba,
                                struct vst_scsi_function *function) VST_MUST_USE;

/** "abort", "lun_reset", ...; "unknown" for what is no function. */
const char *vst_scsi_function_name(unsigned kind);
/** "complete", "rejected", ...; "unknown" for what is no response. */
const char *vst_scsi_function_response_name(unsigned response);

/* ------------------------------------------------------------------ units */

/** What of a unit is to be found out again: bits of vst_scsi_unit.look_again. */
enum vst_scsi_look {
    VST_SCSI_LOOK_CAPACITY = 1u << 0,
    VST_SCSI_LOOK_MODE = 1u << 1,     /**< write protection, cache */
    VST_SCSI_LOOK_IDENTITY = 1u << 2, /**< whether it still is who it was; then all of the above */
    VST_SCSI_LOOK_PATHS = 1u << 3,    /**< the states of the ways to it */
    VST_SCSI_LOOK_LUNS = 1u << 4,     /**< which units its target has; whether it is there */
    VST_SCSI_LOOK_MEDIUM = 1u << 5,   /**< what is known of its medium is void */
};

/** A logical unit of any type. The SCSI layer owns it; others read, but for what says so. */
struct vst_scsi_unit {
    struct vst_scsi_unit *next; /**< in the registry */
    struct vst_scsi_hba *hba;
    uint8_t target;
    struct vst_scsi_lun lun;
    struct vst_scsi_nexus nexus;
    char name[16];       /**< the owner's to give: "sg0"; "" where a block device has the name */
    char path[48];       /**< "pci-0000:00:05.0-scsi-0:0:1:0" */
    char hctl[28];       /**< "0:0:1:0": the adapter's number, 0, target, number of the unit */
    uint8_t type;        /**< enum vst_scsi_device_type */
    uint8_t version;     /**< 5: SPC-3, 6: SPC-4; 0: none claimed */
    uint8_t port_groups; /**< it tells the states of ways: 1 implicit, 2 explicit, 3 both */
    bool removable;
    bool has_protection;                      /**< it can store protection information */
    char vendor[9], product[17], revision[5]; /**< printable, without spaces around */
    char serial[64];                          /**< page 80h, printable; "" if it tells none */
    /** Page 83h: the best name of the unit itself, the same by every way to it; "" if none. */
    char wwn[VST_SCSI_WWN_BYTES];
    bool wwn_is_unique; /**< in the world */
    bool has_port, has_port_group;
    uint16_t port, port_group;          /**< of the way by which it is reached here */
    struct vst_block_identity identity; /**< of its block device, points into the above */
    struct vst_block_device *block;     /**< NULL: it is not used as one */
    struct vst_scsi_path *way;          /**< one of several to a disk, or NULL (vstor/scsi_paths.h) */
    bool gone;           /**< it is no longer there, or another stands in its place */
    unsigned n_holders;  /**< vst_scsi_unit_hold */
    uint32_t look_again; /**< enum vst_scsi_look; atomic, any CPU sets bits */
    void *user;          /**< the owner's */
};

/**
 * For who meets a sign that something has changed: it is looked at when the owner looks after the
 * adapter. Any CPU.
 */
static inline void vst_scsi_unit_look_again(struct vst_scsi_unit *unit, uint32_t what)
{
    __atomic_fetch_or(&unit->look_again, what, __ATOMIC_RELEASE);
}

/**
 * A unit that is gone stays for as long as somebody holds it or its block device (vst_block_hold).
 * On the CPU of the adapter's first queue.
 */
static inline void vst_scsi_unit_hold(struct vst_scsi_unit *unit)
{
    unit->n_holders++;
}
/** Takes back one vst_scsi_unit_hold. */
static inline void vst_scsi_unit_let_go(struct vst_scsi_unit *unit)
{
    unit->n_holders--;
}

/** All units of an instance. The owner has it, fills the callbacks, and starts with zeroes. */
struct vst_scsi_units {
    struct vst_scsi_hba *hbas;   /**< by number */
    struct vst_scsi_unit *first; /**< those of each adapter together, by target and number */
    uint32_t n;
    void *ctx; /**< handed to both */
    /** A unit is there. The owner makes of it what it likes, a disk say, and names it. */
    void (*found)(void *ctx, struct vst_scsi_unit *unit);
    /**
     * A unit is gone, and nobody holds it any more. The owner takes its block device, if there is
     * one, from its registry and detaches it; the unit is no more when this returns.
     */
    void (*lost)(void *ctx, struct vst_scsi_unit *unit);
};

/**
 * Finds by name, path, "serial=..." or "wwn=...", also by those of its block device. NULL if there is
 * none, or several of that serial number; a unit that is gone is found by name only. Of several
 * paths to one disk it is one that serves best.
 */
struct vst_scsi_unit *vst_scsi_unit_find(const struct vst_scsi_units *units, const char *name);

/** What others call it: the name of its block device, or of the disk that it is a path to, or its own. */
const char *vst_scsi_unit_name(const struct vst_scsi_unit *unit);

/** Numbers the adapter, with the least number that is free, and adds it to units->hbas. */
void vst_scsi_units_add(struct vst_scsi_units *units, struct vst_scsi_hba *hba);

/**
 * Looks at the whole adapter: REPORT LUNS to every target, INQUIRY with its pages to units that were
 * not known, many at a time. Calls `found` for those, in order of target and number; what is not
 * there any more becomes `gone`. Blocks as long as targets take to answer, 2 minutes at most.
 * Memory, all through platform->alloc: 1.5 KiB for each unit, private; 400 KiB while it lasts.
 *
 * VST_ERR_NO_MEMORY    nothing has happened, or not all were found that are there
 * VST_ERR_TIMEOUT      the same: too slow
 * VST_ERR_BROKEN, VST_ERR_GONE      the adapter
 */
enum vst_status vst_scsi_units_scan(struct vst_scsi_units *units,
                                    struct vst_scsi_hba *hba) VST_MUST_USE;

/**
 * Does what has to be done now and then: takes the adapter's events, looks again at what is said to
 * have changed, asks every few seconds which units there are whatever events said, and lets units go
 * that are gone. Cheap if nothing has happened. Blocks for as long as units take to answer.
 */
void vst_scsi_units_look_after(struct vst_scsi_units *units, struct vst_scsi_hba *hba);

/**
 * The adapter was unplugged, or is to be detached: all its units are gone. True once none of them is
 * left, and the adapter is not in the list any more; to be called again until then.
 */
bool vst_scsi_units_forget(struct vst_scsi_units *units, struct vst_scsi_hba *hba) VST_MUST_USE;

/* ------------------------------------------------------------------ what they tell, for people */

/** In place of a page: the standard data. */
#define VST_SCSI_STANDARD_INQUIRY (-1)

/**
 * INQUIRY to a unit, for a page or the standard data: at most max_bytes, and 4096, into `data`. On the
 * CPU of the adapter's first queue; blocks until the unit has answered. VST_ERR_UNSUPPORTED: it does
 * not know that page; VST_ERR_NO_MEMORY; else as the command ended.
 */
enum vst_status vst_scsi_unit_inquire(struct vst_scsi_unit *unit, int page, void *data,
                                      size_t max_bytes, size_t *bytes) VST_MUST_USE;

/**
 * Calls `tell` for each thing that these bytes say: "vendor", "QEMU". Both texts are valid during the
 * call. VST_ERR_MALFORMED: they say nothing; VST_ERR_UNSUPPORTED: no such page is known.
 */
enum vst_status vst_scsi_inquiry_describe(int page, const void *data, size_t bytes,
                                          void (*tell)(void *ctx, const char *name,
                                                       const char *value),
                                          void *ctx) VST_MUST_USE;

/**
 * REPORT LUNS to LUN 0 of a target: at most `max`, and 2047, into `luns`, as the target lists them. On
 * the CPU of the adapter's first queue; blocks until it has answered. VST_ERR_INVALID: no such target
 * can be; VST_ERR_GONE: none is; VST_ERR_NO_MEMORY; else as the command ended.
 */
enum vst_status vst_scsi_target_luns(struct vst_scsi_hba *hba, uint8_t target,
                                     struct vst_scsi_lun *luns, uint32_t max,
                                     uint32_t *n) VST_MUST_USE;

/* ------------------------------------------------------------------ disks */

/**
 * Makes a block device of a unit that is a disk, or a CD or DVD drive; it becomes unit->block.
 * Memory, all through platform->alloc: 2 KiB, and 1 KiB for each of the adapter's queues, private;
 * for a disk one logical block, and 1 KiB for each queue, shared, and 32 KiB until it returns; for a drive 16 KiB more, and 16 KiB shared. On the CPU of the adapter's first queue, blocks while
 * the unit answers some commands. The name is the registry's to give ("sd", "sr0").
 *
 * A drive is read-only, has blocks of 2048 bytes, and is attached without a medium, too, or with one
 * that can't be read: vst_block_device.medium says why. vst_block_refresh asks it every second
 * whether the medium was changed.
 *
 * VST_ERR_UNSUPPORTED    it is neither
 * VST_ERR_MALFORMED      what it says of itself makes no sense
 * VST_ERR_NOT_READY, VST_ERR_NO_MEDIUM, VST_ERR_IO ...   it does not tell its capacity
 */
enum vst_status vst_scsi_disk_attach_unit(struct vst_scsi_unit *unit,
                                          struct vst_block_device **device) VST_MUST_USE;

/**
 * The same for a disk whose place is known, without a registry: nobody looks after it. The adapter
 * must outlive it. VST_ERR_GONE: there is no such unit.
 */
enum vst_status vst_scsi_disk_attach(struct vst_scsi_hba *hba, uint8_t target,
                                     const struct vst_scsi_lun *lun,
                                     struct vst_block_device **device) VST_MUST_USE;

/** What is in a CD or DVD drive. */
struct vst_scsi_medium {
    const char *profile;             /**< "CD-ROM", "DVD-ROM", ...; "" if the drive tells none */
    uint8_t n_tracks, n_data_tracks; /**< 0 where the drive tells none */
};

/** NULL if the device is no CD drive. It changes with media_id. */
const struct vst_scsi_medium *vst_scsi_cd_medium(const struct vst_block_device *device);

/**
 * Has a disk read its blocks without transferring them: VERIFY (SBC-3, 5.38). Start and length in
 * 512-byte sectors, multiples of the logical block. On the queue's CPU; blocks until the disk has
 * done it. Errors: those that a read ends with; *error_sector, if not NULL, is then the sector that
 * failed, or where the command began that did.
 */
enum vst_status vst_scsi_disk_verify(struct vst_block_queue *queue, uint64_t start_sector,
                                     uint64_t n_sectors, uint64_t *error_sector) VST_MUST_USE;

/**
 * Writes blocks if they hold what is expected, with nobody's command in between: COMPARE AND WRITE
 * (SBC-3, 5.3). Start and length as above; `expected` and `wanted` have n_sectors * 512 bytes each, in
 * memory as of a request's segments. On the queue's CPU; blocks until it is done.
 *
 * VST_ERR_MISCOMPARE     they hold something else; nothing was written
 * VST_ERR_UNSUPPORTED    the unit can't do that     VST_ERR_TOO_LARGE  not so many blocks at once
 * VST_ERR_READ_ONLY, and those of a write
 */
enum vst_status vst_scsi_disk_compare_and_write(struct vst_block_queue *queue,
                                                uint64_t start_sector, uint32_t n_sectors,
                                                const void *expected,
                                                const void *wanted) VST_MUST_USE;

/** Gives its memory back. Nothing of it may be in flight. */
void vst_scsi_disk_detach(struct vst_block_device *device);

VST_END_C

#endif
