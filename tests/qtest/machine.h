/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A QEMU whose processor sleeps, and this process as its driver.
 *
 * Ports, registers and configuration space are reached over the qtest socket; guest memory is one
 * file that QEMU and this process share. So the library, compiled for the host with sanitizers,
 * drives QEMU's own device models while they run in another process: a second opinion on the
 * protocol that shares no code with us, and real concurrency between driver and device.
 *
 * What makes mistakes visible:
 *   - registers lie in address space that nobody may touch: an access that goes round arch/mmio.h,
 *     or one outside what mmio_map was asked for, ends the test
 *   - memory given by the platform is surrounded by memory that AddressSanitizer knows as forbidden
 *   - memory given back holds a pattern until the end: a device that still writes it is found
 */
#ifndef VSTOR_TESTS_QTEST_MACHINE_H
#define VSTOR_TESTS_QTEST_MACHINE_H

#include <vstor/vstor.h>

enum machine_dma {
    MACHINE_DMA_LINEAR, /**< pointer = bus address, as in a kernel; buffers must lie in guest memory */
    MACHINE_DMA_COPY, /**< guest memory elsewhere, buffers anywhere: each transfer is bounced */
};

enum machine_access { MACHINE_CONFIG_PORTS, MACHINE_CONFIG_ECAM };

#define MACHINE_MAX_FUNCTIONS 64u

struct machine {
    struct vst_platform platform;
    struct vst_pci_host host;
    struct vst_pci_function functions[MACHINE_MAX_FUNCTIONS];
    size_t n_functions;
    size_t n_allocated; /**< pieces of memory given and not taken back, both kinds */
    size_t n_mapped;    /**< the same for dma_map */
    size_t n_maps;      /**< dma_map calls ever */
    char last_log[VST_LOG_LINE_BYTES];
    bool verbose;
};

/**
 * Starts QEMU with `arguments` (machine options only; ended by NULL), finds and places all PCI
 * functions. There is one machine per process. Whatever goes wrong ends the process with a message.
 */
struct machine *machine_start(enum machine_dma dma, enum machine_access access,
                              char *const *arguments);

/** Ends QEMU; checks that nothing was written to memory that had been given back. */
void machine_stop(struct machine *machine);

/** Where the CPU finds what devices find at `bus_addr`. */
void *machine_pointer(uint64_t bus_addr);

/** A buffer that requests may name: guest memory, or any memory where the platform copies. */
void *machine_buffer(struct machine *machine, size_t bytes);
void machine_buffer_free(struct machine *machine, void *buffer, size_t bytes);

/** Takes back the mappings that a driver left behind; its device must have been reset. */
void machine_forget_mappings(struct machine *machine);

/** The first function that `matches`; ends the test if there is none. */
const struct vst_pci_function *machine_find(struct machine *machine,
                                            bool (*matches)(const struct vst_pci_function *));

/** The registers of a virtio structure of that type (4.1.4), mapped; NULL if there is none. */
void *machine_structure(struct machine *machine, const struct vst_pci_function *function,
                        uint8_t type);

/* ------------------------------------------------------------------ interrupts */

/** MSI-X as the hardware has it: the driver under test need not know of it. (PCI 3.0, 6.8.2) */
struct machine_msix {
    struct machine *machine;
    struct vst_pci_address address;
    uint8_t capability;
    uint16_t n_vectors;
    uint8_t *table, *pending;
};

/** False if the function has no MSI-X capability. Maps table and pending bits. */
bool machine_msix_open(struct machine_msix *msix, struct machine *machine,
                       const struct vst_pci_function *function);

/** Message control: enable, and the function's own mask. */
void machine_msix_control(const struct machine_msix *msix, bool enable, bool mask_all);

/**
 * Points a vector at a word of guest memory: the interrupt then is a write of `data` there, which
 * can be watched, instead of a message to a processor.
 */
void machine_msix_program(const struct machine_msix *msix, uint16_t vector, uint64_t bus_addr,
                          uint32_t data);
void machine_msix_mask(const struct machine_msix *msix, uint16_t vector, bool masked);
bool machine_msix_pending(const struct machine_msix *msix, uint16_t vector);

/** From now on the I/O APIC's inputs are told to us instead of the guest. */
void machine_intx_intercept(void);

/** How many I/O APIC inputs of PCI are raised now, and how often one was raised ever. */
unsigned machine_intx_level(void);
unsigned machine_intx_n_raised(void);

/** Prints where and why, ends the process with status 1. */
void machine_fail(const char *file, int line, const char *format, ...) VST_PRINTF(3, 4)
    __attribute__((noreturn));

#define FAIL(...) machine_fail(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            FAIL("not so: %s", #condition);                                                        \
    } while (0)
#define CHECK_EQUAL(a, b)                                                                          \
    do {                                                                                           \
        unsigned long long a_ = (unsigned long long)(a), b_ = (unsigned long long)(b);             \
        if (a_ != b_)                                                                              \
            FAIL("%s is %llu, %s is %llu", #a, a_, #b, b_);                                        \
    } while (0)

#endif
