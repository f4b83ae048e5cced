/* SPDX-License-Identifier: BSD-2-Clause */
/* The bounce pool by itself: what lies in it when, who gets room, and what it does not put up with. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_platform.h"

#define GRANULE VST_BOUNCE_GRANULE_BYTES

static struct fake_platform fake;
static struct vst_bounce bounce;

static void start(size_t n_granules)
{
    fake_platform_init(&fake, false);
    assert_int_equal(vst_bounce_start(&bounce, &fake.platform, n_granules * GRANULE), VST_OK);
    assert_int_equal(fake.n_allocated, 2);
}

static void stop(void)
{
    for (uint32_t i = 0; i < bounce.n_granules; i++)
        assert_int_equal(bounce.runs[i], 0);
    vst_bounce_stop(&bounce);
    assert_int_equal(fake.n_allocated, 0);
}

static enum vst_status map(void *buffer, size_t bytes, enum vst_dma_direction direction,
                           uint64_t *bus_addr)
{
    return bounce.platform.dma_map(bounce.platform.ctx, buffer, bytes, direction, bus_addr);
}

static void unmap(void *buffer, size_t bytes, enum vst_dma_direction direction, uint64_t bus_addr)
{
    bounce.platform.dma_unmap(bounce.platform.ctx, buffer, bytes, direction, bus_addr);
}

static bool pool_is_zero(void)
{
    for (size_t i = 0; i < (size_t)bounce.n_granules * GRANULE; i++)
        if (bounce.pool[i] != 0)
            return false;
    return true;
}

/* ------------------------------------------------------------------ start */

static void test_bounds_fit_the_pool(void **state)
{
    (void)state;
    for (size_t n = 1; n < 2000; n = n * 9 / 8 + 1) {
        start(n);
        size_t granules_per_map = bounce.platform.dma_max_map_bytes / GRANULE;
        assert_true(granules_per_map >= 1 && bounce.platform.dma_max_maps >= 1);
        assert_true(n == 1 || 2 * bounce.platform.dma_max_maps * granules_per_map <= n);
        stop();
    }
    start(1024); /* 4 MiB: what the kernel takes */
    assert_int_equal(bounce.platform.dma_max_map_bytes, 65536);
    assert_int_equal(bounce.platform.dma_max_maps, 32);
    stop();
}

static void test_sizes_that_are_no_good(void **state)
{
    (void)state;
    fake_platform_init(&fake, false);
    assert_int_equal(vst_bounce_start(&bounce, &fake.platform, 0), VST_ERR_INVALID);
    assert_int_equal(vst_bounce_start(&bounce, &fake.platform, GRANULE - 1), VST_ERR_INVALID);
    assert_int_equal(vst_bounce_start(&bounce, &fake.platform, (size_t)1 << 44), VST_ERR_INVALID);
    for (size_t n = 0; n < 2; n++) {
        fake.fail_alloc_after = n;
        assert_int_equal(vst_bounce_start(&bounce, &fake.platform, GRANULE), VST_ERR_NO_MEMORY);
        assert_int_equal(fake.n_allocated, 0);
    }
}

/* ------------------------------------------------------------------ what lies in the pool */

/** Zero to the last byte of the granule, whatever the device wrote there while it was nobody's. */
static void test_buffer_to_be_written_by_the_device_is_shared_as_zero(void **state)
{
    char buffer[100];
    uint64_t bus_addr;

    (void)state;
    start(4);
    memset(bounce.pool, 0x77, 4 * GRANULE);
    memset(buffer, 0x11, sizeof(buffer));
    assert_int_equal(map(buffer, sizeof(buffer), VST_DMA_FROM_DEVICE, &bus_addr), VST_OK);
    const char *shared = (const char *)(uintptr_t)bus_addr;
    for (size_t i = 0; i < GRANULE; i++)
        assert_int_equal(shared[i], 0);
    unmap(buffer, sizeof(buffer), VST_DMA_FROM_DEVICE, bus_addr);
    for (size_t i = 0; i < sizeof(buffer); i++)
        assert_int_equal(buffer[i], 0);
    stop();
}

/** The caller's bytes and zero behind them; nothing of it remains. */
static void test_buffer_to_be_read_by_the_device_is_padded_with_zero(void **state)
{
    char buffer[GRANULE + 5], before[GRANULE + 5];
    uint64_t bus_addr;

    (void)state;
    start(8);
    bounce.platform.dma_max_map_bytes = 2 * GRANULE;
    memset(bounce.pool, 0x77, 8 * GRANULE);
    for (size_t i = 0; i < sizeof(buffer); i++)
        buffer[i] = before[i] = (char)(i * 7 + 1);
    assert_int_equal(map(buffer, sizeof(buffer), VST_DMA_TO_DEVICE, &bus_addr), VST_OK);
    char *shared = (char *)(uintptr_t)bus_addr;
    assert_memory_equal(shared, buffer, sizeof(buffer));
    for (size_t i = sizeof(buffer); i < 2 * GRANULE; i++)
        assert_int_equal(shared[i], 0);
    memset(shared, 0x55, sizeof(buffer)); /* not the device's to write: reaches nobody */
    unmap(buffer, sizeof(buffer), VST_DMA_TO_DEVICE, bus_addr);
    assert_memory_equal(buffer, before, sizeof(buffer));
    for (size_t i = 0; i < 2 * GRANULE; i++)
        assert_int_equal(shared[i], 0);
    stop();
}

