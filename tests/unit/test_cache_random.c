/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cache against a flat model: random operations, several at once, on a disk that does them in any
 * order, fails some and loses power. What is read is what was written; what is found after a power cut
 * is, of each block, a version not older than the last flush that ended well has promised, and if any
 * block has a version from after a flush, every block has what it had before that flush.
 *
 * CACHE_TEST_OPERATIONS is their number, CACHE_TEST_SEED where chance begins.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_power_disk.h"

#define DEFAULT_OPERATIONS 1500000u
#define MAX_BYTES          (1u << 20) /* of the disk */
#define MAX_BLOCKS         (MAX_BYTES / 512)
#define MAX_SPAN           40000u  /* of one operation */
#define MAX_LARGE_SPAN     700000u /* of a read now and then, which goes past the lines */
#define MAX_DEPTH          6u
#define MAX_VERSIONS       64u
#define MAX_EPOCHS         64u

/* What a block held, and how many flushes had been submitted when that was written. */
struct version {
    uint64_t hash;
    uint32_t epoch;
    bool any; /* discarded: it may hold anything */
};

struct history {
    struct version versions[MAX_VERSIONS];
    uint32_t n, first; /* n ever; those before `first` are over */
    uint32_t n_ended;  /* of writes that have ended */
};

struct operation {
    struct vst_cache_request request; /* first */
    bool busy;
    uint8_t *buffer;
    uint32_t epoch; /* of a flush */
};

static struct model {
    struct fake_power_disk disk;
    struct vst_cache *cache;
    uint8_t flat[MAX_BYTES];
    struct history blocks[MAX_BLOCKS];
    /* floors[e % MAX_EPOCHS][b]: versions of b that had ended when flush e was submitted */
    uint32_t floors[MAX_EPOCHS][MAX_BLOCKS];
    uint32_t epoch;       /* flushes submitted */
    uint32_t first_epoch; /* the order holds from here on: no flush since has failed */
    uint32_t promised;    /* the last flush that ended well */
    bool has_promise;
    struct operation operations[MAX_DEPTH];
    uint64_t n_reads, n_writes, n_flushes, n_failed, n_straight;
} m;

static uint64_t below(uint64_t n)
{
    return fake_power_random(&m.disk, n);
}

static uint32_t block_bytes(void)
{
    return m.disk.device.limits.logical_block_bytes;
}

static uint64_t hash_of(const uint8_t *data)
{
    return fake_power_hash(data, block_bytes(), 0);
}

/* ------------------------------------------------------------------ what a power cut may leave */

static struct version *version_at(struct history *history, uint32_t i)
{
    return &history->versions[i % MAX_VERSIONS];
}

/* The oldest version from `floor` on that the data may be. */
static uint32_t find_version(struct history *history, uint32_t floor, const uint8_t *data)
{
    uint64_t hash = hash_of(data);

    for (uint32_t i = floor; i < history->n; i++)
        if (version_at(history, i)->any || version_at(history, i)->hash == hash)
            return i;
    return UINT32_MAX;
}

static uint32_t floor_of(uint32_t block, uint32_t epoch)
{
    uint32_t n = m.floors[epoch % MAX_EPOCHS][block];

    return n > 0 ? n - 1
                 : 0; /* versions 0 .. n-1 had ended: the newest of them is there at least */
}

static void check_cut(void *ctx, const uint8_t *image)
{
    static uint32_t found[MAX_BLOCKS];

    (void)ctx;
    for (unsigned i = 0; i < MAX_DEPTH; i++)
        if (m.operations[i].busy && m.operations[i].epoch > 0 &&
            m.operations[i].request.op != VST_BLOCK_READ &&
            m.operations[i].request.status != VST_OK)
            m.first_epoch = m.epoch; /* a flush has failed, and we have not been told yet */
    uint32_t newest = m.first_epoch;
    for (uint32_t b = 0; b < m.disk.n_blocks; b++) {
        struct history *history = &m.blocks[b];
        uint32_t floor = m.has_promise ? floor_of(b, m.promised) : 0;
        if (floor < history->first)
            floor = history->first;
        found[b] = find_version(history, floor, image + (size_t)b * block_bytes());
        if (found[b] == UINT32_MAX)
            fail_msg("block %u after cut %lu: what flush %u promised is lost", b,
                     (unsigned long)m.disk.n_cuts, m.promised);
        if (version_at(history, found[b])->epoch > newest && !version_at(history, found[b])->any)
            newest = version_at(history, found[b])->epoch;
    }
    /* A write from after flush `newest` is there: then all from before that flush must be. */
    for (uint32_t b = 0; b < m.disk.n_blocks && newest > m.first_epoch; b++) {
        uint32_t floor = floor_of(b, newest);
        if (found[b] < floor &&
            find_version(&m.blocks[b], floor, image + (size_t)b * block_bytes()) == UINT32_MAX)
            fail_msg(
                "block %u after cut %lu: version %u is older than %u, of before flush %u, after "
                "which others are (%u flushes, from %u on, promised %u)",
                b, (unsigned long)m.disk.n_cuts, found[b], floor, newest, m.epoch, m.first_epoch,
                m.promised);
    }
}

