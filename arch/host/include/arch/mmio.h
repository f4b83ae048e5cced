/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/mmio.h (host): registers of fake devices in unit tests. Same types as on a real machine, but
 * every access goes to the test's two functions, which know what lies at the address.
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

/** Provided by the test program. */
uint32_t host_mmio_read(const void *reg, uint8_t width_bytes);
void host_mmio_write(void *reg, uint8_t width_bytes, uint32_t value);

static inline uint8_t mmio_u8_read(const mmio_u8 *reg)
{
    return (uint8_t)host_mmio_read(reg, 1);
}
static inline uint16_t mmio_le16_read(const mmio_le16 *reg)
{
    return (uint16_t)host_mmio_read(reg, 2);
}
static inline uint32_t mmio_le32_read(const mmio_le32 *reg)
{
    return host_mmio_read(reg, 4);
}
static inline void mmio_u8_write(mmio_u8 *reg, uint8_t value)
{
    host_mmio_write(reg, 1, value);
}
static inline void mmio_le16_write(mmio_le16 *reg, uint16_t value)
{
    host_mmio_write(reg, 2, value);
}
static inline void mmio_le32_write(mmio_le32 *reg, uint32_t value)
{
    host_mmio_write(reg, 4, value);
}

#endif
