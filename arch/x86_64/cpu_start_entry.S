/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a CPU begins that got a start-up message: real mode, at the beginning of a page below 1 MiB
 * that arch_trampoline was copied to. The few instructions there only reach protected mode; the rest
 * runs in the image, since in our page tables RAM is not executable. (Intel SDM 3A, 9.4 and 10.8.5)
 */
#include <arch/cpu_start.h>

/* After INIT caches may be off (CD, NW); this writes all bits. */
#define CR0_PROTECTED 0x00000011
#define CR0_LONG_MODE 0x80010033        /* PG WP NE ET MP PE */
#define CR4_PAE_SSE   0x00000620
#define MSR_EFER      0xc0000080

        .section .text.cpu_start, "ax"
        .globl  arch_trampoline, arch_trampoline_end
        .code16
        .balign 16
arch_trampoline:
        cli
        cld
        lgdtl   %cs:(start_gdt_pointer - arch_trampoline)
        movl    $CR0_PROTECTED, %eax
        movl    %eax, %cr0
        ljmpl   $0x18, $start_protected
        .balign 4
start_gdt_pointer:
        .short  start_gdt_end - start_gdt - 1
        .long   start_gdt
arch_trampoline_end:

        .code32
start_protected:
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    $CR4_PAE_SSE, %eax
        movl    %eax, %cr4
        movl    arch_start_root, %eax
        movl    %eax, %cr3
        movl    $MSR_EFER, %ecx
        rdmsr
        orl     arch_start_efer, %eax
        wrmsr
        movl    $CR0_LONG_MODE, %eax
        movl    %eax, %cr0
        ljmp    $0x08, $start_long

        .code64
start_long:
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        xorl    %eax, %eax
        movl    %eax, %fs
        movl    %eax, %gs
        fninit
        ldmxcsr start_mxcsr(%rip)
        movl    $1, %eax
        lock xaddl %eax, arch_start_n_taken(%rip)
        cmpl    arch_start_n_places(%rip), %eax
        jae     1f
        imulq   $ARCH_START_PLACE_BYTES, %rax
        addq    arch_start_places(%rip), %rax
        movq    (%rax), %rsp
        movq    ARCH_START_PLACE_ARGUMENT(%rax), %rdi
        xorl    %ebp, %ebp
        call    *arch_start_entry_point(%rip)
1:      cli
        hlt
        jmp     1b

        .section .rodata.cpu_start, "a"
        .balign 8
start_gdt:
        .quad   0
        .quad   0x00af9b000000ffff                      /* 64-bit code */
        .quad   0x00cf93000000ffff                      /* data */
        .quad   0x00cf9b000000ffff                      /* 32-bit code */
start_gdt_end:
start_mxcsr:
        .long   0x1f80          /* as entry.S has it */

        .section .note.GNU-stack, "", @progbits
