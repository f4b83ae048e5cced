/* SPDX-License-Identifier: BSD-2-Clause */
#include "size.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool parse_digits(const char **text, uint64_t *value)
{
    bool hexadecimal = (*text)[0] == '0' && ((*text)[1] == 'x' || (*text)[1] == 'X');
    const char *first = *text + (hexadecimal ? 2 : 0);
    const char *at = first;
    int base = hexadecimal ? 16 : 10;

    *value = 0;
    for (int digit = digit_value(*at); digit >= 0 && digit < base; digit = digit_value(*++at)) {
        if (__builtin_mul_overflow(*value, (uint64_t)base, value) ||
            __builtin_add_overflow(*value, (uint64_t)digit, value))
            return false;
    }
    *text = at;
    return at > first;
}

bool size_parse(const char *text, uint64_t *value)
{
    static const char suffixes[] = "kKmMgGtT";
    uint64_t number;

    if (!parse_digits(&text, &number))
        return false;
    if (*text != '\0') {
        const char *suffix = strchr(suffixes, *text);
        if (suffix == NULL || text[1] != '\0')
            return false;
        unsigned shift = 10 * (unsigned)((suffix - suffixes) / 2 + 1);
        if (__builtin_mul_overflow(number, (uint64_t)1 << shift, &number))
            return false;
    }
    *value = number;
    return true;
}

char *size_text(uint64_t bytes, char text[SIZE_TEXT_BYTES])
{
    static const char *const suffixes[] = {"", "k", "M", "G", "T", "P", "E"};
    unsigned power = 0;

    while (bytes >> (10 * power) >= 1024)
        power++;
    uint64_t unit = (uint64_t)1 << (10 * power);
    uint64_t whole = bytes / unit;
    uint64_t tenths = ((bytes % unit >> (power ? 10 * (power - 1) : 0)) * 10 + 512) / 1024;
    if (tenths == 10) {
        whole++;
        tenths = 0;
    }
    if (tenths == 0)
        snprintf(text, SIZE_TEXT_BYTES, "%" PRIu64 "%s", whole, suffixes[power]);
    else
        snprintf(text, SIZE_TEXT_BYTES, "%" PRIu64 ".%u%s", whole, (unsigned)tenths,
                 suffixes[power]);
    return text;
}

char *duration_text(uint64_t ns, char text[SIZE_TEXT_BYTES])
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    unsigned unit = 0;
    uint64_t divisor = 1;
    char number[SIZE_TEXT_BYTES];

    while (unit < 3 && ns / divisor >= 1000) {
        divisor *= 1000;
        unit++;
    }
    uint64_t whole = ns / divisor;
    unsigned decimals = unit == 0 || whole >= 100 ? 0 : whole >= 10 ? 1 : 2;
    snprintf(text, SIZE_TEXT_BYTES, "%.20s%s", ratio_text(ns, divisor, decimals, number),
             units[unit]);
    return text;
}

/* By hand, because the compiler's 128-bit division needs a support library that a kernel may not
 * have. */
uint64_t scale_u64(uint64_t value, uint64_t multiply, uint64_t divide)
{
    unsigned __int128 product = (unsigned __int128)value * multiply;
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product, quotient = 0;

    if (divide == 0 || high >= divide)
        return UINT64_MAX;
    for (unsigned bit = 0; bit < 64; bit++) {
        bool carry = high >> 63;
        high = high << 1 | low >> 63;
        low <<= 1;
        quotient <<= 1;
        if (carry || high >= divide) {
            high -= divide;
            quotient |= 1;
        }
    }
    return quotient;
}

char *ratio_text(uint64_t value, uint64_t divide, unsigned decimals, char text[SIZE_TEXT_BYTES])
{
    uint64_t unit = 1;

    for (unsigned i = 0; i < decimals; i++)
        unit *= 10;
    uint64_t scaled = scale_u64(value, unit, divide);
    if (decimals == 0)
        snprintf(text, SIZE_TEXT_BYTES, "%" PRIu64, scaled);
    else
        snprintf(text, SIZE_TEXT_BYTES, "%" PRIu64 ".%0*" PRIu64, scaled / unit, (int)decimals,
                 scaled % unit);
    return text;
}
