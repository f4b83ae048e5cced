/* SPDX-License-Identifier: BSD-2-Clause */
/* What is shown when the kernel has come to grief. */
#ifndef VSTOR_KERNEL_TRAP_DUMP_H
#define VSTOR_KERNEL_TRAP_DUMP_H

#include <arch/traps.h>

/** Prints name, cause, registers, stack words and likely return addresses; leaves with the failure
 * status. */
void trap_dump(const struct arch_trap_frame *frame);

#endif
