/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Four CPUs, each with a queue of its own, on a device that falls silent again and again: each time
 * one of them finds out, all let go of their rings, somebody resets the device, each replays. Run
 * under ThreadSanitizer, for which all that may not be touched by two CPUs at once is plain memory.
 *
 * The device works in the thread that rings, on that thread's queue alone and without a lock, so
 * that nothing but the driver's own doing puts the threads' accesses in order. All other registers
 * are behind a mutex.
 */
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "drivers/virtio_blk.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/fake_virtio_blk.h"

#define N_CPUS        4u
#define DEPTH         8u
#define QUEUE_SIZE    32u
#define CPU_SECTORS   256u /* of the disk, for each CPU */
#define N_RESETS      40u
#define N_ROUNDS      2000u
#define RINGS_HEALTHY 97u /* doorbells until the device falls silent once more */
#define NOTIFY_AT     0x1000u

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static struct fake_platform fake;
static struct fake_virtio_blk blk;
static struct vst_block_device *device;
static pthread_mutex_t registers = PTHREAD_MUTEX_INITIALIZER;
static bool silent;              /* atomic */
static unsigned n_rings;         /* atomic */
static unsigned n_device_resets; /* atomic */

/* ---------------------------------------------------------------- the device */

/** The device's place in each ring; touched by the ring's thread, and by who resets the device. */
static struct place {
    uint16_t last_avail, used_idx;
} places[N_CPUS];

static uint64_t get(uint64_t at, size_t bytes)
{
    uint64_t value = 0;

    memcpy(&value, (void *)(uintptr_t)at, bytes);
    return value;
}

/** An indirect chain of head, data, status in a split ring. */
static void serve(uint64_t table)
{
    uint64_t head = get(table, 8), data = get(table + 16, 8), status = get(table + 32, 8);
    uint64_t bytes = get(table + 24, 4), at = get(head + 8, 8) * 512;

    CHECK(at + bytes <= blk.disk_sectors * 512);
    if (get(head, 4) == 0)
        memcpy((void *)(uintptr_t)data, blk.disk + at, bytes);
    else
        memcpy(blk.disk + at, (void *)(uintptr_t)data, bytes);
    *(uint8_t *)(uintptr_t)status = 0;
}

static void work(unsigned number)
{
    const struct fake_blk_queue *q = &blk.queues[number];
    struct place *place = &places[number];

    while (place->last_avail != (uint16_t)get(q->avail + 2, 2)) {
        uint32_t id = (uint32_t)get(q->avail + 4 + 2ull * (place->last_avail++ % QUEUE_SIZE), 2);
        serve(get(q->desc + 16ull * id, 8));
        memcpy((void *)(uintptr_t)(q->used + 4 + 8ull * (place->used_idx % QUEUE_SIZE)), &id, 4);
        place->used_idx++;
        memcpy((void *)(uintptr_t)(q->used + 2), &place->used_idx, 2);
    }
}

static void ring(uint32_t number)
{
    CHECK(number < N_CPUS);
    if (__atomic_add_fetch(&n_rings, 1, __ATOMIC_RELAXED) % RINGS_HEALTHY == 0)
        __atomic_store_n(&silent, true, __ATOMIC_RELAXED);
    if (!__atomic_load_n(&silent, __ATOMIC_RELAXED))
        work(number);
}

static uint32_t read_register(void *ctx, uint64_t offset, uint8_t width_bytes)
{
    pthread_mutex_lock(&registers);
    uint32_t value = fake_virtio_blk_bar_read(ctx, offset, width_bytes);
    pthread_mutex_unlock(&registers);
    return value;
}

static void write_register(void *ctx, uint64_t offset, uint8_t width_bytes, uint32_t value)
{
    if (offset >= NOTIFY_AT && offset < NOTIFY_AT + 0x1000 && device != NULL) {
        ring(value);
        return;
    }
    pthread_mutex_lock(&registers);
    if (offset == 0x14 && value == 0) {
        memset(places, 0, sizeof(places));
        __atomic_store_n(&silent, false, __ATOMIC_RELAXED);
        __atomic_add_fetch(&n_device_resets, 1, __ATOMIC_RELAXED);
    }
    fake_virtio_blk_bar_write(ctx, offset, width_bytes, value);
    pthread_mutex_unlock(&registers);
}

/* ---------------------------------------------------------------- the platform */

