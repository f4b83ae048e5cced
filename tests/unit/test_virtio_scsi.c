/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtio-scsi host adapter: attaching, commands, functions, events; honest and otherwise. */
#include "tests/unit/scsi_fixture.h"

/* ------------------------------------------------------------------ attach */

static bool has_name(const char *const *names, const char *name)
{
    for (; *names != NULL; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static void test_attach_tells_what_there_is(void **state)
{
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    assert_string_equal(f->hba->driver_name, "virtio-scsi");
    assert_string_equal(f->hba->path, "pci-0000:00:04.0");
    assert_string_equal(f->hba->ring_name, "split");
    assert_string_equal(f->hba->irq_mode, "poll");
    assert_true(has_name(f->hba->features, "HOTPLUG"));
    assert_true(has_name(f->hba->features, "CHANGE"));
    assert_true(has_name(f->hba->features, "EVENT_IDX"));
    assert_false(has_name(f->hba->features, "SIZE_MAX")); /* a block device's bit 1 */
    const struct vst_scsi_hba_limits *limits = &f->hba->limits;
    assert_int_equal(limits->max_target, 255);
    assert_int_equal(limits->max_lun, 16383);
    assert_int_equal(limits->max_segments, 30);
    assert_int_equal(limits->max_sectors, 32768);
    assert_int_equal(limits->depth_of_unit, 128);
    assert_int_equal(limits->max_cdb_bytes, 32);
    assert_int_equal(limits->max_sense_bytes, 96);
    assert_true(limits->tells_plugging && limits->tells_changes);
    assert_false(limits->bidirectional || limits->protection);
    tear_down(f);
}

/** All fronts of the transports, and every kind of ring. */
static void test_every_event_buffer_is_offered(void **state)
{
    static const enum fake_front fronts[] = {FAKE_MODERN, FAKE_WINDOW, FAKE_PIO_ASKED,
                                             FAKE_LEGACY, FAKE_MMIO_1, FAKE_MMIO_2};
    struct fixture *f = &storage;

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(fronts); i++) {
        set_up_as(f, &ring_kinds[0], fronts[i]);
        assert_int_equal(attach(f), VST_OK);
        assert_int_equal(f->scsi.n_event_buffers, 16);
        tear_down(f);
    }
    for (size_t i = 0; i < VST_ARRAY_LENGTH(ring_kinds); i++) {
        set_up_as(f, &ring_kinds[i], FAKE_MODERN);
        assert_int_equal(attach(f), VST_OK);
        assert_int_equal(f->scsi.n_event_buffers, 16);
        tear_down(f);
    }
}

/** SPDK: control and event queue come on top. */
static void test_num_queues_counts_request_queues_only_spdk(void **state)
{
    WITH(f);
    fake_virtio_scsi_offer_queues(&f->scsi, 3, 64);
    f->config.n_queues = 8;
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->hba->n_queues, 3);
    assert_true(f->scsi.device.queues[4].enabled);
    tear_down(f);
    set_up(f);
    fake_virtio_scsi_offer_queues(&f->scsi, 4, 64);
    fake_virtio_blk_offer_queue(&f->scsi.device, 4, 32); /* another size: left alone */
    f->config.n_queues = 4;
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->hba->n_queues, 2);
    tear_down(f);
}

struct config_case {
    unsigned at;
    uint32_t value;
    enum vst_status status;
    uint32_t expected; /* of what test_config_is_checked looks at */
};

static uint32_t what_became_of(const struct fixture *f, unsigned at)
{
    switch (at) {
    case 4:
        return f->hba->limits.max_segments;
    case 8:
        return f->hba->limits.max_sectors;
    case 12:
        return f->hba->limits.depth_of_unit;
    case 20:
        return f->hba->limits.max_sense_bytes;
    case 24:
        return f->hba->limits.max_cdb_bytes;
    case 28:
        return f->hba->limits.max_target;
    case 32:
        return f->hba->limits.max_lun;
    default:
        return 0;
    }
}

static void test_config_is_checked(void **state)
{
    static const struct config_case cases[] = {
        {0, 0, VST_ERR_MALFORMED, 0},
        {0, UINT32_MAX, VST_OK, 0},
        {4, 0, VST_OK, 1},
        {4, 5, VST_OK, 5},
        {4, UINT32_MAX, VST_OK, 30},
        {8, 0, VST_OK, 128},
        {8, 1, VST_OK, 1},
        {8, UINT32_MAX, VST_OK, 32768},
        {12, 0, VST_OK, 1},
        {12, UINT32_MAX, VST_OK, 65535},
        {16, 0, VST_OK, 0},
        {16, 15, VST_OK, 0},
        {16, UINT32_MAX, VST_OK, 0},
        {20, 0, VST_ERR_MALFORMED, 0},
        {20, 17, VST_ERR_MALFORMED, 0},
        {20, 18, VST_OK, 18},
        {20, 1024, VST_OK, 252},
        {20, 1025, VST_ERR_MALFORMED, 0},
        {20, UINT32_MAX, VST_ERR_MALFORMED, 0},
        {24, 0, VST_ERR_MALFORMED, 0},
        {24, 15, VST_ERR_MALFORMED, 0},
        {24, 16, VST_OK, 16},
        {24, 33, VST_ERR_MALFORMED, 0},
        {24, UINT32_MAX, VST_ERR_MALFORMED, 0},
        {28, 0, VST_OK, 0},
        {28, UINT32_MAX, VST_OK, 255},
        {28, 7u << 16, VST_OK, 7},
        {32, 0, VST_OK, 0},
        {32, UINT32_MAX, VST_OK, 16383},
    };

    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        WITH(f);
        f->scsi.fixed_sizes = true;
        fake_virtio_blk_set_config32(&f->scsi.device, cases[i].at, cases[i].value);
        if (cases[i].at == 16) /* the fake would demand room for them */
            f->scsi.device.queues[1].offered_size = 4;
        assert_int_equal(attach(f), cases[i].status);
        if (cases[i].status == VST_OK)
            assert_int_equal(what_became_of(f, cases[i].at), cases[i].expected);
        f->scsi.device.saw_misuse &= cases[i].at != 16;
        tear_down(f);
    }
}

static void test_sizes_are_chosen_and_read_back(void **state)
{
    WITH(f);
    f->config.max_sense_bytes = 252;
    fake_virtio_blk_set_config32(&f->scsi.device, 20, 18);
    fake_virtio_blk_set_config32(&f->scsi.device, 24, 16);
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->hba->limits.max_sense_bytes, 252);
    assert_int_equal(f->hba->limits.max_cdb_bytes, 32);
    tear_down(f);
}

static void test_config_too_short(void **state)
{
    WITH(f);
    f->scsi.device.pci_config[0x74 + 12] = 35;
    f->scsi.device.pci_config[0x74 + 13] = 0;
    assert_int_equal(attach(f), VST_ERR_MALFORMED);
    tear_down(f);
}

static void test_missing_queues(void **state)
{
    for (unsigned queue = 0; queue < 3; queue++) {
        WITH(f);
        fake_virtio_blk_offer_queue(&f->scsi.device, queue, 0);
        assert_int_equal(attach(f), VST_ERR_NOT_FOUND);
        tear_down(f);
    }
}

static void test_nothing_is_left_when_memory_runs_out(void **state)
{
    for (size_t n = 0;; n++) {
        WITH(f);
        f->fake.fail_alloc_after = n;
        enum vst_status status = attach(f);
        f->fake.fail_alloc_after = SIZE_MAX;
        if (status == VST_OK) {
            assert_true(n > 8);
            tear_down(f);
            return;
        }
        assert_int_equal(status, VST_ERR_NO_MEMORY);
        tear_down(f);
    }
}

/* ------------------------------------------------------------------ commands */

/** A command with memory of its own. */
struct order {
    struct vst_scsi_command command;
    struct vst_block_segment out, in;
    uint8_t sent[512], received[512];
    unsigned n_done;
};

static void note_done(struct vst_scsi_command *command)
{
    VST_CONTAINER_OF(command, struct order, command)->n_done++;
}

