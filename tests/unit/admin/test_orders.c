/* SPDX-License-Identifier: MIT */
/* test_orders.c - from what an operator names to the key of the cache. */
#include "server/admin/orders.h"

#include <errno.h>
#include <string.h>

#include "tests/test.h"

static void paths_and_urls_become_the_same_key(void **state)
{
    static const struct {
        const char *url, *key;
    } cases[] = {
        { "/a", "/a" },
        { "/a?query", "/a" },
        { "/a#part", "/a" },
        { "/a/../b/./c", "/b/c" },
        { "/a%20b", "/a b" },
        { "//x", "/x" },
        { "http://host/a", "/a" },
        { "http://host", "/" },
        { "http://host?a/b", "/" },
        { "HTTPS://host:80/a?b", "/a" },
        { "", "" },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char key[64];
        size_t n = 99;

        check_int(orders_key(cases[i].url, key, &n), 0, "'%s'", cases[i].url);
        check_mem(key, n, cases[i].key, strlen(cases[i].key), "'%s'", cases[i].url);
    }
}

static void what_names_no_path_is_refused(void **state)
{
    static const char *const cases[] = { "a",    "http://", "http://?x",
                                         "?x",   "/..",     "/%2e%2e/x",
                                         "/%zz", "/a%2fb",  "ftp://host/a" };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char key[64];
        size_t n;

        check_int(orders_key(cases[i], key, &n), -EINVAL, "'%s'", cases[i]);
    }
}

TEST_MAIN(test(paths_and_urls_become_the_same_key), test(what_names_no_path_is_refused))
