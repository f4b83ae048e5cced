/* SPDX-License-Identifier: BSD-2-Clause */
/* INQUIRY: standard data and vital product data pages. */
#include "scsi/inquiry.h"
#include "tests/unit/scsi_received.h"

/* ------------------------------------------------------------------ standard data */

/* QEMU's scsi-hd. */
static const uint8_t disk[36] = "\x00\x00\x05\x12\x1f\x31\x10\x02QEMU    QEMU HARDDISK   2.5+";

static void test_a_disk(void **state)
{
    struct scsi_inquiry i;

    (void)state;
    assert_int_equal(vst_scsi_inquiry_parse(RECEIVED(disk), &i), VST_OK);
    assert_int_equal(i.qualifier, SCSI_UNIT_PRESENT);
    assert_int_equal(i.type, VST_SCSI_TYPE_DISK);
    assert_int_equal(i.version, 5);
    assert_int_equal(i.port_groups, 3);
    assert_false(i.removable);
    assert_true(i.queueing && i.multiport && i.protection && i.deep_luns);
    assert_string_equal(i.vendor, "QEMU");
    assert_string_equal(i.product, "QEMU HARDDISK");
    assert_string_equal(i.revision, "2.5+");
}

static void look_at_disk(struct scsi_view received)
{
    struct scsi_inquiry i;
    size_t n = received.bytes;

    if (n < 5) {
        assert_int_equal(vst_scsi_inquiry_parse(received, &i), VST_ERR_MALFORMED);
        return;
    }
    assert_int_equal(vst_scsi_inquiry_parse(received, &i), VST_OK);
    assert_int_equal(i.port_groups, n > 5 ? 3 : 0);
    assert_int_equal(i.multiport, n > 6);
    assert_int_equal(i.queueing, n > 7);
    assert_string_equal(i.vendor, n >= 12   ? "QEMU"
                                  : n == 11 ? "QEM"
                                  : n == 10 ? "QE"
                                  : n == 9  ? "Q"
                                            : "");
    assert_int_equal(strlen(i.product) > 0, n > 16);
    assert_int_equal(strlen(i.revision), n > 32 ? n - 32 : 0);
}

static void test_a_disk_cut(void **state)
{
    (void)state;
    AT_EVERY_LENGTH(disk, look_at_disk);
}

static void test_no_unit_and_other_types(void **state)
{
    uint8_t bytes[sizeof(disk)];
    struct scsi_inquiry i;

    (void)state;
    memcpy(bytes, disk, sizeof(bytes));
    bytes[0] = 0x7f; /* what a target says of a number that it never has */
    assert_int_equal(vst_scsi_inquiry_parse(RECEIVED(bytes), &i), VST_OK);
    assert_int_equal(i.qualifier, SCSI_UNIT_IMPOSSIBLE);
    assert_int_equal(i.type, VST_SCSI_TYPE_NONE);
    bytes[0] = 0x25;
    bytes[1] = 0x80;
    assert_int_equal(vst_scsi_inquiry_parse(RECEIVED(bytes), &i), VST_OK);
    assert_int_equal(i.qualifier, SCSI_UNIT_NOT_CONNECTED);
    assert_int_equal(i.type, VST_SCSI_TYPE_CD);
    assert_true(i.removable);
    bytes[4] = 8; /* it tells less than was received: the rest is not its own */
    assert_int_equal(vst_scsi_inquiry_parse(RECEIVED(bytes), &i), VST_OK);
    assert_string_equal(i.vendor, "QEMU");
    assert_string_equal(i.product, "");
}

static void test_names_are_printable(void **state)
{
    uint8_t bytes[sizeof(disk)];
    struct scsi_inquiry i;

    (void)state;
    memcpy(bytes, disk, sizeof(bytes));
    memcpy(bytes + 8, "  A\x1b\xff b ", 8);
    memcpy(bytes + 16, "\0hidden behind  ", 16);
    memset(bytes + 32, ' ', 4);
    assert_int_equal(vst_scsi_inquiry_parse(RECEIVED(bytes), &i), VST_OK);
    assert_string_equal(i.vendor, "A?? b");
    assert_string_equal(i.product, "");
    assert_string_equal(i.revision, "");
}

