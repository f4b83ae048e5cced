/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk, or a part of it, as a file: what Linux' block special files do. */
#ifndef VSTOR_APP_DISK_FILE_H
#define VSTOR_APP_DISK_FILE_H

#include "boot/app/devices.h"
#include "boot/app/file.h"

/**
 * Makes `file`, with its flags set, that disk. 0 or -errno: -EROFS if it is to be written and can't
 * be, -ENXIO if it is gone or there is no medium in the drive, -ENOMEM.
 */
int disk_file_open(struct file *file, const struct device_place *place);

/** stat() of a disk that is not open. */
void disk_file_status(const struct device_place *place, struct stat *status);

#endif
