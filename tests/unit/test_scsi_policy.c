/* SPDX-License-Identifier: BSD-2-Clause */
/* What is done about each outcome: every row of the table, by the bytes that lead to it. */
#include "scsi/policy.h"
#include "tests/unit/scsi_received.h"

/* ------------------------------------------------------------------ every row */

struct outcome {
    uint8_t response, status;
    const char *code; /* sense data: "03/11/00", "deferred 03/11/00"; NULL: none */
    bool is_short;
};

struct promise {
    struct outcome outcome;
    const char *action, *status;
    unsigned n_retries, delay_ms;
};

static const struct promise promises[] = {
    {{VST_SCSI_RESPONSE_OVERRUN, 0, NULL, false}, "nothing", "io", 0, 0},
    {{VST_SCSI_RESPONSE_ABORTED, 0, NULL, false}, "nothing", "io", 5, 10},
    {{VST_SCSI_RESPONSE_BAD_TARGET, 0, NULL, false}, "unit gone", "gone", 0, 0},
    {{VST_SCSI_RESPONSE_RESET, 0, NULL, false}, "was reset", "reset", 5, 100},
    {{VST_SCSI_RESPONSE_BUSY, 0, NULL, false}, "nothing", "not_ready", 300, 100},
    {{VST_SCSI_RESPONSE_TRANSPORT_FAILURE, 0, NULL, false}, "other path", "io", 3, 1000},
    {{VST_SCSI_RESPONSE_TARGET_FAILURE, 0, NULL, false}, "nothing", "io", 1, 100},
    {{VST_SCSI_RESPONSE_NEXUS_FAILURE, 0, NULL, false}, "other path", "io", 3, 100},
    {{VST_SCSI_RESPONSE_FAILURE, 0, NULL, false}, "nothing", "io", 3, 100},
    {{VST_SCSI_RESPONSE_TIMEOUT, 0, NULL, false}, "escalate", "timeout", 4, 0},
    {{VST_SCSI_RESPONSE_MALFORMED, 0, NULL, false}, "nothing", "malformed", 0, 0},
    {{0, VST_SCSI_GOOD, NULL, true}, "nothing", "io", 3, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "deferred 00/77/66", false}, "nothing", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "deferred 01/77/66", false}, "nothing", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "deferred 03/77/66", false},
     "earlier write failed",
     "io",
     16,
     0},
    {{0, VST_SCSI_CHECK_CONDITION, "00/77/66", false}, "done", "ok", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "01/77/66", false}, "done", "ok", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/01", false}, "nothing", "not_ready", 120, 500},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/02", false}, "start unit", "not_ready", 3, 500},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/03", false}, "nothing", "not_ready", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/04", false}, "nothing", "not_ready", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/05", false}, "nothing", "not_ready", 60, 1000},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/06", false}, "nothing", "not_ready", 60, 1000},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/07", false}, "nothing", "not_ready", 60, 1000},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/08", false}, "nothing", "not_ready", 60, 1000},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/09", false}, "nothing", "not_ready", 60, 1000},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/0a", false}, "nothing", "not_ready", 120, 500},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/0b", false}, "other path", "not_ready", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/0c", false}, "other path", "not_ready", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/11", false}, "nothing", "not_ready", 120, 500},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/12", false}, "other path", "not_ready", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/14", false}, "nothing", "not_ready", 60, 1000},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/1a", false}, "nothing", "not_ready", 120, 500},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/1b", false}, "nothing", "not_ready", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/1c", false}, "nothing", "not_ready", 120, 500},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/20", false}, "escalate", "not_ready", 2, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/21", false}, "escalate", "not_ready", 2, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/00", false}, "nothing", "not_ready", 30, 1000},
    {{0, VST_SCSI_CHECK_CONDITION, "02/04/66", false}, "nothing", "not_ready", 3, 500},
    {{0, VST_SCSI_CHECK_CONDITION, "02/05/66", false}, "other path", "not_ready", 3, 500},
    {{0, VST_SCSI_CHECK_CONDITION, "02/08/66", false}, "other path", "io", 3, 100},
    {{0, VST_SCSI_CHECK_CONDITION, "02/30/66", false}, "nothing", "media", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "02/3a/66", false}, "no medium", "no_medium", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "02/3e/00", false}, "nothing", "not_ready", 60, 1000},
    {{0, VST_SCSI_CHECK_CONDITION, "02/77/66", false}, "nothing", "not_ready", 3, 500},
    {{0, VST_SCSI_CHECK_CONDITION, "03/11/14", false}, "nothing", "media", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "03/13/66", false}, "nothing", "media", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "03/14/66", false}, "nothing", "media", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "03/30/66", false}, "nothing", "media", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "03/31/66", false}, "nothing", "media", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "03/77/66", false}, "nothing", "media", 2, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "04/08/66", false}, "other path", "io", 3, 100},
    {{0, VST_SCSI_CHECK_CONDITION, "04/3e/01", false}, "nothing", "io", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "04/32/66", false}, "nothing", "media", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "04/77/66", false}, "nothing", "io", 2, 100},
    {{0, VST_SCSI_CHECK_CONDITION, "05/10/66", false}, "nothing", "media", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "05/20/66", false}, "nothing", "unsupported", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "05/21/66", false}, "read capacity", "range", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "05/25/66", false}, "unit gone", "gone", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "05/27/66", false}, "read mode", "read_only", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "05/2c/66", false}, "nothing", "io", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "05/30/66", false}, "nothing", "media", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "05/3a/66", false}, "no medium", "no_medium", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "05/53/02", false}, "nothing", "not_ready", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "05/55/66", false}, "nothing", "io", 3, 100},
    {{0, VST_SCSI_CHECK_CONDITION, "05/77/66", false}, "nothing", "unsupported", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/28/01", false}, "nothing", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/28/66", false}, "medium changed", "medium_changed", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/29/66", false}, "was reset", "reset", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/2a/02", false}, "nothing", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/2a/03", false}, "was reset", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/2a/04", false}, "was reset", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/2a/05", false}, "was reset", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/2a/06", false}, "read path states", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/2a/07", false}, "read path states", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/2a/08", false}, "nothing", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/2a/09", false}, "read capacity", "io", 16, 200},
    {{0, VST_SCSI_CHECK_CONDITION, "06/2a/0a", false}, "nothing", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/2a/10", false}, "nothing", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/2a/66", false}, "read mode", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/2f/66", false}, "nothing", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/38/66", false}, "nothing", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/3a/66", false}, "no medium", "no_medium", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/3f/0e", false}, "rescan", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/3f/01", false}, "read identity", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/3f/02", false}, "read identity", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/3f/03", false}, "read identity", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/3f/05", false}, "read identity", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "06/77/66", false}, "nothing", "io", 16, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "07/27/07", false}, "nothing", "no_space", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "07/77/66", false}, "read mode", "read_only", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "08/77/66", false}, "nothing", "media", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "09/77/66", false}, "nothing", "io", 1, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "0a/77/66", false}, "nothing", "io", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "0b/10/66", false}, "nothing", "media", 2, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "0b/4e/66", false}, "escalate", "io", 2, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "0b/55/66", false}, "nothing", "io", 30, 100},
    {{0, VST_SCSI_CHECK_CONDITION, "0b/77/66", false}, "nothing", "io", 3, 10},
    {{0, VST_SCSI_CHECK_CONDITION, "0d/77/66", false}, "nothing", "range", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "0e/77/66", false}, "nothing", "miscompare", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "0f/77/66", false}, "done", "ok", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, "0c/77/66", false}, "nothing", "io", 0, 0},
    {{0, VST_SCSI_GOOD, NULL, false}, "done", "ok", 0, 0},
    {{0, VST_SCSI_CONDITION_MET, NULL, false}, "done", "ok", 0, 0},
    {{0, VST_SCSI_CHECK_CONDITION, NULL, false}, "nothing", "io", 3, 0},
    {{0, VST_SCSI_BUSY, NULL, false}, "nothing", "not_ready", 300, 100},
    {{0, VST_SCSI_TASK_SET_FULL, NULL, false}, "fewer at a time", "not_ready", 300, 100},
    {{0, VST_SCSI_RESERVATION_CONFLICT, NULL, false}, "nothing", "reserved", 0, 0},
    {{0, VST_SCSI_ACA_ACTIVE, NULL, false}, "clear ACA", "io", 3, 0},
    {{0, VST_SCSI_TASK_ABORTED, NULL, false}, "nothing", "io", 5, 10},
    {{0, 0x22, NULL, false}, "nothing", "malformed", 0, 0},
};

