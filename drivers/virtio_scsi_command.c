/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-scsi: commands of any kind, and parts of block requests, in chains made by hand; and the
 * answers that are not plainly good, of all. (VIRTIO 1.2, 5.6.6.1)
 */
#include "drivers/virtio_scsi.h"
#include "drivers/virtq_hot.h"
#include <vstor/trace.h>

static const struct vst_platform *platform_of(const struct scsi_queue *q)
{
    return q->scsi->base.platform;
}

uint64_t vst_virtio_scsi_new_tag(struct scsi_queue *q, uint16_t id)
{
    q->slots[id].generation = ++q->n_tags;
    return scsi_tag(q, id);
}

/* ------------------------------------------------------------------ chains */

/** Data in one direction: pieces of the caller's memory. */
struct data {
    const struct vst_block_segment *segments;
    size_t skip_bytes;
    uint32_t bytes, n_pieces;
};

/** All that makes a command. */
struct order {
    struct vst_scsi_nexus nexus;
    const uint8_t *cdb;
    uint8_t cdb_bytes, attribute, priority, crn;
    uint32_t out_protection_bytes, in_protection_bytes;
    struct data out, in;
};

static struct virtio_piece_walk walk_of(const struct scsi_queue *q, const struct data *data)
{
    return (struct virtio_piece_walk){data->segments, data->skip_bytes, data->bytes,
                                      q->scsi->base.limits.max_segment_bytes};
}

/** Of operations on ranges it is the layer's list, or a block, that is sent. */
static bool sends_data(enum vst_block_op op)
{
    return op == VST_BLOCK_WRITE || op == VST_BLOCK_WRITE_DURABLE || vst_block_op_has_ranges(op);
}

/** How many of a slot's mappings are of data to the device: they come first. */
static uint32_t n_mapped_out(const struct virtq_slot *slot, const void *token)
{
    const struct vst_scsi_command *command = token;

    if (slot->owner == NULL)
        return command->priv.n_out_pieces;
    return sends_data(((const struct vst_block_request *)token)->op) ? slot->n_pieces : 0;
}

static void unmap(struct scsi_queue *q, const struct virtq_slot *slot, const void *token)
{
    const struct virtio_mapping *mappings = scsi_mappings_of(q, slot->id);
    uint32_t n_out = n_mapped_out(slot, token);

    vst_virtio_unmap_pieces(platform_of(q), mappings, n_out, VST_DMA_TO_DEVICE);
    vst_virtio_unmap_pieces(platform_of(q), mappings + n_out, slot->n_pieces - n_out,
                            VST_DMA_FROM_DEVICE);
}

/** Both directions, or nothing. */
static enum vst_status map(struct scsi_queue *q, uint16_t id, const struct order *order)
{
    struct virtio_mapping *mappings = scsi_mappings_of(q, id);
    enum vst_status status = vst_virtio_map_pieces(
        platform_of(q), mappings, walk_of(q, &order->out), order->out.n_pieces, VST_DMA_TO_DEVICE);

    if (status != VST_OK)
        return status;
    status = vst_virtio_map_pieces(platform_of(q), mappings + order->out.n_pieces,
                                   walk_of(q, &order->in), order->in.n_pieces, VST_DMA_FROM_DEVICE);
    if (status != VST_OK)
        vst_virtio_unmap_pieces(platform_of(q), mappings, order->out.n_pieces, VST_DMA_TO_DEVICE);
    return status;
}

static void add_data(struct scsi_queue *q, struct virtq_chain *chain, const struct data *data,
                     uint32_t first_mapping, bool device_writes)
{
    struct virtio_piece_walk walk = walk_of(q, data);

    for (uint32_t i = 0; i < data->n_pieces; i++) {
        struct vst_block_segment piece = vst_virtio_next_piece(&walk);
        vst_virtq_chain_add(chain,
                            q->maps ? scsi_mappings_of(q, chain->id)[first_mapping + i].bus_addr
                                    : (uintptr_t)piece.buffer,
                            (uint32_t)piece.bytes, device_writes);
    }
}