static void make(struct order *order, uint8_t target, uint32_t lun, uint8_t operation,
                 uint8_t cdb_bytes)
{
    *order = (struct order){.out = {order->sent, 512}, .in = {order->received, 512}};
    order->command = (struct vst_scsi_command){
        .nexus = nexus_of(target, lun),
        .cdb_bytes = cdb_bytes,
        .cdb = {operation},
        .done = note_done,
    };
}

static void run(struct fixture *f, struct order *order)
{
    assert_int_equal(f->hba->ops->submit(f->queue, &order->command), VST_OK);
    f->hba->ops->kick_commands(f->queue);
    for (unsigned i = 0; order->n_done == 0; i++) {
        assert_true(i < MAX_LOOKS);
        f->hba->ops->poll_commands(f->queue, 8);
    }
    assert_int_equal(order->n_done, 1);
}

static void make_inquiry(struct order *order, uint8_t target, uint32_t lun)
{
    make(order, target, lun, 0x12, 6);
    order->command.cdb[4] = 96;
    order->command.in = &order->in;
    order->command.n_in = 1;
}

static void test_inquiry_by_every_ring(void **state)
{
    struct fixture *f = &storage;
    static struct order order;

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(ring_kinds); i++) {
        set_up_as(f, &ring_kinds[i], FAKE_MODERN);
        fake_virtio_scsi_add(&f->scsi, 3, 300);
        assert_int_equal(attach(f), VST_OK);
        for (unsigned k = 0; k < 600; k++) { /* more than twice round the ring */
            make_inquiry(&order, 3, 300);
            run(f, &order);
            assert_int_equal(order.command.outcome.response, VST_SCSI_RESPONSE_OK);
            assert_int_equal(order.command.outcome.status, VST_SCSI_GOOD);
            assert_int_equal(order.command.outcome.residual_bytes, 512 - 96);
            assert_memory_equal(order.received + 8, "FAKE    DISK", 12);
        }
        assert_memory_equal(f->scsi.last_lun, ((uint8_t[]){1, 3, 0x41, 0x2c, 0, 0, 0, 0}), 8);
        tear_down(f);
    }
}

static void test_cdb_and_attributes_arrive_as_they_are(void **state)
{
    static const uint8_t lengths[] = {6, 10, 12, 16, 32};
    static struct order order;

    for (size_t i = 0; i < 2 * VST_ARRAY_LENGTH(lengths); i++) {
        uint8_t cdb[32] = {0}, n = lengths[i / 2];
        WITH(f);
        fake_virtio_scsi_add(&f->scsi, 0, 0);
        if (i % 2)
            f->scsi.device.offered_features |= PACKED;
        assert_int_equal(attach(f), VST_OK);
        make(&order, 0, 0, 0, n);
        memset(order.command.cdb, 0xee, 32); /* what is behind the CDB does not travel */
        for (uint8_t k = 0; k < n; k++)
            cdb[k] = order.command.cdb[k] = (uint8_t)(0xc0 + k);
        order.command.attribute = VST_SCSI_HEAD_OF_QUEUE;
        order.command.priority = 9;
        order.command.crn = 77;
        run(f, &order);
        assert_memory_equal(f->scsi.last_cdb, cdb, 32);
        assert_int_equal(f->scsi.last_attribute, 2);
        assert_int_equal(f->scsi.last_priority, 9);
        assert_int_equal(f->scsi.last_crn, 77);
        tear_down(f);
    }
}

static void test_what_is_wrong_is_refused(void **state)
{
    static struct vst_block_segment many[40];
    static struct order order;
    WITH(f);
    assert_int_equal(attach(f), VST_OK);

#define REFUSED(change, expected)                                                                  \
    do {                                                                                           \
        make_inquiry(&order, 0, 0);                                                                \
        change;                                                                                    \
        assert_int_equal(f->hba->ops->submit(f->queue, &order.command), expected);                 \
    } while (0)
    REFUSED(order.command.cdb_bytes = 5, VST_ERR_INVALID);
    REFUSED(order.command.cdb_bytes = 33, VST_ERR_TOO_LARGE);
    REFUSED(order.command.priority = 16, VST_ERR_INVALID);
    REFUSED(order.command.attribute = VST_SCSI_N_ATTRIBUTES, VST_ERR_INVALID);
    REFUSED(order.in.bytes = 0, VST_ERR_INVALID);
    REFUSED(order.in.bytes = (32768 << 9) + 1, VST_ERR_TOO_LARGE);
    REFUSED(order.in.bytes = SIZE_MAX, VST_ERR_TOO_LARGE);
    REFUSED((order.command.out = &order.out, order.command.n_out = 1), VST_ERR_UNSUPPORTED);
    REFUSED(order.command.in_protection_bytes = 8, VST_ERR_UNSUPPORTED);
    REFUSED(order.command.in_protection_bytes = 513, VST_ERR_INVALID);
    REFUSED(order.command.out_protection_bytes = 1, VST_ERR_INVALID); /* there are no data to it */
    REFUSED((order.command.n_in = 0, order.command.out = &order.out, order.command.n_out = 1,
             order.command.out_protection_bytes = 8),
            VST_ERR_UNSUPPORTED);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(many); i++)
        many[i] = order.in;
    REFUSED((order.command.in = many, order.command.n_in = 31), VST_ERR_TOO_LARGE);
#undef REFUSED
    assert_int_equal(f->scsi.n_commands, 0);
    tear_down(f);
}

static void test_data_both_ways(void **state)
{
    struct fixture *f = &storage;
    static struct order order;

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(ring_kinds); i++) {
        set_up_as(f, &ring_kinds[i], FAKE_MODERN);
        f->scsi.device.offered_features |= VIRTIO_BIT(VIRTIO_SCSI_F_INOUT);
        fake_virtio_scsi_add(&f->scsi, 0, 0);
        assert_int_equal(attach(f), VST_OK);
        assert_true(f->hba->limits.bidirectional);
        for (unsigned k = 0; k < 3; k++) {
            make_inquiry(&order, 0, 0);
            order.out.bytes = 100;
            order.command.out = &order.out;
            order.command.n_out = 1;
            run(f, &order);
            assert_int_equal(f->scsi.n_out_bytes, 100);
            assert_int_equal(f->scsi.n_in_bytes, 512);
            assert_memory_equal(order.received + 8, "FAKE", 4);
        }
        tear_down(f);
    }
}

static void set_up_protected(struct fixture *f, const struct ring_kind *kind, bool asked)
{
    set_up_as(f, kind, FAKE_MODERN);
    f->scsi.device.offered_features |= VIRTIO_BIT(VIRTIO_SCSI_F_T10_PI);
    f->config.protection = asked;
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->hba->limits.protection, asked);
}

static void test_protection_information_where_asked_for(void **state)
{
    static struct order order;
    struct fixture *f = &storage;

    (void)state;
    set_up_protected(f, &ring_kinds[0], false);
    make_inquiry(&order, 0, 0);
    order.command.in_protection_bytes = 8;
    assert_int_equal(f->hba->ops->submit(f->queue, &order.command), VST_ERR_UNSUPPORTED);
    tear_down(f);
    set_up_protected(f, &ring_kinds[0], true);
    make_inquiry(&order, 0, 0);
    order.command.in_protection_bytes = 8;
    run(f, &order);
    assert_int_equal(f->scsi.last_pi_in, 8);
    assert_int_equal(f->scsi.last_pi_out, 0);
    assert_int_equal(f->scsi.last_cdb[0], 0x12);
    assert_memory_equal(order.received + 8, "FAKE", 4);
    order.command.in_protection_bytes = 513; /* more than all data */
    assert_int_equal(f->hba->ops->submit(f->queue, &order.command), VST_ERR_INVALID);
    order.command.in_protection_bytes = 0;
    order.command.out_protection_bytes = 1;
    assert_int_equal(f->hba->ops->submit(f->queue, &order.command), VST_ERR_INVALID);
    tear_down(f);
}

#define PROTECTED_BLOCKS 3u