/* ------------------------------------------------------------------ versions */

static void add_version(uint32_t b, bool any)
{
    struct history *history = &m.blocks[b];

    assert_true(history->n - history->first < MAX_VERSIONS);
    *version_at(history, history->n++) =
        (struct version){hash_of(m.flat + (size_t)b * block_bytes()), m.epoch, any};
}

static void add_versions(uint64_t offset, uint64_t bytes, bool any)
{
    for (uint64_t b = offset / block_bytes(); b * block_bytes() < offset + bytes; b++)
        add_version((uint32_t)b, any);
}

static void end_versions(uint64_t offset, uint64_t bytes)
{
    for (uint64_t b = offset / block_bytes(); b * block_bytes() < offset + bytes; b++)
        m.blocks[b].n_ended = m.blocks[b].n;
}

static bool has_room(uint64_t offset, uint64_t bytes)
{
    for (uint64_t b = offset / block_bytes(); b * block_bytes() < offset + bytes; b++)
        if (m.blocks[b].n - m.blocks[b].first > MAX_VERSIONS - 6)
            return false;
    return true;
}

static uint32_t note_flush(void)
{
    m.epoch++;
    for (uint32_t b = 0; b < m.disk.n_blocks; b++)
        m.floors[m.epoch % MAX_EPOCHS][b] = m.blocks[b].n_ended;
    return m.epoch;
}

static void promise(uint32_t epoch)
{
    if (m.has_promise && (int32_t)(epoch - m.promised) <= 0)
        return;
    m.promised = epoch;
    m.has_promise = true;
    for (uint32_t b = 0; b < m.disk.n_blocks; b++)
        if (floor_of(b, epoch) > m.blocks[b].first)
            m.blocks[b].first = floor_of(b, epoch);
}

/* ------------------------------------------------------------------ the machine that runs them */

static void heal(void)
{
    m.disk.fail_one_in = m.disk.fail_flush_one_in = 0;
    memset(m.disk.bad, 0, m.disk.n_blocks * sizeof(bool));
}

static void hurt(void)
{
    heal();
    if (below(2) == 0)
        m.disk.fail_one_in = 4 + (unsigned)below(60);
    for (uint64_t n = below(6); n > 0; n--)
        m.disk.bad[below(m.disk.n_blocks)] = true;
}

static bool overlaps(const struct vst_cache_request *a, uint64_t offset, uint64_t bytes)
{
    /* By lines: cutting a block reads all of it. */
    uint64_t mask = block_bytes() - 1;

    return a->bytes > 0 && a->offset_bytes < ((offset + bytes + mask) & ~mask) &&
           (offset & ~mask) < a->offset_bytes + a->bytes + mask;
}

static bool is_free(uint64_t offset, uint64_t bytes)
{
    for (unsigned i = 0; i < MAX_DEPTH; i++)
        if (m.operations[i].busy && overlaps(&m.operations[i].request, offset, bytes))
            return false;
    return true;
}

static void check_read(const struct vst_cache_request *request)
{
    if (memcmp(request->buffer, m.flat + request->offset_bytes, request->bytes) != 0)
        fail_msg("read of %lu at %lu: not what was written", (unsigned long)request->bytes,
                 (unsigned long)request->offset_bytes);
}

