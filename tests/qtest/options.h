/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line that all programs here share: name=value ... -- QEMU's arguments. */
#ifndef VSTOR_TESTS_QTEST_OPTIONS_H
#define VSTOR_TESTS_QTEST_OPTIONS_H

#include "tests/qtest/machine.h"

struct options {
    const char *image; /**< raw file behind the disk: what is read is compared with it */
    enum machine_dma dma;
    enum machine_access access;
    struct vst_virtio_blk_config config; /**< what it has in common with SCSI holds for that, too */
    bool scsi;                           /**< the disk is target 0, LUN 0 behind virtio-scsi */
    unsigned n_requests, depth, n_lives;
    uint64_t seed;
    bool small;                   /**< requests of a block or two: many of them in little time */
    uint64_t bad_read, bad_write; /**< sectors that the disk under test fails; see errors.c */
    char **qemu;                  /**< ended by NULL */
};

/** Ends the process if an option is unknown. */
/** The same for a SCSI host adapter. */
struct vst_virtio_scsi_config options_scsi(const struct options *options);

struct options options_parse(int argc, char **argv);

#endif
