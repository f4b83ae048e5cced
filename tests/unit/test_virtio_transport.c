/* SPDX-License-Identifier: BSD-2-Clause */
/* What the drivers are made of, one by one: names, virtio structures, the modern PCI transport's
 * operations, doorbells, and the corners of attaching that a sound device does not lead to. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/virtio_blk.h"
#include "drivers/virtq_hot.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/fake_virtio_blk.h"

#define DISK_SECTORS 256u

struct fixture {
    struct fake_platform fake;
    struct fake_virtio_blk blk;
    struct vst_virtio_blk_config config;
    struct vst_block_device *device;
};

static void set_up(struct fixture *f, bool copying)
{
    fake_platform_init(&f->fake, copying);
    fake_virtio_blk_init(&f->blk, &f->fake, DISK_SECTORS);
    f->config = (struct vst_virtio_blk_config){.timeout_ns = 50000000};
    f->device = NULL;
}

static enum vst_status attach(struct fixture *f)
{
    return vst_virtio_blk_attach(&f->fake.platform, &f->blk.function, &f->config, &f->device);
}

static void tear_down(struct fixture *f)
{
    if (f->device != NULL)
        vst_virtio_blk_detach(f->device);
    assert_int_equal(f->fake.n_mapped, 0);
    assert_int_equal(f->fake.n_allocated, 0);
    fake_virtio_blk_destroy(&f->blk);
}

#define WITH(f)                                                                                    \
    struct fixture f##_storage, *f = &f##_storage;                                                 \
    (void)state;                                                                                   \
    set_up(f, false)

/* ------------------------------------------------------------------ names */

static void test_names_of_features(void **state)
{
    const char *names[4];

    (void)state;
    assert_int_equal(vst_virtio_feature_bit("EVENT_IDX"), 29);
    assert_int_equal(vst_virtio_feature_bit("FLUSH"), 9);
    assert_int_equal(vst_virtio_feature_bit("EVENT_ID"), -1);
    assert_int_equal(vst_virtio_feature_bit(""), -1);
    vst_virtio_feature_names(UINT64_MAX, 0, names, VST_ARRAY_LENGTH(names));
    assert_string_equal(names[0], "ANY_LAYOUT");
    assert_string_equal(names[2], "EVENT_IDX");
    assert_null(names[3]);
    vst_virtio_feature_names(VIRTIO_BIT(VIRTIO_BLK_F_RO), VIRTIO_TYPE_BLOCK, names, VST_ARRAY_LENGTH(names));
    assert_string_equal(names[0], "RO");
    assert_null(names[1]);
}

static void test_names_of_structures(void **state)
{
    (void)state;
    assert_string_equal(vst_virtio_pci_structure_name(1), "common configuration");
    assert_string_equal(vst_virtio_pci_structure_name(8), "shared memory");
    assert_string_equal(vst_virtio_pci_structure_name(0), "unknown");
    assert_string_equal(vst_virtio_pci_structure_name(200), "unknown");
}

static void test_which_functions_are_block_devices(void **state)
{
    struct vst_pci_function f = {.vendor_id = 0x1af4, .device_id = 0x1042};

    (void)state;
    assert_true(vst_virtio_blk_matches(&f));
    f.device_id = 0x1001;
    assert_true(vst_virtio_blk_matches(&f));
    f.device_id = 0x1041;
    assert_false(vst_virtio_blk_matches(&f));
    f.device_id = 0x1042;
    f.vendor_id = 0x8086;
    assert_false(vst_virtio_blk_matches(&f));
}

/* ------------------------------------------------------------------ structures */

/** The problem of the first structure, once its capability at 0x40 has been changed. */
static const char *problem_of(struct fixture *f, struct vst_virtio_pci_structure *s)
{
    assert_int_equal(vst_virtio_pci_structures(&f->fake.platform, &f->blk.function, s, 1), 1);
    assert_int_equal(s->usable, s->problem == NULL);
    return s->problem;
}