/* Each bit alone: it means one thing and no other. */
static void test_single_bits(void **state)
{
    struct scsi_inquiry i;
    struct scsi_provisioning p;

    (void)state;
    for (unsigned bit = 1; bit < 0x100; bit <<= 1) {
        uint8_t b = (uint8_t)bit, bytes[8] = {b, b, b, b, 3, b, b, b};
        uint8_t page[8] = {0, 0xb2, 0, 4, 0, b, b, 0};
        assert_int_equal(vst_scsi_inquiry_parse(RECEIVED(bytes), &i), VST_OK);
        assert_int_equal(i.qualifier, bit >> 5);
        assert_int_equal(i.type, bit & 0x1f);
        assert_int_equal(i.version, bit);
        assert_int_equal(i.removable, bit == 0x80);
        assert_int_equal(i.deep_luns, bit == 0x10);
        assert_int_equal(i.port_groups, bit == 0x10 ? 1 : bit == 0x20 ? 2 : 0);
        assert_int_equal(i.protection, bit == 0x01);
        assert_int_equal(i.multiport, bit == 0x10);
        assert_int_equal(i.queueing, bit == 0x02);
        assert_int_equal(vst_scsi_provisioning_parse(RECEIVED(page), &p), VST_OK);
        assert_int_equal(p.unmap, bit == 0x80);
        assert_int_equal(p.same_unmap_16, bit == 0x40);
        assert_int_equal(p.same_unmap_10, bit == 0x20);
        assert_int_equal(p.reads_zeroes, bit == 0x04);
        assert_int_equal(p.anchors, bit == 0x02);
        assert_int_equal(p.type, bit & 7);
    }
}

static void test_names_of_types(void **state)
{
    static const char *const names[256] = {
        [0] = "disk",      [1] = "tape",        [2] = "printer",  [3] = "process",
        [4] = "worm",      [5] = "cd/dvd",      [6] = "scanner",  [7] = "optical",
        [8] = "mediumx",   [9] = "comms",       [12] = "storage", [13] = "enclosu",
        [14] = "sim disk", [15] = "optical cr", [17] = "osd",     [18] = "automation",
        [20] = "zbc",      [30] = "wlun",       [31] = "no dev",
    };

    (void)state;
    for (unsigned i = 0; i < 256; i++)
        assert_string_equal(vst_scsi_type_name((uint8_t)i),
                            names[i] != NULL ? names[i] : "unknown");
}

/* ------------------------------------------------------------------ pages 00h, 80h */

static const uint8_t supported[] = {0, 0, 0, 6, 0x00, 0x80, 0x83, 0xb0, 0xb1, 0xff};

static void look_at_supported(struct scsi_view received)
{
    struct scsi_pages pages;
    size_t n = received.bytes;

    if (n < 5) {
        assert_int_equal(vst_scsi_pages_parse(received, &pages), VST_ERR_MALFORMED);
        return;
    }
    assert_int_equal(vst_scsi_pages_parse(received, &pages), VST_OK);
    for (unsigned page = 0; page < 256; page++) {
        const uint8_t *found = memchr(supported + 4, (int)page, n - 4);
        assert_int_equal(vst_scsi_has_page(&pages, (uint8_t)page), found != NULL);
    }
}

static void test_supported_pages_whole_and_cut(void **state)
{
    (void)state;
    AT_EVERY_LENGTH(supported, look_at_supported);
}

