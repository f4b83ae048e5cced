/* SPDX-License-Identifier: BSD-2-Clause */
/* The ways to the registers: memory, ports, and the window in configuration space. */
#include <arch/mmio.h>
#include <arch/port_io.h>
#include <string.h>

#include "drivers/virtio_spec.h"
#include "pci/pci_registers.h"
#include "tests/fuzz/fuzz_virtio.h"

#define BAR_PHYSICAL    0xfe000000ull
#define BAR_BYTES       0x8000u
#define BAR_NUMBER      4u
#define PORTS_BAR       2u
#define PORTS_AT        0xd000u
#define LEGACY_PORTS    0xc000u
#define LEGACY_PHYSICAL 0xfd000000ull
#define LEGACY_BYTES    0x80u
#define FIRST_REGION    0x500000000000ull

enum { COMMON_AT = 0x40, NOTIFY_AT = 0x50, ISR_AT = 0x64, CONFIG_AT = 0x74 };
enum { NOTIFY_PORTS_AT = 0x84, WINDOW_AT = 0x98, MSIX_AT = 0xac };

#define MSIX_ID        0x11u
#define MSIX_ENABLE    0x80u /* in the upper byte of message control */
#define COMMAND_AT     4u
#define COMMAND_MASTER 4u

/* ---------------------------------------------------------------- configuration space */

static uint8_t config_byte(const struct fuzz_virtio *device, unsigned at)
{
    return device->pci_is_written[at] ? device->pci_written[at] : device->pci_config[at];
}

static uint32_t config_value(const struct fuzz_virtio *device, unsigned at, unsigned width)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < width; i++)
        value |= (uint32_t)config_byte(device, at + i) << (8 * i);
    return value;
}

/** Where a capability of this kind stands; `type` of virtio structures only. 0: nowhere. */
static uint8_t find_capability(const struct fuzz_virtio *device, uint8_t id, uint8_t type)
{
    const struct vst_pci_function *f = &device->function;

    for (unsigned i = 0; i < f->n_capabilities; i++) {
        uint8_t at = f->capabilities[i].offset;
        if (f->capabilities[i].id == id && at <= 256 - 20 &&
            (id == MSIX_ID || device->pci_config[at + 3] == type))
            return at;
    }
    return 0;
}

bool fuzz_front_msix_is_enabled(const struct fuzz_virtio *device)
{
    uint8_t at = find_capability(device, MSIX_ID, 0);

    return at != 0 && (config_byte(device, at + 3u) & MSIX_ENABLE) != 0;
}

bool fuzz_front_masters_bus(const struct fuzz_virtio *device)
{
    return device->front >= FUZZ_MMIO_1 || (config_byte(device, COMMAND_AT) & COMMAND_MASTER) != 0;
}

/* ---------------------------------------------------------------- what lies where */

static bool has_bar(const struct vst_pci_function *f, uint8_t bar)
{
    return bar < VST_PCI_N_BARS && f->bars[bar].kind != VST_PCI_BAR_NONE;
}

/** Whether the i-th capability names a structure in this BAR, and where. */
static bool structure_of(const struct fuzz_virtio *device, unsigned i, uint8_t bar,
                         uint32_t place[2])
{
    const struct vst_pci_capability *capability = &device->function.capabilities[i];

    if (capability->id != PCI_CAPABILITY_VENDOR || capability->offset > 256 - 16 ||
        device->pci_config[capability->offset + 4] != bar)
        return false;
    memcpy(place, device->pci_config + capability->offset + 8, 8);
    return true;
}

/** The place that holds an offset of a BAR, by the capabilities as the device was made. */
static uint8_t place_in_bar(const struct fuzz_virtio *device, uint8_t bar, uint64_t *offset)
{
    const struct vst_pci_function *f = &device->function;
    uint32_t place[2];

    for (unsigned i = 0; i < f->n_capabilities; i++) {
        if (!structure_of(device, i, bar, place) || *offset - place[0] >= place[1])
            continue;
        *offset -= place[0];
        return device->pci_config[f->capabilities[i].offset + 3];
    }
    return bar == 0 ? FUZZ_PLACE_LEGACY : FUZZ_PLACE_NONE;
}

static bool is_msix_table(const struct fuzz_virtio *device, uint64_t physical, uint64_t bytes)
{
    uint8_t at = find_capability(device, MSIX_ID, 0);
    const struct vst_pci_function *f = &device->function;

    if (at == 0)
        return false;
    uint32_t table = config_value(device, at + 4u, 4);
    uint64_t n = (config_value(device, at + 2u, 2) & 0x7ff) + 1;
    return has_bar(f, table & 7) && f->bars[table & 7].address + (table & ~7u) == physical &&
           bytes == 16 * n;
}

