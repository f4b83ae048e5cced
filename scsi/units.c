/* SPDX-License-Identifier: BSD-2-Clause */
/* The registry of units, and what is done now and then: events, changes, who has left. */
#include "scsi/units.h"

#include <vstor/log.h>
#include <vstor/scsi_paths.h>

#define NS_PER_S 1000000000ull
/* Whatever events say, units are counted that often. */
#define CHECK_NS (5 * NS_PER_S)
#define SOON_NS  (NS_PER_S / 5)
/* All is asked again at most that often, however many events are lost. */
#define ALL_NS NS_PER_S
/* Events taken at a time: an adapter can't keep us here. */
#define MOST_EVENTS 64u

/* ------------------------------------------------------------------ adapters */

void vst_scsi_units_add(struct vst_scsi_units *units, struct vst_scsi_hba *hba)
{
    struct vst_scsi_hba **link = &units->hbas;

    for (hba->number = 0; *link != NULL && (*link)->number == hba->number; hba->number++)
        link = &(*link)->next;
    hba->next = *link;
    *link = hba;
}

static void remove_hba(struct vst_scsi_units *units, struct vst_scsi_hba *hba)
{
    struct vst_scsi_hba **link = &units->hbas;

    while (*link != NULL && *link != hba)
        link = &(*link)->next;
    if (*link != NULL)
        *link = hba->next;
}

/* ------------------------------------------------------------------ finding */

/** What follows `key` in `name`; NULL if it does not begin so, or nothing follows. */
static const char *behind(const char *name, const char *key)
{
    while (*key != '\0')
        if (*name++ != *key++)
            return NULL;
    return *name != '\0' ? name : NULL;
}

const char *vst_scsi_unit_name(const struct vst_scsi_unit *unit)
{
    struct vst_scsi_path_info info;

    if (vst_scsi_path_info(unit, &info))
        return info.device->name;
    return unit->block != NULL ? unit->block->name : unit->name;
}

static bool has_name(const struct vst_scsi_unit *unit, const char *name)
{
    return name[0] != '\0' &&
           (vst_text_equal(name, unit->name) || vst_text_equal(name, vst_scsi_unit_name(unit)));
}

/** The better of two paths to one disk; NULL if they are not that. */
static struct vst_scsi_unit *better(struct vst_scsi_unit *a, struct vst_scsi_unit *b)
{
    struct vst_scsi_path_info of_a, of_b;

    if (!vst_scsi_path_info(a, &of_a) || !vst_scsi_path_info(b, &of_b) ||
        of_a.device != of_b.device)
        return NULL;
    return of_b.state < of_a.state ? b : a;
}

struct vst_scsi_unit *vst_scsi_unit_find(const struct vst_scsi_units *units, const char *name)
{
    const char *serial = behind(name, "serial="), *wwn = behind(name, "wwn=");
    struct vst_scsi_unit *found = NULL;

    for (struct vst_scsi_unit *unit = units->first; unit != NULL; unit = unit->next) {
        if (has_name(unit, name)) {
            if (unit->way == NULL)
                return unit;
            found = found == NULL ? unit : better(found, unit);
            continue;
        }
        if (unit->gone) /* another may stand in its place, or be the same elsewhere */
            continue;
        if (vst_text_equal(name, unit->path))
            return unit;
        if ((serial == NULL || !vst_text_equal(serial, unit->serial)) &&
            (wwn == NULL || !vst_text_equal(wwn, unit->wwn)))
            continue;
        found = found == NULL ? unit : better(found, unit);
        if (found == NULL) /* a unit chooses its own: two of a name are nobody */
            return NULL;
    }
    return found;
}

/* ------------------------------------------------------------------ signs of change */

static uint64_t now_ns(const struct vst_scsi_hba *hba)
{
    return hba->platform->time_ns(hba->platform->ctx);
}

uint32_t vst_scsi_look_after(unsigned action)
{
    switch (action) {
    case SCSI_REREAD_CAPACITY:
        return VST_SCSI_LOOK_CAPACITY;
    case SCSI_REREAD_MODE:
        return VST_SCSI_LOOK_MODE;
    case SCSI_WAS_RESET: /* another may have been put in its place */
    case SCSI_REREAD_IDENTITY:
        return VST_SCSI_LOOK_IDENTITY;
    case SCSI_REREAD_PATHS:
    case SCSI_OTHER_PATH:
        return VST_SCSI_LOOK_PATHS;
    case SCSI_MEDIUM_CHANGED:
    case SCSI_NO_MEDIUM:
        return VST_SCSI_LOOK_MEDIUM;
    case SCSI_RESCAN:
    case SCSI_UNIT_GONE:
        return VST_SCSI_LOOK_LUNS;
    default:
        return 0;
    }
}

static struct vst_scsi_unit *unit_at(const struct vst_scsi_units *units,
                                     const struct vst_scsi_hba *hba, uint8_t target,
                                     const struct vst_scsi_lun *lun)
{
    struct vst_scsi_unit *unit = units->first;

    while (unit != NULL && (unit->hba != hba || unit->target != target || unit->gone ||
                            !vst_scsi_lun_equal(&unit->lun, lun)))
        unit = unit->next;
    return unit;
}

