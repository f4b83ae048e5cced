/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-blk: the path of a request. blk_submit, blk_kick and blk_poll run for every one; the rest
 * is for split requests, platforms that map buffers, devices without indirect descriptors, and
 * failures.
 */
#include "drivers/virtio_blk.h"
#include "drivers/virtq_chain.h"
#include "drivers/virtq_hot.h"
#include <vstor/trace.h>

static struct blk_queue *queue_of(struct vst_block_queue *queue)
{
    return VST_CONTAINER_OF(queue, struct blk_queue, base);
}

/* ------------------------------------------------------------------ submitting */

static const uint32_t type_of_op[VST_BLOCK_N_OPS] = {
    [VST_BLOCK_READ] = VIRTIO_BLK_T_IN,
    [VST_BLOCK_WRITE] = VIRTIO_BLK_T_OUT,
    [VST_BLOCK_FLUSH] = VIRTIO_BLK_T_FLUSH,
    [VST_BLOCK_WRITE_DURABLE] = VIRTIO_BLK_T_OUT,
    [VST_BLOCK_DISCARD] = VIRTIO_BLK_T_DISCARD,
    [VST_BLOCK_WRITE_ZEROES] = VIRTIO_BLK_T_WRITE_ZEROES,
    [VST_BLOCK_WRITE_ZEROES_KEEP] = VIRTIO_BLK_T_WRITE_ZEROES,
    [VST_BLOCK_SECURE_ERASE] = VIRTIO_BLK_T_SECURE_ERASE,
    [VST_BLOCK_LIFETIME] = VIRTIO_BLK_T_GET_LIFETIME,
    [VST_BLOCK_ZONE_APPEND] = VIRTIO_BLK_T_ZONE_APPEND,
    [VST_BLOCK_ZONE_REPORT] = VIRTIO_BLK_T_ZONE_REPORT,
    [VST_BLOCK_ZONE_OPEN] = VIRTIO_BLK_T_ZONE_OPEN,
    [VST_BLOCK_ZONE_CLOSE] = VIRTIO_BLK_T_ZONE_CLOSE,
    [VST_BLOCK_ZONE_FINISH] = VIRTIO_BLK_T_ZONE_FINISH,
    [VST_BLOCK_ZONE_RESET] = VIRTIO_BLK_T_ZONE_RESET,
    [VST_BLOCK_ZONE_RESET_ALL] = VIRTIO_BLK_T_ZONE_RESET_ALL,
};

static bool device_writes(uint32_t type)
{
    return type != VIRTIO_BLK_T_OUT && type != VIRTIO_BLK_T_ZONE_APPEND;
}

/**
 * What a prepared slot depends on: the operation, in the lowest 4 bits, and the number of segments.
 * Never 0, which is "not prepared": a read without segments is none.
 */
static inline uint32_t shape_of(const struct vst_block_request *request)
{
    return request->n_segments << 4 | (uint32_t)request->op;
}
_Static_assert(VST_BLOCK_N_OPS <= 16, "shape_of has 4 bits for the operation");

/** Added to shapes of other than one segment, so that blk_submit's one comparison tells them too. */
#define MANY 0x80000000u
/** Added to shapes whose one segment the platform has to map, which blk_submit does not. */
#define MAPPED 0x40000000u

/**
 * Writes all of a slot's header and table that stays the same from one request of this shape to the
 * next: head, status, chaining, directions. (2.7.5.3: flags and next of indirect
 * descriptors; 5.2.6: what the device may write comes last)
 */
