/* SPDX-License-Identifier: BSD-2-Clause */
/* The cache's memory, its opening and closing, and the calls that wait. */
#include "block/cache.h"
#include "block/zones.h"

#define LINE_BYTES   4096u
#define DATA_ALIGN   4096u
#define STRUCT_ALIGN 64u

/* Reading ahead: requests that what a stream may take is divided into, and lines that make a large one. */
#define LEAST_CHUNKS 7u
#define MOST_CHUNKS  11u
#define GOOD_CHUNK   34u /* the first ones of a stream are smaller */

static uint32_t clamp(uint32_t n, uint32_t least, uint32_t most)
{
    return n < least ? least : n > most ? most : n;
}

static uint32_t log2_of(uint64_t power)
{
    return (uint32_t)__builtin_ctzll(power);
}

/* ------------------------------------------------------------------ memory */

/* How the memory of a cache is divided: offsets from an aligned start, and how many of each. */
struct layout {
    uint32_t line_bytes, n_lines, n_ghosts, n_buckets, n_slots, slot_lines, n_map_words;
    size_t cache, lines, buckets, maps, order, slots, segments, slot_entries, frames, end;
};

uint32_t vst_cache_line_bytes(const struct vst_block_limits *limits)
{
    return limits->logical_block_bytes > LINE_BYTES ? limits->logical_block_bytes : LINE_BYTES;
}

static size_t reserve(size_t *end, size_t bytes, size_t align)
{
    size_t start = (*end + align - 1) & ~(align - 1);

    *end = start + bytes;
    return start;
}

static struct layout layout_of(uint32_t line_bytes, uint32_t n_lines)
{
    struct layout l = {.line_bytes = line_bytes, .n_lines = n_lines, .n_ghosts = n_lines / 2};
    uint32_t n_entries = CACHE_N_LISTS + l.n_lines + l.n_ghosts;

    l.n_buckets = 2u << (31 - __builtin_clz(n_entries));
    l.n_slots = clamp(n_lines / 4, 3, CACHE_MAX_SLOTS);
    l.slot_lines =
        clamp(n_lines / 16, vst_min_u32(n_lines / LEAST_CHUNKS, GOOD_CHUNK), CACHE_MAX_SEGMENTS);
    l.n_map_words = (n_entries + 63) / 64;
    l.frames = reserve(&l.end, (size_t)n_lines * line_bytes, DATA_ALIGN);
    l.cache = reserve(&l.end, sizeof(struct vst_cache), STRUCT_ALIGN);
    l.lines = reserve(&l.end, n_entries * sizeof(struct cache_line), STRUCT_ALIGN);
    l.buckets = reserve(&l.end, l.n_buckets * sizeof(uint32_t), STRUCT_ALIGN);
    l.maps = reserve(&l.end, 2u * l.n_map_words * sizeof(uint64_t), STRUCT_ALIGN);
    l.order = reserve(&l.end, l.n_lines * sizeof(uint32_t), STRUCT_ALIGN);
    l.slots = reserve(&l.end, l.n_slots * sizeof(struct cache_slot), STRUCT_ALIGN);
    l.segments = reserve(
        &l.end, (size_t)l.n_slots * l.slot_lines * sizeof(struct vst_block_segment), STRUCT_ALIGN);
    l.slot_entries =
        reserve(&l.end, (size_t)l.n_slots * l.slot_lines * sizeof(uint32_t), STRUCT_ALIGN);
    l.end += DATA_ALIGN - 1; /* the memory may begin anywhere */
    return l;
}

size_t vst_cache_bytes(const struct vst_block_limits *limits, uint32_t n_lines)
{
    n_lines = clamp(n_lines, CACHE_MIN_LINES, CACHE_MAX_LINES);
    return layout_of(vst_cache_line_bytes(limits), n_lines).end;
}

size_t vst_cache_min_bytes(const struct vst_block_limits *limits)
{
    return vst_cache_bytes(limits, CACHE_MIN_LINES);
}

/* The most that fit; 0 if it is too little memory for the fewest. */
static uint32_t lines_that_fit(const struct vst_block_limits *limits, size_t bytes)
{
    uint32_t fits = CACHE_MIN_LINES, too_many = CACHE_MAX_LINES + 1;

    if (bytes < vst_cache_min_bytes(limits))
        return 0;
    while (too_many - fits > 1) {
        uint32_t middle = fits + (too_many - fits) / 2;
        if (vst_cache_bytes(limits, middle) <= bytes)
            fits = middle;
        else
            too_many = middle;
    }
    return fits;
}

/* ------------------------------------------------------------------ opening and closing */

