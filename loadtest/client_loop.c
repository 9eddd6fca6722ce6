/* SPDX-License-Identifier: MIT */
/* client_loop.c - the event loop of a client thread.
 *
 * One epoll_pwait2() per turn, with the time of the next planned request as its limit
 * in nanoseconds: there is no timer to set, and so none that fires late by a rounded
 * millisecond (README rule 3). All deadlines of one kind are the same length, so each
 * list is in order of its deadlines and only its head is ever looked at.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "loadtest/client.h"
#include "server/base/check.h"
#include "server/base/clock.h"

enum { EVENTS_AT_ONCE = 128 };

#define RETRY_NS    (100 * CLOCK_NS_PER_MS) /* after a failed connection attempt */
#define MAX_WAIT_NS (50 * CLOCK_NS_PER_MS)  /* so that a request to stop is noticed */

static struct conn *first(struct list *list)
{
    struct list *link = list_first(list);
    return link == NULL ? NULL : list_entry(link, struct conn, link);
}

static struct tally *tally_of(struct client *client)
{
    return recorder_tally(&client->recorder);
}

static void move_to(struct list *list, struct conn *conn)
{
    list_remove(&conn->link);
    list_push_back(list, &conn->link);
}

/* --- opening --- */

static void open_failed(struct client *client, struct conn *conn, int err,
                        uint64_t now_ns)
{
    client->connect_error = -err;
    tally_of(client)->counts.connect_errors++;
    conn_close(conn);
    conn->since_ns = now_ns;
    move_to(&client->broken, conn);
}

static void open_conn(struct client *client, struct conn *conn, uint64_t now_ns)
{
    conn->turn = client->turn;
    int err = conn_open(conn, client->config->target, now_ns);
    if (err < 0)
        open_failed(client, conn, err, now_ns);
    else
        move_to(&client->connecting, conn);
}

static void reopen(struct client *client, struct conn *conn, uint64_t now_ns)
{
    conn_close(conn);
    open_conn(client, conn, now_ns);
}

static void on_opened(struct client *client, struct conn *conn)
{
    uint64_t now = clock_ns();
    int err = conn_opened(conn);
    if (err == -EAGAIN) /* the handshake goes on */
        return;
    if (err < 0) {
        open_failed(client, conn, err, now);
        return;
    }
    tally_of(client)->counts.connects++;
    if (conn->tls.ssl != NULL)
        tally_of(client)->counts.resumed += tls_resumed(&conn->tls);
    hist_record(&client->connect, now - conn->since_ns);
    move_to(&client->idle, conn);
}

/* --- requests --- */

/* A request that ends without a whole response; `counter` says why. */
static void fail(struct client *client, struct conn *conn, uint64_t *counter,
                 uint64_t now_ns)
{
    (*counter)++;
    tally_failed(tally_of(client), conn->times.planned_ns, now_ns,
                 client->config->timeout_ns);
    conn->times.done_ns = now_ns;
    keeper_add(&client->keeper, &conn->times, true, SPAN(""));
    reopen(client, conn, now_ns);
}

static void send_on(struct client *client, struct conn *conn, uint64_t planned_ns,
                    uint64_t now_ns)
{
    const struct target *target = client->config->target;
    struct tally_counts *counts = &tally_of(client)->counts;
    struct target_pick pick;
    bool preface = conn->requests == 0 && conn->tls.ssl == NULL;
    size_t len = preface ? dial_preface(&target->dial, conn->fd, client->request) : 0;
    if (target->replay.n > 0) /* the line that this thread has just taken */
        len += target_replay(target,
                             (client->pacer.send.index - 1) * client->config->threads +
                                 client->index,
                             client->request + len, &pick);
    else
        len += target_next(target, &client->requests, client->request + len, &pick);
    conn->times = (struct tally_times){ .planned_ns = planned_ns, .sent_ns = now_ns };
    conn->which = pick.which;
    counts->sent++;
    move_to(&client->flight, conn);
    if (conn_send(conn, client->request, len, pick.head) < 0)
        fail(client, conn, &counts->write_errors, now_ns);
}

/* Gives every request that is due to a connection that is free. */
static void dispatch(struct client *client, uint64_t now_ns)
{
    struct pacer *pacer = &client->pacer;
    uint64_t planned, due_ns = pacer_next_ns(pacer), waiting = pacer_waiting(pacer);
    if (due_ns < now_ns)
        keeper_stall(&client->keeper, due_ns, now_ns);
    tally_of(client)->counts.planned +=
        pacer_notice(pacer, now_ns, &tally_of(client)->lag);
    while (!list_empty(&client->idle) && pacer_take(pacer, now_ns, &planned)) {
        if (!pacer->open_loop)
            tally_of(client)->counts.planned++;
        else
            hist_record(&tally_of(client)->wait, waiting > 0 ? now_ns - planned : 0);
        waiting -= waiting > 0; /* the oldest are those that waited before */
        send_on(client, first(&client->idle), planned, now_ns);
        now_ns = clock_ns();
    }
}

