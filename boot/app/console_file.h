/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The serial line as standard input, output and error.
 *
 * With somebody at it (the usual case) it is a terminal: lines that can be corrected with backspace,
 * echo, Ctrl-D for the end, Ctrl-C for SIGINT, line feeds with carriage returns. With
 * vstor.interactive=0 it is a pipe: bytes as they are, and no end.
 */
#ifndef VSTOR_APP_CONSOLE_FILE_H
#define VSTOR_APP_CONSOLE_FILE_H

#include "boot/app/file.h"

/** Before the first file is opened. */
void console_file_start(bool is_terminal);

/** Makes `file`, with its flags set, the console. */
void console_file_open(struct file *file);
bool console_file_is_terminal(const struct file *file);

/** stat() of it. */
void console_file_status(struct stat *status);

#endif
