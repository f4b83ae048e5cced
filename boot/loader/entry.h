/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What can be booted, as text files say it: the Boot Loader Specification (UAPI.1), type 1, with its
 * order and boot counting, and loader.conf as systemd-boot reads it.
 *
 * All texts point into the caller's memory, which stays as long as they are used. Nothing is
 * allocated, nothing blocks; what is not known is passed over, as the specification wants.
 */
#ifndef VSTOR_LOADER_ENTRY_H
#define VSTOR_LOADER_ENTRY_H

#include "boot/loader/text.h"

#define LOADER_ENTRY_MAX_BYTES 65536u
#define LOADER_MAX_INITRDS     16u
#define LOADER_MAX_OPTIONS     16u
#define LOADER_MAX_TRIES       9999u

/** Boot counting: what stands in the name of a file, "+LEFT" or "+LEFT-DONE". */
struct loader_tries {
    bool counted;
    uint32_t left, done;
};

struct loader_entry {
    struct loader_text id; /**< the file's name without tries and ".conf", or ".efi" */
    bool unified;          /**< it is a unified kernel image: loader_unified_read */
    unsigned
        profile; /**< of such an image: its number, 0 unless loader_unified_profile is called */
    struct loader_text profile_id, profile_title;
    struct loader_tries tries;
    struct loader_text title, version, machine_id, sort_key, architecture;
    struct loader_text kernel; /**< key "linux" */
    struct loader_text efi, uki, devicetree, devicetree_overlay;
    struct loader_text initrds[LOADER_MAX_INITRDS];
    size_t n_initrds;
    uint32_t
        modules; /**< a bit for each that is no "initrd" but a "module", which the specification
                         does not know: words for the kernel stand behind the path */
    struct loader_text options[LOADER_MAX_OPTIONS]; /**< see loader_entry_options */
    size_t n_options;
};

/**
 * Reads an entry of a file of that name.
 *
 * VST_ERR_INVALID       the name is none of an entry (UAPI.1: it ends in ".conf")
 * VST_ERR_TOO_LARGE     the file, or more initrds or options than are kept
 * VST_ERR_MALFORMED     there is nothing in it that could be booted
 */
enum vst_status loader_entry_read(struct loader_text name, struct loader_text text,
                                  struct loader_entry *entry) VST_MUST_USE;

/**
 * The same of a unified kernel image, type 2: its name, and the texts of its sections .osrel and
 * .uname (boot/loader/pe.h), empty where there are none. entry->uki is its name.
 *
 * VST_ERR_INVALID       the name is none of an image: it does not end in ".efi"
 * VST_ERR_MALFORMED     .osrel does not say what it is
 */
enum vst_status loader_unified_read(struct loader_text name, struct loader_text osrel,
                                    struct loader_text uname,
                                    struct loader_entry *entry) VST_MUST_USE;

/**
 * Which one it is of several profiles of such an image: its number from 0 on, and the text of its section
 * .profile, empty if there is none. An id that others would read as something else is left out.
 */
void loader_unified_profile(struct loader_entry *entry, unsigned number,
                            struct loader_text profile);

/** All options, one blank between, with a NUL; false if there is not room for all. */
bool loader_entry_options(const struct loader_entry *entry, char *to, size_t room) VST_MUST_USE;

/** Whether it is for this machine: "x64", "aa64", ...; one that does not say is. */
bool loader_entry_is_for(const struct loader_entry *entry, const char *architecture);

/** Which is shown first: less than 0 if `a` is. What has no tries left comes last. (UAPI.1, Sorting) */
int loader_entry_compare(const struct loader_entry *a, const struct loader_entry *b);

/** Whether a pattern of loader.conf or of a variable means it, with or without ".conf" (".efi"). */
bool loader_entry_fits(const struct loader_entry *entry, struct loader_text pattern);

/** Parts a file's name. False if it is none of an entry. */
bool loader_entry_name(struct loader_text name, struct loader_text *id,
                       struct loader_tries *tries) VST_MUST_USE;

/**
 * The name to be given to the file before it is booted: one try less left, one more done. False if
 * it is not counted, if no try is left, or if there is no room.
 */
bool loader_entry_next_name(const struct loader_entry *entry, char *to, size_t room) VST_MUST_USE;

/* ---------------------------------------------------------------- loader.conf */

#define LOADER_TIMEOUT_FOREVER UINT32_MAX

enum loader_menu { LOADER_MENU_SHOWN, LOADER_MENU_HIDDEN, LOADER_MENU_DISABLED };

enum loader_console_mode {
    LOADER_CONSOLE_KEEP,
    LOADER_CONSOLE_AUTO,
    LOADER_CONSOLE_MAX,
    LOADER_CONSOLE_NUMBER,
};

struct loader_conf {
    uint32_t timeout_s; /**< 0, and the menu hidden, unless the file says other */
    enum loader_menu menu;
    struct loader_text default_entry; /**< a pattern, or "@saved" */
    struct loader_text preferred;
    enum loader_console_mode console;
    uint32_t console_number;
    bool editor, auto_entries, auto_firmware, auto_poweroff, auto_reboot;
};

/** Reads the file over the defaults. Values that make no sense leave theirs; returns their number. */
size_t loader_conf_read(struct loader_text text, struct loader_conf *conf);

#endif
