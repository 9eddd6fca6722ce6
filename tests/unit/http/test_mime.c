/* SPDX-License-Identifier: MIT */
#include "server/http/mime.h"

#include "tests/test.h"

static void the_table_is_in_order_and_found_again(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
#define MIME(extension, type) { extension, type },
#include "server/http/mime.def"
#undef MIME
    };
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        char name[64] = "/x/file.";
        strcat(name, rows[i][0]);
        check_span(mime_of(span_of(name)), rows[i][1], "%s", name);
        check_true(i == 0 || strcmp(rows[i - 1][0], rows[i][0]) < 0, "order: %s", name);
        check_true(strlen(rows[i][0]) <= 16, "%s", name);
    }
}

static void the_last_extension_counts(void **state)
{
    (void)state;
    static const struct {
        const char *path, *want;
    } cases[] = {
        { "/a.HTML", "text/html; charset=utf-8" },
        { "/a.tar.gz", "application/gzip" },
        { "/a.b/c", "application/octet-stream" },
        { "/a.html/c", "application/octet-stream" },
        { "/README", "application/octet-stream" },
        { "/a.", "application/octet-stream" },
        { "/a.unheard-of", "application/octet-stream" },
        { "/a.0123456789abcdef0123456789", "application/octet-stream" },
        { "", "application/octet-stream" },
        { ".css", "text/css; charset=utf-8" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        check_span(mime_of(span_of(cases[i].path)), cases[i].want, "%s", cases[i].path);
    }
}

TEST_MAIN(test(the_table_is_in_order_and_found_again), test(the_last_extension_counts))
