/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The legacy interface of virtio-pci: one block of registers in BAR 0. (VIRTIO 1.2, 4.1.4.10)
 *
 * What differs from the modern one, beside the sequence (virtio_device.h): a queue is named by its
 * page number and has the device's size; configuration has no generation counter and moves by four
 * bytes when MSI-X is enabled.
 *
 * Framing (2.7.4.2, 5.2.7.1): without ANY_LAYOUT a legacy device wants header, data and status in
 * descriptors of their own. The block driver never makes them otherwise. Used lengths (2.7.8.2,
 * 5.2.6.3) are not looked at with any transport.
 */
#ifndef VSTOR_DRIVERS_VIRTIO_PCI_LEGACY_H
#define VSTOR_DRIVERS_VIRTIO_PCI_LEGACY_H

#include <vstor/virtio.h>
#include "drivers/virtio_device.h"
#include "drivers/virtio_registers.h"

struct virtio_pci_legacy_device {
    struct virtio_device base;
    struct virtio_registers registers;
    uint8_t msix_capability; /**< its offset, 0 if there is none */
    struct vst_pci_function function;
    char address_text[13];
};

/** True for ids and revision of devices that may have a legacy interface. (4.1.2.3) */
bool vst_virtio_pci_has_legacy(const struct vst_pci_function *function);

/** Touches configuration space only. VST_ERR_NOT_FOUND, with a log line, if BAR 0 is no good. */
enum vst_status vst_virtio_pci_legacy_open(struct virtio_pci_legacy_device *device,
                                           const struct vst_platform *platform,
                                           const struct vst_pci_function *function) VST_MUST_USE;

#endif
