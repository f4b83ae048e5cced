/* SPDX-License-Identifier: BSD-2-Clause */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "size.h"
#include "volume.h"

#define INITRD_OPTION "initrd="
#define MODULE_OPTION "module="
#define PIECE_BYTES   (16u * 1024u * 1024u)

/* A device that files are read from. */
struct place {
    struct shell_context context; /* as if that device had been named */
    struct volume *volume;
    uint64_t reads, kicks; /* of the queue, before */
};

struct booting {
    struct shell_context *context;
    struct place *places; /* the first is the device that the command names */
    size_t n_places;
    struct loader_wanted wanted;
    struct loader_wanted_file *names;
    struct vst_file *files;
    struct place **place_of; /* each file's */
    char **module_paths;     /* each file's, of our own; NULL: there is none */
    char *command_line;
    struct progress progress;
    uint64_t done_bytes, total_bytes, start_ns;
};

static uint64_t now_ns(const struct shell_context *context)
{
    return context->host->platform->time_ns(context->host->platform->ctx);
}

/* ---------------------------------------------------------------- words */

/* The words after the path, with a blank between. */
static char *join_words(const struct shell_context *context)
{
    size_t bytes = 1, used = 0;

    for (size_t i = 2; i < context->n_words; i++)
        bytes += strlen(context->words[i]) + 1;
    char *line = malloc(bytes);
    for (size_t i = 2; line != NULL && i < context->n_words; i++)
        used += (size_t)sprintf(line + used, "%s%s", i > 2 ? " " : "", context->words[i]);
    if (line != NULL)
        line[used] = '\0';
    return line;
}

/* ---------------------------------------------------------------- files */

/* Of a device that the shell has found and holds. */
static bool open_place(struct booting *booting, const struct shell_context *context)
{
    struct place *place = &booting->places[booting->n_places];

    place->context = *context;
    place->volume = volume_open(&place->context);
    if (place->volume == NULL)
        return false;
    place->reads = context->queue->stats.commands[VST_BLOCK_READ];
    place->kicks = context->queue->stats.kicks;
    booting->n_places++;
    return true;
}

static bool open_other(struct booting *booting, const struct vst_extent *extent)
{
    struct shell_context context = *booting->context;
    uint32_t media_id = extent->device->media_id;

    context.device = extent->device;
    context.extent = *extent;
    shell_extent_name(extent, context.name);
    if (extent->device->n_queues == 0)
        return shell_fail(booting->context, VST_ERR_UNSUPPORTED, "%s has no queue", context.name);
    context.queue = extent->device->queues[0];
    vst_block_hold(extent->device);
    if (extent->device->media_id != media_id && extent->number != 0)
        shell_fail(&context, VST_ERR_MEDIUM_CHANGED, "%s: %s", context.name,
                   vst_status_text(VST_ERR_MEDIUM_CHANGED));
    else if (open_place(booting, &context))
        return true;
    vst_block_let_go(extent->device);
    return false;
}

/* NULL, having said why, if there is no such device. */
static struct place *find_place(struct booting *booting, const char *device)
{
    char name[VST_PARTITION_DEVICE_NAME_BYTES];
    struct vst_extent extent;

    if (!shell_find_extent(booting->context, device, &extent))
        return NULL;
    shell_extent_name(&extent, name);
    for (size_t i = 0; i < booting->n_places; i++)
        if (strcmp(booting->places[i].context.name, name) == 0)
            return &booting->places[i];
    return open_other(booting, &extent) ? &booting->places[booting->n_places - 1] : NULL;
}

static void close_places(struct booting *booting)
{
    while (booting->n_places > 0) {
        struct place *place = &booting->places[--booting->n_places];
        volume_close(place->volume);
        if (booting->n_places > 0)
            vst_block_let_go(place->context.device);
    }
}

static bool add_file(struct booting *booting, struct place *place, const char *path,
                     const char *text)
{
    size_t number = booting->wanted.n_files;
    struct vst_file *file = &booting->files[number];

    if (!volume_find_file(&place->context, place->volume, path, true, file))
        return false;
    if (file->type != VST_FILE_REGULAR)
        return shell_fail(booting->context, VST_ERR_INVALID, "%s is no regular file", path);
    booting->place_of[number] = place;
    booting->names[number] = (struct loader_wanted_file){path, file->bytes, text};
    booting->total_bytes = vst_add_saturated_u64(booting->total_bytes, file->bytes);
    booting->wanted.n_files++;
    return true;
}

