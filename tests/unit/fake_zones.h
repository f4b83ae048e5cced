/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Zones for the device of fake_virtio_blk.h, which no QEMU of today has: the state machine of VIRTIO
 * 1.3, 5.2.6, from the device's side, and strict about what a driver may send.
 */
#ifndef VSTOR_TESTS_FAKE_ZONES_H
#define VSTOR_TESTS_FAKE_ZONES_H

#include "tests/unit/fake_virtio_blk.h"

#define FAKE_ZONES_MAX 64u

enum fake_zone_type { FAKE_CONVENTIONAL = 1, FAKE_SEQUENTIAL = 2, FAKE_PREFERRED = 3 };
enum fake_zone_state {
    FAKE_NOT_WP = 0,
    FAKE_EMPTY = 1,
    FAKE_IMPLICIT = 2,
    FAKE_EXPLICIT = 3,
    FAKE_CLOSED = 4,
    FAKE_READ_ONLY = 13,
    FAKE_FULL = 14,
    FAKE_OFFLINE = 15,
};

struct fake_zones {
    struct fake_extension extension;
    struct fake_virtio_blk *blk;

    /* what it is; fake_zones_tell puts it into the configuration */
    uint8_t model; /* 0 none, 1 host-managed, 2 host-aware */
    uint32_t zone_sectors, max_open, max_active, max_append_sectors, granularity_bytes;
    unsigned n_zones;
    struct fake_zone {
        uint64_t start, length, capacity, pointer; /* sectors */
        uint8_t type, state;
    } zones[FAKE_ZONES_MAX];

    /* knobs */
    void (*tamper)(uint8_t *report, size_t bytes); /* before a report is sent */
    bool sends_head_only; /* of reports the number is written, and no zone */
    bool tells_place;     /* appends answer this, wherever the data went */
    uint64_t place;
    bool tells_no_place;

    /* what it saw */
    unsigned n_writes, n_appends, n_reports, n_managed;
    unsigned n_together; /* writes that came while others were not answered yet */
    uint64_t last_write_sector;
};

/**
 * Makes `blk` a host-managed device with zones of 1024 sectors, of which 1000 can be written, by
 * 4096 bytes: the first two conventional, the last as long as the disk has it; at most 3 open and 4
 * active, 64 sectors an append.
 */
void fake_zones_offer(struct fake_zones *zones, struct fake_virtio_blk *blk);
/** Characteristics have changed: writes them into the configuration. */
void fake_zones_tell(struct fake_zones *zones);
/** Divides the disk anew, all zones empty: sizes, or the disk's, have changed. */
void fake_zones_divide(struct fake_zones *zones, unsigned n_conventional, uint32_t capacity);

#endif
