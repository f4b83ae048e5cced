/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/program.h"

#include "boot/efi/driver.h"
#include "boot/efi/loader/loader.h"
#include "boot/efi/loader/pool.h"
#include "boot/efi/loader/say.h"
#include "boot/efi/loader/trust.h"
#include "boot/efi/loader/utf16.h"
#include "boot/loader/pe.h"

#define INITRD_ALIGN 4u

static EFI_GUID guid_load_file2 = {
    0x4006c0c1, 0xfcb3, 0x403e, {0x99, 0x6d, 0x4a, 0x6c, 0x87, 0x24, 0xe0, 0x6d}};

/* ---------------------------------------------------------------- words */

const char *program_status_text(EFI_STATUS status)
{
    static const struct {
        EFI_STATUS status;
        const char *text;
    } texts[] = {
        {EFI_SUCCESS, "it ended well"},
        {EFI_LOAD_ERROR, "it is damaged, or no program for this machine"},
        {EFI_INVALID_PARAMETER, "invalid parameter"},
        {EFI_UNSUPPORTED, "it is no program for this machine"},
        {EFI_BUFFER_TOO_SMALL, "buffer too small"},
        {EFI_NOT_READY, "not ready"},
        {EFI_DEVICE_ERROR, "device error"},
        {EFI_OUT_OF_RESOURCES, "not enough memory"},
        {EFI_NOT_FOUND, "something that it needs is not there"},
        {EFI_ACCESS_DENIED, "access denied (Secure Boot)"},
        {EFI_TIMEOUT, "time-out"},
        {EFI_ABORTED, "aborted"},
        {EFI_SECURITY_VIOLATION, "its signature is not accepted (Secure Boot)"},
    };

    for (unsigned i = 0; i < VST_ARRAY_LENGTH(texts); i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "unknown error";
}

static EFI_STATUS fail(const struct program *program, const char *what, EFI_STATUS status)
{
    say("%s: %s: %s\n", program->name, what, program_status_text(status));
    return status;
}

/* ---------------------------------------------------------------- initrds */

/* Where Linux looks for it. (Documentation/admin-guide/efi-stub.rst) */
static struct {
    VENDOR_DEVICE_PATH vendor;
    EFI_DEVICE_PATH_PROTOCOL end;
} initrd_path = {
    .vendor =
        {.Header = {MEDIA_DEVICE_PATH, MEDIA_VENDOR_DP, {sizeof(VENDOR_DEVICE_PATH), 0}},
         .Guid = {0x5568e427, 0x68fc, 0x4f3d, {0xac, 0x74, 0xca, 0x55, 0x52, 0x31, 0xcc, 0x68}}},
    .end = {END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, {sizeof(initrd_path.end), 0}},
};

struct initrd {
    EFI_LOAD_FILE_PROTOCOL load_file; /* of the same shape as EFI_LOAD_FILE2_PROTOCOL */
    const struct program *program;
    EFI_HANDLE handle;
};

static UINT64 padded(UINT64 bytes)
{
    return (bytes + INITRD_ALIGN - 1) & ~(UINT64)(INITRD_ALIGN - 1);
}

static UINT64 initrd_bytes(const struct program *program)
{
    UINT64 bytes = 0;

    for (UINTN i = 0; i < program->n_initrds; i++)
        bytes += padded(program->initrd_bytes[i]);
    return bytes;
}

static EFI_STATUS EFIAPI load_initrd(EFI_LOAD_FILE_PROTOCOL *This, EFI_DEVICE_PATH *FilePath,
                                     BOOLEAN BootPolicy, UINTN *BufferSize, VOID *Buffer)
{
    const struct program *program = VST_CONTAINER_OF(This, struct initrd, load_file)->program;
    UINT64 bytes = initrd_bytes(program);
    UINT8 *to = Buffer;

    if (BufferSize == NULL || FilePath == NULL)
        return EFI_INVALID_PARAMETER;
    if (BootPolicy)
        return EFI_UNSUPPORTED;
    if (Buffer == NULL || *BufferSize < bytes) {
        *BufferSize = bytes;
        return EFI_BUFFER_TOO_SMALL;
    }
    *BufferSize = bytes;
    for (UINTN i = 0; i < program->n_initrds; i++) {
        UINT64 n = program->initrd_bytes[i];
        if (n > 0 && !program->read_initrd(program->ctx, i, to))
            return EFI_DEVICE_ERROR;
        trust_measure(TRUST_INITRD, to, n, program->initrd_names[i]);
        __builtin_memset(to + n, 0, padded(n) - n);
        to += padded(n);
    }
    return EFI_SUCCESS;
}

static EFI_STATUS offer_initrd(struct initrd *initrd, const struct program *program)
{
    *initrd = (struct initrd){.load_file = {load_initrd}, .program = program};
    if (initrd_bytes(program) == 0)
        return EFI_SUCCESS;
    return firmware->InstallMultipleProtocolInterfaces(&initrd->handle, &guid_device_path,
                                                       &initrd_path, &guid_load_file2,
                                                       &initrd->load_file, NULL);
}

static void withdraw_initrd(struct initrd *initrd)
{
    if (initrd->handle != NULL)
        (void)firmware->UninstallMultipleProtocolInterfaces(initrd->handle, &guid_device_path,
                                                            &initrd_path, &guid_load_file2,
                                                            &initrd->load_file, NULL);
}

/* ---------------------------------------------------------------- the program */

static EFI_STATUS load(const struct program *program, EFI_HANDLE *image)
{
    *image = NULL;
    EFI_STATUS status =
        firmware->LoadImage(FALSE, loader_image, program->path, (VOID *)(uintptr_t)program->image,
                            program->image_bytes, image);
    /* What is not to be started has been loaded all the same. (UEFI 2.9, 7.4) */
    if (EFI_ERROR(status) && *image != NULL && status == EFI_SECURITY_VIOLATION)
        (void)firmware->UnloadImage(*image);
    if (program->loaded != NULL)
        program->loaded(program->ctx);
    return status;
}

static EFI_STATUS set_command_line(const struct program *program, EFI_HANDLE image,
                                   CHAR16 **command_line)
{
    EFI_LOADED_IMAGE_PROTOCOL *loaded;

    *command_line = NULL;
    if (program->command_line == NULL || program->command_line[0] == '\0')
        return EFI_SUCCESS;
    EFI_STATUS status = firmware->HandleProtocol(image, &guid_loaded_image, (VOID **)&loaded);
    if (EFI_ERROR(status))
        return status;
    *command_line = utf16_copy(program->command_line);
    if (*command_line == NULL)
        return EFI_OUT_OF_RESOURCES;
    trust_measure_command_line(program->command_line);
    loaded->LoadOptions = *command_line;
    loaded->LoadOptionsSize = (UINT32)(utf16_units(program->command_line) * sizeof(CHAR16));
    return EFI_SUCCESS;
}

static EFI_STATUS start(const struct program *program, EFI_HANDLE image)
{
    CHAR16 *words = NULL;
    UINTN n = 0;

    driver_connect_children(); /* it may look for file systems */
    EFI_STATUS status = firmware->StartImage(image, &n, &words);

    /* What it says besides (ExitData; UEFI 2.9, 7.4.2) is ours to free. */
    if (EFI_ERROR(status)) /* of its own, so not in words of ours */
        say("%s: it has come back with status %llu, an error\n", program->name,
            (unsigned long long)(status << 1 >> 1));
    if (words != NULL)
        (void)firmware->FreePool(words);
    return status;
}

/* NULL: nothing speaks against it. */
static const char *why_not(const struct program *program)
{
    const struct loader_bytes file = {program->image, program->image_bytes};
    struct loader_pe pe;

    if (loader_pe_read(&file, &pe) == VST_OK && !loader_pe_can_begin(&file, &pe))
        return "the place where it begins is not in the file";
    return loader_admit(program->image, program->image_bytes, program->command_line);
}

EFI_STATUS program_run(const struct program *program)
{
    struct initrd initrd;
    CHAR16 *command_line;
    EFI_HANDLE image;
    const char *why = why_not(program);

    if (why != NULL) {
        say("%s: not started: %s\n", program->name, why);
        return EFI_ACCESS_DENIED;
    }
    EFI_STATUS status = load(program, &image);
    if (EFI_ERROR(status))
        return fail(program, "can't be loaded", status);
    status = offer_initrd(&initrd, program);
    if (!EFI_ERROR(status)) {
        status = set_command_line(program, image, &command_line);
        if (!EFI_ERROR(status))
            status = start(program, image);
        else
            (void)firmware->UnloadImage(image);
        pool_give(command_line);
    } else {
        (void)firmware->UnloadImage(image);
        (void)fail(program, "its initrd can't be offered", status);
    }
    withdraw_initrd(&initrd);
    return status;
}
