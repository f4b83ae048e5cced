/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the loader's 32-bit protected mode to kernel_start in long mode.
 *
 * Multiboot 1, multiboot 2 and PVH all begin in flat 32-bit code without paging and with the
 * physical address of their structure in EBX. Nothing else of their state is relied upon.
 */
#include <arch/entry.h>

#define STACK_BYTES      65536
#define PAGE_BYTES       4096
#define LARGE_PAGE_BYTES 0x200000

#define PTE_PRESENT_WRITABLE       0x003
#define PTE_LARGE                  0x080
#define CR0_PROTECTED              0x00000001
#define CR0_MONITOR_COPROCESSOR    0x00000002
#define CR0_EMULATION_TASKSWITCHED 0x0000000c
#define CR0_NUMERIC_ERROR          0x00000020
#define CR0_WRITE_PROTECT          0x00010000
#define CR0_PAGING                 0x80000000
#define CR0_LONG_MODE_AND_SSE \
        (CR0_PAGING | CR0_WRITE_PROTECT | CR0_NUMERIC_ERROR | CR0_MONITOR_COPROCESSOR | \
         CR0_PROTECTED)
#define CR4_PAE                    0x020
#define CR4_SSE                    0x600 /* OSFXSR and OSXMMEXCPT */
#define MSR_EFER                   0xc0000080
#define EFER_LONG_MODE             0x100
#define CPUID_EXTENDED             0x80000000
#define CPUID_LONG_MODE_BIT        29
#define SELECTOR_CODE64            0x08
#define SELECTOR_DATA              0x10
#define SERIAL_PORT                0x3f8
#define DEBUG_EXIT_PORT            0xf4
#define EXIT_FAILURE_STATUS        0x7f

/* MARK(MARK_BOOT) of boot/shell/marks.h: the instruction counter's window begins here. */
#define MARK_BOOT_BYTES 0x0f, 0x1f, 0x80, 0x02, 0x4d, 0x4b, 0x52

/* ------------------------------------------------ multiboot 2 header (2.0, 3.1) */
#define MULTIBOOT2_MAGIC 0xe85250d6

        .section .header.multiboot2, "a"
        .balign 8
multiboot2_header:
        .long   MULTIBOOT2_MAGIC
        .long   0                                       /* i386, protected mode */
        .long   multiboot2_header_end - multiboot2_header
        .long   -(MULTIBOOT2_MAGIC + (multiboot2_header_end - multiboot2_header))
        .short  6, 0                                    /* modules on page boundaries */
        .long   8
        .short  0, 0                                    /* end */
        .long   8
multiboot2_header_end:

/* ------------------------------------------------ PVH note: where to enter in 32-bit mode */
        .section .note.pvh, "a", @note
        .balign 4
        .long   4, 8, 18        /* bytes of name, of value; XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz  "Xen"
        .quad   _start_pvh                              /* QEMU reads eight bytes */

/* ------------------------------------------------ 32-bit code */
        .section .text.entry, "ax"
        .code32
        .globl  _start, _start_pvh
_start_pvh:
        .byte   MARK_BOOT_BYTES
        movl    $ARCH_LOADER_PVH, %eax                  /* PVH leaves EAX undefined */
        jmp     1f
_start:
        .byte   MARK_BOOT_BYTES
1:      cli
        cld
        movl    $image_stack_top, %esp
        movl    %eax, %ebp                              /* loader */
        movl    %ebx, %esi                              /* its structure */

        movl    $image_data_end, %edi
        movl    $image_end, %ecx
        subl    %edi, %ecx
        shrl    $2, %ecx
        xorl    %eax, %eax
        rep stosl

        movl    $CPUID_EXTENDED, %eax
        cpuid
        cmpl    $CPUID_EXTENDED + 1, %eax
        jb      no_long_mode
        movl    $CPUID_EXTENDED + 1, %eax
        cpuid
        btl     $CPUID_LONG_MODE_BIT, %edx
        jnc     no_long_mode

        /* 4 GiB one to one in large pages; the final tables come once memory is known. */
        movl    $early_directories, %edi
        movl    $PTE_PRESENT_WRITABLE | PTE_LARGE, %eax
2:      movl    %eax, (%edi)
        addl    $8, %edi
        addl    $LARGE_PAGE_BYTES, %eax
        jnc     2b
        movl    $early_directories + PTE_PRESENT_WRITABLE, %eax
        movl    $early_pointers, %edi
        movl    $4, %ecx
3:      movl    %eax, (%edi)
        addl    $8, %edi
        addl    $PAGE_BYTES, %eax
        loop    3b
        movl    $early_pointers + PTE_PRESENT_WRITABLE, early_root

        movl    $CR4_PAE | CR4_SSE, %eax
        movl    %eax, %cr4
        movl    $early_root, %eax
        movl    %eax, %cr3
        movl    $MSR_EFER, %ecx
        rdmsr
        orl     $EFER_LONG_MODE, %eax
        wrmsr
        movl    %cr0, %eax
        andl    $~CR0_EMULATION_TASKSWITCHED, %eax
        orl     $CR0_LONG_MODE_AND_SSE, %eax
        movl    %eax, %cr0
        lgdt    early_gdt_pointer
        ljmp    $SELECTOR_CODE64, $start64

no_long_mode:
        movl    $no_long_mode_text, %esi
        movw    $SERIAL_PORT, %dx
4:      lodsb
        testb   %al, %al
        jz      5f
        outb    %al, %dx
        jmp     4b
5:      movb    $EXIT_FAILURE_STATUS, %al
        outb    %al, $DEBUG_EXIT_PORT
6:      hlt
        jmp     6b

/* ------------------------------------------------ 64-bit code */
        .code64
start64:
        movl    $SELECTOR_DATA, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        xorl    %eax, %eax
        movl    %eax, %fs
        movl    %eax, %gs
        movl    $image_stack_top, %esp
        fninit
        ldmxcsr initial_mxcsr(%rip)
        movl    %ebp, %edi
        movl    %esi, %esi
        xorl    %ebp, %ebp
        call    kernel_start
7:      hlt
        jmp     7b

/* ------------------------------------------------ data */
        .section .rodata.entry, "a"
        .balign 8
early_gdt:
        .quad   0
        .quad   0x00af9b000000ffff                      /* 64-bit code */
        .quad   0x00cf93000000ffff                      /* data */
early_gdt_pointer:
        .short  early_gdt_pointer - early_gdt - 1
        .long   early_gdt
initial_mxcsr:
        .long   0x1f80          /* all exceptions masked, round to nearest */
no_long_mode_text:
        .asciz  "vstor: this processor has no 64-bit mode\r\n"

        .section .bss.pages, "aw", @nobits
        .balign PAGE_BYTES
        .globl  image_stack_guard, image_stack_bottom, image_stack_top
image_stack_guard:
        .skip   PAGE_BYTES
image_stack_bottom:
        .skip   STACK_BYTES
image_stack_top:
early_root:
        .skip   PAGE_BYTES
early_pointers:
        .skip   PAGE_BYTES
early_directories:
        .skip   4 * PAGE_BYTES

        .section .note.GNU-stack, "", @progbits
