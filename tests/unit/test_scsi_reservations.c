/* SPDX-License-Identifier: BSD-2-Clause */
/* What PERSISTENT RESERVE IN and REPORT TARGET PORT GROUPS tell. */
#include "scsi/port_groups.h"
#include "scsi/reservations.h"
#include "tests/unit/scsi_received.h"

static const uint8_t keys_bytes[] = {0, 0, 0, 7, 0, 0, 0, 16, 1, 2, 3, 4,
                                     5, 6, 7, 8, 0, 0, 0, 0,  0, 0, 0, 9};

static void look_at_keys(struct scsi_view received)
{
    struct scsi_keys k;
    size_t n = received.bytes;

    if (n < 8) {
        assert_int_equal(vst_scsi_keys_parse(received, &k), VST_ERR_MALFORMED);
        return;
    }
    assert_int_equal(vst_scsi_keys_parse(received, &k), VST_OK);
    assert_int_equal(k.generation, 7);
    assert_int_equal(k.whole_bytes, 24);
    assert_int_equal(k.n_keys, (n - 8) / 8);
    assert_int_equal(vst_scsi_key(&k, 0), n >= 16 ? 0x0102030405060708 : 0);
    assert_int_equal(vst_scsi_key(&k, 1), n >= 24 ? 9 : 0);
    assert_int_equal(vst_scsi_key(&k, 2), 0);
    assert_int_equal(vst_scsi_key(&k, UINT32_MAX), 0);
}

static void test_keys(void **state)
{
    uint8_t bytes[sizeof(keys_bytes)];
    struct scsi_keys k;

    (void)state;
    AT_EVERY_LENGTH(keys_bytes, look_at_keys);
    memcpy(bytes, keys_bytes, sizeof(bytes));
    memset(bytes + 4, 0xff, 4);
    assert_int_equal(vst_scsi_keys_parse(RECEIVED(bytes), &k), VST_OK);
    assert_int_equal(k.whole_bytes, UINT16_MAX);
    assert_int_equal(k.n_keys, 2);
    memcpy(bytes + 4, "\0\0\0\x08", 4);
    assert_int_equal(vst_scsi_keys_parse(RECEIVED(bytes), &k), VST_OK);
    assert_int_equal(k.n_keys, 1);
}

static const uint8_t held[] = {0, 0, 0, 7, 0, 0, 0, 16, 1, 2,    3, 4,
                               5, 6, 7, 8, 0, 0, 0, 0,  0, 0x05, 0, 0};

static void look_at_reservation(struct scsi_view received)
{
    struct vst_scsi_reservation r;

    if (received.bytes < sizeof(held)) {
        assert_int_equal(vst_scsi_reservation_parse(received, &r), VST_ERR_MALFORMED);
        return;
    }
    assert_int_equal(vst_scsi_reservation_parse(received, &r), VST_OK);
    assert_true(r.is_held);
    assert_int_equal(r.generation, 7);
    assert_int_equal(r.key, 0x0102030405060708);
    assert_int_equal(r.type, VST_SCSI_WRITE_EXCLUSIVE_REGISTRANTS);
}

static void test_reservation(void **state)
{
    static const uint8_t none[8] = {0, 0, 0, 8};
    struct vst_scsi_reservation r;

    (void)state;
    AT_EVERY_LENGTH(held, look_at_reservation);
    assert_int_equal(vst_scsi_reservation_parse(RECEIVED(none), &r), VST_OK);
    assert_false(r.is_held);
    assert_int_equal(r.generation, 8);
}

static const uint8_t all_types[8] = {0, 8, 0x05, 0x81, 0xea, 0x01};

static void look_at_capabilities(struct scsi_view received)
{
    struct vst_scsi_reservation_capabilities c;
    size_t n = received.bytes;

    if (n < 4) {
        assert_int_equal(vst_scsi_reservation_capabilities_parse(received, &c), VST_ERR_MALFORMED);
        return;
    }
    assert_int_equal(vst_scsi_reservation_capabilities_parse(received, &c), VST_OK);
    assert_true(c.all_ports && c.keeps && c.keeps_now);
    assert_int_equal(c.tells_types, n >= 6);
    assert_int_equal(c.types, n >= 6 ? 0x1ea : 0);
}

static void test_capabilities(void **state)
{
    uint8_t bytes[8] = {0, 8, 0, 0x80};
    struct vst_scsi_reservation_capabilities c;

    (void)state;
    AT_EVERY_LENGTH(all_types, look_at_capabilities);
    assert_int_equal(vst_scsi_reservation_capabilities_parse(RECEIVED(bytes), &c), VST_OK);
    assert_false(c.all_ports || c.keeps || c.keeps_now);
    assert_true(c.tells_types);
    assert_int_equal(c.types, 0);
    bytes[3] = 0;
    bytes[4] = 0xff;
    assert_int_equal(vst_scsi_reservation_capabilities_parse(RECEIVED(bytes), &c), VST_OK);
    assert_int_equal(c.types, 0);
    bytes[1] = 4; /* it ends before the types */
    bytes[3] = 0x80;
    assert_int_equal(vst_scsi_reservation_capabilities_parse(RECEIVED(bytes), &c), VST_OK);
    assert_false(c.tells_types);
    bytes[1] = 3;
    assert_int_equal(vst_scsi_reservation_capabilities_parse(RECEIVED(bytes), &c),
                     VST_ERR_MALFORMED);
}

