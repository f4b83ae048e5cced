/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk: attaching, configuration, detaching. The path of a request is in virtio_blk_io.c. */
#include "drivers/virtio_blk.h"
#include <vstor/trace.h>

#define DEFAULT_QUEUE_SIZE   128u
#define DEFAULT_MAX_SEGMENTS 30u
#define MIN_TRACE_EVENTS     32u
#define MOST_SEGMENTS        4094u /* a table of 64 KiB */
#define DEFAULT_TIMEOUT_NS   30000000000ull
#define MAX_WATCH_NS         1000000000ull
#define ATTACH_TIMEOUT_NS    2000000000ull

/* Most that one command carries, bytes. Devices have limits that they don't tell (QEMU: just under
 * 2 GiB), and a longer command saves nothing. */
#define MAX_COMMAND_BYTES (16u << 20)

#define IMPLEMENTED_FEATURES                                                                       \
    (VIRTIO_BIT(VIRTIO_BLK_F_SIZE_MAX) | VIRTIO_BIT(VIRTIO_BLK_F_SEG_MAX) |                        \
     VIRTIO_BIT(VIRTIO_BLK_F_RO) | VIRTIO_BIT(VIRTIO_BLK_F_BLK_SIZE) |                             \
     VIRTIO_BIT(VIRTIO_BLK_F_GEOMETRY) | VIRTIO_BIT(VIRTIO_BLK_F_ZONED) |                          \
     VIRTIO_BIT(VIRTIO_BLK_F_FLUSH) | VIRTIO_BIT(VIRTIO_BLK_F_TOPOLOGY) |                          \
     VIRTIO_BIT(VIRTIO_BLK_F_DISCARD) | VIRTIO_BIT(VIRTIO_BLK_F_WRITE_ZEROES) |                    \
     VIRTIO_BIT(VIRTIO_BLK_F_SECURE_ERASE) | VIRTIO_BIT(VIRTIO_BLK_F_LIFETIME) |                   \
     VIRTIO_BIT(VIRTIO_BLK_F_CONFIG_WCE) | VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC) |                    \
     VIRTIO_BIT(VIRTIO_F_EVENT_IDX) | VIRTIO_BIT(VIRTIO_F_VERSION_1) |                             \
     VIRTIO_BIT(VIRTIO_F_ANY_LAYOUT) | VIRTIO_BIT(VIRTIO_F_ACCESS_PLATFORM) |                      \
     VIRTIO_BIT(VIRTIO_F_RING_PACKED) | VIRTIO_BIT(VIRTIO_F_IN_ORDER) |                            \
     VIRTIO_BIT(VIRTIO_F_ORDER_PLATFORM) | VIRTIO_BIT(VIRTIO_F_NOTIFICATION_DATA))

bool vst_virtio_blk_matches(const struct vst_pci_function *function)
{
    /* 4.1.2: 0x1040 + device type 2; the transitional id. */
    return function->vendor_id == VST_PCI_VENDOR_VIRTIO &&
           (function->device_id == 0x1042 || function->device_id == 0x1001);
}

/* ------------------------------------------------------------------ configuration: parse, then act
 */

void vst_virtio_blk_read_fields(struct virtio_device *device, void *into)
{
    struct blk_limits_read *read = into;

    read->capacity_sectors =
        vst_virtio_config_field(device, VIRTIO_BLK_CONFIG_CAPACITY, 4, 0) |
        (uint64_t)vst_virtio_config_field(device, VIRTIO_BLK_CONFIG_CAPACITY + 4, 4, 0) << 32;
    read->size_max = 0;
    read->seg_max = 1; /* 5.2.4: a device that names no seg_max takes one segment (nanos#1730) */
    read->blk_size = VST_SECTOR_BYTES;
    read->physical_exponent = 0;
    read->writeback = virtio_has(device, VIRTIO_BLK_F_FLUSH);
    read->num_queues = 1;
    if (virtio_has(device, VIRTIO_BLK_F_MQ))
        read->num_queues =
            (uint16_t)vst_virtio_config_field(device, VIRTIO_BLK_CONFIG_NUM_QUEUES, 2, 1);
    if (virtio_has(device, VIRTIO_BLK_F_SIZE_MAX))
        read->size_max = vst_virtio_config_field(device, VIRTIO_BLK_CONFIG_SIZE_MAX, 4, 0);
    if (virtio_has(device, VIRTIO_BLK_F_SEG_MAX))
        read->seg_max = vst_virtio_config_field(device, VIRTIO_BLK_CONFIG_SEG_MAX, 4, 1);
    if (virtio_has(device, VIRTIO_BLK_F_BLK_SIZE))
        read->blk_size =
            vst_virtio_config_field(device, VIRTIO_BLK_CONFIG_BLK_SIZE, 4, VST_SECTOR_BYTES);
    if (virtio_has(device, VIRTIO_BLK_F_TOPOLOGY))
        read->physical_exponent =
            (uint8_t)vst_virtio_config_field(device, VIRTIO_BLK_CONFIG_PHYSICAL, 1, 0);
    if (virtio_has(device, VIRTIO_BLK_F_CONFIG_WCE))
        read->writeback =
            vst_virtio_config_field(device, VIRTIO_BLK_CONFIG_WRITEBACK, 1, read->writeback) != 0;
    vst_virtio_blk_read_hints(device, read);
    vst_virtio_blk_read_ranges(device, read);
    vst_virtio_blk_read_zones(device, read);
}

