/* SPDX-License-Identifier: BSD-2-Clause */
/* vstor/scsi_raw.h: any command for a unit of any type, and what its outcome means. */
#ifndef VSTOR_SCSI_RAW_H
#define VSTOR_SCSI_RAW_H

#include <vstor/scsi_units.h>

VST_BEGIN_C

/** What an outcome means, by the table of scsi/policy.c. */
struct vst_scsi_verdict {
    enum vst_status status; /**< VST_OK: the command has done what it should */
    /** It did not, for now, and may be given again: the unit had something else to tell first. */
    bool again;
    struct vst_scsi_sense sense; /**< not valid: none came, or none that can be read */
    /** "NOT READY, medium not present (02/3a/00)", "RESERVATION CONFLICT"; "" if nothing was wrong. */
    char text[VST_SCSI_SENSE_TEXT_BYTES];
};

/**
 * Runs one command on a unit of any type, once, on the adapter's first queue; command->nexus is
 * filled in. What the outcome says of changes is looked at later. As vst_scsi_run; VST_OK says that
 * there are an outcome and a verdict. VST_ERR_GONE: the unit is. After an error the verdict has that
 * and its text.
 */
enum vst_status vst_scsi_unit_run(struct vst_scsi_unit *unit, struct vst_scsi_command *command,
                                  struct vst_scsi_verdict *verdict) VST_MUST_USE;

/** How many bytes a CDB has that begins so (SPC-4, 4.2.5.1); 0: variable, or the vendor's. */
uint8_t vst_scsi_cdb_bytes(uint8_t operation);

VST_END_C

#endif
