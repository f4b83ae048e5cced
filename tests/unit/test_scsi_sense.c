/* SPDX-License-Identifier: BSD-2-Clause */
/* Sense data of both formats, whole and cut; what they are called. */
#include <vstor/scsi_types.h>

#include "tests/unit/scsi_received.h"

/* Of the table. */
#define N_ENTRIES 205u

static struct vst_scsi_sense parsed(struct scsi_view bytes)
{
    struct vst_scsi_sense sense;

    assert_int_equal(vst_scsi_sense_parse(bytes.at, bytes.bytes, &sense), VST_OK);
    assert_true(sense.valid);
    return sense;
}

static void is_code(const struct vst_scsi_sense *sense, unsigned key, unsigned asc, unsigned ascq)
{
    assert_int_equal(sense->key, key);
    assert_int_equal(sense->asc, asc);
    assert_int_equal(sense->ascq, ascq);
}

/* ------------------------------------------------------------------ fixed format */

/* A read error at block 0x12345678, after 7 retries; command-specific information, a part's code. */
static const uint8_t fixed[] = {0xf0, 0, 3,    0x12, 0x34, 0x56, 0x78, 10, 0,
                                0,    0, 0x2a, 0x11, 0,    0x33, 0x80, 0,  7};

static void test_fixed_format(void **state)
{
    struct vst_scsi_sense sense = parsed(RECEIVED(fixed));

    (void)state;
    is_code(&sense, VST_SCSI_MEDIUM_ERROR, 0x11, 0x00);
    assert_false(sense.deferred || sense.is_descriptor);
    assert_true(sense.has_information);
    assert_int_equal(sense.information, 0x12345678);
    assert_true(sense.has_specific);
    assert_int_equal(sense.specific, 0x2a);
    assert_int_equal(sense.unit_code, 0x33);
    assert_true(sense.has_retries);
    assert_int_equal(sense.retries, 7);
    assert_false(sense.has_field || sense.has_progress);
}

static void look_at_fixed(struct scsi_view received)
{
    struct vst_scsi_sense sense;
    size_t n = received.bytes;

    if (n < 3) {
        assert_int_equal(vst_scsi_sense_parse(received.at, n, &sense), VST_ERR_MALFORMED);
        assert_false(sense.valid);
        return;
    }
    sense = parsed(received);
    is_code(&sense, 3, n > 12 ? 0x11 : 0, 0);
    assert_int_equal(sense.has_information, n > 6);
    assert_int_equal(sense.information, n > 6 ? 0x12345678 : 0);
    assert_int_equal(sense.has_specific, n > 11);
    assert_int_equal(sense.unit_code, n > 14 ? 0x33 : 0);
    assert_int_equal(sense.has_retries, n > 17);
}

static void test_fixed_format_cut(void **state)
{
    (void)state;
    AT_EVERY_LENGTH(fixed, look_at_fixed);
}

static void test_fixed_format_shorter_than_received(void **state)
{
    uint8_t bytes[sizeof(fixed)];
    struct vst_scsi_sense sense;

    (void)state;
    memcpy(bytes, fixed, sizeof(bytes));
    bytes[7] = 5; /* ends behind the qualifier's byte that is not there */
    sense = parsed(RECEIVED(bytes));
    is_code(&sense, 3, 0x11, 0);
    assert_int_equal(sense.unit_code, 0);
    bytes[7] = 0;
    sense = parsed(RECEIVED(bytes));
    is_code(&sense, 3, 0, 0);
    assert_false(sense.has_specific);
    assert_true(sense.has_information);
    bytes[7] = 255; /* longer than received */
    sense = parsed(RECEIVED(bytes));
    is_code(&sense, 3, 0x11, 0);
}

static void test_information_that_is_not_valid(void **state)
{
    uint8_t bytes[sizeof(fixed)];
    struct vst_scsi_sense sense;

    (void)state;
    memcpy(bytes, fixed, sizeof(bytes));
    bytes[0] = 0x70;
    memset(bytes + 8, 0, 4);
    bytes[15] = 0;
    sense = parsed(RECEIVED(bytes));
    assert_false(sense.has_information || sense.has_specific || sense.has_retries);
    assert_int_equal(sense.information, 0);
}

