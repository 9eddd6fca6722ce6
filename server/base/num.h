/* SPDX-License-Identifier: MIT */
/* num.h - numbers as text, read strictly and written back.
 *
 * Strict: digits only, all of the span; no sign but where stated, no white space, no
 * hex.  Each parser returns 0, -EINVAL when the text is not such a number, -ERANGE
 * when it is one but not in [min, max]; the output is untouched on failure.
 *
 *   size   4096, 64k, 16m, 2g, 1t     powers of 1024; the letter in either case
 *   time   500us, 20ms, 5s, 2m, 1h, 3d, 10ns
 */
#ifndef COWSHED_NUM_H
#define COWSHED_NUM_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/span.h"

enum { NUM_TEXT_MAX = 32 }; /* enough for every num_format_ */

int num_parse_u64(struct span s, uint64_t min, uint64_t max, uint64_t *ret_value);
/* One leading '-' is allowed. */
int num_parse_i64(struct span s, int64_t min, int64_t max, int64_t *ret_value);
/* 12, 0.99, -1.5: no exponent, no inf, at least one digit on both sides of a point. */
int num_parse_double(struct span s, double min, double max, double *ret_value);
/* At most 16 hex digits without prefix, both cases. */
int num_parse_hex(struct span s, uint64_t max, uint64_t *ret_value);

int num_parse_size(struct span s, uint64_t min, uint64_t max, uint64_t *ret_bytes);
/* A number without unit means `bare_unit_ns` each; with bare_unit_ns == 0 only "0" may
 * go without.  min_ns and max_ns in nanoseconds as the result. */
int num_parse_time(struct span s, uint64_t bare_unit_ns, uint64_t min_ns,
                   uint64_t max_ns, uint64_t *ret_ns);

/* Exact: in the largest unit that divides the value, so that the text reads back as the
 * same number.  Return `out`. */
char *num_format_size(char out[NUM_TEXT_MAX], uint64_t bytes);
char *num_format_time(char out[NUM_TEXT_MAX], uint64_t ns);

/* For people: three digits or so, "1.46m", "12.3ms". */
char *num_human_size(char out[NUM_TEXT_MAX], uint64_t bytes);
char *num_human_time(char out[NUM_TEXT_MAX], uint64_t ns);

#endif
