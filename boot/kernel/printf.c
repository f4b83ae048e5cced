/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * printf by way of vsnprintf. newlib has all of formatting twice, once for streams and once for
 * strings; the second is needed anyway, and the first would be 8 KiB more.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define USUAL_BYTES 512

/* Where there is no memory for it nothing is printed. */
static __attribute__((format(printf, 1, 0))) int print_long(const char *format, va_list arguments,
                                                            size_t bytes)
{
    char *text = malloc(bytes + 1);
    int n = -1;

    if (text != NULL) {
        n = vsnprintf(text, bytes + 1, format, arguments);
        fwrite(text, 1, bytes, stdout);
    }
    free(text);
    return n;
}

int printf(const char *format, ...)
{
    char text[USUAL_BYTES];
    va_list arguments;

    va_start(arguments, format);
    int n = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (n < USUAL_BYTES)
        return n < 0 ? n : (int)fwrite(text, 1, (size_t)n, stdout);
    va_start(arguments, format);
    n = print_long(format, arguments, (size_t)n);
    va_end(arguments);
    return n;
}