static void test_deferred_errors(void **state)
{
    uint8_t bytes[sizeof(fixed)];

    (void)state;
    memcpy(bytes, fixed, sizeof(bytes));
    bytes[0] = 0xf1;
    assert_true(parsed(RECEIVED(bytes)).deferred);
    bytes[0] = 0x73;
    assert_true(parsed(RECEIVED(bytes)).deferred);
    assert_true(parsed(RECEIVED(bytes)).is_descriptor);
    bytes[0] = 0x72;
    assert_false(parsed(RECEIVED(bytes)).deferred);
}

static void test_marks_of_a_tape(void **state)
{
    uint8_t bytes[8] = {0x70, 0, 0x80};

    (void)state;
    assert_true(parsed(RECEIVED(bytes)).filemark);
    bytes[2] = 0x40;
    assert_true(parsed(RECEIVED(bytes)).end_of_medium);
    bytes[2] = 0x20;
    assert_true(parsed(RECEIVED(bytes)).incorrect_length);
    bytes[2] = 0x10;
    assert_true(parsed(RECEIVED(bytes)).overflow);
    assert_false(parsed(RECEIVED(bytes)).filemark);
}

/* Each bit alone: it means one thing and no other. */
static void test_single_bits(void **state)
{
    (void)state;
    for (unsigned bit = 1; bit < 0x100; bit <<= 1) {
        uint8_t marks[8] = {0x70, 0, (uint8_t)bit}, overflow[8] = {0x72, 0, 0, 0, (uint8_t)bit};
        uint8_t stream[12] = {0x72, 0, 0, 0, 0, 0, 0, 4, 4, 2, 0, (uint8_t)bit};
        uint8_t block[12] = {0x72, 0, 0, 0, 0, 0, 0, 4, 5, 2, 0, (uint8_t)bit};
        struct vst_scsi_sense sense = parsed(RECEIVED(marks));
        assert_int_equal(sense.filemark, bit == 0x80);
        assert_int_equal(sense.end_of_medium, bit == 0x40);
        assert_int_equal(sense.incorrect_length, bit == 0x20);
        assert_int_equal(sense.overflow, bit == 0x10);
        assert_int_equal(sense.key, bit & 15);
        assert_int_equal(parsed(RECEIVED(overflow)).overflow, bit == 0x80);
        sense = parsed(RECEIVED(stream));
        assert_int_equal(sense.filemark, bit == 0x80);
        assert_int_equal(sense.end_of_medium, bit == 0x40);
        assert_int_equal(sense.incorrect_length, bit == 0x20);
        assert_int_equal(parsed(RECEIVED(block)).incorrect_length, bit == 0x20);
        uint8_t field[18] = {0x70, 0, 5, 0, 0, 0, 0, 10, [15] = (uint8_t)bit};
        assert_int_equal(parsed(RECEIVED(field)).has_field, bit == 0x80);
        field[15] |= 0x80;
        assert_int_equal(parsed(RECEIVED(field)).field_in_cdb, bit == 0x40);
        uint8_t information[20] = {0x72, 0, 0, 0, 0, 0, 0, 12, 0, 10, (uint8_t)bit};
        assert_int_equal(parsed(RECEIVED(information)).has_information, bit == 0x80);
    }
}

