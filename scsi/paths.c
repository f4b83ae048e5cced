/* SPDX-License-Identifier: BSD-2-Clause */
/* Which units are one disk; paths that come and go. */
#include "scsi/paths.h"

#include <vstor/log.h>

#include "scsi/cdb.h"

#define NS_PER_S       1000000000ull
#define NO_PATH_NS     (10 * NS_PER_S)
#define FIRST_ASK_NS   (NS_PER_S / 2)
#define LONGEST_ASK_NS (30 * NS_PER_S)
#define STATES_NS      (5 * NS_PER_S)
#define SOON_NS        (NS_PER_S / 2)
#define MOST_DEPTH     256u
#define PATIENCE_MS    2000u
#define SAMPLE_BYTES   4096u
#define SAMPLE_TRIES   4u

static uint64_t now_ns(const struct scsi_multi *multi)
{
    return multi->platform->time_ns(multi->platform->ctx);
}

bool vst_scsi_path_info(const struct vst_scsi_unit *unit, struct vst_scsi_path_info *info)
{
    const struct vst_scsi_path *path = unit->way;

    if (path == NULL)
        return false;
    *info = (struct vst_scsi_path_info){
        .device = &path->multi->base,
        .state = scsi_path_state(path),
        .preferred = path->preferred,
        .n_failures = __atomic_load_n(&path->n_failures, __ATOMIC_RELAXED),
    };
    for (uint16_t i = 0; i < path->multi->base.n_queues; i++) {
        const struct lane *lane = &path->multi->queues[i].lanes[path - path->multi->path];
        info->n_requests += __atomic_load_n(&lane->n_requests, __ATOMIC_RELAXED);
        info->n_in_flight += __atomic_load_n(&lane->n_in_flight, __ATOMIC_RELAXED);
    }
    return true;
}

/* ------------------------------------------------------------------ who is who */

/** What a disk is told apart by, be it a unit's or one of several paths. */
struct who {
    const char *vendor, *product, *serial, *wwn;
    bool is_unique;
    const struct vst_block_device *device;
};

static struct who who_of_unit(const struct vst_scsi_unit *unit)
{
    return (struct who){unit->vendor, unit->product,       unit->serial,
                        unit->wwn,    unit->wwn_is_unique, unit->block};
}

static struct who who_of_multi(const struct scsi_multi *multi)
{
    return (struct who){multi->vendor, multi->product,       multi->base.serial,
                        multi->wwn,    multi->wwn_is_unique, &multi->base};
}

static bool may_be_same(const struct who *a, const struct who *b)
{
    bool same_serial = vst_text_equal(a->serial, b->serial);

    if (a->is_unique != b->is_unique || !vst_text_equal(a->wwn, b->wwn))
        return false;
    if (a->is_unique && a->wwn[0] != '\0')
        return same_serial || a->serial[0] == '\0' || b->serial[0] == '\0';
    return same_serial && a->serial[0] != '\0' && vst_text_equal(a->vendor, b->vendor) &&
           vst_text_equal(a->product, b->product);
}

/**
 * The same for all that may be the same, so that one among hundreds is soon told from the others; 0
 * for who has nothing to be told apart by.
 */
