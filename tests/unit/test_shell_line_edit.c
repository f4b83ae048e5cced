/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The line editor, judged by what a terminal would show: its output is fed to a small model of one,
 * so that the tests say what people see and not by which sequences it came about.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot/shell/line_edit.h"

#define UP     "\x1b[A"
#define DOWN   "\x1b[B"
#define RIGHT  "\x1b[C"
#define LEFT   "\x1b[D"
#define HOME   "\x1b[H"
#define END    "\x1b[F"
#define DELETE "\x1b[3~"

struct terminal {
    char row[LINE_EDIT_COLUMNS + 1];
    size_t column;
    unsigned n_lines, n_bells, n_overruns;
    char escape[16];
    size_t escape_bytes;
};

static void terminal_escape(struct terminal *terminal, char last)
{
    if (last == 'K')
        memset(terminal->row + terminal->column, ' ', LINE_EDIT_COLUMNS - terminal->column);
    else if (last == 'C')
        terminal->column += strtoul(terminal->escape + 2, NULL, 10);
    else if (last == 'J')
        memset(terminal->row, ' ', LINE_EDIT_COLUMNS);
    else if (last == 'H')
        terminal->column = 0;
    terminal->escape_bytes = 0;
}

static void terminal_byte(struct terminal *terminal, char byte)
{
    if (terminal->escape_bytes > 0 || byte == 0x1b) {
        terminal->escape[terminal->escape_bytes++] = byte;
        terminal->escape[terminal->escape_bytes] = '\0';
        if (terminal->escape_bytes > 2 && byte >= 0x40)
            terminal_escape(terminal, byte);
        return;
    }
    if (byte == '\r') {
        terminal->column = 0;
    } else if (byte == '\n') {
        terminal->n_lines++;
        memset(terminal->row, ' ', LINE_EDIT_COLUMNS);
    } else if (byte == '\a') {
        terminal->n_bells++;
    } else if (terminal->column < LINE_EDIT_COLUMNS) {
        terminal->row[terminal->column++] = byte;
        terminal->n_overruns += terminal->column == LINE_EDIT_COLUMNS;
    }
}

struct fixture {
    struct terminal terminal;
    struct history history;
    struct line_edit_config config;
    struct line_edit edit;
    enum line_edit_event event;
};

static void put(void *ctx, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        terminal_byte(ctx, bytes[i]);
}

static void complete(void *ctx, const char *line, size_t start, const char *word,
                     line_edit_candidate *candidate, void *taker)
{
    static const char *const words[] = {"read", "reboot", "verify", "vda", "vdb", "rw="};
    (void)ctx;
    (void)line;
    (void)start;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strncmp(words[i], word, strlen(word)) == 0)
            candidate(taker, words[i]);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    memset(f->terminal.row, ' ', LINE_EDIT_COLUMNS);
    f->config = (struct line_edit_config){
        .prompt = "> ",
        .ctx = &f->terminal,
        .put = put,
        .complete = complete,
        .history = &f->history,
    };
    line_edit_init(&f->edit, &f->config);
    line_edit_begin(&f->edit);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    history_clear(&f->history);
    free(f);
    return 0;
}

static void type(struct fixture *f, const char *bytes)
{
    for (; *bytes != '\0'; bytes++)
        f->event = line_edit_feed(&f->edit, (unsigned char)*bytes);
}

/* The screen's row without trailing blanks, and the cursor as a column. */
static void assert_screen(struct fixture *f, const char *row, size_t column)
{
    char seen[LINE_EDIT_COLUMNS + 1];
    size_t length = LINE_EDIT_COLUMNS;

    memcpy(seen, f->terminal.row, LINE_EDIT_COLUMNS);
    while (length > 0 && seen[length - 1] == ' ')
        length--;
    seen[length] = '\0';
    assert_string_equal(seen, row);
    assert_int_equal(f->terminal.column, column);
    assert_int_equal(f->terminal.n_overruns, 0);
}

static void assert_line(struct fixture *f, const char *keys, const char *line)
{
    line_edit_begin(&f->edit);
    type(f, keys);
    type(f, "\r");
    assert_int_equal(f->event, LINE_EDIT_DONE);
    assert_string_equal(f->edit.text, line);
}

static void typing_shows_and_gives_the_line(void **state)
{
    struct fixture *f = *state;

    type(f, "lsblk");
    assert_int_equal(f->event, LINE_EDIT_MORE);
    assert_screen(f, "> lsblk", 7);
    type(f, "\r");
    assert_int_equal(f->event, LINE_EDIT_DONE);
    assert_string_equal(f->edit.text, "lsblk");
    assert_int_equal(f->terminal.n_lines, 1);
}

