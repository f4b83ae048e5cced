/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts of a disk, or of a SCSI host adapter: queue i tells CPU i mod n_cpus. Where queues share
 * an interrupt, its handler wakes the CPUs of the others.
 */
#ifndef VSTOR_KERNEL_DISK_IRQ_H
#define VSTOR_KERNEL_DISK_IRQ_H

#include <vstor/virtio.h>

struct disk_irq;

/**
 * Prepares what config->mode asks for, for a device of n_queues, and fills the rest of *config. NULL
 * if there is nothing to prepare; config->mode is then VST_IRQ_POLL.
 */
struct disk_irq *disk_irq_prepare(const struct vst_pci_function *function, unsigned n_queues,
                                  struct vst_irq_config *config);

/**
 * After attach; `device` is NULL if that failed. Gives back what is not used; returns what
 * disk_irq_end takes, NULL if nothing is left.
 */
struct disk_irq *disk_irq_finish(struct disk_irq *irq, struct vst_block_device *device);

/** Gives all back, before the device, which must not interrupt any more, is detached. */
void disk_irq_end(struct disk_irq *irq);

/** disk_irq_finish for an adapter. */
struct disk_irq *disk_irq_finish_adapter(struct disk_irq *irq, struct vst_scsi_hba *hba);

#endif
