/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A benchmark in fio's words. What it costs itself is counted against the driver, so all that can
 * be done before and after is: in the measured part an I/O touches its start sector, its time stamp
 * and one bucket of the histogram; the clock is read and the doorbell rung once per batch of
 * completions.
 */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "console.h"
#include "histogram.h"
#include "marks.h"
#include "pattern.h"
#include "size.h"

#define NS_PER_S            1000000000u
#define DEFAULT_BLOCK_BYTES 4096u
#define DEFAULT_DEPTH       32u
#define DEFAULT_RUNTIME_S   2u
#define MAX_RUNTIME_S       86400u
#define MAX_BLOCK_BYTES     (64u << 20)
#define WARM_UP_IOS         1000u
#define BUFFER_ALIGN        4096u
#define LOOKS_PER_SECOND    10u
#define LOOKS_PER_POLL      1024u
#define MAX_RESET_S         10u
#define RANDOM_MULTIPLIER   6364136223846793005u /* 5 modulo 8: odd states come round after 2^62 */

struct slot {
    struct vst_block_request request; /* first, so that what poll returns leads back here */
    uint64_t issued_ticks;
    struct vst_block_segment segment;
};

/* Where I/Os go. */
struct area {
    uint64_t first_sector, block_sectors, n_blocks;
};

/* What the measured part did, and when. */
struct result {
    uint64_t n_ios, n_writes, n_errors, kicks, interrupts, interrupts_elsewhere;
    uint64_t start_ns, end_ns, start_ticks, end_ticks;
    uint64_t ns, ticks; /* from the start of the first job to the end of the last */
};

/* One job: on a CPU and a queue of its own. */
struct bench {
    const struct shell_context *context;
    const struct shell_host *host;
    const struct vst_platform *platform;
    struct vst_block_queue *queue;
    unsigned number;
    bool sleeps; /* waits for interrupts */
    bool *stop;  /* shared by all jobs, atomic: somebody pressed Ctrl-C */
    struct job job;
    struct result result;
    struct area area;
    uint64_t place; /* sequential: the next block; random: the generator's state, which is odd */
    struct slot *slots;
    struct vst_block_request **done;
    struct slot **idle; /* slots that are not in flight */
    size_t n_idle;
    void *memory;
    /* of one window */
    uint64_t end_ticks, look_ticks;
    bool interrupted;
    enum vst_status status; /* of a submit that was refused: nothing more is issued */
    uint64_t refused_bytes;
    uint64_t n_writes;   /* of a mixed job */
    uint64_t read_share; /* of a mixed job, out of 2^32 */
    uint64_t n_errors, first_error_bytes;
    enum vst_status first_error;
    /*
     * Its sum: the time at which a slot becomes idle is added, that at which it stops being so is
     * taken off. In between, one I/O ends when the next begins: that adds and takes off the same.
     */
    struct histogram histogram;
};

static inline uint64_t now_ticks(const struct bench *bench)
{
    return bench->host->ticks(bench->host->ctx);
}

/* ---------------------------------------------------------------- the measured part */

static inline __attribute__((always_inline)) uint64_t next_sector(const struct area *area,
                                                                  uint64_t *place, bool random)
{
    uint64_t block = *place;

    if (random) {
        /* The high half of the product is evenly spread below n_blocks, without a division. */
        *place = block * RANDOM_MULTIPLIER;
        block = (uint64_t)((unsigned __int128)*place * area->n_blocks >> 64);
    } else if (++*place == area->n_blocks) {
        *place = 0;
    }
    return area->first_sector + block * area->block_sectors;
}

/* How the I/Os of a job follow each other. */
enum order { SEQUENTIAL, RANDOM, RANDOM_MIXED };

static inline __attribute__((always_inline)) enum vst_status
issue(struct bench *bench, struct slot *slot, uint64_t *place, enum order order, uint64_t now)
{
    slot->request.start_sector = next_sector(&bench->area, place, order != SEQUENTIAL);
    if (order == RANDOM_MIXED) /* the place is made of the upper bits: these are others */
        slot->request.op =
            (uint32_t)(*place >> 8) < bench->read_share ? VST_BLOCK_READ : VST_BLOCK_WRITE;
    slot->issued_ticks = now;
    return vst_block_submit(bench->queue, &slot->request);
}

static __attribute__((noinline)) void note_error(struct bench *bench, const struct slot *slot)
{
    if (bench->n_errors++ > 0)
        return;
    bench->first_error = slot->request.status;
    bench->first_error_bytes = slot->request.error_sector * VST_SECTOR_BYTES;
}

/* What an I/O took and how it ended. */
static inline __attribute__((always_inline)) void book(struct bench *bench, const struct slot *slot,
                                                       uint64_t now, enum order order)
{
    if (VST_UNLIKELY(slot->request.status != VST_OK))
        note_error(bench, slot);
    if (order == RANDOM_MIXED)
        bench->n_writes += slot->request.op == VST_BLOCK_WRITE;
    histogram_count(&bench->histogram, now - slot->issued_ticks);
}

