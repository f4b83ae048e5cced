/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The menu without a screen or keyboard: keys and seconds go in, what is to be done and what is to be
 * seen comes out. menu.c is what joins it to the firmware.
 *
 *     menu_state_begin
 *     menu_state_row for each row that is to be drawn     after everything that follows
 *     menu_state_key, or menu_state_second while `counting`
 *
 * All texts given stay the caller's, and unchanged for as long as the menu is used. What is drawn is
 * printable, whatever they hold.
 */
#ifndef VSTOR_EFI_LOADER_MENU_STATE_H
#define VSTOR_EFI_LOADER_MENU_STATE_H

#include "boot/efi/loader/keys.h"
#include "boot/shell/line_edit.h"

#define MENU_NONE        SIZE_MAX
#define MENU_FOREVER     UINT32_MAX
#define MENU_MAX_COLUMNS 160u /* of those that the screen has */
#define MENU_ROW_BYTES   (4 * MENU_MAX_COLUMNS + 1)
#define MENU_MIN_ROWS    16u
#define MENU_MAX_SAID    5u
#define MENU_NOTE_BYTES  100u

struct menu_item {
    const char *title, *version, *id;
    const char *locked; /**< why its command line may not be changed; NULL: it may */
};

enum menu_event {
    MENU_STAY,     /**< nothing to be done but to draw */
    MENU_BOOT,     /**< the selected one; with the text of `edit` if `edited` */
    MENU_EDIT,     /**< `edit` wants the selected one's command line: menu_state_edit */
    MENU_DESCRIBE, /**< all about the selected one is wanted: menu_state_page */
    MENU_CONSOLE,
    MENU_SET_DEFAULT, /**< to item `standard`, or MENU_NONE */
    MENU_SET_TIMEOUT, /**< to timeout_s */
    MENU_RESTART,
    MENU_SET_UP, /**< the firmware's */
    MENU_POWER_OFF,
    MENU_LEAVE,
};

enum menu_view { MENU_LIST, MENU_PAGE, MENU_EDITING };

struct menu_state {
    const char *about; /**< this program and its version */
    const struct menu_item *items;
    size_t n_items, selected, standard, top; /**< standard: the default; top: the first one drawn */
    unsigned columns, rows;
    bool counting;
    uint32_t left_s;    /**< while counting */
    uint32_t timeout_s; /**< what `t` and `T` change */
    enum menu_view view;
    const char *page;
    unsigned page_top;
    bool edited;
    char note[MENU_NOTE_BYTES]; /**< what the last key has done; "" */
    const char *said[MENU_MAX_SAID];
    unsigned n_said;
    struct line_edit edit;
    struct line_edit_config edit_config;
    struct history history;
};

/** What a menu begins with. */
struct menu_setup {
    const char *about;
    const struct menu_item *items;
    size_t n_items;
    size_t standard;    /**< MENU_NONE: none */
    uint32_t timeout_s; /**< until the default is booted by itself; MENU_FOREVER: never */
    unsigned columns, rows;
    const char *const *said; /**< lines to be shown, at most MENU_MAX_SAID */
    unsigned n_said;
    void *ctx; /**< for put */
    /** Shows what the line editor writes, at the start of row menu_state_edit_row. */
    void (*put)(void *ctx, const char *bytes, size_t n);
};

/** Counts from timeout_s if there is a default. */
void menu_state_begin(struct menu_state *menu, const struct menu_setup *setup);

enum menu_event menu_state_key(struct menu_state *menu, const struct loader_key *key);

/** A second has passed while it was counting. */
enum menu_event menu_state_second(struct menu_state *menu);

/** Begins editing with this text. Whoever calls has put the cursor where it belongs. */
void menu_state_edit(struct menu_state *menu, const char *text);
unsigned menu_state_edit_row(const struct menu_state *menu);

/** Shows lines, each with its '\n', until they have been read. */
void menu_state_page(struct menu_state *menu, const char *page);

/** Says something until the next key. */
void menu_state_note(struct menu_state *menu, const char *text);

enum menu_look { MENU_PLAIN, MENU_BRIGHT, MENU_SELECTED };

/** What stands in a row, in UTF-8 and filled with blanks; all but the last column. */
enum menu_look menu_state_row(const struct menu_state *menu, unsigned row,
                              char text[MENU_ROW_BYTES]);

#endif
