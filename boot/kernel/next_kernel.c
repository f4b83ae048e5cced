/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/kernel/next_kernel.h"

#include <arch/entry.h>
#include <arch/handover.h>
#include <arch/paging.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot/kernel/console.h"
#include "boot/kernel/cpus.h"
#include "boot/kernel/disks.h"
#include "boot/kernel/interrupts.h"
#include "boot/kernel/memory.h"
#include "boot/loader/start.h"

#define MAX_FILES       32u
#define MAX_PIECES      (MAX_FILES + 3u)
#define INITRD_ALIGN    4u /* of each archive in Linux's initrd */
#define LOWEST_PLACE    0x100000ull
#define TEXT_SCREEN     0xb8000u
#define TEXT_COLUMNS    80u
#define TEXT_LINES      25u
#define TEXT_LINE_BYTES 160u

static struct {
    const struct boot_info *boot;
    const struct acpi_info *acpi;
    const struct shell_boot *wanted;
    struct shell_boot_answer *answer;
    struct loader_bytes file;
    struct loader_image image;
    struct range_set target; /* where its parts will lie */
    struct range pieces[MAX_PIECES];
    size_t n_pieces;
    struct loader_module modules[MAX_FILES];
    size_t n_modules;
    struct loader_memory memory[BOOT_MAX_MEMORY_RANGES + 1];
    size_t n_memory;
    struct loader_registers registers;
    uint64_t area;
} next;

/* ---------------------------------------------------------------- memory */

static enum vst_status refuse(enum vst_status status, const char *why)
{
    snprintf(next.answer->text, sizeof(next.answer->text), "%s", why);
    return status;
}

static uint64_t take(uint64_t bytes, uint64_t end)
{
    uint64_t first =
        next.n_pieces < MAX_PIECES ? memory_take(bytes, ARCH_PAGE_BYTES, end, &next.target) : 0;

    if (first != 0)
        next.pieces[next.n_pieces++] = (struct range){first, first + bytes};
    return first;
}

static void *at(uint64_t physical)
{
    return (void *)(uintptr_t)physical;
}

void next_kernel_forget(void)
{
    while (next.n_pieces > 0) {
        const struct range *piece = &next.pieces[--next.n_pieces];
        memory_free(piece->first, piece->end - piece->first);
    }
    memory_return_heap();
}

/* ---------------------------------------------------------------- the file */

static enum vst_status read_kernel(void)
{
    uint64_t bytes = next.wanted->files[0].bytes, first = bytes > 0 ? take(bytes, LOADER_4G) : 0;

    if (bytes == 0)
        return refuse(VST_ERR_MALFORMED, "the file is empty");
    if (first == 0)
        return refuse(VST_ERR_NO_MEMORY, "not enough memory for the kernel's file");
    next.file = (struct loader_bytes){at(first), bytes};
    return next.wanted->read(next.wanted->ctx, 0, at(first)) ? VST_OK : VST_ERR_IO;
}

static enum vst_status read_as(enum loader_kind kind)
{
    enum vst_status status = loader_image_read(&next.file, kind, &next.image);

    if (status == VST_OK)
        next.answer->kind = loader_kind_name(kind);
    else
        refuse(status, next.image.why);
    return status == VST_ERR_NOT_FOUND ? VST_ERR_UNSUPPORTED : status;
}

static enum vst_status read_image(void)
{
    unsigned kinds = loader_kinds(&next.file);
    enum loader_kind kind;

    if (next.wanted->kind != NULL) {
        if (!loader_kind_of_name(next.wanted->kind, &kind))
            return refuse(VST_ERR_INVALID, "as= takes linux, multiboot, multiboot2 or pvh");
        return read_as(kind);
    }
    if (kinds == 0)
        return refuse(VST_ERR_UNSUPPORTED, "it is no kernel of Linux, multiboot or PVH");
    return read_as((enum loader_kind)__builtin_ctz(kinds));
}

/* ---------------------------------------------------------------- its place */

static bool is_ram(uint64_t first, uint64_t end)
{
    const struct range_set *ram = memory_ram();

    for (size_t i = 0; i < ram->n_ranges; i++)
        if (ram->ranges[i].first <= first && end <= ram->ranges[i].end)
            return true;
    return false;
}

/* The lowest place from `from` on that is RAM as a whole; 0 if there is none. */
static uint64_t find_place(uint64_t from, uint64_t bytes)
{
    const struct loader_place *place = &next.image.place;
    const struct range_set *ram = memory_ram();

    for (size_t i = 0; i < ram->n_ranges; i++) {
        const struct range *range = &ram->ranges[i];
        uint64_t first = range->first > from ? range->first : from;
        uint64_t end = range->end < place->end ? range->end : place->end;
        first = round_up(first, place->align_bytes);
        if (first < end && bytes <= end - first && first >= LOWEST_PLACE)
            return first;
    }
    return 0;
}

