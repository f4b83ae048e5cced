/* SPDX-License-Identifier: BSD-2-Clause */
/* A byte that is not the pattern's: finding it, and failing over it. */
#ifndef VSTOR_SHELL_MISMATCH_H
#define VSTOR_SHELL_MISMATCH_H

#include "command.h"

struct mismatch {
    uint64_t offset, seed;
    uint8_t expected, found;
    char explanation[100];
};

/** False, with *mismatch filled in, unless the bytes are the pattern of the seed. */
bool mismatch_check(struct mismatch *mismatch, uint64_t seed, uint64_t offset_bytes,
                    const uint8_t *data, size_t bytes);

/** Says where the first wrong byte is and what it looks like; returns false. */
bool mismatch_fail(const struct shell_context *context, const struct mismatch *mismatch);

#endif
