/* SPDX-License-Identifier: BSD-2-Clause */
#include "scsi/recovery.h"

#include <vstor/log.h>

#include "scsi/cdb.h"

#define NS_PER_MS        1000000ull
#define START_TIMEOUT_NS 30000000000ull
#define CLOSE_NS         30000000000ull /* until an adapter has been reset, or is out of service */
#define CLOSE_BATCH      16u

/** Whose scsi_recovery.command is. */
enum command_state {
    COMMAND_FREE,
    COMMAND_OUT,  /**< the adapter's */
    COMMAND_BACK, /**< its outcome has not been looked at */
};

void vst_scsi_recovery_init(struct scsi_recovery *r, struct vst_scsi_hba *hba,
                            struct vst_scsi_nexus nexus, const char *name)
{
    *r = (struct scsi_recovery){.hba = hba, .nexus = nexus, .name = name};
    r->times = vst_scsi_escalation_times_within(hba->timeout_ns);
    vst_scsi_escalation_init(&r->escalation, &r->times);
}

static uint64_t now_ns(const struct scsi_recovery *r)
{
    return r->hba->platform->time_ns(r->hba->platform->ctx);
}

static uint32_t n_late(const struct scsi_recovery *r)
{
    return __atomic_load_n(&r->n_late, __ATOMIC_ACQUIRE);
}

static uint8_t command_state(const struct scsi_recovery *r)
{
    return __atomic_load_n(&r->command_state, __ATOMIC_ACQUIRE);
}

static void set_command_state(struct scsi_recovery *r, enum command_state state)
{
    __atomic_store_n(&r->command_state, (uint8_t)state, __ATOMIC_RELEASE);
}

bool vst_scsi_recovery_late(struct scsi_recovery *r)
{
    __atomic_fetch_add(&r->n_late, 1, __ATOMIC_RELAXED);
    return scsi_recovery_health(r) != SCSI_UNIT_GIVEN_UP;
}

void vst_scsi_recovery_returned(struct scsi_recovery *r)
{
    __atomic_fetch_sub(&r->n_late, 1, __ATOMIC_RELEASE);
}

void vst_scsi_recovery_ask(struct scsi_recovery *r, enum scsi_errand what)
{
    __atomic_fetch_or(&r->to_do, what, __ATOMIC_RELEASE);
}

bool vst_scsi_recovery_is_quiet(const struct scsi_recovery *r)
{
    return scsi_recovery_health(r) != SCSI_UNIT_SILENT && n_late(r) == 0 &&
           __atomic_load_n(&r->to_do, __ATOMIC_ACQUIRE) == 0 && command_state(r) == COMMAND_FREE &&
           !__atomic_load_n(&r->function_out, __ATOMIC_ACQUIRE);
}

/* ------------------------------------------------------------------ where it stands */

static void set_health(struct scsi_recovery *r, enum scsi_unit_health health)
{
    if (scsi_recovery_health(r) == health)
        return;
    __atomic_store_n(&r->health, (uint8_t)health, __ATOMIC_RELEASE);
    if (r->changed != NULL)
        r->changed(r);
}

/** A step has begun: the one that the escalation stands at. */
static void note_step(struct scsi_recovery *r)
{
    const struct scsi_escalation *e = &r->escalation;
    const struct vst_platform *platform = r->hba->platform;

    r->begun = false;
    if (e->step == SCSI_STEP_NONE) {
        vst_log(platform, VST_LOG_WARNING, "%s: answers again after: %s", r->name,
                vst_scsi_step_name(e->mended));
        set_health(r, SCSI_UNIT_WELL);
        return;
    }
    vst_log(platform, e->step == SCSI_STEP_GIVEN_UP ? VST_LOG_ERROR : VST_LOG_WARNING,
            "%s: %lu commands not answered in time: %s", r->name, (unsigned long)n_late(r),
            vst_scsi_step_name(e->step));
    set_health(r, e->step == SCSI_STEP_GIVEN_UP ? SCSI_UNIT_GIVEN_UP : SCSI_UNIT_SILENT);
}

