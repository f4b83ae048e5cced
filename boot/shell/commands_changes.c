/* SPDX-License-Identifier: BSD-2-Clause */
/* What changes while a device is in use: by itself, which `events` tells, and by `cache`. */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "console.h"
#include "partitions.h"
#include "size.h"
#include "table.h"

#define NS_PER_MS 1000000u
#define NS_PER_S  1000000000u
#define LOOK_NS   10000000u /* while waiting for an event */

/* ---------------------------------------------------------------- events */

static const char *const event_names[VST_BLOCK_N_EVENT_KINDS] = {
    [VST_BLOCK_EVENT_RESIZED] = "resize",
    [VST_BLOCK_EVENT_WRITE_CACHE] = "cache",
    [VST_BLOCK_EVENT_READ_ONLY] = "read_only",
    [VST_BLOCK_EVENT_SERVICE] = "service",
    [VST_BLOCK_EVENT_RECOVERED] = "recovered",
    [VST_BLOCK_EVENT_MEDIUM] = "medium",
    [VST_BLOCK_EVENT_EJECT_WANTED] = "eject_wanted",
    [VST_BLOCK_EVENT_PLUGGED] = "plugged",
    [VST_BLOCK_EVENT_UNPLUGGED] = "unplugged",
};

static bool is_size(enum vst_block_event_kind what)
{
    return what == VST_BLOCK_EVENT_RESIZED || what == VST_BLOCK_EVENT_PLUGGED ||
           what == VST_BLOCK_EVENT_UNPLUGGED;
}

static const char *value_text(enum vst_block_event_kind what, uint64_t value,
                              char text[SIZE_TEXT_BYTES])
{
    switch (what) {
    case VST_BLOCK_EVENT_RESIZED:
    case VST_BLOCK_EVENT_PLUGGED:
    case VST_BLOCK_EVENT_UNPLUGGED:
        return size_text(vst_mul_saturated_u64(value, VST_SECTOR_BYTES), text);
    case VST_BLOCK_EVENT_WRITE_CACHE:
        return shell_cache_name(value != 0);
    case VST_BLOCK_EVENT_READ_ONLY:
        return value != 0 ? "ro" : "rw";
    case VST_BLOCK_EVENT_MEDIUM:
        snprintf(text, SIZE_TEXT_BYTES, value != 0 ? "medium %" PRIu64 : "none", value);
        return text;
    case VST_BLOCK_EVENT_SERVICE:
        return value != 0 ? "in_service" : "out_of_service";
    default:
        snprintf(text, SIZE_TEXT_BYTES, "%" PRIu64, value);
        return text;
    }
}

static const char *why_of(const struct vst_block_event *event)
{
    bool gone = event->what == VST_BLOCK_EVENT_SERVICE && event->new_value == 0;

    return gone ? event->device->broken_why : NULL;
}

static void json_value(struct json *json, const char *key, enum vst_block_event_kind what,
                       uint64_t value)
{
    char text[SIZE_TEXT_BYTES];

    if (is_size(what))
        json_u64(json, key, vst_mul_saturated_u64(value, VST_SECTOR_BYTES));
    else if (what == VST_BLOCK_EVENT_RECOVERED || what == VST_BLOCK_EVENT_MEDIUM ||
             what == VST_BLOCK_EVENT_EJECT_WANTED)
        json_u64(json, key, value);
    else
        json_text(json, key, value_text(what, value, text));
}

static void event_json(const struct shell_context *context, const struct vst_block_event *event)
{
    const char *why = why_of(event);
    struct json json;

    shell_json_open(context, &json);
    json_text(&json, "dev", event->name);
    json_text(&json, "event", event_names[event->what]);
    json_value(&json, "old", event->what, event->old_value);
    json_value(&json, "new", event->what, event->new_value);
    if (why != NULL)
        json_text(&json, "why", why);
    json_u64(&json, "times", event->n_times);
    json_u64(&json, "ns", event->time_ns);
    json_close(&json);
}

static void event_row(struct table *table, const struct vst_block_event *event)
{
    const char *why = why_of(event);
    char text[SIZE_TEXT_BYTES];

    table_cell(table, "%s", ratio_text(event->time_ns, NS_PER_S, 3, text));
    table_cell(table, "%s", event->name);
    table_cell(table, "%s", event_names[event->what]);
    table_cell(table, "%s", value_text(event->what, event->old_value, text));
    table_cell(table, "%s%s%s", value_text(event->what, event->new_value, text),
               why != NULL ? ": " : "", why != NULL ? why : "");
    table_cell(table, "%u", (unsigned)event->n_times);
}

/* Tells what there is; false if there is nothing. */
static bool tell_events(const struct shell_context *context)
{
    static const struct table_column columns[] = {{"TIME", true}, {"NAME", false}, {"EVENT", false},
                                                  {"OLD", false}, {"NEW", false},  {"TIMES", true}};
    struct vst_block_registry *registry = context->host->registry;
    struct vst_block_event event;
    struct table table;

    if (!vst_block_next_event(registry, &event))
        return false;
    if (!context->json)
        table_begin(&table, columns, VST_ARRAY_LENGTH(columns));
    do {
        if (context->json)
            event_json(context, &event);
        else
            event_row(&table, &event);
    } while (vst_block_next_event(registry, &event));
    if (!context->json)
        table_end(&table);
    return true;
}

/* A device that refuses has said why in the log. */
static void refresh_all(const struct shell_context *context)
{
    for (struct vst_block_device *device = context->host->registry->first; device != NULL;
         device = device->next)
        (void)!vst_block_refresh(device);
}

