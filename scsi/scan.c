/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which units there are behind an adapter. (SPC-4, 6.33; SAM-5, 4.7)
 *
 *     1 targets are asked which units they have, all at the same time; who has many, again, with
 *       room for all of them
 *     2 who can't say is looked up in the list of the well-known unit, if there is one; else its
 *       units are tried one after the other
 *     3 what was listed is put in order and compared with what is known
 *     4 all that was listed is asked who it is, many at the same time
 *     5 the differences are told
 *
 * A target can lie. It is believed MOST_LISTED units, each once, and no more than MOST_TRIED of those
 * tried one after the other; what is listed and is not there costs a command. All of it has an end
 * in time (crowd.h).
 */
#include <vstor/log.h>

#include "scsi/capacity.h"
#include "scsi/cdb.h"
#include "scsi/units.h"

#define N_CALLS      32u
#define ANSWER_BYTES 4096u
/* Units of an adapter. */
#define MOST_LISTED 4096u
/* Of a target that can't say which it has: numbers tried, and those in a row that may be missing. */
#define MOST_TRIED   512u
#define MOST_MISSING 8u
#define N_TARGETS    256u

/** What is known of a target's units. */
enum target_state {
    TARGET_NOT_ASKED,
    TARGET_UNKNOWN, /**< it could not be found out: all stays as it was */
    TARGET_TOLD,    /**< what was listed is all there is */
    TARGET_LONG,    /**< there are more than there was room for */
    TARGET_CANT,    /**< it is there, but can't say */
};

struct listed {
    uint8_t target;
    struct vst_scsi_lun lun;
    bool is_new;
    bool in_full;       /**< it was asked all, whatever the scan wanted */
    struct unit *known; /**< registered at that place; NULL: nobody */
    struct unit *seen;  /**< who was found there; NULL: nobody, or the one that is known */
    enum vst_status found;
};

struct scan {
    struct vst_scsi_units *units;
    struct vst_scsi_hba *hba;
    struct scsi_crowd *crowd;
    bool all;
    uint8_t targets[N_TARGETS]; /**< enum target_state */
    uint32_t tried[N_TARGETS], n_missing[N_TARGETS];
    bool not_whole[N_TARGETS]; /**< not all that it has is in the list: who is not may be there */
    bool asked_well_known;
    bool full; /**< of some there was no room for all */
    enum vst_status status;
    struct vst_scsi_unit **link; /**< where in the registry the next new one may stand */
    uint32_t next;               /**< target, or listed unit, to be asked next */
    uint32_t n_listed;
    struct listed listed[MOST_LISTED];
};

static struct scan *scan_of(const struct scsi_crowd *crowd)
{
    return crowd->ctx;
}

static bool is_set(const uint32_t targets[8], uint32_t target)
{
    return (targets[target / 32] >> target % 32 & 1) != 0;
}

static void list(struct scan *scan, uint8_t target, const struct vst_scsi_lun *lun)
{
    if (lun->method == VST_SCSI_LUN_WELL_KNOWN)
        return;
    if (scan->n_listed == MOST_LISTED) {
        scan->full = scan->not_whole[target] = true;
        return;
    }
    scan->listed[scan->n_listed++] = (struct listed){.target = target, .lun = *lun};
}

/* ------------------------------------------------------------------ 1 what targets list */

static uint8_t target_asked(const struct scsi_call *call)
{
    return call->command.nexus.bytes[1];
}

static void ask_luns(struct scsi_call *call, uint8_t target, uint32_t bytes)
{
    const struct vst_scsi_lun zero = {.n_levels = 1};
    struct vst_scsi_nexus nexus = {.word = 0};

    if (vst_scsi_nexus_encode(target, &zero, nexus.bytes) == VST_OK) /* there is a LUN 0 */
        vst_scsi_call_ask(call, &nexus, vst_scsi_report_luns(SCSI_LUNS_ADDRESSABLE, bytes), bytes);
}

static bool begin_target(struct scsi_crowd *crowd, struct scsi_call *call)
{
    struct scan *scan = scan_of(crowd);

    while (scan->next < N_TARGETS) {
        uint32_t target = scan->next++;
        if (scan->targets[target] != TARGET_NOT_ASKED)
            continue;
        ask_luns(call, (uint8_t)target, crowd->bytes_each);
        return true;
    }
    return false;
}

