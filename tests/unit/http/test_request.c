/* SPDX-License-Identifier: MIT */
/* Each case goes through the parser whole, byte by byte and cut in two at every place
 * (transcript.h), and must read the same each time. */
#include "server/http/request.h"

#include <stdlib.h>

#include "tests/test.h"
#include "tests/unit/http/transcript.h"

#define HOST "Host: h\r\n"
#define GET  "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n" HOST
#define OK   "GET / host=h 1.1 keep\nend\n"

struct row {
    struct span bytes;
    const char *want;
};
#define ROW(text, want)                  \
    {                                    \
        { text, sizeof(text) - 1 }, want \
    }

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        transcript_check(rows[i].bytes, &transcript_limits, rows[i].want);
    }
}

static void heads_are_read(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW(GET HOST "\r\n", OK),
        ROW(GET "hOsT:h\r\n\r\n", OK),
        ROW(GET "Host: \t h\t \r\n\r\n", OK),
        ROW(GET HOST "Empty:\r\nEmpty2: \r\n\r\n", OK),
        ROW(GET HOST "X: caf\xc3\xa9 \t tab\r\n\r\n", OK),
        ROW("\r\n" GET HOST "\r\n", OK),
        ROW("\r\n\r\n\r\n\r\n" GET HOST "\r\n", OK),
        ROW("HEAD /a?b=c?d HTTP/1.1\r\n" HOST "\r\n",
            "HEAD /a?b=c?d host=h 1.1 keep\nend\n"),
        ROW("GET /? HTTP/1.1\r\n" HOST "\r\n", "GET /? host=h 1.1 keep\nend\n"),
        ROW("GET / HTTP/1.0\r\n\r\n", "GET / host= 1.0 close\nend\n"),
        ROW("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            "GET / host= 1.0 keep\nend\n"),
        ROW(GET HOST "Connection: close\r\n\r\n", "GET / host=h 1.1 close\nend\n"),
        ROW(GET HOST "Connection: x, CLOSE\r\n\r\n", "GET / host=h 1.1 close\nend\n"),
        ROW(GET HOST "Connection: keep-alive, close\r\n\r\n",
            "GET / host=h 1.1 close\nend\n"),
        ROW(GET "Host: example.com:8080\r\n\r\n",
            "GET / host=example.com:8080 1.1 keep\nend\n"),
        ROW(GET "Host: [::1]:80\r\n\r\n", "GET / host=[::1]:80 1.1 keep\nend\n"),
        ROW(GET "Host:\r\n\r\n", "GET / host= 1.1 keep\nend\n"),
        ROW(GET HOST "Range: bytes=0-1\r\n\r\n",
            "GET / host=h 1.1 keep conditional\nend\n"),
        ROW("DELETE /x HTTP/1.1\r\n" HOST "\r\n", "DELETE /x host=h 1.1 keep\nend\n"),
    };
    check_rows(rows, TEST_COUNT(rows));
}

