/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The firmware's interfaces: gnu-efi's headers, and what they lack. (UEFI 2.9)
 *
 * Names here are the specification's; ours are in lower case.
 */
#ifndef VSTOR_EFI_FIRMWARE_H
#define VSTOR_EFI_FIRMWARE_H

#include <efi.h>

#include <vstor/types.h>

/** Of this image. Set before anything else runs. */
extern EFI_BOOT_SERVICES *firmware;

extern EFI_GUID guid_pci_io, guid_device_path, guid_driver_binding, guid_loaded_image,
    guid_block_io, guid_block_io2, guid_component_name2, guid_disk_info, guid_erase_block,
    guid_ext_scsi_pass_thru, guid_driver_diagnostics2, guid_supported_efi_version;

/** One GUID is another. */
static inline bool guid_equal(const EFI_GUID *a, const EFI_GUID *b)
{
    return __builtin_memcmp(a, b, sizeof(*a)) == 0;
}

/*
 * All that timer events and callers share is touched at this level. Callers come at up to
 * TPL_CALLBACK, our timer at TPL_NOTIFY.
 */
static inline EFI_TPL lock(void)
{
    return firmware->RaiseTPL(TPL_NOTIFY);
}
static inline void unlock(EFI_TPL before)
{
    firmware->RestoreTPL(before);
}

/* ------------------------------------------------------------------ ACPI 6.4, 6.4.3.5.1 */

/** What EFI_PCI_IO_PROTOCOL.GetBarAttributes tells. */
#pragma pack(push, 1)
struct acpi_address_space {
    UINT8 descriptor; /**< ACPI_ADDRESS_SPACE */
    UINT16 length;
    UINT8 resource_type;
    UINT8 general_flags, specific_flags;
    UINT64 granularity; /**< memory: 32 or 64 */
    UINT64 first;       /**< as processors see it */
    UINT64 last;
    UINT64 translation; /**< added to `first` it is as the bus sees it */
    UINT64 bytes;
};
#pragma pack(pop)
#define ACPI_ADDRESS_SPACE        0x8a
#define ACPI_ADDRESS_SPACE_MEMORY 0
#define ACPI_ADDRESS_SPACE_IO     1

/* ------------------------------------------------------------------ 13.11 Disk Information */

typedef struct EFI_DISK_INFO_PROTOCOL EFI_DISK_INFO_PROTOCOL;
struct EFI_DISK_INFO_PROTOCOL {
    EFI_GUID Interface;
    EFI_STATUS(EFIAPI *Inquiry)
    (EFI_DISK_INFO_PROTOCOL *This, VOID *InquiryData, UINT32 *InquiryDataSize);
    EFI_STATUS(EFIAPI *Identify)
    (EFI_DISK_INFO_PROTOCOL *This, VOID *IdentifyData, UINT32 *IdentifyDataSize);
    EFI_STATUS(EFIAPI *SenseData)
    (EFI_DISK_INFO_PROTOCOL *This, VOID *SenseData, UINT32 *SenseDataSize, UINT8 *SenseDataNumber);
    EFI_STATUS(EFIAPI *WhichIde)
    (EFI_DISK_INFO_PROTOCOL *This, UINT32 *IdeChannel, UINT32 *IdeDevice);
};
#define EFI_DISK_INFO_PROTOCOL_GUID                                                                \
    {                                                                                              \
        0xd432a67f, 0x14dc, 0x484b,                                                                \
        {                                                                                          \
            0xb3, 0xbb, 0x3f, 0x02, 0x91, 0x84, 0x93, 0x27                                         \
        }                                                                                          \
    }
#define EFI_DISK_INFO_SCSI_INTERFACE_GUID                                                          \
    {                                                                                              \
        0x08f74baa, 0xea36, 0x41d9,                                                                \
        {                                                                                          \
            0x95, 0x21, 0x21, 0xa7, 0x0f, 0x87, 0x80, 0xbc                                         \
        }                                                                                          \
    }

/* ------------------------------------------------------------------ 13.12 Erase Block */

