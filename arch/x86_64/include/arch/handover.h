/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/handover.h (x86_64): the last step of who starts another kernel: copies it to its place, over
 * whatever is there, ourselves included, and enters it.
 */
#ifndef VSTOR_ARCH_HANDOVER_H
#define VSTOR_ARCH_HANDOVER_H

/* Offsets in the area and in its block, for the assembler. */
#define ARCH_HANDOVER_BLOCK       4096
#define ARCH_HANDOVER_TABLES      8192
#define ARCH_HANDOVER_STACK_TOP   49152
#define ARCH_HANDOVER_N_COPIES    0
#define ARCH_HANDOVER_ENTRY       8
#define ARCH_HANDOVER_EAX         16
#define ARCH_HANDOVER_EBX         20
#define ARCH_HANDOVER_ESI         24
#define ARCH_HANDOVER_IS_64_BIT   28
#define ARCH_HANDOVER_GDT_POINTER 32
#define ARCH_HANDOVER_IDT_POINTER 48
#define ARCH_HANDOVER_COPIES      96
#define ARCH_HANDOVER_COPY_BYTES  32
#define ARCH_HANDOVER_MAX_COPIES  64

#define ARCH_HAS_HANDOVER   1
#define ARCH_HANDOVER_BYTES ARCH_HANDOVER_STACK_TOP

#ifndef __ASSEMBLER__
#include <vstor/types.h>

/** From one place below 4 GiB to another, which do not overlap, with zeroes behind. */
struct arch_handover_copy {
    uint64_t to, from, bytes, zero_bytes;
};

struct arch_handover {
    const struct arch_handover_copy *copies; /**< done in order */
    uint32_t n_copies;                       /**< at most ARCH_HANDOVER_MAX_COPIES */
    uint32_t entry;
    bool is_64_bit; /**< entered in long mode, the first 4 GiB mapped one to one; else in protected
                         mode without paging */
    uint32_t eax, ebx, esi;
};

/**
 * Enters a kernel: flat segments (code 0x10, data 0x18), interrupts off, no IDT; EAX, EBX and RSI as
 * told, other registers 0. `area` is RAM of ARCH_HANDOVER_BYTES below 4 GiB on a page boundary, mapped
 * one to one like the code that calls, which may lie anywhere, that no copy touches; page tables,
 * descriptors and stack that the kernel begins with stay there. Page tables have as many levels as
 * the processor uses now. (Linux' Documentation/arch/x86/boot.rst; multiboot 0.6.96, 3.2;
 * multiboot 2.0, 3.3; Xen's docs/misc/pvh.pandoc)
 */
_Noreturn void arch_handover(uint64_t area, const struct arch_handover *handover);

/**
 * Enters a kernel that takes over EFI firmware as it is, with its page tables, descriptors and stack,
 * interrupts on: EAX and RBX as told. (Multiboot 2.0, 3.5; UEFI 2.9, 2.3.4)
 */
_Noreturn void arch_handover_firmware(uint64_t entry, uint32_t eax, uint64_t rbx);

/**
 * Writes page tables into the area: the first 4 GiB one to one, and the GiB around `code`. Five levels
 * where `is_57_bit`, else four. The physical address of their root. For arch_handover, and for tests.
 */
uint64_t arch_handover_tables(uint64_t area, uint64_t code, bool is_57_bit);
#endif

#endif
