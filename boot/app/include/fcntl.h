/* SPDX-License-Identifier: BSD-2-Clause */
/* newlib's, with the flags that disks are opened with whatever standard the program asks for. */
#include_next <fcntl.h>
#ifndef VSTOR_APP_FCNTL_H
#define VSTOR_APP_FCNTL_H

#ifndef O_DIRECT
#define O_DIRECT _FDIRECT
#endif
#ifndef O_DSYNC
#define O_DSYNC O_SYNC
#endif
#ifndef O_CLOEXEC
#define O_CLOEXEC _FNOINHERIT
#endif
#define O_LARGEFILE 0

#endif
