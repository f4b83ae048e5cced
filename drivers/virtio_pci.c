/* SPDX-License-Identifier: BSD-2-Clause */
#include "drivers/virtio_pci.h"

/* ------------------------------------------------------------------ structures: parse, then act */

/* 4.1.4: struct virtio_pci_cap, 16 bytes from the capability's start; notify and 64-bit ones are
 * longer. */
enum { CAP_BYTES = 16, CAP_NOTIFY_BYTES = 20 };

struct structure_rule {
    const char *name;
    uint32_t min_bytes;
    uint32_t align_bytes;
};

static const struct structure_rule *rule_of(uint8_t type)
{
    static const struct structure_rule rules[] = {
        [VIRTIO_PCI_CAP_COMMON_CFG] = {"common configuration", VIRTIO_PCI_COMMON_MIN_BYTES, 4},
        [VIRTIO_PCI_CAP_NOTIFY_CFG] = {"notification", 2, 2},
        [VIRTIO_PCI_CAP_ISR_CFG] = {"interrupt status", 1, 1},
        [VIRTIO_PCI_CAP_DEVICE_CFG] = {"device configuration", 1, 4},
        [VIRTIO_PCI_CAP_PCI_CFG] = {"configuration access window", 0, 1},
        [VIRTIO_PCI_CAP_SHARED_MEMORY_CFG] = {"shared memory", 0, 1},
    };
    return type < VST_ARRAY_LENGTH(rules) && rules[type].name != NULL ? &rules[type] : NULL;
}

const char *vst_virtio_pci_structure_name(uint8_t type)
{
    const struct structure_rule *rule = rule_of(type);
    return rule != NULL ? rule->name : "unknown";
}

/** Why the structure cannot be used, or NULL. */
static const char *structure_problem(const struct vst_virtio_pci_structure *s,
                                     const struct vst_pci_function *function)
{
    const struct structure_rule *rule = rule_of(s->type);

    if (rule == NULL)
        return "unknown type";
    if (s->type == VIRTIO_PCI_CAP_PCI_CFG)
        return NULL; /* 4.1.4.9: bar, offset and length are registers of the window, not a place */
    if (s->bar >= VST_PCI_N_BARS)
        return "BAR number above 5";
    const struct vst_pci_bar *bar = &function->bars[s->bar];
    if (bar->kind == VST_PCI_BAR_NONE)
        return "no such BAR";
    if (!bar->assigned)
        return "BAR has no address";
    if (s->length_bytes < rule->min_bytes)
        return "too short";
    if ((uint64_t)s->offset_bytes + s->length_bytes > bar->bytes)
        return "reaches beyond its BAR";
    if (s->offset_bytes % rule->align_bytes != 0)
        return "misaligned";
    if (s->type == VIRTIO_PCI_CAP_NOTIFY_CFG && s->notify_multiplier != 0 &&
        (!vst_is_power_of_two(s->notify_multiplier) || s->notify_multiplier == 1))
        return "notify multiplier is no even power of two";
    return NULL;
}

/** One vendor capability; false if it is too short to name a structure. */
static bool structure_parse(const struct vst_platform *platform,
                            const struct vst_pci_function *function, uint8_t at,
                            struct vst_virtio_pci_structure *s)
{
    uint32_t words[CAP_NOTIFY_BYTES / 4] = {0};
    uint32_t room = 256u - at;

    for (uint32_t i = 0; i < CAP_NOTIFY_BYTES && i < room; i += 4)
        words[i / 4] =
            platform->pci_config_read(platform->ctx, function->address, (uint16_t)(at + i), 4);
    uint8_t length = (uint8_t)(words[0] >> 16);
    if (length < CAP_BYTES || length > room)
        return false;
    *s = (struct vst_virtio_pci_structure){
        .type = (uint8_t)(words[0] >> 24),
        .bar = (uint8_t)words[1],
        .capability_offset = at,
        .offset_bytes = words[2],
        .length_bytes = words[3],
    };
    if (s->type == VIRTIO_PCI_CAP_NOTIFY_CFG) {
        if (length < CAP_NOTIFY_BYTES)
            return false;
        s->notify_multiplier = words[4];
    }
    s->problem = structure_problem(s, function);
    s->usable = s->problem == NULL;
    return true;
}

