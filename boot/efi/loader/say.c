/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/say.h"

#include <string.h>
#include <vstor/log.h>

#include "boot/efi/loader/loader.h"
#include "boot/efi/loader/utf16.h"

#define TEXT_BYTES   512u
#define N_KEPT       8u
#define KEPT_COLUMNS 78u
#define KEPT_BYTES   (KEPT_COLUMNS + 4)

/* What was said last, for who was not looking. */
static struct {
    char lines[N_KEPT][KEPT_BYTES];
    unsigned n; /* lines begun so far; the last one is written to */
    bool at_start, off;
} kept = {.at_start = true};

static char *kept_line(unsigned number)
{
    return kept.lines[number % N_KEPT];
}

static bool is_within_rune(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* What is longer than screens are wide goes on in the next line: the reason stands at its end. */
static void keep_byte(char c)
{
    bool full = kept.n > 0 && strlen(kept_line(kept.n - 1)) >= KEPT_COLUMNS && !is_within_rune(c);

    if (kept.at_start || (full && c != '\n'))
        kept_line(kept.n++)[0] = '\0';
    kept.at_start = c == '\n';
    char *line = kept_line(kept.n - 1);
    size_t length = strlen(line);
    if (c == '\r') {
        line[0] = '\0';
    } else if (!kept.at_start && length + 1 < KEPT_BYTES) {
        line[length] = c;
        line[length + 1] = '\0';
    }
}

static void keep(const char *text)
{
    for (; *text != '\0'; text++)
        keep_byte(*text);
}

unsigned say_lines(const char **lines, unsigned max)
{
    unsigned n = kept.n < N_KEPT ? kept.n : N_KEPT;

    if (n > max)
        n = max;
    for (unsigned i = 0; i < n; i++)
        lines[i] = kept_line(kept.n - n + i);
    return n;
}

void say_forget(void)
{
    kept.n = 0;
    kept.at_start = true;
}

void say_keep(bool wanted)
{
    kept.off = !wanted;
}

/* Consoles want a carriage return before each line feed. */
static void with_returns(const char *text, char *to)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            *to++ = '\r';
        *to++ = *text;
    }
    *to = '\0';
}

void say(const char *format, ...)
{
    char text[TEXT_BYTES], with[2 * TEXT_BYTES];
    CHAR16 units[2 * TEXT_BYTES];
    va_list values;

    va_start(values, format);
    vst_vformat(text, sizeof(text), format, values);
    va_end(values);
    if (!kept.off)
        keep(text);
    with_returns(text, with);
    (void)utf16_of(with, units, VST_ARRAY_LENGTH(units));
    if (loader_system->ConOut != NULL)
        (void)loader_system->ConOut->OutputString(loader_system->ConOut, units);
}
