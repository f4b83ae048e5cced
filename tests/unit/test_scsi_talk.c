/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Units that do not answer, and short commands, on an adapter that is made up: it takes and refuses what
 * the test says, and ends it when the test says so.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <string.h>

#include "scsi/cdb.h"
#include "scsi/crowd.h"
#include "scsi/run.h"
#include "tests/unit/fake_platform.h"

#define SECOND 1000000000ull
#define MOST   4u
enum { SAM_BUSY = 0x08 };

struct adapter {
    struct fake_platform fake;
    struct vst_scsi_hba hba;
    struct vst_scsi_hba_queue queue, *queues[1];

    /* knobs */
    enum vst_status submits, manages; /* how it answers */
    unsigned n_refused;               /* so many commands are refused, the others taken */
    unsigned n_taken_first;           /* so many are taken before those */
    bool answers;                     /* poll ends a command with: */
    struct vst_scsi_outcome outcome;

    /* what it has, and saw */
    struct vst_scsi_command *commands[MOST];
    unsigned n_out;
    struct vst_scsi_function *function;
    unsigned n_submits, n_functions, n_resets, n_looks, n_polls;
    const char *why;
};

static struct adapter made_up;

static enum vst_status submit(struct vst_scsi_hba_queue *queue, struct vst_scsi_command *command)
{
    struct adapter *a = VST_CONTAINER_OF(queue, struct adapter, queue);

    a->n_submits++;
    if (a->n_submits > a->n_taken_first && a->n_refused > 0) {
        a->n_refused--;
        return a->submits;
    }
    assert_true(a->n_out < MOST);
    a->commands[a->n_out++] = command;
    return VST_OK;
}

static void nothing(struct vst_scsi_hba_queue *queue)
{
    (void)queue;
}

static void end_command(struct adapter *a, enum vst_scsi_response response)
{
    assert_true(a->n_out > 0);
    struct vst_scsi_command *command = a->commands[--a->n_out];
    command->outcome = a->outcome;
    command->outcome.response = response;
    command->done(command);
}

static size_t poll(struct vst_scsi_hba_queue *queue, size_t max)
{
    struct adapter *a = VST_CONTAINER_OF(queue, struct adapter, queue);

    assert_true(max > 0);
    if (++a->n_polls % 2 != 0)
        return 0;
    if (a->answers && a->n_out > 0)
        end_command(a, a->outcome.response);
    return 1; /* of somebody else's */
}

static enum vst_status manage(struct vst_scsi_hba *hba, struct vst_scsi_function *function)
{
    struct adapter *a = VST_CONTAINER_OF(hba, struct adapter, hba);

    a->n_functions++;
    if (a->manages == VST_OK)
        a->function = function;
    return a->manages;
}

static bool next_late(struct vst_scsi_hba_queue *queue, struct vst_scsi_nexus nexus, uint64_t *tag)
{
    (void)queue;
    (void)nexus;
    *tag = 77;
    return true;
}

static void look(struct vst_scsi_hba *hba)
{
    VST_CONTAINER_OF(hba, struct adapter, hba)->n_looks++;
}

static void reset(struct vst_scsi_hba_queue *queue, const char *why)
{
    struct adapter *a = VST_CONTAINER_OF(queue, struct adapter, queue);

    a->n_resets++;
    a->why = why;
}

static const struct vst_scsi_hba_ops ops = {
    .submit = submit,
    .kick_commands = nothing,
    .poll_commands = poll,
    .rest_commands = nothing,
    .manage = manage,
    .next_late = next_late,
    .look = look,
    .reset = reset,
};

static struct adapter *begin(void)
{
    struct adapter *a = &made_up;

    memset(a, 0, sizeof(*a));
    fake_platform_init(&a->fake, false);
    a->queue.hba = &a->hba;
    a->queues[0] = &a->queue;
    a->hba = (struct vst_scsi_hba){
        .path = "made up",
        .platform = &a->fake.platform,
        .ops = &ops,
        .limits = {.max_target = 7, .max_lun = 15},
        .timeout_ns = 30 * SECOND,
        .n_queues = 1,
        .queues = a->queues,
    };
    return a;
}