static void keys_move_and_change(void **state)
{
    struct fixture *f = *state;

    assert_line(f, "ac" LEFT "b", "abc");
    assert_line(f, "bc" HOME "a" END "d", "abcd");
    assert_line(f, "bc\x1b[1~a\x1b[4~d", "abcd");
    assert_line(f, "bc\x1bOHa\x1bOFd", "abcd");
    assert_line(f,
                "bc\x01"
                "a\x05"
                "d",
                "abcd");
    assert_line(f, "abxc" LEFT "\x7f", "abc");
    assert_line(f, "abxc" LEFT "\b", "abc");
    assert_line(f, "xabc" HOME DELETE, "abc");
    assert_line(f, "xabc\x01\x04", "abc");
    assert_line(f, "abcdef" LEFT LEFT LEFT "\x0b", "abc");
    assert_line(f, "xyzabc" LEFT LEFT LEFT "\x15", "abc");
    assert_line(f, "one two  \x17", "one ");
    assert_line(f,
                "one two"
                "\x1b"
                "bX",
                "one Xtwo");
    assert_line(f, "one two\x1b[1;5DX", "one Xtwo");
    assert_line(f, "one two" HOME "\x1b[1;5CX", "oneX two");
    assert_line(f,
                "one two" HOME "\x1b"
                "fX",
                "oneX two");
    assert_line(f,
                "ab\x02\x02" RIGHT "\x06"
                "c",
                "abc");
}

static void screen_follows_changes(void **state)
{
    struct fixture *f = *state;

    type(f, "abcdef" LEFT LEFT);
    assert_screen(f, "> abcdef", 6);
    type(f, "X");
    assert_screen(f, "> abcdXef", 7);
    type(f, "\x7f\x7f");
    assert_screen(f, "> abcef", 5);
    type(f, "\x0b");
    assert_screen(f, "> abc", 5);
    type(f, "\x0c");
    assert_screen(f, "> abc", 5);
}

static void edges_ring_and_change_nothing(void **state)
{
    struct fixture *f = *state;

    type(f, "\x7f" DELETE "\x17\x0b\x15");
    assert_int_equal(f->terminal.n_bells, 5);
    type(f, LEFT RIGHT UP DOWN);
    assert_int_equal(f->terminal.n_bells, 7);
    assert_screen(f, ">", 2);
}

static void unknown_sequences_are_swallowed(void **state)
{
    struct fixture *f = *state;

    assert_line(f, "a\x1b[15~b\x1b[200;5;3xc\x1bOPd\x1bxe\x1b[?25lf", "abcdef");
    assert_line(f, "a\x1b\x1b[Db", "ba");
    assert_line(f, "a\x1b[99999999999999999999~b", "ab");
    assert_line(f, "a\x1b[3", "a"); /* Enter ends also half a sequence */
}

static void lone_escape_times_out(void **state)
{
    struct fixture *f = *state;

    type(f, "a\x1b");
    assert_true(line_edit_in_escape(&f->edit));
    line_edit_time_out(&f->edit);
    assert_false(line_edit_in_escape(&f->edit));
    type(f, "[A");
    assert_string_equal(f->edit.text, "a[A");
}

static void control_c_and_d_leave(void **state)
{
    struct fixture *f = *state;

    type(f, "abc\x03");
    assert_int_equal(f->event, LINE_EDIT_CANCEL);
    line_edit_begin(&f->edit);
    assert_string_equal(f->edit.text, "");
    type(f, "\x04");
    assert_int_equal(f->event, LINE_EDIT_END);
}

static void all_line_ends_count_once(void **state)
{
    struct fixture *f = *state;

    type(f, "a\r");
    assert_int_equal(f->event, LINE_EDIT_DONE);
    line_edit_begin(&f->edit);
    type(f, "\n");
    assert_int_equal(f->event, LINE_EDIT_MORE);
    type(f, "\n");
    assert_int_equal(f->event, LINE_EDIT_DONE);
}

static void long_lines_scroll(void **state)
{
    struct fixture *f = *state;
    char digits[201];

    for (unsigned i = 0; i < 200; i++)
        digits[i] = (char)('0' + i % 10);
    digits[200] = '\0';
    type(f, digits);
    assert_string_equal(f->edit.text, digits);
    assert_int_equal(f->terminal.n_overruns, 0);
    assert_int_equal(f->terminal.row[f->terminal.column - 1], '9');
    type(f, "\x01");
    assert_int_equal(f->terminal.column, 2);
    assert_memory_equal(f->terminal.row, "> 0123456789", 12);
    for (unsigned i = 0; i < 150; i++) {
        assert_int_equal(f->terminal.row[f->terminal.column], '0' + i % 10);
        type(f, RIGHT);
        assert_int_equal(f->terminal.n_overruns, 0);
    }
    type(f, "X");
    assert_int_equal(f->terminal.row[f->terminal.column - 1], 'X');
    assert_int_equal(f->terminal.row[f->terminal.column], '0');
    type(f, "\r");
    assert_int_equal(f->edit.length, 201);
    assert_int_equal(f->edit.text[150], 'X');
}

