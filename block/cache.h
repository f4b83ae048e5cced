/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block cache from inside. Its rooms, each a file:
 *
 *     cache.c          memory, opening and closing, the blocking calls and their fast path
 *     cache_miss.c     the short way of a read that finds nothing, if nothing else is under way
 *     cache_straight.c large reads, past the lines
 *     cache_lines.c    which line stands where: hash, 2Q, eviction
 *     cache_fill.c     reading from the device, streams
 *     cache_write.c    dirty lines: write-back in order of place, flush
 *     cache_request.c  a request's way through all that, and what happens when the device answers
 *     cache_ranges.c   discard and zeroes; a device that changes
 *
 * A request is a machine that is stepped: it goes as far as it can, and is stepped again from where it
 * was when any request to the device has ended. A line that the device is reading into, or writing
 * from, has a flag; who needs it otherwise waits. No line is pinned: a step uses what it finds at once.
 */
#ifndef VSTOR_BLOCK_CACHE_H
#define VSTOR_BLOCK_CACHE_H

#include <vstor/cache.h>

#define CACHE_MIN_LINES    8u
#define CACHE_MAX_LINES    (1u << 26)
#define CACHE_N_STREAMS    8u
#define CACHE_N_EXPECTED   8u
#define CACHE_MAX_SLOTS    16u
#define CACHE_MAX_SEGMENTS 64u /* lines of one request to the device */
#define CACHE_LINE_BLOCKS  8u  /* most logical blocks of a line: bits of a mask */
#define CACHE_NONE         0u  /* index of no line */

/* Where a line stands. Lists are rings through lines[] whose first CACHE_N_LISTS entries are heads. */
enum cache_list { CACHE_FREE, CACHE_FIRST, CACHE_FREQUENT, CACHE_GHOST, CACHE_N_LISTS };

enum cache_flag {
    CACHE_FILLING = 1,     /* the device reads into it */
    CACHE_WRITING = 2,     /* the device writes from it: nobody changes its data */
    CACHE_MARK = 4,        /* a stream's reader that gets here has more read ahead */
    CACHE_FAILED = 8,      /* could not be written; not tried before the next flush */
    CACHE_ALONE = 16,      /* a write of it has failed, perhaps for others: to be written alone */
    CACHE_EPOCH = 32,      /* dirty: the parity of the number of flushes that had begun by then */
    CACHE_UNFLUSHED = 128, /* written since the last good flush of the device */
    CACHE_DOOMED = 64,     /* dropped while in flight: free once that has ended, not in the hash */
};

/** A line, or the memory of one (list CACHE_GHOST: it has a number and no frame). */
struct cache_line {
    uint64_t number; /* place on the device in units of line_bytes */
    uint32_t hash_next, previous, next;
    uint32_t frame;       /* its data: frames + frame * line_bytes */
    uint8_t valid, dirty; /* a bit for each block */
    uint8_t flags, list;
    uint8_t referenced; /* used since it came or since the clock's hand passed */
    uint8_t status;     /* why CACHE_FAILED */
    uint16_t unused;
};

enum cache_slot_kind {
    CACHE_SLOT_FREE,
    CACHE_SLOT_FILL,
    CACHE_SLOT_WRITE,
    CACHE_SLOT_FLUSH,
    CACHE_SLOT_RANGE,
    CACHE_SLOT_STRAIGHT
};

/** A request to the device. */
struct cache_slot {
    struct vst_block_request request; /* first, so that what poll returns leads back here */
    struct vst_block_segment *segments;
    uint32_t *lines; /* that take part */
    struct vst_block_range range;
    struct vst_cache_request *reader; /* CACHE_SLOT_STRAIGHT */
    uint32_t n_lines;
    uint8_t kind;
    uint8_t mask; /* the blocks of the only line; more lines are whole */
    bool careful; /* nothing but what one request needs */
};

/** A reader that goes on where it was: it is at line `at`, and what is before `ahead` is asked for. */
struct cache_stream {
    uint64_t at, ahead;
    uint64_t reach;  /* where the furthest of its requests ends */
    uint32_t window; /* lines; 0: not known to be sequential yet */
    uint32_t clock;  /* when it last did */
    uint32_t credit; /* how often others may take the place of another before its own is taken */
};

/** The request for one whole line, and nothing else under way. */
struct cache_single {
    struct vst_block_request request;
    struct vst_block_segment segment;
};

