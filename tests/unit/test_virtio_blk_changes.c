/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration that changes while a disk is in use, and the write cache, over every transport. */
int test_virtio_blk_main(void);
#define main test_virtio_blk_main
#include "tests/unit/test_virtio_blk.c"
#undef main

#include <vstor/trace.h>

static struct vst_block_registry registry;

static void attach_and_register(struct fixture *f)
{
    registry = (struct vst_block_registry){0};
    assert_int_equal(attach(f), VST_OK);
    vst_block_register(&registry, f->device, "vd");
}

/** The device gets so many sectors and tells by its generation, which legacy devices don't have. */
static void resize(struct fixture *f, uint64_t sectors)
{
    uint8_t *disk = calloc(sectors > 0 ? sectors : 1, 512);
    uint64_t kept = sectors < f->blk.disk_sectors ? sectors : f->blk.disk_sectors;

    assert_non_null(disk);
    memcpy(disk, f->blk.disk, kept * 512);
    free(f->blk.disk);
    f->blk.disk = disk;
    f->blk.disk_sectors = sectors;
    fake_virtio_blk_set_config32(&f->blk, VIRTIO_BLK_CONFIG_CAPACITY, (uint32_t)sectors);
    f->blk.generation++;
}

static void expect_event(struct fixture *f, enum vst_block_event_kind what, uint64_t old_value,
                         uint64_t new_value)
{
    struct vst_block_event event;

    assert_true(vst_block_next_event(&registry, &event));
    assert_ptr_equal(event.device, f->device);
    assert_int_equal(event.what, what);
    assert_int_equal(event.old_value, old_value);
    assert_int_equal(event.new_value, new_value);
    assert_int_equal(event.n_times, 1);
}

static void expect_no_event(void)
{
    struct vst_block_event event;

    assert_false(vst_block_next_event(&registry, &event));
}

/* ------------------------------------------------------------------ size */

static void test_growth_and_shrinking(void **state)
{
    WITH(f);
    char buffer[512], back[512];
    attach_and_register(f);
    assert_int_equal(vst_block_refresh(f->device), VST_OK);
    expect_no_event();
    resize(f, 2 * DISK_SECTORS);
    assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, DISK_SECTORS, 1), VST_ERR_RANGE);
    assert_int_equal(vst_block_refresh(f->device), VST_OK);
    expect_event(f, VST_BLOCK_EVENT_RESIZED, DISK_SECTORS, 2 * DISK_SECTORS);
    expect_no_event();
    struct vst_trace_event traced;
    assert_int_equal(vst_trace_read(f->queue, &traced, 1), 1);
    assert_int_equal(traced.kind, VST_TRACE_CONFIG);
    assert_int_equal(traced.sector, 2 * DISK_SECTORS);
    memset(buffer, 0x5a, sizeof(buffer));
    assert_int_equal(transfer(f, VST_BLOCK_WRITE, buffer, 2 * DISK_SECTORS - 1, 1), VST_OK);
    assert_int_equal(transfer(f, VST_BLOCK_READ, back, 2 * DISK_SECTORS - 1, 1), VST_OK);
    assert_memory_equal(buffer, back, 512);
    assert_int_equal(transfer(f, VST_BLOCK_READ, back, 2 * DISK_SECTORS, 1), VST_ERR_RANGE);
    resize(f, 100);
    assert_int_equal(vst_block_refresh(f->device), VST_OK);
    expect_event(f, VST_BLOCK_EVENT_RESIZED, 2 * DISK_SECTORS, 100);
    unsigned before = f->blk.n_requests;
    assert_int_equal(transfer(f, VST_BLOCK_READ, back, 100, 1), VST_ERR_RANGE);
    assert_int_equal(transfer(f, VST_BLOCK_READ, back, UINT64_MAX, 1), VST_ERR_RANGE);
    assert_int_equal(transfer(f, VST_BLOCK_WRITE, back, DISK_SECTORS, 1), VST_ERR_RANGE);
    assert_int_equal(f->blk.n_requests, before);
    assert_int_equal(transfer(f, VST_BLOCK_READ, back, 99, 1), VST_OK);
    assert_memory_equal(back, f->blk.disk + 99 * 512, 512);
    tear_down(f);
}

