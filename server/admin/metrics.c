/* SPDX-License-Identifier: MIT */
/* metrics.c - /metrics: Prometheus text format 0.0.4. Base units, labels with few
 * values, slots and never pids.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/admin/pages.h"
#include "server/admin/view.h"
#include "server/base/clock.h"
#include "server/conf/options.h"
#include "server/shared/version.h"

#define FAMILY "# HELP cowshed_%s %s\n# TYPE cowshed_%s %s\n"

static void family(struct evbuffer *out, const char *name, const char *type,
                   const char *help)
{
    evbuffer_add_printf(out, FAMILY, name, help, name, type);
}

/* --- the master ----------------------------------------------------------------------
 */

static void add_value(struct evbuffer *out, const char *name, uint64_t value,
                      uint64_t divisor)
{
    if (divisor == 1)
        evbuffer_add_printf(out, "cowshed_%s %" PRIu64 "\n", name, value);
    else
        evbuffer_add_printf(out, "cowshed_%s %.9f\n", name,
                            (double)value / (double)divisor);
}

static void add_board(struct evbuffer *out, const struct master_board *board)
{
    const struct {
        const char *name, *type, *help;
        uint64_t divisor, value;
    } all[] = {
#define METRIC(name, type, divisor, field, help) \
    { #name, #type, help, divisor, board->field },
#include "server/admin/metrics.def"
#undef METRIC
    };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        family(out, all[i].name, all[i].type, all[i].help);
        add_value(out, all[i].name, all[i].value, all[i].divisor);
    }
}

/* --- slots ---------------------------------------------------------------------------
 */

/* Base units: what is counted in ns is told in seconds. */
static void metric_name(char out[64], enum counter c)
{
    const char *name = counter_name(c);
    size_t n = strlen(name);
    bool in_ns = strcmp(counter_unit(c), "ns") == 0;

    if (in_ns)
        n -= strlen("_ns");
    snprintf(out, 64, "slot_%.*s%s%s", (int)n, name, in_ns ? "_seconds" : "",
             counter_is_gauge(c) ? "" : "_total");
}

static void add_counter(struct evbuffer *out, const struct view *v, enum counter c)
{
    bool in_ns = strcmp(counter_unit(c), "ns") == 0;
    char name[64];

    metric_name(name, c);
    family(out, name, counter_is_gauge(c) ? "gauge" : "counter", counter_sentence(c));
    for (unsigned i = 0; i < v->count; i++) {
        const struct slot_view *s = &v->slots[i];

        evbuffer_add_printf(out, "cowshed_%s{slot=\"%u\"} ", name, s->slot);
        if (in_ns)
            evbuffer_add_printf(out, "%.9f\n", (double)s->counters[c] / 1e9);
        else
            evbuffer_add_printf(out, "%" PRIu64 "\n", s->counters[c]);
    }
}

static uint64_t total(const struct view *v, enum counter c)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < v->count; i++)
        sum += v->slots[i].counters[c];
    return sum;
}

/* The names that dashboards know, summed over the slots. */
static void add_requests(struct evbuffer *out, const struct view *v)
{
    static const struct {
        const char *label;
        enum counter counter;
    } classes[] = { { "2xx", COUNTER_responses_2xx },
                    { "3xx", COUNTER_responses_3xx },
                    { "4xx", COUNTER_responses_4xx },
                    { "5xx", COUNTER_responses_5xx } },
      results[] = { { "hit", COUNTER_hits },
                    { "revalidated", COUNTER_revalidated },
                    { "miss", COUNTER_misses },
                    { "collapsed", COUNTER_coalesced } };

    family(out, "http_requests_total", "counter", "responses by class of status");
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        evbuffer_add_printf(
            out, "cowshed_http_requests_total{code_class=\"%s\"} %" PRIu64 "\n",
            classes[i].label, total(v, classes[i].counter));
    family(out, "cache_requests_total", "counter",
           "lookups by result; a hit that was compared with the disk counts as both");
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
        evbuffer_add_printf(out,
                            "cowshed_cache_requests_total{result=\"%s\"} %" PRIu64 "\n",
                            results[i].label, total(v, results[i].counter));
}

static void add_forks(struct evbuffer *out, const struct master_board *board)
{
    family(out, "fork_duration_seconds", "summary",
           "forks of workers and hosts of threads, and the time that the master spent");
    evbuffer_add_printf(out, "cowshed_fork_duration_seconds_sum %.9f\n",
                        (double)board->fork_sum_ns / 1e9);
    evbuffer_add_printf(out, "cowshed_fork_duration_seconds_count %" PRIu64 "\n",
                        (uint64_t)board->forks);
}

