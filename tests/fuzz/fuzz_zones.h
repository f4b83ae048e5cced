/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fuzzers know of zoned devices: characteristics to start from, and what must hold of the
 * limits that they come to, of appends that ended well, and of reports that were accepted.
 */
#ifndef VSTOR_TESTS_FUZZ_ZONES_H
#define VSTOR_TESTS_FUZZ_ZONES_H

#include "tests/fuzz/fuzz_io.h"

/** A zoned device of this model (virtio's number, or one that there is not). */
void fuzz_zones_offer(struct fuzz_io *io, uint8_t model, uint32_t zone_sectors);

void fuzz_zones_check_limits(const struct vst_block_limits *limits);

/** A VST_BLOCK_ZONE_APPEND that ended with VST_OK. */
void fuzz_zones_check_append(const struct vst_block_limits *limits,
                             const struct vst_block_request *request);

/**
 * Has a report of the input's parsed. Not by a request: the buffers of those are where nobody may
 * look.
 */
void fuzz_zones_parse_report(struct fuzz_io *io);

#endif
