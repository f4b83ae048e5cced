/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/fuzz/fuzz_hba.h"

#include <string.h>
#include <sys/mman.h>

#include "drivers/virtio_spec.h"

#define ROOM_BYTES  (512ull << 20) /* of addresses, for one task */
#define SEGMENT_AT  (32ull << 20)  /* apart */
#define TIMEOUT_NS  1000000000ull
#define MAX_POLLS   2000u
#define MAX_ROUNDS  100u /* then the device falls silent, and nothing is given again */
#define RESET_EVERY 200u
#define MAX_DONE    32u
#define MAX_EVENTS  200u
#define NO_ORDER    UINT32_MAX

static struct fuzz_hba the_hba;

/** Addresses that nothing may touch: what stands behind every buffer. */
static char *no_mans_land(void)
{
    static char *land;

    if (land == NULL)
        land = mmap(NULL, FUZZ_HBA_TASKS * ROOM_BYTES, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    FUZZ_CHECK(land != MAP_FAILED);
    return land;
}

/** As in fuzz_io.c: a virtio-mmio device that does not confirm its reset. */
static bool is_out_of_reach(const struct fuzz_hba *io)
{
    return io->virtio.front >= FUZZ_MMIO_1 && io->virtio.dishonest && io->hba != NULL &&
           io->hba->broken;
}

/* ---------------------------------------------------------------- what the device may see */

static bool is_in(const struct vst_block_segment *segments, unsigned n, uint64_t bus_addr,
                  uint32_t bytes)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t offset = bus_addr - (uintptr_t)segments[i].buffer;
        if (offset < segments[i].bytes && bytes <= segments[i].bytes - offset)
            return true;
    }
    return false;
}

static bool is_of(const struct fuzz_task *task, uint64_t bus_addr, uint32_t bytes, bool writable)
{
    const struct vst_scsi_command *command = &task->command;

    if (task->is_command)
        return is_in(writable ? command->in : command->out,
                     writable ? command->n_in : command->n_out, bus_addr, bytes);
    return (task->request.op == VST_BLOCK_READ) == writable &&
           is_in(task->segments, task->request.n_segments, bus_addr, bytes);
}

/** A data descriptor is a piece of a segment of a task in flight, in the right direction. */
static bool may_carry(void *ctx, uint64_t bus_addr, uint32_t bytes, bool writable)
{
    struct fuzz_hba *io = ctx;

    if (is_out_of_reach(io))
        return true;
    if (io->fp.platform.dma_map != NULL) {
        for (size_t i = 0; i < io->fp.n_mappings; i++)
            if (io->fp.mappings[i].bus_addr == bus_addr && io->fp.mappings[i].bytes == bytes &&
                (io->fp.mappings[i].direction == VST_DMA_FROM_DEVICE) == writable)
                return true;
        return false;
    }
    for (unsigned i = 0; i < FUZZ_HBA_TASKS; i++)
        if (io->tasks[i] != NULL && is_of(io->tasks[i], bus_addr, bytes, writable))
            return true;
    return false;
}

/* ---------------------------------------------------------------- orders: commands and their ends */

/** Fills the CDB with its number; NULL where there is no room to remember it. */
static struct fuzz_order *give(struct fuzz_hba *io, struct fuzz_task *task,
                               struct vst_scsi_nexus nexus, uint8_t *cdb, uint8_t cdb_bytes)
{
    uint32_t number = 0;

    while (number < FUZZ_HBA_ORDERS && io->orders[number].task != NULL)
        number++;
    struct fuzz_order *order = number < FUZZ_HBA_ORDERS ? &io->orders[number] : NULL;
    if (order == NULL)
        number = NO_ORDER;
    memcpy(cdb + 2, &number, sizeof(number));
    if (order == NULL)
        return NULL;
    *order = (struct fuzz_order){
        .task = task, .n_given = io->n_orders++, .nexus = nexus.word, .cdb_bytes = cdb_bytes};
    memcpy(order->cdb, cdb, cdb_bytes);
    return order;
}

/** Unless it was taken it was not given. */
static enum vst_status given(struct fuzz_order *order, enum vst_status status)
{
    FUZZ_CHECK(status < VST_N_STATUS);
    if (status != VST_OK && order != NULL)
        order->task = NULL;
    return status;
}

/** The last one of the task's that begins there: one that was given again may have left others. */
static struct fuzz_order *find(struct fuzz_hba *io, const struct fuzz_task *task,
                               uint64_t start_sector)
{
    struct fuzz_order *last = NULL;

    for (unsigned i = 0; i < FUZZ_HBA_ORDERS; i++) {
        struct fuzz_order *order = &io->orders[i];
        if (order->task == task && order->start_sector == start_sector &&
            (last == NULL || order->n_given > last->n_given))
            last = order;
    }
    return last;
}

static bool ended_by_driver(const struct vst_scsi_outcome *outcome)
{
    return outcome->response == VST_SCSI_RESPONSE_RESET ||
           outcome->response == VST_SCSI_RESPONSE_TIMEOUT ||
           outcome->response == VST_SCSI_RESPONSE_TRANSPORT_FAILURE;
}

