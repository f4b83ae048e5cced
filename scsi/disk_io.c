/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk's requests: disk_submit and disk_poll run for every one. What has not ended plainly well
 * comes back through the upcalls and is given again or ended as the policy says.
 */
#include "scsi/disk.h"

#include <vstor/trace.h>

#include "scsi/cdb.h"

#define NS_PER_MS  1000000ull
#define REST_BATCH 16u

static struct disk_queue *queue_of(const struct vst_block_queue *queue)
{
    return (struct disk_queue *)(uintptr_t)queue; /* base comes first, and its base */
}

/* ------------------------------------------------------------------ submitting */

static uint64_t now_ns(const struct disk_queue *q)
{
    const struct vst_platform *platform = q->disk->base.platform;

    return platform->time_ns(platform->ctx);
}

/** READ and WRITE have the same bit between them in all lengths. (SBC-3, 5) */
_Static_assert(SCSI_WRITE_10 - SCSI_READ_10 == 2 && SCSI_WRITE_16 - SCSI_READ_16 == 2 &&
                   VST_BLOCK_WRITE - VST_BLOCK_READ == 1,
               "operation = that of a read + 2 * op");

static inline struct vst_scsi_cdb transfer(const struct disk_queue *q, enum vst_block_op op,
                                           uint64_t start_sector, uint64_t n_sectors)
{
    uint64_t block = start_sector >> q->block_shift;
    uint32_t n = (uint32_t)(n_sectors >> q->block_shift);
    uint8_t step = (uint8_t)(2 * op);

    if (VST_UNLIKELY(q->is_long))
        return scsi_cdb_16((uint8_t)(SCSI_READ_16 + step), 0, block, n);
    return scsi_cdb_10((uint8_t)(SCSI_READ_10 + step), 0, (uint32_t)block, (uint16_t)n);
}

/** A durable write as the unit has it: one command, whose second byte says so. */
static struct vst_scsi_cdb cdb_of(const struct disk_queue *q, enum vst_block_op op,
                                  uint64_t start_sector, uint64_t n_sectors)
{
    if (op == VST_BLOCK_FLUSH)
        return vst_scsi_synchronize_cache_10();
    struct vst_scsi_cdb cdb =
        transfer(q, op == VST_BLOCK_READ ? op : VST_BLOCK_WRITE, start_sector, n_sectors);
    if (op == VST_BLOCK_WRITE_DURABLE)
        cdb.bytes[1] |= SCSI_FUA;
    return cdb;
}

/** A write that had been reported done was lost, says the unit: whoever flushes next must know. */
static bool take_earlier_failure(struct disk *disk)
{
    return __atomic_load_n(&disk->earlier_failed, __ATOMIC_RELAXED) &&
           __atomic_exchange_n(&disk->earlier_failed, false, __ATOMIC_RELAXED);
}

static __attribute__((noinline, cold)) enum vst_status
submit_flush(struct disk_queue *q, struct vst_block_request *request)
{
    if (take_earlier_failure(q->disk)) {
        request->error_sector = 0;
        vst_block_finish(&q->base.base, request, VST_ERR_IO);
        return VST_OK;
    }
    return q->base.ops->submit_block(&q->base, request, cdb_of(q, request->op, 0, 0));
}

static enum vst_status disk_submit(struct vst_block_queue *queue, struct vst_block_request *request)
{
    struct disk_queue *q = queue_of(queue);

    if (VST_UNLIKELY(q->base.n_room <= 0))
        return VST_ERR_FULL;
    if (VST_UNLIKELY(request->op > VST_BLOCK_WRITE))
        return submit_flush(q, request);
    return q->base.ops->submit_block(
        &q->base, request, transfer(q, request->op, request->start_sector, request->n_sectors));
}

static bool has_room_for_part(struct disk_queue *q)
{
    if (q->base.n_room <= 0 || (q->parts_ns != 0 && now_ns(q) < q->parts_ns))
        return false;
    q->parts_ns = 0;
    return true;
}