static void look_at_target(struct vst_scsi_hba *hba, uint8_t target)
{
    hba->watch.targets[target / 32] |= 1u << target % 32;
}

static uint32_t look_for_parameters(uint8_t asc, uint8_t ascq)
{
    const struct vst_scsi_sense sense = {
        .valid = true, .key = VST_SCSI_UNIT_ATTENTION, .asc = asc, .ascq = ascq};
    const struct scsi_answer answer = {.status = VST_SCSI_CHECK_CONDITION, .sense = &sense};

    /* What a unit attention would have had done; if that is not known, it may be anything. */
    uint32_t look = vst_scsi_look_after(vst_scsi_rule(&answer)->action);
    return look != 0 ? look : VST_SCSI_LOOK_CAPACITY | VST_SCSI_LOOK_MODE;
}

static void take_event(struct vst_scsi_units *units, struct vst_scsi_hba *hba,
                       const struct vst_scsi_event *event)
{
    struct vst_scsi_unit *unit = event->kind == VST_SCSI_EVENTS_MISSED
                                     ? NULL
                                     : unit_at(units, hba, event->target, &event->lun);

    switch (event->kind) {
    case VST_SCSI_EVENTS_MISSED:
        hba->watch.all = true;
        return;
    case VST_SCSI_EVENT_UNIT_FOUND:
        look_at_target(hba, event->target);
        break;
    case VST_SCSI_EVENT_UNIT_GONE: /* QEMU tells before it is */
        look_at_target(hba, event->target);
        if (hba->watch.check_ns > now_ns(hba) + SOON_NS)
            hba->watch.check_ns = now_ns(hba) + SOON_NS;
        break;
    case VST_SCSI_EVENT_UNIT_RESET:
        if (unit != NULL)
            vst_scsi_unit_look_again(unit, VST_SCSI_LOOK_IDENTITY);
        break;
    case VST_SCSI_EVENT_PARAMETERS:
        if (unit != NULL)
            vst_scsi_unit_look_again(unit, look_for_parameters(event->asc, event->ascq));
        else
            look_at_target(hba, event->target);
        break;
    default:
        if (unit != NULL && (event->classes & VST_SCSI_NOTE_MEDIA) != 0)
            vst_scsi_unit_look_again(unit, VST_SCSI_LOOK_MEDIUM);
        break;
    }
}

static void take_events(struct vst_scsi_units *units, struct vst_scsi_hba *hba)
{
    struct vst_scsi_event event;

    hba->ops->look(hba);
    for (unsigned n = 0; n < MOST_EVENTS && hba->ops->next_event(hba, &event); n++)
        take_event(units, hba, &event);
}

/* ------------------------------------------------------------------ looking again */

static enum vst_status identify_again(struct unit *unit)
{
    enum vst_status status;
    struct unit *seen =
        vst_scsi_unit_create(unit->base.hba, unit->base.target, &unit->base.lun, &status);

    if (seen == NULL)
        return status;
    status = vst_scsi_identify_one(seen);
    if (status == VST_ERR_MALFORMED) /* garbage says nothing, for now */
        status = VST_ERR_NOT_READY;
    if (status == VST_OK && !vst_scsi_is_same_unit(unit, seen, false))
        status = VST_ERR_NOT_FOUND;
    if (status == VST_OK)
        __builtin_memcpy(unit->base.revision, seen->base.revision, sizeof(seen->base.revision));
    vst_scsi_unit_free(seen);
    return status;
}

/** Returns what there is to be looked at again after that. */
static uint32_t ask_again(struct unit *unit, uint32_t what, enum vst_status *status)
{
    struct scsi_talk *talk = vst_scsi_talk_open(unit->base.hba);

    *status = VST_ERR_NO_MEMORY;
    if (talk == NULL)
        return 0;
    talk->nexus = unit->base.nexus;
    *status = unit->driver->look_again(unit, talk, what);
    uint32_t signs = talk->signs & ~what;
    vst_scsi_talk_close(talk);
    return signs;
}

/** Something of a unit is said to have changed. */
static void look_again(struct unit *unit, uint32_t what)
{
    struct vst_scsi_hba *hba = unit->base.hba;
    enum vst_status status = VST_OK;

    if ((what & VST_SCSI_LOOK_LUNS) != 0) {
        look_at_target(hba, unit->base.target);
        what &= ~(uint32_t)VST_SCSI_LOOK_LUNS;
    }
    if ((what & VST_SCSI_LOOK_IDENTITY) != 0)
        status = identify_again(unit);
    if (status == VST_OK && what != 0 && unit->driver != NULL)
        vst_scsi_unit_look_again(&unit->base, ask_again(unit, what, &status));
    if (status == VST_ERR_NOT_FOUND || status == VST_ERR_MALFORMED || status == VST_ERR_GONE) {
        /* Who stands there now is found as somebody new. */
        look_at_target(hba, unit->base.target);
        if (status != VST_ERR_GONE)
            vst_scsi_unit_lose(unit);
    } else if (status != VST_OK) {
        unit->look_later |= what;
    }
}

