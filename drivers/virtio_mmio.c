/* SPDX-License-Identifier: BSD-2-Clause */
#include "drivers/virtio_mmio.h"

/* 4.2.2 MMIO device register layout; 4.2.4 that of version 1. All registers have 32 bits. */
enum {
    MAGIC_VALUE = 0x000,
    VERSION = 0x004,
    DEVICE_ID = 0x008,
    DEVICE_FEATURES = 0x010,
    DEVICE_FEATURES_SELECT = 0x014,
    DRIVER_FEATURES = 0x020,
    DRIVER_FEATURES_SELECT = 0x024,
    GUEST_PAGE_SIZE = 0x028, /* version 1 */
    QUEUE_SELECT = 0x030,
    QUEUE_SIZE_MAX = 0x034,
    QUEUE_SIZE = 0x038,
    QUEUE_ALIGN = 0x03c,       /* version 1 */
    QUEUE_PAGE_NUMBER = 0x040, /* version 1 */
    QUEUE_READY = 0x044,
    QUEUE_NOTIFY = 0x050,
    INTERRUPT_STATUS = 0x060,
    INTERRUPT_ACK = 0x064,
    STATUS = 0x070,
    QUEUE_DESC_LOW = 0x080,
    QUEUE_DESC_HIGH = 0x084,
    QUEUE_DRIVER_LOW = 0x090,
    QUEUE_DRIVER_HIGH = 0x094,
    QUEUE_DEVICE_LOW = 0x0a0,
    QUEUE_DEVICE_HIGH = 0x0a4,
    QUEUE_RESET = 0x0c0,
    CONFIG_GENERATION = 0x0fc,
    CONFIG = 0x100,
};

#define MAGIC            0x74726976u /* "virt" */
#define PAGE_BYTES       4096u
#define MAX_BYTES        4096u
#define INTERRUPTS_KNOWN (VIRTIO_INTERRUPT_QUEUE | VIRTIO_INTERRUPT_CONFIG)

static struct virtio_mmio_device *mmio_of(struct virtio_device *device)
{
    return VST_CONTAINER_OF(device, struct virtio_mmio_device, base);
}

static uint32_t get(struct virtio_device *device, uint32_t at)
{
    return vst_virtio_register_read(&mmio_of(device)->registers, at, 4);
}

static void put(struct virtio_device *device, uint32_t at, uint32_t value)
{
    vst_virtio_register_write(&mmio_of(device)->registers, at, 4, value);
}

/* ------------------------------------------------------------------ what both versions share */

static uint8_t mmio_status(struct virtio_device *device)
{
    /* A register of 32 bits holds the eight of 2.1; more than these is no status. */
    uint32_t status = get(device, STATUS);

    return status > UINT8_MAX ? UINT8_MAX : (uint8_t)status;
}

static void mmio_set_status(struct virtio_device *device, uint8_t status)
{
    put(device, STATUS, status);
}

static uint64_t mmio_features(struct virtio_device *device)
{
    put(device, DEVICE_FEATURES_SELECT, 0);
    uint64_t low = get(device, DEVICE_FEATURES);
    if (device->legacy)
        return low;
    put(device, DEVICE_FEATURES_SELECT, 1);
    return low | (uint64_t)get(device, DEVICE_FEATURES) << 32;
}

static void mmio_set_features(struct virtio_device *device, uint64_t features)
{
    put(device, DRIVER_FEATURES_SELECT, 0);
    put(device, DRIVER_FEATURES, (uint32_t)features);
    if (device->legacy) {
        put(device, GUEST_PAGE_SIZE, PAGE_BYTES); /* 4.2.4: before any queue is used */
        return;
    }
    put(device, DRIVER_FEATURES_SELECT, 1);
    put(device, DRIVER_FEATURES, (uint32_t)(features >> 32));
}

static uint16_t mmio_queue_size(struct virtio_device *device, uint16_t queue)
{
    put(device, QUEUE_SELECT, queue);
    uint32_t size = get(device, QUEUE_SIZE_MAX);
    return size > UINT16_MAX ? UINT16_MAX : (uint16_t)size;
}

/* 4.2.3.4: one interrupt for all. Bits that are not defined are ignored, and not acknowledged. */
static uint8_t mmio_interrupt_status(struct virtio_device *device)
{
    uint32_t status = get(device, INTERRUPT_STATUS) & INTERRUPTS_KNOWN;

    if (status != 0)
        put(device, INTERRUPT_ACK, status);
    return (uint8_t)status;
}

