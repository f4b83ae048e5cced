/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is looked at, or shown, before and behind which barrier. The rings' own code is compiled
 * here, with barriers in which the other side moves: what is read behind a barrier sees that, what
 * was read too early does not; and what was to be shown first is there already. A barrier that is
 * left out shows as a move that never came. (That barriers are enough, tests/model checks.)
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <string.h>

#include <arch/barrier.h>
static void at_publish(void);
static void at_observe(void);
static void at_full(void);
#define arch_publish_barrier at_publish
#define arch_observe_barrier at_observe
#define arch_full_barrier    at_full
#include "drivers/virtq.c"
#include "drivers/virtq_chain.c"

#include "tests/unit/fake_platform.h"

enum { SIZE = 8 };

static struct fake_platform fake;
static struct virtq vq;
static uint16_t doorbell;

/* What the other side does in the next barrier of a kind; counted. */
static void (*on_publish)(void), (*on_observe)(void), (*on_full)(void);
static unsigned n_publish, n_observe, n_full;

static void run(void (**move)(void), unsigned *n)
{
    void (*now)(void) = *move;

    ++*n;
    *move = NULL;
    if (now != NULL)
        now();
}

static void at_publish(void)
{
    run(&on_publish, &n_publish);
}
static void at_observe(void)
{
    run(&on_observe, &n_observe);
}
static void at_full(void)
{
    run(&on_full, &n_full);
}

static enum vst_status enable(struct virtio_device *device, const struct virtio_queue_setup *setup,
                              struct virtio_doorbell *to)
{
    (void)device;
    (void)setup;
    *to = (struct virtio_doorbell){.kind = VIRTIO_DOORBELL_MMIO16, .mmio = &doorbell};
    return VST_OK;
}

static void make_queue(uint64_t features)
{
    static const struct virtio_transport transport = {.queue_enable = enable};
    const struct virtq_layout layout = {
        .index = 3, .size = SIZE, .header_bytes = 32, .table_entries = 3};
    struct virtio_device device = {
        .transport = &transport, .platform = &fake.platform, .features = features};

    fake_platform_init(&fake, false);
    assert_int_equal(vst_virtq_create(&vq, &device, &layout), VST_OK);
    on_publish = on_observe = on_full = NULL;
    n_publish = n_observe = n_full = 0;
    doorbell = UINT16_MAX;
}

static void drop_queue(void)
{
    vst_virtq_destroy(&vq, &fake.platform);
    assert_int_equal(fake.n_allocated, 0);
}

#define INDIRECT VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC)
#define EVENT    VIRTIO_BIT(VIRTIO_F_EVENT_IDX)
#define PACKED   VIRTIO_BIT(VIRTIO_F_RING_PACKED)
#define IN_ORDER VIRTIO_BIT(VIRTIO_F_IN_ORDER)

static uint16_t get16(const volatile void *at)
{
    return *(const volatile uint16_t *)at;
}
static void put16(const volatile void *at, uint16_t value)
{
    *(volatile uint16_t *)(uintptr_t)at = value;
}

static void put_one(void)
{
    struct virtq_slot *slot = virtq_take(&vq);

    slot->packed_rest = virtq_packed_rest_indirect(slot, 3);
    virtq_put(&vq, slot, &fake);
}

/* The fields of a descriptor of a packed ring. */
static const void *flags_of(unsigned i)
{
    return (const char *)&vq.ring[i].rest.dev.id_flags + 2;
}
static const void *id_of(unsigned i)
{
    return &vq.ring[i].rest.dev.id_flags;
}
static uint32_t len_of(unsigned i)
{
    return *(const volatile uint32_t *)(const volatile void *)&vq.ring[i].rest.dev.len;
}

/* ------------------------------------------------------------------ kicking */

static bool was_shown; /* the device found the new chain in the barrier */

/* The device falls asleep in the barrier: it looks at the ring once more, and asks to be told. */
static void sleep_split(void)
{
    was_shown = get16(&vq.avail->idx) == 1;
    put16(vq.avail_event, 0);
    put16(&vq.used->flags, 0);
}
static void sleep_packed(void)
{
    was_shown = (get16(flags_of(0)) & 0x8080) == 0x80;
    put16(vq.device_event, 0x8000);
    put16((const char *)vq.device_event + 2, vq.event_idx ? 2 : 0);
}

