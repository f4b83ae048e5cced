/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which lines the cache keeps: 2Q. A line comes into the queue FIRST, a plain FIFO. What falls out of
 * it leaves its number behind, a ghost; a line that comes while its ghost is there goes among the
 * FREQUENT ones, where the hand of a clock passes over what has been used since it last did.
 */
#include "block/cache.h"

#define NO_NUMBER UINT64_MAX /* of an entry that is not in the hash */

/* Entries looked at for a victim while requests are in flight: one of them may bring a better one. */
#define MAX_LOOKS 16u

/* ------------------------------------------------------------------ lists */

static uint32_t index_of(const struct vst_cache *cache, const struct cache_line *line)
{
    return (uint32_t)(line - cache->lines);
}

static void unlink_line(struct vst_cache *cache, struct cache_line *line)
{
    cache->lines[line->previous].next = line->next;
    cache->lines[line->next].previous = line->previous;
    cache->n_in_list[line->list]--;
}

/* Behind `before`: the list's head makes it the newest, the head's previous the oldest. */
static void link_behind(struct vst_cache *cache, struct cache_line *line, enum cache_list list,
                        uint32_t before)
{
    uint32_t i = index_of(cache, line);

    line->list = (uint8_t)list;
    line->previous = before;
    line->next = cache->lines[before].next;
    cache->lines[line->next].previous = i;
    cache->lines[before].next = i;
    cache->n_in_list[list]++;
}

static void link_newest(struct vst_cache *cache, struct cache_line *line, enum cache_list list)
{
    link_behind(cache, line, list, list);
}

static void link_oldest(struct vst_cache *cache, struct cache_line *line, enum cache_list list)
{
    link_behind(cache, line, list, cache->lines[list].previous);
}

static void make_newest(struct vst_cache *cache, struct cache_line *line, enum cache_list list)
{
    unlink_line(cache, line);
    link_newest(cache, line, list);
}

static struct cache_line *oldest(struct vst_cache *cache, enum cache_list list)
{
    return &cache->lines[cache->lines[list].previous];
}

/* ------------------------------------------------------------------ hash */

static uint32_t *bucket_of(struct vst_cache *cache, uint64_t number)
{
    return &cache->buckets[(number * 0x9E3779B97F4A7C15u) >> cache->hash_shift];
}

static void hash_in(struct vst_cache *cache, struct cache_line *line, uint64_t number)
{
    uint32_t *bucket = bucket_of(cache, number);

    line->number = number;
    line->hash_next = *bucket;
    *bucket = index_of(cache, line);
}

static void hash_out(struct vst_cache *cache, struct cache_line *line)
{
    uint32_t i = index_of(cache, line);

    if (line->number == NO_NUMBER)
        return;
    uint32_t *link = bucket_of(cache, line->number);
    while (*link != i)
        link = &cache->lines[*link].hash_next;
    *link = line->hash_next;
    line->number = NO_NUMBER;
}

void vst_cache_lines_init(struct vst_cache *cache)
{
    for (uint32_t i = 0; i < cache->n_buckets; i++)
        cache->buckets[i] = CACHE_NONE;
    for (uint32_t i = 0; i < CACHE_N_LISTS; i++)
        cache->lines[i] = (struct cache_line){.number = NO_NUMBER, .previous = i, .next = i};
    for (uint32_t i = 0; i < cache->n_lines + cache->n_ghosts; i++) {
        struct cache_line *line = &cache->lines[CACHE_N_LISTS + i];
        *line = (struct cache_line){.number = NO_NUMBER, .frame = i};
        /* The first frame is the first to be taken, so that neighbours in memory stay together. */
        link_newest(cache, line, i < cache->n_lines ? CACHE_FREE : CACHE_GHOST);
    }
}

/* ------------------------------------------------------------------ making room */

