/* SPDX-License-Identifier: MIT */
/* ctl.c - see ctl.h. */
#include "server/ctl/ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/conf/options.h"
#include "server/ctl/client.h"
#include "server/ctl/values.h"

enum { DONE = 0, FAILED = 1, ORDER_S = 180, PAGE_S = 10, TARGET_MAX = 32768 };

/* --- talking -------------------------------------------------------------------------
 */

/* The body of a 200; else the complaint is made. */
static int ask(const struct options *o, const char *method, const char *target,
               struct client_answer *ret)
{
    int rc;

    if (strcmp(o->admin, "off") == 0) {
        fprintf(stderr, "cowshed: the admin listener is off\n");
        return FAILED;
    }
    rc = client_ask(o->admin, method, target,
                    strcmp(method, "GET") == 0 ? PAGE_S : ORDER_S, ret);
    if (rc < 0) {
        fprintf(stderr, "cowshed: could not ask the admin listener at %s: %s\n",
                o->admin, log_errno_text(rc));
        return FAILED;
    }
    if (ret->status == 200)
        return DONE;
    fprintf(stderr, "cowshed: %s", ret->body);
    client_free(ret);
    return FAILED;
}

static int order(const struct options *o, const char *target)
{
    struct client_answer answer;
    int rc = ask(o, "POST", target, &answer);

    if (rc == DONE) {
        fputs(answer.body, stdout);
        client_free(&answer);
    }
    return rc;
}

/* --- purge ---------------------------------------------------------------------------
 */

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("-._~/", c) != NULL;
}

static int purge(const struct options *o, const char *url)
{
    struct buf target;
    int rc;

    buf_init(&target, TARGET_MAX);
    rc = buf_append_str(&target, "/ctl/purge?url=");
    for (const char *c = url; rc == 0 && *c != '\0'; c++)
        rc = is_plain(*c) ? buf_append(&target, c, 1)
                          : buf_printf(&target, "%%%02x", (unsigned)(unsigned char)*c);
    if (rc == 0)
        rc = buf_append(&target, "", 1);
    if (rc < 0) {
        fprintf(stderr, "cowshed: could not purge that: %s\n", log_errno_text(rc));
        rc = FAILED;
    } else {
        rc = order(o, buf_span(&target).p);
    }
    buf_free(&target);
    return rc;
}

/* --- status --------------------------------------------------------------------------
 */

static uint64_t sum(const json_t *slots, const char *key)
{
    uint64_t total = 0;

    for (size_t i = 0; i < json_array_size(slots); i++)
        total += number(json_array_get(slots, i), key);
    return total;
}

static double part(uint64_t of, uint64_t all)
{
    return all == 0 ? 0.0 : 100.0 * (double)of / (double)all;
}

static void print_status(const json_t *o)
{
    const json_t *slots = json_object_get(o, "slots"),
                 *cache = json_object_get(o, "cache"),
                 *forks = json_object_get(o, "forks"), *gc = json_object_get(o, "gc"),
                 *latency = json_object_get(o, "latency");
    uint64_t requests = sum(slots, "requests");
    char up[NUM_TEXT_MAX], bytes[NUM_TEXT_MAX], limit[NUM_TEXT_MAX], pss[NUM_TEXT_MAX];

    printf("%s: mode %s, generation %" PRIu64 ", pid %" PRIu64 ", up %s\n",
           text(o, "readiness"), text(o, "mode"), number(o, "generation"),
           number(o, "pid"), num_human_time(up, number(o, "uptime_ms") * 1000000));
    printf("slots     %zu of %" PRIu64 ", %s PSS, %" PRIu64 " deaths, %" PRIu64
           " recycled\n",
           json_array_size(slots), number(o, "slots_wanted"),
           num_human_size(pss, sum(slots, "pss")), number(o, "deaths"),
           number(o, "recycles"));
    printf("requests  %" PRIu64
           ", %.1f %% hits; p50 %.0f us, p99 %.0f us, p99.9 %.0f us\n",
           requests, part(sum(slots, "hits"), requests),
           json_number_value(json_object_get(latency, "p50_us")),
           json_number_value(json_object_get(latency, "p99_us")),
           json_number_value(json_object_get(latency, "p999_us")));
    printf("cache     %" PRIu64 " entries, %s of %s, %" PRIu64 " evicted\n",
           number(cache, "entries"), num_human_size(bytes, number(cache, "bytes")),
           num_human_size(limit, number(cache, "limit")), number(cache, "evicted"));
    printf("collector %" PRIu64 " cycles, longest pause %" PRIu64 " us\n",
           number(gc, "cycles"), number(gc, "pause_max_us"));
    printf("forks     %" PRIu64 ", longest %" PRIu64 " us, %" PRIu64 " failed, %" PRIu64
           " had to wait\n",
           number(forks, "count"), number(forks, "max_us"), number(forks, "failed"),
           number(forks, "throttled"));
    printf("pages     %" PRIu64 " inherited, %.1f %% of them copied\n",
           sum(slots, "inherited_pages"),
           part(sum(slots, "copied_pages"), sum(slots, "inherited_pages")));
}

