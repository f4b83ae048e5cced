/* SPDX-License-Identifier: BSD-2-Clause */
/* A device that means harm, or has lost its mind: what it writes where, and when. Lies about single
 * used entries stand in test_virtio_blk.c; several queues and interrupts in test_virtio_queues.c. */
int test_virtio_blk_main(void);
#define main test_virtio_blk_main
#include "tests/unit/test_virtio_blk.c"
#undef main

#include <vstor/trace.h>

enum { DEPTH = 8 };

static struct vst_block_request reads[DEPTH];
static struct vst_block_segment read_segments[DEPTH];
static uint8_t read_data[DEPTH * 512];

static const uint64_t ring_kinds[] = {0, PACKED, IN_ORDER, PACKED | IN_ORDER};

/** Attached to a device of that kind, with DEPTH reads that it holds. */
static struct fake_blk_queue *start(struct fixture *f, uint64_t offered, uint64_t refused)
{
    f->blk.offered_features |= offered;
    f->config.refused_features = refused;
    f->config.queue_size = 64;
    assert_int_equal(attach(f), VST_OK);
    f->blk.answers_nothing = true;
    memset(read_data, 0, sizeof(read_data));
    submit_reads(f, reads, read_segments, read_data, DEPTH);
    return &f->blk.queues[0];
}

static void write16(uint64_t at, uint16_t value)
{
    memcpy((void *)(uintptr_t)at, &value, 2);
}
static void write32(uint64_t at, uint32_t value)
{
    memcpy((void *)(uintptr_t)at, &value, 4);
}

/** Polls until all reads have come back, each of them once; returns how many are VST_OK. */
static unsigned end_of_all(struct fixture *f)
{
    unsigned n_times[DEPTH] = {0}, n_ok = 0;
    struct vst_block_request *done[DEPTH];

    f->fake.ns_per_look = 1000000;
    for (unsigned looks = 0; looks < 300; looks++) {
        size_t n = vst_block_poll(f->queue, done, DEPTH);
        for (size_t i = 0; i < n; i++) {
            assert_in_range(done[i] - reads, 0, DEPTH - 1);
            n_times[done[i] - reads]++;
            n_ok += done[i]->status == VST_OK;
        }
    }
    for (unsigned i = 0; i < DEPTH; i++)
        assert_int_equal(n_times[i], 1);
    return n_ok;
}

/* ------------------------------------------------------------------ rings */

/** Of what we have shown, nothing is read back: neither addresses nor lengths, chaining nor ids. */
static void test_descriptors_scribbled_over_change_nothing(void **state)
{
    for (unsigned i = 0; i < 2 * VST_ARRAY_LENGTH(ring_kinds); i++) {
        WITH(f);
        struct fake_blk_queue *q = start(f, ring_kinds[i / 2], i % 2 ? NO_INDIRECT : 0);
        struct virtq *vq = &VST_CONTAINER_OF(f->queue, struct blk_queue, base)->vq;
        bool packed = (ring_kinds[i / 2] & PACKED) != 0;
        for (unsigned d = 0; d < q->size; d++) /* a packed ring's flags would be answers */
            memset((void *)(uintptr_t)(q->desc + 16ull * d), 0xff, packed ? 12 : 16);
        if (!packed)
            memset((void *)(uintptr_t)q->avail, 0xff, 4 + 2ull * q->size);
        for (unsigned id = 0; vq->indirect && id < vq->size; id++)
            memset((char *)vq->slots[id].shared + vq->header_bytes, 0xff,
                   vq->table_entries * sizeof(struct virtq_desc));
        fake_virtio_blk_answer_all(&f->blk);
        assert_int_equal(end_of_all(f), DEPTH);
        assert_memory_equal(read_data, f->blk.disk, sizeof(read_data));
        assert_int_equal(vq->n_put, vq->n_used);
        assert_false(f->device->broken);
        tear_down(f);
    }
}