static __attribute__((noinline, cold)) void prepare_slot(struct virtq *vq, struct virtq_slot *slot,
                                                         const struct vst_block_request *request,
                                                         uint32_t shape)
{
    uint32_t type = type_of_op[request->op], n_segments = request->n_segments;
    struct blk_header *header = slot->shared;
    uint64_t bus_addr = virtq_shared_bus_addr(vq, slot->id);

    drv_le32_put(&header->type, type);
    virtq_table_put(vq, &header->table[0], bus_addr, BLK_REQUEST_HEAD_BYTES, false, 1);
    for (uint32_t i = 1; i <= n_segments; i++)
        virtq_table_put(vq, &header->table[i], 0, 0, device_writes(type), (uint16_t)(i + 1));
    virtq_table_put(vq, &header->table[n_segments + 1],
                    bus_addr + offsetof(struct blk_header, status), 1, true, 0);
    if (vq->packed)
        slot->packed_rest = virtq_packed_rest_indirect(slot, n_segments + 2);
    else
        drv_le32_put(&vq->desc[slot->id].len,
                     (n_segments + 2) * (uint32_t)sizeof(struct virtq_desc));
    slot->shape = shape;
    slot->by_hand = 0;
}

/** What of a header and a slot differs from request to request. */
static inline void start_slot(struct blk_queue *q, struct virtq_slot *slot,
                              struct blk_header *header, uint64_t start_sector)
{
    drv_le64_put(&header->sector, start_sector);
    dev_u8_poison(&header->status, BLK_STATUS_POISON);
    slot->epoch = q->epoch;
}

static inline void count(struct blk_queue *q, enum vst_block_op op, uint64_t sectors)
{
    q->base.stats.commands[op]++;
    q->base.stats.sectors[op] += sectors;
}

static inline void put_data(struct virtq_desc *desc, const struct vst_block_segment *segment)
{
    drv_le64_put(&desc->addr, (uintptr_t)segment->buffer);
    drv_le32_put(&desc->len, (uint32_t)segment->bytes);
}

static enum vst_status submit_uncommon(struct vst_block_queue *queue,
                                       struct vst_block_request *request);
static enum vst_status submit_without_room(struct vst_block_queue *queue,
                                           struct vst_block_request *request);

static enum vst_status blk_submit(struct vst_block_queue *queue, struct vst_block_request *request)
{
    struct blk_queue *q = queue_of(queue);
    struct virtq *vq = &q->vq;

    if (VST_UNLIKELY(vq->n_free == 0))
        return submit_without_room(queue, request);
    struct virtq_slot *slot = virtq_take(vq);
    if (VST_UNLIKELY(slot->shape != shape_of(request)))
        return submit_uncommon(queue, request);
    struct blk_header *header = slot->shared;
    start_slot(q, slot, header, request->start_sector);
    put_data(&header->table[1], request->segments);
    virtq_put(vq, slot, request);
    count(q, request->op, request->n_sectors);
    return VST_OK;
}

/** The queue is full, or at rest: then it wakes. */
static __attribute__((noinline, cold)) enum vst_status
submit_without_room(struct vst_block_queue *queue, struct vst_block_request *request)
{
    enum vst_status status = vst_virtio_run_wake(&queue_of(queue)->run);

    return status == VST_OK ? blk_submit(queue, request) : status;
}

static enum vst_status issue_any(struct blk_queue *q, struct vst_block_request *request,
                                 uint32_t type, const struct vst_block_part *part);
static struct virtio_mapping *mappings_of(const struct blk_queue *q, uint16_t id);

/** Of a read or a write. */
static inline enum vst_dma_direction plain_direction(enum vst_block_op op)
{
    return op == VST_BLOCK_WRITE ? VST_DMA_TO_DEVICE : VST_DMA_FROM_DEVICE;
}

/**
 * One segment on a platform that maps: all is prepared but its address. Made "by hand" to those who
 * take it back, for it has to be unmapped.
 */
static __attribute__((noinline)) enum vst_status submit_mapped(struct blk_queue *q,
                                                               struct vst_block_request *request)
{
    const struct vst_platform *platform = q->base.device->platform;
    const struct vst_block_segment *segment = request->segments;
    struct virtq_slot *slot = virtq_take(&q->vq);
    struct virtio_mapping *mapping = mappings_of(q, slot->id);
    struct blk_header *header = slot->shared;
    uint32_t shape = shape_of(request) | MAPPED;
    enum vst_status status = platform->dma_map(platform->ctx, segment->buffer, segment->bytes,
                                               plain_direction(request->op), &mapping->bus_addr);