static void print_workers(const json_t *o)
{
    const json_t *slots = json_object_get(o, "slots");

    printf("%4s %-8s %7s %4s %10s %10s %6s %9s %9s %9s\n", "slot", "state", "pid",
           "gen", "requests", "hits", "conns", "faults", "copied", "PSS");
    for (size_t i = 0; i < json_array_size(slots); i++) {
        const json_t *s = json_array_get(slots, i);
        char pss[NUM_TEXT_MAX];

        printf("%4" PRIu64 " %-8s %7" PRIu64 " %4" PRIu64 " %10" PRIu64 " %10" PRIu64
               " %6" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9s\n",
               number(s, "slot"), text(s, "state"), number(s, "pid"),
               number(s, "generation"), number(s, "requests"), number(s, "hits"),
               number(json_object_get(s, "counters"), "connections"),
               number(s, "faults"), number(s, "copied_pages"),
               num_human_size(pss, number(s, "pss")));
    }
}

static int show(const struct options *o, void (*print)(const json_t *))
{
    struct client_answer answer;
    json_t *root;
    int rc = ask(o, "GET", "/status", &answer);

    if (rc != DONE)
        return rc;
    root = json_loads(answer.body, 0, NULL);
    client_free(&answer);
    if (!json_is_object(root)) {
        fprintf(stderr, "cowshed: what answers at %s is not cowshed\n", o->admin);
        json_decref(root);
        return FAILED;
    }
    print(root);
    json_decref(root);
    return DONE;
}

/* --- commands ------------------------------------------------------------------------
 */

static int usage(char *const *words, int count)
{
    fputs("cowshed: ctl", stderr);
    for (int i = 0; i < count; i++)
        fprintf(stderr, " %s", words[i]);
    fputs(": allowed are status, workers, purge URL, gc, refork, reload, reopen, "
          "upgrade and drain, one at a time\n",
          stderr);
    return FAILED;
}

int ctl_run(const struct options *o, char *const *words, int count)
{
    static const struct {
        const char *name, *target;
    } orders[] = { { "gc", "/ctl/gc" },           { "refork", "/ctl/refork" },
                   { "reload", "/ctl/reload" },   { "reopen", "/ctl/reopen" },
                   { "upgrade", "/ctl/upgrade" }, { "drain", "/ctl/drain" } };

    if (count == 2 && strcmp(words[0], "purge") == 0)
        return purge(o, words[1]);
    if (count != 1)
        return usage(words, count);
    if (strcmp(words[0], "status") == 0)
        return show(o, print_status);
    if (strcmp(words[0], "workers") == 0)
        return show(o, print_workers);
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++)
        if (strcmp(orders[i].name, words[0]) == 0)
            return order(o, orders[i].target);
    return usage(words, count);
}