static void end(struct adapter *a, size_t n_leaked)
{
    assert_int_equal(a->n_out, 0);
    assert_int_equal(a->fake.n_allocated, n_leaked);
    assert_int_equal(fake_platform_free_leaks(&a->fake), n_leaked);
}

/* ------------------------------------------------------------------ units that do not answer */

static struct scsi_recovery recovery;

static void attend(struct adapter *a)
{
    vst_scsi_recovery_attend(&recovery, &a->queue);
}

static void expect(unsigned step, bool checking)
{
    assert_string_equal(vst_scsi_step_name(recovery.escalation.step), vst_scsi_step_name(step));
    assert_int_equal(recovery.escalation.checking, checking);
}

/** One command is late, and the retry did not help. */
static struct adapter *begin_late(void)
{
    struct adapter *a = begin();

    vst_scsi_recovery_init(&recovery, &a->hba, (struct vst_scsi_nexus){0}, "unit");
    assert_true(vst_scsi_recovery_late(&recovery));
    attend(a);
    expect(SCSI_STEP_RETRY, false);
    a->fake.now_ns += 60 * SECOND;
    return a;
}

static void end_function(struct adapter *a, enum vst_scsi_function_response response)
{
    assert_non_null(a->function);
    a->function->response = response;
    __atomic_store_n(&a->function->ended, true, __ATOMIC_RELEASE);
    a->function = NULL;
}

/** Each refusal either waits for room, or goes a step on. */
static void test_steps_that_are_refused(void **state)
{
    struct adapter *a = begin_late();

    (void)state;
    a->manages = VST_ERR_FULL;
    attend(a);
    attend(a);
    assert_int_equal(a->n_functions, 2);
    expect(SCSI_STEP_ABORT_TASK, false);
    a->manages = VST_OK;
    attend(a);
    assert_int_equal(a->function->kind, VST_SCSI_ABORT_TASK);
    assert_int_equal(a->function->tag, 77);
    attend(a); /* it waits for its end */
    assert_int_equal(a->n_functions, 3);
    end_function(a, VST_SCSI_FUNCTION_REJECTED);
    attend(a);
    expect(SCSI_STEP_LUN_RESET, false);
    a->manages = VST_ERR_INVALID;
    attend(a);
    expect(SCSI_STEP_NEXUS_RESET, false);
    a->manages = VST_OK;
    attend(a);
    assert_int_equal(a->function->kind, VST_SCSI_I_T_NEXUS_RESET);
    end_function(a, VST_SCSI_FUNCTION_RESET); /* which is as good */
    attend(a);
    expect(SCSI_STEP_NEXUS_RESET, false); /* until what was late is back */
    vst_scsi_recovery_returned(&recovery);
    attend(a);
    expect(SCSI_STEP_NEXUS_RESET, true);
    vst_scsi_recovery_late(&recovery);
    vst_scsi_recovery_returned(&recovery);
    a->submits = VST_ERR_FULL;
    a->n_refused = 2;
    attend(a);
    attend(a);
    expect(SCSI_STEP_NEXUS_RESET, true);
    assert_int_equal(recovery.command_state, 0);
    static const enum vst_scsi_response again[] = {VST_SCSI_RESPONSE_ABORTED,
                                                   VST_SCSI_RESPONSE_RESET, VST_SCSI_RESPONSE_BUSY};
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(again); i++) {
        attend(a);
        assert_int_equal(a->n_out, 1);
        assert_true(vst_scsi_recovery_needs(&recovery, &a->queue));
        end_command(a, again[i]);
        attend(a);
        expect(SCSI_STEP_NEXUS_RESET, true);
    }
    attend(a);
    end_command(a, VST_SCSI_RESPONSE_FAILURE);
    attend(a);
    expect(SCSI_STEP_HBA_RESET, false);
    assert_false(vst_scsi_recovery_is_quiet(&recovery));
    vst_scsi_recovery_late(&recovery);
    assert_false(vst_scsi_recovery_needs(&recovery, &a->queue)); /* whose queue has it goes on */
    for (unsigned i = 0; i < 3; i++)
        attend(a);
    assert_int_equal(a->n_resets, 1);
    assert_string_equal(a->why, "a unit does not answer");
    expect(SCSI_STEP_HBA_RESET, false);
    vst_scsi_recovery_returned(&recovery);
    attend(a);
    expect(SCSI_STEP_HBA_RESET, true);
    a->submits = VST_ERR_INVALID;
    a->n_refused = 1;
    attend(a);
    expect(SCSI_STEP_GIVEN_UP, false);
    assert_int_equal(scsi_recovery_health(&recovery), SCSI_UNIT_GIVEN_UP);
    attend(a);
    assert_int_equal(a->n_resets, 1); /* nothing is out */
    assert_false(vst_scsi_recovery_late(&recovery));
    attend(a);
    attend(a);
    assert_int_equal(a->n_resets, 2);
    assert_string_equal(a->why, "a unit is given up");
    vst_scsi_recovery_returned(&recovery);
    assert_true(vst_scsi_recovery_is_quiet(&recovery));
    end(a, 0);
}

