/* SPDX-License-Identifier: MIT */
/* range.c - see range.h. Sizes are at most 2^63, so that sums cannot wrap. */
#include "server/http/range.h"

#include <errno.h>
#include <stdbool.h>

#include "server/base/num.h"
#include "server/http/date.h"
#include "server/http/request.h"
#include "server/http/response.h"

/* Digits of a position; one that is too large for 64 bits counts as the largest. */
static bool parse_position(struct span digits, uint64_t *ret)
{
    int rc = num_parse_u64(digits, 0, UINT64_MAX, ret);
    if (rc == -ERANGE) {
        *ret = UINT64_MAX;
        return true;
    }
    return rc == 0;
}

enum range_kind range_parse(struct span value, uint64_t size, struct range *ret_range)
{
    struct span first_text, last_text;
    uint64_t first, last = UINT64_MAX;

    if (!span_starts_nocase(value, SPAN("bytes="))) {
        return RANGE_WHOLE;
    }
    value = span_trim(span_skip(value, 6));
    if (!span_cut(value, '-', &first_text, &last_text)) {
        return RANGE_WHOLE;
    }
    if (first_text.n == 0) { /* the last so many bytes */
        if (!parse_position(last_text, &last)) {
            return RANGE_WHOLE;
        }
        if (last == 0 || size == 0) {
            return RANGE_NONE;
        }
        last = last < size ? last : size;
        *ret_range = (struct range){ size - last, last };
        return RANGE_PART;
    }
    if (!parse_position(first_text, &first) ||
        (last_text.n > 0 && !parse_position(last_text, &last)) || last < first) {
        return RANGE_WHOLE;
    }
    if (first >= size) {
        return RANGE_NONE;
    }
    last = last < size ? last : size - 1;
    *ret_range = (struct range){ first, last - first + 1 };
    return RANGE_PART;
}

/* If-Range: does the client hold a part of just this representation? */
static bool still_the_same(struct span value, const struct response_meta *meta)
{
    int64_t s;

    if (span_starts(value, SPAN("\""))) {
        return meta->etag.n > 0 && span_eq(value, meta->etag);
    }
    return meta->mtime_s != 0 && date_parse(value, meta->mtime_s, &s) == 0 &&
           s == meta->mtime_s;
}

enum range_kind range_of(const struct request *req, const struct response_meta *meta,
                         struct range *ret_range)
{
    struct span value = req->field[FIELD_RANGE];
    struct span same = req->field[FIELD_IF_RANGE];

    if (req->method != METHOD_GET || value.p == NULL ||
        (same.p != NULL && !still_the_same(same, meta))) {
        return RANGE_WHOLE;
    }
    return range_parse(value, meta->length, ret_range);
}
