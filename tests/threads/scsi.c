/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Four CPUs, each with a queue of its own, on an adapter with two disks, one of which falls silent
 * again and again: it is brought back by aborts, by a LUN reset, or by a reset of the adapter, while
 * functions are asked for and the adapter is reset for no reason. The other disk's requests all end
 * well. Run under ThreadSanitizer: what may not be touched by two CPUs at once is plain memory.
 *
 * The adapter works in the thread that rings, on that thread's queue alone and without a lock; what a
 * reset gives back of other queues their own threads give back (turn). The control queue is worked on
 * by whoever rings it, which the driver's lock puts in order. All other registers are behind a mutex.
 */
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "drivers/virtio_scsi.h"
#include "scsi/disk.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/fake_virtio_scsi.h"

#define N_CPUS        4u
#define DEPTH         8u /* requests of a CPU, half of them to each disk */
#define QUEUE_SIZE    64u
#define N_EPISODES    12u
#define N_ROUNDS      600u
#define RINGS_HEALTHY 499u /* doorbells until the first disk falls silent once more */
#define NOTIFY_AT     0x1000u
#define REQUEST       2u
#define MS            1000000ull

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/** What brings the silent disk back; each in its turn. */
enum cure { BY_ABORT, BY_LUN_RESET, BY_ADAPTER_RESET, N_CURES };

static struct fake_platform fake;
static struct fake_virtio_scsi scsi;
static struct vst_scsi_hba *hba;
static struct vst_block_device *disks[2];
static pthread_mutex_t registers = PTHREAD_MUTEX_INITIALIZER;
static bool live; /* the doorbells are ours */
/* atomic */
static bool silent;
static unsigned n_rings, n_episodes, n_aborts, n_lun_resets, n_adapter_resets;

/* ---------------------------------------------------------------- the adapter */

struct held {
    uint32_t id;
    uint64_t response, tag;
};

/** The device's side of a ring; touched by the ring's thread, and by who resets the device. */
static struct side {
    const struct fake_blk_queue *ring;
    uint16_t last_avail, used_idx;
    struct held held[QUEUE_SIZE];
    unsigned n_held;
    bool give_back; /* atomic: the disk was reset */
} sides[REQUEST + N_CPUS];

static uint64_t get(uint64_t at, size_t bytes)
{
    uint64_t value = 0;

    memcpy(&value, (void *)(uintptr_t)at, bytes);
    return value;
}

static void answer(struct side *side, uint32_t id)
{
    uint64_t used = side->ring->used;

    memcpy((void *)(uintptr_t)(used + 4 + 8ull * (side->used_idx % side->ring->size)), &id, 4);
    side->used_idx++;
    memcpy((void *)(uintptr_t)(used + 2), &side->used_idx, 2);
}

static void respond(struct side *side, uint32_t id, uint64_t response, uint8_t code)
{
    memset((void *)(uintptr_t)response, 0, 12);
    *(uint8_t *)(uintptr_t)(response + 11) = code;
    answer(side, id);
}

static void end_held(struct side *side, unsigned i, uint8_t code)
{
    struct held held = side->held[i];

    side->held[i] = side->held[--side->n_held];
    respond(side, held.id, held.response, code);
}

/** READ (10), WRITE (10): one piece of data. */
static void transfer(struct fake_unit *unit, const uint8_t *cdb, uint64_t data, uint32_t bytes)
{
    uint64_t at = ((uint64_t)cdb[4] << 8 | cdb[5]) * 512;

    CHECK(at + bytes <= FAKE_UNIT_SECTORS * 512);
    if (cdb[0] == 0x28)
        memcpy((void *)(uintptr_t)data, unit->data + at, bytes);
    else
        memcpy(unit->data + at, (void *)(uintptr_t)data, bytes);
}

/** An indirect chain of request, data to it, response, data from it. */
static void serve(struct side *side, uint32_t id, uint64_t table, uint32_t n)
{
    uint64_t request = get(table, 8), response = 0, data = 0;
    uint32_t data_bytes = 0;
    uint8_t target = (uint8_t)get(request + 1, 1);
    const uint8_t *cdb = (const uint8_t *)(uintptr_t)(request + 19);

    for (uint32_t i = 1; i < n; i++) {
        uint64_t at = get(table + 16ull * i, 8);
        uint32_t bytes = (uint32_t)get(table + 16ull * i + 8, 4);
        if (bytes == 12 + 96)
            response = at;
        else {
            data = at;
            data_bytes = bytes;
        }
    }
    CHECK(response != 0 && target < 2);
    if (target == 0 && __atomic_load_n(&silent, __ATOMIC_ACQUIRE)) {
        CHECK(side->n_held < QUEUE_SIZE);
        side->held[side->n_held++] = (struct held){id, response, get(request + 8, 8)};
        return;
    }
    if (data_bytes > 0)
        transfer(&scsi.units[target], cdb, data, data_bytes);
    respond(side, id, response, 0);
}

