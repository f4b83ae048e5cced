/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench verify=1: writes blocks that tell where they belong and which write they are, then reads all
 * of them back. Each block holds the pattern of `fill` with a seed of its own:
 *
 *     bits 0 to 31    the number of the write: 1 and up, counted by each job for itself
 *     bits 32 to 47   how many writes before this one, itself included, the job did not yet hold for
 *                     durable when it submitted it; 65535: so many, or more
 *     bits 48 to 63   seed=, which tells one run from another
 *
 * So whoever looks at the disk, at what is left of it after a power cut or at a log of the writes can
 * tell what must be there: if it holds write n that says "all but k before me are durable", then
 * every block whose last successful write was number n - k or less at that time.
 */
#include "bench.h"
#include "caches.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "mismatch.h"
#include "pattern.h"
#include "size.h"
#include "stream.h"

#define NS_PER_S          1000000000u
#define BUFFER_ALIGN      4096u
#define LOOK_NS           100000000u
#define PATIENCE_NS       (10ull * NS_PER_S)
#define MAX_WRITES        0xfffffffeu
#define MAX_BEHIND        0xffffu
#define MAX_RUN           0xffffu
#define MAX_SEGMENTS      4096u
#define RANDOM_MULTIPLIER 6364136223846793005u
#define RANDOM_INCREMENT  1442695040888963407u
#define POLL_BATCH        16u
#define SEED_NEVER        0u         /* of a block that was not written */
#define SEED_UNKNOWN      UINT64_MAX /* of one whose last write failed: it may hold anything */

/* A write in flight, or none. */
struct slot {
    struct vst_block_request request; /* first, so that what poll returns leads back here */
    struct vst_cache_request cached;  /* the same for a cache */
    struct vst_block_segment *segments;
    uint8_t *data;
    uint64_t block, seed;
    uint32_t number; /* of the write */
    bool busy;
};

/* One job: on a CPU and a queue of its own, in a part of the area of its own. */
struct writer {
    const struct shell_context *context;
    const struct job *job;
    struct vst_block_queue *queue;
    struct vst_cache *cache; /* NULL: the device itself */
    void *cache_memory;
    unsigned index;
    bool *stop;      /* shared by all jobs, atomic */
    uint64_t *seeds; /* of every block of the whole area, by what was written last */
    uint64_t first_block, n_blocks, place;
    struct slot *slots;
    struct vst_block_segment *segments; /* of all slots */
    struct vst_block_request **done;
    void *memory;
    struct vst_block_request flush;
    struct vst_cache_request cached_flush;
    bool flushing;
    uint32_t number, durable; /* of the last write issued; all up to this one are durable */
    uint32_t covered;         /* as many will be when the flush in flight has ended */
    uint64_t n_unflushed;     /* writes issued since the last flush */
    uint64_t n_remaining, n_in_flight, n_writes, n_flushes;
    uint64_t start_ns, end_ns, moved_ns, look_ns;
    bool interrupted;
    uint64_t n_errors, error_bytes; /* the offset of the first */
    enum vst_status error;
};

static uint64_t now_ns(const struct writer *writer)
{
    const struct vst_platform *platform = writer->context->host->platform;

    return platform->time_ns(platform->ctx);
}

/* ---------------------------------------------------------------- writing */

static void note_error(struct writer *writer, enum vst_status status, uint64_t sector)
{
    if (writer->n_errors++ > 0)
        return;
    writer->error = status;
    writer->error_bytes = sector * VST_SECTOR_BYTES;
}

/* The number of the oldest write in flight; of the next one if there is none. */
static uint32_t oldest_in_flight(const struct writer *writer)
{
    uint32_t oldest = writer->number + 1;

    for (uint64_t i = 0; i < writer->job->depth; i++)
        if (writer->slots[i].busy && writer->slots[i].number < oldest)
            oldest = writer->slots[i].number;
    return oldest;
}

static bool is_in_flight(const struct writer *writer, uint64_t block)
{
    for (uint64_t i = 0; i < writer->job->depth; i++)
        if (writer->slots[i].busy && writer->slots[i].block == block)
            return true;
    return false;
}

/* One that is not being written: of two writes at once either might be the last. */
static uint64_t next_block(struct writer *writer)
{
    uint64_t block = writer->place;

    if (writer->job->random) {
        writer->place = writer->place * RANDOM_MULTIPLIER + RANDOM_INCREMENT;
        block = (uint64_t)((unsigned __int128)writer->place * writer->n_blocks >> 64);
    }
    while (is_in_flight(writer, writer->first_block + block))
        block = (block + 1) % writer->n_blocks;
    if (!writer->job->random)
        writer->place = (block + 1) % writer->n_blocks;
    return writer->first_block + block;
}