static void put_header(struct scsi_queue *q, struct scsi_header *header, uint16_t id,
                       const struct order *order)
{
    drv_bytes8 *cdb = q->scsi->base.limits.protection ? header->pi.cdb : header->cdb;
    uint64_t words[VIRTIO_SCSI_CDB_BYTES / 8] = {0};

    __builtin_memcpy(words, order->cdb, order->cdb_bytes);
    drv_bytes8_put(&header->lun, order->nexus.word);
    drv_le64_put(&header->id, vst_virtio_scsi_new_tag(q, id));
    drv_u8_put(&header->attribute, order->attribute);
    drv_u8_put(&header->priority, order->priority);
    drv_u8_put(&header->crn, order->crn);
    if (q->scsi->base.limits.protection) {
        drv_bytes4_put(&header->pi.out_bytes, VST_LE32_(order->out_protection_bytes));
        drv_bytes4_put(&header->pi.in_bytes, VST_LE32_(order->in_protection_bytes));
    }
    for (size_t i = 0; i < VST_ARRAY_LENGTH(words); i++)
        drv_bytes8_put(&cdb[i], words[i]);
    dev_le64_poison(&header->answer, SCSI_ANSWER_POISON);
}

/** Request, data out, response, data in: 2.7.13 step 1 for any kind of queue. */
static void add_all(struct scsi_queue *q, struct virtq_chain *chain, const struct order *order)
{
    const struct scsi_device *scsi = q->scsi;
    uint64_t bus_addr = virtq_shared_bus_addr(&q->vq, chain->id);

    vst_virtq_chain_add(chain, bus_addr, scsi->request_bytes, false);
    add_data(q, chain, &order->out, 0, false);
    vst_virtq_chain_add(chain, bus_addr + offsetof(struct scsi_header, sense_bytes),
                        scsi->response_bytes, true);
    add_data(q, chain, &order->in, order->out.n_pieces, true);
}

/**
 * One command for `owner`, or for nobody: then the token is a struct vst_scsi_command. *id is that of
 * its slot.
 */
static enum vst_status issue(struct scsi_queue *q, void *owner, void *token, uint64_t start_sector,
                             const struct order *order, uint16_t *id)
{
    uint32_t n_pieces = order->out.n_pieces + order->in.n_pieces;
    struct virtq_chain chain;
    enum vst_status status = VST_OK;

    if (q->scsi->base.broken)
        return VST_ERR_BROKEN;
    if (q->run.at_rest)
        status = vst_virtio_run_wake(&q->run);
    if (status != VST_OK)
        return status;
    if (!vst_virtq_chain_begin(&chain, &q->vq, n_pieces + 2))
        return VST_ERR_FULL;
    struct virtq_slot *slot = &q->vq.slots[chain.id];
    slot->shape = 0; /* whatever comes of it, the table is not what it was */
    slot->by_hand = VIRTQ_BY_HAND;
    if (q->maps)
        status = map(q, chain.id, order);
    if (status != VST_OK)
        return status;
    slot->n_pieces = (uint16_t)n_pieces;
    slot->start_sector = start_sector;
    slot->owner = owner;
    slot->epoch = q->epoch;
    q->slots[chain.id].bytes = order->out.bytes + order->in.bytes;
    put_header(q, slot->shared, chain.id, order);
    add_all(q, &chain, order);
    vst_virtq_chain_put(&chain, token);
    *id = chain.id;
    return VST_OK;
}

