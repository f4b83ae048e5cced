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

#define NS_PER_S          1000000000u
#define WARM_UP_IOS       1000u
#define BUFFER_ALIGN      4096u
#define LOOKS_PER_SECOND  10u
#define LOOKS_PER_POLL    1024u
#define MAX_RESET_S       10u
#define DICE_SPREAD       0x9E3779B97F4A7C15u
#define RANDOM_MULTIPLIER 6364136223846793005u /* 5 modulo 8: odd states come round after 2^62 */

struct slot {
    struct vst_block_request request; /* first, so that what poll returns leads back here */
    uint64_t issued_ticks;
    union {
        struct vst_block_segment segment;
        struct vst_block_range range; /* of a discard */
    };
};

/* Where I/Os go. */
struct area {
    uint64_t first_sector, block_sectors, n_blocks;
};

/* What the measured part did, and when. */
struct result {
    uint64_t n_ios, n_bytes, n_writes, n_bytes_written, n_flushes, n_errors, kicks, interrupts,
        interrupts_elsewhere;
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
    uint64_t begin_ticks, end_ticks, look_ticks;
    uint64_t show_ticks; /* when it is next shown how far the job is; UINT64_MAX: never */
    bool shown;
    bool interrupted;
    enum vst_status status; /* of a submit that was refused: nothing more is issued */
    uint64_t refused_bytes;
    /* of a varied job */
    uint64_t n_bytes, n_writes, n_bytes_written, n_flushes;
    enum vst_block_op op_written;
    uint64_t n_unflushed; /* writes since the last flush */
    uint64_t dice;        /* a generator's state, which is odd */
    uint64_t read_share;  /* out of 2^32 */
    struct histogram write_histogram;
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

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
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

/* How the I/Os of a job follow each other. In a varied job they differ in more than their place. */
enum order { SEQUENTIAL, RANDOM, VARIED };

static uint32_t throw_dice(struct bench *bench)
{
    bench->dice *= RANDOM_MULTIPLIER;
    return (uint32_t)(bench->dice >> 32);
}

/* What comes next in a varied job: a flush when it is due, else an I/O in some direction, of some size. */
static __attribute__((noinline)) void vary(struct bench *bench, struct slot *slot, uint64_t *place)
{
    const struct job *job = &bench->job;
    const struct area *area = &bench->area;
    uint64_t n_sizes = job->max_block_bytes / job->block_bytes, n = 1, block = *place;

    if (job->fsync > 0 && bench->n_unflushed >= job->fsync) {
        slot->request = (struct vst_block_request){.op = VST_BLOCK_FLUSH};
        return;
    }
    if (n_sizes > 1)
        n += throw_dice(bench) * n_sizes >> 32;
    if (job->random) {
        *place = block * RANDOM_MULTIPLIER;
        block = (uint64_t)((unsigned __int128)*place * (area->n_blocks - n + 1) >> 64);
    } else {
        block = block + n > area->n_blocks ? 0 : block;
        *place = block + n;
    }
    if (job->trim) {
        slot->range.start_sector = area->first_sector + block * area->block_sectors;
        slot->range.n_sectors = n * area->block_sectors;
        slot->request = (struct vst_block_request){.op = VST_BLOCK_DISCARD,
                                                   .n_segments = 1,
                                                   .ranges = &slot->range,
                                                   .n_sectors = slot->range.n_sectors};
        return;
    }
    slot->request = (struct vst_block_request){
        .op = bench->op_written,
        .n_segments = 1,
        .segments = &slot->segment,
        .start_sector = area->first_sector + block * area->block_sectors,
        .n_sectors = n * area->block_sectors,
    };
    slot->segment.bytes = (size_t)(n * job->block_bytes);
    if (!job->write || (job->mixed && throw_dice(bench) < bench->read_share))
        slot->request.op = VST_BLOCK_READ;
}

/* The request was accepted. True if it is a flush, which is no I/O. */
static bool note_issued(struct bench *bench, const struct slot *slot)
{
    if (slot->request.op == VST_BLOCK_FLUSH) {
        bench->n_unflushed = 0;
        return true;
    }
    bench->n_unflushed += slot->request.op != VST_BLOCK_READ;
    return false;
}

static inline __attribute__((always_inline)) enum vst_status
issue(struct bench *bench, struct slot *slot, uint64_t *place, enum order order, uint64_t now)
{
    if (order == VARIED)
        vary(bench, slot, place);
    else
        slot->request.start_sector = next_sector(&bench->area, place, order == RANDOM);
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

/* The time of a flush is taken out of the sum again (struct bench). */
static __attribute__((noinline)) void book_varied(struct bench *bench, const struct slot *slot,
                                                  uint64_t ticks)
{
    uint64_t bytes = slot->request.n_sectors * VST_SECTOR_BYTES;

    if (slot->request.op == VST_BLOCK_FLUSH) {
        bench->n_flushes++;
        bench->histogram.sum -= ticks;
        return;
    }
    bench->n_bytes += bytes;
    histogram_count(&bench->histogram, ticks);
    if (slot->request.op == VST_BLOCK_READ)
        return;
    bench->n_writes++;
    bench->n_bytes_written += bytes;
    histogram_add(&bench->write_histogram, ticks);
}

/* What an I/O took and how it ended. */
static inline __attribute__((always_inline)) void book(struct bench *bench, const struct slot *slot,
                                                       uint64_t now, enum order order)
{
    if (VST_UNLIKELY(slot->request.status != VST_OK))
        note_error(bench, slot);
    if (order == VARIED)
        book_varied(bench, slot, now - slot->issued_ticks);
    else
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
        bench->refused_bytes =
            (bench->job.trim ? slot->range.start_sector : slot->request.start_sector) *
            VST_SECTOR_BYTES;
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

/*
 * One line for who watches, once a second: how far the job is, by time or by number, whichever ends
 * it sooner. It costs a few ten thousand instructions, so figures that are counted want json=1.
 */
static __attribute__((noinline)) void show_progress(struct bench *bench, uint64_t now)
{
    uint64_t n = histogram_summarise(&bench->histogram).n, ticks = now - bench->begin_ticks;
    uint64_t second = bench->host->ticks_per_second;
    uint64_t by_time = scale_u64(ticks, 1000, bench->end_ticks - bench->begin_ticks);
    uint64_t by_number = scale_u64(n, 1000, bench->job.n_ios);
    uint64_t permille = by_time > by_number ? by_time : by_number;

    if (permille < 1)
        permille = 1;
    if (permille > 1000)
        permille = 1000;
    uint64_t left_s = scale_u64(ticks, 1000 - permille, permille) / second;
    printf("\rbench %s: %3" PRIu64 "%%  %" PRIu64 " IOPS  %" PRIu64 ":%02u left\x1b[K",
           bench->context->name, permille / 10, scale_u64(n, second, ticks), left_s / 60,
           (unsigned)(left_s % 60));
    fflush(stdout);
    bench->shown = true;
    bench->show_ticks = now + second;
}

/* Called some ten times a second. True if the window is to end. */
static __attribute__((noinline)) bool look_around(struct bench *bench, uint64_t now)
{
    const struct shell_host *host = bench->host;

    if (bench->number == 0 && console_interrupted(host)) /* the console is the boot CPU's */
        __atomic_store_n(bench->stop, true, __ATOMIC_RELAXED);
    bench->interrupted = __atomic_load_n(bench->stop, __ATOMIC_RELAXED);
    if (now >= bench->show_ticks && !bench->interrupted)
        show_progress(bench, now);
    set_next_look(bench, now);
    return bench->interrupted || now >= bench->end_ticks;
}

static enum order order_of(const struct bench *bench)
{
    const struct job *job = &bench->job;

    if (job->mixed || job->trim || job->fsync > 0 || job->max_block_bytes != job->block_bytes)
        return VARIED;
    return job->random ? RANDOM : SEQUENTIAL;
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
            remaining -= !note_issued(bench, slot);
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
        if (VST_LIKELY(status == VST_OK)) {
            if (order == VARIED)
                remaining += note_issued(bench, slot);
            continue;
        }
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

/*
 * The same at a pace that somebody has asked for (rate_iops=, thinktime=), which is not what is
 * measured elsewhere, so it has a loop to itself: one I/O at a time when it is due, up to the depth.
 * What falls behind a rate is caught up with; a pause is from one I/O being given to the next.
 */
static __attribute__((noinline)) uint64_t run_paced(struct bench *bench, uint64_t n_ios)
{
    const struct vst_platform *platform = bench->platform;
    const struct job *job = &bench->job;
    uint64_t second = bench->host->ticks_per_second;
    uint64_t interval = job->rate_iops > 0 ? second / job->rate_iops : 0;
    uint64_t pause = scale_u64(job->think_ns, second, NS_PER_S);
    uint64_t now = now_ticks(bench), due = now, n_done = 0;

    for (size_t i = 0; i < job->depth; i++)
        bench->idle[i] = &bench->slots[job->depth - 1 - i];
    bench->n_idle = job->depth;
    while (n_ios > 0 || bench->n_idle < job->depth) {
        now = max_u64(now, now_ticks(bench));
        if (now >= bench->look_ticks && look_around(bench, now))
            n_ios = 0;
        if (n_ios > 0 && bench->n_idle > 0 && now >= due) {
            n_ios -= issue_idle(bench, now, 1) == 0;
            vst_block_kick(bench->queue);
            due = pause > 0 ? now + max_u64(pause, interval) : due + interval;
        }
        if (bench->status != VST_OK)
            n_ios = 0;
        size_t n = vst_block_poll(bench->queue, bench->done, job->depth);
        retire(bench, bench->done, bench->done + n, now);
        n_done += n;
        if (n == 0)
            platform->relax(platform->ctx);
    }
    return n_done;
}

/* Functions of their own, so that none takes registers from another. */
static __attribute__((noinline)) uint64_t run_varied(struct bench *bench, uint64_t n_ios)
{
    return run_window_as(bench, n_ios, VARIED, bench->sleeps);
}

static __attribute__((noinline)) uint64_t run_window(struct bench *bench, uint64_t n_ios)
{
    enum order order = order_of(bench);

    if (bench->job.rate_iops > 0 || bench->job.think_ns > 0)
        return run_paced(bench, n_ios);
    if (order == VARIED)
        return run_varied(bench, n_ios);
    if (bench->sleeps)
        return run_window_as(bench, n_ios, order, true);
    return order == RANDOM ? run_window_as(bench, n_ios, RANDOM, false)
                           : run_window_as(bench, n_ios, SEQUENTIAL, false);
}

/* ---------------------------------------------------------------- before and after */

static void set_limits(struct bench *bench, uint64_t max_ns)
{
    uint64_t ticks_per_second = bench->host->ticks_per_second;
    uint64_t now = now_ticks(bench);

    bench->begin_ticks = now;
    bench->show_ticks = UINT64_MAX;
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
    if (job->ramp_ns > 0) {
        n = UINT64_MAX;
        set_limits(bench, job->ramp_ns);
    }
    run_window(bench, n);
    vst_block_rest(bench->queue);
    memset(&bench->histogram, 0, sizeof(bench->histogram));
    memset(&bench->write_histogram, 0, sizeof(bench->write_histogram));
    bench->n_bytes = bench->n_writes = bench->n_bytes_written = bench->n_flushes = 0;
}

static void measure(void *argument)
{
    struct bench *bench = argument;
    const struct vst_platform *platform = bench->platform;
    struct vst_block_queue *queue = bench->queue;
    struct vst_block_stats before = queue->stats;
    uint64_t n_errors_before = bench->n_errors;
    struct result result;

    set_limits(bench, bench->job.runtime_ns);
    if (bench->number == 0 && bench->host->interactive && !bench->context->json)
        bench->show_ticks = bench->begin_ticks + bench->host->ticks_per_second;
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
    result.n_flushes = bench->n_flushes;
    result.n_ios -= result.n_flushes;
    result.n_writes = bench->n_writes;
    result.n_bytes_written = bench->n_bytes_written;
    result.n_bytes =
        order_of(bench) == VARIED ? bench->n_bytes : result.n_ios * bench->job.block_bytes;
    bench->result = result;
}

static bool allocate(struct bench *bench)
{
    const struct job *job = &bench->job;
    size_t data_bytes = (size_t)(job->depth * job->max_block_bytes);

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
        pattern_fill(job->seed, 0, data, (size_t)(job->depth * job->max_block_bytes));
    bench->op_written = job->sync ? VST_BLOCK_WRITE_DURABLE : VST_BLOCK_WRITE;
    for (size_t i = 0; i < job->depth; i++) {
        struct slot *slot = &bench->slots[i];
        slot->segment.buffer = data + i * job->max_block_bytes;
        slot->segment.bytes = (size_t)job->block_bytes;
        slot->request.op = job->write ? bench->op_written : VST_BLOCK_READ;
        slot->request.n_segments = 1;
        slot->request.segments = &slot->segment;
        slot->request.n_sectors = job->block_bytes / VST_SECTOR_BYTES;
    }
    bench->read_share = (job->read_percent << 32) / 100;
    bench->dice = 2 * (job->seed + bench->number) * DICE_SPREAD + 1; /* far from the place's */
    bench->place = job->random ? 2 * (job->seed + bench->number) + 1 : 0;
    bench->area = (struct area){
        .first_sector = shell_on_device(bench->context, job->offset) / VST_SECTOR_BYTES,
        .block_sectors = job->block_bytes / VST_SECTOR_BYTES,
        .n_blocks = job->bytes / job->block_bytes,
    };
}

/* ---------------------------------------------------------------- telling */

static uint64_t ticks_to_ns(const struct bench *bench, uint64_t ticks)
{
    return scale_u64(ticks, NS_PER_S, bench->host->ticks_per_second);
}

struct latency {
    const char *name, *key;
    uint64_t ns;
};

#define N_LATENCIES 6

static void summarise_latencies(const struct bench *bench, const struct histogram *histogram,
                                struct latency latencies[N_LATENCIES])
{
    struct histogram_summary summary = histogram_summarise(histogram);

    latencies[0] = (struct latency){"min", "min", ticks_to_ns(bench, summary.min)};
    latencies[1] = (struct latency){"mean", "mean", ticks_to_ns(bench, summary.mean)};
    latencies[2] = (struct latency){"p50", "p50", ticks_to_ns(bench, summary.p50)};
    latencies[3] = (struct latency){"p99", "p99", ticks_to_ns(bench, summary.p99)};
    latencies[4] = (struct latency){"p99.9", "p999", ticks_to_ns(bench, summary.p999)};
    latencies[5] = (struct latency){"max", "max", ticks_to_ns(bench, summary.max)};
}

static void print_latencies(const struct bench *bench, const struct histogram *histogram)
{
    struct latency latencies[N_LATENCIES];
    char text[SIZE_TEXT_BYTES];

    summarise_latencies(bench, histogram, latencies);
    fputs("lat:", stdout);
    for (unsigned i = 0; i < N_LATENCIES; i++)
        printf("%s %s %s", i ? "," : "", latencies[i].name, duration_text(latencies[i].ns, text));
    putchar('\n');
}

/* What the reads or the writes of a mixed job were. */
struct direction {
    const char *name;
    uint64_t n_ios, n_bytes;
    const struct histogram *histogram;
};

/* Takes the writes out of the first job's histogram, which holds all: no more is asked of it. */
static void split_directions(struct bench *bench, const struct result *result,
                             struct direction directions[2])
{
    bench->histogram.sum -= bench->write_histogram.sum;
    for (unsigned i = 0; i < HISTOGRAM_N_BUCKETS; i++)
        bench->histogram.buckets[i] -= bench->write_histogram.buckets[i];
    directions[0] =
        (struct direction){"read", result->n_ios - result->n_writes,
                           result->n_bytes - result->n_bytes_written, &bench->histogram};
    directions[1] = (struct direction){"write", result->n_writes, result->n_bytes_written,
                                       &bench->write_histogram};
}

/* "IOPS 37419, bandwidth 146.1 MiB/s". */
static void print_rates(const struct result *result, uint64_t n_ios, uint64_t n_bytes)
{
    char text[SIZE_TEXT_BYTES];

    printf("IOPS %" PRIu64 ", bandwidth %s MiB/s", scale_u64(n_ios, NS_PER_S, result->ns),
           ratio_text(scale_u64(n_bytes, NS_PER_S, result->ns), 1u << 20, 1, text));
}

static void print_directions(struct bench *bench, const struct result *result)
{
    struct direction directions[2];

    split_directions(bench, result, directions);
    for (unsigned i = 0; i < 2; i++) {
        printf("  %s: %" PRIu64 " I/Os, ", directions[i].name, directions[i].n_ios);
        print_rates(result, directions[i].n_ios, directions[i].n_bytes);
        fputs("\n    ", stdout);
        print_latencies(bench, directions[i].histogram);
    }
}

static void print_result(struct bench *bench, const struct result *result)
{
    const struct job *job = &bench->job;
    char a[SIZE_TEXT_BYTES], b[SIZE_TEXT_BYTES], c[SIZE_TEXT_BYTES];

    printf("%s: rw=%s, bs=%s%s%s, iodepth=%" PRIu64 ", %" PRIu64 " I/Os", bench->context->name,
           job->rw, size_text(job->block_bytes, a),
           job->max_block_bytes > job->block_bytes ? "-" : "",
           job->max_block_bytes > job->block_bytes ? size_text(job->max_block_bytes, b) : "",
           job->depth, result->n_ios);
    if (job->fsync > 0)
        printf(", %" PRIu64 " flushes", result->n_flushes);
    printf(" in %s\n  ", duration_text(result->ns, a));
    print_rates(result, result->n_ios, result->n_bytes);
    printf(", errors %" PRIu64 "\n", result->n_errors);
    printf("  per I/O: kicks %s, interrupts %s, ticks %s\n  ",
           ratio_text(result->kicks, result->n_ios, 3, a),
           ratio_text(result->interrupts, result->n_ios, 3, b),
           ratio_text(result->ticks, result->n_ios, 0, c));
    print_latencies(bench, &bench->histogram);
    if (job->mixed)
        print_directions(bench, result);
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

static void print_json_latencies(struct json *json, const struct bench *bench,
                                 const struct histogram *histogram)
{
    struct latency latencies[N_LATENCIES];

    json_object_open(json, "lat_ns");
    summarise_latencies(bench, histogram, latencies);
    for (unsigned i = 0; i < N_LATENCIES; i++)
        json_u64(json, latencies[i].key, latencies[i].ns);
    json_object_close(json);
}

static void print_json_iops(struct json *json, const struct result *result, uint64_t n_ios)
{
    char iops[SIZE_TEXT_BYTES];

    json_number(json, "iops",
                ratio_text(scale_u64(n_ios, (uint64_t)NS_PER_S * 100, result->ns), 100, 2, iops));
}

static void print_json_directions(struct json *json, struct bench *bench,
                                  const struct result *result)
{
    struct direction directions[2];

    split_directions(bench, result, directions);
    for (unsigned i = 0; i < 2; i++) {
        json_object_open(json, directions[i].name);
        json_u64(json, "ios", directions[i].n_ios);
        json_u64(json, "bytes", directions[i].n_bytes);
        print_json_iops(json, result, directions[i].n_ios);
        print_json_latencies(json, bench, directions[i].histogram);
        json_object_close(json);
    }
}

/* `bench` is the first of all. */
static void print_json(struct bench *bench, const struct result *result)
{
    const struct job *job = &bench->job;
    struct json json;

    shell_json_open(bench->context, &json);
    json_text(&json, "rw", job->rw);
    json_u64(&json, "bs", job->block_bytes);
    if (job->max_block_bytes > job->block_bytes)
        json_u64(&json, "bs_max", job->max_block_bytes);
    json_u64(&json, "iodepth", job->depth);
    json_u64(&json, "ios", result->n_ios);
    if (job->mixed) {
        json_u64(&json, "reads", result->n_ios - result->n_writes);
        json_u64(&json, "writes", result->n_writes);
    }
    if (job->fsync > 0)
        json_u64(&json, "flushes", result->n_flushes);
    json_u64(&json, "bytes", result->n_bytes);
    json_u64(&json, "errors", result->n_errors);
    json_u64(&json, "ns", result->ns);
    print_json_iops(&json, result, result->n_ios);
    print_json_latencies(&json, bench, &bench->histogram);
    json_u64(&json, "kicks", result->kicks);
    json_u64(&json, "interrupts", result->interrupts);
    json_u64(&json, "tsc", result->ticks);
    json_u64(&json, "numjobs", job->n_jobs);
    print_json_queues(&json, bench, result);
    if (job->mixed)
        print_json_directions(&json, bench, result);
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

static void add_histogram(struct histogram *sum, const struct histogram *other)
{
    sum->sum += other->sum;
    for (unsigned i = 0; i < HISTOGRAM_N_BUCKETS; i++)
        sum->buckets[i] += other->buckets[i];
}

/* Sums up; the first job's histograms then hold all. */
static struct result sum_up(struct bench *benches)
{
    struct result sum = benches[0].result;

    for (unsigned k = 1; k < benches[0].job.n_jobs; k++) {
        const struct result *one = &benches[k].result;
        sum.n_ios += one->n_ios;
        sum.n_errors += one->n_errors;
        sum.n_writes += one->n_writes;
        sum.n_bytes += one->n_bytes;
        sum.n_bytes_written += one->n_bytes_written;
        sum.n_flushes += one->n_flushes;
        sum.kicks += one->kicks;
        sum.interrupts += one->interrupts;
        sum.start_ns = vst_min_u64(sum.start_ns, one->start_ns);
        sum.end_ns = max_u64(sum.end_ns, one->end_ns);
        sum.start_ticks = vst_min_u64(sum.start_ticks, one->start_ticks);
        sum.end_ticks = max_u64(sum.end_ticks, one->end_ticks);
        add_histogram(&benches[0].histogram, &benches[k].histogram);
        add_histogram(&benches[0].write_histogram, &benches[k].write_histogram);
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
    bool ran = run_all(bench, measure);
    if (bench->shown)
        fputs("\r\x1b[K", stdout);
    if (!ran)
        return false;
    result = sum_up(bench);
    if (result.n_ios > 0) {
        if (bench->context->json)
            print_json(bench, &result);
        else
            print_result(bench, &result);
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

    if (!bench_parse(context, &job))
        return false;
    if (job.verify)
        return bench_verify(context, &job);
    if (job.cache_bytes > 0 || job.cache_none)
        return bench_cache(context, &job);
    struct bench *benches = calloc(job.n_jobs, sizeof(*benches));
    bool ok = benches != NULL ? run_jobs(context, &job, benches)
                              : shell_fail(context, VST_ERR_NO_MEMORY, "no memory for the jobs");
    free(benches);
    return ok;
}

static const char *const options_bench[] = {
    "rw=",        "readwrite=", "rwmixread=",  "rwmixwrite=", "bs=",        "blocksize=",
    "bsrange=",   "iodepth=",   "number_ios=", "runtime=",    "ramp_time=", "size=",
    "offset=",    "seed=",      "randseed=",   "numjobs=",    "verify=",    "fsync=",
    "fdatasync=", "sync=",      "segments=",   "cache=",      "cachemode=", "rate_iops=",
    "thinktime=", NULL};

const struct shell_command command_bench = {
    .name = "bench",
    .usage = "DEV [rw=MODE] [bs=SIZE] [iodepth=N] [number_ios=N|runtime=S] ...",
    .summary = "Measures the speed of a device",
    .help = "    rw=read|write|randread|randwrite|randrw|rw   default randread. All\n"
            "                    that write DESTROY what is on the device; also readwrite=\n"
            "    rwmixread=N     with randrw and rw: so many per cent read, default 50; or\n"
            "                    rwmixwrite=N\n"
            "    bs=SIZE         bytes per I/O, default 4k; also blocksize=\n"
            "    bsrange=A-B     each I/O of another multiple of A, up to B\n"
            "    iodepth=N       I/Os in flight, default 32 (fio's is 1)\n"
            "    number_ios=N    ends after so many I/Os\n"
            "    runtime=T       ends after so many seconds, or 500ms, 2m, 1h; 2 if neither\n"
            "                    is given\n"
            "    ramp_time=T     warms up for so long; else for as many I/Os as seem good\n"
            "    rate_iops=N     no more I/Os a second, of each job\n"
            "    thinktime=T     a pause of so many microseconds, or 5ms, after giving one\n"
            "                    I/O before the next\n"
            "    offset=, size=  the area in bytes or in per cent (25%) of DEV,\n"
            "                    default all of it\n"
            "    seed=N          of the random offsets and of the data written, default 1;\n"
            "                    also randseed=\n"
            "    fsync=N         a flush after every N writes of a job, without waiting; no\n"
            "                    flush is an I/O, or in the latencies; also fdatasync=\n"
            "    sync=1          each write is durable when it ends\n"
            "    numjobs=N       jobs at once, each on its own CPU and queue, default 1;\n"
            "                    iodepth and number_ios are for each, the result is the sum;\n"
            "                    with json=1 also what each queue had\n"
            "    verify=1        with rw=write or randwrite: nothing is measured; each block\n"
            "                    written tells where it belongs and which write it is, and in\n"
            "                    the end all are read back and checked. Runs over the same\n"
            "                    area should differ in seed=, at most 65535\n"
            "    segments=N      with verify=1: data of each I/O in N pieces of memory\n"
            "    cache=SIZE      the I/Os go through a cache of so much memory, one after the\n"
            "                    other whatever iodepth= is (with verify=1: as deep as that);\n"
            "                    tells hits, misses, what was read ahead and written back.\n"
            "                    There is no warm-up, and writes end with a flush\n"
            "    cache=none      the same calls, which wait for each I/O, without a cache\n"
            "    cachemode=MODE  writeback, the default, or writethrough\n"
            "A warm-up comes first and does not count. Nothing is flushed without fsync=.\n"
            "I/Os never wait for a page cache: there is none, as with fio's direct=1.\n"
            "Percentiles are exact to 3 %. Ticks are those of the processor's counter.\n"
            "    bench vda rw=randread bs=4k iodepth=32 number_ios=100000\n",
    .min_words = 1,
    .max_words = 1,
    .device = DEVICE_REQUIRED,
    .options = options_bench,
    .run = run_bench,
};
