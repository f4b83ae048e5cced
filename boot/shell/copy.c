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
    enum slot_state state;
};

struct copy {
    const struct shell_context *context;
    struct vst_block_device *to;
    uint64_t bytes, next_bytes, done_bytes; /* asked for, begun, written */
    struct progress progress;
    uint8_t *memory;
    unsigned n_in_flight;
    bool stopping, interrupted;
    enum vst_status status;
    uint64_t error_bytes;
    const struct vst_block_device *error_device;
    struct slot slots[SLOTS];
};

static void fail(struct copy *copy, const struct vst_block_device *device, enum vst_status status,
                 uint64_t offset_bytes)
{
    if (copy->status == VST_OK || offset_bytes < copy->error_bytes) {
        copy->status = status;
        copy->error_bytes = offset_bytes;
        copy->error_device = device;
    }
    copy->stopping = true;
}

/* Gives a slot's request to a queue; false if there is no room now. */
static bool give(struct copy *copy, struct slot *slot, struct vst_block_queue *queue)
{
    bool read = queue == copy->context->queue;

    slot->request.op = read ? VST_BLOCK_READ : VST_BLOCK_WRITE;
    enum vst_status status = vst_block_submit(queue, &slot->request);
    if (status == VST_ERR_FULL)
        return false;
    if (status != VST_OK) {
        fail(copy, queue->device, status, slot->request.start_sector * VST_SECTOR_BYTES);
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

    slot->segment.bytes = bytes;
    slot->request = (struct vst_block_request){
        .n_segments = 1,
        .segments = &slot->segment,
        .start_sector = copy->next_bytes / VST_SECTOR_BYTES,
        .n_sectors = bytes / VST_SECTOR_BYTES,
    };
    if (give(copy, slot, copy->context->queue))
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
            give(copy, slot, copy->to->queues[0]);
    }
    vst_block_kick(copy->context->queue);
    vst_block_kick(copy->to->queues[0]);
}

static size_t collect(struct copy *copy, struct vst_block_queue *queue)
{
    struct vst_block_request *done[SLOTS];
    size_t n = vst_block_poll(queue, done, SLOTS);

    for (size_t i = 0; i < n; i++) {
        struct slot *slot = (struct slot *)done[i];
        bool read = slot->state == SLOT_READING;
        if (done[i]->status != VST_OK)
            fail(copy, queue->device, done[i]->status, done[i]->error_sector * VST_SECTOR_BYTES);
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
        size_t n = collect(copy, copy->context->queue) + collect(copy, copy->to->queues[0]);
        if (n == 0)
            platform->relax(platform->ctx);
        if (!progress_step(&copy->progress, copy->done_bytes))
            copy->interrupted = copy->stopping = true;
    }
}

static bool report(const struct copy *copy)
{
    const struct shell_context *context = copy->context;
    char size[SIZE_TEXT_BYTES];
    struct json json;

    if (copy->interrupted)
        return shell_fail_interrupted(context);
    if (copy->status != VST_OK)
        return shell_fail(context, copy->status, "%s: %s at byte %" PRIu64,
                          copy->error_device->name, vst_status_text(copy->status),
                          copy->error_bytes);
    if (!context->json) {
        printf("%s copied from %s to %s\n", size_text(copy->bytes, size), context->device->name,
               copy->to->name);
        return true;
    }
    shell_json_open(context, &json);
    json_text(&json, "to", copy->to->name);
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
        enum vst_status status = vst_block_flush(copy->to->queues[0]);
        if (status != VST_OK && !(status == VST_ERR_UNSUPPORTED && !copy->to->write_cache))
            return shell_fail(copy->context, status, "copied, but the flush failed: %s",
                              vst_status_text(status));
    }
    return report(copy);
}

/* The second and third word; false, having said why not. */
static bool parse(const struct shell_context *context, struct copy *copy)
{
    uint64_t from_bytes = shell_device_bytes(context->device);
    uint32_t from_block = context->device->limits.logical_block_bytes;

    copy->to = vst_block_find(context->host->registry, context->words[1]);
    if (copy->to == NULL)
        return shell_fail(context, VST_ERR_NOT_FOUND, "there is no device '%s'", context->words[1]);
    if (copy->to == context->device)
        return shell_fail_usage(context, "from a device to itself");
    copy->bytes = from_bytes;
    if (context->n_words > 2 && !shell_word_number(context, 2, "a length", &copy->bytes))
        return false;
    uint32_t to_block = copy->to->limits.logical_block_bytes;
    uint32_t block = from_block > to_block ? from_block : to_block;
    if ((copy->bytes & (block - 1)) != 0)
        return shell_fail_usage(context, "the length must be a multiple of %u", (unsigned)block);
    if (copy->bytes > from_bytes)
        return shell_fail_at(context, VST_ERR_RANGE, from_bytes);
    if (copy->bytes > shell_device_bytes(copy->to))
        return shell_fail(context, VST_ERR_RANGE, "%s holds only %" PRIu64 " bytes", copy->to->name,
                          shell_device_bytes(copy->to));
    if (copy->to->read_only)
        return shell_fail(context, VST_ERR_READ_ONLY, "%s: %s", copy->to->name,
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
        vst_block_hold(copy->to);
        ok = copy_bytes(copy);
        vst_block_let_go(copy->to);
    }
    free(copy);
    return ok;
}

const struct shell_command command_copy = {
    .name = "copy",
    .usage = "SRC DST [LEN]",
    .summary = "Copies from the beginning of one device to that of another, and flushes",
    .help = "DESTROYS what was on DST. Without LEN all of SRC is copied; DST must be as\n"
            "large.\n"
            "    copy vda vdb 64M\n",
    .min_words = 2,
    .max_words = 3,
    .device = DEVICE_REQUIRED,
    .run = run_copy,
};
