/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-scsi: attaching, configuration, detaching. The path of a request is in virtio_scsi_io.c. */
#include "drivers/virtio_scsi.h"

#include <vstor/trace.h>

#define DEFAULT_QUEUE_SIZE   128u
#define DEFAULT_MAX_SEGMENTS 30u
#define MOST_SEGMENTS        4094u /* a table of 64 KiB */
#define MIN_TRACE_EVENTS     16u
#define DEFAULT_TIMEOUT_NS   30000000000ull
#define MAX_WATCH_NS         1000000000ull
#define MOST_QUEUES          VST_VIRTIO_BLK_MAX_QUEUES

/* Most that one command carries: see virtio_blk.c. */
#define MAX_COMMAND_BYTES (16u << 20)
/* Taken where a device says that a command may carry nothing: the least that any takes. */
#define SAFE_MAX_SECTORS 128u

#define MIN_CDB_BYTES   16u
#define MIN_SENSE_BYTES 18u   /* fixed format up to the field pointer (SPC-4, 4.5.3) */
#define MOST_SENSE_ROOM 1024u /* that a device may insist on */
#define MIN_EVENT_BYTES ((uint32_t)sizeof(struct scsi_event_buffer))
#define MOST_EVENT_ROOM 256u

/* 5.6.4: what the addressing of 5.6.6.1 can name at most. */
#define MOST_TARGET 255u
#define MOST_LUN    16383u

#define IMPLEMENTED_FEATURES                                                                       \
    (VIRTIO_BIT(VIRTIO_SCSI_F_INOUT) | VIRTIO_BIT(VIRTIO_SCSI_F_HOTPLUG) |                         \
     VIRTIO_BIT(VIRTIO_SCSI_F_CHANGE) | VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC) |                       \
     VIRTIO_BIT(VIRTIO_F_EVENT_IDX) | VIRTIO_BIT(VIRTIO_F_VERSION_1) |                             \
     VIRTIO_BIT(VIRTIO_F_ANY_LAYOUT) | VIRTIO_BIT(VIRTIO_F_ACCESS_PLATFORM) |                      \
     VIRTIO_BIT(VIRTIO_F_RING_PACKED) | VIRTIO_BIT(VIRTIO_F_IN_ORDER) |                            \
     VIRTIO_BIT(VIRTIO_F_ORDER_PLATFORM) | VIRTIO_BIT(VIRTIO_F_NOTIFICATION_DATA))

bool vst_virtio_scsi_matches(const struct vst_pci_function *function)
{
    /* 4.1.2: 0x1040 + device type 8; the transitional id. */
    return function->vendor_id == VST_PCI_VENDOR_VIRTIO &&
           (function->device_id == 0x1048 || function->device_id == 0x1004);
}

static const struct vst_platform *platform_of(const struct scsi_device *scsi)
{
    return scsi->base.platform;
}

/* ------------------------------------------------------------------ configuration */

static uint32_t field(struct virtio_device *device, uint32_t offset)
{
    return vst_virtio_config_field(device, offset, 4, 0);
}

void vst_virtio_scsi_read_fields(struct virtio_device *device, void *into)
{
    *(struct scsi_config_read *)into = (struct scsi_config_read){
        .num_queues = field(device, VIRTIO_SCSI_CONFIG_NUM_QUEUES),
        .seg_max = field(device, VIRTIO_SCSI_CONFIG_SEG_MAX),
        .max_sectors = field(device, VIRTIO_SCSI_CONFIG_MAX_SECTORS),
        .cmd_per_lun = field(device, VIRTIO_SCSI_CONFIG_CMD_PER_LUN),
        .event_bytes = field(device, VIRTIO_SCSI_CONFIG_EVENT_BYTES),
        .sense_size = field(device, VIRTIO_SCSI_CONFIG_SENSE_SIZE),
        .cdb_size = field(device, VIRTIO_SCSI_CONFIG_CDB_SIZE),
        .max_channel =
            (uint16_t)vst_virtio_config_field(device, VIRTIO_SCSI_CONFIG_MAX_CHANNEL, 2, 0),
        .max_target =
            (uint16_t)vst_virtio_config_field(device, VIRTIO_SCSI_CONFIG_MAX_TARGET, 2, 0),
        .max_lun = field(device, VIRTIO_SCSI_CONFIG_MAX_LUN),
    };
}

