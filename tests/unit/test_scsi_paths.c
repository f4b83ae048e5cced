/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One disk by several paths, on fake adapters: which units are one, who is given what, failures of all
 * kinds, the states that units tell, paths that come and go.
 */
#include "tests/unit/scsi_disk_fixture.h"

#define NAA     0x5000c500a1b2c3d4ull
#define OTHER   0x5000c500a1b2c3d5ull
#define LOCAL   0x3000000000000001ull
#define NO_PATH 200000000ull
#define N_HBAS  2

/** Two adapters, each on a platform of its own, and what an owner does. */
struct world {
    struct fixture f[N_HBAS];
    struct vst_scsi_units units;
    struct vst_scsi_paths paths;
    struct vst_block_registry registry;
    unsigned n_alone, n_made, n_left;
    bool forgotten[N_HBAS];
};

static struct world world;

static void name_it(void *ctx, struct vst_scsi_unit *unit)
{
    struct world *w = ctx;

    vst_block_register(&w->registry, unit->block, "sd");
    w->n_alone++;
}

static void replace(void *ctx, struct vst_block_device *old, struct vst_block_device *device)
{
    struct world *w = ctx;

    vst_block_replace(&w->registry, old, device);
    w->n_made++;
}

static void left(void *ctx, struct vst_block_device *device)
{
    struct world *w = ctx;

    vst_block_unregister(&w->registry, device);
    w->n_left++;
}

static void found(void *ctx, struct vst_scsi_unit *unit)
{
    struct world *w = ctx;
    struct vst_block_device *device;

    if (vst_scsi_disk_attach_unit(unit, &device) == VST_OK)
        vst_scsi_paths_take(&w->paths, &w->units, unit);
}

static void lost(void *ctx, struct vst_scsi_unit *unit)
{
    struct world *w = ctx;

    if (unit->block == NULL)
        return;
    if (unit->block->name[0] != '\0')
        vst_block_unregister(&w->registry, unit->block);
    vst_scsi_disk_detach(unit->block);
}

/** `n_queues` of each adapter. */
static struct world *begin(unsigned n_first, unsigned n_second)
{
    struct world *w = &world;
    const unsigned n_queues[N_HBAS] = {n_first, n_second};

    memset(w, 0, sizeof(*w));
    w->units = (struct vst_scsi_units){.ctx = w, .found = found, .lost = lost};
    w->paths = (struct vst_scsi_paths){
        .ctx = w, .alone = name_it, .made = replace, .left = left, .no_path_ns = NO_PATH};
    for (unsigned i = 0; i < N_HBAS; i++) {
        set_up(&w->f[i]);
        w->f[i].fake.ns_per_look = 20000;
        w->f[i].config.n_queues = (uint16_t)n_queues[i];
        w->f[i].config.timeout_ns = 0;
        fake_virtio_scsi_offer_queues(&w->f[i].scsi, n_queues[i], 64);
    }
    fake_virtio_blk_map(&w->f[0].scsi.device); /* the second was made later */
    return w;
}

/** A fake unit that is the same disk as `like`, if that is not NULL. */
static struct fake_unit *add(struct world *w, unsigned hba, uint8_t target, uint64_t naa,
                             const struct fake_unit *like)
{
    struct fake_unit *unit = fake_virtio_scsi_add(&w->f[hba].scsi, target, 0);

    unit->naa = naa;
    unit->serial = "ONE";
    if (like != NULL) {
        free(unit->data);
        unit->data = like->data;
        unit->shares_data = true;
    }
    return unit;
}

static void start(struct world *w)
{
    for (unsigned i = 0; i < N_HBAS; i++) {
        assert_int_equal(attach(&w->f[i]), VST_OK);
        vst_scsi_units_add(&w->units, w->f[i].hba);
        assert_int_equal(vst_scsi_units_scan(&w->units, w->f[i].hba), VST_OK);
    }
}

static void pass(struct world *w, uint64_t ns)
{
    for (unsigned i = 0; i < N_HBAS; i++)
        w->f[i].fake.now_ns += ns;
}

static void look_after(struct world *w)
{
    for (unsigned i = 0; i < N_HBAS; i++)
        if (!w->f[i].hba->gone)
            vst_scsi_units_look_after(&w->units, w->f[i].hba);
        else if (!w->forgotten[i])
            w->forgotten[i] = vst_scsi_units_forget(&w->units, w->f[i].hba);
    vst_scsi_paths_look_after(&w->paths, &w->units);
}

/** Looks after all, for so long. */
static void look_for(struct world *w, uint64_t ns)
{
    for (uint64_t passed = 0; passed < ns; passed += 100000000) {
        look_after(w);
        pass(w, 100000000);
    }
    look_after(w);
}

static struct vst_block_device *sda(const struct world *w)
{
    return w->registry.first;
}

/** The only disk that there is: of two paths. */
static struct vst_block_device *one_disk(const struct world *w, unsigned n_paths)
{
    struct vst_block_device *device = sda(w);

    assert_non_null(device);
    assert_null(device->next);
    assert_string_equal(device->name, "sda");
    assert_true(device->multipath);
    assert_int_equal(device->n_known_paths, n_paths);
    return device;
}

static struct vst_scsi_unit *unit_of_hba(const struct world *w, unsigned hba, uint8_t target)
{
    struct vst_scsi_unit *unit = w->units.first;

    while (unit != NULL && (unit->hba != w->f[hba].hba || unit->target != target || unit->gone))
        unit = unit->next;
    assert_non_null(unit);
    return unit;
}

static struct vst_scsi_path_info path(const struct world *w, unsigned hba, uint8_t target)
{
    struct vst_scsi_path_info info;

    assert_true(vst_scsi_path_info(unit_of_hba(w, hba, target), &info));
    return info;
}

/** Who is done with a queue says so: only then may its paths go. */
static void rest(struct world *w)
{
    for (struct vst_block_device *device = w->registry.first; device != NULL; device = device->next)
        for (unsigned i = 0; i < device->n_queues; i++)
            vst_block_rest(device->queues[i]);
}

static void end(struct world *w)
{
    rest(w);
    for (unsigned i = 0; i < N_HBAS; i++)
        if (!w->forgotten[i])
            assert_true(vst_scsi_units_forget(&w->units, w->f[i].hba));
    vst_scsi_paths_close(&w->paths);
    assert_null(w->paths.first);
    assert_null(w->registry.first);
    for (unsigned i = 0; i < N_HBAS; i++)
        vst_virtio_scsi_detach(w->f[i].hba);
    for (unsigned i = 0; i < N_HBAS; i++) {
        w->f[i].hba = NULL;
        tear_down(&w->f[i]);
    }
}

/** Two adapters, one disk. */
static struct world *begin_one(struct fake_unit *units[2])
{
    struct world *w = begin(1, 1);

    units[0] = add(w, 0, 0, NAA, NULL);
    units[1] = add(w, 1, 0, NAA, units[0]);
    start(w);
    one_disk(w, 2);
    return w;
}

static unsigned n_reads(const struct fake_unit *unit)
{
    return unit->n_seen[0x28];
}

