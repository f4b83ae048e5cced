/* SPDX-License-Identifier: BSD-2-Clause */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>

#include "console.h"
#include "size.h"

#define CALLS_PER_LOOK 64u
#define LOOK_NS        100000000u
#define PATIENCE_NS    1000000000u
#define NS_PER_S       1000000000u

static uint64_t now_ns(const struct progress *progress)
{
    const struct vst_platform *platform = progress->context->host->platform;

    return platform->time_ns(platform->ctx);
}

void progress_begin(struct progress *progress, const struct shell_context *context,
                    uint64_t total_bytes)
{
    *progress = (struct progress){.context = context, .total_bytes = total_bytes};
    progress->start_ns = now_ns(progress);
    progress->next_ns = progress->start_ns + LOOK_NS;
}

static void show(struct progress *progress, uint64_t elapsed_ns)
{
    uint64_t total = progress->total_bytes, done = progress->done_bytes;
    uint64_t rate = scale_u64(done, NS_PER_S, elapsed_ns);
    uint64_t left_s = rate > 0 ? (total - done) / rate : 0;
    char mebibytes[SIZE_TEXT_BYTES];

    printf("\r%s %s: %3" PRIu64 "%%  %s MiB/s  %" PRIu64 ":%02u left\x1b[K",
           progress->context->typed[0], progress->context->name, scale_u64(done, 100, total),
           ratio_text(rate, 1u << 20, 1, mebibytes), left_s / 60, (unsigned)(left_s % 60));
    fflush(stdout);
    progress->shown = true;
}

bool progress_step(struct progress *progress, uint64_t done_bytes)
{
    const struct shell_host *host = progress->context->host;

    progress->done_bytes = done_bytes;
    if (host->others_turn != NULL)
        host->others_turn(host->ctx);
    if (++progress->n_calls % CALLS_PER_LOOK != 0 || progress->interrupted)
        return !progress->interrupted;
    uint64_t now = now_ns(progress);
    if (now < progress->next_ns)
        return true;
    progress->next_ns = now + LOOK_NS;
    progress->interrupted = console_interrupted(progress->context->host);
    if (!progress->interrupted && progress->context->host->interactive &&
        !progress->context->json && progress->total_bytes > 0 &&
        now - progress->start_ns > PATIENCE_NS)
        show(progress, now - progress->start_ns);
    return !progress->interrupted;
}

void progress_end(struct progress *progress)
{
    if (progress->shown)
        fputs("\r\x1b[K", stdout);
}
