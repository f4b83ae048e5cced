/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio-blk PCI device whose every word may be the fuzzer's. Two layers:
 *
 *   registers   an honest modern device; with `lies`, a byte of the input per read decides whether
 *               the fuzzer's value is given instead
 *   ring        an honest device side for split and packed that takes chains and answers them when
 *               told to; what makes it hostile is fuzz_virtio_edit (the device's own fields) and
 *               fuzz_virtio_scribble (any byte of any shared memory, whatever lies there). With
 *               `races`, shared memory also changes right before a load of the driver reads it.
 *
 * Only walk_chain, put_used and fuzz_virtio_edit know the layout of a ring.
 */
#ifndef VSTOR_TESTS_FUZZ_VIRTIO_H
#define VSTOR_TESTS_FUZZ_VIRTIO_H

#include "tests/fuzz/fuzz_platform.h"

#define FUZZ_MAX_REGIONS 24u
#define FUZZ_MAX_HELD    64u

struct fuzz_region {
    uint64_t physical, bytes;
    uintptr_t base;
};

/** A chain that the device has taken and not yet answered. */
struct fuzz_chain {
    uint16_t id, n_descriptors;
    uint64_t status_addr, id_addr; /**< 0: not known, for shared memory has been scribbled on */
};

struct fuzz_virtio {
    struct fuzz_platform *fp;
    struct fuzz_input *input;
    struct vst_pci_function function;
    uint8_t pci_config[256];
    uint8_t config[64];
    uint64_t offered_features;
    uint16_t offered_queue_size, notify_off;
    bool lies, races, never_resets, answers_at_once;
    /** Whether a driver may name these bytes in a descriptor; NULL: not asked. */
    bool (*may_carry)(void *ctx, uint64_t bus_addr, uint32_t bytes, bool writable);
    void *may_carry_ctx;

    uint64_t features;
    uint32_t select[2];
    uint16_t queue_select, queue_size;
    uint8_t status, generation;
    bool status_0_written, queue_enabled, bus_master;
    uint64_t desc, driver_area, device_area;
    bool scribbled; /**< what the driver wrote can't be relied on any more */
    uint16_t avail_at, used_at;
    bool avail_wrap, used_wrap;
    unsigned n_doorbells;
    struct fuzz_chain held[FUZZ_MAX_HELD];
    unsigned n_held;
    struct fuzz_region regions[FUZZ_MAX_REGIONS];
    unsigned n_regions;
};

/** An honest device with its structures in BAR 4; sets the platform's PCI and MMIO functions. */
void fuzz_virtio_init(struct fuzz_virtio *device, struct fuzz_platform *fp);

/** Forgets the device: register accesses are findings from here on. */
void fuzz_virtio_end(void);

/** The device takes up to `max` available chains and checks them as far as it can. */
void fuzz_virtio_take(struct fuzz_virtio *device, unsigned max);

/** Answers one of the chains taken, if there is any, with this status byte; with IN_ORDER also those
 * before it. */
void fuzz_virtio_answer(struct fuzz_virtio *device, unsigned which, uint8_t status);

/** Changes a field that the device writes, as the input says. */
void fuzz_virtio_edit(struct fuzz_virtio *device);

/** Writes bytes of the input somewhere into shared memory. */
void fuzz_virtio_scribble(struct fuzz_virtio *device);

/** Called before the driver's code loads from memory. */
void fuzz_virtio_before_load(uintptr_t address, size_t bytes);

#endif
