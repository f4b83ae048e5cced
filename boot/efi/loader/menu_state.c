/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/menu_state.h"

#include <string.h>
#include <vstor/log.h>

#include "boot/shell/utf8.h"

#define FIRST_ROW     2u
#define ROWS_BELOW    3u /* about the selected one; countdown or editor; keys */
#define MAX_TIMEOUT_S 3600u
#define LAST_DIGIT    9u
#define CTRL(letter)  ((char)((letter)&0x1f))

static const char keys_line[] =
    "Enter boots, e edits, c console, p details, d default, r restart, ? more keys";
static const char help[] = "Enter            boots the entry\n"
                           "1 to 9           boot the entry of that number\n"
                           "Up Down k j      move; so do PgUp, PgDn, Home, End\n"
                           "e                changes the command line; Enter boots, Esc leaves\n"
                           "d                makes the entry the default; again: no default\n"
                           "t T              a second more, or less, until the default boots\n"
                           "p i              all about the entry\n"
                           "c                the console: commands, disks, files\n"
                           "v                the version of this program\n"
                           "f                restarts into the firmware's set-up\n"
                           "r o              restarts, switches off\n"
                           "q                back to the firmware\n";

/* ---------------------------------------------------------------- state */

/* Rows for entries; what has been said takes some away. */
static size_t rows_for_items(const struct menu_state *menu)
{
    return menu->rows - FIRST_ROW - ROWS_BELOW - menu->n_said - (menu->n_said > 0) - 1;
}

static void scroll_to_selected(struct menu_state *menu)
{
    size_t n = rows_for_items(menu);

    if (menu->selected < menu->top)
        menu->top = menu->selected;
    if (menu->selected >= menu->top + n)
        menu->top = menu->selected - n + 1;
}

void menu_state_begin(struct menu_state *menu, const struct menu_setup *setup)
{
    memset(menu, 0, sizeof(*menu));
    menu->about = setup->about;
    menu->items = setup->items;
    menu->n_items = setup->n_items;
    menu->standard = setup->standard < setup->n_items ? setup->standard : MENU_NONE;
    menu->selected = menu->standard != MENU_NONE ? menu->standard : 0;
    menu->columns = setup->columns < MENU_MAX_COLUMNS ? setup->columns : MENU_MAX_COLUMNS;
    menu->rows = setup->rows > MENU_MIN_ROWS ? setup->rows : MENU_MIN_ROWS;
    menu->timeout_s = setup->timeout_s;
    menu->left_s = setup->timeout_s;
    for (; menu->n_said < setup->n_said && menu->n_said < MENU_MAX_SAID; menu->n_said++)
        menu->said[menu->n_said] = setup->said[menu->n_said];
    menu->counting = menu->standard != MENU_NONE && setup->timeout_s != MENU_FOREVER;
    menu->edit_config = (struct line_edit_config){
        .prompt = "> ",
        .ctx = setup->ctx,
        .put = setup->put,
        .history = &menu->history,
    };
    line_edit_init(&menu->edit, &menu->edit_config);
    scroll_to_selected(menu);
}

void menu_state_note(struct menu_state *menu, const char *text)
{
    vst_format(menu->note, sizeof(menu->note), "%s", text);
}

enum menu_event menu_state_second(struct menu_state *menu)
{
    if (menu->left_s > 0)
        menu->left_s--;
    return menu->counting && menu->left_s == 0 ? MENU_BOOT : MENU_STAY;
}

void menu_state_page(struct menu_state *menu, const char *page)
{
    menu->view = MENU_PAGE;
    menu->page = page;
    menu->page_top = 0;
}

/* ---------------------------------------------------------------- moving */

static void move(struct menu_state *menu, ptrdiff_t by)
{
    size_t last = menu->n_items > 0 ? menu->n_items - 1 : 0;

    if (by < 0)
        menu->selected -= (size_t)-by < menu->selected ? (size_t)-by : menu->selected;
    else
        menu->selected = last - menu->selected < (size_t)by ? last : menu->selected + (size_t)by;
    scroll_to_selected(menu);
}

/* False: it is no such key. */
static bool move_by_key(struct menu_state *menu, const struct loader_key *key)
{
    ptrdiff_t screen = (ptrdiff_t)rows_for_items(menu), all = (ptrdiff_t)menu->n_items;

    switch (key->name) {
    case LOADER_KEY_UP:
        move(menu, -1);
        return true;
    case LOADER_KEY_DOWN:
        move(menu, 1);
        return true;
    case LOADER_KEY_PAGE_UP:
        move(menu, -screen);
        return true;
    case LOADER_KEY_PAGE_DOWN:
        move(menu, screen);
        return true;
    case LOADER_KEY_HOME:
        move(menu, -all);
        return true;
    case LOADER_KEY_END:
        move(menu, all);
        return true;
    default:
        return false;
    }
}

