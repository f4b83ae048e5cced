/* SPDX-License-Identifier: BSD-2-Clause */
/* Disk Info. (UEFI 2.9, 13.11) */
#include "boot/efi/disk.h"

#define STANDARD_INQUIRY_BYTES 96u

/* virtio-blk is no interface that the specification knows: Identify gives the serial number. */
static const EFI_GUID virtio_blk_interface = {
    0x6c0b2f4e, 0x5a37, 0x4c8f, {0x9d, 0x21, 0x7e, 0x46, 0xb8, 0x13, 0x0f, 0xa5}};
static const EFI_GUID scsi_interface = EFI_DISK_INFO_SCSI_INTERFACE_GUID;

static struct disk *of(EFI_DISK_INFO_PROTOCOL *this)
{
    return VST_CONTAINER_OF(this, struct disk, disk_info);
}

/* All of it or nothing; *bytes is how much there is. */
static EFI_STATUS give(VOID *into, UINT32 *bytes, const void *data, UINT32 n)
{
    UINT32 room = *bytes;

    *bytes = n;
    if (room < n)
        return EFI_BUFFER_TOO_SMALL;
    __builtin_memcpy(into, data, n);
    return EFI_SUCCESS;
}

static EFI_STATUS inquire(struct vst_scsi_unit *unit, VOID *into, UINT32 *bytes)
{
    uint8_t data[STANDARD_INQUIRY_BYTES];
    size_t n = 0;
    EFI_TPL before = lock();
    enum vst_status status =
        vst_scsi_unit_inquire(unit, VST_SCSI_STANDARD_INQUIRY, data, sizeof(data), &n);

    unlock(before);
    return status == VST_OK ? give(into, bytes, data, (UINT32)n) : efi_status_of(status);
}

static EFI_STATUS EFIAPI inquiry(EFI_DISK_INFO_PROTOCOL *This, VOID *InquiryData,
                                 UINT32 *InquiryDataSize)
{
    struct vst_scsi_unit *unit = of(This)->unit;

    return unit == NULL ? EFI_NOT_FOUND : inquire(unit, InquiryData, InquiryDataSize);
}

static EFI_STATUS EFIAPI identify(EFI_DISK_INFO_PROTOCOL *This, VOID *IdentifyData,
                                  UINT32 *IdentifyDataSize)
{
    const struct disk *disk = of(This);
    UINT32 n = 0;

    if (disk->unit != NULL || disk->device == NULL || disk->device->serial[0] == '\0')
        return EFI_NOT_FOUND;
    while (disk->device->serial[n++] != '\0')
        ;
    return give(IdentifyData, IdentifyDataSize, disk->device->serial, n);
}

static EFI_STATUS EFIAPI sense_data(EFI_DISK_INFO_PROTOCOL *This, VOID *SenseData,
                                    UINT32 *SenseDataSize, UINT8 *SenseDataNumber)
{
    (void)This;
    (void)SenseData;
    (void)SenseDataSize;
    (void)SenseDataNumber;
    return EFI_NOT_FOUND;
}

static EFI_STATUS EFIAPI which_ide(EFI_DISK_INFO_PROTOCOL *This, UINT32 *IdeChannel,
                                   UINT32 *IdeDevice)
{
    (void)This;
    (void)IdeChannel;
    (void)IdeDevice;
    return EFI_UNSUPPORTED;
}

void disk_info_fill(struct disk *disk)
{
    disk->disk_info = (EFI_DISK_INFO_PROTOCOL){
        .Interface = controller_is_scsi(disk->controller) ? scsi_interface : virtio_blk_interface,
        .Inquiry = inquiry,
        .Identify = identify,
        .SenseData = sense_data,
        .WhichIde = which_ide,
    };
}