static void answer(struct scsi_recovery *r, enum scsi_step_answer what)
{
    bool was_checking = r->escalation.checking;

    (void)vst_scsi_escalation_answer(&r->escalation, what, now_ns(r));
    if (r->escalation.checking && !was_checking)
        return;
    note_step(r);
}

/** All that the adapter had of the unit and that was late is back. */
static bool all_is_back(const struct scsi_recovery *r)
{
    return n_late(r) == 0 && command_state(r) == COMMAND_FREE;
}

/* ------------------------------------------------------------------ functions */

static uint64_t left_ns(const struct scsi_recovery *r)
{
    uint64_t now = now_ns(r);

    return now < r->escalation.deadline_ns ? r->escalation.deadline_ns - now : 1;
}

static enum vst_status start_function(struct scsi_recovery *r, enum vst_scsi_function_kind kind,
                                      uint64_t tag)
{
    r->function = (struct vst_scsi_function){
        .kind = kind,
        .nexus = r->nexus,
        .tag = tag,
        .timeout_ns = r->escalation.step != SCSI_STEP_NONE ? left_ns(r) : 0,
    };
    enum vst_status status = r->hba->ops->manage(r->hba, &r->function);
    if (status == VST_OK) {
        r->begun = true;
        r->function_of = r->escalation.step;
        __atomic_store_n(&r->function_out, true, __ATOMIC_RELEASE);
    }
    return status;
}

/** A step's: an adapter that has no room now has some later. */
static void step_by_function(struct scsi_recovery *r, enum vst_scsi_function_kind kind,
                             uint64_t tag)
{
    enum vst_status status = start_function(r, kind, tag);

    if (status != VST_OK && status != VST_ERR_FULL)
        answer(r, SCSI_STEP_FAILED);
}

/** RESET: the adapter was; then it has let go of everything as well. */
static bool ended_well(const struct vst_scsi_function *function)
{
    return function->response == VST_SCSI_FUNCTION_COMPLETE ||
           function->response == VST_SCSI_FUNCTION_SUCCEEDED ||
           function->response == VST_SCSI_FUNCTION_RESET;
}

/** True if nothing can be done before the function has ended, or because it has failed. */
static bool wait_for_function(struct scsi_recovery *r)
{
    if (!r->function_out)
        return false;
    if (!vst_scsi_function_ended(&r->function))
        return true;
    __atomic_store_n(&r->function_out, false, __ATOMIC_RELEASE);
    if (r->function_of == SCSI_STEP_NONE || r->function_of != r->escalation.step ||
        r->escalation.checking || ended_well(&r->function))
        return false;
    /* A task that ended by itself meanwhile: what did not work was not needed. */
    if (r->function_of == SCSI_STEP_ABORT_TASK && n_late(r) == 0)
        return false;
    answer(r, SCSI_STEP_FAILED);
    return true;
}

/* ------------------------------------------------------------------ commands */

static void command_done(struct vst_scsi_command *command)
{
    struct scsi_recovery *r = command->user;

    if (r->command_is_late)
        vst_scsi_recovery_returned(r);
    set_command_state(r, COMMAND_BACK);
}

static bool command_late(struct vst_scsi_command *command, uint64_t tag)
{
    struct scsi_recovery *r = command->user;

    (void)tag;
    r->command_is_late = true;
    return vst_scsi_recovery_late(r);
}

static enum vst_status start_command(struct scsi_recovery *r, struct vst_scsi_hba_queue *queue,
                                     struct vst_scsi_cdb cdb, uint64_t timeout_ns)
{
    r->command = (struct vst_scsi_command){
        .nexus = r->nexus,
        .cdb_bytes = vst_scsi_cdb_bytes(cdb.bytes[0]),
        .timeout_ns = timeout_ns,
        .done = command_done,
        .late = command_late,
        .user = r,
    };
    __builtin_memcpy(r->command.cdb, cdb.bytes, sizeof(cdb.bytes));
    r->command_is_late = false;
    r->command_queue = queue;
    set_command_state(r, COMMAND_OUT);
    enum vst_status status = r->hba->ops->submit(queue, &r->command);
    if (status == VST_OK)
        r->hba->ops->kick_commands(queue);
    else
        set_command_state(r, COMMAND_FREE);
    return status;
}