/** What becomes of the word that the device wrote. */
static void check_told(const struct fuzz_hba *io, const struct fuzz_order *order, uint32_t bytes,
                       const struct vst_scsi_outcome *outcome)
{
    uint32_t residual = (uint32_t)order->word, room = io->hba->limits.max_sense_bytes;
    uint8_t response = (uint8_t)(order->word >> 56), status = (uint8_t)(order->word >> 48);

    if (residual > bytes && 0 - residual <= bytes)
        residual = 0 - residual;
    if (!order->is_written || response > 9 || (response == 0 && residual > bytes)) {
        FUZZ_CHECK(outcome->response == VST_SCSI_RESPONSE_MALFORMED);
        FUZZ_CHECK(outcome->residual_bytes == bytes);
        return;
    }
    FUZZ_CHECK((outcome->response == VST_SCSI_RESPONSE_OK) == (response == 0));
    FUZZ_CHECK(outcome->response != VST_SCSI_RESPONSE_MALFORMED);
    FUZZ_CHECK(outcome->residual_bytes == (residual < bytes ? residual : bytes));
    FUZZ_CHECK(outcome->status == (response == 0 ? status : 0));
    if (response != 0 || status == 0)
        return;
    FUZZ_CHECK(outcome->status_qualifier == (uint16_t)(order->word >> 32));
    FUZZ_CHECK(outcome->sense_bytes == (order->sense_bytes < room ? order->sense_bytes : room));
    unsigned n = outcome->sense_bytes < FUZZ_HBA_SENSE ? outcome->sense_bytes : FUZZ_HBA_SENSE;
    FUZZ_CHECK(memcmp(outcome->sense, order->sense, n) == 0);
}

/** The device had no part in it, and must have let go of the buffers. */
static void check_let_go(const struct fuzz_hba *io, const struct fuzz_task *task)
{
    uint64_t room = (uintptr_t)(no_mans_land() + task->number * ROOM_BYTES);

    if (is_out_of_reach(io))
        return;
    FUZZ_CHECK(!fuzz_virtio_holds(&io->virtio, room, ROOM_BYTES));
    if (io->hba->broken)
        FUZZ_CHECK(!io->fp.device_reaches_memory);
}

/** `order` is NULL if that is not known. */
static void check_outcome(const struct fuzz_hba *io, const struct fuzz_order *order, uint32_t bytes,
                          const struct vst_scsi_outcome *outcome)
{
    FUZZ_CHECK(outcome->response < VST_SCSI_N_RESPONSES);
    FUZZ_CHECK(outcome->residual_bytes <= bytes);
    FUZZ_CHECK(outcome->sense_bytes <= io->hba->limits.max_sense_bytes);
    if (outcome->response != VST_SCSI_RESPONSE_OK)
        FUZZ_CHECK(outcome->status == 0 && outcome->sense_bytes == 0);
    if (order == NULL)
        return;
    FUZZ_CHECK(order->bytes == bytes);
    if (outcome->response == VST_SCSI_RESPONSE_TIMEOUT) {
        FUZZ_CHECK(order->was_late || order->is_unclear || io->virtio.dishonest);
        if (!order->is_part)
            check_let_go(io, order->task);
    }
    if (io->virtio.dishonest)
        return;
    /* A reset may have overtaken an answer. */
    if (ended_by_driver(outcome) && (!order->is_answered || io->virtio.n_resets > 1)) {
        FUZZ_CHECK(io->virtio.n_resets > 1 || io->hba->broken);
        return;
    }
    FUZZ_CHECK(order->is_answered);
    check_told(io, order, bytes, outcome);
}

/* ---------------------------------------------------------------- the units: a small SCSI layer */

static struct fuzz_unit_queue *queue_of(struct vst_block_queue *queue)
{
    return (struct fuzz_unit_queue *)(void *)queue; /* base comes first, twice */
}

static const struct vst_scsi_hba_ops *ops_of(const struct fuzz_unit_queue *q)
{
    const struct vst_scsi_hba_ops *ops = q->hba->hba->ops;

    return q->scsi.base.driver->untraced != NULL && ops->traced != NULL ? ops->traced : ops;
}

static bool takes_long(const struct fuzz_unit_queue *q)
{
    return q->hba->longs && q->hba->hba->limits.max_cdb_bytes == VST_SCSI_LONG_CDB_BYTES;
}

static enum vst_status give_part(struct fuzz_unit_queue *q, struct vst_block_request *request,
                                 const struct vst_block_part *part, bool is_part)
{
    bool is_long = takes_long(q);
    struct vst_scsi_cdb cdb = {.bytes = {(uint8_t)part->op}};
    uint8_t long_cdb[VST_SCSI_LONG_CDB_BYTES] = {0x7f};

    if (q->hba->is_over)
        return VST_ERR_BROKEN;
    if (q->scsi.n_room <= 0)
        return VST_ERR_FULL;
    struct fuzz_order *order = give(q->hba, request->user, q->scsi.nexus,
                                    is_long ? long_cdb : cdb.bytes, is_long ? 32 : 16);
    if (order != NULL) {
        order->start_sector = part->start_sector;
        order->bytes = part->bytes;
        order->is_part = is_part;
    }
    if (is_long && !is_part)
        request->priv.split = false;
    if (is_long)
        return given(order, ops_of(q)->submit_long(&q->scsi, request, part, long_cdb));
    return given(order, is_part ? ops_of(q)->submit_part(&q->scsi, request, part, cdb)
                                : ops_of(q)->submit_block(&q->scsi, request, cdb));
}

