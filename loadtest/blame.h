/* SPDX-License-Identifier: MIT */
/* blame.h - what one request waited for.
 *
 * The time of the request, planned to done, is a line. Events of the server that
 * overlap with it take their part of the line away, cause by cause in the order of
 * causes.def, so that no moment counts twice; what the response said of itself (a miss,
 * the queue) takes from what is left. The rest is unexplained.
 *
 * While it waited for a connection, and when it failed, a request has no worker: then
 * every worker's events are its own. Pure. */
#ifndef LOADTEST_BLAME_H
#define LOADTEST_BLAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loadtest/keeper.h"
#include "loadtest/timeline.h"

#define CAUSE(name, label, text) CAUSE_##name,
enum cause {
#include "loadtest/causes.def"
    CAUSES, /* also: unexplained */
};
#undef CAUSE

struct blame {
    uint64_t latency_ns;
    uint64_t ns[CAUSES];
    enum cause main; /* has the most of it, when all of them have half; or CAUSES */
};

struct blame_scene {
    const struct timeline *timeline;
    const struct kept_stall *stalls; /* of the request's client, in order */
    size_t n_stalls;
    bool one_processor; /* all processes of the server share it */
};

const char *cause_label(enum cause cause);
const char *cause_text(enum cause cause);

struct blame blame_request(const struct blame_scene *scene, const struct kept *kept);

#endif
