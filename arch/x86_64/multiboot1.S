/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Multiboot 1 header (Multiboot 0.6.96, 3.1), a file of its own because vstor-pvh.elf is linked
 * without it.
 *
 * With the address fields a loader copies the file as it lies instead of reading its ELF headers:
 * QEMU would refuse an ELF64 otherwise. That asks for an image whose file layout is its memory
 * layout; linker/check_image.py checks it.
 */
#define MAGIC            0x1badb002
#define ALIGN_MODULES    0x00000001
#define WANT_MEMORY_MAP  0x00000002
#define HAS_ADDRESSES    0x00010000
#define FLAGS            (ALIGN_MODULES | WANT_MEMORY_MAP | HAS_ADDRESSES)

        .section .header.multiboot1, "a"
        .balign 4
multiboot1_header:
        .long   MAGIC
        .long   FLAGS
        .long   -(MAGIC + FLAGS)
        .long   multiboot1_header
        .long   image_start
        .long   image_data_end
        .long   image_end
        .long   _start