/** At most `bound`, of which 0 says that there is none. */
static uint32_t bounded(uint32_t value, uint32_t bound)
{
    return bound == 0 ? value : vst_min_u32(value, bound);
}

static enum vst_status malformed(const struct blk_device *blk, const char *what, uint64_t value)
{
    vst_log(blk->base.platform, VST_LOG_ERROR, "%s: %s of %lu makes no sense", blk->virtio.name,
            what, (unsigned long)value);
    return VST_ERR_MALFORMED;
}

enum vst_status vst_virtio_blk_limits(const struct blk_device *blk,
                                      const struct blk_limits_read *read, uint16_t queue_size,
                                      struct vst_block_limits *limits)
{
    const struct vst_platform *platform = blk->base.platform;
    bool indirect = virtio_has(&blk->virtio, VIRTIO_F_INDIRECT_DESC);

    if (read->blk_size < VST_SECTOR_BYTES || read->blk_size > 65536 ||
        !vst_is_power_of_two(read->blk_size))
        return malformed(blk, "block size", read->blk_size);
    if (read->capacity_sectors > UINT64_MAX >> VST_SECTOR_SHIFT)
        return malformed(blk, "capacity (sectors)", read->capacity_sectors);
    limits->logical_block_bytes = read->blk_size;
    /* A physical block beyond 64 MiB is nobody's: it serves as a hint only, so fall back to the
     * logical one. */
    limits->physical_block_bytes =
        read->physical_exponent <= 16 &&
                (uint64_t)read->blk_size << read->physical_exponent <= 64u << 20
            ? read->blk_size << read->physical_exponent
            : read->blk_size;
    /* 5.2.5: capacity counts 512-byte sectors whatever blk_size says. A cut block at the end can't
     * be addressed. */
    limits->n_sectors = read->capacity_sectors & ~(uint64_t)(read->blk_size / VST_SECTOR_BYTES - 1);
    /* 2.7.5.3.1: no chain, indirect or not, longer than the queue. Two descriptors are head and
     * status. */
    if (queue_size < 3)
        return malformed(blk, "queue size", queue_size);
    limits->max_segments = vst_min_u32(
        read->seg_max == 0 ? 1 : read->seg_max,
        vst_min_u32(vst_min_u32(blk->config.max_segments, MOST_SEGMENTS), queue_size - 2u));
    limits->max_segments = bounded(limits->max_segments, platform->dma_max_maps);
    limits->max_segment_bytes =
        bounded(bounded(MAX_COMMAND_BYTES, read->size_max), platform->dma_max_map_bytes);
    if (limits->max_segment_bytes < VST_SECTOR_BYTES ||
        (uint64_t)limits->max_segments * limits->max_segment_bytes < limits->logical_block_bytes)
        return malformed(blk, "largest segment (bytes)", limits->max_segment_bytes);
    limits->max_sectors = MAX_COMMAND_BYTES >> VST_SECTOR_SHIFT;
    limits->depth = indirect ? queue_size : (uint16_t)(queue_size / 3);
    vst_virtio_blk_hints(read, limits);
    vst_virtio_blk_range_limits(blk, read, limits);
    return vst_virtio_blk_zone_limits(blk, read, limits);
}