static void make_idle(struct bench *bench, struct slot *slot, uint64_t now)
{
    bench->idle[bench->n_idle++] = slot;
    bench->histogram.sum += now;
}

/* A full queue is tried again when something has ended; whatever else refuses a request ends the
 * run (false). */
static __attribute__((noinline)) bool note_refusal(struct bench *bench, struct slot *slot,
                                                   enum vst_status status, uint64_t now)
{
    make_idle(bench, slot, now);
    if (status == VST_ERR_FULL)
        return true;
    if (bench->status == VST_OK) {
        bench->status = status;
        bench->refused_bytes = slot->request.start_sector * VST_SECTOR_BYTES;
    }
    return false;
}

/*
 * Waits until something has ended. Looking is waiting and counted apart, and so is the poll that
 * takes nothing, tried now and then because it alone notices time-outs; the poll that takes what was
 * found is work.
 */
static inline __attribute__((always_inline)) size_t wait_looking(struct bench *bench)
{
    const struct vst_platform *platform = bench->platform;
    struct vst_block_queue *queue = bench->queue;
    size_t n;

    do {
        MARK(MARK_SPIN);
        for (unsigned i = 1; !vst_block_ready(queue); i++) {
            platform->relax(platform->ctx);
            if (i % LOOKS_PER_POLL == 0)
                (void)!vst_block_poll(queue, bench->done, 0);
        }
        MARK(MARK_SPIN | MARK_END);
        n = vst_block_poll(queue, bench->done, bench->job.depth);
    } while (VST_UNLIKELY(n == 0));
    return n;
}

static bool has_come(void *queue)
{
    return vst_block_awaited(queue);
}

/*
 * The same asleep unless something has ended already: until half of what is in flight has, if the
 * ring can tell, for few interrupts.
 */
static __attribute__((noinline)) size_t wait_asleep(struct bench *bench)
{
    const struct shell_host *host = bench->host;
    struct vst_block_queue *queue = bench->queue;
    uint32_t half = (uint32_t)(bench->job.depth - bench->n_idle) / 2;
    size_t n = 0;

    if (vst_block_ready(queue)) /* a look costs less than a poll that finds nothing */
        n = vst_block_poll(queue, bench->done, bench->job.depth);
    while (n == 0) {
        if (!vst_block_arm_after(queue, half > 0 ? half : 1)) {
            MARK(MARK_SPIN);
            host->idle_unless(host->ctx, has_come, queue);
            MARK(MARK_SPIN | MARK_END);
        }
        vst_block_disarm(queue);
        n = vst_block_poll(queue, bench->done, bench->job.depth);
    }
    return n;
}

static void set_next_look(struct bench *bench, uint64_t now)
{
    bench->look_ticks = now + bench->host->ticks_per_second / LOOKS_PER_SECOND;
    if (bench->look_ticks > bench->end_ticks)
        bench->look_ticks = bench->end_ticks;
}

/* Called some ten times a second. True if the window is to end. */
static __attribute__((noinline)) bool look_around(struct bench *bench, uint64_t now)
{
    const struct shell_host *host = bench->host;

    if (bench->number == 0 && console_interrupted(host)) /* the console is the boot CPU's */
        __atomic_store_n(bench->stop, true, __ATOMIC_RELAXED);
    bench->interrupted = __atomic_load_n(bench->stop, __ATOMIC_RELAXED);
    set_next_look(bench, now);
    return bench->interrupted || now >= bench->end_ticks;
}

static enum order order_of(const struct bench *bench)
{
    if (bench->job.mixed)
        return RANDOM_MIXED;
    return bench->job.random ? RANDOM : SEQUENTIAL;
}

/*
 * With nothing in flight a queue is full only while its device is being reset, because of another
 * queue: polling helps that on.
 */
static __attribute__((noinline)) enum vst_status issue_patiently(struct bench *bench,
                                                                 struct slot *slot)
{
    uint64_t start = now_ticks(bench);
    uint64_t patience = bench->context->host->ticks_per_second * MAX_RESET_S;
    enum vst_status status = VST_ERR_FULL;

    while (status == VST_ERR_FULL && now_ticks(bench) - start < patience) {
        if (vst_block_poll(bench->queue, bench->done, bench->job.depth) > 0)
            break;
        status = issue(bench, slot, &bench->place, order_of(bench), slot->issued_ticks);
    }
    return status;
}

