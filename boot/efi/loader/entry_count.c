/* SPDX-License-Identifier: BSD-2-Clause */
/* Boot counting: by the firmware's file system, on top of our Block IO, for only that writes. */
#include <stddef.h>
#include <string.h>

#include <vstor/log.h>

#include "boot/efi/loader/entries.h"
#include "boot/efi/loader/pool.h"
#include "boot/efi/loader/program.h"
#include "boot/efi/loader/say.h"
#include "boot/efi/loader/utf16.h"
#include "boot/efi/loader/variables.h"

#define INFO_BYTES      1024u
#define INFO_HEAD_BYTES offsetof(EFI_FILE_INFO, FileName)

static EFI_GUID guid_file_system = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
static EFI_GUID guid_file_info = EFI_FILE_INFO_ID;

static EFI_STATUS open_file(const struct boot_entry *entry, EFI_FILE_HANDLE *root,
                            EFI_FILE_HANDLE *file)
{
    EFI_SIMPLE_FILE_SYSTEM_PROTOCOL *file_system;
    char path[2 * ENTRY_PATH_BYTES];
    EFI_HANDLE handle = volume_handle(entry->volume);
    EFI_STATUS status = EFI_NOT_FOUND;

    *root = *file = NULL;
    if (handle != NULL)
        status = firmware->HandleProtocol(handle, &guid_file_system, (VOID **)&file_system);
    if (!EFI_ERROR(status))
        status = file_system->OpenVolume(file_system, root);
    if (EFI_ERROR(status))
        return status;
    vst_format(path, sizeof(path), "%s/%s", entry->directory, entry->file);
    for (char *c = path; *c != '\0'; c++)
        *c = *c == '/' ? '\\' : *c;
    CHAR16 *name = utf16_copy(path);
    if (name == NULL)
        return EFI_OUT_OF_RESOURCES;
    status = (*root)->Open(*root, file, name, EFI_FILE_MODE_READ | EFI_FILE_MODE_WRITE, 0);
    pool_give(name);
    return status;
}

static EFI_STATUS set_name(EFI_FILE_HANDLE file, const char *name)
{
    EFI_FILE_INFO *info = pool_take(INFO_BYTES);
    UINTN bytes = INFO_BYTES;

    if (info == NULL)
        return EFI_OUT_OF_RESOURCES;
    EFI_STATUS status = file->GetInfo(file, &guid_file_info, &bytes, info);
    if (!EFI_ERROR(status) &&
        !utf16_of(name, info->FileName, (INFO_BYTES - INFO_HEAD_BYTES) / sizeof(CHAR16)))
        status = EFI_BUFFER_TOO_SMALL;
    if (!EFI_ERROR(status)) {
        info->Size = INFO_HEAD_BYTES + utf16_units(name) * sizeof(CHAR16);
        status = file->SetInfo(file, &guid_file_info, info->Size, info);
    }
    if (!EFI_ERROR(status))
        (void)file->Flush(file);
    pool_give(info);
    return status;
}

static void tell_path(const struct boot_entry *entry)
{
    char path[2 * ENTRY_PATH_BYTES];

    vst_format(path, sizeof(path), "%s/%s", entry->directory, entry->file);
    for (char *c = path; *c != '\0'; c++)
        *c = *c == '/' ? '\\' : *c;
    variable_set(L"LoaderBootCountPath", path, false);
}

void entry_count(struct boot_entry *entry)
{
    char name[ENTRY_PATH_BYTES];
    EFI_FILE_HANDLE root, file;

    if (!entry->entry.tries.counted || !loader_entry_next_name(&entry->entry, name, sizeof(name)))
        return;
    EFI_STATUS status = open_file(entry, &root, &file);
    if (!EFI_ERROR(status))
        status = set_name(file, name);
    if (file != NULL)
        (void)file->Close(file);
    if (root != NULL)
        (void)root->Close(root);
    if (EFI_ERROR(status)) {
        say("%s:%s/%s: this try can't be counted: %s\n", entry->volume->name, entry->directory,
            entry->file, program_status_text(status));
        return;
    }
    memcpy(entry->file, name, strlen(name) + 1);
    tell_path(entry);
    (void)!volume_look_again(entry->volume); /* what fails now, fails again when it is loaded */
}
