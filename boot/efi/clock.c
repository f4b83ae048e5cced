/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/clock.h"

#include <arch/cpu.h>

#include "boot/efi/firmware.h"

#define NS_PER_US      1000ull
#define NS_PER_S       1000000000ull
#define WINDOW_US      2000u
#define N_WINDOWS      3
#define NS_PER_TICK_1G (1ull << 32) /* of a counter of 1 GHz */

static struct {
    bool running;
    uint64_t base_ticks;
    uint64_t ns_per_tick_32; /* times 2^32 */
} counter;

/* Stall waits that long or longer; a host that stops us meanwhile makes it longer. */
static uint64_t window_ticks(void)
{
    uint64_t before = arch_counter();

    firmware->Stall(WINDOW_US);
    return arch_counter() - before;
}

/* Times 2^32. A counter that stands still is no clock; waits then end by the firmware's patience alone. */
static uint64_t measured_ns_per_tick(void)
{
    uint64_t shortest = UINT64_MAX;

    for (int i = 0; i < N_WINDOWS; i++) {
        uint64_t ticks = window_ticks();
        if (ticks < shortest)
            shortest = ticks;
    }
    return shortest == 0 ? NS_PER_TICK_1G : (WINDOW_US * NS_PER_US << 32) / shortest;
}

void clock_start(void)
{
    if (counter.running)
        return;
    uint64_t hz = arch_counter_hz();
    counter.ns_per_tick_32 = hz != 0 ? (NS_PER_S << 32) / hz : measured_ns_per_tick();
    counter.base_ticks = arch_counter();
    counter.running = true;
}

static uint64_t ns_of(uint64_t ticks)
{
    return (uint64_t)((unsigned __int128)ticks * counter.ns_per_tick_32 >> 32);
}

uint64_t clock_ns(void)
{
    uint64_t ticks = arch_counter();

    /* A counter set back (migration, a hostile hypervisor) must not become the far future. */
    return ticks < counter.base_ticks ? 0 : ns_of(ticks - counter.base_ticks);
}

uint64_t clock_since_power_ns(void)
{
    return ns_of(arch_counter());
}

uint64_t clock_ticks(uint64_t ns)
{
    return (ns << 32) / counter.ns_per_tick_32;
}
