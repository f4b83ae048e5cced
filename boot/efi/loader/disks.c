/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/disks.h"

#include "boot/efi/driver.h"
#include "boot/efi/loader/say.h"

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

/* ---------------------------------------------------------------- finding */

static void take_path(struct loader_disk *found)
{
    if (found->disk == NULL)
        return;
    found->handle = found->disk->handle;
    if (EFI_ERROR(
            firmware->HandleProtocol(found->handle, &guid_device_path, (VOID **)&found->path)))
        found->path = NULL;
}

static bool add(struct vst_block_device *device, struct disk *disk, const char *prefix)
{
    struct loader_disk *found;

    if (EFI_ERROR(firmware->AllocatePool(EfiBootServicesData, sizeof(*found), (VOID **)&found)))
        return false;
    *found = (struct loader_disk){.device = device, .queue = device->queues[0], .disk = disk};
    take_path(found);
    vst_block_register(&registry, device, prefix);
    *end = found;
    end = &found->next;
    return true;
}

static bool add_units(const struct controller *controller)
{
    bool all = true;

    for (struct vst_scsi_unit *unit = controller->units.first; unit != NULL; unit = unit->next)
        if (!unit->gone && unit->block != NULL)
            all &= add(unit->block, unit->user, unit->type == VST_SCSI_TYPE_CD ? "sr0" : "sd");
    return all;
}

static bool add_controller(const struct controller *controller)
{
    struct disk *disk = controller->disks;

    if (controller->hba != NULL)
        return add_units(controller);
    return disk->device == NULL || add(disk->device, disk, "vd");
}

/* In the order of the firmware's handles, which is that of the bus; the driver's is by chance. */
bool disks_find(void)
{
    bool all = true;
    UINTN n;

    disks_forget();
    EFI_HANDLE *handles = driver_pci_handles(&n);
    for (UINTN i = 0; handles != NULL && i < n; i++) {
        const struct controller *controller = controller_find(handles[i]);
        if (controller != NULL)
            all &= add_controller(controller);
    }
    if (handles != NULL)
        (void)firmware->FreePool(handles);
    return all;
}

void disks_forget(void)
{
    while (first != NULL) {
        struct loader_disk *found = first;
        first = found->next;
        (void)firmware->FreePool(found);
    }
    end = &first;
    /* The devices may be no more, so nothing of them is touched. */
    registry = (struct vst_block_registry){.first = NULL};
}

/* ---------------------------------------------------------------- telling */

void disks_tell(void)
{
    for (const struct loader_disk *found = first; found != NULL; found = found->next) {
        const struct vst_block_device *device = found->device;
        if (device->medium != VST_OK)
            say("%-5s %s, %s: %s\n", device->name, device->driver_name, device->path,
                vst_status_text(device->medium));
        else
            say("%-5s %s, %s: %llu sectors of 512, blocks of %u%s%s\n", device->name,
                device->driver_name, device->path, (unsigned long long)device->limits.n_sectors,
                device->limits.logical_block_bytes, device->serial[0] != '\0' ? ", serial " : "",
                device->serial);
    }
}
