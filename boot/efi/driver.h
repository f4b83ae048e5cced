/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver as a whole: what it installs on its image's handle. */
#ifndef VSTOR_EFI_DRIVER_H
#define VSTOR_EFI_DRIVER_H

#include "boot/efi/controller.h"

extern EFI_DRIVER_BINDING_PROTOCOL driver_binding;
extern EFI_COMPONENT_NAME2_PROTOCOL component_name2;
extern EFI_DRIVER_DIAGNOSTICS2_PROTOCOL driver_diagnostics2;

/** NULL: any function it can drive; else that one alone, from whose option ROM it came. */
extern EFI_HANDLE driver_only_handle;

/** Installs what makes a driver of the image; it connects to nothing yet. */
EFI_STATUS driver_install(EFI_HANDLE image);

/**
 * Takes the functions that it can drive over from other drivers. `for_loader`: also those that nobody
 * has connected to; and firmware's drivers for partitions and file systems, which read what the boot
 * loader reads itself, are left for driver_connect_children.
 */
void driver_take_over_all(bool for_loader);

/** Looks for units that have come to its adapters since. */
void driver_find_units(void);

/** Has firmware connect all that is on the driver's functions, partitions and file systems too. */
void driver_connect_children(void);

/**
 * Lets go of all functions, uninstalls the driver, and has the firmware connect others in its place. An
 * error: a disk is in use, and all is as it was.
 */
EFI_STATUS driver_uninstall(void);

/** Whether a handle is that of a function that the driver can drive. */
bool driver_is_for(EFI_HANDLE handle);

/** Those of all PCI functions, *n of them, for FreePool. NULL: none. */
EFI_HANDLE *driver_pci_handles(UINTN *n);

/** The controller that a handle pair of Component Name and Diagnostics names, with its disk if any. */
EFI_STATUS driver_find(EFI_HANDLE controller_handle, EFI_HANDLE child_handle,
                       struct controller **controller, struct disk **disk);

/** The one language that there is: "en", or RFC 4646 tags that begin so. */
bool driver_speaks(const CHAR8 *language);

#endif
