/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/fake_virtio_fronts.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_machine.h"

enum { WINDOW_AT = 0xa0, NOTIFY_PIO_AT = 0x84 };
#define BAR_PHYSICAL     0xc000004000ull
#define LEGACY_PHYSICAL  0xd0000000ull
#define LEGACY_BAR_BYTES 128u

static void misuse(struct fake_virtio_front *front, const char *what)
{
    fake_virtio_blk_misuse(front->blk, what);
}

static struct fake_virtio_front *front_of(void *platform_ctx)
{
    return ((struct fake_virtio_blk *)((struct fake_platform *)platform_ctx)->device)->front;
}

/* ---------------------------------------------------------------- legacy rings (2.7.2) */

/* One piece: descriptors, available ring, and the used ring on the next boundary. */
static void place_rings(struct fake_virtio_front *front, uint32_t page, uint32_t page_bytes,
                        uint32_t align)
{
    struct fake_blk_queue *q = fake_virtio_blk_selected(front->blk, true);

    q->page_number = page;
    q->enabled = page != 0;
    q->desc = (uint64_t)page * page_bytes;
    q->avail = q->desc + 16ull * q->size;
    uint64_t end = q->avail + 2ull * (3u + q->size);
    q->used = (end + align - 1) / align * align;
}

static void write_features_low(struct fake_virtio_front *front, uint32_t value)
{
    struct fake_virtio_blk *blk = front->blk;

    blk->n_features_written++;
    blk->driver_features = value;
    if (value & ~(uint32_t)blk->offered_features)
        misuse(front, "feature taken that was not offered");
}

static void write_status(struct fake_virtio_front *front, uint32_t value)
{
    if (value == 0) {
        front->page_bytes = front->align_bytes = 0;
    }
    if (value > 0xff)
        misuse(front, "status of more than eight bits");
    fake_virtio_blk_write_status(front->blk, (uint8_t)value);
}

/* ---------------------------------------------------------------- virtio-pci legacy (4.1.4.10) */

static uint32_t legacy_config_at(const struct fake_virtio_front *front)
{
    return front->blk->pci_config[FAKE_MSIX_AT + 3] & 0x80 ? 24 : 20;
}

static uint8_t legacy_width(uint64_t at)
{
    return at < 12 ? 4 : at < 18 ? 2 : at < 20 ? 1 : 2;
}

static void check_legacy(struct fake_virtio_front *front, uint64_t at, uint8_t width_bytes)
{
    if (at < legacy_config_at(front) && (width_bytes != legacy_width(at) || at % width_bytes != 0))
        misuse(front, "legacy register reached with the wrong width");
}

static uint32_t legacy_read(struct fake_virtio_front *front, uint64_t at, uint8_t width_bytes)
{
    struct fake_virtio_blk *blk = front->blk;
    const struct fake_blk_queue *q = fake_virtio_blk_selected(blk, false);

    if (fake_virtio_blk_is_out(blk))
        return UINT32_MAX >> (32 - 8 * width_bytes);
    check_legacy(front, at, width_bytes);
    if (at >= legacy_config_at(front)) {
        if (blk->generation_always_changes)
            blk->config[8]++;
        return fake_virtio_blk_read_config(blk, at - legacy_config_at(front), width_bytes);
    }
    switch (at) {
    case 0:
        return (uint32_t)blk->offered_features;
    case 8:
        return front->queue_in_use ? 0x1234 : front->forgets_page ? 0 : q->page_number;
    case 12:
        return q->offered_size != 0 ? q->size : 0;
    case 18:
        return fake_virtio_blk_read_status(blk);
    case 19:
        return fake_virtio_blk_read_isr(blk);
    case 20:
        return blk->config_vector;
    case 22:
        return q->vector;
    default:
        return 0xffff;
    }
}

static void write_legacy_vector(struct fake_virtio_front *front, bool of_config, uint16_t value)
{
    struct fake_virtio_blk *blk = front->blk;
    struct fake_blk_queue *q = of_config ? NULL : fake_virtio_blk_selected(blk, true);

    fake_virtio_blk_set_vector(blk, of_config ? &blk->config_vector : &q->vector,
                               of_config ? blk->n_config_vectors_taken : q->n_vectors_taken, value);
}

