/* SPDX-License-Identifier: BSD-2-Clause */
/* What the shell reads and writes as text: sizes, words, JSON, tables, dumps. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot/shell/hexdump.h"
#include "boot/shell/json.h"
#include "boot/shell/size.h"
#include "boot/shell/table.h"
#include "boot/shell/words.h"

/* Runs STATEMENTS with stdout caught, then compares. */
#define ASSERT_PRINTS(expected, statements)                                                        \
    do {                                                                                           \
        char *text_ = NULL;                                                                        \
        size_t bytes_ = 0;                                                                         \
        FILE *real_ = stdout;                                                                      \
        stdout = open_memstream(&text_, &bytes_);                                                  \
        {statements} fclose(stdout);                                                               \
        stdout = real_;                                                                            \
        assert_string_equal(text_, expected);                                                      \
        free(text_);                                                                               \
    } while (0)

static void sizes_are_read(void **state)
{
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {
        {"0", 0},
        {"512", 512},
        {"4k", 4096},
        {"4K", 4096},
        {"1M", 1u << 20},
        {"3g", 3ull << 30},
        {"2T", 2ull << 40},
        {"0x10", 16},
        {"0XfF", 255},
        {"0x10k", 16384},
        {"18446744073709551615", UINT64_MAX},
        {"0xffffffffffffffff", UINT64_MAX},
        {"16777215T", 16777215ull << 40},
        {"0018", 18},
    };
    uint64_t value;
    (void)state;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(size_parse(good[i].text, &value));
        assert_int_equal(value, good[i].value);
    }
}

static void nonsense_is_no_size(void **state)
{
    static const char *const bad[] = {
        "",
        "k",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1kk",
        "1kB",
        "0x",
        "0xg",
        "1.5G",
        "4q",
        "ff",
        "0x1 ",
        "18446744073709551616",
        "0x10000000000000000",
        "16777216T",
        "99999999999999999999",
        "18014398509481984k",
    };
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t value = 77;
        assert_false(size_parse(bad[i], &value));
        assert_int_equal(value, 77);
    }
}

static void sizes_are_written(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0"},           {512, "512"},           {1023, "1023"},      {1024, "1k"},
        {1536, "1.5k"},     {4096, "4k"},           {1u << 20, "1M"},    {3ull << 40, "3T"},
        {1048575, "1024k"}, {1000000000, "953.7M"}, {UINT64_MAX, "16E"},
    };
    char text[SIZE_TEXT_BYTES];
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(size_text(cases[i].bytes, text), cases[i].text);
}

static void durations_are_written(void **state)
{
    char text[SIZE_TEXT_BYTES];
    (void)state;

    assert_string_equal(duration_text(0, text), "0ns");
    assert_string_equal(duration_text(999, text), "999ns");
    assert_string_equal(duration_text(1234, text), "1.23us");
    assert_string_equal(duration_text(12345, text), "12.3us");
    assert_string_equal(duration_text(123456, text), "123us");
    assert_string_equal(duration_text(4560000, text), "4.56ms");
    assert_string_equal(duration_text(1200000000, text), "1.20s");
    assert_string_equal(duration_text(UINT64_MAX, text), "18446744073s");
}

static void scaling_is_exact(void **state)
{
    char text[SIZE_TEXT_BYTES];
    (void)state;

    assert_int_equal(scale_u64(7, 3, 2), 10);
    assert_int_equal(scale_u64(0, 5, 9), 0);
    assert_int_equal(scale_u64(UINT64_MAX, UINT64_MAX, UINT64_MAX), UINT64_MAX);
    assert_int_equal(scale_u64(UINT64_MAX, 1000, 1001), 18428315757951600014ull);
    assert_int_equal(scale_u64(UINT64_MAX, 2, 1), UINT64_MAX);
    assert_int_equal(scale_u64(1, 1, 0), UINT64_MAX);
    assert_string_equal(ratio_text(2, 32, 3, text), "0.062");
    assert_string_equal(ratio_text(5, 2, 0, text), "2");
    assert_string_equal(ratio_text(205, 100, 2, text), "2.05");
}

/* Writes each command as [word][word] and parts them by ';'; "!" for a line that is wrong. */
static void assert_words(const char *line, const char *expected)
{
    char copy[100], result[200] = "";
    char *words[101], *rest = copy;
    size_t n_words;

    snprintf(copy, sizeof(copy), "%s", line);
    assert_in_range(words_max(strlen(line)), 1, 101);
    while (rest != NULL) {
        if (!words_next_command(&rest, words, &n_words)) {
            strcat(result, "!");
            break;
        }
        assert_in_range(n_words, 0, words_max(strlen(line)));
        for (size_t i = 0; i < n_words; i++) {
            strcat(result, "[");
            strcat(result, words[i]);
            strcat(result, "]");
        }
        if (rest != NULL)
            strcat(result, ";");
    }
    assert_string_equal(result, expected);
}

