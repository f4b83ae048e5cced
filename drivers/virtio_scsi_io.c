/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-scsi: the path of a block request. scsi_submit, scsi_kick and scsi_poll run for every one;
 * what is not plain goes on in virtio_scsi_command.c.
 */
#include "drivers/virtio_scsi.h"
#include "drivers/virtq_hot.h"
#include <vstor/trace.h>

static struct scsi_queue *queue_of(const struct vst_scsi_block_queue *queue)
{
    return (struct scsi_queue *)queue->hba_queue; /* base comes first */
}

/* ------------------------------------------------------------------ submitting */

/**
 * What a prepared slot depends on: as in virtio_blk_io.c, the operation and the number of segments.
 * Never 0: a read without segments is none. The unit is not among it: it is written each time.
 */
static inline uint32_t shape_of(const struct vst_block_request *request)
{
    return request->n_segments << 4 | (uint32_t)request->op;
}
_Static_assert(VST_BLOCK_N_OPS <= 16, "shape_of has 4 bits for the operation");

/** Added to shapes of other than one segment, so that scsi_submit's one comparison tells them too. */
#define MANY 0x80000000u
/** Added to shapes whose one segment the platform has to map, which scsi_submit does not. */
#define MAPPED 0x40000000u

static bool is_write(enum vst_block_op op)
{
    return op == VST_BLOCK_WRITE || op == VST_BLOCK_WRITE_DURABLE;
}

/** 5.6.6.1: request, data to the device, response, data from the device. */
static void prepare_table(struct scsi_queue *q, struct virtq_slot *slot, bool write, uint32_t n)
{
    const struct scsi_device *scsi = q->scsi;
    struct virtq *vq = &q->vq;
    uint64_t bus_addr = virtq_shared_bus_addr(vq, slot->id);
    struct virtq_desc *table =
        (struct virtq_desc *)(void *)((char *)slot->shared + vq->header_bytes);
    uint32_t response_at = write ? n + 1 : 1;
    uint32_t first = write ? 1 : 2;

    virtq_table_put(vq, &table[0], bus_addr, scsi->request_bytes, false, 1);
    for (uint32_t i = first; i < first + n; i++)
        virtq_table_put(vq, &table[i], 0, 0, !write, i < n + 1 ? (uint16_t)(i + 1) : 0);
    virtq_table_put(vq, &table[response_at], bus_addr + offsetof(struct scsi_header, sense_bytes),
                    scsi->response_bytes, true,
                    response_at < n + 1 ? (uint16_t)(response_at + 1) : 0);
    slot->data = &table[first];
    if (vq->packed)
        slot->packed_rest = virtq_packed_rest_indirect(slot, n + 2);
    else
        drv_le32_put(&vq->desc[slot->id].len, (n + 2) * (uint32_t)sizeof(struct virtq_desc));
}

/**
 * Writes all of a slot's header and table that stays the same from one request of this shape to the
 * next: tag, attribute, the end of the CDB, chaining, directions.
 */
static __attribute__((noinline, cold)) void prepare_slot(struct scsi_queue *q,
                                                         struct virtq_slot *slot,
                                                         const struct vst_block_request *request,
                                                         uint32_t shape)
{
    struct scsi_header *header = slot->shared;

    drv_le64_put(&header->id, vst_virtio_scsi_new_tag(q, slot->id));
    drv_u8_put(&header->attribute, VST_SCSI_SIMPLE);
    drv_u8_put(&header->priority, 0);
    drv_u8_put(&header->crn, 0);
    drv_bytes8_put(&header->cdb[2], 0);
    drv_bytes8_put(&header->cdb[3], 0);
    prepare_table(q, slot, is_write(request->op), request->n_segments);
    slot->shape = shape;
    slot->by_hand = 0;
}

/** What of a header and a slot differs from request to request. */
static inline void start_slot(struct scsi_queue *q, struct virtq_slot *slot,
                              struct vst_scsi_block_queue *owner, struct vst_scsi_cdb cdb)
{
    struct scsi_header *header = slot->shared;

    drv_bytes8_put(&header->lun, owner->nexus.word);
    drv_bytes8_put(&header->cdb[0], cdb.words[0]);
    drv_bytes8_put(&header->cdb[1], cdb.words[1]);
    dev_le64_poison(&header->answer, SCSI_ANSWER_POISON);
    slot->owner = owner;
    slot->epoch = q->epoch;
    owner->n_room--;
}