static void legacy_write(struct fake_virtio_front *front, uint64_t at, uint8_t width_bytes,
                         uint32_t value)
{
    struct fake_virtio_blk *blk = front->blk;

    if (fake_virtio_blk_is_out(blk))
        return;
    check_legacy(front, at, width_bytes);
    if (legacy_config_at(front) == 24 && (at == 20 || at == 22)) {
        write_legacy_vector(front, at == 20, (uint16_t)value);
        return;
    }
    if (at != 18 && at != 14 && !(blk->status & 2))
        misuse(front, "configured before DRIVER");
    switch (at) {
    case 4:
        write_features_low(front, value);
        break;
    case 8:
        place_rings(front, value, 4096, 4096);
        break;
    case 14:
        blk->queue_select = (uint16_t)value;
        break;
    case 16:
        fake_virtio_blk_doorbell(blk, width_bytes == 2, value);
        break;
    case 18:
        write_status(front, value);
        break;
    default:
        if (at < 20)
            misuse(front, "write to a register that is read only");
        if (at >= legacy_config_at(front))
            fake_virtio_blk_write_config(blk, at - legacy_config_at(front), width_bytes, value);
    }
}

static uint32_t legacy_port_read(void *ctx, uint16_t at, uint8_t width_bytes)
{
    return legacy_read(ctx, at, width_bytes);
}
static void legacy_port_write(void *ctx, uint16_t at, uint8_t width_bytes, uint32_t value)
{
    legacy_write(ctx, at, width_bytes, value);
}
static uint32_t legacy_mmio_read(void *ctx, uint64_t at, uint8_t width_bytes)
{
    return legacy_read(ctx, at, width_bytes);
}
static void legacy_mmio_write(void *ctx, uint64_t at, uint8_t width_bytes, uint32_t value)
{
    legacy_write(ctx, at, width_bytes, value);
}

static const struct fake_port_ops legacy_ports = {legacy_port_read, legacy_port_write};
static const struct fake_mmio_ops legacy_memory = {legacy_mmio_read, legacy_mmio_write};

/* ---------------------------------------------------------------- virtio-mmio (4.2.2, 4.2.4) */

static uint32_t mmio_read(void *ctx, uint64_t at, uint8_t width_bytes)
{
    struct fake_virtio_front *front = ctx;
    struct fake_virtio_blk *blk = front->blk;
    struct fake_blk_queue *q = fake_virtio_blk_selected(blk, false);

    if (at >= 0x100) {
        if (blk->generation_always_changes && blk->legacy)
            blk->config[8]++;
        return fake_virtio_blk_read_config(blk, at - 0x100, width_bytes);
    }
    if (width_bytes != 4 || at % 4 != 0)
        misuse(front, "control register not read with 32 bits");
    front->n_other_reads += at > 8;
    switch (at) {
    case 0x000:
        return front->magic;
    case 0x004:
        return front->version;
    case 0x008:
        return front->type;
    case 0x010:
        return blk->feature_select[0] > 1
                   ? 0
                   : (uint32_t)(blk->offered_features >> (32 * blk->feature_select[0]));
    case 0x034:
        return q->offered_size | front->high_bits;
    case 0x040:
        if (!blk->legacy)
            break;
        return front->queue_in_use ? 0x1234 : front->forgets_page ? 0 : q->page_number;
    case 0x044:
        if (blk->legacy)
            break;
        return front->queue_in_use ? 1 : front->forgets_page ? 0 : q->enabled;
    case 0x060:
        return blk->isr | 0x80; /* an undefined bit: to be ignored */
    case 0x070:
        return fake_virtio_blk_read_status(blk) | front->high_bits;
    case 0x0c0:
        return fake_virtio_blk_queue_resetting(q);
    case 0x0fc:
        if (blk->legacy)
            break;
        return (blk->generation_always_changes ? blk->generation++ : blk->generation) | 0x100u;
    default:
        break;
    }
    misuse(front, "read of a register that this version does not have or that is write only");
    return 0;
}

