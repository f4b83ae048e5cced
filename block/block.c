/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The request's way through the block layer: checked, split where the device can't take it whole,
 * given to the driver.
 *
 * A split request needs no memory beyond itself: it stands in the queue's list `split`, remembers
 * how much of it has been issued, and counts the parts in flight. Poll issues further parts as room
 * comes up.
 */
#include "block/media.h"
#include "block/ranges.h"
#include "block/request_list.h"
#include "block/zones.h"

void vst_block_finish(struct vst_block_queue *queue, struct vst_block_request *request,
                      enum vst_status status)
{
    request->status = status;
    request_list_append(&queue->ready, request);
}

/* ------------------------------------------------------------------ splitting */

/** Where in a request the next part begins. */
struct cursor {
    uint64_t sectors; /* behind us */
    uint32_t segment_index;
    uint64_t skip_bytes; /* of that segment, behind us */
};

/**
 * Bytes, at most `want`, that fit `max_pieces` pieces of memory from the cursor on, and how many
 * pieces these are.
 */
static uint64_t reach(const struct vst_block_request *request, const struct cursor *from,
                      uint64_t want, const struct vst_block_limits *limits, uint32_t *n_pieces)
{
    uint64_t bytes = 0;
    uint64_t skip = from->skip_bytes;

    *n_pieces = 0;
    for (uint32_t i = from->segment_index; i < request->n_segments && bytes < want; skip = 0) {
        uint64_t left = request->segments[i++].bytes - skip;
        while (left > 0 && bytes < want && *n_pieces < limits->max_segments) {
            uint64_t piece =
                vst_min_u64(vst_min_u64(left, limits->max_segment_bytes), want - bytes);
            bytes += piece;
            left -= piece;
            ++*n_pieces;
        }
        if (left > 0)
            break;
    }
    return bytes;
}

/** Whether the next part waits for the one before it to end well. */
static bool goes_in_order(const struct vst_block_queue *queue,
                          const struct vst_block_request *request)
{
    return vst_block_goes_in_order(&queue->device->limits, request->op);
}

/** The part at the cursor; its length is 0 if not even one logical block fits a command. */
static struct vst_block_part next_part(const struct vst_block_request *request,
                                       const struct cursor *at,
                                       const struct vst_block_limits *limits)
{
    uint64_t start_sector = request->start_sector + at->sectors;
    uint64_t most = vst_min_u64(limits->max_sectors, vst_block_zone_reach(limits, start_sector));
    uint64_t want = vst_min_u64(request->n_sectors - at->sectors, most) << VST_SECTOR_SHIFT;
    struct vst_block_part part = {
        .op = request->op,
        .start_sector = start_sector,
        .segments = request->segments + at->segment_index,
        .skip_bytes = at->skip_bytes,
    };
    uint64_t bytes = reach(request, at, want, limits, &part.n_pieces);
    uint64_t whole_blocks = bytes - bytes % vst_block_unit_bytes(limits, part.op);

    /* A part that ends within a block is cut back to the block's beginning, which takes fewer
     * pieces. */
    if (whole_blocks != bytes)
        reach(request, at, whole_blocks, limits, &part.n_pieces);
    part.bytes = (uint32_t)whole_blocks;
    part.n_sectors = whole_blocks >> VST_SECTOR_SHIFT;
    return part;
}

static void advance(const struct vst_block_request *request, struct cursor *at, uint64_t bytes)
{
    at->sectors += bytes >> VST_SECTOR_SHIFT;
    bytes += at->skip_bytes;
    while (at->segment_index < request->n_segments &&
           bytes >= request->segments[at->segment_index].bytes)
        bytes -= request->segments[at->segment_index++].bytes;
    at->skip_bytes = bytes;
}

/** Whether every part of the request can be carried: said before the first of them is issued. */
static bool splittable(const struct vst_block_request *request,
                       const struct vst_block_limits *limits)
{
    struct cursor at = {0};

    while (at.sectors < request->n_sectors) {
        struct vst_block_part part = next_part(request, &at, limits);
        if (part.bytes == 0)
            return false;
        advance(request, &at, part.bytes);
    }
    return true;
}

static bool wholly_issued(const struct vst_block_request *request)
{
    return request->priv.issued_sectors == request->n_sectors;
}

/** Notes the lowest failing sector, and the status that belongs to it. */
static void note_error(struct vst_block_request *request, uint64_t sector, enum vst_status status)
{
    if (request->status != VST_OK && request->error_sector <= sector)
        return;
    request->status = status;
    request->error_sector = sector;
}

