/* SPDX-License-Identifier: BSD-2-Clause */
#include "drivers/virtio_pci.h"

#include <arch/port_io.h>

/* ------------------------------------------------------------------ the transport's operations */

static struct virtio_pci_device *pci_of(struct virtio_device *device)
{
    return VST_CONTAINER_OF(device, struct virtio_pci_device, base);
}

/* A field of the common configuration has the width of its type. */
#define FIELD_BYTES(field) ((uint8_t)sizeof(((const struct virtio_pci_common_cfg *)NULL)->field))
#define READ_COMMON(pci, field)                                                                    \
    vst_virtio_register_read(&(pci)->common, offsetof(struct virtio_pci_common_cfg, field),        \
                             FIELD_BYTES(field))
#define WRITE_COMMON(pci, field, value)                                                            \
    vst_virtio_register_write(&(pci)->common, offsetof(struct virtio_pci_common_cfg, field),       \
                              FIELD_BYTES(field), value)

static uint8_t pci_status(struct virtio_device *device)
{
    return (uint8_t)READ_COMMON(pci_of(device), device_status);
}

static void pci_set_status(struct virtio_device *device, uint8_t status)
{
    WRITE_COMMON(pci_of(device), device_status, status);
}

static uint64_t pci_features(struct virtio_device *device)
{
    struct virtio_pci_device *pci = pci_of(device);

    WRITE_COMMON(pci, device_feature_select, 0);
    uint64_t low = READ_COMMON(pci, device_feature);
    WRITE_COMMON(pci, device_feature_select, 1);
    uint64_t features = low | (uint64_t)READ_COMMON(pci, device_feature) << 32;
    if (pci->common.bytes < sizeof(struct virtio_pci_common_cfg)) /* no register for it */
        features &= ~VIRTIO_BIT(VIRTIO_F_RING_RESET);
    return features;
}

static void pci_set_features(struct virtio_device *device, uint64_t features)
{
    struct virtio_pci_device *pci = pci_of(device);

    WRITE_COMMON(pci, driver_feature_select, 0);
    WRITE_COMMON(pci, driver_feature, (uint32_t)features);
    WRITE_COMMON(pci, driver_feature_select, 1);
    WRITE_COMMON(pci, driver_feature, (uint32_t)(features >> 32));
}

static uint16_t pci_queue_size(struct virtio_device *device, uint16_t queue)
{
    struct virtio_pci_device *pci = pci_of(device);

    WRITE_COMMON(pci, queue_select, queue);
    return (uint16_t)READ_COMMON(pci, queue_size);
}

static uint8_t doorbell_bytes(const struct virtio_device *device)
{
    return virtio_has(device, VIRTIO_F_NOTIFICATION_DATA) ? 4 : 2;
}

/** The doorbell at `at` of the notification structure, by the way that structure is reached. */
static struct virtio_doorbell doorbell_at(struct virtio_pci_device *pci, uint32_t at)
{
    bool wide = doorbell_bytes(&pci->base) == 4;

    switch (pci->notify.kind) {
    case VIRTIO_REGISTERS_MMIO:
        return (struct virtio_doorbell){
            .kind = wide ? VIRTIO_DOORBELL_MMIO32 : VIRTIO_DOORBELL_MMIO16,
            .mmio = pci->notify.mapped + at,
        };
    case VIRTIO_REGISTERS_PORT:
        return (struct virtio_doorbell){
            .kind = wide ? VIRTIO_DOORBELL_PORT32 : VIRTIO_DOORBELL_PORT16,
            .port = (uint16_t)(pci->notify.first_port + at),
        };
    default:
        return (struct virtio_doorbell){
            .kind = VIRTIO_DOORBELL_CALL,
            .offset_bytes = at,
            .device = &pci->base,
        };
    }
}

/**
 * The doorbell of the selected queue (4.1.4.4), its place checked against the structure before it
 * is believed.
 */
static enum vst_status find_doorbell(struct virtio_pci_device *pci, uint16_t queue,
                                     struct virtio_doorbell *doorbell)
{
    uint64_t at = (uint64_t)READ_COMMON(pci, queue_notify_off) * pci->notify_multiplier;
    uint8_t width_bytes = doorbell_bytes(&pci->base);

    if (at + width_bytes > pci->notify.bytes ||
        (pci->notify_offset_bytes + at) % width_bytes != 0) {
        vst_log(pci->base.platform, VST_LOG_ERROR,
                "%s: doorbell of queue %u lies outside its structure, or misaligned",
                pci->base.name, queue);
        return VST_ERR_MALFORMED;
    }
    *doorbell = doorbell_at(pci, (uint32_t)at);
    return VST_OK;
}

