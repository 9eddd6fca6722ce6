/* SPDX-License-Identifier: MIT */
/* run.h - one measured run: threads, intervals, the result. */
#ifndef LOADTEST_RUN_H
#define LOADTEST_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "loadtest/client.h"
#include "loadtest/hiccup.h"
#include "loadtest/selfcheck.h"
#include "loadtest/target.h"

enum { RUN_ERROR_MAX = 256 };

/* A second or so of all threads together. */
struct run_interval {
    double start_s; /* from the beginning of the measured time */
    double length_s;
    const struct tally *tally;
    const struct hist *all; /* ok and bad of this interval */
};

/* What a run tells while it goes on; each may be NULL. Called one at a time, from a
 * thread that run_load() makes and joins. */
struct run_watch {
    void (*on_start)(void *arg, uint64_t wall_ns);
    void (*on_interval)(void *arg, const struct run_interval *interval);
    /* All connections are open and warm; the measured time begins when it returns. */
    void (*on_warm)(void *arg);
    /* Every tenth of a second or so; elapsed_s is negative before the measured time.
     * False ends the run. */
    bool (*on_tick)(void *arg, double elapsed_s);
    void *arg;
};

struct run_config {
    struct client_config client;
    struct run_watch watch;
    bool hiccups;             /* measure them, in an open loop */
    uint64_t hiccup_limit_ns; /* of their p99.9; 0: by the latency (selfcheck.h) */
    bool stop_on_signal; /* INT and TERM, which the caller has blocked, end it early */
    bool collect_last;   /* on_interval() is called when the load is over */
};

/* Requests per second of one thread in one interval, all of them. */
struct run_rates {
    double *samples; /* owned */
    size_t n;
};

struct run_result {
    struct tally tally;
    struct hist all; /* ok and bad: the headline (README rule 6) */
    struct hist
        connect; /* of every connection that was opened, also before the start */
    struct hist hiccups; /* of all threads; no counts when they were not measured */
    double duration_s;   /* measured time, as planned unless interrupted */
    uint64_t start_wall_ns, start_ns;
    struct keeper *keepers; /* owned; of each thread, if client.keep is not 0 */
    unsigned n_keepers;
    unsigned opened; /* connections at the start, of those asked for */
    struct run_rates rates;
    struct client_usage usage; /* sums over threads, */
    double busiest;            /* and the largest share of a processor of one thread */
    bool interrupted;
};

/* Returns 0, or a negative errno with a message in `error`; then there is no result.
 * Not one connection is an error (-EINTR when it was interrupted before there was one),
 * fewer than asked for are not. */
int run_load(const struct run_config *config, struct run_result *ret_result,
             char error[RUN_ERROR_MAX]);
void run_result_free(struct run_result *result);

/* Whether the result can be trusted (README rule 11). */
struct selfcheck run_check(const struct run_config *config,
                           const struct run_result *result);
/* Requests per second that were answered within the measured time. */
double run_rate(const struct run_result *result);
#endif
