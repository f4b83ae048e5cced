/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/fuzz/fuzz_zones.h"

#include <stdlib.h>
#include <string.h>

#include <vstor/zoned.h>

#include "drivers/virtio_spec.h"

#define MAX_ZONES 5u

static void put(uint8_t *at, uint64_t value, unsigned n_bytes)
{
    for (unsigned i = 0; i < n_bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

void fuzz_zones_offer(struct fuzz_io *io, uint8_t model, uint32_t zone_sectors)
{
    uint8_t *config = io->virtio.config;

    io->virtio.offered_features |= VIRTIO_BIT(VIRTIO_BLK_F_ZONED);
    put(config + VIRTIO_BLK_CONFIG_ZONE_SECTORS, zone_sectors, 4);
    put(config + VIRTIO_BLK_CONFIG_MAX_OPEN_ZONES, 3, 4);
    put(config + VIRTIO_BLK_CONFIG_MAX_ACTIVE_ZONES, 4, 4);
    put(config + VIRTIO_BLK_CONFIG_MAX_APPEND_SECTORS, zone_sectors, 4);
    put(config + VIRTIO_BLK_CONFIG_WRITE_GRANULARITY, 512, 4);
    config[VIRTIO_BLK_CONFIG_ZONE_MODEL] = model;
}

void fuzz_zones_check_limits(const struct vst_block_limits *limits)
{
    const struct vst_zone_limits *zones = &limits->zones;
    uint64_t zone_bytes = (uint64_t)zones->zone_sectors * 512;

    FUZZ_CHECK(zones->model <= VST_ZONE_MODEL_HOST_AWARE);
    if (zones->model == VST_ZONE_MODEL_NONE) {
        FUZZ_CHECK((zones->zone_sectors | zones->max_append_sectors |
                    zones->write_granularity_bytes) == 0);
        FUZZ_CHECK(vst_zone_count(limits) == 0);
        return;
    }
    FUZZ_CHECK(zone_bytes > 0 && zones->write_granularity_bytes >= 512);
    FUZZ_CHECK(zone_bytes % zones->write_granularity_bytes == 0);
    FUZZ_CHECK(zones->write_granularity_bytes % limits->logical_block_bytes == 0);
    FUZZ_CHECK(zones->write_granularity_bytes <= limits->max_segment_bytes);
    FUZZ_CHECK(zones->max_append_sectors <= zones->zone_sectors &&
               zones->max_append_sectors <= limits->max_sectors);
    FUZZ_CHECK(zones->max_append_sectors * 512ull % zones->write_granularity_bytes == 0);
    FUZZ_CHECK(limits->erase.max_sectors % zones->zone_sectors == 0);
    if (zones->model == VST_ZONE_MODEL_HOST_MANAGED)
        FUZZ_CHECK(limits->discard.max_ranges == 0 && limits->zeroes.max_ranges == 0);
}

void fuzz_zones_check_append(const struct vst_block_limits *limits,
                             const struct vst_block_request *request)
{
    uint64_t offset = request->append_sector - request->start_sector;

    FUZZ_CHECK(limits->zones.max_append_sectors > 0);
    FUZZ_CHECK(request->n_sectors <= limits->zones.max_append_sectors);
    FUZZ_CHECK(offset <= limits->zones.zone_sectors - request->n_sectors);
    FUZZ_CHECK(offset * 512 % limits->zones.write_granularity_bytes == 0);
}

/* ---------------------------------------------------------------- reports */

/** A zone as it may be; then the input changes of it what it wants. */
static void describe(struct fuzz_input *input, uint64_t start_sector, uint32_t zone_sectors,
                     uint8_t *descriptor)
{
    static const uint8_t fields[] = {VIRTIO_BLK_ZONE_CAPACITY, VIRTIO_BLK_ZONE_START,
                                     VIRTIO_BLK_ZONE_POINTER};
    uint8_t lies = fuzz_u8(input), kind = fuzz_u8(input);

    put(descriptor + VIRTIO_BLK_ZONE_CAPACITY, zone_sectors, 8);
    put(descriptor + VIRTIO_BLK_ZONE_START, start_sector, 8);
    put(descriptor + VIRTIO_BLK_ZONE_POINTER, start_sector + (lies >> 3), 8);
    descriptor[VIRTIO_BLK_ZONE_TYPE] = kind & 7;
    descriptor[VIRTIO_BLK_ZONE_STATE] = kind >> 4;
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(fields); i++)
        if ((lies >> i & 1) != 0)
            put(descriptor + fields[i], fuzz_bytes(input, 8), 8);
}

/** What a report that was accepted comes to. */
static void check_zones(const struct vst_block_limits *limits, uint64_t start_sector,
                        const struct vst_zone *zones, size_t n)
{
    FUZZ_CHECK(n > 0);
    for (size_t i = 0; i < n; i++, start_sector += limits->zones.zone_sectors) {
        const struct vst_zone *zone = &zones[i];
        FUZZ_CHECK(zone->start_sector == start_sector && start_sector < limits->n_sectors);
        FUZZ_CHECK(zone->n_sectors > 0 && zone->n_sectors <= limits->zones.zone_sectors &&
                   zone->n_sectors <= limits->n_sectors - start_sector);
        FUZZ_CHECK(zone->capacity_sectors <= zone->n_sectors);
        FUZZ_CHECK(zone->write_sector - start_sector <= zone->capacity_sectors);
        FUZZ_CHECK(zone->type < VST_ZONE_N_TYPES && zone->state < VST_ZONE_N_STATES);
    }
}

void fuzz_zones_parse_report(struct fuzz_io *io)
{
    const struct vst_block_limits *limits = &io->device->limits;
    struct fuzz_input *input = io->fp.input;
    uint8_t how = fuzz_u8(input), where = fuzz_u8(input), n_told = fuzz_u8(input);
    size_t n_described = how % (MAX_ZONES + 1), max = (how >> 4) + 1u, n = 99;
    size_t bytes = 64 * (n_described + 1) - (n_told >> 4) * 16u;
    uint32_t zone_sectors = limits->zones.zone_sectors;
    uint64_t sector = where < 0xf0 ? where * 8ull : fuzz_bytes(input, 8);
    uint64_t first = zone_sectors != 0 ? sector - sector % zone_sectors : sector;
    uint8_t text[64 * (MAX_ZONES + 1)] = {0};

    put(text, (n_told & 15) < 15 ? n_told & 15u : fuzz_bytes(input, 8), 8);
    for (size_t i = 0; i < n_described; i++)
        describe(input, first + i * zone_sectors, zone_sectors, text + 64 * (i + 1));
    if (bytes > sizeof(text))
        bytes = 0; /* it was to be shorter than nothing */
    /* Exactly as long as announced: ASan sees one too many. */
    uint8_t *report = malloc(bytes);
    struct vst_zone *zones = malloc(max * sizeof(*zones));
    memcpy(report, text, bytes);
    enum vst_status status =
        vst_zone_report_parse(io->device, sector, report, bytes, zones, max, &n);
    FUZZ_CHECK(status < VST_N_STATUS && n <= max && (status == VST_OK || n == 0));
    FUZZ_CHECK(limits->zones.model != VST_ZONE_MODEL_NONE || status == VST_ERR_UNSUPPORTED);
    if (status == VST_OK)
        check_zones(limits, first, zones, n);
    free(zones);
    free(report);
}
