/* SPDX-License-Identifier: MIT */
/* log_limit.h - one line per period where each failure would write one. Pure: the
 * caller brings the time, and writes the line.
 *
 * The first failure is told at once. Those of the next LOG_LIMIT_NS are counted, and
 * the count goes with the next line: of the next failure, or of a timer that asks
 * whether a count is due.
 */
#ifndef COWSHED_LOG_LIMIT_H
#define COWSHED_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/clock.h"

#define LOG_LIMIT_NS (10 * CLOCK_NS_PER_S)

struct log_limit { /* all zero at first */
    uint64_t quiet_until_ns;
    uint64_t left_out;
};

/* A failure: write a line about it? *ret_left_out: how many had none since the last. */
bool log_limit_pass(struct log_limit *, uint64_t now_ns, uint64_t *ret_left_out);
/* No failure: is a line due for those that had none? Counts as that line. */
bool log_limit_due(struct log_limit *, uint64_t now_ns, uint64_t *ret_left_out);

enum { LOG_LEFT_OUT_MAX = 64 };

/* "" or " (and 17 more since the last such line)", for the end of a line. Returns out.
 */
char *log_left_out(char out[LOG_LEFT_OUT_MAX], uint64_t left_out);

#endif
