/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/fuzz/fuzz_virtio.h"

#include <arch/mmio.h>
#include <arch/port_io.h>
#include <string.h>

#include "drivers/virtio_spec.h"

#define BAR_PHYSICAL 0xfe000000ull
#define BAR_BYTES    0x4000u
#define BAR_NUMBER   4u
#define FIRST_REGION 0x500000000000ull
#define NO_TYPE      0xffu

/* One at a time: registers carry no context. */
static struct fuzz_virtio *the_device;

static uint64_t peek(uint64_t bus_addr, unsigned bytes)
{
    uint64_t value = 0;

    memcpy(&value, (const void *)(uintptr_t)bus_addr, bytes);
    return value;
}

static void poke(uint64_t bus_addr, uint64_t value, unsigned bytes)
{
    memcpy((void *)(uintptr_t)bus_addr, &value, bytes);
}

static bool is_packed(const struct fuzz_virtio *device)
{
    return (device->features & VIRTIO_BIT(VIRTIO_F_RING_PACKED)) != 0;
}

static bool is_live(const struct fuzz_virtio *device)
{
    return device->queue_enabled && (device->status & VIRTIO_STATUS_DRIVER_OK) != 0 &&
           device->fp->device_reaches_memory;
}

/* ---------------------------------------------------------------- the ring, honestly */

struct areas {
    size_t desc, driver, device;
};

static struct areas area_bytes(const struct fuzz_virtio *device)
{
    size_t n = device->queue_size;

    return is_packed(device) ? (struct areas){16 * n, 4, 4}
                             : (struct areas){16 * n, 6 + 2 * n, 6 + 8 * n};
}

/** The areas lie in shared memory, wholly, as long as the device knows of them. */
static void check_areas(const struct fuzz_virtio *device)
{
    struct areas bytes = area_bytes(device);

    FUZZ_CHECK(fuzz_platform_shared(device->fp, device->desc, bytes.desc) != NULL);
    FUZZ_CHECK(fuzz_platform_shared(device->fp, device->driver_area, bytes.driver) != NULL);
    FUZZ_CHECK(fuzz_platform_shared(device->fp, device->device_area, bytes.device) != NULL);
    FUZZ_CHECK(device->desc % 16 == 0 && device->driver_area % 4 % 2 == 0 &&
               device->device_area % 4 == 0);
}

struct descriptor {
    uint64_t addr;
    uint32_t bytes;
    uint16_t third, fourth; /* split: flags, next; packed: id, flags */
};

static struct descriptor descriptor_at(uint64_t table, unsigned index)
{
    struct descriptor d;

    memcpy(&d, (const void *)(uintptr_t)(table + 16ull * index), sizeof(d));
    return d;
}

static void check_piece(struct fuzz_virtio *device, uint64_t addr, uint32_t bytes, bool writable)
{
    if (device->scribbled || fuzz_platform_shared(device->fp, addr, bytes) != NULL)
        return;
    FUZZ_CHECK(device->may_carry == NULL ||
               device->may_carry(device->may_carry_ctx, addr, bytes, writable));
}

/**
 * Follows a chain from its first descriptor, as 2.7.5 and 2.8.5 lay it out. Only with memory that
 * nobody scribbled on does it have to be right.
 */
static void walk_chain(struct fuzz_virtio *device, uint64_t table, unsigned at, unsigned table_size,
                       struct fuzz_chain *chain, bool top)
{
    bool packed = is_packed(device), seen_writable = false;
    struct descriptor d;
    unsigned n = 0;

