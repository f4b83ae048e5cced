/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernels as files, sound and malformed, and what they are told. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "boot/loader/pe.h"
#include "boot/loader/start.h"

static uint8_t made[65536];
static size_t n_made;
static struct loader_image image;
static enum vst_status status;

static void begin(size_t bytes)
{
    memset(made, 0, sizeof(made));
    n_made = bytes;
}

static void put(size_t at, uint64_t value, unsigned n_bytes)
{
    for (unsigned i = 0; i < n_bytes; i++)
        made[at + i] = (uint8_t)(value >> (8 * i));
}

/* In memory of its own size, so that a read beyond it is caught. */
static void read_as(enum loader_kind kind)
{
    uint8_t *copy = malloc(n_made > 0 ? n_made : 1);
    struct loader_bytes file = {copy, n_made};

    memcpy(copy, made, n_made);
    status = loader_image_read(&file, kind, &image);
    free(copy);
}

static void assert_refused(enum loader_kind kind, enum vst_status expected)
{
    read_as(kind);
    assert_int_equal(status, expected);
    assert_non_null(image.why);
}

static void assert_part(unsigned number, uint64_t to, uint64_t from, uint64_t bytes,
                        uint64_t memory_bytes)
{
    assert_true(number < image.n_parts);
    assert_int_equal(image.parts[number].to, to);
    assert_int_equal(image.parts[number].from, from);
    assert_int_equal(image.parts[number].bytes, bytes);
    assert_int_equal(image.parts[number].memory_bytes, memory_bytes);
}

/* ---------------------------------------------------------------- Linux */

static void make_linux(void)
{
    begin(8192);
    put(0x1f1, 3, 1); /* setup sectors */
    put(0x1fe, 0xaa55, 2);
    put(0x201, 0x6a, 1); /* the header ends at 0x26c */
    memcpy(made + 0x202, "HdrS", 4);
    put(0x206, 0x020f, 2);
    put(0x20e, 0x300, 2);
    memcpy(made + 0x500, "6.1.0-test (somebody)", 22);
    put(0x211, 1, 1);
    put(0x22c, 0x7fffffff, 4);
    put(0x230, 0x200000, 4);
    put(0x234, 1, 1);
    put(0x236, 3, 2);
    put(0x238, 2047, 4);
    put(0x258, 0x1000000, 8);
    put(0x260, 0x300000, 4);
}

static void linux_as_it_is(void **state)
{
    (void)state;
    make_linux();
    read_as(LOADER_LINUX);
    assert_int_equal(status, VST_OK);
    assert_int_equal(image.n_parts, 1);
    assert_part(0, 0x1000000, 2048, 6144, 0x300000);
    assert_true(image.entry_is_64_bit);
    assert_int_equal(image.entry, 0x1000200);
    assert_true(image.place.movable);
    assert_int_equal(image.place.align_bytes, 0x200000);
    assert_int_equal(image.setup.initrd_end, UINT64_MAX);
    assert_int_equal(image.setup.max_command_line, 2047);
    assert_string_equal(image.setup.version, "6.1.0-test (somebody)");
    loader_image_move(&image, 0x4000000);
    assert_part(0, 0x4000000, 2048, 6144, 0x300000);
    assert_int_equal(image.entry, 0x4000200);
}

static void linux_of_other_kinds(void **state)
{
    (void)state;
    make_linux();
    put(0x236, 0, 2); /* of 32 bits */
    put(0x1f1, 0, 1); /* means four */
    put(0x238, 0, 4);
    read_as(LOADER_LINUX);
    assert_int_equal(status, VST_OK);
    assert_false(image.entry_is_64_bit);
    assert_int_equal(image.entry, 0x1000000);
    assert_part(0, 0x1000000, 2560, 5632, 0x300000);
    assert_int_equal(image.setup.initrd_end, 0x80000000);
    assert_int_equal(image.setup.max_command_line, 255);
    make_linux();
    put(0x234, 0, 1);
    put(0x230, 0, 4);
    read_as(LOADER_LINUX);
    assert_int_equal(status, VST_OK);
    assert_false(image.place.movable);
}

static void linux_malformed(void **state)
{
    (void)state;
    make_linux();
    put(0x1fe, 0, 2);
    assert_refused(LOADER_LINUX, VST_ERR_NOT_FOUND);
    make_linux();
    put(0x206, 0x0209, 2);
    assert_refused(LOADER_LINUX, VST_ERR_UNSUPPORTED);
    make_linux();
    put(0x211, 0, 1);
    assert_refused(LOADER_LINUX, VST_ERR_UNSUPPORTED);
    make_linux();
    n_made = 2048;
    assert_refused(LOADER_LINUX, VST_ERR_MALFORMED);
    make_linux();
    put(0x1f1, 200, 1);
    assert_refused(LOADER_LINUX, VST_ERR_MALFORMED);
    make_linux();
    put(0x230, 0x300000, 4); /* no power of two */
    assert_refused(LOADER_LINUX, VST_ERR_MALFORMED);
    make_linux();
    put(0x258, 0xffff0000, 8); /* its end leaves the first 4 GiB */
    assert_refused(LOADER_LINUX, VST_ERR_UNSUPPORTED);
    make_linux();
    put(0x258, 0, 8);
    assert_refused(LOADER_LINUX, VST_ERR_MALFORMED);
    make_linux();
    put(0x20e, 0xffff, 2); /* a version beyond the setup part */
    read_as(LOADER_LINUX);
    assert_int_equal(status, VST_OK);
    assert_string_equal(image.setup.version, "");
    make_linux();
    put(0x20e, 2048 - 0x200 - 2, 2); /* one that would go on in the kernel */
    memcpy(made + 2046, "6.1.0", 5);
    read_as(LOADER_LINUX);
    assert_string_equal(image.setup.version, "6.");
    make_linux();
    for (n_made = 0; n_made < 2048; n_made += 64) {
        read_as(LOADER_LINUX);
        assert_int_not_equal(status, VST_OK);
    }
}

/* ---------------------------------------------------------------- ELF, and PVH's note */

#define ELF_VIRTUAL 0xc0000000u

