/* SPDX-License-Identifier: BSD-2-Clause */
#include "scsi/crowd.h"

#include "scsi/cdb.h"
#include "scsi/run.h"

#define NS_PER_MS      1000000ull
#define ASK_TIMEOUT_NS 10000000000ull
#define MOST_NS        120000000000ull
#define PATIENCE_MS    2000u
#define POLL_BATCH     64u

static uint64_t now_ns(const struct scsi_crowd *crowd)
{
    const struct vst_platform *platform = crowd->queue->hba->platform;

    return platform->time_ns(platform->ctx);
}

/* ------------------------------------------------------------------ open, close */

static size_t shared_bytes(const struct scsi_crowd *crowd)
{
    return (size_t)crowd->n_calls * crowd->bytes_each;
}

static bool share(struct scsi_crowd *crowd)
{
    const struct vst_platform *platform = crowd->queue->hba->platform;
    uint64_t bus_addr;
    uint8_t *shared =
        platform->alloc(platform->ctx, shared_bytes(crowd), 4096, VST_MEMORY_SHARED, &bus_addr);

    for (uint16_t i = 0; shared != NULL && i < crowd->n_calls; i++) {
        crowd->calls[i].hba = crowd->queue->hba;
        crowd->calls[i].shared = shared + (size_t)i * crowd->bytes_each;
    }
    return shared != NULL;
}

struct scsi_crowd *vst_scsi_crowd_open(struct vst_scsi_hba *hba, uint16_t n_calls,
                                       uint32_t bytes_each)
{
    const struct vst_platform *platform = hba->platform;
    size_t head_bytes = sizeof(struct scsi_crowd) + n_calls * sizeof(struct scsi_call);
    struct scsi_crowd *crowd =
        platform->alloc(platform->ctx, head_bytes + bytes_each, 64, VST_MEMORY_PRIVATE, NULL);

    if (crowd == NULL)
        return NULL;
    crowd->queue = hba->queues[0];
    crowd->n_calls = n_calls;
    crowd->bytes_each = bytes_each;
    crowd->n_bytes = head_bytes + bytes_each;
    crowd->bytes = (uint8_t *)crowd + head_bytes;
    crowd->patience_ms = PATIENCE_MS;
    crowd->end_ns = now_ns(crowd) + MOST_NS;
    if (share(crowd))
        return crowd;
    platform->free(platform->ctx, crowd, crowd->n_bytes, VST_MEMORY_PRIVATE);
    return NULL;
}

void vst_scsi_crowd_close(struct scsi_crowd *crowd)
{
    const struct vst_scsi_hba *hba = crowd->queue->hba;
    const struct vst_platform *platform = hba->platform;

    /* An adapter that failed or is gone may not have let go of it. */
    if (!hba->keeps_memory)
        platform->free(platform->ctx, crowd->calls[0].shared, shared_bytes(crowd),
                       VST_MEMORY_SHARED);
    platform->free(platform->ctx, crowd, crowd->n_bytes, VST_MEMORY_PRIVATE);
}

/* ------------------------------------------------------------------ questions */

static void note_end(struct vst_scsi_command *command)
{
    struct scsi_call *call = command->user;

    if (call->was_late)
        vst_scsi_recovery_returned(&call->recovery);
    call->state = SCSI_CALL_ENDED;
}

static bool note_late(struct vst_scsi_command *command, uint64_t tag)
{
    struct scsi_call *call = command->user;

    (void)tag;
    call->was_late = true;
    vst_scsi_recovery_init(&call->recovery, call->hba, command->nexus, call->hba->path);
    call->recovery.times.check_ms = 0; /* that the command comes back is all that is wanted */
    return vst_scsi_recovery_late(&call->recovery);
}

void vst_scsi_call_ask(struct scsi_call *call, const struct vst_scsi_nexus *nexus,
                       struct vst_scsi_cdb cdb, uint32_t bytes)
{
    struct vst_scsi_command *command = &call->command;

