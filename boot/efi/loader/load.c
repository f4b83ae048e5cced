/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/load.h"

#include <string.h>

#include "boot/efi/clock.h"
#include "boot/efi/loader/loader.h"
#include "boot/efi/loader/pool.h"
#include "boot/efi/loader/say.h"

#define MIB         (1ull << 20)
#define TELL_NS     1000000000ull
#define SCAN_ESCAPE 0x17u

struct progress {
    uint64_t total_bytes, tell_ns;
    bool told, stopped;
};

static bool escape_was_pressed(void)
{
    SIMPLE_INPUT_INTERFACE *keyboard = loader_system->ConIn;
    EFI_INPUT_KEY key;
    bool pressed = false;

    while (keyboard != NULL && !pressed && !EFI_ERROR(keyboard->ReadKeyStroke(keyboard, &key)))
        pressed = key.ScanCode == SCAN_ESCAPE;
    return pressed;
}

static bool tell(void *ctx, uint64_t done_bytes)
{
    struct progress *progress = ctx;
    uint64_t now_ns = clock_ns();

    /* A counter that was set back must not put Esc off for as long. */
    if (now_ns >= progress->tell_ns || now_ns + TELL_NS < progress->tell_ns) {
        progress->tell_ns = now_ns + TELL_NS;
        progress->told = true;
        say("\r  %llu of %llu MiB, Esc stops it ", (unsigned long long)(done_bytes / MIB),
            (unsigned long long)(progress->total_bytes / MIB));
        progress->stopped |= escape_was_pressed();
    }
    return !progress->stopped;
}

/* ---------------------------------------------------------------- finding */

static bool fail(const struct volume *volume, const char *path, const char *why)
{
    say("%s:%s", volume->name, path); /* may be cut */
    say(": %s\n", why);
    return false;
}

bool load_find(struct volume *volume, const char *path, struct load_file *file)
{
    size_t bytes = strlen(path);

    if (bytes >= sizeof(file->path))
        return fail(volume, "", "a path is too long");
    file->volume = volume;
    for (size_t i = 0; i <= bytes; i++)
        file->path[i] = path[i] == '\\' ? '/' : path[i];
    enum vst_status status = volume_find(volume, file->path, &file->file);
    if (status == VST_ERR_NOT_FOUND)
        return fail(volume, file->path, "there is no such file");
    if (status != VST_OK)
        return fail(volume, file->path, vst_status_text(status));
    return file->file.type == VST_FILE_REGULAR || fail(volume, file->path, "is no regular file");
}

/* ---------------------------------------------------------------- loading */

bool load_into(const struct load_file *file, void *to, uint64_t room)
{
    struct progress progress = {.total_bytes = file->file.bytes, .tell_ns = clock_ns() + TELL_NS};
    struct volume_file wanted = {.file = file->file, .to = to, .room = room};

    say("%s:%s", file->volume->name, file->path);
    say(", %llu KiB\n", (unsigned long long)((file->file.bytes + 1023) / 1024));
    enum vst_status status = volume_read(file->volume, &wanted, 1, tell, &progress);
    if (progress.told)
        say("\n");
    if (progress.stopped)
        return fail(file->volume, file->path, "stopped by the Escape key");
    return status == VST_OK || fail(file->volume, file->path, vst_status_text(status));
}

bool load_pages(const struct load_file *file, struct load_pages *pages)
{
    *pages = (struct load_pages){.bytes = file->file.bytes};
    if (pages->bytes == 0)
        return fail(file->volume, file->path, "the file is empty");
    pages->room = pages_bytes(volume_room(file->volume, pages->bytes));
    pages->at = pages_take(pages->room);
    if (pages->at == NULL)
        return fail(file->volume, file->path, "not enough memory for it");
    if (load_into(file, pages->at, pages->room))
        return true;
    load_give(pages);
    return false;
}

void load_give(struct load_pages *pages)
{
    pages_give(pages->at, pages->room);
    *pages = (struct load_pages){.at = NULL};
}
