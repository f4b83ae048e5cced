/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtio-blk device that is unplugged: with notice, and without. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <string.h>

#include "drivers/virtio_blk.h"
#include "tests/unit/fake_virtio_fronts.h"

#define SECTORS    4096u
#define N_QUEUES   3u
#define N_REQUESTS 6u
#define MAX_LOOKS  2000000u

struct io {
    struct vst_block_request request;
    struct vst_block_segment segment;
    uint8_t data[512];
    bool back;
};

static struct fixture {
    struct fake_platform fake;
    struct fake_virtio_blk blk;
    struct fake_virtio_front front;
    struct vst_virtio_blk_config config;
    struct vst_block_device *device;
    struct io ios[N_QUEUES][N_REQUESTS];
    unsigned n_back;
} storage;

static struct fixture *set_up(enum fake_front front, bool copying)
{
    struct fixture *f = &storage;

    memset(f, 0, sizeof(*f));
    fake_platform_init(&f->fake, copying);
    fake_virtio_blk_init(&f->blk, &f->fake, SECTORS);
    fake_virtio_front_use(&f->front, &f->blk, front);
    f->config = (struct vst_virtio_blk_config){.pci = f->front.choice};
    return f;
}

static void attach(struct fixture *f)
{
    assert_int_equal(
        vst_virtio_blk_attach(&f->fake.platform, &f->blk.function, &f->config, &f->device), VST_OK);
}

static void attach_with_queues(struct fixture *f)
{
    for (uint16_t i = 0; i < N_QUEUES; i++)
        fake_virtio_blk_offer_queue(&f->blk, i, 32);
    f->blk.offered_features |= VIRTIO_BIT(VIRTIO_BLK_F_MQ);
    f->blk.config[34] = N_QUEUES;
    f->config.n_queues = N_QUEUES;
    attach(f);
    assert_int_equal(f->device->n_queues, N_QUEUES);
}

/**
 * Its owner says so too: everything is given back, and the device left alone since it is gone, but
 * for a look at its place.
 */
static void tear_down(struct fixture *f)
{
    f->blk.unplugged = true;
    f->blk.n_touched_unplugged = 0;
    vst_virtio_blk_unplug(f->device);
    vst_virtio_blk_detach(f->device);
    assert_true(f->blk.n_touched_unplugged <= 1);
    assert_int_equal(f->fake.n_mapped, 0);
    assert_int_equal(f->fake.n_allocated, 0);
    if (f->blk.saw_misuse)
        fail_msg("the device saw: %s", f->blk.misuse);
    fake_virtio_blk_destroy(&f->blk);
}

static enum vst_status submit(struct fixture *f, unsigned queue, unsigned number)
{
    struct io *io = &f->ios[queue][number];

    io->segment = (struct vst_block_segment){io->data, 512};
    io->request = (struct vst_block_request){.op = number % 2 ? VST_BLOCK_WRITE : VST_BLOCK_READ,
                                             .n_segments = 1,
                                             .segments = &io->segment,
                                             .start_sector = queue * 64 + number,
                                             .n_sectors = 1};
    io->back = false;
    return vst_block_submit(f->device->queues[queue], &io->request);
}

/** Keeps all of them in flight. */
static void submit_all(struct fixture *f, unsigned queue)
{
    f->blk.answers_nothing = true;
    for (unsigned i = 0; i < N_REQUESTS; i++)
        assert_int_equal(submit(f, queue, i), VST_OK);
    vst_block_kick(f->device->queues[queue]);
}

static void take_back(struct fixture *f, unsigned queue)
{
    struct vst_block_request *done[2];

    f->n_back = 0;
    for (unsigned looks = 0; f->n_back < N_REQUESTS; looks++) {
        assert_true(looks < MAX_LOOKS);
        size_t n = vst_block_poll(f->device->queues[queue], done, 2);
        for (size_t i = 0; i < n; i++) {
            struct io *io = VST_CONTAINER_OF(done[i], struct io, request);
            assert_false(io->back);
            io->back = true;
            assert_int_equal(done[i]->status, VST_ERR_GONE);
            assert_int_equal(done[i]->error_sector, done[i]->start_sector);
        }
        f->n_back += (unsigned)n;
    }
    assert_int_equal(vst_block_poll(f->device->queues[queue], done, 2), 0);
}

static void assert_gone(struct fixture *f)
{
    assert_true(f->device->gone);
    assert_true(f->device->broken);
    assert_string_equal(f->device->broken_why, "unplugged");
    assert_true(vst_block_is_idle_and_gone(f->device));
    assert_int_equal(submit(f, 0, 0), VST_ERR_GONE);
    assert_int_equal(vst_block_refresh(f->device), VST_ERR_GONE);
    assert_int_equal(vst_block_flush(f->device->queues[0]), VST_ERR_GONE);
}

/* ------------------------------------------------------------------ with notice */

