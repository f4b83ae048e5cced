/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/traps.h (x86_64): exceptions.
 *
 * Every vector has a stack of its own (IST), never the interrupted one: linked-in code compiled for
 * hosted systems keeps live data below its stack pointer (the red zone). Device interrupts, when
 * they come, get a further IST entry.
 */
#ifndef VSTOR_ARCH_TRAPS_H
#define VSTOR_ARCH_TRAPS_H

#include <vstor/types.h>

#define ARCH_N_EXCEPTIONS         32u
#define ARCH_EXCEPTION_PAGE_FAULT 14u

/** What was interrupted, as traps.S lays it on the stack. Vector registers are not saved: handlers
 * do not touch them. */
struct arch_trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error_code;
    uint64_t rip, cs, rflags, rsp, ss;
};

/** Called for each exception, on its stack, interrupts off. If it returns, the interrupted code
 * goes on. */
typedef void arch_trap_handler(const struct arch_trap_frame *frame);

/** Loads descriptor tables and task state with stacks, masks the legacy interrupt controllers. */
void arch_traps_start(arch_trap_handler *handler);

/** "#PF page fault"; "reserved exception" for unknown vectors. */
const char *arch_exception_name(uint64_t vector);

/** Loads an empty interrupt table and traps: the processor resets. The last resort of a reboot. */
_Noreturn void arch_triple_fault(void);

#endif