static void test_suppression_is_read_after_a_full_fence__cloud_hypervisor_2179(void **state)
{
    static const uint64_t rings[] = {0, EVENT, PACKED, PACKED | EVENT};

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(rings); i++) {
        make_queue(rings[i] | INDIRECT);
        if (vq.packed) {
            put16((const char *)vq.device_event + 2, 1); /* awake: tell me nothing */
        } else {
            put16(vq.avail_event, 1000);
            put16(&vq.used->flags, 1);
        }
        on_full = vq.packed ? sleep_packed : sleep_split;
        put_one();
        assert_true(virtq_publish(&vq)); /* he fell asleep meanwhile */
        assert_true(was_shown);          /* or he has seen it */
        assert_int_equal(n_full, 1);
        virtq_ring_doorbell(&vq);
        assert_int_equal(doorbell, 3);
        drop_queue();
    }
}

/* The device looks before the publishing store: it finds nothing yet, but all that it will need. */
static void look_split(void)
{
    assert_int_equal(get16(&vq.avail->idx), 0);
    assert_int_equal(get16(&vq.avail->ring[0]), 0);
    was_shown = true;
}

static void test_ring_entry_is_there_before_the_index(void **state)
{
    (void)state;
    make_queue(INDIRECT);
    put16(&vq.avail->ring[0], 77);
    was_shown = false;
    on_publish = look_split;
    put_one();
    (void)virtq_publish(&vq);
    assert_true(was_shown);
    assert_int_equal(get16(&vq.avail->idx), 1);
    drop_queue();
}

static void look_packed(void)
{
    assert_int_equal(get16(flags_of(0)), 0);
    assert_int_equal(*(const uint64_t *)&vq.ring[0].addr,
                     (uintptr_t)vq.slots[0].shared + vq.header_bytes);
    was_shown = true;
}

static void test_packed_descriptor_is_whole_before_its_flags(void **state)
{
    (void)state;
    make_queue(PACKED | INDIRECT);
    was_shown = false;
    on_publish = look_packed;
    put_one();
    assert_true(was_shown);
    assert_int_equal(get16(flags_of(0)), VIRTQ_DESC_F_INDIRECT | VIRTQ_DESC_F_AVAIL);
    assert_int_equal(len_of(0), 3 * 16); /* in one store with the flags */
    drop_queue();
}

/* 2.8.20.1: the first descriptor's flags come last, behind all of the chain. */
static void look_chain(void)
{
    assert_int_equal(get16(flags_of(0)), 0);
    assert_int_equal(get16(flags_of(1)) & 0x8080, 0x80);
    assert_int_equal(get16(flags_of(2)) & 0x8080, 0x80);
    assert_int_equal(len_of(2), 300);
    was_shown = true;
}

static void test_packed_chain_is_whole_before_the_flags_of_its_first(void **state)
{
    struct virtq_chain chain;

    (void)state;
    make_queue(PACKED);
    was_shown = false;
    assert_true(vst_virtq_chain_begin(&chain, &vq, 3));
    for (uint32_t i = 1; i <= 3; i++)
        vst_virtq_chain_add(&chain, 0x1000 * i, 100 * i, i == 3);
    on_publish = look_chain;
    vst_virtq_chain_put(&chain, &fake);
    assert_true(was_shown);
    assert_int_equal(get16(flags_of(0)), VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_AVAIL);
    drop_queue();
}

/* ------------------------------------------------------------------ completing */

/* Split: the entry becomes what it is to be only after the index was seen. Packed: what was seen in
 * one look with the flags stays. */
static void id_becomes_2(void)
{
    if (!vq.packed)
        put16(&vq.used->ring[0].id, 2);
    else
        put16(id_of(0), 1);
}

