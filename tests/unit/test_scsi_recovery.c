/* SPDX-License-Identifier: BSD-2-Clause */
/* Units that do not answer: each step, and each step's failure; errands; fewer commands at a time. */
#include "scsi/disk.h"
#include "tests/unit/scsi_disk_fixture.h"

enum { ABORT, NEXUS_RESET = 4, LUN_RESET = 5, CLEAR_ACA = 2 };
#define BIT(code)     ((uint16_t)(1u << (code)))
#define ALL_FUNCTIONS (BIT(ABORT) | BIT(LUN_RESET) | BIT(NEXUS_RESET))

/** Two disks at different targets, the first of which is to fall silent. */
struct pair {
    struct fixture *f;
    struct fake_unit *units[2];
    struct vst_block_device *devices[2];
    struct vst_block_queue *queues[2];
    int32_t room;
};

static void set_up_pair_on(struct pair *p, const struct ring_kind *kind, uint16_t n_queues)
{
    struct fixture *f = &storage;

    set_up_as(f, kind, FAKE_MODERN);
    f->fake.ns_per_look = 20000;
    fake_virtio_scsi_offer_queues(&f->scsi, n_queues, 128);
    f->config.n_queues = n_queues;
    *p = (struct pair){.f = f};
    for (uint8_t i = 0; i < 2; i++)
        p->units[i] = fake_virtio_scsi_add(&f->scsi, i, 0);
    assert_int_equal(attach(f), VST_OK);
    for (uint8_t i = 0; i < 2; i++) {
        p->devices[i] = attach_disk(f, i, 0);
        p->queues[i] = p->devices[i]->queues[0];
    }
    p->room = p->devices[0]->limits.depth;
    memset(p->units[0]->functions, 0, sizeof(p->units[0]->functions));
}

static void set_up_pair(struct pair *p)
{
    set_up_pair_on(p, &ring_kinds[0], 1);
}

static int32_t room_of(const struct vst_block_queue *queue)
{
    return ((const struct vst_scsi_block_queue *)queue)->n_room;
}

static struct disk_queue *disk_queue_of(struct vst_block_queue *queue)
{
    return (struct disk_queue *)queue;
}

static void tear_down_pair(struct pair *p)
{
    for (unsigned i = 0; i < 2; i++)
        vst_scsi_disk_detach(p->devices[i]);
    tear_down(p->f);
}

static bool is_quiet(struct pair *p)
{
    return vst_scsi_recovery_is_quiet(&disk_queue_of(p->queues[0])->disk->recovery);
}

static void settle(struct pair *p)
{
    for (unsigned i = 0; !is_quiet(p); i++) {
        assert_true(i < MAX_LOOKS);
        take(p->queues[0], 8);
    }
    take(p->queues[0], 8);
    assert_int_equal(room_of(p->queues[0]), p->room);
}

/** Gives the silent unit `n` requests, the last of them split, writes among them. */
static void begin(struct pair *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        bool split = i == n - 1;
        fill_io(&ios[i], i % 3 == 1 ? VST_BLOCK_WRITE : VST_BLOCK_READ, 128 * (i % 3),
                split ? 60 : 2);
        if (split)
            cut_io(&ios[i]);
        memset(ios[i].data, 0x5a, 60 * 512);
        assert_int_equal(vst_block_submit(p->queues[0], &ios[i].request), VST_OK);
    }
    vst_block_kick(p->queues[0]);
}

static bool all_back(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (!ios[i].back)
            return false;
    return true;
}

/** The neighbour goes on meanwhile: each of its reads ends well while the first is silent. */
static void wait_with_neighbour(struct pair *p, unsigned n)
{
    struct io *neighbour = &ios[200];
    unsigned n_done = 0;

    neighbour->back = true;
    for (unsigned i = 0; !all_back(n); i++) {
        assert_true(i < MAX_LOOKS);
        if (neighbour->back) {
            fill_io(neighbour, VST_BLOCK_READ, n_done++ % 64, 2);
            enum vst_status status = vst_block_submit(p->queues[1], &neighbour->request);
            neighbour->back = status == VST_ERR_FULL; /* of an adapter that is being reset */
            assert_true(status == VST_OK || status == VST_ERR_FULL);
            vst_block_kick(p->queues[1]);
        }
        take(p->queues[0], 4);
        take(p->queues[1], 4);
        if (neighbour->back)
            assert_true(neighbour->request.status == VST_OK);
    }
    finish(p->queues[1], neighbour);
    assert_true(n_done > 10);
}

