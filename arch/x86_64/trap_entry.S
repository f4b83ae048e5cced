/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One stub per exception vector; all end in arch_trap with the frame of arch/traps.h. Each stub
 * takes 16 bytes, so that the address of the n-th is known.
 */
/* Vectors for which the processor itself pushes an error code: 8, 10 to 14, 17, 21, 29, 30. */
#define HAS_ERROR_CODE 0x60227d00

        .section .text.trap_entry, "ax"
        .globl  arch_trap_stubs
        .balign 16
arch_trap_stubs:
        vector = 0
        .rept   32
        .balign 16
        .if     ((HAS_ERROR_CODE >> vector) & 1) == 0
        pushq   $0
        .endif
        pushq   $vector
        jmp     save_and_call
        vector = vector + 1
        .endr

        .balign 16
save_and_call:
        pushq   %rax
        pushq   %rbx
        pushq   %rcx
        pushq   %rdx
        pushq   %rsi
        pushq   %rdi
        pushq   %rbp
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        cld
        movq    %rsp, %rdi
        call    arch_trap
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rbp
        popq    %rdi
        popq    %rsi
        popq    %rdx
        popq    %rcx
        popq    %rbx
        popq    %rax
        addq    $16, %rsp
        iretq

        .section .note.GNU-stack, "", @progbits
