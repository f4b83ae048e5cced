/* SPDX-License-Identifier: BSD-2-Clause */
/* The composition root: brings the machine up part by part, finds the disks and hands over to the
 * shell. */
#include <arch/cpu.h>
#include <arch/entry.h>
#include <stdio.h>
#include <stdlib.h>

#include "boot/kernel/acpi.h"
#include "boot/kernel/address_space.h"
#include "boot/kernel/boot_info.h"
#include "boot/kernel/clock.h"
#include "boot/kernel/console.h"
#include "boot/kernel/cpus.h"
#include "boot/kernel/disk_irq.h"
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

#define MAX_PCI_FUNCTIONS 1024u
#define STDOUT_BYTES      4096u
#define JOIN_NS           1000000000ull
#define LOOK_NS           100000000ull

static struct boot_info boot;
static struct acpi_info acpi;
static struct options options;
static struct mmio_places mmio_places;
static struct vst_block_registry registry;
static struct vst_scsi_hba *hbas; /* the latest first */
static struct vst_pci_function *functions;
static size_t n_functions;
static struct vst_bounce bounce;
static const struct vst_platform *disk_platform = &kernel_platform;

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

static void start_pci(void)
{
    pci_host_start(&acpi);
    struct vst_pci_host host = pci_host_describe(&kernel_platform, &boot);
    log_printf(VST_LOG_INFO, "pci: windows 0x%llx-0x%llx, 0x%llx-0x%llx",
               (unsigned long long)host.memory_below_4g.first,
               (unsigned long long)host.memory_below_4g.last,
               (unsigned long long)host.memory_above_4g.first,
               (unsigned long long)host.memory_above_4g.last);

    functions = calloc(MAX_PCI_FUNCTIONS, sizeof(*functions));
    if (functions == NULL)
        panic("not enough memory for the list of PCI functions");
    enum vst_status status = vst_pci_scan(&host, functions, MAX_PCI_FUNCTIONS, &n_functions);
    if (status != VST_OK)
        log_printf(VST_LOG_WARNING, "pci: scan: %s", vst_status_text(status));
    status = vst_pci_assign(&host, functions, n_functions, options.pci_reassign);
    if (status != VST_OK)
        log_printf(VST_LOG_WARNING, "pci: placing of BARs: %s", vst_status_text(status));
}

static void attach_blk(const struct vst_pci_function *function)
{
    struct vst_block_device *device;
    char address[13];

    struct vst_virtio_blk_config config = options.blk;
    struct disk_irq *irq = disk_irq_prepare(function, config.n_queues, &config.irq);
    vst_pci_enable(&kernel_platform, functions, function);
    enum vst_status status = vst_virtio_blk_attach(disk_platform, function, &config, &device);
    disk_irq_finish(irq, status == VST_OK ? device : NULL);
    if (status == VST_OK) {
        vst_block_register(&registry, device, "vd");
        return;
    }
    vst_pci_disable(&kernel_platform, function);
    printf("%s: virtio-blk: %s%s\n", vst_pci_address_text(function->address, address),
           vst_status_text(status), iommu_obstacle());
}

/* ------------------------------------------------------------------ SCSI */

static void attach_unit(void *ctx, const struct vst_scsi_found *unit)
{
    struct vst_scsi_hba *hba = ctx;
    struct vst_block_device *device;

    if (unit->type != VST_SCSI_TYPE_DISK)
        return;
    enum vst_status status = vst_scsi_disk_attach(hba, unit->target, &unit->lun, &device);
    if (status == VST_OK)
        vst_block_register(&registry, device, "sd");
    else
        printf("%s: target %u LUN %lu: %s\n", hba->path, unit->target,
               (unsigned long)unit->lun.number, vst_status_text(status));
}

static void use_adapter(struct vst_scsi_hba *hba)
{
    hba->number = hbas != NULL ? (uint16_t)(hbas->number + 1) : 0;
    hba->next = hbas;
    hbas = hba;
    enum vst_status status = vst_scsi_scan(hba, attach_unit, hba);
    if (status != VST_OK)
        printf("%s: scan: %s\n", hba->path, vst_status_text(status));
}

static void attach_scsi(const struct vst_pci_function *function)
{
    struct vst_virtio_scsi_config config = options_scsi(&options);
    struct disk_irq *irq = disk_irq_prepare(function, config.n_queues, &config.irq);
    struct vst_scsi_hba *hba;
    char address[13];

    vst_pci_enable(&kernel_platform, functions, function);
    enum vst_status status = vst_virtio_scsi_attach(disk_platform, function, &config, &hba);
    disk_irq_finish_adapter(irq, status == VST_OK ? hba : NULL);
    if (status == VST_OK) {
        use_adapter(hba);
        return;
    }
    vst_pci_disable(&kernel_platform, function);
    printf("%s: virtio-scsi: %s%s\n", vst_pci_address_text(function->address, address),
           vst_status_text(status), iommu_obstacle());
}

