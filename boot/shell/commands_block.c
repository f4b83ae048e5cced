/* SPDX-License-Identifier: BSD-2-Clause */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "hexdump.h"
#include "partitions.h"
#include "printable.h"
#include "size.h"
#include "stream.h"
#include "table.h"

#define READ_CHUNK_BYTES  4096u
#define PCI_PATH_PREFIX   "pci-"
#define PCI_ADDRESS_CHARS 12u

static const char *const options_verbose[] = {"-v", NULL};

/* ---------------------------------------------------------------- lsblk */

static const char *text_or(const char *text, const char *otherwise)
{
    return text != NULL && *text != '\0' ? text : otherwise;
}

static void lsblk_row(struct table *table, const struct vst_block_device *device)
{
    char size[SIZE_TEXT_BYTES], logical[SIZE_TEXT_BYTES], physical[SIZE_TEXT_BYTES];

    table_cell(table, "%s", device->name);
    table_cell(table, "%s", size_text(shell_device_bytes(device), size));
    table_cell(table, "%s", size_text(device->limits.logical_block_bytes, logical));
    table_cell(table, "%s", size_text(device->limits.physical_block_bytes, physical));
    table_cell(table, "%s", device->read_only ? "ro" : "rw");
    table_cell(table, "%s", device->write_cache ? "back" : "through");
    table_cell(table, "%s", text_or(device->ring_name, "-"));
    table_cell(table, "%u", device->n_queues);
    table_cell(table, "%s", text_or(device->serial, "-"));
    char paths[32] = "";
    if (device->multipath)
        snprintf(paths, sizeof(paths), " (%u of %u paths)", device->n_paths, device->n_known_paths);
    table_cell(table, "%s%s%s", device->path, paths,
               device->broken                        ? " (broken)"
               : device->medium == VST_OK            ? ""
               : device->medium == VST_ERR_NO_MEDIUM ? " (no medium)"
                                                     : " (unreadable medium)");
}

/* As a tree, by what a serial console shows for sure. */
static void lsblk_partition_rows(struct table *table, const struct shell_host *host,
                                 struct vst_block_device *device)
{
    const struct partitions *partitions = partitions_known(host, device);
    char name[VST_PARTITION_DEVICE_NAME_BYTES], size[SIZE_TEXT_BYTES];

    for (uint32_t i = 0; i < partitions->table.n; i++) {
        const struct vst_partition *partition = &partitions->list[i];
        vst_partition_device_name(device, partition->number, name);
        table_cell(table, "%s%s", i + 1 < partitions->table.n ? "|-" : "`-", name);
        table_cell(table, "%s", size_text(partition->bytes, size));
        table_cell(table, "-");
        table_cell(table, "-");
        table_cell(table, "%s", device->read_only ? "ro" : "rw");
        for (unsigned k = 0; k < 4; k++)
            table_cell(table, "-");
        table_cell(table, "%s-part%u", device->path, (unsigned)partition->number);
    }
}

/* The function behind the device, where its path begins with one: "0000:00:04.0". */
static bool pci_address_of(const struct vst_block_device *device, char text[PCI_ADDRESS_CHARS + 1])
{
    const char *path = device->path + strlen(PCI_PATH_PREFIX);

    if (strncmp(device->path, PCI_PATH_PREFIX, strlen(PCI_PATH_PREFIX)) != 0 ||
        strlen(path) < PCI_ADDRESS_CHARS)
        return false;
    memcpy(text, path, PCI_ADDRESS_CHARS);
    text[PCI_ADDRESS_CHARS] = '\0';
    return true;
}

/* The counters as they are; NULL if there is no memory. */
static struct vst_block_stats *copy_stats(const struct vst_block_device *device)
{
    struct vst_block_stats *stats = malloc(device->n_queues * sizeof(*stats));

    for (unsigned i = 0; stats != NULL && i < device->n_queues; i++)
        stats[i] = device->queues[i]->stats;
    return stats;
}

static void lsblk_json_stats(struct json *json, const struct vst_block_device *device,
                             const struct vst_block_stats *stats)
{
    json_array_open(json, "stats");
    for (unsigned i = 0; stats != NULL && i < device->n_queues; i++) {
        json_object_open(json, NULL);
        shell_json_stats(json, &stats[i]);
        json_object_close(json);
    }
    json_array_close(json);
}

