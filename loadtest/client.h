/* SPDX-License-Identifier: MIT */
/* client.h - one thread of the generator: its connections, its plan, its loop.
 *
 *   1 made       client_init()   has its connections, all closed
 *   2 connecting client_main()   opens them; says how many it has
 *   3 warm-up    client_main()   a plan of its own, thrown away with its backlog
 *   4 measured   client_main()   the plan, then the drain
 *   5 over       client_free()   after the thread was joined
 *
 * Threads share only the struct client_group. They move from step to step together.
 */
#ifndef LOADTEST_CLIENT_H
#define LOADTEST_CLIENT_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "loadtest/conn.h"
#include "loadtest/gate.h"
#include "loadtest/keeper.h"
#include "loadtest/pacer.h"
#include "loadtest/recorder.h"
#include "loadtest/target.h"

enum { CLIENT_READ_SIZE = 256 * 1024 };

struct client_config {
    const struct target *target;
    unsigned threads;
    unsigned connections; /* of all threads together */
    double rate;          /* requests per second of all threads; 0: closed loop */
    double rate_to;       /* at the end of a ramp; 0: none */
    unsigned steps;       /* of the ramp; 0: a line */
    double speed;         /* of a replay */
    bool constant;
    uint64_t seed;
    uint64_t timeout_ns;
    uint64_t warmup_ns;
    uint64_t duration_ns;
    uint64_t interval_ns;  /* of swapping tallies */
    unsigned tallies;      /* of each thread, 2 or more; 0: 2 */
    uint64_t spin_ns;      /* poll instead of sleeping this long before a request */
    const cpu_set_t *cpus; /* where the threads run; NULL: where the scheduler likes */
    bool verify;           /* bodies */
    bool realtime;         /* SCHED_FIFO, for who may (client_may_be_realtime()) */
    size_t keep; /* requests of each thread that are kept whole (keeper.h); 0: none */
};

/* The gates of a run: all have tried to connect; all are warm and the start is set. */
enum { CLIENT_CONNECTED = 1, CLIENT_WARM };

struct client_group {
    struct gate gate;
    _Atomic uint64_t start_ns; /* of the measured time; 0 until it is known */
    _Atomic uint64_t stop_ns;  /* 0, or: end early, nothing is planned after it */
    atomic_bool abandon;       /* do not even drain */
    atomic_uint running;       /* clients whose measured time is not over */
};

/* What the generator itself spent during the measured time. */
struct client_usage {
    uint64_t wall_ns;
    uint64_t cpu_ns;    /* without what was spent polling */
    uint64_t queued_ns; /* runnable, but waiting for a processor */
    uint64_t preempted; /* involuntary context switches */
    uint64_t minor_faults;
    uint64_t major_faults;
};

struct client {
    const struct client_config *config;
    struct client_group *group;
    unsigned index;
    int epoll_fd;
    struct conn *conns;
    unsigned n_conns;
    struct list idle, connecting, flight, broken; /* each but idle oldest first */
    struct pacer pacer;
    struct prng requests; /* which one is next */
    struct recorder recorder;
    struct keeper keeper;
    struct hist connect; /* time to open a connection */
    unsigned opened;     /* when the measured time began */
    int connect_error;   /* the last one, as errno */
    uint64_t end_ns;     /* of the measured time, once it is over */
    bool backlog_noted;
    struct client_usage usage;
    uint64_t spun_ns; /* polling, with nothing to do */
    uint64_t turn;    /* of the loop */
    char *buffer;     /* CLIENT_READ_SIZE, for reading */
    char *request;    /* for the next one, and what may come before it */
    struct heads *heads;
    struct bodies bodies; /* of this thread's requests, to compare with */
};

int client_init(struct client *client, const struct client_config *config,
                struct client_group *group, unsigned index);
void client_free(struct client *client);
/* The thread: a struct client *. */
void *client_main(void *arg);
/* May the calling thread, and so its clients, be SCHED_FIFO? */
bool client_may_be_realtime(void);

/* For client.c and client_loop.c: a loop until the plan is over and everything sent has
 * an outcome, at most --timeout after the end of the plan; with `finish_backlog`
 * requests that wait for a connection are still sent then. */
void client_loop(struct client *client, bool finish_backlog);
/* A loop until all connections are open, or `until_ns`. */
void client_connect(struct client *client, uint64_t until_ns);

#endif