static uint64_t place(uint8_t target, const struct vst_scsi_lun *lun)
{
    return (uint64_t)target << 40 | (uint64_t)(lun->n_levels - 1) << 39 |
           (uint64_t)(lun->bus & 63) << 33 | (uint64_t)(lun->target & 63) << 26 | lun->number;
}

static uint64_t place_of(const struct listed *listed)
{
    return place(listed->target, &listed->lun);
}

static void turn_round(struct listed *first, struct listed *last)
{
    for (; first < last; first++, last--) {
        struct listed one = *first;
        *first = *last;
        *last = one;
    }
}

/** QEMU lists LUN 0, then who came last first: what goes down is turned round. */
static void turn_what_goes_down(struct listed *first, const struct listed *end)
{
    while (first < end) {
        struct listed *last = first;
        while (last + 1 < end && place_of(last + 1) < place_of(last))
            last++;
        turn_round(first, last);
        first = last + 1;
    }
}

/** Bytes of the longest list that is looked at, in one command. */
static uint32_t long_bytes(const struct vst_scsi_hba *hba)
{
    uint32_t bytes = SCSI_LUNS_HEADER_BYTES + MOST_LISTED * VST_SCSI_LUN_BYTES;
    uint32_t most = hba->limits.max_segment_bytes;

    if (most > hba->limits.max_sectors << VST_SECTOR_SHIFT)
        most = hba->limits.max_sectors << VST_SECTOR_SHIFT;
    return bytes < most ? bytes : most & ~7u;
}

static enum target_state take_list(struct scan *scan, uint8_t target, struct scsi_view view,
                                   uint32_t room)
{
    struct vst_scsi_lun lun;
    struct scsi_luns luns;

    if (vst_scsi_luns_parse(view, &luns) != VST_OK)
        return TARGET_CANT;
    if (luns.whole_bytes > view.bytes && room < long_bytes(scan->hba))
        return TARGET_LONG;
    scan->not_whole[target] = luns.whole_bytes > view.bytes;
    uint32_t first = scan->n_listed;
    for (uint32_t i = 0; i < luns.n_entries; i++)
        if (vst_scsi_luns_entry(&luns, i, &lun) == VST_OK)
            list(scan, target, &lun);
    turn_what_goes_down(&scan->listed[first], &scan->listed[scan->n_listed]);
    return TARGET_TOLD;
}

/** How a target is that did not answer with a list. */
static enum target_state judge(const struct scsi_call *call, enum vst_status status)
{
    const struct vst_scsi_outcome *outcome = &call->command.outcome;

    if (status == VST_ERR_BROKEN || status == VST_ERR_TIMEOUT || status == VST_ERR_RESET ||
        status == VST_ERR_NOT_READY)
        return TARGET_UNKNOWN;
    if (outcome->response == VST_SCSI_RESPONSE_BAD_TARGET)
        return TARGET_TOLD; /* it has none */
    return outcome->response == VST_SCSI_RESPONSE_OK ? TARGET_CANT : TARGET_UNKNOWN;
}

static void target_answered(struct scsi_crowd *crowd, struct scsi_call *call,
                            enum vst_status status, struct scsi_view view)
{
    struct scan *scan = scan_of(crowd);
    uint8_t target = target_asked(call);

    scan->targets[target] =
        (uint8_t)(status == VST_OK ? take_list(scan, target, view, crowd->bytes_each)
                                   : judge(call, status));
}

static enum vst_status run(struct scan *scan, struct scsi_crowd *crowd,
                           bool (*begin)(struct scsi_crowd *, struct scsi_call *),
                           void (*answered)(struct scsi_crowd *, struct scsi_call *,
                                            enum vst_status, struct scsi_view))
{
    scan->next = 0;
    crowd->ctx = scan;
    crowd->begin = begin;
    crowd->answered = answered;
    return vst_scsi_crowd_run(crowd);
}

/** With room for all that is ever looked at. Few have so many. */
static enum vst_status ask_long_ones(struct scan *scan)
{
    bool any = false;

    for (uint32_t target = 0; target < N_TARGETS; target++) {
        any |= scan->targets[target] == TARGET_LONG;
        if (scan->targets[target] == TARGET_NOT_ASKED)
            scan->targets[target] = TARGET_UNKNOWN;
        if (scan->targets[target] == TARGET_LONG)
            scan->targets[target] = TARGET_NOT_ASKED;
    }
    if (!any)
        return VST_OK;
    struct scsi_crowd *crowd = vst_scsi_crowd_open(scan->hba, 1, long_bytes(scan->hba));
    if (crowd == NULL)
        return VST_ERR_NO_MEMORY;
    crowd->end_ns = scan->crowd->end_ns;
    enum vst_status status = run(scan, crowd, begin_target, target_answered);
    vst_scsi_crowd_close(crowd);
    return status;
}