static void lay_out(struct vst_cache *cache, const struct layout *l, uint8_t *start)
{
    cache->frames = start + l->frames;
    cache->lines = (struct cache_line *)(void *)(start + l->lines);
    cache->buckets = (uint32_t *)(void *)(start + l->buckets);
    cache->dirty_map = (uint64_t *)(void *)(start + l->maps);
    cache->unflushed_map = cache->dirty_map + l->n_map_words;
    cache->order = (uint32_t *)(void *)(start + l->order);
    cache->slots = (struct cache_slot *)(void *)(start + l->slots);
    cache->n_lines = l->n_lines;
    cache->n_ghosts = l->n_ghosts;
    cache->n_buckets = l->n_buckets;
    cache->n_slots = l->n_slots;
    cache->slot_lines = l->slot_lines;
    cache->n_map_words = l->n_map_words;
    __builtin_memset(cache->dirty_map, 0, 2u * l->n_map_words * sizeof(uint64_t));
    for (uint32_t i = 0; i < l->n_slots; i++) {
        uint8_t *segments =
            start + l->segments + (size_t)i * l->slot_lines * sizeof(struct vst_block_segment);
        cache->slots[i] = (struct cache_slot){
            .segments = (struct vst_block_segment *)(void *)segments,
            .lines = (uint32_t *)(void *)(start + l->slot_entries) + (size_t)i * l->slot_lines};
    }
}

static void set_sizes(struct vst_cache *cache, const struct vst_cache_config *config)
{
    uint32_t n = cache->n_lines;
    uint32_t ahead = config->max_ahead_bytes >> cache->line_shift;

    cache->max_first = n / 4;
    cache->dirty_start = n / 4;
    cache->dirty_max = n / 2;
    /* Large requests, and several: of a small cache that takes nearly all. */
    cache->chunk_lines = vst_min_u32(n / LEAST_CHUNKS, GOOD_CHUNK);
    cache->chunk_lines =
        clamp(cache->max_first / MOST_CHUNKS, cache->chunk_lines, cache->slot_lines);
    cache->max_ahead = ahead > 0 ? clamp(ahead, cache->chunk_lines, n) : n;
    cache->window = cache->room = vst_cache_room_ahead(cache);
    for (unsigned i = 0; i < CACHE_N_EXPECTED; i++)
        cache->expected[i] = UINT64_MAX;
}

enum vst_status vst_cache_open(struct vst_cache **opened, const struct vst_cache_config *config)
{
    const struct vst_block_device *device = config->queue->device;
    const struct vst_block_limits *limits = &device->limits;
    uint32_t n_lines = lines_that_fit(limits, config->memory_bytes);

    if (n_lines == 0)
        return VST_ERR_NO_MEMORY;
    if (config->mode == VST_CACHE_WRITE_BACK && vst_block_is_host_managed(limits))
        return VST_ERR_UNSUPPORTED;
    struct layout l = layout_of(vst_cache_line_bytes(limits), n_lines);
    uint8_t *start = config->memory;
    start += -(uintptr_t)start % DATA_ALIGN;
    struct vst_cache *cache = (struct vst_cache *)(void *)(start + l.cache);
    *cache = (struct vst_cache){
        .queue = config->queue,
        .line_mask = l.line_bytes - 1,
        .line_shift = (uint8_t)log2_of(l.line_bytes),
        .hash_shift = (uint8_t)(64 - log2_of(l.n_buckets)),
        .block_shift = (uint8_t)log2_of(limits->logical_block_bytes),
        .whole = (uint8_t)((1u << (l.line_bytes / limits->logical_block_bytes)) - 1),
        .write_back = config->mode == VST_CACHE_WRITE_BACK,
        .no_ahead = config->no_ahead,
        .wait = config->wait,
        .wait_ctx = config->wait_ctx,
        .media_id = device->media_id,
        .n_changes = __atomic_load_n(&device->n_changes, __ATOMIC_ACQUIRE) - 1,
    };
    lay_out(cache, &l, start);
    vst_cache_lines_init(cache);
    set_sizes(cache, config);
    vst_cache_admission_init(cache);
    vst_cache_single_init(cache);
    vst_cache_take_changes(cache);
    *opened = cache;
    return VST_OK;
}

enum vst_status vst_cache_close(struct vst_cache *cache)
{
    enum vst_status status = VST_OK;

    if (cache->n_dirty > 0 || cache->lost != VST_OK)
        status = vst_cache_flush(cache, NULL);
    vst_cache_rest(cache);
    return status;
}

void vst_cache_invalidate(struct vst_cache *cache)
{
    vst_cache_rest(cache);
    vst_cache_drop_from(cache, 0, VST_ERR_IO);
}

enum vst_status vst_cache_accept_loss(struct vst_cache *cache)
{
    enum vst_status lost = cache->lost;

    cache->lost = VST_OK;
    return lost;
}

const struct vst_cache_stats *vst_cache_stats(const struct vst_cache *cache)
{
    return &cache->stats;
}

struct vst_cache_state vst_cache_look(const struct vst_cache *cache)
{
    return (struct vst_cache_state){
        .line_bytes = cache->line_mask + 1,
        .n_lines = cache->n_lines,
        .n_cached = cache->n_in_list[CACHE_FIRST] + cache->n_in_list[CACHE_FREQUENT],
        .n_dirty = cache->n_dirty,
        .n_failed = cache->n_failed,
        .n_in_flight = cache->n_in_flight,
        .n_first = cache->n_in_list[CACHE_FIRST],
        .n_frequent = cache->n_in_list[CACHE_FREQUENT],
        .n_remembered = cache->n_in_list[CACHE_GHOST],
        .max_ahead_lines = vst_min_u32(cache->window, vst_cache_room_ahead(cache)),
        .max_request_bytes = cache->slot_lines << cache->line_shift,
        .write_back = cache->write_back,
    };
}