static uint32_t hash_of(const struct who *who)
{
    const char *c = who->is_unique && who->wwn[0] != '\0' ? who->wwn : who->serial;
    uint32_t hash = 2166136261u; /* FNV-1a */

    if (*c == '\0')
        return 0;
    for (; *c != '\0'; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619u;
    return hash != 0 ? hash : 1;
}

static bool same_shape(const struct vst_block_device *a, const struct vst_block_device *b)
{
    return a->limits.n_sectors == b->limits.n_sectors &&
           a->limits.logical_block_bytes == b->limits.logical_block_bytes;
}

/** Somebody may be writing there: then they are looked at again. */
static bool same_sample(const struct vst_block_device *a, const struct vst_block_device *b,
                        uint64_t offset_bytes, uint8_t *buffer, size_t bytes)
{
    for (unsigned i = 0; i < SAMPLE_TRIES; i++) {
        if (vst_block_read_bytes(a->queues[0], offset_bytes, buffer, bytes, NULL, 0, NULL) !=
                VST_OK ||
            vst_block_read_bytes(b->queues[0], offset_bytes, buffer + bytes, bytes, NULL, 0,
                                 NULL) != VST_OK)
            return false;
        if (__builtin_memcmp(buffer, buffer + bytes, bytes) == 0)
            return true;
    }
    return false;
}

/** A serial number alone proves little. */
static bool same_data(const struct vst_block_device *a, const struct vst_block_device *b)
{
    const struct vst_platform *platform = a->platform;
    uint64_t capacity = a->limits.n_sectors << VST_SECTOR_SHIFT;
    size_t bytes = a->limits.logical_block_bytes;
    uint64_t bus_addr;

    while (bytes < SAMPLE_BYTES && 2 * bytes <= capacity)
        bytes *= 2;
    uint64_t n = capacity / bytes;
    uint8_t *buffer = platform->alloc(platform->ctx, 2 * bytes, 4096, VST_MEMORY_SHARED, &bus_addr);
    if (buffer == NULL)
        return false;
    bool same = same_sample(a, b, 0, buffer, bytes) &&
                same_sample(a, b, n / 2 * bytes, buffer, bytes) &&
                same_sample(a, b, capacity - bytes, buffer, bytes);
    platform->free(platform->ctx, buffer, 2 * bytes, VST_MEMORY_SHARED);
    return same;
}

/** The rule of vstor/scsi_paths.h. */
static bool is_same(const struct who *a, const struct who *b)
{
    if (!may_be_same(a, b))
        return false;
    bool same = same_shape(a->device, b->device) &&
                ((a->is_unique && a->wwn[0] != '\0') || same_data(a->device, b->device));
    if (!same)
        vst_log(b->device->platform, VST_LOG_WARNING,
                "%s: has the name or serial number of %s, but is not the same disk",
                b->device->path, a->device->path);
    return same;
}

/* ------------------------------------------------------------------ what the disk is like */

static void narrow(struct vst_block_range_limits *limits, const struct vst_block_range_limits *of)
{
    if (of->max_ranges == 0)
        *limits = (struct vst_block_range_limits){0};
    limits->max_sectors = vst_min_u32(limits->max_sectors, of->max_sectors);
}

/** What all of the paths can do. */
static void narrow_to(struct scsi_multi *multi, const struct vst_block_device *disk)
{
    struct vst_block_device *device = &multi->base;

    narrow(&device->limits.discard, &disk->limits.discard);
    narrow(&device->limits.zeroes, &disk->limits.zeroes);
    narrow(&device->limits.erase, &disk->limits.erase);
    device->limits.zeroes_may_unmap &= disk->limits.zeroes_may_unmap;
    device->write_cache_settable &= disk->write_cache_settable;
}

static bool counts(const struct vst_scsi_path *path)
{
    return scsi_path_state(path) < VST_SCSI_PATH_FAILED;
}

/** Paths that tell different things are believed the worse. */
static void take_changes(struct scsi_multi *multi)
{
    struct vst_block_device *device = &multi->base;
    uint64_t n_sectors = UINT64_MAX;
    bool read_only = false, write_cache = false, flush_needed = false;

    for (unsigned i = 0; i < VST_SCSI_MOST_PATHS; i++) {
        if (!counts(&multi->path[i]))
            continue;
        const struct vst_block_device *disk = &multi->path[i].disk->base;
        if (disk->limits.n_sectors < n_sectors)
            n_sectors = disk->limits.n_sectors;
        read_only |= disk->read_only;
        write_cache |= disk->write_cache;
        flush_needed |= disk->flush_needed;
    }
    if (n_sectors == UINT64_MAX) /* nobody knows better */
        return;
    device->read_only = read_only;
    device->write_cache = write_cache;
    device->flush_needed = flush_needed;
    __atomic_store_n(&device->limits.n_sectors, n_sectors, __ATOMIC_RELEASE);
    vst_block_limits_changed(device);
}

/** Names of an adapter's features live as long as that does. */
static void describe_paths(struct scsi_multi *multi)
{
    struct vst_block_device *device = &multi->base;

    device->n_paths = device->n_known_paths = 0;
    device->features = NULL;
    device->irq_mode = "poll";
    for (unsigned i = 0; i < VST_SCSI_MOST_PATHS; i++) {
        const struct vst_scsi_path *path = &multi->path[i];
        if (!scsi_path_is_there(path))
            continue;
        const struct vst_block_device *disk = &path->disk->base;
        if (device->n_known_paths == 0) {
            device->features = disk->features;
            device->irq_mode = disk->irq_mode;
            device->transport_name = disk->transport_name;
            device->ring_name = disk->ring_name;
        }
        device->n_known_paths++;
        device->n_paths += scsi_path_is_active(scsi_path_state(path));
    }
}

/* ------------------------------------------------------------------ making one */

static void copy_identity(struct scsi_multi *multi, const struct vst_scsi_unit *unit)
{
    _Static_assert(sizeof(multi->vendor) == sizeof(unit->vendor) &&
                       sizeof(multi->product) == sizeof(unit->product) &&
                       sizeof(multi->revision) == sizeof(unit->revision) &&
                       sizeof(multi->hctl) == sizeof(unit->hctl) &&
                       sizeof(multi->wwn) == sizeof(unit->wwn),
                   "copied whole");
    __builtin_memcpy(multi->vendor, unit->vendor, sizeof(unit->vendor));
    __builtin_memcpy(multi->product, unit->product, sizeof(unit->product));
    __builtin_memcpy(multi->revision, unit->revision, sizeof(unit->revision));
    __builtin_memcpy(multi->hctl, unit->hctl, sizeof(unit->hctl));
    __builtin_memcpy(multi->wwn, unit->wwn, sizeof(unit->wwn));
    multi->wwn_is_unique = unit->wwn_is_unique;
    multi->identity = unit->identity;
    multi->identity.vendor = multi->vendor;
    multi->identity.product = multi->product;
    multi->identity.revision = multi->revision;
    multi->identity.hctl = multi->hctl;
    multi->identity.wwn = multi->wwn;
    multi->base.identity = &multi->identity;
}

/** Nothing is split here: each path does that as it must. */
static void copy_device(struct scsi_multi *multi, const struct vst_block_device *disk)
{
    struct vst_block_device *device = &multi->base;
    struct vst_block_limits *limits = &device->limits;

    __builtin_memcpy(device->path, disk->path, sizeof(device->path));
    __builtin_memcpy(device->serial, disk->serial, sizeof(device->serial));
    device->multipath = true;
    device->driver_name = disk->driver_name;
    device->transport_name = disk->transport_name;
    device->ring_name = disk->ring_name;
    device->irq_mode = disk->irq_mode;
    device->change_message = VST_BLOCK_NO_MESSAGE;
    device->platform = disk->platform;
    device->read_only = disk->read_only;
    device->write_cache = disk->write_cache;
    device->write_cache_settable = disk->write_cache_settable;
    device->flush_needed = disk->flush_needed;
    *limits = disk->limits;
    limits->max_segments = UINT32_MAX;
    limits->max_segment_bytes = 1u << 31;
    limits->max_sectors = 1u << 31;
    limits->depth = (uint16_t)vst_min_u32(2u * disk->limits.depth, MOST_DEPTH);
    limits->discard.max_ranges = limits->discard.max_ranges != 0;
    limits->zeroes.max_ranges = limits->zeroes.max_ranges != 0;
    limits->erase.max_ranges = limits->erase.max_ranges != 0;
}

static void make_queue(struct scsi_multi *multi, uint16_t index, struct clone *clones)
{
    struct multi_queue *q = &multi->queues[index];

    q->base.device = &multi->base;
    q->base.driver = &vst_scsi_multi_driver;
    q->base.index = index;
    q->multi = multi;
    q->clones = clones;
    for (uint16_t i = 0; i < multi->base.limits.depth; i++) {
        clones[i].next = q->free;
        q->free = &clones[i];
    }
    q->n_free = multi->base.limits.depth;
    multi->queue_list[index] = &q->base;
}

static struct scsi_multi *create(struct vst_scsi_paths *paths, struct vst_scsi_unit *unit,
                                 uint16_t n_queues)
{
    const struct vst_platform *platform = unit->hba->platform;
    size_t depth = vst_min_u32(2u * unit->block->limits.depth, MOST_DEPTH);
    size_t queue_bytes = sizeof(struct multi_queue) + depth * sizeof(struct clone) +
                         sizeof(struct vst_block_stats) + sizeof(struct vst_block_queue *);
    size_t bytes = sizeof(struct scsi_multi) + n_queues * queue_bytes;
    struct scsi_multi *multi = platform->alloc(platform->ctx, bytes, 64, VST_MEMORY_PRIVATE, NULL);

    if (multi == NULL)
        return NULL;
    multi->paths = paths;
    multi->platform = platform;
    multi->bytes = multi->base.memory_bytes = bytes;
    multi->base.queue_memory_bytes = queue_bytes;
    multi->no_path_ns = paths->no_path_ns != 0 ? paths->no_path_ns : NO_PATH_NS;
    for (unsigned i = 0; i < VST_SCSI_MOST_PATHS; i++)
        multi->path[i] = (struct vst_scsi_path){.multi = multi, .state = VST_SCSI_PATH_NONE};
    multi->who_hash = unit_of(unit)->who_hash;
    copy_identity(multi, unit);
    copy_device(multi, unit->block);
    multi->queues = (struct multi_queue *)(void *)(multi + 1);
    struct clone *clones = (struct clone *)(void *)(multi->queues + n_queues);
    multi->stats_before = (struct vst_block_stats *)(void *)(clones + n_queues * depth);
    multi->queue_list = (struct vst_block_queue **)(void *)(multi->stats_before + n_queues);
    multi->base.queues = multi->queue_list;
    multi->base.n_queues = n_queues;
    for (uint16_t i = 0; i < n_queues; i++)
        make_queue(multi, i, clones + i * depth);
    vst_block_limits_changed(&multi->base);
    multi->next = paths->first;
    paths->first = multi;
    return multi;
}

/* ------------------------------------------------------------------ a path's unit */

/** It answered who it is, and how large: whether it also takes requests. */
static void bring_back(struct vst_scsi_path *path, struct scsi_talk *talk)
{
    struct scsi_view view;
    bool active = scsi_path_is_active((enum vst_scsi_path_state)path->access);

    if (active && (path->multi->base.limits.n_sectors != path->disk->base.limits.n_sectors ||
                   vst_scsi_ask(talk, vst_scsi_test_unit_ready(), 0, PATIENCE_MS, &view) != VST_OK))
        return;
    path->patience_ns = 0;
    vst_scsi_path_raise(path);
}

/** One path has found another size: those that have not should look, too. */
static void have_others_look(const struct vst_scsi_path *path)
{
    for (unsigned i = 0; i < VST_SCSI_MOST_PATHS; i++) {
        struct vst_scsi_path *other = &path->multi->path[i];
        if (other != path && scsi_path_is_there(other) &&
            other->disk->base.limits.n_sectors != path->disk->base.limits.n_sectors)
            vst_scsi_unit_look_again(other->unit, VST_SCSI_LOOK_CAPACITY);
    }
}

static enum vst_status look_again(struct unit *unit, struct scsi_talk *talk, uint32_t what)
{
    struct vst_scsi_path *path = unit->base.way;
    uint64_t before = path->disk->base.limits.n_sectors;
    enum vst_status status = path->driver->look_again(unit, talk, what);

    if (status == VST_ERR_MALFORMED)
        return status;
    if (path->disk->base.limits.n_sectors != before)
        have_others_look(path);
    if ((what & (VST_SCSI_LOOK_PATHS | VST_SCSI_LOOK_IDENTITY)) != 0)
        vst_scsi_path_ask_states(path, talk);
    /* A path that is not active need not tell of blocks. */
    if (status != VST_OK && scsi_path_is_active((enum vst_scsi_path_state)path->access))
        return status;
    if ((what & VST_SCSI_LOOK_IDENTITY) != 0 && scsi_path_state(path) == VST_SCSI_PATH_FAILED)
        bring_back(path, talk);
    take_changes(path->multi);
    return VST_OK;
}

static void unplug(struct unit *unit)
{
    struct vst_scsi_path *path = unit->base.way;

    path->driver->unplug(unit);
    __atomic_store_n(&path->state, VST_SCSI_PATH_LEAVING, __ATOMIC_SEQ_CST);
    vst_log(path->multi->platform, VST_LOG_WARNING, "%s: path %s is gone", path->multi->base.name,
            unit->base.path);
}

static void give_up(struct unit *unit)
{
    struct vst_scsi_path *path = unit->base.way;

    path->driver->give_up(unit);
    vst_scsi_path_lower(path, VST_SCSI_PATH_FAILED);
}

/** So that what was counted stays. */
static void keep_stats(const struct vst_scsi_path *path)
{
    for (uint16_t i = 0; i < path->multi->base.n_queues && i < path->n_queues; i++) {
        const struct vst_block_stats *stats = &path->disk->queue_list[i]->stats;
        struct vst_block_stats *before = &path->multi->stats_before[i];
        before->kicks += stats->kicks;
        before->interrupts += stats->interrupts;
        before->interrupts_elsewhere += stats->interrupts_elsewhere;
        before->rescues += stats->rescues;
        before->timeouts += stats->timeouts;
        before->device_resets += stats->device_resets;
    }
}

/** A path whose unit is gone leaves once no queue is on it: then that is as idle as its disk. */
static bool is_idle(const struct unit *unit)
{
    struct vst_scsi_path *path = unit->base.way;
    const struct unit_driver *driver = path->driver;
    struct unit *leaving = unit_of(path->unit);

    if (!vst_scsi_path_is_empty(path) || !driver->is_idle(unit))
        return false;
    keep_stats(path);
    path->disk->judge = NULL;
    leaving->driver = driver;
    leaving->base.way = NULL;
    __atomic_store_n(&path->n_queues, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&path->state, VST_SCSI_PATH_NONE, __ATOMIC_RELEASE);
    return true;
}

static const struct unit_driver path_unit_driver = {
    .look_again = look_again,
    .unplug = unplug,
    .give_up = give_up,
    .is_idle = is_idle,
};

/* ------------------------------------------------------------------ paths that come */

static void reset_counts(struct scsi_multi *multi, unsigned number)
{
    for (uint16_t i = 0; i < multi->base.n_queues; i++)
        __atomic_store_n(&multi->queues[i].lanes[number].n_requests, 0, __ATOMIC_RELAXED);
}

static void ask_states(struct vst_scsi_path *path)
{
    struct scsi_talk *talk =
        path->unit->port_groups != 0 ? vst_scsi_talk_open(path->unit->hba) : NULL;

    if (talk == NULL)
        return;
    talk->nexus = path->unit->nexus;
    vst_scsi_path_ask_states(path, talk);
    vst_scsi_talk_close(talk);
}

static void join(struct scsi_multi *multi, struct vst_scsi_unit *unit)
{
    unsigned i = 0;

    while (i < VST_SCSI_MOST_PATHS && scsi_path_state(&multi->path[i]) != VST_SCSI_PATH_NONE)
        i++;
    if (i == VST_SCSI_MOST_PATHS) {
        vst_log(multi->platform, VST_LOG_WARNING, "%s: is one path too many to %s, and left aside",
                unit->path, multi->base.name);
        return;
    }
    struct vst_scsi_path *path = &multi->path[i];
    *path = (struct vst_scsi_path){
        .multi = multi,
        .state = VST_SCSI_PATH_NONE,
        .access = VST_SCSI_PATH_OPTIMIZED,
        .unit = unit,
        .disk = scsi_disk_of_unit(unit),
        .driver = unit_of(unit)->driver,
    };
    unit->way = path;
    unit_of(unit)->driver = &path_unit_driver;
    path->disk->judge = vst_scsi_path_judge;
    reset_counts(multi, i);
    narrow_to(multi, unit->block);
    __atomic_store_n(&path->n_queues, unit->hba->n_queues, __ATOMIC_RELAXED);
    /* Not to be used before it is known how well it serves. */
    __atomic_store_n(&path->state, VST_SCSI_PATH_UNAVAILABLE, __ATOMIC_RELEASE);
    ask_states(path);
    vst_scsi_path_raise(path);
    multi->empty_ns = 0;
    take_changes(multi);
    describe_paths(multi);
}

static bool is_usable_alone(const struct vst_scsi_unit *unit)
{
    return unit->type == VST_SCSI_TYPE_DISK && unit->block != NULL && unit->way == NULL &&
           !unit->gone;
}

static struct scsi_multi *find_multi(const struct vst_scsi_paths *paths, struct vst_scsi_unit *unit)
{
    const struct who who = who_of_unit(unit);

    for (struct scsi_multi *multi = paths->first; multi != NULL; multi = multi->next) {
        const struct who other = who_of_multi(multi);
        if (!multi->base.gone && multi->who_hash == unit_of(unit)->who_hash &&
            is_same(&other, &who))
            return multi;
    }
    return NULL;
}

static struct vst_scsi_unit *find_other(const struct vst_scsi_units *units,
                                        struct vst_scsi_unit *unit)
{
    const struct who who = who_of_unit(unit);
    uint32_t hash = unit_of(unit)->who_hash;

    for (struct vst_scsi_unit *other = units->first; other != NULL; other = other->next) {
        if (unit_of(other)->who_hash != hash || other == unit || !is_usable_alone(other) ||
            unit_of(other)->awaits_path)
            continue;
        const struct who who_else = who_of_unit(other);
        if (is_same(&who_else, &who))
            return other;
    }
    return NULL;
}

static uint16_t min_queues(const struct vst_scsi_unit *a, const struct vst_scsi_unit *b)
{
    return a->hba->n_queues < b->hba->n_queues ? a->hba->n_queues : b->hba->n_queues;
}

void vst_scsi_paths_take(struct vst_scsi_paths *paths, struct vst_scsi_units *units,
                         struct vst_scsi_unit *unit)
{
    if (is_usable_alone(unit)) {
        const struct who who = who_of_unit(unit);
        unit_of(unit)->who_hash = hash_of(&who);
    }
    unit_of(unit)->awaits_path = false;
    bool may_have_others = is_usable_alone(unit) && unit_of(unit)->who_hash != 0;
    struct scsi_multi *multi = may_have_others ? find_multi(paths, unit) : NULL;
    if (multi != NULL) {
        join(multi, unit);
        return;
    }
    struct vst_scsi_unit *other = may_have_others ? find_other(units, unit) : NULL;
    if (other != NULL && other->block->n_holders > 0) {
        unit_of(unit)->awaits_path = true;
        return;
    }
    if (other != NULL)
        multi = create(paths, other, min_queues(other, unit));
    if (multi == NULL) {
        paths->alone(paths->ctx, unit);
        return;
    }
    paths->made(paths->ctx, other->block, &multi->base);
    join(multi, other);
    join(multi, unit);
}

/* ------------------------------------------------------------------ looking after */

/** Its adapter is in service: then it may come back by itself. */
static void ask_failed(struct vst_scsi_path *path, uint64_t now)
{
    if (scsi_path_state(path) != VST_SCSI_PATH_FAILED || path->unit->hba->broken ||
        now < path->ask_ns)
        return;
    uint64_t longer = path->patience_ns * 2;
    path->patience_ns = path->patience_ns == 0    ? FIRST_ASK_NS
                        : longer > LONGEST_ASK_NS ? LONGEST_ASK_NS
                                                  : longer;
    path->ask_ns = now + path->patience_ns;
    vst_scsi_unit_look_again(path->unit, VST_SCSI_LOOK_IDENTITY | VST_SCSI_LOOK_PATHS);
}

/** States change without a word to those who send nothing. */
static void ask_for_states(struct scsi_multi *multi, uint64_t now)
{
    struct vst_scsi_path *asked = NULL;
    bool any_other = false;

    for (unsigned i = 0; i < VST_SCSI_MOST_PATHS; i++) {
        struct vst_scsi_path *path = &multi->path[i];
        if (!counts(path) || path->unit->port_groups == 0)
            continue;
        any_other |= scsi_path_state(path) != VST_SCSI_PATH_OPTIMIZED;
        if (asked == NULL || scsi_path_state(path) < scsi_path_state(asked))
            asked = path;
    }
    if (!any_other || now < multi->states_ns)
        return;
    multi->states_ns = now + (scsi_path_is_active(scsi_path_state(asked)) ? STATES_NS : SOON_NS);
    vst_scsi_unit_look_again(asked->unit, VST_SCSI_LOOK_PATHS);
}

static struct vst_scsi_path *standby_path(struct scsi_multi *multi)
{
    struct vst_scsi_path *found = NULL;

    for (unsigned i = 0; i < VST_SCSI_MOST_PATHS; i++) {
        struct vst_scsi_path *path = &multi->path[i];
        if (scsi_path_is_active(scsi_path_state(path)))
            return NULL;
        if (scsi_path_state(path) == VST_SCSI_PATH_STANDBY &&
            (found == NULL || (path->preferred && !found->preferred)))
            found = path;
    }
    return found;
}

static void activate(struct scsi_multi *multi, uint64_t now)
{
    struct vst_scsi_path *path = standby_path(multi);

    if (path == NULL || now < multi->activate_ns)
        return;
    multi->activate_ns = now + NS_PER_S;
    if (!vst_scsi_path_activate(path))
        return;
    multi->states_ns = 0;
    vst_scsi_unit_look_again(path->unit, VST_SCSI_LOOK_PATHS);
}

static bool is_empty(const struct scsi_multi *multi)
{
    for (unsigned i = 0; i < VST_SCSI_MOST_PATHS; i++)
        if (scsi_path_state(&multi->path[i]) != VST_SCSI_PATH_NONE)
            return false;
    return true;
}

static void end_service(struct scsi_multi *multi)
{
    multi->base.broken_why = "no path is left";
    __atomic_store_n(&multi->base.broken, true, __ATOMIC_RELAXED);
    vst_block_limits_changed(&multi->base);
    __atomic_store_n(&multi->base.gone, true, __ATOMIC_RELEASE);
}

/** Without paths it stays for a while, in case one comes back. */
static void look_whether_left(struct scsi_multi *multi, uint64_t now)
{
    if (multi->base.gone || !is_empty(multi))
        return;
    if (multi->empty_ns == 0)
        multi->empty_ns = now;
    if (now - multi->empty_ns >= multi->no_path_ns)
        end_service(multi);
}

static void look_after(struct scsi_multi *multi)
{
    uint64_t now = now_ns(multi);

    for (unsigned i = 0; i < VST_SCSI_MOST_PATHS; i++)
        ask_failed(&multi->path[i], now);
    ask_for_states(multi, now);
    activate(multi, now);
    look_whether_left(multi, now);
    describe_paths(multi);
}

static void remove_left(struct vst_scsi_paths *paths)
{
    struct scsi_multi **link = &paths->first;

    while (*link != NULL) {
        struct scsi_multi *multi = *link;
        if (!multi->base.gone || !is_empty(multi) || !vst_scsi_multi_is_idle(multi)) {
            link = &multi->next;
            continue;
        }
        *link = multi->next;
        paths->left(paths->ctx, &multi->base);
        multi->platform->free(multi->platform->ctx, multi, multi->bytes, VST_MEMORY_PRIVATE);
    }
}

void vst_scsi_paths_look_after(struct vst_scsi_paths *paths, struct vst_scsi_units *units)
{
    for (struct vst_scsi_unit *unit = units->first; unit != NULL; unit = unit->next)
        if (unit_of(unit)->awaits_path && !unit->gone)
            vst_scsi_paths_take(paths, units, unit);
    for (struct scsi_multi *multi = paths->first; multi != NULL; multi = multi->next)
        look_after(multi);
    remove_left(paths);
}

void vst_scsi_paths_close(struct vst_scsi_paths *paths)
{
    for (struct scsi_multi *multi = paths->first; multi != NULL; multi = multi->next)
        if (!multi->base.gone && is_empty(multi))
            end_service(multi);
    remove_left(paths);
}
