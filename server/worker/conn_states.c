/* SPDX-License-Identifier: MIT */
/* conn_states.c - what a connection does in each of its states; the table is in conn.h.
 */
#include <errno.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/conf/options.h"
#include "server/http/proxy.h"
#include "server/tls/tls.h"
#include "server/worker/conn.h"
#include "server/worker/routes.h"
#include "server/worker/worker_priv.h"

enum fill { FILL_SOME, FILL_NONE, FILL_END };

/* Where there is none; c->intake stays NULL without memory. */
static void take_intake(struct conn *c)
{
    if (c->intake != NULL)
        return;
    c->intake = intake_take(&c->worker->intakes);
    if (c->intake != NULL)
        c->intake->request.blank = c->blank;
}

static void note_tls(struct conn *c)
{
    static const enum counter counters[] = { [TLS_SHAKEN] = COUNTER_tls_handshakes,
                                             [TLS_RESUMED] = COUNTER_tls_resumed,
                                             [TLS_FAILED] = COUNTER_tls_failed };
    enum tls_news news = tls_news(&c->wire);

    if (news == TLS_NOTHING)
        return;
    c->tls_told = true;
    count(c->worker->seat, counters[news], 1);
}

/* One read, if it may find something. A read that came back short has emptied the
 * socket: the next bytes come with an event, so there is no second read just to hear
 * EAGAIN. Not so when the end came with these bytes, or when they went through TLS and
 * others are there. */
static enum fill fill(struct conn *c)
{
    struct worker *w = c->worker;
    size_t room;
    char *to;
    ssize_t got;

    if (!c->readable)
        return FILL_NONE;
    to = intake_room(&w->intakes, c->intake, &room);
    if (to == NULL)
        return FILL_END;
    got = c->wire.io->read(&c->wire, to, room);
    if (c->tls && !c->tls_told)
        note_tls(c);
    if (got > 0) {
        c->intake->len += (size_t)got;
        c->intake->pace.bytes += (size_t)got;
        c->readable = (size_t)got == room || c->ended || c->wire.more;
        count(w->seat, COUNTER_bytes_in, (uint64_t)got);
        return FILL_SOME;
    }
    c->readable = false;
    if (c->wire.needs_room)
        conn_want_write(c, true);
    return got == -EAGAIN ? FILL_NONE : FILL_END;
}

static enum conn_next close_now(struct conn *c)
{
    conn_goto(c, CONN_CLOSING);
    return CONN_MORE;
}

/* The peer ended, or the connection broke, in the middle of something. */
static enum conn_next close_reset(struct conn *c)
{
    count(c->worker->seat, COUNTER_resets, 1);
    return close_now(c);
}

/* No byte of a request is here: the connection costs no buffer until one comes. A
 * deadline that runs is left alone, so that empty lines do not keep a connection alive.
 */
static enum conn_next pause_idle(struct conn *c)
{
    struct worker *w = c->worker;

    if (c->intake != NULL) {
        c->blank = (uint8_t)c->intake->request.blank; /* so few are allowed */
        intake_give(&w->intakes, c->intake, c->intake->fed);
        c->intake = NULL;
    }
    if (!c->wire.needs_room)
        conn_forget_write(c);
    if (w->draining && c->deadline.kind != DEADLINE_QUIET)
        deadline_set(&w->deadlines, &c->deadline, DEADLINE_QUIET, w->now_ns);
    conn_want_read(c);
    return CONN_PAUSE;
}

static enum conn_next pause_in_head(struct conn *c)
{
    struct worker *w = c->worker;

    if (c->deadline.kind != DEADLINE_HEAD)
        deadline_set(&w->deadlines, &c->deadline, DEADLINE_HEAD, w->now_ns);
    conn_want_read(c);
    return CONN_PAUSE;
}

/* For the obituary, should this request kill us: plain text, what is not becomes '?'.
 * Done for every request, so without a branch per byte. */
