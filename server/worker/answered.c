/* SPDX-License-Identifier: MIT */
/* answered.c - the books of a request, and what follows it; see answered.h. */
#include "server/worker/answered.h"

#include <sys/socket.h>

#include "server/base/check.h"
#include "server/base/clock.h"
#include "server/conf/options.h"
#include "server/worker/acceptor.h"
#include "server/worker/worker_priv.h"

static enum counter class_of(unsigned status)
{
    static const enum counter classes[] = { COUNTER_responses_2xx,
                                            COUNTER_responses_3xx,
                                            COUNTER_responses_4xx,
                                            COUNTER_responses_5xx };

    CHECK(status >= 200 && status < 600);
    return classes[status / 100 - 2];
}

static void set_ms(struct access_line *line)
{
    uint64_t ms = clock_read_ns(CLOCK_REALTIME_COARSE) / CLOCK_NS_PER_MS;

    line->time_s = (int64_t)(ms / 1000);
    line->time_ms = (unsigned)(ms % 1000);
}

static void log_request(struct worker *w, const struct conn *c)
{
    const struct request *r = &c->intake->request;
    const struct peer client = behind_client(c);
    struct access_line line = { .peer = &client,
                                .status = c->intake->out.status,
                                .bytes = c->intake->out.body_sent,
                                .cache = c->intake->cache != NULL ? c->intake->cache
                                                                  : "none",
                                .slot = w->env->slot,
                                .generation = w->env->generation,
                                .duration_ns = w->now_ns - c->start_ns,
                                .queue_ns = c->queue_ns,
                                .time_s = w->wall_s };
    uint64_t dropped = 0;

    if (c->has_request) {
        line.request = r->line;
        line.referer = r->field[FIELD_REFERER];
        line.user_agent = r->field[FIELD_USER_AGENT];
        line.id = c->intake->id;
    }
    if (w->log.json)
        set_ms(&line);
    access_log_add(&w->log, &line, &dropped);
    worker_log_dropped(w, dropped);
}

static void book(struct worker *w, struct conn *c)
{
    uint64_t now = worker_clock(w);

    count(w->seat, class_of(c->intake->out.status), 1);
    if (c->has_request)
        seat_record_latency(w->seat, now - c->start_ns);
    if (access_log_is_on(&w->log))
        log_request(w, c);
    w->seat->board.request[0] = '\0';
}

/* Bytes of TLS are bytes too. */
static bool has_unread(const struct conn *c)
{
    char byte;

    return c->readable && recv(c->wire.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Closing with unread bytes would make the kernel reset the connection, and the client
 * lose the answer: so read on for a while, unless nothing can have come. */
static enum conn_next finish_connection(struct worker *w, struct conn *c)
{
    bool more = c->linger || w->draining || intake_left(c->intake) > 0 || has_unread(c);

    if (!more || w->deadlines.timeout_ns[DEADLINE_LINGER] == 0 ||
        c->wire.io->end(&c->wire) < 0) {
        conn_goto(c, CONN_CLOSING);
        return CONN_MORE;
    }
    conn_goto(c, CONN_LINGER);
    deadline_set(&w->deadlines, &c->deadline, DEADLINE_LINGER, w->now_ns);
    return CONN_MORE;
}

static enum conn_next next_request(struct worker *w, struct conn *c)
{
    c->has_request = false;
    intake_next(c->intake);
    c->start_ns = w->now_ns; /* if it is here already */
    c->queue_ns = 0;
    deadline_set(&w->deadlines, &c->deadline, DEADLINE_KEEPALIVE, w->now_ns);
    conn_goto(c, CONN_READ_HEAD);
    return CONN_MORE;
}

static bool takes_too_slowly(const struct worker *w, const struct conn *c)
{
    const struct pace *pace = &c->intake->pace;

    return pace_is_slow(pace, (int64_t)pace->bytes, w->now_ns,
                        w->deadlines.timeout_ns[DEADLINE_SEND],
                        (uint64_t)w->options->rate_min);
}

enum conn_next answered(struct conn *c, enum sent sent)
{
    struct worker *w = c->worker;
    bool on = sent == SENT_PART || sent == SENT_AGAIN;

    CHECK(c->state == CONN_SEND);
    if (on && takes_too_slowly(w, c)) {
        count(w->seat, COUNTER_too_slow, 1);
        sent = SENT_FAILED;
    } else if (on) {
        deadline_set(&w->deadlines, &c->deadline, DEADLINE_SEND, w->now_ns);
        if (sent == SENT_AGAIN)
            return CONN_OTHERS;
        conn_want_write(c, true);
        return CONN_PAUSE;
    }
    if (sent == SENT_FAILED)
        count(w->seat, COUNTER_resets, 1);
    else if (c->interim)
        ; /* nothing is answered yet */
    else
        book(w, c);
    send_free(&c->intake->out, &w->pins);
    conn_want_write(c, false);
    if (sent == SENT_FAILED) {
        conn_goto(c, CONN_CLOSING);
        return CONN_MORE;
    }
    if (c->interim) {
        c->interim = false;
        conn_goto(c, CONN_READ_BODY);
        return CONN_MORE;
    }
    return c->close_after ? finish_connection(w, c) : next_request(w, c);
}
