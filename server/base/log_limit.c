/* SPDX-License-Identifier: MIT */
/* log_limit.c - see log_limit.h. */
#include "server/base/log_limit.h"

#include <inttypes.h>
#include <stdio.h>

static void begin(struct log_limit *limit, uint64_t now_ns, uint64_t *ret_left_out)
{
    *ret_left_out = limit->left_out;
    limit->left_out = 0;
    limit->quiet_until_ns = now_ns + LOG_LIMIT_NS;
}

bool log_limit_pass(struct log_limit *limit, uint64_t now_ns, uint64_t *ret_left_out)
{
    if (now_ns < limit->quiet_until_ns) {
        limit->left_out++;
        return false;
    }
    begin(limit, now_ns, ret_left_out);
    return true;
}

bool log_limit_due(struct log_limit *limit, uint64_t now_ns, uint64_t *ret_left_out)
{
    if (limit->left_out == 0 || now_ns < limit->quiet_until_ns)
        return false;
    begin(limit, now_ns, ret_left_out);
    return true;
}

char *log_left_out(char out[LOG_LEFT_OUT_MAX], uint64_t left_out)
{
    out[0] = '\0';
    if (left_out > 0)
        snprintf(out, LOG_LEFT_OUT_MAX,
                 " (and %" PRIu64 " more since the last such line)", left_out);
    return out;
}