/** At most `bound`, of which 0 says that there is none. */
static uint32_t bounded(uint32_t value, uint32_t bound)
{
    return bound == 0 ? value : vst_min_u32(value, bound);
}

static enum vst_status malformed(const struct scsi_device *scsi, const char *what, uint64_t value)
{
    vst_log(platform_of(scsi), VST_LOG_ERROR, "%s: %s of %lu makes no sense", scsi->virtio.name,
            what, (unsigned long)value);
    return VST_ERR_MALFORMED;
}

/** A limit of 0 would be an adapter that can do nothing, and means that none was told. */
static uint32_t told_or(const struct scsi_device *scsi, const char *what, uint32_t value,
                        uint32_t safe)
{
    if (value != 0)
        return value;
    vst_log(platform_of(scsi), VST_LOG_INFO, "%s: %s of 0 is taken for %lu", scsi->virtio.name,
            what, (unsigned long)safe);
    return safe;
}

/** 5.6.4: a field that the driver may write: what it then holds. */
static uint32_t choose(struct scsi_device *scsi, uint32_t offset, uint32_t now, uint32_t wanted)
{
    if (now == wanted)
        return now;
    scsi->virtio.transport->config_write(&scsi->virtio, offset, 4, wanted);
    return field(&scsi->virtio, offset);
}

enum vst_status vst_virtio_scsi_choose_sizes(struct scsi_device *scsi,
                                             struct scsi_config_read *read)
{
    read->cdb_size =
        choose(scsi, VIRTIO_SCSI_CONFIG_CDB_SIZE, read->cdb_size, VIRTIO_SCSI_CDB_BYTES);
    if (read->cdb_size < MIN_CDB_BYTES || read->cdb_size > VIRTIO_SCSI_CDB_BYTES)
        return malformed(scsi, "cdb_size", read->cdb_size);
    read->sense_size =
        choose(scsi, VIRTIO_SCSI_CONFIG_SENSE_SIZE, read->sense_size, scsi->config.max_sense_bytes);
    if (read->sense_size < MIN_SENSE_BYTES || read->sense_size > MOST_SENSE_ROOM)
        return malformed(scsi, "sense_size", read->sense_size);
    return VST_OK;
}

static enum vst_status take_limits(struct scsi_device *scsi, const struct scsi_config_read *read,
                                   uint16_t queue_size)
{
    const struct vst_platform *platform = platform_of(scsi);
    bool indirect = virtio_has(&scsi->virtio, VIRTIO_F_INDIRECT_DESC);
    uint32_t cmd_per_lun = told_or(scsi, "cmd_per_lun", read->cmd_per_lun, 1);
    uint32_t seg_max = told_or(scsi, "seg_max", read->seg_max, 1);
    uint32_t max_sectors = told_or(scsi, "max_sectors", read->max_sectors, SAFE_MAX_SECTORS);

    if (queue_size <
        3) /* 2.7.5.3.1: no chain longer than the queue; two are request and response */
        return malformed(scsi, "queue size", queue_size);
    scsi->base.limits = (struct vst_scsi_hba_limits){
        .max_channel = read->max_channel,
        .max_target = (uint16_t)vst_min_u32(read->max_target, MOST_TARGET),
        .max_lun = vst_min_u32(read->max_lun, MOST_LUN),
        .max_segments = bounded(
            vst_min_u32(seg_max, vst_min_u32(vst_min_u32(scsi->config.max_segments, MOST_SEGMENTS),
                                             queue_size - 2u)),
            platform->dma_max_maps),
        .max_segment_bytes = bounded(MAX_COMMAND_BYTES, platform->dma_max_map_bytes),
        .max_sectors = vst_min_u32(max_sectors, MAX_COMMAND_BYTES >> VST_SECTOR_SHIFT),
        .depth = indirect ? queue_size : (uint16_t)(queue_size / 3),
        .depth_of_unit = (uint16_t)vst_min_u32(cmd_per_lun, UINT16_MAX),
        .max_cdb_bytes = (uint8_t)read->cdb_size,
        .max_sense_bytes = (uint16_t)vst_min_u32(read->sense_size, VST_SCSI_SENSE_BYTES),
        .bidirectional = virtio_has(&scsi->virtio, VIRTIO_SCSI_F_INOUT),
        .protection = virtio_has(&scsi->virtio, VIRTIO_SCSI_F_T10_PI),
        .tells_plugging = virtio_has(&scsi->virtio, VIRTIO_SCSI_F_HOTPLUG),
        .tells_changes = virtio_has(&scsi->virtio, VIRTIO_SCSI_F_CHANGE),
    };
    return VST_OK;
}