static void test_capacity_of_nothing_and_back(void **state)
{
    WITH(f);
    char buffer[512];
    attach_and_register(f);
    resize(f, 0);
    assert_int_equal(vst_block_refresh(f->device), VST_OK);
    assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, 0, 1), VST_ERR_RANGE);
    resize(f, 8);
    assert_int_equal(vst_block_refresh(f->device), VST_OK);
    assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, 7, 1), VST_OK);
    assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, 8, 1), VST_ERR_RANGE);
    resize(f, DISK_SECTORS);
    assert_int_equal(vst_block_refresh(f->device), VST_OK);
    assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, DISK_SECTORS - 1, 1), VST_OK);
    tear_down(f);
}

/** Nothing was there at attach: the queue's rule must not be taken for that of a large device. */
static void test_capacity_of_nothing_at_attach(void **state)
{
    WITH(f);
    char buffer[512];
    resize(f, 0);
    attach_and_register(f);
    assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, 0, 1), VST_ERR_RANGE);
    resize(f, 8);
    assert_int_equal(vst_block_refresh(f->device), VST_OK);
    expect_event(f, VST_BLOCK_EVENT_RESIZED, 0, 8);
    assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, 7, 1), VST_OK);
    assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, 8, 1), VST_ERR_RANGE);
    tear_down(f);
}

static void test_what_is_in_flight_is_the_devices_business(void **state)
{
    WITH(f);
    static char buffers[2][512];
    struct vst_block_segment segments[2];
    struct vst_block_request requests[2], *done[2];
    attach_and_register(f);
    requests[0] = transfer_request(VST_BLOCK_READ, &segments[0], buffers[0], 5, 1);
    requests[1] = transfer_request(VST_BLOCK_READ, &segments[1], buffers[1], DISK_SECTORS - 1, 1);
    for (int i = 0; i < 2; i++)
        assert_int_equal(vst_block_submit(f->queue, &requests[i]), VST_OK);
    resize(f, 100);
    assert_int_equal(vst_block_refresh(f->device), VST_OK);
    vst_block_kick(f->queue);
    assert_int_equal(vst_block_poll(f->queue, done, 2), 2);
    assert_int_equal(requests[0].status, VST_OK);
    assert_int_equal(requests[1].status, VST_ERR_IO);
    assert_int_equal(requests[1].error_sector, DISK_SECTORS - 1);
    tear_down(f);
}

/** Between the two halves of the capacity the device changes it: neither old nor new, but a mixture. */
static void grow_in_the_middle(struct fake_virtio_blk *blk, uint64_t at)
{
    if (at != VIRTIO_BLK_CONFIG_CAPACITY + 4)
        return;
    blk->before_config_read = NULL;
    fake_virtio_blk_set_config32(blk, VIRTIO_BLK_CONFIG_CAPACITY, 7);
    fake_virtio_blk_set_config32(blk, VIRTIO_BLK_CONFIG_CAPACITY + 4, 1);
    blk->generation++;
}

static void test_change_in_the_middle_of_reading(void **state)
{
    WITH(f);
    attach_and_register(f);
    resize(f, 2 * DISK_SECTORS);
    f->blk.before_config_read = grow_in_the_middle;
    enum vst_status status = vst_block_refresh(f->device);
    if (status == VST_OK && f->device->limits.n_sectors == 2 * DISK_SECTORS)
        status = vst_block_refresh(f->device); /* a sum over it settles before we look */
    assert_int_equal(status, VST_OK);
    assert_int_equal(f->device->limits.n_sectors, (1ull << 32) + 7);
    tear_down(f);
}

static void test_never_settling_is_complained_of_once(void **state)
{
    WITH(f);
    char buffer[512];
    attach_and_register(f);
    f->blk.generation_always_changes = true;
    resize(f, 2 * DISK_SECTORS);
    for (int i = 0; i < 5; i++)
        assert_int_equal(vst_block_refresh(f->device), VST_ERR_MALFORMED);
    const char *first = strstr(f->fake.all_logs, "never stops changing");
    assert_non_null(first);
    assert_null(strstr(first + 1, "never stops changing"));
    expect_no_event();
    assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, DISK_SECTORS - 1, 1), VST_OK);
    assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, DISK_SECTORS, 1), VST_ERR_RANGE);
    f->blk.generation_always_changes = false;
    assert_int_equal(vst_block_refresh(f->device), VST_OK);
    expect_event(f, VST_BLOCK_EVENT_RESIZED, DISK_SECTORS, 2 * DISK_SECTORS);
    tear_down(f);
}

