/* SPDX-License-Identifier: BSD-2-Clause */
#include "commands.h"

#include <bearssl.h>
#include <inttypes.h>
#include <stdio.h>

#include "mismatch.h"
#include "pattern.h"
#include "stream.h"
#include "volume.h"

/* ---------------------------------------------------------------- sum */

static bool sum_chunk(void *user, uint64_t offset_bytes, uint8_t *data, size_t bytes)
{
    (void)offset_bytes;
    br_sha256_update(user, data, bytes);
    return true;
}

#define SUM_TEXT_BYTES (2 * br_sha256_SIZE + 1)

static void sum_text(const br_sha256_context *sha256, char text[SUM_TEXT_BYTES])
{
    uint8_t digest[br_sha256_SIZE];

    br_sha256_out(sha256, digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

/* The file that the second word names. */
static bool sum_file(struct shell_context *context)
{
    const char *path = context->words[1];
    br_sha256_context sha256;
    char text[SUM_TEXT_BYTES];
    struct vst_file file;
    struct json json;

    if (context->n_words > 2)
        return shell_fail_usage(context, "'%s' is one word too many", context->words[2]);
    struct volume *volume = volume_open(context);
    br_sha256_init(&sha256);
    bool ok = volume != NULL && volume_find_file(context, volume, path, true, &file) &&
              volume_stream(context, volume, &file, path, sum_chunk, &sha256) == STREAM_DONE;
    volume_close(volume);
    if (!ok)
        return false;
    sum_text(&sha256, text);
    if (!context->json) {
        printf("%s  %s\n", text, path);
        return true;
    }
    shell_json_open(context, &json);
    json_text(&json, "path", path);
    json_u64(&json, "bytes", file.bytes);
    json_text(&json, "sha256", text);
    json_close(&json);
    return true;
}

static bool run_sum(struct shell_context *context)
{
    br_sha256_context sha256;
    char text[SUM_TEXT_BYTES];
    uint64_t offset, bytes;
    struct json json;

    if (context->n_words > 1 && context->words[1][0] == '/')
        return sum_file(context);
    if (!shell_range(context, &offset, &bytes))
        return false;
    br_sha256_init(&sha256);
    if (stream_read(context, offset, bytes, sum_chunk, &sha256) != STREAM_DONE)
        return false;
    sum_text(&sha256, text);
    if (!context->json) {
        printf("%s  %s\n", text, context->name);
        return true;
    }
    shell_json_open(context, &json);
    json_u64(&json, "offset", offset);
    json_u64(&json, "bytes", bytes);
    json_text(&json, "sha256", text);
    json_close(&json);
    return true;
}

static const char *const options_sum[] = {"queue=", NULL};

const struct shell_command command_sum = {
    .name = "sum",
    .usage = "DEV [OFF [LEN] | /PATH] [queue=N]",
    .summary = "Prints the SHA-256 of a device, of a part of it, or of a file on it",
    .help = "Like sha256sum on the same bytes. Without LEN up to the end of the device. With\n"
            "a path, which begins with '/', of that file: see ls.\n"
            "queue=N reads by another than the first, 0.\n"
            "    sum vda\n"
            "    sum vda 1M 16M\n"
            "    sum sr0 /boot/vmlinuz\n",
    .min_words = 1,
    .max_words = 3,
    .n_paths = 1,
    .device = DEVICE_REQUIRED,
    .options = options_sum,
    .run = run_sum,
};

/* ---------------------------------------------------------------- fill and verify */

static const char *const options_pattern[] = {"seed=", "queue=", NULL};

struct pattern_job {
    uint64_t offset, bytes, seed;
    struct mismatch mismatch; /* what verify found */
};

static bool parse_pattern_job(const struct shell_context *context, struct pattern_job *job)
{
    return shell_range(context, &job->offset, &job->bytes) &&
           shell_option_number(context, "seed=", 1, &job->seed);
}

static bool report_pattern_job(const struct shell_context *context, const struct pattern_job *job)
{
    struct json json;

    if (!context->json)
        return true;
    shell_json_open(context, &json);
    json_u64(&json, "offset", job->offset);
    json_u64(&json, "bytes", job->bytes);
    json_u64(&json, "seed", job->seed);
    json_close(&json);
    return true;
}

static bool fill_chunk(void *user, uint64_t offset_bytes, uint8_t *data, size_t bytes)
{
    const struct pattern_job *job = user;

    pattern_fill(job->seed, offset_bytes, data, bytes);
    return true;
}

static bool run_fill(struct shell_context *context)
{
    struct pattern_job job;

    if (!parse_pattern_job(context, &job) ||
        stream_write(context, job.offset, job.bytes, fill_chunk, &job) != STREAM_DONE)
        return false;
    enum vst_status status = vst_block_flush(context->queue);
    /* Where nothing is cached there is nothing to flush. */
    if (status != VST_OK && !(status == VST_ERR_UNSUPPORTED && !context->device->write_cache))
        return shell_fail(context, status, "written, but the flush failed: %s",
                          vst_status_text(status));
    return report_pattern_job(context, &job);
}

const struct shell_command command_fill = {
    .name = "fill",
    .usage = "DEV OFF LEN [seed=N] [queue=N]",
    .summary = "Writes a pattern that tells of each byte where it belongs, and flushes",
    .help = "DESTROYS what was there. The unit at byte offset o (a multiple of 16) holds two\n"
            "little-endian 64-bit numbers: o, and the finaliser of splitmix64 over\n"
            "seed + o * 0x9E3779B97F4A7C15. Without seed=N the seed is 1.\n"
            "queue=N writes by another than the first, 0.\n"
            "    fill vda 1M 64M seed=7\n",
    .min_words = 3,
    .max_words = 3,
    .device = DEVICE_REQUIRED,
    .options = options_pattern,
    .run = run_fill,
};

static bool verify_chunk(void *user, uint64_t offset_bytes, uint8_t *data, size_t bytes)
{
    struct pattern_job *job = user;

    return mismatch_check(&job->mismatch, job->seed, offset_bytes, data, bytes);
}

static bool run_verify(struct shell_context *context)
{
    struct pattern_job job;

    if (!parse_pattern_job(context, &job))
        return false;
    switch (stream_read(context, job.offset, job.bytes, verify_chunk, &job)) {
    case STREAM_DONE:
        return report_pattern_job(context, &job);
    case STREAM_REFUSED:
        return mismatch_fail(context, &job.mismatch);
    default:
        return false;
    }
}

const struct shell_command command_verify = {
    .name = "verify",
    .usage = "DEV OFF LEN [seed=N] [queue=N]",
    .summary = "Checks the pattern that fill wrote, and names the first wrong byte",
    .help = "Says nothing if all is well. If the wrong bytes are the pattern of another\n"
            "offset or seed, or zeros, it says so. Without seed=N the seed is 1. See fill.\n"
            "queue=N reads by another than the first, 0.\n"
            "    verify vda 1M 64M seed=7\n",
    .min_words = 3,
    .max_words = 3,
    .device = DEVICE_REQUIRED,
    .options = options_pattern,
    .run = run_verify,
};
