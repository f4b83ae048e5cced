/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes for people, as `hexdump -C` shows them: equal lines are folded into one '*'. */
#ifndef VSTOR_SHELL_HEXDUMP_H
#define VSTOR_SHELL_HEXDUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEXDUMP_LINE_BYTES 16u

struct hexdump {
    uint8_t last[HEXDUMP_LINE_BYTES];
    bool has_last, folding;
    uint64_t end_bytes;
};

/** Start with all zero. Each piece but the last must be a multiple of 16 bytes. */
void hexdump_add(struct hexdump *dump, uint64_t offset_bytes, const uint8_t *data, size_t bytes);
/** Prints the offset behind the last byte. */
void hexdump_end(struct hexdump *dump);

#endif
