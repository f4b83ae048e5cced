/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/fuzz/fuzz_platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_BYTES      20u
#define NS_PER_LOOK   10000000u
#define FIRST_MAPPING 0x600000000000ull

void fuzz_platform_step(struct fuzz_platform *fp)
{
    FUZZ_CHECK(++fp->n_steps < FUZZ_MAX_STEPS);
}

static void *alloc_memory(void *ctx, size_t bytes, size_t align_bytes, enum vst_memory_kind kind,
                          uint64_t *bus_addr)
{
    struct fuzz_platform *fp = ctx;
    void *memory;

    FUZZ_CHECK(vst_is_power_of_two(align_bytes) && align_bytes <= 4096 && bytes > 0);
    FUZZ_CHECK((kind == VST_MEMORY_SHARED) == (bus_addr != NULL));
    FUZZ_CHECK(fp->n_memory < FUZZ_MAX_MEMORY);
    if (fp->allocs_until_failure > 0 && --fp->allocs_until_failure == 0)
        return NULL;
    if (posix_memalign(&memory, align_bytes < 8 ? 8 : align_bytes, bytes) != 0)
        return NULL;
    memset(memory, 0, bytes);
    fp->memory[fp->n_memory++] = (struct fuzz_memory){memory, bytes, kind};
    if (bus_addr != NULL)
        *bus_addr = (uintptr_t)memory;
    return memory;
}

static void free_memory(void *ctx, void *memory, size_t bytes, enum vst_memory_kind kind)
{
    struct fuzz_platform *fp = ctx;
    size_t i = 0;

    while (i < fp->n_memory && fp->memory[i].at != memory)
        i++;
    FUZZ_CHECK(i < fp->n_memory && fp->memory[i].bytes == bytes && fp->memory[i].kind == kind);
    /* GET_ID's buffer is given back while the device lives, for it is answered. All else that is
     * shared must wait for the reset. */
    FUZZ_CHECK(kind == VST_MEMORY_PRIVATE || !fp->device_reaches_memory || bytes == ID_BYTES);
    fp->memory[i] = fp->memory[--fp->n_memory];
    free(memory);
}

size_t fuzz_platform_free_all(struct fuzz_platform *fp)
{
    size_t n = fp->n_memory;

    while (fp->n_memory > 0)
        free(fp->memory[--fp->n_memory].at);
    return n;
}

struct fuzz_memory *fuzz_platform_shared(struct fuzz_platform *fp, uint64_t bus_addr, size_t bytes)
{
    for (size_t i = 0; i < fp->n_memory; i++) {
        struct fuzz_memory *memory = &fp->memory[i];
        uint64_t offset = bus_addr - (uintptr_t)memory->at;
        if (memory->kind == VST_MEMORY_SHARED && offset < memory->bytes &&
            bytes <= memory->bytes - offset)
            return memory;
    }
    return NULL;
}

static enum vst_status map_buffer(void *ctx, void *buffer, size_t bytes,
                                  enum vst_dma_direction direction, uint64_t *bus_addr)
{
    struct fuzz_platform *fp = ctx;

    fuzz_platform_step(fp);
    if (fp->n_mappings == FUZZ_MAX_MAPPINGS || (fp->maps_may_fail && ++fp->n_maps % 13 == 0))
        return fp->n_maps % 2 != 0 ? VST_ERR_FULL : VST_ERR_NO_MEMORY;
    /* Nobody may touch it but the device, which this one does not: so it needs no memory. */
    *bus_addr = FIRST_MAPPING + ((uint64_t)fp->n_maps++ << 28);
    fp->mappings[fp->n_mappings++] = (struct fuzz_mapping){buffer, bytes, direction, *bus_addr};
    return VST_OK;
}

static void unmap_buffer(void *ctx, void *buffer, size_t bytes, enum vst_dma_direction direction,
                         uint64_t bus_addr)
{
    struct fuzz_platform *fp = ctx;
    size_t i = 0;

    fuzz_platform_step(fp);
    while (i < fp->n_mappings && fp->mappings[i].bus_addr != bus_addr)
        i++;
    FUZZ_CHECK(i < fp->n_mappings);
    FUZZ_CHECK(fp->mappings[i].buffer == buffer && fp->mappings[i].bytes == bytes &&
               fp->mappings[i].direction == direction);
    fp->mappings[i] = fp->mappings[--fp->n_mappings];
}

static uint64_t look_at_clock(void *ctx)
{
    struct fuzz_platform *fp = ctx;

    fuzz_platform_step(fp);
    return fp->now_ns += NS_PER_LOOK;
}

static void relax(void *ctx)
{
    fuzz_platform_step(ctx);
}

static void take_log(void *ctx, enum vst_log_level level, const char *text)
{
    (void)level;
    fuzz_platform_step(ctx);
    if (getenv("FUZZ_LOG") != NULL) /* to look at one input */
        fprintf(stderr, "%s\n", text);
    FUZZ_CHECK(strlen(text) < VST_LOG_LINE_BYTES && strchr(text, '\n') == NULL);
}

void fuzz_platform_init(struct fuzz_platform *fp, struct fuzz_input *input, bool maps)
{
    memset(fp, 0, offsetof(struct fuzz_platform, mappings));
    fp->input = input;
    fp->platform = (struct vst_platform){
        .ctx = fp,
        .alloc = alloc_memory,
        .free = free_memory,
        .dma_map = maps ? map_buffer : NULL,
        .dma_unmap = maps ? unmap_buffer : NULL,
        .time_ns = look_at_clock,
        .relax = relax,
        .log = take_log,
    };
}