/* Left out where the device has no such command. */
static void json_range_limits(struct json *json, const char *key,
                              const struct vst_block_range_limits *limits)
{
    if (limits->max_ranges == 0)
        return;
    json_object_open(json, key);
    json_u64(json, "max_bytes", (uint64_t)limits->max_sectors * VST_SECTOR_BYTES);
    json_u64(json, "ranges", limits->max_ranges);
    json_u64(json, "alignment", (uint64_t)limits->alignment_sectors * VST_SECTOR_BYTES);
    json_object_close(json);
}

/* Left out where the device is not zoned. */
static void json_zones(struct json *json, const struct vst_block_limits *limits)
{
    const struct vst_zone_limits *zones = &limits->zones;

    if (zones->model == VST_ZONE_MODEL_NONE)
        return;
    json_object_open(json, "zoned");
    json_text(json, "model", vst_zone_model_name(zones->model));
    json_u64(json, "zones", vst_zone_count(limits));
    json_u64(json, "zone_bytes", (uint64_t)zones->zone_sectors * VST_SECTOR_BYTES);
    json_u64(json, "max_open", zones->max_open);
    json_u64(json, "max_active", zones->max_active);
    json_u64(json, "max_append", (uint64_t)zones->max_append_sectors * VST_SECTOR_BYTES);
    json_u64(json, "write_granularity", zones->write_granularity_bytes);
    json_object_close(json);
}

static bool has_geometry(const struct vst_block_geometry *geometry)
{
    return (geometry->n_cylinders | geometry->n_heads | geometry->n_track_sectors) != 0;
}

static void json_geometry(struct json *json, const struct vst_block_geometry *geometry)
{
    if (!has_geometry(geometry))
        return;
    json_object_open(json, "geometry");
    json_u64(json, "cylinders", geometry->n_cylinders);
    json_u64(json, "heads", geometry->n_heads);
    json_u64(json, "sectors", geometry->n_track_sectors);
    json_object_close(json);
}

/* Whether the device has told how worn it is. */
static bool ask_lifetime(const struct vst_block_device *device,
                         struct vst_virtio_blk_lifetime *lifetime)
{
    return device->tells_lifetime && !device->broken &&
           vst_virtio_blk_lifetime(device->queues[0], lifetime) == VST_OK;
}

static void json_lifetime(struct json *json, const struct vst_block_device *device)
{
    struct vst_virtio_blk_lifetime lifetime;

    if (!ask_lifetime(device, &lifetime))
        return;
    json_object_open(json, "lifetime");
    json_u64(json, "pre_eol_info", lifetime.pre_eol_info);
    json_u64(json, "est_typ_a", lifetime.device_lifetime_est_typ_a);
    json_u64(json, "est_typ_b", lifetime.device_lifetime_est_typ_b);
    json_object_close(json);
}

/* Left out where the medium can't be taken out. */
static void json_medium(struct json *json, const struct vst_block_device *device,
                        const struct vst_scsi_medium *medium)
{
    if (!device->removable)
        return;
    json_object_open(json, "medium");
    json_text(json, "state", vst_status_name(device->medium));
    json_u64(json, "id", device->media_id);
    if (medium != NULL && device->medium == VST_OK) {
        json_text(json, "profile", text_or(medium->profile, "unknown"));
        json_u64(json, "tracks", medium->n_tracks);
        json_u64(json, "data_tracks", medium->n_data_tracks);
    }
    json_object_close(json);
}

/* Left out where the device tells nothing of that. */
static void json_identity(struct json *json, const struct vst_block_identity *identity)
{
    if (identity == NULL)
        return;
    json_bool(json, "rotational", identity->rotational);
    json_text(json, "wwn", identity->wwn);
    json_text(json, "vendor", identity->vendor);
    json_text(json, "product", identity->product);
    json_text(json, "revision", identity->revision);
    json_text(json, "hctl", identity->hctl);
}

