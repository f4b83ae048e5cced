/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk under test beside what it must hold: random traffic in which every byte is checked. */
#ifndef VSTOR_TESTS_QTEST_DISK_H
#define VSTOR_TESTS_QTEST_DISK_H

#include "tests/qtest/options.h"

#define DISK_MAX_DEPTH    64u
#define DISK_MAX_SEGMENTS 40u

/** One place for a request, with a buffer of its own. */
struct disk_slot {
    struct vst_block_request request; /* first: poll gives it back */
    struct vst_block_segment segments[DISK_MAX_SEGMENTS];
    uint8_t *buffer;
    bool busy;
};

struct disk {
    struct machine *machine;
    struct options options;
    struct vst_scsi_hba *hba; /**< options.scsi */
    struct vst_block_device *device;
    struct vst_block_queue *queue;
    uint8_t *model; /**< what the disk must hold */
    size_t model_bytes;
    size_t slot_bytes; /**< longest request */
    struct disk_slot slots[DISK_MAX_DEPTH];
    unsigned n_in_flight;
    unsigned n_full; /**< submits that were answered VST_ERR_FULL */
    uint64_t random;
};

/** Reads the image as the model; buffers for `options.depth` requests. */
void disk_open(struct disk *disk, struct machine *machine, const struct options *options);

/** Gives the buffers back; QEMU has ended: compares the image file with the model. */
void disk_compare_and_close(struct disk *disk);

/** Enables the first virtio-blk, or virtio-scsi, function and attaches; false, and the status printed, if refused. */
bool disk_try_attach(struct disk *disk);
void disk_attach(struct disk *disk);
void disk_detach(struct disk *disk);

/** `n` random reads, writes and flushes, many at once; each must succeed and carry right bytes. */
void disk_traffic(struct disk *disk, unsigned n);

/** Submits random requests until `n` are in flight; reads only if asked. Not kicked. */
void disk_fill(struct disk *disk, unsigned n, bool reads_only);

/** One request with one segment, to its end. */
enum vst_status disk_transfer(struct disk *disk, enum vst_block_op op, uint64_t sector,
                              uint64_t n_sectors, uint64_t *error_sector);

uint64_t disk_random(struct disk *disk, uint64_t below);

#endif
