/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/barrier.h (aarch64): ordering between this CPU and a device that shares memory with it.
 *
 * Each function is named for what the caller means by it. The domain is the outer shareable one, in
 * which bus masters are that see caches as processors do; devices that a hypervisor plays are in the
 * inner one already. Caches are not cleaned here: a device that does not see them needs a platform
 * whose shared memory is not cached. (Arm ARM, DDI 0487, B2.3.12 and B2.7)
 */
#ifndef VSTOR_ARCH_BARRIER_H
#define VSTOR_ARCH_BARRIER_H

/**
 * All stores before are visible to the device before any store after. Loads before are done as well:
 * what was read of a buffer must have been read when the device is given that buffer again. So it is
 * no barrier of stores alone.
 */
static inline void arch_publish_barrier(void)
{
    __asm__ __volatile__("dmb osh" : : : "memory");
}

/** Loads after see at least what the load before made known. */
static inline void arch_observe_barrier(void)
{
    __asm__ __volatile__("dmb oshld" : : : "memory");
}

/**
 * All stores before are visible before any load after: between publishing and looking at the other
 * side again.
 */
static inline void arch_full_barrier(void)
{
    __asm__ __volatile__("dmb osh" : : : "memory");
}

#endif