/** Whether lines are worth keeping that were read at random: see cache_miss.c. */
struct cache_admission {
    uint32_t left, period; /* misses until that is judged anew */
    uint32_t skip_mask;    /* of `left`: if any of these bits is set, the line is not kept */
    uint32_t pause, n_periods;
    bool full; /* no line was free at the last judgement */
    uint64_t n_uses;
};

struct vst_cache {
    /* What a hit looks at. */
    struct vst_block_queue *queue;
    struct cache_line *lines;
    uint32_t *buckets;
    uint8_t *frames;
    uint32_t n_changes;                    /* of the device, as far as they are known here */
    uint32_t line_mask;                    /* line_bytes - 1 */
    uint8_t line_shift, hash_shift, whole; /* `whole`: valid of a line with all its blocks */
    uint8_t block_shift;
    struct vst_cache_stats stats;

    uint32_t n_lines, n_ghosts, n_buckets;
    uint32_t n_in_list[CACHE_N_LISTS];
    uint32_t max_first;
    uint64_t n_sectors, end_line; /* the device's end, in lines rounded up */
    uint32_t media_id;
    bool write_back, no_ahead, unkicked;
    void (*wait)(void *wait_ctx, struct vst_block_queue *queue);
    void *wait_ctx;

    /* Reading ahead */
    struct cache_stream streams[CACHE_N_STREAMS]; /* the first n_streams */
    uint64_t expected[CACHE_N_EXPECTED];          /* where what has been read might go on */
    uint32_t n_streams, stream_hand, stream_clock, expected_hand;
    uint32_t chunk_lines, max_ahead; /* lines of a request; most that the embedder wants ahead */
    uint32_t room;                   /* most that find room, when that was last looked at */
    uint32_t window;                 /* most ahead, as far as lines left unread have taught */

    struct cache_admission admission;
    struct cache_single single;

    /* Requests to the device */
    struct cache_slot *slots;
    uint32_t n_slots, n_in_flight, slot_lines;

    /* Dirty lines */
    uint64_t *dirty_map;     /* a bit for each entry of lines[] */
    uint64_t *unflushed_map; /* those with CACHE_UNFLUSHED */
    uint32_t n_map_words;
    uint32_t *order; /* dirty lines by place, as of when the pass began */
    uint32_t n_order, order_at;
    uint32_t n_dirty; /* lines; of these: */
    bool alone;       /* one of them is being written, and no other may be meanwhile */
    uint32_t n_writing, n_failed, n_late; /* n_late: became so since the flush under way began */
    uint32_t dirty_start, dirty_max;      /* write-back begins; writers wait */
    uint32_t n_unflushed_gone;            /* lines written since the last good flush and dropped */
    uint8_t epoch;                        /* CACHE_EPOCH or 0 */
    enum vst_status lost;

    struct vst_cache_request *flush, *range; /* those under way; one each */
    struct vst_cache_request *waiting, *last_waiting;
    struct vst_cache_request *done, *last_done;
};

/** How many blocks a mask has. (The compiler's own may be a function of its library.) */
static inline unsigned cache_n_blocks(unsigned blocks)
{
    blocks -= (blocks >> 1) & 0x55u;
    blocks = (blocks & 0x33u) + ((blocks >> 2) & 0x33u);
    return (blocks + (blocks >> 4)) & 0x0fu;
}

/* ------------------------------------------------------------------ cache_lines.c */

/** Index of the line or ghost of that number; CACHE_NONE. */
static inline uint32_t cache_find(const struct vst_cache *cache, uint64_t number)
{
    /* 2^64 / golden ratio: neighbours fall far apart. */
    uint32_t i = cache->buckets[(number * 0x9E3779B97F4A7C15u) >> cache->hash_shift];

    while (i != CACHE_NONE && cache->lines[i].number != number)
        i = cache->lines[i].hash_next;
    return i;
}

static inline uint8_t *cache_data(const struct vst_cache *cache, const struct cache_line *line)
{
    return cache->frames + ((uint64_t)line->frame << cache->line_shift);
}

/** Whether any blocks of the line are being discarded or zeroed. */
static inline bool cache_in_range_op(const struct vst_cache *cache, uint64_t number)
{
    const struct vst_cache_request *range = cache->range;

    return range != NULL && number >= range->offset_bytes >> cache->line_shift &&
           number <= (range->offset_bytes + range->bytes - 1) >> cache->line_shift;
}

