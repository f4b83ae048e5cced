/* SPDX-License-Identifier: BSD-2-Clause */
/* The block driver's tests over every other transport, and what is particular to each. */
int test_virtio_blk_main(void);
#define main test_virtio_blk_main
#include "tests/unit/test_virtio_blk.c"
#undef main

static bool is_legacy_pci(void)
{
    return front_in_use >= FAKE_LEGACY && front_in_use <= FAKE_LEGACY_ASKED;
}

static bool is_window(void)
{
    return front_in_use >= FAKE_WINDOW && front_in_use <= FAKE_WINDOW_ASKED;
}

static bool is_pio(void)
{
    return front_in_use == FAKE_PIO_ASKED || front_in_use == FAKE_PIO_ONLY;
}

/* ------------------------------------------------------------------ what all have to do */

static void test_the_way_taken(void **state)
{
    static const char *const names[FAKE_N_FRONTS] = {
        [FAKE_MODERN] = "virtio-pci",
        [FAKE_WINDOW] = "virtio-pci-cfg",
        [FAKE_WINDOW_UNMAPPED] = "virtio-pci-cfg",
        [FAKE_WINDOW_ASKED] = "virtio-pci-cfg",
        [FAKE_PIO_ASKED] = "virtio-pci",
        [FAKE_PIO_ONLY] = "virtio-pci",
        [FAKE_LEGACY] = "virtio-pci-legacy",
        [FAKE_LEGACY_MEMORY] = "virtio-pci-legacy",
        [FAKE_LEGACY_MSIX] = "virtio-pci-legacy",
        [FAKE_LEGACY_ASKED] = "virtio-pci-legacy",
        [FAKE_MMIO_1] = "virtio-mmio-1",
        [FAKE_MMIO_2] = "virtio-mmio-2",
    };
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    assert_string_equal(f->device->transport_name, names[front_in_use]);
    assert_string_equal(f->device->path,
                        f->front.is_mmio ? "virtio-mmio-feb00e00" : "pci-0000:00:04.0");
    assert_string_equal(f->device->serial, "fake-0001");
    assert_int_equal(f->device->limits.n_sectors, DISK_SECTORS);
    /* All doorbells went the right way. */
    assert_int_equal(f->front.n_port_doorbells, is_pio() ? f->blk.n_doorbells : 0);
    assert_int_equal(f->front.n_window_doorbells, is_window() ? f->blk.n_doorbells : 0);
    assert_true(f->blk.n_doorbells > 0);
    tear_down(f);
}

static void test_each_step_in_its_order(void **state)
{
    static const uint8_t modern[] = {0, 1, 3, 11, 15}, legacy[] = {0, 1, 3, 7};
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->blk.n_status_writes, f->blk.legacy ? sizeof(legacy) : sizeof(modern));
    assert_memory_equal(f->blk.status_history, f->blk.legacy ? legacy : modern,
                        f->blk.n_status_writes);
    tear_down(f);
}

static void test_features_that_a_legacy_device_has_not(void **state)
{
    WITH(f);
    f->blk.offered_features |= VIRTIO_BIT(VIRTIO_F_ANY_LAYOUT);
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->blk.driver_features >> 32 & 1, !f->blk.legacy);
    assert_int_equal(f->blk.driver_features >> VIRTIO_F_ANY_LAYOUT & 1, f->blk.legacy);
    if (f->blk.legacy)
        assert_int_equal(f->blk.driver_features >> 32, 0);
    tear_down(f);
}

static void test_ring_of_the_fixed_size_and_place(void **state)
{
    WITH(f);
    f->config.queue_size = 16;
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->blk.queues[0].size, is_legacy_pci() ? f->blk.queues[0].offered_size : 16);
    if (f->blk.legacy) {
        assert_int_equal(f->blk.queues[0].desc % 4096, 0);
        assert_int_equal(f->blk.queues[0].used % 4096, 0);
    }
    tear_down(f);
}

static void test_queue_size_that_is_no_power_of_two(void **state)
{
    WITH(f);
    fake_virtio_blk_offer_queue(&f->blk, 0, 100);
    assert_int_equal(attach(f), is_legacy_pci() ? VST_ERR_MALFORMED : VST_OK);
    tear_down(f);
}

