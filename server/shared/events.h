/* SPDX-License-Identifier: MIT */
/* events.h - what happened, when, and for how long: a ring of 64-byte records per seat.
 *
 * One writer (the slot; the master for its own ring), any number of readers. The writer
 * never waits: the oldest records are overwritten. A record carries its own number,
 * stored last (release) and cleared first, so a reader that copies a record being
 * overwritten sees another number before or after and drops the copy.
 */
#ifndef COWSHED_SHARED_EVENTS_H
#define COWSHED_SHARED_EVENTS_H

#include <stdatomic.h>
#include <stdint.h>

/* EVENT(name, text, what `a` and `b` are) */
#define EVENTS(EVENT)                                               \
    EVENT(GC_SLICE, "gc_slice", "phase, bytes done")                \
    EVENT(GC_CYCLE, "gc_cycle", "live bytes after it, bytes freed") \
    EVENT(FORK, "fork", "pid, 1 if it failed")                      \
    EVENT(READY, "ready", "pid, generation")                        \
    EVENT(PRETOUCH, "pretouch", "pages, how")                       \
    EVENT(RECYCLE, "recycle", "reason, private bytes")              \
    EVENT(DRAIN, "drain", "connections left, reason")               \
    EVENT(DEATH, "death", "pid, wait status")                       \
    EVENT(STALL, "stall", "callbacks in the turn, 0")               \
    EVENT(FAULTS, "faults", "minor faults in one loop turn, major") \
    EVENT(PUBLISH, "publish", "bytes, 0 stored or an errno")        \
    EVENT(EVICT, "evict", "entries, bytes")                         \
    EVENT(PURGE, "purge", "purge number, 1 if the key was there")   \
    EVENT(RELOAD, "reload", "0 or an errno, generation")

#define EVENT_CONSTANT(name, text, args) EVENT_##name,
enum event_kind { EVENT_NONE, EVENTS(EVENT_CONSTANT) EVENT_KINDS };
#undef EVENT_CONSTANT

struct event_record {
    _Atomic(uint64_t) number; /* 1, 2, ... in its ring; 0 while it is written */
    uint64_t start_ns;        /* CLOCK_MONOTONIC */
    uint64_t duration_ns;
    uint64_t a, b;
    uint32_t kind; /* enum event_kind */
    uint32_t generation;
    uint16_t slot;
    uint16_t seat;
    uint32_t spare[3];
};

enum { EVENT_RING_SIZE = 4096 };

struct event_ring {
    _Atomic(uint64_t) written; /* number of the newest record */
    _Alignas(64) struct event_record at[EVENT_RING_SIZE];
};

struct event_source {
    struct event_ring *ring;
    uint32_t generation;
    uint16_t slot, seat; /* the master: UINT16_MAX */
};

void event_write(const struct event_source *, enum event_kind, uint64_t start_ns,
                 uint64_t duration_ns, uint64_t a, uint64_t b);
/* Copies records numbered after `since`, oldest first, at most max; how many. */
unsigned event_read(const struct event_ring *, uint64_t since, struct event_record *ret,
                    unsigned max);
const char *event_name(enum event_kind);

#endif
