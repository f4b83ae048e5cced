/* SPDX-License-Identifier: BSD-2-Clause */
/* The files that boot/efi/loader/entries.c makes entries of. */
#ifndef VSTOR_EFI_LOADER_ENTRY_FILES_H
#define VSTOR_EFI_LOADER_ENTRY_FILES_H

#include "boot/efi/loader/entries.h"

/**
 * Text of /loader/loader.conf, for pool_give: that of the volume that this program came from, else of an
 * EFI system partition, of an extended boot loader partition, of any other volume. NULL: there is none.
 */
char *entry_files_conf(void);

/** Hands each entry of the volumes to `found`, whose it is then; `programs`: also what has no entry. */
void entry_files_find(bool programs, void (*found)(struct boot_entry *entry));

/** Gives back the memory of one, and, when all of them are dropped, that of what was read. */
void entry_files_drop(struct boot_entry *entry);
void entry_files_forget(void);

#endif
