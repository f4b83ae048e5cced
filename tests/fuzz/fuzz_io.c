/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/fuzz/fuzz_zones.h"

#include <string.h>
#include <sys/mman.h>

#include "drivers/virtio_spec.h"

#define ROOM_BYTES (512ull << 20) /* of addresses, for one request */
#define SEGMENT_AT (64ull << 20)  /* apart */
#define TIMEOUT_NS 1000000000ull
#define MAX_POLLS  2000u
#define MAX_ROUNDS 100u /* a long request may take thousands: the device falls silent after these */
#define MAX_PROMPT 32u
#define MAX_DONE   32u

static struct fuzz_io the_io;

/** Addresses that nothing may touch: what stands behind every buffer. */
static char *no_mans_land(void)
{
    static char *land;

    if (land == NULL)
        land = mmap(NULL, FUZZ_N_REQUESTS * ROOM_BYTES, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    FUZZ_CHECK(land != MAP_FAILED);
    return land;
}

static bool in_room(const struct fuzz_io *io, unsigned i, const void *buffer)
{
    (void)io;
    return (uintptr_t)buffer - (uintptr_t)no_mans_land() - i * ROOM_BYTES < ROOM_BYTES;
}

/* ---------------------------------------------------------------- what the device may see */

/** Nothing can be done about a virtio-mmio device that does not confirm its reset: there is no bus
 * mastering to turn off. */
static bool is_out_of_reach(const struct fuzz_io *io)
{
    return io->virtio.front >= FUZZ_MMIO_1 && io->virtio.dishonest && io->device != NULL &&
           io->device->broken;
}

static bool is_written(enum vst_block_op op)
{
    return op == VST_BLOCK_WRITE || op == VST_BLOCK_WRITE_DURABLE || op == VST_BLOCK_ZONE_APPEND;
}

static bool is_read(enum vst_block_op op)
{
    return op == VST_BLOCK_READ || op == VST_BLOCK_LIFETIME || op == VST_BLOCK_ZONE_REPORT;
}

/** A data descriptor is a piece of a segment of a request in flight, in the right direction. */
static bool may_carry(void *ctx, uint64_t bus_addr, uint32_t bytes, bool writable)
{
    struct fuzz_io *io = ctx;

    if (is_out_of_reach(io))
        return true;
    if (io->fp.platform.dma_map != NULL) {
        for (size_t i = 0; i < io->fp.n_mappings; i++)
            if (io->fp.mappings[i].bus_addr == bus_addr && io->fp.mappings[i].bytes == bytes &&
                (io->fp.mappings[i].direction == VST_DMA_FROM_DEVICE) == writable)
                return true;
        return false;
    }
    for (unsigned i = 0; i < FUZZ_N_REQUESTS; i++) {
        const struct fuzz_request *r = &io->requests[i];
        if (r->queue == NULL || !(writable ? is_read(r->request.op) : is_written(r->request.op)))
            continue;
        for (unsigned s = 0; s < r->request.n_segments; s++) {
            uint64_t offset = bus_addr - (uintptr_t)r->segments[s].buffer;
            if (offset < r->segments[s].bytes && bytes <= r->segments[s].bytes - offset)
                return true;
        }
    }
    return false;
}

/* ---------------------------------------------------------------- the caller's moves */

/** The driver's verdict on the device or a queue, not the device's on the request. */
static bool is_failure(enum vst_status status)
{
    return status == VST_ERR_BROKEN || status == VST_ERR_TIMEOUT || status == VST_ERR_GONE;
}

static const size_t segment_bytes[16] = {512,   512,      1024,      4096,     4096, 8192,
                                         65536, 1u << 20, 0,         1,        511,  513,
                                         1536,  512 * 31, 17u << 20, 63u << 20};

static uint64_t shape_segments(struct fuzz_input *input, struct fuzz_request *r, char *room)
{
    uint64_t bytes = 0;

    r->request.segments = r->segments;
    for (unsigned i = 0; i < r->request.n_segments; i++) {
        size_t n = segment_bytes[fuzz_u8(input) & 15];
        r->segments[i] = (struct vst_block_segment){room + i * SEGMENT_AT, n};
        bytes += n;
    }
    return bytes >> VST_SECTOR_SHIFT;
}

static uint64_t shape_ranges(struct fuzz_input *input, struct fuzz_request *r)
{
    uint64_t n_sectors = 0;

    r->request.ranges = r->ranges;
    for (unsigned i = 0; i < r->request.n_segments; i++) {
        uint8_t where = fuzz_u8(input);
        uint64_t n = segment_bytes[where & 15] >> VST_SECTOR_SHIFT;
        r->ranges[i] = (struct vst_block_range){(uint64_t)(where >> 4) << (where >> 4), n};
        n_sectors += n;
    }
    return n_sectors;
}

/** What is not a read, write or flush. */
static uint8_t choose_op(struct fuzz_input *input)
{
    uint8_t which = fuzz_u8(input);

    return which < 0xa0 ? (uint8_t)(VST_BLOCK_WRITE_DURABLE +
                                    which % (VST_BLOCK_ZONE_APPEND - VST_BLOCK_WRITE_DURABLE))
                        : (uint8_t)(VST_BLOCK_ZONE_APPEND +
                                    which % (VST_BLOCK_N_OPS - VST_BLOCK_ZONE_APPEND));
}

/** What the operation does without, so that it is not always refused for that. */
static void strip(struct vst_block_request *request)
{
    enum vst_block_op op = request->op;

    if (vst_block_op_has_ranges(op) || op == VST_BLOCK_LIFETIME || op == VST_BLOCK_ZONE_RESET_ALL)
        request->start_sector = 0;
    if (op >= VST_BLOCK_ZONE_REPORT)
        request->n_sectors = 0;
    if (op > VST_BLOCK_ZONE_REPORT)
        request->n_segments = 0;
}

static void shape_request(struct fuzz_io *io, unsigned slot)
{
    struct fuzz_input *input = io->fp.input;
    struct fuzz_request *r = &io->requests[slot];
    uint8_t shape = fuzz_u8(input), place = fuzz_u8(input), op = shape & 3;
    char *room = no_mans_land() + slot * ROOM_BYTES + (place & 7);

    if (op == VST_BLOCK_WRITE_DURABLE)
        op = choose_op(input);
    r->request = (struct vst_block_request){.op = (enum vst_block_op)op, .user = r};
    r->request.n_segments = op == VST_BLOCK_FLUSH ? 0 : (shape >> 2) % 9;
    r->request.n_sectors = vst_block_op_has_ranges(r->request.op) ? shape_ranges(input, r)
                                                                  : shape_segments(input, r, room);
    r->request.start_sector = place >> 3 & 0x18;
    strip(&r->request);
    if (shape >= 0xf0)
        r->request.start_sector = fuzz_bytes(input, 8);
    if (shape >= 0xf8)
        r->request.n_sectors = fuzz_bytes(input, 8);
}

static struct vst_block_queue *queue_of(struct fuzz_io *io)
{
    return io->device->queues[io->queue];
}

static void submit(struct fuzz_io *io)
{
    unsigned slot = 0;

    while (slot < FUZZ_N_REQUESTS && io->requests[slot].queue != NULL)
        slot++;
    if (slot == FUZZ_N_REQUESTS)
        return;
    shape_request(io, slot);
    struct fuzz_request *r = &io->requests[slot];
    r->queue = queue_of(io); /* before submit: the device may look at once */
    enum vst_status status = vst_block_submit(r->queue, &r->request);
    FUZZ_CHECK(status < VST_N_STATUS);
    if (io->device->broken)
        FUZZ_CHECK(status != VST_OK);
    if (status == VST_OK)
        io->n_in_flight++;
    else
        r->queue = NULL;
}

/** The device had no part in this outcome: what it may still answer must not reach the buffers. */
static void check_failed(const struct fuzz_io *io, unsigned slot)
{
    uint64_t room = (uintptr_t)(no_mans_land() + slot * ROOM_BYTES);

    if (is_out_of_reach(io))
        return;
    FUZZ_CHECK(!fuzz_virtio_holds(&io->virtio, room, ROOM_BYTES));
    if (io->device->broken)
        FUZZ_CHECK(!io->fp.device_reaches_memory);
}

static bool any_timeout(const struct fuzz_io *io)
{
    for (unsigned i = 0; i < io->device->n_queues; i++)
        if (io->device->queues[i]->stats.timeouts > 0)
            return true;
    return false;
}

static void take_back(struct fuzz_io *io, struct vst_block_queue *queue,
                      struct vst_block_request *request)
{
    struct fuzz_request *r = request->user;
    unsigned slot = (unsigned)(r - io->requests);

    FUZZ_CHECK(slot < FUZZ_N_REQUESTS && &r->request == request && r->queue == queue);
    FUZZ_CHECK(request->status < VST_N_STATUS && request->status != VST_ERR_FULL);
    if (is_failure(request->status))
        check_failed(io, slot);
    if (request->status == VST_OK && request->op == VST_BLOCK_ZONE_APPEND)
        fuzz_zones_check_append(&io->device->limits, request);
    if (request->status == VST_ERR_BROKEN)
        FUZZ_CHECK(io->virtio.dishonest || any_timeout(io));
    for (size_t i = 0; i < io->fp.n_mappings; i++)
        FUZZ_CHECK(!in_room(io, slot, io->fp.mappings[i].buffer));
    r->queue = NULL;
    io->n_in_flight--;
}

static void poll(struct fuzz_io *io, size_t max)
{
    struct vst_block_queue *queue = queue_of(io);
    /* Exactly as long as announced: ASan sees one too many. */
    struct vst_block_request **done = malloc(max * sizeof(struct vst_block_request *));
    size_t n = vst_block_poll(queue, done, max);

    FUZZ_CHECK(n <= max);
    for (size_t i = 0; i < n; i++)
        take_back(io, queue, done[i]);
    free(done);
}

static void check_limits(const struct vst_block_device *device)
{
    const struct vst_block_limits *limits = &device->limits;
    uint32_t block = limits->logical_block_bytes;

    FUZZ_CHECK(vst_is_power_of_two(block) && block >= 512 && block <= 65536);
    FUZZ_CHECK(vst_is_power_of_two(limits->physical_block_bytes) &&
               limits->physical_block_bytes >= block);
    FUZZ_CHECK(limits->n_sectors % (block / 512) == 0 && limits->n_sectors <= UINT64_MAX / 512);
    FUZZ_CHECK(limits->max_segments >= 1 && limits->max_segment_bytes >= 512);
    FUZZ_CHECK(limits->max_sectors >= block / 512 && limits->depth >= 1);
    FUZZ_CHECK((uint64_t)limits->max_segments * limits->max_segment_bytes >= block);
    fuzz_zones_check_limits(limits);
    FUZZ_CHECK(memchr(device->serial, 0, sizeof(device->serial)) != NULL);
    for (const char *c = device->serial; *c != '\0'; c++)
        FUZZ_CHECK(*c >= ' ' && *c <= '~');
    FUZZ_CHECK(device->n_queues >= 1 && device->features != NULL);
    for (unsigned i = 0; i <= 64; i++)
        if (device->features[i] == NULL)
            return;
    FUZZ_CHECK(!"the list of features has no end");
}

/** What the configuration has become, and the events that tell of it; there is an end to them. */
static void refresh(struct fuzz_io *io)
{
    struct vst_block_event event;
    unsigned n = 0;

    FUZZ_CHECK(vst_block_refresh(io->device) < VST_N_STATUS);
    check_limits(io->device);
    while (vst_block_next_event(&io->registry, &event))
        FUZZ_CHECK(event.what < VST_BLOCK_N_EVENTS && n++ < VST_BLOCK_N_EVENTS);
}

/** Blocks for a flush, so the device must answer of its own accord; not for ever, though: a long
 * request that is also under way takes thousands of commands. */
static void set_write_cache(struct fuzz_io *io)
{
    io->virtio.n_prompt = MAX_PROMPT;
    FUZZ_CHECK(vst_block_set_write_cache(io->device, !io->device->write_cache) < VST_N_STATUS);
    io->virtio.n_prompt = 0;
}

/** What callers do now and then. */
static void do_rare(struct fuzz_io *io, uint8_t what)
{
    switch (what) {
    case 0:
    case 1:
    case 2:
    case 3:
        if (!vst_block_arm_after(queue_of(io), what * what + 1u))
            (void)vst_block_awaited(queue_of(io));
        break;
    case 4:
        vst_block_disarm(queue_of(io));
        break;
    case 5:
        (void)vst_block_awaited(queue_of(io));
        break;
    case 6:
        (void)vst_virtio_blk_interrupt(io->device);
        break;
    case 7:
        (void)vst_virtio_blk_config_changed(io->device);
        break;
    case 8:
        (void)vst_block_ready(queue_of(io));
        break;
    case 9:
        (void)vst_trace_set(io->device, !vst_trace_is_on(io->device));
        break;
    case 10:
        vst_trace_log(queue_of(io), FUZZ_N_REQUESTS);
        break;
    case 11:
        refresh(io);
        break;
    case 12:
        set_write_cache(io);
        break;
    case 13:
        fuzz_zones_parse_report(io);
        break;
    case 15:
        if (fuzz_u8(io->fp.input) < 64)
            vst_virtio_blk_unplug(io->device);
        break;
    default:
        fuzz_virtio_reconfigure(&io->virtio);
    }
}

/** A whole round, so that short inputs get far. */
static void do_round(struct fuzz_io *io, unsigned n_answers)
{
    vst_block_kick(queue_of(io));
    fuzz_virtio_take(&io->virtio, io->queue, FUZZ_MAX_HELD);
    while (n_answers-- > 0)
        fuzz_virtio_answer(&io->virtio, io->queue, 0, 0);
    poll(io, MAX_DONE);
}

/** False if it is not the caller's turn. */
static bool step_of_caller(struct fuzz_io *io, uint8_t op, uint8_t arg)
{
    switch (op) {
    case 0:
    case 1:
        submit(io);
        break;
    case 2:
        do_rare(io, arg);
        break;
    case 3:
        vst_block_kick(queue_of(io));
        break;
    case 4:
        poll(io, arg + 1u);
        break;
    case 5:
        io->queue = arg % io->device->n_queues;
        break;
    case 7:
        io->fp.now_ns += (uint64_t)arg << 27;
        break;
    case 11:
    case 12:
        do_round(io, arg);
        break;
    default:
        return false;
    }
    return true;
}

static void step_of_device(struct fuzz_io *io, uint8_t op, uint8_t arg)
{
    struct fuzz_virtio *virtio = &io->virtio;

    switch (op) {
    case 6:
        fuzz_virtio_overtake(virtio, io->queue, arg, 0);
        break;
    case 8:
        fuzz_virtio_take(virtio, io->queue, arg + 1u);
        break;
    case 9:
        fuzz_virtio_answer(virtio, io->queue, arg, 0);
        break;
    case 10:
        fuzz_virtio_answer(virtio, io->queue, arg, fuzz_u8(io->fp.input));
        break;
    case 13:
        fuzz_virtio_edit(virtio, io->queue);
        break;
    case 14:
        fuzz_virtio_scribble(virtio);
        break;
    default:
        virtio->status |= (uint8_t)(arg << 4);
        virtio->never_resets |= arg == 15;
        virtio->dishonest |= arg != 0;
    }
}

static void step(struct fuzz_io *io)
{
    uint8_t op = fuzz_u8(io->fp.input);

    io->fp.n_steps = 0;
    if (!step_of_caller(io, op & 15, op >> 4))
        step_of_device(io, op & 15, op >> 4);
}

/* ---------------------------------------------------------------- a device's life */

struct fuzz_io *fuzz_io_begin(struct fuzz_input *input, bool maps)
{
    struct fuzz_io *io = &the_io;
    static const uint8_t config[] = {0, 0, 1, 0, 0, 0, 0, 0};

    memset(io->requests, 0, sizeof(io->requests));
    io->n_in_flight = 0;
    io->device = NULL;
    io->registry = (struct vst_block_registry){0};
    io->queue = 0;
    io->answers_in_the_end = io->is_silent = false;
    io->config = (struct vst_virtio_blk_config){.queue_size = 16, .timeout_ns = TIMEOUT_NS};
    fuzz_platform_init(&io->fp, input, maps);
    fuzz_virtio_init(&io->virtio, &io->fp, &fuzz_kind_blk);
    memcpy(io->virtio.config, config, sizeof(config)); /* 65536 sectors */
    io->virtio.may_carry = may_carry;
    io->virtio.may_carry_ctx = io;
    return io;
}

void fuzz_io_offer_ranges(struct fuzz_io *io, uint8_t max_sectors, uint8_t max_ranges)
{
    static const uint8_t first[] = {VIRTIO_BLK_CONFIG_MAX_DISCARD_SECTORS,
                                    VIRTIO_BLK_CONFIG_MAX_ZEROES_SECTORS,
                                    VIRTIO_BLK_CONFIG_MAX_ERASE_SECTORS};
    uint8_t *config = io->virtio.config;

    io->virtio.offered_features |=
        VIRTIO_BIT(VIRTIO_BLK_F_DISCARD) | VIRTIO_BIT(VIRTIO_BLK_F_WRITE_ZEROES) |
        VIRTIO_BIT(VIRTIO_BLK_F_SECURE_ERASE) | VIRTIO_BIT(VIRTIO_BLK_F_LIFETIME);
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(first); i++) {
        config[first[i]] = max_sectors;
        config[first[i] + 4] = max_ranges;
    }
    config[VIRTIO_BLK_CONFIG_DISCARD_ALIGNMENT] = 8;
    config[VIRTIO_BLK_CONFIG_ZEROES_MAY_UNMAP] = 1;
}

