/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What submit, kick and poll cost with nothing behind them. The library is the one that ships
 * (build/x86_64/libvstor.a), not the one of the tests.
 *
 * Instructions are counted by callgrind, which counts the same on every machine and in every run;
 * the program tells it when to count. Cycles are taken by rdtsc in a run of its own, and vary. What
 * the marks themselves cost is measured by rows without driver and taken off.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>
#include <x86intrin.h>

#include "tests/bench/ring/fake_device.h"

/* A multiple of 256: the driver's watch looks at every 256th poll, and belongs to the cost. */
#define N_ROUNDS  1024u
#define MAX_BATCH 32u

static struct vst_block_request requests[MAX_BATCH];
static struct vst_block_segment segments[MAX_BATCH];
static uint64_t cycles[N_ROUNDS];

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static uint64_t clock_read(void)
{
    _mm_lfence();
    uint64_t now = __rdtsc();
    _mm_lfence();
    return now;
}

static void prepare(uint32_t batch)
{
    static char data[MAX_BATCH][4096];

    for (uint32_t i = 0; i < batch; i++) {
        segments[i] = (struct vst_block_segment){data[i], sizeof(data[i])};
        requests[i] = (struct vst_block_request){.op = VST_BLOCK_READ,
                                                 .n_segments = 1,
                                                 .segments = &segments[i],
                                                 .start_sector = 8u * i,
                                                 .n_sectors = 8};
    }
}

/** A level is a way to reach the ring; both parts run between two marks. */
struct level {
    const char *name;
    int (*put)(struct vst_block_queue *queue, uint32_t batch);
    size_t (*take)(struct vst_block_queue *queue, struct vst_block_request **done, uint32_t batch);
};

static int put_nothing(struct vst_block_queue *queue, uint32_t batch)
{
    (void)queue;
    (void)batch;
    return 0;
}

static size_t take_nothing(struct vst_block_queue *queue, struct vst_block_request **done,
                           uint32_t batch)
{
    (void)queue;
    (void)done;
    return batch;
}

static int put_by_driver(struct vst_block_queue *queue, uint32_t batch)
{
    const struct vst_block_driver *driver = queue->driver;
    int bad = 0;

    for (uint32_t i = 0; i < batch; i++)
        bad |= driver->submit(queue, &requests[i]);
    driver->kick(queue);
    return bad;
}

static size_t take_by_driver(struct vst_block_queue *queue, struct vst_block_request **done,
                             uint32_t batch)
{
    return queue->driver->poll(queue, done, batch);
}

static int put_by_block(struct vst_block_queue *queue, uint32_t batch)
{
    int bad = 0;

    for (uint32_t i = 0; i < batch; i++)
        bad |= vst_block_submit(queue, &requests[i]);
    vst_block_kick(queue);
    return bad;
}

static size_t take_by_block(struct vst_block_queue *queue, struct vst_block_request **done,
                            uint32_t batch)
{
    return vst_block_poll(queue, done, batch);
}

static const struct level levels[] = {
    {"none", put_nothing, take_nothing},
    {"driver", put_by_driver, take_by_driver},
    {"block", put_by_block, take_by_block},
};

/** One batch: the device's part lies outside the marks. Returns cycles inside them. */
static uint64_t one_round(const struct level *level, struct vst_block_queue *queue, uint32_t batch)
{
    struct vst_block_request *done[MAX_BATCH];

    uint64_t start = clock_read();
    CALLGRIND_TOGGLE_COLLECT;
    int bad = level->put(queue, batch);
    CALLGRIND_TOGGLE_COLLECT;
    uint64_t spent = clock_read() - start;

    bool rung = fake_device_was_rung();
    fake_device_run();
    start = clock_read();
    CALLGRIND_TOGGLE_COLLECT;
    size_t n = level->take(queue, done, batch);
    CALLGRIND_TOGGLE_COLLECT;
    spent += clock_read() - start;

    if (bad != 0 || n != batch || rung != (level != &levels[0])) {
        fprintf(stderr, "%s: bad %d, %zu of %u back, rung %d\n", level->name, bad, n, batch, rung);
        exit(1);
    }
    return spent;
}

static void measure(const struct level *level, struct vst_block_queue *queue, const char *shape,
                    uint32_t batch)
{
    char name[64];

    prepare(batch);
    fake_device_was_rung();            /* attach rang */
    for (uint32_t i = 0; i < 256; i++) /* slots are prepared, caches warm */
        one_round(level, queue, batch);
    CALLGRIND_ZERO_STATS;
    for (uint32_t i = 0; i < N_ROUNDS; i++)
        cycles[i] = one_round(level, queue, batch);
    snprintf(name, sizeof(name), "%s %s %s %u", level->name, queue->device->ring_name, shape,
             batch);
    CALLGRIND_DUMP_STATS_AT(name);
    qsort(cycles, N_ROUNDS, sizeof(cycles[0]), by_value);
    printf("%s %u %lu\n", name, N_ROUNDS, cycles[N_ROUNDS / 2]);
}

static uint64_t feature(const char *name)
{
    return (uint64_t)1 << vst_virtio_feature_bit(name);
}

/** A ring that this library does not take prints nothing. */
static void measure_ring(const char *ring, const char *shape, const char *refused)
{
    struct vst_virtio_blk_config config = {0};
    struct vst_block_device *device;

    if (refused != NULL)
        config.refused_features = feature(refused);
    if (strcmp(ring, "packed") != 0)
        config.refused_features |= feature("RING_PACKED");
    fake_device_start();
    if (vst_virtio_blk_attach(&fake_platform, &fake_function, &config, &device) != VST_OK)
        exit(1);
    if (strcmp(device->ring_name, ring) == 0)
        for (size_t level = 0; level < VST_ARRAY_LENGTH(levels); level++)
            for (uint32_t batch = 1; batch <= MAX_BATCH; batch = batch == 1 ? 8 : batch * 4)
                measure(&levels[level], device->queues[0], shape, batch);
    vst_virtio_blk_detach(device);
}

int main(void)
{
    measure_ring("split", "indirect", NULL);
    measure_ring("split", "chain", "INDIRECT_DESC");
    measure_ring("packed", "indirect", NULL);
    measure_ring("packed", "chain", "INDIRECT_DESC");
    return 0;
}
