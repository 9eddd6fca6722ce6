/* SPDX-License-Identifier: MIT */
/* hist_text.h - a histogram as one word: V2, zlib, Base64. It begins with HISTFAAA;
 * every library of the HdrHistogram family reads it. */
#ifndef LOADTEST_HIST_TEXT_H
#define LOADTEST_HIST_TEXT_H

#include <stddef.h>

#include "server/base/hist.h"

/* The caller frees *ret_text. 0 or -ENOMEM. */
int hist_text_encode(const struct hist *hist, char **ret_text);
/* The caller frees the histogram. -EBADMSG, -ENOTSUP, -ENOMEM as hist_decode(). */
int hist_text_decode(const char *text, size_t len, struct hist *ret_hist);

#endif