/** Submits without waiting. */
static void submit(struct vst_block_queue *queue, struct io *io, enum vst_block_op op,
                   uint64_t sector, uint64_t n)
{
    fill_io(io, op, sector, n);
    assert_int_equal(vst_block_submit(queue, &io->request), VST_OK);
}

static void read_well(struct world *w, const struct fake_unit *unit, uint64_t sector)
{
    fill_io(&ios[0], VST_BLOCK_READ, sector, 4);
    run(sda(w)->queues[0], &ios[0]);
    assert_int_equal(ios[0].request.status, VST_OK);
    check_read(unit, &ios[0]);
}

static void read_badly(struct world *w)
{
    fill_io(&ios[0], VST_BLOCK_READ, 8, 4);
    run(sda(w)->queues[0], &ios[0]);
    assert_int_not_equal(ios[0].request.status, VST_OK);
}

/** Polls until it has ended, looking after all meanwhile. */
static void await(struct world *w, struct io *io)
{
    vst_block_kick(sda(w)->queues[0]);
    for (unsigned i = 0; !io->back; i++) {
        assert_true(i < 10000);
        take(sda(w)->queues[0], 64);
        look_after(w);
        pass(w, 1000000);
    }
}

/* ------------------------------------------------------------------ which are one */

static void test_which_units_are_one_disk(void **state)
{
    static const struct {
        uint64_t naa[2];
        const char *serial[2];
        char product;
        uint64_t n_blocks;
        bool same_data, one;
    } cases[] = {
        {{NAA, NAA}, {"ONE", "ONE"}, 0, 0, true, true},
        {{NAA, NAA}, {"ONE", "ONE"}, 0, 0, false, true}, /* the name is enough */
        {{NAA, NAA}, {"ONE", " "}, 0, 0, true, true},    /* one does not tell */
        {{NAA, NAA}, {"ONE", "TWO"}, 0, 0, true, false},
        {{NAA, NAA}, {"ONE", "ONE"}, 0, 400, true, false}, /* another size */
        {{NAA, OTHER}, {"ONE", "ONE"}, 0, 0, true, false},
        {{NAA, 0}, {"ONE", "ONE"}, 0, 0, true, false},
        {{0, 0}, {"ONE", "ONE"}, 0, 0, true, true},
        {{0, 0}, {"ONE", "ONE"}, 0, 0, false, false}, /* only a serial number is the same */
        {{0, 0}, {"ONE", "ONE"}, 0, 400, true, false},
        {{0, 0}, {"ONE", "ONE"}, 'X', 0, true, false},
        {{0, 0}, {"ONE", "TWO"}, 0, 0, true, false},
        {{0, 0}, {" ", " "}, 0, 0, true, false}, /* nothing is told */
        {{LOCAL, LOCAL}, {"ONE", "ONE"}, 0, 0, true, true},
        {{LOCAL, LOCAL}, {"ONE", "TWO"}, 0, 0, true, false}, /* not unique in the world */
        {{LOCAL, LOCAL + 1}, {"ONE", "ONE"}, 0, 0, true, false},
        {{NAA, NAA}, {" ", "ONE"}, 0, 0, true, true},
        {{0, 0}, {"costarring", "liquid"}, 0, 0, true, false}, /* of the same hash */
        {{0, 0}, {"ONE", "ONE"}, 0, 4, true, false},
    };

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        struct world *w = begin(1, 1);
        struct fake_unit *first = add(w, 0, 0, cases[i].naa[0], NULL);
        struct fake_unit *second = add(w, 1, 3, cases[i].naa[1], cases[i].same_data ? first : NULL);
        first->serial = cases[i].serial[0];
        second->serial = cases[i].serial[1];
        second->product = cases[i].product;
        if (cases[i].n_blocks != 0)
            second->n_blocks = cases[i].n_blocks;
        start(w);
        unsigned n = 0;
        for (struct vst_block_device *d = w->registry.first; d != NULL; d = d->next)
            n++;
        if (n != (cases[i].one ? 1u : 2u))
            fail_msg("case %zu: %u disks", i, n);
        assert_int_equal(w->n_made, cases[i].one);
        assert_int_equal(sda(w)->multipath, cases[i].one);
        end(w);
    }
}

static void test_a_ninth_path_is_left_aside(void **state)
{
    struct world *w = begin(1, 1);
    struct fake_unit *first = add(w, 0, 0, NAA, NULL);

    (void)state;
    for (uint8_t i = 1; i < 9; i++)
        add(w, i % 2, i, NAA, first);
    start(w);
    one_disk(w, 8);
    for (unsigned i = 0; i < 32; i++)
        read_well(w, first, i);
    end(w);
}

static void test_without_memory_disks_stay_two(void **state)
{
    struct world *w = begin(1, 1);
    struct fake_unit *first = add(w, 0, 0, NAA, NULL);

    (void)state;
    add(w, 1, 0, NAA, first);
    assert_int_equal(attach(&w->f[0]), VST_OK);
    vst_scsi_units_add(&w->units, w->f[0].hba);
    assert_int_equal(vst_scsi_units_scan(&w->units, w->f[0].hba), VST_OK);
    w->f[0].fake.fail_alloc_after = 0; /* the first unit's platform */
    assert_int_equal(attach(&w->f[1]), VST_OK);
    vst_scsi_units_add(&w->units, w->f[1].hba);
    assert_int_equal(vst_scsi_units_scan(&w->units, w->f[1].hba), VST_OK);
    assert_int_equal(w->n_alone, 2);
    assert_false(sda(w)->multipath);
    w->f[0].fake.fail_alloc_after = SIZE_MAX;
    end(w);
}

/** Who uses a disk goes on with it as it is. */
static void test_a_disk_in_use_is_not_exchanged(void **state)
{
    struct world *w = begin(1, 1);
    struct fake_unit *first = add(w, 0, 0, NAA, NULL);

    (void)state;
    struct fake_unit *second = add(w, 1, 0, NAA, first);
    second->away = true;
    start(w);
    struct vst_block_device *before = sda(w);
    assert_false(before->multipath);
    vst_block_hold(before);
    second->away = false;
    assert_int_equal(vst_scsi_units_scan(&w->units, w->f[1].hba), VST_OK);
    look_after(w);
    assert_ptr_equal(sda(w), before);
    assert_null(before->next);
    read_well(w, first, 3);
    vst_block_let_go(before);
    look_after(w);
    one_disk(w, 2);
    read_well(w, first, 5);
    end(w);
}

/* ------------------------------------------------------------------ by turns */

static void test_requests_go_by_turns(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin_one(units);

    (void)state;
    unsigned before[2] = {n_reads(units[0]), n_reads(units[1])};
    for (unsigned i = 0; i < 20; i++)
        read_well(w, units[0], 3 * i);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(n_reads(units[i]) - before[i], 10);
        assert_int_equal(path(w, i, 0).n_requests, 10);
        assert_int_equal(path(w, i, 0).n_in_flight, 0);
        assert_ptr_equal(path(w, i, 0).device, sda(w));
    }
    assert_int_equal(sda(w)->queues[0]->stats.commands[VST_BLOCK_READ], 20);
    assert_int_equal(sda(w)->queues[0]->stats.sectors[VST_BLOCK_READ], 80);
    end(w);
}

