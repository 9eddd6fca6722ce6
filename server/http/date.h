/* SPDX-License-Identifier: MIT */
/* date.h - the dates of HTTP (RFC 9110 5.6.7), without locale and time zone. */
#ifndef COWSHED_DATE_H
#define COWSHED_DATE_H

#include <stdint.h>

#include "server/base/span.h"

enum { DATE_LEN = 29 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* Writes DATE_LEN bytes, no zero. Clamped to the years 1970 to 9999. */
void date_format(char *to, int64_t s);

/* IMF-fixdate, RFC 850 and asctime forms. A two-digit year is the one that is at most
 * 50 years ahead of now_s. 0 and seconds since 1970 (may be negative), or -EINVAL. */
int date_parse(struct span text, int64_t now_s, int64_t *ret_s);

#endif
