/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "boot/loader/range_set.h"

/* Puts `n_new` ranges where `n_old` ranges from `index` on were. */
static bool replace(struct range_set *set, size_t index, size_t n_old, const struct range *fresh,
                    size_t n_new)
{
    size_t n_after = set->n_ranges - index - n_old;

    if (set->n_ranges - n_old + n_new > RANGE_SET_MAX)
        return false;
    memmove(set->ranges + index + n_new, set->ranges + index + n_old, n_after * sizeof(*fresh));
    memcpy(set->ranges + index, fresh, n_new * sizeof(*fresh));
    set->n_ranges = index + n_new + n_after;
    return true;
}

bool range_set_add(struct range_set *set, uint64_t first, uint64_t end)
{
    struct range merged = {first, end};
    size_t index = 0, n_merged = 0;

    if (first >= end)
        return true;
    while (index < set->n_ranges && set->ranges[index].end < first)
        index++;
    while (index + n_merged < set->n_ranges && set->ranges[index + n_merged].first <= end) {
        const struct range *old = &set->ranges[index + n_merged++];
        merged.first = old->first < merged.first ? old->first : merged.first;
        merged.end = old->end > merged.end ? old->end : merged.end;
    }
    return replace(set, index, n_merged, &merged, 1);
}

bool range_set_remove(struct range_set *set, uint64_t first, uint64_t end)
{
    struct range kept[2];
    size_t index = 0, n_cut = 0, n_kept = 0;

    if (first >= end)
        return true;
    while (index < set->n_ranges && set->ranges[index].end <= first)
        index++;
    while (index + n_cut < set->n_ranges && set->ranges[index + n_cut].first < end)
        n_cut++;
    if (n_cut == 0)
        return true;
    const struct range lowest = set->ranges[index], highest = set->ranges[index + n_cut - 1];
    if (lowest.first < first)
        kept[n_kept++] = (struct range){lowest.first, first};
    if (end < highest.end)
        kept[n_kept++] = (struct range){end, highest.end};
    return replace(set, index, n_cut, kept, n_kept);
}

bool range_set_intersects(const struct range_set *set, uint64_t first, uint64_t end)
{
    for (size_t i = 0; i < set->n_ranges; i++)
        if (set->ranges[i].first < end && first < set->ranges[i].end)
            return true;
    return false;
}

struct range range_set_longest(const struct range_set *set)
{
    struct range longest = {0, 0};

    for (size_t i = 0; i < set->n_ranges; i++)
        if (set->ranges[i].end - set->ranges[i].first > longest.end - longest.first)
            longest = set->ranges[i];
    return longest;
}

uint64_t range_set_total(const struct range_set *set)
{
    uint64_t total = 0;

    for (size_t i = 0; i < set->n_ranges; i++)
        total += set->ranges[i].end - set->ranges[i].first;
    return total;
}
