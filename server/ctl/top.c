/* SPDX-License-Identifier: MIT */
/* top.c - see top.h. Two answers of /status make a page: totals, rates, a line for each
 * slot. */
#include "server/ctl/top.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/conf/options.h"
#include "server/ctl/client.h"
#include "server/ctl/screen.h"
#include "server/ctl/tail.h"
#include "server/ctl/values.h"

enum { DONE = 0, FAILED = 1, TIMEOUT_S = 5, LINE_MAX_BYTES = 256, PAGE_MAX = 1 << 20 };

struct top {
    const struct options *options;
    bool batch;
    uint64_t every_ns, count; /* count 0: no end */
    json_t *before, *now;     /* NULL: none yet */
    struct buf page;
};

/* --- values --------------------------------------------------------------------------
 */

static uint64_t counter(const json_t *slot, const char *key)
{
    return number(json_object_get(slot, "counters"), key);
}

static const json_t *slot_of(const json_t *status, uint64_t number_of)
{
    const json_t *slots = json_object_get(status, "slots");

    for (size_t i = 0; i < json_array_size(slots); i++)
        if (number(json_array_get(slots, i), "slot") == number_of)
            return json_array_get(slots, i);
    return NULL;
}

/* Of the counter of a slot, since the view before; 0: the server is another one. */
static uint64_t gain(const struct top *t, const json_t *slot, const char *key)
{
    const json_t *old = slot_of(t->before, number(slot, "slot"));
    uint64_t now = counter(slot, key), before = old != NULL ? counter(old, key) : now;

    return t->before == NULL || now < before ? 0 : now - before;
}

static uint64_t gain_of_all(const struct top *t, const char *key)
{
    const json_t *slots = json_object_get(t->now, "slots");
    uint64_t total = 0;

    for (size_t i = 0; i < json_array_size(slots); i++)
        total += gain(t, json_array_get(slots, i), key);
    return total;
}

/* Seconds between the views, on the server's own clock. */
static double interval_s(const struct top *t)
{
    uint64_t now = number(t->now, "now_ns"), before = number(t->before, "now_ns");

    return t->before == NULL || now <= before
               ? 0.0
               : (double)(now - before) / (double)CLOCK_NS_PER_S;
}

static double rate(uint64_t gained, double seconds)
{
    return seconds > 0.0 ? (double)gained / seconds : 0.0;
}

static double part(uint64_t of, uint64_t all)
{
    return all == 0 ? 0.0 : 100.0 * (double)of / (double)all;
}

/* --- the page ------------------------------------------------------------------------
 */