typedef EFI_BLOCK_IO2_TOKEN EFI_ERASE_BLOCK_TOKEN; /* the same two fields */
typedef struct EFI_ERASE_BLOCK_PROTOCOL EFI_ERASE_BLOCK_PROTOCOL;
struct EFI_ERASE_BLOCK_PROTOCOL {
    UINT64 Revision;
    UINT32 EraseLengthGranularity;
    EFI_STATUS(EFIAPI *EraseBlocks)
    (EFI_ERASE_BLOCK_PROTOCOL *This, UINT32 MediaId, EFI_LBA Lba, EFI_ERASE_BLOCK_TOKEN *Token,
     UINTN Size);
};
#define EFI_ERASE_BLOCK_PROTOCOL_REVISION ((2 << 16) | 60)
#define EFI_ERASE_BLOCK_PROTOCOL_GUID                                                              \
    {                                                                                              \
        0x95a9a93e, 0xa86e, 0x4926,                                                                \
        {                                                                                          \
            0xaa, 0xef, 0x99, 0x18, 0xe7, 0x72, 0xd9, 0x87                                         \
        }                                                                                          \
    }

/* ------------------------------------------------------------------ 15.7 Extended SCSI Pass Thru */

#define TARGET_MAX_BYTES 0x10

typedef struct {
    UINT32 AdapterId, Attributes, IoAlign;
} EFI_EXT_SCSI_PASS_THRU_MODE;
#define EFI_EXT_SCSI_PASS_THRU_ATTRIBUTES_PHYSICAL   0x0001
#define EFI_EXT_SCSI_PASS_THRU_ATTRIBUTES_LOGICAL    0x0002
#define EFI_EXT_SCSI_PASS_THRU_ATTRIBUTES_NONBLOCKIO 0x0004

typedef struct {
    UINT64 Timeout; /**< 100 ns; 0: none */
    VOID *InDataBuffer, *OutDataBuffer, *SenseData, *Cdb;
    UINT32 InTransferLength, OutTransferLength;
    UINT8 CdbLength, DataDirection, HostAdapterStatus, TargetStatus, SenseDataLength;
} EFI_EXT_SCSI_PASS_THRU_SCSI_REQUEST_PACKET;
#define EFI_EXT_SCSI_DATA_DIRECTION_READ          0
#define EFI_EXT_SCSI_DATA_DIRECTION_WRITE         1
#define EFI_EXT_SCSI_DATA_DIRECTION_BIDIRECTIONAL 2

#define EFI_EXT_SCSI_STATUS_HOST_ADAPTER_OK                    0x00
#define EFI_EXT_SCSI_STATUS_HOST_ADAPTER_TIMEOUT_COMMAND       0x09
#define EFI_EXT_SCSI_STATUS_HOST_ADAPTER_TIMEOUT               0x0b
#define EFI_EXT_SCSI_STATUS_HOST_ADAPTER_BUS_RESET             0x0e
#define EFI_EXT_SCSI_STATUS_HOST_ADAPTER_SELECTION_TIMEOUT     0x11
#define EFI_EXT_SCSI_STATUS_HOST_ADAPTER_DATA_OVERRUN_UNDERRUN 0x12
#define EFI_EXT_SCSI_STATUS_HOST_ADAPTER_PHASE_ERROR           0x14
#define EFI_EXT_SCSI_STATUS_HOST_ADAPTER_OTHER                 0x7f

