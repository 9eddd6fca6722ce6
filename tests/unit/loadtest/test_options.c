/* SPDX-License-Identifier: MIT */
#include "loadtest/options.h"

#include <errno.h>

#include "loadtest/ab_options.h"
#include "server/base/clock.h"
#include "tests/test.h"

enum { WORDS_MAX = 32 };

/* Splits at spaces; returns argc. */
static int split(char *line, char **argv)
{
    int argc = 0;
    for (char *word; (word = strsep(&line, " ")) != NULL && argc < WORDS_MAX - 1;)
        argv[argc++] = word;
    argv[argc] = NULL;
    return argc;
}

static int parse(const char *text, char *line, struct options *options, char *error)
{
    char *argv[WORDS_MAX];
    strcpy(line, text);
    int argc = split(line, argv);
    return options_parse(options, argc, argv, error);
}

static void the_ways_to_write_an_option_are_the_same(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "cowload -t2 -c20 -d3s -R1k -L http://h/",
        "cowload -t 2 -c 20 -d 3 -R 1000 --latency http://h/",
        "cowload http://h/ --threads=2 --connections=20 --duration=3000ms --rate=1.0k "
        "-L",
        "cowload --threads 2 --connections 20 --duration 3s --rate 1k --latency -- "
        "http://h/",
        "cowload -Lt2 -c20 http://h/ -d3s -R1000.0",
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char line[256], error[ARGS_ERROR_MAX];
        struct options o;
        check_int(parse(cases[i], line, &o, error), 0, "%s: %s", cases[i], error);
        check_uint(o.threads, 2, "%s", cases[i]);
        check_uint(o.connections, 20, "%s", cases[i]);
        check_uint(o.duration_ns, 3 * CLOCK_NS_PER_S, "%s", cases[i]);
        check_near(o.rate, 1000, 1e-9, "%s", cases[i]);
        check_true(o.latency, "%s", cases[i]);
        check_str(o.url, "http://h/", "%s", cases[i]);
        options_free(&o);
    }
}

static void what_is_not_said_has_its_default(void **state)
{
    (void)state;
    char line[64], error[ARGS_ERROR_MAX];
    struct options o;
    check_int(parse("cowload http://h/", line, &o, error), 0, "%s", error);
    check_uint(o.threads, 1);
    check_uint(o.connections, 10);
    check_uint(o.duration_ns, 10 * CLOCK_NS_PER_S);
    check_uint(o.timeout_ns, 2 * CLOCK_NS_PER_S);
    check_uint(o.warmup_ns, 0);
    check_near(o.rate, 0, 0, "closed loop");
    check_uint(o.zipf.keys, 0);
    options_free(&o);
}