static void add_workers(struct evbuffer *out, const struct view *v)
{
    static const enum seat_state states[] = { SEAT_STARTING, SEAT_READY,
                                              SEAT_DRAINING };

    family(out, "workers", "gauge", "workers by state");
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        evbuffer_add_printf(out, "cowshed_workers{state=\"%s\"} %u\n",
                            seat_state_name(states[i]), v->by_state[states[i]]);
}

/* Workers that run: a slot without one has no heartbeat that could be old. */
static void add_heartbeats(struct evbuffer *out, const struct view *v)
{
    family(out, "slot_heartbeat_age_seconds", "gauge",
           "since the loop of the worker was alive; it tells every 100 ms");
    for (unsigned i = 0; i < v->count; i++)
        if (v->slots[i].pid > 0)
            evbuffer_add_printf(
                out, "cowshed_slot_heartbeat_age_seconds{slot=\"%u\"} %.3f\n",
                v->slots[i].slot, (double)v->slots[i].quiet_ns / 1e9);
}

static void add_memory(struct evbuffer *out, const struct view *v)
{
    family(out, "worker_memory_bytes", "gauge", "proportional set size of the worker");
    for (unsigned i = 0; i < v->count; i++)
        evbuffer_add_printf(
            out, "cowshed_worker_memory_bytes{slot=\"%u\",kind=\"pss\"} %" PRIu64 "\n",
            v->slots[i].slot, v->slots[i].pss);
    family(out, "worker_heap_pages", "gauge",
           "pages of the inherited heap: still shared, or copied on write");
    for (unsigned i = 0; i < v->count; i++)
        evbuffer_add_printf(
            out,
            "cowshed_worker_heap_pages{slot=\"%u\",state=\"shared\"} %" PRIu64 "\n"
            "cowshed_worker_heap_pages{slot=\"%u\",state=\"copied\"} %" PRIu64 "\n",
            v->slots[i].slot, v->slots[i].shared_pages, v->slots[i].slot,
            v->slots[i].copied_pages);
}

static void add_latency(struct evbuffer *out, const struct view *v)
{
    static const uint64_t bounds_us[] = { 50,      100,     250,    500,     1000,
                                          2500,    5000,    10000,  25000,   50000,
                                          100000,  250000,  500000, 1000000, 2500000,
                                          5000000, 10000000 };
    const char *name = "http_request_duration_seconds";
    uint64_t below = 0;
    uint32_t slot = 0;

    if (v->shape == NULL)
        return;
    family(out, name, "histogram",
           "from the first byte of the request head to the last byte of the response");
    for (size_t i = 0; i < sizeof bounds_us / sizeof bounds_us[0]; i++) {
        for (; slot < v->shape->counts_len &&
               hist_slot_highest(v->shape, slot) <= bounds_us[i] * CLOCK_NS_PER_US;
             slot++)
            below += v->latency[slot];
        evbuffer_add_printf(out, "cowshed_%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
                            (double)bounds_us[i] / 1e6, below);
    }
    for (; slot < v->shape->counts_len; slot++)
        below += v->latency[slot];
    evbuffer_add_printf(out,
                        "cowshed_%s_bucket{le=\"+Inf\"} %" PRIu64 "\n"
                        "cowshed_%s_sum %.9f\ncowshed_%s_count %" PRIu64 "\n",
                        name, below, name, (double)v->latency_sum_ns / 1e9, name,
                        below);
}

int page_metrics(struct evbuffer *out, const struct page_source *from)
{
    const struct master_board *board = &from->region->master;
    uint64_t up_ns = from->view->now_ns - board->started_ns;

    family(out, "build_info", "gauge", "always 1; the version and the mode are labels");
    evbuffer_add_printf(out, "cowshed_build_info{version=\"%s\",mode=\"%s\"} 1\n",
                        COWSHED_VERSION, option_name_mode(from->options->mode));
    family(out, "start_time_seconds", "gauge", "when the master started, since 1970");
    evbuffer_add_printf(out, "cowshed_start_time_seconds %.3f\n",
                        (double)(clock_wall_ns() - up_ns) / 1e9);
    add_board(out, board);
    add_forks(out, board);
    add_workers(out, from->view);
    add_heartbeats(out, from->view);
    add_requests(out, from->view);
    add_latency(out, from->view);
    add_memory(out, from->view);
    for (unsigned i = 0; i < COUNTERS; i++)
        add_counter(out, from->view, (enum counter)i);
    return 0;
}
