/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines on the firmware's console, wherever that is: screen, serial line or both. */
#ifndef VSTOR_EFI_LOADER_SAY_H
#define VSTOR_EFI_LOADER_SAY_H

#include <vstor/types.h>

/** Formats as vst_format does, from UTF-8; "\n" ends a line. What is longer than 512 bytes is cut. */
void say(const char *format, ...) VST_PRINTF(1, 2);

/**
 * The last lines that were said, the oldest first, at most `max`; valid until something more is said.
 * Returns their number.
 */
unsigned say_lines(const char **lines, unsigned max);
/** Forgets them: they have been seen. */
void say_forget(void);
/** Whether what is said from now on will be among them; at first it will. */
void say_keep(bool wanted);

#endif
