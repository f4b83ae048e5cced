/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/cpu.h>
#include <arch/mmio.h>
#include <arch/port_io.h>
#include <arch/system.h>

#include "boot/kernel/address_space.h"
#include "boot/kernel/clock.h"
#include "boot/kernel/log.h"

#define NS_PER_SECOND      1000000000ull
#define PM_TIMER_HZ        3579545u
#define PIT_HZ             1193182u
#define WINDOWS_PER_SECOND 2000u /* half a millisecond each */
#define N_WINDOWS          3
#define N_SAMPLE_TRIES     5
#define MAX_POLLS          50000u /* a timer that stands still is given up after that many reads */
#define LOWEST_HZ          1000000ull
#define HIGHEST_HZ         100000000000ull

#define PIT_CHANNEL2       0x42
#define PIT_COMMAND        0x43
#define PIT_CHANNEL2_MODE0 0xb0 /* low then high byte, count down once */
#define PIT_CHANNEL2_LATCH 0x80
#define PORT_B             0x61
#define PORT_B_GATE        0x01
#define PORT_B_SPEAKER     0x02

#define CPUID_TSC_RATIO      0x15u
#define CPUID_FREQUENCY      0x16u
#define CPUID_HYPERVISOR_TSC 0x40000010u /* kHz; VMware's convention, kept by KVM and QEMU */

static struct {
    uint64_t ticks_per_second, ns_per_tick_32; /**< the latter times 2^32 */
    uint64_t base_ticks;
    const char *source;
} tsc_clock;

/* A timer of known rate that counts up. */
struct reference {
    const char *name;
    uint32_t hz, mask;
    uint32_t (*read)(const struct reference *reference);
    uint16_t port;
    const mmio_le32 *reg;
};

/* ---------------------------------------------------------------- the timers */

static uint32_t read_pm_port(const struct reference *reference)
{
    return port_read32(reference->port);
}

static uint32_t read_pm_memory(const struct reference *reference)
{
    return mmio_le32_read(reference->reg);
}

static uint32_t read_pit(const struct reference *reference)
{
    port_write8(PIT_COMMAND, PIT_CHANNEL2_LATCH);
    uint32_t low = port_read8(PIT_CHANNEL2);
    uint32_t count = low | (uint32_t)port_read8(PIT_CHANNEL2) << 8;
    return reference->mask - count;
}

static void start_pit(void)
{
    uint8_t port_b = port_read8(PORT_B) & (uint8_t)~PORT_B_SPEAKER;

    port_write8(PORT_B, port_b & (uint8_t)~PORT_B_GATE);
    port_write8(PIT_COMMAND, PIT_CHANNEL2_MODE0);
    port_write8(PIT_CHANNEL2, 0xff);
    port_write8(PIT_CHANNEL2, 0xff);
    port_write8(PORT_B, port_b | PORT_B_GATE);
}

static bool pm_timer_reference(struct reference *reference, const struct acpi_info *acpi)
{
    *reference = (struct reference){
        .name = "ACPI PM timer",
        .hz = PM_TIMER_HZ,
        .mask = acpi->pm_timer_is_32_bit ? 0xffffffffu : 0xffffffu,
    };
    if (acpi->pm_timer.space == ACPI_PORT) {
        reference->port = (uint16_t)acpi->pm_timer.address;
        reference->read = read_pm_port;
    } else if (acpi->pm_timer.space == ACPI_MEMORY) {
        reference->reg = address_space_map_device(acpi->pm_timer.address, sizeof(*reference->reg));
        reference->read = read_pm_memory;
    }
    return reference->port != 0 || reference->reg != NULL;
}

/* ---------------------------------------------------------------- measuring */

struct sample {
    uint64_t ticks;
    uint32_t reference;
};

/* Both counters at one moment: of a few tries the one that took least, so one that nothing
 * interrupted. */
static struct sample take_sample(const struct reference *reference)
{
    struct sample best = {0, 0};
    uint64_t best_width = UINT64_MAX;

    for (int i = 0; i < N_SAMPLE_TRIES; i++) {
        uint64_t before = arch_counter();
        uint32_t value = reference->read(reference);
        uint64_t width = arch_counter() - before;
        if (width < best_width) {
            best_width = width;
            best = (struct sample){before + width / 2, value};
        }
    }
    return best;
}

