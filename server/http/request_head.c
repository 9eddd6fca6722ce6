/* SPDX-License-Identifier: MIT */
/* request_head.c - see request_head.h. */
#include "server/http/request_head.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/num.h"
#include "server/http/path.h"

static const struct span names[] = {
#define FIELD(id, name, twice) { name, sizeof name - 1 },
#include "server/http/fields.def"
#undef FIELD
};

static bool reserve_own(struct request *req, size_t n)
{
    if (req->own_cap < n) {
        char *grown = realloc(req->own, n);
        if (grown == NULL) {
            return false;
        }
        req->own = grown;
        req->own_cap = n;
    }
    return true;
}

/* Writes the values of all fields of this name, with commas, where `to` points; their
 * length. */
static size_t join(struct span fields, struct span name, char *to)
{
    struct span line, one, value;
    size_t n = 0;

    while (span_cut(fields, '\n', &line, &fields)) {
        if (!span_cut(line, ':', &one, &value) || !span_eq_nocase(one, name)) {
            continue;
        }
        if (n > 0) {
            to[n++] = ',';
        }
        value = span_trim(span_take(value, value.n - 1)); /* without its CR */
        memcpy(to + n, value.p, value.n);
        n += value.n;
    }
    return n;
}

/* The second half of `own`; a line is longer than its value and a comma, so it
 * suffices. */
static bool join_lists(struct request *req, struct span head)
{
    if (req->twice == 0) {
        return true;
    }
    if (!reserve_own(req, 2 * head.n)) {
        return false;
    }
    char *to = req->own + head.n;
    for (int i = 0; i < FIELD_N; i++) {
        if ((req->twice >> i & 1) != 0) {
            size_t n = join(span_skip(head, req->fields_at), names[i], to);
            req->field[i] = (struct span){ to, n };
            to += n;
        }
    }
    return true;
}

/* 0, or the status for a Transfer-Encoding that is not just "chunked". */
static unsigned coding_status(struct span value)
{
    struct span one;
    bool other = false, chunked = false, more = true;

    while (more) {
        more = span_cut(value, ',', &one, &value);
        one = span_trim(one);
        if (one.n == 0 || chunked) {
            return 400; /* nothing, or something behind the last coding there can be */
        }
        chunked = span_eq_nocase(one, SPAN("chunked"));
        other = other || !chunked;
    }
    if (!chunked) {
        return 400;
    }
    return other ? 501 : 0;
}

static unsigned check_framing(struct request *req, const char **ret_why)
{
    struct span coding = req->field[FIELD_TRANSFER_ENCODING];
    struct span length = req->field[FIELD_CONTENT_LENGTH];

    if (coding.p != NULL) {
        *ret_why = "Transfer-Encoding other than chunked";
        unsigned status = coding_status(coding);
        if (length.p != NULL || req->minor == 0) {
            *ret_why = "Transfer-Encoding with Content-Length or in HTTP/1.0";
            status = 400;
        }
        req->chunked = true;
        return status;
    }
    if (length.p != NULL) {
        int rc = num_parse_u64(length, 0, UINT64_MAX, &req->content_length);
        if (rc != 0) {
            *ret_why = "bad Content-Length";
            return 400;
        }
        if (req->content_length > req->limits.body) {
            *ret_why = "Content-Length is too large";
            return 413;
        }
    }
    return 0;
}

static unsigned check_host(struct request *req, const struct request_line *line,
                           const char **ret_why)
{
    struct span host = req->field[FIELD_HOST];

    if (host.p == NULL && req->minor == 1) {
        *ret_why = "no Host";
        return 400;
    }
    if (!request_host_is_valid(host)) {
        *ret_why = "bad Host";
        return 400;
    }
    req->host = line->host.p != NULL ? line->host : host;
    return 0;
}

static unsigned check_expect(struct request *req, const char **ret_why)
{
    struct span expect = req->field[FIELD_EXPECT];

    if (expect.p == NULL || req->minor == 0) {
        return 0;
    }
    if (!span_eq_nocase(expect, SPAN("100-continue"))) {
        *ret_why = "unknown expectation";
        return 417;
    }
    req->expect_continue = req->has_body;
    return 0;
}

static bool set_path(struct request *req, const struct request_line *line)
{
    size_t n;

    if (!line->has_path) {
        req->path_status = 400;
        return true;
    }
    if (path_is_plain(line->path)) {
        req->path = line->path;
        return true;
    }
    if (!reserve_own(req, 2 * req->head_size)) {
        return false;
    }
    req->path_status = (uint16_t)path_normalise(line->path, req->own, &n);
    if (req->path_status == 0) {
        req->path = (struct span){ req->own, n };
    }
    return true;
}

static bool is_plain(const struct request *req)
{
    return req->field[FIELD_RANGE].p == NULL && req->field[FIELD_IF_MATCH].p == NULL &&
           req->field[FIELD_IF_NONE_MATCH].p == NULL &&
           req->field[FIELD_IF_MODIFIED_SINCE].p == NULL &&
           req->field[FIELD_IF_UNMODIFIED_SINCE].p == NULL;
}

unsigned request_head_check(struct request *req, struct span head,
                            const struct request_line *line, const char **ret_why)
{
    unsigned status = check_framing(req, ret_why);
    req->has_body = req->chunked || req->content_length > 0;
    status = status != 0 ? status : check_host(req, line, ret_why);
    status = status != 0 ? status : check_expect(req, ret_why);
    if (status != 0) {
        return status;
    }
    if (!set_path(req, line) || !join_lists(req, head)) {
        *ret_why = "out of memory";
        return 503;
    }
    req->plain = is_plain(req);
    return 0;
}
