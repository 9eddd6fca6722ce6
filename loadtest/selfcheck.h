/* SPDX-License-Identifier: MIT */
/* selfcheck.h - can this run be trusted? (README rule 11) */
#ifndef LOADTEST_SELFCHECK_H
#define LOADTEST_SELFCHECK_H

#include <stdbool.h>
#include <stdint.h>

enum { SELFCHECK_MAX = 7, SELFCHECK_TEXT_MAX = 160 };

/* What every machine that runs other things does to a thread now and then. */
#define SELFCHECK_HICCUP_NS UINT64_C(2000000)

struct selfcheck_facts {
    bool open_loop;
    uint64_t planned;
    uint64_t backlog;    /* planned, not sent when the measured time was over */
    uint64_t responses;  /* whole ones, of any status */
    uint64_t lag_ns;     /* p99.9 of the generator's own delay */
    uint64_t latency_ns; /* p99.9 of the response time */
    uint64_t hiccup_ns;  /* p99.9 of how late an idle thread was woken; 0: not known */
    uint64_t
        hiccup_limit_ns; /* 0: a tenth of latency_ns, SELFCHECK_HICCUP_NS at least */
    double busiest;      /* share of a processor that the busiest thread used */
    unsigned connections;
    unsigned opened;
};

struct selfcheck {
    unsigned n;         /* 0: the run is valid */
    unsigned generator; /* so many of the reasons are that it did not keep up itself */
    char reasons[SELFCHECK_MAX][SELFCHECK_TEXT_MAX];
};

struct selfcheck selfcheck_run(const struct selfcheck_facts *facts);

#endif