static void targets_have_four_forms(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW("GET http://x.y/a/b?c HTTP/1.1\r\n" HOST "\r\n",
            "GET /a/b?c host=x.y 1.1 keep\nend\n"),
        ROW("GET HTTPS://x.y:1 HTTP/1.1\r\n" HOST "\r\n",
            "GET / host=x.y:1 1.1 keep\nend\n"),
        ROW("GET http://x?q HTTP/1.1\r\n" HOST "\r\n",
            "GET /?q host=x 1.1 keep\nend\n"),
        ROW("GET http://x/ HTTP/1.1\r\n\r\n", "refused 400\n"),
        ROW("GET http:///a HTTP/1.1\r\n" HOST "\r\n", "refused 400\n"),
        ROW("GET http://u:p@x/a HTTP/1.1\r\n" HOST "\r\n", "refused 400\n"),
        ROW("GET ftp://x/a HTTP/1.1\r\n" HOST "\r\n", "refused 400\n"),
        ROW("OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
            "OPTIONS (400) host=h 1.1 keep\nend\n"),
        ROW("GET * HTTP/1.1\r\n" HOST "\r\n", "refused 400\n"),
        ROW("OPTIONS *a HTTP/1.1\r\n" HOST "\r\n", "refused 400\n"),
        /* what follows a CONNECT is no request: it must end the connection */
        ROW("CONNECT x:443 HTTP/1.1\r\n" HOST "\r\n",
            "CONNECT (400) host=x:443 1.1 close\nend\n"),
        ROW("CONNECT / HTTP/1.1\r\n" HOST "\r\n", "refused 400\n"),
        ROW("GET x:443 HTTP/1.1\r\n" HOST "\r\n", "refused 400\n"),
        ROW("GET a HTTP/1.1\r\n" HOST "\r\n", "refused 400\n"),
        ROW("GET /a#b HTTP/1.1\r\n" HOST "\r\n", "refused 400\n"),
        ROW("GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", "refused 400\n"),
        ROW("GET /\x7f HTTP/1.1\r\n" HOST "\r\n", "refused 400\n"),
        ROW("GET /a\tb HTTP/1.1\r\n" HOST "\r\n", "refused 400\n"),
        /* a bad path spoils the request, not the connection */
        ROW("GET /%zz HTTP/1.1\r\n" HOST "\r\n" GET HOST "\r\n",
            "GET (400) host=h 1.1 keep\nend\n" OK),
        ROW("GET /a%2fb HTTP/1.1\r\n" HOST "\r\n" GET HOST "\r\n",
            "GET (404) host=h 1.1 keep\nend\n" OK),
        ROW("GET /a/../b%20c//d HTTP/1.1\r\n" HOST "\r\n",
            "GET /b c/d host=h 1.1 keep\nend\n"),
    };
    check_rows(rows, TEST_COUNT(rows));
}

static void bad_request_lines_are_refused(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW("GET / HTTP/1.1\n" HOST "\r\n", "refused 400\n"),
        ROW("GET /\r\n\r\n", "refused 400\n"),
        ROW("GET  / HTTP/1.1\r\n" HOST "\r\n", "refused 400\n"),
        ROW("GET /  HTTP/1.1\r\n" HOST "\r\n", "refused 400\n"),
        ROW("GET / HTTP/1.1 \r\n" HOST "\r\n", "refused 400\n"),
        ROW(" GET / HTTP/1.1\r\n" HOST "\r\n", "refused 400\n"),
        ROW("GET\t/ HTTP/1.1\r\n" HOST "\r\n", "refused 400\n"),
        ROW("GET / http/1.1\r\n" HOST "\r\n", "refused 400\n"),
        ROW("GET / HTTP/1.1x\r\n" HOST "\r\n", "refused 400\n"),
        ROW("GET / HTTP/11\r\n" HOST "\r\n", "refused 400\n"),
        ROW("GET / ICE/1.0\r\n" HOST "\r\n", "refused 400\n"),
        ROW("G\0T / HTTP/1.1\r\n" HOST "\r\n", "refused 400\n"),
        ROW("GET /\0 HTTP/1.1\r\n" HOST "\r\n", "refused 400\n"),
        ROW("GET /\r HTTP/1.1\r\n" HOST "\r\n", "refused 400\n"),
        ROW("\n" GET HOST "\r\n", "refused 400\n"),
        ROW("\r\r\n" GET HOST "\r\n", "refused 400\n"),
        ROW("\r\n\r\n\r\n\r\n\r\n" GET HOST "\r\n", "refused 400\n"),
        ROW("\x16\x03\x01\x02\n\x01\xfc\x03\x03", "refused 400\n"),
        ROW("GET / HTTP/0.9\r\n\r\n", "refused 505\n"),
        ROW("GET / HTTP/1.2\r\n" HOST "\r\n", "refused 505\n"),
        ROW("GET / HTTP/2.0\r\n" HOST "\r\n", "refused 505\n"),
        ROW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "refused 505\n"),
        ROW("BREW / HTTP/1.1\r\n" HOST "\r\n", "refused 501\n"),
        ROW("get / HTTP/1.1\r\n" HOST "\r\n", "refused 501\n"),
        ROW("GETX / HTTP/1.1\r\n" HOST "\r\n", "refused 501\n"),
        ROW("PROPFIND / HTTP/1.1\r\n" HOST "\r\n", "refused 501\n"),
        ROW("B\"W / HTTP/1.1\r\n" HOST "\r\n", "refused 400\n"),
    };
    check_rows(rows, TEST_COUNT(rows));
}

