/* SPDX-License-Identifier: MIT */
/* range.h - Range and If-Range (RFC 9110 14.2, 13.1.5): one range of bytes or none. */
#ifndef COWSHED_RANGE_H
#define COWSHED_RANGE_H

#include <stdint.h>

#include "server/base/span.h"

struct request;
struct response_meta;

struct range {
    uint64_t first, length; /* length > 0 */
};

enum range_kind {
    RANGE_WHOLE, /* 200: no Range, or one to ignore: malformed, several, another unit */
    RANGE_PART,  /* 206 */
    RANGE_NONE,  /* 416: nothing of it lies in the representation */
};

/* The value of a Range field against `size` bytes. *ret_range is set for RANGE_PART. */
enum range_kind range_parse(struct span value, uint64_t size, struct range *ret_range);

/* For a GET that would get 200: looks at Range and If-Range of the request against
 * `meta` (length, etag, mtime_s). If-Range needs the same strong tag or the same date.
 */
enum range_kind range_of(const struct request *, const struct response_meta *,
                         struct range *ret_range);

#endif