/* Submits idle slots: all at the start of a window, later such as found the queue full. */
static __attribute__((noinline)) uint64_t issue_idle(struct bench *bench, uint64_t now,
                                                     uint64_t remaining)
{
    while (bench->n_idle > 0 && remaining > 0) {
        struct slot *slot = bench->idle[--bench->n_idle];
        bench->histogram.sum -= now;
        enum vst_status status = issue(bench, slot, &bench->place, order_of(bench), now);
        if (status == VST_ERR_FULL && bench->n_idle + 1 == bench->job.depth)
            status = issue_patiently(bench, slot);
        if (status == VST_OK) {
            remaining--;
            continue;
        }
        return note_refusal(bench, slot, status, now) ? remaining : 0;
    }
    return remaining;
}

/* Books completions that nothing follows. */
static __attribute__((noinline)) void retire(struct bench *bench, struct vst_block_request **done,
                                             struct vst_block_request **end, uint64_t now)
{
    for (; done != end; done++) {
        struct slot *slot = (struct slot *)*done;
        book(bench, slot, now, order_of(bench));
        make_idle(bench, slot, now);
    }
}

/*
 * Books a batch of completions and sends the same slots elsewhere while any I/Os remain. Returns
 * how many remain then. This is the loop that the driver is charged for.
 */
static inline __attribute__((always_inline)) uint64_t turn_round(struct bench *bench, size_t n,
                                                                 uint64_t now, uint64_t remaining,
                                                                 uint64_t *place, enum order order)
{
    size_t n_again = n < remaining ? n : (size_t)remaining;
    struct vst_block_request **done = bench->done, **again = done + n_again, **end = done + n;

    remaining -= n_again;
    for (; done != again; done++) {
        struct slot *slot = (struct slot *)*done;
        book(bench, slot, now, order);
        enum vst_status status = issue(bench, slot, place, order, now);
        if (VST_LIKELY(status == VST_OK))
            continue;
        if (note_refusal(bench, (struct slot *)*done, status, now)) {
            remaining++;
        } else {
            again = done + 1;
            remaining = 0;
        }
    }
    if (VST_UNLIKELY(done != end))
        retire(bench, done, end, now);
    return remaining;
}

/* Nothing is in flight, and yet there is no room: others hold the memory that buffers are mapped
 * to. Tries until something is in flight or nothing remains. */
static __attribute__((noinline)) uint64_t wait_for_room(struct bench *bench, uint64_t remaining)
{
    const struct vst_platform *platform = bench->context->host->platform;

    while (remaining > 0 && bench->n_idle == bench->job.depth && bench->status == VST_OK) {
        uint64_t now = now_ticks(bench);
        platform->relax(platform->ctx);
        if (now >= bench->look_ticks && look_around(bench, now))
            return 0;
        remaining = issue_idle(bench, now, remaining);
    }
    vst_block_kick(bench->queue);
    return remaining;
}

/* Gives the idle slots something to do. Afterwards something is in flight, or nothing remains. */
static __attribute__((noinline)) uint64_t refill(struct bench *bench, uint64_t now,
                                                 uint64_t remaining)
{
    remaining = issue_idle(bench, now, remaining);
    return bench->n_idle == bench->job.depth ? wait_for_room(bench, remaining) : remaining;
}

/*
 * Submits and completes exactly n_ios, or as many as end_ticks allows, at constant depth. Nothing
 * is in flight before and after. Returns how many were done. Compiled once for each of the ways that
 * are measured: `order` and `sleeps` are constants there.
 */
static inline __attribute__((always_inline)) uint64_t
run_window_as(struct bench *bench, uint64_t n_ios, enum order order, bool sleeps)
{
    struct vst_block_queue *queue = bench->queue;
    uint64_t now = now_ticks(bench), depth = bench->job.depth;
    uint64_t n_done = 0, place;

    /* 1. Fill the queue. */
    for (size_t i = 0; i < depth; i++)
        bench->idle[i] = &bench->slots[depth - 1 - i];
    bench->n_idle = depth;
    uint64_t remaining = refill(bench, now, n_ios);
    place = bench->place;
    vst_block_kick(queue);
    while (bench->n_idle < depth) {
        /* 2. What has ended. */
        size_t n = sleeps ? wait_asleep(bench) : wait_looking(bench);
        uint64_t before = now;
        now = now_ticks(bench);
        if (VST_UNLIKELY(now < before)) /* a clock that was set back makes nothing faster */
            now = before;
        n_done += n;
        if (VST_UNLIKELY(now >= bench->look_ticks) && look_around(bench, now))
            remaining = 0;
        /* 3. The same slots again, elsewhere. */
        remaining = turn_round(bench, n, now, remaining, &place, order);
        if (VST_UNLIKELY(bench->n_idle > 0)) {
            bench->place = place;
            remaining = refill(bench, now, remaining);
            place = bench->place;
        }
        vst_block_kick(queue);
    }
    return n_done;
}

