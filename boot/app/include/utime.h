/* SPDX-License-Identifier: BSD-2-Clause */
/* newlib's, with the function that it leaves to systems. */
#include <sys/types.h>
#include_next <utime.h>
#ifndef VSTOR_APP_UTIME_H
#define VSTOR_APP_UTIME_H

int utime(const char *path, const struct utimbuf *times);

#endif
