/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vstor/platform.h: the ten functions that an embedder provides.
 *
 * All are cold: none is called on the path of a request except dma_map and dma_unmap where they are
 * not NULL. The library calls them on the CPU that called into the library and never from an
 * interrupt. Nothing here may call back into vstor.
 */
#ifndef VSTOR_PLATFORM_H
#define VSTOR_PLATFORM_H

#include <vstor/types.h>

VST_BEGIN_C

/** Where a PCI function is. Segment is the PCI Express segment group (0 with CF8/CFC). */
struct vst_pci_address {
    uint16_t segment;
    uint8_t bus;
    uint8_t device;   /**< 0 to 31 */
    uint8_t function; /**< 0 to 7 */
};

/** How much a line matters. */
enum vst_log_level { VST_LOG_ERROR, VST_LOG_WARNING, VST_LOG_INFO, VST_LOG_DEBUG };

/** What memory is wanted for. */
enum vst_memory_kind {
    VST_MEMORY_PRIVATE, /**< the driver's own state; no device shall reach it */
    VST_MEMORY_SHARED,  /**< rings and headers, read and written by a device; physically contiguous,
                           coherent */
};

/** Who writes a buffer. */
enum vst_dma_direction {
    VST_DMA_TO_DEVICE,   /**< the device reads the buffer */
    VST_DMA_FROM_DEVICE, /**< the device writes the buffer */
};

/** What an embedder provides. It stays, unchanged, for as long as the library is used. */
struct vst_platform {
    /** Handed to every function below; the library never looks inside. */
    void *ctx;

    /**
     * Reads 1, 2 or 4 bytes (`width_bytes`, offset naturally aligned, below 4096) of PCI
     * configuration space. What no function answers reads as all ones, as does an offset that the
     * access method cannot reach. Several CPUs may call these two at once: one that recovers a
     * device looks whether it is still there. (PCIe 4, 7.2)
     */
    uint32_t (*pci_config_read)(void *ctx, struct vst_pci_address address, uint16_t offset,
                                uint8_t width_bytes);
    void (*pci_config_write)(void *ctx, struct vst_pci_address address, uint16_t offset,
                             uint8_t width_bytes, uint32_t value);

    /**
     * Makes `bytes` of device memory at CPU physical address `physical` reachable, uncached, until
     * the machine stops. Returns NULL if that is not possible. May be called twice for the same
     * range.
     */
    void *(*mmio_map)(void *ctx, uint64_t physical, uint64_t bytes);

    /**
     * Gives zeroed memory aligned to `align_bytes` (a power of two, at most 4096), or NULL. For
     * VST_MEMORY_SHARED also stores the address by which devices reach it; for VST_MEMORY_PRIVATE
     * `bus_addr` is NULL. Called while a device is attached, never later; but for SCSI, when the owner
     * has units looked after (vstor/scsi_units.h) and when a unit is asked what it is.
     */
    void *(*alloc)(void *ctx, size_t bytes, size_t align_bytes, enum vst_memory_kind kind,
                   uint64_t *bus_addr);
    /**
     * Takes back what alloc gave; `bytes` and `kind` as then. Only after the device has confirmed
     * its reset.
     */
    void (*free)(void *ctx, void *memory, size_t bytes, enum vst_memory_kind kind);

    /**
     * Makes a caller's buffer reachable for one transfer. Both NULL: bus address = pointer, which
     * is right where memory is mapped one to one and devices see physical addresses. Each
     * successful dma_map is followed by exactly one dma_unmap with the same four values once the
     * device is done with the buffer. Both on the CPU of the queue, so on several at a time if
     * queues are. VST_ERR_FULL: no room until something is unmapped; submit then says the same, and
     * nothing has happened. vstor/bounce.h has a pair that copies.
     */
    enum vst_status (*dma_map)(void *ctx, void *buffer, size_t bytes,
                               enum vst_dma_direction direction, uint64_t *bus_addr);
    void (*dma_unmap)(void *ctx, void *buffer, size_t bytes, enum vst_dma_direction direction,
                      uint64_t bus_addr);

    /**
     * What dma_map can take, 0 where there is no bound: mappings of one command, and bytes of one
     * mapping. A command within both must find room where nothing else is mapped, so that waiting
     * helps (VST_ERR_FULL); larger transfers are split accordingly. Read while a device is attached.
     */
    uint32_t dma_max_maps;
    uint32_t dma_max_map_bytes;

    /**
     * Nanoseconds since an arbitrary start; never goes back. Every bounded wait is measured with
     * it.
     */
    uint64_t (*time_ns)(void *ctx);

    /**
     * Called over and over while the library waits: a pause instruction, a scheduler's yield, a
     * host call.
     */
    void (*relax)(void *ctx);

    /**
     * Takes one finished line without a line feed, e.g. "vblk0: device says ...". Text is valid
     * during the call only.
     */
    void (*log)(void *ctx, enum vst_log_level level, const char *text);
};

VST_END_C

#endif