static enum vst_status disk_submit_part(struct vst_block_queue *queue,
                                        struct vst_block_request *request,
                                        const struct vst_block_part *part)
{
    struct disk_queue *q = queue_of(queue);

    if (!has_room_for_part(q))
        return VST_ERR_FULL;
    if (part->op == VST_BLOCK_FLUSH && take_earlier_failure(q->disk))
        return VST_ERR_IO;
    if (vst_block_op_has_ranges(part->op))
        return vst_scsi_disk_submit_ranges(q, request, part);
    return q->base.ops->submit_part(&q->base, request, part,
                                    cdb_of(q, part->op, part->start_sector, part->n_sectors));
}

/* ------------------------------------------------------------------ by 32 bytes */

/** Where protection information is of type 2, the reference tag is the block's number. (SBC-3, 4.22) */
static enum vst_status long_part(struct disk_queue *q, struct vst_block_request *request,
                                 const struct vst_block_part *part)
{
    uint64_t block = part->start_sector >> q->block_shift;
    uint8_t cdb[VST_SCSI_LONG_CDB_BYTES];

    vst_scsi_cdb_32(cdb, part->op == VST_BLOCK_READ ? SCSI_READ_32 : SCSI_WRITE_32, block,
                    (uint32_t)(part->n_sectors >> q->block_shift),
                    part->op == VST_BLOCK_WRITE_DURABLE ? SCSI_FUA : 0, (uint32_t)block);
    return q->base.ops->submit_long(&q->base, request, part, cdb);
}

static enum vst_status long_submit(struct vst_block_queue *queue, struct vst_block_request *request)
{
    struct disk_queue *q = queue_of(queue);
    const struct vst_block_part whole = {
        .op = request->op,
        .start_sector = request->start_sector,
        .n_sectors = request->n_sectors,
        .bytes = (uint32_t)(request->n_sectors << VST_SECTOR_SHIFT),
        .n_pieces = request->n_segments,
        .segments = request->segments,
    };

    if (q->base.n_room <= 0)
        return VST_ERR_FULL;
    if (request->op > VST_BLOCK_WRITE)
        return submit_flush(q, request);
    request->priv.split = false;
    return long_part(q, request, &whole);
}

static enum vst_status long_submit_part(struct vst_block_queue *queue,
                                        struct vst_block_request *request,
                                        const struct vst_block_part *part)
{
    struct disk_queue *q = queue_of(queue);

    if (part->op == VST_BLOCK_FLUSH || vst_block_op_has_ranges(part->op))
        return disk_submit_part(queue, request, part);
    if (!has_room_for_part(q))
        return VST_ERR_FULL;
    return long_part(q, request, part);
}

static void disk_kick(struct vst_block_queue *queue)
{
    struct disk_queue *q = queue_of(queue);

    q->base.ops->kick(&q->base);
}

/* ------------------------------------------------------------------ attention */

static uint8_t attention(const struct disk_queue *q)
{
    return __atomic_load_n(&q->attention, __ATOMIC_RELAXED);
}

static void attend_to(struct disk_queue *q, enum disk_attention what)
{
    __atomic_fetch_or(&q->attention, (uint8_t)what, __ATOMIC_RELEASE);
}

static void done_with(struct disk_queue *q, enum disk_attention what)
{
    __atomic_fetch_and(&q->attention, (uint8_t)~what, __ATOMIC_ACQUIRE);
}

/* ------------------------------------------------------------------ again */

/*
 * How often a request was given again stands in itself while it is in flight, as far as nobody else
 * needs the place: a mark in its status, which its end overwrites, and the count in priv. A chance
 * value that looks like the mark costs some tries.
 */
#define TRIES_MARK 0x53435349u

static struct scsi_tries tries_of(const struct vst_block_request *request)
{
    struct scsi_tries tries = {0};

