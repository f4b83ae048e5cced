/* SPDX-License-Identifier: BSD-2-Clause */
#include "line_edit.h"

#include <stdio.h>
#include <string.h>

#define CTRL(letter) ((letter)&0x1f)
#define ESCAPE       0x1b
#define DELETE       0x7f

enum escape_state { ESCAPE_NONE, ESCAPE_SEEN, ESCAPE_CSI, ESCAPE_SS3 };

/* ---------------------------------------------------------------- the screen */

static void put(const struct line_edit *edit, const char *bytes, size_t n)
{
    edit->config->put(edit->config->ctx, bytes, n);
}

static void put_text(const struct line_edit *edit, const char *text)
{
    put(edit, text, strlen(text));
}

static void ring_bell(const struct line_edit *edit)
{
    put_text(edit, "\a");
}

/*
 * Columns for the line itself. The last one stays free, where terminals disagree on what the cursor
 * does, and two before it for ^C.
 */
static size_t visible_columns(const struct line_edit *edit)
{
    return LINE_EDIT_COLUMNS - 3 - strlen(edit->config->prompt);
}

static void scroll_to_cursor(struct line_edit *edit)
{
    size_t columns = visible_columns(edit);

    if (edit->cursor < edit->scroll)
        edit->scroll = edit->cursor > columns / 2 ? edit->cursor - columns / 2 : 0;
    else if (edit->cursor >= edit->scroll + columns + (edit->cursor == edit->length))
        edit->scroll = edit->cursor - columns / 2;
}

static void redraw(struct line_edit *edit)
{
    char move[24];

    scroll_to_cursor(edit);
    size_t shown = edit->length - edit->scroll;
    if (shown > visible_columns(edit))
        shown = visible_columns(edit);
    put_text(edit, "\r");
    put_text(edit, edit->config->prompt);
    put(edit, edit->text + edit->scroll, shown);
    put_text(edit, "\x1b[K");
    size_t column = strlen(edit->config->prompt) + edit->cursor - edit->scroll;
    if (edit->cursor - edit->scroll == shown)
        return;
    put_text(edit, "\r");
    if (column > 0) {
        snprintf(move, sizeof(move), "\x1b[%uC", (unsigned)column);
        put_text(edit, move);
    }
}

/* ---------------------------------------------------------------- changing the line */

static void insert(struct line_edit *edit, const char *bytes, size_t n)
{
    if (n >= LINE_EDIT_BYTES - edit->length) {
        ring_bell(edit);
        return;
    }
    memmove(edit->text + edit->cursor + n, edit->text + edit->cursor,
            edit->length - edit->cursor + 1);
    memcpy(edit->text + edit->cursor, bytes, n);
    edit->length += n;
    edit->cursor += n;
    /* Typing at the end is the common case, and costs a byte of output, not a line. */
    if (edit->cursor == edit->length && edit->cursor - edit->scroll <= visible_columns(edit))
        put(edit, bytes, n);
    else
        redraw(edit);
}

/* Takes out the bytes from `first` to `end` and leaves the cursor there. */
static void cut(struct line_edit *edit, size_t first, size_t end)
{
    if (first == end) {
        ring_bell(edit);
        return;
    }
    memmove(edit->text + first, edit->text + end, edit->length - end + 1);
    edit->length -= end - first;
    edit->cursor = first;
    redraw(edit);
}

static void move_to(struct line_edit *edit, size_t cursor)
{
    if (cursor == edit->cursor)
        return;
    edit->cursor = cursor;
    redraw(edit);
}

static void replace(struct line_edit *edit, const char *text)
{
    edit->length = strlen(text);
    if (edit->length >= LINE_EDIT_BYTES)
        edit->length = LINE_EDIT_BYTES - 1;
    memcpy(edit->text, text, edit->length);
    edit->text[edit->length] = '\0';
    edit->cursor = edit->length;
    edit->scroll = 0;
    redraw(edit);
}

static size_t word_start(const struct line_edit *edit)
{
    size_t at = edit->cursor;

    while (at > 0 && edit->text[at - 1] == ' ')
        at--;
    while (at > 0 && edit->text[at - 1] != ' ')
        at--;
    return at;
}

static size_t word_end(const struct line_edit *edit)
{
    size_t at = edit->cursor;

    while (at < edit->length && edit->text[at] == ' ')
        at++;
    while (at < edit->length && edit->text[at] != ' ')
        at++;
    return at;
}

static void go_in_history(struct line_edit *edit, bool back)
{
    if (!back && edit->history_place == 0) {
        ring_bell(edit);
        return;
    }
    size_t place = back ? edit->history_place + 1 : edit->history_place - 1;
    const char *line = place == 0 ? edit->draft : history_get(edit->config->history, place - 1);
    if (line == NULL) {
        ring_bell(edit);
        return;
    }
    if (edit->history_place == 0)
        memcpy(edit->draft, edit->text, edit->length + 1);
    edit->history_place = place;
    replace(edit, line);
}

