/* SPDX-License-Identifier: BSD-2-Clause */
#include "console.h"

#include <stdio.h>

#define TYPED_AHEAD_BYTES 1024u

static struct {
    unsigned char bytes[TYPED_AHEAD_BYTES];
    size_t first, n;
} ahead;

int console_next(const struct shell_host *host, uint64_t timeout_ns)
{
    if (ahead.n > 0) {
        int byte = ahead.bytes[ahead.first];
        ahead.first = (ahead.first + 1) % TYPED_AHEAD_BYTES;
        ahead.n--;
        return byte;
    }
    fflush(stdout);
    return host->console_read(host->ctx, timeout_ns);
}

bool console_interrupted(const struct shell_host *host)
{
    /* With the store full nothing more is read: the serial line then holds back the sender, and
     * nothing is lost. */
    while (ahead.n < TYPED_AHEAD_BYTES) {
        int byte = host->console_read(host->ctx, 0);
        if (byte < 0)
            return false;
        if (byte == CONSOLE_CTRL_C) {
            console_forget();
            return true;
        }
        ahead.bytes[(ahead.first + ahead.n++) % TYPED_AHEAD_BYTES] = (unsigned char)byte;
    }
    return false;
}

void console_forget(void)
{
    ahead.first = ahead.n = 0;
}
