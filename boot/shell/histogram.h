/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Latencies of any size counted in 1920 buckets: exact below 64, above that 32 buckets to each
 * power of two, so that a value read back is off by 3 % at most. Recording is a handful of
 * instructions.
 */
#ifndef VSTOR_SHELL_HISTOGRAM_H
#define VSTOR_SHELL_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_SUB_BITS  5u
#define HISTOGRAM_N_BUCKETS ((64u - HISTOGRAM_SUB_BITS + 1u) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t sum;
    uint64_t buckets[HISTOGRAM_N_BUCKETS];
};

static inline __attribute__((always_inline)) uint64_t histogram_bucket(uint64_t value)
{
    /* The or makes small values share the first power of two, without a branch. */
    uint64_t highest_bit = (uint64_t)__builtin_clzll(value | 1u << HISTOGRAM_SUB_BITS) ^ 63u;
    uint64_t shift = highest_bit - HISTOGRAM_SUB_BITS;

    return (shift << HISTOGRAM_SUB_BITS) + (value >> shift);
}

static inline __attribute__((always_inline)) void histogram_add(struct histogram *histogram,
                                                                uint64_t value)
{
    histogram->sum += value;
    histogram->buckets[histogram_bucket(value)]++;
}

/** Smallest and largest value that falls into a bucket. */
uint64_t histogram_bucket_low(unsigned bucket);
uint64_t histogram_bucket_high(unsigned bucket);

/** All 0 for an empty histogram. A percentile is the upper end of the bucket it falls into. */
struct histogram_summary {
    uint64_t n, min, mean, p50, p99, p999, max;
};
struct histogram_summary histogram_summarise(const struct histogram *histogram);

#endif
