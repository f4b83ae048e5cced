/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys from the firmware's console: keyboards and serial lines alike. */
#ifndef VSTOR_EFI_LOADER_INPUT_H
#define VSTOR_EFI_LOADER_INPUT_H

#include <vstor/types.h>

#include "boot/efi/loader/keys.h"

/** Wait for as long as it takes. */
#define INPUT_FOREVER UINT64_MAX

/**
 * The next key; false: none was typed within timeout_ns (0: does not wait), or there is no keyboard.
 * At TPL_APPLICATION; the processor sleeps while it waits. Keys that stand for no text and have no
 * name here are left out.
 */
bool input_key(struct loader_key *key, uint64_t timeout_ns);

/** The next byte, as a terminal would send it for the same keys; -1 like false. */
int input_byte(uint64_t timeout_ns);

/** Forgets what was typed and not yet read. */
void input_forget(void);

#endif