/* The body is the one that this request had before (--verify). */
static bool is_right(struct client *client, const struct conn *conn)
{
    return !conn->wants_body || conn->head || conn->status != 200 ||
           bodies_check(&client->bodies, conn->which, conn->sum);
}

/* It has lived as long as it was asked to. */
static bool is_old(const struct client *client, const struct conn *conn,
                   uint64_t now_ns)
{
    const struct dial *dial = &client->config->target->dial;
    return (dial->requests > 0 && conn->requests >= dial->requests) ||
           (dial->life_ns > 0 && now_ns - conn->since_ns >= dial->life_ns);
}

static void on_response(struct client *client, struct conn *conn)
{
    struct tally *tally = tally_of(client);
    uint64_t now = clock_ns();
    conn->times.done_ns = now;
    if (is_right(client, conn)) {
        tally_response(tally, &conn->times, conn->status, client->config->timeout_ns);
    } else {
        tally->counts.wrong_bodies++;
        tally_failed(tally, conn->times.planned_ns, now, client->config->timeout_ns);
    }
    keeper_add(&client->keeper, &conn->times, conn->status >= 500,
               span_make(conn->timing, conn->timing_len));
    tally->counts.in_time += now <= client->pacer.end_ns;
    if (conn->keep && conn->ended) { /* it did not say so beforehand */
        tally->counts.closes++;
        reopen(client, conn, now);
    } else if (conn->keep && !is_old(client, conn, now)) {
        conn->state = CONN_IDLE;
        move_to(&client->idle, conn);
    } else {
        reopen(client, conn, now);
    }
    /* a closed loop reads all that has come, then asks for more: each of the two paths
     * through the kernel stays in the cache, and the server is woken once */
    if (client->pacer.open_loop)
        dispatch(client, now);
}

static void note_malformed(struct tally *tally, const char *why)
{
    tally->counts.malformed++;
    if (tally->malformed == NULL)
        tally->malformed = why;
}

static void on_readable(struct client *client, struct conn *conn)
{
    struct tally_counts *counts = &tally_of(client)->counts;
    uint64_t bytes;
    enum conn_read got = conn_read(conn, client->buffer, CLIENT_READ_SIZE, &bytes);
    counts->bytes += bytes;
    if (got == CONN_DONE) {
        on_response(client, conn);
    } else if (got == CONN_BROKEN && conn->state == CONN_BUSY) {
        if (conn->malformed != NULL)
            note_malformed(tally_of(client), conn->malformed);
        fail(client, conn, &counts->read_errors, clock_ns());
    } else if (got == CONN_BROKEN) {
        counts->closes++;
        reopen(client, conn, clock_ns());
    }
}

static void on_event(struct client *client, struct conn *conn, uint32_t events)
{
    struct tally_counts *counts = &tally_of(client)->counts;
    CHECK_MAGIC(conn, CONN_MAGIC);
    if (conn->turn == client->turn) /* meant for the socket that it had before */
        return;
    if (conn->state == CONN_CONNECTING) {
        on_opened(client, conn);
        return;
    }
    conn_note(conn, events);
    if ((events & EPOLLOUT) != 0 && conn_flush(conn) < 0)
        fail(client, conn, &counts->write_errors, clock_ns());
    else if ((events & ~(uint32_t)EPOLLOUT) != 0)
        on_readable(client, conn);
}

/* --- time --- */

static void expire(struct client *client, uint64_t now_ns)
{
    uint64_t timeout = client->config->timeout_ns;
    struct conn *conn;
    while ((conn = first(&client->flight)) != NULL &&
           now_ns >= conn->times.sent_ns + timeout)
        fail(client, conn, &tally_of(client)->counts.timeouts, now_ns);
    while ((conn = first(&client->connecting)) != NULL &&
           now_ns >= conn->since_ns + timeout)
        open_failed(client, conn, -ETIMEDOUT, now_ns);
    while ((conn = first(&client->broken)) != NULL &&
           (conn->since_ns == 0 || now_ns >= conn->since_ns + RETRY_NS))
        open_conn(client, conn, now_ns);
}

static void sooner(uint64_t *when, uint64_t candidate)
{
    if (candidate < *when)
        *when = candidate;
}

