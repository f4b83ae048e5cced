/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/loader/entry.h"

#define SUFFIX         ".conf"
#define SUFFIX_UNIFIED ".efi"

/* ---------------------------------------------------------------- names */

static const char *suffix_of(const struct loader_entry *entry)
{
    return entry->unified ? SUFFIX_UNIFIED : SUFFIX;
}

static bool ends_in(struct loader_text text, const char *suffix)
{
    size_t bytes = strlen(suffix);

    return text.bytes >= bytes &&
           loader_fits((struct loader_text){text.at + text.bytes - bytes, bytes},
                       loader_text_of(suffix));
}

/* "LEFT" or "LEFT-DONE". */
static bool read_tries(struct loader_text text, struct loader_tries *tries)
{
    const char *dash = text.bytes > 0 ? memchr(text.at, '-', text.bytes) : NULL;
    size_t left_bytes = dash != NULL ? (size_t)(dash - text.at) : text.bytes;

    tries->done = 0;
    tries->counted =
        loader_text_number((struct loader_text){text.at, left_bytes}, LOADER_MAX_TRIES,
                           &tries->left) &&
        (dash == NULL ||
         loader_text_number((struct loader_text){dash + 1, text.bytes - left_bytes - 1},
                            LOADER_MAX_TRIES, &tries->done));
    return tries->counted;
}

static bool part_name(struct loader_text name, const char *suffix, struct loader_text *id,
                      struct loader_tries *tries)
{
    *tries = (struct loader_tries){false, 0, 0};
    if (!ends_in(name, suffix) || name.bytes == strlen(suffix) || name.at[0] == '.')
        return false;
    *id = (struct loader_text){name.at, name.bytes - strlen(suffix)};
    for (size_t plus = id->bytes; plus-- > 1;)
        if (id->at[plus] == '+') {
            struct loader_text after = {id->at + plus + 1, id->bytes - plus - 1};
            if (read_tries(after, tries))
                id->bytes = plus;
            else
                *tries = (struct loader_tries){false, 0, 0};
            break;
        }
    return true;
}

bool loader_entry_name(struct loader_text name, struct loader_text *id, struct loader_tries *tries)
{
    return part_name(name, SUFFIX, id, tries);
}

static bool append(char *to, size_t room, size_t *used, const char *text, size_t bytes)
{
    if (bytes >= room - *used)
        return false;
    if (bytes > 0)
        memcpy(to + *used, text, bytes);
    *used += bytes;
    to[*used] = '\0';
    return true;
}

static bool append_number(char *to, size_t room, size_t *used, uint32_t number)
{
    char digits[10];
    size_t n = sizeof(digits);

    do
        digits[--n] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    return append(to, room, used, digits + n, sizeof(digits) - n);
}

bool loader_entry_next_name(const struct loader_entry *entry, char *to, size_t room)
{
    uint32_t done = entry->tries.done < LOADER_MAX_TRIES ? entry->tries.done + 1 : LOADER_MAX_TRIES;
    size_t used = 0;

    return entry->tries.counted && entry->tries.left > 0 && room > 0 &&
           append(to, room, &used, entry->id.at, entry->id.bytes) &&
           append(to, room, &used, "+", 1) &&
           append_number(to, room, &used, entry->tries.left - 1) &&
           append(to, room, &used, "-", 1) && append_number(to, room, &used, done) &&
           append(to, room, &used, suffix_of(entry), strlen(suffix_of(entry)));
}

/* ---------------------------------------------------------------- contents */

struct text_key {
    const char *name;
    size_t offset; /* of the struct loader_text that gets it */
};

static const struct text_key entry_keys[] = {
    {"title", offsetof(struct loader_entry, title)},
    {"version", offsetof(struct loader_entry, version)},
    {"machine-id", offsetof(struct loader_entry, machine_id)},
    {"sort-key", offsetof(struct loader_entry, sort_key)},
    {"architecture", offsetof(struct loader_entry, architecture)},
    {"linux", offsetof(struct loader_entry, kernel)},
    {"efi", offsetof(struct loader_entry, efi)},
    {"uki", offsetof(struct loader_entry, uki)},
    {"devicetree", offsetof(struct loader_entry, devicetree)},
    {"devicetree-overlay", offsetof(struct loader_entry, devicetree_overlay)},
};

static void take_text(void *into, const struct text_key *keys, size_t n_keys,
                      struct loader_text key, struct loader_text value)
{
    for (size_t i = 0; i < n_keys; i++)
        if (loader_text_is(key, keys[i].name))
            *(struct loader_text *)(void *)((char *)into + keys[i].offset) = value;
}

