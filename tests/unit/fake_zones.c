/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/fake_zones.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    IN = 0,
    OUT = 1,
    APPEND = 15,
    REPORT = 16,
    OPEN = 18,
    CLOSE = 20,
    FINISH = 22,
    RESET = 24,
    RESET_ALL = 26
};
enum { OK = 0, IOERR = 1, UNSUPP = 2, INVALID = 3, UNALIGNED = 4, MANY_OPEN = 5, MANY_ACTIVE = 6 };

static void expect(struct fake_zones *zones, bool kept, const char *rule)
{
    if (!kept)
        fake_virtio_blk_misuse(zones->blk, rule);
}

/* ---------------------------------------------------------------- states */

static struct fake_zone *zone_at(struct fake_zones *zones, uint64_t sector)
{
    return sector < zones->blk->disk_sectors ? &zones->zones[sector / zones->zone_sectors] : NULL;
}

static unsigned count(const struct fake_zones *zones, bool active)
{
    unsigned n = 0;

    for (unsigned i = 0; i < zones->n_zones; i++) {
        uint8_t state = zones->zones[i].state;
        n += state == FAKE_IMPLICIT || state == FAKE_EXPLICIT || (active && state == FAKE_CLOSED);
    }
    return n;
}

/** Makes room for one more open zone by closing one that was opened by a write. */
static bool close_one(struct fake_zones *zones)
{
    for (unsigned i = 0; i < zones->n_zones; i++)
        if (zones->zones[i].state == FAKE_IMPLICIT) {
            zones->zones[i].state = FAKE_CLOSED;
            return true;
        }
    return false;
}

static uint8_t open_zone(struct fake_zones *zones, struct fake_zone *zone, uint8_t state)
{
    if (zone->state == FAKE_EXPLICIT || zone->state == state)
        return OK;
    if (zone->state == FAKE_IMPLICIT) {
        zone->state = state;
        return OK;
    }
    if (zone->state != FAKE_EMPTY && zone->state != FAKE_CLOSED)
        return INVALID;
    if (zone->state == FAKE_EMPTY && zones->max_active != 0 &&
        count(zones, true) >= zones->max_active)
        return MANY_ACTIVE;
    if (zones->max_open != 0 && count(zones, false) >= zones->max_open && !close_one(zones))
        return MANY_OPEN;
    zone->state = state;
    return OK;
}

static uint8_t close_zone(struct fake_zone *zone)
{
    if (zone->state == FAKE_CLOSED)
        return OK;
    if (zone->state != FAKE_IMPLICIT && zone->state != FAKE_EXPLICIT)
        return INVALID;
    zone->state = zone->pointer == zone->start ? FAKE_EMPTY : FAKE_CLOSED;
    return OK;
}

static uint8_t finish_zone(struct fake_zone *zone)
{
    if (zone->state < FAKE_IMPLICIT || zone->state == FAKE_READ_ONLY || zone->state == FAKE_OFFLINE)
        return INVALID;
    zone->state = FAKE_FULL;
    return OK;
}

static uint8_t reset_zone(struct fake_zone *zone)
{
    if (zone->state == FAKE_READ_ONLY || zone->state == FAKE_OFFLINE)
        return INVALID;
    zone->state = FAKE_EMPTY;
    zone->pointer = zone->start;
    return OK;
}

static uint8_t manage(struct fake_zones *zones, uint32_t type, uint64_t sector)
{
    struct fake_zone *zone = zone_at(zones, sector);

    if (type == RESET_ALL) {
        expect(zones, sector == 0, "RESET_ALL with a sector");
        for (unsigned i = 0; i < zones->n_zones; i++)
            if (zones->zones[i].type != FAKE_CONVENTIONAL)
                reset_zone(&zones->zones[i]);
        return OK;
    }
    expect(zones, zone != NULL && zone->start == sector, "a zone command that names no zone");
    if (zones->blk->saw_misuse || zone->type == FAKE_CONVENTIONAL)
        return INVALID;
    switch (type) {
    case OPEN:
        return open_zone(zones, zone, FAKE_EXPLICIT);
    case CLOSE:
        return close_zone(zone);
    case FINISH:
        return finish_zone(zone);
    default:
        return reset_zone(zone);
    }
}

/* ---------------------------------------------------------------- data */

static uint64_t bytes_of(const struct fake_request *request)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < request->n_data; i++)
        bytes += request->data[i].bytes;
    return bytes;
}

