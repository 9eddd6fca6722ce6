/* SPDX-License-Identifier: MIT */
/* tally.c - recording outcomes. */
#include "loadtest/tally.h"

#include <errno.h>

#include "server/base/check.h"

static int new_hist(struct hist *ret_hist)
{
    return hist_init(ret_hist, TALLY_LOWEST, TALLY_HIGHEST, TALLY_DIGITS);
}

int tally_init(struct tally *ret_tally)
{
    struct tally tally = { 0 };
    struct hist *all[] = { &tally.ok, &tally.bad, &tally.service, &tally.lag,
                           &tally.wait };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (new_hist(all[i]) < 0) {
            tally_free(&tally);
            return -ENOMEM;
        }
        /* writes to every page now, so that no fault falls into what is measured */
        hist_reset(all[i]);
    }
    *ret_tally = tally;
    return 0;
}

void tally_free(struct tally *tally)
{
    hist_free(&tally->ok);
    hist_free(&tally->bad);
    hist_free(&tally->service);
    hist_free(&tally->lag);
    hist_free(&tally->wait);
}

/* Most seconds have no failure and a closed loop has no lag: leave those alone. */
static void reset_hist(struct hist *hist)
{
    if (hist->total > 0)
        hist_reset(hist);
}

void tally_reset(struct tally *tally)
{
    tally->counts = (struct tally_counts){ 0 };
    tally->malformed = NULL;
    reset_hist(&tally->ok);
    reset_hist(&tally->bad);
    reset_hist(&tally->service);
    reset_hist(&tally->lag);
    reset_hist(&tally->wait);
}

static void merge_hist(struct hist *into, const struct hist *from)
{
    if (from->total > 0)
        CHECK(hist_merge(into, from) == 0);
}

void tally_merge(struct tally *into, const struct tally *from)
{
#define X(name, text) into->counts.name += from->counts.name;
    TALLY_COUNTS(X)
#undef X
    into->malformed = into->malformed != NULL ? into->malformed : from->malformed;
    merge_hist(&into->ok, &from->ok);
    merge_hist(&into->bad, &from->bad);
    merge_hist(&into->service, &from->service);
    merge_hist(&into->lag, &from->lag);
    merge_hist(&into->wait, &from->wait);
}

void tally_response(struct tally *tally, const struct tally_times *times,
                    unsigned status, uint64_t timeout_ns)
{
    uint64_t response = times->done_ns - times->planned_ns;
    if (response > timeout_ns)
        tally->counts.late++;
    if (status < 400) {
        tally->counts.ok++;
        hist_record(&tally->ok, response);
        hist_record(&tally->service, times->done_ns - times->sent_ns);
        return;
    }
    tally->counts.http_errors++;
    if (status <
        500) /* the server did its work: the request asked for the wrong thing */
        hist_record(&tally->bad, response);
    else
        tally_failed(tally, times->planned_ns, times->done_ns, timeout_ns);
}

void tally_failed(struct tally *tally, uint64_t planned_ns, uint64_t now_ns,
                  uint64_t timeout_ns)
{
    uint64_t age = now_ns - planned_ns;
    hist_record(&tally->bad, age > timeout_ns ? age : timeout_ns);
}

bool tally_balanced(const struct tally_counts *counts)
{
    return counts->planned == counts->sent + counts->unsent &&
           counts->sent == counts->ok + counts->http_errors + counts->wrong_bodies +
                               counts->read_errors + counts->write_errors +
                               counts->timeouts + counts->in_flight;
}

int tally_all(const struct tally *tally, struct hist *ret_hist)
{
    struct hist all;
    int err = new_hist(&all);
    if (err < 0)
        return err;
    merge_hist(&all, &tally->ok);
    merge_hist(&all, &tally->bad);
    *ret_hist = all;
    return 0;
}
