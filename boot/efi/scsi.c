/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/scsi.h"

#include <arch/cpu.h>
#include <vstor/log.h>

#include "boot/efi/clock.h"
#include "boot/efi/disk.h"
#include "boot/efi/transfer.h"

#define POLL_BATCH 64u
/* What the library may take to bring a unit back, with the time-out of a command before. */
#define MOST_NS     100000000000ull
#define PATIENCE_NS 10000000000ull

/* ---------------------------------------------------------------- units */

static void found(void *ctx, struct vst_scsi_unit *unit)
{
    struct vst_block_device *device;

    (void)ctx;
    if (unit->type != VST_SCSI_TYPE_DISK && unit->type != VST_SCSI_TYPE_CD)
        return;
    enum vst_status status = vst_scsi_disk_attach_unit(unit, &device);
    if (status != VST_OK)
        vst_log(unit->hba->platform, VST_LOG_WARNING, "%s: %s", unit->path,
                vst_status_text(status));
}

static void lost(void *ctx, struct vst_scsi_unit *unit)
{
    (void)ctx;
    if (unit->block != NULL)
        vst_scsi_disk_detach(unit->block);
}

static struct vst_scsi_units units = {.found = found, .lost = lost};

struct vst_scsi_units *scsi_units(void)
{
    return &units;
}

struct vst_scsi_unit *scsi_next_unit(const struct controller *controller,
                                     const struct vst_scsi_unit *unit)
{
    struct vst_scsi_unit *next = unit == NULL ? units.first : unit->next;

    while (next != NULL && next->hba != controller->hba)
        next = next->next;
    return next;
}

EFI_STATUS scsi_open(struct controller *controller)
{
    EFI_STATUS status =
        firmware->HandleProtocol(controller->handle, &guid_device_path, (VOID **)&controller->path);

    if (EFI_ERROR(status))
        return status;
    vst_scsi_units_add(&units, controller->hba);
    enum vst_status scan = vst_scsi_units_scan(&units, controller->hba);
    if (scan != VST_OK) /* what was found is worth having */
        vst_log(&controller->platform.base, VST_LOG_WARNING, "%s: scan: %s", controller->hba->path,
                vst_status_text(scan));
    return EFI_SUCCESS;
}

void scsi_close(struct controller *controller)
{
    /* Nobody holds any of them. */
    if (!vst_scsi_units_forget(&units, controller->hba))
        vst_log(&controller->platform.base, VST_LOG_ERROR, "%s: a unit is still held",
                controller->hba->path);
}

void scsi_rescan(struct controller *controller)
{
    EFI_TPL before = lock();

    if (!controller->hba->broken && !controllers_in_use)
        (void)!vst_scsi_units_scan(&units, controller->hba);
    unlock(before);
}

/* ---------------------------------------------------------------- device paths */

bool scsi_node_of(const struct vst_scsi_unit *unit, SCSI_DEVICE_PATH *node)
{
    if (unit->lun.n_levels != 1 || unit->lun.number > UINT16_MAX)
        return false;
    *node = (SCSI_DEVICE_PATH){
        .Header = {MESSAGING_DEVICE_PATH, MSG_SCSI_DP, {sizeof(*node), 0}},
        .Pun = unit->target,
        .Lun = (UINT16)unit->lun.number,
    };
    return true;
}

static UINTN node_bytes(const EFI_DEVICE_PATH_PROTOCOL *node)
{
    return (UINTN)node->Length[0] | (UINTN)node->Length[1] << 8;
}

bool scsi_is_node(const EFI_DEVICE_PATH_PROTOCOL *node)
{
    return node->Type == MESSAGING_DEVICE_PATH && node->SubType == MSG_SCSI_DP &&
           node_bytes(node) == sizeof(SCSI_DEVICE_PATH);
}