/** A durable write is on the device: what makes it durable is a flush, if there is a write cache. */
static bool flush_behind(struct vst_block_queue *queue, struct vst_block_request *request)
{
    const struct vst_block_part flush = {.op = VST_BLOCK_FLUSH,
                                         .start_sector = request->start_sector};

    if (request->op != VST_BLOCK_WRITE_DURABLE || request->priv.flushing ||
        request->status != VST_OK || !queue->device->flush_needed || queue->device->writes_durably)
        return false;
    request->priv.flushing = true;
    /* There is room: the last part has just left its own. */
    enum vst_status status = queue->driver->submit_part(queue, request, &flush);
    if (status != VST_OK) {
        note_error(request, request->start_sector, status);
        return false;
    }
    request->priv.n_parts_in_flight = 1;
    queue->driver->kick(queue);
    return true;
}

static bool start_over(struct vst_block_queue *queue, struct vst_block_request *request)
{
    bool wait_in_list = queue->split.first == request;
    uint8_t n_replays = request->priv.n_replays;

    if (request->status != VST_OK) {
        if (wait_in_list)
            request_list_take(&queue->split);
        vst_block_finish(queue, request, request->status);
        return false;
    }
    struct vst_block_request *next = request->priv.next;
    request->priv = (struct vst_block_request_private){
        .split = true, .n_replays = n_replays < UINT8_MAX ? n_replays + 1u : n_replays};
    if (wait_in_list)
        request->priv.next = next;
    else
        request_list_append(&queue->split, request);
    return true;
}

bool vst_block_part_done(struct vst_block_queue *queue, struct vst_block_request *request,
                         uint64_t start_sector, enum vst_status status)
{
    if (status != VST_OK)
        note_error(request, start_sector, status);
    request->priv.n_parts_in_flight--;
    if (request->priv.n_parts_in_flight > 0)
        return false;
    if (request->priv.dropped) {
        (void)start_over(queue, request);
        return false;
    }
    if (!wholly_issued(request))
        return false;
    return !flush_behind(queue, request);
}

bool vst_block_part_dropped(struct vst_block_queue *queue, struct vst_block_request *request,
                            uint64_t start_sector, enum vst_status status)
{
    if (status != VST_OK)
        note_error(request, start_sector, status);
    request->priv.dropped = true;
    request->priv.n_parts_in_flight--;
    return request->priv.n_parts_in_flight == 0 && start_over(queue, request);
}

/** Issues the next part of a split request. */
static enum vst_status issue_part(struct vst_block_queue *queue, struct vst_block_request *request)
{
    struct cursor at = {request->priv.issued_sectors, request->priv.segment_index,
                        request->priv.segment_skip_bytes};
    bool ranges = vst_block_op_has_ranges(request->op);
    struct vst_block_part part = ranges ? vst_block_next_range_part(request, &queue->device->limits)
                                        : next_part(request, &at, &queue->device->limits);

    if (part.op == VST_BLOCK_WRITE_DURABLE && !queue->device->writes_durably)
        part.op = VST_BLOCK_WRITE; /* the flush comes behind the last */
    /* The device's limits may have changed since the request was taken. */
    enum vst_status status = ranges && part.n_pieces == 0
                                 ? VST_ERR_UNSUPPORTED
                                 : queue->driver->submit_part(queue, request, &part);

    if (status != VST_OK)
        return status;
    if (ranges) {
        vst_block_advance_ranges(request, &part, &queue->device->limits);
        return VST_OK;
    }
    advance(request, &at, part.bytes);
    request->priv.issued_sectors = at.sectors;
    request->priv.segment_index = at.segment_index;
    request->priv.segment_skip_bytes = at.skip_bytes;
    request->priv.n_parts_in_flight++;
    return VST_OK;
}

/** The rest of a split request is not issued any more: it ends when the parts in flight have. */
static void give_up(struct vst_block_queue *queue, struct vst_block_request *request,
                    enum vst_status status)
{
    note_error(request,
               vst_block_op_has_ranges(request->op)
                   ? vst_block_next_range_sector(request)
                   : request->start_sector + request->priv.issued_sectors,
               status);
    request->priv.issued_sectors = request->n_sectors;
    if (request->priv.n_parts_in_flight == 0)
        vst_block_finish(queue, request, request->status);
}

/**
 * Issues parts of the split requests until the ring is full or nothing is left; true if any was
 * issued.
 */