static bool add_to(struct loader_text *list, size_t *n, size_t max, struct loader_text value)
{
    if (value.bytes == 0)
        return true;
    if (*n == max)
        return false;
    list[(*n)++] = value;
    return true;
}

static bool take_line(struct loader_entry *entry, struct loader_text key, struct loader_text value)
{
    if (loader_text_is(key, "initrd")) {
        entry->modules &= ~(1u << entry->n_initrds);
        return add_to(entry->initrds, &entry->n_initrds, LOADER_MAX_INITRDS, value);
    }
    if (loader_text_is(key, "module")) {
        entry->modules |= 1u << entry->n_initrds;
        return add_to(entry->initrds, &entry->n_initrds, LOADER_MAX_INITRDS, value);
    }
    if (loader_text_is(key, "options"))
        return add_to(entry->options, &entry->n_options, LOADER_MAX_OPTIONS, value);
    if (value.bytes > 0)
        take_text(entry, entry_keys, VST_ARRAY_LENGTH(entry_keys), key, value);
    return true;
}

enum vst_status loader_entry_read(struct loader_text name, struct loader_text text,
                                  struct loader_entry *entry)
{
    struct loader_text key, value;

    memset(entry, 0, sizeof(*entry));
    if (!loader_entry_name(name, &entry->id, &entry->tries))
        return VST_ERR_INVALID;
    if (text.bytes > LOADER_ENTRY_MAX_BYTES)
        return VST_ERR_TOO_LARGE;
    while (loader_next_line(&text, &key, &value))
        if (!take_line(entry, key, value))
            return VST_ERR_TOO_LARGE;
    if (entry->kernel.bytes == 0 && entry->efi.bytes == 0 && entry->uki.bytes == 0)
        return VST_ERR_MALFORMED;
    return VST_OK;
}

/* The first of several keys that there is. */
static struct loader_text first_of(struct loader_text osrel, const char *const *keys, size_t n)
{
    struct loader_text value = {NULL, 0};

    for (size_t i = 0; i < n && value.bytes == 0; i++)
        if (!loader_os_release(osrel, keys[i], &value))
            value = (struct loader_text){NULL, 0};
    return value;
}

enum vst_status loader_unified_read(struct loader_text name, struct loader_text osrel,
                                    struct loader_text uname, struct loader_entry *entry)
{
    static const char *const titles[] = {"PRETTY_NAME", "NAME"};
    static const char *const keys[] = {"IMAGE_ID", "ID"};
    static const char *const versions[] = {"IMAGE_VERSION", "VERSION", "VERSION_ID", "BUILD_ID"};

    memset(entry, 0, sizeof(*entry));
    entry->unified = true;
    if (!part_name(name, SUFFIX_UNIFIED, &entry->id, &entry->tries))
        return VST_ERR_INVALID;
    entry->uki = name;
    entry->title = first_of(osrel, titles, VST_ARRAY_LENGTH(titles));
    entry->sort_key = first_of(osrel, keys, VST_ARRAY_LENGTH(keys));
    entry->version =
        uname.bytes > 0 ? uname : first_of(osrel, versions, VST_ARRAY_LENGTH(versions));
    return entry->title.bytes > 0 && entry->sort_key.bytes > 0 ? VST_OK : VST_ERR_MALFORMED;
}

/* What stands behind an '@' in names and variables. */
static bool is_profile_id(struct loader_text id)
{
    size_t i = 0;

    while (i < id.bytes && id.at[i] > ' ' && id.at[i] < 0x7f && id.at[i] != '@')
        i++;
    return i == id.bytes;
}

void loader_unified_profile(struct loader_entry *entry, unsigned number, struct loader_text profile)
{
    static const char *const ids[] = {"ID"}, *const titles[] = {"TITLE"};

    entry->profile = number;
    entry->profile_id = first_of(profile, ids, 1);
    entry->profile_title = first_of(profile, titles, 1);
    if (!is_profile_id(entry->profile_id))
        entry->profile_id = (struct loader_text){NULL, 0};
}

bool loader_entry_options(const struct loader_entry *entry, char *to, size_t room)
{
    size_t used = 0;

    if (room == 0)
        return false;
    to[0] = '\0';
    for (size_t i = 0; i < entry->n_options; i++)
        if ((i > 0 && !append(to, room, &used, " ", 1)) ||
            !append(to, room, &used, entry->options[i].at, entry->options[i].bytes))
            return false;
    return true;
}

bool loader_entry_is_for(const struct loader_entry *entry, const char *architecture)
{
    return entry->architecture.bytes == 0 ||
           loader_fits(entry->architecture, loader_text_of(architecture));
}