    if (VST_UNLIKELY(status != VST_OK))
        return status;
    request->priv.split = false;
    mapping->buffer = segment->buffer;
    mapping->bytes = segment->bytes;
    if (VST_UNLIKELY(slot->shape != shape)) {
        prepare_slot(&q->vq, slot, request, shape);
        slot->by_hand = VIRTQ_BY_HAND;
        slot->n_pieces = 1;
    }
    start_slot(q, slot, header, request->start_sector);
    drv_le64_put(&header->table[1].addr, mapping->bus_addr);
    drv_le32_put(&header->table[1].len, (uint32_t)segment->bytes);
    virtq_put(&q->vq, slot, request);
    count(q, request->op, request->n_sectors);
    return VST_OK;
}

static __attribute__((noinline, cold)) enum vst_status
submit_by_hand(struct blk_queue *q, struct vst_block_request *request)
{
    struct vst_block_part whole = {
        .op = request->op,
        .start_sector = request->start_sector,
        .n_sectors = request->n_sectors,
        .bytes = (uint32_t)(request->n_sectors << VST_SECTOR_SHIFT),
        .n_pieces = request->n_segments,
        .segments = request->segments,
    };

    return issue_any(q, request, type_of_op[request->op], &whole);
}

/**
 * Not one segment, or the slot is not prepared for this shape of request: then prepare it, or make
 * the chain by hand, as is always done for queues without indirect descriptors, and for platforms
 * that map where there is more than one segment.
 */
static __attribute__((noinline)) enum vst_status submit_unmapped(struct blk_queue *q,
                                                                 struct vst_block_request *request)
{
    struct virtq *vq = &q->vq;
    struct virtq_slot *slot = virtq_take(vq);
    struct blk_header *header = slot->shared;
    uint32_t shape = shape_of(request) | (request->n_segments != 1 ? MANY : 0);

    request->priv.split = false;
    if (slot->shape != shape) {
        if (!vq->indirect || q->maps || vq->in_order)
            return submit_by_hand(q, request);
        prepare_slot(vq, slot, request, shape);
    }
    start_slot(q, slot, header, request->start_sector);
    for (uint32_t i = 0; i < request->n_segments; i++)
        put_data(&header->table[i + 1], &request->segments[i]);
    virtq_put(vq, slot, request);
    count(q, request->op, request->n_sectors);
    return VST_OK;
}

static __attribute__((noinline)) enum vst_status submit_uncommon(struct vst_block_queue *queue,
                                                                 struct vst_block_request *request)
{
    struct blk_queue *q = queue_of(queue);

    if (q->maps && q->vq.indirect && !q->vq.in_order && request->n_segments == 1 &&
        request->op <= VST_BLOCK_WRITE)
        return submit_mapped(q, request);
    return submit_unmapped(q, request);
}

/* ------------------------------------------------------------------ submitting, the general way */

/** Whether requests are recorded: what takes this way records itself. */
static bool traced(const struct blk_queue *q)
{
    return q->base.driver->untraced != NULL;
}

static struct virtio_mapping *mappings_of(const struct blk_queue *q, uint16_t id)
{
    return q->mappings + (size_t)id * q->base.device->limits.max_segments;
}

/** How many pieces of the caller's memory a part carries: ranges stand in memory of our own. */
static uint32_t n_data_pieces(const struct vst_block_part *part)
{
    return vst_block_op_has_ranges(part->op) ? 0 : part->n_pieces;
}

/** 5.2.6: what the device answers comes last, the status byte behind all else. */
static void add_answer(struct virtq_chain *chain, struct blk_header *header,
                       uint64_t header_bus_addr, enum vst_block_op op)
{
    uint32_t at = offsetof(struct blk_header, status), end = at + 1;

    if (op == VST_BLOCK_ZONE_APPEND) {
        dev_le64_poison(&header->append_sector, UINT64_MAX);
        at = offsetof(struct blk_header, append_sector);
    }
    vst_virtq_chain_add(chain, header_bus_addr + at, end - at, true);
}

