/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Long work: one line that shows how far it is, and the look-out for Ctrl-C. The line appears only
 * after a second, on a console that somebody watches, and never beside JSON; at the end it is gone.
 */
#ifndef VSTOR_SHELL_PROGRESS_H
#define VSTOR_SHELL_PROGRESS_H

#include "command.h"

struct progress {
    const struct shell_context *context;
    uint64_t total_bytes; /* 0: not known, nothing is shown */
    uint64_t done_bytes;
    uint64_t start_ns, next_ns;
    unsigned n_calls;
    bool shown, interrupted;
};

void progress_begin(struct progress *progress, const struct shell_context *context,
                    uint64_t total_bytes);
/** To be called over and over, also while waiting; cheap. False once Ctrl-C was typed. */
bool progress_step(struct progress *progress, uint64_t done_bytes);
void progress_end(struct progress *progress);

#endif