/** What the driver means to reach: that which begins there and is as long, if there is such. */
static uint8_t place_mapped(const struct fuzz_virtio *device, uint64_t physical, uint64_t bytes)
{
    const struct vst_pci_function *f = &device->function;
    uint32_t place[2];

    if (is_msix_table(device, physical, bytes))
        return FUZZ_PLACE_MSIX;
    for (uint8_t bar = 0; bar < VST_PCI_N_BARS; bar++)
        for (unsigned i = 0; has_bar(f, bar) && i < f->n_capabilities; i++)
            if (structure_of(device, i, bar, place) &&
                f->bars[bar].address + place[0] == physical && bytes <= place[1])
                return device->pci_config[f->capabilities[i].offset + 3];
    if (has_bar(f, 0) && f->bars[0].address == physical)
        return FUZZ_PLACE_LEGACY;
    return FUZZ_PLACE_NONE;
}

/* ---------------------------------------------------------------- by memory */

static bool lies_in_a_bar(const struct vst_pci_function *f, uint64_t physical, uint64_t bytes)
{
    for (unsigned i = 0; i < VST_PCI_N_BARS; i++) {
        const struct vst_pci_bar *bar = &f->bars[i];
        if (bar->kind != VST_PCI_BAR_NONE && bar->kind != VST_PCI_BAR_IO && bar->assigned &&
            physical >= bar->address && physical - bar->address <= bar->bytes &&
            bytes <= bar->bytes - (physical - bar->address))
            return true;
    }
    return false;
}

static void *map_place(void *ctx, uint64_t physical, uint64_t bytes)
{
    struct fuzz_virtio *device = ((struct fuzz_platform *)ctx)->device;
    bool is_mmio = device->front >= FUZZ_MMIO_1;

    fuzz_platform_step(device->fp);
    FUZZ_CHECK(bytes > 0);
    FUZZ_CHECK(is_mmio ? physical == FUZZ_MMIO_PHYSICAL && bytes == FUZZ_MMIO_BYTES
                       : lies_in_a_bar(&device->function, physical, bytes));
    if (device->n_regions == FUZZ_MAX_REGIONS)
        return NULL;
    struct fuzz_region *region = &device->regions[device->n_regions];
    *region = (struct fuzz_region){
        .physical = physical,
        .bytes = bytes,
        .base = FIRST_REGION + ((uintptr_t)device->n_regions << 36) + (uintptr_t)(physical % 4096),
        .place = is_mmio ? FUZZ_PLACE_MMIO : place_mapped(device, physical, bytes),
    };
    device->n_regions++;
    return (void *)region->base;
}

/** The mapped place that holds a register. An access beyond it, or across its natural alignment, is
 * a finding. */
static struct fuzz_region *region_of(const void *reg, uint8_t width, uint64_t *offset)
{
    struct fuzz_virtio *device = fuzz_virtio_current();

    FUZZ_CHECK(device != NULL);
    fuzz_platform_step(device->fp);
    for (unsigned i = 0; i < device->n_regions; i++) {
        struct fuzz_region *region = &device->regions[i];
        *offset = (uintptr_t)reg - region->base;
        if (*offset >= region->bytes)
            continue;
        FUZZ_CHECK(width <= region->bytes - *offset && (region->physical + *offset) % width == 0);
        return region;
    }
    FUZZ_CHECK(!"a register outside all structures");
    return NULL;
}

uint32_t host_mmio_read(const void *reg, uint8_t width_bytes)
{
    uint64_t offset;
    const struct fuzz_region *region = region_of(reg, width_bytes, &offset);

    return fuzz_virtio_read(fuzz_virtio_current(), region->place, offset, width_bytes);
}

void host_mmio_write(void *reg, uint8_t width_bytes, uint32_t value)
{
    uint64_t offset;
    const struct fuzz_region *region = region_of(reg, width_bytes, &offset);

    fuzz_virtio_write(fuzz_virtio_current(), region->place, offset, width_bytes, value);
}

/* ---------------------------------------------------------------- by ports */