static void test_what_makes_no_sense_is_not_taken_over(void **state)
{
    static const struct {
        unsigned offset;
        uint32_t value;
        enum vst_status status;
        const char *says;
    } cases[] = {
        {VIRTIO_BLK_CONFIG_BLK_SIZE, 4096, VST_ERR_UNSUPPORTED, "logical block changes from 512"},
        {VIRTIO_BLK_CONFIG_BLK_SIZE, 0, VST_ERR_MALFORMED, "block size of 0"},
        {VIRTIO_BLK_CONFIG_BLK_SIZE, 1u << 31, VST_ERR_MALFORMED, "block size"},
        {VIRTIO_BLK_CONFIG_CAPACITY + 4, UINT32_MAX, VST_ERR_MALFORMED, "capacity"},
        {VIRTIO_BLK_CONFIG_SEG_MAX, 1, VST_ERR_UNSUPPORTED, "segments per command"},
        {VIRTIO_BLK_CONFIG_SIZE_MAX, 4096, VST_ERR_UNSUPPORTED, "bytes per segment"},
        {VIRTIO_BLK_CONFIG_SIZE_MAX, 7, VST_ERR_MALFORMED, "largest segment"},
    };
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        WITH(f);
        char buffer[512];
        f->blk.offered_features |= VIRTIO_BIT(VIRTIO_BLK_F_SIZE_MAX);
        fake_virtio_blk_set_config32(&f->blk, VIRTIO_BLK_CONFIG_SIZE_MAX, 65536);
        attach_and_register(f);
        uint8_t before[sizeof(f->blk.config)];
        memcpy(before, f->blk.config, sizeof(before));
        struct vst_block_limits limits = f->device->limits;
        resize(f, DISK_SECTORS / 2); /* must not be taken over either */
        fake_virtio_blk_set_config32(&f->blk, cases[i].offset, cases[i].value);
        assert_int_equal(vst_block_refresh(f->device), cases[i].status);
        assert_non_null(strstr(f->fake.last_log, cases[i].says));
        assert_memory_equal(&limits, &f->device->limits, sizeof(limits));
        expect_no_event();
        assert_int_equal(vst_block_refresh(f->device), VST_OK); /* said once */
        assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, 9, 1), VST_OK);
        memcpy(f->blk.config, before, sizeof(before));
        resize(f, DISK_SECTORS * 2);
        assert_int_equal(vst_block_refresh(f->device), VST_OK);
        expect_event(f, VST_BLOCK_EVENT_RESIZED, DISK_SECTORS, 2 * DISK_SECTORS);
        tear_down(f);
    }
}

static void test_physical_block_may_change(void **state)
{
    WITH(f);
    f->blk.offered_features |= VIRTIO_BIT(VIRTIO_BLK_F_TOPOLOGY);
    attach_and_register(f);
    f->blk.config[VIRTIO_BLK_CONFIG_PHYSICAL] = 3;
    f->blk.generation++;
    assert_int_equal(vst_block_refresh(f->device), VST_OK);
    assert_int_equal(f->device->limits.physical_block_bytes, 4096);
    tear_down(f);
}

/* ------------------------------------------------------------------ how it is noticed */

/** By its line: the handler acknowledges; who looks reads no register, or it would miss that. */
static void test_interrupt_line_tells(void **state)
{
    WITH(f);
    f->blk.function.interrupt_pin = 1;
    f->config.irq.mode = VST_IRQ_INTX;
    attach_and_register(f);
    bool has_status = f->blk.legacy || f->front.is_mmio; /* of the fake's fronts */
    if (!has_status || strcmp(f->device->irq_mode, "intx") != 0) {
        tear_down(f);
        return;
    }
    resize(f, 2 * DISK_SECTORS);
    f->blk.isr = 1; /* a queue's interrupt, whose handler has not run yet */
    assert_int_equal(vst_block_refresh(f->device), VST_OK);
    assert_int_equal(f->blk.isr, 1);
    expect_no_event();
    f->blk.isr = 3;
    assert_true(vst_virtio_blk_interrupt(f->device));
    assert_int_equal(vst_block_refresh(f->device), VST_OK);
    expect_event(f, VST_BLOCK_EVENT_RESIZED, DISK_SECTORS, 2 * DISK_SECTORS);
    tear_down(f);
}

