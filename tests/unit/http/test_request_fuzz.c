/* SPDX-License-Identifier: MIT */
/* A bounded, repeatable walk: seeds, mutated with words that matter to a parser of
 * requests. */
#include <stdlib.h>

#include "server/http/request.h"
#include "tests/fuzz/fuzz_request.h"
#include "tests/fuzz/mutate.h"
#include "tests/test.h"

enum { RUNS = 20000, BYTES_MAX = 1500 };

static const struct span seeds[] = {
    WORD("GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    WORD("GET /a%2e/../b?c HTTP/1.1\r\nHost: h:1\r\nRange: bytes=0-\r\n\r\n"),
    WORD("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
         "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
    WORD("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
         "5;a=b\r\nhello\r\n0\r\nT: u\r\n\r\nHEAD http://h/ HTTP/1.1\r\nHost: "
         "h\r\n\r\n"),
    WORD("OPTIONS * HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
         "Upgrade: x\r\nConnection: upgrade\r\nIf-None-Match: \"a\"\r\n"
         "If-None-Match: W/\"b\"\r\n\r\n"),
};

static const struct span words[] = {
    WORD("\r\n"),
    WORD("\n"),
    WORD("\r"),
    WORD(" "),
    WORD("\t"),
    WORD("\0"),
    WORD(":"),
    WORD("%"),
    WORD("%2e%2e/"),
    WORD("%2f"),
    WORD("//"),
    WORD("/../"),
    WORD("\r\n\r\n"),
    WORD("0\r\n\r\n"),
    WORD("ffffffffffffffff"),
    WORD("Host: x\r\n"),
    WORD(";"),
    WORD("Content-Length: 3\r\n"),
    WORD("Transfer-Encoding: chunked\r\n"),
    WORD(", "),
    WORD("HTTP/1.1"),
    WORD("HTTP/1.0"),
    WORD("Connection: close\r\n"),
    WORD("\xff"),
    WORD("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "a"),
};

static const struct walk walk = { seeds, words, TEST_COUNT(seeds), TEST_COUNT(words),
                                  3,     6 };

/* What the bytes are, at first sight. */
static enum request_event first_event(const uint8_t *bytes, size_t n)
{
    static const struct request_limits limits = { 200, 400, 10, 300 };
    struct request req;
    request_init(&req, &limits);
    enum request_event event = request_feed(&req, (const char *)bytes, n).event;
    request_free(&req);
    return event;
}

static unsigned heads, refused;

/* fuzz_request() aborts when something does not hold. */
static int count_and_fuzz(const uint8_t *bytes, size_t n)
{
    heads += first_event(bytes, n) == REQUEST_HEAD;
    refused += first_event(bytes, n) == REQUEST_REFUSED;
    return fuzz_request(bytes, n);
}

static void mutated_requests_read_the_same_however_they_are_cut(void **state)
{
    (void)state;
    heads = refused = 0;
    walk_through(&walk, 1, RUNS, BYTES_MAX, count_and_fuzz);
    check_true(heads > RUNS / 5 && refused > RUNS / 5,
               "the walk saw both sides: %u heads, %u refused", heads, refused);
}

static void what_the_fuzzer_found_worth_keeping_still_holds(void **state)
{
    (void)state;
    check_true(replay("tests/fuzz/corpus-request", fuzz_request) > 50);
}

TEST_MAIN(test(mutated_requests_read_the_same_however_they_are_cut),
          test(what_the_fuzzer_found_worth_keeping_still_holds))
