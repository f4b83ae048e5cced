/* SPDX-License-Identifier: BSD-2-Clause */
#include "caches.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "size.h"
#include "table.h"

/* One for each queue that ever had a cache, by the name of its device. */
struct used {
    struct used *next;
    char name[sizeof(((struct vst_block_device *)0)->name)];
    uint32_t queue;
    const struct vst_cache *open; /* the one opened last, if it still is */
    struct cache_counters closed; /* the sum of the others */
};

static struct used *all_used;

struct cache_counters caches_count(const struct vst_cache *cache)
{
    const struct vst_cache_stats *stats = vst_cache_stats(cache);
    struct vst_cache_state state = vst_cache_look(cache);
    uint64_t line = state.line_bytes;

    return (struct cache_counters){
        .n_open = 1,
        .hits = stats->hits,
        .misses = stats->misses,
        .device_reads = stats->reads,
        .read_bytes = stats->read_lines * line,
        .ahead_bytes = stats->ahead_lines * line,
        .ahead_unread_bytes = stats->ahead_unread * line,
        .straight_bytes = stats->straight_lines * line,
        .device_writes = stats->writes,
        .written_bytes = stats->written_lines * line,
        .flushes = stats->flushes,
        .reused = stats->reused,
        .write_errors = stats->write_errors,
        .dirty_bytes = state.n_dirty * line,
        .lost_bytes = stats->lost_bytes,
    };
}

static void add(struct cache_counters *sum, const struct cache_counters *more)
{
    sum->n_open += more->n_open;
    sum->hits += more->hits;
    sum->misses += more->misses;
    sum->device_reads += more->device_reads;
    sum->read_bytes += more->read_bytes;
    sum->ahead_bytes += more->ahead_bytes;
    sum->ahead_unread_bytes += more->ahead_unread_bytes;
    sum->straight_bytes += more->straight_bytes;
    sum->device_writes += more->device_writes;
    sum->written_bytes += more->written_bytes;
    sum->flushes += more->flushes;
    sum->reused += more->reused;
    sum->write_errors += more->write_errors;
    sum->dirty_bytes += more->dirty_bytes;
    sum->lost_bytes += more->lost_bytes;
}

static struct used *find(const struct vst_block_queue *queue)
{
    struct used *used = all_used;

    while (used != NULL &&
           (used->queue != queue->index || strcmp(used->name, queue->device->name) != 0))
        used = used->next;
    return used;
}

static void put_away(struct used *used)
{
    struct cache_counters counters = caches_count(used->open);

    counters.n_open = counters.dirty_bytes = 0;
    add(&used->closed, &counters);
    used->open = NULL;
}

void caches_opened(const struct vst_block_queue *queue, const struct vst_cache *cache)
{
    struct used *used = find(queue);

    if (used == NULL) {
        used = calloc(1, sizeof(*used));
        if (used == NULL)
            return;
        strcpy(used->name, queue->device->name);
        used->queue = queue->index;
        used->next = all_used;
        all_used = used;
    }
    if (used->open != NULL)
        put_away(used);
    used->open = cache;
}

enum vst_status caches_close(const struct vst_block_queue *queue, struct vst_cache *cache)
{
    struct used *used = find(queue);

    /* So that what closing writes is counted. An error is met again. */
    if (vst_cache_look(cache).n_dirty > 0)
        (void)!vst_cache_flush(cache, NULL);
    if (used != NULL && used->open == cache)
        put_away(used);
    return vst_cache_close(cache);
}

static struct cache_counters counters_of(const struct used *used)
{
    struct cache_counters sum = used->closed;

    if (used->open != NULL) {
        struct cache_counters now = caches_count(used->open);
        add(&sum, &now);
    }
    return sum;
}

/* ---------------------------------------------------------------- telling */

static void row(struct table *table, const struct used *used)
{
    const struct cache_counters counters = counters_of(used);
    const uint64_t bytes[] = {counters.read_bytes,    counters.ahead_bytes, counters.straight_bytes,
                              counters.written_bytes, counters.dirty_bytes, counters.lost_bytes};
    char text[SIZE_TEXT_BYTES];

    table_cell(table, "%s", used->name);
    table_cell(table, "%u", (unsigned)used->queue);
    table_cell(table, "%" PRIu64, counters.hits);
    table_cell(table, "%" PRIu64, counters.misses);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(bytes); i++)
        table_cell(table, "%s", size_text(bytes[i], text));
}

void caches_table(const struct shell_context *context)
{
    static const struct table_column columns[] = {
        {"CACHE OF", false}, {"Q", true},    {"HITS", true},    {"MISSES", true}, {"READ", true},
        {"AHEAD", true},     {"PAST", true}, {"WRITTEN", true}, {"DIRTY", true},  {"LOST", true},
    };
    const struct vst_block_device *device = context->device;
    struct table table;
    bool any = false;

    for (const struct used *used = all_used; used != NULL; used = used->next) {
        if (device != NULL && strcmp(used->name, device->name) != 0)
            continue;
        if (!any)
            table_begin(&table, columns, VST_ARRAY_LENGTH(columns));
        any = true;
        row(&table, used);
    }
    if (any)
        table_end(&table);
}

void caches_json_counters(struct json *json, const struct cache_counters *counters)
{
    json_u64(json, "hits", counters->hits);
    json_u64(json, "misses", counters->misses);
    json_u64(json, "device_reads", counters->device_reads);
    json_u64(json, "read_bytes", counters->read_bytes);
    json_u64(json, "ahead_bytes", counters->ahead_bytes);
    json_u64(json, "ahead_unread_bytes", counters->ahead_unread_bytes);
    json_u64(json, "straight_bytes", counters->straight_bytes);
    json_u64(json, "device_writes", counters->device_writes);
    json_u64(json, "written_bytes", counters->written_bytes);
    json_u64(json, "flushes", counters->flushes);
    json_u64(json, "reused", counters->reused);
    json_u64(json, "write_errors", counters->write_errors);
    json_u64(json, "dirty_bytes", counters->dirty_bytes);
    json_u64(json, "lost_bytes", counters->lost_bytes);
}

void caches_json(struct json *json, const struct vst_block_queue *queue)
{
    const struct used *used = find(queue);

    if (used == NULL)
        return;
    struct cache_counters counters = counters_of(used);
    json_object_open(json, "cache");
    json_u64(json, "open", counters.n_open);
    caches_json_counters(json, &counters);
    json_object_close(json);
}