static void test_configuration_change_is_noticed(void **state)
{
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    assert_false(vst_virtio_blk_config_changed(f->device));
    f->blk.generation++;
    fake_virtio_blk_set_config32(&f->blk, VIRTIO_BLK_CONFIG_CAPACITY, DISK_SECTORS / 2);
    assert_true(vst_virtio_blk_config_changed(f->device));
    f->blk.generation--;
    fake_virtio_blk_set_config32(&f->blk, VIRTIO_BLK_CONFIG_CAPACITY, DISK_SECTORS);
    assert_false(vst_virtio_blk_config_changed(f->device));
    if (f->blk.legacy || f->front.is_mmio) { /* by the interrupt status alone: told once */
        f->blk.isr = 2;
        assert_true(vst_virtio_blk_config_changed(f->device));
        assert_int_equal(f->blk.isr, 0);
        assert_false(vst_virtio_blk_config_changed(f->device));
        f->blk.isr = 1;
        assert_false(vst_virtio_blk_config_changed(f->device));
    }
    tear_down(f);
}

static struct virtio_device *virtio_of(struct fixture *f)
{
    return &VST_CONTAINER_OF(f->device, struct blk_device, base)->virtio;
}

/** What a queue can't be told, or no longer fits what the device says, is refused; none is enabled. */
static void test_queue_that_can_not_be_enabled(void **state)
{
    static const struct {
        uint16_t size, vector;
        uint64_t page;
        bool by_page; /* refused where a page number is told */
    } cases[] = {{64, 0xffff, 0, true}, {64, 0xffff, 1ull << 32, true}, {128, 0xffff, 5, false}, {64, 3, 5, false}};

    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        WITH(f);
        struct virtio_doorbell doorbell;
        fake_virtio_blk_offer_queues(&f->blk, 2, 64);
        assert_int_equal(attach(f), VST_OK);
        struct virtio_device *device = virtio_of(f);
        const struct virtio_queue_setup setup = {.index = 1,
                                                 .size = cases[i].size,
                                                 .vector = cases[i].vector,
                                                 .desc_bus_addr = cases[i].page << 12};
        if (f->blk.legacy || !cases[i].by_page) {
            assert_int_not_equal(device->transport->queue_enable(device, &setup, &doorbell), VST_OK);
            assert_false(f->blk.queues[1].enabled);
        }
        f->blk.saw_misuse = false; /* a vector with MSI-X off, a size beyond the offer */
        tear_down(f);
    }
}

static void test_queue_already_in_use(void **state)
{
    WITH(f);
    f->front.queue_in_use = true;
    bool tells = f->blk.legacy || f->front.is_mmio;
    assert_int_equal(attach(f), tells ? VST_ERR_MALFORMED : VST_OK);
    if (tells)
        assert_non_null(strstr(f->fake.all_logs, "in use after a reset"));
    tear_down(f);
}

static void test_queue_that_is_not_taken(void **state)
{
    WITH(f);
    f->front.forgets_page = true;
    bool tells = f->blk.legacy || f->front.is_mmio;
    assert_int_equal(attach(f), tells ? VST_ERR_MALFORMED : VST_OK);
    tear_down(f);
}

static void test_reset_not_confirmed(void **state)
{
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    f->blk.reset_takes_for_ever = true;
    f->blk.pci_config[4] = 0x06;
    vst_virtio_blk_detach(f->device);
    f->device = NULL;
    assert_true(fake_platform_free_leaks(&f->fake) > 0);
    assert_non_null(strstr(f->fake.all_logs, f->front.is_mmio ? "may go on" : "is cut off"));
    assert_int_equal(f->blk.pci_config[4] & 4, f->front.is_mmio ? 4 : 0);
    tear_down(f);
}

/* ------------------------------------------------------------------ virtio-mmio */

static void with_front(struct fixture *f, enum fake_front front)
{
    enum fake_front before = front_in_use;

    front_in_use = front;
    set_up(f, false);
    front_in_use = before;
}

