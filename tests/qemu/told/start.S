/* SPDX-License-Identifier: BSD-2-Clause */
/* The beginning of the kernel of told.c: as MULTIBOOT1, ADDRESSES1, MULTIBOOT2, ADDRESSES2, PVH; with DEMAND, a header
 * tag of that type, or a flag, that nobody knows; with MOVABLE, a tag that lets it lie from there to there. */
        .section .header, "a"
        .balign 8
        .globl  told_start
told_start:
#if defined(MULTIBOOT1) || defined(ADDRESSES1)
#ifdef ADDRESSES1
#define FLAGS 0x10003
#else
#define FLAGS (0x3 DEMAND)
#endif
header: .long   0x1badb002, FLAGS, -(0x1badb002 + FLAGS)
#ifdef ADDRESSES1
        .long   header, told_start, data_end, bss_end, _start
#endif
#elif defined(MULTIBOOT2) || defined(ADDRESSES2)
header: .long   0xe85250d6, 0, header_end - header, -(0xe85250d6 + header_end - header)
        .short  1, 0
        .long   16, 3, 6
        .short  6, 0
        .long   8
#ifdef ADDRESSES2
        .short  2, 0
        .long   24, header, told_start, data_end, bss_end
        .short  3, 0
        .long   12, _start, 0
#endif
#ifdef MOVABLE
        .short  10, 0
        .long   24, MOVABLE, 0x10000, 1
#endif
#ifdef DEMAND
        .short  DEMAND, 0
        .long   8
#endif
        .short  0, 0
        .long   8
header_end:
#elif defined(PVH)
        .section .note.pvh, "a", @note
        .long   4, 4, 18
        .asciz  "Xen"
        .long   _start
#endif
        .text
        .globl  _start
_start: movl    4(%ebx), %ecx   /* a place that can be written, to find out where we are */
        leal    8(%ebx), %esp
        call    1f
1:      popl    %edx
        movl    %ecx, 4(%ebx)
        leal    stack_end - 1b(%edx), %esp
        xorl    %ebp, %ebp
        pushl   %ebx
        pushl   %eax
        call    told_main
        .bss
        .balign 16
        .skip   16384
stack_end:
        .section .note.GNU-stack, "", @progbits
