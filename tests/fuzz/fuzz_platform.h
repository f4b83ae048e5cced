/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The platform below the fuzzers: exact memory (ASan sees the first byte too far), a clock that
 * moves only when looked at, and a count of the driver's steps that turns an endless loop into a
 * finding. It also keeps the rule that nothing a device can still reach is given back.
 *
 * Shared memory lies low, where the page numbers of legacy devices reach it. Where the platform
 * maps buffers its bus address is another than its pointer.
 */
#ifndef VSTOR_TESTS_FUZZ_PLATFORM_H
#define VSTOR_TESTS_FUZZ_PLATFORM_H

#include <vstor/vstor.h>
#include "tests/fuzz/fuzz_input.h"

#define FUZZ_MAX_MEMORY   32u
#define FUZZ_MAX_MAPPINGS 4096u
#define FUZZ_MAX_STEPS    20000u

struct fuzz_memory {
    char *at;
    size_t bytes;
    uint64_t bus_addr; /**< of shared memory */
    enum vst_memory_kind kind;
};

struct fuzz_mapping {
    void *buffer;
    size_t bytes;
    enum vst_dma_direction direction;
    uint64_t bus_addr;
};

struct fuzz_platform {
    struct vst_platform platform;
    struct fuzz_input *input;
    void *device; /**< what pci_config_* and mmio_map act on */
    uint64_t now_ns;
    unsigned n_steps; /**< since the test last set it to 0 */
    struct fuzz_memory memory[FUZZ_MAX_MEMORY];
    size_t n_memory;
    size_t low_used_bytes;
    bool any_high; /**< some shared memory was too large to lie low */
    size_t n_mappings, n_maps;
    bool maps_may_fail;
    unsigned allocs_until_failure; /**< 0: none fails */
    bool device_reaches_memory;    /**< told by the device: live, and not known to be reset */
    struct fuzz_mapping mappings[FUZZ_MAX_MAPPINGS]; /**< last: not cleared for each input */
};

/** `maps`: buffers have other bus addresses than pointers, and an unmap must match its map. */
void fuzz_platform_init(struct fuzz_platform *fp, struct fuzz_input *input, bool maps);

/** Counts one step of the driver. */
void fuzz_platform_step(struct fuzz_platform *fp);

/** Frees what is left over; returns how many pieces that were. */
size_t fuzz_platform_free_all(struct fuzz_platform *fp);

/** Where the device finds these bytes, if all of them are shared memory; else NULL. */
char *fuzz_platform_shared(struct fuzz_platform *fp, uint64_t bus_addr, size_t bytes);

/** The piece of shared memory that holds all of these bytes, by the driver's pointer; or NULL. */
struct fuzz_memory *fuzz_platform_memory(struct fuzz_platform *fp, uintptr_t at, size_t bytes);

#endif