static void test_each_bit_of_capabilities(void **state)
{
    static const uint8_t type_of_bit[16] = {
        [8 + 1] = VST_SCSI_WRITE_EXCLUSIVE,
        [8 + 3] = VST_SCSI_EXCLUSIVE_ACCESS,
        [8 + 5] = VST_SCSI_WRITE_EXCLUSIVE_REGISTRANTS,
        [8 + 6] = VST_SCSI_EXCLUSIVE_ACCESS_REGISTRANTS,
        [8 + 7] = VST_SCSI_WRITE_EXCLUSIVE_ALL,
        [0] = VST_SCSI_EXCLUSIVE_ACCESS_ALL,
    };
    struct vst_scsi_reservation_capabilities c;

    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        uint8_t bytes[8] = {0, 8, 0, 0x80, (uint8_t)((1u << i) >> 8), (uint8_t)(1u << i)};
        assert_int_equal(vst_scsi_reservation_capabilities_parse(RECEIVED(bytes), &c), VST_OK);
        assert_int_equal(c.types, type_of_bit[i] != 0 ? 1u << type_of_bit[i] : 0);
    }
    for (unsigned i = 0; i < 8; i++) {
        uint8_t bytes[8] = {0, 8, (uint8_t)(1u << i), (uint8_t)(1u << i)};
        assert_int_equal(vst_scsi_reservation_capabilities_parse(RECEIVED(bytes), &c), VST_OK);
        assert_int_equal(c.all_ports, i == 2);
        assert_int_equal(c.keeps, i == 0);
        assert_int_equal(c.keeps_now, i == 0);
        assert_int_equal(c.tells_types, i == 7);
    }
}

/* Two who are registered: one holds, with a transport id of 4 bytes; one is for all ports. */
static const uint8_t full[] = {
    0,   0,   0, 7, 0, 0, 0, 52, /* header */
    0,   0,   0, 0, 0, 0, 0, 1,  0, 0, 0, 0, 1, 5, 0, 0, 0, 0, 0, 2, 0, 0, 0, 4, 'a', 'b',
    'c', 'd', 0, 0, 0, 0, 0, 0,  0, 9, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,   0,
};

static void look_at_full_status(struct scsi_view received)
{
    struct scsi_full_status f;
    struct scsi_registration r;
    size_t n = received.bytes, at = 0, n_found = 0;

    if (n < 8) {
        assert_int_equal(vst_scsi_full_status_parse(received, &f), VST_ERR_MALFORMED);
        return;
    }
    assert_int_equal(vst_scsi_full_status_parse(received, &f), VST_OK);
    for (; vst_scsi_next_registration(&f, &at, &r); n_found++) {
        assert_int_equal(r.key, n_found == 0 ? 1 : 9);
        assert_int_equal(r.holds, n_found == 0);
        assert_int_equal(r.type, n_found == 0 ? VST_SCSI_WRITE_EXCLUSIVE_REGISTRANTS : 0);
        assert_int_equal(r.port, n_found == 0 ? 2 : 0);
        assert_int_equal(r.all_ports, n_found == 1);
        assert_int_equal(r.transport_id.bytes, n_found == 0 ? 4 : 0);
    }
    assert_int_equal(n_found, n < 36 ? 0 : n < 60 ? 1 : 2);
}

static void test_full_status(void **state)
{
    uint8_t bytes[sizeof(full)];
    struct scsi_full_status f;
    struct scsi_registration r;
    size_t at = 0;

    (void)state;
    AT_EVERY_LENGTH(full, look_at_full_status);
    memcpy(bytes, full, sizeof(bytes));
    memset(bytes + 28, 0xff, 4); /* a transport id that reaches around the world */
    assert_int_equal(vst_scsi_full_status_parse(RECEIVED(bytes), &f), VST_OK);
    assert_false(vst_scsi_next_registration(&f, &at, &r));
    memcpy(bytes, full, sizeof(bytes));
    bytes[7] = 40; /* the list ends inside the second */
    assert_int_equal(vst_scsi_full_status_parse(RECEIVED(bytes), &f), VST_OK);
    assert_true(vst_scsi_next_registration(&f, &at, &r));
    assert_memory_equal(r.transport_id.at, "abcd", 4);
    assert_false(vst_scsi_next_registration(&f, &at, &r));
}

static void test_each_bit_of_a_registration(void **state)
{
    (void)state;
    for (unsigned bit = 1; bit < 0x100; bit <<= 1) {
        uint8_t bytes[32] = {[7] = 24, [8 + 12] = (uint8_t)bit, [8 + 13] = (uint8_t)~bit};
        struct scsi_full_status f;
        struct scsi_registration r;
        size_t at = 0;
        assert_int_equal(vst_scsi_full_status_parse(RECEIVED(bytes), &f), VST_OK);
        assert_true(vst_scsi_next_registration(&f, &at, &r));
        assert_int_equal(r.holds, bit == 0x01);
        assert_int_equal(r.all_ports, bit == 0x02);
        assert_int_equal(r.type, ~bit & 15);
    }
}

