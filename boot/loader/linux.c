/* SPDX-License-Identifier: BSD-2-Clause */
/* Linux's bzImage: the setup header. (Documentation/arch/x86/boot.rst) */
#include "boot/loader/image_kinds.h"

#define SETUP_SECTORS_AT    0x1f1u
#define BOOT_FLAG_AT        0x1feu
#define MAGIC_AT            0x202u
#define PROTOCOL_AT         0x206u
#define VERSION_AT          0x20eu
#define LOAD_FLAGS_AT       0x211u
#define INITRD_MAX_AT       0x22cu
#define ALIGNMENT_AT        0x230u
#define RELOCATABLE_AT      0x234u
#define EXTENDED_FLAGS_AT   0x236u
#define COMMAND_LINE_MAX_AT 0x238u
#define PREFERRED_AT        0x258u
#define INIT_BYTES_AT       0x260u
#define HEADER_END          0x264u

#define BOOT_FLAG         0xaa55u
#define MAGIC             0x53726448u /* "HdrS" */
#define OLDEST_PROTOCOL   0x020au /* 2.10: Linux 2.6.31; older ones don't tell how large they get */
#define PROTOCOL_2_12     0x020cu
#define LOADED_HIGH       0x01u
#define KERNEL_64         0x01u
#define ABOVE_4G          0x02u
#define ENTRY_64          0x200u
#define SECTORS_IF_0      4u
#define LOWEST_PLACE      0x100000u
#define COMMAND_LINE_IF_0 255u
#define VERSION_BASE      0x200u

bool loader_linux_is(const struct loader_bytes *file)
{
    return loader_holds(file, 0, MAGIC_AT + 4) && loader_u16(file, BOOT_FLAG_AT) == BOOT_FLAG &&
           loader_u32(file, MAGIC_AT) == MAGIC;
}

static void take_version(const struct loader_bytes *file, struct loader_linux *setup)
{
    uint64_t at = (uint64_t)loader_u16(file, VERSION_AT) + VERSION_BASE;

    if (at == VERSION_BASE)
        return;
    for (size_t i = 0; i < sizeof(setup->version) - 1; i++) {
        uint8_t c = at + i < setup->setup_bytes ? loader_u8(file, at + i) : 0;
        if (c < ' ' || c > '~')
            break;
        setup->version[i] = (char)c;
    }
}

static enum vst_status take_place(const struct loader_bytes *file, struct loader_image *image)
{
    uint32_t align_bytes = loader_u32(file, ALIGNMENT_AT);

    image->place = (struct loader_place){
        .movable = loader_u8(file, RELOCATABLE_AT) != 0,
        .align_bytes = align_bytes,
        .first = LOWEST_PLACE,
        .end = LOADER_4G,
    };
    if (image->place.movable && !vst_is_power_of_two(align_bytes))
        return loader_refuse(image, VST_ERR_MALFORMED, "its alignment makes no sense");
    return VST_OK;
}

uint32_t loader_linux_max_command_line(const struct loader_bytes *file)
{
    uint32_t bytes = loader_u32(file, COMMAND_LINE_MAX_AT);

    if (!loader_linux_is(file))
        return 0;
    return bytes != 0 ? bytes : COMMAND_LINE_IF_0;
}

static void take_limits(const struct loader_bytes *file, struct loader_linux *setup, bool is_64_bit,
                        uint16_t flags)
{
    setup->initrd_end = (uint64_t)loader_u32(file, INITRD_MAX_AT) + 1;
    if (is_64_bit && (flags & ABOVE_4G))
        setup->initrd_end = UINT64_MAX;
    setup->max_command_line = loader_linux_max_command_line(file);
}

enum vst_status loader_linux_read(const struct loader_bytes *file, struct loader_image *image)
{
    struct loader_linux *setup = &image->setup;
    uint64_t sectors = loader_u8(file, SETUP_SECTORS_AT);
    uint64_t init_bytes = loader_u32(file, INIT_BYTES_AT);

    setup->protocol = loader_u16(file, PROTOCOL_AT);
    setup->setup_bytes = ((sectors != 0 ? sectors : SECTORS_IF_0) + 1) * VST_SECTOR_BYTES;
    if (setup->protocol < OLDEST_PROTOCOL || !(loader_u8(file, LOAD_FLAGS_AT) & LOADED_HIGH))
        return loader_refuse(image, VST_ERR_UNSUPPORTED, "it is older than Linux 2.6.31");
    if (setup->setup_bytes < HEADER_END || file->bytes <= setup->setup_bytes)
        return loader_refuse(image, VST_ERR_MALFORMED, "the file ends before Linux begins");
    take_version(file, setup);
    uint16_t flags = setup->protocol >= PROTOCOL_2_12 ? loader_u16(file, EXTENDED_FLAGS_AT) : 0;
    image->entry_is_64_bit = flags & KERNEL_64;
    take_limits(file, setup, image->entry_is_64_bit, flags);

    struct loader_part part = {.to = loader_u64(file, PREFERRED_AT),
                               .from = setup->setup_bytes,
                               .bytes = file->bytes - setup->setup_bytes};
    part.memory_bytes = init_bytes > part.bytes ? init_bytes : part.bytes;
    if (part.to < LOWEST_PLACE)
        return loader_refuse(image, VST_ERR_MALFORMED, "its preferred address makes no sense");
    enum vst_status status = loader_add_part(file, image, &part);
    if (status != VST_OK)
        return status;
    image->entry = part.to + (image->entry_is_64_bit ? ENTRY_64 : 0);
    status = take_place(file, image);
    return status == VST_OK ? loader_check_entry(image) : status;
}