static void check_data(struct pair *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(ios[i].request.status, VST_OK);
        check_read(p->units[0], &ios[i]);
    }
}

static void logged(const struct pair *p, const char *what, bool wanted)
{
    if ((strstr(p->f->fake.all_logs, what) != NULL) != wanted)
        fail_msg("\"%s\" %s the log: %s", what, wanted ? "is not in" : "is in",
                 p->f->fake.all_logs);
}

/* ------------------------------------------------------------------ steps */

static const struct {
    uint16_t mended_by;
    const char *last, *next; /* in the log; the step behind it is not taken */
    unsigned n_resets, n_aborts, n_lun_resets, n_nexus_resets;
} steps[] = {
    {BIT(ABORT), "after: abort task", ": LUN reset", 0, 1, 0, 0},
    {BIT(LUN_RESET), "after: LUN reset", "nexus", 0, 1, 1, 0},
    {BIT(NEXUS_RESET), "after: I_T nexus reset", ": adapter", 0, 1, 1, 1},
    {BIT(FAKE_ADAPTER_RESET), "after: adapter reset", "given up", 1, 1, 1, 1},
};

/** Each step mends it in its turn, and nothing that reaches further is done. */
static void test_each_step_mends(void **state)
{
    struct pair p;

    (void)state;
    for (size_t k = 0; k < VST_ARRAY_LENGTH(ring_kinds); k++)
        for (size_t i = 0; i < VST_ARRAY_LENGTH(steps); i++) {
            set_up_pair_on(&p, &ring_kinds[k], 1);
            p.units[0]->silent = true;
            p.units[0]->mended_by = steps[i].mended_by;
            begin(&p, 7);
            if ((ring_kinds[k].more & IN_ORDER) == 0)
                wait_with_neighbour(&p, 7);
            else /* there the neighbour waits behind it */
                for (unsigned n = 0; n < 7; n++)
                    finish(p.queues[0], &ios[n]);
            check_data(&p, 7);
            settle(&p);
            logged(&p, steps[i].last, true);
            logged(&p, steps[i].next, false);
            assert_int_equal(p.f->scsi.device.n_resets, steps[i].n_resets);
            assert_true(p.units[0]->functions[ABORT] >= steps[i].n_aborts);
            assert_int_equal(p.units[0]->functions[LUN_RESET], steps[i].n_lun_resets);
            assert_int_equal(p.units[0]->functions[NEXUS_RESET], steps[i].n_nexus_resets);
            assert_true(p.queues[0]->stats.timeouts >= 7);
            assert_int_equal(p.queues[1]->stats.timeouts, 0);
            tear_down_pair(&p);
        }
}

/** It answers by itself, late: nothing is done to it, and the answers count. */
static void test_late_answers_are_answers(void **state)
{
    struct pair p;

    (void)state;
    set_up_pair(&p);
    p.units[0]->silent = true;
    begin(&p, 5);
    for (unsigned i = 0; strstr(p.f->fake.all_logs, ": retry") == NULL; i++) {
        assert_true(i < MAX_LOOKS);
        take(p.queues[0], 8);
    }
    assert_int_equal(vst_block_submit(p.queues[0], &ios[100].request), VST_ERR_INVALID);
    fill_io(&ios[100], VST_BLOCK_READ, 0, 1);
    assert_int_equal(vst_block_submit(p.queues[0], &ios[100].request), VST_ERR_FULL);
    assert_true(vst_block_ready(p.queues[0]) && vst_block_awaited(p.queues[0]));
    fake_virtio_scsi_awake(&p.f->scsi, p.units[0]);
    for (unsigned i = 0; i < 5; i++)
        finish(p.queues[0], &ios[i]);
    check_data(&p, 5);
    settle(&p);
    assert_int_equal(p.f->scsi.n_functions, 0);
    assert_int_equal(p.queues[0]->stats.replays, 0);
    logged(&p, "after: retry", true);
    run(p.queues[0], &ios[100]);
    tear_down_pair(&p);
}

