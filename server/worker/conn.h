/* SPDX-License-Identifier: MIT */
/* conn.h - one client connection, from accept to close.
 *
 *   1 made     conn_init()   has a descriptor; in worker->conns, counted
 *   2 running  conn_run()    state by state (the table below), from event to event
 *   3 gone     conn_free()   out of every list, counted, memory released; in any state
 *
 * A conn never outlives its worker and is touched by its thread alone. It holds an
 * intake while bytes of a request or of its response are there, and at most one thing
 * that a body is sent from: a pinned entry, a share of a fetched result, or a copy.
 *
 * Most connections of a server are idle: what they need then is all that is in here
 * (a test counts it), the rest is in the intake or made when it is first wanted.
 */
#ifndef COWSHED_WORKER_CONN_H
#define COWSHED_WORKER_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/base/io.h"
#include "server/base/list.h"
#include "server/worker/acceptor.h"
#include "server/worker/deadlines.h"

struct worker;
struct fetch;
struct intake;

/*    state      may be followed by                                   waits for */
#define CONN_STATES(X)                                                                \
    X(READ_PROXY, TO(READ_HEAD) | TO(CLOSING), "PROXY header")                        \
    X(READ_HEAD, TO(READ_BODY) | TO(HANDLE) | TO(SEND) | TO(CLOSING), "request head") \
    X(READ_BODY, TO(HANDLE) | TO(SEND) | TO(CLOSING), "request body")                 \
    X(HANDLE, TO(WAIT) | TO(SEND) | TO(CLOSING), "nothing")                           \
    X(WAIT, TO(SEND) | TO(CLOSING), "a fetch")                                        \
    X(SEND, TO(READ_HEAD) | TO(READ_BODY) | TO(LINGER) | TO(CLOSING), "socket room")  \
    X(LINGER, TO(CLOSING), "peer's close")                                            \
    X(CLOSING, 0u, "nothing")

#define CONN_CONSTANT(name, to, waits) CONN_##name,
enum conn_state { CONN_STATES(CONN_CONSTANT) CONN_STATE_N };
#undef CONN_CONSTANT

/* What a state function says: go on with the next state, go on when others had their
 * turn, wait for an event, wait for memory (until the next tick), or it is over. */
enum conn_next { CONN_MORE, CONN_OTHERS, CONN_PAUSE, CONN_HUNGRY, CONN_DONE };

/* Steps of one connection before others have their turn. */
enum { CONN_STEPS_MAX = 64 };

#define CONN_MAGIC 0x434f4e4eu

struct conn {
    unsigned magic;
    uint8_t state;    /* enum conn_state */
    bool readable;    /* a read may find bytes, or an end */
    bool ended;       /* the peer has sent its last: read until that is found */
    bool wants_read;  /* ev_read is registered */
    bool wants_write; /* ev_write is registered */
    bool close_after; /* this response is the last */
    bool interim;     /* SEND: "100 Continue", then the body */
    bool has_request; /* counted, not yet answered in full */
    bool timed;       /* the response carries Server-Timing */
    bool linger;      /* the client may still be sending */
    bool tls;         /* speaks it, or will behind its PROXY header */
    bool tls_told;    /* what became of the handshake is counted */
    uint8_t blank;    /* empty lines in front of a request, while there is no intake */
    struct worker *worker;
    struct wire wire;
    unsigned requests; /* begun on this connection */
    struct event ev_read;
    struct event *ev_write; /* NULL: a socket was never full */
    struct deadline deadline;
    struct list in_worker;   /* worker->conns */
    struct list in_ready;    /* worker->ready: out of steps, not out of work; or
                                worker->hungry: out of memory */
    struct list in_fetch;    /* fetch->waiters, in WAIT */
    struct intake *intake;   /* NULL: no bytes */
    struct fetch *fetch;     /* WAIT: what we wait for; NULL when it has ended */
    struct fetched *fetched; /* result that the fetch left for us: a share */
    uint64_t start_ns;       /* first byte of the request was read */
    uint64_t queue_ns;       /* it waited so long in the loop before */
    uint64_t client;         /* in worker->clients */
    struct peer peer;
};

/* Memory for conn_init(), or NULL: before a connection is taken, so that none is lost.
 */
struct conn *conn_alloc(void);
/* Owns its descriptor. False: the client has too many, or there is no memory for TLS;
 * descriptor and memory of the conn are gone. */
bool conn_init(struct conn *, struct worker *, const struct accepted *);
/* It speaks TLS from here on; bytes of it were read before. False: no memory. */
bool conn_speak_tls(struct conn *, const void *first, size_t n);
/* Who it is, by the word of a proxy. False: that client has too many connections. */
bool conn_set_client(struct conn *, const struct peer *client);
void conn_free(struct conn *);
/* Until it has to wait; may free the conn. */
void conn_run(struct conn *);
/* It makes us wait while others could be served: ends it, without a word, unless what
 * we wait for has just come. True: it is gone. */
bool conn_shed(struct conn *);
/* Its deadline has passed; may free the conn. */
void conn_expire(struct conn *);
/* The slot begins to drain: idle connections get a quiet period. */
void conn_drain(struct conn *);

/* Moves to a state that the table allows; anything else is a bug. */
void conn_goto(struct conn *, enum conn_state);
bool conn_may_follow(enum conn_state from, enum conn_state to);
const char *conn_state_name(enum conn_state);
const char *conn_waits_for(enum conn_state);

/* One function per state: conn_states.c. */
typedef enum conn_next conn_step_fn(struct conn *);
extern conn_step_fn *const conn_steps[CONN_STATE_N];

/* For states: what to be told of. Registering is lazy: what is registered stays so.
 * Events are edge-triggered (the kernel looks at a socket once for each, not a second
 * time to see whether it is still so): they tell of what comes, not of what is left. So
 * nobody waits for bytes while `readable`, nor for room that a write did not miss. */
void conn_want_read(struct conn *);
void conn_want_write(struct conn *, bool yes);
/* Nothing is being sent: an event for it costs no memory. */
void conn_forget_write(struct conn *);

#endif