static void mmio_write_2(struct fake_virtio_front *front, uint64_t at, uint32_t value)
{
    struct fake_virtio_blk *blk = front->blk;
    struct fake_blk_queue *q = fake_virtio_blk_selected(blk, true);
    uint64_t *address = at < 0x90 ? &q->desc : at < 0xa0 ? &q->avail : &q->used;
    bool high = at % 16 == 4;

    if (!(blk->status & 8))
        misuse(front, "queue touched before FEATURES_OK");
    switch (at) {
    case 0x044:
        q->enabled = value == 1;
        break;
    case 0x080:
    case 0x084:
    case 0x090:
    case 0x094:
    case 0x0a0:
    case 0x0a4:
        if (q->enabled)
            misuse(front, "queue moved while ready");
        *address = high ? (*address & UINT32_MAX) | (uint64_t)value << 32
                        : (*address & ~(uint64_t)UINT32_MAX) | value;
        break;
    case 0x0c0:
        fake_virtio_blk_queue_reset(q, value);
        break;
    default:
        misuse(front, "write to a register that version 2 does not have");
    }
}

static void mmio_write_1(struct fake_virtio_front *front, uint64_t at, uint32_t value)
{
    switch (at) {
    case 0x028:
        front->page_bytes = value;
        break;
    case 0x03c:
        front->align_bytes = value;
        break;
    case 0x040:
        if (!vst_is_power_of_two(front->page_bytes) || !vst_is_power_of_two(front->align_bytes))
            misuse(front, "queue placed before page size and alignment");
        else
            place_rings(front, value, front->page_bytes, front->align_bytes);
        break;
    default:
        misuse(front, "write to a register that version 1 does not have");
    }
}

static void mmio_write_feature(struct fake_virtio_front *front, uint32_t value)
{
    struct fake_virtio_blk *blk = front->blk;

    if (blk->feature_select[1] == 0)
        write_features_low(front, value);
    else if (blk->feature_select[1] == 1)
        blk->driver_features |= (uint64_t)value << 32;
    if (blk->driver_features & ~blk->offered_features)
        misuse(front, "feature taken that was not offered");
}

static void mmio_write_size(struct fake_virtio_front *front, uint32_t value)
{
    struct fake_blk_queue *q = fake_virtio_blk_selected(front->blk, true);

    if ((!vst_is_power_of_two(value) && !(front->blk->driver_features & 1ull << 34)) ||
        value == 0 || value > q->offered_size)
        misuse(front, "queue size not a power of two or above the offer");
    q->size = (uint16_t)value;
}

static void mmio_write(void *ctx, uint64_t at, uint8_t width_bytes, uint32_t value)
{
    struct fake_virtio_front *front = ctx;
    struct fake_virtio_blk *blk = front->blk;

    if (at >= 0x100) {
        fake_virtio_blk_write_config(blk, at - 0x100, width_bytes, value);
        return;
    }
    if (width_bytes != 4 || at % 4 != 0)
        misuse(front, "control register not written with 32 bits");
    if (at != 0x070 && !(blk->status & 2))
        misuse(front, "configured before DRIVER");
    switch (at) {
    case 0x014:
        blk->feature_select[0] = value;
        break;
    case 0x020:
        mmio_write_feature(front, value);
        break;
    case 0x024:
        blk->feature_select[1] = value;
        break;
    case 0x030:
        blk->queue_select = (uint16_t)value;
        break;
    case 0x038:
        mmio_write_size(front, value);
        break;
    case 0x050:
        fake_virtio_blk_doorbell(blk, true, value);
        break;
    case 0x064:
        if (value & ~3u)
            misuse(front, "undefined interrupt acknowledged");
        blk->isr &= (uint8_t)~value;
        break;
    case 0x070:
        write_status(front, value);
        break;
    default:
        if (blk->legacy)
            mmio_write_1(front, at, value);
        else
            mmio_write_2(front, at, value);
    }
}

static const struct fake_mmio_ops mmio_ops = {mmio_read, mmio_write};

static void *map_registers(void *ctx, uint64_t physical, uint64_t bytes)
{
    struct fake_virtio_front *front = front_of(ctx);
    uint64_t base = front->is_mmio ? FAKE_MMIO_PHYSICAL : LEGACY_PHYSICAL;

    return physical == base && bytes <= FAKE_MMIO_BYTES
               ? front->registers
               : fake_virtio_blk_map_msix(front->blk, physical, bytes);
}

static void *map_nothing(void *ctx, uint64_t physical, uint64_t bytes)
{
    (void)ctx;
    (void)physical;
    (void)bytes;
    return NULL;
}

/* ---------------------------------------------------------------- the window (4.1.4.9) */