static void test_structures_and_their_problems(void **state)
{
    struct vst_virtio_pci_structure s;
    WITH(f);
    uint8_t *capability = f->blk.pci_config + 0x40;

    assert_null(problem_of(f, &s));
    capability[3] = 7;
    assert_string_equal(problem_of(f, &s), "unknown type");
    capability[3] = 0;
    assert_string_equal(problem_of(f, &s), "unknown type");
    capability[3] = VIRTIO_PCI_CAP_PCI_CFG;
    capability[4] = 99; /* a register of the window: whatever it holds */
    assert_null(problem_of(f, &s));
    capability[3] = VIRTIO_PCI_CAP_COMMON_CFG;
    assert_string_equal(problem_of(f, &s), "BAR number above 5");
    capability[4] = 3;
    assert_string_equal(problem_of(f, &s), "no such BAR");
    capability[4] = 4;
    f->blk.function.bars[4].assigned = false;
    assert_string_equal(problem_of(f, &s), "BAR has no address");
    f->blk.function.bars[4].assigned = true;
    memset(capability + 8, 0xff, 4); /* offset + length beyond 32 bits */
    assert_string_equal(problem_of(f, &s), "reaches beyond its BAR");
    memset(capability + 8, 0, 4);
    capability[8] = 2;
    assert_string_equal(problem_of(f, &s), "misaligned");
    tear_down(f);
}

static void test_notify_multiplier(void **state)
{
    struct vst_virtio_pci_structure s[4];
    WITH(f);
    static const struct {
        uint32_t multiplier;
        bool usable;
    } cases[] = {{0, true}, {1, false}, {2, true}, {3, false}, {4096, true}, {6, false}};

    for (size_t i = 0; i < VST_ARRAY_LENGTH(cases); i++) {
        memcpy(f->blk.pci_config + 0x50 + 16, &cases[i].multiplier, 4);
        vst_virtio_pci_structures(&f->fake.platform, &f->blk.function, s, 4);
        assert_int_equal(s[1].usable, cases[i].usable);
    }
    tear_down(f);
}

/** Found by fuzzing: a doorbell of 4 bytes in a structure that begins at 2 modulo 4. */
static void test_wide_doorbell_is_aligned_in_its_bar(void **state)
{
    uint32_t offset = 0x1002, length = 0x100;
    WITH(f);

    memcpy(f->blk.pci_config + 0x50 + 8, &offset, 4);
    memcpy(f->blk.pci_config + 0x50 + 12, &length, 4);
    f->blk.offered_features |= VIRTIO_BIT(VIRTIO_F_NOTIFICATION_DATA);
    assert_int_equal(attach(f), VST_ERR_MALFORMED);
    f->config.refused_features = VIRTIO_BIT(VIRTIO_F_NOTIFICATION_DATA);
    assert_int_equal(attach(f), VST_OK);
    tear_down(f);
}

static void test_capabilities_that_are_no_structures(void **state)
{
    struct vst_virtio_pci_structure s[8];
    WITH(f);
    struct vst_pci_function *function = &f->blk.function;

    function->capabilities[0].id = 0x11;
    f->blk.pci_config[0x50 + 2] = 16; /* notify without its multiplier */
    f->blk.pci_config[0x64 + 2] = 15;
    f->blk.pci_config[0x74 + 2] = 0xff; /* beyond configuration space */
    assert_int_equal(vst_virtio_pci_structures(&f->fake.platform, function, s, 8), 0);
    function->capabilities[0] = (struct vst_pci_capability){9, 0xf8}; /* 8 bytes are left */
    f->blk.pci_config[0xfa] = 16;
    assert_int_equal(vst_virtio_pci_structures(&f->fake.platform, function, s, 8), 0);
    assert_int_equal(attach(f), VST_ERR_NOT_FOUND);
    tear_down(f);
}

/* ------------------------------------------------------------------ the transport */

static void *map_nothing(void *ctx, uint64_t physical, uint64_t bytes)
{
    (void)ctx;
    (void)physical;
    (void)bytes;
    return NULL;
}

static void test_structures_out_of_reach(void **state)
{
    WITH(f);
    f->fake.platform.mmio_map = map_nothing; /* and there is no window in configuration space */
    assert_int_equal(attach(f), VST_ERR_NOT_FOUND);
    tear_down(f);
}

