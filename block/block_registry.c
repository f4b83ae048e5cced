/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of block devices, and finding them by name, path, serial number or world-wide name. */
#include <vstor/block.h>

const char *vst_block_op_name(unsigned op)
{
    static const char *const names[VST_BLOCK_N_OPS] = {
        [VST_BLOCK_READ] = "read",
        [VST_BLOCK_WRITE] = "write",
        [VST_BLOCK_FLUSH] = "flush",
        [VST_BLOCK_WRITE_DURABLE] = "durable write",
        [VST_BLOCK_DISCARD] = "discard",
        [VST_BLOCK_WRITE_ZEROES] = "write zeroes",
        [VST_BLOCK_WRITE_ZEROES_KEEP] = "write zeroes (kept)",
        [VST_BLOCK_SECURE_ERASE] = "secure erase",
        [VST_BLOCK_LIFETIME] = "lifetime",
        [VST_BLOCK_ZONE_APPEND] = "zone append",
        [VST_BLOCK_ZONE_REPORT] = "zone report",
        [VST_BLOCK_ZONE_OPEN] = "zone open",
        [VST_BLOCK_ZONE_CLOSE] = "zone close",
        [VST_BLOCK_ZONE_FINISH] = "zone finish",
        [VST_BLOCK_ZONE_RESET] = "zone reset",
        [VST_BLOCK_ZONE_RESET_ALL] = "zone reset all",
    };

    return op < VST_BLOCK_N_OPS ? names[op] : "unknown";
}

void vst_block_stats_add(struct vst_block_stats *to, const struct vst_block_stats *from)
{
    for (unsigned op = 0; op < VST_BLOCK_N_OPS; op++) {
        to->commands[op] += from->commands[op];
        to->sectors[op] += from->sectors[op];
    }
    to->errors += from->errors;
    to->kicks += from->kicks;
    to->interrupts += __atomic_load_n(&from->interrupts, __ATOMIC_RELAXED);
    to->interrupts_elsewhere += from->interrupts_elsewhere;
    to->rescues += from->rescues;
    to->timeouts += from->timeouts;
    to->queue_resets += from->queue_resets;
    to->device_resets += from->device_resets;
    to->replays += from->replays;
}

static size_t text_length(const char *text)
{
    size_t n = 0;

    while (text[n] != '\0')
        n++;
    return n;
}

static bool starts_with(const char *text, const char *prefix)
{
    size_t n = text_length(prefix);

    return text_length(text) >= n && __builtin_memcmp(text, prefix, n) == 0;
}

/**
 * prefix + a, b, .. z, aa, ab, ..: numbers with the letters as digits, but without a zero. Where the
 * prefix ends in 0 decimal digits take its place.
 */
static void make_name(char *name, size_t bytes, const char *prefix, unsigned number)
{
    char letters[8];
    size_t at = sizeof(letters) - 1;
    size_t n = text_length(prefix);
    bool counted = n > 0 && prefix[n - 1] == '0';

    letters[at] = '\0';
    if (counted) {
        n--;
        do
            letters[--at] = (char)('0' + number % 10);
        while ((number /= 10) > 0 && at > 0);
    } else {
        for (number++; number > 0 && at > 0; number = (number - 1) / 26)
            letters[--at] = (char)('a' + (number - 1) % 26);
    }
    if (n > bytes - sizeof(letters))
        n = bytes - sizeof(letters);
    __builtin_memcpy(name, prefix, n);
    __builtin_memcpy(name + n, letters + at, sizeof(letters) - at);
}

/** The number that make_name has made `name` of; UINT64_MAX: none, it was named otherwise. */
static uint64_t number_of(const char *name, const char *prefix)
{
    size_t n = text_length(prefix);
    bool counted = n > 0 && prefix[n - 1] == '0';
    const char first = counted ? '0' : 'a';
    const unsigned n_digits = counted ? 10 : 26;
    uint64_t number = 0;

    n -= counted;
    if (text_length(name) <= n || __builtin_memcmp(name, prefix, n) != 0)
        return UINT64_MAX;
    for (const char *digit = name + n; *digit != '\0'; digit++) {
        if (*digit < first || *digit >= first + (int)n_digits)
            return UINT64_MAX;
        number = number * n_digits + (uint64_t)(*digit - first) + !counted;
    }
    return number - !counted;
}

#define NUMBERS_AT_ONCE 1024u

