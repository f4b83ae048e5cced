/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One stub per vector. Those of exceptions end in arch_trap with the frame of arch/traps.h and take
 * 16 bytes each, those of interrupts end in arch_interrupt and take 8, so that the address of the
 * n-th is known.
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

/*
 * Interrupts. The vector is pushed as one signed byte, to be short. Vector registers need no saving:
 * handlers are compiled without them. The processor has aligned the stack and pushed 5 words, with
 * ours there are 15, so 8 more bytes align it for the call.
 */
        .globl  arch_interrupt_stubs
        .balign 16
arch_interrupt_stubs:
        vector = 32
        .rept   224
        .balign 8
        pushq   $((vector ^ 0x80) - 0x80)
        jmp     save_and_interrupt
        vector = vector + 1
        .endr

        .balign 16
save_and_interrupt:
        pushq   %rax
        pushq   %rcx
        pushq   %rdx
        pushq   %rsi
        pushq   %rdi
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        subq    $8, %rsp
        cld
        movzbl  80(%rsp), %edi
        call    arch_interrupt
        addq    $8, %rsp
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rdi
        popq    %rsi
        popq    %rdx
        popq    %rcx
        popq    %rax
        addq    $8, %rsp
        iretq

        .section .note.GNU-stack, "", @progbits