/* Functions of their own, so that none takes registers from another. */
static __attribute__((noinline)) uint64_t run_mixed(struct bench *bench, uint64_t n_ios)
{
    return run_window_as(bench, n_ios, RANDOM_MIXED, false);
}

static __attribute__((noinline)) uint64_t run_window(struct bench *bench, uint64_t n_ios)
{
    enum order order = order_of(bench);

    if (bench->sleeps)
        return run_window_as(bench, n_ios, order, true);
    if (order == RANDOM_MIXED)
        return run_mixed(bench, n_ios);
    return order == RANDOM ? run_window_as(bench, n_ios, RANDOM, false)
                           : run_window_as(bench, n_ios, SEQUENTIAL, false);
}

/* ---------------------------------------------------------------- before and after */

static void set_limits(struct bench *bench, uint64_t max_ns)
{
    uint64_t ticks_per_second = bench->host->ticks_per_second;
    uint64_t now = now_ticks(bench);

    bench->end_ticks = vst_add_saturated_u64(now, scale_u64(max_ns, ticks_per_second, NS_PER_S));
    set_next_look(bench, now);
}

static void warm_up(void *argument)
{
    struct bench *bench = argument;
    const struct job *job = &bench->job;
    uint64_t n = job->n_ios / 10 < WARM_UP_IOS ? job->n_ios / 10 : WARM_UP_IOS;

    if (n < 2 * job->depth)
        n = 2 * job->depth;
    set_limits(bench, job->runtime_ns / 10 < NS_PER_S ? job->runtime_ns / 10 : NS_PER_S);
    run_window(bench, n);
    vst_block_rest(bench->queue);
    memset(&bench->histogram, 0, sizeof(bench->histogram));
}

static void measure(void *argument)
{
    struct bench *bench = argument;
    const struct vst_platform *platform = bench->platform;
    struct vst_block_queue *queue = bench->queue;
    struct vst_block_stats before = queue->stats;
    uint64_t n_errors_before = bench->n_errors, n_writes_before = bench->n_writes;
    struct result result;

    set_limits(bench, bench->job.runtime_ns);
    result.start_ns = platform->time_ns(platform->ctx);
    result.start_ticks = now_ticks(bench);
    MARK(MARK_BENCH);
    result.n_ios = run_window(bench, bench->job.n_ios);
    MARK(MARK_BENCH | MARK_END);
    vst_block_rest(queue);
    result.end_ticks = now_ticks(bench);
    result.end_ns = platform->time_ns(platform->ctx);
    result.kicks = queue->stats.kicks - before.kicks;
    result.interrupts = queue->stats.interrupts - before.interrupts;
    result.interrupts_elsewhere = queue->stats.interrupts_elsewhere - before.interrupts_elsewhere;
    result.n_errors = bench->n_errors - n_errors_before;
    result.n_writes = bench->n_writes - n_writes_before;
    bench->result = result;
}

static bool allocate(struct bench *bench)
{
    const struct job *job = &bench->job;
    size_t data_bytes = (size_t)(job->depth * job->block_bytes);

    bench->slots = calloc(job->depth, sizeof(*bench->slots));
    bench->done = calloc(job->depth, sizeof(*bench->done));
    bench->idle = calloc(job->depth, sizeof(*bench->idle));
    bench->memory = malloc(data_bytes + BUFFER_ALIGN);
    if (bench->slots != NULL && bench->done != NULL && bench->idle != NULL && bench->memory != NULL)
        return true;
    return shell_fail(bench->context, VST_ERR_NO_MEMORY, "no memory: %" PRIu64 " bytes needed",
                      (uint64_t)data_bytes);
}

static void release(struct bench *bench)
{
    free(bench->memory);
    free(bench->idle);
    free(bench->done);
    free(bench->slots);
}

static void prepare(struct bench *bench)
{
    const struct job *job = &bench->job;
    uint8_t *data = bench->memory;

    data += -(uintptr_t)data % BUFFER_ALIGN;
    if (job->write)
        pattern_fill(job->seed, 0, data, (size_t)(job->depth * job->block_bytes));
    for (size_t i = 0; i < job->depth; i++) {
        struct slot *slot = &bench->slots[i];
        slot->segment.buffer = data + i * job->block_bytes;
        slot->segment.bytes = (size_t)job->block_bytes;
        slot->request.op = job->write ? VST_BLOCK_WRITE : VST_BLOCK_READ;
        slot->request.n_segments = 1;
        slot->request.segments = &slot->segment;
        slot->request.n_sectors = job->block_bytes / VST_SECTOR_BYTES;
    }
    bench->read_share = (job->read_percent << 32) / 100;
    bench->place = job->random ? 2 * (job->seed + bench->number) + 1 : 0;
    bench->area = (struct area){
        .first_sector = shell_on_device(bench->context, job->offset) / VST_SECTOR_BYTES,
        .block_sectors = job->block_bytes / VST_SECTOR_BYTES,
        .n_blocks = job->bytes / job->block_bytes,
    };
}

