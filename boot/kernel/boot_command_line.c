/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the loader's command line to ours.
 *
 * The image's own name comes first with QEMU's multiboot loader ("build/x86_64/vstor.elf lsblk;
 * exit") and with GRUB legacy; GRUB 2, multiboot 2 and PVH pass the arguments alone. Rule: under
 * QEMU everything up to the end of the first word that ends in ".elf" and comes before any ';' is
 * the name (a path may hold blanks), failing that the first word. With other multiboot 1 loaders,
 * the first word is a name only if it begins with '/' or '(' or ends in ".elf".
 */
#include <string.h>

#include "boot/kernel/boot_info.h"

#define IMAGE_SUFFIX ".elf"

static size_t word_length(const char *text)
{
    return strcspn(text, " \t;");
}

static bool ends_in_suffix(const char *word, size_t length)
{
    size_t suffix_length = sizeof(IMAGE_SUFFIX) - 1;
    return length > suffix_length &&
           memcmp(word + length - suffix_length, IMAGE_SUFFIX, suffix_length) == 0;
}

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

static const char *after_qemu_image_name(const char *text)
{
    for (const char *word = text; *word != '\0' && *word != ';'; word = skip_blanks(word)) {
        size_t length = word_length(word);
        word += length;
        if (ends_in_suffix(word - length, length))
            return word;
    }
    return text + strcspn(text, " \t");
}

static const char *after_image_name(const struct boot_info *info, const char *text)
{
    size_t length = word_length(text);

    if (strcmp(info->loader_name, "qemu") == 0)
        return after_qemu_image_name(text);
    if (*text == '/' || *text == '(' || ends_in_suffix(text, length))
        return text + length;
    return text;
}

static void undo_grub_quoting(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        if (*from == '"')
            continue;
        if (*from == '\\' && from[1] != '\0')
            from++;
        *to++ = *from;
    }
    *to = '\0';
}

void boot_command_line_set(struct boot_info *info, const char *text, size_t max_bytes,
                           bool may_name_image)
{
    char *line = info->command_line;
    size_t room = sizeof(info->command_line) - 1;
    size_t length = strnlen(text, max_bytes < room + 1 ? max_bytes : room + 1);

    info->command_line_cut = length > room;
    if (info->command_line_cut)
        length = room;
    memcpy(line, text, length);
    line[length] = '\0';

    const char *rest = skip_blanks(line);
    if (may_name_image)
        rest = skip_blanks(after_image_name(info, rest));
    memmove(line, rest, strlen(rest) + 1);
    if (strncmp(info->loader_name, "GRUB", 4) == 0)
        undo_grub_quoting(line);
}
