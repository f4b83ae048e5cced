/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/loader/next.h"

#include <vstor/log.h>

#include "boot/loader/pe.h"

#define PAGE_BYTES   4096u
#define INITRD_ALIGN 4u /* of each archive in Linux's initrd */
#define LOWEST_PLACE 0x100000ull

/* ---------------------------------------------------------------- memory */

enum vst_status loader_next_refuse(struct loader_next *next, enum vst_status status,
                                   const char *why)
{
    vst_format(next->answer->text, sizeof(next->answer->text), "%s", why);
    return status;
}

uint64_t loader_next_take(struct loader_next *next, uint64_t bytes, uint64_t end)
{
    const struct loader_machine *machine = next->machine;
    uint64_t first = next->n_pieces < LOADER_MAX_PIECES
                         ? machine->take(machine->ctx, bytes, end, &next->target)
                         : 0;

    if (first != 0)
        next->pieces[next->n_pieces++] = (struct range){first, first + bytes};
    return first;
}

static void *at(uint64_t physical)
{
    return (void *)(uintptr_t)physical;
}

void loader_next_forget(struct loader_next *next)
{
    const struct loader_machine *machine = next->machine;

    while (next->n_pieces > 0) {
        const struct range *piece = &next->pieces[--next->n_pieces];
        machine->give_back(machine->ctx, piece->first, piece->end - piece->first);
    }
}

/* ---------------------------------------------------------------- the file */

static enum vst_status read_kernel(struct loader_next *next)
{
    uint64_t bytes = next->wanted->files[0].bytes;
    uint64_t first = bytes > 0 ? loader_next_take(next, bytes, LOADER_4G) : 0;

    if (bytes == 0)
        return loader_next_refuse(next, VST_ERR_MALFORMED, "the file is empty");
    if (first == 0)
        return loader_next_refuse(next, VST_ERR_NO_MEMORY,
                                  "not enough memory for the kernel's file");
    next->file = (struct loader_bytes){at(first), bytes};
    return next->wanted->read(next->wanted->ctx, 0, at(first)) ? VST_OK : VST_ERR_IO;
}

static enum vst_status admit(struct loader_next *next, enum loader_kind kind, size_t file,
                             const void *bytes)
{
    const struct loader_machine *machine = next->machine;
    const char *why =
        machine->admit != NULL ? machine->admit(machine->ctx, kind, file, bytes) : NULL;

    return why == NULL ? VST_OK : loader_next_refuse(next, VST_ERR_UNSUPPORTED, why);
}

/* The firmware finds a place for it. */
static enum vst_status take_program(struct loader_next *next)
{
    struct loader_pe pe;

    if (loader_pe_read(&next->file, &pe) != VST_OK)
        return loader_next_refuse(next, VST_ERR_UNSUPPORTED, "it is no program for EFI firmware");
    next->image.kind = LOADER_EFI;
    next->answer->kind = loader_kind_name(LOADER_EFI);
    return VST_OK;
}

static enum vst_status read_as(struct loader_next *next, enum loader_kind kind)
{
    enum vst_status status = admit(next, kind, 0, next->file.at);

    if (status != VST_OK)
        return status;
    if (kind == LOADER_EFI && next->machine->runs_programs)
        return take_program(next);
    status = loader_image_read(&next->file, kind, &next->image);
    if (status == VST_OK)
        next->answer->kind = loader_kind_name(kind);
    else
        loader_next_refuse(next, status, next->image.why);
    return status == VST_ERR_NOT_FOUND ? VST_ERR_UNSUPPORTED : status;
}

static enum vst_status read_image(struct loader_next *next)
{
    unsigned kinds = loader_kinds(&next->file);
    enum loader_kind kind;

    if (next->wanted->kind != NULL) {
        if (!loader_kind_of_name(next->wanted->kind, &kind))
            return loader_next_refuse(next, VST_ERR_INVALID,
                                      "as= takes linux, multiboot, multiboot2, pvh or efi");
        return read_as(next, kind);
    }
    if (kinds == 0)
        return loader_next_refuse(next, VST_ERR_UNSUPPORTED,
                                  "it is no kernel of Linux, multiboot or PVH");
    if (next->machine->runs_programs && kinds & 1u << LOADER_EFI)
        return read_as(next, LOADER_EFI);
    return read_as(next, (enum loader_kind)__builtin_ctz(kinds));
}

/* ---------------------------------------------------------------- its place */

static bool is_inside(const struct range_set *ram, uint64_t first, uint64_t end)
{
    for (size_t i = 0; i < ram->n_ranges; i++)
        if (ram->ranges[i].first <= first && end <= ram->ranges[i].end)
            return true;
    return false;
}

/* The lowest place from `from` on that is in `ram` as a whole; 0 if there is none. */
static uint64_t find_place(const struct loader_next *next, const struct range_set *ram,
                           uint64_t from, uint64_t bytes)
{
    const struct loader_place *place = &next->image.place;

    for (size_t i = 0; i < ram->n_ranges; i++) {
        const struct range *range = &ram->ranges[i];
        uint64_t first = range->first > from ? range->first : from;
        uint64_t end = range->end < place->end ? range->end : place->end;
        if (first < LOWEST_PLACE)
            first = LOWEST_PLACE;
        first = round_up(first, place->align_bytes);
        if (first < end && bytes <= end - first)
            return first;
    }
    return 0;
}

