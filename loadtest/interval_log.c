/* SPDX-License-Identifier: MIT */
/* interval_log.c - which series there are. */
#include "loadtest/interval_log.h"

#include "loadtest/hlog.h"

int interval_log(FILE *out, const struct run_interval *interval)
{
    const struct tally *tally = interval->tally;
    const struct {
        const char *tag;
        const struct hist *hist;
    } series[] = { { NULL, interval->all },
                   { "SERVICE", &tally->service },
                   { "LAG", &tally->lag },
                   { "CONNQ", &tally->wait } };
    int err = 0;
    for (size_t i = 0; i < sizeof series / sizeof series[0] && err == 0; i++)
        err = hlog_put(out, series[i].tag, interval->start_s, interval->length_s,
                       series[i].hist);
    return err;
}