    if ((uint32_t)request->status != TRIES_MARK)
        return tries;
    tries.last = (const struct scsi_rule *)(uintptr_t)request->priv.issued_sectors;
    tries.n_in_a_row = (uint16_t)request->priv.segment_index;
    tries.n_all = (uint16_t)request->priv.n_parts_in_flight;
    return tries;
}

static void keep_tries(struct vst_block_request *request, const struct scsi_tries *tries)
{
    request->status = (enum vst_status)TRIES_MARK;
    request->priv.issued_sectors = (uintptr_t)tries->last;
    request->priv.segment_index = tries->n_in_a_row;
    request->priv.n_parts_in_flight = tries->n_all;
}

static void give_again_later(struct disk_queue *q, struct vst_block_request *request,
                             const struct scsi_tries *tries, uint32_t delay_ms)
{
    keep_tries(request, tries);
    request->priv.next = NULL;
    if (q->waiting.first == NULL)
        q->waiting.first = request;
    else
        q->waiting.last->priv.next = request;
    q->waiting.last = request;
    attend_to(q, DISK_WAITING);
    q->again_ns = now_ns(q) + delay_ms * NS_PER_MS;
}

static void note_replay(struct disk_queue *q, enum vst_block_op op, uint64_t sector)
{
    q->base.base.stats.replays++;
    vst_trace_add(&q->base.base, (struct vst_trace_event){.kind = VST_TRACE_REPLAY,
                                                          .detail = (uint8_t)op,
                                                          .sector = sector});
}

/** What cannot be given again because the adapter does not take it ends so. */
static __attribute__((noinline, cold)) void give_again(struct disk_queue *q)
{
    const struct vst_block_device *device = &q->disk->base;
    bool broken = __atomic_load_n(&device->broken, __ATOMIC_ACQUIRE);
    enum vst_status end =
        __atomic_load_n(&device->gone, __ATOMIC_ACQUIRE) ? VST_ERR_GONE : VST_ERR_BROKEN;

    if (now_ns(q) < q->again_ns && !broken)
        return;
    while (q->waiting.first != NULL) {
        struct vst_block_request *request = q->waiting.first;
        struct vst_block_request *next = request->priv.next;
        enum vst_status status = broken ? end : q->disk->driver->submit(&q->base.base, request);
        if (status == VST_ERR_FULL)
            break;
        q->waiting.first = next;
        if (status == VST_OK) {
            note_replay(q, request->op, request->start_sector);
            continue;
        }
        request->error_sector = request->start_sector;
        vst_block_finish(&q->base.base, request, status);
    }
    if (q->waiting.first == NULL)
        done_with(q, DISK_WAITING);
    q->base.ops->kick(&q->base);
}

/* ------------------------------------------------------------------ ends */

/** How often a split request has started over is all that is known of its tries. */
#define MOST_STARTS 200u

static struct scsi_decision decide(const struct vst_block_request *request,
                                   const struct vst_scsi_share *share,
                                   const struct vst_scsi_outcome *outcome,
                                   struct vst_scsi_sense *sense, struct scsi_tries *tries)
{
    struct scsi_answer answer = {
        .response = vst_scsi_response_in_time(outcome, share->was_late),
        .status = outcome->status,
        .is_short = share->bytes > 0 && outcome->residual_bytes > 0,
    };

    if (vst_scsi_sense_parse(outcome->sense, outcome->sense_bytes, sense) == VST_OK)
        answer.sense = sense;
    if (share->is_part)
        *tries = (struct scsi_tries){.last = vst_scsi_rule(&answer),
                                     .n_in_a_row = request->priv.n_replays,
                                     .n_all = request->priv.n_replays};
    else
        *tries = tries_of(request);
    struct scsi_decision decision = vst_scsi_decide(&answer, tries);
    if (share->is_part && request->priv.n_replays >= MOST_STARTS)
        decision.again = false;
    return decision;
}

