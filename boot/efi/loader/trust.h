/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may be started, and who is told what was: Secure Boot and the TPM.
 *
 * EFI programs are verified, and measured into PCR 4, by the firmware that loads them. What it never
 * sees is measured here, as events EV_IPL whose data name it, into the registers that others use for
 * the same (UAPI.7), so that what is sealed to them means the same with this loader:
 *
 *     PCR 4   kernels that know no EFI: the file         boot loader code, where firmware puts its own
 *     PCR 5   loader.conf and the entry chosen           boot loader configuration; as systemd-boot
 *     PCR 9   initial ramdisks and modules: each file    as Linux's EFI stub
 *     PCR 12  command lines, in UTF-16 with the NUL      kernel configuration; as systemd-boot
 *
 * Under Secure Boot nobody could verify kernels that know no EFI, so they are not started; and the
 * command line that a unified kernel image brings along, which is signed with it, can't be another.
 */
#ifndef VSTOR_EFI_LOADER_TRUST_H
#define VSTOR_EFI_LOADER_TRUST_H

#include "boot/efi/firmware.h"

enum trust_what { TRUST_KERNEL, TRUST_CONFIGURATION, TRUST_INITRD, TRUST_COMMAND_LINE };

/** Whether the firmware starts signed programs only. */
bool trust_secure_boot(void);

/**
 * Has the TPM remember some bytes, that the name is of; without a TPM nothing happens. What fails is
 * said, and is no reason not to boot: who relies on the TPM finds it lacking.
 */
void trust_measure(enum trust_what what, const void *data, UINT64 bytes, const char *name);

/** The same for a command line (UTF-8); NULL and "" are none. */
void trust_measure_command_line(const char *line);

/**
 * Asked before an EFI program is loaded: why it is not to be started with that command line (NULL:
 * none), fixed text; NULL: the firmware is to decide.
 */
const char *loader_admit(const void *image, UINT64 bytes, const char *command_line);

#endif
