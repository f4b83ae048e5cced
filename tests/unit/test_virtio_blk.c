/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtio-blk driver on the virtqueue on the modern PCI transport, against a fake device, honest
 * and hostile. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/virtio_blk.h"
#include "drivers/virtq_hot.h"
#include "tests/unit/fake_virtio_fronts.h"

#define PACKED            VIRTIO_BIT(VIRTIO_F_RING_PACKED)
#define IN_ORDER          VIRTIO_BIT(VIRTIO_F_IN_ORDER)
#define NOTIFICATION_DATA VIRTIO_BIT(VIRTIO_F_NOTIFICATION_DATA)
#define NO_INDIRECT       VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC)
#define NO_EVENT_IDX      VIRTIO_BIT(VIRTIO_F_EVENT_IDX)

#define DISK_SECTORS 4096u

/** One platform, one device, attached unless a test attaches itself. */
struct fixture {
    struct fake_platform fake;
    struct vst_bounce bounce;
    const struct vst_platform *platform; /**< the fake one, or the bounce pool over it */
    struct fake_virtio_blk blk;
    struct fake_virtio_front front;
    struct vst_virtio_blk_config config;
    struct vst_block_device *device;
    struct vst_block_queue *queue;
    size_t n_leaked; /**< pieces of memory that the test expects never to be given back */
};

/* How the device is reached; test_virtio_transports.c runs this file's tests over the others. */
static enum fake_front front_in_use = FAKE_MODERN;

/* How it reaches memory; test_virtio_dma.c runs them with all data copied. */
static enum {
    DMA_AS_ASKED, /* linear, unless a test asks for copies */
    DMA_COPIED,   /* by the fake platform */
    DMA_BOUNCED,  /* by vstor/bounce.h, over a linear platform */
} dma_in_use;

static size_t bounce_bytes = 320 * VST_BOUNCE_GRANULE_BYTES;

static void set_up_platform(struct fixture *f, bool copying)
{
    fake_platform_init(&f->fake, dma_in_use == DMA_COPIED || (dma_in_use == 0 && copying));
    f->platform = &f->fake.platform;
    if (dma_in_use == DMA_BOUNCED) {
        assert_int_equal(vst_bounce_start(&f->bounce, f->platform, bounce_bytes), VST_OK);
        f->fake.confined = true;
        f->platform = &f->bounce.platform;
    }
}

static void set_up(struct fixture *f, bool copying)
{
    set_up_platform(f, copying);
    fake_virtio_blk_init(&f->blk, &f->fake, DISK_SECTORS);
    fake_virtio_front_use(&f->front, &f->blk, front_in_use);
    f->n_leaked = 0;
    f->config = (struct vst_virtio_blk_config){.timeout_ns = 50000000, .pci = f->front.choice};
    f->device = NULL;
    for (size_t i = 0; i < DISK_SECTORS * 512; i++)
        f->blk.disk[i] = (uint8_t)(i * 31 + (i >> 9));
}

static enum vst_status attach(struct fixture *f)
{
    enum vst_status status =
        f->front.is_mmio
            ? vst_virtio_mmio_blk_attach(f->platform, FAKE_MMIO_PHYSICAL, FAKE_MMIO_BYTES,
                                         &f->config, &f->device)
            : vst_virtio_blk_attach(f->platform, &f->blk.function, &f->config, &f->device);

    if (status == VST_OK)
        f->queue = f->device->queues[0];
    return status;
}

/** Mappings not yet given back. */
static size_t n_mapped(const struct fixture *f)
{
    size_t n = f->fake.n_mapped;

    for (uint32_t i = 0; dma_in_use == DMA_BOUNCED && i < f->bounce.n_granules; i++)
        n += f->bounce.runs[i] != 0 && f->bounce.runs[i] != UINT32_MAX;
    return n;
}

/** The pool is whole again, and nothing was left lying in it. */
static void stop_bounce(struct fixture *f)
{
    assert_int_equal(f->bounce.n_wrong_unmap, 0);
    for (size_t i = 0; i < f->bounce.n_granules; i++)
        assert_int_equal(f->bounce.runs[i], 0);
    for (size_t i = 0; i < bounce_bytes; i++)
        if (f->bounce.pool[i] != 0)
            fail_msg("left in the pool: byte %zu", i);
    vst_bounce_stop(&f->bounce);
}

/** Everything given back, no rule broken. */
static void tear_down(struct fixture *f)
{
    if (f->device != NULL)
        vst_virtio_blk_detach(f->device);
    assert_int_equal(n_mapped(f), 0);
    if (dma_in_use == DMA_BOUNCED)
        stop_bounce(f);
    assert_int_equal(f->fake.n_allocated, f->n_leaked);
    fake_platform_free_leaks(&f->fake);
    if (f->blk.saw_misuse)
        fail_msg("the device saw: %s", f->blk.misuse);
    fake_virtio_blk_destroy(&f->blk);
}

#define WITH(f)                                                                                    \
    struct fixture f##_storage, *f = &f##_storage;                                                 \
    (void)state;                                                                                   \
    set_up(f, false)

static struct vst_block_request transfer_request(enum vst_block_op op,
                                                 struct vst_block_segment *segment, void *buffer,
                                                 uint64_t sector, uint64_t n_sectors)
{
    *segment = (struct vst_block_segment){buffer, n_sectors * 512};
    return (struct vst_block_request){.op = op,
                                      .n_segments = 1,
                                      .segments = segment,
                                      .start_sector = sector,
                                      .n_sectors = n_sectors};
}

static enum vst_status transfer(struct fixture *f, enum vst_block_op op, void *buffer,
                                uint64_t sector, uint64_t n_sectors)
{
    struct vst_block_segment segment;
    struct vst_block_request request = transfer_request(op, &segment, buffer, sector, n_sectors);

    return vst_block_execute(f->queue, &request);
}

/* ------------------------------------------------------------------ attach */

static void test_attach_tells_what_the_device_says(void **state)
{
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    assert_string_equal(f->device->serial, "fake-0001");
    assert_string_equal(f->device->path, "pci-0000:00:04.0");
    assert_int_equal(f->device->limits.n_sectors, DISK_SECTORS);
    assert_int_equal(f->device->limits.logical_block_bytes, 512);
    assert_int_equal(f->device->limits.max_segments, dma_in_use == DMA_BOUNCED ? 10 : 30);
    assert_int_equal(f->device->limits.depth, 128);
    assert_true(f->device->write_cache);
    assert_false(f->device->read_only);
    tear_down(f);
}

static void test_initialisation_follows_the_numbered_steps(void **state)
{
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    static const uint8_t steps[] = {0, 1, 3, 11, 15};
    assert_int_equal(f->blk.n_status_writes, sizeof(steps));
    assert_memory_equal(f->blk.status_history, steps, sizeof(steps));
    tear_down(f);
}

static void test_device_already_running_is_reset_first_Solo5_483(void **state)
{
    WITH(f);
    f->blk.status = 15;
    f->blk.queues[0].enabled = true;
    assert_int_equal(attach(f), VST_OK);
    assert_true(f->blk.queue_was_live_on_reset);
    assert_int_equal(f->blk.status_history[0], 0);
    tear_down(f);
}

static void test_features_refused(void **state)
{
    WITH(f);
    f->blk.refuses_features_ok = true;
    assert_int_equal(attach(f), VST_ERR_UNSUPPORTED);
    assert_non_null(strstr(f->fake.last_log, "refuses features"));
    tear_down(f);
}