/** WRITE or READ (10) of block 5 and the next, with checks of their protection information. */
static void make_protected(struct order *order, bool write,
                           const struct vst_block_segment *segments, uint8_t n)
{
    make(order, 0, 0, write ? 0x2a : 0x28, 10);
    order->command.cdb[1] = 1 << 5;
    order->command.cdb[5] = 5;
    order->command.cdb[8] = PROTECTED_BLOCKS;
    if (write) {
        order->command.out = segments;
        order->command.n_out = n;
        order->command.out_protection_bytes = 8 * PROTECTED_BLOCKS;
    } else {
        order->command.in = segments;
        order->command.n_in = n;
        order->command.in_protection_bytes = 8 * PROTECTED_BLOCKS;
    }
}

/** It travels before all data, in a segment of its own or not; the request says how long it is. */
static void protection_there_and_back(struct fixture *f)
{
    static uint8_t sent[520 * PROTECTED_BLOCKS], got[520 * PROTECTED_BLOCKS];
    static struct order order;
    const size_t first = 8 * PROTECTED_BLOCKS;
    const struct vst_block_segment apart[] = {{sent, first},
                                              {sent + first, 512 * PROTECTED_BLOCKS}};
    const struct vst_block_segment amid[] = {{got, first + 5},
                                             {got + first + 5, sizeof(got) - first - 5}};

    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (uint8_t)(i * 7 + i / 256);
    make_protected(&order, true, apart, 2);
    run(f, &order);
    assert_int_equal(order.command.outcome.status, VST_SCSI_GOOD);
    assert_int_equal(f->scsi.last_pi_out, first);
    assert_int_equal(f->scsi.last_pi_in, 0);
    assert_int_equal(f->scsi.n_out_bytes, sizeof(sent));
    assert_memory_equal(f->scsi.protection + 5 * 8, sent, first);
    assert_memory_equal(f->scsi.units[0].data + 5 * 512, sent + first, 512 * PROTECTED_BLOCKS);
    memset(got, 0xee, sizeof(got));
    make_protected(&order, false, amid, 2);
    run(f, &order);
    assert_int_equal(f->scsi.last_pi_out, 0);
    assert_int_equal(f->scsi.last_pi_in, first);
    assert_int_equal(order.command.outcome.residual_bytes, 0);
    assert_memory_equal(got, sent, sizeof(sent));
    /* What is in a slot of the ring from then does not stay there. */
    make_inquiry(&order, 0, 0);
    run(f, &order);
    assert_int_equal(f->scsi.last_pi_out | f->scsi.last_pi_in, 0);
}

static void test_protection_information_comes_before_data(void **state)
{
    struct fixture *f = &storage;

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(ring_kinds); i++) {
        set_up_protected(f, &ring_kinds[i], true);
        for (unsigned k = 0; k < 300; k++) /* once round the ring */
            protection_there_and_back(f);
        tear_down(f);
    }
}

/* ------------------------------------------------------------------ answers */

static void answer_all_with(struct fixture *f, uint8_t response, uint8_t status, uint32_t residual,
                            uint32_t sense_bytes)
{
    f->scsi.answer = (struct fake_scsi_answer){.n = UINT32_MAX,
                                               .response = response,
                                               .status = status,
                                               .qualifier = 0x1234,
                                               .residual = residual,
                                               .sense_bytes = sense_bytes};
    for (size_t i = 0; i < sizeof(f->scsi.answer.sense); i++)
        f->scsi.answer.sense[i] = (uint8_t)(i + 1);
}

static void test_every_response_means_something(void **state)
{
    static struct order order;
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    assert_int_equal(attach(f), VST_OK);
    for (unsigned code = 0; code < 256; code++) {
        answer_all_with(f, (uint8_t)code, 8, 512, 0);
        make_inquiry(&order, 0, 0);
        run(f, &order);
        const struct vst_scsi_outcome *outcome = &order.command.outcome;
        assert_int_equal(outcome->response, code < 10 ? code : VST_SCSI_RESPONSE_MALFORMED);
        assert_int_equal(outcome->status, code == 0 ? VST_SCSI_BUSY : 0);
        assert_int_equal(outcome->status_qualifier, code == 0 ? 0x1234 : 0);
        assert_int_equal(outcome->sense_bytes, 0);
    }
    _Static_assert(VST_SCSI_RESPONSE_FAILURE == 9, "the same numbers as VIRTIO 1.2 has");
    tear_down(f);
}

static void test_an_unwritten_answer_is_none(void **state)
{
    static struct order order;
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    assert_int_equal(attach(f), VST_OK);
    f->scsi.device.lie = LIE_STATUS_NOT_WRITTEN;
    make_inquiry(&order, 0, 0);
    run(f, &order);
    assert_int_equal(order.command.outcome.response, VST_SCSI_RESPONSE_MALFORMED);
    assert_int_equal(order.command.outcome.residual_bytes, 512);
    tear_down(f);
}

static void test_lengths_are_bounded(void **state)
{
    static const struct {
        uint32_t residual, sense;
        enum vst_scsi_response response;
        uint32_t residual_told, sense_told;
    } cases[] = {
        {0, 0, VST_SCSI_RESPONSE_OK, 0, 0},
        {512, 18, VST_SCSI_RESPONSE_OK, 512, 18},
        {513, 18, VST_SCSI_RESPONSE_MALFORMED, 512, 0},
        {0x80000000, 18, VST_SCSI_RESPONSE_MALFORMED, 512, 0},
        {0u - 512, 18, VST_SCSI_RESPONSE_OK, 512, 18}, /* as QEMU counts */
        {0u - 513, 18, VST_SCSI_RESPONSE_MALFORMED, 512, 0},
        {0, 96, VST_SCSI_RESPONSE_OK, 0, 96},
        {0, 97, VST_SCSI_RESPONSE_OK, 0, 96},
        {0, UINT32_MAX, VST_SCSI_RESPONSE_OK, 0, 96},
    };
    static struct order order;

    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        WITH(f);
        fake_virtio_scsi_add(&f->scsi, 0, 0);
        assert_int_equal(attach(f), VST_OK);
        answer_all_with(f, 0, 2, cases[i].residual, cases[i].sense);
        make_inquiry(&order, 0, 0);
        run(f, &order);
        const struct vst_scsi_outcome *outcome = &order.command.outcome;
        assert_int_equal(outcome->response, cases[i].response);
        assert_int_equal(outcome->status, outcome->response == VST_SCSI_RESPONSE_OK ? 2 : 0);
        assert_int_equal(outcome->residual_bytes, cases[i].residual_told);
        assert_int_equal(outcome->sense_bytes, cases[i].sense_told);
        for (uint32_t k = 0; k < cases[i].sense_told; k++)
            assert_int_equal(outcome->sense[k], (uint8_t)(k + 1));
        tear_down(f);
    }
}

static void test_bad_targets(void **state)
{
    static struct order order;
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 1, 0);
    assert_int_equal(attach(f), VST_OK);
    make_inquiry(&order, 0, 0);
    run(f, &order);
    assert_int_equal(order.command.outcome.response, VST_SCSI_RESPONSE_BAD_TARGET);
    tear_down(f);
}

/* ------------------------------------------------------------------ functions */

static void wait_for(struct fixture *f, const struct vst_scsi_function *function)
{
    for (unsigned i = 0; !vst_scsi_function_ended(function); i++) {
        assert_true(i < MAX_LOOKS);
        f->hba->ops->look(f->hba);
    }
}

static void test_all_functions(void **state)
{
    struct fixture *f = &storage;

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(ring_kinds) * VST_SCSI_N_FUNCTIONS; i++) {
        enum vst_scsi_function_kind kind = (enum vst_scsi_function_kind)(i % VST_SCSI_N_FUNCTIONS);
        bool note = kind >= VST_SCSI_NOTIFICATION_QUERY;
        set_up_as(f, &ring_kinds[i / VST_SCSI_N_FUNCTIONS], FAKE_MODERN);
        assert_int_equal(attach(f), VST_OK);
        for (unsigned round = 0; round < 70; round++) { /* more than once round the ring */
            struct vst_scsi_function function = {.kind = kind,
                                                 .nexus = nexus_of(5, 700),
                                                 .tag = 0x123456789abcdef0u,
                                                 .classes = 0x5e};
            assert_int_equal(f->hba->ops->manage(f->hba, &function), VST_OK);
            wait_for(f, &function);
            assert_int_equal(function.response, VST_SCSI_FUNCTION_COMPLETE);
            assert_int_equal(function.actual_classes, note ? 0x12 : 0);
        }
        assert_memory_equal(f->scsi.last_function_lun, ((uint8_t[]){1, 5, 0x42, 0xbc, 0, 0, 0, 0}),
                            8);
        assert_int_equal(f->scsi.last_function_type, note ? kind - 7u : 0);
        if (note) {
            assert_int_equal(f->scsi.last_classes, 0x5e);
        } else {
            assert_int_equal(f->scsi.last_function, kind);
            assert_int_equal(f->scsi.last_function_tag, 0x123456789abcdef0u);
        }
        tear_down(f);
    }
}

