/* SPDX-License-Identifier: MIT */
#include "server/conf/options.h"

#include <errno.h>

#include "server/conf/option_table.h"
#include "tests/test.h"

static void defaults_are_those_of_the_table(void **state)
{
    (void)state;
    struct options *o = options_new();

    check_not_null(o);
    check_str(o->listen, "127.0.0.1:8080");
    check_int(o->mode, MODE_SHARED);
    check_int(o->cache_bytes, 64 << 20);
    check_int(o->keepalive_timeout_ms, 75000);
    check_int(o->gc_max_pause_us, 1000);
    check_near(o->synthetic_sigma, 1.0, 0);
    check_false(o->server_timing);
    check_int(o->heap, HEAP_UNSET, "a knob");
    check_int(o->fork_rate, OPTION_UNSET, "a knob with a number");
    options_free(o);
    options_free(NULL);
}

static const struct setting {
    const char *name, *text;
    int want;
} settings[] = {
    { "slots", "0", 0 },
    { "slots", "128", 0 },
    { "slots", "129", -ERANGE },
    { "slots", "-1", -EINVAL },
    { "slots", "", -EINVAL },
    { "slots", " 4", -EINVAL },
    { "slots", "4x", -EINVAL },
    { "slots", "99999999999999999999", -ERANGE },
    { "fork.rate", "0", 0 },
    { "fork.rate", "100000", 0 },
    { "fork.rate", "100001", -ERANGE },
    { "request_line_max", "64", 0 },
    { "request_line_max", "63", -ERANGE },
    { "request_line_max", "1m", 0 },
    { "request_line_max", "1048577", -ERANGE },
    { "request_line_max", "2kb", -EINVAL },
    { "cache_bytes", "128g", 0 },
    { "cache_bytes", "129g", -ERANGE },
    { "keepalive_timeout", "1ms", 0 },
    { "keepalive_timeout", "0", -ERANGE },
    { "keepalive_timeout", "500us", -EINVAL },
    { "keepalive_timeout", "1500us", -EINVAL },
    { "keepalive_timeout", "24h", 0 },
    { "keepalive_timeout", "86400001ms", -ERANGE },
    { "keepalive_timeout", "30", -EINVAL },
    { "gc.max_pause", "10us", 0 },
    { "gc.max_pause", "9us", -ERANGE },
    { "gc.max_pause", "9999ns", -EINVAL },
    { "gc.max_pause", "1s", 0 },
    { "gc.decay", "0", 0 },
    { "synthetic.sigma", "0.0", 0 },
    { "synthetic.sigma", "4", 0 },
    { "synthetic.sigma", "4.01", -ERANGE },
    { "synthetic.sigma", "1e0", -EINVAL },
    { "synthetic.seed", "9223372036854775807", 0 },
    { "synthetic.seed", "9223372036854775808", -ERANGE },
    { "server_timing", "on", 0 },
    { "server_timing", "yes", -EINVAL },
    { "server_timing", "1", -EINVAL },
    { "mode", "arena", 0 },
    { "mode", "Arena", -EINVAL },
    { "mode", "unset", -EINVAL },
    { "mode", "", -EINVAL },
    { "heap", "private", 0 },
    { "root", "", -EINVAL },
    { "root", "a\nb", -EINVAL },
    { "root", "/srv/www", 0 },
    { "pid_file", "", 0 },
};

/* A refused value changes nothing and leaves no source. */
static void check_setting(const struct setting *s)
{
    struct options *o = options_new();
    struct options *before = options_new();
    const struct option_desc *d = option_find(s->name);
    struct option_error error = { "" };
    int err = options_set(o, s->name, s->text, "-o", &error);

    check_int(err, s->want, "%s = '%s'", s->name, s->text);
    if (err != 0) {
        check_true(option_equal(o, before, d), "%s = '%s' changed it", s->name,
                   s->text);
        check_null(o->sources[d - option_table].where);
        check_not_null(strstr(error.text, s->name), "%s", error.text);
        check_not_null(strstr(error.text, "allowed: "), "%s", error.text);
    }
    options_free(o);
    options_free(before);
}

static void each_kind_takes_its_limits_and_refuses_what_lies_beyond(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(settings); i++)
        check_setting(&settings[i]);
}

static void an_error_names_place_value_and_what_is_allowed(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *want;
    } cases[] = {
        { "mode", "x",
          "a.conf:3: mode = 'x' is not accepted; allowed: naive, pretouch, throttle, "
          "arena, "
          "threads, shared" },
        { "slots", "129",
          "a.conf:3: slots = '129' is out of range; allowed: a number from 0 to 128" },
        { "header_timeout", "7",
          "a.conf:3: header_timeout = '7' is not accepted; allowed: a time in whole "
          "milliseconds (such as 500ms) from 1ms to 1d" },
        { "gc.stress", "2",
          "a.conf:3: gc.stress = '2' is not accepted; allowed: on, off" },
        { "gc.percnt", "2",
          "a.conf:3: unknown option 'gc.percnt'; did you mean 'gc.percent'?" },
        { "percent", "2",
          "a.conf:3: unknown option 'percent'; did you mean 'gc.percent'?" },
        { "rot", "2", "a.conf:3: unknown option 'rot'; did you mean 'root'?" },
        { "worker_processes", "2", "a.conf:3: unknown option 'worker_processes'" },
        { "", "2", "a.conf:3: unknown option ''" },
    };
    struct options *o = options_new();

    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct option_error error = { "" };

        check_true(options_set(o, cases[i].name, cases[i].text, "a.conf:3", &error) <
                   0);
        check_str(error.text, cases[i].want);
    }
    options_free(o);
}

