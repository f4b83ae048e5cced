/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/ring/fake_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/virtio_pci.h"
#include "drivers/virtio_spec.h"

#define BAR_ADDRESS  0x80000000u
#define COMMON       0x000u
#define NOTIFY       0x100u
#define CONFIG       0x200u
#define BAR_BYTES    0x400u
#define QUEUE_SIZE   128u
#define RUNG_NEVER   0x5555u /* what the doorbell holds until a queue's number is written to it */
#define F_AVAIL      0x80u   /* 2.8.1: packed descriptors */
#define F_USED       0x8000u
#define EVENT_BY_POS 2u /* 2.8.10: flags of the event suppression structure */

struct desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
};
struct packed_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t id, flags;
};

static struct {
    _Alignas(64) uint8_t registers[BAR_BYTES];
    uint16_t position; /* split: of the available ring, running freely; packed: in the ring */
    bool wrap;
} fake;

/* ------------------------------------------------------------------ registers */

static void put(unsigned offset, unsigned bytes, uint64_t value)
{
    memcpy(fake.registers + offset, &value, bytes);
}

static uint64_t get(unsigned offset, unsigned bytes)
{
    uint64_t value = 0;

    memcpy(&value, fake.registers + offset, bytes);
    return value;
}

#define COMMON_FIELD(name) (COMMON + (unsigned)offsetof(struct virtio_pci_common_cfg, name))

void fake_device_start(void)
{
    memset(&fake, 0, sizeof(fake));
    fake.wrap = true;
    /*
     * Memory answers the same for both halves of the feature bits. Bit 0 is VERSION_1 in the upper
     * half and nothing in the lower one; bit 2 is RING_PACKED and SEG_MAX.
     */
    put(COMMON_FIELD(device_feature), 4,
        VIRTIO_BIT(VIRTIO_F_VERSION_1 - 32) | VIRTIO_BIT(VIRTIO_BLK_F_SEG_MAX) |
            VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC) | VIRTIO_BIT(VIRTIO_F_EVENT_IDX));
    put(COMMON_FIELD(num_queues), 2, 1);
    put(COMMON_FIELD(queue_size), 2, QUEUE_SIZE);
    put(NOTIFY, 2, RUNG_NEVER);
    put(CONFIG + VIRTIO_BLK_CONFIG_CAPACITY, 8, 1u << 20);
    put(CONFIG + VIRTIO_BLK_CONFIG_SEG_MAX, 4, QUEUE_SIZE - 2);
}

bool fake_device_was_rung(void)
{
    bool rung = get(NOTIFY, 2) != RUNG_NEVER;

    put(NOTIFY, 2, RUNG_NEVER);
    return rung;
}

/* ------------------------------------------------------------------ the ring's other end */

static void *area(unsigned low)
{
    return (void *)(uintptr_t)get(low, 8);
}

static void answer(uint64_t status_bus_addr)
{
    *(volatile uint8_t *)(uintptr_t)status_bus_addr = VIRTIO_BLK_S_OK;
}

static void run_split(void)
{
    struct desc *desc = area(COMMON_FIELD(queue_desc_low));
    volatile uint16_t *avail = area(COMMON_FIELD(queue_driver_low));
    volatile uint16_t *used = area(COMMON_FIELD(queue_device_low));
    uint16_t size = (uint16_t)get(COMMON_FIELD(queue_size), 2);

    while (fake.position != avail[1]) {
        uint16_t slot = fake.position & (uint16_t)(size - 1), head = avail[2 + slot];
        const struct desc *table = desc, *last = &desc[head];
        if (last->flags & VIRTQ_DESC_F_INDIRECT)
            last = table = (const struct desc *)(uintptr_t)last->addr;
        while (last->flags & VIRTQ_DESC_F_NEXT)
            last = &table[last->next];
        answer(last->addr);
        volatile uint32_t *element = (volatile uint32_t *)(used + 2) + 2 * slot;
        element[0] = head;
        element[1] = 1;
        fake.position++;
    }
    used[1] = fake.position;
    used[2 + 4 * size] = fake.position; /* avail_event: tell me of the next one */
}

static void advance(uint16_t n, uint16_t size)
{
    fake.position = (uint16_t)(fake.position + n);
    if (fake.position < size)
        return;
    fake.position = (uint16_t)(fake.position - size);
    fake.wrap = !fake.wrap;
}

/** Whether the descriptor is available in the device's present round. */
static bool available(uint16_t flags)
{
    return ((flags & F_AVAIL) != 0) == fake.wrap && ((flags & F_USED) != 0) != fake.wrap;
}

