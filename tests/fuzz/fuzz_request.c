/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz_request.h"

#include <string.h>

#include "server/base/check.h"
#include "server/base/prng.h"
#include "tests/unit/http/transcript.h"

enum { TEXT_MAX = 1 << 20, CUTS = 8 };

static void check_transcript(struct span text)
{
    static const struct span statuses[] = {
        { "400", 3 }, { "413", 3 }, { "414", 3 }, { "417", 3 },
        { "431", 3 }, { "501", 3 }, { "505", 3 },
    };
    struct span refused = SPAN("refused ");
    if (text.n < refused.n + 4 || !span_ends(text, SPAN("\n"))) {
        return;
    }
    struct span last = span_skip(text, text.n - refused.n - 4);
    if (!span_starts(last, refused)) {
        return;
    }
    bool known = false;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        known = known || span_starts(span_skip(last, refused.n), statuses[i]);
    }
    CHECK(known);
}

static void check_path(const struct request *req)
{
    struct span p = req->path;
    if (req->path_status != 0) {
        CHECK(p.n == 0 && (req->path_status == 400 || req->path_status == 404));
        return;
    }
    CHECK(p.n > 0 && p.p[0] == '/');
    for (size_t i = 0; i < p.n; i++) {
        struct span rest = span_skip(p, i);
        CHECK((unsigned char)p.p[i] >= 0x20 && p.p[i] != 0x7f);
        CHECK(!span_starts(rest, SPAN("//")) && !span_starts(rest, SPAN("/../")) &&
              !span_starts(rest, SPAN("/./")));
    }
    CHECK(!span_ends(p, SPAN("/..")) && !span_ends(p, SPAN("/.")));
}

/* The status with which trailers are refused is that of the first fault that was seen:
 * too long before its end, or of a wrong form at its end. That depends on where reads
 * ended; that they are refused does not. */
static bool is_same(struct span a, struct span b)
{
    static const struct span refused = { "refused ", 8 };

    if (a.n == b.n && a.n > 12 && memmem(a.p, a.n, "chunked", 7) != NULL &&
        span_starts(span_skip(a, a.n - 12), refused) &&
        span_starts(span_skip(b, b.n - 12), refused)) {
        a.n -= 4;
        b.n -= 4;
    }
    return span_eq(a, b);
}

int fuzz_request(const uint8_t *data, size_t size)
{
    static const struct request_limits limits = { 200, 400, 10, 300 };
    struct span bytes = span_make(data, size);
    struct buf whole, cut, single;
    size_t cuts[CUTS];
    struct prng r;

    prng_seed(&r, size);
    buf_init(&whole, TEXT_MAX);
    buf_init(&cut, TEXT_MAX);
    buf_init(&single, TEXT_MAX);
    transcript_run(&limits, bytes, NULL, 0, false, &whole);
    transcript_run(&limits, bytes, NULL, 0, true, &single);
    for (size_t i = 0, at = 0; i < CUTS; i++) {
        at += (size_t)prng_below(&r, size - at + 1);
        cuts[i] = at;
    }
    transcript_run(&limits, bytes, cuts, CUTS, false, &cut);
    CHECK(is_same(buf_span(&whole), buf_span(&single)));
    CHECK(is_same(buf_span(&whole), buf_span(&cut)));
    check_transcript(buf_span(&whole));

    struct request req;
    request_init(&req, &limits);
    if (request_feed(&req, bytes.p, bytes.n).event == REQUEST_HEAD) {
        check_path(&req);
    }
    request_free(&req);
    buf_free(&whole);
    buf_free(&cut);
    buf_free(&single);
    return 0;
}
