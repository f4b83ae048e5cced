/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * disks.c as the firmware of a machine: from the reset vector, in 16-bit code at the end of the ROM,
 * to start32, with nothing set up by anybody. The program is copied to memory at 1 MiB, where it was
 * linked to be; PCI devices have no addresses yet.
 */
#define ROM_BYTES    0x40000
#define ROM_ADDRESS  (0x100000000 - ROM_BYTES)
#define CODE_BYTES   0x100
#define LOAD_ADDRESS 0x100000

        .text
image:
        .incbin "disks.bin"
image_end:

        .org    ROM_BYTES - CODE_BYTES, 0xff
        .code16
reset16:
        cli
        inb     $0x92, %al              /* all address lines */
        orb     $2, %al
        outb    %al, $0x92
        lgdtl   %cs:0x10000 - (rom_end - gdt_pointer)
        movl    $1, %eax                /* protected mode, nothing else */
        movl    %eax, %cr0
        ljmpl   $8, $protected

        .code32
protected:
        movl    $16, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        cld
        movl    $ROM_ADDRESS, %esi
        movl    $LOAD_ADDRESS, %edi
        movl    $image_end - image, %ecx
        rep movsb
        movl    $LOAD_ADDRESS, %eax     /* start32 comes first, see link.ld */
        jmp     *%eax

        .balign 8
gdt:    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
        .short  gdt_pointer - gdt - 1
        .long   gdt

        .org    ROM_BYTES - 16, 0xff    /* the reset vector: 0xfffffff0 */
        .code16
        jmp     reset16
        .org    ROM_BYTES, 0xff
rom_end:

        .section .note.GNU-stack, "", @progbits