/** Of all kinds, in pieces, longer than a command takes, durable; as many at once as there is room. */
static void test_requests_of_all_kinds(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin(1, 1);

    (void)state;
    for (unsigned i = 0; i < 2; i++)
        fake_virtio_blk_set_config32(&w->f[i].scsi.device, 8, 16); /* max_sectors */
    units[0] = add(w, 0, 0, NAA, NULL);
    units[1] = add(w, 1, 0, NAA, units[0]);
    start(w);
    struct vst_block_queue *queue = one_disk(w, 2)->queues[0];
    for (unsigned i = 0; i < 60; i++) {
        uint64_t n = i % 5 == 4 ? 100 : 1 + i % 9;
        enum vst_block_op op = i % 3 == 0   ? VST_BLOCK_WRITE
                               : i % 7 == 3 ? VST_BLOCK_WRITE_DURABLE
                                            : VST_BLOCK_READ;
        fill_io(&ios[0], op, (i * 37) % 400, n);
        if (op != VST_BLOCK_READ)
            memset(ios[0].data, (int)i, n * 512);
        if (i % 2)
            cut_io(&ios[0]);
        run(queue, &ios[0]);
        assert_int_equal(ios[0].request.status, VST_OK);
        check_read(units[0], &ios[0]);
    }
    fill_io(&ios[0], VST_BLOCK_FLUSH, 0, 0);
    unsigned n_flushes = units[0]->n_flushes + units[1]->n_flushes;
    run(queue, &ios[0]);
    assert_int_equal(units[0]->n_flushes + units[1]->n_flushes, n_flushes + 1);
    unsigned n = 0;
    while (n < 300) {
        fill_io(&ios[n], VST_BLOCK_READ, n, 1);
        if (vst_block_submit(queue, &ios[n].request) != VST_OK)
            break;
        n++;
    }
    assert_true(n >= 64 && n < 300);
    assert_true(vst_block_ready(queue) || n > 0);
    for (unsigned i = 0; i < n; i++)
        finish(queue, &ios[i]);
    vst_block_rest(queue);
    end(w);
}

/** What is behind the ends, misaligned, or more than can be carried, is refused as by any disk. */
static void test_what_is_wrong_is_refused(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin_one(units);
    struct vst_block_queue *queue = sda(w)->queues[0];

    (void)state;
    fill_io(&ios[0], VST_BLOCK_READ, FAKE_UNIT_SECTORS, 1);
    assert_int_equal(vst_block_submit(queue, &ios[0].request), VST_ERR_RANGE);
    fill_io(&ios[0], VST_BLOCK_DISCARD, 0, 1);
    assert_int_equal(vst_block_submit(queue, &ios[0].request), VST_ERR_UNSUPPORTED);
    assert_int_equal(vst_scsi_disk_verify(queue, 0, 1, NULL), VST_ERR_UNSUPPORTED);
    end(w);
}

/** By one path, for the unit has one cache; the other finds out. */
static void test_the_write_cache_is_switched(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin_one(units);

    (void)state;
    assert_true(sda(w)->write_cache && sda(w)->write_cache_settable);
    assert_int_equal(vst_block_set_write_cache(sda(w), false), VST_OK);
    assert_false(sda(w)->write_cache);
    unsigned n_asked = units[1]->n_seen[0x5a];
    look_after(w);
    assert_true(units[1]->n_seen[0x5a] > n_asked);
    units[0]->response = units[1]->response = 6;
    read_badly(w);
    assert_int_equal(vst_block_set_write_cache(sda(w), true), VST_ERR_NOT_READY);
    end(w);
}

/** By the name of the disk, the path that serves best; by its own, each. */
static void test_units_are_found_by_the_name_of_their_disk(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin_one(units);

    (void)state;
    struct vst_scsi_unit *first = unit_of_hba(w, 0, 0), *second = unit_of_hba(w, 1, 0);
    assert_string_equal(vst_scsi_unit_name(first), "sda");
    assert_string_equal(vst_scsi_unit_name(second), "sda");
    assert_ptr_equal(vst_scsi_unit_find(&w->units, "sda"), first);
    units[0]->response = 6;
    read_well(w, units[1], 0);
    read_well(w, units[1], 0);
    assert_ptr_equal(vst_scsi_unit_find(&w->units, "sda"), second);
    assert_ptr_equal(vst_scsi_unit_find(&w->units, "serial=ONE"), second);
    assert_ptr_equal(vst_scsi_unit_find(&w->units, "wwn=0x5000c500a1b2c3d4"), second);
    assert_ptr_equal(vst_scsi_unit_find(&w->units, first->path), first);
    assert_null(vst_scsi_unit_find(&w->units, ""));
    end(w);
}

static void test_fewer_queues(void **state)
{
    struct world *w = begin(4, 2);
    struct fake_unit *first = add(w, 0, 0, NAA, NULL);
    struct fake_unit *second = add(w, 1, 0, NAA, first);

    (void)state;
    start(w);
    struct vst_block_device *device = one_disk(w, 2);
    assert_int_equal(device->n_queues, 2);
    for (unsigned i = 0; i < 2; i++)
        for (unsigned k = 0; k < 4; k++) {
            fill_io(&ios[0], VST_BLOCK_READ, k, 1);
            run(device->queues[i], &ios[0]);
            check_read(first, &ios[0]);
        }
    assert_int_equal(path(w, 0, 0).n_requests, 4);
    assert_int_equal(path(w, 1, 0).n_requests, 4);
    (void)second;
    end(w);
}

/* ------------------------------------------------------------------ failures */

static void script(struct fake_unit *unit, uint8_t key, uint8_t asc, uint8_t ascq)
{
    memset(unit->script, 0, sizeof(unit->script));
    if (key == 0)
        return;
    static const uint8_t operations[] = {0x28, 0x2a, 0x00, 0x35};
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(operations); i++)
        unit->script[i] =
            (struct fake_script){.operation = operations[i], .key = key, .asc = asc, .ascq = ascq};
}

