/* SPDX-License-Identifier: BSD-2-Clause */
#include "latency.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "size.h"
#include "table.h"

/* Given out again once no device has it: those of devices that have left. */
struct place {
    struct place *next;
    struct vst_block_latency latency;
};

static struct place *places;

static bool is_taken(const struct vst_block_registry *registry, const struct place *place)
{
    for (const struct vst_block_device *device = registry->first; device != NULL;
         device = device->next)
        for (unsigned i = 0; i < device->n_queues; i++)
            if (device->queues[i]->latency == &place->latency)
                return true;
    return false;
}

static struct vst_block_latency *place_for(const struct vst_block_registry *registry,
                                           const struct vst_block_queue *queue)
{
    if (queue->latency != NULL)
        return queue->latency;
    for (struct place *place = places; place != NULL; place = place->next)
        if (!is_taken(registry, place))
            return &place->latency;
    struct place *place = calloc(1, sizeof(*place));
    if (place == NULL)
        return NULL;
    place->next = places;
    places = place;
    return &place->latency;
}

static bool turn_queue(const struct shell_context *context, struct vst_block_queue *queue, bool on)
{
    struct vst_block_latency *latency;

    if (!on) {
        vst_block_latency_stop(queue);
        return true;
    }
    latency = place_for(context->host->registry, queue);
    if (latency == NULL)
        return shell_fail(context, VST_ERR_NO_MEMORY, "no memory for the times of %s",
                          queue->device->name);
    vst_block_latency_start(queue, latency);
    return true;
}

bool shell_latency_turn(const struct shell_context *context)
{
    const char *wanted = shell_option(context, "latency=");

    if (wanted == NULL)
        return true;
    bool on = strcmp(wanted, "on") == 0;
    if (!on && strcmp(wanted, "off") != 0)
        return shell_fail_usage(context, "latency= takes on or off");
    for (struct vst_block_device *device = context->host->registry->first; device != NULL;
         device = device->next)
        for (unsigned i = 0; i < device->n_queues; i++)
            if ((context->device == NULL || context->device == device) &&
                !turn_queue(context, device->queues[i], on))
                return false;
    return true;
}

/* ---------------------------------------------------------------- showing */

static struct vst_latency_summary measured(const struct vst_block_queue *queue, unsigned kind)
{
    return queue->latency == NULL ? (struct vst_latency_summary){0}
                                  : vst_latency_summarise(&queue->latency->kinds[kind]);
}

static void add_row(struct table *table, const struct vst_block_queue *queue, unsigned kind,
                    const struct vst_latency_summary *summary)
{
    const uint64_t times[] = {summary->min_ns, summary->mean_ns, summary->p50_ns,
                              summary->p99_ns, summary->p999_ns, summary->max_ns};
    char text[SIZE_TEXT_BYTES];

    table_cell(table, "%s", queue->device->name);
    table_cell(table, "%u", queue->index);
    table_cell(table, "%s", vst_latency_kind_name((enum vst_latency_kind)kind));
    table_cell(table, "%" PRIu64, summary->n);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(times); i++)
        table_cell(table, "%s", duration_text(times[i], text));
}

void shell_latency_table(const struct shell_context *context)
{
    static const struct table_column columns[] = {
        {"NAME", false}, {"Q", true},   {"REQUEST", false}, {"N", true},     {"MIN", true},
        {"MEAN", true},  {"P50", true}, {"P99", true},      {"P99.9", true}, {"MAX", true},
    };
    struct table table;
    bool any = false;

    for (const struct vst_block_device *device = context->host->registry->first; device != NULL;
         device = device->next)
        for (unsigned i = 0; i < device->n_queues * VST_LATENCY_N_KINDS; i++) {
            const struct vst_block_queue *queue = device->queues[i / VST_LATENCY_N_KINDS];
            struct vst_latency_summary summary = measured(queue, i % VST_LATENCY_N_KINDS);
            if (summary.n == 0 || (context->device != NULL && context->device != device))
                continue;
            if (!any)
                table_begin(&table, columns, VST_ARRAY_LENGTH(columns));
            any = true;
            add_row(&table, queue, i % VST_LATENCY_N_KINDS, &summary);
        }
    if (any)
        table_end(&table);
}

void shell_json_latency(struct json *json, const struct vst_block_queue *queue)
{
    bool any = false;

    for (unsigned kind = 0; kind < VST_LATENCY_N_KINDS; kind++) {
        struct vst_latency_summary summary = measured(queue, kind);
        if (summary.n == 0)
            continue;
        if (!any)
            json_object_open(json, "lat_ns");
        any = true;
        json_object_open(json, vst_latency_kind_name((enum vst_latency_kind)kind));
        json_u64(json, "n", summary.n);
        json_u64(json, "min", summary.min_ns);
        json_u64(json, "mean", summary.mean_ns);
        json_u64(json, "p50", summary.p50_ns);
        json_u64(json, "p99", summary.p99_ns);
        json_u64(json, "p999", summary.p999_ns);
        json_u64(json, "max", summary.max_ns);
        json_object_close(json);
    }
    if (any)
        json_object_close(json);
}
