/* SPDX-License-Identifier: BSD-2-Clause */
#include "scsi/run.h"

#include "scsi/cdb.h"
#include "scsi/recovery.h"
#include "scsi/units.h"

#define NS_PER_MS      1000000ull
#define ASK_TIMEOUT_NS 10000000000ull
#define POLL_BATCH     64u

/* ------------------------------------------------------------------ one command */

/** A command that somebody waits for, and what is done should it not be answered. */
struct run {
    struct scsi_recovery recovery;
    bool late, ended;
};

static void note_end(struct vst_scsi_command *command)
{
    struct run *run = command->user;

    if (run->late)
        vst_scsi_recovery_returned(&run->recovery);
    run->ended = true;
}

static bool note_late(struct vst_scsi_command *command, uint64_t tag)
{
    struct run *run = command->user;

    (void)tag;
    run->late = true;
    return vst_scsi_recovery_late(&run->recovery);
}

static void wait_for_end(struct run *run, struct vst_scsi_hba_queue *queue)
{
    const struct vst_platform *platform = queue->hba->platform;

    while (!run->ended || !vst_scsi_recovery_is_quiet(&run->recovery)) {
        if (run->late)
            vst_scsi_recovery_attend(&run->recovery, queue);
        if (queue->hba->ops->poll_commands(queue, POLL_BATCH) == 0)
            platform->relax(platform->ctx);
    }
}

enum vst_status vst_scsi_run(struct vst_scsi_hba_queue *queue, struct vst_scsi_command *command)
{
    const struct vst_scsi_hba_ops *ops = queue->hba->ops;
    const struct vst_platform *platform = queue->hba->platform;
    void *user = command->user;
    struct run run = {0};
    enum vst_status status;

    vst_scsi_recovery_init(&run.recovery, queue->hba, command->nexus, queue->hba->path);
    run.recovery.times.check_ms = 0; /* that the command comes back is all that is wanted */
    command->done = note_end;
    command->late = note_late;
    command->user = &run;
    /* A full queue empties: every command ends, by its answer or by a reset. */
    while ((status = ops->submit(queue, command)) == VST_ERR_FULL) {
        if (ops->poll_commands(queue, POLL_BATCH) == 0)
            platform->relax(platform->ctx);
    }
    if (status == VST_OK) {
        ops->kick_commands(queue);
        wait_for_end(&run, queue);
        command->outcome.response =
            (enum vst_scsi_response)vst_scsi_response_in_time(&command->outcome, run.late);
    }
    ops->rest_commands(queue);
    command->user = user;
    return status;
}

static void wait(const struct vst_platform *platform, uint32_t ms)
{
    uint64_t start_ns = platform->time_ns(platform->ctx);

    while (platform->time_ns(platform->ctx) - start_ns < ms * NS_PER_MS)
        platform->relax(platform->ctx);
}

/* Of silence more is not hoped for: each time it takes until a command is late, and more. */
#define MOST_SILENCES 1u

struct scsi_decision vst_scsi_decide_on(const struct vst_scsi_outcome *outcome, bool was_late,
                                        struct scsi_tries *tries)
{
    struct vst_scsi_sense sense;
    struct scsi_answer answer = {
        .response = vst_scsi_response_in_time(outcome, was_late),
        .status = outcome->status,
    };

    if (vst_scsi_sense_parse(outcome->sense, outcome->sense_bytes, &sense) == VST_OK)
        answer.sense = &sense;
    struct scsi_decision decision = vst_scsi_decide(&answer, tries);
    if (answer.response == VST_SCSI_RESPONSE_TIMEOUT && tries->n_in_a_row > MOST_SILENCES)
        decision.again = false;
    return decision;
}

enum vst_status vst_scsi_run_patiently(struct vst_scsi_hba_queue *queue,
                                       struct vst_scsi_command *command, uint32_t patience_ms,
                                       uint32_t *signs)
{
    const struct vst_platform *platform = queue->hba->platform;
    struct scsi_tries tries = {0};

    for (uint32_t waited_ms = 0;;) {
        enum vst_status status = vst_scsi_run(queue, command);
        if (status != VST_OK)
            return status;
        const struct vst_scsi_outcome *outcome = &command->outcome;
        struct scsi_decision decision = vst_scsi_decide_on(outcome, false, &tries);
        *signs |= vst_scsi_look_after(decision.action);
        if (decision.action == SCSI_DONE)
            return command->n_out > 0 && outcome->residual_bytes > 0 ? VST_ERR_IO : VST_OK;
        if (!decision.again || decision.delay_ms > patience_ms - waited_ms)
            return decision.status;
        waited_ms += decision.delay_ms;
        wait(platform, decision.delay_ms);
    }
}

/* ------------------------------------------------------------------ a conversation */

struct scsi_talk *vst_scsi_talk_open(struct vst_scsi_hba *hba)
{
    const struct vst_platform *platform = hba->platform;
    uint64_t bus_addr;
    struct scsi_talk *talk =
        platform->alloc(platform->ctx, sizeof(*talk), 64, VST_MEMORY_PRIVATE, NULL);

    if (talk == NULL)
        return NULL;
    talk->queue = hba->queues[0];
    talk->shared =
        platform->alloc(platform->ctx, SCSI_TALK_BYTES, 4096, VST_MEMORY_SHARED, &bus_addr);
    if (talk->shared != NULL)
        return talk;
    platform->free(platform->ctx, talk, sizeof(*talk), VST_MEMORY_PRIVATE);
    return NULL;
}

void vst_scsi_talk_close(struct scsi_talk *talk)
{
    const struct vst_scsi_hba *hba = talk->queue->hba;
    const struct vst_platform *platform = hba->platform;

    if (!hba->keeps_memory)
        platform->free(platform->ctx, talk->shared, SCSI_TALK_BYTES, VST_MEMORY_SHARED);
    platform->free(platform->ctx, talk, sizeof(*talk), VST_MEMORY_PRIVATE);
}

enum vst_status vst_scsi_talk_to(struct scsi_talk *talk, uint8_t target,
                                 const struct vst_scsi_lun *lun)
{
    const struct vst_scsi_hba_limits *limits = &talk->queue->hba->limits;

    if (target > limits->max_target || (lun->n_levels == 1 && lun->number > limits->max_lun))
        return VST_ERR_INVALID;
    return vst_scsi_nexus_encode(target, lun, talk->nexus.bytes);
}

enum vst_status vst_scsi_ask(struct scsi_talk *talk, struct vst_scsi_cdb cdb, uint32_t bytes,
                             uint32_t patience_ms, struct scsi_view *view)
{
    const struct vst_block_segment segment = {talk->shared, bytes};
    struct vst_scsi_command command = {
        .nexus = talk->nexus,
        .cdb_bytes = vst_scsi_cdb_bytes(cdb.bytes[0]),
        .n_in = bytes > 0,
        .in = &segment,
        .timeout_ns = ASK_TIMEOUT_NS,
    };

    __builtin_memcpy(command.cdb, cdb.bytes, sizeof(cdb.bytes));
    enum vst_status status =
        vst_scsi_run_patiently(talk->queue, &command, patience_ms, &talk->signs);
    *view = scsi_copy_out(talk->bytes, talk->shared,
                          status == VST_OK ? bytes - command.outcome.residual_bytes : 0);
    return status;
}
