/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench cache=SIZE: the I/Os are blocking calls of a cache that is made for the run, as an
 * application's would be, so there is one at a time; what is in flight below is the cache's doing.
 * cache=none is for comparison: the same loop, and each I/O is given to the device and waited for.
 * In the measured part an I/O costs the choice of its place and the call. Latencies are not taken:
 * that would cost more than a hit does.
 */
#include "bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caches.h"
#include "console.h"
#include "marks.h"
#include "pattern.h"
#include "size.h"

#define NS_PER_S          1000000000u
#define BUFFER_ALIGN      4096u
#define RANDOM_MULTIPLIER 6364136223846793005u
#define IOS_PER_LOOK      4096u
#define LOOKS_PER_RETURN  1000u

struct cached {
    const struct shell_context *context;
    const struct job *job;
    const struct vst_platform *platform;
    struct vst_cache *cache; /* NULL: none */
    uint8_t *buffer;
    uint64_t first_bytes; /* of the area, from the start of the device */
    uint64_t place, n_blocks, read_share, end_ns;
    uint64_t n_ios, n_writes, start_ns, ns;
    bool interrupted;
    enum vst_status status;
    uint64_t error_offset;
};

static uint64_t now_ns(const struct cached *cached)
{
    return cached->platform->time_ns(cached->platform->ctx);
}

/* ---------------------------------------------------------------- the cache */

/* Until something has ended, or for a while: the library looks after time-outs then. */
static void wait_looking(const struct vst_platform *platform, struct vst_block_queue *queue)
{
    MARK(MARK_SPIN);
    for (unsigned i = 0; i < LOOKS_PER_RETURN && !vst_block_ready(queue); i++)
        platform->relax(platform->ctx);
    MARK(MARK_SPIN | MARK_END);
}

static void wait_for_cache(void *ctx, struct vst_block_queue *queue)
{
    wait_looking(ctx, queue);
}

struct vst_cache *bench_cache_open(const struct shell_context *context, const struct job *job,
                                   void **memory)
{
    struct vst_cache_config config = {
        .queue = context->queue,
        .memory_bytes = (size_t)job->cache_bytes,
        .mode = job->cache_through ? VST_CACHE_WRITE_THROUGH : VST_CACHE_WRITE_BACK,
        .wait = wait_for_cache,
        .wait_ctx = (void *)(uintptr_t)context->host->platform,
    };
    struct vst_cache *cache = NULL;
    enum vst_status status = VST_ERR_NO_MEMORY;

    *memory = config.memory = malloc(config.memory_bytes);
    if (config.memory != NULL)
        status = vst_cache_open(&cache, &config);
    if (status == VST_OK) {
        caches_opened(context->queue, cache);
        return cache;
    }
    free(*memory);
    shell_fail(context, status, "no cache of %" PRIu64 " bytes: %s", job->cache_bytes,
               vst_status_text(status));
    return NULL;
}

void bench_cache_json(struct json *json, const struct vst_cache *cache)
{
    const struct vst_cache_stats *stats = vst_cache_stats(cache);
    struct vst_cache_state state = vst_cache_look(cache);
    struct cache_counters counters = caches_count(cache);

    json_object_open(json, "cache");
    json_text(json, "mode", shell_cache_name(state.write_back));
    json_u64(json, "lines", state.n_lines);
    json_u64(json, "line_bytes", state.line_bytes);
    caches_json_counters(json, &counters);
    json_u64(json, "in_flight_sum", stats->in_flight_sum);
    json_u64(json, "max_in_flight", stats->max_in_flight);
    json_object_close(json);
}

/* ---------------------------------------------------------------- the measured part */

static inline uint64_t next_offset(struct cached *cached, const struct job *job)
{
    uint64_t block = cached->place;

    if (job->random) {
        cached->place = block * RANDOM_MULTIPLIER;
        block = (uint64_t)((unsigned __int128)cached->place * cached->n_blocks >> 64);
    } else if (++cached->place == cached->n_blocks) {
        cached->place = 0;
    }
    return cached->first_bytes + block * job->block_bytes;
}

/* What vst_block_execute does, with the waiting marked. */
static enum vst_status execute(const struct cached *cached, struct vst_block_request *request)
{
    struct vst_block_queue *queue = cached->context->queue;
    struct vst_block_request *done;
    enum vst_status status = vst_block_submit(queue, request);

    if (status != VST_OK)
        return status;
    vst_block_kick(queue);
    do {
        wait_looking(cached->platform, queue);
    } while (vst_block_poll(queue, &done, 1) == 0);
    vst_block_rest(queue);
    return request->status;
}