/** Moves at most `most` bytes. */
static void move(uint8_t *place, const struct fake_request *request, bool to_driver, uint64_t most)
{
    for (unsigned i = 0; i < request->n_data && most > 0; i++) {
        void *memory = (void *)(uintptr_t)request->data[i].addr;
        uint64_t bytes = request->data[i].bytes < most ? request->data[i].bytes : most;
        memcpy(to_driver ? memory : place, to_driver ? place : memory, bytes);
        place += bytes;
        most -= bytes;
    }
}

/** Writes at the write pointer, which moves. */
static uint8_t write_zone(struct fake_zones *zones, struct fake_zone *zone,
                          const struct fake_request *request)
{
    uint64_t n_sectors = bytes_of(request) / 512;

    for (unsigned i = 0; i < request->n_data; i++)
        expect(zones, !request->data[i].writable, "data descriptor of the wrong direction");
    if (zone->pointer + n_sectors > zone->start + zone->capacity)
        return INVALID;
    uint8_t answer = open_zone(zones, zone, FAKE_IMPLICIT);
    if (answer != OK)
        return answer;
    move(zones->blk->disk + zone->pointer * 512, request, false, UINT64_MAX);
    zone->pointer += n_sectors;
    if (zone->pointer == zone->start + zone->capacity)
        zone->state = FAKE_FULL;
    return OK;
}

static bool crosses(const struct fake_zones *zones, const struct fake_request *request)
{
    return request->sector % zones->zone_sectors + bytes_of(request) / 512 > zones->zone_sectors;
}

/** A read or write; false if it concerns no sequential zone. */
static bool transfer(struct fake_zones *zones, const struct fake_request *request, uint8_t *answer)
{
    struct fake_zone *zone = zone_at(zones, request->sector);
    bool is_write = request->type == OUT;

    if (is_write) {
        zones->n_writes++;
        zones->n_together += zones->blk->queues[0].n_held > 0;
        zones->last_write_sector = request->sector;
    }
    if (zones->model == 1)
        expect(zones, !crosses(zones, request), "a command that crosses from zone to zone");
    if (zone == NULL || zone->type != FAKE_SEQUENTIAL)
        return false;
    *answer = IOERR;
    if (zones->blk->fail_sector - request->sector < bytes_of(request) / 512)
        return true;
    if (!is_write) {
        *answer = INVALID;
        return zone->state == FAKE_OFFLINE;
    }
    expect(zones,
           request->sector * 512 % zones->granularity_bytes == 0 &&
               bytes_of(request) % zones->granularity_bytes == 0,
           "a write that does not keep to the granularity");
    *answer = zone->state > FAKE_CLOSED          ? INVALID
              : zone->pointer != request->sector ? UNALIGNED
                                                 : write_zone(zones, zone, request);
    return true;
}

static uint8_t append(struct fake_zones *zones, const struct fake_request *request)
{
    struct fake_zone *zone = zone_at(zones, request->sector);
    uint64_t bytes = bytes_of(request);

    zones->n_appends++;
    expect(zones, zone != NULL && zone->start == request->sector,
           "an append that names no zone's beginning");
    expect(zones, bytes > 0 && bytes % zones->granularity_bytes == 0,
           "an append that does not keep to the granularity");
    expect(zones, bytes / 512 <= zones->max_append_sectors, "an append beyond the limit");
    if (zones->blk->saw_misuse || zone->type != FAKE_SEQUENTIAL || zone->state > FAKE_CLOSED)
        return INVALID;
    if (zones->blk->fail_sector - zone->pointer < bytes / 512)
        return IOERR;
    uint64_t place = zone->pointer;
    uint8_t answer = write_zone(zones, zone, request);
    if (zones->tells_place)
        place = zones->place;
    if (answer == OK && !zones->tells_no_place)
        memcpy((void *)(uintptr_t)request->tail, &place, 8);
    return answer;
}

/* ---------------------------------------------------------------- reports */

static void describe(const struct fake_zone *zone, uint8_t *descriptor)
{
    uint64_t pointer =
        zone->state >= FAKE_EMPTY && zone->state <= FAKE_CLOSED ? zone->pointer : UINT64_MAX;

    memcpy(descriptor, &zone->capacity, 8);
    memcpy(descriptor + 8, &zone->start, 8);
    memcpy(descriptor + 16, &pointer, 8);
    descriptor[24] = zone->type;
    descriptor[25] = zone->state;
}

