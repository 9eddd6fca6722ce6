/* SPDX-License-Identifier: MIT */
/* patience.c - see patience.h. */
#include "server/admin/patience.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/log_limit.h"

enum { LISTENERS = 2, PAUSE_MS = 100 };

struct patience {
    struct evconnlistener *listener; /* NULL: free */
    const char *name;
    struct event *again;
    struct log_limit limit;
};

/* The callback of libevent has the argument of whoever accepts, not one of ours. */
static struct patience watched[LISTENERS];

static struct patience *find(const struct evconnlistener *listener)
{
    for (unsigned i = 0; i < LISTENERS; i++)
        if (watched[i].listener == listener)
            return &watched[i];
    return NULL;
}

static void on_error(struct evconnlistener *listener, void *arg)
{
    const struct timeval pause = { .tv_usec = PAUSE_MS * 1000 };
    int err = errno;
    struct patience *p = find(listener);
    char more[LOG_LEFT_OUT_MAX];
    uint64_t left_out;

    (void)arg;
    if (p == NULL)
        return;
    evconnlistener_disable(listener);
    event_add(p->again, &pause);
    if (log_limit_pass(&p->limit, clock_ns(), &left_out))
        log_warn("%s: could not accept a connection: %s%s", p->name,
                 log_errno_text(err), log_left_out(more, left_out));
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    const struct patience *p = arg;

    (void)fd;
    (void)what;
    evconnlistener_enable(p->listener);
}

int patience_with(struct event_base *base, struct evconnlistener *listener,
                  const char *name)
{
    struct patience *p = find(NULL);

    if (p == NULL)
        return -ENOMEM;
    *p = (struct patience){ .listener = listener, .name = name };
    p->again = evtimer_new(base, on_again, p);
    if (p->again == NULL) {
        p->listener = NULL;
        return -ENOMEM;
    }
    evconnlistener_set_error_cb(listener, on_error);
    return 0;
}

void patience_end(struct evconnlistener *listener)
{
    struct patience *p = listener != NULL ? find(listener) : NULL;

    if (p == NULL)
        return;
    event_free(p->again);
    p->listener = NULL;
}