/** The least number of which there is no device: each of them is looked at once for many numbers. */
static unsigned search_number(const struct vst_block_registry *registry, const char *prefix)
{
    for (unsigned first = 0;; first += NUMBERS_AT_ONCE) {
        bool taken[NUMBERS_AT_ONCE] = {false};
        for (const struct vst_block_device *d = registry->first; d != NULL; d = d->next) {
            uint64_t number = number_of(d->name, prefix);
            if (number >= first && number < first + NUMBERS_AT_ONCE)
                taken[number - first] = true;
        }
        for (unsigned i = 0; i < NUMBERS_AT_ONCE; i++)
            if (!taken[i])
                return first + i;
    }
}

/** NULL: there are too many prefixes, or it is too long. */
static struct vst_block_names *names_of(struct vst_block_registry *registry, const char *prefix)
{
    size_t bytes = text_length(prefix) + 1;

    for (size_t i = 0; i < VST_ARRAY_LENGTH(registry->names); i++) {
        struct vst_block_names *names = &registry->names[i];
        if (bytes > sizeof(names->prefix))
            break;
        if (names->prefix[0] == '\0')
            __builtin_memcpy(names->prefix, prefix, bytes);
        if (vst_text_equal(names->prefix, prefix))
            return names;
    }
    return NULL;
}

/** Mostly all lower numbers are given: then nobody is looked at, however many there are. */
static unsigned free_number(struct vst_block_registry *registry, const char *prefix)
{
    struct vst_block_names *names = names_of(registry, prefix);

    if (names == NULL)
        return search_number(registry, prefix);
    unsigned number = names->has_gaps ? search_number(registry, prefix) : names->n;
    names->has_gaps = names->has_gaps && number < names->n;
    names->n++;
    return number;
}

static void note_gap(struct vst_block_registry *registry, const struct vst_block_device *device)
{
    for (size_t i = 0; i < VST_ARRAY_LENGTH(registry->names); i++) {
        struct vst_block_names *names = &registry->names[i];
        if (names->prefix[0] == '\0' || number_of(device->name, names->prefix) == UINT64_MAX)
            continue;
        names->has_gaps = true;
        names->n--;
    }
}

void vst_block_register(struct vst_block_registry *registry, struct vst_block_device *device,
                        const char *prefix)
{
    make_name(device->name, sizeof(device->name), prefix, free_number(registry, prefix));
    device->id = ++registry->n_registered;
    device->next = NULL;
    if (registry->first == NULL)
        registry->first = device;
    else
        registry->last->next = device;
    registry->last = device;
}

void vst_block_unregister(struct vst_block_registry *registry, struct vst_block_device *device)
{
    struct vst_block_device *previous = NULL;

    for (struct vst_block_device *d = registry->first; d != NULL; previous = d, d = d->next) {
        if (d != device)
            continue;
        if (previous == NULL)
            registry->first = d->next;
        else
            previous->next = d->next;
        if (registry->last == d)
            registry->last = previous;
        note_gap(registry, device);
        return;
    }
}

void vst_block_replace(struct vst_block_registry *registry, struct vst_block_device *old,
                       struct vst_block_device *device)
{
    struct vst_block_device **link = &registry->first;

    while (*link != NULL && *link != old)
        link = &(*link)->next;
    if (*link == NULL)
        return;
    *link = device;
    device->id = ++registry->n_registered;
    device->next = old->next;
    if (registry->last == old)
        registry->last = device;
    __builtin_memcpy(device->name, old->name, sizeof(device->name));
    old->next = NULL;
    old->name[0] = '\0';
}

/** Whether `name` is `key` with that value, which is not "". */
static bool names(const char *name, const char *key, const char *value)
{
    return starts_with(name, key) && value[0] != '\0' &&
           vst_text_equal(name + text_length(key), value);
}

static const char *wwn_of(const struct vst_block_device *device)
{
    return device->identity != NULL ? device->identity->wwn : "";
}

struct vst_block_device *vst_block_find(const struct vst_block_registry *registry, const char *name)
{
    struct vst_block_device *found = NULL;

    for (struct vst_block_device *device = registry->first; device != NULL; device = device->next) {
        if (vst_text_equal(name, device->name))
            return device;
        if (device->gone) /* another may stand in its place, or be the same disk elsewhere */
            continue;
        if (vst_text_equal(name, device->path))
            return device;
        if (!names(name, "serial=", device->serial) && !names(name, "wwn=", wwn_of(device)))
            continue;
        if (found != NULL) /* a device chooses its own serial: two of a name are nobody */
            return NULL;
        found = device;
    }
    return found;
}
