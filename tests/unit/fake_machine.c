/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_machine.h"
#include <arch/mmio.h>
#include <arch/port_io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RANGES 64u

static struct {
    uintptr_t base;
    size_t bytes;
    const struct fake_mmio_ops *ops;
    void *ctx;
} mmio_ranges[MAX_RANGES];

static struct {
    uint16_t first, n_ports;
    const struct fake_port_ops *ops;
    void *ctx;
} port_ranges[MAX_RANGES];

static size_t n_mmio_ranges, n_port_ranges;

static void check_room(size_t n)
{
    if (n < MAX_RANGES)
        return;
    fprintf(stderr, "fake_machine: more than %u ranges\n", MAX_RANGES);
    abort();
}

void fake_mmio_register(void *base, size_t bytes, const struct fake_mmio_ops *ops, void *ctx)
{
    check_room(n_mmio_ranges);
    mmio_ranges[n_mmio_ranges].base = (uintptr_t)base;
    mmio_ranges[n_mmio_ranges].bytes = bytes;
    mmio_ranges[n_mmio_ranges].ops = ops;
    mmio_ranges[n_mmio_ranges++].ctx = ctx;
}

void fake_port_register(uint16_t first, uint16_t n_ports, const struct fake_port_ops *ops,
                        void *ctx)
{
    check_room(n_port_ranges);
    port_ranges[n_port_ranges].first = first;
    port_ranges[n_port_ranges].n_ports = n_ports;
    port_ranges[n_port_ranges].ops = ops;
    port_ranges[n_port_ranges++].ctx = ctx;
}

void fake_machine_reset(void)
{
    n_mmio_ranges = n_port_ranges = 0;
}

uint32_t host_mmio_read(const void *reg, uint8_t width_bytes)
{
    uint32_t value = 0;

    for (size_t i = 0; i < n_mmio_ranges; i++) {
        uintptr_t offset = (uintptr_t)reg - mmio_ranges[i].base;
        if (offset < mmio_ranges[i].bytes)
            return mmio_ranges[i].ops->read(mmio_ranges[i].ctx, offset, width_bytes);
    }
    memcpy(&value, reg, width_bytes);
    return value;
}

void host_mmio_write(void *reg, uint8_t width_bytes, uint32_t value)
{
    for (size_t i = 0; i < n_mmio_ranges; i++) {
        uintptr_t offset = (uintptr_t)reg - mmio_ranges[i].base;
        if (offset < mmio_ranges[i].bytes) {
            mmio_ranges[i].ops->write(mmio_ranges[i].ctx, offset, width_bytes, value);
            return;
        }
    }
    memcpy(reg, &value, width_bytes);
}

uint32_t host_port_read(uint16_t port, uint8_t width_bytes)
{
    for (size_t i = 0; i < n_port_ranges; i++) {
        uint16_t offset = (uint16_t)(port - port_ranges[i].first);
        if (offset < port_ranges[i].n_ports)
            return port_ranges[i].ops->read(port_ranges[i].ctx, offset, width_bytes);
    }
    return UINT32_MAX;
}

void host_port_write(uint16_t port, uint8_t width_bytes, uint32_t value)
{
    for (size_t i = 0; i < n_port_ranges; i++) {
        uint16_t offset = (uint16_t)(port - port_ranges[i].first);
        if (offset < port_ranges[i].n_ports) {
            port_ranges[i].ops->write(port_ranges[i].ctx, offset, width_bytes, value);
            return;
        }
    }
}
