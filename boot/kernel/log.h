/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's own log lines and its last words. */
#ifndef VSTOR_KERNEL_LOG_H
#define VSTOR_KERNEL_LOG_H

#include <vstor/log.h>

/** Lines less important than `level` are dropped; warnings and errors are shown until this is
 * called. */
void log_set_level(enum vst_log_level level);

/** One finished line, after what stdout still holds. */
void log_line(enum vst_log_level level, const char *text);

void log_printf(enum vst_log_level level, const char *format, ...) VST_PRINTF(2, 3);

/** Says why the kernel cannot go on and leaves with the failure status. */
_Noreturn void panic(const char *format, ...) VST_PRINTF(1, 2);

#endif
