/* SPDX-License-Identifier: BSD-2-Clause */
/* How a virtio device is to interrupt, decided while it is attached: MSI-X, its line, or not at all. */
#ifndef VSTOR_DRIVERS_VIRTIO_IRQ_H
#define VSTOR_DRIVERS_VIRTIO_IRQ_H

#include "drivers/virtio_transports.h"
#include "drivers/virtq.h"

/** A device's interrupts. All cold; while the device is attached or reset, on one CPU at a time. */
struct virtio_irq {
    struct virtio_device *device;
    bool is_pci;
    struct vst_pci_function function; /**< a copy; PCI only */
    struct vst_irq_config config;     /**< its messages are read by open only */
    struct vst_pci_msix msix;
    enum vst_irq_mode mode; /**< what became of config.mode */
    uint16_t n_queues;      /**< of those that have a message each; given to open */
    uint16_t n_vectors;     /**< entries of the MSI-X table in use */
    uint16_t config_vector; /**< for changes of configuration, or VIRTIO_NO_VECTOR */
};

/**
 * True if the device was unplugged: its place on the bus is empty. The registers of a device that is
 * gone read as ones, or as zeroes (QEMU's memory), and look like those of one that confirms a reset.
 */
bool vst_virtio_irq_is_gone(const struct virtio_irq *irq) VST_MUST_USE;

/** Before all else; `function` is NULL for a device that is not on PCI. */
void vst_virtio_irq_init(struct virtio_irq *irq, struct virtio_device *device,
                         const struct vst_pci_function *function,
                         const struct vst_irq_config *config);
/** Opens MSI-X or INTx as the configuration wants it; mode tells what could be had. */
void vst_virtio_irq_open(struct virtio_irq *irq, uint16_t n_queues);
/** The device is live: lets INTx through, if that is the way. */
void vst_virtio_irq_start(struct virtio_irq *irq);
/** MSI-X entry for a queue, or VIRTIO_NO_VECTOR. */
uint16_t vst_virtio_irq_vector(const struct virtio_irq *irq, uint16_t queue);
/**
 * MSI-X is on: gives changes of configuration an entry of their own if there is one more than
 * queues, else that of queue 0; fills config_vector. To be done again after a reset.
 */
void vst_virtio_irq_set_config_vector(struct virtio_irq *irq);
/** A queue found no place for its vector: all go on with INTx or polling. */
void vst_virtio_irq_fall_back(struct virtio_irq *irq, const char *why);
/** The device was reset: it has forgotten what is not in a table of vectors. */
void vst_virtio_irq_again(struct virtio_irq *irq);
/** Before the device goes to somebody else. */
void vst_virtio_irq_close(struct virtio_irq *irq);
/** "msix", "intx", "poll" */
const char *vst_virtio_irq_mode_name(enum vst_irq_mode mode);

/**
 * Tells the device of a queue; if there is no room for its vector, of one that shares the first,
 * and failing that of one without. layout->vector becomes what it has. Errors: vst_virtq_create.
 */
enum vst_status vst_virtio_irq_create_ring(struct virtio_irq *irq, struct virtq *vq,
                                           struct virtq_layout *layout) VST_MUST_USE;

#endif
