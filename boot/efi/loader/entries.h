/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What can be booted from the volumes, in the order of the Boot Loader Specification (UAPI.1), and what
 * loader.conf and the variables of the Boot Loader Interface say about it:
 *
 *     /loader/entries/X.conf        type 1, of any volume
 *     /EFI/Linux/X.efi              type 2, unified kernel images
 *     /EFI/BOOT, /EFI/X, /shellx64.efi  other loaders and programs: see entry_files.c
 *     the firmware's set-up, and other ends
 */
#ifndef VSTOR_EFI_LOADER_ENTRIES_H
#define VSTOR_EFI_LOADER_ENTRIES_H

#include "boot/efi/loader/volumes.h"
#include "boot/loader/entry.h"

#define ENTRY_NAME_BYTES 160u
#define ENTRY_PATH_BYTES 300u

enum entry_kind {
    ENTRY_CONF,    /**< type 1 */
    ENTRY_UNIFIED, /**< type 2 */
    ENTRY_PROGRAM, /**< found by its name */
    ENTRY_SET_UP,  /**< the firmware's */
    ENTRY_RESTART,
    ENTRY_POWER_OFF,
};

struct boot_entry {
    struct boot_entry *next;
    enum entry_kind kind;
    struct volume *volume;            /**< NULL: of none */
    struct loader_entry entry;        /**< ENTRY_CONF, ENTRY_UNIFIED; of others the title */
    char id[ENTRY_NAME_BYTES];        /**< as the Boot Loader Interface has it: "debian.conf" */
    char title[ENTRY_NAME_BYTES];     /**< to be shown; no other has the same */
    char directory[ENTRY_PATH_BYTES]; /**< of its file: "/loader/entries" */
    char file[ENTRY_PATH_BYTES];      /**< in that; "" if there is none */
    char
        *text; /**< what the texts of `entry` point into; ENTRY_CONF: a part of all that was read */
    uint64_t text_bytes; /**< of that, its file's; ENTRY_CONF */
    uint32_t title_sum;  /**< entries.c's own */
    bool is_double;      /**< the same */
};

/** How it is to be chosen. */
struct boot_choice {
    struct loader_conf conf;
    enum loader_menu menu;
    uint32_t timeout_s;        /**< LOADER_TIMEOUT_FOREVER: until somebody chooses */
    struct boot_entry *chosen; /**< what is booted unless somebody chooses other; NULL: nothing */
    struct boot_entry *once;   /**< what LoaderEntryOneShot names; or NULL */
    bool is_guess; /**< `chosen` is the first program found, for want of anything else */
    char *conf_text;
};

/** Sorted. */
struct boot_entry *entries_first(void);

/** Looks for all of them on the volumes found. What was found before is void. Says what makes no sense. */
void entries_find(struct boot_choice *choice);
void entries_forget(struct boot_choice *choice);

/**
 * Remembers what is booted, if loader.conf or LoaderEntryDefault wants that to be the next default;
 * not what was wanted once, nor what ends all.
 */
void entries_save(const struct boot_choice *choice, const struct boot_entry *entry);

/**
 * One try less for an entry that is counted: its file is given another name, by the firmware's file
 * system, and LoaderBootCountPath tells which. What fails is said, and is no reason not to boot.
 */
void entry_count(struct boot_entry *entry);

#endif
