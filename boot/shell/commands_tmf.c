/* SPDX-License-Identifier: BSD-2-Clause */
/* Task management by hand. (SAM-5, 7) */
#include "commands.h"

#include <stdio.h>
#include <string.h>

/** VST_SCSI_N_FUNCTIONS: no function that a person gives has that name. */
static enum vst_scsi_function_kind kind_of(const char *name)
{
    unsigned kind = VST_SCSI_ABORT_TASK;

    while (kind <= VST_SCSI_QUERY_TASK_SET && strcmp(name, vst_scsi_function_name(kind)) != 0)
        kind++;
    return kind <= VST_SCSI_QUERY_TASK_SET ? (enum vst_scsi_function_kind)kind
                                           : VST_SCSI_N_FUNCTIONS;
}

static bool is_query(const struct vst_scsi_function *function)
{
    return function->kind == VST_SCSI_QUERY_TASK || function->kind == VST_SCSI_QUERY_TASK_SET;
}

static enum vst_status status_of(enum vst_scsi_function_response response)
{
    switch (response) {
    case VST_SCSI_FUNCTION_COMPLETE:
    case VST_SCSI_FUNCTION_SUCCEEDED:
        return VST_OK;
    case VST_SCSI_FUNCTION_REJECTED:
        return VST_ERR_UNSUPPORTED;
    case VST_SCSI_FUNCTION_INCORRECT_LUN:
    case VST_SCSI_FUNCTION_BAD_TARGET:
        return VST_ERR_GONE;
    case VST_SCSI_FUNCTION_BUSY:
        return VST_ERR_NOT_READY;
    case VST_SCSI_FUNCTION_RESET:
        return VST_ERR_RESET;
    case VST_SCSI_FUNCTION_TIMEOUT:
        return VST_ERR_TIMEOUT;
    case VST_SCSI_FUNCTION_MALFORMED:
        return VST_ERR_MALFORMED;
    default:
        return VST_ERR_IO;
    }
}

static void show(const struct shell_context *context, const struct vst_scsi_function *function)
{
    bool there_is = function->response == VST_SCSI_FUNCTION_SUCCEEDED;
    const char *response = vst_scsi_function_response_name(function->response);
    struct json json;

    if (context->json) {
        json_open(&json);
        json_text(&json, "cmd", context->typed[0]);
        json_text(&json, "dev", context->words[0]);
        json_text(&json, "function", vst_scsi_function_name(function->kind));
        json_text(&json, "response", response);
        if (is_query(function))
            json_bool(&json, "present", there_is);
        json_close(&json);
        return;
    }
    printf("%s: %s: %s%s\n", context->words[0], context->words[1], response,
           !is_query(function) ? ""
           : there_is          ? ", there is such a task"
                               : ", there is no such task");
}

static bool run_tmf(struct shell_context *context)
{
    struct vst_scsi_unit *unit = context->unit;
    struct vst_scsi_function function = {.kind = kind_of(context->words[1]), .nexus = unit->nexus};

    if (function.kind == VST_SCSI_N_FUNCTIONS)
        return shell_fail_usage(context, "there is no function '%s'", context->words[1]);
    if (!shell_option_number(context, "tag=", 0, &function.tag))
        return false;
    enum vst_status status = vst_scsi_manage(unit->hba, &function);
    if (status != VST_OK)
        return shell_fail(context, status, "%s", vst_status_text(status));
    status = status_of(function.response);
    if (status != VST_OK)
        return shell_fail(context, status, "%s",
                          vst_scsi_function_response_name(function.response));
    show(context, &function);
    return true;
}

static const char *const options_tmf[] = {"tag=", NULL};

const struct shell_command command_tmf = {
    .name = "tmf",
    .usage = "DEV abort|lun_reset|... [tag=N]",
    .summary = "Has a SCSI device do a task management function",
    .help = "The functions: abort, abort_set, clear_aca, clear_set, nexus_reset, lun_reset,\n"
            "query, query_set. abort and query name one command by its tag, 0 where none is\n"
            "given; abort_set and query_set mean all that came from here, clear_set those of\n"
            "others as well. lun_reset resets the device, nexus_reset all devices of its\n"
            "target. Commands that are lost to it are given again.\n"
            "    tmf sda lun_reset; tmf sda query_set\n",
    .min_words = 2,
    .max_words = 2,
    .device = DEVICE_UNIT,
    .options = options_tmf,
    .run = run_tmf,
};
