/* SPDX-License-Identifier: MIT */
/* test_ab_arms.c - what is compared, from the command line. */
#include "loadtest/ab_arms.h"

#include <errno.h>

#include "loadtest/args.h"
#include "tests/test.h"

static struct ab_arm_name arms[AB_ARMS_MAX];
static unsigned n_arms;
static char error[ARGS_ERROR_MAX];

static int add_modes(const char *text)
{
    error[0] = '\0';
    return ab_arms_from_modes(arms, &n_arms, text, error);
}

static int add_spec(const char *text)
{
    error[0] = '\0';
    return ab_arms_from_spec(arms, &n_arms, text, error);
}

static void modes_are_arms_and_the_second_of_a_name_gets_a_number(void **state)
{
    (void)state;
    n_arms = 0;
    check_int(add_modes("naive,arena,naive,naive"), 0, "%s", error);
    check_int(add_spec("naive=-o gc.percent=50"), 0, "%s", error);
    check_uint(n_arms, 5);
    static const char *const labels[] = { "naive", "arena", "naive#2", "naive#3",
                                          "naive#4" };
    for (unsigned i = 0; i < n_arms; i++)
        check_str(arms[i].label, labels[i]);
    check_true(ab_arms_equal(&arms[0], &arms[2]));
    check_false(ab_arms_equal(&arms[0], &arms[1]));
    check_false(ab_arms_equal(&arms[0], &arms[4]), "its configuration is another");
    check_str(ab_arms_word(arms, 4), "mode");
    check_str(ab_arms_word(arms, 5), "arm");
    check_int(ab_arms_width(arms, 5), 10);
}

static void a_configuration_is_a_mode_and_options_in_any_order(void **state)
{
    (void)state;
    n_arms = 0;
    check_int(add_spec("half=  -o gc.percent=50   -m shared -o a.b=c=d "), 0, "%s",
              error);
    check_int(add_spec("empty="), 0, "%s", error);
    check_int(add_spec("a-rather-long-name="), 0, "%s", error);
    check_int(arms[0].kind, AB_ARM_COWSHED);
    check_str(arms[0].label, "half");
    check_str(arms[0].mode, "shared");
    check_uint(arms[0].n_overrides, 2);
    check_str(arms[0].text + arms[0].overrides[0], "gc.percent=50");
    check_str(arms[0].text + arms[0].overrides[1], "a.b=c=d");
    check_str(arms[1].mode, "");
    check_uint(arms[1].n_overrides, 0);
    check_int(ab_arms_width(arms, n_arms), 18);
}

static void any_server_is_an_arm(void **state)
{
    (void)state;
    n_arms = 0;
    check_int(add_spec("py=run python3 -m http.server {port}"), 0, "%s", error);
    check_int(add_spec("there=http://127.0.0.1:80/x?a=b"), 0, "%s", error);
    check_int(add_spec("again=run python3 -m http.server {port}"), 0, "%s", error);
    check_int(arms[0].kind, AB_ARM_COMMAND);
    check_str(arms[0].text, "python3 -m http.server {port}");
    check_int(arms[1].kind, AB_ARM_URL);
    check_str(arms[1].text, "http://127.0.0.1:80/x?a=b");
    check_true(ab_arms_equal(&arms[0], &arms[2]), "the same server by two names");
    check_false(ab_arms_equal(&arms[0], &arms[1]));
    check_str(ab_arms_word(arms, n_arms), "arm");
}

static void wrong_arms_are_named_with_the_reason(void **state)
{
    (void)state;
    char text[AB_ARM_TEXT_MAX + 64];
    static const struct {
        const char *spec, *words;
    } cases[] = {
        { "naive", "it must be NAME=" },
        { "=-m naive", "names have 1 to 27 characters" },
        { "a-name-that-is-too-long-for-it=", "names have 1 to 27 characters" },
        { "x=-m", "a value is missing" },
        { "x=-m ", "a value is missing" },
        { "x=-o gc.percent", "-o takes KEY=VALUE" },
        { "x=-w 3", "only -m MODE and -o KEY=VALUE" },
        { "x=-m a-mode-that-is-longer-than-any-mode-is", "the mode is too long" },
        { "x=run nginx", "a command needs {port}" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        n_arms = 0;
        check_int(add_spec(cases[i].spec), -EINVAL, "%s", cases[i].spec);
        check_not_null(strstr(error, cases[i].words), "%s: %s", cases[i].spec, error);
        check_not_null(strstr(error, cases[i].spec), "%s: %s", cases[i].spec, error);
    }
    n_arms = 0;
    check_int(add_modes("naive,,arena"), -EINVAL);
    check_not_null(strstr(error, "'naive,,arena' for --modes"), "%s", error);
    memset(text, 'x', sizeof text);
    memcpy(text, "x=-o ", 5);
    text[10] = '=';
    text[sizeof text - 1] = '\0';
    check_int(add_spec(text), -EINVAL);
    check_not_null(strstr(error, "it is too long"), "%s", error);
    n_arms = 0;
    for (unsigned i = 0; i < AB_ARMS_MAX; i++)
        check_int(add_spec("x="), 0);
    check_int(add_spec("x="), -EINVAL, "no more places");
}

TEST_MAIN(test(modes_are_arms_and_the_second_of_a_name_gets_a_number),
          test(a_configuration_is_a_mode_and_options_in_any_order),
          test(any_server_is_an_arm), test(wrong_arms_are_named_with_the_reason))
