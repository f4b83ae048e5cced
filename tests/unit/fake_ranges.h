/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Discard, write zeroes, secure erase and GET_LIFETIME for the device of fake_virtio_blk.h: from the
 * device's side of the specification, and strict about what a driver may send.
 */
#ifndef VSTOR_TESTS_FAKE_RANGES_H
#define VSTOR_TESTS_FAKE_RANGES_H

#include "tests/unit/fake_virtio_blk.h"

#define FAKE_RANGES_MAX_SEEN 512u
#define FAKE_DISCARDED       0xddu /* what reading gives then */
#define FAKE_ERASED          0xeeu

struct fake_range_limits {
    uint32_t max_sectors, max_ranges; /* 0: it refuses nothing for that */
};

struct fake_ranges {
    struct fake_extension extension;

    /* what it offers; the configuration says the same unless a test changes that */
    struct fake_range_limits discard, zeroes, erase;
    uint16_t lifetime[3];

    /* knobs */
    uint64_t fail_sector; /* ranges that touch it end with IOERR; UINT64_MAX: none */
    uint8_t answer;       /* instead of OK */
    bool tells_nothing;   /* GET_LIFETIME ends well, and nothing is written */

    /* what it saw */
    unsigned n_commands, n_lifetimes;
    unsigned n_seen; /* ranges */
    struct fake_range_seen {
        uint32_t type, n_sectors, flags;
        uint64_t sector;
        unsigned command; /* its number, from 1 on */
    } seen[FAKE_RANGES_MAX_SEEN];
    unsigned n_types; /* of all requests, in the order of their coming */
    uint8_t types[64];
};

/** Makes `blk` offer all four, with 8 ranges of at most 1000 sectors each, aligned to 8. */
void fake_ranges_offer(struct fake_ranges *ranges, struct fake_virtio_blk *blk);

#endif