static bool mmio_set_config_vector(struct virtio_device *device, uint16_t vector)
{
    (void)device;
    return vector == VIRTIO_NO_VECTOR;
}

static uint32_t mmio_config_read(struct virtio_device *device, uint32_t offset, uint8_t width_bytes)
{
    return vst_virtio_register_read(&mmio_of(device)->registers, CONFIG + offset, width_bytes);
}

static void mmio_config_write(struct virtio_device *device, uint32_t offset, uint8_t width_bytes,
                              uint32_t value)
{
    vst_virtio_register_write(&mmio_of(device)->registers, CONFIG + offset, width_bytes, value);
}

static enum vst_status refuse(struct virtio_device *device, uint16_t queue, const char *why,
                              enum vst_status status)
{
    vst_log(device->platform, VST_LOG_ERROR, "%s: queue %u %s", device->name, queue, why);
    return status;
}

/* 4.2.3.2 steps 1 to 3 and 5, the same in both versions; `in_use` tells of a queue in use. */
static enum vst_status begin_queue(struct virtio_device *device,
                                   const struct virtio_queue_setup *setup, uint32_t in_use)
{
    if (setup->vector != VIRTIO_NO_VECTOR)
        return VST_ERR_NO_MEMORY;
    put(device, QUEUE_SELECT, setup->index);
    if (get(device, in_use) != 0)
        return refuse(device, setup->index, "is in use after a reset", VST_ERR_MALFORMED);
    if (setup->size > get(device, QUEUE_SIZE_MAX))
        return refuse(device, setup->index, "has changed its size", VST_ERR_MALFORMED);
    put(device, QUEUE_SIZE, setup->size);
    return VST_OK;
}

static struct virtio_doorbell doorbell_of(struct virtio_device *device)
{
    return (struct virtio_doorbell){
        .kind = VIRTIO_DOORBELL_MMIO32,
        .mmio = mmio_of(device)->registers.mapped + QUEUE_NOTIFY,
    };
}

/* ------------------------------------------------------------------ version 2 */

static enum vst_status mmio_queue_enable(struct virtio_device *device,
                                         const struct virtio_queue_setup *setup,
                                         struct virtio_doorbell *doorbell)
{
    /* 4.2.3.2 steps 1, 2, 3, 5. The caller has done step 4: zeroed memory. */
    enum vst_status status = begin_queue(device, setup, QUEUE_READY);

    if (status != VST_OK)
        return status;
    /* Step 6: where the three areas lie. */
    put(device, QUEUE_DESC_LOW, (uint32_t)setup->desc_bus_addr);
    put(device, QUEUE_DESC_HIGH, (uint32_t)(setup->desc_bus_addr >> 32));
    put(device, QUEUE_DRIVER_LOW, (uint32_t)setup->driver_bus_addr);
    put(device, QUEUE_DRIVER_HIGH, (uint32_t)(setup->driver_bus_addr >> 32));
    put(device, QUEUE_DEVICE_LOW, (uint32_t)setup->device_bus_addr);
    put(device, QUEUE_DEVICE_HIGH, (uint32_t)(setup->device_bus_addr >> 32));
    /* Step 7. */
    put(device, QUEUE_READY, 1);
    if (get(device, QUEUE_READY) != 1)
        return refuse(device, setup->index, "does not become ready", VST_ERR_MALFORMED);
    *doorbell = doorbell_of(device);
    return VST_OK;
}

static void mmio_queue_reset(struct virtio_device *device, uint16_t queue)
{
    put(device, QUEUE_SELECT, queue);
    put(device, QUEUE_RESET, 1);
}

static bool mmio_queue_resetting(struct virtio_device *device, uint16_t queue)
{
    put(device, QUEUE_SELECT, queue);
    /* QEMU 7.2 offers RING_RESET here and has no such register: its queue stays ready. */
    return get(device, QUEUE_RESET) != 0 || get(device, QUEUE_READY) != 0;
}

static uint32_t mmio_config_generation(struct virtio_device *device)
{
    return get(device, CONFIG_GENERATION);
}

/* ------------------------------------------------------------------ version 1 (4.2.4) */

static enum vst_status legacy_queue_enable(struct virtio_device *device,
                                           const struct virtio_queue_setup *setup,
                                           struct virtio_doorbell *doorbell)
{
    uint64_t page = setup->desc_bus_addr / PAGE_BYTES;

