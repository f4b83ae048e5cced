/* SPDX-License-Identifier: BSD-2-Clause */
#include "stream.h"

#include <stdlib.h>

#include "marks.h"
#include "progress.h"

#define REQUEST_BYTES (256u * 1024u)
#define DEPTH         8u
#define ALIGN_BYTES   4096u

enum slot_state { SLOT_FREE, SLOT_IN_FLIGHT, SLOT_ENDED };

struct slot {
    struct vst_block_request request; /* first, so that what poll returns leads back here */
    struct vst_block_segment segment;
    enum slot_state state;
};

struct stream {
    const struct shell_context *context;
    enum vst_block_op op;
    /* All counted from the start of the device. */
    uint64_t offset_bytes, end_bytes; /* what the caller wants */
    uint64_t next_bytes, last_bytes;  /* whole blocks around it that are not yet submitted */
    stream_function *function;
    void *user;
    struct progress progress;
    void *memory;
    struct slot slots[DEPTH];
    unsigned next_slot, oldest_slot; /* requests end in any order, but are taken in this one */
    unsigned n_in_flight;
    bool stopping, refused, interrupted;
    enum vst_status status;
    uint64_t error_bytes;
};

void stream_mark_first_read(void)
{
    MARK(MARK_BOOT | MARK_END);
}

static uint64_t request_offset(const struct vst_block_request *request)
{
    return request->start_sector * VST_SECTOR_BYTES;
}

static void fail(struct stream *stream, enum vst_status status, uint64_t offset_bytes)
{
    if (stream->status == VST_OK || offset_bytes < stream->error_bytes) {
        stream->status = status;
        stream->error_bytes = offset_bytes;
    }
    stream->stopping = true;
}

static bool call_function(struct stream *stream, struct slot *slot)
{
    uint64_t first = request_offset(&slot->request);
    uint64_t end = first + slot->segment.bytes;
    uint8_t *data = slot->segment.buffer;

    if (first < stream->offset_bytes) {
        data += stream->offset_bytes - first;
        first = stream->offset_bytes;
    }
    if (end > stream->end_bytes)
        end = stream->end_bytes;
    first -= stream->context->extent.offset_bytes;
    end -= stream->context->extent.offset_bytes;
    stream->refused = !stream->function(stream->user, first, data, (size_t)(end - first));
    stream->stopping |= stream->refused;
    return !stream->refused;
}

static void prepare(struct stream *stream, struct slot *slot)
{
    uint64_t bytes = stream->last_bytes - stream->next_bytes;

    if (bytes > REQUEST_BYTES)
        bytes = REQUEST_BYTES;
    slot->segment.bytes = (size_t)bytes;
    slot->request = (struct vst_block_request){
        .op = stream->op,
        .n_segments = 1,
        .segments = &slot->segment,
        .start_sector = stream->next_bytes / VST_SECTOR_BYTES,
        .n_sectors = bytes / VST_SECTOR_BYTES,
        .status = VST_ERR_IO,
    };
}

/* Submits as many requests as there is room for. */
static void submit(struct stream *stream)
{
    bool submitted = false;

    while (!stream->stopping && stream->next_bytes < stream->last_bytes) {
        struct slot *slot = &stream->slots[stream->next_slot];
        if (slot->state != SLOT_FREE)
            break;
        prepare(stream, slot);
        if (stream->op == VST_BLOCK_WRITE && !call_function(stream, slot))
            break;
        enum vst_status status = vst_block_submit(stream->context->queue, &slot->request);
        if (status == VST_ERR_FULL && stream->n_in_flight > 0)
            break;
        if (status != VST_OK) {
            fail(stream, status, stream->next_bytes);
            break;
        }
        slot->state = SLOT_IN_FLIGHT;
        stream->n_in_flight++;
        stream->next_bytes += slot->segment.bytes;
        stream->next_slot = (stream->next_slot + 1) % DEPTH;
        submitted = true;
    }
    if (submitted)
        vst_block_kick(stream->context->queue);
}

static void collect(struct stream *stream)
{
    const struct vst_platform *platform = stream->context->host->platform;
    struct vst_block_request *done[DEPTH];
    size_t n = vst_block_poll(stream->context->queue, done, DEPTH);

    for (size_t i = 0; i < n; i++)
        ((struct slot *)done[i])->state = SLOT_ENDED;
    stream->n_in_flight -= (unsigned)n;
    if (n == 0)
        platform->relax(platform->ctx);
}

/* Takes what has ended, oldest first. After a failure only to free the slots. */
static void consume(struct stream *stream)
{
    struct slot *slot = &stream->slots[stream->oldest_slot];

    while (slot->state == SLOT_ENDED) {
        if (slot->request.status != VST_OK)
            fail(stream, slot->request.status, slot->request.error_sector * VST_SECTOR_BYTES);
        else if (stream->op == VST_BLOCK_READ && !stream->stopping)
            call_function(stream, slot);
        slot->state = SLOT_FREE;
        stream->oldest_slot = (stream->oldest_slot + 1) % DEPTH;
        slot = &stream->slots[stream->oldest_slot];
    }
}

static void run(struct stream *stream)
{
    uint64_t first = stream->next_bytes;
    bool marked = stream->op != VST_BLOCK_READ;

    for (submit(stream); stream->n_in_flight > 0; submit(stream)) {
        unsigned before = stream->n_in_flight;
        collect(stream);
        if (!marked && stream->n_in_flight < before) {
            stream_mark_first_read();
            marked = true;
        }
        consume(stream);
        uint64_t under_way = (uint64_t)stream->n_in_flight * REQUEST_BYTES;
        uint64_t submitted = stream->next_bytes - first;
        if (!progress_step(&stream->progress, submitted > under_way ? submitted - under_way : 0))
            stream->interrupted = stream->stopping = true;
    }
    vst_block_rest(stream->context->queue);
}