/* One segment of 512 bytes from 4096 on, linked high, loaded to 2 MiB, with 256 zeroes behind. */
static void make_elf(bool is_64)
{
    begin(8192);
    memcpy(made, "\177ELF", 4);
    put(4, is_64 ? 2 : 1, 1);
    put(5, 1, 1);
    put(16, 2, 2);
    put(18, is_64 ? 62 : 3, 2);
    put(24, ELF_VIRTUAL + 16, is_64 ? 8 : 4);
    put(is_64 ? 32 : 28, 128, is_64 ? 8 : 4);
    put(is_64 ? 54 : 42, is_64 ? 56 : 32, 2);
    put(is_64 ? 56 : 44, 2, 2);
    size_t second = is_64 ? 128 + 56 : 128 + 32;
    put(128, 1, 4);
    put(second, 4, 4);
    if (is_64) {
        put(128 + 8, 4096, 8);
        put(128 + 16, ELF_VIRTUAL, 8);
        put(128 + 24, 0x200000, 8);
        put(128 + 32, 512, 8);
        put(128 + 40, 768, 8);
        put(second + 8, 1024, 8);
        put(second + 32, 64, 8);
    } else {
        put(128 + 4, 4096, 4);
        put(128 + 8, ELF_VIRTUAL, 4);
        put(128 + 12, 0x200000, 4);
        put(128 + 16, 512, 4);
        put(128 + 20, 768, 4);
        put(second + 4, 1024, 4);
        put(second + 16, 64, 4);
    }
    /* Another's note before ours, its name and value padded. */
    put(1024, 3, 4);
    put(1028, 5, 4);
    put(1032, 18, 4);
    memcpy(made + 1036, "No", 3);
    put(1048, 4, 4);
    put(1052, is_64 ? 8 : 4, 4);
    put(1056, 18, 4);
    memcpy(made + 1060, "Xen", 4);
    put(1064, 0x200020, is_64 ? 8 : 4);
}

static void pvh_of_both_sizes(void **state)
{
    (void)state;
    for (unsigned is_64 = 0; is_64 < 2; is_64++) {
        make_elf(is_64);
        read_as(LOADER_PVH);
        assert_int_equal(status, VST_OK);
        assert_int_equal(image.n_parts, 1);
        assert_part(0, 0x200000, 4096, 512, 768);
        assert_int_equal(image.entry, 0x200020);
        assert_false(image.entry_is_64_bit);
    }
}

static void pvh_malformed(void **state)
{
    (void)state;
    make_elf(true);
    put(1064, 0x200300, 8);
    assert_refused(LOADER_PVH, VST_ERR_MALFORMED); /* the entry is outside */
    make_elf(true);
    put(1056, 17, 4);
    assert_refused(LOADER_PVH, VST_ERR_NOT_FOUND);
    make_elf(true);
    put(1048, 0xfffffff0, 4);
    assert_refused(LOADER_PVH, VST_ERR_NOT_FOUND);
    make_elf(true);
    put(128 + 32, 800, 8);
    assert_refused(LOADER_PVH, VST_ERR_MALFORMED); /* larger in the file than in memory */
    make_elf(true);
    put(128 + 8, UINT64_MAX - 100, 8);
    assert_refused(LOADER_PVH, VST_ERR_MALFORMED);
    make_elf(true);
    put(128 + 24, UINT64_MAX - 100, 8);
    assert_refused(LOADER_PVH, VST_ERR_UNSUPPORTED);
    make_elf(true);
    put(128 + 40, UINT64_MAX - 100, 8);
    assert_refused(LOADER_PVH, VST_ERR_UNSUPPORTED);
    make_elf(true);
    put(32, UINT64_MAX - 8, 8);
    assert_refused(LOADER_PVH, VST_ERR_NOT_FOUND);
    make_elf(false);
    put(42, 31, 2);
    assert_refused(LOADER_PVH, VST_ERR_NOT_FOUND);
    make_elf(false);
    put(18, 40, 2);
    assert_refused(LOADER_PVH, VST_ERR_NOT_FOUND); /* ARM */
    make_elf(false);
    for (n_made = 0; n_made < 4096 + 512; n_made += 100) {
        read_as(LOADER_PVH);
        assert_int_not_equal(status, VST_OK);
    }
}

/* ---------------------------------------------------------------- multiboot 1 */

static void put_multiboot1(size_t at, uint32_t flags)
{
    put(at, 0x1badb002, 4);
    put(at + 4, flags, 4);
    put(at + 8, 0u - 0x1badb002u - flags, 4);
}

static void put_addresses(size_t at, uint32_t header, uint32_t load, uint32_t load_end,
                          uint32_t bss_end)
{
    put(at, header, 4);
    put(at + 4, load, 4);
    put(at + 8, load_end, 4);
    put(at + 12, bss_end, 4);
}

static void multiboot1_by_elf(void **state)
{
    (void)state;
    make_elf(false);
    put_multiboot1(2048, 3);
    read_as(LOADER_MULTIBOOT1);
    assert_int_equal(status, VST_OK);
    assert_true(image.page_modules);
    assert_part(0, 0x200000, 4096, 512, 768);
    assert_int_equal(image.entry, 0x200010);
    put_multiboot1(2048, 1 << 3);
    assert_refused(LOADER_MULTIBOOT1, VST_ERR_UNSUPPORTED);
    put(2048 + 8, 0, 4);
    assert_refused(LOADER_MULTIBOOT1, VST_ERR_NOT_FOUND);
}

static void multiboot1_by_addresses(void **state)
{
    (void)state;
    begin(8192);
    put_multiboot1(100, 1 << 16);
    put_addresses(112, 0x100064, 0x100000, 0x101000, 0x102000);
    put(128, 0x100200, 4);
    read_as(LOADER_MULTIBOOT1);
    assert_int_equal(status, VST_OK);
    assert_part(0, 0x100000, 0, 4096, 8192);
    put_addresses(112, 0x100020, 0x100000, 0, 0); /* begins behind the start of the file */
    read_as(LOADER_MULTIBOOT1);
    assert_int_equal(status, VST_OK);
    assert_part(0, 0x100000, 68, 8124, 8124);
    put_addresses(112, 0x100064, UINT32_MAX, 0, 0); /* from the start of the file */
    read_as(LOADER_MULTIBOOT1);
    assert_int_equal(status, VST_OK);
    assert_part(0, 0x100000, 0, 8192, 8192);
}

