/* SPDX-License-Identifier: MIT */
/* admin.c - the admin process: one loop, libevent's HTTP server, the channel to the
 * master.
 *
 * It reads the shared region and /proc and changes nothing there; what is to be done
 * goes to the master as an order, and the request waits for the answer (at most
 * ORDER_S). It never parses what clients of the site send. An answer costs at most one
 * walk over the histograms, and a look into /proc once per second.
 */
#include "server/admin/admin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "server/admin/agent.h"
#include "server/admin/calibrate.h"
#include "server/admin/orders.h"
#include "server/admin/pages.h"
#include "server/admin/patience.h"
#include "server/admin/view.h"
#include "server/base/check.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/conf/options.h"
#include "server/shared/worker_env.h"

enum {
    ADMIN_MAGIC = 0x61646d6e,
    TIMEOUT_S = 300,
    HEADERS_MAX = 16384,
    BODY_MAX = 65536,
    EVENTS_DEFAULT = 10000,
    LAST_ANSWERS_MS = 500, /* less than the master waits for us */
    EXIT_OS_ERROR = 71,
};

struct admin {
    unsigned magic;
    const struct admin_env *env;
    struct event_base *base;
    struct evhttp *http;
    struct evhttp_bound_socket *accepts;
    struct agent agent;
    struct orders orders;
    struct event *channel_event;
    struct calibration calibration;
    struct view view;
    unsigned unsent; /* answers that are not written yet */
    bool leaving;
};

static struct page_source look(void *arg)
{
    struct admin *a = arg;

    CHECK_MAGIC(a, ADMIN_MAGIC);
    view_update(&a->view, a->env->region, a->env->options->heap == HEAP_SHARED,
                clock_ns());
    return (struct page_source){ a->env->options, a->env->region, &a->view,
                                 &a->calibration };
}

/* An answer is written, or its connection has ended before. */
static void settle_answer(struct admin *a, struct evhttp_connection *connection)
{
    CHECK_MAGIC(a, ADMIN_MAGIC);
    CHECK(a->unsent > 0);
    a->unsent--;
    evhttp_connection_set_closecb(connection, NULL, NULL);
    if (a->leaving && a->unsent == 0)
        event_base_loopbreak(a->base);
}

static void on_written(struct evhttp_request *req, void *arg)
{
    settle_answer(arg, evhttp_request_get_connection(req));
}

static void on_cut_off(struct evhttp_connection *connection, void *arg)
{
    settle_answer(arg, connection);
}

static void answer(struct admin *a, struct evhttp_request *req, int status,
                   const char *type, struct evbuffer *body)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(req);

    evhttp_add_header(headers, "Content-Type", type);
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    if (evhttp_request_get_command(req) == EVHTTP_REQ_HEAD) {
        char length[24]; /* evhttp would send the body, and no length */

        snprintf(length, sizeof length, "%zu", evbuffer_get_length(body));
        evhttp_add_header(headers, "Content-Length", length);
        evbuffer_drain(body, evbuffer_get_length(body));
    }
    a->unsent++;
    evhttp_request_set_on_complete_cb(req, on_written, a);
    evhttp_connection_set_closecb(evhttp_request_get_connection(req), on_cut_off, a);
    evhttp_send_reply(req, status, NULL, body);
}

static void answer_text(struct admin *a, struct evhttp_request *req, int status,
                        const char *text)
{
    struct evbuffer *body = evbuffer_new();

    if (body != NULL)
        evbuffer_add_printf(body, "%s\n", text);
    answer(a, req, status, "text/plain; charset=utf-8", body);
    if (body != NULL)
        evbuffer_free(body);
}

/* 0 or the error of the page: then the answer says so. */
static void answer_page(struct admin *a, struct evhttp_request *req, int rc,
                        const char *type, struct evbuffer *body)
{
    if (rc < 0 || body == NULL)
        answer_text(a, req, 500, "out of memory");
    else
        answer(a, req, 200, type, body);
    if (body != NULL)
        evbuffer_free(body);
}

/* --- pages ---------------------------------------------------------------------------
 */

static void on_status(struct admin *a, struct evhttp_request *req)
{
    struct evbuffer *body = evbuffer_new();
    struct page_source from = look(a);

    answer_page(a, req, body != NULL ? page_status(body, &from) : -ENOMEM,
                "application/json", body);
}