static void test_mmio_identity_that_is_wrong(void **state)
{
    static const struct {
        uint32_t magic, version, type;
        enum vst_status probe, attach;
    } cases[] = {
        {0x74726976, 2, 2, VST_OK, VST_OK},
        {0x74726977, 2, 2, VST_ERR_NOT_FOUND, VST_ERR_NOT_FOUND},
        {0, 2, 2, VST_ERR_NOT_FOUND, VST_ERR_NOT_FOUND},
        {UINT32_MAX, UINT32_MAX, UINT32_MAX, VST_ERR_NOT_FOUND, VST_ERR_NOT_FOUND},
        {0x74726976, 0, 2, VST_ERR_UNSUPPORTED, VST_ERR_UNSUPPORTED},
        {0x74726976, 3, 2, VST_ERR_UNSUPPORTED, VST_ERR_UNSUPPORTED},
        {0x74726976, 2, 0, VST_OK, VST_ERR_NOT_FOUND},
        {0x74726976, 2, 1, VST_OK, VST_ERR_NOT_FOUND},
    };
    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        struct fixture storage, *f = &storage;
        uint32_t type = 77;
        with_front(f, FAKE_MMIO_2);
        f->front.magic = cases[i].magic;
        f->front.version = cases[i].version;
        f->front.type = cases[i].type;
        assert_int_equal(
            vst_virtio_mmio_probe(&f->fake.platform, FAKE_MMIO_PHYSICAL, FAKE_MMIO_BYTES, &type),
            cases[i].probe);
        if (cases[i].probe == VST_OK)
            assert_int_equal(type, cases[i].type);
        assert_int_equal(f->front.n_other_reads, 0);
        assert_int_equal(attach(f), cases[i].attach);
        if (cases[i].attach != VST_OK) /* 4.2.3.1.1: and no other register was touched */
            assert_int_equal(f->front.n_other_reads + f->blk.n_status_writes, 0);
        tear_down(f);
    }
}

static void test_mmio_regions_that_are_no_good(void **state)
{
    struct fixture storage, *f = &storage;
    uint32_t type;
    (void)state;
    with_front(f, FAKE_MMIO_2);
    const struct vst_platform *platform = &f->fake.platform;
    assert_int_equal(vst_virtio_mmio_probe(platform, FAKE_MMIO_PHYSICAL, 0xff, &type),
                     VST_ERR_INVALID);
    assert_int_equal(vst_virtio_mmio_probe(platform, FAKE_MMIO_PHYSICAL + 2, 0x200, &type),
                     VST_ERR_INVALID);
    assert_int_equal(vst_virtio_mmio_probe(platform, 0x1000, 0x200, &type), VST_ERR_NO_MEMORY);
    assert_int_equal(vst_virtio_mmio_blk_attach(platform, 0x1000, 0x200, &f->config, &f->device),
                     VST_ERR_NO_MEMORY);
    /* No configuration at all: a disk without a capacity is none. */
    assert_int_equal(
        vst_virtio_mmio_blk_attach(platform, FAKE_MMIO_PHYSICAL, 0x100, &f->config, &f->device),
        VST_ERR_MALFORMED);
    tear_down(f);
}

/** Registers of 32 bits for what has 8 or 16: what stands above is no smaller value. */
static void test_mmio_values_beyond_their_width(void **state)
{
    struct fixture storage, *f = &storage;
    (void)state;
    with_front(f, FAKE_MMIO_2);
    f->front.high_bits = 0x100; /* never 0: the reset is not confirmed */
    assert_int_equal(attach(f), VST_ERR_TIMEOUT);
    f->front.high_bits = 0x10000; /* the same, and a queue of 65792 */
    assert_int_equal(attach(f), VST_ERR_TIMEOUT);
    f->front.high_bits = 0;
    assert_int_equal(attach(f), VST_OK);
    f->front.high_bits = 0x10000;
    struct virtio_device *device = virtio_of(f);
    assert_int_equal(device->transport->queue_size(device, 0), UINT16_MAX);
    assert_int_equal(device->transport->status(device), UINT8_MAX);
    f->front.high_bits = 0;
    tear_down(f);
}

