/* SPDX-License-Identifier: MIT */
/* interval_log.h - the series of one interval of a run, as lines of an interval log. */
#ifndef LOADTEST_INTERVAL_LOG_H
#define LOADTEST_INTERVAL_LOG_H

#include <stdio.h>

#include "loadtest/run.h"

/* The headline first, which has no tag (README rule 12). 0 or -ENOMEM. */
int interval_log(FILE *out, const struct run_interval *interval);

#endif
