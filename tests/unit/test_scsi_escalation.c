/* SPDX-License-Identifier: BSD-2-Clause */
/* The order of steps against a silent unit, their deadlines, and relapses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "scsi/escalation.h"

#define MS 1000000u

static struct scsi_escalation e;
static uint64_t now_ns;

static int setup(void **state)
{
    (void)state;
    vst_scsi_escalation_init(&e, NULL);
    now_ns = 1000;
    return 0;
}

static void is_at(enum scsi_step step, bool checking)
{
    assert_string_equal(vst_scsi_step_name(e.step), vst_scsi_step_name(step));
    assert_int_equal(e.checking, checking);
}

static void begins_at(enum scsi_step step)
{
    assert_true(vst_scsi_escalation_begin(&e, now_ns));
    is_at(step, false);
}

static void answered(enum scsi_step_answer answer, enum scsi_step step, bool checking)
{
    assert_true(vst_scsi_escalation_answer(&e, answer, now_ns));
    is_at(step, checking);
}

/** Nothing until the deadline, which is `ms` from now; then the next step. */
static void silent_for(uint32_t ms, enum scsi_step next)
{
    uint8_t step = e.step;

    now_ns += (uint64_t)ms * MS - 1;
    assert_false(vst_scsi_escalation_tick(&e, now_ns));
    assert_int_equal(e.step, step);
    now_ns++;
    assert_true(vst_scsi_escalation_tick(&e, now_ns));
    is_at(next, false);
}

static void test_all_is_well(void **state)
{
    (void)state;
    is_at(SCSI_STEP_NONE, false);
    assert_false(vst_scsi_escalation_tick(&e, UINT64_MAX));
    assert_false(vst_scsi_escalation_answer(&e, SCSI_STEP_FAILED, now_ns));
    is_at(SCSI_STEP_NONE, false);
}

static void test_a_unit_that_never_answers(void **state)
{
    uint64_t start = now_ns;

    (void)state;
    begins_at(SCSI_STEP_RETRY);
    assert_false(vst_scsi_escalation_begin(&e, now_ns)); /* another command of the same unit */
    silent_for(2000, SCSI_STEP_ABORT_TASK);
    silent_for(5000, SCSI_STEP_LUN_RESET);
    silent_for(10000, SCSI_STEP_NEXUS_RESET);
    silent_for(10000, SCSI_STEP_HBA_RESET);
    silent_for(10000, SCSI_STEP_GIVEN_UP);
    assert_true(now_ns - start <= vst_scsi_escalation_longest_ms(NULL) * MS);
    /* for good */
    assert_false(vst_scsi_escalation_tick(&e, UINT64_MAX));
    assert_false(vst_scsi_escalation_answer(&e, SCSI_STEP_DONE, now_ns));
    assert_false(vst_scsi_escalation_begin(&e, now_ns));
    is_at(SCSI_STEP_GIVEN_UP, false);
}

/* It says that each function is complete, and still does not answer. */
static void test_functions_that_help_nothing(void **state)
{
    uint64_t start = now_ns;

    (void)state;
    begins_at(SCSI_STEP_RETRY);
    silent_for(2000, SCSI_STEP_ABORT_TASK);
    for (unsigned step = SCSI_STEP_ABORT_TASK; step < SCSI_STEP_GIVEN_UP; step++) {
        now_ns = e.deadline_ns - 1; /* in the last moment */
        answered(SCSI_STEP_DONE, (enum scsi_step)step, true);
        silent_for(5000, (enum scsi_step)(step + 1));
    }
    assert_true(now_ns - start <= vst_scsi_escalation_longest_ms(NULL) * MS);
}

static void test_functions_that_are_not_known(void **state)
{
    (void)state;
    begins_at(SCSI_STEP_RETRY);
    answered(SCSI_STEP_FAILED, SCSI_STEP_ABORT_TASK, false);
    answered(SCSI_STEP_FAILED, SCSI_STEP_LUN_RESET, false);
    answered(SCSI_STEP_FAILED, SCSI_STEP_NEXUS_RESET, false);
    answered(SCSI_STEP_FAILED, SCSI_STEP_HBA_RESET, false);
    answered(SCSI_STEP_FAILED, SCSI_STEP_GIVEN_UP, false);
}

static void test_each_step_can_mend_it(void **state)
{
    for (unsigned step = SCSI_STEP_RETRY; step < SCSI_STEP_GIVEN_UP; step++) {
        setup(state);
        begins_at(SCSI_STEP_RETRY);
        while (e.step != step)
            assert_true(vst_scsi_escalation_answer(&e, SCSI_STEP_FAILED, now_ns));
        /* a command that came back proves the unit; functions are checked */
        if (step != SCSI_STEP_RETRY)
            answered(SCSI_STEP_DONE, (enum scsi_step)step, true);
        answered(SCSI_STEP_DONE, SCSI_STEP_NONE, false);
        assert_int_equal(e.mended, step);
    }
}

