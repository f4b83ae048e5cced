/* SPDX-License-Identifier: BSD-2-Clause */
/* Booting what an entry names. */
#ifndef VSTOR_EFI_LOADER_BOOT_H
#define VSTOR_EFI_LOADER_BOOT_H

#include "boot/efi/loader/entries.h"

#define BOOT_MAX_OPTIONS 4096u

/** The command line of an entry; false: it is too long. */
bool boot_options(const struct boot_entry *entry, char text[BOOT_MAX_OPTIONS]);

/**
 * Boots it, with this command line. Returns if that fails, which has been said, or if what was
 * started comes back; volumes and entries are to be found anew then.
 */
void boot_entry(struct boot_entry *entry, const char *options);

#endif