static void attach_mmio_scsi(const struct mmio_place *place)
{
    struct vst_virtio_scsi_config config = options_scsi(&options);
    struct vst_scsi_hba *hba;

    config.irq.mode = VST_IRQ_POLL;
    enum vst_status status =
        vst_virtio_mmio_scsi_attach(disk_platform, place->physical, place->bytes, &config, &hba);
    if (status == VST_OK)
        use_adapter(hba);
    else
        printf("virtio-mmio-%llx: virtio-scsi: %s\n", (unsigned long long)place->physical,
               vst_status_text(status));
}

/* ------------------------------------------------------------------ virtio-mmio */

static void attach_mmio(const struct mmio_place *place)
{
    struct vst_block_device *device;
    uint32_t type;

    enum vst_status status =
        vst_virtio_mmio_probe(&kernel_platform, place->physical, place->bytes, &type);
    log_printf(VST_LOG_INFO, "virtio-mmio: 0x%llx bytes at 0x%llx: %s",
               (unsigned long long)place->bytes, (unsigned long long)place->physical,
               status != VST_OK ? vst_status_text(status) : "present");
    if (status == VST_OK && type == VST_VIRTIO_TYPE_SCSI)
        attach_mmio_scsi(place);
    if (status != VST_OK || type != VST_VIRTIO_TYPE_BLOCK)
        return;
    /* Which interrupt a place has is not known here. */
    struct vst_virtio_blk_config config = options.blk;
    config.irq.mode = VST_IRQ_POLL;
    status =
        vst_virtio_mmio_blk_attach(disk_platform, place->physical, place->bytes, &config, &device);
    if (status == VST_OK)
        vst_block_register(&registry, device, "vd");
    else
        printf("virtio-mmio-%llx: virtio-blk: %s\n", (unsigned long long)place->physical,
               vst_status_text(status));
}

/* A pool that can't be had is no reason to show disks what they were not to see. */
static void start_bounce(void)
{
    if (options.bounce_bytes == 0)
        return;
    enum vst_status status = vst_bounce_start(&bounce, &kernel_platform, options.bounce_bytes);
    if (status != VST_OK)
        panic("no bounce pool of that size: less memory, or vstor.dma=direct");
    disk_platform = &bounce.platform;
    log_printf(VST_LOG_INFO, "dma: by a pool of %llu KiB",
               (unsigned long long)options.bounce_bytes >> 10);
}

static void attach_disks(void)
{
    start_bounce();
    for (size_t i = 0; i < n_functions; i++)
        if (vst_virtio_blk_matches(&functions[i]))
            attach_blk(&functions[i]);
    for (size_t i = 0; i < n_functions; i++)
        if (vst_virtio_scsi_matches(&functions[i]))
            attach_scsi(&functions[i]);
    for (size_t i = 0; i < mmio_places.n; i++)
        attach_mmio(&mmio_places.places[i]);
}

/* What has changed is taken over here; `events` tells of it, the log of what is wrong with it. */
static void look_after_disks(void)
{
    static uint64_t next_ns;
    uint64_t now_ns = clock_ns();

    if (now_ns < next_ns)
        return;
    next_ns = now_ns + LOOK_NS;
    for (struct vst_block_device *device = registry.first; device != NULL; device = device->next)
        (void)!vst_block_refresh(device);
    for (struct vst_scsi_hba *hba = hbas; hba != NULL; hba = hba->next)
        hba->ops->look(hba);
}

/* The shell asks for bytes all the time at its prompt, and ten times a second in long commands: so
 * this is the place to do what has to be done now and then. */
static int read_console(void *ctx, uint64_t timeout_ns)
{
    uint64_t start_ns = clock_ns();
    int byte;

    (void)ctx;
    fflush(stdout);
    look_after_disks();
    while ((byte = console_read_byte()) < 0 && timeout_ns > 0) {
        look_after_disks();
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
    const struct shell_host host = {
        .platform = &kernel_platform,
        .registry = &registry,
        .functions = functions,
        .n_functions = n_functions,
        .console_read = read_console,
        .ticks = read_ticks,
        .ticks_per_second = clock_ticks_per_second(),
        .interactive = options.interactive,
        .reboot = reboot,
        .n_cpus = n_cpus(),
        .run_on = run_on,
        .join = join,
        .idle_unless = idle_unless,
    };

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
    start_pci();
    iommu_start(&acpi, functions, n_functions, options.iommu_keep);
    attach_disks();
    exit(run_shell());
}
