/* SPDX-License-Identifier: MIT */
/* oom.h - who is killed when memory runs out: a worker, which is forked again, and not
 * the master, with which all is gone.
 *
 * The kernel takes the process with the most pages. That is the master when the cache
 * is large: it has mapped all of it, a worker only what it looked at. So workers stand
 * before it, by as much as the master can come to hold and no more: beside other
 * programs of the machine they are judged by what they use.
 *
 * The admin process too, though it is small: what a worker had is not free yet for some
 * milliseconds after its death, and who needs a page then makes the kernel take another
 * process. That one costs nobody a request.
 */
#ifndef COWSHED_MASTER_OOM_H
#define COWSHED_MASTER_OOM_H

#include <stdint.h>

enum { OOM_SCORE_MAX = 1000 }; /* of oom_score_adj: thousandths of all memory */

/* Pure. What makes up for `bytes` of `room`, rounded up. */
unsigned oom_score(uint64_t bytes, uint64_t room);

/* Adds that to the oom_score_adj of this process. Needs no privilege. 0 or a negative
 * errno, and nothing has changed. */
int oom_stand_before(unsigned score);

#endif
