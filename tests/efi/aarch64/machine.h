/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * QEMU's "virt" (hw/arm/virt.c has its map): how a program speaks to the host past the firmware, and
 * loops whose instructions are known.
 */
#ifndef VSTOR_TESTS_EFI_MACHINE_H
#define VSTOR_TESTS_EFI_MACHINE_H

#include <arch/mmio.h>

#define PL011_DATA  0x09000000
#define PL011_FLAGS 0x09000018
#define PL011_FULL  0x20u
#define FW_CFG_DATA 0x09020000
#define FW_CFG      0x09020008 /* big-endian */

/* Semihosting for AArch32 and AArch64, 2.0: SYS_EXIT. */
#define SYS_EXIT         0x18
#define APPLICATION_EXIT 0x20026

/** Onto the serial line. */
static inline void machine_put(char c)
{
    while (mmio_le32_read((const mmio_le32 *)PL011_FLAGS) & PL011_FULL)
        ;
    mmio_le32_write((mmio_le32 *)PL011_DATA, (uint8_t)c);
}

/** Ends QEMU with `status` * 2 + 1. */
static inline void machine_end(unsigned status)
{
    const uint64_t words[2] = {APPLICATION_EXIT, status * 2 + 1};
    register uint64_t operation __asm__("x0") = SYS_EXIT;
    register const uint64_t *parameters __asm__("x1") = words;

    __asm__ __volatile__("hlt #0xf000" : "+r"(operation) : "r"(parameters) : "memory");
}

/** Chooses what machine_fw_cfg_byte reads, from its begin. */
static inline void machine_fw_cfg_select(uint16_t item)
{
    mmio_le16_write((mmio_le16 *)FW_CFG, __builtin_bswap16(item));
}

static inline uint8_t machine_fw_cfg_byte(void)
{
    return mmio_u8_read((const mmio_u8 *)FW_CFG_DATA);
}

/** Looks until it is true, three instructions a look, and counts the looks. */
static inline void machine_wait_for(const volatile bool *what, uint64_t *n_looks)
{
    uint32_t value;

    __asm__ __volatile__("1: add %0, %0, #1\n\tldrb %w1, [%2]\n\tcbz %w1, 1b"
                         : "+r"(*n_looks), "=&r"(value)
                         : "r"(what)
                         : "memory");
}

/** So many looks for nothing, of three instructions each. */
static inline void machine_wait_idly(uint64_t n_looks)
{
    __asm__ __volatile__("1: sub %0, %0, #1\n\tnop\n\tcbnz %0, 1b" : "+r"(n_looks));
}

#endif