/* ---------------------------------------------------------------- what was asked for */

static bool parse_mix(const struct shell_context *context, struct job *job)
{
    if (!shell_option_number(context, "rwmixread=", 50, &job->read_percent))
        return false;
    if (!job->mixed && shell_option(context, "rwmixread=") != NULL)
        return shell_fail_usage(context, "rwmixread= goes with rw=randrw");
    return job->read_percent <= 100 ||
           shell_fail_usage(context, "rwmixread=%" PRIu64 " is more than 100 per cent",
                            job->read_percent);
}

static bool parse_rw(const struct shell_context *context, struct job *job)
{
    static const struct {
        const char *name;
        bool write, random, mixed;
    } modes[] = {
        {"read", false, false, false},    {"write", true, false, false},
        {"randread", false, true, false}, {"randwrite", true, true, false},
        {"randrw", true, true, true},
    };
    const char *rw = shell_option(context, "rw=");

    for (size_t i = 0; i < VST_ARRAY_LENGTH(modes); i++) {
        if (strcmp(rw != NULL ? rw : "randread", modes[i].name) != 0)
            continue;
        job->rw = modes[i].name;
        job->write = modes[i].write;
        job->random = modes[i].random;
        job->mixed = modes[i].mixed;
        return parse_mix(context, job);
    }
    return shell_fail_usage(context, "rw=%s is none of read, write, randread, randwrite, randrw",
                            rw);
}

static bool parse_shape(const struct shell_context *context, struct job *job)
{
    const struct vst_block_limits *limits = &context->device->limits;

    if (!shell_option_number(context, "bs=", DEFAULT_BLOCK_BYTES, &job->block_bytes) ||
        !shell_option_number(context, "iodepth=", DEFAULT_DEPTH, &job->depth) ||
        !shell_option_number(context, "seed=", 1, &job->seed))
        return false;
    if (job->block_bytes == 0 || job->block_bytes % limits->logical_block_bytes != 0)
        return shell_fail_usage(context,
                                "bs=%" PRIu64 " is not a multiple of the logical block of %u bytes",
                                job->block_bytes, (unsigned)limits->logical_block_bytes);
    if (job->block_bytes > MAX_BLOCK_BYTES)
        return shell_fail_usage(context, "bs=%" PRIu64 " is more than 64M", job->block_bytes);
    if (job->depth < 1 || job->depth > limits->depth)
        return shell_fail_usage(context,
                                "iodepth=%" PRIu64 " is not between 1 and the %u that %s takes",
                                job->depth, limits->depth, context->device->name);
    return true;
}

static bool parse_jobs(const struct shell_context *context, struct job *job)
{
    const struct shell_host *host = context->host;
    unsigned n_cpus = host->n_cpus > 0 ? host->n_cpus : 1;

    if (!shell_option_number(context, "numjobs=", 1, &job->n_jobs))
        return false;
    if (job->n_jobs == 0)
        return shell_fail_usage(context, "numjobs=0 leaves nothing to do");
    if (job->n_jobs > context->device->n_queues)
        return shell_fail_usage(context,
                                "numjobs=%" PRIu64
                                ", but %s has %u queue%s, and each job needs its "
                                "own (vstor.queues=)",
                                job->n_jobs, context->device->name, context->device->n_queues,
                                context->device->n_queues == 1 ? "" : "s");
    if (job->n_jobs > n_cpus)
        return shell_fail_usage(
            context, "numjobs=%" PRIu64 ", but there are %u CPUs, and each job needs its own",
            job->n_jobs, n_cpus);
    return true;
}

static bool parse_length(const struct shell_context *context, struct job *job)
{
    bool counted = shell_option(context, "number_ios=") != NULL;
    bool timed = shell_option(context, "runtime=") != NULL;
    uint64_t seconds;

    if (!shell_option_number(context, "number_ios=", UINT64_MAX, &job->n_ios) ||
        !shell_option_number(context, "runtime=", counted ? MAX_RUNTIME_S : DEFAULT_RUNTIME_S,
                             &seconds))
        return false;
    if (job->n_ios == 0)
        return shell_fail_usage(context, "number_ios=0 leaves nothing to do");
    if (timed && (seconds == 0 || seconds > MAX_RUNTIME_S))
        return shell_fail_usage(context, "runtime= is 1 to %u seconds", MAX_RUNTIME_S);
    job->runtime_ns = seconds * NS_PER_S;
    return true;
}

