/* SPDX-License-Identifier: BSD-2-Clause */
/* Linux's zero page. (Documentation/arch/x86/zero-page.rst, boot.rst) */
#include "boot/loader/start.h"

#define PAGE_BYTES       4096u
#define HEADER_AT        0x1f1u
#define HEADER_LENGTH_AT 0x201u
#define HEADER_BASE      0x202u
#define HEADER_LAST      0x280u /* where the zero page goes on with something else */
#define MAX_E820         128u   /* in the page itself; more are told by setup data */
#define E820_BYTES       20u
#define SETUP_DATA_BYTES 16u
#define SETUP_E820       1u
#define LOADER_UNKNOWN   0xffu
#define VIDEO_TEXT       1u    /* VGA */
#define VIDEO_PIXELS     0x23u /* a linear framebuffer */
#define VIDEO_MODE_TEXT  3u

enum {
    TEXT_MODE = 0x006,
    TEXT_COLUMNS = 0x007,
    TEXT_LINES = 0x00e,
    VIDEO_KIND = 0x00f,
    TEXT_POINTS = 0x010,
    PIXELS_WIDTH = 0x012,
    PIXELS_HEIGHT = 0x014,
    PIXELS_BITS = 0x016,
    PIXELS_FIRST = 0x018,
    PIXELS_BYTES = 0x01c,
    PIXELS_LINE = 0x024,
    RED_BITS = 0x026, /* then its shift, green, blue */
    PIXELS_FIRST_HIGH = 0x03a,
    PIXELS_FLAGS = 0x036,
    ROOT_POINTER = 0x070,
    INITRD_HIGH = 0x0c0,
    INITRD_BYTES_HIGH = 0x0c4,
    EFI_INFO = 0x1c0,
    ALTERNATIVE_KIB = 0x1e0,
    N_E820 = 0x1e8,
    SECURE_BOOT = 0x1ec,
    LOADER_TYPE = 0x210,
    CODE_32 = 0x214,
    INITRD = 0x218,
    INITRD_BYTES = 0x21c,
    COMMAND_LINE = 0x228,
    SETUP_DATA = 0x250,
    E820 = 0x2d0,
};

#define PIXELS_FIRST_IS_64_BIT 2u
#define SECURE_BOOT_OFF        2u /* under it nothing is started in this way */

