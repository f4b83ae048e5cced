/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/controller.h"

#include <arch/cpu.h>

#include "boot/efi/clock.h"
#include "boot/efi/scsi.h"
#include "boot/efi/transfer.h"
#include "drivers/virtio_blk.h"
#include "drivers/virtio_scsi.h"

/* Our requests are of one piece; the library's own need no more. */
#define MAX_SEGMENTS 4u
/* 100 ns units: firmware rounds it up to its own tick. */
#define POLL_PERIOD 10000u
#define DRAIN_NS    10000000000ull

static struct controller *controllers;
void (*controller_leaves)(struct controller *controller);
bool controllers_in_use;

struct controller *controller_first(void)
{
    return controllers;
}

struct controller *controller_find(EFI_HANDLE handle)
{
    struct controller *controller = controllers;

    while (controller != NULL && controller->handle != handle)
        controller = controller->next;
    return controller;
}

/* ---------------------------------------------------------------- words */

EFI_STATUS efi_status_of(enum vst_status status)
{
    switch (status) {
    case VST_OK:
        return EFI_SUCCESS;
    case VST_ERR_INVALID:
    case VST_ERR_RANGE:
        return EFI_INVALID_PARAMETER;
    case VST_ERR_READ_ONLY:
        return EFI_WRITE_PROTECTED;
    case VST_ERR_UNSUPPORTED:
        return EFI_UNSUPPORTED;
    case VST_ERR_NO_MEMORY:
        return EFI_OUT_OF_RESOURCES;
    case VST_ERR_NO_MEDIUM:
        return EFI_NO_MEDIA;
    case VST_ERR_MEDIUM_CHANGED:
        return EFI_MEDIA_CHANGED;
    default:
        return EFI_DEVICE_ERROR;
    }
}

/* ---------------------------------------------------------------- polling */

/*
 * Disks first, for those take what is theirs at once; what polls after a disk's own have found of it
 * stands in a list, which it looks at once more.
 */
void controller_poll(struct controller *controller)
{
    if (!controller->attached)
        return;
    for (struct disk *disk = controller->disks; disk != NULL; disk = disk->next)
        if (disk->n_in_device > 0 || disk->waiting != NULL)
            transfer_poll(disk);
    if (controller->hba == NULL)
        return;
    scsi_poll(controller);
    for (struct disk *disk = controller->disks; disk != NULL; disk = disk->next)
        if (disk->n_in_device > 0 && vst_block_ready(disk->queue))
            transfer_poll(disk);
}

static bool anything_in_device(const struct controller *controller)
{
    if (controller->commands != NULL)
        return true;
    for (const struct disk *disk = controller->disks; disk != NULL; disk = disk->next)
        if (disk->n_in_device > 0)
            return true;
    return false;
}

static bool has_work(const struct controller *controller)
{
    for (const struct disk *disk = controller->disks; disk != NULL; disk = disk->next)
        if (disk->waiting != NULL)
            return true;
    return anything_in_device(controller);
}

/*
 * Firmware has no interrupts for drivers, and its own waiting (WaitForEvent) ends with the processor
 * halted until the timer's next tick, so nothing sooner than that tick can tell a caller who merely
 * waits. One who starts more has this looked at on the way (transfer.c).
 *
 * The timer runs on for one period after the last event, so that it need not be set for each. */
static VOID EFIAPI on_timer(EFI_EVENT event, VOID *context)
{
    struct controller *controller = context;

    if (!has_work(controller)) {
        (void)firmware->SetTimer(event, TimerCancel, 0);
        controller->timer_runs = false;
        return;
    }
    controller_poll(controller);
}

void controller_start_timer(struct controller *controller)
{
    controller->timer_runs =
        !EFI_ERROR(firmware->SetTimer(controller->timer, TimerPeriodic, POLL_PERIOD));
}

/* ---------------------------------------------------------------- the end of boot services */

static void stop_device(struct controller *controller)
{
    if (!controller->attached)
        return;
    if (controller->hba != NULL)
        vst_virtio_scsi_stop(scsi_device_of(controller->hba));
    else if (controller->disks->device != NULL)
        vst_virtio_blk_stop(VST_CONTAINER_OF(controller->disks->device, struct blk_device, base));
}

/* The device is reset, and nothing else: memory belongs to an operating system now. */
static VOID EFIAPI on_exit_boot_services(EFI_EVENT event, VOID *context)
{
    (void)event;
    stop_device(context);
}

static EFI_STATUS make_events(struct controller *controller)
{
    EFI_STATUS status = firmware->CreateEvent(EVT_TIMER | EVT_NOTIFY_SIGNAL, TPL_NOTIFY, on_timer,
                                              controller, &controller->timer);

    if (EFI_ERROR(status))
        return status;
    status = firmware->CreateEvent(EVT_SIGNAL_EXIT_BOOT_SERVICES, TPL_NOTIFY, on_exit_boot_services,
                                   controller, &controller->exit_event);
    if (EFI_ERROR(status))
        (void)firmware->CloseEvent(controller->timer);
    return status;
}

static void close_events(struct controller *controller)
{
    (void)firmware->CloseEvent(controller->exit_event);
    (void)firmware->CloseEvent(controller->timer);
    controller->timer_runs = false;
}

/* ---------------------------------------------------------------- attaching */

