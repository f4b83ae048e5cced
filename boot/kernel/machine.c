/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/kernel/acpi.h"
#include "boot/kernel/address_space.h"
#include "boot/kernel/clock.h"
#include "boot/kernel/console.h"
#include "boot/kernel/cpus.h"
#include "boot/kernel/disks.h"
#include "boot/kernel/hosted_objects.h"
#include "boot/kernel/interrupts.h"
#include "boot/kernel/iommu.h"
#include "boot/kernel/log.h"
#include "boot/kernel/machine.h"
#include "boot/kernel/memory.h"
#include "boot/kernel/pci_host.h"
#include "boot/kernel/power.h"
#include "boot/kernel/trap_dump.h"

static struct machine machine;
static struct mmio_places mmio_places;

static void start_memory(void (*start_heap)(void))
{
    if (machine.boot.memory_map_cut)
        log_line(VST_LOG_WARNING, "memory map too long; its end is not used");
    if (!memory_start(&machine.boot))
        panic("no usable memory map from the boot loader");
    if (!address_space_start())
        panic("not enough memory for page tables");
    start_heap();
    log_printf(VST_LOG_INFO, "memory: %llu KiB of RAM, %llu KiB for malloc, %llu KiB for devices",
               (unsigned long long)(range_set_total(memory_ram()) >> 10),
               (unsigned long long)(memory_heap_bytes() >> 10),
               (unsigned long long)(memory_free_bytes() >> 10));
}

static void start_cpus(unsigned n_usual)
{
    unsigned n_wanted = machine.options.n_cpus != 0 ? machine.options.n_cpus : n_usual;

    interrupts_start(&machine.acpi);
    cpus_start(&machine.acpi, n_wanted);
    if (machine.options.log_level >= VST_LOG_DEBUG)
        cpus_check();
}

static void start_core(uint32_t loader, uint32_t info_physical, const struct machine_plan *plan)
{
    struct boot_info *boot = &machine.boot;

    hosted_objects_start();
    console_start();
    cpus_start_boot_cpu(trap_dump);
    if (!boot_info_read(boot, loader, info_physical))
        panic("started by %s, which makes no sense here", boot->protocol);
    options_take(&machine.options, boot->command_line);
    log_set_level(machine.options.log_level);
    mmio_places_take(&mmio_places, boot->command_line);
    log_printf(VST_LOG_INFO, "boot: %s, loader \"%s\"", boot->protocol, boot->loader_name);
    start_memory(plan->start_heap);
    acpi_read(&machine.acpi, boot);
    for (size_t i = 0; i < machine.acpi.virtio_mmio.n; i++)
        mmio_places_add(&mmio_places, machine.acpi.virtio_mmio.places[i]);
    power_start(&machine.acpi);
    clock_start(&machine.acpi);
    log_printf(VST_LOG_INFO, "clock: %llu Hz by %s", (unsigned long long)clock_ticks_per_second(),
               clock_source());
    start_cpus(plan->n_cpus);
}

const struct machine *machine_start(uint32_t loader, uint32_t info_physical,
                                    const struct machine_plan *plan)
{
    size_t n_functions;

    start_core(loader, info_physical, plan);
    pci_host_start(&machine.acpi);
    disks_find_functions(&machine.acpi, &machine.boot, &machine.options);
    const struct vst_pci_function *functions = disks_functions(&n_functions);
    iommu_start(&machine.acpi, functions, n_functions, machine.options.iommu_keep);
    disks_attach(&mmio_places);
    return &machine;
}
