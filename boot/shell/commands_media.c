/* SPDX-License-Identifier: BSD-2-Clause */
/* Media that can be taken out. */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>

/* The drive has a medium, or has none, as wanted. */
static void tell(const struct shell_context *context)
{
    const struct vst_block_device *device = context->device;
    struct json json;

    if (!context->json) {
        if (device->medium == VST_OK)
            printf("%s: medium %u, %" PRIu64 " bytes\n", device->name, (unsigned)device->media_id,
                   shell_device_bytes(device));
        else
            printf("%s: %s\n", device->name, vst_status_text(device->medium));
        return;
    }
    shell_json_open(context, &json);
    json_text(&json, "medium", vst_status_name(device->medium));
    json_u64(&json, "id", device->media_id);
    json_u64(&json, "bytes", shell_device_bytes(device));
    json_close(&json);
}

static bool move(struct shell_context *context, enum vst_status (*way)(struct vst_block_device *))
{
    enum vst_status status = way(context->device);

    if (status == VST_ERR_UNSUPPORTED)
        return shell_fail(context, status, "the drive can't do that by itself");
    if (status != VST_OK)
        return shell_fail(context, status, "%s", vst_status_text(status));
    tell(context);
    return true;
}

static bool run_eject(struct shell_context *context)
{
    return move(context, vst_block_eject);
}

static bool run_load(struct shell_context *context)
{
    return move(context, vst_block_load);
}

const struct shell_command command_eject = {
    .name = "eject",
    .usage = "DEV",
    .summary = "Has a drive give out its medium",
    .help = "While a command uses a drive its medium is locked in; the drive's button then\n"
            "only asks, which events tells as eject_wanted.\n",
    .min_words = 1,
    .max_words = 1,
    .device = DEVICE_REQUIRED,
    .whole_device = true,
    .run = run_eject,
};

const struct shell_command command_load = {
    .name = "load",
    .usage = "DEV",
    .summary = "Has a drive take in the medium that lies in its tray",
    .help = "Waits until the medium can be read, a quarter of a minute at most.\n",
    .min_words = 1,
    .max_words = 1,
    .device = DEVICE_REQUIRED,
    .whole_device = true,
    .run = run_load,
};
