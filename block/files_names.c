/* SPDX-License-Identifier: BSD-2-Clause */
/* Names as UTF-8, and with case or without; days of the calendar as seconds. */
#include "block/files.h"

#define REPLACEMENT 0xfffdu

/* ------------------------------------------------------------------ writing */

void vst_files_put_bytes(struct files_text *text, const void *from, size_t bytes)
{
    if (text->full || bytes > text->room) {
        text->full = true; /* for good: a name without its middle would be another name */
        return;
    }
    __builtin_memcpy(text->to, from, bytes);
    text->to += bytes;
    text->room -= bytes;
    *text->to = '\0';
}

void vst_files_put_rune(struct files_text *text, uint32_t rune)
{
    uint8_t bytes[4];
    unsigned n = 0;

    if (rune < 0x20 || rune == '/' || rune == 0x7f)
        rune = '?';
    if (rune < 0x80) {
        bytes[n++] = (uint8_t)rune;
    } else if (rune < 0x800) {
        bytes[n++] = (uint8_t)(0xc0 | rune >> 6);
        bytes[n++] = (uint8_t)(0x80 | (rune & 0x3f));
    } else {
        if (rune < 0x10000) {
            bytes[n++] = (uint8_t)(0xe0 | rune >> 12);
        } else {
            bytes[n++] = (uint8_t)(0xf0 | rune >> 18);
            bytes[n++] = (uint8_t)(0x80 | (rune >> 12 & 0x3f));
        }
        bytes[n++] = (uint8_t)(0x80 | (rune >> 6 & 0x3f));
        bytes[n++] = (uint8_t)(0x80 | (rune & 0x3f));
    }
    vst_files_put_bytes(text, bytes, n);
}

static uint32_t utf16_unit(const uint8_t *units, size_t i, unsigned high)
{
    return (uint32_t)units[2 * i + high] << 8 | units[2 * i + 1 - high];
}

void vst_files_put_utf16(struct files_text *text, const uint8_t *units, size_t n, unsigned high)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t rune = utf16_unit(units, i, high);
        if (rune == 0)
            break;
        if (rune >= 0xd800 && rune < 0xe000) { /* one half of a pair, or a half alone */
            uint32_t low = i + 1 < n ? utf16_unit(units, i + 1, high) : 0;
            if (rune < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
                rune = 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00);
                i++;
            } else {
                rune = REPLACEMENT;
            }
        }
        vst_files_put_rune(text, rune);
    }
}

/* ------------------------------------------------------------------ comparing */

/** Takes one character; a byte that is no UTF-8 stands for itself, apart from all characters. */
static uint32_t take_rune(const char **at, const char *end)
{
    const uint8_t *bytes = (const uint8_t *)*at;
    const size_t left = (size_t)(end - *at);
    uint32_t rune = bytes[0];
    unsigned n = rune >= 0xf0 ? 4 : rune >= 0xe0 ? 3 : rune >= 0xc0 ? 2 : 1;

    if (n == 1 || n > left) {
        *at += 1;
        return rune < 0x80 ? rune : 0x80000000u | rune;
    }
    rune &= 0x7fu >> n;
    for (unsigned i = 1; i < n; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            *at += 1;
            return 0x80000000u | bytes[0];
        }
        rune = rune << 6 | (bytes[i] & 0x3f);
    }
    *at += n;
    return rune;
}

/** Capitals of the Latin, Greek and Cyrillic letters that come in rows or in pairs. */
static uint32_t fold(uint32_t rune)
{
    static const struct {
        uint16_t first, last;
        uint8_t less; /* 0: pairs, of which the capital is even where the first is */
    } rows[] = {
        {'a', 'z', 0x20},     {0xe0, 0xf6, 0x20},   {0xf8, 0xfe, 0x20},   {0x100, 0x12f, 0},
        {0x132, 0x137, 0},    {0x139, 0x148, 0},    {0x14a, 0x177, 0},    {0x179, 0x17e, 0},
        {0x3b1, 0x3c1, 0x20}, {0x3c3, 0x3cb, 0x20}, {0x430, 0x44f, 0x20}, {0x450, 0x45f, 0x50},
    };

    for (unsigned i = 0; i < VST_ARRAY_LENGTH(rows); i++)
        if (rune >= rows[i].first && rune <= rows[i].last)
            return rows[i].less > 0 ? rune - rows[i].less : rune - ((rune ^ rows[i].first) & 1u);
    return rune;
}

bool vst_files_names_match(const char *name, const char *text, size_t bytes, bool fold_case)
{
    const size_t name_bytes = files_length(name, SIZE_MAX);
    const char *const name_end = name + name_bytes, *const text_end = text + bytes;

    if (!fold_case)
        return name_bytes == bytes && __builtin_memcmp(name, text, bytes) == 0;
    while (name < name_end && text < text_end)
        if (fold(take_rune(&name, name_end)) != fold(take_rune(&text, text_end)))
            return false;
    return name == name_end && text == text_end;
}

bool vst_files_is_dots(const char *name, size_t bytes)
{
    return bytes > 0 && bytes <= 2 && name[0] == '.' && name[bytes - 1] == '.';
}

/* ------------------------------------------------------------------ dates */

static bool is_leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

bool vst_files_seconds(const struct files_date *date, int64_t *seconds)
{
    static const uint8_t month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const unsigned before = date->year - 1; /* years that have ended */
    int64_t days;

    if (date->year == 0 || date->month - 1 >= 12 || date->hour > 23 || date->minute > 59 ||
        date->second > 60)
        return false;
    const bool leaps = date->month == 2 && is_leap(date->year);
    if (date->day == 0 || date->day > (leaps ? 29u : month_days[date->month - 1]))
        return false;
    days = (int64_t)before * 365 + before / 4 - before / 100 + before / 400 + date->day - 1;
    for (unsigned i = 1; i < date->month; i++)
        days += month_days[i - 1] + (i == 2 && is_leap(date->year));
    days -= 719162; /* from 0001-01-01 to 1970-01-01 */
    *seconds = ((days * 24 + date->hour) * 60 + date->minute) * 60 + date->second;
    return true;
}