void vst_cache_lines_init(struct vst_cache *cache);
/** The line of that number, made if it was not there, without data; NULL if there is no room now. */
struct cache_line *vst_cache_line_for(struct vst_cache *cache, uint64_t number);
/** The same for a line that is not there; NULL also if it is. */
struct cache_line *vst_cache_line_new(struct vst_cache *cache, uint64_t number);
/** The line if it is there with any data or in flight. */
struct cache_line *vst_cache_line_at(struct vst_cache *cache, uint64_t number);
/** Drops a line that is not in flight. What is dirty is gone. */
void vst_cache_line_drop(struct vst_cache *cache, struct cache_line *line);
/** Takes a line that is in flight out of the hash. */
void vst_cache_line_doom(struct vst_cache *cache, struct cache_line *line);

/* ------------------------------------------------------------------ cache.c */

/** A read by way of a request. */
enum vst_status vst_cache_read_long(struct vst_cache *cache, uint64_t offset_bytes, void *buffer,
                                    size_t bytes, uint64_t *error_offset);
/** Until something may have ended, as the embedder wants it. */
static inline void cache_wait(const struct vst_cache *cache)
{
    const struct vst_platform *platform = cache->queue->device->platform;

    if (cache->wait != NULL)
        cache->wait(cache->wait_ctx, cache->queue);
    else
        platform->relax(platform->ctx);
}

/* ------------------------------------------------------------------ cache_miss.c */

void vst_cache_admission_init(struct vst_cache *cache);
void vst_cache_single_init(struct vst_cache *cache);
/** A read that is no plain hit. `found`: the entry in lines[] of its first line, or that for none. */
enum vst_status vst_cache_miss(struct vst_cache *cache, uint64_t offset_bytes, void *buffer,
                               size_t bytes, uint64_t *error_offset,
                               const struct cache_line *found);

/* ------------------------------------------------------------------ cache_fill.c */

struct cache_slot *vst_cache_slot_take(struct vst_cache *cache, enum cache_slot_kind kind);
/** Submits; on an error the slot is free again. */
enum vst_status vst_cache_slot_submit(struct vst_cache *cache, struct cache_slot *slot);
/** A part of a line as a segment and a piece of the request. */
void vst_cache_slot_add(struct vst_cache *cache, struct cache_slot *slot, struct cache_line *line,
                        unsigned first_block, unsigned n_blocks);

/** Blocks of a line that lie in a byte range: those it touches. */
uint8_t vst_cache_blocks_in(const struct vst_cache *cache, uint64_t number, uint64_t offset_bytes,
                            uint64_t bytes);
/** Blocks of the line that the device has. */
uint8_t vst_cache_blocks_of(const struct vst_cache *cache, uint64_t number);

/**
 * Reads a line for a request that goes on to before line `end`, and more of a stream. VST_ERR_FULL: no
 * room now.
 */
enum vst_status vst_cache_fetch(struct vst_cache *cache, uint64_t number, uint64_t end);
/** Reads blocks of one line that is not in flight, one run of them; the same. `careful`: see slot. */
enum vst_status vst_cache_fetch_blocks(struct vst_cache *cache, uint64_t number, uint8_t blocks,
                                       bool careful);
/** A reader has come to a marked line. */
void vst_cache_read_on(struct vst_cache *cache, struct cache_line *line, uint64_t end);
/** Lines that may be ahead of a reader without pushing each other out. */
uint32_t vst_cache_room_ahead(const struct vst_cache *cache);
/** Somebody reads elsewhere: a stream that does not go on is forgotten in the end. */
void vst_cache_age_streams(struct vst_cache *cache);
/** The stream that a reader of this line is in, NULL if in none. */
static inline struct cache_stream *cache_stream_at(struct vst_cache *cache, uint64_t number)
{
    for (uint32_t i = 0; i < cache->n_streams; i++) {
        struct cache_stream *stream = &cache->streams[i];
        if (number - stream->at <= stream->ahead - stream->at)
            return stream;
    }
    return NULL;
}

static inline bool cache_is_expected(const struct vst_cache *cache, uint64_t number)
{
    const uint64_t *at = cache->expected;

    return at[0] == number || at[1] == number || at[2] == number || at[3] == number ||
           at[4] == number || at[5] == number || at[6] == number || at[7] == number;
}
_Static_assert(CACHE_N_EXPECTED == 8, "cache_is_expected looks at 8");

