/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that the EFI boot loader finds to boot: loader.conf, entries, unified images and other programs
 * of a few volumes, chosen by variables, counted and named, as boot/efi/loader/entries.c does it.
 *
 * The input: loader.conf's length (2 bytes, 0: none) and text; six variables, each a length and bytes;
 * then files until the end: what it is and which volume, length of its name, the name, length (2) of
 * what stands in it, and that.
 */
#include <stddef.h>
#include <string.h>

#include "boot/efi/loader/entries.h"
#include "boot/efi/loader/utf16.h"
#include "boot/loader/entry.h"
#include "tests/fuzz/fuzz_efi_firmware.h"

#define MAX_FILES     24u
#define N_VOLUMES     2u
#define NAME_BYTES    200u
#define SECTOR_BYTES  512u
#define INFO_BYTES    1024u
#define IS_UNREADABLE 0x80u
#define IS_DIRECTORY  0x40u

struct fake_file {
    const char *folder;
    struct volume *volume;
    bool unreadable, directory;
    char name[NAME_BYTES + 1];
    const uint8_t *bytes;
    size_t n;
};

static struct volume volumes[N_VOLUMES];
static struct fake_file files[MAX_FILES];
static size_t n_files;
static const char *const folders[] = {"/loader/entries", "/EFI/Linux", "/EFI",   "/EFI/BOOT",
                                      "/EFI/debian",     "",           "/loader"};

/* ---------------------------------------------------------------- volumes */

EFI_HANDLE volume_handle(struct volume *volume)
{
    return volume->handle;
}

struct volume *volumes_first(void)
{
    return volumes;
}

uint64_t volume_room(const struct volume *volume, uint64_t bytes)
{
    (void)volume;
    return (bytes + SECTOR_BYTES - 1) & ~(uint64_t)(SECTOR_BYTES - 1);
}

/* A file tells which one it is by where it begins. */
static struct vst_file file_of(size_t i)
{
    return (struct vst_file){.type = files[i].directory ? VST_FILE_DIRECTORY : VST_FILE_REGULAR,
                             .bytes = files[i].directory ? 0 : files[i].n,
                             .priv.first = (uint32_t)i};
}

enum vst_status volume_find(struct volume *volume, const char *path, struct vst_file *file)
{
    for (size_t i = 0; i < n_files; i++) {
        size_t bytes = strlen(files[i].folder);
        if (files[i].volume != volume || strncmp(path, files[i].folder, bytes) != 0 ||
            path[bytes] != '/' || strcmp(path + bytes + 1, files[i].name) != 0)
            continue;
        *file = file_of(i);
        return VST_OK;
    }
    return VST_ERR_NOT_FOUND;
}

enum vst_status volume_list(struct volume *volume, const char *path,
                            struct vst_directory *directory)
{
    (void)volume;
    for (uint32_t i = 0; i < VST_ARRAY_LENGTH(folders); i++)
        if (strcmp(folders[i], path) == 0) {
            *directory = (struct vst_directory){.file.priv.first = i};
            return VST_OK;
        }
    return VST_ERR_NOT_FOUND;
}

enum vst_status volume_next(struct volume *volume, struct vst_directory *directory,
                            struct vst_file_entry *entry)
{
    while (directory->position_bytes < n_files) {
        size_t i = directory->position_bytes++;
        if (files[i].volume != volume || files[i].folder != folders[directory->file.priv.first])
            continue;
        entry->file = file_of(i);
        strcpy(entry->name, files[i].name);
        return VST_OK;
    }
    return VST_ERR_NOT_FOUND;
}

/* The room is all there is: the sanitizer sees a byte too much. */
enum vst_status volume_read(struct volume *volume, struct volume_file *wanted, size_t n,
                            bool (*told)(void *ctx, uint64_t done_bytes), void *ctx)
{
    enum vst_status status = VST_OK;

    (void)volume;
    (void)told;
    (void)ctx;
    for (size_t i = n; i-- > 0;) {
        const struct fake_file *file = &files[wanted[i].file.priv.first];
        FUZZ_CHECK(wanted[i].room >= file->n);
        memset(wanted[i].to, 0xee, wanted[i].room);
        memcpy(wanted[i].to, file->bytes, file->n);
        wanted[i].status = file->unreadable ? VST_ERR_IO : VST_OK;
        status = file->unreadable ? VST_ERR_IO : status;
    }
    return status;
}

