/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * copy: from one device to another, many requests in flight. Each slot is a buffer that is read
 * into, then written from; slots go their ways independently.
 */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "progress.h"
#include "size.h"

#define SLOTS       16u
#define SLOT_BYTES  (256u * 1024u)
#define ALIGN_BYTES 4096u

enum slot_state { SLOT_FREE, SLOT_READING, SLOT_READ, SLOT_WRITING };

struct slot {
    struct vst_block_request request; /* first, so that what poll returns leads back here */
    struct vst_block_segment segment;
    uint64_t offset; /* of its bytes, in what is copied */
    enum slot_state state;
};

struct copy {
    const struct shell_context *context;
    struct vst_extent to;
    struct vst_block_queue *to_queue;       /* may be the source's: other bytes of one device */
    uint64_t bytes, next_bytes, done_bytes; /* asked for, begun, written */
    struct progress progress;
    uint8_t *memory;
    unsigned n_in_flight;
    bool stopping, interrupted;
    enum vst_status status;
    uint64_t error_bytes;
    bool error_reading;
    struct slot slots[SLOTS];
};

/* `device_bytes` counts from the start of the device that failed. */
static void fail(struct copy *copy, bool reading, enum vst_status status, uint64_t device_bytes)
{
    uint64_t start = reading ? copy->context->extent.offset_bytes : copy->to.offset_bytes;
    uint64_t offset_bytes = device_bytes - start;

    if (copy->status == VST_OK || offset_bytes < copy->error_bytes) {
        copy->status = status;
        copy->error_bytes = offset_bytes;
        copy->error_reading = reading;
    }
    copy->stopping = true;
}

/* Gives a slot's request to a queue; false if there is no room now. */
static bool give(struct copy *copy, struct slot *slot, bool read)
{
    uint64_t start = read ? copy->context->extent.offset_bytes : copy->to.offset_bytes;

    slot->request.op = read ? VST_BLOCK_READ : VST_BLOCK_WRITE;
    slot->request.start_sector = (start + slot->offset) / VST_SECTOR_BYTES;
    enum vst_status status =
        vst_block_submit(read ? copy->context->queue : copy->to_queue, &slot->request);
    if (status == VST_ERR_FULL)
        return false;
    if (status != VST_OK) {
        fail(copy, read, status, start + slot->offset);
        slot->state = SLOT_FREE;
        return true;
    }
    slot->state = read ? SLOT_READING : SLOT_WRITING;
    copy->n_in_flight++;
    return true;
}

static void start_slot(struct copy *copy, struct slot *slot)
{
    uint64_t left = copy->bytes - copy->next_bytes;
    size_t bytes = left < SLOT_BYTES ? (size_t)left : SLOT_BYTES;

    slot->offset = copy->next_bytes;
    slot->segment.bytes = bytes;
    slot->request = (struct vst_block_request){
        .n_segments = 1,
        .segments = &slot->segment,
        .n_sectors = bytes / VST_SECTOR_BYTES,
    };
    if (give(copy, slot, true))
        copy->next_bytes += bytes;
}

/* Every slot as far as it goes without waiting. */
static void advance(struct copy *copy)
{
    for (unsigned i = 0; i < SLOTS && !copy->stopping; i++) {
        struct slot *slot = &copy->slots[i];
        if (slot->state == SLOT_FREE && copy->next_bytes < copy->bytes)
            start_slot(copy, slot);
        else if (slot->state == SLOT_READ)
            give(copy, slot, false);
    }
    vst_block_kick(copy->context->queue);
    vst_block_kick(copy->to_queue);
}

static size_t collect(struct copy *copy, struct vst_block_queue *queue)
{
    struct vst_block_request *done[SLOTS];
    size_t n = vst_block_poll(queue, done, SLOTS);

    for (size_t i = 0; i < n; i++) {
        struct slot *slot = (struct slot *)done[i];
        bool read = slot->state == SLOT_READING;
        if (done[i]->status != VST_OK)
            fail(copy, read, done[i]->status, done[i]->error_sector * VST_SECTOR_BYTES);
        else if (!read)
            copy->done_bytes += slot->segment.bytes;
        slot->state = read && done[i]->status == VST_OK ? SLOT_READ : SLOT_FREE;
    }
    copy->n_in_flight -= (unsigned)n;
    return n;
}

static void run(struct copy *copy)
{
    const struct vst_platform *platform = copy->context->host->platform;

    for (advance(copy); copy->n_in_flight > 0; advance(copy)) {
        size_t n = collect(copy, copy->context->queue) + collect(copy, copy->to_queue);
        if (n == 0)
            platform->relax(platform->ctx);
        if (!progress_step(&copy->progress, copy->done_bytes))
            copy->interrupted = copy->stopping = true;
    }
}