static void test_mmio_queue_reset(void **state)
{
    struct fixture storage, *f = &storage;
    struct virtio_mmio_device mmio;
    (void)state;
    with_front(f, FAKE_MMIO_2);
    assert_int_equal(vst_virtio_mmio_open(&mmio, &f->fake.platform, FAKE_MMIO_PHYSICAL,
                                          FAKE_MMIO_BYTES, VIRTIO_TYPE_BLOCK),
                     VST_OK);
    f->blk.offered_features |= VIRTIO_BIT(VIRTIO_F_RING_RESET);
    f->blk.queue_reset_reads = 2;
    assert_int_equal(vst_virtio_negotiate(&mmio.base, VIRTIO_BIT(VIRTIO_F_RING_RESET)), VST_OK);
    f->blk.queues[0].enabled = true;
    mmio.base.transport->queue_reset(&mmio.base, 0);
    assert_true(mmio.base.transport->queue_resetting(&mmio.base, 0));
    assert_true(mmio.base.transport->queue_resetting(&mmio.base, 0));
    assert_false(mmio.base.transport->queue_resetting(&mmio.base, 0));
    assert_true(mmio.base.transport->set_config_vector(&mmio.base, VIRTIO_NO_VECTOR));
    assert_false(mmio.base.transport->set_config_vector(&mmio.base, 0));
    tear_down(f);
}

/* ------------------------------------------------------------------ the window */

static void test_window_that_does_not_answer(void **state)
{
    struct fixture storage, *f = &storage;
    (void)state;
    with_front(f, FAKE_WINDOW);
    f->front.window_is_dead = true;
    assert_int_equal(attach(f), VST_ERR_NOT_FOUND);
    assert_int_equal(f->blk.n_status_writes, 0);
    f->front.window_is_dead = false;
    f->blk.pci_config[0xa2] = 19; /* too short to hold its data */
    assert_int_equal(attach(f), VST_ERR_NOT_FOUND);
    f->blk.pci_config[0xa2] = 20;
    assert_int_equal(attach(f), VST_OK);
    tear_down(f);
}

/** Each of its registers has to keep what is written, or accesses would go astray. */
static void test_window_register_that_does_not_stick(void **state)
{
    static const uint8_t places[] = {4, 8, 12}; /* BAR, offset, length */

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(places); i++) {
        struct fixture storage, *f = &storage;
        with_front(f, FAKE_WINDOW);
        f->front.window_stuck_at = places[i];
        memset(f->blk.pci_config + 0xa0 + places[i], 0x40, places[i] == 4 ? 1 : 4);
        assert_int_equal(attach(f), VST_ERR_NOT_FOUND);
        assert_int_equal(f->blk.n_status_writes, 0);
        tear_down(f);
    }
}

/** The first of two windows is it; and what it can reach comes before a doorbell in an I/O BAR. */
static void test_two_windows_and_a_port_behind_them(void **state)
{
    struct fixture storage, *f = &storage;
    (void)state;
    with_front(f, FAKE_WINDOW);
    static const uint8_t second[20] = {9, 0, 20, 5}, notify[20] = {9, 0, 20, 2, 2, [12] = 4};
    memcpy(f->blk.pci_config + 0xd0, second, sizeof(second));
    memcpy(f->blk.pci_config + 0x84, notify, sizeof(notify));
    f->blk.function.bars[2] =
        (struct vst_pci_bar){.kind = VST_PCI_BAR_IO, .assigned = false, .bytes = 4};
    f->blk.function.capabilities[f->blk.function.n_capabilities++] =
        (struct vst_pci_capability){9, 0xd0};
    f->blk.function.capabilities[f->blk.function.n_capabilities++] =
        (struct vst_pci_capability){9, 0x84};
    assert_int_equal(attach(f), VST_OK);
    assert_string_equal(f->device->transport_name, "virtio-pci-cfg");
    assert_true(f->front.n_window_doorbells > 0);
    tear_down(f);
}

/** Ports beyond 65535 are none, wherever a BAR says it lies: the memory doorbell is taken. */
static void test_doorbell_beyond_the_last_port(void **state)
{
    static const uint64_t addresses[] = {0xfffe, 0x10000, 0x12345678};

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(addresses); i++) {
        struct fixture storage, *f = &storage;
        with_front(f, FAKE_PIO_ASKED);
        f->blk.function.bars[2].address = addresses[i];
        assert_int_equal(attach(f), VST_OK);
        assert_int_equal(f->front.n_port_doorbells, 0);
        tear_down(f);
    }
}