    for (;; at = packed ? (at + 1) % table_size : d.fourth) {
        FUZZ_CHECK(device->scribbled || (at < table_size && n < table_size));
        if (at >= table_size || n++ >= table_size)
            return;
        d = descriptor_at(table, at);
        uint16_t flags = packed ? d.fourth : d.third;
        if (top) {
            chain->n_descriptors++;
            if (packed)
                chain->id = d.third;
        }
        if (top && (flags & VIRTQ_DESC_F_INDIRECT) != 0) {
            bool there = fuzz_platform_shared(device->fp, d.addr, d.bytes) != NULL;
            FUZZ_CHECK(device->scribbled || (there && d.bytes % 16 == 0 && d.bytes >= 32));
            if (there && d.bytes >= 16)
                walk_chain(device, d.addr, 0, d.bytes / 16, chain, false);
            return;
        }
        bool writable = (flags & VIRTQ_DESC_F_WRITE) != 0;
        FUZZ_CHECK(device->scribbled || writable || !seen_writable);
        seen_writable |= writable;
        check_piece(device, d.addr, d.bytes, writable);
        if (writable) {
            chain->id_addr = d.bytes == VIRTIO_BLK_ID_BYTES ? d.addr : chain->id_addr;
            chain->status_addr = d.bytes == 1 ? d.addr : chain->status_addr;
        }
        /* 2.8.7: within an indirect table of a packed ring there is no NEXT, only its length. */
        bool more = packed && !top ? at + 1 < table_size : (flags & VIRTQ_DESC_F_NEXT) != 0;
        if (!more)
            break;
    }
    FUZZ_CHECK(device->scribbled || chain->status_addr != 0);
}

static bool next_available(struct fuzz_virtio *device, struct fuzz_chain *chain)
{
    *chain = (struct fuzz_chain){0};
    if (is_packed(device)) {
        uint16_t flags = (uint16_t)peek(device->desc + 16ull * device->avail_at + 14, 2);
        if ((flags >> 7 & 1) != device->avail_wrap || (flags >> 15 & 1) == device->avail_wrap)
            return false;
        walk_chain(device, device->desc, device->avail_at, device->queue_size, chain, true);
        unsigned next = device->avail_at + chain->n_descriptors;
        device->avail_wrap ^= next >= device->queue_size;
        device->avail_at = (uint16_t)(next % device->queue_size);
        return true;
    }
    uint16_t ahead = (uint16_t)((uint16_t)peek(device->driver_area + 2, 2) - device->avail_at);
    FUZZ_CHECK(device->scribbled || ahead <= device->queue_size);
    if (ahead == 0)
        return false;
    chain->id =
        (uint16_t)peek(device->driver_area + 4 + 2ull * (device->avail_at % device->queue_size), 2);
    device->avail_at++;
    walk_chain(device, device->desc, chain->id, device->queue_size, chain, true);
    return true;
}

/** One used entry with the id of `chain`; with IN_ORDER it stands for `n_chains` that end with it. */
static void put_used(struct fuzz_virtio *device, const struct fuzz_chain *chain, uint16_t n_chains,
                     unsigned n_descriptors)
{
    const uint32_t length = 1;

    if (is_packed(device)) {
        uint64_t at = device->desc + 16ull * device->used_at;
        poke(at + 8, length, 4);
        poke(at + 12, chain->id, 2);
        poke(at + 14, device->used_wrap ? 0x8080 : 0, 2);
        unsigned next = device->used_at + n_descriptors;
        device->used_wrap ^= next >= device->queue_size;
        device->used_at = (uint16_t)(next % device->queue_size);
        return;
    }
    uint64_t at = device->device_area + 4 + 8ull * (device->used_at % device->queue_size);
    poke(at, chain->id, 4);
    poke(at + 4, length, 4);
    device->used_at = (uint16_t)(device->used_at + n_chains);
    poke(device->device_area + 2, device->used_at, 2);
}

void fuzz_virtio_take(struct fuzz_virtio *device, unsigned max)
{
    if (!is_live(device))
        return;
    check_areas(device);
    while (max-- > 0 && device->n_held < FUZZ_MAX_HELD &&
           next_available(device, &device->held[device->n_held]))
        device->n_held++;
    if (!is_packed(device))
        poke(device->device_area + 4 + 8ull * device->queue_size, device->avail_at, 2);
}

static void write_answer(struct fuzz_virtio *device, const struct fuzz_chain *chain, uint8_t status)
{
    if (chain->status_addr != 0 && fuzz_platform_shared(device->fp, chain->status_addr, 1) != NULL)
        poke(chain->status_addr, status, 1);
    if (chain->id_addr != 0 && fuzz_platform_shared(device->fp, chain->id_addr, 20) != NULL)
        memcpy((void *)(uintptr_t)chain->id_addr, "fuzz\x01serial\xff 012345678", 20);
}

