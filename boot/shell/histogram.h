/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Latencies of any size counted in 1888 buckets: exact below 32, above that 32 buckets to each
 * doubling of value + 32, so that a value read back is off by 3 % at most. Recording is a handful of
 * instructions.
 */
#ifndef VSTOR_SHELL_HISTOGRAM_H
#define VSTOR_SHELL_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_SUB_BITS  5u
#define HISTOGRAM_N_BUCKETS ((64u - HISTOGRAM_SUB_BITS) << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_MAX       (UINT64_MAX - (1u << HISTOGRAM_SUB_BITS))

struct histogram {
    uint64_t sum;
    uint64_t buckets[HISTOGRAM_N_BUCKETS];
};

/** Of a value up to HISTOGRAM_MAX. */
static inline __attribute__((always_inline)) size_t histogram_bucket(uint64_t value)
{
    /* With the first row's size added there are no small values to be treated apart. */
    uint64_t in_row = value + (1u << HISTOGRAM_SUB_BITS);
    unsigned highest_bit = (unsigned)__builtin_clzll(in_row) ^ 63u;
    unsigned row = highest_bit - HISTOGRAM_SUB_BITS;

    return ((size_t)row << HISTOGRAM_SUB_BITS) + (in_row >> row) - (1u << HISTOGRAM_SUB_BITS);
}

/** Counts a value whose part of `sum` the caller sees to. */
static inline __attribute__((always_inline)) void histogram_count(struct histogram *histogram,
                                                                  uint64_t value)
{
    histogram->buckets[histogram_bucket(value)]++;
}

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->sum += value;
    histogram_count(histogram, value);
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