static void a_very_long_value_is_cut_in_the_message(void **state)
{
    (void)state;
    struct options *o = options_new();
    struct option_error error = { "" };
    char text[4096];

    memset(text, '9', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    check_int(options_set(o, "slots", text, "-o", &error), -ERANGE);
    check_not_null(strstr(error.text, "allowed: a number from 0 to 128"));
    check_int(options_set(o, text, "1", "-o", &error), -ENOENT);
    options_free(o);
}

static void the_last_setting_wins_and_is_remembered(void **state)
{
    (void)state;
    struct options *o = options_new();
    struct option_error error;

    check_int(options_set(o, "root", "a", "x.conf:1", &error), 0);
    check_int(options_set(o, "root", "b", "-o", &error), 0);
    check_str(o->root, "b");
    check_str(o->sources[option_find("root") - option_table].where, "-o");
    options_free(o);
}

static void a_copy_shares_nothing(void **state)
{
    (void)state;
    struct options *o = options_new();
    struct option_error error;

    check_int(options_set(o, "root", "a", "x.conf:1", &error), 0);
    check_int(options_set(o, "slots", "3", "x.conf:2", &error), 0);
    struct options *copy = options_copy(o);
    options_free(o);
    check_str(copy->root, "a");
    check_int(copy->slots, 3);
    check_str(copy->sources[option_find("root") - option_table].where, "x.conf:1");
    options_free(copy);
}

static void only_differences_that_need_a_restart_are_told(void **state)
{
    (void)state;
    struct options *a = options_new();
    struct options *b = options_new();
    struct option_error error;
    char names[64];
    char narrow[8];

    check_uint(options_need_restart(a, b, names, sizeof names), 0);
    check_str(names, "");
    check_int(options_set(b, "root", "elsewhere", "-o", &error), 0); /* RELOAD */
    check_uint(options_need_restart(a, b, names, sizeof names), 0);
    check_int(options_set(b, "listen", "127.0.0.1:1", "-o", &error), 0);
    check_int(options_set(b, "synthetic.sigma", "1.5", "-o", &error), 0);
    check_int(options_set(b, "synthetic.preload", "on", "-o", &error), 0);
    check_int(options_set(b, "gc.marks", "side", "-o", &error), 0);
    check_uint(options_need_restart(a, b, names, sizeof names), 4);
    check_str(names, "listen, gc.marks, synthetic.sigma, synthetic.preload");
    check_uint(options_need_restart(a, b, narrow, sizeof narrow), 4);
    check_str(narrow, "listen,");
    options_free(a);
    options_free(b);
}

/* What -T and the example file rely on. */
static void the_table_is_in_order(void **state)
{
    (void)state;
    char done[64][32] = { "" };
    size_t done_n = 0;

    for (size_t i = 0; i < option_count; i++) {
        const struct option_desc *d = &option_table[i];
        size_t section = strcspn(d->name, ".");
        const char *last = i > 0 ? option_table[i - 1].name : "";

        check_true(option_find(d->name) == d, "%s is there twice", d->name);
        check_true(strlen(d->help) > 10, "%s has a help text", d->name);
        if (d->kind != OPTION_STR && d->kind != OPTION_BOOL && d->kind != OPTION_NUM &&
            d->kind != OPTION_ENUM) {
            check_true(d->min >= 0 && d->min < d->max, "%s", d->name);
            check_true(d->knob || (d->def >= d->min && d->def <= d->max), "%s",
                       d->name);
        }
        if (d->name[section] == '\0' ||
            (strncmp(d->name, last, section) == 0 && last[section] == '.'))
            continue;
        for (size_t k = 0; k < done_n; k++)
            check_false(strlen(done[k]) == section &&
                            strncmp(done[k], d->name, section) == 0,
                        "section of %s is in two places", d->name);
        memcpy(done[done_n++], d->name, section);
    }
}

TEST_MAIN(test(defaults_are_those_of_the_table),
          test(each_kind_takes_its_limits_and_refuses_what_lies_beyond),
          test(an_error_names_place_value_and_what_is_allowed),
          test(a_very_long_value_is_cut_in_the_message),
          test(the_last_setting_wins_and_is_remembered), test(a_copy_shares_nothing),
          test(only_differences_that_need_a_restart_are_told),
          test(the_table_is_in_order))
