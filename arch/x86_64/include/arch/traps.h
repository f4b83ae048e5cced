/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/traps.h (x86_64): exceptions, interrupts, and what each CPU has of its own for them.
 *
 * Every vector has a stack of its own (IST), never the interrupted one: linked-in code compiled for
 * hosted systems keeps live data below its stack pointer (the red zone). An interrupt's stack is
 * not interrupted by another one: handlers run with interrupts off.
 */
#ifndef VSTOR_ARCH_TRAPS_H
#define VSTOR_ARCH_TRAPS_H

#include <vstor/types.h>

#define ARCH_N_VECTORS            256u
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

/** Called for each interrupt (vectors 32 to 255), on the interrupt stack of its CPU, interrupts
 * off. Only general registers are saved around it. */
typedef void arch_interrupt_handler(unsigned vector);

#define ARCH_N_TRAP_STACKS    4u
#define ARCH_TRAP_STACK_BYTES 8192u

/** 64-bit task state: nothing but the stacks. (Intel SDM 3A, 8.7) */
struct arch_task_state {
    uint32_t reserved0;
    uint32_t rsp[3][2];
    uint32_t reserved1[2];
    uint32_t ist[7][2];
    uint32_t reserved2[2];
    uint16_t reserved3, io_map_offset;
} __attribute__((packed));

/**
 * What each CPU has of its own, in memory that stays. The owner zeroes it and sets `number`; GS
 * points to it while the CPU runs.
 */
struct arch_cpu {
    struct arch_cpu *self;
    uint32_t number;
    uint64_t gdt[5];
    struct arch_task_state task;
    uint8_t trap_stacks[ARCH_N_TRAP_STACKS][ARCH_TRAP_STACK_BYTES] __attribute__((aligned(16)));
};

/** Builds the interrupt table that all CPUs share and masks the legacy interrupt controllers. Once,
 * before arch_traps_start_cpu. */
void arch_traps_start(arch_trap_handler *handler);

/** Loads descriptor tables and task state of this CPU and lets machine checks come as exceptions. */
void arch_traps_start_cpu(struct arch_cpu *cpu);

/** Where interrupts go; before they are enabled anywhere. */
void arch_interrupts_handle(arch_interrupt_handler *handler);

/** The block of the CPU that this runs on. */
static inline struct arch_cpu *arch_this_cpu(void)
{
    struct arch_cpu *self;
    __asm__ __volatile__("movq %%gs:0, %0" : "=r"(self));
    return self;
}

/** "#PF page fault"; "reserved exception" for unknown vectors. */
const char *arch_exception_name(uint64_t vector);

/** Loads an empty interrupt table and traps: the processor resets. The last resort of a reboot. */
_Noreturn void arch_triple_fault(void);

#endif
