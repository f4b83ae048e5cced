/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/disk.h"

#include "boot/efi/clock.h"
#include "boot/efi/scsi.h"
#include "boot/efi/transfer.h"

#define LOOK_NS 1000000000ull

/* ---------------------------------------------------------------- the medium */

static bool is_present(const struct vst_block_device *device)
{
    return device != NULL && !device->gone && device->medium == VST_OK &&
           device->limits.n_sectors > 0;
}

static EFI_LBA last_block(const struct vst_block_device *device)
{
    return device->limits.n_sectors / (device->limits.logical_block_bytes / VST_SECTOR_BYTES) - 1;
}

static UINT32 blocks_of(const struct vst_block_limits *limits, uint32_t bytes)
{
    return bytes / limits->logical_block_bytes;
}

static void describe_medium(EFI_BLOCK_IO_MEDIA *media, const struct vst_block_device *device)
{
    const struct vst_block_limits *limits = &device->limits;

    media->ReadOnly = device->read_only;
    media->WriteCaching =
        device->write_cache && !device->read_only; /* else there is nothing in it */
    media->BlockSize = limits->logical_block_bytes;
    media->RemovableMedia = device->removable;
    media->LastBlock = media->MediaPresent ? last_block(device) : 0;
    media->LowestAlignedLba = blocks_of(limits, limits->first_physical_sector * VST_SECTOR_BYTES);
    media->LogicalBlocksPerPhysicalBlock = blocks_of(limits, limits->physical_block_bytes);
    media->OptimalTransferLengthGranularity = blocks_of(limits, limits->opt_io_bytes);
}

static bool is_same(const struct medium_seen *a, const struct medium_seen *b)
{
    return a->is_present == b->is_present && a->read_only == b->read_only &&
           a->last_block == b->last_block && a->id == b->id;
}

/*
 * Whether it is another medium by now, or of another size, or there is none any more. While the device
 * starts again it is not there, and that is no change.
 */
static void take_over(struct disk *disk)
{
    const struct vst_block_device *device = disk->device;
    EFI_BLOCK_IO_MEDIA *media = &disk->media;

    media->MediaPresent = is_present(device);
    if (device == NULL)
        return;
    describe_medium(media, device);
    struct medium_seen now = {media->MediaPresent, media->ReadOnly, device->media_id,
                              media->LastBlock};
    if (is_same(&now, &disk->seen))
        return;
    disk->seen = now;
    disk->is_to_be_told = true;
    media->MediaId++;
}

/* Those that use the disk are stopped, and look at it anew. (UEFI 2.9, 13.9.1) */
static void tell_firmware(struct disk *disk)
{
    (void)firmware->ReinstallProtocolInterface(disk->handle, &guid_block_io, &disk->block_io,
                                               &disk->block_io);
    (void)firmware->ReinstallProtocolInterface(disk->handle, &guid_block_io2, &disk->block_io2,
                                               &disk->block_io2);
}

void disk_look_again(struct disk *disk)
{
    EFI_TPL before = lock();

    disk->looked_at = arch_counter();
    if (disk->device != NULL)
        (void)!vst_block_refresh(disk->device);
    take_over(disk);
    bool is_to_be_told = disk->is_to_be_told;
    disk->is_to_be_told = false;
    unlock(before);
    if (is_to_be_told)
        tell_firmware(disk);
}

/* ---------------------------------------------------------------- life */

void disk_set_device(struct disk *disk, struct vst_block_device *device)
{
    disk->device = device;
    disk->queue = device == NULL ? NULL : device->queues[0];
    disk->poll_at = 0;
    take_over(disk);
}

struct disk *disk_new(struct controller *controller, struct vst_block_device *device)
{
    struct disk *disk;

    if (EFI_ERROR(firmware->AllocatePool(EfiBootServicesData, sizeof(*disk), (VOID **)&disk)))
        return NULL;
    __builtin_memset(disk, 0, sizeof(*disk));
    disk->controller = controller;
    disk->waiting_end = &disk->waiting;
    disk_set_device(disk, device);
    disk->media.MediaId = 0;
    disk->is_to_be_told = false;
    disk->looked_at = arch_counter();
    disk->look_ticks = clock_ticks(LOOK_NS);
    block_io_fill(disk);
    disk_info_fill(disk);
    erase_block_fill(disk);
    return disk;
}

static VOID *erase_block_of(struct disk *disk)
{
    return disk->erase_block.Revision != 0 ? &disk->erase_block : NULL;
}

static EFI_GUID *erase_block_guid(struct disk *disk)
{
    return disk->erase_block.Revision != 0 ? &guid_erase_block : NULL; /* NULL ends the list */
}

EFI_STATUS disk_install(struct disk *disk)
{
    if (disk->path == NULL)
        return firmware->InstallMultipleProtocolInterfaces(
            &disk->handle, &guid_block_io, &disk->block_io, &guid_block_io2, &disk->block_io2,
            &guid_disk_info, &disk->disk_info, erase_block_guid(disk), erase_block_of(disk), NULL);
    return firmware->InstallMultipleProtocolInterfaces(
        &disk->handle, &guid_device_path, disk->path, &guid_block_io, &disk->block_io,
        &guid_block_io2, &disk->block_io2, &guid_disk_info, &disk->disk_info,
        erase_block_guid(disk), erase_block_of(disk), NULL);
}

EFI_STATUS disk_uninstall(struct disk *disk)
{
    if (disk->path == NULL)
        return firmware->UninstallMultipleProtocolInterfaces(
            disk->handle, &guid_block_io, &disk->block_io, &guid_block_io2, &disk->block_io2,
            &guid_disk_info, &disk->disk_info, erase_block_guid(disk), erase_block_of(disk), NULL);
    return firmware->UninstallMultipleProtocolInterfaces(
        disk->handle, &guid_device_path, disk->path, &guid_block_io, &disk->block_io,
        &guid_block_io2, &disk->block_io2, &guid_disk_info, &disk->disk_info,
        erase_block_guid(disk), erase_block_of(disk), NULL);
}

void disk_free(struct disk *disk)
{
    while (disk->unused != NULL) {
        struct transfer *transfer = disk->unused;
        disk->unused = transfer->next;
        (void)firmware->FreePool(transfer);
    }
    if (disk->path != NULL)
        (void)firmware->FreePool(disk->path);
    (void)firmware->FreePool(disk);
}

/*
 * A disk that has nothing to do needs no reset unless one is asked for. Else what is in flight ends
 * with EFI_ABORTED. (UEFI 2.9, 13.10.1)
 *
 * What has changed is looked for by who uses the disk next: firmware's drivers reset it as they let go
 * of it, and protocols that are installed anew in between would bring them back.
 */
EFI_STATUS disk_reset(struct disk *disk, bool extended)
{
    if (!extended && disk->n_in_device == 0 && disk->waiting == NULL && disk->device != NULL)
        return EFI_SUCCESS;
    EFI_STATUS status =
        disk->unit != NULL ? scsi_reset_disk(disk) : controller_restart(disk->controller);
    disk->looked_at = arch_counter() - disk->look_ticks;
    return status;
}