/** What features say for as long as the device is driven; of the cache, what it begins with. */
static void note_modes(struct blk_device *blk, const struct blk_limits_read *read)
{
    blk->base.write_cache = read->writeback;
    blk->base.write_cache_settable = virtio_has(&blk->virtio, VIRTIO_BLK_F_CONFIG_WCE) &&
                                     blk->virtio.config_bytes > VIRTIO_BLK_CONFIG_WRITEBACK;
    blk->base.read_only = virtio_has(&blk->virtio, VIRTIO_BLK_F_RO);
    blk->base.tells_lifetime = virtio_has(&blk->virtio, VIRTIO_BLK_F_LIFETIME);
    blk->base.flush_needed = virtio_has(&blk->virtio, VIRTIO_BLK_F_FLUSH) && !blk->base.read_only;
}

/* ------------------------------------------------------------------ the queue */

static enum vst_status choose_queue_size(struct blk_device *blk, uint16_t queue, uint16_t *size)
{
    return vst_virtq_choose_size(&blk->virtio, queue, blk->config.queue_size, size);
}

/**
 * How many queues: what is wanted, offered, and as large as the first; one if the doorbell is a
 * window that all would share.
 */
static uint16_t choose_n_queues(struct blk_device *blk, const struct blk_limits_read *read,
                                uint16_t queue_size)
{
    bool by_window =
        blk->irq.is_pci && !blk->virtio.legacy && blk->pci.notify.kind == VIRTIO_REGISTERS_WINDOW;
    uint16_t n = read->num_queues < blk->config.n_queues ? read->num_queues : blk->config.n_queues;
    uint16_t i = 1, size;

    if (by_window)
        n = 1;
    while (i < n && choose_queue_size(blk, i, &size) == VST_OK && size == queue_size)
        i++;
    return i;
}

/** Head, data, status; and room for a range where commands on ranges are to be had. */
uint16_t vst_virtio_blk_table_entries(const struct vst_block_limits *limits)
{
    uint32_t n = limits->max_segments + 2;

    return (uint16_t)(n > BLK_RANGE_CHAIN_ENTRIES ? n : BLK_RANGE_CHAIN_ENTRIES + 1);
}

static enum vst_status create_queue(struct blk_device *blk, uint16_t index, uint16_t queue_size)
{
    const struct vst_platform *platform = blk->base.platform;
    struct blk_queue *q = &blk->queues[index];
    struct virtq_layout layout = {
        .index = index,
        .size = queue_size,
        .vector = vst_virtio_irq_vector(&blk->irq, index),
        .header_bytes = sizeof(struct blk_header),
        .table_entries = vst_virtio_blk_table_entries(&blk->base.limits),
    };

    if (!virtio_has(&blk->virtio, VIRTIO_F_INDIRECT_DESC))
        layout.header_bytes += BLK_DIRECT_RANGES * (uint32_t)sizeof(struct blk_range);
    q->base.device = &blk->base;
    q->base.driver = &vst_virtio_blk_driver;
    q->base.index = index;
    q->blk = blk;
    q->run = (struct virtio_run){
        .vq = &q->vq, .device = &blk->recovery, .number = index, .fault = VST_ERR_BROKEN};
    blk->queue_list[index] = &q->base;
    blk->n_queues_created++;
    q->maps = platform->dma_map != NULL;
    if (q->maps) {
        q->mappings_bytes =
            (size_t)queue_size * blk->base.limits.max_segments * sizeof(*q->mappings);
        q->mappings =
            platform->alloc(platform->ctx, q->mappings_bytes, 64, VST_MEMORY_PRIVATE, NULL);
        if (q->mappings == NULL)
            return VST_ERR_NO_MEMORY;
    }
    q->base.trace = vst_trace_create(platform, blk->config.n_trace_events);
    if (q->base.trace == NULL)
        return VST_ERR_NO_MEMORY;
    enum vst_status status = vst_virtio_irq_create_ring(&blk->irq, &q->vq, &layout);
    q->run.vector = layout.vector;
    q->base.message = layout.vector != VIRTIO_NO_VECTOR ? layout.vector : 0;
    return status;
}

