/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/entry_files.h"

#include <arch/efi.h>
#include <string.h>

#include <vstor/log.h>

#include "boot/efi/loader/loader.h"
#include "boot/efi/loader/pool.h"
#include "boot/efi/loader/say.h"
#include "boot/loader/pe.h"

#define CONF_PATH     "/loader/loader.conf"
#define ENTRIES_PATH  "/loader/entries"
#define UNIFIED_PATH  "/EFI/Linux"
#define EFI_PATH      "/EFI"
#define MAX_ENTRIES   512u /* of a directory; so many nobody chooses from */
#define HEAD_BYTES    4096u
#define SECTION_BYTES 4096u /* no more than HEAD_BYTES */
#define SHIM          "shim" ARCH_EFI_NAME ".efi"

static void tell(const struct volume *volume, const char *directory, const char *name,
                 const char *what)
{
    say("%s:%s/%s: %s\n", volume->name, directory, name, what);
}

/* ---------------------------------------------------------------- loader.conf */

/* Text of that of a volume; NULL: there is none, or none that can be read, which is said. */
static char *read_conf(struct volume *volume)
{
    struct volume_file file;

    if (volume_find(volume, CONF_PATH, &file.file) != VST_OK ||
        file.file.type != VST_FILE_REGULAR || file.file.bytes > LOADER_ENTRY_MAX_BYTES)
        return NULL;
    file.room = volume_room(volume, file.file.bytes);
    char *text = pool_take(file.room + 1);
    file.to = text;
    if (text != NULL && volume_read(volume, &file, 1, NULL, NULL) == VST_OK) {
        text[file.file.bytes] = '\0';
        return text;
    }
    tell(volume, "/loader", "loader.conf",
         text == NULL ? "not enough memory" : vst_status_text(file.status));
    pool_give(text);
    return NULL;
}

/* The volume that this program came from is the first of all; whatever else has such a file stands
 * behind partitions that are there for it. */
char *entry_files_conf(void)
{
    char *text = NULL;

    for (enum volume_role role = VOLUME_ESP; text == NULL && role <= VOLUME_OTHER; role++)
        for (struct volume *volume = volumes_first(); text == NULL && volume != NULL;
             volume = volume->next)
            if ((volume->is_own ? VOLUME_ESP : volume->role) == role)
                text = read_conf(volume);
    return text;
}

/* ---------------------------------------------------------------- directories */

struct listing {
    struct volume_file files[MAX_ENTRIES];
    char names[MAX_ENTRIES][ENTRY_NAME_BYTES];
    size_t n;
};

static bool has_suffix(const char *name, const char *pattern)
{
    return loader_fits(loader_text_of(name), loader_text_of(pattern));
}

/* Those whose names fit, of at most so many bytes. What makes no sense is said; NULL: there is nothing. */
static struct listing *list(struct volume *volume, const char *path, const char *pattern,
                            enum vst_file_type type)
{
    struct vst_file_entry *entry = pool_take(sizeof(*entry));
    struct listing *listing = NULL;
    struct vst_directory directory;

    enum vst_status status = volume_list(volume, path, &directory);
    if (status == VST_OK && entry != NULL)
        listing = pool_take(sizeof(*listing));
    while (listing != NULL && listing->n < MAX_ENTRIES &&
           (status = volume_next(volume, &directory, entry)) == VST_OK)
        if (entry->file.type == type && has_suffix(entry->name, pattern) &&
            strlen(entry->name) < ENTRY_NAME_BYTES) {
            listing->files[listing->n].file = entry->file;
            memcpy(listing->names[listing->n++], entry->name, strlen(entry->name) + 1);
        }
    pool_give(entry);
    if (status != VST_OK && status != VST_ERR_NOT_FOUND && status != VST_ERR_INVALID)
        say("%s:%s: %s\n", volume->name, path, vst_status_text(status));
    return listing;
}

