/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts as the firmware has them. Ours are UTF-8; what is none becomes U+FFFD. */
#ifndef VSTOR_EFI_LOADER_UTF16_H
#define VSTOR_EFI_LOADER_UTF16_H

#include "boot/efi/firmware.h"

/** Units that utf16_of needs for all of the text, the NUL included. */
UINTN utf16_units(const char *text);

/** Writes at most n units, n > 0, always with a NUL; true if all had room. */
bool utf16_of(const char *text, CHAR16 *to, UINTN n);

/** The other way; at most `room` units are read, and the text ends where a NUL stands. */
bool utf8_of(const CHAR16 *from, UINTN room, char *to, UINTN bytes);

/** A copy for pool_give. NULL: no memory. */
CHAR16 *utf16_copy(const char *text);

#endif
