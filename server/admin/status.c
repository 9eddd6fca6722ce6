/* SPDX-License-Identifier: MIT */
/* status.c - /status: the whole server as one JSON object. */
#include <errno.h>
#include <event2/buffer.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/admin/calibrate.h"
#include "server/admin/pages.h"
#include "server/admin/view.h"
#include "server/base/clock.h"
#include "server/base/errno_text.h"
#include "server/base/num.h"
#include "server/conf/options.h"

/* Fails only for want of memory; json_dumps() of the result then gives NULL. */
static void put(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void put_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, json_string(text));
}

static void put_address(json_t *object, const char *key, uint64_t address)
{
    char text[32];

    snprintf(text, sizeof text, "0x%llx", (unsigned long long)address);
    put_text(object, key, text);
}

static json_t *heap_of(const struct page_source *from)
{
    const struct master_board *board = &from->region->master;
    json_t *o = json_object();

    put_address(o, "start", board->heap_start);
    put_address(o, "end", board->heap_end);
    put(o, "live", board->heap_live);
    put(o, "limit", board->heap_limit);
    put_text(o, "kind", option_name_heap(from->options->heap));
    return o;
}

static json_t *cache_of(const struct master_board *board)
{
    json_t *o = json_object();

    put(o, "entries", board->cache_entries);
    put(o, "bytes", board->cache_bytes);
    put(o, "limit", board->cache_limit);
    put(o, "evicted", board->cache_evicted);
    put(o, "published", board->published);
    put(o, "publish_refused", board->publish_refused);
    put(o, "purges", board->purge_seq);
    return o;
}

static json_t *collector_of_master(const struct master_board *board)
{
    json_t *o = json_object();

    put(o, "cycles", board->gc_cycles);
    put(o, "slices", board->gc_slices);
    put(o, "snapshots", board->gc_snapshots);
    put(o, "snapshot_failures", board->gc_snapshot_failures);
    put(o, "pause_total_us", board->gc_pause_ns / CLOCK_NS_PER_US);
    put(o, "pause_max_us", board->gc_pause_max_ns / CLOCK_NS_PER_US);
    put(o, "live", board->heap_live);
    put(o, "lag_us", board->gc_lag_ns / CLOCK_NS_PER_US);
    return o;
}

static json_t *forks_of(const struct master_board *board)
{
    json_t *o = json_object();

    put(o, "count", board->forks);
    put(o, "admin", board->forks_admin);
    put(o, "failed", board->forks_failed);
    put(o, "throttled", board->forks_throttled);
    put(o, "last_us", board->fork_last_ns / CLOCK_NS_PER_US);
    put(o, "max_us", board->fork_max_ns / CLOCK_NS_PER_US);
    put(o, "sum_us", board->fork_sum_ns / CLOCK_NS_PER_US);
    return o;
}

/* A shared heap has one collector, the master's. */
static json_t *collector_of_slot(const struct page_source *from,
                                 const struct slot_view *s)
{
    json_t *o;

    if (from->options->heap == HEAP_SHARED)
        return json_null();
    o = json_object();
    put(o, "cycles", s->counters[COUNTER_gc_cycles]);
    put(o, "slices", s->counters[COUNTER_gc_slices]);
    put(o, "snapshots", s->counters[COUNTER_gc_snapshots]);
    put(o, "snapshot_failures", s->counters[COUNTER_gc_snapshot_failures]);
    put(o, "pause_total_us", s->counters[COUNTER_gc_pause_ns] / CLOCK_NS_PER_US);
    put(o, "pause_max_us", s->counters[COUNTER_gc_pause_max_ns] / CLOCK_NS_PER_US);
    put(o, "live", s->counters[COUNTER_gc_live]);
    return o;
}

static json_t *slot_of(const struct page_source *from, const struct slot_view *s)
{
    json_t *o = json_object(), *counters = json_object();

    put(o, "slot", s->slot);
    put(o, "pid", (uint64_t)s->pid);
    put_text(o, "state", seat_state_name(s->state));
    put(o, "generation", s->generation);
    put_text(o, "runs_as", s->is_thread ? "thread" : "process");
    put(o, "age_ms", s->age_ns / CLOCK_NS_PER_MS);
    put(o, "heartbeat_age_ms", s->quiet_ns / CLOCK_NS_PER_MS);
    put(o, "requests", s->counters[COUNTER_requests]);
    put(o, "hits", s->counters[COUNTER_hits]);
    put(o, "faults", s->counters[COUNTER_minor_faults]);
    put(o, "inherited_pages", s->shared_pages + s->copied_pages);
    put(o, "copied_pages", s->copied_pages);
    put(o, "pss", s->pss);
    json_object_set_new(o, "gc", collector_of_slot(from, s));
    for (unsigned i = 0; i < COUNTERS; i++)
        put(counters, counter_name((enum counter)i), s->counters[i]);
    json_object_set_new(o, "counters", counters);
    return o;
}

