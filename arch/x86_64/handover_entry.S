/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The code that is left when a kernel is put where we are. It runs as a copy in the area of
 * arch/handover.h, so it names nothing but registers and places relative to itself.
 */
#include <arch/handover.h>

#define SELECTOR_CODE32 0x08
#define SELECTOR_CODE   0x10
#define SELECTOR_DATA   0x18
#define CR0_PAGING      0x80000000
#define CR0_PROTECTED   0x00000011
#define MSR_EFER        0xc0000080
#define EFER_LONG_MODE  0x00000901 /* and NX, and the system call instructions */

        .section .text.handover, "ax"
        .code64
        .globl  arch_handover_jump, arch_handover_code, arch_handover_code_end

/* RAM is not executable in our own page tables; in the area's all is. This very code lies at the same
 * address in both, and in one GiB. */
        .balign 16
arch_handover_jump:
        cli
        cld
        movq    %rsi, %cr3
        jmp     *%rdi

arch_handover_code:
        leaq    ARCH_HANDOVER_BLOCK(%rdi), %rbp
        leaq    ARCH_HANDOVER_STACK_TOP(%rdi), %rsp
        movq    ARCH_HANDOVER_N_COPIES(%rbp), %rbx
        leaq    ARCH_HANDOVER_COPIES(%rbp), %rdx
        xorl    %eax, %eax
1:      testq   %rbx, %rbx
        jz      2f
        movq    0(%rdx), %rdi
        movq    8(%rdx), %rsi
        movq    16(%rdx), %rcx
        shrq    $3, %rcx
        rep movsq
        movq    16(%rdx), %rcx
        andl    $7, %ecx
        rep movsb
        movq    24(%rdx), %rcx
        shrq    $3, %rcx
        rep stosq
        movq    24(%rdx), %rcx
        andl    $7, %ecx
        rep stosb
        addq    $ARCH_HANDOVER_COPY_BYTES, %rdx
        decq    %rbx
        jmp     1b

2:      lgdt    ARCH_HANDOVER_GDT_POINTER(%rbp)
        lidt    ARCH_HANDOVER_IDT_POINTER(%rbp)
        movl    $SELECTOR_DATA, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    %eax, %fs
        movl    %eax, %gs
        cmpl    $0, ARCH_HANDOVER_IS_64_BIT(%rbp)
        je      3f
        pushq   $SELECTOR_CODE
        pushq   ARCH_HANDOVER_ENTRY(%rbp)
        jmp     4f
3:      pushq   $SELECTOR_CODE32
        leaq    5f(%rip), %rax
        pushq   %rax
4:      movl    ARCH_HANDOVER_EAX(%rbp), %eax
        movl    ARCH_HANDOVER_EBX(%rbp), %ebx
        movl    ARCH_HANDOVER_ESI(%rbp), %esi
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        xorl    %edi, %edi
        xorl    %r8d, %r8d
        xorl    %r9d, %r9d
        xorl    %r10d, %r10d
        xorl    %r11d, %r11d
        xorl    %r12d, %r12d
        xorl    %r13d, %r13d
        xorl    %r14d, %r14d
        xorl    %r15d, %r15d
        cmpl    $0, ARCH_HANDOVER_IS_64_BIT(%rbp)
        je      6f
        xorl    %ebp, %ebp
6:      lretq

        /* Compatibility mode, out of long mode step by step. (Intel SDM 3A, 9.8.5.4) */
        .code32
5:      movl    %cr0, %eax
        andl    $~CR0_PAGING, %eax
        movl    %eax, %cr0
        movl    $MSR_EFER, %ecx
        rdmsr
        andl    $~EFER_LONG_MODE, %eax
        wrmsr
        movl    $CR0_PROTECTED, %eax
        movl    %eax, %cr0
        xorl    %eax, %eax
        movl    %eax, %cr3
        movl    %eax, %cr4
        movl    $SELECTOR_DATA, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    %eax, %fs
        movl    %eax, %gs
        pushl   $SELECTOR_CODE
        pushl   ARCH_HANDOVER_ENTRY(%ebp)
        movl    ARCH_HANDOVER_EAX(%ebp), %eax
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        xorl    %ebp, %ebp
        lretl
arch_handover_code_end:

        .section .text.handover_firmware, "ax"
        .code64
        .globl  arch_handover_firmware
        .balign 16
arch_handover_firmware:
        cld
        movl    %esi, %eax
        movq    %rdx, %rbx
        jmp     *%rdi

        .section .note.GNU-stack, "", @progbits