static bool is_bound(const struct cache_line *line)
{
    return (line->flags & (CACHE_FILLING | CACHE_WRITING)) != 0 || line->dirty != 0;
}

static uint32_t most_looks(const struct vst_cache *cache, enum cache_list list)
{
    uint32_t n = cache->n_in_list[list];

    return cache->n_in_flight > 0 && n > MAX_LOOKS ? MAX_LOOKS : n;
}

static __attribute__((noinline)) struct cache_line *search_first(struct vst_cache *cache)
{
    for (uint32_t looks = most_looks(cache, CACHE_FIRST); looks > 0; looks--) {
        struct cache_line *line = oldest(cache, CACHE_FIRST);
        if (!is_bound(line))
            return line;
        make_newest(cache, line, CACHE_FIRST);
    }
    return NULL;
}

static inline struct cache_line *victim_first(struct vst_cache *cache)
{
    struct cache_line *line = oldest(cache, CACHE_FIRST);

    return VST_LIKELY(!is_bound(line) && line->list == CACHE_FIRST) ? line : search_first(cache);
}

static struct cache_line *victim_frequent(struct vst_cache *cache)
{
    for (uint32_t looks = 2 * most_looks(cache, CACHE_FREQUENT); looks > 0; looks--) {
        struct cache_line *line = oldest(cache, CACHE_FREQUENT);
        if (!is_bound(line) && line->referenced == 0)
            return line;
        line->referenced = 0;
        make_newest(cache, line, CACHE_FREQUENT);
    }
    return NULL;
}

/* Lines that were read ahead leave before anybody has read them: streams are too many or too long. */
static void note_unread(struct vst_cache *cache)
{
    cache->stats.ahead_unread++;
    cache->window -= cache->window / 16;
    if (cache->window < cache->chunk_lines)
        cache->window = cache->chunk_lines;
}

static void note_eviction(struct vst_cache *cache, struct cache_line *line)
{
    cache->stats.evicted++;
    if (VST_UNLIKELY(line->referenced == 0 && line->list == CACHE_FIRST))
        note_unread(cache);
    if (VST_UNLIKELY((line->flags & CACHE_UNFLUSHED) != 0)) {
        vst_cache_set_flushed(cache, line);
        cache->n_unflushed_gone++;
    }
}

static struct cache_line *choose_victim(struct vst_cache *cache)
{
    struct cache_line *line = NULL;
    bool first =
        cache->n_in_list[CACHE_FIRST] > cache->max_first || cache->n_in_list[CACHE_FREQUENT] == 0;

    if (cache->n_in_list[CACHE_FREE] > 0)
        return oldest(cache, CACHE_FREE);
    line = first ? victim_first(cache) : victim_frequent(cache);
    if (line == NULL)
        line = first ? victim_frequent(cache) : victim_first(cache);
    if (line != NULL)
        note_eviction(cache, line);
    return line;
}

static void clear(struct cache_line *line, uint32_t frame)
{
    line->frame = frame;
    line->valid = line->dirty = line->flags = line->referenced = 0;
}

/**
 * The oldest line of FIRST becomes the newest ghost, and stays in the hash; the entry of the oldest
 * ghost becomes the newest line of FIRST, with its frame. Both at once, for streams do little else: the
 * length of neither list changes.
 */
static inline struct cache_line *turn_round(struct vst_cache *cache, struct cache_line *victim,
                                            uint64_t number)
{
    struct cache_line *lines = cache->lines;
    struct cache_line *firsts = &lines[CACHE_FIRST], *ghosts = &lines[CACHE_GHOST];
    uint32_t v = index_of(cache, victim), g = ghosts->previous;
    struct cache_line *line = &lines[g];

    hash_out(cache, line);
    firsts->previous = victim->previous;
    lines[victim->previous].next = CACHE_FIRST;
    ghosts->previous = line->previous;
    lines[line->previous].next = CACHE_GHOST;
    line->previous = CACHE_FIRST;
    line->next = firsts->next;
    lines[firsts->next].previous = g;
    firsts->next = g;
    victim->previous = CACHE_GHOST;
    victim->next = ghosts->next;
    lines[ghosts->next].previous = v;
    ghosts->next = v;
    line->list = CACHE_FIRST;
    line->frame = victim->frame;
    victim->valid = victim->dirty = victim->flags = victim->referenced = 0;
    victim->list = CACHE_GHOST;
    hash_in(cache, line, number);
    return line;
}