static void test_a_check_that_fails_leads_on(void **state)
{
    (void)state;
    begins_at(SCSI_STEP_RETRY);
    answered(SCSI_STEP_FAILED, SCSI_STEP_ABORT_TASK, false);
    answered(SCSI_STEP_DONE, SCSI_STEP_ABORT_TASK, true);
    answered(SCSI_STEP_FAILED, SCSI_STEP_LUN_RESET, false);
}

static void mend_by(enum scsi_step step)
{
    while (e.step != step)
        assert_true(vst_scsi_escalation_answer(&e, SCSI_STEP_FAILED, now_ns));
    while (e.step != SCSI_STEP_NONE)
        assert_true(vst_scsi_escalation_answer(&e, SCSI_STEP_DONE, now_ns));
}

/* Silent again soon after: what helped then was not enough. Much later it is another story. */
static void test_relapse_begins_further_on(void **state)
{
    (void)state;
    begins_at(SCSI_STEP_RETRY);
    mend_by(SCSI_STEP_ABORT_TASK);
    now_ns += (uint64_t)60000 * MS - 1;
    begins_at(SCSI_STEP_LUN_RESET);
    mend_by(SCSI_STEP_LUN_RESET);
    now_ns += (uint64_t)60000 * MS;
    begins_at(SCSI_STEP_RETRY);
    mend_by(SCSI_STEP_RETRY);
    begins_at(SCSI_STEP_ABORT_TASK);
}

static void test_relapse_after_adapter_resets_ends(void **state)
{
    (void)state;
    begins_at(SCSI_STEP_RETRY);
    mend_by(SCSI_STEP_HBA_RESET);
    begins_at(SCSI_STEP_HBA_RESET);
    mend_by(SCSI_STEP_HBA_RESET);
    begins_at(SCSI_STEP_GIVEN_UP);
}

static void test_adapter_resets_far_apart_are_no_relapse(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        begins_at(SCSI_STEP_RETRY);
        mend_by(SCSI_STEP_HBA_RESET);
        now_ns += (uint64_t)60000 * MS;
    }
}

/* An adapter without some of the functions; other times. */
static void test_steps_that_there_are_not(void **state)
{
    static const struct scsi_escalation_times times = {
        .step_ms = {[SCSI_STEP_ABORT_TASK] = 10, [SCSI_STEP_HBA_RESET] = 20},
        .check_ms = 1,
        .relapse_ms = 100,
    };
    static const struct scsi_escalation_times none = {.check_ms = 1};

    (void)state;
    vst_scsi_escalation_init(&e, &times);
    assert_int_equal(vst_scsi_escalation_longest_ms(&times), 32);
    begins_at(SCSI_STEP_ABORT_TASK);
    silent_for(10, SCSI_STEP_HBA_RESET);
    mend_by(SCSI_STEP_HBA_RESET);
    now_ns += 100 * (uint64_t)MS;
    begins_at(SCSI_STEP_ABORT_TASK);
    mend_by(SCSI_STEP_ABORT_TASK);
    begins_at(SCSI_STEP_HBA_RESET);
    vst_scsi_escalation_init(&e, &none);
    begins_at(SCSI_STEP_GIVEN_UP);
    assert_int_equal(vst_scsi_escalation_longest_ms(&none), 0);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(vst_scsi_step_name(SCSI_STEP_NEXUS_RESET), "I_T nexus reset");
    for (unsigned i = 0; i < SCSI_N_STEPS; i++)
        assert_non_null(vst_scsi_step_name(i));
    assert_string_equal(vst_scsi_step_name(SCSI_N_STEPS), "unknown");
    assert_int_equal(vst_scsi_escalation_longest_ms(NULL), 2000 + 5000 + 3 * 10000 + 4 * 5000);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all_is_well),
        TEST(test_a_unit_that_never_answers),
        TEST(test_functions_that_help_nothing),
        TEST(test_functions_that_are_not_known),
        TEST(test_each_step_can_mend_it),
        TEST(test_a_check_that_fails_leads_on),
        TEST(test_relapse_begins_further_on),
        TEST(test_relapse_after_adapter_resets_ends),
        TEST(test_adapter_resets_far_apart_are_no_relapse),
        TEST(test_steps_that_there_are_not),
        TEST(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