static bool issue_parts(struct vst_block_queue *queue)
{
    bool any = false;

    while (queue->split.first != NULL) {
        struct vst_block_request *request = queue->split.first;
        bool in_order = goes_in_order(queue, request);
        if (in_order && request->priv.n_parts_in_flight > 0)
            break;
        enum vst_status status =
            in_order && request->status != VST_OK ? request->status : issue_part(queue, request);
        if (status == VST_ERR_FULL)
            break;
        any |= status == VST_OK;
        if (status == VST_OK && !wholly_issued(request))
            continue;
        request_list_take(&queue->split);
        if (status != VST_OK)
            give_up(queue, request, status);
    }
    return any;
}

static __attribute__((noinline, cold)) enum vst_status
submit_split(struct vst_block_queue *queue, struct vst_block_request *request)
{
    if (!vst_block_op_has_ranges(request->op) && !splittable(request, &queue->device->limits))
        return VST_ERR_TOO_LARGE;
    request->status = VST_OK;
    request->priv = (struct vst_block_request_private){.split = true};
    request_list_append(&queue->split, request);
    issue_parts(queue);
    return VST_OK;
}

/* ------------------------------------------------------------------ submitting */

/**
 * Whether the driver can take the request as it is. False also for what is wrong: submit_other
 * finds out. While a split request waits for room, what comes after it waits as well, or it would
 * starve.
 */
static inline bool is_plain(const struct vst_block_queue *queue,
                            const struct vst_block_request *request)
{
    const struct vst_block_plain_rule *rule = &queue->plain;
    uint64_t n_sectors = request->n_sectors;

    return request->n_segments == 1 && request->op < VST_ARRAY_LENGTH(rule->max_sectors) &&
           n_sectors - 1 < rule->max_sectors[request->op] && /* so it is not 0, not beyond the
                                                   capacity, and its bytes don't wrap */
           request->segments->bytes == n_sectors << VST_SECTOR_SHIFT &&
           request->start_sector <= rule->n_sectors - n_sectors &&
           (((request->start_sector | n_sectors) & rule->block_mask) |
            (uintptr_t)queue->split.first) == 0;
}

/**
 * Whether one device command can carry the request; *bytes is the sum of its segments, UINT64_MAX
 * if one is empty.
 */
static bool fits_one_command(const struct vst_block_request *request,
                             const struct vst_block_limits *limits, uint64_t *bytes)
{
    bool fits = request->n_segments <= limits->max_segments &&
                request->n_sectors <= limits->max_sectors &&
                request->n_sectors <= vst_block_zone_reach(limits, request->start_sector);

    *bytes = 0;
    for (uint32_t i = 0; i < request->n_segments; i++) {
        uint64_t piece = request->segments[i].bytes;
        fits &= piece <= limits->max_segment_bytes;
        *bytes = piece == 0 ? UINT64_MAX : vst_add_saturated_u64(*bytes, piece);
    }
    return fits;
}

static enum vst_status submit_flush(struct vst_block_queue *queue,
                                    struct vst_block_request *request)
{
    if (request->n_segments != 0 || request->n_sectors != 0 || request->start_sector != 0)
        return VST_ERR_INVALID;
    if (queue->device->flush_needed)
        return queue->driver->submit(queue, request);
    /* Nothing to make durable: no write cache, or nothing can have been written. */
    vst_block_finish(queue, request, VST_OK);
    return VST_OK;
}

/** One segment that takes what the device tells; no sectors. */
static enum vst_status submit_lifetime(struct vst_block_queue *queue,
                                       struct vst_block_request *request)
{
    if (request->n_segments != 1 || request->n_sectors != 0 || request->start_sector != 0 ||
        request->segments->bytes == 0 ||
        request->segments->bytes > queue->device->limits.max_segment_bytes)
        return VST_ERR_INVALID;
    if (!queue->device->tells_lifetime)
        return VST_ERR_UNSUPPORTED;
    if (queue->split.first != NULL)
        return VST_ERR_FULL;
    const struct vst_block_part part = {.op = VST_BLOCK_LIFETIME,
                                        .bytes = (uint32_t)request->segments->bytes,
                                        .n_pieces = 1,
                                        .segments = request->segments};
    request->priv = (struct vst_block_request_private){0};
    return queue->driver->submit_part(queue, request, &part);
}

/**
 * All the checks, for what is not plain: flushes, scatter lists, what has to be split, and what is
 * wrong.
 */