static enum vst_status unit_submit(struct vst_block_queue *queue, struct vst_block_request *request)
{
    const struct vst_block_part whole = {
        .op = request->op,
        .start_sector = request->start_sector,
        .n_sectors = request->n_sectors,
        .bytes = (uint32_t)(request->n_sectors << VST_SECTOR_SHIFT),
        .n_pieces = request->n_segments,
        .segments = request->segments,
    };

    return give_part(queue_of(queue), request, &whole, false);
}

static enum vst_status unit_submit_part(struct vst_block_queue *queue,
                                        struct vst_block_request *request,
                                        const struct vst_block_part *part)
{
    return give_part(queue_of(queue), request, part, true);
}

static void unit_kick(struct vst_block_queue *queue)
{
    ops_of(queue_of(queue))->kick(&queue_of(queue)->scsi);
}

static size_t unit_poll(struct vst_block_queue *queue, struct vst_block_request **done, size_t max)
{
    return ops_of(queue_of(queue))->poll(&queue_of(queue)->scsi, done, max);
}

static bool unit_ready(const struct vst_block_queue *queue)
{
    const struct fuzz_unit_queue *q = (const struct fuzz_unit_queue *)(const void *)queue;

    return q->hba->hba->ops->ready(&q->scsi);
}

static void unit_arm(struct vst_block_queue *queue, uint32_t n)
{
    ops_of(queue_of(queue))->arm(&queue_of(queue)->scsi, n);
}

static void unit_disarm(struct vst_block_queue *queue)
{
    queue_of(queue)->scsi.ops->disarm(&queue_of(queue)->scsi);
}

static bool unit_awaited(const struct vst_block_queue *queue)
{
    const struct fuzz_unit_queue *q = (const struct fuzz_unit_queue *)(const void *)queue;

    return q->hba->hba->ops->awaited(&q->scsi);
}

static void unit_rest(struct vst_block_queue *queue)
{
    queue_of(queue)->scsi.ops->rest(&queue_of(queue)->scsi);
}

#define THE_SAME_IN_BOTH                                                                           \
    .submit = unit_submit, .submit_part = unit_submit_part, .kick = unit_kick, .poll = unit_poll,  \
    .ready = unit_ready, .arm = unit_arm, .disarm = unit_disarm, .awaited = unit_awaited,          \
    .rest = unit_rest

static const struct vst_block_driver plain_driver = {THE_SAME_IN_BOTH};
static const struct vst_block_driver traced_driver = {.untraced = &plain_driver, THE_SAME_IN_BOTH};

/** Given again, or ended with an error, as the input says. */
static void unit_ended(struct vst_scsi_block_queue *queue, struct vst_block_request *request,
                       const struct vst_scsi_share *share, const struct vst_scsi_outcome *outcome)
{
    struct fuzz_unit_queue *q = queue_of(&queue->base);
    struct fuzz_hba *io = q->hba;
    struct fuzz_order *order = find(io, request->user, share->start_sector);

    FUZZ_CHECK(((struct fuzz_task *)request->user)->queue == &queue->base);
    check_outcome(io, order, share->bytes, outcome);
    if (order != NULL) {
        FUZZ_CHECK(order->is_part == share->is_part);
        FUZZ_CHECK(order->was_late == share->was_late || order->is_unclear || io->virtio.dishonest);
        order->task = NULL;
    }
    bool again = fuzz_u8(io->fp.input) >= 0xc0 && !io->is_over;
    if (share->is_part && again) {
        (void)vst_block_part_dropped(&queue->base, request, share->start_sector, VST_OK);
    } else if (share->is_part) {
        if (vst_block_part_done(&queue->base, request, share->start_sector, VST_ERR_IO))
            vst_block_finish(&queue->base, request, request->status);
    } else if (!again || unit_submit(&queue->base, request) != VST_OK) {
        vst_block_finish(&queue->base, request, VST_ERR_IO);
    }
}

/** The order that has this tag, as far as the device has seen it; NULL: it may be any other. */
static struct fuzz_order *late_one(struct fuzz_hba *io, const struct fuzz_task *task, uint64_t tag)
{
    struct fuzz_order *one = NULL;

    for (unsigned i = 0; i < FUZZ_HBA_ORDERS; i++) {
        struct fuzz_order *order = &io->orders[i];
        if (order->task != task)
            continue;
        if (order->is_taken ? order->tag == tag : !order->is_part)
            one = order;
        else if (!order->is_taken)
            order->is_unclear = true;
    }
    return one;
}

static bool is_late(struct fuzz_hba *io, struct fuzz_task *task, uint64_t tag)
{
    struct fuzz_order *order = late_one(io, task, tag);

    io->late_tag = tag;
    if (order != NULL) {
        FUZZ_CHECK(!order->was_late || io->virtio.dishonest);
        order->was_late = true;
    }
    return !io->is_over && (fuzz_u8(io->fp.input) & 1) != 0;
}

