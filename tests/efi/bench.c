/* SPDX-License-Identifier: BSD-2-Clause */
/* What a read costs, between the marks of tests/icount. */
#include <machine.h>

#include "boot/shell/marks.h"
#include "tests/efi/support.h"

#define BYTES    4096u
#define DEPTH    32u
#define WARM_UPS 64u
#define TRIES    3

static uint64_t n_reads(void)
{
    return option("reads", 1000);
}

/* Scattered, the same each time. */
static EFI_LBA place(const EFI_BLOCK_IO_MEDIA *media, uint64_t i)
{
    uint64_t n = (media->LastBlock + 1) * media->BlockSize / BYTES;

    return i * 2654435761u % n * (BYTES / media->BlockSize);
}

static EFI_BLOCK_IO_PROTOCOL *start(void)
{
    if (option("ours", 1))
        (void)load_driver();
    connect_all();
    CHECK(is_ours(virtio_function(0)) == (option("ours", 1) != 0));
    return protocol(disk(0), &guid_block_io);
}

/* One after the other by Block IO. */
static void read_one(void)
{
    EFI_BLOCK_IO_PROTOCOL *io = start();
    char *buffer = allocate(BYTES);
    uint64_t n = n_reads();

    for (uint64_t i = 0; i < WARM_UPS; i++)
        EXPECT_OK(io->ReadBlocks(io, io->Media->MediaId, place(io->Media, i), BYTES, buffer));
    MARK(MARK_BENCH);
    for (uint64_t i = 0; i < n; i++)
        EXPECT_OK(io->ReadBlocks(io, io->Media->MediaId, place(io->Media, i), BYTES, buffer));
    MARK(MARK_BENCH | MARK_END);
}

/* ---------------------------------------------------------------- Block IO 2 */

struct flight {
    EFI_BLOCK_IO2_TOKEN token;
    volatile bool landed;
    char buffer[BYTES];
};

static VOID EFIAPI land(EFI_EVENT event, VOID *context)
{
    (void)event;
    ((struct flight *)context)->landed = true;
}

static void take_off(EFI_BLOCK_IO2_PROTOCOL *io, struct flight *f, EFI_LBA lba)
{
    f->landed = false;
    EXPECT_OK(io->ReadBlocksEx(io, io->Media->MediaId, lba, &f->token, BYTES, f->buffer));
}

static uint64_t n_looks;

/* All else that happens meanwhile, events of the firmware and what they do, is part of the count. */
static void wait_for(struct flight *f)
{
    machine_wait_for(&f->landed, &n_looks);
}

/* Nothing lands. */
static void wait_idly(uint64_t n)
{
    n_looks = n;
    MARK(MARK_BENCH);
    machine_wait_idly(n);
    MARK(MARK_BENCH | MARK_END);
    say("looks %lu", (unsigned long)n_looks);
}

/* DEPTH are in flight all the time: each makes room for another. */
static void read_stream(EFI_BLOCK_IO2_PROTOCOL *io, struct flight *flights, const EFI_LBA *places,
                        uint64_t n)
{
    for (uint64_t i = 0; i < n + DEPTH; i++) {
        struct flight *f = &flights[i % DEPTH];
        if (i >= DEPTH)
            wait_for(f);
        if (i < n)
            take_off(io, f, places[i]);
    }
}

/* DEPTH are given together, and all waited for before the next. */
static void read_rounds(EFI_BLOCK_IO2_PROTOCOL *io, struct flight *flights, const EFI_LBA *places,
                        uint64_t n)
{
    for (uint64_t i = 0; i < n; i += DEPTH) {
        for (unsigned k = 0; k < DEPTH; k++)
            take_off(io, &flights[k], places[i + k]);
        for (unsigned k = 0; k < DEPTH; k++)
            wait_for(&flights[k]);
    }
}

/* What it costs that firmware tells of so many ends, by events alone: the same for any driver. */
static void tell_rounds(struct flight *flights, uint64_t n)
{
    for (uint64_t i = 0; i < n; i += DEPTH) {
        EFI_TPL before = firmware->RaiseTPL(TPL_NOTIFY);
        for (unsigned k = 0; k < DEPTH; k++)
            (void)firmware->SignalEvent(flights[k].token.Event);
        firmware->RestoreTPL(before);
    }
}

typedef void read_fn(EFI_BLOCK_IO2_PROTOCOL *io, struct flight *flights, const EFI_LBA *places,
                     uint64_t n);

/* The host is told what of the count was nothing but waiting. */
static void measure(read_fn *read, EFI_BLOCK_IO2_PROTOCOL *io, struct flight *flights,
                    const EFI_LBA *places, uint64_t n)
{
    n_looks = 0;
    MARK(MARK_BENCH);
    read(io, flights, places, n);
    MARK(MARK_BENCH | MARK_END);
    say("looks %lu", (unsigned long)n_looks);
}

/*
 * With events as the firmware's DiskIoDxe makes them. Then what of it is firmware's own: what it does of
 * itself as time goes by, and so many events without any reads.
 */
static void read_many(void)
{
    (void)start();
    EFI_BLOCK_IO2_PROTOCOL *io = protocol(disk(0), &guid_block_io2);
    struct flight *flights = allocate(DEPTH * sizeof(*flights));
    uint64_t n = n_reads();
    EFI_LBA *places = allocate(n * sizeof(*places));

    for (uint64_t i = 0; i < n; i++)
        places[i] = place(io->Media, i);
    for (unsigned k = 0; k < DEPTH; k++)
        EXPECT_OK(firmware->CreateEvent(EVT_NOTIFY_SIGNAL, TPL_NOTIFY, land, &flights[k],
                                        &flights[k].token.Event));
    read_rounds(io, flights, places, WARM_UPS);
    for (int i = 0; i < TRIES; i++)
        measure(read_stream, io, flights, places, n);
    measure(read_rounds, io, flights, places, n);
    wait_idly(n_looks);
    MARK(MARK_BENCH);
    tell_rounds(flights, n);
    MARK(MARK_BENCH | MARK_END);
}

const struct test tests_bench[] = {
    {"read_one", read_one},
    {"read_many", read_many},
    {NULL, NULL},
};