static void test_only_implemented_features_are_taken(void **state)
{
    WITH(f);
    f->blk.offered_features = UINT64_MAX;
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->blk.driver_features & (VIRTIO_BIT(VIRTIO_F_SR_IOV) | VIRTIO_BIT(50) |
                                               VIRTIO_BIT(VIRTIO_F_NOTIF_CONFIG_DATA)),
                     0);
    assert_true(f->blk.driver_features & VIRTIO_BIT(VIRTIO_F_VERSION_1));
    tear_down(f);
}

static void test_refused_features_are_not_taken(void **state)
{
    WITH(f);
    f->config.refused_features = VIRTIO_BIT(VIRTIO_F_EVENT_IDX) | VIRTIO_BIT(VIRTIO_F_VERSION_1);
    assert_int_equal(attach(f), VST_OK);
    assert_false(f->blk.driver_features & VIRTIO_BIT(VIRTIO_F_EVENT_IDX));
    assert_true(f->blk.driver_features & VIRTIO_BIT(VIRTIO_F_VERSION_1));
    tear_down(f);
}

static void test_no_version_1(void **state)
{
    WITH(f);
    f->blk.offered_features &= ~VIRTIO_BIT(VIRTIO_F_VERSION_1);
    assert_int_equal(attach(f), VST_ERR_UNSUPPORTED);
    tear_down(f);
}

static void test_reset_that_never_ends(void **state)
{
    WITH(f);
    f->blk.reset_takes_for_ever = true;
    assert_int_equal(attach(f), VST_ERR_TIMEOUT); /* and nothing is leaked: nothing was shared */
    tear_down(f);
}

static void test_memory_is_leaked_if_the_reset_is_not_confirmed(void **state)
{
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    f->blk.reset_takes_for_ever = true;
    /* all but the device's own structure, its trace, and its list of mappings */
    f->n_leaked = f->fake.n_allocated - (dma_in_use == DMA_AS_ASKED ? 2 : 3);
    if (dma_in_use == DMA_BOUNCED)
        f->n_leaked -= 2; /* the pool's */
    f->blk.pci_config[4] = 0x06;
    vst_virtio_blk_detach(f->device);
    f->device = NULL;
    assert_non_null(strstr(f->fake.last_log, "never used again"));
    assert_int_equal(f->blk.pci_config[4] & 0x04, 0); /* bus mastering is off */
    tear_down(f);
}

static void test_no_memory_at_any_point(void **state)
{
    for (size_t n = 0;; n++) {
        WITH(f);
        f->fake.fail_alloc_after = n;
        enum vst_status status = attach(f);
        tear_down(f);
        if (status == VST_OK) {
            assert_true(n >= 5);
            return;
        }
        assert_int_equal(status, VST_ERR_NO_MEMORY);
    }
}

static void test_queue_absent_or_absurd(void **state)
{
    WITH(f);
    fake_virtio_blk_offer_queue(&f->blk, 0, 0);
    assert_int_equal(attach(f), VST_ERR_NOT_FOUND);
    fake_virtio_blk_offer_queue(&f->blk, 0, 2);
    assert_int_equal(attach(f), VST_ERR_MALFORMED);
    fake_virtio_blk_offer_queue(&f->blk, 0, 40000);
    assert_int_equal(attach(f), VST_ERR_MALFORMED);
    tear_down(f);
}

static void test_queue_size_is_clamped_to_a_power_of_two(void **state)
{
    WITH(f);
    fake_virtio_blk_offer_queue(&f->blk, 0, 100);
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->blk.queues[0].size, 64);
    tear_down(f);
}

static void test_doorbell_outside_its_structure(void **state)
{
    WITH(f);
    f->blk.queues[0].notify_off = 0x400; /* times 4 is the structure's length */
    assert_int_equal(attach(f), VST_ERR_MALFORMED);
    f->blk.queues[0].notify_off = 0x3ff;
    assert_int_equal(attach(f), VST_OK);
    tear_down(f);
}

static void test_configuration_that_never_settles(void **state)
{
    WITH(f);
    f->blk.generation_always_changes = true;
    assert_int_equal(attach(f), VST_ERR_MALFORMED);
    tear_down(f);
}

/* ------------------------------------------------------------------ capabilities */

static void test_capabilities_that_lie(void **state)
{
    static const struct {
        uint8_t at, value;
        const char *problem;
    } lies[] = {
        {0x40 + 4, 6, "BAR number above 5"},
        {0x40 + 4, 255, "BAR number above 5"},
        {0x40 + 4, 5, "no such BAR"}, /* upper half of the 64-bit BAR 4 (hermit#1392) */
        {0x40 + 11, 0xff, "reaches beyond its BAR"},
        {0x40 + 15, 0xff, "reaches beyond its BAR"},
        {0x40 + 13, 0x00, "too short"},
        {0x40 + 8, 0x02, "misaligned"},
        {0x50 + 16, 0x03, "notify multiplier"},
        {0x50 + 8, 0x01, "misaligned"},
    };
    for (size_t i = 0; i < VST_ARRAY_LENGTH(lies); i++) {
        WITH(f);
        f->blk.pci_config[lies[i].at] = lies[i].value;
        if (lies[i].at == 0x40 + 8 || lies[i].at == 0x50 + 8) /* keep it inside the BAR */
            f->blk.pci_config[lies[i].at + 5] = 0x01;
        struct vst_virtio_pci_structure list[16];
        size_t n = vst_virtio_pci_structures(&f->fake.platform, &f->blk.function, list, 16);
        assert_int_equal(n, 4);
        const struct vst_virtio_pci_structure *s = &list[lies[i].at >= 0x50];
        assert_false(s->usable);
        if (strstr(s->problem, lies[i].problem) == NULL)
            fail_msg("case %zu: %s", i, s->problem);
        assert_int_equal(attach(f), VST_ERR_NOT_FOUND);
        tear_down(f);
    }
}

static void test_capability_too_short_to_name_a_structure(void **state)
{
    WITH(f);
    f->blk.pci_config[0x42] = 15;
    assert_int_equal(attach(f), VST_ERR_NOT_FOUND);
    f->blk.pci_config[0x42] = 16;
    f->blk.pci_config[0x52] = 16; /* notify without its multiplier */
    assert_int_equal(attach(f), VST_ERR_NOT_FOUND);
    f->blk.pci_config[0x52] = 24; /* longer than known is legal */
    assert_int_equal(attach(f), VST_OK);
    tear_down(f);
}

static void test_offset_plus_length_that_wraps(void **state)
{
    WITH(f);
    memset(f->blk.pci_config + 0x48, 0xff, 4); /* offset 0xffffffff */
    memset(f->blk.pci_config + 0x4c, 0xff, 4);
    assert_int_equal(attach(f), VST_ERR_NOT_FOUND);
    tear_down(f);
}

static void test_first_usable_structure_is_taken(void **state)
{
    WITH(f);
    /* A second common configuration that is fine stands behind a first one in an I/O BAR. */
    memcpy(f->blk.pci_config + 0x90, f->blk.pci_config + 0x40, 16);
    f->blk.pci_config[0x44] = 0;
    f->blk.function.bars[0] = (struct vst_pci_bar){
        .kind = VST_PCI_BAR_IO, .assigned = true, .address = 0xc000, .bytes = 0x4000};
    f->blk.function.capabilities[f->blk.function.n_capabilities++] =
        (struct vst_pci_capability){9, 0x90};
    assert_int_equal(attach(f), VST_OK);
    tear_down(f);
}

/* ------------------------------------------------------------------ limits */