static bool unit_late(struct vst_scsi_block_queue *queue, struct vst_block_request *request,
                      uint64_t tag)
{
    return is_late(queue_of(&queue->base)->hba, request->user, tag);
}

static const struct vst_scsi_block_upcalls upcalls = {.ended = unit_ended, .late = unit_late};

/* ---------------------------------------------------------------- tasks */

/** What is taken back is given back: nobody may look at it any more. */
static void forget(struct fuzz_hba *io, struct fuzz_task *task)
{
    for (unsigned i = 0; i < FUZZ_HBA_ORDERS; i++)
        if (io->orders[i].task == task)
            io->orders[i].task = NULL;
    for (size_t i = 0; i < io->fp.n_mappings; i++)
        FUZZ_CHECK((uintptr_t)io->fp.mappings[i].buffer - (uintptr_t)no_mans_land() -
                       task->number * ROOM_BYTES >=
                   ROOM_BYTES);
    FUZZ_CHECK(io->tasks[task->number] == task);
    io->tasks[task->number] = NULL;
    io->n_tasks--;
    free(task);
}

static struct fuzz_task *new_task(struct fuzz_hba *io)
{
    unsigned number = 0;

    while (number < FUZZ_HBA_TASKS && io->tasks[number] != NULL)
        number++;
    if (number == FUZZ_HBA_TASKS)
        return NULL;
    struct fuzz_task *task = calloc(1, sizeof(*task));
    FUZZ_CHECK(task != NULL);
    task->number = number;
    io->tasks[number] = task;
    io->n_tasks++;
    return task;
}

static const size_t segment_bytes[16] = {512, 512, 1024, 4096, 4096, 8192,     65536,    1u << 20,
                                         0,   1,   511,  513,  1536, 512 * 31, 2u << 20, 17u << 20};

static uint64_t shape_segments(struct fuzz_hba *io, struct fuzz_task *task, unsigned first,
                               unsigned n)
{
    uint64_t bytes = 0;

    for (unsigned i = first; i < first + n; i++) {
        size_t segment = segment_bytes[fuzz_u8(io->fp.input) & 15];
        task->segments[i] = (struct vst_block_segment){
            no_mans_land() + task->number * ROOM_BYTES + i * SEGMENT_AT, segment};
        bytes += segment;
    }
    return bytes;
}

static struct vst_block_queue *block_queue_of(struct fuzz_hba *io)
{
    return io->units[io->unit].device.queues[io->queue];
}

static void submit_request(struct fuzz_hba *io)
{
    uint8_t shape = fuzz_u8(io->fp.input);
    struct fuzz_task *task = new_task(io);

    if (task == NULL)
        return;
    task->queue = block_queue_of(io);
    task->request = (struct vst_block_request){.op = (enum vst_block_op)(shape % 3), .user = task};
    if (task->request.op != VST_BLOCK_FLUSH)
        task->request.n_segments = (shape >> 2) % 9;
    task->request.segments = task->segments;
    task->request.n_sectors =
        shape_segments(io, task, 0, task->request.n_segments) >> VST_SECTOR_SHIFT;
    if (task->request.op != VST_BLOCK_FLUSH)
        task->request.start_sector = shape >> 6;
    enum vst_status status = vst_block_submit(task->queue, &task->request);
    FUZZ_CHECK(status < VST_N_STATUS);
    if (status != VST_OK)
        forget(io, task);
}

/** The qualifier of a good status means nothing, so any is good (SAM-5, 5.3.2). */
#define QUALIFIER_OF_WORD (0xffffull << 32)

/** All orders that nobody heard of ended plainly well. */
static void check_all_good(const struct fuzz_hba *io, const struct fuzz_task *task)
{
    for (unsigned i = 0; i < FUZZ_HBA_ORDERS; i++) {
        const struct fuzz_order *order = &io->orders[i];
        if (order->task == task && !io->virtio.dishonest)
            FUZZ_CHECK(order->is_answered && order->is_written &&
                       (order->word & ~QUALIFIER_OF_WORD) == 0);
    }
}

static void poll(struct fuzz_hba *io, size_t max)
{
    struct vst_block_queue *queue = block_queue_of(io);
    /* Exactly as long as announced: ASan sees one too many. */
    struct vst_block_request **done = malloc(max * sizeof(struct vst_block_request *));
    size_t n = vst_block_poll(queue, done, max);

    FUZZ_CHECK(n <= max);
    for (size_t i = 0; i < n; i++) {
        struct fuzz_task *task = done[i]->user;
        FUZZ_CHECK(&task->request == done[i] && !task->is_command && task->queue == queue);
        FUZZ_CHECK(done[i]->status < VST_N_STATUS && done[i]->status != VST_ERR_FULL);
        if (done[i]->status == VST_OK)
            check_all_good(io, task);
        forget(io, task);
    }
    free(done);
}

/* ---------------------------------------------------------------- commands */

static uint32_t bytes_of(const struct vst_scsi_command *command)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < command->n_out; i++)
        bytes += command->out[i].bytes;
    for (unsigned i = 0; i < command->n_in; i++)
        bytes += command->in[i].bytes;
    return (uint32_t)bytes;
}

