/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MSI-X as a device has it (PCIe 4, 7.7.2): the capability in a configuration space that belongs
 * to somebody else, table and pending bits in a BAR. Honest by default; `table_register` and the
 * like are the capability's own bytes, which a test may write over.
 */
#ifndef VSTOR_TESTS_FAKE_MSIX_H
#define VSTOR_TESTS_FAKE_MSIX_H

#include <vstor/types.h>

#define FAKE_MSIX_MAX_ENTRIES    64u
#define FAKE_MSIX_BAR_BYTES      0x1000u
#define FAKE_MSIX_TABLE_AT       0x200u /* in the BAR */
#define FAKE_MSIX_PENDING_AT     0x800u
#define FAKE_MSIX_TABLE_OFFSET   4u /* of the registers, in the capability */
#define FAKE_MSIX_PENDING_OFFSET 8u

struct fake_msix {
    uint8_t *capability; /* in configuration space; NULL: none */
    uint16_t n_entries;
    uint8_t *bar; /* only an address range: accesses are handed to the model */

    /* knobs */
    bool stuck_off, stuck_on; /* the enable bit can't be set, or not cleared */
    unsigned stuck_on_after;  /* the latter once it was cleared so many times; 0: never */
    /* words of each entry that keep their value, a bit each */
    uint32_t stuck[FAKE_MSIX_MAX_ENTRIES];

    /* what it saw */
    unsigned n_sent, n_lost; /* messages; interrupts while it was off, or without a vector */
    const char *misuse;

    struct fake_msix_entry {
        uint32_t words[4]; /* address, upper address, data, vector control */
        bool pending;
        unsigned n_sent;
        uint64_t address; /* of the last message */
        uint32_t data;
    } entries[FAKE_MSIX_MAX_ENTRIES];
};

/** Writes the capability (12 bytes) at `capability`; table and pending bits lie in BAR `bar_number`. */
void fake_msix_init(struct fake_msix *msix, uint8_t *capability, uint16_t n_entries,
                    uint8_t bar_number);
void fake_msix_destroy(struct fake_msix *msix);

bool fake_msix_enabled(const struct fake_msix *msix);

/** A write to configuration space of which `offset` is the place in the capability. */
void fake_msix_config_write(struct fake_msix *msix, unsigned offset, uint8_t width_bytes,
                            uint32_t value);

/** The device interrupts: a message, or a pending bit where the entry or the function is masked. */
void fake_msix_raise(struct fake_msix *msix, uint16_t vector);

/** Registers the BAR with fake_machine. */
void fake_msix_register(struct fake_msix *msix);

#endif
