/* SPDX-License-Identifier: MIT */
#include "server/http/path.h"

#include <stdio.h>

#include "tests/test.h"

struct row {
    struct span raw;
    const char *want; /* NULL: refused with `status` */
    unsigned status;
};
#define GIVES(raw, want)                  \
    {                                     \
        { raw, sizeof(raw) - 1 }, want, 0 \
    }
#define FAILS(raw, status)                     \
    {                                          \
        { raw, sizeof(raw) - 1 }, NULL, status \
    }

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct span raw = rows[i].raw;
        char to[256], in_place[256];
        size_t len = 77, len_in_place = 77;
        memcpy(in_place, raw.p, raw.n);
        unsigned status = path_normalise(raw, to, &len);
        check_uint(status, rows[i].status, "'%.*s'", SPAN_ARG(raw));
        check_uint(
            path_normalise((struct span){ in_place, raw.n }, in_place, &len_in_place),
            status, "'%.*s' in place", SPAN_ARG(raw));
        if (rows[i].want == NULL) {
            check_uint(len, 77, "untouched: '%.*s'", SPAN_ARG(raw));
            check_false(path_is_plain(raw), "'%.*s'", SPAN_ARG(raw));
            continue;
        }
        check_mem(to, len, rows[i].want, strlen(rows[i].want), "'%.*s'", SPAN_ARG(raw));
        check_mem(in_place, len_in_place, to, len, "'%.*s' in place", SPAN_ARG(raw));
        /* the short cut may only take what the long way leaves alone */
        if (path_is_plain(raw)) {
            check_mem(to, len, raw.p, raw.n, "plain: '%.*s'", SPAN_ARG(raw));
        }
    }
}

static void dot_segments_cannot_leave_the_root(void **state)
{
    (void)state;
    static const struct row rows[] = {
        FAILS("/..", 400),
        FAILS("/../", 400),
        FAILS("/../etc/passwd", 400),
        FAILS("/./../a", 400),
        FAILS("/a/../../b", 400),
        FAILS("/a/b/../../../b", 400),
        FAILS("//..", 400),
        FAILS("/a//../..", 400),
        FAILS("/%2e%2e/a", 400),
        FAILS("/.%2E/a", 400),
        FAILS("/%2e./a", 400),
        GIVES("/a/..", "/"),
        GIVES("/a/../", "/"),
        GIVES("/a/../b", "/b"),
        GIVES("/a/b/../c", "/a/c"),
        GIVES("/a/b/..", "/a/"),
        GIVES("/a/b/../..", "/"),
        GIVES("/a/./b", "/a/b"),
        GIVES("/a/.", "/a/"),
        GIVES("/.", "/"),
        GIVES("/./", "/"),
        GIVES("/a/%2e%2e/b", "/b"),
        GIVES("/...", "/..."),
        GIVES("/..a", "/..a"),
        GIVES("/.a", "/.a"),
        GIVES("/a..", "/a.."),
        GIVES("/a../b", "/a../b"),
    };
    check_rows(rows, TEST_COUNT(rows));
}

static void escapes_are_decoded_exactly_once(void **state)
{
    (void)state;
    static const struct row rows[] = {
        FAILS("/%", 400),          FAILS("/%4", 400),
        FAILS("/a%", 400),         FAILS("/%g0", 400),
        FAILS("/%0g", 400),        FAILS("/%%41", 400),
        FAILS("/%u0041", 400),     GIVES("/%41", "/A"),
        GIVES("/%2541", "/%41"),   GIVES("/%252e%252e/", "/%2e%2e/"),
        GIVES("/%252fa", "/%2fa"), GIVES("/%C3%a9", "/\xc3\xa9"),
        GIVES("/%ff", "/\xff"),    GIVES("/a%20b", "/a b"),
        GIVES("/a+b", "/a+b"),     GIVES("/%3f%23", "/?#"),
        GIVES("/a%5cb", "/a\\b"),
    };
    check_rows(rows, TEST_COUNT(rows));
}

static void an_encoded_slash_names_nothing(void **state)
{
    (void)state;
    static const struct row rows[] = {
        FAILS("/a%2fb", 404),         FAILS("/%2F", 404),
        FAILS("/..%2fa", 404),        FAILS("/a%2f%00", 400), /* the worse fault wins */
        FAILS("/a%2f/../../..", 400),
    };
    check_rows(rows, TEST_COUNT(rows));
}

static void control_bytes_are_refused(void **state)
{
    (void)state;
    char text[8];
    for (unsigned byte = 0; byte < 256; byte++) {
        bool control = byte < 0x20 || byte == 0x7f;
        size_t n = 77;
        char to[8];
        snprintf(text, sizeof text, "/%%%02x", byte);
        check_uint(path_normalise(span_of(text), to, &n),
                   control       ? 400
                   : byte == '/' ? 404
                                 : 0,
                   "%s", text);
        char raw[2] = { '/', (char)(unsigned char)byte };
        check_uint(path_normalise((struct span){ raw, 2 }, to, &n),
                   control || byte == '%' ? 400 : 0, "raw byte %u", byte);
        check_true(!control || !path_is_plain((struct span){ raw, 2 }), "raw byte %u",
                   byte);
    }
}

static void slashes_are_merged(void **state)
{
    (void)state;
    static const struct row rows[] = {
        GIVES("/", "/"),         GIVES("//", "/"),    GIVES("///a///b//", "/a/b/"),
        GIVES("/a", "/a"),       GIVES("/a/", "/a/"), GIVES("//./a", "/a"),
        GIVES("/a//../b", "/b"),
    };
    check_rows(rows, TEST_COUNT(rows));
}

/* Every path over a small alphabet up to seven bytes, so that each combination of dots,
 * slashes and an escaped dot occurs: the result is clean, and normalising it again
 * changes nothing. */
static void normalising_twice_changes_nothing(void **state)
{
    (void)state;
    static const char *const parts[] = { "/", ".", "a", "%2e" };
    for (unsigned code = 0; code < 4096 * 4; code++) {
        char raw[32] = "/";
        for (unsigned c = code; c > 0; c /= 4) {
            strcat(raw, parts[c % 4]);
        }
        char once[32], twice[32];
        size_t n, n2;
        if (path_normalise(span_of(raw), once, &n) != 0) {
            continue;
        }
        struct span s = { once, n };
        check_true(n >= 1 && once[0] == '/', "%s", raw);
        check_true(memmem(once, n, "//", 2) == NULL, "%s", raw);
        check_true(memmem(once, n, "/./", 3) == NULL, "%s", raw);
        check_true(memmem(once, n, "/../", 4) == NULL, "%s", raw);
        check_false(span_ends(s, SPAN("/..")) || span_ends(s, SPAN("/.")), "%s", raw);
        check_uint(path_normalise(s, twice, &n2), 0, "%s", raw);
        check_mem(twice, n2, once, n, "%s", raw);
    }
}

TEST_MAIN(test(dot_segments_cannot_leave_the_root),
          test(escapes_are_decoded_exactly_once), test(an_encoded_slash_names_nothing),
          test(control_bytes_are_refused), test(slashes_are_merged),
          test(normalising_twice_changes_nothing))