static void on_metrics(struct admin *a, struct evhttp_request *req)
{
    struct evbuffer *body = evbuffer_new();
    struct page_source from = look(a);

    answer_page(a, req, body != NULL ? page_metrics(body, &from) : -ENOMEM,
                "text/plain; version=0.0.4; charset=utf-8", body);
}

static void on_live(struct admin *a, struct evhttp_request *req)
{
    /* that this process answers, and lives only as long as the master, is the
                news */
    answer_text(a, req, 200, "ok");
}

static void on_ready(struct admin *a, struct evhttp_request *req)
{
    struct page_source from = look(a);
    char words[READY_WORDS_MAX];
    int rc = page_ready(&from, words);

    answer_text(a, req, rc == 0 ? 200 : 503, words);
}

static void on_dashboard(struct admin *a, struct evhttp_request *req)
{
    struct evbuffer *body = evbuffer_new();

    answer_page(a, req,
                body != NULL
                    ? evbuffer_add(body, page_dashboard, strlen(page_dashboard))
                    : -ENOMEM,
                "text/html; charset=utf-8", body);
}

/* A number from the query; `otherwise` when it is not there. False when it is no
 * number. */
static bool query_number(struct evhttp_request *req, const char *name,
                         uint64_t otherwise, uint64_t *ret)
{
    struct evkeyvalq query;
    const char *text, *raw = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(req));
    bool fine = true;

    *ret = otherwise;
    if (raw == NULL || evhttp_parse_query_str(raw, &query) < 0)
        return raw == NULL;
    text = evhttp_find_header(&query, name);
    if (text != NULL)
        fine = num_parse_u64(span_of(text), 0, UINT64_MAX, ret) == 0;
    evhttp_clear_headers(&query);
    return fine;
}

static void on_events(struct admin *a, struct evhttp_request *req)
{
    struct evbuffer *body;
    uint64_t since_ns, limit;

    if (!query_number(req, "since", 0, &since_ns) ||
        !query_number(req, "limit", EVENTS_DEFAULT, &limit)) {
        answer_text(a, req, 400, "since (ns) and limit are numbers");
        return;
    }
    body = evbuffer_new();
    answer_page(a, req,
                body != NULL ? page_events(body, a->env->region, since_ns, limit)
                             : -ENOMEM,
                "application/x-ndjson", body);
}

/* --- requests ------------------------------------------------------------------------
 */

static const struct page {
    const char *path;
    void (*show)(struct admin *, struct evhttp_request *);
} pages[] = {
    { "/", on_dashboard },    { "/status", on_status }, { "/metrics", on_metrics },
    { "/livez", on_live },    { "/healthz", on_live },  { "/readyz", on_ready },
    { "/events", on_events },
};

/* An address, or this machine: not a name that somebody else may let point here. */
static bool is_own_host(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    char name[INET6_ADDRSTRLEN + 1] = "";
    bool brackets = host[0] == '[';
    size_t n = strcspn(host + brackets, brackets ? "]" : ":");

    if (n >= sizeof name)
        return false;
    memcpy(name, host + brackets, n);
    name[n] = '\0';
    host += brackets ? n + 1 + (host[n + 1] == ']') : n;
    if (host[0] != '\0' && host[0] != ':')
        return false;
    return brackets ? inet_pton(AF_INET6, name, address) == 1
                    : strcmp(name, "localhost") == 0 ||
                          inet_pton(AF_INET, name, address) == 1;
}

/* A page of another site must not give orders through somebody's browser, nor one whose
 * name points to us (DNS rebinding). Who is no browser sends no Origin. */
static bool is_foreign(struct evhttp_request *req)
{
    struct evkeyvalq *headers = evhttp_request_get_input_headers(req);
    const char *origin = evhttp_find_header(headers, "Origin");
    const char *host = evhttp_find_header(headers, "Host");

    if (origin == NULL)
        return false;
    return host == NULL || strncmp(origin, "http://", 7) != 0 ||
           strcmp(origin + 7, host) != 0 || !is_own_host(host);
}

