/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtio-mmio transport, versions 1 (legacy) and 2. (VIRTIO 1.2, 4.2) */
#ifndef VSTOR_DRIVERS_VIRTIO_MMIO_H
#define VSTOR_DRIVERS_VIRTIO_MMIO_H

#include <vstor/virtio.h>
#include "drivers/virtio_device.h"
#include "drivers/virtio_registers.h"

struct virtio_mmio_device {
    struct virtio_device base;
    struct virtio_registers registers;
    char text[32]; /**< "virtio-mmio-feb00e00" */
};

/**
 * Maps the registers and checks magic value, version and device type; touches nothing else, so the
 * device may be running. Errors as vst_virtio_mmio_probe, and VST_ERR_NOT_FOUND if its type is not
 * `type`.
 */
enum vst_status vst_virtio_mmio_open(struct virtio_mmio_device *device,
                                     const struct vst_platform *platform, uint64_t physical,
                                     uint64_t bytes, uint32_t type) VST_MUST_USE;

#endif