static uint64_t next_deadline(struct client *client, uint64_t now_ns)
{
    uint64_t timeout = client->config->timeout_ns;
    uint64_t when = now_ns + MAX_WAIT_NS;
    struct conn *conn;
    sooner(&when, pacer_next_ns(&client->pacer));
    if (now_ns < client->pacer.end_ns)
        sooner(&when, client->pacer.end_ns);
    if ((conn = first(&client->flight)) != NULL)
        sooner(&when, conn->times.sent_ns + timeout);
    if ((conn = first(&client->connecting)) != NULL)
        sooner(&when, conn->since_ns + timeout);
    if ((conn = first(&client->broken)) != NULL)
        sooner(&when, conn->since_ns + RETRY_NS);
    return when;
}

/* How long to sleep. README rule 4: waking up takes a processor tens of microseconds,
 * which would be charged to the server; so, if asked to, the last bit before a planned
 * request is spent polling. */
static uint64_t time_to_sleep(const struct client *client, uint64_t until_ns,
                              uint64_t now_ns, bool *ret_spin)
{
    uint64_t left = until_ns > now_ns ? until_ns - now_ns : 0;
    uint64_t spin = client->config->spin_ns;
    *ret_spin = false;
    if (spin == 0 || until_ns != pacer_next_ns(&client->pacer))
        return left;
    *ret_spin = left > 0 && left <= spin;
    return left > spin ? left - spin : 0;
}

/* Between two events, not only between two turns: connecting again to a server that has
 * closed many connections takes milliseconds, and the plan goes on meanwhile. */
static void send_what_is_due(struct client *client)
{
    if (!client->pacer.open_loop)
        return;
    uint64_t now = clock_ns();
    if (pacer_next_ns(&client->pacer) <= now)
        dispatch(client, now);
}

static void wait_and_handle(struct client *client, uint64_t until_ns)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    bool spin;
    uint64_t now = clock_ns();
    uint64_t sleep = time_to_sleep(client, until_ns, now, &spin);
    struct timespec limit = { .tv_sec = (time_t)(sleep / CLOCK_NS_PER_S),
                              .tv_nsec = (long)(sleep % CLOCK_NS_PER_S) };
    int n = epoll_pwait2(client->epoll_fd, events, EVENTS_AT_ONCE, &limit, NULL);
    CHECK(n >= 0 || errno == EINTR);
    if (n == 0 && spin)
        client->spun_ns += clock_ns() - now;
    client->turn++;
    for (int i = 0; i < n; i++) {
        on_event(client, events[i].data.ptr, events[i].events);
        send_what_is_due(client);
    }
}

/* --- the two loops --- */

static bool stopped(struct client *client)
{
    uint64_t stop = atomic_load_explicit(&client->group->stop_ns, memory_order_relaxed);
    if (stop != 0)
        pacer_stop(&client->pacer, stop);
    return atomic_load_explicit(&client->group->abandon, memory_order_relaxed);
}

static void forget_backlog(struct client *client)
{
    uint64_t planned;
    while (pacer_drop(&client->pacer, &planned))
        continue;
}

static void note_backlog(struct client *client, uint64_t now_ns)
{
    if (client->backlog_noted || now_ns < client->pacer.end_ns)
        return;
    client->backlog_noted = true;
    tally_of(client)->counts.backlog += pacer_waiting(&client->pacer);
}

static bool is_over(const struct client *client, uint64_t now_ns)
{
    return now_ns >= client->pacer.end_ns && pacer_waiting(&client->pacer) == 0 &&
           list_empty(&client->flight);
}

void client_loop(struct client *client, bool finish_backlog)
{
    uint64_t interval = client->config->interval_ns;
    uint64_t swap_ns = client->pacer.start_ns + interval;
    for (;;) {
        uint64_t now = clock_ns();
        bool abandon = stopped(client);
        if (finish_backlog && now >= swap_ns) {
            recorder_swap(&client->recorder, now);
            swap_ns += interval;
        }
        expire(client, now);
        dispatch(client, now);
        note_backlog(client, now);
        if (now >= client->pacer.end_ns && !finish_backlog)
            forget_backlog(client);
        if (is_over(client, now) || abandon ||
            now >= client->pacer.end_ns + client->config->timeout_ns)
            return;
        wait_and_handle(client, next_deadline(client, now));
    }
}

void client_connect(struct client *client, uint64_t until_ns)
{
    for (uint64_t now = clock_ns(); now < until_ns; now = clock_ns()) {
        expire(client, now);
        if (list_empty(&client->connecting) && list_empty(&client->broken))
            return;
        if (atomic_load_explicit(&client->group->stop_ns, memory_order_relaxed) != 0)
            return;
        wait_and_handle(client, next_deadline(client, now));
    }
}
