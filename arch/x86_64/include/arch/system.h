/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/system.h (x86_64): privileged instructions, for kernels; libraries have no business here. */
#ifndef VSTOR_ARCH_SYSTEM_H
#define VSTOR_ARCH_SYSTEM_H

#include <vstor/types.h>

#define ARCH_MSR_APIC_BASE 0x01bu
#define ARCH_MSR_PAT       0x277u
#define ARCH_MSR_EFER      0xc0000080u
#define ARCH_MSR_FS_BASE   0xc0000100u
#define ARCH_MSR_GS_BASE   0xc0000101u

#define ARCH_EFER_LONG_MODE  (1u << 8)
#define ARCH_EFER_NO_EXECUTE (1u << 11)

#define ARCH_CR4_MACHINE_CHECK (1u << 6)
#define ARCH_CR4_57_BIT        (1u << 12) /* page tables of five levels */

struct arch_cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct arch_cpuid arch_cpuid(uint32_t leaf)
{
    struct arch_cpuid r;
    __asm__ __volatile__("cpuid"
                         : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                         : "a"(leaf), "c"(0));
    return r;
}

/** The leaf, or all zero where the processor has no such leaf (it would answer with another one's
 * values). */
static inline struct arch_cpuid arch_cpuid_checked(uint32_t leaf)
{
    uint32_t last = arch_cpuid(leaf & 0xffff0000).eax;
    if (last < leaf || (last ^ leaf) & 0xffff0000)
        return (struct arch_cpuid){0, 0, 0, 0};
    return arch_cpuid(leaf);
}

static inline uint64_t arch_msr_read(uint32_t msr)
{
    uint32_t low, high;
    __asm__ __volatile__("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (uint64_t)high << 32 | low;
}

static inline void arch_msr_write(uint32_t msr, uint64_t value)
{
    __asm__ __volatile__("wrmsr"
                         :
                         : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(msr)
                         : "memory");
}

static inline uint64_t arch_cr0_read(void)
{
    uint64_t value;
    __asm__ __volatile__("mov %%cr0, %0" : "=r"(value));
    return value;
}

/** The address of the last page fault. */
static inline uint64_t arch_cr2_read(void)
{
    uint64_t value;
    __asm__ __volatile__("mov %%cr2, %0" : "=r"(value));
    return value;
}

static inline uint64_t arch_cr3_read(void)
{
    uint64_t value;
    __asm__ __volatile__("mov %%cr3, %0" : "=r"(value) : : "memory");
    return value;
}

static inline void arch_cr3_write(uint64_t value)
{
    __asm__ __volatile__("mov %0, %%cr3" : : "r"(value) : "memory");
}

static inline uint64_t arch_cr4_read(void)
{
    uint64_t value;
    __asm__ __volatile__("mov %%cr4, %0" : "=r"(value));
    return value;
}

static inline void arch_cr4_write(uint64_t value)
{
    __asm__ __volatile__("mov %0, %%cr4" : : "r"(value) : "memory");
}

static inline void arch_interrupts_enable(void)
{
    __asm__ __volatile__("sti" : : : "memory");
}

/** sti takes effect behind the instruction that follows it: an interrupt that waits already ends the
 * hlt, it can't come before it. (Intel SDM 2B, STI) */
static inline void arch_interrupts_enable_and_halt(void)
{
    __asm__ __volatile__("sti; hlt" : : : "memory");
}

static inline void arch_interrupts_disable(void)
{
    __asm__ __volatile__("cli" : : : "memory");
}

/** Sleeps until an interrupt; with interrupts disabled for good. */
static inline void arch_halt(void)
{
    __asm__ __volatile__("hlt" : : : "memory");
}

/** Disables interrupts and tells whether they were enabled. */
static inline bool arch_interrupts_save(void)
{
    uint64_t flags;
    __asm__ __volatile__("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
    return flags & (1u << 9);
}

static inline void arch_interrupts_restore(bool enabled)
{
    if (enabled)
        arch_interrupts_enable();
}

/** Goes on in `function` on another stack; nothing of the old one is used any more. */
static inline _Noreturn void arch_continue_on_stack(uint64_t top, void (*function)(void))
{
    __asm__ __volatile__("movq %0, %%rsp; xorl %%ebp, %%ebp; call *%1; ud2"
                         :
                         : "r"(top), "r"(function)
                         : "memory");
    __builtin_unreachable();
}

#endif