/** An abort that was refused was not needed where the task is back; one that succeeded was. */
static void test_ends_of_aborts(void **state)
{
    (void)state;
    for (unsigned back = 0; back < 2; back++) {
        struct adapter *a = begin_late();
        attend(a);
        expect(SCSI_STEP_ABORT_TASK, false);
        if (back)
            vst_scsi_recovery_returned(&recovery);
        end_function(a, back ? VST_SCSI_FUNCTION_REJECTED : VST_SCSI_FUNCTION_SUCCEEDED);
        attend(a);
        expect(SCSI_STEP_ABORT_TASK, back);
        assert_int_equal(a->n_functions, back ? 1 : 2); /* else there is one more to be aborted */
        end(a, 0);
    }
}

/** The deadline passes between two looks at the clock: the function still has one. */
static void test_a_deadline_that_has_passed(void **state)
{
    struct adapter *a = begin_late();

    (void)state;
    a->fake.ns_per_look = 100 * SECOND;
    attend(a);
    expect(SCSI_STEP_ABORT_TASK, false);
    assert_int_equal(a->function->timeout_ns, 1);
    end(a, 0);
}

static void test_errands_wait_for_room(void **state)
{
    struct adapter *a = begin();

    (void)state;
    vst_scsi_recovery_init(&recovery, &a->hba, (struct vst_scsi_nexus){0}, "unit");
    vst_scsi_recovery_ask(&recovery, SCSI_ERRAND_CLEAR_ACA);
    vst_scsi_recovery_ask(&recovery, SCSI_ERRAND_START);
    a->manages = a->submits = VST_ERR_FULL;
    a->n_refused = 3;
    for (unsigned i = 1; i <= 3; i++) {
        attend(a);
        assert_int_equal(a->n_functions, i);
        assert_int_equal(a->n_submits, i);
        assert_int_equal(recovery.to_do, SCSI_ERRAND_CLEAR_ACA | SCSI_ERRAND_START);
    }
    a->manages = VST_OK;
    attend(a);
    assert_int_equal(recovery.to_do, 0);
    assert_int_equal(a->function->kind, VST_SCSI_CLEAR_ACA);
    assert_int_equal(a->commands[0]->cdb[0], 0x1b);
    end_function(a, VST_SCSI_FUNCTION_COMPLETE);
    end_command(a, VST_SCSI_RESPONSE_OK);
    attend(a);
    assert_true(vst_scsi_recovery_is_quiet(&recovery));
    /* What is refused for good is not tried again. */
    vst_scsi_recovery_ask(&recovery, SCSI_ERRAND_CLEAR_ACA);
    vst_scsi_recovery_ask(&recovery, SCSI_ERRAND_START);
    a->manages = a->submits = VST_ERR_INVALID;
    a->n_refused = 1;
    attend(a);
    assert_true(vst_scsi_recovery_is_quiet(&recovery));
    end(a, 0);
}

