/* SPDX-License-Identifier: MIT */
/* region.h - the shared region: what the master, its slots and the admin process all
 * see.
 *
 * One MAP_SHARED mapping, made before the first fork and never unmapped. Each slot has
 * two seats, so that the worker of a new generation can be ready while the old one
 * drains; a seat is given to a worker by the master before the fork and taken back
 * after waitpid(). Each field says who writes it; all readers may see it late, and
 * nobody takes a decision from it that a stale value could make wrong: decisions travel
 * over channels (channel.h).
 */
#ifndef COWSHED_SHARED_REGION_H
#define COWSHED_SHARED_REGION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/shared/crash.h"
#include "server/shared/events.h"
#include "server/shared/ring.h"

enum { SLOTS_MAX = 128, SEATS_PER_SLOT = 2, SEATS_MAX = SLOTS_MAX * SEATS_PER_SLOT };
enum { SEAT_REQUEST_MAX = 96, SEAT_WORDS_MAX = 192 };

enum seat_state { SEAT_FREE, SEAT_STARTING, SEAT_READY, SEAT_DRAINING, SEAT_GONE };

enum counter {
#define TOTAL(name, unit, sentence) COUNTER_##name,
#define GAUGE(name, unit, sentence) COUNTER_##name,
#include "server/shared/counters.def"
#undef TOTAL
#undef GAUGE
    COUNTERS
};

/* What the master and the slot say of the seat. Master: pid, slot, generation,
 * started_ns, state up to STARTING and GONE. Slot: the rest. */
struct scoreboard {
    _Atomic(int32_t) pid;    /* process; with threads the pid of the host */
    _Atomic(int32_t) tid;    /* thread that runs the loop */
    _Atomic(uint32_t) state; /* enum seat_state */
    _Atomic(uint32_t) generation;
    _Atomic(uint64_t) started_ns; /* CLOCK_MONOTONIC */
    _Atomic(uint64_t) ready_ns;
    _Atomic(uint64_t) heartbeat_ns; /* bumped by the loop, at least each 500 ms */
    _Atomic(uint32_t) load;         /* connections, for fair.h */
    _Atomic(uint64_t) heap_start,
        heap_end; /* what it inherited; the master, before the fork */
    _Atomic(uint32_t) is_thread;
    _Atomic(uint32_t) pretouched;   /* pages touched at start */
    char request[SEAT_REQUEST_MAX]; /* request in hand, escaped; torn reads show
                                       nonsense at worst */
    char words[SEAT_WORDS_MAX];     /* last words of CHECK(), read after waitpid() */
    struct crash crash;             /* where a signal ended it; likewise */
};

struct seat {
    _Alignas(64) struct scoreboard board;
    _Alignas(64) _Atomic(uint64_t) counters[COUNTERS];
    _Alignas(64) struct event_ring events;
    _Alignas(64) struct ring_head publish_head; /* ring.h: records for the master */
    _Atomic(uint64_t) publish_files_taken;      /* bytes of its memfds; master */
    struct seat_hist
        *hist; /* request latency: region.c, 2 digits, 1 us .. 60 s, in ns */
    unsigned char *publish; /* PUBLISH_RING_BYTES */
};

enum { PUBLISH_RING_BYTES = 4 << 20, PUBLISH_FILES_BYTES = 4 << 20 };

/* What the master says of the whole server. Written by the master alone. */
struct master_board {
    _Atomic(int32_t) pid, admin_pid;
    _Atomic(uint32_t) generation, slots_wanted, draining;
    _Atomic(uint64_t) started_ns, forks_failed, forks_throttled, forks_admin;
    _Atomic(uint64_t) forks, fork_last_ns, fork_max_ns, fork_sum_ns; /* of slots */
    _Atomic(uint64_t) deaths, hangs, recycles, reforks, reloads, reloads_failed,
        upgrades_failed, purge_seq, published, publish_refused;
    _Atomic(uint64_t) cache_entries, cache_bytes, cache_limit, cache_evicted;
    _Atomic(uint64_t) heap_start, heap_end, heap_live, heap_limit, gc_cycles,
        gc_pause_ns, gc_pause_max_ns, gc_slices, gc_lag_ns, gc_snapshots,
        gc_snapshot_failures;
    /* why a slot may have no worker: a fork waits for memory (what there was and should
     * be when it was looked at last); the errno of the last fork, 0 when it went well
     */
    _Atomic(uint32_t) fork_waits_for_memory, fork_error;
    _Atomic(uint64_t) memory_available, memory_wanted;
    _Alignas(64) struct event_ring events; /* forks, collections of the master */
    /* What comes with each miss: it would push the others out of their ring within a
     * second or two. */
    struct event_ring traffic;
};

struct region {
    struct master_board master;
    /* By all slots; futex words, not locks: fair.h. */
    struct {
        _Alignas(64) _Atomic(uint32_t) turn, waiting, lowest;
    } fair;
    struct seat seats[SEATS_MAX];
};

/* NULL when memory is short. Pages cost nothing until they are used. */
struct region *region_new(void);
void region_free(struct region *); /* takes NULL */
/* What it comes to cost when so many seats are in use. */
uint64_t region_bytes_of(uint64_t seats);

static inline unsigned seat_of(unsigned slot, unsigned parity)
{
    return slot * SEATS_PER_SLOT + parity;
}

/* By the one thread that owns the seat: no read-modify-write instruction needed. */
static inline void count(struct seat *seat, enum counter which, uint64_t add)
{
    _Atomic(uint64_t) *c = &seat->counters[which];

    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + add,
                          memory_order_relaxed);
}

static inline void count_set(struct seat *seat, enum counter which, uint64_t value)
{
    atomic_store_explicit(&seat->counters[which], value, memory_order_relaxed);
}

/* Latency of one request, first byte of the head read to last byte written, in ns. */
void seat_record_latency(struct seat *, uint64_t ns);

/* The histogram behind it, for readers: counts in the shape that is returned
 * (base/hist.h), sum of all latencies. */
struct hist_shape;
const struct hist_shape *seat_latency(const struct seat *, const uint64_t **ret_counts,
                                      uint64_t *ret_sum_ns);
/* The seat as a new worker should find it: ring empty, words and request gone.
 * Counters, the histogram and events stay. By the master, while nobody uses the seat.
 */
void seat_reset(struct seat *);
/* What is counted "now" is nothing: by the slot at its end, and by seat_reset(). */
void seat_clear_gauges(struct seat *);

const char *counter_name(enum counter);
const char *counter_unit(enum counter);
const char *counter_sentence(enum counter);
bool counter_is_gauge(enum counter);
const char *seat_state_name(enum seat_state);

#endif