/* Units that know no pages and send the standard data whatever they are asked for. */
static void test_standard_data_are_no_page(void **state)
{
    struct scsi_pages pages;
    struct scsi_identification id;
    struct scsi_block_limits limits;
    struct scsi_characteristics characteristics;
    struct scsi_provisioning provisioning;
    char serial[8];

    (void)state;
    assert_int_equal(vst_scsi_pages_parse(RECEIVED(disk), &pages), VST_ERR_MALFORMED);
    assert_int_equal(vst_scsi_serial_parse(RECEIVED(disk), serial, 8), VST_ERR_MALFORMED);
    assert_int_equal(vst_scsi_identification_parse(RECEIVED(disk), &id), VST_ERR_MALFORMED);
    assert_int_equal(vst_scsi_block_limits_parse(RECEIVED(disk), &limits), VST_ERR_MALFORMED);
    assert_int_equal(vst_scsi_characteristics_parse(RECEIVED(disk), &characteristics),
                     VST_ERR_MALFORMED);
    assert_int_equal(vst_scsi_provisioning_parse(RECEIVED(disk), &provisioning), VST_ERR_MALFORMED);
    assert_int_equal(vst_scsi_page_bytes(RECEIVED(disk), 0x83), 0);
    assert_int_equal(vst_scsi_page_bytes(RECEIVED(supported), 0), 10);
    assert_int_equal(vst_scsi_page_bytes(scsi_view_of("\0\x83\1\4", 4), 0x83), 264);
    assert_int_equal(vst_scsi_page_bytes(scsi_view_of("\0\x83\1", 3), 0x83), 0);
}

static const uint8_t serial_page[] = {0,   0x80, 0,   10,  ' ', 'd', 'i', 's',
                                      'k', ' ',  '0', '1', ' ', ' ', 'X'};

static void look_at_serial(struct scsi_view received)
{
    static const char *const wanted[] = {"", "", "d", "di", "dis", "disk", "disk", "disk 0"};
    size_t n = received.bytes;
    char serial[16];

    enum vst_status status = vst_scsi_serial_parse(received, serial, sizeof(serial));
    assert_int_equal(status, n < 4 ? VST_ERR_MALFORMED : n < 6 ? VST_ERR_NOT_FOUND : VST_OK);
    if (n >= 4)
        assert_string_equal(serial, n < 12 ? wanted[n - 4] : "disk 01");
}

static void test_serial_whole_and_cut(void **state)
{
    char small[4];

    (void)state;
    AT_EVERY_LENGTH(serial_page, look_at_serial);
    assert_int_equal(vst_scsi_serial_parse(RECEIVED(serial_page), small, sizeof(small)), VST_OK);
    assert_string_equal(small, "dis");
}

/* ------------------------------------------------------------------ page 83h */

/* What stands in a page: association and type, code set, bytes. */
struct part {
    uint8_t code_set, association_type;
    const char *bytes;
    uint8_t n_bytes;
};

static size_t page_of(const struct part *parts, size_t n, uint8_t *page)
{
    size_t at = 4;

    for (size_t i = 0; i < n; i++) {
        uint8_t head[4] = {parts[i].code_set, parts[i].association_type, 0, parts[i].n_bytes};
        memcpy(page + at, head, 4);
        memcpy(page + at + 4, parts[i].bytes, parts[i].n_bytes);
        at += 4u + parts[i].n_bytes;
    }
    page[0] = 0;
    page[1] = 0x83;
    scsi_put(page + 2, at - 4, 2);
    return at;
}

static struct scsi_identification identified(const struct part *parts, size_t n)
{
    struct scsi_identification id;
    uint8_t *page = malloc(2048);
    size_t bytes = page_of(parts, n, page);

    assert_int_equal(vst_scsi_identification_parse(scsi_view_of(page, bytes), &id), VST_OK);
    free(page);
    return id;
}

#define NAA5                                                                                       \
    {                                                                                              \
        0x01, 0x03, "\x50\0\xc5\0\xa1\xb2\xc3\xd4", 8                                              \
    }
#define NAA6                                                                                       \
    {                                                                                              \
        0x01, 0x03, "\x60\1\2\3\4\5\6\7\x10\x11\x12\x13\x14\x15\x16\x17", 16                       \
    }