/* "/PATH", or "DEV:/PATH": names of devices may hold colons, but none before a slash. */
static bool add_placed(struct booting *booting, char *word, const char *text)
{
    char *colon = word[0] == '/' ? NULL : strstr(word, ":/");

    if (colon == NULL)
        return add_file(booting, &booting->places[0], word, text);
    *colon = '\0';
    struct place *place = find_place(booting, word);
    *colon = ':';
    return place != NULL && add_file(booting, place, colon + 1, text);
}

/* "[DEV:]/PATH WORD...": the kernel reads path and words. */
static bool add_module(struct booting *booting, const char *word)
{
    char **path = &booting->module_paths[booting->wanted.n_files];
    const char *colon = word[0] == '/' ? NULL : strstr(word, ":/");

    *path = strdup(word);
    if (*path == NULL)
        return shell_fail(booting->context, VST_ERR_NO_MEMORY, "no memory for the names");
    (*path)[strcspn(*path, " ")] = '\0';
    return add_placed(booting, *path, colon == NULL ? word : colon + 1);
}

static bool find_files(struct booting *booting)
{
    struct shell_context *context = booting->context;
    bool ok = add_file(booting, &booting->places[0], context->words[1], NULL);

    for (size_t i = 0; ok && i < context->n_options; i++) {
        char *option = context->options[i];
        if (strncmp(option, INITRD_OPTION, strlen(INITRD_OPTION)) == 0)
            ok = add_placed(booting, option + strlen(INITRD_OPTION), NULL);
        else if (strncmp(option, MODULE_OPTION, strlen(MODULE_OPTION)) == 0)
            ok = add_module(booting, option + strlen(MODULE_OPTION));
    }
    return ok;
}

/* ---------------------------------------------------------------- loading */

static bool read_file(void *ctx, size_t number, void *buffer)
{
    struct booting *booting = ctx;
    const char *path = booting->names[number].name;
    struct vst_file *file = &booting->files[number];

    for (uint64_t at = 0; at < file->bytes;) {
        uint64_t left = file->bytes - at;
        size_t n;
        enum vst_status status =
            vst_files_read(&booting->place_of[number]->volume->files, file, at, (char *)buffer + at,
                           left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, &n);
        if (status != VST_OK || n == 0) {
            progress_end(&booting->progress);
            shell_fail(booting->context, status, "%s: %s at byte %" PRIu64 " of the file", path,
                       vst_status_text(status != VST_OK ? status : VST_ERR_MALFORMED), at + n);
            return false;
        }
        at += n;
        booting->done_bytes += n;
        if (!progress_step(&booting->progress, booting->done_bytes)) {
            progress_end(&booting->progress);
            return shell_fail_interrupted(booting->context);
        }
    }
    return true;
}

static void tell_json(const struct booting *booting, const struct loader_answer *answer,
                      uint64_t requests, uint64_t kicks)
{
    struct json json;

    shell_json_open(booting->context, &json);
    json_text(&json, "path", booting->names[0].name);
    json_text(&json, "kind", answer->kind);
    json_text(&json, "version", answer->text);
    json_u64(&json, "first", answer->first);
    json_u64(&json, "end", answer->end);
    json_u64(&json, "entry", answer->entry);
    json_u64(&json, "files", booting->wanted.n_files);
    json_u64(&json, "bytes", booting->done_bytes);
    json_u64(&json, "requests", requests);
    json_u64(&json, "kicks", kicks);
    json_u64(&json, "ns", now_ns(booting->context) - booting->start_ns);
    json_close(&json);
}

/* Partitions of a device share its queue. */
static bool counts(const struct booting *booting, size_t number)
{
    for (size_t i = 0; i < number; i++)
        if (booting->places[i].context.queue == booting->places[number].context.queue)
            return false;
    return true;
}

static void tell(const struct booting *booting, const struct loader_answer *answer)
{
    uint64_t requests = 0, kicks = 0;
    char text[SIZE_TEXT_BYTES];

    for (size_t i = 0; i < booting->n_places; i++) {
        const struct place *place = &booting->places[i];
        if (!counts(booting, i))
            continue;
        requests += place->context.queue->stats.commands[VST_BLOCK_READ] - place->reads;
        kicks += place->context.queue->stats.kicks - place->kicks;
    }
    if (booting->context->json) {
        tell_json(booting, answer, requests, kicks);
        return;
    }
    /* Of Linux's version the first word, which names it. */
    printf("%s%s%.*s, %s read by %" PRIu64 " requests", answer->kind, *answer->text ? " " : "",
           (int)strcspn(answer->text, " "), answer->text, size_text(booting->done_bytes, text),
           requests);
    if (answer->end != 0)
        printf(", to 0x%" PRIx64 "-0x%" PRIx64 ", entry 0x%" PRIx64, answer->first, answer->end,
               answer->entry);
    printf("\n");
}