static bool report(const struct copy *copy)
{
    const struct shell_context *context = copy->context;
    char size[SIZE_TEXT_BYTES], to[VST_PARTITION_DEVICE_NAME_BYTES];
    struct json json;

    shell_extent_name(&copy->to, to);

    if (copy->interrupted)
        return shell_fail_interrupted(context);
    if (copy->status != VST_OK)
        return shell_fail(context, copy->status, "%s: %s at byte %" PRIu64,
                          copy->error_reading ? context->name : to, vst_status_text(copy->status),
                          copy->error_bytes);
    if (!context->json) {
        printf("%s copied from %s to %s\n", size_text(copy->bytes, size), context->name, to);
        return true;
    }
    shell_json_open(context, &json);
    json_text(&json, "to", to);
    json_u64(&json, "bytes", copy->bytes);
    json_close(&json);
    return true;
}

static bool copy_bytes(struct copy *copy)
{
    uint8_t *memory = malloc((size_t)SLOTS * SLOT_BYTES + ALIGN_BYTES);

    if (memory == NULL)
        return shell_fail(copy->context, VST_ERR_NO_MEMORY, "no memory for the data");
    uint8_t *aligned = memory + (-(uintptr_t)memory & (ALIGN_BYTES - 1));
    for (unsigned i = 0; i < SLOTS; i++)
        copy->slots[i].segment.buffer = aligned + (size_t)i * SLOT_BYTES;
    progress_begin(&copy->progress, copy->context, copy->bytes);
    run(copy);
    progress_end(&copy->progress);
    free(memory);
    if (copy->status == VST_OK && !copy->interrupted) {
        enum vst_status status = vst_block_flush(copy->to_queue);
        if (status != VST_OK && !(status == VST_ERR_UNSUPPORTED && !copy->to.device->write_cache))
            return shell_fail(copy->context, status, "copied, but the flush failed: %s",
                              vst_status_text(status));
    }
    return report(copy);
}

/* False, having said so, unless device and range are made of blocks of both devices. */
static bool whole_blocks(const struct copy *copy)
{
    const struct shell_context *context = copy->context;
    uint32_t from_block = context->device->limits.logical_block_bytes;
    uint32_t to_block = copy->to.device->limits.logical_block_bytes;
    uint32_t block = from_block > to_block ? from_block : to_block;

    if ((copy->bytes & (block - 1)) != 0)
        return shell_fail_usage(context, "the length must be a multiple of %u", (unsigned)block);
    if ((context->extent.offset_bytes & (from_block - 1)) != 0 ||
        (copy->to.offset_bytes & (to_block - 1)) != 0)
        return shell_fail_usage(context, "%s and %s must begin with whole blocks of their devices",
                                context->words[0], context->words[1]);
    return true;
}

/* The second word; false, having said why not. */
static bool parse_target(const struct shell_context *context, struct copy *copy)
{
    const struct vst_extent *from = &context->extent, *to = &copy->to;

    if (!shell_find_extent(context, context->words[1], &copy->to))
        return false;
    if (to->device->n_queues == 0)
        return shell_fail(context, VST_ERR_UNSUPPORTED, "%s has no queue", to->device->name);
    copy->to_queue = to->device->queues[0];
    if (to->device != from->device)
        return true;
    if (to->number == from->number)
        return shell_fail_usage(context, "from a device to itself");
    if (to->offset_bytes < from->offset_bytes + from->bytes &&
        from->offset_bytes < to->offset_bytes + to->bytes)
        return shell_fail_usage(context, "they have bytes in common");
    return true;
}

/* The second and third word; false, having said why not. */
static bool parse(const struct shell_context *context, struct copy *copy)
{
    uint64_t from_bytes = shell_extent_bytes(context);

    if (!parse_target(context, copy))
        return false;
    copy->bytes = from_bytes;
    if (context->n_words > 2 && !shell_word_number(context, 2, "a length", &copy->bytes))
        return false;
    if (!whole_blocks(copy))
        return false;
    if (copy->bytes > from_bytes)
        return shell_fail_at(context, VST_ERR_RANGE, from_bytes);
    if (copy->bytes > copy->to.bytes)
        return shell_fail(context, VST_ERR_RANGE, "%s holds only %" PRIu64 " bytes",
                          context->words[1], copy->to.bytes);
    if (copy->to.device->read_only)
        return shell_fail(context, VST_ERR_READ_ONLY, "%s: %s", context->words[1],
                          vst_status_text(VST_ERR_READ_ONLY));
    return true;
}

static bool run_copy(struct shell_context *context)
{
    struct copy *copy = calloc(1, sizeof(*copy));
    bool ok;

    if (copy == NULL)
        return shell_fail(context, VST_ERR_NO_MEMORY, "no memory for the requests");
    copy->context = context;
    ok = parse(context, copy);
    if (ok) {
        vst_block_hold(copy->to.device);
        ok = copy_bytes(copy);
        vst_block_let_go(copy->to.device);
    }
    free(copy);
    return ok;
}

const struct shell_command command_copy = {
    .name = "copy",
    .usage = "SRC DST [LEN]",
    .summary = "Copies from the beginning of one device to that of another, and flushes",
    .help = "DESTROYS what was on DST. Without LEN all of SRC is copied; DST must be as\n"
            "large. Both may be partitions.\n"
            "    copy vda vdb 64M\n",
    .min_words = 2,
    .max_words = 3,
    .device = DEVICE_REQUIRED,
    .run = run_copy,
};