size_t vst_virtio_pci_structures(const struct vst_platform *platform,
                                 const struct vst_pci_function *function,
                                 struct vst_virtio_pci_structure *structures, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < function->n_capabilities && n < max; i++)
        if (function->capabilities[i].id == PCI_CAPABILITY_VENDOR &&
            structure_parse(platform, function, function->capabilities[i].offset, &structures[n]))
            n++;
    return n;
}

/* ------------------------------------------------------------------ the transport's operations */

static struct virtio_pci_device *pci_of(struct virtio_device *device)
{
    return VST_CONTAINER_OF(device, struct virtio_pci_device, base);
}

static uint8_t pci_status(struct virtio_device *device)
{
    return mmio_u8_read(&pci_of(device)->common->device_status);
}

static void pci_set_status(struct virtio_device *device, uint8_t status)
{
    mmio_u8_write(&pci_of(device)->common->device_status, status);
}

static uint64_t pci_features(struct virtio_device *device)
{
    struct virtio_pci_common_cfg *common = pci_of(device)->common;

    mmio_le32_write(&common->device_feature_select, 0);
    uint64_t low = mmio_le32_read(&common->device_feature);
    mmio_le32_write(&common->device_feature_select, 1);
    return low | (uint64_t)mmio_le32_read(&common->device_feature) << 32;
}

static void pci_set_features(struct virtio_device *device, uint64_t features)
{
    struct virtio_pci_common_cfg *common = pci_of(device)->common;

    mmio_le32_write(&common->driver_feature_select, 0);
    mmio_le32_write(&common->driver_feature, (uint32_t)features);
    mmio_le32_write(&common->driver_feature_select, 1);
    mmio_le32_write(&common->driver_feature, (uint32_t)(features >> 32));
}

static uint16_t pci_queue_size(struct virtio_device *device, uint16_t queue)
{
    struct virtio_pci_common_cfg *common = pci_of(device)->common;

    mmio_le16_write(&common->queue_select, queue);
    return mmio_le16_read(&common->queue_size);
}

/* 4.1.4.3: 64-bit fields are written as two of 32 bits. */
static void write_address(mmio_le32 *low, mmio_le32 *high, uint64_t bus_addr)
{
    mmio_le32_write(low, (uint32_t)bus_addr);
    mmio_le32_write(high, (uint32_t)(bus_addr >> 32));
}

/**
 * The doorbell of the selected queue (4.1.4.4), its place checked against the structure before it
 * is believed.
 */
static enum vst_status find_doorbell(struct virtio_pci_device *pci, uint16_t queue,
                                     struct virtio_doorbell *doorbell)
{
    bool wide = virtio_has(&pci->base, VIRTIO_F_NOTIFICATION_DATA);
    uint64_t at = (uint64_t)mmio_le16_read(&pci->common->queue_notify_off) * pci->notify_multiplier;

    if (at + (wide ? 4 : 2) > pci->notify_bytes) {
        vst_log(pci->base.platform, VST_LOG_ERROR,
                "%s: doorbell of queue %u lies outside its structure", pci->name, queue);
        return VST_ERR_MALFORMED;
    }
    *doorbell = (struct virtio_doorbell){
        .kind = wide ? VIRTIO_DOORBELL_MMIO32 : VIRTIO_DOORBELL_MMIO16,
        .mmio = pci->notify + at,
    };
    return VST_OK;
}

