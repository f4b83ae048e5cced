/* SPDX-License-Identifier: BSD-2-Clause */
/* Driver Diagnostics 2. (UEFI 2.9, 11.4) */
#include <vstor/log.h>

#include "boot/efi/driver.h"
#include "boot/efi/transfer.h"

/* Of the text; what says more is cut. */
#define MAX_CHARS 4096u

static CHAR8 languages[] = "en";
static EFI_GUID error_type = {
    0x1f7c6a52, 0x83b0, 0x4e0d, {0xb6, 0x4c, 0x25, 0x9e, 0xd8, 0x71, 0x0a, 0x3f}};

struct report {
    CHAR16 *text; /**< MAX_CHARS, from the pool */
    UINTN n;
};

static void say(struct report *report, const char *text)
{
    for (; *text != '\0' && report->n < MAX_CHARS - 1; text++)
        report->text[report->n++] = (CHAR16)(unsigned char)*text;
    report->text[report->n] = 0;
}

static void say_line(struct report *report, const char *a, const char *b)
{
    say(report, a);
    say(report, b);
    say(report, "\r\n");
}

static EFI_STATUS try_block(struct disk *disk, EFI_LBA lba, void *buffer)
{
    return disk->block_io.ReadBlocks(&disk->block_io, disk->media.MediaId, lba,
                                     disk->media.BlockSize, buffer);
}

/* Reads the first block and the last. Nothing on the disk changes, whatever type is asked for. */
static EFI_STATUS try_disk(struct disk *disk, struct report *report)
{
    void *buffer;

    say_line(report, "disk ", disk->device == NULL ? "out of service" : disk->device->path);
    if (!disk->media.MediaPresent) {
        say_line(report, "  no medium", "");
        return disk->media.RemovableMedia ? EFI_SUCCESS : EFI_DEVICE_ERROR;
    }
    EFI_STATUS status = firmware->AllocatePool(EfiBootServicesData, disk->media.BlockSize, &buffer);
    if (EFI_ERROR(status))
        return status;
    status = try_block(disk, 0, buffer);
    if (!EFI_ERROR(status))
        status = try_block(disk, disk->media.LastBlock, buffer);
    (void)firmware->FreePool(buffer);
    say_line(report, "  first and last block: ", EFI_ERROR(status) ? "can't be read" : "read");
    return EFI_ERROR(status) ? EFI_DEVICE_ERROR : EFI_SUCCESS;
}

static void say_log(const struct efi_platform *platform, struct report *report)
{
    uint32_t first =
        platform->n_lines > PLATFORM_LOG_LINES ? platform->n_lines - PLATFORM_LOG_LINES : 0;

    for (uint32_t i = first; i < platform->n_lines; i++)
        say_line(report, "log: ", platform->lines[i % PLATFORM_LOG_LINES]);
}

static EFI_STATUS try_all(struct controller *controller, struct disk *disk, struct report *report)
{
    EFI_STATUS outcome = EFI_SUCCESS;

    if (disk != NULL)
        outcome = try_disk(disk, report);
    for (struct disk *each = controller->disks; disk == NULL && each != NULL; each = each->next)
        if (EFI_ERROR(try_disk(each, report)))
            outcome = EFI_DEVICE_ERROR;
    say_log(&controller->platform, report);
    return outcome;
}

static EFI_STATUS EFIAPI run_diagnostics(EFI_DRIVER_DIAGNOSTICS2_PROTOCOL *This,
                                         EFI_HANDLE ControllerHandle, EFI_HANDLE ChildHandle,
                                         EFI_DRIVER_DIAGNOSTIC_TYPE DiagnosticType, CHAR8 *Language,
                                         EFI_GUID **ErrorType, UINTN *BufferSize, CHAR16 **Buffer)
{
    struct controller *controller;
    struct report report = {0};
    struct disk *disk;

    (void)This;
    if (ControllerHandle == NULL || Language == NULL || ErrorType == NULL || BufferSize == NULL ||
        Buffer == NULL)
        return EFI_INVALID_PARAMETER;
    if (!driver_speaks(Language) || DiagnosticType > EfiDriverDiagnosticTypeManufacturing)
        return EFI_UNSUPPORTED;
    EFI_STATUS status = driver_find(ControllerHandle, ChildHandle, &controller, &disk);
    if (!EFI_ERROR(status))
        status = firmware->AllocatePool(EfiBootServicesData, MAX_CHARS * sizeof(CHAR16),
                                        (VOID **)&report.text);
    if (EFI_ERROR(status))
        return status;
    report.text[0] = 0;
    status = try_all(controller, disk, &report);
    *ErrorType = &error_type;
    *Buffer = report.text;
    *BufferSize = (report.n + 1) * sizeof(CHAR16);
    return status;
}

EFI_DRIVER_DIAGNOSTICS2_PROTOCOL driver_diagnostics2 = {
    .RunDiagnostics = run_diagnostics,
    .SupportedLanguages = languages,
};