static bool parse_area(const struct shell_context *context, struct job *job)
{
    uint64_t end = shell_extent_bytes(context);
    uint32_t block = context->device->limits.logical_block_bytes;

    if (!shell_option_number(context, "offset=", 0, &job->offset) ||
        !shell_option_number(context, "size=", job->offset < end ? end - job->offset : 0,
                             &job->bytes) ||
        !shell_range_is_inside(context, job->offset, job->bytes))
        return false;
    if (job->offset % block != 0)
        return shell_fail_usage(
            context, "offset=%" PRIu64 " is not a multiple of the logical block of %u bytes",
            job->offset, (unsigned)block);
    if (context->extent.offset_bytes % block != 0)
        return shell_fail_usage(context, "%s does not begin at a multiple of %u", context->name,
                                (unsigned)block);
    if (job->bytes < job->block_bytes)
        return shell_fail_usage(context,
                                "an area of %" PRIu64 " bytes holds no block of %" PRIu64 " bytes",
                                job->bytes, job->block_bytes);
    return true;
}

/* ---------------------------------------------------------------- telling */

static void print_result(const struct bench *bench, const struct result *result)
{
    const struct job *job = &bench->job;
    const struct shell_context *context = bench->context;
    uint64_t rate = scale_u64(result->n_ios * job->block_bytes, NS_PER_S, result->ns);
    char a[SIZE_TEXT_BYTES], b[SIZE_TEXT_BYTES], c[SIZE_TEXT_BYTES];

    printf("%s: rw=%s, bs=%s, iodepth=%" PRIu64 ", %" PRIu64 " I/Os in %s\n", context->name,
           job->rw, size_text(job->block_bytes, a), job->depth, result->n_ios,
           duration_text(result->ns, b));
    if (job->mixed)
        printf("  %" PRIu64 " reads, %" PRIu64 " writes\n", result->n_ios - result->n_writes,
               result->n_writes);
    printf("  IOPS %" PRIu64 ", bandwidth %s MiB/s, errors %" PRIu64 "\n",
           scale_u64(result->n_ios, NS_PER_S, result->ns), ratio_text(rate, 1u << 20, 1, a),
           result->n_errors);
    printf("  per I/O: kicks %s, interrupts %s, ticks %s\n",
           ratio_text(result->kicks, result->n_ios, 3, a),
           ratio_text(result->interrupts, result->n_ios, 3, b),
           ratio_text(result->ticks, result->n_ios, 0, c));
}

static uint64_t ticks_to_ns(const struct bench *bench, uint64_t ticks)
{
    return scale_u64(ticks, NS_PER_S, bench->host->ticks_per_second);
}

struct latency {
    const char *name, *key;
    uint64_t ns;
};

#define N_LATENCIES 6

static void summarise_latencies(const struct bench *bench, struct latency latencies[N_LATENCIES])
{
    struct histogram_summary summary = histogram_summarise(&bench->histogram);

    latencies[0] = (struct latency){"min", "min", ticks_to_ns(bench, summary.min)};
    latencies[1] = (struct latency){"mean", "mean", ticks_to_ns(bench, summary.mean)};
    latencies[2] = (struct latency){"p50", "p50", ticks_to_ns(bench, summary.p50)};
    latencies[3] = (struct latency){"p99", "p99", ticks_to_ns(bench, summary.p99)};
    latencies[4] = (struct latency){"p99.9", "p999", ticks_to_ns(bench, summary.p999)};
    latencies[5] = (struct latency){"max", "max", ticks_to_ns(bench, summary.max)};
}

static void print_latencies(const struct bench *bench)
{
    struct latency latencies[N_LATENCIES];
    char text[SIZE_TEXT_BYTES];

    summarise_latencies(bench, latencies);
    fputs("  lat:", stdout);
    for (unsigned i = 0; i < N_LATENCIES; i++)
        printf("%s %s %s", i ? "," : "", latencies[i].name, duration_text(latencies[i].ns, text));
    putchar('\n');
}

/* What each queue had of it. Times are those since the first job began: jobs ran at once if the last
 * began before the first ended. */
static void print_json_queues(struct json *json, const struct bench *benches,
                              const struct result *sum)
{
    json_array_open(json, "per_queue");
    for (unsigned k = 0; k < benches[0].job.n_jobs; k++) {
        const struct result *one = &benches[k].result;
        json_object_open(json, NULL);
        json_u64(json, "queue", benches[k].queue->index);
        json_u64(json, "ios", one->n_ios);
        json_u64(json, "errors", one->n_errors);
        json_u64(json, "kicks", one->kicks);
        json_u64(json, "interrupts", one->interrupts);
        json_u64(json, "interrupts_elsewhere", one->interrupts_elsewhere);
        json_u64(json, "start_ns", one->start_ns - sum->start_ns);
        json_u64(json, "end_ns", one->end_ns - sum->start_ns);
        json_object_close(json);
    }
    json_array_close(json);
}

