/* SPDX-License-Identifier: BSD-2-Clause */
#include "partitions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USUAL_MOST 128u
#define MOST       8192u /* entries of 128 bytes in the longest array that is read */

typedef enum vst_status reader(struct vst_block_queue *queue, void *memory,
                               struct vst_partition *list, uint32_t max,
                               struct vst_partition_table *table);

/* Room for `max`, and what is read; the device's own memory for the time of reading. */
static void read_up_to(struct partitions *partitions, reader *read, uint32_t max)
{
    void *memory = malloc(VST_PARTITIONS_MEMORY_BYTES);

    partitions->list = malloc(max * sizeof(*partitions->list));
    if (memory == NULL || partitions->list == NULL)
        partitions->status = VST_ERR_NO_MEMORY;
    else
        partitions->status =
            read(partitions->device->queues[0], memory, partitions->list, max, &partitions->table);
    free(memory);
    if (partitions->status != VST_OK)
        partitions->table.n = 0;
}

static void read_all(struct partitions *partitions, struct vst_block_device *device, reader *read)
{
    *partitions = (struct partitions){.device = device};
    if (device->n_queues == 0 || device->broken || device->medium != VST_OK)
        return;
    read_up_to(partitions, read, USUAL_MOST);
    if (partitions->status != VST_OK || (partitions->table.flaws & VST_PARTITIONS_TOO_MANY) == 0)
        return;
    free(partitions->list);
    read_up_to(partitions, read, MOST);
}

void partitions_read_boot_images(struct partitions *partitions, struct vst_block_device *device)
{
    read_all(partitions, device, vst_el_torito_read);
}

void partitions_free(struct partitions *partitions)
{
    free(partitions->list);
    partitions->list = NULL;
    partitions->table.n = 0;
}

const struct vst_partition *partitions_number(const struct partitions *partitions, uint32_t number)
{
    for (uint32_t i = 0; i < partitions->table.n; i++)
        if (partitions->list[i].number == number)
            return &partitions->list[i];
    return NULL;
}

/* ---------------------------------------------------------------- what is known */

/* A device as it was when its table was read. */
struct stamp {
    uint32_t id, media_id;
    uint64_t n_sectors, n_changes;
};

struct known {
    struct known *next;
    struct stamp stamp;
    struct partitions partitions;
};

static struct known *all_known;

/* Commands that may have changed what a device holds. */
static uint64_t changes_of(const struct vst_block_device *device)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < device->n_queues; i++)
        for (unsigned op = 0; op < VST_BLOCK_N_OPS; op++)
            if (op != VST_BLOCK_READ && op != VST_BLOCK_FLUSH && op != VST_BLOCK_LIFETIME)
                n += device->queues[i]->stats.commands[op];
    return n;
}

static struct stamp stamp_of(const struct vst_block_device *device)
{
    return (struct stamp){device->id, device->media_id, device->limits.n_sectors,
                          changes_of(device)};
}

static bool is_there(const struct shell_host *host, uint32_t id)
{
    for (const struct vst_block_device *d = host->registry->first; d != NULL; d = d->next)
        if (d->id == id)
            return true;
    return false;
}

/* All that are gone, and the one that has the id. */
static void drop(const struct shell_host *host, uint32_t id)
{
    for (struct known **link = &all_known; *link != NULL;) {
        struct known *known = *link;
        if (known->stamp.id != id && host != NULL && is_there(host, known->stamp.id)) {
            link = &known->next;
            continue;
        }
        *link = known->next;
        partitions_free(&known->partitions);
        free(known);
    }
}

void partitions_forget(void)
{
    drop(NULL, 0);
}

const struct partitions *partitions_look(const struct shell_host *host,
                                         struct vst_block_device *device)
{
    static const struct partitions no_memory = {.status = VST_ERR_NO_MEMORY};

    drop(host, device->id);
    struct known *known = malloc(sizeof(*known));
    if (known == NULL)
        return &no_memory;
    read_all(&known->partitions, device, vst_partitions_read);
    known->stamp = stamp_of(device);
    known->next = all_known;
    all_known = known;
    return &known->partitions;
}

static bool has_been_silent(const struct vst_block_device *device)
{
    for (unsigned i = 0; i < device->n_queues; i++)
        if (device->queues[i]->stats.timeouts > 0)
            return true;
    return false;
}

const struct partitions *partitions_known(const struct shell_host *host,
                                          struct vst_block_device *device)
{
    static const struct partitions nothing;
    struct stamp now = stamp_of(device);

    for (struct known *known = all_known; known != NULL; known = known->next)
        if (known->stamp.id == now.id && known->stamp.media_id == now.media_id &&
            known->stamp.n_sectors == now.n_sectors && known->stamp.n_changes == now.n_changes)
            return &known->partitions;
    return has_been_silent(device) ? &nothing : partitions_look(host, device);
}