static uint16_t vectors_taken, config_vector;

static bool take_vector(struct virtio_device *device, uint16_t vector)
{
    (void)device;
    config_vector = vector < vectors_taken ? vector : VIRTIO_NO_VECTOR;
    return config_vector == vector;
}

static uint32_t count_up(struct virtio_device *device)
{
    return device->config_seen + 1;
}

/** The vector of changes: its own if there is one more than queues, else queue 0's, else none. */
static void test_vectors_fewer_than_queues_plus_one_windows_1520(void **state)
{
    static const struct virtio_transport transport = {.set_config_vector = take_vector,
                                                      .config_generation = count_up};
    static const struct {
        uint16_t n_queues, n_vectors, taken, message;
    } cases[] = {
        {1, 2, 99, 1},
        {1, 1, 99, 0},
        {4, 5, 99, 4},
        {4, 4, 99, 0},
        {4, 1, 99, 0},
        {4, 5, 4, 0},
        {4, 5, 0, VST_BLOCK_NO_MESSAGE},
    };
    struct fake_platform fake;

    (void)state;
    fake_platform_init(&fake, false);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        static struct blk_device blk;
        blk.base.platform = &fake.platform;
        blk.virtio.transport = &transport;
        blk.virtio.name = "test";
        blk.virtio.platform = &fake.platform;
        blk.irq = (struct virtio_irq){.device = &blk.virtio,
                                      .mode = VST_IRQ_MSIX,
                                      .n_queues = cases[i].n_queues,
                                      .n_vectors = cases[i].n_vectors};
        vectors_taken = cases[i].taken;
        vst_virtio_irq_set_config_vector(&blk.irq);
        blk.base.change_message = blk.irq.config_vector;
        assert_int_equal(blk.base.change_message, cases[i].message);
        assert_int_equal(config_vector, cases[i].message);
        /* Without a message the generation is looked at, else the handler's word alone. */
        assert_int_equal(vst_virtio_blk_config_changed(&blk.base),
                         cases[i].message == VST_BLOCK_NO_MESSAGE);
        vst_block_config_interrupted(&blk.base);
        assert_true(vst_virtio_blk_config_changed(&blk.base));
    }
}

static void test_another_cpu_is_at_it(void **state)
{
    WITH(f);
    attach_and_register(f);
    struct blk_device *blk = VST_CONTAINER_OF(f->device, struct blk_device, base);
    resize(f, 2 * DISK_SECTORS);
    blk->refreshing = true;
    assert_int_equal(vst_block_refresh(f->device), VST_ERR_FULL);
    blk->refreshing = false;
    f->blk.generation--; /* nothing new: what it was called for is not forgotten */
    assert_int_equal(vst_block_refresh(f->device), VST_OK);
    expect_event(f, VST_BLOCK_EVENT_RESIZED, DISK_SECTORS, 2 * DISK_SECTORS);
    tear_down(f);
}

static void test_out_of_service_is_an_event(void **state)
{
    WITH(f);
    char buffer[512];
    f->config.recovery = VST_RECOVERY_NONE;
    attach_and_register(f);
    f->blk.lie = LIE_SILENCE;
    assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, 0, 1), VST_ERR_TIMEOUT);
    expect_event(f, VST_BLOCK_EVENT_SERVICE, 1, 0);
    resize(f, 2 * DISK_SECTORS);
    assert_int_equal(vst_block_refresh(f->device), VST_ERR_BROKEN);
    assert_int_equal(vst_block_set_write_cache(f->device, true), VST_ERR_BROKEN);
    expect_no_event();
    tear_down(f);
}

/* ------------------------------------------------------------------ the write cache */

static void offer_config_wce(struct fixture *f)
{
    f->blk.offered_features |= VIRTIO_BIT(VIRTIO_BLK_F_CONFIG_WCE);
    f->blk.config[VIRTIO_BLK_CONFIG_WRITEBACK] = 1;
}