static unsigned hex(const char *text)
{
    return (unsigned)strtoul(text, NULL, 16);
}

/** Both formats in turn: what decides is the codes. */
static void make_sense(const char *code, bool descriptor, struct vst_scsi_sense *sense)
{
    bool deferred = strncmp(code, "deferred ", 9) == 0;
    uint8_t bytes[18] = {0};

    code += deferred ? 9 : 0;
    bytes[0] = (uint8_t)((descriptor ? 0x72 : 0x70) + deferred);
    bytes[7] = descriptor ? 0 : 10;
    bytes[descriptor ? 1 : 2] = (uint8_t)hex(code);
    bytes[descriptor ? 2 : 12] = (uint8_t)hex(code + 3);
    bytes[descriptor ? 3 : 13] = (uint8_t)hex(code + 6);
    assert_int_equal(vst_scsi_sense_parse(bytes, descriptor ? 8 : 18, sense), VST_OK);
}

static struct scsi_decision decided(const struct outcome *outcome, bool descriptor,
                                    struct scsi_tries *tries)
{
    struct vst_scsi_sense sense;
    struct scsi_answer answer = {
        .response = outcome->response, .status = outcome->status, .is_short = outcome->is_short};

    if (outcome->code != NULL) {
        make_sense(outcome->code, descriptor, &sense);
        answer.sense = &sense;
    }
    return vst_scsi_decide(&answer, tries);
}