static bool load(struct booting *booting)
{
    struct shell_context *context = booting->context;
    struct loader_answer answer;

    booting->start_ns = now_ns(context);
    progress_begin(&booting->progress, context, booting->total_bytes);
    enum vst_status status =
        context->host->boot_load(context->host->ctx, &booting->wanted, &answer);
    progress_end(&booting->progress);
    if (status == VST_OK)
        tell(booting, &answer);
    else if (answer.text[0] != '\0')
        shell_fail(context, status, "%s: %s", booting->names[0].name, answer.text);
    return status == VST_OK;
}

static bool prepare(struct booting *booting)
{
    struct shell_context *context = booting->context;

    booting->places = calloc(context->n_options + 1, sizeof(*booting->places));
    booting->place_of = calloc(context->n_options + 1, sizeof(struct place *));
    booting->names = calloc(context->n_options + 1, sizeof(*booting->names));
    booting->files = calloc(context->n_options + 1, sizeof(*booting->files));
    booting->module_paths = calloc(context->n_options + 1, sizeof(char *));
    booting->command_line = join_words(context);
    if (booting->places == NULL || booting->place_of == NULL || booting->names == NULL ||
        booting->files == NULL || booting->module_paths == NULL || booting->command_line == NULL)
        return shell_fail(context, VST_ERR_NO_MEMORY, "no memory for the names");
    booting->wanted = (struct loader_wanted){
        .kind = shell_option(context, "as="),
        .command_line = booting->command_line,
        .device = context->name,
        .files = booting->names,
        .ctx = booting,
        .read = read_file,
    };
    return open_place(booting, context) && find_files(booting);
}

static void release(struct booting *booting)
{
    close_places(booting);
    for (size_t i = 0; booting->module_paths != NULL && i <= booting->context->n_options; i++)
        free(booting->module_paths[i]);
    free(booting->module_paths);
    free(booting->places);
    free(booting->place_of);
    free(booting->names);
    free(booting->files);
    free(booting->command_line);
}

static bool run_boot(struct shell_context *context)
{
    const struct shell_host *host = context->host;
    const char *dry = shell_option(context, "dry=");
    struct booting booting = {.context = context};

    if (host->boot_load == NULL)
        return shell_fail(context, VST_ERR_UNSUPPORTED, "this machine offers no way to do that");
    bool ok = prepare(&booting) && load(&booting);
    release(&booting);
    if (!ok)
        return false;
    fflush(stdout);
    if (dry != NULL && strcmp(dry, "0") != 0) {
        host->boot_forget(host->ctx);
        return true;
    }
    if (!host->boot_start(host->ctx))
        return false;
    context->session->exit_requested = true;
    return true;
}

static const char *const path_options_boot[] = {INITRD_OPTION, MODULE_OPTION, NULL};
static const char *const options_boot[] = {
    INITRD_OPTION, MODULE_OPTION, "as=", "dry=", "queue=", NULL};

const struct shell_command command_boot = {
    .name = "boot",
    .usage = "DEV PATH [initrd=FILE] [module=FILE] [as=KIND] [dry=1] [WORD...]",
    .summary = "Starts another kernel from a file",
    .help = "A bzImage of Linux, a multiboot 1 or 2 kernel, or an ELF file with a PVH note,\n"
            "from a FAT or ISO 9660 file system; the first of these that fits, or that of\n"
            "as=linux, multiboot2, multiboot, pvh. Where there is EFI firmware, programs for\n"
            "it (as=efi) before all others, Linux among them. The words are its command\n"
            "line; those with a ';' are quoted. Linux gets the files of all initrd= in one\n"
            "piece, others get a module for each. FILE is PATH, or DEV:/PATH on another\n"
            "device, or with module= also 'PATH WORD...', words that the kernel reads with\n"
            "it. No path stands before the kernel's own words, as with GRUB; Xen skips the\n"
            "first of them.\n"
            "dry=1 loads and checks everything, and comes back. Whatever fails, the shell\n"
            "goes on; once all is loaded, all disks are reset (not flushed: see flush), and\n"
            "there is no way back.\n"
            "    boot vda /vmlinuz initrd=/initrd.img console=ttyS0 root=/dev/vda2\n"
            "    boot sr0 /boot/vstor.elf 'lsblk; exit'\n"
            "    boot vda /xen 'module=/vmlinuz root=/dev/vda2' initrd=/initrd.img xen\n",
    .min_words = 2,
    .max_words = SIZE_MAX,
    .n_paths = 1,
    .path_options = path_options_boot,
    .device = DEVICE_REQUIRED,
    .options = options_boot,
    .run = run_boot,
};