/* ---------------------------------------------------------------- completion */

struct completion {
    struct line_edit *edit;
    char common[LINE_EDIT_WORD_BYTES]; /* what all candidates begin with */
    size_t n_candidates;
    size_t column; /* while they are listed */
};

static void narrow(void *taker, const char *text)
{
    struct completion *completion = taker;
    size_t i = 0;

    if (completion->n_candidates++ == 0) {
        snprintf(completion->common, sizeof(completion->common), "%s", text);
        return;
    }
    while (completion->common[i] != '\0' && completion->common[i] == text[i])
        i++;
    completion->common[i] = '\0';
}

static void list(void *taker, const char *text)
{
    struct completion *completion = taker;

    if (completion->column + strlen(text) + 2 >= LINE_EDIT_COLUMNS) {
        put_text(completion->edit, "\r\n");
        completion->column = 0;
    }
    put_text(completion->edit, text);
    put_text(completion->edit, "  ");
    completion->column += strlen(text) + 2;
}

static void complete(struct line_edit *edit)
{
    struct completion completion = {.edit = edit};
    char word[LINE_EDIT_WORD_BYTES];
    size_t start = edit->cursor;

    if (edit->config->complete == NULL)
        return;
    while (start > 0 && edit->text[start - 1] != ' ' && edit->text[start - 1] != ';')
        start--;
    size_t length = edit->cursor - start;
    if (length >= sizeof(word)) {
        ring_bell(edit);
        return;
    }
    memcpy(word, edit->text + start, length);
    word[length] = '\0';
    edit->config->complete(edit->config->ctx, edit->text, start, word, narrow, &completion);
    size_t common = strlen(completion.common);
    if (common > length)
        insert(edit, completion.common + length, common - length);
    /* Behind "rw=" comes a value and behind "boot/" a name, behind all else a word of its own. */
    char last = common > 0 ? completion.common[common - 1] : '\0';
    if (completion.n_candidates == 1 && last != '\0' && last != '=' && last != '/')
        insert(edit, " ", 1);
    else if (completion.n_candidates == 0)
        ring_bell(edit);
    else if (common == length && completion.n_candidates > 1) {
        put_text(edit, "\r\n");
        edit->config->complete(edit->config->ctx, edit->text, start, word, list, &completion);
        put_text(edit, "\r\n");
        redraw(edit);
    }
}

/* ---------------------------------------------------------------- keys */

static void key_delete(struct line_edit *edit)
{
    cut(edit, edit->cursor, edit->cursor < edit->length ? edit->cursor + 1 : edit->cursor);
}

static void key_backspace(struct line_edit *edit)
{
    cut(edit, edit->cursor > 0 ? edit->cursor - 1 : 0, edit->cursor);
}

static void key_left(struct line_edit *edit)
{
    move_to(edit, edit->escape_modifier > 1 ? word_start(edit) : edit->cursor - (edit->cursor > 0));
}

static void key_right(struct line_edit *edit)
{
    move_to(edit, edit->escape_modifier > 1 ? word_end(edit)
                                            : edit->cursor + (edit->cursor < edit->length));
}

/* The last letter of ESC [ ... and ESC O ... */
static void escape_letter(struct line_edit *edit, unsigned char letter)
{
    switch (letter) {
    case 'A':
        go_in_history(edit, true);
        break;
    case 'B':
        go_in_history(edit, false);
        break;
    case 'C':
        key_right(edit);
        break;
    case 'D':
        key_left(edit);
        break;
    case 'H':
        move_to(edit, 0);
        break;
    case 'F':
        move_to(edit, edit->length);
        break;
    default:
        break;
    }
}

/* ESC [ number ~ */
static void escape_tilde(struct line_edit *edit)
{
    switch (edit->escape_number) {
    case 1:
    case 7:
        move_to(edit, 0);
        break;
    case 3:
        /* At the end it is a backspace: firmware tells Delete where a terminal has sent DEL. */
        if (edit->cursor == edit->length)
            key_backspace(edit);
        else
            key_delete(edit);
        break;
    case 4:
    case 8:
        move_to(edit, edit->length);
        break;
    default:
        break;
    }
}

