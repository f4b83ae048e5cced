/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A set of addresses, kept as few sorted ranges that neither touch nor overlap. It describes RAM,
 * free pages and holes.
 */
#ifndef VSTOR_LOADER_RANGE_SET_H
#define VSTOR_LOADER_RANGE_SET_H

#include <vstor/types.h>

#define RANGE_SET_MAX 256u

struct range {
    uint64_t first;
    uint64_t end; /**< the first address behind it */
};

/** Start with all zero: the empty set. */
struct range_set {
    size_t n_ranges;
    struct range ranges[RANGE_SET_MAX];
};

/** Both do nothing if first >= end, and return false, without a change, if the set would need too
 * many ranges. */
bool range_set_add(struct range_set *set, uint64_t first, uint64_t end) VST_MUST_USE;
bool range_set_remove(struct range_set *set, uint64_t first, uint64_t end) VST_MUST_USE;

bool range_set_intersects(const struct range_set *set, uint64_t first, uint64_t end);

/** The longest range, the lowest of several; empty (0, 0) if there is none. */
struct range range_set_longest(const struct range_set *set);

uint64_t range_set_total(const struct range_set *set);

/** `value` rounded to a multiple of `unit`, a power of two; up saturates at the highest multiple.
 */
static inline uint64_t round_down(uint64_t value, uint64_t unit)
{
    return value & ~(unit - 1);
}
static inline uint64_t round_up(uint64_t value, uint64_t unit)
{
    return round_down(vst_add_saturated_u64(value, unit - 1), unit);
}

#endif