/* A BAR without an address still has a size, and what lies beyond it is refused as ever. */
static void test_structures_behind_the_window_are_bounded(void **state)
{
    static const struct {
        uint8_t at, value;
    } lies[] = {{0x40 + 4, 6},  {0x40 + 4, 5},   {0x40 + 11, 0xff}, {0x40 + 15, 0xff},
                {0x40 + 13, 0}, {0x50 + 4, 3},   {0x50 + 11, 0xff}, {0x50 + 15, 0xff},
                {0x50 + 16, 3}, {0x50 + 9, 0x40}};
    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(lies); i++) {
        struct fixture storage, *f = &storage;
        with_front(f, FAKE_WINDOW);
        f->blk.pci_config[lies[i].at] = lies[i].value;
        if (attach(f) != VST_ERR_NOT_FOUND)
            fail_msg("case %zu", i);
        tear_down(f);
    }
}

static void test_structure_without_an_address_is_sound_but_not_usable(void **state)
{
    struct fixture storage, *f = &storage;
    struct vst_virtio_pci_structure list[16];
    (void)state;
    with_front(f, FAKE_WINDOW);
    size_t n = vst_virtio_pci_structures(&f->fake.platform, &f->blk.function, list, 16);
    assert_int_equal(n, 5);
    for (size_t i = 0; i < 4; i++) {
        assert_true(list[i].sound);
        assert_false(list[i].usable);
        assert_string_equal(list[i].problem, "BAR has no address");
    }
    tear_down(f);
}

static void test_no_window_and_no_address(void **state)
{
    struct fixture storage, *f = &storage;
    (void)state;
    with_front(f, FAKE_WINDOW);
    f->blk.function.n_capabilities = 4;
    assert_int_equal(attach(f), VST_ERR_NOT_FOUND);
    tear_down(f);
}

static void test_doorbell_outside_or_misaligned_behind_the_window(void **state)
{
    struct fixture storage, *f = &storage;
    (void)state;
    with_front(f, FAKE_WINDOW);
    f->blk.queues[0].notify_off = 0x400;
    assert_int_equal(attach(f), VST_ERR_MALFORMED);
    f->blk.queues[0].notify_off = 0x3ff;
    assert_int_equal(attach(f), VST_OK);
    tear_down(f);
}

/* ------------------------------------------------------------------ legacy PCI */

static void test_legacy_bar_0_that_is_no_good(void **state)
{
    static const struct {
        struct vst_pci_bar bar;
        const char *problem;
    } cases[] = {
        {{.kind = VST_PCI_BAR_NONE}, "no BAR 0"},
        {{.kind = VST_PCI_BAR_IO, .assigned = false, .bytes = 128}, "no address"},
        {{.kind = VST_PCI_BAR_IO, .assigned = true, .address = 0xc000, .bytes = 16}, "too short"},
        {{.kind = VST_PCI_BAR_IO, .assigned = true, .address = 0xfff0, .bytes = 128}, "leaves"},
        {{.kind = VST_PCI_BAR_MEMORY32, .assigned = true, .address = 0x5000, .bytes = 128},
         "out of reach"},
    };
    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        struct fixture storage, *f = &storage;
        with_front(f, FAKE_LEGACY);
        f->blk.function.bars[0] = cases[i].bar;
        assert_int_equal(attach(f), VST_ERR_NOT_FOUND);
        if (strstr(f->fake.last_log, cases[i].problem) == NULL)
            fail_msg("case %zu: %s", i, f->fake.last_log);
        tear_down(f);
    }
}

