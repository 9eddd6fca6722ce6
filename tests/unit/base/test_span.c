/* SPDX-License-Identifier: MIT */
#include "server/base/span.h"

#include <errno.h>

#include "tests/test.h"

static const struct span nothing = { NULL, 0 };

static void the_empty_span_may_have_no_pointer(void **state)
{
    (void)state;
    check_true(span_eq(nothing, SPAN("")));
    check_true(span_eq_nocase(nothing, SPAN("")));
    check_true(span_starts(SPAN("x"), nothing));
    check_true(span_ends(SPAN("x"), nothing));
    check_int(span_cmp(nothing, SPAN("")), 0);
    check_uint(span_find(nothing, 'x'), 0);
    check_uint(span_rfind(nothing, 'x'), 0);
    check_uint(span_skip(nothing, 3).n, 0);
    check_uint(span_trim(nothing).n, 0);
    check_uint(span_of(NULL).n, 0);
}

static void comparing_ignores_case_only_for_ascii_letters(void **state)
{
    (void)state;
    check_true(span_eq_nocase(SPAN("Content-Length"), SPAN("cONTENT-lENGTH")));
    check_false(span_eq(SPAN("a"), SPAN("A")));
    check_false(span_eq_nocase(SPAN("["), SPAN("{"))); /* 0x5b and 0x7b */
    check_false(span_eq_nocase(SPAN("@"), SPAN("`")));
    check_false(span_eq_nocase(SPAN("\xc4"), SPAN("\xe4")));
    check_false(span_eq_nocase(SPAN("ab"), SPAN("abc")));
    check_true(span_starts_nocase(SPAN("BYTES=1-2"), SPAN("bytes=")));
    check_false(span_starts(SPAN("by"), SPAN("bytes")));
    check_true(span_ends(SPAN("a.html"), SPAN(".html")));
    check_false(span_ends(SPAN("html"), SPAN(".html")));
}

static void the_shorter_of_two_with_the_same_start_comes_first(void **state)
{
    (void)state;
    check_true(span_cmp(SPAN("ab"), SPAN("abc")) < 0);
    check_true(span_cmp(SPAN("abc"), SPAN("ab")) > 0);
    check_true(span_cmp(SPAN("b"), SPAN("abc")) > 0);
    check_true(span_cmp(SPAN("\xff"), SPAN("a")) > 0, "bytes are unsigned");
    check_int(span_cmp(SPAN("ab"), SPAN("ab")), 0);
}

static void skip_and_take_stop_at_the_end(void **state)
{
    (void)state;
    check_span(span_skip(SPAN("abc"), 1), "bc");
    check_span(span_skip(SPAN("abc"), 3), "");
    check_span(span_skip(SPAN("abc"), 4), "");
    check_span(span_take(SPAN("abc"), 2), "ab");
    check_span(span_take(SPAN("abc"), 4), "abc");
    check_uint(span_find(SPAN("a.b.c"), '.'), 1);
    check_uint(span_rfind(SPAN("a.b.c"), '.'), 3);
    check_uint(span_find(SPAN("abc"), '.'), 3);
    check_uint(span_rfind(SPAN("abc"), '.'), 3);
}

static void trimming_takes_spaces_and_tabs_only(void **state)
{
    (void)state;
    check_span(span_trim(SPAN(" \t a b \t")), "a b");
    check_span(span_trim(SPAN(" \t ")), "");
    check_span(span_trim(SPAN("\ra\n")), "\ra\n");
}

static void cutting_gives_both_parts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *head, *tail;
        bool found;
    } cases[] = {
        { "a:b", "a", "b", true }, { "a:b:c", "a", "b:c", true },
        { ":", "", "", true },     { ":b", "", "b", true },
        { "a:", "a", "", true },   { "ab", "ab", "", false },
        { "", "", "", false },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct span head, tail;

        check_int(span_cut(span_of(cases[i].text), ':', &head, &tail), cases[i].found,
                  "'%s'", cases[i].text);
        check_span(head, cases[i].head, "'%s'", cases[i].text);
        check_span(tail, cases[i].tail, "'%s'", cases[i].text);
    }
    struct span rest = SPAN("a,b");
    struct span head;
    check_true(span_cut(rest, ',', &head, &rest));
    check_span(head, "a");
    check_span(rest, "b");
}

static void a_copy_that_does_not_fit_changes_nothing(void **state)
{
    (void)state;
    char dst[4] = "xyz";

    check_int(span_to_cstr(SPAN("abcd"), dst, sizeof dst), -ENOBUFS);
    check_int(span_to_cstr(SPAN("a\0b"), dst, sizeof dst), -EINVAL);
    check_int(span_to_cstr(SPAN(""), dst, 0), -ENOBUFS);
    check_str(dst, "xyz");
    check_int(span_to_cstr(SPAN("abc"), dst, sizeof dst), 0);
    check_str(dst, "abc");
    check_int(span_to_cstr(nothing, dst, sizeof dst), 0);
    check_str(dst, "");
}

TEST_MAIN(test(the_empty_span_may_have_no_pointer),
          test(comparing_ignores_case_only_for_ascii_letters),
          test(the_shorter_of_two_with_the_same_start_comes_first),
          test(skip_and_take_stop_at_the_end),
          test(trimming_takes_spaces_and_tabs_only), test(cutting_gives_both_parts),
          test(a_copy_that_does_not_fit_changes_nothing))
