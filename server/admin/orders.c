/* SPDX-License-Identifier: MIT */
/* orders.c - see orders.h. */
#include "server/admin/orders.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/fd.h"
#include "server/base/log.h"
#include "server/base/span.h"
#include "server/http/path.h"
#include "server/shared/worker_env.h"

enum { ORDER_MAGIC = 0x6f726472, ORDER_S = 150, ORDERS_MAX = 64 };

struct order {
    unsigned magic;
    struct list link;
    struct orders *orders;
    uint64_t number;
    struct evhttp_request *req; /* NULL: the client has gone */
    struct event *timer;
};

void orders_init(struct orders *o, struct event_base *base, int channel_fd,
                 uint32_t generation, order_answer_fn *answer, void *arg)
{
    *o = (struct orders){ .base = base, .answer = answer, .arg = arg };
    channel_init(&o->channel, channel_fd, ADMIN_SLOT, generation);
    list_init(&o->waiting);
}

static void end_order(struct order *order, int status, const char *words)
{
    struct evhttp_request *req = order->req;

    list_remove(&order->link);
    order->orders->count--;
    event_free(order->timer);
    if (req != NULL) {
        evhttp_connection_set_closecb(evhttp_request_get_connection(req), NULL, NULL);
        order->orders->answer(order->orders->arg, req, status, words);
    }
    order->magic = 0;
    free(order);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct order *order = arg;

    (void)fd;
    (void)what;
    CHECK_MAGIC(order, ORDER_MAGIC);
    end_order(order, 504, "the master has not answered in time");
}

/* libevent frees the request with its connection. */
static void on_close(struct evhttp_connection *connection, void *arg)
{
    struct order *order = arg;

    (void)connection;
    CHECK_MAGIC(order, ORDER_MAGIC);
    order->req = NULL;
}

static int status_of(uint64_t err)
{
    switch (err) {
    case 0:
        return 200;
    case EINVAL:
        return 400;
    case ECANCELED:
        return 409;
    case ETIMEDOUT:
        return 504;
    default:
        return 503;
    }
}

bool orders_hear(struct orders *o)
{
    static struct message m; /* 8 KiB, one thread */
    int fd = -1, rc;

    while ((rc = channel_receive(&o->channel, &m, &fd)) > 0) {
        char words[256];

        fd_close(&fd);
        if (m.kind == MESSAGE_QUIT)
            return false;
        if (m.kind != MESSAGE_CTL_DONE)
            continue;
        snprintf(words, sizeof words, "%.*s", (int)m.text_len, m.text);
        list_each_safe (it, &o->waiting) {
            struct order *order = list_entry(it, struct order, link);

            if (order->number == m.arg[0])
                end_order(order, status_of(m.arg[1]), words);
        }
    }
    if (rc == -EBADMSG)
        log_err("the master sent a broken message");
    return rc == 0;
}

void orders_end(struct orders *o)
{
    list_each_safe (it, &o->waiting)
        end_order(list_entry(it, struct order, link), 503, "the server leaves");
}

/* --- commands ------------------------------------------------------------------------
 */

int orders_key(const char *url, char *to, size_t *ret_n)
{
    struct span text = span_of(url), path, query;
    size_t scheme = 0;

    if (text.n == 0) {
        *ret_n = 0;
        return 0;
    }
    if (span_starts_nocase(text, SPAN("http://")))
        scheme = strlen("http://");
    else if (span_starts_nocase(text, SPAN("https://")))
        scheme = strlen("https://");
    text = span_skip(text, scheme);
    span_cut(text, '#', &text, &query);
    span_cut(text, '?', &path, &query);
    if (scheme > 0 && path.n > 0) {
        path = span_skip(path, span_find(path, '/'));
        if (path.n == 0)
            path = SPAN("/"); /* RFC 9110, 4.2.3 */
    }
    if (path.n == 0 || path.p[0] != '/')
        return -EINVAL;
    return path_normalise(path, to, ret_n) == 0 ? 0 : -EINVAL;
}

/* "purge KEY" from ?url=; without it everything. */
static int purge_command(struct evhttp_request *req, char to[MESSAGE_TEXT_MAX])
{
    const char *raw = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(req));
    const char *url = NULL;
    struct evkeyvalq query;
    size_t n = strlen("purge "), key = 0;
    int rc;

    if (raw == NULL || strstr(raw, "%00") != NULL || /* would end the text */
        evhttp_parse_query_str(raw, &query) < 0)
        return -EINVAL;
    url = evhttp_find_header(&query, "url");
    memcpy(to, "purge ", n);
    if (url == NULL || strlen(url) >= MESSAGE_TEXT_MAX - n)
        rc = -EINVAL;
    else
        rc = strcmp(url, "*") == 0 ? 0 : orders_key(url, to + n, &key);
    if (rc == 0 && url[0] == '\0')
        rc = -EINVAL; /* everything is said as such */
    evhttp_clear_headers(&query);
    return rc < 0 ? rc : (int)(n + key);
}

/* The command in words and its length, or a negative errno. */
static int make_command(struct evhttp_request *req, const char *name,
                        char to[MESSAGE_TEXT_MAX])
{
    static const char *const plain[] = { "gc",     "refork",  "reload",
                                         "reopen", "upgrade", "drain" };

    if (strcmp(name, "purge") == 0)
        return purge_command(req, to);
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (strcmp(plain[i], name) == 0)
            return snprintf(to, MESSAGE_TEXT_MAX, "%s", name);
    return -ENOENT;
}

static struct order *new_order(struct orders *o, struct evhttp_request *req)
{
    const struct timeval limit = { .tv_sec = ORDER_S };
    struct order *order = calloc(1, sizeof *order);

    if (order == NULL)
        return NULL;
    order->timer = evtimer_new(o->base, on_timeout, order);
    if (order->timer == NULL || evtimer_add(order->timer, &limit) < 0) {
        if (order->timer != NULL)
            event_free(order->timer);
        free(order);
        return NULL;
    }
    order->magic = ORDER_MAGIC;
    order->orders = o;
    order->number = o->last;
    order->req = req;
    list_push_back(&o->waiting, &order->link);
    o->count++;
    evhttp_connection_set_closecb(evhttp_request_get_connection(req), on_close, order);
    return order;
}

int orders_take(struct orders *o, struct evhttp_request *req, const char *name,
                const char **ret_words)
{
    char command[MESSAGE_TEXT_MAX];
    int n = make_command(req, name, command);
    uint64_t arg[3] = { o->last + 1 };

    if (n == -ENOENT) {
        *ret_words =
            "no such order: gc, purge?url=, refork, reload, reopen, upgrade, drain";
        return 404;
    }
    if (n < 0) {
        *ret_words = "purge needs ?url=/path, or ?url=* for everything";
        return 400;
    }
    if (o->count >= ORDERS_MAX ||
        channel_send(&o->channel, MESSAGE_CTL, arg, command, (uint32_t)n, -1) < 0) {
        *ret_words = "too many orders are not done yet";
        return 503;
    }
    o->last++;
    if (new_order(o, req) == NULL) {
        *ret_words = "out of memory; the order was given";
        return 503;
    }
    return 0;
}
