/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A terminal on the firmware's text console, which knows no escape sequences: those that our programs
 * use are done by its cursor functions, so that they work on screens and serial lines alike.
 *
 *     \r \n \b \a    \n goes to the start of the next line
 *     ESC [ n C      to the right        ESC [ K    clears to the end of the line
 *     ESC [ H        to the top left     ESC [ 2 J  clears the screen
 *     ESC [ n m      0: normal, 1: bright, 7: reverse
 */
#ifndef VSTOR_EFI_LOADER_TERMINAL_H
#define VSTOR_EFI_LOADER_TERMINAL_H

#include <stddef.h>

/** Writes text in UTF-8; a sequence or character may go on in the next call. At TPL_APPLICATION. */
void terminal_write(const char *text, size_t bytes);

#endif
