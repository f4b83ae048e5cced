/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * malloc out of the firmware's pool, under the names by which newlib itself calls it, too: its own
 * would keep what it has until the end, and be larger than this.
 */
#include "boot/efi/loader/heap.h"

#include <errno.h>
#include <reent.h>
#include <stdlib.h>
#include <string.h>

#include "boot/efi/firmware.h"

/* Stands before what is given out. */
struct piece {
    struct piece *next, *before;
    size_t bytes;
    void *pool; /* as the firmware has given it, aligned to 8 only */
};
#define ALIGN_BYTES _Alignof(max_align_t)
VST_STATIC_ASSERT(sizeof(struct piece) % ALIGN_BYTES == 0, "what follows is aligned, too");

static struct piece all = {&all, &all, 0, NULL};

static struct piece *piece_of(void *memory)
{
    return (struct piece *)memory - 1;
}

void *malloc(size_t bytes)
{
    uintptr_t pool;

    if (bytes > PTRDIFF_MAX ||
        EFI_ERROR(firmware->AllocatePool(
            EfiBootServicesData, bytes + sizeof(struct piece) + ALIGN_BYTES, (VOID **)&pool))) {
        errno = ENOMEM;
        return NULL;
    }
    struct piece *piece = (struct piece *)((pool + ALIGN_BYTES - 1) & ~(ALIGN_BYTES - 1));
    *piece = (struct piece){all.next, &all, bytes, (void *)pool};
    all.next->before = piece;
    all.next = piece;
    return piece + 1;
}

void free(void *memory)
{
    if (memory == NULL)
        return;
    struct piece *piece = piece_of(memory);
    piece->next->before = piece->before;
    piece->before->next = piece->next;
    (void)firmware->FreePool(piece->pool);
}

void *calloc(size_t n, size_t bytes)
{
    size_t all_bytes;

    if (__builtin_mul_overflow(n, bytes, &all_bytes))
        all_bytes = SIZE_MAX;
    void *memory = malloc(all_bytes);
    if (memory != NULL)
        memset(memory, 0, all_bytes);
    return memory;
}

void *realloc(void *memory, size_t bytes)
{
    void *larger = malloc(bytes);

    if (larger == NULL || memory == NULL)
        return larger;
    size_t old_bytes = piece_of(memory)->bytes;
    memcpy(larger, memory, old_bytes < bytes ? old_bytes : bytes);
    free(memory);
    return larger;
}

void heap_free_all(void)
{
    while (all.next != &all)
        free(all.next + 1);
}

void *_malloc_r(struct _reent *reent, size_t bytes)
{
    (void)reent;
    return malloc(bytes);
}

void _free_r(struct _reent *reent, void *memory)
{
    (void)reent;
    free(memory);
}

void *_calloc_r(struct _reent *reent, size_t n, size_t bytes)
{
    (void)reent;
    return calloc(n, bytes);
}

void *_realloc_r(struct _reent *reent, void *memory, size_t bytes)
{
    (void)reent;
    return realloc(memory, bytes);
}