/* Does the same again until it succeeds, on a disk that has been mended. */
static void redo(const struct vst_cache_request *request)
{
    uint64_t error;
    uint8_t *buffer = request->buffer;

    heal();
    m.n_failed++;
    if (request->op == VST_BLOCK_READ) {
        assert_int_equal(
            vst_cache_read(m.cache, request->offset_bytes, buffer, request->bytes, &error), VST_OK);
        check_read(request);
    } else {
        assert_int_equal(vst_cache_write(m.cache, request->offset_bytes,
                                         m.flat + request->offset_bytes, request->bytes, &error),
                         VST_OK);
    }
}

static void end_flush(enum vst_status status, uint32_t epoch)
{
    m.n_flushes++;
    if (status == VST_OK) {
        promise(epoch);
        return;
    }
    /* Its promise is not given; and the order across it is over. */
    m.n_failed++;
    m.first_epoch = m.epoch;
}

static bool bad_in(uint64_t offset, uint64_t bytes)
{
    for (uint64_t b = offset / block_bytes(); b * block_bytes() < offset + bytes; b++)
        if (m.disk.bad[b])
            return true;
    return false;
}

static void finish(struct operation *op)
{
    const struct vst_cache_request *request = &op->request;

    op->busy = false;
    if (op->epoch > 0 && request->status != VST_OK)
        m.first_epoch = m.epoch; /* the flush is not to be: the order is over */
    switch (request->op) {
    case VST_BLOCK_FLUSH:
        end_flush(request->status, op->epoch);
        break;
    case VST_BLOCK_READ:
        if (request->status == VST_OK)
            check_read(request);
        else
            redo(request);
        m.n_reads++;
        break;
    default:
        if (request->status != VST_OK)
            redo(request);
        end_versions(request->offset_bytes, request->bytes);
        if (request->op == VST_BLOCK_WRITE_DURABLE && request->status == VST_OK)
            promise(op->epoch);
        m.n_writes++;
        break;
    }
}

static void poll_all(void)
{
    struct vst_cache_request *done[4];
    size_t n = vst_cache_poll(m.cache, done, 4);

    for (size_t i = 0; i < n; i++)
        finish((struct operation *)done[i]);
}

static void drain(void)
{
    for (unsigned i = 0; i < MAX_DEPTH; i++)
        for (unsigned long tries = 0; m.operations[i].busy; tries++) {
            poll_all();
            assert_true(tries < 1000000);
        }
}

static struct operation *idle_operation(unsigned depth)
{
    for (;;) {
        for (unsigned i = 0; i < depth; i++)
            if (!m.operations[i].busy)
                return &m.operations[i];
        poll_all();
    }
}

static void submit(struct operation *op, uint32_t epoch)
{
    op->busy = true;
    op->epoch = epoch;
    op->request.buffer = op->buffer;
    assert_int_equal(vst_cache_submit(m.cache, &op->request), VST_OK);
    if (below(3) > 0)
        vst_cache_kick(m.cache);
}

/* ------------------------------------------------------------------ operations */

static void choose_range(uint64_t *offset, uint64_t *bytes)
{
    uint64_t capacity = m.disk.device.limits.n_sectors * 512;

    switch (below(8)) {
    case 0:
        *bytes = 1 + below(MAX_SPAN);
        break;
    case 1:
        *bytes = 4096 * (1 + below(4));
        break;
    default:
        *bytes = 1 + below(6000);
        break;
    }
    *offset = below(3) > 0 ? below(capacity / 8) : below(capacity); /* some places more often */
    if (below(3) == 0)
        *offset &= ~(uint64_t)511;
    if (*bytes > capacity - *offset)
        *bytes = capacity - *offset;
}

static void fill_randomly(uint64_t offset, uint64_t bytes)
{
    static uint64_t words[MAX_SPAN / 8 + 1];

    for (uint64_t i = 0; i * 8 < bytes; i++)
        words[i] = below(UINT64_MAX);
    memcpy(m.flat + offset, words, bytes);
}

static void make_large(uint64_t *offset, uint64_t *bytes)
{
    uint64_t capacity = m.disk.device.limits.n_sectors * 512;
    uint64_t large = 128 * 1024 + below(MAX_LARGE_SPAN - 128 * 1024);

    if (large > capacity)
        large = capacity;
    uint64_t start = vst_min_u64(*offset, capacity - large);
    if (is_free(start, large)) {
        *offset = start;
        *bytes = large;
    }
}

