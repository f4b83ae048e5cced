/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/entries.h"

#include <string.h>

#include <vstor/log.h>

#include "boot/efi/loader/entry_files.h"
#include "boot/efi/loader/loader.h"
#include "boot/efi/loader/pool.h"
#include "boot/efi/loader/say.h"
#include "boot/efi/loader/trust.h"
#include "boot/efi/loader/utf16.h"
#include "boot/efi/loader/variables.h"

#define TIMEOUT_WITHOUT_CONF_S 5u
#define TIMEOUT_OF_GUESS_S     10u /* as systemd-boot's */
#define VARIABLE_BYTES         200u
#define SAVED                  "@saved"

static struct boot_entry *first;

struct boot_entry *entries_first(void)
{
    return first;
}

/* ---------------------------------------------------------------- the list */

static bool is_automatic(const struct boot_entry *entry)
{
    return entry->kind > ENTRY_UNIFIED;
}

/* Those that were only found stand behind those that somebody has made, in the order of finding. */
static int compare(const struct boot_entry *a, const struct boot_entry *b)
{
    if (is_automatic(a) || is_automatic(b))
        return (int)is_automatic(a) - (int)is_automatic(b);
    return loader_entry_compare(&a->entry, &b->entry);
}

/* In no order yet: see sort. */
static void keep(struct boot_entry *entry)
{
    entry->next = first;
    first = entry;
}

/* Of equal ones those of `a` are first. */
static struct boot_entry *merge(struct boot_entry *a, struct boot_entry *b)
{
    struct boot_entry *merged = NULL, **end = &merged;

    while (a != NULL && b != NULL) {
        struct boot_entry **less = compare(a, b) <= 0 ? &a : &b;
        *end = *less;
        end = &(*less)->next;
        *less = *end;
    }
    *end = a != NULL ? a : b;
    return merged;
}

/* What was found last stands first, so parts are merged from the end: runs[i] has 2^i entries, those
 * of a higher one were found later. */
static void sort(void)
{
    struct boot_entry *runs[32] = {NULL}, *sorted = NULL;

    while (first != NULL) {
        struct boot_entry *run = first;
        first = run->next;
        run->next = NULL;
        unsigned i = 0;
        for (; runs[i] != NULL; i++) {
            run = merge(run, runs[i]);
            runs[i] = NULL;
        }
        runs[i] = run;
    }
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(runs); i++)
        sorted = merge(sorted, runs[i]);
    first = sorted;
}

static void add_end(enum entry_kind kind, const char *id, const char *title)
{
    struct boot_entry *entry = pool_take(sizeof(*entry));

    if (entry == NULL)
        return;
    entry->kind = kind;
    entry->entry.title = loader_text_of(title);
    vst_format(entry->id, sizeof(entry->id), "%s", id);
    keep(entry);
}

static void add_ends(const struct loader_conf *conf)
{
    if (conf->auto_firmware && variables_can_set_up())
        add_end(ENTRY_SET_UP, "auto-reboot-to-firmware-setup", "Reboot Into Firmware Interface");
    if (conf->auto_poweroff)
        add_end(ENTRY_POWER_OFF, "auto-poweroff", "Power Off The System");
    if (conf->auto_reboot)
        add_end(ENTRY_RESTART, "auto-reboot", "Reboot The System");
}

/* ---------------------------------------------------------------- titles */

static void add_to_title(struct boot_entry *entry, struct loader_text text)
{
    size_t used = strlen(entry->title);
    char copy[ENTRY_NAME_BYTES];

    (void)loader_text_copy(text, copy, sizeof(copy));
    if (text.bytes > 0)
        vst_format(entry->title + used, sizeof(entry->title) - used, " (%s)", copy);
}

/* Of an image of several; the first one need not be named. */
static void take_profile(struct boot_entry *entry)
{
    const struct loader_entry *about = &entry->entry;
    char number[32];

    if (about->profile_title.bytes > 0) {
        add_to_title(entry, about->profile_title);
    } else if (about->profile > 0 && about->profile_id.bytes > 0) {
        add_to_title(entry, about->profile_id);
    } else if (about->profile > 0) {
        vst_format(number, sizeof(number), "Profile #%u", about->profile + 1);
        add_to_title(entry, loader_text_of(number));
    }
}

