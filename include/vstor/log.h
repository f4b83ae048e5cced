/* SPDX-License-Identifier: BSD-2-Clause */
/* vstor/log.h: the library's lines to the platform's log. */
#ifndef VSTOR_LOG_H
#define VSTOR_LOG_H

#include <stdarg.h>
#include <vstor/platform.h>

VST_BEGIN_C

/** Longest line in bytes, the end mark included; what is longer is cut. */
#define VST_LOG_LINE_BYTES 160u

/**
 * Formats into `text` (never more than `bytes`, always ended by NUL where bytes > 0) without any
 * libc. Understands %s %c %d %u %x %X %p and %%, the length marks hh h l ll z, a width, a precision
 * for %s (both may be a *), and the flags 0 and -. Returns the length that the whole text has or would have had.
 */
size_t vst_format(char *text, size_t bytes, const char *format, ...) VST_PRINTF(3, 4);
/** vst_format for a list of values. */
size_t vst_vformat(char *text, size_t bytes, const char *format, va_list values) VST_PRINTF(3, 0);

/** Formats one line and hands it to the platform. */
void vst_log(const struct vst_platform *platform, enum vst_log_level level, const char *format, ...)
    VST_PRINTF(3, 4);

VST_END_C

#endif