#define NAA_LOCAL                                                                                  \
    {                                                                                              \
        0x01, 0x03, "\x30\1\2\3\4\5\6\7", 8                                                        \
    }
#define EUI_8                                                                                      \
    {                                                                                              \
        0x01, 0x02, "\0\x25\x38\x5b\x71\xb0\0\1", 8                                                \
    }
#define EUI_12                                                                                     \
    {                                                                                              \
        0x01, 0x02, "\0\x25\x38\x5b\x71\xb0\0\1\0\0\0\2", 12                                       \
    }
#define EUI_16                                                                                     \
    {                                                                                              \
        0x01, 0x02, "\1\2\3\4\5\6\7\x08\0\x25\x38\x5b\x71\xb0\0\1", 16                             \
    }
#define SCSI_NAME                                                                                  \
    {                                                                                              \
        0x03, 0x08, "iqn.2004-01.org:disk\0", 21                                                   \
    }
#define T10                                                                                        \
    {                                                                                              \
        0x02, 0x01, "QEMU    QEMU HARDDISK   s-1", 27                                              \
    }
#define VENDOR                                                                                     \
    {                                                                                              \
        0x02, 0x00, "drive-scsi0", 11                                                              \
    }
#define VENDOR_BIN                                                                                 \
    {                                                                                              \
        0x01, 0x00, "\1\2", 2                                                                      \
    }
#define PORT_NAA                                                                                   \
    {                                                                                              \
        0x61, 0x93, "\x50\0\xff\0\0\0\0\1", 8                                                      \
    }
#define PORT_5                                                                                     \
    {                                                                                              \
        0x61, 0x94, "\0\0\0\5", 4                                                                  \
    }
#define GROUP_9                                                                                    \
    {                                                                                              \
        0x61, 0x95, "\0\0\0\x09", 4                                                                \
    }

static void name_is(const struct part *parts, size_t n, const char *wanted, bool is_unique)
{
    struct scsi_identification id = identified(parts, n);

    assert_string_equal(id.wwn, wanted);
    assert_int_equal(id.is_unique, is_unique);
}

#define NAME_IS(wanted, is_unique, ...)                                                            \
    do {                                                                                           \
        static const struct part parts[] = {__VA_ARGS__};                                          \
        name_is(parts, VST_ARRAY_LENGTH(parts), wanted, is_unique);                                \
    } while (0)

static void test_each_kind_of_name(void **state)
{
    (void)state;
    NAME_IS("0x5000c500a1b2c3d4", true, NAA5);
    NAME_IS("0x60010203040506071011121314151617", true, NAA6);
    NAME_IS("0x3001020304050607", false, NAA_LOCAL);
    NAME_IS("0x2000000000000001", true, {1, 3, "\x20\0\0\0\0\0\0\1", 8});
    NAME_IS("eui.0025385b71b00001", true, EUI_8);
    NAME_IS("eui.0025385b71b0000100000002", true, EUI_12);
    NAME_IS("eui.01020304050607080025385b71b00001", true, EUI_16);
    NAME_IS("iqn.2004-01.org:disk", true, SCSI_NAME);
    NAME_IS("t10.QEMU_QEMU_HARDDISK_s-1", true, T10);
    NAME_IS("vendor.drive-scsi0", false, VENDOR);
    NAME_IS("vendor.0102", false, VENDOR_BIN);
    NAME_IS("x", true, {3, 8, "x", 1});
    NAME_IS("", false, PORT_NAA);
    NAME_IS("", false, {3, 8, "    ", 4});
}

