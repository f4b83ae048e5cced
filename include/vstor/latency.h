/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vstor/latency.h: how long the requests of a queue take.
 *
 *     static struct vst_block_latency latency;               (per queue; the caller's memory)
 *     vst_block_latency_start(queue, &latency);
 *     ... requests ...
 *     vst_latency_summarise(&latency.kinds[VST_LATENCY_READ]).p99_ns
 *     vst_block_latency_stop(queue);
 *
 * While it is off it costs nothing: turning it on puts another driver table in the queue's place.
 * While it is on the clock is read once for the submits of a batch (those before a kick), once for a
 * poll that returns something, and each request costs a few instructions more.
 *
 * The time of a request is from the first submit of its batch to the poll that returns it, of one
 * that is split from its first part on; recoveries are included. Counted are those that end well; not zone appends, nor
 * flushes for which there was nothing to do.
 */
#ifndef VSTOR_LATENCY_H
#define VSTOR_LATENCY_H

#include <vstor/block.h>

VST_BEGIN_C

/** Operations that are counted apart. */
enum vst_latency_kind {
    VST_LATENCY_READ,
    VST_LATENCY_WRITE, /**< durable ones, too */
    VST_LATENCY_FLUSH,
    VST_LATENCY_OTHER, /**< discards, zeroes, erasures, commands to zones */
    VST_LATENCY_N_KINDS
};

/** Each doubling is divided into 8: a value read back is at most 12.5 % too large. */
#define VST_LATENCY_SUB_BITS  3u
#define VST_LATENCY_N_BUCKETS 304u /**< the last one holds what took more than 18 minutes */

/** Written by the queue's CPU alone; others may read while it is at work. */
struct vst_latency_histogram {
    uint64_t sum_ns;
    uint64_t buckets[VST_LATENCY_N_BUCKETS];
};

/** What is needed for one queue, 10 KiB; the caller's, who reads `kinds` only. */
struct vst_block_latency {
    struct vst_latency_histogram kinds[VST_LATENCY_N_KINDS];
    uint64_t since_ns, batch_ns;
    bool in_batch;
    /** The queue's driver, plain and traced, and what stands in its place. */
    struct vst_block_latency_side {
        struct vst_block_driver table;
        const struct vst_block_driver *inner;
    } sides[2];
};

/**
 * Counts from now on, from zero, into *latency, which then belongs to the queue. Requests in flight
 * are left out. From any CPU, not while vst_trace_set runs; a queue at work follows with its next call.
 */
void vst_block_latency_start(struct vst_block_queue *queue, struct vst_block_latency *latency);

/**
 * Counts no longer. *latency is the caller's again once the call of the queue's CPU that was under
 * way, if one was, has returned; what was counted stays. Does nothing if nothing is counted.
 */
void vst_block_latency_stop(struct vst_block_queue *queue);

/** What is counted for the queue, NULL while nothing is. */
const struct vst_block_latency *vst_block_latency_of(const struct vst_block_queue *queue);

/** Smallest and largest time that a bucket stands for. */
uint64_t vst_latency_low_ns(unsigned bucket);
/** See vst_latency_low_ns. */
uint64_t vst_latency_high_ns(unsigned bucket);

/** Adds what was counted in `from` to *to: the queues of a device, say. */
void vst_latency_add(struct vst_latency_histogram *to, const struct vst_latency_histogram *from);

/** All 0 if nothing was counted. A percentile is the upper end of the bucket it falls into. */
struct vst_latency_summary {
    uint64_t n, min_ns, mean_ns, p50_ns, p99_ns, p999_ns, max_ns;
};
/** See struct vst_latency_summary. */
struct vst_latency_summary vst_latency_summarise(const struct vst_latency_histogram *histogram);

/** "read", "write", "flush", "other". */
const char *vst_latency_kind_name(enum vst_latency_kind kind);

VST_END_C

#endif