/* 4.5.2.4: the same three bytes, by key. */
static void test_key_specific_bytes(void **state)
{
    uint8_t bytes[18] = {0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0, 0, 0xc8, 0, 9};
    struct vst_scsi_sense sense = parsed(RECEIVED(bytes));

    (void)state;
    assert_true(sense.has_field && sense.field_in_cdb);
    assert_int_equal(sense.field, 9);
    bytes[15] = 0x80;
    assert_false(parsed(RECEIVED(bytes)).field_in_cdb);
    for (unsigned key = 0; key < VST_SCSI_N_KEYS; key++) {
        bytes[2] = (uint8_t)key;
        sense = parsed(RECEIVED(bytes));
        assert_int_equal(sense.has_field, key == VST_SCSI_ILLEGAL_REQUEST);
        assert_int_equal(sense.has_progress, key == VST_SCSI_NO_SENSE || key == VST_SCSI_NOT_READY);
        assert_int_equal(sense.has_retries, key == VST_SCSI_RECOVERED_ERROR ||
                                                key == VST_SCSI_MEDIUM_ERROR ||
                                                key == VST_SCSI_HARDWARE_ERROR);
    }
    bytes[2] = VST_SCSI_NOT_READY;
    bytes[16] = 0x80;
    assert_int_equal(parsed(RECEIVED(bytes)).progress, 0x8009);
    bytes[15] = 0;
    assert_false(parsed(RECEIVED(bytes)).has_progress);
}

static void test_what_is_no_sense_data(void **state)
{
    static const uint8_t zeroes[18], vendor[18] = {0x7f, 0, 3}, poison[18] = {0xff, 0xff, 0xff};
    struct vst_scsi_sense sense;

    (void)state;
    assert_int_equal(vst_scsi_sense_parse(zeroes, 18, &sense), VST_ERR_MALFORMED);
    assert_int_equal(vst_scsi_sense_parse(vendor, 18, &sense), VST_ERR_MALFORMED);
    assert_int_equal(vst_scsi_sense_parse(poison, 18, &sense), VST_ERR_MALFORMED);
    assert_int_equal(vst_scsi_sense_parse("\x6f\0\3", 3, &sense), VST_ERR_MALFORMED);
    assert_int_equal(vst_scsi_sense_parse("\x74\0\3", 3, &sense), VST_ERR_MALFORMED);
    assert_false(sense.valid);
}

/* ------------------------------------------------------------------ descriptor format */

/* All that are looked at, and one that is not: type, length, data. */
static const uint8_t descriptors[] = {
    0x72, 0x03, 0x11, 0x01, 0x80, 0, 0, 64,                      /* 0: header */
    0x00, 0x0a, 0x80, 0,    1,    2, 3, 4,  5, 6, 7, 8,          /* 8: information */
    0x01, 0x0a, 0,    0,    0,    0, 0, 0,  0, 0, 0, 0x2a,       /* 20: command specific */
    0x02, 0x06, 0,    0,    0x80, 0, 7, 0,                       /* 32: key specific */
    0x03, 0x02, 0,    0x33,                                      /* 40: unit */
    0x09, 0x0c, 0,    0,    0,    0, 0, 0,  0, 0, 0, 0,    0, 0, /* 44: ATA */
    0x04, 0x02, 0,    0xc0,                                      /* 58: stream */
    0x05, 0x02, 0,    0x20,                                      /* 62: block */
    0x80, 0x04, 0,    0,    0,    0,                             /* 66: the vendor's */
};

static void look_at_descriptors(struct scsi_view received)
{
    struct vst_scsi_sense sense;
    size_t n = received.bytes;

    if (n < 2) {
        assert_int_equal(vst_scsi_sense_parse(received.at, n, &sense), VST_ERR_MALFORMED);
        return;
    }
    sense = parsed(received);
    is_code(&sense, 3, n > 2 ? 0x11 : 0, n > 3 ? 0x01 : 0);
    assert_int_equal(sense.overflow, n > 4);
    assert_int_equal(sense.has_information, n >= 20);
    assert_int_equal(sense.information, n >= 20 ? 0x0102030405060708 : 0);
    assert_int_equal(sense.has_specific, n >= 32);
    assert_int_equal(sense.has_retries, n >= 39);
    assert_int_equal(sense.unit_code, n >= 44 ? 0x33 : 0);
    assert_int_equal(sense.filemark, n >= 62);
    assert_int_equal(sense.end_of_medium, n >= 62);
    assert_int_equal(sense.incorrect_length, n >= 66);
}