static enum vst_status create_queues(struct blk_device *blk, const struct blk_limits_read *read,
                                     uint16_t queue_size)
{
    enum vst_status status = VST_OK;

    blk->base.queues = blk->queue_list;
    blk->base.n_queues = choose_n_queues(blk, read, queue_size);
    blk->recovery.n_runs = blk->base.n_queues;
    vst_virtio_irq_open(&blk->irq, blk->base.n_queues);
    blk->base.change_message = blk->irq.config_vector;
    for (uint16_t i = 0; i < blk->base.n_queues && status == VST_OK; i++)
        status = create_queue(blk, i, queue_size);
    return status;
}

/* ------------------------------------------------------------------ identity */

/**
 * 5.2.6.1: up to 20 bytes, ended by NUL only if shorter; printable ASCII is kept, the rest becomes
 * '?'.
 */
static void take_serial(struct blk_device *blk, const char *shared)
{
    char id[VIRTIO_BLK_ID_BYTES]; /* one look: the device may still write */
    size_t n = 0;

    for (size_t i = 0; i < sizeof(id); i++)
        id[i] = __atomic_load_n(&shared[i], __ATOMIC_RELAXED);
    for (; n < VIRTIO_BLK_ID_BYTES && id[n] != '\0'; n++)
        blk->base.serial[n] = id[n] >= ' ' && id[n] <= '~' ? id[n] : '?';
    while (n > 0 && blk->base.serial[n - 1] == ' ')
        n--;
    blk->base.serial[n] = '\0';
}

/** Others may hold all that buffers can be mapped to, but not for long. */
static enum vst_status issue_get_id(struct blk_device *blk, struct vst_block_request *request,
                                    const struct vst_block_segment *segment)
{
    const struct vst_platform *platform = blk->base.platform;
    uint64_t start = platform->time_ns(platform->ctx);
    struct vst_block_part part = {.bytes = VIRTIO_BLK_ID_BYTES, .n_pieces = 1, .segments = segment};
    enum vst_status status;

    while ((status = vst_virtio_blk_issue(&blk->queues[0], request, VIRTIO_BLK_T_GET_ID, &part)) ==
           VST_ERR_FULL) {
        if (platform->time_ns(platform->ctx) - start > ATTACH_TIMEOUT_NS)
            break;
        platform->relax(platform->ctx);
    }
    if (status != VST_OK)
        vst_log(platform, VST_LOG_WARNING, "%s: no room to ask for the serial number",
                blk->virtio.name);
    return status;
}

static const char *why_no_answer(const struct blk_device *blk)
{
    return virtio_has(&blk->virtio, VIRTIO_F_ACCESS_PLATFORM)
               ? "no answer to GET_ID; does an IOMMU keep the device from memory?"
               : "no answer to GET_ID";
}

static void wait_for_answer(struct blk_device *blk)
{
    const struct vst_platform *platform = blk->base.platform;
    uint64_t start = platform->time_ns(platform->ctx);
    struct vst_block_request *done;

    vst_block_kick(&blk->queues[0].base);
    while (vst_block_poll(&blk->queues[0].base, &done, 1) == 0) {
        if (platform->time_ns(platform->ctx) - start > ATTACH_TIMEOUT_NS && !blk->base.broken)
            vst_virtio_run_fault(&blk->queues[0].run, why_no_answer(blk), VST_ERR_TIMEOUT, true);
        platform->relax(platform->ctx);
    }
}

/**
 * Asks for the serial number. A device that does not know it is fine; one that does not answer is
 * not.
 */
static enum vst_status read_serial(struct blk_device *blk)
{
    const struct vst_platform *platform = blk->base.platform;
    uint64_t bus_addr;
    char *id =
        platform->alloc(platform->ctx, VIRTIO_BLK_ID_BYTES, 64, VST_MEMORY_SHARED, &bus_addr);
    if (id == NULL)
        return VST_ERR_NO_MEMORY;
    struct vst_block_segment segment = {id, VIRTIO_BLK_ID_BYTES};
    struct vst_block_request request = {.op = VST_BLOCK_READ};
    enum vst_status status = issue_get_id(blk, &request, &segment);

    if (status == VST_OK) {
        wait_for_answer(blk);
        status = request.status;
    }
    if (status == VST_OK)
        take_serial(blk, id);
    if (!blk->reset_unconfirmed)
        platform->free(platform->ctx, id, VIRTIO_BLK_ID_BYTES, VST_MEMORY_SHARED);
    blk->queues[0].base.stats = (struct vst_block_stats){0};
    return blk->base.broken ? status : VST_OK;
}

/* ------------------------------------------------------------------ attach, detach */

