/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where virtio-mmio devices stand: nothing but the command line and ACPI tell.
 *
 *   virtio_mmio.device=SIZE[K|M|G]@BASE:IRQ[:ID]   as Linux takes it; QEMU's microvm without ACPI
 *                                                  appends one for each device
 *   a device in a DSDT or SSDT whose _HID is LNRO0005
 *
 * AML is not run: its bytes are searched for the name, and for the resources behind it.
 */
#ifndef VSTOR_KERNEL_MMIO_PLACES_H
#define VSTOR_KERNEL_MMIO_PLACES_H

#include <vstor/types.h>

#define MMIO_MAX_PLACES 64u

struct mmio_place {
    uint64_t physical, bytes;
    uint32_t interrupt; /**< its global number; 0 if it was not told */
};

/** In order of address, each address once. All zero is empty. */
struct mmio_places {
    size_t n;
    struct mmio_place places[MMIO_MAX_PLACES];
};

/** Adds a place. One at the same address stays as it is; what leads nowhere is left out. */
void mmio_places_add(struct mmio_places *places, struct mmio_place place);

/** Reads the words and cuts them out of `line`; what is wrong is named in the log and left out. */
void mmio_places_take(struct mmio_places *places, char *line);

/** Adds what the byte code of a definition block names. */
void mmio_places_search(struct mmio_places *places, const uint8_t *aml, size_t bytes);

#endif