static void bad_fields_are_refused(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW(GET "\r\n", "refused 400\n"),
        ROW(GET HOST HOST "\r\n", "refused 400\n"),
        ROW(GET HOST "host: h\r\n\r\n", "refused 400\n"),
        ROW("GET / HTTP/1.0\r\n" HOST HOST "\r\n", "refused 400\n"),
        ROW(GET "Host: a b\r\n\r\n", "refused 400\n"),
        ROW(GET "Host: a,b\r\n\r\n", "GET / host=a,b 1.1 keep\nend\n"),
        ROW(GET "Host: a/b\r\n\r\n", "refused 400\n"),
        ROW(GET "Host: u@a\r\n\r\n", "refused 400\n"),
        ROW(GET "Host: a:b\r\n\r\n", "refused 400\n"),
        ROW(GET "Host: :80\r\n\r\n", "refused 400\n"),
        ROW(GET "Host: [::1\r\n\r\n", "refused 400\n"),
        ROW(GET "Host : h\r\n\r\n", "refused 400\n"),
        ROW(GET HOST "X : y\r\n\r\n", "refused 400\n"),
        ROW(GET " Host: h\r\n\r\n", "refused 400\n"),
        ROW(GET HOST "X: a\r\n b\r\n\r\n", "refused 400\n"),
        ROW(GET HOST "X: a\r\n\tb\r\n\r\n", "refused 400\n"),
        ROW(GET HOST "X: a\r\n \r\n\r\n", "refused 400\n"),
        ROW(GET HOST "X: a\n\r\n", "refused 400\n"),
        ROW(GET HOST "X: a\rY: b\r\n\r\n", "refused 400\n"),
        ROW(GET HOST "X: a\r\r\n\r\n", "refused 400\n"),
        ROW(GET HOST "X: a\0b\r\n\r\n", "refused 400\n"),
        ROW(GET HOST "X: a\x01\r\n\r\n", "refused 400\n"),
        ROW(GET HOST "X: a\x7f\r\n\r\n", "refused 400\n"),
        ROW(GET HOST "X\0: a\r\n\r\n", "refused 400\n"),
        ROW(GET HOST "X\x80: a\r\n\r\n", "refused 400\n"),
        ROW(GET HOST "X(y): a\r\n\r\n", "refused 400\n"),
        ROW(GET HOST "X\r\n\r\n", "refused 400\n"),
        ROW(GET HOST ": a\r\n\r\n", "refused 400\n"),
        ROW(GET HOST "\n", "refused 400\n"),
        ROW(GET HOST "\n\r\n", "refused 400\n"),
        ROW(GET HOST "Expect: tea\r\n\r\n", "refused 417\n"),
    };
    check_rows(rows, TEST_COUNT(rows));
}

