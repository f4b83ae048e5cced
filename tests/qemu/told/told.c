/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel that says on the serial line what it was told, and ends. Built by test_boot_other.py in
 * several ways, none of them like vstor: of 32 bits, loaded by ELF headers or address fields.
 *
 *     told multiboot1             command TEXT        loader TEXT         base ADDRESS
 *     module TEXT BYTES CRC32     memory FIRST BYTES TYPE                 rsdp 1    bss 1
 *     screen ADDRESS WIDTH HEIGHT LINE_BYTES BITS KIND                    efi 1     efi-map COUNT
 *
 * Told "wait" as its command line, it does not end, so that somebody can look at the screen.
 */
#include <stdint.h>

#define EXIT_PORT   0xf4
#define SERIAL_PORT 0x3f8

struct module {
    uint32_t first, end, text, reserved;
};

static uint32_t dirty[1000]; /* must be zero */
extern char told_start[] __attribute__((visibility("hidden")));

static int waits;

static void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void text(const char *s)
{
    for (; *s; s++) {
        while (!(in8(SERIAL_PORT + 5) & 0x20))
            ;
        out8(SERIAL_PORT, (uint8_t)*s);
    }
}

static void number(uint64_t value)
{
    char digits[20], *at = digits + sizeof(digits);

    *--at = 0;
    for (unsigned i = 0; i < 16 && (i == 0 || value); i++, value >>= 4)
        *--at = "0123456789abcdef"[value & 15];
    text(" ");
    text(at);
}

static void line(const char *name, const char *value)
{
    text(name);
    text(" ");
    text(value);
    text("\n");
}

static void command(const char *words)
{
    line("command", words);
    waits = words[0] == 'w' && words[1] == 'a' && words[2] == 'i' && words[3] == 't';
}

static uint32_t crc32(const uint8_t *data, uint32_t bytes)
{
    uint32_t crc = ~0u;

    for (uint32_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static void module(const char *name, uint32_t first, uint32_t bytes)
{
    text("module ");
    text(name);
    number(bytes);
    number(crc32((const uint8_t *)first, bytes));
    text(first & 4095 ? " unaligned\n" : "\n");
}

static void memory(uint64_t first, uint64_t bytes, uint32_t type)
{
    text("memory");
    number(first);
    number(bytes);
    number(type);
    text("\n");
}

static int is_rsdp(const char *at)
{
    const char *wanted = "RSD PTR ";

    for (; *wanted; wanted++, at++)
        if (*at != *wanted)
            return 0;
    return 1;
}

/* Drawn on: the upper left corner is as red, green and blue as it can be. */
static void screen(uint64_t first, uint32_t width, uint32_t height, uint32_t line_bytes,
                   const uint8_t *kind, const uint8_t *colours)
{
    text("screen");
    number(first);
    number(width);
    number(height);
    number(line_bytes);
    number(kind[0]);
    text(kind[1] == 1 ? " pixels\n" : kind[1] == 2 ? " text\n" : " other\n");
    for (uint32_t y = 0; kind[1] == 1 && first >> 32 == 0 && y < 64; y++)
        for (uint32_t x = 0; x < 192; x++)
            *(volatile uint32_t *)(uint32_t)(first + y * line_bytes + x * 4) =
                0xffu << colours[x / 64 * 2];
}

static int is_efi(uint64_t table)
{
    const char *wanted = "IBI SYST";

    for (const char *at = (const char *)(uint32_t)table; *wanted; wanted++, at++)
        if (*at != *wanted)
            return 0;
    return table >> 32 == 0;
}

static void multiboot1(const uint32_t *info)
{
    const struct module *modules = (const void *)info[6];

    line("told", "multiboot1");
    command((const char *)info[4]);
    line("loader", (const char *)info[16]);
    for (uint32_t i = 0; i < info[5]; i++)
        module((const char *)modules[i].text, modules[i].first,
               modules[i].end - modules[i].first);
    for (uint32_t at = info[12]; at < info[12] + info[11]; at += *(uint32_t *)at + 4)
        memory(*(uint64_t *)(at + 4), *(uint64_t *)(at + 12), *(uint32_t *)(at + 20));
    if (info[0] & 1 << 12)
        screen(*(const uint64_t *)(info + 22), info[25], info[26], info[24],
               (const uint8_t *)(info + 27), (const uint8_t *)(info + 27) + 2);
}

static void multiboot2(const uint32_t *info)
{
    line("told", "multiboot2");
    for (const uint32_t *tag = info + 2; tag[0]; tag += ((tag[1] + 7) & ~7u) / 4)
        switch (tag[0]) {
        case 1:
            command((const char *)(tag + 2));
            break;
        case 2:
            line("loader", (const char *)(tag + 2));
            break;
        case 3:
            module((const char *)(tag + 4), tag[2], tag[3] - tag[2]);
            break;
        case 6:
            for (uint32_t at = 16; at < tag[1]; at += tag[2]) {
                const uint32_t *entry = (const uint32_t *)((const char *)tag + at);
                memory(*(const uint64_t *)entry, *(const uint64_t *)(entry + 2), entry[4]);
            }
            break;
        case 8:
            screen(*(const uint64_t *)(tag + 2), tag[5], tag[6], tag[4], (const uint8_t *)(tag + 7),
                   (const uint8_t *)(tag + 8));
            break;
        case 12:
            line("efi", is_efi(*(const uint64_t *)(tag + 2)) ? "1" : "0");
            break;
        case 17:
            text("efi-map");
            number((tag[1] - 16) / tag[2]);
            text((tag[1] - 16) % tag[2] ? " cut\n" : "\n");
            break;
        case 18:
            line("efi", "still there");
            break;
        case 14:
        case 15:
            line("rsdp", is_rsdp((const char *)(tag + 2)) ? "1" : "0");
            break;
        case 21:
            text("base");
            number(tag[2]);
            text(tag[2] == (uint32_t)told_start ? "\n" : " moved\n");
            break;
        }
}

static void pvh(const uint32_t *info)
{
    const uint64_t *modules = (const void *)info[4];

    line("told", info[0] == 0x336ec578 ? "pvh" : "nothing");
    command((const char *)info[6]);
    for (uint32_t i = 0; i < info[3]; i++)
        module((const char *)(uint32_t)modules[4 * i + 2], (uint32_t)modules[4 * i],
               (uint32_t)modules[4 * i + 1]);
    for (uint32_t i = 0; i < info[12]; i++) {
        const uint32_t *entry = (const uint32_t *)info[10] + 6 * i;
        memory(*(const uint64_t *)entry, *(const uint64_t *)(entry + 2), entry[4]);
    }
    line("rsdp", is_rsdp((const char *)info[8]) ? "1" : "0");
}

void told_main(uint32_t magic, const uint32_t *info)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < sizeof(dirty) / sizeof(dirty[0]); i++)
        sum |= ((volatile uint32_t *)dirty)[i];
    line("bss", sum ? "0" : "1");
    if (magic == 0x2badb002)
        multiboot1(info);
    else if (magic == 0x36d76289)
        multiboot2(info);
    else
        pvh(info);
    if (!waits)
        out8(EXIT_PORT, 21);
    text("waiting\n");
    for (;;)
        __asm__ volatile("cli; hlt");
}
