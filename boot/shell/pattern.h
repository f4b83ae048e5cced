/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The self-describing pattern of `fill` and `verify`. The disk is divided into units of 16 bytes.
 * The unit at byte offset o holds, little-endian, the number o and a hash of seed and o (the
 * finaliser of splitmix64 over seed + o * 0x9E3779B97F4A7C15). So any byte is known from its offset
 * and the seed alone, a misplaced unit tells where it belongs, and one of another seed tells the
 * seed.
 */
#ifndef VSTOR_SHELL_PATTERN_H
#define VSTOR_SHELL_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATTERN_UNIT_BYTES 16u

/** The byte of the pattern at an offset. */
uint8_t pattern_byte(uint64_t seed, uint64_t offset_bytes);

/** Writes the pattern of any byte range. */
void pattern_fill(uint64_t seed, uint64_t offset_bytes, uint8_t *data, size_t bytes);

/** Index of the first byte that differs from the pattern, or `bytes` if none does. */
size_t pattern_first_difference(uint64_t seed, uint64_t offset_bytes, const uint8_t *data,
                                size_t bytes);

/**
 * Says in `text` what the unit around the wrong byte `index` looks like, e.g. "it holds the pattern
 * of offset 4096";
 * "" if that is not known.
 */
void pattern_explain(uint64_t seed, uint64_t offset_bytes, const uint8_t *data, size_t bytes,
                     size_t index, char *text, size_t text_bytes);

#endif
