/* SPDX-License-Identifier: MIT */
/* hiccup.h - how long this machine makes a thread wait that has nothing to do.
 *
 * Gil Tene's jHiccup: beside each client thread another one asks to be woken every
 * millisecond, on the same processors and in the same class, and records how late that
 * was. Nobody sends it anything, so what it sees is the platform: other processes, the
 * hypervisor, a collector of somebody else. The requests of the client thread met the
 * same. A stall of 100 ms counts as the hundred wake-ups that it covers.
 *
 *   1 made       hiccups_start()   threads sleep and wake, and record nothing
 *   2 recording  hiccups_record()  the measured time
 *   3 over       hiccups_stop()    joined; the histograms may be read
 */
#ifndef LOADTEST_HICCUP_H
#define LOADTEST_HICCUP_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "server/base/hist.h"

#define HICCUP_PERIOD_NS UINT64_C(1000000)

struct hiccup {
    pthread_t thread;
    const struct hiccups *all;
    struct hist hist; /* written by the thread; read after it was joined */
};

struct hiccups {
    struct hiccup *at; /* owned */
    unsigned n;        /* of them running */
    const cpu_set_t *cpus;
    int priority;
    atomic_bool
        recording;    /* set once, by who started them; a late look costs a period */
    atomic_bool over; /* likewise */
};

/* n threads with affinity `cpus` (NULL: any); a priority above 0 is one of SCHED_FIFO,
 * if that is allowed. 0, or a negative errno; hiccups_free() is due in any case. */
int hiccups_start(struct hiccups *hiccups, unsigned n, const cpu_set_t *cpus,
                  int priority);
void hiccups_record(struct hiccups *hiccups);
void hiccups_stop(struct hiccups *hiccups);
/* Adds what all have seen to `into`, of the shape of a tally. After hiccups_stop(). */
void hiccups_merge(const struct hiccups *hiccups, struct hist *into);
void hiccups_free(struct hiccups *hiccups); /* stops as well; all zero is nothing */

/* One wake-up that was due: records how late it is, returns when the next is due. */
uint64_t hiccup_note(struct hist *hist, uint64_t due_ns, uint64_t now_ns);

#endif