static void test_every_response_of_functions_means_something(void **state)
{
    static const uint8_t expected[] = {
        VST_SCSI_FUNCTION_COMPLETE,
        VST_SCSI_FUNCTION_MALFORMED,
        VST_SCSI_FUNCTION_FAILURE,
        VST_SCSI_FUNCTION_BAD_TARGET,
        VST_SCSI_FUNCTION_RESET,
        VST_SCSI_FUNCTION_BUSY,
        VST_SCSI_FUNCTION_TRANSPORT_FAILURE,
        VST_SCSI_FUNCTION_TARGET_FAILURE,
        VST_SCSI_FUNCTION_NEXUS_FAILURE,
        VST_SCSI_FUNCTION_FAILURE,
        VST_SCSI_FUNCTION_SUCCEEDED,
        VST_SCSI_FUNCTION_REJECTED,
        VST_SCSI_FUNCTION_INCORRECT_LUN,
    };
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    for (unsigned code = 1; code < 256; code++) {
        struct vst_scsi_function function = {.kind = VST_SCSI_CLEAR_ACA, .nexus = nexus_of(0, 0)};
        f->scsi.function_response = (uint8_t)code;
        assert_int_equal(f->hba->ops->manage(f->hba, &function), VST_OK);
        wait_for(f, &function);
        assert_int_equal(function.response, code < VST_ARRAY_LENGTH(expected)
                                                ? expected[code]
                                                : VST_SCSI_FUNCTION_MALFORMED);
    }
    struct vst_scsi_function unknown = {.kind = VST_SCSI_N_FUNCTIONS};
    assert_int_equal(f->hba->ops->manage(f->hba, &unknown), VST_ERR_INVALID);
    tear_down(f);
}

/** Let go of at its deadline; a late answer then hurts nobody, and its slot comes back. */
static void test_a_function_that_is_not_answered(void **state)
{
    static struct vst_scsi_function functions[40];
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    f->scsi.device.queues[0].answers_nothing = true;
    unsigned n = 0;
    for (; n < VST_ARRAY_LENGTH(functions); n++) {
        functions[n] = (struct vst_scsi_function){.kind = VST_SCSI_LOGICAL_UNIT_RESET,
                                                  .nexus = nexus_of(0, 0),
                                                  .timeout_ns = 1000000u * (n + 1)};
        if (f->hba->ops->manage(f->hba, &functions[n]) == VST_ERR_FULL)
            break;
    }
    assert_in_range(n, 8, 39);
    for (unsigned i = 0; i < n; i++) {
        wait_for(f, &functions[i]);
        assert_int_equal(functions[i].response, VST_SCSI_FUNCTION_TIMEOUT);
        functions[i] = (struct vst_scsi_function){.response = VST_SCSI_N_FUNCTION_RESPONSES};
    }
    assert_int_equal(f->hba->ops->manage(f->hba, &functions[n]), VST_ERR_FULL);
    f->scsi.device.queues[0].answers_nothing = false;
    fake_virtio_blk_answer_queue(&f->scsi.device.queues[0]);
    f->hba->ops->look(f->hba);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(functions[i].response, VST_SCSI_N_FUNCTION_RESPONSES);
    assert_int_equal(f->hba->ops->manage(f->hba, &functions[n]), VST_OK);
    wait_for(f, &functions[n]);
    assert_int_equal(functions[n].response, VST_SCSI_FUNCTION_COMPLETE);
    tear_down(f);
}

static void test_a_function_is_refused_while_another_cpu_is_at_it(void **state)
{
    struct vst_scsi_function function = {.kind = VST_SCSI_CLEAR_ACA, .nexus = nexus_of(0, 0)};
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    scsi_device_of(f->hba)->control_busy = true;
    assert_int_equal(f->hba->ops->manage(f->hba, &function), VST_ERR_FULL);
    f->hba->ops->look(f->hba);
    scsi_device_of(f->hba)->control_busy = false;
    assert_int_equal(f->hba->ops->manage(f->hba, &function), VST_OK);
    wait_for(f, &function);
    tear_down(f);
}

static bool keep_waiting(struct vst_scsi_command *command, uint64_t tag)
{
    *(uint64_t *)command->user = tag;
    return true;
}

static void poll_until_late(struct fixture *f, const uint64_t *tag)
{
    for (unsigned i = 0; *tag == 0; i++) {
        assert_true(i < MAX_LOOKS);
        f->hba->ops->poll_commands(f->queue, 8);
    }
}

/** Late, named by its tag, aborted: and the tag never comes again. */
static void test_abort_what_is_late(void **state)
{
    static struct order order, next;
    WITH(f);
    uint64_t tag = 0;
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    assert_int_equal(attach(f), VST_OK);
    f->scsi.device.queues[2].answers_nothing = true;
    make_inquiry(&order, 0, 0);
    order.command.late = keep_waiting;
    order.command.user = &tag;
    assert_int_equal(f->hba->ops->submit(f->queue, &order.command), VST_OK);
    f->hba->ops->kick_commands(f->queue);
    poll_until_late(f, &tag);
    assert_int_equal(tag, f->scsi.last_tag);
    struct vst_scsi_function query = {
        .kind = VST_SCSI_QUERY_TASK, .nexus = nexus_of(0, 0), .tag = tag};
    assert_int_equal(f->hba->ops->manage(f->hba, &query), VST_OK);
    wait_for(f, &query);
    assert_int_equal(query.response, VST_SCSI_FUNCTION_SUCCEEDED);
    struct vst_scsi_function abort_it = {
        .kind = VST_SCSI_ABORT_TASK, .nexus = nexus_of(0, 0), .tag = tag};
    assert_int_equal(f->hba->ops->manage(f->hba, &abort_it), VST_OK);
    wait_for(f, &abort_it);
    assert_int_equal(abort_it.response, VST_SCSI_FUNCTION_COMPLETE);
    f->hba->ops->poll_commands(f->queue, 8);
    assert_int_equal(order.n_done, 1);
    assert_int_equal(order.command.outcome.response, VST_SCSI_RESPONSE_ABORTED);
    f->scsi.device.queues[2].answers_nothing = false;
    make_inquiry(&next, 0, 0);
    run(f, &next);
    assert_int_not_equal(f->scsi.last_tag, tag);
    assert_int_equal(f->scsi.device.n_resets, 0);
    tear_down(f);
}

/** Nobody cares: the adapter is reset, and the command ends with that. */
static void test_what_nobody_cares_for_ends_by_a_reset(void **state)
{
    static struct order order, other;
    struct fixture *f = &storage;

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(ring_kinds); i++) {
        struct vst_scsi_function function = {.kind = VST_SCSI_CLEAR_ACA, .nexus = nexus_of(0, 0)};
        struct vst_scsi_event event;
        set_up_as(f, &ring_kinds[i], FAKE_MODERN);
        fake_virtio_scsi_add(&f->scsi, 0, 0);
        assert_int_equal(attach(f), VST_OK);
        f->scsi.device.answers_nothing = true;
        make_inquiry(&order, 0, 0);
        make_inquiry(&other, 0, 0);
        other.command.timeout_ns = 1000 * (uint64_t)TIMEOUT_NS;
        assert_int_equal(f->hba->ops->submit(f->queue, &other.command), VST_OK);
        assert_int_equal(f->hba->ops->manage(f->hba, &function), VST_OK);
        run(f, &order);
        assert_int_equal(order.command.outcome.response, VST_SCSI_RESPONSE_TIMEOUT);
        assert_int_equal(other.n_done, 1);
        assert_int_equal(other.command.outcome.response, VST_SCSI_RESPONSE_RESET);
        assert_true(vst_scsi_function_ended(&function));
        assert_int_equal(function.response, VST_SCSI_FUNCTION_RESET);
        assert_int_equal(f->scsi.device.n_resets, 1);
        assert_int_equal(f->scsi.n_event_buffers, 16);
        assert_true(f->hba->ops->next_event(f->hba, &event)); /* some may have been lost */
        assert_int_equal(event.kind, VST_SCSI_EVENTS_MISSED);
        make_inquiry(&order, 0, 0);
        run(f, &order);
        assert_int_equal(order.command.outcome.response, VST_SCSI_RESPONSE_OK);
        tear_down(f);
    }
}

