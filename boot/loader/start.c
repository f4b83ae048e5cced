/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/loader/start.h"

#define ALIGN_BYTES   8u
#define LARGEST_FIXED 16384u /* Linux's zero page and the like, tags, table heads */
#define MEMORY_BYTES  24u    /* the largest entry of all memory maps */
#define MODULE_BYTES  40u    /* the largest of all lists of modules, padding included */
#define LOWER_END     0xa0000u
#define UPPER_FIRST   0x100000u
#define BYTES_PER_KIB 1024u

size_t loader_room_bytes(const struct loader_start *start)
{
    size_t bytes = LARGEST_FIXED + strlen(start->command_line) + strlen(start->loader_name) +
                   start->n_memory * MEMORY_BYTES + start->root_copy_bytes;

    bytes += start->smbios.bytes;
    if (start->efi != NULL)
        bytes += start->efi->map_bytes;
    for (size_t i = 0; i < start->n_modules; i++)
        bytes += MODULE_BYTES + 2 * ALIGN_BYTES + strlen(start->modules[i].text);
    return bytes;
}

void *loader_room_take(struct loader_room *room, size_t bytes)
{
    size_t first = (room->used + ALIGN_BYTES - 1) & ~(size_t)(ALIGN_BYTES - 1);

    if (first > room->bytes || bytes > room->bytes - first) {
        room->full = true;
        return NULL;
    }
    room->used = first + bytes;
    memset(room->memory + first, 0, bytes);
    return room->memory + first;
}

uint64_t loader_room_physical(const struct loader_room *room, const void *taken)
{
    return taken == NULL ? 0 : room->physical + (uint64_t)((const uint8_t *)taken - room->memory);
}

uint64_t loader_room_text(struct loader_room *room, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = loader_room_take(room, bytes);

    if (copy != NULL)
        memcpy(copy, text, bytes);
    return loader_room_physical(room, copy);
}

/* The usable piece that holds an address, from there to `end` at most. */
static uint32_t kib_from(const struct loader_start *start, uint64_t first, uint64_t end)
{
    for (size_t i = 0; i < start->n_memory; i++) {
        const struct loader_memory *memory = &start->memory[i];
        uint64_t last = vst_add_saturated_u64(memory->first, memory->bytes);
        if (memory->type == LOADER_MEMORY_USABLE && memory->first <= first && first < last)
            return (uint32_t)(((last < end ? last : end) - first) / BYTES_PER_KIB);
    }
    return 0;
}

void loader_old_memory(const struct loader_start *start, uint32_t *lower_kib, uint32_t *upper_kib)
{
    *lower_kib = kib_from(start, 0, LOWER_END);
    *upper_kib = kib_from(start, UPPER_FIRST, LOADER_4G);
}

enum vst_status loader_start_write(const struct loader_image *image,
                                   const struct loader_bytes *file,
                                   const struct loader_start *start, struct loader_room *room,
                                   struct loader_registers *registers)
{
    *registers = (struct loader_registers){0, 0, 0};
    switch (image->kind) {
    case LOADER_LINUX:
        return loader_linux_write(image, file, start, room, registers);
    case LOADER_MULTIBOOT2:
        return loader_multiboot2_write(image, start, room, registers);
    case LOADER_MULTIBOOT1:
        return loader_multiboot1_write(start, room, registers);
    case LOADER_PVH:
        return loader_pvh_write(start, room, registers);
    default:
        return VST_ERR_UNSUPPORTED;
    }
}
