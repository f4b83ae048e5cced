/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of files are UTF-8; what is not must neither break JSON nor steer a terminal. */
#ifndef VSTOR_SHELL_UTF8_H
#define VSTOR_SHELL_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Bytes of the character that the text begins with, and the character; 0 if that is no UTF-8. */
size_t utf8_take(const char *text, uint32_t *rune);

/** No terminal obeys it: neither a control character nor one that turns the direction of writing. */
bool utf8_is_harmless(uint32_t rune);

/** Prints a text; in place of each byte and character that a terminal might obey stands '?'. */
void utf8_print(const char *text);

#endif
