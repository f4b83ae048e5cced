/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/say.h"

#include <vstor/log.h>

#include "boot/efi/loader/loader.h"
#include "boot/efi/loader/utf16.h"

#define TEXT_BYTES 512u

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
    with_returns(text, with);
    (void)utf16_of(with, units, VST_ARRAY_LENGTH(units));
    if (loader_system->ConOut != NULL)
        (void)loader_system->ConOut->OutputString(loader_system->ConOut, units);
}
