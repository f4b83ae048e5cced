/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/boot.h"

#include <string.h>

#include <vstor/log.h>

#include "boot/efi/clock.h"
#include "boot/efi/loader/device_path.h"
#include "boot/efi/loader/load.h"
#include "boot/efi/loader/loader.h"
#include "boot/efi/loader/pool.h"
#include "boot/efi/loader/program.h"
#include "boot/efi/loader/say.h"
#include "boot/efi/loader/variables.h"
#include "boot/loader/pe.h"

#define NS_PER_US 1000u

struct booting {
    const struct boot_entry *entry;
    const char *options;
    struct load_file kernel;
    struct load_pages pages;
    struct load_file *initrds;
    size_t n_initrds;
};

bool boot_options(const struct boot_entry *entry, char text[BOOT_MAX_OPTIONS])
{
    return loader_entry_options(&entry->entry, text, BOOT_MAX_OPTIONS);
}

/* ---------------------------------------------------------------- its files */

static bool find(struct volume *volume, struct loader_text path, struct load_file *file)
{
    char text[VST_FILES_PATH_BYTES];

    if (!loader_text_copy(path, text, sizeof(text))) {
        say("%s: a path is too long\n", volume->name);
        return false;
    }
    return load_find(volume, text, file);
}

/* What is booted: of type 1 what it names, else the file itself. */
static bool find_kernel(struct booting *booting)
{
    const struct boot_entry *entry = booting->entry;
    const struct loader_entry *conf = &entry->entry;
    char path[2 * ENTRY_PATH_BYTES];

    if (entry->kind == ENTRY_CONF)
        return find(entry->volume,
                    conf->kernel.bytes > 0 ? conf->kernel
                    : conf->uki.bytes > 0  ? conf->uki
                                           : conf->efi,
                    &booting->kernel);
    vst_format(path, sizeof(path), "%s/%s", entry->directory, entry->file);
    return load_find(entry->volume, path, &booting->kernel);
}

static bool find_initrds(struct booting *booting)
{
    const struct loader_entry *conf = &booting->entry->entry;

    if (conf->n_initrds == 0)
        return true;
    booting->initrds = pool_take(conf->n_initrds * sizeof(*booting->initrds));
    if (booting->initrds == NULL) {
        say("%s: not enough memory\n", booting->entry->title);
        return false;
    }
    for (; booting->n_initrds < conf->n_initrds; booting->n_initrds++)
        if (!find(booting->entry->volume, conf->initrds[booting->n_initrds],
                  &booting->initrds[booting->n_initrds]))
            return false;
    return true;
}

static bool read_initrd(void *ctx, UINTN number, void *to)
{
    struct booting *booting = ctx;
    const struct load_file *file = &booting->initrds[number];

    return load_into(file, to, file->file.bytes);
}

/* ---------------------------------------------------------------- its start */

static void give_kernel(void *ctx)
{
    struct booting *booting = ctx;

    load_give(&booting->pages);
}

static void run_program(struct booting *booting)
{
    const struct volume *volume = booting->kernel.volume;
    EFI_DEVICE_PATH_PROTOCOL *device =
        volume->handle != NULL ? device_path_of(volume->handle) : NULL;
    struct program program = {
        .name = booting->kernel.path,
        .image = booting->pages.at,
        .image_bytes = booting->pages.bytes,
        .path = device_path_of_file(device, booting->kernel.path),
        .command_line = booting->options,
        .n_initrds = booting->n_initrds,
        .ctx = booting,
        .read_initrd = read_initrd,
        .loaded = give_kernel,
    };

    for (size_t i = 0; i < booting->n_initrds; i++)
        program.initrd_bytes[i] = booting->initrds[i].file.bytes;
    variable_set_number(L"LoaderTimeExecUSec", clock_since_power_ns() / NS_PER_US);
    (void)program_run(&program);
    pool_give(program.path);
}

static void start(struct booting *booting)
{
    const struct loader_bytes bytes = {booting->pages.at, booting->pages.bytes};
    struct loader_pe pe;

    if (loader_pe_read(&bytes, &pe) == VST_OK)
        run_program(booting);
    else
        say("%s: it is no program for this machine\n", booting->kernel.path);
}

/* ---------------------------------------------------------------- all of it */

static void boot_files(struct booting *booting)
{
    if (find_kernel(booting) && find_initrds(booting) &&
        load_pages(&booting->kernel, &booting->pages))
        start(booting);
    load_give(&booting->pages);
    pool_give(booting->initrds);
}

static void reset(EFI_RESET_TYPE type)
{
    loader_system->RuntimeServices->ResetSystem(type, EFI_SUCCESS, 0, NULL);
}

static void enter_set_up(void)
{
    EFI_STATUS status = variables_ask_for_set_up();

    if (EFI_ERROR(status))
        say("the firmware can't be asked for its set-up: %s\n", program_status_text(status));
    else
        reset(EfiResetCold);
}

void boot_entry(struct boot_entry *entry, const char *options)
{
    struct booting *booting = pool_take(sizeof(*booting));

    if (booting == NULL)
        return;
    say("booting %s\n", entry->title);
    entry_count(entry);
    variable_set(L"LoaderEntrySelected", entry->id, false);
    booting->entry = entry;
    booting->options = options;
    if (entry->kind == ENTRY_SET_UP)
        enter_set_up();
    else if (entry->kind == ENTRY_RESTART)
        reset(EfiResetCold);
    else if (entry->kind == ENTRY_POWER_OFF)
        reset(EfiResetShutdown);
    else
        boot_files(booting);
    pool_give(booting);
}