/* In any order, the best one stands, and of equals the first. */
static void test_the_best_name_is_chosen(void **state)
{
    (void)state;
    NAME_IS("0x60010203040506071011121314151617", true, VENDOR, NAA_LOCAL, T10, SCSI_NAME, EUI_8,
            EUI_12, EUI_16, NAA5, NAA6);
    NAME_IS("0x60010203040506071011121314151617", true, NAA6, NAA5, EUI_16, EUI_12, EUI_8,
            SCSI_NAME, T10, NAA_LOCAL, VENDOR);
    NAME_IS("0x5000c500a1b2c3d4", true, EUI_16, NAA5, {1, 3, "\x50\0\0\0\0\0\0\1", 8});
    NAME_IS("eui.0025385b71b0000100000002", true, EUI_8, EUI_12, SCSI_NAME);
    NAME_IS("iqn.2004-01.org:disk", true, T10, SCSI_NAME);
    NAME_IS("t10.QEMU_QEMU_HARDDISK_s-1", true, NAA_LOCAL, T10, VENDOR);
    NAME_IS("0x3001020304050607", false, VENDOR, NAA_LOCAL);
    NAME_IS("0x5000c500a1b2c3d4", true, PORT_NAA, NAA5, PORT_5);
}

static void test_names_that_are_none(void **state)
{
    (void)state;
    NAME_IS("", false, {1, 3, "\x50\0\0\0\0\0\0", 7}); /* of a wrong length */
    NAME_IS("", false, {1, 3, "\x60\0\0\0\0\0\0\0", 8});
    NAME_IS("", false, {1, 3, "\x10\0\0\0\0\0\0\0", 8}); /* no such kind */
    NAME_IS("", false, {2, 3, "5000c500", 8});           /* text */
    NAME_IS("", false, {1, 2, "\0\0\0\0\0\0\0\0\0", 9});
    NAME_IS("", false, {2, 2, "00000000", 8});
    NAME_IS("", false, {2, 1, "QEMU    ", 8}); /* a vendor alone */
    NAME_IS("", false, {2, 0, "", 0});
    NAME_IS("", false, {1, 7, "0123456789abcdef", 16});
    NAME_IS("", false, {1, 0x13, "\x50\0\0\0\0\0\0\1", 8}); /* of the port */
    NAME_IS("", false, {1, 0x23, "\x50\0\0\0\0\0\0\1", 8}); /* of the target */
    NAME_IS("", false, {1, 0x0c, "\x50\0\0\0\0\0\0\1", 8});
}

static void test_the_longest_names(void **state)
{
    char bytes[255];
    struct part part = {2, 1, bytes, 255};
    struct scsi_identification id;

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    id = identified(&part, 1);
    assert_int_equal(strlen(id.wwn), 4 + 255);
    part = (struct part){1, 0, bytes, 255};
    id = identified(&part, 1); /* as many bytes of it as there is room for */
    assert_int_equal(strlen(id.wwn), 7 + 2 * 128);
}

static void test_ports(void **state)
{
    static const struct part parts[] = {NAA5, PORT_5, GROUP_9, {0x61, 0x96, "\0\0\0\1", 4}};
    static const struct part bad[] = {
        {1, 0x04, "\0\0\0\5", 4}, {1, 0x14, "\0\0\0\5\0", 5}, {2, 0x15, "0005", 4}};
    struct scsi_identification id = identified(parts, VST_ARRAY_LENGTH(parts));

    (void)state;
    assert_true(id.has_port && id.has_port_group);
    assert_int_equal(id.port, 5);
    assert_int_equal(id.port_group, 9);
    id = identified(bad, VST_ARRAY_LENGTH(bad));
    assert_false(id.has_port || id.has_port_group);
}

static const struct part three[] = {VENDOR, NAA5, PORT_5};

static void look_at_identification(struct scsi_view received)
{
    struct scsi_identification id;
    struct scsi_designator designator;
    size_t n = received.bytes, at = 0, n_found = 0;

    while (vst_scsi_next_designator(received, &at, &designator)) {
        assert_true(designator.id.at >= received.at);
        assert_true(designator.id.at + designator.id.bytes <= received.at + n);
        n_found++;
    }
    assert_int_equal(n_found, n < 19 ? 0 : n < 31 ? 1 : n < 39 ? 2 : 3);
    if (n < 4) {
        assert_int_equal(vst_scsi_identification_parse(received, &id), VST_ERR_MALFORMED);
        return;
    }
    assert_int_equal(vst_scsi_identification_parse(received, &id), VST_OK);
    assert_string_equal(id.wwn, n < 19 ? "" : n < 31 ? "vendor.drive-scsi0" : "0x5000c500a1b2c3d4");
    assert_int_equal(id.has_port, n >= 39);
}