static void multiboot1_malformed(void **state)
{
    (void)state;
    begin(8192);
    put_multiboot1(100, 1 << 16);
    put(128, 0x100200, 4);
    put_addresses(112, 0x100064, 0x100065, 0, 0);
    assert_refused(LOADER_MULTIBOOT1, VST_ERR_MALFORMED);
    put_addresses(112, 0x100064, 0xff000, 0, 0);
    assert_refused(LOADER_MULTIBOOT1, VST_ERR_MALFORMED);
    put_addresses(112, 10, UINT32_MAX, 0, 0);
    assert_refused(LOADER_MULTIBOOT1, VST_ERR_MALFORMED);
    put_addresses(112, 0x100064, 0x100000, 0xfffff, 0);
    assert_refused(LOADER_MULTIBOOT1, VST_ERR_MALFORMED);
    put_addresses(112, 0x100064, 0x100000, 0x200000, 0);
    assert_refused(LOADER_MULTIBOOT1, VST_ERR_MALFORMED);
    put_addresses(112, 0x100064, 0x100000, 0, 0);
    put(128, 0x200000, 4);
    assert_refused(LOADER_MULTIBOOT1, VST_ERR_MALFORMED);
    for (n_made = 100; n_made < 132; n_made += 4) {
        read_as(LOADER_MULTIBOOT1);
        assert_int_not_equal(status, VST_OK);
    }
    begin(8192 + 64);
    put_multiboot1(8192, 0); /* too far from the beginning */
    assert_refused(LOADER_MULTIBOOT1, VST_ERR_NOT_FOUND);
}

/* ---------------------------------------------------------------- multiboot 2 */

static size_t tag_at;

static void begin_multiboot2(uint32_t architecture)
{
    put(512, 0xe85250d6, 4);
    put(516, architecture, 4);
    tag_at = 528;
}

static void add_tag(uint16_t type, bool optional, const uint32_t *values, unsigned n)
{
    put(tag_at, type, 2);
    put(tag_at + 2, optional, 2);
    put(tag_at + 4, 8 + 4 * n, 4);
    for (unsigned i = 0; i < n; i++)
        put(tag_at + 8 + 4 * i, values[i], 4);
    tag_at += (8 + 4 * n + 7) & ~7u;
}

static void end_multiboot2(void)
{
    add_tag(0, false, NULL, 0);
    uint32_t bytes = (uint32_t)(tag_at - 512);
    put(520, bytes, 4);
    put(524, 0u - 0xe85250d6u - (made[516] | 0u) - bytes, 4);
}

static void multiboot2_by_elf(void **state)
{
    const uint32_t requests[] = {1, 3, 6, 21}, place[] = {0x100000, 0x7fffffff, 0x1000, 1};

    (void)state;
    make_elf(true);
    begin_multiboot2(0);
    add_tag(1, false, requests, 4);
    add_tag(6, false, NULL, 0);
    add_tag(10, false, place, 4);
    add_tag(77, true, NULL, 0);
    end_multiboot2();
    read_as(LOADER_MULTIBOOT2);
    assert_int_equal(status, VST_OK);
    assert_int_equal(image.entry, 0x200010);
    assert_true(image.page_modules);
    assert_true(image.place.movable);
    assert_int_equal(image.place.first, 0x100000);
    assert_int_equal(image.place.end, 0x80000000);
}

static void multiboot2_by_addresses(void **state)
{
    const uint32_t addresses[] = {0x100200, 0x100000, 0x100800, 0x100900}, entry[] = {0x100400};

    (void)state;
    begin(8192);
    begin_multiboot2(0);
    add_tag(2, false, addresses, 4);
    add_tag(3, false, entry, 1);
    end_multiboot2();
    read_as(LOADER_MULTIBOOT2);
    assert_int_equal(status, VST_OK);
    assert_part(0, 0x100000, 0, 2048, 2304);
    assert_int_equal(image.entry, 0x100400);
    begin_multiboot2(0);
    add_tag(2, false, addresses, 4);
    end_multiboot2();
    assert_refused(LOADER_MULTIBOOT2, VST_ERR_MALFORMED); /* no entry */
}

static void assert_tag_refused(uint16_t type, const uint32_t *values, unsigned n,
                               enum vst_status expected)
{
    make_elf(true);
    begin_multiboot2(0);
    add_tag(type, false, values, n);
    end_multiboot2();
    assert_refused(LOADER_MULTIBOOT2, expected);
}

static void multiboot2_malformed(void **state)
{
    const uint32_t apm[] = {10}, far_type[] = {0x80000001}, values[] = {0x100000, 0x1000, 3, 0};

    (void)state;
    assert_tag_refused(1, apm, 1, VST_ERR_UNSUPPORTED);
    assert_tag_refused(1, far_type, 1, VST_ERR_UNSUPPORTED);
    assert_tag_refused(7, NULL, 0, VST_ERR_UNSUPPORTED);
    assert_tag_refused(77, NULL, 0, VST_ERR_UNSUPPORTED);
    assert_tag_refused(2, values, 3, VST_ERR_MALFORMED);
    assert_tag_refused(10, values, 4, VST_ERR_MALFORMED);
    assert_tag_refused(10, values, 1, VST_ERR_MALFORMED);
    make_elf(true);
    begin_multiboot2(4);
    end_multiboot2();
    assert_refused(LOADER_MULTIBOOT2, VST_ERR_UNSUPPORTED); /* MIPS */
    make_elf(true);
    begin_multiboot2(0);
    end_multiboot2();
    put(528, 1, 2);
    put(532, 7, 4);
    assert_refused(LOADER_MULTIBOOT2, VST_ERR_MALFORMED); /* a tag shorter than its head */
    put(532, 9, 4);
    assert_refused(LOADER_MULTIBOOT2, VST_ERR_MALFORMED); /* one beyond the header */
}

