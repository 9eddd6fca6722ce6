/* SPDX-License-Identifier: MIT */
/* worker_priv.h - struct worker, for the files of server/worker/ alone. */
#ifndef COWSHED_WORKER_PRIV_H
#define COWSHED_WORKER_PRIV_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/base/hash.h"
#include "server/base/list.h"
#include "server/http/response.h"
#include "server/shared/channel.h"
#include "server/shared/events.h"
#include "server/shared/region.h"
#include "server/worker/access_log.h"
#include "server/worker/behind.h"
#include "server/worker/clients.h"
#include "server/worker/collect.h"
#include "server/worker/control.h"
#include "server/worker/deadlines.h"
#include "server/worker/fetch.h"
#include "server/worker/host.h"
#include "server/worker/intake.h"
#include "server/worker/publish.h"
#include "server/worker/recycle.h"
#include "server/worker/send.h"
#include "server/worker/shed.h"
#include "server/worker/timing.h"
#include "server/worker/worker.h"

struct acceptor;
struct cache;
struct cache_reader;
struct conn;
struct options;
struct origin;

#define WORKER_MAGIC 0x57524b52u

enum {
    WORKER_TICK_MS = 100,
    WORKER_MASTER_FIRST = 0, /* before what clients want that came in the same turn */
    WORKER_PRIORITIES = 2,   /* of events; the rest has 1, which libevent gives */
    WORKER_QUIET_MS = 500,   /* idle connections of a draining slot */
    WORKER_FETCH_MS = 60000, /* longest wait for an origin */
};

struct worker {
    unsigned magic;
    const struct worker_env *env;
    const struct options *options;
    struct seat *seat;
    struct event_source events;
    const _Atomic(bool) *stop; /* a guest: its host wants it to end now. Else NULL */

    /* the loop */
    struct event_base *base;
    struct event ev_tick, ev_wake, ev_control;
    int wake_fd;        /* written by the acceptor */
    uint64_t turn_ns;   /* first callback of this turn; 0: none yet */
    uint64_t now_ns;    /* as of the last look at the clock; at most a callback old */
    int64_t wall_s;     /* as of the first callback of this turn */
    unsigned callbacks; /* in this turn */
    struct timing timing;
    struct response_clock clock;

    /* connections */
    struct acceptor *acceptor;
    bool is_hungry; /* there was no memory for a connection that is accepted */
    struct list conns;
    struct list ready;  /* in_ready: go on in the next turn */
    struct list hungry; /* in_ready: memory was short, try at the next tick */
    unsigned conn_count;
    struct deadlines deadlines;
    struct intake_pool intakes;
    struct behind behind;
    struct clients clients;
    struct log_limit clients_told;
    struct log_limit proxy_told;
    struct shed shed;
    struct access_log log;
    struct log_limit log_told; /* lines about lines that were lost */
    uint64_t log_dropped;      /* since the last of these */

    /* what is served */
    struct cache *cache;     /* NULL: off */
    struct cache *own_cache; /* of a guest whose cache is not the one of its process */
    bool owns_heap;
    struct hash_key hash_key;    /* of fetches, when the cache is off */
    struct cache_reader *reader; /* NULL: the cache is off */
    struct send_pins pins;
    struct collect collect;
    struct origin *origin;
    uint32_t source; /* of it: entries of another one are none */
    struct fetches fetches;
    struct publisher publisher;

    /* the master */
    struct control control;
    uint64_t purge_seq; /* last purge that this slot has heard of */
    struct host host;   /* guests in this process */
    uint64_t started_ns, requests;
    struct recycle recycle;

    /* the end */
    void *crash_stack; /* not touched, so not there, until it is needed */
    bool draining, done;
    bool listeners_shared; /* with others than this server: nobody shuts them */
    bool accepts;          /* until it has nothing to wait for at the listeners */
    bool stops_accepting;  /* told to, perhaps before it began */
    uint64_t drain_start_ns, drain_deadline_ns, orphaned_ns; /* 0: not yet */
    enum drain_reason { DRAIN_ASKED = 1, DRAIN_ORPHANED } drain_reason;
};

/* Loop, cache reader, origin, log, acceptor. 0 or a negative errno; then what was
 * opened is closed like the rest. */
int worker_open(struct worker *);
/* Callbacks of the loop. */
void worker_on_wake(evutil_socket_t, short what, void *worker);
void worker_on_tick(evutil_socket_t, short what, void *worker);

/* At the top of each callback of the loop. */
void worker_enter(struct worker *);
/* Looks at the clock. */
uint64_t worker_clock(struct worker *);

/* Answers are the last of their connections from now on. `accept_on`: it accepts until
 * it is called again without; else no more. */
void worker_drain(struct worker *, uint64_t deadline_ms, enum drain_reason,
                  bool accept_on);
/* The master is gone: drains, once nobody is queued at listeners that close with us. */
void worker_orphaned(struct worker *);
void worker_quit(struct worker *);
/* So many lines of the access log could not be written. */
void worker_log_dropped(struct worker *, uint64_t lines);

/* worker_run() for a thread of a host. */
int worker_run_guest(const struct worker_env *, const _Atomic(bool) *stop);

#endif
