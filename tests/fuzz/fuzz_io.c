/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/fuzz/fuzz_io.h"

#include <string.h>
#include <sys/mman.h>

#include "drivers/virtio_spec.h"

#define ROOM_BYTES (512ull << 20) /* of addresses, for one request */
#define SEGMENT_AT (64ull << 20)  /* apart */
#define TIMEOUT_NS 1000000000ull
#define MAX_POLLS  2000u
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

static bool reads(const struct vst_block_request *request, bool writable)
{
    return request->op == (writable ? VST_BLOCK_READ : VST_BLOCK_WRITE);
}

/** A data descriptor is a piece of a segment of a request in flight, in the right direction. */
static bool may_carry(void *ctx, uint64_t bus_addr, uint32_t bytes, bool writable)
{
    struct fuzz_io *io = ctx;

    if (io->fp.platform.dma_map != NULL) {
        for (size_t i = 0; i < io->fp.n_mappings; i++)
            if (io->fp.mappings[i].bus_addr == bus_addr && io->fp.mappings[i].bytes == bytes &&
                (io->fp.mappings[i].direction == VST_DMA_FROM_DEVICE) == writable)
                return true;
        return false;
    }
    for (unsigned i = 0; i < FUZZ_N_REQUESTS; i++) {
        const struct fuzz_request *r = &io->requests[i];
        for (unsigned s = 0; r->in_flight && s < r->request.n_segments; s++) {
            uint64_t offset = bus_addr - (uintptr_t)r->segments[s].buffer;
            if (offset < r->segments[s].bytes && bytes <= r->segments[s].bytes - offset)
                return reads(&r->request, writable);
        }
    }
    return false;
}

/* ---------------------------------------------------------------- the caller's moves */

static const size_t segment_bytes[16] = {512,   512,      1024,      4096,     4096, 8192,
                                         65536, 1u << 20, 0,         1,        511,  513,
                                         1536,  512 * 31, 17u << 20, 63u << 20};

static void shape_request(struct fuzz_io *io, unsigned slot)
{
    struct fuzz_input *input = io->fp.input;
    struct fuzz_request *r = &io->requests[slot];
    uint8_t shape = fuzz_u8(input), place = fuzz_u8(input);
    char *room = no_mans_land() + slot * ROOM_BYTES;
    uint64_t bytes = 0;

    r->request = (struct vst_block_request){.op = (enum vst_block_op)(shape & 3), .user = r};
    r->request.n_segments = r->request.op == VST_BLOCK_FLUSH ? 0 : (shape >> 2) % 9;
    r->request.segments = r->segments;
    for (unsigned i = 0; i < r->request.n_segments; i++) {
        size_t n = segment_bytes[fuzz_u8(input) & 15];
        r->segments[i] = (struct vst_block_segment){room + i * SEGMENT_AT + (place & 7), n};
        bytes += n;
    }
    r->request.n_sectors = bytes >> VST_SECTOR_SHIFT;
    r->request.start_sector = place >> 3 & 0x18;
    if (shape >= 0xf0)
        r->request.start_sector = fuzz_bytes(input, 8);
    if (shape >= 0xf8)
        r->request.n_sectors = fuzz_bytes(input, 8);
}

static void submit(struct fuzz_io *io)
{
    unsigned slot = 0;

    while (slot < FUZZ_N_REQUESTS && io->requests[slot].in_flight)
        slot++;
    if (slot == FUZZ_N_REQUESTS)
        return;
    shape_request(io, slot);
    struct fuzz_request *r = &io->requests[slot];
    r->in_flight = true; /* before submit: the device may look at once */
    enum vst_status status = vst_block_submit(io->queue, &r->request);
    FUZZ_CHECK(status < VST_N_STATUS);
    r->in_flight = status == VST_OK;
    io->n_in_flight += r->in_flight;
    if (io->device->broken)
        FUZZ_CHECK(status != VST_OK);
}

static void take_back(struct fuzz_io *io, struct vst_block_request *request)
{
    struct fuzz_request *r = request->user;
    unsigned slot = (unsigned)(r - io->requests);

    FUZZ_CHECK(slot < FUZZ_N_REQUESTS && &r->request == request && r->in_flight);
    FUZZ_CHECK(request->status < VST_N_STATUS && request->status != VST_ERR_FULL);
    /* Else it was reset, and is at work again with what was replayed. */
    if (io->device->broken &&
        (request->status == VST_ERR_BROKEN || request->status == VST_ERR_TIMEOUT))
        FUZZ_CHECK(!io->fp.device_reaches_memory);
    for (size_t i = 0; i < io->fp.n_mappings; i++)
        FUZZ_CHECK(!in_room(io, slot, io->fp.mappings[i].buffer));
    r->in_flight = false;
    io->n_in_flight--;
}