/** The victim's frame for a line whose number is remembered, in `ghost`. */
static struct cache_line *revive(struct vst_cache *cache, struct cache_line *victim,
                                 struct cache_line *ghost)
{
    uint32_t frame = victim->frame;
    bool remember = victim->list == CACHE_FIRST;

    unlink_line(cache, victim);
    clear(victim, frame);
    if (remember) {
        link_newest(cache, victim, CACHE_GHOST);
    } else {
        hash_out(cache, victim);
        link_oldest(cache, victim, CACHE_GHOST);
    }
    unlink_line(cache, ghost);
    ghost->frame = frame;
    link_newest(cache, ghost, CACHE_FREQUENT);
    cache->stats.reused++;
    return ghost;
}

static __attribute__((noinline)) struct cache_line *
make_line(struct vst_cache *cache, uint64_t number, struct cache_line *ghost)
{
    struct cache_line *victim = choose_victim(cache);

    if (victim == NULL)
        return NULL;
    if (ghost != NULL)
        return revive(cache, victim, ghost);
    if (victim->list == CACHE_FIRST)
        return turn_round(cache, victim, number);
    unlink_line(cache, victim);
    hash_out(cache, victim);
    hash_in(cache, victim, number);
    clear(victim, victim->frame);
    link_newest(cache, victim, CACHE_FIRST);
    return victim;
}

struct cache_line *vst_cache_line_new(struct vst_cache *cache, uint64_t number)
{
    uint32_t found = cache_find(cache, number);
    struct cache_line *victim = oldest(cache, CACHE_FIRST);

    if (VST_UNLIKELY(found != CACHE_NONE)) {
        struct cache_line *ghost = &cache->lines[found];
        return ghost->list == CACHE_GHOST ? make_line(cache, number, ghost) : NULL;
    }
    /* What a stream comes to in the end: its oldest line makes room for the next. */
    if (VST_UNLIKELY(cache->n_in_list[CACHE_FREE] > 0 || is_bound(victim) ||
                     cache->n_in_list[CACHE_FIRST] <= cache->max_first ||
                     (victim->flags & CACHE_UNFLUSHED) != 0 || victim->referenced == 0))
        return make_line(cache, number, NULL);
    cache->stats.evicted++;
    return turn_round(cache, victim, number);
}

struct cache_line *vst_cache_line_for(struct vst_cache *cache, uint64_t number)
{
    struct cache_line *line = vst_cache_line_at(cache, number);

    return line != NULL ? line : vst_cache_line_new(cache, number);
}

struct cache_line *vst_cache_line_at(struct vst_cache *cache, uint64_t number)
{
    uint32_t found = cache_find(cache, number);

    if (found == CACHE_NONE || cache->lines[found].list == CACHE_GHOST)
        return NULL;
    return &cache->lines[found];
}

void vst_cache_line_drop(struct vst_cache *cache, struct cache_line *line)
{
    vst_cache_set_clean(cache, line, line->dirty);
    vst_cache_set_flushed(cache, line);
    hash_out(cache, line);
    clear(line, line->frame);
    unlink_line(cache, line);
    link_newest(cache, line, CACHE_FREE);
}

void vst_cache_line_doom(struct vst_cache *cache, struct cache_line *line)
{
    vst_cache_set_clean(cache, line, line->dirty);
    hash_out(cache, line);
    line->flags |= CACHE_DOOMED;
}