/* Ticks per second over one window; 0 if the reference stands still. A window that took longer is
 * as good. */
static uint64_t measure_window(const struct reference *reference)
{
    struct sample first = take_sample(reference);
    uint32_t wanted = reference->hz / WINDOWS_PER_SECOND;

    for (uint32_t n_polls = 0;
         ((reference->read(reference) - first.reference) & reference->mask) < wanted; n_polls++) {
        if (n_polls == MAX_POLLS)
            return 0;
        arch_pause();
    }
    struct sample last = take_sample(reference);
    uint64_t elapsed = (last.reference - first.reference) & reference->mask;
    uint64_t ticks = last.ticks - first.ticks;
    if (elapsed == 0 || ticks > UINT64_MAX / reference->hz)
        return 0;
    return ticks * reference->hz / elapsed;
}

/* The middle one of three: a host that stopped us for so long that the reference wrapped spoils
 * one, not two. */
static uint64_t measure(const struct reference *reference)
{
    uint64_t hz[N_WINDOWS];

    for (int i = 0; i < N_WINDOWS; i++) {
        hz[i] = measure_window(reference);
        if (hz[i] == 0)
            return 0;
    }
    uint64_t low = hz[0] < hz[1] ? hz[0] : hz[1], high = hz[0] < hz[1] ? hz[1] : hz[0];
    return hz[2] < low ? low : hz[2] > high ? high : hz[2];
}

/* What processor or hypervisor state of the rate; 0 if nothing. */
static uint64_t stated_ticks_per_second(void)
{
    struct arch_cpuid ratio = arch_cpuid_checked(CPUID_TSC_RATIO);
    uint64_t stated = 0;

    if (ratio.eax != 0 && ratio.ebx != 0 && ratio.ecx != 0)
        stated = (uint64_t)ratio.ecx * ratio.ebx / ratio.eax;
    if (stated == 0)
        stated = (uint64_t)(arch_cpuid_checked(CPUID_FREQUENCY).eax & 0xffff) * 1000000;
    if (stated == 0)
        stated = (uint64_t)arch_cpuid_checked(CPUID_HYPERVISOR_TSC).eax * 1000;
    return stated;
}

static bool makes_sense(uint64_t hz)
{
    return hz >= LOWEST_HZ && hz <= HIGHEST_HZ;
}

static uint64_t find_rate(const struct acpi_info *acpi)
{
    struct reference pm, pit = {.name = "PIT", .hz = PIT_HZ, .mask = 0xffff, .read = read_pit};
    uint64_t hz = pm_timer_reference(&pm, acpi) ? measure(&pm) : 0;

    tsc_clock.source = pm.name;
    if (makes_sense(hz))
        return hz;
    start_pit();
    hz = measure(&pit);
    tsc_clock.source = pit.name;
    if (makes_sense(hz))
        return hz;
    hz = stated_ticks_per_second();
    tsc_clock.source = "CPUID";
    if (makes_sense(hz))
        return hz;
    log_line(VST_LOG_WARNING,
             "clock: nothing tells the rate of the time-stamp counter; taking it for 1 GHz");
    tsc_clock.source = "a guess";
    return NS_PER_SECOND;
}

void clock_start(const struct acpi_info *acpi)
{
    tsc_clock.ticks_per_second = find_rate(acpi);
    tsc_clock.ns_per_tick_32 = (NS_PER_SECOND << 32) / tsc_clock.ticks_per_second;
    tsc_clock.base_ticks = arch_counter();
}

uint64_t clock_ns(void)
{
    uint64_t ticks = arch_counter();

    /* A counter set back (migration, a hostile hypervisor) must not become the far future. */
    if (ticks < tsc_clock.base_ticks)
        return 0;
    return (uint64_t)((unsigned __int128)(ticks - tsc_clock.base_ticks) *
                          tsc_clock.ns_per_tick_32 >>
                      32);
}

uint64_t clock_ticks_per_second(void)
{
    return tsc_clock.ticks_per_second;
}

const char *clock_source(void)
{
    return tsc_clock.source;
}
