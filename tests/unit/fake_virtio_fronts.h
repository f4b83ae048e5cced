/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Other registers in front of the one device of fake_virtio_blk.h, written from the device's side
 * of the specification: the window in configuration space, doorbells in an I/O BAR, the legacy
 * interface of virtio-pci, virtio-mmio 1 and 2.
 */
#ifndef VSTOR_TESTS_FAKE_VIRTIO_FRONTS_H
#define VSTOR_TESTS_FAKE_VIRTIO_FRONTS_H

#include "tests/unit/fake_virtio_blk.h"

enum fake_front {
    FAKE_MODERN,
    FAKE_WINDOW,          /* the memory BAR has no address: only the window leads there (4.1.4.9) */
    FAKE_WINDOW_UNMAPPED, /* it has one, but the platform can't map it */
    FAKE_WINDOW_ASKED,    /* all is well, and the window is asked for */
    FAKE_PIO_ASKED,       /* a second doorbell in an I/O BAR, asked for */
    FAKE_PIO_ONLY,        /* only that one is usable */
    FAKE_LEGACY,          /* I/O BAR 0 (4.1.4.10) */
    FAKE_LEGACY_MEMORY,   /* the same in a memory BAR 0 */
    FAKE_LEGACY_MSIX,     /* MSI-X is enabled: configuration stands 4 bytes further */
    FAKE_LEGACY_ASKED,    /* a transitional device, legacy asked for */
    FAKE_MMIO_1,          /* 4.2.4 */
    FAKE_MMIO_2,          /* 4.2.2 */
    FAKE_N_FRONTS
};

#define FAKE_MMIO_PHYSICAL 0xfeb00e00ull
#define FAKE_MMIO_BYTES    0x200u
#define FAKE_LEGACY_PORTS  0xc000u
#define FAKE_NOTIFY_PORTS  0xd000u

struct fake_virtio_front {
    struct fake_virtio_blk *blk;
    enum fake_front kind;
    bool is_mmio;
    struct vst_virtio_pci_choice choice; /* to be asked of the driver */
    uint8_t *registers;                  /* only an address range */

    /* knobs */
    uint32_t magic, version, type; /* virtio-mmio */
    bool queue_in_use;             /* a queue is in use although the device was reset */
    bool forgets_page;             /* the queue's address reads as 0 */
    uint8_t window_stuck_at;       /* the same for one of them, by its place in the capability */
    uint32_t high_bits;            /* virtio-mmio: of status and queue size, beyond their width */
    bool window_is_dead;           /* what is written to the window's registers is lost */

    /* what it saw */
    unsigned n_port_doorbells, n_window_doorbells, n_other_reads; /* beyond magic, version, type */

    /* state */
    uint32_t page_bytes, align_bytes;
};

/** Sets another front before `blk`, which was just initialised; its platform is changed to suit. */
void fake_virtio_front_use(struct fake_virtio_front *front, struct fake_virtio_blk *blk,
                           enum fake_front kind);

#endif
