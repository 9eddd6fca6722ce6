/* SPDX-License-Identifier: MIT */
/* transcript.h - all that a request parser says about a run of bytes, as text.
 *
 * The bytes are fed the way a connection does it: what was not consumed is fed again
 * with more behind it, in memory that has moved. `cuts` says after which bytes a read
 * ended. Two runs over the same bytes must give the same text, wherever they were cut.
 *
 *   GET /a?q host=h 1.1 keep          one line for a head
 *   body=hello                        the pieces of a body, joined
 *   end                               REQUEST_DONE
 *   refused 400                       and nothing after it
 *   more                              the bytes ran out inside a head or body
 */
#ifndef COWSHED_TEST_TRANSCRIPT_H
#define COWSHED_TEST_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/buf.h"
#include "server/base/span.h"
#include "server/http/request.h"

extern const struct request_limits transcript_limits; /* roomy */

/* Appends to `out`. cuts[0..n-1] rise; pieces == 0 means one byte at a time instead. */
void transcript_run(const struct request_limits *, struct span bytes,
                    const size_t *cuts, size_t n, bool one_by_one, struct buf *out);
/* In one piece; the text ends with a zero and is good until the next call. */
const char *transcript_of(struct span bytes, const struct request_limits *);
/* Runs `bytes` whole, byte by byte and cut in two at each place; fails the test when
 * any differs from `want`. */
void transcript_check(struct span bytes, const struct request_limits *,
                      const char *want);

#endif