static void test_descriptor_format_whole_and_cut(void **state)
{
    (void)state;
    assert_int_equal(sizeof(descriptors), 8 + 64);
    AT_EVERY_LENGTH(descriptors, look_at_descriptors);
}

static void test_descriptors_end_where_the_header_says(void **state)
{
    uint8_t bytes[sizeof(descriptors)];

    (void)state;
    memcpy(bytes, descriptors, sizeof(bytes));
    bytes[7] = 12;
    assert_true(parsed(RECEIVED(bytes)).has_information);
    assert_false(parsed(RECEIVED(bytes)).has_specific);
    bytes[7] = 0;
    assert_false(parsed(RECEIVED(bytes)).has_information);
    /* a descriptor that claims more than there is does not lead outside */
    bytes[7] = 64;
    bytes[9] = 255;
    assert_true(parsed(RECEIVED(bytes)).has_information);
    assert_false(parsed(RECEIVED(bytes)).has_specific);
    /* and one that is too short for its kind tells nothing */
    bytes[9] = 2;
    assert_false(parsed(RECEIVED(bytes)).has_information);
    /* not valid */
    bytes[9] = 10;
    bytes[10] = 0;
    assert_false(parsed(RECEIVED(bytes)).has_information);
}

static void test_progress_of_another_operation(void **state)
{
    static const uint8_t bytes[] = {0x72, 2, 4, 4, 0, 0, 0, 24,   0x0a, 6, 2, 4, 4, 0, 0x40, 0,
                                    0x0a, 6, 2, 4, 7, 0, 9, 0x99, 0x0a, 6, 2, 4, 4, 0, 9,    9};
    struct vst_scsi_sense sense = parsed(RECEIVED(bytes));

    (void)state;
    assert_true(sense.has_progress);
    assert_int_equal(sense.progress, 0x4000); /* the first */
    assert_false(parsed(scsi_view_of(bytes, 15)).has_progress);
}

/* SBC-3, 4.18.2 */
static void test_direct_access_descriptor(void **state)
{
    static const uint8_t bytes[] = {
        0x72, 0x04, 0x44, 0, 0, 0, 0, 0x20, 0x0d, 0x1e, 0xa0, 0, 0x80, 0, 3, 0x21, 0, 0, 0, 1,
        0,    0,    0,    2, 0, 0, 0, 0,    0,    0,    0,    5, 0,    0, 0, 0,    0, 0, 0, 0};
    struct vst_scsi_sense sense = parsed(RECEIVED(bytes));

    (void)state;
    assert_int_equal(sense.information, 0x100000002);
    assert_int_equal(sense.specific, 5);
    assert_int_equal(sense.retries, 3);
    assert_int_equal(sense.unit_code, 0x21);
    assert_true(sense.incorrect_length);
}

/* ------------------------------------------------------------------ texts */

static void says(struct vst_scsi_sense sense, const char *wanted)
{
    char text[VST_SCSI_SENSE_TEXT_BYTES];

    assert_int_equal(vst_scsi_sense_text(&sense, text, sizeof(text)), strlen(wanted));
    assert_string_equal(text, wanted);
}

static void test_texts(void **state)
{
    (void)state;
    says((struct vst_scsi_sense){.valid = true, .key = 3, .asc = 0x11},
         "MEDIUM ERROR, unrecovered read error (03/11/00)");
    says((struct vst_scsi_sense){.valid = true, .deferred = true, .key = 4, .asc = 0x44},
         "deferred HARDWARE ERROR, internal target failure (04/44/00)");
    says((struct vst_scsi_sense){.valid = true, .key = 3, .asc = 0x11, .ascq = 0x80},
         "MEDIUM ERROR (03/11/80)");
    says((struct vst_scsi_sense){.valid = true, .key = 4, .asc = 0x40, .ascq = 0x85},
         "HARDWARE ERROR, diagnostic failure on component (04/40/85)");
    says((struct vst_scsi_sense){.valid = true, .key = 11, .asc = 0x4d, .ascq = 0xff},
         "ABORTED COMMAND, tagged overlapped commands (0b/4d/ff)");
    says((struct vst_scsi_sense){.valid = true, .key = 0},
         "NO SENSE, no additional sense information (00/00/00)");
    says((struct vst_scsi_sense){0}, "no sense data");
}

