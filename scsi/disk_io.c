/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk's requests: disk_submit and disk_poll run for every one. What has not ended plainly well
 * comes back through the upcalls and is given again or ended as the policy says.
 */
#include "scsi/disk.h"

#include "scsi/cdb.h"

#define NS_PER_MS 1000000ull

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

/** A durable write's parts are plain writes; its flush follows. */
static struct vst_scsi_cdb cdb_of(const struct disk_queue *q, enum vst_block_op op,
                                  uint64_t start_sector, uint64_t n_sectors)
{
    if (op == VST_BLOCK_FLUSH)
        return q->is_long ? vst_scsi_synchronize_cache_16() : vst_scsi_synchronize_cache_10();
    return transfer(q, op == VST_BLOCK_READ ? op : VST_BLOCK_WRITE, start_sector, n_sectors);
}

static __attribute__((noinline, cold)) enum vst_status
submit_flush(struct disk_queue *q, struct vst_block_request *request)
{
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

static enum vst_status disk_submit_part(struct vst_block_queue *queue,
                                        struct vst_block_request *request,
                                        const struct vst_block_part *part)
{
    struct disk_queue *q = queue_of(queue);

    if (q->base.n_room <= 0 || (q->parts_ns != 0 && now_ns(q) < q->parts_ns))
        return VST_ERR_FULL;
    q->parts_ns = 0;
    return q->base.ops->submit_part(&q->base, request, part,
                                    cdb_of(q, part->op, part->start_sector, part->n_sectors));
}

static void disk_kick(struct vst_block_queue *queue)
{
    struct disk_queue *q = queue_of(queue);

    q->base.ops->kick(&q->base);
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
    q->again_ns = now_ns(q) + delay_ms * NS_PER_MS;
}

/** What cannot be given again because the adapter does not take it ends so. */
static __attribute__((noinline, cold)) void give_again(struct disk_queue *q)
{
    bool gone = __atomic_load_n(&q->disk->base.gone, __ATOMIC_RELAXED);

    if (now_ns(q) < q->again_ns && !q->disk->hba->broken && !gone)
        return;
    while (q->waiting.first != NULL) {
        struct vst_block_request *request = q->waiting.first;
        struct vst_block_request *next = request->priv.next;
        enum vst_status status = gone ? VST_ERR_GONE : disk_submit(&q->base.base, request);
        if (status == VST_ERR_FULL)
            break;
        q->waiting.first = next;
        if (status == VST_OK) {
            q->base.base.stats.replays++;
            continue;
        }
        request->error_sector = request->start_sector;
        vst_block_finish(&q->base.base, request, status);
    }
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
        .response = (uint8_t)outcome->response,
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
        q->base.base.stats.replays += vst_block_part_dropped(queue, request, sector, VST_OK);
        return;
    }
    if (vst_block_part_done(queue, request, sector, decision->status))
        vst_block_finish(queue, request, request->status);
}

/** The adapter is out of service, and so is the disk. On several CPUs, perhaps: all say the same. */
static void note_broken(struct disk *disk)
{
    if (__atomic_load_n(&disk->base.broken, __ATOMIC_RELAXED))
        return;
    disk->base.broken_why = disk->hba->broken_why;
    __atomic_store_n(&disk->base.broken, true, __ATOMIC_RELAXED);
    vst_block_limits_changed(&disk->base);
}

/** What is not there, or can't be reached any more, is not asked again. */
static void judge_end(struct disk *disk, struct scsi_decision *decision)
{
    if (disk->hba->broken) {
        note_broken(disk);
        decision->again = false;
    }
    if (__atomic_load_n(&disk->base.gone, __ATOMIC_RELAXED) ||
        __atomic_load_n(&disk->hba->gone, __ATOMIC_RELAXED)) {
        decision->again = false;
        decision->status = decision->action == SCSI_DONE ? VST_OK : VST_ERR_GONE;
    }
}

static void ended(struct vst_scsi_block_queue *queue, struct vst_block_request *request,
                  const struct vst_scsi_share *share, const struct vst_scsi_outcome *outcome)
{
    struct disk_queue *q = (struct disk_queue *)queue; /* base comes first */
    struct vst_scsi_sense sense = {0};
    struct scsi_tries tries;
    struct scsi_decision decision = decide(request, share, outcome, &sense, &tries);

    uint32_t look = vst_scsi_look_after(decision.action);
    if (look != 0)
        vst_scsi_unit_look_again(&q->disk->unit->base, look);
    if (look == VST_SCSI_LOOK_MEDIUM && q->disk->base.removable)
        vst_block_medium_lost(&q->disk->base);
    judge_end(q->disk, &decision);
    uint64_t sector = failed_sector(q, share, &sense);
    if (share->is_part) {
        end_part(q, request, sector, &decision);
    } else if (decision.action != SCSI_DONE && decision.again) {
        give_again_later(q, request, &tries, decision.delay_ms);
    } else {
        request->error_sector = sector;
        vst_block_finish(&q->base.base, request, decision.status);
    }
}

const struct vst_scsi_block_upcalls vst_scsi_disk_upcalls = {.ended = ended};

/* ------------------------------------------------------------------ polling */

static size_t disk_poll(struct vst_block_queue *queue, struct vst_block_request **done, size_t max)
{
    struct disk_queue *q = queue_of(queue);

    if (VST_UNLIKELY(q->waiting.first != NULL))
        give_again(q);
    return q->base.ops->poll(&q->base, done, max);
}

static bool disk_ready(const struct vst_block_queue *queue)
{
    const struct disk_queue *q = queue_of(queue);

    return q->waiting.first != NULL || q->base.ops->ready(&q->base);
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

    return q->waiting.first != NULL || q->base.ops->awaited(&q->base);
}

static void disk_rest(struct vst_block_queue *queue)
{
    struct disk_queue *q = queue_of(queue);

    if (q->waiting.first == NULL)
        q->base.ops->rest(&q->base);
}

const struct vst_block_driver vst_scsi_disk_driver = {
    .submit = disk_submit,
    .submit_part = disk_submit_part,
    .kick = disk_kick,
    .poll = disk_poll,
    .ready = disk_ready,
    .arm = disk_arm,
    .disarm = disk_disarm,
    .awaited = disk_awaited,
    .rest = disk_rest,
};

/** READ (10) names all blocks that there can be: 2^32 of 2048 bytes. */
const struct vst_block_driver vst_scsi_cd_driver = {
    .submit = disk_submit,
    .submit_part = disk_submit_part,
    .kick = disk_kick,
    .poll = disk_poll,
    .ready = disk_ready,
    .arm = disk_arm,
    .disarm = disk_disarm,
    .awaited = disk_awaited,
    .rest = disk_rest,
    .refresh = vst_scsi_cd_refresh,
    .held = vst_scsi_cd_held,
    .move_medium = vst_scsi_cd_move,
};
