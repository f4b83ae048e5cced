/* SPDX-License-Identifier: BSD-2-Clause */
#include "drivers/virtio_pci_legacy.h"

#include <arch/port_io.h>

/* 4.1.4.10: the registers, and what follows them if MSI-X is enabled. */
enum {
    DEVICE_FEATURES = 0, /* 32 bits */
    DRIVER_FEATURES = 4, /* 32 */
    QUEUE_ADDRESS = 8,   /* 32: page number, 0 while the queue is not in use */
    QUEUE_SIZE = 12,     /* 16, read only */
    QUEUE_SELECT = 14,   /* 16 */
    QUEUE_NOTIFY = 16,   /* 16 */
    STATUS = 18,         /* 8 */
    ISR = 19,            /* 8 */
    CONFIG_VECTOR = 20,  /* 16 */
    QUEUE_VECTOR = 22,   /* 16 */
    CONFIG_WITHOUT_MSIX = 20,
    CONFIG_WITH_MSIX = 24,
};

/* 4.1.5.1.3.1 */
#define PAGE_BYTES 4096u

#define PCI_CAPABILITY_MSIX 0x11u
#define MSIX_CONTROL        2u
#define MSIX_ENABLED        0x8000u

static struct virtio_pci_legacy_device *legacy_of(struct virtio_device *device)
{
    return VST_CONTAINER_OF(device, struct virtio_pci_legacy_device, base);
}

static uint32_t get(struct virtio_device *device, uint32_t at, uint8_t width_bytes)
{
    return vst_virtio_register_read(&legacy_of(device)->registers, at, width_bytes);
}

static void put(struct virtio_device *device, uint32_t at, uint8_t width_bytes, uint32_t value)
{
    vst_virtio_register_write(&legacy_of(device)->registers, at, width_bytes, value);
}

/* Asked each time: whoever handles interrupts may enable it at any moment, and registers move. */
static bool msix_is_enabled(struct virtio_device *device)
{
    const struct virtio_pci_legacy_device *legacy = legacy_of(device);
    const struct vst_platform *platform = device->platform;

    return legacy->msix_capability != 0 &&
           (platform->pci_config_read(platform->ctx, legacy->function.address,
                                      (uint16_t)(legacy->msix_capability + MSIX_CONTROL), 2) &
            MSIX_ENABLED) != 0;
}

static uint8_t legacy_status(struct virtio_device *device)
{
    return (uint8_t)get(device, STATUS, 1);
}

static void legacy_set_status(struct virtio_device *device, uint8_t status)
{
    put(device, STATUS, 1, status);
}

static uint64_t legacy_features(struct virtio_device *device)
{
    return get(device, DEVICE_FEATURES, 4);
}

static void legacy_set_features(struct virtio_device *device, uint64_t features)
{
    put(device, DRIVER_FEATURES, 4, (uint32_t)features);
}

static uint16_t legacy_queue_size(struct virtio_device *device, uint16_t queue)
{
    put(device, QUEUE_SELECT, 2, queue);
    return (uint16_t)get(device, QUEUE_SIZE, 2);
}

static bool put_vector(struct virtio_device *device, uint32_t at, uint16_t vector)
{
    if (!msix_is_enabled(device))
        return vector == VIRTIO_NO_VECTOR;
    put(device, at, 2, vector);
    return get(device, at, 2) == vector;
}

static struct virtio_doorbell doorbell_of(struct virtio_device *device)
{
    const struct virtio_registers *registers = &legacy_of(device)->registers;

    if (registers->kind == VIRTIO_REGISTERS_PORT)
        return (struct virtio_doorbell){
            .kind = VIRTIO_DOORBELL_PORT16,
            .port = (uint16_t)(registers->first_port + QUEUE_NOTIFY),
        };
    return (struct virtio_doorbell){
        .kind = VIRTIO_DOORBELL_MMIO16,
        .mmio = registers->mapped + QUEUE_NOTIFY,
    };
}

static enum vst_status refuse(struct virtio_device *device, uint16_t queue, const char *why,
                              enum vst_status status)
{
    vst_log(device->platform, VST_LOG_ERROR, "%s: queue %u %s", device->name, queue, why);
    return status;
}

static enum vst_status legacy_queue_enable(struct virtio_device *device,
                                           const struct virtio_queue_setup *setup,
                                           struct virtio_doorbell *doorbell)
{
    uint64_t page = setup->desc_bus_addr / PAGE_BYTES;

    if (page == 0 || page > UINT32_MAX)
        return refuse(device, setup->index, "lies beyond what a page number can tell",
                      VST_ERR_NO_MEMORY);
    /* 4.1.5.1.3 step 1: choose the queue. Steps 2 and 3: its size, which is the device's. */
    put(device, QUEUE_SELECT, 2, setup->index);
    if (get(device, QUEUE_SIZE, 2) != setup->size)
        return refuse(device, setup->index, "has changed its size", VST_ERR_MALFORMED);
    if (get(device, QUEUE_ADDRESS, 4) != 0)
        return refuse(device, setup->index, "is in use after a reset", VST_ERR_MALFORMED);
    /* Step 5, before step 4 so that nothing is shared if it fails: the vector, read back. */
    if (!put_vector(device, QUEUE_VECTOR, setup->vector))
        return VST_ERR_NO_MEMORY;
    /* Step 4, 4.1.5.1.3.1: one address tells where all three areas lie, and enables. */
    put(device, QUEUE_ADDRESS, 4, (uint32_t)page);
    if (get(device, QUEUE_ADDRESS, 4) != (uint32_t)page)
        return refuse(device, setup->index, "does not keep its address", VST_ERR_MALFORMED);
    *doorbell = doorbell_of(device);
    return VST_OK;
}

