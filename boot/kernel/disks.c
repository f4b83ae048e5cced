/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/kernel/disks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot/kernel/adapters.h"
#include "boot/kernel/clock.h"
#include "boot/kernel/disk_irq.h"
#include "boot/kernel/iommu.h"
#include "boot/kernel/log.h"
#include "boot/kernel/memory.h"
#include "boot/kernel/pci_host.h"
#include "boot/kernel/platform.h"

#define MAX_PCI_FUNCTIONS 1024u
#define MAX_SLOTS         256u
#define LOOK_NS           100000000ull

struct disk {
    struct disk *next;
    struct vst_block_device *device;
    struct disk_irq *irq;
    bool is_pci;
    bool looked_for; /* gone, and the bus was scanned for it */
    struct vst_pci_address address;
};

static const struct options *options;
static const struct acpi_info *acpi;
static struct vst_pci_host host;
static struct vst_pci_function *functions;
static size_t n_functions;
static struct vst_pci_slot *slots; /* none where there is no memory for them */
static size_t n_slots;
static struct vst_bounce bounce;
static const struct vst_platform *disk_platform = &kernel_platform;
static struct vst_block_registry registry;
static struct disk *disks;
static bool running; /* from here on, disks that come or go are events */
static unsigned n_added, n_removed;

struct vst_block_registry *disks_registry(void)
{
    return &registry;
}

const struct vst_pci_function *disks_functions(size_t *n)
{
    *n = n_functions;
    return functions;
}

/* ---------------------------------------------------------------- functions */

static void place_bars(bool all)
{
    enum vst_status status = vst_pci_assign(&host, functions, n_functions, all);

    if (status != VST_OK)
        log_printf(VST_LOG_WARNING, "pci: placing of BARs: %s", vst_status_text(status));
}

static bool same_place(struct vst_pci_address a, struct vst_pci_address b)
{
    return a.segment == b.segment && a.bus == b.bus && a.device == b.device &&
           a.function == b.function;
}

/* Slots that we knew go on as they were. */
static void find_slots(void)
{
    struct vst_pci_slot *before = slots;
    size_t n_before = n_slots;

    slots = calloc(MAX_SLOTS, sizeof(*slots));
    n_slots = slots == NULL
                  ? 0
                  : vst_pci_slots(&kernel_platform, functions, n_functions, slots, MAX_SLOTS);
    for (size_t i = 0; i < n_slots; i++)
        for (size_t k = 0; k < n_before; k++)
            if (same_place(slots[i].port, before[k].port))
                slots[i] = before[k];
    free(before);
}

void disks_find_functions(const struct acpi_info *tables, const struct boot_info *boot,
                          const struct options *chosen)
{
    acpi = tables;
    options = chosen;
    host = pci_host_describe(&kernel_platform, boot);
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
    place_bars(options->pci_reassign);
}

/* ---------------------------------------------------------------- attaching */

static void name(struct vst_block_device *device)
{
    vst_block_register(&registry, device, "vd");
    if (running) {
        vst_block_note_plug(&registry, device, true);
        n_added++;
    }
}

static void keep(struct vst_block_device *device, struct disk_irq *irq,
                 const struct vst_pci_function *function)
{
    struct disk *disk = calloc(1, sizeof(*disk));

    name(device);
    if (disk == NULL) /* it works, but can't be unplugged */
        return;
    disk->next = disks;
    disk->device = device;
    disk->irq = irq;
    if (function != NULL) {
        disk->is_pci = true;
        disk->address = function->address;
    }
    disks = disk;
}

static void attach_blk(const struct vst_pci_function *function)
{
    struct vst_block_device *device;
    char address[13];

    struct vst_virtio_blk_config config = options->blk;
    struct disk_irq *irq = disk_irq_prepare(function, config.n_queues, &config.irq);
    vst_pci_enable(&kernel_platform, functions, function);
    enum vst_status status = vst_virtio_blk_attach(disk_platform, function, &config, &device);
    irq = disk_irq_finish(irq, status == VST_OK ? device : NULL);
    if (status == VST_OK) {
        keep(device, irq, function);
        return;
    }
    vst_pci_disable(&kernel_platform, function);
    printf("%s: virtio-blk: %s%s\n", vst_pci_address_text(function->address, address),
           vst_status_text(status), iommu_obstacle());
}

/* ---------------------------------------------------------------- SCSI adapters */

