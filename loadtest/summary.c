/* SPDX-License-Identifier: MIT */
/* summary.c - the text. Lines that wrk prints too keep its words and widths, because
 * scripts read them. */
#include "loadtest/summary.h"

#include <math.h>
#include <string.h>

#include "loadtest/quantile.h"
#include "loadtest/units.h"

struct stats {
    double mean, deviation, max;
    double within; /* percent of the samples at most one deviation from the mean */
};

static struct stats stats_of_hist(const struct hist *hist)
{
    struct stats stats = { .mean = hist_mean(hist),
                           .deviation = sqrt(hist_variance(hist)),
                           .max = (double)hist->max };
    uint64_t near = 0;
    for (uint32_t i = 0; i < hist->shape.counts_len; i++) {
        if (fabs((double)hist_slot_median(&hist->shape, i) - stats.mean) <=
            stats.deviation)
            near += hist->counts[i];
    }
    stats.within = hist->total > 0 ? 100.0 * (double)near / (double)hist->total : 0;
    return stats;
}

static struct stats stats_of_rates(const struct run_rates *rates)
{
    struct stats stats = { 0 };
    double n = rates->n > 0 ? (double)rates->n : 1;
    for (size_t i = 0; i < rates->n; i++) {
        stats.mean += rates->samples[i] / n;
        stats.max = fmax(stats.max, rates->samples[i]);
    }
    for (size_t i = 0; i < rates->n; i++)
        stats.deviation += pow(rates->samples[i] - stats.mean, 2) / n;
    stats.deviation = sqrt(stats.deviation);
    for (size_t i = 0; i < rates->n; i++)
        stats.within +=
            fabs(rates->samples[i] - stats.mean) <= stats.deviation ? 100 / n : 0;
    return stats;
}

static void print_stats(FILE *out, const char *name, const struct stats *stats,
                        char *(*format)(char *, double))
{
    char mean[UNITS_TEXT_MAX], deviation[UNITS_TEXT_MAX], max[UNITS_TEXT_MAX];
    fprintf(out, "    %-8s%9s%11s%9s%8.2f%%\n", name, format(mean, stats->mean),
            format(deviation, stats->deviation), format(max, stats->max),
            stats->within);
}

static void print_percentiles(FILE *out, const char *title, const struct hist *hist,
                              bool with_unknown)
{
    char value[UNITS_TEXT_MAX];
    fprintf(out, "  %s\n", title);
    for (size_t i = 0; i < QUANTILES; i++) {
        const struct quantile *q = &quantiles[i];
        if (q->always || quantile_known(q, hist->total))
            fprintf(out, "%8s %10s\n", q->label,
                    units_time(value, (double)hist_percentile(hist, q->num, q->den)));
        else if (with_unknown)
            fprintf(out, "%8s %10s (needs %llu requests)\n", q->label, "n/a",
                    (unsigned long long)quantile_needs(q));
    }
    fprintf(out, "%8s %10s\n", "100%", units_time(value, (double)hist->max));
}

void summary_begin(FILE *out, const struct options *options)
{
    char time[UNITS_TEXT_MAX];
    fprintf(out, "Running %s test @ %s\n",
            units_time(time, (double)options->duration_ns), options->url);
    fprintf(out, "  %llu threads and %llu connections\n",
            (unsigned long long)options->threads,
            (unsigned long long)options->connections);
    char rate[64];
    snprintf(rate, sizeof rate, "%.6g", options->ramp.from);
    if (options->ramp.to != options->ramp.from)
        snprintf(rate + strlen(rate), sizeof rate - strlen(rate), " to %.6g",
                 options->ramp.to);
    if (options->rate > 0)
        fprintf(out,
                "  open loop: %s requests/s planned (%s, seed %llu); latency counts "
                "from the planned time\n",
                rate,
                options->replay_path != NULL ? "as logged"
                : options->constant          ? "constant"
                                             : "Poisson",
                (unsigned long long)options->seed);
    else
        fprintf(out, "  closed loop: latency is service time, and not comparable with "
                     "that of an open loop (-R)\n");
    fflush(out);
}

/* README rule 8: two ways to see the same requests, both with their name. */
static void print_latency(FILE *out, const struct options *options,
                          const struct run_result *result)
{
    const struct tally *tally = &result->tally;
    if (options->rate == 0) {
        print_percentiles(out, "Latency Distribution (service time, closed loop)",
                          &result->all, true);
        return;
    }
    print_percentiles(out, "Latency Distribution (from the planned time)", &result->all,
                      true);
    if (tally->bad.total > 0)
        print_percentiles(out, "Of successful responses only", &tally->ok, false);
    print_percentiles(out, "Service time (from the actual sending)", &tally->service,
                      false);
    print_percentiles(out, "Wait for a free connection", &tally->wait, false);
    print_percentiles(out, "Lag of the generator itself", &tally->lag, false);
}