/** By any distance that is not a number of chains in flight: forward, backward, half way round. */
static void test_used_index_jumps_by_any_distance(void **state)
{
    static const uint16_t jumps[] = {DEPTH + 1, 63, 64, 65, 32767, 32768, 65535 - DEPTH, 65535};

    for (size_t i = 0; i < 2 * VST_ARRAY_LENGTH(jumps); i++) {
        WITH(f);
        struct fake_blk_queue *q = start(f, i % 2 ? IN_ORDER : 0, 0);
        write16(q->used + 2, (uint16_t)(q->used_idx + jumps[i / 2]));
        assert_int_equal(end_of_all(f), 0);
        if (strstr(f->fake.all_logs, "index runs ahead") == NULL)
            fail_msg("jump %u: %s", jumps[i / 2], f->fake.all_logs);
        tear_down(f);
    }
}

static void write_noise(struct fake_blk_queue *q, bool packed)
{
    for (unsigned i = 0; i < q->size; i++) {
        uint32_t id = (uint32_t)rand() % (rand() % 4 ? 2u * DEPTH : UINT32_MAX);
        if (packed) {
            write32(q->desc + 16ull * i + 8, (uint32_t)rand());
            write16(q->desc + 16ull * i + 12, (uint16_t)id);
            write16(q->desc + 16ull * i + 14, rand() % 8 ? 0x8080 : (uint16_t)rand());
        } else {
            write32(q->used + 4 + 8ull * i, id);
            write32(q->used + 8 + 8ull * i, (uint32_t)rand());
        }
    }
    if (!packed)
        write16(q->used + 2, (uint16_t)(q->used_idx + 1 + rand() % DEPTH));
}

/** Used entries full of noise, all over the ring: each request ends once, and memory stays whole. */
static void test_wild_and_repeated_ids(void **state)
{
    for (unsigned kind = 0; kind < 2 * VST_ARRAY_LENGTH(ring_kinds); kind++) {
        WITH(f);
        for (unsigned seed = 0; seed < 100; seed++) {
            srand(100 * kind + seed);
            f->blk.answers_nothing = false;
            write_noise(start(f, ring_kinds[kind / 2], kind % 2 ? NO_INDIRECT : 0),
                        (ring_kinds[kind / 2] & PACKED) != 0);
            (void)end_of_all(f); /* what is named may count as answered: its status decides */
            vst_virtio_blk_detach(f->device);
            f->device = NULL;
        }
        f->blk.saw_misuse = false; /* it has written over its own ring */
        tear_down(f);
    }
}

/** 5.2.6, 2.7.8.2: short, long and senseless lengths; the status byte decides, the data are right. */
static void test_used_lengths_of_every_kind(void **state)
{
    static const uint32_t lengths[] = {0, 1, 512, 513, 514, 0x7fffffff, 0x80000000, UINT32_MAX};

    for (size_t i = 0; i < VST_ARRAY_LENGTH(ring_kinds) * VST_ARRAY_LENGTH(lengths); i++) {
        WITH(f);
        uint64_t kind = ring_kinds[i % VST_ARRAY_LENGTH(ring_kinds)];
        uint32_t length = lengths[i / VST_ARRAY_LENGTH(ring_kinds)];
        struct fake_blk_queue *q = start(f, kind, 0);
        uint16_t first = kind & PACKED ? q->used_at : q->used_idx;
        fake_virtio_blk_answer_all(&f->blk);
        for (unsigned k = 0; k < DEPTH; k++)
            write32(kind & PACKED ? q->desc + 16ull * (first + k) + 8
                                  : q->used + 8 + 8ull * (first + k),
                    length);
        assert_int_equal(end_of_all(f), DEPTH);
        assert_memory_equal(read_data, f->blk.disk, sizeof(read_data));
        assert_false(f->device->broken);
        tear_down(f);
    }
}

/** 5.2.6.2: the three answers that there are, each for its own request. */
static void test_each_answer_is_its_own_status(void **state)
{
    static const enum vst_status expected[] = {VST_OK, VST_ERR_IO, VST_ERR_UNSUPPORTED,
                                               VST_ERR_MALFORMED};

    for (unsigned i = 0; i < VST_ARRAY_LENGTH(ring_kinds); i++) {
        WITH(f);
        struct fake_blk_queue *q = start(f, ring_kinds[i], 0);
        for (unsigned k = 0; k < DEPTH; k++)
            q->held[k].answer = k % 4;
        fake_virtio_blk_answer_all(&f->blk);
        assert_int_equal(end_of_all(f), DEPTH / 4);
        for (unsigned k = 0; k < DEPTH; k++)
            assert_int_equal(reads[k].status, expected[k % 4]);
        assert_int_equal(f->queue->stats.errors, DEPTH * 3 / 4);
        tear_down(f);
    }
}

