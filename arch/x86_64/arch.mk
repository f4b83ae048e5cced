# SPDX-License-Identifier: BSD-2-Clause
# What compiling and linking for x86_64 takes. Included by the Makefile.

# No red zone: the code lives under interrupts.
ARCH_BARE := -mno-red-zone -fcf-protection=none
# A line of the cache is copied by one string instruction: fewer instructions than any loop, and as fast.
ARCH_COPYING := $(if $(findstring clang,$(CC)),,-mstringop-strategy=rep_8byte)
# Firmware calls by a convention of its own.
ARCH_EFI  = -DGNU_EFI_USE_MS_ABI -isystem $(GNU_EFI)/x86_64
