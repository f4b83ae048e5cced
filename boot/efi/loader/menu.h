/* SPDX-License-Identifier: BSD-2-Clause */
/* The menu on the firmware's console: screen and keyboard, serial line, or all of them. */
#ifndef VSTOR_EFI_LOADER_MENU_H
#define VSTOR_EFI_LOADER_MENU_H

#include "boot/efi/loader/boot.h"
#include "boot/efi/loader/menu_state.h"

/** What somebody has chosen, or the time. */
struct menu_answer {
    enum menu_event what;     /**< MENU_BOOT, MENU_CONSOLE or MENU_LEAVE */
    struct boot_entry *entry; /**< MENU_BOOT */
    char options[BOOT_MAX_OPTIONS];
};

/**
 * Shows the entries, unless loader.conf wants that hidden, with what has been said since the last
 * time, and waits for a choice; `by_itself`: at most for the time that `choice` gives, then it is the
 * default. Other wishes are seen to here: variables are set, the machine starts again or ends.
 */
void menu_run(const struct boot_choice *choice, bool by_itself, struct menu_answer *answer);

#endif