/** Where it failed, if the unit says so and it can be. */
static uint64_t failed_sector(const struct disk_queue *q, const struct vst_scsi_share *share,
                              const struct vst_scsi_sense *sense)
{
    uint64_t sector = sense->information << q->block_shift;

    if (!sense->has_information || sense->information > UINT64_MAX >> VST_SECTOR_SHIFT ||
        sector < share->start_sector ||
        sector - share->start_sector >= share->bytes >> VST_SECTOR_SHIFT)
        return share->start_sector;
    return sector;
}

static void end_part(struct disk_queue *q, struct vst_block_request *request, uint64_t sector,
                     const struct scsi_decision *decision)
{
    struct vst_block_queue *queue = &q->base.base;

    if (decision->action != SCSI_DONE && decision->again) {
        q->parts_ns = now_ns(q) + decision->delay_ms * NS_PER_MS;
        if (vst_block_part_dropped(queue, request, sector, VST_OK))
            note_replay(q, request->op, sector);
        return;
    }
    if (vst_block_part_done(queue, request, sector, decision->status))
        vst_block_finish(queue, request, request->status);
}

/** Out of service, for good. On several CPUs, perhaps: all say the same. */
static void note_broken(struct disk *disk)
{
    const char *why = __atomic_load_n(&disk->hba->broken, __ATOMIC_RELAXED) ? disk->hba->broken_why
                                                                            : "does not answer";

    if (__atomic_load_n(&disk->base.broken, __ATOMIC_RELAXED))
        return;
    disk->base.broken_why = why;
    __atomic_store_n(&disk->base.broken, true, __ATOMIC_RELAXED);
    vst_block_limits_changed(&disk->base);
}

/** In an order in which another CPU never sees less in flight than there is: see is_idle. */
static void change_depth(struct disk_queue *q, struct scsi_depth depth)
{
    int32_t n = depth.now - q->depth.now;

    q->depth.n_good = depth.n_good;
    if (n < 0)
        __atomic_store_n(&q->base.n_room, q->base.n_room + n, __ATOMIC_RELEASE);
    __atomic_store_n(&q->depth.now, depth.now, __ATOMIC_RELEASE);
    if (n > 0)
        __atomic_store_n(&q->base.n_room, q->base.n_room + n, __ATOMIC_RELEASE);
}

/** The unit is full: what it had taken when it said so is what it takes. */
static void give_fewer(struct disk_queue *q)
{
    struct scsi_depth depth = q->depth;
    int32_t n_in_flight = depth.now - (q->base.n_room + q->n_hidden);

    vst_scsi_depth_full(&depth, n_in_flight > 0 ? (uint16_t)n_in_flight : 0);
    change_depth(q, depth);
    attend_to(q, DISK_FEWER);
}

static void ask(struct disk_queue *q, enum scsi_errand what)
{
    vst_scsi_recovery_ask(&q->disk->recovery, what);
    attend_to(q, DISK_RECOVERY);
}

/** What an outcome asks for beside an answer to its request. */
static void act(struct disk_queue *q, enum scsi_action action)
{
    uint32_t look;

    switch (action) {
    case SCSI_DONE:
    case SCSI_NOTHING:
        return;
    case SCSI_FEWER:
        give_fewer(q);
        return;
    case SCSI_START_UNIT:
        ask(q, SCSI_ERRAND_START);
        return;
    case SCSI_CLEAR_ACA:
        ask(q, SCSI_ERRAND_CLEAR_ACA);
        return;
    case SCSI_ESCALATE:
        ask(q, SCSI_ERRAND_RESET);
        return;
    case SCSI_EARLIER_FAILED:
        __atomic_store_n(&q->disk->earlier_failed, true, __ATOMIC_RELAXED);
        return;
    default: /* something is to be found out again, or another way is to be taken: the owner's */
        look = vst_scsi_look_after(action);
        vst_scsi_unit_look_again(&q->disk->unit->base, look);
        if (look == VST_SCSI_LOOK_MEDIUM && q->disk->base.removable)
            vst_block_medium_lost(&q->disk->base);
        return;
    }
}

