/* SPDX-License-Identifier: BSD-2-Clause */
/* SCSI units of any type: which there are, and what they tell of themselves. */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hexdump.h"
#include "table.h"

#define MOST_LUNS       2047u
#define MOST_PAGE_BYTES 4096u

static const char *text_or(const char *text, const char *otherwise)
{
    return *text != '\0' ? text : otherwise;
}

/* ---------------------------------------------------------------- lsscsi */

/* " (standby)" */
static const char *remark_on(const struct vst_scsi_unit *unit, char *text, size_t bytes)
{
    struct vst_scsi_path_info info;

    *text = '\0';
    if (unit->gone)
        snprintf(text, bytes, " (gone)");
    else if (vst_scsi_path_info(unit, &info))
        snprintf(text, bytes, " (%s)", vst_scsi_path_state_name(info.state));
    return text;
}

static void lsscsi_row(struct table *table, const struct vst_scsi_unit *unit)
{
    char remark[32];

    table_cell(table, "%s", unit->hctl);
    table_cell(table, "%s", vst_scsi_type_name(unit->type));
    table_cell(table, "%s", text_or(unit->vendor, "-"));
    table_cell(table, "%s", text_or(unit->product, "-"));
    table_cell(table, "%s", text_or(unit->revision, "-"));
    table_cell(table, "%s", text_or(unit->wwn, "-"));
    table_cell(table, "%s%s", text_or(vst_scsi_unit_name(unit), "-"),
               remark_on(unit, remark, sizeof(remark)));
}

static void json_path(struct json *json, const struct vst_scsi_unit *unit)
{
    struct vst_scsi_path_info info;

    if (!vst_scsi_path_info(unit, &info))
        return;
    json_text(json, "state", vst_scsi_path_state_name(info.state));
    json_bool(json, "preferred", info.preferred);
    json_u64(json, "requests", info.n_requests);
    json_u64(json, "failures", info.n_failures);
}

static void lsscsi_json(const struct shell_context *context, const struct vst_scsi_unit *unit)
{
    struct json json;

    json_open(&json);
    json_text(&json, "cmd", context->typed[0]);
    json_text(&json, "dev", vst_scsi_unit_name(unit));
    json_text(&json, "hctl", unit->hctl);
    json_text(&json, "type", vst_scsi_type_name(unit->type));
    json_text(&json, "vendor", unit->vendor);
    json_text(&json, "product", unit->product);
    json_text(&json, "revision", unit->revision);
    json_text(&json, "wwn", unit->wwn);
    json_text(&json, "serial", unit->serial);
    json_bool(&json, "removable", unit->removable);
    json_text(&json, "path", unit->path);
    json_bool(&json, "gone", unit->gone);
    json_path(&json, unit);
    json_close(&json);
}

static bool run_lsscsi(struct shell_context *context)
{
    static const struct table_column columns[] = {
        {"HCTL", false},     {"TYPE", false}, {"VENDOR", false}, {"PRODUCT", false},
        {"REVISION", false}, {"WWN", false},  {"DEVICE", false},
    };
    const struct vst_scsi_unit *first =
        context->host->units != NULL ? context->host->units->first : NULL;
    struct table table;

    if (context->json) {
        for (const struct vst_scsi_unit *unit = first; unit != NULL; unit = unit->next)
            lsscsi_json(context, unit);
        return true;
    }
    if (first == NULL) {
        puts("no SCSI devices");
        return true;
    }
    table_begin(&table, columns, VST_ARRAY_LENGTH(columns));
    for (const struct vst_scsi_unit *unit = first; unit != NULL; unit = unit->next)
        lsscsi_row(&table, unit);
    table_end(&table);
    return true;
}

const struct shell_command command_lsscsi = {
    .name = "lsscsi",
    .usage = "",
    .summary = "Lists the SCSI devices of any type",
    .help = "HCTL is adapter, channel, target and LUN; DEVICE what other commands call it: sd\n"
            "for disks, st for tapes, sg for what is only reached by raw commands. Units that\n"
            "are paths to one disk have its name, with how each serves: active/optimized,\n"
            "active/non-optimized, standby, transitioning, unavailable or failed.\n",
    .run = run_lsscsi,
};

/* ---------------------------------------------------------------- luns */

/* "0:3" into an adapter and a target. False, having said so. */
static bool parse_target(const struct shell_context *context, struct vst_scsi_hba **hba,
                         uint8_t *target)
{
    char *end;
    unsigned long host = strtoul(context->words[0], &end, 10), number = 0;
    bool sound = end != context->words[0] && *end == ':' && end[1] >= '0' && end[1] <= '9';

    if (sound)
        number = strtoul(end + 1, &end, 10);
    if (!sound || *end != '\0')
        return shell_fail_usage(context, "'%s' is not HOST:TARGET", context->words[0]);
    *hba = context->host->units != NULL ? context->host->units->hbas : NULL;
    while (*hba != NULL && (*hba)->number != host)
        *hba = (*hba)->next;
    if (*hba == NULL)
        return shell_fail(context, VST_ERR_NOT_FOUND, "there is no adapter %lu", host);
    if (number > (*hba)->limits.max_target)
        return shell_fail(context, VST_ERR_RANGE, "targets of that adapter are 0 to %u",
                          (*hba)->limits.max_target);
    *target = (uint8_t)number;
    return true;
}