static void take_title(struct boot_entry *entry)
{
    struct loader_text title = entry->entry.title;

    if (title.bytes == 0)
        title = loader_text_of(entry->id);
    (void)loader_text_copy(title, entry->title, sizeof(entry->title));
    if (entry->title[0] == '\0') /* it begins with a NUL */
        (void)loader_text_copy(loader_text_of(entry->id), entry->title, sizeof(entry->title));
    take_profile(entry);
}

/* So that few of many titles need be compared. */
static uint32_t sum_of(const char *title)
{
    uint32_t sum = 5381;

    for (; *title != '\0'; title++)
        sum = sum * 33 + (uint8_t)*title;
    return sum;
}

static bool is_alone(const struct boot_entry *entry)
{
    for (const struct boot_entry *other = first; other != NULL; other = other->next)
        if (other->title_sum == entry->title_sum && other != entry &&
            strcmp(other->title, entry->title) == 0)
            return false;
    return true;
}

/* Whether there are any. */
static bool find_doubles(void)
{
    bool any = false;

    for (struct boot_entry *entry = first; entry != NULL; entry = entry->next)
        entry->title_sum = sum_of(entry->title);
    for (struct boot_entry *entry = first; entry != NULL; entry = entry->next) {
        entry->is_double = !is_alone(entry);
        any |= entry->is_double;
    }
    return any;
}

/* What tells two of one title apart: version, machine, name, volume. (UAPI.1) */
static void add_distinction(struct boot_entry *entry, unsigned step)
{
    const struct loader_entry *about = &entry->entry;

    if (step == 0)
        add_to_title(entry, about->version);
    else if (step == 1)
        add_to_title(entry, about->machine_id);
    else if (step == 2)
        add_to_title(entry, loader_text_of(entry->id));
    else if (entry->volume != NULL)
        add_to_title(entry, loader_text_of(entry->volume->name));
}

static void make_titles(void)
{
    for (struct boot_entry *entry = first; entry != NULL; entry = entry->next)
        take_title(entry);
    /* All of one title at once, or the last of them would have nothing more to be told by. */
    for (unsigned step = 0; step < 4 && find_doubles(); step++)
        for (struct boot_entry *entry = first; entry != NULL; entry = entry->next)
            if (entry->is_double)
                add_distinction(entry, step);
}

/* ---------------------------------------------------------------- choosing */

static bool fits(const struct boot_entry *entry, struct loader_text pattern)
{
    /* The name of an image alone means its first profile. */
    return entry->kind <= ENTRY_UNIFIED && entry->entry.profile == 0
               ? loader_entry_fits(&entry->entry, pattern)
               : loader_fits(loader_text_of(entry->id), pattern);
}

static bool is_bad(const struct boot_entry *entry)
{
    return entry->entry.tries.counted && entry->entry.tries.left == 0;
}

static struct boot_entry *by_pattern(struct loader_text pattern, bool not_bad)
{
    struct boot_entry *entry = pattern.bytes > 0 ? first : NULL;

    while (entry != NULL && (!fits(entry, pattern) || (not_bad && is_bad(entry))))
        entry = entry->next;
    return entry;
}

static struct boot_entry *by_wish(struct loader_text wish, bool not_bad)
{
    char last[VARIABLE_BYTES] = "";

    if (loader_text_is(wish, SAVED)) {
        (void)variable_text(L"LoaderEntryLastBooted", last, sizeof(last));
        wish = loader_text_of(last);
    }
    return by_pattern(wish, not_bad);
}

static struct boot_entry *by_variable(const CHAR16 *name, bool not_bad)
{
    char text[VARIABLE_BYTES];

    return variable_text(name, text, sizeof(text)) ? by_wish(loader_text_of(text), not_bad) : NULL;
}

static struct boot_entry *choose(struct boot_choice *choice)
{
    const struct loader_conf *conf = &choice->conf;
    struct boot_entry *entry = choice->once = by_variable(L"LoaderEntryOneShot", false);

    variable_delete(L"LoaderEntryOneShot"); /* for this once */
    if (entry == NULL)
        entry = by_variable(L"LoaderEntryPreferred", true);
    if (entry == NULL)
        entry = by_wish(conf->preferred, true);
    if (entry == NULL)
        entry = by_variable(L"LoaderEntryDefault", false);
    if (entry == NULL)
        entry = by_wish(conf->default_entry, false);
    if (entry != NULL)
        return entry;
    choice->is_guess = first != NULL && is_automatic(first);
    /* Not by itself what ends that which has only begun. */
    return first != NULL && first->kind < ENTRY_SET_UP ? first : NULL;
}