static enum cure cure_now(void)
{
    return (enum cure)(__atomic_load_n(&n_episodes, __ATOMIC_RELAXED) % N_CURES);
}

static void wake_up(void)
{
    if (__atomic_exchange_n(&silent, false, __ATOMIC_ACQ_REL))
        __atomic_add_fetch(&n_episodes, 1, __ATOMIC_RELAXED);
}

static void reset_lun(void)
{
    wake_up();
    for (unsigned i = REQUEST; i < VST_ARRAY_LENGTH(sides); i++)
        __atomic_store_n(&sides[i].give_back, true, __ATOMIC_RELEASE);
    __atomic_add_fetch(&n_lun_resets, 1, __ATOMIC_RELAXED);
}

/** The tag names the queue, whose thread rings. */
static void abort_task(uint64_t tag)
{
    struct side *side = &sides[REQUEST + (tag >> 16 & 0xffff)];

    for (unsigned i = 0; i < side->n_held; i++)
        if (side->held[i].tag == tag) {
            wake_up();
            end_held(side, i, 2);
            __atomic_add_fetch(&n_aborts, 1, __ATOMIC_RELAXED);
            return;
        }
}

static uint8_t do_function(uint64_t request)
{
    bool still = __atomic_load_n(&silent, __ATOMIC_ACQUIRE);

    switch (get(request + 4, 4)) {
    case 0:
        if (still && cure_now() != BY_ABORT)
            return 11;
        abort_task(get(request + 16, 8));
        return 0;
    case 5:
        if (still && cure_now() != BY_LUN_RESET)
            return 11;
        reset_lun();
        return 0;
    case 7:
        return 0;
    default:
        return 11;
    }
}

static void work(unsigned number)
{
    struct side *side = &sides[number];
    const struct fake_blk_queue *q = side->ring;

    while (side->last_avail != (uint16_t)get(q->avail + 2, 2)) {
        uint32_t id = (uint32_t)get(q->avail + 4 + 2ull * (side->last_avail++ % q->size), 2);
        uint64_t table = get(q->desc + 16ull * id, 8);
        uint32_t n = (uint32_t)get(q->desc + 16ull * id + 8, 4) / 16;
        if (number == 0) {
            *(uint8_t *)(uintptr_t)get(table + 16, 8) = do_function(get(table, 8));
            answer(side, id);
        } else {
            serve(side, id, table, n);
        }
    }
}

/** What a reset of the disk has ended of this thread's queue. */
static void turn(unsigned cpu)
{
    struct side *side = &sides[REQUEST + cpu];

    if (!__atomic_exchange_n(&side->give_back, false, __ATOMIC_ACQUIRE))
        return;
    while (side->n_held > 0)
        end_held(side, 0, 4);
}

/** Not while it is being brought back: that would be silence of another kind. */
static bool is_well(void)
{
    return scsi_recovery_health(&VST_CONTAINER_OF(disks[0], struct disk, base)->recovery) ==
           SCSI_UNIT_WELL;
}

static void ring(uint32_t number)
{
    if (number == 1) /* there are no events */
        return;
    CHECK(number < VST_ARRAY_LENGTH(sides));
    if (number >= REQUEST &&
        __atomic_add_fetch(&n_rings, 1, __ATOMIC_RELAXED) % RINGS_HEALTHY == 0 && is_well())
        __atomic_store_n(&silent, true, __ATOMIC_RELEASE);
    work(number);
}

static uint32_t read_register(void *ctx, uint64_t offset, uint8_t width_bytes)
{
    pthread_mutex_lock(&registers);
    uint32_t value = fake_virtio_blk_bar_read(ctx, offset, width_bytes);
    pthread_mutex_unlock(&registers);
    return value;
}

