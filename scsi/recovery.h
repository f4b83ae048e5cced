/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A unit that does not answer: the steps of escalation.h, done. And what else has to be done to a
 * unit beside its requests: START STOP UNIT, CLEAR ACA.
 *
 * One per unit, for all CPUs: whoever polls one of its queues goes a step on, one at a time. Nobody
 * waits here. What was late comes back by its own queue, whatever a function says of it: a step is
 * done when it has, so that no memory is given back that an adapter may still reach.
 *
 *     late command -> vst_scsi_recovery_late         (counted)
 *     it comes back -> vst_scsi_recovery_returned
 *     poll -> vst_scsi_recovery_attend unless scsi_recovery_is_quiet
 */
#ifndef VSTOR_SCSI_RECOVERY_H
#define VSTOR_SCSI_RECOVERY_H

#include <vstor/scsi.h>

#include "scsi/escalation.h"

/** How the unit is, for those that would give it commands. */
enum scsi_unit_health {
    SCSI_UNIT_WELL,
    SCSI_UNIT_SILENT, /**< steps are being taken: it is to be given nothing */
    SCSI_UNIT_GIVEN_UP,
};

/** What is to be done to a unit in good health; bits. */
enum scsi_errand {
    SCSI_ERRAND_START = 1u << 0,     /**< START STOP UNIT */
    SCSI_ERRAND_CLEAR_ACA = 1u << 1, /**< the function */
    /** It knows commands that nobody waits for: LUN reset and what follows. */
    SCSI_ERRAND_RESET = 1u << 2,
};

struct scsi_recovery {
    struct vst_scsi_hba *hba;
    struct vst_scsi_nexus nexus;
    const char *name; /**< for log lines; must stay */
    /** Told of each change of health. On the CPU that attends. NULL: nobody cares. */
    void (*changed)(struct scsi_recovery *r);

    /* atomic */
    uint8_t health;        /**< enum scsi_unit_health */
    bool busy;             /**< a lock that is only tried */
    uint32_t n_late;       /**< commands told of as late that have not come back */
    uint32_t to_do;        /**< enum scsi_errand */
    uint8_t command_state; /**< enum command_state: who has `command` */

    /* with `busy` held */
    struct scsi_escalation_times times;
    struct scsi_escalation escalation;
    bool begun;          /**< the step's function or reset */
    bool function_out;   /**< the adapter has `function` */
    uint8_t function_of; /**< the step it was given for */
    bool command_is_late;
    struct vst_scsi_function function;
    struct vst_scsi_hba_queue *command_queue;
    struct vst_scsi_command command; /**< TEST UNIT READY, START STOP UNIT */
};

/** `name` is for log lines and must stay, as must all of it until it is quiet. */
void vst_scsi_recovery_init(struct scsi_recovery *r, struct vst_scsi_hba *hba,
                            struct vst_scsi_nexus nexus, const char *name);

/**
 * A command to the unit is late; the answer is that of the `late` upcalls. Any CPU, like the next
 * two.
 */
bool vst_scsi_recovery_late(struct scsi_recovery *r);
/** One that was late has come back, whatever its outcome. */
void vst_scsi_recovery_returned(struct scsi_recovery *r);
/** Done once the unit is well. */
void vst_scsi_recovery_ask(struct scsi_recovery *r, enum scsi_errand what);

/** One step on. On the CPU of `queue`, not from upcalls. */
void vst_scsi_recovery_attend(struct scsi_recovery *r, struct vst_scsi_hba_queue *queue);

static inline enum scsi_unit_health scsi_recovery_health(const struct scsi_recovery *r)
{
    return (enum scsi_unit_health)__atomic_load_n(&r->health, __ATOMIC_ACQUIRE);
}

/** What was late and came back by a function, or by a reset, was not answered in time. */
static inline uint8_t vst_scsi_response_in_time(const struct vst_scsi_outcome *outcome,
                                                bool was_late)
{
    bool taken_back = outcome->response == VST_SCSI_RESPONSE_ABORTED ||
                      outcome->response == VST_SCSI_RESPONSE_RESET;

    return was_late && taken_back ? VST_SCSI_RESPONSE_TIMEOUT : (uint8_t)outcome->response;
}

/** Nothing is to be done, and the adapter has nothing that is ours. */
bool vst_scsi_recovery_is_quiet(const struct scsi_recovery *r);

/** A queue that is to rest must be polled on for it: it has our command, or it alone goes on. */
bool vst_scsi_recovery_needs(const struct scsi_recovery *r, const struct vst_scsi_hba_queue *queue);

/**
 * Before its memory is used otherwise, with no request to the unit in flight: waits until it is
 * quiet. False: the adapter may still reach it, and it must stay. On the CPU of `queue`.
 */
bool vst_scsi_recovery_close(struct scsi_recovery *r,
                             struct vst_scsi_hba_queue *queue) VST_MUST_USE;

#endif
