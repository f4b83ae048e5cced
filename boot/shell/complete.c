/* SPDX-License-Identifier: BSD-2-Clause */
#include "complete.h"

#include <string.h>

#include "command.h"
#include "complete_path.h"
#include "partitions.h"

#define NAME_BYTES 32u
#define WORD_BYTES 64u /* of a device: none is named by more */

static void offer(const char *text, const char *word, line_edit_candidate *candidate, void *taker)
{
    if (strncmp(text, word, strlen(word)) == 0)
        candidate(taker, text);
}

static void offer_commands(const char *word, line_edit_candidate *candidate, void *taker)
{
    for (size_t i = 0; i < n_shell_commands; i++)
        offer(shell_commands[i]->name, word, candidate, taker);
}

/* A device's name, and those of its partitions, which must be read to be known. */
static void offer_device(const struct shell_host *host, struct vst_block_device *device,
                         const char *word, line_edit_candidate *candidate, void *taker)
{
    char name[VST_PARTITION_DEVICE_NAME_BYTES];
    size_t typed = strlen(word), length = strlen(device->name);

    if (strncmp(device->name, word, typed < length ? typed : length) != 0)
        return;
    offer(device->name, word, candidate, taker);
    const struct partitions *partitions = partitions_known(host, device);
    for (uint32_t i = 0; i < partitions->table.n; i++)
        offer(vst_partition_device_name(device, partitions->list[i].number, name), word, candidate,
              taker);
}

/* Block devices; and where a unit of any type will do, tapes and the rest. */
static void offer_devices(const struct shell_host *host, enum device_word kind, const char *word,
                          line_edit_candidate *candidate, void *taker)
{
    for (struct vst_block_device *d = host->registry->first; d != NULL; d = d->next)
        offer_device(host, d, word, candidate, taker);
    if (kind != DEVICE_UNIT || host->units == NULL)
        return;
    for (struct vst_scsi_unit *unit = host->units->first; unit != NULL; unit = unit->next)
        if (unit->name[0] != '\0')
            offer(unit->name, word, candidate, taker);
}

/* ---------------------------------------------------------------- what stands before */

/* Where the command begins that the word at `start` belongs to. */
static size_t command_start(const char *line, size_t start)
{
    while (start > 0 && line[start - 1] != ';')
        start--;
    return start;
}

/* The next word before `end`, cut to what has room; false: there is none. */
static bool next_word(const char *line, size_t *at, size_t end, char *word, size_t room)
{
    size_t n = 0;

    while (*at < end && line[*at] == ' ')
        ++*at;
    bool any = *at < end;
    for (; *at < end && line[*at] != ' '; ++*at)
        if (n + 1 < room)
            word[n++] = line[*at];
    word[n] = '\0';
    return any;
}

/* How many words that are no options come before `start`; the first of them, a device maybe. */
static size_t words_before(const struct shell_command *command, const char *line, size_t at,
                           size_t start, char first[WORD_BYTES])
{
    char word[WORD_BYTES];
    size_t n = 0;

    while (next_word(line, &at, start, word, sizeof(word)))
        if (!shell_is_option(command, word) && n++ == 0)
            strcpy(first, word);
    return n;
}

/* Behind a device, which is word 0: true if the word may be a path. */
static bool offer_paths(const struct shell_host *host, const struct shell_command *command,
                        const char *device, size_t n, const char *word,
                        line_edit_candidate *candidate, void *taker)
{
    size_t prefix = 0;

    for (const char *const *option = command->path_options; option != NULL && *option != NULL;
         option++)
        if (strncmp(word, *option, strlen(*option)) == 0)
            prefix = strlen(*option);
    if (n == 0 || (prefix == 0 && n > command->n_paths))
        return false;
    complete_path(host, device, word, prefix, candidate, taker);
    return true;
}

void complete_word(const struct shell_host *host, const char *line, size_t start, const char *word,
                   line_edit_candidate *candidate, void *taker)
{
    char name[NAME_BYTES], device[WORD_BYTES] = "";
    size_t at = command_start(line, start);

    if (!next_word(line, &at, start, name, sizeof(name))) {
        offer_commands(word, candidate, taker);
        return;
    }
    const struct shell_command *command = shell_command_find(name);
    if (command == NULL)
        return;
    if (strcmp(name, "help") == 0)
        offer_commands(word, candidate, taker);
    size_t n = words_before(command, line, at, start, device);
    bool is_path = offer_paths(host, command, device, n, word, candidate, taker);
    if (command->device != DEVICE_NONE && !is_path)
        offer_devices(host, command->device, word, candidate, taker);
    /* Options crowd the list of devices, so they wait for a first letter. */
    if (*word == '\0' && command->device != DEVICE_NONE)
        return;
    for (const char *const *option = command->options; option != NULL && *option != NULL; option++)
        offer(*option, word, candidate, taker);
    offer("json=1", word, candidate, taker);
    offer("--help", word, candidate, taker);
}