/** No request knows of it, the path is not used any more, and is again once it serves. */
static void test_a_path_that_fails(void **state)
{
    static const struct {
        uint8_t response, key, asc, ascq;
    } cases[] = {
        {6, 0, 0, 0},       /* transport failure */
        {8, 0, 0, 0},       /* nexus failure */
        {3, 0, 0, 0},       /* bad target */
        {0, 2, 0x04, 0x0b}, /* standby, of a unit that says nothing else of it */
        {0, 2, 0x04, 0x0c}, /* unavailable */
        {0, 2, 0x04, 0x12}, /* offline */
        {0, 2, 0x08, 0x00}, /* communication failure */
        {0, 4, 0x08, 0x00}, {0, 5, 0x25, 0x00}, /* there is no such unit */
    };

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        struct fake_unit *units[2];
        struct world *w = begin_one(units);
        struct vst_block_queue *queue = sda(w)->queues[0];
        units[0]->response = cases[i].response;
        script(units[0], cases[i].key, cases[i].asc, cases[i].ascq);
        for (unsigned k = 0; k < 16; k++) {
            submit(queue, &ios[k], k % 2 ? VST_BLOCK_WRITE : VST_BLOCK_READ, 8 * k, 8);
            memset(ios[k].data, (int)k, 8 * 512);
        }
        for (unsigned k = 0; k < 16; k++) {
            finish(queue, &ios[k]);
            if (ios[k].request.status != VST_OK)
                fail_msg("case %zu: request %u: %s", i, k, vst_status_name(ios[k].request.status));
            check_read(units[1], &ios[k]);
        }
        assert_int_equal(path(w, 0, 0).state, VST_SCSI_PATH_FAILED);
        assert_int_equal(path(w, 0, 0).n_failures, 1);
        assert_true(queue->stats.replays >= 8);
        assert_int_equal(queue->stats.errors, 0);
        unsigned before = n_reads(units[0]);
        for (unsigned k = 0; k < 6; k++)
            read_well(w, units[1], k);
        assert_int_equal(n_reads(units[0]), before);
        units[0]->response = 0;
        script(units[0], 0, 0, 0);
        look_for(w, 3000000000ull);
        assert_int_equal(path(w, 0, 0).state, VST_SCSI_PATH_OPTIMIZED);
        one_disk(w, 2);
        read_well(w, units[1], 1);
        read_well(w, units[1], 1);
        assert_true(n_reads(units[0]) > before);
        end(w);
    }
}

/** A reset of the unit ends what it has: that says nothing of the path, and it is done again. */
static void test_a_reset_is_no_failure_of_the_path(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin_one(units);

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        next_answers(&w->f[i], 2, 4, 0, 0, "", 0);
        for (unsigned k = 0; k < 4; k++)
            read_well(w, units[0], k);
        assert_int_equal(path(w, i, 0).state, VST_SCSI_PATH_OPTIMIZED);
    }
    end(w);
}

/** The last path is not given up for what a disk by itself would live through. */
static void test_the_last_path_is_tried_again(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin_one(units);

    (void)state;
    units[0]->response = 6;
    for (unsigned k = 0; k < 2; k++)
        read_well(w, units[0], k);
    next_answers(&w->f[1], 3, 6, 0, 0, "", 0);
    read_well(w, units[0], 5);
    assert_int_equal(path(w, 1, 0).state, VST_SCSI_PATH_OPTIMIZED);
    assert_int_equal(sda(w)->queues[0]->stats.errors, 0);
    end(w);
}

/** Another path could do nothing about a bad block. */
static void test_what_is_no_failure_of_the_path(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin_one(units);
    struct vst_block_queue *queue = sda(w)->queues[0];

    (void)state;
    units[0]->bad_block = units[1]->bad_block = 43;
    unsigned before = n_reads(units[0]) + n_reads(units[1]);
    fill_io(&ios[0], VST_BLOCK_READ, 40, 8);
    run(queue, &ios[0]);
    assert_int_equal(ios[0].request.status, VST_ERR_MEDIUM);
    assert_int_equal(ios[0].request.error_sector, 43);
    assert_int_equal(n_reads(units[0]) + n_reads(units[1]) - before, 3); /* the policy's retries */
    assert_int_equal(path(w, 0, 0).state, VST_SCSI_PATH_OPTIMIZED);
    assert_int_equal(path(w, 1, 0).state, VST_SCSI_PATH_OPTIMIZED);
    assert_int_equal(queue->stats.errors, 1);
    end(w);
}

/** A split request, of which a part has come back. */
static void test_a_path_fails_in_the_middle_of_a_request(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin(1, 1);

    (void)state;
    for (unsigned i = 0; i < 2; i++)
        fake_virtio_blk_set_config32(&w->f[i].scsi.device, 8, 8);
    units[0] = add(w, 0, 0, NAA, NULL);
    units[1] = add(w, 1, 0, NAA, units[0]);
    start(w);
    for (unsigned k = 0; k < 8; k++) {
        next_answers(&w->f[0], 1000, 6, 0, 0, "", 0);
        w->f[0].scsi.answer.after += k;
        fill_io(&ios[0], k % 2 ? VST_BLOCK_WRITE_DURABLE : VST_BLOCK_WRITE, 8, 100);
        memset(ios[0].data, (int)k + 1, 100 * 512);
        run(sda(w)->queues[0], &ios[0]);
        assert_int_equal(ios[0].request.status, VST_OK);
        check_read(units[0], &ios[0]);
        w->f[0].scsi.answer.n = 0;
        look_for(w, 31000000000ull);
        assert_int_equal(path(w, 0, 0).state, VST_SCSI_PATH_OPTIMIZED);
        read_well(w, units[0], 1); /* so that the first is next in turn */
        if (sda(w)->queues[0]->stats.commands[VST_BLOCK_READ] % 2)
            read_well(w, units[0], 1);
    }
    end(w);
}

/** It waits for a path; when one comes back it is done. */
static void test_all_paths_fail_and_one_comes_back(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin(1, 1);

    (void)state;
    w->paths.no_path_ns = 60000000000ull;
    units[0] = add(w, 0, 0, NAA, NULL);
    units[1] = add(w, 1, 0, NAA, units[0]);
    start(w);
    struct vst_block_queue *queue = one_disk(w, 2)->queues[0];
    units[0]->response = units[1]->response = 6;
    for (unsigned k = 0; k < 8; k++)
        submit(queue, &ios[k], VST_BLOCK_READ, 8 * k, 8);
    for (unsigned k = 0; k < 50; k++) {
        assert_int_equal(take(queue, 64), 0);
        look_for(w, 100000000);
    }
    assert_true(vst_block_ready(queue) && vst_block_awaited(queue));
    assert_int_equal(sda(w)->n_paths, 0);
    submit(queue, &ios[8], VST_BLOCK_FLUSH, 0, 0); /* is taken, and waits */
    units[1]->response = 0;
    for (unsigned k = 0; k < 9; k++) {
        await(w, &ios[k]);
        assert_int_equal(ios[k].request.status, VST_OK);
    }
    assert_int_equal(sda(w)->n_paths, 1);
    end(w);
}

static void test_no_path_comes_back_in_time(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin_one(units);
    struct vst_block_queue *queue = sda(w)->queues[0];

    (void)state;
    units[0]->response = units[1]->response = 6;
    for (unsigned k = 0; k < 3; k++) {
        submit(queue, &ios[0], k == 1 ? VST_BLOCK_WRITE_DURABLE : VST_BLOCK_READ, 8, 8);
        uint64_t begin_ns = w->f[0].fake.now_ns;
        finish(queue, &ios[0]);
        assert_int_equal(ios[0].request.status, k == 0 ? VST_ERR_IO : VST_ERR_NOT_READY);
        assert_int_equal(ios[0].request.error_sector, 8);
        assert_true(w->f[0].fake.now_ns - begin_ns >= NO_PATH);
    }
    assert_false(sda(w)->broken); /* its units are there, and asked now and then */
    units[0]->response = units[1]->response = 0;
    look_for(w, 31000000000ull);
    read_well(w, units[0], 0);
    end(w);
}