/* What it is, and what has been negotiated with it. */
static void json_nature(struct json *json, const struct vst_block_device *device)
{
    const struct vst_scsi_medium *medium = vst_scsi_cd_medium(device);
    char pci[PCI_ADDRESS_CHARS + 1];

    json_text(json, "dev", device->name);
    json_text(json, "type", medium != NULL ? "rom" : "disk");
    json_u64(json, "bytes", shell_device_bytes(device));
    json_u64(json, "logical_block", device->limits.logical_block_bytes);
    json_u64(json, "physical_block", device->limits.physical_block_bytes);
    json_bool(json, "ro", device->read_only);
    json_bool(json, "removable", device->removable);
    json_medium(json, device, medium);
    json_text(json, "cache", shell_cache_name(device->write_cache));
    json_text(json, "serial", device->serial);
    json_identity(json, device->identity);
    json_text(json, "driver", text_or(device->driver_name, ""));
    json_text(json, "transport", text_or(device->transport_name, ""));
    if (pci_address_of(device, pci))
        json_text(json, "pci", pci);
    json_text(json, "path", device->path);
    json_u64(json, "queues", device->n_queues);
    json_text(json, "ring", text_or(device->ring_name, ""));
    json_array_open(json, "features");
    for (const char *const *name = device->features; name != NULL && *name != NULL; name++)
        json_text(json, NULL, *name);
    json_array_close(json);
}

/* What a request may be. */
static void json_limits(struct json *json, const struct vst_block_device *device)
{
    const struct vst_block_limits *limits = &device->limits;

    json_u64(json, "depth", limits->depth);
    json_u64(json, "max_segments", limits->max_segments);
    json_u64(json, "max_segment_bytes", limits->max_segment_bytes);
    json_u64(json, "max_bytes", (uint64_t)limits->max_sectors * VST_SECTOR_BYTES);
    json_bool(json, "cache_settable", device->write_cache_settable);
    json_u64(json, "min_io", limits->min_io_bytes);
    json_u64(json, "opt_io", limits->opt_io_bytes);
    json_u64(json, "alignment_offset", (uint64_t)limits->first_physical_sector * VST_SECTOR_BYTES);
    json_range_limits(json, "discard", &limits->discard);
    json_range_limits(json, "write_zeroes", &limits->zeroes);
    json_bool(json, "zeroes_may_unmap", limits->zeroes_may_unmap);
    json_range_limits(json, "secure_erase", &limits->erase);
    json_zones(json, limits);
    json_geometry(json, &limits->geometry);
}

/* Keys of what is not known (rotational, wwn, vendor ...) are left out rather than invented. */
static void lsblk_json(const struct shell_context *context, struct vst_block_device *device)
{
    /* What is told of the device is what it was before it was asked for its table, which may be
     * logged: so not within the line. */
    struct vst_block_stats *stats = copy_stats(device);
    const struct partitions *partitions = partitions_known(context->host, device);
    struct json json;

    json_open(&json);
    json_text(&json, "cmd", context->typed[0]);
    json_nature(&json, device);
    json_limits(&json, device);
    json_lifetime(&json, device);
    json_bool(&json, "broken", device->broken);
    if (device->multipath) {
        json_u64(&json, "paths", device->n_paths);
        json_u64(&json, "known_paths", device->n_known_paths);
    }
    json_text(&json, "irq", text_or(device->irq_mode, "poll"));
    json_u64(&json, "memory", device->memory_bytes);
    json_u64(&json, "queue_memory", device->queue_memory_bytes);
    lsblk_json_stats(&json, device, stats);
    partitions_json(&json, partitions);
    json_close(&json);
    free(stats);
}

static void print_features(const struct vst_block_device *device)
{
    size_t column = printf("  %-16s", "features");
    const size_t indent = column;

    for (const char *const *name = device->features; name != NULL && *name != NULL; name++) {
        if (column + 1 + strlen(*name) > 79) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        }
        column += printf(" %s", *name);
    }
    putchar('\n');
}

static void print_stats(const struct vst_block_queue *queue)
{
    const struct vst_block_stats *stats = &queue->stats;
    char read[SIZE_TEXT_BYTES], written[SIZE_TEXT_BYTES];

    printf("  queue %-10u %" PRIu64 " reads (%s), %" PRIu64 " writes (%s), %" PRIu64 " flushes\n",
           queue->index, stats->commands[VST_BLOCK_READ],
           size_text(vst_mul_saturated_u64(stats->sectors[VST_BLOCK_READ], VST_SECTOR_BYTES), read),
           stats->commands[VST_BLOCK_WRITE],
           size_text(vst_mul_saturated_u64(stats->sectors[VST_BLOCK_WRITE], VST_SECTOR_BYTES),
                     written),
           stats->commands[VST_BLOCK_FLUSH]);
    printf("  %-16s %" PRIu64 " kicks, %" PRIu64 " interrupts, %" PRIu64 " errors, %" PRIu64
           " time-outs, %" PRIu64 " rescues\n",
           "", stats->kicks, stats->interrupts, stats->errors, stats->timeouts, stats->rescues);
}

