/* SPDX-License-Identifier: BSD-2-Clause */
#include "command.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "size.h"

#define ERROR_TEXT_BYTES 200

const struct shell_command *shell_command_find(const char *name)
{
    for (size_t i = 0; i < n_shell_commands; i++)
        if (strcmp(shell_commands[i]->name, name) == 0)
            return shell_commands[i];
    return NULL;
}

void shell_command_print_help(const struct shell_command *command)
{
    printf("usage: %s%s%s\n%s.\n", command->name, *command->usage ? " " : "", command->usage,
           command->summary);
    if (*command->help)
        printf("\n%s", command->help);
}

void shell_json_open(const struct shell_context *context, struct json *json)
{
    json_open(json);
    json_text(json, "cmd", context->typed[0]);
    if (context->device != NULL)
        json_text(json, "dev", context->name);
    else if (context->command != NULL && context->command->device != DEVICE_NONE &&
             context->n_words > 0)
        json_text(json, "dev", context->words[0]);
}

static void print_typed(const struct shell_context *context)
{
    for (size_t i = 0; i < context->n_typed; i++)
        printf("%s%s", i ? " " : "", context->typed[i]);
}

void shell_json_sense(struct json *json, const struct vst_scsi_sense *sense)
{
    if (!sense->valid)
        return;
    json_object_open(json, "sense");
    json_u64(json, "key", sense->key);
    json_u64(json, "asc", sense->asc);
    json_u64(json, "ascq", sense->ascq);
    if (sense->has_information)
        json_u64(json, "information", sense->information);
    json_object_close(json);
}

bool shell_fail_verdict(const struct shell_context *context, const struct vst_scsi_verdict *verdict)
{
    struct json json;

    if (!context->json) {
        print_typed(context);
        printf(": %s\n", verdict->text);
        return false;
    }
    shell_json_open(context, &json);
    json_text(&json, "error", vst_status_name(verdict->status));
    shell_json_sense(&json, &verdict->sense);
    json_text(&json, "text", verdict->text);
    json_close(&json);
    return false;
}

static bool report(const struct shell_context *context, const char *error, const uint64_t *offset,
                   const char *text)
{
    if (context->json) {
        struct json json;
        shell_json_open(context, &json);
        json_text(&json, "error", error);
        if (offset != NULL)
            json_u64(&json, "offset", *offset);
        json_text(&json, "text", text);
        json_close(&json);
        return false;
    }
    print_typed(context);
    printf(": %s", text);
    if (offset != NULL)
        printf(" at byte %" PRIu64, *offset);
    putchar('\n');
    return false;
}

bool shell_fail(const struct shell_context *context, enum vst_status status, const char *format,
                ...)
{
    char text[ERROR_TEXT_BYTES];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    return report(context, vst_status_name(status), NULL, text);
}

void shell_conflict_text(struct vst_scsi_unit *unit, char *text, size_t bytes)
{
    struct vst_scsi_reservation found;
    struct vst_scsi_verdict verdict;

    if (vst_scsi_reserve_holder(unit, &found, &verdict) != VST_OK)
        snprintf(text, bytes, "RESERVATION CONFLICT");
    else if (found.is_held)
        snprintf(text, bytes, "RESERVATION CONFLICT: held by 0x%" PRIx64 " (%s)", found.key,
                 vst_scsi_reservation_name(found.type));
    else
        snprintf(text, bytes, "RESERVATION CONFLICT: nobody holds it; is that key registered?");
}

/* The SCSI unit that the device is made of; NULL if it is none. */
static struct vst_scsi_unit *unit_of_device(const struct shell_context *context)
{
    const struct vst_scsi_units *units = context->host->units;
    struct vst_scsi_unit *unit = units != NULL ? units->first : NULL;

    while (unit != NULL && (context->device == NULL || unit->block != context->device))
        unit = unit->next;
    return unit;
}

bool shell_fail_at(const struct shell_context *context, enum vst_status status,
                   uint64_t offset_bytes)
{
    char text[ERROR_TEXT_BYTES];
    const char *why = context->device != NULL ? context->device->broken_why : NULL;

    snprintf(text, sizeof(text), "%s", vst_status_text(status));
    if (status == VST_ERR_BROKEN && why != NULL)
        snprintf(text, sizeof(text), "%s (%s)", vst_status_text(status), why);
    if (status == VST_ERR_RESERVED && unit_of_device(context) != NULL)
        shell_conflict_text(unit_of_device(context), text, sizeof(text));
    return report(context, vst_status_name(status), &offset_bytes, text);
}

bool shell_fail_on_device(const struct shell_context *context, enum vst_status status,
                          uint64_t device_bytes)
{
    uint64_t start = context->extent.offset_bytes;

    /* A block that a partition begins in may begin before it. */
    return shell_fail_at(context, status, device_bytes < start ? 0 : device_bytes - start);
}

bool shell_fail_usage(const struct shell_context *context, const char *format, ...)
{
    char text[ERROR_TEXT_BYTES];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    report(context, vst_status_name(VST_ERR_INVALID), NULL, text);
    if (!context->json)
        printf("usage: %s%s%s\n", context->command->name, *context->command->usage ? " " : "",
               context->command->usage);
    return false;
}

bool shell_fail_interrupted(const struct shell_context *context)
{
    return report(context, "interrupted", NULL, "interrupted");
}

