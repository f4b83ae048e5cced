/* SPDX-License-Identifier: BSD-2-Clause */
/* The library's platform on top of one EFI_PCI_IO_PROTOCOL: one function of PCI, no others. */
#ifndef VSTOR_EFI_PLATFORM_H
#define VSTOR_EFI_PLATFORM_H

#include <vstor/pci.h>

#include "boot/efi/firmware.h"

#define PLATFORM_N_MAPPINGS 256u /* a power of two: more than a queue has in flight */
#define PLATFORM_LOG_LINES  16u
#define PLATFORM_LINE_CHARS 120u

/** Memory that was given to the library and that the device reaches. */
struct shared_memory {
    struct shared_memory *next;
    void *memory;
    void *mapping;
};

/** A caller's buffer that the device reaches for one transfer. */
struct buffer_mapping {
    void *buffer; /**< NULL: free */
    size_t bytes;
    uint64_t bus_addr;
    void *mapping;
};

struct efi_platform {
    struct vst_platform base; /**< for the library */
    EFI_PCI_IO_PROTOCOL *pci_io;
    struct vst_pci_address address;
    UINT64 attributes_before;
    struct shared_memory *shared;
    uint32_t n_mapped;
    void *usual;        /**< what Map gave for all that are mapped, but for those in mappings[] */
    uint32_t n_unusual; /**< in mappings[] */
    struct buffer_mapping mappings[PLATFORM_N_MAPPINGS];
    uint32_t n_lines; /**< ever logged: the last ones are in lines[], by their number */
    char lines[PLATFORM_LOG_LINES][PLATFORM_LINE_CHARS];
};

/**
 * Notes the function's attributes and has it decode its memory and ports and use addresses above 4
 * GiB; finds out what it is. Bus mastering is left as it was: see platform_allow_dma.
 */
EFI_STATUS platform_open(struct efi_platform *platform, EFI_PCI_IO_PROTOCOL *pci_io,
                         struct vst_pci_function *function);

/** For the library: see struct vst_platform. */
enum vst_status platform_dma_map(void *ctx, void *buffer, size_t bytes,
                                 enum vst_dma_direction direction, uint64_t *bus_addr);
void platform_dma_unmap(void *ctx, void *buffer, size_t bytes, enum vst_dma_direction direction,
                        uint64_t bus_addr);

/** Finds out what the function is, and changes nothing of it: there is nothing to close. */
EFI_STATUS platform_look(struct efi_platform *platform, EFI_PCI_IO_PROTOCOL *pci_io,
                         struct vst_pci_function *function);

/** The device has been reset by its driver, and may reach memory. */
EFI_STATUS platform_allow_dma(struct efi_platform *platform);

/**
 * The device has been detached: attributes are as they were. Memory that the library never gave
 * back, because the device may still reach it, stays taken.
 */
void platform_close(struct efi_platform *platform);

/** Called now and then by who waits for a device, at the TPL he waits at. NULL: nothing is. */
extern void (*platform_waits)(void);

/** Vendor and device id, by reading configuration space and nothing else. */
EFI_STATUS platform_ids(EFI_PCI_IO_PROTOCOL *pci_io, struct vst_pci_function *function);

#endif
