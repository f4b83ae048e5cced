/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio-scsi adapter: its units become disks, on handles of their own. The firmware's SCSI bus
 * driver is kept away from Ext SCSI Pass Thru: this driver has that open itself.
 */
#ifndef VSTOR_EFI_SCSI_H
#define VSTOR_EFI_SCSI_H

#include "boot/efi/controller.h"

/** The units of all adapters. */
struct vst_scsi_units *scsi_units(void);

/** Of this adapter: the one behind `unit`, or the first (NULL). NULL: no more. */
struct vst_scsi_unit *scsi_next_unit(const struct controller *controller,
                                     const struct vst_scsi_unit *unit);

/* With the adapter attached, at TPL_NOTIFY. */

/** Finds the units. */
EFI_STATUS scsi_open(struct controller *controller);
/** Forgets them; nothing is in flight, and no disk is left. */
void scsi_close(struct controller *controller);
/** Commands of pass_thru that have ended are told of; recovery of those that are late goes on. */
void scsi_poll(struct controller *controller);

/* At the caller's TPL. */

/** Those units that have come since; those that have left and are no disks leave. */
void scsi_rescan(struct controller *controller);
/**
 * Makes disks of units that are none yet, or of that alone which `only` names; `binding` is opened
 * for each. The first error, with the others made all the same.
 */
EFI_STATUS scsi_make_disks(struct controller *controller, EFI_HANDLE binding,
                           const SCSI_DEVICE_PATH *only);
/** The other way. EFI_DEVICE_ERROR: it is in use, and stays. */
EFI_STATUS scsi_unmake_disk(struct controller *controller, EFI_HANDLE binding, EFI_HANDLE child);
/** LUN reset; what is in flight ends with EFI_ABORTED. */
EFI_STATUS scsi_reset_disk(struct disk *disk);

EFI_STATUS pass_thru_install(struct controller *controller, EFI_HANDLE binding);
EFI_STATUS pass_thru_uninstall(struct controller *controller, EFI_HANDLE binding);

/**
 * The node of a device path that names a unit; false: no such node can. It has 16 bits for the LUN
 * and one level (UEFI 2.9, 10.3.4.2): units beyond have no disk; those of one level are reached by
 * Extended SCSI Pass Thru all the same.
 */
bool scsi_node_of(const struct vst_scsi_unit *unit, SCSI_DEVICE_PATH *node);
bool scsi_is_node(const EFI_DEVICE_PATH_PROTOCOL *node);
/** Runs a function of the unit to its end. */
EFI_STATUS scsi_manage(struct controller *controller, enum vst_scsi_function_kind kind,
                       struct vst_scsi_nexus nexus);

#endif
