/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/loader/screen.h"

#define BYTE_BITS 8u

/* UEFI 2.9, 12.9.2. */
enum format { FORMAT_RGB, FORMAT_BGR, FORMAT_MASKS };

static bool take_colour(uint32_t mask, uint32_t *taken, struct loader_colour *colour)
{
    if (mask == 0 || (*taken & mask))
        return false;
    *taken |= mask;
    colour->shift = (uint8_t)__builtin_ctz(mask);
    mask >>= colour->shift;
    colour->bits = (uint8_t)(32 - __builtin_clz(mask));
    return (mask & (mask + 1)) == 0; /* in one piece */
}

static bool take_masks(const struct loader_efi_mode *mode, struct loader_screen *screen)
{
    uint32_t taken = 0;

    if (!take_colour(mode->red_mask, &taken, &screen->red) ||
        !take_colour(mode->green_mask, &taken, &screen->green) ||
        !take_colour(mode->blue_mask, &taken, &screen->blue))
        return false;
    /* The highest of all bits says how large a pixel is. */
    uint32_t n_bits = 32 - (uint32_t)__builtin_clz(taken | mode->reserved_mask);
    screen->bits = (uint8_t)((n_bits + BYTE_BITS - 1) / BYTE_BITS * BYTE_BITS);
    return true;
}

static bool take_format(const struct loader_efi_mode *mode, struct loader_screen *screen)
{
    bool is_rgb = mode->format == FORMAT_RGB;

    if (mode->format == FORMAT_MASKS)
        return take_masks(mode, screen);
    screen->bits = 4 * BYTE_BITS;
    screen->red = (struct loader_colour){is_rgb ? 0 : 16, BYTE_BITS};
    screen->green = (struct loader_colour){8, BYTE_BITS};
    screen->blue = (struct loader_colour){is_rgb ? 16 : 0, BYTE_BITS};
    return is_rgb || mode->format == FORMAT_BGR;
}

bool loader_screen_of_mode(const struct loader_efi_mode *mode, struct loader_screen *screen)
{
    *screen =
        (struct loader_screen){.first = mode->first, .width = mode->width, .height = mode->height};
    if (mode->first == 0 || mode->width == 0 || mode->height == 0 ||
        mode->line_pixels < mode->width || !take_format(mode, screen))
        return false;
    uint64_t line_bytes = (uint64_t)mode->line_pixels * (screen->bits / BYTE_BITS);
    screen->line_bytes = (uint32_t)line_bytes;
    return line_bytes <= UINT32_MAX && mode->bytes / line_bytes >= mode->height;
}