/** The task ends in the moment in which it is to be aborted: it has ended, and is not done again. */
static void test_a_task_that_ends_before_its_abort(void **state)
{
    struct pair p;

    (void)state;
    for (unsigned rejected = 0; rejected < 2; rejected++) {
        set_up_pair(&p);
        p.units[0]->silent = true;
        p.units[0]->mended_by = BIT(ABORT);
        p.units[0]->answers_before_abort = true;
        begin(&p, 4);
        unsigned before = p.units[0]->n_commands;
        for (unsigned i = 0; i < 4; i++)
            finish(p.queues[0], &ios[i]);
        check_data(&p, 4);
        settle(&p);
        assert_int_equal(p.units[0]->n_commands, before + 1); /* TEST UNIT READY */
        assert_int_equal(p.queues[0]->stats.replays, 0);
        tear_down_pair(&p);
    }
}

/** A function that is refused, that is never answered, that says it is done and is not: the next. */
static void test_functions_that_fail(void **state)
{
    struct pair p;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        set_up_pair(&p);
        struct fake_unit *unit = p.units[0];
        unit->silent = true;
        unit->mended_by = BIT(FAKE_ADAPTER_RESET);
        *(i == 0 ? &unit->rejects : i == 1 ? &unit->ignores : &unit->keeps) = ALL_FUNCTIONS;
        begin(&p, 6);
        wait_with_neighbour(&p, 6);
        check_data(&p, 6);
        settle(&p);
        logged(&p, "after: adapter reset", true);
        logged(&p, ": I_T nexus reset", true);
        assert_int_equal(p.f->scsi.device.n_resets, 1);
        assert_int_equal(unit->functions[LUN_RESET], i == 1 ? 0 : 1);
        tear_down_pair(&p);
    }
}

/** The control queue is full, or not to be had: nothing gets stuck. */
static void test_no_function_is_ever_answered(void **state)
{
    struct pair p;

    (void)state;
    set_up_pair(&p);
    p.f->scsi.device.queues[0].answers_nothing = true;
    p.units[0]->ignores = ALL_FUNCTIONS;
    p.units[0]->silent = true;
    p.units[0]->mended_by = BIT(FAKE_ADAPTER_RESET);
    begin(&p, 3);
    wait_with_neighbour(&p, 3);
    check_data(&p, 3);
    settle(&p);
    tear_down_pair(&p);
}

/** A LUN reset reaches further than its unit where a nexus reset does: the others are given again. */
static void test_other_units_of_the_target(void **state)
{
    struct pair p;

    (void)state;
    set_up_pair(&p);
    struct fake_unit *third = fake_virtio_scsi_add(&p.f->scsi, 0, 1);
    struct vst_block_device *device = attach_disk(p.f, 0, 1);
    p.units[0]->silent = true;
    p.units[0]->mended_by = BIT(NEXUS_RESET);
    third->silent = true; /* not for long enough to be late */
    begin(&p, 3);
    while (strstr(p.f->fake.all_logs, ": I_T") == NULL)
        take(p.queues[0], 8);
    third->silent = false;
    for (unsigned i = 0; i < 3; i++)
        finish(p.queues[0], &ios[i]);
    check_data(&p, 3);
    settle(&p);
    fill_io(&ios[0], VST_BLOCK_READ, 3, 3);
    run(device->queues[0], &ios[0]);
    check_read(third, &ios[0]);
    assert_int_equal(p.f->scsi.device.n_resets, 0);
    vst_scsi_disk_detach(device);
    tear_down_pair(&p);
}

