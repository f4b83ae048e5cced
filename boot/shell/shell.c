/* SPDX-License-Identifier: BSD-2-Clause */
#include "shell.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "complete.h"
#include "console.h"
#include "line_edit.h"
#include "words.h"

#define PROMPT            "vstor> "
#define ESCAPE_TIMEOUT_NS 50000000u
#define JSON_OPTION       "json="
#define QUEUE_OPTION      "queue="

/* ---------------------------------------------------------------- one command */

bool shell_is_option(const struct shell_command *command, const char *word)
{
    for (const char *const *option = command->options; option != NULL && *option != NULL;
         option++) {
        size_t length = strlen(*option);
        bool takes_value = (*option)[length - 1] == '=';
        if (takes_value ? strncmp(word, *option, length) == 0 : strcmp(word, *option) == 0)
            return true;
    }
    return false;
}

/* Parts the typed words into what the command gets as words and as options. */
static void sort_words(struct shell_context *context)
{
    for (size_t i = 1; i < context->n_typed; i++) {
        char *word = context->typed[i];
        if (strncmp(word, JSON_OPTION, strlen(JSON_OPTION)) == 0)
            context->json = strcmp(word + strlen(JSON_OPTION), "0") != 0;
        else if (context->command != NULL && shell_is_option(context->command, word))
            context->options[context->n_options++] = word;
        else
            context->words[context->n_words++] = word;
    }
}

/* The first, or that of queue=N where the command knows it. */
static bool find_queue(struct shell_context *context)
{
    const struct vst_block_device *device = context->device;
    uint64_t number;

    if (device->n_queues == 0)
        return shell_fail(context, VST_ERR_UNSUPPORTED, "the device has no queue");
    if (!shell_option_number(context, QUEUE_OPTION, 0, &number))
        return false;
    if (number >= device->n_queues)
        return shell_fail_usage(context, "queue=%" PRIu64 ", but %s has %u (vstor.queues=)", number,
                                device->name, device->n_queues);
    context->queue = device->queues[number];
    return true;
}

static bool find_unit(struct shell_context *context)
{
    if (context->host->units != NULL)
        context->unit = vst_scsi_unit_find(context->host->units, context->words[0]);
    if (context->unit != NULL)
        return true;
    const struct vst_block_device *device =
        vst_block_find(context->host->registry, context->words[0]);
    if (device != NULL)
        return shell_fail(context, VST_ERR_UNSUPPORTED,
                          "%s takes no SCSI commands (virtio-blk's old way of passing them "
                          "through, VIRTIO_BLK_F_SCSI, is never negotiated)",
                          device->driver_name);
    return shell_fail(context, VST_ERR_NOT_FOUND, "no such device (lsscsi lists them)");
}

static bool find_device(struct shell_context *context)
{
    if (context->command->device == DEVICE_UNIT && context->n_words > 0)
        return find_unit(context);
    if (context->command->device == DEVICE_NONE || context->n_words == 0)
        return true;
    if (!shell_find_extent(context, context->words[0], &context->extent))
        return false;
    context->device = context->extent.device;
    shell_extent_name(&context->extent, context->name);
    if (context->command->whole_device && context->extent.number != 0)
        return shell_fail_usage(context, "%s is a partition; that is for all of %s", context->name,
                                context->device->name);
    return find_queue(context);
}

/* Console input may be asked for meanwhile, and disks be unplugged by that. */
static bool run_held(struct shell_context *context)
{
    struct vst_block_device *device = context->device;
    struct vst_scsi_unit *unit = context->unit;
    uint32_t media_id = device != NULL ? device->media_id : 0;

    if (device != NULL)
        vst_block_hold(device);
    if (unit != NULL)
        vst_scsi_unit_hold(unit);
    /* From now on the medium stays; but the partition may be one of the medium before. */
    bool ok = device == NULL || context->extent.number == 0 || device->media_id == media_id;
    if (!ok)
        shell_fail(context, VST_ERR_MEDIUM_CHANGED, "%s", vst_status_text(VST_ERR_MEDIUM_CHANGED));
    ok = ok && context->command->run(context);
    if (device != NULL)
        vst_block_let_go(device);
    if (unit != NULL)
        vst_scsi_unit_let_go(unit);
    return ok;
}

static bool wants_help(const struct shell_context *context)
{
    for (size_t i = 1; i < context->n_typed; i++)
        if (strcmp(context->typed[i], "--help") == 0)
            return true;
    return false;
}

static bool dispatch(struct shell_context *context)
{
    const struct shell_command *command = context->command;

    if (command == NULL)
        return shell_fail(context, VST_ERR_NOT_FOUND, "no such command (try help)");
    if (wants_help(context)) {
        shell_command_print_help(command);
        return true;
    }
    if (context->n_words < command->min_words)
        return shell_fail_usage(context, "something is missing");
    if (context->n_words > command->max_words)
        return shell_fail_usage(context, "'%s' is one word too many",
                                context->words[command->max_words]);
    return find_device(context) && run_held(context);
}