static uint64_t real_time(void *ctx)
{
    struct timespec now;

    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void yield(void *ctx)
{
    (void)ctx;
    sched_yield();
}

static void log_nothing(void *ctx, enum vst_log_level level, const char *text)
{
    (void)ctx;
    (void)level;
    (void)text;
}

/* ---------------------------------------------------------------- a CPU */

struct io {
    struct vst_block_request request;
    struct vst_block_segment segment;
    uint8_t data[1024];
    uint8_t value; /* that the place holds, or is to hold */
};

struct cpu {
    pthread_t thread;
    struct vst_block_queue *queue;
    struct io ios[DEPTH];
    unsigned n_in_flight;
    uint64_t first_sector;
};

/** Each of the CPU's requests has a place of its own on the disk, filled with one value. */
static void submit(struct cpu *cpu, unsigned i, bool write)
{
    struct io *io = &cpu->ios[i];

    io->value = (uint8_t)(io->value + write);
    memset(io->data, write ? io->value : 0xee, sizeof(io->data));
    io->segment = (struct vst_block_segment){io->data, sizeof(io->data)};
    io->request = (struct vst_block_request){.op = write ? VST_BLOCK_WRITE : VST_BLOCK_READ,
                                             .n_segments = 1,
                                             .segments = &io->segment,
                                             .start_sector = cpu->first_sector + 2 * i,
                                             .n_sectors = 2};
    enum vst_status status;
    while ((status = vst_block_submit(cpu->queue, &io->request)) == VST_ERR_FULL) {
        struct vst_block_request *none;
        CHECK(cpu->n_in_flight > 0 || vst_block_poll(cpu->queue, &none, 1) == 0);
        if (cpu->n_in_flight > 0)
            return; /* while the device is being reset: another time */
    }
    CHECK(status == VST_OK);
    cpu->n_in_flight++;
}

static void take_back(struct cpu *cpu)
{
    struct vst_block_request *done[DEPTH];
    size_t n = vst_block_poll(cpu->queue, done, DEPTH);

    for (size_t k = 0; k < n; k++) {
        const struct io *io = VST_CONTAINER_OF(done[k], struct io, request);
        CHECK(done[k]->status == VST_OK);
        for (size_t b = 0; b < sizeof(io->data); b++)
            CHECK(io->data[b] == io->value);
        cpu->n_in_flight--;
    }
    if (n == 0)
        sched_yield();
}

static void *run(void *argument)
{
    struct cpu *cpu = argument;

    for (unsigned round = 0;
         round < N_ROUNDS || __atomic_load_n(&n_device_resets, __ATOMIC_RELAXED) < N_RESETS;
         round++) {
        for (unsigned i = 0; i < DEPTH; i++)
            submit(cpu, i, (round + i) % 2 == 0);
        vst_block_kick(cpu->queue);
        while (cpu->n_in_flight > 0)
            take_back(cpu);
        if (round % 3 == 0) /* the others must then do without this CPU */
            vst_block_rest(cpu->queue);
    }
    vst_block_rest(cpu->queue);
    return NULL;
}

int main(void)
{
    static struct cpu cpus[N_CPUS];
    static const struct fake_mmio_ops ops = {read_register, write_register};

    fake_platform_init(&fake, false);
    fake_virtio_blk_init(&blk, &fake, N_CPUS * CPU_SECTORS);
    fake_virtio_blk_offer_queues(&blk, N_CPUS, QUEUE_SIZE);
    blk.offered_features &= ~VIRTIO_BIT(VIRTIO_F_EVENT_IDX);
    fake_machine_reset();
    fake_mmio_register(blk.bar, FAKE_BLK_BAR_BYTES, &ops, &blk);
    const struct vst_virtio_blk_config config = {.timeout_ns = 20000000, .n_queues = N_CPUS};
    CHECK(vst_virtio_blk_attach(&fake.platform, &blk.function, &config, &device) == VST_OK);
    fake.platform.time_ns = real_time;
    fake.platform.relax = yield;
    fake.platform.log = log_nothing;
    /* The first queue's ring has carried GET_ID. */
    places[0] = (struct place){1, 1};
    for (unsigned i = 0; i < N_CPUS; i++) {
        cpus[i].queue = device->queues[i];
        cpus[i].first_sector = i * CPU_SECTORS;
        CHECK(pthread_create(&cpus[i].thread, NULL, run, &cpus[i]) == 0);
    }
    uint64_t n_replays = 0;
    for (unsigned i = 0; i < N_CPUS; i++) {
        CHECK(pthread_join(cpus[i].thread, NULL) == 0);
        n_replays += device->queues[i]->stats.replays;
    }
    CHECK(!device->broken && !blk.saw_misuse);
    printf("  THREADS  %u CPUs, %u resets of the device, %lu requests replayed\n", N_CPUS,
           n_device_resets, (unsigned long)n_replays);
    vst_virtio_blk_detach(device);
    device = NULL;
    CHECK(fake.n_allocated == 0);
    fake_virtio_blk_destroy(&blk);
    return 0;
}