/* Without its end. */
static UINTN path_bytes(const EFI_DEVICE_PATH_PROTOCOL *path)
{
    const char *node = (const char *)path;
    const EFI_DEVICE_PATH_PROTOCOL *header = path;

    while (header->Type != END_DEVICE_PATH_TYPE && node_bytes(header) >= sizeof(*header)) {
        node += node_bytes(header);
        header = (const EFI_DEVICE_PATH_PROTOCOL *)(const void *)node;
    }
    return (UINTN)(node - (const char *)path);
}

static EFI_DEVICE_PATH_PROTOCOL *child_path(const struct controller *controller,
                                            const SCSI_DEVICE_PATH *node)
{
    static const EFI_DEVICE_PATH_PROTOCOL end = {
        END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, {sizeof(end), 0}};
    UINTN bytes = path_bytes(controller->path);
    char *path;

    if (EFI_ERROR(firmware->AllocatePool(EfiBootServicesData, bytes + sizeof(*node) + sizeof(end),
                                         (VOID **)&path)))
        return NULL;
    __builtin_memcpy(path, controller->path, bytes);
    __builtin_memcpy(path + bytes, node, sizeof(*node));
    __builtin_memcpy(path + bytes + sizeof(*node), &end, sizeof(end));
    return (EFI_DEVICE_PATH_PROTOCOL *)(void *)path;
}

/* ---------------------------------------------------------------- disks */

static void add_disk(struct controller *controller, struct disk *disk)
{
    EFI_TPL before = lock();

    disk->next = controller->disks;
    controller->disks = disk;
    unlock(before);
}

static void remove_disk(struct controller *controller, struct disk *disk)
{
    struct disk **link = &controller->disks;

    while (*link != disk)
        link = &(*link)->next;
    *link = disk->next;
    disk->unit->user = NULL;
    disk_free(disk);
}

static EFI_STATUS open_for_child(struct controller *controller, EFI_HANDLE binding,
                                 EFI_HANDLE child)
{
    VOID *interface;

    return firmware->OpenProtocol(controller->handle, &guid_pci_io, &interface, binding, child,
                                  EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER);
}

static EFI_STATUS make_disk(struct controller *controller, EFI_HANDLE binding,
                            struct vst_scsi_unit *unit, const SCSI_DEVICE_PATH *node)
{
    struct disk *disk = disk_new(controller, unit->block);

    if (disk == NULL)
        return EFI_OUT_OF_RESOURCES;
    disk->unit = unit;
    unit->user = disk;
    disk->path = child_path(controller, node);
    add_disk(controller, disk);
    EFI_STATUS status = disk->path == NULL ? EFI_OUT_OF_RESOURCES : disk_install(disk);
    if (!EFI_ERROR(status)) {
        status = open_for_child(controller, binding, disk->handle);
        if (EFI_ERROR(status))
            (void)disk_uninstall(disk);
    }
    if (EFI_ERROR(status)) {
        EFI_TPL before = lock();
        remove_disk(controller, disk);
        unlock(before);
    }
    return status;
}

static bool is_wanted(const SCSI_DEVICE_PATH *only, const SCSI_DEVICE_PATH *node)
{
    return only == NULL || (only->Pun == node->Pun && only->Lun == node->Lun);
}

EFI_STATUS scsi_make_disks(struct controller *controller, EFI_HANDLE binding,
                           const SCSI_DEVICE_PATH *only)
{
    struct vst_scsi_unit *unit = NULL;
    EFI_STATUS first_error = EFI_SUCCESS;
    SCSI_DEVICE_PATH node;

    while ((unit = scsi_next_unit(controller, unit)) != NULL) {
        if (unit->gone || unit->block == NULL || unit->user != NULL || !scsi_node_of(unit, &node) ||
            !is_wanted(only, &node))
            continue;
        EFI_STATUS status = make_disk(controller, binding, unit, &node);
        if (EFI_ERROR(status) && !EFI_ERROR(first_error))
            first_error = status;
    }
    return first_error;
}

/* ---------------------------------------------------------------- resets */

