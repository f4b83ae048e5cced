/* SPDX-License-Identifier: BSD-2-Clause */
/* The device's registers, whatever front they stand behind: a table for each front says which field
 * lies where, and the fields mean the same everywhere. */
#include "tests/fuzz/fuzz_virtio.h"

#include <string.h>

#include "drivers/virtio_spec.h"

static struct fuzz_virtio *the_device;

struct fuzz_virtio *fuzz_virtio_current(void)
{
    return the_device;
}

/* ---------------------------------------------------------------- which field lies where */

enum field {
    F_NONE,
    F_OFFER_SELECT,
    F_OFFER,
    F_TAKE_SELECT,
    F_TAKE,
    F_CONFIG_VECTOR,
    F_N_QUEUES,
    F_STATUS,
    F_GENERATION,
    F_QUEUE,
    F_QUEUE_SIZE,
    F_VECTOR,
    F_ENABLE,
    F_NOTIFY_OFF,
    F_DESC,
    F_DESC_HIGH,
    F_DRIVER,
    F_DRIVER_HIGH,
    F_DEVICE,
    F_DEVICE_HIGH,
    F_QUEUE_RESET,
    F_PAGE_BYTES,
    F_ALIGN_BYTES,
    F_PAGE,
    F_DOORBELL,
    F_INTERRUPTS,
    F_ACKNOWLEDGE,
    F_MAGIC,
    F_VERSION,
    F_TYPE,
    F_CONFIG,
};

/* 4.1.4.3 */
static const uint8_t common_fields[] = {
    [0x00] = F_OFFER_SELECT,  [0x04] = F_OFFER,      [0x08] = F_TAKE_SELECT, [0x0c] = F_TAKE,
    [0x10] = F_CONFIG_VECTOR, [0x12] = F_N_QUEUES,   [0x14] = F_STATUS,      [0x15] = F_GENERATION,
    [0x16] = F_QUEUE,         [0x18] = F_QUEUE_SIZE, [0x1a] = F_VECTOR,      [0x1c] = F_ENABLE,
    [0x1e] = F_NOTIFY_OFF,    [0x20] = F_DESC,       [0x24] = F_DESC_HIGH,   [0x28] = F_DRIVER,
    [0x2c] = F_DRIVER_HIGH,   [0x30] = F_DEVICE,     [0x34] = F_DEVICE_HIGH, [0x3a] = F_QUEUE_RESET,
};

/* 4.1.4.10; vectors only while MSI-X is enabled */
static const uint8_t legacy_fields[] = {
    [0] = F_OFFER,          [4] = F_TAKE,      [8] = F_PAGE,    [12] = F_QUEUE_SIZE,
    [14] = F_QUEUE,         [16] = F_DOORBELL, [18] = F_STATUS, [19] = F_INTERRUPTS,
    [20] = F_CONFIG_VECTOR, [22] = F_VECTOR,
};

/* 4.2.2, 4.2.4 */
static const uint8_t mmio_fields[] = {
    [0x000] = F_MAGIC,       [0x004] = F_VERSION,      [0x008] = F_TYPE,
    [0x010] = F_OFFER,       [0x014] = F_OFFER_SELECT, [0x020] = F_TAKE,
    [0x024] = F_TAKE_SELECT, [0x028] = F_PAGE_BYTES,   [0x030] = F_QUEUE,
    [0x034] = F_QUEUE_SIZE,  [0x038] = F_QUEUE_SIZE,   [0x03c] = F_ALIGN_BYTES,
    [0x040] = F_PAGE,        [0x044] = F_ENABLE,       [0x050] = F_DOORBELL,
    [0x060] = F_INTERRUPTS,  [0x064] = F_ACKNOWLEDGE,  [0x070] = F_STATUS,
    [0x080] = F_DESC,        [0x084] = F_DESC_HIGH,    [0x090] = F_DRIVER,
    [0x094] = F_DRIVER_HIGH, [0x0a0] = F_DEVICE,       [0x0a4] = F_DEVICE_HIGH,
    [0x0c0] = F_QUEUE_RESET, [0x0fc] = F_GENERATION,
};