/** Submitted again from `done`, while the ring is in no state to take it: it is told so. */
static enum vst_status status_in_done;
static struct fixture *fixture_in_done;

static void submit_in_done(struct vst_scsi_command *command)
{
    status_in_done = fixture_in_done->hba->ops->submit(fixture_in_done->queue, command);
    VST_CONTAINER_OF(command, struct order, command)->n_done++;
}

static void test_submitting_from_done(void **state)
{
    static struct order order;
    WITH(f);
    fixture_in_done = f;
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    assert_int_equal(attach(f), VST_OK);
    make_inquiry(&order, 0, 0);
    order.command.done = submit_in_done;
    assert_int_equal(f->hba->ops->submit(f->queue, &order.command), VST_OK);
    f->hba->ops->kick_commands(f->queue);
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(f->hba->ops->poll_commands(f->queue, 1), 1);
    assert_int_equal(order.n_done, 300);
    f->scsi.device.answers_nothing = true;
    f->hba->ops->poll_commands(f->queue, 8); /* the last answer; the next is kept */
    order.n_done = 0;
    f->hba->ops->reset(f->queue, "a test wants it");
    for (unsigned i = 0; order.n_done == 0; i++) {
        assert_true(i < MAX_LOOKS);
        f->hba->ops->poll_commands(f->queue, 8);
    }
    assert_int_equal(order.n_done, 1);
    assert_int_equal(status_in_done, VST_ERR_FULL);
    assert_int_equal(order.command.outcome.response, VST_SCSI_RESPONSE_RESET);
    tear_down(f);
}

static void test_an_adapter_that_never_answers_goes_out_of_service(void **state)
{
    static struct order order;
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    f->scsi.device.heals = false;
    assert_int_equal(attach(f), VST_OK);
    f->scsi.device.answers_nothing = true;
    for (unsigned i = 0; !f->hba->broken; i++) {
        assert_true(i < 10);
        make_inquiry(&order, 0, 0);
        run(f, &order);
        assert_int_equal(order.command.outcome.response, VST_SCSI_RESPONSE_TIMEOUT);
    }
    make_inquiry(&order, 0, 0);
    assert_int_equal(f->hba->ops->submit(f->queue, &order.command), VST_ERR_BROKEN);
    struct vst_scsi_function function = {.kind = VST_SCSI_CLEAR_ACA, .nexus = nexus_of(0, 0)};
    assert_int_equal(f->hba->ops->manage(f->hba, &function), VST_ERR_BROKEN);
    assert_string_equal(f->hba->broken_why, "a command was not answered in time");
    tear_down(f);
}

/* ------------------------------------------------------------------ lies */

static void test_lies_are_met_by_a_reset(void **state)
{
    static const enum fake_lie lies[] = {LIE_USED_ID_TOO_LARGE, LIE_USED_ID_NOT_IN_FLIGHT,
                                         LIE_SILENCE};
    static struct order order;
    struct fixture *f = &storage;

    (void)state;
    for (size_t i = 0; i < 4 * VST_ARRAY_LENGTH(lies); i++) {
        set_up_as(f, &ring_kinds[i % 4], FAKE_MODERN);
        fake_virtio_scsi_add(&f->scsi, 0, 0);
        assert_int_equal(attach(f), VST_OK);
        make_inquiry(&order, 0, 0);
        run(f, &order);
        f->scsi.device.lie = lies[i / 4];
        f->scsi.device.lie_queue = 2;
        make_inquiry(&order, 0, 0);
        run(f, &order);
        assert_in_range(order.command.outcome.response, VST_SCSI_RESPONSE_RESET,
                        VST_SCSI_RESPONSE_TIMEOUT);
        assert_int_equal(f->scsi.device.n_resets, 1);
        make_inquiry(&order, 0, 0);
        run(f, &order);
        assert_int_equal(order.command.outcome.response, VST_SCSI_RESPONSE_OK);
        tear_down(f);
    }
}

/** Lies on the control queue and on the event queue, which no CPU owns. */
static void test_lies_beside_the_requests_are_met_by_a_reset(void **state)
{
    static const uint8_t lun[8] = {1, 0, 0x40, 0};
    static struct order order;

    for (unsigned i = 0; i < 4; i++) {
        struct vst_scsi_function function = {.kind = VST_SCSI_CLEAR_ACA, .nexus = nexus_of(0, 0)};
        WITH(f);
        if (i / 2)
            f->scsi.device.offered_features |= PACKED;
        fake_virtio_scsi_add(&f->scsi, 0, 0);
        assert_int_equal(attach(f), VST_OK);
        f->scsi.device.lie = LIE_USED_ID_TOO_LARGE;
        f->scsi.device.lie_queue = (int)(i % 2);
        if (i % 2)
            assert_true(fake_virtio_scsi_event(&f->scsi, 1, lun, 1));
        else
            assert_int_equal(f->hba->ops->manage(f->hba, &function), VST_OK);
        f->hba->ops->look(f->hba);
        for (unsigned k = 0; f->scsi.device.n_resets == 0; k++) {
            assert_true(k < 3); /* the next poll that finds nothing, or with one command between */
            make_inquiry(&order, 0, 0);
            run(f, &order);
            f->hba->ops->poll_commands(f->queue, 8);
        }
        assert_int_equal(f->scsi.device.n_resets, 1);
        assert_int_equal(f->scsi.n_event_buffers, 16);
        assert_true(i % 2 || function.response == VST_SCSI_FUNCTION_RESET);
        tear_down(f);
    }
}

static void test_another_configuration_after_a_reset(void **state)
{
    static const struct {
        unsigned at;
        uint32_t value;
        bool broken;
    } cases[] = {{0, 0, true},   {4, 29, true},  {4, 30, false}, {8, 1, true},
                 {20, 18, true}, {24, 16, true}, {12, 1, false}};
    static struct order order;

    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        WITH(f);
        fake_virtio_scsi_add(&f->scsi, 0, 0);
        assert_int_equal(attach(f), VST_OK);
        f->scsi.fixed_sizes = true;
        fake_virtio_blk_set_config32(&f->scsi.device, cases[i].at, cases[i].value);
        f->scsi.device.queues[2].answers_nothing = true;
        make_inquiry(&order, 0, 0);
        run(f, &order);
        assert_int_equal(f->hba->broken, cases[i].broken);
        f->scsi.device.saw_misuse = false; /* the request was cut for the sizes before */
        tear_down(f);
    }
}

/* ------------------------------------------------------------------ events */

static bool fetch(struct fixture *f, struct vst_scsi_event *event)
{
    f->hba->ops->look(f->hba);
    return f->hba->ops->next_event(f->hba, event);
}