static inline void count(struct vst_scsi_block_queue *owner,
                         const struct vst_block_request *request)
{
    owner->base.stats.commands[request->op]++;
    owner->base.stats.sectors[request->op] += request->n_sectors;
}

static inline void put_data(struct virtq_desc *desc, const struct vst_block_segment *segment)
{
    drv_le64_put(&desc->addr, (uintptr_t)segment->buffer);
    drv_le32_put(&desc->len, (uint32_t)segment->bytes);
}

static enum vst_status submit_uncommon(struct vst_scsi_block_queue *owner,
                                       struct vst_block_request *request, struct vst_scsi_cdb cdb);
static enum vst_status submit_without_room(struct vst_scsi_block_queue *owner,
                                           struct vst_block_request *request,
                                           struct vst_scsi_cdb cdb);

static enum vst_status scsi_submit(struct vst_scsi_block_queue *owner,
                                   struct vst_block_request *request, struct vst_scsi_cdb cdb)
{
    struct scsi_queue *q = queue_of(owner);
    struct virtq *vq = &q->vq;

    if (VST_UNLIKELY(vq->n_free == 0))
        return submit_without_room(owner, request, cdb);
    struct virtq_slot *slot = virtq_take(vq);
    if (VST_UNLIKELY(slot->shape != shape_of(request)))
        return submit_uncommon(owner, request, cdb);
    start_slot(q, slot, owner, cdb);
    put_data(slot->data, request->segments);
    virtq_put(vq, slot, request);
    count(owner, request);
    return VST_OK;
}

/** The queue is full, or at rest: then it wakes. */
static __attribute__((noinline, cold)) enum vst_status
submit_without_room(struct vst_scsi_block_queue *owner, struct vst_block_request *request,
                    struct vst_scsi_cdb cdb)
{
    enum vst_status status = vst_virtio_run_wake(&queue_of(owner)->run);

    return status == VST_OK ? scsi_submit(owner, request, cdb) : status;
}

static __attribute__((noinline, cold)) enum vst_status
submit_by_hand(struct vst_scsi_block_queue *owner, struct vst_block_request *request,
               struct vst_scsi_cdb cdb)
{
    struct vst_block_part whole = {
        .op = request->op,
        .start_sector = request->start_sector,
        .n_sectors = request->n_sectors,
        .bytes = (uint32_t)(request->n_sectors << VST_SECTOR_SHIFT),
        .n_pieces = request->n_segments,
        .segments = request->segments,
    };

    return vst_virtio_scsi_submit_part(owner, request, &whole, cdb);
}

/**
 * One segment on a platform that maps: all is prepared but its address. Made "by hand" to those who
 * take it back, for it has to be unmapped.
 */
static __attribute__((noinline)) enum vst_status submit_mapped(struct vst_scsi_block_queue *owner,
                                                               struct vst_block_request *request,
                                                               struct vst_scsi_cdb cdb)
{
    struct scsi_queue *q = queue_of(owner);
    const struct vst_platform *platform = q->scsi->base.platform;
    const struct vst_block_segment *segment = request->segments;
    struct virtq_slot *slot = virtq_take(&q->vq);
    struct virtio_mapping *mapping = scsi_mappings_of(q, slot->id);
    uint32_t shape = shape_of(request) | MAPPED;
    enum vst_status status = platform->dma_map(
        platform->ctx, segment->buffer, segment->bytes,
        is_write(request->op) ? VST_DMA_TO_DEVICE : VST_DMA_FROM_DEVICE, &mapping->bus_addr);

    if (VST_UNLIKELY(status != VST_OK))
        return status;
    request->priv.split = false;
    mapping->buffer = segment->buffer;
    mapping->bytes = segment->bytes;
    if (VST_UNLIKELY(slot->shape != shape)) {
        prepare_slot(q, slot, request, shape);
        slot->by_hand = VIRTQ_BY_HAND;
        slot->n_pieces = 1;
    }
    start_slot(q, slot, owner, cdb);
    drv_le64_put(&slot->data->addr, mapping->bus_addr);
    drv_le32_put(&slot->data->len, (uint32_t)segment->bytes);
    virtq_put(&q->vq, slot, request);
    count(owner, request);
    return VST_OK;
}

