/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands on ranges of a device that carry no data: discard, zero, erase. */
#include "commands.h"

#include <string.h>

#include "progress.h"
#include "stream.h"

/* Between two looks at the console; a device takes it in one request of ours. */
#define STEP_BYTES (4ull << 30)

struct range_job {
    enum vst_block_op op;
    uint64_t offset, bytes;
};

/* False, having said so, unless the range is made of whole blocks. */
static bool whole_blocks(const struct shell_context *context, const struct range_job *job)
{
    uint32_t block = context->device->limits.logical_block_bytes;

    if ((context->extent.offset_bytes & (block - 1)) != 0)
        return shell_fail_usage(context, "%s does not begin at a multiple of %u", context->name,
                                (unsigned)block);
    if (((job->offset | job->bytes) & (block - 1)) == 0)
        return true;
    return shell_fail_usage(context, "offset and length must be multiples of %u", (unsigned)block);
}

static bool run_range(const struct shell_context *context, const struct range_job *job)
{
    struct progress progress;
    bool ok = true, interrupted = false;

    progress_begin(&progress, context, job->bytes);
    for (uint64_t done = 0, n; ok && !interrupted && done < job->bytes; done += n) {
        n = job->bytes - done < STEP_BYTES ? job->bytes - done : STEP_BYTES;
        struct vst_block_range range = {
            shell_on_device(context, job->offset + done) / VST_SECTOR_BYTES, n / VST_SECTOR_BYTES};
        uint64_t error_sector = range.start_sector;
        enum vst_status status = vst_block_on_range(context->queue, job->op, range, &error_sector);
        if (status != VST_OK) {
            progress_end(&progress);
            return shell_fail_on_device(context, status, error_sector * VST_SECTOR_BYTES);
        }
        interrupted = !progress_step(&progress, done + n);
    }
    progress_end(&progress);
    return interrupted ? shell_fail_interrupted(context) : ok;
}

static bool report(const struct shell_context *context, const struct range_job *job, const char *by)
{
    struct json json;

    if (!context->json)
        return true;
    shell_json_open(context, &json);
    json_u64(&json, "offset", job->offset);
    json_u64(&json, "bytes", job->bytes);
    if (by != NULL)
        json_text(&json, "by", by);
    json_close(&json);
    return true;
}

/* ---------------------------------------------------------------- discard and erase */

static bool run_discard_or_erase(struct shell_context *context)
{
    struct range_job job = {.op = strcmp(context->command->name, "discard") == 0
                                      ? VST_BLOCK_DISCARD
                                      : VST_BLOCK_SECURE_ERASE};

    return shell_range(context, &job.offset, &job.bytes) && whole_blocks(context, &job) &&
           run_range(context, &job) && report(context, &job, NULL);
}

const struct shell_command command_discard = {
    .name = "discard",
    .usage = "DEV OFF LEN",
    .summary = "Tells the device that the bytes there are of no use any more",
    .help = "DESTROYS what was there: reading it gives anything (mostly zeroes) until it is\n"
            "written again. Whole blocks only. An error says so where the device can't.\n"
            "    discard vda 1M 64M\n",
    .min_words = 3,
    .max_words = 3,
    .device = DEVICE_REQUIRED,
    .run = run_discard_or_erase,
};

const struct shell_command command_erase = {
    .name = "erase",
    .usage = "DEV OFF LEN",
    .summary = "Has the device erase the bytes there for good (secure erase)",
    .help = "DESTROYS what was there, copies that the device may hold included. Whole blocks\n"
            "only. An error says so where the device can't.\n",
    .min_words = 3,
    .max_words = 3,
    .device = DEVICE_REQUIRED,
    .run = run_discard_or_erase,
};

/* ---------------------------------------------------------------- zero */

static bool zero_chunk(void *user, uint64_t offset_bytes, uint8_t *data, size_t bytes)
{
    (void)user;
    (void)offset_bytes;
    memset(data, 0, bytes);
    return true;
}

/* What a device without write zeroes, or a range that cuts blocks, needs: zeroes as data. */
static bool zero_by_data(const struct shell_context *context, const struct range_job *job)
{
    return stream_write(context, job->offset, job->bytes, zero_chunk, NULL) == STREAM_DONE;
}

static bool zero_by_command(const struct shell_context *context, const struct range_job *job)
{
    uint64_t mask = context->device->limits.logical_block_bytes - 1u;
    uint64_t first = shell_on_device(context, job->offset), end = first + job->bytes;
    uint64_t first_block = (first + mask) & ~mask, end_block = end & ~mask;
    struct range_job head = *job, middle = *job, tail = *job;

    if (end_block <= first_block)
        return zero_by_data(context, job);
    head.bytes = first_block - first;
    middle.offset = job->offset + head.bytes;
    middle.bytes = end_block - first_block;
    tail.offset = middle.offset + middle.bytes;
    tail.bytes = end - end_block;
    return zero_by_data(context, &head) && run_range(context, &middle) &&
           zero_by_data(context, &tail);
}

static bool run_zero(struct shell_context *context)
{
    struct range_job job = {.op = VST_BLOCK_WRITE_ZEROES};
    bool by_command = context->device->limits.zeroes.max_ranges > 0;
    uint64_t unmap;

    if (!shell_range(context, &job.offset, &job.bytes) ||
        !shell_option_number(context, "unmap=", 1, &unmap))
        return false;
    if (unmap == 0)
        job.op = VST_BLOCK_WRITE_ZEROES_KEEP;
    if (!(by_command ? zero_by_command : zero_by_data)(context, &job))
        return false;
    enum vst_status status = vst_block_flush(context->queue);
    if (status != VST_OK && !(status == VST_ERR_UNSUPPORTED && !context->device->write_cache))
        return shell_fail(context, status, "zeroed, but the flush failed: %s",
                          vst_status_text(status));
    return report(context, &job, by_command ? "write_zeroes" : "write");
}

static const char *const options_zero[] = {"unmap=", NULL};

const struct shell_command command_zero = {
    .name = "zero",
    .usage = "DEV OFF LEN [unmap=0|1]",
    .summary = "Makes the bytes there zero, and flushes",
    .help = "DESTROYS what was there. Any offset and length. By the device's own command\n"
            "where it has one, which may give the space back unless unmap=0; else by\n"
            "writing zeroes.\n"
            "    zero vda 0 1M\n",
    .min_words = 3,
    .max_words = 3,
    .device = DEVICE_REQUIRED,
    .options = options_zero,
    .run = run_zero,
};
