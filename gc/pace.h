/* SPDX-License-Identifier: MIT */
/* pace.h - when to collect and how hard. Numbers in, numbers out; no heap. */
#ifndef GC_IMPL
#error "private to gc/"
#endif
#ifndef GC_PACE_H
#define GC_PACE_H

#include <stdint.h>

struct gc_pace {
    uint64_t live;     /* bytes that the last cycle left */
    uint64_t min_heap; /* never collect below this */
    uint64_t limit;    /* the goal is not above it, if live leaves room below */
    unsigned percent;
};

/* The size by which a cycle should be over: live grown by percent. */
uint64_t gc_pace_goal(const struct gc_pace *pace);
/* The size at which an incremental cycle has to begin to be over at the goal, if the
 * owner allocates in_cycle bytes while a cycle runs. */
uint64_t gc_pace_trigger(const struct gc_pace *pace, uint64_t goal, uint64_t in_cycle);
/* Bytes to trace now: allocated bytes of the runway are used up, and `done` of
 * `expected` bytes are traced. */
uint64_t gc_pace_work(uint64_t allocated, uint64_t runway, uint64_t expected,
                      uint64_t done);

/* Bytes by which a heap of this size is over its goal; 0 also for the little that one
 * callback may add to a goal that was met. */
uint64_t gc_pace_over(const struct gc_pace *pace, uint64_t goal, uint64_t size);
/* Work up to the next look at the clock, when the last piece of it was `quantum` and
 * took took_ns: some 16 pieces fill the budget. */
uint64_t gc_pace_quantum(uint64_t quantum, uint64_t took_ns, uint64_t budget_ns,
                         uint64_t least, uint64_t most);

#endif
