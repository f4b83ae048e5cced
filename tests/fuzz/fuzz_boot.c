/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel reads before there is anything to trust: loader structures, ACPI tables, the
 * command line and its options, the shell's words.
 *
 * The input is the memory of the machine from BIOS_AREA on, mapped where it would lie; everywhere
 * else is zero to the loader's structures, and out of reach to ACPI.
 */
#include <arch/entry.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/fuzz/fuzz_input.h"
#include "boot/kernel/boot_info.h"
#include "boot/kernel/address_space.h"
#include "boot/kernel/log.h"

#define BIOS_AREA  0xe0000u
#define AREA_BYTES 0x30000u
#define MAX_COPY   0x2000u

static bool in_area(uint64_t physical, uint64_t bytes)
{
    return physical >= BIOS_AREA && physical - BIOS_AREA <= AREA_BYTES &&
           bytes <= AREA_BYTES - (physical - BIOS_AREA);
}

/** Physical memory below 4 GiB is all there on the real machine: here it is zero. */
static void *copy_physical(void *to, const void *from, size_t bytes)
{
    uint64_t at = (uintptr_t)from;

    if (at >= ARCH_EARLY_MAP_BYTES)
        return memmove(to, from, bytes);
    FUZZ_CHECK(bytes <= ARCH_EARLY_MAP_BYTES - at);
    memset(to, 0, bytes);
    uint64_t first = at > BIOS_AREA ? at : BIOS_AREA, end = at + bytes;
    if (end > BIOS_AREA + AREA_BYTES)
        end = BIOS_AREA + AREA_BYTES;
    if (first < end)
        memcpy((char *)to + (first - at), (const char *)from + (first - at), end - first);
    return to;
}

static char *copy_text(char *to, const char *from, size_t max)
{
    char copy[MAX_COPY];

    copy_physical(copy, from, max < sizeof(copy) - 1 ? max : sizeof(copy) - 1);
    copy[max < sizeof(copy) - 1 ? max : sizeof(copy) - 1] = '\0';
    return strncpy(to, copy, max);
}

static void set_command_line_copy(struct boot_info *info, const char *text, size_t max_bytes,
                                  bool may_name_image)
{
    size_t bytes = max_bytes < MAX_COPY ? max_bytes : MAX_COPY;
    char *copy = malloc(bytes + 1); /* exactly what may be read */

    copy_physical(copy, text, bytes);
    copy[bytes] = '\0';
    boot_command_line_set(info, copy, max_bytes, may_name_image);
    free(copy);
}

const void *address_space_map_firmware(uint64_t physical, uint64_t bytes)
{
    return in_area(physical, bytes) ? (const void *)(uintptr_t)physical : NULL;
}

void log_line(enum vst_log_level level, const char *text)
{
    (void)level;
    (void)text;
}

void log_printf(enum vst_log_level level, const char *format, ...)
{
    (void)level;
    (void)format;
}

#include "boot/kernel/boot_command_line.c"
#include "boot/kernel/options.c"
#include "boot/shell/words.c"
#include "boot/kernel/acpi.c"
#define memcpy                copy_physical
#define strncpy               copy_text
#define boot_command_line_set set_command_line_copy
#include "boot/kernel/boot_info.c"
#undef memcpy
#undef boot_command_line_set

static void check_info(const struct boot_info *info)
{
    FUZZ_CHECK(info->n_memory_ranges <= BOOT_MAX_MEMORY_RANGES);
    FUZZ_CHECK(info->n_modules <= BOOT_MAX_MODULES && info->rsdp_bytes <= BOOT_RSDP_BYTES);
    FUZZ_CHECK(memchr(info->loader_name, 0, sizeof(info->loader_name)) != NULL);
    FUZZ_CHECK(memchr(info->command_line, 0, sizeof(info->command_line)) != NULL);
}

/** From the line to options and words, in memory exactly as long as the text. */
static void read_line(const char *text)
{
    size_t bytes = strlen(text) + 1, n_words;
    char *line = malloc(bytes), *rest = line;
    struct options options;

    memcpy(line, text, bytes);
    options_take(&options, line);
    FUZZ_CHECK(strlen(line) < bytes);
    char **words = malloc((words_max(strlen(line)) + 1) * sizeof(*words));
    while (rest != NULL && words_next_command(&rest, words, &n_words))
        for (size_t i = 0; i < n_words; i++)
            FUZZ_CHECK(words[i] >= line && words[i] + strlen(words[i]) < line + bytes);
    free(words);
    free(line);
}

static void map_area(void)
{
    static bool mapped;

    if (mapped)
        return;
    mapped = true;
    FUZZ_CHECK(mmap((void *)(uintptr_t)BIOS_AREA, AREA_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
                    0) == (void *)(uintptr_t)BIOS_AREA);
}

/** Sums are no obstacle to a machine that wants to do harm: they are made right. */
static void mend_sum(uint32_t at, uint32_t bytes, uint32_t sum_at)
{
    uint8_t sum = 0;

    if (!in_area(at, bytes) || !in_area(at + sum_at, 1))
        return;
    for (uint32_t i = 0; i < bytes; i++)
        sum = (uint8_t)(sum + *(uint8_t *)(uintptr_t)(at + i));
    *(uint8_t *)(uintptr_t)(at + sum_at) = (uint8_t)(*(uint8_t *)(uintptr_t)(at + sum_at) - sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const uint32_t loaders[] = {ARCH_LOADER_MULTIBOOT1, ARCH_LOADER_MULTIBOOT2,
                                       ARCH_LOADER_PVH, 0};
    static const uint32_t tables[] = {0x400, 0x440, 0x480, 0x600, 0x700};
    static struct boot_info info;
    struct fuzz_input input = {data, bytes};
    struct acpi_info acpi;
    uint8_t how = fuzz_u8(&input);

    map_area();
    char *area = (char *)(uintptr_t)BIOS_AREA;
    size_t n = input.left < AREA_BYTES ? input.left : AREA_BYTES;
    memset(area, 0, 0x2000);
    memcpy(area, input.at, n);
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(tables) && (how & 4); i++) {
        uint32_t length;
        memcpy(&length, area + tables[i] + 4, 4);
        mend_sum(BIOS_AREA + tables[i], i == 0 ? 20 : length, i == 0 ? 8 : 9);
    }
    bool read = boot_info_read(&info, loaders[how & 3], BIOS_AREA + (how >> 3 & 7) * 8u);
    FUZZ_CHECK(!read || loaders[how & 3] != 0);
    check_info(&info);
    read_line(info.command_line);
    acpi_read(&acpi, &info);
    FUZZ_CHECK(acpi.n_ecams <= ACPI_MAX_ECAMS && acpi.dmar.n_units <= ACPI_MAX_DMAR_UNITS);
    return 0;
}
