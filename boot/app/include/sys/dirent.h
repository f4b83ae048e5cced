/* SPDX-License-Identifier: BSD-2-Clause */
/* What newlib's dirent.h asks a system for. */
#ifndef VSTOR_APP_SYS_DIRENT_H
#define VSTOR_APP_SYS_DIRENT_H

#include <sys/types.h>

#define DT_UNKNOWN 0
#define DT_CHR     2
#define DT_DIR     4
#define DT_BLK     6
#define DT_REG     8

struct dirent {
    ino_t d_ino;
    unsigned char d_type;
    char d_name[256];
};

typedef struct app_directory DIR;

#endif
