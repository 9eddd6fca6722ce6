/* SPDX-License-Identifier: MIT */
/* conn.c - birth, driver and end of a connection; see conn.h.
 *
 * The callbacks of libevent only note what happened and call conn_run(); the decisions
 * are in conn_states.c. A conn that uses up its steps goes into worker->ready and is
 * run again in the next turn of the loop: no event of the socket would come for bytes
 * that were read already.
 */
#include "server/worker/conn.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/conf/options.h"
#include "server/tls/tls.h"
#include "server/worker/routes.h"
#include "server/worker/worker_priv.h"

#define TO(name)                  (1u << CONN_##name)
#define CONN_ROW(name, to, waits) [CONN_##name] = { #name, to, waits },
static const struct {
    const char *name;
    unsigned may_follow;
    const char *waits_for;
} states[CONN_STATE_N] = { CONN_STATES(CONN_ROW) };
#undef CONN_ROW
#undef TO

const char *conn_state_name(enum conn_state state)
{
    return states[state].name;
}

const char *conn_waits_for(enum conn_state state)
{
    return states[state].waits_for;
}

bool conn_may_follow(enum conn_state from, enum conn_state to)
{
    return (states[from].may_follow & (1u << to)) != 0;
}

void conn_goto(struct conn *c, enum conn_state to)
{
    CHECK(conn_may_follow((enum conn_state)c->state, to));
    c->state = (uint8_t)to;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;

    (void)fd;
    CHECK_MAGIC(c, CONN_MAGIC);
    worker_enter(c->worker);
    c->readable = true;
    if ((what & EV_CLOSED) != 0)
        c->ended = true;
    if (c->state != CONN_WAIT && c->state != CONN_SEND)
        conn_run(c); /* else nobody wants them now */
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;

    (void)fd;
    (void)what;
    CHECK_MAGIC(c, CONN_MAGIC);
    worker_enter(c->worker);
    if (c->wire.needs_room) { /* a read did: a handshake */
        c->readable = true;
        conn_want_write(c, false);
    }
    conn_run(c);
}

static bool count_client(struct worker *w, const struct peer *peer, uint64_t *ret_id)
{
    int rc = clients_enter(&w->clients, peer, ret_id);
    char name[INET6_ADDRSTRLEN], more[LOG_LEFT_OUT_MAX];
    uint64_t left_out;

    if (rc == 0)
        return true;
    count(w->seat, COUNTER_refused, 1);
    if (log_limit_pass(&w->clients_told, w->now_ns, &left_out))
        log_warn("refused a connection of client %s: %s%s", peer_name(name, peer),
                 rc == -EDQUOT ? "it has all that `client_connections` allows"
                               : "no memory to count it",
                 log_left_out(more, left_out));
    return false;
}

struct conn *conn_alloc(void)
{
    return malloc(sizeof(struct conn));
}

bool conn_speak_tls(struct conn *c, const void *first, size_t n)
{
    return wire_tls(&c->wire, c->worker->env->tls, first, n) == 0;
}

static bool speaks_tls(const struct worker *w, const struct accepted *got)
{
    return w->env->tls != NULL && got->listener >= w->env->tls_from;
}

bool conn_init(struct conn *c, struct worker *w, const struct accepted *got)
{
    const struct peer *peer = &got->peer;
    int fd = got->fd;
    bool by_proxy = peer_list_has(&w->behind.proxies, peer); /* its client follows */
    uint64_t client = 0;

    if (!by_proxy && !count_client(w, peer, &client)) {
        free(c);
        close(fd);
        return false;
    }
    memset(c, 0, sizeof *c);
    c->magic = CONN_MAGIC;
    c->worker = w;
    c->wire = wire_plain(fd);
    c->tls = speaks_tls(w, got);
    if (c->tls && !by_proxy && !conn_speak_tls(c, NULL, 0)) {
        clients_leave(&w->clients, client);
        free(c);
        close(fd);
        return false;
    }
    c->state = by_proxy ? CONN_READ_PROXY : CONN_READ_HEAD;
    c->readable = true; /* bytes often come with the connection */
    c->peer = *peer;
    c->client = client;
    list_init(&c->in_ready);
    list_init(&c->in_fetch);
    deadline_init(&c->deadline);
    event_assign(&c->ev_read, w->base, fd, EV_READ | EV_CLOSED | EV_PERSIST | EV_ET,
                 on_readable, c);
    deadline_set(&w->deadlines, &c->deadline, DEADLINE_HEAD, w->now_ns);

    list_push_back(&w->conns, &c->in_worker);
    w->conn_count++;
    count(w->seat, COUNTER_accepted, 1);
    count_set(w->seat, COUNTER_connections, w->conn_count);
    return true;
}

bool conn_set_client(struct conn *c, const struct peer *client)
{
    c->peer = *client;
    return count_client(c->worker, client, &c->client);
}

void conn_free(struct conn *c)
{
    struct worker *w;

    if (c == NULL)
        return;
    CHECK_MAGIC(c, CONN_MAGIC);
    w = c->worker;
    list_remove(&c->in_worker);
    clients_leave(&w->clients, c->client);
    w->conn_count--;
    count(w->seat, COUNTER_closed, 1);
    count_set(w->seat, COUNTER_connections, w->conn_count);
    if (c->has_request) /* given up: the slot's obituary should not name it */
        w->seat->board.request[0] = '\0';

    list_remove(&c->in_ready);
    fetch_leave(c);
    deadline_clear(&c->deadline);
    event_del(&c->ev_read);
    conn_forget_write(c);
    fetched_drop(c->fetched);
    if (c->intake != NULL) {
        send_free(&c->intake->out, &w->pins);
        intake_give(&w->intakes, c->intake, true);
    }
    c->wire.io->close(&c->wire);
    if (w->acceptor != NULL)
        acceptor_closed(w->acceptor);
    c->magic = 0;
    free(c);
}

