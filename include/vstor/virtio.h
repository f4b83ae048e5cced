/* SPDX-License-Identifier: BSD-2-Clause */
/* vstor/virtio.h: the virtio drivers as an embedder meets them. (VIRTIO 1.2) */
#ifndef VSTOR_VIRTIO_H
#define VSTOR_VIRTIO_H

#include <vstor/block.h>
#include <vstor/pci.h>

/**
 * One virtio structure that a vendor capability names, checked against its BAR.
 * (VIRTIO 1.2, 4.1.4)
 */
struct vst_virtio_pci_structure {
    uint8_t type; /**< 1 common, 2 notify, 3 ISR, 4 device, 5 PCI configuration access, 8 shared
                     memory */
    uint8_t bar;  /**< 0 to 5 */
    uint8_t capability_offset;
    bool usable;         /**< lies wholly inside an assigned memory or I/O BAR */
    const char *problem; /**< why it is not usable; NULL if it is */
    uint32_t offset_bytes, length_bytes;
    uint32_t notify_multiplier; /**< type 2 only */
};

#define VST_VIRTIO_PCI_MAX_STRUCTURES 16u

/**
 * Lists the virtio structures of a function; stores at most `max`, returns how many there are (up
 * to `max`).
 */
size_t vst_virtio_pci_structures(const struct vst_platform *platform,
                                 const struct vst_pci_function *function,
                                 struct vst_virtio_pci_structure *structures, size_t max);

/** "common configuration", "notification", ...; "unknown" for others. */
const char *vst_virtio_pci_structure_name(uint8_t type);

/** True for virtio-blk functions, modern and transitional ids. (VIRTIO 1.2, 4.1.2, 5.2.1) */
bool vst_virtio_blk_matches(const struct vst_pci_function *function);

/** How a virtio-blk device is to be driven. All zero is a good choice. */
struct vst_virtio_blk_config {
    uint16_t
        queue_size; /**< most descriptors per ring to use; 0 = 128. The device may offer fewer */
    uint16_t max_segments; /**< most segments per command; 0 = 30. Costs 16 bytes of shared memory
                              per entry */
    uint64_t
        refused_features; /**< feature bits that are not negotiated even if offered (for tests) */
    uint64_t timeout_ns;  /**< for one command; 0 = 30 seconds */
};

/**
 * Brings the device to DRIVER_OK and fills *device. The function must have been enabled
 * (vst_pci_enable). A device that is already running is reset first. Memory, all through
 * platform->alloc: per queue shared queue_size * (26 + 64 + 16 * (max_segments + 2)) bytes, private
 * queue_size * 32 bytes, and about 2 KiB per device. Blocks while the device resets and answers
 * GET_ID, 2 seconds at most each. On an error nothing is left allocated.
 */
enum vst_status vst_virtio_blk_attach(const struct vst_platform *platform,
                                      const struct vst_pci_function *function,
                                      const struct vst_virtio_blk_config *config,
                                      struct vst_block_device **device) VST_MUST_USE;

/**
 * Resets the device and gives all memory back. No request may be in flight. If the device does not
 * confirm the reset within 2 seconds its shared memory is leaked, and a line in the log says so.
 * (VIRTIO 1.2, 3.3)
 */
void vst_virtio_blk_detach(struct vst_block_device *device);

/** Bit number of a feature by its name in the specification without prefix ("EVENT_IDX"), or -1. */
int vst_virtio_feature_bit(const char *name);

#endif