static void bodies_are_read_to_their_end(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW(POST "Content-Length: 0\r\n\r\n" GET HOST "\r\n",
            "POST / host=h 1.1 keep\nend\n" OK),
        ROW(POST "Content-Length: 5\r\n\r\nhello" GET HOST "\r\n",
            "POST / host=h 1.1 keep\nbody=hello\nend\n" OK),
        ROW(POST "Content-Length: 007\r\n\r\nhello\r\n" GET HOST "\r\n",
            "POST / host=h 1.1 keep\nbody=hello\r\n\nend\n" OK),
        ROW(POST "Content-Length: 6\r\n\r\nhello",
            "POST / host=h 1.1 keep\nbody=hello\nmore\n"),
        /* a body is never taken for a request */
        ROW(GET HOST
            "Content-Length: 28\r\n\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n" GET HOST
            "\r\n",
            "GET / host=h 1.1 keep\nbody=GET /x HTTP/1.1\r\nHost: h\r\n\r\n\nend\n" OK),
        ROW(POST "Transfer-Encoding: chunked\r\n\r\n"
                 "5\r\nhello\r\n1;a=b\r\n \r\n0B\r\nworld wide!\r\n0\r\n\r\n" GET HOST
                 "\r\n",
            "POST / host=h 1.1 keep chunked\nbody=hello world wide!\nend\n" OK),
        ROW(POST "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n" GET HOST "\r\n",
            "POST / host=h 1.1 keep chunked\nend\n" OK),
        ROW(POST "Transfer-Encoding: chunked\r\n\r\n"
                 "1\r\nx\r\n0\r\nTrailer: y\r\nHost: evil\r\n\r\n" GET HOST "\r\n",
            "POST / host=h 1.1 keep chunked\nbody=x\nend\n" OK),
        ROW(POST "Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
            "POST / host=h 1.1 keep chunked\nbody=hel\nmore\n"),
        ROW(POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
            "POST / host=h 1.1 keep expect\nbody=x\nend\n"),
        ROW(POST "Expect: 100-continue\r\n\r\n", "POST / host=h 1.1 keep\nend\n"),
        ROW("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
            "POST / host= 1.0 close\nbody=x\nend\n"),
        /* we never upgrade: the body and the next request are read as if it were not
           there */
        ROW(POST
            "Upgrade: x\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nab" GET HOST
            "\r\n",
            "POST / host=h 1.1 keep\nbody=ab\nend\n" OK),
        ROW(GET HOST "Upgrade: h2c\r\nConnection: upgrade\r\n\r\n" GET HOST "\r\n",
            OK OK),
    };
    check_rows(rows, TEST_COUNT(rows));
}

