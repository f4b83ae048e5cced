/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/kernel/adapters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot/kernel/log.h"
#include "boot/kernel/memory.h"

struct adapter {
    struct adapter *next;
    struct vst_scsi_hba *hba;
    struct disk_irq *irq;
    bool is_pci;
    bool looked_for; /* gone, and the bus was scanned for it */
    struct vst_pci_address address;
};

static struct vst_block_registry *registry;
static struct vst_scsi_units units;
static struct vst_scsi_paths paths;
static struct adapter *adapters;
static bool running;
static unsigned n_added, n_removed;

/* ---------------------------------------------------------------- units that come and go */

static void name_disk(struct vst_block_device *device, const char *prefix)
{
    vst_block_register(registry, device, prefix);
    if (running) {
        vst_block_note_plug(registry, device, true);
        n_added++;
    }
}

static void unname_disk(struct vst_block_device *device)
{
    vst_block_note_plug(registry, device, false);
    vst_block_unregister(registry, device);
    n_removed++;
}

#define MOST_RAW 4096u

/* "st0", "sg1": the least number that is free. One without a name can't be reached, but is shown. */
static void name_raw(struct vst_scsi_unit *unit)
{
    static bool taken[MOST_RAW];
    const char *prefix = unit->type == VST_SCSI_TYPE_TAPE ? "st" : "sg";
    unsigned number;

    memset(taken, 0, sizeof(taken));
    for (const struct vst_scsi_unit *other = units.first; other != NULL; other = other->next)
        if (strncmp(other->name, prefix, strlen(prefix)) == 0) {
            number = (unsigned)strtoul(other->name + strlen(prefix), NULL, 10);
            taken[number % MOST_RAW] = true;
        }
    for (number = 0; number < MOST_RAW && taken[number]; number++)
        ;
    if (number < MOST_RAW)
        snprintf(unit->name, sizeof(unit->name), "%s%u", prefix, number);
}

static bool is_block(const struct vst_scsi_unit *unit)
{
    return unit->type == VST_SCSI_TYPE_DISK || unit->type == VST_SCSI_TYPE_CD;
}

static bool make_block(struct vst_scsi_unit *unit)
{
    struct vst_block_device *device;
    enum vst_status status = vst_scsi_disk_attach_unit(unit, &device);

    if (status == VST_OK)
        vst_scsi_paths_take(&paths, &units, unit);
    else
        printf("%s: %s\n", unit->path, vst_status_text(status));
    return status == VST_OK;
}

static void found(void *ctx, struct vst_scsi_unit *unit)
{
    (void)ctx;
    log_printf(VST_LOG_DEBUG, "%s: %s %s %s", unit->path, vst_scsi_type_name(unit->type),
               unit->vendor, unit->product);
    if (!is_block(unit) || !make_block(unit))
        name_raw(unit);
}

/* Who was not ready when it was found may be by now: a disk that was starting, a standby path. */
static void try_again(const struct vst_scsi_hba *hba)
{
    for (struct vst_scsi_unit *unit = units.first; unit != NULL; unit = unit->next)
        if (unit->hba == hba && is_block(unit) && unit->block == NULL && !unit->gone &&
            make_block(unit))
            unit->name[0] = '\0';
}

static void lost(void *ctx, struct vst_scsi_unit *unit)
{
    struct vst_block_device *device = unit->block;

    (void)ctx;
    if (device == NULL)
        return;
    if (device->name[0] != '\0') /* a path's has none */
        unname_disk(device);
    vst_scsi_disk_detach(device);
    log_printf(VST_LOG_INFO,
               "memory: a disk has left; %llu KiB for devices, malloc holds %llu bytes",
               (unsigned long long)memory_free_bytes() >> 10,
               (unsigned long long)memory_malloc_held_bytes());
}

/* ---------------------------------------------------------------- disks of several paths */

static void is_alone(void *ctx, struct vst_scsi_unit *unit)
{
    (void)ctx;
    name_disk(unit->block, unit->type == VST_SCSI_TYPE_CD ? "sr0" : "sd");
}

static void path_found(void *ctx, struct vst_block_device *old, struct vst_block_device *device)
{
    (void)ctx;
    vst_block_replace(registry, old, device);
}

