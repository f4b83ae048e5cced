/* SPDX-License-Identifier: BSD-2-Clause */
/* Mode parameters, and what CD and DVD drives tell. */
#include "scsi/media.h"
#include "scsi/mode.h"
#include "tests/unit/scsi_received.h"

/* ------------------------------------------------------------------ mode parameters */

/* Write protected, DPO and FUA; a block descriptor; error recovery page, a subpage, caching page. */
#define PAGES                                                                                      \
    0, 0, 0, 0, 0, 0, 2, 0,                                /* descriptor */                        \
        0x81, 0x02, 0xaa, 0xbb,                            /* page 1 */                            \
        0x4a, 0x01, 0, 3, 1, 2, 3,                         /* page 0ah, subpage 1 */               \
        0x88, 0x12, 0x04, 0, 0xff, 0xff, 0, 0, 1, 2, 3, 4, /* page 8 */                            \
        0, 0, 0, 0, 0, 0, 0, 9
#define N_PAGES_BYTES (8u + 4u + 7u + 20u)

static const uint8_t six[] = {3 + N_PAGES_BYTES, 0, 0x90, 8, PAGES};
static const uint8_t ten[] = {0, 6 + N_PAGES_BYTES, 0, 0x90, 0, 0, 0, 8, PAGES};

static void look_at_mode(struct scsi_view received, enum scsi_mode_form form, size_t header_bytes)
{
    struct scsi_mode m;
    size_t n = received.bytes;

    if (n < header_bytes + 8) {
        assert_int_equal(vst_scsi_mode_parse(received, form, &m), VST_ERR_MALFORMED);
        return;
    }
    assert_int_equal(vst_scsi_mode_parse(received, form, &m), VST_OK);
    assert_true(m.write_protected && m.can_fua);
    assert_int_equal(m.header_bytes, header_bytes);
    assert_int_equal(m.pages.bytes, n - header_bytes - 8);
    /* whole or not at all */
    assert_int_equal(m.has_caching, n == header_bytes + N_PAGES_BYTES);
    assert_int_equal(m.write_cache, m.has_caching);
    assert_int_equal(m.caching.bytes, m.has_caching ? 20 : 0);
}

static void look_at_six(struct scsi_view received)
{
    look_at_mode(received, SCSI_MODE_6, 4);
}
static void look_at_ten(struct scsi_view received)
{
    look_at_mode(received, SCSI_MODE_10, 8);
}

static void test_mode_whole_and_cut(void **state)
{
    (void)state;
    AT_EVERY_LENGTH(six, look_at_six);
    AT_EVERY_LENGTH(ten, look_at_ten);
}

static struct scsi_mode parsed(const uint8_t *bytes, size_t n)
{
    struct scsi_mode m;

    assert_int_equal(vst_scsi_mode_parse(scsi_view_of(bytes, n), SCSI_MODE_6, &m), VST_OK);
    return m;
}

static void test_mode_lengths_that_lie(void **state)
{
    uint8_t bytes[sizeof(six)];
    struct scsi_mode m;

    (void)state;
    memcpy(bytes, six, sizeof(bytes));
    bytes[0] = 255; /* more than received */
    assert_true(parsed(bytes, sizeof(bytes)).has_caching);
    bytes[0] = (uint8_t)(six[0] - 1); /* less: the page is cut */
    assert_false(parsed(bytes, sizeof(bytes)).has_caching);
    bytes[0] = 2; /* not even the header */
    bytes[3] = 0;
    assert_int_equal(vst_scsi_mode_parse(RECEIVED(bytes), SCSI_MODE_6, &m), VST_ERR_MALFORMED);
    memcpy(bytes, six, sizeof(bytes));
    bytes[3] = 255; /* descriptors beyond the end */
    assert_int_equal(vst_scsi_mode_parse(RECEIVED(bytes), SCSI_MODE_6, &m), VST_ERR_MALFORMED);
}

