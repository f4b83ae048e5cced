/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/cpu.h>
#include <arch/cpu_start.h>
#include <arch/entry.h>
#include <arch/local_apic.h>
#include <arch/paging.h>
#include <arch/system.h>

#include "boot/kernel/clock.h"
#include "boot/kernel/cpu.h"
#include "boot/kernel/cpus.h"
#include "boot/kernel/hosted_objects.h"
#include "boot/kernel/interrupts.h"
#include "boot/kernel/log.h"
#include "boot/kernel/memory.h"

#define STACK_BYTES 32768u

/* Processors since the P6 need no 10 ms between INIT and the start-up message; what a virtual
 * machine needs it takes before it answers. */
#define INIT_NS          20000u
#define FIRST_STARTUP_NS 300000u
#define ALL_STARTED_NS   1000000000ull

static struct cpu boot_cpu;
static struct cpu *cpus[CPUS_MAX] = {&boot_cpu};
static unsigned n_running = 1;

/* CPUs that have been sent for, in the order in which they will take places. */
static struct {
    struct arch_start_place places[CPUS_MAX];
    struct cpu *blocks[CPUS_MAX];
    uint32_t apic_ids[CPUS_MAX];
    unsigned n;
} awaited;

void cpus_start_boot_cpu(arch_trap_handler *handler)
{
    boot_cpu.state = CPU_BUSY;
    boot_cpu.stack_guard = (uintptr_t)image_stack_guard;
    arch_traps_start(handler);
    arch_traps_start_cpu(&boot_cpu.arch);
}

unsigned n_cpus(void)
{
    return n_running;
}

struct cpu *cpu_numbered(unsigned number)
{
    return number < n_running ? cpus[number] : NULL;
}

/* ---------------------------------------------------------------- on the further CPU */

static bool has_work(void *ctx)
{
    struct cpu *cpu = ctx;

    return __atomic_load_n(&cpu->state, __ATOMIC_ACQUIRE) == CPU_BUSY;
}

static void work(struct cpu *cpu)
{
    for (;;) {
        while (!has_work(cpu))
            interrupts_idle_unless(has_work, cpu);
        cpu->function(cpu->argument);
        __atomic_store_n(&cpu->state, CPU_IDLE, __ATOMIC_RELEASE);
    }
}