static void attach_scsi(const struct vst_pci_function *function)
{
    struct vst_virtio_scsi_config config = options_scsi(options);
    struct disk_irq *irq = disk_irq_prepare(function, config.n_queues, &config.irq);
    struct vst_scsi_hba *hba;
    char address[13];

    vst_pci_enable(&kernel_platform, functions, function);
    enum vst_status status = vst_virtio_scsi_attach(disk_platform, function, &config, &hba);
    irq = disk_irq_finish_adapter(irq, status == VST_OK ? hba : NULL);
    if (status == VST_OK) {
        adapters_use(hba, irq, function);
        return;
    }
    vst_pci_disable(&kernel_platform, function);
    printf("%s: virtio-scsi: %s%s\n", vst_pci_address_text(function->address, address),
           vst_status_text(status), iommu_obstacle());
}

static void attach_mmio_scsi(const struct mmio_place *place)
{
    struct vst_virtio_scsi_config config = options_scsi(options);
    struct vst_scsi_hba *hba;

    config.irq.mode = VST_IRQ_POLL;
    enum vst_status status =
        vst_virtio_mmio_scsi_attach(disk_platform, place->physical, place->bytes, &config, &hba);
    if (status == VST_OK)
        adapters_use(hba, NULL, NULL);
    else
        printf("virtio-mmio-%llx: virtio-scsi: %s\n", (unsigned long long)place->physical,
               vst_status_text(status));
}

/* ---------------------------------------------------------------- attaching, all */

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
    struct vst_virtio_blk_config config = options->blk;
    config.irq.mode = VST_IRQ_POLL;
    status =
        vst_virtio_mmio_blk_attach(disk_platform, place->physical, place->bytes, &config, &device);
    if (status == VST_OK)
        keep(device, NULL, NULL);
    else
        printf("virtio-mmio-%llx: virtio-blk: %s\n", (unsigned long long)place->physical,
               vst_status_text(status));
}

/* A pool that can't be had is no reason to show disks what they were not to see. */
static void start_bounce(void)
{
    if (options->bounce_bytes == 0)
        return;
    enum vst_status status = vst_bounce_start(&bounce, &kernel_platform, options->bounce_bytes);
    if (status != VST_OK)
        panic("no bounce pool of that size: less memory, or vstor.dma=direct");
    disk_platform = &bounce.platform;
    log_printf(VST_LOG_INFO, "dma: by a pool of %llu KiB",
               (unsigned long long)options->bounce_bytes >> 10);
}

/* Those that were found just now: what could not be attached before can't be now. */
static void attach_fresh(void)
{
    for (size_t i = 0; i < n_functions; i++)
        if (functions[i].fresh && vst_virtio_blk_matches(&functions[i]))
            attach_blk(&functions[i]);
    for (size_t i = 0; i < n_functions; i++)
        if (functions[i].fresh && vst_virtio_scsi_matches(&functions[i]))
            attach_scsi(&functions[i]);
}

void disks_attach(const struct mmio_places *places)
{
    adapters_start(&registry);
    start_bounce();
    attach_fresh();
    for (size_t i = 0; i < places->n; i++)
        attach_mmio(&places->places[i]);
    find_slots();
    running = true;
    adapters_run();
}

/* ---------------------------------------------------------------- coming and going */

static const struct vst_pci_function *function_at(struct vst_pci_address address)
{
    for (size_t i = 0; i < n_functions; i++)
        if (same_place(functions[i].address, address))
            return &functions[i];
    return NULL;
}

static bool is_lost(struct vst_pci_address address)
{
    const struct vst_pci_function *function = function_at(address);

    return function == NULL || function->fresh;
}

/*
 * What is gone, or has another in its place. Who uses such a disk gets errors from now on. One whose
 * driver finds its place empty while a scan finds it there is not unplugged: its memory stays taken.
 */
static void unplug_lost(void)
{
    adapters_unplug(is_lost);
    for (struct disk *disk = disks; disk != NULL; disk = disk->next) {
        if (!disk->is_pci || disk->looked_for)
            continue;
        if (is_lost(disk->address))
            vst_virtio_blk_unplug(disk->device);
        disk->looked_for = disk->device->gone;
    }
}

/* Disks that are gone and that nobody uses any more leave for good. */
static void retire(void)
{
    adapters_retire();
    struct disk **link = &disks;

    while (*link != NULL) {
        struct disk *disk = *link;
        if (!disk->looked_for || !vst_block_is_idle_and_gone(disk->device)) {
            link = &disk->next;
            continue;
        }
        *link = disk->next;
        vst_block_note_plug(&registry, disk->device, false);
        vst_block_unregister(&registry, disk->device);
        n_removed++;
        disk_irq_end(disk->irq);
        vst_virtio_blk_detach(disk->device);
        free(disk);
        log_printf(VST_LOG_INFO,
                   "memory: a disk has left; %llu KiB for devices, malloc holds %llu bytes",
                   (unsigned long long)memory_free_bytes() >> 10,
                   (unsigned long long)memory_malloc_held_bytes());
    }
}