/* After "refused" nothing more may be read: what follows could be anything. */
static void smuggling_is_refused(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW(POST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "refused 400\n"),
        ROW(POST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
            "refused 400\n"),
        ROW(POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", "refused 400\n"),
        ROW(POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", "refused 400\n"),
        ROW(POST "Content-Length: 1, 1\r\n\r\nx", "refused 400\n"),
        ROW(POST "Content-Length: +1\r\n\r\nx", "refused 400\n"),
        ROW(POST "Content-Length: -1\r\n\r\nx", "refused 400\n"),
        ROW(POST "Content-Length: 0x1\r\n\r\nx", "refused 400\n"),
        ROW(POST "Content-Length: 1 1\r\n\r\nx", "refused 400\n"),
        ROW(POST "Content-Length: 1a\r\n\r\nx", "refused 400\n"),
        ROW(POST "Content-Length:\r\n\r\n", "refused 400\n"),
        ROW(POST "Content-Length: 18446744073709551616\r\n\r\n", "refused 400\n"),
        ROW(POST "Content-Length : 1\r\n\r\nx", "refused 400\n"),
        ROW(POST "Transfer-Encoding: gzip\r\n\r\n", "refused 400\n"),
        ROW(POST "Transfer-Encoding: identity\r\n\r\n", "refused 400\n"),
        ROW(POST "Transfer-Encoding: chunked, gzip\r\n\r\n", "refused 400\n"),
        ROW(POST "Transfer-Encoding: chunked, chunked\r\n\r\n", "refused 400\n"),
        ROW(POST "Transfer-Encoding: ,chunked\r\n\r\n", "refused 400\n"),
        ROW(POST "Transfer-Encoding: gzip,,chunked\r\n\r\n", "refused 400\n"),
        ROW(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "refused 400\n"),
        ROW(POST "Transfer-Encoding: xchunked\r\n\r\n", "refused 400\n"),
        ROW(POST "Transfer-Encoding: chunkedx\r\n\r\n", "refused 400\n"),
        ROW(POST "Transfer-Encoding: \"chunked\"\r\n\r\n", "refused 400\n"),
        ROW(POST "Transfer-Encoding: \x0b"
                 "chunked\r\n\r\n",
            "refused 400\n"),
        ROW(POST "Transfer-Encoding\x0b: chunked\r\n\r\n", "refused 400\n"),
        ROW(POST "Transfer-Encoding:\r\n chunked\r\n\r\n", "refused 400\n"),
        ROW(POST "Transfer-Encoding:\r\n\r\n", "refused 400\n"),
        ROW(POST "Transfer-Encoding: gzip, chunked\r\n\r\n", "refused 501\n"),
        ROW("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "refused 400\n"),
    };
    check_rows(rows, TEST_COUNT(rows));
}

static void bad_chunks_are_refused(void **state)
{
    (void)state;
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define SAID    "POST / host=h 1.1 keep chunked\n"
    static const struct row rows[] = {
        ROW(CHUNKED "x\r\n", SAID "refused 400\n"),
        ROW(CHUNKED "-1\r\nx\r\n", SAID "refused 400\n"),
        ROW(CHUNKED "0x1\r\nx\r\n", SAID "refused 400\n"),
        ROW(CHUNKED " 1\r\nx\r\n", SAID "refused 400\n"),
        ROW(CHUNKED "1 \r\nx\r\n", SAID "refused 400\n"),
        ROW(CHUNKED "1\nx\r\n", SAID "refused 400\n"),
        /* legal, but nobody sends it and parsers differ over it */
        ROW(CHUNKED "1; a=b\r\nx\r\n", SAID "refused 400\n"),
        ROW(CHUNKED "1\r\nx\n0\r\n\r\n", SAID "body=x\nrefused 400\n"),
        ROW(CHUNKED "1\r\nxy\r\n", SAID "body=x\nrefused 400\n"),
        ROW(CHUNKED "1\rx\r\n", SAID "refused 400\n"),
        ROW(CHUNKED "1;a\nb\r\nx\r\n", SAID "refused 400\n"),
        ROW(CHUNKED "10000000000000000\r\nx\r\n", SAID "refused 400\n"),
        ROW(CHUNKED "ffffffffffffffff\r\nx\r\n", SAID "refused 413\n"),
        ROW(CHUNKED "0\r\nX: a\n\r\n", SAID "refused 400\n"),
        ROW(CHUNKED "0\r\nX: a\r\n b\r\n\r\n", SAID "refused 400\n"),
        ROW(CHUNKED "0\r\nX : a\r\n\r\n", SAID "refused 400\n"),
        ROW(CHUNKED "0\r\nContent-Length: 5\r\n\r\n", SAID "refused 400\n"),
        ROW(CHUNKED "0\r\n\n", SAID "refused 400\n"),
    };
    check_rows(rows, TEST_COUNT(rows));
}

static void pipelined_requests_come_one_by_one(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW(GET HOST "\r\n" GET HOST "\r\n" GET HOST "\r\n", OK OK OK),
        ROW(GET HOST "\r\n\r\n\r\n" GET HOST "\r\n", OK OK),
        ROW("GET /%61 HTTP/1.1\r\n" HOST "\r\nGET /%62 HTTP/1.1\r\n" HOST "\r\n",
            "GET /a host=h 1.1 keep\nend\nGET /b host=h 1.1 keep\nend\n"),
        ROW(GET HOST "\r\nGET", OK "more\n"),
        ROW(GET HOST "\r\nBREW / HTTP/1.1\r\n" GET HOST "\r\n", OK "refused 501\n"),
        ROW(GET HOST "If-None-Match: \"a\"\r\n\r\n" GET HOST "\r\n",
            "GET / host=h 1.1 keep conditional\nend\n" OK),
    };
    check_rows(rows, TEST_COUNT(rows));
}

static void each_limit_holds_to_the_byte(void **state)
{
    (void)state;
    /* the line: 14 + 6; two fields; 9 + 11 bytes */
    static const char bytes[] = "GET /567890 HTTP/1.1\r\nHost: h\r\nA: 456789\r\n\r\n";
    static const struct {
        struct request_limits limits;
        const char *want;
    } cases[] = {
        { { 20, 20, 2, 0 }, "GET /567890 host=h 1.1 keep\nend\n" },
        { { 19, 20, 2, 0 }, "refused 414\n" },
        { { 20, 19, 2, 0 }, "refused 431\n" },
        { { 20, 20, 1, 0 }, "refused 431\n" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        transcript_check(span_of(bytes), &cases[i].limits, cases[i].want);
    }
}

static void a_body_limit_holds_to_the_byte(void **state)
{
    (void)state;
    struct request_limits limits = transcript_limits;
    limits.body = 5;
    transcript_check(SPAN(POST "Content-Length: 5\r\n\r\nhello"), &limits,
                     "POST / host=h 1.1 keep\nbody=hello\nend\n");
    transcript_check(SPAN(POST "Content-Length: 6\r\n\r\nhello!"), &limits,
                     "refused 413\n");
    transcript_check(SPAN(CHUNKED "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), &limits,
                     SAID "body=hello\nend\n");
    transcript_check(SPAN(CHUNKED "2\r\nhe\r\n4\r\nllo!\r\n0\r\n\r\n"), &limits,
                     SAID "body=he\nrefused 413\n");
    limits.headers = 3;
    limits.header_bytes = 64;
    transcript_check(SPAN(CHUNKED "0\r\nA:1\r\nB:2\r\nC:3\r\n\r\n"), &limits,
                     SAID "end\n");
    transcript_check(SPAN(CHUNKED "0\r\nA:1\r\nB:2\r\nC:3\r\nD:4\r\n\r\n"), &limits,
                     SAID "refused 431\n");
    transcript_check(SPAN(CHUNKED "0\r\nA: 34567890123456789012345678901234567890"
                                  "123456789012345678901234567890\r\n\r\n"),
                     &limits, SAID "refused 431\n");
}

/* A head without end is refused as soon as no end could make it good, so that a buffer
 * of request_head_max() bytes suffices (transcript.c checks that on every run). */
static void a_head_without_end_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *start, *rest;
        unsigned status;
    } cases[] = {
        { "", "a", 414 },     { "GET /", "a", 414 }, { "\x16\x03\x01", "a", 400 },
        { "\xff", "a", 400 }, { GET, "a", 431 },     { GET HOST, "A: b\r\n", 431 },
    };
    struct request_limits limits = { 100, 200, 30, 0 };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct request req;
        struct request_fed fed = { 0 };
        struct buf b;
        buf_init(&b, 1000);
        buf_append_str(&b, cases[i].start);
        request_init(&req, &limits);
        while (fed.event != REQUEST_REFUSED && buf_room(&b) > 6) {
            struct span s = buf_span(&b);
            fed = request_feed(&req, s.p, s.n);
            buf_append_str(&b, cases[i].rest);
        }
        check_int(fed.event, REQUEST_REFUSED, "'%s' and '%s'", cases[i].start,
                  cases[i].rest);
        check_uint(req.status, cases[i].status, "'%s'", cases[i].start);
        check_int(request_feed(&req, GET, sizeof GET - 1).event, REQUEST_REFUSED,
                  "once refused, always refused");
        request_free(&req);
        buf_free(&b);
    }
}

