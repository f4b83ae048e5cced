/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A platform for unit tests: memory that is watched, time that passes only when looked at, and, if
 * wanted, DMA mappings that copy. A device then works on another piece of memory than the caller and
 * may reach nothing else (fake_platform_device_may), so that every slip fails a test: a missed map is
 * out of reach or wrong data, a missed unmap a mapping left over, a second unmap or one with other
 * values an assertion, a wrong direction out of reach, what is touched after unmap as well.
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
    enum vst_memory_kind allocated_kind[2048];
    struct fake_mapping *mappings; /**< those not yet given back */
    bool confined;      /**< devices reach shared memory and mappings only; at first: `copying` */
    bool shared_is_low; /**< shared memory comes from below 2 GiB, where page numbers reach it */
    size_t n_maps;      /**< dma_map calls ever */
    size_t fail_alloc_after;         /**< that many allocations succeed, then none; SIZE_MAX: all */
    bool fail_alloc_once;            /**< only that one fails, and those behind succeed again */
    size_t fail_map_after;           /**< the same for dma_map */
    size_t fail_maps_first;          /**< that many calls of dma_map fail, then go on as above */
    enum vst_status fail_map_status; /**< how it fails; VST_ERR_NO_MEMORY */
    void *device;                    /**< the one fake device behind pci_config_* and mmio_map */
    unsigned n_logged;
    char last_log[VST_LOG_LINE_BYTES];
    char all_logs[4096]; /**< lines joined by \n, cut when full */
};

/** `copying`: dma_map gives a copy; else the platform is linear (dma_map NULL). */
void fake_platform_init(struct fake_platform *fake, bool copying);

/**
 * Whether a device may read, or write, `bytes` at bus address `at` now: true for all memory unless
 * `confined`.
 */
bool fake_platform_device_may(const struct fake_platform *fake, uint64_t at, uint64_t bytes,
                              bool writes);

/** Frees what the library has leaked on purpose; returns how many pieces that were. */
size_t fake_platform_free_leaks(struct fake_platform *fake);

#endif
