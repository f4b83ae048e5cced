/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/entry.h (x86_64): what start-up hands to the kernel. Read by the assembler too.
 */
#ifndef VSTOR_ARCH_ENTRY_H
#define VSTOR_ARCH_ENTRY_H

/** Who started us: what multiboot loaders put into EAX, and our own word for a start by PVH. */
#define ARCH_LOADER_MULTIBOOT1 0x2badb002
#define ARCH_LOADER_MULTIBOOT2 0x36d76289
#define ARCH_LOADER_PVH        0x336ec578

/** Everything below this address is mapped one to one while kernel_start runs on the first page
 * tables. */
#define ARCH_EARLY_MAP_BYTES 0x100000000

#ifndef __ASSEMBLER__
#include <vstor/types.h>

/**
 * The kernel's first C function: long mode, SSE on, .bss zero, interrupts off, stack with a page
 * below it that arch_paging leaves out. `info_physical` is the loader's structure.
 */
_Noreturn void kernel_start(uint32_t loader, uint32_t info_physical);

/** Bounds of the image and of its parts, all but the last on page boundaries; from the linker
 * script. */
extern char image_start[], image_text_start[], image_text_end[], image_constants_end[], image_end[];
/** The start-up stack; the page at image_stack_guard is never mapped. */
extern char image_stack_guard[], image_stack_bottom[], image_stack_top[];
#endif

#endif
