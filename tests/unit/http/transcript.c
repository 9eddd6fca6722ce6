/* SPDX-License-Identifier: MIT */
#include "tests/unit/http/transcript.h"

#include <stdlib.h>

#include "server/base/check.h"
#include "tests/test.h"

const struct request_limits transcript_limits = {
    .line = 8192, .header_bytes = 32768, .headers = 100, .body = 1 << 20
};

enum { TEXT_MAX = 1 << 20 };

struct run {
    struct request req;
    struct buf *out;
    char *memory; /* what a read buffer would hold: exactly as large as its content */
    size_t held;
    bool in_body;
    bool over;
};

static void tell_head(struct run *run)
{
    const struct request *r = &run->req;

    buf_printf(run->out, "%s %.*s", method_name(r->method), SPAN_ARG(r->path));
    if (r->path_status != 0) {
        buf_printf(run->out, "(%u)", r->path_status);
    }
    if (r->query.p != NULL) {
        buf_printf(run->out, "?%.*s", SPAN_ARG(r->query));
    }
    buf_printf(run->out, " host=%.*s 1.%u %s%s%s%s\n", SPAN_ARG(r->host), r->minor,
               r->keep_alive ? "keep" : "close", r->plain ? "" : " conditional",
               r->chunked ? " chunked" : "", r->expect_continue ? " expect" : "");
}

static void end_body(struct run *run)
{
    if (run->in_body) {
        buf_append_str(run->out, "\n");
    }
    run->in_body = false;
}

static void tell(struct run *run, const struct request_fed *fed)
{
    switch (fed->event) {
    case REQUEST_HEAD:
        tell_head(run);
        break;
    case REQUEST_BODY:
        buf_append_str(run->out, run->in_body ? "" : "body=");
        buf_append_span(run->out, fed->body);
        run->in_body = true;
        break;
    case REQUEST_DONE:
        end_body(run);
        buf_append_str(run->out, "end\n");
        break;
    case REQUEST_REFUSED:
        end_body(run);
        buf_printf(run->out, "refused %u\n", run->req.status);
        CHECK(run->req.reason != NULL && !run->req.keep_alive);
        break;
    case REQUEST_MORE:
        break;
    }
}

/* Drops the first `n` bytes; the rest moves to memory of its own, so that a sanitizer
 * sees any span that outlives its bytes. */
static void drop(struct run *run, size_t n)
{
    CHECK(n <= run->held);
    char *moved = malloc(run->held - n + 1);
    CHECK(moved != NULL);
    memcpy(moved, run->memory + n, run->held - n);
    free(run->memory);
    run->memory = moved;
    run->held -= n;
}

static void arrive(struct run *run, struct span bytes)
{
    char *grown = realloc(run->memory, run->held + bytes.n + 1);
    CHECK(grown != NULL);
    run->memory = grown;
    memcpy(run->memory + run->held, bytes.p, bytes.n);
    run->held += bytes.n;

    while (!run->over) {
        struct request_fed fed = request_feed(&run->req, run->memory, run->held);
        CHECK(fed.consumed <= run->held);
        tell(run, &fed);
        if (fed.event == REQUEST_REFUSED) {
            run->over = true;
        } else if (fed.event == REQUEST_DONE) {
            request_next(&run->req);
        }
        drop(run, fed.consumed);
        if (fed.event == REQUEST_MORE) {
            CHECK(run->held <= request_head_max(&run->req.limits));
            return;
        }
    }
}

void transcript_run(const struct request_limits *limits, struct span bytes,
                    const size_t *cuts, size_t n, bool one_by_one, struct buf *out)
{
    struct run run = { .out = out };
    size_t at = 0;

    request_init(&run.req, limits);
    for (size_t i = 0; one_by_one && i < bytes.n; i++) {
        arrive(&run, (struct span){ bytes.p + i, 1 });
    }
    for (size_t i = 0; !one_by_one && i <= n; i++) {
        size_t end = i < n ? cuts[i] : bytes.n;
        arrive(&run, (struct span){ bytes.p + at, end - at });
        at = end;
    }
    end_body(&run);
    if (!run.over && (run.held > 0 || run.req.has_body)) {
        buf_append_str(out, "more\n");
    }
    request_free(&run.req);
    free(run.memory);
}

const char *transcript_of(struct span bytes, const struct request_limits *limits)
{
    static struct buf out;

    buf_free(&out);
    buf_init(&out, TEXT_MAX);
    transcript_run(limits, bytes, NULL, 0, false, &out);
    CHECK(buf_append(&out, "", 1) == 0);
    return buf_span(&out).p;
}

void transcript_check(struct span bytes, const struct request_limits *limits,
                      const char *want)
{
    check_str(transcript_of(bytes, limits), want, "%.*s", SPAN_ARG(bytes));
    struct buf out;
    buf_init(&out, TEXT_MAX);
    transcript_run(limits, bytes, NULL, 0, true, &out);
    check_span(buf_span(&out), want, "byte by byte: %.*s", SPAN_ARG(bytes));
    for (size_t cut = 0; cut <= bytes.n; cut++) {
        buf_clear(&out);
        transcript_run(limits, bytes, &cut, 1, false, &out);
        check_span(buf_span(&out), want, "cut after %zu: %.*s", cut, SPAN_ARG(bytes));
    }
    buf_free(&out);
}