static bool is_flush(const struct vst_block_request *request)
{
    return request->op == VST_BLOCK_FLUSH ||
           (request->op == VST_BLOCK_WRITE_DURABLE && request->priv.flushing);
}

/** What the policy says, as far as this disk can still follow it. */
static void bend(struct disk_queue *q, const struct vst_block_request *request,
                 const struct vst_scsi_outcome *outcome, struct scsi_decision *decision)
{
    if (__atomic_load_n(&q->disk->hba->broken, __ATOMIC_ACQUIRE))
        note_broken(q->disk);
    if (__atomic_load_n(&q->disk->base.broken, __ATOMIC_RELAXED))
        decision->again = false;
    if (__atomic_load_n(&q->disk->base.gone, __ATOMIC_RELAXED) ||
        __atomic_load_n(&q->disk->hba->gone, __ATOMIC_RELAXED)) {
        decision->again = false;
        decision->status = decision->action == SCSI_DONE ? VST_OK : VST_ERR_GONE;
    }
    /* The flush that brings the news is the one that must not end well. */
    if (decision->action == SCSI_EARLIER_FAILED && is_flush(request)) {
        decision->again = false;
        decision->action = SCSI_NOTHING;
    }
    /* Silence was told of as late: steps are being taken already. */
    if (decision->action == SCSI_ESCALATE && outcome->response != VST_SCSI_RESPONSE_OK)
        decision->action = SCSI_NOTHING;
}

static void ended(struct vst_scsi_block_queue *queue, struct vst_block_request *request,
                  const struct vst_scsi_share *share, const struct vst_scsi_outcome *outcome)
{
    struct disk_queue *q = (struct disk_queue *)queue; /* base comes first */
    struct vst_scsi_sense sense = {0};
    struct scsi_tries tries;
    struct scsi_decision decision = decide(request, share, outcome, &sense, &tries);
    bool done = decision.action == SCSI_DONE;

    if (share->was_late)
        vst_scsi_recovery_returned(&q->disk->recovery);
    if (q->disk->judge != NULL)
        q->disk->judge(q->disk, request, tries.last, &decision);
    bend(q, request, outcome, &decision);
    act(q, decision.action);
    if (vst_block_op_has_ranges(request->op))
        vst_scsi_disk_ranges_ended(q, request->op, &decision);
    uint64_t sector = failed_sector(q, share, &sense);
    if (share->is_part) {
        end_part(q, request, sector, &decision);
    } else if (!done && decision.again) {
        give_again_later(q, request, &tries, decision.delay_ms);
    } else {
        request->error_sector = sector;
        vst_block_finish(&q->base.base, request, decision.status);
    }
}

static bool late(struct vst_scsi_block_queue *queue, struct vst_block_request *request,
                 uint64_t tag)
{
    struct disk_queue *q = (struct disk_queue *)queue;

    (void)request;
    (void)tag; /* the adapter tells it again when it is to be aborted */
    attend_to(q, DISK_RECOVERY);
    return vst_scsi_recovery_late(&q->disk->recovery);
}

const struct vst_scsi_block_upcalls vst_scsi_disk_upcalls = {.ended = ended, .late = late};

/* ------------------------------------------------------------------ silence */

#define ALL_ROOM (1 << 24)

void vst_scsi_disk_health_changed(struct scsi_recovery *recovery)
{
    struct disk *disk = VST_CONTAINER_OF(recovery, struct disk, recovery);

    for (uint16_t i = 0; i < disk->base.n_queues; i++)
        attend_to(&disk->queues[i], DISK_RECOVERY);
}

/** Submit looks at n_room anyway. */
static void hide_room(struct disk_queue *q, bool hide)
{
    int32_t n = hide ? ALL_ROOM : 0;

    __atomic_store_n(&q->base.n_room, q->base.n_room + q->n_hidden - n, __ATOMIC_RELEASE);
    __atomic_store_n(&q->n_hidden, n, __ATOMIC_RELEASE);
}