    if (page == 0 || page > UINT32_MAX)
        return refuse(device, setup->index, "lies beyond what a page number can tell",
                      VST_ERR_NO_MEMORY);
    /* 4.2.4 steps 1, 2, 3, 5. The caller has done step 4: zeroed pages. */
    enum vst_status status = begin_queue(device, setup, QUEUE_PAGE_NUMBER);
    if (status != VST_OK)
        return status;
    /* Step 6: the used ring begins a page. Step 7: the number of the first page; this enables. */
    put(device, QUEUE_ALIGN, PAGE_BYTES);
    put(device, QUEUE_PAGE_NUMBER, (uint32_t)page);
    if (get(device, QUEUE_PAGE_NUMBER) != (uint32_t)page)
        return refuse(device, setup->index, "does not keep its address", VST_ERR_MALFORMED);
    *doorbell = doorbell_of(device);
    return VST_OK;
}

#define SHARED_OPERATIONS                                                                          \
    .status = mmio_status, .set_status = mmio_set_status, .features = mmio_features,               \
    .set_features = mmio_set_features, .queue_size = mmio_queue_size,                              \
    .set_config_vector = mmio_set_config_vector, .interrupt_status = mmio_interrupt_status,        \
    .config_read = mmio_config_read, .config_write = mmio_config_write

static const struct virtio_transport transports[] = {
    [1] = {.name = "virtio-mmio-1",
           SHARED_OPERATIONS,
           .queue_enable = legacy_queue_enable,
           .config_generation = vst_virtio_config_sum},
    [2] = {.name = "virtio-mmio-2",
           SHARED_OPERATIONS,
           .queue_enable = mmio_queue_enable,
           .queue_reset = mmio_queue_reset,
           .queue_resetting = mmio_queue_resetting,
           .config_generation = mmio_config_generation},
};

/* ------------------------------------------------------------------ probing and opening */

/* 4.2.3.1.1: magic value, version, device type, in this order, and no further if one is wrong. */
static enum vst_status identify(const struct virtio_registers *registers, uint32_t *version,
                                uint32_t *type)
{
    if (vst_virtio_register_read(registers, MAGIC_VALUE, 4) != MAGIC)
        return VST_ERR_NOT_FOUND;
    *version = vst_virtio_register_read(registers, VERSION, 4);
    if (*version != 1 && *version != 2)
        return VST_ERR_UNSUPPORTED;
    *type = vst_virtio_register_read(registers, DEVICE_ID, 4);
    return VST_OK;
}

static enum vst_status map(const struct vst_platform *platform, uint64_t physical, uint64_t bytes,
                           struct virtio_registers *registers)
{
    if (bytes < CONFIG || physical % 4 != 0)
        return VST_ERR_INVALID;
    *registers = (struct virtio_registers){
        .kind = VIRTIO_REGISTERS_MMIO,
        .bytes = bytes > MAX_BYTES ? MAX_BYTES : (uint32_t)bytes,
        .mapped = platform->mmio_map(platform->ctx, physical, bytes),
    };
    return registers->mapped != NULL ? VST_OK : VST_ERR_NO_MEMORY;
}

enum vst_status vst_virtio_mmio_probe(const struct vst_platform *platform, uint64_t physical,
                                      uint64_t bytes, uint32_t *device_type)
{
    struct virtio_registers registers;
    uint32_t version;
    enum vst_status status = map(platform, physical, bytes, &registers);

    return status == VST_OK ? identify(&registers, &version, device_type) : status;
}

enum vst_status vst_virtio_mmio_open(struct virtio_mmio_device *device,
                                     const struct vst_platform *platform, uint64_t physical,
                                     uint64_t bytes, uint32_t type)
{
    uint32_t version = 0, found = 0;

    *device = (struct virtio_mmio_device){.base = {.platform = platform}};
    vst_format(device->text, sizeof(device->text), "virtio-mmio-%lx", (unsigned long)physical);
    device->base.name = device->text;
    enum vst_status status = map(platform, physical, bytes, &device->registers);
    if (status == VST_OK)
        status = identify(&device->registers, &version, &found);
    if (status == VST_OK && found != type)
        status = VST_ERR_NOT_FOUND;
    if (status != VST_OK) {
        vst_log(platform, VST_LOG_INFO, "%s: no device of type %u (version %u, type %u)",
                device->base.name, (unsigned)type, (unsigned)version, (unsigned)found);
        return status;
    }
    device->base.transport = &transports[version];
    device->base.legacy = version == 1;
    device->base.config_bytes = device->registers.bytes - CONFIG;
    return VST_OK;
}
