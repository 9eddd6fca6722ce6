/* SPDX-License-Identifier: MIT */
/* summary_json.c - the same as data. Times are nanoseconds, as the keys say. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "loadtest/hist_json.h"
#include "loadtest/hist_text.h"
#include "loadtest/summary.h"

static json_t *counts_json(const struct tally_counts *counts)
{
    json_t *object = json_object();
#define X(name, text) \
    json_object_set_new(object, #name, json_integer((json_int_t)counts->name));
    TALLY_COUNTS(X)
#undef X
    return object;
}

static json_t *generator_json(const struct run_result *result)
{
    const struct client_usage *usage = &result->usage;
    return json_pack(
        "{s:f, s:I, s:I, s:I, s:I, s:I, s:o}", "busiest_thread_share", result->busiest,
        "cpu_ns", (json_int_t)usage->cpu_ns, "queued_ns", (json_int_t)usage->queued_ns,
        "preempted", (json_int_t)usage->preempted, "minor_faults",
        (json_int_t)usage->minor_faults, "major_faults",
        (json_int_t)usage->major_faults, "hiccups", hist_json(&result->hiccups));
}

static json_t *reasons_json(const struct selfcheck *check)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < check->n; i++)
        json_array_append_new(list, json_string(check->reasons[i]));
    return list;
}

static json_t *settings_json(const struct options *options)
{
    return json_pack(
        "{s:s, s:s, s:f, s:f, s:f, s:I, s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "url",
        options->url, "loop", options->rate > 0 ? "open" : "closed", "rate",
        options->rate, "rate_from", options->ramp.from, "rate_to", options->ramp.to,
        "steps", (json_int_t)options->steps, "constant", (int)options->constant,
        "threads", (json_int_t)options->threads, "connections",
        (json_int_t)options->connections, "duration_ns",
        (json_int_t)options->duration_ns, "warmup_ns", (json_int_t)options->warmup_ns,
        "timeout_ns", (json_int_t)options->timeout_ns, "seed",
        (json_int_t)options->seed);
}

static json_t *latency_json(const struct run_result *result)
{
    const struct tally *tally = &result->tally;
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "all", hist_json(&result->all),
                     "ok", hist_json(&tally->ok), "service", hist_json(&tally->service),
                     "lag", hist_json(&tally->lag), "connection_wait",
                     hist_json(&tally->wait), "connect", hist_json(&result->connect));
}

int summary_json(const char *path, const struct options *options,
                 const struct run_result *result, const struct selfcheck *check)
{
    json_t *root =
        json_pack("{s:s, s:o, s:b, s:o, s:b, s:f, s:f, s:f, s:i, s:o, s:o, s:o}",
                  "cowload", COWLOAD_VERSION, "settings", settings_json(options),
                  "valid", (int)(check->n == 0), "invalid_because", reasons_json(check),
                  "interrupted", (int)result->interrupted, "start_unix_s",
                  (double)result->start_wall_ns / 1e9, "duration_s", result->duration_s,
                  "requests_per_s", run_rate(result), "connections_at_start",
                  (int)result->opened, "counts", counts_json(&result->tally.counts),
                  "latency", latency_json(result), "generator", generator_json(result));
    return hist_json_write(root, path);
}
