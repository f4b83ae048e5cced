/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernels that know no EFI (multiboot 1 and 2, PVH, Linux by its boot protocol) in our place:
 * boot/loader/next.h on the firmware's memory, what they are told from what the firmware knows, and an
 * end to its boot services. These three are the boot_... of struct shell_host. At TPL_APPLICATION.
 */
#ifndef VSTOR_EFI_LOADER_NEXT_KERNEL_H
#define VSTOR_EFI_LOADER_NEXT_KERNEL_H

#include "boot/loader/next.h"

/** Loads a kernel with what goes with it; what was loaded before is forgotten. As loader_next_load. */
enum vst_status next_kernel_load(const struct loader_wanted *wanted,
                                 struct loader_answer *answer) VST_MUST_USE;

/** Gives the memory of what is loaded back. */
void next_kernel_forget(void);

/**
 * Ends boot services, by which the driver resets its devices, and starts what is loaded. Comes back
 * only if that can't be, having said why; everything is as it was then.
 */
void next_kernel_start(void);

#endif
