/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/mmio.h (x86_64): device registers. The only place where `volatile` stands.
 *
 * A register's type knows its width and its byte order (PCI and virtio registers are
 * little-endian); a register structure is laid out with these types, and no register is reached
 * with another width than its own. Stores to registers come after all earlier stores to memory: on
 * x86 uncached stores are not reordered with earlier ones.
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
    return *(const volatile uint8_t *)&reg->raw;
}
static inline uint16_t mmio_le16_read(const mmio_le16 *reg)
{
    return *(const volatile uint16_t *)&reg->raw;
}
static inline uint32_t mmio_le32_read(const mmio_le32 *reg)
{
    return *(const volatile uint32_t *)&reg->raw;
}
static inline void mmio_u8_write(mmio_u8 *reg, uint8_t value)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
    *(volatile uint8_t *)&reg->raw = value;
}
static inline void mmio_le16_write(mmio_le16 *reg, uint16_t value)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
    *(volatile uint16_t *)&reg->raw = value;
}
static inline void mmio_le32_write(mmio_le32 *reg, uint32_t value)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
    *(volatile uint32_t *)&reg->raw = value;
}

#endif
