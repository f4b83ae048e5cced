/* SPDX-License-Identifier: BSD-2-Clause */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>

#include "console.h"
#include "table.h"

#define NS_PER_MS       1000000u
#define MAX_EXIT_STATUS 127u

static bool run_echo(struct shell_context *context)
{
    struct json json;

    if (context->json) {
        shell_json_open(context, &json);
        json_array_open(&json, "words");
        for (size_t i = 0; i < context->n_words; i++)
            json_text(&json, NULL, context->words[i]);
        json_array_close(&json);
        json_close(&json);
        return true;
    }
    for (size_t i = 0; i < context->n_words; i++)
        printf("%s%s", i ? " " : "", context->words[i]);
    putchar('\n');
    return true;
}

const struct shell_command command_echo = {
    .name = "echo",
    .usage = "[WORD...]",
    .summary = "Prints the words",
    .help = "Words are parted by one space each; quotes keep several together:\n"
            "    echo \"one;  two\"\n",
    .max_words = SIZE_MAX,
    .run = run_echo,
};

static bool run_sleep(struct shell_context *context)
{
    const struct vst_platform *platform = context->host->platform;
    uint64_t ms;
    struct json json;

    if (!shell_word_number(context, 0, "a number of milliseconds", &ms))
        return false;
    fflush(stdout);
    uint64_t start = platform->time_ns(platform->ctx);
    uint64_t wait_ns = vst_mul_saturated_u64(ms, NS_PER_MS);
    while (platform->time_ns(platform->ctx) - start < wait_ns) {
        if (console_interrupted(context->host))
            return shell_fail_interrupted(context);
        platform->relax(platform->ctx);
    }
    if (context->json) {
        shell_json_open(context, &json);
        json_u64(&json, "ms", ms);
        json_close(&json);
    }
    return true;
}

const struct shell_command command_sleep = {
    .name = "sleep",
    .usage = "MS",
    .summary = "Waits for so many milliseconds",
    .help = "Ctrl-C ends it early, as a failure.\n",
    .min_words = 1,
    .max_words = 1,
    .run = run_sleep,
};

static void list_commands(const struct shell_context *context)
{
    static const struct table_column columns[] = {{"COMMAND", false}, {"DOES", false}};
    struct table table;
    struct json json;

    if (!context->json)
        table_begin(&table, columns, VST_ARRAY_LENGTH(columns));
    for (size_t i = 0; i < n_shell_commands; i++) {
        const struct shell_command *command = shell_commands[i];
        if (context->json) {
            shell_json_open(context, &json);
            json_text(&json, "name", command->name);
            json_text(&json, "usage", command->usage);
            json_text(&json, "summary", command->summary);
            json_close(&json);
        } else {
            table_cell(&table, "%s", command->name);
            table_cell(&table, "%s", command->summary);
        }
    }
    if (context->json)
        return;
    table_end(&table);
    puts("\n`help COMMAND` tells more. Commands are separated by ';'. With json=1 any of\n"
         "them prints JSON Lines. Offsets and lengths are bytes; k, M, G and T after a\n"
         "number mean 1024, 1024^2 ... Ctrl-C stops a long command.");
}

static bool run_help(struct shell_context *context)
{
    struct json json;

    if (context->n_words == 0) {
        list_commands(context);
        return true;
    }
    const struct shell_command *command = shell_command_find(context->words[0]);
    if (command == NULL)
        return shell_fail(context, VST_ERR_NOT_FOUND, "no such command (try help)");
    if (!context->json) {
        shell_command_print_help(command);
        return true;
    }
    shell_json_open(context, &json);
    json_text(&json, "name", command->name);
    json_text(&json, "usage", command->usage);
    json_text(&json, "summary", command->summary);
    json_text(&json, "help", command->help);
    json_close(&json);
    return true;
}

const struct shell_command command_help = {
    .name = "help",
    .usage = "[COMMAND]",
    .summary = "Lists the commands, or explains one",
    .help = "`COMMAND --help` does the same.\n",
    .max_words = 1,
    .run = run_help,
};

static bool run_reboot(struct shell_context *context)
{
    if (context->host->reboot == NULL)
        return shell_fail(context, VST_ERR_UNSUPPORTED, "this machine offers no way to do that");
    fflush(stdout);
    context->host->reboot(context->host->ctx);
    return shell_fail(context, VST_ERR_TIMEOUT, "the machine did not start again");
}

const struct shell_command command_reboot = {
    .name = "reboot",
    .usage = "",
    .summary = "Starts the machine again",
    .help = "Devices are not flushed first: see flush.\n",
    .run = run_reboot,
};

static bool run_exit(struct shell_context *context)
{
    uint64_t status = 0;
    struct json json;

    if (context->n_words > 0 && !shell_word_number(context, 0, "a number", &status))
        return false;
    if (status > MAX_EXIT_STATUS)
        return shell_fail_usage(context, "a status is between 0 and %u", MAX_EXIT_STATUS);
    context->session->exit_requested = true;
    context->session->exit_status = (int)status;
    if (context->json) {
        shell_json_open(context, &json);
        json_u64(&json, "status", status);
        json_close(&json);
    }
    return true;
}

const struct shell_command command_exit = {
    .name = "exit",
    .usage = "[STATUS]",
    .summary = "Leaves the shell; STATUS is between 0 and 127",
    .help = "Under QEMU with isa-debug-exit the process status is STATUS * 2 + 1.\n"
            "Without a STATUS it is 0. Devices are not flushed first: see flush.\n",
    .max_words = 1,
    .run = run_exit,
};