static void test_structures_that_are_not_there(void **state)
{
    WITH(f);
    f->blk.function.n_capabilities = 2;             /* neither interrupt status nor configuration */
    assert_int_equal(attach(f), VST_ERR_MALFORMED); /* a disk without a capacity is none */
    assert_non_null(strstr(f->fake.all_logs, "no configuration that holds a capacity"));
    tear_down(f);
}

static void test_configuration_too_short_for_a_field(void **state)
{
    WITH(f);
    uint32_t bytes = 2;
    memcpy(f->blk.pci_config + 0x74 + 12, &bytes, 4);
    assert_int_equal(attach(f), VST_ERR_MALFORMED);
    bytes = 8; /* the capacity and no more */
    memcpy(f->blk.pci_config + 0x74 + 12, &bytes, 4);
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->device->limits.n_sectors, DISK_SECTORS);
    assert_int_equal(f->device->limits.max_segments, 1);
    tear_down(f);
}

static void test_operations_that_attach_does_not_need(void **state)
{
    WITH(f);
    assert_int_equal(attach(f), VST_OK);
    struct virtio_device *device = &VST_CONTAINER_OF(f->device, struct blk_device, base)->pci.base;
    const struct virtio_transport *transport = device->transport;

    f->blk.config[40] = 0x34;
    f->blk.config[41] = 0x12;
    assert_int_equal(transport->config_read(device, 40, 1), 0x34);
    assert_int_equal(transport->config_read(device, 40, 2), 0x1234);
    assert_int_equal(transport->config_read(device, 40, 4), 0x1234);
    transport->config_write(device, 40, 1, 1);
    transport->config_write(device, 40, 2, 1);
    transport->config_write(device, 40, 4, 1);
    assert_int_equal(transport->interrupt_status(device), 0);
    f->blk.saw_misuse = false;
    tear_down(f);
}

/** Registers that are plain memory, as a device that keeps what is written would have them. */
static void test_queue_reset_and_vectors(void **state)
{
    struct virtio_pci_common_cfg common;
    struct virtio_pci_device pci;
    WITH(f);

    const struct vst_virtio_pci_choice choice = {0};
    assert_int_equal(vst_virtio_pci_open(&pci, &f->fake.platform, &f->blk.function, &choice),
                     VST_OK);
    memset(&common, 0, sizeof(common));
    pci.common = (struct virtio_registers){
        .kind = VIRTIO_REGISTERS_MMIO, .bytes = sizeof(common), .mapped = (uint8_t *)&common};
    const struct virtio_transport *transport = pci.base.transport;
    assert_false(transport->queue_resetting(&pci.base, 3));
    transport->queue_reset(&pci.base, 3);
    assert_int_equal(common.queue_select.raw, 3);
    assert_true(transport->queue_resetting(&pci.base, 3));
    assert_true(transport->set_config_vector(&pci.base, 5));
    assert_int_equal(common.config_msix_vector.raw, 5);
    tear_down(f);
}

/** A register that does not take what is written to it. */
static size_t stubborn_at;

static uint32_t stubborn_read(void *ctx, uint64_t offset, uint8_t width_bytes)
{
    struct fake_virtio_blk *blk = ctx;

    if (offset == 0x14)
        return blk->status;
    if (offset == 0x04)
        return blk->feature_select[0] == 1;
    if (offset == 0x18)
        return stubborn_at == 0x18 ? 256 : 128;
    return offset == 0x1a && stubborn_at != 0x1a && width_bytes == 2 ? VIRTIO_NO_VECTOR : 0;
}

static void stubborn_write(void *ctx, uint64_t offset, uint8_t width_bytes, uint32_t value)
{
    struct fake_virtio_blk *blk = ctx;

    (void)width_bytes;
    if (offset == 0)
        blk->feature_select[0] = value;
    if (offset == 0x14)
        blk->status = (uint8_t)value;
}

