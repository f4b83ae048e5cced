/* SPDX-License-Identifier: BSD-2-Clause */
/* Short commands, one after the other, while a unit is looked at: with the retries that the policy has. */
#ifndef VSTOR_SCSI_RUN_H
#define VSTOR_SCSI_RUN_H

#include <vstor/scsi_units.h>

#include "scsi/bytes.h"
#include "scsi/policy.h"

#define SCSI_TALK_BYTES 16384u /* of REPORT LUNS: 2047 units */

/** Who is spoken to, and memory for what it answers. */
struct scsi_talk {
    struct vst_scsi_hba_queue *queue;
    struct vst_scsi_nexus nexus;
    uint32_t signs; /**< of change that answers brought: bits of enum vst_scsi_look */
    void *shared;   /**< SCSI_TALK_BYTES, which the unit may write */
    uint8_t bytes[SCSI_TALK_BYTES]; /**< what it wrote, copied out */
};

/** NULL: no memory. */
struct scsi_talk *vst_scsi_talk_open(struct vst_scsi_hba *hba);
void vst_scsi_talk_close(struct scsi_talk *talk);

/** Addresses a unit. VST_ERR_INVALID: the adapter can't reach it. */
enum vst_status vst_scsi_talk_to(struct scsi_talk *talk, uint8_t target,
                                 const struct vst_scsi_lun *lun) VST_MUST_USE;

/**
 * Runs a command, and again as the policy has it, at most `patience_ms` long. Returns how the policy
 * ends it; command->outcome is the last. To *signs it adds those of change, bits of enum vst_scsi_look. Errors besides: those of vst_scsi_run.
 */
enum vst_status vst_scsi_run_patiently(struct vst_scsi_hba_queue *queue,
                                       struct vst_scsi_command *command, uint32_t patience_ms,
                                       uint32_t *signs) VST_MUST_USE;

/**
 * Runs a command that brings at most `bytes` bytes and stores in *view those that came. A unit that
 * wants to be asked again is, at most `patience_ms` long. Returns how the policy ends it.
 */
enum vst_status vst_scsi_ask(struct scsi_talk *talk, struct vst_scsi_cdb cdb, uint32_t bytes,
                             uint32_t patience_ms, struct scsi_view *view) VST_MUST_USE;

/** What the policy makes of an outcome; `was_late`: it had been told of as late. */
struct scsi_decision vst_scsi_decide_on(const struct vst_scsi_outcome *outcome, bool was_late,
                                        struct scsi_tries *tries);

#endif
