/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A block device in memory, as a driver for the block layer: it keeps commands until it is polled,
 * checks that each keeps the device's limits, and fails where it is told to.
 */
#ifndef VSTOR_TESTS_FAKE_DISK_H
#define VSTOR_TESTS_FAKE_DISK_H

#include "tests/unit/fake_platform.h"

#define FAKE_DISK_MAX_DEPTH 64u

struct fake_disk {
    struct vst_block_device device;
    struct vst_block_queue queue;
    struct vst_block_queue *queue_list[1];
    struct fake_platform fake;
    uint8_t *data;
    uint64_t fail_sector;  /**< commands that touch it end with VST_ERR_IO; UINT64_MAX: none */
    bool last_first;       /**< completes the newest command first */
    unsigned good_flushes; /**< so many flushes end well, then none */
    unsigned n_commands, n_flushes, n_kicks;
    uint64_t max_pieces_seen, max_bytes_seen;
    const char *broken_rule; /**< a command went beyond the limits: which */
    unsigned n_waiting;
    struct fake_disk_command {
        struct vst_block_request *request;
        struct vst_block_part part;
        bool whole;
    } waiting[FAKE_DISK_MAX_DEPTH];
};

/**
 * A device of `sectors` sectors with generous limits, which the test may narrow before the first
 * request.
 */
void fake_disk_init(struct fake_disk *disk, uint64_t sectors);
void fake_disk_destroy(struct fake_disk *disk);

#endif
