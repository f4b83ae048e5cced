/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The boot loader, vstor.efi: the driver of boot/efi, and what boots from its disks.
 *
 *     start.c               entry: takes the disks over, and gives them back if it comes to an end
 *     disks.c               those disks by their names
 *     volumes.c, volume_read.c, volume_ahead.c   the file systems on them; whole files, by many requests at once
 *     next_kernel.c         kernels that know no EFI, in the firmware's place
 *     entries.c, entry_files.c   what can be booted from them, and which of it is to be
 *     boot.c                an entry, from its counting to its start
 *     load.c, program.c     files into memory; EFI programs started from there
 *     variables.c           what the system that is started hears of us, and we of it
 *     say.c                 lines on the firmware's console
 *     watch.c               and for how long a disk has not answered
 *     menu.c, menu_state.c  who chooses what is booted
 *     arguments.c, console.c   the shell of boot/shell, and who asks for it
 *     terminal.c, input.c, keys.c   its screen and keyboard
 *     syscalls.c, heap.c, stack_guard.c   what newlib and BearSSL ask of a system
 *     pci.c                 PCI functions for people to see
 *     device_path.c, utf16.c, pool.c   the firmware's names, texts and memory
 */
#ifndef VSTOR_EFI_LOADER_H
#define VSTOR_EFI_LOADER_H

#include "boot/efi/firmware.h"
#include "boot/efi/loader/name.h"

/** Of this image. Set before anything else runs. */
extern EFI_SYSTEM_TABLE *loader_system;
extern EFI_HANDLE loader_image;

/** Whether a path on the volume that this program came from is its own; either slash parts it. */
bool loader_is_own_file(const char *path);

/** Finds all disks and volumes anew (volumes_find). False: no memory for all of them. */
bool loader_find_volumes(void);

#endif