static enum vst_status pci_queue_enable(struct virtio_device *device,
                                        const struct virtio_queue_setup *setup,
                                        struct virtio_doorbell *doorbell)
{
    struct virtio_pci_device *pci = pci_of(device);

    /* 4.1.5.1.3 step 1: choose the queue. Step 2 (its size) is read. Step 3: a smaller one. */
    WRITE_COMMON(pci, queue_select, setup->index);
    WRITE_COMMON(pci, queue_size, setup->size);
    if (READ_COMMON(pci, queue_size) != setup->size) {
        vst_log(device->platform, VST_LOG_ERROR, "%s: queue %u refuses size %u", device->name,
                setup->index, setup->size);
        return VST_ERR_UNSUPPORTED;
    }
    enum vst_status status = find_doorbell(pci, setup->index, doorbell);
    if (status != VST_OK)
        return status;
    /* Step 5, before step 4 so that nothing is shared if it fails: the vector, read back. */
    WRITE_COMMON(pci, queue_msix_vector, setup->vector);
    if (READ_COMMON(pci, queue_msix_vector) != setup->vector)
        return VST_ERR_NO_MEMORY;
    /* Step 4: where the three areas lie; 64-bit fields as two of 32 bits (4.1.4.3). Then enable. */
    WRITE_COMMON(pci, queue_desc_low, (uint32_t)setup->desc_bus_addr);
    WRITE_COMMON(pci, queue_desc_high, (uint32_t)(setup->desc_bus_addr >> 32));
    WRITE_COMMON(pci, queue_driver_low, (uint32_t)setup->driver_bus_addr);
    WRITE_COMMON(pci, queue_driver_high, (uint32_t)(setup->driver_bus_addr >> 32));
    WRITE_COMMON(pci, queue_device_low, (uint32_t)setup->device_bus_addr);
    WRITE_COMMON(pci, queue_device_high, (uint32_t)(setup->device_bus_addr >> 32));
    WRITE_COMMON(pci, queue_enable, 1);
    return VST_OK;
}

/* 4.1.4.3: queue_reset stands behind what every device has; RING_RESET says that it is there. */
static void pci_queue_reset(struct virtio_device *device, uint16_t queue)
{
    struct virtio_pci_device *pci = pci_of(device);

    WRITE_COMMON(pci, queue_select, queue);
    WRITE_COMMON(pci, queue_reset, 1);
}

static bool pci_queue_resetting(struct virtio_device *device, uint16_t queue)
{
    struct virtio_pci_device *pci = pci_of(device);

    WRITE_COMMON(pci, queue_select, queue);
    /* 4.1.4.3.1: once it is done both read 0. One that knows nothing of it keeps its queue enabled. */
    return READ_COMMON(pci, queue_reset) != 0 || READ_COMMON(pci, queue_enable) != 0;
}

static bool pci_set_config_vector(struct virtio_device *device, uint16_t vector)
{
    struct virtio_pci_device *pci = pci_of(device);

    WRITE_COMMON(pci, config_msix_vector, vector);
    return READ_COMMON(pci, config_msix_vector) == vector;
}

static uint8_t pci_interrupt_status(struct virtio_device *device)
{
    const struct virtio_registers *isr = &pci_of(device)->isr;

    return isr->kind == VIRTIO_REGISTERS_ABSENT ? 0 : (uint8_t)vst_virtio_register_read(isr, 0, 1);
}

static uint32_t pci_config_generation(struct virtio_device *device)
{
    return READ_COMMON(pci_of(device), config_generation);
}

static uint32_t pci_config_read(struct virtio_device *device, uint32_t offset, uint8_t width_bytes)
{
    return vst_virtio_register_read(&pci_of(device)->config, offset, width_bytes);
}

static void pci_config_write(struct virtio_device *device, uint32_t offset, uint8_t width_bytes,
                             uint32_t value)
{
    vst_virtio_register_write(&pci_of(device)->config, offset, width_bytes, value);
}

static void pci_ring(const struct virtio_doorbell *doorbell, uint32_t value)
{
    vst_virtio_register_write(&pci_of(doorbell->device)->notify, doorbell->offset_bytes,
                              doorbell_bytes(doorbell->device), value);
}

static void pci_allow_dma(struct virtio_device *device)
{
    vst_pci_bus_master_enable(device->platform, &pci_of(device)->function);
}

static void pci_cut_off(struct virtio_device *device)
{
    vst_pci_disable(device->platform, &pci_of(device)->function);
}

