/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/entry.h>
#include <arch/paging.h>
#include <arch/system.h>

#include "boot/kernel/console.h"
#include "boot/kernel/cpu.h"
#include "boot/kernel/cpus.h"
#include "boot/kernel/power.h"
#include "boot/kernel/trap_dump.h"

#define N_STACK_WORDS      16u
#define WORDS_PER_LINE     4u
#define MAX_SEARCHED_WORDS 2048u
#define MAX_RETURNS        16u

/* Page-fault error code. (Intel SDM 3A, 4.7) */
enum {
    FAULT_PRESENT = 1 << 0,
    FAULT_WRITE = 1 << 1,
    FAULT_USER = 1 << 2,
    FAULT_RESERVED_BIT = 1 << 3,
    FAULT_FETCH = 1 << 4,
};

typedef unsigned long long word;

static bool is_stack_guard(uint64_t address)
{
    return address - cpu_here()->stack_guard < ARCH_PAGE_BYTES;
}

static void print_page_fault(uint64_t error_code)
{
    uint64_t address = arch_cr2_read();
    const char *how = error_code & FAULT_FETCH   ? "execution of"
                      : error_code & FAULT_WRITE ? "write to"
                                                 : "read of";
    const char *why = error_code & FAULT_RESERVED_BIT ? "a malformed page table"
                      : error_code & FAULT_PRESENT    ? "a page that does not allow it"
                                                      : "a page that is not mapped";

    console_printf("  %s 0x%016llx: %s%s\n", how, (word)address, why,
                   error_code & FAULT_USER ? " (user mode)" : "");
    if (address < ARCH_PAGE_BYTES)
        console_printf("  (a null pointer, most likely)\n");
    if (is_stack_guard(address))
        console_printf("  (the stack has overflowed)\n");
}

static void print_registers(const struct arch_trap_frame *f)
{
    console_printf("  rip %016llx  rflags %016llx  cs %04llx  ss %04llx\n", (word)f->rip,
                   (word)f->rflags, (word)f->cs, (word)f->ss);
    console_printf("  rax %016llx  rbx %016llx  rcx %016llx  rdx %016llx\n", (word)f->rax,
                   (word)f->rbx, (word)f->rcx, (word)f->rdx);
    console_printf("  rsi %016llx  rdi %016llx  rbp %016llx  rsp %016llx\n", (word)f->rsi,
                   (word)f->rdi, (word)f->rbp, (word)f->rsp);
    console_printf("  r8  %016llx  r9  %016llx  r10 %016llx  r11 %016llx\n", (word)f->r8,
                   (word)f->r9, (word)f->r10, (word)f->r11);
    console_printf("  r12 %016llx  r13 %016llx  r14 %016llx  r15 %016llx\n", (word)f->r12,
                   (word)f->r13, (word)f->r14, (word)f->r15);
    console_printf("  cr0 %016llx  cr2 %016llx  cr3 %016llx  cr4 %016llx\n", (word)arch_cr0_read(),
                   (word)arch_cr2_read(), (word)arch_cr3_read(), (word)arch_cr4_read());
}

/* Where the interrupted stack can be read from: after an overflow, from its lowest byte on. */
static uint64_t stack_first(const struct arch_trap_frame *frame)
{
    return is_stack_guard(frame->rsp) ? cpu_here()->stack_guard + ARCH_PAGE_BYTES
                                      : frame->rsp & ~7ull;
}

/* The n-th word of the interrupted stack; false where that can't be read. */
static bool stack_word(const struct arch_trap_frame *frame, size_t n, uint64_t *value)
{
    uint64_t address = stack_first(frame) + n * sizeof(uint64_t);

    if (!arch_paging_is_mapped(address))
        return false;
    *value = *(const uint64_t *)(uintptr_t)address;
    return true;
}

static void print_stack(const struct arch_trap_frame *frame)
{
    uint64_t value;

    console_printf("stack:");
    for (size_t i = 0; i < N_STACK_WORDS; i++) {
        if (!stack_word(frame, i, &value)) {
            console_printf(" not mapped");
            break;
        }
        console_printf("%s %016llx", i % WORDS_PER_LINE == 0 ? "\n " : " ", (word)value);
    }
    console_printf("\n");
}

/* True if the instruction before `address` may be a call: direct (E8 and 4 bytes) or indirect (FF
 * /2, 2 to 7 bytes). */
static bool follows_call(uint64_t address)
{
    const uint8_t *code = (const uint8_t *)(uintptr_t)address;

    if (address < (uintptr_t)image_text_start + 7 || address >= (uintptr_t)image_text_end)
        return false;
    if (code[-5] == 0xe8)
        return true;
    for (int length = 2; length <= 7; length++)
        if (code[-length] == 0xff && (code[-length + 1] & 0x38) == 0x10)
            return true;
    return false;
}

/* Code is compiled without frame pointers: whatever on the stack looks like a return address is
 * named. */
static void print_returns(const struct arch_trap_frame *frame)
{
    unsigned n_found = 0;
    uint64_t value;

    console_printf("likely return addresses (addr2line -e vstor.debug):\n ");
    for (size_t i = 0;
         i < MAX_SEARCHED_WORDS && n_found < MAX_RETURNS && stack_word(frame, i, &value); i++) {
        if (!follows_call(value))
            continue;
        console_printf(" %llx", (word)value);
        n_found++;
    }
    console_printf("%s\n", n_found == 0 ? " none" : "");
}

void trap_dump(const struct arch_trap_frame *frame)
{
    static uint32_t dumping; /* 1 + the number of the CPU that does */
    uint32_t nobody = 0, me = this_cpu() + 1;

    if (!__atomic_compare_exchange_n(&dumping, &nobody, me, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST)) {
        while (nobody != me) /* the other CPU's dump ends the machine */
            arch_halt();
        console_printf("\nvstor: a second exception while the first was shown: %s at %llx\n",
                       arch_exception_name(frame->vector), (word)frame->rip);
        power_exit(POWER_STATUS_FAILURE);
    }
    console_printf("\nvstor: %s (exception %llu, error code 0x%llx) at %llx on CPU %u\n",
                   arch_exception_name(frame->vector), (word)frame->vector, (word)frame->error_code,
                   (word)frame->rip, this_cpu());
    if (frame->vector == ARCH_EXCEPTION_PAGE_FAULT)
        print_page_fault(frame->error_code);
    print_registers(frame);
    print_stack(frame);
    print_returns(frame);
    power_exit(POWER_STATUS_FAILURE);
}
