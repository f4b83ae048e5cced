/* SPDX-License-Identifier: BSD-2-Clause */
/* What newlib lacks: ioctl of disks, by Linux' numbers (linux/fs.h). */
#ifndef VSTOR_APP_SYS_IOCTL_H
#define VSTOR_APP_SYS_IOCTL_H

int ioctl(int file, unsigned long request, ...);

#endif
