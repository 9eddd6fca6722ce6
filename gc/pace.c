/* SPDX-License-Identifier: MIT */
/* pace.c - the arithmetic of pacing.
 *
 *   goal     live + live * percent / 100, at least min_heap, at most the lower limit
 *
 *   trigger  goal - runway
 *
 *   runway   1.25 * (bytes allocated while a cycle runs), 5 % to 30 % of goal - live
 *
 *   work     1.1 * expected * allocated / runway - done
 *
 *   quantum  what is done between two looks at the clock: 16 to a full slice
 *
 * The inputs are allocated and traced bytes. Process size is never one: free pages that
 * the kernel has not taken back and copies after a fork would look like growth (rule
 * 18). Goal and assist follow the pacer of the Go runtime, simplified.
 */
#define GC_IMPL
#include "gc/pace.h"

/* The least room that a goal leaves; otherwise a full heap would collect all the time.
 */
static uint64_t least_room(const struct gc_pace *pace)
{
    return pace->min_heap / 16;
}

static uint64_t add(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* a * b / c without losing the upper half; c == 0 counts as 1 */
static uint64_t scale(uint64_t a, uint64_t b, uint64_t c)
{
    __extension__ unsigned __int128 x = (unsigned __int128)a * b / (c ? c : 1);
    return x > UINT64_MAX ? UINT64_MAX : (uint64_t)x;
}

enum {
    LOOKS = 16,     /* at the clock, in a full slice */
    TOLERANCE = 16, /* the part of the room by which a goal may be missed */
};

uint64_t gc_pace_goal(const struct gc_pace *pace)
{
    uint64_t goal = add(pace->live, scale(pace->live, pace->percent, 100));
    if (goal < pace->min_heap)
        goal = pace->min_heap;
    if (goal > pace->limit)
        goal = pace->limit;
    uint64_t least = add(pace->live, least_room(pace));
    return goal < least ? least : goal;
}

uint64_t gc_pace_trigger(const struct gc_pace *pace, uint64_t goal, uint64_t in_cycle)
{
    uint64_t room = goal > pace->live ? goal - pace->live : 0;
    uint64_t runway = add(in_cycle, in_cycle / 4);
    uint64_t least = room / 20, most = room / 10 * 3;
    if (runway < least)
        runway = least;
    if (runway > most)
        runway = most;
    return goal - runway;
}

uint64_t gc_pace_work(uint64_t allocated, uint64_t runway, uint64_t expected,
                      uint64_t done)
{
    uint64_t due = scale(add(expected, expected / 10), allocated, runway);
    return due > done ? due - done : 0;
}

uint64_t gc_pace_over(const struct gc_pace *pace, uint64_t goal, uint64_t size)
{
    uint64_t room = goal > pace->live ? goal - pace->live : 0;
    return size > add(goal, room / TOLERANCE) ? size - goal : 0;
}

/* Up by two at the most: a piece that was lucky says little about the next. */
uint64_t gc_pace_quantum(uint64_t quantum, uint64_t took_ns, uint64_t budget_ns,
                         uint64_t least, uint64_t most)
{
    uint64_t share = budget_ns / LOOKS;
    uint64_t next = add(quantum, quantum);
    if (took_ns > share)
        next = scale(quantum, share, took_ns);
    else if (took_ns > share / 2)
        next = quantum;
    return next < least ? least : next > most ? most : next;
}