static void test_identification_cut(void **state)
{
    uint8_t page[64];
    size_t bytes = page_of(three, 3, page);

    (void)state;
    at_every_length(page, bytes, look_at_identification);
    /* lengths that reach beyond the page's end, or beyond what its header says */
    page[4 + 15 + 3] = 255;
    size_t at = 0;
    struct scsi_designator designator;
    assert_true(vst_scsi_next_designator(scsi_view_of(page, bytes), &at, &designator));
    assert_int_equal(designator.type, SCSI_ID_VENDOR);
    assert_int_equal(designator.code_set, 2);
    assert_int_equal(designator.association, SCSI_ID_OF_UNIT);
    assert_false(vst_scsi_next_designator(scsi_view_of(page, bytes), &at, &designator));
    page[3] = 10;
    at = 0;
    assert_false(vst_scsi_next_designator(scsi_view_of(page, bytes), &at, &designator));
}

/* ------------------------------------------------------------------ pages B0h, B1h, B2h */

static const uint8_t limits_page[64] = {0, 0xb0, 0,    0x3c, 1, 7,  0, 8, 0, 0, 0x40, 0, 0, 0, 0x20,
                                        0, 0,    0,    0,    9, 0,  0, 1, 0, 0, 0,    0, 3, 0, 0,
                                        0, 16,   0x80, 0,    0, 21, 0, 0, 0, 1, 0,    0, 0, 2};

static void look_at_limits(struct scsi_view received)
{
    struct scsi_block_limits l;
    size_t n = received.bytes;

    if (n < 4) {
        assert_int_equal(vst_scsi_block_limits_parse(received, &l), VST_ERR_MALFORMED);
        return;
    }
    assert_int_equal(vst_scsi_block_limits_parse(received, &l), VST_OK);
    assert_int_equal(l.same_nonzero, n > 4);
    assert_int_equal(l.max_compare_and_write, n > 5 ? 7 : 0);
    assert_int_equal(l.optimal_granularity, n > 7 ? 8 : 0);
    assert_int_equal(l.max_transfer, n > 11 ? 0x4000 : 0);
    assert_int_equal(l.optimal_transfer, n > 15 ? 0x2000 : 0);
    assert_int_equal(l.max_unmap, n > 23 ? 256 : 0);
    assert_int_equal(l.max_unmap_descriptors, n > 27 ? 3 : 0);
    assert_int_equal(l.unmap_granularity, n > 31 ? 16 : 0);
    assert_int_equal(l.unmap_alignment, n > 35 ? 5 : 0); /* 21 modulo 16 */
    assert_int_equal(l.max_write_same, n > 43 ? 0x100000002 : 0);
}

static void test_block_limits_whole_and_cut(void **state)
{
    uint8_t bytes[64];
    struct scsi_block_limits l;

    (void)state;
    AT_EVERY_LENGTH(limits_page, look_at_limits);
    memcpy(bytes, limits_page, sizeof(bytes));
    bytes[32] = 0; /* the alignment is not valid */
    assert_int_equal(vst_scsi_block_limits_parse(RECEIVED(bytes), &l), VST_OK);
    assert_int_equal(l.unmap_alignment, 0);
    bytes[32] = 0x80;
    bytes[31] = 0; /* no granularity to divide by */
    assert_int_equal(vst_scsi_block_limits_parse(RECEIVED(bytes), &l), VST_OK);
    assert_int_equal(l.unmap_alignment, 0);
    bytes[3] = 0x10; /* of an older standard: it ends there */
    bytes[31] = 16;
    assert_int_equal(vst_scsi_block_limits_parse(RECEIVED(bytes), &l), VST_OK);
    assert_int_equal(l.optimal_transfer, 0x2000);
    assert_int_equal(l.max_unmap, 0);
}