static void test_names_of_types(void **state)
{
    (void)state;
    assert_string_equal(vst_scsi_reservation_name(VST_SCSI_WRITE_EXCLUSIVE), "write exclusive");
    assert_string_equal(vst_scsi_reservation_name(VST_SCSI_EXCLUSIVE_ACCESS), "exclusive access");
    assert_string_equal(vst_scsi_reservation_name(VST_SCSI_WRITE_EXCLUSIVE_REGISTRANTS),
                        "write exclusive, registrants only");
    assert_string_equal(vst_scsi_reservation_name(VST_SCSI_EXCLUSIVE_ACCESS_REGISTRANTS),
                        "exclusive access, registrants only");
    assert_string_equal(vst_scsi_reservation_name(VST_SCSI_WRITE_EXCLUSIVE_ALL),
                        "write exclusive, all registrants");
    assert_string_equal(vst_scsi_reservation_name(VST_SCSI_EXCLUSIVE_ACCESS_ALL),
                        "exclusive access, all registrants");
    assert_string_equal(vst_scsi_reservation_name(2), "unknown");
}

/* ------------------------------------------------------------------ port groups */

/* One preferred with two ports, one in standby without. */
static const uint8_t groups_bytes[] = {0, 0, 0, 24, 0x80, 0x0f, 0x01, 0x02, 0, 0, 0, 2, 0, 0,
                                       0, 1, 0, 0,  0x03, 0x04, 0x02, 0x0f, 0, 9, 0, 0, 0, 0};

static void look_at_port_groups(struct scsi_view received)
{
    struct scsi_port_groups groups;
    struct scsi_port_group g;
    size_t n = received.bytes, at = 0, n_found = 0;

    if (n < 4) {
        assert_int_equal(vst_scsi_port_groups_parse(received, &groups), VST_ERR_MALFORMED);
        return;
    }
    assert_int_equal(vst_scsi_port_groups_parse(received, &groups), VST_OK);
    assert_int_equal(groups.whole_bytes, 28);
    for (; vst_scsi_next_port_group(&groups, &at, &g); n_found++) {
        assert_int_equal(g.number, n_found == 0 ? 0x102 : 9);
        assert_int_equal(g.state, n_found == 0 ? SCSI_ACTIVE_OPTIMIZED : SCSI_STANDBY);
        assert_int_equal(g.preferred, n_found == 0);
        assert_int_equal(g.n_ports, n_found == 0 ? 2 : 0);
        assert_int_equal(vst_scsi_port_of_group(&g, 0), n_found == 0 ? 1 : 0);
        assert_int_equal(vst_scsi_port_of_group(&g, 1), n_found == 0 ? 0x304 : 0);
        assert_int_equal(vst_scsi_port_of_group(&g, 2), 0);
    }
    assert_int_equal(n_found, n < 20 ? 0 : n < 28 ? 1 : 2);
}

static void test_port_groups(void **state)
{
    uint8_t bytes[sizeof(groups_bytes)];
    struct scsi_port_groups groups;
    struct scsi_port_group g;
    size_t at = 0;

    (void)state;
    AT_EVERY_LENGTH(groups_bytes, look_at_port_groups);
    memcpy(bytes, groups_bytes, sizeof(bytes));
    memset(bytes, 0xff, 4);
    assert_int_equal(vst_scsi_port_groups_parse(RECEIVED(bytes), &groups), VST_OK);
    assert_int_equal(groups.whole_bytes, 65536);
    memcpy(bytes, "\0\0\0\x13", 4); /* ends inside the second */
    assert_int_equal(vst_scsi_port_groups_parse(RECEIVED(bytes), &groups), VST_OK);
    assert_int_equal(groups.whole_bytes, 23);
    assert_true(vst_scsi_next_port_group(&groups, &at, &g));
    assert_false(vst_scsi_next_port_group(&groups, &at, &g));
    bytes[11] = 255; /* more ports than there are */
    at = 0;
    assert_false(vst_scsi_next_port_group(&groups, &at, &g));
    assert_int_equal(at, 0);
}

static void test_names_of_states(void **state)
{
    static const char *const names[16] = {
        [0] = "active/optimized", [1] = "active/non-optimized", [2] = "standby",
        [3] = "unavailable",      [4] = "block dependent",      [14] = "offline",
        [15] = "transitioning"};

    (void)state;
    for (uint8_t i = 0; i < 16; i++)
        assert_string_equal(vst_scsi_access_state_name(i), names[i] != NULL ? names[i] : "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_reservation),
        cmocka_unit_test(test_capabilities),
        cmocka_unit_test(test_full_status),
        cmocka_unit_test(test_names_of_types),
        cmocka_unit_test(test_port_groups),
        cmocka_unit_test(test_each_bit_of_a_registration),
        cmocka_unit_test(test_each_bit_of_capabilities),
        cmocka_unit_test(test_names_of_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