static void test_a_unit_without_a_cache(void **state)
{
    static const uint8_t bare[] = {3, 0, 0, 0};
    static const uint8_t off[] = {15, 0, 0, 0, 0x08, 0x0a, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t sub[] = {11, 0, 0, 0, 0x48, 0x01, 0, 4, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t empty[] = {9, 0, 0, 0, 0x08, 0, 0x08, 2, 0x04, 0};
    static const uint8_t zero[] = {7, 0, 0, 0, 0, 0, 0x08, 0};
    struct scsi_mode m = parsed(bare, sizeof(bare));
    uint8_t list[32];
    size_t n;

    (void)state;
    assert_false(m.write_protected || m.can_fua || m.has_caching || m.write_cache);
    assert_int_equal(vst_scsi_mode_put_write_cache(&m, true, list, sizeof(list), &n),
                     VST_ERR_UNSUPPORTED);
    m = parsed(off, sizeof(off));
    assert_true(m.has_caching);
    assert_false(m.write_cache || m.read_cache);
    assert_false(parsed(sub, sizeof(sub)).has_caching);    /* a subpage of another meaning */
    assert_true(parsed(empty, sizeof(empty)).write_cache); /* an empty page, then a real one */
    assert_false(parsed(zero, sizeof(zero)).has_caching);
}

static void test_the_write_cache_is_switched(void **state)
{
    static const uint8_t on[24] = {0, 0, 0, 0, 0x08, 0x12, 0x04, 0, 0xff, 0xff, 0, 0,
                                   1, 2, 3, 4, 0,    0,    0,    0, 0,    0,    0, 9};
    struct scsi_mode m = parsed(six, sizeof(six));
    uint8_t list[32];
    size_t n = 0;

    (void)state;
    memset(list, 0xee, sizeof(list));
    assert_int_equal(vst_scsi_mode_put_write_cache(&m, true, list, sizeof(list), &n), VST_OK);
    assert_int_equal(n, sizeof(on));
    assert_memory_equal(list, on, sizeof(on));
    assert_int_equal(vst_scsi_mode_put_write_cache(&m, false, list, n, &n), VST_OK);
    assert_int_equal(list[6], 0);
    assert_int_equal(list[4], 0x08);
    assert_int_equal(vst_scsi_mode_put_write_cache(&m, false, list, n - 1, &n), VST_ERR_TOO_LARGE);
    assert_int_equal(vst_scsi_mode_parse(RECEIVED(ten), SCSI_MODE_10, &m), VST_OK);
    assert_int_equal(vst_scsi_mode_put_write_cache(&m, true, list, sizeof(list), &n), VST_OK);
    assert_int_equal(n, 28);
    assert_memory_equal(list + 8, on + 4, 20);
}

/* Each bit alone means one thing and no other, and all others are left as they are. */
static void test_single_bits(void **state)
{
    (void)state;
    for (unsigned bit = 1; bit < 0x100; bit <<= 1) {
        uint8_t bytes[8] = {7, 0, (uint8_t)bit, 0, 0x08, 2, (uint8_t)bit, 0x55}, list[8];
        struct scsi_mode m = parsed(bytes, sizeof(bytes));
        size_t n;
        assert_int_equal(m.write_protected, bit == 0x80);
        assert_int_equal(m.can_fua, bit == 0x10);
        assert_int_equal(m.write_cache, bit == 0x04);
        assert_int_equal(m.read_cache, bit != 0x01);
        assert_int_equal(vst_scsi_mode_put_write_cache(&m, true, list, sizeof(list), &n), VST_OK);
        assert_int_equal(list[6], bit | 0x04);
        assert_int_equal(vst_scsi_mode_put_write_cache(&m, false, list, sizeof(list), &n), VST_OK);
        assert_int_equal(list[6], bit & ~0x04u);
    }
}

/* ------------------------------------------------------------------ media events */

static const uint8_t event[] = {0, 6, 4, 0x10, 2, 2, 0, 0, 0xee};

static void look_at_event(struct scsi_view received)
{
    struct scsi_media_status m;
    enum vst_status status = vst_scsi_media_status_parse(received, &m);

    assert_int_equal(status, received.bytes < 6 ? VST_ERR_MALFORMED : VST_OK);
    if (status != VST_OK)
        return;
    assert_int_equal(m.event, SCSI_MEDIA_NEW);
    assert_true(m.present);
    assert_false(m.door_open);
}

static void test_media_events(void **state)
{
    uint8_t bytes[8];
    struct scsi_media_status m;

    (void)state;
    AT_EVERY_LENGTH(event, look_at_event);
    memcpy(bytes, event, sizeof(bytes));
    bytes[4] = SCSI_MEDIA_EJECT_WANTED;
    bytes[5] = 1;
    assert_int_equal(vst_scsi_media_status_parse(RECEIVED(bytes), &m), VST_OK);
    assert_int_equal(m.event, SCSI_MEDIA_EJECT_WANTED);
    assert_true(m.door_open);
    assert_false(m.present);
    bytes[4] = SCSI_MEDIA_N_EVENTS; /* the first that is not known */
    assert_int_equal(vst_scsi_media_status_parse(RECEIVED(bytes), &m), VST_OK);
    assert_int_equal(m.event, SCSI_MEDIA_SAME);
    bytes[2] = 0x84; /* it has no such events */
    assert_int_equal(vst_scsi_media_status_parse(RECEIVED(bytes), &m), VST_ERR_UNSUPPORTED);
    bytes[2] = 1; /* of another class */
    assert_int_equal(vst_scsi_media_status_parse(RECEIVED(bytes), &m), VST_ERR_UNSUPPORTED);
    bytes[2] = 4;
    bytes[1] = 3; /* it says that less is there than there is */
    assert_int_equal(vst_scsi_media_status_parse(RECEIVED(bytes), &m), VST_ERR_MALFORMED);
}

/* ------------------------------------------------------------------ table of contents */

static const uint8_t toc_bytes[] = {0, 26, 1, 2, 0, 0x14, 1, 0,    0,    0, 0, 0, 0, 0x10,
                                    2, 0,  0, 1, 0, 0,    0, 0x14, 0xaa, 0, 0, 2, 0, 1};

static void look_at_toc(struct scsi_view received)
{
    struct scsi_toc t;
    size_t n = received.bytes;

    if (n < 4) {
        assert_int_equal(vst_scsi_toc_parse(received, &t), VST_ERR_MALFORMED);
        return;
    }
    assert_int_equal(vst_scsi_toc_parse(received, &t), VST_OK);
    assert_int_equal(t.first_track, 1);
    assert_int_equal(t.last_track, 2);
    assert_int_equal(t.n_entries, (n - 4) / 8);
    for (unsigned i = 0; i < t.n_entries; i++) {
        struct scsi_track track = vst_scsi_toc_track(&t, i);
        assert_int_equal(track.number, i == 2 ? SCSI_TRACK_LEAD_OUT : i + 1);
        assert_int_equal(track.is_data, i != 1);
        assert_int_equal(track.start_block, i == 0 ? 0 : i == 1 ? 0x10000 : 0x20001);
    }
    assert_true(vst_scsi_toc_track(&t, t.n_entries).number <=
                2); /* of what is cut, what there is */
}

static void test_table_of_contents(void **state)
{
    static const char *const bad[] = {"\0\2\0\1", "\0\2\2\1", "\0\2\1\144", "\0\0\1\1"};
    uint8_t large[4 + 8 * 128] = {0xff, 0xff, 1, 99};
    struct scsi_toc t;

    (void)state;
    at_every_length(toc_bytes, 4 + 2 * 8, look_at_toc);
    assert_int_equal(vst_scsi_toc_parse(RECEIVED(toc_bytes), &t), VST_OK);
    assert_int_equal(vst_scsi_toc_track(&t, 2).number, SCSI_TRACK_LEAD_OUT);
    assert_int_equal(vst_scsi_toc_track(&t, 2).start_block, 0x20001);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(bad); i++)
        assert_int_equal(vst_scsi_toc_parse(scsi_view_of(bad[i], 4), &t), VST_ERR_MALFORMED);
    assert_int_equal(vst_scsi_toc_parse(RECEIVED(large), &t), VST_OK);
    assert_int_equal(t.n_entries, 100);
    large[3] = 1; /* one track, as every data CD has */
    assert_int_equal(vst_scsi_toc_parse(RECEIVED(large), &t), VST_OK);
}

/* ------------------------------------------------------------------ features */

static const uint8_t configuration[] = {0, 0, 0, 24, 0,    0, 0, 0x10, 0, 0, 3, 4,    0, 8,
                                        1, 0, 0, 3,  0x07, 4, 9, 9,    9, 9, 0, 0x10, 0, 0};

static void look_at_configuration(struct scsi_view received)
{
    struct scsi_configuration c;
    struct scsi_feature f;
    size_t n = received.bytes;

    if (n < 8) {
        assert_int_equal(vst_scsi_configuration_parse(received, &c), VST_ERR_MALFORMED);
        return;
    }
    assert_int_equal(vst_scsi_configuration_parse(received, &c), VST_OK);
    assert_int_equal(c.profile, 0x10);
    assert_int_equal(c.whole_bytes, 28);
    assert_int_equal(vst_scsi_find_feature(&c, SCSI_FEATURE_PROFILES, &f), n >= 16);
    assert_int_equal(vst_scsi_find_feature(&c, SCSI_FEATURE_REMOVABLE, &f), n >= 24);
    assert_int_equal(vst_scsi_find_feature(&c, SCSI_FEATURE_RANDOM_READ, &f), n >= 28);
    assert_false(vst_scsi_find_feature(&c, SCSI_FEATURE_RANDOM_WRITE, &f));
}

static void test_features(void **state)
{
    uint8_t bytes[sizeof(configuration)];
    struct scsi_configuration c;
    struct scsi_feature f;

    (void)state;
    AT_EVERY_LENGTH(configuration, look_at_configuration);
    assert_int_equal(vst_scsi_configuration_parse(RECEIVED(configuration), &c), VST_OK);
    assert_true(vst_scsi_find_feature(&c, SCSI_FEATURE_REMOVABLE, &f));
    assert_true(f.current);
    assert_int_equal(f.data.bytes, 4);
    assert_int_equal(scsi_u8(f.data, 0), 9);
    assert_true(vst_scsi_find_feature(&c, SCSI_FEATURE_RANDOM_READ, &f));
    assert_false(f.current);
    memcpy(bytes, configuration, sizeof(bytes));
    for (unsigned bit = 1; bit < 0x100; bit <<= 1) {
        bytes[18] = (uint8_t)bit;
        assert_int_equal(vst_scsi_configuration_parse(RECEIVED(bytes), &c), VST_OK);
        assert_true(vst_scsi_find_feature(&c, SCSI_FEATURE_REMOVABLE, &f));
        assert_int_equal(f.current, bit == 1);
    }
    memset(bytes, 0xff, 4); /* more than the command could ask for */
    assert_int_equal(vst_scsi_configuration_parse(RECEIVED(bytes), &c), VST_OK);
    assert_int_equal(c.whole_bytes, UINT16_MAX);
    memcpy(bytes, "\0\0\0\3", 4); /* less than its own header */
    assert_int_equal(vst_scsi_configuration_parse(RECEIVED(bytes), &c), VST_ERR_MALFORMED);
    memcpy(bytes, "\0\0\0\x0c", 4); /* ends behind the first feature */
    assert_int_equal(vst_scsi_configuration_parse(RECEIVED(bytes), &c), VST_OK);
    assert_true(vst_scsi_find_feature(&c, SCSI_FEATURE_PROFILES, &f));
    assert_false(vst_scsi_find_feature(&c, SCSI_FEATURE_REMOVABLE, &f));
}

static void test_names_of_profiles(void **state)
{
    static const struct {
        uint16_t profile;
        const char *name;
    } all[] = {
        {0x00, "no medium"}, {0x08, "CD-ROM"}, {0x09, "CD-R"},    {0x0a, "CD-RW"},
        {0x10, "DVD-ROM"},   {0x11, "DVD-R"},  {0x12, "DVD-RAM"}, {0x1a, "DVD+RW"},
        {0x1b, "DVD+R"},     {0x40, "BD-ROM"}, {0x41, "BD-R"},    {0x43, "BD-RE"},
        {0x99, "unknown"},
    };

    (void)state;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(all); i++)
        assert_string_equal(vst_scsi_profile_name(all[i].profile), all[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mode_whole_and_cut),
        cmocka_unit_test(test_mode_lengths_that_lie),
        cmocka_unit_test(test_a_unit_without_a_cache),
        cmocka_unit_test(test_the_write_cache_is_switched),
        cmocka_unit_test(test_single_bits),
        cmocka_unit_test(test_media_events),
        cmocka_unit_test(test_table_of_contents),
        cmocka_unit_test(test_features),
        cmocka_unit_test(test_names_of_profiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
