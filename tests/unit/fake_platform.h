/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A platform for unit tests: memory that is watched, time that passes only when looked at, and, if
 * wanted, DMA mappings that copy: a device then works on another piece of memory than the caller,
 * so that a missed map or unmap shows as wrong data or as a mapping left over.
 */
#ifndef VSTOR_TESTS_FAKE_PLATFORM_H
#define VSTOR_TESTS_FAKE_PLATFORM_H

#include <vstor/vstor.h>

struct fake_platform {
    struct vst_platform platform; /**< hand this to the library; pci_config_* and mmio_map are for
                                     the test to fill */
    uint64_t now_ns, ns_per_look; /**< each call of time_ns lets ns_per_look pass; default 1000 */
    size_t n_allocated, n_mapped; /**< pieces of memory and mappings not yet given back */
    void *allocated[2048];
    size_t allocated_bytes[2048];
    bool shared_is_low; /**< shared memory comes from below 2 GiB, where page numbers reach it */
    size_t n_maps;      /**< dma_map calls ever */
    size_t fail_alloc_after; /**< that many allocations succeed, then none; SIZE_MAX: all */
    bool fail_alloc_once;    /**< only that one fails, and those behind succeed again */
    size_t fail_map_after;   /**< the same for dma_map */
    void *device;            /**< the one fake device behind pci_config_* and mmio_map */
    unsigned n_logged;
    char last_log[VST_LOG_LINE_BYTES];
    char all_logs[4096]; /**< lines joined by \n, cut when full */
};

/** `copying`: dma_map gives a copy; else the platform is linear (dma_map NULL). */
void fake_platform_init(struct fake_platform *fake, bool copying);

/** Frees what the library has leaked on purpose; returns how many pieces that were. */
size_t fake_platform_free_leaks(struct fake_platform *fake);

#endif
