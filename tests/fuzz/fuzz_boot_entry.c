/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text files of what can be booted: the first line of the input is the name of an entry, the second
 * one a pattern or a version, the rest the file.
 */
#include "tests/fuzz/fuzz_input.h"
#include "boot/loader/entry.h"

static struct loader_text line_of(struct loader_text *rest)
{
    const char *end = rest->bytes > 0 ? memchr(rest->at, '\n', rest->bytes) : NULL;
    size_t bytes = end != NULL ? (size_t)(end - rest->at) : rest->bytes;
    struct loader_text line = {rest->at, bytes};

    rest->at += bytes + (end != NULL);
    rest->bytes -= bytes + (end != NULL);
    return line;
}

static void check_inside(struct loader_text text, const char *first, size_t bytes)
{
    FUZZ_CHECK(text.bytes == 0 || (text.at >= first && text.at + text.bytes <= first + bytes));
}

static void check_entry(const struct loader_entry *entry, struct loader_text text)
{
    char name[300], options[500];

    check_inside(entry->title, text.at, text.bytes);
    check_inside(entry->kernel, text.at, text.bytes);
    for (size_t i = 0; i < entry->n_initrds; i++)
        check_inside(entry->initrds[i], text.at, text.bytes);
    if (loader_entry_options(entry, options, sizeof(options)))
        FUZZ_CHECK(strlen(options) < sizeof(options));
    FUZZ_CHECK(loader_entry_compare(entry, entry) == 0);
    if (!loader_entry_next_name(entry, name, sizeof(name)))
        return;
    /* What was tried once more is the same entry, with one try less. */
    struct loader_text id;
    struct loader_tries tries;
    FUZZ_CHECK(loader_entry_name(loader_text_of(name), &id, &tries) ||
               memchr(entry->id.at, 0, entry->id.bytes) != NULL);
    if (memchr(entry->id.at, 0, entry->id.bytes) == NULL)
        FUZZ_CHECK(tries.counted && tries.left == entry->tries.left - 1 &&
                   loader_text_compare(id, entry->id) == 0);
}

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct loader_text rest = {(const char *)data, bytes}, value;
    struct loader_text name = line_of(&rest), pattern = line_of(&rest);
    struct loader_entry entry, named = {.n_options = 0};
    struct loader_conf conf;

    if (loader_entry_read(name, rest, &entry) == VST_OK) {
        check_entry(&entry, rest);
        (void)loader_entry_fits(&entry, pattern);
        if (loader_entry_name(pattern, &named.id, &named.tries))
            FUZZ_CHECK(sign(loader_entry_compare(&entry, &named)) ==
                       -sign(loader_entry_compare(&named, &entry)));
    }
    if (loader_unified_read(name, rest, pattern, &entry) == VST_OK) {
        check_inside(entry.title, rest.at, rest.bytes);
        check_inside(entry.sort_key, rest.at, rest.bytes);
        (void)loader_entry_fits(&entry, pattern);
        FUZZ_CHECK(loader_entry_compare(&entry, &entry) == 0);
    }
    FUZZ_CHECK(sign(loader_version_compare(name, pattern)) ==
               -sign(loader_version_compare(pattern, name)));
    FUZZ_CHECK(loader_version_compare(name, name) == 0);
    (void)loader_fits(rest, pattern);
    (void)loader_conf_read(rest, &conf);
    check_inside(conf.default_entry, rest.at, rest.bytes);
    if (loader_os_release(rest, "ID", &value))
        check_inside(value, rest.at, rest.bytes);
    return 0;
}