/** Every time it is tried the unit falls silent: it ends after five, told so; the unit goes on. */
static void test_a_request_that_silences_its_unit(void **state)
{
    struct pair p;

    (void)state;
    for (unsigned split = 0; split < 2; split++) {
        set_up_pair(&p);
        p.units[0]->silent = true;
        fill_io(&ios[0], VST_BLOCK_READ, 7, split ? 60 : 2);
        if (split)
            cut_io(&ios[0]);
        assert_int_equal(vst_block_submit(p.queues[0], &ios[0].request), VST_OK);
        vst_block_kick(p.queues[0]);
        p.units[0]->answers_checks = true;
        finish(p.queues[0], &ios[0]);
        assert_int_equal(ios[0].request.status, VST_ERR_TIMEOUT);
        assert_int_equal(ios[0].request.error_sector, 7);
        assert_int_equal(p.units[0]->functions[ABORT], 1); /* then, so soon after, more */
        assert_int_equal(p.units[0]->functions[LUN_RESET], 1);
        assert_int_equal(p.units[0]->functions[NEXUS_RESET], 1);
        assert_int_equal(p.f->scsi.device.n_resets, 2);
        assert_false(p.devices[0]->broken);
        p.units[0]->silent = false;
        settle(&p);
        tear_down_pair(&p);
    }
}

/* ------------------------------------------------------------------ the end */

/** Nothing helps: it is out of service, the neighbour is not, and no memory is left out. */
static void test_given_up(void **state)
{
    struct pair p;

    (void)state;
    for (size_t k = 0; k < VST_ARRAY_LENGTH(ring_kinds); k++) {
        if ((ring_kinds[k].more & IN_ORDER) != 0)
            continue;
        set_up_pair_on(&p, &ring_kinds[k], 1);
        p.units[0]->silent = true;
        begin(&p, 7);
        wait_with_neighbour(&p, 7);
        for (unsigned i = 0; i < 7; i++)
            assert_true(ios[i].request.status == VST_ERR_BROKEN ||
                        ios[i].request.status == VST_ERR_TIMEOUT ||
                        ios[i].request.status == VST_ERR_RESET);
        logged(&p, "given up", true);
        assert_true(p.devices[0]->broken);
        assert_string_equal(p.devices[0]->broken_why, "does not answer");
        assert_false(p.devices[1]->broken);
        fill_io(&ios[0], VST_BLOCK_READ, 0, 1);
        assert_int_equal(vst_block_submit(p.queues[0], &ios[0].request), VST_ERR_BROKEN);
        /* Its check is back as well: the first adapter reset was for the unit, the second for that. */
        for (unsigned i = 0; !is_quiet(&p); i++) {
            assert_true(i < MAX_LOOKS);
            take(p.queues[0], 4);
        }
        assert_int_equal(p.f->scsi.device.n_resets, 2);
        tear_down_pair(&p);
    }
}

/** Adapters that may not be reset: the last step takes them out of service, and all their units. */
static void test_adapter_out_of_service(void **state)
{
    struct pair p;

    (void)state;
    set_up_pair(&p);
    ((struct scsi_device *)p.f->hba)->recovery.way = VST_RECOVERY_NONE;
    p.units[0]->silent = true;
    begin(&p, 4);
    for (unsigned i = 0; i < 4; i++)
        finish(p.queues[0], &ios[i]);
    for (unsigned i = 0; i < 4; i++)
        assert_true(ios[i].request.status != VST_OK);
    assert_true(p.f->hba->broken && p.devices[0]->broken);
    assert_string_equal(p.devices[0]->broken_why, p.f->hba->broken_why);
    fill_io(&ios[0], VST_BLOCK_READ, 0, 1);
    if (vst_block_submit(p.queues[1], &ios[0].request) == VST_OK)
        finish(p.queues[1], &ios[0]);
    tear_down_pair(&p);
}

