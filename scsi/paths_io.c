/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request to a disk of several paths is given to one of them as a clone, by turns; what comes back
 * because the path has failed is given to another. A clone waits where no path serves.
 */
#include "scsi/paths.h"

#define BATCH 32u
/** A request that fails every path in turn must not do so for ever. */
#define MOST_MOVES     64u
#define FENCE_AGAIN_NS 1000000000ull
#define NO_LANE        VST_SCSI_MOST_PATHS

static struct multi_queue *queue_of(const struct vst_block_queue *queue)
{
    return (struct multi_queue *)(uintptr_t)queue; /* base comes first */
}

static uint64_t now_ns(const struct multi_queue *q)
{
    const struct vst_platform *platform = q->multi->platform;

    return platform->time_ns(platform->ctx);
}

static struct vst_scsi_path *path_of(const struct multi_queue *q, unsigned lane)
{
    return &q->multi->path[lane];
}

static struct vst_block_queue *queue_behind(const struct multi_queue *q, unsigned lane)
{
    return &path_of(q, lane)->disk->queues[q->base.index].base.base;
}

/* ------------------------------------------------------------------ lanes */

static uint32_t n_in_flight(const struct lane *lane)
{
    return lane->n_in_flight; /* this CPU alone changes it */
}

static void set_in_flight(struct lane *lane, uint32_t n)
{
    __atomic_store_n(&lane->n_in_flight, n, __ATOMIC_RELEASE);
}

/** An adapter may have fewer queues than the disk. */
static bool has_queue(const struct multi_queue *q, unsigned i)
{
    return q->base.index < __atomic_load_n(&path_of(q, i)->n_queues, __ATOMIC_RELAXED);
}

/**
 * So that the path stays while it is used: it is entered, then looked at; who takes it away says so,
 * then looks who is on it. False: it is not to be used.
 */
static bool enter(struct multi_queue *q, unsigned i, bool even_if_not_active)
{
    struct lane *lane = &q->lanes[i];

    set_in_flight(lane, n_in_flight(lane) + 1);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    enum vst_scsi_path_state state = scsi_path_state(path_of(q, i));
    if (has_queue(q, i) &&
        (scsi_path_is_active(state) || (even_if_not_active && state < VST_SCSI_PATH_LEAVING)))
        return true;
    set_in_flight(lane, n_in_flight(lane) - 1);
    return false;
}

static void leave(struct multi_queue *q, unsigned i)
{
    set_in_flight(&q->lanes[i], n_in_flight(&q->lanes[i]) - 1);
}

/** The next in turn among those that serve best, but for those in `tried`. */
static unsigned choose(const struct multi_queue *q, unsigned tried)
{
    for (unsigned state = 0; scsi_path_is_active((enum vst_scsi_path_state)state); state++)
        for (unsigned k = 0; k < VST_SCSI_MOST_PATHS; k++) {
            unsigned i = (q->turn + k) % VST_SCSI_MOST_PATHS;
            if ((tried & 1u << i) == 0 && scsi_path_state(path_of(q, i)) == state &&
                has_queue(q, i))
                return i;
        }
    return NO_LANE;
}

/** True if everybody has left the path. A queue that is awake is left by its CPU's next poll or rest. */
bool vst_scsi_path_is_empty(const struct vst_scsi_path *path)
{
    const struct scsi_multi *multi = path->multi;
    unsigned number = (unsigned)(path - multi->path);

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (uint16_t i = 0; i < multi->base.n_queues; i++) {
        const struct lane *lane = &multi->queues[i].lanes[number];
        if (__atomic_load_n(&lane->n_in_flight, __ATOMIC_ACQUIRE) != 0 ||
            __atomic_load_n(&lane->awake, __ATOMIC_ACQUIRE))
            return false;
    }
    return true;
}