bool loader_entry_fits(const struct loader_entry *entry, struct loader_text pattern)
{
    size_t suffix_bytes = strlen(suffix_of(entry));

    if (loader_fits(entry->id, pattern))
        return true;
    return pattern.bytes > suffix_bytes && ends_in(pattern, suffix_of(entry)) &&
           loader_fits(entry->id, (struct loader_text){pattern.at, pattern.bytes - suffix_bytes});
}

/* ---------------------------------------------------------------- order */

static int compare_tries(const struct loader_tries *a, const struct loader_tries *b)
{
    if (!a->counted || !b->counted)
        return 0;
    if (a->left != b->left)
        return a->left > b->left ? -1 : 1;
    return (a->done > b->done) - (a->done < b->done);
}

static bool has_failed(const struct loader_entry *entry)
{
    return entry->tries.counted && entry->tries.left == 0;
}

int loader_entry_compare(const struct loader_entry *a, const struct loader_entry *b)
{
    bool key_a = a->sort_key.bytes > 0, key_b = b->sort_key.bytes > 0;
    int order = (int)has_failed(a) - (int)has_failed(b);

    if (order == 0)
        order = (int)key_b - (int)key_a;
    if (order == 0 && key_a) {
        order = loader_text_compare(a->sort_key, b->sort_key);
        if (order == 0)
            order = loader_text_compare(a->machine_id, b->machine_id);
        if (order == 0)
            order = loader_version_compare(b->version, a->version);
    }
    if (order == 0)
        order = loader_version_compare(b->id, a->id);
    if (order == 0)
        order = (a->profile > b->profile) - (a->profile < b->profile);
    return order != 0 ? order : compare_tries(&a->tries, &b->tries);
}

/* ---------------------------------------------------------------- loader.conf */

static const struct text_key conf_texts[] = {
    {"default", offsetof(struct loader_conf, default_entry)},
    {"preferred", offsetof(struct loader_conf, preferred)},
};

static const struct text_key conf_bools[] = {
    {"editor", offsetof(struct loader_conf, editor)},
    {"auto-entries", offsetof(struct loader_conf, auto_entries)},
    {"auto-firmware", offsetof(struct loader_conf, auto_firmware)},
    {"auto-poweroff", offsetof(struct loader_conf, auto_poweroff)},
    {"auto-reboot", offsetof(struct loader_conf, auto_reboot)},
};

static bool take_timeout(struct loader_conf *conf, struct loader_text value)
{
    static const struct {
        const char *word;
        uint32_t timeout_s;
        enum loader_menu menu;
    } words[] = {
        {"menu-force", LOADER_TIMEOUT_FOREVER, LOADER_MENU_SHOWN},
        {"menu-hidden", 0, LOADER_MENU_HIDDEN},
        {"menu-disabled", 0, LOADER_MENU_DISABLED},
    };

    for (size_t i = 0; i < VST_ARRAY_LENGTH(words); i++)
        if (loader_text_is(value, words[i].word)) {
            conf->timeout_s = words[i].timeout_s;
            conf->menu = words[i].menu;
            return true;
        }
    if (!loader_text_number(value, LOADER_TIMEOUT_FOREVER - 1, &conf->timeout_s))
        return false;
    conf->menu = conf->timeout_s > 0 ? LOADER_MENU_SHOWN : LOADER_MENU_HIDDEN;
    return true;
}

static bool take_console(struct loader_conf *conf, struct loader_text value)
{
    static const char *const words[] = {"keep", "auto", "max"};

    for (size_t i = 0; i < VST_ARRAY_LENGTH(words); i++)
        if (loader_text_is(value, words[i])) {
            conf->console = (enum loader_console_mode)i;
            return true;
        }
    if (!loader_text_number(value, UINT32_MAX, &conf->console_number))
        return false;
    conf->console = LOADER_CONSOLE_NUMBER;
    return true;
}

static bool take_conf_line(struct loader_conf *conf, struct loader_text key,
                           struct loader_text value)
{
    if (loader_text_is(key, "timeout"))
        return take_timeout(conf, value);
    if (loader_text_is(key, "console-mode"))
        return take_console(conf, value);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(conf_bools); i++)
        if (loader_text_is(key, conf_bools[i].name))
            return loader_text_bool(value, (bool *)((char *)conf + conf_bools[i].offset));
    take_text(conf, conf_texts, VST_ARRAY_LENGTH(conf_texts), key, value);
    return true;
}

size_t loader_conf_read(struct loader_text text, struct loader_conf *conf)
{
    struct loader_text key, value;
    size_t n_wrong = 0;

    *conf = (struct loader_conf){
        .menu = LOADER_MENU_HIDDEN, .editor = true, .auto_entries = true, .auto_firmware = true};
    while (loader_next_line(&text, &key, &value))
        n_wrong += !take_conf_line(conf, key, value);
    return n_wrong;
}