static void test_queue_that_does_not_take_its_size_or_its_vector(void **state)
{
    static const struct fake_mmio_ops ops = {stubborn_read, stubborn_write};
    WITH(f);

    fake_machine_reset();
    fake_mmio_register(f->blk.bar, FAKE_BLK_BAR_BYTES, &ops, &f->blk);
    stubborn_at = 0x18;
    assert_int_equal(attach(f), VST_ERR_UNSUPPORTED);
    assert_non_null(strstr(f->fake.all_logs, "refuses size 128"));
    stubborn_at = 0x1a;
    assert_int_equal(attach(f), VST_ERR_NO_MEMORY);
    tear_down(f);
}

static unsigned n_cut_offs;

static uint32_t read_zeros(void *ctx, struct vst_pci_address address, uint16_t offset,
                           uint8_t width_bytes)
{
    (void)ctx;
    (void)address;
    (void)offset;
    (void)width_bytes;
    return 0;
}

static void note_command(void *ctx, struct vst_pci_address address, uint16_t offset,
                         uint8_t width_bytes, uint32_t value)
{
    (void)ctx;
    (void)address;
    n_cut_offs += offset == 4 && width_bytes == 2 && (value & 7) == 0;
}

/** A device that lies about its command register is cut off all the same. */
static void test_cut_off_although_bus_mastering_reads_as_off(void **state)
{
    WITH(f);
    f->fake.platform.pci_config_read = read_zeros;
    f->fake.platform.pci_config_write = note_command;
    n_cut_offs = 0;
    vst_pci_disable(&f->fake.platform, &f->blk.function);
    assert_int_equal(n_cut_offs, 1);
    tear_down(f);
}

/* ------------------------------------------------------------------ doorbells */

static uint64_t last_write;

static void note_mmio(void *ctx, uint64_t offset, uint8_t width_bytes, uint32_t value)
{
    (void)ctx;
    last_write = 0x1000 | offset << 16 | (uint64_t)width_bytes << 8 | value;
}

static void note_port(void *ctx, uint16_t offset, uint8_t width_bytes, uint32_t value)
{
    (void)ctx;
    last_write = 0x2000 | (uint64_t)offset << 16 | (uint64_t)width_bytes << 8 | value;
}

static void note_call(const struct virtio_doorbell *doorbell, uint32_t value)
{
    (void)doorbell;
    last_write = 0x3000 | value;
}

static void test_doorbells_of_every_kind(void **state)
{
    static const struct fake_mmio_ops mmio = {NULL, note_mmio};
    static const struct fake_port_ops port = {NULL, note_port};
    static const struct virtio_transport transport = {.ring = note_call};
    static const uint64_t expected[] = {[VIRTIO_DOORBELL_MMIO16] = 0x1203,
                                        [VIRTIO_DOORBELL_MMIO32] = 0x1403,
                                        [VIRTIO_DOORBELL_PORT16] = 0x2203,
                                        [VIRTIO_DOORBELL_PORT32] = 0x2403,
                                        [VIRTIO_DOORBELL_CALL] = 0x3003};
    struct virtio_device device = {.transport = &transport};
    uint32_t reg;
    struct virtq vq = {.index = 3, .doorbell = {.port = 0x80, .mmio = &reg, .device = &device}};

    (void)state;
    fake_machine_reset();
    fake_mmio_register(&reg, sizeof(reg), &mmio, NULL);
    fake_port_register(0x80, 4, &port, NULL);
    for (size_t kind = 0; kind < VST_ARRAY_LENGTH(expected); kind++) {
        vq.doorbell.kind = (enum virtio_doorbell_kind)kind;
        last_write = 0;
        vst_virtq_ring_other(&vq);
        assert_int_equal(last_write, expected[kind]);
        last_write = 0;
        virtq_ring_doorbell(&vq);
        assert_int_not_equal(last_write, 0);
    }
    fake_machine_reset();
}

/* ------------------------------------------------------------------ attaching */

static void test_serial_ends_without_blanks_and_unprintables(void **state)
{
    WITH(f);
    memcpy(f->blk.id,
           "a\x7f\x1f\xff"
           "b               ",
           20);
    assert_int_equal(attach(f), VST_OK);
    assert_string_equal(f->device->serial, "a???b");
    vst_virtio_blk_detach(f->device);
    memset(f->blk.id, ' ', 20);
    assert_int_equal(attach(f), VST_OK);
    assert_string_equal(f->device->serial, "");
    tear_down(f);
}