/** One step on with what has befallen the unit. */
static void look_after_unit(struct disk_queue *q)
{
    struct scsi_recovery *recovery = &q->disk->recovery;

    done_with(q, DISK_RECOVERY); /* before it is looked at: another CPU may set it again */
    vst_scsi_recovery_attend(recovery, q->base.hba_queue);
    enum scsi_unit_health health = scsi_recovery_health(recovery);
    hide_room(q, health == SCSI_UNIT_SILENT);
    if (health == SCSI_UNIT_GIVEN_UP)
        note_broken(q->disk);
    if (!vst_scsi_recovery_is_quiet(recovery))
        attend_to(q, DISK_RECOVERY);
}

/** Good answers bring the number of commands at a time up again. */
static void give_more(struct disk_queue *q, struct vst_block_request **done, size_t n)
{
    struct scsi_depth depth = q->depth;

    for (size_t i = 0; i < n; i++)
        if (done[i]->status == VST_OK)
            scsi_depth_good(&depth);
    change_depth(q, depth);
    if (depth.now == depth.most)
        done_with(q, DISK_FEWER);
}

/* ------------------------------------------------------------------ polling */

static __attribute__((noinline, cold)) size_t
poll_attentively(struct disk_queue *q, struct vst_block_request **done, size_t max)
{
    if ((attention(q) & DISK_RECOVERY) != 0)
        look_after_unit(q);
    if (q->waiting.first != NULL)
        give_again(q);
    size_t n = q->base.ops->poll(&q->base, done, max);
    /* The adapter's, of which there is always something to be given again. */
    q->base.base.stats.device_resets = q->base.hba_queue->stats.device_resets - q->resets_before;
    if ((attention(q) & DISK_FEWER) != 0)
        give_more(q, done, n);
    return n;
}

static size_t disk_poll(struct vst_block_queue *queue, struct vst_block_request **done, size_t max)
{
    struct disk_queue *q = queue_of(queue);

    if (VST_UNLIKELY(attention(q) != 0))
        return poll_attentively(q, done, max);
    return q->base.ops->poll(&q->base, done, max);
}

/** There is something that only poll goes on with. */
static bool wants_polls(const struct disk_queue *q)
{
    return (attention(q) & (DISK_WAITING | DISK_RECOVERY)) != 0;
}

static bool disk_ready(const struct vst_block_queue *queue)
{
    const struct disk_queue *q = queue_of(queue);

    return wants_polls(q) || q->base.ops->ready(&q->base);
}

static void disk_arm(struct vst_block_queue *queue, uint32_t n)
{
    struct disk_queue *q = queue_of(queue);

    q->base.ops->arm(&q->base, n);
}

static void disk_disarm(struct vst_block_queue *queue)
{
    struct disk_queue *q = queue_of(queue);

    q->base.ops->disarm(&q->base);
}

static bool disk_awaited(const struct vst_block_queue *queue)
{
    const struct disk_queue *q = queue_of(queue);

    return wants_polls(q) || q->base.ops->awaited(&q->base);
}

/**
 * A step that this queue alone takes, or has a command out for, is taken to its end: else the
 * adapter would wait for a queue that nobody polls. Every step has its deadline.
 */
static void disk_rest(struct vst_block_queue *queue)
{
    struct disk_queue *q = queue_of(queue);
    const struct vst_platform *platform = q->disk->base.platform;

    if (q->waiting.first != NULL)
        return;
    while (VST_UNLIKELY((attention(q) & DISK_RECOVERY) != 0) &&
           vst_scsi_recovery_needs(&q->disk->recovery, q->base.hba_queue)) {
        look_after_unit(q);
        if (q->base.hba_queue->hba->ops->poll_commands(q->base.hba_queue, REST_BATCH) == 0)
            platform->relax(platform->ctx);
    }
    q->base.ops->rest(&q->base);
}