void fuzz_io_surround(struct fuzz_io *io, uint8_t how)
{
    unsigned n_queues = how >> 6, irq = how >> 3 & 7;

    fuzz_virtio_use_front(&io->virtio, (enum fuzz_front)((how & 7) % FUZZ_N_FRONTS),
                          &io->config.pci);
    for (unsigned i = 0; i < FUZZ_MAX_QUEUES; i++)
        io->messages[i] = (struct vst_irq_message){0xfee00000u + i * 4096, i};
    io->config.irq = (struct vst_irq_config){
        .mode = irq < 2   ? VST_IRQ_POLL
                : irq < 4 ? VST_IRQ_INTX
                          : VST_IRQ_MSIX,
        .intx_instead = irq & 1,
        .n_messages = (uint16_t)(irq < 6 ? FUZZ_MAX_QUEUES : irq - 5),
        .messages = io->messages,
    };
    io->virtio.n_queues = (uint16_t)(n_queues + 1);
    io->virtio.config[VIRTIO_BLK_CONFIG_NUM_QUEUES] = (uint8_t)(n_queues + 1);
    io->virtio.offered_features |= (uint64_t)(n_queues > 0) << VIRTIO_BLK_F_MQ;
    io->config.n_queues = FUZZ_MAX_QUEUES;
}