/** Not one segment, or the slot is not prepared for this shape of request. */
static __attribute__((noinline)) enum vst_status submit_unmapped(struct vst_scsi_block_queue *owner,
                                                                 struct vst_block_request *request,
                                                                 struct vst_scsi_cdb cdb)
{
    struct scsi_queue *q = queue_of(owner);
    struct virtq *vq = &q->vq;
    struct virtq_slot *slot = virtq_take(vq);
    uint32_t shape = shape_of(request) | (request->n_segments != 1 ? MANY : 0);

    request->priv.split = false;
    if (slot->shape != shape) {
        if (q->scsi->by_hand)
            return submit_by_hand(owner, request, cdb);
        prepare_slot(q, slot, request, shape);
    }
    start_slot(q, slot, owner, cdb);
    for (uint32_t i = 0; i < request->n_segments; i++)
        put_data(&slot->data[i], &request->segments[i]);
    virtq_put(vq, slot, request);
    count(owner, request);
    return VST_OK;
}

static __attribute__((noinline)) enum vst_status submit_uncommon(struct vst_scsi_block_queue *owner,
                                                                 struct vst_block_request *request,
                                                                 struct vst_scsi_cdb cdb)
{
    if (queue_of(owner)->scsi->prepares_mapped && request->n_segments == 1 &&
        request->op <= VST_BLOCK_WRITE)
        return submit_mapped(owner, request, cdb);
    return submit_unmapped(owner, request, cdb);
}

/** On a platform that maps no slot is ever plainly prepared. */
static enum vst_status scsi_submit_mapping(struct vst_scsi_block_queue *owner,
                                           struct vst_block_request *request,
                                           struct vst_scsi_cdb cdb)
{
    if (VST_UNLIKELY(queue_of(owner)->vq.n_free == 0))
        return submit_without_room(owner, request, cdb);
    return submit_uncommon(owner, request, cdb);
}

static __attribute__((noinline)) void scsi_kick(struct vst_scsi_block_queue *queue)
{
    struct virtq *vq = &queue_of(queue)->vq;

    if (virtq_publish(vq)) {
        queue->base.stats.kicks++;
        virtq_ring_doorbell(vq);
    }
}

static void scsi_kick_commands(struct vst_scsi_hba_queue *queue)
{
    struct virtq *vq = &scsi_queue_of(queue)->vq;

    if (virtq_publish(vq)) {
        queue->stats.kicks++;
        virtq_ring_doorbell(vq);
    }
}

/* ------------------------------------------------------------------ completing */

static void scsi_watch(struct scsi_queue *q);

static void look_at_functions(struct scsi_queue *q)
{
    if (__atomic_load_n(&q->scsi->n_functions, __ATOMIC_RELAXED) != 0)
        vst_virtio_scsi_look(&q->scsi->base);
}

/** Poll found nothing, or the queue is broken or at rest. */
static __attribute__((noinline)) void poll_nothing(struct scsi_queue *q)
{
    scsi_watch(q);
    look_at_functions(q);
    if (q->vq.broken)
        vst_virtio_run_attend(&q->run);
    else if (q->vq.n_put == q->vq.n_used)
        vst_virtio_run_rest(&q->run);
}

/** Now and then under a load that never lets up: used_event kept out of reach, and the watch. */
static __attribute__((noinline, cold)) void look_after(struct scsi_queue *q)
{
    virtq_rearm_polling(&q->vq);
    scsi_watch(q);
    look_at_functions(q);
}

/** `any`: something was taken back, be it somebody else's. */
static inline size_t poll_end(struct scsi_queue *q, size_t n_done, bool any)
{
    if (VST_UNLIKELY(!any))
        poll_nothing(q);
    else if (VST_UNLIKELY(++q->n_polls == 0))
        look_after(q);
    return n_done;
}

/** The answer of a slot, read once; the used length is not looked at: see virtio_blk_io.c. */
static inline uint64_t answer_of(const struct virtq_slot *slot)
{
    return dev_le64_get(&((const struct scsi_header *)slot->shared)->answer);
}