/**
 * 5.2.6: what is no read, no write and no command to a zone has 0 there, with nothing that the driver
 * might want to know again.
 */
static uint64_t sector_of(const struct vst_block_part *part)
{
    return part->op <= VST_BLOCK_WRITE || vst_block_op_is_zoned(part->op) ? part->start_sector : 0;
}

/** Head, data, status: 2.7.13 step 1 for any kind of queue. */
static enum vst_status fill_chain(struct blk_queue *q, struct virtq_chain *chain, uint32_t type,
                                  const struct vst_block_part *part)
{
    uint64_t header_bus_addr = virtq_shared_bus_addr(&q->vq, chain->id);
    struct virtio_piece_walk walk = {part->segments, part->skip_bytes, part->bytes,
                                     q->base.device->limits.max_segment_bytes};

    if (q->maps) {
        enum vst_status status = vst_virtio_map_pieces(
            q->base.device->platform, mappings_of(q, chain->id), walk, n_data_pieces(part),
            device_writes(type) ? VST_DMA_FROM_DEVICE : VST_DMA_TO_DEVICE);
        if (status != VST_OK)
            return status;
    }
    vst_virtq_chain_add(chain, header_bus_addr, BLK_REQUEST_HEAD_BYTES, false);
    if (vst_block_op_has_ranges(part->op)) {
        uint64_t bus_addr = vst_virtio_blk_put_ranges(q, chain->id, part);
        vst_virtq_chain_add(chain, bus_addr, part->n_pieces * (uint32_t)sizeof(struct blk_range),
                            false);
    }
    for (uint32_t i = 0; i < n_data_pieces(part); i++) {
        struct vst_block_segment piece = vst_virtio_next_piece(&walk);
        vst_virtq_chain_add(
            chain, q->maps ? mappings_of(q, chain->id)[i].bus_addr : (uintptr_t)piece.buffer,
            (uint32_t)piece.bytes, device_writes(type));
    }
    add_answer(chain, q->vq.slots[chain->id].shared, header_bus_addr, part->op);
    q->vq.slots[chain->id].n_pieces = (uint16_t)(chain->n - 2);
    return VST_OK;
}

static __attribute__((noinline)) enum vst_status issue_any(struct blk_queue *q,
                                                           struct vst_block_request *request,
                                                           uint32_t type,
                                                           const struct vst_block_part *part)
{
    struct virtq_chain chain;
    enum vst_status status = VST_OK;

    if (q->blk->base.broken)
        return vst_virtio_blk_refusal(q->blk);
    if (q->run.at_rest)
        status = vst_virtio_run_wake(&q->run);
    if (status != VST_OK)
        return status;
    uint32_t n_between = vst_block_op_has_ranges(part->op) ? 1 : part->n_pieces;
    if (!vst_virtq_chain_begin(&chain, &q->vq, n_between + 2))
        return VST_ERR_FULL;
    struct virtq_slot *slot = &q->vq.slots[chain.id];
    slot->shape = 0; /* whatever comes of it, the table is not what it was */
    slot->by_hand = VIRTQ_BY_HAND;
    status = fill_chain(q, &chain, type, part);
    if (status != VST_OK)
        return status;
    slot->start_sector = part->start_sector;
    struct blk_header *header = slot->shared;
    drv_le32_put(&header->type, type);
    start_slot(q, slot, header, sector_of(part));
    vst_virtq_chain_put(&chain, request);
    if (traced(q))
        vst_trace_add(&q->base, (struct vst_trace_event){.kind = VST_TRACE_SUBMIT,
                                                         .detail = (uint8_t)part->op,
                                                         .id = chain.id,
                                                         .sector = part->start_sector,
                                                         .count = (uint32_t)part->n_sectors});
    count(q, part->op, part->n_sectors);
    return VST_OK;
}

enum vst_status vst_virtio_blk_issue(struct blk_queue *q, struct vst_block_request *request,
                                     uint32_t type, const struct vst_block_part *part)
{
    return issue_any(q, request, type, part);
}

