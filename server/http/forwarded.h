/* SPDX-License-Identifier: MIT */
/* forwarded.h - who the client is, by the word of proxies that are trusted.
 *
 * Each proxy adds the address of who connected to it at the end of the list. So the
 * list is read from its end: what a trusted peer says is believed, and the first
 * address that is not a trusted one is the client; whatever stands before it may be
 * anybody's invention. `Forwarded` (RFC 7239) counts before `X-Forwarded-For`.
 */
#ifndef COWSHED_FORWARDED_H
#define COWSHED_FORWARDED_H

#include <stdbool.h>

#include "server/base/peer.h"
#include "server/base/span.h"

/* The values of both fields (several fields joined by commas), empty when not sent.
 * *peer: who is connected; becomes the client. A list that is malformed says nothing,
 * "unknown" and hidden names end it: the last address that was believed stays. */
void forwarded_client(struct span forwarded, struct span x_forwarded_for,
                      const struct peer_list *trusted, struct peer *peer);

/* A request id that may be logged and sent as it is: 1 to 128 of A-Z a-z 0-9 . _ - */
bool forwarded_is_id(struct span);

#endif