/* ------------------------------------------------------------------ recorded */

/*
 * The adapter records: for the time of a call the queue has its other operations. That is the queue's
 * own CPU's business, while tracing is turned on and off from any.
 */
static const struct vst_block_driver *begin(struct disk_queue *q)
{
    const struct vst_scsi_hba_ops *traced = q->disk->hba->ops->traced;

    if (traced != NULL)
        q->base.ops = traced;
    return q->disk->driver;
}

static void end(struct disk_queue *q)
{
    q->base.ops = q->disk->hba->ops;
}

static enum vst_status traced_submit(struct vst_block_queue *queue,
                                     struct vst_block_request *request)
{
    enum vst_status status = begin(queue_of(queue))->submit(queue, request);

    end(queue_of(queue));
    return status;
}

static enum vst_status traced_submit_part(struct vst_block_queue *queue,
                                          struct vst_block_request *request,
                                          const struct vst_block_part *part)
{
    enum vst_status status = begin(queue_of(queue))->submit_part(queue, request, part);

    end(queue_of(queue));
    return status;
}

static void traced_kick(struct vst_block_queue *queue)
{
    begin(queue_of(queue))->kick(queue);
    end(queue_of(queue));
}

static size_t traced_poll(struct vst_block_queue *queue, struct vst_block_request **done,
                          size_t max)
{
    size_t n = begin(queue_of(queue))->poll(queue, done, max);

    end(queue_of(queue));
    return n;
}

static void traced_arm(struct vst_block_queue *queue, uint32_t n)
{
    begin(queue_of(queue))->arm(queue, n);
    end(queue_of(queue));
}

/* ------------------------------------------------------------------ tables */

#define THE_SAME_IN_ALL                                                                            \
    .ready = disk_ready, .disarm = disk_disarm, .awaited = disk_awaited, .rest = disk_rest

#define PLAIN(submit_, part_, traced_, ...)                                                        \
    {                                                                                              \
        .submit = (submit_), .submit_part = (part_), .kick = disk_kick, .poll = disk_poll,         \
        .arm = disk_arm, .traced = (traced_), THE_SAME_IN_ALL, __VA_ARGS__                         \
    }

#define TRACED(untraced_, ...)                                                                     \
    {                                                                                              \
        .submit = traced_submit, .submit_part = traced_submit_part, .kick = traced_kick,           \
        .poll = traced_poll, .arm = traced_arm, .untraced = (untraced_), THE_SAME_IN_ALL,          \
        __VA_ARGS__                                                                                \
    }

#define OF_DISKS .set_write_cache = vst_scsi_disk_set_write_cache
#define OF_CDS                                                                                     \
    .refresh = vst_scsi_cd_refresh, .held = vst_scsi_cd_held, .move_medium = vst_scsi_cd_move

const struct vst_block_driver vst_scsi_disk_driver =
    PLAIN(disk_submit, disk_submit_part, &vst_scsi_disk_traced_driver, OF_DISKS);
const struct vst_block_driver vst_scsi_disk_long_driver =
    PLAIN(long_submit, long_submit_part, &vst_scsi_disk_traced_long_driver, OF_DISKS);
const struct vst_block_driver vst_scsi_disk_traced_driver = TRACED(&vst_scsi_disk_driver, OF_DISKS);
const struct vst_block_driver vst_scsi_disk_traced_long_driver =
    TRACED(&vst_scsi_disk_long_driver, OF_DISKS);

/** READ (10) names all blocks that there can be: 2^32 of 2048 bytes. */
const struct vst_block_driver vst_scsi_cd_driver =
    PLAIN(disk_submit, disk_submit_part, &vst_scsi_cd_traced_driver, OF_CDS);
const struct vst_block_driver vst_scsi_cd_traced_driver = TRACED(&vst_scsi_cd_driver, OF_CDS);
