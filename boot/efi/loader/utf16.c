/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/utf16.h"

#include "boot/efi/loader/pool.h"

#define NO_CHARACTER 0xfffdu /* REPLACEMENT CHARACTER */

/* The next character. Shorter forms than the shortest, halves and what breaks off are none. */
static uint32_t take(const char **text)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *at = (const unsigned char *)*text;
    unsigned n_more = at[0] < 0xc0 ? 0 : at[0] < 0xe0 ? 1 : at[0] < 0xf0 ? 2 : 3;
    uint32_t value = n_more == 0 ? at[0] : at[0] & (0x3fu >> n_more);
    unsigned i = 1;

    for (; i <= n_more && (at[i] & 0xc0) == 0x80; i++)
        value = value << 6 | (at[i] & 0x3fu);
    *text += i;
    bool whole = i > n_more && (n_more > 0 || value < 0x80) && value >= least[n_more];
    return whole && value <= 0x10ffff && (value & 0xfffff800) != 0xd800 ? value : NO_CHARACTER;
}

UINTN utf16_units(const char *text)
{
    UINTN n = 1;

    while (*text != '\0')
        n += take(&text) > 0xffff ? 2 : 1;
    return n;
}

bool utf16_of(const char *text, CHAR16 *to, UINTN n)
{
    UINTN used = 0;
    bool all = true;

    while (all && *text != '\0') {
        uint32_t value = take(&text);
        all = used + (value > 0xffff ? 2 : 1) < n;
        if (all && value > 0xffff)
            to[used++] = (CHAR16)(0xd7c0 + (value >> 10));
        if (all)
            to[used++] = (CHAR16)(value > 0xffff ? 0xdc00 | (value & 0x3ff) : value);
    }
    to[used] = 0;
    return all;
}

static UINTN put(uint32_t value, unsigned char bytes[4])
{
    UINTN n = value < 0x80 ? 1 : value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;

    if (n == 1) {
        bytes[0] = (unsigned char)value;
        return 1;
    }
    for (UINTN i = n; i-- > 1; value >>= 6)
        bytes[i] = (unsigned char)(0x80 | (value & 0x3f));
    bytes[0] = (unsigned char)(value | (0xff00u >> n & 0xff));
    return n;
}

bool utf8_of(const CHAR16 *from, UINTN room, char *to, UINTN bytes)
{
    UINTN used = 0;

    for (UINTN i = 0; i < room && from[i] != 0; i++) {
        unsigned char character[4];
        uint32_t value = from[i];
        if ((value & 0xfc00) == 0xd800 && i + 1 < room && (from[i + 1] & 0xfc00) == 0xdc00)
            value = 0x10000 + ((value & 0x3ff) << 10 | (from[++i] & 0x3ffu));
        else if ((value & 0xf800) == 0xd800)
            value = NO_CHARACTER;
        UINTN n = put(value, character);
        if (used + n >= bytes) {
            to[used] = '\0';
            return false;
        }
        __builtin_memcpy(to + used, character, n);
        used += n;
    }
    to[used] = '\0';
    return true;
}

CHAR16 *utf16_copy(const char *text)
{
    UINTN n = utf16_units(text);
    CHAR16 *copy = pool_take(n * sizeof(*copy));

    if (copy != NULL)
        (void)utf16_of(text, copy, n);
    return copy;
}
