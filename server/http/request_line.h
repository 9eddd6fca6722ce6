/* SPDX-License-Identifier: MIT */
/* request_line.h - the first line of a request, and the four forms of its target (RFC
 * 9112 3). */
#ifndef COWSHED_REQUEST_LINE_H
#define COWSHED_REQUEST_LINE_H

#include <stdbool.h>

#include "server/base/span.h"
#include "server/http/request.h"

struct request_line {
    enum method method;
    unsigned minor;
    struct span target;
    bool has_path;    /* false: "*" or the authority of CONNECT */
    struct span path; /* as sent; "/" when an absolute target has none */
    struct span query;
    struct span host; /* of an absolute target; p == NULL otherwise */
};

/* `text` without its line end. 0, or 400, 501, 505 and words in *ret_why. */
unsigned request_line_parse(struct span text, struct request_line *ret_line,
                            const char **ret_why);

/* host [":" port], the value of Host; may be empty. */
bool request_host_is_valid(struct span host);

#endif