void vst_scsi_path_lower(struct vst_scsi_path *path, enum vst_scsi_path_state state)
{
    uint8_t now = __atomic_load_n(&path->state, __ATOMIC_ACQUIRE);

    while (now < state && now < VST_SCSI_PATH_FAILED)
        if (__atomic_compare_exchange_n(&path->state, &now, (uint8_t)state, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE)) {
            if (state == VST_SCSI_PATH_FAILED)
                __atomic_fetch_add(&path->n_failures, 1, __ATOMIC_RELAXED);
            return;
        }
}

/* ------------------------------------------------------------------ clones */

static struct clone *take_clone(struct multi_queue *q)
{
    struct clone *clone = q->free;

    if (clone == NULL)
        return NULL;
    q->free = clone->next;
    __atomic_store_n(&q->n_free, q->n_free - 1, __ATOMIC_RELEASE);
    clone->n_moves = 0;
    clone->since_ns = 0;
    clone->fence = CLONE_SAFE;
    return clone;
}

static void put_back(struct multi_queue *q, struct clone *clone)
{
    clone->origin = NULL;
    clone->next = q->free;
    q->free = clone;
    __atomic_store_n(&q->n_free, q->n_free + 1, __ATOMIC_RELEASE);
}

bool vst_scsi_multi_is_idle(const struct scsi_multi *multi)
{
    for (uint16_t i = 0; i < multi->base.n_queues; i++)
        if (__atomic_load_n(&multi->queues[i].n_free, __ATOMIC_ACQUIRE) != multi->base.limits.depth)
            return false;
    return multi->base.n_holders == 0;
}

static void wait_for_path(struct multi_queue *q, struct clone *clone)
{
    if (clone->since_ns == 0)
        clone->since_ns = now_ns(q);
    clone->next = NULL;
    if (q->waiting == NULL)
        q->waiting = clone;
    else
        q->last_waiting->next = clone;
    q->last_waiting = clone;
}

/* ------------------------------------------------------------------ giving */

static enum vst_status give_to(struct multi_queue *q, struct clone *clone, unsigned i)
{
    struct lane *lane = &q->lanes[i];

    if (!enter(q, i, false))
        return VST_ERR_BROKEN;
    __atomic_store_n(&lane->awake, true, __ATOMIC_RELEASE);
    clone->lane = (uint8_t)i;
    clone->moves = false;
    clone->request.priv = (struct vst_block_request_private){0};
    enum vst_status status = vst_block_submit(queue_behind(q, i), &clone->request);
    if (status != VST_OK) {
        leave(q, i);
        return status;
    }
    lane->dirty = true;
    lane->n_requests++;
    clone->since_ns = 0;
    q->turn = (uint8_t)((i + 1) % VST_SCSI_MOST_PATHS);
    return VST_OK;
}

/** VST_ERR_NOT_READY: no path serves. VST_ERR_FULL: those that do have no room. */
static enum vst_status give(struct multi_queue *q, struct clone *clone)
{
    enum vst_status outcome = VST_ERR_NOT_READY;
    unsigned tried = 0, i;

    while ((i = choose(q, tried)) != NO_LANE) {
        enum vst_status status = give_to(q, clone, i);
        tried |= 1u << i;
        if (status == VST_ERR_FULL)
            outcome = status;
        else if (status == VST_ERR_BROKEN || status == VST_ERR_GONE)
            vst_scsi_path_lower(path_of(q, i), VST_SCSI_PATH_FAILED);
        else
            return status;
    }
    return outcome;
}

static enum vst_status give_first(struct multi_queue *q, struct clone *clone)
{
    enum vst_status status = give(q, clone);

    if (status == VST_ERR_NOT_READY) {
        clone->request.status = VST_OK;
        wait_for_path(q, clone);
        return VST_OK;
    }
    if (status != VST_OK)
        put_back(q, clone);
    return status;
}

