/* SPDX-License-Identifier: BSD-2-Clause */
/* Zoned devices: appends, reports and what is done to zones. Each is one command, or is refused. */
#include "block/zones.h"

/* ------------------------------------------------------------------ submitting */

static uint64_t capacity_of(const struct vst_block_device *device)
{
    return __atomic_load_n(&device->limits.n_sectors, __ATOMIC_RELAXED); /* may change */
}

/** Sectors of the zone that begins there. */
static uint64_t zone_length(const struct vst_block_limits *limits, uint64_t start_sector,
                            uint64_t capacity)
{
    return capacity - start_sector < limits->zones.zone_sectors ? capacity - start_sector
                                                                : limits->zones.zone_sectors;
}

static enum vst_status check_zone_start(const struct vst_block_limits *limits,
                                        uint64_t start_sector, uint64_t capacity)
{
    if (start_sector % limits->zones.zone_sectors != 0)
        return VST_ERR_INVALID;
    return start_sector < capacity ? VST_OK : VST_ERR_RANGE;
}

static enum vst_status check_managed(const struct vst_block_device *device,
                                     const struct vst_block_request *request)
{
    if (device->read_only)
        return VST_ERR_READ_ONLY;
    if (request->n_segments != 0 || request->n_sectors != 0)
        return VST_ERR_INVALID;
    if (request->op == VST_BLOCK_ZONE_RESET_ALL)
        return request->start_sector == 0 ? VST_OK : VST_ERR_INVALID;
    return check_zone_start(&device->limits, request->start_sector, capacity_of(device));
}

static enum vst_status check_report(const struct vst_block_device *device,
                                    const struct vst_block_request *request,
                                    struct vst_block_part *part)
{
    const struct vst_block_segment *segment = request->segments;

    if (request->n_segments != 1 || request->n_sectors != 0 ||
        segment->bytes < VST_ZONE_REPORT_BYTES(1))
        return VST_ERR_INVALID;
    if (segment->bytes > device->limits.max_segment_bytes)
        return VST_ERR_TOO_LARGE;
    part->bytes = (uint32_t)segment->bytes;
    part->n_pieces = 1;
    return request->start_sector < capacity_of(device) ? VST_OK : VST_ERR_RANGE;
}

/** Pieces of memory that the segments make, and the sum of their bytes: UINT64_MAX if one is empty. */
static uint64_t count_pieces(const struct vst_block_request *request,
                             const struct vst_block_limits *limits, uint64_t *bytes)
{
    uint64_t n = 0;

    *bytes = 0;
    for (uint32_t i = 0; i < request->n_segments; i++) {
        uint64_t piece = request->segments[i].bytes;
        *bytes = piece == 0 ? UINT64_MAX : vst_add_saturated_u64(*bytes, piece);
        n += piece / limits->max_segment_bytes + (piece % limits->max_segment_bytes != 0);
    }
    return n;
}

static enum vst_status check_append(const struct vst_block_device *device,
                                    const struct vst_block_request *request,
                                    struct vst_block_part *part)
{
    const struct vst_block_limits *limits = &device->limits;
    uint64_t bytes, capacity = capacity_of(device);

    if (limits->zones.max_append_sectors == 0)
        return VST_ERR_UNSUPPORTED;
    if (device->read_only)
        return VST_ERR_READ_ONLY;
    enum vst_status status = check_zone_start(limits, request->start_sector, capacity);
    if (status != VST_OK)
        return status;
    uint64_t n_pieces = count_pieces(request, limits, &bytes);
    if (request->n_sectors == 0 || bytes >> VST_SECTOR_SHIFT != request->n_sectors ||
        bytes % limits->zones.write_granularity_bytes != 0)
        return VST_ERR_INVALID;
    if (request->n_sectors > limits->zones.max_append_sectors || n_pieces > limits->max_segments)
        return VST_ERR_TOO_LARGE;
    part->bytes = (uint32_t)bytes;
    part->n_pieces = (uint32_t)n_pieces;
    return request->n_sectors <= zone_length(limits, request->start_sector, capacity)
               ? VST_OK
               : VST_ERR_RANGE;
}

enum vst_status vst_block_submit_zoned(struct vst_block_queue *queue,
                                       struct vst_block_request *request)
{
    const struct vst_block_device *device = queue->device;
    struct vst_block_part part = {.op = request->op,
                                  .start_sector = request->start_sector,
                                  .n_sectors = request->n_sectors,
                                  .segments = request->segments};
    enum vst_status status;

    if (device->limits.zones.model == VST_ZONE_MODEL_NONE)
        return VST_ERR_UNSUPPORTED;
    if (request->op == VST_BLOCK_ZONE_APPEND)
        status = check_append(device, request, &part);
    else if (request->op == VST_BLOCK_ZONE_REPORT)
        status = check_report(device, request, &part);
    else
        status = check_managed(device, request);
    if (status != VST_OK)
        return status;
    if (queue->split.first != NULL)
        return VST_ERR_FULL;
    request->priv = (struct vst_block_request_private){0};
    return queue->driver->submit_part(queue, request, &part);
}

/* ------------------------------------------------------------------ reports */

/** Type and state as they may stand together. */
static bool state_fits(const struct vst_zone *zone)
{
    bool conventional = zone->type == VST_ZONE_CONVENTIONAL;

    if (zone->type >= VST_ZONE_N_TYPES || zone->state >= VST_ZONE_N_STATES)
        return false;
    return conventional ? !vst_zone_has_pointer(zone->state) && zone->state != VST_ZONE_FULL
                        : zone->state != VST_ZONE_NO_POINTER;
}