static EFI_STATUS attach_blk(struct controller *controller, struct vst_block_device **device)
{
    const struct vst_virtio_blk_config config = {.max_segments = MAX_SEGMENTS};

    enum vst_status status =
        vst_virtio_blk_attach(&controller->platform.base, &controller->function, &config, device);
    if (status != VST_OK)
        return efi_status_of(status);
    EFI_STATUS allowed = platform_allow_dma(&controller->platform);
    if (EFI_ERROR(allowed))
        vst_virtio_blk_detach(*device);
    controller->attached = !EFI_ERROR(allowed);
    return allowed;
}

static EFI_STATUS open_blk(struct controller *controller)
{
    struct vst_block_device *device;
    EFI_STATUS status = attach_blk(controller, &device);

    if (EFI_ERROR(status))
        return status;
    struct disk *disk = disk_new(controller, device);
    if (disk == NULL) {
        vst_virtio_blk_detach(device);
        return EFI_OUT_OF_RESOURCES;
    }
    disk->handle = controller->handle;
    controller->disks = disk;
    return EFI_SUCCESS;
}

static EFI_STATUS open_scsi(struct controller *controller)
{
    const struct vst_virtio_scsi_config config = {.max_segments = MAX_SEGMENTS};

    enum vst_status status = vst_virtio_scsi_attach(
        &controller->platform.base, &controller->function, &config, &controller->hba);
    if (status != VST_OK)
        return efi_status_of(status);
    controller->attached = true;
    EFI_STATUS found = platform_allow_dma(&controller->platform);
    if (!EFI_ERROR(found))
        found = scsi_open(controller);
    if (EFI_ERROR(found))
        vst_virtio_scsi_detach(controller->hba);
    return found;
}

static EFI_STATUS open_device(struct controller *controller)
{
    EFI_STATUS status = make_events(controller);

    if (EFI_ERROR(status))
        return status;
    /* Its commands are polled for: nobody else may come in between. */
    EFI_TPL before = lock();
    status = controller_is_scsi(controller) ? open_scsi(controller) : open_blk(controller);
    unlock(before);
    if (EFI_ERROR(status))
        close_events(controller);
    return status;
}

EFI_STATUS controller_open(EFI_HANDLE handle, EFI_PCI_IO_PROTOCOL *pci_io,
                           struct controller **opened)
{
    struct controller *controller;
    EFI_STATUS status =
        firmware->AllocatePool(EfiBootServicesData, sizeof(*controller), (VOID **)&controller);

    if (EFI_ERROR(status))
        return status;
    __builtin_memset(controller, 0, sizeof(*controller));
    controller->handle = handle;
    controller->pci_io = pci_io;
    status = platform_open(&controller->platform, pci_io, &controller->function);
    if (!EFI_ERROR(status)) {
        status = open_device(controller);
        if (EFI_ERROR(status))
            platform_close(&controller->platform);
    }
    if (EFI_ERROR(status)) {
        (void)firmware->FreePool(controller);
        return status;
    }
    controller->next = controllers;
    controllers = controller;
    *opened = controller;
    return EFI_SUCCESS;
}

/* ---------------------------------------------------------------- giving back */

/* The device has been stopped, so polls bring back whatever it had. */
static void drain(struct controller *controller)
{
    uint64_t start_ns = clock_ns();

    while (anything_in_device(controller) && clock_ns() - start_ns < DRAIN_NS) {
        controller_poll(controller);
        arch_pause();
    }
}

static void abort_all(struct controller *controller)
{
    for (struct disk *disk = controller->disks; disk != NULL; disk = disk->next)
        transfer_abort(disk);
}

static void tell_leaving(struct controller *controller)
{
    if (controller_leaves != NULL)
        controller_leaves(controller);
}

static void detach_blk(struct controller *controller)
{
    struct disk *disk = controller->disks;

    if (disk->device == NULL)
        return;
    tell_leaving(controller);
    if (disk->n_in_device > 0) {
        vst_virtio_blk_unplug(disk->device);
        drain(controller);
    }
    vst_virtio_blk_detach(disk->device);
    disk_set_device(disk, NULL);
}

static void detach_scsi(struct controller *controller)
{
    tell_leaving(controller);
    if (anything_in_device(controller)) {
        vst_virtio_scsi_unplug(controller->hba);
        drain(controller);
    }
    scsi_close(controller);
    vst_virtio_scsi_detach(controller->hba);
}

void controller_close(struct controller *controller)
{
    struct controller **link = &controllers;
    EFI_TPL before = lock();

    while (*link != controller)
        link = &(*link)->next;
    *link = controller->next;
    abort_all(controller);
    if (controller->hba != NULL) {
        detach_scsi(controller);
    } else {
        detach_blk(controller);
        disk_free(controller->disks);
    }
    controller->attached = false;
    unlock(before);
    close_events(controller);
    platform_close(&controller->platform);
    (void)firmware->FreePool(controller);
}

EFI_STATUS controller_restart(struct controller *controller)
{
    struct disk *disk = controller->disks;
    struct vst_block_device *device;

    if (controllers_in_use)
        return EFI_DEVICE_ERROR;
    EFI_TPL before = lock();
    transfer_abort(disk);
    detach_blk(controller);
    EFI_STATUS status = attach_blk(controller, &device);
    if (!EFI_ERROR(status))
        disk_set_device(disk, device);
    unlock(before);
    return EFI_ERROR(status) ? EFI_DEVICE_ERROR : EFI_SUCCESS;
}