static void count(struct multi_queue *q, enum vst_block_op op, uint64_t n_sectors)
{
    q->base.stats.commands[op]++;
    q->base.stats.sectors[op] += n_sectors;
}

static enum vst_status multi_submit(struct vst_block_queue *queue,
                                    struct vst_block_request *request)
{
    struct multi_queue *q = queue_of(queue);
    struct clone *clone = take_clone(q);

    if (clone == NULL)
        return VST_ERR_FULL;
    request->priv.split = false;
    clone->origin = request;
    clone->is_part = false;
    clone->part_sector = 0;
    clone->request = (struct vst_block_request){
        .op = request->op,
        .n_segments = request->n_segments,
        .segments = request->segments,
        .start_sector = request->start_sector,
        .n_sectors = request->n_sectors,
    };
    enum vst_status status = give_first(q, clone);
    if (status == VST_OK)
        count(q, request->op, request->n_sectors);
    return status;
}

/** False: a part of data that is not the whole, which clones can't be. */
static bool fill_part(struct clone *clone, const struct vst_block_request *request,
                      const struct vst_block_part *part, const struct vst_block_limits *limits)
{
    clone->request = (struct vst_block_request){.op = part->op};
    if (vst_block_op_has_ranges(part->op)) {
        clone->range = vst_block_range_piece(part->ranges, part->skip_bytes,
                                             vst_block_range_limits_of(limits, part->op));
        clone->request.ranges = &clone->range;
        clone->request.n_segments = 1;
        clone->request.n_sectors = clone->range.n_sectors;
    } else if (part->op != VST_BLOCK_FLUSH) {
        clone->request.segments = request->segments;
        clone->request.n_segments = request->n_segments;
        clone->request.start_sector = request->start_sector;
        clone->request.n_sectors = request->n_sectors;
        return part->n_sectors == request->n_sectors;
    }
    return true;
}

/** Of durable writes, operations on ranges; and of what is larger than any path would take in parts. */
static enum vst_status multi_submit_part(struct vst_block_queue *queue,
                                         struct vst_block_request *request,
                                         const struct vst_block_part *part)
{
    struct multi_queue *q = queue_of(queue);
    struct clone *clone = take_clone(q);

    if (clone == NULL)
        return VST_ERR_FULL;
    clone->origin = request;
    clone->is_part = true;
    clone->part_sector = part->start_sector;
    if (!fill_part(clone, request, part, &q->base.device->limits)) {
        put_back(q, clone);
        return VST_ERR_TOO_LARGE;
    }
    enum vst_status status = give_first(q, clone);
    if (status == VST_OK)
        count(q, part->op, part->n_sectors);
    return status;
}

static void multi_kick(struct vst_block_queue *queue)
{
    struct multi_queue *q = queue_of(queue);

    for (unsigned i = 0; i < VST_SCSI_MOST_PATHS; i++) {
        struct lane *lane = &q->lanes[i];
        if (!lane->dirty)
            continue;
        lane->dirty = false;
        if (n_in_flight(lane) > 0)
            vst_block_kick(queue_behind(q, i));
    }
}

/* ------------------------------------------------------------------ ends */

/** What the path's failure leaves of it; VST_SCSI_PATH_OPTIMIZED: nothing was found against it. */
static enum vst_scsi_path_state state_after(const struct vst_scsi_path *path,
                                            const struct scsi_rule *rule)
{
    bool tells = path->unit->port_groups != 0;

    if (rule->kind == SCSI_BY_SENSE && rule->a == VST_SCSI_NOT_READY && rule->b == 0x04) {
        if (rule->c == 0x0a)
            return tells ? VST_SCSI_PATH_TRANSITIONING : VST_SCSI_PATH_OPTIMIZED;
        if (rule->c == 0x0b)
            return tells ? VST_SCSI_PATH_STANDBY : VST_SCSI_PATH_FAILED;
        if (rule->c == 0x0c)
            return tells ? VST_SCSI_PATH_UNAVAILABLE : VST_SCSI_PATH_FAILED;
    }
    if (rule->kind == SCSI_BY_RESPONSE && rule->a == VST_SCSI_RESPONSE_TIMEOUT)
        return VST_SCSI_PATH_FAILED;
    return rule->action == SCSI_OTHER_PATH || rule->action == SCSI_UNIT_GONE
               ? VST_SCSI_PATH_FAILED
               : VST_SCSI_PATH_OPTIMIZED;
}

