/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Variables of the Boot Loader Interface (systemd.io/BOOT_LOADER_INTERFACE): what this loader tells
 * the system that it starts, and what that asks of it for the next time.
 */
#ifndef VSTOR_EFI_LOADER_VARIABLES_H
#define VSTOR_EFI_LOADER_VARIABLES_H

#include "boot/efi/firmware.h"

/** The text of a variable; false: there is none, or it has no room. */
bool variable_text(const CHAR16 *name, char *text, UINTN bytes);

/** Sets one to a text, until the machine starts again or for good. What fails is no reason to stop. */
void variable_set(const CHAR16 *name, const char *text, bool for_good);
void variable_set_number(const CHAR16 *name, UINT64 number);
/** Any bytes, for this start of the machine. */
void variable_set_bytes(const CHAR16 *name, const void *bytes, UINTN n);
void variable_delete(const CHAR16 *name);

/**
 * Tells when we began, who we are, and where we come from: the file, "" if that is not known, and the
 * GPT's partition, NULL or all zeroes.
 */
void variables_begin(const char *file, const UINT8 *partition_id);

/** Whether the firmware can show its set-up after the next start; asks it to. */
bool variables_can_set_up(void);
EFI_STATUS variables_ask_for_set_up(void);

#endif