static enum vst_status blk_submit_part(struct vst_block_queue *queue,
                                       struct vst_block_request *request,
                                       const struct vst_block_part *part)
{
    return issue_any(queue_of(queue), request, type_of_op[part->op], part);
}

static __attribute__((noinline)) void blk_kick(struct vst_block_queue *queue)
{
    struct virtq *vq = &queue_of(queue)->vq;

    if (virtq_publish(vq)) {
        queue->stats.kicks++;
        virtq_ring_doorbell(vq);
    }
}

/* ------------------------------------------------------------------ completing */

/** 5.2.6.2: the status byte; anything but its values is an answer that was not given. */
static enum vst_status status_of_answer(const struct blk_queue *q, uint8_t answer)
{
    switch (answer) {
    case VIRTIO_BLK_S_OK:
        return VST_OK;
    case VIRTIO_BLK_S_IOERR:
        return VST_ERR_IO;
    case VIRTIO_BLK_S_UNSUPP:
        return VST_ERR_UNSUPPORTED;
    default:
        return vst_virtio_blk_zone_answer(q->blk, answer);
    }
}

static enum vst_dma_direction direction_of(enum vst_block_op op)
{
    return op == VST_BLOCK_WRITE || op == VST_BLOCK_WRITE_DURABLE || op == VST_BLOCK_ZONE_APPEND
               ? VST_DMA_TO_DEVICE
               : VST_DMA_FROM_DEVICE;
}

void vst_virtio_blk_unmap(struct blk_queue *q, uint16_t id, const struct vst_block_request *request)
{
    if (q->maps && !vst_block_op_has_ranges(request->op))
        vst_virtio_unmap_pieces(q->base.device->platform, mappings_of(q, id),
                                q->vq.slots[id].n_pieces, direction_of(request->op));
}

bool vst_virtio_blk_end_command(struct blk_queue *q, uint16_t id, struct vst_block_request *request,
                                enum vst_status status)
{
    const struct virtq_slot *slot = &q->vq.slots[id];

    vst_virtio_blk_unmap(q, id, request);
    if (status != VST_OK)
        q->base.stats.errors++;
    if (slot->shape == 0 && request->priv.split)
        return vst_block_part_done(&q->base, request, slot->start_sector, status);
    request->status = status;
    if (status != VST_OK)
        request->error_sector = request->start_sector;
    return true;
}

static void trace_answer(struct blk_queue *q, uint16_t id, const struct vst_block_request *request,
                         uint8_t answer)
{
    const struct virtq_slot *slot = &q->vq.slots[id];

    if (traced(q))
        vst_trace_add(&q->base,
                      (struct vst_trace_event){.kind = VST_TRACE_COMPLETE,
                                               .id = id,
                                               .detail = answer,
                                               .sector = slot->shape == 0 ? slot->start_sector
                                                                          : request->start_sector});
}

/** An answer that is not plainly good, or a chain made by hand. */
static __attribute__((noinline, cold)) bool
take_uncommon(struct blk_queue *q, uint16_t id, struct vst_block_request *request, uint8_t answer)
{
    enum vst_status status = status_of_answer(q, answer);

    trace_answer(q, id, request, answer);
    if (request->op == VST_BLOCK_ZONE_APPEND && status == VST_OK)
        status = vst_virtio_blk_take_append(q, id, request);
    if (q->vq.slots[id].shape != 0)
        q->vq.free[q->vq.n_free++] = &q->vq.slots[id];
    else
        vst_virtq_chain_release(&q->vq, id);
    return vst_virtio_blk_end_command(q, id, request, status);
}

