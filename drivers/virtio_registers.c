/* SPDX-License-Identifier: BSD-2-Clause */
#include "drivers/virtio_registers.h"

#include <arch/barrier.h>
#include <arch/mmio.h>
#include <arch/port_io.h>

/* ------------------------------------------------------------------ memory and ports */

static uint32_t mmio_read(const uint8_t *at, uint8_t width_bytes)
{
    switch (width_bytes) {
    case 1:
        return mmio_u8_read((const mmio_u8 *)at);
    case 2:
        return mmio_le16_read((const mmio_le16 *)(const void *)at);
    default:
        return mmio_le32_read((const mmio_le32 *)(const void *)at);
    }
}

static void mmio_write(uint8_t *at, uint8_t width_bytes, uint32_t value)
{
    switch (width_bytes) {
    case 1:
        mmio_u8_write((mmio_u8 *)at, (uint8_t)value);
        break;
    case 2:
        mmio_le16_write((mmio_le16 *)(void *)at, (uint16_t)value);
        break;
    default:
        mmio_le32_write((mmio_le32 *)(void *)at, value);
    }
}

static uint32_t port_read(uint16_t port, uint8_t width_bytes)
{
    switch (width_bytes) {
    case 1:
        return port_read8(port);
    case 2:
        return port_read16(port);
    default:
        return port_read32(port);
    }
}

static void port_write(uint16_t port, uint8_t width_bytes, uint32_t value)
{
    switch (width_bytes) {
    case 1:
        port_write8(port, (uint8_t)value);
        break;
    case 2:
        port_write16(port, (uint16_t)value);
        break;
    default:
        port_write32(port, value);
    }
}

/* ------------------------------------------------------------------ the window (4.1.4.9) */

/* struct virtio_pci_cap's fields, and what stands behind it. */
enum { WINDOW_BAR = 4, WINDOW_OFFSET = 8, WINDOW_LENGTH = 12, WINDOW_DATA = 16 };

static uint32_t window_field(const struct virtio_pci_window *window, unsigned at,
                             uint8_t width_bytes)
{
    return window->platform->pci_config_read(window->platform->ctx, window->address,
                                             (uint16_t)(window->capability_offset + at),
                                             width_bytes);
}

static void set_window_field(const struct virtio_pci_window *window, unsigned at,
                             uint8_t width_bytes, uint32_t value)
{
    window->platform->pci_config_write(window->platform->ctx, window->address,
                                       (uint16_t)(window->capability_offset + at), width_bytes,
                                       value);
}

/* The three steps of 4.1.4.9, in its order: BAR, size of the access, offset. */
static void point_window(const struct virtio_pci_window *window, uint8_t bar, uint32_t offset,
                         uint8_t width_bytes)
{
    set_window_field(window, WINDOW_BAR, 1, bar);
    set_window_field(window, WINDOW_LENGTH, 4, width_bytes);
    set_window_field(window, WINDOW_OFFSET, 4, offset);
}

bool vst_virtio_pci_window_answers(const struct virtio_pci_window *window, uint8_t bar,
                                   uint32_t offset)
{
    point_window(window, bar, offset, 4);
    return window_field(window, WINDOW_BAR, 1) == bar &&
           window_field(window, WINDOW_LENGTH, 4) == 4 &&
           window_field(window, WINDOW_OFFSET, 4) == offset;
}

/* ------------------------------------------------------------------ any */

static bool lies_inside(const struct virtio_registers *registers, uint32_t offset,
                        uint8_t width_bytes)
{
    return width_bytes <= registers->bytes && offset <= registers->bytes - width_bytes;
}

uint32_t vst_virtio_register_read(const struct virtio_registers *registers, uint32_t offset,
                                  uint8_t width_bytes)
{
    if (lies_inside(registers, offset, width_bytes)) {
        switch (registers->kind) {
        case VIRTIO_REGISTERS_ABSENT:
            break;
        case VIRTIO_REGISTERS_MMIO:
            return mmio_read(registers->mapped + offset, width_bytes);
        case VIRTIO_REGISTERS_PORT:
            return port_read((uint16_t)(registers->first_port + offset), width_bytes);
        case VIRTIO_REGISTERS_WINDOW:
            point_window(registers->behind.window, registers->behind.bar,
                         registers->behind.offset_bytes + offset, width_bytes);
            return window_field(registers->behind.window, WINDOW_DATA, width_bytes);
        }
    }
    return UINT32_MAX >> (32 - 8 * width_bytes);
}

void vst_virtio_register_write(const struct virtio_registers *registers, uint32_t offset,
                               uint8_t width_bytes, uint32_t value)
{
    if (!lies_inside(registers, offset, width_bytes))
        return;
    switch (registers->kind) {
    case VIRTIO_REGISTERS_ABSENT:
        break;
    case VIRTIO_REGISTERS_MMIO:
        mmio_write(registers->mapped + offset, width_bytes, value);
        break;
    case VIRTIO_REGISTERS_PORT:
        port_write((uint16_t)(registers->first_port + offset), width_bytes, value);
        break;
    case VIRTIO_REGISTERS_WINDOW:
        arch_publish_barrier();
        point_window(registers->behind.window, registers->behind.bar,
                     registers->behind.offset_bytes + offset, width_bytes);
        set_window_field(registers->behind.window, WINDOW_DATA, width_bytes, value);
        break;
    }
}