static void put(struct top *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void put(struct top *t, const char *fmt, ...)
{
    char line[LINE_MAX_BYTES];
    va_list args;

    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    buf_append_str(&t->page, line);
    buf_append_str(&t->page, "\n");
}

/* Of the interval; of all before, in the first view. */
static void put_latency(struct top *t)
{
    const struct tail tail = {
        json_object_get(json_object_get(t->before, "latency"), "counts"),
        json_object_get(json_object_get(t->now, "latency"), "counts")
    };
    char p50[NUM_TEXT_MAX], p99[NUM_TEXT_MAX], p999[NUM_TEXT_MAX], most[NUM_TEXT_MAX];

    if (tail_total(&tail) == 0) {
        put(t, "latency   -");
        return;
    }
    put(t, "latency   p50 %s, p99 %s, p99.9 %s, longest %s%s",
        num_human_time(p50, tail_percentile(&tail, 50, 100)),
        num_human_time(p99, tail_percentile(&tail, 99, 100)),
        num_human_time(p999, tail_percentile(&tail, 999, 1000)),
        num_human_time(most, tail_percentile(&tail, 1, 1)),
        t->before == NULL ? " (since the start)" : "");
}

static void put_totals(struct top *t, double seconds)
{
    const json_t *cache = json_object_get(t->now, "cache"),
                 *forks = json_object_get(t->now, "forks"),
                 *gc = json_object_get(t->now, "gc");
    uint64_t requests = gain_of_all(t, "requests");
    char in[NUM_TEXT_MAX], out[NUM_TEXT_MAX], bytes[NUM_TEXT_MAX], limit[NUM_TEXT_MAX];

    put(t,
        "requests  %.0f/s, %.1f %% hits; 2xx %.0f, 3xx %.0f, 4xx %.0f, 5xx %.0f/s; "
        "in %s/s, out %s/s",
        rate(requests, seconds), part(gain_of_all(t, "hits"), requests),
        rate(gain_of_all(t, "responses_2xx"), seconds),
        rate(gain_of_all(t, "responses_3xx"), seconds),
        rate(gain_of_all(t, "responses_4xx"), seconds),
        rate(gain_of_all(t, "responses_5xx"), seconds),
        num_human_size(in, (uint64_t)rate(gain_of_all(t, "bytes_in"), seconds)),
        num_human_size(out, (uint64_t)rate(gain_of_all(t, "bytes_out"), seconds)));
    put_latency(t);
    put(t, "cache     %" PRIu64 " entries, %s of %s, %" PRIu64 " evicted",
        number(cache, "entries"), num_human_size(bytes, number(cache, "bytes")),
        num_human_size(limit, number(cache, "limit")), number(cache, "evicted"));
    put(t,
        "collector %" PRIu64 " cycles, longest pause %" PRIu64 " us; forks %" PRIu64
        ", longest %" PRIu64 " us, %" PRIu64 " failed",
        number(gc, "cycles"), number(gc, "pause_max_us"), number(forks, "count"),
        number(forks, "max_us"), number(forks, "failed"));
    put(t,
        "workers   %" PRIu64 " deaths, %" PRIu64 " of them hung, %" PRIu64
        " recycled, %" PRIu64 " reforks, %" PRIu64 " reloads",
        number(t->now, "deaths"), number(t->now, "hangs"), number(t->now, "recycles"),
        number(t->now, "reforks"), number(t->now, "reloads"));
}

static void put_slot(struct top *t, const json_t *s, double seconds)
{
    uint64_t requests = gain(t, s, "requests");
    char pss[NUM_TEXT_MAX], age[NUM_TEXT_MAX];

    put(t,
        "%4" PRIu64 " %-8s %7" PRIu64 " %4" PRIu64 " %9.0f %6.1f %6" PRIu64
        " %8.0f %8" PRIu64 " %8s %8s",
        number(s, "slot"), text(s, "state"), number(s, "pid"), number(s, "generation"),
        rate(requests, seconds), part(gain(t, s, "hits"), requests),
        counter(s, "connections"), rate(gain(t, s, "minor_faults"), seconds),
        number(s, "copied_pages"), num_human_size(pss, number(s, "pss")),
        num_human_time(age, number(s, "age_ms") * CLOCK_NS_PER_MS));
}

static void make_page(struct top *t)
{
    const json_t *slots = json_object_get(t->now, "slots");
    double seconds = interval_s(t);
    char up[NUM_TEXT_MAX], clock[16];
    time_t wall = time(NULL);
    struct tm tm;

    strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&wall, &tm));
    put(t,
        "cowshed at %s, %s: %s; mode %s, generation %" PRIu64 ", pid %" PRIu64
        ", up %s",
        t->options->admin, clock, text(t->now, "readiness"), text(t->now, "mode"),
        number(t->now, "generation"), number(t->now, "pid"),
        num_human_time(up, number(t->now, "uptime_ms") * CLOCK_NS_PER_MS));
    put_totals(t, seconds);
    put(t, "%s", "");
    put(t, "%4s %-8s %7s %4s %9s %6s %6s %8s %8s %8s %8s", "slot", "state", "pid",
        "gen", "req/s", "hits%", "conns", "faults/s", "copied", "PSS", "age");
    for (size_t i = 0; i < json_array_size(slots); i++)
        put_slot(t, json_array_get(slots, i), seconds);
}