static void test_no_answer_to_get_id(void **state)
{
    WITH(f);
    f->config.timeout_ns = 0; /* 30 seconds: attach does not wait so long */
    f->fake.ns_per_look = 10000000;
    f->blk.lie = LIE_SILENCE;
    assert_int_equal(attach(f), VST_ERR_TIMEOUT);
    assert_non_null(strstr(f->fake.all_logs, "no answer to GET_ID"));
    tear_down(f);
}

static void test_time_outs_of_every_length(void **state)
{
    static const uint64_t timeouts_ns[] = {1, 3, 4000000000ull, UINT64_MAX};
    WITH(f);

    f->fake.ns_per_look = 0;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(timeouts_ns); i++) {
        f->config.timeout_ns = timeouts_ns[i];
        assert_int_equal(attach(f), VST_OK);
        struct blk_device *blk = VST_CONTAINER_OF(f->device, struct blk_device, base);
        assert_in_range(blk->watch_interval_ns, 1, 1000000000);
        assert_in_range(blk->timeout_epochs, 1, UINT16_MAX / 2);
        vst_virtio_blk_detach(f->device);
    }
    f->device = NULL;
    tear_down(f);
}

static void test_limits_at_their_edges(void **state)
{
    WITH(f);
    f->blk.offered_features |=
        VIRTIO_BIT(VIRTIO_BLK_F_TOPOLOGY) | VIRTIO_BIT(VIRTIO_BLK_F_SIZE_MAX);
    fake_virtio_blk_set_config32(&f->blk, VIRTIO_BLK_CONFIG_BLK_SIZE, 4096);
    fake_virtio_blk_set_config32(&f->blk, VIRTIO_BLK_CONFIG_SIZE_MAX, 512);
    fake_virtio_blk_set_config32(&f->blk, VIRTIO_BLK_CONFIG_SEG_MAX, 7);
    assert_int_equal(attach(f), VST_ERR_MALFORMED); /* 7 * 512 is less than a block */
    fake_virtio_blk_set_config32(&f->blk, VIRTIO_BLK_CONFIG_SEG_MAX, 8);
    f->blk.config[VIRTIO_BLK_CONFIG_PHYSICAL] = 15; /* 128 MiB: nobody's physical block */
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->device->limits.physical_block_bytes, 4096);
    vst_virtio_blk_detach(f->device);
    f->device = NULL;
    f->config.refused_features = VIRTIO_BIT(VIRTIO_BLK_F_BLK_SIZE);
    assert_int_equal(attach(f), VST_OK);
    assert_int_equal(f->device->limits.logical_block_bytes, 512);
    tear_down(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_features),
        cmocka_unit_test(test_names_of_structures),
        cmocka_unit_test(test_which_functions_are_block_devices),
        cmocka_unit_test(test_structures_and_their_problems),
        cmocka_unit_test(test_notify_multiplier),
        cmocka_unit_test(test_wide_doorbell_is_aligned_in_its_bar),
        cmocka_unit_test(test_capabilities_that_are_no_structures),
        cmocka_unit_test(test_structures_out_of_reach),
        cmocka_unit_test(test_structures_that_are_not_there),
        cmocka_unit_test(test_configuration_too_short_for_a_field),
        cmocka_unit_test(test_operations_that_attach_does_not_need),
        cmocka_unit_test(test_queue_reset_and_vectors),
        cmocka_unit_test(test_queue_that_does_not_take_its_size_or_its_vector),
        cmocka_unit_test(test_cut_off_although_bus_mastering_reads_as_off),
        cmocka_unit_test(test_doorbells_of_every_kind),
        cmocka_unit_test(test_serial_ends_without_blanks_and_unprintables),
        cmocka_unit_test(test_no_answer_to_get_id),
        cmocka_unit_test(test_time_outs_of_every_length),
        cmocka_unit_test(test_limits_at_their_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
