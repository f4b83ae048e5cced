/* SPDX-License-Identifier: BSD-2-Clause */
/* A file in memory, untrusted: numbers are read out of it at any place and alignment. */
#ifndef VSTOR_LOADER_BYTES_H
#define VSTOR_LOADER_BYTES_H

#include <string.h>
#include <vstor/types.h>

/** The caller's memory. All zero is an empty file. */
struct loader_bytes {
    const uint8_t *at;
    uint64_t bytes;
};

static inline bool loader_holds(const struct loader_bytes *file, uint64_t offset, uint64_t bytes)
{
    return offset <= file->bytes && bytes <= file->bytes - offset;
}

/** A part of the file; empty if it is not wholly inside. */
static inline struct loader_bytes loader_part_of(const struct loader_bytes *file, uint64_t offset,
                                                 uint64_t bytes)
{
    if (!loader_holds(file, offset, bytes))
        return (struct loader_bytes){NULL, 0};
    return (struct loader_bytes){file->at + offset, bytes};
}

/** Little-endian numbers; what lies outside the file reads as 0. */
static inline uint64_t loader_number(const struct loader_bytes *file, uint64_t offset,
                                     unsigned n_bytes)
{
    uint64_t value = 0;

    if (!loader_holds(file, offset, n_bytes))
        return 0;
    for (unsigned i = 0; i < n_bytes; i++)
        value |= (uint64_t)file->at[offset + i] << (8 * i);
    return value;
}
static inline uint8_t loader_u8(const struct loader_bytes *file, uint64_t offset)
{
    return (uint8_t)loader_number(file, offset, 1);
}
static inline uint16_t loader_u16(const struct loader_bytes *file, uint64_t offset)
{
    return (uint16_t)loader_number(file, offset, 2);
}
static inline uint32_t loader_u32(const struct loader_bytes *file, uint64_t offset)
{
    return (uint32_t)loader_number(file, offset, 4);
}
static inline uint64_t loader_u64(const struct loader_bytes *file, uint64_t offset)
{
    return loader_number(file, offset, 8);
}

#endif