static enum vst_status attach(struct fuzz_io *io)
{
    uint32_t type;

    if (io->virtio.front >= FUZZ_MMIO_1 &&
        vst_virtio_mmio_probe(&io->fp.platform, FUZZ_MMIO_PHYSICAL, FUZZ_MMIO_BYTES, &type) !=
            VST_OK)
        return VST_ERR_NOT_FOUND;
    if (io->virtio.front >= FUZZ_MMIO_1)
        return vst_virtio_mmio_blk_attach(&io->fp.platform, FUZZ_MMIO_PHYSICAL, FUZZ_MMIO_BYTES,
                                          &io->config, &io->device);
    return vst_virtio_blk_attach(&io->fp.platform, &io->virtio.function, &io->config, &io->device);
}

enum vst_status fuzz_io_attach(struct fuzz_io *io)
{
    io->virtio.dishonest = io->virtio.lies || io->virtio.overlaps || io->virtio.races ||
                           io->virtio.never_resets || io->virtio.dishonest;
    io->virtio.n_prompt = io->is_silent ? 0 : MAX_PROMPT;
    enum vst_status status = attach(io);
    io->virtio.n_prompt = 0;
    FUZZ_CHECK(status < VST_N_STATUS);
    if (status != VST_OK) {
        io->device = NULL;
        return status;
    }
    vst_block_register(&io->registry, io->device, "vd");
    check_limits(io->device);
    FUZZ_CHECK(io->device->n_queues <= FUZZ_MAX_QUEUES);
    return VST_OK;
}