static void lines_are_split(void **state)
{
    (void)state;
    assert_words("", "");
    assert_words("   ", "");
    assert_words("a", "[a]");
    assert_words("  a\tb  ", "[a][b]");
    assert_words("a;b", "[a];[b]");
    assert_words("a b ; c;", "[a][b];[c];");
    assert_words(";;a", ";;[a]");
    assert_words("a ;; b", "[a];;[b]");
    assert_words("a b c d e f", "[a][b][c][d][e][f]");
}

static void quotes_keep_together(void **state)
{
    (void)state;
    assert_words("echo 'a;  b' \"c d\"", "[echo][a;  b][c d]");
    assert_words("'' \"\"", "[][]");
    assert_words("a'b'\"c\"d", "[abcd]");
    assert_words("a\\ b \\;", "[a b][;]");
    assert_words("'a\\b'", "[a\\b]");
    assert_words("\"a\\\"b\"", "[a\"b]");
    assert_words("\"it's\"", "[it's]");
    assert_words("a; 'b", "[a];!");
    assert_words("\"b", "!");
    assert_words("a\\", "!");
}

static void json_has_commas_where_needed(void **state)
{
    struct json json;
    (void)state;

    ASSERT_PRINTS("{\"a\":1,\"b\":[],\"c\":[{},{\"d\":true}],\"e\":[\"x\",\"y\"],\"f\":1.5}\n", {
        json_open(&json);
        json_u64(&json, "a", 1);
        json_array_open(&json, "b");
        json_array_close(&json);
        json_array_open(&json, "c");
        json_object_open(&json, NULL);
        json_object_close(&json);
        json_object_open(&json, NULL);
        json_bool(&json, "d", true);
        json_object_close(&json);
        json_array_close(&json);
        json_array_open(&json, "e");
        json_text(&json, NULL, "x");
        json_text(&json, NULL, "y");
        json_array_close(&json);
        json_number(&json, "f", "1.5");
        json_close(&json);
    });
}

static void json_escapes_what_it_must(void **state)
{
    struct json json;
    (void)state;

    ASSERT_PRINTS("{\"s\":\"a\\\"b\\\\c\\u000a\\u001b[2J\\u007f\\u00ff/\"}\n", {
        json_open(&json);
        json_text(&json, "s", "a\"b\\c\n\x1b[2J\x7f\xff/");
        json_close(&json);
    });
}

static void table_aligns_and_disarms(void **state)
{
    static const struct table_column columns[] = {{"NAME", false}, {"SIZE", true}, {"WHAT", false}};
    struct table table;
    (void)state;

    ASSERT_PRINTS("NAME      SIZE WHAT\n"
                  "vda        256 one two\n"
                  "long-name   1k ?[2J\n",
                  {
                      table_begin(&table, columns, 3);
                      table_cell(&table, "vda");
                      table_cell(&table, "%d", 256);
                      table_cell(&table, "one two");
                      table_cell(&table, "long-name");
                      table_cell(&table, "1k");
                      table_cell(&table, "\x1b[2J");
                      table_end(&table);
                  });
}

static void dump_looks_like_hexdump(void **state)
{
    struct hexdump dump = {0};
    uint8_t data[70] = "Hello, disk!\n\x7f\x80\xff";
    (void)state;

    data[69] = 0xaa;
    ASSERT_PRINTS("000001fe  48 65 6c 6c 6f 2c 20 64  69 73 6b 21 0a 7f 80 ff  |Hello, disk!....|\n"
                  "0000020e  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n"
                  "*\n"
                  "0000023e  00 00 00 00 00 aa                                 |......|\n"
                  "00000244\n",
                  {
                      hexdump_add(&dump, 0x1fe, data, 32);
                      hexdump_add(&dump, 0x21e, data + 32, sizeof(data) - 32);
                      hexdump_end(&dump);
                  });
}

static void dump_widens_for_large_disks(void **state)
{
    struct hexdump dump = {0};
    (void)state;

    ASSERT_PRINTS("2ffffffff00  41                                                |A|\n"
                  "2ffffffff01\n",
                  {
                      hexdump_add(&dump, 0x2ffffffff00, (const uint8_t *)"A", 1);
                      hexdump_end(&dump);
                  });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read),
        cmocka_unit_test(nonsense_is_no_size),
        cmocka_unit_test(sizes_are_written),
        cmocka_unit_test(durations_are_written),
        cmocka_unit_test(scaling_is_exact),
        cmocka_unit_test(lines_are_split),
        cmocka_unit_test(quotes_keep_together),
        cmocka_unit_test(json_has_commas_where_needed),
        cmocka_unit_test(json_escapes_what_it_must),
        cmocka_unit_test(table_aligns_and_disarms),
        cmocka_unit_test(dump_looks_like_hexdump),
        cmocka_unit_test(dump_widens_for_large_disks),
    };
    return cmocka_run_group_tests_name("shell_text", tests, NULL, NULL);
}
