/* SPDX-License-Identifier: MIT */
/* request_head.h - what must hold of a request head that llhttp has accepted (RFC
 * 9112 3.2, 6).
 *
 * llhttp has seen the fields; `line`, `field`, `minor` and `head_size` of the request
 * are set. Host, framing and expectation are judged, the path is normalised, lists that
 * came in pieces are joined.
 */
#ifndef COWSHED_REQUEST_HEAD_H
#define COWSHED_REQUEST_HEAD_H

#include "server/http/request_line.h"

/* 0, or the status of the refusal and its words. */
unsigned request_head_check(struct request *, struct span head,
                            const struct request_line *, const char **ret_why);

#endif
