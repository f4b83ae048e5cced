/* SPDX-License-Identifier: BSD-2-Clause */
/* The qtest protocol: one QEMU, its ports and its physical addresses, over a socket. */
#ifndef VSTOR_TESTS_QTEST_QTEST_H
#define VSTOR_TESTS_QTEST_QTEST_H

#include <vstor/types.h>

/**
 * Starts qemu-system-x86_64 with `arguments` (ended by NULL) and its guest memory in the file
 * `memory_fd`. It dies with this process.
 */
void qtest_start(int memory_fd, uint64_t memory_bytes, char *const *arguments);

/** Ends QEMU in good order: disks are closed. */
void qtest_stop(void);

/** Access to ports (space "in" / "out") and memory, 1, 2 or 4 bytes. */
uint32_t qtest_port_read(uint16_t port, uint8_t width_bytes);
void qtest_port_write(uint16_t port, uint8_t width_bytes, uint32_t value);
uint32_t qtest_memory_read(uint64_t physical, uint8_t width_bytes);
/** Posted, as on a bus: QEMU may not have done it yet when this returns. A read waits for it. */
void qtest_memory_write(uint64_t physical, uint8_t width_bytes, uint32_t value);

/** Asks to be told of an interrupt controller's inputs. */
void qtest_intercept(const char *controller);

/** PCI's inputs raised now and raises ever, after all earlier accesses have been done. */
unsigned qtest_irq_level(void);
unsigned qtest_irq_raises(void);

#endif