static void test_legacy_is_the_last_resort_and_only_for_those_that_have_it(void **state)
{
    struct fixture storage, *f = &storage;
    (void)state;
    with_front(f, FAKE_LEGACY_ASKED);
    /* Transitional, nothing asked, but the modern structures lead nowhere: legacy. */
    f->config.pci.way = VST_VIRTIO_PCI_AUTO;
    f->blk.pci_config[0x44] = 6;
    assert_int_equal(attach(f), VST_OK);
    assert_string_equal(f->device->transport_name, "virtio-pci-legacy");
    vst_virtio_blk_detach(f->device);
    f->device = NULL;
    /* Asked for: not of a modern id, nor of another revision. */
    f->config.pci.way = VST_VIRTIO_PCI_LEGACY;
    f->blk.function.device_id = 0x1042;
    assert_int_equal(attach(f), VST_ERR_NOT_FOUND);
    f->blk.function.device_id = 0x1001;
    f->blk.function.revision = 1;
    assert_int_equal(attach(f), VST_ERR_NOT_FOUND);
    /* A modern id without structures is nothing at all. */
    f->config.pci.way = VST_VIRTIO_PCI_AUTO;
    f->blk.function.n_capabilities = 0;
    assert_int_equal(attach(f), VST_ERR_NOT_FOUND);
    assert_non_null(strstr(f->fake.last_log, "no virtio structures"));
    tear_down(f);
}

static void test_which_functions_have_the_legacy_interface(void **state)
{
    static const struct {
        uint16_t vendor, device;
        uint8_t revision;
        bool legacy;
    } cases[] = {{0x1af4, 0x1001, 0, true},  {0x1af4, 0x1000, 0, true},  {0x1af4, 0x103f, 0, true},
                 {0x1af4, 0x1040, 0, false}, {0x1af4, 0x0fff, 0, false}, {0x1af4, 0x1001, 1, false},
                 {0x8086, 0x1001, 0, false}};

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        struct vst_pci_function function = {.vendor_id = cases[i].vendor,
                                            .device_id = cases[i].device,
                                            .revision = cases[i].revision};
        assert_int_equal(vst_virtio_pci_has_legacy(&function), cases[i].legacy);
    }
}

static void test_legacy_bar_of_more_than_a_page(void **state)
{
    struct fixture storage, *f = &storage;
    (void)state;
    with_front(f, FAKE_LEGACY);
    f->blk.function.bars[0].bytes = 1u << 14;
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(virtio_of(f)->config_bytes, 4096 - 24);
    tear_down(f);
}

/** The window was asked for and does not answer: nothing else is tried behind the caller's back. */
static void test_window_asked_for_is_the_only_way(void **state)
{
    struct fixture storage, *f = &storage;
    (void)state;
    with_front(f, FAKE_WINDOW_ASKED);
    f->blk.function.device_id = 0x1001; /* transitional */
    f->front.window_is_dead = true;
    assert_int_equal(attach(f), VST_ERR_NOT_FOUND);
    assert_null(strstr(f->fake.all_logs, "legacy"));
    tear_down(f);
}

static void test_legacy_ring_beyond_page_numbers(void **state)
{
    static const enum fake_front fronts[] = {FAKE_LEGACY, FAKE_MMIO_1};

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(fronts); i++) {
        struct fixture storage, *f = &storage;
        with_front(f, fronts[i]);
        f->fake.shared_is_low = false; /* where a 64-bit host's heap lies */
        assert_int_equal(attach(f), VST_ERR_NO_MEMORY);
        assert_false(f->blk.queues[0].enabled);
        tear_down(f);
    }
}

/* ------------------------------------------------------------------ registers */