static bool is_any_other(const struct vst_scsi_path *path)
{
    const struct scsi_multi *multi = path->multi;

    for (unsigned i = 0; i < VST_SCSI_MOST_PATHS; i++)
        if (&multi->path[i] != path && scsi_path_is_active(scsi_path_state(&multi->path[i])))
            return true;
    return false;
}

void vst_scsi_path_judge(struct disk *disk, struct vst_block_request *request,
                         const struct scsi_rule *rule, struct scsi_decision *decision)
{
    struct vst_scsi_path *path = disk->unit->base.way;
    struct clone *clone = (struct clone *)request; /* it comes first */
    enum vst_scsi_path_state state = state_after(path, rule);

    if (state == VST_SCSI_PATH_OPTIMIZED)
        return;
    /* The last one is tried as often as if there never had been others. */
    if (state == VST_SCSI_PATH_FAILED && decision->again && !is_any_other(path))
        return;
    vst_scsi_path_lower(path, state);
    if (state != VST_SCSI_PATH_FAILED)
        vst_scsi_unit_look_again(path->unit, VST_SCSI_LOOK_PATHS);
    clone->moves = true;
    decision->again = false;
}

static bool changes_data(enum vst_block_op op)
{
    return op != VST_BLOCK_READ && op != VST_BLOCK_FLUSH;
}

/** The adapter can't say any more whether the unit has the command. */
static bool is_unsafe(const struct multi_queue *q, const struct clone *clone)
{
    const struct vst_scsi_hba *hba = path_of(q, clone->lane)->disk->hba;

    return changes_data(clone->request.op) && (__atomic_load_n(&hba->gone, __ATOMIC_ACQUIRE) ||
                                               __atomic_load_n(&hba->broken, __ATOMIC_ACQUIRE));
}

/** Returns 1 if the caller's request has ended, which is then in *done. */
static size_t end(struct multi_queue *q, struct clone *clone, enum vst_status status,
                  struct vst_block_request **done)
{
    struct vst_block_request *origin = clone->origin;
    bool has_sector = status != VST_OK && clone->request.op != VST_BLOCK_FLUSH;
    uint64_t sector = has_sector ? clone->request.error_sector : clone->part_sector;
    bool is_part = clone->is_part;

    q->base.stats.errors += status != VST_OK;
    put_back(q, clone); /* a durable write's flush takes its place */
    *done = origin;
    if (is_part)
        return vst_block_part_done(&q->base, origin, sector, status);
    origin->status = status;
    if (status != VST_OK)
        origin->error_sector = sector;
    return 1;
}

/** It is back by a path that has failed. */
static void move(struct multi_queue *q, struct clone *clone)
{
    clone->n_moves++;
    if (is_unsafe(q, clone))
        clone->fence = CLONE_UNSAFE;
    q->base.stats.replays++;
    wait_for_path(q, clone);
}

static size_t take_back(struct multi_queue *q, struct clone *clone, struct vst_block_request **done)
{
    enum vst_status status = clone->request.status;
    bool lost = status == VST_ERR_GONE || status == VST_ERR_BROKEN;

    if (lost)
        vst_scsi_path_lower(path_of(q, clone->lane), VST_SCSI_PATH_FAILED);
    if (status == VST_OK || !(lost || clone->moves) || clone->n_moves >= MOST_MOVES)
        return end(q, clone, status, done);
    move(q, clone);
    return 0;
}