static void print_range_limits(const char *what, const struct vst_block_range_limits *limits,
                               const char *more)
{
    char most[SIZE_TEXT_BYTES], alignment[SIZE_TEXT_BYTES];

    if (limits->max_ranges > 0)
        printf("  %-16s %u range%s of at most %s%s%s%s\n", what, limits->max_ranges,
               limits->max_ranges == 1 ? "" : "s",
               size_text((uint64_t)limits->max_sectors * VST_SECTOR_BYTES, most),
               limits->alignment_sectors > 1 ? ", best aligned to " : "",
               limits->alignment_sectors > 1
                   ? size_text((uint64_t)limits->alignment_sectors * VST_SECTOR_BYTES, alignment)
                   : "",
               more);
}

static void print_zones(const struct vst_block_limits *limits)
{
    const struct vst_zone_limits *zones = &limits->zones;
    char zone[SIZE_TEXT_BYTES], unit[SIZE_TEXT_BYTES], append[SIZE_TEXT_BYTES];

    if (zones->model == VST_ZONE_MODEL_NONE)
        return;
    printf("  %-16s %s, %" PRIu64 " of %s, written by %s, appended by at most %s\n", "zones",
           vst_zone_model_name(zones->model), vst_zone_count(limits),
           size_text((uint64_t)zones->zone_sectors * VST_SECTOR_BYTES, zone),
           size_text(zones->write_granularity_bytes, unit),
           size_text((uint64_t)zones->max_append_sectors * VST_SECTOR_BYTES, append));
    printf("  %-16s at most %u open, %u active (0: any number)\n", "", (unsigned)zones->max_open,
           (unsigned)zones->max_active);
}

static void print_geometry(const struct vst_block_geometry *geometry)
{
    if (has_geometry(geometry))
        printf("  %-16s %u cylinders, %u heads, %u sectors (a hint)\n", "geometry",
               geometry->n_cylinders, geometry->n_heads, geometry->n_track_sectors);
}

/* "up to 30%", by the increments of ten in which it is told. */
static const char *wear_text(uint16_t estimate, char text[SIZE_TEXT_BYTES])
{
    if (estimate == 0 || estimate > 10)
        return estimate == 0 ? "not told" : "used up";
    snprintf(text, SIZE_TEXT_BYTES, "up to %u%%", estimate * 10u);
    return text;
}

static void print_lifetime(const struct vst_block_device *device)
{
    static const char *const reserves[] = {"not told", "normal", "80% used", "90% used"};
    struct vst_virtio_blk_lifetime lifetime;
    char a[SIZE_TEXT_BYTES], b[SIZE_TEXT_BYTES];

    if (ask_lifetime(device, &lifetime))
        printf("  %-16s SLC cells %s, MLC cells %s, reserve %s\n", "wear",
               wear_text(lifetime.device_lifetime_est_typ_a, a),
               wear_text(lifetime.device_lifetime_est_typ_b, b), reserves[lifetime.pre_eol_info]);
}

/* What a device calls itself holds printable characters alone. */
static void print_identity(const struct vst_block_identity *identity)
{
    if (identity == NULL)
        return;
    printf("  %-16s %s %s, revision %s, %s%s, at %s\n", "device", text_or(identity->vendor, "-"),
           text_or(identity->product, "-"), text_or(identity->revision, "-"),
           identity->rotational ? "rotational" : "not rotational",
           identity->removable ? ", removable" : "", identity->hctl);
    printf("  %-16s %s\n", "wwn", text_or(identity->wwn, "none"));
}

static void print_partitions(const struct shell_host *host, struct vst_block_device *device)
{
    const struct partitions *partitions = partitions_known(host, device);
    const char *complaint;

    if (partitions->table.scheme != VST_PARTITIONS_NONE)
        printf("  %-16s %s, %u (parts %s)\n", "partitions",
               vst_partition_scheme_name(partitions->table.scheme), (unsigned)partitions->table.n,
               device->name);
    for (unsigned i = 0; (complaint = partitions_complaint(partitions, i)) != NULL; i++)
        printf("  %-16s %s\n", "", complaint);
}