static void test_seg_max_absent_means_one_segment_nanos_1730(void **state)
{
    WITH(f);
    f->blk.offered_features &= ~VIRTIO_BIT(VIRTIO_BLK_F_SEG_MAX);
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->device->limits.max_segments, 1);
    char a[512], b[512];
    struct vst_block_segment segments[2] = {{a, 512}, {b, 512}};
    struct vst_block_request request = {
        .n_segments = 2, .segments = segments, .start_sector = 3, .n_sectors = 2};
    assert_int_equal(vst_block_execute(f->queue, &request), VST_OK);
    assert_int_equal(f->blk.max_data_segments, 1);
    assert_memory_equal(a, f->blk.disk + 3 * 512, 512);
    assert_memory_equal(b, f->blk.disk + 4 * 512, 512);
    tear_down(f);
}

static void test_size_max_cuts_segments(void **state)
{
    WITH(f);
    f->blk.offered_features |= VIRTIO_BIT(VIRTIO_BLK_F_SIZE_MAX);
    fake_virtio_blk_set_config32(&f->blk, VIRTIO_BLK_CONFIG_SIZE_MAX, 1000);
    assert_int_equal(attach(f), VST_OK);
    static char buffer[64 * 1024];
    assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, 5, 128), VST_OK);
    assert_memory_equal(buffer, f->blk.disk + 5 * 512, sizeof(buffer));
    assert_true(f->blk.max_segment_bytes <= 1000);
    tear_down(f);
}

static void test_absurd_configuration(void **state)
{
    static const struct {
        unsigned offset;
        uint32_t value;
        enum vst_status status;
    } cases[] = {
        {VIRTIO_BLK_CONFIG_BLK_SIZE, 0, VST_ERR_MALFORMED},
        {VIRTIO_BLK_CONFIG_BLK_SIZE, 513, VST_ERR_MALFORMED},
        {VIRTIO_BLK_CONFIG_BLK_SIZE, 256, VST_ERR_MALFORMED},
        {VIRTIO_BLK_CONFIG_BLK_SIZE, 1u << 31, VST_ERR_MALFORMED},
        {VIRTIO_BLK_CONFIG_CAPACITY + 4, ~0u, VST_ERR_MALFORMED},
        {VIRTIO_BLK_CONFIG_SEG_MAX, 0, VST_OK},
        {VIRTIO_BLK_CONFIG_SEG_MAX, ~0u, VST_OK},
        {VIRTIO_BLK_CONFIG_SIZE_MAX, 0, VST_OK},
        {VIRTIO_BLK_CONFIG_SIZE_MAX, 511, VST_ERR_MALFORMED},
        {VIRTIO_BLK_CONFIG_SIZE_MAX, ~0u, VST_OK},
        {VIRTIO_BLK_CONFIG_CAPACITY, 0, VST_OK},
        {VIRTIO_BLK_CONFIG_PHYSICAL, 0xff, VST_OK},
    };
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        WITH(f);
        f->blk.offered_features |=
            VIRTIO_BIT(VIRTIO_BLK_F_SIZE_MAX) | VIRTIO_BIT(VIRTIO_BLK_F_TOPOLOGY);
        fake_virtio_blk_set_config32(&f->blk, VIRTIO_BLK_CONFIG_SIZE_MAX, 65536);
        fake_virtio_blk_set_config32(&f->blk, cases[i].offset, cases[i].value);
        if (attach(f) != cases[i].status)
            fail_msg("case %zu", i);
        if (f->device != NULL)
            assert_true(f->device->limits.max_segments >= 1 &&
                        f->device->limits.max_segment_bytes >= 512 &&
                        f->device->limits.physical_block_bytes >= 512);
        tear_down(f);
    }
}

/** 5.2.5: capacity and sector, too; wrong in four unikernels. */
static void test_4096_byte_blocks_keep_512_byte_sectors(void **state)
{
    WITH(f);
    fake_virtio_blk_set_config32(&f->blk, VIRTIO_BLK_CONFIG_BLK_SIZE, 4096);
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->device->limits.n_sectors, DISK_SECTORS);
    char buffer[4096];
    assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, 8, 8), VST_OK);
    assert_memory_equal(buffer, f->blk.disk + 4096, 4096);
    assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, 1, 8), VST_ERR_INVALID);
    assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, 0, 1), VST_ERR_INVALID);
    tear_down(f);
}

/** 32 bits of sectors end there (SeaBIOS). */
static void test_capacity_beyond_2_TiB(void **state)
{
    WITH(f);
    fake_virtio_blk_set_config32(&f->blk, VIRTIO_BLK_CONFIG_CAPACITY + 4, 3); /* 6 TiB and a bit */
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->device->limits.n_sectors, (3ull << 32) + DISK_SECTORS);
    char buffer[512];
    assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, f->device->limits.n_sectors, 1),
                     VST_ERR_RANGE);
    assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, UINT64_MAX, 1), VST_ERR_RANGE);
    /* The device, which has no such sector, says so. */
    assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, 3ull << 32, 1), VST_ERR_IO);
    tear_down(f);
}

/* ------------------------------------------------------------------ data */

/** Random reads and writes of random scatter lists, many in flight, against a copy of the disk. */
static void random_traffic(struct fixture *f, unsigned seed, unsigned n_rounds)
{
    enum { DEPTH = 16, MAX_SEGMENTS = 40, MAX_SECTORS = 120 };
    static struct {
        struct vst_block_request request;
        struct vst_block_segment segments[MAX_SEGMENTS];
        uint8_t data[MAX_SECTORS * 512];
        bool busy;
    } slots[DEPTH];
    uint8_t *model = malloc(DISK_SECTORS * 512);
    struct vst_block_request *done[4];
    unsigned n_busy = 0, issued = 0, answered = 0;

    memcpy(model, f->blk.disk, DISK_SECTORS * 512);
    memset(slots, 0, sizeof(slots));
    srand(seed);
    while (answered < n_rounds) {
        for (unsigned i = 0; i < DEPTH && issued < n_rounds; i++) {
            if (slots[i].busy || rand() % 3 == 0)
                continue;
            struct vst_block_request *r = &slots[i].request;
            /* Each slot has its own region of the disk, so that order between requests does not
             * matter. */
            uint64_t region = DISK_SECTORS / DEPTH;
            uint64_t n = 1 + (uint64_t)rand() % MAX_SECTORS;
            *r = (struct vst_block_request){
                .op = rand() % 2 ? VST_BLOCK_WRITE : VST_BLOCK_READ,
                .start_sector = i * region + (uint64_t)rand() % (region - n),
                .n_sectors = n,
                .segments = slots[i].segments,
            };
            size_t left = n * 512, at = 0;
            while (left > 0) {
                size_t bytes = r->n_segments == MAX_SEGMENTS - 1 ? left : 1 + (size_t)rand() % left;
                /* Where a command takes few pieces, each is to hold whole blocks, or hardly any
                 * request would fit. */
                if ((bytes > 3000 && rand() % 2) || f->device->limits.max_segments < 8)
                    bytes = bytes < 512 ? 512 : bytes & ~511ul;
                if (bytes > left)
                    bytes = left;
                slots[i].segments[r->n_segments++] =
                    (struct vst_block_segment){slots[i].data + at, bytes};
                at += bytes;
                left -= bytes;
            }
            memset(slots[i].data, rand(), n * 512);
            for (size_t k = 0; k < n * 512; k += 64)
                slots[i].data[k] = (uint8_t)rand();
            uint8_t written[MAX_SECTORS * 512];
            memcpy(written, slots[i].data, n * 512);
            enum vst_status status = vst_block_submit(f->queue, r);
            if (status == VST_ERR_FULL)
                break;
            if (status == VST_ERR_TOO_LARGE) /* a block in more pieces than a command takes: rightly
                                                refused */
                continue;
            assert_int_equal(status, VST_OK);
            if (r->op == VST_BLOCK_WRITE)
                memcpy(model + r->start_sector * 512, written, n * 512);
            slots[i].busy = true;
            n_busy++;
            issued++;
        }
        vst_block_kick(f->queue);
        size_t n = vst_block_poll(f->queue, done, 4);
        for (size_t k = 0; k < n; k++) {
            struct vst_block_request *r = done[k];
            assert_int_equal(r->status, VST_OK);
            for (unsigned i = 0; i < DEPTH; i++) {
                if (r != &slots[i].request)
                    continue;
                assert_true(slots[i].busy);
                slots[i].busy = false;
                assert_memory_equal(slots[i].data, model + r->start_sector * 512,
                                    r->n_sectors * 512);
            }
            n_busy--;
            answered++;
        }
    }
    assert_int_equal(n_busy, 0);
    assert_memory_equal(model, f->blk.disk, DISK_SECTORS * 512);
    assert_int_equal(f->queue->stats.rescues, 0);
    assert_int_equal(f->blk.n_interrupts, 0);
    free(model);
}

