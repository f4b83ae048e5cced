/* SPDX-License-Identifier: BSD-2-Clause */
/* Raw commands and reservations on a fake adapter: what outcomes mean, units that lie. */
#include <vstor/scsi_reserve.h>

#include "tests/unit/scsi_fixture.h"

#define SAYS(operation, bytes)                                                                     \
    {                                                                                              \
        operation, 0, 0, 0, 0, bytes, sizeof(bytes)                                                \
    }
#define FAILS(operation, ...)                                                                      \
    {                                                                                              \
        operation, 0, __VA_ARGS__, NULL, 0                                                         \
    }
#define ONCE_FAILS(operation, ...)                                                                 \
    {                                                                                              \
        operation, 1, __VA_ARGS__, NULL, 0                                                         \
    }

/** A registry with one unit that stands at target 2, LUN 1. */
static struct vst_scsi_units units;

static struct vst_scsi_unit *set_up_unit(struct fixture *f, struct fake_unit **fake)
{
    units = (struct vst_scsi_units){0};
    *fake = fake_virtio_scsi_add(&f->scsi, 2, 1);
    assert_int_equal(attach(f), VST_OK);
    vst_scsi_units_add(&units, f->hba);
    assert_int_equal(vst_scsi_units_scan(&units, f->hba), VST_OK);
    assert_int_equal(units.n, 1);
    return units.first;
}

static void tear_down_unit(struct fixture *f)
{
    assert_true(vst_scsi_units_forget(&units, f->hba));
    tear_down(f);
}

static void script(struct fake_unit *fake, const struct fake_script *lines, size_t n)
{
    assert_true(n < VST_ARRAY_LENGTH(fake->script));
    memset(fake->script, 0, sizeof(fake->script));
    memcpy(fake->script, lines, n * sizeof(*lines));
}

#define SCRIPT(fake, ...)                                                                          \
    do {                                                                                           \
        const struct fake_script lines_[] = {__VA_ARGS__};                                         \
        script(fake, lines_, VST_ARRAY_LENGTH(lines_));                                            \
    } while (0)

static enum vst_status run_ready(struct vst_scsi_unit *unit, struct vst_scsi_verdict *verdict)
{
    struct vst_scsi_command command = {.cdb_bytes = 6};

    return vst_scsi_unit_run(unit, &command, verdict);
}

/* ------------------------------------------------------------------ verdicts */

static void test_what_outcomes_mean(void **state)
{
    static const struct {
        struct fake_script line;
        enum vst_status status;
        bool again;
        const char *text;
        uint32_t look;
    } cases[] = {
        {FAILS(0x00, 2, 0x3a, 0), VST_ERR_NO_MEDIUM, false,
         "NOT READY, medium not present (02/3a/00)", VST_SCSI_LOOK_MEDIUM},
        {FAILS(0x00, 6, 0x28, 0), VST_ERR_MEDIUM_CHANGED, false,
         "UNIT ATTENTION, medium may have changed (06/28/00)", VST_SCSI_LOOK_MEDIUM},
        {FAILS(0x00, 6, 0x29, 0), VST_ERR_RESET, true,
         "UNIT ATTENTION, power on, reset or bus device reset occurred (06/29/00)",
         VST_SCSI_LOOK_IDENTITY},
        {FAILS(0x00, 5, 0x20, 0), VST_ERR_UNSUPPORTED, false,
         "ILLEGAL REQUEST, invalid command operation code (05/20/00)", 0},
        {FAILS(0x00, 1, 0x17, 1), VST_OK, false,
         "RECOVERED ERROR, recovered data with retries (01/17/01)", 0},
    };
    struct vst_scsi_verdict verdict;
    struct fake_unit *fake;
    WITH(f);
    struct vst_scsi_unit *unit = set_up_unit(f, &fake);

    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        SCRIPT(fake, cases[i].line);
        unit->look_again = 0;
        assert_int_equal(run_ready(unit, &verdict), VST_OK);
        assert_int_equal(verdict.status, cases[i].status);
        assert_int_equal(verdict.again, cases[i].again);
        assert_string_equal(verdict.text, cases[i].text);
        assert_int_equal(unit->look_again, cases[i].look);
        assert_true(verdict.sense.valid);
    }
    memset(fake->script, 0, sizeof(fake->script));
    assert_int_equal(run_ready(unit, &verdict), VST_OK);
    assert_int_equal(verdict.status, VST_OK);
    assert_string_equal(verdict.text, "");
    tear_down_unit(f);
}