/* What a request may be. */
static void print_limits(const struct vst_block_device *device)
{
    const struct vst_block_limits *limits = &device->limits;
    char size[SIZE_TEXT_BYTES], segment[SIZE_TEXT_BYTES];

    printf("  %-16s logical %u, physical %u bytes\n", "blocks",
           (unsigned)limits->logical_block_bytes, (unsigned)limits->physical_block_bytes);
    if (limits->min_io_bytes != 0 || limits->opt_io_bytes != 0 ||
        limits->first_physical_sector != 0)
        printf("  %-16s at least %u, best %u bytes; aligned from byte %u on\n", "transfers",
               (unsigned)limits->min_io_bytes, (unsigned)limits->opt_io_bytes,
               (unsigned)(limits->first_physical_sector * VST_SECTOR_BYTES));
    printf("  %-16s %s%s\n", "cache", shell_cache_name(device->write_cache),
           device->write_cache_settable ? ", can be switched" : "");
    printf("  %-16s %s in %u segments of at most %s\n", "one command",
           size_text((uint64_t)limits->max_sectors * VST_SECTOR_BYTES, size),
           (unsigned)limits->max_segments, size_text(limits->max_segment_bytes, segment));
    print_range_limits("discard", &limits->discard, "");
    print_range_limits("write zeroes", &limits->zeroes,
                       limits->zeroes_may_unmap ? ", may give space back" : "");
    print_range_limits("secure erase", &limits->erase, "");
    print_zones(limits);
    print_geometry(&limits->geometry);
}

static void lsblk_details(const struct shell_host *host, struct vst_block_device *device)
{
    uint64_t bytes = shell_device_bytes(device);
    char size[SIZE_TEXT_BYTES], segment[SIZE_TEXT_BYTES], serial[sizeof(device->serial)];

    snprintf(serial, sizeof(serial), "%s", device->serial);
    printf("%s: %s (%" PRIu64 " bytes), %s\n", device->name, size_text(bytes, size), bytes,
           device->read_only ? "read-only" : "read-write");
    if (device->broken)
        printf("  %-16s %s\n", "out of service", text_or(device->broken_why, "reason unknown"));
    printf("  %-16s %s\n", "path", device->path);
    if (device->multipath)
        printf("  %-16s %u serve, of %u\n", "paths", device->n_paths, device->n_known_paths);
    printf("  %-16s %s\n", "serial", text_or(printable(serial), "none"));
    print_identity(device->identity);
    printf("  %-16s %s by %s, %s ring, %u queue%s of %u commands, %s\n", "driver",
           text_or(device->driver_name, "unknown"), text_or(device->transport_name, "unknown"),
           text_or(device->ring_name, "unknown"), device->n_queues,
           device->n_queues == 1 ? "" : "s", device->limits.depth,
           text_or(device->irq_mode, "poll"));
    print_limits(device);
    print_lifetime(device);
    printf("  %-16s %s, of that %s for each queue\n", "memory",
           size_text(device->memory_bytes, size), size_text(device->queue_memory_bytes, segment));
    print_features(device);
    for (unsigned i = 0; i < device->n_queues; i++)
        print_stats(device->queues[i]);
    print_partitions(host, device);
}

static void lsblk_partition_json(const struct shell_context *context,
                                 const struct partitions *partitions,
                                 const struct vst_partition *partition)
{
    struct json json;

    shell_json_open(context, &json);
    json_text(&json, "type", "part");
    json_text(&json, "pkname", context->device->name);
    partitions_json_one(&json, partitions, partition);
    json_bool(&json, "ro", context->device->read_only);
    json_close(&json);
}

/* The one that the first word names. */
static bool lsblk_partition(const struct shell_context *context)
{
    const struct partitions *partitions = partitions_known(context->host, context->device);
    const struct vst_partition *partition = partitions_number(partitions, context->extent.number);
    char size[SIZE_TEXT_BYTES], text[PARTITION_TYPE_BYTES];

    if (partition != NULL && context->json) {
        lsblk_partition_json(context, partitions, partition);
    } else if (partition != NULL) {
        printf("%s: %s (%" PRIu64 " bytes), from byte %" PRIu64 " of %s on\n", context->name,
               size_text(partition->bytes, size), partition->bytes, partition->offset_bytes,
               context->device->name);
        printf("  %-16s %s%s\n", "type", partitions_type_text(partitions, partition, text),
               partition->bootable ? ", bootable" : "");
        vst_partition_uuid_text(&partitions->table, partition, text);
        printf("  %-16s %s\n  %-16s %s\n", "partuuid", text_or(text, "none"), "partlabel",
               text_or(partition->name, "none"));
    }
    return partition != NULL || shell_fail(context, VST_ERR_NOT_FOUND, "it is not there any more");
}