static struct boot_entry *new_entry(enum entry_kind kind, struct volume *volume,
                                    const char *directory, const char *name)
{
    struct boot_entry *entry = pool_take(sizeof(*entry));

    if (entry == NULL)
        return NULL;
    entry->kind = kind;
    entry->volume = volume;
    vst_format(entry->directory, sizeof(entry->directory), "%s", directory);
    vst_format(entry->file, sizeof(entry->file), "%s", name);
    return entry;
}

/* The name without its tries. */
static void take_id(struct boot_entry *entry, const char *suffix)
{
    char name[ENTRY_NAME_BYTES];

    (void)loader_text_copy(entry->entry.id, name, sizeof(name));
    vst_format(entry->id, sizeof(entry->id), "%s%s", name, suffix);
}

void entry_files_drop(struct boot_entry *entry)
{
    if (entry->kind != ENTRY_CONF)
        pool_give(entry->text);
    pool_give(entry);
}

/* ---------------------------------------------------------------- type 1 */

/* Else it might start itself without end. */
static bool is_ourselves(const struct volume *volume, struct loader_text path)
{
    char text[ENTRY_PATH_BYTES];

    return volume->is_own && loader_text_copy(path, text, sizeof(text)) && loader_is_own_file(text);
}

static void take_conf(struct volume *volume, const char *name, char *text, uint64_t bytes,
                      void (*found)(struct boot_entry *entry))
{
    struct boot_entry *entry = new_entry(ENTRY_CONF, volume, ENTRIES_PATH, name);

    if (entry == NULL)
        return;
    entry->text = text;
    entry->text_bytes = bytes;
    enum vst_status status = loader_entry_read(loader_text_of(entry->file),
                                               (struct loader_text){text, bytes}, &entry->entry);
    if (status == VST_OK && loader_entry_is_for(&entry->entry, ARCH_EFI_NAME) &&
        !is_ourselves(volume, entry->entry.efi)) {
        take_id(entry, ".conf");
        found(entry);
        return;
    }
    if (status == VST_ERR_MALFORMED)
        tell(volume, ENTRIES_PATH, name, "it names nothing that could be booted");
    else if (status != VST_OK)
        tell(volume, ENTRIES_PATH, name, vst_status_text(status));
    entry_files_drop(entry);
}

/* Those of a volume, in memory of their own: pieces of the pool would each be filled first. */
static struct texts {
    struct texts *next;
    UINT64 bytes;
} * texts;

static char *take_texts(UINT64 bytes)
{
    struct texts *taken = pages_take(sizeof(*taken) + bytes);

    if (taken == NULL)
        return NULL;
    *taken = (struct texts){texts, sizeof(*taken) + bytes};
    texts = taken;
    return (char *)(taken + 1);
}

void entry_files_forget(void)
{
    while (texts != NULL) {
        struct texts *given = texts;
        texts = given->next;
        pages_give(given, given->bytes);
    }
}

/* Those that are read, each with its room; false: there is no memory for them. */
static bool place(struct volume *volume, struct listing *listing)
{
    UINT64 bytes = 0;
    size_t n = 0;

    for (size_t i = 0; i < listing->n; i++) {
        struct volume_file *file = &listing->files[i];
        if (file->file.bytes > LOADER_ENTRY_MAX_BYTES) {
            tell(volume, ENTRIES_PATH, listing->names[i], "too large");
            continue;
        }
        file->room = volume_room(volume, file->file.bytes);
        bytes += file->room;
        memmove(listing->names[n], listing->names[i], ENTRY_NAME_BYTES);
        listing->files[n++] = *file;
    }
    listing->n = n;
    char *to = n > 0 ? take_texts(bytes) : NULL;
    for (size_t i = 0; to != NULL && i < n; to += listing->files[i++].room)
        listing->files[i].to = to;
    return n == 0 || to != NULL;
}