static void test_write_cache_both_ways(void **state)
{
    WITH(f);
    offer_config_wce(f);
    attach_and_register(f);
    assert_true(f->device->write_cache_settable && f->device->write_cache);
    assert_int_equal(vst_block_set_write_cache(f->device, false), VST_OK);
    assert_int_equal(f->blk.config[VIRTIO_BLK_CONFIG_WRITEBACK], 0);
    assert_false(f->device->write_cache);
    assert_int_equal(f->blk.n_flushes, 1); /* what was written before */
    expect_event(f, VST_BLOCK_EVENT_WRITE_CACHE, 1, 0);
    assert_int_equal(vst_block_set_write_cache(f->device, true), VST_OK);
    assert_int_equal(f->blk.config[VIRTIO_BLK_CONFIG_WRITEBACK], 1);
    assert_true(f->device->write_cache);
    assert_int_equal(f->blk.n_flushes, 1);
    expect_event(f, VST_BLOCK_EVENT_WRITE_CACHE, 0, 1);
    assert_int_equal(vst_block_refresh(f->device), VST_OK);
    expect_no_event();
    tear_down(f);
}

static void test_write_cache_switched_by_the_host(void **state)
{
    WITH(f);
    offer_config_wce(f);
    attach_and_register(f);
    f->blk.config[VIRTIO_BLK_CONFIG_WRITEBACK] = 0;
    f->blk.generation++;
    assert_int_equal(vst_block_refresh(f->device), VST_OK);
    assert_false(f->device->write_cache);
    expect_event(f, VST_BLOCK_EVENT_WRITE_CACHE, 1, 0);
    tear_down(f);
}

static void test_write_cache_that_is_not_to_be_switched(void **state)
{
    WITH(f);
    attach_and_register(f);
    assert_false(f->device->write_cache_settable);
    assert_int_equal(vst_block_set_write_cache(f->device, false), VST_ERR_UNSUPPORTED);
    assert_true(f->device->write_cache);
    tear_down(f);
}

static void test_write_cache_that_does_not_switch(void **state)
{
    WITH(f);
    offer_config_wce(f);
    f->blk.keeps_cache_mode = true;
    attach_and_register(f);
    assert_int_equal(vst_block_set_write_cache(f->device, false), VST_ERR_UNSUPPORTED);
    assert_non_null(strstr(f->fake.last_log, "does not go off"));
    assert_true(f->device->write_cache);
    assert_int_equal(f->blk.n_flushes, 0);
    expect_no_event();
    tear_down(f);
}

static void test_flush_that_fails_is_told(void **state)
{
    WITH(f);
    offer_config_wce(f);
    f->blk.fails_flushes = true;
    attach_and_register(f);
    assert_int_equal(vst_block_set_write_cache(f->device, false), VST_ERR_IO);
    assert_false(f->device->write_cache);
    tear_down(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth_and_shrinking),
        cmocka_unit_test(test_capacity_of_nothing_and_back),
        cmocka_unit_test(test_capacity_of_nothing_at_attach),
        cmocka_unit_test(test_what_is_in_flight_is_the_devices_business),
        cmocka_unit_test(test_change_in_the_middle_of_reading),
        cmocka_unit_test(test_never_settling_is_complained_of_once),
        cmocka_unit_test(test_what_makes_no_sense_is_not_taken_over),
        cmocka_unit_test(test_physical_block_may_change),
        cmocka_unit_test(test_interrupt_line_tells),
        cmocka_unit_test(test_vectors_fewer_than_queues_plus_one_windows_1520),
        cmocka_unit_test(test_another_cpu_is_at_it),
        cmocka_unit_test(test_out_of_service_is_an_event),
        cmocka_unit_test(test_write_cache_both_ways),
        cmocka_unit_test(test_write_cache_switched_by_the_host),
        cmocka_unit_test(test_write_cache_that_is_not_to_be_switched),
        cmocka_unit_test(test_write_cache_that_does_not_switch),
        cmocka_unit_test(test_flush_that_fails_is_told),
    };
    int n_failed = 0;

    (void)test_virtio_blk_main;
    for (front_in_use = FAKE_MODERN; front_in_use < FAKE_N_FRONTS; front_in_use++) {
        printf("front %d\n", (int)front_in_use);
        n_failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return n_failed;
}