static uint64_t seed_of(const struct writer *writer, uint32_t number)
{
    uint32_t behind = number - writer->durable;

    if (behind > MAX_BEHIND)
        behind = MAX_BEHIND;
    return writer->job->seed << 48 | (uint64_t)behind << 32 | number;
}

/* Makes the slot the next write. */
static void prepare(struct writer *writer, struct slot *slot)
{
    const struct job *job = writer->job;
    uint64_t sectors = job->block_bytes / VST_SECTOR_BYTES;

    slot->block = next_block(writer);
    slot->number = writer->number + 1;
    slot->seed = seed_of(writer, slot->number);
    uint64_t offset = job->offset + slot->block * job->block_bytes;
    pattern_fill(slot->seed, offset, slot->data, (size_t)job->block_bytes);
    slot->request = (struct vst_block_request){
        .op = job->sync ? VST_BLOCK_WRITE_DURABLE : VST_BLOCK_WRITE,
        .n_segments = (uint32_t)job->n_segments,
        .segments = slot->segments,
        .start_sector = shell_on_device(writer->context, offset) / VST_SECTOR_BYTES,
        .n_sectors = sectors,
    };
}

static enum vst_status submit_cached(struct writer *writer, struct vst_block_request *request)
{
    bool flush = request == &writer->flush;
    struct vst_cache_request *cached =
        flush ? &writer->cached_flush : &((struct slot *)request)->cached;

    *cached = (struct vst_cache_request){
        .op = request->op,
        .offset_bytes = request->start_sector * VST_SECTOR_BYTES,
        .buffer = flush ? NULL : request->segments->buffer,
        .bytes = request->n_sectors * VST_SECTOR_BYTES,
        .user = request,
    };
    return vst_cache_submit(writer->cache, cached);
}

/* What has ended, as if the device had done it. */
static size_t poll_cached(struct writer *writer)
{
    struct vst_cache_request *done[POLL_BATCH];
    size_t most = writer->job->depth + 1 < POLL_BATCH ? writer->job->depth + 1 : POLL_BATCH;
    size_t n = vst_cache_poll(writer->cache, done, most);

    for (size_t i = 0; i < n; i++) {
        writer->done[i] = done[i]->user;
        writer->done[i]->status = done[i]->status;
        writer->done[i]->error_sector = done[i]->error_offset / VST_SECTOR_BYTES;
    }
    return n;
}

/* True if it was accepted. What refuses it for good ends the job. */
static bool submit(struct writer *writer, struct vst_block_request *request)
{
    enum vst_status status = writer->cache != NULL ? submit_cached(writer, request)
                                                   : vst_block_submit(writer->queue, request);

    if (status == VST_OK) {
        writer->n_in_flight++;
    } else if (status != VST_ERR_FULL) {
        note_error(writer, status, request->start_sector);
        writer->n_remaining = 0;
    }
    return status == VST_OK;
}

static void issue_writes(struct writer *writer)
{
    const struct job *job = writer->job;

    for (uint64_t i = 0; i < job->depth && writer->n_remaining > 0; i++) {
        struct slot *slot = &writer->slots[i];
        if (slot->busy)
            continue;
        if (job->fsync > 0 && writer->n_unflushed >= job->fsync)
            return;
        uint64_t place = writer->place;
        prepare(writer, slot);
        if (!submit(writer, &slot->request)) {
            writer->place = place;
            return;
        }
        slot->busy = true;
        writer->number++;
        writer->n_unflushed++;
        writer->n_remaining--;
    }
}

/* After every fsync= writes, without waiting for them: it covers those that have ended. */
static void issue_flush(struct writer *writer)
{
    if (writer->job->fsync == 0 || writer->flushing || writer->n_unflushed < writer->job->fsync)
        return;
    writer->flush = (struct vst_block_request){.op = VST_BLOCK_FLUSH};
    writer->covered = oldest_in_flight(writer) - 1;
    if (!submit(writer, &writer->flush))
        return;
    writer->flushing = true;
    writer->n_unflushed = 0;
}

static void end_flush(struct writer *writer)
{
    writer->flushing = false;
    if (writer->flush.status == VST_OK) {
        writer->durable = writer->covered;
        writer->n_flushes++;
    } else {
        note_error(writer, writer->flush.status, 0);
    }
}

static void end_write(struct writer *writer, struct slot *slot)
{
    bool ok = slot->request.status == VST_OK;

    slot->busy = false;
    writer->n_writes++;
    writer->seeds[slot->block] = ok ? slot->seed : SEED_UNKNOWN;
    if (!ok)
        note_error(writer, slot->request.status, slot->request.error_sector);
}

