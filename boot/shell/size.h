/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and sizes as people type and read them, and arithmetic that does not overflow on the way.
 */
#ifndef VSTOR_SHELL_SIZE_H
#define VSTOR_SHELL_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Room that the *_text functions below need. */
#define SIZE_TEXT_BYTES 32

/**
 * Reads a whole text as a decimal or 0x number with an optional suffix k, M, G or T (of 1024,
 * either case). False if it is anything else or does not fit 64 bits.
 */
bool size_parse(const char *text, uint64_t *value);

/** "512", "4k", "1.5G": short, at most one decimal, rounded. Returns text. */
char *size_text(uint64_t bytes, char text[SIZE_TEXT_BYTES]);

/** "950ns", "12.3us", "4.56ms", "1.20s". Returns text. */
char *duration_text(uint64_t ns, char text[SIZE_TEXT_BYTES]);

/** value * multiply / divide, exact on the way, rounded down; the largest number if it does not fit
 * or divide is 0. */
uint64_t scale_u64(uint64_t value, uint64_t multiply, uint64_t divide);

/** value / divide with `decimals` (0 to 9) decimals, e.g. "0.06". Returns text. */
char *ratio_text(uint64_t value, uint64_t divide, unsigned decimals, char text[SIZE_TEXT_BYTES]);

#endif
