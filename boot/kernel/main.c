/* SPDX-License-Identifier: BSD-2-Clause */
/* The composition root: brings the machine up part by part, finds the disks and hands over to the
 * shell. */
#include <arch/cpu.h>
#include <arch/entry.h>
#include <stdio.h>
#include <stdlib.h>

#include "boot/kernel/acpi.h"
#include "boot/kernel/adapters.h"
#include "boot/kernel/address_space.h"
#include "boot/kernel/boot_info.h"
#include "boot/kernel/clock.h"
#include "boot/kernel/console.h"
#include "boot/kernel/cpus.h"
#include "boot/kernel/disks.h"
#include "boot/kernel/hosted_objects.h"
#include "boot/kernel/interrupts.h"
#include "boot/kernel/iommu.h"
#include "boot/kernel/log.h"
#include "boot/kernel/memory.h"
#include "boot/kernel/options.h"
#include "boot/kernel/pci_host.h"
#include "boot/kernel/platform.h"
#include "boot/kernel/power.h"
#include "boot/kernel/trap_dump.h"
#include "boot/shell/shell.h"

#define STDOUT_BYTES 4096u
#define JOIN_NS      1000000000ull

static struct boot_info boot;
static struct acpi_info acpi;
static struct options options;
static struct mmio_places mmio_places;

static void start_console(void)
{
    static char buffer[STDOUT_BYTES];

    console_start();
    setvbuf(stdout, buffer, _IOLBF, sizeof(buffer));
}

static void start_memory(void)
{
    if (boot.memory_map_cut)
        log_line(VST_LOG_WARNING, "memory map too long; its end is not used");
    if (!memory_start(&boot))
        panic("no usable memory map from the boot loader");
    if (!address_space_start())
        panic("not enough memory for page tables");
    memory_start_heap();
    log_printf(VST_LOG_INFO, "memory: %llu KiB of RAM, %llu KiB for malloc, %llu KiB for devices",
               (unsigned long long)(range_set_total(memory_ram()) >> 10),
               (unsigned long long)(memory_heap_bytes() >> 10),
               (unsigned long long)(memory_free_bytes() >> 10));
}

static void start_cpus(void)
{
    interrupts_start(&acpi);
    cpus_start(&acpi, options.n_cpus);
    if (options.log_level >= VST_LOG_DEBUG)
        cpus_check();
}

static void start_machine(uint32_t loader, uint32_t info_physical)
{
    hosted_objects_start();
    start_console();
    cpus_start_boot_cpu(trap_dump);
    if (!boot_info_read(&boot, loader, info_physical))
        panic("started by %s, which makes no sense here", boot.protocol);
    options_take(&options, boot.command_line);
    log_set_level(options.log_level);
    mmio_places_take(&mmio_places, boot.command_line);
    log_printf(VST_LOG_INFO, "boot: %s, loader \"%s\"", boot.protocol, boot.loader_name);
    start_memory();
    acpi_read(&acpi, &boot);
    for (size_t i = 0; i < acpi.virtio_mmio.n; i++)
        mmio_places_add(&mmio_places, acpi.virtio_mmio.places[i]);
    power_start(&acpi);
    clock_start(&acpi);
    log_printf(VST_LOG_INFO, "clock: %llu Hz by %s", (unsigned long long)clock_ticks_per_second(),
               clock_source());
    start_cpus();
}

static struct shell_host host;

static void look_after(void)
{
    disks_look_after();
    host.functions = disks_functions(&host.n_functions);
}

/* The shell asks for bytes all the time at its prompt, and ten times a second in long commands: so
 * this is the place to do what has to be done now and then. */
static int read_console(void *ctx, uint64_t timeout_ns)
{
    uint64_t start_ns = clock_ns();
    int byte;

    (void)ctx;
    fflush(stdout);
    look_after();
    while ((byte = console_read_byte()) < 0 && timeout_ns > 0) {
        look_after();
        if (timeout_ns != UINT64_MAX && clock_ns() - start_ns >= timeout_ns)
            break;
        arch_pause();
    }
    return byte;
}

static uint64_t read_ticks(void *ctx)
{
    (void)ctx;
    return arch_tsc();
}

static enum vst_status rescan(void *ctx, unsigned *n_added, unsigned *n_removed)
{
    (void)ctx;
    enum vst_status status = disks_rescan(n_added, n_removed);
    host.functions = disks_functions(&host.n_functions);
    return status;
}

static enum vst_status rescan_adapter(void *ctx, unsigned number, unsigned *n_added,
                                      unsigned *n_removed)
{
    (void)ctx;
    return disks_rescan_adapter(number, n_added, n_removed);
}

static void reboot(void *ctx)
{
    (void)ctx;
    fflush(stdout);
    power_reboot();
}

static bool run_on(void *ctx, unsigned cpu, void (*function)(void *argument), void *argument)
{
    (void)ctx;
    return cpu_run(cpu, function, argument);
}

static bool join(void *ctx, unsigned cpu)
{
    (void)ctx;
    return cpu_wait(cpu, JOIN_NS);
}

static void idle_unless(void *ctx, bool (*ready)(void *argument), void *argument)
{
    (void)ctx;
    interrupts_doze_unless(ready, argument);
}

static int run_shell(void)
{
    host = (struct shell_host){
        .platform = &kernel_platform,
        .registry = disks_registry(),
        .units = adapters_units(),
        .console_read = read_console,
        .ticks = read_ticks,
        .ticks_per_second = clock_ticks_per_second(),
        .interactive = options.interactive,
        .rescan = rescan,
        .rescan_adapter = rescan_adapter,
        .reboot = reboot,
        .n_cpus = n_cpus(),
        .run_on = run_on,
        .join = join,
        .idle_unless = idle_unless,
    };
    host.functions = disks_functions(&host.n_functions);

    if (boot.command_line_cut) {
        printf("The command line is longer than %u bytes; nothing of it was run.\n",
               BOOT_COMMAND_LINE_BYTES - 1);
        return 1;
    }
    int status = shell_run(&host, boot.command_line);
    if (status == SHELL_NO_EXIT)
        status = options.interactive ? shell_interactive(&host) : 0;
    return status;
}

void kernel_start(uint32_t loader, uint32_t info_physical)
{
    start_machine(loader, info_physical);
    pci_host_start(&acpi);
    disks_find_functions(&acpi, &boot, &options);
    size_t n_functions;
    const struct vst_pci_function *functions = disks_functions(&n_functions);
    iommu_start(&acpi, functions, n_functions, options.iommu_keep);
    disks_attach(&mmio_places);
    exit(run_shell());
}