static void test_accesses_beyond_the_end_are_not_made(void **state)
{
    uint8_t memory[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct virtio_registers registers = {
        .kind = VIRTIO_REGISTERS_MMIO, .bytes = 6, .mapped = memory};
    (void)state;
    assert_int_equal(vst_virtio_register_read(&registers, 4, 2), 0x0605);
    assert_int_equal(vst_virtio_register_read(&registers, 4, 4), UINT32_MAX);
    assert_int_equal(vst_virtio_register_read(&registers, 6, 1), 0xff);
    assert_int_equal(vst_virtio_register_read(&registers, UINT32_MAX, 2), 0xffff);
    vst_virtio_register_write(&registers, 4, 4, 0);
    vst_virtio_register_write(&registers, 6, 1, 0);
    assert_int_equal(memory[4] + memory[6], 5 + 7);
    registers.bytes = 1;
    assert_int_equal(vst_virtio_register_read(&registers, 0, 2), 0xffff);
    registers.kind = VIRTIO_REGISTERS_ABSENT;
    assert_int_equal(vst_virtio_register_read(&registers, 0, 1), 0xff);
    vst_virtio_register_write(&registers, 0, 1, 9);
    assert_int_equal(memory[0], 1);
}

int main(void)
{
    const struct CMUnitTest every_transport[] = {
        cmocka_unit_test(test_the_way_taken),
        cmocka_unit_test(test_each_step_in_its_order),
        cmocka_unit_test(test_features_that_a_legacy_device_has_not),
        cmocka_unit_test(test_ring_of_the_fixed_size_and_place),
        cmocka_unit_test(test_queue_size_that_is_no_power_of_two),
        cmocka_unit_test(test_configuration_change_is_noticed),
        cmocka_unit_test(test_queue_that_can_not_be_enabled),
        cmocka_unit_test(test_queue_already_in_use),
        cmocka_unit_test(test_queue_that_is_not_taken),
        cmocka_unit_test(test_reset_not_confirmed),
        cmocka_unit_test(test_device_already_running_is_reset_first_Solo5_483),
        cmocka_unit_test(test_reset_that_never_ends),
        cmocka_unit_test(test_no_memory_at_any_point),
        cmocka_unit_test(test_queue_absent_or_absurd),
        cmocka_unit_test(test_configuration_that_never_settles),
        cmocka_unit_test(test_seg_max_absent_means_one_segment_nanos_1730),
        cmocka_unit_test(test_absurd_configuration),
        cmocka_unit_test(test_4096_byte_blocks_keep_512_byte_sectors),
        cmocka_unit_test(test_capacity_beyond_2_TiB),
        cmocka_unit_test(test_random_traffic_in_every_shape),
        cmocka_unit_test(test_kick_lost_when_the_batch_count_wraps_linux_ee7cd898),
        cmocka_unit_test(test_one_doorbell_for_a_batch),
        cmocka_unit_test(test_flush),
        cmocka_unit_test(test_read_only_device_refuses_writes),
        cmocka_unit_test(test_used_id_beyond_the_queue),
        cmocka_unit_test(test_used_index_ahead),
        cmocka_unit_test(test_used_length_is_not_believed),
        cmocka_unit_test(test_silence_ends_in_a_time_out_after_a_reset_windows_965),
        cmocka_unit_test(test_buffers_stay_mapped_until_the_device_has_let_go),
        cmocka_unit_test(test_lost_doorbell_is_rung_again_and_counted),
        cmocka_unit_test(test_silence_at_attach),
    };
    const struct CMUnitTest particular[] = {
        cmocka_unit_test(test_mmio_identity_that_is_wrong),
        cmocka_unit_test(test_mmio_regions_that_are_no_good),
        cmocka_unit_test(test_mmio_values_beyond_their_width),
        cmocka_unit_test(test_mmio_queue_reset),
        cmocka_unit_test(test_window_that_does_not_answer),
        cmocka_unit_test(test_window_register_that_does_not_stick),
        cmocka_unit_test(test_two_windows_and_a_port_behind_them),
        cmocka_unit_test(test_doorbell_beyond_the_last_port),
        cmocka_unit_test(test_structures_behind_the_window_are_bounded),
        cmocka_unit_test(test_structure_without_an_address_is_sound_but_not_usable),
        cmocka_unit_test(test_no_window_and_no_address),
        cmocka_unit_test(test_doorbell_outside_or_misaligned_behind_the_window),
        cmocka_unit_test(test_legacy_bar_0_that_is_no_good),
        cmocka_unit_test(test_legacy_is_the_last_resort_and_only_for_those_that_have_it),
        cmocka_unit_test(test_which_functions_have_the_legacy_interface),
        cmocka_unit_test(test_legacy_bar_of_more_than_a_page),
        cmocka_unit_test(test_window_asked_for_is_the_only_way),
        cmocka_unit_test(test_legacy_ring_beyond_page_numbers),
        cmocka_unit_test(test_accesses_beyond_the_end_are_not_made),
    };
    int n_failed = cmocka_run_group_tests(particular, NULL, NULL);

    (void)test_virtio_blk_main;
    for (front_in_use = FAKE_MODERN + 1; front_in_use < FAKE_N_FRONTS; front_in_use++) {
        printf("front %d\n", (int)front_in_use);
        n_failed += cmocka_run_group_tests(every_transport, NULL, NULL);
    }
    return n_failed;
}