static void collect(struct writer *writer)
{
    const struct vst_platform *platform = writer->context->host->platform;
    const struct vst_block_device *device = writer->queue->device;
    size_t n = writer->cache != NULL
                   ? poll_cached(writer)
                   : vst_block_poll(writer->queue, writer->done, writer->job->depth + 1);

    for (size_t i = 0; i < n; i++) {
        if (writer->done[i] == &writer->flush)
            end_flush(writer);
        else
            end_write(writer, (struct slot *)writer->done[i]);
    }
    writer->n_in_flight -= n;
    if (n == 0) {
        platform->relax(platform->ctx);
        return;
    }
    writer->moved_ns = now_ns(writer);
    if (writer->job->sync || (!device->write_cache && writer->cache == NULL))
        writer->durable = oldest_in_flight(writer) - 1;
}

/* Some ten times a second: whether time is over, somebody pressed Ctrl-C, or nothing moves although
 * nothing is in flight. */
static void look_around(struct writer *writer)
{
    uint64_t now = now_ns(writer);

    if (now < writer->look_ns)
        return;
    writer->look_ns = now + LOOK_NS;
    if (writer->index == 0 && console_interrupted(writer->context->host))
        __atomic_store_n(writer->stop, true, __ATOMIC_RELAXED);
    writer->interrupted = __atomic_load_n(writer->stop, __ATOMIC_RELAXED);
    if (writer->n_in_flight == 0 && writer->n_remaining > 0 &&
        now - writer->moved_ns > PATIENCE_NS) {
        note_error(writer, VST_ERR_FULL, 0);
        writer->n_remaining = 0;
    }
    if (writer->interrupted || now - writer->start_ns >= writer->job->runtime_ns)
        writer->n_remaining = 0;
}

static void write_all(void *argument)
{
    struct writer *writer = argument;

    writer->start_ns = writer->moved_ns = now_ns(writer);
    do {
        issue_writes(writer);
        issue_flush(writer);
        if (writer->cache != NULL)
            vst_cache_kick(writer->cache);
        else
            vst_block_kick(writer->queue);
        collect(writer);
        look_around(writer);
    } while (writer->n_in_flight > 0 || writer->n_remaining > 0);
    writer->end_ns = now_ns(writer);
    vst_block_rest(writer->queue);
}

/* ---------------------------------------------------------------- reading back */

struct reader {
    const struct job *job;
    const uint64_t *seeds;
    uint64_t n_verified;
    struct mismatch mismatch;
};

static bool check_chunk(void *user, uint64_t offset_bytes, uint8_t *data, size_t bytes)
{
    struct reader *reader = user;
    uint64_t block_bytes = reader->job->block_bytes;

    for (size_t done = 0, n; done < bytes; done += n) {
        uint64_t within = offset_bytes + done - reader->job->offset;
        uint64_t seed = reader->seeds[within / block_bytes];
        n = bytes - done;
        if (n > block_bytes - within % block_bytes)
            n = (size_t)(block_bytes - within % block_bytes);
        if (seed == SEED_NEVER || seed == SEED_UNKNOWN)
            continue;
        if (!mismatch_check(&reader->mismatch, seed, offset_bytes + done, data + done, n))
            return false;
        reader->n_verified += within % block_bytes + n == block_bytes;
    }
    return true;
}

static bool read_back(const struct shell_context *context, struct reader *reader)
{
    const struct job *job = reader->job;
    uint64_t bytes = job->bytes / job->block_bytes * job->block_bytes;

    switch (stream_read(context, job->offset, bytes, check_chunk, reader)) {
    case STREAM_DONE:
        return true;
    case STREAM_REFUSED:
        return mismatch_fail(context, &reader->mismatch);
    default:
        return false;
    }
}

/* The same block for block, into the pieces of memory that it was written from. */
static bool read_back_in_pieces(const struct shell_context *context, struct reader *reader,
                                struct slot *slot)
{
    const struct job *job = reader->job;

    for (uint64_t block = 0; block < job->bytes / job->block_bytes; block++) {
        uint64_t offset = job->offset + block * job->block_bytes;
        if (reader->seeds[block] == SEED_NEVER || reader->seeds[block] == SEED_UNKNOWN)
            continue;
        memset(slot->data, 0, (size_t)job->block_bytes);
        slot->request.op = VST_BLOCK_READ;
        slot->request.start_sector = shell_on_device(context, offset) / VST_SECTOR_BYTES;
        enum vst_status status = vst_block_execute(context->queue, &slot->request);
        if (status != VST_OK)
            return shell_fail_on_device(context, status,
                                        slot->request.error_sector * VST_SECTOR_BYTES);
        if (!check_chunk(reader, offset, slot->data, (size_t)job->block_bytes))
            return mismatch_fail(context, &reader->mismatch);
        if (console_interrupted(context->host))
            return shell_fail_interrupted(context);
    }
    reader->n_verified = 0; /* they are read once more */
    return true;
}