/* ---------------------------------------------------------------- letters */

static enum menu_event set_default(struct menu_state *menu)
{
    menu->standard = menu->standard == menu->selected ? MENU_NONE : menu->selected;
    menu_state_note(menu, menu->standard == MENU_NONE ? "There is no default of your choice now."
                                                      : "That is the default from now on.");
    return MENU_SET_DEFAULT;
}

static enum menu_event set_timeout(struct menu_state *menu, bool more)
{
    uint32_t timeout_s = menu->timeout_s;

    if (more && timeout_s < MAX_TIMEOUT_S)
        timeout_s++;
    else if (more)
        timeout_s = timeout_s == MENU_FOREVER ? 0 : MENU_FOREVER;
    else if (timeout_s == MENU_FOREVER)
        timeout_s = MAX_TIMEOUT_S;
    else
        timeout_s = timeout_s > 0 ? timeout_s - 1 : MENU_FOREVER;
    menu->timeout_s = timeout_s;
    if (timeout_s == MENU_FOREVER)
        menu_state_note(menu, "The default never boots by itself.");
    else
        vst_format(menu->note, sizeof(menu->note), "The default boots after %u s.", timeout_s);
    return MENU_SET_TIMEOUT;
}

/* What needs an entry. */
static enum menu_event item_letter(struct menu_state *menu, char letter)
{
    const struct menu_item *item = &menu->items[menu->selected];

    switch (letter) {
    case '\r':
        return MENU_BOOT;
    case 'e':
        if (item->locked == NULL)
            return MENU_EDIT;
        menu_state_note(menu, item->locked);
        return MENU_STAY;
    case 'd':
        return set_default(menu);
    case 'p':
    case 'i':
        return MENU_DESCRIBE;
    default:
        break;
    }
    size_t number = letter >= '1' && letter <= '9' ? (size_t)(letter - '1') : MENU_NONE;
    if (number >= menu->n_items)
        return MENU_STAY;
    menu->selected = number;
    scroll_to_selected(menu);
    return MENU_BOOT;
}

static enum menu_event list_letter(struct menu_state *menu, char letter)
{
    switch (letter) {
    case 'j':
    case CTRL('n'):
        move(menu, 1);
        return MENU_STAY;
    case 'k':
    case CTRL('p'):
        move(menu, -1);
        return MENU_STAY;
    case 't':
    case '+':
        return set_timeout(menu, true);
    case 'T':
    case '-':
        return set_timeout(menu, false);
    case 'c':
        return MENU_CONSOLE;
    case 'v':
        menu_state_note(menu, menu->about);
        return MENU_STAY;
    case 'r':
        return MENU_RESTART;
    case 'f':
        return MENU_SET_UP;
    case 'o':
        return MENU_POWER_OFF;
    case 'q':
        return MENU_LEAVE;
    case '?':
    case 'h':
        menu_state_page(menu, help);
        return MENU_STAY;
    default:
        return menu->n_items > 0 ? item_letter(menu, letter) : MENU_STAY;
    }
}

/* ---------------------------------------------------------------- editing */

unsigned menu_state_edit_row(const struct menu_state *menu)
{
    return menu->rows - 2;
}

void menu_state_edit(struct menu_state *menu, const char *text)
{
    if (strlen(text) >= LINE_EDIT_BYTES) {
        menu_state_note(menu, "Its command line is too long to be edited here.");
        return;
    }
    menu->view = MENU_EDITING;
    line_edit_begin_with(&menu->edit, text);
}

static enum menu_event edit_key(struct menu_state *menu, const struct loader_key *key)
{
    enum line_edit_event event = LINE_EDIT_MORE;
    char bytes[LOADER_KEY_BYTES];
    size_t n = loader_key_bytes(key, bytes);

    if (key->name == LOADER_KEY_ESCAPE)
        event = LINE_EDIT_CANCEL;
    for (size_t i = 0; i < n && event == LINE_EDIT_MORE; i++)
        event = line_edit_feed(&menu->edit, (unsigned char)bytes[i]);
    if (event == LINE_EDIT_MORE)
        return MENU_STAY;
    menu->view = MENU_LIST;
    menu->edited = event == LINE_EDIT_DONE;
    return menu->edited ? MENU_BOOT : MENU_STAY;
}

/* ---------------------------------------------------------------- a page */

static unsigned lines_of(const char *page)
{
    unsigned n = 0;

    for (; *page != '\0'; page++)
        n += *page == '\n';
    return n;
}