static void take_layout(struct scsi_device *scsi, const struct scsi_config_read *read)
{
    bool pi = scsi->base.limits.protection;
    uint32_t event_bytes = read->event_bytes;

    scsi->cdb_at = pi ? SCSI_REQUEST_PI_BYTES : SCSI_REQUEST_BYTES;
    scsi->request_bytes = (uint16_t)(scsi->cdb_at + read->cdb_size);
    scsi->response_bytes = (uint16_t)(SCSI_RESPONSE_BYTES + read->sense_size);
    /* 2.7.5.3: indirect; 2.9: IN_ORDER takes its descriptors in ring order; a map is made each time. */
    bool can_prepare = !pi && virtio_has(&scsi->virtio, VIRTIO_F_INDIRECT_DESC) &&
                       !virtio_has(&scsi->virtio, VIRTIO_F_IN_ORDER);
    bool maps = platform_of(scsi)->dma_map != NULL;
    scsi->by_hand = !can_prepare || maps;
    scsi->prepares_mapped = can_prepare && maps;
    if (event_bytes < MIN_EVENT_BYTES || event_bytes > MOST_EVENT_ROOM) {
        vst_log(platform_of(scsi), VST_LOG_INFO, "%s: events of %lu bytes are taken for %u",
                scsi->virtio.name, (unsigned long)event_bytes, MIN_EVENT_BYTES);
        event_bytes = MIN_EVENT_BYTES;
    }
    scsi->event_buffer_bytes = (uint16_t)event_bytes;
}

static enum vst_status read_config(struct scsi_device *scsi, struct scsi_config_read *read)
{
    enum vst_status status =
        vst_virtio_config_snapshot(&scsi->virtio, vst_virtio_scsi_read_fields, read);

    if (status != VST_OK) {
        vst_log(platform_of(scsi), VST_LOG_ERROR, "%s: the configuration never stops changing",
                scsi->virtio.name);
        return status;
    }
    if (read->num_queues == 0)
        return malformed(scsi, "num_queues", 0);
    return vst_virtio_scsi_choose_sizes(scsi, read);
}

/* ------------------------------------------------------------------ queues */

/** How many request queues: what is wanted, offered, and as large as the first. */
static uint16_t choose_n_queues(struct scsi_device *scsi, const struct scsi_config_read *read,
                                uint16_t queue_size)
{
    bool by_window = scsi->irq.is_pci && !scsi->virtio.legacy &&
                     scsi->pci.notify.kind == VIRTIO_REGISTERS_WINDOW;
    uint32_t n = by_window ? 1 : vst_min_u32(read->num_queues, scsi->config.n_queues);
    uint16_t i = 1, size;

    while (i < n &&
           vst_virtq_choose_size(&scsi->virtio, (uint16_t)(VIRTIO_SCSI_QUEUE_REQUEST + i),
                                 scsi->config.queue_size, &size) == VST_OK &&
           size == queue_size)
        i++;
    return i;
}

