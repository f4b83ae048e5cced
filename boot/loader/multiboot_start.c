/* SPDX-License-Identifier: BSD-2-Clause */
/* The information structures of the multiboots (0.6.96, 3.3; 2.0, 3.6) and of PVH. */
#include "boot/loader/start.h"
#include "boot/loader/start_info.h"

enum screen_kind { SCREEN_PIXELS = 1, SCREEN_TEXT = 2 };

static bool all_below_4g(const struct loader_start *start)
{
    for (size_t i = 0; i < start->n_modules; i++)
        if (vst_add_saturated_u64(start->modules[i].first, start->modules[i].bytes) > UINT32_MAX)
            return false;
    return true;
}

/* ---------------------------------------------------------------- multiboot 1 */

#define LOADED_BY_1 0x2badb002u

static void write_modules_1(struct multiboot1_info *info, const struct loader_start *start,
                            struct loader_room *room)
{
    struct multiboot1_module *modules = loader_room_take(room, start->n_modules * sizeof(*modules));

    for (size_t i = 0; modules != NULL && i < start->n_modules; i++)
        modules[i] = (struct multiboot1_module){
            .first = (uint32_t)start->modules[i].first,
            .end = (uint32_t)(start->modules[i].first + start->modules[i].bytes),
            .text = (uint32_t)loader_room_text(room, start->modules[i].text)};
    info->n_modules = (uint32_t)start->n_modules;
    info->modules = (uint32_t)loader_room_physical(room, modules);
}

static void write_map_1(struct multiboot1_info *info, const struct loader_start *start,
                        struct loader_room *room)
{
    struct multiboot1_map_entry *map = loader_room_take(room, start->n_memory * sizeof(*map));

    for (size_t i = 0; map != NULL && i < start->n_memory; i++)
        map[i] = (struct multiboot1_map_entry){sizeof(*map) - sizeof(map->entry_bytes),
                                               start->memory[i].first, start->memory[i].bytes,
                                               start->memory[i].type};
    info->map = (uint32_t)loader_room_physical(room, map);
    info->map_bytes = (uint32_t)(start->n_memory * sizeof(*map));
}

static void write_screen_1(struct multiboot1_info *info, const struct loader_screen *screen)
{
    info->flags |= MULTIBOOT1_HAS_SCREEN;
    info->screen = screen->first;
    info->line_bytes = screen->line_bytes;
    info->width = screen->width;
    info->height = screen->height;
    info->bits = screen->bits;
    info->kind = screen->is_text ? SCREEN_TEXT : SCREEN_PIXELS;
    info->red_shift = screen->red.shift;
    info->red_bits = screen->red.bits;
    info->green_shift = screen->green.shift;
    info->green_bits = screen->green.bits;
    info->blue_shift = screen->blue.shift;
    info->blue_bits = screen->blue.bits;
}

enum vst_status loader_multiboot1_write(const struct loader_start *start, struct loader_room *room,
                                        struct loader_registers *registers)
{
    struct multiboot1_info *info = loader_room_take(room, sizeof(*info));

    if (!all_below_4g(start))
        return VST_ERR_TOO_LARGE;
    if (info == NULL)
        return VST_ERR_NO_MEMORY;
    info->flags = MULTIBOOT1_HAS_MEMORY | MULTIBOOT1_HAS_COMMAND_LINE | MULTIBOOT1_HAS_MODULES |
                  MULTIBOOT1_HAS_MAP | MULTIBOOT1_HAS_LOADER_NAME;
    uint32_t lower_kib, upper_kib;
    loader_old_memory(start, &lower_kib, &upper_kib);
    info->lower_kib = lower_kib;
    info->upper_kib = upper_kib;
    info->command_line = (uint32_t)loader_room_text(room, start->command_line);
    info->loader_name = (uint32_t)loader_room_text(room, start->loader_name);
    write_modules_1(info, start, room);
    write_map_1(info, start, room);
    if (start->screen != NULL)
        write_screen_1(info, start->screen);
    registers->eax = LOADED_BY_1;
    registers->ebx = (uint32_t)loader_room_physical(room, info);
    return room->full ? VST_ERR_NO_MEMORY : VST_OK;
}

/* ---------------------------------------------------------------- multiboot 2 */

#define LOADED_BY_2       0x36d76289u
#define RSDP_1_BYTES      20u
#define SMBIOS_HEAD_BYTES 8u
#define RSDP_1_TABLE      16u /* where it says where the RSDT lies */

