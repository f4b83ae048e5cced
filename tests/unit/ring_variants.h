/* SPDX-License-Identifier: BSD-2-Clause */
/* Every kind of ring that a command takes its way through, with buffers mapped and not. */
#ifndef VSTOR_TESTS_RING_VARIANTS_H
#define VSTOR_TESTS_RING_VARIANTS_H

#include "drivers/virtio_spec.h"

#define PACKED      VIRTIO_BIT(VIRTIO_F_RING_PACKED)
#define IN_ORDER    VIRTIO_BIT(VIRTIO_F_IN_ORDER)
#define NO_INDIRECT VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC)

static const struct ring_variant {
    const char *name;
    uint64_t more, refused; /* features */
    bool copying;           /* the platform maps buffers */
    bool in_batches;        /* IN_ORDER: one used entry speaks for several requests */
} ring_variants[] = {
    {"split", 0, 0, false, false},
    {"split, direct", 0, NO_INDIRECT, false, false},
    {"packed", PACKED, 0, false, false},
    {"packed, direct", PACKED, NO_INDIRECT, false, false},
    {"split, in order", IN_ORDER, 0, false, true},
    {"split, in order, direct", IN_ORDER, NO_INDIRECT, false, false},
    {"packed, in order", PACKED | IN_ORDER, 0, false, false},
    {"packed, in order, direct", PACKED | IN_ORDER, NO_INDIRECT, false, true},
    {"split, copying", 0, 0, true, false},
    {"split, direct, copying", 0, NO_INDIRECT, true, false},
    {"packed, copying", PACKED, 0, true, false},
    {"packed, in order, direct, copying", PACKED | IN_ORDER, NO_INDIRECT, true, true},
};

#endif
