/* SPDX-License-Identifier: BSD-2-Clause */
/* QEMU's PC: how a program speaks to the host past the firmware, and loops whose instructions are known. */
#ifndef VSTOR_TESTS_EFI_MACHINE_H
#define VSTOR_TESTS_EFI_MACHINE_H

#include <arch/port_io.h>

#define SERIAL      0x3f8
#define DEBUG_EXIT  0xf4
#define FW_CFG      0x510
#define FW_CFG_DATA 0x511

/** Onto the serial line. */
static inline void machine_put(char c)
{
    while ((port_read8(SERIAL + 5) & 0x20) == 0)
        ;
    port_write8(SERIAL, (uint8_t)c);
}

/** Ends QEMU with `status` * 2 + 1. */
static inline void machine_end(unsigned status)
{
    port_write32(DEBUG_EXIT, status);
}

/** Chooses what machine_fw_cfg_byte reads, from its begin. */
static inline void machine_fw_cfg_select(uint16_t item)
{
    port_write16(FW_CFG, item);
}

static inline uint8_t machine_fw_cfg_byte(void)
{
    return port_read8(FW_CFG_DATA);
}

/** Looks until it is true, three instructions a look, and counts the looks. */
static inline void machine_wait_for(const volatile bool *what, uint64_t *n_looks)
{
    __asm__ __volatile__("1: addq $1, %0\n\tcmpb $0, %1\n\tje 1b"
                         : "+r"(*n_looks)
                         : "m"(*what)
                         : "cc", "memory");
}

/** So many looks for nothing, of three instructions each. */
static inline void machine_wait_idly(uint64_t n_looks)
{
    __asm__ __volatile__("1: subq $1, %0\n\ttestq %0, %0\n\tjne 1b" : "+r"(n_looks) : : "cc");
}

#endif
