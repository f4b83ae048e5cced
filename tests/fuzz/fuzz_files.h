/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * File systems that an input describes, walked wholly. The input is
 *
 *     log2 of block_bytes / 512 (of 8), memory for windows in 8 KiB (of 16),
 *     volume in 16 KiB - 1, 512-byte sector that can't be read (2 bytes, 0: none), then pieces of
 *     the volume: sector (2 bytes), number of bytes (2), the bytes
 *
 * so that most of a volume, which is zeroes, costs the fuzzer nothing.
 */
#ifndef VSTOR_TESTS_FUZZ_FILES_H
#define VSTOR_TESTS_FUZZ_FILES_H

#include <vstor/files.h>

#include "tests/fuzz/fuzz_input.h"

/** Opens what the input describes and reads all that it finds, within bounds of its own. */
void fuzz_files(const uint8_t *data, size_t bytes);

#endif