static void put(uint8_t *to, uint64_t value, unsigned n_bytes)
{
    for (unsigned i = 0; i < n_bytes; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static void put_header(uint8_t *page, const struct loader_bytes *file)
{
    uint64_t end = HEADER_BASE + loader_u8(file, HEADER_LENGTH_AT);
    struct loader_bytes header =
        loader_part_of(file, HEADER_AT, (end < HEADER_LAST ? end : HEADER_LAST) - HEADER_AT);

    if (header.at != NULL)
        memcpy(page + HEADER_AT, header.at, header.bytes);
}

static void put_screen(uint8_t *page, const struct loader_screen *screen)
{
    const struct loader_colour colours[] = {screen->red, screen->green, screen->blue};

    if (screen->is_text) {
        put(page + TEXT_MODE, VIDEO_MODE_TEXT, 1);
        put(page + TEXT_COLUMNS, screen->width, 1);
        put(page + TEXT_LINES, screen->height, 1);
        put(page + VIDEO_KIND, VIDEO_TEXT, 1);
        put(page + TEXT_POINTS, 16, 2);
        return;
    }
    put(page + VIDEO_KIND, VIDEO_PIXELS, 1);
    put(page + PIXELS_WIDTH, screen->width, 2);
    put(page + PIXELS_HEIGHT, screen->height, 2);
    put(page + PIXELS_BITS, screen->bits, 2);
    put(page + PIXELS_FIRST, screen->first, 4);
    put(page + PIXELS_FIRST_HIGH, screen->first >> 32, 4);
    put(page + PIXELS_FLAGS, PIXELS_FIRST_IS_64_BIT, 4);
    put(page + PIXELS_BYTES, (uint64_t)screen->line_bytes * screen->height, 4);
    put(page + PIXELS_LINE, screen->line_bytes, 2);
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(colours); i++) {
        page[RED_BITS + 2 * i] = colours[i].bits;
        page[RED_BITS + 2 * i + 1] = colours[i].shift;
    }
}

static void put_e820(uint8_t *to, const struct loader_memory *memory, size_t n)
{
    for (size_t i = 0; i < n; i++, to += E820_BYTES) {
        put(to, memory[i].first, 8);
        put(to + 8, memory[i].bytes, 8);
        put(to + 16, memory[i].type, 4);
    }
}

/* The first 128 in the page, the others behind it. */
static void put_memory(uint8_t *page, const struct loader_start *start, struct loader_room *room)
{
    size_t n = start->n_memory < MAX_E820 ? start->n_memory : MAX_E820;
    size_t n_more = start->n_memory - n;
    uint32_t lower_kib, upper_kib;

    put_e820(page + E820, start->memory, n);
    put(page + N_E820, n, 1);
    loader_old_memory(start, &lower_kib, &upper_kib);
    put(page + ALTERNATIVE_KIB, upper_kib, 4);
    uint8_t *more =
        n_more > 0 ? loader_room_take(room, SETUP_DATA_BYTES + n_more * E820_BYTES) : NULL;
    if (more == NULL)
        return;
    put(more + 8, SETUP_E820, 4);
    put(more + 12, n_more * E820_BYTES, 4);
    put_e820(more + SETUP_DATA_BYTES, start->memory + n, n_more);
    put(page + SETUP_DATA, loader_room_physical(room, more), 8);
}

static void put_initrd(uint8_t *page, const struct loader_module *initrd)
{
    put(page + INITRD, initrd->first, 4);
    put(page + INITRD_HIGH, initrd->first >> 32, 4);
    put(page + INITRD_BYTES, initrd->bytes, 4);
    put(page + INITRD_BYTES_HIGH, initrd->bytes >> 32, 4);
}

/* From efi_info on: mark, system table, size and version of descriptors, map, its size; high halves. */
static void put_efi(uint8_t *page, const struct loader_efi *efi, struct loader_room *room)
{
    uint8_t *map = loader_room_take(room, efi->map_bytes);
    uint64_t at = loader_room_physical(room, map);

    if (map == NULL)
        return;
    memcpy(map, efi->map, efi->map_bytes);
    memcpy(page + EFI_INFO, "EL64", 4);
    put(page + EFI_INFO + 4, efi->system_table, 4);
    put(page + EFI_INFO + 8, efi->descriptor_bytes, 4);
    put(page + EFI_INFO + 12, efi->descriptor_version, 4);
    put(page + EFI_INFO + 16, at, 4);
    put(page + EFI_INFO + 20, efi->map_bytes, 4);
    put(page + EFI_INFO + 24, efi->system_table >> 32, 4);
    put(page + EFI_INFO + 28, at >> 32, 4);
    put(page + SECURE_BOOT, SECURE_BOOT_OFF, 1);
}

enum vst_status loader_linux_write(const struct loader_image *image,
                                   const struct loader_bytes *file,
                                   const struct loader_start *start, struct loader_room *room,
                                   struct loader_registers *registers)
{
    uint64_t first, end;
    uint8_t *page = loader_room_take(room, PAGE_BYTES);

    if (strlen(start->command_line) > image->setup.max_command_line)
        return VST_ERR_TOO_LARGE;
    if (page == NULL)
        return VST_ERR_NO_MEMORY;
    loader_image_span(image, &first, &end);
    put_header(page, file);
    put(page + LOADER_TYPE, LOADER_UNKNOWN, 1);
    put(page + CODE_32, first, 4);
    put(page + COMMAND_LINE, loader_room_text(room, start->command_line), 4);
    put(page + ROOT_POINTER, start->root_pointer, 8);
    put_initrd(page, start->n_modules > 0 ? &start->modules[0] : &(struct loader_module){0, 0, ""});
    put_memory(page, start, room);
    if (start->screen != NULL)
        put_screen(page, start->screen);
    if (start->efi != NULL)
        put_efi(page, start->efi, room);
    registers->esi = (uint32_t)loader_room_physical(room, page);
    return room->full ? VST_ERR_NO_MEMORY : VST_OK;
}