/* ------------------------------------------------------------------ 2 targets that can't say */

static bool begin_well_known(struct scsi_crowd *crowd, struct scsi_call *call)
{
    struct scan *scan = scan_of(crowd);
    const struct vst_scsi_lun lun = vst_scsi_report_luns_lun();
    struct vst_scsi_nexus nexus;

    if (scan->asked_well_known || vst_scsi_nexus_encode(0, &lun, nexus.bytes) != VST_OK)
        return false;
    scan->asked_well_known = true;
    vst_scsi_call_ask(call, &nexus, vst_scsi_report_luns(SCSI_LUNS_ADDRESSABLE, crowd->bytes_each),
                      crowd->bytes_each);
    return true;
}

/** It speaks for the whole adapter: entries name targets as adapters are told of them. */
static void well_known_answered(struct scsi_crowd *crowd, struct scsi_call *call,
                                enum vst_status status, struct scsi_view view)
{
    struct scan *scan = scan_of(crowd);
    struct vst_scsi_lun lun;
    struct scsi_luns luns;
    uint8_t target;

    (void)call;
    if (status != VST_OK || vst_scsi_luns_parse(view, &luns) != VST_OK)
        return;
    for (uint32_t i = 0; i < luns.n_entries; i++) {
        const uint8_t *entry = luns.entries.at + (size_t)i * VST_SCSI_LUN_BYTES;
        if (vst_scsi_nexus_decode(entry, &target, &lun) != VST_OK ||
            scan->targets[target] != TARGET_CANT)
            continue;
        scan->not_whole[target] = luns.whole_bytes > view.bytes;
        list(scan, target, &lun);
        scan->tried[target] = MOST_TRIED; /* its units are known */
    }
}

static bool try_next(struct scan *scan, struct scsi_call *call, uint8_t target)
{
    const struct vst_scsi_hba_limits *limits = &scan->hba->limits;
    uint32_t number = scan->tried[target];
    struct vst_scsi_nexus nexus;
    struct vst_scsi_lun lun;

    if (number >= MOST_TRIED || number > limits->max_lun ||
        scan->n_missing[target] >= MOST_MISSING || vst_scsi_lun_of(number, &lun) != VST_OK ||
        vst_scsi_nexus_encode(target, &lun, nexus.bytes) != VST_OK)
        return false;
    scan->tried[target]++;
    vst_scsi_call_ask(call, &nexus, vst_scsi_inquiry(SCSI_INQUIRY_BYTES), SCSI_INQUIRY_BYTES);
    return true;
}

static bool begin_trying(struct scsi_crowd *crowd, struct scsi_call *call)
{
    struct scan *scan = scan_of(crowd);

    while (scan->next < N_TARGETS) {
        uint32_t target = scan->next++;
        if (scan->targets[target] == TARGET_CANT && try_next(scan, call, (uint8_t)target))
            return true;
    }
    return false;
}

static bool is_missing(enum vst_status status, struct scsi_view view)
{
    struct scsi_inquiry inquiry;

    if (status == VST_OK)
        status = vst_scsi_inquiry_parse(view, &inquiry);
    return status != VST_OK || inquiry.qualifier != SCSI_UNIT_PRESENT ||
           inquiry.type == VST_SCSI_TYPE_NONE;
}

static void try_answered(struct scsi_crowd *crowd, struct scsi_call *call, enum vst_status status,
                         struct scsi_view view)
{
    struct scan *scan = scan_of(crowd);
    uint8_t target = target_asked(call);
    struct vst_scsi_lun lun;
    bool missing = is_missing(status, view);

    scan->n_missing[target] = missing ? scan->n_missing[target] + 1 : 0;
    if (!missing && vst_scsi_lun_of(scan->tried[target] - 1, &lun) == VST_OK)
        list(scan, target, &lun);
    if (status != VST_OK && status != VST_ERR_GONE && status != VST_ERR_UNSUPPORTED)
        scan->targets[target] = TARGET_UNKNOWN; /* not even that it can say */
    else
        (void)try_next(scan, call, target);
}

