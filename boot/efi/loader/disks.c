/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/disks.h"

#include <arch/cpu.h>

#include "block/request_list.h"
#include "boot/efi/driver.h"
#include "boot/efi/loader/device_path.h"
#include "boot/efi/loader/pool.h"
#include "boot/efi/loader/watch.h"
#include "boot/efi/scsi.h"
#include "boot/efi/transfer.h"
#include "boot/shell/caches.h"
#include "boot/shell/marks.h"

#define CACHE_BYTES     (2u << 20)
#define LOOKS_TILL_POLL 4096u /* time-outs are noticed by polls alone */

static struct vst_block_registry registry;
static struct loader_disk *first, **end = &first;

struct vst_block_registry *disks_registry(void)
{
    return &registry;
}

struct loader_disk *disks_first(void)
{
    return first;
}

struct loader_disk *disks_of(const struct vst_block_device *device)
{
    struct loader_disk *found = first;

    while (found != NULL && found->device != device)
        found = found->next;
    return found;
}

/* ---------------------------------------------------------------- whose turn it is */

static struct {
    unsigned depth; /* of disks_enter */
    bool is_aside;
    EFI_TPL outside;
} turn;

/* The library brings every request back in its time. */
static void wait_for_block_io(struct disk *disk)
{
    while (disk->queue != NULL && (disk->n_in_device > 0 || disk->waiting != NULL)) {
        transfer_poll(disk);
        arch_pause();
    }
    while (disk->others.first != NULL)
        request_list_append(&disk->queue->ready, request_list_take(&disk->others));
}

static void begin_turn(void)
{
    for (struct controller *controller = controller_first(); controller != NULL;
         controller = controller->next)
        for (struct disk *disk = controller->disks; disk != NULL; disk = disk->next)
            wait_for_block_io(disk);
}

EFI_TPL disks_enter(void)
{
    EFI_TPL before = lock();

    if (turn.depth++ == 0) {
        turn.outside = before;
        begin_turn();
    }
    return before;
}

void disks_leave(EFI_TPL before)
{
    turn.depth--;
    unlock(before);
}

bool disks_step_aside(void)
{
    if (turn.depth == 0 || turn.is_aside)
        return false;
    turn.is_aside = true;
    controllers_in_use = true;
    unlock(turn.outside);
    return true;
}

void disks_step_back(bool was_there)
{
    if (!was_there)
        return;
    (void)lock();
    begin_turn();
    controllers_in_use = false;
    turn.is_aside = false;
}

/* ---------------------------------------------------------------- caches */

static void wait_for_device(void *ctx, struct vst_block_queue *queue)
{
    (void)ctx;
    MARK(MARK_SPIN);
    for (unsigned i = 0; i < LOOKS_TILL_POLL && !vst_block_ready(queue); i++)
        arch_pause();
    watch_look();
    MARK(MARK_SPIN | MARK_END);
    if (vst_block_ready(queue))
        watch_progress();
    disks_let_others();
}

enum vst_status disks_open_cache(struct loader_disk *disk)
{
    struct vst_cache_config config = {.queue = disk->queue,
                                      .memory_bytes = CACHE_BYTES,
                                      .mode = VST_CACHE_WRITE_THROUGH,
                                      .wait = wait_for_device};

    if (disk->cache != NULL)
        return VST_OK;
    if (disk->cache_memory == NULL)
        disk->cache_memory = pages_take(CACHE_BYTES);
    config.memory = disk->cache_memory;
    if (config.memory == NULL)
        return VST_ERR_NO_MEMORY;
    enum vst_status status = vst_cache_open(&disk->cache, &config);
    if (status == VST_OK)
        caches_opened(disk->queue, disk->cache);
    return status;
}

/* Nothing was written, so nothing can get lost. */
static void close_cache(struct loader_disk *disk)
{
    if (disk->cache != NULL)
        (void)!caches_close(disk->queue, disk->cache);
    disk->cache = NULL;
    pages_give(disk->cache_memory, CACHE_BYTES);
    disk->cache_memory = NULL;
}

/* The driver lets go of them; what was found of them goes on to be there, and can't be read. */
static void leave(struct controller *controller)
{
    for (struct loader_disk *disk = first; disk != NULL; disk = disk->next)
        if (disk->controller == controller) {
            close_cache(disk);
            if (disk->queue != NULL)
                vst_block_unregister(&registry, disk->device);
            disk->queue = NULL;
        }
}

/* ---------------------------------------------------------------- finding */

static bool add(struct controller *controller, struct vst_block_device *device, struct disk *disk,
                const char *prefix)
{
    struct loader_disk *found = pool_take(sizeof(*found));

    if (found == NULL)
        return false;
    found->controller = controller;
    found->device = device;
    found->queue = device->queues[0];
    found->disk = disk;
    if (disk != NULL) {
        found->handle = disk->handle;
        found->path = device_path_of(disk->handle);
    }
    vst_block_register(&registry, device, prefix);
    *end = found;
    end = &found->next;
    return true;
}

static bool add_units(struct controller *controller)
{
    struct vst_scsi_unit *unit = NULL;
    bool all = true;

    while ((unit = scsi_next_unit(controller, unit)) != NULL)
        if (!unit->gone && unit->block != NULL)
            all &= add(controller, unit->block, unit->user,
                       unit->type == VST_SCSI_TYPE_CD ? "sr0" : "sd");
    return all;
}

static bool add_controller(struct controller *controller)
{
    struct disk *disk = controller->disks;

    if (controller->hba != NULL)
        return add_units(controller);
    return disk->device == NULL || add(controller, disk->device, disk, "vd");
}

/* In the order of the firmware's handles, which is that of the bus; the driver's is by chance. */
bool disks_find(void)
{
    bool all = true;
    UINTN n;

    disks_forget();
    controller_leaves = leave;
    EFI_HANDLE *handles = driver_pci_handles(&n);
    for (UINTN i = 0; handles != NULL && i < n; i++) {
        struct controller *controller = controller_find(handles[i]);
        if (controller != NULL)
            all &= add_controller(controller);
    }
    if (handles != NULL)
        (void)firmware->FreePool(handles);
    return all;
}

void disks_connect(struct loader_disk *disk)
{
    if (disk->handle == NULL || disk->queue == NULL || disk->is_connected)
        return;
    disk->is_connected = true;
    bool was_there = disks_step_aside();
    watch_begin(disk->device->name);
    (void)firmware->ConnectController(disk->handle, NULL, NULL, TRUE);
    watch_end();
    disks_step_back(was_there);
}

void disks_forget(void)
{
    EFI_TPL before = disks_enter();

    controller_leaves = NULL;
    while (first != NULL) {
        struct loader_disk *found = first;
        first = found->next;
        close_cache(found);
        pool_give(found);
    }
    end = &first;
    registry = (struct vst_block_registry){.first = NULL};
    disks_leave(before);
}