/* ------------------------------------------------------------------ units that are taken away */

static void test_units_are_taken_away_and_come_back(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin_one(units);
    struct vst_block_queue *queue = sda(w)->queues[0];

    (void)state;
    for (unsigned turn = 0; turn < 6; turn++) {
        unsigned out = turn % 2;
        for (unsigned k = 0; k < 8; k++) {
            submit(queue, &ios[k], VST_BLOCK_WRITE, 8 * k, 8);
            memset(ios[k].data, (int)(16 * turn + k), 8 * 512);
            if (k == 3)
                units[out]->away = true;
        }
        vst_block_kick(queue);
        for (unsigned k = 0; k < 8; k++) {
            await(w, &ios[k]);
            assert_int_equal(ios[k].request.status, VST_OK);
            check_read(units[0], &ios[k]);
        }
        look_for(w, 6000000000ull);
        one_disk(w, 1);
        units[out]->away = false;
        look_for(w, 6000000000ull);
        one_disk(w, 2);
        assert_int_equal(path(w, out, 0).state, VST_SCSI_PATH_OPTIMIZED);
    }
    assert_int_equal(w->n_alone, 1);
    assert_int_equal(w->n_made, 1);
    end(w);
}

/** Who has used a path's queue last may still be counted on by its adapter. */
static void test_a_path_stays_until_its_queues_are_at_rest(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin_one(units);

    (void)state;
    for (unsigned k = 0; k < 2; k++)
        read_well(w, units[0], k);
    units[0]->away = true;
    look_for(w, 6000000000ull);
    assert_int_equal(w->units.n, 2);
    rest(w);
    look_after(w);
    assert_int_equal(w->units.n, 1);
    end(w);
}

/** It leaves for good once nobody uses it; what waits ends, and what comes then is refused. */
static void test_no_unit_is_left(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin_one(units);
    struct vst_block_device *device = sda(w);

    (void)state;
    units[0]->away = units[1]->away = true;
    vst_block_hold(device);
    submit(device->queues[0], &ios[0], VST_BLOCK_READ, 0, 8);
    await(w, &ios[0]);
    assert_int_not_equal(ios[0].request.status, VST_OK);
    look_for(w, 12000000000ull);
    assert_true(device->gone && device->broken);
    assert_int_equal(vst_block_submit(device->queues[0], &ios[0].request), VST_ERR_GONE);
    assert_int_equal(w->n_left, 0);
    /* The same disk again is another to those who had it: it was gone too long. */
    units[0]->away = false;
    look_for(w, 6000000000ull);
    assert_int_equal(w->n_alone, 2);
    vst_block_let_go(device);
    look_after(w);
    assert_int_equal(w->n_left, 1);
    end(w);
}

/** Nothing of it is in flight when its last path's unit goes, and its memory comes back. */
static void test_another_disk_in_the_place_of_a_path(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin_one(units);

    (void)state;
    units[0]->naa = OTHER;
    units[0]->attention = true;
    look_for(w, 6000000000ull);
    vst_scsi_unit_look_again(unit_of_hba(w, 0, 0), VST_SCSI_LOOK_IDENTITY);
    look_for(w, 6000000000ull);
    assert_int_equal(sda(w)->n_known_paths, 1);
    assert_non_null(sda(w)->next);
    assert_false(sda(w)->next->multipath);
    assert_string_equal(sda(w)->next->name, "sdb");
    unsigned before = n_reads(units[0]);
    for (unsigned k = 0; k < 4; k++)
        read_well(w, units[1], k);
    assert_int_equal(n_reads(units[0]), before);
    end(w);
}

/* ------------------------------------------------------------------ adapters that are torn out */

/** What an adapter takes with it may still come to pass: the unit is reset before writes are given again. */
static void test_writes_wait_until_the_unit_has_forgotten_the_old_ones(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin(1, 1);

    (void)state;
    w->paths.no_path_ns = 60000000000ull;
    units[0] = add(w, 0, 0, NAA, NULL);
    units[1] = add(w, 1, 0, NAA, units[0]);
    start(w);
    struct vst_block_queue *queue = one_disk(w, 2)->queues[0];
    w->f[0].scsi.device.queues[2].answers_nothing = true;
    for (unsigned k = 0; k < 8; k++) {
        submit(queue, &ios[k], k < 4 ? VST_BLOCK_WRITE : VST_BLOCK_READ, 8 * k, 8);
        memset(ios[k].data, (int)k + 1, 8 * 512);
    }
    vst_block_kick(queue);
    while (take(queue, 64) > 0)
        ;
    units[1]->ignores = 1u << 5;
    w->f[0].scsi.device.unplugged = true;
    vst_virtio_scsi_unplug(w->f[0].hba);
    unsigned n_writes = units[1]->n_seen[0x2a];
    for (unsigned k = 0; k < 20; k++)
        take(queue, 64);
    for (unsigned k = 4; k < 8; k++)
        assert_true(ios[k].back); /* reads don't wait */
    assert_int_equal(ios[0].back + ios[1].back + ios[2].back + ios[3].back, 2);
    assert_int_equal(units[1]->n_seen[0x2a], n_writes);
    assert_int_equal(w->f[1].scsi.n_functions, 1);
    assert_int_equal(w->f[1].scsi.last_function, 5); /* LOGICAL UNIT RESET */
    units[1]->ignores = 0;
    for (unsigned k = 0; k < 8; k++) {
        await(w, &ios[k]);
        assert_int_equal(ios[k].request.status, VST_OK);
        check_read(units[1], &ios[k]);
    }
    look_for(w, 1000000000);
    one_disk(w, 1);
    end(w);
}

/** A unit that refuses to forget: the writes end with an error that says what is not known. */
static void test_writes_end_where_the_unit_does_not_forget(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin_one(units);
    struct vst_block_queue *queue = sda(w)->queues[0];

    (void)state;
    w->f[0].scsi.device.queues[2].answers_nothing = true;
    w->f[1].scsi.function_response = 11;
    for (unsigned k = 0; k < 4; k++)
        submit(queue, &ios[k], VST_BLOCK_WRITE, 8 * k, 8);
    vst_block_kick(queue);
    while (take(queue, 64) > 0)
        ;
    w->f[0].scsi.device.unplugged = true;
    vst_virtio_scsi_unplug(w->f[0].hba);
    unsigned n_gone = 0;
    for (unsigned k = 0; k < 4; k++) {
        await(w, &ios[k]);
        assert_true(ios[k].request.status == VST_OK || ios[k].request.status == VST_ERR_GONE);
        n_gone += ios[k].request.status == VST_ERR_GONE;
    }
    assert_int_equal(n_gone, 2);
    assert_true(w->f[1].scsi.n_functions >= 1);
    w->f[1].scsi.function_response = 0;
    look_for(w, 1000000000);
    one_disk(w, 1);
    end(w);
}

/* ------------------------------------------------------------------ states that units tell */

