/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console as commands and line editor share it: looking for Ctrl-C must not lose what people
 * type ahead. There is one console as there is one stdout, so this state is the program's.
 */
#ifndef VSTOR_SHELL_CONSOLE_H
#define VSTOR_SHELL_CONSOLE_H

#include "shell.h"

#define CONSOLE_CTRL_C 0x03

/** Next byte, what was typed ahead first; -1 if there is none in time. Writes out stdout first. */
int console_next(const struct shell_host *host, uint64_t timeout_ns);

/** True if Ctrl-C was typed; all other bytes wait for console_next. Does not wait. */
bool console_interrupted(const struct shell_host *host);

/** Forgets what was typed ahead. */
void console_forget(void);

#endif
