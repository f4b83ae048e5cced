/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Data compressed by the "deflate" method. (RFC 1951)
 *
 * Not Debian's libz.a: that is compiled with a red zone, which an interrupt of the firmware's overwrites,
 * and with the stack protector of a C library.
 */
#ifndef VSTOR_EFI_INFLATE_H
#define VSTOR_EFI_INFLATE_H

#include <vstor/types.h>

#define INFLATE_MAX_CODE_BITS 15u
#define INFLATE_MAX_SYMBOLS   288u
#define INFLATE_QUICK_BITS    9u

/** A set of codes, by their lengths. */
struct inflate_codes {
    uint16_t n_of_length[INFLATE_MAX_CODE_BITS + 1];
    uint16_t symbols[INFLATE_MAX_SYMBOLS]; /**< in the order of their codes */
    uint16_t
        quick[1u << INFLATE_QUICK_BITS]; /**< by the next bits: symbol << 4 | length; 0: longer */
};

/** 3.4 KiB of the caller's, for the time of a call. */
struct inflate_work {
    struct inflate_codes literals, distances;
};

/**
 * Expands all of `from`, which must give exactly to_bytes. False: it is no such data, or gives more or
 * less; what stands at `to` then is of no use. Reads and writes nothing beyond either.
 */
bool inflate(struct inflate_work *work, const void *from, size_t from_bytes, void *to,
             size_t to_bytes) VST_MUST_USE;

#endif
