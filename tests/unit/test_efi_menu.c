/* SPDX-License-Identifier: BSD-2-Clause */
/* The boot loader's menu: what keys and seconds do, and what is drawn. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "boot/efi/loader/keys.c"
#include "boot/efi/loader/menu_state.c"

#define N_ITEMS 40u
#define COLUMNS 80u
#define ROWS    25u

static struct menu_item items[N_ITEMS];
static char titles[N_ITEMS][32], written[4096];
static struct menu_state menu;

static void write_down(void *ctx, const char *bytes, size_t n)
{
    (void)ctx;
    size_t used = strlen(written);
    memcpy(written + used, bytes, n);
    written[used + n] = '\0';
}

static void begin(size_t n, size_t standard, uint32_t timeout_s)
{
    struct menu_setup setup = {.about = "vstor 1.2",
                               .items = items,
                               .n_items = n,
                               .standard = standard,
                               .timeout_s = timeout_s,
                               .columns = COLUMNS,
                               .rows = ROWS,
                               .put = write_down};

    for (size_t i = 0; i < N_ITEMS; i++) {
        snprintf(titles[i], sizeof(titles[i]), "Title %zu", i);
        items[i] = (struct menu_item){titles[i], i == 1 ? "6.1-2" : "", "some.conf", NULL};
    }
    written[0] = '\0';
    menu_state_begin(&menu, &setup);
}

static enum menu_event key(enum loader_key_name name)
{
    struct loader_key typed = {name, 0, false};

    return menu_state_key(&menu, &typed);
}

static enum menu_event type(char character)
{
    struct loader_key typed = {LOADER_KEY_CHARACTER, character, false};

    return menu_state_key(&menu, &typed);
}

/* The row on which the text stands; -1: none. All rows are checked for their width on the way. */
static int row_of(const char *text)
{
    char row_text[MENU_ROW_BYTES];
    int found = -1;

    for (unsigned row = 0; row < menu.rows; row++) {
        unsigned columns = 0;
        menu_state_row(&menu, row, row_text);
        for (const char *at = row_text; *at != '\0'; at++) {
            columns += (*at & 0xc0) != 0x80;
            assert_true((unsigned char)*at >= 0x20 && *at != 0x7f);
        }
        assert_int_equal(columns, menu.columns - 1);
        if (found < 0 && strstr(row_text, text) != NULL)
            found = (int)row;
    }
    return found;
}

static void the_default_boots_when_time_is_over(void **state)
{
    (void)state;
    begin(3, 1, 2);
    assert_true(menu.counting);
    assert_true(row_of("Boots in 2 s, unless a key is typed: Title 1") > 0);
    assert_true(row_of(">*2 Title 1") > 0);
    assert_int_equal(menu_state_second(&menu), MENU_STAY);
    assert_true(row_of("Boots in 1 s") > 0);
    assert_int_equal(menu_state_second(&menu), MENU_BOOT);
    assert_int_equal(menu.selected, 1);
}

static void any_key_stops_the_countdown(void **state)
{
    (void)state;
    begin(3, 0, 5);
    key(LOADER_KEY_INSERT);
    assert_false(menu.counting);
    assert_int_equal(row_of("Boots in"), -1);
    begin(3, MENU_NONE, 5);
    assert_false(menu.counting);
    begin(3, 0, MENU_FOREVER);
    assert_false(menu.counting);
}

static void keys_move_and_the_list_scrolls(void **state)
{
    (void)state;
    begin(N_ITEMS, MENU_NONE, MENU_FOREVER);
    assert_int_equal(key(LOADER_KEY_UP), MENU_STAY);
    assert_int_equal(menu.selected, 0);
    key(LOADER_KEY_DOWN);
    type('j');
    assert_int_equal(menu.selected, 2);
    type('k');
    assert_int_equal(menu.selected, 1);
    assert_true(row_of("2 of 40: some.conf, version 6.1-2") > 0);
    key(LOADER_KEY_END);
    assert_int_equal(menu.selected, N_ITEMS - 1);
    assert_true(row_of("Title 39") > 0);
    assert_int_equal(row_of("Title 1 "), -1);
    key(LOADER_KEY_DOWN);
    assert_int_equal(menu.selected, N_ITEMS - 1);
    key(LOADER_KEY_PAGE_UP);
    assert_int_equal(menu.selected, N_ITEMS - 1 - rows_for_items(&menu));
    key(LOADER_KEY_HOME);
    key(LOADER_KEY_PAGE_DOWN);
    assert_int_equal(menu.selected, rows_for_items(&menu));
    assert_int_equal(type('\r'), MENU_BOOT);
    assert_false(menu.edited);
}