static enum vst_status pci_queue_enable(struct virtio_device *device,
                                        const struct virtio_queue_setup *setup,
                                        struct virtio_doorbell *doorbell)
{
    struct virtio_pci_device *pci = pci_of(device);
    struct virtio_pci_common_cfg *common = pci->common;

    /* 4.1.5.1.3 step 1: choose the queue. Step 2 (its size) is read. Step 3: a smaller one. */
    mmio_le16_write(&common->queue_select, setup->index);
    mmio_le16_write(&common->queue_size, setup->size);
    if (mmio_le16_read(&common->queue_size) != setup->size) {
        vst_log(device->platform, VST_LOG_ERROR, "%s: queue %u refuses size %u", device->name,
                setup->index, setup->size);
        return VST_ERR_UNSUPPORTED;
    }
    enum vst_status status = find_doorbell(pci, setup->index, doorbell);
    if (status != VST_OK)
        return status;
    /* Step 5, before step 4 so that nothing is shared if it fails: the vector, read back. */
    mmio_le16_write(&common->queue_msix_vector, setup->vector);
    if (mmio_le16_read(&common->queue_msix_vector) != setup->vector)
        return VST_ERR_NO_MEMORY;
    /* Step 4: where the three areas lie. Then enable. */
    write_address(&common->queue_desc_low, &common->queue_desc_high, setup->desc_bus_addr);
    write_address(&common->queue_driver_low, &common->queue_driver_high, setup->driver_bus_addr);
    write_address(&common->queue_device_low, &common->queue_device_high, setup->device_bus_addr);
    mmio_le16_write(&common->queue_enable, 1);
    return VST_OK;
}

/* 4.1.4.3: queue_reset stands behind what every device has; RING_RESET says that it is there. */
static void pci_queue_reset(struct virtio_device *device, uint16_t queue)
{
    struct virtio_pci_common_cfg *common = pci_of(device)->common;

    mmio_le16_write(&common->queue_select, queue);
    mmio_le16_write(&common->queue_reset, 1);
}

static bool pci_queue_resetting(struct virtio_device *device, uint16_t queue)
{
    struct virtio_pci_common_cfg *common = pci_of(device)->common;

    mmio_le16_write(&common->queue_select, queue);
    return mmio_le16_read(&common->queue_reset) == 1;
}

static bool pci_set_config_vector(struct virtio_device *device, uint16_t vector)
{
    struct virtio_pci_common_cfg *common = pci_of(device)->common;

    mmio_le16_write(&common->config_msix_vector, vector);
    return mmio_le16_read(&common->config_msix_vector) == vector;
}

static uint8_t pci_interrupt_status(struct virtio_device *device)
{
    mmio_u8 *isr = pci_of(device)->isr;

    return isr != NULL ? mmio_u8_read(isr) : 0;
}

static uint8_t pci_config_generation(struct virtio_device *device)
{
    return mmio_u8_read(&pci_of(device)->common->config_generation);
}

static uint32_t pci_config_read(struct virtio_device *device, uint32_t offset, uint8_t width_bytes)
{
    uint8_t *at = pci_of(device)->config + offset;

    switch (width_bytes) {
    case 1:
        return mmio_u8_read((mmio_u8 *)at);
    case 2:
        return mmio_le16_read((mmio_le16 *)(void *)at);
    default:
        return mmio_le32_read((mmio_le32 *)(void *)at);
    }
}

static void pci_config_write(struct virtio_device *device, uint32_t offset, uint8_t width_bytes,
                             uint32_t value)
{
    uint8_t *at = pci_of(device)->config + offset;

    switch (width_bytes) {
    case 1:
        mmio_u8_write((mmio_u8 *)at, (uint8_t)value);
        break;
    case 2:
        mmio_le16_write((mmio_le16 *)(void *)at, (uint16_t)value);
        break;
    default:
        mmio_le32_write((mmio_le32 *)(void *)at, value);
    }
}

static void pci_cut_off(struct virtio_device *device)
{
    vst_pci_disable(device->platform, &pci_of(device)->function);
}