static size_t poll_lane(struct multi_queue *q, unsigned i, struct vst_block_request **done,
                        size_t max)
{
    struct vst_block_request *back[BATCH];
    size_t n = vst_block_poll(queue_behind(q, i), back, max < BATCH ? max : BATCH);
    size_t n_done = 0;

    for (size_t k = 0; k < n; k++)
        n_done += take_back(q, (struct clone *)back[k], &done[n_done]);
    set_in_flight(&q->lanes[i], n_in_flight(&q->lanes[i]) - (uint32_t)n);
    return n_done;
}

/* ------------------------------------------------------------------ nothing of a lost path */

/*
 * An adapter that was torn out took commands with it that the unit may have, and may do after others
 * that come by another path have written the same blocks. The unit itself is asked to forget what it
 * was given, by whichever path, before they are given again. (SAM-5, 7.7)
 */

static void mark(struct multi_queue *q, enum clone_fence from, enum clone_fence to)
{
    for (struct clone *clone = q->waiting; clone != NULL; clone = clone->next)
        if (clone->fence == from)
            clone->fence = (uint8_t)to;
}

static bool is_any(const struct multi_queue *q, enum clone_fence fence)
{
    const struct clone *clone = q->waiting;

    while (clone != NULL && clone->fence != fence)
        clone = clone->next;
    return clone != NULL;
}

static void begin_fence(struct multi_queue *q)
{
    unsigned i = choose(q, 0);

    if (i == NO_LANE || now_ns(q) < q->fence_again_ns || !enter(q, i, false))
        return;
    struct vst_scsi_hba *hba = path_of(q, i)->disk->hba;
    q->fence = (struct vst_scsi_function){.kind = VST_SCSI_LOGICAL_UNIT_RESET,
                                          .nexus = path_of(q, i)->unit->nexus};
    if (hba->ops->manage(hba, &q->fence) != VST_OK) {
        leave(q, i);
        q->fence_again_ns = now_ns(q) + FENCE_AGAIN_NS;
        return;
    }
    q->is_fencing = true;
    q->fence_lane = (uint8_t)i;
    mark(q, CLONE_UNSAFE, CLONE_FENCING);
}

static void attend_fence(struct multi_queue *q)
{
    struct vst_scsi_hba *hba = path_of(q, q->fence_lane)->disk->hba;

    hba->ops->look(hba);
    if (!vst_scsi_function_ended(&q->fence))
        return;
    bool done = q->fence.response == VST_SCSI_FUNCTION_COMPLETE;
    mark(q, CLONE_FENCING, done ? CLONE_SAFE : CLONE_UNSAFE);
    if (!done)
        q->fence_again_ns = now_ns(q) + FENCE_AGAIN_NS;
    q->is_fencing = false;
    leave(q, q->fence_lane);
}

/* ------------------------------------------------------------------ waiting */

static bool is_over(const struct multi_queue *q, const struct clone *clone)
{
    return __atomic_load_n(&q->multi->base.gone, __ATOMIC_ACQUIRE) ||
           now_ns(q) - clone->since_ns > q->multi->no_path_ns;
}

static void end_waiting(struct multi_queue *q, struct clone *clone, enum vst_status status)
{
    struct vst_block_request *origin;

    if (__atomic_load_n(&q->multi->base.gone, __ATOMIC_ACQUIRE))
        status = VST_ERR_GONE;
    if (clone->request.op != VST_BLOCK_FLUSH)
        clone->request.error_sector = vst_block_op_has_ranges(clone->request.op)
                                          ? clone->range.start_sector
                                          : clone->request.start_sector;
    if (end(q, clone, status, &origin) > 0)
        vst_block_finish(&q->base, origin, origin->status);
}

