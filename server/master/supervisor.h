/* SPDX-License-Identifier: MIT */
/* supervisor.h - which worker runs in which slot, and what to do about it next.
 *
 * Life of an instance (one worker of one slot; a slot has room for two, see region.h):
 *
 *   1 STARTING   forked, or its thread was asked for; has a channel and a deadline
 *   2 READY      it checked in
 *   3 DRAINING   told to finish; has a deadline
 *   4 GONE       waited for (a thread: its channel ended); the seat is free again
 *
 * The supervisor decides, its owner acts: fork, kill and messages go through
 * supervisor_ops, time comes as an argument, and nothing here waits. Something happens
 * (a message, a death, a signal): the owner tells it by one of the functions below and
 * then calls supervisor_settle(), which compares what is with what should be and takes
 * the next steps:
 *
 *   - a slot that is wanted and has no worker of the target generation gets one, if the
 * back-off of the slot and the gate of all forks (throttle.h) allow it and a seat is
 * free;
 *   - a worker is told to drain when its successor is READY, or when its slot is not
 * wanted;
 *   - who misses a deadline is killed.
 */
#ifndef COWSHED_MASTER_SUPERVISOR_H
#define COWSHED_MASTER_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/base/list.h"
#include "server/base/log_limit.h"
#include "server/master/instance.h"
#include "server/master/supervisor_ops.h"
#include "server/master/throttle.h"
#include "server/shared/region.h"

struct message;
struct options;

/* In this order, some left out; never back. */
enum supervisor_phase {
    PHASE_RUN,
    PHASE_NOTICE, /* as before, for clients: who asks is told that the server leaves */
    PHASE_LAST,   /* nobody new comes; who waits is accepted, and answered last */
    PHASE_DRAIN,  /* nobody is accepted; those that run finish */
    PHASE_QUIT,   /* all end now */
};

struct supervisor {
    const struct supervisor_ops *ops;
    void *arg;
    struct region *region;
    enum supervisor_phase phase;
    unsigned slots_wanted;
    /* The target generation, and the one before it while a roll-out lasts (else NULL).
     */
    const struct options *options, *options_before;
    uint32_t generation, generation_before, last_generation;
    bool refork_waits; /* asked for during a roll-out: follows it */
    const struct options *options_wait;
    struct throttle throttle;
    enum throttle_reason waiting; /* what the last fork that had to wait waited for */
    struct log_limit refused;     /* lines about forks that failed */
    unsigned turn; /* the slot behind the last that was forked: it is looked at first */
    struct breaker breaker;
    bool was_ready; /* a worker once was */
    bool tripped;   /* the breaker has: the server must end */
    bool os_error;  /* because of fork() at the start, not of deaths */
    uint64_t drain_until_ns;
    uint64_t now_ns; /* of the running call */
    struct list children;
    struct slot slots[SLOTS_MAX];
};

/* Generation 1 with these options (borrowed until release()). */
void supervisor_init(struct supervisor *, const struct supervisor_ops *, void *arg,
                     struct region *, const struct options *, unsigned slots);

/* Takes all steps that are due; when to call again at the latest, UINT64_MAX: when
 * something happens. */
uint64_t supervisor_settle(struct supervisor *, uint64_t now_ns);

/* What a new worker is told before it exists, so that it has heard of it when it
 * accepts for the first time: for the ops that begin one, once its channel is open. */
void supervisor_greet(struct instance *);

/* READY, RECYCLE, DRAINED; other kinds are not for the supervisor. */
void supervisor_heard(struct supervisor *, struct instance *, const struct message *,
                      uint64_t now_ns);
/* End of file or a broken message: it will end, or be killed. */
void supervisor_channel_ended(struct supervisor *, struct instance *, uint64_t now_ns);
/* What follows for a thread when its process lives on; by settle.c. */
void supervisor_thread_ended(struct supervisor *, struct instance *);
void supervisor_host_ended(struct supervisor *, struct child *, uint64_t now_ns);
/* It is inside a lookup and does not come out, so nothing that died since can be freed:
 * killed, with the process that it is a thread of. */
void supervisor_holds_back(struct supervisor *, unsigned seat, uint64_t for_ns);
/* Its loop does not turn: it is told to abort, so that it leaves word of where it is,
 * and killed if it cannot. False: it was told before, or is not in service. */
bool supervisor_hangs(struct supervisor *, unsigned seat, uint64_t for_ns,
                      uint64_t now_ns);
/* After waitpid(). False when the pid is not one of ours. */
bool supervisor_reaped(struct supervisor *, pid_t, int status, uint64_t now_ns);

/* A new generation: the same options (NULL) or new ones (owned by the supervisor until
 * release()). During a roll-out it waits for its turn; a later wish replaces a waiting
 * one. */
void supervisor_refork(struct supervisor *, const struct options *);
void supervisor_set_slots(struct supervisor *, unsigned wanted);
/* The phases of leaving. Slots are kept in service to the end of PHASE_LAST. What goes
 * on from PHASE_LAST on has drain_timeout in all. */
void supervisor_notice(struct supervisor *);
void supervisor_last(struct supervisor *, uint64_t now_ns);
void supervisor_drain(struct supervisor *, uint64_t now_ns);
void supervisor_quit(struct supervisor *, uint64_t now_ns);
bool supervisor_serves(const struct supervisor *); /* slots are to have workers */

bool supervisor_is_empty(const struct supervisor *); /* no child is left */
/* All wanted slots have a READY worker of the target generation, none of an older one
 * is left in service. */
bool supervisor_is_settled(const struct supervisor *);
/* Workers of another generation may still accept: what they were told to end. */
bool supervisor_has_old_doors(const struct supervisor *);
/* No instance of another generation is left, not even one that drains. */
bool supervisor_has_one_generation(const struct supervisor *);
unsigned supervisor_ready(const struct supervisor *);    /* slots with a READY worker */
unsigned supervisor_starting(const struct supervisor *); /* slots with a STARTING one */

/* The I-th place: for loops over all instances, SEATS_MAX of them. */
struct instance *supervisor_instance(struct supervisor *, unsigned seat);

#endif