/** It has ended well and belongs to a queue that is not being polled. */
static __attribute__((noinline)) void hand_over(const struct virtq_slot *slot,
                                                struct vst_scsi_block_queue *owner,
                                                struct vst_block_request *request)
{
    if (VST_UNLIKELY(owner->base.driver->untraced != NULL))
        vst_virtio_scsi_trace_end(queue_of(owner), slot->id, owner, request->start_sector, 0);
    owner->n_room++;
    vst_block_finish(&owner->base, request, VST_OK);
}

/** Takes what is in a list, which polls of the block layer look at before they poll here. */
static size_t take_ready(struct vst_scsi_block_queue *queue, struct vst_block_request **done,
                         size_t max)
{
    struct vst_block_request_list *ready = &queue->base.ready;
    size_t n = 0;

    while (n < max && ready->first != NULL) {
        done[n++] = ready->first;
        ready->first = ready->first->priv.next;
    }
    return n;
}

/** What the layer above has submitted meanwhile must be shown before the next is taken back. */
static void kick_what_was_added(struct scsi_queue *q)
{
    if (q->vq.n_put != q->vq.n_published)
        scsi_kick_commands(&q->base);
}

static void take_one(struct scsi_queue *q, struct virtq_slot *slot, uint64_t answer)
{
    void *token = slot->token;

    slot->token = NULL;
    vst_virtio_scsi_take_back(q, slot, token, answer);
    kick_what_was_added(q);
}

/** Where a poll puts what belongs to the queue that it polls for. */
struct sink {
    struct vst_scsi_block_queue *queue; /**< NULL: it polls for none */
    struct vst_block_request **end;
};

/** Straight to the caller, who records it; or to the list of its queue. */
static inline void deliver(struct sink *sink, const struct virtq_slot *slot,
                           struct vst_scsi_block_queue *owner, struct vst_block_request *request)
{
    if (VST_UNLIKELY(owner != sink->queue)) {
        hand_over(slot, owner, request);
        return;
    }
    owner->n_room++;
    request->status = VST_OK;
    *sink->end++ = request;
}

/** A prepared chain that went well and whose one piece is mapped. */
static inline void take_back_mapped(struct scsi_queue *q, struct virtq_slot *slot,
                                    struct sink *sink)
{
    const struct vst_platform *platform = q->scsi->base.platform;
    const struct virtio_mapping *mapping = scsi_mappings_of(q, slot->id);
    struct vst_block_request *request = slot->token;

    slot->token = NULL;
    platform->dma_unmap(platform->ctx, mapping->buffer, mapping->bytes,
                        is_write(request->op) ? VST_DMA_TO_DEVICE : VST_DMA_FROM_DEVICE,
                        mapping->bus_addr);
    q->vq.free[q->vq.n_free++] = slot;
    deliver(sink, slot, slot->owner, request);
}

/** What to take with the one just taken, which may have changed everything: no more than there is. */
static size_t still_left(struct virtq *vq, size_t n_left)
{
    if (vq->broken)
        return 1;
    if (vq->packed)
        return n_left;
    size_t n = (size_t)virtq_n_used_split(vq) + 1;
    return n < n_left ? n : n_left;
}

/**
 * Goes on where poll_plain came upon `slot`, whose answer is not plainly good, or upon a lie (slot is
 * NULL, `offset` the id's), with at most n_left to be taken, which a split ring has. Returns how many
 * were.
 */
static __attribute__((noinline)) size_t poll_rest_mapped(struct scsi_queue *q, size_t n_left,
                                                         struct virtq_slot *slot, size_t offset,
                                                         uint64_t answer, struct sink *sink)
{
    struct virtq *vq = &q->vq;
    size_t n_taken = 0;

    for (; slot != NULL && n_left > 0; n_left--, n_taken++) {
        vq->n_used++;
        if (vq->packed) /* the chain's length is our own knowledge */
            virtq_place_advance(vq, &vq->used_place,
                                vq->indirect ? 1 : (uint32_t)slot->n_pieces + vq->n_frame);
        if (answer == 0 && slot->by_hand == VIRTQ_BY_HAND && (slot->shape & MAPPED) != 0) {
            take_back_mapped(q, slot, sink);
        } else {
            take_one(q, slot, answer);
            n_left = still_left(vq, n_left);
        }
        if (n_left == 1)
            return n_taken + 1;
        struct virtq_reader reader = virtq_read_begin(vq, vq->packed);
        slot = virtq_read_next(&reader, vq->packed, &offset);
        if (slot != NULL)
            answer = answer_of(slot);
    }
    if (slot == NULL && offset != VIRTQ_NOTHING)
        vst_virtq_break_by_id(vq, virtq_id_at(offset));
    return n_taken;
}

