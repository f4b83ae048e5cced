/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is done about a unit that does not answer, step by step: each reaches further and disturbs
 * more than the one before. (SAM-5, 7)
 *
 *     retry -> abort task -> LUN reset -> I_T nexus reset -> adapter reset -> given up
 *
 * A machine without a clock or a device of its own: it is told what has happened and what time it
 * is, and says what to do. Whatever the device does or leaves undone, each step has a deadline, so
 * that it ends, at the latest when vst_scsi_escalation_longest_ms have passed.
 *
 *     vst_scsi_escalation_init(&e, NULL)
 *     if (vst_scsi_escalation_begin(&e, now))          a command was not answered in time
 *         do e.step, or TEST UNIT READY if e.checking
 *     if (vst_scsi_escalation_answer(&e, ..., now))    each time that is answered
 *         the same
 *     if (vst_scsi_escalation_tick(&e, now))           now and then
 *         the same
 */
#ifndef VSTOR_SCSI_ESCALATION_H
#define VSTOR_SCSI_ESCALATION_H

#include <vstor/scsi_types.h>

enum scsi_step {
    SCSI_STEP_NONE, /**< all is well */
    /** Command: given again if it has come back; else the adapter looks and rings once more. */
    SCSI_STEP_RETRY,
    SCSI_STEP_ABORT_TASK,  /**< command */
    SCSI_STEP_LUN_RESET,   /**< all commands of the unit */
    SCSI_STEP_NEXUS_RESET, /**< all of the target */
    SCSI_STEP_HBA_RESET,   /**< all of the adapter */
    SCSI_STEP_GIVEN_UP,    /**< the unit is out of service */
    SCSI_N_STEPS
};

/** How an adapter answered a step, or a unit the check after it. */
enum scsi_step_answer {
    /**
     * Done: retried commands have come back well, functions are complete, the unit has answered
     * TEST UNIT READY with any status at all.
     */
    SCSI_STEP_DONE,
    SCSI_STEP_FAILED, /**< not done, or not known there: the next step at once */
};

struct scsi_escalation_times {
    uint32_t step_ms[SCSI_N_STEPS]; /**< for the answer; 0: no such step */
    uint32_t check_ms;              /**< for the answer to TEST UNIT READY; 0: it is not asked */
    /** Silence sooner than that after it was mended: what mended it then was not enough. */
    uint32_t relapse_ms;
};

/** The usual times, none above that: who is impatient with commands is so with functions. */
struct scsi_escalation_times vst_scsi_escalation_times_within(uint64_t most_ns);

/** The unit's owner keeps it; others read. */
struct scsi_escalation {
    const struct scsi_escalation_times *times;
    uint8_t step;         /**< enum scsi_step */
    bool checking;        /**< the step is done: it is seen whether the unit answers */
    bool has_mended;      /**< ever */
    uint8_t mended;       /**< the step that did, last */
    uint8_t n_hba_resets; /**< that mended it, relapse after relapse */
    uint64_t mended_ns, deadline_ns;
};

/** `times` NULL: the usual ones. They must outlive it. */
void vst_scsi_escalation_init(struct scsi_escalation *e, const struct scsi_escalation_times *times);

/*
 * The next three: true if there is something new to do, namely `step`, or TEST UNIT READY if
 * `checking`; with SCSI_STEP_NONE, to go on as usual, and with SCSI_STEP_GIVEN_UP, to end all
 * commands.
 */

/** A command was not answered. Changes nothing if it is at work already, or has given up. */
bool vst_scsi_escalation_begin(struct scsi_escalation *e, uint64_t now_ns);
/** What was to be done was answered. Changes nothing if it is not at work. */
bool vst_scsi_escalation_answer(struct scsi_escalation *e, enum scsi_step_answer answer,
                                uint64_t now_ns);
/** Looks at the deadline. */
bool vst_scsi_escalation_tick(struct scsi_escalation *e, uint64_t now_ns);

/** Longest time from begin until it is mended or given up. */
uint64_t vst_scsi_escalation_longest_ms(const struct scsi_escalation_times *times);

/** "LUN reset", ...; "unknown" for what is no step. */
const char *vst_scsi_step_name(unsigned step);

#endif