/* A tag with `bytes` behind its head; where they go, NULL if there is no room. */
static void *add_tag(struct loader_room *room, uint32_t type, size_t bytes)
{
    struct multiboot2_tag *tag = loader_room_take(room, sizeof(*tag) + bytes);

    if (tag == NULL)
        return NULL;
    *tag = (struct multiboot2_tag){type, (uint32_t)(sizeof(*tag) + bytes)};
    return tag + 1;
}

static void add_tag_of(struct loader_room *room, uint32_t type, const void *body, size_t bytes)
{
    void *to = add_tag(room, type, bytes);

    if (to != NULL)
        memcpy(to, body, bytes);
}

static void add_modules_2(struct loader_room *room, const struct loader_start *start)
{
    for (size_t i = 0; i < start->n_modules; i++) {
        const struct loader_module *module = &start->modules[i];
        const uint32_t bounds[] = {(uint32_t)module->first,
                                   (uint32_t)(module->first + module->bytes)};
        size_t text_bytes = strlen(module->text) + 1;
        uint8_t *body = add_tag(room, MULTIBOOT2_MODULE, sizeof(bounds) + text_bytes);
        if (body == NULL)
            return;
        memcpy(body, bounds, sizeof(bounds));
        memcpy(body + sizeof(bounds), module->text, text_bytes);
    }
}

static void add_map_2(struct loader_room *room, const struct loader_start *start)
{
    const uint32_t head[] = {sizeof(struct multiboot2_map_entry), 0};
    uint8_t *body = add_tag(room, MULTIBOOT2_MAP,
                            sizeof(head) + start->n_memory * sizeof(struct multiboot2_map_entry));

    if (body == NULL)
        return;
    memcpy(body, head, sizeof(head));
    for (size_t i = 0; i < start->n_memory; i++) {
        const struct loader_memory *memory = &start->memory[i];
        struct multiboot2_map_entry entry = {memory->first, memory->bytes, memory->type, 0};
        memcpy(body + sizeof(head) + i * sizeof(entry), &entry, sizeof(entry));
    }
}

static void add_screen_2(struct loader_room *room, const struct loader_screen *screen)
{
    struct multiboot2_screen body = {
        .first = screen->first,
        .line_bytes = screen->line_bytes,
        .width = screen->width,
        .height = screen->height,
        .bits = screen->bits,
        .kind = screen->is_text ? SCREEN_TEXT : SCREEN_PIXELS,
        .red_shift = screen->red.shift,
        .red_bits = screen->red.bits,
        .green_shift = screen->green.shift,
        .green_bits = screen->green.bits,
        .blue_shift = screen->blue.shift,
        .blue_bits = screen->blue.bits,
    };

    add_tag_of(room, MULTIBOOT2_SCREEN, &body, sizeof(body));
}

/* Old kernels look for what ends where ACPI 1 did, which a newer root pointer begins with. */
static void add_roots_2(struct loader_room *room, const struct loader_start *start)
{
    const uint8_t *root = start->root_copy;
    struct loader_bytes bytes = {root, start->root_copy_bytes};

    if (loader_u32(&bytes, RSDP_1_TABLE) != 0)
        add_tag_of(room, MULTIBOOT2_RSDP_1, root, RSDP_1_BYTES);
    if (start->root_copy_bytes > RSDP_1_BYTES)
        add_tag_of(room, MULTIBOOT2_RSDP_2, root, start->root_copy_bytes);
}

static void add_smbios_2(struct loader_room *room, const struct loader_smbios *smbios)
{
    uint8_t *body = add_tag(room, MULTIBOOT2_SMBIOS, SMBIOS_HEAD_BYTES + smbios->bytes);

    if (body == NULL)
        return;
    body[0] = smbios->major;
    body[1] = smbios->minor;
    memcpy(body + SMBIOS_HEAD_BYTES, (const void *)(uintptr_t)smbios->first, smbios->bytes);
}

