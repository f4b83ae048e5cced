/* SPDX-License-Identifier: BSD-2-Clause */
#include "pattern.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <vstor/types.h>

#define GOLDEN 0x9E3779B97F4A7C15u

struct unit {
    vst_le64 offset, hash;
};

static uint64_t finalise(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static uint64_t undo_xor_shift(uint64_t z, unsigned shift)
{
    uint64_t result = z;

    for (unsigned known = shift; known < 64; known += shift)
        result = z ^ (result >> shift);
    return result;
}

/* Every step of the finaliser can be undone; the multipliers are the inverses modulo 2^64. */
static uint64_t undo_finalise(uint64_t z)
{
    z = undo_xor_shift(z, 31) * 0x319642B2D24D8EC3u;
    z = undo_xor_shift(z, 27) * 0x96DE1B173F119089u;
    return undo_xor_shift(z, 30);
}

static struct unit unit_at(uint64_t seed, uint64_t offset_bytes)
{
    return (struct unit){vst_le64_of(offset_bytes),
                         vst_le64_of(finalise(seed + offset_bytes * GOLDEN))};
}

uint8_t pattern_byte(uint64_t seed, uint64_t offset_bytes)
{
    uint64_t within = offset_bytes % PATTERN_UNIT_BYTES;
    struct unit unit = unit_at(seed, offset_bytes - within);
    uint8_t bytes[PATTERN_UNIT_BYTES];

    memcpy(bytes, &unit, sizeof(bytes));
    return bytes[within];
}

void pattern_fill(uint64_t seed, uint64_t offset_bytes, uint8_t *data, size_t bytes)
{
    for (size_t done = 0, n; done < bytes; done += n) {
        uint64_t offset = offset_bytes + done;
        size_t within = offset % PATTERN_UNIT_BYTES;
        struct unit unit = unit_at(seed, offset - within);
        n = PATTERN_UNIT_BYTES - within;
        if (n > bytes - done)
            n = bytes - done;
        memcpy(data + done, (const uint8_t *)&unit + within, n);
    }
}

static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t bytes)
{
    size_t i = 0;

    while (i < bytes && a[i] == b[i])
        i++;
    return i;
}

size_t pattern_first_difference(uint64_t seed, uint64_t offset_bytes, const uint8_t *data,
                                size_t bytes)
{
    for (size_t done = 0, n; done < bytes; done += n) {
        uint64_t offset = offset_bytes + done;
        size_t within = offset % PATTERN_UNIT_BYTES;
        struct unit unit = unit_at(seed, offset - within);
        const uint8_t *expected = (const uint8_t *)&unit + within;
        n = PATTERN_UNIT_BYTES - within;
        if (n > bytes - done)
            n = bytes - done;
        if (memcmp(data + done, expected, n) != 0)
            return done + first_difference(data + done, expected, n);
    }
    return bytes;
}

struct decoded {
    bool valid;
    uint64_t offset, seed;
};

/* Any 16 bytes decode to some seed; only an offset that can be one, or a neighbour that agrees,
 * gives it a meaning. */
static struct decoded decode(const uint8_t *data, size_t bytes, size_t at)
{
    struct unit unit;

    if (at >= bytes || bytes - at < sizeof(unit))
        return (struct decoded){0};
    memcpy(&unit, data + at, sizeof(unit));
    uint64_t offset = vst_le64_get(unit.offset);
    return (struct decoded){
        .valid = offset % PATTERN_UNIT_BYTES == 0,
        .offset = offset,
        .seed = undo_finalise(vst_le64_get(unit.hash)) - offset * GOLDEN,
    };
}

static bool confirms(struct decoded found, struct decoded neighbour, uint64_t distance)
{
    return neighbour.valid && neighbour.seed == found.seed &&
           neighbour.offset == found.offset + distance;
}

static bool is_filled_with(const uint8_t *data, size_t bytes, uint8_t value)
{
    for (size_t i = 0; i < bytes; i++)
        if (data[i] != value)
            return false;
    return true;
}

void pattern_explain(uint64_t seed, uint64_t offset_bytes, const uint8_t *data, size_t bytes,
                     size_t index, char *text, size_t text_bytes)
{
    size_t within = (offset_bytes + index) % PATTERN_UNIT_BYTES;

    text[0] = '\0';
    if (index < within || bytes - (index - within) < PATTERN_UNIT_BYTES)
        return;
    size_t at = index - within;
    struct decoded found = decode(data, bytes, at);
    if (is_filled_with(data + at, PATTERN_UNIT_BYTES, 0))
        snprintf(text, text_bytes, "it holds zeros");
    else if (found.valid && found.seed == seed)
        snprintf(text, text_bytes, "it holds the pattern of offset %" PRIu64, found.offset);
    else if (found.valid &&
             (confirms(found, decode(data, bytes, at + PATTERN_UNIT_BYTES), PATTERN_UNIT_BYTES) ||
              (at >= PATTERN_UNIT_BYTES &&
               confirms(found, decode(data, bytes, at - PATTERN_UNIT_BYTES),
                        -(uint64_t)PATTERN_UNIT_BYTES))))
        snprintf(text, text_bytes, "it holds the pattern of offset %" PRIu64 " with seed=%" PRIu64,
                 found.offset, found.seed);
}
