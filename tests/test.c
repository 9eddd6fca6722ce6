/* SPDX-License-Identifier: MIT */
/* test.c - what stands behind the macros of test.h. */
#include "tests/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int test_run(int argc, char **argv, const char *file, const struct CMUnitTest *tests,
             size_t n)
{
    static char pattern[256];

    /* Results go to stdout and failures to stderr: keep their order in one file. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1) {
        snprintf(pattern, sizeof pattern, "*%s*", argv[1]);
        cmocka_set_test_filter(pattern);
    }
    return _cmocka_run_group_tests(file, tests, n, NULL, NULL) == 0 ? 0 : 1;
}

/* "CASE: EXPR is GOT, want WANT", without the first part when the case has no name. */
static void name_case(const char *fmt, va_list ap)
{
    char text[512];

    vsnprintf(text, sizeof text, fmt, ap);
    if (text[0] != '\0')
        print_error("%s: ", text);
}

#define FAIL_CASE(...)            \
    do {                          \
        va_list ap;               \
        va_start(ap, fmt);        \
        name_case(fmt, ap);       \
        va_end(ap);               \
        print_error(__VA_ARGS__); \
        _fail(file, line);        \
    } while (0)

void test_check_int(intmax_t got, intmax_t want, const char *expr, const char *file,
                    int line, const char *fmt, ...)
{
    if (got != want)
        FAIL_CASE("%s is %" PRIdMAX ", want %" PRIdMAX "\n", expr, got, want);
}

void test_check_uint(uintmax_t got, uintmax_t want, const char *expr, const char *file,
                     int line, const char *fmt, ...)
{
    if (got != want)
        FAIL_CASE("%s is %" PRIuMAX " (0x%" PRIxMAX "), want %" PRIuMAX " (0x%" PRIxMAX
                  ")\n",
                  expr, got, got, want, want);
}

void test_check_near(double got, double want, double slack, const char *expr,
                     const char *file, int line, const char *fmt, ...)
{
    double off = got > want ? got - want : want - got;

    if (!(off <= slack)) /* also when one of them is not a number */
        FAIL_CASE("%s is %.9g, want %.9g within %.9g\n", expr, got, want, slack);
}

void test_check_str(const char *got, const char *want, const char *expr,
                    const char *file, int line, const char *fmt, ...)
{
    bool same = got == NULL || want == NULL ? got == want : strcmp(got, want) == 0;

    if (!same)
        FAIL_CASE("%s is\n  %s\nwant\n  %s\n", expr, got != NULL ? got : "(NULL)",
                  want != NULL ? want : "(NULL)");
}

/* Printable bytes as they are, the rest as \xNN; long data is cut. */
static char *printable(const void *p, size_t n)
{
    const unsigned char *bytes = p;
    const size_t shown = n < 400 ? n : 400;
    char *text = malloc(shown * 4 + 32);
    size_t at = 0;

    if (text == NULL)
        abort();
    for (size_t i = 0; i < shown; i++) {
        bool plain = bytes[i] >= 0x20 && bytes[i] < 0x7f && bytes[i] != '\\';

        at += (size_t)sprintf(text + at, plain ? "%c" : "\\x%02x", bytes[i]);
    }
    sprintf(text + at, "%s [%zu bytes]", shown < n ? "..." : "", n);
    return text;
}

void test_check_mem(const void *got, size_t got_n, const void *want, size_t want_n,
                    const char *expr, const char *file, int line, const char *fmt, ...)
{
    bool same = got_n == want_n && (got_n == 0 || memcmp(got, want, got_n) == 0);

    if (!same) /* the two texts leak: the test is over */
        FAIL_CASE("%s is\n  %s\nwant\n  %s\n", expr, printable(got, got_n),
                  printable(want, want_n));
}

void test_check_true(bool got, bool want, const char *expr, const char *file, int line,
                     const char *fmt, ...)
{
    if (got != want)
        FAIL_CASE("%s is %s\n", expr, got ? "true" : "false");
}

void test_skip_because(const char *file, int line, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    printf("skip: ");
    vprintf(fmt, ap);
    printf("\n");
    va_end(ap);
    _skip(file, line);
}