static void look_at_units(struct vst_scsi_units *units, struct vst_scsi_hba *hba)
{
    for (struct vst_scsi_unit *unit = units->first; unit != NULL; unit = unit->next) {
        if (unit->hba != hba || unit->gone ||
            __atomic_load_n(&unit->look_again, __ATOMIC_RELAXED) == 0)
            continue;
        look_again(unit_of(unit), __atomic_exchange_n(&unit->look_again, 0, __ATOMIC_ACQUIRE));
    }
}

/** What was put off is due. */
static void remind(struct vst_scsi_units *units, const struct vst_scsi_hba *hba)
{
    for (struct vst_scsi_unit *unit = units->first; unit != NULL; unit = unit->next) {
        if (unit->hba != hba || unit_of(unit)->look_later == 0)
            continue;
        vst_scsi_unit_look_again(unit, unit_of(unit)->look_later);
        unit_of(unit)->look_later = 0;
    }
}

/* ------------------------------------------------------------------ which there are */

static enum vst_status scan(struct vst_scsi_units *units, struct vst_scsi_hba *hba,
                            const uint32_t targets[8], bool all)
{
    enum vst_status status = vst_scsi_scan_targets(units, hba, targets, all);

    if (status != VST_OK)
        vst_log(hba->platform, VST_LOG_WARNING, "%s: scan: %s", hba->path, vst_status_text(status));
    return status;
}

static const uint32_t every_target[8] = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX,
                                         UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};

enum vst_status vst_scsi_units_scan(struct vst_scsi_units *units, struct vst_scsi_hba *hba)
{
    struct vst_scsi_hba_watch *watch = &hba->watch;

    /* What is told from here on has to be looked at after this. */
    *watch = (struct vst_scsi_hba_watch){0};
    enum vst_status status = scan(units, hba, every_target, true);
    watch->all_ns = now_ns(hba) + ALL_NS;
    watch->check_ns = now_ns(hba) + CHECK_NS;
    return status;
}

static void scan_if_due(struct vst_scsi_units *units, struct vst_scsi_hba *hba)
{
    struct vst_scsi_hba_watch *watch = &hba->watch;
    uint64_t now = now_ns(hba);
    uint32_t targets[8], any = 0;

    if (watch->all && now >= watch->all_ns) {
        (void)!vst_scsi_units_scan(units, hba);
        return;
    }
    __builtin_memcpy(targets, watch->targets, sizeof(targets));
    __builtin_memset(watch->targets, 0, sizeof(watch->targets));
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(targets); i++)
        any |= targets[i];
    if (any != 0)
        (void)!scan(units, hba, targets, true);
    if (now < watch->check_ns)
        return;
    remind(units, hba);
    (void)!scan(units, hba, every_target, false);
    watch->check_ns = now_ns(hba) + CHECK_NS;
}

/* ------------------------------------------------------------------ leaving */

void vst_scsi_unit_lose(struct unit *unit)
{
    unit->base.gone = true;
    if (unit->driver != NULL)
        unit->driver->unplug(unit);
}

static bool may_leave(const struct unit *unit)
{
    return unit->base.gone && unit->base.n_holders == 0 &&
           (unit->driver == NULL || unit->driver->is_idle(unit));
}

static void let_go(struct vst_scsi_units *units, const struct vst_scsi_hba *hba)
{
    struct vst_scsi_unit **link = &units->first;

    while (*link != NULL) {
        struct vst_scsi_unit *unit = *link;
        if (unit->hba != hba || !may_leave(unit_of(unit))) {
            link = &unit->next;
            continue;
        }
        *link = unit->next;
        units->n--;
        if (units->lost != NULL)
            units->lost(units->ctx, unit);
        vst_scsi_unit_free(unit_of(unit));
    }
}

bool vst_scsi_units_forget(struct vst_scsi_units *units, struct vst_scsi_hba *hba)
{
    for (struct vst_scsi_unit *unit = units->first; unit != NULL; unit = unit->next)
        if (unit->hba == hba && !unit->gone)
            vst_scsi_unit_lose(unit_of(unit));
    let_go(units, hba);
    for (struct vst_scsi_unit *unit = units->first; unit != NULL; unit = unit->next)
        if (unit->hba == hba)
            return false;
    remove_hba(units, hba);
    return true;
}

/** Out of service. */
static void give_up(struct vst_scsi_units *units, const struct vst_scsi_hba *hba)
{
    for (struct vst_scsi_unit *unit = units->first; unit != NULL; unit = unit->next)
        if (unit->hba == hba && unit_of(unit)->driver != NULL)
            unit_of(unit)->driver->give_up(unit_of(unit));
}

void vst_scsi_units_look_after(struct vst_scsi_units *units, struct vst_scsi_hba *hba)
{
    if (hba->broken) {
        give_up(units, hba);
    } else {
        take_events(units, hba);
        look_at_units(units, hba);
        scan_if_due(units, hba);
    }
    let_go(units, hba);
}
