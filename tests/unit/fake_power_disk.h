/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk with a volatile write cache that may lose power at any command. It does commands in any
 * order, only such as it was kicked for, and fails some; what it has not been told to flush reaches
 * the medium block by block or not. It checks that nobody changes data while they are being written,
 * and spoils the memory that it is going to read into.
 */
#ifndef VSTOR_TESTS_FAKE_POWER_DISK_H
#define VSTOR_TESTS_FAKE_POWER_DISK_H

#include "tests/unit/fake_platform.h"

#define FAKE_POWER_DEPTH 32u

struct fake_power_disk {
    struct vst_block_device device;
    struct vst_block_queue queue;
    struct vst_block_queue *queue_list[1];
    struct fake_platform fake;
    uint64_t random;
    uint8_t *current; /* as read */
    uint8_t *medium;  /* what outlives a power cut for sure */
    uint8_t *image;   /* what was found after the last cut */
    bool *bad;        /* of each block: can neither be read nor written */
    uint64_t n_blocks;
    unsigned fail_one_in;       /* commands fail by chance; 0: none */
    unsigned fail_flush_one_in; /* the same for flushes: what was not flushed is lost then */
    unsigned cut_one_in;        /* power cuts by chance, before a command is done; 0: none */
    void (*cut)(void *ctx, const uint8_t *image);
    void *ctx;
    uint64_t last_write, n_backward; /* writes submitted for a place before that of the last one */
    uint64_t max_write_sectors;
    uint64_t n_commands, n_reads, n_writes, n_flushes, n_cuts, n_failed, n_read_sectors;
    unsigned n_waiting, n_kicked;
    struct fake_power_command {
        struct vst_block_request *request;
        struct vst_block_part part;
        bool whole;
        uint64_t hash;
    } waiting[FAKE_POWER_DEPTH];
};

void fake_power_init(struct fake_power_disk *disk, uint64_t n_sectors, uint32_t block_bytes,
                     uint64_t seed);
void fake_power_destroy(struct fake_power_disk *disk);
/** Of data, whose length is a multiple of 32, behind what has the hash given. */
uint64_t fake_power_hash(const uint8_t *data, size_t bytes, uint64_t hash);
/** A number below n. */
uint64_t fake_power_random(struct fake_power_disk *disk, uint64_t n);
/** The power goes now: what may be found is in `image`. */
void fake_power_cut(struct fake_power_disk *disk);

#endif
