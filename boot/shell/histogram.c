/* SPDX-License-Identifier: BSD-2-Clause */
#include "histogram.h"

#define SUB_BUCKETS (1u << HISTOGRAM_SUB_BITS)

uint64_t histogram_bucket_low(unsigned bucket)
{
    return ((uint64_t)(bucket % SUB_BUCKETS + SUB_BUCKETS) << bucket / SUB_BUCKETS) - SUB_BUCKETS;
}

uint64_t histogram_bucket_high(unsigned bucket)
{
    return histogram_bucket_low(bucket) + (((uint64_t)1 << bucket / SUB_BUCKETS) - 1);
}

/* Upper end of the bucket that holds the value of this rank, counted from 1. */
static uint64_t value_of_rank(const struct histogram *histogram, uint64_t rank)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < HISTOGRAM_N_BUCKETS; i++) {
        n += histogram->buckets[i];
        if (n >= rank)
            return histogram_bucket_high(i);
    }
    return 0;
}

struct histogram_summary histogram_summarise(const struct histogram *histogram)
{
    struct histogram_summary summary = {0};
    unsigned first = HISTOGRAM_N_BUCKETS;

    for (unsigned i = 0; i < HISTOGRAM_N_BUCKETS; i++) {
        summary.n += histogram->buckets[i];
        if (histogram->buckets[i] > 0 && first == HISTOGRAM_N_BUCKETS)
            first = i;
    }
    if (summary.n == 0)
        return summary;
    summary.min = histogram_bucket_low(first);
    summary.mean = histogram->sum / summary.n;
    summary.p50 = value_of_rank(histogram, (summary.n + 1) / 2);
    summary.p99 = value_of_rank(histogram, summary.n - summary.n / 100);
    summary.p999 = value_of_rank(histogram, summary.n - summary.n / 1000);
    summary.max = value_of_rank(histogram, summary.n);
    return summary;
}
