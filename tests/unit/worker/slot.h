/* SPDX-License-Identifier: MIT */
/* slot.h - a worker in a thread of the test, which plays the master and the clients.
 *
 * slot_start() makes region, cache, listener on a free port of the loopback, a folder
 * to serve and runs worker_run() in a thread; it returns when the slot has said READY.
 * slot_stop() tells it to drain, waits for it and checks that it left with 0, that no
 * connection is counted and no descriptor is left over.
 */
#ifndef COWSHED_TESTS_SLOT_H
#define COWSHED_TESTS_SLOT_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "server/conf/options.h"
#include "server/shared/channel.h"
#include "server/shared/region.h"
#include "server/shared/worker_env.h"

struct slot {
    struct options *options; /* of slot_make(); change them before slot_start() */
    struct region *region;
    struct cache *cache;
    struct worker_env env;
    struct channel channel;
    pthread_t thread;
    int send_buffer; /* 0: the kernel's; else bytes for each connection */
    int listener, port;
    int exit_code;
    bool joined;
    int files_before;
    char root[64];
};

void slot_make(struct slot *); /* options at their defaults, an empty folder as root */
void slot_make_small(struct slot *); /* and a cache, and /a.txt: "hello" */
void slot_set(struct slot *, const char *option, const char *value);
void slot_cache(struct slot *, size_t bytes);        /* a private heap */
void slot_shared_cache(struct slot *, size_t bytes); /* the test is its owner */
/* Clients may connect and send from here on; slot_start() does it if nobody has. */
void slot_listen(struct slot *);
void slot_start(struct slot *);
void slot_stop(struct slot *);
/* Waits for the thread, which was told to end, or whose channel is closed. */
void slot_join(struct slot *);
void slot_end(struct slot *); /* joins, checks and gives everything back */

/* A file below the root; 0644. */
void slot_file(const struct slot *, const char *name, const void *bytes, size_t n);
uint64_t slot_count(const struct slot *, enum counter);
/* Waits until the counter has the value, for a minute at most; a failed check if
 * it never has. */
void slot_await(const struct slot *, enum counter, uint64_t value);

void slot_send(struct slot *, enum message_kind, uint64_t arg0, const char *text);
/* The next message of this kind; others are skipped. */
struct message slot_expect(struct slot *, enum message_kind);

/* A client: blocking, with a receive timeout of a minute. */
int slot_connect(const struct slot *);
void slot_write(int fd, const char *text);

struct reply {
    int status;
    char head[4096];
    unsigned char *body;
    size_t body_n;
};
/* Reads one response; `has_body` is false for the answer to HEAD. Status 0: end of file
 * came first. */
void slot_read_reply(int fd, bool has_body, struct reply *);
void reply_free(struct reply *);
/* The value of a header field of the reply, or NULL; valid until the next call. */
const char *reply_field(const struct reply *, const char *name);
/* True when the peer has closed: nothing more comes. */
bool slot_at_end(int fd);

#endif
