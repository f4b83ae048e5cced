/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk: zoned devices (VIRTIO 1.3, 5.2): what is negotiated, characteristics, answers, reports. */
#include "drivers/virtio_blk.h"

/* ------------------------------------------------------------------ features */

/**
 * 5.2.5.1: a host-managed device is driven as one or not at all, and DISCARD is not accepted from it.
 * What model it is stands in the configuration, which a driver may look at before it accepts
 * (3.1.1 step 4).
 */
enum vst_status vst_virtio_blk_choose_features(struct virtio_device *device, uint64_t offered,
                                               uint64_t *features)
{
    if (device->legacy && (offered & VIRTIO_BIT(VIRTIO_BLK_F_SCSI)) != 0)
        vst_log(device->platform, VST_LOG_INFO,
                "%s: it offers to pass SCSI commands through; not used", device->name);
    if (device->legacy || (offered & VIRTIO_BIT(VIRTIO_BLK_F_ZONED)) == 0) {
        *features &= ~VIRTIO_BIT(VIRTIO_BLK_F_ZONED);
        return VST_OK;
    }
    if (vst_virtio_config_field(device, VIRTIO_BLK_CONFIG_ZONE_MODEL, 1, VIRTIO_BLK_Z_NONE) !=
        VIRTIO_BLK_Z_HM)
        return VST_OK;
    if ((*features & VIRTIO_BIT(VIRTIO_BLK_F_ZONED)) == 0) {
        vst_log(device->platform, VST_LOG_ERROR,
                "%s: a host-managed zoned device can't be driven without ZONED", device->name);
        return VST_ERR_UNSUPPORTED;
    }
    *features &= ~VIRTIO_BIT(VIRTIO_BLK_F_DISCARD);
    return VST_OK;
}

/* ------------------------------------------------------------------ configuration */

static uint32_t field(struct virtio_device *device, uint32_t offset)
{
    return vst_virtio_config_field(device, offset, 4, 0);
}

void vst_virtio_blk_read_zones(struct virtio_device *device, struct blk_limits_read *read)
{
    read->zones = (struct blk_zones_read){0};
    if (!virtio_has(device, VIRTIO_BLK_F_ZONED))
        return;
    read->zones = (struct blk_zones_read){
        .offered = true,
        .model = (uint8_t)vst_virtio_config_field(device, VIRTIO_BLK_CONFIG_ZONE_MODEL, 1, 0),
        .zone_sectors = field(device, VIRTIO_BLK_CONFIG_ZONE_SECTORS),
        .max_open = field(device, VIRTIO_BLK_CONFIG_MAX_OPEN_ZONES),
        .max_active = field(device, VIRTIO_BLK_CONFIG_MAX_ACTIVE_ZONES),
        .max_append_sectors = field(device, VIRTIO_BLK_CONFIG_MAX_APPEND_SECTORS),
        .write_granularity_bytes = field(device, VIRTIO_BLK_CONFIG_WRITE_GRANULARITY),
    };
}

/** What makes no sense, or NULL. `granularity_bytes`: see struct vst_zone_limits. */
static const char *problem(const struct blk_zones_read *read, const struct vst_block_limits *limits,
                           uint32_t granularity_bytes)
{
    if (read->model > VIRTIO_BLK_Z_HA)
        return "zone model";
    if (read->zone_sectors == 0 ||
        read->zone_sectors % (limits->logical_block_bytes / VST_SECTOR_BYTES) != 0)
        return "zone size (sectors)";
    if (read->write_granularity_bytes == 0 ||
        granularity_bytes % limits->logical_block_bytes != 0 ||
        (uint64_t)read->zone_sectors * VST_SECTOR_BYTES % granularity_bytes != 0)
        return "write granularity (bytes)";
    /* A write of this length must be possible in one command, whatever its segments. */
    return granularity_bytes <= limits->max_segment_bytes ? NULL : "write granularity (bytes)";
}

/** As much as one command carries, of whole multiples; 0 if that is nothing. */
static uint32_t max_append(const struct blk_zones_read *read, const struct vst_block_limits *limits,
                           uint32_t granularity_bytes)
{
    uint64_t of_segments =
        (uint64_t)limits->max_segments * limits->max_segment_bytes >> VST_SECTOR_SHIFT;
    uint64_t most = read->max_append_sectors;

    if (most > limits->max_sectors)
        most = limits->max_sectors;
    if (most > of_segments)
        most = of_segments;
    if (most > read->zone_sectors)
        most = read->zone_sectors;
    return (uint32_t)(most - most % (granularity_bytes / VST_SECTOR_BYTES));
}

