/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/menu.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <vstor/log.h>

#include "boot/efi/clock.h"
#include "boot/efi/loader/input.h"
#include "boot/efi/loader/loader.h"
#include "boot/efi/loader/say.h"
#include "boot/efi/loader/terminal.h"
#include "boot/efi/loader/trust.h"
#include "boot/efi/loader/utf16.h"
#include "boot/efi/loader/variables.h"
#include "boot/shell/marks.h"

#define NS_PER_S       1000000000ull
#define HIDDEN_LOOK_NS 50000000ull /* for a key held down, where nothing is waited for */
#define NO_KEYBOARD_US 100000u
#define VERSION_BYTES  80u
#define PAGE_BYTES     16384u
#define PAGE_COLUMNS   76u
#define MAX_ROWS       200u
#define MIN_COLUMNS    80u
#define MIN_LINES      25u
#define UNKNOWN_SUM    1u

static struct {
    struct menu_state state;
    const struct boot_choice *choice;
    struct boot_entry **entries; /* by their number */
    struct menu_item *items;
    char (*versions)[VERSION_BYTES];
    char *page;
    size_t page_bytes;
    uint32_t drawn[MAX_ROWS]; /* a checksum of what stands in each row; 0: nothing does */
} menu;

static SIMPLE_TEXT_OUTPUT_INTERFACE *out(void)
{
    return loader_system->ConOut;
}

/* ---------------------------------------------------------------- screen */

static void get_size(UINTN mode, UINTN *columns, UINTN *rows)
{
    if (EFI_ERROR(out()->QueryMode(out(), mode, columns, rows))) {
        *columns = MIN_COLUMNS;
        *rows = MIN_LINES;
    }
}

/* As loader.conf has it; a mode that can't be had leaves the one that is. */
static void set_mode(const struct loader_conf *conf)
{
    UINTN mode = (UINTN)out()->Mode->Mode, columns, rows, n_modes = (UINTN)out()->Mode->MaxMode;

    get_size(mode, &columns, &rows);
    if (conf->console == LOADER_CONSOLE_NUMBER)
        mode = conf->console_number;
    else if (conf->console == LOADER_CONSOLE_MAX && n_modes > 0)
        mode = n_modes - 1;
    else if (conf->console == LOADER_CONSOLE_AUTO && (columns < MIN_COLUMNS || rows < MIN_LINES))
        mode = 0;
    if (mode != (UINTN)out()->Mode->Mode)
        (void)out()->SetMode(out(), mode);
}

static uint32_t checksum(enum menu_look look, const char *text)
{
    uint32_t sum = 2166136261u + (uint32_t)look;

    for (; *text != '\0'; text++)
        sum = (sum ^ (unsigned char)*text) * 16777619u;
    return sum;
}

static void draw_row(unsigned row)
{
    static const UINT8 attributes[] = {
        [MENU_PLAIN] = EFI_TEXT_ATTR(EFI_LIGHTGRAY, EFI_BLACK),
        [MENU_BRIGHT] = EFI_TEXT_ATTR(EFI_WHITE, EFI_BLACK),
        [MENU_SELECTED] = EFI_TEXT_ATTR(EFI_BLACK, EFI_LIGHTGRAY),
    };
    char text[MENU_ROW_BYTES];
    CHAR16 units[MENU_MAX_COLUMNS + 1];
    enum menu_look look = menu_state_row(&menu.state, row, text);
    uint32_t sum = checksum(look, text);

    bool is_empty = look == MENU_PLAIN && text[strspn(text, " ")] == '\0';
    bool is_cleared = menu.drawn[row] == 0;
    if (sum == menu.drawn[row])
        return;
    menu.drawn[row] = sum;
    if (is_cleared && is_empty)
        return;
    (void)utf16_of(text, units, VST_ARRAY_LENGTH(units));
    (void)out()->SetAttribute(out(), attributes[look]);
    (void)out()->SetCursorPosition(out(), 0, row);
    (void)out()->OutputString(out(), units);
    (void)out()->SetAttribute(out(), attributes[MENU_PLAIN]);
}

