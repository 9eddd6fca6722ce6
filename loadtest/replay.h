/* SPDX-License-Identifier: MIT */
/* replay.h - requests and their times from an access log in common or combined format:
 *
 *   HOST IDENT USER [10/Oct/2000:13:55:36 -0700] "GET /path HTTP/1.0" 200 2326 ...
 *
 * The clock of such a log has whole seconds: the requests of one second are spread over
 * it evenly, in their order.
 */
#ifndef LOADTEST_REPLAY_H
#define LOADTEST_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#include "loadtest/lines.h"
#include "server/base/span.h"

enum { REPLAY_ERROR_MAX = LINES_ERROR_MAX };

struct replay_line {
    int64_t second; /* since the epoch */
    struct span method, path;
};

/* The spans point into the line. NULL, or what is wrong with it. A request that cannot
 * be sent again (another method than GET or HEAD, or no HTTP at all) has an empty
 * method. */
const char *replay_parse(struct span line, struct replay_line *ret_line);

struct replay {
    uint64_t *at_ns; /* since the first second; never falls */
    uint32_t *which; /* request, as `add` has numbered it */
    size_t n;
    size_t skipped;     /* lines that are no request to send */
    uint64_t length_ns; /* to the end of the last second */
};

/* Gives a number to a request; the same to the same. 0 or a negative errno. */
typedef int replay_add(void *arg, struct span method, struct span path,
                       uint32_t *ret_which);

/* Reads a log. 0, or a negative errno with "PATH:LINE: why" in `error`. */
int replay_read(struct replay *ret_replay, const char *path, replay_add *add, void *arg,
                char error[REPLAY_ERROR_MAX]);
void replay_free(struct replay *replay);

#endif
