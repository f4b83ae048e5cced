/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/boot.h"

#include <string.h>

#include <vstor/log.h>

#include "boot/efi/clock.h"
#include "boot/efi/loader/device_path.h"
#include "boot/efi/loader/load.h"
#include "boot/efi/loader/loader.h"
#include "boot/efi/loader/next_kernel.h"
#include "boot/efi/loader/pool.h"
#include "boot/efi/loader/program.h"
#include "boot/efi/loader/say.h"
#include "boot/efi/loader/trust.h"
#include "boot/efi/loader/variables.h"
#include "boot/loader/image.h"
#include "boot/loader/pe.h"

#define NS_PER_US   1000u
#define HEAD_BYTES  4096u
#define WORDS_BYTES (BOOT_MAX_OPTIONS + 16) /* with the number of a profile */

struct booting {
    const struct boot_entry *entry;
    const char *options;
    struct load_file *files; /* the kernel, and its initrds or modules */
    size_t n_files;
    char *words[LOADER_MAX_INITRDS]; /* of modules, with their paths */
    struct load_pages pages;         /* the kernel's, if it is a program */
    char words_of_profile[WORDS_BYTES];
};

bool boot_options(const struct boot_entry *entry, char text[BOOT_MAX_OPTIONS])
{
    return loader_entry_options(&entry->entry, text, BOOT_MAX_OPTIONS);
}

/* In the program's own words: what a unified image brings along it is not told, but which profile is
 * wanted. (systemd-stub(7)) */
static const char *words_for(const struct boot_entry *entry, const char *options,
                             char text[WORDS_BYTES])
{
    unsigned profile = entry->entry.profile;

    if (entry->kind != ENTRY_UNIFIED)
        return options;
    if (boot_options(entry, text) && strcmp(text, options) == 0)
        options = "";
    if (profile == 0)
        return options;
    vst_format(text, WORDS_BYTES, "@%u%s%s", profile, options[0] != '\0' ? " " : "", options);
    return text;
}

/* ---------------------------------------------------------------- its files */

static bool add(struct booting *booting, struct loader_text path)
{
    struct volume *volume = booting->entry->volume;
    char text[VST_FILES_PATH_BYTES];

    if (!loader_text_copy(path, text, sizeof(text))) {
        say("%s: a path is too long\n", volume->name);
        return false;
    }
    return load_find(volume, text, &booting->files[booting->n_files++]);
}

/* What is booted: of type 1 what it names, else the file itself. */
static bool add_kernel(struct booting *booting)
{
    const struct boot_entry *entry = booting->entry;
    const struct loader_entry *conf = &entry->entry;
    char path[2 * ENTRY_PATH_BYTES];

    if (entry->kind == ENTRY_CONF)
        return add(booting, conf->kernel.bytes > 0 ? conf->kernel
                            : conf->uki.bytes > 0  ? conf->uki
                                                   : conf->efi);
    vst_format(path, sizeof(path), "%s/%s", entry->directory, entry->file);
    return add(booting, loader_text_of(path));
}

/* The kernel reads all of it, as a text. */
static bool add_module(struct booting *booting, size_t number, struct loader_text text)
{
    struct loader_text path = text;
    char **words = &booting->words[number];

    for (path.bytes = 0;
         path.bytes < text.bytes && path.at[path.bytes] != ' ' && path.at[path.bytes] != '\t';)
        path.bytes++;
    *words = pool_take(text.bytes + 1);
    if (*words == NULL || !loader_text_copy(text, *words, text.bytes + 1)) {
        say("%s: not enough memory\n", booting->entry->title);
        return false;
    }
    return add(booting, path);
}

static bool find_files(struct booting *booting)
{
    const struct loader_entry *conf = &booting->entry->entry;

    if (conf->devicetree.bytes > 0 || conf->devicetree_overlay.bytes > 0)
        say("%s: its devicetree is left out: this machine has ACPI\n", booting->entry->title);
    booting->files = pool_take((1 + conf->n_initrds) * sizeof(*booting->files));
    if (booting->files == NULL) {
        say("%s: not enough memory\n", booting->entry->title);
        return false;
    }
    bool found = add_kernel(booting);
    for (size_t i = 0; found && i < conf->n_initrds; i++)
        found = conf->modules & 1u << i ? add_module(booting, i, conf->initrds[i])
                                        : add(booting, conf->initrds[i]);
    return found;
}

/* ---------------------------------------------------------------- programs */

static bool read_initrd(void *ctx, UINTN number, void *to)
{
    const struct booting *booting = ctx;
    const struct load_file *file = &booting->files[1 + number];

    return load_into(file, to, file->file.bytes);
}