/* Where it wants to be, else above that, else below. */
static void move_image(struct loader_next *next, const struct range_set *ram)
{
    uint64_t first, end, place;

    loader_image_span(&next->image, &first, &end);
    if (!next->image.place.movable || is_inside(ram, first, end))
        return;
    place = find_place(next, ram, first, end - first);
    if (place == 0)
        place = find_place(next, ram, next->image.place.first, end - first);
    if (place != 0)
        loader_image_move(&next->image, place);
}

/* Beside the firmware, whose memory stays as it is. */
static bool place_beside_firmware(struct loader_next *next)
{
    const struct loader_machine *machine = next->machine;
    const struct range_set *free_now = machine->free_now(machine->ctx);
    uint64_t first, end;

    if (free_now == NULL || next->n_pieces == LOADER_MAX_PIECES)
        return false;
    move_image(next, free_now);
    loader_image_span(&next->image, &first, &end);
    first = round_down(first, PAGE_BYTES);
    end = round_up(end, PAGE_BYTES);
    if (!is_inside(free_now, first, end) || !machine->take_at(machine->ctx, first, end - first))
        return false;
    next->pieces[next->n_pieces++] = (struct range){first, end};
    return next->services_left = true;
}

static enum vst_status place_parts(struct loader_next *next)
{
    const struct range_set *ram = next->machine->ram;

    if (next->image.efi_entry != 0 && next->machine->free_now != NULL &&
        place_beside_firmware(next))
        return VST_OK;
    if (next->image.needs_services)
        return next->machine->free_now == NULL
                   ? loader_next_refuse(next, VST_ERR_UNSUPPORTED, "it demands EFI boot services")
                   : loader_next_refuse(next, VST_ERR_NO_MEMORY, "the firmware uses its place");
    move_image(next, ram);
    for (uint32_t i = 0; i < next->image.n_parts; i++) {
        const struct loader_part *part = &next->image.parts[i];
        uint64_t end = part->to + part->memory_bytes;
        if (!is_inside(ram, part->to, end)) {
            vst_format(next->answer->text, sizeof(next->answer->text),
                       "its place, 0x%llx to 0x%llx, is not RAM", (unsigned long long)part->to,
                       (unsigned long long)end);
            return VST_ERR_NO_MEMORY;
        }
        if (!range_set_add(&next->target, part->to, end))
            return loader_next_refuse(next, VST_ERR_NO_MEMORY, "memory is in too many pieces");
    }
    return VST_OK;
}

/* The file was read before anybody knew where not to. */
static enum vst_status make_way(struct loader_next *next)
{
    uint64_t first = (uintptr_t)next->file.at, bytes = next->file.bytes;

    if (!range_set_intersects(&next->target, first, first + round_up(bytes, PAGE_BYTES)))
        return VST_OK;
    uint64_t other = loader_next_take(next, bytes, LOADER_4G);
    if (other == 0)
        return loader_next_refuse(next, VST_ERR_NO_MEMORY,
                                  "not enough memory beside the kernel's place");
    memcpy(at(other), at(first), bytes);
    next->file.at = at(other);
    return VST_OK;
}

/* ---------------------------------------------------------------- what goes with it */

static bool add_module(struct loader_next *next, uint64_t first, uint64_t bytes, const char *text)
{
    next->modules[next->n_modules++] = (struct loader_module){first, bytes, text};
    return first != 0;
}

static enum vst_status read_file(struct loader_next *next, size_t file, uint64_t first)
{
    const struct loader_wanted *wanted = next->wanted;

    if (wanted->files[file].bytes > 0 && !wanted->read(wanted->ctx, file, at(first)))
        return VST_ERR_IO;
    return admit(next, next->image.kind, file, at(first));
}

/* All archives in one piece. */
static enum vst_status read_initrd(struct loader_next *next)
{
    const struct loader_wanted *wanted = next->wanted;
    uint64_t bytes = 0, used = 0, limit = next->image.setup.initrd_end;
    uint64_t end = next->machine->memory_end;

    for (size_t i = 1; i < wanted->n_files; i++)
        bytes = vst_add_saturated_u64(bytes, round_up(wanted->files[i].bytes, INITRD_ALIGN));
    if (bytes == 0)
        return VST_OK;
    uint64_t first = loader_next_take(next, bytes, limit < LOADER_4G ? limit : LOADER_4G);
    if (first == 0 && limit > LOADER_4G)
        first = loader_next_take(next, bytes, limit < end ? limit : end);
    if (!add_module(next, first, bytes, "initrd"))
        return loader_next_refuse(next, VST_ERR_NO_MEMORY, "not enough memory for the initrd");
    for (size_t i = 1; i < wanted->n_files; i++) {
        uint64_t n = wanted->files[i].bytes, padded = round_up(n, INITRD_ALIGN);
        memset((char *)at(first) + used + n, 0, padded - n);
        enum vst_status status = read_file(next, i, first + used);
        if (status != VST_OK)
            return status;
        used += padded;
    }
    return VST_OK;
}