/** It ends what it has by itself: that is waited for, and nothing is begun. */
static void test_an_adapter_that_breaks_in_the_middle(void **state)
{
    struct adapter *a = begin_late();

    (void)state;
    attend(a);
    assert_non_null(a->function);
    a->hba.broken = true;
    vst_scsi_recovery_ask(&recovery, SCSI_ERRAND_START);
    attend(a);
    assert_int_equal(scsi_recovery_health(&recovery), SCSI_UNIT_GIVEN_UP);
    assert_int_equal(a->n_submits + a->n_resets, 0);
    vst_scsi_recovery_returned(&recovery);
    attend(a);
    assert_false(vst_scsi_recovery_is_quiet(&recovery)); /* the function is out */
    end_function(a, VST_SCSI_FUNCTION_FAILURE);
    attend(a);
    assert_true(vst_scsi_recovery_is_quiet(&recovery));
    end(a, 0);
}

/** Another CPU is at it. */
static void test_one_at_a_time(void **state)
{
    struct adapter *a = begin_late();
    unsigned n_looks = a->n_looks;

    (void)state;
    recovery.busy = true;
    attend(a);
    assert_int_equal(a->n_looks, n_looks);
    expect(SCSI_STEP_RETRY, false);
    recovery.busy = false;
    attend(a);
    assert_int_equal(a->n_looks, n_looks + 1);
    expect(SCSI_STEP_ABORT_TASK, false);
    end(a, 0);
}

/** What is under way is waited for, but not for ever. */
static void test_close(void **state)
{
    struct adapter *a = begin_late();

    (void)state;
    a->fake.ns_per_look = SECOND / 10;
    uint64_t begin_ns = a->fake.now_ns;
    assert_false(vst_scsi_recovery_close(&recovery, &a->queue));
    assert_true(a->fake.now_ns - begin_ns > 30 * SECOND);
    expect(SCSI_STEP_GIVEN_UP, false);
    end(a, 0);

    a = begin();
    vst_scsi_recovery_init(&recovery, &a->hba, (struct vst_scsi_nexus){0}, "unit");
    vst_scsi_recovery_ask(&recovery, SCSI_ERRAND_START);
    a->answers = true;
    assert_true(vst_scsi_recovery_close(&recovery, &a->queue));
    assert_int_equal(a->n_submits, 1);
    assert_int_equal(recovery.to_do, 0);
    end(a, 0);
}

/* ------------------------------------------------------------------ one command */

static void test_run_waits_for_room(void **state)
{
    struct vst_scsi_command command = {.cdb_bytes = 6};
    struct adapter *a = begin();

    (void)state;
    a->submits = VST_ERR_FULL;
    a->n_refused = 3;
    a->answers = true;
    command.user = a;
    assert_int_equal(vst_scsi_run(&a->queue, &command), VST_OK);
    assert_int_equal(command.outcome.response, VST_SCSI_RESPONSE_OK);
    assert_int_equal(a->n_submits, 4);
    assert_ptr_equal(command.user, a);
    end(a, 0);
}

static void test_run_is_refused(void **state)
{
    struct vst_scsi_command command = {.cdb_bytes = 6};
    struct adapter *a = begin();
    struct scsi_talk *talk = vst_scsi_talk_open(&a->hba);
    struct scsi_view view;
    uint32_t signs = 0;

    (void)state;
    a->submits = VST_ERR_BROKEN;
    a->n_refused = 2;
    assert_int_equal(vst_scsi_run_patiently(&a->queue, &command, 1000, &signs), VST_ERR_BROKEN);
    assert_int_equal(vst_scsi_ask(talk, vst_scsi_test_unit_ready(), 36, 1000, &view),
                     VST_ERR_BROKEN);
    assert_int_equal(view.bytes, 0);
    assert_int_equal(a->n_submits, 2);
    assert_int_equal(signs | talk->signs, 0);
    vst_scsi_talk_close(talk);
    end(a, 0);
}