static void test_what_the_device_wrote_is_copied_out_and_scrubbed(void **state)
{
    char buffer[600];
    uint64_t bus_addr;

    (void)state;
    start(2);
    memset(buffer, 1, sizeof(buffer));
    assert_int_equal(map(buffer, 512, VST_DMA_FROM_DEVICE, &bus_addr), VST_OK);
    memset((void *)(uintptr_t)bus_addr, 0x33, GRANULE);
    assert_int_equal(buffer[0], 1); /* until unmap the caller's memory is as it was */
    unmap(buffer, 512, VST_DMA_FROM_DEVICE, bus_addr);
    for (size_t i = 0; i < sizeof(buffer); i++)
        assert_int_equal(buffer[i], i < 512 ? 0x33 : 1);
    assert_true(pool_is_zero());
    stop();
}

/* ------------------------------------------------------------------ room */

static void test_full_now_differs_from_never(void **state)
{
    static char buffer[GRANULE];
    uint64_t a, b, c;

    (void)state;
    start(2);
    assert_int_equal(map(buffer, GRANULE + 1, VST_DMA_TO_DEVICE, &a), VST_ERR_TOO_LARGE);
    assert_int_equal(map(buffer, SIZE_MAX, VST_DMA_TO_DEVICE, &a), VST_ERR_TOO_LARGE);
    assert_int_equal(map(buffer, 0, VST_DMA_TO_DEVICE, &a), VST_ERR_INVALID);
    assert_int_equal(map(buffer, GRANULE, VST_DMA_TO_DEVICE, &a), VST_OK);
    assert_int_equal(map(buffer, 1, VST_DMA_TO_DEVICE, &b), VST_OK);
    assert_int_equal(map(buffer, 1, VST_DMA_TO_DEVICE, &c), VST_ERR_FULL);
    assert_int_equal(bounce.n_full, 1);
    unmap(buffer, GRANULE, VST_DMA_TO_DEVICE, a);
    assert_int_equal(map(buffer, 1, VST_DMA_TO_DEVICE, &c), VST_OK);
    unmap(buffer, 1, VST_DMA_TO_DEVICE, b);
    unmap(buffer, 1, VST_DMA_TO_DEVICE, c);
    stop();
}

/** As the bounds promise: the largest command finds room where nothing else is mapped. */
static void test_largest_command_fits_an_empty_pool(void **state)
{
    static char buffer[65536];
    static uint64_t bus_addrs[1000];

    (void)state;
    for (size_t n = 1; n < 1500; n = n * 5 / 4 + 1) {
        start(n);
        uint32_t n_maps = bounce.platform.dma_max_maps, bytes = bounce.platform.dma_max_map_bytes;
        for (uint32_t i = 0; i < n_maps; i++)
            assert_int_equal(map(buffer, bytes, VST_DMA_TO_DEVICE, &bus_addrs[i]), VST_OK);
        for (uint32_t i = 0; i < n_maps; i++)
            unmap(buffer, bytes, VST_DMA_TO_DEVICE, bus_addrs[i]);
        stop();
    }
}

/** Mappings that come and go: none overlaps another, each keeps its data, all room comes back. */
static void test_mappings_never_overlap(void **state)
{
    enum { N = 24 };
    static char buffers[N][5 * GRANULE];
    struct {
        uint64_t bus_addr;
        size_t bytes;
    } mapped[N] = {{0, 0}};

    (void)state;
    start(40);
    srandom(5);
    for (unsigned round = 0; round < 20000; round++) {
        unsigned i = (unsigned)random() % N;
        if (mapped[i].bytes != 0) {
            char *shared = (char *)(uintptr_t)mapped[i].bus_addr;
            for (size_t k = 0; k < mapped[i].bytes; k += 97)
                assert_int_equal(shared[k], (char)i);
            unmap(buffers[i], mapped[i].bytes, VST_DMA_TO_DEVICE, mapped[i].bus_addr);
            mapped[i].bytes = 0;
            continue;
        }
        size_t bytes = 1 + (size_t)random() % bounce.platform.dma_max_map_bytes;
        memset(buffers[i], (int)i, bytes);
        if (map(buffers[i], bytes, VST_DMA_TO_DEVICE, &mapped[i].bus_addr) == VST_OK)
            mapped[i].bytes = bytes;
    }
    for (unsigned i = 0; i < N; i++)
        if (mapped[i].bytes != 0)
            unmap(buffers[i], mapped[i].bytes, VST_DMA_TO_DEVICE, mapped[i].bus_addr);
    assert_true(bounce.n_full > 0);
    assert_int_equal(bounce.n_wrong_unmap, 0);
    stop();
}