static void feed_csi(struct line_edit *edit, unsigned char byte)
{
    if (byte >= '0' && byte <= '9') {
        /* ESC [ 1 ; 5 C: the number behind ';' tells of Ctrl, Alt and Shift. Absurd lengths just
         * wrap. */
        unsigned *number =
            edit->escape_modifier > 0 ? &edit->escape_modifier : &edit->escape_number;
        unsigned old = number == &edit->escape_modifier ? *number - 1 : *number;
        *number = old * 10 % 1000 + (byte - '0') + (number == &edit->escape_modifier);
        return;
    }
    if (byte == ';') {
        edit->escape_modifier = 1;
        return;
    }
    if (byte < 0x40 || byte > 0x7e) /* other parameter bytes: the sequence goes on */
        return;
    edit->escape_state = ESCAPE_NONE;
    if (edit->escape_modifier > 0)
        edit->escape_modifier--;
    if (byte == '~')
        escape_tilde(edit);
    else
        escape_letter(edit, byte);
    edit->escape_modifier = 0;
}

static void feed_escape(struct line_edit *edit, unsigned char byte)
{
    if (edit->escape_state == ESCAPE_CSI) {
        feed_csi(edit, byte);
        return;
    }
    if (edit->escape_state == ESCAPE_SEEN && (byte == '[' || byte == 'O')) {
        edit->escape_state = byte == '[' ? ESCAPE_CSI : ESCAPE_SS3;
        return;
    }
    bool is_ss3 = edit->escape_state == ESCAPE_SS3;
    edit->escape_state = byte == ESCAPE ? ESCAPE_SEEN : ESCAPE_NONE;
    if (is_ss3)
        escape_letter(edit, byte);
    else if (byte == 'b')
        move_to(edit, word_start(edit));
    else if (byte == 'f')
        move_to(edit, word_end(edit));
}

static void feed_editing(struct line_edit *edit, unsigned char byte)
{
    switch (byte) {
    case '\t':
        complete(edit);
        break;
    case '\b':
    case DELETE:
        key_backspace(edit);
        break;
    case CTRL('a'):
        move_to(edit, 0);
        break;
    case CTRL('b'):
        key_left(edit);
        break;
    case CTRL('e'):
        move_to(edit, edit->length);
        break;
    case CTRL('f'):
        key_right(edit);
        break;
    case CTRL('k'):
        cut(edit, edit->cursor, edit->length);
        break;
    case CTRL('n'):
        go_in_history(edit, false);
        break;
    case CTRL('p'):
        go_in_history(edit, true);
        break;
    case CTRL('u'):
        cut(edit, 0, edit->cursor);
        break;
    case CTRL('w'):
        cut(edit, word_start(edit), edit->cursor);
        break;
    default:
        ring_bell(edit);
    }
}

static enum line_edit_event feed_control(struct line_edit *edit, unsigned char byte)
{
    switch (byte) {
    case '\r':
    case '\n':
        put_text(edit, "\r\n");
        return LINE_EDIT_DONE;
    case CTRL('c'):
        put_text(edit, "^C\r\n");
        return LINE_EDIT_CANCEL;
    case CTRL('d'):
        if (edit->length == 0) {
            put_text(edit, "\r\n");
            return LINE_EDIT_END;
        }
        key_delete(edit);
        break;
    case CTRL('l'):
        put_text(edit, "\x1b[H\x1b[2J");
        redraw(edit);
        break;
    case ESCAPE:
        edit->escape_state = ESCAPE_SEEN;
        edit->escape_number = edit->escape_modifier = 0;
        break;
    default:
        feed_editing(edit, byte);
    }
    return LINE_EDIT_MORE;
}

void line_edit_init(struct line_edit *edit, const struct line_edit_config *config)
{
    memset(edit, 0, sizeof(*edit));
    edit->config = config;
}

void line_edit_begin(struct line_edit *edit)
{
    edit->text[0] = '\0';
    edit->length = edit->cursor = edit->scroll = 0;
    edit->history_place = 0;
    edit->escape_state = ESCAPE_NONE;
    put_text(edit, edit->config->prompt);
}

void line_edit_begin_with(struct line_edit *edit, const char *text)
{
    line_edit_begin(edit);
    replace(edit, text);
}

enum line_edit_event line_edit_feed(struct line_edit *edit, unsigned char byte)
{
    bool second_half = byte == '\n' && edit->last_was_return;

    edit->last_was_return = byte == '\r';
    if (second_half)
        return LINE_EDIT_MORE;
    /* Enter and Ctrl-C do what they say also where a sequence was cut short. */
    if (edit->escape_state != ESCAPE_NONE && byte != '\r' && byte != '\n' && byte != CTRL('c')) {
        feed_escape(edit, byte);
        return LINE_EDIT_MORE;
    }
    edit->escape_state = ESCAPE_NONE;
    if (byte >= 0x20 && byte < 0x7f) {
        insert(edit, (const char *)&byte, 1);
        return LINE_EDIT_MORE;
    }
    return feed_control(edit, byte);
}

bool line_edit_in_escape(const struct line_edit *edit)
{
    return edit->escape_state != ESCAPE_NONE;
}

void line_edit_time_out(struct line_edit *edit)
{
    edit->escape_state = ESCAPE_NONE;
}