/* One device, in the form that was asked for. */
static void lsblk_device(const struct shell_context *context, struct vst_block_device *device,
                         struct table *table, bool details)
{
    if (context->json) {
        lsblk_json(context, device);
    } else if (details) {
        lsblk_details(context->host, device);
    } else {
        lsblk_row(table, device);
        lsblk_partition_rows(table, context->host, device);
    }
}

static bool run_lsblk(struct shell_context *context)
{
    static const struct table_column columns[] = {
        {"NAME", false},  {"SIZE", true},  {"LOG", true}, {"PHY", true},     {"RO", false},
        {"CACHE", false}, {"RING", false}, {"Q", true},   {"SERIAL", false}, {"PATH", false},
    };
    bool details = context->device != NULL || shell_option(context, "-v") != NULL;
    bool as_table = !context->json && !details;
    struct table table;

    if (context->extent.number != 0)
        return lsblk_partition(context);
    if (as_table && context->host->registry->first == NULL) {
        puts("no block devices");
        return true;
    }
    if (as_table)
        table_begin(&table, columns, VST_ARRAY_LENGTH(columns));
    for (struct vst_block_device *device = context->host->registry->first; device != NULL;
         device = device->next)
        if (context->device == NULL || context->device == device)
            lsblk_device(context, device, &table, details);
    if (as_table)
        table_end(&table);
    return true;
}

const struct shell_command command_lsblk = {
    .name = "lsblk",
    .usage = "[-v] [DEV]",
    .summary = "Lists the block devices; with DEV or -v everything about them",
    .help = "LOG and PHY are the logical and physical block size, RO is ro or rw, CACHE is\n"
            "back where writes are safe only after a flush, else through, Q is the number\n"
            "of queues. DEV is a name (vda), a path (pci-0000:00:04.0), serial=TEXT or\n"
            "wwn=TEXT; or that of a partition: see parts.\n",
    .max_words = 1,
    .device = DEVICE_OPTIONAL,
    .options = options_verbose,
    .run = run_lsblk,
};

/* ---------------------------------------------------------------- read */

static void read_json(const struct shell_context *context, uint64_t offset, const uint8_t *data,
                      size_t bytes)
{
    static char text[2 * READ_CHUNK_BYTES + 1];
    struct json json;

    for (size_t i = 0; i < bytes; i++)
        snprintf(text + 2 * i, 3, "%02x", data[i]);
    text[2 * bytes] = '\0';
    shell_json_open(context, &json);
    json_u64(&json, "offset", offset);
    json_u64(&json, "bytes", bytes);
    json_text(&json, "hex", text);
    json_close(&json);
}

struct read_job {
    uint64_t offset, bytes;
    uint8_t *data;
    void *bounce;
    size_t bounce_bytes;
};

static bool read_and_print(const struct shell_context *context, const struct read_job *job)
{
    struct hexdump dump = {0};

    for (uint64_t done = 0, n; done < job->bytes; done += n) {
        uint64_t offset = job->offset + done, error_offset;
        n = job->bytes - done < READ_CHUNK_BYTES ? job->bytes - done : READ_CHUNK_BYTES;
        enum vst_status status =
            vst_block_read_bytes(context->queue, shell_on_device(context, offset), job->data,
                                 (size_t)n, job->bounce, job->bounce_bytes, &error_offset);
        if (status != VST_OK)
            return shell_fail_on_device(context, status, error_offset);
        if (done == 0)
            stream_mark_first_read();
        if (context->json)
            read_json(context, offset, job->data, (size_t)n);
        else
            hexdump_add(&dump, offset, job->data, (size_t)n);
        if (console_interrupted(context->host))
            return shell_fail_interrupted(context);
    }
    if (!context->json && job->bytes > 0)
        hexdump_end(&dump);
    return true;
}

