/* SPDX-License-Identifier: MIT */
/* conditional.c - see conditional.h. The steps are numbered as in RFC 9110 13.2.2. */
#include "server/http/conditional.h"

#include <stdint.h>

#include "server/http/date.h"
#include "server/http/request.h"
#include "server/http/response.h"

/* Takes `[W/]"..."` off the front of *list. */
static bool take_tag(struct span *list, struct span *ret_opaque, bool *ret_weak)
{
    *ret_weak = span_starts(*list, SPAN("W/"));
    struct span s = span_skip(*list, *ret_weak ? 2 : 0);
    if (!span_starts(s, SPAN("\""))) {
        return false;
    }
    size_t n = span_find(span_skip(s, 1), '"');
    if (n == s.n - 1) {
        return false;
    }
    *ret_opaque = span_take(s, n + 2);
    *list = span_skip(s, n + 2);
    return true;
}

bool conditional_list_has(struct span list, struct span etag, bool strong)
{
    struct span have, tag;
    bool have_weak, weak;

    if (span_eq(span_trim(list), SPAN("*"))) {
        return true;
    }
    if (!take_tag(&etag, &have, &have_weak) || (strong && have_weak)) {
        return false;
    }
    for (;;) {
        list = span_trim(list);
        while (span_starts(list, SPAN(","))) { /* empty elements are legal */
            list = span_trim(span_skip(list, 1));
        }
        if (!take_tag(&list, &tag, &weak)) {
            return false;
        }
        list = span_trim(list);
        if (list.n > 0 && !span_starts(list, SPAN(","))) {
            return false; /* `"a"b`: malformed */
        }
        if (!(strong && weak) && span_eq(tag, have)) {
            return true;
        }
    }
}

/* False also when the field is not there or is no date. */
static bool date_field(const struct request *req, enum request_field id,
                       const struct response_meta *meta, int64_t *ret_s)
{
    return req->field[id].p != NULL && meta->mtime_s != 0 &&
           date_parse(req->field[id], meta->mtime_s, ret_s) == 0;
}

unsigned conditional_status(const struct request *req, const struct response_meta *meta)
{
    int64_t s;

    if (req->field[FIELD_IF_MATCH].p != NULL) { /* 1 */
        if (!conditional_list_has(req->field[FIELD_IF_MATCH], meta->etag, true)) {
            return 412;
        }
    } else if (date_field(req, FIELD_IF_UNMODIFIED_SINCE, meta, &s)) { /* 2 */
        if (meta->mtime_s > s) {
            return 412;
        }
    }
    if (req->field[FIELD_IF_NONE_MATCH].p != NULL) { /* 3 */
        if (conditional_list_has(req->field[FIELD_IF_NONE_MATCH], meta->etag, false)) {
            return 304;
        }
    } else if (date_field(req, FIELD_IF_MODIFIED_SINCE, meta, &s)) { /* 4 */
        if (meta->mtime_s <= s) {
            return 304;
        }
    }
    return 200;
}