/** Also tells where the configuration begins, for F_CONFIG. */
static enum field field_at(const struct fuzz_virtio *device, uint8_t place, uint64_t at,
                           uint64_t *config_at)
{
    uint64_t legacy_end = fuzz_front_msix_is_enabled(device) ? 24 : 20;

    *config_at = at;
    switch (place) {
    case VIRTIO_PCI_CAP_COMMON_CFG:
        return at < sizeof(common_fields) ? (enum field)common_fields[at] : F_NONE;
    case VIRTIO_PCI_CAP_NOTIFY_CFG:
        return F_DOORBELL;
    case VIRTIO_PCI_CAP_ISR_CFG:
        return at == 0 ? F_INTERRUPTS : F_NONE;
    case VIRTIO_PCI_CAP_DEVICE_CFG:
        return F_CONFIG;
    case FUZZ_PLACE_LEGACY:
        *config_at = at - legacy_end;
        return at < legacy_end ? (enum field)legacy_fields[at] : F_CONFIG;
    case FUZZ_PLACE_MMIO:
        *config_at = at - 0x100;
        if (at >= 0x100)
            return F_CONFIG;
        return at < sizeof(mmio_fields) ? (enum field)mmio_fields[at] : F_NONE;
    default:
        return F_NONE;
    }
}

/* ---------------------------------------------------------------- reset */

static void forget_all(struct fuzz_virtio *device)
{
    device->n_resets++;
    device->status = device->interrupts = 0;
    device->features = 0;
    device->config_vector = 0xffff;
    device->page_bytes = device->align_bytes = 0;
    for (unsigned i = 0; i < FUZZ_MAX_QUEUES; i++)
        fuzz_queue_forget(device, i);
}

static void write_status(struct fuzz_virtio *device, uint8_t value)
{
    device->status_0_written = value == 0;
    if (value != 0)
        device->status = value;
    else if (!device->never_resets)
        forget_all(device);
    if ((value & VIRTIO_STATUS_DRIVER_OK) == 0)
        return;
    FUZZ_CHECK(fuzz_front_masters_bus(device) || device->dishonest);
    for (unsigned i = 0; i < device->n_queues; i++)
        device->fp->device_reaches_memory |= device->queues[i].enabled;
}

/** A reset that the driver was told is done is done, whether the device lied or not: from here on
 * the driver may do with the memory what it likes. */
static void told_status(struct fuzz_virtio *device, uint32_t value)
{
    if (value != 0 || !device->status_0_written)
        return;
    forget_all(device);
    device->fp->device_reaches_memory = false;
}

static struct fuzz_queue *selected(struct fuzz_virtio *device)
{
    return device->queue_select < device->n_queues ? &device->queues[device->queue_select] : NULL;
}

static void reset_queue(struct fuzz_virtio *device, struct fuzz_queue *q)
{
    device->n_queue_resets++;
    if (!device->never_resets)
        fuzz_queue_forget(device, q->index);
    q->resetting = device->never_resets;
}

/** What was told of a field is what the device has to live with. */
static void told(struct fuzz_virtio *device, enum field field, uint32_t value)
{
    struct fuzz_queue *q = selected(device);
    unsigned half = device->select[0] & 1;

    switch (field) {
    case F_STATUS:
        told_status(device, value);
        break;
    case F_OFFER:
        device->told_features &= ~(0xffffffffull << 32 * half);
        device->told_features |= (uint64_t)value << 32 * half;
        break;
    case F_QUEUE_SIZE:
        if (q != NULL && !q->enabled && value != 0 && value <= VIRTQ_MAX_SIZE)
            q->size = (uint16_t)value;
        break;
    case F_QUEUE_RESET:
        if (q != NULL && q->resetting && value != 1)
            fuzz_queue_forget(device, q->index);
        break;
    default:
        break;
    }
}

/* ---------------------------------------------------------------- reading */

static uint32_t read_of_queue(struct fuzz_virtio *device, enum field field)
{
    const struct fuzz_queue *q = selected(device);

    if (q == NULL)
        return 0;
    switch (field) {
    case F_QUEUE_SIZE:
        return q->size;
    case F_VECTOR:
        return q->vector;
    case F_ENABLE:
        return q->enabled;
    case F_NOTIFY_OFF:
        return device->notify_off + q->index;
    case F_QUEUE_RESET:
        return q->resetting;
    default: /* F_PAGE */
        return (uint32_t)(q->desc / 4096);
    }
}

static uint32_t read_interrupts(struct fuzz_virtio *device)
{
    uint8_t value = device->interrupts;

    if (device->front < FUZZ_MMIO_1)
        device->interrupts = 0;
    return value;
}

