/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/port_io.h (aarch64): there are no I/O ports. Where a bus has them they are memory to the
 * processor, at a place that its platform alone knows. Nobody gets as far as to use one of these.
 */
#ifndef VSTOR_ARCH_PORT_IO_H
#define VSTOR_ARCH_PORT_IO_H

#include <vstor/types.h>

#define ARCH_HAS_PORT_IO 0

static inline uint8_t port_read8(uint16_t port)
{
    (void)port;
    return UINT8_MAX;
}
static inline uint16_t port_read16(uint16_t port)
{
    (void)port;
    return UINT16_MAX;
}
static inline uint32_t port_read32(uint16_t port)
{
    (void)port;
    return UINT32_MAX;
}
static inline void port_write8(uint16_t port, uint8_t value)
{
    (void)port;
    (void)value;
}
static inline void port_write16(uint16_t port, uint16_t value)
{
    (void)port;
    (void)value;
}
static inline void port_write32(uint16_t port, uint32_t value)
{
    (void)port;
    (void)value;
}

#endif