static void test_events(void **state)
{
    static const struct {
        uint32_t event, reason;
        uint8_t lun[8];
        int kind; /* -1: none */
        uint32_t number;
    } cases[] = {
        {1, 0, {1, 9, 0x40, 3}, VST_SCSI_EVENT_UNIT_RESET, 3},
        {1, 1, {1, 9, 0, 3}, VST_SCSI_EVENT_UNIT_FOUND, 3},
        {1, 2, {1, 9, 0x41, 0}, VST_SCSI_EVENT_UNIT_GONE, 256},
        {1, 3, {1, 9, 0x41, 0}, VST_SCSI_EVENTS_MISSED, 0},
        {2, 0x10, {1, 9, 0x40, 0}, VST_SCSI_EVENT_NOTIFIED, 0},
        {3, 0x092a, {1, 9, 0x40, 0}, VST_SCSI_EVENT_PARAMETERS, 0},
        {4, 0, {1, 9, 0x40, 0}, VST_SCSI_EVENTS_MISSED, 0},
        {0, 0, {0}, -1, 0},
        {0x80000000, 0, {0}, VST_SCSI_EVENTS_MISSED, 0},
        {1, 1, {2, 9, 0, 3}, VST_SCSI_EVENTS_MISSED, 0},
        {1, 1, {1, 9, 0, 3, 1}, VST_SCSI_EVENTS_MISSED, 0},
        {1, 1, {1, 9, 0xff, 3}, VST_SCSI_EVENTS_MISSED, 0},
        {1, 1, {1, 200, 0, 3}, VST_SCSI_EVENTS_MISSED, 0}, /* beyond max_target */
        {UINT32_MAX, UINT32_MAX, {255, 255, 255, 255}, VST_SCSI_EVENTS_MISSED, 0},
    };
    struct fixture *f = &storage;
    struct vst_scsi_event event;

    (void)state;
    for (size_t k = 0; k < VST_ARRAY_LENGTH(ring_kinds); k++) {
        set_up_as(f, &ring_kinds[k], FAKE_MODERN);
        f->scsi.device.config[30] = 100;
        assert_int_equal(attach(f), VST_OK);
        for (size_t i = 0; i < 5 * VST_ARRAY_LENGTH(cases); i++) {
            size_t c = i % VST_ARRAY_LENGTH(cases);
            assert_true(
                fake_virtio_scsi_event(&f->scsi, cases[c].event, cases[c].lun, cases[c].reason));
            assert_int_equal(fetch(f, &event), cases[c].kind >= 0);
            assert_int_equal(f->scsi.n_event_buffers, 16); /* always refilled */
            if (cases[c].kind < 0)
                continue;
            assert_int_equal(event.kind, cases[c].kind);
            if (event.kind == VST_SCSI_EVENTS_MISSED)
                continue;
            assert_int_equal(event.target, 9);
            assert_int_equal(event.lun.number, cases[c].number);
            assert_int_equal(event.classes, cases[c].event == 2 ? 0x10 : 0);
            assert_int_equal(event.asc, cases[c].event == 3 ? 0x2a : 0);
            assert_int_equal(event.ascq, cases[c].event == 3 ? 9 : 0);
        }
        assert_false(fetch(f, &event));
        tear_down(f);
    }
}

static void test_events_keep_their_order(void **state)
{
    struct vst_scsi_event event;
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    for (unsigned round = 0; round < 100; round++) {
        for (uint8_t i = 0; i < 16; i++)
            assert_true(
                fake_virtio_scsi_event(&f->scsi, 1, (uint8_t[8]){1, i, 0x40, (uint8_t)round}, 1));
        assert_false(fake_virtio_scsi_event(&f->scsi, 1, (uint8_t[8]){1}, 1));
        for (uint8_t i = 0; i < 16; i++) {
            assert_true(fetch(f, &event));
            assert_int_equal(event.target, i);
            assert_int_equal(event.lun.number, round);
        }
    }
    tear_down(f);
}

/** Nobody fetches them: what finds no room becomes "missed". */
static void test_too_many_events_become_missed(void **state)
{
    struct vst_scsi_event event;
    unsigned n = 0;
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(fake_virtio_scsi_event(&f->scsi, 1, (uint8_t[8]){1, (uint8_t)i, 0x40}, 1));
        f->hba->ops->look(f->hba);
    }
    assert_true(fetch(f, &event));
    assert_int_equal(event.kind, VST_SCSI_EVENTS_MISSED);
    for (; fetch(f, &event); n++)
        assert_int_equal(event.target, n);
    assert_int_equal(n, 64);
    tear_down(f);
}

/* ------------------------------------------------------------------ interrupts */

static void test_messages(void **state)
{
    static struct vst_irq_message messages[4] = {
        {0xfee00000, 1}, {0xfee00000, 2}, {0xfee00000, 3}, {0xfee00000, 4}};
    static const uint8_t lun[8] = {1, 0, 0x40, 0};

    for (uint16_t n = 1; n <= 4; n++) {
        WITH(f);
        fake_virtio_scsi_offer_queues(&f->scsi, 3, 64);
        fake_virtio_blk_add_msix(&f->scsi.device, 8);
        f->config.n_queues = 3;
        f->config.irq =
            (struct vst_irq_config){.mode = VST_IRQ_MSIX, .n_messages = n, .messages = messages};
        assert_int_equal(attach(f), VST_OK);
        assert_string_equal(f->hba->irq_mode, "msix");
        for (uint16_t i = 0; i < 3; i++) {
            uint16_t message = i < n ? i : (uint16_t)(n - 1);
            assert_int_equal(f->hba->queues[i]->message, message);
            assert_int_equal(f->scsi.device.queues[2 + i].vector, message);
        }
        uint16_t change = n == 4 ? 3 : 0;
        assert_int_equal(f->hba->change_message, change);
        assert_int_equal(f->scsi.device.queues[0].vector, change);
        assert_int_equal(f->scsi.device.queues[1].vector, change);
        (void)lun;
        tear_down(f);
    }
}

static void test_the_line_is_acknowledged(void **state)
{
    WITH(f);
    f->config.irq.mode = VST_IRQ_INTX;
    f->scsi.device.function.interrupt_pin = 1;
    assert_int_equal(attach(f), VST_OK);
    assert_string_equal(f->hba->irq_mode, "intx");
    assert_false(f->hba->ops->interrupted(f->hba));
    fake_virtio_blk_raise(&f->scsi.device.queues[2]);
    assert_true(fake_virtio_blk_line(&f->scsi.device));
    assert_true(f->hba->ops->interrupted(f->hba));
    assert_false(fake_virtio_blk_line(&f->scsi.device));
    assert_true(f->hba->attention);
    f->hba->ops->look(f->hba);
    assert_false(f->hba->attention);
    tear_down(f);
}

/* ------------------------------------------------------------------ what is refused, what is bent */

static void test_which_functions_are_ours(void **state)
{
    static const struct {
        uint16_t vendor, device;
        bool ours;
    } cases[] = {{0x1af4, 0x1048, true},
                 {0x1af4, 0x1004, true},
                 {0x1af4, 0x1042, false},
                 {0x8086, 0x1048, false}};

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        struct vst_pci_function function = {.vendor_id = cases[i].vendor,
                                            .device_id = cases[i].device};
        assert_int_equal(vst_virtio_scsi_matches(&function), cases[i].ours);
    }
}

static void test_what_is_wanted_is_bent(void **state)
{
    WITH(f);
    f->config.max_sense_bytes = 1;
    f->config.max_segments = 7;
    f->config.timeout_ns = 3; /* the watch has no shorter interval than 1 ns */
    f->config.recovery = VST_RECOVERY_QUEUE;
    f->config.n_queues = 10000;
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->hba->limits.max_sense_bytes, 18);
    assert_int_equal(f->hba->limits.max_segments, 7);
    assert_int_equal(f->hba->n_queues, 1);
    assert_int_equal(scsi_device_of(f->hba)->watch_interval_ns, 1);
    assert_int_equal(scsi_device_of(f->hba)->timeout_epochs, 3);
    assert_int_equal(scsi_device_of(f->hba)->config.recovery, VST_RECOVERY_DEVICE);
    tear_down(f);
    set_up(f);
    f->config.max_sense_bytes = 1000;
    f->config.timeout_ns = 40000000000000;
    f->fake.platform.dma_max_maps = 4;
    f->fake.platform.dma_max_map_bytes = 65536;
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->hba->limits.max_sense_bytes, 252);
    assert_int_equal(f->hba->limits.max_segments, 4);
    assert_int_equal(f->hba->limits.max_segment_bytes, 65536);
    assert_int_equal(scsi_device_of(f->hba)->timeout_epochs, UINT16_MAX / 2);
    tear_down(f);
}

static void test_a_ring_too_short_for_a_command(void **state)
{
    WITH(f);
    fake_virtio_blk_offer_queue(&f->scsi.device, 2, 2);
    assert_int_equal(attach(f), VST_ERR_MALFORMED);
    tear_down(f);
}

