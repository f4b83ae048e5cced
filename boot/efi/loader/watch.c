/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/watch.h"

#include <vstor/log.h>

#include "boot/efi/clock.h"
#include "boot/efi/loader/loader.h"
#include "boot/efi/loader/utf16.h"

#define NS_PER_S   1000000000u
#define SILENT_S   3u
#define TEXT_BYTES 64u

static struct {
    const char *name;
    uint64_t since_ns;
    unsigned said_s;
} watch;

/* Not by say(), which keeps its lines and may be in use. Consoles may be written to at this TPL.
 * (UEFI 2.9, table 7-3) */
static void tell(const char *text)
{
    CHAR16 units[TEXT_BYTES];

    if (loader_system->ConOut != NULL && utf16_of(text, units, TEXT_BYTES))
        (void)loader_system->ConOut->OutputString(loader_system->ConOut, units);
}

void watch_begin(const char *name)
{
    watch.name = name;
    watch.said_s = 0;
    watch.since_ns = clock_ns();
}

void watch_progress(void)
{
    watch.since_ns = clock_ns();
}

void watch_end(void)
{
    watch.name = NULL;
    if (watch.said_s > 0)
        tell("\r\n");
    watch.said_s = 0;
}

void watch_look(void)
{
    char text[TEXT_BYTES];

    if (watch.name == NULL)
        return;
    uint64_t now_ns = clock_ns();
    if (now_ns < watch.since_ns) /* the counter was set back: it counts from here */
        watch.since_ns = now_ns;
    uint64_t silent_s = (now_ns - watch.since_ns) / NS_PER_S;
    if (silent_s < SILENT_S || silent_s == watch.said_s)
        return;
    watch.said_s = (unsigned)silent_s;
    vst_format(text, sizeof(text), "\r%s: no answer for %u s ", watch.name, watch.said_s);
    tell(text);
}
