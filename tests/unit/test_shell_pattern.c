/* SPDX-License-Identifier: BSD-2-Clause */
/* The pattern of fill and verify, against vectors that a Python program computed on its own. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "boot/shell/pattern.h"

static void pattern_is_the_agreed_one(void **state)
{
    static const struct {
        uint64_t offset, seed;
        uint8_t bytes[16];
    } vectors[] = {
        {0, 0, {0}},
        {0, 1, {0, 0, 0, 0, 0, 0, 0, 0, 0xe5, 0x05, 0x0b, 0x10, 0x1d, 0x16, 0x92, 0x56}},
        {16, 0, {0x10, 0, 0, 0, 0, 0, 0, 0, 0xab, 0x80, 0x1d, 0x97, 0x97, 0x3f, 0xbb, 0x84}},
        {4096, 7, {0, 0x10, 0, 0, 0, 0, 0, 0, 0x6f, 0x8b, 0x99, 0x9b, 0x5e, 0x42, 0x0a, 0xbe}},
        {0x123456789ab0,
         0xdeadbeefcafef00d,
         {0xb0, 0x9a, 0x78, 0x56, 0x34, 0x12, 0, 0, 0x7e, 0x3d, 0xac, 0xca, 0x18, 0xb9, 0xbe,
          0xc4}},
        {UINT64_MAX - 15,
         UINT64_MAX,
         {0xf0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x28, 0x78, 0x25, 0xf3, 0x16, 0x05, 0xe7,
          0xef}},
    };
    uint8_t data[16];
    (void)state;

    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        pattern_fill(vectors[i].seed, vectors[i].offset, data, sizeof(data));
        assert_memory_equal(data, vectors[i].bytes, sizeof(data));
    }
}

static void any_range_is_a_piece_of_the_whole(void **state)
{
    uint8_t whole[96], piece[96];
    (void)state;

    pattern_fill(3, 4096, whole, sizeof(whole));
    for (size_t first = 0; first < 40; first++)
        for (size_t bytes = 0; bytes < 40; bytes++) {
            memset(piece, 0xcc, sizeof(piece));
            pattern_fill(3, 4096 + first, piece, bytes);
            assert_memory_equal(piece, whole + first, bytes);
            assert_int_equal(piece[bytes], 0xcc);
            assert_int_equal(pattern_first_difference(3, 4096 + first, piece, bytes), bytes);
            assert_int_equal(pattern_byte(3, 4096 + first), whole[first]);
        }
}

static void every_wrong_byte_is_found(void **state)
{
    uint8_t data[67];
    (void)state;

    for (size_t wrong = 0; wrong < sizeof(data); wrong++)
        for (unsigned bit = 0; bit < 8; bit++) {
            pattern_fill(9, 1021, data, sizeof(data));
            data[wrong] ^= (uint8_t)(1u << bit);
            data[sizeof(data) - 1] ^= wrong < sizeof(data) - 1; /* a later one changes nothing */
            assert_int_equal(pattern_first_difference(9, 1021, data, sizeof(data)), wrong);
        }
}

static void assert_explained(const uint8_t *data, size_t bytes, const char *expected)
{
    char text[100];
    size_t wrong = pattern_first_difference(5, 8192, data, bytes);

    assert_true(wrong < bytes);
    pattern_explain(5, 8192, data, bytes, wrong, text, sizeof(text));
    assert_string_equal(text, expected);
}

static void misplaced_data_tells_where_it_belongs(void **state)
{
    uint8_t data[512];
    (void)state;

    pattern_fill(5, 8192, data, sizeof(data));
    pattern_fill(5, 123456, data + 64, 16);
    assert_explained(data, sizeof(data), "it holds the pattern of offset 123456");

    pattern_fill(77, 8192, data, sizeof(data));
    assert_explained(data, sizeof(data), "it holds the pattern of offset 8192 with seed=77");

    pattern_fill(5, 8192, data, sizeof(data));
    pattern_fill(78, 8192 + 480, data + 480, 32);
    assert_explained(data, sizeof(data), "it holds the pattern of offset 8672 with seed=78");

    memset(data + 256, 0, 64);
    assert_explained(data, sizeof(data), "it holds zeros");
}

static void nothing_is_invented(void **state)
{
    uint8_t data[512];
    (void)state;

    /* One damaged byte is no other seed, though any 16 bytes decode to some. */
    pattern_fill(5, 8192, data, sizeof(data));
    data[40] ^= 1;
    assert_explained(data, sizeof(data), "");
    memset(data, 0xe5, sizeof(data));
    assert_explained(data, sizeof(data), "");
    assert_explained(data, 7, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pattern_is_the_agreed_one),
        cmocka_unit_test(any_range_is_a_piece_of_the_whole),
        cmocka_unit_test(every_wrong_byte_is_found),
        cmocka_unit_test(misplaced_data_tells_where_it_belongs),
        cmocka_unit_test(nothing_is_invented),
    };
    return cmocka_run_group_tests_name("shell_pattern", tests, NULL, NULL);
}
