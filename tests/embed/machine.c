/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The platform of a PC without an operating system, and the four functions that the compiler and
 * vstor take for granted. One CPU, 4 GiB mapped one to one, and devices that see the same addresses.
 */
#include "machine.h"

#define SERIAL_PORT     0x3f8
#define DEBUG_EXIT_PORT 0xf4
#define HPET_ADDRESS    0xfed00000u
#define MAPPED_BYTES    (1ull << 32)

/* ------------------------------------------------------------------ what C programs need */

void *memcpy(void *to, const void *from, size_t bytes)
{
    void *at = to;

    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(bytes) : : "memory");
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    void *at = to;

    __asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(value) : "memory");
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    if ((uintptr_t)to - (uintptr_t)from >= bytes)
        return memcpy(to, from, bytes);
    for (char *at = to; bytes > 0; bytes--)
        at[bytes - 1] = ((const char *)from)[bytes - 1];
    return to;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
    const unsigned char *x = a, *y = b;

    for (; bytes > 0; bytes--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

/* ------------------------------------------------------------------ the machine */

static void port_write_byte(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void put_line(const char *text)
{
    while (*text != '\0')
        port_write_byte(SERIAL_PORT, (uint8_t)*text++);
    port_write_byte(SERIAL_PORT, '\n');
}

void say(const char *format, ...)
{
    char line[VST_LOG_LINE_BYTES];
    va_list values;

    va_start(values, format);
    vst_vformat(line, sizeof(line), format, values);
    va_end(values);
    put_line(line);
}

void leave(int status)
{
    port_write_byte(DEBUG_EXIT_PORT, (uint8_t)status);
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* ------------------------------------------------------------------ the ten functions */

static uint32_t pci_config_read(void *ctx, struct vst_pci_address address, uint16_t offset,
                                uint8_t width_bytes)
{
    (void)ctx;
    return vst_pci_port_read(address, offset, width_bytes);
}

static void pci_config_write(void *ctx, struct vst_pci_address address, uint16_t offset,
                             uint8_t width_bytes, uint32_t value)
{
    (void)ctx;
    vst_pci_port_write(address, offset, width_bytes, value);
}

/** Device memory lies in the map that there is; that it is not cached is the firmware's business. */
static void *mmio_map(void *ctx, uint64_t physical, uint64_t bytes)
{
    (void)ctx;
    if (bytes > MAPPED_BYTES || physical > MAPPED_BYTES - bytes)
        return NULL;
    return (void *)(uintptr_t)physical;
}

static void *alloc(void *ctx, size_t bytes, size_t align_bytes, enum vst_memory_kind kind,
                   uint64_t *bus_addr)
{
    struct arena *arena = ctx;
    size_t gap = -(uintptr_t)arena->next & (align_bytes - 1);
    size_t room = (size_t)(arena->end - arena->next);

    if (gap > room || bytes > room - gap)
        return NULL;
    void *memory = arena->next + gap;
    arena->next += gap + bytes;
    arena->held_bytes += bytes;
    if (arena->held_bytes > arena->most_bytes)
        arena->most_bytes = arena->held_bytes;
    if (kind == VST_MEMORY_SHARED)
        *bus_addr = (uintptr_t)memory;
    return memset(memory, 0, bytes);
}

/** What was given out last can be given out again; the rest is only counted. */
static void free_memory(void *ctx, void *memory, size_t bytes, enum vst_memory_kind kind)
{
    struct arena *arena = ctx;

    (void)kind;
    if (memory == NULL)
        return;
    arena->held_bytes -= bytes;
    if ((char *)memory + bytes == arena->next)
        arena->next = memory;
}

static enum vst_status dma_map(void *ctx, void *buffer, size_t bytes,
                               enum vst_dma_direction direction, uint64_t *bus_addr)
{
    (void)bytes;
    (void)direction;
    ((struct arena *)ctx)->n_mapped++;
    *bus_addr = (uintptr_t)buffer;
    return VST_OK;
}

static void dma_unmap(void *ctx, void *buffer, size_t bytes, enum vst_dma_direction direction,
                      uint64_t bus_addr)
{
    (void)buffer;
    (void)bytes;
    (void)direction;
    (void)bus_addr;
    ((struct arena *)ctx)->n_mapped--;
}

/** The HPET's counter, whose period is told in femtoseconds. (IA-PC HPET 1.0a, 2.3) */
static uint64_t time_ns(void *ctx)
{
    volatile uint64_t *hpet = (volatile uint64_t *)(uintptr_t)HPET_ADDRESS;
    uint64_t period_fs = hpet[0] >> 32;

    (void)ctx;
    hpet[2] |= 1; /* it counts */
    return hpet[30] * (period_fs / 1000) / 1000;
}

static void relax(void *ctx)
{
    (void)ctx;
    __asm__ volatile("pause");
}

static void log_line(void *ctx, enum vst_log_level level, const char *text)
{
    (void)ctx;
    if (level <= VST_LOG_WARNING)
        put_line(text);
}

struct vst_platform machine_platform(struct arena *arena, void *memory, size_t bytes)
{
    *arena = (struct arena){.next = memory, .end = (char *)memory + bytes};
    return (struct vst_platform){
        .ctx = arena,
        .pci_config_read = pci_config_read,
        .pci_config_write = pci_config_write,
        .mmio_map = mmio_map,
        .alloc = alloc,
        .free = free_memory,
        .dma_map = dma_map,
        .dma_unmap = dma_unmap,
        .time_ns = time_ns,
        .relax = relax,
        .log = log_line,
    };
}

size_t machine_scan(const struct vst_platform *platform, struct vst_pci_function *functions,
                    size_t max)
{
    /* Where BARs may go that no firmware has placed: below the machine's own devices. */
    const struct vst_pci_host host = {
        .platform = platform,
        .last_bus = 255,
        .io = {0xc000, 0xffff},
        .memory_below_4g = {0xe0000000, 0xfebfffff},
        .memory_above_4g = {1, 0},
    };
    size_t n = 0;

    if (vst_pci_scan(&host, functions, max, &n) != VST_OK)
        say("not all PCI functions were found");
    if (vst_pci_assign(&host, functions, n, false) != VST_OK)
        say("not all of them have a place");
    return n;
}