static void forget_all(void)
{
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(sides); i++) {
        sides[i].last_avail = sides[i].used_idx = 0;
        sides[i].n_held = 0;
        __atomic_store_n(&sides[i].give_back, false, __ATOMIC_RELAXED);
    }
    wake_up();
    __atomic_add_fetch(&n_adapter_resets, 1, __ATOMIC_RELAXED);
}

static void write_register(void *ctx, uint64_t offset, uint8_t width_bytes, uint32_t value)
{
    if (offset >= NOTIFY_AT && offset < NOTIFY_AT + 0x1000 && live) {
        ring(value);
        return;
    }
    pthread_mutex_lock(&registers);
    if (offset == 0x14 && value == 0)
        forget_all();
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
    uint8_t data[512];
    uint8_t value; /* that the place holds, or is to hold */
    bool out;
};

struct cpu {
    pthread_t thread;
    unsigned number;
    struct vst_block_queue *queues[2];
    struct io ios[DEPTH];
    struct vst_scsi_function function;
    bool function_out;
    unsigned n_seen; /* episodes */
};

/** Each of the CPU's requests has a place of its own, filled with one value; odd ones go to the
 * second disk. False: not now. */
static bool submit(struct cpu *cpu, unsigned i, bool write)
{
    struct io *io = &cpu->ios[i];
    uint8_t value = (uint8_t)(io->value + write);

    memset(io->data, write ? value : 0xee, sizeof(io->data));
    io->segment = (struct vst_block_segment){io->data, sizeof(io->data)};
    io->request = (struct vst_block_request){.op = write ? VST_BLOCK_WRITE : VST_BLOCK_READ,
                                             .n_segments = 1,
                                             .segments = &io->segment,
                                             .start_sector = cpu->number * DEPTH + i,
                                             .n_sectors = 1};
    enum vst_status status = vst_block_submit(cpu->queues[i % 2], &io->request);
    CHECK(status == VST_OK || status == VST_ERR_FULL);
    if (status != VST_OK)
        return false;
    io->value = value;
    io->out = true;
    return true;
}

static void take_back(struct cpu *cpu)
{
    struct vst_block_request *done[DEPTH];
    size_t n = 0;

    turn(cpu->number);
    for (unsigned d = 0; d < 2; d++) {
        size_t of_disk = vst_block_poll(cpu->queues[d], done + n, DEPTH - n);
        n += of_disk;
    }
    for (size_t k = 0; k < n; k++) {
        struct io *io = VST_CONTAINER_OF(done[k], struct io, request);
        CHECK(io->out && done[k]->status == VST_OK);
        for (size_t b = 0; b < sizeof(io->data); b++)
            CHECK(io->data[b] == io->value);
        io->out = false;
    }
    if (n == 0)
        sched_yield();
}

static bool any_out(const struct cpu *cpu, unsigned disk)
{
    for (unsigned i = disk; i < DEPTH; i += 2)
        if (cpu->ios[i].out)
            return true;
    return false;
}

/** Somebody asks for functions all the time, and somebody for resets that nothing calls for. */
static void interfere(struct cpu *cpu)
{
    if (cpu->number == 1 && cpu->function_out && vst_scsi_function_ended(&cpu->function))
        cpu->function_out = false;
    if (cpu->number == 1 && !cpu->function_out) {
        cpu->function = (struct vst_scsi_function){
            .kind = VST_SCSI_QUERY_TASK_SET,
            .nexus = ((struct vst_scsi_block_queue *)cpu->queues[0])->nexus};
        cpu->function_out = hba->ops->manage(hba, &cpu->function) == VST_OK;
    }
    /* Seldom: six in a row are more than a request bears. */
    unsigned n = __atomic_load_n(&n_episodes, __ATOMIC_RELAXED);
    if (cpu->number == 2 && n != cpu->n_seen && n % 4 == 1)
        hba->ops->reset(hba->queues[cpu->number], "for no reason");
    cpu->n_seen = n;
}

