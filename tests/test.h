/* SPDX-License-Identifier: MIT */
/* test.h - unit tests: cmocka, with failures that say which case failed.
 *
 *   static void a_value_out_of_range_changes_nothing(void **state) { ... }
 *
 *   TEST_MAIN(test(a_value_out_of_range_changes_nothing),
 *             test(another_sentence))
 *
 * A test program runs all its tests, or those whose name contains argv[1].
 *
 * A child forked by a test must leave with _exit(): an assertion that fails in it would
 * jump back into the runner, in the child, and be lost.  Let the parent check.
 */
#ifndef COWSHED_TEST_H
#define COWSHED_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The words after the operands are printf's and name the case: its input. */
#define check_int(got, want, ...)                                               \
    test_check_int((intmax_t)(got), (intmax_t)(want), #got, __FILE__, __LINE__, \
                   "" __VA_ARGS__)
#define check_uint(got, want, ...)                                                 \
    test_check_uint((uintmax_t)(got), (uintmax_t)(want), #got, __FILE__, __LINE__, \
                    "" __VA_ARGS__)
/* |got - want| <= slack */
#define check_near(got, want, slack, ...)                                           \
    test_check_near((double)(got), (double)(want), (double)(slack), #got, __FILE__, \
                    __LINE__, "" __VA_ARGS__)
/* NULL equals only NULL. */
#define check_str(got, want, ...) \
    test_check_str(got, want, #got, __FILE__, __LINE__, "" __VA_ARGS__)
/* Two pairs of pointer and length. */
#define check_mem(got, got_n, want, want_n, ...) \
    test_check_mem(got, got_n, want, want_n, #got, __FILE__, __LINE__, "" __VA_ARGS__)
/* A struct span (server/base/span.h) and a string. */
#define check_span(got, want, ...)                                                 \
    test_check_mem((got).p, (got).n, want, strlen(want), #got, __FILE__, __LINE__, \
                   "" __VA_ARGS__)
#define check_true(expr, ...)                                               \
    test_check_true((expr) ? true : false, true, #expr, __FILE__, __LINE__, \
                    "" __VA_ARGS__)
#define check_false(expr, ...)                                               \
    test_check_true((expr) ? true : false, false, #expr, __FILE__, __LINE__, \
                    "" __VA_ARGS__)
#define check_null(ptr, ...)     check_true((ptr) == NULL, __VA_ARGS__)
#define check_not_null(ptr, ...) check_true((ptr) != NULL, __VA_ARGS__)

/* Ends this test as skipped; the reason is printed and must say what is missing. */
#define test_skip(...) test_skip_because(__FILE__, __LINE__, __VA_ARGS__)

#define test(name) cmocka_unit_test(name)
#define test_with(name, setup, teardown) \
    cmocka_unit_test_setup_teardown(name, setup, teardown)

#define TEST_MAIN(...)                                                                \
    int main(int argc, char **argv)                                                   \
    {                                                                                 \
        static const struct CMUnitTest tests[] = { __VA_ARGS__ };                     \
        return test_run(argc, argv, __FILE__, tests, sizeof tests / sizeof tests[0]); \
    }

#define TEST_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define TEST_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

int test_run(int argc, char **argv, const char *file, const struct CMUnitTest *tests,
             size_t n);
void test_check_int(intmax_t got, intmax_t want, const char *expr, const char *file,
                    int line, const char *fmt, ...) TEST_PRINTF(6, 7);
void test_check_uint(uintmax_t got, uintmax_t want, const char *expr, const char *file,
                     int line, const char *fmt, ...) TEST_PRINTF(6, 7);
void test_check_near(double got, double want, double slack, const char *expr,
                     const char *file, int line, const char *fmt, ...)
    TEST_PRINTF(7, 8);
void test_check_str(const char *got, const char *want, const char *expr,
                    const char *file, int line, const char *fmt, ...) TEST_PRINTF(6, 7);
void test_check_mem(const void *got, size_t got_n, const void *want, size_t want_n,
                    const char *expr, const char *file, int line, const char *fmt, ...)
    TEST_PRINTF(8, 9);
void test_check_true(bool got, bool want, const char *expr, const char *file, int line,
                     const char *fmt, ...) TEST_PRINTF(6, 7);
void test_skip_because(const char *file, int line, const char *fmt, ...)
    TEST_PRINTF(3, 4);

#endif