static uint8_t report(struct fake_zones *zones, const struct fake_request *request)
{
    uint64_t bytes = bytes_of(request), n;
    uint8_t *text = calloc(1, bytes);

    zones->n_reports++;
    assert(text != NULL);
    expect(zones, zone_at(zones, request->sector) != NULL, "a report from beyond the end");
    expect(zones, bytes >= 64, "a report without room for its head");
    for (unsigned i = 0; i < request->n_data; i++)
        expect(zones, request->data[i].writable, "a report into memory that is not writable");
    if (!zones->blk->saw_misuse) {
        uint64_t first = request->sector / zones->zone_sectors;
        n = zones->n_zones - first;
        if (n > (bytes - 64) / 64)
            n = (bytes - 64) / 64;
        memcpy(text, &n, 8);
        for (uint64_t i = 0; i < n; i++)
            describe(&zones->zones[first + i], text + 64 + 64 * i);
        if (zones->tamper != NULL)
            zones->tamper(text, bytes);
        move(text, request, true, zones->sends_head_only ? 64 : UINT64_MAX);
    }
    free(text);
    return OK;
}

/* ---------------------------------------------------------------- all of it */

static bool serve(struct fake_extension *extension, struct fake_virtio_blk *blk,
                  const struct fake_request *request, uint8_t *answer)
{
    struct fake_zones *zones = VST_CONTAINER_OF(extension, struct fake_zones, extension);
    bool negotiated = (blk->driver_features >> 17 & 1) != 0;

    if (request->type == IN || request->type == OUT)
        return zones->model != 0 && transfer(zones, request, answer);
    if (request->type < APPEND || request->type > RESET_ALL)
        return false;
    expect(zones, negotiated, "a zone command, and ZONED is not negotiated");
    *answer = UNSUPP;
    if (!negotiated)
        return true;
    if (request->type == APPEND) {
        *answer = append(zones, request);
    } else if (request->type == REPORT) {
        *answer = report(zones, request);
    } else {
        zones->n_managed++;
        expect(zones, request->n_data == 0, "data with a zone command that has none");
        *answer = manage(zones, request->type, request->sector);
    }
    return true;
}

void fake_zones_tell(struct fake_zones *zones)
{
    struct fake_virtio_blk *blk = zones->blk;

    fake_virtio_blk_set_config32(blk, 72, zones->zone_sectors);
    fake_virtio_blk_set_config32(blk, 76, zones->max_open);
    fake_virtio_blk_set_config32(blk, 80, zones->max_active);
    fake_virtio_blk_set_config32(blk, 84, zones->max_append_sectors);
    fake_virtio_blk_set_config32(blk, 88, zones->granularity_bytes);
    blk->config[92] = zones->model;
}

void fake_zones_divide(struct fake_zones *zones, unsigned n_conventional, uint32_t capacity)
{
    uint64_t n_sectors = zones->blk->disk_sectors;

    zones->n_zones = 0;
    for (uint64_t start = 0; start < n_sectors; start += zones->zone_sectors) {
        struct fake_zone *zone = &zones->zones[zones->n_zones];
        bool conventional = zones->n_zones++ < n_conventional;
        assert(zones->n_zones <= FAKE_ZONES_MAX);
        *zone = (struct fake_zone){.start = start, .pointer = start};
        zone->length =
            n_sectors - start < zones->zone_sectors ? n_sectors - start : zones->zone_sectors;
        zone->capacity = conventional || zone->length < capacity ? zone->length : capacity;
        zone->type = conventional        ? FAKE_CONVENTIONAL
                     : zones->model == 2 ? FAKE_PREFERRED
                                         : FAKE_SEQUENTIAL;
        zone->state = conventional ? FAKE_NOT_WP : FAKE_EMPTY;
    }
}

void fake_zones_offer(struct fake_zones *zones, struct fake_virtio_blk *blk)
{
    *zones = (struct fake_zones){.extension.serve = serve,
                                 .blk = blk,
                                 .model = 1,
                                 .zone_sectors = 1024,
                                 .max_open = 3,
                                 .max_active = 4,
                                 .max_append_sectors = 64,
                                 .granularity_bytes = 4096};
    fake_virtio_blk_extend(blk, &zones->extension);
    blk->offered_features |= 1u << 17;
    fake_zones_tell(zones);
    fake_zones_divide(zones, 2, 1000);
}
