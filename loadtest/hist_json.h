/* SPDX-License-Identifier: MIT */
/* hist_json.h - histograms and files of JSON. */
#ifndef LOADTEST_HIST_JSON_H
#define LOADTEST_HIST_JSON_H

#include <jansson.h>

#include "server/base/hist.h"

/* {samples, above_range, min_ns, mean_ns, max_ns, percentiles_ns: {p50, ...}, hdr}; a
 * percentile that is not known is null. NULL when memory is short. */
json_t *hist_json(const struct hist *hist);

/* Writes and releases `root`, which may be NULL: then -ENOMEM. 0 or a negative errno.
 */
int hist_json_write(json_t *root, const char *path);

#endif