static enum vst_status issue_part(struct vst_scsi_block_queue *owner,
                                  struct vst_block_request *request,
                                  const struct vst_block_part *part, const uint8_t *cdb,
                                  uint8_t cdb_bytes)
{
    struct scsi_queue *q = scsi_queue_of(owner->hba_queue);
    bool write = sends_data(part->op);
    uint16_t id;
    const struct data data = {part->segments, (size_t)part->skip_bytes, part->bytes,
                              part->n_pieces};
    const struct data none = {0};
    const struct order order = {
        .nexus = owner->nexus,
        .cdb = cdb,
        .cdb_bytes = cdb_bytes,
        .attribute = VST_SCSI_SIMPLE,
        .out = write ? data : none,
        .in = write ? none : data,
    };
    enum vst_status status = issue(q, owner, request, part->start_sector, &order, &id);

    if (status != VST_OK)
        return status;
    vst_virtio_scsi_trace_submit(q, id, owner, part->op, part->start_sector, part->n_sectors);
    owner->n_room--;
    owner->base.stats.commands[part->op]++;
    owner->base.stats.sectors[part->op] += part->n_sectors;
    return VST_OK;
}

enum vst_status vst_virtio_scsi_submit_part(struct vst_scsi_block_queue *owner,
                                            struct vst_block_request *request,
                                            const struct vst_block_part *part,
                                            struct vst_scsi_cdb cdb)
{
    return issue_part(owner, request, part, cdb.bytes, sizeof(cdb.bytes));
}

enum vst_status vst_virtio_scsi_submit_long(struct vst_scsi_block_queue *owner,
                                            struct vst_block_request *request,
                                            const struct vst_block_part *part,
                                            const uint8_t cdb[VST_SCSI_LONG_CDB_BYTES])
{
    if (owner->hba_queue->hba->limits.max_cdb_bytes < VST_SCSI_LONG_CDB_BYTES)
        return VST_ERR_UNSUPPORTED;
    return issue_part(owner, request, part, cdb, VST_SCSI_LONG_CDB_BYTES);
}

/* ------------------------------------------------------------------ commands */

/** Sums up data of one direction, cut into pieces; false if a segment is empty or the sum too large. */
static bool measure(const struct scsi_queue *q, const struct vst_block_segment *segments,
                    unsigned n, struct data *data)
{
    const struct vst_scsi_hba_limits *limits = &q->scsi->base.limits;
    uint64_t bytes = 0, n_pieces = 0;

    for (unsigned i = 0; i < n; i++) {
        if (segments[i].bytes == 0)
            return false;
        bytes = vst_add_saturated_u64(bytes, segments[i].bytes);
        n_pieces += (segments[i].bytes - 1) / limits->max_segment_bytes + 1;
    }
    if (bytes > (uint64_t)limits->max_sectors << VST_SECTOR_SHIFT || n_pieces > UINT16_MAX)
        n_pieces = bytes = UINT32_MAX;
    *data = (struct data){segments, 0, (uint32_t)bytes, (uint32_t)n_pieces};
    return true;
}

static enum vst_status check(const struct scsi_queue *q, const struct vst_scsi_command *command,
                             const struct order *order)
{
    const struct vst_scsi_hba_limits *limits = &q->scsi->base.limits;
    uint64_t bytes = (uint64_t)order->out.bytes + order->in.bytes;

    if (command->cdb_bytes < 6 || (unsigned)command->attribute >= VST_SCSI_N_ATTRIBUTES ||
        command->priority > 15 || command->out_protection_bytes > order->out.bytes ||
        command->in_protection_bytes > order->in.bytes)
        return VST_ERR_INVALID;
    if (command->cdb_bytes > limits->max_cdb_bytes ||
        bytes > (uint64_t)limits->max_sectors << VST_SECTOR_SHIFT ||
        (uint64_t)order->out.n_pieces + order->in.n_pieces > limits->max_segments)
        return VST_ERR_TOO_LARGE;
    if ((command->n_out > 0 && command->n_in > 0 && !limits->bidirectional) ||
        ((command->out_protection_bytes | command->in_protection_bytes) != 0 &&
         !limits->protection))
        return VST_ERR_UNSUPPORTED;
    return VST_OK;
}

