/* SPDX-License-Identifier: MIT */
/* server_timing.h - what a response says of its own time, as cowshed writes it:
 *
 *   Server-Timing: w;desc="1.4", q;dur=0.012, gc;dur=0, cow;desc="3", app;dur=2.1,
 *                  cache;desc=miss
 *
 * Other servers' headers are read as far as they have metrics of these names. */
#ifndef LOADTEST_SERVER_TIMING_H
#define LOADTEST_SERVER_TIMING_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/span.h"

enum { SERVER_TIMING_MAX = 160 }; /* bytes of a header value that are kept */

struct server_timing {
    bool known; /* `w` was there: slot and generation are known */
    uint16_t slot;
    uint32_t generation;
    uint32_t faults;
    uint64_t queue_ns, gc_ns, app_ns;
    bool miss;
};

/* Metrics that are missing or malformed are left at zero. */
struct server_timing server_timing_parse(struct span value);

#endif
