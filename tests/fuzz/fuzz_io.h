/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A caller of the block layer whose every move is the fuzzer's: requests of any shape, kicks, polls,
 * time, between which the device moves as the fuzzer wants. What must hold whatever happens:
 *
 *   a request that was accepted comes back exactly once, one that was refused never
 *   nobody but the device touches buffers (they lie where any access is a crash), and what was
 *   mapped for a request is unmapped when it comes back
 *   a request that ended because the device or its queue failed is out of that device's reach
 *   a device that was honest and answered in time is never called broken
 *   in the end all memory is given back, unless the device never confirmed its reset
 */
#ifndef VSTOR_TESTS_FUZZ_IO_H
#define VSTOR_TESTS_FUZZ_IO_H

#include "tests/fuzz/fuzz_virtio.h"

#define FUZZ_N_REQUESTS   24u
#define FUZZ_MAX_SEGMENTS 8u

struct fuzz_request {
    struct vst_block_request request;
    struct vst_block_segment segments[FUZZ_MAX_SEGMENTS];
    struct vst_block_range ranges[FUZZ_MAX_SEGMENTS];
    struct vst_block_queue *queue; /**< while in flight; else NULL */
};

struct fuzz_io {
    struct fuzz_platform fp;
    struct fuzz_virtio virtio;
    struct vst_virtio_blk_config config;
    struct vst_block_device *device;
    struct vst_block_registry registry;
    unsigned queue; /**< the one that is at work, of both sides */
    bool is_silent; /**< while it is attached: GET_ID is not answered */
    bool answers_in_the_end;
    struct vst_irq_message messages[FUZZ_MAX_QUEUES];
    struct fuzz_request requests[FUZZ_N_REQUESTS];
    unsigned n_in_flight;
};

/** An honest small disk on a platform that maps or does not; one at a time. */
struct fuzz_io *fuzz_io_begin(struct fuzz_input *input, bool maps);

/** Discard, write zeroes, secure erase and lifetime as well, with these limits. */
void fuzz_io_offer_ranges(struct fuzz_io *io, uint8_t max_sectors, uint8_t max_ranges);

/**
 * What the fuzzer's `how` is to decide of the surroundings: the front (bits 0 to 2), interrupts (3
 * to 5), how many queues (6 and 7); none of it if 0.
 */
void fuzz_io_surround(struct fuzz_io *io, uint8_t how);

/** Attaches with the device answering GET_ID; checks what attach says of the device. */
enum vst_status fuzz_io_attach(struct fuzz_io *io);

/** Does what the rest of the input says, at most `max_steps` things, if attached. */
void fuzz_io_run(struct fuzz_io *io, unsigned max_steps);

/** Waits for all requests, detaches, and looks for what is left over. */
void fuzz_io_end(struct fuzz_io *io);

#endif