/** Nobody polls on: what is under way for the unit is done before its memory goes. */
static void test_detached_in_the_middle(void **state)
{
    struct pair p;

    (void)state;
    for (unsigned step = 0; step < VST_ARRAY_LENGTH(steps); step++) {
        set_up_pair(&p);
        struct scsi_recovery *r = &disk_queue_of(p.queues[0])->disk->recovery;
        p.units[0]->silent = true;
        p.units[0]->mended_by = steps[step].mended_by;
        begin(&p, 1);
        for (unsigned i = 0; !r->escalation.checking; i++) {
            assert_true(i < MAX_LOOKS);
            take(p.queues[0], 4);
        }
        fake_virtio_scsi_awake(&p.f->scsi, p.units[0]);
        p.units[0]->silent = true;
        p.units[0]->mended_by = BIT(FAKE_ADAPTER_RESET);
        finish(p.queues[0], &ios[0]);
        tear_down_pair(&p);
    }
}

/** A queue that rests has no command of ours out. */
static void test_rest_in_the_middle(void **state)
{
    struct pair p;

    (void)state;
    set_up_pair_on(&p, &ring_kinds[0], 2);
    struct scsi_recovery *r = &disk_queue_of(p.queues[0])->disk->recovery;
    vst_scsi_recovery_ask(r, SCSI_ERRAND_RESET);
    vst_scsi_disk_health_changed(r);
    for (unsigned i = 0; !r->escalation.checking || r->command_state == 0; i++) {
        assert_true(i < MAX_LOOKS);
        p.units[0]->silent = r->escalation.checking;
        take(p.queues[0], 4);
    }
    p.units[0]->mended_by = BIT(NEXUS_RESET);
    vst_block_rest(p.devices[0]->queues[1]); /* which has none: it does not wait */
    assert_false(vst_scsi_recovery_is_quiet(r));
    vst_block_rest(p.queues[0]);
    assert_int_equal(r->command_state, 0);
    settle(&p);
    tear_down_pair(&p);
}

/** One queue has what is late, the other one polls as well: one does the steps, both get room again. */
static void test_two_queues(void **state)
{
    struct pair p;

    (void)state;
    for (unsigned step = 0; step < VST_ARRAY_LENGTH(steps); step++) {
        set_up_pair_on(&p, &ring_kinds[step % 2], 2);
        struct vst_block_queue *second = p.devices[0]->queues[1];
        p.units[0]->silent = true;
        p.units[0]->mended_by = steps[step].mended_by;
        begin(&p, 4);
        fill_io(&ios[50], VST_BLOCK_READ, 30, 4);
        assert_int_equal(vst_block_submit(second, &ios[50].request), VST_OK);
        vst_block_kick(second);
        for (unsigned i = 0; !all_back(4) || !ios[50].back; i++) {
            assert_true(i < MAX_LOOKS);
            take(second, 4);
            take(p.queues[0], 4);
        }
        check_data(&p, 4);
        check_read(p.units[0], &ios[50]);
        settle(&p);
        take(second, 4);
        assert_int_equal(room_of(second), p.room);
        logged(&p, steps[step].last, true);
        tear_down_pair(&p);
    }
}

/* ------------------------------------------------------------------ commands by hand */

static void test_run_brings_its_command_back(void **state)
{
    struct pair p;

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(steps); i++) {
        set_up_pair(&p);
        p.units[0]->silent = true;
        *(i == 0 ? &p.units[0]->mended_by : &p.units[0]->rejects) |=
            (uint16_t)(i == 0 ? BIT(ABORT) : ALL_FUNCTIONS & ~steps[i].mended_by);
        struct vst_scsi_command command = {.nexus = nexus_of(0, 0), .cdb_bytes = 6};
        assert_int_equal(vst_scsi_run(p.f->queue, &command), VST_OK);
        assert_int_equal(command.outcome.response, VST_SCSI_RESPONSE_TIMEOUT);
        assert_int_equal(p.f->scsi.device.n_resets, steps[i].n_resets);
        tear_down_pair(&p);
    }
}

static void note_found(void *ctx, struct vst_scsi_unit *unit)
{
    (void)unit;
    ++*(unsigned *)ctx;
}

