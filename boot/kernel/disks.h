/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's PCI functions and its disks: found at the start, and whenever some come or go. */
#ifndef VSTOR_KERNEL_DISKS_H
#define VSTOR_KERNEL_DISKS_H

#include <vstor/virtio.h>
#include "boot/kernel/acpi.h"
#include "boot/kernel/boot_info.h"
#include "boot/kernel/options.h"

/** Scans PCI and gives addresses to what has none. All arguments must stay. */
void disks_find_functions(const struct acpi_info *acpi, const struct boot_info *boot,
                          const struct options *options);

/** What was found, in order of address; moves whenever disks are looked after. */
const struct vst_pci_function *disks_functions(size_t *n_functions);

/** Attaches all disks, those at `places` last. */
void disks_attach(const struct mmio_places *places);

struct vst_block_registry *disks_registry(void);

/**
 * Takes over what has changed, at most ten times a second however often it is called: sizes, disks
 * that were plugged in or are to leave. `events` tells of it, the log of what is wrong with it. On
 * the boot CPU.
 */
void disks_look_after(void);

/** Looks at every bus. Tells how many disks have come and gone since it was last called. */
enum vst_status disks_rescan(unsigned *n_added, unsigned *n_removed) VST_MUST_USE;
/** The same, at the SCSI adapter of that number alone. VST_ERR_NOT_FOUND: there is none. */
enum vst_status disks_rescan_adapter(unsigned number, unsigned *n_added,
                                     unsigned *n_removed) VST_MUST_USE;

/**
 * Resets all devices and cuts them off from memory, decoding left on: for who hands the machine over.
 * No request may be in flight; nothing here may be called afterwards. Waits two seconds for each device
 * that does not confirm it.
 */
void disks_release(void);

#endif
