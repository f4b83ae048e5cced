/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a started kernel can show something. */
#ifndef VSTOR_LOADER_SCREEN_H
#define VSTOR_LOADER_SCREEN_H

#include <vstor/types.h>

/** Where a colour stands in a pixel. */
struct loader_colour {
    uint8_t shift, bits;
};

struct loader_screen {
    bool is_text; /**< 16 bits a character, 80 x 25 */
    uint64_t first;
    uint32_t width, height, line_bytes; /**< in characters or pixels */
    uint8_t bits;                       /**< of a character or pixel, whole bytes */
    struct loader_colour red, green, blue;
};

/** A mode of EFI's graphics output (UEFI 2.9, 12.9), as firmware tells it. */
struct loader_efi_mode {
    uint64_t first, bytes; /**< of its frame buffer */
    uint32_t width, height, line_pixels;
    uint32_t format;                                         /**< EFI_GRAPHICS_PIXEL_FORMAT */
    uint32_t red_mask, green_mask, blue_mask, reserved_mask; /**< where the format says so */
};

/** The screen of a mode. False if nobody but the firmware can draw, or if the mode makes no sense. */
bool loader_screen_of_mode(const struct loader_efi_mode *mode,
                           struct loader_screen *screen) VST_MUST_USE;

#endif