static enum vst_status read_modules(struct loader_next *next)
{
    const struct loader_wanted *wanted = next->wanted;
    uint64_t end = next->image.kind == LOADER_EFI ? next->machine->memory_end : LOADER_4G;

    for (size_t i = 1; i < wanted->n_files; i++) {
        uint64_t bytes = wanted->files[i].bytes;
        uint64_t first = loader_next_take(next, bytes > 0 ? bytes : 1, end);
        const char *text = wanted->files[i].text;
        if (!add_module(next, first, bytes, text != NULL ? text : wanted->files[i].name))
            return loader_next_refuse(next, VST_ERR_NO_MEMORY, "not enough memory for the modules");
        enum vst_status status = read_file(next, i, first);
        if (status != VST_OK)
            return status;
    }
    return VST_OK;
}

enum vst_status loader_next_load(struct loader_next *next, const struct loader_machine *machine,
                                 const struct loader_wanted *wanted, struct loader_answer *answer)
{
    memset(next, 0, sizeof(*next));
    memset(answer, 0, sizeof(*answer));
    next->machine = machine;
    next->wanted = wanted;
    next->answer = answer;
    if (wanted->n_files > LOADER_MAX_FILES)
        return loader_next_refuse(next, VST_ERR_TOO_LARGE, "more than 31 files with one kernel");
    enum vst_status status = read_kernel(next);
    if (status == VST_OK)
        status = read_image(next);
    if (status == VST_OK)
        status = place_parts(next);
    if (status == VST_OK)
        status = make_way(next);
    if (status == VST_OK)
        status = next->image.kind == LOADER_LINUX ? read_initrd(next) : read_modules(next);
    if (status != VST_OK || next->image.kind == LOADER_EFI)
        return status;
    loader_image_span(&next->image, &answer->first, &answer->end);
    answer->entry = next->services_left ? next->image.efi_entry : next->image.entry;
    vst_format(answer->text, sizeof(answer->text), "%s", next->image.setup.version);
    return VST_OK;
}

/* ---------------------------------------------------------------- what it is told */

static void fill_in(const struct loader_next *next, struct loader_start *start)
{
    start->command_line = next->wanted->command_line;
    start->modules = next->modules;
    start->n_modules = next->n_modules;
}

enum vst_status loader_next_reserve(struct loader_next *next, const struct loader_start *start)
{
    struct loader_start filled = *start;

    fill_in(next, &filled);
    next->room = (struct loader_room){.bytes = loader_room_bytes(&filled)};
    next->room.physical = loader_next_take(next, next->room.bytes, LOADER_4G);
    next->room.memory = at(next->room.physical);
    return next->room.physical != 0
               ? VST_OK
               : loader_next_refuse(next, VST_ERR_NO_MEMORY, "not enough memory");
}

enum vst_status loader_next_write(struct loader_next *next, struct loader_start *start)
{
    fill_in(next, start);
    next->room.used = 0;
    next->room.full = false;
    enum vst_status status =
        loader_start_write(&next->image, &next->file, start, &next->room, &next->registers);
    if (status == VST_ERR_TOO_LARGE)
        return loader_next_refuse(next, status,
                                  "the command line is longer than this kernel takes");
    if (status == VST_ERR_UNSUPPORTED)
        return loader_next_refuse(next, status,
                                  "it demands information that is not to be had here");
    return status == VST_OK ? VST_OK : loader_next_refuse(next, status, vst_status_text(status));
}

struct loader_copy loader_next_copy(const struct loader_next *next, uint32_t number)
{
    const struct loader_part *part = &next->image.parts[number];

    /* Linux's own memory behind its image is its own to clear. */
    return (struct loader_copy){
        part->to, (uintptr_t)next->file.at + part->from, part->bytes,
        next->image.kind == LOADER_LINUX ? 0 : part->memory_bytes - part->bytes};
}

/* ---------------------------------------------------------------- memory maps */

static bool touches(const struct loader_memory *lower, uint64_t first, uint32_t type)
{
    return lower->type == type && lower->first + lower->bytes == first;
}

void loader_memory_add(struct loader_memory *memory, size_t *n, uint64_t first, uint64_t bytes,
                       uint32_t type, bool join)
{
    size_t i = *n;

    while (i > 0 && memory[i - 1].first > first)
        i--;
    if (join && i > 0 && touches(&memory[i - 1], first, type)) {
        memory[--i].bytes += bytes;
    } else {
        memmove(memory + i + 1, memory + i, (*n - i) * sizeof(*memory));
        memory[i] = (struct loader_memory){first, bytes, type};
        ++*n;
    }
    if (join && i + 1 < *n && touches(&memory[i], memory[i + 1].first, memory[i + 1].type)) {
        memory[i].bytes += memory[i + 1].bytes;
        --*n;
        memmove(memory + i + 1, memory + i + 2, (*n - i - 1) * sizeof(*memory));
    }
}