static enum vst_status look_where_nobody_says(struct scan *scan)
{
    bool any = false;

    for (uint32_t target = 0; target < N_TARGETS; target++)
        any |= scan->targets[target] == TARGET_CANT;
    if (!any)
        return VST_OK;
    enum vst_status status = run(scan, scan->crowd, begin_well_known, well_known_answered);
    if (status == VST_OK)
        status = run(scan, scan->crowd, begin_trying, try_answered);
    for (uint32_t target = 0; target < N_TARGETS; target++)
        if (scan->targets[target] == TARGET_CANT)
            scan->targets[target] = TARGET_TOLD;
    return status;
}

/* ------------------------------------------------------------------ 3 order */

static uint64_t place_of_unit(const struct unit *unit)
{
    return place(unit->base.target, &unit->base.lun);
}

/** Lists mostly come in order: then this is one look at each. */
static void sort(struct scan *scan)
{
    struct listed *listed = scan->listed;
    uint32_t n = 0;

    for (uint32_t i = 0; i < scan->n_listed; i++) {
        struct listed one = listed[i];
        uint32_t at = n;
        while (at > 0 && place_of(&listed[at - 1]) > place_of(&one))
            at--;
        if (at > 0 && place_of(&listed[at - 1]) == place_of(&one))
            continue;
        __builtin_memmove(&listed[at + 1], &listed[at], (n - at) * sizeof(one));
        listed[at] = one;
        n++;
    }
    scan->n_listed = n;
}

static bool is_asked(const struct scan *scan, const struct vst_scsi_unit *unit)
{
    return unit->hba == scan->hba && scan->targets[unit->target] == TARGET_TOLD &&
           !scan->not_whole[unit->target];
}

/** Both are in order. */
static void compare(struct scan *scan)
{
    uint32_t i = 0;

    for (struct vst_scsi_unit *unit = scan->units->first; unit != NULL; unit = unit->next) {
        unit_of(unit)->was_seen = false;
        if (unit->hba != scan->hba || unit->gone)
            continue;
        while (i < scan->n_listed && place_of(&scan->listed[i]) < place_of_unit(unit_of(unit)))
            i++;
        if (i < scan->n_listed && place_of(&scan->listed[i]) == place_of_unit(unit_of(unit)))
            scan->listed[i].known = unit_of(unit);
    }
}

/* ------------------------------------------------------------------ 4 who they are */

static bool is_brief(const struct scan *scan, const struct listed *listed)
{
    return listed->known != NULL && !scan->all && !listed->in_full;
}

static bool begin_unit(struct scsi_crowd *crowd, struct scsi_call *call)
{
    struct scan *scan = scan_of(crowd);
    enum vst_status status;

    while (scan->next < scan->n_listed) {
        struct listed *listed = &scan->listed[scan->next++];
        struct unit *unit = vst_scsi_unit_create(scan->hba, listed->target, &listed->lun, &status);
        if (unit == NULL) {
            scan->status = status == VST_ERR_NO_MEMORY ? status : scan->status;
            listed->found = status == VST_ERR_INVALID ? VST_ERR_NOT_FOUND : status;
            continue;
        }
        listed->seen = unit;
        listed->found = VST_ERR_NOT_READY;
        unit->base.user = listed;
        vst_scsi_identify(call, unit, is_brief(scan, listed));
        return true;
    }
    return false;
}

static void unit_answered(struct scsi_crowd *crowd, struct scsi_call *call, enum vst_status status,
                          struct scsi_view view)
{
    struct unit *unit = call->topic;
    struct listed *listed = unit->base.user;

    if (vst_scsi_identify_goes_on(call, status, view, &listed->found))
        return;
    /* A brief look was enough if it is who is known. */
    if (listed->found == VST_OK && is_brief(scan_of(crowd), listed) &&
        !vst_scsi_is_same_unit(listed->known, unit, true)) {
        listed->in_full = true;
        vst_scsi_identify(call, unit, false);
        return;
    }
    unit->base.user = NULL;
    if (listed->found == VST_OK)
        return;
    vst_scsi_unit_free(unit);
    listed->seen = NULL;
}

/* ------------------------------------------------------------------ 5 differences */

