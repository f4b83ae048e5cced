/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/mmio.h (aarch64): device registers.
 *
 * A register's type knows its width and its byte order (PCI and virtio registers are
 * little-endian); a register structure is laid out with these types, and no register is reached
 * with another width than its own. Stores to registers come after all earlier stores to memory, and
 * loads of memory after all earlier loads of registers: device memory is ordered with itself, but
 * with the rest by barriers alone.
 *
 * The instructions are spelt out, for a compiler may choose one that moves its address on: such an
 * access can't be played by a hypervisor, as the processor does not describe it. (Arm ARM, ESR_EL2.ISV)
 */
#ifndef VSTOR_ARCH_MMIO_H
#define VSTOR_ARCH_MMIO_H

#include <vstor/types.h>

typedef struct {
    uint8_t raw;
} mmio_u8;
typedef struct {
    uint16_t raw;
} mmio_le16;
typedef struct {
    uint32_t raw;
} mmio_le32;

static inline uint8_t mmio_u8_read(const mmio_u8 *reg)
{
    uint32_t value;
    __asm__ __volatile__("ldrb %w0, [%1]\n\tdmb oshld" : "=r"(value) : "r"(reg) : "memory");
    return (uint8_t)value;
}
static inline uint16_t mmio_le16_read(const mmio_le16 *reg)
{
    uint32_t value;
    __asm__ __volatile__("ldrh %w0, [%1]\n\tdmb oshld" : "=r"(value) : "r"(reg) : "memory");
    return (uint16_t)value;
}
static inline uint32_t mmio_le32_read(const mmio_le32 *reg)
{
    uint32_t value;
    __asm__ __volatile__("ldr %w0, [%1]\n\tdmb oshld" : "=r"(value) : "r"(reg) : "memory");
    return value;
}
static inline void mmio_u8_write(mmio_u8 *reg, uint8_t value)
{
    __asm__ __volatile__("dmb oshst\n\tstrb %w0, [%1]" : : "rZ"(value), "r"(reg) : "memory");
}
static inline void mmio_le16_write(mmio_le16 *reg, uint16_t value)
{
    __asm__ __volatile__("dmb oshst\n\tstrh %w0, [%1]" : : "rZ"(value), "r"(reg) : "memory");
}
static inline void mmio_le32_write(mmio_le32 *reg, uint32_t value)
{
    __asm__ __volatile__("dmb oshst\n\tstr %w0, [%1]" : : "rZ"(value), "r"(reg) : "memory");
}

VST_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "registers and processor agree");

#endif