/** Ticks of the watch that a command may take; half the range at most, so that they can be compared. */
static uint16_t epochs_of(const struct scsi_device *scsi, uint64_t timeout_ns)
{
    if (timeout_ns == 0)
        return scsi->timeout_epochs;
    uint64_t n = (timeout_ns - 1) / scsi->watch_interval_ns + 1;
    return n > UINT16_MAX / 2 ? UINT16_MAX / 2 : (uint16_t)n;
}

enum vst_status vst_virtio_scsi_submit(struct vst_scsi_hba_queue *queue,
                                       struct vst_scsi_command *command)
{
    struct scsi_queue *q = scsi_queue_of(queue);
    struct order order = {
        .nexus = command->nexus,
        .cdb = command->cdb,
        .cdb_bytes = command->cdb_bytes,
        .attribute = (uint8_t)command->attribute,
        .priority = command->priority,
        .crn = command->crn,
        .out_protection_bytes = command->out_protection_bytes,
        .in_protection_bytes = command->in_protection_bytes,
    };

    if (!measure(q, command->out, command->n_out, &order.out) ||
        !measure(q, command->in, command->n_in, &order.in))
        return VST_ERR_INVALID;
    enum vst_status status = check(q, command, &order);
    if (status != VST_OK)
        return status;
    command->priv = (struct vst_scsi_command_private){
        .n_out_pieces = order.out.n_pieces,
        .n_epochs = epochs_of(q->scsi, command->timeout_ns),
    };
    uint16_t id;
    return issue(q, NULL, command, 0, &order, &id);
}

/* ------------------------------------------------------------------ answers */

/** 5.6.6.1: the device's word for how it went; anything else is no answer. */
static enum vst_scsi_response response_of(uint8_t code)
{
    static const uint8_t responses[] = {
        [VIRTIO_SCSI_S_OK] = VST_SCSI_RESPONSE_OK,
        [VIRTIO_SCSI_S_OVERRUN] = VST_SCSI_RESPONSE_OVERRUN,
        [VIRTIO_SCSI_S_ABORTED] = VST_SCSI_RESPONSE_ABORTED,
        [VIRTIO_SCSI_S_BAD_TARGET] = VST_SCSI_RESPONSE_BAD_TARGET,
        [VIRTIO_SCSI_S_RESET] = VST_SCSI_RESPONSE_RESET,
        [VIRTIO_SCSI_S_BUSY] = VST_SCSI_RESPONSE_BUSY,
        [VIRTIO_SCSI_S_TRANSPORT_FAILURE] = VST_SCSI_RESPONSE_TRANSPORT_FAILURE,
        [VIRTIO_SCSI_S_TARGET_FAILURE] = VST_SCSI_RESPONSE_TARGET_FAILURE,
        [VIRTIO_SCSI_S_NEXUS_FAILURE] = VST_SCSI_RESPONSE_NEXUS_FAILURE,
        [VIRTIO_SCSI_S_FAILURE] = VST_SCSI_RESPONSE_FAILURE,
    };

    return code < VST_ARRAY_LENGTH(responses) ? (enum vst_scsi_response)responses[code]
                                              : VST_SCSI_RESPONSE_MALFORMED;
}

/** The share of a block request that a slot carries. */
static struct vst_scsi_share share_of(const struct scsi_queue *q, const struct virtq_slot *slot,
                                      const struct vst_block_request *request)
{
    bool part = slot->shape == 0 && request->priv.split;

    return (struct vst_scsi_share){
        .is_part = part,
        .was_late = (slot->by_hand & SCSI_LATE) != 0,
        .start_sector = part ? slot->start_sector : request->start_sector,
        .bytes = slot->shape == 0 ? q->slots[slot->id].bytes
                                  : (uint32_t)(request->n_sectors << VST_SECTOR_SHIFT),
    };
}

static void take_sense(const struct scsi_queue *q, const struct scsi_header *header,
                       struct vst_scsi_outcome *outcome)
{
    uint32_t bytes = dev_le32_get(&header->sense_bytes);
    uint16_t room = q->scsi->base.limits.max_sense_bytes;