static bool run_events(struct shell_context *context)
{
    const struct vst_platform *platform = context->host->platform;
    uint64_t start = platform->time_ns(platform->ctx), wait_ms;

    if (!shell_option_number(context, "wait=", 0, &wait_ms))
        return false;
    fflush(stdout);
    for (uint64_t now = start;;) {
        refresh_all(context);
        if (tell_events(context))
            return true;
        if (now - start >= vst_mul_saturated_u64(wait_ms, NS_PER_MS))
            break;
        if (console_interrupted(context->host))
            return shell_fail_interrupted(context);
        for (uint64_t before = now; now - before < LOOK_NS; now = platform->time_ns(platform->ctx))
            platform->relax(platform->ctx);
    }
    if (!context->json)
        puts("no events");
    return true;
}

static const char *const options_events[] = {"wait=", NULL};

const struct shell_command command_events = {
    .name = "events",
    .usage = "[wait=MS]",
    .summary = "Tells what has happened to the devices since last asked",
    .help = "plugged, unplugged, resize, cache (its mode), read_only, service (out_of_service\n"
            "when a device had to be given up), recovered, medium (each has a number) and\n"
            "eject_wanted (the drive's button), with the value before and the value now. TIME\n"
            "is in seconds since the start, and of the last change if there were several:\n"
            "TIMES says how many. If nothing has happened wait= waits so many milliseconds\n"
            "for it.\n"
            "    events wait=60000\n",
    .options = options_events,
    .run = run_events,
};

/* ---------------------------------------------------------------- cache */

static void tell_cache(const struct shell_context *context)
{
    const struct vst_block_device *device = context->device;
    struct json json;

    if (!context->json) {
        printf("%s: %s%s\n", device->name, shell_cache_name(device->write_cache),
               device->write_cache_settable ? ", can be switched" : "");
        return;
    }
    shell_json_open(context, &json);
    json_text(&json, "cache", shell_cache_name(device->write_cache));
    json_bool(&json, "cache_settable", device->write_cache_settable);
    json_close(&json);
}

static bool run_cache(struct shell_context *context)
{
    enum vst_status status = VST_OK;

    if (context->n_words > 1) {
        bool on = strcmp(context->words[1], shell_cache_name(true)) == 0;
        if (!on && strcmp(context->words[1], shell_cache_name(false)) != 0)
            return shell_fail_usage(context, "'%s' is neither writeback nor writethrough",
                                    context->words[1]);
        status = vst_block_set_write_cache(context->device, on);
    }
    if (status == VST_ERR_UNSUPPORTED)
        return shell_fail(context, status, "the device's cache can't be switched");
    if (status != VST_OK)
        return shell_fail(context, status, "%s", vst_status_text(status));
    tell_cache(context);
    return true;
}

const struct shell_command command_cache = {
    .name = "cache",
    .usage = "DEV [writeback|writethrough]",
    .summary = "Shows or switches the write cache of a device",
    .help = "writeback: what was written is safe after a flush. writethrough: as soon as it\n"
            "is written; switching to it flushes. Not every device can be switched: lsblk DEV\n"
            "says so.\n",
    .min_words = 1,
    .max_words = 2,
    .device = DEVICE_REQUIRED,
    .whole_device = true,
    .run = run_cache,
};

/* ---------------------------------------------------------------- rescan */

/* All, or the adapter that a word names by its number. */
static bool look_again(struct shell_context *context, unsigned *n_added, unsigned *n_removed)
{
    const struct shell_host *host = context->host;
    enum vst_status status = VST_ERR_UNSUPPORTED;
    uint64_t number;

    if (context->n_words == 0 && host->rescan != NULL) {
        status = host->rescan(host->ctx, n_added, n_removed);
    } else if (context->n_words > 0 && host->rescan_adapter != NULL) {
        if (!shell_word_number(context, 0, "an adapter's number", &number))
            return false;
        status = number > UINT16_MAX
                     ? VST_ERR_NOT_FOUND
                     : host->rescan_adapter(host->ctx, (unsigned)number, n_added, n_removed);
        if (status == VST_ERR_NOT_FOUND)
            return shell_fail(context, status, "there is no such adapter (lsscsi shows them)");
    } else {
        return shell_fail(context, status, "disks are not looked for again here");
    }
    if (status != VST_OK)
        return shell_fail(context, status, "%s", vst_status_text(status));
    return true;
}

static bool run_rescan(struct shell_context *context)
{
    unsigned n_added = 0, n_removed = 0;
    struct json json;

    partitions_forget();
    if (!look_again(context, &n_added, &n_removed))
        return false;
    if (!context->json) {
        printf("%u added, %u removed\n", n_added, n_removed);
        return true;
    }
    shell_json_open(context, &json);
    json_u64(&json, "added", n_added);
    json_u64(&json, "removed", n_removed);
    json_close(&json);
    return true;
}

const struct shell_command command_rescan = {
    .name = "rescan",
    .usage = "[HOST]",
    .summary = "Looks for disks that were plugged in, or out",
    .help = "The slots' and adapters' own notices are followed at the prompt and in long\n"
            "commands, without this; here every bus and every SCSI adapter is looked at, or\n"
            "with HOST that adapter alone: the first number that lsscsi shows. What was found\n"
            "so since the last rescan is counted too. events tells which disks. Partition\n"
            "tables are read again when somebody asks for them.\n",
    .max_words = 1,
    .run = run_rescan,
};