static void a_device_still_there_is_stopped_first(void **state)
{
    (void)state;
    for (unsigned copying = 0; copying < 2; copying++) {
        struct fixture *f = set_up(FAKE_MODERN, copying);
        attach_with_queues(f);
        submit_all(f, 1);
        submit_all(f, 2);
        vst_virtio_blk_unplug(f->device);
        assert_int_equal(f->blk.status, 0); /* reset: what it had in hand is let go of */
        take_back(f, 1);
        take_back(f, 2);
        assert_gone(f);
        vst_virtio_blk_unplug(f->device); /* again: nothing */
        tear_down(f);
    }
}

/** Its interrupts are switched off while it is there; nothing is written to who comes after it. */
static void interrupts_end_with_it(void **state)
{
    static const struct vst_irq_message messages[] = {{0xfee00000, 0x40}, {0xfee00000, 0x41}};

    (void)state;
    for (unsigned noticed = 0; noticed < 2; noticed++) {
        struct fixture *f = set_up(FAKE_MODERN, false);
        fake_virtio_blk_add_msix(&f->blk, 2);
        f->config.irq = (struct vst_irq_config){VST_IRQ_MSIX, false, 2, messages};
        attach(f);
        assert_string_equal(f->device->irq_mode, "msix");
        assert_int_equal(f->blk.pci_config[FAKE_MSIX_AT + 3] & 0x80, 0x80);
        f->blk.unplugged = !noticed;
        unsigned n_logged = f->fake.n_logged;
        vst_virtio_blk_unplug(f->device);
        assert_int_equal(f->fake.n_logged, n_logged + 1); /* that it is gone, no more */
        assert_int_equal(f->blk.pci_config[FAKE_MSIX_AT + 3] & 0x80, noticed ? 0 : 0x80);
        assert_gone(f);
        tear_down(f);
    }
}

static void answers_before_the_notice_count(void **state)
{
    struct fixture *f = set_up(FAKE_MODERN, false);
    struct vst_block_request *done[1];

    (void)state;
    attach(f);
    assert_int_equal(submit(f, 0, 0), VST_OK);
    vst_block_kick(f->device->queues[0]); /* answered at once */
    vst_virtio_blk_unplug(f->device);
    assert_int_equal(vst_block_poll(f->device->queues[0], done, 1), 1);
    assert_int_equal(done[0]->status, VST_OK);
    assert_gone(f);
    tear_down(f);
}

/** Answers make room for parts that have not been given: they end as the others do. */
static void what_is_left_of_a_split_request_ends_with_it(void **state)
{
    static struct vst_block_segment segments[200];
    static uint8_t data[200][512];
    struct fixture *f = set_up(FAKE_MODERN, false);
    struct vst_block_request *done[8];
    struct vst_block_request request = {.op = VST_BLOCK_READ,
                                        .n_segments = VST_ARRAY_LENGTH(segments),
                                        .segments = segments,
                                        .n_sectors = VST_ARRAY_LENGTH(segments)};

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(segments); i++)
        segments[i] = (struct vst_block_segment){data[i], 512};
    fake_virtio_blk_offer_queue(&f->blk, 0, 4);
    attach(f);
    assert_true(f->device->limits.max_segments * 4 < VST_ARRAY_LENGTH(segments));
    assert_int_equal(submit(f, 0, 0), VST_OK);
    assert_int_equal(vst_block_submit(f->device->queues[0], &request), VST_OK);
    vst_block_kick(f->device->queues[0]); /* the first four of all are answered at once */
    vst_virtio_blk_unplug(f->device);
    assert_int_equal(vst_block_poll(f->device->queues[0], done, 8), 2);
    assert_ptr_equal(done[0], &f->ios[0][0].request);
    assert_int_equal(done[0]->status, VST_OK);
    assert_int_equal(request.status, VST_ERR_GONE);
    assert_gone(f);
    tear_down(f);
}

static void one_that_does_not_stop_is_cut_off(void **state)
{
    struct fixture *f = set_up(FAKE_MODERN, false);

    (void)state;
    attach(f);
    submit_all(f, 0);
    f->blk.reset_takes_for_ever = true;
    vst_virtio_blk_unplug(f->device);
    assert_int_equal(f->blk.pci_config[4] & 6, 0); /* neither memory nor bus mastering */
    take_back(f, 0);
    assert_gone(f);
    /* Its rings stay: who does not confirm a reset may still write there. */
    f->blk.unplugged = true;
    vst_virtio_blk_detach(f->device);
    assert_true(fake_platform_free_leaks(&f->fake) > 0);
    fake_virtio_blk_destroy(&f->blk);
}

/* ------------------------------------------------------------------ without */

static void all_ones_end_what_is_in_flight(void **state)
{
    static const enum fake_front fronts[] = {FAKE_MODERN, FAKE_WINDOW, FAKE_PIO_ASKED, FAKE_LEGACY};

    (void)state;
    for (size_t i = 0; i <= VST_ARRAY_LENGTH(fronts); i++) {
        struct fixture *f = set_up(fronts[i % VST_ARRAY_LENGTH(fronts)], false);
        attach(f);
        submit_all(f, 0);
        f->blk.unplugged = true;
        f->blk.gone_is_zero = i == VST_ARRAY_LENGTH(fronts);
        uint64_t before_ns = f->fake.now_ns;
        take_back(f, 0); /* within a second or so, not after the 30 of a time-out */
        assert_true(f->fake.now_ns - before_ns < 4000000000u);
        assert_int_equal(f->blk.n_resets, 1); /* that of attach */
        assert_gone(f);
        tear_down(f);
    }
}

