/* SPDX-License-Identifier: BSD-2-Clause */
/* SCSI host adapters, and what of their units is made into disks. */
#ifndef VSTOR_KERNEL_ADAPTERS_H
#define VSTOR_KERNEL_ADAPTERS_H

#include <vstor/vstor.h>

#include "boot/kernel/disk_irq.h"

/** Before all else. Disks are registered there. */
void adapters_start(struct vst_block_registry *registry);

/** From here on, what comes or goes is an event. */
void adapters_run(void);

/** All units, and the adapters. */
struct vst_scsi_units *adapters_units(void);

/** An adapter is there, with its interrupts if it has any; `function`: NULL unless it is PCI's. */
void adapters_use(struct vst_scsi_hba *hba, struct disk_irq *irq,
                  const struct vst_pci_function *function);

/** Adapters at such places of PCI are unplugged: who uses their disks gets errors from now on. */
void adapters_unplug(bool (*is_lost)(struct vst_pci_address address));

/** Events, changes, units that come and go. True if an adapter is seen to be gone. */
bool adapters_look_after(void);

/** Adapters that are gone leave, with their disks, once nobody uses those any more. */
void adapters_retire(void);

/** Looks at all adapters, or at the one of that number. VST_ERR_NOT_FOUND: there is none. */
void adapters_rescan(void);
enum vst_status adapters_rescan_one(unsigned number) VST_MUST_USE;

/** How many disks have come and gone since it was last called. */
void adapters_count(unsigned *n_added, unsigned *n_removed);

/** disks_release, for adapters; `cut_off` is called for each that is PCI's, after its reset. */
void adapters_release(void (*cut_off)(struct vst_pci_address address));

#endif