static uint16_t align_16(uint32_t n)
{
    return (uint16_t)((n + 15) & ~15u);
}

static size_t mappings_bytes(const struct scsi_queue *q)
{
    return (size_t)q->n_slots * q->scsi->base.limits.max_segments * sizeof(*q->mappings);
}

static enum vst_status allocate_private(struct scsi_queue *q)
{
    const struct vst_platform *platform = platform_of(q->scsi);

    q->maps = platform->dma_map != NULL;
    if (q->maps)
        q->mappings =
            platform->alloc(platform->ctx, mappings_bytes(q), 64, VST_MEMORY_PRIVATE, NULL);
    q->slots = platform->alloc(platform->ctx, q->n_slots * sizeof(*q->slots), 64,
                               VST_MEMORY_PRIVATE, NULL);
    q->base.trace = vst_trace_create(platform, q->scsi->config.n_trace_events);
    return q->slots != NULL && q->base.trace != NULL && (!q->maps || q->mappings != NULL)
               ? VST_OK
               : VST_ERR_NO_MEMORY;
}

static void free_private(struct scsi_queue *q)
{
    const struct vst_platform *platform = platform_of(q->scsi);

    if (q->mappings != NULL)
        platform->free(platform->ctx, q->mappings, mappings_bytes(q), VST_MEMORY_PRIVATE);
    if (q->slots != NULL)
        platform->free(platform->ctx, q->slots, q->n_slots * sizeof(*q->slots), VST_MEMORY_PRIVATE);
    vst_trace_destroy(platform, q->base.trace);
}

static enum vst_status create_queue(struct scsi_device *scsi, uint16_t index, uint16_t queue_size)
{
    struct scsi_queue *q = &scsi->queues[index];
    struct virtq_layout layout = {
        .index = (uint16_t)(VIRTIO_SCSI_QUEUE_REQUEST + index),
        .size = queue_size,
        .vector = vst_virtio_irq_vector(&scsi->irq, index),
        .header_bytes =
            align_16((uint32_t)offsetof(struct scsi_header, sense_bytes) + scsi->response_bytes),
        .table_entries = (uint16_t)(scsi->base.limits.max_segments + 2),
    };

    q->scsi = scsi;
    q->n_slots = queue_size;
    q->base = (struct vst_scsi_hba_queue){.hba = &scsi->base, .index = index};
    q->run = (struct virtio_run){
        .vq = &q->vq, .device = &scsi->recovery, .number = index, .fault = VST_ERR_BROKEN};
    scsi->queue_list[index] = &q->base;
    scsi->n_queues_created++;
    enum vst_status status = allocate_private(q);
    if (status == VST_OK)
        status = vst_virtio_irq_create_ring(&scsi->irq, &q->vq, &layout);
    q->run.vector = layout.vector;
    q->base.message = layout.vector != VIRTIO_NO_VECTOR ? layout.vector : 0;
    return status;
}

static enum vst_status create_side_queue(struct scsi_device *scsi, struct scsi_side_queue *side,
                                         struct virtq_layout layout, uint16_t most)
{
    enum vst_status status = vst_virtq_choose_size(&scsi->virtio, layout.index, most, &layout.size);

    if (status != VST_OK)
        return status;
    layout.vector = scsi->irq.mode == VST_IRQ_MSIX ? scsi->irq.config_vector : VIRTIO_NO_VECTOR;
    status = vst_virtio_irq_create_ring(&scsi->irq, &side->vq, &layout);
    side->vector = layout.vector;
    return status;
}

