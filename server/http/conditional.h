/* SPDX-License-Identifier: MIT */
/* conditional.h - preconditions of a request (RFC 9110 13.2.2), in the order it
 * prescribes. */
#ifndef COWSHED_CONDITIONAL_H
#define COWSHED_CONDITIONAL_H

#include <stdbool.h>

#include "server/base/span.h"

struct request;
struct response_meta;

/* For GET and HEAD of something that would get 200: 200, 304 or 412. `meta` gives etag
 * and mtime_s (0: none). A malformed date counts as not sent. Look at Range afterwards.
 */
unsigned conditional_status(const struct request *, const struct response_meta *meta);

/* `list`: "*" or entity tags with commas. Strong: neither may be weak, and they are
 * equal; else the W/ is not compared. A malformed list matches nothing from there on.
 */
bool conditional_list_has(struct span list, struct span etag, bool strong);

#endif
