/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/elf.h (aarch64): the processor's part of what linkers write. */
#ifndef VSTOR_ARCH_ELF_H
#define VSTOR_ARCH_ELF_H

/** The relocation that stands for the address where the image lies, and an addend. (ELF for AArch64) */
#define ARCH_ELF_RELATIVE 1027u

#endif