/** Functions and events interrupt with the message of changes of configuration. */
static enum vst_status create_side_queues(struct scsi_device *scsi)
{
    struct virtq_layout control = {
        .index = VIRTIO_SCSI_QUEUE_CONTROL,
        .header_bytes = sizeof(struct scsi_control),
        .table_entries = 2,
    };
    struct virtq_layout event = {
        .index = VIRTIO_SCSI_QUEUE_EVENT,
        .header_bytes = align_16(scsi->event_buffer_bytes),
        .table_entries = 1,
        .n_frame = 1,
    };
    enum vst_status status =
        create_side_queue(scsi, &scsi->control, control, 2 * SCSI_CONTROL_SLOTS);

    return status == VST_OK ? create_side_queue(scsi, &scsi->event, event, SCSI_EVENT_BUFFERS)
                            : status;
}

static enum vst_status create_queues(struct scsi_device *scsi, const struct scsi_config_read *read,
                                     uint16_t queue_size)
{
    enum vst_status status = VST_OK;

    scsi->base.queues = scsi->queue_list;
    scsi->base.n_queues = choose_n_queues(scsi, read, queue_size);
    scsi->recovery.n_runs = scsi->base.n_queues;
    vst_virtio_irq_open(&scsi->irq, scsi->base.n_queues);
    for (uint16_t i = 0; i < scsi->base.n_queues && status == VST_OK; i++)
        status = create_queue(scsi, i, queue_size);
    if (status == VST_OK)
        status = create_side_queues(scsi);
    scsi->base.change_message = scsi->irq.config_vector;
    return status;
}

/* ------------------------------------------------------------------ attach, detach */

static uint16_t n_queues_wanted(const struct vst_virtio_scsi_config *config)
{
    if (config->n_queues == 0)
        return 1;
    return config->n_queues < MOST_QUEUES ? config->n_queues : MOST_QUEUES;
}

static void fill_defaults(struct scsi_device *scsi, const struct vst_virtio_scsi_config *wanted)
{
    struct vst_virtio_scsi_config *config = &scsi->config;

    *config = *wanted;
    if (config->queue_size == 0)
        config->queue_size = DEFAULT_QUEUE_SIZE;
    if (config->max_segments == 0)
        config->max_segments = DEFAULT_MAX_SEGMENTS;
    if (config->timeout_ns == 0)
        config->timeout_ns = DEFAULT_TIMEOUT_NS;
    if (config->max_sense_bytes == 0)
        config->max_sense_bytes = VIRTIO_SCSI_SENSE_BYTES;
    if (config->max_sense_bytes < MIN_SENSE_BYTES)
        config->max_sense_bytes = MIN_SENSE_BYTES;
    if (config->max_sense_bytes > VST_SCSI_SENSE_BYTES)
        config->max_sense_bytes = VST_SCSI_SENSE_BYTES;
    /* A queue's requests are the SCSI layer's to give again, and a target may go on with them. */
    if (config->recovery == VST_RECOVERY_QUEUE)
        config->recovery = VST_RECOVERY_DEVICE;
    if (config->n_trace_events < MIN_TRACE_EVENTS)
        config->n_trace_events = MIN_TRACE_EVENTS;
    config->n_trace_events = vst_power_of_two_below(config->n_trace_events);
    config->n_queues = n_queues_wanted(wanted);
    scsi->watch_interval_ns =
        config->timeout_ns / 4 < MAX_WATCH_NS ? config->timeout_ns / 4 : MAX_WATCH_NS;
    scsi->base.timeout_ns = config->timeout_ns;
    if (scsi->watch_interval_ns == 0)
        scsi->watch_interval_ns = 1;
    uint64_t epochs = config->timeout_ns / scsi->watch_interval_ns;
    scsi->timeout_epochs = epochs > UINT16_MAX / 2 ? UINT16_MAX / 2 : (uint16_t)epochs;
}

static void acknowledge_line(struct scsi_device *scsi)
{
    /* QEMU interrupts at the first completion of a split queue even if it was asked not to. */
    if (scsi->irq.mode == VST_IRQ_INTX)
        (void)scsi->base.ops->interrupted(&scsi->base);
}

