/* SPDX-License-Identifier: BSD-2-Clause */
/* Persistent reservations: who holds a unit, and taking it. */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

#define MOST_KEYS          1000u
#define MOST_REGISTRATIONS 256u

/* The short names are those of sg_persist's manual and of everybody who writes of them. */
static const struct type_name {
    uint8_t type;
    const char *name;
} type_names[] = {
    {VST_SCSI_WRITE_EXCLUSIVE, "we"},
    {VST_SCSI_EXCLUSIVE_ACCESS, "ea"},
    {VST_SCSI_WRITE_EXCLUSIVE_REGISTRANTS, "wero"},
    {VST_SCSI_EXCLUSIVE_ACCESS_REGISTRANTS, "earo"},
    {VST_SCSI_WRITE_EXCLUSIVE_ALL, "wear"},
    {VST_SCSI_EXCLUSIVE_ACCESS_ALL, "eaar"},
};

static void json_key(struct json *json, const char *name, uint64_t key)
{
    char text[19];

    snprintf(text, sizeof(text), "0x%" PRIx64, key);
    json_text(json, name, text);
}

/* ---------------------------------------------------------------- showing */

static bool show_keys(const struct shell_context *context)
{
    struct vst_scsi_verdict verdict;
    uint64_t *keys = calloc(MOST_KEYS, sizeof(*keys));
    uint32_t generation;
    struct json json;
    size_t n;

    if (keys == NULL)
        return shell_fail(context, VST_ERR_NO_MEMORY, "no memory for the keys");
    enum vst_status status =
        vst_scsi_reserve_keys(context->unit, keys, MOST_KEYS, &n, &generation, &verdict);
    if (status == VST_OK && context->json) {
        shell_json_open(context, &json);
        json_u64(&json, "generation", generation);
        json_array_open(&json, "keys");
        for (size_t i = 0; i < n && i < MOST_KEYS; i++)
            json_key(&json, NULL, keys[i]);
        json_array_close(&json);
        json_close(&json);
    } else if (status == VST_OK) {
        printf("generation %" PRIu32 ", %u registered%s\n", generation, (unsigned)n,
               n > 0 ? ":" : "");
        for (size_t i = 0; i < n && i < MOST_KEYS; i++)
            printf("  0x%" PRIx64 "\n", keys[i]);
    }
    free(keys);
    return status == VST_OK || shell_fail_verdict(context, &verdict);
}

static bool show_holder(const struct shell_context *context)
{
    struct vst_scsi_reservation found;
    struct vst_scsi_verdict verdict;
    struct json json;

    if (vst_scsi_reserve_holder(context->unit, &found, &verdict) != VST_OK)
        return shell_fail_verdict(context, &verdict);
    if (context->json) {
        shell_json_open(context, &json);
        json_u64(&json, "generation", found.generation);
        json_bool(&json, "held", found.is_held);
        if (found.is_held) {
            json_key(&json, "key", found.key);
            json_text(&json, "type", vst_scsi_reservation_name(found.type));
        }
        json_close(&json);
    } else if (found.is_held) {
        printf("held by 0x%" PRIx64 ": %s\n", found.key, vst_scsi_reservation_name(found.type));
    } else {
        puts("not held");
    }
    return true;
}

static void capabilities_json(const struct shell_context *context,
                              const struct vst_scsi_reservation_capabilities *found)
{
    struct json json;

    shell_json_open(context, &json);
    json_bool(&json, "all_ports", found->all_ports);
    json_bool(&json, "keeps", found->keeps);
    json_bool(&json, "keeps_now", found->keeps_now);
    if (found->tells_types) {
        json_array_open(&json, "types");
        for (size_t i = 0; i < VST_ARRAY_LENGTH(type_names); i++)
            if ((found->types & 1u << type_names[i].type) != 0)
                json_text(&json, NULL, type_names[i].name);
        json_array_close(&json);
    }
    json_close(&json);
}

static bool show_capabilities(const struct shell_context *context)
{
    struct vst_scsi_reservation_capabilities found;
    struct vst_scsi_verdict verdict;

    if (vst_scsi_reserve_capabilities(context->unit, &found, &verdict) != VST_OK)
        return shell_fail_verdict(context, &verdict);
    if (context->json) {
        capabilities_json(context, &found);
        return true;
    }
    printf("registrations: %s, by %s\n",
           !found.keeps      ? "lost with the power"
           : found.keeps_now ? "kept without power"
                             : "can be kept without power",
           found.all_ports ? "port or all ports" : "port");
    fputs("types:", stdout);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(type_names); i++)
        if (!found.tells_types || (found.types & 1u << type_names[i].type) != 0)
            printf(" %s", type_names[i].name);
    puts(found.tells_types ? "" : " (not told)");
    return true;
}

static void registration_json(const struct shell_context *context,
                              const struct vst_scsi_registration *one)
{
    struct json json;

    shell_json_open(context, &json);
    json_key(&json, "key", one->key);
    json_bool(&json, "holds", one->holds);
    if (one->holds)
        json_text(&json, "type", vst_scsi_reservation_name(one->type));
    json_bool(&json, "all_ports", one->all_ports);
    json_u64(&json, "port", one->port);
    json_text(&json, "who", one->who);
    json_close(&json);
}