static bool legacy_set_config_vector(struct virtio_device *device, uint16_t vector)
{
    return put_vector(device, CONFIG_VECTOR, vector);
}

static uint8_t legacy_interrupt_status(struct virtio_device *device)
{
    return (uint8_t)get(device, ISR, 1);
}

/* 2.5.4: in the guest's byte order, which is little-endian wherever this runs. */
static uint32_t legacy_config_read(struct virtio_device *device, uint32_t offset,
                                   uint8_t width_bytes)
{
    uint32_t base = msix_is_enabled(device) ? CONFIG_WITH_MSIX : CONFIG_WITHOUT_MSIX;

    return get(device, base + offset, width_bytes);
}

static void legacy_config_write(struct virtio_device *device, uint32_t offset, uint8_t width_bytes,
                                uint32_t value)
{
    uint32_t base = msix_is_enabled(device) ? CONFIG_WITH_MSIX : CONFIG_WITHOUT_MSIX;

    put(device, base + offset, width_bytes, value);
}

static void legacy_allow_dma(struct virtio_device *device)
{
    vst_pci_bus_master_enable(device->platform, &legacy_of(device)->function);
}

static void legacy_cut_off(struct virtio_device *device)
{
    vst_pci_disable(device->platform, &legacy_of(device)->function);
}

static const struct virtio_transport legacy_transport = {
    .name = "virtio-pci-legacy",
    .status = legacy_status,
    .set_status = legacy_set_status,
    .features = legacy_features,
    .set_features = legacy_set_features,
    .queue_size = legacy_queue_size,
    .queue_enable = legacy_queue_enable,
    .set_config_vector = legacy_set_config_vector,
    .interrupt_status = legacy_interrupt_status,
    .config_generation = vst_virtio_config_sum,
    .config_read = legacy_config_read,
    .config_write = legacy_config_write,
    .allow_dma = legacy_allow_dma,
    .cut_off = legacy_cut_off,
};

/* ------------------------------------------------------------------ opening */

bool vst_virtio_pci_has_legacy(const struct vst_pci_function *function)
{
    return function->vendor_id == VST_PCI_VENDOR_VIRTIO && function->device_id >= 0x1000 &&
           function->device_id <= 0x103f && function->revision == 0;
}

/** Why BAR 0 does not hold the registers, or NULL. */
static const char *reach_bar_0(struct virtio_pci_legacy_device *device)
{
    const struct vst_pci_bar *bar = &device->function.bars[0];
    const struct vst_platform *platform = device->base.platform;
    struct virtio_registers *registers = &device->registers;

    if (bar->kind == VST_PCI_BAR_NONE)
        return "no BAR 0";
    if (!bar->assigned)
        return "BAR 0 has no address";
    if (bar->bytes < CONFIG_WITH_MSIX)
        return "BAR 0 is too short";
    registers->bytes = bar->bytes > PAGE_BYTES ? PAGE_BYTES : (uint32_t)bar->bytes;
    if (bar->kind == VST_PCI_BAR_IO && !ARCH_HAS_PORT_IO)
        return "BAR 0 is of ports, which this machine has not";
    if (bar->kind == VST_PCI_BAR_IO) {
        registers->kind = VIRTIO_REGISTERS_PORT;
        registers->first_port = (uint16_t)bar->address;
        return bar->address + registers->bytes <= 0x10000u ? NULL : "BAR 0 leaves port space";
    }
    registers->kind = VIRTIO_REGISTERS_MMIO;
    registers->mapped = platform->mmio_map(platform->ctx, bar->address, registers->bytes);
    return registers->mapped != NULL ? NULL : "BAR 0 is out of reach";
}

enum vst_status vst_virtio_pci_legacy_open(struct virtio_pci_legacy_device *device,
                                           const struct vst_platform *platform,
                                           const struct vst_pci_function *function)
{
    *device = (struct virtio_pci_legacy_device){
        .base = {.transport = &legacy_transport,
                 .platform = platform,
                 .legacy = true,
                 .queue_size_fixed = true},
        .function = *function,
    };
    device->base.name = vst_pci_address_text(function->address, device->address_text);
    const char *problem =
        vst_virtio_pci_has_legacy(function) ? reach_bar_0(device) : "wrong device id or revision";
    if (problem != NULL) {
        vst_log(platform, VST_LOG_ERROR, "%s: no legacy interface: %s", device->base.name, problem);
        return VST_ERR_NOT_FOUND;
    }
    for (size_t i = 0; i < function->n_capabilities; i++)
        if (function->capabilities[i].id == PCI_CAPABILITY_MSIX)
            device->msix_capability = function->capabilities[i].offset;
    device->base.config_bytes = device->registers.bytes - CONFIG_WITH_MSIX;
    return VST_OK;
}
