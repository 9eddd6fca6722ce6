/* SPDX-License-Identifier: MIT */
/* agent.h - HAProxy's agent-check: a line for each connection about what a load
 * balancer should do with this server.
 *
 *   up ready 75%          so many of the wanted slots serve: the weight follows
 *   drain                 the server leaves; requests of sessions may still come
 *   down #no slot serves  and why, for people
 *
 * HAProxy's configuration manual, `agent-check`. Whatever comes in is not read.
 */
#ifndef COWSHED_ADMIN_AGENT_H
#define COWSHED_ADMIN_AGENT_H

#include <event2/event.h>

#include "server/admin/pages.h"

enum { AGENT_LINE_MAX = READY_WORDS_MAX + 16 };

/* The line with its end. Returns out. */
char *agent_line(char out[AGENT_LINE_MAX], const struct page_source *);

struct evconnlistener;
/* A look at the server, by the admin process. */
typedef struct page_source agent_look_fn(void *arg);
struct agent {
    struct evconnlistener *listener;
    agent_look_fn *look;
    void *arg;
};

/* fd stays the caller's; -1: no agent. 0 or -ENOMEM. */
int agent_start(struct agent *, struct event_base *, int fd, agent_look_fn *look,
                void *arg);
void agent_stop(struct agent *);

#endif
