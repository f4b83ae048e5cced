/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is done about the outcome of a command: one table, looked through from the top, of which the
 * first row that fits decides. Nothing else in the SCSI layer looks at statuses or sense codes to
 * find out whether something failed.
 */
#ifndef VSTOR_SCSI_POLICY_H
#define VSTOR_SCSI_POLICY_H

#include <vstor/scsi_types.h>

/**
 * What to do. After all of them the command is given again if scsi_decision.again says so, else it
 * ends with the decision's status.
 */
enum scsi_action {
    SCSI_DONE,            /**< it has done what it should */
    SCSI_NOTHING,         /**< nothing else */
    SCSI_FEWER,           /**< the unit takes fewer commands at a time: scsi_depth_full */
    SCSI_REREAD_CAPACITY, /**< READ CAPACITY */
    SCSI_REREAD_MODE,     /**< MODE SENSE: write protection, cache */
    SCSI_REREAD_IDENTITY, /**< INQUIRY with its pages, then all of the above */
    SCSI_REREAD_PATHS,    /**< the states of the ways to the unit */
    SCSI_RESCAN,          /**< REPORT LUNS of its target */
    SCSI_WAS_RESET,       /**< the unit has forgotten what it was told: reservations, modes */
    SCSI_MEDIUM_CHANGED,  /**< all that is known of the medium is void; a fixed disk goes on */
    SCSI_NO_MEDIUM,       /**< the same, and there is none */
    SCSI_START_UNIT,      /**< START STOP UNIT */
    SCSI_CLEAR_ACA,       /**< the task management function */
    SCSI_OTHER_PATH,      /**< another way to the unit, if there is one, at once */
    SCSI_UNIT_GONE,       /**< no longer there: to be looked for by a rescan */
    SCSI_EARLIER_FAILED,  /**< a write that had been reported done was lost: the next flush fails */
    SCSI_ESCALATE,        /**< recovery.h */
    SCSI_N_ACTIONS
};

/** What a row looks at. */
enum scsi_rule_kind {
    SCSI_BY_RESPONSE, /**< a: response, unless that is OK */
    SCSI_BY_SHORTAGE, /**< GOOD, but less was transferred than the command had to */
    SCSI_BY_DEFERRED, /**< a, b, c: key, asc, ascq of an earlier command */
    SCSI_BY_SENSE,    /**< the same of this one */
    SCSI_BY_STATUS,   /**< a: status, where no sense data came */
};

#define SCSI_ANY 0x100u

struct scsi_rule {
    uint8_t kind;       /**< enum scsi_rule_kind */
    uint16_t a, b, c;   /**< or SCSI_ANY */
    uint8_t action;     /**< enum scsi_action */
    uint8_t status;     /**< enum vst_status: how it ends unless it is given again */
    uint16_t n_retries; /**< how often at most, in a row */
    uint16_t delay_ms;  /**< before each */
};

extern const struct scsi_rule vst_scsi_rules[];
extern const size_t vst_scsi_n_rules;

/** The outcome of a command, as far as it matters here. */
struct scsi_answer {
    uint8_t response; /**< enum vst_scsi_response */
    uint8_t status;   /**< enum vst_scsi_status; looked at if the response is OK */
    bool is_short;    /**< fewer bytes went than had to: of commands with data of a fixed length */
    const struct vst_scsi_sense *sense; /**< looked at with CHECK CONDITION; NULL: none came */
};

/** Which row decides; there is one for whatever the device says. */
const struct scsi_rule *vst_scsi_rule(const struct scsi_answer *answer);

/** How often a command has been given again. All zero at first; the caller keeps it. */
struct scsi_tries {
    const struct scsi_rule *last;
    uint16_t n_in_a_row, n_all;
};

/** Whatever rows take turns: a command is not given more often than that. */
#define SCSI_MOST_TRIES 1000u

struct scsi_decision {
    enum scsi_action action;
    bool again; /**< to be given again once the action is done, delay_ms from now */
    uint32_t delay_ms;
    enum vst_status status; /**< else: how it ends; VST_OK with SCSI_DONE only */
};

/** Decides, and counts in *tries. */
struct scsi_decision vst_scsi_decide(const struct scsi_answer *answer, struct scsi_tries *tries);

/** "done", "start unit", ...; "unknown" for what is no action. */
const char *vst_scsi_action_name(unsigned action);

/* ------------------------------------------------------------------ commands at a time */

/**
 * How many commands a unit is given at a time. TASK SET FULL brings that down to what it had taken;
 * as many good answers in a row bring it up by one. (SAM-5, 5.3.1)
 */
struct scsi_depth {
    uint16_t most; /**< ever */
    uint16_t now;  /**< 1 to most */
    uint16_t n_good;
};

static inline struct scsi_depth scsi_depth_of(uint16_t most)
{
    return (struct scsi_depth){.most = most > 0 ? most : 1, .now = most > 0 ? most : 1};
}

/** It was full; `n_in_flight` does not count the command that it refused. */
void vst_scsi_depth_full(struct scsi_depth *depth, uint16_t n_in_flight);
/** A good answer. Costs nothing to speak of while depth->now == depth->most. */
static inline void scsi_depth_good(struct scsi_depth *depth)
{
    if (VST_LIKELY(depth->now == depth->most) || ++depth->n_good < depth->now)
        return;
    depth->n_good = 0;
    depth->now++;
}

#endif