static void keeps(const struct promise *p, bool descriptor)
{
    struct scsi_tries tries = {0};
    struct scsi_decision decision;

    for (unsigned n = 0;; n++) {
        decision = decided(&p->outcome, descriptor, &tries);
        if (strcmp(vst_scsi_action_name(decision.action), p->action) != 0 ||
            strcmp(vst_status_name(decision.status), p->status) != 0 ||
            decision.delay_ms != p->delay_ms || decision.again != (n < p->n_retries))
            fail_msg("row %zu, %s, try %u: %s, %s, %u ms", (size_t)(p - promises),
                     p->outcome.code != NULL ? p->outcome.code : "no sense data", n,
                     vst_scsi_action_name(decision.action), vst_status_name(decision.status),
                     decision.delay_ms);
        if (!decision.again)
            break;
    }
}

static void test_every_row_keeps_its_promise(void **state)
{
    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(promises); i++) {
        keeps(&promises[i], false);
        keeps(&promises[i], true);
    }
}

/* The promises above stand in the order of the rows, so that each row has its own: none is hidden
 * behind one before it, none is without a test. */
static void test_no_row_is_out_of_reach(void **state)
{
    (void)state;
    assert_int_equal(VST_ARRAY_LENGTH(promises), vst_scsi_n_rules);
    for (size_t i = 0; i < vst_scsi_n_rules; i++) {
        struct scsi_tries tries = {0};
        (void)decided(&promises[i].outcome, false, &tries);
        assert_ptr_equal(tries.last, &vst_scsi_rules[i]);
    }
}

static void test_rows_make_sense(void **state)
{
    (void)state;
    for (size_t i = 0; i < vst_scsi_n_rules; i++) {
        const struct scsi_rule *rule = &vst_scsi_rules[i];
        assert_true(rule->action < SCSI_N_ACTIONS && rule->status < VST_N_STATUS);
        assert_int_equal(rule->action == SCSI_DONE, rule->status == VST_OK);
        assert_true(rule->action != SCSI_DONE || rule->n_retries == 0);
        /* many tries at once would be a storm; what waits, waits no longer than a minute and a bit */
        assert_true(rule->delay_ms > 0 || rule->n_retries <= 16);
        assert_true((unsigned)rule->n_retries * rule->delay_ms <= 60000);
        assert_true(i == 0 || rule[-1].kind <= rule->kind);
    }
}

/* Whatever a device says, something is decided, and it ends. */
static void test_anything_at_all_is_decided(void **state)
{
    struct vst_scsi_sense sense = {.valid = true};
    struct scsi_answer answer = {.status = VST_SCSI_CHECK_CONDITION, .sense = &sense};

    (void)state;
    for (unsigned code = 0; code < 0x200000; code += 3) {
        sense.key = code >> 16 & 15;
        sense.asc = (uint8_t)(code >> 8);
        sense.ascq = (uint8_t)code;
        sense.deferred = code >> 20;
        const struct scsi_rule *rule = vst_scsi_rule(&answer);
        assert_int_equal(rule->kind, sense.deferred ? SCSI_BY_DEFERRED : SCSI_BY_SENSE);
    }
    answer.sense = NULL;
    for (unsigned value = 0; value < 256; value++) {
        answer.response = 0;
        answer.status = (uint8_t)value;
        assert_int_equal(vst_scsi_rule(&answer)->kind, SCSI_BY_STATUS);
        answer.response = (uint8_t)value;
        answer.status = 0;
        assert_int_equal(vst_scsi_rule(&answer)->kind,
                         value == 0 ? SCSI_BY_STATUS : SCSI_BY_RESPONSE);
    }
}

/* ------------------------------------------------------------------ what came with it */

static void test_sense_data_count_with_check_condition_only(void **state)
{
    struct vst_scsi_sense sense = {.valid = true, .key = VST_SCSI_MEDIUM_ERROR, .asc = 0x11};
    struct scsi_answer answer = {.status = VST_SCSI_GOOD, .sense = &sense};

    (void)state;
    assert_int_equal(vst_scsi_rule(&answer)->action, SCSI_DONE);
    answer.status = VST_SCSI_BUSY;
    assert_int_equal(vst_scsi_rule(&answer)->kind, SCSI_BY_STATUS);
    answer.status = VST_SCSI_CHECK_CONDITION;
    assert_int_equal(vst_scsi_rule(&answer)->status, VST_ERR_MEDIUM);
    sense.valid = false;
    assert_int_equal(vst_scsi_rule(&answer)->kind, SCSI_BY_STATUS);
    assert_int_equal(vst_scsi_rule(&answer)->status, VST_ERR_IO);
}

