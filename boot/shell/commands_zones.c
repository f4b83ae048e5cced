/* SPDX-License-Identifier: BSD-2-Clause */
/* Zones of a zoned device: shown, opened, closed, finished, reset. */
#include "commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <vstor/zoned.h>

#include "progress.h"
#include "size.h"
#include "table.h"

#define ZONES_AT_ONCE 64u

struct zone_job {
    uint64_t offset, bytes;
    uint64_t end_sector; /* of them */
};

static uint64_t zone_bytes(const struct shell_context *context)
{
    return (uint64_t)context->device->limits.zones.zone_sectors * VST_SECTOR_BYTES;
}

/* Words 2 and 3; what is missing reaches to the end. False, having said so, if that is wrong. */
static bool parse_range(const struct shell_context *context, struct zone_job *job)
{
    uint64_t end = shell_device_bytes(context->device);

    *job = (struct zone_job){0};
    if (context->n_words > 2 && !shell_word_number(context, 2, "an offset", &job->offset))
        return false;
    job->bytes = job->offset < end ? end - job->offset : 0;
    if (context->n_words > 3 && !shell_word_number(context, 3, "a length", &job->bytes))
        return false;
    if (!shell_range_is_inside(context, job->offset, job->bytes))
        return false;
    job->end_sector = (job->offset + job->bytes + VST_SECTOR_BYTES - 1) / VST_SECTOR_BYTES;
    return true;
}

/* ---------------------------------------------------------------- report */

static void zone_json(const struct shell_context *context, const struct vst_zone *zone)
{
    struct json json;

    shell_json_open(context, &json);
    json_u64(&json, "offset", zone->start_sector * VST_SECTOR_BYTES);
    json_u64(&json, "bytes", zone->n_sectors * VST_SECTOR_BYTES);
    json_u64(&json, "capacity", zone->capacity_sectors * VST_SECTOR_BYTES);
    if (vst_zone_has_pointer(zone->state))
        json_u64(&json, "write_offset", zone->write_sector * VST_SECTOR_BYTES);
    json_text(&json, "type", vst_zone_type_name(zone->type));
    json_text(&json, "state", vst_zone_state_name(zone->state));
    json_close(&json);
}

static void zone_row(struct table *table, const struct vst_zone *zone)
{
    char size[SIZE_TEXT_BYTES], capacity[SIZE_TEXT_BYTES], written[SIZE_TEXT_BYTES];

    table_cell(table, "%" PRIu64, zone->start_sector * VST_SECTOR_BYTES);
    table_cell(table, "%s", size_text(zone->n_sectors * VST_SECTOR_BYTES, size));
    table_cell(table, "%s", size_text(zone->capacity_sectors * VST_SECTOR_BYTES, capacity));
    if (vst_zone_has_pointer(zone->state))
        size_text((zone->write_sector - zone->start_sector) * VST_SECTOR_BYTES, written);
    table_cell(table, "%s", vst_zone_has_pointer(zone->state) ? written : "-");
    table_cell(table, "%s", vst_zone_state_name(zone->state));
    table_cell(table, "%s", vst_zone_type_name(zone->type));
}

/* Zones from *sector on, of which *n are stored; *sector is then behind them. */
static bool next_zones(const struct shell_context *context, void *buffer, struct vst_zone *zones,
                       size_t *n, uint64_t *sector)
{
    enum vst_status status =
        vst_zone_report(context->queue, *sector, buffer, VST_ZONE_REPORT_BYTES(ZONES_AT_ONCE),
                        zones, ZONES_AT_ONCE, n);

    if (status != VST_OK)
        return shell_fail_at(context, status, *sector * VST_SECTOR_BYTES);
    *sector = zones[*n - 1].start_sector + zones[*n - 1].n_sectors;
    return true;
}

static bool show_zones(const struct shell_context *context, const struct zone_job *job,
                       struct table *table)
{
    struct vst_zone zones[ZONES_AT_ONCE];
    uint64_t sector = job->offset / VST_SECTOR_BYTES;
    void *buffer = malloc(VST_ZONE_REPORT_BYTES(ZONES_AT_ONCE));
    bool ok = buffer != NULL;
    size_t n;

    if (!ok)
        shell_fail(context, VST_ERR_NO_MEMORY, "%s", vst_status_text(VST_ERR_NO_MEMORY));
    while (ok && sector < job->end_sector) {
        ok = next_zones(context, buffer, zones, &n, &sector);
        for (size_t i = 0; ok && i < n && zones[i].start_sector < job->end_sector; i++) {
            if (context->json)
                zone_json(context, &zones[i]);
            else
                zone_row(table, &zones[i]);
        }
    }
    free(buffer);
    return ok;
}