/** Where one used entry stands for all chains before it as well. */
static __attribute__((noinline, cold)) size_t
take_used_in_order(struct blk_queue *q, struct vst_block_request **done, size_t max)
{
    size_t n_done = 0;

    while (n_done < max) {
        if (q->n_in_order == 0)
            q->n_in_order = vst_virtq_n_in_order(&q->vq);
        if (q->n_in_order == 0)
            break;
        q->n_in_order--;
        struct virtq_slot *slot = &q->vq.slots[vst_virtq_oldest(&q->vq)];
        struct vst_block_request *request = slot->token;
        uint8_t answer = dev_u8_get(&((struct blk_header *)slot->shared)->status);
        slot->token = NULL;
        if (take_uncommon(q, (uint16_t)(slot - q->vq.slots), request, answer))
            done[n_done++] = request;
    }
    return n_done;
}

static void blk_watch(struct blk_queue *q);

/** Poll found nothing, or the queue is broken or at rest. */
static __attribute__((noinline)) size_t poll_nothing(struct blk_queue *q)
{
    blk_watch(q);
    if (q->vq.broken)
        vst_virtio_run_attend(&q->run);
    else if (q->vq.n_put == q->vq.n_used)
        vst_virtio_run_rest(&q->run);
    return 0;
}

/** Now and then under a load that never lets up: used_event kept out of reach, and the watch. */
static __attribute__((noinline, cold)) size_t look_after(struct blk_queue *q, size_t n_done)
{
    virtq_rearm_polling(&q->vq);
    blk_watch(q);
    return n_done;
}

static inline size_t poll_end(struct blk_queue *q, size_t n_done)
{
    if (VST_UNLIKELY(n_done == 0))
        return poll_nothing(q);
    /* A lie found just now is dealt with by the next poll. */
    return VST_LIKELY(++q->n_polls != 0) ? n_done : look_after(q, n_done);
}

/**
 * The status byte of a slot, read once, such that only a prepared chain that went well is
 * VIRTIO_BLK_S_OK.
 *
 * The used length is not looked at: whether all was transferred is told by the status byte, which
 * we have poisoned (5.2.6), and there are devices that report lengths too short. (2.7.8.2 bounds
 * what may be assumed from a length, and nothing is.)
 */
static inline uint32_t answer_of(const struct virtq_slot *slot)
{
    return dev_u8_get(&((const struct blk_header *)slot->shared)->status) + slot->by_hand;
}

/** What the device gives back next, as virtq_read_next says it; *what is then its answer_of. */
static struct virtq_slot *read_one(const struct virtq *vq, size_t *what)
{
    struct virtq_reader reader = virtq_read_begin(vq, vq->packed);
    struct virtq_slot *slot = virtq_read_next(&reader, vq->packed, what);

    if (slot != NULL)
        *what = answer_of(slot);
    return slot;
}

/** A prepared chain that went well and whose one piece is mapped. */
static inline struct vst_block_request *
take_back_mapped(struct blk_queue *q, struct virtq_slot *slot, struct vst_block_request *request)
{
    const struct vst_platform *platform = q->base.device->platform;
    const struct virtio_mapping *mapping = mappings_of(q, slot->id);

    platform->dma_unmap(platform->ctx, mapping->buffer, mapping->bytes,
                        plain_direction(request->op), mapping->bus_addr);
    q->vq.free[q->vq.n_free++] = slot;
    request->status = VST_OK;
    return request;
}

/**
 * Goes on where poll_plain came upon `slot`, whose answer (`what`) is not plainly good, or upon a
 * lie (slot is NULL, `what` the id's offset), having stored n_done of max.
 */
static __attribute__((noinline, cold)) size_t poll_rest_mapped(struct blk_queue *q,
                                                               struct vst_block_request **done,
                                                               size_t max, size_t n_done,
                                                               struct virtq_slot *slot, size_t what)
{
    struct virtq *vq = &q->vq;

    for (size_t n_left = max - n_done; slot != NULL; slot = read_one(vq, &what)) {
        struct vst_block_request *request = slot->token;
        slot->token = NULL;
        vq->n_used++;
        if (vq->packed) /* the chain's length is our own knowledge */
            virtq_place_advance(vq, &vq->used_place, vq->indirect ? 1 : slot->n_pieces + 2u);
        if (what == VIRTIO_BLK_S_OK + VIRTQ_BY_HAND && (slot->shape & MAPPED) != 0)
            done[n_done++] = take_back_mapped(q, slot, request);
        else if (take_uncommon(q, slot->id, request, (uint8_t)what))
            done[n_done++] = request;
        if (--n_left == 0)
            return poll_end(q, n_done);
    }
    if (what != VIRTQ_NOTHING)
        vst_virtq_break_by_id(vq, virtq_id_at(what));
    return poll_end(q, n_done);
}