/* 2.7.9, 2.8.9: with IN_ORDER nobody overtakes; all chains up to the one meant are answered, by one
 * used entry. A device that names a later one keeps nothing of those before: their descriptors are
 * the driver's again. */
void fuzz_virtio_answer(struct fuzz_virtio *device, unsigned which, uint8_t status)
{
    if (!is_live(device) || device->n_held == 0)
        return;
    check_areas(device);
    which %= device->n_held;
    bool in_order = (device->features & VIRTIO_BIT(VIRTIO_F_IN_ORDER)) != 0;
    unsigned first = in_order ? 0 : which, n_descriptors = 0;
    struct fuzz_chain last = device->held[which];
    for (unsigned i = first; i <= which; i++) {
        write_answer(device, &device->held[i], status);
        n_descriptors += device->held[i].n_descriptors;
    }
    device->n_held -= which + 1 - first;
    memmove(&device->held[first], &device->held[which + 1],
            (device->n_held - first) * sizeof(device->held[0]));
    put_used(device, &last, (uint16_t)(which + 1 - first), n_descriptors);
}

void fuzz_virtio_edit(struct fuzz_virtio *device)
{
    uint8_t what = fuzz_u8(device->input);
    uint16_t value = fuzz_u16(device->input), n = device->queue_size;

    if (!is_live(device) || n == 0)
        return;
    check_areas(device);
    uint64_t elements = is_packed(device) ? device->desc : device->device_area + 4;
    uint64_t element_bytes = is_packed(device) ? 16 : 8;
    uint64_t element = elements + element_bytes * ((what >> 3) % n);
    switch (what & 7) {
    case 0: /* how far the device has come: relative to the truth, so that it is often nearly true */
        device->used_at = (uint16_t)(device->used_at + (int8_t)value);
        if (is_packed(device))
            device->used_at = (uint16_t)(device->used_at % n);
        else
            poke(device->device_area + 2, device->used_at, 2);
        break;
    case 1:
        poke(is_packed(device) ? element + 14 : device->device_area + 2, value, 2);
        break;
    case 2:
        poke(is_packed(device) ? element + 12 : element, value & 0xff, is_packed(device) ? 2 : 4);
        break;
    case 3:
        poke(element + (is_packed(device) ? 8 : 4), (uint64_t)value << (what >> 3), 4);
        break;
    case 4:
        poke(is_packed(device) ? device->device_area : device->device_area + 4 + 8ull * n, value,
             2);
        break;
    case 5:
        poke(is_packed(device) ? device->device_area + 2 : device->device_area, value, 2);
        break;
    default:
        poke(is_packed(device) ? element + 12 : element, value | (uint32_t)what << 24, 4);
    }
    /* Who says to be done with a chain that he has not taken yet finds it changed when he does. */
    unsigned field = what & 7;
    device->scribbled |= is_packed(device) || (field != 4 && field != 5);
}

void fuzz_virtio_scribble(struct fuzz_virtio *device)
{
    struct fuzz_platform *fp = device->fp;
    uint8_t which = fuzz_u8(device->input), n_bytes = (uint8_t)(fuzz_u8(device->input) % 16 + 1);
    uint16_t at = fuzz_u16(device->input);
    uint64_t low = fuzz_bytes(device->input, n_bytes > 8 ? 8 : n_bytes);

    if (!fp->device_reaches_memory || fp->n_memory == 0)
        return;
    struct fuzz_memory *memory = &fp->memory[which % fp->n_memory];
    if (memory->kind != VST_MEMORY_SHARED)
        return;
    device->scribbled = true;
    for (unsigned i = 0; i < n_bytes; i++)
        memory->at[(at + i) % memory->bytes] = (char)(low >> (8 * (i % 8)));
}

static bool overlaps(uintptr_t address, size_t bytes, uint64_t area, size_t area_bytes)
{
    return address < area + area_bytes && area < address + bytes;
}

