/* SPDX-License-Identifier: MIT */
/* answered.h - after a write: the request is over, or waits for room, or its client is
 * gone. */
#ifndef COWSHED_WORKER_ANSWERED_H
#define COWSHED_WORKER_ANSWERED_H

#include "server/worker/conn.h"
#include "server/worker/send.h"

/* In SEND, outside of any epoch. Counts, records the latency, logs; then the next
 * request, or the end of the connection. */
enum conn_next answered(struct conn *, enum sent);

#endif
