/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/packed/inflate.h"

#define BLOCK_STORED      0u
#define BLOCK_FIXED       1u
#define BLOCK_DYNAMIC     2u
#define END_OF_BLOCK      256u
#define FIRST_LENGTH      257u
#define N_LENGTHS         29u
#define N_DISTANCES       30u
#define N_LITERALS        288u
#define MAX_LITERALS      286u /* of a code that comes along; two more have no meaning */
#define N_FIXED_DISTANCES 32u  /* likewise */
#define N_LENGTH_CODES    19u
#define NO_SYMBOL         UINT32_MAX

struct stream {
    const uint8_t *from, *from_end;
    uint8_t *to_start, *to, *to_end;
    uint64_t bits; /* taken from `from` and not used, the next one lowest */
    unsigned n_bits;
};

/* ---------------------------------------------------------------- bits (RFC 1951, 3.1.1) */

/* At least 32 of them, where there are so many. */
static void fill(struct stream *stream)
{
    if (stream->n_bits >= 32)
        return;
    for (; stream->n_bits <= 56 && stream->from < stream->from_end; stream->n_bits += 8)
        stream->bits |= (uint64_t)*stream->from++ << stream->n_bits;
}

static bool drop(struct stream *stream, unsigned n)
{
    if (stream->n_bits < n)
        return false;
    stream->bits >>= n;
    stream->n_bits -= n;
    return true;
}

/* At most 16. */
static bool take(struct stream *stream, unsigned n, uint32_t *value)
{
    fill(stream);
    *value = (uint32_t)stream->bits & ((1u << n) - 1);
    return drop(stream, n);
}

/* ---------------------------------------------------------------- codes (3.2.2) */

/* A code as it comes: its first bit lowest. */
static uint32_t reversed(uint32_t code, unsigned length)
{
    uint32_t result = 0;

    for (; length > 0; length--, code >>= 1)
        result = result << 1 | (code & 1);
    return result;
}

static void make_quick(struct inflate_codes *codes)
{
    uint32_t code = 0, at = 0;

    __builtin_memset(codes->quick, 0, sizeof(codes->quick));
    for (unsigned length = 1; length <= INFLATE_QUICK_BITS; length++, code <<= 1)
        for (unsigned i = 0; i < codes->n_of_length[length]; i++, code++, at++)
            for (uint32_t k = reversed(code, length); k < 1u << INFLATE_QUICK_BITS;
                 k += 1u << length)
                codes->quick[k] = (uint16_t)(codes->symbols[at] << 4 | length);
}

/* False: the codes are more than their lengths leave room for, or fewer. None will do, if none is
 * used, and, with `may_be_one`, one of one bit. (3.2.7) */
static bool make_codes(struct inflate_codes *codes, const uint8_t *lengths, unsigned n,
                       bool may_be_one)
{
    uint16_t place[INFLATE_MAX_CODE_BITS + 2] = {0};
    int32_t room = 1;

    __builtin_memset(codes->n_of_length, 0, sizeof(codes->n_of_length));
    for (unsigned i = 0; i < n; i++)
        codes->n_of_length[lengths[i]]++;
    codes->n_of_length[0] = 0;
    for (unsigned length = 1; length <= INFLATE_MAX_CODE_BITS; length++) {
        room = room * 2 - codes->n_of_length[length];
        if (room < 0)
            return false;
        place[length + 1] = place[length] + codes->n_of_length[length];
    }
    unsigned n_codes = place[INFLATE_MAX_CODE_BITS + 1];
    if (room > 0 && n_codes > 0 && !(may_be_one && n_codes == 1 && codes->n_of_length[1] == 1))
        return false;
    for (unsigned i = 0; i < n; i++)
        if (lengths[i] != 0)
            codes->symbols[place[lengths[i]]++] = (uint16_t)i;
    make_quick(codes);
    return true;
}

/* Bit by bit: the codes of a length are numbers that follow each other. */
static uint32_t take_long_symbol(struct stream *stream, const struct inflate_codes *codes)
{
    uint32_t code = 0, first = 0, at = 0;

    for (unsigned length = 1; length <= INFLATE_MAX_CODE_BITS; length++) {
        uint32_t n = codes->n_of_length[length];
        code = code << 1 | (uint32_t)(stream->bits >> (length - 1) & 1);
        if (code - first < n)
            return drop(stream, length) ? codes->symbols[at + code - first] : NO_SYMBOL;
        at += n;
        first = (first + n) << 1;
    }
    return NO_SYMBOL;
}

static uint32_t take_symbol(struct stream *stream, const struct inflate_codes *codes)
{
    fill(stream);
    uint32_t quick = codes->quick[stream->bits & ((1u << INFLATE_QUICK_BITS) - 1)];

    if (quick == 0)
        return take_long_symbol(stream, codes);
    return drop(stream, quick & 15) ? quick >> 4 : NO_SYMBOL;
}

/* ---------------------------------------------------------------- blocks (3.2.3) */

static bool expand_stored(struct stream *stream)
{
    uint32_t n, not_n;

    if (!drop(stream, stream->n_bits % 8) || !take(stream, 16, &n) || !take(stream, 16, &not_n) ||
        n != (~not_n & 0xffff))
        return false;
    if (n > (size_t)(stream->to_end - stream->to))
        return false;
    for (uint32_t byte; n > 0; n--) {
        if (!take(stream, 8, &byte))
            return false;
        *stream->to++ = (uint8_t)byte;
    }
    return true;
}