    outcome->sense_bytes = bytes < room ? (uint16_t)bytes : room;
    for (uint16_t i = 0; i < outcome->sense_bytes; i++)
        outcome->sense[i] = dev_u8_get(&header->sense[i]);
}

/**
 * What was not transferred, of `bytes`; what can't be is left as it is. QEMU (7.2) counts below zero
 * where a disk's command transfers less than there is room for.
 */
static uint32_t residual_of(uint64_t answer, uint32_t bytes)
{
    uint32_t residual = (uint32_t)answer, below_zero = 0 - residual;

    return residual > bytes && below_zero <= bytes ? below_zero : residual;
}

/** Parses an answer whose word has been read, of a command that was to transfer `bytes`. */
static void parse(const struct scsi_queue *q, const struct virtq_slot *slot, uint64_t answer,
                  uint32_t bytes, struct vst_scsi_outcome *outcome)
{
    uint32_t residual = residual_of(answer, bytes);

    outcome->response = response_of((uint8_t)(answer >> 56));
    outcome->status = 0;
    outcome->status_qualifier = 0;
    outcome->sense_bytes = 0;
    outcome->residual_bytes = residual < bytes ? residual : bytes;
    if (outcome->response == VST_SCSI_RESPONSE_MALFORMED)
        outcome->residual_bytes = bytes;
    if (outcome->response != VST_SCSI_RESPONSE_OK)
        return;
    /* Transferred is at most what was to be; nobody knows what a larger number means. */
    if (residual > bytes) {
        outcome->response = VST_SCSI_RESPONSE_MALFORMED;
        return;
    }
    outcome->status = (uint8_t)(answer >> 48);
    outcome->status_qualifier = (uint16_t)(answer >> 32);
    if (outcome->status != VST_SCSI_GOOD)
        take_sense(q, slot->shared, outcome);
}

/* ------------------------------------------------------------------ ends */

static bool plainly_good(const struct vst_scsi_outcome *outcome)
{
    return outcome->response == VST_SCSI_RESPONSE_OK && outcome->status == VST_SCSI_GOOD &&
           outcome->residual_bytes == 0;
}

static void end_block(struct vst_scsi_block_queue *owner, struct vst_block_request *request,
                      const struct vst_scsi_share *share, const struct vst_scsi_outcome *outcome)
{
    bool good = plainly_good(outcome);

    owner->n_room++;
    owner->base.stats.errors += !good;
    if (!good || share->was_late || vst_block_op_has_ranges(request->op)) {
        owner->upcalls->ended(owner, request, share, outcome);
        return;
    }
    if (!share->is_part)
        vst_block_finish(&owner->base, request, VST_OK);
    else if (vst_block_part_done(&owner->base, request, share->start_sector, VST_OK))
        vst_block_finish(&owner->base, request, request->status);
}

static void end_command(struct scsi_queue *q, struct vst_scsi_command *command,
                        const struct vst_scsi_outcome *outcome)
{
    const size_t head_bytes = offsetof(struct vst_scsi_outcome, sense);

    q->base.stats.errors += !plainly_good(outcome);
    __builtin_memcpy(&command->outcome, outcome, head_bytes + outcome->sense_bytes);
    command->done(command);
}

/** What was parsed goes to whom it belongs to. The slot is not used any more. */
static void tell(struct scsi_queue *q, void *owner, void *token, const struct vst_scsi_share *share,
                 const struct vst_scsi_outcome *outcome)
{
    if (owner == NULL)
        end_command(q, token, outcome);
    else
        end_block(owner, token, share, outcome);
}

static void free_slot(struct scsi_queue *q, struct virtq_slot *slot)
{
    if (slot->shape == 0) {
        vst_virtq_chain_release(&q->vq, slot->id);
        return;
    }
    /* Its tag was named to a function, or it may still be: the next request gets another. */
    if ((slot->by_hand & ~VIRTQ_BY_HAND) != 0)
        slot->shape = 0;
    q->vq.free[q->vq.n_free++] = slot;
}