static const struct virtio_transport pci_transport = {
    .name = "virtio-pci",
    .status = pci_status,
    .set_status = pci_set_status,
    .features = pci_features,
    .set_features = pci_set_features,
    .queue_size = pci_queue_size,
    .queue_enable = pci_queue_enable,
    .queue_reset = pci_queue_reset,
    .queue_resetting = pci_queue_resetting,
    .set_config_vector = pci_set_config_vector,
    .interrupt_status = pci_interrupt_status,
    .config_generation = pci_config_generation,
    .config_read = pci_config_read,
    .config_write = pci_config_write,
    .cut_off = pci_cut_off,
};

/* ------------------------------------------------------------------ opening */

/**
 * 4.1.4.1: the first structure of a type that we can use is used. I/O BARs can't hold the
 * structures as we access them (modern-pio-notify offers its doorbell in memory as well).
 */
static const struct vst_virtio_pci_structure *
first_usable(const struct vst_virtio_pci_structure *structures, size_t n, uint8_t type,
             const struct vst_pci_function *function)
{
    for (size_t i = 0; i < n; i++)
        if (structures[i].type == type && structures[i].usable &&
            function->bars[structures[i].bar].kind != VST_PCI_BAR_IO)
            return &structures[i];
    return NULL;
}

static void *map_structure(struct virtio_pci_device *device,
                           const struct vst_virtio_pci_structure *s)
{
    const struct vst_platform *platform = device->base.platform;
    uint64_t physical = device->function.bars[s->bar].address + s->offset_bytes;
    void *mapped = platform->mmio_map(platform->ctx, physical, s->length_bytes);

    if (mapped == NULL)
        vst_log(platform, VST_LOG_ERROR, "%s: cannot reach the %s structure at %lx", device->name,
                vst_virtio_pci_structure_name(s->type), (unsigned long)physical);
    return mapped;
}

enum vst_status vst_virtio_pci_open(struct virtio_pci_device *device,
                                    const struct vst_platform *platform,
                                    const struct vst_pci_function *function)
{
    struct vst_virtio_pci_structure list[VST_VIRTIO_PCI_MAX_STRUCTURES];

    *device = (struct virtio_pci_device){
        .base = {.transport = &pci_transport, .platform = platform},
        .function = *function,
    };
    device->base.name = vst_pci_address_text(function->address, device->name);
    size_t n = vst_virtio_pci_structures(platform, function, list, VST_ARRAY_LENGTH(list));
    const struct vst_virtio_pci_structure *common =
        first_usable(list, n, VIRTIO_PCI_CAP_COMMON_CFG, function);
    const struct vst_virtio_pci_structure *notify =
        first_usable(list, n, VIRTIO_PCI_CAP_NOTIFY_CFG, function);
    const struct vst_virtio_pci_structure *config =
        first_usable(list, n, VIRTIO_PCI_CAP_DEVICE_CFG, function);
    const struct vst_virtio_pci_structure *isr =
        first_usable(list, n, VIRTIO_PCI_CAP_ISR_CFG, function);
    if (common == NULL || notify == NULL) {
        vst_log(platform, VST_LOG_ERROR, "%s: no usable %s structure", device->name,
                common == NULL ? "common configuration" : "notification");
        return VST_ERR_NOT_FOUND;
    }
    device->common = map_structure(device, common);
    device->notify = map_structure(device, notify);
    if (device->common == NULL || device->notify == NULL)
        return VST_ERR_NO_MEMORY;
    device->isr = isr != NULL ? map_structure(device, isr) : NULL;
    device->notify_bytes = notify->length_bytes;
    device->notify_multiplier = notify->notify_multiplier;
    if (config != NULL) {
        device->config = map_structure(device, config);
        device->base.config_bytes = device->config != NULL ? config->length_bytes : 0;
    }
    return VST_OK;
}
