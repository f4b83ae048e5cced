/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/say.h"

#include <vstor/log.h>

#include "boot/efi/loader/loader.h"

#define TEXT_BYTES  512u
#define PIECE_UNITS 64u
#define NO_UNIT     0xfffdu /* REPLACEMENT CHARACTER */

/* The next character as UCS-2, which is all that consoles know. */
static CHAR16 take_unit(const char **text)
{
    const unsigned char *at = (const unsigned char *)*text;
    unsigned n_more = at[0] < 0xc0 ? 0 : at[0] < 0xe0 ? 1 : at[0] < 0xf0 ? 2 : 3;
    uint32_t value = n_more == 0 ? at[0] : at[0] & (0x3fu >> n_more);
    unsigned i = 1;

    for (; i <= n_more && (at[i] & 0xc0) == 0x80; i++)
        value = value << 6 | (at[i] & 0x3fu);
    *text += i;
    return i <= n_more || value > 0xffff || (n_more == 0 && value >= 0x80) ? NO_UNIT
                                                                           : (CHAR16)value;
}

static void output(const char *text)
{
    SIMPLE_TEXT_OUTPUT_INTERFACE *console = loader_system->ConOut;
    CHAR16 piece[PIECE_UNITS + 3];

    while (*text != '\0' && console != NULL) {
        unsigned n = 0;
        while (*text != '\0' && n < PIECE_UNITS) {
            if (*text == '\n')
                piece[n++] = '\r';
            piece[n++] = take_unit(&text);
        }
        piece[n] = 0;
        (void)console->OutputString(console, piece);
    }
}

void say(const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list values;

    va_start(values, format);
    vst_vformat(text, sizeof(text), format, values);
    va_end(values);
    output(text);
}