static uint32_t read_config(const struct fuzz_virtio *device, uint64_t at, uint8_t width)
{
    uint32_t value = 0;

    if (at + width <= sizeof(device->config))
        memcpy(&value, device->config + at, width);
    return value;
}

static uint32_t read_field(struct fuzz_virtio *device, enum field field)
{
    switch (field) {
    case F_OFFER:
        return device->select[0] > 1
                   ? 0
                   : (uint32_t)(device->offered_features >> 32 * device->select[0]);
    case F_CONFIG_VECTOR:
        return device->config_vector;
    case F_N_QUEUES:
        return device->n_queues;
    case F_STATUS:
        return device->status;
    case F_GENERATION:
        return device->generation;
    case F_INTERRUPTS:
        return read_interrupts(device);
    case F_MAGIC:
        return 0x74726976;
    case F_VERSION:
        return device->front == FUZZ_MMIO_1 ? 1 : 2;
    case F_TYPE:
        return device->kind->type;
    case F_QUEUE_SIZE:
    case F_VECTOR:
    case F_ENABLE:
    case F_NOTIFY_OFF:
    case F_QUEUE_RESET:
    case F_PAGE:
        return read_of_queue(device, field);
    default:
        return 0;
    }
}

static uint32_t maybe_lie(struct fuzz_virtio *device, uint32_t truth, uint8_t width)
{
    if (!device->lies || device->input->left == 0 || fuzz_u8(device->input) < 0xd0)
        return truth;
    return (uint32_t)fuzz_bytes(device->input, width);
}

uint32_t fuzz_virtio_read(struct fuzz_virtio *device, uint8_t place, uint64_t at, uint8_t width)
{
    uint64_t config_at;
    enum field field = field_at(device, place, at, &config_at);
    uint32_t value =
        field == F_CONFIG ? read_config(device, config_at, width) : read_field(device, field);

    if (place == FUZZ_PLACE_MSIX && at + width <= sizeof(device->msix_table))
        memcpy(&value, device->msix_table + at, width);
    value = maybe_lie(device, value, width) & UINT32_MAX >> (32 - 8 * width);
    told(device, field, value);
    return value;
}

/* ---------------------------------------------------------------- writing */

/** A fact about what the driver writes; where it was misled the write is ignored. */
#define HOLD_OR_IGNORE(device, fact)                                                               \
    do {                                                                                           \
        FUZZ_CHECK((fact) || fuzz_virtio_misleads(device));                                        \
        if (!(fact))                                                                               \
            return;                                                                                \
    } while (0)

static void take_features(struct fuzz_virtio *device, uint32_t value)
{
    unsigned half = device->select[1] & 1;
    uint64_t features = device->features & ~(0xffffffffull << 32 * half);

    features |= (uint64_t)value << 32 * half;
    HOLD_OR_IGNORE(device, (features & ~device->told_features) == 0);
    HOLD_OR_IGNORE(device, (device->status & VIRTIO_STATUS_FEATURES_OK) == 0);
    device->features = features;
}

static void enable_queue(struct fuzz_virtio *device, struct fuzz_queue *q)
{
    HOLD_OR_IGNORE(device, fuzz_queue_is_sound(device, q));
    q->enabled = true;
}

/* 2.7.2: one piece; the used ring stands on the next page. */
static void place_legacy(struct fuzz_virtio *device, struct fuzz_queue *q, uint32_t page)
{
    uint64_t end;

    HOLD_OR_IGNORE(device, !q->enabled && page != 0);
    FUZZ_CHECK(device->front != FUZZ_MMIO_1 ||
               (device->page_bytes == 4096 && device->align_bytes == 4096));
    q->desc = (uint64_t)page * 4096;
    q->driver_area = q->desc + 16ull * q->size;
    end = q->driver_area + 6 + 2ull * q->size;
    q->device_area = (end + 4095) / 4096 * 4096;
    enable_queue(device, q);
}

static void place_area(struct fuzz_queue *q, enum field field, uint32_t value)
{
    uint64_t *area = field <= F_DESC_HIGH     ? &q->desc
                     : field <= F_DRIVER_HIGH ? &q->driver_area
                                              : &q->device_area;
    bool is_high = field == F_DESC_HIGH || field == F_DRIVER_HIGH || field == F_DEVICE_HIGH;

    *area &= ~(0xffffffffull << 32 * is_high);
    *area |= (uint64_t)value << 32 * is_high;
}