/** Answers the third of those in flight, and no other. */
static void answer_third(struct fake_blk_queue *q)
{
    q->held[0] = q->held[2];
    q->n_held = 1;
    fake_virtio_blk_answer_queue(q);
}

/** Without IN_ORDER any order will do. */
static void test_any_order_is_legal_without_in_order(void **state)
{
    for (unsigned packed = 0; packed < 2; packed++) {
        WITH(f);
        struct fake_blk_queue *q = start(f, packed ? PACKED : 0, 0);
        struct vst_block_request *done[DEPTH];
        answer_third(q);
        assert_int_equal(vst_block_poll(f->queue, done, DEPTH), 1);
        assert_ptr_equal(done[0], &reads[2]);
        assert_int_equal(reads[2].status, VST_OK);
        assert_int_equal(vst_block_poll(f->queue, done, DEPTH), 0);
        assert_false(f->device->broken);
        for (unsigned i = 0; i < 2000000 && vst_block_poll(f->queue, done, DEPTH) == 0; i++)
            ; /* the others' time is over */
        tear_down(f);
    }
}

/** With it a split queue's index tells that the third was answered alone: a lie. */
static void test_order_broken_in_a_split_queue(void **state)
{
    WITH(f);
    answer_third(start(f, IN_ORDER, 0));
    assert_int_equal(end_of_all(f), 0);
    assert_non_null(strstr(f->fake.all_logs, "used index behind the requests that it names"));
    tear_down(f);
}

/** In a packed queue it stands for all before it, which have no status: none of those is a success. */
static void test_order_broken_in_a_packed_queue(void **state)
{
    WITH(f);
    answer_third(start(f, IN_ORDER | PACKED, 0));
    assert_int_equal(end_of_all(f), 1);
    assert_int_equal(reads[2].status, VST_OK);
    assert_int_equal(reads[0].status, VST_ERR_MALFORMED);
    tear_down(f);
}

/** The device accepted EVENT_IDX, so its flag says nothing and its event index all, and so do ours. */
static void test_event_idx_is_implemented_where_it_is_accepted__RHF_33(void **state)
{
    WITH(f);
    struct fake_blk_queue *q = start(f, 0, 0);
    unsigned before = q->n_doorbells;
    write16(q->used, 1); /* NO_NOTIFY, to be ignored; it asked to be told of the next */
    submit_reads(f, reads, read_segments, read_data, 1);
    assert_int_equal(q->n_doorbells, before + 1);
    write16(q->used, 0);
    write16(q->used + 4 + 8ull * q->size, (uint16_t)(q->last_avail + 1)); /* not of this one */
    submit_reads(f, reads + 1, read_segments + 1, read_data, 1);
    assert_int_equal(q->n_doorbells, before + 1);
    submit_reads(f, reads + 2, read_segments + 2, read_data, 1);
    assert_int_equal(q->n_doorbells, before + 2);
    uint16_t flags;
    memcpy(&flags, (void *)(uintptr_t)q->avail, 2);
    assert_int_equal(flags, 0); /* 2.7.7: 0 with EVENT_IDX */
    fake_virtio_blk_answer_all(&f->blk);
    take_all(f, DEPTH + 3);
    tear_down(f);
}

/* ------------------------------------------------------------------ traced */