static bool report_zones(const struct shell_context *context, const struct zone_job *job)
{
    static const struct table_column columns[] = {
        {"OFFSET", true},  {"SIZE", true},   {"CAPACITY", true},
        {"WRITTEN", true}, {"STATE", false}, {"TYPE", false},
    };
    struct table table;

    if (context->json)
        return show_zones(context, job, NULL);
    table_begin(&table, columns, VST_ARRAY_LENGTH(columns));
    bool ok = show_zones(context, job, &table);
    table_end(&table);
    return ok;
}

/* ---------------------------------------------------------------- open, close, finish, reset */

static bool whole_zones(const struct shell_context *context, const struct zone_job *job)
{
    uint64_t zone = zone_bytes(context), end = job->offset + job->bytes;

    if (job->offset % zone == 0 && (end % zone == 0 || end == shell_device_bytes(context->device)))
        return true;
    return shell_fail_usage(context, "offset and length must be whole zones of %" PRIu64 " bytes",
                            zone);
}

static bool manage_each(const struct shell_context *context, const struct zone_job *job,
                        enum vst_block_op op)
{
    uint64_t zone = zone_bytes(context), end = job->offset + job->bytes;
    struct progress progress;
    bool interrupted = false;

    progress_begin(&progress, context, job->bytes);
    for (uint64_t at = job->offset; at < end && !interrupted; at += zone) {
        enum vst_status status = vst_zone_manage(context->queue, op, at / VST_SECTOR_BYTES);
        if (status != VST_OK) {
            progress_end(&progress);
            return shell_fail_at(context, status, at);
        }
        interrupted = !progress_step(&progress, at - job->offset);
    }
    progress_end(&progress);
    return interrupted ? shell_fail_interrupted(context) : true;
}

static bool manage_zones(const struct shell_context *context, const struct zone_job *job,
                         enum vst_block_op op)
{
    struct json json;
    bool all = job->offset == 0 && job->bytes == shell_device_bytes(context->device);

    if (!whole_zones(context, job))
        return false;
    if (op == VST_BLOCK_ZONE_RESET && all) {
        enum vst_status status = vst_zone_manage(context->queue, VST_BLOCK_ZONE_RESET_ALL, 0);
        if (status != VST_OK)
            return shell_fail_at(context, status, 0);
    } else if (!manage_each(context, job, op)) {
        return false;
    }
    if (context->json) {
        shell_json_open(context, &json);
        json_text(&json, "action", context->words[1]);
        json_u64(&json, "offset", job->offset);
        json_u64(&json, "bytes", job->bytes);
        json_close(&json);
    }
    return true;
}

static bool run_zone(struct shell_context *context)
{
    static const struct {
        const char *name;
        enum vst_block_op op;
    } actions[] = {
        {"report", VST_BLOCK_ZONE_REPORT}, {"open", VST_BLOCK_ZONE_OPEN},
        {"close", VST_BLOCK_ZONE_CLOSE},   {"finish", VST_BLOCK_ZONE_FINISH},
        {"reset", VST_BLOCK_ZONE_RESET},
    };
    struct zone_job job;
    size_t i = 0;

    while (i < VST_ARRAY_LENGTH(actions) && strcmp(context->words[1], actions[i].name) != 0)
        i++;
    if (i == VST_ARRAY_LENGTH(actions))
        return shell_fail_usage(context, "'%s' is nothing to be done with zones",
                                context->words[1]);
    if (context->device->limits.zones.model == VST_ZONE_MODEL_NONE)
        return shell_fail(context, VST_ERR_UNSUPPORTED, "not a zoned device");
    if (!parse_range(context, &job))
        return false;
    return actions[i].op == VST_BLOCK_ZONE_REPORT ? report_zones(context, &job)
                                                  : manage_zones(context, &job, actions[i].op);
}

const struct shell_command command_zone = {
    .name = "zone",
    .usage = "DEV report|open|close|finish|reset [OFF] [LEN]",
    .summary = "Shows or manages the zones of a zoned device",
    .help = "report lists the zones that the range touches: WRITTEN is how far the write\n"
            "pointer has come, STATE what can be done (a zone is open by a command, or was\n"
            "just written). The others take whole zones, all of them without OFF; reset\n"
            "DESTROYS what was there. The first zone that refuses ends it.\n"
            "    zone vda report 0 1G\n"
            "    zone vda reset 256M 256M\n",
    .min_words = 2,
    .max_words = 4,
    .device = DEVICE_REQUIRED,
    .whole_device = true,
    .run = run_zone,
};
