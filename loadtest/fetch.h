/* SPDX-License-Identifier: MIT */
/* fetch.h - one request over a connection of its own, waiting for the answer. For the
 * admin listener; while something is measured only for what disturbs it on purpose. */
#ifndef LOADTEST_FETCH_H
#define LOADTEST_FETCH_H

#include <stdint.h>

#include "server/base/buf.h"

enum { FETCH_BODY_MAX = 64 << 20 };

/* `address` is HOST:PORT. The caller frees `ret_body` (buf_free) in any case. 0, or a
 * negative errno; -EPROTO for anything but a 200. */
int fetch_get(const char *address, const char *path, uint64_t timeout_ns,
              struct buf *ret_body);
/* The same by POST, without a body. */
int fetch_post(const char *address, const char *path, uint64_t timeout_ns,
               struct buf *ret_body);

#endif