static void test_a_queue_that_is_not_there_is_left_out(void **state)
{
    WITH(f);
    fake_virtio_scsi_offer_queues(&f->scsi, 3, 64);
    fake_virtio_blk_offer_queue(&f->scsi.device, 3, 0);
    f->config.n_queues = 3;
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->hba->n_queues, 1);
    tear_down(f);
}

static void test_devices_that_are_not_attached(void **state)
{
    WITH(f);
    f->scsi.device.generation_always_changes = true;
    assert_int_not_equal(attach(f), VST_OK);
    assert_non_null(strstr(f->fake.all_logs, "never stops changing"));
    tear_down(f);
    set_up(f);
    f->scsi.device.refuses_features_ok = true;
    assert_int_not_equal(attach(f), VST_OK);
    tear_down(f);
    set_up(f);
    f->scsi.device.function.n_capabilities = 0;
    assert_int_not_equal(attach(f), VST_OK);
    tear_down(f);
    set_up_as(f, &ring_kinds[0], FAKE_MMIO_2);
    f->front.type = 2;
    assert_int_not_equal(attach(f), VST_OK);
    tear_down(f);
}

/** Each allocation fails alone: what comes after it succeeds, and is given back. */
static void test_nothing_is_left_when_one_allocation_fails(void **state)
{
    static const enum fake_front fronts[] = {FAKE_MODERN, FAKE_MMIO_2};

    for (size_t i = 0; i < 2 * VST_ARRAY_LENGTH(fronts); i++) {
        enum vst_status status = VST_ERR_NO_MEMORY;
        for (size_t n = 0; status != VST_OK; n++) {
            struct fixture *f = &storage;
            (void)state;
            set_up_as(f, &ring_kinds[i % 2 ? 7 : 0], fronts[i / 2]);
            fake_virtio_scsi_offer_queues(&f->scsi, 2, 64);
            f->config.n_queues = 2;
            f->fake.fail_alloc_after = n;
            f->fake.fail_alloc_once = true;
            status = attach(f);
            if (status != VST_OK)
                assert_int_equal(status, VST_ERR_NO_MEMORY);
            else
                assert_true(n > 8 && f->fake.fail_alloc_after != SIZE_MAX);
            tear_down(f);
        }
    }
}

/** A device that does not confirm its reset may still write: its memory is never used again. */
static void test_a_device_that_does_not_stop_keeps_its_memory(void **state)
{
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    f->scsi.device.reset_takes_for_ever = true;
    vst_virtio_scsi_detach(f->hba);
    f->hba = NULL;
    assert_non_null(strstr(f->fake.all_logs, "its memory is never used again"));
    assert_true(f->fake.n_allocated > 0);
    f->n_leaked = f->fake.n_allocated;
    tear_down(f);
}

static void test_no_data_to_send_and_far_too_many_pieces(void **state)
{
    static struct order order;
    WITH(f);
    f->fake.platform.dma_max_map_bytes = 64;
    assert_int_equal(attach(f), VST_OK);
    make(&order, 0, 0, 0x2a, 10);
    order.out.bytes = 0;
    order.command.out = &order.out;
    order.command.n_out = 1;
    assert_int_equal(f->hba->ops->submit(f->queue, &order.command), VST_ERR_INVALID);
    order.out.bytes = 8u << 20; /* 131072 pieces */
    assert_int_equal(f->hba->ops->submit(f->queue, &order.command), VST_ERR_TOO_LARGE);
    assert_int_equal(f->scsi.n_commands, 0);
    tear_down(f);
}

/** Data of either direction can't be mapped: nothing stays mapped, and the next command goes well. */
static void test_commands_that_cant_be_mapped(void **state)
{
    struct fixture *f = &storage;
    static struct order order;

    (void)state;
    set_up_as(f, &ring_kinds[7], FAKE_MODERN);
    f->scsi.device.offered_features |= VIRTIO_BIT(VIRTIO_SCSI_F_INOUT);
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    assert_int_equal(attach(f), VST_OK);
    for (size_t n = 0; n < 2; n++) {
        make_inquiry(&order, 0, 0);
        order.command.out = &order.out;
        order.command.n_out = 1;
        f->fake.fail_map_after = n;
        assert_int_equal(f->hba->ops->submit(f->queue, &order.command), VST_ERR_NO_MEMORY);
        assert_int_equal(f->fake.n_mapped, 0);
        f->fake.fail_map_after = SIZE_MAX;
    }
    assert_int_equal(f->scsi.n_commands, 0);
    make_inquiry(&order, 0, 0);
    run(f, &order);
    assert_int_equal(order.command.outcome.response, VST_SCSI_RESPONSE_OK);
    tear_down(f);
}

static bool give_up_waiting(struct vst_scsi_command *command, uint64_t tag)
{
    *(uint64_t *)command->user = tag;
    return false;
}

/** Who is told that it is late and does nothing about it has it ended by a reset. */
static void test_late_and_nothing_done_about_it(void **state)
{
    static struct order order;
    uint64_t tag = 0;
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    assert_int_equal(attach(f), VST_OK);
    f->scsi.device.answers_nothing = true;
    make_inquiry(&order, 0, 0);
    order.command.late = give_up_waiting;
    order.command.user = &tag;
    run(f, &order);
    assert_int_not_equal(tag, 0);
    assert_int_equal(order.command.outcome.response, VST_SCSI_RESPONSE_TIMEOUT);
    assert_int_equal(f->scsi.device.n_resets, 1);
    tear_down(f);
}

/** Functions may name tags that never were, or that are nobody's any more. */
static void test_functions_with_tags_of_nobody(void **state)
{
    static const uint64_t tags[] = {0xffff0000, 0xffff, 0, UINT64_MAX};
    static struct order order;
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    assert_int_equal(attach(f), VST_OK);
    f->scsi.device.queues[2].answers_nothing = true;
    make_inquiry(&order, 0, 0);
    order.command.timeout_ns = UINT64_MAX / 2; /* longer than the watch can count */
    assert_int_equal(f->hba->ops->submit(f->queue, &order.command), VST_OK);
    f->hba->ops->kick_commands(f->queue);
    assert_int_equal(order.command.priv.n_epochs, UINT16_MAX / 2);
    for (size_t i = 0; i <= VST_ARRAY_LENGTH(tags); i++) {
        struct vst_scsi_function query = {
            .kind = VST_SCSI_QUERY_TASK,
            .nexus = nexus_of(0, 0),
            .tag = i < VST_ARRAY_LENGTH(tags) ? tags[i] : f->scsi.last_tag ^ (1ull << 40)};
        assert_int_equal(f->hba->ops->manage(f->hba, &query), VST_OK);
        wait_for(f, &query);
        assert_int_equal(query.response, VST_SCSI_FUNCTION_COMPLETE);
    }
    f->scsi.device.queues[2].answers_nothing = false;
    fake_virtio_blk_answer_queue(&f->scsi.device.queues[2]);
    for (unsigned i = 0; order.n_done == 0; i++) {
        assert_true(i < MAX_LOOKS);
        f->hba->ops->poll_commands(f->queue, 8);
    }
    assert_int_equal(order.command.outcome.response, VST_SCSI_RESPONSE_OK);
    tear_down(f);
}

static void test_notifications_that_are_refused(void **state)
{
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    f->scsi.function_response = 3;
    struct vst_scsi_function function = {
        .kind = VST_SCSI_NOTIFICATION_QUERY, .nexus = nexus_of(0, 0), .classes = 0x5e};
    assert_int_equal(f->hba->ops->manage(f->hba, &function), VST_OK);
    wait_for(f, &function);
    assert_int_equal(function.response, VST_SCSI_FUNCTION_BAD_TARGET);
    assert_int_equal(function.actual_classes, 0);
    tear_down(f);
}

