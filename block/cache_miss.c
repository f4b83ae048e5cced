/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The short way of a miss: a blocking read of bytes in one line, of no stream, that nobody has, with
 * nothing else under way. It takes no slot and is no machine. Where anything is otherwise, or goes
 * wrong, the long way has its turn, which knows all cases.
 *
 * To keep a line costs a place, and a copy or the memory for one. That is lost on reads that never
 * come back: if over as many misses as there are lines less than one in 32 of them was of use again,
 * only one in 16 is kept for a while, and others go straight to the reader. Of those that are kept it is
 * seen whether that was right; and now and then all are kept again, for the same number of misses.
 */
#include "block/cache.h"
#include "block/request_list.h"

#define LEAST_PERIOD  256u
#define USES_IN       32u
#define KEPT_IN       16u /* a power of two */
#define FIRST_PAUSE   4u
#define LONGEST_PAUSE 16u

/* ------------------------------------------------------------------ what is worth keeping */

/* A period is over. Hits in streams count as use: what goes through the cache among those is kept. */
static __attribute__((noinline)) void judge(struct vst_cache *cache)
{
    struct cache_admission *admission = &cache->admission;
    uint64_t n_uses = cache->stats.hits + cache->stats.reused;
    bool full = cache->n_in_list[CACHE_FREE] == 0;
    bool of_use = (n_uses - admission->n_uses) * USES_IN >= admission->period;

    if (of_use || !full || !admission->full) {
        admission->skip_mask = 0;
        admission->pause = FIRST_PAUSE;
    } else if (admission->skip_mask == 0) {
        admission->skip_mask = KEPT_IN - 1;
        admission->n_periods = admission->pause;
        admission->pause = vst_min_u32(2 * admission->pause, LONGEST_PAUSE);
    } else if (--admission->n_periods == 0) {
        admission->skip_mask = 0;
    }
    admission->full = full;
    admission->n_uses = n_uses;
    admission->left = admission->period;
}

static inline bool is_admitted(struct vst_cache *cache)
{
    struct cache_admission *admission = &cache->admission;

    if (VST_UNLIKELY(--admission->left == 0))
        judge(cache);
    return (admission->left & admission->skip_mask) == 0;
}

void vst_cache_admission_init(struct vst_cache *cache)
{
    uint32_t period = cache->n_lines > LEAST_PERIOD ? cache->n_lines : LEAST_PERIOD;

    cache->admission =
        (struct cache_admission){.period = period, .left = period, .pause = FIRST_PAUSE};
}

/* ------------------------------------------------------------------ reading */

/* Whole lines, one at a time: only where from and where to differ. */
void vst_cache_single_init(struct vst_cache *cache)
{
    struct cache_single *single = &cache->single;

    single->segment.bytes = (size_t)cache->line_mask + 1;
    single->request = (struct vst_block_request){
        .op = VST_BLOCK_READ,
        .n_segments = 1,
        .segments = &single->segment,
        .n_sectors = single->segment.bytes >> VST_SECTOR_SHIFT,
    };
}

/* Until the request has ended. What ends for others is given back. */
static inline __attribute__((always_inline)) void await(struct vst_cache *cache,
                                                        struct vst_block_request *request)
{
    struct vst_block_request_list others = {0};
    struct vst_block_request *done = NULL;

    for (;;) {
        cache_wait(cache);
        size_t n = vst_block_poll(cache->queue, &done, 1);
        if (VST_LIKELY(n > 0 && done == request))
            break;
        if (n > 0)
            request_list_append(&others, done);
    }
    if (VST_UNLIKELY(others.first != NULL))
        vst_cache_give_back(cache, &others);
}

/* False if the device did not take the request, or failed it. */
static inline __attribute__((always_inline)) bool read_line(struct vst_cache *cache,
                                                            uint64_t number, void *data)
{
    struct cache_single *single = &cache->single;
    struct vst_cache_stats *stats = &cache->stats;

    single->segment.buffer = data;
    single->request.start_sector = number << (cache->line_shift - VST_SECTOR_SHIFT);
    if (VST_UNLIKELY(vst_block_submit(cache->queue, &single->request) != VST_OK))
        return false;
    vst_block_kick(cache->queue);
    await(cache, &single->request);
    vst_block_rest(cache->queue);
    stats->reads++;
    stats->read_lines++;
    stats->in_flight_sum++;
    if (VST_UNLIKELY(stats->max_in_flight == 0))
        stats->max_in_flight = 1;
    if (VST_LIKELY(single->request.status == VST_OK))
        return true;
    stats->read_errors++;
    return false;
}

static __attribute__((noinline)) bool read_and_keep(struct vst_cache *cache, uint64_t number,
                                                    size_t in_line, void *buffer, size_t bytes)
{
    struct cache_line *line = vst_cache_line_new(cache, number);

    if (line == NULL)
        return false;
    if (cache->n_streams > 0)
        vst_cache_age_streams(cache);
    line->flags = CACHE_FILLING;
    bool good = read_line(cache, number, cache_data(cache, line));
    line->flags = 0;
    if (!good) {
        vst_cache_line_drop(cache, line);
        return false;
    }
    line->valid = cache->whole;
    line->referenced = 1;
    __builtin_memcpy(buffer, cache_data(cache, line) + in_line, bytes);
    return true;
}

static inline bool read_past(struct vst_cache *cache, uint64_t number, void *buffer)
{
    bool good = read_line(cache, number, buffer);

    cache->stats.straight_lines += good;
    return good;
}

/* Nothing else is under way that this could meet, and all of the line is on the device. */
static inline bool is_alone(const struct vst_cache *cache, uint64_t number)
{
    return (cache->n_in_flight | (uintptr_t)cache->waiting) == 0 && number + 1 < cache->end_line &&
           cache_is_current(cache);
}

enum vst_status vst_cache_miss(struct vst_cache *cache, uint64_t offset_bytes, void *buffer,
                               size_t bytes, uint64_t *error_offset, const struct cache_line *found)
{
    uint64_t number = offset_bytes >> cache->line_shift;
    size_t in_line = offset_bytes & cache->line_mask;
    bool remembered = found != cache->lines;
    bool good;

    if (VST_UNLIKELY((remembered && found->list != CACHE_GHOST) ||
                     bytes - 1 > cache->line_mask - in_line || !is_alone(cache, number) ||
                     cache_is_in_stream(cache, number)))
        return vst_cache_read_long(cache, offset_bytes, buffer, bytes, error_offset);
    cache_expect(cache, number + 1);
    if (!is_admitted(cache) && bytes > cache->line_mask && !remembered)
        good = read_past(cache, number, buffer);
    else
        good = read_and_keep(cache, number, in_line, buffer, bytes);
    if (VST_UNLIKELY(!good))
        return vst_cache_read_long(cache, offset_bytes, buffer, bytes, error_offset);
    cache->stats.misses++;
    return VST_OK;
}