static void do_read(struct operation *op, uint64_t offset, uint64_t bytes)
{
    uint64_t error = UINT64_MAX;

    if (below(40) == 0)
        make_large(&offset, &bytes);
    if (below(2) == 0) {
        op->request = (struct vst_cache_request){
            .op = VST_BLOCK_READ, .offset_bytes = offset, .bytes = bytes};
        submit(op, 0);
        return;
    }
    enum vst_status status = vst_cache_read(m.cache, offset, op->buffer, bytes, &error);
    op->request = (struct vst_cache_request){
        .op = VST_BLOCK_READ, .offset_bytes = offset, .buffer = op->buffer, .bytes = bytes};
    if (status == VST_OK) {
        check_read(&op->request);
    } else {
        /* It fails for bad blocks of its own only, and says where. */
        assert_true(m.disk.fail_one_in > 0 || bad_in(offset, bytes));
        assert_in_range(error, offset / block_bytes() * block_bytes(), offset + bytes - 1);
        redo(&op->request);
    }
    m.n_reads++;
}

static void do_write(struct operation *op, uint64_t offset, uint64_t bytes)
{
    bool durable = below(30) == 0;

    fill_randomly(offset, bytes);
    add_versions(offset, bytes, false);
    op->request =
        (struct vst_cache_request){.op = durable ? VST_BLOCK_WRITE_DURABLE : VST_BLOCK_WRITE,
                                   .offset_bytes = offset,
                                   .bytes = bytes};
    memcpy(op->buffer, m.flat + offset, bytes);
    if (durable || below(2) == 0) {
        submit(op, durable ? note_flush() : 0);
        return;
    }
    if (vst_cache_write(m.cache, offset, op->buffer, bytes, NULL) != VST_OK)
        redo(&op->request);
    end_versions(offset, bytes);
    m.n_writes++;
}

static void do_flush(struct operation *op)
{
    if (below(2) == 0) {
        op->request = (struct vst_cache_request){.op = VST_BLOCK_FLUSH};
        submit(op, note_flush());
        return;
    }
    uint32_t epoch = note_flush();
    end_flush(vst_cache_flush(m.cache, NULL), epoch);
}

static void do_zero(uint64_t offset, uint64_t bytes)
{
    memset(m.flat + offset, 0, bytes);
    add_versions(offset, bytes, true); /* if it fails: anything */
    add_versions(offset, bytes, false);
    if (vst_cache_zero(m.cache, offset, bytes, NULL) != VST_OK) {
        heal();
        assert_int_equal(vst_cache_zero(m.cache, offset, bytes, NULL), VST_OK);
    }
    end_versions(offset, bytes);
}

static void do_discard(uint64_t offset, uint64_t bytes)
{
    offset &= ~(uint64_t)(block_bytes() - 1);
    bytes &= ~(uint64_t)(block_bytes() - 1);
    if (bytes == 0 || !is_free(offset, bytes) || !has_room(offset, bytes))
        return;
    add_versions(offset, bytes, true);
    enum vst_status status = vst_cache_discard(m.cache, offset, bytes, NULL);
    assert_true(status == VST_OK || m.disk.fail_one_in > 0 || bad_in(offset, bytes));
    fill_randomly(offset, bytes);
    add_versions(offset, bytes, false);
    struct vst_cache_request again = {
        .op = VST_BLOCK_WRITE, .offset_bytes = offset, .bytes = bytes};
    if (vst_cache_write(m.cache, offset, m.flat + offset, bytes, NULL) != VST_OK)
        redo(&again);
    end_versions(offset, bytes);
}

/* All versions but the last are over, by a flush that ends well. */
static void settle(void)
{
    drain();
    heal();
    uint32_t epoch = note_flush();
    assert_int_equal(vst_cache_flush(m.cache, NULL), VST_OK);
    promise(epoch);
    m.first_epoch = m.epoch;
}

static void one_operation(unsigned depth)
{
    uint64_t offset, bytes;
    struct operation *op = idle_operation(depth);

    choose_range(&offset, &bytes);
    if (!has_room(offset, bytes) || m.epoch - (m.has_promise ? m.promised : 0) > MAX_EPOCHS - 4)
        settle();
    if (!is_free(offset, bytes)) {
        drain();
        op = idle_operation(depth);
    }
    switch (below(100)) {
    case 0 ... 54:
        do_read(op, offset, bytes);
        break;
    case 55 ... 91:
        do_write(op, offset, bytes);
        break;
    case 92 ... 95:
        do_flush(op);
        break;
    case 96:
        do_zero(offset, bytes);
        break;
    case 97:
        do_discard(offset, bytes);
        break;
    default:
        poll_all();
        break;
    }
}