/* What is loaded spans 0x200000 to 0x200300. */
static void multiboot2_beside_firmware(void **state)
{
    const uint32_t entry[] = {0x200020}, far_entry[] = {0x200300}, smbios[] = {13, 18};

    (void)state;
    make_elf(true);
    begin_multiboot2(0);
    add_tag(7, true, NULL, 0);
    add_tag(9, true, entry, 1);
    end_multiboot2();
    read_as(LOADER_MULTIBOOT2);
    assert_int_equal(status, VST_OK);
    assert_int_equal(image.entry, 0x200010);
    assert_int_equal(image.efi_entry, 0x200020);
    assert_false(image.needs_services);
    assert_false(image.needs_smbios);
    loader_image_move(&image, 0x600000);
    assert_int_equal(image.entry, 0x600010);
    assert_int_equal(image.efi_entry, 0x600020);

    make_elf(true);
    begin_multiboot2(0);
    add_tag(9, false, entry, 1); /* means nothing without 7 */
    add_tag(1, true, smbios, 2);
    end_multiboot2();
    read_as(LOADER_MULTIBOOT2);
    assert_int_equal(status, VST_OK);
    assert_int_equal(image.efi_entry, 0);
    assert_false(image.needs_smbios);
    loader_image_move(&image, 0x600000);
    assert_int_equal(image.efi_entry, 0);

    make_elf(true);
    begin_multiboot2(0);
    add_tag(9, false, entry, 1);
    add_tag(7, false, NULL, 0);
    add_tag(1, false, smbios, 2);
    end_multiboot2();
    read_as(LOADER_MULTIBOOT2);
    assert_int_equal(status, VST_OK);
    assert_true(image.needs_services);
    assert_true(image.needs_smbios);

    make_elf(true);
    begin_multiboot2(0);
    add_tag(7, true, NULL, 0);
    add_tag(9, true, far_entry, 1);
    end_multiboot2();
    assert_refused(LOADER_MULTIBOOT2, VST_ERR_MALFORMED);
}

/* By address fields, with no entry but that for who has boot services. */
static void multiboot2_only_beside_firmware(void **state)
{
    const uint32_t addresses[] = {0x100200, 0x100000, 0x100800, 0x100900}, entry[] = {0x100400};

    (void)state;
    begin(8192);
    begin_multiboot2(0);
    add_tag(2, false, addresses, 4);
    add_tag(7, true, NULL, 0);
    add_tag(9, true, entry, 1);
    end_multiboot2();
    read_as(LOADER_MULTIBOOT2);
    assert_int_equal(status, VST_OK);
    assert_int_equal(image.efi_entry, 0x100400);
    assert_true(image.needs_services);
}

/* ---------------------------------------------------------------- EFI programs */

static void make_pe(void)
{
    begin(2048);
    memcpy(made, "MZ", 2);
    put(0x3c, 128, 4);
    memcpy(made + 128, "PE\0\0", 4);
    put(132, LOADER_PE_X86_64, 2);
    put(134, 2, 2);
    put(148, 112, 2);
    put(152, 0x20b, 2);
    put(152 + 68, 10, 2);
    size_t sections = 152 + 112;
    memcpy(made + sections, ".osrel", 6);
    put(sections + 8, 5, 4);
    put(sections + 16, 512, 4);
    put(sections + 20, 512, 4);
    memcpy(made + 512, "ID=x\n", 5);
    memcpy(made + sections + 40, ".linux", 6);
    put(sections + 48, 900, 4);
    put(sections + 56, 512, 4);
    put(sections + 60, 1024, 4);
}

static enum vst_status read_pe(struct loader_pe *pe, struct loader_bytes *file)
{
    uint8_t *copy = malloc(n_made > 0 ? n_made : 1);

    memcpy(copy, made, n_made);
    *file = (struct loader_bytes){copy, n_made};
    return loader_pe_read(file, pe);
}

static void efi_programs(void **state)
{
    struct loader_bytes file, section;
    struct loader_pe pe;

    (void)state;
    make_pe();
    assert_int_equal(read_pe(&pe, &file), VST_OK);
    assert_int_equal(pe.machine, LOADER_PE_X86_64);
    assert_int_equal(loader_pe_profiles(&file, &pe), 1);
    assert_true(loader_pe_section(&file, &pe, 0, ".osrel", &section));
    assert_int_equal(section.bytes, 5);
    assert_memory_equal(section.at, "ID=x\n", 5);
    assert_true(loader_pe_section(&file, &pe, 0, ".linux", &section));
    assert_int_equal(section.bytes, 512);
    assert_false(loader_pe_section(&file, &pe, 0, ".initrd", &section));
    assert_true(loader_pe_is_unified(&file, &pe));
    assert_int_equal(loader_kinds(&file), 1u << LOADER_EFI);
    assert_int_equal(loader_image_read(&file, LOADER_EFI, &image), VST_ERR_UNSUPPORTED);
    free((void *)(uintptr_t)file.at);
}

static bool can_begin(uint32_t entry)
{
    struct loader_bytes file;
    struct loader_pe pe;

    put(152 + 16, entry, 4);
    assert_int_equal(read_pe(&pe, &file), VST_OK);
    bool can = loader_pe_can_begin(&file, &pe);
    free((void *)(uintptr_t)file.at);
    return can;
}

static void efi_programs_begin_in_a_section(void **state)
{
    const size_t linux_section = 152 + 112 + 40;

    (void)state;
    make_pe();
    put(linux_section + 12, 0x3000, 4);
    assert_false(can_begin(0x2fff));
    assert_true(can_begin(0x3000));
    assert_true(can_begin(0x31ff));
    assert_false(can_begin(0x3200));
    assert_false(can_begin(0xffffffff));
    put(linux_section + 20, 2048 - 511, 4); /* leaves the file */
    assert_false(can_begin(0x3000));
    put(134, 0, 2); /* without sections */
    assert_false(can_begin(0x3000));
}

/* Of two profiles and what they have in common: its own, else the common one. */
static void efi_programs_with_profiles(void **state)
{
    static const char *const names[] = {".osrel",   ".uname", ".profile", ".osrel",
                                        ".profile", ".osrel", ".cmdline"};
    const size_t sections = 152 + 112;
    uint64_t offset, bytes;
    struct loader_bytes file;
    struct loader_pe pe;

    (void)state;
    make_pe();
    put(134, VST_ARRAY_LENGTH(names), 2);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(names); i++) {
        memset(made + sections + 40 * i, 0, 40);
        memcpy(made + sections + 40 * i, names[i], strlen(names[i]));
        put(sections + 40 * i + 16, 16, 4);
        put(sections + 40 * i + 20, 1024 + 16 * i, 4);
    }
    assert_int_equal(read_pe(&pe, &file), VST_OK);
    assert_int_equal(loader_pe_profiles(&file, &pe), 2);
    assert_true(loader_pe_place(&file, &pe, 0, ".osrel", &offset, &bytes));
    assert_int_equal(offset, 1024 + 16 * 3);
    assert_true(loader_pe_place(&file, &pe, 0, ".profile", &offset, &bytes));
    assert_int_equal(offset, 1024 + 16 * 2);
    assert_false(loader_pe_place(&file, &pe, 0, ".cmdline", &offset, &bytes));
    assert_true(loader_pe_place(&file, &pe, 1, ".osrel", &offset, &bytes));
    assert_int_equal(offset, 1024 + 16 * 5);
    assert_true(loader_pe_place(&file, &pe, 1, ".profile", &offset, &bytes));
    assert_int_equal(offset, 1024 + 16 * 4);
    assert_true(loader_pe_place(&file, &pe, 1, ".cmdline", &offset, &bytes));
    assert_int_equal(offset, 1024 + 16 * 6);
    assert_true(loader_pe_place(&file, &pe, 2, ".osrel", &offset, &bytes)); /* there is none */
    assert_int_equal(offset, 1024);
    for (unsigned profile = 0; profile < 3; profile++) {
        assert_true(loader_pe_place(&file, &pe, profile, ".uname", &offset, &bytes));
        assert_int_equal(offset, 1024 + 16 * 1);
    }
    free((void *)(uintptr_t)file.at);
}