/** Takes at most `max` chains back. `packed` is a constant wherever this is called. */
static inline __attribute__((always_inline)) size_t
poll_plain(struct blk_queue *q, bool packed, struct vst_block_request **done, size_t max)
{
    struct virtq *vq = &q->vq;
    struct virtq_reader reader = virtq_read_begin(vq, packed);
    size_t n_done = 0;

    while (n_done < max) {
        size_t offset;
        struct virtq_slot *slot = virtq_read_next(&reader, packed, &offset);
        if (VST_UNLIKELY(slot == NULL)) {
            if (packed && offset == VIRTQ_NOTHING)
                break;
            virtq_read_end(&reader, packed, vq, (uint32_t)n_done);
            return poll_rest_mapped(q, done, max, n_done, NULL, offset);
        }
        struct vst_block_request *request = slot->token;
        uint32_t answer = answer_of(slot);
        if (VST_UNLIKELY(answer != VIRTIO_BLK_S_OK)) {
            virtq_read_end(&reader, packed, vq, (uint32_t)n_done);
            return poll_rest_mapped(q, done, max, n_done, slot, answer);
        }
        request->status = VST_OK;
        done[n_done++] = request;
        virtq_read_release(&reader, packed, vq, slot);
    }
    virtq_read_end(&reader, packed, vq, (uint32_t)n_done);
    return poll_end(q, n_done);
}

static __attribute__((noinline)) size_t poll_split(struct blk_queue *q,
                                                   struct vst_block_request **done, size_t max)
{
    uint32_t n = virtq_n_used_split(&q->vq);

    return poll_plain(q, false, done, n < max ? n : max);
}

static __attribute__((noinline)) size_t poll_packed(struct blk_queue *q,
                                                    struct vst_block_request **done, size_t max)
{
    return poll_plain(q, true, done, max);
}

static size_t blk_poll(struct vst_block_queue *queue, struct vst_block_request **done, size_t max);

static __attribute__((noinline, cold)) size_t
kick_and_poll(struct vst_block_queue *queue, struct vst_block_request **done, size_t max)
{
    blk_kick(queue);
    return blk_poll(queue, done, max);
}

static size_t blk_poll(struct vst_block_queue *queue, struct vst_block_request **done, size_t max)
{
    struct blk_queue *q = queue_of(queue);
    struct virtq *vq = &q->vq;

    if (VST_UNLIKELY(vq->broken))
        return poll_nothing(q);
    /* So that "put" and "in flight" are one: a used id can't name a chain never shown. */
    if (VST_UNLIKELY(vq->n_put != vq->n_published))
        return kick_and_poll(queue, done, max);
    if (VST_UNLIKELY(vq->in_order))
        return poll_end(q, take_used_in_order(q, done, max));
    return vq->packed ? poll_packed(q, done, max) : poll_split(q, done, max);
}

static bool blk_ready(const struct vst_block_queue *queue)
{
    const struct blk_queue *q = (const void *)queue; /* base comes first */

    /* The ring means nothing then: what is left to be ended or replayed by poll does. */
    if (VST_UNLIKELY(q->vq.broken))
        return q->vq.n_put != q->vq.n_used;
    return q->n_in_order > 0 || virtq_ready(&q->vq);
}

/* ------------------------------------------------------------------ interrupts */

static void blk_arm(struct vst_block_queue *queue, uint32_t n)
{
    struct blk_queue *q = queue_of(queue);

    if (q->blk->irq.mode != VST_IRQ_POLL)
        vst_virtq_arm(&q->vq, n);
}