/** Recording goes round the driver and changes nothing: data, splitting, errors, waiting. */
static void test_traced_device_works_the_same(void **state)
{
    for (unsigned i = 0; i < 2 * VST_ARRAY_LENGTH(ring_kinds); i++) {
        WITH(f);
        struct vst_trace_event events[64];
        f->config.irq.mode = VST_IRQ_INTX;
        f->blk.function.interrupt_pin = 1;
        f->blk.offered_features |= ring_kinds[i / 2];
        f->config.refused_features = i % 2 ? NO_INDIRECT : 0;
        assert_int_equal(attach(f), VST_OK);
        assert_true(vst_trace_set(f->device, true));
        random_traffic(f, 40 + i, 200);
        assert_true(vst_trace_read(f->queue, events, 64) >= 16);
        f->blk.answers_nothing = true;
        submit_reads(f, reads, read_segments, read_data, DEPTH);
        assert_false(vst_block_arm(f->queue));
        fake_virtio_blk_answer_all(&f->blk);
        assert_true(vst_block_ready(f->queue) && vst_block_awaited(f->queue));
        vst_block_disarm(f->queue);
        assert_int_equal(end_of_all(f), DEPTH);
        assert_true(vst_trace_set(f->device, false));
        tear_down(f);
    }
}

/** What is told of a queue at a standstill: the ring, some of what is in flight, the last events. */
static void test_dump_of_a_queue(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        WITH(f);
        (void)start(f, i ? PACKED : 0, 0);
        f->fake.all_logs[0] = '\0';
        vst_virtio_blk_dump(VST_CONTAINER_OF(f->queue, struct blk_queue, base));
        assert_non_null(strstr(f->fake.all_logs, "queue 0"));
        assert_non_null(strstr(f->fake.all_logs, "read"));
        fake_virtio_blk_answer_all(&f->blk);
        assert_int_equal(end_of_all(f), DEPTH);
        tear_down(f);
    }
}

/* ------------------------------------------------------------------ time */

/** What the device could still write: every status byte, and every used entry. */
static void answer_late(const struct fake_held *held, unsigned n, struct fake_blk_queue *q)
{
    for (unsigned i = 0; i < n; i++) {
        *(uint8_t *)(uintptr_t)held[i].status_address = 0;
        write32(q->used + 4 + 8ull * i, held[i].head);
        write16(q->used + 2, (uint16_t)(q->used_idx + i + 1));
    }
}

/**
 * A device that answers after its time is over, and confirms no reset: it is cut off, what it had
 * in hand is never used again, and nothing that it claims now is believed.
 */
static void test_late_answers_hit_no_memory_that_was_given_back__windows_965(void **state)
{
    WITH(f);
    struct fake_blk_queue *q = start(f, 0, 0);
    struct fake_held held[DEPTH];
    struct vst_block_request *done[DEPTH];
    memcpy(held, q->held, sizeof(held));
    f->blk.pci_config[4] = 0x06;
    f->blk.reset_takes_for_ever = true;
    assert_int_equal(end_of_all(f), 0);
    assert_int_equal(reads[0].status, VST_ERR_TIMEOUT);
    assert_int_equal(f->blk.pci_config[4] & 0x04, 0); /* no bus master */
    answer_late(held, DEPTH, q);
    assert_int_equal(vst_block_poll(f->queue, done, DEPTH), 0);
    vst_virtio_blk_detach(f->device);
    f->device = NULL;
    answer_late(held, DEPTH, q); /* still nobody else's memory, or the sanitizer says so */
    assert_true(fake_platform_free_leaks(&f->fake) > 0);
    tear_down(f);
}

/** The same before there is a device: GET_ID's buffer is leaked with the rest, and may be written. */
static void test_late_answer_to_get_id_hits_leaked_memory__windows_965(void **state)
{
    WITH(f);
    struct fake_held held;
    f->blk.lie = LIE_SILENCE;
    f->blk.answers_nothing = true;
    f->blk.reset_takes_for_ever_after = 2; /* the first reset is confirmed */
    assert_int_equal(attach(f), VST_ERR_TIMEOUT);
    memcpy(&held, f->blk.queues[0].held, sizeof(held));
    answer_late(&held, 1, &f->blk.queues[0]);
    assert_int_equal(fake_platform_free_leaks(&f->fake), 4); /* the queue's three, and the buffer */
    tear_down(f);
}