static void test_random_traffic_in_every_shape(void **state)
{
    static const struct {
        uint64_t refused;
        uint16_t queue_size;
        uint16_t max_segments;
        uint32_t size_max;
        bool copying, reorders;
        uint64_t extra; /* features that are offered beyond the usual */
        bool batches;
    } shapes[] = {
        {0, 128, 0, 0, false, false, 0, false},
        {0, 128, 0, 0, false, true, 0, false},
        {0, 4, 0, 0, false, false, 0, false},
        {0, 8, 2, 700, false, true, 0, false},
        {VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC), 128, 0, 0, false, false, 0, false},
        {VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC), 64, 0, 0, false, true, 0, false},
        {VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC), 4, 0, 0, false, false, 0, false},
        {VIRTIO_BIT(VIRTIO_F_EVENT_IDX), 128, 0, 0, false, false, 0, false},
        {VIRTIO_BIT(VIRTIO_F_EVENT_IDX) | VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC), 16, 1, 4096, false,
         true, 0, false},
        {0, 128, 0, 0, true, false, 0, false},
        {VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC), 32, 5, 0, true, true, 0, false},
        {0, 256, 254, 0, true, false, 0, false},
        /* packed: sizes that are no power of two, chains as long as the ring */
        {0, 128, 0, 0, false, false, PACKED, false},
        {0, 100, 0, 0, false, true, PACKED, false},
        {NO_INDIRECT, 100, 0, 0, false, false, PACKED, false},
        {NO_INDIRECT, 37, 35, 0, false, true, PACKED, false},
        {NO_INDIRECT, 3, 1, 0, false, false, PACKED, false},
        {NO_INDIRECT, 5, 3, 0, false, true, PACKED, false},
        {NO_EVENT_IDX, 7, 0, 0, false, true, PACKED, false},
        {NO_EVENT_IDX | NO_INDIRECT, 32, 4, 1000, true, true, PACKED, false},
        {0, 128, 0, 0, true, false, PACKED, false},
        {0, 64, 0, 0, false, true, PACKED | NOTIFICATION_DATA, false},
        {0, 64, 0, 0, false, true, NOTIFICATION_DATA, false},
        /* in order, one used entry each or for a batch */
        {0, 64, 0, 0, false, false, IN_ORDER, false},
        {0, 64, 0, 0, false, false, IN_ORDER, true},
        {NO_INDIRECT, 64, 0, 0, false, false, IN_ORDER, true},
        {NO_INDIRECT, 8, 5, 0, false, false, IN_ORDER, true},
        {0, 50, 0, 0, false, false, IN_ORDER | PACKED, false},
        {0, 50, 0, 0, false, false, IN_ORDER | PACKED, true},
        {NO_INDIRECT, 37, 35, 0, true, false, IN_ORDER | PACKED, true},
        {NO_INDIRECT, 3, 1, 0, false, false, IN_ORDER | PACKED, true},
    };
    for (size_t i = 0; i < VST_ARRAY_LENGTH(shapes); i++) {
        struct fixture storage, *f = &storage;
        (void)state;
        set_up(f, shapes[i].copying);
        f->config.refused_features = shapes[i].refused;
        f->config.queue_size = shapes[i].queue_size;
        f->config.max_segments = shapes[i].max_segments;
        f->blk.reorders = shapes[i].reorders;
        f->blk.in_order_batches = shapes[i].batches;
        f->blk.offered_features |= shapes[i].extra;
        if (shapes[i].size_max != 0) {
            f->blk.offered_features |= VIRTIO_BIT(VIRTIO_BLK_F_SIZE_MAX);
            fake_virtio_blk_set_config32(&f->blk, VIRTIO_BLK_CONFIG_SIZE_MAX, shapes[i].size_max);
        }
        assert_int_equal(attach(f), VST_OK);
        random_traffic(f, 17 + (unsigned)i, 600);
        assert_true(f->blk.max_data_segments <= f->device->limits.max_segments);
        tear_down(f);
    }
}

/**
 * More than 2 x 65536 requests, in batches of every size: a doorbell that is not rung when it must
 * be ends the test.
 */
static void test_indices_wrap_at_65536_and_no_kick_is_lost(void **state)
{
    static const struct {
        uint64_t refused, extra;
        uint16_t queue_size;
    } variants[] = {
        {0, 0, 0},
        {NO_EVENT_IDX, 0, 0},
        {NO_INDIRECT, 0, 0},
        {0, PACKED, 0},
        {0, PACKED, 100},
        {NO_INDIRECT, PACKED, 121},
        {NO_EVENT_IDX, PACKED, 0},
        {0, IN_ORDER, 0},
        {0, NOTIFICATION_DATA, 0},
    };
    for (size_t variant = 0; variant < VST_ARRAY_LENGTH(variants); variant++) {
        WITH(f);
        enum { DEPTH = 40 };
        const unsigned n_wanted = dma_in_use == DMA_AS_ASKED ? 140000 : 66000;
        static struct vst_block_request requests[DEPTH];
        static char buffers[DEPTH][512];
        struct vst_block_segment segments[DEPTH];
        struct vst_block_request *done[DEPTH];
        f->config.refused_features = variants[variant].refused;
        f->config.queue_size = variants[variant].queue_size;
        f->blk.offered_features |= variants[variant].extra;
        f->fake.ns_per_look = 1; /* no rescue by the watch: what is lost stays lost */
        assert_int_equal(attach(f), VST_OK);
        unsigned n_done = 0;
        for (unsigned batch = 1; n_done < n_wanted; batch = batch % DEPTH + 1) {
            for (unsigned i = 0; i < batch; i++) {
                requests[i] = transfer_request(VST_BLOCK_READ, &segments[i], buffers[i], i, 1);
                assert_int_equal(vst_block_submit(f->queue, &requests[i]), VST_OK);
            }
            vst_block_kick(f->queue);
            for (unsigned got = 0, looks = 0; got < batch; looks++) {
                assert_true(looks < 100);
                got += (unsigned)vst_block_poll(f->queue, done, DEPTH);
            }
            n_done += batch;
        }
        assert_int_equal(f->queue->stats.rescues, 0);
        assert_int_equal(f->blk.n_interrupts, 0);
        assert_int_equal(f->queue->stats.commands[VST_BLOCK_READ], n_done);
        tear_down(f);
    }
}