/** A scan goes on without a unit that does not answer, and nobody else is reset for it. */
static void test_scan_beside_a_silent_unit(void **state)
{
    struct pair p;
    unsigned n_found = 0;
    struct vst_scsi_units units = {.ctx = &n_found, .found = note_found};

    (void)state;
    set_up_pair(&p);
    p.f->fake.ns_per_look = 1000000;
    p.units[0]->silent = true;
    vst_scsi_units_add(&units, p.f->hba);
    assert_int_equal(vst_scsi_units_scan(&units, p.f->hba), VST_OK);
    assert_int_equal(n_found, 1);
    assert_true(p.units[0]->functions[ABORT] >= 2);
    assert_int_equal(p.units[0]->functions[LUN_RESET], 0);
    assert_int_equal(p.f->scsi.device.n_resets, 0);
    p.units[0]->silent = false;
    assert_int_equal(vst_scsi_units_scan(&units, p.f->hba), VST_OK);
    assert_int_equal(n_found, 2);
    assert_true(vst_scsi_units_forget(&units, p.f->hba));
    tear_down_pair(&p);
}

static void test_functions_that_are_waited_for(void **state)
{
    struct vst_scsi_function function = {.kind = VST_SCSI_LOGICAL_UNIT_RESET,
                                         .nexus = nexus_of(0, 0)};
    struct pair p;

    (void)state;
    set_up_pair(&p);
    assert_int_equal(vst_scsi_manage(p.f->hba, &function), VST_OK);
    assert_int_equal(function.response, VST_SCSI_FUNCTION_COMPLETE);
    assert_int_equal(p.units[0]->functions[LUN_RESET], 1);
    p.units[0]->rejects = ALL_FUNCTIONS;
    assert_int_equal(vst_scsi_manage(p.f->hba, &function), VST_OK);
    assert_int_equal(function.response, VST_SCSI_FUNCTION_REJECTED);
    p.f->fake.ns_per_look = 1000000;
    p.units[0]->ignores = ALL_FUNCTIONS;
    for (unsigned i = 0; i < SCSI_CONTROL_SLOTS; i++) { /* each of which the adapter keeps */
        assert_int_equal(vst_scsi_manage(p.f->hba, &function), VST_OK);
        assert_int_equal(function.response, VST_SCSI_FUNCTION_TIMEOUT);
    }
    enum vst_status status;
    for (unsigned i = 0; (status = vst_scsi_manage(p.f->hba, &function)) == VST_OK; i++)
        assert_true(i < 64);
    assert_int_equal(status, VST_ERR_TIMEOUT);
    function.kind = VST_SCSI_N_FUNCTIONS;
    assert_int_equal(vst_scsi_manage(p.f->hba, &function), VST_ERR_INVALID);
    for (unsigned i = 0; i < VST_SCSI_N_FUNCTIONS; i++)
        assert_string_not_equal(vst_scsi_function_name(i), "unknown");
    for (unsigned i = 0; i < VST_SCSI_N_FUNCTION_RESPONSES; i++)
        assert_string_not_equal(vst_scsi_function_response_name(i), "unknown");
    assert_string_equal(vst_scsi_function_name(VST_SCSI_N_FUNCTIONS), "unknown");
    assert_string_equal(vst_scsi_function_response_name(VST_SCSI_N_FUNCTION_RESPONSES), "unknown");
    tear_down_pair(&p);
}

/* ------------------------------------------------------------------ what outcomes ask for */

static void read_with(struct pair *p, uint8_t status, const char *sense)
{
    fill_io(&ios[0], VST_BLOCK_READ, 40, 8);
    next_answers(p->f, 1, 0, status, 0, sense != NULL ? sense : "", sense != NULL ? 18 : 0);
    run(p->queues[0], &ios[0]);
}

static void test_errands(void **state)
{
    struct pair p;

    (void)state;
    set_up_pair(&p);
    read_with(&p, 2, SENSE("\x02", "\x00", "\x04", "\x02"));
    assert_int_equal(ios[0].request.status, VST_OK);
    assert_int_equal(p.units[0]->n_starts, 1);
    assert_int_equal(p.f->scsi.n_functions, 0);
    read_with(&p, 0x30, NULL);
    assert_int_equal(ios[0].request.status, VST_OK);
    settle(&p);
    assert_int_equal(p.units[0]->functions[CLEAR_ACA], 1);
    /* overlapped commands: it knows some that nobody waits for */
    read_with(&p, 2, SENSE("\x0b", "\x00", "\x4e", "\x00"));
    assert_int_equal(ios[0].request.status, VST_OK);
    settle(&p);
    assert_int_equal(p.units[0]->functions[LUN_RESET], 1);
    assert_int_equal(p.units[0]->n_starts, 1);
    tear_down_pair(&p);
}

