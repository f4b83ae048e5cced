/* SPDX-License-Identifier: BSD-2-Clause */
/* The console: the shell of boot/shell on the firmware's keyboard and screen or serial line. */
#ifndef VSTOR_EFI_LOADER_CONSOLE_H
#define VSTOR_EFI_LOADER_CONSOLE_H

/**
 * Runs commands separated by ';' until one fails or `exit` is run. Returns the exit status: 0, that of
 * `exit`, or 1 after a failed command. The disks have been found (disks.h); they may be others
 * afterwards.
 */
int console_run(const char *commands);

/** Reads commands from the keyboard and runs them until `exit` or Ctrl-D; returns the exit status. */
int console_interact(void);

#endif