/**
 * The device takes requests without being told (it polls), so that more than 65536 are published
 * between two doorbells: the count since the last doorbell must not be taken modulo 65536 (Linux
 * ee7cd898).
 */
static void test_kick_lost_when_the_batch_count_wraps_linux_ee7cd898(void **state)
{
    WITH(f);
    f->fake.ns_per_look = 1;
    assert_int_equal(attach(f), VST_OK);
    char buffer[512];
    struct vst_block_segment segment;
    struct vst_block_request request = transfer_request(VST_BLOCK_READ, &segment, buffer, 0, 1),
                             *done;
    for (unsigned i = 0; i < 65536 + 7; i++) {
        assert_int_equal(vst_block_submit(f->queue, &request), VST_OK);
        vst_block_kick(f->queue);
        fake_virtio_blk_work(&f->blk);
        assert_int_equal(vst_block_poll(f->queue, &done, 1), 1);
    }
    tear_down(f);
}

/** An index is behind another modulo 65536, not by >= (virtio-drivers). */
static void test_event_index_is_compared_modulo(void **state)
{
    (void)state;
    /* Against the definition: event lies among the indices old .. new - 1. Windows around the wrap
     * and elsewhere. */
    static const uint16_t bases[] = {0, 1, 5, 32766, 32768, 65530, 65535};
    for (size_t b = 0; b < VST_ARRAY_LENGTH(bases); b++)
        for (unsigned length = 0; length < 40; length++)
            for (int event = -50; event < 90; event++) {
                uint16_t old_idx = bases[b], new_idx = (uint16_t)(old_idx + length);
                bool within = event >= 0 && (unsigned)event < length;
                assert_int_equal(virtq_event_crossed((uint16_t)(old_idx + event), new_idx, old_idx),
                                 within);
            }
}

static void test_packed_event_is_compared_over_two_rounds(void **state)
{
    (void)state;
    /* Against the definition: the place lies among those passed on the way from old to new. */
    for (uint16_t size = 1; size <= 9; size++)
        for (uint16_t start = 0; start < 2 * size; start++) {
            uint16_t old_place =
                start < size ? (uint16_t)(0x8000 | start) : (uint16_t)(start - size);
            for (unsigned event = 0; event < 2u * size; event++) {
                uint16_t event_place =
                    event < size ? (uint16_t)(0x8000 | event) : (uint16_t)(event - size);
                uint16_t at = old_place;
                bool crossed = false;
                for (unsigned n = 0; n <= size; n++) {
                    assert_int_equal(virtq_packed_event_crossed(event_place, at, n, size), crossed);
                    crossed |= at == event_place;
                    at = virtq_off_wrap_add(at, 1, size);
                }
            }
        }
    assert_true(virtq_packed_event_crossed(0x8000 | 9, 0x8000, 0, 9)); /* no place: a lie, ring */
}

static void test_wrap_toggles_with_the_offset_linux_a7722890(void **state)
{
    (void)state;
    assert_int_equal(virtq_off_wrap_add(0x8000 | 4, 1, 5), 0);
    assert_int_equal(virtq_off_wrap_add(4, 1, 5), 0x8000);
    assert_int_equal(virtq_off_wrap_add(0x8000 | 2, 5, 5), 2); /* a whole round (openvmm#3990) */
    assert_int_equal(virtq_off_wrap_add(0x8000 | 32767, 1, 32768), 0);
    assert_int_equal(virtq_off_wrap_add(32767, 32768, 32768), 0x8000 | 32767);
}

static void test_packed_chain_of_the_whole_ring_openvmm_3990(void **state)
{
    WITH(f);
    f->blk.offered_features |= PACKED;
    f->config.refused_features = NO_INDIRECT;
    f->config.queue_size = 12;
    assert_int_equal(attach(f), VST_OK);
    static char buffers[10][512];
    struct vst_block_segment segments[10];
    for (unsigned round = 0; round < 30; round++) {
        for (unsigned i = 0; i < 10; i++)
            segments[i] = (struct vst_block_segment){buffers[i], 512};
        struct vst_block_request request = {
            .n_segments = 10, .segments = segments, .start_sector = round, .n_sectors = 10};
        assert_int_equal(vst_block_execute(f->queue, &request), VST_OK);
        assert_memory_equal(buffers, f->blk.disk + round * 512, sizeof(buffers));
    }
    assert_int_equal(f->blk.max_chain_descriptors, 12);
    tear_down(f);
}

static void test_one_doorbell_for_a_batch(void **state)
{
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    static char buffers[32][512];
    struct vst_block_segment segments[32];
    struct vst_block_request requests[32], *done[32];
    unsigned before = f->blk.n_doorbells;
    for (unsigned i = 0; i < 32; i++) {
        requests[i] = transfer_request(VST_BLOCK_READ, &segments[i], buffers[i], i, 1);
        assert_int_equal(vst_block_submit(f->queue, &requests[i]), VST_OK);
    }
    assert_int_equal(f->blk.n_doorbells, before);
    vst_block_kick(f->queue);
    vst_block_kick(f->queue);
    assert_int_equal(f->blk.n_doorbells, before + 1);
    assert_true(vst_block_ready(f->queue));
    assert_int_equal(vst_block_poll(f->queue, done, 32), 32);
    assert_false(vst_block_ready(f->queue));
    tear_down(f);
}

static void test_full_ring_says_so_and_recovers(void **state)
{
    WITH(f);
    f->config.queue_size = 8;
    f->blk.answers_nothing = false;
    assert_int_equal(attach(f), VST_OK);
    f->blk.answers_nothing = true;
    static char buffers[9][512];
    struct vst_block_segment segments[9];
    struct vst_block_request requests[9], *done[9];
    for (unsigned i = 0; i < 9; i++) {
        requests[i] = transfer_request(VST_BLOCK_READ, &segments[i], buffers[i], i, 1);
        assert_int_equal(vst_block_submit(f->queue, &requests[i]), i < 8 ? VST_OK : VST_ERR_FULL);
    }
    vst_block_kick(f->queue);
    fake_virtio_blk_answer_all(&f->blk);
    assert_int_equal(vst_block_poll(f->queue, done, 9), 8);
    assert_int_equal(vst_block_submit(f->queue, &requests[8]), VST_OK);
    vst_block_kick(f->queue);
    fake_virtio_blk_answer_all(&f->blk);
    assert_int_equal(vst_block_poll(f->queue, done, 9), 1);
    assert_ptr_equal(done[0], &requests[8]);
    tear_down(f);
}

static void test_flush(void **state)
{
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    unsigned before = f->blk.n_requests;
    assert_int_equal(vst_block_flush(f->queue), VST_OK);
    assert_int_equal(f->blk.n_requests, before + 1);
    tear_down(f);
}

static void test_flush_where_there_is_nothing_to_flush_costs_no_request(void **state)
{
    static const struct {
        uint64_t without, with;
    } cases[] = {
        {VIRTIO_BIT(VIRTIO_BLK_F_FLUSH), 0},
        {0, VIRTIO_BIT(VIRTIO_BLK_F_RO)} /* flush on read-only media (cloud-hypervisor#7698) */};
    for (size_t i = 0; i < 2; i++) {
        WITH(f);
        f->blk.offered_features = (f->blk.offered_features & ~cases[i].without) | cases[i].with;
        assert_int_equal(attach(f), VST_OK);
        unsigned before = f->blk.n_requests;
        assert_int_equal(vst_block_flush(f->queue), VST_OK);
        assert_int_equal(f->blk.n_requests, before);
        tear_down(f);
    }
}

