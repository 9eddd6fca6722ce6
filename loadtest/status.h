/* SPDX-License-Identifier: MIT */
/* status.h - what a report needs of the server's /status. */
#ifndef LOADTEST_STATUS_H
#define LOADTEST_STATUS_H

#include <stddef.h>
#include <stdint.h>

/* Sums over the slots, and the master's own numbers. TOTAL only grows, so the
 * difference of two readings is what happened between them; NOW is a level; PEAK is a
 * maximum. */
/*    kind   name             what */
#define STATUS_FIELDS(X)                                                 \
    X(TOTAL, requests, "requests that the slots read")                   \
    X(TOTAL, hits, "requests answered from the cache")                   \
    X(TOTAL, faults, "page faults of the slots")                         \
    X(TOTAL, gc_pauses, "collector pauses, in the slots and the master") \
    X(TOTAL, forks, "forks of slots")                                    \
    X(NOW, inherited_pages, "heap pages that workers inherited")         \
    X(NOW, copied_pages, "of these, copied since")                       \
    X(NOW, pss_bytes, "proportional memory of the workers")              \
    X(PEAK, gc_pause_max_ns, "longest collector pause")                  \
    X(PEAK, fork_max_ns, "longest fork seen")

enum status_kind { STATUS_TOTAL, STATUS_NOW, STATUS_PEAK };

struct status {
#define X(kind, name, text) uint64_t name;
    STATUS_FIELDS(X)
#undef X
};

/* From the bytes of /status. Fields that the server does not have are 0. -EBADMSG when
 * it is no JSON object with a list of slots. */
int status_parse(const char *bytes, size_t n, struct status *ret_status);
/* Asks the admin listener at HOST:PORT. */
int status_read(const char *address, struct status *ret_status);

/* What happened between two readings, and the levels of the second. */
struct status status_between(const struct status *before, const struct status *after);
/* Adds up totals; takes the larger level and peak. */
void status_add(struct status *into, const struct status *more);

#endif
