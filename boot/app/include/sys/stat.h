/* SPDX-License-Identifier: BSD-2-Clause */
/* newlib's, with the functions that it leaves to systems. */
#include_next <sys/stat.h>
#ifndef VSTOR_APP_SYS_STAT_H
#define VSTOR_APP_SYS_STAT_H

int lstat(const char *__restrict path, struct stat *__restrict status);

#endif
