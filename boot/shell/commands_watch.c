/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking at devices at work: counters, and the last events of their rings. */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caches.h"
#include "latency.h"
#include "size.h"
#include "table.h"

/* ---------------------------------------------------------------- stats */

static const char *bytes_text(uint64_t sectors, char text[SIZE_TEXT_BYTES])
{
    return size_text(vst_mul_saturated_u64(sectors, VST_SECTOR_BYTES), text);
}

static void stats_row(struct table *table, const struct vst_block_queue *queue)
{
    const struct vst_block_stats *stats = &queue->stats;
    char read[SIZE_TEXT_BYTES], written[SIZE_TEXT_BYTES];

    table_cell(table, "%s", queue->device->name);
    table_cell(table, "%u", queue->index);
    table_cell(table, "%" PRIu64, stats->commands[VST_BLOCK_READ]);
    table_cell(table, "%s", bytes_text(stats->sectors[VST_BLOCK_READ], read));
    table_cell(table, "%" PRIu64, stats->commands[VST_BLOCK_WRITE]);
    table_cell(table, "%s", bytes_text(stats->sectors[VST_BLOCK_WRITE], written));
    table_cell(table, "%" PRIu64, stats->commands[VST_BLOCK_FLUSH]);
    table_cell(table, "%" PRIu64, stats->kicks);
    table_cell(table, "%" PRIu64, stats->interrupts);
    table_cell(table, "%" PRIu64, stats->errors);
    table_cell(table, "%" PRIu64, stats->timeouts);
    table_cell(table, "%" PRIu64, stats->rescues);
    table_cell(table, "%" PRIu64, stats->queue_resets + stats->device_resets);
    table_cell(table, "%" PRIu64, stats->replays);
}

static void stats_json(const struct shell_context *context, const struct vst_block_queue *queue)
{
    struct json json;

    json_open(&json);
    json_text(&json, "cmd", context->typed[0]);
    json_text(&json, "dev", queue->device->name);
    json_u64(&json, "queue", queue->index);
    shell_json_stats(&json, &queue->stats);
    shell_json_latency(&json, queue);
    caches_json(&json, queue);
    json_close(&json);
}

static bool run_stats(struct shell_context *context)
{
    static const struct table_column columns[] = {
        {"NAME", false}, {"Q", true},      {"READS", true}, {"BYTES", true}, {"WRITES", true},
        {"BYTES", true}, {"FLUSH", true},  {"KICKS", true}, {"IRQS", true},  {"ERR", true},
        {"LATE", true},  {"RESCUE", true}, {"RESET", true}, {"AGAIN", true},
    };
    struct table table;

    if (!shell_latency_turn(context))
        return false;
    if (!context->json)
        table_begin(&table, columns, VST_ARRAY_LENGTH(columns));
    for (const struct vst_block_device *device = context->host->registry->first; device != NULL;
         device = device->next) {
        if (context->device != NULL && context->device != device)
            continue;
        for (unsigned i = 0; i < device->n_queues; i++)
            if (context->json)
                stats_json(context, device->queues[i]);
            else
                stats_row(&table, device->queues[i]);
    }
    if (!context->json) {
        table_end(&table);
        caches_table(context);
        shell_latency_table(context);
    }
    return true;
}

static const char *const options_stats[] = {"latency=", NULL};

const struct shell_command command_stats = {
    .name = "stats",
    .usage = "[DEV] [latency=on|off]",
    .summary = "Shows what each queue has done since it was attached",
    .help = "READS, WRITES and FLUSH are commands given to the device (a request that was\n"
            "split counts as several), KICKS doorbells rung, IRQS interrupts taken, ERR\n"
            "commands that failed, LATE time-outs, RESCUE doorbells rung again because\n"
            "nothing moved, RESET resets after the device had failed, AGAIN requests given\n"
            "to it again after these. latency=on has it measured how long requests take,\n"
            "from zero on, until latency=off; the times then stand in a table of their own.\n"
            "Where a cache was used, by ls, cat and others or by bench cache=, a table\n"
            "tells of all of them together: lines found and not found, bytes READ from the\n"
            "device, of these AHEAD of a reader and PAST the cache, WRITTEN back, DIRTY now,\n"
            "and LOST.\n"
            "    stats vda latency=on; bench vda rw=randread; stats vda\n",
    .max_words = 1,
    .device = DEVICE_OPTIONAL,
    .whole_device = true,
    .options = options_stats,
    .run = run_stats,
};