static void a_bad_value_is_named_in_the_message(void **state)
{
    (void)state;
    static const struct {
        const char *line, *words;
    } cases[] = {
        { "cowload", "a URL is missing" },
        { "cowload http://a/ http://b/", "only one URL" },
        { "cowload -c 0 http://a/",
          "'0' for -c: it must be a number from 1 to 1000000" },
        { "cowload -c 1000001 http://a/", "'1000001' for -c" },
        { "cowload -c 1.5 http://a/", "'1.5' for -c" },
        { "cowload -c -1 http://a/", "'-1' for -c" },
        { "cowload --connections=x http://a/", "'x' for --connections: " },
        { "cowload -t 3 -c 2 http://a/",
          "3 threads need at least as many connections" },
        { "cowload -d 0 http://a/", "'0' for -d: it must be a time" },
        { "cowload -d 10q http://a/", "'10q' for -d" },
        { "cowload -R 0 http://a/", "'0' for -R" },
        { "cowload -R auto http://a/", "'auto' for -R" },
        { "cowload --max-hiccup 0 http://a/", "'0' for --max-hiccup" },
        { "cowload --constant http://a/", "--constant needs a rate" },
        { "cowload --zipf 10 http://a/", "'10' for --zipf" },
        { "cowload --zipf 0,1 http://a/", "'0,1' for --zipf" },
        { "cowload --zipf 10,-1 http://a/", "'10,-1' for --zipf" },
        { "cowload --zipf 16777217,1 http://a/", "at most 16777216 keys" },
        { "cowload --nope http://a/", "unknown option '--nope'" },
        { "cowload -X http://a/", "unknown option '-X'" },
        { "cowload http://a/ -d", "a value is missing after '-d'" },
        { "cowload http://a/ --rate", "a value is missing after '--rate'" },
        { "cowload --latency=1 http://a/", "no value is expected in '--latency=1'" },
        { "cowload -H nocolon http://a/", "bad header 'nocolon'" },
        { "cowload -H :x http://a/", "bad header ':x'" },
        { "cowload -H A(b):x http://a/", "bad header 'A(b):x'" },
        { "cowload -H content-length:5 http://a/",
          "which cowload writes, decides on it" },
        { "cowload --replay f -R 5 http://a/", "--replay says what is sent" },
        { "cowload --replay f --warmup 1s http://a/", "--replay says what is sent" },
        { "cowload --method get http://a/", "'get' for --method" },
        { "cowload --mix f --body x http://a/", "the lines of --mix say" },
        { "cowload --steps 3 -R 5 http://a/", "--steps needs a rate that changes" },
        { "cowload -R 5:x http://a/", "'5:x' for -R" },
        { "cowload --proxy-protocol 1 http://a/", "v1 or v2" },
        { "cowload --json= http://a/", "'' for --json" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char line[256], error[ARGS_ERROR_MAX];
        struct options o;
        check_int(parse(cases[i].line, line, &o, error), -EINVAL, "%s", cases[i].line);
        check_not_null(strstr(error, cases[i].words), "%s: '%s'", cases[i].line, error);
        options_free(&o);
    }
}

static void help_needs_no_url(void **state)
{
    (void)state;
    char line[64], error[ARGS_ERROR_MAX];
    struct options o;
    check_int(parse("cowload --help", line, &o, error), 0, "%s", error);
    check_true(o.help);
    options_free(&o);
}

static int parse_ab(const char *text, char *line, struct ab_options *o, char *error)
{
    char *argv[WORDS_MAX];
    strcpy(line, text);
    int argc = split(line, argv);
    return ab_options_parse(o, argc, argv, error);
}

static void modes_become_arms_and_a_second_one_is_numbered(void **state)
{
    (void)state;
    char line[256], error[ARGS_ERROR_MAX];
    struct ab_options o;
    check_int(parse_ab("ab --modes naive,arena,naive -R auto", line, &o, error), 0,
              "%s", error);
    check_uint(o.n_arms, 3);
    check_str(o.arms[0].label, "naive");
    check_str(o.arms[1].label, "arena");
    check_str(o.arms[2].label, "naive#2");
    check_str(o.arms[2].mode, "naive");
    check_near(o.rate, 0, 0, "auto");
    check_str(o.path, "/o/{}");
    check_uint(o.zipf.keys, 26000);
    ab_options_free(&o);
}

static void a_path_of_ones_own_has_keys_only_when_it_has_a_gap(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        uint32_t keys;
    } cases[] = { { "ab /index.html", 0 },
                  { "ab /x/{}", 26000 },
                  { "ab --zipf 5,1 /index.html", 5 } };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char line[256], error[ARGS_ERROR_MAX];
        struct ab_options o;
        check_int(parse_ab(cases[i].line, line, &o, error), 0, "%s", error);
        check_uint(o.zipf.keys, cases[i].keys, "%s", cases[i].line);
        ab_options_free(&o);
    }
}

static void wrong_arguments_of_ab_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *line, *words;
    } cases[] = {
        { "ab --modes naive,,arena", "'naive,,arena' for --modes" },
        { "ab --modes a,b,c,d,e,f,g,h,i,j,k,l,m", "at most 12 arms" },
        { "ab --arm x=-w", "'x=-w' for --arm: a value is missing" },
        { "ab --loads 30,0", "'30,0' for --loads: it must be 1 to 8 percentages" },
        { "ab --loads 1,2,3,4,5,6,7,8,9", "1 to 8 percentages" },
        { "ab --disturb gc", "'gc' for --disturb" },
        { "ab --disturb rain,1s", "'rain,1s' for --disturb: it must be gc, refork" },
        { "ab --slo 99", "'99' for --slo: it must be PERCENTILE,TIME" },
        { "ab --slo 99,1ms -R 10", "--slo looks for the rate itself" },
        { "ab --loads 30 -R 100", "without a rate (-R)" },
        { "ab --blocks 0", "'0' for --blocks" },
        { "ab index.html", "a path that begins with /" },
        { "ab /a /b", "at most one operand" },
        { "ab -t 65", "65 threads" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char line[256], error[ARGS_ERROR_MAX];
        struct ab_options o;
        check_int(parse_ab(cases[i].line, line, &o, error), -EINVAL, "%s",
                  cases[i].line);
        check_not_null(strstr(error, cases[i].words), "%s: '%s'", cases[i].line, error);
        ab_options_free(&o);
    }
}

TEST_MAIN(test(the_ways_to_write_an_option_are_the_same),
          test(what_is_not_said_has_its_default),
          test(a_bad_value_is_named_in_the_message), test(help_needs_no_url),
          test(modes_become_arms_and_a_second_one_is_numbered),
          test(a_path_of_ones_own_has_keys_only_when_it_has_a_gap),
          test(wrong_arguments_of_ab_are_named))
