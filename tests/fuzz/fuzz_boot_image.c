/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files that are kernels, or say so: every kind that one is read as, moved where it may be, and told
 * what it is told in a room of any size. The same bytes are read as a firmware's memory map, as
 * SMBIOS's entry point and as a mode of its screen, too.
 *
 * The input: one byte of how much room there is, then the file.
 */
#include "tests/fuzz/fuzz_input.h"
#include "boot/loader/efi_map.h"
#include "boot/loader/pe.h"
#include "boot/loader/start.h"

#define ROOM_PHYSICAL 0x2000000u
#define ROOM_STEP     64u
#define MAX_MEMORY    32u

static void check_image(const struct loader_bytes *file, const struct loader_image *image)
{
    uint64_t first, end;
    bool inside = false, efi_inside = image->efi_entry == 0;

    FUZZ_CHECK(image->n_parts >= 1 && image->n_parts <= LOADER_MAX_PARTS);
    for (uint32_t i = 0; i < image->n_parts; i++) {
        const struct loader_part *part = &image->parts[i];
        FUZZ_CHECK(part->from <= file->bytes && part->bytes <= file->bytes - part->from);
        FUZZ_CHECK(part->bytes <= part->memory_bytes);
        FUZZ_CHECK(part->to < LOADER_4G && part->memory_bytes <= LOADER_4G - part->to);
        inside |= image->entry >= part->to && image->entry - part->to < part->memory_bytes;
        efi_inside |=
            image->efi_entry >= part->to && image->efi_entry - part->to < part->memory_bytes;
    }
    FUZZ_CHECK(inside && efi_inside);
    FUZZ_CHECK(!image->needs_services || image->efi_entry != 0);
    loader_image_span(image, &first, &end);
    FUZZ_CHECK(first < end && end <= LOADER_4G);
    FUZZ_CHECK(memchr(image->setup.version, 0, sizeof(image->setup.version)) != NULL);
    if (image->place.movable)
        FUZZ_CHECK(vst_is_power_of_two(image->place.align_bytes));
}

/* To the next boundary above, and there all distances are what they were. */
static void move(struct loader_image *image)
{
    uint64_t first, end, moved_first, moved_end, entry = image->entry;

    loader_image_span(image, &first, &end);
    uint64_t to = (first & ~(image->place.align_bytes - 1)) + image->place.align_bytes;
    if (to > LOADER_4G || end - first > LOADER_4G - to)
        return;
    loader_image_move(image, to);
    loader_image_span(image, &moved_first, &moved_end);
    FUZZ_CHECK(moved_first == to && moved_end - moved_first == end - first);
    FUZZ_CHECK(image->entry - moved_first == entry - first);
}

static void tell(const struct loader_bytes *file, const struct loader_image *image, size_t bytes,
                 bool services_left)
{
    static const struct loader_memory memory[] = {{0, 0x9fc00, 1}, {0x100000, 0x7ff00000, 1}};
    static const uint8_t map[2 * 48];
    const struct loader_efi efi = {0x7f000018, 0x7e000000, services_left, map, sizeof(map), 48, 1};
    static const struct loader_screen screen = {
        .first = 0x80000000, .width = 1280, .height = 800, .line_bytes = 5120, .bits = 32};
    static const struct loader_module module = {0x4000000, 1000, "/initrd"};
    struct loader_start start = {.loader_name = "vstor",
                                 .command_line = "console=ttyS0",
                                 .memory = memory,
                                 .n_memory = VST_ARRAY_LENGTH(memory),
                                 .modules = &module,
                                 .n_modules = 1,
                                 .smbios = {2, 8, (uintptr_t)map, bytes & 64 ? sizeof(map) : 0},
                                 .screen = bytes & 64 ? &screen : NULL,
                                 .efi = bytes & 64 ? &efi : NULL};
    struct loader_registers registers;
    struct loader_room room = {malloc(bytes + 1), ROOM_PHYSICAL, bytes, 0, false};

    enum vst_status status = loader_start_write(image, file, &start, &room, &registers);
    FUZZ_CHECK(room.used <= bytes);
    FUZZ_CHECK(status != VST_ERR_NO_MEMORY || bytes < loader_room_bytes(&start));
    free(room.memory);
}