typedef struct EFI_EXT_SCSI_PASS_THRU_PROTOCOL EFI_EXT_SCSI_PASS_THRU_PROTOCOL;
struct EFI_EXT_SCSI_PASS_THRU_PROTOCOL {
    EFI_EXT_SCSI_PASS_THRU_MODE *Mode;
    EFI_STATUS(EFIAPI *PassThru)
    (EFI_EXT_SCSI_PASS_THRU_PROTOCOL *This, UINT8 *Target, UINT64 Lun,
     EFI_EXT_SCSI_PASS_THRU_SCSI_REQUEST_PACKET *Packet, EFI_EVENT Event);
    EFI_STATUS(EFIAPI *GetNextTargetLun)
    (EFI_EXT_SCSI_PASS_THRU_PROTOCOL *This, UINT8 **Target, UINT64 *Lun);
    EFI_STATUS(EFIAPI *BuildDevicePath)
    (EFI_EXT_SCSI_PASS_THRU_PROTOCOL *This, UINT8 *Target, UINT64 Lun,
     EFI_DEVICE_PATH_PROTOCOL **DevicePath);
    EFI_STATUS(EFIAPI *GetTargetLun)
    (EFI_EXT_SCSI_PASS_THRU_PROTOCOL *This, EFI_DEVICE_PATH_PROTOCOL *DevicePath, UINT8 **Target,
     UINT64 *Lun);
    EFI_STATUS(EFIAPI *ResetChannel)(EFI_EXT_SCSI_PASS_THRU_PROTOCOL *This);
    EFI_STATUS(EFIAPI *ResetTargetLun)
    (EFI_EXT_SCSI_PASS_THRU_PROTOCOL *This, UINT8 *Target, UINT64 Lun);
    EFI_STATUS(EFIAPI *GetNextTarget)(EFI_EXT_SCSI_PASS_THRU_PROTOCOL *This, UINT8 **Target);
};
#define EFI_EXT_SCSI_PASS_THRU_PROTOCOL_GUID                                                       \
    {                                                                                              \
        0x143b7632, 0xb81b, 0x4cb7,                                                                \
        {                                                                                          \
            0xab, 0xd3, 0xb6, 0x25, 0xa5, 0xb9, 0xbf, 0xfe                                         \
        }                                                                                          \
    }

/* ------------------------------------------------------------------ 11.4 Driver Diagnostics */

typedef enum {
    EfiDriverDiagnosticTypeStandard,
    EfiDriverDiagnosticTypeExtended,
    EfiDriverDiagnosticTypeManufacturing,
    EfiDriverDiagnosticTypeCancel,
    EfiDriverDiagnosticTypeMaximum
} EFI_DRIVER_DIAGNOSTIC_TYPE;

typedef struct EFI_DRIVER_DIAGNOSTICS2_PROTOCOL EFI_DRIVER_DIAGNOSTICS2_PROTOCOL;
struct EFI_DRIVER_DIAGNOSTICS2_PROTOCOL {
    EFI_STATUS(EFIAPI *RunDiagnostics)
    (EFI_DRIVER_DIAGNOSTICS2_PROTOCOL *This, EFI_HANDLE ControllerHandle, EFI_HANDLE ChildHandle,
     EFI_DRIVER_DIAGNOSTIC_TYPE DiagnosticType, CHAR8 *Language, EFI_GUID **ErrorType,
     UINTN *BufferSize, CHAR16 **Buffer);
    CHAR8 *SupportedLanguages;
};
#define EFI_DRIVER_DIAGNOSTICS2_PROTOCOL_GUID                                                      \
    {                                                                                              \
        0x4d330321, 0x025f, 0x4aac,                                                                \
        {                                                                                          \
            0x90, 0xd8, 0x5e, 0xd9, 0x00, 0x17, 0x3b, 0x63                                         \
        }                                                                                          \
    }

/* ------------------------------------------------------------------ 11.13 Driver Supported EFI Version */

typedef struct {
    UINT32 Length;
    UINT32 FirmwareVersion;
} EFI_DRIVER_SUPPORTED_EFI_VERSION_PROTOCOL;
#define EFI_DRIVER_SUPPORTED_EFI_VERSION_PROTOCOL_GUID                                             \
    {                                                                                              \
        0x5c198761, 0x16a8, 0x4e69,                                                                \
        {                                                                                          \
            0x97, 0x2c, 0x89, 0xd6, 0x79, 0x54, 0xf8, 0x1d                                         \
        }                                                                                          \
    }
#define EFI_SYSTEM_TABLE_REVISION_2_90 ((2 << 16) | 90)

#endif