static void show_registrations(const struct shell_context *context,
                               const struct vst_scsi_registration *found, size_t n)
{
    static const struct table_column columns[] = {
        {"KEY", true}, {"HOLDS", false}, {"PORT", true}, {"WHO", false}};
    struct table table;

    if (context->json) {
        for (size_t i = 0; i < n; i++)
            registration_json(context, &found[i]);
        return;
    }
    table_begin(&table, columns, VST_ARRAY_LENGTH(columns));
    for (size_t i = 0; i < n; i++) {
        table_cell(&table, "0x%" PRIx64, found[i].key);
        table_cell(&table, "%s", found[i].holds ? vst_scsi_reservation_name(found[i].type) : "-");
        if (found[i].all_ports)
            table_cell(&table, "all");
        else
            table_cell(&table, "%u", found[i].port);
        table_cell(&table, "%s", found[i].who);
    }
    table_end(&table);
}

static bool show_full(const struct shell_context *context)
{
    struct vst_scsi_registration *found = calloc(MOST_REGISTRATIONS, sizeof(*found));
    struct vst_scsi_verdict verdict;
    size_t n;

    if (found == NULL)
        return shell_fail(context, VST_ERR_NO_MEMORY, "no memory for the registrations");
    enum vst_status status =
        vst_scsi_reserve_full_status(context->unit, found, MOST_REGISTRATIONS, &n, &verdict);
    if (status == VST_OK)
        show_registrations(context, found, n < MOST_REGISTRATIONS ? n : MOST_REGISTRATIONS);
    free(found);
    return status == VST_OK || shell_fail_verdict(context, &verdict);
}

/* ---------------------------------------------------------------- doing */

static bool parse_type(const struct shell_context *context, uint8_t *type)
{
    const char *text = shell_option(context, "type=");

    for (size_t i = 0; text != NULL && i < VST_ARRAY_LENGTH(type_names); i++)
        if (strcmp(text, type_names[i].name) == 0) {
            *type = type_names[i].type;
            return true;
        }
    return shell_fail_usage(context, "type= is one of we, ea, wero, earo, wear, eaar");
}

/* What each action takes. */
static const struct action {
    const char *name;
    enum vst_scsi_reserve_action action;
    bool needs_type;
    const char *key, *service_key; /* options; NULL: 0 */
} actions[] = {
    {"register", VST_SCSI_REGISTER, false, "old=", "key="},
    {"register-ignore", VST_SCSI_REGISTER_AND_IGNORE, false, NULL, "key="},
    {"reserve", VST_SCSI_RESERVE, true, "key=", NULL},
    {"release", VST_SCSI_RELEASE, true, "key=", NULL},
    {"clear", VST_SCSI_CLEAR, false, "key=", NULL},
    {"preempt", VST_SCSI_PREEMPT, true, "key=", "victim="},
    {"preempt-abort", VST_SCSI_PREEMPT_AND_ABORT, true, "key=", "victim="},
};

static bool parse_key(const struct shell_context *context, const char *option, uint64_t *key)
{
    *key = 0;
    return option == NULL || shell_option_number(context, option, 0, key);
}

static bool do_action(const struct shell_context *context, const struct action *action)
{
    struct vst_scsi_reserve_order order = {.action = action->action};
    struct vst_scsi_verdict verdict;
    struct json json;

    if (shell_option(context, "key=") == NULL)
        return shell_fail_usage(context, "key= is missing");
    if (!parse_key(context, action->key, &order.key) ||
        !parse_key(context, action->service_key, &order.service_key) ||
        (action->needs_type && !parse_type(context, &order.type)))
        return false;
    order.keep = shell_option(context, "-keep") != NULL;
    order.all_ports = shell_option(context, "-all-ports") != NULL;
    enum vst_status status = vst_scsi_reserve(context->unit, &order, &verdict);
    if (status == VST_ERR_RESERVED)
        shell_conflict_text(context->unit, verdict.text, sizeof(verdict.text));
    if (status != VST_OK)
        return shell_fail_verdict(context, &verdict);
    if (context->json) {
        shell_json_open(context, &json);
        json_text(&json, "action", action->name);
        json_close(&json);
    }
    return true;
}

static bool run_reserve(struct shell_context *context)
{
    static const struct {
        const char *name;
        bool (*show)(const struct shell_context *context);
    } views[] = {{"holder", show_holder},
                 {"keys", show_keys},
                 {"capabilities", show_capabilities},
                 {"full", show_full}};
    const char *what = context->n_words > 1 ? context->words[1] : "holder";

    for (size_t i = 0; i < VST_ARRAY_LENGTH(views); i++)
        if (strcmp(what, views[i].name) == 0)
            return views[i].show(context);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(actions); i++)
        if (strcmp(what, actions[i].name) == 0)
            return do_action(context, &actions[i]);
    return shell_fail_usage(context, "'%s' is nothing to be done with reservations", what);
}

static const char *const reserve_options[] = {
    "key=", "old=", "victim=", "type=", "-keep", "-all-ports", NULL};

const struct shell_command command_reserve = {
    .name = "reserve",
    .usage = "DEV [holder|keys|full|capabilities|ACTION key=K [type=T] ...]",
    .summary = "Persistent reservations: shows them, registers, reserves, takes",
    .help = "register key=K [old=K] [-keep] [-all-ports]; key=0 ends a registration, and\n"
            "register-ignore takes the place of whatever was registered. reserve, release,\n"
            "preempt and preempt-abort take type=: we or ea, write exclusive or exclusive\n"
            "access, by one; wero, earo, all who are registered share it; wear, eaar, they\n"
            "all hold it. preempt takes victim=, the key of who is to lose; clear ends\n"
            "everything.\n"
            "    reserve sda register key=0x1234\n"
            "    reserve sda reserve key=0x1234 type=wero\n"
            "    reserve sda full\n",
    .min_words = 1,
    .max_words = 2,
    .options = reserve_options,
    .device = DEVICE_UNIT,
    .run = run_reserve,
};