/* All of a volume are read together. */
static void find_confs(struct volume *volume, void (*found)(struct boot_entry *entry))
{
    struct listing *listing = list(volume, ENTRIES_PATH, "*.conf", VST_FILE_REGULAR);

    if (listing == NULL)
        return;
    if (!place(volume, listing)) {
        say("%s:%s: not enough memory\n", volume->name, ENTRIES_PATH);
        listing->n = 0;
    }
    (void)volume_read(volume, listing->files, listing->n, NULL, NULL);
    for (size_t i = 0; i < listing->n; i++) {
        const struct volume_file *file = &listing->files[i];
        if (file->status == VST_OK)
            take_conf(volume, listing->names[i], file->to, file->file.bytes, found);
        else
            tell(volume, ENTRIES_PATH, listing->names[i], vst_status_text(file->status));
    }
    pool_give(listing);
}

/* ---------------------------------------------------------------- programs' files */

/* The head of a program for this machine. */
static bool read_head(struct volume *volume, struct vst_file *file, uint8_t head[HEAD_BYTES],
                      struct loader_bytes *bytes, struct loader_pe *pe)
{
    *bytes = (struct loader_bytes){head, volume_read_part(volume, file, 0, head, HEAD_BYTES)};
    return loader_pe_read(bytes, pe) == VST_OK && pe->machine == ARCH_EFI_MACHINE;
}

/* A program of which the head has been read, and room for sections. */
struct program_file {
    struct volume *volume;
    struct vst_file *file;
    const char *name;
    struct loader_bytes head;
    struct loader_pe pe;
    unsigned profile;
};

/* The first SECTION_BYTES of a section. */
static struct loader_text read_section(const struct program_file *program, const char *name,
                                       char to[SECTION_BYTES])
{
    uint64_t offset, bytes;

    if (!loader_pe_place(&program->head, &program->pe, program->profile, name, &offset, &bytes))
        return (struct loader_text){NULL, 0};
    bytes = bytes < SECTION_BYTES ? bytes : SECTION_BYTES;
    return (struct loader_text){
        to, volume_read_part(program->volume, program->file, offset, to, bytes)};
}

/* ---------------------------------------------------------------- type 2 */

enum { OSREL, UNAME, CMDLINE, PROFILE, N_TEXTS };

/* All of one entry, in the entry's own memory, and no more of that than they need. */
static bool read_texts(const struct program_file *program, struct boot_entry *entry,
                       struct loader_text texts_of[N_TEXTS])
{
    static const char *const names[] = {".osrel", ".uname", ".cmdline", ".profile"};
    char *read = pool_take(N_TEXTS * SECTION_BYTES), *to;
    size_t bytes = 0;

    if (read == NULL)
        return false;
    for (size_t i = 0; i < N_TEXTS; i++) {
        texts_of[i] = read_section(program, names[i], read + i * SECTION_BYTES);
        bytes += texts_of[i].bytes;
    }
    entry->text = to = pool_take(bytes + 1);
    for (size_t i = 0; to != NULL && i < N_TEXTS; to += texts_of[i++].bytes)
        texts_of[i].at = memcpy(to, read + i * SECTION_BYTES, texts_of[i].bytes);
    pool_give(read);
    return entry->text != NULL;
}

/* One line, as the image's own stub makes it one; what may have been cut is not to be shown. */
static void take_cmdline(struct boot_entry *entry, struct loader_text text)
{
    char *at = entry->text + (text.at - entry->text);

    if (text.bytes == SECTION_BYTES)
        return;
    for (size_t i = 0; i < text.bytes; i++)
        if ((unsigned char)at[i] < ' ')
            at[i] = ' ';
    while (text.bytes > 0 && text.at[text.bytes - 1] == ' ')
        text.bytes--;
    for (; text.bytes > 0 && text.at[0] == ' '; text.bytes--)
        text.at++;
    if (text.bytes > 0)
        entry->entry.options[entry->entry.n_options++] = text;
}

/* "name.efi", of profiles but the first "name.efi@ID" or "name.efi@1", as systemd-boot has it. */
static void take_unified_id(struct boot_entry *entry)
{
    const struct loader_entry *about = &entry->entry;
    char suffix[ENTRY_NAME_BYTES] = ".efi";

    if (about->profile > 0 && about->profile_id.bytes > 0)
        vst_format(suffix, sizeof(suffix), ".efi@%.*s", (int)about->profile_id.bytes,
                   about->profile_id.at);
    else if (about->profile > 0)
        vst_format(suffix, sizeof(suffix), ".efi@%u", about->profile);
    take_id(entry, suffix);
}