static uint16_t n_queues_wanted(const struct vst_virtio_blk_config *config)
{
    if (config->n_queues == 0)
        return 1;
    return config->n_queues < VST_VIRTIO_BLK_MAX_QUEUES ? config->n_queues
                                                        : VST_VIRTIO_BLK_MAX_QUEUES;
}

static void fill_defaults(struct blk_device *blk, const struct vst_virtio_blk_config *config)
{
    blk->config = *config;
    if (blk->config.queue_size == 0)
        blk->config.queue_size = DEFAULT_QUEUE_SIZE;
    if (blk->config.max_segments == 0)
        blk->config.max_segments = DEFAULT_MAX_SEGMENTS;
    if (blk->config.timeout_ns == 0)
        blk->config.timeout_ns = DEFAULT_TIMEOUT_NS;
    if (blk->config.n_trace_events < MIN_TRACE_EVENTS)
        blk->config.n_trace_events = MIN_TRACE_EVENTS;
    blk->config.n_trace_events = vst_power_of_two_below(blk->config.n_trace_events);
    blk->config.n_queues = n_queues_wanted(config);
    blk->watch_interval_ns =
        blk->config.timeout_ns / 4 < MAX_WATCH_NS ? blk->config.timeout_ns / 4 : MAX_WATCH_NS;
    if (blk->watch_interval_ns == 0)
        blk->watch_interval_ns = 1;
    uint64_t epochs = blk->config.timeout_ns / blk->watch_interval_ns;
    blk->timeout_epochs =
        epochs > UINT16_MAX / 2 ? UINT16_MAX / 2 : (uint16_t)epochs; /* nine hours will do */
}

static enum vst_status start(struct blk_device *blk)
{
    struct virtio_device *device = &blk->virtio;
    struct blk_limits_read read;
    uint16_t queue_size;

    /* 3.1.1 steps 1 to 6. */
    device->choose = vst_virtio_blk_choose_features;
    uint64_t wanted = IMPLEMENTED_FEATURES;
    if (blk->config.n_queues > 1)
        wanted |= VIRTIO_BIT(VIRTIO_BLK_F_MQ);
    if (blk->config.recovery == VST_RECOVERY_QUEUE && device->transport->queue_reset != NULL)
        wanted |= VIRTIO_BIT(VIRTIO_F_RING_RESET);
    enum vst_status status = vst_virtio_negotiate(device, wanted & ~blk->config.refused_features);
    if (status != VST_OK)
        return status;
    /* Step 7: configuration, then the queue. 5.2.4: a disk without a capacity is none. */
    if (device->config_bytes < VIRTIO_BLK_CONFIG_MIN_BYTES) {
        vst_log(device->platform, VST_LOG_ERROR, "%s: no configuration that holds a capacity",
                device->name);
        return VST_ERR_MALFORMED;
    }
    status = vst_virtio_blk_read_config(blk, &read);
    if (status == VST_OK)
        status = choose_queue_size(blk, 0, &queue_size);
    if (status == VST_OK)
        status = vst_virtio_blk_limits(blk, &read, queue_size, &blk->base.limits);
    if (status == VST_OK)
        status = create_queues(blk, &read, queue_size);
    if (status != VST_OK)
        return status;
    note_modes(blk, &read);
    vst_block_limits_changed(&blk->base);
    /* Step 8. */
    vst_virtio_driver_ok(device);
    status = read_serial(blk);
    if (status != VST_OK)
        return status;
    vst_virtio_blk_irq_acknowledge(blk);
    vst_virtio_irq_start(&blk->irq);
    blk->recovery.way = blk->config.recovery;
    for (uint16_t i = 0; i < blk->base.n_queues; i++)
        vst_virtio_run_rest(&blk->queues[i].run);
    return VST_OK;
}

void vst_virtio_blk_stop(struct blk_device *blk)
{
    if (vst_virtio_blk_is_gone(blk))
        vst_virtio_cut_off(&blk->virtio); /* a device that only hides does not write after that */
    else if (vst_virtio_stop(&blk->virtio))
        return;
    blk->reset_unconfirmed = true;
}

