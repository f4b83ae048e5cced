/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel keeps of each CPU; for cpus.c, interrupts.c and the trap dump. */
#ifndef VSTOR_KERNEL_CPU_H
#define VSTOR_KERNEL_CPU_H

#include <arch/traps.h>

#include "boot/kernel/vectors.h"

enum cpu_state {
    CPU_AWAITED,  /**< has been sent for */
    CPU_LEFT_OUT, /**< came too late */
    CPU_IDLE,
    CPU_BUSY, /**< with the work below */
};

struct cpu {
    struct arch_cpu arch; /**< first: what arch_this_cpu points to */
    uint32_t apic_id;
    bool ticks; /**< is woken now and then; set by the CPU itself */
    uint32_t state; /**< enum cpu_state, atomic: idle to busy by cpu_run, back by the CPU itself */
    void (*function)(void *argument);
    void *argument;
    uint64_t stack_guard; /**< the page below the stack, not mapped */
    struct vector_table vectors;
};

/** This CPU's. */
static inline struct cpu *cpu_here(void)
{
    return VST_CONTAINER_OF(arch_this_cpu(), struct cpu, arch);
}

/** NULL if there is no such CPU. */
struct cpu *cpu_numbered(unsigned number);

#endif
