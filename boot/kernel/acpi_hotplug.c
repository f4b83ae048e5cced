/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/kernel/acpi_hotplug.h"

#include <arch/port_io.h>
#include <string.h>

#define GPE_HOTPLUG   0x02u /* event 1 */
#define PORT_UP       0x00u /* 32 bits each, one per slot: what has come, */
#define PORT_DOWN     0x04u /* what is to leave, */
#define PORT_EJECT    0x08u /* what leaves now; */
#define PORT_SELECT   0x10u /* of the bus selected here */
#define N_PORTS       0x14u
#define MAX_SELECTORS 256u

/* ---------------------------------------------------------------- finding */

enum {
    AML_EXTENDED = 0x5b,
    AML_REGION = 0x80,
    AML_SYSTEM_IO = 1,
    AML_WORD = 0x0b,
    AML_REGION_BYTES = 2 + 4 + 1 + 3, /* as far as a word that is its first port */
};

/* The first port of OperationRegion (NAME, SystemIO, word, ...); 0 if there is none. */
static uint16_t find_region(const char *name, const uint8_t *aml, size_t bytes)
{
    for (size_t at = 0; at + AML_REGION_BYTES <= bytes; at++) {
        const uint8_t *op = aml + at;
        if (op[0] == AML_EXTENDED && op[1] == AML_REGION && memcmp(op + 2, name, 4) == 0 &&
            op[6] == AML_SYSTEM_IO && op[7] == AML_WORD)
            return (uint16_t)(op[8] | op[9] << 8);
    }
    return 0;
}

void acpi_hotplug_search(struct acpi_hotplug *hotplug, const uint8_t *aml, size_t bytes)
{
    uint16_t state = find_region("PCST", aml, bytes);

    if (state != 0 && state <= UINT16_MAX - N_PORTS &&
        find_region("SEJ_", aml, bytes) == state + PORT_EJECT &&
        find_region("BNMR", aml, bytes) == state + PORT_SELECT)
        hotplug->port = state;
}

/* ---------------------------------------------------------------- following */

/* Each device in a write of its own: of several only one would leave. */
static void eject(uint16_t port, uint32_t slots)
{
    for (; slots != 0; slots &= slots - 1)
        port_write32(port + PORT_EJECT, slots & -slots);
}

bool acpi_hotplug_poll(const struct acpi_hotplug *hotplug, unsigned n_buses)
{
    bool any = false;

    if (hotplug->port == 0 || hotplug->gpe_port == 0 ||
        (port_read8(hotplug->gpe_port) & GPE_HOTPLUG) == 0)
        return false;
    /* Before the looks, so that what comes meanwhile is seen the next time. */
    port_write8(hotplug->gpe_port, GPE_HOTPLUG);
    for (uint32_t bus = 0; bus < n_buses && bus < MAX_SELECTORS; bus++) {
        port_write32(hotplug->port + PORT_SELECT, bus);
        uint32_t up = port_read32(hotplug->port + PORT_UP);
        uint32_t down = port_read32(hotplug->port + PORT_DOWN);
        eject(hotplug->port, down);
        any |= (up | down) != 0;
    }
    return any;
}