static void efi_programs_malformed(void **state)
{
    struct loader_bytes file, section;
    struct loader_pe pe;

    (void)state;
    make_pe();
    put(152 + 112 + 60, 1900, 4); /* .linux leaves the file */
    assert_int_equal(read_pe(&pe, &file), VST_OK);
    assert_false(loader_pe_section(&file, &pe, 0, ".linux", &section));
    free((void *)(uintptr_t)file.at);
    make_pe();
    put(134, 97, 2);
    assert_int_equal(read_pe(&pe, &file), VST_ERR_MALFORMED);
    free((void *)(uintptr_t)file.at);
    make_pe();
    put(152 + 68, 3, 2); /* a program for a console */
    assert_int_equal(read_pe(&pe, &file), VST_ERR_NOT_FOUND);
    free((void *)(uintptr_t)file.at);
    make_pe();
    for (n_made = 0; n_made < 344; n_made += 8) {
        assert_int_not_equal(read_pe(&pe, &file), VST_OK);
        free((void *)(uintptr_t)file.at);
    }
}

/* ---------------------------------------------------------------- what they are told */

#define ROOM_PHYSICAL 0x8000000u

static uint8_t room_memory[32768];
static struct loader_room room;
static struct loader_registers registers;
static const struct loader_memory memory[] = {
    {0, 0x9fc00, 1},
    {0x9fc00, 0x400, 2},
    {0x100000, 0x7fef0000, 1},
    {0x7fff0000, 0x10000, 3},
};
static const struct loader_module modules[] = {{0x4000000, 1000, "/one"},
                                               {0x5000000, 0x2000, "/two"}};
static const struct loader_screen screen = {
    .is_text = true, .first = 0xb8000, .width = 80, .height = 25, .line_bytes = 160, .bits = 16};

static struct loader_start start_of(size_t n_modules)
{
    return (struct loader_start){.loader_name = "test",
                                 .command_line = "a b=c",
                                 .memory = memory,
                                 .n_memory = 4,
                                 .modules = modules,
                                 .n_modules = n_modules,
                                 .root_pointer = 0xf5a00,
                                 .root_copy = "RSD PTR 0123456\2" /* its version */
                                              "8901234567890123456",
                                 .root_copy_bytes = 36,
                                 .screen = &screen};
}

static enum vst_status tell(const struct loader_start *start, size_t bytes)
{
    struct loader_bytes file = {made, n_made};

    room = (struct loader_room){room_memory, ROOM_PHYSICAL, bytes, 0, false};
    return loader_start_write(&image, &file, start, &room, &registers);
}

static uint64_t told(uint64_t physical, unsigned n_bytes)
{
    uint64_t value = 0;

    assert_true(physical >= ROOM_PHYSICAL && physical - ROOM_PHYSICAL < sizeof(room_memory));
    memcpy(&value, room_memory + (physical - ROOM_PHYSICAL), n_bytes);
    return value;
}

static const char *told_text(uint64_t physical)
{
    assert_true(physical >= ROOM_PHYSICAL && physical - ROOM_PHYSICAL < sizeof(room_memory));
    return (const char *)room_memory + (physical - ROOM_PHYSICAL);
}

/* Any room that is too small is said to be, and not a byte is written beyond it. */
static void assert_fits_only_whole(const struct loader_start *start)
{
    size_t enough = loader_room_bytes(start);

    assert_true(enough <= sizeof(room_memory));
    assert_int_equal(tell(start, enough), VST_OK);
    size_t needed = room.used;
    for (size_t bytes = 0; bytes<needed; bytes += needed> 1000 && bytes < 4000 ? 101 : 1) {
        memset(room_memory, 0xee, sizeof(room_memory));
        assert_int_equal(tell(start, bytes), VST_ERR_NO_MEMORY);
        for (size_t i = bytes; i < bytes + 64; i++)
            assert_int_equal(room_memory[i], 0xee);
    }
    assert_int_equal(tell(start, needed), VST_OK);
}

static void linux_is_told(void **state)
{
    struct loader_start start = start_of(1);

    (void)state;
    make_linux();
    read_as(LOADER_LINUX);
    assert_fits_only_whole(&start);
    uint64_t page = registers.esi;
    assert_int_equal(page % 4096, 0);
    assert_int_equal(told(page + 0x202, 4), 0x53726448);
    assert_int_equal(told(page + 0x26c, 4), 0); /* behind the header */
    assert_int_equal(told(page + 0x210, 1), 0xff);
    assert_int_equal(told(page + 0x218, 4), 0x4000000);
    assert_int_equal(told(page + 0x21c, 4), 1000);
    assert_int_equal(told(page + 0x070, 8), 0xf5a00);
    assert_int_equal(told(page + 0x1e8, 1), 4);
    assert_int_equal(told(page + 0x2d0 + 2 * 20, 8), 0x100000);
    assert_int_equal(told(page + 0x2d0 + 3 * 20 + 16, 4), 3);
    assert_int_equal(told(page + 0x00f, 1), 1);
    assert_string_equal(told_text(told(page + 0x228, 4)), "a b=c");
    image.setup.max_command_line = 4;
    assert_int_equal(tell(&start, sizeof(room_memory)), VST_ERR_TOO_LARGE);
}