/* `bench` is the first of all. */
static void print_json(const struct bench *bench, const struct result *result)
{
    const struct job *job = &bench->job;
    struct latency latencies[N_LATENCIES];
    char iops[SIZE_TEXT_BYTES];
    struct json json;

    shell_json_open(bench->context, &json);
    json_text(&json, "rw", job->rw);
    json_u64(&json, "bs", job->block_bytes);
    json_u64(&json, "iodepth", job->depth);
    json_u64(&json, "ios", result->n_ios);
    if (job->mixed) {
        json_u64(&json, "reads", result->n_ios - result->n_writes);
        json_u64(&json, "writes", result->n_writes);
    }
    json_u64(&json, "bytes", result->n_ios * job->block_bytes);
    json_u64(&json, "errors", result->n_errors);
    json_u64(&json, "ns", result->ns);
    json_number(
        &json, "iops",
        ratio_text(scale_u64(result->n_ios, (uint64_t)NS_PER_S * 100, result->ns), 100, 2, iops));
    json_object_open(&json, "lat_ns");
    summarise_latencies(bench, latencies);
    for (unsigned i = 0; i < N_LATENCIES; i++)
        json_u64(&json, latencies[i].key, latencies[i].ns);
    json_object_close(&json);
    json_u64(&json, "kicks", result->kicks);
    json_u64(&json, "interrupts", result->interrupts);
    json_u64(&json, "tsc", result->ticks);
    json_u64(&json, "numjobs", job->n_jobs);
    print_json_queues(&json, bench, result);
    json_close(&json);
}

static bool judge(const struct bench *bench)
{
    if (bench->interrupted)
        return shell_fail_interrupted(bench->context);
    if (bench->n_errors > 0)
        return shell_fail_on_device(bench->context, bench->first_error, bench->first_error_bytes);
    if (bench->status != VST_OK)
        return shell_fail_on_device(bench->context, bench->status, bench->refused_bytes);
    return true;
}

/* ---------------------------------------------------------------- all jobs */

/*
 * Job k runs on CPU k, the first here, all at once. They end by themselves, so the wait for them is
 * bounded by theirs. False if a CPU takes no work.
 */