/* A length or distance: each code stands for a base and some bits more. (3.2.5) */
static bool take_amount(struct stream *stream, const uint16_t *bases, unsigned more_bits,
                        uint32_t number, uint32_t *amount)
{
    if (!take(stream, more_bits, amount))
        return false;
    *amount += bases[number];
    return true;
}

static bool copy_back(struct stream *stream, const struct inflate_codes *distances, uint32_t number)
{
    static const uint16_t length_bases[N_LENGTHS] = {3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                                     15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                                     67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint16_t distance_bases[N_DISTANCES] = {
        1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
        193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    uint32_t length, distance;

    unsigned more = number < 8 || number == N_LENGTHS - 1 ? 0 : number / 4 - 1;
    if (!take_amount(stream, length_bases, more, number, &length))
        return false;
    number = take_symbol(stream, distances);
    if (number >= N_DISTANCES ||
        !take_amount(stream, distance_bases, number < 4 ? 0 : number / 2 - 1, number, &distance))
        return false;
    if (distance > (size_t)(stream->to - stream->to_start) ||
        length > (size_t)(stream->to_end - stream->to))
        return false;
    /* Byte by byte: what is copied may reach into what is being written. */
    for (; length > 0; length--, stream->to++)
        *stream->to = *(stream->to - distance);
    return true;
}

static bool expand_coded(struct stream *stream, const struct inflate_work *work)
{
    for (;;) {
        uint32_t symbol = take_symbol(stream, &work->literals);
        if (symbol == END_OF_BLOCK)
            return true;
        if (symbol < END_OF_BLOCK) {
            if (stream->to == stream->to_end)
                return false;
            *stream->to++ = (uint8_t)symbol;
        } else if (symbol - FIRST_LENGTH >= N_LENGTHS ||
                   !copy_back(stream, &work->distances, symbol - FIRST_LENGTH)) {
            return false;
        }
    }
}

/* 3.2.6 */
static bool fixed_codes(struct inflate_work *work)
{
    uint8_t lengths[N_LITERALS];

    for (unsigned i = 0; i < N_LITERALS; i++)
        lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    if (!make_codes(&work->literals, lengths, N_LITERALS, false))
        return false;
    __builtin_memset(lengths, 5, N_FIXED_DISTANCES);
    return make_codes(&work->distances, lengths, N_FIXED_DISTANCES, false);
}

/* The lengths of both sets follow each other, themselves coded. (3.2.7) */
static bool take_lengths(struct stream *stream, const struct inflate_codes *codes, uint8_t *lengths,
                         unsigned n)
{
    static const uint8_t more_bits[] = {2, 3, 7}, bases[] = {3, 3, 11};

    for (unsigned i = 0; i < n;) {
        uint32_t symbol = take_symbol(stream, codes), repeats = 1;
        if (symbol >= N_LENGTH_CODES || (symbol == 16 && i == 0))
            return false;
        uint8_t length = symbol < 16 ? (uint8_t)symbol : symbol == 16 ? lengths[i - 1] : 0;
        if (symbol >= 16) {
            if (!take(stream, more_bits[symbol - 16], &repeats))
                return false;
            repeats += bases[symbol - 16];
        }
        if (repeats > n - i)
            return false;
        while (repeats-- > 0)
            lengths[i++] = length;
    }
    return true;
}

static bool dynamic_codes(struct stream *stream, struct inflate_work *work)
{
    static const uint8_t order[N_LENGTH_CODES] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                  11, 4,  12, 3, 13, 2, 14, 1, 15};
    uint8_t lengths[INFLATE_MAX_SYMBOLS + 32] = {0};
    uint32_t n_literals, n_distances, n_lengths, length;

    if (!take(stream, 5, &n_literals) || !take(stream, 5, &n_distances) ||
        !take(stream, 4, &n_lengths))
        return false;
    n_literals += 257;
    n_distances += 1;
    for (uint32_t i = 0; i < n_lengths + 4; i++) {
        if (!take(stream, 3, &length))
            return false;
        lengths[order[i]] = (uint8_t)length;
    }
    if (n_literals > MAX_LITERALS || n_distances > N_DISTANCES ||
        !make_codes(&work->literals, lengths, N_LENGTH_CODES, false) ||
        !take_lengths(stream, &work->literals, lengths, n_literals + n_distances))
        return false;
    return lengths[END_OF_BLOCK] != 0 && make_codes(&work->literals, lengths, n_literals, true) &&
           make_codes(&work->distances, lengths + n_literals, n_distances, true);
}

static bool expand_block(struct stream *stream, struct inflate_work *work, uint32_t *last)
{
    uint32_t type;

    if (!take(stream, 1, last) || !take(stream, 2, &type))
        return false;
    if (type == BLOCK_STORED)
        return expand_stored(stream);
    if (type == BLOCK_FIXED)
        return fixed_codes(work) && expand_coded(stream, work);
    return type == BLOCK_DYNAMIC && dynamic_codes(stream, work) && expand_coded(stream, work);
}

bool inflate(struct inflate_work *work, const void *from, size_t from_bytes, void *to,
             size_t to_bytes)
{
    struct stream stream = {
        .from = from,
        .from_end = (const uint8_t *)from + from_bytes,
        .to_start = to,
        .to = to,
        .to_end = (uint8_t *)to + to_bytes,
    };
    uint32_t last = 0;

    while (!last)
        if (!expand_block(&stream, work, &last))
            return false;
    return stream.to == stream.to_end && stream.from == stream.from_end && stream.n_bits < 8;
}