/** False: it goes on waiting. */
static bool give_again(struct multi_queue *q, struct clone *clone)
{
    enum vst_status last = clone->request.status, status = VST_ERR_NOT_READY;

    if (clone->fence == CLONE_SAFE)
        status = give(q, clone);
    if (status == VST_OK)
        return true;
    clone->request.status = last;
    if (status == VST_ERR_FULL)
        clone->since_ns = now_ns(q);
    else if (status != VST_ERR_NOT_READY)
        end_waiting(q, clone, status);
    else if (clone->fence != CLONE_FENCING && is_over(q, clone))
        end_waiting(q, clone, last != VST_OK ? last : VST_ERR_NOT_READY);
    else
        return false;
    return status != VST_ERR_FULL;
}

static __attribute__((noinline, cold)) void attend(struct multi_queue *q)
{
    if (q->is_fencing)
        attend_fence(q);
    else if (is_any(q, CLONE_UNSAFE))
        begin_fence(q);
    struct clone *clone = q->waiting;
    q->waiting = NULL;
    while (clone != NULL) {
        struct clone *next = clone->next;
        if (!give_again(q, clone))
            wait_for_path(q, clone);
        clone = next;
    }
}

static size_t take_ready(struct multi_queue *q, struct vst_block_request **done, size_t max)
{
    struct vst_block_request_list *ready = &q->base.ready;
    size_t n = 0;

    while (n < max && ready->first != NULL) {
        done[n++] = ready->first;
        ready->first = ready->first->priv.next;
    }
    return n;
}

/* ------------------------------------------------------------------ rest */

/** Paths' queues that have nothing of ours any more, so that their adapters don't count on us. */
static void rest_idle(struct multi_queue *q)
{
    for (unsigned i = 0; i < VST_SCSI_MOST_PATHS; i++) {
        struct lane *lane = &q->lanes[i];
        if (!lane->awake || n_in_flight(lane) > 0)
            continue;
        /* It stays until `awake` is taken back. */
        struct vst_block_queue *behind = queue_behind(q, i);
        struct vst_block_request *none[1];
        (void)!vst_block_poll(behind, none, 1);
        vst_block_rest(behind);
        __atomic_store_n(&lane->awake, false, __ATOMIC_RELEASE);
    }
}

/** What paths have counted: at this moment, for whoever looks. */
static void sum_up(struct multi_queue *q)
{
    struct vst_block_stats *sum = &q->base.stats;
    struct vst_block_stats total = q->multi->stats_before[q->base.index];

    for (unsigned i = 0; i < VST_SCSI_MOST_PATHS; i++) {
        if (!enter(q, i, true))
            continue;
        const struct vst_block_stats *stats = &queue_behind(q, i)->stats;
        total.kicks += stats->kicks;
        total.interrupts += __atomic_load_n(&stats->interrupts, __ATOMIC_RELAXED);
        total.interrupts_elsewhere += stats->interrupts_elsewhere;
        total.rescues += stats->rescues;
        total.timeouts += stats->timeouts;
        total.device_resets += stats->device_resets;
        leave(q, i);
    }
    sum->kicks = total.kicks;
    sum->interrupts = total.interrupts;
    sum->interrupts_elsewhere = total.interrupts_elsewhere;
    sum->rescues = total.rescues;
    sum->timeouts = total.timeouts;
    sum->device_resets = total.device_resets;
}

static bool is_busy(const struct multi_queue *q)
{
    for (unsigned i = 0; i < VST_SCSI_MOST_PATHS; i++)
        if (n_in_flight(&q->lanes[i]) > 0)
            return true;
    return q->waiting != NULL;
}

static void multi_rest(struct vst_block_queue *queue)
{
    struct multi_queue *q = queue_of(queue);

    if (is_busy(q))
        return;
    sum_up(q);
    rest_idle(q);
}

/* ------------------------------------------------------------------ polling */

