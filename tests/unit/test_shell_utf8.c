/* SPDX-License-Identifier: BSD-2-Clause */
/* Names from disks, as they are printed and as JSON. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot/shell/json.h"
#include "boot/shell/utf8.h"

static void characters_are_told_from_bytes(void **state)
{
    static const struct {
        const char *text;
        size_t n; /* 0: it is none */
        uint32_t rune;
    } cases[] = {
        {"a", 1, 'a'},
        {"", 1, 0},
        {"\xc2\x80", 2, 0x80},
        {"\xdf\xbf", 2, 0x7ff},
        {"\xe0\xa0\x80", 3, 0x800},
        {"\xef\xbf\xbf", 3, 0xffff},
        {"\xf0\x90\x80\x80", 4, 0x10000},
        {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
        {"\x80", 0, 0},
        {"\xbf", 0, 0},
        {"\xc0\x80", 0, 0},
        {"\xc1\xbf", 0, 0}, /* longer than they need be */
        {"\xe0\x9f\xbf", 0, 0},
        {"\xf0\x8f\xbf\xbf", 0, 0},
        {"\xed\xa0\x80", 0, 0},
        {"\xed\xbf\xbf", 0, 0}, /* halves of pairs */
        {"\xf4\x90\x80\x80", 0, 0},
        {"\xff\xbf\xbf\xbf", 0, 0},
        {"\xc3", 0, 0},
        {"\xe2\x82", 0, 0},
        {"\xf0\x9f\x98", 0, 0},
        {"\xc3"
         "a",
         0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t rune;
        assert_int_equal(utf8_take(cases[i].text, &rune), cases[i].n);
        if (cases[i].n > 0)
            assert_int_equal(rune, cases[i].rune);
    }
}

/* What either prints. */
static char *printed(const char *text, int as_json)
{
    char *output = NULL;
    size_t n;
    FILE *real = stdout;
    struct json json;

    fflush(stdout);
    stdout = open_memstream(&output, &n);
    if (as_json) {
        json_open(&json);
        json_text(&json, "a", text);
        json_close(&json);
    } else {
        utf8_print(text);
    }
    fclose(stdout);
    stdout = real;
    return output;
}

static void names_do_not_steer_terminals(void **state)
{
    static const char *const cases[][2] = {
        {"Grüße 日本 😀", "Grüße 日本 😀"},
        {"\x1b[2J\r\n\x7f\t", "?[2J????"},
        {"\xc2\x9b"
         "2J",
         "?2J"}, /* the same order in one character */
        {"a\xe2\x80\xae"
         "b\xe2\x81\xa6"
         "c\xe2\x80\x8f\xef\xbb\xbf",
         "a?b?c??"},
        {"\xff\xfe\xc3x", "???x"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *output = printed(cases[i][0], 0);
        assert_string_equal(output, cases[i][1]);
        free(output);
    }
}

static void json_is_ascii(void **state)
{
    static const char *const cases[][2] = {
        {"a\"b\\c", "a\\\"b\\\\c"},       {"ü日\x1f\x7f", "\\u00fc\\u65e5\\u001f\\u007f"},
        {"😀", "\\ud83d\\ude00"},          {"\xf4\x8f\xbf\xbf", "\\udbff\\udfff"},
        {"\xff(\xc3", "\\u00ff(\\u00c3"}, /* a byte that is no character stays a number */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char expected[64];
        char *output = printed(cases[i][0], 1);
        snprintf(expected, sizeof(expected), "{\"a\":\"%s\"}\n", cases[i][1]);
        assert_string_equal(output, expected);
        free(output);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_are_told_from_bytes),
        cmocka_unit_test(names_do_not_steer_terminals),
        cmocka_unit_test(json_is_ascii),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
