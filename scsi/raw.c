/* SPDX-License-Identifier: BSD-2-Clause */
/* Any command, for any unit, and what its outcome means. */
#include <vstor/log.h>
#include <vstor/scsi_raw.h>

#include "scsi/policy.h"
#include "scsi/units.h"

/** Of how it ended; the table's words if the adapter or the status say it. */
static void describe(const struct vst_scsi_outcome *outcome, struct vst_scsi_verdict *verdict)
{
    verdict->text[0] = '\0';
    if (outcome->response != VST_SCSI_RESPONSE_OK)
        vst_format(verdict->text, sizeof(verdict->text), "%s",
                   vst_scsi_response_name(outcome->response));
    else if (verdict->sense.valid)
        vst_scsi_sense_text(&verdict->sense, verdict->text, sizeof(verdict->text));
    else if (outcome->status != VST_SCSI_GOOD)
        vst_format(verdict->text, sizeof(verdict->text), "%s (%02x)",
                   vst_scsi_status_name(outcome->status), outcome->status);
}

static void judge(struct vst_scsi_unit *unit, const struct vst_scsi_outcome *outcome,
                  struct vst_scsi_verdict *verdict)
{
    struct scsi_answer answer = {.response = (uint8_t)outcome->response, .status = outcome->status};
    struct scsi_tries tries = {0};

    /* Without CHECK CONDITION there may be sense data as well; they decide nothing. */
    if (outcome->response == VST_SCSI_RESPONSE_OK &&
        vst_scsi_sense_parse(outcome->sense, outcome->sense_bytes, &verdict->sense) == VST_OK)
        answer.sense = &verdict->sense;
    struct scsi_decision decision = vst_scsi_decide(&answer, &tries);
    verdict->status = decision.status;
    verdict->again = decision.action != SCSI_DONE && decision.again;
    uint32_t look = vst_scsi_look_after(decision.action);
    if (look != 0)
        vst_scsi_unit_look_again(unit, look);
    describe(outcome, verdict);
}

enum vst_status vst_scsi_unit_run(struct vst_scsi_unit *unit, struct vst_scsi_command *command,
                                  struct vst_scsi_verdict *verdict)
{
    enum vst_status status = VST_ERR_GONE;

    *verdict = (struct vst_scsi_verdict){0};
    command->nexus = unit->nexus;
    if (!unit->gone)
        status = vst_scsi_run(unit->hba->queues[0], command);
    if (status == VST_OK) {
        judge(unit, &command->outcome, verdict);
        return VST_OK;
    }
    verdict->status = status;
    vst_format(verdict->text, sizeof(verdict->text), "%s", vst_status_text(status));
    return status;
}
