/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A block of device registers, wherever it lies: memory, I/O ports, or behind the window in
 * configuration space (VIRTIO 1.2, 4.1.4.9). For everything but the doorbell of the request path.
 */
#ifndef VSTOR_DRIVERS_VIRTIO_REGISTERS_H
#define VSTOR_DRIVERS_VIRTIO_REGISTERS_H

#include <vstor/pci.h>

/**
 * The window: bar, offset and length are written, then the data register is the place they name.
 * These are four accesses that belong together: one CPU at a time for all queues of the device.
 */
struct virtio_pci_window {
    const struct vst_platform *platform;
    struct vst_pci_address address;
    uint8_t capability_offset; /**< 0: the device has none */
};

enum virtio_registers_kind {
    VIRTIO_REGISTERS_ABSENT,
    VIRTIO_REGISTERS_MMIO,
    VIRTIO_REGISTERS_PORT,
    VIRTIO_REGISTERS_WINDOW,
};

struct virtio_registers {
    enum virtio_registers_kind kind;
    uint32_t bytes; /**< accesses beyond are not made: they read as all ones */
    union {
        uint8_t *mapped;
        uint16_t first_port;
        struct {
            const struct virtio_pci_window *window;
            uint32_t offset_bytes; /**< in the BAR */
            uint8_t bar;
        } behind;
    };
};

/** Reads or writes a little-endian register of 1, 2 or 4 bytes, naturally aligned. */
uint32_t vst_virtio_register_read(const struct virtio_registers *registers, uint32_t offset,
                                  uint8_t width_bytes);
void vst_virtio_register_write(const struct virtio_registers *registers, uint32_t offset,
                               uint8_t width_bytes, uint32_t value);

/** Whether the window's own registers keep what is written to them; touches nothing behind it. */
bool vst_virtio_pci_window_answers(const struct virtio_pci_window *window, uint8_t bar,
                                   uint32_t offset);

#endif
