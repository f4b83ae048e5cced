/* SPDX-License-Identifier: BSD-2-Clause */
/* What units tell, asked for one by one and put in words: each page, cut at every length; lists of LUNs. */
#include <vstor/scsi_units.h>

#include "tests/unit/scsi_fixture.h"
#include "tests/unit/scsi_received.h"

/* ------------------------------------------------------------------ in words */

struct told {
    char text[4096];
    unsigned n;
};

static void note(void *ctx, const char *name, const char *value)
{
    struct told *told = ctx;
    size_t n = strlen(told->text);

    snprintf(told->text + n, sizeof(told->text) - n, "%s=%s\n", name, value);
    told->n++;
}

static struct told describe(int page, const void *data, size_t bytes, enum vst_status wanted)
{
    struct told told = {0};

    assert_int_equal(vst_scsi_inquiry_describe(page, data, bytes, note, &told), wanted);
    return told;
}

#define SAYS(page, bytes, wanted)                                                                  \
    do {                                                                                           \
        static const uint8_t says_[] = bytes;                                                      \
        assert_string_equal(describe(page, says_, sizeof(says_) - 1, VST_OK).text, wanted);        \
        page_cut = page;                                                                           \
        at_every_length(says_, sizeof(says_) - 1, look);                                           \
    } while (0)

static int page_cut;

/** Cut short it says less, or nothing; where nothing, that it is no such page. */
static void look(struct scsi_view received)
{
    struct told told = {0};
    enum vst_status status =
        vst_scsi_inquiry_describe(page_cut, received.at, received.bytes, note, &told);

    assert_true(status == VST_OK || status == VST_ERR_MALFORMED);
    assert_int_equal(told.n > 0, status == VST_OK);
    if (received.bytes < 4)
        assert_int_equal(status, VST_ERR_MALFORMED);
}

static void test_standard_data(void **state)
{
    (void)state;
    SAYS(VST_SCSI_STANDARD_INQUIRY, "\x05\x80\x05\x12\x1f\x31\x10\x02QEMU    QEMU CD-ROM     2.5+",
         "qualifier=0\ntype=cd/dvd\nvendor=QEMU\nproduct=QEMU CD-ROM\nrevision=2.5+\nversion=5\n"
         "removable=yes\nqueueing=yes\nprotection=yes\nmultiport=yes\nport_groups=3\n");
}

static void test_pages_that_all_have(void **state)
{
    static const uint8_t blank[] = {0, 0x80, 0, 2, ' ', ' '};

    (void)state;
    SAYS(0x00, "\x00\x00\x00\x03\x00\x80\xff", "page=0x00\npage=0x80\npage=0xff\n");
    SAYS(0x80,
         "\x00\x80\x00\x04"
         "ab-1",
         "serial=ab-1\n");
    assert_string_equal(describe(0x80, blank, sizeof(blank), VST_OK).text, "serial=\n");
    describe(0xb5, blank, sizeof(blank), VST_ERR_UNSUPPORTED);
    describe(0x83, blank, sizeof(blank), VST_ERR_MALFORMED); /* it is another */
}

static void test_designators_of_every_type(void **state)
{
    (void)state;
    SAYS(0x83,
         "\x00\x83\x00\x4c"
         "\x02\x00\x00\x02v1"
         "\x02\x01\x00\x02t1"
         "\x01\x02\x00\x08\x00\x25\x38\x5b\x71\xb0\x00\x01"
         "\x01\x03\x00\x08\x50\x00\xc5\x00\xa1\xb2\xc3\xd4"
         "\x01\x14\x00\x04\x00\x00\x00\x05"
         "\x01\x15\x00\x01\x09"
         "\x01\x06\x00\x01\x07"
         "\x01\x07\x00\x01\xaa"
         "\x03\x28\x00\x01n"
         "\x01\x39\x00\x01\x01",
         "vendor=unit v1\nt10=unit t1\neui=unit 0025385b71b00001\nnaa=unit 5000c500a1b2c3d4\n"
         "port=port 00000005\nport_group=port 09\nunit_group=unit 07\nmd5=unit aa\n"
         "name=target n\ndesignator=reserved 01\nwwn=0x5000c500a1b2c3d4\n");
}

static void test_pages_of_disks(void **state)
{
    (void)state;
    SAYS(0xb0,
         "\x00\xb0\x00\x3c\x01\x02\x00\x08\x00\x00\x10\x00\x00\x00\x00\x80\x00\x00\x00\x00"
         "\x00\x00\x20\x00\x00\x00\x00\x40\x00\x00\x00\x08\x80\x00\x00\x04\x00\x00\x00\x00\x00\x01"
         "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
         "max_transfer=4096\noptimal_transfer=128\noptimal_granularity=8\n"
         "max_compare_and_write=2\nmax_unmap=8192\nmax_unmap_descriptors=64\n"
         "unmap_granularity=8\nunmap_alignment=4\nmax_write_same=65536\n"
         "write_same_nonzero=yes\n");
    SAYS(0xb1, "\x00\xb1\x00\x08\x1c\x20\x00\x00\x10\x00\x00\x00",
         "rotational=yes\nrpm=7200\nzoned=1\n");
    SAYS(0xb2, "\x00\xb2\x00\x04\x00\xe6\x02\x00",
         "unmap=yes\nwrite_same_16_unmaps=yes\nwrite_same_10_unmaps=yes\nreads_zeroes=yes\n"
         "anchors=yes\nprovisioning=2\n");
}