static void give_kernel(void *ctx)
{
    struct booting *booting = ctx;

    load_give(&booting->pages);
}

static void tell_time(void)
{
    variable_set_number(L"LoaderTimeExecUSec", clock_since_power_ns() / NS_PER_US);
}

/* Linux itself would cut it, and say nothing that anybody sees. */
static bool takes_command_line(const struct booting *booting)
{
    const struct loader_bytes file = {booting->pages.at, booting->pages.bytes};
    uint32_t most = loader_linux_max_command_line(&file);

    if (most == 0 || strlen(booting->options) <= most)
        return true;
    say("%s: the command line has %u bytes, this kernel takes %u\n", booting->files[0].path,
        (unsigned)strlen(booting->options), (unsigned)most);
    return false;
}

static void run_program(struct booting *booting)
{
    const struct load_file *kernel = &booting->files[0];
    EFI_HANDLE handle = volume_handle(kernel->volume);
    EFI_DEVICE_PATH_PROTOCOL *device = handle != NULL ? device_path_of(handle) : NULL;

    if (!load_pages(kernel, &booting->pages) || !takes_command_line(booting))
        return;
    struct program program = {
        .name = kernel->path,
        .image = booting->pages.at,
        .image_bytes = booting->pages.bytes,
        .path = device_path_of_file(device, kernel->path),
        .command_line = booting->options,
        .n_initrds = booting->n_files - 1,
        .ctx = booting,
        .read_initrd = read_initrd,
        .loaded = give_kernel,
    };
    for (size_t i = 0; i < program.n_initrds; i++) {
        program.initrd_bytes[i] = booting->files[1 + i].file.bytes;
        program.initrd_names[i] = booting->files[1 + i].path;
    }
    tell_time();
    (void)program_run(&program);
    pool_give(program.path);
}

/* ---------------------------------------------------------------- kernels that know no EFI */

static bool read_file(void *ctx, size_t number, void *buffer)
{
    const struct booting *booting = ctx;
    const struct load_file *file = &booting->files[number];

    return load_into(file, buffer, file->file.bytes);
}

static void run_kernel(struct booting *booting)
{
    struct loader_wanted_file *files = pool_take(booting->n_files * sizeof(*files));
    struct loader_answer answer;

    if (files == NULL) {
        say("%s: not enough memory\n", booting->entry->title);
        return;
    }
    for (size_t i = 0; i < booting->n_files; i++)
        files[i] = (struct loader_wanted_file){booting->files[i].path, booting->files[i].file.bytes,
                                               i > 0 ? booting->words[i - 1] : NULL};
    const struct loader_wanted wanted = {.command_line = booting->options,
                                         .files = files,
                                         .n_files = booting->n_files,
                                         .ctx = booting,
                                         .read = read_file};
    enum vst_status status = next_kernel_load(&wanted, &answer);
    if (status == VST_OK) {
        tell_time();
        if (next_kernel_start())
            next_kernel_run_program();
    } else if (answer.text[0] != '\0') {
        say("%s: %s\n", files[0].name, answer.text);
    }
    next_kernel_forget();
    pool_give(files);
}

/* ---------------------------------------------------------------- what it is */

static bool is_program(struct load_file *file)
{
    uint8_t *head = pool_take(HEAD_BYTES);
    struct loader_bytes bytes = {head, 0};
    struct loader_pe pe;

    if (head != NULL)
        bytes.bytes = volume_read_part(file->volume, &file->file, 0, head, HEAD_BYTES);
    bool is_one = head != NULL && loader_pe_read(&bytes, &pe) == VST_OK;
    pool_give(head);
    return is_one;
}

/* ---------------------------------------------------------------- all of it */

static void measure_entry(const struct boot_entry *entry)
{
    char path[2 * ENTRY_PATH_BYTES];

    if (entry->kind != ENTRY_CONF)
        return;
    vst_format(path, sizeof(path), "%s/%s", entry->directory, entry->file);
    trust_measure(TRUST_CONFIGURATION, entry->text, entry->text_bytes, path);
}

static void boot_files(struct booting *booting)
{
    if (find_files(booting)) {
        measure_entry(booting->entry);
        if (is_program(&booting->files[0]))
            run_program(booting);
        else
            run_kernel(booting);
    }
    load_give(&booting->pages);
    for (size_t i = 0; i < LOADER_MAX_INITRDS; i++)
        pool_give(booting->words[i]);
    pool_give(booting->files);
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
    booting->options = words_for(entry, options, booting->words_of_profile);
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
