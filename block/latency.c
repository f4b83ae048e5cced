/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Times of requests: a driver table that goes round the queue's own, as tracing has one. There are
 * two, round the plain table and the traced one, which name each other: so tracing is turned on and
 * off below without knowing of it.
 *
 * When a request was submitted stands in the request where its error will, which only a failed one
 * has. What was in flight when counting began holds something else there; what is no time since then
 * is left out.
 */
#include <vstor/latency.h>

#define SUB_BUCKETS (1u << VST_LATENCY_SUB_BITS)

static uint64_t now_ns(const struct vst_block_queue *queue)
{
    const struct vst_platform *platform = queue->device->platform;

    return platform->time_ns(platform->ctx);
}

/* ------------------------------------------------------------------ buckets */

/** As if each value were larger by one row of buckets: then there are no small ones apart. */
static size_t bucket_of(uint64_t ns)
{
    uint64_t in_row = ns + SUB_BUCKETS;
    unsigned row = ((unsigned)__builtin_clzll(in_row) ^ 63u) - VST_LATENCY_SUB_BITS;
    uint64_t bucket = ((uint64_t)row << VST_LATENCY_SUB_BITS) + (in_row >> row) - SUB_BUCKETS;

    return bucket < VST_LATENCY_N_BUCKETS ? bucket : VST_LATENCY_N_BUCKETS - 1;
}

uint64_t vst_latency_low_ns(unsigned bucket)
{
    return ((uint64_t)(bucket % SUB_BUCKETS + SUB_BUCKETS) << bucket / SUB_BUCKETS) - SUB_BUCKETS;
}

uint64_t vst_latency_high_ns(unsigned bucket)
{
    return vst_latency_low_ns(bucket) + ((uint64_t)1 << bucket / SUB_BUCKETS) - 1;
}

void vst_latency_add(struct vst_latency_histogram *to, const struct vst_latency_histogram *from)
{
    to->sum_ns += from->sum_ns;
    for (unsigned i = 0; i < VST_LATENCY_N_BUCKETS; i++)
        to->buckets[i] += from->buckets[i];
}

/** Upper end of the bucket that holds the value of this rank, counted from 1. */
static uint64_t value_of_rank(const struct vst_latency_histogram *histogram, uint64_t rank)
{
    uint64_t n = 0;
    unsigned i = 0;

    while (i < VST_LATENCY_N_BUCKETS - 1 && (n += histogram->buckets[i]) < rank)
        i++;
    return vst_latency_high_ns(i);
}

struct vst_latency_summary vst_latency_summarise(const struct vst_latency_histogram *histogram)
{
    struct vst_latency_summary summary = {0};
    unsigned first = VST_LATENCY_N_BUCKETS;

    for (unsigned i = VST_LATENCY_N_BUCKETS; i-- > 0;) {
        summary.n += histogram->buckets[i];
        first = histogram->buckets[i] > 0 ? i : first;
    }
    if (summary.n == 0)
        return summary;
    summary.min_ns = vst_latency_low_ns(first);
    summary.mean_ns = histogram->sum_ns / summary.n;
    summary.p50_ns = value_of_rank(histogram, (summary.n + 1) / 2);
    summary.p99_ns = value_of_rank(histogram, summary.n - summary.n / 100);
    summary.p999_ns = value_of_rank(histogram, summary.n - summary.n / 1000);
    summary.max_ns = value_of_rank(histogram, summary.n);
    return summary;
}

const char *vst_latency_kind_name(enum vst_latency_kind kind)
{
    static const char *const names[VST_LATENCY_N_KINDS] = {"read", "write", "flush", "other"};

    return kind < VST_LATENCY_N_KINDS ? names[kind] : "unknown";
}

/* ------------------------------------------------------------------ the driver that counts */

/*
 * Each is built twice, for the table round the plain driver and for that round the traced one: while
 * a call is under way another CPU may put the other in the queue's place.
 */
enum side { PLAIN, TRACED };

static inline const struct vst_block_driver *inner_of(const struct vst_block_queue *queue,
                                                      enum side side)
{
    return queue->latency->sides[side].inner;
}

static __attribute__((noinline, cold)) void begin_batch(const struct vst_block_queue *queue)
{
    queue->latency->in_batch = true;
    queue->latency->batch_ns = now_ns(queue);
}

static inline void stamp(const struct vst_block_queue *queue, struct vst_block_request *request)
{
    if (VST_UNLIKELY(!queue->latency->in_batch))
        begin_batch(queue);
    request->start_ns = queue->latency->batch_ns;
}

static inline enum vst_status submit_on(struct vst_block_queue *queue,
                                        struct vst_block_request *request, enum side side)
{
    stamp(queue, request);
    return inner_of(queue, side)->submit(queue, request);
}

static inline enum vst_status submit_part_on(struct vst_block_queue *queue,
                                             struct vst_block_request *request,
                                             const struct vst_block_part *part, enum side side)
{
    const struct vst_block_request_private *priv = &request->priv;

    /* The first part of a request, unless it is given again after a reset: it goes on to count. */
    if (priv->issued_sectors == 0 && priv->n_parts_in_flight == 0 && priv->n_replays == 0)
        stamp(queue, request);
    return inner_of(queue, side)->submit_part(queue, request, part);
}