static void full_line_takes_no_more(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < LINE_EDIT_BYTES + 50; i++)
        type(f, "x");
    assert_int_equal(f->edit.length, LINE_EDIT_BYTES - 1);
    assert_int_equal(strlen(f->edit.text), LINE_EDIT_BYTES - 1);
    assert_int_equal(f->terminal.n_bells, 51);
}

static void hostile_bytes_do_no_harm(void **state)
{
    struct fixture *f = *state;
    uint64_t random = 1;

    for (unsigned i = 0; i < 200000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        enum line_edit_event event = line_edit_feed(&f->edit, (unsigned char)(random >> 33));
        assert_true(f->edit.cursor <= f->edit.length);
        assert_int_equal(strlen(f->edit.text), f->edit.length);
        if (event == LINE_EDIT_DONE)
            history_add(&f->history, f->edit.text);
        if (event != LINE_EDIT_MORE)
            line_edit_begin(&f->edit);
    }
    assert_int_equal(f->terminal.n_overruns, 0);
}

static void history_goes_up_and_down(void **state)
{
    struct fixture *f = *state;

    history_add(&f->history, "one");
    history_add(&f->history, "two");
    type(f, "draft" UP);
    assert_screen(f, "> two", 5);
    type(f, UP UP);
    assert_screen(f, "> one", 5);
    assert_int_equal(f->terminal.n_bells, 1);
    type(f, DOWN DOWN);
    assert_screen(f, "> draft", 7);
    assert_line(f, "x" UP UP "!", "one!");
    assert_line(f, "\x10\x10\x0e", "two");
}

static void history_keeps_each_line_once(void **state)
{
    struct fixture *f = *state;
    char line[16];

    history_add(&f->history, "a");
    history_add(&f->history, "b");
    history_add(&f->history, "");
    history_add(&f->history, "a");
    assert_int_equal(f->history.n_lines, 2);
    assert_string_equal(history_get(&f->history, 0), "a");
    assert_string_equal(history_get(&f->history, 1), "b");
    assert_null(history_get(&f->history, 2));
    for (unsigned i = 0; i < 40; i++) {
        snprintf(line, sizeof(line), "line %u", i);
        history_add(&f->history, line);
    }
    assert_int_equal(f->history.n_lines, HISTORY_LINES);
    assert_string_equal(history_get(&f->history, 0), "line 39");
    assert_string_equal(history_get(&f->history, HISTORY_LINES - 1), "line 8");
}

static void tab_completes(void **state)
{
    struct fixture *f = *state;

    assert_line(f, "ver\t", "verify ");
    assert_line(f, "read vd\ta", "read vda");
    assert_line(f, "a;ver\tx", "a;verify x");
    assert_line(f, "rw\tread", "rw=read");
    assert_line(f, "r\te\ta\t", "read ");
    assert_line(f, "ver x" HOME RIGHT RIGHT RIGHT "\t", "verify  x");
    f->terminal.n_bells = 0;
    assert_line(f, "zz\t", "zz");
    assert_int_equal(f->terminal.n_bells, 1);
    line_edit_begin(&f->edit);
    for (unsigned i = 0; i < LINE_EDIT_WORD_BYTES; i++) /* longer than what is completed */
        type(f, "z");
    type(f, "\t\r");
    assert_int_equal(f->edit.length, LINE_EDIT_WORD_BYTES);
    assert_int_equal(f->terminal.n_bells, 2);
}

static void tab_lists_what_it_cannot_decide(void **state)
{
    struct fixture *f = *state;
    unsigned before;

    type(f, "re\t");
    before = f->terminal.n_lines;
    assert_int_equal(before, 2); /* "re" is all that read and reboot share: listed at once */
    assert_screen(f, "> re", 4);
    assert_string_equal(f->edit.text, "re");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(typing_shows_and_gives_the_line),
        TEST(keys_move_and_change),
        TEST(screen_follows_changes),
        TEST(edges_ring_and_change_nothing),
        TEST(unknown_sequences_are_swallowed),
        TEST(lone_escape_times_out),
        TEST(control_c_and_d_leave),
        TEST(all_line_ends_count_once),
        TEST(long_lines_scroll),
        TEST(full_line_takes_no_more),
        TEST(hostile_bytes_do_no_harm),
        TEST(history_goes_up_and_down),
        TEST(history_keeps_each_line_once),
        TEST(tab_completes),
        TEST(tab_lists_what_it_cannot_decide),
    };
    return cmocka_run_group_tests_name("shell_line_edit", tests, NULL, NULL);
}