/** Nothing moves: the doorbell may have been lost, on any ring. Slowly but surely: it was not. */
static void test_lost_doorbell_is_told_from_a_slow_device(void **state)
{
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(ring_kinds); i++) {
        WITH(f);
        struct vst_block_request *done[DEPTH];
        f->config.timeout_ns = 8000000000ull; /* the watch looks every second */
        struct fake_blk_queue *q = start(f, ring_kinds[i], 0);
        unsigned before = q->n_doorbells;
        for (unsigned k = 0; k < 4; k++) {
            f->fake.now_ns += 1000000000;
            assert_int_equal(vst_block_poll(f->queue, done, DEPTH), 0);
            struct fake_held rest[DEPTH];
            memcpy(rest, q->held, sizeof(rest));
            q->n_held = 1; /* one a second */
            fake_virtio_blk_answer_queue(q);
            memcpy(q->held, rest + 1, sizeof(rest) - sizeof(rest[0]));
            q->n_held = DEPTH - 1 - k;
            assert_int_equal(vst_block_poll(f->queue, done, DEPTH), 1);
        }
        assert_int_equal(q->n_doorbells, before);
        bool seen_all_told = !(ring_kinds[i] & PACKED); /* split: avail_event says so */
        for (unsigned k = 0; k < 3; k++) {
            f->fake.now_ns += 1000000000;
            assert_int_equal(vst_block_poll(f->queue, done, DEPTH), 0);
        }
        assert_int_equal(f->queue->stats.rescues, seen_all_told ? 0 : 2);
        fake_virtio_blk_answer_all(&f->blk);
        take_all(f, DEPTH - 4);
        tear_down(f);
    }
}

/** A queue that is broken rings no bell for what was put since. */
static void test_broken_queue_shows_nothing_more(void **state)
{
    WITH(f);
    struct fake_blk_queue *q = start(f, 0, 0);
    struct virtq *vq = &VST_CONTAINER_OF(f->queue, struct blk_queue, base)->vq;
    unsigned before = q->n_doorbells;
    uint16_t idx = q->last_avail;
    struct vst_block_request extra = reads[0];
    fake_virtio_blk_answer_all(&f->blk);
    (void)end_of_all(f);
    assert_int_equal(vst_block_submit(f->queue, &extra), VST_OK);
    vst_virtq_break(vq, "for the test");
    vst_block_kick(f->queue);
    assert_int_equal(q->n_doorbells, before);
    assert_int_equal(q->last_avail, idx);
    tear_down(f);
}

/** A platform that can't map at that moment costs the serial number, not the disk. */
static void test_serial_number_that_can_not_be_mapped(void **state)
{
    struct fixture storage, *f = &storage;
    (void)state;
    set_up(f, true);
    f->fake.fail_map_after = 0;
    assert_int_equal(attach(f), VST_OK);
    assert_string_equal(f->device->serial, "");
    f->fake.fail_map_after = SIZE_MAX;
    char buffer[512];
    assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, 5, 1), VST_OK);
    tear_down(f);
}

/** A caller that was away for an hour finds what came in meanwhile, before anything is called late. */
static void test_answers_are_taken_before_anything_is_called_late(void **state)
{
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(ring_kinds); i++) {
        WITH(f);
        struct vst_block_request *done[DEPTH];
        (void)start(f, ring_kinds[i], 0);
        f->fake.now_ns += 20000000;
        assert_int_equal(vst_block_poll(f->queue, done, DEPTH), 0);
        f->fake.now_ns += 3600000000000ull;
        fake_virtio_blk_answer_all(&f->blk);
        assert_int_equal(end_of_all(f), DEPTH);
        assert_int_equal(f->queue->stats.timeouts, 0);
        tear_down(f);
    }
}

/* ------------------------------------------------------------------ registers and configuration */

/** 4.1.4.3: the areas lie above 4 GiB here, and their registers take 32 bits at a time. */
static void test_64_bit_registers_are_written_as_two_of_32__RHF(void **state)
{
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    const struct virtq *vq = &VST_CONTAINER_OF(f->queue, struct blk_queue, base)->vq;
    assert_true(vq->rings_bus_addr >> 32 != 0);
    assert_int_equal(f->blk.queues[0].desc, vq->rings_bus_addr);
    assert_int_equal(f->blk.queues[0].used, (uintptr_t)vq->used);
    tear_down(f); /* a wider access is misuse */
}