static void command_done(struct vst_scsi_command *command)
{
    struct fuzz_task *task = command->user;
    struct fuzz_order *order = find(&the_hba, task, 0);

    FUZZ_CHECK(&task->command == command && task->is_command);
    check_outcome(&the_hba, order, bytes_of(command), &command->outcome);
    forget(&the_hba, task);
}

static bool command_late(struct vst_scsi_command *command, uint64_t tag)
{
    return is_late(&the_hba, command->user, tag);
}

static void shape_command(struct fuzz_hba *io, struct fuzz_task *task)
{
    struct fuzz_input *input = io->fp.input;
    struct vst_scsi_command *command = &task->command;
    uint8_t shape = fuzz_u8(input), more = fuzz_u8(input);

    *command = (struct vst_scsi_command){
        .nexus = io->units[io->unit].queues[0].scsi.nexus,
        .cdb = {0x12},
        .cdb_bytes = more & 1 ? 32 : 16,
        .attribute = (enum vst_scsi_attribute)(more >> 1 & 3),
        .n_out = shape & 7,
        .n_in = shape >> 3 & 7,
        .out = task->segments,
        .in = task->segments + FUZZ_HBA_SEGMENTS,
        .timeout_ns = (uint64_t)(more >> 3 & 3) << 29,
        .done = command_done,
        .late = more & 0x20 ? command_late : NULL,
        .user = task,
    };
    if ((shape & 0x40) == 0) /* mostly one way */
        *(shape & 0x80 ? &command->n_out : &command->n_in) = 0;
    shape_segments(io, task, 0, command->n_out);
    shape_segments(io, task, FUZZ_HBA_SEGMENTS, command->n_in);
    if (more & 0x40) {
        command->cdb_bytes = fuzz_u8(input) & 63;
        command->priority = fuzz_u8(input) & 31;
        command->attribute = (enum vst_scsi_attribute)(fuzz_u8(input) & 7);
    }
    if (more & 0x80) {
        command->out_protection_bytes = fuzz_u8(input);
        command->in_protection_bytes = fuzz_u8(input);
    }
}

static void submit_command(struct fuzz_hba *io)
{
    struct fuzz_task *task = new_task(io);

    if (task == NULL)
        return;
    task->is_command = true;
    shape_command(io, task);
    uint8_t cdb_bytes = task->command.cdb_bytes;
    struct fuzz_order *order =
        give(io, task, task->command.nexus, task->command.cdb,
             cdb_bytes < VST_SCSI_LONG_CDB_BYTES ? cdb_bytes : VST_SCSI_LONG_CDB_BYTES);
    if (order != NULL) {
        order->bytes = bytes_of(&task->command);
        order->is_unclear = task->command.late == NULL;
    }
    struct vst_scsi_hba_queue *queue = io->hba->queues[io->queue];
    if (given(order, io->hba->ops->submit(queue, &task->command)) != VST_OK)
        forget(io, task);
    else if (io->hba->broken)
        FUZZ_CHECK(!"taken by an adapter out of service");
}

/* ---------------------------------------------------------------- functions and events */

static void start_function(struct fuzz_hba *io)
{
    struct fuzz_input *input = io->fp.input;
    unsigned i = 0;
    uint8_t shape = fuzz_u8(input);

    while (i < FUZZ_HBA_FUNCTIONS && io->functions[i] != NULL)
        i++;
    if (i == FUZZ_HBA_FUNCTIONS)
        return;
    struct vst_scsi_function *function = malloc(sizeof(*function));
    FUZZ_CHECK(function != NULL);
    *function = (struct vst_scsi_function){
        .kind = (enum vst_scsi_function_kind)((shape & 15) % (VST_SCSI_N_FUNCTIONS + 1)),
        .nexus = io->units[io->unit].queues[0].scsi.nexus,
        .tag = shape & 0x80 ? fuzz_bytes(input, 5) : io->late_tag,
        .classes = shape,
        .timeout_ns = (uint64_t)(shape >> 4 & 7) << 28,
    };
    io->functions[i] = function;
    io->n_functions++;
    enum vst_status status = io->hba->ops->manage(io->hba, function);
    FUZZ_CHECK(status < VST_N_STATUS && (status != VST_OK || !io->hba->broken));
    if (status == VST_OK)
        return;
    io->functions[i] = NULL;
    io->n_functions--;
    free(function);
}

static void take_functions(struct fuzz_hba *io)
{
    for (unsigned i = 0; i < FUZZ_HBA_FUNCTIONS; i++) {
        struct vst_scsi_function *function = io->functions[i];
        if (function == NULL || !vst_scsi_function_ended(function))
            continue;
        FUZZ_CHECK(function->response < VST_SCSI_N_FUNCTION_RESPONSES);
        io->functions[i] = NULL;
        io->n_functions--;
        free(function);
    }
}

static void check_event(const struct fuzz_hba *io, const struct vst_scsi_event *event)
{
    uint8_t bytes[VST_SCSI_LUN_BYTES];

    FUZZ_CHECK(event->kind < VST_SCSI_N_EVENTS && event->kind != VST_SCSI_EVENTS_MISSED);
    FUZZ_CHECK(event->target <= io->hba->limits.max_target);
    FUZZ_CHECK(vst_scsi_nexus_encode(event->target, &event->lun, bytes) == VST_OK);
    if (event->kind != VST_SCSI_EVENT_NOTIFIED)
        FUZZ_CHECK(event->classes == 0);
}

