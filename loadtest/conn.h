/* SPDX-License-Identifier: MIT */
/* conn.h - one connection of the generator: at most one request at a time.
 *
 *   CLOSED      no descriptor; in `broken` of its client until it is time to try again
 *   CONNECTING  waits for the connection, and for TLS to be agreed on
 *   IDLE        in `idle`; whatever the server says now ends the connection
 *   BUSY        in `flight`, oldest first, until the last byte of the response
 *
 * A conn belongs to its client for as long as that lives. It tells the client what
 * happened through the owner calls below and never moves itself between the lists.
 */
#ifndef LOADTEST_CONN_H
#define LOADTEST_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <llhttp.h>

#include "loadtest/bodies.h"
#include "loadtest/heads.h"
#include "loadtest/server_timing.h"
#include "loadtest/tally.h"
#include "loadtest/target.h"
#include "loadtest/tls.h"
#include "server/base/list.h"

enum conn_state { CONN_CLOSED, CONN_CONNECTING, CONN_IDLE, CONN_BUSY };

struct conn {
    uint32_t magic;
    enum conn_state state;
    int fd;
    int epoll_fd;        /* of the client */
    struct heads *heads; /* likewise */
    uint32_t events;
    struct list link;
    const struct target *target; /* where it goes, since conn_open() */
    struct tls_conn tls;         /* no ssl for http, or before the TCP connection */
    llhttp_t parser;
    struct tally_times times; /* of the request in flight */
    uint64_t since_ns;        /* the connection was begun, or broken, at */
    uint64_t requests;        /* sent on it */
    uint64_t turn;            /* of the client's loop, when it was begun */
    uint64_t which;           /* of the target's requests is in flight */
    struct body_sum sum;      /* of its response's body, so far, if wants_body */
    uint16_t status;          /* of the response in flight */
    bool wants_timing;        /* keep the Server-Timing header of responses */
    bool wants_body;          /* add the bytes of bodies up */
    uint8_t field_len;        /* of the header's name that is being read */
    uint8_t timing_len;
    char field[sizeof "server-timing"];
    char timing[SERVER_TIMING_MAX];
    bool head;             /* the request in flight was HEAD */
    bool begun;            /* some of the response has come */
    bool sized;            /* it has a Content-Length */
    bool complete;         /* the response is */
    bool keep;             /* the connection may be used again after it */
    bool ended;            /* the server has closed its side */
    const char *malformed; /* what was wrong with the response; static, or NULL */
    size_t unsent;         /* bytes of the request that the kernel has not taken */
    char *rest;            /* these bytes; owned, NULL until first needed */
};

/* What is looked at beside the end of a response: each costs time. */
struct conn_wants {
    bool timing; /* its Server-Timing */
    bool body;   /* its bytes */
};

#define CONN_MAGIC UINT32_C(0xc0e21057)

/* What became of a readable connection. */
enum conn_read {
    CONN_MORE,   /* nothing yet */
    CONN_DONE,   /* a whole response; conn->keep says whether the connection lives */
    CONN_BROKEN, /* ended, or not HTTP */
};

void conn_init(struct conn *conn, int epoll_fd, struct heads *heads,
               const struct conn_wants *wants);
/* Closes at once and forgets the request. */
void conn_close(struct conn *conn);
void conn_free(struct conn *conn);

/* Starts connecting. 0, or a negative errno when that failed at once. */
int conn_open(struct conn *conn, const struct target *target, uint64_t now_ns);
/* Something happened to a CONNECTING conn: 0 and it is IDLE, or why not; -EAGAIN: TLS
 * waits for the server. */
int conn_opened(struct conn *conn);

/* Sends on an IDLE conn, which is BUSY then. 0 or a negative errno. */
int conn_send(struct conn *conn, const char *request, size_t len, bool head);
/* Writes what was left over. 0 or a negative errno. */
int conn_flush(struct conn *conn);

/* What epoll said of a conn that is open: before it is read. */
void conn_note(struct conn *conn, uint32_t events);
/* Reads once, or more often while the buffer comes back full, or to the end. */
enum conn_read conn_read(struct conn *conn, char *buffer, size_t size,
                         uint64_t *ret_bytes);

#endif
