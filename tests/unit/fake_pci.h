/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A PCI hierarchy in memory with honest configuration space: BARs keep their size bits wired,
 * bridges pass on what their bus numbers say at that moment, registers that a function lacks read
 * 0, functions that do not exist all ones. What it reports of layouts it reads from the registers
 * by its own means, not by those of the code under test.
 */
#ifndef VSTOR_TESTS_FAKE_PCI_H
#define VSTOR_TESTS_FAKE_PCI_H

#include <vstor/pci.h>

#define FAKE_PCI_MAX_FUNCTIONS 320u
#define FAKE_PCI_MAX_BUSES     260u

struct fake_pci_function {
    uint8_t config[256];
    uint8_t writable[256]; /* bits that a write changes */
    uint64_t bar_bytes[6];
    struct fake_pci_bus *bus;   /* where it sits */
    struct fake_pci_bus *below; /* bridges: where it leads */
    unsigned n_command_writes;
};

struct fake_pci_bus {
    bool root;
    uint8_t number; /* of a root bus */
    struct fake_pci_function *bridge;
    struct fake_pci_function *functions[256]; /* by device * 8 + function */
};

struct fake_pci {
    struct vst_platform platform;
    struct fake_pci_bus buses[FAKE_PCI_MAX_BUSES];
    struct fake_pci_function functions[FAKE_PCI_MAX_FUNCTIONS];
    size_t n_buses, n_functions;
    unsigned n_reads, n_writes, n_absent_reads;
    unsigned n_bar_writes_while_decoding; /* a BAR changed under the eyes of its decoder */
    unsigned n_log_lines;
    char last_log[160];
};

/** One for all tests of a program: too large for the stack. */
extern struct fake_pci fake_pci;

/** Empties the hierarchy and sets up fake_pci.platform (configuration access and log). */
void fake_pci_reset(void);

struct fake_pci_bus *fake_pci_root(uint8_t number);
/** Adds a function. `class_code` is base class, sub-class, programming interface. */
struct fake_pci_function *fake_pci_add(struct fake_pci_bus *bus, unsigned device, unsigned function,
                                       uint16_t vendor, uint16_t device_id, uint32_t class_code);
/** Adds a bridge with all three windows closed (prefetchable: 64 bits wide) and unset bus numbers.
 */
struct fake_pci_function *fake_pci_add_bridge(struct fake_pci_bus *bus, unsigned device,
                                              unsigned function);
/** The same, with a PCI Express capability that makes it a root port (4), downstream port (6), ...
 */
struct fake_pci_function *fake_pci_add_port(struct fake_pci_bus *bus, unsigned device,
                                            unsigned function, unsigned port_type);
/** flags: low bits of the register, e.g. 1 I/O, 4 64-bit, 0xc 64-bit prefetchable. */
void fake_pci_bar(struct fake_pci_function *function, unsigned index, uint32_t flags,
                  uint64_t bytes, uint64_t address);
void fake_pci_numbers(struct fake_pci_function *bridge, unsigned primary, unsigned secondary,
                      unsigned subordinate);
/** Puts an entry at `offset`; the head of the list and status bit are the caller's:
 * fake_pci_capability_head. */
void fake_pci_capability(struct fake_pci_function *function, unsigned offset, uint8_t id,
                         uint8_t next);
void fake_pci_capability_head(struct fake_pci_function *function, uint8_t pointer);
void fake_pci_window(struct fake_pci_function *bridge, unsigned space, uint64_t first,
                     uint64_t last);

/* Raw registers. */
uint8_t fake_pci_get8(const struct fake_pci_function *function, unsigned offset);
uint16_t fake_pci_get16(const struct fake_pci_function *function, unsigned offset);
uint32_t fake_pci_get32(const struct fake_pci_function *function, unsigned offset);
void fake_pci_set16(struct fake_pci_function *function, unsigned offset, uint16_t value);
void fake_pci_set32(struct fake_pci_function *function, unsigned offset, uint32_t value);
uint64_t fake_pci_bar_address(const struct fake_pci_function *function, unsigned index);

/**
 * Reads the addresses that all BARs with an address have, and says what is wrong with them:
 * overlapping each other, misaligned, outside the host's windows, or not passed on by a bridge
 * above. NULL if nothing is. Stores how many BARs stand at 0.
 */
const char *fake_pci_layout_problem(const struct vst_pci_host *host, unsigned *n_unplaced);

#endif
