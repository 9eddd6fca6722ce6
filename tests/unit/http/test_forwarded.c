/* SPDX-License-Identifier: MIT */
#include "server/http/forwarded.h"

#include <string.h>

#include "tests/test.h"

/* Who the client is when `peer` is connected; 10.0.0.0/8 and 2001:db8::/32 are trusted.
 */
static const struct {
    const char *peer, *forwarded, *x, *client;
} all[] = {
    { "192.0.2.1", "", "", "192.0.2.1" },
    { "192.0.2.1", "", "198.51.100.7", "192.0.2.1" }, /* not trusted: not believed */
    { "192.0.2.1", "for=198.51.100.7", "", "192.0.2.1" },
    { "10.0.0.1", "", "", "10.0.0.1" },
    { "10.0.0.1", "", "198.51.100.7", "198.51.100.7" },
    { "10.0.0.1", "", " 198.51.100.7 ", "198.51.100.7" },
    { "10.0.0.1", "", "198.51.100.7:4711", "198.51.100.7" },
    { "10.0.0.1", "", "6.6.6.6, 198.51.100.7", "198.51.100.7" },
    { "10.0.0.1", "", "6.6.6.6, 198.51.100.7, 10.0.0.2", "198.51.100.7" },
    { "10.0.0.1", "", "10.0.0.3, 10.0.0.2", "10.0.0.3" }, /* all are trusted */
    { "10.0.0.1", "", "6.6.6.6, unknown", "10.0.0.1" },
    { "10.0.0.1", "", "6.6.6.6, unknown, 10.0.0.2", "10.0.0.2" },
    { "10.0.0.1", "", ",,198.51.100.7,", "198.51.100.7" },
    { "10.0.0.1", "", ",", "10.0.0.1" },
    { "10.0.0.1", "", "<script>", "10.0.0.1" },
    { "10.0.0.1", "", "2001:db8:1::9, 6.6.6.6", "6.6.6.6" },
    { "2001:db8::1", "", "2001:470::9", "2001:470::9" },
    { "10.0.0.1", "for=198.51.100.7", "6.6.6.6", "198.51.100.7" },
    { "10.0.0.1", "FOR=198.51.100.7;proto=https;by=10.0.0.1", "", "198.51.100.7" },
    { "10.0.0.1", "proto=https ; for=198.51.100.7", "", "198.51.100.7" },
    { "10.0.0.1", "for=\"198.51.100.7:80\"", "", "198.51.100.7" },
    { "10.0.0.1", "for=\"[2001:470::9]:80\"", "", "2001:470::9" },
    { "10.0.0.1", "for=\"\\[2001:470::9\\]\"", "", "2001:470::9" },
    { "10.0.0.1", "for=6.6.6.6, for=198.51.100.7", "", "198.51.100.7" },
    { "10.0.0.1", "for=6.6.6.6, for=198.51.100.7, for=10.0.0.9;x=\"a,b;c\"", "",
      "198.51.100.7" },
    { "10.0.0.1", "for=\"6.6.6.6, for=7.7.7.7\"", "", "10.0.0.1" }, /* a quoted comma */
    { "10.0.0.1", "for=_hidden, for=10.0.0.2", "", "10.0.0.2" },
    { "10.0.0.1", "for=unknown", "6.6.6.6", "10.0.0.1" },
    { "10.0.0.1", "for=6.6.6.6, proto=https", "", "10.0.0.1" }, /* hides its client */
    { "10.0.0.1", "for=[2001:470::9]", "", "10.0.0.1" },        /* must be quoted */
    { "10.0.0.1", "for=\"6.6.6.6", "", "10.0.0.1" },
    { "10.0.0.1", "for=\"6.6.6.6\\", "", "10.0.0.1" },
    { "10.0.0.1", "for=6.6.6.6;for=7.7.7.7", "", "10.0.0.1" },
    { "10.0.0.1", "for 6.6.6.6", "", "10.0.0.1" },
    { "10.0.0.1", "for=", "", "10.0.0.1" },
    { "10.0.0.1", "=6.6.6.6", "", "10.0.0.1" },
    { "10.0.0.1", "for=6.6.6.6 for=7.7.7.7", "", "10.0.0.1" },
    { "10.0.0.1", ",", "", "10.0.0.1" },
};

static void the_client_is_the_last_who_is_not_trusted(void **state)
{
    struct peer_list trusted;
    struct span bad;

    (void)state;
    check_int(peer_list_parse("10.0.0.0/8 2001:db8::/32", &trusted, &bad), 0);
    for (size_t i = 0; i < TEST_COUNT(all); i++) {
        char name[INET6_ADDRSTRLEN];
        struct peer p;

        check_true(peer_parse(span_of(all[i].peer), &p));
        forwarded_client(span_of(all[i].forwarded), span_of(all[i].x), &trusted, &p);
        check_str(peer_name(name, &p), all[i].client, "case %zu: '%s' '%s'", i,
                  all[i].forwarded, all[i].x);
    }
}

/* The end of a list is what counts, however long its beginning. */
static void a_long_list_is_read_from_its_end(void **state)
{
    char text[8192] = "";
    struct peer_list trusted;
    struct span bad;
    struct peer p;
    char name[INET6_ADDRSTRLEN];

    (void)state;
    check_int(peer_list_parse("10.0.0.0/8", &trusted, &bad), 0);
    for (int i = 0; i < 500; i++)
        strcat(text, "6.6.6.6, ");
    strcat(text, "198.51.100.7, 10.0.0.2");
    check_true(peer_parse(SPAN("10.0.0.1"), &p));
    forwarded_client(SPAN(""), span_of(text), &trusted, &p);
    check_str(peer_name(name, &p), "198.51.100.7");
}

static void an_id_is_short_and_plain(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } ids[] = {
        { "a", true },         { "0190-F00.d_x", true },
        { "", false },         { "a b", false },
        { "a\"b", false },     { "a\r\nSet-Cookie: x", false },
        { "\xc3\xa4", false },
    };
    char longest[130];

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(ids); i++)
        check_true(forwarded_is_id(span_of(ids[i].text)) == ids[i].good, "'%s'",
                   ids[i].text);
    memset(longest, 'x', sizeof longest);
    check_true(forwarded_is_id(span_make(longest, 128)));
    check_true(!forwarded_is_id(span_make(longest, 129)));
}

TEST_MAIN(test(the_client_is_the_last_who_is_not_trusted),
          test(a_long_list_is_read_from_its_end), test(an_id_is_short_and_plain))
