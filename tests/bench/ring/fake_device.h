/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio-blk device that is nothing but memory: registers that keep what is written to them, and a
 * function that answers all that is in the ring at once. It checks nothing; it is there so that the
 * driver can be counted alone. (tests/unit/fake_virtio_blk.c is the one that checks.)
 */
#ifndef VSTOR_TESTS_BENCH_RING_FAKE_DEVICE_H
#define VSTOR_TESTS_BENCH_RING_FAKE_DEVICE_H

#include <vstor/vstor.h>

extern const struct vst_platform fake_platform;
extern const struct vst_pci_function fake_function;

/** A device just switched on. Attach to it with fake_platform and fake_function. */
void fake_device_start(void);

/** Answers every request that the driver has published. */
void fake_device_run(void);

/** Whether the doorbell was rung since this was last asked. */
bool fake_device_was_rung(void);

#endif