/* Where it wants to be, else above that, else below. */
static void move_image(void)
{
    uint64_t first, end, place;

    loader_image_span(&next.image, &first, &end);
    if (is_ram(first, end))
        return;
    place = find_place(first, end - first);
    if (place == 0)
        place = find_place(next.image.place.first, end - first);
    if (place != 0)
        loader_image_move(&next.image, place);
}

static enum vst_status place_parts(void)
{
    if (next.image.place.movable)
        move_image();
    for (uint32_t i = 0; i < next.image.n_parts; i++) {
        const struct loader_part *part = &next.image.parts[i];
        uint64_t end = part->to + part->memory_bytes;
        if (!is_ram(part->to, end)) {
            snprintf(next.answer->text, sizeof(next.answer->text),
                     "its place, 0x%llx to 0x%llx, is not RAM", (unsigned long long)part->to,
                     (unsigned long long)end);
            return VST_ERR_NO_MEMORY;
        }
        if (!range_set_add(&next.target, part->to, end))
            return refuse(VST_ERR_NO_MEMORY, "memory is in too many pieces");
    }
    return VST_OK;
}

/* The file was read before anybody knew where not to. */
static enum vst_status make_way(void)
{
    uint64_t first = (uintptr_t)next.file.at, bytes = next.file.bytes;

    if (!range_set_intersects(&next.target, first, first + round_up(bytes, ARCH_PAGE_BYTES)))
        return VST_OK;
    uint64_t other = take(bytes, LOADER_4G);
    if (other == 0)
        return refuse(VST_ERR_NO_MEMORY, "not enough memory beside the kernel's place");
    memcpy(at(other), at(first), bytes);
    next.file.at = at(other);
    return VST_OK;
}

/* ---------------------------------------------------------------- what goes with it */

static bool add_module(uint64_t first, uint64_t bytes, const char *text)
{
    next.modules[next.n_modules++] = (struct loader_module){first, bytes, text};
    return first != 0;
}

/* All archives in one piece. */
static enum vst_status read_initrd(void)
{
    const struct shell_boot *wanted = next.wanted;
    uint64_t bytes = 0, used = 0, limit = next.image.setup.initrd_end;

    for (size_t i = 1; i < wanted->n_files; i++)
        bytes = vst_add_saturated_u64(bytes, round_up(wanted->files[i].bytes, INITRD_ALIGN));
    if (bytes == 0)
        return VST_OK;
    uint64_t first = take(bytes, limit < LOADER_4G ? limit : LOADER_4G);
    if (first == 0 && limit > LOADER_4G)
        first = take(bytes, limit < ARCH_ADDRESS_END ? limit : ARCH_ADDRESS_END);
    if (!add_module(first, bytes, "initrd"))
        return refuse(VST_ERR_NO_MEMORY, "not enough memory for the initrd");
    for (size_t i = 1; i < wanted->n_files; i++) {
        uint64_t n = wanted->files[i].bytes, padded = round_up(n, INITRD_ALIGN);
        memset((char *)at(first) + used + n, 0, padded - n);
        if (n > 0 && !wanted->read(wanted->ctx, i, (char *)at(first) + used))
            return VST_ERR_IO;
        used += padded;
    }
    return VST_OK;
}

static enum vst_status read_modules(void)
{
    const struct shell_boot *wanted = next.wanted;

    for (size_t i = 1; i < wanted->n_files; i++) {
        uint64_t bytes = wanted->files[i].bytes;
        uint64_t first = take(bytes > 0 ? bytes : 1, LOADER_4G);
        if (!add_module(first, bytes, wanted->files[i].name))
            return refuse(VST_ERR_NO_MEMORY, "not enough memory for the modules");
        if (bytes > 0 && !wanted->read(wanted->ctx, i, at(first)))
            return VST_ERR_IO;
    }
    return VST_OK;
}

/* ---------------------------------------------------------------- what it is told */

static void add_memory(uint64_t first, uint64_t bytes, uint32_t type)
{
    size_t i = next.n_memory++;

    for (; i > 0 && next.memory[i - 1].first > first; i--)
        next.memory[i] = next.memory[i - 1];
    next.memory[i] = (struct loader_memory){first, bytes, type};
}

static void copy_memory_map(void)
{
    for (size_t i = 0; i < next.boot->n_memory_ranges; i++)
        add_memory(next.boot->memory_ranges[i].first, next.boot->memory_ranges[i].bytes,
                   next.boot->memory_ranges[i].type);
}