static void the_selected_one_is_always_seen(void **state)
{
    char text[32];

    (void)state;
    begin(N_ITEMS, 20, MENU_FOREVER);
    for (unsigned i = 0; i < 500; i++) {
        static const enum loader_key_name names[] = {LOADER_KEY_UP,      LOADER_KEY_DOWN,
                                                     LOADER_KEY_PAGE_UP, LOADER_KEY_PAGE_DOWN,
                                                     LOADER_KEY_HOME,    LOADER_KEY_END};
        snprintf(text, sizeof(text), " Title %zu ", menu.selected);
        assert_true(row_of(text) >= (int)FIRST_ROW);
        key(names[i * 7 % 13 % 6]);
    }
}

static void digits_boot_the_entry_of_that_number(void **state)
{
    (void)state;
    begin(3, 0, MENU_FOREVER);
    assert_int_equal(type('3'), MENU_BOOT);
    assert_int_equal(menu.selected, 2);
    assert_int_equal(type('4'), MENU_STAY);
    assert_int_equal(menu.selected, 2);
    assert_int_equal(type('0'), MENU_STAY);
}

static void letters_say_what_is_wished(void **state)
{
    (void)state;
    begin(3, 0, MENU_FOREVER);
    assert_int_equal(type('c'), MENU_CONSOLE);
    assert_int_equal(type('r'), MENU_RESTART);
    assert_int_equal(type('f'), MENU_SET_UP);
    assert_int_equal(type('o'), MENU_POWER_OFF);
    assert_int_equal(type('q'), MENU_LEAVE);
    assert_int_equal(type('p'), MENU_DESCRIBE);
    assert_int_equal(type('i'), MENU_DESCRIBE);
    assert_int_equal(type('z'), MENU_STAY);
    assert_int_equal(type('v'), MENU_STAY);
    assert_string_equal(menu.note, "vstor 1.2");
    assert_int_equal(key(LOADER_KEY_ESCAPE), MENU_STAY);
    assert_string_equal(menu.note, "");
}

static void default_and_timeout(void **state)
{
    (void)state;
    begin(3, 0, 0);
    key(LOADER_KEY_DOWN);
    assert_int_equal(type('d'), MENU_SET_DEFAULT);
    assert_int_equal(menu.standard, 1);
    assert_true(row_of(">*2 Title 1") > 0);
    assert_int_equal(type('d'), MENU_SET_DEFAULT);
    assert_int_equal(menu.standard, MENU_NONE);
    assert_int_equal(type('t'), MENU_SET_TIMEOUT);
    assert_int_equal(menu.timeout_s, 1);
    assert_true(row_of("after 1 s") > 0);
    type('T');
    assert_int_equal(menu.timeout_s, 0);
    type('T');
    assert_int_equal(menu.timeout_s, MENU_FOREVER);
    type('t');
    assert_int_equal(menu.timeout_s, 0);
}

static void a_command_line_is_edited(void **state)
{
    (void)state;
    begin(3, 0, MENU_FOREVER);
    assert_int_equal(type('e'), MENU_EDIT);
    menu_state_edit(&menu, "root=/dev/vda quiet");
    assert_non_null(strstr(written, "> root=/dev/vda quiet"));
    assert_int_equal(menu_state_edit_row(&menu), ROWS - 2);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(type('\b'), MENU_STAY);
    for (const char *c = "debug q"; *c != '\0'; c++)
        assert_int_equal(type(*c), MENU_STAY); /* letters are letters here */
    key(LOADER_KEY_HOME);
    type('x');
    assert_int_equal(type('\r'), MENU_BOOT);
    assert_true(menu.edited);
    assert_string_equal(menu.edit.text, "xroot=/dev/vda debug q");
}

static void editing_can_be_left_or_refused(void **state)
{
    char longest[LINE_EDIT_BYTES + 1];

    (void)state;
    begin(3, 0, MENU_FOREVER);
    menu_state_edit(&menu, "quiet");
    assert_int_equal(key(LOADER_KEY_ESCAPE), MENU_STAY);
    assert_int_equal(menu.view, MENU_LIST);
    assert_int_equal(type('\r'), MENU_BOOT);
    assert_false(menu.edited);
    menu_state_edit(&menu, "quiet");
    assert_int_equal(type('\x03'), MENU_STAY);
    assert_int_equal(menu.view, MENU_LIST);
    items[0].locked = "The lock.";
    assert_int_equal(type('e'), MENU_STAY);
    assert_true(row_of("The lock.") > 0);
    memset(longest, 'a', LINE_EDIT_BYTES);
    longest[LINE_EDIT_BYTES] = '\0';
    menu_state_edit(&menu, longest);
    assert_int_equal(menu.view, MENU_LIST);
    assert_true(row_of("too long") > 0);
}

