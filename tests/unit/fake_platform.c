/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/fake_platform.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *fake_alloc(void *ctx, size_t bytes, size_t align_bytes, enum vst_memory_kind kind,
                        uint64_t *bus_addr)
{
    struct fake_platform *fake = ctx;

    assert(vst_is_power_of_two(align_bytes) && align_bytes <= 4096);
    assert((kind == VST_MEMORY_SHARED) == (bus_addr != NULL));
    if (fake->fail_alloc_after == 0) {
        fake->fail_alloc_after = fake->fail_alloc_once ? SIZE_MAX : 0;
        return NULL;
    }
    if (fake->fail_alloc_after != SIZE_MAX)
        fake->fail_alloc_after--;
    bool low = fake->shared_is_low && kind == VST_MEMORY_SHARED;
    void *memory = low ? mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0)
                       : aligned_alloc(align_bytes, (bytes + align_bytes - 1) & ~(align_bytes - 1));
    assert(memory != NULL && memory != MAP_FAILED);
    memset(memory, 0, bytes);
    assert(fake->n_allocated < VST_ARRAY_LENGTH(fake->allocated));
    fake->allocated_bytes[fake->n_allocated] = bytes;
    fake->allocated_kind[fake->n_allocated] = kind;
    fake->allocated[fake->n_allocated++] = memory;
    if (bus_addr != NULL)
        *bus_addr = (uintptr_t)memory;
    return memory;
}

static void give_back(void *memory, size_t bytes, bool low)
{
    if (low)
        munmap(memory, bytes);
    else
        free(memory);
}

static void fake_free(void *ctx, void *memory, size_t bytes, enum vst_memory_kind kind)
{
    struct fake_platform *fake = ctx;

    memset(memory, 0xdd, bytes);
    size_t i = 0;
    while (i < fake->n_allocated && fake->allocated[i] != memory)
        i++;
    assert(i < fake->n_allocated); /* ours, and not given back before */
    assert(fake->allocated_bytes[i] == bytes && fake->allocated_kind[i] == kind);
    fake->allocated[i] = fake->allocated[--fake->n_allocated];
    fake->allocated_bytes[i] = fake->allocated_bytes[fake->n_allocated];
    fake->allocated_kind[i] = fake->allocated_kind[fake->n_allocated];
    give_back(memory, bytes, fake->shared_is_low && kind == VST_MEMORY_SHARED);
}

size_t fake_platform_free_leaks(struct fake_platform *fake)
{
    size_t n = fake->n_allocated;

    while (fake->n_allocated > 0) {
        void *memory = fake->allocated[--fake->n_allocated];
        give_back(memory, fake->allocated_bytes[fake->n_allocated],
                  fake->shared_is_low && (uintptr_t)memory < 1ull << 32);
    }
    return n;
}

struct fake_mapping {
    struct fake_mapping *next;
    void *buffer;
    size_t bytes;
    enum vst_dma_direction direction;
    char data[];
};

static enum vst_status fake_map(void *ctx, void *buffer, size_t bytes,
                                enum vst_dma_direction direction, uint64_t *bus_addr)
{
    struct fake_platform *fake = ctx;

    assert(bytes > 0);
    if (fake->fail_maps_first > 0) {
        fake->fail_maps_first--;
        return fake->fail_map_status;
    }
    if (fake->fail_map_after == 0)
        return fake->fail_map_status;
    if (fake->fail_map_after != SIZE_MAX)
        fake->fail_map_after--;
    struct fake_mapping *mapping = malloc(sizeof(*mapping) + bytes);
    assert(mapping != NULL);
    *mapping = (struct fake_mapping){fake->mappings, buffer, bytes, direction};
    if (direction == VST_DMA_TO_DEVICE)
        memcpy(mapping->data, buffer, bytes);
    else
        memset(mapping->data, 0, bytes);
    fake->mappings = mapping;
    fake->n_mapped++;
    fake->n_maps++;
    *bus_addr = (uintptr_t)mapping->data;
    return VST_OK;
}

static void fake_unmap(void *ctx, void *buffer, size_t bytes, enum vst_dma_direction direction,
                       uint64_t bus_addr)
{
    struct fake_platform *fake = ctx;
    struct fake_mapping **link = &fake->mappings;

    while (*link != NULL && (uintptr_t)(*link)->data != bus_addr)
        link = &(*link)->next;
    struct fake_mapping *mapping = *link;
    assert(mapping != NULL); /* mapped, and not unmapped before */
    assert(mapping->buffer == buffer && mapping->bytes == bytes);
    assert(mapping->direction == direction);
    /* Between map and unmap the buffer is the device's: whoever touched it did so too soon. */
    if (direction == VST_DMA_FROM_DEVICE)
        memcpy(buffer, mapping->data, bytes);
    else
        assert(memcmp(buffer, mapping->data, bytes) == 0);
    *link = mapping->next;
    free(mapping);
    fake->n_mapped--;
}

static bool holds(const void *memory, size_t memory_bytes, uint64_t at, uint64_t bytes)
{
    return at >= (uintptr_t)memory && at - (uintptr_t)memory <= memory_bytes &&
           bytes <= memory_bytes - (at - (uintptr_t)memory);
}

bool fake_platform_device_may(const struct fake_platform *fake, uint64_t at, uint64_t bytes,
                              bool writes)
{
    enum vst_dma_direction wanted = writes ? VST_DMA_FROM_DEVICE : VST_DMA_TO_DEVICE;

    if (!fake->confined)
        return true;
    for (size_t i = 0; i < fake->n_allocated; i++)
        if (fake->allocated_kind[i] == VST_MEMORY_SHARED &&
            holds(fake->allocated[i], fake->allocated_bytes[i], at, bytes))
            return true;
    for (const struct fake_mapping *m = fake->mappings; m != NULL; m = m->next)
        if (m->direction == wanted && holds(m->data, m->bytes, at, bytes))
            return true;
    return false;
}

static uint64_t fake_time(void *ctx)
{
    struct fake_platform *fake = ctx;

    return fake->now_ns += fake->ns_per_look;
}

static void fake_relax(void *ctx)
{
    (void)ctx;
}

static void fake_log(void *ctx, enum vst_log_level level, const char *text)
{
    struct fake_platform *fake = ctx;

    (void)level;
    fake->n_logged++;
    vst_format(fake->last_log, sizeof(fake->last_log), "%s", text);
    size_t used = strlen(fake->all_logs);
    vst_format(fake->all_logs + used, sizeof(fake->all_logs) - used, "%s\n", text);
}

void fake_platform_init(struct fake_platform *fake, bool copying)
{
    *fake = (struct fake_platform){
        .ns_per_look = 1000,
        .fail_alloc_after = SIZE_MAX,
        .fail_map_after = SIZE_MAX,
        .fail_map_status = VST_ERR_NO_MEMORY,
        .confined = copying,
    };
    fake->platform = (struct vst_platform){
        .ctx = fake,
        .alloc = fake_alloc,
        .free = fake_free,
        .dma_map = copying ? fake_map : NULL,
        .dma_unmap = copying ? fake_unmap : NULL,
        .time_ns = fake_time,
        .relax = fake_relax,
        .log = fake_log,
    };
}