void fuzz_virtio_before_load(uintptr_t address, size_t bytes)
{
    struct fuzz_virtio *device = the_device;

    if (device == NULL || !device->fp->device_reaches_memory ||
        fuzz_platform_shared(device->fp, address, bytes) == NULL)
        return;
    struct areas area = area_bytes(device);
    /* What the driver wrote it knows: it must not be read back. */
    FUZZ_CHECK(is_packed(device) || !overlaps(address, bytes, device->desc, area.desc));
    FUZZ_CHECK(!overlaps(address, bytes, device->driver_area, area.driver));
    if (!device->races || fuzz_u8(device->input) < 0xe0)
        return;
    uint64_t value = fuzz_bytes(device->input, (unsigned)bytes);
    memcpy((void *)address, &value, bytes > 8 ? 8 : bytes);
    device->scribbled = true;
}

/* ---------------------------------------------------------------- registers */

static void reset(struct fuzz_virtio *device)
{
    device->status_0_written = true;
    if (device->never_resets)
        return;
    device->status = 0;
    device->queue_enabled = false;
    device->queue_size = device->offered_queue_size;
    device->avail_at = device->used_at = 0;
    device->avail_wrap = device->used_wrap = true;
    device->n_held = 0;
}

static uint32_t read_common(struct fuzz_virtio *device, uint64_t at)
{
    switch (at) {
    case 0x04:
        return device->select[0] > 1
                   ? 0
                   : (uint32_t)(device->offered_features >> 32 * device->select[0]);
    case 0x12:
        return 1;
    case 0x14:
        return device->status;
    case 0x15:
        return device->generation;
    case 0x18:
        return device->queue_select == 0 ? device->queue_size : 0;
    case 0x10:
    case 0x1a:
        return 0xffff;
    case 0x1c:
        return device->queue_enabled;
    case 0x1e:
        return device->notify_off;
    default:
        return 0;
    }
}

static void set_half(uint64_t *field, unsigned half, uint32_t value)
{
    *field &= ~(0xffffffffull << 32 * half);
    *field |= (uint64_t)value << 32 * half;
}

static void write_status(struct fuzz_virtio *device, uint8_t value)
{
    device->status_0_written = false;
    if (value == 0)
        reset(device);
    else
        device->status = value;
    if ((value & VIRTIO_STATUS_DRIVER_OK) != 0 && device->queue_enabled)
        device->fp->device_reaches_memory = true;
}

static void write_common(struct fuzz_virtio *device, uint64_t at, uint32_t value)
{
    switch (at) {
    case 0x00:
    case 0x08:
        device->select[at / 8] = value;
        break;
    case 0x0c:
        if (device->select[1] <= 1)
            set_half(&device->features, device->select[1], value);
        break;
    case 0x14:
        write_status(device, (uint8_t)value);
        break;
    case 0x16:
        device->queue_select = (uint16_t)value;
        break;
    case 0x18:
        FUZZ_CHECK(value != 0 && value <= VIRTQ_MAX_SIZE);
        device->queue_size = (uint16_t)value;
        break;
    case 0x1c:
        device->queue_enabled = value == 1;
        check_areas(device);
        break;
    case 0x20:
    case 0x24:
        set_half(&device->desc, at == 0x24, value);
        break;
    case 0x28:
    case 0x2c:
        set_half(&device->driver_area, at == 0x2c, value);
        break;
    case 0x30:
    case 0x34:
        set_half(&device->device_area, at == 0x34, value);
        break;
    default:
        break;
    }
}

/** Which structure a mapped place is, by the capabilities as the driver read them. */
static uint8_t type_of(const struct fuzz_virtio *device, const struct fuzz_region *region)
{
    const struct vst_pci_function *f = &device->function;

    for (unsigned i = 0; i < f->n_capabilities; i++) {
        uint8_t at = f->capabilities[i].offset;
        uint32_t place[2];
        if (f->capabilities[i].id != PCI_CAPABILITY_VENDOR || at > 256 - 16)
            continue;
        memcpy(place, device->pci_config + at + 8, sizeof(place));
        uint8_t bar = device->pci_config[at + 4];
        if (bar < VST_PCI_N_BARS && f->bars[bar].address + place[0] == region->physical &&
            region->bytes <= place[1]) /* the driver maps no more than it needs */
            return device->pci_config[at + 3];
    }
    return NO_TYPE;
}