static void note_request(struct worker *w, const struct request *r)
{
    size_t n = r->line.n < SEAT_REQUEST_MAX ? r->line.n : SEAT_REQUEST_MAX - 1;
    unsigned char line[SEAT_REQUEST_MAX];

    memset(line, ' ', sizeof line);
    memcpy(line, r->line.p, n);
    for (size_t i = 0; i < sizeof line; i++) {
        unsigned char byte = line[i];

        line[i] =
            byte < 0x20 || byte > 0x7e || byte == '"' || byte == '\\' ? '?' : byte;
    }
    line[n] = '\0';
    memcpy(w->seat->board.request, line, sizeof line);
}

static enum conn_next begin_request(struct conn *c)
{
    struct worker *w = c->worker;
    struct request *r = &c->intake->request;

    intake_hold(c->intake);
    c->has_request = true;
    c->requests++;
    w->requests++;
    count(w->seat, COUNTER_requests, 1);
    note_request(w, r);
    behind_name(c);
    if (!r->has_body) {
        conn_goto(c, CONN_HANDLE);
        return CONN_MORE;
    }
    conn_goto(c, CONN_READ_BODY);
    pace_begin(&c->intake->pace, w->now_ns);
    deadline_set(&w->deadlines, &c->deadline, DEADLINE_BODY, w->now_ns);
    return CONN_MORE;
}

static enum conn_next refuse(struct conn *c)
{
    count(c->worker->seat, COUNTER_bad_requests, 1);
    return routes_refuse(c, c->intake->request.status);
}

/* Not what was agreed upon, so not who was meant: nobody to answer. */
static enum conn_next refuse_proxy(struct conn *c)
{
    struct worker *w = c->worker;
    char name[INET6_ADDRSTRLEN], more[LOG_LEFT_OUT_MAX];
    uint64_t left_out;

    count(w->seat, COUNTER_proxy_errors, 1);
    if (log_limit_pass(&w->proxy_told, w->now_ns, &left_out))
        log_warn("%s is in proxy_from and sent no PROXY header, or a bad one: closed%s",
                 peer_name(name, &c->peer), log_left_out(more, left_out));
    return close_now(c);
}

static enum conn_next take_proxy(struct conn *c, const struct proxy_header *header)
{
    struct intake *in = c->intake;

    in->at += header->size;
    count(c->worker->seat, COUNTER_proxied, 1);
    if (!conn_set_client(c, header->known ? &header->client : &c->peer))
        return close_now(c);
    if (c->tls) {
        if (!conn_speak_tls(c, in->bytes + in->at, intake_left(in)))
            return close_now(c);
        in->at = in->len = 0;
        c->readable = true;
    }
    conn_goto(c, CONN_READ_HEAD);
    return CONN_MORE;
}

/* The header of the PROXY protocol in front of the first request. Its deadline is that
 * of a head, which began with the connection. */
static enum conn_next step_read_proxy(struct conn *c)
{
    struct proxy_header header;

    take_intake(c);
    if (c->intake == NULL)
        return CONN_HUNGRY;
    switch (proxy_parse(c->intake->bytes + c->intake->at, intake_left(c->intake),
                        &header)) {
    case PROXY_DONE:
        return take_proxy(c, &header);
    case PROXY_BAD:
        return refuse_proxy(c);
    case PROXY_MORE:
        break;
    }
    switch (fill(c)) {
    case FILL_SOME:
        return CONN_MORE;
    case FILL_NONE:
        if (intake_left(c->intake) == 0)
            return pause_idle(c);
        conn_want_read(c);
        return CONN_PAUSE;
    case FILL_END:
        break;
    }
    return close_now(c);
}

/* Bytes are here: is a head? */
static enum conn_next feed_head(struct conn *c)
{
    struct intake *in = c->intake;
    struct request_fed fed =
        request_feed(&in->request, in->bytes + in->at, intake_left(in));

    in->at += fed.consumed;
    in->fed = true;
    if (fed.event == REQUEST_HEAD)
        return begin_request(c);
    if (fed.event == REQUEST_REFUSED)
        return refuse(c);
    CHECK(fed.event == REQUEST_MORE);
    switch (fill(c)) {
    case FILL_SOME:
        return CONN_MORE;
    case FILL_NONE:
        return request_begun(&in->request) ? pause_in_head(c) : pause_idle(c);
    case FILL_END:
        break;
    }
    return request_begun(&in->request) ? close_reset(c) : close_now(c);
}