static inline void cache_expect(struct vst_cache *cache, uint64_t number)
{
    cache->expected[cache->expected_hand++ % CACHE_N_EXPECTED] = number;
}

static inline bool cache_is_in_stream(struct vst_cache *cache, uint64_t number)
{
    return cache_is_expected(cache, number) || cache_stream_at(cache, number) != NULL;
}
void vst_cache_fill_done(struct vst_cache *cache, struct cache_slot *slot);

/* ------------------------------------------------------------------ cache_straight.c */

/** Whether a request is a large read that does not go through lines. */
bool vst_cache_goes_straight(struct vst_cache *cache, const struct vst_cache_request *request);
/**
 * Asks for what can be read straight from where such a request has got to: *bytes, 0 if it goes through
 * a line there. VST_ERR_FULL: no room now.
 */
enum vst_status vst_cache_read_straight(struct vst_cache *cache, struct vst_cache_request *request,
                                        size_t *bytes);
void vst_cache_straight_done(struct vst_cache *cache, const struct cache_slot *slot);

/* ------------------------------------------------------------------ cache_write.c */

void vst_cache_set_dirty(struct vst_cache *cache, struct cache_line *line, uint8_t blocks);
void vst_cache_set_clean(struct vst_cache *cache, struct cache_line *line, uint8_t blocks);
/** What the line holds is as durable as the device's last flush made it, or does not matter. */
void vst_cache_set_flushed(struct vst_cache *cache, struct cache_line *line);
/** Dirty from before the flush under way. */
bool vst_cache_is_early(const struct vst_cache *cache, const struct cache_line *line);
/** Goes on with writing back what is dirty, as far as there is room. */
void vst_cache_write_on(struct vst_cache *cache);
/**
 * Writes what is dirty of lines `first` to `last`. VST_OK: nothing of them is any more; VST_ERR_FULL:
 * that is under way; else why one of them could not be written.
 */
enum vst_status vst_cache_write_lines(struct vst_cache *cache, uint64_t first, uint64_t last,
                                      uint64_t *error_offset);
void vst_cache_write_done(struct vst_cache *cache, struct cache_slot *slot);
/** Has what could not be written tried again. */
void vst_cache_retry(struct vst_cache *cache);
/** The lowest line that could not be written, or NULL. */
const struct cache_line *vst_cache_lowest_failed(const struct vst_cache *cache);
/** True once the flush has ended. */
bool vst_cache_step_flush(struct vst_cache *cache, struct vst_cache_request *request);

/* ------------------------------------------------------------------ cache_request.c */

/* vst_cache_request.priv.phase of flushes, of durable writes once written, and of range operations. */
enum cache_phase {
    CACHE_BEGIN,   /* also all of a read, and of a write until the cache has it */
    CACHE_THROUGH, /* a write that waits for the device */
    CACHE_QUEUED,  /* a flush that waits for its turn */
    CACHE_DRAIN,   /* waits for lines */
    CACHE_ISSUE,   /* waits for room to be given to the device */
    CACHE_ISSUED,
    CACHE_ANSWERED,
};

/**
 * Takes what the device has ended and steps all that waited. Requests that are not the cache's go to
 * `others`. False if nothing had ended.
 */
bool vst_cache_progress(struct vst_cache *cache, struct vst_block_request_list *others);
/** Gives them back to the queue. */
void vst_cache_give_back(struct vst_cache *cache, struct vst_block_request_list *others);
/** What requests to the device would be refused with. */
enum vst_status vst_cache_device_status(const struct vst_cache *cache);

/* ------------------------------------------------------------------ cache_ranges.c */

bool vst_cache_step_range(struct vst_cache *cache, struct vst_cache_request *request);
/** Takes over what has changed of the device. */
void vst_cache_take_changes(struct vst_cache *cache);
/** Whether the device is as it was when it was last looked at, and well. */
static inline bool cache_is_current(const struct vst_cache *cache)
{
    return VST_LIKELY(__atomic_load_n(&cache->queue->device->n_changes, __ATOMIC_ACQUIRE) ==
                      cache->n_changes);
}
/** Drops what lies from there on. Dirty data are lost, for the reason given. */
void vst_cache_drop_from(struct vst_cache *cache, uint64_t offset_bytes, enum vst_status why);

#endif
