/* SPDX-License-Identifier: BSD-2-Clause */
#include "utf8.h"

#include <stdio.h>

size_t utf8_take(const char *text, uint32_t *rune)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *at = (const unsigned char *)text;
    size_t n = at[0] < 0x80 ? 1 : at[0] < 0xc0 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

    *rune = n == 1 ? at[0] : at[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        *rune = *rune << 6 | (at[i] & 0x3f);
    }
    if (n == 0 || *rune < least[n] || *rune > 0x10ffff || (*rune >= 0xd800 && *rune < 0xe000))
        return 0;
    return n;
}

bool utf8_is_harmless(uint32_t rune)
{
    return rune >= 0x20 && (rune < 0x7f || rune >= 0xa0) && rune != 0x061c &&
           (rune < 0x200b || rune > 0x200f) && (rune < 0x2028 || rune > 0x202e) &&
           (rune < 0x2060 || rune > 0x206f) && rune != 0xfeff;
}

void utf8_print(const char *text)
{
    while (*text != '\0') {
        uint32_t rune;
        size_t n = utf8_take(text, &rune);
        if (n == 0 || !utf8_is_harmless(rune))
            putchar('?');
        else
            fwrite(text, 1, n, stdout);
        text += n == 0 ? 1 : n;
    }
}