/* ------------------------------------------------------------------ asked for */

static struct vst_scsi_units units;

static struct vst_scsi_unit *only_unit(struct fixture *f, struct fake_unit **fake)
{
    units = (struct vst_scsi_units){0};
    *fake = fake_virtio_scsi_add(&f->scsi, 2, 1);
    assert_int_equal(attach(f), VST_OK);
    vst_scsi_units_add(&units, f->hba);
    assert_int_equal(vst_scsi_units_scan(&units, f->hba), VST_OK);
    return units.first;
}

static void test_a_unit_is_asked(void **state)
{
    struct fake_unit *fake;
    uint8_t data[200];
    size_t n;
    WITH(f);
    struct vst_scsi_unit *unit = only_unit(f, &fake);

    assert_int_equal(vst_scsi_unit_inquire(unit, VST_SCSI_STANDARD_INQUIRY, data, sizeof(data), &n),
                     VST_OK);
    assert_int_equal(n, 96);
    assert_memory_equal(data + 8, "FAKE    DISK", 12);
    memset(data, 0xee, sizeof(data));
    assert_int_equal(vst_scsi_unit_inquire(unit, 0x80, data, 6, &n), VST_OK); /* no room for more */
    assert_int_equal(n, 6);
    assert_memory_equal(data,
                        "\x00\x80\x00\x08"
                        "fa\xee",
                        7);
    assert_int_equal(vst_scsi_unit_inquire(unit, 0xb1, data, sizeof(data), &n),
                     VST_ERR_UNSUPPORTED);
    assert_int_equal(data[6], 0xee);
    f->fake.fail_alloc_after = 0;
    assert_int_equal(vst_scsi_unit_inquire(unit, 0x80, data, sizeof(data), &n), VST_ERR_NO_MEMORY);
    f->fake.fail_alloc_after = SIZE_MAX;
    assert_true(vst_scsi_units_forget(&units, f->hba));
    tear_down(f);
}

static void test_a_target_lists_its_luns(void **state)
{
    /* the third is none that can be told apart, and the list says that it is longer */
    static const uint8_t odd[8 + 24] = {0, 0, 1, 0, [9] = 5, [16] = 0x41, [17] = 0x2c, [24] = 0xff};
    struct vst_scsi_lun luns[4];
    struct fake_unit *fake;
    uint32_t n;
    WITH(f);

    fake_virtio_scsi_add(&f->scsi, 2, 300);
    fake_virtio_scsi_add(&f->scsi, 3, 0);
    only_unit(f, &fake);
    assert_int_equal(vst_scsi_target_luns(f->hba, 2, luns, 4, &n), VST_OK);
    assert_int_equal(n, 2);
    assert_int_equal(luns[0].number, 300);
    assert_int_equal(luns[1].number, 1);
    assert_int_equal(vst_scsi_target_luns(f->hba, 2, luns, 1, &n), VST_OK);
    assert_int_equal(n, 1);
    assert_int_equal(vst_scsi_target_luns(f->hba, 9, luns, 4, &n), VST_ERR_GONE);
    assert_int_equal(n, 0);
    f->scsi.told_luns = odd;
    f->scsi.told_luns_bytes = 4;
    assert_int_equal(vst_scsi_target_luns(f->hba, 2, luns, 4, &n), VST_ERR_MALFORMED);
    f->scsi.told_luns_bytes = sizeof(odd);
    assert_int_equal(vst_scsi_target_luns(f->hba, 2, luns, 4, &n), VST_OK);
    assert_int_equal(n, 2);
    assert_int_equal(luns[0].number, 5);
    assert_int_equal(luns[1].number, 300);
    f->hba->limits.max_target = 1;
    assert_int_equal(vst_scsi_target_luns(f->hba, 2, luns, 4, &n), VST_ERR_INVALID);
    f->hba->limits.max_target = 255;
    f->fake.fail_alloc_after = 0;
    assert_int_equal(vst_scsi_target_luns(f->hba, 2, luns, 4, &n), VST_ERR_NO_MEMORY);
    f->fake.fail_alloc_after = SIZE_MAX;
    assert_true(vst_scsi_units_forget(&units, f->hba));
    tear_down(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standard_data),
        cmocka_unit_test(test_pages_that_all_have),
        cmocka_unit_test(test_designators_of_every_type),
        cmocka_unit_test(test_pages_of_disks),
        cmocka_unit_test(test_a_unit_is_asked),
        cmocka_unit_test(test_a_target_lists_its_luns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
