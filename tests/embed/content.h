/* SPDX-License-Identifier: BSD-2-Clause */
/* What the disks of these programs hold: each eight bytes tell where they stand. */
#ifndef EMBED_CONTENT_H
#define EMBED_CONTENT_H

#include <vstor/vstor.h>

#define CONTENT_FACTOR 0x9e3779b97f4a7c15ull

static inline uint64_t content_at(uint64_t offset_bytes)
{
    return offset_bytes * CONTENT_FACTOR;
}

/** Whether `bytes` that were read from there are right; `flip` is all ones for what was rewritten. */
static inline bool content_is_right(const uint64_t *words, size_t bytes, uint64_t offset_bytes,
                                    uint64_t flip)
{
    for (size_t i = 0; i < bytes / sizeof(*words); i++)
        if (words[i] != (content_at(offset_bytes + i * sizeof(*words)) ^ flip))
            return false;
    return true;
}

static inline void content_make(uint64_t *words, size_t bytes, uint64_t offset_bytes, uint64_t flip)
{
    for (size_t i = 0; i < bytes / sizeof(*words); i++)
        words[i] = content_at(offset_bytes + i * sizeof(*words)) ^ flip;
}

#endif