/** One zone of a report: it begins where it must, and nothing of it lies outside. */
static bool check_zone(struct vst_zone *zone, uint64_t start_sector,
                       const struct vst_block_limits *limits, uint64_t capacity)
{
    if (start_sector >= capacity || zone->start_sector != start_sector || !state_fits(zone))
        return false;
    zone->n_sectors = zone_length(limits, start_sector, capacity);
    if (zone->capacity_sectors > zone->n_sectors)
        return false;
    if (!vst_zone_has_pointer(zone->state)) {
        zone->write_sector = start_sector + zone->capacity_sectors;
        return true;
    }
    /* What lies before the zone wraps to far behind it. */
    return zone->write_sector - start_sector <= zone->capacity_sectors &&
           (zone->state != VST_ZONE_EMPTY || zone->write_sector == start_sector);
}

enum vst_status vst_zone_report_parse(const struct vst_block_device *device, uint64_t start_sector,
                                      const void *report, size_t bytes, struct vst_zone *zones,
                                      size_t max, size_t *n_zones)
{
    const struct vst_block_limits *limits = &device->limits;
    const struct vst_block_driver *driver = device->queues[0]->driver;
    uint64_t capacity = capacity_of(device);

    *n_zones = 0;
    if (limits->zones.model == VST_ZONE_MODEL_NONE || driver->parse_zones == NULL)
        return VST_ERR_UNSUPPORTED;
    enum vst_status status = driver->parse_zones(report, bytes, zones, max, n_zones);
    if (status == VST_OK && *n_zones == 0)
        status = VST_ERR_MALFORMED;
    start_sector -= start_sector % limits->zones.zone_sectors;
    for (size_t i = 0; i < *n_zones && status == VST_OK; i++) {
        if (!check_zone(&zones[i], start_sector, limits, capacity))
            status = VST_ERR_MALFORMED;
        start_sector += limits->zones.zone_sectors;
    }
    if (status != VST_OK)
        *n_zones = 0;
    return status;
}

/* ------------------------------------------------------------------ blocking calls */

enum vst_status vst_zone_report(struct vst_block_queue *queue, uint64_t start_sector, void *buffer,
                                size_t buffer_bytes, struct vst_zone *zones, size_t max,
                                size_t *n_zones)
{
    uint32_t most = queue->device->limits.max_segment_bytes;
    struct vst_block_segment segment = {buffer, buffer_bytes < most ? buffer_bytes : most};
    struct vst_block_request request = {.op = VST_BLOCK_ZONE_REPORT,
                                        .n_segments = 1,
                                        .segments = &segment,
                                        .start_sector = start_sector};

    *n_zones = 0;
    if (max == 0 || buffer_bytes < VST_ZONE_REPORT_BYTES(1))
        return VST_ERR_INVALID;
    if (segment.bytes / 64 - 1 > max) /* no more than is wanted */
        segment.bytes = VST_ZONE_REPORT_BYTES(max);
    __builtin_memset(buffer, 0, segment.bytes);
    enum vst_status status = vst_block_execute(queue, &request);
    if (status != VST_OK)
        return status;
    return vst_zone_report_parse(queue->device, start_sector, buffer, segment.bytes, zones, max,
                                 n_zones);
}

enum vst_status vst_zone_manage(struct vst_block_queue *queue, enum vst_block_op op,
                                uint64_t start_sector)
{
    struct vst_block_request request = {.op = op, .start_sector = start_sector};

    if (op < VST_BLOCK_ZONE_OPEN || op > VST_BLOCK_ZONE_RESET_ALL)
        return VST_ERR_INVALID;
    return vst_block_execute(queue, &request);
}

enum vst_status vst_zone_append(struct vst_block_queue *queue, uint64_t start_sector,
                                const void *buffer, size_t bytes, uint64_t *append_sector)
{
    /* The buffer is only read: the request's segments are one type for both directions. */
    struct vst_block_segment segment = {(void *)(uintptr_t)buffer, bytes};
    struct vst_block_request request = {.op = VST_BLOCK_ZONE_APPEND,
                                        .n_segments = 1,
                                        .segments = &segment,
                                        .start_sector = start_sector,
                                        .n_sectors = bytes >> VST_SECTOR_SHIFT};
    enum vst_status status = vst_block_execute(queue, &request);

    if (status == VST_OK && append_sector != NULL)
        *append_sector = request.append_sector;
    return status;
}

/* ------------------------------------------------------------------ names */

const char *vst_zone_type_name(enum vst_zone_type type)
{
    static const char *const names[VST_ZONE_N_TYPES] = {
        [VST_ZONE_CONVENTIONAL] = "conventional",
        [VST_ZONE_SEQUENTIAL] = "sequential",
        [VST_ZONE_SEQUENTIAL_PREFERRED] = "preferred",
    };

    return (unsigned)type < VST_ZONE_N_TYPES ? names[type] : "unknown";
}

const char *vst_zone_state_name(enum vst_zone_state state)
{
    static const char *const names[VST_ZONE_N_STATES] = {
        [VST_ZONE_NO_POINTER] = "none",       [VST_ZONE_EMPTY] = "empty",
        [VST_ZONE_OPEN_BY_WRITE] = "written", [VST_ZONE_OPEN] = "open",
        [VST_ZONE_CLOSED] = "closed",         [VST_ZONE_FULL] = "full",
        [VST_ZONE_READ_ONLY] = "read_only",   [VST_ZONE_OFFLINE] = "offline",
    };

    return (unsigned)state < VST_ZONE_N_STATES ? names[state] : "unknown";
}

const char *vst_zone_model_name(enum vst_zone_model model)
{
    static const char *const names[] = {"none", "host-managed", "host-aware"};

    return (unsigned)model < VST_ARRAY_LENGTH(names) ? names[model] : "unknown";
}
