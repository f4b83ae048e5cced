/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine below the unit tests: where arch/host sends register and port accesses.
 *
 * A fake device registers the address range of its registers (or its ports) and is called for each
 * access there. Addresses that nobody registered are plain memory; ports that nobody registered
 * read as all ones.
 */
#ifndef VSTOR_TESTS_FAKE_MACHINE_H
#define VSTOR_TESTS_FAKE_MACHINE_H

#include <vstor/types.h>

/** Called with the offset from the beginning of the range; width is 1, 2 or 4 bytes. */
struct fake_mmio_ops {
    uint32_t (*read)(void *ctx, uint64_t offset, uint8_t width_bytes);
    void (*write)(void *ctx, uint64_t offset, uint8_t width_bytes, uint32_t value);
};

/** Called with the offset from the first port of the range. */
struct fake_port_ops {
    uint32_t (*read)(void *ctx, uint16_t offset, uint8_t width_bytes);
    void (*write)(void *ctx, uint16_t offset, uint8_t width_bytes, uint32_t value);
};

/** Sends accesses that begin inside the range to `ops`. Ranges do not overlap. Fails the test if
 * there are too many. */
void fake_mmio_register(void *base, size_t bytes, const struct fake_mmio_ops *ops, void *ctx);
void fake_port_register(uint16_t first, uint16_t n_ports, const struct fake_port_ops *ops,
                        void *ctx);

/** Forgets all ranges. */
void fake_machine_reset(void);

#endif