static bool run_all(struct bench *benches, void (*function)(void *bench))
{
    const struct shell_host *host = benches[0].context->host;
    unsigned n = 1, n_jobs = (unsigned)benches[0].job.n_jobs;

    while (n < n_jobs && host->run_on(host->ctx, n, function, &benches[n]))
        n++;
    if (n == n_jobs)
        function(&benches[0]);
    else
        __atomic_store_n(benches[0].stop, true, __ATOMIC_RELAXED);
    for (unsigned k = 1; k < n; k++)
        while (!host->join(host->ctx, k))
            if (console_interrupted(host))
                __atomic_store_n(benches[0].stop, true, __ATOMIC_RELAXED);
    return n == n_jobs ||
           shell_fail(benches[0].context, VST_ERR_UNSUPPORTED, "CPU %u takes no work", n);
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void add_histogram(struct histogram *sum, const struct histogram *other)
{
    sum->sum += other->sum;
    for (unsigned i = 0; i < HISTOGRAM_N_BUCKETS; i++)
        sum->buckets[i] += other->buckets[i];
}

/* Sums up; the first job's histogram then holds all. */
static struct result sum_up(struct bench *benches)
{
    struct result sum = benches[0].result;

    for (unsigned k = 1; k < benches[0].job.n_jobs; k++) {
        const struct result *one = &benches[k].result;
        sum.n_ios += one->n_ios;
        sum.n_errors += one->n_errors;
        sum.n_writes += one->n_writes;
        sum.kicks += one->kicks;
        sum.interrupts += one->interrupts;
        sum.start_ns = vst_min_u64(sum.start_ns, one->start_ns);
        sum.end_ns = max_u64(sum.end_ns, one->end_ns);
        sum.start_ticks = vst_min_u64(sum.start_ticks, one->start_ticks);
        sum.end_ticks = max_u64(sum.end_ticks, one->end_ticks);
        add_histogram(&benches[0].histogram, &benches[k].histogram);
    }
    sum.ns = sum.end_ns - sum.start_ns;
    sum.ticks = sum.end_ticks - sum.start_ticks;
    return sum;
}

/* The first job that has something to complain of, or the first. */
static const struct bench *worst(const struct bench *benches)
{
    for (unsigned k = 0; k < benches[0].job.n_jobs; k++)
        if (benches[k].interrupted || benches[k].n_errors > 0 || benches[k].status != VST_OK)
            return &benches[k];
    return &benches[0];
}

static bool run_and_report(struct bench *bench)
{
    struct result result;

    for (unsigned k = 0; k < bench->job.n_jobs; k++)
        prepare(&bench[k]);
    if (!run_all(bench, warm_up))
        return false;
    if (worst(bench)->interrupted || worst(bench)->status != VST_OK)
        return judge(worst(bench));
    if (!run_all(bench, measure))
        return false;
    result = sum_up(bench);
    if (result.n_ios > 0) {
        if (bench->context->json) {
            print_json(bench, &result);
        } else {
            print_result(bench, &result);
            print_latencies(bench);
        }
    }
    return judge(worst(bench));
}

static void make_job(struct bench *bench, unsigned number, const struct shell_context *context,
                     const struct job *job, bool *stop)
{
    const struct vst_block_device *device = context->device;
    const char *irq_mode = device->irq_mode;

    *bench = (struct bench){
        .context = context,
        .host = context->host,
        .platform = context->host->platform,
        .queue = number == 0 ? context->queue : device->queues[number],
        .number = number,
        .sleeps =
            irq_mode != NULL && strcmp(irq_mode, "poll") != 0 && context->host->idle_unless != NULL,
        .stop = stop,
        .job = *job,
    };
}

static bool run_jobs(const struct shell_context *context, const struct job *job,
                     struct bench *benches)
{
    bool stop = false, ok = true;

    for (unsigned k = 0; k < job->n_jobs; k++)
        make_job(&benches[k], k, context, job, &stop);
    for (unsigned k = 0; k < job->n_jobs && ok; k++)
        ok = allocate(&benches[k]);
    if (ok)
        ok = run_and_report(benches);
    for (unsigned k = 0; k < job->n_jobs; k++)
        release(&benches[k]);
    return ok;
}

static bool run_bench(struct shell_context *context)
{
    struct job job = {0};

    if (!parse_rw(context, &job) || !parse_shape(context, &job) || !parse_jobs(context, &job) ||
        !parse_length(context, &job) || !parse_area(context, &job) ||
        !bench_verify_parse(context, &job) || !bench_cache_parse(context, &job))
        return false;
    if (job.verify)
        return bench_verify(context, &job);
    if (job.cache_bytes > 0)
        return bench_cache(context, &job);
    struct bench *benches = calloc(job.n_jobs, sizeof(*benches));
    bool ok = benches != NULL ? run_jobs(context, &job, benches)
                              : shell_fail(context, VST_ERR_NO_MEMORY, "no memory for the jobs");
    free(benches);
    return ok;
}

static const char *const options_bench[] = {
    "rw=",   "rwmixread=", "bs=",    "iodepth=",   "number_ios=", "runtime=",
    "size=", "offset=",    "seed=",  "numjobs=",   "verify=",     "fsync=",
    "sync=", "segments=",  "cache=", "cachemode=", NULL};

const struct shell_command command_bench = {
    .name = "bench",
    .usage = "DEV [rw=MODE] [bs=SIZE] [iodepth=N] [number_ios=N|runtime=S] ...",
    .summary = "Measures the speed of a device",
    .help = "    rw=read|write|randread|randwrite|randrw   default randread. All that write\n"
            "                    DESTROY what is on the device\n"
            "    rwmixread=N     with rw=randrw: so many per cent read, default 50\n"
            "    bs=SIZE         bytes per I/O, default 4k\n"
            "    iodepth=N       I/Os in flight, default 32 (fio's is 1)\n"
            "    number_ios=N    ends after so many I/Os\n"
            "    runtime=S       ends after so many seconds; 2 if neither is given\n"
            "    offset=, size=  the area, default all of DEV\n"
            "    seed=N          of the random offsets and of the data written, default 1\n"
            "    numjobs=N       jobs at once, each on its own CPU and queue, default 1;\n"
            "                    iodepth and number_ios are for each, the result is the sum;\n"
            "                    with json=1 also what each queue had\n"
            "    verify=1        with rw=write or randwrite: nothing is measured; each block\n"
            "                    written tells where it belongs and which write it is, and in\n"
            "                    the end all are read back and checked. Runs over the same\n"
            "                    area should differ in seed=, at most 65535\n"
            "    fsync=N         with verify=1: a flush after every N writes\n"
            "    sync=1          with verify=1: each write is durable when it ends\n"
            "    segments=N      with verify=1: data of each I/O in N pieces of memory\n"
            "    cache=SIZE      the I/Os go through a cache of so much memory, one after the\n"
            "                    other whatever iodepth= is (with verify=1: as deep as that);\n"
            "                    tells hits, misses, what was read ahead and written back.\n"
            "                    There is no warm-up, and writes end with a flush\n"
            "    cachemode=MODE  writeback, the default, or writethrough\n"
            "A warm-up comes first and does not count. Nothing is flushed.\n"
            "Percentiles are exact to 3 %. Ticks are those of the processor's counter.\n"
            "    bench vda rw=randread bs=4k iodepth=32 number_ios=100000\n",
    .min_words = 1,
    .max_words = 1,
    .device = DEVICE_REQUIRED,
    .options = options_bench,
    .run = run_bench,
};
