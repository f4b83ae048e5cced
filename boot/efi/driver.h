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

/** The controller that a handle pair of Component Name and Diagnostics names, with its disk if any. */
EFI_STATUS driver_find(EFI_HANDLE controller_handle, EFI_HANDLE child_handle,
                       struct controller **controller, struct disk **disk);

/** The one language that there is: "en", or RFC 4646 tags that begin so. */
bool driver_speaks(const CHAR8 *language);

#endif