/* Serial lines are slow, so only what has changed is sent. */
static void draw(void)
{
    for (unsigned row = 0; row < menu.state.rows && row < MAX_ROWS; row++)
        draw_row(row);
}

static void clear(void)
{
    memset(menu.drawn, 0, sizeof(menu.drawn));
    (void)out()->SetAttribute(out(), EFI_TEXT_ATTR(EFI_LIGHTGRAY, EFI_BLACK));
    (void)out()->ClearScreen(out());
}

static void put_edited(void *ctx, const char *bytes, size_t n)
{
    (void)ctx;
    terminal_write(bytes, n);
}

/* ---------------------------------------------------------------- entries */

static const char *why_locked(const struct boot_entry *entry)
{
    if (entry->kind == ENTRY_SET_UP || entry->kind == ENTRY_RESTART ||
        entry->kind == ENTRY_POWER_OFF)
        return "It has no command line.";
    if (!menu.choice->conf.editor)
        return "loader.conf does not let command lines be changed.";
    return entry->kind == ENTRY_UNIFIED && trust_secure_boot()
               ? "Secure Boot: its command line is signed with it, and stays."
               : NULL;
}

static bool list_entries(void)
{
    size_t n = 0;

    for (const struct boot_entry *entry = entries_first(); entry != NULL; entry = entry->next)
        n++;
    menu.entries = calloc(n + 1, sizeof(*menu.entries));
    menu.items = calloc(n + 1, sizeof(*menu.items));
    menu.versions = calloc(n + 1, sizeof(*menu.versions));
    if (menu.entries == NULL || menu.items == NULL || menu.versions == NULL)
        return false;
    n = 0;
    for (struct boot_entry *entry = entries_first(); entry != NULL; entry = entry->next, n++) {
        (void)loader_text_copy(entry->entry.version, menu.versions[n], VERSION_BYTES);
        menu.entries[n] = entry;
        menu.items[n] =
            (struct menu_item){entry->title, menu.versions[n], entry->id, why_locked(entry)};
    }
    return true;
}

static void forget_entries(void)
{
    free(menu.entries);
    free(menu.items);
    free(menu.versions);
    free(menu.page);
    menu.entries = NULL;
    menu.items = NULL;
    menu.versions = NULL;
    menu.page = NULL;
}

/* ---------------------------------------------------------------- all about one */

static void page_add(const char *name, const char *value, size_t bytes)
{
    /* A long one goes on below. */
    for (size_t at = 0; at < bytes; at += PAGE_COLUMNS - 12) {
        size_t n = bytes - at < PAGE_COLUMNS - 12 ? bytes - at : PAGE_COLUMNS - 12;
        size_t used = strlen(menu.page);
        vst_format(menu.page + used, PAGE_BYTES - used, "%-12s%.*s\n", at == 0 ? name : "", (int)n,
                   value + at);
    }
}

static void page_add_text(const char *name, struct loader_text text)
{
    page_add(name, text.at, text.bytes);
}

static void page_add_conf(const struct loader_entry *conf)
{
    char tries[64] = "";

    page_add_text("version", conf->version);
    page_add_text("machine-id", conf->machine_id);
    page_add_text("sort-key", conf->sort_key);
    if (conf->tries.counted)
        vst_format(tries, sizeof(tries), "%u left, %u done", conf->tries.left, conf->tries.done);
    page_add("tries", tries, strlen(tries));
    page_add_text("linux", conf->kernel);
    page_add_text("efi", conf->efi);
    page_add_text("uki", conf->uki);
    for (size_t i = 0; i < conf->n_initrds; i++)
        page_add_text(conf->modules & 1u << i ? "module" : "initrd", conf->initrds[i]);
    for (size_t i = 0; i < conf->n_options; i++)
        page_add_text("options", conf->options[i]);
}