/* ---------------------------------------------------------------- trace */

#define DEFAULT_EVENTS 32u
#define MOST_EVENTS    4096u

static void event_json(const struct shell_context *context, const struct vst_block_queue *queue,
                       const struct vst_trace_event *event)
{
    struct json json;

    json_open(&json);
    json_text(&json, "cmd", context->typed[0]);
    json_text(&json, "dev", queue->device->name);
    json_u64(&json, "queue", queue->index);
    json_u64(&json, "ns", event->time_ns);
    json_text(&json, "event", vst_trace_kind_name(event->kind));
    json_u64(&json, "id", event->id);
    json_u64(&json, "detail", event->detail);
    json_u64(&json, "sector", event->sector);
    json_u64(&json, "count", event->count);
    json_close(&json);
}

static void dump_queue(const struct shell_context *context, const struct vst_block_queue *queue,
                       struct vst_trace_event *events, size_t max)
{
    size_t n = vst_trace_read(queue, events, max);
    char text[80];

    if (n > 0 && !context->json)
        printf("%s queue %u, the last %zu events:\n", queue->device->name, queue->index, n);
    for (size_t i = 0; i < n; i++) {
        if (context->json) {
            event_json(context, queue, &events[i]);
            continue;
        }
        vst_trace_text(&events[i], text, sizeof(text));
        printf("  %10" PRIu64 ".%03u us  %s\n", events[i].time_ns / 1000,
               (unsigned)(events[i].time_ns % 1000), text);
    }
}

static bool dump(const struct shell_context *context, const struct vst_block_device *only)
{
    uint64_t max;

    if (!shell_option_number(context, "n=", DEFAULT_EVENTS, &max))
        return false;
    if (max == 0 || max > MOST_EVENTS)
        return shell_fail_usage(context, "n= takes 1 to %u", MOST_EVENTS);
    struct vst_trace_event *events = malloc((size_t)max * sizeof(*events));
    if (events == NULL)
        return shell_fail(context, VST_ERR_NO_MEMORY, "no memory for the events");
    for (const struct vst_block_device *device = context->host->registry->first; device != NULL;
         device = device->next)
        for (unsigned i = 0; i < device->n_queues; i++)
            if (only == NULL || only == device)
                dump_queue(context, device->queues[i], events, (size_t)max);
    free(events);
    return true;
}

static bool turn(const struct shell_context *context, const struct vst_block_device *only, bool on)
{
    struct json json;

    for (struct vst_block_device *device = context->host->registry->first; device != NULL;
         device = device->next) {
        if (only != NULL && only != device)
            continue;
        if (!vst_trace_set(device, on))
            return shell_fail(context, VST_ERR_UNSUPPORTED, "%s keeps no trace", device->name);
        if (context->json) {
            json_open(&json);
            json_text(&json, "cmd", context->typed[0]);
            json_text(&json, "dev", device->name);
            json_bool(&json, "on", vst_trace_is_on(device));
            json_close(&json);
        }
    }
    return true;
}

static bool run_trace(struct shell_context *context)
{
    const char *action = context->n_words > 0 ? context->words[0] : "dump";
    const struct vst_block_device *only = NULL;

    if (context->n_words > 1) {
        only = vst_block_find(context->host->registry, context->words[1]);
        if (only == NULL)
            return shell_fail(context, VST_ERR_NOT_FOUND, "there is no device '%s'",
                              context->words[1]);
    }
    if (strcmp(action, "on") == 0 || strcmp(action, "off") == 0)
        return turn(context, only, strcmp(action, "on") == 0);
    if (strcmp(action, "dump") == 0)
        return dump(context, only);
    return shell_fail_usage(context, "'%s' is not on, off or dump", action);
}

static const char *const options_trace[] = {"n=", NULL};

const struct shell_command command_trace = {
    .name = "trace",
    .usage = "[on|off|dump] [DEV] [n=N]",
    .summary = "Records the events of the rings, and shows the last of them",
    .help = "Resets, time-outs and the like are always recorded, requests only after 'trace\n"
            "on'. 'dump', which may be left out, shows the last n= (32) events of each queue.\n"
            "    trace on vda; read vda 0 512; trace off; trace dump vda n=8\n",
    .max_words = 2,
    .options = options_trace,
    .run = run_trace,
};