static void test_read_only_device_refuses_writes(void **state)
{
    WITH(f);
    f->blk.offered_features |= VIRTIO_BIT(VIRTIO_BLK_F_RO);
    assert_int_equal(attach(f), VST_OK);
    char buffer[512] = {0};
    unsigned before = f->blk.n_requests;
    assert_int_equal(transfer(f, VST_BLOCK_WRITE, buffer, 0, 1), VST_ERR_READ_ONLY);
    assert_int_equal(f->blk.n_requests, before);
    tear_down(f);
}

static void test_error_names_the_sector_and_spares_the_neighbours(void **state)
{
    WITH(f);
    f->config.max_segments = 1;
    assert_int_equal(attach(f), VST_OK);
    f->device->limits.max_sectors = 8; /* so that the request is split */
    vst_block_limits_changed(f->device);
    f->blk.fail_sector = 21;
    static char buffer[64 * 512];
    struct vst_block_segment segment;
    struct vst_block_request request = transfer_request(VST_BLOCK_READ, &segment, buffer, 0, 64);
    assert_int_equal(vst_block_execute(f->queue, &request), VST_ERR_IO);
    assert_int_equal(request.error_sector, 16); /* the part 16..23 */
    assert_memory_equal(buffer, f->blk.disk, 16 * 512);
    assert_memory_equal(buffer + 24 * 512, f->blk.disk + 24 * 512, 40 * 512);
    assert_int_equal(transfer(f, VST_BLOCK_READ, buffer, 22, 1), VST_OK);
    tear_down(f);
}

static void test_map_that_fails_changes_nothing(void **state)
{
    struct fixture storage, *f = &storage;
    (void)state;
    if (dma_in_use == DMA_BOUNCED)
        skip(); /* it can't be told to fail; test_virtio_dma.c has its own */
    set_up(f, true);
    assert_int_equal(attach(f), VST_OK);
    static char a[512], b[512];
    struct vst_block_segment segments[2] = {{a, 512}, {b, 512}};
    struct vst_block_request request = {
        .n_segments = 2, .segments = segments, .start_sector = 3, .n_sectors = 2};
    f->fake.fail_map_after = 1;
    assert_int_equal(vst_block_submit(f->queue, &request), VST_ERR_NO_MEMORY);
    assert_int_equal(f->fake.n_mapped, 0);
    f->fake.fail_map_after = SIZE_MAX;
    assert_int_equal(vst_block_execute(f->queue, &request), VST_OK);
    assert_memory_equal(b, f->blk.disk + 4 * 512, 512);
    tear_down(f);
}

/* ------------------------------------------------------------------ a device that lies or dies */

static uint64_t lie_offered; /* features beyond the usual, for check_lie */

static void check_lie(enum fake_lie lie, uint64_t refused, enum vst_status want, bool breaks,
                      const char *why)
{
    struct fixture storage, *f = &storage;
    static char buffers[8][512];
    struct vst_block_segment segments[8];
    struct vst_block_request requests[8], *done[8];
    unsigned n_bad = 0, got = 0;

    set_up(f, false);
    f->config.recovery = VST_RECOVERY_NONE; /* test_virtio_recovery.c has the others */
    f->config.refused_features = refused;
    f->blk.offered_features |= lie_offered;
    assert_int_equal(attach(f), VST_OK);
    f->blk.lie = lie;
    f->blk.lie_after = f->blk.n_requests + 3;
    for (unsigned i = 0; i < 8; i++) {
        requests[i] = transfer_request(VST_BLOCK_READ, &segments[i], buffers[i], i, 1);
        assert_int_equal(vst_block_submit(f->queue, &requests[i]), VST_OK);
    }
    vst_block_kick(f->queue);
    for (unsigned looks = 0; got < 8; looks++) {
        assert_true(looks < 200000); /* every request comes back */
        size_t n = vst_block_poll(f->queue, done, 8);
        for (size_t k = 0; k < n; k++)
            n_bad += done[k]->status == want;
        got += (unsigned)n;
    }
    assert_int_equal(vst_block_poll(f->queue, done, 8), 0); /* and only once */
    assert_true(n_bad >= 4);
    assert_int_equal(f->device->broken, breaks);
    if (breaks) {
        assert_int_equal(f->blk.status, 0);      /* it was reset before the buffers came back */
        assert_false(vst_block_ready(f->queue)); /* nobody is kept from sleeping by a dead device */
        assert_int_equal(vst_block_submit(f->queue, &requests[0]), VST_ERR_BROKEN);
        if (strstr(f->device->broken_why, why) == NULL)
            fail_msg("why: %s", f->device->broken_why);
    }
    f->blk.lie = LIE_NONE;
    tear_down(f);
}

static void test_used_id_beyond_the_queue(void **state)
{
    (void)state;
    check_lie(LIE_USED_ID_TOO_LARGE, 0, VST_ERR_BROKEN, true, "beyond the queue");
}

static void test_used_id_not_in_flight(void **state)
{
    (void)state;
    check_lie(LIE_USED_ID_NOT_IN_FLIGHT, 0, VST_ERR_BROKEN, true, "no request in flight");
}

static void test_used_id_twice(void **state)
{
    (void)state;
    check_lie(LIE_USED_ID_TWICE, 0, VST_ERR_BROKEN, true, "no request in flight");
}

static void test_used_id_inside_a_chain(void **state)
{
    (void)state;
    check_lie(LIE_USED_ID_NOT_A_HEAD, VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC), VST_ERR_BROKEN, true,
              "no request in flight");
}

static void test_used_index_ahead(void **state)
{
    (void)state;
    check_lie(LIE_USED_INDEX_JUMPS, 0, VST_ERR_BROKEN, true, "index runs ahead");
}

static void test_status_not_written(void **state)
{
    (void)state;
    check_lie(LIE_STATUS_NOT_WRITTEN, 0, VST_ERR_MALFORMED, false, NULL);
}

static void test_status_unknown(void **state)
{
    (void)state;
    check_lie(LIE_STATUS_UNKNOWN, 0, VST_ERR_MALFORMED, false, NULL);
}

static void test_used_length_is_not_believed(void **state)
{
    (void)state;
    check_lie(LIE_USED_LENGTH_HUGE, 0, VST_OK, false, NULL);
}

static void test_silence_ends_in_a_time_out_after_a_reset_windows_965(void **state)
{
    (void)state;
    check_lie(LIE_SILENCE, 0, VST_ERR_TIMEOUT, true, "not answered in time");
}

/** The same lies in a packed ring, and in order. */
static void test_lies_in_packed_rings_and_in_order(void **state)
{
    static const uint64_t kinds[] = {PACKED, IN_ORDER, PACKED | IN_ORDER};

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(kinds); i++) {
        lie_offered = kinds[i];
        check_lie(LIE_USED_ID_TOO_LARGE, 0, VST_ERR_BROKEN, true, "beyond the queue");
        check_lie(LIE_USED_ID_NOT_IN_FLIGHT, 0, VST_ERR_BROKEN, true, "no request in flight");
        check_lie(LIE_USED_ID_TWICE, 0, VST_ERR_BROKEN, true, "no request in flight");
        check_lie(LIE_STATUS_NOT_WRITTEN, 0, VST_ERR_MALFORMED, false, NULL);
        check_lie(LIE_STATUS_UNKNOWN, 0, VST_ERR_MALFORMED, false, NULL);
        check_lie(LIE_USED_LENGTH_HUGE, 0, VST_OK, false, NULL);
        check_lie(LIE_SILENCE, 0, VST_ERR_TIMEOUT, true, "not answered in time");
    }
    lie_offered = 0;
}