size_t volume_read_part(struct volume *volume, struct vst_file *wanted, uint64_t offset_bytes,
                        void *to, size_t bytes)
{
    const struct fake_file *file = &files[wanted->priv.first];

    (void)volume;
    if (file->unreadable || offset_bytes >= file->n)
        return 0;
    bytes = bytes < file->n - offset_bytes ? bytes : file->n - (size_t)offset_bytes;
    memcpy(to, file->bytes + offset_bytes, bytes);
    return bytes;
}

enum vst_status volume_look_again(struct volume *volume)
{
    (void)volume;
    return VST_OK;
}

/* ---------------------------------------------------------------- the firmware's file system */

static CHAR16 new_name[INFO_BYTES];
static EFI_FILE_PROTOCOL fake_file;

static EFI_STATUS EFIAPI open_root(EFI_SIMPLE_FILE_SYSTEM_PROTOCOL *this, EFI_FILE_PROTOCOL **root)
{
    (void)this;
    *root = &fake_file;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI open_file(EFI_FILE_PROTOCOL *this, EFI_FILE_PROTOCOL **file, CHAR16 *name,
                                   UINT64 mode, UINT64 attributes)
{
    (void)mode;
    (void)attributes;
    for (; *name != 0; name++)
        FUZZ_CHECK(*name != '/');
    *file = this;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI nothing_to_do(EFI_FILE_PROTOCOL *this)
{
    (void)this;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI get_info(EFI_FILE_PROTOCOL *this, EFI_GUID *type, UINTN *bytes, VOID *info)
{
    (void)this;
    (void)type;
    memset(info, 0xee, *bytes);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI set_info(EFI_FILE_PROTOCOL *this, EFI_GUID *type, UINTN bytes, VOID *info)
{
    const EFI_FILE_INFO *set = info;
    UINTN n = (bytes - offsetof(EFI_FILE_INFO, FileName)) / sizeof(CHAR16);

    (void)this;
    (void)type;
    FUZZ_CHECK(bytes <= INFO_BYTES && set->Size == bytes && n > 1 && set->FileName[n - 1] == 0);
    memcpy(new_name, set->FileName, n * sizeof(CHAR16));
    return EFI_SUCCESS;
}

static void offer_file_system(void)
{
    static EFI_GUID guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
    static EFI_SIMPLE_FILE_SYSTEM_PROTOCOL file_system = {.OpenVolume = open_root};

    fake_file = (EFI_FILE_PROTOCOL){.Open = open_file,
                                    .Close = nothing_to_do,
                                    .GetInfo = get_info,
                                    .SetInfo = set_info,
                                    .Flush = nothing_to_do};
    fuzz_firmware_offer(&guid, &file_system);
}

/* ---------------------------------------------------------------- what is checked */

static bool is_text(const char *text, size_t room)
{
    return strnlen(text, room) < room;
}

static void check_entry(const struct boot_entry *entry, const struct boot_choice *choice,
                        bool *is_chosen)
{
    FUZZ_CHECK(is_text(entry->id, sizeof(entry->id)) && entry->title[0] != '\0');
    FUZZ_CHECK(is_text(entry->title, sizeof(entry->title)));
    FUZZ_CHECK(is_text(entry->file, sizeof(entry->file)));
    FUZZ_CHECK((entry->kind <= ENTRY_PROGRAM) == (entry->volume != NULL));
    *is_chosen |= entry == choice->chosen;
    /* Each before all that follow. */
    for (const struct boot_entry *later = entry->next; later != NULL; later = later->next) {
        FUZZ_CHECK(entry->kind <= ENTRY_UNIFIED || later->kind > ENTRY_UNIFIED);
        if (later->kind <= ENTRY_UNIFIED)
            FUZZ_CHECK(loader_entry_compare(&entry->entry, &later->entry) <= 0);
    }
}

/* One try less, and the file has another name, which says so. */
static void count(struct boot_entry *entry)
{
    struct loader_tries before = entry->entry.tries, after;
    struct loader_text id;
    char old_name[ENTRY_PATH_BYTES], told[ENTRY_PATH_BYTES];

    memcpy(old_name, entry->file, sizeof(old_name));
    new_name[0] = 0;
    entry_count(entry);
    if (strcmp(old_name, entry->file) == 0)
        return;
    FUZZ_CHECK(before.counted && before.left > 0);
    FUZZ_CHECK(loader_entry_name(loader_text_of(entry->file), &id, &after));
    FUZZ_CHECK(after.counted && after.left == before.left - 1);
    if (utf8_of(new_name, INFO_BYTES, told, sizeof(told)) &&
        strchr(told, '\xef') == NULL) /* no character was replaced */
        FUZZ_CHECK(strcmp(told, entry->file) == 0);
}

static void check_all(const struct boot_choice *choice)
{
    bool is_chosen = choice->chosen == NULL;
    UINTN n, bytes = 0;

    for (struct boot_entry *entry = entries_first(); entry != NULL; entry = entry->next) {
        check_entry(entry, choice, &is_chosen);
        bytes += utf16_units(entry->id) * sizeof(CHAR16);
    }
    FUZZ_CHECK(is_chosen);
    (void)fuzz_firmware_get(L"LoaderEntries", &n);
    FUZZ_CHECK(n == bytes);
    (void)fuzz_firmware_get(L"LoaderEntryOneShot", &n);
    FUZZ_CHECK(n == 0); /* it was for this once */
    for (struct boot_entry *entry = entries_first(); entry != NULL; entry = entry->next) {
        entries_save(choice, entry);
        if (entry->kind <= ENTRY_UNIFIED)
            count(entry);
    }
}

/* ---------------------------------------------------------------- the input */

static size_t take_bytes(struct fuzz_input *input, size_t n, const uint8_t **at)
{
    n = n < input->left ? n : input->left;
    *at = input->at;
    input->at += n;
    input->left -= n;
    return n;
}

/* False: its name is none, or there are too many. */
static bool add_file(const char *folder, uint8_t about, const uint8_t *name, size_t name_bytes,
                     const uint8_t *bytes, size_t n)
{
    struct fake_file *file = &files[n_files];

    if (n_files == MAX_FILES || name_bytes == 0 || name_bytes > NAME_BYTES ||
        memchr(name, 0, name_bytes) != NULL || memchr(name, '/', name_bytes) != NULL)
        return false;
    *file = (struct fake_file){.folder = folder,
                               .volume = &volumes[about >> 3 & 1],
                               .unreadable = (about & IS_UNREADABLE) != 0,
                               .directory = (about & IS_DIRECTORY) != 0,
                               .bytes = bytes,
                               .n = n};
    memcpy(file->name, name, name_bytes);
    n_files++;
    return true;
}

static void take_files(struct fuzz_input *input)
{
    const uint8_t *name, *bytes;
    bool room = true;

    while (input->left > 0 && room) {
        uint8_t about = fuzz_u8(input);
        size_t name_bytes = take_bytes(input, fuzz_u8(input), &name);
        size_t n = take_bytes(input, fuzz_u16(input), &bytes);
        room = n_files < MAX_FILES;
        (void)add_file(folders[(about & 7u) % VST_ARRAY_LENGTH(folders)], about, name, name_bytes,
                       bytes, n);
    }
}

static void take_variables(struct fuzz_input *input)
{
    static const CHAR16 *const names[] = {L"LoaderEntryOneShot",   L"LoaderEntryDefault",
                                          L"LoaderConfigTimeout",  L"LoaderEntryLastBooted",
                                          L"LoaderEntryPreferred", L"LoaderConfigTimeoutOneShot"};
    const uint8_t *bytes;

    for (size_t i = 0; i < VST_ARRAY_LENGTH(names); i++) {
        size_t n = take_bytes(input, fuzz_u8(input), &bytes);
        fuzz_firmware_set(names[i], bytes, n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_input input = {data, bytes};
    static struct boot_choice choice;
    const uint8_t *conf;

    fuzz_firmware_begin();
    offer_file_system();
    n_files = 0;
    for (unsigned i = 0; i < N_VOLUMES; i++)
        volumes[i] = (struct volume){.next = i + 1 < N_VOLUMES ? &volumes[i + 1] : NULL,
                                     .handle = &volumes[i],
                                     .name = {'v', 'd', (char)('a' + i)},
                                     .is_own = i == 0};
    size_t n = take_bytes(&input, fuzz_u16(&input), &conf);
    if (n > 0)
        (void)add_file("/loader", 0, (const uint8_t *)"loader.conf", strlen("loader.conf"), conf,
                       n);
    take_variables(&input);
    take_files(&input);
    entries_find(&choice);
    check_all(&choice);
    entries_forget(&choice);
    FUZZ_CHECK(entries_first() == NULL);
    fuzz_firmware_end();
    return 0;
}