static __attribute__((noinline)) enum vst_status
without_cache(struct cached *cached, enum vst_block_op op, uint64_t offset, size_t bytes)
{
    struct vst_block_segment segment = {cached->buffer, bytes};
    struct vst_block_request request = {.op = op,
                                        .n_segments = op != VST_BLOCK_FLUSH,
                                        .segments = &segment,
                                        .start_sector = offset / VST_SECTOR_BYTES,
                                        .n_sectors = bytes / VST_SECTOR_BYTES};
    enum vst_status status = execute(cached, &request);

    if (status != VST_OK)
        cached->error_offset = offset;
    return status;
}

static inline enum vst_status read_at(struct cached *cached, uint64_t offset, size_t bytes)
{
    if (cached->cache == NULL)
        return without_cache(cached, VST_BLOCK_READ, offset, bytes);
    return vst_cache_read(cached->cache, offset, cached->buffer, bytes, &cached->error_offset);
}

static enum vst_status write_at(struct cached *cached, uint64_t offset, size_t bytes)
{
    if (cached->cache == NULL)
        return without_cache(cached, VST_BLOCK_WRITE, offset, bytes);
    return vst_cache_write(cached->cache, offset, cached->buffer, bytes, &cached->error_offset);
}

static enum vst_status flush(struct cached *cached)
{
    if (cached->cache == NULL)
        return without_cache(cached, VST_BLOCK_FLUSH, 0, 0);
    return vst_cache_flush(cached->cache, &cached->error_offset);
}

/* So many reads, and no more than that, for that is what is measured; false if one failed. */
static bool read_some(struct cached *cached, uint64_t n)
{
    const struct job *job = cached->job;
    const size_t bytes = (size_t)job->block_bytes;
    uint64_t done = 0;

    while (done < n && cached->status == VST_OK) {
        cached->status = read_at(cached, next_offset(cached, job), bytes);
        done++;
    }
    cached->n_ios += done;
    return cached->status == VST_OK;
}

/* The same where some of them write, or all. */
static bool run_some(struct cached *cached, uint64_t n)
{
    const struct job *job = cached->job;

    for (; n > 0 && cached->status == VST_OK; n--) {
        uint64_t offset = next_offset(cached, job);
        if (job->mixed && (uint32_t)(cached->place >> 8) < cached->read_share) {
            cached->status = read_at(cached, offset, (size_t)job->block_bytes);
        } else {
            cached->n_writes++;
            cached->status = write_at(cached, offset, (size_t)job->block_bytes);
        }
        cached->n_ios++;
    }
    return cached->status == VST_OK;
}

static void run_all(struct cached *cached)
{
    uint64_t left = cached->job->n_ios;

    while (left > 0 && !cached->interrupted) {
        uint64_t n = left < IOS_PER_LOOK ? left : IOS_PER_LOOK;
        bool writes = cached->job->write || cached->job->mixed;
        if (!(writes ? run_some(cached, n) : read_some(cached, n)))
            return;
        left -= n;
        cached->interrupted = console_interrupted(cached->context->host);
        if (now_ns(cached) >= cached->end_ns)
            return;
    }
}

static void measure(struct cached *cached)
{
    cached->start_ns = now_ns(cached);
    cached->end_ns = vst_add_saturated_u64(cached->start_ns, cached->job->runtime_ns);
    MARK(MARK_BENCH);
    run_all(cached);
    if (cached->status == VST_OK && cached->job->write)
        cached->status = flush(cached);
    MARK(MARK_BENCH | MARK_END);
    cached->ns = now_ns(cached) - cached->start_ns;
}

/* ---------------------------------------------------------------- telling */

static void print_cache(const struct vst_cache *cache)
{
    const struct vst_cache_stats *stats = vst_cache_stats(cache);
    uint64_t line = vst_cache_look(cache).line_bytes;
    char a[SIZE_TEXT_BYTES], b[SIZE_TEXT_BYTES];

    printf("  %" PRIu64 " hits, %" PRIu64 " misses; read %s in %" PRIu64
           " requests, %s of it ahead",
           stats->hits, stats->misses, size_text(stats->read_lines * line, a), stats->reads,
           size_text(stats->ahead_lines * line, b));
    printf("; written %s in %" PRIu64 "\n", size_text(stats->written_lines * line, a),
           stats->writes);
    printf("  in flight: %s on average, at most %u\n",
           ratio_text(stats->in_flight_sum, stats->reads + stats->writes + stats->flushes, 1, a),
           stats->max_in_flight);
}

static void print_result(const struct cached *cached, const struct vst_block_stats *before)
{
    const struct job *job = cached->job;
    const struct vst_block_stats *now = &cached->context->queue->stats;
    uint64_t rate = scale_u64(cached->n_ios * job->block_bytes, NS_PER_S, cached->ns);
    char a[SIZE_TEXT_BYTES], b[SIZE_TEXT_BYTES], c[SIZE_TEXT_BYTES];

    printf("%s: rw=%s, bs=%s, cache=%s, %" PRIu64 " I/Os in %s\n", cached->context->name, job->rw,
           size_text(job->block_bytes, a),
           job->cache_none ? "none" : size_text(job->cache_bytes, b), cached->n_ios,
           duration_text(cached->ns, c));
    printf("  IOPS %" PRIu64 ", bandwidth %s MiB/s, kicks per I/O %s\n",
           scale_u64(cached->n_ios, NS_PER_S, cached->ns), ratio_text(rate, 1u << 20, 1, a),
           ratio_text(now->kicks - before->kicks, cached->n_ios, 3, b));
    if (cached->cache != NULL)
        print_cache(cached->cache);
}

