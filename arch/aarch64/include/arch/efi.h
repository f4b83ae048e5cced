/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/efi.h (aarch64): what EFI calls the machine. (UEFI 2.9, 3.5.1.1; PE/COFF 3.3.1) */
#ifndef VSTOR_ARCH_EFI_H
#define VSTOR_ARCH_EFI_H

/** In the names of programs, and in those of entries. */
#define ARCH_EFI_NAME "aa64"
/** As the default program has it: BOOTAA64.EFI. */
#define ARCH_EFI_BOOT_NAME "AA64"
/** In the head of a program. */
#define ARCH_EFI_MACHINE 0xaa64u

#endif
