/* SPDX-License-Identifier: BSD-2-Clause */
/* A device on any transport, and the choice among those of PCI. */
#ifndef VSTOR_DRIVERS_VIRTIO_TRANSPORTS_H
#define VSTOR_DRIVERS_VIRTIO_TRANSPORTS_H

#include "drivers/virtio_mmio.h"
#include "drivers/virtio_pci.h"
#include "drivers/virtio_pci_legacy.h"

/** All begin with the device: `virtio` is that of whichever was opened. */
union virtio_any_device {
    struct virtio_device virtio;
    struct virtio_pci_device pci;
    struct virtio_pci_legacy_device pci_legacy;
    struct virtio_mmio_device mmio;
};
_Static_assert(offsetof(struct virtio_pci_device, base) == 0 &&
                   offsetof(struct virtio_pci_legacy_device, base) == 0 &&
                   offsetof(struct virtio_mmio_device, base) == 0,
               "the device comes first");

/**
 * Opens a PCI function by the way chosen; with VST_VIRTIO_PCI_AUTO the legacy interface is the last
 * that is tried (4.1.5.1.1.1). `name` and `platform` of the device are valid whatever is returned.
 */
enum vst_status vst_virtio_pci_open_any(union virtio_any_device *device,
                                        const struct vst_platform *platform,
                                        const struct vst_pci_function *function,
                                        const struct vst_virtio_pci_choice *choice) VST_MUST_USE;

#endif
