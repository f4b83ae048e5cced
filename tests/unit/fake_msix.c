/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/fake_msix.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_machine.h"

enum { CONTROL = 2, CAPABILITY_BYTES = 12 };
#define ENABLE        0x8000u
#define FUNCTION_MASK 0x4000u
#define ENTRY_MASK    1u

static uint16_t control_of(const struct fake_msix *msix)
{
    return (uint16_t)(msix->capability[CONTROL] | msix->capability[CONTROL + 1] << 8);
}

bool fake_msix_enabled(const struct fake_msix *msix)
{
    return msix->capability != NULL && (control_of(msix) & ENABLE) != 0;
}

static void send(struct fake_msix *msix, struct fake_msix_entry *entry)
{
    entry->pending = false;
    entry->address = entry->words[0] | (uint64_t)entry->words[1] << 32;
    entry->data = entry->words[2];
    entry->n_sent++;
    msix->n_sent++;
}

static bool is_masked(const struct fake_msix *msix, const struct fake_msix_entry *entry)
{
    return (control_of(msix) & FUNCTION_MASK) != 0 || (entry->words[3] & ENTRY_MASK) != 0;
}

/** What was held back goes out when nothing masks it any more. */
static void send_pending(struct fake_msix *msix)
{
    for (uint16_t i = 0; i < msix->n_entries && fake_msix_enabled(msix); i++)
        if (msix->entries[i].pending && !is_masked(msix, &msix->entries[i]))
            send(msix, &msix->entries[i]);
}

void fake_msix_raise(struct fake_msix *msix, uint16_t vector)
{
    if (!fake_msix_enabled(msix) || vector >= msix->n_entries)
        msix->n_lost++;
    else if (is_masked(msix, &msix->entries[vector]))
        msix->entries[vector].pending = true;
    else
        send(msix, &msix->entries[vector]);
}

static void write_control(struct fake_msix *msix, uint8_t value)
{
    uint8_t *control = &msix->capability[CONTROL + 1], old = *control;
    const uint8_t enable = ENABLE >> 8, writable = (ENABLE | FUNCTION_MASK) >> 8;

    *control = (uint8_t)((old & ~writable) | (value & writable));
    if (msix->stuck_off)
        *control &= (uint8_t)~enable;
    if (msix->stuck_on)
        *control |= old & enable;
    if (msix->stuck_on_after > 0 && (old & enable) != 0 && (*control & enable) == 0)
        msix->stuck_on = --msix->stuck_on_after == 0;
}

void fake_msix_config_write(struct fake_msix *msix, unsigned offset, uint8_t width_bytes,
                            uint32_t value)
{
    for (unsigned i = 0; i < width_bytes; i++, value >>= 8)
        if (offset + i == CONTROL + 1) /* all else is read only */
            write_control(msix, (uint8_t)value);
    send_pending(msix);
}

/* ---------------------------------------------------------------- table and pending bits */

static struct fake_msix_entry *entry_at(struct fake_msix *msix, uint64_t offset,
                                        uint8_t width_bytes)
{
    uint64_t at = offset - FAKE_MSIX_TABLE_AT;

    if (offset < FAKE_MSIX_TABLE_AT || at >= 16ull * msix->n_entries || width_bytes != 4 ||
        offset % 4 != 0) {
        msix->misuse = "access beside the MSI-X table, or of a wrong width";
        return NULL;
    }
    return &msix->entries[at / 16];
}

static uint32_t bar_read(void *ctx, uint64_t offset, uint8_t width_bytes)
{
    struct fake_msix *msix = ctx;
    const struct fake_msix_entry *entry = entry_at(msix, offset, width_bytes);

    return entry != NULL ? entry->words[offset % 16 / 4] : 0;
}

static void bar_write(void *ctx, uint64_t offset, uint8_t width_bytes, uint32_t value)
{
    struct fake_msix *msix = ctx;
    struct fake_msix_entry *entry = entry_at(msix, offset, width_bytes);
    unsigned word = offset % 16 / 4;

    if (entry == NULL)
        return;
    /* "If software changes the address or data value of an entry while the entry is unmasked, the
     * result is undefined." */
    if (word != 3 && fake_msix_enabled(msix) && !is_masked(msix, entry))
        msix->misuse = "MSI-X entry changed while it could fire";
    if ((msix->stuck[entry - msix->entries] & 1u << word) == 0)
        entry->words[word] = value;
    send_pending(msix);
}

static const struct fake_mmio_ops bar_ops = {bar_read, bar_write};

void fake_msix_register(struct fake_msix *msix)
{
    fake_mmio_register(msix->bar, FAKE_MSIX_BAR_BYTES, &bar_ops, msix);
}

void fake_msix_init(struct fake_msix *msix, uint8_t *capability, uint16_t n_entries,
                    uint8_t bar_number)
{
    const uint32_t places[2] = {FAKE_MSIX_TABLE_AT | bar_number, FAKE_MSIX_PENDING_AT | bar_number};

    assert(n_entries >= 1 && n_entries <= FAKE_MSIX_MAX_ENTRIES);
    *msix = (struct fake_msix){.capability = capability, .n_entries = n_entries};
    msix->bar = malloc(FAKE_MSIX_BAR_BYTES);
    assert(msix->bar != NULL);
    memset(msix->bar, 0xee, FAKE_MSIX_BAR_BYTES);
    memset(capability, 0, CAPABILITY_BYTES);
    capability[0] = 0x11;
    capability[CONTROL] = (uint8_t)(n_entries - 1);
    memcpy(capability + FAKE_MSIX_TABLE_OFFSET, places, sizeof(places));
    for (uint16_t i = 0; i < n_entries; i++)
        msix->entries[i].words[3] = ENTRY_MASK; /* so after a reset */
}

void fake_msix_destroy(struct fake_msix *msix)
{
    free(msix->bar);
    msix->bar = NULL;
}
