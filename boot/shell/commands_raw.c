/* SPDX-License-Identifier: BSD-2-Clause */
/* Any SCSI command, as it is typed. */
#include "commands.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hexdump.h"
#include "partitions.h"

#define LEAST_CDB_BYTES 6u
#define MOST_DATA_BYTES (16u << 20)

struct raw_job {
    struct vst_scsi_command command;
    struct vst_block_segment out, in;
};

/* ---------------------------------------------------------------- words */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Appends the bytes of a text of hex digits. False if it is none, or they don't fit. */
static bool take_hex(const char *text, uint8_t *bytes, size_t max, size_t *n)
{
    for (; *text != '\0'; text += 2) {
        int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0 || *n == max)
            return false;
        bytes[(*n)++] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* What the operation says of its length must be so. */
static bool check_length(const struct shell_context *context, const uint8_t *cdb, size_t n)
{
    size_t wanted = n > 0 ? vst_scsi_cdb_bytes(cdb[0]) : 0;

    if (n < LEAST_CDB_BYTES)
        return shell_fail_usage(context, "a CDB has at least 6 bytes");
    return wanted == 0 || wanted == n ||
           shell_fail_usage(context, "a CDB that begins with %02x has %u bytes, not %u", cdb[0],
                            (unsigned)wanted, (unsigned)n);
}

static bool parse_cdb(const struct shell_context *context, struct vst_scsi_command *command)
{
    size_t n = 0;

    for (size_t i = 1; i < context->n_words; i++)
        if (!take_hex(context->words[i], command->cdb, sizeof(command->cdb), &n))
            return shell_fail_usage(context, "'%s' is no CDB: at most 32 bytes of two hex digits",
                                    context->words[i]);
    command->cdb_bytes = (uint8_t)n;
    return check_length(context, command->cdb, n);
}

/* out=HEX; out->buffer is allocated and the caller's to free. */
static bool parse_out(const struct shell_context *context, struct vst_block_segment *out)
{
    const char *text = shell_option(context, "out=");
    size_t max = text != NULL ? strlen(text) / 2 : 0, n = 0;

    if (max == 0)
        return text == NULL || shell_fail_usage(context, "out= has no bytes of two hex digits");
    out->buffer = malloc(max);
    if (out->buffer == NULL)
        return shell_fail(context, VST_ERR_NO_MEMORY, "no memory for the data");
    if (!take_hex(text, out->buffer, max, &n))
        return shell_fail_usage(context, "out=%s is not bytes of two hex digits", text);
    out->bytes = n;
    return true;
}

static bool parse_in(const struct shell_context *context, struct vst_block_segment *in)
{
    uint64_t bytes;

    if (!shell_option_number(context, "in=", 0, &bytes))
        return false;
    if (bytes > MOST_DATA_BYTES)
        return shell_fail_usage(context, "in= is at most 16M");
    if (bytes == 0)
        return true;
    in->buffer = calloc(1, (size_t)bytes);
    if (in->buffer == NULL)
        return shell_fail(context, VST_ERR_NO_MEMORY, "no memory for the data");
    in->bytes = (size_t)bytes;
    return true;
}

/* ---------------------------------------------------------------- outcome */

static bool tell_hex(struct json *json, const uint8_t *data, size_t bytes)
{
    char *text = malloc(2 * bytes + 1);

    if (text == NULL)
        return false;
    for (size_t i = 0; i < bytes; i++)
        snprintf(text + 2 * i, 3, "%02x", data[i]);
    text[2 * bytes] = '\0';
    json_text(json, "hex", text);
    free(text);
    return true;
}

static bool tell_json(const struct shell_context *context, const struct raw_job *job, size_t bytes,
                      const struct vst_scsi_verdict *verdict)
{
    struct json json;
    char status[32];

    snprintf(status, sizeof(status), "%s", vst_scsi_status_name(job->command.outcome.status));
    for (char *c = status; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    shell_json_open(context, &json);
    json_text(&json, "status", status);
    json_u64(&json, "bytes", bytes);
    json_u64(&json, "residual", job->command.outcome.residual_bytes);
    bool ok = bytes == 0 || tell_hex(&json, job->in.buffer, bytes);
    shell_json_sense(&json, &verdict->sense);
    json_close(&json);
    return ok || shell_fail(context, VST_ERR_NO_MEMORY, "no memory for the text");
}

/* What came, and what the unit had to say though it was done. */
static bool tell(const struct shell_context *context, const struct raw_job *job,
                 const struct vst_scsi_verdict *verdict)
{
    uint32_t residual = job->command.outcome.residual_bytes;
    size_t bytes = residual < job->in.bytes ? job->in.bytes - residual : 0;
    struct hexdump dump = {0};

    if (context->json)
        return tell_json(context, job, bytes, verdict);
    if (*verdict->text != '\0')
        printf("%s\n", verdict->text);
    if (job->in.bytes == 0)
        printf("done%s\n", residual > 0 ? ", but not all data were taken" : "");
    else if (bytes == 0)
        puts("done, but no data came");
    if (bytes > 0) {
        hexdump_add(&dump, 0, job->in.buffer, bytes);
        hexdump_end(&dump);
    }
    return true;
}

static bool run(struct shell_context *context, struct raw_job *job)
{
    struct vst_scsi_command *command = &job->command;
    struct vst_scsi_verdict verdict;

    if (!parse_cdb(context, command) || !parse_out(context, &job->out) ||
        !parse_in(context, &job->in))
        return false;
    command->out = &job->out;
    command->n_out = job->out.bytes > 0;
    command->in = &job->in;
    command->n_in = job->in.bytes > 0;
    enum vst_status status = vst_scsi_unit_run(context->unit, command, &verdict);
    if (status != VST_OK || verdict.status != VST_OK)
        return shell_fail_verdict(context, &verdict);
    return tell(context, job, &verdict);
}

static bool run_sg(struct shell_context *context)
{
    struct raw_job job = {0};
    bool ok = run(context, &job);

    free(job.out.buffer);
    free(job.in.buffer);
    partitions_forget(); /* whatever it was */
    return ok;
}

static const char *const sg_options[] = {"in=", "out=", NULL};

const struct shell_command command_sg = {
    .name = "sg",
    .usage = "DEV CDB... [in=LEN] [out=HEX]",
    .summary = "Sends a SCSI command to a unit of any type",
    .help = "CDB is the command, in bytes of two hex digits; in= how many bytes it brings at\n"
            "most, out= the bytes that it takes. It is sent once, as it is: what it DESTROYS\n"
            "is gone. virtio-blk disks take none.\n"
            "    sg sr0 12 00 00 00 24 00 in=36\n"
            "    sg sda 00 00 00 00 00 00\n",
    .min_words = 2,
    .max_words = 33,
    .options = sg_options,
    .device = DEVICE_UNIT,
    .run = run_sg,
};
