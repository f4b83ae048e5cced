/* SPDX-License-Identifier: BSD-2-Clause */
/* Words of the boot command line that are for the kernel, not for the shell. */
#ifndef VSTOR_KERNEL_OPTION_WORDS_H
#define VSTOR_KERNEL_OPTION_WORDS_H

#include <vstor/types.h>

#define OPTION_WORD_BYTES 128u /**< longer ones are cut, and make no sense then */

/**
 * Cuts every word that begins with `prefix` out of `line` and hands it to `take`, which may change
 * it. Words end at blanks and ';'; quotes of the shell do not matter.
 */
void option_words_cut(char *line, const char *prefix, void (*take)(void *ctx, char *word),
                      void *ctx);

#endif