static void poll(struct fuzz_io *io, size_t max)
{
    /* Exactly as long as announced: ASan sees one too many. */
    struct vst_block_request **done = malloc(max * sizeof(struct vst_block_request *));
    size_t n = vst_block_poll(io->queue, done, max);

    FUZZ_CHECK(n <= max);
    for (size_t i = 0; i < n; i++)
        take_back(io, done[i]);
    free(done);
}

static void step(struct fuzz_io *io)
{
    uint8_t op = fuzz_u8(io->fp.input), arg = op >> 4;

    io->fp.n_steps = 0;
    switch (op & 15) {
    case 0:
    case 1:
    case 2:
        submit(io);
        break;
    case 3:
        vst_block_kick(io->queue);
        break;
    case 4:
    case 5:
        poll(io, arg + 1u);
        break;
    case 6:
        (void)vst_block_ready(io->queue);
        break;
    case 7:
        io->fp.now_ns += (uint64_t)arg << 27;
        break;
    case 8:
        fuzz_virtio_take(&io->virtio, arg + 1u);
        break;
    case 9:
        fuzz_virtio_answer(&io->virtio, arg, 0);
        break;
    case 10:
        fuzz_virtio_answer(&io->virtio, arg, fuzz_u8(io->fp.input));
        break;
    case 11: /* a whole round, so that short inputs get far */
        vst_block_kick(io->queue);
        fuzz_virtio_take(&io->virtio, FUZZ_MAX_HELD);
        while (arg-- > 0)
            fuzz_virtio_answer(&io->virtio, 0, 0);
        poll(io, MAX_DONE);
        break;
    case 12:
    case 13:
        fuzz_virtio_edit(&io->virtio);
        break;
    case 14:
        fuzz_virtio_scribble(&io->virtio);
        break;
    default:
        io->virtio.status |= (uint8_t)(arg << 4);
        io->virtio.generation++;
        io->virtio.never_resets |= arg == 15;
    }
}

/* ---------------------------------------------------------------- a device's life */

struct fuzz_io *fuzz_io_begin(struct fuzz_input *input, bool maps)
{
    struct fuzz_io *io = &the_io;
    static const uint8_t config[] = {0, 0, 1, 0, 0, 0, 0, 0};

    memset(io->requests, 0, sizeof(io->requests));
    io->n_in_flight = 0;
    io->device = NULL;
    io->config = (struct vst_virtio_blk_config){.queue_size = 16, .timeout_ns = TIMEOUT_NS};
    fuzz_platform_init(&io->fp, input, maps);
    fuzz_virtio_init(&io->virtio, &io->fp);
    memcpy(io->virtio.config, config, sizeof(config)); /* 65536 sectors */
    io->virtio.may_carry = may_carry;
    io->virtio.may_carry_ctx = io;
    return io;
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
    FUZZ_CHECK(memchr(device->serial, 0, sizeof(device->serial)) != NULL);
    for (const char *c = device->serial; *c != '\0'; c++)
        FUZZ_CHECK(*c >= ' ' && *c <= '~');
    FUZZ_CHECK(device->n_queues >= 1 && device->features != NULL);
    for (unsigned i = 0; i <= 64; i++)
        if (device->features[i] == NULL)
            return;
    FUZZ_CHECK(!"the list of features has no end");
}

enum vst_status fuzz_io_attach(struct fuzz_io *io)
{
    io->virtio.answers_at_once = true;
    enum vst_status status =
        vst_virtio_blk_attach(&io->fp.platform, &io->virtio.function, &io->config, &io->device);
    io->virtio.answers_at_once = false;
    FUZZ_CHECK(status < VST_N_STATUS);
    if (status != VST_OK) {
        io->device = NULL;
        return status;
    }
    FUZZ_CHECK((io->virtio.features & ~io->virtio.offered_features) == 0 || io->virtio.lies);
    check_limits(io->device);
    io->queue = io->device->queues[0];
    return VST_OK;
}

void fuzz_io_run(struct fuzz_io *io, unsigned max_steps)
{
    while (io->device != NULL && io->fp.input->left > 0 && max_steps-- > 0)
        step(io);
}

void fuzz_io_end(struct fuzz_io *io)
{
    unsigned n_polls = 0;

    io->fp.n_steps = 0;
    if (io->device != NULL)
        vst_block_kick(io->queue);
    for (; io->n_in_flight > 0; n_polls++) {
        FUZZ_CHECK(n_polls < MAX_POLLS);
        io->fp.n_steps = 0;
        io->fp.now_ns += TIMEOUT_NS / 8;
        poll(io, MAX_DONE);
    }
    io->fp.n_steps = 0;
    if (io->device != NULL)
        vst_virtio_blk_detach(io->device);
    FUZZ_CHECK(io->fp.n_mappings == 0);
    size_t n_left = fuzz_platform_free_all(&io->fp);
    FUZZ_CHECK(n_left == 0 || io->virtio.never_resets || io->virtio.lies);
    fuzz_virtio_end();
}