static const char *describe(const struct boot_entry *entry)
{
    static const char *const kinds[] = {
        [ENTRY_CONF] = "Boot Loader Specification, type 1",
        [ENTRY_UNIFIED] = "Boot Loader Specification, type 2",
        [ENTRY_PROGRAM] = "EFI program",
        [ENTRY_SET_UP] = "the firmware",
        [ENTRY_RESTART] = "this program",
        [ENTRY_POWER_OFF] = "this program",
    };

    if (menu.page == NULL)
        menu.page = malloc(PAGE_BYTES);
    if (menu.page == NULL)
        return "There is no memory to tell it.\n";
    menu.page[0] = '\0';
    page_add("title", entry->title, strlen(entry->title));
    page_add("id", entry->id, strlen(entry->id));
    page_add("by", kinds[entry->kind], strlen(kinds[entry->kind]));
    if (entry->volume != NULL)
        page_add("volume", entry->volume->name, strlen(entry->volume->name));
    page_add("in", entry->directory, strlen(entry->directory));
    page_add("file", entry->file, strlen(entry->file));
    page_add_conf(&entry->entry);
    return menu.page;
}

/* ---------------------------------------------------------------- what is wished */

static void save_default(void)
{
    if (menu.state.standard == MENU_NONE)
        variable_delete(L"LoaderEntryDefault");
    else
        variable_set(L"LoaderEntryDefault", menu.entries[menu.state.standard]->id, true);
}

static void save_timeout(void)
{
    char text[16] = "menu-force";

    if (menu.state.timeout_s != MENU_FOREVER)
        vst_format(text, sizeof(text), "%u", menu.state.timeout_s);
    variable_set(L"LoaderConfigTimeout", text, true);
}

static void restart(EFI_RESET_TYPE type)
{
    clear();
    loader_system->RuntimeServices->ResetSystem(type, EFI_SUCCESS, 0, NULL);
}

static void go_to_set_up(void)
{
    if (!variables_can_set_up() || EFI_ERROR(variables_ask_for_set_up()))
        menu_state_note(&menu.state, "This firmware can't be asked for its set-up.");
    else
        restart(EfiResetCold);
}

static void edit(const struct boot_entry *entry, char options[BOOT_MAX_OPTIONS])
{
    unsigned row = menu_state_edit_row(&menu.state);

    if (!boot_options(entry, options)) {
        menu_state_note(&menu.state, "Its command line is too long.");
        return;
    }
    menu_state_note(&menu.state, "Enter boots with this command line, Esc leaves.");
    draw();
    (void)out()->SetCursorPosition(out(), 0, row);
    (void)out()->EnableCursor(out(), TRUE);
    menu_state_edit(&menu.state, options);
    /* What the editor leaves there is to be drawn over. */
    menu.drawn[row] = menu.drawn[row + 1] = UNKNOWN_SUM;
}

/* True: there is an answer. */
static bool see_to(enum menu_event event, struct menu_answer *answer)
{
    size_t selected = menu.state.selected;

    answer->what = event;
    switch (event) {
    case MENU_BOOT:
        answer->entry = menu.entries[selected];
        if (menu.state.edited)
            memcpy(answer->options, menu.state.edit.text, menu.state.edit.length + 1);
        else if (!boot_options(answer->entry, answer->options)) {
            menu_state_note(&menu.state, "Its command line is too long.");
            return false;
        }
        return true;
    case MENU_CONSOLE:
    case MENU_LEAVE:
        return true;
    case MENU_EDIT:
        edit(menu.entries[selected], answer->options);
        return false;
    case MENU_DESCRIBE:
        menu_state_page(&menu.state, describe(menu.entries[selected]));
        return false;
    case MENU_SET_DEFAULT:
        save_default();
        return false;
    case MENU_SET_TIMEOUT:
        save_timeout();
        return false;
    case MENU_SET_UP:
        go_to_set_up();
        return false;
    case MENU_RESTART:
        restart(EfiResetCold);
        return false;
    case MENU_POWER_OFF:
        restart(EfiResetShutdown);
        return false;
    default:
        return false;
    }
}