static enum vst_status rescan(void)
{
    enum vst_status status = vst_pci_rescan(&host, functions, MAX_PCI_FUNCTIONS, &n_functions);

    if (status != VST_OK)
        log_printf(VST_LOG_WARNING, "pci: scan: %s", vst_status_text(status));
    unplug_lost();
    retire(); /* so that who comes in the place of another has its name */
    place_bars(false);
    attach_fresh();
    find_slots();
    return status;
}

static bool is_behind(const struct vst_pci_function *function, struct vst_pci_address port)
{
    while (function != NULL && function->parent >= 0) {
        function = &functions[function->parent];
        if (same_place(function->address, port))
            return true;
    }
    return false;
}

static struct vst_pci_address emptied;

static bool is_behind_emptied(struct vst_pci_address address)
{
    return is_behind(function_at(address), emptied);
}

static void empty_slot(struct vst_pci_slot *slot)
{
    emptied = slot->port;
    adapters_unplug(is_behind_emptied);
    for (struct disk *disk = disks; disk != NULL; disk = disk->next)
        if (disk->is_pci && is_behind_emptied(disk->address))
            vst_virtio_blk_unplug(disk->device);
    (void)!vst_pci_slot_power(&kernel_platform, slot, false);
}

/* True if something has come or gone. */
static bool follow_slot(struct vst_pci_slot *slot)
{
    char port[13];

    switch (vst_pci_slot_poll(&kernel_platform, slot)) {
    case VST_PCI_SLOT_QUIET:
        return false;
    case VST_PCI_SLOT_ARRIVED:
        if (vst_pci_slot_power(&kernel_platform, slot, true) != VST_OK)
            log_printf(VST_LOG_WARNING, "pci: %s: something is in the slot, but has no link",
                       vst_pci_address_text(slot->port, port));
        return true;
    default:
        empty_slot(slot);
        return true;
    }
}

static unsigned n_bridges(void)
{
    unsigned n = 0;

    for (size_t i = 0; i < n_functions; i++)
        n += functions[i].secondary_bus != 0;
    return n;
}

static bool refresh_all(void)
{
    bool lost = adapters_look_after();

    for (struct disk *disk = disks; disk != NULL; disk = disk->next)
        lost |= !disk->looked_for && vst_block_refresh(disk->device) == VST_ERR_GONE;
    return lost;
}

/* Notices of the slots, and disks that are seen to be gone without. */
static bool anything_moved(void)
{
    bool moved = refresh_all();

    for (size_t i = 0; i < n_slots; i++)
        moved |= follow_slot(&slots[i]);
    moved |= acpi_hotplug_poll(&acpi->hotplug, 1 + n_bridges());
    return moved;
}

/* INTx as firmware leaves it: a kernel may have nothing else. */
static void cut_off(struct vst_pci_address address)
{
    const struct vst_pci_function *function = function_at(address);

    if (function == NULL)
        return;
    vst_pci_disable(&kernel_platform, function);
    vst_pci_enable(&kernel_platform, functions, function);
    vst_pci_intx_enable(&kernel_platform, function, true);
}

void disks_release(void)
{
    for (struct disk *disk = disks; disk != NULL; disk = disk->next) {
        vst_virtio_blk_detach(disk->device);
        if (disk->is_pci)
            cut_off(disk->address);
    }
    adapters_release(cut_off);
}

void disks_look_after(void)
{
    static uint64_t next_ns;
    uint64_t now_ns = clock_ns();

    if (now_ns < next_ns)
        return;
    if (anything_moved())
        (void)!rescan();
    retire();
    next_ns = now_ns + LOOK_NS;
}

static void count(unsigned *added, unsigned *removed)
{
    adapters_count(added, removed);
    *added += n_added;
    *removed += n_removed;
    n_added = n_removed = 0;
}

enum vst_status disks_rescan(unsigned *added, unsigned *removed)
{
    (void)anything_moved();
    enum vst_status status = rescan();

    adapters_rescan();
    count(added, removed);
    return status;
}

enum vst_status disks_rescan_adapter(unsigned number, unsigned *added, unsigned *removed)
{
    enum vst_status status = adapters_rescan_one(number);

    count(added, removed);
    return status;
}