/** Status without sense, no response, a unit that is gone, a command that can't be. */
static void test_what_has_no_sense(void **state)
{
    struct vst_scsi_verdict verdict;
    struct fake_unit *fake;
    WITH(f);
    struct vst_scsi_unit *unit = set_up_unit(f, &fake);

    f->scsi.answer = (struct fake_scsi_answer){.after = f->scsi.n_commands, .n = 1, .status = 0x18};
    assert_int_equal(run_ready(unit, &verdict), VST_OK);
    assert_int_equal(verdict.status, VST_ERR_RESERVED);
    assert_string_equal(verdict.text, "RESERVATION CONFLICT (18)");
    f->scsi.answer = (struct fake_scsi_answer){.after = f->scsi.n_commands, .n = 1, .response = 6};
    assert_int_equal(run_ready(unit, &verdict), VST_OK);
    assert_string_equal(verdict.text, "transport failure");
    f->scsi.answer = (struct fake_scsi_answer){
        .after = f->scsi.n_commands, .n = 1, .status = 2, .sense_bytes = 2};
    assert_int_equal(run_ready(unit, &verdict), VST_OK);
    assert_string_equal(verdict.text, "CHECK CONDITION (02)");
    struct vst_scsi_command command = {.cdb_bytes = 3};
    assert_int_equal(vst_scsi_unit_run(unit, &command, &verdict), VST_ERR_INVALID);
    assert_string_equal(verdict.text, vst_status_text(VST_ERR_INVALID));
    unit->gone = true;
    assert_int_equal(run_ready(unit, &verdict), VST_ERR_GONE);
    assert_int_equal(verdict.status, VST_ERR_GONE);
    tear_down_unit(f);
}

/* ------------------------------------------------------------------ reservations */

/** Every order as it arrives; unit attentions before the answer are passed over, but not for ever. */
static void test_orders(void **state)
{
    static const struct vst_scsi_reserve_order orders[] = {
        {VST_SCSI_REGISTER, 0, 0, 0x1234, true, true},
        {VST_SCSI_RESERVE, VST_SCSI_EXCLUSIVE_ACCESS, 0x1234, 0, false, false},
        {VST_SCSI_PREEMPT_AND_ABORT, VST_SCSI_WRITE_EXCLUSIVE_ALL, 0x1234, 0x77, false, false},
        {VST_SCSI_CLEAR, 0, 0x1234, 0, false, false},
    };
    struct vst_scsi_verdict verdict;
    struct fake_unit *fake;
    WITH(f);
    struct vst_scsi_unit *unit = set_up_unit(f, &fake);

    for (size_t i = 0; i < VST_ARRAY_LENGTH(orders); i++) {
        SCRIPT(fake, ONCE_FAILS(0x5f, 6, 0x2a, 3), ONCE_FAILS(0x5f, 6, 0x29, 0),
               {0x5f, 0, 0, 0, 0, "", 0});
        assert_int_equal(vst_scsi_reserve(unit, &orders[i], &verdict), VST_OK);
        uint8_t cdb[16] = {0x5f, (uint8_t)orders[i].action, orders[i].type, 0, 0, 0, 0, 0, 24};
        assert_memory_equal(fake->last_seen[0x5f], cdb, 16);
        assert_int_equal(f->scsi.n_out_bytes, 24);
    }
    SCRIPT(fake, FAILS(0x5f, 6, 0x2a, 3));
    unsigned n = fake->n_seen[0x5f];
    assert_int_not_equal(vst_scsi_reserve(unit, &orders[0], &verdict), VST_OK);
    assert_true(fake->n_seen[0x5f] - n <= 20);
    f->scsi.answer = (struct fake_scsi_answer){.after = f->scsi.n_commands, .n = 1, .status = 0x18};
    assert_int_equal(vst_scsi_reserve(unit, &orders[1], &verdict), VST_ERR_RESERVED);
    tear_down_unit(f);
}

static void test_what_is_told(void **state)
{
    static const uint8_t held[] = {0, 0, 0,    7,    0, 0, 0, 16, 0, 0, 0, 0,
                                   0, 0, 0x12, 0x34, 0, 0, 0, 0,  0, 5, 0, 0};
    static const uint8_t keys[] = {0, 0, 0, 7, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0, 1,
                                   0, 0, 0, 0, 0, 0, 0, 2,  0, 0, 0, 0, 0, 0, 0, 3};
    static const uint8_t capabilities[] = {0, 8, 5, 0x81, 0x0a, 1, 0, 0};
    struct vst_scsi_reservation_capabilities can;
    struct vst_scsi_reservation reservation;
    struct vst_scsi_verdict verdict;
    uint64_t found[2];
    uint32_t generation;
    size_t n;
    struct fake_unit *fake;
    WITH(f);
    struct vst_scsi_unit *unit = set_up_unit(f, &fake);

    SCRIPT(fake, SAYS(0x5e, held));
    assert_int_equal(vst_scsi_reserve_holder(unit, &reservation, &verdict), VST_OK);
    assert_true(reservation.is_held);
    assert_int_equal(reservation.key, 0x1234);
    assert_int_equal(reservation.type, VST_SCSI_WRITE_EXCLUSIVE_REGISTRANTS);
    SCRIPT(fake, SAYS(0x5e, keys));
    assert_int_equal(vst_scsi_reserve_keys(unit, found, 2, &n, &generation, &verdict), VST_OK);
    assert_int_equal(n, 3); /* of which there was room for two */
    assert_int_equal(found[1], 2);
    assert_int_equal(generation, 7);
    SCRIPT(fake, SAYS(0x5e, capabilities));
    assert_int_equal(vst_scsi_reserve_capabilities(unit, &can, &verdict), VST_OK);
    assert_true(can.all_ports && can.keeps && can.keeps_now && can.tells_types);
    SCRIPT(fake, FAILS(0x5e, 5, 0x20, 0));
    assert_int_equal(vst_scsi_reserve_holder(unit, &reservation, &verdict), VST_ERR_UNSUPPORTED);
    assert_int_equal(vst_scsi_reserve_keys(unit, found, 2, &n, &generation, &verdict),
                     VST_ERR_UNSUPPORTED);
    assert_int_equal(n, 0);
    tear_down_unit(f);
}