static enum vst_status start(struct scsi_device *scsi)
{
    struct virtio_device *device = &scsi->virtio;
    struct scsi_config_read read;
    uint64_t wanted = IMPLEMENTED_FEATURES;
    uint16_t queue_size;

    /* 3.1.1 steps 1 to 6. */
    if (scsi->config.protection)
        wanted |= VIRTIO_BIT(VIRTIO_SCSI_F_T10_PI);
    enum vst_status status = vst_virtio_negotiate(device, wanted & ~scsi->config.refused_features);
    if (status != VST_OK)
        return status;
    /* Step 7: configuration (5.6.5), then the queues. */
    if (device->config_bytes < VIRTIO_SCSI_CONFIG_BYTES)
        return malformed(scsi, "length of the configuration", device->config_bytes);
    status = read_config(scsi, &read);
    if (status == VST_OK)
        status = vst_virtq_choose_size(device, VIRTIO_SCSI_QUEUE_REQUEST, scsi->config.queue_size,
                                       &queue_size);
    if (status == VST_OK)
        status = take_limits(scsi, &read, queue_size);
    if (status != VST_OK)
        return status;
    take_layout(scsi, &read);
    status = create_queues(scsi, &read, queue_size);
    if (status != VST_OK)
        return status;
    /* Step 8. */
    vst_virtio_driver_ok(device);
    vst_virtio_scsi_offer_event_buffers(scsi);
    acknowledge_line(scsi);
    vst_virtio_irq_start(&scsi->irq);
    scsi->recovery.way = scsi->config.recovery;
    for (uint16_t i = 0; i < scsi->base.n_queues; i++)
        vst_virtio_run_rest(&scsi->queues[i].run);
    return VST_OK;
}

void vst_virtio_scsi_stop(struct scsi_device *scsi)
{
    if (vst_virtio_irq_is_gone(&scsi->irq))
        vst_virtio_cut_off(&scsi->virtio); /* a device that only hides does not write after that */
    else if (vst_virtio_stop(&scsi->virtio))
        return;
    scsi->base.keeps_memory = true;
}

/** Gives back all that attach has allocated, but for memory that the device may still reach. */
static void release(struct scsi_device *scsi)
{
    const struct vst_platform *platform = platform_of(scsi);

    if (!scsi->base.gone && !vst_virtio_irq_is_gone(&scsi->irq)) /* another may be in its place */
        vst_virtio_irq_close(&scsi->irq);
    if (scsi->base.keeps_memory)
        vst_log(platform, VST_LOG_WARNING, "%s: its memory is never used again", scsi->virtio.name);
    for (uint16_t i = 0; i < scsi->n_queues_created; i++) {
        free_private(&scsi->queues[i]);
        if (!scsi->base.keeps_memory)
            vst_virtq_destroy(&scsi->queues[i].vq, platform);
    }
    if (!scsi->base.keeps_memory) {
        vst_virtq_destroy(&scsi->control.vq, platform);
        vst_virtq_destroy(&scsi->event.vq, platform);
    }
    platform->free(platform->ctx, scsi, scsi->bytes, VST_MEMORY_PRIVATE);
}

static void describe(struct scsi_device *scsi)
{
    scsi->base.driver_name = "virtio-scsi";
    scsi->base.transport_name = scsi->virtio.transport->name;
    scsi->base.ring_name = scsi->queues[0].vq.packed ? "packed" : "split";
    scsi->base.irq_mode = vst_virtio_irq_mode_name(scsi->irq.mode);
    vst_virtio_feature_names(scsi->virtio.features, VIRTIO_TYPE_SCSI, scsi->feature_names,
                             SCSI_MAX_FEATURE_NAMES);
    scsi->base.features = scsi->feature_names;
}