static void blk_disarm(struct vst_block_queue *queue)
{
    vst_virtq_disarm(&queue_of(queue)->vq);
}

static bool blk_awaited(const struct vst_block_queue *queue)
{
    const struct blk_queue *q = (const void *)queue; /* base comes first */

    return q->n_in_order > 0 ||
           __atomic_load_n(&q->blk->recovery.phase, __ATOMIC_RELAXED) != VIRTIO_IN_SERVICE ||
           vst_virtq_awaited(&q->vq);
}

/* ------------------------------------------------------------------ the watch: doorbells lost,
 * answers that never come */

static bool any_expired(const struct blk_queue *q)
{
    for (uint32_t id = 0; id < q->vq.size; id++)
        if (q->vq.slots[id].token != NULL &&
            (uint16_t)(q->epoch - q->vq.slots[id].epoch) > q->blk->timeout_epochs)
            return true;
    return false;
}

/**
 * Whether the device may not have seen all that was published: with EVENT_IDX it tells how far it
 * has come.
 */
static bool doorbell_may_be_lost(const struct blk_queue *q)
{
    if (q->vq.event_idx && !q->vq.packed)
        return dev_le16_get(q->vq.avail_event) != (uint16_t)q->vq.n_published;
    return true;
}

/**
 * Called from poll when it finds nothing and now and then otherwise. Every watch_interval it
 * advances the queue's epoch, with which each command is stamped: a command as many epochs old as
 * the time-out has is lost. A caller that did not poll for a minute thus finds what came in
 * meanwhile before anything is called late.
 */
static __attribute__((noinline, cold)) void watch_interval_over(struct blk_queue *q)
{
    struct virtq *vq = &q->vq;
    bool stuck = q->unanswered_at_watch && vq->n_used == q->n_used_at_watch;

    q->epoch++;
    blk_kick(&q->base);
    if (stuck && doorbell_may_be_lost(q)) {
        q->base.stats.rescues++;
        vst_trace_add(&q->base, (struct vst_trace_event){.kind = VST_TRACE_RESCUE,
                                                         .count = vq->n_published - vq->n_used});
        virtq_ring_doorbell(vq);
    }
    q->n_used_at_watch = vq->n_used;
    if (vst_virtio_run_has_stopped(&q->run))
        return;
    q->unanswered_at_watch = vq->n_published != vq->n_used;
    if (any_expired(q)) {
        q->base.stats.timeouts++;
        vst_virtio_run_fault(&q->run, "a command was not answered in time", VST_ERR_TIMEOUT, false);
    }
}

static __attribute__((noinline)) void blk_watch(struct blk_queue *q)
{
    const struct vst_platform *platform = q->base.device->platform;

    if (__atomic_load_n(&q->blk->recovery.phase, __ATOMIC_RELAXED) != VIRTIO_IN_SERVICE)
        vst_virtio_run_attend(&q->run);
    if (q->waiting.first != NULL)
        vst_virtio_blk_replay_waiting(q);
    if ((q->vq.n_published == q->vq.n_used && q->waiting.first == NULL) || q->vq.broken)
        return;
    uint64_t now_ns = platform->time_ns(platform->ctx);
    if (now_ns - q->watch_ns < q->blk->watch_interval_ns)
        return;
    q->watch_ns = now_ns;
    watch_interval_over(q);
}

static void blk_rest(struct vst_block_queue *queue)
{
    vst_virtio_run_rest(&queue_of(queue)->run);
}

const struct vst_block_driver vst_virtio_blk_driver = {
    .submit = blk_submit,
    .submit_part = blk_submit_part,
    .kick = blk_kick,
    .poll = blk_poll,
    .ready = blk_ready,
    .arm = blk_arm,
    .disarm = blk_disarm,
    .awaited = blk_awaited,
    .traced = &vst_virtio_blk_traced_driver,
    .parse_zones = vst_virtio_blk_parse_zones,
    .refresh = vst_virtio_blk_refresh_if_changed,
    .set_write_cache = vst_virtio_blk_set_write_cache,
    .rest = blk_rest,
};