/** Two paths, in groups 1 and 2. */
static struct world *begin_alua(struct fake_unit *units[2], struct fake_alua *alua, uint8_t tpgs,
                                uint8_t first, uint8_t second)
{
    struct world *w = begin(1, 1);

    *alua = (struct fake_alua){
        .tpgs = tpgs, .n = 2, .groups = {{.number = 1, .state = first}, {2, second, false}}};
    w->paths.no_path_ns = 60000000000ull;
    for (unsigned i = 0; i < 2; i++) {
        units[i] = add(w, i, 0, NAA, i > 0 ? units[0] : NULL);
        units[i]->alua = alua;
        units[i]->port_group = (uint16_t)(i + 1);
    }
    start(w);
    one_disk(w, 2);
    return w;
}

static void expect_states(const struct world *w, enum vst_scsi_path_state first,
                          enum vst_scsi_path_state second)
{
    assert_string_equal(vst_scsi_path_state_name(path(w, 0, 0).state),
                        vst_scsi_path_state_name(first));
    assert_string_equal(vst_scsi_path_state_name(path(w, 1, 0).state),
                        vst_scsi_path_state_name(second));
}

static void test_the_best_paths_are_used(void **state)
{
    struct fake_unit *units[2];
    struct fake_alua alua;
    struct world *w = begin_alua(units, &alua, 1, 1, 0);

    (void)state;
    expect_states(w, VST_SCSI_PATH_NON_OPTIMIZED, VST_SCSI_PATH_OPTIMIZED);
    for (unsigned k = 0; k < 6; k++)
        read_well(w, units[0], k);
    assert_int_equal(n_reads(units[0]), 0);
    assert_int_equal(n_reads(units[1]), 6);
    units[1]->response = 6;
    for (unsigned k = 0; k < 6; k++)
        read_well(w, units[0], k);
    assert_int_equal(n_reads(units[0]), 6);
    units[1]->response = 0;
    look_for(w, 3000000000ull);
    unsigned before = n_reads(units[0]);
    for (unsigned k = 0; k < 6; k++)
        read_well(w, units[0], k);
    assert_int_equal(n_reads(units[0]), before);
    end(w);
}

/** The unit moves by itself: a sense code, a unit attention, or nothing tells of it. */
static void test_implicit_changes(void **state)
{
    struct fake_unit *units[2];
    struct fake_alua alua;
    struct world *w = begin_alua(units, &alua, 1, 0, 2);

    (void)state;
    expect_states(w, VST_SCSI_PATH_OPTIMIZED, VST_SCSI_PATH_STANDBY);
    alua.groups[0].state = 2;
    alua.groups[1].state = 0;
    submit(sda(w)->queues[0], &ios[0], VST_BLOCK_READ, 8, 8);
    await(w, &ios[0]);
    assert_int_equal(ios[0].request.status, VST_OK);
    expect_states(w, VST_SCSI_PATH_STANDBY, VST_SCSI_PATH_OPTIMIZED);
    /* Back again, in transition meanwhile. */
    alua.groups[0].state = alua.groups[1].state = 15;
    submit(sda(w)->queues[0], &ios[0], VST_BLOCK_READ, 8, 8);
    for (unsigned k = 0; k < 20; k++) {
        assert_int_equal(take(sda(w)->queues[0], 64), 0);
        look_for(w, 100000000);
    }
    expect_states(w, VST_SCSI_PATH_TRANSITIONING, VST_SCSI_PATH_TRANSITIONING);
    alua.groups[0].state = 0;
    alua.groups[1].state = 3;
    await(w, &ios[0]);
    assert_int_equal(ios[0].request.status, VST_OK);
    expect_states(w, VST_SCSI_PATH_OPTIMIZED, VST_SCSI_PATH_UNAVAILABLE);
    /* Told by a unit attention: 2A/06. */
    alua.groups[1].state = 1;
    units[0]->script[0] =
        (struct fake_script){.operation = 0x28, .n = 1, .key = 6, .asc = 0x2a, .ascq = 0x06};
    read_well(w, units[0], 3);
    look_after(w);
    expect_states(w, VST_SCSI_PATH_OPTIMIZED, VST_SCSI_PATH_NON_OPTIMIZED);
    /* Not told at all. */
    alua.groups[1].state = 0;
    look_for(w, 6000000000ull);
    expect_states(w, VST_SCSI_PATH_OPTIMIZED, VST_SCSI_PATH_OPTIMIZED);
    assert_int_equal(alua.n_set, 0);
    end(w);
}

/** Only standby is left: the unit is told, if it lets itself be told. */
static void test_a_standby_path_is_made_active(void **state)
{
    static const struct {
        uint8_t tpgs, refuses;
        bool done;
    } cases[] = {{2, 0, true}, {3, 2, true}, {1, 0, false}, {3, 255, false}};

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        struct fake_unit *units[2];
        struct fake_alua alua;
        struct world *w = begin_alua(units, &alua, cases[i].tpgs, 0, 2);
        alua.refuses = cases[i].refuses;
        submit(sda(w)->queues[0], &ios[0], VST_BLOCK_WRITE, 8, 8);
        units[0]->response = 6;
        submit(sda(w)->queues[0], &ios[1], VST_BLOCK_WRITE, 16, 8);
        for (unsigned k = 0; k < 30; k++) {
            take(sda(w)->queues[0], 64);
            look_for(w, 100000000);
        }
        assert_int_equal(ios[1].back, cases[i].done);
        assert_int_equal(alua.n_set, cases[i].done);
        expect_states(w, VST_SCSI_PATH_FAILED,
                      cases[i].done ? VST_SCSI_PATH_OPTIMIZED : VST_SCSI_PATH_STANDBY);
        units[0]->response = 0;
        await(w, &ios[1]);
        assert_int_equal(ios[1].request.status, VST_OK);
        end(w);
    }
}

/** Lists that lie: no path is lost by them, and nothing is read that was not received. */
static void test_hostile_port_groups(void **state)
{
#define LIST(...)                                                                                  \
    {                                                                                              \
        {__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__})                                            \
    }
    static const struct {
        uint8_t bytes[40];
        size_t n;
    } lists[] = {
        LIST(0),
        LIST(0, 0, 0, 0),
        LIST(0xff, 0xff, 0xff, 0xff),
        LIST(0, 0, 0, 8, 0, 0, 0, 1),
        LIST(0, 0, 0, 8, 0x05, 0, 0, 1, 0, 0, 0, 0),    /* a state that there is not */
        LIST(0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0xff),    /* 255 ports, none of them there */
        LIST(0, 0, 0xff, 0xff, 0, 0, 0, 9, 0, 0, 0, 0), /* longer than what comes; of nobody */
        LIST(0, 0, 0, 16, 3, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,
             0), /* twice: the last counts */
    };

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(lists); i++) {
        struct fake_unit *units[2];
        struct fake_alua alua;
        struct world *w = begin_alua(units, &alua, 3, 0, 0);
        alua.raw = lists[i].bytes;
        alua.raw_bytes = lists[i].n;
        for (unsigned k = 0; k < 2; k++)
            vst_scsi_unit_look_again(unit_of_hba(w, k, 0), VST_SCSI_LOOK_PATHS);
        look_for(w, 200000000);
        for (unsigned k = 0; k < 4; k++)
            read_well(w, units[0], k);
        assert_true(path(w, 0, 0).state <= VST_SCSI_PATH_NON_OPTIMIZED);
        assert_int_equal(path(w, 1, 0).state, VST_SCSI_PATH_OPTIMIZED);
        end(w);
    }
}