/* A zero page has room for 128 pieces of memory. */
static void linux_of_many_pieces(void **state)
{
    static struct loader_memory many[130];
    struct loader_start start = start_of(0);

    (void)state;
    for (unsigned i = 0; i < 130; i++)
        many[i] = (struct loader_memory){i * 0x1000ull, 0x800, 1 + i % 2};
    start.memory = many;
    start.n_memory = 130;
    make_linux();
    read_as(LOADER_LINUX);
    assert_fits_only_whole(&start);
    assert_int_equal(told(registers.esi + 0x1e8, 1), 128);
    uint64_t more = told(registers.esi + 0x250, 8);
    assert_int_equal(told(more, 8), 0);
    assert_int_equal(told(more + 8, 4), 1);
    assert_int_equal(told(more + 12, 4), 40);
    assert_int_equal(told(more + 16 + 20, 8), 129 * 0x1000);
}

static void multiboot1_is_told(void **state)
{
    struct loader_start start = start_of(2);

    (void)state;
    image.kind = LOADER_MULTIBOOT1;
    assert_fits_only_whole(&start);
    uint64_t info = registers.ebx;
    assert_int_equal(registers.eax, 0x2badb002);
    assert_int_equal(told(info, 4), 1 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9 | 1 << 12);
    assert_int_equal(told(info + 4, 4), 639);
    assert_int_equal(told(info + 8, 4), 0x7fef0000 / 1024);
    assert_string_equal(told_text(told(info + 16, 4)), "a b=c");
    assert_int_equal(told(info + 20, 4), 2);
    uint64_t second = told(info + 24, 4) + 16;
    assert_int_equal(told(second, 4), 0x5000000);
    assert_int_equal(told(second + 4, 4), 0x5002000);
    assert_string_equal(told_text(told(second + 8, 4)), "/two");
    assert_int_equal(told(info + 44, 4), 4 * 24);
    assert_int_equal(told(told(info + 48, 4), 4), 20);
    assert_int_equal(told(told(info + 48, 4) + 3 * 24 + 20, 4), 3);
    assert_string_equal(told_text(told(info + 64, 4)), "test");
    assert_int_equal(told(info + 88, 8), 0xb8000);
}

static uint64_t find_tag(uint64_t info, uint32_t type)
{
    for (uint64_t at = 8; at < told(info, 4); at += (told(info + at + 4, 4) + 7) & ~7ull)
        if (told(info + at, 4) == type)
            return info + at;
    return 0;
}

static void multiboot2_is_told(void **state)
{
    struct loader_start start = start_of(2);

    (void)state;
    make_elf(true);
    begin_multiboot2(0);
    end_multiboot2();
    read_as(LOADER_MULTIBOOT2);
    image.place.movable = true;
    assert_fits_only_whole(&start);
    uint64_t info = registers.ebx;
    assert_int_equal(registers.eax, 0x36d76289);
    assert_string_equal(told_text(find_tag(info, 1) + 8), "a b=c");
    assert_string_equal(told_text(find_tag(info, 2) + 8), "test");
    assert_int_equal(told(find_tag(info, 3) + 12, 4), 0x4000000 + 1000);
    assert_string_equal(told_text(find_tag(info, 3) + 16), "/one");
    assert_int_equal(told(find_tag(info, 6) + 4, 4), 16 + 4 * 24);
    assert_int_equal(told(find_tag(info, 6) + 16 + 2 * 24, 8), 0x100000);
    assert_memory_equal(told_text(find_tag(info, 15) + 8), "RSD PTR ", 8);
    assert_int_equal(told(find_tag(info, 21) + 8, 4), 0x200000);
    assert_int_not_equal(find_tag(info, 0), 0);
}

/* What boot services would change is not told while they last. */
static void multiboot2_of_efi_is_told(void **state)
{
    struct loader_efi efi = {0x7f000018, 0x7e000000, false, "a map of 16 bytes", 16, 8, 1};
    struct loader_start start = start_of(1);

    (void)state;
    start.efi = &efi;
    make_elf(true);
    begin_multiboot2(0);
    end_multiboot2();
    read_as(LOADER_MULTIBOOT2);
    assert_fits_only_whole(&start);
    uint64_t info = registers.ebx;
    assert_int_equal(told(find_tag(info, 12) + 8, 8), 0x7f000018);
    assert_int_equal(told(find_tag(info, 20) + 8, 8), 0x7e000000);
    assert_int_equal(told(find_tag(info, 17) + 4, 4), 16 + 16);
    assert_int_equal(told(find_tag(info, 17) + 8, 4), 8);
    assert_int_equal(find_tag(info, 18), 0);
    assert_int_not_equal(find_tag(info, 6), 0);
    efi.services_left = true;
    assert_fits_only_whole(&start);
    assert_int_equal(told(find_tag(info, 12) + 8, 8), 0x7f000018);
    assert_int_equal(told(find_tag(info, 20) + 8, 8), 0x7e000000);
    assert_int_equal(told(find_tag(info, 18) + 4, 4), 8);
    assert_int_not_equal(find_tag(info, 3), 0);
    assert_int_not_equal(find_tag(info, 8), 0);
    assert_int_equal(find_tag(info, 4), 0);
    assert_int_equal(find_tag(info, 6), 0);
    assert_int_equal(find_tag(info, 17), 0);
}

static void multiboot2_is_told_of_tables(void **state)
{
    struct loader_start start = start_of(0);

    (void)state;
    make_elf(true);
    begin_multiboot2(0);
    end_multiboot2();
    read_as(LOADER_MULTIBOOT2);
    image.needs_smbios = true;
    assert_int_equal(tell(&start, sizeof(room_memory)), VST_ERR_UNSUPPORTED);
    start.smbios = (struct loader_smbios){2, 8, (uintptr_t) "tables of 20 bytes\0", 20};
    assert_fits_only_whole(&start);
    uint64_t info = registers.ebx, tag = find_tag(info, 13);
    assert_int_equal(told(tag + 4, 4), 16 + 20);
    assert_int_equal(told(tag + 8, 8), 0x0802);
    assert_string_equal(told_text(tag + 16), "tables of 20 bytes");
    assert_int_equal(told(find_tag(info, 14) + 4, 4), 8 + 20);
    assert_int_equal(told(find_tag(info, 15) + 4, 4), 8 + 36);
    start.root_copy = "RSD PTR 0123456\2\0\0\0\0" /* no RSDT */
                      "0123456789012345";
    assert_int_equal(tell(&start, sizeof(room_memory)), VST_OK);
    assert_int_equal(find_tag(info, 14), 0);
    start.root_copy_bytes = 20;
    start.root_copy = "RSD PTR 0123456\0\1\0\0\0";
    assert_int_equal(tell(&start, sizeof(room_memory)), VST_OK);
    assert_int_not_equal(find_tag(info, 14), 0);
    assert_int_equal(find_tag(info, 15), 0);
}