const char *shell_option(const struct shell_context *context, const char *name)
{
    size_t length = strlen(name);

    /* The last one counts, so that a line can be changed by adding to it. */
    for (size_t i = context->n_options; i-- > 0;)
        if (strncmp(context->options[i], name, length) == 0)
            return context->options[i] + length;
    return NULL;
}

bool shell_option_number(const struct shell_context *context, const char *name, uint64_t otherwise,
                         uint64_t *value)
{
    const char *text = shell_option(context, name);

    *value = otherwise;
    if (text == NULL || size_parse(text, value))
        return true;
    return shell_fail_usage(context, "%s%s is not a number", name, text);
}

bool shell_word_number(const struct shell_context *context, size_t index, const char *what,
                       uint64_t *value)
{
    if (size_parse(context->words[index], value))
        return true;
    return shell_fail_usage(context, "'%s' is not %s", context->words[index], what);
}

uint64_t shell_device_bytes(const struct vst_block_device *device)
{
    return vst_mul_saturated_u64(device->limits.n_sectors, VST_SECTOR_BYTES);
}

uint64_t shell_extent_bytes(const struct shell_context *context)
{
    bool whole = context->extent.number == 0;

    return whole ? shell_device_bytes(context->device) : context->extent.bytes;
}

const char *shell_extent_name(const struct vst_extent *extent,
                              char text[VST_PARTITION_DEVICE_NAME_BYTES])
{
    if (extent->number != 0)
        return vst_partition_device_name(extent->device, extent->number, text);
    snprintf(text, VST_PARTITION_DEVICE_NAME_BYTES, "%s", extent->device->name);
    return text;
}

bool shell_find_extent(const struct shell_context *context, const char *name,
                       struct vst_extent *extent)
{
    struct vst_block_device *device = vst_block_find(context->host->registry, name);

    if (device != NULL) { /* which needs no memory */
        *extent = vst_extent_of(device);
        return true;
    }
    void *memory = malloc(VST_PARTITIONS_MEMORY_BYTES);
    if (memory == NULL)
        return shell_fail(context, VST_ERR_NO_MEMORY, "no memory for a partition table");
    enum vst_status status = vst_partition_find(context->host->registry, name, memory, extent);
    free(memory);
    if (status == VST_OK)
        return true;
    if (status == VST_ERR_NOT_FOUND && name == context->words[0])
        return shell_fail(context, status, "no such device (lsblk lists them)");
    if (status == VST_ERR_NOT_FOUND)
        return shell_fail(context, status, "there is no device '%s'", name);
    return shell_fail(context, status, "%s: its partition table: %s", name,
                      vst_status_text(status));
}

const char *shell_cache_name(bool write_cache)
{
    return write_cache ? "writeback" : "writethrough";
}

bool shell_range_is_inside(const struct shell_context *context, uint64_t offset_bytes,
                           uint64_t bytes)
{
    uint64_t end = shell_extent_bytes(context);

    if (context->device->medium != VST_OK)
        return shell_fail(context, context->device->medium, "%s",
                          vst_status_text(context->device->medium));
    if (offset_bytes > end)
        return shell_fail_at(context, VST_ERR_RANGE, offset_bytes);
    if (bytes > end - offset_bytes)
        return shell_fail_at(context, VST_ERR_RANGE, end);
    return true;
}

bool shell_range(const struct shell_context *context, uint64_t *offset_bytes, uint64_t *bytes)
{
    uint64_t end = shell_extent_bytes(context);

    *offset_bytes = 0;
    if (context->n_words > 1 && !shell_word_number(context, 1, "an offset", offset_bytes))
        return false;
    *bytes = *offset_bytes < end ? end - *offset_bytes : 0;
    if (context->n_words > 2 && !shell_word_number(context, 2, "a length", bytes))
        return false;
    return shell_range_is_inside(context, *offset_bytes, *bytes);
}

void shell_json_stats(struct json *json, const struct vst_block_stats *stats)
{
    json_u64(json, "reads", stats->commands[VST_BLOCK_READ]);
    json_u64(json, "writes", stats->commands[VST_BLOCK_WRITE]);
    json_u64(json, "flushes", stats->commands[VST_BLOCK_FLUSH]);
    json_u64(json, "discards", stats->commands[VST_BLOCK_DISCARD]);
    json_u64(json, "zeroes",
             stats->commands[VST_BLOCK_WRITE_ZEROES] +
                 stats->commands[VST_BLOCK_WRITE_ZEROES_KEEP]);
    json_u64(json, "erases", stats->commands[VST_BLOCK_SECURE_ERASE]);
    json_u64(json, "appends", stats->commands[VST_BLOCK_ZONE_APPEND]);
    json_u64(json, "read_bytes", stats->sectors[VST_BLOCK_READ] * VST_SECTOR_BYTES);
    json_u64(json, "written_bytes",
             (stats->sectors[VST_BLOCK_WRITE] + stats->sectors[VST_BLOCK_ZONE_APPEND]) *
                 VST_SECTOR_BYTES);
    json_u64(json, "errors", stats->errors);
    json_u64(json, "kicks", stats->kicks);
    json_u64(json, "interrupts", stats->interrupts);
    json_u64(json, "interrupts_elsewhere", stats->interrupts_elsewhere);
    json_u64(json, "rescues", stats->rescues);
    json_u64(json, "timeouts", stats->timeouts);
    json_u64(json, "queue_resets", stats->queue_resets);
    json_u64(json, "device_resets", stats->device_resets);
    json_u64(json, "replays", stats->replays);
}
