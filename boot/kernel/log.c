/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stdio.h>

#include "boot/kernel/console.h"
#include "boot/kernel/cpus.h"
#include "boot/kernel/log.h"
#include "boot/kernel/power.h"

static enum vst_log_level shown_level = VST_LOG_WARNING;

void log_set_level(enum vst_log_level level)
{
    shown_level = level;
}

void log_line(enum vst_log_level level, const char *text)
{
    static const char *const prefixes[] = {"error: ", "warning: ", "", ""};

    if (level > shown_level)
        return;
    const char *prefix = prefixes[level];
    if (this_cpu() == 0) /* stdout is CPU 0's alone */
        fflush(stdout);
    console_printf("%s%s\n", prefix, text);
}

void log_printf(enum vst_log_level level, const char *format, ...)
{
    char text[VST_LOG_LINE_BYTES];
    va_list values;

    if (level > shown_level)
        return;
    va_start(values, format);
    vst_vformat(text, sizeof(text), format, values);
    va_end(values);
    log_line(level, text);
}

void panic(const char *format, ...)
{
    char text[VST_LOG_LINE_BYTES];
    va_list values;

    va_start(values, format);
    vst_vformat(text, sizeof(text), format, values);
    va_end(values);
    console_printf("\nvstor: %s\n", text);
    power_exit(POWER_STATUS_FAILURE);
}
