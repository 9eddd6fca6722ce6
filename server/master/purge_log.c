/* SPDX-License-Identifier: MIT */
/* purge_log.c - see purge_log.h. */
#include "server/master/purge_log.h"

uint64_t purge_log_add(struct purge_log *log, bool all, uint64_t hash)
{
    log->last++;
    log->hash[log->last % PURGE_LOG_MAX] = hash;
    if (all)
        log->all = log->last;
    return log->last;
}

bool purge_log_allows(const struct purge_log *log, uint64_t seen, uint64_t hash)
{
    if (seen > log->last || seen < log->all || log->last - seen > PURGE_LOG_MAX)
        return false;
    for (uint64_t n = seen + 1; n <= log->last; n++)
        if (log->hash[n % PURGE_LOG_MAX] == hash)
            return false;
    return true;
}