unsigned fuzz_hba_fetch_events(struct fuzz_hba *io, struct vst_scsi_event *last, bool *missed)
{
    struct vst_scsi_event event;
    unsigned n = 0, n_all = 0;

    *missed = false;
    while (io->hba->ops->next_event(io->hba, &event)) {
        FUZZ_CHECK(n_all++ < MAX_EVENTS);
        if (event.kind == VST_SCSI_EVENTS_MISSED) {
            *missed = true;
            continue;
        }
        check_event(io, &event);
        *last = event;
        n++;
    }
    io->n_events += n;
    FUZZ_CHECK(io->n_events <= io->n_event_answers || io->virtio.dishonest);
    return n;
}

static void look(struct fuzz_hba *io)
{
    io->hba->ops->look(io->hba);
    take_functions(io);
}

/* ---------------------------------------------------------------- the caller's moves */

static void fetch(struct fuzz_hba *io)
{
    struct vst_scsi_event event;
    bool missed;

    (void)fuzz_hba_fetch_events(io, &event, &missed);
}

/** Whoever is asked by the side queues answers. */
static void side_round(struct fuzz_hba *io)
{
    uint8_t how = fuzz_u8(io->fp.input);

    for (unsigned i = 0; i < VIRTIO_SCSI_QUEUE_REQUEST; i++) {
        fuzz_virtio_take(&io->virtio, i, FUZZ_MAX_HELD);
        for (unsigned n = how & 7; n > 0; n--)
            fuzz_virtio_answer(&io->virtio, i, 0, how >> 3);
    }
    look(io);
    fetch(io);
}

static void find_late(struct fuzz_hba *io)
{
    struct vst_scsi_hba_queue *queue = io->hba->queues[io->queue];
    uint64_t tag;

    if (io->hba->ops->next_late(queue, io->units[io->unit].queues[0].scsi.nexus, &tag))
        io->late_tag = tag;
}

/** What callers do now and then. */
static void do_rare(struct fuzz_hba *io, uint8_t what)
{
    struct vst_scsi_hba_queue *queue = io->hba->queues[io->queue];

    switch (what) {
    case 0:
    case 1:
        if (!vst_block_arm_after(block_queue_of(io), what * 3u + 1))
            (void)vst_block_awaited(block_queue_of(io));
        break;
    case 2:
        vst_block_disarm(block_queue_of(io));
        break;
    case 3:
        (void)vst_block_awaited(block_queue_of(io));
        (void)vst_block_ready(block_queue_of(io));
        break;
    case 4:
        (void)io->hba->ops->interrupted(io->hba);
        break;
    case 5:
        look(io);
        break;
    case 6:
        fetch(io);
        break;
    case 7:
        side_round(io);
        break;
    case 8:
        io->hba->ops->poll_commands(queue, fuzz_u8(io->fp.input) & 31);
        break;
    case 9:
        io->hba->ops->kick_commands(queue);
        break;
    case 10:
        find_late(io);
        break;
    case 11:
        vst_block_rest(block_queue_of(io));
        io->hba->ops->rest_commands(queue);
        break;
    case 12:
        io->hba->ops->reset(queue, "asked for");
        io->is_disturbed = true;
        break;
    case 13:
    case 14:
        fuzz_virtio_reconfigure(&io->virtio);
        io->is_disturbed = true;
        break;
    default:
        if (fuzz_u8(io->fp.input) < 64) {
            vst_virtio_scsi_unplug(io->hba);
            io->is_disturbed = true;
        }
    }
}

/** A whole round, so that short inputs get far. */
static void do_round(struct fuzz_hba *io, unsigned n_answers)
{
    unsigned side = VIRTIO_SCSI_QUEUE_REQUEST + io->queue;

    io->hba->ops->kick_commands(io->hba->queues[io->queue]);
    fuzz_virtio_take(&io->virtio, side, FUZZ_MAX_HELD);
    while (n_answers-- > 0)
        fuzz_virtio_answer(&io->virtio, side, 0, 0);
    for (io->unit = 0; io->unit < FUZZ_HBA_UNITS; io->unit++)
        poll(io, MAX_DONE);
    io->unit = 0;
}

static void choose(struct fuzz_hba *io, uint8_t arg)
{
    io->unit = arg & 1;
    io->queue = (arg >> 1 & 1) % io->hba->n_queues;
    io->side = arg & 8 ? arg >> 2 & 1 : VIRTIO_SCSI_QUEUE_REQUEST + io->queue;
}

/** False if it is not the caller's turn. */
static bool step_of_caller(struct fuzz_hba *io, uint8_t op, uint8_t arg)
{
    switch (op) {
    case 0:
        submit_request(io);
        break;
    case 1:
        submit_command(io);
        break;
    case 2:
        do_rare(io, arg);
        break;
    case 3:
        start_function(io);
        break;
    case 4:
        poll(io, arg + 1u);
        break;
    case 5:
        choose(io, arg);
        break;
    case 7:
        io->fp.now_ns += (uint64_t)arg << 27;
        break;
    case 11:
        vst_block_kick(block_queue_of(io));
        break;
    case 12:
        do_round(io, arg);
        break;
    default:
        return false;
    }
    return true;
}