/** A list that was not taken whole was not taken. */
static void test_data_that_was_not_taken(void **state)
{
    static uint8_t list[8];
    const struct vst_block_segment segment = {list, sizeof(list)};
    uint32_t signs = 0;

    (void)state;
    for (uint32_t left = 0; left <= 8; left += 4) {
        struct vst_scsi_command command = {.cdb_bytes = 6, .n_out = 1, .out = &segment};
        struct adapter *a = begin();
        a->answers = true;
        a->outcome.residual_bytes = left;
        assert_int_equal(vst_scsi_run_patiently(&a->queue, &command, 1000, &signs),
                         left == 0 ? VST_OK : VST_ERR_IO);
        end(a, 0);
    }
}

static void test_memory_of_talks(void **state)
{
    struct adapter *a = begin();

    (void)state;
    for (size_t n = 0; n < 2; n++) {
        a->fake.fail_alloc_after = n;
        assert_null(vst_scsi_talk_open(&a->hba));
        assert_int_equal(a->fake.n_allocated, 0);
    }
    a->fake.fail_alloc_after = SIZE_MAX;
    struct scsi_talk *talk = vst_scsi_talk_open(&a->hba);
    a->hba.keeps_memory = true;
    vst_scsi_talk_close(talk);
    end(a, 1);
}

static void test_places_that_the_adapter_reaches(void **state)
{
    static const struct {
        uint8_t target;
        uint32_t lun;
        bool reached;
    } cases[] = {{0, 0, true}, {7, 15, true}, {8, 0, false}, {7, 16, false}, {255, 16383, false}};
    struct adapter *a = begin();
    struct scsi_talk *talk = vst_scsi_talk_open(&a->hba);

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        struct vst_scsi_lun lun;
        assert_int_equal(vst_scsi_lun_of(cases[i].lun, &lun), VST_OK);
        assert_int_equal(vst_scsi_talk_to(talk, cases[i].target, &lun),
                         cases[i].reached ? VST_OK : VST_ERR_INVALID);
    }
    struct vst_scsi_lun deep = {.n_levels = 2, .number = 16}; /* whose number says nothing */
    enum vst_status status = vst_scsi_talk_to(talk, 1, &deep);
    uint8_t bytes[VST_SCSI_LUN_BYTES];
    assert_int_equal(status, vst_scsi_nexus_encode(1, &deep, bytes));
    vst_scsi_talk_close(talk);
    end(a, 0);
}

/* ------------------------------------------------------------------ a crowd */

struct asked {
    unsigned n_to_ask, n_answers;
    enum vst_status status[MOST];
};

static bool ask(struct scsi_crowd *crowd, struct scsi_call *call)
{
    struct asked *asked = crowd->ctx;
    const struct vst_scsi_nexus nexus = {0};

    if (asked->n_to_ask == 0)
        return false;
    asked->n_to_ask--;
    vst_scsi_call_ask(call, &nexus, vst_scsi_test_unit_ready(), 0);
    return true;
}

static void answered(struct scsi_crowd *crowd, struct scsi_call *call, enum vst_status status,
                     struct scsi_view view)
{
    struct asked *asked = crowd->ctx;

    (void)call;
    assert_int_equal(view.bytes, 0);
    asked->status[asked->n_answers++] = status;
}

static struct scsi_crowd *open_crowd(struct adapter *a, struct asked *asked, uint16_t n)
{
    struct scsi_crowd *crowd = vst_scsi_crowd_open(&a->hba, n, 64);