static void pvh_is_told(void **state)
{
    struct loader_start start = start_of(2);

    (void)state;
    image.kind = LOADER_PVH;
    assert_fits_only_whole(&start);
    uint64_t info = registers.ebx;
    assert_int_equal(told(info, 4), 0x336ec578);
    assert_int_equal(told(info + 4, 4), 1);
    assert_int_equal(told(info + 12, 4), 2);
    assert_int_equal(told(told(info + 16, 8) + 32, 8), 0x5000000);
    assert_string_equal(told_text(told(told(info + 16, 8) + 48, 8)), "/two");
    assert_string_equal(told_text(told(info + 24, 8)), "a b=c");
    assert_int_equal(told(info + 32, 8), 0xf5a00);
    assert_int_equal(told(info + 48, 4), 4);
    assert_int_equal(told(told(info + 40, 8) + 3 * 24 + 16, 4), 3);
}

static void modules_above_4g_are_refused(void **state)
{
    const struct loader_module far_module = {0xfffffff0, 0x100, ""};
    struct loader_start start = start_of(0);

    (void)state;
    start.modules = &far_module;
    start.n_modules = 1;
    image.kind = LOADER_MULTIBOOT1;
    assert_int_equal(tell(&start, sizeof(room_memory)), VST_ERR_TOO_LARGE);
    image.kind = LOADER_MULTIBOOT2;
    assert_int_equal(tell(&start, sizeof(room_memory)), VST_ERR_TOO_LARGE);
}

static void kinds_by_name(void **state)
{
    enum loader_kind kind;

    (void)state;
    for (unsigned i = 0; i < LOADER_N_KINDS; i++) {
        assert_true(loader_kind_of_name(loader_kind_name((enum loader_kind)i), &kind));
        assert_int_equal(kind, i);
    }
    assert_true(loader_kind_of_name("multiboot", &kind));
    assert_int_equal(kind, LOADER_MULTIBOOT1);
    assert_false(loader_kind_of_name("", &kind));
    assert_string_equal(loader_kind_name(LOADER_N_KINDS), "unknown");
}

/* ---------------------------------------------------------------- SMBIOS, screens */

static bool read_smbios(const uint8_t *entry, size_t bytes, struct loader_smbios *smbios)
{
    uint8_t *copy = malloc(bytes > 0 ? bytes : 1);
    struct loader_bytes file = {copy, bytes};

    memcpy(copy, entry, bytes);
    bool sound = loader_smbios_read(&file, smbios);
    free(copy);
    return sound;
}

static void sum_up(uint8_t *entry, size_t at, size_t bytes)
{
    entry[at] = 0;
    for (size_t i = 0; i < bytes; i++)
        if (i != at)
            entry[at] = (uint8_t)(entry[at] - entry[i]);
}

static void smbios_entry_points(void **state)
{
    uint8_t old[31] = {'_', 'S',           'M',  '_',  0,    31,   2,
                       8,   [0x16] = 0x34, 0x12, 0x00, 0xa0, 0xf0, 0x7e};
    uint8_t new[24] = {'_', 'S', 'M', '3', '_', 0, 24, 3, 6, [0xc] = 0x00, 0x10, [0x14] = 0x02};
    struct loader_smbios smbios;

    (void)state;
    sum_up(old, 4, sizeof(old));
    assert_true(read_smbios(old, sizeof(old), &smbios));
    assert_int_equal(smbios.major, 2);
    assert_int_equal(smbios.minor, 8);
    assert_int_equal(smbios.first, 0x7ef0a000);
    assert_int_equal(smbios.bytes, 0x1234);
    sum_up(new, 5, sizeof(new));
    assert_true(read_smbios(new, sizeof(new), &smbios));
    assert_int_equal(smbios.major, 3);
    assert_int_equal(smbios.minor, 6);
    assert_int_equal(smbios.first, 0x200000000);
    assert_int_equal(smbios.bytes, 0x1000);
    for (size_t bytes = 0; bytes < sizeof(old); bytes++)
        assert_false(read_smbios(old, bytes, &smbios));
    for (size_t bytes = 0; bytes < sizeof(new); bytes++)
        assert_false(read_smbios(new, bytes, &smbios));
    old[7]++;
    assert_false(read_smbios(old, sizeof(old), &smbios)); /* the sum */
    new[0xe] = 0xff;                                      /* too many bytes of tables */
    sum_up(new, 5, sizeof(new));
    assert_false(read_smbios(new, sizeof(new), &smbios));
    memset(new + 0xc, 0, 4); /* none */
    sum_up(new, 5, sizeof(new));
    assert_false(read_smbios(new, sizeof(new), &smbios));
    old[5] = 5;
    sum_up(old, 4, 5);
    assert_false(read_smbios(old, sizeof(old), &smbios));
}

static bool screen_of(uint32_t format, uint32_t red, uint32_t green, uint32_t blue,
                      uint32_t reserved, struct loader_screen *made_of)
{
    const struct loader_efi_mode mode = {0x80000000, 4 * 1024 * 768, 1000, 768,     1024, format,
                                         red,        green,          blue, reserved};

    return loader_screen_of_mode(&mode, made_of);
}

static void assert_colour(struct loader_colour colour, unsigned shift, unsigned bits)
{
    assert_int_equal(colour.shift, shift);
    assert_int_equal(colour.bits, bits);
}

static void screens_by_format(void **state)
{
    struct loader_screen made_of;

    (void)state;
    assert_true(screen_of(0, 0, 0, 0, 0, &made_of)); /* red first */
    assert_false(made_of.is_text);
    assert_int_equal(made_of.first, 0x80000000);
    assert_int_equal(made_of.width, 1000);
    assert_int_equal(made_of.height, 768);
    assert_int_equal(made_of.line_bytes, 4096);
    assert_int_equal(made_of.bits, 32);
    assert_colour(made_of.red, 0, 8);
    assert_colour(made_of.green, 8, 8);
    assert_colour(made_of.blue, 16, 8);
    assert_true(screen_of(1, 0, 0, 0, 0, &made_of)); /* blue first */
    assert_colour(made_of.red, 16, 8);
    assert_colour(made_of.green, 8, 8);
    assert_colour(made_of.blue, 0, 8);
    assert_false(screen_of(3, 0xff0000, 0xff00, 0xff, 0, &made_of)); /* only the firmware draws */
    assert_false(screen_of(4, 0xff0000, 0xff00, 0xff, 0, &made_of));
}