/* Residual and CHECK CONDITION ignored (OSv, SPDK): a short transfer is no success, whatever came
 * with it. */
static void test_short_is_not_done(void **state)
{
    struct vst_scsi_sense sense = {.valid = true, .key = VST_SCSI_RECOVERED_ERROR};
    struct scsi_answer answer = {.status = VST_SCSI_GOOD, .is_short = true};

    (void)state;
    assert_int_equal(vst_scsi_rule(&answer)->kind, SCSI_BY_SHORTAGE);
    answer.sense = &sense;
    answer.status = VST_SCSI_CHECK_CONDITION;
    assert_int_equal(vst_scsi_rule(&answer)->kind, SCSI_BY_SHORTAGE);
    sense.key = VST_SCSI_MEDIUM_ERROR;
    assert_int_equal(vst_scsi_rule(&answer)->kind, SCSI_BY_SENSE);
}

/* ------------------------------------------------------------------ tries */

static const struct outcome busy = {0, VST_SCSI_BUSY, NULL, false};
static const struct outcome attention = {0, VST_SCSI_CHECK_CONDITION, "06/29/00", false};

static void test_tries_are_counted_by_cause(void **state)
{
    struct scsi_tries tries = {0};

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        assert_true(decided(&busy, false, &tries).again);
    /* another cause has its own number of tries */
    for (unsigned i = 0; i < 16; i++)
        assert_true(decided(&attention, false, &tries).again);
    assert_false(decided(&attention, false, &tries).again);
    assert_int_equal(tries.n_all, 26);
}

static void test_causes_that_take_turns_end_as_well(void **state)
{
    struct scsi_tries tries = {0};
    unsigned n = 0;

    (void)state;
    while (decided(n % 2 == 0 ? &busy : &attention, false, &tries).again)
        n++;
    assert_int_equal(n, SCSI_MOST_TRIES);
}

static void test_names_of_actions(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SCSI_N_ACTIONS; i++)
        assert_non_null(vst_scsi_action_name(i));
    assert_string_equal(vst_scsi_action_name(SCSI_N_ACTIONS), "unknown");
}

/* ------------------------------------------------------------------ depth */

static void test_depth_goes_down_and_up_again(void **state)
{
    struct scsi_depth depth = scsi_depth_of(32);

    (void)state;
    scsi_depth_good(&depth);
    assert_int_equal(depth.now, 32);
    vst_scsi_depth_full(&depth, 4);
    assert_int_equal(depth.now, 4);
    vst_scsi_depth_full(&depth, 10); /* of a time before that */
    assert_int_equal(depth.now, 4);
    for (unsigned i = 0; i < 3; i++)
        scsi_depth_good(&depth);
    assert_int_equal(depth.now, 4);
    scsi_depth_good(&depth);
    assert_int_equal(depth.now, 5);
    for (unsigned i = 0; i < 4; i++)
        scsi_depth_good(&depth);
    vst_scsi_depth_full(&depth, 5); /* starts to count anew */
    for (unsigned i = 0; i < 4; i++)
        scsi_depth_good(&depth);
    assert_int_equal(depth.now, 5);
    scsi_depth_good(&depth);
    assert_int_equal(depth.now, 6);
    for (unsigned i = 0; i < 1000; i++)
        scsi_depth_good(&depth);
    assert_int_equal(depth.now, 32);
}

static void test_depth_is_never_0(void **state)
{
    struct scsi_depth depth = scsi_depth_of(0);

    (void)state;
    assert_int_equal(depth.now, 1);
    depth = scsi_depth_of(8);
    vst_scsi_depth_full(&depth, 0);
    assert_int_equal(depth.now, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_keeps_its_promise),
        cmocka_unit_test(test_no_row_is_out_of_reach),
        cmocka_unit_test(test_rows_make_sense),
        cmocka_unit_test(test_anything_at_all_is_decided),
        cmocka_unit_test(test_sense_data_count_with_check_condition_only),
        cmocka_unit_test(test_short_is_not_done),
        cmocka_unit_test(test_tries_are_counted_by_cause),
        cmocka_unit_test(test_causes_that_take_turns_end_as_well),
        cmocka_unit_test(test_names_of_actions),
        cmocka_unit_test(test_depth_goes_down_and_up_again),
        cmocka_unit_test(test_depth_is_never_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