/* ------------------------------------------------------------------ changes */

static void test_the_size_of_all_paths_changes(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin_one(units);

    (void)state;
    units[0]->n_blocks = units[1]->n_blocks = 2048;
    vst_scsi_unit_look_again(unit_of_hba(w, 1, 0), VST_SCSI_LOOK_CAPACITY);
    look_for(w, 300000000);
    assert_int_equal(sda(w)->limits.n_sectors, 2048);
    read_well(w, units[0], 2044 - FAKE_UNIT_SECTORS * 3);
    /* One that says something else: what all have is what there is. */
    units[0]->n_blocks = 1024;
    vst_scsi_unit_look_again(unit_of_hba(w, 0, 0), VST_SCSI_LOOK_CAPACITY);
    look_for(w, 300000000);
    assert_int_equal(sda(w)->limits.n_sectors, 1024);
    units[1]->write_protected = true;
    vst_scsi_unit_look_again(unit_of_hba(w, 1, 0), VST_SCSI_LOOK_MODE);
    look_for(w, 300000000);
    assert_true(sda(w)->read_only);
    end(w);
}

/** A path that comes back with another size is not used. */
static void test_a_failed_path_comes_back_with_another_size(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin_one(units);

    (void)state;
    units[0]->response = 6;
    read_well(w, units[1], 0);
    read_well(w, units[1], 0);
    assert_int_equal(path(w, 0, 0).state, VST_SCSI_PATH_FAILED);
    units[0]->response = 0;
    units[0]->n_blocks = 400;
    look_for(w, 3000000000ull);
    assert_int_equal(path(w, 0, 0).state, VST_SCSI_PATH_FAILED);
    assert_int_equal(sda(w)->limits.n_sectors, FAKE_UNIT_SECTORS);
    units[0]->n_blocks = FAKE_UNIT_SECTORS;
    look_for(w, 31000000000ull);
    assert_int_equal(path(w, 0, 0).state, VST_SCSI_PATH_OPTIMIZED);
    end(w);
}

/* ------------------------------------------------------------------ paths that refuse */

static enum vst_status refusal;
static unsigned n_refused;

static enum vst_status refuse(struct vst_block_queue *queue, struct vst_block_request *request)
{
    (void)queue;
    (void)request;
    n_refused++;
    return refusal;
}

/** The path's queue answers so to each submit, until its driver is put back. */
static const struct vst_block_driver *refuse_at(struct vst_block_driver *refusing,
                                                struct vst_scsi_unit *unit, enum vst_status how)
{
    const struct vst_block_driver *own = unit->block->queues[0]->driver;

    *refusing = *own;
    refusing->submit = refuse;
    refusal = how;
    n_refused = 0;
    unit->block->queues[0]->driver = refusing;
    return own;
}

static void test_a_path_that_refuses(void **state)
{
    static const struct {
        enum vst_status how;
        enum vst_scsi_path_state state;
    } cases[] = {{VST_ERR_FULL, VST_SCSI_PATH_OPTIMIZED},
                 {VST_ERR_BROKEN, VST_SCSI_PATH_FAILED},
                 {VST_ERR_GONE, VST_SCSI_PATH_FAILED}};

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        struct fake_unit *units[2];
        struct world *w = begin_one(units);
        struct vst_block_driver refusing;
        struct vst_scsi_unit *first = unit_of_hba(w, 0, 0);
        const struct vst_block_driver *own = refuse_at(&refusing, first, cases[i].how);
        for (unsigned k = 0; k < 4; k++)
            read_well(w, units[1], k);
        assert_true(n_refused > 0);
        assert_int_equal(path(w, 0, 0).state, cases[i].state);
        assert_int_equal(path(w, 0, 0).n_requests, 0);
        assert_int_equal(path(w, 0, 0).n_in_flight, 0);
        assert_int_equal(path(w, 1, 0).n_requests, 4);
        first->block->queues[0]->driver = own;
        end(w);
    }
}

/** The only path that serves has no room, or does not take it: so does the disk. */
static void test_all_paths_refuse(void **state)
{
    static const enum vst_status how[] = {VST_ERR_FULL, VST_ERR_INVALID};

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(how); i++) {
        struct fake_unit *units[2];
        struct world *w = begin_one(units);
        struct vst_block_queue *queue = sda(w)->queues[0];
        struct vst_block_driver refusing;
        struct vst_scsi_unit *second = unit_of_hba(w, 1, 0);
        submit(queue, &ios[1], VST_BLOCK_READ, 8, 8); /* to the first, which will fail it */
        units[0]->response = 6;
        submit(queue, &ios[2], VST_BLOCK_READ, 8, 8);
        finish(queue, &ios[2]);
        while (path(w, 0, 0).state != VST_SCSI_PATH_FAILED)
            read_well(w, units[1], 0);
        const struct vst_block_driver *own = refuse_at(&refusing, second, how[i]);
        uint64_t n_commands = queue->stats.commands[VST_BLOCK_READ];
        fill_io(&ios[0], VST_BLOCK_READ, 8, 8);
        assert_int_equal(vst_block_submit(queue, &ios[0].request), how[i]);
        struct vst_block_part part = {.op = VST_BLOCK_FLUSH};
        assert_int_equal(queue->driver->submit_part(queue, &ios[0].request, &part), how[i]);
        part = (struct vst_block_part){.op = VST_BLOCK_READ, .n_sectors = 4};
        assert_int_equal(queue->driver->submit_part(queue, &ios[0].request, &part),
                         VST_ERR_TOO_LARGE);
        assert_int_equal(queue->stats.commands[VST_BLOCK_READ], n_commands);
        second->block->queues[0]->driver = own;
        if (!ios[1].back)
            finish(queue, &ios[1]);
        read_well(w, units[1], 3);
        end(w);
    }
}

/** Each clone is in use: parts are for later as well. */
static void test_no_room_for_parts(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin_one(units);
    struct vst_block_queue *queue = sda(w)->queues[0];
    const struct vst_block_part part = {.op = VST_BLOCK_FLUSH};
    unsigned n = 0;

    (void)state;
    units[0]->response = units[1]->response = 6;
    read_badly(w);
    for (; n < 300; n++) { /* they wait for a path */
        fill_io(&ios[n], VST_BLOCK_READ, n, 1);
        if (vst_block_submit(queue, &ios[n].request) != VST_OK)
            break;
    }
    assert_int_equal(n, sda(w)->limits.depth);
    assert_int_equal(queue->driver->submit_part(queue, &ios[299].request, &part), VST_ERR_FULL);
    pass(w, 2 * NO_PATH);
    unsigned n_back = 0;
    for (unsigned i = 0; i < 1000 && n_back < n; i++)
        n_back += (unsigned)take(queue, 1); /* one at a time, though all end at once */
    assert_int_equal(n_back, n);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(ios[i].request.status, VST_ERR_NOT_READY);
    end(w);
}