/* Padding of any kind, fed for ever in small pieces, must come to an end. */
static void a_body_of_framing_comes_to_an_end(void **state)
{
    (void)state;
    static const struct {
        const char *start, *again;
        unsigned status;
    } cases[] = {
        { "1;", "a", 400 },          { "1;a=", "b", 400 },
        { "1;a=\"", "b", 400 },      { "", "0", 413 },
        { "0\r\n", "A:b\r\n", 431 }, { "0\r\nA", "A", 431 },
        { "0\r\nA:", " ", 413 },     { "0\r\nA:", "b", 431 },
        { "", "1\r\nx\r\n", 413 },   { "", "1;a\r\nx\r\n", 400 },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct request_limits limits = { 1000, 1000, 10, 10000 };
        struct request req;
        struct request_fed fed;
        size_t bytes = 0;
        const char *piece = cases[i].start;

        request_init(&req, &limits);
        fed = request_feed(&req, CHUNKED, sizeof CHUNKED - 1);
        check_int(fed.event, REQUEST_HEAD);
        while (fed.event != REQUEST_REFUSED && bytes < 1000000) {
            size_t n = strlen(piece);
            for (size_t at = 0; at < n && fed.event != REQUEST_REFUSED;) {
                fed = request_feed(&req, piece + at, n - at);
                at += fed.consumed;
            }
            bytes += n;
            piece = cases[i].again;
        }
        check_int(fed.event, REQUEST_REFUSED, "'%s' and '%s' for ever", cases[i].start,
                  cases[i].again);
        check_uint(req.status, cases[i].status, "'%s' and '%s' for ever",
                   cases[i].start, cases[i].again);
        request_free(&req);
    }
}

