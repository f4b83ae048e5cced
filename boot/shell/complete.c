/* SPDX-License-Identifier: BSD-2-Clause */
#include "complete.h"

#include <string.h>

#include "command.h"
#include "partitions.h"

#define NAME_BYTES 32u

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

/* The command that the word at `start` belongs to; "" into name if the word is the command itself.
 */
static void command_before(const char *line, size_t start, char name[NAME_BYTES])
{
    size_t first = start, length = 0;

    while (first > 0 && line[first - 1] != ';')
        first--;
    while (first < start && line[first] == ' ')
        first++;
    while (first + length < start && line[first + length] != ' ' && length < NAME_BYTES - 1) {
        name[length] = line[first + length];
        length++;
    }
    name[length] = '\0';
}

void complete_word(const struct shell_host *host, const char *line, size_t start, const char *word,
                   line_edit_candidate *candidate, void *taker)
{
    char name[NAME_BYTES];

    command_before(line, start, name);
    if (*name == '\0') {
        offer_commands(word, candidate, taker);
        return;
    }
    const struct shell_command *command = shell_command_find(name);
    if (command == NULL)
        return;
    if (strcmp(name, "help") == 0)
        offer_commands(word, candidate, taker);
    if (command->device != DEVICE_NONE)
        offer_devices(host, command->device, word, candidate, taker);
    /* Options crowd the list of devices, so they wait for a first letter. */
    if (*word == '\0' && command->device != DEVICE_NONE)
        return;
    for (const char *const *option = command->options; option != NULL && *option != NULL; option++)
        offer(*option, word, candidate, taker);
    offer("json=1", word, candidate, taker);
    offer("--help", word, candidate, taker);
}
