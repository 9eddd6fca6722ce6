/* SPDX-License-Identifier: MIT */
/* tally.h - what happened to the requests: histograms and the balance sheet.
 *
 *   planned = sent + unsent
 *   sent    = ok + http_errors + wrong_bodies + read_errors + write_errors + timeouts +
 *             in_flight
 *
 * holds at the end of every run, whatever the server did (README rule 7). Each thread
 * writes tallies of its own; they are added up, never averaged.
 */
#ifndef LOADTEST_TALLY_H
#define LOADTEST_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/hist.h"

/* Nanoseconds, 1 to 600 s, 3 digits. */
#define TALLY_LOWEST  1u
#define TALLY_HIGHEST UINT64_C(600000000000)
#define TALLY_DIGITS  3u

/*       name            one sentence */
#define TALLY_COUNTS(X)                                                               \
    X(planned, "requests that became due")                                            \
    X(sent, "requests that were given to a connection")                               \
    X(unsent, "requests that were due but found no free connection before the end")   \
    X(ok, "whole responses with a status below 400")                                  \
    X(http_errors, "whole responses with another status")                             \
    X(wrong_bodies, "whole responses whose body is not the one of before (--verify)") \
    X(read_errors, "connections that ended, or broke the protocol, mid-response")     \
    X(malformed, "of the read errors, responses that broke the protocol")             \
    X(write_errors, "requests that could not be written")                             \
    X(timeouts, "requests without a whole response --timeout after they were sent")   \
    X(in_flight, "requests without an outcome when the run was over")                 \
    X(late, "whole responses later than --timeout after their planned time")          \
    X(in_time, "whole responses before the end of the measured time")                 \
    X(backlog, "requests due but not sent at the end of the measured time")           \
    X(connect_errors, "connection attempts that failed")                              \
    X(resumed, "TLS sessions that were resumed, of the connections opened")           \
    X(connects, "connections opened")                                                 \
    X(closes, "connections that the server closed between two requests")              \
    X(bytes, "bytes read")

struct tally_counts {
#define X(name, text) uint64_t name;
    TALLY_COUNTS(X)
#undef X
};

struct tally {
    struct tally_counts counts;
    const char *malformed; /* what was wrong with the first of them; static, or NULL */
    struct hist ok;        /* planned time to last byte; status below 400 */
    struct hist bad;       /* everything else, in the tail: see tally_failed() */
    struct hist service;   /* sent to last byte, of those in `ok` */
    struct hist lag;       /* planned time to when the generator noticed */
    struct hist wait;      /* planned time to sending, of those that found no connection
                            * free when they were noticed; 0 of the others */
};

/* The times of one request. In a closed loop the planned time is the time of sending.
 */
struct tally_times {
    uint64_t planned_ns;
    uint64_t sent_ns;
    uint64_t done_ns; /* of the last byte, or of the failure */
};

int tally_init(struct tally *ret_tally);
void tally_free(struct tally *tally);
void tally_reset(struct tally *tally);
void tally_merge(struct tally *into, const struct tally *from);

/* A whole response. */
void tally_response(struct tally *tally, const struct tally_times *times,
                    unsigned status, uint64_t timeout_ns);

/* A request without a whole response stands in the tail: at the timeout, or at its
 * own age when that is more. The caller counts the reason. */
void tally_failed(struct tally *tally, uint64_t planned_ns, uint64_t now_ns,
                  uint64_t timeout_ns);

/* Both equations at the head of this file. */
bool tally_balanced(const struct tally_counts *counts);

/* ok and bad together: the headline. The caller frees it. */
int tally_all(const struct tally *tally, struct hist *ret_hist);

#endif
