/* SPDX-License-Identifier: BSD-2-Clause */
/* The one tree of names: /dev, made of the disks that there are, and /mnt, of what is on them.
 * Relative paths begin at its root. */
#ifndef VSTOR_APP_PATHS_H
#define VSTOR_APP_PATHS_H

#include "boot/app/file.h"

#define PATH_BYTES 512

/** Fills `file`, whose flags are set, with what has that name. 0 or -errno. */
int path_open(struct file *file, const char *path);

/** 0 or -errno. */
int path_status(const char *path, struct stat *status);

/** Gets the names in a folder: `mode` is S_IFDIR or that of a file. Returning false ends the walk. */
typedef bool entry_taker(void *ctx, const char *name, mode_t mode);

/** Each name in a folder, some more than once in a row. 0, -ENOENT, -ENOTDIR or -ENAMETOOLONG. */
int path_walk(const char *path, entry_taker *take, void *ctx);

#endif