static uint32_t word_of(const struct fake_virtio_blk *blk, unsigned at)
{
    uint32_t value;
    memcpy(&value, blk->pci_config + at, 4);
    return value;
}

/* Where the window leads, if to a place that a capability names; false is the driver's fault. */
static bool window_target(struct fake_virtio_front *front, uint8_t width_bytes, uint32_t *offset)
{
    const struct fake_virtio_blk *blk = front->blk;
    uint32_t length = word_of(blk, WINDOW_AT + 12);

    *offset = word_of(blk, WINDOW_AT + 8);
    if (length == width_bytes && *offset % length == 0 && blk->pci_config[WINDOW_AT + 4] == 4 &&
        *offset + length <= FAKE_BLK_BAR_BYTES)
        return true;
    misuse(front, "window used for a place that it must not lead to");
    return false;
}

static bool is_data(uint16_t offset)
{
    return offset >= WINDOW_AT + 16 && offset < WINDOW_AT + 20;
}

static uint32_t window_config_read(void *ctx, struct vst_pci_address address, uint16_t offset,
                                   uint8_t width_bytes)
{
    struct fake_virtio_front *front = front_of(ctx);
    uint32_t value = 0, target;

    (void)address;
    if (fake_virtio_blk_is_out(front->blk))
        return UINT32_MAX >> (32 - 8 * width_bytes);
    if (is_data(offset))
        return window_target(front, width_bytes, &target)
                   ? fake_virtio_blk_bar_read(front->blk, target, width_bytes)
                   : UINT32_MAX;
    if (offset + width_bytes <= (int)sizeof(front->blk->pci_config))
        memcpy(&value, front->blk->pci_config + offset, width_bytes);
    return value;
}

static void window_config_write(void *ctx, struct vst_pci_address address, uint16_t offset,
                                uint8_t width_bytes, uint32_t value)
{
    struct fake_virtio_front *front = front_of(ctx);
    uint32_t target;

    (void)address;
    if (fake_virtio_blk_is_out(front->blk))
        return;
    if (is_data(offset)) {
        if (!window_target(front, width_bytes, &target))
            return;
        front->n_window_doorbells += target >= 0x1000 && target < 0x2000;
        fake_virtio_blk_bar_write(front->blk, target, width_bytes, value);
        return;
    }
    bool in_window = offset >= WINDOW_AT && offset < WINDOW_AT + 16;
    bool stuck = front->window_stuck_at != 0 && offset == WINDOW_AT + front->window_stuck_at;
    if (!(in_window && (front->window_is_dead || stuck)))
        fake_virtio_blk_config_write(front->blk, offset, width_bytes, value);
}

static void add_window(struct fake_virtio_front *front)
{
    struct fake_virtio_blk *blk = front->blk;
    static const uint8_t capability[20] = {9, 0, 20, 5};

    memcpy(blk->pci_config + WINDOW_AT, capability, sizeof(capability));
    blk->function.capabilities[blk->function.n_capabilities++] =
        (struct vst_pci_capability){9, WINDOW_AT};
    blk->fake_platform->platform.pci_config_read = window_config_read;
    blk->fake_platform->platform.pci_config_write = window_config_write;
}

/* ---------------------------------------------------------------- a doorbell in an I/O BAR */

static uint32_t notify_port_read(void *ctx, uint16_t at, uint8_t width_bytes)
{
    (void)at;
    (void)width_bytes;
    misuse(ctx, "doorbell read");
    return 0;
}

static void notify_port_write(void *ctx, uint16_t at, uint8_t width_bytes, uint32_t value)
{
    struct fake_virtio_front *front = ctx;

    if (fake_virtio_blk_is_out(front->blk))
        return;
    if (at != 0)
        misuse(front, "doorbell rung at the wrong port");
    front->n_port_doorbells++;
    fake_virtio_blk_doorbell(front->blk, width_bytes == fake_virtio_blk_doorbell_bytes(front->blk),
                             value);
}

static const struct fake_port_ops notify_ports = {notify_port_read, notify_port_write};