static void show_lun(const struct shell_context *context, const struct vst_scsi_lun *lun)
{
    static const char *const methods[] = {
        [VST_SCSI_LUN_PERIPHERAL] = "peripheral",
        [VST_SCSI_LUN_FLAT] = "flat",
        [VST_SCSI_LUN_LOGICAL_UNIT] = "logical unit",
        [VST_SCSI_LUN_EXTENDED_FLAT] = "extended flat",
        [VST_SCSI_LUN_WELL_KNOWN] = "well known",
    };
    struct json json;

    if (!context->json) {
        printf("%8" PRIu32 "  %s\n", lun->number, methods[lun->method]);
        return;
    }
    json_open(&json);
    json_text(&json, "cmd", context->typed[0]);
    json_text(&json, "dev", context->words[0]);
    json_u64(&json, "lun", lun->number);
    json_text(&json, "method", methods[lun->method]);
    json_close(&json);
}

static bool run_luns(struct shell_context *context)
{
    struct vst_scsi_hba *hba = NULL;
    uint8_t target = 0;
    uint32_t n;

    if (!parse_target(context, &hba, &target))
        return false;
    struct vst_scsi_lun *luns = malloc(MOST_LUNS * sizeof(*luns));
    if (luns == NULL)
        return shell_fail(context, VST_ERR_NO_MEMORY, "%s", vst_status_text(VST_ERR_NO_MEMORY));
    enum vst_status status = vst_scsi_target_luns(hba, target, luns, MOST_LUNS, &n);
    for (uint32_t i = 0; status == VST_OK && i < n; i++)
        show_lun(context, &luns[i]);
    free(luns);
    if (status == VST_ERR_GONE)
        return shell_fail(context, VST_ERR_NOT_FOUND, "there is no such target");
    return status == VST_OK || shell_fail(context, status, "%s", vst_status_text(status));
}

const struct shell_command command_luns = {
    .name = "luns",
    .usage = "HOST:TARGET",
    .summary = "Asks a SCSI target which LUNs it has",
    .help = "What REPORT LUNS answers, as it is: the way in which each number is written\n"
            "stands behind it. HOST is the adapter, the first number that lsscsi shows.\n"
            "    luns 0:3\n",
    .min_words = 1,
    .max_words = 1,
    .run = run_luns,
};

/* ---------------------------------------------------------------- inq */

static void tell_line(void *ctx, const char *name, const char *value)
{
    (void)ctx;
    printf("  %-22s %s\n", name, text_or(value, "-"));
}

static void tell_json(void *ctx, const char *name, const char *value)
{
    struct json *json = ctx;

    json_object_open(json, NULL);
    json_text(json, "name", name);
    json_text(json, "value", value);
    json_object_close(json);
}

static void inq_json(const struct shell_context *context, int page, const uint8_t *data,
                     size_t bytes)
{
    static char hex[2 * MOST_PAGE_BYTES + 1];
    struct json json;

    for (size_t i = 0; i < bytes; i++)
        snprintf(hex + 2 * i, 3, "%02x", data[i]);
    hex[2 * bytes] = '\0';
    json_open(&json);
    json_text(&json, "cmd", context->typed[0]);
    json_text(&json, "dev", vst_scsi_unit_name(context->unit));
    if (page != VST_SCSI_STANDARD_INQUIRY)
        json_u64(&json, "page", (uint64_t)page);
    json_text(&json, "hex", hex);
    json_array_open(&json, "fields");
    (void)!vst_scsi_inquiry_describe(page, data, bytes, tell_json, &json);
    json_array_close(&json);
    json_close(&json);
}

/* What can't be put in words is dumped. */
static void inq_print(int page, const uint8_t *data, size_t bytes)
{
    struct hexdump dump = {0};

    if (vst_scsi_inquiry_describe(page, data, bytes, tell_line, NULL) == VST_OK)
        return;
    hexdump_add(&dump, 0, data, bytes);
    hexdump_end(&dump);
}

/* Page numbers are spoken of as hexadecimal ones, with or without 0x. */
static bool parse_page(const struct shell_context *context, int *page)
{
    char *end;

    *page = VST_SCSI_STANDARD_INQUIRY;
    if (context->n_words < 2)
        return true;
    unsigned long number = strtoul(context->words[1], &end, 16);
    if (end == context->words[1] || *end != '\0' || number > UINT8_MAX)
        return shell_fail_usage(context, "'%s' is not a page (hexadecimal, 00 to ff)",
                                context->words[1]);
    *page = (int)number;
    return true;
}

static bool run_inq(struct shell_context *context)
{
    static uint8_t data[MOST_PAGE_BYTES];
    size_t bytes;
    int page;

    if (!parse_page(context, &page))
        return false;
    enum vst_status status =
        vst_scsi_unit_inquire(context->unit, page, data, page < 0 ? 255 : sizeof(data), &bytes);
    if (status == VST_ERR_UNSUPPORTED)
        return shell_fail(context, status, "the device has no such page");
    if (status != VST_OK)
        return shell_fail(context, status, "%s", vst_status_text(status));
    if (context->json)
        inq_json(context, page, data, bytes);
    else
        inq_print(page, data, bytes);
    return true;
}

const struct shell_command command_inq = {
    .name = "inq",
    .usage = "DEV [PAGE]",
    .summary = "Shows what a SCSI device says of itself",
    .help = "The standard INQUIRY data, or with PAGE, hexadecimal, a page of vital product\n"
            "data: 00 lists them, 80 serial number, 83 names, b0 limits, b1 rotation, b2\n"
            "provisioning; others are dumped. DEV as for lsblk, or a name that lsscsi shows.\n"
            "    inq sda 83\n",
    .min_words = 1,
    .max_words = 2,
    .device = DEVICE_UNIT,
    .run = run_inq,
};