#define PCI_OPERATIONS                                                                             \
    .status = pci_status, .set_status = pci_set_status, .features = pci_features,                  \
    .set_features = pci_set_features, .queue_size = pci_queue_size,                                \
    .queue_enable = pci_queue_enable, .queue_reset = pci_queue_reset,                              \
    .queue_resetting = pci_queue_resetting, .set_config_vector = pci_set_config_vector,            \
    .interrupt_status = pci_interrupt_status, .config_generation = pci_config_generation,          \
    .config_read = pci_config_read, .config_write = pci_config_write, .ring = pci_ring,            \
    .allow_dma = pci_allow_dma, .cut_off = pci_cut_off

/* Registers know how they are reached; to the user it is worth a name. */
static const struct virtio_transport pci_transport = {.name = "virtio-pci", PCI_OPERATIONS};
static const struct virtio_transport window_transport = {.name = "virtio-pci-cfg", PCI_OPERATIONS};

/* ------------------------------------------------------------------ opening */

/** A way to a structure. Behind the window, too, memory comes before ports. */
enum way { BY_MEMORY, BY_PORT, BY_WINDOW_TO_MEMORY, BY_WINDOW_TO_PORT, N_WAYS };

struct structure_list {
    struct vst_virtio_pci_structure entries[VST_VIRTIO_PCI_MAX_STRUCTURES];
    size_t n;
};

/**
 * 4.1.4: only what is needed of a structure is used and mapped, whatever length the device claims.
 * The doorbells of a thousand queues with a page each are the most that anybody rings.
 */
static uint32_t needed_bytes(const struct vst_virtio_pci_structure *s)
{
    static const uint32_t most[] = {
        [VIRTIO_PCI_CAP_COMMON_CFG] = sizeof(struct virtio_pci_common_cfg),
        [VIRTIO_PCI_CAP_NOTIFY_CFG] = 1024 * 4096,
        [VIRTIO_PCI_CAP_ISR_CFG] = 1,
        [VIRTIO_PCI_CAP_DEVICE_CFG] = 4096,
    };
    uint32_t limit = s->type < VST_ARRAY_LENGTH(most) ? most[s->type] : 0;

    return s->length_bytes < limit ? s->length_bytes : limit;
}

static bool map_structure(struct virtio_pci_device *pci, const struct vst_virtio_pci_structure *s,
                          struct virtio_registers *registers)
{
    const struct vst_platform *platform = pci->base.platform;
    uint64_t physical = pci->function.bars[s->bar].address + s->offset_bytes;

    registers->kind = VIRTIO_REGISTERS_MMIO;
    registers->mapped = platform->mmio_map(platform->ctx, physical, registers->bytes);
    if (registers->mapped == NULL)
        vst_log(platform, VST_LOG_WARNING, "%s: cannot reach the %s structure at %lx",
                pci->base.name, vst_virtio_pci_structure_name(s->type), (unsigned long)physical);
    return registers->mapped != NULL;
}

static bool name_ports(const struct virtio_pci_device *pci,
                       const struct vst_virtio_pci_structure *s, struct virtio_registers *registers)
{
    uint64_t first = pci->function.bars[s->bar].address + s->offset_bytes;

    registers->kind = VIRTIO_REGISTERS_PORT;
    registers->first_port = (uint16_t)first;
    return ARCH_HAS_PORT_IO && first <= 0x10000u && s->length_bytes <= 0x10000u - first;
}

static bool point_behind(const struct virtio_pci_device *pci,
                         const struct vst_virtio_pci_structure *s,
                         struct virtio_registers *registers)
{
    registers->kind = VIRTIO_REGISTERS_WINDOW;
    registers->behind.window = &pci->window;
    registers->behind.bar = s->bar;
    registers->behind.offset_bytes = s->offset_bytes;
    return pci->window.capability_offset != 0;
}

static bool reach_by(struct virtio_pci_device *pci, enum way way,
                     const struct vst_virtio_pci_structure *s, struct virtio_registers *registers)
{
    bool ports = s->sound && pci->function.bars[s->bar].kind == VST_PCI_BAR_IO;

    *registers = (struct virtio_registers){.bytes = needed_bytes(s)};
    switch (way) {
    case BY_MEMORY:
        return s->usable && !ports && map_structure(pci, s, registers);
    case BY_PORT:
        return s->usable && ports && name_ports(pci, s, registers);
    case BY_WINDOW_TO_MEMORY:
        return s->sound && !ports && point_behind(pci, s, registers);
    default:
        return s->sound && ports && point_behind(pci, s, registers);
    }
}