static void run_packed(void)
{
    volatile struct packed_desc *ring = area(COMMON_FIELD(queue_desc_low));
    volatile uint16_t *event = area(COMMON_FIELD(queue_device_low));
    uint16_t size = (uint16_t)get(COMMON_FIELD(queue_size), 2);

    while (available(ring[fake.position].flags)) {
        volatile struct packed_desc *head = &ring[fake.position], *last = head;
        uint16_t n = 1;
        for (; last->flags & VIRTQ_DESC_F_NEXT; n++)
            last = &ring[(fake.position + n) % size];
        uint64_t status = last->addr;
        if (head->flags & VIRTQ_DESC_F_INDIRECT)
            status = ((struct packed_desc *)(uintptr_t)head->addr)[head->len / 16 - 1].addr;
        answer(status);
        head->id = last->id;
        head->len = 1;
        head->flags = fake.wrap ? F_AVAIL | F_USED : 0;
        advance(n, size);
    }
    event[0] = (uint16_t)(fake.position | (fake.wrap ? 0x8000u : 0));
    event[1] = EVENT_BY_POS;
}

/** As the driver has chosen: what it wrote last are the upper feature bits. */
static bool driver_took_packed(void)
{
    return (get(COMMON_FIELD(driver_feature), 4) & VIRTIO_BIT(VIRTIO_F_RING_PACKED - 32)) != 0;
}

void fake_device_run(void)
{
    if (driver_took_packed())
        run_packed();
    else
        run_split();
}

/* ------------------------------------------------------------------ the platform */

const struct vst_pci_function fake_function = {
    .vendor_id = VST_PCI_VENDOR_VIRTIO,
    .device_id = 0x1042,
    .bars[0] = {.kind = VST_PCI_BAR_MEMORY32,
                .assigned = true,
                .address = BAR_ADDRESS,
                .bytes = BAR_BYTES},
    .n_capabilities = 3,
    .capabilities = {{PCI_CAPABILITY_VENDOR, 0x40},
                     {PCI_CAPABILITY_VENDOR, 0x60},
                     {PCI_CAPABILITY_VENDOR, 0x80}},
};

/** Configuration space: three virtio structures, all in BAR 0. (4.1.4) */
static uint32_t config_read(void *ctx, struct vst_pci_address address, uint16_t offset,
                            uint8_t width_bytes)
{
    static const uint32_t words[3][8] = {
        {VIRTIO_PCI_CAP_COMMON_CFG << 24 | 16u << 16 | PCI_CAPABILITY_VENDOR, 0, COMMON, 64},
        {VIRTIO_PCI_CAP_NOTIFY_CFG << 24 | 20u << 16 | PCI_CAPABILITY_VENDOR, 0, NOTIFY, 4, 0},
        {VIRTIO_PCI_CAP_DEVICE_CFG << 24 | 16u << 16 | PCI_CAPABILITY_VENDOR, 0, CONFIG, 64},
    };

    (void)ctx;
    (void)address;
    (void)width_bytes;
    return offset >= 0x40 && offset < 0xa0 ? words[(offset - 0x40) / 0x20][offset % 0x20 / 4] : 0;
}

static void config_write(void *ctx, struct vst_pci_address address, uint16_t offset,
                         uint8_t width_bytes, uint32_t value)
{
    (void)ctx;
    (void)address;
    (void)offset;
    (void)width_bytes;
    (void)value;
}

static void *map(void *ctx, uint64_t physical, uint64_t bytes)
{
    (void)ctx;
    (void)bytes;
    return fake.registers + (physical - BAR_ADDRESS);
}

static void *give(void *ctx, size_t bytes, size_t align_bytes, enum vst_memory_kind kind,
                  uint64_t *bus_addr)
{
    size_t whole = (bytes + align_bytes - 1) & ~(align_bytes - 1);
    void *memory = aligned_alloc(align_bytes, whole);

    (void)ctx;
    (void)kind;
    memset(memory, 0, whole);
    if (bus_addr != NULL)
        *bus_addr = (uintptr_t)memory;
    return memory;
}

static void take(void *ctx, void *memory, size_t bytes, enum vst_memory_kind kind)
{
    (void)ctx;
    (void)bytes;
    (void)kind;
    free(memory);
}

static uint64_t time_stands_still(void *ctx)
{
    (void)ctx;
    return 0;
}

static void relax(void *ctx)
{
    (void)ctx;
    fake_device_run(); /* attach waits for an answer */
}

static void log_line(void *ctx, enum vst_log_level level, const char *text)
{
    (void)ctx;
    (void)level;
    fprintf(stderr, "%s\n", text);
}

const struct vst_platform fake_platform = {
    .pci_config_read = config_read,
    .pci_config_write = config_write,
    .mmio_map = map,
    .alloc = give,
    .free = take,
    .time_ns = time_stands_still,
    .relax = relax,
    .log = log_line,
};