/* "menu-force", "menu-hidden", "menu-disabled", or seconds. */
static bool timeout_of(const CHAR16 *name, struct boot_choice *choice)
{
    struct loader_conf conf;
    char text[32], line[48];

    if (!variable_text(name, text, sizeof(text)))
        return false;
    vst_format(line, sizeof(line), "timeout %s", text);
    if (loader_conf_read(loader_text_of(line), &conf) != 0)
        return false;
    choice->timeout_s = conf.timeout_s;
    choice->menu = conf.menu;
    return true;
}

static void find_timeout(struct boot_choice *choice)
{
    choice->timeout_s = choice->conf.timeout_s;
    choice->menu = choice->conf.menu;
    if (choice->conf_text == NULL) {
        choice->timeout_s = TIMEOUT_WITHOUT_CONF_S;
        choice->menu = LOADER_MENU_SHOWN;
    }
    (void)timeout_of(L"LoaderConfigTimeout", choice);
    /* Who has made no entry has hardly meant "at once" for what is merely there. */
    if (choice->is_guess && choice->menu == LOADER_MENU_HIDDEN) {
        choice->timeout_s = TIMEOUT_OF_GUESS_S;
        choice->menu = LOADER_MENU_SHOWN;
    }
    bool once = timeout_of(L"LoaderConfigTimeoutOneShot", choice);
    if (once)
        variable_delete(L"LoaderConfigTimeoutOneShot");
    /* Who asks for it once wants to see the menu: 0 is no time-out then. (systemctl(1),
     * --boot-loader-menu) */
    if (choice->chosen == NULL || (once && choice->timeout_s == 0))
        choice->timeout_s = LOADER_TIMEOUT_FOREVER;
    if (choice->chosen == NULL || once)
        choice->menu = LOADER_MENU_SHOWN;
}

/* ---------------------------------------------------------------- telling the system */

/* LoaderEntries: every id, each with its NUL. */
static void tell_entries(void)
{
    UINTN bytes = 0;

    for (const struct boot_entry *entry = first; entry != NULL; entry = entry->next)
        bytes += utf16_units(entry->id) * sizeof(CHAR16);
    CHAR16 *list = pool_take(bytes), *at = list;
    for (const struct boot_entry *entry = first; list != NULL && entry != NULL;
         entry = entry->next) {
        UINTN n = utf16_units(entry->id);
        (void)utf16_of(entry->id, at, n);
        at += n;
    }
    if (list != NULL && bytes > 0)
        variable_set_bytes(L"LoaderEntries", list, bytes);
    pool_give(list);
}

/* ---------------------------------------------------------------- all of it */

static bool is_saved(const CHAR16 *name, struct loader_text wish)
{
    char text[VARIABLE_BYTES];

    if (variable_text(name, text, sizeof(text)))
        wish = loader_text_of(text);
    return loader_text_is(wish, SAVED);
}

void entries_save(const struct boot_choice *choice, const struct boot_entry *entry)
{
    bool wanted = is_saved(L"LoaderEntryPreferred", choice->conf.preferred) ||
                  is_saved(L"LoaderEntryDefault", choice->conf.default_entry);

    /* Nor is an end, which would be the end each time. */
    if (wanted && entry != choice->once && entry->kind < ENTRY_SET_UP)
        variable_set(L"LoaderEntryLastBooted", entry->id, true);
}

void entries_find(struct boot_choice *choice)
{
    *choice = (struct boot_choice){.conf_text = entry_files_conf()};
    size_t n_wrong = loader_conf_read(
        loader_text_of(choice->conf_text != NULL ? choice->conf_text : ""), &choice->conf);
    if (choice->conf_text != NULL)
        trust_measure(TRUST_CONFIGURATION, choice->conf_text, strlen(choice->conf_text),
                      "/loader/loader.conf");
    if (n_wrong > 0)
        say("/loader/loader.conf: %llu lines make no sense\n", (unsigned long long)n_wrong);
    entry_files_find(choice->conf.auto_entries, keep);
    add_ends(&choice->conf);
    sort();
    make_titles();
    tell_entries();
    choice->chosen = choose(choice);
    find_timeout(choice);
}

void entries_forget(struct boot_choice *choice)
{
    while (first != NULL) {
        struct boot_entry *entry = first;
        first = entry->next;
        entry_files_drop(entry);
    }
    entry_files_forget();
    pool_give(choice->conf_text);
    *choice = (struct boot_choice){.chosen = NULL};
}
