/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bounce pool. It stands beside the other things that all machines share, for to the drivers it
 * is a platform like any other: they know nothing of it.
 *
 * Room is found first fit, so that small mappings keep to the pool's beginning and large ones find
 * it whole behind them. A granule belongs to whoever turned its word in `runs` from FREE to TAKEN; a
 * mapping's first granule then holds the mapping's length, by which unmap knows it.
 */
#include <vstor/bounce.h>
#include <vstor/log.h>

#define FREE  0u
#define TAKEN UINT32_MAX
#define BYTES VST_BOUNCE_GRANULE_BYTES

/* Most that one mapping takes: enough for a device, and a pool cut into pieces still has it. */
#define MOST_GRANULES_PER_MAP 16u

/* ------------------------------------------------------------------ room */

static uint32_t granules_of(size_t bytes)
{
    return (uint32_t)((bytes + BYTES - 1) / BYTES);
}

static bool turn(uint32_t *word, uint32_t from, uint32_t to)
{
    return __atomic_compare_exchange_n(word, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static void release(struct vst_bounce *bounce, uint32_t first, uint32_t n)
{
    for (uint32_t i = first; i < first + n; i++)
        __atomic_store_n(&bounce->runs[i], FREE, __ATOMIC_RELEASE);
}

/** Takes n granules from `first` on, or none; *taken is how many were free. */
static bool take_run(struct vst_bounce *bounce, uint32_t first, uint32_t n, uint32_t *taken)
{
    for (*taken = 0; *taken < n; ++*taken)
        if (!turn(&bounce->runs[first + *taken], FREE, TAKEN)) {
            release(bounce, first, *taken);
            return false;
        }
    return true;
}

static bool take(struct vst_bounce *bounce, uint32_t n, uint32_t *first)
{
    uint32_t n_taken;

    for (uint32_t at = 0; at + n <= bounce->n_granules; at += n_taken + 1)
        if (take_run(bounce, at, n, &n_taken)) {
            __atomic_store_n(&bounce->runs[at], n, __ATOMIC_RELEASE);
            *first = at;
            return true;
        }
    __atomic_fetch_add(&bounce->n_full, 1, __ATOMIC_RELAXED);
    return false;
}

/* ------------------------------------------------------------------ mapping */

static enum vst_status bounce_map(void *ctx, void *buffer, size_t bytes,
                                  enum vst_dma_direction direction, uint64_t *bus_addr)
{
    struct vst_bounce *bounce = ctx;
    uint32_t n, first;

    if (bytes == 0)
        return VST_ERR_INVALID;
    if (bytes > bounce->platform.dma_max_map_bytes)
        return VST_ERR_TOO_LARGE;
    n = granules_of(bytes);
    if (!take(bounce, n, &first))
        return VST_ERR_FULL;
    char *data = bounce->pool + (size_t)first * BYTES;
    size_t n_carried = direction == VST_DMA_TO_DEVICE ? bytes : 0;
    /* Nothing of ours but what is meant for the device, and nothing that it put there before. */
    __builtin_memcpy(data, buffer, n_carried);
    __builtin_memset(data + n_carried, 0, (size_t)n * BYTES - n_carried);
    *bus_addr = bounce->pool_bus_addr + (uint64_t)first * BYTES;
    return VST_OK;
}

/** The mapping's first granule, from now on nobody else's; false if there is no such mapping. */
static bool claim(struct vst_bounce *bounce, size_t bytes, uint64_t bus_addr, uint32_t *first)
{
    uint64_t offset = bus_addr - bounce->pool_bus_addr;

    if (bytes == 0 || bytes > bounce->platform.dma_max_map_bytes || offset % BYTES != 0 ||
        offset / BYTES >= bounce->n_granules)
        return false;
    *first = (uint32_t)(offset / BYTES);
    return turn(&bounce->runs[*first], granules_of(bytes), TAKEN);
}

static void bounce_unmap(void *ctx, void *buffer, size_t bytes, enum vst_dma_direction direction,
                         uint64_t bus_addr)
{
    struct vst_bounce *bounce = ctx;
    uint32_t first;

    if (!claim(bounce, bytes, bus_addr, &first)) {
        __atomic_fetch_add(&bounce->n_wrong_unmap, 1, __ATOMIC_RELAXED);
        vst_log(bounce->inner, VST_LOG_ERROR, "bounce: %lu bytes at bus address %lx are not mapped",
                (unsigned long)bytes, (unsigned long)bus_addr);
        return;
    }
    char *data = bounce->pool + (size_t)first * BYTES;
    /* Once: what the device does to its copy from now on is seen by nobody. */
    if (direction == VST_DMA_FROM_DEVICE)
        __builtin_memcpy(buffer, data, bytes);
    __builtin_memset(data, 0, (size_t)granules_of(bytes) * BYTES);
    release(bounce, first, granules_of(bytes));
}

/* ------------------------------------------------------------------ all else is the caller's own */

static const struct vst_platform *inner_of(void *ctx)
{
    return ((const struct vst_bounce *)ctx)->inner;
}

static uint32_t inner_config_read(void *ctx, struct vst_pci_address address, uint16_t offset,
                                  uint8_t width_bytes)
{
    const struct vst_platform *inner = inner_of(ctx);

    return inner->pci_config_read(inner->ctx, address, offset, width_bytes);
}

static void inner_config_write(void *ctx, struct vst_pci_address address, uint16_t offset,
                               uint8_t width_bytes, uint32_t value)
{
    const struct vst_platform *inner = inner_of(ctx);

    inner->pci_config_write(inner->ctx, address, offset, width_bytes, value);
}

static void *inner_mmio_map(void *ctx, uint64_t physical, uint64_t bytes)
{
    const struct vst_platform *inner = inner_of(ctx);

    return inner->mmio_map(inner->ctx, physical, bytes);
}

static void *inner_alloc(void *ctx, size_t bytes, size_t align_bytes, enum vst_memory_kind kind,
                         uint64_t *bus_addr)
{
    const struct vst_platform *inner = inner_of(ctx);

    return inner->alloc(inner->ctx, bytes, align_bytes, kind, bus_addr);
}

static void inner_free(void *ctx, void *memory, size_t bytes, enum vst_memory_kind kind)
{
    const struct vst_platform *inner = inner_of(ctx);

    inner->free(inner->ctx, memory, bytes, kind);
}

static uint64_t inner_time_ns(void *ctx)
{
    const struct vst_platform *inner = inner_of(ctx);

    return inner->time_ns(inner->ctx);
}

static void inner_relax(void *ctx)
{
    const struct vst_platform *inner = inner_of(ctx);

    inner->relax(inner->ctx);
}

static void inner_log(void *ctx, enum vst_log_level level, const char *text)
{
    const struct vst_platform *inner = inner_of(ctx);

    inner->log(inner->ctx, level, text);
}

/* ------------------------------------------------------------------ start, stop */

/** So that the largest command takes at most half the pool, in mappings as large as that allows. */
static void set_bounds(struct vst_bounce *bounce)
{
    uint32_t n_per_map = MOST_GRANULES_PER_MAP;

    while (n_per_map > 1 && n_per_map * 8 > bounce->n_granules)
        n_per_map /= 2;
    bounce->platform.dma_max_map_bytes = n_per_map * BYTES;
    bounce->platform.dma_max_maps = bounce->n_granules / 2 / n_per_map;
    if (bounce->platform.dma_max_maps == 0)
        bounce->platform.dma_max_maps = 1;
}

enum vst_status vst_bounce_start(struct vst_bounce *bounce, const struct vst_platform *inner,
                                 size_t pool_bytes)
{
    size_t n = pool_bytes / BYTES;

    if (n == 0 || n >= UINT32_MAX)
        return VST_ERR_INVALID;
    *bounce = (struct vst_bounce){
        .platform =
            {
                .ctx = bounce,
                .pci_config_read = inner_config_read,
                .pci_config_write = inner_config_write,
                .mmio_map = inner_mmio_map,
                .alloc = inner_alloc,
                .free = inner_free,
                .dma_map = bounce_map,
                .dma_unmap = bounce_unmap,
                .time_ns = inner_time_ns,
                .relax = inner_relax,
                .log = inner_log,
            },
        .inner = inner,
        .n_granules = (uint32_t)n,
    };
    bounce->pool =
        inner->alloc(inner->ctx, n * BYTES, BYTES, VST_MEMORY_SHARED, &bounce->pool_bus_addr);
    if (bounce->pool == NULL)
        return VST_ERR_NO_MEMORY;
    bounce->runs =
        inner->alloc(inner->ctx, n * sizeof(*bounce->runs), 64, VST_MEMORY_PRIVATE, NULL);
    if (bounce->runs == NULL) {
        inner->free(inner->ctx, bounce->pool, n * BYTES, VST_MEMORY_SHARED);
        return VST_ERR_NO_MEMORY;
    }
    set_bounds(bounce);
    return VST_OK;
}

void vst_bounce_stop(struct vst_bounce *bounce)
{
    const struct vst_platform *inner = bounce->inner;

    inner->free(inner->ctx, bounce->runs, bounce->n_granules * sizeof(*bounce->runs),
                VST_MEMORY_PRIVATE);
    inner->free(inner->ctx, bounce->pool, (size_t)bounce->n_granules * BYTES, VST_MEMORY_SHARED);
}