/*
 * As vst_scsi_manage does, but at the caller's TPL: a function may take seconds, and timers run on
 * meanwhile.
 */
static enum vst_status run_function(struct controller *controller,
                                    struct vst_scsi_function *function)
{
    const struct vst_platform *platform = &controller->platform.base;
    struct vst_scsi_hba *hba = controller->hba;
    enum vst_status status = VST_ERR_FULL;
    uint64_t start_ns = clock_ns();

    do {
        EFI_TPL before = lock();
        if (status == VST_ERR_FULL)
            status = hba->ops->manage(hba, function);
        hba->ops->look(hba);
        unlock(before);
        platform->relax(platform->ctx);
        if (status == VST_ERR_FULL && clock_ns() - start_ns > PATIENCE_NS)
            return VST_ERR_TIMEOUT;
        /* The adapter ends it by its deadline. */
    } while (status == VST_ERR_FULL || (status == VST_OK && !vst_scsi_function_ended(function)));
    return status;
}

EFI_STATUS scsi_manage(struct controller *controller, enum vst_scsi_function_kind kind,
                       struct vst_scsi_nexus nexus)
{
    struct vst_scsi_function function = {.kind = kind, .nexus = nexus};

    if (run_function(controller, &function) != VST_OK)
        return EFI_DEVICE_ERROR;
    switch (function.response) {
    case VST_SCSI_FUNCTION_COMPLETE:
    case VST_SCSI_FUNCTION_SUCCEEDED:
    case VST_SCSI_FUNCTION_RESET: /* of the adapter, and so of all behind it */
        return EFI_SUCCESS;
    case VST_SCSI_FUNCTION_TIMEOUT:
        return EFI_TIMEOUT;
    default:
        return EFI_DEVICE_ERROR;
    }
}

/* The library brings every command back, if need be by resets, and each within its time. */
static bool bring_back(struct disk *disk)
{
    uint64_t start_ns = clock_ns();

    while (disk->n_in_device > 0 && clock_ns() - start_ns < MOST_NS) {
        EFI_TPL before = lock();
        transfer_poll(disk);
        unlock(before);
        arch_pause();
    }
    return disk->n_in_device == 0;
}

static void abort_transfers(struct disk *disk)
{
    EFI_TPL before = lock();

    transfer_abort(disk);
    unlock(before);
}

/* Others' commands are given to it again. */
static void reset_adapter(struct vst_scsi_hba *hba)
{
    EFI_TPL before = lock();

    hba->ops->reset(hba->queues[0], "a unit can't be reset");
    unlock(before);
}

EFI_STATUS scsi_reset_disk(struct disk *disk)
{
    abort_transfers(disk);
    EFI_STATUS status =
        scsi_manage(disk->controller, VST_SCSI_LOGICAL_UNIT_RESET, disk->unit->nexus);
    if (EFI_ERROR(status))
        reset_adapter(disk->controller->hba);
    return bring_back(disk) && !disk->controller->hba->broken ? EFI_SUCCESS : EFI_DEVICE_ERROR;
}

EFI_STATUS scsi_unmake_disk(struct controller *controller, EFI_HANDLE binding, EFI_HANDLE child)
{
    struct disk *disk = controller->disks;

    while (disk != NULL && disk->handle != child)
        disk = disk->next;
    if (disk == NULL)
        return EFI_DEVICE_ERROR;
    /* Before the rest: without its protocols the handle is no more, and can't be named. */
    (void)firmware->CloseProtocol(controller->handle, &guid_pci_io, binding, child);
    EFI_STATUS status = disk_uninstall(disk);
    if (EFI_ERROR(status)) {
        (void)open_for_child(controller, binding, child);
        return status;
    }
    if (disk->n_in_device > 0)
        (void)scsi_reset_disk(disk);
    abort_transfers(disk);
    EFI_TPL before = lock();
    if (disk->n_in_device == 0)
        remove_disk(controller, disk);
    unlock(before);
    return EFI_SUCCESS;
}