static void add_notify_ports(struct fake_virtio_front *front)
{
    struct fake_virtio_blk *blk = front->blk;
    /* Multiplier 0: one doorbell for all. Offset 0, length 4, BAR 2. */
    static const uint8_t capability[20] = {9, 0, 20, 2, 2, [12] = 4};

    memcpy(blk->pci_config + NOTIFY_PIO_AT, capability, sizeof(capability));
    blk->function.capabilities[blk->function.n_capabilities++] =
        (struct vst_pci_capability){9, NOTIFY_PIO_AT};
    blk->function.bars[2] = (struct vst_pci_bar){
        .kind = VST_PCI_BAR_IO, .assigned = true, .address = FAKE_NOTIFY_PORTS, .bytes = 4};
    fake_port_register(FAKE_NOTIFY_PORTS, 4, &notify_ports, front);
    if (front->kind == FAKE_PIO_ONLY)
        blk->pci_config[0x50 + 4] = 5; /* the upper half of BAR 4: no BAR */
    front->choice.notify_by_port = front->kind == FAKE_PIO_ASKED;
}

/* ---------------------------------------------------------------- choosing */

static void become_legacy(struct fake_virtio_front *front)
{
    struct fake_virtio_blk *blk = front->blk;
    bool ports = front->kind != FAKE_LEGACY_MEMORY;

    blk->legacy = true;
    blk->fake_platform->shared_is_low = true;
    blk->function.device_id = 0x1001;
    blk->function.bars[0] = (struct vst_pci_bar){
        .kind = ports ? VST_PCI_BAR_IO : VST_PCI_BAR_MEMORY32,
        .assigned = true,
        .address = ports ? FAKE_LEGACY_PORTS : LEGACY_PHYSICAL,
        .bytes = LEGACY_BAR_BYTES,
    };
    if (front->kind == FAKE_LEGACY_ASKED)
        front->choice.way = VST_VIRTIO_PCI_LEGACY;
    else
        blk->function.n_capabilities = 0;
    if (front->kind == FAKE_LEGACY_MSIX) {
        blk->function.capabilities[blk->function.n_capabilities++] =
            (struct vst_pci_capability){0x11, FAKE_MSIX_AT};
        blk->pci_config[FAKE_MSIX_AT + 3] = 0x80;
    }
    blk->fake_platform->platform.mmio_map = map_registers;
    if (ports)
        fake_port_register(FAKE_LEGACY_PORTS, LEGACY_BAR_BYTES, &legacy_ports, front);
    else
        fake_mmio_register(front->registers, LEGACY_BAR_BYTES, &legacy_memory, front);
}

static void become_mmio(struct fake_virtio_front *front)
{
    struct fake_virtio_blk *blk = front->blk;

    front->is_mmio = true;
    front->magic = 0x74726976;
    front->version = front->kind == FAKE_MMIO_1 ? 1 : 2;
    front->type = 2;
    blk->legacy = front->kind == FAKE_MMIO_1;
    blk->fake_platform->shared_is_low = blk->legacy;
    blk->fake_platform->platform.mmio_map = map_registers;
    fake_mmio_register(front->registers, FAKE_MMIO_BYTES, &mmio_ops, front);
}

void fake_virtio_front_use(struct fake_virtio_front *front, struct fake_virtio_blk *blk,
                           enum fake_front kind)
{
    *front = (struct fake_virtio_front){.blk = blk, .kind = kind};
    blk->front = front;
    front->registers = blk->bar; /* a range that is nobody else's */
    if (kind != FAKE_MODERN && kind != FAKE_PIO_ASKED && kind != FAKE_PIO_ONLY)
        fake_machine_reset(); /* the modern registers answer no direct access any more */
    switch (kind) {
    case FAKE_WINDOW:
        blk->function.bars[4].assigned = false;
        add_window(front);
        break;
    case FAKE_WINDOW_UNMAPPED:
        blk->fake_platform->platform.mmio_map = map_nothing;
        add_window(front);
        break;
    case FAKE_WINDOW_ASKED:
        front->choice.way = VST_VIRTIO_PCI_WINDOW;
        add_window(front);
        break;
    case FAKE_PIO_ASKED:
    case FAKE_PIO_ONLY:
        add_notify_ports(front);
        break;
    case FAKE_LEGACY:
    case FAKE_LEGACY_MEMORY:
    case FAKE_LEGACY_MSIX:
    case FAKE_LEGACY_ASKED:
        become_legacy(front);
        break;
    case FAKE_MMIO_1:
    case FAKE_MMIO_2:
        become_mmio(front);
        break;
    default:
        break;
    }
}
