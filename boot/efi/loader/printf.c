/* SPDX-License-Identifier: BSD-2-Clause */
/* The formatting of stdio.h by the library's own, which is here anyway; newlib's would be 10 KiB more. */
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
