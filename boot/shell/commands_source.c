/* SPDX-License-Identifier: BSD-2-Clause */
/* `source`: the commands of a file, as if they had been typed. */
#include "commands.h"

#include <stdlib.h>
#include <string.h>

#include "volume.h"

#define MAX_BYTES 65536u
#define MAX_DEPTH 8u

struct script {
    char text[MAX_BYTES + 1];
};

static bool take(void *user, uint64_t offset_bytes, uint8_t *data, size_t bytes)
{
    struct script *script = user;

    memcpy(script->text + offset_bytes, data, bytes); /* its size was checked */
    return true;
}

static bool read_script(const struct shell_context *context, struct script *script)
{
    const char *path = context->words[1];
    struct volume *volume = volume_open(context);
    struct vst_file file;
    bool ok = volume != NULL && volume_find_file(context, volume, path, true, &file);

    if (ok && file.bytes > MAX_BYTES)
        ok = shell_fail(context, VST_ERR_TOO_LARGE, "%s: more than %u bytes", path, MAX_BYTES);
    ok = ok && volume_stream(context, volume, &file, path, take, script) == STREAM_DONE;
    volume_close(volume);
    return ok;
}

/* Lines end as on Unix or as on DOS; '#' begins one that is not for the shell. */
static bool run_lines(struct shell_context *context, char *text)
{
    bool ok = true;

    for (char *line = strtok_r(text, "\r\n", &text); line != NULL && ok;
         line = strtok_r(NULL, "\r\n", &text))
        if (line[strspn(line, " \t")] != '#')
            ok = shell_run_line(context->host, context->session, line);
    return ok;
}

static bool run_source(struct shell_context *context)
{
    struct script *script;
    bool ok;

    if (context->session->depth >= MAX_DEPTH)
        return shell_fail(context, VST_ERR_INVALID, "files that run files, %u deep", MAX_DEPTH);
    script = calloc(1, sizeof(*script));
    if (script == NULL)
        return shell_fail(context, VST_ERR_NO_MEMORY, "no memory for the file");
    context->session->depth++;
    ok = read_script(context, script) && run_lines(context, script->text);
    context->session->depth--;
    free(script);
    return ok;
}

const struct shell_command command_source = {
    .name = "source",
    .usage = "DEV PATH",
    .summary = "Runs the commands in a file",
    .help = "Line for line, as if typed, until one fails; lines that begin with # are passed\n"
            "over. At most 64 KiB. vstor.cmd=PATH@DEV on the kernel's command line does the\n"
            "same before anything else.\n"
            "    source vda1 /test.cmd\n",
    .min_words = 2,
    .max_words = 2,
    .n_paths = 1,
    .device = DEVICE_REQUIRED,
    .run = run_source,
};