static void test_who_is_registered(void **state)
{
    static const uint8_t full[] = {
        0,
        0,
        0,
        9,
        0,
        0,
        0,
        24 + 24 + 24 + 24,
        /* an iSCSI initiator that holds it */
        0,
        0,
        0,
        0,
        0,
        0,
        0x11,
        0x11,
        0,
        0,
        0,
        0,
        1,
        0x03,
        0,
        0,
        0,
        0,
        0,
        2,
        0,
        0,
        0,
        24,
        5,
        0,
        0,
        20,
        'i',
        'q',
        'n',
        '.',
        '2',
        '0',
        '0',
        '7',
        '-',
        '1',
        '0',
        ':',
        'o',
        'n',
        'e',
        0,
        0,
        0,
        0,
        0,
        /* a SAS initiator, for all ports */
        0,
        0,
        0,
        0,
        0,
        0,
        0x22,
        0x22,
        0,
        0,
        0,
        0,
        2,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        24,
        6,
        0,
        0,
        0,
        0x50,
        0,
        0xc5,
        0,
        0xa1,
        0xb2,
        0xc3,
        0xd4,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    };
    struct vst_scsi_registration found[2];
    struct vst_scsi_verdict verdict;
    struct fake_unit *fake;
    uint8_t hostile[sizeof(full)];
    size_t n;
    WITH(f);
    struct vst_scsi_unit *unit = set_up_unit(f, &fake);

    SCRIPT(fake, SAYS(0x5e, full));
    assert_int_equal(vst_scsi_reserve_full_status(unit, found, 2, &n, &verdict), VST_OK);
    assert_int_equal(n, 2);
    assert_true(found[0].holds && !found[0].all_ports && !found[1].holds && found[1].all_ports);
    assert_int_equal(found[0].port, 2);
    assert_string_equal(found[0].who, "iqn.2007-10:one");
    assert_string_equal(found[1].who, "5000c500a1b2c3d4");
    assert_int_equal(vst_scsi_reserve_full_status(unit, found, 1, &n, &verdict), VST_OK);
    assert_int_equal(n, 2);
    memcpy(hostile, full, sizeof(full));
    memset(hostile + 28, 0xff, 4); /* the first one's TransportID has no end */
    SCRIPT(fake, SAYS(0x5e, hostile));
    assert_int_equal(vst_scsi_reserve_full_status(unit, found, 2, &n, &verdict), VST_OK);
    assert_int_equal(n, 0);
    tear_down_unit(f);
}

/** Answers cut short, and no memory for any. */
static void test_reservations_that_make_no_sense(void **state)
{
    static const uint8_t cut[] = {0, 0, 0, 7, 0, 0};
    struct vst_scsi_reserve_order order = {.action = VST_SCSI_CLEAR};
    struct vst_scsi_reservation_capabilities can;
    struct vst_scsi_registration registrations[1];
    struct vst_scsi_reservation reservation;
    struct vst_scsi_verdict verdict;
    uint64_t keys[1];
    uint32_t generation;
    size_t n;
    struct fake_unit *fake;
    WITH(f);
    struct vst_scsi_unit *unit = set_up_unit(f, &fake);

    SCRIPT(fake, SAYS(0x5e, cut));
    for (unsigned i = 0; i < 2; i++) {
        enum vst_status wanted = i == 0 ? VST_ERR_MALFORMED : VST_ERR_NO_MEMORY;
        f->fake.fail_alloc_after = i == 0 ? SIZE_MAX : 0;
        assert_int_equal(vst_scsi_reserve_holder(unit, &reservation, &verdict), wanted);
        assert_string_equal(verdict.text, vst_status_text(wanted));
        assert_int_equal(vst_scsi_reserve_keys(unit, keys, 1, &n, &generation, &verdict), wanted);
        assert_int_equal(vst_scsi_reserve_capabilities(unit, &can, &verdict), wanted);
        assert_int_equal(vst_scsi_reserve_full_status(unit, registrations, 1, &n, &verdict),
                         wanted);
    }
    assert_int_equal(vst_scsi_reserve(unit, &order, &verdict), VST_ERR_NO_MEMORY);
    f->fake.fail_alloc_after = SIZE_MAX;
    tear_down_unit(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_outcomes_mean),
        cmocka_unit_test(test_what_has_no_sense),
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_what_is_told),
        cmocka_unit_test(test_who_is_registered),
        cmocka_unit_test(test_reservations_that_make_no_sense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
