/* SPDX-License-Identifier: MIT */
/* patience.h - listeners of libevent when there is no descriptor for who comes.
 *
 * Left to itself libevent tries again at once, and writes a line each time. Here the
 * listener is let alone for a moment, and a line comes once in a while (log_limit.h).
 * For one event base in the process; there are two listeners at most.
 */
#ifndef COWSHED_ADMIN_PATIENCE_H
#define COWSHED_ADMIN_PATIENCE_H

struct event_base;
struct evconnlistener;

/* 0 or -ENOMEM. `name`: of the listener, for the line; static. */
int patience_with(struct event_base *, struct evconnlistener *, const char *name);
/* Before the listener is freed; takes one that is not watched. */
void patience_end(struct evconnlistener *);

#endif