static inline void kick_on(struct vst_block_queue *queue, enum side side)
{
    inner_of(queue, side)->kick(queue);
    queue->latency->in_batch = false;
}

static enum vst_latency_kind kind_of(enum vst_block_op op)
{
    switch (op) {
    case VST_BLOCK_READ:
        return VST_LATENCY_READ;
    case VST_BLOCK_WRITE:
    case VST_BLOCK_WRITE_DURABLE:
        return VST_LATENCY_WRITE;
    case VST_BLOCK_FLUSH:
        return VST_LATENCY_FLUSH;
    default:
        return VST_LATENCY_OTHER;
    }
}

static void count(struct vst_block_latency *latency, const struct vst_block_request *request,
                  uint64_t now)
{
    uint64_t ns = now - request->start_ns;

    if (request->status != VST_OK || request->op == VST_BLOCK_ZONE_APPEND ||
        ns > now - latency->since_ns)
        return;
    struct vst_latency_histogram *histogram = &latency->kinds[kind_of(request->op)];
    histogram->sum_ns += ns;
    histogram->buckets[bucket_of(ns)]++;
}

static inline size_t poll_on(struct vst_block_queue *queue, struct vst_block_request **done,
                             size_t max, enum side side)
{
    size_t n = inner_of(queue, side)->poll(queue, done, max);

    queue->latency->in_batch = false;
    if (n == 0)
        return 0;
    uint64_t now = now_ns(queue);
    for (size_t i = 0; i < n; i++)
        count(queue->latency, done[i], now);
    return n;
}

#define BUILD(name, side)                                                                          \
    static enum vst_status name##_submit(struct vst_block_queue *queue,                            \
                                         struct vst_block_request *request)                        \
    {                                                                                              \
        return submit_on(queue, request, side);                                                    \
    }                                                                                              \
    static enum vst_status name##_submit_part(struct vst_block_queue *queue,                       \
                                              struct vst_block_request *request,                   \
                                              const struct vst_block_part *part)                   \
    {                                                                                              \
        return submit_part_on(queue, request, part, side);                                         \
    }                                                                                              \
    static void name##_kick(struct vst_block_queue *queue)                                         \
    {                                                                                              \
        kick_on(queue, side);                                                                      \
    }                                                                                              \
    static size_t name##_poll(struct vst_block_queue *queue, struct vst_block_request **done,      \
                              size_t max)                                                          \
    {                                                                                              \
        return poll_on(queue, done, max, side);                                                    \
    }                                                                                              \
    static void name##_wrap(struct vst_block_latency *latency,                                     \
                            const struct vst_block_driver *inner)                                  \
    {                                                                                              \
        struct vst_block_driver *table = &latency->sides[side].table;                              \
        latency->sides[side].inner = inner;                                                        \
        *table = *inner;                                                                           \
        table->submit = name##_submit;                                                             \
        table->submit_part = name##_submit_part;                                                   \
        table->kick = name##_kick;                                                                 \
        table->poll = name##_poll;                                                                 \
    }

BUILD(plain, PLAIN)
BUILD(traced, TRACED)

/* ------------------------------------------------------------------ on and off */

void vst_block_latency_start(struct vst_block_queue *queue, struct vst_block_latency *latency)
{
    vst_block_latency_stop(queue);
    const struct vst_block_driver *now = queue->driver;
    const struct vst_block_driver *plain = now->untraced != NULL ? now->untraced : now;
    struct vst_block_latency_side *sides = latency->sides;

    __builtin_memset(latency, 0, sizeof(*latency));
    plain_wrap(latency, plain);
    if (plain->traced != NULL) {
        traced_wrap(latency, plain->traced);
        sides[PLAIN].table.traced = &sides[TRACED].table;
        sides[TRACED].table.untraced = &sides[PLAIN].table;
    }
    latency->since_ns = now_ns(queue);
    latency->since_ns += latency->since_ns == 0; /* 0 stands where there is no time */
    queue->latency = latency;
    __atomic_store_n(&queue->driver, &sides[now == plain ? PLAIN : TRACED].table, __ATOMIC_RELEASE);
}

/** Which of our tables stands in the queue's place: its index, or their number where none does. */
static unsigned side_of(const struct vst_block_queue *queue)
{
    const struct vst_block_latency *latency = queue->latency;
    unsigned side = 0;

    if (latency == NULL)
        return VST_ARRAY_LENGTH(latency->sides);
    while (side < VST_ARRAY_LENGTH(latency->sides) && queue->driver != &latency->sides[side].table)
        side++;
    return side;
}

const struct vst_block_latency *vst_block_latency_of(const struct vst_block_queue *queue)
{
    return side_of(queue) < VST_ARRAY_LENGTH(queue->latency->sides) ? queue->latency : NULL;
}

void vst_block_latency_stop(struct vst_block_queue *queue)
{
    unsigned side = side_of(queue);

    if (side < VST_ARRAY_LENGTH(queue->latency->sides))
        __atomic_store_n(&queue->driver, inner_of(queue, (enum side)side), __ATOMIC_RELEASE);
}