static struct vst_scsi_share share_of_any(const struct scsi_queue *q, const struct virtq_slot *slot,
                                          const void *token)
{
    return slot->owner != NULL ? share_of(q, slot, token)
                               : (struct vst_scsi_share){.bytes = q->slots[slot->id].bytes};
}

void vst_virtio_scsi_take_back(struct scsi_queue *q, struct virtq_slot *slot, void *token,
                               uint64_t answer)
{
    struct vst_scsi_share share = share_of_any(q, slot, token);
    void *owner = slot->owner;

    parse(q, slot, answer, share.bytes, &q->outcome);
    if (q->maps)
        unmap(q, slot, token);
    if (owner != NULL)
        vst_virtio_scsi_trace_end(q, slot->id, owner, share.start_sector, q->outcome.status);
    free_slot(q, slot);
    tell(q, owner, token, &share, &q->outcome);
}

void vst_virtio_scsi_end_unanswered(struct scsi_queue *q, struct virtq_slot *slot, void *token,
                                    enum vst_scsi_response response)
{
    struct vst_scsi_share share = share_of_any(q, slot, token);

    q->outcome.response = response;
    q->outcome.status = 0;
    q->outcome.status_qualifier = 0;
    q->outcome.sense_bytes = 0;
    q->outcome.residual_bytes = share.bytes;
    if (q->maps)
        unmap(q, slot, token);
    tell(q, slot->owner, token, &share, &q->outcome);
}

/* ------------------------------------------------------------------ late */

static bool is_late(const struct scsi_queue *q, const struct virtq_slot *slot)
{
    const struct vst_scsi_command *command = slot->token;
    uint16_t limit = slot->owner != NULL ? q->scsi->timeout_epochs : command->priv.n_epochs;

    return (slot->by_hand & SCSI_LATE) == 0 && (uint16_t)(q->epoch - slot->epoch) > limit;
}

/** True if somebody takes care of it. */
static bool tell_of_one(struct scsi_queue *q, struct virtq_slot *slot)
{
    uint64_t tag = scsi_tag(q, slot->id);
    struct vst_scsi_block_queue *owner = slot->owner;
    struct vst_scsi_command *command = slot->token;

    slot->by_hand |= SCSI_LATE;
    q->base.stats.timeouts++;
    vst_virtio_scsi_trace(q, VST_TRACE_TIMEOUT);
    if (owner == NULL)
        return command->late != NULL && command->late(command, tag);
    owner->base.stats.timeouts++;
    return owner->upcalls->late != NULL && owner->upcalls->late(owner, slot->token, tag);
}

bool vst_virtio_scsi_tell_late(struct scsi_queue *q)
{
    bool reset = false;

    for (uint32_t id = 0; id < q->vq.size; id++)
        if (q->vq.slots[id].token != NULL && is_late(q, &q->vq.slots[id]))
            reset |= !tell_of_one(q, &q->vq.slots[id]);
    return reset;
}

static struct vst_scsi_nexus nexus_of(const struct virtq_slot *slot)
{
    const struct vst_scsi_block_queue *owner = slot->owner;

    return owner != NULL ? owner->nexus : ((const struct vst_scsi_command *)slot->token)->nexus;
}

bool vst_virtio_scsi_next_late(struct vst_scsi_hba_queue *queue, struct vst_scsi_nexus nexus,
                               uint64_t *tag)
{
    const struct scsi_queue *q = scsi_queue_of(queue);

    for (uint16_t id = 0; id < q->n_slots; id++) {
        const struct virtq_slot *slot = &q->vq.slots[id];
        if (slot->token == NULL || (slot->by_hand & (SCSI_LATE | SCSI_NAMED)) != SCSI_LATE ||
            nexus_of(slot).word != nexus.word)
            continue;
        *tag = scsi_tag(q, id);
        return true;
    }
    return false;
}