/* ------------------------------------------------------------------ calls that wait */

/* Looking costs less than a poll that finds nothing; but that alone notices time-outs. */
static void go_on(struct vst_cache *cache, struct vst_block_request_list *others)
{
    if (cache->n_in_flight > 0 && !vst_block_ready(cache->queue))
        cache_wait(cache);
    (void)vst_cache_progress(cache, others);
}

/** Takes the request from those that have ended; false if it has not. */
static bool take_done(struct vst_cache *cache, const struct vst_cache_request *request)
{
    struct vst_cache_request *before = NULL, *r = cache->done;

    for (; r != NULL && r != request; r = r->priv.next)
        before = r;
    if (r == NULL)
        return false;
    if (before == NULL)
        cache->done = r->priv.next;
    else
        before->priv.next = r->priv.next;
    if (cache->last_done == r)
        cache->last_done = before;
    return true;
}

static enum vst_status execute(struct vst_cache *cache, struct vst_cache_request *request,
                               uint64_t *error_offset)
{
    struct vst_block_request_list others = {0};
    enum vst_status status = vst_cache_submit(cache, request);

    if (status == VST_OK) {
        vst_cache_kick(cache);
        while (!take_done(cache, request))
            go_on(cache, &others);
        status = request->status;
    }
    vst_cache_give_back(cache, &others);
    if (cache->n_in_flight == 0)
        vst_block_rest(cache->queue);
    if (status != VST_OK && error_offset != NULL)
        *error_offset = request->error_offset;
    return status;
}

enum vst_status vst_cache_read_long(struct vst_cache *cache, uint64_t offset_bytes, void *buffer,
                                    size_t bytes, uint64_t *error_offset)
{
    struct vst_cache_request request = {
        .op = VST_BLOCK_READ, .offset_bytes = offset_bytes, .buffer = buffer, .bytes = bytes};

    return execute(cache, &request, error_offset);
}

enum vst_status vst_cache_read(struct vst_cache *cache, uint64_t offset_bytes, void *buffer,
                               size_t bytes, uint64_t *error_offset)
{
    size_t in_line = offset_bytes & cache->line_mask;
    struct cache_line *line = &cache->lines[cache_find(cache, offset_bytes >> cache->line_shift)];

    /* Of the entry for none no block is there. */
    if (VST_LIKELY(line->valid == cache->whole &&
                   (line->flags & (CACHE_FILLING | CACHE_MARK)) == 0 &&
                   bytes <= cache->line_mask + 1 - in_line && cache_is_current(cache))) {
        line->referenced = 1;
        cache->stats.hits++;
        __builtin_memcpy(buffer, cache_data(cache, line) + in_line, bytes);
        return VST_OK;
    }
    return vst_cache_miss(cache, offset_bytes, buffer, bytes, error_offset, line);
}

enum vst_status vst_cache_write(struct vst_cache *cache, uint64_t offset_bytes, const void *buffer,
                                size_t bytes, uint64_t *error_offset)
{
    /* The buffer is only read: requests are of one type for both directions. */
    struct vst_cache_request request = {.op = VST_BLOCK_WRITE,
                                        .offset_bytes = offset_bytes,
                                        .buffer = (void *)(uintptr_t)buffer,
                                        .bytes = bytes};

    return execute(cache, &request, error_offset);
}

enum vst_status vst_cache_flush(struct vst_cache *cache, uint64_t *error_offset)
{
    struct vst_cache_request request = {.op = VST_BLOCK_FLUSH};

    return execute(cache, &request, error_offset);
}

enum vst_status vst_cache_discard(struct vst_cache *cache, uint64_t offset_bytes, uint64_t bytes,
                                  uint64_t *error_offset)
{
    struct vst_cache_request request = {
        .op = VST_BLOCK_DISCARD, .offset_bytes = offset_bytes, .bytes = bytes};

    return execute(cache, &request, error_offset);
}

enum vst_status vst_cache_zero(struct vst_cache *cache, uint64_t offset_bytes, uint64_t bytes,
                               uint64_t *error_offset)
{
    uint64_t block_mask = (1u << cache->block_shift) - 1;
    bool command = cache->queue->device->limits.zeroes.max_ranges > 0 && bytes > 0 &&
                   ((offset_bytes | bytes) & block_mask) == 0;
    struct vst_cache_request request = {.op = command ? VST_BLOCK_WRITE_ZEROES : VST_BLOCK_WRITE,
                                        .offset_bytes = offset_bytes,
                                        .bytes = bytes};

    return execute(cache, &request, error_offset);
}

void vst_cache_rest(struct vst_cache *cache)
{
    struct vst_block_request_list others = {0};

    while (cache->n_in_flight > 0)
        go_on(cache, &others);
    vst_cache_give_back(cache, &others);
    vst_block_rest(cache->queue);
}