/** START STOP UNIT finds no room in the ring, or is not answered: it is for later, or is late. */
static void test_an_errand_that_is_late(void **state)
{
    struct pair p;

    (void)state;
    set_up_pair(&p);
    p.f->fake.ns_per_look = 2000000; /* it may take 30 seconds */
    struct scsi_recovery *r = &disk_queue_of(p.queues[0])->disk->recovery;
    vst_scsi_recovery_ask(r, SCSI_ERRAND_START);
    vst_scsi_disk_health_changed(r);
    p.units[0]->silent = true;
    p.units[0]->mended_by = BIT(ABORT);
    settle(&p);
    assert_int_equal(p.units[0]->functions[ABORT], 1);
    logged(&p, "after: abort task", true);
    tear_down_pair(&p);
}

#define DEFERRED(key, asc, ascq)                                                                   \
    "\x71\x00" key "\x00\x00\x00\x00\x0a\x00\x00\x00\x00" asc ascq "\x00\x00\x00\x00"

static enum vst_status flush(struct pair *p)
{
    fill_io(&ios[1], VST_BLOCK_FLUSH, 0, 0);
    run(p->queues[0], &ios[1]);
    return ios[1].request.status;
}

/** A write reported done was lost: what brings the news is done again, but a flush must not end well. */
static void test_deferred_errors_fail_the_next_flush(void **state)
{
    struct pair p;

    (void)state;
    set_up_pair(&p);
    read_with(&p, 2, DEFERRED("\x03", "\x0c", "\x00"));
    assert_int_equal(ios[0].request.status, VST_OK);
    assert_int_equal(flush(&p), VST_ERR_IO);
    assert_int_equal(flush(&p), VST_OK);
    /* told to the flush itself */
    next_answers(p.f, 1, 0, 2, 0, DEFERRED("\x03", "\x0c", "\x00"), 18);
    assert_int_equal(flush(&p), VST_ERR_IO);
    assert_int_equal(flush(&p), VST_OK);
    /* a durable write flushes as well */
    read_with(&p, 2, DEFERRED("\x03", "\x0c", "\x00"));
    fill_io(&ios[2], VST_BLOCK_WRITE_DURABLE, 8, 8);
    run(p.queues[0], &ios[2]);
    assert_int_equal(ios[2].request.status, VST_ERR_IO);
    fill_io(&ios[2], VST_BLOCK_WRITE_DURABLE, 8, 8);
    next_answers(p.f, 1, 0, 2, 0, DEFERRED("\x03", "\x0c", "\x00"), 18);
    p.f->scsi.answer.after++;
    run(p.queues[0], &ios[2]);
    assert_int_equal(ios[2].request.status, VST_ERR_IO);
    assert_int_equal(flush(&p), VST_OK);
    tear_down_pair(&p);
}

/** What has changed is noted for whoever looks after the unit. */
static void test_what_is_to_be_found_out_again(void **state)
{
    static const struct {
        const char *sense;
        enum scsi_action action;
    } cases[] = {
        {SENSE("\x06", "\x00", "\x2a", "\x09"), SCSI_REREAD_CAPACITY},
        {SENSE("\x06", "\x00", "\x2a", "\x01"), SCSI_REREAD_MODE},
        {SENSE("\x06", "\x00", "\x3f", "\x03"), SCSI_REREAD_IDENTITY},
        {SENSE("\x06", "\x00", "\x2a", "\x06"), SCSI_REREAD_PATHS},
        {SENSE("\x06", "\x00", "\x3f", "\x0e"), SCSI_RESCAN},
        {SENSE("\x06", "\x00", "\x29", "\x00"), SCSI_WAS_RESET},
        {SENSE("\x06", "\x00", "\x28", "\x00"), SCSI_MEDIUM_CHANGED},
        {SENSE("\x02", "\x00", "\x3a", "\x00"), SCSI_NO_MEDIUM},
        {SENSE("\x05", "\x00", "\x25", "\x00"), SCSI_UNIT_GONE},
    };
    struct pair p;

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        set_up_pair(&p);
        read_with(&p, 2, cases[i].sense);
        struct unit *units[2] = {disk_queue_of(p.queues[0])->disk->unit,
                                 disk_queue_of(p.queues[1])->disk->unit};
        assert_int_not_equal(vst_scsi_look_after(cases[i].action), 0);
        assert_int_equal(units[0]->base.look_again, vst_scsi_look_after(cases[i].action));
        assert_int_equal(units[1]->base.look_again, 0);
        tear_down_pair(&p);
    }
}