/** 5.2.6.2: only whole zones are erased; and what a sequential zone makes of zeroes, nobody says. */
static void narrow_ranges(struct vst_block_limits *limits)
{
    uint32_t zone_sectors = limits->zones.zone_sectors;
    struct vst_block_range_limits *erase = &limits->erase;

    erase->max_sectors -= erase->max_sectors % zone_sectors;
    erase->alignment_sectors = zone_sectors;
    if (erase->max_sectors == 0)
        *erase = (struct vst_block_range_limits){0};
    if (limits->zones.model != VST_ZONE_MODEL_HOST_MANAGED)
        return;
    limits->discard = limits->zeroes = (struct vst_block_range_limits){0};
    limits->zeroes_may_unmap = false;
}

enum vst_status vst_virtio_blk_zone_limits(const struct blk_device *blk,
                                           const struct blk_limits_read *limits_read,
                                           struct vst_block_limits *limits)
{
    const struct blk_zones_read *read = &limits_read->zones;
    uint32_t granularity = read->write_granularity_bytes;

    limits->zones = (struct vst_zone_limits){0};
    if (!read->offered || read->model == VIRTIO_BLK_Z_NONE)
        return VST_OK;
    if (granularity != 0 && limits->logical_block_bytes % granularity == 0)
        granularity = limits->logical_block_bytes;
    const char *what = problem(read, limits, granularity);
    if (what != NULL) {
        /* 5.2.5.1: a host-aware device may be driven as one without zones. */
        bool is_fatal = read->model != VIRTIO_BLK_Z_HA;
        vst_log(blk->base.platform, is_fatal ? VST_LOG_ERROR : VST_LOG_WARNING,
                "%s: the %s makes no sense (zones of %u sectors, written by %u bytes, model %u)%s",
                blk->virtio.name, what, (unsigned)read->zone_sectors,
                (unsigned)read->write_granularity_bytes, read->model,
                is_fatal ? "" : ": zones are not used");
        return is_fatal ? VST_ERR_MALFORMED : VST_OK;
    }
    limits->zones = (struct vst_zone_limits){
        .model = read->model == VIRTIO_BLK_Z_HM ? VST_ZONE_MODEL_HOST_MANAGED
                                                : VST_ZONE_MODEL_HOST_AWARE,
        .zone_sectors = read->zone_sectors,
        .max_open = read->max_open,
        .max_active = read->max_active,
        .max_append_sectors = max_append(read, limits, granularity),
        .write_granularity_bytes = granularity,
    };
    narrow_ranges(limits);
    return VST_OK;
}

enum vst_status vst_virtio_blk_zones_stay(const struct blk_device *blk,
                                          const struct vst_zone_limits *read_now)
{
    const struct vst_zone_limits *old = &blk->base.limits.zones;

    if (read_now->model == old->model && read_now->zone_sectors == old->zone_sectors &&
        read_now->write_granularity_bytes == old->write_granularity_bytes)
        return VST_OK;
    vst_log(
        blk->base.platform, VST_LOG_ERROR,
        "%s: zones change while in use (model %u to %u, of %u sectors to %u, written by %u bytes "
        "to %u); not taken over",
        blk->virtio.name, old->model, read_now->model, (unsigned)old->zone_sectors,
        (unsigned)read_now->zone_sectors, (unsigned)old->write_granularity_bytes,
        (unsigned)read_now->write_granularity_bytes);
    return VST_ERR_UNSUPPORTED;
}

/* ------------------------------------------------------------------ answers */

enum vst_status vst_virtio_blk_zone_answer(const struct blk_device *blk, uint8_t answer)
{
    if (!virtio_has(&blk->virtio, VIRTIO_BLK_F_ZONED))
        return VST_ERR_MALFORMED;
    switch (answer) {
    case VIRTIO_BLK_S_ZONE_INVALID_CMD:
        return VST_ERR_ZONE_INVALID;
    case VIRTIO_BLK_S_ZONE_UNALIGNED_WP:
        return VST_ERR_ZONE_POINTER;
    case VIRTIO_BLK_S_ZONE_OPEN_RESOURCE:
        return VST_ERR_ZONE_MANY_OPEN;
    case VIRTIO_BLK_S_ZONE_ACTIVE_RESOURCE:
        return VST_ERR_ZONE_MANY_ACTIVE;
    default:
        return VST_ERR_MALFORMED;
    }
}