static void check(struct scsi_recovery *r, struct vst_scsi_hba_queue *queue)
{
    enum vst_status status = VST_ERR_FULL;

    switch (command_state(r)) {
    case COMMAND_FREE:
        status = start_command(r, queue, vst_scsi_test_unit_ready(),
                               r->escalation.times->check_ms * NS_PER_MS);
        if (status != VST_OK && status != VST_ERR_FULL)
            answer(r, SCSI_STEP_FAILED);
        return;
    case COMMAND_BACK:
        set_command_state(r, COMMAND_FREE);
        switch (r->command.outcome.response) {
        case VST_SCSI_RESPONSE_OK:
        case VST_SCSI_RESPONSE_BAD_TARGET: /* nothing is left that could be mended */
            answer(r, SCSI_STEP_DONE);
            return;
        case VST_SCSI_RESPONSE_ABORTED: /* a function came in late: asked again */
        case VST_SCSI_RESPONSE_RESET:
        case VST_SCSI_RESPONSE_BUSY:
            return;
        default:
            answer(r, SCSI_STEP_FAILED);
            return;
        }
    default:
        return;
    }
}

/* ------------------------------------------------------------------ steps */

static void abort_tasks(struct scsi_recovery *r, struct vst_scsi_hba_queue *queue)
{
    uint64_t tag;

    if (all_is_back(r))
        answer(r, SCSI_STEP_DONE);
    else if (r->hba->ops->next_late(queue, r->nexus, &tag))
        step_by_function(r, VST_SCSI_ABORT_TASK, tag);
}

static void reset_by(struct scsi_recovery *r, enum vst_scsi_function_kind kind)
{
    if (!r->begun)
        step_by_function(r, kind, 0);
    else if (all_is_back(r))
        answer(r, SCSI_STEP_DONE);
}

static void reset_adapter(struct scsi_recovery *r, struct vst_scsi_hba_queue *queue)
{
    if (!r->begun) {
        r->begun = true;
        r->hba->ops->reset(queue, "a unit does not answer");
    } else if (all_is_back(r)) {
        answer(r, SCSI_STEP_DONE);
    }
}

/** What was late must come back all the same. */
static void after_the_end(struct scsi_recovery *r, struct vst_scsi_hba_queue *queue)
{
    if (r->begun || all_is_back(r))
        return;
    r->begun = true;
    r->hba->ops->reset(queue, "a unit is given up");
}

static void take_step(struct scsi_recovery *r, struct vst_scsi_hba_queue *queue)
{
    if (r->escalation.checking) {
        check(r, queue);
        return;
    }
    if (command_state(r) == COMMAND_BACK) /* of a check that was given up */
        set_command_state(r, COMMAND_FREE);
    switch (r->escalation.step) {
    case SCSI_STEP_RETRY: /* the adapter rings its doorbells again by itself */
        if (all_is_back(r))
            answer(r, SCSI_STEP_DONE);
        break;
    case SCSI_STEP_ABORT_TASK:
        abort_tasks(r, queue);
        break;
    case SCSI_STEP_LUN_RESET:
        reset_by(r, VST_SCSI_LOGICAL_UNIT_RESET);
        break;
    case SCSI_STEP_NEXUS_RESET:
        reset_by(r, VST_SCSI_I_T_NEXUS_RESET);
        break;
    case SCSI_STEP_HBA_RESET:
        reset_adapter(r, queue);
        break;
    default:
        after_the_end(r, queue);
        break;
    }
}

/* ------------------------------------------------------------------ errands */

static bool take_errand(struct scsi_recovery *r, enum scsi_errand what)
{
    return (__atomic_fetch_and(&r->to_do, ~(uint32_t)what, __ATOMIC_ACQUIRE) & what) != 0;
}