/** Full at five: five at a time from then on; good answers bring back one after the other. */
static void test_fewer_commands_at_a_time(void **state)
{
    struct pair p;

    (void)state;
    set_up_pair(&p);
    p.f->scsi.device.queues[2].answers_nothing = true;
    next_answers(p.f, 1, 0, 0x28, 0, "", 0);
    p.f->scsi.answer.after += 5;
    for (unsigned i = 0; i < 6; i++) {
        fill_io(&ios[i], VST_BLOCK_READ, i, 1);
        assert_int_equal(vst_block_submit(p.queues[0], &ios[i].request), VST_OK);
    }
    vst_block_kick(p.queues[0]);
    struct fake_blk_queue *ring = &p.f->scsi.device.queues[2];
    fake_virtio_blk_answer_one(ring, 5); /* refused, while five are in flight */
    take(p.queues[0], 8);
    assert_int_equal(room_of(p.queues[0]), 0);
    assert_int_equal(disk_queue_of(p.queues[0])->depth.now, 5);
    assert_int_equal(vst_block_submit(p.queues[0], &ios[10].request), VST_ERR_INVALID);
    fill_io(&ios[10], VST_BLOCK_READ, 9, 1);
    assert_int_equal(vst_block_submit(p.queues[0], &ios[10].request), VST_ERR_FULL);
    ring->answers_nothing = false;
    fake_virtio_blk_answer_queue(ring);
    for (unsigned i = 0; i < 6; i++)
        finish(p.queues[0], &ios[i]);
    assert_int_equal(disk_queue_of(p.queues[0])->depth.now, 6);
    for (int32_t depth = 6; depth < p.room; depth++) {
        while (disk_queue_of(p.queues[0])->depth.now == depth) {
            assert_int_equal(room_of(p.queues[0]), depth);
            fill_io(&ios[0], VST_BLOCK_READ, 9, 1);
            run(p.queues[0], &ios[0]);
        }
    }
    assert_int_equal(room_of(p.queues[0]), p.room);
    assert_int_equal(disk_queue_of(p.queues[0])->attention, 0);
    tear_down_pair(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_step_mends),
        cmocka_unit_test(test_late_answers_are_answers),
        cmocka_unit_test(test_a_task_that_ends_before_its_abort),
        cmocka_unit_test(test_functions_that_fail),
        cmocka_unit_test(test_no_function_is_ever_answered),
        cmocka_unit_test(test_other_units_of_the_target),
        cmocka_unit_test(test_a_request_that_silences_its_unit),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_adapter_out_of_service),
        cmocka_unit_test(test_detached_in_the_middle),
        cmocka_unit_test(test_rest_in_the_middle),
        cmocka_unit_test(test_two_queues),
        cmocka_unit_test(test_run_brings_its_command_back),
        cmocka_unit_test(test_scan_beside_a_silent_unit),
        cmocka_unit_test(test_functions_that_are_waited_for),
        cmocka_unit_test(test_errands),
        cmocka_unit_test(test_an_errand_that_is_late),
        cmocka_unit_test(test_deferred_errors_fail_the_next_flush),
        cmocka_unit_test(test_what_is_to_be_found_out_again),
        cmocka_unit_test(test_fewer_commands_at_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
