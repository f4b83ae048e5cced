/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Says what is waited for when that takes long: which disk, and for how many seconds. The library ends
 * every wait by itself; this is for who sits before the machine. At TPL_NOTIFY or below.
 */
#ifndef VSTOR_EFI_LOADER_WATCH_H
#define VSTOR_EFI_LOADER_WATCH_H

/** Waiting is for `name` from now on, which stays until watch_end. */
void watch_begin(const char *name);
void watch_end(void);

/** Something has come: it counts from here. */
void watch_progress(void);

/** In a wait: says so after three seconds, and then each second. Nothing outside begin and end. */
void watch_look(void);

#endif
