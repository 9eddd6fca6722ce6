/* SPDX-License-Identifier: MIT */
/* test_mix.c - lines of a mix, good and bad. */
#include "loadtest/mix.h"

#include "tests/test.h"

static void a_line_is_weight_method_path_headers_and_body(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        double weight;
        const char *method, *path, *header, *body, *body_path;
    } cases[] = {
        { "", 0, "GET", "", NULL, "", "" },
        { "   # words", 0, "GET", "", NULL, "", "" },
        { "1 /", 1, "GET", "/", NULL, "", "" },
        { "0.5 GET /a?b", 0.5, "GET", "/a?b", NULL, "", "" },
        { "  3   HEAD   /x ", 3, "HEAD", "/x", NULL, "", "" },
        { "1 POST / =a", 1, "POST", "/", NULL, "a", "" },
        { "1 POST / @some/file", 1, "POST", "/", NULL, "", "some/file" },
        { "1 POST / '={\"a\": 1}' \"X-A: it's\"", 1, "POST", "/", "X-A: it's",
          "{\"a\": 1}", "" },
        { "1 / X-A:1", 1, "GET", "/", "X-A:1", "", "" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct mix_line line;
        const char *wrong = mix_parse(span_of(cases[i].line), &line);
        check_null(wrong, "'%s': %s", cases[i].line, wrong);
        check_near(line.weight, cases[i].weight, 1e-12, "'%s'", cases[i].line);
        check_span(line.method, cases[i].method, "'%s'", cases[i].line);
        check_span(line.path, cases[i].path, "'%s'", cases[i].line);
        check_span(line.body, cases[i].body, "'%s'", cases[i].line);
        check_span(line.body_path, cases[i].body_path, "'%s'", cases[i].line);
        check_uint(line.n_headers, cases[i].header != NULL, "'%s'", cases[i].line);
        if (cases[i].header != NULL)
            check_span(line.headers[0], cases[i].header, "'%s'", cases[i].line);
    }
}

static void a_line_that_is_wrong_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *line, *words;
    } cases[] = {
        { "/", "weight" },
        { "0 /", "weight" },
        { "-1 /", "weight" },
        { "1", "path" },
        { "1 post /", "path" },
        { "1 POST", "path" },
        { "1 GET x", "path" },
        { "1 '/a b'", "path" },
        { "1 /a /b", "behind the path come" },
        { "1 /a 'X: 1", "a quote has no end" },
        { "1 '/a", "a quote has no end" },
        { "1 /a ''", "an empty word" },
        { "1 /a @", "the body is missing" },
        { "1 /a =1 @x", "one body" },
        { "1 HEAD /a =1", "HEAD has no body" },
        { "1 /a 'Content-Length: 5'", "decides on it" },
        { "1 /a 'expect: 100-continue'", "decides on it" },
        { "1 /a 'A(b): 5'", "no name may have" },
        { "1 /a ': 5'", "'Name: value'" },
        { "1 /a 'A: 5\r\nB: 6'", "line break" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct mix_line line;
        const char *wrong = mix_parse(span_of(cases[i].line), &line);
        check_not_null(wrong, "'%s'", cases[i].line);
        check_not_null(strstr(wrong, cases[i].words), "'%s': %s", cases[i].line, wrong);
        check_true(line.weight == 0, "'%s' leaves nothing", cases[i].line);
    }
}

TEST_MAIN(test(a_line_is_weight_method_path_headers_and_body),
          test(a_line_that_is_wrong_says_why))
