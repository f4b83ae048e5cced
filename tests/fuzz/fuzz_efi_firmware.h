/* SPDX-License-Identifier: BSD-2-Clause */
/* A firmware for fuzzing the EFI boot loader: memory that is counted, variables, handles with what the target gives. */
#ifndef VSTOR_TESTS_FUZZ_EFI_FIRMWARE_H
#define VSTOR_TESTS_FUZZ_EFI_FIRMWARE_H

#include "boot/efi/loader/loader.h"
#include "tests/fuzz/fuzz_input.h"

/** As it was at the beginning: nothing allocated, no variables, no protocols. */
void fuzz_firmware_begin(void);
/** All that was allocated must have been given back. */
void fuzz_firmware_end(void);

/** Gives a variable these bytes, of any GUID; they stay the caller's. */
void fuzz_firmware_set(const CHAR16 *name, const void *bytes, UINTN n);
/** The bytes of a variable, and how many; NULL: there is none. */
const void *fuzz_firmware_get(const CHAR16 *name, UINTN *n);

/** What HandleProtocol and LocateProtocol answer for a GUID, on any handle. */
void fuzz_firmware_offer(const EFI_GUID *guid, void *protocol);
/** What LocateHandleBuffer gives, n at most 8. */
void fuzz_firmware_handles(EFI_HANDLE *handles, UINTN n);

/** How many lines were said. */
extern unsigned fuzz_n_said;

#endif
