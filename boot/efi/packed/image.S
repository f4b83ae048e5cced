/* SPDX-License-Identifier: BSD-2-Clause */
/* What linker/pack_efi.py has made of the boot loader. */
    .section .rodata.packed, "a"
    .balign 8
    .globl packed_image, packed_image_end
    .hidden packed_image, packed_image_end
packed_image:
    .incbin PACKED_IMAGE
packed_image_end:
    .section .note.GNU-stack, "", %progbits
