/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Another kernel in our place (boot/loader/next.h): once it is loaded, all devices are reset, the other
 * CPUs put to sleep, and a few instructions out of the way (arch/handover.h) copy the kernel over
 * whatever is there, and enter it.
 */
#ifndef VSTOR_KERNEL_NEXT_KERNEL_H
#define VSTOR_KERNEL_NEXT_KERNEL_H

#include "boot/kernel/acpi.h"
#include "boot/shell/shell.h"

/**
 * shell_host.boot_load: VST_OK, or why not stands in answer->text.
 *
 * VST_ERR_UNSUPPORTED   it is no kernel, or one that can't be started here
 * VST_ERR_MALFORMED     it makes no sense
 * VST_ERR_NO_MEMORY     it, its place or what goes with it is not to be had
 * VST_ERR_IO            a file could not be read, which has been said
 */
enum vst_status next_kernel_load(const struct boot_info *boot, const struct acpi_info *acpi,
                                 const struct loader_wanted *wanted, struct loader_answer *answer);

/** Gives the memory of what is loaded back. */
void next_kernel_forget(void);

/** Starts what next_kernel_load has loaded. On the boot CPU, no request in flight. */
_Noreturn void next_kernel_start(void);

#endif
