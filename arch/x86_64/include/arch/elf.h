/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/elf.h (x86_64): the processor's part of what linkers write. */
#ifndef VSTOR_ARCH_ELF_H
#define VSTOR_ARCH_ELF_H

/** The relocation that stands for the address where the image lies, and an addend. (ELF for AMD64) */
#define ARCH_ELF_RELATIVE 8u

#endif