/**
 * 4.1.4.1: the first structure of a type that we can use is used, among those that are reached the
 * same way. NULL if there is none; *registers is then absent.
 */
static const struct vst_virtio_pci_structure *reach(struct virtio_pci_device *pci,
                                                    const struct structure_list *list, uint8_t type,
                                                    const enum way *ways, size_t n_ways,
                                                    struct virtio_registers *registers)
{
    for (size_t way = 0; way < n_ways; way++)
        for (size_t i = 0; i < list->n; i++)
            if (list->entries[i].type == type &&
                reach_by(pci, ways[way], &list->entries[i], registers))
                return &list->entries[i];
    *registers = (struct virtio_registers){.kind = VIRTIO_REGISTERS_ABSENT};
    return NULL;
}

/** Finds the window, and tries whether it works: on the place of a structure that is sound. */
static void find_window(struct virtio_pci_device *pci, const struct structure_list *list)
{
    const struct vst_virtio_pci_structure *target = NULL;
    struct virtio_pci_window window = {pci->base.platform, pci->function.address, 0};

    for (size_t i = 0; i < list->n; i++) {
        const struct vst_virtio_pci_structure *s = &list->entries[i];
        if (s->type == VIRTIO_PCI_CAP_PCI_CFG && window.capability_offset == 0)
            window.capability_offset = s->capability_offset;
        if (s->type == VIRTIO_PCI_CAP_COMMON_CFG && s->sound && target == NULL)
            target = s;
    }
    if (window.capability_offset == 0 || target == NULL ||
        !vst_virtio_pci_window_answers(&window, target->bar, target->offset_bytes))
        window.capability_offset = 0;
    pci->window = window;
}

static enum vst_status reach_all(struct virtio_pci_device *pci, const struct structure_list *list,
                                 const struct vst_virtio_pci_choice *choice)
{
    static const enum way ways[] = {BY_MEMORY, BY_PORT, BY_WINDOW_TO_MEMORY, BY_WINDOW_TO_PORT};
    static const enum way notify_ways[] = {BY_PORT, BY_MEMORY, BY_WINDOW_TO_MEMORY,
                                           BY_WINDOW_TO_PORT};
    size_t skip = choice->way == VST_VIRTIO_PCI_WINDOW ? BY_WINDOW_TO_MEMORY : 0;
    const enum way *doorbells = choice->notify_by_port ? notify_ways : ways;

    bool has_common = reach(pci, list, VIRTIO_PCI_CAP_COMMON_CFG, ways + skip, N_WAYS - skip,
                            &pci->common) != NULL;
    const struct vst_virtio_pci_structure *notify =
        reach(pci, list, VIRTIO_PCI_CAP_NOTIFY_CFG, doorbells + skip, N_WAYS - skip, &pci->notify);
    if (!has_common || notify == NULL) {
        vst_log(pci->base.platform, VST_LOG_ERROR, "%s: no usable %s structure", pci->base.name,
                vst_virtio_pci_structure_name(has_common ? VIRTIO_PCI_CAP_NOTIFY_CFG
                                                         : VIRTIO_PCI_CAP_COMMON_CFG));
        return VST_ERR_NOT_FOUND;
    }
    pci->notify_multiplier = notify->notify_multiplier;
    pci->notify_offset_bytes = notify->offset_bytes;
    (void)reach(pci, list, VIRTIO_PCI_CAP_ISR_CFG, ways + skip, N_WAYS - skip, &pci->isr);
    (void)reach(pci, list, VIRTIO_PCI_CAP_DEVICE_CFG, ways + skip, N_WAYS - skip, &pci->config);
    pci->base.config_bytes = pci->config.bytes;
    return VST_OK;
}

enum vst_status vst_virtio_pci_open(struct virtio_pci_device *device,
                                    const struct vst_platform *platform,
                                    const struct vst_pci_function *function,
                                    const struct vst_virtio_pci_choice *choice)
{
    struct structure_list list;

    *device = (struct virtio_pci_device){.base = {.platform = platform}, .function = *function};
    device->base.name = vst_pci_address_text(function->address, device->address_text);
    list.n =
        vst_virtio_pci_structures(platform, function, list.entries, VST_ARRAY_LENGTH(list.entries));
    if (list.n == 0)
        return VST_ERR_UNSUPPORTED;
    find_window(device, &list);
    enum vst_status status = reach_all(device, &list, choice);
    device->base.transport =
        device->common.kind == VIRTIO_REGISTERS_WINDOW ? &window_transport : &pci_transport;
    return status;
}