/* ---------------------------------------------------------------- all jobs */

/* As bench.c does it: job k on CPU k, the first here. False if a CPU takes no work. */
static bool run_all(struct writer *writers)
{
    const struct shell_host *host = writers[0].context->host;
    unsigned n = 1, n_jobs = (unsigned)writers[0].job->n_jobs;

    while (n < n_jobs && host->run_on(host->ctx, n, write_all, &writers[n]))
        n++;
    if (n == n_jobs)
        write_all(&writers[0]);
    else
        __atomic_store_n(writers[0].stop, true, __ATOMIC_RELAXED);
    for (unsigned k = 1; k < n; k++)
        while (!host->join(host->ctx, k))
            if (console_interrupted(host))
                __atomic_store_n(writers[0].stop, true, __ATOMIC_RELAXED);
    return n == n_jobs ||
           shell_fail(writers[0].context, VST_ERR_UNSUPPORTED, "CPU %u takes no work", n);
}

/* Cuts a slot's data in pieces of nearly one length: of any length and at any address. */
static void cut(const struct job *job, struct slot *slot)
{
    for (uint64_t i = 0; i < job->n_segments; i++) {
        uint64_t first = i * job->block_bytes / job->n_segments;
        uint64_t end = (i + 1) * job->block_bytes / job->n_segments;
        slot->segments[i] = (struct vst_block_segment){slot->data + first, (size_t)(end - first)};
    }
}

static bool allocate(struct writer *writer)
{
    const struct job *job = writer->job;

    writer->slots = calloc(job->depth, sizeof(*writer->slots));
    writer->segments = calloc(job->depth * job->n_segments, sizeof(*writer->segments));
    writer->done = calloc(job->depth + 1, sizeof(struct vst_block_request *));
    writer->memory = malloc((size_t)(job->depth * job->block_bytes) + BUFFER_ALIGN);
    if (writer->slots == NULL || writer->segments == NULL || writer->done == NULL ||
        writer->memory == NULL)
        return shell_fail(writer->context, VST_ERR_NO_MEMORY, "no memory for the requests");
    uint8_t *data = writer->memory;
    data += -(uintptr_t)data % BUFFER_ALIGN;
    for (uint64_t i = 0; i < job->depth; i++) {
        writer->slots[i].data = data + i * job->block_bytes;
        writer->slots[i].segments = writer->segments + i * job->n_segments;
        cut(job, &writer->slots[i]);
    }
    return true;
}

static void close_cache(struct writer *writer)
{
    enum vst_status status = VST_OK;

    if (writer->cache != NULL)
        status = caches_close(writer->queue, writer->cache);
    writer->cache = NULL;
    if (status != VST_OK)
        note_error(writer, status, 0);
}

static void release(struct writer *writer)
{
    close_cache(writer);
    free(writer->cache_memory);
    free(writer->memory);
    free(writer->done);
    free(writer->segments);
    free(writer->slots);
}

static void make_writer(struct writer *writer, unsigned index, const struct shell_context *context,
                        const struct job *job)
{
    uint64_t n_blocks = job->bytes / job->block_bytes / job->n_jobs;

    *writer = (struct writer){
        .context = context,
        .job = job,
        .queue = index == 0 ? context->queue : context->device->queues[index],
        .index = index,
        .first_block = index * n_blocks,
        .n_blocks = n_blocks,
        .place = job->random ? job->seed + index : 0,
        .n_remaining = job->n_ios < MAX_WRITES ? job->n_ios : MAX_WRITES,
    };
}

/* ---------------------------------------------------------------- telling */

/* Of all jobs; the error is the first job's that has one. */
static struct writer sum_up(const struct writer *writers)
{
    struct writer sum = writers[0];

    for (unsigned k = 1; k < writers[0].job->n_jobs; k++) {
        const struct writer *one = &writers[k];
        if (sum.n_errors == 0) {
            sum.error = one->error;
            sum.error_bytes = one->error_bytes;
        }
        sum.n_errors += one->n_errors;
        sum.n_writes += one->n_writes;
        sum.n_flushes += one->n_flushes;
        sum.interrupted |= one->interrupted;
        if (one->start_ns < sum.start_ns)
            sum.start_ns = one->start_ns;
        if (one->end_ns > sum.end_ns)
            sum.end_ns = one->end_ns;
    }
    return sum;
}

