/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/port_io.h (host): I/O ports of fake devices in unit tests; the test program provides the two
 * functions. */
#ifndef VSTOR_ARCH_PORT_IO_H
#define VSTOR_ARCH_PORT_IO_H

#include <vstor/types.h>

#define ARCH_HAS_PORT_IO 1

uint32_t host_port_read(uint16_t port, uint8_t width_bytes);
void host_port_write(uint16_t port, uint8_t width_bytes, uint32_t value);

static inline uint8_t port_read8(uint16_t port)
{
    return (uint8_t)host_port_read(port, 1);
}
static inline uint16_t port_read16(uint16_t port)
{
    return (uint16_t)host_port_read(port, 2);
}
static inline uint32_t port_read32(uint16_t port)
{
    return host_port_read(port, 4);
}
static inline void port_write8(uint16_t port, uint8_t value)
{
    host_port_write(port, 1, value);
}
static inline void port_write16(uint16_t port, uint16_t value)
{
    host_port_write(port, 2, value);
}
static inline void port_write32(uint16_t port, uint32_t value)
{
    host_port_write(port, 4, value);
}

#endif