/** The registry has an adapter's units together, in order; and so come those that are added. */
static void add(struct scan *scan, struct listed *listed)
{
    struct vst_scsi_unit **link = scan->link, *unit = &listed->seen->base;

    while (*link != NULL && (*link)->hba != scan->hba)
        link = &(*link)->next;
    while (*link != NULL && (*link)->hba == scan->hba &&
           place_of_unit(unit_of(*link)) <= place_of_unit(listed->seen))
        link = &(*link)->next;
    unit->next = *link;
    *link = unit;
    scan->link = &unit->next;
    scan->units->n++;
    listed->seen->was_seen = true;
    listed->is_new = true;
}

/** Who is known, and who stands there now. */
static void settle(struct scan *scan, struct listed *listed)
{
    struct unit *known = listed->known, *seen = listed->seen;

    if (known != NULL && seen != NULL &&
        vst_scsi_is_same_unit(known, seen, is_brief(scan, listed))) {
        __builtin_memcpy(known->base.revision, seen->base.revision, sizeof(known->base.revision));
        known->was_seen = true;
        vst_scsi_unit_free(seen);
        listed->seen = NULL;
    } else if (known != NULL && seen == NULL && listed->found != VST_ERR_NOT_FOUND) {
        known->was_seen = true; /* it does not say who it is just now */
    } else if (seen != NULL) {
        add(scan, listed);
    }
}

static void tell_differences(struct scan *scan)
{
    scan->link = &scan->units->first;
    for (uint32_t i = 0; i < scan->n_listed; i++)
        settle(scan, &scan->listed[i]);
    for (struct vst_scsi_unit *unit = scan->units->first; unit != NULL; unit = unit->next)
        if (is_asked(scan, unit) && !unit->gone && !unit_of(unit)->was_seen)
            vst_scsi_unit_lose(unit_of(unit));
}

/** After all else: who is told may take its time, and ask the units. */
static void tell_who_is_new(struct scan *scan)
{
    for (uint32_t i = 0; i < scan->n_listed; i++)
        if (scan->listed[i].is_new && scan->units->found != NULL)
            scan->units->found(scan->units->ctx, &scan->listed[i].seen->base);
}

/* ------------------------------------------------------------------ all of it */

static enum vst_status find_out(struct scan *scan)
{
    /* Nobody asks a target twice, and what was begun is ended: an error is the adapter's, or that
     * time is over. */
    enum vst_status status = run(scan, scan->crowd, begin_target, target_answered);

    if (status == VST_OK)
        status = ask_long_ones(scan);
    if (status == VST_OK)
        status = look_where_nobody_says(scan);
    if (status != VST_OK)
        return status;
    sort(scan);
    compare(scan);
    status = run(scan, scan->crowd, begin_unit, unit_answered);
    tell_differences(scan);
    return status != VST_OK ? status : scan->status;
}

static void choose_targets(struct scan *scan, const uint32_t targets[8])
{
    /* max_target is inclusive (kvm-guest-drivers-windows#1442). */
    for (uint32_t target = 0; target < N_TARGETS; target++)
        scan->targets[target] = target <= scan->hba->limits.max_target && is_set(targets, target)
                                    ? TARGET_NOT_ASKED
                                    : TARGET_UNKNOWN;
}

enum vst_status vst_scsi_scan_targets(struct vst_scsi_units *units, struct vst_scsi_hba *hba,
                                      const uint32_t targets[8], bool all)
{
    const struct vst_platform *platform = hba->platform;
    uint16_t n_calls = hba->limits.depth < N_CALLS ? hba->limits.depth : N_CALLS;
    struct scan *scan = platform->alloc(platform->ctx, sizeof(*scan), 64, VST_MEMORY_PRIVATE, NULL);
    enum vst_status status = VST_ERR_NO_MEMORY;

    if (scan == NULL)
        return status;
    scan->units = units;
    scan->hba = hba;
    scan->all = all;
    choose_targets(scan, targets);
    scan->crowd = vst_scsi_crowd_open(hba, n_calls, ANSWER_BYTES);
    if (scan->crowd != NULL) {
        status = find_out(scan);
        vst_scsi_crowd_close(scan->crowd);
    }
    if (scan->full)
        vst_log(platform, VST_LOG_WARNING, "%s: more than %u units are listed; others are left out",
                hba->path, MOST_LISTED);
    tell_who_is_new(scan);
    platform->free(platform->ctx, scan, sizeof(*scan), VST_MEMORY_PRIVATE);
    return status != VST_OK && hba->gone ? VST_ERR_GONE : status;
}