static void fields_that_come_twice_follow_their_rule(void **state)
{
    (void)state;
    static const char bytes[] =
        "GET /%61 HTTP/1.1\r\nHost: h\r\n"
        "If-None-Match: \"a\"\r\nRange: bytes=0-1\r\n"
        "Accept-Encoding:gzip\r\nIf-None-Match: \"b\", \"c\"  \r\n"
        "User-Agent: one\r\nuser-agent: two\r\n"
        "range: bytes=5-\r\naccept-encoding: br\r\n"
        "IF-NONE-MATCH:\r\nIf-Match: *\r\n\r\n";
    struct request req;
    request_init(&req, &transcript_limits);
    struct request_fed fed = request_feed(&req, bytes, sizeof bytes - 1);
    check_int(fed.event, REQUEST_HEAD, "%s", req.reason);
    check_span(req.path, "/a");
    check_span(req.line, "GET /%61 HTTP/1.1");
    check_span(req.field[FIELD_IF_NONE_MATCH], "\"a\",\"b\", \"c\",");
    check_span(req.field[FIELD_ACCEPT_ENCODING], "gzip,br");
    check_span(req.field[FIELD_IF_MATCH], "*");
    check_span(req.field[FIELD_RANGE], "?");
    check_span(req.field[FIELD_USER_AGENT], "one");
    check_null(req.field[FIELD_REFERER].p);
    check_false(req.plain);
    request_next(&req);
    check_null(req.field[FIELD_IF_MATCH].p, "nothing stays from the last request");
    request_free(&req);
}

static void a_head_that_has_begun_is_known(void **state)
{
    (void)state;
    struct request req;
    request_init(&req, &transcript_limits);
    check_false(request_begun(&req));
    struct request_fed fed = request_feed(&req, "\r\n", 2);
    check_uint(fed.consumed, 2);
    check_false(request_begun(&req), "an empty line is no request");
    request_feed(&req, "G", 1);
    check_true(request_begun(&req));
    fed = request_feed(&req, GET HOST "\r\n", sizeof(GET HOST "\r\n") - 1);
    check_int(fed.event, REQUEST_HEAD);
    check_false(request_begun(&req));
    request_next(&req);
    check_false(request_begun(&req));
    request_free(&req);
}

static void methods_are_judged(void **state)
{
    (void)state;
    check_uint(method_status(METHOD_GET), 0);
    check_uint(method_status(METHOD_HEAD), 0);
    check_uint(method_status(METHOD_POST), 405);
    check_uint(method_status(METHOD_OPTIONS), 405);
    check_uint(method_status(METHOD_UNKNOWN), 501);
    check_int(method_find(SPAN("PATCH")), METHOD_PATCH);
    check_int(method_find(SPAN("PATC")), METHOD_UNKNOWN);
    check_int(method_find(SPAN("")), METHOD_UNKNOWN);
    check_str(method_name(METHOD_TRACE), "TRACE");
    check_str(method_name(METHOD_UNKNOWN), "?");
}

TEST_MAIN(test(heads_are_read), test(targets_have_four_forms),
          test(bad_request_lines_are_refused), test(bad_fields_are_refused),
          test(bodies_are_read_to_their_end), test(smuggling_is_refused),
          test(bad_chunks_are_refused), test(pipelined_requests_come_one_by_one),
          test(each_limit_holds_to_the_byte), test(a_body_limit_holds_to_the_byte),
          test(a_head_without_end_is_refused), test(a_body_of_framing_comes_to_an_end),
          test(fields_that_come_twice_follow_their_rule),
          test(a_head_that_has_begun_is_known), test(methods_are_judged))