/* ------------------------------------------------------------------ a round: one disk, one cache */

struct way {
    uint32_t block_bytes;
    uint64_t n_sectors;
    size_t cache_bytes;
    enum vst_cache_mode mode;
    uint32_t max_segments;
    unsigned depth;
    bool errors, cuts, write_cache;
};

static void begin(const struct way *way, uint64_t seed, void *memory)
{
    struct vst_cache_config config = {.queue = &m.disk.queue,
                                      .memory = memory,
                                      .memory_bytes = way->cache_bytes,
                                      .mode = way->mode};

    fake_power_init(&m.disk, way->n_sectors, way->block_bytes, seed);
    m.disk.device.limits.max_segments = way->max_segments;
    m.disk.device.write_cache = m.disk.device.flush_needed = way->write_cache;
    m.disk.cut_one_in = way->cuts ? 300 : 0;
    m.disk.cut = check_cut;
    memset(m.flat, 0, sizeof(m.flat));
    memset(m.blocks, 0, sizeof(m.blocks));
    m.epoch = m.first_epoch = 0;
    m.has_promise = false;
    for (uint32_t b = 0; b < m.disk.n_blocks; b++) {
        add_version(b, false);
        m.blocks[b].n_ended = 1;
    }
    assert_int_equal(vst_cache_open(&m.cache, &config), VST_OK);
}

static void end(void)
{
    settle();
    assert_int_equal(vst_cache_close(m.cache), VST_OK);
    assert_memory_equal(m.disk.medium, m.flat, m.disk.device.limits.n_sectors * 512);
    fake_power_destroy(&m.disk);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static const struct way ways[] = {
    {512, 2000, 64 << 10, VST_CACHE_WRITE_BACK, 64, 4, false, true, true},
    {512, 1999, 70000, VST_CACHE_WRITE_BACK, 64, 1, true, true, true},
    {512, 2048, 200 << 10, VST_CACHE_WRITE_BACK, 3, 6, true, true, true},
    {4096, 2048, 1 << 20, VST_CACHE_WRITE_BACK, 64, 6, true, true, true},
    {1024, 1000, 64 << 10, VST_CACHE_WRITE_THROUGH, 1, 4, true, true, true},
    {512, 2048, 300 << 10, VST_CACHE_WRITE_THROUGH, 64, 6, true, true, false},
    {8192, 2048, 100 << 10, VST_CACHE_WRITE_BACK, 16, 4, true, true, true},
    {65536, 2048, 600 << 10, VST_CACHE_WRITE_BACK, 64, 3, true, true, false},
    {2048, 2044, 128 << 10, VST_CACHE_WRITE_BACK, 64, 5, false, true, false},
};

static void test_against_a_flat_model(void **state)
{
    static uint8_t buffers[MAX_DEPTH][MAX_LARGE_SPAN];
    uint64_t n = number_from("CACHE_TEST_OPERATIONS", DEFAULT_OPERATIONS);
    uint64_t seed = number_from("CACHE_TEST_SEED", 1), n_cuts = 0;
    uint8_t *memory = malloc((1 << 20) + 1);

    (void)state;
    for (unsigned i = 0; i < MAX_DEPTH; i++)
        m.operations[i].buffer = buffers[i];
    for (unsigned w = 0; w < VST_ARRAY_LENGTH(ways); w++) {
        begin(&ways[w], seed + w, memory + w % 2);
        for (uint64_t i = 0; i < n / VST_ARRAY_LENGTH(ways); i++) {
            if (i % 256 == 0 && ways[w].errors)
                hurt();
            one_operation(ways[w].depth);
        }
        n_cuts += m.disk.n_cuts;
        m.n_straight += vst_cache_stats(m.cache)->straight_lines;
        end();
    }
    free(memory);
    print_message("%lu reads (%lu lines past the cache), %lu writes, %lu flushes, %lu failures, "
                  "%lu power cuts\n",
                  (unsigned long)m.n_reads, (unsigned long)m.n_straight, (unsigned long)m.n_writes,
                  (unsigned long)m.n_flushes, (unsigned long)m.n_failed, (unsigned long)n_cuts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_flat_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
