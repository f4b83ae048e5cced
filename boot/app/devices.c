/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "boot/app/devices.h"

#define BY_PATH "disk/by-path/"
#define BY_ID   "disk/by-id/"

/* A walk, and the place that it has come to. */
struct walk {
    device_taker *take;
    void *ctx;
    struct device_place place;
    bool ended;
};

/* As udev does: blanks at both ends go, others become one '_' each time, and so does what it does not
 * like in a name. Cut where it is too long. */
static void append(char *name, const char *text)
{
    size_t at = strlen(name);
    const char *end = text + strlen(text);

    while (*text == ' ')
        text++;
    while (end > text && end[-1] == ' ')
        end--;
    for (; text < end && at < DEVICE_NAME_BYTES - 1; text++) {
        if (*text == ' ' && text[1] == ' ')
            continue;
        bool plain = (*text >= '0' && *text <= '9') || (*text >= 'A' && *text <= 'Z') ||
                     (*text >= 'a' && *text <= 'z') || strchr("#+-.:=@_", *text) != NULL;
        name[at++] = plain ? *text : '_';
    }
    name[at] = '\0';
}

static void give(struct walk *walk, const char *name)
{
    if (!walk->ended)
        walk->ended = !walk->take(walk->ctx, name, &walk->place);
}

/* The disk's own names, with `suffix` behind: that of a partition. */
static void give_lasting(struct walk *walk, const char *suffix)
{
    const struct vst_block_device *device = walk->place.device;
    const struct vst_block_identity *identity = device->identity;
    char name[DEVICE_NAME_BYTES];

    snprintf(name, sizeof(name), BY_PATH "%s%s", device->path, suffix);
    give(walk, name);
    if (identity == NULL && device->serial[0] != '\0') {
        strcpy(name, BY_ID "virtio-");
        append(name, device->serial);
        append(name, suffix);
        give(walk, name);
    }
    if (identity != NULL && device->serial[0] != '\0') {
        strcpy(name, BY_ID "scsi-0");
        append(name, identity->vendor);
        append(name, "_");
        append(name, identity->product);
        append(name, "_");
        append(name, device->serial);
        append(name, suffix);
        give(walk, name);
    }
    if (identity != NULL && identity->wwn[0] != '\0') {
        strcpy(name, BY_ID "wwn-");
        append(name, identity->wwn);
        append(name, suffix);
        give(walk, name);
    }
}

void devices_walk(struct vst_block_registry *registry, device_taker *take, void *ctx)
{
    struct walk walk = {.take = take, .ctx = ctx};
    unsigned n = 0;

    for (struct vst_block_device *d = registry->first; d != NULL && !walk.ended; d = d->next) {
        walk.place = (struct device_place){.device = d, .id = ++n};
        give(&walk, d->name);
        if (!d->gone) /* another may stand in its place */
            give_lasting(&walk, "");
    }
}

/* ---------------------------------------------------------------- finding */

struct search {
    const char *name;
    struct device_place *place;
    unsigned n_found;
};

static bool compare(void *ctx, const char *name, const struct device_place *place)
{
    struct search *search = ctx;

    if (strcmp(name, search->name) == 0) {
        *search->place = *place;
        search->n_found++;
    }
    return search->n_found < 2;
}

bool devices_find(struct vst_block_registry *registry, const char *name, struct device_place *place)
{
    struct search search = {.name = name, .place = place};

    devices_walk(registry, compare, &search);
    return search.n_found == 1;
}