static void test_flush_is_negotiated_where_offered__managarm_1561(void **state)
{
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    assert_true(f->blk.driver_features & VIRTIO_BIT(VIRTIO_BLK_F_FLUSH));
    assert_true(f->device->flush_needed);
    tear_down(f);
}

static unsigned config_changes_left;

/** A new capacity behind his back, between the two halves of the old one. */
static void change_between_halves(struct fake_virtio_blk *blk, uint64_t at)
{
    if (at != VIRTIO_BLK_CONFIG_CAPACITY + 4 || config_changes_left == 0)
        return;
    config_changes_left--;
    blk->config[0] ^= 0x80;
    blk->config[4]++;
    blk->generation++;
}

/** Halves of two different capacities are none: what is read while it changes is read again. */
static void test_configuration_that_changes_while_it_is_read(void **state)
{
    for (front_in_use = FAKE_MODERN; front_in_use < FAKE_N_FRONTS; front_in_use++)
        for (unsigned n = 0; n < 50; n += 16) {
            WITH(f);
            config_changes_left = n;
            f->blk.before_config_read = change_between_halves;
            assert_int_equal(attach(f), VST_OK);
            uint64_t expected;
            memcpy(&expected, f->blk.config, 8);
            assert_int_equal(f->device->limits.n_sectors, expected);
            assert_int_equal(config_changes_left, 0);
            config_changes_left = UINT32_MAX; /* and in use: nothing that we rely on moves */
            char buffer[512];
            assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, 5, 1), VST_OK);
            tear_down(f);
        }
    front_in_use = FAKE_MODERN;
}

static void test_doorbell_of_a_later_queue_outside_its_structure(void **state)
{
    WITH(f);
    fake_virtio_blk_offer_queues(&f->blk, 4, 64);
    f->config.n_queues = 4;
    f->config.queue_size = 64;
    f->blk.queues[2].notify_off = 0x400;
    assert_int_equal(attach(f), VST_ERR_MALFORMED);
    f->blk.queues[2].notify_off = 0x3ff;
    assert_int_equal(attach(f), VST_OK);
    tear_down(f);
}

static void test_no_memory_at_any_point_where_buffers_are_mapped(void **state)
{
    for (size_t n = 0;; n++) {
        struct fixture storage, *f = &storage;
        (void)state;
        set_up(f, true);
        f->fake.fail_alloc_after = n;
        f->fake.fail_alloc_once = true;
        enum vst_status status = attach(f);
        tear_down(f);
        if (status == VST_OK) {
            assert_true(n >= 1 + 4 + 1); /* itself; a queue with its mappings; the serial number */
            return;
        }
        assert_int_equal(status, VST_ERR_NO_MEMORY);
    }
}

static void test_no_memory_at_any_point_with_queues_and_vectors(void **state)
{
    static const struct vst_irq_message messages[4] = {{0xfee00000, 1}};

    for (size_t n = 0;; n++) {
        WITH(f);
        fake_virtio_blk_offer_queues(&f->blk, 4, 64);
        fake_virtio_blk_add_msix(&f->blk, 5);
        f->config.n_queues = 4;
        f->config.queue_size = 64;
        f->config.irq = (struct vst_irq_config){VST_IRQ_MSIX, false, 4, messages};
        f->fake.fail_alloc_after = n;
        enum vst_status status = attach(f);
        assert_int_equal(fake_msix_enabled(&f->blk.msix), status == VST_OK);
        tear_down(f);
        if (status == VST_OK) {
            assert_true(n >= 1 + 4 * 3 + 1); /* itself; three for each queue; the serial number */
            return;
        }
        assert_int_equal(status, VST_ERR_NO_MEMORY);
    }
}

/* ------------------------------------------------------------------ capabilities */

static const uint8_t capability_places[] = {0x40, 0x50, 0x64, 0x74};