static uint8_t port_place(uint16_t port, uint8_t width, uint64_t *offset)
{
    struct fuzz_virtio *device = fuzz_virtio_current();

    FUZZ_CHECK(device != NULL && port % width == 0);
    fuzz_platform_step(device->fp);
    for (uint8_t i = 0; i < VST_PCI_N_BARS; i++) {
        const struct vst_pci_bar *bar = &device->function.bars[i];
        *offset = port - bar->address;
        if (bar->kind == VST_PCI_BAR_IO && bar->assigned && port >= bar->address &&
            *offset + width <= bar->bytes)
            return place_in_bar(device, i, offset);
    }
    FUZZ_CHECK(!"a port outside all BARs");
    return FUZZ_PLACE_NONE;
}

uint32_t host_port_read(uint16_t port, uint8_t width_bytes)
{
    uint64_t offset;
    uint8_t place = port_place(port, width_bytes, &offset);

    return fuzz_virtio_read(fuzz_virtio_current(), place, offset, width_bytes);
}

void host_port_write(uint16_t port, uint8_t width_bytes, uint32_t value)
{
    uint64_t offset;
    uint8_t place = port_place(port, width_bytes, &offset);

    fuzz_virtio_write(fuzz_virtio_current(), place, offset, width_bytes, value);
}

/* ---------------------------------------------------------------- by the window */

/** Whether an access to configuration space is one through a window, and whereto. */
static bool leads_on(struct fuzz_virtio *device, uint16_t offset, uint8_t width, uint8_t *place,
                     uint64_t *at)
{
    const struct vst_pci_function *f = &device->function;

    for (unsigned i = 0; i < f->n_capabilities; i++) {
        unsigned window = f->capabilities[i].offset;
        if (f->capabilities[i].id != PCI_CAPABILITY_VENDOR || offset != window + 16 ||
            window > 256 - 20 || device->pci_config[window + 3] != VIRTIO_PCI_CAP_PCI_CFG ||
            !device->pci_is_written[window + 12] || config_value(device, window + 12, 4) != width)
            continue;
        uint8_t bar = config_byte(device, window + 4);
        *at = config_value(device, window + 8, 4);
        FUZZ_CHECK(has_bar(f, bar) && *at % width == 0 && *at + width <= f->bars[bar].bytes);
        *place = place_in_bar(device, bar, at);
        return true;
    }
    return false;
}

static uint32_t config_read(void *ctx, struct vst_pci_address address, uint16_t offset,
                            uint8_t width_bytes)
{
    struct fuzz_virtio *device = ((struct fuzz_platform *)ctx)->device;
    uint64_t at;
    uint8_t place;

    (void)address;
    fuzz_platform_step(device->fp);
    FUZZ_CHECK(offset % width_bytes == 0 && offset < 4096);
    if (offset + width_bytes > (int)sizeof(device->pci_config))
        return UINT32_MAX;
    if (leads_on(device, offset, width_bytes, &place, &at))
        return fuzz_virtio_read(device, place, at, width_bytes);
    uint32_t value = config_value(device, offset, width_bytes);
    if (device->lies && device->input->left > 0 && fuzz_u8(device->input) >= 0xd0)
        value = (uint32_t)fuzz_bytes(device->input, width_bytes);
    return value;
}

static void config_write(void *ctx, struct vst_pci_address address, uint16_t offset,
                         uint8_t width_bytes, uint32_t value)
{
    struct fuzz_virtio *device = ((struct fuzz_platform *)ctx)->device;
    uint64_t at;
    uint8_t place;

    (void)address;
    fuzz_platform_step(device->fp);
    FUZZ_CHECK(offset % width_bytes == 0 && offset < 4096);
    if (offset + width_bytes > (int)sizeof(device->pci_config))
        return;
    if (leads_on(device, offset, width_bytes, &place, &at)) {
        fuzz_virtio_write(device, place, at, width_bytes, value);
        return;
    }
    for (unsigned i = 0; i < width_bytes; i++) {
        device->pci_is_written[offset + i] = true;
        device->pci_written[offset + i] = (uint8_t)(value >> (8 * i));
    }
    /* Cut off: a device that masters no bus reaches no memory, whatever else it does. */
    if (offset == COMMAND_AT && (value & COMMAND_MASTER) == 0)
        device->fp->device_reaches_memory = false;
}

/* ---------------------------------------------------------------- how the device is made */

static void name_capability(struct fuzz_virtio *device, uint8_t id, uint8_t at)
{
    device->function.capabilities[device->function.n_capabilities++] =
        (struct vst_pci_capability){id, at};
}