/** The mapped place that holds a register. An access beyond it, or across its natural alignment, is
 * a finding. */
static struct fuzz_region *region_of(const void *reg, uint8_t width, uint64_t *offset)
{
    FUZZ_CHECK(the_device != NULL);
    fuzz_platform_step(the_device->fp);
    for (unsigned i = 0; i < the_device->n_regions; i++) {
        struct fuzz_region *region = &the_device->regions[i];
        *offset = (uintptr_t)reg - region->base;
        if (*offset >= region->bytes)
            continue;
        FUZZ_CHECK(width <= region->bytes - *offset && (region->physical + *offset) % width == 0);
        return region;
    }
    FUZZ_CHECK(!"a register outside all structures");
    return NULL;
}

static uint32_t maybe_lie(struct fuzz_virtio *device, uint32_t truth, uint8_t width)
{
    if (!device->lies || device->input->left == 0 || fuzz_u8(device->input) < 0xd0)
        return truth;
    return (uint32_t)fuzz_bytes(device->input, width);
}

uint32_t host_mmio_read(const void *reg, uint8_t width_bytes)
{
    uint64_t offset;
    struct fuzz_region *region = region_of(reg, width_bytes, &offset);
    struct fuzz_virtio *device = the_device;
    uint8_t type = type_of(device, region);
    uint32_t value = 0;

    if (type == VIRTIO_PCI_CAP_COMMON_CFG)
        value = read_common(device, offset);
    else if (type == VIRTIO_PCI_CAP_DEVICE_CFG && offset + width_bytes <= sizeof(device->config))
        memcpy(&value, device->config + offset, width_bytes);
    value = maybe_lie(device, value, width_bytes);
    if (type == VIRTIO_PCI_CAP_COMMON_CFG && offset == 0x14 && value == 0 &&
        device->status_0_written)
        device->fp->device_reaches_memory = false;
    return value;
}

void host_mmio_write(void *reg, uint8_t width_bytes, uint32_t value)
{
    uint64_t offset;
    struct fuzz_region *region = region_of(reg, width_bytes, &offset);
    struct fuzz_virtio *device = the_device;
    uint8_t type = type_of(device, region);

    if (type == VIRTIO_PCI_CAP_COMMON_CFG)
        write_common(device, offset, value);
    if (type != VIRTIO_PCI_CAP_NOTIFY_CFG)
        return;
    device->n_doorbells++;
    if (!device->answers_at_once)
        return;
    fuzz_virtio_take(device, FUZZ_MAX_HELD);
    while (is_live(device) && device->n_held > 0)
        fuzz_virtio_answer(device, 0, 0);
}

uint32_t host_port_read(uint16_t port, uint8_t width_bytes)
{
    (void)port;
    FUZZ_CHECK(the_device != NULL);
    fuzz_platform_step(the_device->fp);
    return (uint32_t)fuzz_bytes(the_device->input, width_bytes);
}

void host_port_write(uint16_t port, uint8_t width_bytes, uint32_t value)
{
    (void)port;
    (void)width_bytes;
    (void)value;
    FUZZ_CHECK(the_device != NULL);
    fuzz_platform_step(the_device->fp);
}

/* ---------------------------------------------------------------- PCI */

static uint32_t config_read(void *ctx, struct vst_pci_address address, uint16_t offset,
                            uint8_t width_bytes)
{
    struct fuzz_virtio *device = ((struct fuzz_platform *)ctx)->device;
    uint32_t value = 0;

    (void)address;
    fuzz_platform_step(device->fp);
    FUZZ_CHECK(offset % width_bytes == 0 && offset < 4096);
    if (offset + width_bytes > sizeof(device->pci_config))
        return UINT32_MAX;
    memcpy(&value, device->pci_config + offset, width_bytes);
    return maybe_lie(device, value, width_bytes);
}