/** Where one used entry stands for all chains before it as well. */
static __attribute__((noinline, cold)) size_t take_used_in_order(struct scsi_queue *q, size_t max)
{
    size_t n = 0;

    for (; n < max; n++) {
        if (q->n_in_order == 0)
            q->n_in_order = vst_virtq_n_in_order(&q->vq);
        if (q->n_in_order == 0)
            break;
        q->n_in_order--;
        struct virtq_slot *slot = &q->vq.slots[vst_virtq_oldest(&q->vq)];
        take_one(q, slot, answer_of(slot));
    }
    return n;
}

/**
 * Takes at most `max` chains back: those of `queue` to `done`, others to the lists of their queues.
 * `packed` is a constant wherever this is called.
 */
static inline __attribute__((always_inline)) size_t poll_plain(struct scsi_queue *q, bool packed,
                                                               struct vst_scsi_block_queue *queue,
                                                               struct vst_block_request **done,
                                                               size_t max)
{
    struct virtq *vq = &q->vq;
    struct virtq_reader reader = virtq_read_begin(vq, packed);
    struct vst_block_request **end = done;
    size_t n_taken = 0;

    while (n_taken < max) {
        size_t offset;
        uint64_t answer = 0;
        struct virtq_slot *slot = virtq_read_next(&reader, packed, &offset);
        if (packed && slot == NULL && offset == VIRTQ_NOTHING)
            break;
        if (VST_LIKELY(slot != NULL))
            answer = answer_of(slot);
        if (VST_UNLIKELY(slot == NULL || (answer | slot->by_hand) != 0)) {
            virtq_read_end(&reader, packed, vq, (uint32_t)n_taken);
            queue->n_room += (int32_t)(end - done);
            struct sink sink = {queue, end};
            n_taken += poll_rest_mapped(q, max - n_taken, slot, offset, answer, &sink);
            end = sink.end;
            end += take_ready(queue, end, max - (size_t)(end - done));
            return poll_end(q, (size_t)(end - done), n_taken > 0);
        }
        struct vst_block_request *request = slot->token;
        struct vst_scsi_block_queue *owner = slot->owner;
        virtq_read_release(&reader, packed, vq, slot);
        n_taken++;
        if (VST_UNLIKELY(owner != queue)) {
            hand_over(slot, owner, request);
            continue;
        }
        request->status = VST_OK;
        *end++ = request;
    }
    virtq_read_end(&reader, packed, vq, (uint32_t)n_taken);
    queue->n_room += (int32_t)(end - done);
    return poll_end(q, (size_t)(end - done), n_taken > 0);
}

static __attribute__((noinline)) size_t poll_split(struct scsi_queue *q,
                                                   struct vst_scsi_block_queue *queue,
                                                   struct vst_block_request **done, size_t max)
{
    uint32_t n = virtq_n_used_split(&q->vq);

    return poll_plain(q, false, queue, done, n < max ? n : max);
}

static __attribute__((noinline)) size_t poll_packed(struct scsi_queue *q,
                                                    struct vst_scsi_block_queue *queue,
                                                    struct vst_block_request **done, size_t max)
{
    return poll_plain(q, true, queue, done, max);
}

static size_t scsi_poll(struct vst_scsi_block_queue *queue, struct vst_block_request **done,
                        size_t max);

static __attribute__((noinline, cold)) size_t
poll_uncommon(struct vst_scsi_block_queue *queue, struct vst_block_request **done, size_t max)
{
    struct scsi_queue *q = queue_of(queue);

    if (q->vq.n_put != q->vq.n_published) {
        scsi_kick(queue);
        return scsi_poll(queue, done, max);
    }
    size_t n_taken = take_used_in_order(q, max);
    return poll_end(q, take_ready(queue, done, max), n_taken > 0);
}