/* ---------------------------------------------------------------- what is wrong */

static const char *const flaw_names[VST_PARTITIONS_N_FLAWS] = {
    "primary_bad", "backup_bad", "moved", "differ", "outside", "overlap", "endless", "too_many",
};

static bool is_lost(const struct partitions *partitions)
{
    return partitions->status == VST_ERR_MALFORMED;
}

const char *partitions_complaint(const struct partitions *partitions, unsigned i)
{
    if (is_lost(partitions))
        return i > 0 ? NULL
               : partitions->table.scheme == VST_PARTITIONS_GPT
                   ? "no copy of the GPT is sound, so there are no partitions; testdisk looks for "
                     "lost ones"
                   : "the boot catalogue is damaged";
    for (unsigned flaw = 0; flaw < VST_PARTITIONS_N_FLAWS; flaw++)
        if ((partitions->table.flaws & 1u << flaw) != 0 && i-- == 0)
            return vst_partition_flaw_text(1u << flaw);
    return NULL;
}

/* ---------------------------------------------------------------- types and JSON */

static const char *raw_type(const struct partitions *partitions,
                            const struct vst_partition *partition, char text[PARTITION_TYPE_BYTES])
{
    if (partitions->table.scheme == VST_PARTITIONS_GPT)
        return vst_guid_text(partition->type, text);
    snprintf(text, PARTITION_TYPE_BYTES, "0x%x",
             partitions->table.scheme == VST_PARTITIONS_MBR ? partition->mbr_type
                                                            : partition->boot_platform);
    return text;
}

const char *partitions_type_text(const struct partitions *partitions,
                                 const struct vst_partition *partition,
                                 char text[PARTITION_TYPE_BYTES])
{
    const char *name = vst_partition_type_name(&partitions->table, partition);

    return name != NULL ? name : raw_type(partitions, partition, text);
}

void partitions_json_one(struct json *json, const struct partitions *partitions,
                         const struct vst_partition *partition)
{
    const char *type_name = vst_partition_type_name(&partitions->table, partition);
    char text[PARTITION_TYPE_BYTES];

    json_u64(json, "number", partition->number);
    json_u64(json, "offset", partition->offset_bytes);
    json_u64(json, "bytes", partition->bytes);
    json_text(json, "parttype", raw_type(partitions, partition, text));
    if (type_name != NULL)
        json_text(json, "parttypename", type_name);
    json_text(json, "partuuid", vst_partition_uuid_text(&partitions->table, partition, text));
    json_text(json, "partlabel", partition->name);
    json_bool(json, "bootable", partition->bootable);
    if (partitions->table.scheme == VST_PARTITIONS_GPT)
        json_u64(json, "attributes", partition->attributes);
    if (partitions->table.scheme != VST_PARTITIONS_EL_TORITO)
        return;
    json_u64(json, "media", partition->boot_media);
    json_u64(json, "load_bytes", (uint64_t)partition->load_sectors * VST_SECTOR_BYTES);
}

/* An MBR has four bytes of its own, a boot catalogue none. */
static void json_table(struct json *json, const struct vst_partition_table *table)
{
    static const uint8_t none[VST_GUID_BYTES];
    char text[VST_GUID_TEXT_BYTES];

    json_text(json, "pttype", vst_partition_scheme_name(table->scheme));
    if (memcmp(table->id, none, sizeof(none)) != 0) {
        vst_guid_text(table->id, text);
        text[table->scheme == VST_PARTITIONS_MBR ? 8 : VST_GUID_TEXT_BYTES - 1] = '\0';
        json_text(json, "ptuuid", text);
    }
    json_u64(json, "ptblock", table->block_bytes);
    json_array_open(json, "ptflaws");
    for (unsigned i = 0; i < VST_PARTITIONS_N_FLAWS; i++)
        if ((table->flaws & 1u << i) != 0)
            json_text(json, NULL, flaw_names[i]);
    json_array_close(json);
}

void partitions_json(struct json *json, const struct partitions *partitions)
{
    char name[VST_PARTITION_DEVICE_NAME_BYTES];

    if (partitions->table.scheme != VST_PARTITIONS_NONE)
        json_table(json, &partitions->table);
    if (partitions->status != VST_OK)
        json_text(json, "pterror", vst_status_name(partitions->status));
    json_array_open(json, "partitions");
    for (uint32_t i = 0; i < partitions->table.n; i++) {
        const struct vst_partition *partition = &partitions->list[i];
        json_object_open(json, NULL);
        json_text(json, "name",
                  vst_partition_device_name(partitions->device, partition->number, name));
        partitions_json_one(json, partitions, partition);
        json_object_close(json);
    }
    json_array_close(json);
}
