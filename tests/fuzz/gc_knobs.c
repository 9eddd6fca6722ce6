/* SPDX-License-Identifier: MIT */
/* gc_knobs.c - every combination of the settings that change what the collector does.
 */
#include <stdio.h>

#include "tests/fuzz/gc_world.h"

enum { SHARED_SCHEDULES = 2 };

/* Marks in headers would stay in the child that made them. */
static const struct {
    enum gc_schedule schedule;
    enum gc_marks marks;
} private[] = {
    { GC_STW, GC_MARKS_SIDE },         { GC_STW, GC_MARKS_HEADER },
    { GC_INCREMENTAL, GC_MARKS_SIDE }, { GC_INCREMENTAL, GC_MARKS_HEADER },
    { GC_SNAPSHOT, GC_MARKS_SIDE },
};

static const unsigned percents[] = { 10, 100, 400 };

/* The digits of a number to changing bases. */
static unsigned digit(unsigned *number, unsigned base)
{
    unsigned d = *number % base;
    *number /= base;
    return d;
}

static void common(struct gc_config *c, unsigned *number)
{
    c->stress = digit(number, 2);
    c->mark_stack = digit(number, 2) ? 4 : 0;
    c->thp = (enum gc_thp)digit(number, 3);
    c->percent = percents[digit(number, COUNT(percents))];
}

enum { COMMON = 2 * 2 * 3 * 3 };

static const unsigned n_private = COMMON * COUNT(private) * 3 * 2,
                      n_shared = COMMON * SHARED_SCHEDULES;

unsigned knobs_count(void)
{
    return n_private + n_shared;
}

void knobs_get(unsigned number, uint8_t flags, struct gc_config *ret_config)
{
    static const int64_t decays[] = { 0, 100000, -1, 5000000 };
    struct gc_config *c = ret_config;
    *c = (struct gc_config){ .reserve_bytes = 128 << 20, .limit_bytes = 64 << 20 };
    c->shared = number >= n_private;
    if (c->shared)
        number -= n_private;
    common(c, &number);
    if (c->shared) {
        c->schedule = (enum gc_schedule)digit(&number, SHARED_SCHEDULES);
    } else {
        unsigned which = digit(&number, COUNT(private));
        c->schedule = private[which].schedule;
        c->marks = private[which].marks;
        c->reuse = (enum gc_reuse)digit(&number, 3);
        c->after_fork = (enum gc_after_fork)digit(&number, 2);
    }
    c->readers = SEATS;
    c->pins_per_reader = 16;
    c->decay_ns = decays[flags & 3];
    if (flags & 4)
        c->limit_bytes = 3 << 19;
    c->min_heap_bytes = flags & 8 ? 1 << 20 : 1 << 14;
    c->max_pause_ns = flags & 16 ? 1 : 3000;
    c->verify = true;
}

void knobs_name(unsigned number, char *text, size_t n)
{
    static const char *const reuse[] = { "any", "page", "none" };
    static const char *const thp[] = { "default", "never", "always" };
    static const char *const schedule[] = { "stw", "incremental", "snapshot" };
    struct gc_config c;
    knobs_get(number, 0, &c);
    int used = snprintf(
        text, n, "%u: schedule=%s stress=%d mark_stack=%u thp=%s percent=%u", number,
        schedule[c.schedule], c.stress, c.mark_stack, thp[c.thp], c.percent);
    if (c.shared)
        snprintf(text + used, n - (size_t)used, " shared");
    else
        snprintf(text + used, n - (size_t)used, " marks=%s reuse=%s after_fork=%s",
                 c.marks == GC_MARKS_SIDE ? "side" : "header", reuse[c.reuse],
                 c.after_fork == GC_ARENA ? "arena" : "inherit");
}