static void test_buffers_stay_mapped_until_the_device_has_let_go(void **state)
{
    struct fixture storage, *f = &storage;
    (void)state;
    set_up(f, true);
    f->config.recovery = VST_RECOVERY_NONE;
    assert_int_equal(attach(f), VST_OK);
    f->blk.answers_nothing = true;
    static char buffer[512];
    struct vst_block_segment segment;
    struct vst_block_request request = transfer_request(VST_BLOCK_READ, &segment, buffer, 0, 1),
                             *done;
    assert_int_equal(vst_block_submit(f->queue, &request), VST_OK);
    vst_block_kick(f->queue);
    size_t n = 0;
    unsigned resets_before = f->blk.n_resets;
    for (unsigned looks = 0; n == 0; looks++) {
        assert_true(looks < 200000);
        if (f->blk.n_resets == resets_before)
            assert_int_equal(n_mapped(f), 1);
        n = vst_block_poll(f->queue, &done, 1);
    }
    assert_int_equal(f->blk.n_resets, resets_before + 1);
    assert_int_equal(n_mapped(f), 0);
    tear_down(f);
}

static void test_split_request_ends_when_the_device_dies(void **state)
{
    WITH(f);
    f->config.queue_size = 4;
    assert_int_equal(attach(f), VST_OK);
    f->device->limits.max_sectors = 1;
    vst_block_limits_changed(f->device);
    f->blk.answers_nothing = true;
    static char buffer[64 * 512];
    struct vst_block_segment segment;
    struct vst_block_request request = transfer_request(VST_BLOCK_READ, &segment, buffer, 0, 64);
    assert_int_equal(vst_block_execute(f->queue, &request), VST_ERR_TIMEOUT);
    assert_int_equal(request.error_sector, 0);
    tear_down(f);
}

static void test_lost_doorbell_is_rung_again_and_counted(void **state)
{
    WITH(f);
    f->fake.ns_per_look = 100000;
    assert_int_equal(attach(f), VST_OK);
    static char buffer[512];
    struct vst_block_segment segment;
    struct vst_block_request request = transfer_request(VST_BLOCK_READ, &segment, buffer, 7, 1),
                             *done;
    f->blk.status &= (uint8_t)~4u; /* the model ignores this doorbell */
    assert_int_equal(vst_block_submit(f->queue, &request), VST_OK);
    vst_block_kick(f->queue);
    f->blk.status |= 4;
    f->blk.saw_misuse = false;
    size_t n = 0;
    for (unsigned looks = 0; n == 0 && looks < 100000; looks++)
        n = vst_block_poll(f->queue, &done, 1);
    assert_int_equal(n, 1);
    assert_int_equal(request.status, VST_OK);
    assert_int_equal(f->queue->stats.rescues, 1);
    tear_down(f);
}

static void test_serial_is_made_printable(void **state)
{
    WITH(f);
    memcpy(f->blk.id,
           "a\x1b[31mb\"\xff"
           "0123456789AB",
           20);
    assert_int_equal(attach(f), VST_OK);
    assert_string_equal(f->device->serial, "a?[31mb\"?0123456789A");
    tear_down(f);
}

static void test_silence_at_attach(void **state)
{
    WITH(f);
    f->blk.lie = LIE_SILENCE;
    assert_int_equal(attach(f), VST_ERR_TIMEOUT);
    tear_down(f);
}

/* ------------------------------------------------------------------ interrupts */

#define N_RINGS 6

/** The device answers when told to; INTx, which every front has. */
static bool attach_for_interrupts(struct fixture *f, unsigned ring)
{
    static const struct {
        uint64_t offered, refused;
    } rings[N_RINGS] = {
        {0, 0},           {0, NO_EVENT_IDX},     {PACKED, 0}, {PACKED, NO_EVENT_IDX},
        {0, NO_INDIRECT}, {PACKED, NO_INDIRECT},
    };

    f->blk.offered_features |= rings[ring].offered;
    f->config.refused_features = rings[ring].refused;
    f->config.irq.mode = VST_IRQ_INTX;
    f->blk.function.interrupt_pin = 1;
    assert_int_equal(attach(f), VST_OK);
    f->blk.answers_nothing = true;
    return strcmp(f->device->irq_mode, "intx") == 0;
}

static void submit_reads(struct fixture *f, struct vst_block_request *requests,
                         struct vst_block_segment *segments, uint8_t *data, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        requests[i] = transfer_request(VST_BLOCK_READ, &segments[i], data + 512 * i, i, 1);
        assert_int_equal(vst_block_submit(f->queue, &requests[i]), VST_OK);
    }
    vst_block_kick(f->queue);
}

static void take_all(struct fixture *f, unsigned n)
{
    struct vst_block_request *done[16];

    for (unsigned got = 0; got < n;)
        got += vst_block_poll(f->queue, done, 16);
}

/** On each ring, many times over, so that indices and wrap counters go round. */
static void test_armed_queue_interrupts_once_and_a_disarmed_one_never(void **state)
{
    for (unsigned ring = 0; ring < N_RINGS; ring++) {
        WITH(f);
        struct vst_block_request requests[8];
        struct vst_block_segment segments[8];
        static uint8_t data[8 * 512];
        bool interrupts = attach_for_interrupts(f, ring);
        for (unsigned round = 0; interrupts && round < 300; round++) {
            unsigned before = f->blk.n_interrupts;
            submit_reads(f, requests, segments, data, 8);
            assert_false(vst_block_arm(f->queue));
            assert_false(vst_block_awaited(f->queue));
            fake_virtio_blk_answer_all(&f->blk);
            assert_int_equal(f->blk.n_interrupts, before + 1);
            assert_true(vst_block_awaited(f->queue));
            vst_block_disarm(f->queue);
            take_all(f, 8);
            submit_reads(f, requests, segments, data, 8);
            fake_virtio_blk_answer_all(&f->blk);
            take_all(f, 8);
            assert_int_equal(f->blk.n_interrupts, before + 1);
        }
        f->blk.answers_nothing = false;
        tear_down(f);
    }
}

/** What ends between the look and the arming is told by arm: no interrupt will come for it. */
static void test_completion_before_arming_is_reported(void **state)
{
    for (unsigned ring = 0; ring < N_RINGS; ring++) {
        WITH(f);
        struct vst_block_request requests[8];
        struct vst_block_segment segments[8];
        static uint8_t data[8 * 512];
        if (attach_for_interrupts(f, ring)) {
            assert_true(vst_block_arm(f->queue)); /* nothing in flight: nobody would wake us */
            vst_block_disarm(f->queue);
            submit_reads(f, requests, segments, data, 8);
            fake_virtio_blk_answer_all(&f->blk);
            assert_int_equal(f->blk.n_interrupts, 0);
            assert_true(vst_block_arm(f->queue));
            assert_true(vst_block_arm_after(f->queue, 8));
            take_all(f, 8);
        }
        f->blk.answers_nothing = false;
        tear_down(f);
    }
}

