/* SPDX-License-Identifier: BSD-2-Clause */
#include "scsi/policy.h"

/* clang-format off */

/* Words that the rows are short by. */
#define VST_SCSI_RESPONSE_ANY SCSI_ANY
#define VST_SCSI_ANY          SCSI_ANY
#define ANY                   SCSI_ANY

#define ROW(kind, a, b, c, action, status, n_retries, delay_ms)                                    \
    {                                                                                              \
        kind, a, b, c, SCSI_##action, VST_##status, n_retries, delay_ms                            \
    }
#define RESPONSE(a, ...) \
    ROW(SCSI_BY_RESPONSE, VST_SCSI_RESPONSE_##a, ANY, ANY, __VA_ARGS__)
#define SHORTAGE(...)                 ROW(SCSI_BY_SHORTAGE, ANY, ANY, ANY, __VA_ARGS__)
#define DEFERRED(key, asc, ascq, ...) ROW(SCSI_BY_DEFERRED, VST_SCSI_##key, asc, ascq, __VA_ARGS__)
#define SENSE(key, asc, ascq, ...)    ROW(SCSI_BY_SENSE, VST_SCSI_##key, asc, ascq, __VA_ARGS__)
#define STATUS(a, ...)                ROW(SCSI_BY_STATUS, VST_SCSI_##a, ANY, ANY, __VA_ARGS__)

/*
 * What it is about; what is done; how the command ends if it is not given again; how often it is at
 * most, and after how many milliseconds.
 */
const struct scsi_rule vst_scsi_rules[] = {
    /* response */
    RESPONSE(OVERRUN,             NOTHING,         ERR_IO,               0,    0),
    RESPONSE(ABORTED,             NOTHING,         ERR_IO,               5,   10),
    RESPONSE(BAD_TARGET,          UNIT_GONE,       ERR_GONE,             0,    0),
    RESPONSE(RESET,               WAS_RESET,       ERR_RESET,            5,  100),
    RESPONSE(BUSY,                NOTHING,         ERR_NOT_READY,      300,  100),
    RESPONSE(TRANSPORT_FAILURE,   OTHER_PATH,      ERR_IO,               3, 1000),
    RESPONSE(TARGET_FAILURE,      NOTHING,         ERR_IO,               1,  100),
    RESPONSE(NEXUS_FAILURE,       OTHER_PATH,      ERR_IO,               3,  100),
    RESPONSE(FAILURE,             NOTHING,         ERR_IO,               3,  100),
    /* as often as there are steps that may have to be taken before one helps */
    RESPONSE(TIMEOUT,             ESCALATE,        ERR_TIMEOUT,          4,    0),
    RESPONSE(ANY,                 NOTHING,         ERR_MALFORMED,        0,    0),
    /* shortage */
    SHORTAGE(NOTHING,         ERR_IO,               3,    0),
    /* deferred */
    DEFERRED(NO_SENSE,        ANY,  ANY,  NOTHING,         ERR_IO,              16,    0),
    DEFERRED(RECOVERED_ERROR, ANY,  ANY,  NOTHING,         ERR_IO,              16,    0),
    DEFERRED(ANY,             ANY,  ANY,  EARLIER_FAILED,  ERR_IO,              16,    0),
    /* no sense, recovered */
    SENSE(NO_SENSE,        ANY,  ANY,  DONE,            OK,                   0,    0),
    SENSE(RECOVERED_ERROR, ANY,  ANY,  DONE,            OK,                   0,    0),
    /* not ready */
    /* is becoming ready */
    SENSE(NOT_READY,       0x04, 0x01, NOTHING,         ERR_NOT_READY,      120,  500),
    SENSE(NOT_READY,       0x04, 0x02, START_UNIT,      ERR_NOT_READY,        3,  500),
    /* manual intervention */
    SENSE(NOT_READY,       0x04, 0x03, NOTHING,         ERR_NOT_READY,        0,    0),
    /* formatting: takes hours */
    SENSE(NOT_READY,       0x04, 0x04, NOTHING,         ERR_NOT_READY,        0,    0),
    /* rebuild, recalculation, operation, long write, self-test in progress */
    SENSE(NOT_READY,       0x04, 0x05, NOTHING,         ERR_NOT_READY,       60, 1000),
    SENSE(NOT_READY,       0x04, 0x06, NOTHING,         ERR_NOT_READY,       60, 1000),
    SENSE(NOT_READY,       0x04, 0x07, NOTHING,         ERR_NOT_READY,       60, 1000),
    SENSE(NOT_READY,       0x04, 0x08, NOTHING,         ERR_NOT_READY,       60, 1000),
    SENSE(NOT_READY,       0x04, 0x09, NOTHING,         ERR_NOT_READY,       60, 1000),
    /* asymmetric access: in transition, standby, unavailable */
    SENSE(NOT_READY,       0x04, 0x0a, NOTHING,         ERR_NOT_READY,      120,  500),
    SENSE(NOT_READY,       0x04, 0x0b, OTHER_PATH,      ERR_NOT_READY,        0,    0),
    SENSE(NOT_READY,       0x04, 0x0c, OTHER_PATH,      ERR_NOT_READY,        0,    0),
    /* waits for its turn to spin up */
    SENSE(NOT_READY,       0x04, 0x11, NOTHING,         ERR_NOT_READY,      120,  500),
    /* offline */
    SENSE(NOT_READY,       0x04, 0x12, OTHER_PATH,      ERR_NOT_READY,        0,    0),
    /* space is being allocated */
    SENSE(NOT_READY,       0x04, 0x14, NOTHING,         ERR_NOT_READY,       60, 1000),
    /* START STOP UNIT in progress */
    SENSE(NOT_READY,       0x04, 0x1a, NOTHING,         ERR_NOT_READY,      120,  500),
    /* being sanitized: takes hours */
    SENSE(NOT_READY,       0x04, 0x1b, NOTHING,         ERR_NOT_READY,        0,    0),
    /* waits for power */
    SENSE(NOT_READY,       0x04, 0x1c, NOTHING,         ERR_NOT_READY,      120,  500),
    /* wants to be reset */
    SENSE(NOT_READY,       0x04, 0x20, ESCALATE,        ERR_NOT_READY,        2,    0),
    SENSE(NOT_READY,       0x04, 0x21, ESCALATE,        ERR_NOT_READY,        2,    0),
    /* cause not told */
    SENSE(NOT_READY,       0x04, 0x00, NOTHING,         ERR_NOT_READY,       30, 1000),
    SENSE(NOT_READY,       0x04, ANY,  NOTHING,         ERR_NOT_READY,        3,  500),
    /* does not respond */
    SENSE(NOT_READY,       0x05, ANY,  OTHER_PATH,      ERR_NOT_READY,        3,  500),
    /* communication failure */
    SENSE(NOT_READY,       0x08, ANY,  OTHER_PATH,      ERR_IO,               3,  100),
    /* incompatible medium */
    SENSE(NOT_READY,       0x30, ANY,  NOTHING,         ERR_MEDIUM,           0,    0),
    SENSE(NOT_READY,       0x3a, ANY,  NO_MEDIUM,       ERR_NO_MEDIUM,        0,    0),
    /* configures itself */
    SENSE(NOT_READY,       0x3e, 0x00, NOTHING,         ERR_NOT_READY,       60, 1000),
    SENSE(NOT_READY,       ANY,  ANY,  NOTHING,         ERR_NOT_READY,        3,  500),
    /* medium error */
    /* marked bad by a client */
    SENSE(MEDIUM_ERROR,    0x11, 0x14, NOTHING,         ERR_MEDIUM,           0,    0),
    /* nothing was ever recorded there */
    SENSE(MEDIUM_ERROR,    0x13, ANY,  NOTHING,         ERR_MEDIUM,           0,    0),
    SENSE(MEDIUM_ERROR,    0x14, ANY,  NOTHING,         ERR_MEDIUM,           0,    0),
    /* of an unknown format */
    SENSE(MEDIUM_ERROR,    0x30, ANY,  NOTHING,         ERR_MEDIUM,           0,    0),
    /* format corrupted */
    SENSE(MEDIUM_ERROR,    0x31, ANY,  NOTHING,         ERR_MEDIUM,           0,    0),
    /* the unit has tried many times itself */
    SENSE(MEDIUM_ERROR,    ANY,  ANY,  NOTHING,         ERR_MEDIUM,           2,    0),
    /* hardware error */
    SENSE(HARDWARE_ERROR,  0x08, ANY,  OTHER_PATH,      ERR_IO,               3,  100),
    /* the unit has failed */
    SENSE(HARDWARE_ERROR,  0x3e, 0x01, NOTHING,         ERR_IO,               0,    0),
    /* no spare place for a defect */
    SENSE(HARDWARE_ERROR,  0x32, ANY,  NOTHING,         ERR_MEDIUM,           0,    0),
    SENSE(HARDWARE_ERROR,  ANY,  ANY,  NOTHING,         ERR_IO,               2,  100),
    /* illegal request */
    /* protection information does not fit the data */
    SENSE(ILLEGAL_REQUEST, 0x10, ANY,  NOTHING,         ERR_MEDIUM,           0,    0),
    SENSE(ILLEGAL_REQUEST, 0x20, ANY,  NOTHING,         ERR_UNSUPPORTED,      0,    0),
    /* beyond the end: it may have shrunk */
    SENSE(ILLEGAL_REQUEST, 0x21, ANY,  REREAD_CAPACITY, ERR_RANGE,            0,    0),
    SENSE(ILLEGAL_REQUEST, 0x25, ANY,  UNIT_GONE,       ERR_GONE,             0,    0),
    SENSE(ILLEGAL_REQUEST, 0x27, ANY,  REREAD_MODE,     ERR_READ_ONLY,        0,    0),
    /* command sequence error */
    SENSE(ILLEGAL_REQUEST, 0x2c, ANY,  NOTHING,         ERR_IO,               0,    0),
    SENSE(ILLEGAL_REQUEST, 0x30, ANY,  NOTHING,         ERR_MEDIUM,           0,    0),
    SENSE(ILLEGAL_REQUEST, 0x3a, ANY,  NO_MEDIUM,       ERR_NO_MEDIUM,        0,    0),
    /* removal is prevented */
    SENSE(ILLEGAL_REQUEST, 0x53, 0x02, NOTHING,         ERR_NOT_READY,        0,    0),
    /* resources */
    SENSE(ILLEGAL_REQUEST, 0x55, ANY,  NOTHING,         ERR_IO,               3,  100),
    SENSE(ILLEGAL_REQUEST, ANY,  ANY,  NOTHING,         ERR_UNSUPPORTED,      0,    0),
    /* unit attention: first contact brings one, and one after the other may wait */
    /* a changer's slot */
    SENSE(UNIT_ATTENTION,  0x28, 0x01, NOTHING,         ERR_IO,              16,    0),
    SENSE(UNIT_ATTENTION,  0x28, ANY,  MEDIUM_CHANGED,  ERR_MEDIUM_CHANGED,  0,    0),
    SENSE(UNIT_ATTENTION,  0x29, ANY,  WAS_RESET,       ERR_RESET,           16,    0),
    /* log parameters */
    SENSE(UNIT_ATTENTION,  0x2a, 0x02, NOTHING,         ERR_IO,              16,    0),
    /* reservations preempted, released; registrations */
    SENSE(UNIT_ATTENTION,  0x2a, 0x03, WAS_RESET,       ERR_IO,              16,    0),
    SENSE(UNIT_ATTENTION,  0x2a, 0x04, WAS_RESET,       ERR_IO,              16,    0),
    SENSE(UNIT_ATTENTION,  0x2a, 0x05, WAS_RESET,       ERR_IO,              16,    0),
    /* asymmetric access: changed, transition failed */
    SENSE(UNIT_ATTENTION,  0x2a, 0x06, REREAD_PATHS,    ERR_IO,              16,    0),
    SENSE(UNIT_ATTENTION,  0x2a, 0x07, REREAD_PATHS,    ERR_IO,              16,    0),
    /* priority */
    SENSE(UNIT_ATTENTION,  0x2a, 0x08, NOTHING,         ERR_IO,              16,    0),
    /* capacity: blocks may be others, too; time to find that out before a write is given again */
    SENSE(UNIT_ATTENTION,  0x2a, 0x09, REREAD_CAPACITY, ERR_IO,              16,  200),
    /* error history */
    SENSE(UNIT_ATTENTION,  0x2a, 0x0a, NOTHING,         ERR_IO,              16,    0),
    /* timestamp */
    SENSE(UNIT_ATTENTION,  0x2a, 0x10, NOTHING,         ERR_IO,              16,    0),
    SENSE(UNIT_ATTENTION,  0x2a, ANY,  REREAD_MODE,     ERR_IO,              16,    0),
    /* commands cleared by somebody else */
    SENSE(UNIT_ATTENTION,  0x2f, ANY,  NOTHING,         ERR_IO,              16,    0),
    /* thin provisioning: nearly full */
    SENSE(UNIT_ATTENTION,  0x38, ANY,  NOTHING,         ERR_IO,              16,    0),
    SENSE(UNIT_ATTENTION,  0x3a, ANY,  NO_MEDIUM,       ERR_NO_MEDIUM,        0,    0),
    SENSE(UNIT_ATTENTION,  0x3f, 0x0e, RESCAN,          ERR_IO,              16,    0),
    /* microcode, operating definition, INQUIRY data, identifier */
    SENSE(UNIT_ATTENTION,  0x3f, 0x01, REREAD_IDENTITY, ERR_IO,              16,    0),
    SENSE(UNIT_ATTENTION,  0x3f, 0x02, REREAD_IDENTITY, ERR_IO,              16,    0),
    SENSE(UNIT_ATTENTION,  0x3f, 0x03, REREAD_IDENTITY, ERR_IO,              16,    0),
    SENSE(UNIT_ATTENTION,  0x3f, 0x05, REREAD_IDENTITY, ERR_IO,              16,    0),
    SENSE(UNIT_ATTENTION,  ANY,  ANY,  NOTHING,         ERR_IO,              16,    0),
    /* data protect */
    /* thin provisioning: full */
    SENSE(DATA_PROTECT,    0x27, 0x07, NOTHING,         ERR_NO_SPACE,         0,    0),
    SENSE(DATA_PROTECT,    ANY,  ANY,  REREAD_MODE,     ERR_READ_ONLY,        0,    0),
    /* blank check, vendor specific, copy aborted */
    SENSE(BLANK_CHECK,     ANY,  ANY,  NOTHING,         ERR_MEDIUM,           0,    0),
    SENSE(VENDOR_SPECIFIC, ANY,  ANY,  NOTHING,         ERR_IO,               1,    0),
    SENSE(COPY_ABORTED,    ANY,  ANY,  NOTHING,         ERR_IO,               0,    0),
    /* aborted command */
    /* protection information does not fit the data */
    SENSE(ABORTED_COMMAND, 0x10, ANY,  NOTHING,         ERR_MEDIUM,           2,    0),
    /* overlapped commands: it knows some that nobody waits for */
    SENSE(ABORTED_COMMAND, 0x4e, ANY,  ESCALATE,        ERR_IO,               2,    0),
    /* resources */
    SENSE(ABORTED_COMMAND, 0x55, ANY,  NOTHING,         ERR_IO,              30,  100),
    SENSE(ABORTED_COMMAND, ANY,  ANY,  NOTHING,         ERR_IO,               3,   10),
    /* reserved, volume overflow, miscompare, completed */
    SENSE(VOLUME_OVERFLOW, ANY,  ANY,  NOTHING,         ERR_RANGE,            0,    0),
    SENSE(MISCOMPARE,      ANY,  ANY,  NOTHING,         ERR_MISCOMPARE,       0,    0),
    SENSE(COMPLETED,       ANY,  ANY,  DONE,            OK,                   0,    0),
    SENSE(ANY,             ANY,  ANY,  NOTHING,         ERR_IO,               0,    0),
    /* status */
    STATUS(GOOD,                DONE,            OK,                   0,    0),
    STATUS(CONDITION_MET,       DONE,            OK,                   0,    0),
    /* and no sense data, or none that can be read */
    STATUS(CHECK_CONDITION,     NOTHING,         ERR_IO,               3,    0),
    STATUS(BUSY,                NOTHING,         ERR_NOT_READY,      300,  100),
    STATUS(TASK_SET_FULL,       FEWER,           ERR_NOT_READY,      300,  100),
    STATUS(RESERVATION_CONFLICT, NOTHING,         ERR_RESERVED,         0,    0),
    STATUS(ACA_ACTIVE,          CLEAR_ACA,       ERR_IO,               3,    0),
    STATUS(TASK_ABORTED,        NOTHING,         ERR_IO,               5,   10),
    STATUS(ANY,                 NOTHING,         ERR_MALFORMED,        0,    0),
};
/* clang-format on */

const size_t vst_scsi_n_rules = VST_ARRAY_LENGTH(vst_scsi_rules);

static bool fits(uint16_t wanted, unsigned value)
{
    return wanted == SCSI_ANY || wanted == value;
}

const struct scsi_rule *vst_scsi_rule(const struct scsi_answer *answer)
{
    const struct vst_scsi_sense *sense = answer->sense;
    struct scsi_rule seen = {.kind = SCSI_BY_STATUS, .a = answer->status};
    const struct scsi_rule *rule = vst_scsi_rules;

    if (answer->response != VST_SCSI_RESPONSE_OK) {
        seen = (struct scsi_rule){.kind = SCSI_BY_RESPONSE, .a = answer->response};
    } else if (answer->status == VST_SCSI_CHECK_CONDITION && sense != NULL && sense->valid) {
        seen = (struct scsi_rule){.kind = sense->deferred ? SCSI_BY_DEFERRED : SCSI_BY_SENSE,
                                  .a = sense->key,
                                  .b = sense->asc,
                                  .c = sense->ascq};
    }
    /* Each kind ends with a row that fits everything. */
    while (rule->kind != seen.kind || !fits(rule->a, seen.a) || !fits(rule->b, seen.b) ||
           !fits(rule->c, seen.c))
        rule++;
    if (rule->action == SCSI_DONE && answer->is_short)
        for (rule = vst_scsi_rules; rule->kind != SCSI_BY_SHORTAGE; rule++)
            ;
    return rule;
}

struct scsi_decision vst_scsi_decide(const struct scsi_answer *answer, struct scsi_tries *tries)
{
    const struct scsi_rule *rule = vst_scsi_rule(answer);

    if (rule != tries->last)
        tries->n_in_a_row = 0;
    tries->last = rule;
    struct scsi_decision decision = {
        .action = (enum scsi_action)rule->action,
        .again = tries->n_in_a_row < rule->n_retries && tries->n_all < SCSI_MOST_TRIES,
        .delay_ms = rule->delay_ms,
        .status = (enum vst_status)rule->status,
    };
    if (decision.again) {
        tries->n_in_a_row++;
        tries->n_all++;
    }
    return decision;
}

const char *vst_scsi_action_name(unsigned action)
{
    static const char *const names[SCSI_N_ACTIONS] = {
        [SCSI_DONE] = "done",
        [SCSI_NOTHING] = "nothing",
        [SCSI_FEWER] = "fewer at a time",
        [SCSI_REREAD_CAPACITY] = "read capacity",
        [SCSI_REREAD_MODE] = "read mode",
        [SCSI_REREAD_IDENTITY] = "read identity",
        [SCSI_REREAD_PATHS] = "read path states",
        [SCSI_RESCAN] = "rescan",
        [SCSI_WAS_RESET] = "was reset",
        [SCSI_MEDIUM_CHANGED] = "medium changed",
        [SCSI_NO_MEDIUM] = "no medium",
        [SCSI_START_UNIT] = "start unit",
        [SCSI_CLEAR_ACA] = "clear ACA",
        [SCSI_OTHER_PATH] = "other path",
        [SCSI_UNIT_GONE] = "unit gone",
        [SCSI_EARLIER_FAILED] = "earlier write failed",
        [SCSI_ESCALATE] = "escalate",
    };

    return action < SCSI_N_ACTIONS ? names[action] : "unknown";
}

void vst_scsi_depth_full(struct scsi_depth *depth, uint16_t n_in_flight)
{
    uint16_t taken = n_in_flight > 0 ? n_in_flight : 1;

    depth->n_good = 0;
    if (taken < depth->now)
        depth->now = taken;
}