static void print_json(const struct cached *cached, const struct vst_block_stats *before)
{
    const struct job *job = cached->job;
    const struct vst_block_stats *now = &cached->context->queue->stats;
    char iops[SIZE_TEXT_BYTES];
    struct json json;

    shell_json_open(cached->context, &json);
    json_text(&json, "rw", job->rw);
    json_u64(&json, "bs", job->block_bytes);
    json_u64(&json, "iodepth", 1);
    json_u64(&json, "ios", cached->n_ios);
    if (job->mixed) {
        json_u64(&json, "reads", cached->n_ios - cached->n_writes);
        json_u64(&json, "writes", cached->n_writes);
    }
    json_u64(&json, "bytes", cached->n_ios * job->block_bytes);
    json_u64(&json, "errors", cached->status != VST_OK);
    json_u64(&json, "ns", cached->ns);
    json_number(
        &json, "iops",
        ratio_text(scale_u64(cached->n_ios, (uint64_t)NS_PER_S * 100, cached->ns), 100, 2, iops));
    json_u64(&json, "kicks", now->kicks - before->kicks);
    json_u64(&json, "interrupts", now->interrupts - before->interrupts);
    if (cached->cache != NULL)
        bench_cache_json(&json, cached->cache);
    json_close(&json);
}

/* ---------------------------------------------------------------- all of it */

static bool run(struct cached *cached)
{
    const struct shell_context *context = cached->context;
    struct vst_block_stats before = context->queue->stats;

    measure(cached);
    if (cached->n_ios > 0 && context->json)
        print_json(cached, &before);
    else if (cached->n_ios > 0)
        print_result(cached, &before);
    if (cached->interrupted)
        return shell_fail_interrupted(context);
    return cached->status == VST_OK ||
           shell_fail_on_device(context, cached->status, cached->error_offset);
}

static bool run_through_cache(struct cached *cached)
{
    void *memory = NULL;

    cached->cache = bench_cache_open(cached->context, cached->job, &memory);
    if (cached->cache == NULL)
        return false;
    bool ok = run(cached);
    enum vst_status status = caches_close(cached->context->queue, cached->cache);
    if (ok && status != VST_OK)
        ok = shell_fail(cached->context, status, "%s", vst_status_text(status));
    free(memory);
    return ok;
}

bool bench_cache(const struct shell_context *context, const struct job *job)
{
    struct cached cached = {
        .context = context,
        .job = job,
        .platform = context->host->platform,
        .first_bytes = shell_on_device(context, job->offset),
        .place = job->random ? 2 * job->seed + 1 : 0,
        .n_blocks = job->bytes / job->block_bytes,
        .read_share = (job->read_percent << 32) / 100,
    };
    uint8_t *memory = malloc((size_t)job->block_bytes + BUFFER_ALIGN);

    if (memory == NULL)
        return shell_fail(context, VST_ERR_NO_MEMORY, "no memory for a block");
    cached.buffer = memory + -(uintptr_t)memory % BUFFER_ALIGN;
    if (job->write)
        pattern_fill(job->seed, 0, cached.buffer, (size_t)job->block_bytes);
    bool ok = job->cache_none ? run(&cached) : run_through_cache(&cached);
    free(memory);
    return ok;
}

bool bench_cache_parse(const struct shell_context *context, struct job *job)
{
    const char *mode = shell_option(context, "cachemode="), *size = shell_option(context, "cache=");

    job->cache_none = size != NULL && strcmp(size, "none") == 0;
    if (!job->cache_none && !shell_option_number(context, "cache=", 0, &job->cache_bytes))
        return false;
    if (job->cache_none && (job->verify || mode != NULL))
        return shell_fail_usage(context, "cache=none is without verify=1 and cachemode=");
    if (size == NULL)
        return mode == NULL || shell_fail_usage(context, "cachemode= goes with cache=");
    if (mode != NULL && strcmp(mode, "writeback") != 0 && strcmp(mode, "writethrough") != 0)
        return shell_fail_usage(context, "cachemode=%s is neither writeback nor writethrough",
                                mode);
    job->cache_through = mode != NULL && strcmp(mode, "writethrough") == 0;
    size_t least = vst_cache_min_bytes(&context->device->limits);
    if (!job->cache_none && job->cache_bytes < least)
        return shell_fail_usage(context, "cache= is at least %u for %s", (unsigned)least,
                                context->device->name);
    return job->n_jobs == 1 || shell_fail_usage(context, "cache= is for one job");
}