    assert_non_null(crowd);
    crowd->begin = ask;
    crowd->answered = answered;
    crowd->ctx = asked;
    asked->n_to_ask = n;
    return crowd;
}

/** Full is for later; one command that is refused is one's own; a broken adapter is everybody's. */
static void test_a_crowd_that_is_refused(void **state)
{
    static const struct {
        enum vst_status submits, status[2], end;
        unsigned n_submits;
    } cases[] = {
        {VST_ERR_FULL, {VST_OK, VST_OK}, VST_OK, 3},
        {VST_ERR_INVALID, {VST_ERR_INVALID, VST_OK}, VST_OK, 2},
        {VST_ERR_BROKEN, {VST_ERR_BROKEN, VST_ERR_BROKEN}, VST_ERR_BROKEN, 1},
        {VST_ERR_GONE, {VST_ERR_GONE, VST_ERR_GONE}, VST_ERR_GONE, 1},
    };

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        struct adapter *a = begin();
        struct asked asked = {0};
        struct scsi_crowd *crowd = open_crowd(a, &asked, 2);
        a->answers = true;
        a->submits = cases[i].submits;
        a->n_refused = 1;
        assert_int_equal(vst_scsi_crowd_run(crowd), cases[i].end);
        /* Who has asked nothing yet when it breaks does not begin. */
        assert_int_equal(asked.n_answers, cases[i].end == VST_OK ? 2 : 1);
        for (unsigned k = 0; k < asked.n_answers; k++)
            assert_int_equal(asked.status[k], cases[i].status[k]);
        assert_int_equal(a->n_submits, cases[i].n_submits);
        vst_scsi_crowd_close(crowd);
        end(a, 0);
    }
}

/** A unit wants to be asked again: not when the adapter has failed meanwhile, nor after the end. */
static void test_a_crowd_that_ends_in_the_middle(void **state)
{
    struct adapter *a = begin();
    struct asked asked = {0};
    struct scsi_crowd *crowd = open_crowd(a, &asked, 2);

    (void)state;
    a->answers = true;
    a->outcome.status = SAM_BUSY;
    a->submits = VST_ERR_BROKEN;
    a->n_taken_first = 1;
    a->n_refused = 1;
    assert_int_equal(vst_scsi_crowd_run(crowd), VST_ERR_BROKEN);
    assert_int_equal(asked.n_answers, 2);
    assert_int_equal(asked.status[0], VST_ERR_BROKEN);
    assert_int_not_equal(asked.status[1], VST_OK);
    assert_int_equal(a->n_submits, 2);
    a->hba.keeps_memory = true;
    vst_scsi_crowd_close(crowd);
    end(a, 1);

    a = begin();
    asked = (struct asked){0};
    crowd = open_crowd(a, &asked, 1);
    a->answers = true;
    a->outcome.status = SAM_BUSY;
    crowd->end_ns = a->fake.now_ns + 20000;
    assert_int_equal(vst_scsi_crowd_run(crowd), VST_ERR_TIMEOUT);
    assert_int_equal(asked.n_answers, 1);
    assert_int_equal(asked.status[0], VST_ERR_TIMEOUT);
    vst_scsi_crowd_close(crowd);
    end(a, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_that_are_refused),
        cmocka_unit_test(test_ends_of_aborts),
        cmocka_unit_test(test_a_deadline_that_has_passed),
        cmocka_unit_test(test_errands_wait_for_room),
        cmocka_unit_test(test_an_adapter_that_breaks_in_the_middle),
        cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_run_waits_for_room),
        cmocka_unit_test(test_run_is_refused),
        cmocka_unit_test(test_data_that_was_not_taken),
        cmocka_unit_test(test_memory_of_talks),
        cmocka_unit_test(test_places_that_the_adapter_reaches),
        cmocka_unit_test(test_a_crowd_that_is_refused),
        cmocka_unit_test(test_a_crowd_that_ends_in_the_middle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
