/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files of FAT and ISO 9660 volumes, to be read, as /mnt/vda1/path: below the name of the disk or
 * partition that holds them. A volume is looked at when it is first asked for; who writes to its disk
 * meanwhile may see old names.
 */
#ifndef VSTOR_APP_VOLUMES_H
#define VSTOR_APP_VOLUMES_H

#include "boot/app/devices.h"
#include "boot/app/file.h"
#include "boot/app/paths.h"

/** Makes `file`, with its flags set, that of a volume; path "" is its root. 0 or -errno: -EISDIR too. */
int volume_open(struct file *file, const struct device_place *place, const char *path);
int volume_status(const struct device_place *place, const char *path, struct stat *status);
/** Each name in a folder of a volume. 0 or -errno. */
int volume_walk(const struct device_place *place, const char *path, entry_taker *take, void *ctx);

#endif
