/* SPDX-License-Identifier: MIT */
/* test_proxy.c - headers of the PROXY protocol as they should and should not be. */
#include "server/http/proxy.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz_proxy.h"
#include "tests/fuzz/mutate.h"
#include "tests/test.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define V4  "\xc0\0\2\1\xc0\0\2\2\x12\x34\0\x50"
#define V6                                  \
    "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1" \
    "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\2\x12\x34\0\x50"
#define Z16  "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define UNIX Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16 "\0\0\0\0\0\0\0\0"

static const struct {
    struct span bytes;
    enum proxy_result result;
    const char *client; /* NULL: not known */
    uint16_t port;
} all[] = {
    { WORD("PROXY TCP4 192.0.2.1 192.0.2.2 4660 80\r\nGET"), PROXY_DONE, "192.0.2.1",
      4660 },
    { WORD("PROXY TCP6 2001:db8::1 2001:db8::2 4660 80\r\n"), PROXY_DONE, "2001:db8::1",
      4660 },
    { WORD("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), PROXY_DONE,
      "255.255.255.255", 65535 },
    { WORD("PROXY UNKNOWN\r\n"), PROXY_DONE, NULL, 0 },
    { WORD("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), PROXY_DONE, NULL, 0 },
    { WORD("PROXY TCP4 192.0.2.1 192.0.2.2 4660 80\n"), PROXY_BAD, NULL, 0 },
    { WORD("PROXY TCP4 192.0.2.1 192.0.2.2 4660 80 \r\n"), PROXY_BAD, NULL, 0 },
    { WORD("PROXY TCP4  192.0.2.1 192.0.2.2 4660 80\r\n"), PROXY_BAD, NULL, 0 },
    { WORD("PROXY TCP4 192.0.2.1 192.0.2.2 4660\r\n"), PROXY_BAD, NULL, 0 },
    { WORD("PROXY TCP4 192.0.2.1 192.0.2.2 04660 80\r\n"), PROXY_BAD, NULL, 0 },
    { WORD("PROXY TCP4 192.0.2.1 192.0.2.2 65536 80\r\n"), PROXY_BAD, NULL, 0 },
    { WORD("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n"), PROXY_BAD, NULL, 0 },
    { WORD("PROXY TCP4 192.0.2.1:1 192.0.2.2 1 2\r\n"), PROXY_BAD, NULL, 0 },
    { WORD("PROXY TCP4 ::1 ::1 1 2\r\n"), PROXY_BAD, NULL, 0 },
    { WORD("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n"), PROXY_BAD, NULL, 0 },
    { WORD("PROXY TCP6 [::1] ::1 1 2\r\n"), PROXY_BAD, NULL, 0 },
    { WORD("PROXY TCP4 192.0.2.1 nowhere 1 2\r\n"), PROXY_BAD, NULL, 0 },
    { WORD("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n"), PROXY_BAD, NULL, 0 },
    { WORD("PROXY UNKNOWNX\r\n"), PROXY_BAD, NULL, 0 },
    { WORD("PROXY \r\n"), PROXY_BAD, NULL, 0 },
    { WORD("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), PROXY_BAD, NULL, 0 },
    { WORD("GET / HTTP/1.1\r\n"), PROXY_BAD, NULL, 0 },
    { WORD(
          "PROXY UNKNOWN 00000000000000000000000000000000000000000000000000000000000000"
          "0000000000000000000000000000\r\n"),
      PROXY_DONE, NULL, 0 },
    { WORD(
          "PROXY UNKNOWN 00000000000000000000000000000000000000000000000000000000000000"
          "000000000000000000000000000000\r\n"),
      PROXY_BAD, NULL, 0 }, /* 108 bytes */
    { WORD(SIG "\x21\x11\0\x0c" V4 "GET"), PROXY_DONE, "192.0.2.1", 4660 },
    { WORD(SIG "\x21\x21\0\x24" V6), PROXY_DONE, "2001:db8::1", 4660 },
    { WORD(SIG "\x20\0\0\0"), PROXY_DONE, NULL, 0 },
    { WORD(SIG "\x20\0\0\1x"), PROXY_DONE, NULL, 0 },
    { WORD(SIG "\x20\x11\0\x0c" V4), PROXY_DONE, NULL, 0 },
    { WORD(SIG "\x21\0\0\0"), PROXY_DONE, NULL, 0 },
    { WORD(SIG "\x21\x31\0\xd8" UNIX), PROXY_DONE, NULL, 0 },
    { WORD(SIG "\x21\x31\0\xd7" UNIX), PROXY_BAD, NULL, 0 },
    { WORD(SIG "\x21\x11\0\x0b" V4), PROXY_BAD, NULL, 0 },
    { WORD(SIG "\x21\x21\0\x23" V6), PROXY_BAD, NULL, 0 },
    { WORD(SIG "\x21\x12\0\x0c" V4), PROXY_BAD, NULL, 0 }, /* datagrams */
    { WORD(SIG "\x22\x11\0\x0c" V4), PROXY_BAD, NULL, 0 },
    { WORD(SIG "\x11\x11\0\x0c" V4), PROXY_BAD, NULL, 0 },
    { WORD(SIG "\x21\x11\x10\x01" V4), PROXY_BAD, NULL, 0 }, /* over the limit */
    { WORD(SIG "\x21\x11\0\x0f" V4 "\4\0\0"), PROXY_DONE, "192.0.2.1", 4660 },
    { WORD(SIG "\x21\x11\0\x11" V4 "\4\0\2ab"), PROXY_DONE, "192.0.2.1", 4660 },
    { WORD(SIG "\x21\x11\0\x10" V4 "\4\0\2a"), PROXY_BAD, NULL, 0 },
    { WORD(SIG "\x21\x11\0\x0e" V4 "\4\0"), PROXY_BAD, NULL, 0 },
    { WORD(SIG "\x21\x11\0\x12" V4 "\3\0\3abc"), PROXY_BAD, NULL, 0 },
    { WORD(SIG "\x21\x11\0\x13" V4 "\3\0\4abcd"), PROXY_BAD, NULL, 0 },
};

static void headers_are_read_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(all); i++) {
        struct proxy_header h;
        char name[INET6_ADDRSTRLEN];

        check_int((int)proxy_parse(all[i].bytes.p, all[i].bytes.n, &h),
                  (int)all[i].result, "case %zu", i);
        check_true(h.known == (all[i].client != NULL), "case %zu", i);
        if (!h.known)
            continue;
        check_str(peer_name(name, &h.client), all[i].client);
        check_uint(ntohs(h.client.at.in.sin_port), all[i].port, "case %zu", i);
        fuzz_proxy((const uint8_t *)all[i].bytes.p, all[i].bytes.n);
    }
}

/* The four bytes are from another program, which finds e3069283 for "123456789". */
static void a_checksum_must_be_right(void **state)
{
    static const char good[] = SIG "\x21\x11\0\x13" V4 "\3\0\4";
    unsigned char bytes[sizeof good - 1 + 4];
    struct proxy_header h;
    unsigned found = 0;

    (void)state;
    memcpy(bytes, good, sizeof good - 1);
    memcpy(bytes + sizeof good - 1, "\x4e\x67\xed\x18", 4);
    check_int((int)proxy_parse((char *)bytes, sizeof bytes, &h), PROXY_DONE);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        found += proxy_parse((char *)bytes, sizeof bytes, &h) == PROXY_DONE;
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    check_uint(found, 8,
               "only in its type, which then is another, is a bit not missed");
}

static void the_largest_header_fits_and_no_larger_one(void **state)
{
    static char bytes[PROXY_MAX] = SIG "\x21\x11\x10";
    struct proxy_header h;

    (void)state;
    memcpy(bytes + 16, V4, 12);
    bytes[28] = 4; /* a TLV up to the end */
    bytes[29] = (char)((PROXY_MAX - 31) >> 8);
    bytes[30] = (char)((PROXY_MAX - 31) & 255);
    check_int((int)proxy_parse(bytes, sizeof bytes - 1, &h), PROXY_MORE);
    check_int((int)proxy_parse(bytes, sizeof bytes, &h), PROXY_DONE);
    check_uint(h.size, PROXY_MAX);
}

static unsigned done, bad;

static int count_and_fuzz(const uint8_t *bytes, size_t n)
{
    struct proxy_header h;
    enum proxy_result result = proxy_parse((const char *)bytes, n, &h);

    done += result == PROXY_DONE;
    bad += result == PROXY_BAD;
    return fuzz_proxy(bytes, n);
}

static void mutated_headers_read_the_same_however_they_are_cut(void **state)
{
    static const struct span words[] = {
        WORD(" "),        WORD("\r\n"), WORD("\r"),   WORD("TCP4"), WORD("TCP6"),
        WORD("::"),       WORD("."),    WORD("0"),    WORD("\0"),   WORD("\3\0\4"),
        WORD("\xff"),     WORD("for="), WORD("\""),   WORD(","),    WORD(";"),
        WORD("10.0.0.2"), WORD("\x21"), WORD("\x11"),
    };
    static struct span seeds[TEST_COUNT(all) + 2];
    const struct walk walk = {
        seeds, words, TEST_COUNT(seeds), TEST_COUNT(words), 1, 4
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(all); i++)
        seeds[i] = all[i].bytes;
    seeds[TEST_COUNT(all)] = SPAN("\5for=10.0.0.2, for=\"[2001:db8::1]:80\";by=_x");
    seeds[TEST_COUNT(all) + 1] = SPAN(" 10.0.0.9, 198.51.100.7, 10.0.0.2");
    walk_through(&walk, 1, 20000, 600, count_and_fuzz);
    check_true(done > 2000 && bad > 2000, "%u done, %u bad", done, bad);
}

static void what_the_fuzzer_found_worth_keeping_still_holds(void **state)
{
    (void)state;
    check_true(replay("tests/fuzz/corpus-proxy", fuzz_proxy) > 50);
}

TEST_MAIN(test(headers_are_read_or_refused), test(a_checksum_must_be_right),
          test(the_largest_header_fits_and_no_larger_one),
          test(mutated_headers_read_the_same_however_they_are_cut),
          test(what_the_fuzzer_found_worth_keeping_still_holds))