static void all_queues_learn_it_from_one(void **state)
{
    struct fixture *f = set_up(FAKE_MODERN, false);

    (void)state;
    attach_with_queues(f);
    for (unsigned q = 0; q < N_QUEUES; q++)
        submit_all(f, q);
    f->blk.unplugged = true;
    for (unsigned q = N_QUEUES; q-- > 0;)
        take_back(f, q);
    assert_gone(f);
    tear_down(f);
}

/** An empty place is no confirmed reset: its memory is kept, until its owner says so too. */
static void who_only_hides_gets_at_nothing(void **state)
{
    (void)state;
    for (unsigned comes_back = 0; comes_back < 2; comes_back++) {
        struct fixture *f = set_up(FAKE_MODERN, false);
        attach(f);
        submit_all(f, 0);
        f->blk.hides = true;
        f->blk.status |= VIRTIO_STATUS_NEEDS_RESET; /* so that somebody looks */
        take_back(f, 0);
        assert_gone(f);
        assert_int_equal(f->blk.pci_config[4] & 6, 0); /* neither memory nor bus mastering */
        f->blk.hides = !comes_back;
        if (comes_back) /* there is somebody: whoever that is, it is not touched */
            vst_virtio_blk_unplug(f->device);
        vst_virtio_blk_detach(f->device);
        assert_int_equal(f->blk.n_resets, 1);
        assert_non_null(strstr(f->fake.last_log, "never used again"));
        assert_true(fake_platform_free_leaks(&f->fake) > 0);
        fake_virtio_blk_destroy(&f->blk);
    }
}

/** Ones for a capacity, and an interrupt status with every bit: neither is believed. */
static void all_ones_are_no_configuration(void **state)
{
    struct fixture *f = set_up(FAKE_MODERN, false);

    (void)state;
    attach(f);
    f->blk.unplugged = true;
    vst_block_config_interrupted(f->device);
    f->blk.gone_is_zero = true;
    assert_int_equal(vst_block_refresh(f->device), VST_ERR_GONE);
    f->blk.gone_is_zero = false;
    assert_int_equal(vst_block_refresh(f->device), VST_ERR_GONE);
    assert_int_equal(f->device->limits.n_sectors, SECTORS);
    assert_false(vst_virtio_blk_interrupt(f->device));
    assert_false(f->device->gone); /* it is the owner's to say so */
    vst_virtio_blk_unplug(f->device);
    assert_gone(f);
    tear_down(f);
}

/** A device whose registers say nothing but ones while its place is not empty: it has failed. */
static void ones_alone_are_no_proof(void **state)
{
    struct fixture *f = set_up(FAKE_MODERN, false);

    (void)state;
    f->config.recovery = VST_RECOVERY_NONE;
    f->config.timeout_ns = 50000000;
    attach(f);
    submit_all(f, 0);
    f->blk.reset_takes_for_ever = true;
    f->blk.status = 0xff;
    struct vst_block_request *done[N_REQUESTS];
    size_t n = 0;
    for (unsigned looks = 0; n < N_REQUESTS; looks++) {
        assert_true(looks < MAX_LOOKS);
        n += vst_block_poll(f->device->queues[0], done + n, N_REQUESTS - n);
    }
    assert_int_equal(done[0]->status, VST_ERR_BROKEN);
    assert_false(f->device->gone);
    vst_virtio_blk_detach(f->device);
    assert_true(fake_platform_free_leaks(&f->fake) > 0);
    fake_virtio_blk_destroy(&f->blk);
}

static void who_holds_it_keeps_it(void **state)
{
    struct fixture *f = set_up(FAKE_MODERN, false);

    (void)state;
    attach(f);
    vst_block_hold(f->device);
    assert_false(vst_block_is_idle_and_gone(f->device));
    vst_virtio_blk_unplug(f->device);
    assert_false(vst_block_is_idle_and_gone(f->device));
    vst_block_let_go(f->device);
    assert_gone(f);
    tear_down(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_still_there_is_stopped_first),
        cmocka_unit_test(interrupts_end_with_it),
        cmocka_unit_test(answers_before_the_notice_count),
        cmocka_unit_test(what_is_left_of_a_split_request_ends_with_it),
        cmocka_unit_test(one_that_does_not_stop_is_cut_off),
        cmocka_unit_test(all_ones_end_what_is_in_flight),
        cmocka_unit_test(all_queues_learn_it_from_one),
        cmocka_unit_test(who_only_hides_gets_at_nothing),
        cmocka_unit_test(all_ones_are_no_configuration),
        cmocka_unit_test(ones_alone_are_no_proof),
        cmocka_unit_test(who_holds_it_keeps_it),
    };
    return cmocka_run_group_tests_name("virtio_unplug", tests, NULL, NULL);
}