static bool run_read(struct shell_context *context)
{
    struct read_job job;
    bool ok = false;

    if (!shell_range(context, &job.offset, &job.bytes))
        return false;
    job.data = malloc(READ_CHUNK_BYTES);
    job.bounce = stream_allocate_bounce(context, &job.bounce_bytes);
    if (job.data == NULL && job.bounce != NULL)
        shell_fail(context, VST_ERR_NO_MEMORY, "no memory for the data");
    if (job.data != NULL && job.bounce != NULL)
        ok = read_and_print(context, &job);
    free(job.bounce);
    free(job.data);
    return ok;
}

const struct shell_command command_read = {
    .name = "read",
    .usage = "DEV OFF LEN",
    .summary = "Shows bytes of a device in hexadecimal",
    .help = "Any offset and length will do. The form is that of hexdump -C: lines like the\n"
            "one before are folded into a '*'.\n"
            "    read vda 0 512\n"
            "    read vda 0x1fe 2\n"
            "    read vda 1M 4k\n",
    .min_words = 3,
    .max_words = 3,
    .device = DEVICE_REQUIRED,
    .run = run_read,
};

/* ---------------------------------------------------------------- write */

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c);

    return found == NULL ? -1 : (int)(found - digits);
}

/* Appends the bytes of one word; false unless it is an even number of hex digits. */
static bool take_hex(const char *word, uint8_t *data, size_t *bytes)
{
    for (; *word != '\0'; word += 2) {
        int high = hex_digit(word[0]);
        int low = high < 0 ? -1 : hex_digit(word[1]);
        if (low < 0)
            return false;
        data[(*bytes)++] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool write_words(const struct shell_context *context, uint64_t offset, uint8_t *data)
{
    uint64_t error_offset;
    size_t bytes = 0, bounce_bytes;
    struct json json;

    for (size_t i = 2; i < context->n_words; i++)
        if (!take_hex(context->words[i], data, &bytes))
            return shell_fail_usage(context, "'%s' is not pairs of hex digits", context->words[i]);
    if (!shell_range_is_inside(context, offset, bytes))
        return false;
    void *bounce = stream_allocate_bounce(context, &bounce_bytes);
    if (bounce == NULL)
        return false;
    enum vst_status status =
        vst_block_write_bytes(context->queue, shell_on_device(context, offset), data, bytes, bounce,
                              bounce_bytes, &error_offset);
    free(bounce);
    if (status != VST_OK)
        return shell_fail_on_device(context, status, error_offset);
    if (context->json) {
        shell_json_open(context, &json);
        json_u64(&json, "offset", offset);
        json_u64(&json, "bytes", bytes);
        json_close(&json);
    }
    return true;
}

static bool run_write(struct shell_context *context)
{
    uint64_t offset;
    size_t room = 1;

    if (!shell_word_number(context, 1, "an offset", &offset))
        return false;
    for (size_t i = 2; i < context->n_words; i++)
        room += strlen(context->words[i]) / 2;
    uint8_t *data = malloc(room);
    if (data == NULL)
        return shell_fail(context, VST_ERR_NO_MEMORY, "no memory for the data");
    bool ok = write_words(context, offset, data);
    free(data);
    return ok;
}

const struct shell_command command_write = {
    .name = "write",
    .usage = "DEV OFF HEX...",
    .summary = "Writes bytes given in hexadecimal",
    .help = "Any offset will do; a block that is written in part is read and written back.\n"
            "Does not flush.\n"
            "    write vda 510 55 aa\n"
            "    write vda 4k 68656c6c6f\n",
    .min_words = 3,
    .max_words = SIZE_MAX,
    .device = DEVICE_REQUIRED,
    .run = run_write,
};

/* ---------------------------------------------------------------- flush */

static bool run_flush(struct shell_context *context)
{
    enum vst_status status = vst_block_flush(context->queue);
    struct json json;

    if (status != VST_OK)
        return shell_fail(context, status, "%s", vst_status_text(status));
    if (context->json) {
        shell_json_open(context, &json);
        json_close(&json);
    }
    return true;
}

const struct shell_command command_flush = {
    .name = "flush",
    .usage = "DEV",
    .summary = "Makes durable what was written",
    .help = "Waits until the device says that everything written so far would outlive a\n"
            "power cut.\n",
    .min_words = 1,
    .max_words = 1,
    .device = DEVICE_REQUIRED,
    .run = run_flush,
};
