/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The formatting of stdio.h by the library's own, for programs that print what that understands, and
 * nothing else (vstor/log.h). newlib's would be 8 KiB more, and once more for streams.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <vstor/log.h>

#define USUAL_BYTES 512

int vsnprintf(char *text, size_t bytes, const char *format, va_list values)
{
    return (int)vst_vformat(text, bytes, format, values);
}

int snprintf(char *text, size_t bytes, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    int n = vsnprintf(text, bytes, format, values);
    va_end(values);
    return n;
}

int sprintf(char *text, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    int n = vsnprintf(text, SIZE_MAX, format, values);
    va_end(values);
    return n;
}

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