static void run_further_cpu(void *argument)
{
    struct cpu *cpu = argument;
    uint32_t state = CPU_AWAITED;

    arch_traps_start_cpu(&cpu->arch);
    arch_paging_activate();
    hosted_objects_start_cpu();
    interrupts_start_cpu();
    if (__atomic_compare_exchange_n(&cpu->state, &state, CPU_IDLE, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        work(cpu);
    for (;;) {
        arch_interrupts_disable();
        arch_halt();
    }
}

/* ---------------------------------------------------------------- starting */

/* One piece of memory: a page to fault on, the stack, the block. */
static bool add_place(uint32_t apic_id)
{
    uint64_t bytes = ARCH_PAGE_BYTES + STACK_BYTES + sizeof(struct cpu);
    uint64_t memory = memory_alloc(bytes, ARCH_PAGE_BYTES);

    if (memory == 0 || !arch_paging_guard(memory))
        return false;
    uint64_t stack_top = memory + ARCH_PAGE_BYTES + STACK_BYTES;
    struct cpu *cpu = (struct cpu *)(uintptr_t)stack_top;
    cpu->state = CPU_AWAITED;
    cpu->stack_guard = memory;
    cpu->arch.number = awaited.n + 1;
    awaited.places[awaited.n] = (struct arch_start_place){stack_top, cpu};
    awaited.blocks[awaited.n] = cpu;
    awaited.apic_ids[awaited.n++] = apic_id;
    return true;
}

static void add_places(const struct acpi_cpus *found, unsigned limit)
{
    for (unsigned i = 0; i < found->n_cpus && awaited.n + 1 < limit; i++) {
        if (found->apic_ids[i] == boot_cpu.apic_id)
            continue;
        if (found->apic_ids[i] > ARCH_APIC_LAST_SHORT_ID && !arch_apic_is_x2()) {
            log_printf(VST_LOG_WARNING, "cpus: APIC id %u needs x2APIC, which there is not",
                       found->apic_ids[i]);
        } else if (!add_place(found->apic_ids[i])) {
            log_line(VST_LOG_WARNING, "cpus: not enough memory for more of them");
            return;
        }
    }
}

/* The one that has come with this id; NULL as long as none has. */
static struct cpu *arrived(uint32_t apic_id)
{
    for (unsigned i = 0; i < awaited.n; i++)
        if (__atomic_load_n(&awaited.blocks[i]->state, __ATOMIC_ACQUIRE) == CPU_IDLE &&
            awaited.blocks[i]->apic_id == apic_id)
            return awaited.blocks[i];
    return NULL;
}

static bool all_have_come(void)
{
    for (unsigned i = 0; i < awaited.n; i++)
        if (__atomic_load_n(&awaited.blocks[i]->state, __ATOMIC_ACQUIRE) != CPU_IDLE)
            return false;
    return true;
}

static bool wait_for_all(uint64_t timeout_ns)
{
    uint64_t start_ns = clock_ns();

    while (!all_have_come()) {
        if (clock_ns() - start_ns >= timeout_ns)
            return false;
        arch_pause();
    }
    return true;
}

static void send_startups(uint64_t page)
{
    bool enabled = arch_interrupts_save();

    for (unsigned i = 0; i < awaited.n; i++)
        if (arrived(awaited.apic_ids[i]) == NULL)
            arch_apic_send_startup(awaited.apic_ids[i], page);
    arch_interrupts_restore(enabled);
}

/* INIT, start-up, start-up, to all at once. (Intel SDM 3A, 8.4.4.1) */
static void wake_all(uint64_t page)
{
    bool enabled = arch_interrupts_save();

    for (unsigned i = 0; i < awaited.n; i++)
        arch_apic_send_init(awaited.apic_ids[i]);
    arch_interrupts_restore(enabled);
    (void)wait_for_all(INIT_NS);
    send_startups(page);
    if (wait_for_all(FIRST_STARTUP_NS))
        return;
    send_startups(page);
    (void)wait_for_all(ALL_STARTED_NS);
}

/* Who comes from now on finds that it is left out. What it was given stays its own. */
static void close_doors(void)
{
    for (unsigned i = 0; i < awaited.n; i++) {
        uint32_t state = CPU_AWAITED;
        __atomic_compare_exchange_n(&awaited.blocks[i]->state, &state, CPU_LEFT_OUT, false,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    }
}

static void number_all(void)
{
    for (unsigned i = 0; i < awaited.n; i++) {
        struct cpu *cpu = arrived(awaited.apic_ids[i]);
        if (cpu == NULL) {
            log_printf(VST_LOG_WARNING, "cpus: the one with APIC id %u does not start; left out",
                       awaited.apic_ids[i]);
            continue;
        }
        cpu->arch.number = n_running;
        cpus[n_running++] = cpu;
    }
}

void cpus_start(const struct acpi_info *acpi, unsigned limit)
{
    uint64_t page = memory_low_page();
    uint64_t start_ns = clock_ns();

    if (limit == 0 || limit > CPUS_MAX)
        limit = CPUS_MAX;
    if (interrupts_have_apic())
        add_places(&acpi->cpus, limit);
    if (awaited.n > 0) {
        if (page != 0 && arch_cpu_start_prepare(page, awaited.places, awaited.n, run_further_cpu))
            wake_all(page);
        close_doors();
        number_all();
    }
    log_printf(VST_LOG_INFO, "cpus: %u of %u run, started in %llu us", n_running,
               acpi->cpus.n_cpus > 0 ? acpi->cpus.n_cpus + acpi->cpus.n_left_out : 1,
               (unsigned long long)(clock_ns() - start_ns) / 1000);
}

void cpus_stop_others(void)
{
    bool enabled = arch_interrupts_save();

    for (unsigned i = 0; i < awaited.n; i++)
        arch_apic_send_init(awaited.apic_ids[i]);
    arch_interrupts_restore(enabled);
}

/* ---------------------------------------------------------------- work */

bool cpu_run(unsigned number, void (*function)(void *argument), void *argument)
{
    struct cpu *cpu = cpu_numbered(number);

    if (cpu == NULL || __atomic_load_n(&cpu->state, __ATOMIC_ACQUIRE) != CPU_IDLE)
        return false;
    cpu->function = function;
    cpu->argument = argument;
    __atomic_store_n(&cpu->state, CPU_BUSY, __ATOMIC_RELEASE);
    interrupts_send(&(struct interrupt){.cpu = number, .vector = VECTOR_WAKE});
    return true;
}

bool cpu_wait(unsigned number, uint64_t timeout_ns)
{
    struct cpu *cpu = cpu_numbered(number);
    uint64_t start_ns = clock_ns();

    if (cpu == NULL)
        return false;
    while (__atomic_load_n(&cpu->state, __ATOMIC_ACQUIRE) != CPU_IDLE) {
        if (clock_ns() - start_ns >= timeout_ns)
            return false;
        arch_pause();
    }
    return true;
}