static void read_pe(const struct loader_bytes *file)
{
    static const char *const names[] = {".linux", ".initrd", ".cmdline", ".osrel"};
    struct loader_bytes section;
    struct loader_pe pe;

    if (loader_pe_read(file, &pe) != VST_OK)
        return;
    (void)loader_pe_can_begin(file, &pe);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(names); i++)
        if (loader_pe_section(file, &pe, (unsigned)i % 2, names[i], &section))
            FUZZ_CHECK(section.at >= file->at && section.bytes <= file->bytes &&
                       section.at + section.bytes <= file->at + file->bytes);
}

static void read_firmware(const struct loader_bytes *file)
{
    const struct loader_efi_mode mode = {
        .first = loader_u64(file, 0),
        .bytes = loader_u32(file, 8),
        .width = loader_u16(file, 12),
        .height = loader_u16(file, 14),
        .line_pixels = loader_u32(file, 16),
        .format = loader_u8(file, 20) % 5,
        .red_mask = loader_u32(file, 21),
        .green_mask = loader_u32(file, 25),
        .blue_mask = loader_u32(file, 29),
        .reserved_mask = loader_u32(file, 33),
    };
    struct loader_smbios smbios;
    struct loader_screen screen;

    if (loader_smbios_read(file, &smbios))
        FUZZ_CHECK(smbios.bytes > 0 && smbios.bytes <= LOADER_SMBIOS_MAX_BYTES);
    if (!loader_screen_of_mode(&mode, &screen))
        return;
    FUZZ_CHECK(screen.bits % 8 == 0 && screen.bits >= 8 && screen.bits <= 32);
    FUZZ_CHECK(screen.red.shift + screen.red.bits <= screen.bits);
    FUZZ_CHECK(screen.green.shift + screen.green.bits <= screen.bits);
    FUZZ_CHECK(screen.blue.shift + screen.blue.bits <= screen.bits);
    FUZZ_CHECK((uint64_t)screen.line_bytes * screen.height <= mode.bytes);
    FUZZ_CHECK(screen.line_bytes >= (uint64_t)screen.width * screen.bits / 8);
}

static void read_map(const struct loader_bytes *file)
{
    struct loader_efi_map map = {loader_part_of(file, 1, file->bytes > 0 ? file->bytes - 1 : 0),
                                 loader_u8(file, 0)};
    struct loader_memory memory[MAX_MEMORY];
    static struct range_set now, later;
    size_t n;

    now.n_ranges = later.n_ranges = 0;
    if (loader_efi_memory(&map, memory, MAX_MEMORY, &n)) {
        FUZZ_CHECK(n <= MAX_MEMORY);
        for (size_t i = 0; i < n; i++)
            FUZZ_CHECK(memory[i].bytes > 0 && (i == 0 || memory[i - 1].first <= memory[i].first));
    }
    if (loader_efi_ranges(&map, false, &now) && loader_efi_ranges(&map, true, &later))
        FUZZ_CHECK(range_set_total(&now) <= range_set_total(&later));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct loader_image image;
    struct fuzz_input input = {data, bytes};
    size_t room = fuzz_u8(&input) * ROOM_STEP * 2;
    struct loader_bytes file = {input.at, input.left};

    read_pe(&file);
    read_map(&file);
    read_firmware(&file);
    for (unsigned kind = 0; kind < LOADER_N_KINDS; kind++) {
        enum vst_status status = loader_image_read(&file, (enum loader_kind)kind, &image);
        FUZZ_CHECK((status == VST_OK) == (image.why == NULL));
        if (status != VST_OK)
            continue;
        check_image(&file, &image);
        if (image.place.movable)
            move(&image);
        tell(&file, &image, room, false);
        tell(&file, &image, room, true);
    }
    return 0;
}