static bool run_words(const struct shell_host *host, struct shell_session *session, char **typed,
                      size_t n_typed)
{
    char **room = calloc(2 * n_typed, sizeof(*room));
    struct shell_context context = {
        .host = host,
        .session = session,
        .command = shell_command_find(typed[0]),
        .typed = typed,
        .n_typed = n_typed,
        .words = room,
        .options = room + n_typed,
    };

    if (room == NULL)
        return shell_fail(&context, VST_ERR_NO_MEMORY, "no memory for the words");
    sort_words(&context);
    bool ok = dispatch(&context);
    free(room);
    fflush(stdout);
    return ok;
}

/* ---------------------------------------------------------------- one line */

bool shell_run_line(const struct shell_host *host, struct shell_session *session, const char *line)
{
    char *copy = strdup(line);
    char **words = malloc(words_max(strlen(line)) * sizeof(*words));
    bool ok = copy != NULL && words != NULL;

    if (!ok)
        puts("no memory for the line");
    for (char *rest = copy; ok && rest != NULL && !session->exit_requested;) {
        size_t n_words;
        ok = words_next_command(&rest, words, &n_words);
        if (!ok)
            puts("a quote or backslash has no end");
        else if (n_words > 0)
            ok = run_words(host, session, words, n_words);
    }
    free(words);
    free(copy);
    return ok;
}

int shell_run(const struct shell_host *host, const char *line)
{
    struct shell_session session = {0};
    bool ok = shell_run_line(host, &session, line);

    fflush(stdout);
    if (!ok)
        return 1;
    return session.exit_requested ? session.exit_status : SHELL_NO_EXIT;
}

/* ---------------------------------------------------------------- many lines */

struct interactive {
    const struct shell_host *host;
    struct shell_session session;
    struct line_edit_config config;
    struct line_edit edit;
    struct history history;
};

static void put_on_screen(void *ctx, const char *bytes, size_t n)
{
    (void)ctx;
    fwrite(bytes, 1, n, stdout);
}

static void complete_for_host(void *ctx, const char *line, size_t start, const char *word,
                              line_edit_candidate *candidate, void *taker)
{
    complete_word(ctx, line, start, word, candidate, taker);
}

/* Reads one line with editing. False if there will be no more. */
static bool edit_line(struct interactive *shell)
{
    struct line_edit *edit = &shell->edit;

    line_edit_begin(edit);
    for (;;) {
        bool waiting = line_edit_in_escape(edit);
        int byte = console_next(shell->host, waiting ? ESCAPE_TIMEOUT_NS : UINT64_MAX);
        if (byte < 0 && !waiting)
            return false;
        if (byte < 0) {
            line_edit_time_out(edit);
            continue;
        }
        switch (line_edit_feed(edit, (unsigned char)byte)) {
        case LINE_EDIT_MORE:
            break;
        case LINE_EDIT_DONE:
            return true;
        case LINE_EDIT_CANCEL:
            line_edit_begin(edit);
            break;
        case LINE_EDIT_END:
            return false;
        }
    }
}

/* Reads one line as a program sends it: no echo, no prompt. False at the end of input. */
static bool read_line(struct interactive *shell)
{
    struct line_edit *edit = &shell->edit;
    bool too_long = false;

    for (edit->length = 0;;) {
        int byte = console_next(shell->host, UINT64_MAX);
        edit->text[edit->length] = '\0';
        if (byte < 0)
            return edit->length > 0;
        if (byte == '\n' || byte == '\r') {
            if (too_long)
                puts("that line was too long");
            edit->length = too_long ? 0 : edit->length;
            edit->text[edit->length] = '\0';
            return true;
        }
        too_long |= edit->length + 1 == LINE_EDIT_BYTES;
        if (!too_long)
            edit->text[edit->length++] = (char)byte;
    }
}

static int interact(struct interactive *shell)
{
    bool ok = true;

    while (!shell->session.exit_requested) {
        if (!(shell->host->interactive ? edit_line(shell) : read_line(shell)))
            break;
        history_add(&shell->history, shell->edit.text);
        ok = shell_run_line(shell->host, &shell->session, shell->edit.text);
    }
    fflush(stdout);
    if (shell->session.exit_requested)
        return shell->session.exit_status;
    /* At the end of what a program sent its last command counts; somebody who typed Ctrl-D is just
     * leaving. */
    return shell->host->interactive || ok ? 0 : 1;
}

int shell_interactive(const struct shell_host *host)
{
    struct interactive *shell = calloc(1, sizeof(*shell));

    if (shell == NULL) {
        puts("no memory for the shell");
        return 1;
    }
    shell->host = host;
    shell->config = (struct line_edit_config){
        .prompt = PROMPT,
        .ctx = (void *)(uintptr_t)host,
        .put = put_on_screen,
        .complete = complete_for_host,
        .history = &shell->history,
    };
    line_edit_init(&shell->edit, &shell->config);
    int status = interact(shell);
    history_clear(&shell->history);
    free(shell);
    return status;
}