/* The table is searched by halving: one entry out of order would be lost. None is cut. */
static void test_every_text_is_found(void **state)
{
    unsigned n = 0;

    (void)state;
    for (unsigned key = 0; key < VST_SCSI_N_KEYS; key++)
        for (unsigned code = 0; code < 0x10000; code++) {
            struct vst_scsi_sense sense = {.valid = true,
                                           .deferred = true,
                                           .key = (uint8_t)key,
                                           .asc = (uint8_t)(code >> 8),
                                           .ascq = (uint8_t)code};
            char text[VST_SCSI_SENSE_TEXT_BYTES];
            assert_true(vst_scsi_sense_text(&sense, text, sizeof(text)) < sizeof(text));
            n += key == 0 && vst_scsi_asc_text(sense.asc, sense.ascq) != NULL;
        }
    assert_int_equal(n, N_ENTRIES - 2 + 2 * 256); /* two fit every qualifier */
    assert_string_equal(vst_scsi_asc_text(0x74, 0), "security error");
    assert_null(vst_scsi_asc_text(0x75, 0));
    assert_null(vst_scsi_asc_text(0x00, 0x99));
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(vst_scsi_sense_key_name(VST_SCSI_UNIT_ATTENTION), "UNIT ATTENTION");
    assert_string_equal(vst_scsi_sense_key_name(VST_SCSI_COMPLETED), "COMPLETED");
    assert_string_equal(vst_scsi_sense_key_name(16), "unknown");
    assert_string_equal(vst_scsi_status_name(VST_SCSI_GOOD), "GOOD");
    assert_string_equal(vst_scsi_status_name(VST_SCSI_CHECK_CONDITION), "CHECK CONDITION");
    assert_string_equal(vst_scsi_status_name(VST_SCSI_CONDITION_MET), "CONDITION MET");
    assert_string_equal(vst_scsi_status_name(VST_SCSI_BUSY), "BUSY");
    assert_string_equal(vst_scsi_status_name(VST_SCSI_RESERVATION_CONFLICT),
                        "RESERVATION CONFLICT");
    assert_string_equal(vst_scsi_status_name(VST_SCSI_TASK_SET_FULL), "TASK SET FULL");
    assert_string_equal(vst_scsi_status_name(VST_SCSI_ACA_ACTIVE), "ACA ACTIVE");
    assert_string_equal(vst_scsi_status_name(VST_SCSI_TASK_ABORTED), "TASK ABORTED");
    assert_string_equal(vst_scsi_status_name(1), "unknown status");
    for (unsigned i = 0; i < VST_SCSI_N_RESPONSES; i++)
        assert_non_null(vst_scsi_response_name(i));
    assert_string_equal(vst_scsi_response_name(VST_SCSI_RESPONSE_BAD_TARGET), "no such target");
    assert_string_equal(vst_scsi_response_name(VST_SCSI_N_RESPONSES), "unknown response");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed_format),
        cmocka_unit_test(test_fixed_format_cut),
        cmocka_unit_test(test_fixed_format_shorter_than_received),
        cmocka_unit_test(test_information_that_is_not_valid),
        cmocka_unit_test(test_deferred_errors),
        cmocka_unit_test(test_marks_of_a_tape),
        cmocka_unit_test(test_single_bits),
        cmocka_unit_test(test_key_specific_bytes),
        cmocka_unit_test(test_what_is_no_sense_data),
        cmocka_unit_test(test_descriptor_format_whole_and_cut),
        cmocka_unit_test(test_descriptors_end_where_the_header_says),
        cmocka_unit_test(test_progress_of_another_operation),
        cmocka_unit_test(test_direct_access_descriptor),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_every_text_is_found),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