static size_t scsi_poll(struct vst_scsi_block_queue *queue, struct vst_block_request **done,
                        size_t max)
{
    struct scsi_queue *q = queue_of(queue);
    struct virtq *vq = &q->vq;

    if (VST_UNLIKELY(vq->broken)) {
        poll_nothing(q);
        return take_ready(queue, done, max);
    }
    /* So that "put" and "in flight" are one: a used id can't name a chain never shown. */
    if (VST_UNLIKELY(vq->n_put != vq->n_published || vq->in_order))
        return poll_uncommon(queue, done, max);
    return vq->packed ? poll_packed(q, queue, done, max) : poll_split(q, queue, done, max);
}

/** With nobody's queue at hand: everything takes the way of answers that are looked at. */
static size_t poll_for_none(struct scsi_queue *q, size_t max)
{
    struct virtq *vq = &q->vq;
    struct sink none = {NULL, NULL};
    size_t n = vq->packed ? max : virtq_n_used_split(vq), offset;

    if (n == 0 || max == 0)
        return 0;
    struct virtq_reader reader = virtq_read_begin(vq, vq->packed);
    struct virtq_slot *slot = virtq_read_next(&reader, vq->packed, &offset);
    return poll_rest_mapped(q, n < max ? n : max, slot, offset, slot != NULL ? answer_of(slot) : 0,
                            &none);
}

static size_t scsi_poll_commands(struct vst_scsi_hba_queue *queue, size_t max)
{
    struct scsi_queue *q = scsi_queue_of(queue);
    struct virtq *vq = &q->vq;
    size_t n_taken = 0;

    if (!vq->broken) {
        kick_what_was_added(q);
        n_taken = vq->in_order ? take_used_in_order(q, max) : poll_for_none(q, max);
    }
    return poll_end(q, n_taken, n_taken > 0);
}

static bool scsi_ready(const struct vst_scsi_block_queue *queue)
{
    const struct scsi_queue *q = queue_of(queue);

    /* The ring means nothing then: what is left to be ended or begun again by poll does. */
    if (VST_UNLIKELY(q->vq.broken))
        return q->vq.n_put != q->vq.n_used;
    return q->n_in_order > 0 || virtq_ready(&q->vq);
}

/* ------------------------------------------------------------------ interrupts */

static void scsi_arm(struct vst_scsi_block_queue *queue, uint32_t n)
{
    struct scsi_queue *q = queue_of(queue);

    if (q->scsi->irq.mode == VST_IRQ_POLL)
        return;
    q->base.armed = &queue->base;
    vst_virtq_arm(&q->vq, n);
}

static void scsi_disarm(struct vst_scsi_block_queue *queue)
{
    vst_virtq_disarm(&queue_of(queue)->vq);
}

static bool scsi_awaited(const struct vst_scsi_block_queue *queue)
{
    const struct scsi_queue *q = queue_of(queue);

    return q->n_in_order > 0 ||
           __atomic_load_n(&q->scsi->recovery.phase, __ATOMIC_RELAXED) != VIRTIO_IN_SERVICE ||
           vst_virtq_awaited(&q->vq);
}

static bool scsi_interrupted(struct vst_scsi_hba *hba)
{
    struct scsi_device *scsi = scsi_device_of(hba);
    uint8_t status = scsi->virtio.transport->interrupt_status(&scsi->virtio);

    if (status == UINT8_MAX) /* nobody there: it is somebody else's interrupt */
        return false;
    if (status != 0)
        __atomic_store_n(&hba->attention, true, __ATOMIC_RELEASE);
    return (status & (VIRTIO_INTERRUPT_QUEUE | VIRTIO_INTERRUPT_CONFIG)) != 0;
}

/* ------------------------------------------------------------------ the watch: doorbells lost,
 * answers that never come */

/** See virtio_blk_io.c. */
static bool doorbell_may_be_lost(const struct scsi_queue *q)
{
    if (q->vq.event_idx && !q->vq.packed)
        return dev_le16_get(q->vq.avail_event) != (uint16_t)q->vq.n_published;
    return true;
}

