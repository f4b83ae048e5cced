/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel provides to the library. */
#ifndef VSTOR_KERNEL_PLATFORM_H
#define VSTOR_KERNEL_PLATFORM_H

#include <vstor/platform.h>

/** One to one memory: bus address = physical address = pointer. Needs no ctx. */
extern const struct vst_platform kernel_platform;

#endif
