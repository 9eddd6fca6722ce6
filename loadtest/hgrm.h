/* SPDX-License-Identifier: MIT */
/* hgrm.h - a percentile spectrum as text, for the plotters of the HdrHistogram family.
 */
#ifndef LOADTEST_HGRM_H
#define LOADTEST_HGRM_H

#include <stdio.h>

#include "server/base/hist.h"

/* Values are divided by `scale`: 1e6 turns nanoseconds into milliseconds. Five rows for
 * each halving of what is left, as the Java library prints them by default. */
void hgrm_write(FILE *out, const struct hist *hist, double scale);
/* The same into a file. 0, or a negative errno after a message. */
int hgrm_save(const char *path, const struct hist *hist, double scale);

#endif