static void step_of_device(struct fuzz_hba *io, uint8_t op, uint8_t arg)
{
    struct fuzz_virtio *virtio = &io->virtio;

    switch (op) {
    case 6:
        fuzz_virtio_overtake(virtio, io->side, arg, 0);
        break;
    case 8:
        fuzz_virtio_take(virtio, io->side, arg + 1u);
        break;
    case 9:
        fuzz_virtio_answer(virtio, io->side, arg, 0);
        break;
    case 10:
        fuzz_virtio_answer(virtio, io->side, arg, fuzz_u8(io->fp.input));
        break;
    case 13:
        fuzz_virtio_edit(virtio, io->side);
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

static bool any_timeout(const struct fuzz_hba *io)
{
    for (unsigned i = 0; i < io->hba->n_queues; i++)
        if (io->hba->queues[i]->stats.timeouts > 0)
            return true;
    return false;
}

static void check_broken(const struct fuzz_hba *io)
{
    if (!io->hba->broken)
        return;
    FUZZ_CHECK(io->virtio.dishonest || io->is_disturbed || any_timeout(io));
    FUZZ_CHECK(is_out_of_reach(io) || !io->fp.device_reaches_memory);
}

static void step(struct fuzz_hba *io)
{
    uint8_t op = fuzz_u8(io->fp.input);

    io->fp.n_steps = 0;
    if (!step_of_caller(io, op & 15, op >> 4))
        step_of_device(io, op & 15, op >> 4);
    check_broken(io);
}

/* ---------------------------------------------------------------- an adapter's life */

static void set_config(struct fuzz_hba *io, unsigned at, uint32_t value)
{
    memcpy(io->virtio.config + at, &value, sizeof(value));
}

struct fuzz_hba *fuzz_hba_begin(struct fuzz_input *input, bool maps)
{
    struct fuzz_hba *io = &the_hba;

    memset(&io->config, 0, sizeof(*io) - offsetof(struct fuzz_hba, config));
    io->config =
        (struct vst_virtio_scsi_config){.queue_size = 16, .timeout_ns = TIMEOUT_NS, .n_queues = 1};
    fuzz_platform_init(&io->fp, input, maps);
    fuzz_virtio_init(&io->virtio, &io->fp, &fuzz_kind_scsi);
    io->virtio.kind_ctx = io;
    io->virtio.n_queues = VIRTIO_SCSI_QUEUE_REQUEST + 1;
    io->virtio.may_carry = may_carry;
    io->virtio.may_carry_ctx = io;
    io->side = VIRTIO_SCSI_QUEUE_REQUEST;
    set_config(io, VIRTIO_SCSI_CONFIG_NUM_QUEUES, 1);
    set_config(io, VIRTIO_SCSI_CONFIG_SEG_MAX, 6);
    set_config(io, VIRTIO_SCSI_CONFIG_MAX_SECTORS, 2048);
    set_config(io, VIRTIO_SCSI_CONFIG_CMD_PER_LUN, 8);
    set_config(io, VIRTIO_SCSI_CONFIG_EVENT_BYTES, 16);
    set_config(io, VIRTIO_SCSI_CONFIG_SENSE_SIZE, VIRTIO_SCSI_SENSE_BYTES);
    set_config(io, VIRTIO_SCSI_CONFIG_CDB_SIZE, VIRTIO_SCSI_CDB_BYTES);
    io->virtio.config[VIRTIO_SCSI_CONFIG_MAX_TARGET] = 7;
    set_config(io, VIRTIO_SCSI_CONFIG_MAX_LUN, 1023);
    return io;
}

void fuzz_hba_surround(struct fuzz_hba *io, uint8_t how)
{
    unsigned n_queues = (how >> 6 & 1) + 1, irq = how >> 3 & 7;

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
    io->virtio.n_queues = (uint16_t)(VIRTIO_SCSI_QUEUE_REQUEST + n_queues);
    set_config(io, VIRTIO_SCSI_CONFIG_NUM_QUEUES, n_queues);
    io->config.n_queues = FUZZ_HBA_QUEUES;
    io->longs = how >> 7;
}

static void check_limits(const struct vst_scsi_hba *hba)
{
    const struct vst_scsi_hba_limits *limits = &hba->limits;

    FUZZ_CHECK(limits->max_target <= 255 && limits->max_lun <= 16383);
    FUZZ_CHECK(limits->max_segments >= 1 && limits->max_segment_bytes >= 512);
    FUZZ_CHECK(limits->max_sectors >= 1 && limits->depth >= 1 && limits->depth_of_unit >= 1);
    FUZZ_CHECK(limits->max_cdb_bytes >= 16 && limits->max_cdb_bytes <= VST_SCSI_LONG_CDB_BYTES);
    FUZZ_CHECK(limits->max_sense_bytes >= 18 && limits->max_sense_bytes <= VST_SCSI_SENSE_BYTES);
    FUZZ_CHECK(hba->n_queues >= 1 && hba->n_queues <= FUZZ_HBA_QUEUES && hba->features != NULL);
    for (unsigned i = 0; i <= 64; i++)
        if (hba->features[i] == NULL)
            return;
    FUZZ_CHECK(!"the list of features has no end");
}

static void set_up_queue(struct fuzz_hba *io, unsigned unit, uint16_t index)
{
    struct fuzz_unit *u = &io->units[unit];
    struct fuzz_unit_queue *q = &u->queues[index];
    struct vst_scsi_lun lun;

    u->list[index] = &q->scsi.base;
    q->hba = io;
    q->scsi = (struct vst_scsi_block_queue){
        .base = {.device = &u->device, .index = index},
        .hba_queue = io->hba->queues[index],
        .ops = io->hba->ops,
        .n_room = u->n_room,
        .upcalls = &upcalls,
    };
    q->scsi.base.driver = unit == 0 ? &plain_driver : &traced_driver;
    FUZZ_CHECK(vst_scsi_lun_of(unit * 300, &lun) == VST_OK);
    FUZZ_CHECK(vst_scsi_nexus_encode((uint8_t)unit, &lun, q->scsi.nexus.bytes) == VST_OK);
}

static void set_up_unit(struct fuzz_hba *io, unsigned unit)
{
    const struct vst_scsi_hba_limits *limits = &io->hba->limits;
    struct fuzz_unit *u = &io->units[unit];

    u->n_room = unit == 0 ? 12 : 3;
    u->device = (struct vst_block_device){
        .platform = &io->fp.platform,
        .limits = {.n_sectors = 1u << 20,
                   .logical_block_bytes = 512,
                   .physical_block_bytes = 512,
                   .max_segments = limits->max_segments,
                   .max_segment_bytes = limits->max_segment_bytes,
                   .max_sectors = limits->max_sectors,
                   .depth = limits->depth},
        .write_cache = true,
        .flush_needed = true,
        .n_queues = io->hba->n_queues,
        .queues = u->list,
    };
    for (uint16_t i = 0; i < io->hba->n_queues; i++)
        set_up_queue(io, unit, i);
    vst_block_limits_changed(&u->device);
}

enum vst_status fuzz_hba_attach(struct fuzz_hba *io)
{
    enum vst_status status;

    io->virtio.dishonest = io->virtio.lies || io->virtio.overlaps || io->virtio.races ||
                           io->virtio.never_resets || io->virtio.dishonest;
    if (io->virtio.front >= FUZZ_MMIO_1)
        status = vst_virtio_mmio_scsi_attach(&io->fp.platform, FUZZ_MMIO_PHYSICAL, FUZZ_MMIO_BYTES,
                                             &io->config, &io->hba);
    else
        status =
            vst_virtio_scsi_attach(&io->fp.platform, &io->virtio.function, &io->config, &io->hba);
    FUZZ_CHECK(status < VST_N_STATUS);
    if (status != VST_OK) {
        io->hba = NULL;
        return status;
    }
    check_limits(io->hba);
    io->virtio.n_resets = 1;
    for (unsigned i = 0; i < FUZZ_HBA_UNITS; i++)
        set_up_unit(io, i);
    return VST_OK;
}

void fuzz_hba_run(struct fuzz_hba *io, unsigned max_steps)
{
    while (io->hba != NULL && io->fp.input->left > 0 && max_steps-- > 0)
        step(io);
}

/** One look at each queue of each unit, as often as the driver asks of its callers. */
static void poll_all(struct fuzz_hba *io)
{
    for (io->queue = 0; io->queue < io->hba->n_queues; io->queue++) {
        io->fp.n_steps = 0;
        do_round(io, io->answers_in_the_end ? FUZZ_MAX_HELD : 0);
    }
    io->queue = 0;
    look(io);
}

static void wait_for_all(struct fuzz_hba *io)
{
    for (unsigned n = 1; io->n_tasks > 0 || io->n_functions > 0; n++) {
        FUZZ_CHECK(n < MAX_POLLS);
        io->fp.now_ns += TIMEOUT_NS / 8;
        io->is_over |= n >= MAX_ROUNDS;
        io->answers_in_the_end &= !io->is_over;
        if (n % RESET_EVERY == 0)
            io->hba->ops->reset(io->hba->queues[0], "the end");
        io->is_disturbed |= n % RESET_EVERY == 0;
        poll_all(io);
        check_broken(io);
    }
    for (unsigned i = 0; i < FUZZ_HBA_UNITS; i++)
        for (unsigned k = 0; k < io->hba->n_queues; k++)
            FUZZ_CHECK(io->units[i].queues[k].scsi.n_room == io->units[i].n_room);
}

void fuzz_hba_end(struct fuzz_hba *io)
{
    if (io->hba != NULL) {
        wait_for_all(io);
        io->fp.n_steps = 0;
        vst_virtio_scsi_detach(io->hba);
    }
    FUZZ_CHECK(io->fp.n_mappings == 0);
    size_t n_left = fuzz_platform_free_all(&io->fp);
    FUZZ_CHECK(n_left == 0 || io->virtio.never_resets || io->virtio.lies);
    fuzz_virtio_end();
}