static void note_memory(struct scsi_device *scsi)
{
    const struct scsi_queue *q = &scsi->queues[0];
    size_t bytes = q->vq.rings_bytes + q->vq.shared_bytes + q->vq.private_bytes +
                   q->n_slots * sizeof(*q->slots) + vst_trace_bytes(q->base.trace->n_slots) +
                   (q->maps ? mappings_bytes(q) : 0);

    scsi->base.queue_memory_bytes = bytes;
    scsi->base.memory_bytes = scsi->bytes + scsi->base.n_queues * bytes;
    for (unsigned i = 0; i < 2; i++) {
        const struct virtq *vq = i == 0 ? &scsi->control.vq : &scsi->event.vq;
        scsi->base.memory_bytes += vq->rings_bytes + vq->shared_bytes + vq->private_bytes;
    }
}

static struct scsi_device *create(const struct vst_platform *platform,
                                  const struct vst_virtio_scsi_config *config)
{
    size_t n = n_queues_wanted(config);
    size_t bytes = sizeof(struct scsi_device) +
                   n * (sizeof(struct scsi_queue) + sizeof(struct vst_scsi_hba_queue *));
    struct scsi_device *scsi = platform->alloc(platform->ctx, bytes, 64, VST_MEMORY_PRIVATE, NULL);

    if (scsi == NULL)
        return NULL;
    scsi->base.platform = platform;
    scsi->base.ops =
        platform->dma_map != NULL ? &vst_virtio_scsi_mapping_ops : &vst_virtio_scsi_ops;
    scsi->bytes = bytes;
    scsi->recovery = (struct virtio_recovery){
        .ops = &vst_virtio_scsi_recovery_ops, .device = &scsi->virtio, .way = VST_RECOVERY_NONE};
    scsi->queue_list = (struct vst_scsi_hba_queue **)(void *)&scsi->queues[n];
    fill_defaults(scsi, config);
    return scsi;
}

/** Starts the device whose transport was opened with `status`; on an error nothing is left. */
static enum vst_status bring_up(struct scsi_device *scsi, enum vst_status status,
                                struct vst_scsi_hba **hba)
{
    if (status == VST_OK) {
        status = start(scsi);
        if (status == VST_OK) {
            describe(scsi);
            note_memory(scsi);
            *hba = &scsi->base;
            return VST_OK;
        }
        vst_virtio_fail(&scsi->virtio);
        vst_virtio_scsi_stop(scsi);
    }
    release(scsi);
    return status;
}

enum vst_status vst_virtio_scsi_attach(const struct vst_platform *platform,
                                       const struct vst_pci_function *function,
                                       const struct vst_virtio_scsi_config *config,
                                       struct vst_scsi_hba **hba)
{
    struct scsi_device *scsi = create(platform, config);

    if (scsi == NULL)
        return VST_ERR_NO_MEMORY;
    vst_virtio_irq_init(&scsi->irq, &scsi->virtio, function, &config->irq);
    enum vst_status status =
        vst_virtio_pci_open_any(&scsi->any, platform, function, &scsi->config.pci);
    vst_format(scsi->base.path, sizeof(scsi->base.path), "pci-%s", scsi->virtio.name);
    return bring_up(scsi, status, hba);
}

enum vst_status vst_virtio_mmio_scsi_attach(const struct vst_platform *platform, uint64_t physical,
                                            uint64_t bytes,
                                            const struct vst_virtio_scsi_config *config,
                                            struct vst_scsi_hba **hba)
{
    struct scsi_device *scsi = create(platform, config);

    if (scsi == NULL)
        return VST_ERR_NO_MEMORY;
    vst_virtio_irq_init(&scsi->irq, &scsi->virtio, NULL, &config->irq);
    enum vst_status status =
        vst_virtio_mmio_open(&scsi->any.mmio, platform, physical, bytes, VIRTIO_TYPE_SCSI);
    vst_format(scsi->base.path, sizeof(scsi->base.path), "%s", scsi->virtio.name);
    return bring_up(scsi, status, hba);
}

void vst_virtio_scsi_detach(struct vst_scsi_hba *hba)
{
    struct scsi_device *scsi = scsi_device_of(hba);

    if (!hba->gone)
        vst_virtio_scsi_stop(scsi);
    release(scsi);
}
