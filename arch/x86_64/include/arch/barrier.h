/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/barrier.h (x86_64): ordering between this CPU and a device that shares memory with it.
 *
 * Each function is named for what the caller means by it. x86 keeps stores in order and loads in
 * order, so publish and observe cost no instruction; only a store followed by a load of something
 * else needs a fence.
 */
#ifndef VSTOR_ARCH_BARRIER_H
#define VSTOR_ARCH_BARRIER_H

/** All stores before are visible to the device before any store after. */
static inline void arch_publish_barrier(void)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

/** Loads after see at least what the load before made known. */
static inline void arch_observe_barrier(void)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
}

/**
 * All stores before are visible before any load after: between publishing and looking at the other
 * side again.
 */
static inline void arch_full_barrier(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif
