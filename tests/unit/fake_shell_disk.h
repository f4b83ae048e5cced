/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk in memory behind struct vst_block_driver: requests end late, in any order and, at chosen
 * sectors, with errors. Time and the order of things are decided by the test alone.
 */
#ifndef VSTOR_TESTS_FAKE_SHELL_DISK_H
#define VSTOR_TESTS_FAKE_SHELL_DISK_H

#include <vstor/block.h>

#define SHELL_DISK_MAX_DEPTH 64u

struct shell_disk_command {
    struct vst_block_request *request;
    bool is_part;
    struct vst_block_part part;
};

struct shell_disk {
    struct vst_block_device device;
    struct vst_block_queue queue;
    struct vst_block_queue *queues[1];
    uint8_t *data;
    struct shell_disk_command pending[SHELL_DISK_MAX_DEPTH];
    size_t n_pending, n_visible; /* submitted; of these behind a kick */
    unsigned n_empty_polls;      /* of a row */
    unsigned n_looks;

    /* what the test chooses */
    unsigned late_polls; /* polls that find nothing before one that finds something */
    size_t per_poll;     /* requests that end in one poll */
    bool newest_first;
    uint64_t bad_sector; /* UINT64_MAX: none */
    uint64_t n_bad_sectors;
    uint64_t lost_sector; /* writes to it end well and change nothing; UINT64_MAX: none */
    unsigned n_slow;      /* the first so many requests take a thousand polls more */
    enum vst_status flush_status;
    unsigned refreshes_until_resize; /* to half the size; 0: never */
    uint64_t break_after;            /* commands until the device breaks; UINT64_MAX: never */

    /* what the test looks at */
    size_t max_in_flight;
    uint64_t first_written_sector, end_written_sector;
};

/** A disk of n_sectors that ends one request per poll, in order, without errors. */
void shell_disk_make(struct shell_disk *disk, const struct vst_platform *platform,
                     uint64_t n_sectors, uint32_t logical_block_bytes);
void shell_disk_free(struct shell_disk *disk);

#endif