/** Gives back all that attach has allocated, but for memory that the device may still reach. */
static void release(struct blk_device *blk)
{
    const struct vst_platform *platform = blk->base.platform;

    if (!blk->base.gone) /* another may be in its place by now */
        vst_virtio_irq_close(&blk->irq);
    if (blk->reset_unconfirmed)
        vst_log(platform, VST_LOG_WARNING, "%s: its memory is never used again", blk->virtio.name);
    for (uint16_t i = 0; i < blk->n_queues_created; i++) {
        struct blk_queue *q = &blk->queues[i];
        if (!blk->reset_unconfirmed)
            vst_virtq_destroy(&q->vq, platform);
        vst_trace_destroy(platform, q->base.trace);
        if (q->mappings != NULL)
            platform->free(platform->ctx, q->mappings, q->mappings_bytes, VST_MEMORY_PRIVATE);
    }
    platform->free(platform->ctx, blk, blk->bytes, VST_MEMORY_PRIVATE);
}

static void describe(struct blk_device *blk)
{
    blk->base.driver_name = "virtio-blk";
    blk->base.transport_name = blk->virtio.transport->name;
    blk->base.ring_name = blk->queues[0].vq.packed ? "packed" : "split";
    blk->base.irq_mode = vst_virtio_irq_mode_name(blk->irq.mode);
    vst_virtio_feature_names(blk->virtio.features, VIRTIO_TYPE_BLOCK, blk->feature_names,
                             BLK_MAX_FEATURE_NAMES);
    blk->base.features = blk->feature_names;
    vst_virtio_blk_count_memory(blk);
}

static struct blk_device *create(const struct vst_platform *platform,
                                 const struct vst_virtio_blk_config *config)
{
    size_t n = n_queues_wanted(config);
    size_t bytes = sizeof(struct blk_device) +
                   n * (sizeof(struct blk_queue) + sizeof(struct vst_block_queue *));
    struct blk_device *blk = platform->alloc(platform->ctx, bytes, 64, VST_MEMORY_PRIVATE, NULL);

    if (blk != NULL) {
        blk->base.platform = platform;
        blk->bytes = bytes;
        blk->recovery = (struct virtio_recovery){
            .ops = &vst_virtio_blk_recovery_ops, .device = &blk->virtio, .way = VST_RECOVERY_NONE};
        blk->queue_list = (struct vst_block_queue **)(void *)&blk->queues[n];
        fill_defaults(blk, config);
    }
    return blk;
}

/** Starts the device whose transport was opened with `status`; on an error nothing is left. */
static enum vst_status bring_up(struct blk_device *blk, enum vst_status status,
                                struct vst_block_device **device)
{
    if (status == VST_OK) {
        status = start(blk);
        if (status == VST_OK) {
            describe(blk);
            *device = &blk->base;
            return VST_OK;
        }
        vst_virtio_fail(&blk->virtio);
        vst_virtio_blk_stop(blk);
    }
    release(blk);
    return status;
}

enum vst_status vst_virtio_blk_attach(const struct vst_platform *platform,
                                      const struct vst_pci_function *function,
                                      const struct vst_virtio_blk_config *config,
                                      struct vst_block_device **device)
{
    struct blk_device *blk = create(platform, config);

    if (blk == NULL)
        return VST_ERR_NO_MEMORY;
    vst_virtio_irq_init(&blk->irq, &blk->virtio, function, &config->irq);
    enum vst_status status =
        vst_virtio_pci_open_any(&blk->any, platform, function, &blk->config.pci);
    vst_format(blk->base.path, sizeof(blk->base.path), "pci-%s", blk->virtio.name);
    return bring_up(blk, status, device);
}

enum vst_status vst_virtio_mmio_blk_attach(const struct vst_platform *platform, uint64_t physical,
                                           uint64_t bytes,
                                           const struct vst_virtio_blk_config *config,
                                           struct vst_block_device **device)
{
    struct blk_device *blk = create(platform, config);

    if (blk == NULL)
        return VST_ERR_NO_MEMORY;
    vst_virtio_irq_init(&blk->irq, &blk->virtio, NULL, &config->irq);
    enum vst_status status =
        vst_virtio_mmio_open(&blk->any.mmio, platform, physical, bytes, VIRTIO_TYPE_BLOCK);
    vst_format(blk->base.path, sizeof(blk->base.path), "%s", blk->virtio.name);
    return bring_up(blk, status, device);
}

void vst_virtio_blk_detach(struct vst_block_device *device)
{
    struct blk_device *blk = VST_CONTAINER_OF(device, struct blk_device, base);

    if (!device->gone)
        vst_virtio_blk_stop(blk);
    release(blk);
}