static void print_errors(FILE *out, const struct tally *tally)
{
    const struct tally_counts *counts = &tally->counts;
    if (counts->connect_errors + counts->read_errors + counts->write_errors +
            counts->timeouts >
        0)
        fprintf(out,
                "  Socket errors: connect %llu, read %llu, write %llu, timeout %llu\n",
                (unsigned long long)counts->connect_errors,
                (unsigned long long)counts->read_errors,
                (unsigned long long)counts->write_errors,
                (unsigned long long)counts->timeouts);
    if (counts->malformed > 0)
        fprintf(out, "  No HTTP: %llu of the responses; the first: %s\n",
                (unsigned long long)counts->malformed, tally->malformed);
    if (counts->http_errors > 0)
        fprintf(out, "  Non-2xx or 3xx responses: %llu\n",
                (unsigned long long)counts->http_errors);
    if (counts->wrong_bodies > 0)
        fprintf(
            out,
            "  Wrong bodies: %llu, of another length or CRC than the first of their "
            "request\n",
            (unsigned long long)counts->wrong_bodies);
    if (counts->late > 0)
        fprintf(out,
                "  Late responses: %llu took longer than the timeout, counted from "
                "the planned time\n",
                (unsigned long long)counts->late);
}

static void print_balance(FILE *out, const struct run_result *result,
                          const struct options *options)
{
    const struct tally_counts *counts = &result->tally.counts;
    char connect[UNITS_TEXT_MAX], wrong[64] = "";
    char resumed[64] = "";
    if (options->verify)
        snprintf(wrong, sizeof wrong, "%llu wrong bodies + ",
                 (unsigned long long)counts->wrong_bodies);
    fprintf(out,
            "  Balance: %llu planned = %llu sent + %llu unsent; sent = %llu ok + %llu "
            "http errors + %s%llu io errors + %llu timeouts + %llu in flight\n",
            (unsigned long long)counts->planned, (unsigned long long)counts->sent,
            (unsigned long long)counts->unsent, (unsigned long long)counts->ok,
            (unsigned long long)counts->http_errors, wrong,
            (unsigned long long)(counts->read_errors + counts->write_errors),
            (unsigned long long)counts->timeouts,
            (unsigned long long)counts->in_flight);
    if (counts->resumed > 0)
        snprintf(resumed, sizeof resumed, ", %llu resumed a TLS session",
                 (unsigned long long)counts->resumed);
    fprintf(
        out,
        "  Connections: %u of %llu open at the start, %llu opened again (%llu closed "
        "by the server between requests%s); p99 of connecting %s\n",
        result->opened, (unsigned long long)options->connections,
        (unsigned long long)counts->connects, (unsigned long long)counts->closes,
        resumed,
        units_time(connect, (double)hist_percentile(&result->connect, 99, 100)));
}

static void print_generator(FILE *out, const struct run_result *result)
{
    const struct client_usage *usage = &result->usage;
    char queued[UNITS_TEXT_MAX], p99[UNITS_TEXT_MAX], p999[UNITS_TEXT_MAX];
    char longest[UNITS_TEXT_MAX];
    fprintf(
        out,
        "  Generator: busiest thread %.0f%% of a processor, waited %s for one, %llu "
        "times preempted, %llu faults\n",
        100 * result->busiest, units_time(queued, (double)usage->queued_ns),
        (unsigned long long)usage->preempted,
        (unsigned long long)(usage->minor_faults + usage->major_faults));
    if (result->hiccups.total > 0)
        fprintf(out, "  Hiccups of this machine: p99 %s, p99.9 %s, longest %s\n",
                units_time(p99, (double)hist_percentile(&result->hiccups, 99, 100)),
                units_time(p999, (double)hist_percentile(&result->hiccups, 999, 1000)),
                units_time(longest, (double)result->hiccups.max));
}

void summary_print(FILE *out, const struct options *options,
                   const struct run_result *result, const struct selfcheck *check)
{
    const struct tally_counts *counts = &result->tally.counts;
    struct stats latency = stats_of_hist(&result->all);
    struct stats rates = stats_of_rates(&result->rates);
    char time[UNITS_TEXT_MAX], size[UNITS_TEXT_MAX];
    fprintf(out, "  Thread Stats   Avg      Stdev     Max   +/- Stdev\n");
    print_stats(out, "Latency", &latency, units_time);
    print_stats(out, "Req/Sec", &rates, units_metric);
    if (options->latency)
        print_latency(out, options, result);
    fprintf(out, "  %llu requests in %s, %sB read\n",
            (unsigned long long)counts->in_time,
            units_time(time, result->duration_s * 1e9),
            units_binary(size, (double)counts->bytes));
    print_errors(out, &result->tally);
    print_balance(out, result, options);
    print_generator(out, result);
    fprintf(out, "Requests/sec: %9.2f\n", run_rate(result));
    fprintf(out, "Transfer/sec: %10sB\n",
            units_binary(size, result->duration_s > 0
                                   ? (double)counts->bytes / result->duration_s
                                   : 0));
    if (result->interrupted)
        fprintf(out, "Interrupted after %s\n", time);
    for (unsigned i = 0; i < check->n; i++)
        fprintf(out, "INVALID: %s\n", check->reasons[i]);
}