static void config_write(void *ctx, struct vst_pci_address address, uint16_t offset,
                         uint8_t width_bytes, uint32_t value)
{
    struct fuzz_virtio *device = ((struct fuzz_platform *)ctx)->device;

    (void)address;
    fuzz_platform_step(device->fp);
    FUZZ_CHECK(offset % width_bytes == 0 && offset < 4096);
    /* Cut off: a device that masters no bus reaches no memory, whatever else it does. */
    if (offset == 4 && (value & 4) == 0)
        device->fp->device_reaches_memory = false;
}

static void *map_bar(void *ctx, uint64_t physical, uint64_t bytes)
{
    struct fuzz_virtio *device = ((struct fuzz_platform *)ctx)->device;
    const struct vst_pci_function *f = &device->function;
    bool inside = false;

    fuzz_platform_step(device->fp);
    for (unsigned i = 0; i < VST_PCI_N_BARS; i++)
        inside |= f->bars[i].kind != VST_PCI_BAR_NONE && f->bars[i].kind != VST_PCI_BAR_IO &&
                  f->bars[i].assigned && physical >= f->bars[i].address &&
                  physical - f->bars[i].address <= f->bars[i].bytes &&
                  bytes <= f->bars[i].bytes - (physical - f->bars[i].address);
    FUZZ_CHECK(inside && bytes > 0);
    if (device->n_regions == FUZZ_MAX_REGIONS)
        return NULL;
    struct fuzz_region *region = &device->regions[device->n_regions];
    *region = (struct fuzz_region){physical, bytes,
                                   FIRST_REGION + ((uintptr_t)device->n_regions << 36) +
                                       (uintptr_t)(physical % 4096)};
    device->n_regions++;
    return (void *)region->base;
}

static void add_capability(struct fuzz_virtio *device, uint8_t at, uint8_t type, uint32_t offset)
{
    uint8_t capability[20] = {PCI_CAPABILITY_VENDOR, 0, type == 2 ? 20 : 16, type, BAR_NUMBER};
    uint32_t bytes = 0x1000, multiplier = 4;

    memcpy(capability + 8, &offset, 4);
    memcpy(capability + 12, &bytes, 4);
    memcpy(capability + 16, &multiplier, 4);
    memcpy(device->pci_config + at, capability, capability[2]);
    device->function.capabilities[device->function.n_capabilities++] =
        (struct vst_pci_capability){PCI_CAPABILITY_VENDOR, at};
}

void fuzz_virtio_init(struct fuzz_virtio *device, struct fuzz_platform *fp)
{
    memset(device, 0, sizeof(*device));
    device->fp = fp;
    device->input = fp->input;
    device->offered_queue_size = device->queue_size = 16;
    device->avail_wrap = device->used_wrap = true;
    device->function = (struct vst_pci_function){
        .address = {0, 0, 4, 0}, .vendor_id = 0x1af4, .device_id = 0x1042, .parent = -1};
    device->function.bars[BAR_NUMBER] = (struct vst_pci_bar){.kind = VST_PCI_BAR_MEMORY64,
                                                             .assigned = true,
                                                             .address = BAR_PHYSICAL,
                                                             .bytes = BAR_BYTES};
    device->pci_config[4] = 6;
    add_capability(device, 0x40, VIRTIO_PCI_CAP_COMMON_CFG, 0);
    add_capability(device, 0x50, VIRTIO_PCI_CAP_NOTIFY_CFG, 0x1000);
    add_capability(device, 0x64, VIRTIO_PCI_CAP_ISR_CFG, 0x2000);
    add_capability(device, 0x74, VIRTIO_PCI_CAP_DEVICE_CFG, 0x3000);
    fp->device = device;
    fp->platform.pci_config_read = config_read;
    fp->platform.pci_config_write = config_write;
    fp->platform.mmio_map = map_bar;
    the_device = device;
}

void fuzz_virtio_end(void)
{
    the_device = NULL;
}