static size_t multi_poll(struct vst_block_queue *queue, struct vst_block_request **done, size_t max)
{
    struct multi_queue *q = queue_of(queue);
    size_t n = 0;

    for (unsigned k = 0; k < VST_SCSI_MOST_PATHS; k++) {
        unsigned i = (q->first_lane + k) % VST_SCSI_MOST_PATHS;
        if (n < max && n_in_flight(&q->lanes[i]) > (q->is_fencing && i == q->fence_lane))
            n += poll_lane(q, i, done + n, max - n);
    }
    q->first_lane = (uint8_t)((q->first_lane + 1) % VST_SCSI_MOST_PATHS);
    if (VST_UNLIKELY(q->waiting != NULL)) {
        attend(q);
        n += take_ready(q, done + n, max - n);
    }
    multi_kick(queue); /* of what was given again, and of flushes */
    if (n == 0)
        rest_idle(q);
    return n;
}

static bool multi_ready(const struct vst_block_queue *queue)
{
    const struct multi_queue *q = queue_of(queue);

    for (unsigned i = 0; i < VST_SCSI_MOST_PATHS; i++)
        if (n_in_flight(&q->lanes[i]) > 0 && vst_block_ready(queue_behind(q, i)))
            return true;
    return q->waiting != NULL;
}

/* ------------------------------------------------------------------ interrupts */

static void multi_arm(struct vst_block_queue *queue, uint32_t n)
{
    struct multi_queue *q = queue_of(queue);
    unsigned n_lanes = 0;

    for (unsigned i = 0; i < VST_SCSI_MOST_PATHS; i++)
        n_lanes += n_in_flight(&q->lanes[i]) > 0;
    for (unsigned i = 0; i < VST_SCSI_MOST_PATHS; i++)
        if (n_in_flight(&q->lanes[i]) > 0)
            (void)!vst_block_arm_after(queue_behind(q, i), n_lanes > 1 ? 1 : n);
}

static void multi_disarm(struct vst_block_queue *queue)
{
    struct multi_queue *q = queue_of(queue);

    for (unsigned i = 0; i < VST_SCSI_MOST_PATHS; i++)
        if (n_in_flight(&q->lanes[i]) > 0)
            vst_block_disarm(queue_behind(q, i));
}

static bool multi_awaited(const struct vst_block_queue *queue)
{
    const struct multi_queue *q = queue_of(queue);
    bool any = false;

    for (unsigned i = 0; i < VST_SCSI_MOST_PATHS; i++) {
        if (n_in_flight(&q->lanes[i]) == 0)
            continue;
        any = true;
        if (vst_block_awaited(queue_behind(q, i)))
            return true;
    }
    return q->waiting != NULL || !any;
}

/* ------------------------------------------------------------------ the cache */

/** The unit's own, so that one path will do; the others find out. */
static enum vst_status multi_set_write_cache(struct vst_block_device *device, bool on)
{
    struct scsi_multi *multi = scsi_multi_of(device);
    unsigned i = choose(&multi->queues[0], 0);

    if (i == NO_LANE)
        return VST_ERR_NOT_READY;
    struct vst_block_device *disk = &multi->path[i].disk->base;
    enum vst_status status = vst_block_set_write_cache(disk, on);
    device->write_cache = disk->write_cache;
    device->flush_needed = disk->flush_needed;
    vst_block_limits_changed(device);
    for (unsigned k = 0; k < VST_SCSI_MOST_PATHS; k++)
        if (k != i && scsi_path_is_there(&multi->path[k]))
            vst_scsi_unit_look_again(multi->path[k].unit, VST_SCSI_LOOK_MODE);
    return status;
}

const struct vst_block_driver vst_scsi_multi_driver = {
    .submit = multi_submit,
    .submit_part = multi_submit_part,
    .kick = multi_kick,
    .poll = multi_poll,
    .ready = multi_ready,
    .arm = multi_arm,
    .disarm = multi_disarm,
    .awaited = multi_awaited,
    .set_write_cache = multi_set_write_cache,
    .rest = multi_rest,
};
