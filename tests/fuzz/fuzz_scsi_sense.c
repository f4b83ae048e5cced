/* SPDX-License-Identifier: BSD-2-Clause */
/* Response, status and sense data, all the fuzzer's: what is parsed makes sense, something is decided
 * about it, and giving it again comes to an end. */
#include "scsi/policy.h"
#include "tests/fuzz/fuzz_scsi.h"

static void check_sense(const struct vst_scsi_sense *sense)
{
    char text[VST_SCSI_SENSE_TEXT_BYTES];

    FUZZ_CHECK(sense->key < VST_SCSI_N_KEYS);
    FUZZ_CHECK(sense->has_information || sense->information == 0);
    FUZZ_CHECK(sense->is_descriptor || sense->information <= UINT32_MAX);
    FUZZ_CHECK(!sense->has_field || sense->key == VST_SCSI_ILLEGAL_REQUEST || sense->is_descriptor);
    FUZZ_CHECK(vst_scsi_sense_text(sense, text, sizeof(text)) < sizeof(text));
    fuzz_check_text(text, sizeof(text));
}

static void check_decisions(const struct scsi_answer *answer)
{
    struct scsi_tries tries = {0};
    struct scsi_decision decision;
    unsigned n = 0;

    do {
        decision = vst_scsi_decide(answer, &tries);
        FUZZ_CHECK(decision.action < SCSI_N_ACTIONS && decision.status < VST_N_STATUS);
        FUZZ_CHECK((decision.action == SCSI_DONE) == (decision.status == VST_OK));
        FUZZ_CHECK(decision.action != SCSI_DONE || !answer->is_short);
        FUZZ_CHECK(n++ <= SCSI_MOST_TRIES);
    } while (decision.again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_input input = {data, bytes};
    struct vst_scsi_sense sense;
    struct scsi_answer answer = {.sense = &sense};
    uint8_t how = fuzz_u8(&input);

    answer.is_short = how & 1;
    answer.response = how & 2 ? fuzz_u8(&input) : 0;
    answer.status = how & 4 ? fuzz_u8(&input) : VST_SCSI_CHECK_CONDITION;
    struct scsi_view received = fuzz_received(input.at, input.left);
    enum vst_status status = vst_scsi_sense_parse(received.at, received.bytes, &sense);
    FUZZ_CHECK(status == VST_OK || status == VST_ERR_MALFORMED);
    FUZZ_CHECK(sense.valid == (status == VST_OK));
    check_sense(&sense);
    check_decisions(&answer);
    fuzz_received_free(received);
    return 0;
}
