/* SPDX-License-Identifier: BSD-2-Clause */
/* Some programs look here for the ioctls of disks, as glibc has it; nothing can be mounted. */
#ifndef VSTOR_APP_SYS_MOUNT_H
#define VSTOR_APP_SYS_MOUNT_H

#include <linux/fs.h>
#include <sys/ioctl.h>

#endif