/* ------------------------------------------------------------------ misuse */

static void test_unmap_of_what_is_not_mapped_changes_nothing(void **state)
{
    static char buffer[4 * GRANULE];
    uint64_t bus_addr, other;

    (void)state;
    start(64);
    assert_int_equal(map(buffer, 3 * GRANULE, VST_DMA_FROM_DEVICE, &bus_addr), VST_OK);
    assert_int_equal(map(buffer, 1, VST_DMA_FROM_DEVICE, &other), VST_OK);
    memset((void *)(uintptr_t)bus_addr, 9, 3 * GRANULE);
    const struct {
        uint64_t bus_addr;
        size_t bytes;
    } wrong[] = {
        {bus_addr + GRANULE, GRANULE},                  /* inside it */
        {bus_addr + 1, 3 * GRANULE - 1},                /* not where it begins */
        {bus_addr, GRANULE},                            /* shorter */
        {bus_addr, 4 * GRANULE},                        /* longer */
        {bus_addr, 0},                                  /* nothing */
        {bus_addr, SIZE_MAX},                           /* a length that wraps */
        {bus_addr + 16 * GRANULE, GRANULE},             /* free */
        {bounce.pool_bus_addr + 64 * GRANULE, GRANULE}, /* behind the pool */
        {bounce.pool_bus_addr - GRANULE, GRANULE},      /* before it */
    };
    for (size_t i = 0; i < VST_ARRAY_LENGTH(wrong); i++) {
        unmap(buffer, wrong[i].bytes, VST_DMA_FROM_DEVICE, wrong[i].bus_addr);
        assert_int_equal(bounce.n_wrong_unmap, i + 1);
        assert_non_null(strstr(fake.last_log, "are not mapped"));
        assert_int_equal(buffer[0], 0);
    }
    unmap(buffer, 3 * GRANULE, VST_DMA_FROM_DEVICE, bus_addr);
    assert_int_equal(buffer[3 * GRANULE - 1], 9);
    memset(buffer, 0, sizeof(buffer));
    unmap(buffer, 3 * GRANULE, VST_DMA_FROM_DEVICE, bus_addr); /* twice */
    assert_int_equal(bounce.n_wrong_unmap, VST_ARRAY_LENGTH(wrong) + 1);
    unmap(buffer, 1, VST_DMA_FROM_DEVICE, other);
    stop();
}

/* ------------------------------------------------------------------ several CPUs */

static void *hammer(void *argument)
{
    char number = *(char *)argument, byte;
    uint64_t bus_addr;

    for (unsigned n_carried = 0; n_carried < 200000; n_carried++) {
        while (map(&byte, 1, VST_DMA_FROM_DEVICE, &bus_addr) != VST_OK)
            sched_yield(); /* without an end if room got lost: the test hangs */
        *(volatile char *)(uintptr_t)bus_addr = number;
        unmap(&byte, 1, VST_DMA_FROM_DEVICE, bus_addr);
        if (byte != number)
            return NULL;
    }
    return argument;
}

/** No room is given out twice, and none gets lost: four, and two granules. */
static void test_several_threads(void **state)
{
    pthread_t threads[4];
    char numbers[4] = {1, 2, 3, 4};

    (void)state;
    start(2);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &numbers[i]), 0);
    for (unsigned i = 0; i < 4; i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, &numbers[i]);
    }
    assert_int_equal(bounce.n_wrong_unmap, 0);
    assert_true(pool_is_zero());
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds_fit_the_pool),
        cmocka_unit_test(test_sizes_that_are_no_good),
        cmocka_unit_test(test_buffer_to_be_written_by_the_device_is_shared_as_zero),
        cmocka_unit_test(test_buffer_to_be_read_by_the_device_is_padded_with_zero),
        cmocka_unit_test(test_what_the_device_wrote_is_copied_out_and_scrubbed),
        cmocka_unit_test(test_full_now_differs_from_never),
        cmocka_unit_test(test_largest_command_fits_an_empty_pool),
        cmocka_unit_test(test_mappings_never_overlap),
        cmocka_unit_test(test_unmap_of_what_is_not_mapped_changes_nothing),
        cmocka_unit_test(test_several_threads),
    };
    return cmocka_run_group_tests_name("bounce", tests, NULL, NULL);
}