static void report(const struct writer *sum, const struct reader *reader)
{
    const struct job *job = sum->job;
    char a[SIZE_TEXT_BYTES], b[SIZE_TEXT_BYTES];
    struct json json;

    if (!sum->context->json) {
        printf("%s: rw=%s, bs=%s, iodepth=%" PRIu64 ", %" PRIu64 " writes and %" PRIu64
               " flushes in %s, errors %" PRIu64 "\n  %" PRIu64 " blocks read back and verified\n",
               sum->context->name, job->rw, size_text(job->block_bytes, a), job->depth,
               sum->n_writes, sum->n_flushes, duration_text(sum->end_ns - sum->start_ns, b),
               sum->n_errors, reader->n_verified);
        return;
    }
    shell_json_open(sum->context, &json);
    json_text(&json, "rw", job->rw);
    json_u64(&json, "bs", job->block_bytes);
    json_u64(&json, "iodepth", job->depth);
    json_u64(&json, "ios", sum->n_writes);
    json_u64(&json, "bytes", sum->n_writes * job->block_bytes);
    json_u64(&json, "flushes", sum->n_flushes);
    json_u64(&json, "errors", sum->n_errors);
    json_u64(&json, "ns", sum->end_ns - sum->start_ns);
    json_u64(&json, "numjobs", job->n_jobs);
    json_u64(&json, "verified", reader->n_verified);
    json_close(&json);
}

/* What could not be written is an error of the run. */
static bool write_and_read_back(const struct shell_context *context, struct writer *writers)
{
    const struct job *job = writers[0].job;
    struct reader reader = {.job = job, .seeds = writers[0].seeds};

    if (!run_all(writers))
        return false;
    close_cache(&writers[0]);
    struct writer sum = sum_up(writers);
    if (sum.interrupted)
        return shell_fail_interrupted(context);
    if (!context->device->broken && job->n_segments > 1 &&
        !read_back_in_pieces(context, &reader, &writers[0].slots[0]))
        return false;
    if (!context->device->broken && !read_back(context, &reader))
        return false;
    report(&sum, &reader);
    return sum.n_errors == 0 || shell_fail_on_device(context, sum.error, sum.error_bytes);
}

bool bench_verify(const struct shell_context *context, const struct job *job)
{
    uint64_t *seeds = calloc(job->bytes / job->block_bytes, sizeof(*seeds));
    struct writer *writers = calloc(job->n_jobs, sizeof(*writers));
    bool stop = false, ok = seeds != NULL && writers != NULL;

    if (!ok)
        shell_fail(context, VST_ERR_NO_MEMORY, "no memory: %" PRIu64 " bytes needed; see size=",
                   (uint64_t)(job->bytes / job->block_bytes * sizeof(*seeds)));
    for (unsigned k = 0; k < job->n_jobs && ok; k++) {
        make_writer(&writers[k], k, context, job);
        writers[k].stop = &stop;
        writers[k].seeds = seeds;
        ok = allocate(&writers[k]);
    }
    if (ok && job->cache_bytes > 0) {
        writers[0].cache = bench_cache_open(context, job, &writers[0].cache_memory);
        ok = writers[0].cache != NULL;
    }
    ok = ok && write_and_read_back(context, writers);
    for (unsigned k = 0; k < job->n_jobs && writers != NULL; k++)
        release(&writers[k]);
    free(writers);
    free(seeds);
    return ok;
}

/* ---------------------------------------------------------------- what was asked for */

bool bench_verify_check(const struct shell_context *context, const struct job *job)
{
    uint64_t n_blocks = job->bytes / job->block_bytes / job->n_jobs;

    if (!job->write || job->mixed)
        return shell_fail_usage(context, "verify=1 needs rw=write or rw=randwrite");
    if (job->max_block_bytes != job->block_bytes)
        return shell_fail_usage(context, "verify=1 needs blocks of one size");
    if (job->seed > MAX_RUN)
        return shell_fail_usage(context, "with verify=1 seed= is at most %u", MAX_RUN);
    if (job->n_segments < 1 || job->n_segments > MAX_SEGMENTS || job->n_segments > job->block_bytes)
        return shell_fail_usage(context,
                                "segments= is between 1 and %u, and at most bs=", MAX_SEGMENTS);
    if (n_blocks < job->depth)
        return shell_fail_usage(context,
                                "verify=1 needs a block for each I/O in flight, but there are "
                                "%" PRIu64 " for iodepth=%" PRIu64,
                                n_blocks, job->depth);
    return true;
}