/** With EVENT_IDX the interrupt comes with the n-th, not before; at the latest with the last. */
static void test_arming_ahead(void **state)
{
    for (unsigned ring = 0; ring <= 2; ring += 2) {
        WITH(f);
        struct vst_block_request requests[8];
        struct vst_block_segment segments[8];
        static uint8_t data[8 * 512];
        if (attach_for_interrupts(f, ring)) {
            submit_reads(f, requests, segments, data, 3);
            fake_virtio_blk_answer_all(&f->blk);
            submit_reads(f, requests + 3, segments + 3, data, 5);
            assert_false(vst_block_arm_after(f->queue, 4)); /* three are there */
            assert_true(vst_block_ready(f->queue));
            assert_int_equal(f->blk.n_interrupts, 0);
            fake_virtio_blk_answer_all(&f->blk);
            assert_int_equal(f->blk.n_interrupts, 1);
            assert_true(vst_block_awaited(f->queue));
            vst_block_disarm(f->queue);
            take_all(f, 8);
            submit_reads(f, requests, segments, data, 8);
            assert_false(vst_block_arm_after(f->queue, 1000)); /* no more than are in flight */
            fake_virtio_blk_answer_all(&f->blk);
            assert_int_equal(f->blk.n_interrupts, 2);
            vst_block_disarm(f->queue);
            take_all(f, 8);
        }
        f->blk.answers_nothing = false;
        tear_down(f);
    }
}

/** Polling while armed takes completions and leaves the arming as it is. */
static void test_poll_does_not_disarm(void **state)
{
    for (unsigned ring = 0; ring < N_RINGS; ring++) {
        WITH(f);
        struct vst_block_request requests[8], *done[8];
        struct vst_block_segment segments[8];
        static uint8_t data[8 * 512];
        if (attach_for_interrupts(f, ring)) {
            submit_reads(f, requests, segments, data, 4);
            fake_virtio_blk_answer_all(&f->blk);
            submit_reads(f, requests + 4, segments + 4, data, 4);
            assert_true(vst_block_arm(f->queue));
            assert_int_equal(vst_block_poll(f->queue, done, 4), 4);
            assert_false(vst_block_arm(f->queue)); /* again, further on */
            assert_int_equal(vst_block_poll(f->queue, done, 4), 0);
            fake_virtio_blk_answer_all(&f->blk);
            assert_int_equal(f->blk.n_interrupts, 1);
            vst_block_disarm(f->queue);
            take_all(f, 4);
        }
        f->blk.answers_nothing = false;
        tear_down(f);
    }
}

static void test_polling_device_never_lets_one_sleep(void **state)
{
    WITH(f);
    struct vst_block_request request;
    struct vst_block_segment segment;
    static uint8_t data[512];
    assert_int_equal(attach(f), VST_OK);
    assert_string_equal(f->device->irq_mode, "poll");
    f->blk.answers_nothing = true;
    submit_reads(f, &request, &segment, data, 1);
    assert_true(vst_block_arm(f->queue));
    vst_block_disarm(f->queue);
    fake_virtio_blk_answer_all(&f->blk);
    take_all(f, 1);
    assert_int_equal(f->blk.n_interrupts, 0);
    f->blk.answers_nothing = false;
    tear_down(f);
}

static void test_msix_that_is_not_there(void **state)
{
    static const struct vst_irq_message message = {0xfee00000, 50};

    for (int intx = 0; intx < 2; intx++) {
        WITH(f);
        f->config.irq = (struct vst_irq_config){VST_IRQ_MSIX, intx, 1, &message};
        assert_int_equal(attach(f), VST_OK);
        assert_string_equal(f->device->irq_mode,
                            intx && f->front.is_mmio ? "intx" : "poll"); /* no pin */
        assert_non_null(strstr(f->fake.all_logs, "no MSI-X"));
        tear_down(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_armed_queue_interrupts_once_and_a_disarmed_one_never),
        cmocka_unit_test(test_completion_before_arming_is_reported),
        cmocka_unit_test(test_arming_ahead),
        cmocka_unit_test(test_poll_does_not_disarm),
        cmocka_unit_test(test_polling_device_never_lets_one_sleep),
        cmocka_unit_test(test_msix_that_is_not_there),
        cmocka_unit_test(test_attach_tells_what_the_device_says),
        cmocka_unit_test(test_initialisation_follows_the_numbered_steps),
        cmocka_unit_test(test_device_already_running_is_reset_first_Solo5_483),
        cmocka_unit_test(test_features_refused),
        cmocka_unit_test(test_only_implemented_features_are_taken),
        cmocka_unit_test(test_refused_features_are_not_taken),
        cmocka_unit_test(test_no_version_1),
        cmocka_unit_test(test_reset_that_never_ends),
        cmocka_unit_test(test_memory_is_leaked_if_the_reset_is_not_confirmed),
        cmocka_unit_test(test_no_memory_at_any_point),
        cmocka_unit_test(test_queue_absent_or_absurd),
        cmocka_unit_test(test_queue_size_is_clamped_to_a_power_of_two),
        cmocka_unit_test(test_doorbell_outside_its_structure),
        cmocka_unit_test(test_configuration_that_never_settles),
        cmocka_unit_test(test_capabilities_that_lie),
        cmocka_unit_test(test_capability_too_short_to_name_a_structure),
        cmocka_unit_test(test_offset_plus_length_that_wraps),
        cmocka_unit_test(test_first_usable_structure_is_taken),
        cmocka_unit_test(test_seg_max_absent_means_one_segment_nanos_1730),
        cmocka_unit_test(test_size_max_cuts_segments),
        cmocka_unit_test(test_absurd_configuration),
        cmocka_unit_test(test_4096_byte_blocks_keep_512_byte_sectors),
        cmocka_unit_test(test_capacity_beyond_2_TiB),
        cmocka_unit_test(test_random_traffic_in_every_shape),
        cmocka_unit_test(test_indices_wrap_at_65536_and_no_kick_is_lost),
        cmocka_unit_test(test_kick_lost_when_the_batch_count_wraps_linux_ee7cd898),
        cmocka_unit_test(test_event_index_is_compared_modulo),
        cmocka_unit_test(test_packed_event_is_compared_over_two_rounds),
        cmocka_unit_test(test_wrap_toggles_with_the_offset_linux_a7722890),
        cmocka_unit_test(test_packed_chain_of_the_whole_ring_openvmm_3990),
        cmocka_unit_test(test_one_doorbell_for_a_batch),
        cmocka_unit_test(test_full_ring_says_so_and_recovers),
        cmocka_unit_test(test_flush),
        cmocka_unit_test(test_flush_where_there_is_nothing_to_flush_costs_no_request),
        cmocka_unit_test(test_read_only_device_refuses_writes),
        cmocka_unit_test(test_error_names_the_sector_and_spares_the_neighbours),
        cmocka_unit_test(test_map_that_fails_changes_nothing),
        cmocka_unit_test(test_used_id_beyond_the_queue),
        cmocka_unit_test(test_used_id_not_in_flight),
        cmocka_unit_test(test_used_id_twice),
        cmocka_unit_test(test_used_id_inside_a_chain),
        cmocka_unit_test(test_used_index_ahead),
        cmocka_unit_test(test_status_not_written),
        cmocka_unit_test(test_status_unknown),
        cmocka_unit_test(test_used_length_is_not_believed),
        cmocka_unit_test(test_silence_ends_in_a_time_out_after_a_reset_windows_965),
        cmocka_unit_test(test_lies_in_packed_rings_and_in_order),
        cmocka_unit_test(test_buffers_stay_mapped_until_the_device_has_let_go),
        cmocka_unit_test(test_split_request_ends_when_the_device_dies),
        cmocka_unit_test(test_lost_doorbell_is_rung_again_and_counted),
        cmocka_unit_test(test_serial_is_made_printable),
        cmocka_unit_test(test_silence_at_attach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
