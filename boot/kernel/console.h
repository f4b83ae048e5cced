/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The serial console: a 16550 at port 0x3f8, 115200 8N1, polled. A machine without one loses the
 * output and goes on.
 */
#ifndef VSTOR_KERNEL_CONSOLE_H
#define VSTOR_KERNEL_CONSOLE_H

#include <vstor/types.h>

void console_start(void);

/** Writes the bytes, those of one CPU at a time; a line feed becomes carriage return and line feed. Gives up on a port that
 * takes nothing. */
void console_write(const char *text, size_t bytes);

/** Writes the bytes as they are, otherwise like console_write. */
void console_write_raw(const void *data, size_t bytes);

/** Formats like vst_format, into at most 256 bytes, without any state: usable in a trap. */
void console_printf(const char *format, ...) VST_PRINTF(1, 2);

/** The next received byte, or -1 if there is none now. */
int console_read_byte(void);

/** Waits until the last byte has left the UART, or for some 20 s if none does. */
void console_drain(void);

#endif