static void take_order(struct admin *a, struct evhttp_request *req, const char *name)
{
    const char *why = "";
    int status;

    if (evhttp_request_get_command(req) != EVHTTP_REQ_POST) {
        evhttp_add_header(evhttp_request_get_output_headers(req), "Allow", "POST");
        answer_text(a, req, 405, "orders are POST");
        return;
    }
    if (is_foreign(req)) {
        answer_text(a, req, 403, "orders come from this origin only, by its address");
        return;
    }
    status = orders_take(&a->orders, req, name, &why);
    if (status != 0)
        answer_text(a, req, status, why);
}

static void on_request(struct evhttp_request *req, void *arg)
{
    struct admin *a = arg;
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(req));
    enum evhttp_cmd_type command = evhttp_request_get_command(req);

    CHECK_MAGIC(a, ADMIN_MAGIC);
    if (path == NULL || path[0] == '\0')
        path = "/";
    if (strncmp(path, "/ctl/", 5) == 0) {
        take_order(a, req, path + 5);
        return;
    }
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (strcmp(pages[i].path, path) != 0)
            continue;
        if (command == EVHTTP_REQ_GET || command == EVHTTP_REQ_HEAD) {
            pages[i].show(a, req);
        } else {
            evhttp_add_header(evhttp_request_get_output_headers(req), "Allow",
                              "GET, HEAD");
            answer_text(a, req, 405, "this is for reading");
        }
        return;
    }
    answer_text(a, req, 404, "no such page");
}

/* --- the master ----------------------------------------------------------------------
 */

static void on_answer(void *arg, struct evhttp_request *req, int status,
                      const char *words)
{
    answer_text(arg, req, status, words);
}

/* Who has asked for the drain that ends us is told before. */
static void leave(struct admin *a)
{
    const struct timeval limit = { .tv_usec = LAST_ANSWERS_MS * 1000 };

    event_del(a->channel_event);
    patience_end(evhttp_bound_socket_get_listener(a->accepts));
    evhttp_del_accept_socket(a->http, a->accepts); /* who comes now is not ours */
    agent_stop(&a->agent);
    orders_end(&a->orders);
    a->leaving = true;
    if (a->unsent == 0 || event_base_loopexit(a->base, &limit) < 0)
        event_base_loopbreak(a->base);
}

static void on_channel(evutil_socket_t fd, short what, void *arg)
{
    struct admin *a = arg;

    (void)fd;
    (void)what;
    CHECK_MAGIC(a, ADMIN_MAGIC);
    if (!orders_hear(&a->orders))
        leave(a);
}

static int open_admin(struct admin *a, const struct admin_env *env)
{
    a->magic = ADMIN_MAGIC;
    a->env = env;
    a->base = event_base_new();
    a->http = a->base != NULL ? evhttp_new(a->base) : NULL;
    if (a->http == NULL)
        return -ENOMEM;
    orders_init(&a->orders, a->base, env->channel_fd, env->generation, on_answer, a);
    evhttp_set_timeout(a->http, TIMEOUT_S);
    evhttp_set_max_headers_size(a->http, HEADERS_MAX);
    evhttp_set_max_body_size(a->http, BODY_MAX);
    evhttp_set_allowed_methods(a->http,
                               EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST);
    evhttp_set_gencb(a->http, on_request, a);
    a->channel_event =
        event_new(a->base, env->channel_fd, EV_READ | EV_PERSIST, on_channel, a);
    if (a->channel_event == NULL || event_add(a->channel_event, NULL) < 0)
        return -ENOMEM;
    a->accepts = evhttp_accept_socket_with_handle(a->http, env->listener);
    if (a->accepts == NULL ||
        patience_with(a->base, evhttp_bound_socket_get_listener(a->accepts), "admin") <
            0)
        return -ENOMEM;
    return agent_start(&a->agent, a->base, env->agent_listener, look, a);
}

int admin_run(const struct admin_env *env)
{
    struct admin *a = calloc(1, sizeof *a);

    if (a == NULL || open_admin(a, env) < 0) {
        log_err("could not start the admin process: out of memory");
        return EXIT_OS_ERROR;
    }
    calibrate_machine(&a->calibration);
    event_base_dispatch(a->base);
    return 0; /* the process ends: the kernel takes the rest back */
}