/* The next key, or second. */
static enum menu_event next_event(uint64_t *second_ns)
{
    uint64_t now = clock_ns();
    struct loader_key key;

    if (!menu.state.counting) {
        if (input_key(&key, INPUT_FOREVER))
            return menu_state_key(&menu.state, &key);
        (void)firmware->Stall(NO_KEYBOARD_US);
        return MENU_STAY;
    }
    if (now + NS_PER_S < *second_ns) /* the counter was set back */
        *second_ns = now + NS_PER_S;
    if (input_key(&key, now < *second_ns ? *second_ns - now : 0))
        return menu_state_key(&menu.state, &key);
    *second_ns += NS_PER_S;
    return menu_state_second(&menu.state);
}

/* ---------------------------------------------------------------- running */

static void begin(bool by_itself)
{
    const char *said[MENU_MAX_SAID];
    UINTN columns, rows;
    struct menu_setup setup = {
        .about = LOADER_NAME,
        .items = menu.items,
        .standard = MENU_NONE,
        .timeout_s = by_itself ? menu.choice->timeout_s : MENU_FOREVER,
        .put = put_edited,
    };

    for (; menu.entries[setup.n_items] != NULL; setup.n_items++)
        if (menu.entries[setup.n_items] == menu.choice->chosen)
            setup.standard = setup.n_items;
    set_mode(&menu.choice->conf);
    get_size((UINTN)out()->Mode->Mode, &columns, &rows);
    setup.columns = (unsigned)columns;
    setup.rows = rows < MAX_ROWS ? (unsigned)rows : MAX_ROWS;
    setup.n_said = say_lines(said, MENU_MAX_SAID);
    setup.said = said;
    menu_state_begin(&menu.state, &setup);
}

static void choose(struct menu_answer *answer)
{
    uint64_t second_ns = clock_ns() + NS_PER_S;
    enum menu_event event = menu.state.counting && menu.state.left_s == 0 ? MENU_BOOT : MENU_STAY;

    clear();
    while (!see_to(event, answer)) {
        if (menu.state.view != MENU_EDITING) {
            (void)out()->EnableCursor(out(), FALSE);
            draw();
        }
        MARK(MARK_BOOT | MARK_END);
        event = next_event(&second_ns);
    }
    clear();
    (void)out()->EnableCursor(out(), TRUE);
}

/* Whether it boots without anything having been shown. */
static bool is_passed_over(const struct boot_choice *choice)
{
    struct loader_key key;
    uint64_t ns = choice->timeout_s * NS_PER_S;

    if (choice->chosen == NULL || choice->menu == LOADER_MENU_SHOWN)
        return false;
    return choice->menu == LOADER_MENU_DISABLED ||
           !input_key(&key, choice->timeout_s == LOADER_TIMEOUT_FOREVER ? INPUT_FOREVER
                            : ns > HIDDEN_LOOK_NS                       ? ns
                                                                        : HIDDEN_LOOK_NS);
}

void menu_run(const struct boot_choice *choice, bool by_itself, struct menu_answer *answer)
{
    menu.choice = choice;
    *answer = (struct menu_answer){.what = MENU_LEAVE};
    bool passed_over = by_itself && is_passed_over(choice);
    if (passed_over && boot_options(choice->chosen, answer->options)) {
        answer->what = MENU_BOOT;
        answer->entry = choice->chosen;
        return;
    }
    if (list_entries() && out() != NULL) {
        begin(by_itself && choice->menu == LOADER_MENU_SHOWN);
        choose(answer);
    } else {
        say("vstor: no memory for the menu\n");
    }
    forget_entries();
    say_forget();
}
