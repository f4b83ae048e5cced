/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/common: text for log lines, names of statuses. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include <vstor/log.h>

static void check(const char *want, size_t want_length, const char *text, size_t length)
{
    assert_string_equal(text, want);
    assert_int_equal(length, want_length);
}

#define CHECK(want, ...)                                                                           \
    do {                                                                                           \
        char text[64];                                                                             \
        size_t length = vst_format(text, sizeof(text), __VA_ARGS__);                               \
        check(want, sizeof(want) - 1, text, length);                                               \
    } while (0)

static void test_conversions(void **state)
{
    (void)state;
    CHECK("plain", "plain");
    CHECK("a b", "%s %c", "a", 'b');
    CHECK("-5 5", "%d %u", -5, 5u);
    CHECK("-9223372036854775808", "%ld", (long)INT64_MIN);
    CHECK("18446744073709551615", "%lu", (unsigned long)UINT64_MAX);
    CHECK("deadBEEF", "%x%X", 0xdeadu, 0xbeefu);
    CHECK("0007|   7|7   |", "%04u|%4u|%-4u|", 7u, 7u, 7u);
    CHECK("-0007", "%05d", -7);
    CHECK("ab|  ab|ab  ", "%.2s|%4.2s|%-4.2s", "abc", "abc", "abc");
    CHECK("   7|7   |0007|ab|  ab|", "%*u|%-*u|%0*u|%.*s|%*.*s|", 4, 7u, 4, 7u, 4, 7u, 2, "abc", 4,
          2, "abc");
    CHECK("7|", "%*u|%.*s", -1, 7u, -1, "abc");
    CHECK("100%", "%d%%", 100);
    CHECK("3", "%zu", (size_t)3);
    CHECK("10", "%p", (void *)16);
}

static void test_text_is_cut_and_ended(void **state)
{
    char text[5] = "xxxx";

    (void)state;
    assert_int_equal(vst_format(text, sizeof(text), "%s", "abcdefgh"), 8);
    assert_string_equal(text, "abcd");
    assert_int_equal(vst_format(NULL, 0, "%u", 123u), 3);
}

static void test_every_status_has_a_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < VST_N_STATUS; i++) {
        assert_non_null(vst_status_name((enum vst_status)i));
        assert_non_null(vst_status_text((enum vst_status)i));
    }
    assert_string_equal(vst_status_name((enum vst_status)999), "unknown");
    assert_string_equal(vst_status_text((enum vst_status)999), "unknown status");
    assert_string_equal(vst_status_name(VST_ERR_READ_ONLY), "read_only");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conversions),
        cmocka_unit_test(test_text_is_cut_and_ended),
        cmocka_unit_test(test_every_status_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