    call->segment = (struct vst_block_segment){call->shared, bytes};
    command->nexus = *nexus;
    __builtin_memset(command->cdb, 0, sizeof(command->cdb));
    __builtin_memcpy(command->cdb, cdb.bytes, sizeof(cdb.bytes));
    command->cdb_bytes = vst_scsi_cdb_bytes(cdb.bytes[0]);
    command->n_in = bytes > 0;
    command->in = &call->segment;
    command->timeout_ns = ASK_TIMEOUT_NS;
    command->done = note_end;
    command->late = note_late;
    command->user = call;
    call->tries = (struct scsi_tries){0};
    call->was_late = false;
    call->waited_ms = 0;
    call->again_ns = 0;
    call->state = SCSI_CALL_ASKS;
}

static void tell(struct scsi_crowd *crowd, struct scsi_call *call, enum vst_status status)
{
    size_t n = status == VST_OK ? call->segment.bytes - call->command.outcome.residual_bytes : 0;

    call->state = SCSI_CALL_IDLE;
    crowd->answered(crowd, call, status, scsi_copy_out(crowd->bytes, call->shared, n));
}

static void give(struct scsi_crowd *crowd, struct scsi_call *call)
{
    enum vst_status status = crowd->status;

    if (call->again_ns != 0 && now_ns(crowd) < call->again_ns && status == VST_OK)
        return;
    if (status == VST_OK)
        status = crowd->queue->hba->ops->submit(crowd->queue, &call->command);
    if (status == VST_ERR_FULL) /* that passes: every command ends, by its answer or by a reset */
        return;
    if (status == VST_OK) {
        call->state = SCSI_CALL_WAITS;
        return;
    }
    if (status == VST_ERR_BROKEN || status == VST_ERR_GONE)
        crowd->status = status;
    tell(crowd, call, status);
}

static struct scsi_decision decide(struct scsi_call *call)
{
    const struct vst_scsi_outcome *outcome = &call->command.outcome;

    return vst_scsi_decide_on(outcome, call->was_late, &call->tries);
}

static void end(struct scsi_crowd *crowd, struct scsi_call *call)
{
    struct scsi_decision decision = decide(call);

    if (decision.action == SCSI_DONE) {
        tell(crowd, call, VST_OK);
        return;
    }
    if (!decision.again || decision.delay_ms > crowd->patience_ms - call->waited_ms ||
        crowd->status != VST_OK) {
        tell(crowd, call, decision.status);
        return;
    }
    call->waited_ms += decision.delay_ms;
    call->was_late = false;
    call->again_ns = decision.delay_ms > 0 ? now_ns(crowd) + decision.delay_ms * NS_PER_MS : 0;
    call->state = SCSI_CALL_ASKS;
}

/** A command that was not answered in time, or what was done about it, is not over. */
static bool is_being_brought_back(struct scsi_crowd *crowd, struct scsi_call *call)
{
    bool is_out = call->state == SCSI_CALL_WAITS || call->state == SCSI_CALL_ENDED;

    if (!call->was_late || !is_out ||
        (call->state == SCSI_CALL_ENDED && vst_scsi_recovery_is_quiet(&call->recovery)))
        return false;
    vst_scsi_recovery_attend(&call->recovery, crowd->queue);
    return true;
}

/** Does what there is to do for one; false if that is nothing, now and later. */
static bool attend(struct scsi_crowd *crowd, struct scsi_call *call)
{
    if (is_being_brought_back(crowd, call))
        return true;
    if (call->state == SCSI_CALL_ENDED)
        end(crowd, call);
    if (call->state == SCSI_CALL_IDLE && crowd->status == VST_OK)
        (void)crowd->begin(crowd, call);
    if (call->state == SCSI_CALL_ASKS)
        give(crowd, call);
    return call->state != SCSI_CALL_IDLE;
}

enum vst_status vst_scsi_crowd_run(struct scsi_crowd *crowd)
{
    const struct vst_scsi_hba_ops *ops = crowd->queue->hba->ops;
    const struct vst_platform *platform = crowd->queue->hba->platform;
    unsigned n_busy;

    do {
        n_busy = 0;
        for (uint16_t i = 0; i < crowd->n_calls; i++)
            n_busy += attend(crowd, &crowd->calls[i]);
        ops->kick_commands(crowd->queue);
        if (n_busy > 0 && ops->poll_commands(crowd->queue, POLL_BATCH) == 0)
            platform->relax(platform->ctx);
        if (crowd->status == VST_OK && now_ns(crowd) > crowd->end_ns)
            crowd->status = VST_ERR_TIMEOUT;
    } while (n_busy > 0);
    ops->rest_commands(crowd->queue);
    return crowd->status;
}