static void put_three_and_use_one(void)
{
    for (int i = 0; i < 3; i++)
        put_one();
    (void)virtq_publish(&vq);
    if (vq.packed) {
        put16(id_of(0), 2);
        put16(flags_of(0), 0x8080);
    } else {
        put16(&vq.used->idx, 1);
    }
    on_observe = id_becomes_2;
}

/** Id and flags are one look: neither an id of old nor one that comes later can go with the flags. */
static void test_id_is_read_with_the_flags__DPDK_4b058fdd(void **state)
{
    size_t offset;

    (void)state;
    make_queue(PACKED | INDIRECT);
    put_three_and_use_one();
    struct virtq_reader reader = virtq_read_begin(&vq, true);
    assert_ptr_equal(virtq_read_next(&reader, true, &offset), &vq.slots[2]);
    assert_int_equal(virtq_id_at(offset), 2);
    assert_int_equal(n_observe, 1);
    drop_queue();
}

static void test_used_entry_is_read_after_the_index(void **state)
{
    size_t offset;

    (void)state;
    make_queue(INDIRECT);
    put_three_and_use_one();
    assert_int_equal(virtq_n_used_split(&vq), 1);
    struct virtq_reader reader = virtq_read_begin(&vq, false);
    assert_ptr_equal(virtq_read_next(&reader, false, &offset), &vq.slots[2]);
    assert_int_equal(n_observe, 1);
    drop_queue();
}

/** The same on the way for queues in order: the id tells how many. */
static void test_id_in_order_is_read_after_flags_or_index(void **state)
{
    struct virtq_chain chain;

    (void)state;
    for (int packed = 0; packed < 2; packed++) {
        make_queue(INDIRECT | IN_ORDER | (packed ? PACKED : 0));
        for (int i = 0; i < 3; i++) {
            assert_true(vst_virtq_chain_begin(&chain, &vq, 1));
            vst_virtq_chain_add(&chain, 0x1000, 16, false);
            vst_virtq_chain_put(&chain, &fake);
        }
        (void)virtq_publish(&vq);
        if (packed) {
            put16(id_of(0), 2);
            put16(flags_of(0), 0x8080);
        } else {
            put16(&vq.used->idx, 3);
        }
        on_observe = id_becomes_2;
        assert_int_equal(vst_virtq_n_in_order(&vq), 3);
        drop_queue();
    }
}

/* ------------------------------------------------------------------ before going to sleep */

static bool was_asked; /* the device found in the barrier that we want to be told */

/* The device finishes in the barrier: either it sees that we asked, or we see that it finished. */
static void finish_split(void)
{
    was_asked = vq.event_idx ? get16(vq.used_event) == 0 : get16(&vq.avail->flags) == 0;
    put16(&vq.used->idx, 1);
}
static void finish_packed(void)
{
    was_asked = get16(&vq.driver_event->flags) == (vq.event_idx ? 2 : 0) &&
                (!vq.event_idx || get16(&vq.driver_event->off_wrap) == 0x8000);
    put16(flags_of(0), 0x8080);
}

static void test_arming_asks_before_it_looks(void **state)
{
    static const uint64_t rings[] = {0, EVENT, PACKED, PACKED | EVENT};

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(rings); i++) {
        make_queue(rings[i] | INDIRECT);
        put_one();
        (void)virtq_publish(&vq);
        n_full = 0;
        on_full = vq.packed ? finish_packed : finish_split;
        vst_virtq_arm(&vq, 1);
        assert_int_equal(n_full, 1);
        assert_true(was_asked);
        assert_true(vst_virtq_awaited(&vq));
        drop_queue();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suppression_is_read_after_a_full_fence__cloud_hypervisor_2179),
        cmocka_unit_test(test_ring_entry_is_there_before_the_index),
        cmocka_unit_test(test_packed_descriptor_is_whole_before_its_flags),
        cmocka_unit_test(test_packed_chain_is_whole_before_the_flags_of_its_first),
        cmocka_unit_test(test_id_is_read_with_the_flags__DPDK_4b058fdd),
        cmocka_unit_test(test_used_entry_is_read_after_the_index),
        cmocka_unit_test(test_id_in_order_is_read_after_flags_or_index),
        cmocka_unit_test(test_arming_asks_before_it_looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