/* Somebody waits for bytes: registered once, and left so while it is of use. When
 * memory is short the deadline of the connection ends what never wakes up. */
void conn_want_read(struct conn *c)
{
    if (!c->wants_read && event_add(&c->ev_read, NULL) == 0)
        c->wants_read = true;
}

void conn_want_write(struct conn *c, bool yes)
{
    if (yes && c->ev_write == NULL)
        c->ev_write = event_new(c->worker->base, c->wire.fd,
                                EV_WRITE | EV_PERSIST | EV_ET, on_writable, c);
    if (yes && !c->wants_write && c->ev_write != NULL)
        c->wants_write = event_add(c->ev_write, NULL) == 0;
    else if (!yes && c->wants_write)
        c->wants_write = event_del(c->ev_write) < 0;
}

void conn_forget_write(struct conn *c)
{
    if (c->ev_write != NULL)
        event_free(c->ev_write); /* removes it first */
    c->ev_write = NULL;
    c->wants_write = false;
}

/* c may be gone after this. */
static void go_on(struct conn *c, enum conn_next next)
{
    if (next == CONN_DONE)
        conn_free(c);
    else if (next == CONN_MORE || next == CONN_OTHERS)
        list_push_back(&c->worker->ready, &c->in_ready);
    else if (next == CONN_HUNGRY)
        list_push_back(&c->worker->hungry, &c->in_ready);
}

void conn_run(struct conn *c)
{
    enum conn_next next = CONN_MORE;

    list_remove(&c->in_ready);
    for (unsigned i = 0; next == CONN_MORE && i < CONN_STEPS_MAX; i++) {
        CHECK_MAGIC(c, CONN_MAGIC);
        next = conn_steps[c->state](c);
    }
    go_on(c, next);
}

/* No byte of a request is here. */
static bool is_idle(const struct conn *c)
{
    return (c->state == CONN_READ_HEAD || c->state == CONN_READ_PROXY) &&
           c->intake == NULL;
}

/* Bytes of a request that no event has told of: they came after the loop had looked and
 * before the deadline was, in a process that did not run in between. */
static bool has_unread_request(const struct conn *c)
{
    char byte;

    return is_idle(c) && recv(c->wire.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* All that was sent has arrived: what is left is the client's to close. */
static bool is_answered(const struct conn *c)
{
    int left;

    return c->state == CONN_LINGER && ioctl(c->wire.fd, SIOCOUTQ, &left) == 0 &&
           left == 0;
}

bool conn_shed(struct conn *c)
{
    bool waits = c->state == CONN_READ_PROXY || c->state == CONN_READ_HEAD ||
                 c->state == CONN_READ_BODY;
    char byte;

    CHECK_MAGIC(c, CONN_MAGIC);
    if (is_answered(c) || (waits && !list_linked(&c->in_ready) &&
                           recv(c->wire.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)) {
        conn_free(c);
        return true;
    }
    deadline_set(&c->worker->deadlines, &c->deadline, c->deadline.kind,
                 c->worker->now_ns);
    c->readable = c->readable || waits;
    if (waits && !list_linked(&c->in_ready))
        conn_run(c); /* what it waits for has come, and no event has told of it yet */
    return false;
}

enum takes { TAKES_NOTHING, TAKES_TOO_LITTLE, TAKES_ENOUGH };

/* The socket had no room for a while; the client may be at work on what is in it. */
static enum takes what_it_takes(struct conn *c)
{
    const struct worker *w = c->worker;
    struct pace *pace = &c->intake->pace;

    if (c->state != CONN_SEND || !pace_takes_more(pace, c->wire.fd))
        return TAKES_NOTHING;
    return pace_is_slow(pace, pace->taken, w->now_ns,
                        w->deadlines.timeout_ns[DEADLINE_SEND],
                        (uint64_t)w->options->rate_min)
               ? TAKES_TOO_LITTLE
               : TAKES_ENOUGH;
}

void conn_expire(struct conn *c)
{
    struct worker *w = c->worker;
    enum deadline_kind kind = c->deadline.kind;

    CHECK_MAGIC(c, CONN_MAGIC);
    deadline_clear(&c->deadline);
    if (has_unread_request(c)) { /* to close now would reset it, unanswered */
        deadline_set(&w->deadlines, &c->deadline, kind, w->now_ns);
        c->readable = true;
        conn_run(c);
        return;
    }
    enum takes takes = kind == DEADLINE_SEND ? what_it_takes(c) : TAKES_NOTHING;
    if (takes == TAKES_ENOUGH) {
        deadline_set(&w->deadlines, &c->deadline, kind, w->now_ns);
        return;
    }
    if (kind != DEADLINE_KEEPALIVE && kind != DEADLINE_QUIET)
        count(w->seat, takes == TAKES_NOTHING ? COUNTER_timeouts : COUNTER_too_slow, 1);
    if ((kind == DEADLINE_HEAD || kind == DEADLINE_BODY) && c->intake != NULL &&
        (c->state == CONN_READ_HEAD || c->state == CONN_READ_BODY)) {
        list_remove(&c->in_ready);
        go_on(c, routes_refuse(c, 408));
        return;
    }
    if (kind == DEADLINE_FETCH) {
        fetch_leave(c);
        go_on(c, routes_refuse(c, 503));
        return;
    }
    conn_free(c);
}

void conn_drain(struct conn *c)
{
    if (is_idle(c))
        deadline_set(&c->worker->deadlines, &c->deadline, DEADLINE_QUIET,
                     c->worker->now_ns);
}
