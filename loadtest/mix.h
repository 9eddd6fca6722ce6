/* SPDX-License-Identifier: MIT */
/* mix.h - one line of a mix of requests:
 *
 *   WEIGHT [METHOD] PATH ['Name: value' ...] [@FILE | =TEXT]
 *
 * Words are separated by spaces; quotes of either kind keep spaces in a word. A word
 * with @ names a file whose bytes are the body, one with = is the body itself. Blank
 * lines and # comments are no requests. Pure.
 */
#ifndef LOADTEST_MIX_H
#define LOADTEST_MIX_H

#include <stddef.h>

#include "server/base/span.h"

enum { MIX_HEADERS_MAX = 32 };

struct mix_line {
    double weight; /* 0: the line is no request */
    struct span method;
    struct span path;
    struct span headers[MIX_HEADERS_MAX];
    size_t n_headers;
    struct span body;      /* text, */
    struct span body_path; /* or the name of a file; at most one of both */
};

/* The spans point into the line. Returns NULL, or what is wrong with it. */
const char *mix_parse(struct span line, struct mix_line *ret_line);

/* What is wrong with "Name: value", or NULL. */
const char *mix_wrong_header(struct span header);
/* Is it the name of a method: letters in upper case? */
bool mix_is_method(struct span word);

#endif