static void paths_lost(void *ctx, struct vst_block_device *device)
{
    (void)ctx;
    unname_disk(device);
}

/* ---------------------------------------------------------------- adapters */

void adapters_start(struct vst_block_registry *disks)
{
    registry = disks;
    units.found = found;
    units.lost = lost;
    paths.alone = is_alone;
    paths.made = path_found;
    paths.left = paths_lost;
}

void adapters_run(void)
{
    running = true;
}

struct vst_scsi_units *adapters_units(void)
{
    return &units;
}

static void keep(struct vst_scsi_hba *hba, struct disk_irq *irq,
                 const struct vst_pci_function *function)
{
    struct adapter *adapter = calloc(1, sizeof(*adapter));

    if (adapter == NULL) /* it works, but can't be unplugged */
        return;
    adapter->hba = hba;
    adapter->irq = irq;
    if (function != NULL) {
        adapter->is_pci = true;
        adapter->address = function->address;
    }
    adapter->next = adapters;
    adapters = adapter;
}

void adapters_use(struct vst_scsi_hba *hba, struct disk_irq *irq,
                  const struct vst_pci_function *function)
{
    keep(hba, irq, function);
    vst_scsi_units_add(&units, hba);
    enum vst_status status = vst_scsi_units_scan(&units, hba);
    if (status != VST_OK)
        printf("%s: scan: %s\n", hba->path, vst_status_text(status));
}

void adapters_unplug(bool (*is_lost)(struct vst_pci_address address))
{
    for (struct adapter *adapter = adapters; adapter != NULL; adapter = adapter->next) {
        if (!adapter->is_pci || adapter->looked_for)
            continue;
        if (is_lost(adapter->address))
            vst_virtio_scsi_unplug(adapter->hba);
        adapter->looked_for = adapter->hba->gone;
    }
}

bool adapters_look_after(void)
{
    bool moved = false;

    for (struct vst_scsi_hba *hba = units.hbas; hba != NULL; hba = hba->next)
        if (!hba->gone)
            vst_scsi_units_look_after(&units, hba);
    vst_scsi_paths_look_after(&paths, &units);
    for (struct adapter *adapter = adapters; adapter != NULL; adapter = adapter->next)
        moved |= adapter->hba->gone && !adapter->looked_for;
    return moved;
}

void adapters_retire(void)
{
    struct adapter **link = &adapters;

    while (*link != NULL) {
        struct adapter *adapter = *link;
        if (!adapter->looked_for || !vst_scsi_units_forget(&units, adapter->hba)) {
            link = &adapter->next;
            continue;
        }
        *link = adapter->next;
        disk_irq_end(adapter->irq);
        vst_virtio_scsi_detach(adapter->hba);
        free(adapter);
        log_printf(VST_LOG_INFO, "memory: an adapter has left; %llu KiB for devices",
                   (unsigned long long)memory_free_bytes() >> 10);
    }
}

static enum vst_status rescan(struct vst_scsi_hba *hba)
{
    enum vst_status status = vst_scsi_units_scan(&units, hba);

    try_again(hba);
    vst_scsi_units_look_after(&units, hba); /* those that are gone leave */
    return status;
}

void adapters_rescan(void)
{
    for (struct vst_scsi_hba *hba = units.hbas; hba != NULL; hba = hba->next)
        if (!hba->gone)
            (void)!rescan(hba);
}

enum vst_status adapters_rescan_one(unsigned number)
{
    for (struct vst_scsi_hba *hba = units.hbas; hba != NULL; hba = hba->next)
        if (hba->number == number)
            return rescan(hba);
    return VST_ERR_NOT_FOUND;
}

void adapters_count(unsigned *added, unsigned *removed)
{
    *added = n_added;
    *removed = n_removed;
    n_added = n_removed = 0;
}

/* Their disks stay behind without a driver: nobody will look at them. */
void adapters_release(void (*cut_off)(struct vst_pci_address address))
{
    for (struct adapter *adapter = adapters; adapter != NULL; adapter = adapter->next) {
        vst_virtio_scsi_detach(adapter->hba);
        if (adapter->is_pci)
            cut_off(adapter->address);
    }
}