static void add_capability(struct fuzz_virtio *device, uint8_t at, uint8_t type, uint8_t bar,
                           uint32_t offset)
{
    bool is_long = type == VIRTIO_PCI_CAP_NOTIFY_CFG || type == VIRTIO_PCI_CAP_PCI_CFG;
    uint8_t capability[20] = {PCI_CAPABILITY_VENDOR, 0, is_long ? 20 : 16, type, bar};
    uint32_t bytes = bar == PORTS_BAR ? 0x40 : 0x1000;
    uint32_t multiplier = type == VIRTIO_PCI_CAP_NOTIFY_CFG ? 4 : 0;

    memcpy(capability + 8, &offset, 4);
    memcpy(capability + 12, &bytes, 4);
    memcpy(capability + 16, &multiplier, 4);
    memcpy(device->pci_config + at, capability, capability[2]);
    name_capability(device, PCI_CAPABILITY_VENDOR, at);
}

static void add_msix(struct fuzz_virtio *device)
{
    uint32_t table = 0x4000 | BAR_NUMBER, pending = 0x5000 | BAR_NUMBER;

    device->pci_config[MSIX_AT] = MSIX_ID;
    device->pci_config[MSIX_AT + 2] = FUZZ_N_VECTORS - 1;
    memcpy(device->pci_config + MSIX_AT + 4, &table, 4);
    memcpy(device->pci_config + MSIX_AT + 8, &pending, 4);
    name_capability(device, MSIX_ID, MSIX_AT);
}

void fuzz_front_init(struct fuzz_virtio *device)
{
    device->function = (struct vst_pci_function){.address = {0, 0, 4, 0},
                                                 .vendor_id = 0x1af4,
                                                 .device_id = device->kind->modern_id,
                                                 .interrupt_pin = 1,
                                                 .parent = -1};
    device->function.bars[BAR_NUMBER] = (struct vst_pci_bar){.kind = VST_PCI_BAR_MEMORY64,
                                                             .assigned = true,
                                                             .address = BAR_PHYSICAL,
                                                             .bytes = BAR_BYTES};
    device->n_vectors = FUZZ_N_VECTORS;
    device->pci_config[COMMAND_AT] = 2; /* memory; bus mastering is the driver's to turn on */
    add_msix(device);
    add_capability(device, COMMON_AT, VIRTIO_PCI_CAP_COMMON_CFG, BAR_NUMBER, 0);
    add_capability(device, NOTIFY_AT, VIRTIO_PCI_CAP_NOTIFY_CFG, BAR_NUMBER, 0x1000);
    add_capability(device, ISR_AT, VIRTIO_PCI_CAP_ISR_CFG, BAR_NUMBER, 0x2000);
    add_capability(device, CONFIG_AT, VIRTIO_PCI_CAP_DEVICE_CFG, BAR_NUMBER, 0x3000);
    device->pci_config[PCI_VENDOR_ID] = 0xf4;
    device->pci_config[PCI_VENDOR_ID + 1] = 0x1a;
    device->fp->platform.pci_config_read = config_read;
    device->fp->platform.pci_config_write = config_write;
    device->fp->platform.mmio_map = map_place;
}

/* 4.1.2: BAR 0, revision 0, and no virtio structure: only MSI-X stays. */
static void make_legacy(struct fuzz_virtio *device)
{
    bool ports = device->front == FUZZ_LEGACY_PORTS;

    device->function.device_id = device->kind->legacy_id;
    device->function.n_capabilities = 1;
    device->function.bars[0] =
        (struct vst_pci_bar){.kind = ports ? VST_PCI_BAR_IO : VST_PCI_BAR_MEMORY32,
                             .assigned = true,
                             .address = ports ? LEGACY_PORTS : LEGACY_PHYSICAL,
                             .bytes = LEGACY_BYTES};
}

void fuzz_virtio_use_front(struct fuzz_virtio *device, enum fuzz_front front,
                           struct vst_virtio_pci_choice *choice)
{
    device->front = front;
    switch (front) {
    case FUZZ_NOTIFY_PORTS:
        choice->notify_by_port = true;
        device->function.bars[PORTS_BAR] = (struct vst_pci_bar){
            .kind = VST_PCI_BAR_IO, .assigned = true, .address = PORTS_AT, .bytes = 0x40};
        add_capability(device, NOTIFY_PORTS_AT, VIRTIO_PCI_CAP_NOTIFY_CFG, PORTS_BAR, 0);
        break;
    case FUZZ_WINDOW:
        choice->way = VST_VIRTIO_PCI_WINDOW;
        add_capability(device, WINDOW_AT, VIRTIO_PCI_CAP_PCI_CFG, 0, 0);
        break;
    case FUZZ_LEGACY_PORTS:
    case FUZZ_LEGACY_MEMORY:
        make_legacy(device);
        break;
    default:
        break;
    }
}
