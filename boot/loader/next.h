/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Another kernel in our place: loaded beside us, and copied to where it belongs as the very last.
 *
 * Everything is read into free memory that the kernel's own place does not touch, initrd and modules
 * straight to where they stay. So all that can fail has failed while we still run. What the machine
 * has to give for that is in struct loader_machine; it maps memory one to one.
 */
#ifndef VSTOR_LOADER_NEXT_H
#define VSTOR_LOADER_NEXT_H

#include "boot/loader/range_set.h"
#include "boot/loader/start.h"
#include "boot/loader/wanted.h"

#define LOADER_MAX_FILES  32u
#define LOADER_MAX_PIECES (LOADER_MAX_FILES + 5u)

struct loader_machine {
    void *ctx;
    /** Whole pages, not zeroed, that end at most at `end` and lie apart from `avoid`. 0: none. */
    uint64_t (*take)(void *ctx, uint64_t bytes, uint64_t end, const struct range_set *avoid);
    void (*give_back)(void *ctx, uint64_t first, uint64_t bytes);
    /** All that a kernel can be copied to once nobody else runs, free now or not. */
    const struct range_set *ram;
    uint64_t memory_end; /**< what take can reach */
    /**
     * Where there is EFI firmware, for kernels that take over its boot services: what nobody uses now,
     * and whole pages for one, just there. NULL: there is no such firmware.
     */
    const struct range_set *(*free_now)(void *ctx);
    bool (*take_at)(void *ctx, uint64_t first, uint64_t bytes);
    bool runs_programs; /**< EFI programs are loaded as they are, and come before all other kinds */
    /**
     * A file of a kernel of that kind is in memory, and nothing else has been read of it. Why it must
     * not be used, fixed text; NULL: nothing speaks against it. The function may be NULL.
     */
    const char *(*admit)(void *ctx, enum loader_kind kind, size_t file, const void *bytes);
};

/** From there to there, with zeroes behind. */
struct loader_copy {
    uint64_t to, from, bytes, zero_bytes;
};

/** One kernel, and all that was taken for it. The caller's; its fields are for reading. */
struct loader_next {
    const struct loader_machine *machine;
    const struct loader_wanted *wanted;
    struct loader_answer *answer;
    struct loader_bytes file;
    struct loader_image image;
    bool
        services_left; /**< it is entered at image.efi_entry, and its parts are free to be filled */
    struct range_set target; /**< where its parts will lie */
    struct range pieces[LOADER_MAX_PIECES];
    size_t n_pieces;
    struct loader_module modules[LOADER_MAX_FILES];
    size_t n_modules;
    struct loader_room room;
    struct loader_registers registers;
};

/**
 * Reads the kernel and what goes with it, and finds a place for all. Blocks as wanted->read does. After
 * anything but VST_OK, answer->text says why, and everything taken is for loader_next_forget.
 *
 * VST_ERR_UNSUPPORTED   it is no kernel, or one that can't be started here or is not admitted
 * VST_ERR_MALFORMED     it makes no sense
 * VST_ERR_NO_MEMORY     it, its place or what goes with it is not to be had
 * VST_ERR_IO            a file could not be read, which has been said
 */
enum vst_status loader_next_load(struct loader_next *next, const struct loader_machine *machine,
                                 const struct loader_wanted *wanted,
                                 struct loader_answer *answer) VST_MUST_USE;

/** Pages that the kernel's place does not touch, until loader_next_forget; 0: none. */
uint64_t loader_next_take(struct loader_next *next, uint64_t bytes, uint64_t end);

/** Room for what the kernel is told, were it told that; once. VST_ERR_NO_MEMORY, in words. */
enum vst_status loader_next_reserve(struct loader_next *next,
                                    const struct loader_start *start) VST_MUST_USE;

/** Writes that; again and again if need be. Of `start`, command line and modules are filled in here. */
enum vst_status loader_next_write(struct loader_next *next,
                                  struct loader_start *start) VST_MUST_USE;

/** Where the part of that number, below image.n_parts, is copied. */
struct loader_copy loader_next_copy(const struct loader_next *next, uint32_t part);

/** Gives everything back. */
void loader_next_forget(struct loader_next *next);

/** Says why, in answer->text, and returns the status. */
enum vst_status loader_next_refuse(struct loader_next *next, enum vst_status status,
                                   const char *why);

/** Puts a piece into a memory map that is in order of address and has room for it. One that a piece of
 * the same type touches is joined to it. */
void loader_memory_add(struct loader_memory *memory, size_t *n, uint64_t first, uint64_t bytes,
                       uint32_t type, bool join);

#endif
