/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A boot sector that measures SeaBIOS's reader: int 13h, ah = 42h, in a loop between marks, on the
 * second disk (the first is the one that this boots from). What to read stands in the sector itself,
 * where bench_firmware.py writes it.
 */
    .code16
    .globl _start
_start:
    ljmp $0, $1f
1:  xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $0x7c00, %sp
    mov warm_up, %di
    call read_many
    .byte 0x67, 0x0f, 0x1f, 0x80, 0x01, 0x4d, 0x4b, 0x52    /* mark 1 */
    mov n_reads, %di
    call read_many
    .byte 0x67, 0x0f, 0x1f, 0x80, 0x81, 0x4d, 0x4b, 0x52    /* end of mark 1 */
    mov $'+', %al
    jmp leave

/* di reads, each elsewhere in the first 32 MiB. */
read_many:
1:  movl lba, %eax
    movl %eax, packet_lba
    mov n_sectors, %ax
    mov %ax, packet_n
    addl $8, lba
    andl $0xffff, lba
    mov $0x42, %ah
    mov $0x81, %dl
    mov $packet, %si
    push %di
    int $0x13
    pop %di
    jc failed
    dec %di
    jnz 1b
    ret

failed:
    mov $'-', %al
leave:
    mov $0x3f8, %dx
    outb %al, %dx
    mov $0xf4, %dx
    outb %al, %dx
2:  hlt
    jmp 2b

lba:    .long 0
    .balign 4
packet: .byte 16, 0
packet_n:   .word 0
    .word 0, 0x2000         /* data to 2000:0000 */
packet_lba: .long 0, 0

    .org 500
n_reads:    .word 0         /* filled in by bench_firmware.py */
warm_up:    .word 0
n_sectors:  .word 0
    .org 510
    .word 0xaa55