enum vst_status vst_virtio_blk_take_append(const struct blk_queue *q, uint16_t id,
                                           struct vst_block_request *request)
{
    const struct vst_block_limits *limits = &q->base.device->limits;
    const struct blk_header *header = q->vq.slots[id].shared;
    uint64_t sector = dev_le64_get(&header->append_sector);
    uint64_t offset = sector - request->start_sector; /* wraps where it lies before the zone */
    uint64_t capacity = __atomic_load_n(&limits->n_sectors, __ATOMIC_RELAXED); /* may change */

    if (offset > limits->zones.zone_sectors - request->n_sectors || request->n_sectors > capacity ||
        sector > capacity - request->n_sectors || /* the last zone may be shorter */
        offset % (limits->zones.write_granularity_bytes / VST_SECTOR_BYTES) != 0)
        return VST_ERR_MALFORMED;
    request->append_sector = sector;
    return VST_OK;
}

/* ------------------------------------------------------------------ reports */

/** A little-endian field of a report, each byte read once: the device may still write. */
static uint64_t report_field(const uint8_t *at, unsigned n_bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < n_bytes; i++)
        value |= (uint64_t)__atomic_load_n(&at[i], __ATOMIC_RELAXED) << 8 * i;
    return value;
}

static enum vst_zone_type type_of(uint8_t type)
{
    switch (type) {
    case VIRTIO_BLK_ZT_CONV:
        return VST_ZONE_CONVENTIONAL;
    case VIRTIO_BLK_ZT_SWR:
        return VST_ZONE_SEQUENTIAL;
    case VIRTIO_BLK_ZT_SWP:
        return VST_ZONE_SEQUENTIAL_PREFERRED;
    default:
        return VST_ZONE_N_TYPES;
    }
}

static enum vst_zone_state state_of(uint8_t state)
{
    switch (state) {
    case VIRTIO_BLK_ZS_NOT_WP:
        return VST_ZONE_NO_POINTER;
    case VIRTIO_BLK_ZS_EMPTY:
        return VST_ZONE_EMPTY;
    case VIRTIO_BLK_ZS_IOPEN:
        return VST_ZONE_OPEN_BY_WRITE;
    case VIRTIO_BLK_ZS_EOPEN:
        return VST_ZONE_OPEN;
    case VIRTIO_BLK_ZS_CLOSED:
        return VST_ZONE_CLOSED;
    case VIRTIO_BLK_ZS_RDONLY:
        return VST_ZONE_READ_ONLY;
    case VIRTIO_BLK_ZS_FULL:
        return VST_ZONE_FULL;
    case VIRTIO_BLK_ZS_OFFLINE:
        return VST_ZONE_OFFLINE;
    default:
        return VST_ZONE_N_STATES;
    }
}

static struct vst_zone zone_of(const uint8_t *descriptor)
{
    return (struct vst_zone){
        .start_sector = report_field(descriptor + VIRTIO_BLK_ZONE_START, 8),
        .capacity_sectors = report_field(descriptor + VIRTIO_BLK_ZONE_CAPACITY, 8),
        .write_sector = report_field(descriptor + VIRTIO_BLK_ZONE_POINTER, 8),
        .type = type_of((uint8_t)report_field(descriptor + VIRTIO_BLK_ZONE_TYPE, 1)),
        .state = state_of((uint8_t)report_field(descriptor + VIRTIO_BLK_ZONE_STATE, 1)),
    };
}

enum vst_status vst_virtio_blk_parse_zones(const void *report, size_t bytes, struct vst_zone *zones,
                                           size_t max, size_t *n_zones)
{
    const uint8_t *descriptors = (const uint8_t *)report + VIRTIO_BLK_ZONE_REPORT_HEAD_BYTES;

    if (bytes < VIRTIO_BLK_ZONE_REPORT_HEAD_BYTES)
        return VST_ERR_MALFORMED;
    uint64_t n = report_field(report, 8);
    if (n > (bytes - VIRTIO_BLK_ZONE_REPORT_HEAD_BYTES) / VIRTIO_BLK_ZONE_BYTES)
        return VST_ERR_MALFORMED; /* more than it can have transferred */
    *n_zones = n < max ? (size_t)n : max;
    for (size_t i = 0; i < *n_zones; i++)
        zones[i] = zone_of(descriptors + i * VIRTIO_BLK_ZONE_BYTES);
    return VST_OK;
}
