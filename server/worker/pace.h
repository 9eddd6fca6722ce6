/* SPDX-License-Identifier: MIT */
/* pace.h - whether a client that moves is worth waiting for.
 *
 * A timeout bounds each wait, but a client that sends or takes a byte a minute never
 * runs into one. So what it has moved is measured against the time since it began:
 * after a time of grace it must have kept a rate on average.
 *
 * The other way round, a socket that was full is writable again only when a third of it
 * is free, which a slow client may need longer for than any timeout: who still
 * acknowledges bytes is not one that takes nothing.
 */
#ifndef COWSHED_WORKER_PACE_H
#define COWSHED_WORKER_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
    uint64_t since_ns;
    uint64_t bytes; /* handed over: by the client, or by us to the kernel */
    int64_t taken;  /* of ours, the peer had so many at the last look; below 0 while
                       what was sent before is still under way */
};

void pace_begin(struct pace *, uint64_t now_ns);
/* For a response that did not fit the socket; so much of it did. */
void pace_begin_send(struct pace *, uint64_t now_ns, int fd, uint64_t bytes);
/* Has the peer acknowledged more than at the last look? */
bool pace_takes_more(struct pace *, int fd);

/* Pure. Less than `rate` bytes a second beyond the grace; rate 0 finds nobody slow. */
bool pace_is_slow(const struct pace *, int64_t bytes, uint64_t now_ns,
                  uint64_t grace_ns, uint64_t rate);

#endif