/* Of a root pointer that only a copy is known of, another has to lie somewhere, on a page of its own. */
static uint64_t place_root_pointer(void)
{
    if (next.acpi->root_physical != 0 || next.acpi->root_bytes == 0)
        return next.acpi->root_physical;
    uint64_t page = take(ARCH_PAGE_BYTES, LOADER_4G);
    if (page == 0)
        return 0;
    memset(at(page), 0, ARCH_PAGE_BYTES);
    memcpy(at(page), next.acpi->root, next.acpi->root_bytes);
    add_memory(page, ARCH_PAGE_BYTES, LOADER_MEMORY_ACPI);
    return page;
}

static enum vst_status write_start(void)
{
    static const struct loader_screen screen = {.is_text = true,
                                                .first = TEXT_SCREEN,
                                                .width = TEXT_COLUMNS,
                                                .height = TEXT_LINES,
                                                .line_bytes = TEXT_LINE_BYTES};

    copy_memory_map();
    struct loader_start start = {
        .loader_name = "vstor",
        .command_line = next.wanted->command_line,
        .modules = next.modules,
        .n_modules = next.n_modules,
        .root_pointer = place_root_pointer(),
        .root_copy = next.acpi->root_bytes > 0 ? next.acpi->root : NULL,
        .root_copy_bytes = next.acpi->root_bytes,
        .screen = next.boot->text_screen ? &screen : NULL,
    };
    start.memory = next.memory;
    start.n_memory = next.n_memory;
    struct loader_room room = {.bytes = loader_room_bytes(&start)};
    room.physical = take(room.bytes, LOADER_4G);
    room.memory = at(room.physical);
    next.area = take(ARCH_HANDOVER_BYTES, LOADER_4G);
    if (room.physical == 0 || next.area == 0)
        return refuse(VST_ERR_NO_MEMORY, "not enough memory");
    enum vst_status status =
        loader_start_write(&next.image, &next.file, &start, &room, &next.registers);
    if (status == VST_ERR_TOO_LARGE)
        return refuse(status, "the command line is longer than this kernel takes");
    return status == VST_OK ? VST_OK : refuse(status, vst_status_text(status));
}

/* ---------------------------------------------------------------- all of it */

static enum vst_status load(void)
{
    enum vst_status status = read_kernel();

    if (status == VST_OK)
        status = read_image();
    if (status == VST_OK)
        status = place_parts();
    if (status == VST_OK)
        status = make_way();
    if (status == VST_OK)
        status = next.image.kind == LOADER_LINUX ? read_initrd() : read_modules();
    return status == VST_OK ? write_start() : status;
}

enum vst_status next_kernel_load(const struct boot_info *boot, const struct acpi_info *acpi,
                                 const struct shell_boot *wanted, struct shell_boot_answer *answer)
{
    memset(&next, 0, sizeof(next));
    memset(answer, 0, sizeof(*answer));
    next.boot = boot;
    next.acpi = acpi;
    next.wanted = wanted;
    next.answer = answer;
    if (wanted->n_files > MAX_FILES)
        return refuse(VST_ERR_TOO_LARGE, "more than 31 files with one kernel");
    memory_lend_heap();
    enum vst_status status = load();
    if (status != VST_OK) {
        next_kernel_forget();
        return status;
    }
    loader_image_span(&next.image, &answer->first, &answer->end);
    answer->entry = next.image.entry;
    snprintf(answer->text, sizeof(answer->text), "%s", next.image.setup.version);
    return VST_OK;
}

void next_kernel_start(void)
{
    static struct arch_handover_copy copies[LOADER_MAX_PARTS];
    struct arch_handover handover = {
        .copies = copies,
        .n_copies = next.image.n_parts,
        .entry = (uint32_t)next.image.entry,
        .is_64_bit = next.image.entry_is_64_bit,
        .eax = next.registers.eax,
        .ebx = next.registers.ebx,
        .esi = next.registers.esi,
    };

    for (uint32_t i = 0; i < next.image.n_parts; i++) {
        const struct loader_part *part = &next.image.parts[i];
        /* Linux's own memory behind its image is its own to clear. */
        copies[i] = (struct arch_handover_copy){
            part->to, (uintptr_t)next.file.at + part->from, part->bytes,
            next.image.kind == LOADER_LINUX ? 0 : part->memory_bytes - part->bytes};
    }
    console_drain();
    cpus_stop_others();
    interrupts_stop();
    disks_release();
    console_drain();
    arch_handover(next.area, &handover);
}