/** For the adapter's queue, and for one of those that wait. */
static void count_rescue(struct scsi_queue *q)
{
    struct virtq_slot *slot = q->vq.slots, *end = slot + q->vq.size;

    q->base.stats.rescues++;
    vst_virtio_scsi_trace(q, VST_TRACE_RESCUE);
    while (slot < end && (slot->token == NULL || slot->owner == NULL))
        slot++;
    if (slot < end)
        ((struct vst_scsi_block_queue *)slot->owner)->base.stats.rescues++;
}

/**
 * Every watch_interval the queue's epoch advances, with which each command is stamped: a command as
 * many epochs old as its time-out has is late. A caller that did not poll for a minute thus finds
 * what came in meanwhile before anything is called late.
 */
static __attribute__((noinline, cold)) void watch_interval_over(struct scsi_queue *q)
{
    struct virtq *vq = &q->vq;
    bool stuck = q->unanswered_at_watch && vq->n_used == q->n_used_at_watch;

    q->epoch++;
    scsi_kick_commands(&q->base);
    if (stuck && doorbell_may_be_lost(q)) {
        count_rescue(q);
        virtq_ring_doorbell(vq);
    }
    q->n_used_at_watch = vq->n_used;
    if (vst_virtio_run_has_stopped(&q->run))
        return;
    q->unanswered_at_watch = vq->n_published != vq->n_used;
    if (vst_virtio_scsi_tell_late(q))
        vst_virtio_run_fault(&q->run, "a command was not answered in time", VST_ERR_TIMEOUT, true);
}

static void scsi_reset(struct vst_scsi_hba_queue *queue, const char *why)
{
    struct virtio_run *run = &scsi_queue_of(queue)->run;

    if (run->at_rest && vst_virtio_run_wake(run) != VST_OK)
        return; /* it is being reset, or out of service */
    vst_virtio_run_fault(run, why, VST_ERR_RESET, true);
}

static __attribute__((noinline)) void scsi_watch(struct scsi_queue *q)
{
    const struct vst_platform *platform = q->scsi->base.platform;

    if (__atomic_load_n(&q->scsi->recovery.phase, __ATOMIC_RELAXED) != VIRTIO_IN_SERVICE)
        vst_virtio_run_attend(&q->run);
    else if (__atomic_load_n(&q->scsi->side_broken, __ATOMIC_RELAXED))
        scsi_reset(&q->base, "its control or event queue breaks the protocol");
    if (q->vq.n_published == q->vq.n_used || q->vq.broken)
        return;
    uint64_t now_ns = platform->time_ns(platform->ctx);
    if (now_ns - q->watch_ns < q->scsi->watch_interval_ns)
        return;
    q->watch_ns = now_ns;
    vst_virtio_scsi_look(&q->scsi->base);
    watch_interval_over(q);
}

static void scsi_rest(struct vst_scsi_block_queue *queue)
{
    vst_virtio_run_rest(&queue_of(queue)->run);
}

static void scsi_rest_commands(struct vst_scsi_hba_queue *queue)
{
    vst_virtio_run_rest(&scsi_queue_of(queue)->run);
}

#define THE_SAME_IN_BOTH                                                                           \
    .submit_part = vst_virtio_scsi_submit_part, .submit_long = vst_virtio_scsi_submit_long,        \
    .kick = scsi_kick, .poll = scsi_poll, .ready = scsi_ready, .arm = scsi_arm,                    \
    .disarm = scsi_disarm, .awaited = scsi_awaited, .rest = scsi_rest,                             \
    .submit = vst_virtio_scsi_submit, .kick_commands = scsi_kick_commands,                         \
    .poll_commands = scsi_poll_commands, .rest_commands = scsi_rest_commands,                      \
    .manage = vst_virtio_scsi_manage, .next_late = vst_virtio_scsi_next_late,                      \
    .look = vst_virtio_scsi_look, .next_event = vst_virtio_scsi_next_event, .reset = scsi_reset,   \
    .interrupted = scsi_interrupted, .traced = &vst_virtio_scsi_traced_ops

const struct vst_scsi_hba_ops vst_virtio_scsi_ops = {.submit_block = scsi_submit, THE_SAME_IN_BOTH};
const struct vst_scsi_hba_ops vst_virtio_scsi_mapping_ops = {.submit_block = scsi_submit_mapping,
                                                             THE_SAME_IN_BOTH};