static __attribute__((noinline)) enum vst_status submit_other(struct vst_block_queue *queue,
                                                              struct vst_block_request *request)
{
    const struct vst_block_device *device = queue->device;
    const struct vst_block_limits *limits = &device->limits;
    uint64_t block_mask = limits->logical_block_bytes / VST_SECTOR_BYTES - 1;
    uint64_t capacity = __atomic_load_n(&limits->n_sectors, __ATOMIC_RELAXED); /* may change */
    uint64_t bytes;

    if (device->broken)
        return device->gone ? VST_ERR_GONE : VST_ERR_BROKEN;
    if (VST_UNLIKELY(device->removable)) {
        enum vst_status status = vst_block_medium_status(device);
        if (status != VST_OK)
            return status;
    }
    if (request->op == VST_BLOCK_FLUSH)
        return submit_flush(queue, request);
    if (vst_block_op_has_ranges(request->op)) {
        enum vst_status status = vst_block_check_ranges(device, request);
        if (status != VST_OK)
            return status;
        return queue->split.first != NULL ? VST_ERR_FULL : submit_split(queue, request);
    }
    if (request->op == VST_BLOCK_LIFETIME)
        return submit_lifetime(queue, request);
    if (vst_block_op_is_zoned(request->op))
        return vst_block_submit_zoned(queue, request);
    bool durable = request->op == VST_BLOCK_WRITE_DURABLE;
    if (request->op > VST_BLOCK_WRITE && !durable)
        return VST_ERR_UNSUPPORTED;
    if (request->op != VST_BLOCK_READ && device->read_only)
        return VST_ERR_READ_ONLY;
    if (((request->start_sector | request->n_sectors) & block_mask) != 0 ||
        request->n_sectors == 0 || !vst_block_keeps_granularity(limits, request))
        return VST_ERR_INVALID;
    if (request->n_sectors > capacity || request->start_sector > capacity - request->n_sectors)
        return VST_ERR_RANGE;
    bool fits = fits_one_command(request, limits, &bytes);
    if (bytes != request->n_sectors << VST_SECTOR_SHIFT)
        return VST_ERR_INVALID;
    if (queue->split.first != NULL)
        return VST_ERR_FULL;
    return fits && !durable ? queue->driver->submit(queue, request) : submit_split(queue, request);
}

enum vst_status vst_block_submit(struct vst_block_queue *queue, struct vst_block_request *request)
{
    if (VST_LIKELY(is_plain(queue, request)))
        return queue->driver->submit(queue, request);
    return submit_other(queue, request);
}

void vst_block_kick(struct vst_block_queue *queue)
{
    queue->driver->kick(queue);
}

/* ------------------------------------------------------------------ completing */

static size_t take_ready(struct vst_block_queue *queue, struct vst_block_request **done, size_t max)
{
    size_t n = 0;

    while (n < max && queue->ready.first != NULL)
        done[n++] = request_list_take(&queue->ready);
    return n;
}

static __attribute__((noinline, cold)) size_t
poll_with_lists(struct vst_block_queue *queue, struct vst_block_request **done, size_t max)
{
    size_t n = take_ready(queue, done, max);

    n += queue->driver->poll(queue, done + n, max - n);
    if (issue_parts(queue))
        vst_block_kick(queue);
    return n + take_ready(queue, done + n, max - n);
}

size_t vst_block_poll(struct vst_block_queue *queue, struct vst_block_request **done, size_t max)
{
    if (VST_UNLIKELY(((uintptr_t)queue->ready.first | (uintptr_t)queue->split.first) != 0))
        return poll_with_lists(queue, done, max);
    return queue->driver->poll(queue, done, max);
}

bool vst_block_ready(const struct vst_block_queue *queue)
{
    return queue->ready.first != NULL || queue->driver->ready(queue);
}

void vst_block_rest(struct vst_block_queue *queue)
{
    if (queue->driver->rest != NULL && queue->split.first == NULL)
        queue->driver->rest(queue);
}

/* ------------------------------------------------------------------ interrupts */

bool vst_block_awaited(const struct vst_block_queue *queue)
{
    return queue->ready.first != NULL || queue->driver->awaited == NULL ||
           queue->driver->awaited(queue);
}

bool vst_block_arm_after(struct vst_block_queue *queue, uint32_t n)
{
    if (queue->driver->arm != NULL)
        queue->driver->arm(queue, n);
    return vst_block_awaited(queue);
}

bool vst_block_arm(struct vst_block_queue *queue)
{
    return vst_block_arm_after(queue, 1);
}

void vst_block_disarm(struct vst_block_queue *queue)
{
    if (queue->driver->disarm != NULL)
        queue->driver->disarm(queue);
}