static enum conn_next step_read_head(struct conn *c)
{
    struct worker *w = c->worker;

    if (c->intake == NULL || intake_left(c->intake) == 0) {
        if (!c->readable)
            return pause_idle(c);
        take_intake(c);
        if (c->intake == NULL)
            return CONN_HUNGRY; /* it was accepted: its request is not given up */
        c->start_ns = w->now_ns;
        c->queue_ns = w->now_ns - w->turn_ns;
        switch (fill(c)) {
        case FILL_SOME:
            break;
        case FILL_NONE:
            return pause_idle(c);
        case FILL_END:
            return close_now(c);
        }
    }
    return feed_head(c);
}

/* The client waits for a word before it sends the body. When the answer will be an
 * error whatever it sends, it gets that; else the word. */
static enum conn_next answer_expectation(struct conn *c)
{
    struct request *r = &c->intake->request;
    unsigned status = method_status(r->method);

    r->expect_continue = false;
    if (status != 0)
        return routes_refuse(c, status);
    c->interim = true;
    c->intake->out.part[SEND_HEAD] = SPAN(RESPONSE_CONTINUE);
    conn_goto(c, CONN_SEND);
    return CONN_MORE;
}

/* Feeds what is here. True when the state is settled and *ret_next says how to go on.
 */
static bool feed_body(struct conn *c, enum conn_next *ret_next)
{
    struct intake *in = c->intake;

    for (;;) {
        struct request_fed fed =
            request_feed(&in->request, in->bytes + in->at, intake_left(in));

        in->at += fed.consumed;
        switch (fed.event) {
        case REQUEST_BODY:
            continue; /* read, bounded, and of no use to anybody */
        case REQUEST_DONE:
            conn_goto(c, CONN_HANDLE);
            *ret_next = CONN_MORE;
            return true;
        case REQUEST_REFUSED:
            *ret_next = refuse(c);
            return true;
        case REQUEST_MORE:
            return false;
        case REQUEST_HEAD:
            break;
        }
        CHECK(fed.event != REQUEST_HEAD);
    }
}

static bool sends_too_slowly(const struct conn *c)
{
    const struct worker *w = c->worker;
    const struct pace *pace = &c->intake->pace;

    return pace_is_slow(pace, (int64_t)pace->bytes, w->now_ns,
                        w->deadlines.timeout_ns[DEADLINE_BODY],
                        (uint64_t)w->options->rate_min);
}

static enum conn_next step_read_body(struct conn *c)
{
    struct worker *w = c->worker;
    enum conn_next next;

    if (feed_body(c, &next))
        return next;
    if (c->intake->request.expect_continue && intake_left(c->intake) == 0)
        return answer_expectation(c);
    switch (fill(c)) {
    case FILL_SOME:
        return CONN_MORE;
    case FILL_NONE:
        if (sends_too_slowly(c)) {
            count(w->seat, COUNTER_too_slow, 1);
            return routes_refuse(c, 408);
        }
        deadline_set(&w->deadlines, &c->deadline, DEADLINE_BODY, w->now_ns);
        conn_want_read(c);
        return CONN_PAUSE;
    case FILL_END:
        break;
    }
    return close_reset(c);
}

/* Our last byte is sent: what still comes is read and thrown away. */
static enum conn_next step_linger(struct conn *c)
{
    struct intake *in = c->intake;
    ssize_t got;

    if (c->worker->done)
        return close_now(c);
    got = c->wire.io->read(&c->wire, in->bytes, in->cap);
    if (got > 0)
        return CONN_MORE;
    if (got != -EAGAIN)
        return close_now(c);
    conn_want_read(c);
    return CONN_PAUSE;
}

static enum conn_next step_closing(struct conn *c)
{
    (void)c;
    return CONN_DONE;
}

conn_step_fn *const conn_steps[CONN_STATE_N] = {
    [CONN_READ_PROXY] = step_read_proxy, [CONN_READ_HEAD] = step_read_head,
    [CONN_READ_BODY] = step_read_body,   [CONN_HANDLE] = routes_handle,
    [CONN_WAIT] = routes_fetched,        [CONN_SEND] = routes_send,
    [CONN_LINGER] = step_linger,         [CONN_CLOSING] = step_closing,
};
