/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Units: private structures.
 *
 *     identify.c   what a unit says of itself
 *     scan.c       which there are: compares that with what is known
 *     units.c      the registry; what is done now and then
 */
#ifndef VSTOR_SCSI_UNITS_PRIVATE_H
#define VSTOR_SCSI_UNITS_PRIVATE_H

#include <vstor/scsi_units.h>

#include "scsi/crowd.h"
#include "scsi/inquiry.h"
#include "scsi/run.h"

struct unit;

/** What a type of device does for its units. */
struct unit_driver {
    /**
     * Finds out again what `what`, bits of enum vst_scsi_look, names, and takes it over. The talk
     * is to the unit. VST_ERR_MALFORMED: something has changed that can't under a device in use.
     */
    enum vst_status (*look_again)(struct unit *unit, struct scsi_talk *talk, uint32_t what);
    /** The unit is gone, and so is its block device. */
    void (*unplug)(struct unit *unit);
    /** Its adapter is out of service, and so is its block device. */
    void (*give_up)(struct unit *unit);
    /** Whether nothing of its block device is in flight. */
    bool (*is_idle)(const struct unit *unit);
};

struct unit {
    struct vst_scsi_unit base;
    struct scsi_pages pages;
    struct scsi_block_limits limits;             /**< page B0h; 0 where it does not tell */
    struct scsi_characteristics characteristics; /**< page B1h */
    struct scsi_provisioning provisioning;       /**< page B2h */
    const struct unit_driver *driver;            /**< of its block device; NULL: it has none */
    /** What could not be found out: tried again when all is checked. */
    uint32_t look_later;
    bool was_seen;     /**< by the scan that is under way */
    bool awaits_path;  /**< it is to become a path once another unit's disk is not in use */
    uint32_t who_hash; /**< of what it is told apart by; set by vst_scsi_paths_take */
};

static inline struct unit *unit_of(struct vst_scsi_unit *unit)
{
    return (struct unit *)unit; /* base comes first */
}

/* ------------------------------------------------------------------ identify.c */

/** NULL: no memory. VST_ERR_INVALID in *status: the adapter can't reach such a place. */
struct unit *vst_scsi_unit_create(struct vst_scsi_hba *hba, uint8_t target,
                                  const struct vst_scsi_lun *lun, enum vst_status *status);
void vst_scsi_unit_free(struct unit *unit);

/**
 * One conversation of a crowd finds out who stands at a unit's place. From begin: asks the first
 * question; `briefly`: the only one, by which type, vendor and product are known.
 */
void vst_scsi_identify(struct scsi_call *call, struct unit *unit, bool briefly);
/**
 * From answered: takes the answer and asks the next question. False: that was the last one, and
 * *found says whether there is a unit (VST_OK), none (VST_ERR_NOT_FOUND), or that it is not known.
 */
bool vst_scsi_identify_goes_on(struct scsi_call *call, enum vst_status status,
                               struct scsi_view view, enum vst_status *found) VST_MUST_USE;

/** The same for one unit, until its end. */
enum vst_status vst_scsi_identify_one(struct unit *unit) VST_MUST_USE;

/** Whether what was found out at a unit's place is the same unit; `briefly` as above. */
bool vst_scsi_is_same_unit(const struct unit *known, const struct unit *seen, bool briefly);

/* ------------------------------------------------------------------ scan.c */

/**
 * Finds out which units the targets named have: a bit for each. `all`: who they are, too. Returns as
 * vst_scsi_units_scan.
 */
enum vst_status vst_scsi_scan_targets(struct vst_scsi_units *units, struct vst_scsi_hba *hba,
                                      const uint32_t targets[8], bool all) VST_MUST_USE;

/* ------------------------------------------------------------------ units.c */

/** The unit is gone; it leaves when nobody holds it. */
void vst_scsi_unit_lose(struct unit *unit);

/** What of a unit is to be looked at again after an action of the policy. */
uint32_t vst_scsi_look_after(unsigned action);

#endif