/** Asked for an interrupt, the paths in use are; what has come is seen without a poll. */
static void test_interrupts_of_paths(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin_one(units);
    struct vst_block_queue *queue = sda(w)->queues[0];

    (void)state;
    assert_true(vst_block_awaited(queue)); /* nothing is in flight */
    for (unsigned n = 1; n <= 2; n++) {
        for (unsigned i = 0; i < 2; i++)
            w->f[i].scsi.device.queues[2].answers_nothing = true;
        for (unsigned k = 0; k < n; k++)
            submit(queue, &ios[k], VST_BLOCK_READ, 8 * k, 8);
        vst_block_kick(queue);
        assert_false(vst_block_ready(queue));
        assert_true(vst_block_arm(queue)); /* without interrupts there is nothing to wait for */
        vst_block_rest(queue);             /* not while it is in use */
        for (unsigned i = 0; i < 2; i++) {
            w->f[i].scsi.device.queues[2].answers_nothing = false;
            fake_virtio_blk_answer_queue(&w->f[i].scsi.device.queues[2]);
        }
        assert_true(vst_block_awaited(queue));
        assert_true(vst_block_ready(queue));
        vst_block_disarm(queue);
        for (unsigned k = 0; k < n; k++) {
            finish(queue, &ios[k]);
            check_read(units[0], &ios[k]);
        }
    }
    end(w);
}

/** A request waits when the disk leaves: it ends as gone, and the disk stays until then. */
static void test_a_request_waits_when_the_disk_leaves(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin(1, 1);

    (void)state;
    w->paths.no_path_ns = 10000000000ull;
    units[0] = add(w, 0, 0, NAA, NULL);
    units[1] = add(w, 1, 0, NAA, units[0]);
    start(w);
    struct vst_block_device *device = one_disk(w, 2);
    units[0]->away = units[1]->away = true;
    look_for(w, 6000000000ull);
    submit(device->queues[0], &ios[0], VST_BLOCK_FLUSH, 0, 0);
    submit(device->queues[0], &ios[1], VST_BLOCK_READ, 5, 1);
    look_for(w, 12000000000ull);
    assert_true(device->gone);
    assert_int_equal(w->n_left, 0);
    take(device->queues[0], 64);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(ios[i].back);
        assert_int_equal(ios[i].request.status, VST_ERR_GONE);
    }
    assert_int_equal(ios[1].request.error_sector, 5);
    look_after(w);
    assert_int_equal(w->n_left, 1);
    end(w);
}

/** By the only ones that are left, the preferred one first. */
static void test_the_preferred_standby_path_is_made_active(void **state)
{
    (void)state;
    for (unsigned preferred = 0; preferred < 2; preferred++) {
        struct fake_unit *units[2];
        struct fake_alua alua;
        struct world *w = begin_alua(units, &alua, 2, 2, 2);
        alua.groups[preferred].preferred = true;
        for (unsigned i = 0; i < 2; i++)
            vst_scsi_unit_look_again(unit_of_hba(w, i, 0), VST_SCSI_LOOK_PATHS);
        for (unsigned i = 0; i < 2; i++)
            vst_scsi_units_look_after(&w->units, w->f[i].hba);
        assert_true(path(w, preferred, 0).preferred);
        look_for(w, 1000000000);
        assert_int_equal(alua.n_set, 1);
        assert_int_equal(alua.groups[preferred].state, 0);
        assert_int_equal(alua.groups[1 - preferred].state, 2);
        end(w);
    }
    assert_string_equal(vst_scsi_path_state_name(VST_SCSI_N_PATH_STATES), "unknown");
}

/** It is looked at again, and another size of its blocks is what a disk in use can't have. */
static void test_a_path_with_other_blocks(void **state)
{
    struct fake_unit *units[2];
    struct world *w = begin_one(units);

    (void)state;
    vst_scsi_unit_look_again(unit_of_hba(w, 0, 0), VST_SCSI_LOOK_IDENTITY);
    look_after(w);
    assert_int_equal(path(w, 0, 0).state, VST_SCSI_PATH_OPTIMIZED);
    vst_scsi_paths_close(&w->paths); /* only what has no paths */
    one_disk(w, 2);
    units[0]->block_bytes = 1024;
    units[0]->n_blocks = 256;
    vst_scsi_unit_look_again(unit_of_hba(w, 0, 0), VST_SCSI_LOOK_CAPACITY);
    look_after(w);
    rest(w);
    look_after(w);
    assert_int_equal(sda(w)->n_known_paths, 1);
    read_well(w, units[1], 7);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_units_are_one_disk),
        cmocka_unit_test(test_a_ninth_path_is_left_aside),
        cmocka_unit_test(test_without_memory_disks_stay_two),
        cmocka_unit_test(test_a_disk_in_use_is_not_exchanged),
        cmocka_unit_test(test_requests_go_by_turns),
        cmocka_unit_test(test_requests_of_all_kinds),
        cmocka_unit_test(test_what_is_wrong_is_refused),
        cmocka_unit_test(test_the_write_cache_is_switched),
        cmocka_unit_test(test_units_are_found_by_the_name_of_their_disk),
        cmocka_unit_test(test_fewer_queues),
        cmocka_unit_test(test_a_path_that_fails),
        cmocka_unit_test(test_a_reset_is_no_failure_of_the_path),
        cmocka_unit_test(test_the_last_path_is_tried_again),
        cmocka_unit_test(test_what_is_no_failure_of_the_path),
        cmocka_unit_test(test_a_path_fails_in_the_middle_of_a_request),
        cmocka_unit_test(test_all_paths_fail_and_one_comes_back),
        cmocka_unit_test(test_no_path_comes_back_in_time),
        cmocka_unit_test(test_units_are_taken_away_and_come_back),
        cmocka_unit_test(test_a_path_stays_until_its_queues_are_at_rest),
        cmocka_unit_test(test_no_unit_is_left),
        cmocka_unit_test(test_another_disk_in_the_place_of_a_path),
        cmocka_unit_test(test_writes_wait_until_the_unit_has_forgotten_the_old_ones),
        cmocka_unit_test(test_writes_end_where_the_unit_does_not_forget),
        cmocka_unit_test(test_the_best_paths_are_used),
        cmocka_unit_test(test_implicit_changes),
        cmocka_unit_test(test_a_standby_path_is_made_active),
        cmocka_unit_test(test_hostile_port_groups),
        cmocka_unit_test(test_the_size_of_all_paths_changes),
        cmocka_unit_test(test_a_failed_path_comes_back_with_another_size),
        cmocka_unit_test(test_a_path_that_refuses),
        cmocka_unit_test(test_all_paths_refuse),
        cmocka_unit_test(test_no_room_for_parts),
        cmocka_unit_test(test_interrupts_of_paths),
        cmocka_unit_test(test_a_request_waits_when_the_disk_leaves),
        cmocka_unit_test(test_the_preferred_standby_path_is_made_active),
        cmocka_unit_test(test_a_path_with_other_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
