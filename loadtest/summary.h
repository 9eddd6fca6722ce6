/* SPDX-License-Identifier: MIT */
/* summary.h - the result of a plain run: in words (wrk's lines, and more) and as JSON.
 */
#ifndef LOADTEST_SUMMARY_H
#define LOADTEST_SUMMARY_H

#include <stdio.h>

#include "loadtest/options.h"
#include "loadtest/run.h"
#include "loadtest/selfcheck.h"

#define COWLOAD_VERSION "0.1"

/* What the run is going to be. */
void summary_begin(FILE *out, const struct options *options);
void summary_print(FILE *out, const struct options *options,
                   const struct run_result *result, const struct selfcheck *check);
/* 0, -ENOMEM, or what writing the file gave. */
int summary_json(const char *path, const struct options *options,
                 const struct run_result *result, const struct selfcheck *check);

#endif