static void page_key(struct menu_state *menu, const struct loader_key *key)
{
    unsigned screen = menu->rows - FIRST_ROW - 1, n = lines_of(menu->page);
    bool down = key->name == LOADER_KEY_DOWN || key->name == LOADER_KEY_PAGE_DOWN ||
                (key->name == LOADER_KEY_CHARACTER && key->character == ' ');

    if (down && menu->page_top + screen < n)
        menu->page_top += screen;
    else
        menu->view = MENU_LIST;
}

enum menu_event menu_state_key(struct menu_state *menu, const struct loader_key *key)
{
    menu->counting = false;
    menu->note[0] = '\0';
    if (menu->view == MENU_EDITING)
        return edit_key(menu, key);
    if (menu->view == MENU_PAGE) {
        page_key(menu, key);
        return MENU_STAY;
    }
    if (move_by_key(menu, key) || key->name != LOADER_KEY_CHARACTER)
        return MENU_STAY;
    return list_letter(menu, key->character);
}

/* ---------------------------------------------------------------- what is seen */

struct row {
    char *text;
    unsigned n_bytes, n_columns, columns;
};

/* Up to the end of the text or line, as far as there is room; what a terminal might obey is '?'. */
static void put(struct row *row, const char *text)
{
    while (*text != '\0' && *text != '\n' && row->n_columns < row->columns) {
        uint32_t rune;
        size_t n = utf8_take(text, &rune);
        bool fine = n > 0 && utf8_is_harmless(rune);
        for (size_t i = 0; fine && i < n; i++)
            row->text[row->n_bytes++] = text[i];
        if (!fine)
            row->text[row->n_bytes++] = '?';
        text += n > 0 ? n : 1;
        row->n_columns++;
    }
}

static enum menu_look put_item(const struct menu_state *menu, size_t index, struct row *row)
{
    char marks[8] = "    ";

    if (index >= menu->n_items)
        return MENU_PLAIN;
    marks[0] = index == menu->selected ? '>' : ' ';
    marks[1] = index == menu->standard ? '*' : ' ';
    if (index < LAST_DIGIT)
        marks[2] = (char)('1' + index);
    put(row, marks);
    put(row, menu->items[index].title);
    return index == menu->selected ? MENU_SELECTED : MENU_PLAIN;
}

static void put_selected(const struct menu_state *menu, struct row *row)
{
    char place[32];

    if (menu->note[0] != '\0' || menu->n_items == 0) {
        put(row, menu->note[0] != '\0' ? menu->note : "There is nothing to boot on these disks.");
        return;
    }
    const struct menu_item *item = &menu->items[menu->selected];
    vst_format(place, sizeof(place), "%zu of %zu: ", menu->selected + 1, menu->n_items);
    put(row, place);
    put(row, item->id);
    put(row, item->version[0] != '\0' ? ", version " : "");
    put(row, item->version);
}

static void put_countdown(const struct menu_state *menu, struct row *row)
{
    char text[64];

    if (!menu->counting)
        return;
    vst_format(text, sizeof(text), "Boots in %u s, unless a key is typed: ", menu->left_s);
    put(row, text);
    put(row, menu->items[menu->standard].title);
}

static const char *line_of(const char *page, unsigned number)
{
    for (; number > 0 && *page != '\0'; page++)
        number -= *page == '\n';
    return page;
}

/* Of entries, and of what has been said. */
static enum menu_look put_list(const struct menu_state *menu, unsigned row_number, struct row *row)
{
    size_t n = rows_for_items(menu), index = row_number - FIRST_ROW;

    if (index < n)
        return put_item(menu, menu->top + index, row);
    if (index > n && index - n - 1 < menu->n_said)
        put(row, menu->said[index - n - 1]);
    return MENU_PLAIN;
}

static enum menu_look put_row(const struct menu_state *menu, unsigned number, struct row *row)
{
    bool page = menu->view == MENU_PAGE;

    if (number == 0) {
        put(row, menu->about);
        return MENU_BRIGHT;
    }
    if (number < FIRST_ROW)
        return MENU_PLAIN;
    if (number == menu->rows - 1) {
        put(row, page ? "any key: back" : keys_line);
        return MENU_PLAIN;
    }
    if (page) {
        put(row, line_of(menu->page, menu->page_top + number - FIRST_ROW));
        return MENU_PLAIN;
    }
    if (number == menu->rows - 2)
        put_countdown(menu, row);
    else if (number == menu->rows - ROWS_BELOW)
        put_selected(menu, row);
    else
        return put_list(menu, number, row);
    return MENU_PLAIN;
}

enum menu_look menu_state_row(const struct menu_state *menu, unsigned row,
                              char text[MENU_ROW_BYTES])
{
    struct row made = {text, 0, 0, menu->columns - 1};
    enum menu_look look = put_row(menu, row, &made);

    for (; made.n_columns < made.columns; made.n_columns++)
        text[made.n_bytes++] = ' ';
    text[made.n_bytes] = '\0';
    return look;
}