/* An entry of one profile. */
static void take_profile(const struct program_file *program,
                         void (*found)(struct boot_entry *entry))
{
    struct boot_entry *entry =
        new_entry(ENTRY_UNIFIED, program->volume, UNIFIED_PATH, program->name);
    struct loader_text read[N_TEXTS];

    if (entry == NULL)
        return;
    if (!read_texts(program, entry, read)) {
        tell(program->volume, UNIFIED_PATH, program->name, "not enough memory");
        entry_files_drop(entry);
        return;
    }
    if (loader_unified_read(loader_text_of(entry->file), read[OSREL], read[UNAME], &entry->entry) !=
        VST_OK) {
        tell(program->volume, UNIFIED_PATH, program->name, "its .osrel does not say what it is");
        entry_files_drop(entry);
        return;
    }
    loader_unified_profile(&entry->entry, program->profile, read[PROFILE]);
    take_cmdline(entry, read[CMDLINE]);
    take_unified_id(entry);
    found(entry);
}

static void take_unified(struct volume *volume, struct vst_file *file, const char *name,
                         uint8_t *head, void (*found)(struct boot_entry *entry))
{
    struct program_file program = {volume, file, name, {0}, {0}, 0};

    if (!read_head(volume, file, head, &program.head, &program.pe)) {
        tell(volume, UNIFIED_PATH, name, "it is no program for this machine");
        return;
    }
    unsigned n = loader_pe_profiles(&program.head, &program.pe);
    for (; program.profile < n; program.profile++)
        take_profile(&program, found);
}

static void find_unified(struct volume *volume, void (*found)(struct boot_entry *entry))
{
    struct listing *listing = list(volume, UNIFIED_PATH, "*.efi", VST_FILE_REGULAR);
    uint8_t *head = listing != NULL ? pool_take(HEAD_BYTES) : NULL;

    for (size_t i = 0; head != NULL && i < listing->n; i++)
        take_unified(volume, &listing->files[i].file, listing->names[i], head, found);
    pool_give(head);
    pool_give(listing);
}

/* ---------------------------------------------------------------- other programs */

struct known {
    const char *directory, *file;
    const char *id, *title;
};

static void add_program(struct volume *volume, const char *directory, const char *name,
                        const char *id, const char *title, void (*found)(struct boot_entry *entry))
{
    struct boot_entry *entry = new_entry(ENTRY_PROGRAM, volume, directory, name);
    size_t bytes = strlen(title) + 1;

    if (entry == NULL)
        return;
    entry->text = pool_take(bytes);
    if (entry->text == NULL) {
        entry_files_drop(entry);
        return;
    }
    memcpy(entry->text, title, bytes);
    entry->entry.title = loader_text_of(entry->text);
    vst_format(entry->id, sizeof(entry->id), "%s", id);
    found(entry);
}

/* False: there is none, or it is this loader, or one like it. */
static bool is_program(struct volume *volume, const char *path, uint8_t *head)
{
    static const char magic[] = LOADER_MAGIC LOADER_PRODUCT " ";
    struct vst_file file;
    struct program_file program = {volume, &file, path, {0}, {0}, 0};

    if ((volume->is_own && loader_is_own_file(path)) ||
        volume_find(volume, path, &file) != VST_OK || file.type != VST_FILE_REGULAR ||
        !read_head(volume, &file, head, &program.head, &program.pe) ||
        program.pe.subsystem != LOADER_PE_APPLICATION)
        return false;
    /* The head has been read, so there is room. */
    struct loader_text told = read_section(&program, ".sdmagic", (char *)head);
    return told.bytes < strlen(magic) || memcmp(told.at, magic, strlen(magic)) != 0;
}

