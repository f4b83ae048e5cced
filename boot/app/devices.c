/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vstor/partition.h>

#include "boot/app/devices.h"

#define BY_PATH      "disk/by-path/"
#define BY_ID        "disk/by-id/"
#define BY_PARTUUID  "disk/by-partuuid/"
#define BY_PARTLABEL "disk/by-partlabel/"

#define MAX_PARTITIONS 256u
#define ID_STEP        1000u /* between disks; what numbers of partitions are added to */

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

static void give_partition(struct walk *walk, const struct vst_partition_table *table,
                           const struct vst_partition *partition)
{
    struct vst_block_device *device = walk->place.device;
    struct device_place whole = walk->place;
    char name[DEVICE_NAME_BYTES], suffix[16], text[VST_PARTITION_NAME_BYTES];

    walk->place.number = partition->number;
    walk->place.offset_bytes = partition->offset_bytes;
    walk->place.bytes = partition->bytes;
    walk->place.id += partition->number;
    give(walk, vst_partition_device_name(device, partition->number, text));
    snprintf(suffix, sizeof(suffix), "-part%u", (unsigned)partition->number);
    give_lasting(walk, suffix);
    strcpy(name, BY_PARTUUID);
    append(name, vst_partition_uuid_text(table, partition, text));
    if (name[strlen(BY_PARTUUID)] != '\0')
        give(walk, name);
    strcpy(name, BY_PARTLABEL);
    append(name, partition->name);
    if (name[strlen(BY_PARTLABEL)] != '\0')
        give(walk, name);
    walk->place = whole;
}

/* A table that can't be read, or makes no sense, is none. */
static void give_partitions(struct walk *walk)
{
    struct vst_block_device *device = walk->place.device;
    struct vst_partition *list = malloc(MAX_PARTITIONS * sizeof(*list));
    void *memory = malloc(VST_PARTITIONS_MEMORY_BYTES);
    struct vst_partition_table table;

    if (list != NULL && memory != NULL && device->n_queues > 0 && device->medium == VST_OK &&
        vst_partitions_read(device->queues[0], memory, list, MAX_PARTITIONS, &table) == VST_OK)
        for (uint32_t i = 0; i < table.n; i++)
            give_partition(walk, &table, &list[i]);
    free(memory);
    free(list);
}

static void walk_all(struct vst_block_registry *registry, struct walk *walk, bool partitions)
{
    unsigned n = 0;

    for (struct vst_block_device *d = registry->first; d != NULL && !walk->ended; d = d->next) {
        walk->place = (struct device_place){.device = d, .id = ++n * ID_STEP};
        if (!partitions)
            give(walk, d->name);
        if (!partitions && !d->gone) /* another may stand in its place */
            give_lasting(walk, "");
        if (partitions && !d->gone)
            give_partitions(walk);
    }
}

void devices_walk(struct vst_block_registry *registry, device_taker *take, void *ctx)
{
    struct walk walk = {.take = take, .ctx = ctx};

    walk_all(registry, &walk, false);
    walk_all(registry, &walk, true);
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
    struct walk walk = {.take = compare, .ctx = &search};

    walk_all(registry, &walk, false);
    if (search.n_found == 0) /* only then are tables read */
        walk_all(registry, &walk, true);
    return search.n_found == 1;
}
