/* SPDX-License-Identifier: BSD-2-Clause */
/* The modern virtio-pci transport. (VIRTIO 1.2, 4.1) */
#ifndef VSTOR_DRIVERS_VIRTIO_PCI_H
#define VSTOR_DRIVERS_VIRTIO_PCI_H

#include <vstor/virtio.h>
#include "drivers/virtio_device.h"
#include "drivers/virtio_registers.h"

/* 4.1.4.3 Common configuration structure layout; every field has the width that 4.1.3.1 wants it
 * accessed with. */
struct virtio_pci_common_cfg {
    mmio_le32 device_feature_select;
    mmio_le32 device_feature;
    mmio_le32 driver_feature_select;
    mmio_le32 driver_feature;
    mmio_le16 config_msix_vector;
    mmio_le16 num_queues;
    mmio_u8 device_status;
    mmio_u8 config_generation;
    mmio_le16 queue_select;
    mmio_le16 queue_size;
    mmio_le16 queue_msix_vector;
    mmio_le16 queue_enable;
    mmio_le16 queue_notify_off;
    mmio_le32 queue_desc_low, queue_desc_high;
    mmio_le32 queue_driver_low, queue_driver_high;
    mmio_le32 queue_device_low, queue_device_high;
    /* From here on only where the feature that needs the field was negotiated. */
    mmio_le16 queue_notify_data;
    mmio_le16 queue_reset;
};
_Static_assert(offsetof(struct virtio_pci_common_cfg, queue_notify_data) == 56, "4.1.4.3");
/** What every device has of it. */
#define VIRTIO_PCI_COMMON_MIN_BYTES 56u

struct virtio_pci_device {
    struct virtio_device base;
    struct virtio_registers common, isr, notify, config; /**< isr and config may be absent */
    uint32_t notify_multiplier, notify_offset_bytes; /**< the latter in its BAR, which is aligned */
    struct virtio_pci_window window;
    struct vst_pci_function function; /**< a copy: outlives the scan's array */
    char address_text[13];
};

/**
 * Finds and maps the structures of an enabled function. Touches nothing but configuration space, so
 * the device may be running. Each structure is reached by the first of these that serves: a memory
 * BAR, an I/O BAR, the window in configuration space. VST_ERR_NOT_FOUND if a structure that every
 * device must have is missing or unusable; the log says which. VST_ERR_UNSUPPORTED if there is no
 * virtio structure at all: a legacy device (4.1.5.1.1.1), nothing is logged.
 *
 * Through the window, QEMU answers whether memory decoding is on or off (it looks the structure up
 * by itself, without regard to the BAR); the specification does not say. vst_pci_enable turns it on
 * where a BAR is placed.
 */
enum vst_status vst_virtio_pci_open(struct virtio_pci_device *device,
                                    const struct vst_platform *platform,
                                    const struct vst_pci_function *function,
                                    const struct vst_virtio_pci_choice *choice) VST_MUST_USE;

#endif