static void screens_by_masks(void **state)
{
    struct loader_screen made_of;

    (void)state;
    assert_true(screen_of(2, 0xf800, 0x07e0, 0x001f, 0, &made_of));
    assert_int_equal(made_of.bits, 16);
    assert_int_equal(made_of.line_bytes, 2048);
    assert_colour(made_of.red, 11, 5);
    assert_colour(made_of.green, 5, 6);
    assert_colour(made_of.blue, 0, 5);
    assert_true(screen_of(2, 0x7c00, 0x03e0, 0x001f, 0, &made_of)); /* 15 bits in 16 */
    assert_int_equal(made_of.bits, 16);
    assert_true(screen_of(2, 0x3ff, 0x3ff << 10, 0x3ff << 20, 0xc0000000, &made_of));
    assert_int_equal(made_of.bits, 32);
    assert_colour(made_of.blue, 20, 10);
    assert_true(screen_of(2, 0xff0000, 0xff00, 0xff, 0, &made_of));
    assert_int_equal(made_of.bits, 24);
    assert_int_equal(made_of.line_bytes, 3072);
    assert_true(screen_of(2, 0xff000000, 0xff00, 0xff, 0, &made_of));
    assert_colour(made_of.red, 24, 8);
    assert_true(screen_of(2, 0xff0000, 0xff00, 0xff, 0xff000000, &made_of));
    assert_int_equal(made_of.bits, 32);
    assert_false(screen_of(2, 0, 0xff00, 0xff, 0, &made_of));         /* no red */
    assert_false(screen_of(2, 0xff0000, 0xff00, 0x1ff, 0, &made_of)); /* two in one bit */
    assert_false(screen_of(2, 0xfb0000, 0xff00, 0xff, 0, &made_of));  /* with a hole */
}

static void screens_that_make_no_sense(void **state)
{
    const struct loader_efi_mode sound = {0x80000000, 4 * 1024 * 768, 1024, 768, 1024, 1, 0, 0, 0,
                                          0};
    struct loader_efi_mode mode = sound;
    struct loader_screen made_of;

    (void)state;
    assert_true(loader_screen_of_mode(&mode, &made_of));
    mode.first = 0;
    assert_false(loader_screen_of_mode(&mode, &made_of));
    mode = sound;
    mode.bytes--;
    assert_false(loader_screen_of_mode(&mode, &made_of));
    mode = sound;
    mode.line_pixels--;
    assert_false(loader_screen_of_mode(&mode, &made_of));
    mode.line_pixels = UINT32_MAX;
    mode.bytes = UINT64_MAX;
    assert_false(loader_screen_of_mode(&mode, &made_of));
    mode = sound;
    mode.width = 0;
    assert_false(loader_screen_of_mode(&mode, &made_of));
    mode = sound;
    mode.height = 0;
    assert_false(loader_screen_of_mode(&mode, &made_of));
}

static void screens_are_told(void **state)
{
    struct loader_start start = start_of(0);
    struct loader_screen made_of;

    (void)state;
    assert_true(screen_of(2, 0xf800, 0x07e0, 0x001f, 0, &made_of));
    start.screen = &made_of;
    make_elf(true);
    begin_multiboot2(0);
    end_multiboot2();
    read_as(LOADER_MULTIBOOT2);
    assert_int_equal(tell(&start, sizeof(room_memory)), VST_OK);
    uint64_t tag = find_tag(registers.ebx, 8);
    assert_int_equal(told(tag + 8, 8), 0x80000000);
    assert_int_equal(told(tag + 16, 4), 2048);
    assert_int_equal(told(tag + 28, 2), 1 << 8 | 16);
    assert_int_equal(told(tag + 32, 6), 0x05000605050bull);
    image.kind = LOADER_MULTIBOOT1;
    assert_int_equal(tell(&start, sizeof(room_memory)), VST_OK);
    assert_int_equal(told(registers.ebx + 108, 2), 1 << 8 | 16);
    assert_int_equal(told(registers.ebx + 110, 6), 0x05000605050bull);
    make_linux();
    read_as(LOADER_LINUX);
    assert_int_equal(tell(&start, sizeof(room_memory)), VST_OK);
    assert_int_equal(told(registers.esi + 0x16, 2), 16);
    assert_int_equal(told(registers.esi + 0x26, 6), 0x000505060b05ull);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linux_as_it_is),
        cmocka_unit_test(linux_of_other_kinds),
        cmocka_unit_test(linux_malformed),
        cmocka_unit_test(pvh_of_both_sizes),
        cmocka_unit_test(pvh_malformed),
        cmocka_unit_test(multiboot1_by_elf),
        cmocka_unit_test(multiboot1_by_addresses),
        cmocka_unit_test(multiboot1_malformed),
        cmocka_unit_test(multiboot2_by_elf),
        cmocka_unit_test(multiboot2_by_addresses),
        cmocka_unit_test(multiboot2_malformed),
        cmocka_unit_test(efi_programs),
        cmocka_unit_test(efi_programs_begin_in_a_section),
        cmocka_unit_test(efi_programs_with_profiles),
        cmocka_unit_test(efi_programs_malformed),
        cmocka_unit_test(linux_is_told),
        cmocka_unit_test(linux_of_many_pieces),
        cmocka_unit_test(multiboot1_is_told),
        cmocka_unit_test(multiboot2_is_told),
        cmocka_unit_test(multiboot2_beside_firmware),
        cmocka_unit_test(multiboot2_only_beside_firmware),
        cmocka_unit_test(multiboot2_of_efi_is_told),
        cmocka_unit_test(multiboot2_is_told_of_tables),
        cmocka_unit_test(smbios_entry_points),
        cmocka_unit_test(screens_by_format),
        cmocka_unit_test(screens_by_masks),
        cmocka_unit_test(screens_that_make_no_sense),
        cmocka_unit_test(screens_are_told),
        cmocka_unit_test(pvh_is_told),
        cmocka_unit_test(modules_above_4g_are_refused),
        cmocka_unit_test(kinds_by_name),
    };
    return cmocka_run_group_tests_name("boot images", tests, NULL, NULL);
}
