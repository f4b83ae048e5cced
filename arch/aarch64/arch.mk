# SPDX-License-Identifier: BSD-2-Clause
# What compiling and linking for aarch64 takes. Included by the Makefile.

# Atomic operations stay within the code: where they would be called, a C library's start-up has to look at the processor.
ARCH_BARE := -mno-outline-atomics
ARCH_COPYING :=
ARCH_EFI  := -isystem arch/aarch64/efi
# Compiler and assembler, 40 MB to fetch; a machine and firmware for the tests, 12 MB: 470 MB on a disk.
ARCH_DEBIAN        := arm64
ARCH_DEPS          := gcc-aarch64-linux-gnu:compiler-for-aarch64
ARCH_FIRMWARE_DEPS := qemu-system-arm:the-machine qemu-efi-aarch64:UEFI-firmware
