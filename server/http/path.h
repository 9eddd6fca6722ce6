/* SPDX-License-Identifier: MIT */
/* path.h - from the path of a request target to the name under which it is looked up.
 *
 * Decoded exactly once. "." and ".." segments are resolved after decoding, so that
 * "%2e%2e" is
 * "..", and may not leave the root; "//" is "/". An encoded slash names nothing that
 * could exist here (404); control bytes, zero among them, and broken escapes are
 * refused (400).
 */
#ifndef COWSHED_PATH_H
#define COWSHED_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/span.h"

/* True when `raw` is its own normalised form: nothing to decode or resolve. */
bool path_is_plain(struct span raw);

/* `raw` begins with '/' and has no query. Writes at most raw.n bytes to `to` (may be
 * raw.p itself), its length to *ret_n; the result begins with '/'. 0, or the status to
 * answer: 400, 404. */
unsigned path_normalise(struct span raw, char *to, size_t *ret_n);

#endif