static void do_errands(struct scsi_recovery *r, struct vst_scsi_hba_queue *queue)
{
    if (command_state(r) == COMMAND_BACK)
        set_command_state(r, COMMAND_FREE);
    if (!r->function_out && take_errand(r, SCSI_ERRAND_CLEAR_ACA) &&
        start_function(r, VST_SCSI_CLEAR_ACA, 0) == VST_ERR_FULL)
        vst_scsi_recovery_ask(r, SCSI_ERRAND_CLEAR_ACA);
    if (command_state(r) == COMMAND_FREE && take_errand(r, SCSI_ERRAND_START) &&
        start_command(r, queue, vst_scsi_start_stop_unit(SCSI_START, true), START_TIMEOUT_NS) ==
            VST_ERR_FULL)
        vst_scsi_recovery_ask(r, SCSI_ERRAND_START);
}

static void begin(struct scsi_recovery *r)
{
    bool reset = take_errand(r, SCSI_ERRAND_RESET);

    if (!reset && n_late(r) == 0)
        return;
    (void)vst_scsi_escalation_begin(&r->escalation, now_ns(r));
    while (reset && r->escalation.step < SCSI_STEP_LUN_RESET)
        (void)vst_scsi_escalation_answer(&r->escalation, SCSI_STEP_FAILED, now_ns(r));
    note_step(r);
}

/** An adapter that is out of service ends everything by itself. */
static bool is_beyond_help(struct scsi_recovery *r)
{
    if (!__atomic_load_n(&r->hba->broken, __ATOMIC_ACQUIRE))
        return false;
    if (command_state(r) == COMMAND_BACK)
        set_command_state(r, COMMAND_FREE);
    if (r->function_out && vst_scsi_function_ended(&r->function))
        __atomic_store_n(&r->function_out, false, __ATOMIC_RELEASE);
    __atomic_store_n(&r->to_do, 0, __ATOMIC_RELAXED);
    r->escalation.step = SCSI_STEP_GIVEN_UP;
    r->escalation.checking = false;
    set_health(r, SCSI_UNIT_GIVEN_UP);
    return true;
}

static void go_on(struct scsi_recovery *r, struct vst_scsi_hba_queue *queue)
{
    if (is_beyond_help(r))
        return;
    if (r->escalation.step == SCSI_STEP_NONE)
        begin(r);
    else if (vst_scsi_escalation_tick(&r->escalation, now_ns(r)))
        note_step(r);
    if (wait_for_function(r))
        return;
    if (r->escalation.step != SCSI_STEP_NONE)
        take_step(r, queue);
    else
        do_errands(r, queue);
}

void vst_scsi_recovery_attend(struct scsi_recovery *r, struct vst_scsi_hba_queue *queue)
{
    if (__atomic_exchange_n(&r->busy, true, __ATOMIC_ACQUIRE))
        return;
    r->hba->ops->look(r->hba);
    go_on(r, queue);
    __atomic_store_n(&r->busy, false, __ATOMIC_RELEASE);
}

bool vst_scsi_recovery_needs(const struct scsi_recovery *r, const struct vst_scsi_hba_queue *queue)
{
    return command_state(r) != COMMAND_FREE
               ? r->command_queue == queue
               : scsi_recovery_health(r) == SCSI_UNIT_SILENT && n_late(r) == 0;
}

bool vst_scsi_recovery_close(struct scsi_recovery *r, struct vst_scsi_hba_queue *queue)
{
    const struct vst_platform *platform = r->hba->platform;
    uint64_t start_ns = now_ns(r);
    uint64_t most_ns = vst_scsi_escalation_longest_ms(&r->times) * NS_PER_MS + CLOSE_NS;

    while (!vst_scsi_recovery_is_quiet(r)) {
        if (now_ns(r) - start_ns > most_ns)
            return false;
        vst_scsi_recovery_attend(r, queue);
        if (r->hba->ops->poll_commands(queue, CLOSE_BATCH) == 0)
            platform->relax(platform->ctx);
    }
    return true;
}
