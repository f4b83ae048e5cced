/* SPDX-License-Identifier: BSD-2-Clause */
/* parts: what a device is divided into, and what is wrong with that. */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>

#include "partitions.h"
#include "size.h"
#include "table.h"

static void row(struct table *table, const struct partitions *partitions,
                const struct vst_partition *partition, bool has_name)
{
    char name[VST_PARTITION_DEVICE_NAME_BYTES], text[PARTITION_TYPE_BYTES], size[SIZE_TEXT_BYTES];

    table_cell(table, "%s",
               has_name ? vst_partition_device_name(partitions->device, partition->number, name)
                        : "-");
    table_cell(table, "%" PRIu64, partition->offset_bytes);
    table_cell(table, "%" PRIu64, partition->bytes);
    table_cell(table, "%s", size_text(partition->bytes, size));
    table_cell(table, "%s", partition->bootable ? "*" : "");
    table_cell(table, "%s", partitions_type_text(partitions, partition, text));
    vst_partition_uuid_text(&partitions->table, partition, text);
    table_cell(table, "%s", *text != '\0' ? text : "-");
    table_utf8_cell(table, partition->name);
}

/* The partitions, or boot images that another table hides and that so have no names. */
static void print_table(const struct partitions *partitions, bool has_names)
{
    static const struct table_column columns[] = {
        {"NAME", false}, {"OFFSET", true}, {"BYTES", true},     {"SIZE", true},
        {"BOOT", false}, {"TYPE", false},  {"PARTUUID", false}, {"PARTLABEL", false},
    };
    struct table table;

    if (partitions->table.n == 0)
        return;
    table_begin(&table, columns, VST_ARRAY_LENGTH(columns));
    for (uint32_t i = 0; i < partitions->table.n; i++)
        row(&table, partitions, &partitions->list[i], has_names);
    table_end(&table);
}

static void print_heading(const struct vst_block_device *device,
                          const struct partitions *partitions)
{
    const struct vst_partition_table *table = &partitions->table;
    const char *name = device->name;
    const char *scheme = vst_partition_scheme_name(table->scheme);

    if (partitions->status != VST_OK && partitions->status != VST_ERR_MALFORMED)
        printf("%s: %s\n", name, vst_status_text(partitions->status));
    else if (table->scheme == VST_PARTITIONS_NONE)
        printf("%s: no partition table\n", name);
    else
        printf("%s: %s, %u partition%s, in blocks of %u bytes\n", name, scheme, (unsigned)table->n,
               table->n == 1 ? "" : "s", (unsigned)table->block_bytes);
    if (table->scheme == VST_PARTITIONS_GPT &&
        table->block_bytes != device->limits.logical_block_bytes)
        printf("%s: made for a disk with blocks of %u bytes, but these are of %u\n", name,
               (unsigned)table->block_bytes, (unsigned)device->limits.logical_block_bytes);
}

static void print_all(const struct vst_block_device *device, const struct partitions *partitions,
                      const struct partitions *images)
{
    const char *complaint;

    print_heading(device, partitions);
    print_table(partitions, true);
    for (unsigned i = 0; (complaint = partitions_complaint(partitions, i)) != NULL; i++)
        printf("%s: %s\n", device->name, complaint);
    if (images->table.n == 0)
        return;
    printf("%s: boot images as well:\n", device->name);
    print_table(images, false);
}

static void json_all(const struct shell_context *context, const struct vst_block_device *device,
                     const struct partitions *partitions, const struct partitions *images)
{
    struct json json;

    json_open(&json);
    json_text(&json, "cmd", context->typed[0]);
    json_text(&json, "dev", device->name);
    partitions_json(&json, partitions);
    if (images->table.n > 0) {
        json_array_open(&json, "boot_images");
        for (uint32_t i = 0; i < images->table.n; i++) {
            json_object_open(&json, NULL);
            partitions_json_one(&json, images, &images->list[i]);
            json_object_close(&json);
        }
        json_array_close(&json);
    }
    json_close(&json);
}

/* False if there is a table that can't be used. */
static bool tell(const struct shell_context *context, struct vst_block_device *device)
{
    const struct partitions *partitions = partitions_look(context->host, device);
    struct partitions images = {0};

    if (partitions->table.scheme == VST_PARTITIONS_GPT ||
        partitions->table.scheme == VST_PARTITIONS_MBR)
        partitions_read_boot_images(&images, device);
    if (context->json)
        json_all(context, device, partitions, &images);
    else
        print_all(device, partitions, &images);
    partitions_free(&images);
    return partitions->status == VST_OK;
}

static bool run_parts(struct shell_context *context)
{
    if (context->device != NULL)
        return tell(context, context->device);
    for (struct vst_block_device *device = context->host->registry->first; device != NULL;
         device = device->next)
        (void)tell(context, device);
    return true;
}

const struct shell_command command_parts = {
    .name = "parts",
    .usage = "[DEV]",
    .summary = "Shows the partition tables of the devices, and what is wrong with them",
    .help = "GPT, MBR with logical partitions, and the boot images of CDs (El Torito). OFFSET\n"
            "and BYTES are those on the device. What it complains of is not mended here: it\n"
            "names the tool that does. Tables are read each time anew. With DEV it fails if\n"
            "a table is there and no copy of it is sound. (lsblk reads them but once, and not\n"
            "of disks that have left a command unanswered.)\n"
            "A partition is a device to all commands that read and write: vda1, sda2; sr0p1\n"
            "behind a digit; PATH-part1, partuuid=, partlabel=. Offsets count from its start,\n"
            "and nothing outside is touched.\n"
            "    parts vda\n"
            "    sum vda1\n"
            "    read partlabel=boot 0 512\n",
    .max_words = 1,
    .device = DEVICE_OPTIONAL,
    .whole_device = true,
    .run = run_parts,
};
