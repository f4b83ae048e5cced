/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From 32-bit code without paging, as PVH loaders leave it (QEMU's -kernel is one), to `program` in
 * 64-bit mode, with 4 GiB mapped one to one.
 */
        .section .note.pvh, "a", @note
        .balign 4
        .long   4, 8, 18                /* bytes of name and value; XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz  "Xen"
        .quad   start32

        .section .text.start, "ax"
        .code32
        .globl  start32
start32:
        cli
        cld
        movl    $bss_begin, %edi
        movl    $bss_end, %ecx
        subl    %edi, %ecx
        xorl    %eax, %eax
        rep stosb

        movl    $directories, %edi      /* 2048 pages of 2 MiB: present, writable, large */
        movl    $0x83, %eax
1:      movl    %eax, (%edi)
        addl    $8, %edi
        addl    $0x200000, %eax
        jnc     1b
        movl    $directories + 3, %eax
        movl    $pointers, %edi
        movl    $4, %ecx
2:      movl    %eax, (%edi)
        addl    $8, %edi
        addl    $4096, %eax
        loop    2b
        movl    $pointers + 3, root

        movl    $root, %eax
        movl    %eax, %cr3
        movl    $0x20, %eax             /* PAE */
        movl    %eax, %cr4
        movl    $0xc0000080, %ecx       /* EFER: long mode */
        rdmsr
        orl     $0x100, %eax
        wrmsr
        movl    $0x80000001, %eax       /* paging, protected mode */
        movl    %eax, %cr0
        lgdt    gdt_pointer
        ljmp    $8, $start64

        .code64
start64:
        movl    $16, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    $stack_end, %esp
        xorl    %ebp, %ebp
        call    program
        movl    %eax, %edi
        call    leave

        .section .rodata.start, "a"
        .balign 8
gdt:    .quad   0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
        .short  gdt_pointer - gdt - 1
        .long   gdt

        .section .bss.start, "aw", @nobits
        .balign 4096
root:   .skip   4096
pointers:
        .skip   4096
directories:
        .skip   4 * 4096
        .skip   16384
stack_end:

        .section .note.GNU-stack, "", @progbits