static void pages_are_read_and_left(void **state)
{
    static char page[40 * 12 + 1];

    (void)state;
    begin(3, 0, MENU_FOREVER);
    assert_int_equal(type('?'), MENU_STAY);
    assert_true(row_of("back to the firmware") > 0);
    assert_int_equal(type('x'), MENU_STAY);
    assert_true(row_of(">*1 Title 0") > 0);
    for (unsigned i = 0; i < 40; i++)
        snprintf(page + 12 * i, 13, "line %06u\n", i);
    menu_state_page(&menu, page);
    assert_int_equal(row_of("line 000000"), (int)FIRST_ROW);
    assert_int_equal(row_of("line 000022"), -1);
    type(' ');
    assert_int_equal(row_of("line 000022"), (int)FIRST_ROW);
    key(LOADER_KEY_PAGE_DOWN);
    assert_int_equal(menu.view, MENU_LIST);
}

static void what_was_said_is_shown(void **state)
{
    static const char *const said[] = {"first line", "second line"};
    struct menu_setup setup = {.about = "",
                               .items = items,
                               .n_items = N_ITEMS,
                               .standard = 30,
                               .timeout_s = MENU_FOREVER,
                               .columns = COLUMNS,
                               .rows = ROWS,
                               .said = said,
                               .n_said = 2};

    (void)state;
    begin(N_ITEMS, 0, 0);
    menu_state_begin(&menu, &setup);
    assert_true(row_of("first line") > row_of("Title 30"));
    assert_int_equal(row_of("second line"), row_of("first line") + 1);
    assert_true(row_of("31 of 40") > row_of("second line"));
}

static void titles_cannot_steer_the_screen(void **state)
{
    (void)state;
    begin(3, 0, MENU_FOREVER);
    items[0].title = "a\x1b[2Jb\r\nc";
    items[1].title = "\xc3\xa4\xe2\x80\xae\xff";
    items[2].title =
        "a very long title that does not fit the screen, for it has more letters than eighty, "
        "and goes on";
    assert_true(row_of("a?[2Jb?") > 0);
    assert_true(row_of("\xc3\xa4??") > 0);
    assert_true(row_of("more letters") > 0);
}

static void nothing_to_boot(void **state)
{
    (void)state;
    begin(0, MENU_NONE, 5);
    assert_true(row_of("nothing to boot") > 0);
    for (const char *c = "ed\rpi123jk"; *c != '\0'; c++)
        assert_int_equal(type(*c), MENU_STAY);
    for (enum loader_key_name name = LOADER_KEY_UP; name <= LOADER_KEY_ESCAPE; name++)
        assert_int_equal(key(name), MENU_STAY);
    assert_int_equal(type('c'), MENU_CONSOLE);
}

static void screens_of_any_size(void **state)
{
    struct menu_setup setup = {
        .about = "vstor", .items = items, .n_items = N_ITEMS, .standard = 3, .timeout_s = 9};

    (void)state;
    begin(1, 0, 0);
    for (setup.columns = 40; setup.columns < 400; setup.columns += 37)
        for (setup.rows = 1; setup.rows < 120; setup.rows += 7) {
            menu_state_begin(&menu, &setup);
            assert_true(row_of("Title 3") > 0);
        }
}

static void bytes_of_keys(void **state)
{
    static const struct {
        struct loader_key key;
        const char *bytes;
    } cases[] = {
        {{LOADER_KEY_CHARACTER, 'a', false}, "a"},    {{LOADER_KEY_UP, 0, false}, "\x1b[A"},
        {{LOADER_KEY_LEFT, 0, true}, "\x1b[1;5D"},    {{LOADER_KEY_DELETE, 0, false}, "\x1b[3~"},
        {{LOADER_KEY_ESCAPE, 0, false}, "\x1b"},      {{LOADER_KEY_NONE, 0, false}, ""},
        {{LOADER_KEY_PAGE_DOWN, 0, true}, "\x1b[6~"},
    };
    char bytes[LOADER_KEY_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t n = loader_key_bytes(&cases[i].key, bytes);
        assert_int_equal(n, strlen(cases[i].bytes));
        assert_memory_equal(bytes, cases[i].bytes, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_boots_when_time_is_over),
        cmocka_unit_test(any_key_stops_the_countdown),
        cmocka_unit_test(keys_move_and_the_list_scrolls),
        cmocka_unit_test(the_selected_one_is_always_seen),
        cmocka_unit_test(digits_boot_the_entry_of_that_number),
        cmocka_unit_test(letters_say_what_is_wished),
        cmocka_unit_test(default_and_timeout),
        cmocka_unit_test(a_command_line_is_edited),
        cmocka_unit_test(editing_can_be_left_or_refused),
        cmocka_unit_test(pages_are_read_and_left),
        cmocka_unit_test(what_was_said_is_shown),
        cmocka_unit_test(titles_cannot_steer_the_screen),
        cmocka_unit_test(nothing_to_boot),
        cmocka_unit_test(screens_of_any_size),
        cmocka_unit_test(bytes_of_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
