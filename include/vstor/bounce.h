/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vstor/bounce.h: DMA through a pool of the platform's shared memory, for machines where a device
 * must not reach, or can't reach, the memory of the caller: confidential guests, devices with short
 * addresses, no trust at all.
 *
 *     struct vst_bounce bounce;
 *     status = vst_bounce_start(&bounce, &my_platform, 4 << 20);
 *     ... vst_virtio_blk_attach(&bounce.platform, ...), as many devices as one likes ...
 *     vst_bounce_stop(&bounce);                                      (once all are detached)
 *
 * A request's data lie in the pool while the device has them: taken and zeroed before the device
 * may look, copied in for a write, copied out once for a read, scrubbed. Whoever looks at data looks
 * at the copy, which no device can change. Rings, headers and status bytes are shared memory of
 * their own, of which each byte that a device wrote is read once.
 *
 * Several CPUs may use one pool at a time, without a lock.
 */
#ifndef VSTOR_BOUNCE_H
#define VSTOR_BOUNCE_H

#include <vstor/platform.h>

VST_BEGIN_C

/** A mapping takes whole granules: what machines share with a device, they share by pages. */
#define VST_BOUNCE_GRANULE_BYTES 4096u

/** The caller's to keep, and to leave alone: devices work with `platform` until they are detached. */
struct vst_bounce {
    struct vst_platform platform; /**< the caller's, but for dma_map, dma_unmap and their bounds */
    const struct vst_platform *inner;
    char *pool;
    uint64_t pool_bus_addr;
    uint32_t n_granules;
    uint32_t *runs;         /**< one per granule, see bounce.c */
    uint64_t n_full;        /**< mappings put off: no room at that moment */
    uint64_t n_wrong_unmap; /**< unmaps of what was not mapped so; each stands in the log */
};

/**
 * Fills *bounce over `inner`, which must outlive it. Allocates `pool_bytes`, rounded down to
 * granules, of shared memory and 4 bytes per granule of private memory from it; nothing later. Any
 * size from one granule on will do: transfers are split to fit (dma_max_maps, dma_max_map_bytes: of
 * each command at most half the pool, if it has two granules), and what finds no room waits, as
 * submit answers VST_ERR_FULL. `inner` needs no dma_map: its alloc says where devices see the pool.
 *
 * VST_ERR_INVALID: less than a granule, or 16 TiB and more. VST_ERR_NO_MEMORY: nothing is
 * allocated.
 */
enum vst_status vst_bounce_start(struct vst_bounce *bounce, const struct vst_platform *inner,
                                 size_t pool_bytes) VST_MUST_USE;

/** Gives the pool back. All devices that were attached with bounce->platform must be detached. */
void vst_bounce_stop(struct vst_bounce *bounce);

VST_END_C

#endif