static void rate_is(unsigned rate, bool rotational, unsigned rpm)
{
    uint8_t bytes[64] = {0, 0xb1, 0, 0x3c, (uint8_t)(rate >> 8), (uint8_t)rate, 0, 0, 0x10};
    struct scsi_characteristics c;

    assert_int_equal(vst_scsi_characteristics_parse(RECEIVED(bytes), &c), VST_OK);
    assert_int_equal(c.rotational, rotational);
    assert_int_equal(c.rpm, rpm);
    assert_int_equal(c.zoned, 1);
}

static void look_at_characteristics(struct scsi_view received)
{
    struct scsi_characteristics c;

    if (received.bytes < 4) {
        assert_int_equal(vst_scsi_characteristics_parse(received, &c), VST_ERR_MALFORMED);
        return;
    }
    assert_int_equal(vst_scsi_characteristics_parse(received, &c), VST_OK);
    assert_int_equal(c.rotational, received.bytes < 6);
    assert_int_equal(c.zoned, received.bytes > 8 ? 2 : 0);
}

static void test_characteristics(void **state)
{
    static const uint8_t solid[64] = {0, 0xb1, 0, 0x3c, 0, 1, 0, 0, 0x20};

    (void)state;
    AT_EVERY_LENGTH(solid, look_at_characteristics);
    rate_is(0, true, 0);
    rate_is(1, false, 0);
    rate_is(2, true, 0);
    rate_is(0x400, true, 0);
    rate_is(0x401, true, 0x401);
    rate_is(7200, true, 7200);
    rate_is(0xfffe, true, 0xfffe);
    rate_is(0xffff, true, 0);
}

static void look_at_provisioning(struct scsi_view received)
{
    struct scsi_provisioning p;
    size_t n = received.bytes;

    if (n < 4) {
        assert_int_equal(vst_scsi_provisioning_parse(received, &p), VST_ERR_MALFORMED);
        return;
    }
    assert_int_equal(vst_scsi_provisioning_parse(received, &p), VST_OK);
    assert_int_equal(p.unmap, n > 5);
    assert_int_equal(p.same_unmap_16, n > 5);
    assert_false(p.same_unmap_10);
    assert_int_equal(p.reads_zeroes, n > 5);
    assert_int_equal(p.anchors, n > 5);
    assert_int_equal(p.type, n > 6 ? 2 : 0);
}

static void test_provisioning(void **state)
{
    static const uint8_t thin[8] = {0, 0xb2, 0, 4, 0, 0xc6, 2, 0};
    static const uint8_t other[8] = {0, 0xb2, 0, 4, 0, 0x38, 1, 0};
    struct scsi_provisioning p;

    (void)state;
    AT_EVERY_LENGTH(thin, look_at_provisioning);
    assert_int_equal(vst_scsi_provisioning_parse(RECEIVED(other), &p), VST_OK);
    assert_true(p.same_unmap_10);
    assert_false(p.unmap || p.same_unmap_16 || p.reads_zeroes || p.anchors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_disk),
        cmocka_unit_test(test_a_disk_cut),
        cmocka_unit_test(test_no_unit_and_other_types),
        cmocka_unit_test(test_names_are_printable),
        cmocka_unit_test(test_names_of_types),
        cmocka_unit_test(test_single_bits),
        cmocka_unit_test(test_supported_pages_whole_and_cut),
        cmocka_unit_test(test_standard_data_are_no_page),
        cmocka_unit_test(test_serial_whole_and_cut),
        cmocka_unit_test(test_each_kind_of_name),
        cmocka_unit_test(test_the_best_name_is_chosen),
        cmocka_unit_test(test_names_that_are_none),
        cmocka_unit_test(test_the_longest_names),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_identification_cut),
        cmocka_unit_test(test_block_limits_whole_and_cut),
        cmocka_unit_test(test_characteristics),
        cmocka_unit_test(test_provisioning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