/** Several functions answered by one used entry. */
static void test_functions_in_order(void **state)
{
    struct vst_scsi_function functions[3];
    struct fixture *f = &storage;

    (void)state;
    set_up_as(f, &ring_kinds[5], FAKE_MODERN);
    f->scsi.device.in_order_batches = true;
    assert_int_equal(attach(f), VST_OK);
    f->scsi.device.queues[0].answers_nothing = true;
    for (unsigned i = 0; i < 3; i++) {
        functions[i] =
            (struct vst_scsi_function){.kind = VST_SCSI_CLEAR_ACA, .nexus = nexus_of(0, 0)};
        assert_int_equal(f->hba->ops->manage(f->hba, &functions[i]), VST_OK);
    }
    f->scsi.device.queues[0].answers_nothing = false;
    fake_virtio_blk_answer_queue(&f->scsi.device.queues[0]);
    for (unsigned i = 0; i < 3; i++) {
        wait_for(f, &functions[i]);
        assert_int_equal(functions[i].response, VST_SCSI_FUNCTION_COMPLETE);
    }
    tear_down(f);
}

/** A poll for none takes none; what `done` has reset is not polled on. */
static void reset_in_done(struct vst_scsi_command *command)
{
    VST_CONTAINER_OF(command, struct order, command)->n_done++;
    fixture_in_done->hba->ops->reset(fixture_in_done->queue, "a test wants it");
}

static void test_a_reset_from_done(void **state)
{
    static struct order orders[2];
    WITH(f);
    fixture_in_done = f;
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    assert_int_equal(attach(f), VST_OK);
    for (unsigned i = 0; i < 2; i++) {
        make_inquiry(&orders[i], 0, 0);
        assert_int_equal(f->hba->ops->submit(f->queue, &orders[i].command), VST_OK);
    }
    orders[0].command.done = reset_in_done;
    f->hba->ops->kick_commands(f->queue);
    assert_int_equal(f->hba->ops->poll_commands(f->queue, 0), 0);
    assert_int_equal(orders[0].n_done + orders[1].n_done, 0);
    assert_int_equal(f->hba->ops->poll_commands(f->queue, 8), 1);
    for (unsigned i = 0; orders[1].n_done == 0; i++) {
        assert_true(i < MAX_LOOKS);
        f->hba->ops->poll_commands(f->queue, 8);
    }
    assert_int_equal(orders[0].n_done, 1);
    assert_int_equal(orders[1].command.outcome.response, VST_SCSI_RESPONSE_RESET);
    assert_int_equal(f->scsi.device.n_resets, 1);
    tear_down(f);
}

/** What a device refuses after a reset takes it out of service; a reset of it then does nothing. */
static void test_what_is_missing_after_a_reset(void **state)
{
    static struct order order;

    for (unsigned i = 0; i < 4; i++) {
        WITH(f);
        fake_virtio_scsi_add(&f->scsi, 0, 0);
        assert_int_equal(attach(f), VST_OK);
        if (i < 2)
            f->scsi.device.queues[i].offered_size = 0;
        else if (i == 2)
            f->scsi.device.generation_always_changes = true;
        else
            fake_virtio_blk_set_config32(&f->scsi.device, 0, 0);
        f->scsi.device.queues[2].answers_nothing = true;
        make_inquiry(&order, 0, 0);
        run(f, &order);
        assert_true(f->hba->broken);
        assert_string_equal(f->hba->broken_why, i < 2
                                                    ? "after a reset it refuses a queue"
                                                    : "after a reset its configuration is another");
        unsigned n_resets = f->scsi.device.n_resets;
        f->hba->ops->reset(f->queue, "a test wants it");
        for (unsigned k = 0; k < 10; k++)
            f->hba->ops->poll_commands(f->queue, 8);
        assert_int_equal(f->scsi.device.n_resets, n_resets);
        f->scsi.device.saw_misuse = false; /* it was asked for a queue that is not there */
        tear_down(f);
    }
}

/** No limit was told, or one segment: then that is what is expected after a reset, too. */
static void test_limits_of_nothing_survive_a_reset(void **state)
{
    static struct order order;
    WITH(f);
    fake_virtio_scsi_add(&f->scsi, 0, 0);
    fake_virtio_blk_set_config32(&f->scsi.device, 4, 0);
    fake_virtio_blk_set_config32(&f->scsi.device, 8, 0);
    f->config.irq.mode = VST_IRQ_INTX;
    f->scsi.device.function.interrupt_pin = 1;
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->hba->limits.max_segments, 1);
    f->scsi.device.answers_nothing = true;
    make_inquiry(&order, 0, 0);
    run(f, &order);
    assert_int_equal(f->scsi.device.n_resets, 1);
    assert_false(f->hba->broken);
    assert_false(fake_virtio_blk_line(&f->scsi.device));
    make_inquiry(&order, 0, 0);
    run(f, &order);
    assert_int_equal(order.command.outcome.response, VST_SCSI_RESPONSE_OK);
    tear_down(f);
}

/** The line of a device that is not there is somebody else's. */
static void test_interrupts_of_a_device_that_is_gone(void **state)
{
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    f->scsi.device.unplugged = true;
    assert_false(f->hba->ops->interrupted(f->hba));
    assert_false(f->hba->attention);
    vst_virtio_scsi_unplug(f->hba);
    assert_true(f->hba->gone);
    tear_down(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attach_tells_what_there_is),
        cmocka_unit_test(test_every_event_buffer_is_offered),
        cmocka_unit_test(test_num_queues_counts_request_queues_only_spdk),
        cmocka_unit_test(test_config_is_checked),
        cmocka_unit_test(test_sizes_are_chosen_and_read_back),
        cmocka_unit_test(test_config_too_short),
        cmocka_unit_test(test_missing_queues),
        cmocka_unit_test(test_nothing_is_left_when_memory_runs_out),
        cmocka_unit_test(test_inquiry_by_every_ring),
        cmocka_unit_test(test_cdb_and_attributes_arrive_as_they_are),
        cmocka_unit_test(test_what_is_wrong_is_refused),
        cmocka_unit_test(test_data_both_ways),
        cmocka_unit_test(test_protection_information_where_asked_for),
        cmocka_unit_test(test_protection_information_comes_before_data),
        cmocka_unit_test(test_every_response_means_something),
        cmocka_unit_test(test_an_unwritten_answer_is_none),
        cmocka_unit_test(test_lengths_are_bounded),
        cmocka_unit_test(test_bad_targets),
        cmocka_unit_test(test_all_functions),
        cmocka_unit_test(test_every_response_of_functions_means_something),
        cmocka_unit_test(test_a_function_that_is_not_answered),
        cmocka_unit_test(test_a_function_is_refused_while_another_cpu_is_at_it),
        cmocka_unit_test(test_abort_what_is_late),
        cmocka_unit_test(test_what_nobody_cares_for_ends_by_a_reset),
        cmocka_unit_test(test_submitting_from_done),
        cmocka_unit_test(test_an_adapter_that_never_answers_goes_out_of_service),
        cmocka_unit_test(test_lies_are_met_by_a_reset),
        cmocka_unit_test(test_lies_beside_the_requests_are_met_by_a_reset),
        cmocka_unit_test(test_another_configuration_after_a_reset),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_events_keep_their_order),
        cmocka_unit_test(test_too_many_events_become_missed),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_the_line_is_acknowledged),
        cmocka_unit_test(test_which_functions_are_ours),
        cmocka_unit_test(test_what_is_wanted_is_bent),
        cmocka_unit_test(test_a_ring_too_short_for_a_command),
        cmocka_unit_test(test_a_queue_that_is_not_there_is_left_out),
        cmocka_unit_test(test_devices_that_are_not_attached),
        cmocka_unit_test(test_nothing_is_left_when_one_allocation_fails),
        cmocka_unit_test(test_a_device_that_does_not_stop_keeps_its_memory),
        cmocka_unit_test(test_no_data_to_send_and_far_too_many_pieces),
        cmocka_unit_test(test_commands_that_cant_be_mapped),
        cmocka_unit_test(test_late_and_nothing_done_about_it),
        cmocka_unit_test(test_functions_with_tags_of_nobody),
        cmocka_unit_test(test_notifications_that_are_refused),
        cmocka_unit_test(test_functions_in_order),
        cmocka_unit_test(test_a_reset_from_done),
        cmocka_unit_test(test_what_is_missing_after_a_reset),
        cmocka_unit_test(test_limits_of_nothing_survive_a_reset),
        cmocka_unit_test(test_interrupts_of_a_device_that_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
