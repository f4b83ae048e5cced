/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernels that know no EFI (multiboot 1 and 2, PVH, Linux by its boot protocol) in our place:
 * boot/loader/next.h on the firmware's memory, what they are told from what the firmware knows, and an
 * end to its boot services. EFI programs, which the firmware starts, pass through here for the
 * console: load, forget and start are the boot_... of struct shell_host. At TPL_APPLICATION.
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
 * only if that can't be, having said why: false, and everything is as it was. True: it is an EFI
 * program, or a kernel that takes over boot services, for next_kernel_run_program.
 */
bool next_kernel_start(void);

/** Whether next_kernel_start has said that of one that has not been run yet. */
bool next_kernel_has_program(void);

/**
 * Runs it, and forgets it; as program_run. A kernel does not come back. Nobody may use a disk meanwhile, nor one found before
 * afterwards.
 */
void next_kernel_run_program(void);

#endif