static bool allocate(struct stream *stream)
{
    uint64_t bytes = stream->last_bytes - stream->next_bytes;
    size_t slot_bytes = bytes < REQUEST_BYTES ? (size_t)bytes : REQUEST_BYTES;
    size_t total = slot_bytes == REQUEST_BYTES ? REQUEST_BYTES * DEPTH : slot_bytes;

    stream->memory = malloc(total + ALIGN_BYTES);
    if (stream->memory == NULL)
        return shell_fail(stream->context, VST_ERR_NO_MEMORY, "no memory for the data");
    uint8_t *aligned = stream->memory;
    aligned += -(uintptr_t)aligned % ALIGN_BYTES;
    for (unsigned i = 0; i < DEPTH; i++)
        stream->slots[i].segment.buffer =
            aligned + (slot_bytes == REQUEST_BYTES ? i : 0) * slot_bytes;
    return true;
}

static enum stream_outcome outcome_of(struct stream *stream)
{
    if (stream->status != VST_OK)
        shell_fail_on_device(stream->context, stream->status, stream->error_bytes);
    else if (stream->interrupted)
        shell_fail_interrupted(stream->context);
    else
        return stream->refused ? STREAM_REFUSED : STREAM_DONE;
    return STREAM_FAILED;
}

/* Runs whole blocks from first to last; the function sees what lies between offset and end. */
static enum stream_outcome run_blocks(const struct shell_context *context, enum vst_block_op op,
                                      const uint64_t bounds[4], stream_function *function,
                                      void *user)
{
    struct stream *stream = calloc(1, sizeof(*stream));

    if (stream == NULL) {
        shell_fail(context, VST_ERR_NO_MEMORY, "no memory for the requests");
        return STREAM_FAILED;
    }
    stream->context = context;
    stream->op = op;
    stream->next_bytes = bounds[0];
    stream->offset_bytes = bounds[1];
    stream->end_bytes = bounds[2];
    stream->last_bytes = bounds[3];
    stream->function = function;
    stream->user = user;
    enum stream_outcome outcome = STREAM_FAILED;
    if (allocate(stream)) {
        progress_begin(&stream->progress, context, bounds[3] - bounds[0]);
        run(stream);
        progress_end(&stream->progress);
        outcome = outcome_of(stream);
    }
    free(stream->memory);
    free(stream);
    return outcome;
}

enum stream_outcome stream_read(const struct shell_context *context, uint64_t offset_bytes,
                                uint64_t bytes, stream_function *consume_function, void *user)
{
    uint64_t mask = context->device->limits.logical_block_bytes - 1u;
    uint64_t first = shell_on_device(context, offset_bytes), end = first + bytes;
    const uint64_t bounds[4] = {first & ~mask, first, end, (end + mask) & ~mask};

    if (bytes == 0)
        return STREAM_DONE;
    return run_blocks(context, VST_BLOCK_READ, bounds, consume_function, user);
}

void *stream_allocate_bounce(const struct shell_context *context, size_t *bytes)
{
    *bytes = 2 * (size_t)context->device->limits.logical_block_bytes;
    void *bounce = malloc(*bytes);
    if (bounce == NULL)
        shell_fail(context, VST_ERR_NO_MEMORY, "no memory for a block");
    return bounce;
}

/* Writes a piece that lies within one logical block but does not fill it. */
static enum stream_outcome write_piece(const struct shell_context *context, uint64_t first,
                                       size_t bytes, stream_function *produce, void *user)
{
    size_t bounce_bytes;
    uint64_t error_bytes;
    enum stream_outcome outcome = STREAM_FAILED;
    uint8_t *data = malloc(bytes);
    void *bounce = stream_allocate_bounce(context, &bounce_bytes);

    if (data == NULL && bounce != NULL)
        shell_fail(context, VST_ERR_NO_MEMORY, "no memory for a block");
    if (data != NULL && bounce != NULL) {
        if (!produce(user, first - context->extent.offset_bytes, data, bytes)) {
            outcome = STREAM_REFUSED;
        } else {
            enum vst_status status = vst_block_write_bytes(context->queue, first, data, bytes,
                                                           bounce, bounce_bytes, &error_bytes);
            outcome = status == VST_OK ? STREAM_DONE : STREAM_FAILED;
            if (status != VST_OK)
                shell_fail_on_device(context, status, error_bytes);
        }
    }
    free(bounce);
    free(data);
    return outcome;
}

enum stream_outcome stream_write(const struct shell_context *context, uint64_t offset_bytes,
                                 uint64_t bytes, stream_function *produce, void *user)
{
    uint64_t mask = context->device->limits.logical_block_bytes - 1u;
    uint64_t first = shell_on_device(context, offset_bytes), end = first + bytes;
    uint64_t first_block = (first + mask) & ~mask, end_block = end & ~mask;
    enum stream_outcome outcome = STREAM_DONE;

    if (bytes == 0)
        return STREAM_DONE;
    if (first_block > end_block) /* inside one block */
        return write_piece(context, first, (size_t)bytes, produce, user);
    if (first < first_block)
        outcome = write_piece(context, first, (size_t)(first_block - first), produce, user);
    if (outcome == STREAM_DONE && first_block < end_block) {
        const uint64_t bounds[4] = {first_block, first_block, end_block, end_block};
        outcome = run_blocks(context, VST_BLOCK_WRITE, bounds, produce, user);
    }
    if (outcome == STREAM_DONE && end_block < end)
        outcome = write_piece(context, end_block, (size_t)(end - end_block), produce, user);
    return outcome;
}
