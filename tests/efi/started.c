/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program is told by whoever starts it. */
#include "tests/efi/support.h"

#define MAX_BYTES 200u

/* Says the load options, which must be a text with its NUL, or nothing at all. */
static void load_options(void)
{
    EFI_LOADED_IMAGE_PROTOCOL *loaded = protocol(this_image, &guid_loaded_image);
    const CHAR16 *options = loaded->LoadOptions;
    UINTN n = loaded->LoadOptionsSize / sizeof(CHAR16);
    char text[MAX_BYTES] = "";

    CHECK(n < MAX_BYTES && loaded->LoadOptionsSize % sizeof(CHAR16) == 0);
    CHECK(n == 0 || options[n - 1] == 0);
    for (UINTN i = 0; i < n; i++)
        text[i] = (char)options[i];
    say("load options '%s', %lu units", text, (unsigned long)n);
}

const struct test tests_started[] = {
    {"load_options", load_options},
    {NULL, NULL},
};