static uint16_t vector_taken(const struct fuzz_virtio *device, uint32_t value)
{
    return value < device->n_vectors ? (uint16_t)value : 0xffff;
}

static void write_of_queue(struct fuzz_virtio *device, enum field field, uint32_t value)
{
    struct fuzz_queue *q = selected(device);

    if (q == NULL)
        return;
    if (field == F_QUEUE_RESET) {
        reset_queue(device, q);
        return;
    }
    HOLD_OR_IGNORE(device, !q->enabled);
    switch (field) {
    case F_QUEUE_SIZE:
        HOLD_OR_IGNORE(device, value != 0 && value <= VIRTQ_MAX_SIZE);
        q->size = (uint16_t)value;
        break;
    case F_VECTOR:
        q->vector = vector_taken(device, value);
        break;
    case F_ENABLE:
        HOLD_OR_IGNORE(device, value == 1);
        enable_queue(device, q);
        break;
    case F_PAGE:
        place_legacy(device, q, value);
        break;
    default:
        place_area(q, field, value);
    }
}

static void ring_doorbell(struct fuzz_virtio *device, uint32_t value, uint8_t width)
{
    unsigned queue = value & 0xffff;

    device->n_doorbells++;
    fuzz_queue_check_doorbell(device, value, width);
    if (device->n_prompt == 0 || queue >= device->n_queues)
        return;
    device->n_prompt--;
    fuzz_virtio_take(device, queue, FUZZ_MAX_HELD);
    for (unsigned n = device->queues[queue].n_held; n > 0; n--)
        fuzz_virtio_answer(device, queue, 0, 0);
}

static void write_field(struct fuzz_virtio *device, enum field field, uint8_t width, uint32_t value)
{
    switch (field) {
    case F_OFFER_SELECT:
        device->select[0] = value;
        break;
    case F_TAKE_SELECT:
        device->select[1] = value;
        break;
    case F_TAKE:
        take_features(device, value);
        break;
    case F_CONFIG_VECTOR:
        device->config_vector = vector_taken(device, value);
        break;
    case F_STATUS:
        HOLD_OR_IGNORE(device, value <= 0xff);
        write_status(device, (uint8_t)value);
        break;
    case F_QUEUE:
        device->queue_select = (uint16_t)value;
        break;
    case F_PAGE_BYTES:
        device->page_bytes = value;
        break;
    case F_ALIGN_BYTES:
        device->align_bytes = value;
        break;
    case F_ACKNOWLEDGE:
        device->interrupts &= (uint8_t)~value;
        break;
    case F_DOORBELL:
        ring_doorbell(device, value, width);
        break;
    case F_NONE:
        break;
    default:
        write_of_queue(device, field, value);
    }
}

static void write_config(struct fuzz_virtio *device, uint64_t at, uint8_t width, uint32_t value)
{
    HOLD_OR_IGNORE(device, device->kind->takes_config(at, width, value));
    memcpy(device->config + at, &value, width);
}

void fuzz_virtio_write(struct fuzz_virtio *device, uint8_t place, uint64_t at, uint8_t width,
                       uint32_t value)
{
    uint64_t config_at;
    enum field field = field_at(device, place, at, &config_at);

    if (place == FUZZ_PLACE_MSIX && at + width <= sizeof(device->msix_table))
        memcpy(device->msix_table + at, &value, width);
    if (field == F_CONFIG)
        write_config(device, config_at, width, value);
    else
        write_field(device, field, width, value);
}

/* ---------------------------------------------------------------- life */

void fuzz_virtio_reconfigure(struct fuzz_virtio *device)
{
    uint8_t at = fuzz_u8(device->input), value = fuzz_u8(device->input);

    device->config[at % sizeof(device->config)] = value;
    device->generation++;
    device->interrupts |= 2;
}

void fuzz_virtio_init(struct fuzz_virtio *device, struct fuzz_platform *fp,
                      const struct fuzz_kind *kind)
{
    memset(device, 0, offsetof(struct fuzz_virtio, queues));
    device->kind = kind;
    device->n_doorbells = device->n_resets = device->n_queue_resets = device->n_regions = 0;
    device->fp = fp;
    device->input = fp->input;
    device->offered_queue_size = 16;
    device->n_queues = 1;
    forget_all(device);
    fp->device = device;
    the_device = device;
    fuzz_front_init(device);
}

void fuzz_virtio_end(void)
{
    the_device = NULL;
}
