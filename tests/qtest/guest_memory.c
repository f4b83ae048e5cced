/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE 1
#include "tests/qtest/guest_memory.h"

#include <sanitizer/asan_interface.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/qtest/machine.h"

#define PAGE_BYTES 4096u
/* Below are the BIOS's places and the VGA hole. */
#define FIRST_PAGE 256u
#define N_PAGES    ((uint32_t)(GUEST_MEMORY_BYTES / PAGE_BYTES))
#define FREED_BYTE 0xdd

enum page_state { PAGE_NEW, PAGE_TAKEN, PAGE_FREED };

static struct {
    char *base; /* of bus address 0; below FIRST_PAGE nothing is mapped */
    uint8_t state[N_PAGES];
    uint32_t next; /* the search goes on where it ended, so that freed pages rest for a while */
} memory;

int guest_memory_create(bool identity)
{
    size_t skip = FIRST_PAGE * PAGE_BYTES, bytes = GUEST_MEMORY_BYTES - skip;
    int fd = memfd_create("guest", 0);
    void *wanted = identity ? (void *)(uintptr_t)skip : NULL;

    CHECK(fd >= 0 && ftruncate(fd, (off_t)GUEST_MEMORY_BYTES) == 0);
    char *mapped = mmap(wanted, bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | (identity ? MAP_FIXED_NOREPLACE : 0), fd, (off_t)skip);
    if (mapped == MAP_FAILED || (identity && mapped != wanted))
        FAIL("cannot map guest memory at its own address");
    memory.base = (char *)((uintptr_t)mapped - skip);
    memory.next = FIRST_PAGE;
    ASAN_POISON_MEMORY_REGION(mapped, bytes);
    return fd;
}

void *guest_memory_pointer(uint64_t bus_addr)
{
    CHECK(bus_addr >= FIRST_PAGE * PAGE_BYTES && bus_addr < GUEST_MEMORY_BYTES);
    return memory.base + bus_addr;
}

static uint32_t pages_of(size_t bytes)
{
    return (uint32_t)((bytes + PAGE_BYTES - 1) / PAGE_BYTES);
}

static bool run_is_free(uint32_t first, uint32_t n)
{
    for (uint32_t i = first; i < first + n; i++)
        if (memory.state[i] == PAGE_TAKEN)
            return false;
    return true;
}

static void check_freed_page(uint32_t page)
{
    const char *bytes = memory.base + (size_t)page * PAGE_BYTES;

    if (memory.state[page] != PAGE_FREED)
        return;
    ASAN_UNPOISON_MEMORY_REGION(bytes, PAGE_BYTES);
    for (uint32_t i = 0; i < PAGE_BYTES; i++)
        if ((uint8_t)bytes[i] != FREED_BYTE)
            FAIL("memory given back was written: page %#x, offset %#x", page, i);
    ASAN_POISON_MEMORY_REGION(bytes, PAGE_BYTES);
}

void guest_memory_check_free_pages(void)
{
    for (uint32_t page = FIRST_PAGE; page < N_PAGES; page++)
        check_freed_page(page);
}

/** First of n free pages, 0 if there are none. */
static uint32_t find_run(uint32_t n)
{
    for (int round = 0; round < 2; round++) {
        for (uint32_t page = memory.next; page + n <= N_PAGES; page++)
            if (run_is_free(page, n))
                return page;
        memory.next = FIRST_PAGE;
    }
    return 0;
}

void *guest_memory_alloc(size_t bytes, uint64_t *bus_addr)
{
    uint32_t n = pages_of(bytes), page = find_run(n + 2); /* a forbidden page on either side */

    if (page == 0)
        return NULL;
    memory.next = page + n + 1;
    for (uint32_t i = page + 1; i < page + 1 + n; i++) {
        check_freed_page(i);
        memory.state[i] = PAGE_TAKEN;
    }
    *bus_addr = (uint64_t)(page + 1) * PAGE_BYTES;
    char *start = memory.base + *bus_addr;
    ASAN_UNPOISON_MEMORY_REGION(start, bytes);
    memset(start, 0, bytes);
    return start;
}

void guest_memory_free(void *pointer, size_t bytes)
{
    uint32_t first = (uint32_t)(((char *)pointer - memory.base) / PAGE_BYTES);

    ASAN_UNPOISON_MEMORY_REGION(pointer, (size_t)pages_of(bytes) * PAGE_BYTES);
    memset(pointer, FREED_BYTE, (size_t)pages_of(bytes) * PAGE_BYTES);
    ASAN_POISON_MEMORY_REGION(pointer, (size_t)pages_of(bytes) * PAGE_BYTES);
    for (uint32_t i = first; i < first + pages_of(bytes); i++) {
        CHECK(memory.state[i] == PAGE_TAKEN);
        memory.state[i] = PAGE_FREED;
    }
}