/* --- the loop ------------------------------------------------------------------------
 */

/* 0 and the next answer in t->now, or a negative errno. */
static int look(struct top *t)
{
    struct client_answer answer;
    json_t *root;
    int rc = client_ask(t->options->admin, "GET", "/status", TIMEOUT_S, &answer);

    if (rc < 0)
        return rc;
    root = answer.status == 200 ? json_loads(answer.body, 0, NULL) : NULL;
    client_free(&answer);
    if (!json_is_object(root)) {
        json_decref(root);
        return -EBADMSG;
    }
    json_decref(t->before);
    t->before = t->now;
    t->now = root;
    if (t->before != NULL && number(t->before, "pid") != number(root, "pid")) {
        json_decref(t->before); /* another server: its counters began anew */
        t->before = NULL;
    }
    return 0;
}

static void show(struct top *t, int rc)
{
    buf_clear(&t->page);
    if (rc < 0)
        put(t, "cowshed at %s does not answer: %s; trying again", t->options->admin,
            log_errno_text(rc));
    if (t->now != NULL)
        make_page(t);
    if (t->batch) {
        put(t, "%s", "");
        fwrite(buf_span(&t->page).p, 1, buf_span(&t->page).n, stdout);
        fflush(stdout);
    } else {
        screen_draw(buf_span(&t->page));
    }
}

static int run(struct top *t)
{
    int rc = look(t);

    if (rc < 0) {
        fprintf(stderr, "cowshed: could not ask the admin listener at %s: %s\n",
                t->options->admin,
                rc == -EBADMSG ? "what answers there is not cowshed"
                               : log_errno_text(rc));
        return FAILED;
    }
    if (!t->batch && screen_enter() < 0)
        t->batch = true;
    for (uint64_t shown = 1;; shown++) {
        enum screen_event event;

        show(t, rc);
        if (shown == t->count || ferror(stdout))
            break;
        while ((event = screen_wait(t->every_ns)) == SCREEN_RESIZED)
            show(t, rc);
        if (event == SCREEN_QUIT)
            break;
        rc = look(t);
    }
    screen_leave();
    return ferror(stdout) ? FAILED : DONE;
}

static int usage(const char *what, const char *why)
{
    fprintf(stderr,
            "cowshed: top: '%s' %s; it takes -b, -d TIME (from 100ms to 1h) and -n "
            "COUNT\n",
            what, why);
    return FAILED;
}

static int take_words(struct top *t, char *const *words, int count)
{
    for (int i = 0; i < count; i++) {
        const char *value = i + 1 < count ? words[i + 1] : NULL;

        if (strcmp(words[i], "-b") == 0) {
            t->batch = true;
            continue;
        }
        if (strcmp(words[i], "-d") != 0 && strcmp(words[i], "-n") != 0)
            return usage(words[i], "is not understood");
        if (value == NULL)
            return usage(words[i], "needs a value");
        if (words[i][1] == 'n' &&
            num_parse_u64(span_of(value), 1, UINT32_MAX, &t->count) < 0)
            return usage(value, "is no count");
        if (words[i][1] == 'd' &&
            num_parse_time(span_of(value), CLOCK_NS_PER_S, 100 * CLOCK_NS_PER_MS,
                           3600 * CLOCK_NS_PER_S, &t->every_ns) < 0)
            return usage(value, "is no time between two views");
        i++;
    }
    return DONE;
}

int top_run(const struct options *o, char *const *words, int count)
{
    struct top t = { .options = o,
                     .every_ns = CLOCK_NS_PER_S,
                     .batch = !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) };
    int code = take_words(&t, words, count);

    if (code != DONE)
        return code;
    if (strcmp(o->admin, "off") == 0) {
        fprintf(stderr, "cowshed: the admin listener is off\n");
        return FAILED;
    }
    buf_init(&t.page, PAGE_MAX);
    code = run(&t);
    buf_free(&t.page);
    json_decref(t.before);
    json_decref(t.now);
    return code;
}
