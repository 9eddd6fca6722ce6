/* SPDX-License-Identifier: MIT */
/* known_server.h - a server whose latency is known: what `cowload self-test` measures.
 *
 *   1 running  known_start()   a child process on a port of its own
 *   2 gone     known_stop()    killed and waited for
 *
 * A request that has arrived at t is answered at t + delay, every `every`-th at t +
 * slow, and never less than gap after the answer before it. While it is frozen it
 * neither reads nor writes, as if it were stopped by a signal. */
#ifndef LOADTEST_KNOWN_SERVER_H
#define LOADTEST_KNOWN_SERVER_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct known_config {
    uint64_t delay_ns, slow_ns;
    unsigned every; /* 0: none is slow */
    uint64_t gap_ns;
    unsigned port;         /* 0: a free one */
    const cpu_set_t *cpus; /* NULL: anywhere */
    bool realtime;         /* SCHED_FIFO, if it may */
};

struct known_server {
    pid_t pid; /* 0: none */
    unsigned port;
    struct known_board *board; /* shared with it */
};

/* While the process has one thread. 0 or a negative errno. */
int known_start(struct known_server *ret_server, const struct known_config *config);
/* Until it has accepted so many connections: what is sent before that waits for more
 * than its delay. False: it has not in that time. */
bool known_await(const struct known_server *server, unsigned connections,
                 uint64_t timeout_ns);
/* Frozen in [from, to), CLOCK_MONOTONIC. */
void known_freeze(struct known_server *server, uint64_t from_ns, uint64_t to_ns);
/* p99.9 of how late it was itself, to some 16 us. */
uint64_t known_lateness_ns(const struct known_server *server);
void known_stop(struct known_server *server);

#endif