static void add_efi_2(struct loader_room *room, const struct loader_efi *efi)
{
    const uint32_t head[] = {efi->descriptor_bytes, efi->descriptor_version};

    add_tag_of(room, MULTIBOOT2_EFI_TABLE, &efi->system_table, sizeof(efi->system_table));
    add_tag_of(room, MULTIBOOT2_EFI_IMAGE, &efi->image, sizeof(efi->image));
    if (efi->services_left) {
        (void)add_tag(room, MULTIBOOT2_EFI_SERVICES, 0);
        return;
    }
    uint8_t *body = add_tag(room, MULTIBOOT2_EFI_MAP, sizeof(head) + efi->map_bytes);
    if (body == NULL)
        return;
    memcpy(body, head, sizeof(head));
    memcpy(body + sizeof(head), efi->map, efi->map_bytes);
}

static void add_all_2(const struct loader_image *image, const struct loader_start *start,
                      struct loader_room *room)
{
    uint32_t memory[2];
    uint64_t first, end;

    add_tag_of(room, MULTIBOOT2_COMMAND_LINE, start->command_line, strlen(start->command_line) + 1);
    add_tag_of(room, MULTIBOOT2_LOADER_NAME, start->loader_name, strlen(start->loader_name) + 1);
    add_modules_2(room, start);
    if (start->efi == NULL || !start->efi->services_left) {
        loader_old_memory(start, &memory[0], &memory[1]);
        add_tag_of(room, MULTIBOOT2_MEMORY, memory, sizeof(memory));
        add_map_2(room, start);
    }
    if (start->screen != NULL)
        add_screen_2(room, start->screen);
    if (start->root_copy != NULL)
        add_roots_2(room, start);
    if (start->smbios.bytes != 0)
        add_smbios_2(room, &start->smbios);
    if (start->efi != NULL)
        add_efi_2(room, start->efi);
    if (image->place.movable) {
        loader_image_span(image, &first, &end);
        add_tag_of(room, MULTIBOOT2_BASE, &(uint32_t){(uint32_t)first}, sizeof(uint32_t));
    }
    (void)add_tag(room, MULTIBOOT2_END, 0);
}

enum vst_status loader_multiboot2_write(const struct loader_image *image,
                                        const struct loader_start *start, struct loader_room *room,
                                        struct loader_registers *registers)
{
    uint32_t *head = loader_room_take(room, 2 * sizeof(*head));
    size_t first = room->used - 2 * sizeof(*head);

    if (!all_below_4g(start))
        return VST_ERR_TOO_LARGE;
    if (image->needs_smbios && start->smbios.bytes == 0)
        return VST_ERR_UNSUPPORTED;
    if (head == NULL)
        return VST_ERR_NO_MEMORY;
    add_all_2(image, start, room);
    head[0] = (uint32_t)(room->used - first);
    registers->eax = LOADED_BY_2;
    registers->ebx = (uint32_t)loader_room_physical(room, head);
    return room->full ? VST_ERR_NO_MEMORY : VST_OK;
}

/* ---------------------------------------------------------------- PVH */

static void write_modules_pvh(struct pvh_start_info *info, const struct loader_start *start,
                              struct loader_room *room)
{
    struct pvh_module *modules = loader_room_take(room, start->n_modules * sizeof(*modules));

    for (size_t i = 0; modules != NULL && i < start->n_modules; i++)
        modules[i] = (struct pvh_module){start->modules[i].first, start->modules[i].bytes,
                                         loader_room_text(room, start->modules[i].text), 0};
    info->n_modules = (uint32_t)start->n_modules;
    info->modules = start->n_modules > 0 ? loader_room_physical(room, modules) : 0;
}

enum vst_status loader_pvh_write(const struct loader_start *start, struct loader_room *room,
                                 struct loader_registers *registers)
{
    struct pvh_start_info *info = loader_room_take(room, sizeof(*info));
    struct pvh_map_entry *map = loader_room_take(room, start->n_memory * sizeof(*map));

    if (info == NULL || map == NULL)
        return VST_ERR_NO_MEMORY;
    for (size_t i = 0; i < start->n_memory; i++)
        map[i] = (struct pvh_map_entry){start->memory[i].first, start->memory[i].bytes,
                                        start->memory[i].type, 0};
    *info = (struct pvh_start_info){.magic = PVH_MAGIC,
                                    .version = 1,
                                    .rsdp = start->root_pointer,
                                    .map = loader_room_physical(room, map),
                                    .n_map_entries = (uint32_t)start->n_memory};
    info->command_line = loader_room_text(room, start->command_line);
    write_modules_pvh(info, start, room);
    registers->ebx = (uint32_t)loader_room_physical(room, info);
    return room->full ? VST_ERR_NO_MEMORY : VST_OK;
}