static void *run(void *argument)
{
    struct cpu *cpu = argument;

    for (unsigned round = 0;
         round < N_ROUNDS || __atomic_load_n(&n_episodes, __ATOMIC_RELAXED) < N_EPISODES; round++) {
        for (unsigned i = 0; i < DEPTH; i++)
            if (!cpu->ios[i].out)
                (void)submit(cpu, i, (round + i) % 2 == 0);
        for (unsigned d = 0; d < 2; d++)
            vst_block_kick(cpu->queues[d]);
        /* The second disk's requests end, whatever the first one does. */
        do
            take_back(cpu);
        while (any_out(cpu, 1));
        interfere(cpu);
        if (round % 3 == 0 && !any_out(cpu, 0)) /* the others must then do without this CPU */
            vst_block_rest(cpu->queues[0]);
    }
    while (any_out(cpu, 0) || any_out(cpu, 1) || cpu->function_out) {
        take_back(cpu);
        hba->ops->look(hba);
        cpu->function_out &= !vst_scsi_function_ended(&cpu->function);
    }
    for (unsigned d = 0; d < 2; d++)
        vst_block_rest(cpu->queues[d]);
    return NULL;
}

/* ---------------------------------------------------------------- all of it */

static void attach(void)
{
    static const struct fake_mmio_ops ops = {read_register, write_register};
    const struct vst_virtio_scsi_config config = {.timeout_ns = 30 * MS, .n_queues = N_CPUS};
    const struct vst_scsi_lun zero = {.n_levels = 1};

    fake_platform_init(&fake, false);
    fake_virtio_scsi_init(&scsi, &fake);
    fake_virtio_scsi_offer_queues(&scsi, N_CPUS, QUEUE_SIZE);
    scsi.device.offered_features &= ~VIRTIO_BIT(VIRTIO_F_EVENT_IDX);
    for (uint8_t i = 0; i < 2; i++)
        fake_virtio_scsi_add(&scsi, i, 0);
    fake_machine_reset();
    fake_mmio_register(scsi.device.bar, FAKE_BLK_BAR_BYTES, &ops, &scsi.device);
    CHECK(vst_virtio_scsi_attach(&fake.platform, &scsi.device.function, &config, &hba) == VST_OK);
    for (uint8_t i = 0; i < 2; i++)
        CHECK(vst_scsi_disk_attach(hba, i, &zero, &disks[i]) == VST_OK);
}

/** From here on we are the adapter, where the fake has left off. */
static void take_over(void)
{
    struct scsi_recovery *r = &VST_CONTAINER_OF(disks[0], struct disk, base)->recovery;

    for (unsigned i = 0; i < VST_ARRAY_LENGTH(sides); i++) {
        const struct fake_blk_queue *q = &scsi.device.queues[i];
        sides[i] = (struct side){.ring = q, .last_avail = q->last_avail, .used_idx = q->used_idx};
    }
    fake.platform.time_ns = real_time;
    fake.platform.relax = yield;
    fake.platform.log = log_nothing;
    /* A loaded machine is no reason to go further than is needed, nor is what mended it before. */
    for (unsigned step = SCSI_STEP_ABORT_TASK; step < SCSI_STEP_GIVEN_UP; step++)
        r->times.step_ms[step] = 30000;
    r->times.check_ms = 30000;
    r->times.relapse_ms = 0;
    live = true;
}

int main(void)
{
    static struct cpu cpus[N_CPUS];

    attach();
    take_over();
    for (unsigned i = 0; i < N_CPUS; i++) {
        cpus[i].number = i;
        for (unsigned d = 0; d < 2; d++)
            cpus[i].queues[d] = disks[d]->queues[i];
        for (unsigned k = 0; k < DEPTH; k++) /* what the place holds is not one value yet */
            memset(scsi.units[k % 2].data + 512ull * (i * DEPTH + k), 0, 512);
        CHECK(pthread_create(&cpus[i].thread, NULL, run, &cpus[i]) == 0);
    }
    for (unsigned i = 0; i < N_CPUS; i++)
        CHECK(pthread_join(cpus[i].thread, NULL) == 0);
    CHECK(!disks[0]->broken && !disks[1]->broken && !hba->broken && !scsi.device.saw_misuse);
    CHECK(n_aborts > 0 && n_lun_resets > 0 && n_adapter_resets > 0);
    printf("  THREADS  %u CPUs, %u silences: %u aborts, %u LUN resets, %u adapter resets\n", N_CPUS,
           n_episodes, n_aborts, n_lun_resets, n_adapter_resets);
    for (unsigned d = 0; d < 2; d++)
        vst_scsi_disk_detach(disks[d]);
    vst_virtio_scsi_detach(hba);
    live = false;
    CHECK(fake.n_allocated == 0);
    fake_virtio_scsi_destroy(&scsi);
    return 0;
}