void fuzz_io_run(struct fuzz_io *io, unsigned max_steps)
{
    while (io->device != NULL && io->fp.input->left > 0 && max_steps-- > 0)
        step(io);
}

/** One look at each queue, as often as the driver asks of its callers. */
static void poll_all(struct fuzz_io *io)
{
    for (io->queue = 0; io->queue < io->device->n_queues; io->queue++) {
        io->fp.n_steps = 0;
        if (io->answers_in_the_end)
            do_round(io, FUZZ_MAX_HELD);
        else
            poll(io, MAX_DONE);
    }
    io->queue = 0;
}

void fuzz_io_end(struct fuzz_io *io)
{
    for (unsigned n_polls = 0; io->n_in_flight > 0; n_polls++) {
        FUZZ_CHECK(n_polls < MAX_POLLS);
        io->fp.now_ns += TIMEOUT_NS / 8;
        io->answers_in_the_end &= n_polls < MAX_ROUNDS;
        poll_all(io);
    }
    io->fp.n_steps = 0;
    if (io->device != NULL) {
        vst_block_unregister(&io->registry, io->device);
        vst_virtio_blk_detach(io->device);
    }
    FUZZ_CHECK(io->fp.n_mappings == 0);
    size_t n_left = fuzz_platform_free_all(&io->fp);
    FUZZ_CHECK(n_left == 0 || io->virtio.never_resets || io->virtio.lies);
    fuzz_virtio_end();
}