/** Two structures in one place: whatever that does to such a device, we keep to its BAR. */
static void test_capabilities_that_overlap(void **state)
{
    for (unsigned i = 0; i < 4 * 4 * 3; i++) {
        unsigned one = i / 3 / 4, other = i / 3 % 4;
        static const uint32_t shifts[] = {0, 4, 0x20};
        WITH(f);
        uint32_t offset;
        f->fake.ns_per_look = 1000000;
        memcpy(&offset, f->blk.pci_config + capability_places[other] + 8, 4);
        offset += shifts[i % 3];
        uint32_t length = 0x100;
        memcpy(f->blk.pci_config + capability_places[one] + 8, &offset, 4);
        memcpy(f->blk.pci_config + capability_places[one] + 12, &length, 4);
        (void)attach(f);
        f->blk.saw_misuse = false; /* its own fault */
        tear_down(f);
    }
}

static uint64_t bar_at;

/** Maps what it is asked for: an access beyond the BAR then is one beyond memory. */
static void *trusting_map(void *ctx, uint64_t physical, uint64_t bytes)
{
    const struct fake_virtio_blk *blk = ((struct fake_platform *)ctx)->device;

    (void)bytes;
    return blk->bar + (physical - bar_at);
}

/** Capabilities of noise: the worst that comes of it is an error. The sanitizers watch the BAR. */
static void test_capabilities_of_noise(void **state)
{
    unsigned n_attached = 0;
    uint8_t sound[256];
    WITH(f);

    memcpy(sound, f->blk.pci_config, sizeof(sound));
    f->fake.ns_per_look = 10000000;
    bar_at = f->blk.function.bars[4].address;
    f->fake.platform.mmio_map = trusting_map;
    for (unsigned seed = 0; seed < 3000; seed++) {
        srand(seed);
        memcpy(f->blk.pci_config, sound, sizeof(sound));
        for (unsigned n = 1 + (unsigned)rand() % 3; n > 0; n--) {
            uint8_t *byte =
                f->blk.pci_config + capability_places[rand() % 4] + 2 + (unsigned)rand() % 18;
            *byte = rand() % 2 ? (uint8_t)rand() : (uint8_t)(*byte ^ 1u << rand() % 8);
        }
        if (attach(f) == VST_OK) {
            n_attached++;
            vst_virtio_blk_detach(f->device);
            f->device = NULL;
        }
        (void)fake_platform_free_leaks(&f->fake); /* no register, no confirmed reset */
    }
    assert_in_range(n_attached, 100, 2900); /* some of it does not matter */
    f->blk.saw_misuse = false;
    tear_down(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptors_scribbled_over_change_nothing),
        cmocka_unit_test(test_used_index_jumps_by_any_distance),
        cmocka_unit_test(test_wild_and_repeated_ids),
        cmocka_unit_test(test_used_lengths_of_every_kind),
        cmocka_unit_test(test_each_answer_is_its_own_status),
        cmocka_unit_test(test_traced_device_works_the_same),
        cmocka_unit_test(test_dump_of_a_queue),
        cmocka_unit_test(test_any_order_is_legal_without_in_order),
        cmocka_unit_test(test_order_broken_in_a_split_queue),
        cmocka_unit_test(test_order_broken_in_a_packed_queue),
        cmocka_unit_test(test_event_idx_is_implemented_where_it_is_accepted__RHF_33),
        cmocka_unit_test(test_late_answers_hit_no_memory_that_was_given_back__windows_965),
        cmocka_unit_test(test_late_answer_to_get_id_hits_leaked_memory__windows_965),
        cmocka_unit_test(test_lost_doorbell_is_told_from_a_slow_device),
        cmocka_unit_test(test_broken_queue_shows_nothing_more),
        cmocka_unit_test(test_serial_number_that_can_not_be_mapped),
        cmocka_unit_test(test_answers_are_taken_before_anything_is_called_late),
        cmocka_unit_test(test_64_bit_registers_are_written_as_two_of_32__RHF),
        cmocka_unit_test(test_flush_is_negotiated_where_offered__managarm_1561),
        cmocka_unit_test(test_configuration_that_changes_while_it_is_read),
        cmocka_unit_test(test_doorbell_of_a_later_queue_outside_its_structure),
        cmocka_unit_test(test_no_memory_at_any_point_where_buffers_are_mapped),
        cmocka_unit_test(test_no_memory_at_any_point_with_queues_and_vectors),
        cmocka_unit_test(test_capabilities_that_overlap),
        cmocka_unit_test(test_capabilities_of_noise),
    };

    (void)test_virtio_blk_main;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