static json_t *slots_of(const struct page_source *from)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < from->view->count; i++)
        json_array_append_new(list, slot_of(from, &from->view->slots[i]));
    return list;
}

/* [highest value in ns, how many], those that are not empty: what is between two
 * answers is the difference. */
static json_t *latency_counts(const struct view *v)
{
    json_t *list = json_array();

    for (uint32_t i = 0; v->shape != NULL && i < v->shape->counts_len; i++)
        if (v->latency[i] > 0)
            json_array_append_new(
                list, json_pack("[I, I]", (json_int_t)hist_slot_highest(v->shape, i),
                                (json_int_t)v->latency[i]));
    return list;
}

static json_t *latency_of(const struct view *v)
{
    static const struct {
        const char *name;
        uint64_t num, den;
    } ranks[] = { { "p50_us", 1, 2 },          { "p90_us", 9, 10 },
                  { "p99_us", 99, 100 },       { "p999_us", 999, 1000 },
                  { "p9999_us", 9999, 10000 }, { "max_us", 1, 1 } };
    json_t *o = json_object();

    for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        json_object_set_new(
            o, ranks[i].name,
            json_real((double)view_percentile(v, ranks[i].num, ranks[i].den) / 1e3));
    json_object_set_new(o, "counts", latency_counts(v));
    return o;
}

static json_t *calibration_of(const struct calibration *c)
{
    json_t *o = json_object();

    put(o, "syscall_ns", c->syscall_ns);
    put(o, "fault_ns", c->fault_ns);
    return o;
}

static void put_server(json_t *o, const struct page_source *from)
{
    const struct master_board *board = &from->region->master;
    char words[READY_WORDS_MAX];

    put_text(o, "mode", option_name_mode(from->options->mode));
    put(o, "pid", (uint64_t)board->pid);
    put(o, "generation", board->generation);
    put(o, "uptime_ms", (from->view->now_ns - board->started_ns) / CLOCK_NS_PER_MS);
    put(o, "now_ns", from->view->now_ns);
    put(o, "slots_wanted", board->slots_wanted);
    page_ready(from, words);
    put_text(o, "readiness", words);
    put(o, "deaths", board->deaths);
    put(o, "hangs", board->hangs);
    put(o, "recycles", board->recycles);
    put(o, "reforks", board->reforks);
    put(o, "reloads", board->reloads);
    put(o, "reloads_failed", board->reloads_failed);
}

int page_status(struct evbuffer *out, const struct page_source *from)
{
    const struct master_board *board = &from->region->master;
    json_t *o = json_object();
    char *text;
    int rc;

    if (o == NULL)
        return -ENOMEM;
    put_server(o, from);
    json_object_set_new(o, "heap", heap_of(from));
    json_object_set_new(o, "cache", cache_of(board));
    json_object_set_new(o, "gc", collector_of_master(board));
    json_object_set_new(o, "forks", forks_of(board));
    json_object_set_new(o, "slots", slots_of(from));
    json_object_set_new(o, "latency", latency_of(from->view));
    json_object_set_new(o, "calibration", calibration_of(from->calibration));
    text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    if (text == NULL)
        return -ENOMEM;
    rc = evbuffer_add_printf(out, "%s\n", text) < 0 ? -ENOMEM : 0;
    free(text);
    return rc;
}

/* Nobody serves: what a fork waits for, or was refused for. */
static void tell_why(const struct master_board *board, bool starting,
                     char words[READY_WORDS_MAX])
{
    char wanted[NUM_TEXT_MAX], there[NUM_TEXT_MAX];
    uint32_t err = board->fork_error;

    if (starting)
        snprintf(words, READY_WORDS_MAX, "starting");
    else if (board->fork_waits_for_memory)
        snprintf(words, READY_WORDS_MAX,
                 "failing: no slot serves; a fork waits: %s (%" PRIu64
                 " bytes) of memory are available, fork.min_available is %s (%" PRIu64
                 " bytes)",
                 num_human_size(there, board->memory_available),
                 board->memory_available, num_human_size(wanted, board->memory_wanted),
                 board->memory_wanted);
    else if (err != 0)
        snprintf(words, READY_WORDS_MAX,
                 "failing: no slot serves; the last fork failed: %s",
                 errno_text((int)err));
    else
        snprintf(words, READY_WORDS_MAX, "failing: no slot serves");
}

int page_ready(const struct page_source *from, char ret_words[READY_WORDS_MAX])
{
    const struct master_board *board = &from->region->master;

    if (board->draining) {
        snprintf(ret_words, READY_WORDS_MAX, "draining");
        return -ESHUTDOWN;
    }
    if (view_ready(from->view) > 0) {
        snprintf(ret_words, READY_WORDS_MAX, "ready");
        return 0;
    }
    tell_why(board, from->view->by_state[SEAT_STARTING] > 0, ret_words);
    return -EAGAIN;
}
