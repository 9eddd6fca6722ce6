/* SPDX-License-Identifier: MIT */
/* routes.h - what answers a request: the cache, a fetch, or an error.
 *
 * Each function fills conn->out, moves the conn to SEND (or WAIT) and tries to write at
 * once: an answer from the heap inside the epoch in which it was found.
 */
#ifndef COWSHED_WORKER_ROUTES_H
#define COWSHED_WORKER_ROUTES_H

#include "server/worker/conn.h"

/* HANDLE: a request is complete. */
enum conn_next routes_handle(struct conn *);
/* WAIT: its fetch has ended; conn->fetched has the result, NULL when memory was short.
 */
enum conn_next routes_fetched(struct conn *);
/* An error after which the connection ends; from any state that may go to SEND. */
enum conn_next routes_refuse(struct conn *, unsigned status);

/* SEND: writes what is left; when all is out, counts and logs the request and moves on.
 */
enum conn_next routes_send(struct conn *);

#endif
