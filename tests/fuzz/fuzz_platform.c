/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/fuzz/fuzz_platform.h"

#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ID_BYTES      20u
#define NS_PER_LOOK   10000000u
#define FIRST_MAPPING 0x600000000000ull
#define LOW_BYTES     (4u << 20)
#define LOW_GAP_BYTES 64u
#define BUS_OFFSET    0x30000000000ull /* what a legacy device's page number still reaches */

void fuzz_platform_step(struct fuzz_platform *fp)
{
    FUZZ_CHECK(++fp->n_steps < FUZZ_MAX_STEPS);
}

/* ---------------------------------------------------------------- memory */

static char *low_memory(void)
{
    static char *low;

    if (low == NULL)
        low = mmap(NULL, LOW_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_32BIT, -1, 0);
    FUZZ_CHECK(low != MAP_FAILED);
    return low;
}

static bool is_low(uintptr_t at)
{
    return at - (uintptr_t)low_memory() < LOW_BYTES;
}

/** From one end to the other, poisoned in between: an address is never used twice by one input. */
static void *alloc_low(struct fuzz_platform *fp, size_t bytes, size_t align_bytes)
{
    size_t at = (fp->low_used_bytes + LOW_GAP_BYTES + align_bytes - 1) & ~(align_bytes - 1);

    if (at > LOW_BYTES || bytes > LOW_BYTES - at)
        return NULL;
    fp->low_used_bytes = at + bytes;
    ASAN_UNPOISON_MEMORY_REGION(low_memory() + at, bytes);
    return low_memory() + at;
}

static void *alloc_any(struct fuzz_platform *fp, size_t bytes, size_t align_bytes,
                       enum vst_memory_kind kind)
{
    void *memory = kind == VST_MEMORY_SHARED ? alloc_low(fp, bytes, align_bytes) : NULL;

    if (memory == NULL && posix_memalign(&memory, align_bytes < 8 ? 8 : align_bytes, bytes) != 0)
        return NULL;
    memset(memory, 0, bytes);
    return memory;
}

static void *alloc_memory(void *ctx, size_t bytes, size_t align_bytes, enum vst_memory_kind kind,
                          uint64_t *bus_addr)
{
    struct fuzz_platform *fp = ctx;

    FUZZ_CHECK(vst_is_power_of_two(align_bytes) && align_bytes <= 4096 && bytes > 0);
    FUZZ_CHECK((kind == VST_MEMORY_SHARED) == (bus_addr != NULL));
    FUZZ_CHECK(fp->n_memory < FUZZ_MAX_MEMORY);
    if (fp->allocs_until_failure > 0 && --fp->allocs_until_failure == 0)
        return NULL;
    void *memory = alloc_any(fp, bytes, align_bytes, kind);
    if (memory == NULL)
        return NULL;
    fp->any_high |= kind == VST_MEMORY_SHARED && !is_low((uintptr_t)memory);
    uint64_t bus = (uintptr_t)memory + (fp->platform.dma_map != NULL ? BUS_OFFSET : 0);
    fp->memory[fp->n_memory++] = (struct fuzz_memory){memory, bytes, bus, kind};
    if (bus_addr != NULL)
        *bus_addr = bus;
    return memory;
}

static void give_back(const struct fuzz_memory *memory)
{
    if (is_low((uintptr_t)memory->at))
        ASAN_POISON_MEMORY_REGION(memory->at, memory->bytes);
    else
        free(memory->at);
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
    give_back(&fp->memory[i]);
    fp->memory[i] = fp->memory[--fp->n_memory];
}

size_t fuzz_platform_free_all(struct fuzz_platform *fp)
{
    size_t n = fp->n_memory;

    while (fp->n_memory > 0)
        give_back(&fp->memory[--fp->n_memory]);
    return n;
}

struct fuzz_memory *fuzz_platform_memory(struct fuzz_platform *fp, uintptr_t at, size_t bytes)
{
    if (!is_low(at) && !fp->any_high) /* asked at every load of the driver: mostly this */
        return NULL;
    for (size_t i = 0; i < fp->n_memory; i++) {
        struct fuzz_memory *memory = &fp->memory[i];
        uint64_t offset = at - (uintptr_t)memory->at;
        if (memory->kind == VST_MEMORY_SHARED && offset < memory->bytes &&
            bytes <= memory->bytes - offset)
            return memory;
    }
    return NULL;
}

char *fuzz_platform_shared(struct fuzz_platform *fp, uint64_t bus_addr, size_t bytes)
{
    for (size_t i = 0; i < fp->n_memory; i++) {
        struct fuzz_memory *memory = &fp->memory[i];
        uint64_t offset = bus_addr - memory->bus_addr;
        if (memory->kind == VST_MEMORY_SHARED && offset < memory->bytes &&
            bytes <= memory->bytes - offset)
            return memory->at + offset;
    }
    /* GET_ID's buffer is shared memory that is mapped as well. */
    for (size_t i = 0; i < fp->n_mappings; i++)
        if (fp->mappings[i].bus_addr == bus_addr && bytes <= fp->mappings[i].bytes &&
            fuzz_platform_memory(fp, (uintptr_t)fp->mappings[i].buffer, bytes) != NULL)
            return fp->mappings[i].buffer;
    return NULL;
}

/* ---------------------------------------------------------------- mappings */

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

/* ---------------------------------------------------------------- time and text */

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
    ASAN_POISON_MEMORY_REGION(low_memory(), LOW_BYTES);
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