static void find_known(struct volume *volume, uint8_t *head,
                       void (*found)(struct boot_entry *entry))
{
    static const struct known known[] = {
        {"/EFI/Microsoft/Boot", "bootmgfw.efi", "auto-windows", "Windows Boot Manager"},
        {"", "shell" ARCH_EFI_NAME ".efi", "auto-efi-shell", "EFI Shell"},
        {"/EFI/BOOT", "BOOT" ARCH_EFI_BOOT_NAME ".EFI", "auto-efi-default", "EFI Default Loader"},
    };
    char path[ENTRY_PATH_BYTES];

    for (size_t i = 0; i < VST_ARRAY_LENGTH(known); i++) {
        vst_format(path, sizeof(path), "%s/%s", known[i].directory, known[i].file);
        if (is_program(volume, path, head))
            add_program(volume, known[i].directory, known[i].file, known[i].id, known[i].title,
                        found);
    }
}

static bool fits_one_of(const char *name, const char *const *patterns, size_t n)
{
    size_t i = 0;

    while (i < n && !has_suffix(name, patterns[i]))
        i++;
    return i < n;
}

/* What others start, and is of no use by itself: managers of keys, of boot options and of firmware; and
 * where shim is, what that starts. */
static bool is_part_of_other(const char *name, const struct listing *listing)
{
    static const char *const parts[] = {"mm*.efi", "mokmanager*", "hashtool*",
                                        "fb*.efi", "fallback*",   "fwup*"};
    static const char *const behind_shim[] = {"grub*", "gcd*", "shim*"};
    bool shim = false;

    for (size_t i = 0; i < listing->n; i++)
        shim |= has_suffix(listing->names[i], SHIM);
    return fits_one_of(name, parts, VST_ARRAY_LENGTH(parts)) ||
           (shim && !has_suffix(name, SHIM) &&
            fits_one_of(name, behind_shim, VST_ARRAY_LENGTH(behind_shim)));
}

/* All programs in the folder of a system, or of another loader. */
static void find_vendor(struct volume *volume, const char *vendor, uint8_t *head,
                        void (*found)(struct boot_entry *entry))
{
    char directory[ENTRY_PATH_BYTES], path[2 * ENTRY_PATH_BYTES];
    char id[ENTRY_NAME_BYTES], title[ENTRY_NAME_BYTES];

    vst_format(directory, sizeof(directory), "%s/%s", EFI_PATH, vendor);
    struct listing *listing = list(volume, directory, "*.efi", VST_FILE_REGULAR);
    for (size_t i = 0; listing != NULL && i < listing->n; i++) {
        const char *name = listing->names[i];
        vst_format(path, sizeof(path), "%s/%s", directory, name);
        if (is_part_of_other(name, listing) || !is_program(volume, path, head))
            continue;
        vst_format(id, sizeof(id), "auto-%s-%s", vendor, name);
        vst_format(title, sizeof(title), "%s (%s)", vendor, name);
        add_program(volume, directory, name, id, title, found);
    }
    pool_give(listing);
}

static void find_programs(struct volume *volume, uint8_t *head,
                          void (*found)(struct boot_entry *entry))
{
    struct listing *vendors = list(volume, EFI_PATH, "*", VST_FILE_DIRECTORY);

    for (size_t i = 0; vendors != NULL && i < vendors->n; i++)
        if (!has_suffix(vendors->names[i], "BOOT") && !has_suffix(vendors->names[i], "Linux") &&
            !has_suffix(vendors->names[i], "Microsoft"))
            find_vendor(volume, vendors->names[i], head, found);
    pool_give(vendors);
    find_known(volume, head, found);
}

/* ---------------------------------------------------------------- all of them */

void entry_files_find(bool programs, void (*found)(struct boot_entry *entry))
{
    uint8_t *head = pool_take(HEAD_BYTES);

    for (struct volume *volume = volumes_first(); volume != NULL; volume = volume->next) {
        find_confs(volume, found);
        find_unified(volume, found);
        if (programs && head != NULL)
            find_programs(volume, head, found);
    }
    pool_give(head);
}
